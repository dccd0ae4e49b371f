#!/usr/bin/env bash
# Clients that die in the middle of a conversation: styxd and the bell are as before.   killmid.sh [BIN [CONNECTIONS]]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
n=${2:-10000}
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh

start -l "unix!$scratch/sock" --mem
check "styxd on a Unix socket" "$bin/test/killmid" -n "$n" -p "$pid" "$scratch/sock"
here "ends in order" stop
start -l 127.0.0.1:0 --mem
check "styxd on TCP" "$bin/test/killmid" -n "$n" -p "$pid" "127.0.0.1:$(port)"
here "ends in order" stop
mkdir "$scratch/dir"
start "${as_me[@]}" -l "unix!$scratch/sock" -e "$scratch/dir"
check "styxd with a directory" "$bin/test/killmid" -n "$n" -p "$pid" "$scratch/sock"
here "ends in order" stop
serve "$bin/examples/bell" "$scratch/bell"
check "the bell, whose readers wait" "$bin/test/killmid" -n "$n" -p "$pid" "$scratch/bell"
here "ends in order" stop
checks_done
