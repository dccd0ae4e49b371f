# shellcheck shell=bash disable=SC2034,SC2154 # what is unused or not set here is run's
# goldens.sh: for run to source: tshark reads test/golden/9p2000.txt and finds what is written beside the bytes.

# Two sorts of rows the dissector (of 4.0) does not tell:
#   Topenfd, Ropenfd     it does not know them, being no part of 9P2000 but of plan9port; it shows bytes
#   Rerror with \x       it has its own way to show what is not UTF-8, and ends a text at its NUL
untold=$'\t''0 (<-|->) (Topenfd |Ropenfd |Rerror .*\\x)'

awk -v hex="$scratch/hex" -v trace="$scratch/words" -f test/dissect/goldens.awk test/golden/9p2000.txt
paste "$scratch/hex" "$scratch/words" >"$scratch/rows"

# take GREP-OPTION: these rows as $trace and $scratch/err, as if a server had traced them.
trace=$scratch/goldens.pcapng
take() {
  grep -E "$1" "$untold" "$scratch/rows" >"$scratch/taken" || true
  cut -f 1 "$scratch/taken" >"$scratch/hex"
  cut -f 2 "$scratch/taken" >"$scratch/err"
  by_hand <"$scratch/hex" && cp "$scratch/hand.pcapng" "$trace"
}
told() { shark -r "$trace" -Y "$1" -T fields "${@:2}"; }

sizes() { diff <(sed 's/^. //' "$scratch/hex" | awk '{print length($0) / 2}') <(told 9p -e 9p.msglen); }
bytes_read_or_written() {
  diff <(sed -nE 's/^R .{8}75.{12}//p; s/^T .{8}76.{36}//p' "$scratch/hex") \
    <(told '9p.msgtype == 117 || 9p.msgtype == 118' -e data.data)
}
times() {
  diff <(grep -oE ' [am]time [0-9]+' "$scratch/err" | cut -d ' ' -f 3) \
    <(TZ=UTC told '9p.atime' -e 9p.atime -e 9p.mtime | tr '\t' '\n' | date -u -f - +%s)
}

here "the golden messages" take -v
check "are all in the file" test "$(wc -l <"$scratch/err")" -gt 90 -a "$(told 9p -e 9p.tag | wc -l)" = "$(wc -l <"$scratch/err")"
check "with the fields that are written beside them" same_fields
check "the sizes" sizes
check "the data" bytes_read_or_written
check "and the times" times
check "and no fault" none faults "$trace"
here "the rest of them" take --
check "that is still not told" not same_fields
