#!/usr/bin/env bash
# Who may attach: styxd --auth and styx --auth, by secrets and by the peer's credentials.   auth.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
sock=$scratch/sock
umask 077
unset STYX_ADDR XDG_RUNTIME_DIR
key=0123456789abcdef0123456789abcdef other=fedcba9876543210fedcba9876543210
printf '# keys\nglenda:%s\nbob:%s\n' "$key" "$other" >"$scratch/keys"
printf 'glenda:%s\nmallory:%s\n' "$other" "$key" >"$scratch/wrong"
cp "$scratch/keys" "$scratch/open"
chmod 640 "$scratch/open"
echo "glenda:short" >"$scratch/short"

# gives STATUS TEXT ARGUMENT...: styx exits so, and its stderr is that one line (none for an empty text).
gives() {
  local want=$1 text=$2 status=0
  shift 2
  timeout 60 "$bin/styx" "$@" >"$scratch/so" 2>"$scratch/se" </dev/null || status=$?
  [[ $status == "$want" && $(<"$scratch/se") == "$text" ]] || { echo "status $status"; cat "$scratch/so" "$scratch/se"; return 1; }
}

# bad STATUS TEXT ARGUMENT...: styxd does not start, and says so.
bad() {
  local want=$1 text=$2 status=0
  shift 2
  timeout 20 "$bin/styxd" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
  [[ $status == "$want" && $(wc -l <"$scratch/err") == 1 ]] || { echo "status $status"; cat "$scratch/err"; return 1; }
  says err "$text"
}
mode_of() { [[ $(stat -c %a "$2") == "$1" ]] || { stat -c %a "$2"; return 1; }; }

# ---- the command lines ----

S=("${as_me[@]}" -l "unix!$sock" --mem)
check "styxd --auth of nothing known" bad 2 '"kerberos" is not none, peer or secret:FILE' --auth kerberos
check "styxd --auth secret: without a file" bad 2 "is not none, peer or secret:FILE" --auth secret:
check "secrets that are not there" bad 1 "$scratch/no: file does not exist" "${S[@]}" --auth "secret:$scratch/no"
check "secrets that others may read" bad 1 "chmod 600" "${S[@]}" --auth "secret:$scratch/open"
check "secrets that are too short" bad 1 "line 1: a secret of 5 bytes" "${S[@]}" --auth "secret:$scratch/short"
check "peers on TCP" bad 2 "listen on a Unix socket" -l 127.0.0.1:0 --mem --auth peer
check "writable on TCP still needs something" bad 2 "ask who they are (--auth)" --auth peer --auth none -l 127.0.0.1:0 -e "$scratch"
check "styx --auth of nothing known" gives 2 "styx: --auth peer: secret:FILE is needed; styx --help tells how it is used" --auth peer ls

# ---- secrets ----

# as USER FILE VERB...: with the secret that FILE has.
as() { local user=$1 file=$2; shift 2; timeout 60 "$bin/styx" -a "$addr" -u "$user" --auth "secret:$scratch/$file" "$@"; }
refuses() { local text=$1 user=$2 file=$3; gives 1 "styx: ls: $text" -a "$addr" -u "$user" --auth "secret:$scratch/$file" ls; }
writes() { echo "text of $1" | as "$1" keys write "/of-$1" && [[ $(as "$1" keys read "/of-$1") == "text of $1" ]]; }
pasted() { eval "$(sed -n "s/^  \(.*styx -a .*\) ls \/$/\1/p" "$scratch/out") -u bob ls" >/dev/null; }

secrets() {
  check "who knows the secret is served" writes glenda
  check "so is the other one" writes bob
  check "a copy too" as glenda keys cp :/of-glenda :/copy
  check "a wrong secret is refused" refuses "cannot show that we are glenda: authentication rejected" glenda wrong
  check "an unknown user is refused alike" refuses "cannot show that we are mallory: authentication rejected" mallory wrong
  check "nobody is served who says nothing" gives 1 "styx: ls: cannot attach as glenda: not authenticated" -a "$addr" -u glenda ls
  check "not even root" gives 1 "styx: ls: cannot attach as root: not authenticated" -a "$addr" -u root ls
  check "who has no secret in the file is told" refuses \
    "--auth: $scratch/keys has no secret for rob; -u names another user" rob keys
  check "styx does not take a file that others may read" refuses \
    "--auth: $scratch/open: others than its owner may use it (mode 640): chmod 600 it, and change its secrets" glenda open
  check "the server serves on" writes glenda
  check "the line that is printed works" pasted
  check "the kernel is told not to try" says out "cannot mount this"
}

here "styxd --auth secret on TCP needs no more to be written" start "${as_me[@]}" -l 127.0.0.1:0 --mem \
  --auth "secret:$scratch/keys" --trace
addr=127.0.0.1:$(port)
secrets
no_secret_is_traced() { grep -q 'Tauth' "$scratch/err" && not grep -qE "$key|$other" "$scratch/err"; }
check "the trace has no secret" no_secret_is_traced
here "stops" stop TERM
here "the same on a Unix socket" start "${S[@]}" --auth "secret:$scratch/keys"
addr=unix!$sock
check "everybody may connect to it" mode_of 666 "$sock"
secrets
stop TERM
here "a server that asks nobody" start "${S[@]}"
check "its socket is the owner's" mode_of 600 "$sock"
check "is not believed by who wants to see a secret" refuses \
  "the server asks for no secret, so it shows none: without --auth it would be believed" glenda keys
stop

# ---- peers ----

me=$(id -un)
here "styxd --auth peer" start "${S[@]}" --auth peer
check "everybody may connect" mode_of 666 "$sock"
check "by name" gives 0 "" -a "$sock" -u "$me" ls
check "by number" gives 0 "" -a "$sock" -u "$(id -u)" ls
check "styx --auth is told that there are no secrets" refuses \
  "the server asks for no secret, so it shows none: without --auth it would be believed" glenda keys
if ((EUID)); then
  check "not as root" gives 1 "styx: ls: cannot attach as root: authentication rejected" -a "$sock" -u root ls
else
  check "root may be anybody" gives 0 "" -a "$sock" -u daemon ls
  # Somebody else, from a place that he can reach.
  chmod 711 "$scratch"
  mkdir -m 755 "$scratch/bin"
  install -m 755 "$bin/styx" "$scratch/bin/styx"
  daemon() { bin=$scratch/bin gives_as_daemon "$@"; }
  gives_as_daemon() {
    local want=$1 text=$2 status=0
    shift 2
    timeout 60 setpriv --reuid=daemon --regid=daemon --clear-groups "$bin/styx" "$@" >"$scratch/so" 2>"$scratch/se" </dev/null ||
      status=$?
    [[ $status == "$want" && $(<"$scratch/se") == "$text" ]] || { echo "status $status"; cat "$scratch/so" "$scratch/se"; return 1; }
  }
  check "another user as himself" daemon 0 "" -a "$sock" -u daemon ls
  check "... by number" daemon 0 "" -a "$sock" -u "$(id -u daemon)" ls
  check "... not as root" daemon 1 "styx: ls: cannot attach as root: authentication rejected" -a "$sock" -u root ls
  check "... nor as a third one" daemon 1 "styx: ls: cannot attach as bin: authentication rejected" -a "$sock" -u bin ls
  check "... nor as nobody at all" daemon 1 "styx: ls: cannot attach as none-such: authentication rejected" -a "$sock" -u none-such ls
fi
here "stops" stop
checks_done
