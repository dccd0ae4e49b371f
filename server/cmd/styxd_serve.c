/* styxd_serve.c: the server while it runs: signals, numbers, and the end. */
#include "styxd.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EARS = 2 };

struct serving {
  const struct styxd_options *options;
  styx_server *server;
  const struct styxd_filters *filters;
  int signals, bell;
  struct pollfd *ears; /* what the main thread waits for: both, and the filters that have something to do in time */
  bool stopping;
  pthread_t stopper;
  _Atomic bool idle, stopped; /* atomic: told by the bell */
  styx_err verdict;           /* of styx_server_stop, once stopped */
};

static void say_error(const char *what, styx_err err) { styxd_log(NULL, STYX_LOG_ERROR, "", what, styx_err_text(err)); }

/* ---- the end: styx_server_stop blocks, so it has a thread, and signals go on being heard ---- */

static void *stop_main(void *arg) {
  struct serving *s = arg;
  s->verdict = styx_server_stop(s->server, s->options->grace, NULL);
  atomic_store_explicit(&s->stopped, true, memory_order_release); /* pairs with: hear_bell */
  eventfd_write(s->bell, 1);
  return NULL;
}

static void stop(struct serving *s) {
  if (s->stopping) {
    styx_server_hurry(s->server);
    return;
  }
  s->stopping = true;
  styxd_notify("STOPPING=1");
  if (pthread_create(&s->stopper, NULL, stop_main, s)) {
    stop_main(s);
    s->stopper = pthread_self();
  }
}

/* The last connection has gone; any thread. */
static void hear_idle(void *arg) {
  struct serving *s = arg;
  atomic_store_explicit(&s->idle, true, memory_order_relaxed);
  eventfd_write(s->bell, 1);
}

/* ---- numbers ---- */

typedef size_t text_fn(styx_server *, char *, size_t);

static void print_numbers(styx_server *server, text_fn *text) {
  size_t cap = text(server, NULL, 0) + 4096; /* they grow meanwhile */
  char *buf = malloc(cap);
  size_t len = buf ? text(server, buf, cap) : 0;
  if (len < cap)
    fwrite(buf, 1, len, stderr);
  free(buf);
}

/* ---- the main thread ---- */

static void hear_signals(struct serving *s) {
  struct signalfd_siginfo info;
  while (read(s->signals, &info, sizeof info) == sizeof info)
    if (info.ssi_signo != SIGUSR1) {
      stop(s);
    } else {
      print_numbers(s->server, styx_server_stats_json);
      print_numbers(s->server, styx_server_stats_prometheus);
    }
}

/* True when it is over. */
static bool hear_bell(struct serving *s) {
  eventfd_t count;
  eventfd_read(s->bell, &count);
  if (atomic_load_explicit(&s->idle, memory_order_relaxed) && s->options->once && !s->stopping)
    stop(s);
  return atomic_load_explicit(&s->stopped, memory_order_acquire);
}

static void wait_for_end(struct serving *s) {
  do {
    if (poll(s->ears, EARS + s->filters->n, -1) < 0)
      continue;
    for (size_t i = 0; i < s->filters->n; i++)
      if (s->ears[EARS + i].revents)
        styx_filter_tick(s->filters->list[i]);
    hear_signals(s);
  } while (!hear_bell(s));
  if (!pthread_equal(s->stopper, pthread_self()))
    pthread_join(s->stopper, NULL);
}

static bool open_ears(struct serving *s) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL); /* in every thread to come */
  s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  s->ears = calloc(EARS + s->filters->n, sizeof *s->ears);
  if (s->signals >= 0 && s->bell >= 0 && s->ears) {
    s->ears[0] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    s->ears[1] = (struct pollfd){.fd = s->bell, .events = POLLIN};
    for (size_t i = 0; i < s->filters->n; i++)
      s->ears[EARS + i] = (struct pollfd){.fd = styx_filter_fd(s->filters->list[i]), .events = POLLIN};
    return true;
  }
  say_error("cannot wait for signals", (styx_err)errno);
  return false;
}

static styx_err listen_on_all(struct serving *s, struct styxd_listener *listeners, size_t n) {
  styx_err err = STYX_OK;
  for (size_t i = 0; i < n && !err; i++) {
    err = styx_server_listen(s->server, listeners[i].fd);
    listeners[i].given = !err;
  }
  return err;
}

static void adopt_all(struct serving *s) {
  const struct styxd_options *o = s->options;
  for (size_t i = 0; i < o->ninherited; i++)
    if (o->inherited[i].connected)
      styx_server_adopt(s->server, o->inherited[i].fd, o->inherited[i].peer); /* else logged, and closed */
}

static styx_err run(struct serving *s, const struct styxd_job *job) {
  styx_err err = listen_on_all(s, job->listeners, job->nlisteners);
  if (!err)
    err = styx_server_start(s->server);
  if (err) {
    say_error("cannot serve", err);
    return err;
  }
  adopt_all(s);
  job->ready(job->arg);
  wait_for_end(s);
  return s->verdict;
}

int styxd_serve(const struct styxd_job *job) {
  static struct serving s;
  const struct styxd_options *o = s.options = job->options;
  s.filters = job->filters;
  const styx_server_config config = {.size = sizeof config,
                                     .exports = job->exports,
                                     .nexports = o->nexports,
                                     .limits = &o->limits,
                                     .workers = o->workers,
                                     .readers = o->readers,
                                     .no_lending = o->no_lending,
                                     .spare = o->spare,
                                     .run_quota = o->run_quota,
                                     .connections = o->max_connections,
                                     .log = styxd_log,
                                     .trace = o->trace ? styxd_log_message : NULL,
                                     .tap = o->trace_file ? styxd_trace_message : NULL,
                                     .idle = hear_idle,
                                     .arg = &s};
  if (!open_ears(&s))
    return STYXD_FAILED;
  styx_err err = styx_server_new(&s.server, &config);
  if (err) {
    say_error("cannot make the server", err);
    return STYXD_FAILED;
  }
  err = run(&s, job);
  if (err == STYX_EBUSY) /* nothing is freed under those who are stuck */
    return STYXD_FAILED;
  styx_server_free(s.server);
  close(s.signals);
  close(s.bell);
  free(s.ears);
  return err ? STYXD_FAILED : STYXD_OK;
}
