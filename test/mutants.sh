#!/usr/bin/env bash
# mutants: do the simulations see? Each fault of test/sim/mutants.def is put into a copy of the session for sim, each of
# test/sim/stages.def into a copy of the session and the server for sim_stages, and they must find it. A fault whose line is
# no longer there is a failure too. The end is a table of them: how many schedules it took until one was found.
#
#   mutants.sh [NAME...]      all of them, or those named
#   CC=cc MUTANT_SEEDS=20000  the compiler, and how many schedules it may take
set -euo pipefail
shopt -s extglob
cd "$(dirname "$0")/.."
cc=${CC:-cc}
seeds=${MUTANT_SEEDS:-20000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 rows=()

mkdir -p "$work/include/styx"
cp lib/base/*.def lib/wire/*.def "$work/include/styx"
cp -r lib server test "$work" # whoever edits meanwhile changes nothing
cd "$work"

# Of the simulation at hand: its name, its table, its sources, a copy of them, and those that yield.
program='' table='' tree='' sources=() yielding=''

flags() {
  echo -std=c17 -D_GNU_SOURCE -O1 -g0 -w "-I$work/include" "-I$tree/lib/include" "-I$tree/lib" "-I$tree" "-I$tree/test/sim"
  # shellcheck disable=SC2254 # a pattern
  case $1 in $yielding) echo -include "$tree/test/sim/yield.h" ;; esac
  case $1 in server/stats*) echo -DSTAGE_LOCKS_ONLY ;; esac
}
object() { echo "$tree/obj/${1//\//_}.o"; }
compile() {
  # shellcheck disable=SC2046 # words
  nice "$cc" $(flags "$1") -c "$tree/$1" -o "$(object "$1")"
}
link() { nice "$cc" "$tree"/obj/*.o -lcrypto -lpthread -o "$tree/$program"; }

# The schedule at which the simulation found something, or why it did not. A crash says its seed, a violation its number.
run_sim() {
  local status=0 nth
  timeout 300 "$tree/$program" --seeds "$seeds" >"$work/out" 2>&1 || status=$?
  nth=$(sed -nE 's/^[a-z_]+: VIOLATION in schedule ([0-9]+).*/\1/p; s/^[a-z_]+: seed ([0-9]+);.*/\1/p' "$work/out" | head -n 1)
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
  cp "$work/mutated.c" "$tree/$file"
  if compile "$file" && link; then
    said=$(run_sim) || status=1
    count "$status" "mutant $name $said"
    rows+=("$name" "$file" "$program" "${said//[^0-9?]/}")
    ((status == 0)) || rows[-1]="not found"
  else
    count 1 "mutant $name does not compile"
  fi
  cp "$file" "$tree/$file"
  compile "$file"
}

build() {
  tree=$work/$program
  mkdir -p "$tree/obj"
  cp -r lib server test "$tree"
  for source in "${sources[@]}"; do compile "$source"; done
  link
}

without_mutant() {
  local said
  if said=$(run_sim); then
    count 1 "$program without a mutant: $said"
    tail -n 40 "$work/out"
  else
    count 0 "$program without a mutant: $said"
  fi
}

# All mutants of the table, or those named in the arguments.
every_mutant() {
  local name='' file='' old='' line
  while IFS= read -r line; do
    case $line in
      '#'* | '') ;;
      '- '*) old=${line#- } ;;
      '+ '*) if (($# == 0)) || [[ " $* " == *" $name "* ]]; then mutant "$name" "$file" "$old" "${line#+ }"; fi ;;
      lib/* | server/*) file=$line ;;
      *) name=${line%%:*} ;;
    esac
  done <"$table"
}

program=sim table=test/sim/mutants.def yielding=''
sources=(lib/base/*.c lib/wire/*.c lib/session/*.c test/sim/sim*.c)
build
without_mutant
every_mutant "$@"

program=sim_stages table=test/sim/stages.def yielding='@(server|lib/session)/*.c'
sources=(lib/base/*.c lib/wire/*.c lib/session/*.c server/*.c test/sim/stages*.c test/sim/sim_!(conn).c)
build
without_mutant
every_mutant "$@"

echo
printf '%-28s %-24s %-12s %s\n' mutant file 'found by' schedules "${rows[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
