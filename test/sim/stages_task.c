/* stages_task.c: threads as tasks on stacks of their own. Who runs passes the baton at yield points only, so everything
 * follows from the dice. */
#include "stages.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define WITH_TSAN 1
#else
#define WITH_TSAN 0
#endif

enum { STACK = 256 * 1024, MANY = 400000 };

struct fiber {
  ucontext_t context;
  char *stack; /* NULL: the world's, which the system made */
  size_t size;
  void *fake, *tsan;
};

static struct sim *world;
static struct fiber fibers[NTASK];
static struct task tasks[NTASK];
static int ntasks;
static bool eager_world, world_rests;
static int leaving; /* how, once somebody has called sim_leave */
static unsigned long switches;
struct task *task_me = tasks;

struct task *task_of(int i) {
  return &tasks[i];
}

int task_count(void) { return ntasks; }

/* ---- passing the baton ---- */

static void arrived(void) {
#if WITH_ASAN
  const void *bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(task_me->fiber->fake, &bottom, &size);
  if (!fibers[0].size && switches == 1) {
    fibers[0].stack = (char *)(uintptr_t)bottom;
    fibers[0].size = size;
  }
#endif
}

static void pass(struct task *to) {
  struct task *from = task_me;
  switches++;
  task_me = to;
#if WITH_ASAN
  __sanitizer_start_switch_fiber(from->state == T_OVER ? NULL : &from->fiber->fake, to->fiber->stack, to->fiber->size);
#endif
#if WITH_TSAN
  __tsan_switch_to_fiber(to->fiber->tsan, 0);
#endif
  /* Not swapcontext, of which AddressSanitizer says that it may not understand it; it has been told above. */
  volatile bool back = false;
  getcontext(&from->fiber->context);
  if (!back) {
    back = true;
    setcontext(&to->fiber->context);
  }
  arrived();
}

static bool can_run(const struct task *t) {
  if (t->state == T_RUNS)
    return true;
  return t->state == T_WAITS && (t->woken || (t->ready && t->ready(t->on)) || t->until <= world->now);
}

/* By dice and weight; the world when nobody else can. */
static struct task *choose(void) {
  struct task *can[NTASK];
  unsigned total = 0;
  int n = 0;
  for (int i = 1; i < ntasks; i++)
    if (can_run(&tasks[i])) {
      can[n++] = &tasks[i];
      total += tasks[i].weight;
    }
  world_rests = n == 0;
  if (n == 0)
    return tasks;
  if (eager_world) {
    can[n++] = tasks;
    total += tasks[0].weight;
  }
  unsigned roll = sim_roll(world, total), at = 0;
  while (roll >= can[at]->weight)
    roll -= can[at++]->weight;
  return can[at];
}

void task_schedule(void) {
  struct task *next = choose();
  if (next != task_me)
    pass(next);
}

void task_shuffle(struct sim *w) {
  for (int i = 0; i < NTASK; i++)
    tasks[i].weight = 1u << sim_roll(w, sim_chance(w, 50) ? 2 : 8);
}

void task_yield(void) {
  if (task_me == tasks)
    return;
  if (++world->steps > MANY)
    sim_fail(world, "no rest after %d steps", MANY);
  if (sim_chance(world, stage.p_switch))
    task_schedule();
}

bool tasks_run(struct sim *w, bool eager) {
  assert(task_me == tasks);
  eager_world = eager;
  struct task *next = choose();
  if (next != tasks)
    pass(next);
  if (leaving)
    longjmp(w->out, leaving);
  return world_rests;
}

_Noreturn void sim_leave(struct sim *w, int how) {
  if (task_me == tasks)
    longjmp(w->out, how);
  leaving = how;
  pass(tasks);
  abort(); /* nobody comes back here */
}

/* ---- tasks ---- */

static void enter(void) {
  arrived();
  struct task *t = task_me;
  t->main(t->arg);
  t->state = T_OVER;
  task_schedule();
  abort();
}

static void fiber_make(struct fiber *f) {
  if (!f->stack) {
    void *p = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    assert(p != MAP_FAILED);
    f->stack = p;
    f->size = STACK;
  }
#if WITH_ASAN
  __asan_unpoison_memory_region(f->stack, f->size); /* whoever had it may have been left in the middle */
#endif
#if WITH_TSAN
  if (f->tsan)
    __tsan_destroy_fiber(f->tsan);
  f->tsan = __tsan_create_fiber(0);
#endif
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->stack;
  f->context.uc_stack.ss_size = f->size;
  f->context.uc_link = NULL;
  f->fake = NULL;
  makecontext(&f->context, enter, 0);
}

struct task *task_new(const char *name, void *(*main)(void *), void *arg) {
  if (ntasks == NTASK)
    return NULL;
  struct task *t = &tasks[ntasks];
  unsigned weight = t->weight;
  fiber_make(&fibers[ntasks]);
  *t = (struct task){
      .fiber = &fibers[ntasks], .name = name, .state = T_RUNS, .main = main, .arg = arg, .weight = weight};
  ntasks++;
  return t;
}

void tasks_reset(struct sim *w) {
  world = w;
  ntasks = 1;
  leaving = 0;
  task_me = tasks;
  memset(tasks, 0, sizeof tasks);
  tasks[0] = (struct task){.fiber = fibers, .name = "world", .state = T_RUNS};
#if WITH_TSAN
  fibers[0].tsan = __tsan_get_current_fiber();
#endif
  task_shuffle(w);
}

/* ---- waiting ---- */

void task_wait(bool (*ready)(const void *on), const void *on, uint64_t until) {
  struct task *t = task_me;
  t->state = T_WAITS;
  t->ready = ready;
  t->on = on;
  t->until = until;
  t->woken = false;
  if (t == tasks)
    sim_fail(world, "the world would wait");
  task_schedule();
  t->state = T_RUNS;
  t->on = NULL;
}

bool task_sleep(const void *on, uint64_t until, bool may_err) {
  task_me->may_err = may_err;
  task_wait(NULL, on, until);
  return task_me->woken;
}

static bool sleeps_on(const struct task *t, const void *on) {
  return t->state == T_WAITS && !t->ready && !t->woken && t->on == on;
}

unsigned tasks_on(const void *on) {
  unsigned n = 0;
  for (int i = 1; i < ntasks; i++)
    n += sleeps_on(&tasks[i], on);
  return n;
}

unsigned task_wake(const void *on, unsigned n) {
  unsigned woken = 0;
  for (; woken < n; woken++) {
    struct task *pick = NULL;
    uint32_t seen = 0;
    for (int i = 1; i < ntasks; i++)
      if (sleeps_on(&tasks[i], on) && sim_roll(world, ++seen) == 0)
        pick = &tasks[i];
    if (!pick)
      break;
    pick->woken = true;
  }
  return woken;
}

bool task_err(struct sim *w) {
  struct task *t = &tasks[sim_roll(w, (uint32_t)ntasks)];
  if (t->state != T_WAITS || t->ready || t->woken || !t->may_err)
    return false;
  sim_note(w, "     %s wakes up for no reason", t->name);
  t->woken = true;
  return true;
}

void task_no_locks(const char *doing) {
  if (task_me->locks)
    sim_fail(world, "%s %s with a lock held", task_me->name, doing);
}
