#!/usr/bin/env bash
# limit9 answers as a 9P server must, the operations of styxbench run against it and styxd, and bench/compare prints what it
# says it does; so does bench/loads. No time is judged.   compare.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
root=$(realpath ../..)
addr=unix!$scratch/limit

run_limit() {
  mkfifo "$scratch/hello"
  "$bin/limit9" "$@" >"$scratch/hello" 2>"$scratch/err" &
  pid=$!
  pids+=("$pid")
  read -r -t 30 listening <"$scratch/hello" && [[ $listening == "limit9: listening on "* ]]
}
load() { timeout 60 "$bin/styxbench" -a "$addr" -s 0.05 --warmup 0 -j "$@" >"$scratch/load" || { cat "$scratch/load"; return 1; }; }
operations=(stat read4k read-max write4k write-max walk+clunk walk+open+read+clunk packet mix)

# ---- limit9 ----

here "limit9 starts" run_limit "$addr"
for dialect in 9P2000 9P2000.L; do
  check "every operation in $dialect" load -D "$dialect" "${operations[@]}"
  check "and many at once" load -D "$dialect" -c 5 -d 7 "${operations[@]}"
done
check "replies larger than the socket takes" load -c 3 -d 32 read-max write-max
check "what is written can be read" "$bin/styx" -a "$addr" write styxbench <<<"some words"
words() { "$bin/styx" -a "$addr" read styxbench | head -c 10; }
check "and is what was written" test "$(words)" = "some words"
cat >"$scratch/long.st" <<'END'
>raw ffffff7f64 0000
< eof
END
check "a message that is too long ends its connection" timeout 20 "$bin/test/talk" -a "$addr" "$scratch/long.st"
check "and no other" alive "$addr"
here "it ends at SIGTERM" stop
check "and takes its socket away" not test -e "$scratch/limit"
rm "$scratch/hello"
here "two threads and no copies" run_limit -t 2 -c 0 "$addr"
check "serve many connections" load -c 8 -d 4 "${operations[@]}"
here "and end" stop
check "limit9 wants an address" not "$bin/limit9"

# ---- styxbench ----

here "styxd starts" start "${as_me[@]}" -l "$addr" --mem
check "packet and mix against styxd" load -d 8 packet mix
check "a dialect that is not spoken is named" not load -D 9P2000.L stat
check "a dialect that does not exist" not load -D 9P3000 stat
here "styxd ends" stop

# ---- compare ----

cd "$root"
build=${bin%/bin}
compare() { timeout 300 bench/compare -b "$build" -n 1 -s 0.05 "$@"; }
row() { grep -qE "^\| $1 \|( [0-9.]+ ± [0-9]+ %( \([0-9.]+\))? \||  ?- \|){$2} [0-9]+ \|$" "$scratch/table" || { cat "$scratch/table"; return 1; }; }
table() { compare "$@" >"$scratch/table" 2>"$scratch/err" || { cat "$scratch/err"; return 1; }; }

check "it runs" table -w 'stat.d1|mix*' -o 'memory|tmpfs' -x "again=$build" --json "$scratch/json" --svg "$scratch/svg"
check "a row for each workload" row stat.d1 3
check "and column for each server" row mix.c64d4 3
check "every result is in the JSON" test "$(grep -c '"ops_per_s"' "$scratch/json")" = 16
check "there are charts" test "$(grep -lF '</svg>' "$scratch"/svg/*.svg | wc -l)" = 6
check "nothing is left behind" none compgen -G "/dev/shm/compare.*"
check "scaling" table -w stat.d1 -o memory -c one --scaling
check "has a row for one CPU and each server" test "$(grep -cE '^\| (stat|read4k) \| 1 \|' "$scratch/table")" = 4
cannot() { local status=0; compare "$@" >/dev/null 2>"$scratch/err" || status=$?; [[ $status == 2 ]] && grep -q '^compare: ' "$scratch/err"; }
check "an unknown option" cannot --fast
check "an option without its argument" cannot -w
check "no such workload" cannot -w nothing
check "no such reference" cannot -r nobody
check "no such program" cannot -x other=/nonexistent/program
check "a server that does not start" not compare -x other=false -w stat.d1 -o none
check "two of one name" cannot -x "memory=$build"
check "an address of nobody" cannot --addr /tmp/x
check "rounds that are none" cannot -n 0
check "seconds that are too few" cannot -s 0
check "a name that would break the tables" cannot -x 'a|b=true'
check "a JSON file that cannot be" cannot --json /nonexistent/file
check "charts that cannot be" cannot --svg /dev/null/charts

# ---- loads ----

loads() { timeout 300 bench/loads -b "$build" -n 1 -s 0.05 -c 30 "$@"; }
told() { loads -w "$1" >"$scratch/table" 2>"$scratch/err" || { cat "$scratch/err"; return 1; }; }
rows() { [[ $(grep -cE "^\|( [^|]+ \|)+( [0-9.]*[ |]*\|)+$" "$scratch/table") == "$1" ]] || { cat "$scratch/table"; return 1; }; }
check "switches" told switches
check "in rows" rows 6
check "open loop" told open
check "in rows" rows 2
check "handlers" told handlers
check "in rows" rows 6
check "blocking" told blocking
check "in rows" rows 6
check "a flood" told flood
check "in rows" rows 3
check "memory" told memory
check "in rows" rows 8
refuses() { local status=0; loads "$@" >/dev/null 2>"$scratch/err" || status=$?; [[ $status == 2 ]] && grep -q '^loads: ' "$scratch/err"; }
check "no such load" refuses -w nothing
check "seconds that are none" refuses -s soon
check "connections that are none" refuses -c -1
check "a word that is no option" refuses -n 1 flood
checks_done
