/* work.c: who runs what: work is sorted, and goes to the queues as the run quota of its connection allows; the workers. */
#include "server/pipeline.h"

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

static enum sx_lane lane_of(const struct styx_server *v, const styx_work_info *info) {
  if (is_chore(info))
    return SX_CHORE;
  if (!info->may_block)
    return v->v_config.no_lending ? SX_WORKER : SX_NOWAIT;
  if (!promises(info->fs->ops->blocking, info->op))
    return SX_WORKER;
  return info->must_run ? SX_SPARE_MUST : SX_SPARE;
}

static void line_up_work(struct sx_conn *c, styx_work *w, struct sx_found *found) {
  struct sx_link *lists[SX_LANES] = {[SX_NOWAIT] = &c->c_supply[SX_NOWAIT].s_waiting,
                                     [SX_WORKER] = &c->c_supply[SX_WORKER].s_waiting,
                                     [SX_SPARE] = &c->c_blocking,
                                     [SX_SPARE_MUST] = &c->c_must,
                                     [SX_CHORE] = &c->c_chores};
  sx_list_push(lists[w->w_lane], &w->w_link);
  if (w->w_lane < SX_QUEUES)
    c->c_supply[w->w_lane].s_nwaiting++;
  found->any = true;
  found->chores |= w->w_lane == SX_CHORE;
  found->blocking |= w->w_lane == SX_SPARE;
  found->must |= w->w_lane == SX_SPARE_MUST;
}

/* As much as the quota allows; how much. */
static uint32_t push_some(struct styx_server *v, struct sx_supply *s, enum sx_lane queue) {
  const uint32_t queued = atomic_load_explicit(&s->s_queued, memory_order_seq_cst), quota = v->v_config.run_quota;
  const uint32_t room = queued < quota ? quota - queued : 0, n = s->s_nwaiting < room ? s->s_nwaiting : room;
  if (n == 0)
    return 0;
  s->s_nwaiting -= n;
  atomic_fetch_add_explicit(&s->s_queued, n, memory_order_seq_cst);
  for (uint32_t i = 0; i < n; i++) {
    styx_work *w = SX_OF(styx_work, w_link, sx_list_pop(&s->s_waiting));
    /* The queue holds run_quota for every connection. So if it is full a thread has been stopped in the middle of a pop
     * while the others went all around the ring; it has no lock of ours and goes on. */
    while (!sx_queue_push(&v->v_queue[queue], w))
      sched_yield();
  }
  return n;
}

/* Fill the queue up to the quota. A popper lowers s_queued, then looks at s_backlog; here s_backlog is set, then s_queued
 * looked at: one of them sees the other. */
static int refill(struct sx_conn *c, enum sx_lane queue) {
  struct styx_server *v = c->c_shard->h_server;
  struct sx_supply *s = &c->c_supply[queue];
  uint32_t pushed = 0;
  for (;;) {
    pushed += push_some(v, s, queue);
    const bool backlog = s->s_nwaiting > 0;
    if (backlog != atomic_load_explicit(&s->s_backlog, memory_order_relaxed)) /* written under c_lock only */
      atomic_store_explicit(&s->s_backlog, backlog, memory_order_seq_cst);
    if (backlog)
      sx_count(&v->v_stats, SX_N_QUOTA_FULL, 1);
    if (!backlog || atomic_load_explicit(&s->s_queued, memory_order_seq_cst) >= v->v_config.run_quota)
      return (int)pushed;
  }
}

static void refill_all(struct sx_conn *c, struct sx_found *found) {
  for (int i = 0; i < SX_QUEUES; i++)
    if (c->c_supply[i].s_nwaiting > 0)
      found->any |= (found->pushed[i] = refill(c, (enum sx_lane)i)) > 0;
}

/* True if it is counted. */
static bool sort(struct sx_conn *c, styx_work *w, struct sx_found *found) {
  styx_work_info info = styx_work_about(w);
  w->w_lane = (int)lane_of(c->c_shard->h_server, &info);
  w->w_key = w->w_lane == SX_CHORE ? 0 : sx_serial_key(c, &info);
  w->w_op = info.op;
  w->w_ops = info.op < 0 ? NULL : info.fs->ops;
  line_up_work(c, w, found);
  return w->w_lane != SX_CHORE;
}

struct sx_found sx_dispatch(struct sx_conn *c) {
  struct sx_found found = {0};
  uint32_t counted = 0;
  for (styx_work *w; (w = styx_session_next(c->c_session));)
    counted += sort(c, w, &found);
  /* Whoever uses the connection after the session may be over: the work is counted until it has been run. */
  if (counted)
    atomic_fetch_add_explicit(&c->c_refs, counted, memory_order_relaxed);
  refill_all(c, &found);
  return found;
}

void sx_dispatch_again(styx_work *w) {
  struct sx_conn *c = styx_work_arg(w);
  struct sx_found found = {0};
  pthread_mutex_lock(&c->c_lock);
  line_up_work(c, w, &found);
  refill_all(c, &found);
  pthread_mutex_unlock(&c->c_lock);
  sx_found_act(c, found);
}

/* ---- who is woken for what is in the queues ---- */

enum { WORTH = 60000 }; /* ns of work for which one more thread is woken: a wake-up takes 20,000, of two CPUs */

/* How many more threads the work in a queue is worth. */
static size_t worth(struct styx_server *v, enum sx_lane queue) {
  return sx_queue_length(&v->v_queue[queue]) * atomic_load_explicit(&v->v_cost[queue], memory_order_relaxed) / WORTH;
}

/* Somebody who is awake will look at the queue before he sleeps, or the watch does. */
static size_t helpers(struct styx_server *v, const struct sx_lender *here, enum sx_lane queue) {
  const bool somebody = here && (queue == SX_NOWAIT || !here->d_reads);
  const size_t n = worth(v, queue);
  if (n == 0 && somebody)
    return 0;
  const size_t sleepers = sx_park_sleepers(&v->v_park), awake = v->v_config.workers - sleepers;
  if (queue == SX_NOWAIT && awake + 1 >= v->v_cpus) /* it takes CPU and nothing else */
    return here ? 0 : awake == 0;
  return n == 0 && awake == 0 ? 1 : n;
}

void sx_work_wake(struct styx_server *v, enum sx_lane queue, int pushed) {
  const bool lends = !v->v_config.no_lending;
  const struct sx_lender *here = lends ? sx_lender_here(v) : NULL;
  int n = pushed;
  sx_count(&v->v_stats, SX_N_QUEUED, (uint64_t)pushed);
  if (lends) {
    const size_t most = helpers(v, here, queue);
    n = most < (size_t)pushed ? (int)most : pushed;
  }
  if (n > 0 && sx_park_wake(&v->v_park, n, v->v_sys))
    sx_count(&v->v_stats, SX_N_WAKES, 1);
  /* Whoever was woken, or is awake, may get stuck in something else first: so it is looked after, save what a reader has brought
   * that does not block, since the reader runs it itself and is watched meanwhile. */
  if (!lends || (queue == SX_NOWAIT && here && here->d_reads))
    return;
  atomic_thread_fence(memory_order_seq_cst); /* the push before the look; pairs with: sx_watch_step */
  sx_watch(v->v_shards);
}

void sx_found_act(struct sx_conn *c, struct sx_found found) {
  struct styx_server *v = c->c_shard->h_server;
  for (int i = 0; i < SX_QUEUES; i++)
    if (found.pushed[i])
      sx_work_wake(v, (enum sx_lane)i, found.pushed[i]);
  if (found.blocking || found.must)
    sx_spares_offer(&v->v_spares, c, found.blocking, found.must);
  if (found.chores)
    sx_published(c);
}

/* ---- workers ---- */

bool sx_work_step(struct styx_server *v, struct sx_lender *d, enum sx_lane queue) {
  styx_work *w = sx_queue_pop(&v->v_queue[queue]);
  if (!w)
    return false;
  struct sx_conn *c = styx_work_arg(w);
  struct sx_supply *s = &c->c_supply[queue];
  int pushed = 0;
  /* pairs with: refill. Not before half of it has run, so that the lock is not taken for each. */
  if (atomic_fetch_sub_explicit(&s->s_queued, 1, memory_order_seq_cst) - 1 <= v->v_config.run_quota / 2 &&
      atomic_load_explicit(&s->s_backlog, memory_order_seq_cst)) {
    pthread_mutex_lock(&c->c_lock);
    pushed = refill(c, queue);
    pthread_mutex_unlock(&c->c_lock);
  }
  if (pushed)
    sx_work_wake(v, queue, pushed);
  sx_run(&v->v_serial, d, w);
  return true;
}

static bool work(struct styx_server *v, struct sx_lender *d) {
  if (d)
    return sx_lend_work(d);
  if (!sx_work_step(v, NULL, SX_WORKER))
    return false;
  sx_count(&v->v_stats, SX_N_WORKER_RUNS, 1);
  return true;
}

static struct sx_lender *lender_new(struct styx_server *v) {
  if (v->v_config.no_lending)
    return NULL;
  struct sx_lender *d = &v->v_lenders[atomic_fetch_add_explicit(&v->v_nlenders, 1, memory_order_relaxed)];
  sx_lend_join(d);
  return d;
}

void *sx_worker_main(void *server) {
  struct styx_server *v = server;
  sx_stats_join(&v->v_stats);
  sx_interrupt_join(v->v_config.interrupt_signal);
  struct sx_lender *d = lender_new(v);
  for (;;) {
    if (work(v, d))
      continue;
    uint32_t ticket = sx_park_announce(&v->v_park);
    if (atomic_load_explicit(&v->v_stop, memory_order_acquire)) {
      sx_park_leave(&v->v_park);
      break;
    }
    if (sx_queue_empty(&v->v_queue[SX_NOWAIT]) && sx_queue_empty(&v->v_queue[SX_WORKER])) {
      sx_park_sleep(&v->v_park, ticket, v->v_sys);
    } else {
      /* A cell may be claimed and not yet filled. Whoever filled one behind it has woken us for that; if we slept, the one
       * wake-up that is still to come would have to do for both. */
      sx_park_leave(&v->v_park);
      sched_yield();
    }
  }
  sx_lend_leave(v);
  sx_interrupt_leave();
  return NULL;
}
