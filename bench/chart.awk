# chart.awk: bars in groups as SVG. Input, separated by tabs: a line "#", title, "log" or "linear", where to draw a line or "",
# and all series there may be, separated by |; then for each bar: group, series, value, and the two ends of a line beside it.

function xml(text) { gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/'/, "\\&#39;", text); return text }

function x_of(v) {
  if (!is_log) return left + width * v / most
  return left + (v > least ? width * (log(v) - log(least)) / (log(most) - log(least)) : 0)
}

function text_at(x, y, how, text) { printf "<text x='%.1f' y='%.1f' text-anchor='%s'>%s</text>\n", x, y, how, xml(text) }

function line_at(x1, y1, x2, y2, colour) {
  printf "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='%s'/>\n", x1, y1, x2, y2, colour
}

# The next of 1, 2, 5, 10, 20 ... at or above v.
function nice(v,   p) {
  p = 10 ^ int(log(v) / log(10) - (v < 1))
  return v <= p ? p : v <= 2 * p ? 2 * p : v <= 5 * p ? 5 * p : 10 * p
}

function axis(   v, step) {
  if (is_log) {
    for (v = least; v <= most * 1.01; v *= 10) {
      line_at(x_of(v), top, x_of(v), bottom, "#dddddd")
      text_at(x_of(v), bottom + 16, "middle", sprintf("%g", v))
    }
    return
  }
  step = nice(most / 6)
  for (v = 0; v <= most * 1.001; v += step) {
    line_at(x_of(v), top, x_of(v), bottom, "#dddddd")
    text_at(x_of(v), bottom + 16, "middle", v >= 1e6 ? sprintf("%gM", v / 1e6) : v >= 1e3 ? sprintf("%gk", v / 1e3) : sprintf("%g", v))
  }
}

function bar(i, y,   c) {
  c = colours[1 + (series_of[number[i]] - 1) % ncolours]
  printf "<rect x='%.1f' y='%.1f' width='%.1f' height='%d' fill='%s'><title>%s, %s: %g (%g to %g)</title></rect>\n",
    left, y, x_of(value[i]) - left, thick - 2, c, xml(group[i]), xml(number[i]), value[i], low[i], high[i]
  line_at(x_of(value[i] < low[i] ? value[i] : low[i]), y + thick / 2 - 1, x_of(high[i]), y + thick / 2 - 1, "#222222")
  line_at(x_of(low[i]), y + 2, x_of(low[i]), y + thick - 4, "#222222")
  line_at(x_of(high[i]), y + 2, x_of(high[i]), y + thick - 4, "#222222")
}

BEGIN {
  FS = "\t"
  ncolours = split("#0060c0 #d04000 #2a9d4e #8850b0 #888888 #c0a000", colours, " ")
  left = 130; width = 590; top = 60; thick = 12; gap = 10
}
$1 == "#" && !NR_bars { title = $2; is_log = $3 == "log"; mark = $4; nseries = split($5, series, "|"); for (i = 1; i <= nseries; i++) series_of[series[i]] = i; next }
{
  NR_bars++
  group[NR_bars] = $1; number[NR_bars] = $2; value[NR_bars] = $3; low[NR_bars] = $4; high[NR_bars] = $5
  used[$2] = 1
  if ($5 > most) most = $5 + 0
  if ($3 > most) most = $3 + 0
  if ($3 > 0 && (!least || $3 < least)) least = $3 + 0
}
END {
  if (!least) { least = 1; most = most ? most : 1 }
  if (is_log) {
    least = 10 ^ int(log(least) / log(10) - (least < 1)); most = least * 10 ^ (1 + int(log(most / least) / log(10)))
  } else most = 1.02 * (mark > most ? mark : most)
  for (i = 1; i <= NR_bars; i++) if (group[i] != group[i - 1]) ngroups++
  bottom = top + NR_bars * thick + ngroups * gap
  printf "<svg xmlns='http://www.w3.org/2000/svg' width='760' height='%d' font-family='sans-serif' font-size='12'>\n", bottom + 30
  print "<rect width='100%' height='100%' fill='white'/>"
  printf "<text x='16' y='22' font-size='15'>%s</text>\n", xml(title)
  x = left
  for (i = 1; i <= nseries; i++) {
    if (!(series[i] in used)) continue
    printf "<rect x='%d' y='34' width='12' height='12' fill='%s'/>", x, colours[1 + (i - 1) % ncolours]
    text_at(x + 18, 44, "start", series[i])
    x += 120
  }
  axis()
  y = top
  for (i = 1; i <= NR_bars; i++) {
    if (group[i] != group[i - 1]) { y += gap; text_at(left - 8, y + thick - 2, "end", group[i]) }
    bar(i, y)
    y += thick
  }
  if (mark != "") line_at(x_of(mark), top, x_of(mark), bottom, "#d00000")
  print "</svg>"
}
