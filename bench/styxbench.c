/* styxbench.c: load a 9P2000 server and say how fast it answers. The main thread sets up and watches the clock. */
#include "styxbench.h"

#include "flush.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { SLOT_BYTES = 2048, WRITE_BYTES = 8192 }; /* room for a request: any; with data that is copied */
static const double progress_from = 2;          /* seconds */
static const char no_process[] = "there is no such process, or it is not ours to look at";

static volatile sig_atomic_t interrupted;
static void interrupt(int sig) {
  (void)sig;
  interrupted = 1;
}

static bool complain(const char *what, const char *why) {
  fprintf(stderr, "styxbench: %s: %s\n", what, why);
  return false;
}

static bool open_conns(struct bench_run *r) {
  struct bench_setup s;
  char error[256];
  for (unsigned i = 0; i < r->options->conns; i++) {
    bool good = bench_setup_dial(&s, r->options, error, sizeof error) && bench_setup_file(&s, r->op, r->target);
    bench_setup_close(&s, good);
    if (good && !bench_conn_init(&r->conns[i], r, s.fd))
      return complain("connections", "out of memory");
    if (!good) {
      fprintf(stderr, "styxbench: connection %u: %s\n", i + 1, error);
      return false;
    }
  }
  return true;
}

/* Sleep until then; false when interrupted, or a generator thread gave up. */
static bool sleep_until(struct bench_run *r, uint64_t then) {
  const uint64_t tick = 100000000;
  for (uint64_t now; (now = bench_clock()) < then;) {
    uint64_t ns = then - now < tick ? then - now : tick;
    struct timespec ts = {.tv_sec = 0, .tv_nsec = (long)ns};
    if (interrupted || atomic_load_explicit(&r->failed, memory_order_relaxed))
      return false;
    nanosleep(&ts, NULL);
  }
  return true;
}

static uint64_t total_ops(const struct bench_run *r) {
  uint64_t ops = 0;
  for (unsigned i = 0; i < r->options->threads; i++)
    ops += atomic_load_explicit(&r->threads[i].ops, memory_order_relaxed);
  return ops;
}

static void progress(const struct bench_run *r, uint64_t now) {
  static const char clear[] = "\r\033[K";
  double secs = (double)(now - r->begin) / 1e9;
  if (r->options->secs <= progress_from || !isatty(STDERR_FILENO))
    return;
  fputs(clear, stderr);
  if (secs > 0 && secs < r->options->secs)
    fprintf(stderr, "%s: %.0f of %.0f s, %.0f operations a second", r->op->name, secs, r->options->secs,
            (double)total_ops(r) / secs);
}

/* The window, seen from outside: what the server used between its two ends. */
static bool watch_window(struct bench_run *r, struct bench_result *result) {
  const uint64_t second = 1000000000;
  bool known = true;
  uint64_t end = atomic_load_explicit(&r->end, memory_order_relaxed);
  if (sleep_until(r, r->begin)) {
    known = bench_usage_read(&result->before, r->options->pid);
    result->client_cpu_ns = bench_process_cpu();
    for (uint64_t at = r->begin + second; sleep_until(r, at < end ? at : end) && at < end; at += second)
      progress(r, at);
    progress(r, end);
  }
  uint64_t now = bench_clock();
  if (now < end)
    atomic_store_explicit(&r->end, end = now, memory_order_relaxed);
  known = bench_usage_read(&result->after, r->options->pid) && known;
  result->client_cpu_ns = bench_process_cpu() - result->client_cpu_ns;
  result->secs = end > r->begin ? (double)(end - r->begin) / 1e9 : 0;
  return known || complain("--pid", no_process);
}

static void share_out(struct bench_run *r) {
  unsigned conns = r->options->conns, threads = r->options->threads, first = 0;
  for (unsigned i = 0; i < threads; i++) {
    struct bench_thread *t = &r->threads[i];
    *t = (struct bench_thread){.run = r, .index = i, .poller = -1, .timer = -1};
    t->conns = r->conns + first;
    t->nconns = conns / threads + (i < conns % threads);
    first += t->nconns;
  }
}

static bool collect(struct bench_run *r, struct bench_result *result, uint64_t started) {
  double wall = (double)(bench_clock() - started);
  for (unsigned i = 0; i < r->options->threads; i++) {
    const struct bench_thread *t = &r->threads[i];
    if (t->error[0])
      return complain(r->op->name, t->error);
    sx_hist_merge(&result->hist, &t->hist);
    result->behind += t->behind;
    result->late += t->late;
    if ((double)t->cpu_ns / wall > result->client_share)
      result->client_share = (double)t->cpu_ns / wall;
  }
  result->ops = total_ops(r);
  return result->secs > 0 || complain(r->op->name, "interrupted before there was anything to measure");
}

static bool load(struct bench_run *r, struct bench_result *result) {
  const struct bench_options *o = r->options;
  unsigned running = 0;
  share_out(r);
  r->start = bench_clock() + 1000000;
  r->begin = r->start + (uint64_t)(o->warmup * 1e9);
  atomic_init(&r->end, r->begin + (uint64_t)(o->secs * 1e9));
  uint64_t started = bench_clock();
  while (running < o->threads &&
         pthread_create(&r->threads[running].thread, NULL, bench_load_main, &r->threads[running]) == 0)
    running++;
  if (running < o->threads)
    bench_fail(&r->threads[running], "no thread: %s", strerror(errno));
  bool known = watch_window(r, result);
  for (unsigned i = 0; i < running; i++)
    pthread_join(r->threads[i].thread, NULL);
  return collect(r, result, started) && known;
}

/* Memory before and after so many connections; the time in between is for the server to come to rest. */
static bool idle(struct bench_run *r, struct bench_result *result) {
  if (!bench_usage_read(&result->before, r->options->pid))
    return complain("--pid", no_process);
  if (!open_conns(r))
    return false;
  uint64_t now = bench_clock();
  sleep_until(r, now + (uint64_t)(r->options->secs * 1e9));
  result->secs = r->options->secs;
  return bench_usage_read(&result->after, r->options->pid) || complain("--pid", no_process);
}

static bool measure(const struct bench_options *o, const struct bench_op *op, const struct bench_target *target) {
  static struct bench_result result; /* too large for a stack */
  result = (struct bench_result){.options = o, .op = op, .msize = target->msize, .count = target->count};
  struct bench_run r = {.options = o, .op = op, .target = target};
  uint8_t *payload = calloc(1, target->count + 1u);
  r.payload = payload;
  r.out_size = SLOT_BYTES + (op->writes ? WRITE_BYTES : 0);
  r.conns = calloc(o->conns, sizeof *r.conns);
  r.threads = calloc(o->threads, sizeof *r.threads);
  bool good = payload && r.conns && r.threads;
  if (!good)
    complain(op->name, "out of memory");
  for (unsigned i = 0; good && i < o->conns; i++)
    r.conns[i].fd = -1;
  good = good && (op->nsteps == 0 ? idle(&r, &result) : open_conns(&r) && load(&r, &result));
  if (good)
    bench_print(&result);
  for (unsigned i = 0; r.conns && i < o->conns; i++)
    bench_conn_fini(&r.conns[i]);
  free(r.conns);
  free(r.threads);
  free(payload);
  return good;
}

/* Look at the file, and measure. */
static bool run(const struct bench_options *o, const struct bench_op *op, struct bench_target *target) {
  struct bench_setup s;
  char error[256];
  bool good = bench_setup_dial(&s, o, error, sizeof error) && bench_setup_target(&s, op, target);
  bench_setup_close(&s, false);
  if (!good)
    return complain(op->name, error);
  return measure(o, op, target);
}

static bool clean_up(const struct bench_options *o) {
  struct bench_setup s;
  char error[256];
  bool good = bench_setup_dial(&s, o, error, sizeof error) && bench_setup_remove(&s);
  bench_setup_close(&s, false);
  return good || complain("cannot remove the file that was made", error);
}

static void settle_process(void) {
  struct rlimit files;
  struct sigaction stop = {.sa_handler = interrupt};
  sigaction(SIGINT, &stop, NULL);
  sigaction(SIGTERM, &stop, NULL);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

int main(int argc, char **argv) {
  struct bench_options o;
  static struct bench_target target;
  if (argc > 1 && strcmp(argv[1], "flush") == 0)
    return fl_main(argc - 1, argv + 1);
  bench_options_parse(&o, argc, argv);
  settle_process();
  struct bench_usage usage;
  bool good = bench_usage_read(&usage, o.pid) || complain("--pid", no_process);
  for (size_t i = 0; good && !interrupted && i < o.nops; i++)
    good = run(&o, o.ops[i], &target);
  if (target.made)
    good = clean_up(&o) && good;
  return good ? 0 : 1;
}
