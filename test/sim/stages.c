/* stages.c: seeded schedules of the real server (sim_run.c has the command line): one server from its making to its end, up to
 * three clients at a time, a filesystem that answers now, later or after it has blocked, and a scheduler that may choose
 * another thread at every atomic operation and lock. */
#include "stages.h"

#include <string.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
/* As many as take some 15 seconds. */
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
enum { SEEDS = 6000 };
#elif defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
enum { SEEDS = 3000 };
#else
enum { SEEDS = 20000 };
#endif

/* ---- what the world does ---- */

enum act { SEND, READ, OPEN, HANGUP, REPLY, RELEASE, TICK, ERR, SHUFFLE, ASK, NACTS };

static void tick(struct sim *w) {
  if (w->draining)
    return; /* else a stop may end before those who run have come to rest */
  w->now += w->big_time && sim_chance(w, 3) ? 20000000000u : sim_roll(w, 1000000);
}

static void act(struct sim *w) {
  struct conn *c = &w->conns[sim_roll(w, (uint32_t)w->nconn)];
  bool here = stage.socks[c->index] != NULL;
  unsigned total = 0, at = 0;
  for (int i = 0; i < NACTS; i++)
    total += w->step_weight[i];
  unsigned roll = sim_roll(w, total);
  while (roll >= w->step_weight[at])
    roll -= w->step_weight[at++];
  switch ((enum act)at) {
  case SEND:
    for (uint32_t n = here ? 1 + sim_roll(w, 4) : 0; n; n--)
      sim_client_send(c);
    break;
  case READ:
    client_reads(c, sim_chance(w, w->p_split) ? sim_roll(w, 60) : SIZE_MAX);
    client_goes(c);
    break;
  case OPEN:
    client_comes(w, c);
    break;
  case HANGUP:
    if (sim_chance(w, 10))
      client_hangs_up(c);
    break;
  case REPLY:
    if (w->npending)
      stage_give(ANSWER, NULL);
    break;
  case RELEASE:
    stage_release(1);
    break;
  case TICK:
    tick(w);
    break;
  case ERR:
    task_err(w);
    break;
  case SHUFFLE:
    if (sim_chance(w, 20))
      task_shuffle(w);
    break;
  case ASK:
    if (stage.server && (!w->draining || stage.stopping) && stage_somebody_free())
      stage_give(w->draining ? HURRY : COUNT, NULL);
    break;
  case NACTS:
    break;
  }
}

/* Nothing can run: whatever waits for us goes on. False: nothing does. */
static bool help(struct sim *w) {
  bool any = false;
  for (int i = 0; i < w->nconn; i++) {
    any |= client_reads(&w->conns[i], SIZE_MAX);
    client_goes(&w->conns[i]);
  }
  if (any)
    return true;
  if (w->npending && stage_helpers_rest() && sim_chance(w, 50))
    return stage_give(ANSWER, NULL);
  if (stage_release(1 + sim_roll(w, 3)))
    return true;
  return w->npending && stage_helpers_rest() && stage_give(ANSWER, NULL);
}

/* Until nothing can run any more, and nobody has set an alarm. Between two alarms somebody may move: then no handler is stuck for
 * long, and together they are. */
static void rest(struct sim *w) {
  enum { MANY = 100 };
  const bool crawls = sim_chance(w, 50);
  tasks_run(w, false);
  rest_reading(w, true);
  for (int still = 0; net_alarm(); still++) {
    if (still == MANY)
      sim_fail(w, "the watch goes on although nothing moves");
    tasks_run(w, false);
    rest_reading(w, false);
    if (crawls && stage_release(1)) {
      still = 0;
      tasks_run(w, false);
    }
  }
  rest_check(w);
}

/* Everything that can happen without the clients' sending happens; then all must be answered and nothing left over. */
static void settle(struct sim *w) {
  do
    rest(w);
  while (help(w));
  for (int i = 0; i < w->nconn; i++) {
    struct conn *c = &w->conns[i];
    if (!stage.socks[i])
      continue;
    if (c->hung || c->closed_by_peer)
      sim_fail(w, "the server keeps the descriptor of client %d, which has gone", i);
    if (c->garbage)
      sim_fail(w, "the session went on although framing was lost");
    c->s = rest_session(c);
    if (!c->s)
      sim_fail(w, "client %d has a socket and no session", i);
    sim_oracle_quiet(c);
  }
}

/* ---- the end ---- */

static void ask_stop(void) {
  stage.stop_asked = true;
  (void)stage_call_boss();
}

static bool unread(const struct sim *w) {
  for (int i = 0; i < w->nconn; i++)
    if (stage.socks[i] && !w->conns[i].hung && stage.socks[i]->out_len)
      return true;
  return false;
}

/* To the next moment for which somebody waits. */
static bool jump(struct sim *w) {
  uint64_t next = UINT64_MAX;
  for (int i = 1; i < task_count(); i++)
    if (task_of(i)->state == T_WAITS && task_of(i)->until < next)
      next = task_of(i)->until;
  if (next == UINT64_MAX)
    return false;
  w->now = next > w->now ? next : w->now;
  stage.stuck_when = stage_held();
  sim_note(w, "     time passes, %u calls are held", stage.stuck_when);
  return true;
}

/* The server ends as soon as nothing is held; time passes only while something is. */
static void finish(struct sim *w) {
  for (;;) {
    rest(w);
    if (stage.over)
      return;
    if ((stage_held() || unread(w)) && sim_chance(w, 40) && jump(w))
      continue;
    if (!help(w) && !stage_call_boss())
      sim_fail(w, "the server does not end although nothing is held");
  }
}

static void check_nothing_left(struct sim *w) {
  int fd;
  for (int i = 0; i < NCONN; i++)
    client_goes(&w->conns[i]);
  if (stage.live)
    sim_fail(w, "%zu bytes are still allocated", stage.live);
  if (!net_all_closed(&fd))
    sim_fail(w, "descriptor %d is still open", fd);
}

/* ---- one schedule ---- */

static void on_log(void *arg, styx_level level, const char *peer, const char *what, const char *detail) {
  (void)level;
  sim_note(arg, "     log: %s %s %s", peer, what, detail);
}

static void on_trace(void *arg, const char *peer, bool out, const styx_msg *m) {
  char text[150];
  styx_msg_print(text, sizeof text, m, STYX_9P2000);
  sim_note(arg, "     %s %s %s", peer, out ? "emits" : "takes", text);
}

#define ONE_OF(w, ...) ((const int[]){__VA_ARGS__}[sim_roll(w, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))])

static void throw_dice(struct sim *w) {
  static const unsigned acts[NACTS] = {14, 12, 6, 2, 8, 8, 4, 2, 2, 1};
  for (int i = 0; i < NACTS; i++)
    w->step_weight[i] = 8 * acts[i] * (1 + sim_roll(w, 4)) / (1 + sim_roll(w, 3));
  sim_throw_client_dice(w);
  w->p_later = sim_chance(w, 30) ? 0 : w->p_later;
  w->threads = true;
  w->big_time = sim_chance(w, 5);
  w->small_limits = sim_chance(w, 15);
  w->fails = sim_chance(w, 15);
  w->fail_at = 1 + sim_roll(w, 250);
  w->fail_for = sim_chance(w, 70) ? 1 : 1 + sim_roll(w, 20);
  stage.p_switch = ONE_OF(w, 2, 5, 10, 20, 40, 70);
  stage.p_weak = ONE_OF(w, 0, 0, 2, 20);
  stage.p_err = ONE_OF(w, 0, 1, 5);
  stage.p_short = ONE_OF(w, 0, 10, 60);
  stage.p_hold = ONE_OF(w, 0, 3, 10, 40);
  w->p_lie = ONE_OF(w, 0, 0, 30, 100);
  stage.small_house = sim_chance(w, 5);
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
  if ((w->small_held = sim_chance(w, 20)))
    w->limits.held = 2000 + sim_roll(w, 4000);
  sim_fs_init(w);
  w->ops.blocking = sim_chance(w, 40) ? 0 : sim_roll(w, UINT32_MAX) & sim_roll(w, UINT32_MAX);
  w->ops.serial = sim_chance(w, 60) ? STYX_PARALLEL : (styx_serial)sim_roll(w, STYX_SERIAL_FS + 1);
  sim_fs_export(w);
  if (sim_chance(w, 40))
    sim_auth_export(w);
  static styx_allocator alloc;
  alloc = (styx_allocator){stage_alloc, stage_free, w};
  stage.config = (styx_server_config){.size = sizeof stage.config,
                                      .exports = w->exports,
                                      .nexports = w->auth ? 3 : 2,
                                      .limits = &w->limits,
                                      .allocator = &alloc,
                                      .workers = 1 + sim_roll(w, 4),
                                      .readers = 1 + sim_roll(w, 2),
                                      .no_lending = sim_chance(w, 30),
                                      .spare = 1 + sim_roll(w, 3),
                                      .run_quota = 1 + sim_roll(w, 4),
                                      .connections = stage.small_house ? 1 + sim_roll(w, 2) : 16,
                                      .log = on_log,
                                      .trace = w->tracing ? on_trace : NULL,
                                      .arg = w};
}

/* No thread of the last schedule, which may have been left in the middle. */
static void set_stage(struct sim *w) {
  static struct sx_stats none;
  sx_stats_join(&none);
  memset(&stage, 0, sizeof stage);
  memset(helpers, 0, sizeof helpers);
  stage.w = w;
  arena_reset();
  net_reset(w);
  tasks_reset(w);
  throw_dice(w);
  configure(w);
  w->steps = 0;
  task_new("boss", stage_boss, w);
  for (int i = 0; i < 2; i++)
    task_new("helper", stage_helper, &helpers[i]);
}

static void play(struct sim *w) {
  int steps = w->steps;
  set_stage(w);
  for (int i = 0; i < NCONN; i++) {
    w->conns[i].w = w;
    w->conns[i].index = i;
    w->conns[i].first = w->conns[i].last = w->conns[i].head = -1;
  }
  w->nconn = sim_chance(w, 40) ? 1 : 1 + (int)sim_roll(w, NCONN);
  int stop_at = sim_chance(w, 50) ? (int)sim_roll(w, (uint32_t)steps) : -1;
  tasks_run(w, false);
  for (int i = 0; i < steps && stage.started && !stage.over; i++) {
    if (tasks_run(w, true) && !net_alarm())
      rest_check(w);
    act(w);
    if (i == stop_at)
      ask_stop();
    if (!stage.stop_asked && sim_chance(w, 1))
      settle(w);
  }
  if (stage.started && !stage.stop_asked && sim_chance(w, 70))
    settle(w);
  for (int i = 0; i < w->nconn && stage.started; i++)
    if (sim_chance(w, 30))
      client_hangs_up(&w->conns[i]);
  if (!stage.over)
    ask_stop();
  finish(w);
  check_nothing_left(w);
}

int main(int argc, char **argv) {
  static const struct sim_program program = {"sim_stages", SEEDS, 600, play};
  return sim_run(&program, argc, argv);
}
