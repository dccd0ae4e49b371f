/* embed_epoll.c: the session in somebody's own epoll loop, on one thread. As a program it serves a small tree:
 *
 *     embed_epoll 127.0.0.1:5640
 *
 * Everything that 9P is happens inside styx_session; what is left for a loop is in this file, in the order of a
 * request's life: accept, receive, pump, send. Other programs (hello.c, bell.c, and styxd itself) compile it with
 * EMBED_EPOLL_LIBRARY, which leaves out main. */
#include "embed_epoll.h"

#include <styx/server.h>
#include <styx/tree.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, EVENTS = 64, SPANS = 64, STEP = 64, ACCEPTS = 16 };
#define SECOND 1000000000u
#define NEVER UINT64_MAX

/* What an epoll event is about: the first member of whatever it points to. */
enum kind { LISTENER, CONN, WAKE, SIGNAL };

struct listener {
  enum kind kind;
  int fd;
};

/* One connection. Its memory is reused for later ones but not freed before the loop ends: a thread that has just
 * published an answer may call wake when the connection is gone, and then only wakes another for nothing. */
struct conn {
  enum kind kind;
  struct loop *loop;
  styx_session *session; /* NULL: unused */
  int fd;                /* -1: the socket is closed, the session goes on until it is done */
  uint32_t interest;     /* what epoll has been asked for */
  bool full;             /* the socket took no more: EPOLLOUT comes */
  bool hungup;
  atomic_bool woken; /* set by any thread, taken by the loop */
  bool queued;       /* in the list of ready ones */
  struct conn *next_ready;
  struct conn *next; /* all that were ever made */
  char peer[128];
};

struct loop {
  const struct embed_config *config;
  pthread_t thread;
  int epoll;
  struct listener *listeners;
  enum kind wake_kind, signal_kind;
  int wake_fd, signal_fd;
  struct conn *conns;
  size_t nconns;                   /* in use */
  struct conn *ready, **ready_end; /* in turn */
  struct conn *stepping;           /* the one whose work runs now */
  uint64_t now, due;               /* due: no session's deadline is earlier */
  uint64_t accept_again;           /* NEVER: accepting; else paused until then */
  enum { SERVING, GRACE, CANCELLING } phase;
  uint64_t phase_end;
  styx_hooks hooks;
  struct loop *left;
  unsigned char buffer[BUFFER];
};

static uint64_t clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void say(const struct loop *l, styx_level level, const char *peer, const char *what, const char *detail) {
  if (l->config->log)
    l->config->log(l->config->arg, level, peer, what, detail ? detail : "");
}

/* ---- hooks: what a session asks of us ---- */

static void make_ready(struct conn *c) {
  if (c->queued || !c->session)
    return;
  c->queued = true;
  c->next_ready = NULL;
  *c->loop->ready_end = c;
  c->loop->ready_end = &c->next_ready;
}

/* On the loop's own thread there is nobody to wake, and a connection whose work runs will be retired anyway. */
static void hook_wake(void *arg) {
  struct conn *c = arg;
  if (pthread_equal(c->loop->thread, pthread_self())) {
    if (c != c->loop->stepping)
      make_ready(c);
  } else if (!atomic_exchange(&c->woken, true)) { /* pairs with: take_woken */
    eventfd_write(c->loop->wake_fd, 1);
  }
}

static void hook_log(void *arg, styx_level level, const char *what, const char *detail) {
  const struct conn *c = arg;
  say(c->loop, level, c->peer, what, detail);
}

static void hook_trace(void *arg, bool out, const styx_msg *msg) {
  const struct conn *c = arg;
  c->loop->config->trace(c->loop->config->arg, c->peer, out, msg);
}

static int hook_cancel_fd_new(void *arg) {
  (void)arg;
  return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void hook_cancel_fd_signal(void *arg, int fd) {
  (void)arg;
  eventfd_write(fd, 1);
}

static void hook_cancel_fd_free(void *arg, int fd) {
  (void)arg;
  close(fd);
}

/* ---- connections ---- */

static void accept_on(struct loop *l, bool on) {
  for (size_t i = 0; i < l->config->nlisteners; i++) {
    struct epoll_event e = {.events = on ? EPOLLIN : 0, .data.ptr = &l->listeners[i]};
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, l->listeners[i].fd, &e);
  }
}

/* Out of descriptors or memory: a readable listener would keep the loop spinning. */
static void accept_pause(struct loop *l, styx_err err) {
  say(l, STYX_LOG_WARN, "", "no new connections until one ends", styx_err_text(err));
  l->accept_again = l->now + SECOND;
  accept_on(l, false);
}

static void accept_resume(struct loop *l) {
  if (l->accept_again == NEVER || l->phase != SERVING)
    return;
  l->accept_again = NEVER;
  accept_on(l, true);
}

static struct conn *conn_memory(struct loop *l) {
  struct conn *c = l->conns;
  while (c && (c->session || c->queued))
    c = c->next;
  if (c)
    return c;
  c = calloc(1, sizeof *c);
  if (c) {
    c->kind = CONN;
    c->loop = l;
    c->next = l->conns;
    l->conns = c;
  }
  return c;
}

/* Takes fd. */
static void conn_new(struct loop *l, int fd, const char *peer) {
  if (l->nconns >= l->config->max_connections) {
    say(l, STYX_LOG_WARN, peer, "connection refused", "too many connections");
    close(fd);
    return;
  }
  struct conn *c = conn_memory(l);
  if (!c) {
    say(l, STYX_LOG_WARN, peer, "connection refused", styx_err_text(ENOMEM));
    close(fd);
    return;
  }
  snprintf(c->peer, sizeof c->peer, "%s", peer);
  c->fd = fd;
  c->full = c->hungup = false;
  c->interest = EPOLLIN | EPOLLRDHUP;
  const styx_session_config config = {.size = sizeof config,
                                      .exports = l->config->exports,
                                      .nexports = l->config->nexports,
                                      .limits = l->config->limits,
                                      .hooks = &l->hooks,
                                      .hook_arg = c};
  struct epoll_event e = {.events = c->interest, .data.ptr = c};
  styx_err err = epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) ? errno : styx_session_new(&c->session, &config, l->now);
  if (err) {
    say(l, STYX_LOG_WARN, peer, "connection refused", styx_err_text(err));
    close(fd);
    return;
  }
  l->nconns++;
  make_ready(c);
  say(l, STYX_LOG_DEBUG, peer, "connected", "");
}

static void listener_readable(struct loop *l, int fd) {
  char peer[128];
  for (int i = 0; i < ACCEPTS && l->accept_again == NEVER && l->phase == SERVING; i++) {
    int client;
    styx_err err = styx_accept(fd, &client, peer, sizeof peer);
    if (!err)
      conn_new(l, client, peer);
    else if (err == EAGAIN)
      return;
    else if (err != ECONNABORTED && err != EPROTO && err != EPERM) /* those are about one client, who is gone */
      accept_pause(l, err);
  }
}

/* Close the socket. The session lives on until every request has come back. */
static void conn_hangup(struct conn *c, styx_level level, const char *why) {
  if (c->hungup)
    return;
  c->hungup = true;
  say(c->loop, level, c->peer, "connection ended", why);
  close(c->fd);
  c->fd = -1;
  styx_session_hangup(c->session);
  make_ready(c);
  accept_resume(c->loop);
}

static void conn_free(struct conn *c) {
  styx_session_free(c->session);
  c->session = NULL;
  c->loop->nconns--;
}

/* At most one receive for each readiness: epoll hands ready connections round in turn. */
static void conn_receive(struct conn *c) {
  ssize_t n = recv(c->fd, c->loop->buffer, BUFFER, MSG_DONTWAIT);
  if (n > 0)
    styx_session_feed(c->session, c->loop->buffer, (size_t)n, c->loop->now);
  else if (n == 0)
    conn_hangup(c, STYX_LOG_DEBUG, "closed by the peer");
  else if (errno != EAGAIN && errno != EINTR)
    conn_hangup(c, STYX_LOG_DEBUG, strerror(errno));
}

static void conn_send(struct conn *c) {
  styx_span spans[SPANS];
  struct iovec iov[SPANS];
  while (!c->full && !c->hungup) {
    size_t n = styx_session_pending(c->session, spans, SPANS);
    if (n == 0)
      return;
    for (size_t i = 0; i < n; i++)
      iov[i] = (struct iovec){.iov_base = spans[i].base, .iov_len = spans[i].len};
    const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
      styx_session_sent(c->session, (size_t)sent, c->loop->now);
    else if (errno == EAGAIN)
      c->full = true;
    else if (errno != EINTR)
      conn_hangup(c, STYX_LOG_DEBUG, strerror(errno));
  }
}

/* The pump: run what can run, take the answers, send. A bounded piece of it, so that connections take turns; true if
 * there may be more. */
static bool conn_step(struct conn *c) {
  bool did = false;
  styx_work *work;
  c->loop->stepping = c;
  for (int i = 0; i < STEP && (work = styx_session_next(c->session)); i++) {
    styx_work_run(work);
    did = true;
  }
  did |= styx_session_retire(c->session, c->loop->now);
  conn_send(c);
  c->loop->stepping = NULL;
  return did;
}

static void conn_ask(struct conn *c) {
  uint32_t want = EPOLLRDHUP | (styx_session_wants_input(c->session) ? EPOLLIN : 0) | (c->full ? EPOLLOUT : 0);
  if (c->hungup || want == c->interest)
    return;
  struct epoll_event e = {.events = want, .data.ptr = c};
  epoll_ctl(c->loop->epoll, EPOLL_CTL_MOD, c->fd, &e);
  c->interest = want;
}

/* Nothing more to run: end what is over, else wait for the socket or the clock. */
static void conn_settle(struct conn *c) {
  struct loop *l = c->loop;
  const char *why = styx_session_ended(c->session);
  if (why) {
    conn_hangup(c, STYX_LOG_WARN, why);
  } else if (l->phase == GRACE && styx_session_pending_bytes(c->session) == 0 &&
             styx_session_inspect(c->session).requests == 0) {
    conn_hangup(c, STYX_LOG_DEBUG, "shutting down");
  }
  if (c->hungup && styx_session_done(c->session)) {
    conn_free(c);
    return;
  }
  conn_ask(c);
  uint64_t deadline = styx_session_deadline(c->session);
  l->due = deadline < l->due ? deadline : l->due;
}

static void conn_event(struct conn *c, uint32_t events) {
  if (!c->session || c->hungup)
    return;
  if (events & EPOLLOUT)
    c->full = false;
  if (!styx_session_wants_input(c->session)) {
    if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
      conn_hangup(c, STYX_LOG_DEBUG, "closed by the peer");
  } else if (events & ~(uint32_t)EPOLLOUT) {
    conn_receive(c); /* finds out about a hangup too, behind the bytes that came before it */
  }
  make_ready(c);
}

/* ---- the loop ---- */

/* One turn for each connection that was ready when it began. */
static void step_ready(struct loop *l) {
  struct conn *c = l->ready;
  l->ready = NULL;
  l->ready_end = &l->ready;
  while (c) {
    struct conn *next = c->next_ready;
    c->queued = false;
    if (c->session && conn_step(c))
      make_ready(c);
    else if (c->session)
      conn_settle(c);
    c = next;
  }
}

static void take_woken(struct loop *l) {
  eventfd_t n;
  eventfd_read(l->wake_fd, &n); /* before the flags: what is set after we looked makes it readable again */
  for (struct conn *c = l->conns; c; c = c->next)
    if (atomic_exchange(&c->woken, false)) /* pairs with: hook_wake */
      make_ready(c);
}

static void phase_enter(struct loop *l) {
  struct signalfd_siginfo info;
  if (l->phase == SERVING) {
    accept_on(l, false);
    l->accept_again = NEVER;
    l->phase = GRACE;
    l->phase_end = l->now + l->config->grace;
    say(l, STYX_LOG_INFO, "", "shutting down", "");
  } else if (l->phase == GRACE) {
    l->phase = CANCELLING;
    l->phase_end = l->now + SECOND;
  }
  for (struct conn *c = l->conns; c; c = c->next) {
    if (c->session && l->phase == CANCELLING)
      conn_hangup(c, STYX_LOG_INFO, "shutting down");
    make_ready(c);
  }
  while (read(l->signal_fd, &info, sizeof info) > 0)
    ;
}

static void tick(struct loop *l) {
  if (l->now >= l->accept_again)
    accept_resume(l);
  if (l->phase == GRACE && l->now >= l->phase_end)
    phase_enter(l);
  if (l->now < l->due)
    return;
  l->due = NEVER; /* conn_settle finds the next one */
  for (struct conn *c = l->conns; c; c = c->next) {
    if (c->session && styx_session_deadline(c->session) <= l->now)
      styx_session_tick(c->session, l->now);
    make_ready(c);
  }
}

static int timeout_ms(const struct loop *l) {
  if (l->ready)
    return 0;
  uint64_t at = l->due < l->accept_again ? l->due : l->accept_again;
  if (l->phase != SERVING && l->phase_end < at)
    at = l->phase_end;
  if (at == NEVER)
    return -1;
  uint64_t ms = at > l->now ? (at - l->now + 999999) / 1000000 : 0;
  return ms > 60000 ? 60000 : (int)ms;
}

static void dispatch(struct loop *l, const struct epoll_event *e) {
  switch (*(const enum kind *)e->data.ptr) {
  case LISTENER:
    listener_readable(l, ((struct listener *)e->data.ptr)->fd);
    break;
  case CONN:
    conn_event(e->data.ptr, e->events);
    break;
  case WAKE:
    take_woken(l);
    break;
  case SIGNAL:
    phase_enter(l);
    break;
  }
}

static void run(struct loop *l) {
  struct epoll_event events[EVENTS];
  while (l->phase == SERVING || (l->nconns > 0 && !(l->phase == CANCELLING && l->now >= l->phase_end))) {
    int n = epoll_wait(l->epoll, events, EVENTS, timeout_ms(l));
    l->now = clock_now();
    for (int i = 0; i < n; i++)
      dispatch(l, &events[i]);
    tick(l);
    step_ready(l);
  }
}

/* ---- start and end ---- */

static bool watch(struct loop *l, int fd, void *ptr) {
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = ptr};
  if (fd >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) == 0)
    return true;
  say(l, STYX_LOG_ERROR, "", "cannot watch a descriptor", strerror(errno));
  return false;
}

static bool loop_open(struct loop *l, const sigset_t *signals) {
  l->epoll = epoll_create1(EPOLL_CLOEXEC);
  l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  l->signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
  l->listeners = calloc(l->config->nlisteners + 1, sizeof *l->listeners);
  bool ok = l->listeners && watch(l, l->wake_fd, &l->wake_kind) && watch(l, l->signal_fd, &l->signal_kind);
  for (size_t i = 0; ok && i < l->config->nlisteners; i++) {
    l->listeners[i] = (struct listener){LISTENER, l->config->listeners[i]};
    ok = watch(l, l->listeners[i].fd, &l->listeners[i]);
  }
  return ok;
}

static void loop_close(struct loop *l) {
  const int fds[] = {l->epoll, l->wake_fd, l->signal_fd};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  for (struct conn *c = l->conns, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  free(l->listeners);
  free(l);
}

static void filesystems_cleanup(const struct embed_config *config, size_t n) {
  while (n-- > 0)
    if (config->exports[n].fs.ops->cleanup)
      config->exports[n].fs.ops->cleanup(config->exports[n].fs.ctx);
}

static bool filesystems_init(struct loop *l) {
  for (size_t i = 0; i < l->config->nexports; i++) {
    const styx_fs *fs = &l->config->exports[i].fs;
    styx_err err = fs->ops->init ? fs->ops->init(fs->ctx) : STYX_OK;
    if (err) {
      say(l, STYX_LOG_ERROR, "", "a filesystem refuses to start", styx_err_text(err));
      filesystems_cleanup(l->config, i);
      return false;
    }
  }
  return true;
}

/* Names what is still unanswered; true if anything is. */
static bool stuck(const struct loop *l) {
  char detail[64];
  for (const struct conn *c = l->conns; c; c = c->next)
    if (c->session) {
      snprintf(detail, sizeof detail, "%zu requests unanswered", styx_session_inspect(c->session).requests);
      say(l, STYX_LOG_ERROR, c->peer, "stuck at the end", detail);
    }
  return l->nconns > 0;
}

static int serve(struct loop *l, const sigset_t *signals) {
  static struct loop *left; /* what a stuck end leaves: not freed under those who are to answer */
  if (!loop_open(l, signals) || !filesystems_init(l)) {
    loop_close(l);
    return 1;
  }
  if (l->config->ready)
    l->config->ready(l->config->arg);
  run(l);
  if (stuck(l)) {
    l->left = left;
    left = l;
    return 1;
  }
  filesystems_cleanup(l->config, l->config->nexports);
  loop_close(l);
  return 0;
}

int embed_serve(const struct embed_config *config) {
  struct loop *l = calloc(1, sizeof *l);
  if (!l)
    return 1;
  l->config = config;
  l->thread = pthread_self();
  l->wake_kind = WAKE;
  l->signal_kind = SIGNAL;
  l->ready_end = &l->ready;
  l->now = clock_now();
  l->due = l->accept_again = NEVER;
  l->hooks = (styx_hooks){.wake = hook_wake,
                          .log = hook_log,
                          .trace = config->trace ? hook_trace : NULL,
                          .cancel_fd_new = hook_cancel_fd_new,
                          .cancel_fd_signal = hook_cancel_fd_signal,
                          .cancel_fd_free = hook_cancel_fd_free};
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  return serve(l, &signals);
}

/* ---- for small programs ---- */

static void log_stderr(void *arg, styx_level level, const char *peer, const char *what, const char *detail) {
  (void)arg;
  if (level <= STYX_LOG_INFO)
    fprintf(stderr, "%s%s%s%s%s\n", peer, *peer ? ": " : "", what, *detail ? ": " : "", detail);
}

int embed_serve_fs(const char *address, styx_fs fs) {
  styx_addr addr;
  const char *why = NULL;
  int fd;
  styx_err err = styx_addr_parse(&addr, address, &why);
  if (!err)
    err = styx_announce(&addr, &fd, NULL);
  if (err) {
    fprintf(stderr, "cannot listen on %s: %s\n", address, why ? why : styx_err_text(err));
    return 1;
  }
  const styx_export export = {.fs = fs};
  const struct embed_config config = {.exports = &export,
                                      .nexports = 1,
                                      .listeners = &fd,
                                      .nlisteners = 1,
                                      .max_connections = EMBED_CONNECTIONS,
                                      .grace = EMBED_GRACE,
                                      .log = log_stderr};
  int status = embed_serve(&config);
  close(fd);
  if (addr.net == STYX_NET_UNIX)
    unlink(addr.path);
  return status;
}

#ifndef EMBED_EPOLL_LIBRARY
int main(int argc, char **argv) {
  styx_tree *tree = styx_tree_new(NULL, NULL);
  styx_file *dir, *file;
  if (argc != 2 || !tree || styx_tree_dir(tree, styx_tree_root(tree), "lib", 0555, &dir) ||
      styx_tree_text(tree, styx_tree_root(tree), "motd", "One thread, one loop, any number of clients.\n", &file) ||
      styx_tree_text(tree, dir, "words", "bytes in, work out, answers in, bytes out\n", &file)) {
    fprintf(stderr, argc == 2 ? "out of memory\n" : "usage: embed_epoll ADDRESS\n");
    return 2;
  }
  int status = embed_serve_fs(argv[1], styx_tree_fs(tree));
  if (status == 0)
    styx_tree_free(tree);
  return status;
}
#endif
