#!/usr/bin/env bash
# styx, the command-line client: each verb, its messages and exit statuses, on memory and on a directory.   styx.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
umask 022
sock=$scratch/sock me=$(id -un)
work=$scratch/work
mkdir "$work"
export LC_ALL=C TZ=UTC
unset STYX_ADDR XDG_RUNTIME_DIR

styx() { timeout 60 "$bin/styx" -a "unix!$sock" -u "$me" "$@"; }

# gives STATUS TEXT ARGUMENT...: exits so, and its stderr is that one line (none for an empty text).
gives() {
  local want=$1 text=$2 status=0
  shift 2
  timeout 60 "$bin/styx" "$@" >"$scratch/so" 2>"$scratch/se" </dev/null || status=$?
  [[ $status == "$want" && $(<"$scratch/se") == "$text" ]] || { echo "status $status"; cat "$scratch/so" "$scratch/se"; return 1; }
}
fails() { local text=$1; shift; gives 1 "styx: $text" -a "unix!$sock" -u "$me" "$@"; }
misused() { local text=$1; shift; gives 2 "styx: $text; styx --help tells how it is used" "$@"; }

# shows TEXT ARGUMENT...: succeeds, with exactly this output.
shows() {
  local want=$1 got
  shift
  if ! got=$(styx "$@" </dev/null) || [[ $got != "$want" ]]; then
    printf '%s\n' "$got"
    return 1
  fi
}

# put TEXT ARGUMENT...: with this input.
put() { local text=$1; shift; printf '%b' "$text" | styx "$@"; }

same() { diff -r "$1" "$2"; }
mode_of() { [[ $(stat -c %a "$2") == "$1" ]] || { stat -c %a "$2"; return 1; }; }
long() { styx ls -ld "$2" | grep -q -e "^$1 "; }
stat_says() { styx stat "$1" | grep -q "$2"; }

# ---- the command line, without a server ----

version_is() { [[ $("$bin/styx" --version) =~ ^styx\ [0-9]+\.[0-9]+\.[0-9]+$ ]]; }
helps() { "$bin/styx" --help | grep -q "^usage: styx .*VERB"; }
check "--version" version_is
check "--help" helps
check "no verb" misused "a verb is missing"
check "an unknown verb" misused "frob is no verb" frob
check "a bad message size" misused "-m 12: a number of bytes from 256 to 1073741824 is needed" -m 12 ls
check "read without a path" misused "read: a path is missing" read
check "write with two paths" misused "write: exactly one path is needed" write a b
check "mv with one path" misused "mv: an old and a new path are needed" mv a
check "cp with one file" misused "cp: what to copy and where to are needed" cp a
check "a mode that is none" misused "mkdir: -m 9: an octal number up to 777 is needed" mkdir -m 9 a
check "two files here" misused \
  "cp: a and b are both files here: cp copies those, and a file of the server begins with a colon" cp a b
check "a bad address" gives 1 "styx: ls frob!x: bad address: the network before the first ! is neither tcp nor unix" -a frob!x ls
check "nobody there" gives 1 "styx: ls: cannot reach unix!$scratch/no: file does not exist" -a "$scratch/no" ls

# ---- trees to copy ----

tree=$work/tree
mkdir -p "$tree/deep/er/still" "$tree/many" "$tree/empty"
printf '' >"$tree/nothing"
head -c 3000000 /dev/urandom >"$tree/deep/large"
head -c 65536 /dev/urandom >"$tree/deep/er/even"
printf '#!/bin/sh\n' >"$tree/deep/script"
chmod 755 "$tree/deep/script"
echo secret >"$tree/deep/er/still/own"
chmod 600 "$tree/deep/er/still/own"
echo fixed >"$tree/readonly"
chmod 444 "$tree/readonly"
for ((i = 0; i < 300; i++)); do echo "file $i" >"$tree/many/$i"; done
chmod 750 "$tree/many"
touch -d 2001-02-03T04:05:06Z "$tree/readonly"

modes_alike() { diff <(cd "$1" && find . -printf '%P %m %y\n' | sort) <(cd "$2" && find . -printf '%P %m %y\n' | sort); }

verbs() {
  check "an empty root" shows "" ls
  check "write makes a file" put 'hello\n' write /hello
  check "read" shows hello read hello
  check "write truncates" put 'hi\n' write hello
  check "read again" shows hi read /hello
  check "write -l" put 'one\ntwo\n' write -l lines
  check "both lines are there" shows $'one\ntwo' read lines
  check "read several" shows $'hi\none\ntwo' read hello lines
  check "reading what is missing" fails "read none: file does not exist" read none
  check "reading a directory" fails "read /: is a directory; ls lists it" read /
  check "mkdir" styx mkdir dir
  check "mkdir twice" fails "mkdir dir: file already exists" mkdir dir
  check "mkdir without a parent" fails "mkdir no/such: file does not exist" mkdir no/such
  check "mkdir -p" styx mkdir -p dir/a/b/c
  check "mkdir -p twice" styx mkdir -p dir/a/b/c
  check "mkdir -p over a file" fails "mkdir hello: file already exists" mkdir -p hello/x
  check "mkdir -m" styx mkdir -m 700 dir/private
  check "its mode" long drwx------ dir/private
  check "create" styx create -m 640 dir/new
  check "its mode" long -rw-r----- dir/new
  check "create twice" fails "create dir/new: file already exists" create dir/new
  check "a path through a file" fails "read hello/x: not a directory" read hello/x
  check "ls" shows $'dir\nhello\nlines' ls
  check "ls of a directory" shows $'a\nnew\nprivate' ls /dir
  check "ls of several" shows $'dir/a\ndir/new\ndir/private\nhello' ls dir hello
  check "ls -d" shows dir ls -d dir
  check "ls of what is missing" fails "ls none: file does not exist" ls none
  check "ls goes on after a failure" not styx ls none hello
  check "ls -l" long -rw-r--r-- hello
  check "stat" stat_says hello "length  3"
  check "stat of what is missing" fails "stat none: file does not exist" stat none
  check "mv" styx mv dir/new dir/newer
  check "it has the new name" shows $'a\nnewer\nprivate' ls dir
  check "mv over a file" put 'over' write dir/victim
  check "mv replaces" styx mv dir/newer dir/victim
  check "what it replaced is gone" shows "" read dir/victim
  check "mv elsewhere" fails \
    "mv hello: 9P2000 renames only within one directory; copy it to dir/hello and remove it" mv hello dir/hello
  check "mv of what is missing" fails "mv none: file does not exist" mv none other
  check "rm" styx rm lines
  check "rm twice" fails "rm lines: file does not exist" rm lines
  check "rm of a full directory" fails "rm dir: Directory not empty" rm dir
  check "rm of an empty directory" styx rm dir/a/b/c
  check "rm -r" styx rm -r dir hello
  check "rm of the root" fails "rm /: the root cannot be removed" rm -r /
  check "nothing is left" shows "" ls
}

copies() {
  check "cp in" styx cp "$tree/deep/large" :large
  check "cp out" styx cp :large "$work/large"
  check "they are equal" cmp "$tree/deep/large" "$work/large"
  check "cp into a directory" styx cp :large "$work/tree/empty/"
  check "its name is kept" cmp "$tree/deep/large" "$tree/empty/large"
  rm "$tree/empty/large"
  check "cp from one to another name" styx cp :large 9p:copy
  check "cp of that out" styx cp :copy "$work/large"
  check "they are equal" cmp "$tree/deep/large" "$work/large"
  check "cp onto itself" fails "cp :copy: copy is the same file" cp :copy :copy
  check "it is read again" styx cp :copy "$work/large"
  check "it is unharmed" cmp "$tree/deep/large" "$work/large"
  check "cp of a directory needs -r" fails "cp $tree: is a directory; -r copies it" cp "$tree" :tree
  check "cp of what is missing" fails "cp :none: file does not exist" cp :none "$work/x"
  check "cp of what is missing here" fails "cp $work/none: No such file or directory" cp "$work/none" :x
  check "several to a file" fails "cp :copy: is no directory, but there are several files to copy" \
    cp "$tree/nothing" "$tree/readonly" :copy
  check "cp -rp in" styx cp -rp "$tree" :tree
  check "cp -rp out" styx cp -rp :tree "$work/back"
  check "the trees are equal" same "$tree" "$work/back"
  check "so are their modes" modes_alike "$tree" "$work/back"
  check "and times" test "$(stat -c %Y "$work/back/readonly")" = 981173106
  check "cp -r into what is there" styx cp -r :tree "$work/back"
  check "makes a directory in it" same "$tree" "$work/back/tree"
  check "cp -r with one worker and small messages" styx -m 600 cp -r -j 1 :tree/many "$work/small"
  check "the trees are equal" same "$tree/many" "$work/small"
  check "cp -r -o" styx cp -r -o :tree "$work/together"
  check "the trees are equal" same "$tree" "$work/together"
  check "cp -r over there" styx cp -r :tree :other
  check "cp -r into itself" fails "cp :tree: cannot be copied into itself" cp -r :tree :tree/sub
  check "cp -r of the copy" styx cp -r :other "$work/other"
  check "the trees are equal" same "$tree" "$work/other"
  ln -s .. "$work/small/up"
  ln -s 1 "$work/small/one"
  check "a link back up is left out" fails \
    "cp $work/small/up/small: a symbolic link leads back to a directory above; left out" cp -r "$work/small" :small
  check "a link to a file is its content" shows "file 1" read small/one
  mkfifo "$work/back/fifo"
  check "a fifo is left out" fails "cp $work/back/fifo: neither a file nor a directory; left out" cp -r "$work/back" :back
  check "the rest is there" shows fixed read back/readonly
  rm -rf "$work/large" "$work/back" "$work/small" "$work/together" "$work/other"
  check "rm -r of it all" styx rm -r tree other large copy small back
  check "nothing is left" shows "" ls
}

# copying: a copy from a fifo is under way, as $copy, once its file is there.
copying() {
  mkfifo "$scratch/fifo.$1"
  exec 8<>"$scratch/fifo.$1"
  "$bin/styx" -a "unix!$sock" cp "$scratch/fifo.$1" ":part.$1" 2>"$scratch/se" </dev/null 8>&- &
  copy=$!
  pids+=("$copy")
  soon styx ls "part.$1"
}

# ends STATUS TEXT: the copy does, and has said this.
ends() {
  local status=0
  wait "$copy" 2>/dev/null || status=$?
  exec 8>&-
  if [[ $status != "$1" ]] || ! grep -qxF -e "$2" "$scratch/se"; then
    echo "status $status"
    cat "$scratch/se"
    return 1
  fi
}

interrupt() {
  copying interrupted || return 1
  kill -TERM "$copy"
  ends 143 "styx: cp: interrupted; the copy is incomplete"
}

lose_server() {
  copying lost || return 1
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null || true
  echo more >&8
  exec 8>&-
  ends 1 "styx: cp :part.lost: connection lost: i/o on hungup channel"
}

here "styxd --mem" start "${as_me[@]}" -l "unix!$sock" --mem
verbs
copies
by_environment() { STYX_ADDR=unix!$sock timeout 20 "$bin/styx" ls; }
check "the address from the environment" by_environment
by_default() { XDG_RUNTIME_DIR=$scratch/run timeout 20 "$bin/styx" ls; }
mkdir "$scratch/run"
ln -s "$sock" "$scratch/run/styxd"
check "the address from XDG_RUNTIME_DIR" by_default
check "an unknown aname" not styx -A nonsense ls
here "an interrupted copy says so" interrupt
check "the server serves on" styx ls
here "a copy whose server is lost says so" lose_server
check "a server that is gone" fails "ls: cannot reach unix!$sock: Connection refused" ls

mkdir "$scratch/dir"
here "styxd -e" start "${as_me[@]}" -l "unix!$sock" -e "$scratch/dir"
verbs
copies
echo "written here" >"$scratch/dir/outside"
check "what was written outside is read" shows "written here" read outside
here "stops" stop
checks_done
