/* interrupt.c: a signal for a handler that is stuck in a system call.
 *
 * A signal that comes just before the thread enters the call is lost on it. So the callback of the request does not send
 * one: it starts a timer that sends one every millisecond to that thread, until the thread itself stops it. */
#include "server/interrupt.h"

#include <styx/server.h>

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc has the field and no name for it */
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { AGAIN = 1000000 }; /* ns */

/* Of one thread that runs handlers. Whoever runs the cancel callback gets at it from ring only. */
struct interrupt {
  int signal;    /* 0: off */
  bool made;     /* timer and rung are */
  timer_t timer; /* stopped, save from ring to end */
  sem_t rung;    /* posted once by each ring, taken by the end that it belongs to */
  styx_req *req; /* from begin to end */
};

static _Thread_local struct interrupt own;

static void nothing(int signal) { (void)signal; }

/* ---- one thread ---- */

void sx_interrupt_join(int signal) { own.signal = signal; }

void sx_interrupt_leave(void) {
  if (!own.made)
    return;
  timer_delete(own.timer);
  sem_destroy(&own.rung);
  own.made = false;
}

/* Once for each thread, when first needed. */
static bool make(void) {
  struct sigevent event = {
      .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = own.signal, .sigev_notify_thread_id = gettid()};
  if (own.made || own.signal == 0)
    return own.made;
  if (timer_create(CLOCK_MONOTONIC, &event, &own.timer))
    return false;
  sem_init(&own.rung, 0, 0);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, own.signal);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* whoever started the thread may have blocked everything */
  return own.made = true;
}

/* first in ns; 0: stop. Fails only for arguments that are wrong. */
static void set_timer(timer_t timer, long first) {
  const struct itimerspec spec = {.it_value.tv_nsec = first, .it_interval.tv_nsec = first ? AGAIN : 0};
  timer_settime(timer, 0, &spec, NULL);
}

/* The cancel callback. The thread that i belongs to does not leave end before the post. */
static void ring(styx_req *req, void *interrupt) {
  struct interrupt *i = interrupt;
  (void)req;
  set_timer(i->timer, 1);
  sem_post(&i->rung);
}

bool styx_interruptible_begin(styx_req *req) {
  assert(!own.req);
  if (!make())
    return false;
  own.req = req;
  if (styx_req_on_cancel(req, NULL, NULL))
    styx_req_on_cancel(req, ring, &own);
  else
    ring(req, &own); /* the callback of an earlier pair has been called, and is called once only */
  return true;
}

void styx_interruptible_end(void) {
  int err = errno;
  if (!own.req)
    return;
  if (!styx_req_on_cancel(own.req, NULL, NULL)) {
    while (sem_wait(&own.rung)) /* ring has begun; EINTR is its own signal */
      continue;
    /* What the timer has sent is pending for this thread, and is taken before this returns. */
    set_timer(own.timer, 0);
  }
  own.req = NULL;
  errno = err;
}

/* ---- the whole program ---- */

bool sx_interrupt_allowed(int signal) {
  return signal == 0 || signal == SIGUSR1 || signal == SIGUSR2 || (signal >= SIGRTMIN && signal <= SIGRTMAX);
}

styx_err sx_interrupt_install(int signal) {
  const struct sigaction ours = {.sa_handler = nothing}; /* without SA_RESTART, or no call would end */
  struct sigaction before;
  if (signal == 0)
    return STYX_OK;
  if (sigaction(signal, NULL, &before))
    return errno;
  if (before.sa_flags & SA_SIGINFO || before.sa_handler != SIG_DFL)
    return EBUSY;
  return sigaction(signal, &ours, NULL) ? errno : STYX_OK;
}

void sx_interrupt_uninstall(int signal) {
  const struct sigaction none = {.sa_handler = SIG_DFL};
  if (signal)
    sigaction(signal, &none, NULL);
}
