/* watch.c: who looks after threads that lend themselves. A handler that does not return keeps what its thread owes from being
 * sent, work in the queues from being run, and, if the thread is a reader, a shard from being read. So while there is any of
 * that an alarm of the shard rings every few milliseconds, and the reply thread, which runs no handlers, looks. When nothing
 * moves any more the alarm stays silent: an idle server does not tick. */
#include "server/pipeline.h"

#include <stdio.h>

/* On a virtual machine an alarm takes 40 us of its CPU. So they are fewer where no handler was stuck of late, nor was a worker
 * met in the middle of one. */
enum { ALERT = 1000 /* ticks */ };

static void set_alarm(struct sx_shard *h) {
  const struct sx_system *sys = h->h_server->v_sys;
  const bool alert = atomic_load_explicit(&h->h_alert, memory_order_relaxed) > 0;
  sys->alarm(sys->arg, h->h_alarm, alert ? SX_TICK : SX_CALM_TICK);
}

static void be_alert(struct sx_shard *h, unsigned ticks) {
  if (atomic_load_explicit(&h->h_alert, memory_order_relaxed) < ticks)
    atomic_store_explicit(&h->h_alert, ticks, memory_order_relaxed);
}

void sx_watch(struct sx_shard *h) {
  /* seq_cst: what is to be watched was stored before; pairs with: sx_watch_step */
  if (!atomic_load_explicit(&h->h_watching, memory_order_seq_cst) &&
      !atomic_exchange_explicit(&h->h_watching, true, memory_order_seq_cst))
    set_alarm(h);
}

/* ---- the reader's role ---- */

/* A RUNNING reader touches nothing that belongs to reading before it has asked for the role again. False: no memory. */
static bool take_role(struct sx_shard *h) {
  const struct sx_system *sys = h->h_server->v_sys;
  uint32_t running = SX_ROLE_RUNNING;
  /* acquire: what the reader has left; pairs with: sx_lend_read */
  if (!atomic_compare_exchange_strong_explicit(&h->h_role, &running, SX_ROLE_TAKEN, memory_order_acq_rel,
                                               memory_order_relaxed))
    return true;
  /* If there is no memory for it nobody reads until the reader is back: it is tried again with every tick. */
  if (sys->watch(sys->arg, h->h_send_poller, EPOLL_CTL_ADD, h->h_read_poller, EPOLLIN, &h->h_reads_kind)) {
    uint32_t taken = SX_ROLE_TAKEN;
    atomic_compare_exchange_strong_explicit(&h->h_role, &taken, SX_ROLE_RUNNING, memory_order_release,
                                            memory_order_relaxed);
    return false;
  }
  sx_count(&h->h_server->v_stats, SX_N_ROLES_TAKEN, 1);
  return true;
}

void sx_role_resume(struct sx_shard *h) {
  const struct sx_system *sys = h->h_server->v_sys;
  uint32_t role = SX_ROLE_RUNNING;
  /* acquire: what the reply thread has read meanwhile; pairs with: sx_role_return */
  if (atomic_compare_exchange_strong_explicit(&h->h_role, &role, SX_ROLE_READING, memory_order_acq_rel,
                                              memory_order_acquire))
    return;
  /* seq_cst here and below: either we see v_stop, or stop_threads changes the role after us; pairs with: stop_threads */
  atomic_store_explicit(&h->h_role, SX_ROLE_RETURNING, memory_order_seq_cst);
  sys->ring(sys->arg, h->h_send_bell);
  while (atomic_load_explicit(&h->h_role, memory_order_acquire) == SX_ROLE_RETURNING &&
         !atomic_load_explicit(&h->h_server->v_stop, memory_order_seq_cst))
    sys->wait(sys->arg, &h->h_role, SX_ROLE_RETURNING);
}

void sx_role_return(struct sx_shard *h) {
  const struct sx_system *sys = h->h_server->v_sys;
  if (atomic_load_explicit(&h->h_role, memory_order_acquire) != SX_ROLE_RETURNING)
    return;
  sys->watch(sys->arg, h->h_send_poller, EPOLL_CTL_DEL, h->h_read_poller, 0, NULL);
  atomic_store_explicit(&h->h_role, SX_ROLE_READING, memory_order_release);
  sys->wake(sys->arg, &h->h_role, 1);
}

/* ---- looking ---- */

/* Not each time: it is the filesystem that has to be changed. */
static void name(struct sx_lender *d) {
  struct styx_server *v = d->d_shard->h_server;
  const styx_fs_ops *ops = atomic_load_explicit(&d->d_ops, memory_order_relaxed);
  const int op = atomic_load_explicit(&d->d_op, memory_order_relaxed);
  sx_count(&v->v_stats, SX_N_STUCK, 1);
  if (!ops || atomic_exchange_explicit(&v->v_named, ops, memory_order_relaxed) == ops || !v->v_config.log)
    return;
  char detail[128];
  snprintf(detail, sizeof detail, "%s of %s", styx_op_name((enum styx_op)op), ops->name ? ops->name : "a filesystem");
  v->v_config.log(v->v_config.arg, STYX_LOG_WARN, "", "an operation not declared blocking keeps others waiting",
                  detail);
}

/* What a thread that is stuck in a handler would do next, others do. False: it is to be tried again. */
static bool help(struct sx_lender *d, uint32_t n) {
  name(d);
  for (uint32_t i = 0; i < n; i++) {
    struct sx_conn *c = atomic_load_explicit(&d->d_owed[i], memory_order_relaxed);
    if (c) /* its memory stays good, even if it is another connection by now */
      sx_kick(c);
  }
  struct sx_shard *first = d->d_shard->h_server->v_shards; /* what it would have run next may be left in the queue */
  be_alert(first, ALERT);
  sx_watch(first);
  return !d->d_reads || take_role(d->d_shard);
}

/* A reader that has not come back to reading since the last tick, in whatever it is: handlers that are slow together, or a lot
 * to send. */
static void look_after_reading(struct sx_lender *d) {
  const uint32_t lends = atomic_load_explicit(&d->d_lends, memory_order_relaxed);
  const bool runs = atomic_load_explicit(&d->d_shard->h_role, memory_order_seq_cst) == SX_ROLE_RUNNING;
  if (runs && lends == d->d_lends_seen)
    (void)take_role(d->d_shard);
  d->d_lends_seen = lends;
}

/* Stuck is who has not moved since the last tick. True while there may be something to look after. */
static bool look_after(struct sx_lender *d) {
  if (d->d_reads)
    look_after_reading(d);
  const uint32_t runs = atomic_load_explicit(&d->d_runs, memory_order_seq_cst);
  const uint32_t times = atomic_load_explicit(&d->d_times, memory_order_seq_cst);
  const uint32_t n = atomic_load_explicit(&d->d_nowed, memory_order_acquire); /* pairs with: owe */
  if (runs != d->d_seen) {
    d->d_seen = runs;
    d->d_helped = false;
    be_alert(d->d_shard, runs % 2 && !d->d_reads); /* what a reader runs has promised not to block */
    return true;
  }
  if (runs % 2 == 0) /* it runs nothing, or is about to */
    return n > 0 || (d->d_reads && atomic_load_explicit(&d->d_shard->h_role, memory_order_seq_cst) == SX_ROLE_RUNNING);
  be_alert(d->d_shard, ALERT);
  if (d->d_helped && d->d_times_seen == times) /* if it comes to owe more, it asks to be watched again */
    return false;
  d->d_times_seen = times;
  d->d_helped = (n == 0 && !d->d_reads) || help(d, n);
  return true;
}

/* What does not block a reader can run, if it is not kept itself. */
static bool ring_a_reader(struct styx_server *v) {
  for (unsigned i = 0; i < v->v_config.readers; i++)
    if (atomic_load_explicit(&v->v_shards[i].h_role, memory_order_relaxed) == SX_ROLE_READING) {
      v->v_sys->ring(v->v_sys->arg, v->v_shards[i].h_read_bell);
      return true;
    }
  return false;
}

/* Has anything that does not block been taken since the last look? */
static bool moves(struct styx_server *v) {
  const size_t seen = v->v_taken;
  v->v_taken = sx_queue_taken(&v->v_queue[SX_NOWAIT]);
  return v->v_taken != seen;
}

static bool wake_a_worker(struct styx_server *v) {
  if (!sx_park_wake(&v->v_park, 1, v->v_sys))
    return false;
  sx_count(&v->v_stats, SX_N_WAKES, 1);
  return true;
}

/* Those who are awake may all be stuck. Where what does not block moves, they are not: one more would only get in their way. For
 * what may block there may be workers that sleep; if there are none, whoever comes back looks. */
static bool look_after_queues(struct styx_server *v) {
  bool any = false;
  if (!sx_queue_empty(&v->v_queue[SX_NOWAIT]) && !(any = moves(v))) {
    any = ring_a_reader(v);
    any |= wake_a_worker(v);
  }
  if (!sx_queue_empty(&v->v_queue[SX_WORKER]))
    any |= wake_a_worker(v);
  return any;
}

static bool look(struct sx_shard *h) {
  struct styx_server *v = h->h_server;
  bool any = look_after(&h->h_lender);
  if (h != v->v_shards)
    return any;
  for (unsigned i = 0; i < v->v_config.workers; i++)
    any |= look_after(&v->v_lenders[i]);
  return any | look_after_queues(v);
}

void sx_watch_step(struct sx_shard *h) {
  const unsigned alert = atomic_load_explicit(&h->h_alert, memory_order_relaxed);
  sx_count(&h->h_server->v_stats, SX_N_TICKS, 1);
  if (alert) /* if another shard makes us so just now, that may be lost: its next tick says it again */
    atomic_store_explicit(&h->h_alert, alert - 1, memory_order_relaxed);
  bool any = look(h);
  if (!any) {
    atomic_store_explicit(&h->h_watching, false, memory_order_seq_cst); /* pairs with: sx_watch */
    atomic_thread_fence(memory_order_seq_cst);                          /* pairs with: sx_work_wake */
    /* What has begun before anybody could see that is found here. */
    any = look(h) && !atomic_exchange_explicit(&h->h_watching, true, memory_order_seq_cst);
  }
  if (any)
    set_alarm(h);
}
