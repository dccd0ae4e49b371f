#!/usr/bin/env bash
# The example logfs: what a file server has to do, and what one that persists promises.   logfs.sh [BIN [CRASHES]]
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
crashes=${2:-10}
cd "$(dirname "$0")"
. ../tools/checks.sh
. ./serve.sh
sock=$scratch/sock
db=$scratch/files.db
styx() { timeout 30 "$bin/styx" -a "$sock" "$@"; }
reads() { [[ $(styx read "$1") == "$2" ]]; }

check "says how it is called" not "$bin/examples/logfs" "$sock"
check "says what is wrong with an address" not "$bin/examples/logfs" 'tcp!' "$db"
check "says what is wrong with a place" not "$bin/examples/logfs" "$sock" "$scratch/no/where"
here "logfs" serve "$bin/examples/logfs" "$sock" "$db"
check "writes" styx write /note <<<kept
check "copies a tree" styx cp -r ../../lib/wire :/
check "a second one is refused" not "$bin/examples/logfs" "$scratch/sock2" "$db"
here "ends in order" stop
check "its socket is gone" not test -e "$sock"
here "again" serve "$bin/examples/logfs" "$sock" "$db"
check "reads what was written" reads /note kept
check "the tree too" styx cp -r :/wire "$scratch/back"
check "to the byte" diff -r ../../lib/wire "$scratch/back"
check "removes it" styx rm -r /wire

# Without one: what is outstanding when framing is lost is answered only if that is faster than the end of the connection, which
# operations that block need not be.
talks=()
for talk in ../talk/*.st; do
  [[ $talk == */malformed-answers-first.st ]] || talks+=("$talk")
done
check "every conversation that a server in memory passes" timeout 100 "$bin/test/talk" -a "$sock" "${talks[@]}"
here "ends in order after them" stop

printf 'this is no database, and 9P does not change that; it is a text of more than a hundred bytes, so that nobody takes it for an empty one' >"$scratch/text"
check "a file that is no database is refused" not "$bin/examples/logfs" "$scratch/sock2" "$scratch/text"
check "and left alone" grep -q 'no database' "$scratch/text"

# crash PROGRAM CRASHES [SEED...]
crash() {
  rm -rf "$scratch/crash"
  mkdir "$scratch/crash"
  timeout 500 "$bin/test/logfs_crash" -n "$2" "${@:3}" "$1" "$scratch/crash"
}
here "$crashes crashes lose nothing" crash "$bin/examples/logfs" "$crashes"
cat "$scratch/said"
here "$crashes power cuts lose nothing" crash "$bin/test/logfs_power" "$crashes"
cat "$scratch/said"
((crashes >= 10)) || checks_done
# The same test has to find what is wrong where a commit is forgotten, and where the disk has not synced what it says it has.
for wrong in forgets lies; do
  crash "$bin/test/logfs_$wrong" 10 -s 7 >"$scratch/wrong" 2>&1 && status=0 || status=$?
  check "what is wrong with a server or disk that $wrong is found" test "$status" = 1
  check "for that reason" grep -Eq '^not ok: (client|database)|does not start' "$scratch/wrong"
done
checks_done
