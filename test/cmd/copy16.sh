#!/usr/bin/env bash
# Sixteen clients at once copy a source tree of over 1,000 files in and out, on memory and on a directory; checksums tell.
#   copy16.sh [BIN [DIR]]    DIR: the tree (default: one that is made here)
# COPY_CLIENTS and COPY_WORKERS ask for other numbers of clients and of styxd's workers.
# A sanitizer's build reports into files, so that a report of any process is a failure.
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
given=${2:+$(realpath "$2")}
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
clients=${COPY_CLIENTS:-16}
workers=(${COPY_WORKERS:+--workers "$COPY_WORKERS"})
sock=$scratch/sock
export LC_ALL=C
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$scratch/report UBSAN_OPTIONS=${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}log_path=$scratch/report
export TSAN_OPTIONS=${TSAN_OPTIONS:+$TSAN_OPTIONS:}log_path=$scratch/report

# Directories of different depth, file sizes from nothing to past a message.
generate() {
  local i dir
  for ((i = 0; i < 1200; i++)); do
    dir=$1/d$((i % 23))/e$((i % 7))
    mkdir -p "$dir"
    head -c $((i % 100 == 0 ? i * 1500 : i * 37 % 20000)) /dev/urandom >"$dir/f$i"
  done
}

# digest DIR: one line for each file, links followed, as copies are.
digest() { (cd "$1" && find -L . -type f -print0 | sort -z | xargs -0 sha256sum); }

# one N TREE: what client N does.
one() {
  timeout 500 "$bin/styx" -a "unix!$sock" -u "$(id -un)" cp -r "$2" ":tree$1" &&
    timeout 500 "$bin/styx" -a "unix!$sock" -u "$(id -un)" cp -r ":tree$1" "$scratch/back$1" &&
    digest "$scratch/back$1" | cmp - "$scratch/want" &&
    rm -rf "$scratch/back$1"
}

# all TREE: all clients at once; each has to succeed.
all() {
  local n jobs=() bad=0
  for ((n = 0; n < clients; n++)); do
    one "$n" "$1" >"$scratch/client$n" 2>&1 &
    jobs+=($!)
  done
  for ((n = 0; n < clients; n++)); do
    wait "${jobs[n]}" || { bad=$((bad + 1)); echo "client $n:"; cat "$scratch/client$n"; }
  done
  return $((bad > 0))
}

many() { (($(wc -l <"$scratch/want") > 1000)) || { wc -l "$scratch/want"; return 1; }; }
no_report() { none find "$scratch" -maxdepth 1 -name 'report*' -exec cat {} +; }

round() {
  local tree=$1 what=$2
  digest "$tree" >"$scratch/want"
  check "$what has over 1,000 files" many
  here "$what on memory: the server starts" start "${as_me[@]}" "${workers[@]}" -l "unix!$sock" --mem
  check "$what on memory: $clients clients, in and out" all "$tree"
  here "$what on memory: the server ends" stop
  mkdir "$scratch/dir"
  here "$what on a directory: the server starts" start "${as_me[@]}" "${workers[@]}" -l "unix!$sock" -e "$scratch/dir"
  check "$what on a directory: $clients clients, in and out" all "$tree"
  here "$what on a directory: the server ends" stop
  check "$what: no sanitizer has anything to say" no_report
  rm -rf "$scratch/dir" "$scratch"/back*
}

if [[ $given ]]; then
  round "$given" "$(basename "$given")"
else
  generate "$scratch/tree"
  round "$scratch/tree" "a generated tree"
fi
checks_done
