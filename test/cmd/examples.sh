#!/usr/bin/env bash
# The examples do what they say.   examples.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
sock=$scratch/sock
styx() { timeout 30 "$bin/styx" -a "$sock" "$@"; }
reads() { [[ $(styx read "$1") == "$2" ]]; }

check "hello.c has less than 30 lines" test "$(wc -l <../../examples/hello.c)" -lt 30
check "hello says how it is called" not "$bin/examples/hello"
check "hello says what is wrong with an address" not "$bin/examples/hello" nothing!here
here "hello" serve "$bin/examples/hello" "$sock"
check "greets" reads /hello "Hello, world!"
check "lists" test "$(styx ls /)" = hello
check "cannot be written" not styx write /hello
here "ends" stop
check "its socket is gone" not test -e "$sock"

here "embed_epoll" serve "$bin/examples/embed_epoll" "$sock"
check "has a file" reads /motd "One thread, one loop, any number of clients."
check "and a directory" reads /lib/words "bytes in, work out, answers in, bytes out"
here "ends" stop

listen() {
  timeout 30 "$bin/styx" -a "$sock" read /bell >"$scratch/heard$1" 2>/dev/null &
  readers+=($!)
}
readers=()
# ring TEXT: until every reader has gone; a ring before a reader has come is not for it.
ring() {
  local end=$((SECONDS + 20)) p
  for p in "${readers[@]}"; do
    while kill -0 "$p" 2>/dev/null; do
      ((SECONDS < end)) || return 1
      echo "$1" | styx write /bell || return 1
    done
    wait "$p" || return 1
  done
}
here "bell" serve "$bin/examples/bell" "$sock"
check "a ring that nobody waits for" styx write /bell <<<lost
listen 1
listen 2
listen 3
here "rings" ring ding
check "all have heard it" test "$(sort -u "$scratch"/heard?)" = ding

listen 4
kill -TERM "${readers[3]}"
wait "${readers[3]}" 2>/dev/null || true
readers=()
listen 5
here "one that gave up is in nobody's way" ring dong
check "it has heard nothing" not test -s "$scratch/heard4"
check "the next one has" grep -q dong "$scratch/heard5"

listen 6
listen 7
stop_twice() {
  kill -TERM "$pid"
  soon says err "shutting down" && stop TERM
}
here "ends in order, with readers waiting, at the second signal" stop_twice
check "its socket is gone" not test -e "$sock"
wait "${readers[@]}" 2>/dev/null || true

# More readers than workers: each blocks its thread on the device, and everybody else is served.
check "serial says how it is called" not "$bin/examples/serial" "$sock"
check "serial says what is wrong with a device" not "$bin/examples/serial" "$sock" "$scratch/nowhere"
mkfifo "$scratch/line"
hears() { timeout 30 "$bin/styx" -a "$sock" read /line >"$scratch/line$1" 2>/dev/null & readers+=($!); }
serve "$bin/examples/serial" "$sock" "$scratch/line" && here "serial" true
readers=()
for i in {1..12}; do hears "$i"; done
threads() { local t=("/proc/$pid/task"/*); ((${#t[@]} >= $1)); }
check "each of twelve readers blocks a thread" soon threads 15
check "others are served while it blocks" test "$(styx ls /)" = line
for p in "${readers[@]:1}"; do kill -TERM "$p"; done
for p in "${readers[@]:1}"; do wait "$p" 2>/dev/null || true; done
say() { echo "$1" | styx write /line; }
# The one that stays reads for ever, piece by piece: until it has it all.
has() { grep -qF "$1" "$scratch/line1"; }
say_until_heard() {
  local end=$((SECONDS + 20))
  until has "$1"; do
    ((SECONDS < end)) && say "$1" || return 1
  done
}
check "the one that has stayed hears it" say_until_heard hello
check "the others have not" not grep -q . "$scratch"/line{2..12}
here "ends in order, although one still waits" stop
check "its socket is gone" not test -e "$sock"

# A thousand seconds, of which nobody waits one; then none at all.
check "flush_loop says how it is called" not "$bin/examples/flush_loop" "$sock" long
check "flush_loop says what is wrong with a socket" not "$bin/examples/flush_loop" "$scratch/no/where" 1
here "flush_loop" serve "$bin/examples/flush_loop" "$sock" 1000
flushes() { timeout 60 "$bin/test/talk" -a "$sock" flush_loop.st; }
check "its reads can be flushed" flushes
check "nobody waits for those of a client that has gone" flushes
here "is ended" not stop
rm -f "$sock"
here "flush_loop again" serve "$bin/examples/flush_loop" "$sock" 0
check "it can be read" reads / "That took its time."
check "and not written" not styx write / <<<lost
here "is ended too" not stop
checks_done
