/* limit9.c: how fast a 9P server can be on this machine. It does what nobody can leave out, and nothing else: receive once
 * for each readiness, frame, copy data into a file and from it, answer in place, send once for each receive. There are no
 * queue, no lock, no fid, no table, and no allocation for a request.
 *
 * The data of a Twrite is copied from where it was received, as in any server whose files are behind an interface: it is not
 * received into the file. Each thread (--threads) has connections and a file of its own. */
#include "args.h"
#include "limit9.h"

#include <styx/server.h>

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* COPY: by the CPU time of both sides, at depth 32, copying is cheaper up to 2 KiB (by a fifth for 512 bytes) and sending from the
 * file is from 3 KiB on (by an eighth for 4 KiB); --copy is there to measure it again. Edge-triggered readiness saves a
 * twentieth at depth 1; to receive 64 KiB at once instead of LIMIT_RECV costs a quarter of write4k at depth 32. */
enum { EVENTS = 256, SPANS = 1024, MAX_THREADS = 64, COPY = 2048 };

/* What the socket has not taken: iov, whose bytes that lay in the thread's out are now in bytes. Pieces of the file stay where they
 * are, and may be written to before they have left: nobody counts on what this file holds. */
struct kept {
  struct iovec *iov;
  unsigned at, n, cap;
  uint8_t *bytes;
  size_t bytes_cap;
};

struct conn {
  int fd;
  uint32_t msize;
  bool blocked;  /* the socket is full: nothing is received until it has taken what is kept */
  uint8_t *part; /* the beginning of a message; LIMIT_MSIZE bytes, from the first one that came in pieces */
  size_t have, need;
  struct kept kept;
};

struct thread {
  pthread_t id;
  int poller;
  uint8_t *in;
  struct limit_replies replies;
};

static struct {
  struct thread *threads;
  unsigned nthreads, next;
  uint32_t copy;
  int listener, signals;
} limit = {.nthreads = 1, .copy = COPY};

static void die(const char *what, const char *why) {
  fprintf(stderr, "limit9: %s: %s\n", what, why);
  exit(1);
}

/* ---- a connection ---- */

static void conn_free(struct conn *c) {
  close(c->fd);
  free(c->part);
  free(c->kept.iov);
  free(c->kept.bytes);
  free(c);
}

static bool conn_watch(const struct thread *t, struct conn *c, int how) {
  struct epoll_event e = {.events = (c->blocked ? EPOLLOUT : EPOLLIN) | EPOLLRDHUP | EPOLLET, .data.ptr = c};
  return epoll_ctl(t->poller, how, c->fd, &e) == 0;
}

/* How many of iov have been sent when n bytes have; the next one begins where the socket stopped. */
static unsigned skip(struct iovec *iov, unsigned at, size_t n) {
  while (n > 0 && n >= iov[at].iov_len)
    n -= iov[at++].iov_len;
  if (n > 0) {
    iov[at].iov_base = (uint8_t *)iov[at].iov_base + n;
    iov[at].iov_len -= n;
  }
  return at;
}

/* Send from *at on. False when the connection is lost; *at is then, or when the socket is full, short of n. */
static bool send_iov(int fd, struct iovec *iov, unsigned *at, unsigned n) {
  while (*at < n) {
    const struct msghdr m = {.msg_iov = iov + *at, .msg_iovlen = n - *at < SPANS ? n - *at : SPANS};
    ssize_t sent = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
      return errno == EAGAIN;
    *at = skip(iov, *at, (size_t)sent);
  }
  return true;
}

static bool keep(struct conn *c, const struct limit_replies *r, unsigned at) {
  struct kept *k = &c->kept;
  unsigned n = r->n - at;
  const uint8_t *from = NULL, *end = r->out + r->len;
  for (unsigned i = at; !from && i < r->n; i++)
    if ((uint8_t *)r->iov[i].iov_base >= r->out && (uint8_t *)r->iov[i].iov_base < end)
      from = r->iov[i].iov_base;
  size_t bytes = from ? (size_t)(end - from) : 0;
  if (n > k->cap && (free(k->iov), k->iov = malloc((k->cap = n) * sizeof *k->iov), !k->iov))
    return false;
  if (bytes > k->bytes_cap && (free(k->bytes), k->bytes = malloc(k->bytes_cap = bytes), !k->bytes))
    return false;
  memcpy(k->iov, r->iov + at, n * sizeof *k->iov);
  for (unsigned i = 0; i < n; i++)
    if (from && (uint8_t *)k->iov[i].iov_base >= from && (uint8_t *)k->iov[i].iov_base < end)
      k->iov[i].iov_base = k->bytes + ((uint8_t *)k->iov[i].iov_base - from);
  if (bytes)
    memcpy(k->bytes, from, bytes);
  k->at = 0;
  k->n = n;
  return true;
}

static bool conn_send(struct thread *t, struct conn *c) {
  struct limit_replies *r = &t->replies;
  unsigned at = 0;
  limit_replies_list(r);
  bool good = send_iov(c->fd, r->iov, &at, r->n);
  if (good && at < r->n) {
    c->blocked = true;
    good = keep(c, r, at) && conn_watch(t, c, EPOLL_CTL_MOD);
  }
  r->n = 0;
  r->len = r->listed = 0;
  return good;
}

/* The beginning of a message, for the next receive to go on. */
static bool keep_part(struct conn *c, const uint8_t *p, size_t len, size_t need) {
  if (!c->part && !(c->part = malloc(LIMIT_MSIZE)))
    return false;
  memcpy(c->part, p, len);
  c->have = len;
  c->need = need;
  return true;
}

/* What conn_receive has received. */
static bool conn_feed(struct thread *t, struct conn *c, size_t n) {
  size_t need;
  if (c->need) {
    size_t rest = c->need - c->have, took = n < rest ? n : rest;
    c->have += took;
    n -= took;
    if (c->have < c->need)
      return true;
    limit_answer(&t->replies, &c->msize, c->part, c->need, &need);
    c->have = c->need = 0;
  }
  n += c->have;
  c->have = 0;
  ptrdiff_t used = limit_answer(&t->replies, &c->msize, t->in, n, &need);
  return used >= 0 && ((size_t)used == n || keep_part(c, t->in + used, n - (size_t)used, need));
}

/* Into the rest of a message that is begun, and behind it into the thread's buffer; *room is how much would have fitted. */
static ssize_t conn_receive(struct thread *t, struct conn *c, size_t *room) {
  struct iovec iov[2] = {{NULL, 0}, {t->in, LIMIT_RECV}};
  struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
  if (c->need) {
    iov[0] = (struct iovec){c->part + c->have, c->need - c->have};
    *room = LIMIT_RECV + iov[0].iov_len;
    return recvmsg(c->fd, &m, MSG_DONTWAIT);
  }
  if (c->have) /* less than the four bytes of a size */
    memcpy(t->in, c->part, c->have);
  *room = LIMIT_RECV - c->have;
  return recv(c->fd, t->in + c->have, *room, MSG_DONTWAIT);
}

/* Receive, answer, send. Again only if there may be more that no event will tell of: the buffer was filled, or the peer has
 * hung up. False when it is over. */
static bool conn_turn(struct thread *t, struct conn *c, bool last) {
  size_t room;
  ssize_t n;
  do {
    n = conn_receive(t, c, &room);
    if (n <= 0)
      return n < 0 && errno == EAGAIN;
    if (!conn_feed(t, c, (size_t)n) || !conn_send(t, c))
      return false;
  } while (!c->blocked && (last || (size_t)n == room));
  return true;
}

static bool conn_event(struct thread *t, struct conn *c, uint32_t events) {
  bool last = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  if (c->blocked) {
    struct kept *k = &c->kept;
    if (!send_iov(c->fd, k->iov, &k->at, k->n))
      return false;
    if (k->at < k->n)
      return true;
    c->blocked = false;
    if (!conn_watch(t, c, EPOLL_CTL_MOD))
      return false;
  }
  return conn_turn(t, c, last);
}

/* ---- the loop ---- */

static void accept_all(void) {
  int fd;
  styx_err err;
  while ((err = styx_accept(limit.listener, &fd, NULL, 0)) != EAGAIN) {
    struct conn *c = err ? NULL : calloc(1, sizeof *c);
    if (err == ECONNABORTED || err == EPROTO || err == EPERM)
      continue; /* about one client, who is gone */
    if (!c) {
      fprintf(stderr, "limit9: no more connections: %s\n", styx_err_text(err ? err : ENOMEM));
      epoll_ctl(limit.threads[0].poller, EPOLL_CTL_DEL, limit.listener, NULL);
      return;
    }
    c->fd = fd;
    c->msize = LIMIT_MSIZE;
    if (!conn_watch(&limit.threads[limit.next++ % limit.nthreads], c, EPOLL_CTL_ADD))
      conn_free(c);
  }
}

static void *serve(void *thread) {
  struct thread *t = thread;
  struct epoll_event events[EVENTS];
  for (bool ended = false; !ended;) {
    int n = epoll_wait(t->poller, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr == &limit.listener)
        accept_all();
      else if (events[i].data.ptr == &limit.signals)
        ended = true;
      else if (!conn_event(t, events[i].data.ptr, events[i].events))
        conn_free(events[i].data.ptr);
    }
  }
  return NULL;
}

static void watch(int poller, int *fd) {
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = fd};
  if (*fd < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, *fd, &e))
    die("epoll", strerror(errno));
}

/* The first thread is the program's own; it accepts for all. */
static void start(void) {
  limit.threads = calloc(limit.nthreads, sizeof *limit.threads);
  limit_answer_init();
  for (unsigned i = 0; limit.threads && i < limit.nthreads; i++) {
    struct thread *t = &limit.threads[i];
    t->poller = epoll_create1(EPOLL_CLOEXEC);
    t->in = malloc(LIMIT_RECV);
    if (t->poller < 0 || !t->in || !limit_replies_init(&t->replies, limit.copy))
      die("cannot start", strerror(errno));
  }
  if (!limit.threads)
    die("cannot start", strerror(errno));
  watch(limit.threads[0].poller, &limit.listener);
  watch(limit.threads[0].poller, &limit.signals);
  for (unsigned i = 1; i < limit.nthreads; i++)
    if (pthread_create(&limit.threads[i].id, NULL, serve, &limit.threads[i]))
      die("no thread", strerror(errno));
}

static const char usage[] =
    "Usage: limit9 [-t THREADS] [-c BYTES] ADDR\n"
    "Answer 9P2000 and 9P2000.L from one file of 1 MiB in memory, as fast as this machine can.\n\n"
    "  -t, --threads N   each with its own connections and file (1)\n"
    "  -c, --copy BYTES  data of a read up to so much is copied behind its head, more is sent from the\n"
    "                    file (2K)\n"
    "  -h, --help\n";

static styx_addr parse(int argc, char **argv) {
  static const struct option longs[] = {{"threads", required_argument, NULL, 't'},
                                        {"copy", required_argument, NULL, 'c'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};
  styx_addr addr;
  const char *why = NULL;
  bench_args_voice("limit9: ", " '", "'");
  for (int letter; (letter = getopt_long(argc, argv, "t:c:h", longs, NULL)) != -1;) {
    if (letter == 't') {
      limit.nthreads = bench_whole("--threads", optarg, 1, MAX_THREADS);
    } else if (letter == 'c') {
      limit.copy = bench_whole("--copy", optarg, 0, LIMIT_MAX_COPY);
    } else {
      fputs(letter == 'h' ? usage : "limit9: --help lists the options\n", letter == 'h' ? stdout : stderr);
      exit(letter == 'h' ? 0 : 2);
    }
  }
  if (optind + 1 != argc)
    bench_refuse("one address", "", "it says where to listen; --help tells more");
  if (styx_addr_parse(&addr, argv[optind], &why))
    bench_refuse("address", argv[optind], why);
  return addr;
}

int main(int argc, char **argv) {
  styx_addr addr = parse(argc, argv), bound;
  struct rlimit files;
  char text[256];
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);
  limit.signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
  styx_err err = styx_announce(&addr, &limit.listener, &bound);
  if (err)
    die(argv[argc - 1], styx_err_text(err));
  start();
  styx_addr_print(text, sizeof text, &bound);
  printf("limit9: listening on %s\n", text);
  fflush(stdout);
  serve(&limit.threads[0]);
  if (addr.net == STYX_NET_UNIX)
    unlink(addr.path);
  return 0;
}
