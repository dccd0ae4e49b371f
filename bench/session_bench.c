/* session_bench.c: what the session alone takes for a request, without threads and sockets: bytes in, the handler, bytes out.
 *
 *   session_bench                 nanoseconds for each kind of request, the median of several rounds
 *   session_bench count KIND N    N requests of that kind and nothing else, for bench/session-profile
 *
 * The kinds: stat; read4k, whose data the handler copies; lend4k, a read whose data it lends; write4k; open, which is
 * Twalk to a file, Topen, Tread and Tclunk, counted as one.
 */
#include <styx/fs.h>
#include <styx/session.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, REQUESTS = 20000, BATCH = 32, PAGE = 4096, MSIZE = 65536 };

static const uint8_t page[PAGE];

static styx_answer op_attach(styx_req *r) { return styx_reply_node(r, NULL, (styx_qid){.type = STYX_QTDIR}); }

static styx_answer op_walk(styx_req *r, void *dir, styx_str name) {
  (void)dir, (void)name;
  return styx_reply_node(r, NULL, (styx_qid){.path = 1});
}

static styx_answer op_open(styx_req *r, void *node, uint32_t flags) {
  (void)node, (void)flags;
  return styx_reply_open(r, (styx_qid){.path = 1}, NULL);
}

static void release(void *arg) { (void)arg; }

/* Offset 0 is for the kinds that read, PAGE for lend4k. */
static styx_answer op_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle;
  return offset ? styx_reply_ref(r, page, count, release, NULL) : styx_reply_data(r, page, count);
}

static styx_answer op_write(styx_req *r, void *node, void *handle, uint64_t offset, const void *data, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)data;
  return styx_reply_count(r, count);
}

static styx_answer op_getattr(styx_req *r, void *node, void *handle) {
  (void)node, (void)handle;
  static const styx_str who = STYX_STR("glenda"), root = STYX_STR("/");
  return styx_reply_attr(r, &(styx_attr){.mode = STYX_DMDIR | 0755, .name = root, .uid = who, .gid = who, .muid = who});
}

static const styx_fs_ops ops = {.size = sizeof ops,
                                .name = "bench",
                                .attach = op_attach,
                                .walk = op_walk,
                                .open = op_open,
                                .read = op_read,
                                .write = op_write,
                                .getattr = op_getattr};
static const styx_export export = {.fs = {&ops, NULL}};

static void pump(styx_session *s, uint64_t now) {
  styx_work *work;
  do
    while ((work = styx_session_next(s)))
      styx_work_run(work);
  while (styx_session_retire(s, now));
  styx_session_sent(s, styx_session_pending_bytes(s), now);
}

/* ---- the kinds: what a client sends that keeps BATCH of them outstanding; fid 0 is the root, fid 1 an open file ---- */

struct batch {
  uint8_t buf[BATCH * (PAGE + 64)];
  size_t len;
};

static void put(struct batch *b, const styx_msg *m) {
  ptrdiff_t n = styx_encode(b->buf + b->len, sizeof b->buf - b->len, m, STYX_9P2000);
  if (n < 0)
    exit(1);
  b->len += (size_t)n;
}

static void put_walk(struct batch *b, uint16_t tag, uint32_t newfid) {
  styx_msg m = {.type = STYX_Twalk, .tag = tag, .newfid = newfid, .nwname = 1};
  m.wname[0] = (styx_str)STYX_STR("file");
  put(b, &m);
}

static void put_stat(struct batch *b, uint16_t i) { put(b, &(styx_msg){.type = STYX_Tstat, .tag = i}); }

static void put_read(struct batch *b, uint16_t i) {
  put(b, &(styx_msg){.type = STYX_Tread, .tag = i, .fid = 1, .count = PAGE});
}

static void put_lend(struct batch *b, uint16_t i) {
  put(b, &(styx_msg){.type = STYX_Tread, .tag = i, .fid = 1, .count = PAGE, .offset = PAGE});
}

static void put_write(struct batch *b, uint16_t i) {
  put(b, &(styx_msg){.type = STYX_Twrite, .tag = i, .fid = 1, .count = PAGE, .data = page});
}

static void put_open(struct batch *b, uint16_t i) {
  uint16_t tag = (uint16_t)(4 * i);
  uint32_t fid = 2 + i;
  put_walk(b, tag, fid);
  put(b, &(styx_msg){.type = STYX_Topen, .tag = (uint16_t)(tag + 1), .fid = fid, .mode = STYX_OREAD});
  put(b, &(styx_msg){.type = STYX_Tread, .tag = (uint16_t)(tag + 2), .fid = fid, .count = PAGE});
  put(b, &(styx_msg){.type = STYX_Tclunk, .tag = (uint16_t)(tag + 3), .fid = fid});
}

static const struct kind {
  const char *name;
  void (*put)(struct batch *b, uint16_t i);
} kinds[] = {
    {"stat", put_stat}, {"read4k", put_read}, {"lend4k", put_lend}, {"write4k", put_write}, {"open", put_open},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void run(styx_session *s, const struct kind *kind, int n) {
  static struct batch b;
  b.len = 0;
  for (uint16_t i = 0; i < BATCH; i++)
    kind->put(&b, i);
  for (int i = 0; i < n; i += BATCH) {
    styx_session_feed(s, b.buf, b.len, 1);
    pump(s, 1);
  }
}

static styx_session *begin(void) {
  static struct batch b;
  styx_session *s;
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1};
  if (styx_session_new(&s, &config, 1))
    exit(1);
  b.len = 0;
  put(&b,
      &(styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = MSIZE, .version = STYX_STR(STYX_VERSION_9P2000)});
  put(&b, &(styx_msg){.type = STYX_Tattach, .afid = STYX_NOFID});
  put_walk(&b, 1, 1);
  put(&b, &(styx_msg){.type = STYX_Topen, .tag = 2, .fid = 1, .mode = STYX_ORDWR});
  styx_session_feed(s, b.buf, b.len, 1);
  pump(s, 1);
  return s;
}

static void end(styx_session *s) {
  styx_session_hangup(s);
  pump(s, 1);
  styx_session_free(s);
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

static void time_kind(styx_session *s, const struct kind *kind) {
  double rounds[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    double start = now_ns();
    run(s, kind, REQUESTS);
    rounds[i] = (now_ns() - start) / REQUESTS;
  }
  qsort(rounds, ROUNDS, sizeof *rounds, compare);
  printf("%s, in the session alone: %.0f ns (quartiles %.0f and %.0f)\n", kind->name, rounds[ROUNDS / 2],
         rounds[ROUNDS / 4], rounds[ROUNDS - 1 - ROUNDS / 4]);
}

int main(int argc, char **argv) {
  styx_session *s = begin();
  bool counting = argc == 4 && strcmp(argv[1], "count") == 0, known = argc == 1;
  for (int i = 0; i < KINDS; i++) {
    if (!counting)
      time_kind(s, &kinds[i]);
    else if (strcmp(argv[2], kinds[i].name) == 0) {
      known = true;
      run(s, &kinds[i], atoi(argv[3]));
    }
  }
  end(s);
  return known ? 0 : 2;
}
