# goldens.awk: rows of test/golden, whose first file tells the form, as what make_pcap and fields.awk read.
#
#     awk -v hex=FILE -v trace=FILE [-v longest=BYTES] -f goldens.awk GOLDENS

# 'text'*N is N times the text.
function spelled_out(text,  out, body, n) {
  while (match(text, quoted)) {
    body = substr(text, RSTART + 1, RLENGTH - 2)
    out = out substr(text, 1, RSTART) # up to the opening quote
    text = substr(text, RSTART + RLENGTH)
    n = 1
    if (match(text, /^[*][0-9]+/)) {
      n = substr(text, 2, RLENGTH - 1)
      text = substr(text, RLENGTH + 1)
    }
    out = out times(body, n) quote
  }
  return out text
}

function times(text, n,  out) {
  for (; n >= 1; n = int(n / 2)) {
    if (n % 2)
      out = out text
    text = text text
  }
  return out
}

# Digits of a line of bytes.
function digits(text,  out, i) {
  while (text != "") {
    if (match(text, /^ +/)) {
    } else if (match(text, quoted) == 1) {
      for (i = 2; i < RLENGTH; i++)
        out = out sprintf("%02x", code[substr(text, i, 1)])
    } else if (match(text, /^[*][0-9]+/))
      out = substr(out, 1, length(out) - 2) times(substr(out, length(out) - 1), substr(text, 2, RLENGTH - 1))
    else {
      out = out substr(text, 1, 2)
      RLENGTH = 2
    }
    text = substr(text, RLENGTH + 1)
  }
  return out
}

BEGIN {
  quote = sprintf("%c", 39)
  quoted = quote "[^" quote "]*" quote
  for (i = 32; i < 127; i++)
    code[sprintf("%c", i)] = i
}

/^#/ || /^$/ { next }
/^[0-9a-f]/ { bytes = bytes digits($0); next }
{
  if (longest == "" || length(bytes) <= 2 * longest) {
    print substr($0, 1, 1), bytes >hex
    print "0", (/^T/ ? "<-" : "->"), spelled_out($0) >trace
  }
  bytes = ""
}
