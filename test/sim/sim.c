/* sim.c: the first simulation of the session: seeded schedules of one to three connections over one filesystem.
 *
 *   sim [--seeds N] [--start SEED] [--steps N] [-v]
 *
 * Each schedule follows from its seed alone. On a violation it prints the last events, the seed and the command that shows
 * it again (-v prints all events of one schedule), and exits 1. */
#include "sim.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As many as take some 20 seconds. */
#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(address_sanitizer) ||                 \
    HAS_FEATURE(thread_sanitizer)
enum { SEEDS = 15000 };
#else
enum { SEEDS = 150000 };
#endif

enum { RING = 80, LINE = 200 };
static char ring[RING][LINE];
static unsigned ring_at;
static const char *program;
static uint64_t seed_now;
static int steps_now;

/* ---- dice ---- */

static uint64_t next_random(struct sim *w) { /* splitmix64 */
  uint64_t x = w->rng += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint32_t sim_roll(struct sim *w, uint32_t n) { return n ? (uint32_t)((next_random(w) >> 32) * n >> 32) : 0; }

bool sim_chance(struct sim *w, int percent) { return (int)sim_roll(w, 100) < percent; }

/* ---- events and violations ---- */

void sim_note(struct sim *w, const char *fmt, ...) {
  if (!w->tracing)
    return;
  va_list args;
  va_start(args, fmt);
  char *line = ring[ring_at++ % RING];
  vsnprintf(line, LINE, fmt, args);
  va_end(args);
  if (w->live_trace)
    fprintf(stderr, "%s\n", line);
}

_Noreturn void sim_fail(struct sim *w, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(w->why, sizeof w->why, fmt, args);
  va_end(args);
  longjmp(w->out, 1);
}

static void replay_command(char *out, size_t cap) {
  snprintf(out, cap, "sim: seed %llu; to see it: %s --start %llu --seeds 1 --steps %d -v\n",
           (unsigned long long)seed_now, program, (unsigned long long)seed_now, steps_now);
}

/* A crash in the session must say its seed too. */
static void say_seed(void) {
  char text[300];
  replay_command(text, sizeof text);
  ssize_t n = write(2, text, strlen(text));
  (void)n;
}

static void on_signal(int sig) {
  say_seed();
  signal(sig, SIG_DFL);
  raise(sig);
}

void __asan_on_error(void);
void __asan_on_error(void) { say_seed(); }

/* ---- steps ---- */

enum step { SEND, FEED, TAKE, RUN, ANSWER, RETIRE, DRAIN, TICK, HANGUP, QUIET, PROMPT, NSTEPS };

static void step_prompt(struct conn *c) {
  struct sim *w = c->w;
  if (c->closed_by_peer || !styx_session_wants_input(c->s))
    return;
  sim_feed(c, c->tx_len);
  while (!c->closed_by_peer && sim_drain(c, SIZE_MAX))
    continue;
  if (c->closed_by_peer || !styx_session_wants_input(c->s) || c->rx_len)
    return;
  sim_oracle_prompt(c);
  sim_fs_check_told(w, c);
}

static void step_quiet(struct conn *c) {
  struct sim *w = c->w;
  if (w->depth || c->closed_by_peer)
    return;
  sim_settle_all(c);
  if (!c->closed_by_peer && c->garbage)
    sim_fail(w, "the session went on although framing was lost");
  if (!c->closed_by_peer)
    sim_oracle_quiet(c);
}

static void step_tick(struct conn *c) {
  struct sim *w = c->w;
  uint64_t jump = w->big_time && sim_chance(w, 3) ? 20000000000u : 1000000;
  w->now += sim_roll(w, 1000) * jump / 1000;
  uint64_t due = styx_session_deadline(c->s);
  styx_session_tick(c->s, sim_now_of(c));
  if (styx_session_ended(c->s) && !c->closed_by_peer && due > sim_now_of(c))
    sim_fail(w, "the session ended before its deadline: %s", styx_session_ended(c->s));
  (void)sim_check_ended(c);
}

static void step_of(struct conn *c, enum step what) {
  struct sim *w = c->w;
  switch (what) {
  case SEND:
    for (uint32_t n = 1 + sim_roll(w, 4); n; n--)
      sim_client_send(c);
    break;
  case FEED:
    if (!c->closed_by_peer && (styx_session_wants_input(c->s) || sim_chance(w, 10)))
      sim_feed(c, sim_chance(w, w->p_split) ? sim_roll(w, 40) : c->tx_len);
    break;
  case TAKE:
    for (uint32_t n = 1 + sim_roll(w, 4); n && sim_take_work(c); n--)
      continue;
    break;
  case RUN:
    sim_run_work(c);
    break;
  case ANSWER:
    (void)sim_answer_one(w, NULL);
    break;
  case RETIRE:
    (void)sim_retire(c);
    break;
  case DRAIN:
    if (!c->closed_by_peer)
      (void)sim_drain(c, sim_chance(w, w->p_split) ? sim_roll(w, 60) : SIZE_MAX);
    break;
  case TICK:
    step_tick(c);
    break;
  case HANGUP:
    if (!c->hung && (c->closed_by_peer || sim_chance(w, 10)))
      sim_hangup(c);
    break;
  case QUIET:
    step_quiet(c);
    break;
  case PROMPT:
    step_prompt(c);
    break;
  case NSTEPS:
    break;
  }
}

static void step(struct sim *w) {
  struct conn *c = &w->conns[sim_roll(w, (uint32_t)w->nconn)];
  if (!c->s) {
    if (!w->depth && sim_chance(w, 50))
      sim_conn_open(w, c);
    return;
  }
  if (!w->depth && c->hung && sim_chance(w, 10)) {
    sim_conn_close(c);
    return;
  }
  unsigned total = 0, at = 0;
  for (int i = 0; i < NSTEPS; i++)
    total += w->step_weight[i];
  unsigned roll = sim_roll(w, total);
  while (roll >= w->step_weight[at])
    roll -= w->step_weight[at++];
  step_of(c, (enum step)at);
}

void sim_nest(struct sim *w) {
  if (w->quiet || w->depth >= 3 || !sim_chance(w, w->p_nest))
    return;
  w->depth++;
  sim_note(w, "     meanwhile {");
  for (uint32_t n = 1 + sim_roll(w, 8); n; n--)
    step(w);
  sim_note(w, "     }");
  w->depth--;
}

/* ---- one schedule ---- */

static void throw_dice(struct sim *w) {
  static const unsigned msgs[16] = {4, 14, 4, 8, 4, 10, 6, 1, 10, 1, 6, 2, 3, 3, 1, 1};
  static const unsigned steps[NSTEPS] = {12, 12, 14, 16, 12, 12, 12, 2, 1, 1, 3};
  for (int i = 0; i < NSTEPS; i++) {
    w->step_weight[i] = 4 * steps[i] * (1 + sim_roll(w, 4));
    w->step_weight[i] /= 1 + sim_roll(w, 3);
  }
  w->step_weight[HANGUP] = sim_chance(w, 50) ? 0 : sim_roll(w, 12);
  w->step_weight[QUIET] = 1 + sim_roll(w, 12);
  for (int i = 0; i < 16; i++)
    w->msg_weight[i] = msgs[i] * sim_roll(w, 8);
  w->msg_weight[0]++;
  if (sim_chance(w, 30))
    w->msg_weight[14] = 0;
  if (sim_chance(w, 90))
    w->msg_weight[15] = 0;
  w->p_later = (int)sim_roll(w, 100);
  w->p_nest = sim_chance(w, 50) ? (int)sim_roll(w, 60) : 0;
  w->p_error = (int)sim_roll(w, 20);
  w->p_arm = (int)sim_roll(w, 100);
  w->p_split = (int)sim_roll(w, 60);
  w->p_second = sim_chance(w, 50) ? 4 : 0;
  w->p_wrong = (int)sim_roll(w, 15);
  w->wake_driven = sim_chance(w, 50);
  w->big_time = sim_chance(w, 10);
  w->small_limits = sim_chance(w, 20);
  w->fails = sim_chance(w, 15);
  w->fail_at = 1 + sim_roll(w, 400);
  w->fail_for = sim_chance(w, 70) ? 1 : 1 + sim_roll(w, 20);
}

static void configure(struct sim *w) {
  w->limits = styx_limits_default();
  if (w->small_limits) {
    w->limits.requests = 2 + sim_roll(w, 12);
    w->limits.fids = 2 + sim_roll(w, 6);
  }
  if (sim_chance(w, 30))
    w->limits.outbox = sim_roll(w, 2000);
  if ((w->small_held = sim_chance(w, 30)))
    w->limits.held = 2000 + sim_roll(w, 4000);
  sim_conn_hooks(&w->hooks);
  sim_fs_init(w);
  w->exports[0] = (styx_export){.name = "one", .path = "/one", .fs = {&w->ops, w}};
  w->exports[1] = (styx_export){.name = "two", .path = "/two", .fs = {&w->ops, w}, .readonly = true};
  w->config = (styx_session_config){.size = sizeof w->config,
                                    .exports = w->exports,
                                    .nexports = 2,
                                    .limits = &w->limits,
                                    .hooks = &w->hooks,
                                    .send_interrupted = sim_chance(w, 10)};
}

static void play(struct sim *w) {
  throw_dice(w);
  configure(w);
  w->nconn = sim_chance(w, 60) ? 1 : 1 + (int)sim_roll(w, NCONN);
  for (int i = 0; i < w->nconn; i++)
    sim_conn_open(w, &w->conns[i]);
  for (int i = 0; i < w->steps; i++) {
    step(w);
    if (w->nnodes > MAXNODE / 2 || w->ncalls > MAXCALL / 2 || w->nhandles > MAXHANDLE / 2)
      break;
  }
  for (int i = 0; i < w->nconn; i++)
    if (w->conns[i].s) {
      if (sim_chance(w, 50))
        step_quiet(&w->conns[i]);
      sim_conn_close(&w->conns[i]);
    }
  for (int i = 0; i < w->nfds; i++)
    if (w->fd_state[i] == 1)
      sim_fail(w, "cancel descriptor %d is still open", i);
}

/* True when nothing was violated. */
static bool run_seed(struct sim *w, uint64_t seed, int steps, bool tracing, bool live) {
  memset(w, 0, offsetof(struct sim, conns));
  w->nreqs = w->nnodes = w->nhandles = w->ncalls = w->npending = w->nfds = 0;
  w->replies = w->errors = w->flushes = w->silent = w->checks = 0;
  memset(w->fd_state, 0, sizeof w->fd_state);
  for (int i = 0; i < NCONN; i++) {
    w->conns[i].s = NULL;
    w->conns[i].gen = 0;
  }
  w->seed = seed;
  w->rng = seed * 0x2545f4914f6cdd1du + 1;
  w->steps = steps;
  w->tracing = tracing;
  w->live_trace = live;
  w->now = 1000000000;
  seed_now = seed;
  steps_now = steps;
  int how = setjmp(w->out);
  if (how == 0)
    play(w);
  return how != 1;
}

_Noreturn static void report(struct sim *w, uint64_t seed, int steps, bool verbose, uint64_t nth) {
  char first[512], command[300];
  memcpy(first, w->why, sizeof first);
  if (!verbose) {
    ring_at = 0;
    bool again = !run_seed(w, seed, steps, true, false);
    if (!again || strcmp(first, w->why) != 0)
      printf("sim: played again it went differently: %s\n", again ? w->why : "no violation");
    for (unsigned i = ring_at > RING ? ring_at - RING : 0; i < ring_at; i++)
      printf("  %s\n", ring[i % RING]);
  }
  replay_command(command, sizeof command);
  printf("sim: VIOLATION in schedule %llu: %s\n%s", (unsigned long long)nth, first, command);
  fflush(stdout);
  _exit(1); /* the world stays as it was: no talk of leaks */
}

static uint64_t number(const char *arg, const char *flag) {
  char *end;
  errno = 0;
  unsigned long long v = arg ? strtoull(arg, &end, 0) : 0;
  if (!arg || errno || *end || end == arg) {
    fprintf(stderr, "sim: %s needs a number\n", flag);
    exit(2);
  }
  return v;
}

int main(int argc, char **argv) {
  uint64_t seeds = SEEDS, start = 1, steps = 400;
  bool verbose = false;
  program = argv[0];
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--seeds") == 0) {
      seeds = number(argv[i + 1], argv[i]), i++;
    } else if (strcmp(argv[i], "--start") == 0) {
      start = number(argv[i + 1], argv[i]), i++;
    } else if (strcmp(argv[i], "--steps") == 0) {
      steps = number(argv[i + 1], argv[i]), i++;
    } else if (strcmp(argv[i], "-v") == 0) {
      verbose = true;
    } else {
      fprintf(stderr, "usage: sim [--seeds N] [--start SEED] [--steps N] [-v]\n");
      return 2;
    }
  }
  signal(SIGSEGV, on_signal);
  signal(SIGABRT, on_signal);
  sim_learn_session_size();
  static struct sim world;
  struct sim *w = &world;
  printf("sim: seeds %llu to %llu, %d steps each\n", (unsigned long long)start, (unsigned long long)(start + seeds - 1),
         (int)steps);
  fflush(stdout);
  time_t told = time(NULL);
  uint64_t replies = 0, errors = 0, flushes = 0, silent = 0, checks = 0;
  for (uint64_t i = 0; i < seeds; i++) {
    if (!run_seed(w, start + i, (int)steps, verbose, verbose))
      report(w, start + i, (int)steps, verbose, i + 1);
    replies += w->replies, errors += w->errors, flushes += w->flushes, silent += w->silent, checks += w->checks;
    if (time(NULL) - told >= 10) {
      told = time(NULL);
      printf("sim: %llu of %llu\n", (unsigned long long)(i + 1), (unsigned long long)seeds);
      fflush(stdout);
    }
  }
  printf("sim: %llu schedules, %llu replies (%llu errors), %llu flushes (%llu silent), %llu moments of rest: no "
         "violation\n",
         (unsigned long long)seeds, (unsigned long long)replies, (unsigned long long)errors,
         (unsigned long long)flushes, (unsigned long long)silent, (unsigned long long)checks);
  return 0;
}
