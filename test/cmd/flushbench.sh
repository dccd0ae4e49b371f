#!/usr/bin/env bash
# styxbench flush: servers that break one rule each are found out, good ones are not.   flushbench.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
self=$PWD/${0##*/}
. ../tools/checks.sh
. ./serve.sh
sock=$scratch/sock
seed=${SEED:-$RANDOM}
echo "seed $seed"

# wrong FAULT: serve with it at $sock.
wrong() {
  rm -f "$sock" "$scratch/ready"
  mkfifo "$scratch/ready"
  "$bin/test/wrong9" --seed "$seed" "$1" "$sock" >"$scratch/ready" </dev/null &
  pid=$!
  pids+=("$pid")
  read -r -t 30 <"$scratch/ready"
}

# bench STATUS ARGUMENT...: at $sock, with that exit status; the report is $scratch/report.
bench() {
  local want=$1 status=0
  shift
  timeout 60 "$bin/styxbench" flush --seed "$seed" --patience 30 --json "$@" "$sock" >"$scratch/report" 2>"$scratch/err" || status=$?
  ((status == want)) || { echo "status $status"; cat "$scratch/report" "$scratch/err"; return 1; }
}

# found RULE-OR-KIND: it has been.
found() { grep -qE "\"(rule|kind)\": \"$1\"" "$scratch/report" || { cat "$scratch/report"; return 1; }; }

# gone: the last server is a process of this shell's, so that it is known to have ended when the next one takes its socket.
gone() {
  stop KILL 2>/dev/null || true # it may have died of its fault
}

# finds FAULT RULE [ARGUMENT...]: the server with this fault breaks this rule, and is told so.
finds() {
  local fault=$1 rule=$2
  shift 2
  wrong "$fault"
  check "$fault is found" bench 1 -d 8 --ops 60000 --churn 0 --max-violations 20 "$@"
  check "$fault is found as $rule" found "$rule"
  gone
}

# What is lost is waited for; what is only wrong is not.
short=(--patience 0.3)
finds rflush-oldtag F1 "${short[@]}"
finds rflush-size F1
finds rerror-to-tflush F2
finds unknown-oldtag-lost F3 "${short[@]}"
finds reply-by-number F4
finds second-reply F5
finds reply-after-rflush F6
finds interrupted-unflushed F7
finds walk-effect F8
finds attach-effect F8
finds open-effect F8
finds create-effect F8
finds write-effect F8
finds clunk-effect F8
finds remove-effect F8
finds rflush-lost F9 "${short[@]}"
finds blocked-not-flushed F9 "${short[@]}" --blocked /blocked
finds rflush-reverse F10 "${short[@]}"
finds rflush-order-after-reply F10 "${short[@]}"
finds reply-between F11
finds fof-late F12 "${short[@]}"
finds fof-strands F12 "${short[@]}"
finds self-flush-lost F13 "${short[@]}"
finds dies-of-duplicate-tag F14 --churn 30 "${short[@]}"
finds reply-after-rversion F16 --churn 100
finds version-keeps-fids F16 --churn 100
finds rversion-lost F16 --churn 100 "${short[@]}"
finds dies-of-hangup F17 --churn 30 "${short[@]}"
finds rflush-stuck-behind-blocked F21 "${short[@]}" --blocked /blocked
finds wrong-data data
finds reply-lost answer "${short[@]}"
for dialect in 9P2000.u 9P2000.L; do
  finds walk-effect F8 -D "$dialect"
  finds create-effect F8 -D "$dialect"
  finds fof-late F12 "${short[@]}" -D "$dialect"
done

every_fault() {
  local fault
  while read -r fault; do
    [[ $fault == none ]] || grep -qE "^finds $fault |wrong $fault\$" "$self" || { echo "$fault"; return 1; }
  done < <("$bin/test/wrong9" --list)
}
check "every fault has its check" every_fault

wrong clunk-cancelled
check "a Tclunk that is cancelled is no violation" bench 0 --ops 20000 --churn 500
check "but a warning" found F18
gone
for dialect in 9P2000 9P2000.u 9P2000.L; do
  wrong none
  check "nothing is found where nothing is wrong: $dialect" bench 0 --ops 20000 --churn 500 --blocked /blocked -D "$dialect"
  gone
done

# ---- our own ----

start "${as_me[@]}" -l "unix!$sock" --mem
check "styxd in memory" bench 0 -c 8 --ops 40000 --churn 1000
check "at small msize" bench 0 --ops 5000 --msize 256
check "at a high ratio" bench 0 -d 128 -f 0.9 --ops 20000 --svg "$scratch/chart.svg"
check "there is a chart" grep -q '</svg>' "$scratch/chart.svg"
here "it ends in order" stop
mkdir "$scratch/dir" "$scratch/dir/inner"
start "${as_me[@]}" -l "unix!$sock" -e "$scratch/dir"
check "styxd with a directory" bench 0 --ops 20000 --churn 1000 --dir /inner
check "which is empty again" none ls "$scratch/dir/inner"
here "it ends in order" stop

check "no server" bench 2 --ops 10
check "no address" not "$bin/styxbench" flush
check "a ratio over 1" not "$bin/styxbench" flush -f 2 "$sock"
checks_done
