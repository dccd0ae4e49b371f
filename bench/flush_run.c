/* flush_run.c: the loop. A part without flushes for comparison, the part with them, and the end, in which every slot's file is
 * read once more. */
#include "flush.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64 };
static const uint64_t second = 1000000000, look_every = 50000000, wait_most = 10000000;

static volatile sig_atomic_t stopped;
static void stop(int sig) {
  (void)sig;
  stopped = 1;
}

/* ---- one connection ---- */

static void gone(struct fl_conn *c) {
  uint64_t limit = (uint64_t)(c->run->o->patience * 1e9);
  if (!c->down)
    c->down = c->run->now;
  if (c->run->now - c->down < (limit < second ? limit : second))
    return;
  const char *rule = c->run->last_churn;
  fl_violation(c, rule ? rule : "hangup", "server-gone", -1, STYX_NOFID,
               "no new connection: the server is gone, or stuck%s",
               !rule                      ? ""
               : strcmp(rule, "F14") == 0 ? "; the last unusual event was a request with a tag that is in use"
               : strcmp(rule, "F17") == 0 ? "; the last unusual event was a hangup with work outstanding"
                                          : "; the last unusual event was a Tversion with work outstanding");
  c->stage = FL_DEAD;
}

static void reconnect(struct fl_conn *c) {
  if (c->run->phase == FL_DRAIN) {
    c->stage = FL_DEAD;
    return;
  }
  if (!fl_conn_dial(c)) {
    gone(c);
    return;
  }
  c->down = 0;
  fl_script_start(c);
  fl_tags_forget(c);
}

/* One unusual event after the other, so that it is clear which of them the server has died of. */
static bool settled(const struct fl_run *r) {
  return !r->churned || (r->churned->stage == FL_RUNNING && !r->churned->fallen);
}

static void pump(struct fl_conn *c) {
  if (c->stage == FL_DEAD)
    return;
  if (c->fallen || (c->stage == FL_WASTE && c->run->now >= c->waste_until))
    fl_conn_close(c, false);
  if (c->fd < 0)
    reconnect(c);
  if (c->stage == FL_RUNNING) {
    fl_plan_due(c);
    for (unsigned i = 0; i < c->run->o->depth; i++)
      fl_choose(c, &c->slots[i]);
    if (c->until_churn == 0 && c->run->phase == FL_LOADED && settled(c->run))
      fl_churn(c);
  }
  fl_conn_write(c);
}

/* ---- phases ---- */

static bool slots_done(const struct fl_conn *c) {
  if (fl_tags_outstanding(c) > 0)
    return false;
  for (unsigned i = 0; c->run->phase == FL_DRAIN && i < c->run->o->depth; i++) {
    const struct fl_slot *s = &c->slots[i];
    if (s->at != FL_FREE || s->unsure || s->probe || (!s->verified && !s->blocked))
      return false;
  }
  return true;
}

static bool all(const struct fl_run *r, bool (*is)(const struct fl_conn *c)) {
  for (unsigned i = 0; i < r->o->conns; i++)
    if (r->conns[i].stage != FL_DEAD && !is(&r->conns[i]))
      return false;
  return true;
}

static bool runs(const struct fl_conn *c) { return c->stage == FL_RUNNING; }
static bool rests(const struct fl_conn *c) { return c->stage == FL_RUNNING && slots_done(c); }

static bool all_dead(const struct fl_run *r) {
  for (unsigned i = 0; i < r->o->conns; i++)
    if (r->conns[i].stage != FL_DEAD)
      return false;
  return true;
}

static void enter(struct fl_run *r, enum fl_phase phase, double secs) {
  r->phase = (uint8_t)phase;
  r->phase_start = r->now;
  r->phase_ops = 0;
  r->deadline = r->now + (uint64_t)(secs * 1e9);
  for (unsigned i = 0; phase == FL_DRAIN && i < r->o->conns; i++)
    for (unsigned k = 0; k < r->o->depth; k++)
      r->conns[i].slots[k].verified = r->conns[i].slots[k].read_all = false;
}

static double cpu(void) { return (double)clock() / CLOCKS_PER_SEC; }

static double phase_secs(const struct fl_run *r) { return (double)(r->now - r->phase_start) / 1e9; }

static bool phase_over(const struct fl_run *r, uint64_t ops) {
  const struct fl_options *o = r->o;
  return stopped || all_dead(r) || (o->most && r->result.violations >= o->most) ||
         (o->ops ? r->phase_ops >= ops : r->now >= r->deadline);
}

static void stuck(struct fl_run *r) {
  for (unsigned i = 0; i < r->o->conns; i++)
    if (r->conns[i].stage != FL_DEAD && !rests(&r->conns[i])) {
      fl_violation(&r->conns[i], "answer", "no-rest", -1, STYX_NOFID, "the connection does not come to rest");
      return;
    }
}

static void next_phase(struct fl_run *r) {
  const struct fl_options *o = r->o;
  if (r->phase == FL_BASELINE && phase_over(r, o->ops / 4)) {
    r->result.base_secs = phase_secs(r);
    enter(r, FL_SETTLE, o->patience * 3);
  } else if (r->phase == FL_SETTLE && (all(r, rests) || r->now >= r->deadline)) {
    enter(r, FL_LOADED, o->secs);
    r->cpu_start = cpu();
  } else if (r->phase == FL_LOADED && phase_over(r, o->ops)) {
    r->result.secs = phase_secs(r);
    r->result.client_share = (cpu() - r->cpu_start) / r->result.secs;
    enter(r, FL_DRAIN, o->patience * 3);
  } else if (r->phase == FL_DRAIN && (all(r, rests) || r->now >= r->deadline)) {
    if (r->now >= r->deadline)
      stuck(r);
    r->phase = FL_OVER;
  }
}

/* ---- the loop ---- */

static struct timespec until_next(const struct fl_run *r) {
  uint64_t then = r->now + wait_most;
  for (unsigned i = 0; i < r->o->conns; i++) {
    const struct fl_conn *c = &r->conns[i];
    if (c->stage == FL_DEAD)
      continue;
    if (c->fallen || (c->out_len && !c->watched))
      return (struct timespec){0};
    then = fl_plan_next(c, then);
  }
  uint64_t ns = then > r->now ? then - r->now : 0;
  return (struct timespec){.tv_nsec = (long)ns};
}

static void progress(const struct fl_run *r) {
  static const char *const names[] = {"without flushes", "settling", "with flushes", "looking at every file", "over"};
  if (r->o->quiet || !isatty(STDERR_FILENO))
    return;
  fprintf(stderr, "\r\033[K%s: %.0f s, %llu messages received, %llu violations", names[r->phase], phase_secs(r),
          (unsigned long long)r->result.messages, (unsigned long long)r->result.violations);
}

static void look(struct fl_run *r) {
  static uint64_t looked, shown;
  if (r->now - looked < look_every)
    return;
  looked = r->now;
  for (unsigned i = 0; i < r->o->conns; i++)
    if (r->conns[i].stage < FL_WASTE && !r->conns[i].fallen)
      fl_late(&r->conns[i]);
  if (r->now - shown < second)
    return;
  shown = r->now;
  progress(r);
}

static void turn(struct fl_run *r) {
  struct epoll_event events[EVENTS];
  r->now = fl_clock();
  for (unsigned i = 0; i < r->o->conns; i++)
    pump(&r->conns[i]);
  struct timespec timeout = until_next(r);
  int n = epoll_pwait2(r->poller, events, EVENTS, &timeout, NULL);
  r->now = fl_clock();
  for (int i = 0; i < n; i++)
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
      fl_conn_read(events[i].data.ptr);
  look(r);
}

static void loop(struct fl_run *r) {
  r->now = fl_clock();
  enter(r, FL_SETTLE, r->o->patience);
  while (!all(r, runs) && r->now < r->deadline && !stopped)
    turn(r);
  enter(r, FL_BASELINE, r->o->secs / 4);
  while (r->phase != FL_OVER) {
    turn(r);
    next_phase(r);
  }
  if (!r->o->quiet && isatty(STDERR_FILENO))
    fputs("\r\033[K", stderr);
}

static bool make_conns(struct fl_run *r) {
  r->conns = calloc(r->o->conns, sizeof *r->conns);
  bool good = r->conns != NULL;
  for (unsigned i = 0; r->conns && i < r->o->conns; i++)
    good = fl_conn_init(&r->conns[i], r, i) && good;
  if (!good)
    fputs("styxbench: out of memory\n", stderr);
  return good;
}

static void settle_process(void) {
  struct rlimit files;
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

static void free_run(struct fl_run *r) {
  for (unsigned i = 0; r->conns && i < r->o->conns; i++)
    fl_conn_fini(&r->conns[i]);
  for (unsigned i = 0; i < r->ntexts; i++) {
    free(r->texts[i].text);
    free(r->texts[i].excerpt);
  }
  free(r->conns);
  if (r->poller >= 0)
    close(r->poller);
}

int fl_main(int argc, char **argv) {
  static struct fl_options o;
  static struct fl_run r; /* histograms are large */
  fl_options_parse(&o, argc, argv);
  settle_process();
  r = (struct fl_run){.o = &o, .serial = 1, .poller = epoll_create1(EPOLL_CLOEXEC), .phase = FL_SETTLE};
  fl_fill(r.shared, sizeof r.shared, o.seed);
  bool good = make_conns(&r) && fl_setup(&r);
  if (good)
    loop(&r);
  for (unsigned i = 0; good && i < o.conns; i++)
    fl_conn_close(&r.conns[i], false);
  if (r.made)
    fl_cleanup(&r);
  if (good) {
    fl_report(&r);
    good = !o.svg || fl_svg(&r, o.svg);
  }
  int status = !good ? 2 : r.result.violations ? 1 : 0;
  free_run(&r);
  return status;
}
