/* styxflush_stress.c: styx/flush.h as it is meant to be used: one loop that reads and writes a connection, a thousand threads
 * that answer (contract.md 7, row 78), a thousand requests at once, and a client that flushes at random, reuses each tag at
 * once, and checks every message against what it has sent: F2, F4, F5, F6, F10, F16.
 *
 *   styxflush_stress [--requests N]          STYX_SEED replays what the client does
 *
 * Three conversations: to the end; with Tversions in between; hung up in the middle. No time is asserted: what does not come is
 * a hang, which ends by an alarm. */
#include "support/random.h"

#include <styx/flush.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if defined __SANITIZE_THREAD__
#define TSAN 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#if defined TSAN /* each thread costs it much */
enum { WORKERS = 64 };
#else
enum { WORKERS = 1000 };
#endif
enum { LIVE = 1000, FLUSHES = 8, PATIENCE = 100 /* seconds */, MSIZE = 8192, STACK = 1 << 18 };

/* What a request does; its fid says which. */
enum kind {
  QUICK,  /* looks once whether it is flushed */
  WAITS,  /* until it is flushed; then it says nothing, or an error, or succeeds all the same */
  DEAF,   /* never looks */
  LEFT,   /* as WAITS, but is left to itself: its Rflush comes first */
  CLUNKS, /* a Tclunk */
  KINDS
};

static void must(bool ok, const char *what) {
  if (ok)
    return;
  fprintf(stderr, "not ok: %s\n", what);
  abort();
}

/* ---- the workers ---- */

struct job {
  struct job *next;
  styx_flush_req *req;
  uint16_t tag;
  enum kind kind;
  uint64_t serial;
  enum { ANSWER, ERROR, INTERRUPTED } end; /* the worker's */
  pthread_mutex_t lock;
  pthread_cond_t told;
  bool flushed; /* under the lock */
};

struct list {
  pthread_mutex_t lock;
  pthread_cond_t more;
  struct job *first, **last;
  bool closed;
};

static struct list todo, done;
static int bell[2]; /* a byte for each time that done was empty */

static void list_init(struct list *l) {
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->more, NULL);
  l->last = &l->first;
}

static bool append(struct list *l, struct job *j) {
  pthread_mutex_lock(&l->lock);
  bool first = !l->first;
  j->next = NULL;
  *l->last = j;
  l->last = &j->next;
  pthread_cond_signal(&l->more);
  pthread_mutex_unlock(&l->lock);
  return first;
}

static struct job *take_one(void) {
  pthread_mutex_lock(&todo.lock);
  while (!todo.first && !todo.closed)
    pthread_cond_wait(&todo.more, &todo.lock);
  struct job *j = todo.first;
  if (j && !(todo.first = j->next))
    todo.last = &todo.first;
  pthread_mutex_unlock(&todo.lock);
  return j;
}

static struct job *take_all_done(void) {
  pthread_mutex_lock(&done.lock);
  struct job *j = done.first;
  done.first = NULL;
  done.last = &done.first;
  pthread_mutex_unlock(&done.lock);
  return j;
}

static bool flushed(struct job *j, bool wait) {
  pthread_mutex_lock(&j->lock);
  while (wait && !j->flushed)
    pthread_cond_wait(&j->told, &j->lock);
  bool yes = j->flushed;
  pthread_mutex_unlock(&j->lock);
  return yes;
}

static void *work(void *arg) {
  uint64_t state = (uint64_t)(uintptr_t)arg;
  for (struct job *j; (j = take_one());) {
    uint64_t dice = random_of(&state);
    for (uint64_t yields = dice % 4; yields > 0; yields--)
      sched_yield();
    j->end = ANSWER;
    if (j->kind == WAITS || j->kind == LEFT) {
      flushed(j, true);
      j->end = dice >> 8 & 1 ? INTERRUPTED : dice >> 9 & 1 ? ERROR : ANSWER;
    } else if (j->kind == QUICK && flushed(j, false)) {
      j->end = INTERRUPTED;
    }
    if (append(&done, j))
      must(write(bell[1], "", 1) == 1, "the bell takes a byte");
  }
  return NULL;
}

/* ---- the loop ---- */

struct loop {
  int fd;
  styx_flush *f;
  uint8_t in[1 << 16];
  size_t have;
  uint8_t *out; /* from sent to len */
  size_t sent, len, cap;
  unsigned told, dropped;
};

static void put(struct loop *l, const styx_msg *m) {
  if (l->cap - l->len < MSIZE) {
    l->cap = l->cap * 2 + MSIZE;
    l->out = realloc(l->out, l->cap);
    must(l->out != NULL, "memory");
  }
  ptrdiff_t n = styx_encode(l->out + l->len, l->cap - l->len, m, STYX_9P2000);
  must(n > 0, "a reply can be encoded");
  l->len += (size_t)n;
}

static void rflushes(struct loop *l) {
  for (styx_msg m; styx_flush_next(l->f, &m);)
    put(l, &m);
}

static void tell(struct job *j) {
  pthread_mutex_lock(&j->lock);
  j->flushed = true;
  pthread_cond_signal(&j->told);
  pthread_mutex_unlock(&j->lock);
}

static void lost(void *arg, styx_flush_req *req) {
  (void)arg;
  tell(styx_flush_request(req));
}

static void drop(struct job *j) {
  pthread_cond_destroy(&j->told);
  pthread_mutex_destroy(&j->lock);
  free(j);
}

static void receive(struct loop *l, const styx_msg *t) {
  struct job *j = calloc(1, sizeof *j);
  styx_flush_req *req;
  styx_msg reply;
  must(j != NULL, "memory");
  *j = (struct job){.tag = t->tag, .kind = t->type == STYX_Tclunk ? CLUNKS : t->fid, .serial = t->offset};
  pthread_mutex_init(&j->lock, NULL);
  pthread_cond_init(&j->told, NULL);
  switch (styx_flush_t(l->f, t, j, &req, &reply)) {
  case STYX_FLUSH_DISPATCH:
    j->req = req;
    append(&todo, j);
    return;
  case STYX_FLUSH_TELL: {
    struct job *victim = styx_flush_request(req);
    must(victim->req == req && victim->kind != CLUNKS, "it is the request that was flushed");
    l->told++;
    tell(victim);
    if (victim->kind == LEFT)
      must(styx_flush_ack(l->f, req), "it may be left to itself");
    break;
  }
  case STYX_FLUSH_REPLY:
    must(reply.type == STYX_Rflush, "nothing is refused");
    put(l, &reply);
    break;
  case STYX_FLUSH_VERSION:
    styx_flush_abort(l->f, lost, NULL);
    put(l, &(styx_msg){.type = STYX_Rversion, .tag = t->tag, .msize = MSIZE, .version = styx_str_of("9P2000")});
    break;
  case STYX_FLUSH_WAIT:
    break;
  case STYX_FLUSH_END:
    must(false, "memory");
  }
  rflushes(l);
  drop(j);
}

static void finish(struct loop *l, struct job *j) {
  uint8_t serial[8];
  memcpy(serial, &j->serial, sizeof serial);
  styx_msg r = {.type = STYX_Rread, .tag = j->tag, .count = sizeof serial, .data = serial};
  if (j->kind == CLUNKS)
    r.type = STYX_Rclunk;
  if (j->end != ANSWER)
    r = (styx_msg){.type = STYX_Rerror, .tag = j->tag, .ename = styx_str_of("interrupted")};
  bool write = j->end == INTERRUPTED ? styx_flush_interrupted(l->f, j->req) : styx_flush_reply(l->f, j->req);
  if (write)
    put(l, &r);
  l->dropped += !write;
  rflushes(l);
  drop(j);
}

static void finish_all(struct loop *l) {
  char rung[64];
  while (read(bell[0], rung, sizeof rung) > 0) /* before the list is looked at: no ring is lost */
    continue;
  for (struct job *j = take_all_done(), *next; j; j = next) {
    next = j->next;
    finish(l, j);
  }
}

/* False when the client has hung up. */
static bool receive_all(struct loop *l) {
  ssize_t n = read(l->fd, l->in + l->have, sizeof l->in - l->have);
  if (n <= 0)
    return n < 0 && (errno == EAGAIN || errno == EINTR);
  l->have += (size_t)n;
  size_t at = 0;
  styx_msg t;
  for (ptrdiff_t used; (used = styx_decode(&t, l->in + at, l->have - at, MSIZE, STYX_9P2000)) != 0;
       at += (size_t)used) {
    must(used > 0, "the client speaks 9P");
    receive(l, &t);
  }
  memmove(l->in, l->in + at, l->have - at);
  l->have -= at;
  return true;
}

static bool send_some(struct loop *l) {
  ssize_t n = send(l->fd, l->out + l->sent, l->len - l->sent, MSG_NOSIGNAL);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR;
  l->sent += (size_t)n;
  if (l->sent == l->len)
    l->sent = l->len = 0;
  return true;
}

static void *serve(void *arg) {
  struct loop *l = arg;
  bool up = true;
  while (up || styx_flush_outstanding(l->f)) {
    struct pollfd p[] = {{.fd = bell[0], .events = POLLIN}, {.fd = up ? l->fd : -1, .events = POLLIN}};
    if (l->len)
      p[1].events |= POLLOUT;
    if (poll(p, 2, -1) < 0)
      continue;
    if (p[0].revents)
      finish_all(l);
    if (up && p[1].revents & POLLOUT)
      up = send_some(l);
    if (up && p[1].revents & (POLLIN | POLLHUP | POLLERR))
      up = receive_all(l);
    if (!up)
      styx_flush_abort(l->f, lost, NULL); /* the second time does nothing */
  }
  must(!styx_flush_next(l->f, &(styx_msg){0}), "nobody is owed an Rflush");
  return NULL;
}

/* ---- the client ---- */

struct ask {
  uint64_t serial;
  enum kind kind;
  uint16_t tag;
  unsigned place; /* in live, until it is over */
  bool replied, over;
  uint16_t flush[FLUSHES]; /* in order; those before gone have been answered */
  unsigned n, gone;
};

struct client {
  int fd;
  uint64_t random, serial;
  unsigned requests, resets; /* still to be sent */
  struct ask *live[LIVE], *by_tag[STYX_NOTAG];
  unsigned nlive;
  uint16_t unused[STYX_NOTAG]; /* tags; the last one freed is the next one used */
  size_t nunused;
  uint8_t in[1 << 16], out[1 << 14];
  size_t have, len;
  bool resetting;
  unsigned replies, rflushes, errors;
};

static void all_tags_unused(struct client *c) {
  for (c->nunused = 0; c->nunused < STYX_NOTAG; c->nunused++)
    c->unused[c->nunused] = (uint16_t)c->nunused;
}

static void say(struct client *c, const styx_msg *t) {
  ptrdiff_t n = styx_encode(c->out + c->len, sizeof c->out - c->len, t, STYX_9P2000);
  must(n > 0, "a request can be encoded");
  c->len += (size_t)n;
}

static void ask(struct client *c) {
  struct ask *a = calloc(1, sizeof *a);
  must(a != NULL, "memory");
  a->serial = ++c->serial;
  a->kind = random_of(&c->random) % KINDS;
  a->tag = c->unused[--c->nunused];
  a->place = c->nlive;
  c->live[c->nlive++] = c->by_tag[a->tag] = a;
  c->requests--;
  styx_msg t = {.type = STYX_Tread, .tag = a->tag, .fid = a->kind, .offset = a->serial, .count = 8};
  if (a->kind == CLUNKS)
    t.type = STYX_Tclunk;
  say(c, &t);
}

static void flush(struct client *c) {
  uint64_t dice = random_of(&c->random);
  struct ask *a = c->live[dice % c->nlive];
  if (a->n == FLUSHES)
    return;
  styx_msg t = {.type = STYX_Tflush, .tag = c->unused[--c->nunused], .oldtag = a->tag};
  if (a->n > a->gone && (dice >> 32) % 4 == 0)
    t.oldtag = a->flush[a->n - 1]; /* of the last Tflush instead */
  a->flush[a->n++] = t.tag;
  c->by_tag[t.tag] = a;
  say(c, &t);
}

static void say_something(struct client *c) {
  c->len = 0;
  for (int i = 0; i < 64 && !c->resetting; i++) {
    uint64_t dice = random_of(&c->random) % 128;
    if (dice < 64 && c->requests && c->nlive < LIVE) {
      ask(c);
    } else if (dice < 120 && c->nlive) {
      flush(c);
    } else if (dice == 127 && c->resets && c->nlive > LIVE / 2) {
      c->resets--;
      c->resetting = true;
      say(c, &(styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = MSIZE, .version = styx_str_of("9P2000")});
    }
  }
  for (size_t at = 0; at < c->len;) { /* may block: the loop reads always */
    ssize_t n = send(c->fd, c->out + at, c->len - at, MSG_NOSIGNAL);
    must(n > 0, "the loop reads");
    at += (size_t)n;
  }
}

static void unuse(struct client *c, uint16_t tag) {
  c->by_tag[tag] = NULL;
  c->unused[c->nunused++] = tag;
}

/* Its tag may be used again. */
static void over(struct client *c, struct ask *a) {
  if (a->over)
    return;
  a->over = true;
  unuse(c, a->tag);
  struct ask *last = c->live[--c->nlive];
  c->live[a->place] = last;
  last->place = a->place;
}

static void forget(struct client *c) {
  for (size_t tag = 0; tag < STYX_NOTAG; tag++) {
    struct ask *a = c->by_tag[tag];
    if (!a)
      continue;
    if (!a->over)
      c->by_tag[a->tag] = NULL;
    for (unsigned i = a->gone; i < a->n; i++)
      c->by_tag[a->flush[i]] = NULL;
    free(a);
  }
  c->nlive = 0;
  c->resetting = false;
  all_tags_unused(c);
}

static void hear_rflush(struct client *c, struct ask *a, uint16_t tag) {
  must(a->gone < a->n && a->flush[a->gone] == tag, "F10: Rflushes come in order");
  a->gone++;
  c->rflushes++;
  unuse(c, tag);
  over(c, a);
  if (a->gone == a->n)
    free(a);
}

static void hear_reply(struct client *c, struct ask *a, const styx_msg *r) {
  must(!a->over && !a->replied, "F5, F6: one reply, before the Rflush");
  must(r->type == STYX_Rerror || r->type == (a->kind == CLUNKS ? STYX_Rclunk : STYX_Rread), "the reply is of its kind");
  if (r->type == STYX_Rread)
    must(r->count == 8 && memcmp(r->data, &a->serial, 8) == 0, "F4: the reply is to this user of the tag");
  must(a->kind != LEFT, "what was left to itself is not heard of");
  must(r->type != STYX_Rerror || a->kind == WAITS, "only what waits ends by an error");
  must(a->kind != WAITS || a->n, "what waits ends when it is flushed");
  c->replies++;
  c->errors += r->type == STYX_Rerror;
  a->replied = true;
  if (a->gone == a->n) {
    over(c, a);
    free(a);
  }
}

static void hear(struct client *c, const styx_msg *r) {
  if (r->type == STYX_Rversion) {
    must(c->resetting, "it was asked for");
    forget(c);
    return;
  }
  must(r->tag != STYX_NOTAG && c->by_tag[r->tag], "F6, F16: nothing comes under a tag that is free");
  struct ask *a = c->by_tag[r->tag];
  bool is_flush = a->over || a->tag != r->tag;
  must((r->type == STYX_Rflush) == is_flush, "F2: a Tflush gets an Rflush, and nobody else");
  if (is_flush)
    hear_rflush(c, a, r->tag);
  else
    hear_reply(c, a, r);
}

static void hear_some(struct client *c) {
  ssize_t n = recv(c->fd, c->in + c->have, sizeof c->in - c->have, 0);
  must(n > 0, "the loop does not hang up");
  c->have += (size_t)n;
  size_t at = 0;
  styx_msg r;
  for (ptrdiff_t used; (used = styx_decode(&r, c->in + at, c->have - at, MSIZE, STYX_9P2000)) != 0;
       at += (size_t)used) {
    must(used > 0, "the loop speaks 9P");
    hear(c, &r);
  }
  memmove(c->in, c->in + at, c->have - at);
  c->have -= at;
}

static bool settled(const struct client *c) { return !c->requests && !c->nlive && c->nunused == STYX_NOTAG; }

static void converse(struct client *c, unsigned until) {
  while (c->requests > until || (!until && !settled(c))) {
    struct pollfd p = {.fd = c->fd, .events = POLLIN | POLLOUT};
    if (c->resetting || (!c->requests && !c->nlive))
      p.events = POLLIN;
    if (poll(&p, 1, -1) < 0)
      continue;
    if (p.revents & POLLIN)
      hear_some(c);
    else if (p.revents & POLLOUT)
      say_something(c);
  }
}

/* ---- conversations ---- */

static void run(const char *what, unsigned requests, unsigned resets, unsigned until, uint64_t seed) {
  static struct loop l;
  static struct client c;
  pthread_t thread;
  int ends[2];
  memset(&l, 0, sizeof l);
  memset(&c, 0, sizeof c);
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "a socket");
  must(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0, "a socket that does not block");
  l.fd = ends[0];
  c.fd = ends[1];
  c.random = seed * 0x9E3779B97F4A7C15u | 1;
  c.requests = requests;
  c.resets = resets;
  all_tags_unused(&c);
  must(styx_flush_new(&l.f, NULL) == STYX_OK, "memory");
  must(pthread_create(&thread, NULL, serve, &l) == 0, "a thread");
  converse(&c, until);
  close(c.fd);
  pthread_join(thread, NULL);
  must(until || c.resets == 0, "every Tversion was sent");
  must(l.told && l.dropped && c.replies && c.rflushes && c.errors, "everything has happened");
  printf("ok %s: %u replies (%u errors), %u Rflushes, %u told, %u not written\n", what, c.replies, c.errors, c.rflushes,
         l.told, l.dropped);
  forget(&c);
  close(l.fd);
  free(l.out);
  styx_flush_free(l.f);
}

static void hung(int sig) {
  static const char text[] = "styxflush_stress: hung: an answer was lost, or a thread never returned\n";
  (void)sig;
  (void)!write(STDERR_FILENO, text, sizeof text - 1);
  _exit(1);
}

int main(int argc, char **argv) {
  static pthread_t workers[WORKERS];
  const char *given = getenv("STYX_SEED");
  uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
  unsigned requests = 20000;
  pthread_attr_t attr;
  if (argc == 3 && strcmp(argv[1], "--requests") == 0 && strtoul(argv[2], NULL, 10) >= 8 * LIVE) {
    requests = (unsigned)strtoul(argv[2], NULL, 10);
  } else if (argc != 1) {
    fprintf(stderr, "usage: styxflush_stress [--requests N]\nN is at least %d\n", 8 * LIVE);
    return 2;
  }
  printf("seed: STYX_SEED=%llu, %d workers\n", (unsigned long long)seed, WORKERS);
  fflush(stdout);
  signal(SIGALRM, hung);
  if (requests <= 20000)
    alarm(PATIENCE);
  list_init(&todo);
  list_init(&done);
  must(pipe(bell) == 0 && fcntl(bell[0], F_SETFL, O_NONBLOCK) == 0, "a pipe");
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, STACK);
  for (uintptr_t i = 0; i < WORKERS; i++)
    must(pthread_create(&workers[i], &attr, work, (void *)(2 * i + 1)) == 0, "a thread");
  run("to the end", requests, 0, 0, seed);
  run("with Tversions", requests, 10, 0, seed + 1);
  run("hung up", requests, 0, requests / 2, seed + 2);
  pthread_mutex_lock(&todo.lock);
  todo.closed = true;
  pthread_cond_broadcast(&todo.more);
  pthread_mutex_unlock(&todo.lock);
  for (int i = 0; i < WORKERS; i++)
    pthread_join(workers[i], NULL);
  pthread_attr_destroy(&attr);
  printf("3 passed, 0 failed\n");
  return 0;
}
