# shellcheck shell=bash
# shark.sh: for test scripts to source, after serve.sh: what tshark says of a file.
: "${scratch:?a scratch directory}"

# The dissector's fields that are compared, without "9p."; tshark -G fields lists all.
fields="tag oldtag maxsize version fid afid newfid uname aname nwalk wname nqid qidtype qidvers qidpath mode perm iounit offset
  count ename statmode length filename user group muid
  stattype dev"

# shark TSHARK-ARGUMENT...: with checksums verified. It warns root on stderr; whatever else it says is a failure, and shown.
shark() {
  local status=0
  tshark -n -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE "$@" 2>"$scratch/shark" || status=$?
  ((status == 0)) || echo "tshark: status $status"
  if grep -v '^Running as user' "$scratch/shark" || ((status)); then return 1; fi
}

# dissected FILE: a line for each message: T or R, its type's number, and $fields, with bars between them. A field that comes
# several times has commas between.
dissected() {
  local field args=()
  for field in msgtype $fields; do args+=(-e "9p.$field"); done
  shark -r "$1" -Y 9p -T fields -E separator='|' -e tcp.dstport "${args[@]}" | sed -E 's/^564\|/T|/; s/^[0-9]+\|/R|/'
}

# faults FILE: every packet with something wrong.
faults() {
  shark -r "$1" -Y '_ws.malformed || _ws.expert.severity >= "Warning" || ip.checksum.status != "Good" ||
    tcp.checksum.status != "Good" || tcp.analysis.flags'
}

# connections FILE: how many.
connections() { shark -r "$1" -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' | wc -l; }
