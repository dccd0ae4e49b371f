/* yield.h: included before everything else in each source of the server and the session that sim_stages runs. Every atomic
 * operation, lock and thread call of theirs goes to the simulation's scheduler first (stages_task.c); with STAGE_LOCKS_ONLY,
 * for counters, which order nothing, not the atomic ones. */
#ifndef SIM_YIELD_H
#define SIM_YIELD_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

void stage_yield(void);
bool stage_weak_fails(void); /* a weak compare-and-swap may fail for no reason */
int stage_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr);
int stage_mutex_destroy(pthread_mutex_t *m);
int stage_mutex_lock(pthread_mutex_t *m);
int stage_mutex_unlock(pthread_mutex_t *m);
int stage_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr);
int stage_cond_destroy(pthread_cond_t *c);
int stage_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int stage_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int stage_cond_signal(pthread_cond_t *c);
int stage_cond_broadcast(pthread_cond_t *c);
int stage_create(pthread_t *t, const pthread_attr_t *attr, void *(*main)(void *), void *arg);
int stage_join(pthread_t t, void **result);
int stage_sched_yield(void);
int stage_clock_gettime(clockid_t clock, struct timespec *now);

#define pthread_mutex_init stage_mutex_init
#define pthread_mutex_destroy stage_mutex_destroy
#define pthread_mutex_lock stage_mutex_lock
#define pthread_mutex_unlock stage_mutex_unlock
#define pthread_cond_init stage_cond_init
#define pthread_cond_destroy stage_cond_destroy
#define pthread_cond_wait stage_cond_wait
#define pthread_cond_timedwait stage_cond_timedwait
#define pthread_cond_signal stage_cond_signal
#define pthread_cond_broadcast stage_cond_broadcast
#define pthread_create stage_create
#define pthread_join stage_join
#define sched_yield stage_sched_yield
#define clock_gettime stage_clock_gettime

#ifndef STAGE_LOCKS_ONLY
#ifdef __clang__
#define STAGE_LOAD(p, mo) __c11_atomic_load(p, mo)
#define STAGE_STORE(p, v, mo) __c11_atomic_store(p, v, mo)
#define STAGE_SWAP(p, v, mo) __c11_atomic_exchange(p, v, mo)
#define STAGE_ADD(p, v, mo) __c11_atomic_fetch_add(p, v, mo)
#define STAGE_SUB(p, v, mo) __c11_atomic_fetch_sub(p, v, mo)
#define STAGE_OR(p, v, mo) __c11_atomic_fetch_or(p, v, mo)
#define STAGE_AND(p, v, mo) __c11_atomic_fetch_and(p, v, mo)
#define STAGE_CAS(p, e, v, s, f) __c11_atomic_compare_exchange_strong(p, e, v, s, f)
#else
#define STAGE_LOAD(p, mo) __atomic_load_n(p, mo)
#define STAGE_STORE(p, v, mo) __atomic_store_n(p, v, mo)
#define STAGE_SWAP(p, v, mo) __atomic_exchange_n(p, v, mo)
#define STAGE_ADD(p, v, mo) __atomic_fetch_add(p, v, mo)
#define STAGE_SUB(p, v, mo) __atomic_fetch_sub(p, v, mo)
#define STAGE_OR(p, v, mo) __atomic_fetch_or(p, v, mo)
#define STAGE_AND(p, v, mo) __atomic_fetch_and(p, v, mo)
#define STAGE_CAS(p, e, v, s, f) __atomic_compare_exchange_n(p, e, v, false, s, f)
#endif

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_thread_fence
#define atomic_load_explicit(p, mo) (stage_yield(), STAGE_LOAD(p, mo))
#define atomic_store_explicit(p, v, mo) (stage_yield(), STAGE_STORE(p, v, mo))
#define atomic_exchange_explicit(p, v, mo) (stage_yield(), STAGE_SWAP(p, v, mo))
#define atomic_fetch_add_explicit(p, v, mo) (stage_yield(), STAGE_ADD(p, v, mo))
#define atomic_fetch_sub_explicit(p, v, mo) (stage_yield(), STAGE_SUB(p, v, mo))
#define atomic_fetch_or_explicit(p, v, mo) (stage_yield(), STAGE_OR(p, v, mo))
#define atomic_fetch_and_explicit(p, v, mo) (stage_yield(), STAGE_AND(p, v, mo))
#define atomic_compare_exchange_strong_explicit(p, e, v, s, f) (stage_yield(), STAGE_CAS(p, e, v, s, f))
#define atomic_compare_exchange_weak_explicit(p, e, v, s, f)                                                           \
  (stage_yield(), stage_weak_fails() ? (*(e) = STAGE_LOAD(p, f), false) : STAGE_CAS(p, e, v, s, f))
#define atomic_thread_fence(mo) stage_yield()
#endif

#endif
