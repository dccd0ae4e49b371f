#!/usr/bin/env bash
# styxd as a process among others: its end under load and with handlers that are stuck, its numbers, its threads, sockets
# that others hand over, and telling them how it is.   pipeline.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
sock=$scratch/sock
S=("${as_me[@]}" -l "unix!$sock")
styx() { timeout 60 "$bin/styx" -a "$sock" "$@"; }

# ends STATUS: the last server ends by itself, so.
ends() {
  local status=0
  wait "$pid" 2>/dev/null || status=$?
  [[ $status == "$1" ]] || { echo "status $status"; cat "$scratch/err"; return 1; }
}

# ---- what was acknowledged ----

for n in 1 2 8; do
  mkdir "$scratch/dir$n"
  start "${S[@]}" -e "$scratch/dir$n" -w "$n"
  check "SIGTERM under load, $n workers: what was acknowledged is there" \
    "$bin/test/ackload" "$sock" "$scratch/dir$n" "$pid"
  here "... and it ends with 0" ends 0
done
start "${S[@]}" --mem --readers 3 -w 2 --run-quota 1
many() { local i; for i in {1..9}; do echo "$i" | styx write "/f$i" && [[ $(styx read "/f$i") == "$i" ]] || return 1; done; }
check "three readers serve" many
threads() { local t=("/proc/$pid/task"/*); ((${#t[@]} >= $1)); } # a sanitizer has one of its own
check "main, three readers with their repliers, two workers" threads 9
stop TERM

# ---- stuck ----

stuck=$bin/test/styxd_stuck
# get_stuck: one client reads for ever; the server has begun with it.
get_stuck() {
  timeout 60 "$bin/styx" -a "$sock" read /stuck >/dev/null 2>&1 &
  client=$!
  soon numbers_say 'styx_requests 1'
}
# numbers: what SIGUSR1 prints, in $scratch/numbers.
numbers() {
  local before
  before=$(grep -c '^{' "$scratch/err" || true)
  kill -USR1 "$pid"
  soon printed "$before"
}
printed() {
  awk -v before="$1" '/^\{/ { n++ } n > before' "$scratch/err" >"$scratch/numbers"
  grep -q '^styx_limit_hits_total{limit="reset-timeout"} [0-9]*$' "$scratch/numbers"
}
numbers_say() { numbers && grep -qFx "$1" "$scratch/numbers"; }
start_stuck() {
  mkdir -p "$scratch/bin/test"
  ln -sf "$bin/styx" "$scratch/bin/styx"
  ln -sf "$stuck" "$scratch/bin/styxd"
  bin=$scratch/bin start "$@"
}
start_stuck "${S[@]}" -w 2 --grace 0.05
here "a handler is stuck" get_stuck
check "others are served" test "$(styx read /motd)" = "All is well."
kill -TERM "$pid"
here "it ends with 1" ends 1
check "the log names the operation" says err 'msg="still running at the end" peer="unix" detail="Tread of qid path'
check "and its age" grep -qE 'Tread of qid path 0x[0-9a-f]+, outstanding for [0-9]+ ms' "$scratch/err"
check "the socket is gone" not test -e "$sock"
wait "$client" || true

start_stuck "${S[@]}" --grace 1000
here "again, with a long grace" get_stuck
kill -TERM "$pid"
check "it waits" soon says err "shutting down"
kill -INT "$pid"
here "a second signal cuts it short" ends 1
check "the log names the operation" says err "Tread of qid path"
wait "$client" || true

start_stuck "${S[@]}" --request-timeout 0.2 --flush-bound 0.2
# Its client sees it, although the handler goes on for ever: 124 is what timeout says.
ends_for_client() {
  local status=0
  styx read /stuck || status=$?
  ((status != 0 && status != 124))
}
check "a stuck request ends its connection" ends_for_client
check "the log says which" says err 'msg="cancelled request does not end" peer="unix" detail="Tread of '
check "others are served" test "$(styx read /motd)" = "All is well."
here "the handler is stuck for ever" numbers_say 'styx_limit_hits_total{limit="flush-bound"} 1'
kill -TERM "$pid"
kill -TERM "$pid" 2>/dev/null || true
here "and the server says so in the end" ends 1

# ---- numbers ----

start "${S[@]}" --mem --max-requests 7 --max-name 12
echo text | styx write /file
check "a missing file" not styx read /nowhere
check "a long name" not styx create /a-name-that-is-too-long
here "SIGUSR1 prints numbers" numbers
json_line() { [[ $(grep -c '^{"styx_.*}$' "$scratch/numbers") == 1 ]]; }
# Nothing but members, numbers and objects of one level: remove them innermost first, and nothing is left.
json_whole() {
  grep '^{' "$scratch/numbers" | sed -E ':a; s/\{("[a-z_A-Z0-9-]+":[0-9]+(,"[a-z_A-Z0-9-]+":[0-9]+)*)?\}/0/; ta' | grep -qx 0
}
check "as JSON, in one line" json_line
check "which is whole" json_whole
prometheus_whole() {
  none grep -vE '^(\{.*\}|# HELP styx_[a-z_]+ [^"]+\.|# TYPE styx_[a-z_]+ (gauge|counter)|styx_[a-z_]+(\{[a-z]+="[A-Za-z_-]+"\})? [0-9]+)$' "$scratch/numbers"
}
check "and as Prometheus reads them" prometheus_whole
families_twice() { sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$scratch/numbers" | sort | uniq -d; }
check "each family once" none families_twice
# shellcheck disable=SC2016 # they are awk's
counters_are_totals() { none awk '/^# TYPE/ && ($4 == "counter") != ($3 ~ /_total$/)' "$scratch/numbers"; }
check "counters are totals, gauges are not" counters_are_totals
same_numbers() {
  local name
  for name in workers queue_capacity messages_received_total; do
    [[ $(sed -n "s/^styx_$name //p" "$scratch/numbers") == "$(sed -n "s/^{.*\"styx_$name\":\([0-9]*\).*/\1/p" "$scratch/numbers")" ]] || return 1
  done
}
check "both say the same" same_numbers
check "an error by its name" says numbers 'styx_errors_total{error="ENOENT"} '
check "a limit that was met" says numbers 'styx_limit_hits_total{limit="max-name"} 1'
check "nobody is left" says numbers 'styx_connections 0'
check "all have been counted" grep -qE '^styx_connections_ended_total\{reason="peer"\} [1-9]' "$scratch/numbers"
stop TERM

# ---- sockets of others ----

activate() { timeout 60 "$bin/test/activate" "$@"; }
activated() {
  rm -f "$scratch/ready"
  mkfifo "$scratch/ready"
  "$bin/test/activate" "$@" 9>"$scratch/ready" >"$scratch/out" 2>"$scratch/err" </dev/null &
  pid=$!
  pids+=("$pid")
  read -r -t 30 <"$scratch/ready" || { cat "$scratch/err"; return 1; }
}
here "a listening Unix socket is handed over" activated listen "$scratch/given" "$bin/styxd" "${as_me[@]}" --ready-fd 9 --mem
check "it serves there" alive "$scratch/given"
check "and says so" says out "styxd: listening on unix!$scratch/given"
check "and listens nowhere else" test "$(grep -c '^styxd: listening' "$scratch/out")" = 1
here "ends" stop
check "the socket is its maker's" test -S "$scratch/given"
here "a TCP socket" activated listen 'tcp!127.0.0.1!0' "$bin/styxd" "${as_me[@]}" --ready-fd 9 --mem -l "unix!$sock"
check "it serves there" alive "127.0.0.1:$(port | tail -n 1)"
check "and where it was told to" alive "$sock"
stop TERM
mkdir -p "$scratch/dir"
check "who could write is asked for there too" not activate listen 'tcp!127.0.0.1!0' "$bin/styxd" "${as_me[@]}" -e "$scratch/dir"
not_for_us() { LISTEN_PID=1 LISTEN_FDS=1 start "${S[@]}" --mem && alive "$sock"; }
here "LISTEN_FDS of another process is nothing" not_for_us
stop TERM
# shellcheck disable=SC2016 # it is the inner shell's number
no_socket() {
  ! bash -c 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" --mem 3</dev/null' "$bin/styxd" >"$scratch/err" 2>&1 &&
    says err "descriptor 3, which was handed over, is no stream socket"
}
check "what is no socket is refused" no_socket
check "an accepted connection is served, and its end is the end" activate accepted "$bin/styxd" "${as_me[@]}" --mem
check "as inetd does it" activate inetd "$bin/styxd" "${as_me[@]}" --inetd --mem
check "--inetd wants a connection" not "$bin/styxd" --inetd --mem </dev/null
check "--inetd and -l do not go together" not "$bin/styxd" --inetd -l "$sock" --mem </dev/null

check "READY and STOPPING" activate notify "$scratch/notify" "$bin/styxd" "${S[@]}" --mem
check "... at an abstract socket" activate notify "@styxd-test-$$" "$bin/styxd" "${S[@]}" --mem
wrap=(env NOTIFY_SOCKET="$scratch/nobody")
here "nobody listening is no reason not to serve" start "${S[@]}" --mem
check "it serves" alive "$sock"
check "and says so" says err "nobody listens to NOTIFY_SOCKET"
stop TERM
wrap=(env)
checks_done
