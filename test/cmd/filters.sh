#!/usr/bin/env bash
# styxd --filter: good and bad specifications, each filter in front of files in memory, and that whatever it delays can be
# cancelled while others are served.   filters.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
sock=$scratch/sock
S=("${as_me[@]}" -l "unix!$sock")
styx() { timeout 60 "$bin/styx" -a "$sock" "$@"; }
talk() { timeout 60 "$bin/test/talk" -a "$sock" "$@"; }

# bad TEXT SPECIFICATION: refused with status 2, in these words, in one line.
bad() {
  local status=0
  timeout 20 "$bin/styxd" "${S[@]}" --filter "$2" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
  [[ $status == 2 && ! -s $scratch/out && $(wc -l <"$scratch/err") == 1 ]] || { cat "$scratch/err"; return 1; }
  says err "--filter: \"$2\": $1"
}
check "an unknown filter" bad 'there is no filter "frob"; there are delay, error, log, readonly' frob
check "an unknown key" bad 'delay has no key "colour"; it has op, path, ms, for, how' delay:colour=red
check "a bad value" bad 'ms=soon is no number of milliseconds' delay:ms=soon
check "a missing key" bad 'error needs errno=' error:op=read
check "what cannot be cancelled is not delayed" bad 'op=remove names no operation that can be cancelled' delay:op=remove,for=ever

# serve_files STYXD-ARGUMENT... -- NAME...: a server with these files, which hold their names.
serve_files() {
  local args=() name
  while [[ $1 != -- ]]; do
    args+=("$1")
    shift
  done
  start "${S[@]}" --mem "${args[@]}" || return 1
  shift
  for name; do echo "$name" | styx write "/$name" || return 1; done
}
reads() { [[ $(styx read "/$1") == "$1" ]]; }
# refuses TEXT ARGUMENT...: styx fails, with these words.
refuses() {
  local text=$1
  shift
  not styx "$@" >"$scratch/said" 2>&1 && says said "$text"
}

# ---- error, log, readonly ----

here "error, in front of log" serve_files --filter 'error:op=create+read,path=/no,errno=ENOSPC' --filter log -- yes
check "its operation fails by its errno" refuses "No space left on device" create /no
check "others do not" reads yes
check "what gets through is logged, with path and user" says err "msg=\"operation\" detail=\"read /yes by $(id -un)\""
check "what does not is not" not says err /no
here "ends" stop
here "log in front of error" start "${S[@]}" --mem --filter log --filter 'error:op=create,errno=28'
check "its operation fails" refuses "No space left on device" create /no
check "the outermost has seen it" says err 'detail="create /no by'
stop TERM
mkdir "$scratch/dir"
echo text >"$scratch/dir/file"
here "readonly, for every export" start "${S[@]}" -e "$scratch/dir" --mem --filter readonly
check "a directory is read" test "$(styx read /file)" = text
check "nothing is removed from it" refuses "Read-only file system" rm /file
overwrite() { echo other | refuses "Read-only file system" write /file; }
check "nor written" overwrite
check "nor made in memory" refuses "Read-only file system" -A mem create /new
check "it is as it was" grep -q text "$scratch/dir/file"
stop TERM

# ---- delay: time ----

for how in park block hog; do
  here "$how, for a while, twice" serve_files --filter "delay:op=walk,ms=1,how=$how" --filter "delay:op=read,ms=1,how=$how" -- a
  check "a walk and a read get through" reads a
  many() { local i; for i in {1..20}; do reads a || return 1; done; }
  check "and again" many
  here "ends" stop
done

# ---- delay: cancelling ----

# attached NAME: NAME is a connection with fid 1 open on /stuck.
attached() {
  cat <<END
as $1
> Tversion tag NOTAG msize 8192 version '9P2000'
< Rversion tag NOTAG ...
> Tattach tag 1 fid 0 afid NOFID uname 'talk' aname ''
< Rattach tag 1 ...
> Twalk tag 1 fid 0 newfid 1 nwname 1 'stuck'
< Rwalk tag 1 ...
> Topen tag 1 fid 1 mode 0
< Ropen tag 1 ...
END
}
{
  attached main
  cat <<'END'
> Tread tag 10 fid 1 offset 0 count 100
> Tflush tag 11 oldtag 10
< Rflush tag 11
> Tread tag 10 fid 1 offset 0 count 100
> Tread tag 12 fid 1 offset 0 count 100
> Tflush tag 13 oldtag 12
< Rflush tag 13
> Tclunk tag 14 fid 1
< Rclunk tag 14
> Tversion tag NOTAG msize 8192 version '9P2000'
< Rversion tag NOTAG ...
quiet
END
} >"$scratch/flush.st"
{
  attached main
  echo "> Tread tag 10 fid 1 offset 0 count 100"
  attached other
  cat <<'END'
> Tread tag 10 fid 1 offset 0 count 100
> Tstat tag 12 fid 0
< Rstat tag 12 ...
as main
> Tstat tag 12 fid 1
< Rstat tag 12 ...
> Tflush tag 11 oldtag 10
< Rflush tag 11
as other
close
as main
quiet
END
} >"$scratch/others.st"
# All workers are hogged: what does not block is answered, other things when they were flushed or when a worker is free again.
{
  attached main
  attached other
  cat <<'END'
as main
> Tread tag 10 fid 1 offset 0 count 100
quiet
as other
> Tread tag 10 fid 1 offset 0 count 100
quiet
> Tread tag 12 fid 1 offset 0 count 100
> Tflush tag 13 oldtag 12
< Rflush tag 13
as third
> Tversion tag NOTAG msize 8192 version '9P2000'
< Rversion tag NOTAG ...
> Tattach tag 1 fid 0 afid NOFID uname 'talk' aname ''
as main
> Tflush tag 11 oldtag 10
< Rflush tag 11
as third
< Rattach tag 1 ...
as other
close
END
} >"$scratch/hogged.st"

# stuck_client: one whose read of /stuck does not end, and has begun.
stuck_client() {
  env --default-signal=INT "$bin/styx" -a "$sock" read /stuck >/dev/null 2>&1 &
  client=$!
  pids+=("$client")
}
numbers_end() { grep -q '^styx_limit_hits_total{limit="reset-timeout"}' "$scratch/err"; }
numbers_say() {
  : >"$scratch/err"
  kill -USR1 "$pid"
  soon numbers_end && grep -qx "$1" "$scratch/err"
}
# ended [SIGNAL]: the client has ended, by the signal or by itself, and without success.
ended() {
  [[ ! ${1-} ]] || kill "-$1" "$client"
  ! wait "$client" 2>/dev/null
}

for how in park block hog; do
  here "$how, for ever" serve_files -w 4 --grace 0.05 --filter "delay:op=read,path=/stuck,for=ever,how=$how" -- stuck free
  check "a flush ends a read, and so does Tversion" talk "$scratch/flush.st"
  check "others are served, and a flush is for one read" talk "$scratch/others.st"
  check "other files are read" reads free
  stuck_client
  here "a client is stuck" soon numbers_say 'styx_requests [1-9]*'
  here "it is interrupted from the keyboard" ended INT
  here "nothing of it is left" soon numbers_say 'styx_connections 0'
  stuck_client
  here "another one" soon numbers_say 'styx_requests [1-9]*'
  here "the server ends with 0 although it waits" stop
  here "and so the client" ended
done

here "two workers, and both are hogged" serve_files -w 2 --filter delay:op=read,path=/stuck,for=ever,how=hog -- stuck
check "flush and Tversion are served, and a flush gives a worker back" talk "$scratch/hogged.st"
here "ends" stop

# Sixty-four spares: one connection holds half of them, one stays free for what must run.
all_stuck() {
  local i
  stuck=()
  for ((i = 0; i < 70; i++)); do
    stuck_client
    stuck+=("$client")
  done
  soon numbers_say 'styx_spares_busy 63' && soon numbers_say 'styx_requests [1-9][0-9][0-9]*'
}
all_gone() {
  for client in "${stuck[@]}"; do ended INT || return 1; done
  soon numbers_say 'styx_connections 0'
}
here "block, with a spare worker for each" serve_files -w 1 --filter delay:op=read,path=/stuck,for=ever,how=block -- stuck free
here "all spares are held, and more wait for one" all_stuck
served() { echo more | styx write /new && styx ls / | grep -q new; }
check "a new client is served" served
check "and may flush a read that waits for a spare" talk "$scratch/flush.st"
here "all leave" all_gone
check "and the others read on" reads free
here "ends" stop
checks_done
