#!/usr/bin/env bash
# styx conform: nothing is wrong with our servers, everything is found that is wrong on purpose, in three formats; and it never
# hangs.   conform.sh [BIN [ours]]    ours: only our servers
set -euo pipefail
bin=$(realpath "${1:-build/release/bin}")
cd "$(dirname "$0")"
self=$PWD/${0##*/}
. ../tools/checks.sh
. ./serve.sh
sock=$scratch/sock
S=("${as_me[@]}" -l "unix!$sock")

# conform STATUS ARGUMENT...: with that exit status; what it says is $scratch/report and $scratch/errors.
conform() {
  local want=$1 status=0
  shift
  timeout 300 "$bin/styx" conform "$@" >"$scratch/report" 2>"$scratch/errors" </dev/null || status=$?
  ((status == want)) || { echo "status $status"; cat "$scratch/report" "$scratch/errors"; return 1; }
}
passes() { conform 0 -t 60 "$@"; }
says_report() { grep -qE -e "$1" "$scratch/report" || { cat "$scratch/report"; return 1; }; }
number() { sed -nE "s/.* ([0-9]+) $1.*/\1/p" "$scratch/report" | tail -n 1; }
at_least() { (($(number "$1") >= $2)) || { cat "$scratch/report"; return 1; }; }

# ---- ours ----

here "memory" start "${S[@]}" --mem
check "styxd in memory conforms" passes "$sock"
check "and lets nearly everything be checked" at_least passed 160
check "what it made is gone" none "$bin/styx" -a "$sock" ls
check "in a directory, as another user" "$bin/styx" -a "$sock" -u glenda mkdir -m 777 /deep
check "there too" passes -d /deep -u glenda -o bob "$sock"
check "in large messages" passes -m 65536 "$sock"
check "a check by its name" passes "$sock" walk-partial
check "that one only" says_report '^1 checks'
check "checks by pattern" passes "$sock" 'walk-*' 'dir-*'
check "the address before the verb" timeout 60 "$bin/styx" -a "$sock" conform version-agree
here "it ends in order" stop

here "a filter in front" start "${S[@]}" --mem --filter log
check "it conforms" passes "$sock"
check "as before" at_least passed 160
here "it ends in order" stop

here "reads that wait for ever" start "${S[@]}" --mem --filter 'delay:op=read,path=/wait,for=ever'
check "a file to wait for" "$bin/styx" -a "$sock" create /wait
check "they are flushed" passes -b /wait "$sock" 'flush-*'
check "all of flush is checked" says_report '0 skipped$'
here "it ends in order" stop

mkdir -m 777 "$scratch/dir"
here "a directory" start "${S[@]}" -e "$scratch/dir"
check "styxd with a directory conforms" passes "$sock"
check "nearly everything" at_least passed 140
check "what it made is gone" none ls -A "$scratch/dir"
here "it ends in order" stop

if ((EUID == 0)); then # as somebody for whom rights count
  chmod 711 "$scratch"
  here "a directory, served by nobody" start -l "unix!$sock" --runas nobody -e "$scratch/dir"
  check "it conforms" passes "$sock"
  check "rights too" passes -v "$sock" 'perm-*'
  check "all that one user can see" at_least passed 4
  here "it ends in order" stop
fi

echo contents >"$scratch/dir/file"
here "a read-only directory" start "${S[@]}" -e "$scratch/dir,ro"
check "it conforms" passes "$sock"
check "and what cannot be made is said" says_report '^skip .*Read-only file system'
check "what can be seen is checked" at_least passed 60
here "it ends in order" stop

here "a tree, of an example" serve "$bin/examples/hello" "$sock"
check "it conforms" passes "$sock"
check "its file was found" passes -v "$sock" open-read
check "and read" says_report '^ok +open-read'
here "it ends in order" stop

here "one whose reads wait" serve "$bin/examples/bell" "$sock"
check "it conforms, in one thread" passes -b /bell "$sock"
here "it ends in order" stop

if [[ -x $bin/examples/logfs ]]; then
  here "a database, of an example" serve "$bin/examples/logfs" "$sock" "$scratch/files.db"
  check "it conforms" passes "$sock"
  check "and nobody is asked of rights who leads the group of new files" says_report '^skip .*--other names somebody else'
  check "with another user" passes -o glenda "$sock"
  check "nearly everything is checked" at_least passed 160
  here "it ends in order" stop
fi

[[ ${2:-} != ours ]] || checks_done

# ---- others ----

# twisted FAULT: what is at $sock, with this fault, at $scratch/twisted.
twisted() {
  rm -f "$scratch/twisted" "$scratch/ready"
  mkfifo "$scratch/ready"
  "$bin/test/twist9" "$1" "$scratch/twisted" "$sock" >"$scratch/ready" </dev/null &
  twist=$!
  pids+=("$twist")
  read -r -t 30 <"$scratch/ready"
}
untwist() {
  kill -KILL "$twist"
  wait "$twist" 2>/dev/null || true
}

# finds FAULT CHECK [ARGUMENT...]: this check tells that the server has this fault.
finds() {
  local fault=$1 name=$2
  shift 2
  twisted "$fault"
  check "$fault is found" conform 1 -t 60 "$@" "$scratch/twisted" "$name"
  check "$fault is found by $name" says_report "^WRONG $name\$"
  check "with the conversation, and what would be right" says_report '^ +wrong: .+'
  untwist
}

here "memory, to be twisted" start "${S[@]}" --mem
twisted none
check "nothing is found where nothing is wrong" passes "$scratch/twisted"
untwist
short=(-t 2) # what is lost is waited for
finds version_raises version-agree
finds version_errors version-unknown
finds version_keeps version-resets-fids
finds attach_twice attach-fid-in-use
finds walk_open walk-open-fid
finds walk_partial_error walk-partial
finds walk_partial_binds walk-partial
finds walk_up_out walk-up-root
finds walk_stops_at_eight walk-sixteen
finds open_no_trunc open-truncates
finds open_no_rclose open-remove-on-close
finds open_all_rw open-io
finds open_no_exec open-modes
finds open_twice open-twice
finds open_iounit open-iounit
finds create_perm create-perm
finds create_existing create-existing
finds create_unopened create-file
finds read_cut dir-every-count
finds read_more io-offsets
finds read_any_offset dir-offset-bad
finds read_32 io-4g
finds read_no_rewind dir-rewind
finds write_over io-rewrite
finds write_lost io-rewrite
finds clunk_keeps fid-reuse
finds remove_only_clunks remove-file
finds remove_refused_keeps remove-removed
finds stat_length stat-directory
finds stat_qid walk-one
finds stat_name stat-root
finds wstat_sets_all wstat-untouched
finds wstat_not_atomic wstat-atomic
finds wstat_no_sync wstat-untouched
finds rights_ignored perm-directory
finds flush_lost flush-unknown "${short[@]}"
finds flush_errors flush-itself
finds flush_early flush-pipelined
finds flush_silent flush-walk
finds reply_twice fid-reuse
finds reply_lost tag-any "${short[@]}"
finds reply_other_tag tag-any
finds reply_other_type remove-file
finds dies_of_flush flush-notag
every_fault() {
  local fault
  while read -r fault; do
    [[ $fault == none ]] || grep -qE "^finds $fault " "$self" || { echo "$fault"; return 1; }
  done < <("$bin/test/twist9" --list)
}
check "every fault has its check" every_fault

# ---- reports ----

planned=$("$bin/styx" conform --list | wc -l)
check "--list has the checks and where their rules are" test "$("$bin/styx" conform --list | grep -cE '^[a-z]+-[a-z0-9-]+ .*\([a-z]+\(5\)\)$')" = "$planned"
check "there are many" test "$planned" -gt 150
check "TAP" passes -F tap -O "$scratch/tap" "$sock"
check "its plan" grep -qx "1..$planned" "$scratch/tap"
check "a line for each" test "$(grep -cE '^ok [0-9]+ - [a-z0-9-]+: ' "$scratch/tap")" = "$planned"
check "skips are said" grep -qE '^ok .* # SKIP ' "$scratch/tap"
check "JUnit" passes -F junit -O "$scratch/xml" "$sock"
check "a case for each" test "$(grep -c '^<testcase classname="conform\.[a-z]*" name=' "$scratch/xml")" = "$planned"
check "it ends" test "$(tail -n 1 "$scratch/xml")" = "</testsuites>"
twisted stat_name
check "a fault in TAP" conform 1 -F tap "$scratch/twisted" 'stat-*'
check "is not ok, with the reason" says_report '^    wrong: came: Rstat'
check "a fault in JUnit" conform 1 -F junit "$scratch/twisted" 'stat-*'
check "is a failure" says_report '<failure message="came: Rstat'
check "no bare quote, no bare bracket" not grep -qE "<failure message=\"[^\"]*<" "$scratch/report"
untwist

# ---- no server, or one that says nothing ----

check "no check by that name" conform 2 "$sock" frobnicate
check "no address" conform 2
check "a bad address" conform 2 'tcp!!'
check "a bad format" conform 2 -F pdf "$sock"
check "a bad time" conform 2 -t soon "$sock"
check "messages that are too small" conform 2 -m 256 "$sock"
check "a directory that is not there" conform 2 -d /missing "$sock"
check "a tree that is not there" conform 2 -A missing "$sock"
check "that is said" grep -q 'Tattach is refused' "$scratch/errors"
check "a file that cannot be written" conform 2 -O /nonexistent/report "$sock"
here "it ends in order" stop
check "nobody there" conform 2 "$sock"
here "a server" start "${S[@]}" --mem
kill -STOP "$pid"
check "one that says nothing is wrong, not waited for" conform 1 -t 1 "$sock" walk-clone walk-itself
check "that is said" says_report 'nothing came for 1000 ms'
kill -CONT "$pid"
here "it ends in order" stop
checks_done
