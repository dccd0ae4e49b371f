/* delay.c: operations that wait before they begin: parked, or on the thread that runs them. */
#include "fs/filters/filter.h"

#include "base/alloc.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MILLISECOND = 1000000, SECOND = 1000000000 };
#define MOST_MS (INT32_MAX * 1000ull) /* some 68 years */

/* ---- keys ---- */

static const char *set_ms(struct styx_filter *f, styx_str value) {
  uint64_t ms = 0;
  if (!sx_filter_number(value, MOST_MS, &ms) || ms == 0)
    return "is no number of milliseconds from 1 on";
  f->delay.ns = ms * MILLISECOND;
  return NULL;
}

static const char *set_for(struct styx_filter *f, styx_str value) {
  f->delay.ever = styx_str_is(value, "ever");
  return f->delay.ever ? NULL : "is not \"ever\"; ms= has a number";
}

static const char *set_how(struct styx_filter *f, styx_str value) {
  static const char *const hows[] = {[SX_PARK] = "park", [SX_BLOCK] = "block", [SX_HOG] = "hog"};
  for (int how = SX_PARK; how <= SX_HOG; how++)
    if (styx_str_is(value, hows[how])) {
      f->delay.how = (enum sx_how)how;
      return NULL;
    }
  return "is not park, block or hog";
}

static const char *lacks(const struct styx_filter *f) {
  if (f->delay.ns && f->delay.ever)
    return "has both ms= and for=ever: leave one out";
  return f->delay.ns || f->delay.ever ? NULL : "needs ms=N, in milliseconds, or for=ever";
}

/* ---- time ---- */

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static struct timespec timespec_of(uint64_t ns) {
  return (struct timespec){.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)};
}

/* The timer shall ring at due, which is not 0. lock held. */
static void arm(struct sx_delay *d, uint64_t due) {
  const struct itimerspec when = {.it_value = timespec_of(due)};
  timerfd_settime(d->timer, TFD_TIMER_ABSTIME, &when, NULL);
  d->armed = true;
}

/* ---- park: no thread waits. Who takes a request off the list, under the lock, ends it ---- */

static void interrupt(styx_req *req, void *arg) {
  (void)arg;
  styx_reply_interrupted(req);
}

static void parked_cancelled(styx_req *req, void *arg) {
  struct sx_parked *p = arg;
  struct sx_delay *d = &p->filter->delay;
  pthread_mutex_lock(&d->lock);
  bool ours = sx_linked(&p->link);
  if (ours)
    sx_unlink(&p->link);
  else
    p->cancelled = true; /* park has not listed it yet: it answers */
  pthread_mutex_unlock(&d->lock);
  if (!ours)
    return;
  sx_free(&p->filter->alloc, p, sizeof *p);
  styx_reply_interrupted(req);
}

static styx_answer park(struct styx_filter *f, styx_req *req) {
  struct sx_delay *d = &f->delay;
  if (d->ever) {
    styx_req_on_cancel(req, interrupt, NULL);
    return styx_later(req);
  }
  struct sx_parked *p = sx_zalloc(&f->alloc, sizeof *p);
  if (!p)
    return styx_reply_error(req, ENOMEM);
  p->filter = f;
  p->req = req;
  /* Armed first: once it is listed, a tick may hand it on at any time, and then it is not ours to touch. */
  styx_req_on_cancel(req, parked_cancelled, p);
  pthread_mutex_lock(&d->lock);
  bool cancelled = p->cancelled;
  if (!cancelled) {
    p->due = now() + d->ns;
    sx_list_push(&d->list, &p->link);
    if (!d->armed)
      arm(d, p->due);
  }
  pthread_mutex_unlock(&d->lock);
  if (!cancelled)
    return styx_later(req);
  sx_free(&f->alloc, p, sizeof *p);
  return styx_reply_interrupted(req);
}

static struct sx_parked *parked_of(struct sx_link *l) { return SX_OF(struct sx_parked, link, l); }

/* Move to ours what is due and can be disarmed: of the others the callback has started and waits for the lock. The first that
 * is not due sets the timer. lock held. */
static void take_due(struct sx_delay *d, struct sx_link *ours) {
  const uint64_t at = now();
  struct sx_link *l = d->list.next, *next;
  for (; l != &d->list && parked_of(l)->due <= at; l = next) {
    next = l->next;
    if (styx_req_on_cancel(parked_of(l)->req, NULL, NULL)) {
      sx_unlink(l);
      sx_list_push(ours, l);
    }
  }
  d->armed = false;
  if (l != &d->list)
    arm(d, parked_of(l)->due);
}

void styx_filter_tick(styx_filter *f) {
  struct sx_delay *d = &f->delay;
  struct sx_link ours, *l;
  uint64_t rings;
  if (styx_filter_fd(f) < 0)
    return;
  sx_list_init(&ours);
  pthread_mutex_lock(&d->lock);
  (void)!read(d->timer, &rings, sizeof rings); /* nothing there: it was early, and will ring */
  take_due(d, &ours);
  pthread_mutex_unlock(&d->lock);
  while ((l = sx_list_pop(&ours))) {
    struct sx_parked *p = parked_of(l);
    styx_req *req = p->req;
    sx_free(&f->alloc, p, sizeof *p);
    styx_reply_pass(req, &f->inner);
  }
}

int styx_filter_fd(const styx_filter *f) { return f->kind == &sx_filter_delay ? f->delay.timer : -1; }

/* ---- block and hog: this thread waits ---- */

struct blocked {
  struct sx_delay *delay;
  pthread_cond_t wake;
  bool cancelled; /* lock */
};

static void blocked_cancelled(styx_req *req, void *arg) {
  struct blocked *b = arg;
  (void)req;
  pthread_mutex_lock(&b->delay->lock);
  b->cancelled = true;
  pthread_cond_signal(&b->wake); /* under the lock: then nobody has left with b */
  pthread_mutex_unlock(&b->delay->lock);
}

static void init_wake(pthread_cond_t *wake) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(wake, &attr);
  pthread_condattr_destroy(&attr);
}

/* Until the callback has run, or until the time is up, unless until is NULL. */
static void wait_cancelled(struct blocked *b, const struct timespec *until) {
  int rc = 0;
  pthread_mutex_lock(&b->delay->lock);
  while (!b->cancelled && rc != ETIMEDOUT)
    rc =
        until ? pthread_cond_timedwait(&b->wake, &b->delay->lock, until) : pthread_cond_wait(&b->wake, &b->delay->lock);
  pthread_mutex_unlock(&b->delay->lock);
}

static styx_answer block(struct styx_filter *f, styx_req *req) {
  struct blocked b = {.delay = &f->delay};
  const struct timespec until = timespec_of(now() + f->delay.ns);
  init_wake(&b.wake);
  styx_req_on_cancel(req, blocked_cancelled, &b);
  wait_cancelled(&b, f->delay.ever ? NULL : &until);
  bool passes = styx_req_on_cancel(req, NULL, NULL);
  if (!passes) /* its callback has begun, and b is its own until it has come to its end */
    wait_cancelled(&b, NULL);
  pthread_cond_destroy(&b.wake);
  return passes ? styx_pass(req, &f->inner) : styx_reply_interrupted(req);
}

/* ---- the filter ---- */

static styx_answer any(styx_req *req, enum styx_op op) {
  struct styx_filter *f = styx_req_ctx(req);
  if (!sx_filter_hits(f, req, op))
    return styx_pass(req, &f->inner);
  return f->delay.how == SX_PARK ? park(f, req) : block(f, req);
}

static styx_err start(struct styx_filter *f) {
  struct sx_delay *d = &f->delay;
  sx_list_init(&d->list);
  d->timer = -1;
  if (d->how == SX_PARK && !d->ever) {
    d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (d->timer < 0)
      return errno;
  }
  if (d->how != SX_PARK)
    f->table.nowait &= ~f->ops;
  if (d->how == SX_BLOCK)
    f->table.blocking |= f->ops;
  int err = pthread_mutex_init(&d->lock, NULL);
  if (err && d->timer >= 0)
    close(d->timer);
  return err;
}

static void end(struct styx_filter *f) {
  if (f->delay.timer >= 0)
    close(f->delay.timer);
  pthread_mutex_destroy(&f->delay.lock);
}

static const struct sx_filter_key keys[] = {{"op", sx_filter_set_ops},
                                            {"path", sx_filter_set_path},
                                            {"ms", set_ms},
                                            {"for", set_for},
                                            {"how", set_how},
                                            {NULL, NULL}};

const struct sx_filter_kind sx_filter_delay = {.name = "delay",
                                               .keys = keys,
                                               .ops = SX_FILTER_CANCELLABLE,
                                               .any = any,
                                               .lacks = lacks,
                                               .start = start,
                                               .end = end};
