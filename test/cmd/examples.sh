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
rm -f "$sock"

talk() { timeout 60 "$bin/test/talk" -a "$sock" "$1"; }
here "counter" serve "$bin/examples/counter" "$sock"
check "adds" styx write /ctl <<<"add 5"
check "adds again" styx write /ctl <<<"add -12"
check "shows it" reads /count -7
check "does not know every command" not styx write /ctl <<<"sub 1"
check "nor every number" not styx write /ctl <<<"set 12x"
refusal() { ! said=$(styx write /ctl <<<"$1" 2>&1) && [[ $said == *"$2"* ]]; }
check "and says so" refusal "sub 1" "the commands are: add N, set N, reset"
check "says what overflows" refusal "add -9223372036854775807" "the sum is too large"
check "has not moved" reads /count -7
check "says how it is" reads /status $'count -7\ncommands 2\nerrors 4'
check "forgets" styx write /ctl <<<reset
check "all of it" reads /count 0
check "its controls cannot be read" not styx read /ctl
here "ends" stop
check "its socket is gone" not test -e "$sock"

check "queue says how it is called" not "$bin/examples/queue"
here "queue" serve "$bin/examples/queue" "$sock"
check "loses no item to a flush or a hangup" talk queue.st
drink() { timeout 30 "$bin/styx" -a "$sock" read /out >"$scratch/drunk$1" 2>/dev/null & readers+=($!); }
readers=()
drink 1
drink 2
drink 3
for i in {1..30}; do check "item $i" styx write /in <<<"item $i"; done
drunk() { [[ $(cat "$scratch"/drunk? | sort -V) == "$(seq -f 'item %g' 30; echo last)" ]]; }
check "three readers get thirty items, and what was given back, each once" soon drunk
here "ends, with readers waiting, at the second signal" stop_twice
wait "${readers[@]}" 2>/dev/null || true

here "jobs" serve "$bin/examples/jobs" "$sock"
check "makes a job for each opener and takes it away again" talk jobs.st
lists() { [[ $(styx ls /) == "$1" ]]; }
check "also when the client has died" soon lists new
here "ends" stop

mkfifo "$scratch"/pipe{,2,3}
here "fifo_service with three printers" serve "$bin/examples/fifo_service" "$sock" "$scratch"/pipe{,2,3}
check "prints what is not given up, once" timeout 60 "$bin/test/fifo_load" "$sock" "$scratch"/pipe{,2,3}
here "ends" stop
print() { timeout 60 "$bin/styx" -a "$sock" write /print >/dev/null 2>&1 <<<"$1" & writers+=($!); }
writers=()
check "fifo_service says what is wrong with a pipe" not "$bin/examples/fifo_service" "$sock" "$scratch/drunk1"
here "fifo_service" serve "$bin/examples/fifo_service" "$sock" "$scratch/pipe"
print first
check "its printer has a line, and waits for a reader" soon reads /status "waiting 0 printing 1"
check "what nobody prints yet can be taken back" talk fifo_service.st
check "by hangup too" soon reads /status "waiting 0 printing 1"
print second
prints() { timeout 20 cat "$scratch/pipe"; }
printed() { while ! grep -q second "$scratch/printed"; do prints >>"$scratch/printed" || return 1; done; }
touch "$scratch/printed"
here "prints" printed
check "what was written, and nothing that was given up" test "$(sort "$scratch/printed")" = $'first\nsecond'
here "who wrote hears of it" wait "${writers[@]}"
writers=()
print third
check "prints again" soon reads /status "waiting 0 printing 1"
here "ends in order, although nobody reads" stop
wait "${writers[@]}" 2>/dev/null || true
check "its socket is gone" not test -e "$sock"

# Two servers, each with a file of its own and one that both have; the first is the bell, whose reads wait.
mkdir "$scratch/dir"
echo second >"$scratch/dir/bell"
echo own >"$scratch/dir/own"
mkdir "$scratch/dir/sub"
echo deep >"$scratch/dir/sub/deep"
here "a bell" serve "$bin/examples/bell" "$scratch/first"
bell=$pid
here "a directory" start "${as_me[@]}" -l "$scratch/second" -e "$scratch/dir"
directory=$pid
check "union says how it is called" not "$bin/examples/union" "$sock"
check "union says whom it cannot reach" not "$bin/examples/union" "$sock" "$scratch/nowhere"
here "union" serve "$bin/examples/union" "$sock" "$scratch/first" "$scratch/second"
check "shows what both have, once" test "$(styx ls / | sort | tr '\n' ' ')" = "bell own sub "
check "reads what the second has" reads /own own
check "and below" reads /sub/deep deep
check "and up again" reads /sub/../sub/../own own
check "has no other" not styx read /none
check "writes" styx write /sub/deep <<<deeper
check "to the server" grep -q deeper "$scratch/dir/sub/deep"
check "passes refusals on" not styx write /nothing <<<x
readers=()
listen 8
here "rings the first one's bell" ring dong
check "which is heard" grep -q dong "$scratch/heard8"
check "gives up what is given up" talk union.st
kill -TERM "$directory"
wait "$directory" || true
check "hears when a server has gone" not reads /own own
here "ends in order" stop
pid=$bell
here "so does the bell, with nobody waiting" stop
checks_done
