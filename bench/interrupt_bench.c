/* interrupt_bench.c: how soon a request that waits for ever is gone once its Tflush is sent, as tables in Markdown: on a server
 * that has nothing else to do, and when such requests hold every spare worker.
 *
 * From send() of the Tflush to the Rflush in hand, the error of the request before it included if there is one. */
#include "base/hist.h"

#include <styx/msgio.h>
#include <styx/server.h>
#include <styx/wire.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 8, SPARE = 64, ALONE = 2000, ROUNDS = 20, CONNS = 4, EACH = SPARE / CONNS, MSIZE = 8192 };

_Noreturn static void die(const char *what) {
  fprintf(stderr, "interrupt_bench: %s\n", what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* ---- filesystems of one file whose reads never end, each with another of the ways to be told of a flush ---- */

static atomic_int waiting; /* reads that do */
static int silence[2];     /* a pipe into which nobody writes */

static styx_answer any_attach(styx_req *r) { return styx_reply_node(r, NULL, (styx_qid){0, 0, 1}); }

static styx_answer any_open(styx_req *r, void *node, uint32_t flags) {
  (void)node, (void)flags;
  return styx_reply_open(r, (styx_qid){0, 0, 1}, NULL);
}

static void parked_cancelled(styx_req *r, void *arg) {
  (void)arg;
  styx_reply_interrupted(r);
}

static styx_answer parked_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  styx_req_on_cancel(r, parked_cancelled, NULL);
  atomic_fetch_add(&waiting, 1);
  return styx_later(r);
}

static styx_answer polled_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  struct pollfd p = {.fd = styx_req_cancel_fd(r), .events = POLLIN};
  atomic_fetch_add(&waiting, 1);
  while (poll(&p, 1, -1) < 0)
    ;
  return styx_reply_interrupted(r);
}

static styx_answer stuck_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  char byte;
  if (!styx_interruptible_begin(r))
    return styx_reply_error(r, ENOTSUP);
  atomic_fetch_add(&waiting, 1);
  ssize_t n = read(silence[0], &byte, 1);
  styx_interruptible_end();
  return n < 0 && styx_req_cancelled(r) ? styx_reply_interrupted(r) : styx_reply_error(r, EIO);
}

enum { WAYS = 3 };

#define ONE_FILE(how, ops)                                                                                             \
  {                                                                                                                    \
    .size = sizeof(styx_fs_ops), .name = #how, .nowait = STYX_OP(attach) | STYX_OP(open), .blocking = (ops),           \
    .attach = any_attach, .open = any_open, .read = how##_read                                                         \
  }
static const styx_fs_ops files[WAYS] = {ONE_FILE(parked, 0), ONE_FILE(polled, STYX_OP(read)),
                                        ONE_FILE(stuck, STYX_OP(read))};
static const char *const abouts[WAYS] = {"parked, a callback answers", "blocked in poll on its descriptor",
                                         "stuck in read(2), interrupted by a signal"};

static styx_server *serve(void) {
  static styx_export exports[WAYS];
  for (int i = 0; i < WAYS; i++)
    exports[i] = (styx_export){.name = files[i].name, .fs = {&files[i], NULL}};
  styx_server *server;
  const styx_server_config config = {.size = sizeof config,
                                     .exports = exports,
                                     .nexports = WAYS,
                                     .workers = WORKERS,
                                     .spare = SPARE,
                                     .interrupt_signal = SIGUSR2};
  if (pipe(silence) != 0 || styx_server_new(&server, &config) != STYX_OK || styx_server_start(server) != STYX_OK)
    die("the server does not start");
  return server;
}

/* ---- a client: one message there, one back ---- */

struct client {
  int fd;
  styx_msgbuf buf;
  styx_msg r;
};

static void put(struct client *c, styx_msg t) {
  uint8_t buf[MSIZE];
  const ptrdiff_t len = styx_encode(buf, sizeof buf, &t, STYX_9P2000);
  if (len < 0 || send(c->fd, buf, (size_t)len, MSG_NOSIGNAL) != len)
    die("a request is not taken");
}

static void get(struct client *c) {
  if (styx_rmsg_read(&c->r, &c->buf, c->fd, MSIZE, STYX_9P2000) <= 0)
    die("a reply is missing, or malformed");
}

static void rpc(struct client *c, styx_msg t) {
  put(c, t);
  get(c);
  if (c->r.type != t.type + 1 || c->r.tag != t.tag)
    die("a reply is another than expected");
}

static void client_open(struct client *c, styx_server *server, const char *aname) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
      styx_server_adopt(server, pair[0], "bench") != STYX_OK)
    die("a connection is not taken");
  c->fd = pair[1];
  styx_msgbuf_init(&c->buf, NULL);
  rpc(c, (styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = MSIZE, .version = STYX_STR("9P2000")});
  rpc(c, (styx_msg){.type = STYX_Tattach, .afid = STYX_NOFID, .aname = styx_str_of(aname)});
  rpc(c, (styx_msg){.type = STYX_Topen, .mode = STYX_OREAD});
}

static void read_for_ever(struct client *c, uint16_t tag) {
  put(c, (styx_msg){.type = STYX_Tread, .tag = tag, .count = 1});
}

static void until_waiting(int n) {
  while (atomic_load(&waiting) < n)
    sched_yield();
}

static void client_close(struct client *c) {
  close(c->fd);
  styx_msgbuf_fini(&c->buf);
}

/* Flush tag; how long it took. */
static uint64_t flush(struct client *c, uint16_t tag) {
  enum { TAG = 5000 };
  const uint64_t begun = now_ns();
  put(c, (styx_msg){.type = STYX_Tflush, .tag = TAG, .oldtag = tag});
  do
    get(c);
  while (c->r.tag == tag);
  if (c->r.type != STYX_Rflush || c->r.tag != TAG)
    die("a Tflush is not answered by Rflush");
  return now_ns() - begun;
}

/* ---- the two measurements ---- */

static void print(const char *what, const struct sx_hist *h) {
  const double p50 = (double)sx_hist_quantile(h, 0.5), p99 = (double)sx_hist_quantile(h, 0.99);
  printf("| %s | %.1f | %.1f | %.1f |\n", what, p50 / 1e3, p99 / 1e3, (double)sx_hist_quantile(h, 1) / 1e3);
}

static void alone(styx_server *server, int way) {
  static struct sx_hist h;
  struct client c;
  memset(&h, 0, sizeof h);
  client_open(&c, server, files[way].name);
  for (uint16_t i = 0; i < ALONE; i++) {
    atomic_store(&waiting, 0);
    read_for_ever(&c, i);
    until_waiting(1);
    sx_hist_add(&h, flush(&c, i));
  }
  client_close(&c);
  print(abouts[way], &h);
}

/* As many reads as there are spare workers, so that one is queued: the server keeps a worker for what must run, and lets a
 * connection hold half of them, so it takes several connections. */
static void all_held(styx_server *server, int way) {
  static struct sx_hist h;
  struct client c[CONNS];
  memset(&h, 0, sizeof h);
  for (int i = 0; i < CONNS; i++)
    client_open(&c[i], server, files[way].name);
  for (int round = 0; round < ROUNDS; round++) {
    atomic_store(&waiting, 0);
    for (uint16_t tag = 0; tag < EACH; tag++)
      for (int i = 0; i < CONNS; i++)
        read_for_ever(&c[i], tag);
    until_waiting(SPARE - 1);
    for (uint16_t tag = 0; tag < EACH; tag++)
      for (int i = 0; i < CONNS; i++)
        sx_hist_add(&h, flush(&c[i], tag));
  }
  for (int i = 0; i < CONNS; i++)
    client_close(&c[i]);
  print(abouts[way], &h);
}

int main(void) {
  styx_server *server = serve();
  printf("| one read that waits for ever, of %d | Rflush p50, us | p99, us | slowest, us |\n|---|---:|---:|---:|\n",
         ALONE);
  for (int way = 0; way < WAYS; way++)
    alone(server, way);
  printf("\n| %d reads hold all spare workers, %d rounds | Rflush p50, us | p99, us | slowest, us "
         "|\n|---|---:|---:|---:|\n",
         SPARE, ROUNDS);
  for (int way = 1; way < WAYS; way++) /* a parked one holds none */
    all_held(server, way);
  if (styx_server_stop(server, UINT64_C(5000000000), NULL) != STYX_OK)
    die("the server does not stop");
  styx_server_free(server);
  return 0;
}
