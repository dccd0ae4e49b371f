# fields.awk: lines of styxd --trace, each as the line of fields that tshark prints for the same message.
#
#     awk -v order="tag fid …" -f fields.awk NUMBERS TRACE
#
# order: the fields by the dissector's names without "9p."; the direction and the type come before them. NUMBERS has a line
# "NAME NUMBER" for each message. The words of --trace are turned into the dissector's ways to write them.

# In decimal, digit by digit: a floating-point number cannot tell 64 bits.
function from_base(base, digits,  n, i, j, carry, out) {
  n = "0"
  for (i = 1; i <= length(digits); i++) {
    carry = index("0123456789abcdef", substr(digits, i, 1)) - 1
    out = ""
    for (j = length(n); j > 0 || carry; j--) {
      carry += base * (j > 0 ? substr(n, j, 1) : 0)
      out = carry % 10 out
      carry = int(carry / 10)
    }
    n = out == "" ? "0" : out
  }
  sub(/^0+/, "", n)
  return n == "" ? "0" : n
}

function add(field, value) { has[field] = has[field] == "" ? value : has[field] "," value }

# (0x2 0 -): path, version, letters of the type's bits from the top.
function add_qid(text,  part, bit, type) {
  split(substr(text, 2, length(text) - 2), part, " ")
  for (bit = 1; bit <= 8; bit++)
    if (index(part[3], substr("dalmAtLh", bit, 1)))
      type += 2 ^ (8 - bit)
  add("qidpath", from_base(16, substr(part[1], 3)))
  add("qidvers", part[2])
  add("qidtype", sprintf("0x%02x", type))
}

function add_value(key, value) {
  if (value ~ /^\(/)
    add_qid(value)
  else if (key == "mode" && in_stat)
    add("statmode", from_base(8, value))
  else if (key == "mode")
    add("mode", sprintf("0x%02x", value))
  else if (key == "perm")
    add("perm", from_base(8, value))
  else if (key == "nwname" && value ~ quote)
    add("wname", substr(value, 2, length(value) - 2))
  else if (value ~ quote)
    add(field_of[key], substr(value, 2, length(value) - 2))
  else
    add(field_of[key], value == "NOTAG" ? 65535 : value == "NOFID" ? "4294967295" : value)
}

BEGIN {
  norder = split(order, fields, " ")
  n = split("tag oldtag version fid afid newfid uname aname qid mode perm iounit offset count data ename length muid dev " \
            "atime mtime type=stattype msize=maxsize name=filename uid=user gid=group nwname=nwalk nwqid=nqid", words, " ")
  for (i = 1; i <= n; i++) {
    split(words[i], pair, "=")
    field_of[pair[1]] = pair[2] == "" ? pair[1] : pair[2]
  }
  quote = sprintf("^%c", 39)
  token = sprintf("^(%c[^%c]*%c|[(][^)]*[)]|[^ ]+)", 39, 39, 39)
}

FNR == NR { number[$1] = $2; next }

$2 == "->" || $2 == "<-" {
  out = ($2 == "->" ? "R|" : "T|") number[$3]
  rest = $0
  split("", has)
  sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", rest)
  in_stat = sub(/ stat \(/, " ", rest)
  if (in_stat)
    sub(/\)$/, "", rest)
  while (match(rest, token)) {
    word = substr(rest, 1, RLENGTH)
    rest = substr(rest, RLENGTH + 2)
    if (word in field_of)
      key = word
    else
      add_value(key, word)
  }
  for (i = 1; i <= norder; i++)
    out = out "|" has[fields[i]]
  print out
}
