#!/usr/bin/env bash
# A thousand idle connections and one that never reads its replies harm nobody: all of them are served, the slow one is paused
# and dropped after its time, nothing else is. What others pay in latency is printed, not judged.
#   crowd.sh [BIN]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
addr=unix!$scratch/sock

p99() { "$bin/styxbench" -a "$addr" -s 2 -c 4 -d 1 stat --json | grep -o '"p99[^,}]*' | head -n 1; }
dropped() { [[ $(grep -c 'peer does not read its replies' "$scratch/err") == 1 ]] || { cat "$scratch/err"; return 1; }; }

here "the server starts" start "${as_me[@]}" -l "$addr" --mem --max-outbox 64K --stall-timeout 3
echo "# alone: $(p99)"
mkfifo "$scratch/end"
exec 8<>"$scratch/end" 7< <(exec "$bin/test/crowd" "$addr" 1000 <"$scratch/end" 8>&-)
crowd=$!
word() { read -r -t 60 -u 7 said && [[ $said == "$1" ]]; }
here "a thousand and one connections are attached" word ready
echo "# in company: $(p99)"
here "the one that does not read is dropped" word dropped
check "once, with its reason" dropped
exec 8>&-
here "the idle ones are still there" wait "$crowd"
here "the server ends" stop
checks_done
