/* stages_net.c: the machine below the server: descriptors, sockets, level-triggered, edge-triggered and one-shot pollers, bells, sleeping and
 * waking, all of memory; short, late and refused by dice. A descriptor's number is never used again, so that a late use of
 * one is seen. */
#include "stages.h"

#include <errno.h>
#include <string.h>

enum { NFILE = 2048, NSOCK = 128, NPOLLER = 4, NWATCH = 64, FIRST = 100 };

enum kind { SOCK, POLLER, BELL, TIMER };

struct watch {
  int fd; /* 0: none */
  uint32_t events;
  void *ptr;
  bool armed;
  uint64_t told; /* edge-triggered: what of the socket was told last */
};

struct poller {
  struct task *polls; /* one thread at a time */
  struct watch watches[NWATCH];
};

static struct file {
  enum kind kind;
  bool open, rung, adopted;
  int index;
  uint64_t due; /* of a timer; 0: it is not set */
} files[NFILE];
static struct sock socks[NSOCK];
static struct poller pollers[NPOLLER];
static int nfiles, nsocks, npollers;
static struct sim *world;

void net_reset(struct sim *w) {
  world = w;
  nfiles = nsocks = npollers = 0;
}

static int file_new(enum kind kind, int index) {
  if (nfiles == NFILE)
    sim_full(world);
  files[nfiles] = (struct file){.kind = kind, .open = true, .index = index};
  return FIRST + nfiles++;
}

static struct file *file_of(int fd, enum kind kind, const char *doing) {
  if (fd < FIRST || fd >= FIRST + nfiles)
    sim_fail(world, "%s of %d, which is no descriptor", doing, fd);
  struct file *f = &files[fd - FIRST];
  if (!f->open)
    sim_fail(world, "%s of descriptor %d, which is closed", doing, fd);
  if (f->kind != kind)
    sim_fail(world, "%s of descriptor %d, which is something else", doing, fd);
  return f;
}

static struct sock *sock_of(int fd, const char *doing) { return &socks[file_of(fd, SOCK, doing)->index]; }

struct sock *sock_new(struct conn *c, size_t cap) {
  if (nsocks == NSOCK)
    sim_full(world);
  struct sock *k = &socks[nsocks];
  memset(k, 0, offsetof(struct sock, out));
  k->client = c;
  k->plain = sim_chance(world, 50);
  k->out_cap = cap < sizeof k->out ? cap : sizeof k->out;
  k->fd = file_new(SOCK, nsocks++);
  return k;
}

bool net_all_closed(int *fd) {
  for (*fd = FIRST; *fd < FIRST + nfiles; ++*fd)
    if (files[*fd - FIRST].open)
      return false;
  return true;
}

/* ---- pollers ---- */

static uint32_t sock_events(const struct sock *k) {
  uint32_t e = 0;
  if (k->shut || k->reset)
    e |= EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | (k->reset ? (uint32_t)EPOLLERR : 0);
  if (k->hung)
    e |= EPOLLIN | EPOLLRDHUP;
  if (k->client && k->client->tx_len)
    e |= EPOLLIN;
  if (k->out_len < k->out_cap)
    e |= EPOLLOUT;
  return e;
}

/* Moves on with everything that comes in. */
static uint64_t arrived(const struct sock *k) {
  return k->received + k->late + (k->client ? k->client->tx_len : 0) + k->hung + k->reset + k->shut;
}

static bool something_ready(const void *on);

static uint32_t events_of(const struct watch *watch) {
  if (!watch->fd || !watch->armed || !files[watch->fd - FIRST].open)
    return 0;
  const struct file *f = &files[watch->fd - FIRST];
  if (f->kind == BELL)
    return f->rung ? watch->events & EPOLLIN : 0;
  if (f->kind == TIMER)
    return f->due && f->due <= world->now ? watch->events & EPOLLIN : 0;
  if (f->kind == POLLER)
    return something_ready(&pollers[f->index]) ? watch->events & EPOLLIN : 0;
  if (watch->events & EPOLLET && watch->told == arrived(&socks[f->index]))
    return 0;
  return sock_events(&socks[f->index]) & (watch->events | EPOLLHUP | EPOLLERR);
}

static bool something_ready(const void *on) {
  const struct poller *p = on;
  for (int i = 0; i < NWATCH; i++)
    if (p->watches[i].fd && events_of(&p->watches[i]))
      return true;
  return false;
}

static int net_poller(void *arg) {
  (void)arg;
  if (npollers == NPOLLER)
    sim_full(world);
  memset(&pollers[npollers], 0, sizeof pollers[npollers]);
  return file_new(POLLER, npollers++);
}

static struct watch *find(struct poller *p, int fd) {
  for (int i = 0; i < NWATCH; i++)
    if (p->watches[i].fd == fd)
      return &p->watches[i];
  return NULL;
}

/* The server's connection behind a socket is learned here. */
static int watch_add(struct poller *p, int fd, uint32_t events, void *ptr) {
  struct file *f = &files[fd - FIRST];
  struct watch *free_one = find(p, 0);
  if (find(p, fd))
    return -EEXIST;
  if (f->kind == SOCK && world->fails && sim_chance(world, 5)) {
    stage.short_of_memory = true;
    return -ENOSPC;
  }
  if (!free_one)
    sim_full(world);
  *free_one = (struct watch){.fd = fd, .events = events, .ptr = ptr, .armed = true, .told = UINT64_MAX};
  if (f->kind == SOCK)
    socks[f->index].conn = ptr;
  return 0;
}

static int net_watch(void *arg, int poller, int op, int fd, uint32_t events, void *ptr) {
  (void)arg;
  task_yield();
  struct poller *p = &pollers[file_of(poller, POLLER, "watching")->index];
  if (fd < FIRST || fd >= FIRST + nfiles || !files[fd - FIRST].open)
    sim_fail(world, "watching descriptor %d, which is closed", fd);
  if (op == EPOLL_CTL_ADD)
    return watch_add(p, fd, events, ptr);
  struct watch *watch = find(p, fd);
  if (!watch)
    return -ENOENT;
  *watch = (struct watch){
      .fd = op == EPOLL_CTL_DEL ? 0 : fd, .events = events, .ptr = ptr, .armed = true, .told = UINT64_MAX};
  return 0;
}

/* Some of what is ready: the rest is seen the next time. */
static int collect(struct poller *p, struct epoll_event *events, int n) {
  int got = 0;
  uint32_t at = sim_roll(world, NWATCH);
  for (uint32_t i = 0; i < NWATCH && got < n; i++) {
    struct watch *watch = &p->watches[(at + i) % NWATCH];
    uint32_t e = events_of(watch);
    if (!e || (got && sim_chance(world, 20)))
      continue;
    events[got].events = e;
    events[got++].data.ptr = watch->ptr;
    if (watch->events & EPOLLONESHOT)
      watch->armed = false;
    if (watch->events & EPOLLET)
      watch->told = arrived(&socks[files[watch->fd - FIRST].index]);
  }
  return got;
}

static int net_poll(void *arg, int poller, struct epoll_event *events, int n, uint64_t timeout) {
  (void)arg;
  task_no_locks("polls");
  struct poller *p = &pollers[file_of(poller, POLLER, "polling")->index];
  if (p->polls)
    sim_fail(world, "two threads poll one poller");
  p->polls = task_me;
  task_yield();
  if (timeout && !something_ready(p)) {
    uint64_t until = timeout < UINT64_MAX - world->now ? world->now + timeout : UINT64_MAX;
    task_wait(something_ready, p, until);
  }
  int got = sim_chance(world, stage.p_err) ? -EINTR : collect(p, events, n);
  task_yield(); /* what was ready may be over by the time it is looked at */
  p->polls = NULL;
  return got;
}

/* ---- sockets ---- */

static size_t some_of(size_t n) { return sim_chance(world, stage.p_short) ? 1 + sim_roll(world, (uint32_t)n) : n; }

static size_t room_of(const struct iovec *iov, size_t n) {
  size_t room = 0;
  for (size_t i = 0; i < n; i++)
    room += iov[i].iov_len;
  return room;
}

static void scatter(const struct iovec *iov, const uint8_t *from, size_t len) {
  for (size_t part; len > 0; iov++, from += part, len -= part) {
    part = iov->iov_len < len ? iov->iov_len : len;
    memcpy(iov->iov_base, from, part);
  }
}

static bool net_plain(void *arg, int fd) {
  (void)arg;
  return sock_of(fd, "asking about")->plain;
}

static ssize_t net_recv(void *arg, int fd, const struct iovec *iov, size_t niov, bool *more) {
  (void)arg;
  task_no_locks("receives");
  struct sock *k = sock_of(fd, "receiving");
  k->users++;
  task_yield();
  if (k->plain != !more)
    sim_fail(world, "descriptor %d is asked for marks, or not, against what it is", fd);
  if (more)
    *more = false;
  if (sim_chance(world, stage.p_err)) { /* what there is comes right after it */
    k->users--;
    k->late++;
    return -EAGAIN;
  }
  if (k->reset) {
    k->users--;
    return -ECONNRESET;
  }
  struct conn *c = k->client;
  const size_t room = room_of(iov, niov), there = k->shut || !c ? 0 : c->tx_len < room ? c->tx_len : room;
  if (there == 0) {
    k->users--;
    return k->shut || k->hung ? 0 : -EAGAIN;
  }
  const size_t n = some_of(there);
  if (n < there && more && sim_chance(world, 50))
    *more = true; /* the rest is there already */
  else
    k->late += n < there; /* the rest comes right after it */
  k->received += n;
  scatter(iov, c->tx, n);
  memmove(c->tx, c->tx + n, c->tx_len - n);
  c->tx_len -= n;
  sim_note(world, "c%d received %zu bytes", c->index, n);
  task_yield(); /* somebody else may be quicker to the lock */
  k->users--;
  return (ssize_t)n;
}

/* The token is the right to do this. */
static void check_token(const struct sock *k) {
  uint32_t token = k->conn ? atomic_load(&k->conn->c_token) : (uint32_t)SX_IDLE;
  if (token != SX_WRITING && token != SX_DIRTY)
    sim_fail(world, "%s sends for a connection whose token nobody has", task_me->name);
  if (k->senders > 1)
    sim_fail(world, "two threads send for one connection");
}

static ssize_t net_send(void *arg, int fd, const struct iovec *iov, size_t n) {
  (void)arg;
  task_no_locks("sends");
  struct sock *k = sock_of(fd, "sending");
  k->users++, k->senders++;
  check_token(k);
  task_yield();
  check_token(k);
  k->users--, k->senders--;
  if (sim_chance(world, stage.p_err))
    return -EINTR;
  if (k->hung || k->reset || k->shut)
    return k->reset ? -ECONNRESET : -EPIPE;
  if (k->out_len == k->out_cap)
    return -EAGAIN;
  size_t room = some_of(k->out_cap - k->out_len), sent = 0;
  for (size_t i = 0; i < n && sent < room; i++) {
    size_t part = iov[i].iov_len < room - sent ? iov[i].iov_len : room - sent;
    memcpy(k->out + k->out_len, iov[i].iov_base, part);
    k->out_len += part;
    sent += part;
  }
  sim_note(world, "c%d sent %zu bytes", k->client ? k->client->index : -1, sent);
  return (ssize_t)sent;
}

static int net_shut(void *arg, int fd) {
  (void)arg;
  task_no_locks("shuts a socket");
  sock_of(fd, "shutting")->shut = true;
  task_yield();
  return 0;
}

static void net_close(void *arg, int fd) {
  (void)arg;
  task_yield();
  if (fd < FIRST || fd >= FIRST + nfiles || !files[fd - FIRST].open)
    sim_fail(world, "descriptor %d is closed twice", fd);
  struct file *f = &files[fd - FIRST];
  f->open = false;
  for (int i = 0; i < npollers; i++) {
    struct watch *watch = find(&pollers[i], fd);
    if (watch)
      watch->fd = 0;
  }
  if (f->kind != SOCK)
    return;
  struct sock *k = &socks[f->index];
  k->shut = k->closed = true;
  if (k->users)
    sim_fail(world, "descriptor %d is closed while somebody uses it", fd);
  if (k->client) {
    sim_note(world, "c%d closed by the server", k->client->index);
    stage_gone(k->client);
  }
}

/* ---- bells, sleeping and waking, time ---- */

static int net_bell(void *arg) {
  (void)arg;
  if (stage.started && sim_chance(world, 5))
    return -EMFILE;
  return file_new(BELL, 0);
}

static void net_ring(void *arg, int bell) {
  (void)arg;
  task_yield();
  file_of(bell, BELL, "ringing")->rung = true;
}

static void net_quiet(void *arg, int bell) {
  (void)arg;
  task_yield();
  struct file *f = &files[bell - FIRST];
  if (f->kind == TIMER && f->due <= world->now)
    f->due = 0;
  else if (f->kind != TIMER)
    file_of(bell, BELL, "quieting")->rung = false;
}

static int net_timer(void *arg) {
  (void)arg;
  return file_new(TIMER, 0);
}

static void net_set_alarm(void *arg, int timer, uint64_t ns) {
  (void)arg;
  task_yield();
  file_of(timer, TIMER, "setting")->due = world->now + ns;
}

bool net_alarm(void) {
  uint64_t first = UINT64_MAX;
  for (int i = 0; i < nfiles; i++)
    if (files[i].kind == TIMER && files[i].open && files[i].due > world->now && files[i].due < first)
      first = files[i].due;
  if (first == UINT64_MAX)
    return false;
  world->now = first;
  return true;
}

static void **net_slot(void *arg) {
  (void)arg;
  return &task_me->slot;
}

static void net_wait(void *arg, _Atomic uint32_t *word, uint32_t value) {
  (void)arg;
  task_no_locks("parks");
  task_yield();
  if (atomic_load(word) == value)
    task_sleep(word, UINT64_MAX, true);
}

static void net_wake(void *arg, _Atomic uint32_t *word, int n) {
  (void)arg;
  task_yield();
  task_wake(word, n < 0 ? 0 : (unsigned)n);
}

static uint64_t net_clock(void *arg) {
  (void)arg;
  return world->now;
}

const struct sx_system stages_system = {.recv_size = 300,
                                        .room_least = 20,
                                        .plain = net_plain,
                                        .recv = net_recv,
                                        .send = net_send,
                                        .shut = net_shut,
                                        .close = net_close,
                                        .poller = net_poller,
                                        .watch = net_watch,
                                        .poll = net_poll,
                                        .bell = net_bell,
                                        .ring = net_ring,
                                        .quiet = net_quiet,
                                        .timer = net_timer,
                                        .alarm = net_set_alarm,
                                        .wait = net_wait,
                                        .wake = net_wake,
                                        .clock = net_clock,
                                        .slot = net_slot};
