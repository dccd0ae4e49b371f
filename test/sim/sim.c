/* sim.c: the simulation of the session: seeded schedules of one to three connections over one filesystem (sim_run.c has the
 * command line). */
#include "sim.h"

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

/* ---- steps ---- */

enum step { SEND, FEED, TAKE, RUN, ANSWER, RETIRE, DRAIN, TICK, HANGUP, QUIET, PROMPT, NSTEPS };

static void step_prompt(struct conn *c) {
  struct sim *w = c->w;
  if (c->closed_by_peer || !styx_session_wants_input(c->s))
    return;
  sim_feed(c, c->tx_len);
  /* What was passed on, let in, or would have blocked, starts, or is over, when it is retired. */
  if (w->exports[0].fs.ops == &w->front || w->ops.nowait || w->auth)
    sim_retire(c);
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
  static const unsigned steps[NSTEPS] = {12, 12, 14, 16, 12, 12, 12, 2, 1, 1, 3};
  for (int i = 0; i < NSTEPS; i++) {
    w->step_weight[i] = 4 * steps[i] * (1 + sim_roll(w, 4));
    w->step_weight[i] /= 1 + sim_roll(w, 3);
  }
  w->step_weight[HANGUP] = sim_chance(w, 50) ? 0 : sim_roll(w, 12);
  w->step_weight[QUIET] = 1 + sim_roll(w, 12);
  sim_throw_client_dice(w);
  w->wake_driven = sim_chance(w, 50);
  w->big_time = sim_chance(w, 10);
  w->small_limits = sim_chance(w, 20);
  w->fails = sim_chance(w, 15);
  w->fail_at = 1 + sim_roll(w, 400);
  w->fail_for = sim_chance(w, 70) ? 1 : 1 + sim_roll(w, 20);
}

static void configure(struct sim *w) {
  w->limits = styx_limits_default();
  sim_limits_of_time(w);
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
  sim_fs_export(w);
  if (sim_chance(w, 60))
    sim_auth_export(w);
  w->config = (styx_session_config){.size = sizeof w->config,
                                    .exports = w->exports,
                                    .nexports = w->auth ? 3 : 2,
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

/* ---- what sim_run asks of a program ---- */

void sim_hold(struct sim *w, bool must) {
  (void)w, (void)must;
} /* one thread: other steps run inside sim_nest instead */

void sim_hang(struct sim *w) { (void)w; }

_Noreturn void sim_leave(struct sim *w, int how) { longjmp(w->out, how); }

int main(int argc, char **argv) {
  static const struct sim_program program = {"sim", SEEDS, 400, play};
  sim_learn_session_size();
  return sim_run(&program, argc, argv);
}
