/* session_bench.c: what the session alone takes for a request, without threads and sockets: bytes in, the handler, bytes out.
 *
 *   session_bench            nanoseconds for a Tstat, the median of several rounds
 *   session_bench count N    N Tstats and nothing else, for bench/session-profile
 */
#include <styx/fs.h>
#include <styx/session.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, REQUESTS = 20000, BATCH = 32 };

static styx_answer op_attach(styx_req *r) { return styx_reply_node(r, NULL, (styx_qid){.type = STYX_QTDIR}); }

static styx_answer op_getattr(styx_req *r, void *node, void *handle) {
  (void)node, (void)handle;
  static const styx_str who = STYX_STR("glenda"), root = STYX_STR("/");
  return styx_reply_attr(r, &(styx_attr){.mode = STYX_DMDIR | 0755, .name = root, .uid = who, .gid = who, .muid = who});
}

static const styx_fs_ops ops = {.size = sizeof ops, .name = "bench", .attach = op_attach, .getattr = op_getattr};
static const styx_export export = {.fs = {&ops, NULL}};

static void pump(styx_session *s, uint64_t now) {
  styx_work *work;
  do
    while ((work = styx_session_next(s)))
      styx_work_run(work);
  while (styx_session_retire(s, now));
  styx_session_sent(s, styx_session_pending_bytes(s), now);
}

static size_t put(uint8_t *buf, size_t cap, const styx_msg *m) {
  ptrdiff_t n = styx_encode(buf, cap, m, STYX_9P2000);
  if (n < 0)
    exit(1);
  return (size_t)n;
}

static styx_session *begin(void) {
  styx_session *s;
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1};
  uint8_t buf[256];
  if (styx_session_new(&s, &config, 1))
    exit(1);
  styx_msg m = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = STYX_STR(STYX_VERSION_9P2000)};
  size_t n = put(buf, sizeof buf, &m);
  m = (styx_msg){.type = STYX_Tattach, .afid = STYX_NOFID};
  n += put(buf + n, sizeof buf - n, &m);
  styx_session_feed(s, buf, n, 1);
  pump(s, 1);
  return s;
}

static void end(styx_session *s) {
  styx_session_hangup(s);
  pump(s, 1);
  styx_session_free(s);
}

/* As they come from a client that keeps BATCH of them outstanding. */
static void stats(styx_session *s, int n) {
  uint8_t buf[BATCH * 11];
  size_t len = 0;
  for (uint16_t tag = 0; tag < BATCH; tag++)
    len += put(buf + len, sizeof buf - len, &(styx_msg){.type = STYX_Tstat, .tag = tag});
  for (int i = 0; i < n; i += BATCH) {
    styx_session_feed(s, buf, len, 1);
    pump(s, 1);
  }
}

static double now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  styx_session *s = begin();
  if (argc == 3 && strcmp(argv[1], "count") == 0) {
    stats(s, atoi(argv[2]));
    end(s);
    return 0;
  }
  double rounds[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    double start = now_ns();
    stats(s, REQUESTS);
    rounds[i] = (now_ns() - start) / REQUESTS;
  }
  qsort(rounds, ROUNDS, sizeof *rounds, compare);
  printf("Tstat, in the session alone: %.0f ns (quartiles %.0f and %.0f)\n", rounds[ROUNDS / 2], rounds[ROUNDS / 4],
         rounds[ROUNDS - 1 - ROUNDS / 4]);
  end(s);
  return 0;
}
