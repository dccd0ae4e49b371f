#!/usr/bin/env bash
# guest.sh boot BINDIR SCRATCH [GROUPS]: process 1 of the machine that test/linux/run boots. It starts servers, mounts them and
# works on the mounts. Groups: hostfs memfs exports bell. To the host it sends, over the first port: "begin NAME SECONDS" before
# each case, then "ok NAME" or "not ok NAME REASON", and "end". Everything else it prints goes to the second port, the log.
#
# guest.sh case FUNCTION ARGUMENT...: one case that is more than one command, in a process of its own, so that it can be stopped.
set -uo pipefail
work=/work9p
v9fs=version=9p2000,trans=tcp,uname=root,dfltuid=0,dfltgid=0,access=any,cache=none

# ---- telling the host ----

tell() { printf '%s\n' "$*" >&5; }

# try NAME LIMIT COMMAND...: one case. A function is run by another instance of this script.
try() {
  local name=$1 limit=$2 status=0 start=$EPOCHREALTIME
  shift 2
  declare -F "$1" >/dev/null && set -- "$BASH" "$0" case "$@"
  tell "begin $name $limit"
  timeout -k 5 "$limit" "$@" >"$work/said" 2>&1 5>&- || status=$?
  sed "s/^/$name: /" "$work/said"
  case $status in
    0) tell "ok $name $(since "$start") s" ;;
    124 | 137) tell "not ok $name takes longer than $limit s: $(head -n 1 "$work/said")" ;;
    *) tell "not ok $name $(head -n 1 "$work/said") [status $status]" ;;
  esac
  return "$status"
}

since() {
  local us=$((${EPOCHREALTIME/./} - ${1/./}))
  printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

checks() { "$checks_program" "$@" 2>&1 >&5; }

# ---- servers and mounts ----

# serve NAME ARGUMENT...: start styxd, wait until it is ready; $server is its process. What it prints is in $work/NAME.out.
serve() {
  local name=$1
  shift
  rm -f "$work/ready"
  mkfifo "$work/ready"
  "$bin/styxd" --ready-fd 3 "$@" 3>"$work/ready" >"$work/$name.out" 2> >(sed "s/^/$name: /" >&2) 5>&- &
  server=$!
  read -r -t 30 _ <"$work/ready"
  kill -0 "$server"
}

# The bell example says nothing when it is ready, but the kernel knows who listens.
serve_bell() { # PORT
  local port start=$SECONDS
  printf -v port ' 0100007F:%04X 00000000:0000 0A ' "$1"
  "$bin/examples/bell" "tcp!127.0.0.1!$1" >&2 5>&- &
  server=$!
  until [[ $(</proc/net/tcp) == *"$port"* ]]; do
    kill -0 "$server" && ((SECONDS - start < 30)) || return 1
  done
}

stop() {
  kill "$server" 2>/dev/null
  wait "$server" 2>/dev/null
}

descriptors() { find "/proc/$server/fd" -mindepth 1 2>/dev/null | wc -l; }

mount_at() { mount -i -t 9p -o "$v9fs,port=$1${3:+,$3}" 127.0.0.1 "$2"; }

# ---- cases of several commands ----

# Hold the folders of a tree open: the kernel then needs not look them up again for each file in them (without a cache, three
# requests a folder).
pin() {
  local dir fd
  # shellcheck disable=SC2034 # nobody reads from them
  while read -r dir; do exec {fd}<"$dir"; done < <(find "$1" -type d)
}

copy() {
  mkdir "$2" && (cd "$1" && find . -mindepth 1 -type d -print0) | (cd "$2" && xargs -0 mkdir) || return
  pin "$2"
  cp -r "$1/." "$2"
}

compare() {
  pin "$2"
  diff -r "$1" "$2"
}

# A program whose source, headers and objects are on the mount.
compile() {
  cd "$1" || return
  cat >hello.c <<'C'
#include "hello.h"
#include <stdio.h>
int main(void) { return printf("%s\n", GREETING) < 0; }
C
  echo '#define GREETING "hello from 9P"' >hello.h
  gcc -O1 -c hello.c && gcc -o hello hello.o
}

run_program() { [[ $("$1/hello") == "hello from 9P" ]]; }

# What users' programs do when they save: a file beside the old one, renamed over it.
save_by_sed() {
  cd "$1" || return
  printf 'one\ntwo\n' >saved
  sed -i 's/two/three/' saved
  [[ $(<saved) == $'one\nthree' && $(echo saved*) == saved ]]
}

# Two files into another folder: 9P2000 cannot rename there, so mv copies.
move_about() {
  cd "$1" || return
  mkdir from to && echo x >from/a && echo y >from/b && mv from/a from/b to/ && mv to to2 &&
    [[ $(cat to2/a to2/b) == $'x\ny' && -z $(ls from) ]] && rm -r from to2
}

remove_tree() { rm -r "$1" && [[ ! -e $1 ]]; }

printed_line() {
  local line
  line=$(sed -n 's/^ *\(mount -t 9p .*\)/\1/p' "$1" | head -n 1)
  echo "$line"
  [[ -n $line ]] && mkdir -p /mnt && eval "$line" && echo text >/mnt/by-printed-line && umount /mnt
}

# ---- groups ----

# everything NAME PORT FOLDER|- STYXD-ARGUMENT...: all that a filesystem must do. FOLDER is what it exports, "-" if it has none.
everything() {
  local name=$1 port=$2 folder=$3 mnt=$work/mnt-$1
  shift 3
  mkdir -p "$mnt"
  serve "$name" -l "tcp!127.0.0.1!$port" "$@" || { tell "not ok $name.serve styxd does not start"; return 0; }
  export CHECKS_SERVER_PID=$server CHECKS_DESCRIPTORS
  CHECKS_DESCRIPTORS=$(descriptors)
  try "$name.mount" 30 mount_at "$port" "$mnt" || { stop; return 0; }
  try "$name.copy-in" 240 copy "$work/tree" "$mnt/tree"
  try "$name.compare" 240 compare "$work/tree" "$mnt/tree"
  [[ $folder == - ]] || try "$name.compare-at-server" 60 compare "$work/tree" "$folder/tree"
  try "$name.compile" 60 compile "$mnt"
  try "$name.run-compiled" 30 run_program "$mnt"
  try "$name.save-by-sed" 30 save_by_sed "$mnt"
  try "$name.move-to-other-folder" 30 move_about "$mnt"
  checks "$name" "$mnt" "$folder" files dirs
  [[ $folder == - ]] || checks "$name" "$mnt" "$folder" sparse # memory is not sparse
  try "$name.umount" 30 umount "$mnt"
  checks "$name" / - lets-go

  # The largest messages that both sides make.
  try "$name.mount-large" 30 mount_at "$port" "$mnt" msize=1048576
  checks "$name-large" "$mnt" "$folder" big-file writers-at-once
  try "$name.umount-large" 30 umount "$mnt"

  # With the smallest a folder takes many reads.
  try "$name.mount-small" 30 mount_at "$port" "$mnt" msize=4096
  checks "$name" "$mnt" "$folder" change
  try "$name.remove" 240 remove_tree "$mnt/tree"
  try "$name.umount-small" 30 umount "$mnt"

  try "$name.printed-mount-line" 30 printed_line "$work/$name.out"
  try "$name.mount-again" 30 mount_at "$port" "$mnt"
  try "$name.still-there" 30 grep -qx text "$mnt/by-printed-line"
  checks "$name" "$mnt" - dies-under-files
  try "$name.umount-dead" 30 umount "$mnt"
  wait "$server"
  serve "$name" -l "tcp!127.0.0.1!$port" "$@" # the same port, at once
  try "$name.mount-after-restart" 30 mount_at "$port" "$mnt"
  try "$name.umount-after-restart" 30 umount "$mnt"
  stop
}

group_hostfs() {
  mkdir "$work/export"
  everything hostfs 5641 "$work/export" -e "$work/export" --no-auth --runas root -w 1
}

group_memfs() { everything memfs 5642 - --mem --runas root -w 8; }

refuses_writes() {
  local said
  said=$(touch "$1/new" 2>&1) && { echo "a file can be made in a read-only export"; return 1; }
  [[ $said == *"Read-only file system"* ]] || { echo "$said"; return 1; }
}

# Several exports, chosen by aname; one read-only; and a Unix socket.
group_exports() {
  local mnt=$work/mnt-exports
  mkdir "$work/one" "$work/two" "$mnt"
  echo 1 >"$work/one/f"
  echo 2 >"$work/two/f"
  serve exports -l tcp!127.0.0.1!5643 -l "unix!$work/socket" -e "one=$work/one" -e "two=$work/two,ro" --no-auth --runas root ||
    { tell "not ok exports.serve styxd does not start"; return 0; }
  try exports.mount-first 30 mount_at 5643 "$mnt" || { stop; return 0; }
  try exports.is-first 30 grep -qx 1 "$mnt/f"
  try exports.umount-first 30 umount "$mnt"
  try exports.mount-by-name 30 mount_at 5643 "$mnt" aname=two
  try exports.is-second 30 grep -qx 2 "$mnt/f"
  try exports.read-only 30 refuses_writes "$mnt"
  try exports.umount-second 30 umount "$mnt"
  try exports.mount-unix 30 mount -i -t 9p -o "${v9fs/trans=tcp/trans=unix},aname=$work/two" "$work/socket" "$mnt"
  try exports.is-second-by-path 30 grep -qx 2 "$mnt/f"
  try exports.umount-unix 30 umount "$mnt"
  stop
}

group_bell() {
  local mnt=$work/mnt-bell
  mkdir "$mnt"
  serve_bell 5644 || { tell "not ok bell.serve the bell does not start"; return 0; }
  try bell.mount 30 mount_at 5644 "$mnt" || { stop; return 0; }
  checks bell "$mnt" - bell
  try bell.umount 30 umount "$mnt"
  try bell.mount-again 30 mount_at 5644 "$mnt"
  CHECKS_SERVER_PID=$server checks bell "$mnt" - dies-under-reader
  try bell.umount-dead 30 umount "$mnt"
  stop
}

# ---- the machine ----

unpack_tree() {
  mkdir -p "$work/tree"
  tar -xf "$1" -C "$work/tree"
}

boot() {
  bin=$1 checks_program=$2/checks
  local ports=(/dev/vport*p1 /dev/vport*p2)
  exec 5>"${ports[0]}" >"${ports[1]}" 2>&1 </dev/null
  tell "begin boot 60"
  mkdir -p "$work"
  mount -t tmpfs work "$work"
  # An emulated machine is slow, and so is the machine under it when it has other work.
  busybox dmesg | grep -q 'Hypervisor detected: KVM' || export CHECKS_KILL_LIMIT=${CHECKS_KILL_LIMIT:-3000}
  tell "ok boot $(cut -d ' ' -f 1 /proc/uptime) s"
  try tree 60 unpack_tree "$2/tree.tar"
  shift 2
  local group
  for group in ${1:-hostfs memfs exports bell}; do "group_$group"; done
  busybox dmesg | tail -n 20
  tell end
  sync
  exec busybox reboot -f
}

if [[ $1 == case ]]; then
  shift
  "$@"
else
  boot "${@:2}"
fi
