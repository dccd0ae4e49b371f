/* stages_lock.c: what yield.h puts in the place of pthreads and of atomic operations. */
#include "stages.h"

#include "yield.h"

#include <errno.h>

struct lock {
  struct task *owner;
  uint64_t made;
};
_Static_assert(sizeof(struct lock) <= sizeof(pthread_mutex_t), "a lock fits into a mutex");
enum { MADE = 0x10c4ed };

static struct lock *lock_of(pthread_mutex_t *m, const char *doing) {
  struct lock *l = (struct lock *)(void *)m;
  if (l->made != MADE)
    sim_fail(stage.w, "%s a lock that is none", doing);
  return l;
}

static bool is_free(const void *on) { return !((const struct lock *)on)->owner; }

bool task_wants_lock(const struct task *t) { return t->state == T_WAITS && t->ready == is_free; }

int stage_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr) {
  (void)attr;
  *(struct lock *)(void *)m = (struct lock){NULL, MADE};
  return 0;
}

int stage_mutex_destroy(pthread_mutex_t *m) {
  struct lock *l = (struct lock *)(void *)m;
  if (l->made == MADE && l->owner) /* of a server that was never made whole it may be none */
    sim_fail(stage.w, "a lock is destroyed while %s has it", l->owner->name);
  l->made = 0;
  return 0;
}

int stage_mutex_lock(pthread_mutex_t *m) {
  task_yield();
  struct lock *l = lock_of(m, "locking");
  if (l->owner == task_me)
    sim_fail(stage.w, "%s locks what it has locked", task_me->name);
  while (l->owner)
    task_wait(is_free, l, UINT64_MAX);
  l->owner = task_me;
  task_me->locks++;
  return 0;
}

int stage_mutex_unlock(pthread_mutex_t *m) {
  struct lock *l = lock_of(m, "unlocking");
  if (l->owner != task_me)
    sim_fail(stage.w, "%s unlocks what it has not locked", task_me->name);
  l->owner = NULL;
  task_me->locks--;
  task_yield();
  return 0;
}

int stage_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr) {
  (void)c, (void)attr;
  return 0;
}

int stage_cond_destroy(pthread_cond_t *c) {
  if (tasks_on(c))
    sim_fail(stage.w, "a condition is destroyed while somebody waits for it");
  return 0;
}

static int wait_for(pthread_cond_t *c, pthread_mutex_t *m, uint64_t until) {
  struct lock *l = lock_of(m, "waiting with");
  if (l->owner != task_me)
    sim_fail(stage.w, "%s waits for a condition without its lock", task_me->name);
  l->owner = NULL;
  task_me->locks--;
  task_no_locks("waits");
  bool woken = task_sleep(c, until, true);
  stage_mutex_lock(m);
  return woken ? 0 : ETIMEDOUT;
}

int stage_cond_wait(pthread_cond_t *c, pthread_mutex_t *m) { return wait_for(c, m, UINT64_MAX); }

int stage_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until) {
  return wait_for(c, m, (uint64_t)until->tv_sec * 1000000000u + (uint64_t)until->tv_nsec);
}

int stage_cond_signal(pthread_cond_t *c) {
  task_yield();
  task_wake(c, 1);
  return 0;
}

int stage_cond_broadcast(pthread_cond_t *c) {
  task_yield();
  task_wake(c, NTASK);
  return 0;
}

int stage_create(pthread_t *t, const pthread_attr_t *attr, void *(*main)(void *), void *arg) {
  (void)attr;
  task_yield();
  bool fails = stage.w->fails && sim_chance(stage.w, 4);
  stage.short_of_memory |= fails;
  stage.short_of_threads |= fails;
  struct task *made = fails ? NULL : task_new("thread", main, arg);
  if (!made)
    return EAGAIN;
  *t = (pthread_t)(made - task_of(0));
  return 0;
}

static bool is_over(const void *on) { return ((const struct task *)on)->state == T_OVER; }

int stage_join(pthread_t t, void **result) {
  (void)result;
  if (t == 0 || t >= (pthread_t)task_count())
    sim_fail(stage.w, "a thread is joined that was never made");
  task_no_locks("joins");
  if (!is_over(task_of((int)t)))
    task_wait(is_over, task_of((int)t), UINT64_MAX);
  return 0;
}

int stage_clock_gettime(clockid_t clock, struct timespec *now) {
  (void)clock;
  *now = (struct timespec){(time_t)(stage.w->now / 1000000000u), (long)(stage.w->now % 1000000000u)};
  return 0;
}

int stage_sched_yield(void) {
  task_yield();
  task_schedule();
  return 0;
}

void stage_yield(void) { task_yield(); }

bool stage_weak_fails(void) { return task_me != task_of(0) && sim_chance(stage.w, stage.p_weak); }
