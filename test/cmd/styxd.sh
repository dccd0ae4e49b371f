#!/usr/bin/env bash
# styxd as a program: each flag, good and bad; addresses; exports; start, refusal and end.   styxd.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
mkdir "$scratch/dir" "$scratch/other" "$scratch/with space"
echo one >"$scratch/dir/file"
echo two >"$scratch/other/file"
sock=$scratch/sock
S=("${as_me[@]}" -l "unix!$sock")

# bad STATUS TEXT ARGUMENT...: refuses with that status, says so in words, and prints nothing else.
bad() {
  local want=$1 text=$2 status=0
  shift 2
  timeout 20 "$bin/styxd" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
  if [[ $status != "$want" || -s $scratch/out || $(wc -l <"$scratch/err") != 1 ]]; then
    echo "status $status"
    cat "$scratch/out" "$scratch/err"
    return 1
  fi
  says err "$text"
}

check "an unknown option" bad 2 "--frob" --frob
check "an unknown letter" bad 2 "-x" -x
check "a letter without its value" bad 2 "-l needs a value" -l
check "a word without its value" bad 2 "--listen needs a value" --listen
check "a value where none belongs" bad 2 "takes no value" --inetd=3
check "a trace to a file of another kind" bad 2 '"notes.txt" does not end in .pcapng' --trace=notes.txt
check "the same behind a blank" bad 2 '"notes" does not end in .pcapng' --trace notes
check "a stray word" bad 2 "belongs to no option" "$scratch/dir"
check "a bad address" bad 2 "nothing!here" -l nothing!here
check "a bad size" bad 2 "is not a size" -m 12Q
check "no number" bad 2 "is not a number" -m big
check "msize under 256" bad 2 "at least 256" -m 255
check "msize over 16M" bad 2 "at most 16777216" --msize 16385K
check "a limit of nothing" bad 2 "--max-fids: 0 is too small" --max-fids 0
check "errors of more than a string" bad 2 "--max-error: 64K is too large: at most 65535" --max-error 64K
check "a bad time" bad 2 "is not a time" --handshake-timeout 1h
check "a time of nothing" bad 2 "is too small" --stall-timeout 0
check "a bad grace" bad 2 "is not a number" --grace soon
check "no connections" bad 2 "--max-connections" --max-connections 0
check "a bad level" bad 2 "is not error, warn, info or debug" --log-level loud
check "a ready-fd that is closed" bad 2 "--ready-fd" --ready-fd 77
check "a ready-fd that is standard" bad 2 "--ready-fd" --ready-fd 1
check "an empty export" bad 2 "names no directory" -e ,ro
check "an empty name" bad 2 "has an empty name" -e "=$scratch/dir"
check "a name that mount cannot carry" bad 2 "mount options" -e "a,b=$scratch/dir"
check "a squash that is none" bad 2 "squash that is not root, all or none" -e "$scratch/dir,squash=some,ro"
check "memory of a size that is none" bad 2 "is not a number" --mem=m,size=big
check "memory of no size" bad 2 "no room for a byte" --mem=m,size=0
check "memory for no file" bad 2 "no room for a file" --mem m,size=1M,files=0
check "memory with a word that is none" bad 2 "mount options" --mem=m,special
check "a map that is not there" bad 1 "cannot read $scratch/nomap" "${S[@]}" -e "$scratch/dir" --user-map "$scratch/nomap"
# bad_map TEXT LINES: a map of these lines is refused with that text.
bad_map() {
  printf '%b' "$2" >"$scratch/map"
  bad 1 "$1" "${S[@]}" -e "$scratch/dir" --user-map "$scratch/map"
}
check "a map without a line" bad_map "no line names a user" "# nobody\n\n"
check "a map with half a line" bad_map "map:2: glenda is not NAME USER" "bob 1:1\nglenda # who\n"
check "a map with too much in a line" bad_map "map:1: bob is not NAME USER" "bob 1:1 2:2\n"
check "a map with numbers that are none" bad_map "map:1: 1:x is not UID:GID" "bob 1:x\n"
check "a map with the number that is none" bad_map "4294967295:1 is not UID:GID" "bob 4294967295:1\n"
check "a map with a byte of no text" bad_map "map:1: has a byte 0" "bob 1:1\\0000,0\n"
check "a map with somebody unknown" bad_map "no-such-user is no user of this host" "bob no-such-user\n"
check "a map with a user twice" bad_map "map:2: bob has a line already" "bob 1:1\nbob 2:2\n"
check "two exports of one name" bad 2 "has the name" -e "a=$scratch/dir" --mem=a
check "two exports of one directory" bad 2 "is exported already" -e "$scratch/dir" -e "$scratch/dir/"
check "an export that does not exist" bad 1 "$scratch/nowhere" "${S[@]}" -e "$scratch/nowhere"
check "an export that is no directory" bad 1 "$scratch/dir/file" "${S[@]}" -e "$scratch/dir/file"
check "nobody to become" bad 1 "no user" "${S[@]}" --runas no-such-user
check "writable on TCP" bad 2 "--no-auth" -l 127.0.0.1:0 -e "$scratch/dir"
check "memory beyond this machine" bad 2 "--no-auth" -l 'tcp!*!0' --mem
check "an address of somebody else" bad 1 "cannot listen" -l tcp!192.0.2.1!5640 --no-auth
check "a file where the socket would be" bad 1 "cannot listen" -l "unix!$scratch/dir/file"
check "it has left the file alone" grep -q one "$scratch/dir/file"

help_lists_limits() {
  "$bin/styxd" --help >"$scratch/out"
  sed -n 's/^STYX_LIMIT([a-z]*, "\([a-z-]*\)".*/--\1/p' ../../lib/base/limits.def >"$scratch/flags"
  [[ -s $scratch/flags ]] && while read -r flag; do says out "$flag"; done <"$scratch/flags"
}
check "--help lists every limit" help_lists_limits
check "--version" grep -qE '^styxd [0-9]+\.[0-9]+\.[0-9]+$' <("$bin/styxd" --version)

# ---- listening ----

mode_of() { [[ $(stat -c %a "$2") == "$1" ]]; }
here "a Unix socket" start "${S[@]}" --mem
check "it is the owner's alone" mode_of 600 "$sock"
check "it serves" alive "$sock"
check "a second one on the same socket is refused" bad 1 "another server" "${S[@]}" --mem
check "the first one serves on" alive "$sock"
here "SIGTERM ends it with 0" stop TERM
check "the socket is gone" not test -e "$sock"

start "${S[@]}" --mem
stop KILL || true
here "a dead socket is in nobody's way" start "${S[@]}" --mem
rm "$sock"
: >"$sock"
here "it ends" stop
check "what has taken the socket's place stays" test -f "$sock"
rm "$sock"

wrap=(env --default-signal=INT)
start "${S[@]}" --mem
here "SIGINT ends it with 0" stop INT
wrap=(env)

cd "$scratch"
here "several addresses" start "${as_me[@]}" -l ./here -l 127.0.0.1:0 -l "$sock" --mem
check "the relative one serves" alive ./here
check "the port that was chosen is printed" alive "tcp!127.0.0.1!$(port)"
check "the absolute one serves" alive "unix!$sock"
check "the mount line has the whole path" says out "trans=unix,uname=$(id -un),aname=mem"
check "... and the port" says out "trans=tcp,port=$(port),"
check "the styx line" says out "styx -a 127.0.0.1:$(port) -A mem ls /"
stop
check "both sockets are gone" not ls here "$sock"
cd - >/dev/null
if [[ -e /proc/net/if_inet6 ]] && grep -q ' lo$' /proc/net/if_inet6; then
  here "IPv6" start -l '[::1]:0' --mem
  check "it serves" alive "[::1]:$(port)"
  stop
fi

wrap=(env XDG_RUNTIME_DIR="$scratch")
here "the default with a directory" start "${as_me[@]}" -e "$scratch/dir"
check "is in XDG_RUNTIME_DIR" alive "$scratch/styxd"
check "with mode 0600" mode_of 600 "$scratch/styxd"
stop
if ((EUID)); then
  wrap=(env -u XDG_RUNTIME_DIR TMPDIR="$scratch")
  here "else" start -e "$scratch/dir"
  check "in a private directory" alive "$scratch/styxd-$(id -u)/styxd"
  check "of mode 0700" mode_of 700 "$scratch/styxd-$(id -u)"
  stop
  chmod 755 "$scratch/styxd-$(id -u)"
  check "which must be private" not env -u XDG_RUNTIME_DIR TMPDIR="$scratch" timeout 20 "$bin/styxd" -e /
fi
wrap=(env)

# ---- exports ----

styx() { timeout 30 "$bin/styx" -a "$sock" "$@"; }
reads() { [[ $(styx -A "$1" read /file) == "$2" ]]; }
start "${as_me[@]}" "${S[@]}" -e "src=$scratch/dir" -e "$scratch/other/,ro" -e "$scratch/with space" --mem scratch
check "an empty aname gets the first" reads "" one
check "by name" reads src one
check "by path" reads "$scratch/dir" one
check "by a path without a name" reads "$scratch/other" two
check "a path with a space is quoted" says out "-A '$scratch/with space'"
check "an unknown one is refused" not styx -A nowhere read /file
check "read-only is said" says out "other, read-only"
check "nothing is created there" not styx -A "$scratch/other" create /new
check "nothing is removed there" not styx -A "$scratch/other" rm /file
check "it is still there" grep -q two "$scratch/other/file"
writes() { echo text | styx -A "$1" write -l /new && [[ $(styx -A "$1" read /new) == text ]]; }
check "a writable one is written" writes src
check "on the disk" grep -q text "$scratch/dir/new"
check "memory is written" writes scratch
stop
here "read-only on TCP needs nothing" start "${as_me[@]}" -l 127.0.0.1:0 -e "$scratch/dir,ro"
stop
here "writable on TCP with --no-auth" start "${as_me[@]}" -l 127.0.0.1:0 -e "$scratch/dir" --no-auth
stop
here "nothing said is memory" start "${S[@]}"
check "named mem" says out "styxd: export mem: files in memory"
stop
here "--mem NAME" start "${S[@]}" --mem notes --log-level error
check "is that name" says out "styxd: export notes"
stop
check "without a word" not test -s "$scratch/err"

# ---- limits, log, trace ----

here "-m and --trace" start "${S[@]}" --mem -m 2K --trace --max-name 17 --max-error 8
alive "$sock" >/dev/null
"$bin/styx" -a "$sock" read /nothing >/dev/null 2>&1 || true
check "the message as it came" says err "<- Tversion tag NOTAG msize 8192 version '9P2000'"
check "and as it went" says err "-> Rversion tag NOTAG msize 2048 version '9P2000'"
check "an error text is cut" says err "ename 'file doe'"
stop

# What test/dissect reads is left to it. once TEXT: one line of the log has it.
once() { [[ $(grep -cF -e "$1" "$scratch/err") == 1 ]] || { cat "$scratch/err"; return 1; }; }
alive_often() { for _ in 1 2 3 4 5 6 7 8 9 10; do alive "$sock" || return 1; done; }
here "a trace that cannot be made" start "${S[@]}" --mem "--trace=$scratch/nowhere/x.pcapng"
check "is said" once "nowhere/x.pcapng: No such file or directory; serving goes on without a trace"
check "and serving goes on" alive "$sock"
here "to its end" stop

mkdir "$scratch/dir.pcapng"
here "a trace that is a directory" start "${S[@]}" --mem "--trace=$scratch/dir.pcapng"
check "is said" once "dir.pcapng: Is a directory; serving goes on without a trace"
here "to its end" stop

mkfifo "$scratch/fifo.pcapng"
here "a trace to a FIFO that nobody reads does not wait" start "${S[@]}" --mem "--trace=$scratch/fifo.pcapng"
check "and is said" once 'msg="nobody reads the trace"'
here "to its end" stop

exec 9<>"$scratch/fifo.pcapng" # so that 8 does not wait for a writer
exec 8<"$scratch/fifo.pcapng"
exec 9>&-
here "a trace to a FIFO that somebody reads" start "${S[@]}" --mem "--trace=$scratch/fifo.pcapng"
check "serves" alive "$sock"
here "to its end" stop
cat <&8 >"$scratch/read.pcapng"
exec 8<&-
check "and what is read is a trace" test "$(head -c 4 "$scratch/read.pcapng" | od -An -tx1)" = " 0a 0d 0d 0a"
check "with messages in it" grep -qa 9P2000 "$scratch/read.pcapng"

exec 9<>"$scratch/fifo.pcapng" # not styxd's: its 9 is another
here "a trace whose reader goes" start "${S[@]}" --mem "--trace=$scratch/fifo.pcapng"
exec 9>&-
check "does not end the server" alive_often
here "to its end" stop
check "and is said once" once "fifo.pcapng: Broken pipe"

ln -s /dev/full "$scratch/full.pcapng"
here "a trace without room" start "${S[@]}" --mem "--trace=$scratch/full.pcapng"
check "goes on serving" alive_often
here "to its end" stop
check "and has said it once" once "full.pcapng: No space left on device"

wrap=(bash -c 'ulimit -f 1 && exec "$@"' -)
here "a trace that may not grow" start "${S[@]}" --mem --log-level debug "--trace=$scratch/small.pcapng"
wrap=(env)
check "goes on serving" alive_often
here "to its end" stop
check "connections are counted in the log" says err 'msg="traced" peer="unix" detail="connection 0 of '
check "and has said it once" once "small.pcapng: File too large"

# hold: a connection on descriptor 8.
hold() { exec 8<>"/dev/tcp/127.0.0.1/$(port)"; }
# ended FD: the server closes it, and has sent no line before.
ended() {
  local status=0
  read -r -t 20 -u "$1" || status=$?
  ((status == 1))
}
here "--log-level debug" start -l 127.0.0.1:0 --mem --log-level debug --handshake-timeout 0.05 --max-connections 1
hold
check "a silent connection is ended" ended 8
check "with a reason" soon says err "no Tversion in time"
check "connections are logged" says err 'level=debug msg="connected" peer="tcp!127.0.0.1!'
stop

start -l 127.0.0.1:0 --mem --max-connections 1
hold
printf '\x13\0\0\0\x64\xff\xff\0\x20\0\0\6\x009P2000' >&8
head -c 19 <&8 >/dev/null
exec 7<>"/dev/tcp/127.0.0.1/$(port)"
check "one connection too many is closed" ended 7
check "with a reason" says err "too many connections"
exec 7>&-
printf 'GET / HTTP/1.0\r\n\r\n' >&8
check "what is no 9P is ended" ended 8
check "with a reason" soon says err 'detail="9P message longer than agreed"'
exec 8>&-
check "and there is room again" soon alive "127.0.0.1:$(port)"
stop

# flood: 40 bad connections; each is a line, or counted in one.
flood() {
  local i shown left
  for ((i = 0; i < 40; i++)); do
    exec 8<>"/dev/tcp/127.0.0.1/$(port)"
    printf '\0\0\0\0' >&8
    ended 8 || return 1
  done
  stop
  shown=$(grep -c 'msg="connection ended"' "$scratch/err")
  left=$(sed -n 's/.*msg="lines left out".*detail="\([0-9]*\)"$/\1/p' "$scratch/err" | paste -sd+ | bc_add)
  echo "$shown shown, $left left out"
  ((shown + left == 40 && shown >= 10))
}
bc_add() { local sum; read -r sum || true; echo $((${sum:-0})); }
start -l 127.0.0.1:0 --mem
here "at most ten lines a second about one peer, then a count" flood

# ---- descriptors ----

# Sixteen descriptors: clients wait for the next one to leave.
crowd() {
  local fds=() fd i
  for ((i = 0; i < 20; i++)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$(port)" || return 1
    fds+=("$fd")
  done
  soon says err "no new connections for a second" || return 1
  for fd in "${fds[@]}"; do exec {fd}>&-; done
  soon alive "127.0.0.1:$(port)"
}
wrap=(prlimit --nofile=16:16)
start -l 127.0.0.1:0 --mem
check "out of descriptors it waits" crowd
stop
wrap=(env)

# ---- what exports hold and let be done ----

start "${as_me[@]}" "${S[@]}" --mem=small,size=1000,files=2
puts() { head -c "$2" /dev/zero | styx -A small write "$1"; }
create() { styx -A small create "$1"; }
check "a file" create /a
check "another" create /b
check "no third" not create /c
check "but when one is gone" styx -A small rm /b
check "there is room" create /c
check "a thousand bytes" puts /a 1000
check "and no more" not puts /c 1
stop

mkfifo "$scratch/dir/fifo"
mkdir "$scratch/with,comma"
echo three >"$scratch/with,comma/file"
start "${as_me[@]}" "${S[@]}" -e "plain=$scratch/dir" -e "special=$scratch/dir,special,ro" -e "$scratch/with,comma,ro"
opens() { timeout 30 "$bin/styx" -a "$sock" -A "$1" read /fifo; }
refused() {
  ! opens plain 2>"$scratch/said" && grep -qF "FIFOs and devices are not opened in this export" "$scratch/said"
}
check "a FIFO is not opened" refused
exec 9<>"$scratch/dir/fifo"
printf 'through\n' >&9
opens special >"$scratch/read" 2>/dev/null &
reader=$!
check "unless that is allowed" soon grep -q through "$scratch/read"
kill "$reader" 2>/dev/null || true
wait "$reader" 2>/dev/null || true
exec 9>&-
check "a comma in a path is a comma" reads "$scratch/with,comma" three
here "a reader of a FIFO does not keep the server" stop
rm "$scratch/dir/fifo"

# ---- users ----

runs_as() { [[ $(awk '/^Uid:/ {print $2, $3, $4}' "/proc/$pid/status") == "$1 $1 $1" ]]; }
owned_by() { [[ $(stat -c %u "$2") == "$1" ]]; }
if ((EUID == 0)); then
  nobody=$(id -u nobody)
  chmod 777 "$scratch" "$scratch/dir"
  printf 'glenda 61001:61001,61003\n# a comment\nroot 0:0\n\n* nobody # all others\n' >"$scratch/map"
  as() { timeout 30 "$bin/styx" -a "$sock" -u "$1" -A "${2:-dir}" "${@:3}"; }
  made_by() { as "$1" "$2" create "/by-$3" && [[ $(stat -c %u "$scratch/dir/by-$3") == "$4" ]]; }
  power() {
    local set
    while read -r set; do
      (((16#$set & ~16#df) == 0 && (16#$set & 16#c0) == 16#c0)) || return 1
    done < <(awk '/^Cap(Prm|Eff):/ {print $2}' "/proc/$pid/status")
  }
  here "users of the host" start -l "unix!$sock" -e "dir=$scratch/dir" -e "none=$scratch/dir/,squash=none" \
    -e "all=$scratch/dir/.,squash=all" --user-map "$scratch/map"
  check "the server stays root" runs_as 0
  check "with the power it needs and no other" power
  check "glenda is 61001" made_by glenda dir glenda 61001
  check "others are nobody" made_by mallory dir mallory "$nobody"
  check "root is nobody" made_by root dir root 65534
  check "unless it is let" made_by root none let 0
  check "all are nobody" made_by glenda all all 65534
  echo secret >"$scratch/dir/secret"
  chmod 600 "$scratch/dir/secret"
  check "what is root's is closed to others" not as glenda dir read /secret
  check "and open to root" as root none read /secret
  stop
  printf 'glenda 61001:61001\n' >"$scratch/map"
  start -l "unix!$sock" -e "dir=$scratch/dir" --user-map "$scratch/map"
  not_in() { ! as mallory dir ls / 2>"$scratch/said" && grep -qF "the user 'mallory' has no access" "$scratch/said"; }
  check "who is not in the map stays out" not_in
  stop
  check "nobody cannot act as others" bad 1 "cannot act as other users" -l "unix!$sock" -e "$scratch/dir" \
    --user-map "$scratch/map" --runas nobody
  check "names are not believed on TCP" bad 2 "could be any user of" -l 127.0.0.1:0 -e "$scratch/dir,ro" \
    --user-map "$scratch/map"
  rm -f "$scratch"/dir/by-* "$scratch/dir/secret"
  here "root becomes nobody" start -l "unix!$sock" -e "$scratch/dir"
  check "in every way" runs_as "$nobody"
  check "without groups" grep -qE '^Groups:[[:space:]]*('"$(id -g nobody)"')?[[:space:]]*$' "/proc/$pid/status"
  check "and serves" alive "$sock"
  check "the socket stays root's" owned_by 0 "$sock"
  stop
  rm -f "$sock"
  here "--runas" start "${S[@]}" --mem --runas nobody
  check "is that user" runs_as "$nobody"
  check "who owns the socket" owned_by "$nobody" "$sock"
  stop
  rm -f "$sock"
  here "--runas root" start "${S[@]}" --mem --runas root
  check "stays root" runs_as 0
  stop
else
  check "only root can become another" bad 1 "only root" "${S[@]}" --runas root
  here "becoming oneself is nothing" start "${S[@]}" --mem --runas "$(id -un)"
  stop
fi
checks_done
