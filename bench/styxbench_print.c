/* styxbench_print.c: results as a table for people, or as JSON. */
#include "styxbench.h"

static const double quantiles[] = {0.5, 0.99, 0.999, 1};
static const char *const quantile_names[] = {"p50", "p99", "p99.9", "max"};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

/* For each message that the server answered. */
static double per_request(const struct bench_result *r, uint64_t before, uint64_t after) {
  uint64_t requests = r->ops * bench_requests(r->op);
  return after > before && requests ? (double)(after - before) / (double)requests : 0;
}

static double ops_rate(const struct bench_result *r) { return (double)r->ops / r->secs; }
static double mb_rate(const struct bench_result *r) { return ops_rate(r) * r->count / 1e6; }

/* Of an idle connection; below zero when memory was given back meanwhile. */
static double per_conn(const struct bench_result *r) {
  return ((double)r->after.rss - (double)r->before.rss) / r->options->conns;
}

/* Once, before the first row. */
static void print_head(const struct bench_options *o) {
  static bool printed;
  if (printed)
    return;
  printed = true;
  printf("%u connection%s, depth %u, %g s", o->conns, o->conns == 1 ? "" : "s", o->depth, o->secs);
  if (o->rate > 0)
    printf(", %g operations a second intended", o->rate);
  printf("; latency in us%s\n", o->pid ? "; CPU us and switches of the server for each request" : "");
  printf("%-21s %10s %9s", "operation", "ops/s", "MB/s");
  for (int i = 0; i < QUANTILES; i++)
    printf(" %9s", quantile_names[i]);
  printf("%s %7s\n", o->pid ? "     cpu  volunt. involunt." : "", "client");
}

static void print_row(const struct bench_result *r) {
  printf("%-21s %10.0f %9.1f", r->op->name, ops_rate(r), mb_rate(r));
  for (int i = 0; i < QUANTILES; i++)
    printf(" %9.1f", (double)sx_hist_quantile(&r->hist, quantiles[i]) / 1e3);
  if (r->after.known)
    printf(" %7.2f %8.3f %9.3f", per_request(r, r->before.cpu_ns, r->after.cpu_ns) / 1e3,
           per_request(r, r->before.voluntary, r->after.voluntary),
           per_request(r, r->before.involuntary, r->after.involuntary));
  printf(" %6.0f%%\n", r->client_share * 100);
}

static void print_notes(const struct bench_result *r) {
  if (r->behind)
    printf("  the server could not keep up: %llu operations had no answer in time; their latencies are lower bounds\n",
           (unsigned long long)r->behind);
  else if (r->late)
    printf("  %llu operations began over 1 ms late: all slots were busy, or the generator was; more --conns or --depth "
           "may help\n",
           (unsigned long long)r->late);
  if (r->client_share > 0.9)
    puts("  the generator used all of its CPU: the server may be faster than this (--threads)");
}

static void print_idle(const struct bench_result *r) {
  if (r->after.known)
    printf("%-21s %.2f kB of memory for each of %u connections\n", r->op->name, per_conn(r) / 1024, r->options->conns);
  else
    printf("%-21s %u connections were attached; --pid would tell what they cost\n", r->op->name, r->options->conns);
}

static void print_json(const struct bench_result *r) {
  const struct bench_options *o = r->options;
  printf("{\"op\": \"%s\", \"conns\": %u, \"depth\": %u, \"threads\": %u, \"secs\": %.3f, \"msize\": %u, \"count\": %u",
         r->op->name, o->conns, o->depth, o->threads, r->secs, r->msize, r->count);
  if (r->op->nsteps > 0) {
    printf(", \"rate\": %g, \"ops\": %llu, \"ops_per_s\": %.1f, \"mb_per_s\": %.2f, \"client_share\": %.3f", o->rate,
           (unsigned long long)r->ops, ops_rate(r), mb_rate(r), r->client_share);
    for (int i = 0; i < QUANTILES; i++)
      printf(", \"%s_us\": %.2f", quantile_names[i], (double)sx_hist_quantile(&r->hist, quantiles[i]) / 1e3);
    printf(", \"client_cpu_us_per_request\": %.4f", per_request(r, 0, r->client_cpu_ns) / 1e3);
    printf(", \"mean_us\": %.2f", r->hist.count ? (double)r->hist.sum / (double)r->hist.count / 1e3 : 0);
    printf(", \"behind\": %llu, \"late\": %llu", (unsigned long long)r->behind, (unsigned long long)r->late);
  }
  if (r->after.known && r->op->nsteps > 0)
    printf(", \"server_cpu_us_per_request\": %.4f, \"server_voluntary_per_request\": %.4f, "
           "\"server_involuntary_per_request\": %.4f",
           per_request(r, r->before.cpu_ns, r->after.cpu_ns) / 1e3,
           per_request(r, r->before.voluntary, r->after.voluntary),
           per_request(r, r->before.involuntary, r->after.involuntary));
  if (r->after.known)
    printf(", \"server_rss\": %llu, \"server_bytes_per_conn\": %.1f", (unsigned long long)r->after.rss, per_conn(r));
  puts("}");
}

void bench_print(const struct bench_result *r) {
  if (r->options->json) {
    print_json(r);
  } else if (r->op->nsteps == 0) {
    print_idle(r);
  } else {
    print_head(r->options);
    print_row(r);
    print_notes(r);
  }
  fflush(stdout);
}
