#!/usr/bin/env bash
# mutants: does the simulation see? Each fault of test/sim/mutants.def is put into a copy of lib/session, and the simulation
# must find it. A fault whose line is no longer there is a failure too.
#
#   mutants.sh [NAME...]      all of them, or those named
#   CC=cc MUTANT_SEEDS=20000  the compiler, and how many schedules it may take
set -euo pipefail
cd "$(dirname "$0")/.."
cc=${CC:-cc}
seeds=${MUTANT_SEEDS:-20000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

mkdir -p "$work/include/styx" "$work/obj" "$work/tree"
cp -r lib test "$work/tree"
cp lib/base/*.def lib/wire/*.def "$work/include/styx"
flags=(-std=c17 -D_GNU_SOURCE -O1 -g0 -w -I"$work/include" -I"$work/tree/lib/include" -I"$work/tree/lib" -I"$work/tree/test/sim")

compile() { nice "$cc" "${flags[@]}" -c "$work/tree/$1" -o "$2"; }
object() { echo "$work/obj/${1//\//_}.o"; }
link() { nice "$cc" "$work"/obj/*.o -o "$work/sim"; }

# The schedule at which the simulation found something, or why it did not. A crash says its seed, a violation its number.
run_sim() {
  local status=0 nth
  timeout 300 "$work/sim" --seeds "$seeds" >"$work/out" 2>&1 || status=$?
  nth=$(sed -nE 's/^sim: VIOLATION in schedule ([0-9]+).*/\1/p; s/^sim: seed ([0-9]+);.*/\1/p' "$work/out" | head -n 1)
  case $status in
    0) echo "not found in $seeds schedules" && return 1 ;;
    2) echo "the simulation did not start: $(tail -n 1 "$work/out")" && return 1 ;;
    124) echo "the simulation hung" && return 1 ;;
    *) echo "found after ${nth:-?} schedules" ;;
  esac
}

count() { # STATUS TEXT
  if (($1 == 0)); then
    passed=$((passed + 1))
    echo "ok $2"
  else
    failed=$((failed + 1))
    echo "not ok $2"
  fi
}

# Put line $3 where line $2 stands in file $1, which must be in exactly one place; the indentation stays.
replace_line() {
  OLD=$2 NEW=$3 awk '
    { text = $0; sub(/^ +/, "", text) }
    text == ENVIRON["OLD"] { found++; sub(/[^ ].*/, ""); $0 = $0 ENVIRON["NEW"] }
    { print }
    END { exit found != 1 }' "$1" >"$work/mutated.c"
}

mutant() { # NAME FILE OLD NEW
  local name=$1 file=$2 said status=0
  if ! replace_line "$file" "$3" "$4"; then
    count 1 "mutant $name: this line must be in $file exactly once: $3"
    return
  fi
  cp "$work/mutated.c" "$work/tree/$file"
  if compile "$file" "$(object "$file")" && link; then
    said=$(run_sim) || status=1
    count "$status" "mutant $name $said"
  else
    count 1 "mutant $name does not compile"
  fi
  cp "$file" "$work/tree/$file"
  compile "$file" "$(object "$file")"
}

for source in lib/base/*.c lib/wire/*.c lib/session/*.c test/sim/*.c; do
  compile "$source" "$(object "$source")"
done
link
if said=$(run_sim); then
  count 1 "the simulation without a mutant: $said"
  tail -n 40 "$work/out"
else
  count 0 "the simulation without a mutant: $said"
fi

name='' file='' old=''
while IFS= read -r line; do
  case $line in
    '#'* | '') ;;
    '- '*) old=${line#- } ;;
    '+ '*) if (($# == 0)) || [[ " $* " == *" $name "* ]]; then mutant "$name" "$file" "$old" "${line#+ }"; fi ;;
    lib/*) file=$line ;;
    *) name=${line%%:*} ;;
  esac
done <test/sim/mutants.def
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
