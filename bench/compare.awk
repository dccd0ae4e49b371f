# compare.awk: what bench/compare has measured, as tables, JSON, or lines for chart.awk.
# Input, separated by tabs: place, workload, number of the server, round, JSON of styxbench.
# mode: unsteady, table, details, scaling, json, chart. servers: names, separated by |. base: the number of the reference.

function member(json, key,   at) {
  at = index(json, "\"" key "\": ")
  return at ? substr(json, at + length(key) + 4) + 0 : 0
}

function sort(v, n,   i, j, t) {
  for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
}

function quantile(v, n, q,   at, i) {
  at = 1 + (n - 1) * q; i = int(at)
  return n ? v[i] + (i < n ? (at - i) * (v[i + 1] - v[i]) : 0) : 0
}

# Over the rounds: low, mid and high are the quartiles and the median; count the rounds.
function summarise(p, w, s, key,   r, n, v, x) {
  for (r = 1; r <= rounds; r++) {
    if (!((p, w, s, r, "ops_per_s") in data)) continue
    x = data[p, w, s, r, key]
    if (over) {
      if (!((p, w, base, r, key) in data) || data[p, w, base, r, key] == 0) continue
      x /= data[p, w, base, r, key]
    }
    v[++n] = x
  }
  sort(v, n)
  low = quantile(v, n, 0.25); mid = quantile(v, n, 0.5); high = quantile(v, n, 0.75); count = n + 0
}
function plain(p, w, s, key) { over = 0; summarise(p, w, s, key); return mid }
function ratio(p, w, s, key) { over = 1; summarise(p, w, s, key); return mid }
function best(p, w, s, key,   r, most) {
  for (r = 1; r <= rounds; r++) if (data[p, w, s, r, key] > most) most = data[p, w, s, r, key]
  return most
}
function spread() { return mid ? (high - low) / mid : 0 }
function tried(p, w, s) { plain(p, w, s, "rate"); return count }

function seen(p, w) { return (p, w) in order_of }

BEGIN {
  FS = "\t"
  nservers = split(servers, names, "|")
  nkeys = split("ops_per_s mb_per_s p50_us p99_us p99.9_us client_cpu_us_per_request client_share server_cpu_us_per_request server_voluntary_per_request server_involuntary_per_request", keys, " ")
}

{
  if (!seen($1, $2)) { order_of[$1, $2] = 1; list[$1, ++listed[$1]] = $2 }
  if ($4 > rounds) rounds = $4 + 0
  if (!($1 in placed)) { placed[$1] = 1; places[++nplaces] = $1 }
  for (k = 1; k <= nkeys; k++) data[$1, $2, $3, $4, keys[k]] = member($5, keys[k])
  # Servers may carry different amounts in one message: then bytes count.
  data[$1, $2, $3, $4, "rate"] = member($5, "count") ? member($5, "mb_per_s") : member($5, "ops_per_s")
  # What one CPU would do if it did nothing else, at the cost of both programs.
  cost = member($5, "client_cpu_us_per_request") + member($5, "server_cpu_us_per_request")
  data[$1, $2, $3, $4, "per_cpu"] = cost ? (member($5, "count") ? member($5, "count") : 1) / cost : 0
}

# What is to be measured again: pairs of workload and number, the reference with each; or the same for people to read.
function unsteady(text,   i, s, w, any, all) {
  for (i = 1; i <= listed[place]; i++) {
    w = list[place, i]; any = 0
    for (s = 0; s < nservers; s++) {
      if (s == base) continue
      ratio(place, w, s, "rate")
      if (spread() <= 0.1) continue
      all = all (text ? (all ? ", " : "") w " of " names[s + 1] : " " w "," s)
      any = 1
    }
    if (any && !text) all = all " " w "," base
  }
  if (all) print all (text ? "" : " ")
}

function cell(p, w, s, key,   text) {
  ratio(p, w, s, key)
  text = sprintf("%.2f ± %.0f %%", mid, 50 * spread())
  if (mid && key == "rate") text = text sprintf(" (%.2f)", best(p, w, s, key) / best(p, w, base, key))
  return mid ? text : tried(p, w, s) ? "-" : "fails"
}

function table(key, head,   i, s, w, line) {
  line = "| " head " |"
  for (s = 0; s < nservers; s++) if (s != base) line = line " " names[s + 1] " |"
  print "\n" line " " names[base + 1] ", operations/s |"
  gsub(/[^|]+/, "---:", line); sub(/---:/, "---", line)
  print line "---:|"
  for (i = 1; i <= listed[place]; i++) {
    w = list[place, i]
    line = "| " w " |"
    for (s = 0; s < nservers; s++) if (s != base) line = line " " cell(place, w, s, key) " |"
    printf "%s %.0f |\n", line, plain(place, w, base, "ops_per_s")
  }
}

function details(   i, s, w) {
  print "\n| on " place " | server | operations/s | MB/s | p50, us | p99, us | p99.9, us | server CPU, us | of " names[base + 1] " | voluntary switches | rounds |"
  print "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
  for (i = 1; i <= listed[place]; i++) {
    w = list[place, i]
    for (s = 0; s < nservers; s++) {
      printf "| %s | %s | %.0f | %.0f |", w, names[s + 1], plain(place, w, s, "ops_per_s"), plain(place, w, s, "mb_per_s")
      if (!count) { print " fails |" ; continue }
      printf " %.1f | %.1f | %.1f |", plain(place, w, s, "p50_us"), plain(place, w, s, "p99_us"), plain(place, w, s, "p99.9_us")
      printf " %.2f | %.2f |", plain(place, w, s, "server_cpu_us_per_request"), ratio(place, w, s, "server_cpu_us_per_request")
      printf " %.2f | %d |\n", plain(place, w, s, "server_voluntary_per_request"), count
    }
  }
}

function scaling(   i, s, w, part, one) {
  print "\n| 64 connections x 4 | CPUs | server | operations/s | of 1 CPU | of limit9 |"
  print "|---|---:|---|---:|---:|---:|"
  for (i = 1; i <= listed["scaling"]; i++) {
    w = list["scaling", i]
    split(w, part, ".")
    for (s = 0; s < nservers; s++) {
      one = plain("scaling", part[1] ".1", s, "ops_per_s")
      if (!count) continue
      printf "| %s | %s | %s | %.0f | %.2f |", part[1], part[2], names[s + 1], plain("scaling", w, s, "ops_per_s"), mid / one
      base = 0
      printf " %.2f |\n", ratio("scaling", w, s, "ops_per_s")
    }
  }
}

function quoted(text) { gsub(/["\\]/, "\\\\&", text); return "\"" text "\"" }

function json(   p, i, s, r, k, w, n, first) {
  printf "{\"machine\": %s, \"secs\": %s, \"reference\": %s, \"results\": [", quoted(machine), secs, quoted(names[base + 1])
  for (p = 1; p <= nplaces; p++) for (i = 1; i <= listed[places[p]]; i++) for (s = 0; s < nservers; s++) {
    w = list[places[p], i]
    if (!tried(places[p], w, s)) continue
    n = count
    ratio(places[p], w, s, "rate")
    printf "%s\n{\"place\": %s, \"workload\": %s, \"server\": %s, \"ratio\": %.4f, \"ratio_low\": %.4f, \"ratio_high\": %.4f, \"rounds\": %d",
      first++ ? "," : "", quoted(places[p]), quoted(w), quoted(names[s + 1]), mid, low, high, n
    printf ", \"best_ratio\": %.4f", best(places[p], w, base, "rate") ? best(places[p], w, s, "rate") / best(places[p], w, base, "rate") : 0
    printf ", \"cpu_ratio\": %.4f", ratio(places[p], w, s, "server_cpu_us_per_request")
    printf ", \"per_cpu_ratio\": %.4f", ratio(places[p], w, s, "per_cpu")
    for (k = 1; k <= nkeys; k++) printf ", %s: %.4f", quoted(keys[k]), plain(places[p], w, s, keys[k])
    printf ", \"ops_per_s_of_rounds\": ["
    for (r = 1; r <= rounds; r++) if ((places[p], w, s, r, "rate") in data) printf "%s%.1f", (r > 1) ? ", " : "", data[places[p], w, s, r, "ops_per_s"]
    printf "]}"
  }
  print "\n]}"
}

# For chart.awk: a heading, then lines of group, series, value, low, high.
function chart_lines(   i, s, w, title, from, to) {
  title["ratio"] = "throughput on " place ", " names[base + 1] " = 1"
  title["latency"] = "latency on " place ", us: p50, and a line from p99 to p99.9"
  title["cpu"] = "CPU time of the server on " place ", us for each request"
  title["scaling"] = "operations/s by CPUs, 64 connections x 4"
  print "#", title[chart], (chart == "latency" || chart == "cpu") ? "log" : "linear", (chart == "ratio") ? 1 : "", servers
  for (i = 1; i <= listed[place]; i++) for (s = 0; s < nservers; s++) {
    w = list[place, i]
    if (chart == "ratio") {
      if (s == base) continue
      ratio(place, w, s, "rate")
    } else if (chart == "latency") {
      from = plain(place, w, s, "p99_us")
      to = plain(place, w, s, "p99.9_us")
      plain(place, w, s, "p50_us")
      low = from
      high = to
    } else plain(place, w, s, chart == "cpu" ? "server_cpu_us_per_request" : "ops_per_s")
    if (count) printf "%s\t%s\t%.6g\t%.6g\t%.6g\n", w, names[s + 1], mid, low, high
  }
}

END {
  OFS = FS
  if (mode == "table") {
    table("rate", "on " place)
    if (place == "one CPU") table("per_cpu", "by the CPU time of both programs")
  } else if (mode == "unsteady") unsteady(0)
  else if (mode == "unsteady-text") unsteady(1)
  else if (mode == "details") details()
  else if (mode == "scaling") scaling()
  else if (mode == "json") json()
  else chart_lines()
}
