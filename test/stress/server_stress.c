/* server_stress.c: the whole pipeline with real threads and real sockets, for ThreadSanitizer and AddressSanitizer.
 *
 *   server_stress [--no-lending] [SEED]
 *
 * Promises: reads that block, declared so, hold up nobody else, and each of a thousand can be flushed; connections that come
 * and go leave nothing behind; random load with flushes, hangups and resets gets exactly the replies that are owed; a server
 * that is stopped in the middle of load ends. No time is asserted: what does not come is a hang, which the runner ends. */
#include "stress/checks.h"
#include "stress/counted.h"
#include "support/random.h"

#include <styx/memfs.h>
#include <styx/server.h>

#include <errno.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- a filesystem of one file whose reads block until they are cancelled ---- */

static atomic_int blocked;

static styx_answer block_attach(styx_req *r) { return styx_reply_node(r, NULL, (styx_qid){0, 0, 1}); }

static styx_answer block_open(styx_req *r, void *node, uint32_t flags) {
  (void)node, (void)flags;
  return styx_reply_open(r, (styx_qid){0, 0, 1}, NULL);
}

static styx_answer block_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  struct pollfd p = {.fd = styx_req_cancel_fd(r), .events = POLLIN};
  if (p.fd < 0)
    return styx_reply_error(r, EMFILE);
  atomic_fetch_add(&blocked, 1);
  while (poll(&p, 1, -1) < 0)
    ;
  atomic_fetch_sub(&blocked, 1);
  return styx_reply_interrupted(r);
}

static const styx_fs_ops block_ops = {.size = sizeof block_ops,
                                      .name = "block",
                                      .nowait = STYX_OP(attach) | STYX_OP(open),
                                      .blocking = STYX_OP(read),
                                      .attach = block_attach,
                                      .open = block_open,
                                      .read = block_read};

/* ---- a filesystem that wants to be called by one thread at a time ---- */

static int inside, most_inside; /* not atomic: ThreadSanitizer sees what the key does not keep apart */

static styx_answer serial_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  inside++;
  most_inside = inside > most_inside ? inside : most_inside;
  sched_yield();
  inside--;
  return styx_reply_data(r, "one", 3);
}

static const styx_fs_ops serial_ops = {.size = sizeof serial_ops,
                                       .name = "serial",
                                       .serial = STYX_SERIAL_FS,
                                       .attach = block_attach,
                                       .open = block_open,
                                       .read = serial_read};

/* ---- a filesystem that says of its reads that they never block, and blocks ---- */

static sem_t liar_entered, liar_may_go;

static styx_answer liar_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  sem_post(&liar_entered);
  while (sem_wait(&liar_may_go) != 0)
    ;
  return styx_reply_data(r, "late", 4);
}

static const styx_fs_ops liar_ops = {.size = sizeof liar_ops,
                                     .name = "liar",
                                     .nowait = STYX_OP(attach) | STYX_OP(open) | STYX_OP(read),
                                     .attach = block_attach,
                                     .open = block_open,
                                     .read = liar_read};

/* ---- a filesystem whose stats do not block, and take their time ---- */

static styx_answer busy_getattr(styx_req *r, void *node, void *handle) {
  (void)node, (void)handle;
  for (volatile int i = 0; i < 20000; i++)
    ;
  return styx_reply_attr(r, &(styx_attr){.qid = {0, 0, 1}, .mode = 0644, .name = STYX_STR("busy")});
}

static const styx_fs_ops busy_ops = {.size = sizeof busy_ops,
                                     .name = "busy",
                                     .nowait = STYX_OP(attach) | STYX_OP(getattr),
                                     .attach = block_attach,
                                     .getattr = busy_getattr};

/* ---- a server with counted memory ---- */

struct world {
  styx_memfs *mem;
  styx_export exports[5];
  styx_server *server;
};

static _Atomic bool liar_named;

static void complain(void *arg, styx_level level, const char *peer, const char *what, const char *detail) {
  (void)arg;
  if (strcmp(detail, "read of liar") == 0)
    atomic_store(&liar_named, true);
  if (level <= STYX_LOG_ERROR)
    printf("# %s: %s %s\n", peer, what, detail);
}

static bool no_lending;

static void world_open(struct world *w, unsigned workers, unsigned readers) {
  w->mem = styx_memfs_new(&(styx_memfs_config){.size = sizeof(styx_memfs_config), .allocator = &counted});
  must(w->mem != NULL, "memfs");
  w->exports[0] = (styx_export){.name = "mem", .fs = styx_memfs_fs(w->mem)};
  w->exports[1] = (styx_export){.name = "block", .fs = {&block_ops, NULL}};
  w->exports[2] = (styx_export){.name = "serial", .fs = {&serial_ops, NULL}};
  w->exports[3] = (styx_export){.name = "liar", .fs = {&liar_ops, NULL}};
  w->exports[4] = (styx_export){.name = "busy", .fs = {&busy_ops, NULL}};
  styx_server_config config = {.size = sizeof config,
                               .exports = w->exports,
                               .nexports = 5,
                               .allocator = &counted,
                               .workers = workers,
                               .readers = readers,
                               .no_lending = no_lending,
                               .log = complain};
  must(styx_server_new(&w->server, &config) == STYX_OK, "server");
  must(styx_server_start(w->server) == STYX_OK, "threads");
}

static void world_close(struct world *w, uint64_t grace) {
  check(styx_server_stop(w->server, grace, NULL) == STYX_OK, "the server stops");
  styx_server_free(w->server);
  styx_memfs_free(w->mem);
}

/* ---- a client: one descriptor, messages whole ---- */

enum { MSIZE = 8192 };

struct client {
  int fd;
  uint8_t buf[MSIZE];
  styx_msg r;
};

static void connect_to(struct world *w, struct client *c) {
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
  must(styx_server_adopt(w->server, pair[0], "test") == STYX_OK, "adopt");
  c->fd = pair[1];
}

static bool put(struct client *c, styx_msg t) {
  uint8_t buf[MSIZE];
  ptrdiff_t len = styx_encode(buf, sizeof buf, &t, STYX_9P2000);
  return len > 0 && send(c->fd, buf, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool get_bytes(struct client *c, uint8_t *p, size_t len) {
  for (ssize_t n; len > 0; p += n, len -= (size_t)n)
    if ((n = recv(c->fd, p, len, 0)) <= 0)
      return false;
  return true;
}

static bool get(struct client *c) {
  if (!get_bytes(c, c->buf, 4))
    return false;
  size_t size = (size_t)c->buf[0] | (size_t)c->buf[1] << 8 | (size_t)c->buf[2] << 16 | (size_t)c->buf[3] << 24;
  return size >= STYX_HDRSZ && size <= sizeof c->buf && get_bytes(c, c->buf + 4, size - 4) &&
         styx_decode(&c->r, c->buf, size, MSIZE, STYX_9P2000) == (ptrdiff_t)size;
}

static bool rpc(struct client *c, styx_msg t) {
  return put(c, t) && get(c) && c->r.tag == t.tag && c->r.type == t.type + 1;
}

static bool hello(struct client *c, const char *aname) {
  styx_msg version = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = MSIZE, .version = styx_str_of("9P2000")};
  styx_msg attach = {.type = STYX_Tattach, .tag = 1, .fid = 0, .afid = STYX_NOFID};
  attach.uname = styx_str_of("tester");
  attach.aname = styx_str_of(aname);
  return rpc(c, version) && rpc(c, attach);
}

static styx_msg t_read(uint16_t tag, uint32_t fid) {
  return (styx_msg){.type = STYX_Tread, .tag = tag, .fid = fid, .count = 100};
}

static styx_msg t_walk(uint16_t tag, uint32_t newfid) {
  return (styx_msg){.type = STYX_Twalk, .tag = tag, .fid = 0, .newfid = newfid};
}

static bool use(struct client *c, uint32_t n) {
  char name[32];
  snprintf(name, sizeof name, "file%u", (unsigned)n);
  styx_msg create = {
      .type = STYX_Tcreate, .tag = 3, .fid = 1, .name = styx_str_of(name), .perm = 0644, .mode = STYX_ORDWR};
  styx_msg write = {.type = STYX_Twrite, .tag = 4, .fid = 1, .count = 5, .data = (const uint8_t *)"hello"};
  styx_msg remove = {.type = STYX_Tremove, .tag = 6, .fid = 1};
  return rpc(c, t_walk(2, 1)) && rpc(c, create) && rpc(c, write) && rpc(c, t_read(5, 1)) && c->r.count == 5 &&
         memcmp(c->r.data, "hello", 5) == 0 && rpc(c, remove);
}

/* Printed, never judged. */
static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- a thousand blocked reads ---- */

static void a_thousand_blocked_reads(void) {
  enum { READS = 1000 };
  struct world w = {0};
  struct client b, c;
  double slowest = 0;
  world_open(&w, 2, 1);
  connect_to(&w, &b);
  must(hello(&b, "block"), "attach to block");
  must(rpc(&b, (styx_msg){.type = STYX_Topen, .tag = 2, .fid = 0, .mode = STYX_OREAD}), "open");
  bool ok = true;
  for (uint16_t t = 0; t < READS; t++)
    ok &= put(&b, t_read((uint16_t)(1000 + t), 0));
  check(ok, "a thousand reads of a file that blocks are taken");
  double begun = now_ms();
  connect_to(&w, &c);
  check(hello(&c, "mem") && use(&c, 0), "another connection is served meanwhile");
  printf("# from connecting to the last of its nine replies: %.1f ms\n", now_ms() - begun);
  check(atomic_load(&blocked) <= 32, "one connection holds at most half of the spare workers");
  ok = true;
  for (uint16_t t = 0; t < READS; t++) {
    styx_msg flush = {.type = STYX_Tflush, .tag = 1, .oldtag = (uint16_t)(1000 + t)};
    double sent = now_ms();
    ok &= rpc(&b, flush);
    slowest = now_ms() - sent > slowest ? now_ms() - sent : slowest;
  }
  printf("# the slowest Rflush came after %.1f ms\n", slowest);
  check(ok, "each of them can be flushed: Rflush, and nothing else");
  styx_msg stat = {.type = STYX_Tclunk, .tag = 1, .fid = 0};
  check(rpc(&b, stat), "its connection goes on");
  close(b.fd);
  close(c.fd);
  world_close(&w, UINT64_C(5000000000));
}

/* ---- serial keys ---- */

static void a_serial_filesystem_is_never_entered_twice(void) {
  enum { CLIENTS = 4, READS = 200 };
  struct world w = {0};
  struct client c[CLIENTS];
  world_open(&w, 4, 2);
  bool ok = true;
  for (int i = 0; i < CLIENTS; i++) {
    connect_to(&w, &c[i]);
    must(hello(&c[i], "serial"), "attach to serial");
    must(rpc(&c[i], (styx_msg){.type = STYX_Topen, .tag = 2, .fid = 0, .mode = STYX_OREAD}), "open");
  }
  for (uint16_t t = 0; t < READS; t++)
    for (int i = 0; i < CLIENTS; i++)
      ok &= put(&c[i], t_read((uint16_t)(100 + t), 0));
  for (int t = 0; t < READS; t++)
    for (int i = 0; i < CLIENTS; i++)
      ok &= get(&c[i]) && c[i].r.type == STYX_Rread;
  check(ok, "reads of a serial filesystem are answered");
  for (int i = 0; i < CLIENTS; i++)
    close(c[i].fd);
  world_close(&w, UINT64_C(5000000000));
  check(most_inside == 1, "and it is never entered twice at a time");
}

/* ---- a flood of what does not block ---- */

enum { FLOOD = 1000 };

struct flood {
  struct client c;
  atomic_bool end;
  bool ok;
};

static styx_msg t_stat(uint16_t tag) { return (styx_msg){.type = STYX_Tstat, .tag = tag, .fid = 0}; }

/* FLOOD stats are outstanding at every moment, until the end. */
static void *flood(void *arg) {
  struct flood *f = arg;
  unsigned out = FLOOD;
  for (uint16_t tag = 0; tag < FLOOD; tag++)
    f->ok &= put(&f->c, t_stat(tag));
  while (f->ok && out > 0) {
    f->ok = get(&f->c) && f->c.r.type == STYX_Rstat;
    out--;
    if (!atomic_load(&f->end) && f->ok) {
      f->ok = put(&f->c, t_stat(f->c.r.tag));
      out++;
    }
  }
  return NULL;
}

/* It would be a hang if it did. */
static void a_flood_of_what_does_not_block_keeps_nothing_else_waiting(void) {
  enum { FLOODS = 2, READS = 100 };
  static struct flood floods[FLOODS];
  pthread_t threads[FLOODS];
  struct world w = {0};
  struct client other;
  world_open(&w, 2, 1);
  connect_to(&w, &other);
  must(hello(&other, "serial") && rpc(&other, (styx_msg){.type = STYX_Topen, .tag = 2, .fid = 0, .mode = STYX_OREAD}),
       "open");
  for (int i = 0; i < FLOODS; i++) {
    floods[i].ok = true;
    connect_to(&w, &floods[i].c);
    must(hello(&floods[i].c, "busy"), "attach");
    must(pthread_create(&threads[i], NULL, flood, &floods[i]) == 0, "thread");
  }
  bool ok = true;
  for (uint16_t t = 0; t < READS; t++)
    ok &= rpc(&other, t_read((uint16_t)(10 + t), 0)) && other.r.count == 3;
  check(ok, "in a flood of requests that do not block, others that may are served");
  ok = true;
  for (int i = 0; i < FLOODS; i++) {
    atomic_store(&floods[i].end, true);
    pthread_join(threads[i], NULL);
    ok &= floods[i].ok;
    close(floods[i].c.fd);
  }
  check(ok, "and so is the flood");
  close(other.fd);
  world_close(&w, UINT64_C(5000000000));
}

/* ---- a reader that is kept by a handler ---- */

static void find_number(void *arg, const styx_number *n) {
  uint64_t *relieved = arg;
  if (strcmp(n->name, "styx_readers_relieved_total") == 0)
    *relieved = n->value;
}

static void others_are_read_while_a_handler_keeps_the_reader(void) {
  enum { TIMES = 20 };
  struct world w = {0};
  struct client liar, other;
  uint64_t relieved = 0;
  sem_init(&liar_entered, 0, 0);
  sem_init(&liar_may_go, 0, 0);
  world_open(&w, 1, 1);
  connect_to(&w, &liar);
  connect_to(&w, &other);
  must(hello(&liar, "liar") && hello(&other, "mem"), "attach");
  must(rpc(&liar, (styx_msg){.type = STYX_Topen, .tag = 2, .fid = 0, .mode = STYX_OREAD}), "open");
  bool served = true, answered = true;
  for (uint32_t i = 0; i < TIMES; i++) {
    answered &= put(&liar, t_read(1, 0));
    sem_wait(&liar_entered);
    answered &= put(&liar, (styx_msg){.type = STYX_Tflush, .tag = 2, .oldtag = 1});
    served &= use(&other, i);
    sem_post(&liar_may_go);
    answered &= get(&liar) && liar.r.type == STYX_Rread && get(&liar) && liar.r.type == STYX_Rflush;
    served &= use(&other, i);
  }
  styx_server_stats(w.server, find_number, &relieved);
  printf("# the reader was relieved %u times\n", (unsigned)relieved);
  check(served, "while a handler breaks its promise and keeps the reader, others are read and served");
  check(answered, "and what it answers in the end is sent, before the Rflush");
  check(relieved > 0, "the reader was relieved");
  check(atomic_load(&liar_named), "the log names the operation");
  close(liar.fd);
  close(other.fd);
  world_close(&w, UINT64_C(5000000000));
}

/* ---- waves of connections ---- */

static int entries(const char *dir) {
  int n = 0;
  DIR *d = opendir(dir);
  while (d && readdir(d))
    n++;
  if (d)
    closedir(d);
  return n;
}

/* 10,000 connections; a tenth of it where every access is watched. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { WAVE = 200, WAVES = 5 };
#else
enum { WAVE = 200, WAVES = 50 };
#endif

static bool wave(struct world *w, struct client *clients) {
  bool ok = true;
  for (int i = 0; i < WAVE; i++)
    connect_to(w, &clients[i]);
  for (uint32_t i = 0; i < WAVE; i++)
    ok &= hello(&clients[i], "mem") && use(&clients[i], i);
  for (int i = 0; i < WAVE; i++)
    close(clients[i].fd);
  return ok;
}

/* Until every connection of the wave is gone: its memory is back in the pool, its descriptor closed. */
static void settle(int fds) {
  while (entries("/proc/self/fd") > fds)
    sched_yield();
}

static void connections_come_and_go(int waves) {
  struct world w = {0};
  struct client *clients = calloc(WAVE, sizeof *clients);
  world_open(&w, 4, 2);
  int fds = entries("/proc/self/fd");
  bool ok = wave(&w, clients);
  settle(fds);
  int threads = entries("/proc/self/task");
  long bytes = atomic_load(&live);
  for (int i = 1; i < waves; i++) {
    ok &= wave(&w, clients);
    settle(fds);
  }
  printf("# %d connections\n", waves * WAVE);
  check(ok, "every connection of every wave is served");
  check(entries("/proc/self/fd") == fds, "descriptors are as before");
  check(entries("/proc/self/task") == threads, "threads are as before");
  check(atomic_load(&live) <= bytes, "memory is as after the first wave");
  free(clients);
  world_close(&w, UINT64_C(5000000000));
}

/* ---- random load ---- */

struct load {
  struct world *w;
  uint64_t seed;
  bool ok;
};

/* Pipelines a burst of stats under tags 100…, flushes some under 1100…, and counts what comes back: each flushed one at most
 * one reply and exactly one Rflush behind it, each other exactly one reply. */
static bool burst(struct client *c, uint64_t *seed) {
  enum { BURST = 64 };
  uint8_t flushed[BURST] = {0}, replied[BURST] = {0};
  for (uint16_t i = 0; i < BURST; i++) {
    styx_msg t = dice(seed, 2) ? (styx_msg){.type = STYX_Tstat, .tag = (uint16_t)(100 + i), .fid = 0}
                               : t_walk((uint16_t)(100 + i), 1000u + i);
    if (!put(c, t))
      return false;
    if (dice(seed, 3) == 0) {
      flushed[i] = 1;
      if (!put(c, (styx_msg){.type = STYX_Tflush, .tag = (uint16_t)(1100 + i), .oldtag = (uint16_t)(100 + i)}))
        return false;
    }
  }
  bool made[BURST] = {0};
  int left = BURST;
  while (left > 0 && get(c)) {
    unsigned tag = c->r.tag;
    if (c->r.type == STYX_Rflush && tag >= 1100 && flushed[tag - 1100] == 1) {
      flushed[tag - 1100] = 2;
      left--;
    } else if (tag >= 100 && tag < 100 + BURST && !replied[tag - 100] && flushed[tag - 100] != 2 &&
               (c->r.type == STYX_Rstat || c->r.type == STYX_Rwalk)) {
      replied[tag - 100] = 1;
      made[tag - 100] = c->r.type == STYX_Rwalk;
      left -= !flushed[tag - 100];
    } else {
      printf("# unexpected reply type %u tag %u\n", c->r.type, tag);
      return false;
    }
  }
  for (uint16_t i = 0; i < BURST; i++)
    if (made[i] && !rpc(c, (styx_msg){.type = STYX_Tclunk, .tag = 2, .fid = 1000u + i}))
      return false;
  return left == 0;
}

static void *loader(void *arg) {
  struct load *l = arg;
  l->ok = true;
  for (int round = 0; round < 20 && l->ok; round++) {
    struct client c;
    connect_to(l->w, &c);
    l->ok = hello(&c, "mem");
    for (uint32_t i = dice(&l->seed, 8); i > 0 && l->ok; i--) {
      l->ok = burst(&c, &l->seed);
      if (l->ok && dice(&l->seed, 10) == 0)
        l->ok = hello(&c, "mem"); /* starts anew in mid-session */
    }
    if (dice(&l->seed, 2)) /* leave with requests outstanding */
      for (uint16_t t = 0; t < 30; t++)
        put(&c, (styx_msg){.type = STYX_Tstat, .tag = t, .fid = 0});
    close(c.fd);
  }
  return NULL;
}

static void random_load(uint64_t seed, unsigned workers) {
  enum { CLIENTS = 8 };
  struct world w = {0};
  struct load loads[CLIENTS];
  pthread_t threads[CLIENTS];
  world_open(&w, workers, 2);
  for (unsigned i = 0; i < CLIENTS; i++) {
    loads[i] = (struct load){&w, seed * CLIENTS + i, false};
    must(pthread_create(&threads[i], NULL, loader, &loads[i]) == 0, "client thread");
  }
  bool ok = true;
  for (unsigned i = 0; i < CLIENTS; i++) {
    pthread_join(threads[i], NULL);
    ok &= loads[i].ok;
  }
  check(ok, "random load with flushes, hangups and resets gets what it is owed");
  world_close(&w, UINT64_C(5000000000));
}

/* ---- a stop in the middle of load ---- */

static void a_stop_under_load(void) {
  struct world w = {0};
  struct client b, c;
  world_open(&w, 2, 1);
  connect_to(&w, &b);
  connect_to(&w, &c);
  must(hello(&b, "block") && hello(&c, "mem"), "attach");
  must(rpc(&b, (styx_msg){.type = STYX_Topen, .tag = 2, .fid = 0, .mode = STYX_OREAD}), "open");
  for (uint16_t t = 0; t < 100; t++)
    put(&b, t_read((uint16_t)(1000 + t), 0));
  world_close(&w, UINT64_C(100000000)); /* the blocked reads outlast the grace and are cancelled */
  while (get(&b))                       /* what came too late was refused */
    ;
  check(recv(b.fd, b.buf, 1, 0) <= 0 && !get(&c), "both connections have ended");
  close(b.fd);
  close(c.fd);
}

int main(int argc, char **argv) {
  no_lending = argc > 1 && strcmp(argv[1], "--no-lending") == 0;
  argc -= no_lending, argv += no_lending;
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
  signal(SIGPIPE, SIG_DFL); /* a library may not count on its host to ignore it: a peer that has gone must not end us */
  printf("# seed %llu: server_stress %llu plays it again\n", (unsigned long long)seed, (unsigned long long)seed);
  a_thousand_blocked_reads();
  a_serial_filesystem_is_never_entered_twice();
  if (!no_lending) /* else it is an ordinary worker that is kept, and there is one */
    others_are_read_while_a_handler_keeps_the_reader();
  a_flood_of_what_does_not_block_keeps_nothing_else_waiting();
  connections_come_and_go(WAVES);
  for (unsigned workers = 1; workers <= 8; workers *= 2)
    random_load(seed + workers, workers);
  a_stop_under_load();
  check(atomic_load(&live) == 0, "no memory is left");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
