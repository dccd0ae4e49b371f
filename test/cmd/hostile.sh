#!/usr/bin/env bash
# A process swaps directories, links and FIFOs in an export while 32 clients use it: nothing from outside is ever seen or changed,
# every call comes back, and the server is as it was. Once with all power and all descriptors, once with few of either, once as
# somebody else with few descriptors.
#   hostile.sh [BIN [SECONDS [SEED]]]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
seconds=${2:-10}
seed=${3:-$(date +%s)}
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
chmod 755 "$scratch"
addr=unix!$scratch/sock
files() { local f=("/proc/$pid/fd"/*); echo "${#f[@]}"; }
back() { (($(files) <= before)); }

# pulled WHAT STYXD-ARGUMENT...
pulled() {
  local what=$1
  shift
  mkdir -p "$scratch/tree/export"
  chmod 755 "$scratch/tree"
  chmod 777 "$scratch/tree/export"
  here "$what: the server starts" start "$@" -l "$addr" -e "$scratch/tree/export"
  soon alive "$addr"
  before=$(files)
  here "$what, $((seconds / 3)) s, seed $seed: nothing from outside, and no call is stuck" \
    "$bin/test/hostile" "$addr" "$scratch/tree" "$((seconds / 3))" "$seed"
  cat "$scratch/said"
  here "... it serves" alive "$addr"
  here "... no descriptor is left" soon back
  here "... it ends in order" stop
  rm -rf "$scratch/tree"
}

pulled "all power" "${as_me[@]}"
wrap=(prlimit --nofile=160:160)
pulled "few descriptors" --workers 4 --spare 8
if ((EUID == 0)); then
  printf '* nobody\n' >"$scratch/map"
  pulled "few descriptors, as nobody" --workers 4 --spare 8 --user-map "$scratch/map"
fi
checks_done
