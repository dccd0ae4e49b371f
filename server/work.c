/* work.c: who runs what: the worker pool, the run quota of each connection, and the spare workers for what blocks. */
#include "server/pipeline.h"

#include "base/alloc.h"
#include "server/interrupt.h"

#include <sched.h>

/* ---- sorting: c_lock held ---- */

static bool promises(uint32_t mask, int op) { return op >= 0 && (mask >> op & 1); }

/* Close and forget that do not block run where they are found; cancel callbacks and releases never block. */
static bool is_chore(const styx_work_info *info) {
  if (info->op < 0)
    return true;
  return (info->op == STYX_OP_close || info->op == STYX_OP_forget) && !info->may_block &&
         info->fs->ops->serial == STYX_PARALLEL;
}

static enum sx_lane lane_of(const styx_work_info *info) {
  if (is_chore(info))
    return SX_CHORE;
  if (!info->may_block || !promises(info->fs->ops->blocking, info->op))
    return SX_WORKER;
  return info->must_run ? SX_SPARE_MUST : SX_SPARE;
}

static void line_up_work(struct sx_conn *c, styx_work *w, struct sx_found *found) {
  struct sx_link *lists[] = {[SX_CHORE] = &c->c_chores,
                             [SX_WORKER] = &c->c_waiting,
                             [SX_SPARE] = &c->c_blocking,
                             [SX_SPARE_MUST] = &c->c_must};
  sx_list_push(lists[w->w_lane], &w->w_link);
  found->chores |= w->w_lane == SX_CHORE;
  found->blocking |= w->w_lane == SX_SPARE;
  found->must |= w->w_lane == SX_SPARE_MUST;
}

/* Fill the worker queue up to the quota. A popper lowers c_queued, then looks at c_backlog; here c_backlog is set, then
 * c_queued is looked at again: one of the two sees the other. */
static int refill(struct sx_conn *c) {
  struct styx_server *v = c->c_shard->h_server;
  int pushed = 0;
  for (;;) {
    while (!sx_list_empty(&c->c_waiting) &&
           atomic_load_explicit(&c->c_queued, memory_order_seq_cst) < v->v_config.run_quota) {
      styx_work *w = SX_OF(styx_work, w_link, sx_list_pop(&c->c_waiting));
      atomic_fetch_add_explicit(&c->c_queued, 1, memory_order_seq_cst);
      /* The queue holds run_quota for every connection. So if it is full a worker has been stopped in the middle of a pop
       * while the others went all around the ring; it has no lock of ours and goes on. */
      while (!sx_queue_push(&v->v_queue, w))
        sched_yield();
      pushed++;
    }
    bool backlog = !sx_list_empty(&c->c_waiting);
    atomic_store_explicit(&c->c_backlog, backlog, memory_order_seq_cst);
    sx_count(&v->v_stats, SX_N_QUOTA_FULL, backlog);
    if (!backlog || atomic_load_explicit(&c->c_queued, memory_order_seq_cst) >= v->v_config.run_quota)
      return pushed;
  }
}

struct sx_found sx_dispatch(struct sx_conn *c) {
  struct sx_found found = {0};
  styx_work *w;
  while ((w = styx_session_next(c->c_session))) {
    styx_work_info info = styx_work_about(w);
    w->w_lane = (int)lane_of(&info);
    w->w_key = w->w_lane == SX_CHORE ? 0 : sx_serial_key(c, &info);
    /* Whoever uses the connection after the session may be over: the work is counted until it has been run. */
    if (w->w_lane != SX_CHORE)
      atomic_fetch_add_explicit(&c->c_refs, 1, memory_order_relaxed);
    line_up_work(c, w, &found);
  }
  found.pushed = refill(c);
  return found;
}

void sx_dispatch_again(styx_work *w) {
  struct sx_conn *c = styx_work_arg(w);
  struct sx_found found = {0};
  pthread_mutex_lock(&c->c_lock);
  line_up_work(c, w, &found);
  found.pushed = refill(c);
  pthread_mutex_unlock(&c->c_lock);
  sx_found_act(c, found);
}

/* ---- workers ---- */

static void wake(struct styx_server *v, int pushed) {
  if (pushed == 0)
    return;
  sx_count(&v->v_stats, SX_N_QUEUED, (uint64_t)pushed);
  if (sx_park_wake(&v->v_park, pushed, v->v_sys))
    sx_count(&v->v_stats, SX_N_WAKES, 1);
}

bool sx_work_step(struct styx_server *v) {
  styx_work *w = sx_queue_pop(&v->v_queue);
  if (!w)
    return false;
  struct sx_conn *c = styx_work_arg(w);
  int pushed = 0;
  atomic_fetch_sub_explicit(&c->c_queued, 1, memory_order_seq_cst); /* pairs with: refill */
  if (atomic_load_explicit(&c->c_backlog, memory_order_seq_cst)) {
    pthread_mutex_lock(&c->c_lock);
    pushed = refill(c);
    pthread_mutex_unlock(&c->c_lock);
  }
  wake(v, pushed);
  sx_count(&v->v_stats, SX_N_WORKER_RUNS, 1);
  sx_run(&v->v_serial, w);
  return true;
}

void *sx_worker_main(void *server) {
  struct styx_server *v = server;
  sx_stats_join(&v->v_stats);
  sx_interrupt_join(v->v_config.interrupt_signal);
  for (;;) {
    if (sx_work_step(v))
      continue;
    uint32_t ticket = sx_park_announce(&v->v_park);
    if (atomic_load_explicit(&v->v_stop, memory_order_acquire)) {
      sx_park_leave(&v->v_park);
      break;
    }
    if (sx_work_step(v)) {
      sx_park_leave(&v->v_park);
    } else if (!sx_queue_empty(&v->v_queue)) {
      /* A cell is claimed and not yet filled. Whoever filled one behind it has woken us for that; if we slept, the one wake-up
       * that is still to come would have to do for both. */
      sx_park_leave(&v->v_park);
      sched_yield();
    } else {
      sx_park_sleep(&v->v_park, ticket, v->v_sys);
    }
  }
  sx_interrupt_leave();
  return NULL;
}

/* ---- spare workers ---- */

bool sx_spares_init(struct sx_spares *p, unsigned max, const styx_allocator *alloc) {
  p->p_max = max;
  p->p_threads = sx_zalloc(alloc, max * sizeof *p->p_threads);
  sx_list_init(&p->p_turn);
  sx_list_init(&p->p_must);
  pthread_mutex_init(&p->p_lock, NULL);
  pthread_cond_init(&p->p_more, NULL);
  return p->p_threads != NULL;
}

/* The next connection that may have a spare, must-run first; NULL: none. p_lock held. */
static struct sx_conn *find_turn(const struct sx_spares *p, bool *must) {
  *must = !sx_list_empty(&p->p_must);
  if (*must)
    return SX_OF(struct sx_conn, c_must_turn, p->p_must.next);
  if (p->p_busy + 1 >= p->p_max)
    return NULL; /* the last one is kept for must-run work */
  for (struct sx_link *l = p->p_turn.next; l != &p->p_turn; l = l->next) {
    struct sx_conn *c = SX_OF(struct sx_conn, c_turn, l);
    if (c->c_spares < (p->p_max + 1) / 2)
      return c;
  }
  return NULL;
}

/* Take one piece of c's blocking work; *more: it has another. */
static styx_work *take_blocking(struct sx_conn *c, bool must, bool *more) {
  struct sx_link *list = must ? &c->c_must : &c->c_blocking;
  pthread_mutex_lock(&c->c_lock);
  struct sx_link *l = sx_list_pop(list);
  *more = !sx_list_empty(list);
  pthread_mutex_unlock(&c->c_lock);
  return l ? SX_OF(styx_work, w_link, l) : NULL;
}

static void line_up(struct sx_spares *p, struct sx_conn *c, bool must) {
  struct sx_link *l = must ? &c->c_must_turn : &c->c_turn;
  if (!sx_linked(l))
    sx_list_push(must ? &p->p_must : &p->p_turn, l);
}

static void *spare_main(void *spares);
static struct styx_server *server_of(struct sx_spares *p) { return SX_OF(struct styx_server, v_spares, p); }
static struct sx_stats *stats_of(struct sx_spares *p) { return &server_of(p)->v_stats; }

/* Somebody shall look at the turns: a spare that sleeps, or a new one. p_lock held. */
static void summon(struct sx_spares *p) {
  if (p->p_idle)
    pthread_cond_signal(&p->p_more);
  else if (p->p_started < p->p_max && pthread_create(&p->p_threads[p->p_started], NULL, spare_main, p) == 0)
    p->p_started++;
  else /* those that run will come to it */
    sx_count(stats_of(p), SX_N_SPARE_FULL, 1);
}

/* p_lock held on entry and return. False: nothing to do. */
static bool spare_step(struct sx_spares *p) {
  bool must, more, other;
  struct sx_conn *c = find_turn(p, &must);
  if (!c)
    return false;
  sx_unlink(must ? &c->c_must_turn : &c->c_turn);
  p->p_busy++;
  c->c_spares++;
  pthread_mutex_unlock(&p->p_lock);
  styx_work *w = take_blocking(c, must, &more);
  pthread_mutex_lock(&p->p_lock);
  if (more)
    line_up(p, c, must);
  if (find_turn(p, &other)) /* who is summoned twice before it wakes comes once */
    summon(p);
  pthread_mutex_unlock(&p->p_lock);
  if (w) {
    sx_count(stats_of(p), SX_N_SPARE_RUNS, 1);
    sx_run(&server_of(p)->v_serial, w);
  }
  pthread_mutex_lock(&p->p_lock);
  p->p_busy--;
  c->c_spares--; /* perhaps of a later connection by now, with the same memory: the count goes on */
  return true;
}

static void *spare_main(void *spares) {
  struct sx_spares *p = spares;
  sx_stats_join(stats_of(p));
  sx_interrupt_join(server_of(p)->v_config.interrupt_signal);
  pthread_mutex_lock(&p->p_lock);
  for (;;) {
    if (spare_step(p))
      continue;
    if (p->p_stop)
      break;
    p->p_idle++;
    pthread_cond_wait(&p->p_more, &p->p_lock);
    p->p_idle--;
  }
  pthread_mutex_unlock(&p->p_lock);
  sx_interrupt_leave();
  return NULL;
}

/* All but the first are started when they are needed. */
static void spares_offer(struct sx_spares *p, struct sx_conn *c, bool blocking, bool must) {
  pthread_mutex_lock(&p->p_lock);
  if (blocking)
    line_up(p, c, false);
  if (must)
    line_up(p, c, true);
  summon(p);
  pthread_mutex_unlock(&p->p_lock);
}

void sx_found_act(struct sx_conn *c, struct sx_found found) {
  struct styx_server *v = c->c_shard->h_server;
  wake(v, found.pushed);
  if (found.blocking || found.must)
    spares_offer(&v->v_spares, c, found.blocking, found.must);
  if (found.chores)
    sx_kick(c);
}

/* The first one at once: later a thread may not be had, and then nobody would come to what blocks. */
int sx_spares_start(struct sx_spares *p) {
  int err = pthread_create(&p->p_threads[0], NULL, spare_main, p);
  p->p_started += err == 0;
  return err;
}

void sx_spares_stop(struct sx_spares *p) {
  pthread_mutex_lock(&p->p_lock);
  p->p_stop = true;
  pthread_cond_broadcast(&p->p_more);
  pthread_mutex_unlock(&p->p_lock);
  for (unsigned i = 0; i < p->p_started; i++)
    pthread_join(p->p_threads[i], NULL);
}

void sx_spares_fini(struct sx_spares *p, const styx_allocator *alloc) {
  sx_free(alloc, p->p_threads, p->p_max * sizeof *p->p_threads);
  pthread_mutex_destroy(&p->p_lock);
  pthread_cond_destroy(&p->p_more);
}
