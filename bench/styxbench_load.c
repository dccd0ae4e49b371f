/* styxbench_load.c: when operations begin, and how long they took: the loop of a generator thread.
 *
 * Closed loop: a slot begins its next operation when it has the answer to the last. Open loop: operation k of a thread is to
 * begin at a time that k alone decides, and its latency counts from there, however late a slot was free for it; so a server
 * that stalls is charged for everything that would have come meanwhile. */
#include "styxbench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, TICK_MS = 50 };
static const uint64_t second = 1000000000, open_patience = 2000000000, noticeable = 1000000;

uint64_t bench_clock(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * second + (uint64_t)ts.tv_nsec;
}

static bool is_open(const struct bench_run *r) { return r->options->rate > 0; }
static uint64_t end_of(const struct bench_run *r) { return atomic_load_explicit(&r->end, memory_order_relaxed); }

void bench_done(struct bench_thread *t, struct bench_conn *c, uint16_t slot) {
  const struct bench_run *r = t->run;
  uint64_t start = c->slots[slot].start, counts = is_open(r) ? start : t->now, end = end_of(r);
  if (counts >= r->begin && counts < end && !(r->op->rare && c->slots[slot].step > 0))
    sx_hist_add(&t->hist, t->now - start);
  if (t->now >= r->begin && t->now < end) {
    uint64_t ops = atomic_load_explicit(&t->ops, memory_order_relaxed);
    atomic_store_explicit(&t->ops, ops + 1, memory_order_relaxed); /* one writer */
  }
  if (!is_open(r) && t->now < end)
    bench_conn_begin(t, c, 0);
}

/* When the thread's operation k is to begin. */
static uint64_t intended(const struct bench_thread *t, uint64_t k) {
  const struct bench_options *o = t->run->options;
  return t->run->start + (uint64_t)(((double)k * o->threads + t->index) * 1e9 / o->rate);
}

static struct bench_conn *next_free(struct bench_thread *t) {
  for (;;) {
    struct bench_conn *c = &t->conns[t->next_conn];
    t->next_conn = (t->next_conn + 1) % t->nconns;
    if (c->nidle > 0)
      return c;
  }
}

/* Open loop: begin what is due, as far as slots are free. */
static void begin_due(struct bench_thread *t) {
  uint64_t end = end_of(t->run), due;
  while (t->idle > 0 && (due = intended(t, t->issued)) <= t->now && due < end) {
    struct bench_conn *c = next_free(t);
    if (t->now - due > noticeable && due >= t->run->begin)
      t->late++;
    bench_conn_begin(t, c, due);
    t->issued++;
    if (!c->dirty)
      t->dirty[t->ndirty++] = c;
    c->dirty = true;
  }
}

static void flush_dirty(struct bench_thread *t) {
  for (unsigned i = 0; i < t->ndirty; i++) {
    t->dirty[i]->dirty = false;
    if (!bench_conn_flush(t, t->dirty[i]))
      return;
  }
  t->ndirty = 0;
}

/* Wake for the next one. */
static void arm(struct bench_thread *t) {
  uint64_t due = intended(t, t->issued);
  struct itimerspec at = {.it_value = {.tv_sec = (time_t)(due / second), .tv_nsec = (long)(due % second)}};
  if (t->idle > 0 && due < end_of(t->run))
    timerfd_settime(t->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void begin_closed(struct bench_thread *t) {
  for (unsigned i = 0; i < t->nconns; i++) {
    while (t->conns[i].nidle > 0)
      bench_conn_begin(t, &t->conns[i], 0);
    if (!bench_conn_flush(t, &t->conns[i]))
      return;
  }
}

static bool finished(struct bench_thread *t) {
  uint64_t end = end_of(t->run);
  bool none = t->idle == t->nconns * t->run->options->depth;
  if (t->now < end)
    return false;
  if (!is_open(t->run))
    return none || (t->now - end > BENCH_PATIENCE * second &&
                    !bench_fail(t, "the server did not answer for %d seconds", BENCH_PATIENCE));
  return (none && intended(t, t->issued) >= end) || t->now - end > open_patience;
}

/* What was due and has no answer counts with the time that it has waited: a lower bound. */
static void count_behind(struct bench_thread *t) {
  const struct bench_run *r = t->run;
  uint64_t due, end = end_of(r);
  for (unsigned i = 0; i < t->nconns; i++) {
    for (unsigned s = 0; s < r->options->depth; s++) {
      const struct bench_slot *slot = &t->conns[i].slots[s];
      if (slot->busy && slot->start >= r->begin && slot->start < end) {
        t->behind++;
        sx_hist_add(&t->hist, t->now - slot->start);
      }
    }
  }
  for (; (due = intended(t, t->issued)) < end; t->issued++) {
    if (due >= r->begin) {
      t->behind++;
      sx_hist_add(&t->hist, t->now - due);
    }
  }
}

static void handle(struct bench_thread *t, const struct epoll_event *ev) {
  uint64_t expirations;
  if (!ev->data.ptr)
    (void)!read(t->timer, &expirations, sizeof expirations);
  else if (ev->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
    bench_conn_receive(t, ev->data.ptr);
  else
    bench_conn_flush(t, ev->data.ptr);
}

static bool any_failed(const struct bench_thread *t) {
  return atomic_load_explicit(&t->run->failed, memory_order_relaxed);
}

static void loop(struct bench_thread *t) {
  struct epoll_event events[EVENTS];
  if (!is_open(t->run))
    begin_closed(t);
  while (!any_failed(t)) {
    t->now = bench_clock();
    if (is_open(t->run)) {
      begin_due(t);
      flush_dirty(t);
      arm(t);
    }
    if (finished(t))
      break;
    int n = epoll_wait(t->poller, events, EVENTS, TICK_MS);
    for (int i = 0; i < n && !any_failed(t); i++)
      handle(t, &events[i]);
  }
  t->now = bench_clock();
  if (is_open(t->run) && !any_failed(t))
    count_behind(t);
}

static bool watch(struct bench_thread *t, int fd, void *ptr) {
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = ptr};
  return epoll_ctl(t->poller, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static bool prepare(struct bench_thread *t) {
  t->poller = epoll_create1(EPOLL_CLOEXEC);
  t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  t->buffer = malloc(BENCH_RECV);
  t->dirty = calloc(t->nconns, sizeof(struct bench_conn *));
  t->idle = t->nconns * t->run->options->depth;
  bool good = t->poller >= 0 && t->timer >= 0 && t->buffer && t->dirty && watch(t, t->timer, NULL);
  for (unsigned i = 0; good && i < t->nconns; i++)
    good = watch(t, t->conns[i].fd, &t->conns[i]);
  return good || bench_fail(t, "cannot start a generator thread: %s", strerror(errno));
}

void *bench_load_main(void *thread) {
  struct bench_thread *t = thread;
  uint64_t cpu = bench_thread_cpu();
  if (prepare(t))
    loop(t);
  t->cpu_ns = bench_thread_cpu() - cpu;
  if (t->poller >= 0)
    close(t->poller);
  if (t->timer >= 0)
    close(t->timer);
  free(t->buffer);
  free(t->dirty);
  return NULL;
}
