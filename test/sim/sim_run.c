/* sim_run.c: what every program has that plays schedules: the dice, the last events, violations, and the command line.
 *
 *   PROGRAM [--seeds N] [--start SEED] [--steps N] [-v]
 *
 * Each schedule follows from its seed alone. On a violation the last events are printed, the seed, and the command that shows
 * it again (-v prints all events of one schedule); the exit status is 1. */
#include "sim.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RING = 80, LINE = 200 };
static char ring[RING][LINE];
static unsigned ring_at;
static const struct sim_program *prog;
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
  sim_leave(w, 1);
}

_Noreturn void sim_full(struct sim *w) { sim_leave(w, 2); }

static void replay_command(char *out, size_t cap) {
  snprintf(out, cap, "%s: seed %llu; to see it: %s --start %llu --seeds 1 --steps %d -v\n", prog->name,
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

/* On a stack of its own, since that of the session or of a thread may have run over. */
static void catch_crashes(void) {
  static char stack[1 << 16];
  const stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
  const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
  sigaltstack(&alternative, NULL);
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGABRT, &action, NULL);
}

void __asan_on_error(void);
void __asan_on_error(void) { say_seed(); }

/* What the clients send, and how the filesystem answers. */
void sim_limits_of_time(struct sim *w) {
  if (sim_chance(w, 15))
    w->limits.request = 1 + sim_roll(w, 5000000);
  if (sim_chance(w, 15))
    w->limits.flush_bound = 1 + sim_roll(w, 5000000);
}

void sim_throw_client_dice(struct sim *w) {
  static const unsigned msgs[16] = {4, 14, 4, 8, 4, 10, 6, 1, 10, 1, 6, 2, 3, 3, 1, 1};
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
  w->p_would_block = (int)sim_roll(w, 80);
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
    prog->play(w);
  return how != 1;
}

_Noreturn static void report(struct sim *w, uint64_t seed, int steps, bool verbose, uint64_t nth) {
  char first[512], command[300];
  memcpy(first, w->why, sizeof first);
  if (!verbose) {
    ring_at = 0;
    bool again = !run_seed(w, seed, steps, true, false);
    if (!again || strcmp(first, w->why) != 0)
      printf("%s: played again it went differently: %s\n", prog->name, again ? w->why : "no violation");
    for (unsigned i = ring_at > RING ? ring_at - RING : 0; i < ring_at; i++)
      printf("  %s\n", ring[i % RING]);
  }
  replay_command(command, sizeof command);
  printf("%s: VIOLATION in schedule %llu: %s\n%s", prog->name, (unsigned long long)nth, first, command);
  fflush(stdout);
  _exit(1); /* the world stays as it was: no talk of leaks */
}

static uint64_t number(const char *arg, const char *flag) {
  char *end;
  errno = 0;
  unsigned long long v = arg ? strtoull(arg, &end, 0) : 0;
  if (!arg || errno || *end || end == arg) {
    fprintf(stderr, "%s: %s needs a number\n", prog->name, flag);
    exit(2);
  }
  return v;
}

int sim_run(const struct sim_program *p, int argc, char **argv) {
  uint64_t seeds = p->seeds, start = 1, steps = (uint64_t)p->steps;
  bool verbose = false;
  prog = p;
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
      fprintf(stderr, "usage: %s [--seeds N] [--start SEED] [--steps N] [-v]\n", p->name);
      return 2;
    }
  }
  catch_crashes();
  static struct sim world;
  struct sim *w = &world;
  printf("%s: seeds %llu to %llu, %d steps each\n", p->name, (unsigned long long)start,
         (unsigned long long)(start + seeds - 1), (int)steps);
  fflush(stdout);
  time_t told = time(NULL);
  uint64_t replies = 0, errors = 0, flushes = 0, silent = 0, checks = 0;
  for (uint64_t i = 0; i < seeds; i++) {
    if (!run_seed(w, start + i, (int)steps, verbose, verbose))
      report(w, start + i, (int)steps, verbose, i + 1);
    replies += w->replies, errors += w->errors, flushes += w->flushes, silent += w->silent, checks += w->checks;
    if (time(NULL) - told >= 10) {
      told = time(NULL);
      printf("%s: %llu of %llu\n", p->name, (unsigned long long)(i + 1), (unsigned long long)seeds);
      fflush(stdout);
    }
  }
  printf("%s: %llu schedules, %llu replies (%llu errors), %llu flushes (%llu silent), %llu moments of rest: no "
         "violation\n",
         p->name, (unsigned long long)seeds, (unsigned long long)replies, (unsigned long long)errors,
         (unsigned long long)flushes, (unsigned long long)silent, (unsigned long long)checks);
  return 0;
}
