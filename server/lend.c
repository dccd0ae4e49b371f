/* lend.c: a thread that has run a handler also retires the answer and sends the reply, if nobody else is doing so; the reader
 * runs handlers that do not block. To wake the thread whose stage that is would cost more than to do it (performance: 20 us
 * against 1). An answer is only published by the handler's reply call; everything here happens when the handler has returned,
 * at the top of the thread's stack. Until then the connection is in d_owed, where the watch finds it if that takes long. */
#include "server/pipeline.h"

enum {
  LINGER = 30000, /* ns: so long a reply may wait for others to be sent with it */
  BUDGET = 60000, /* ns: so long the reader runs handlers before it sends, as far as it can tell beforehand */
  MOST = 256,     /* and so many */
  PASSES = 16,    /* what one answer makes possible is run before the sending, and what that makes possible, … */
  ROUNDS = 4      /* of sending to one connection, while it has more */
};

/* ---- whose thread this is ---- */

static void **slot(const struct styx_server *v) { return v->v_sys->slot(v->v_sys->arg); }

void sx_lend_join(struct sx_lender *d) { *slot(d->d_shard->h_server) = d; }

void sx_lend_leave(struct styx_server *v) { *slot(v) = NULL; }

/* A handler of one server may answer a request of another. */
struct sx_lender *sx_lender_here(const struct styx_server *v) {
  struct sx_lender *d = *slot(v);
  return d && d->d_shard->h_server == v ? d : NULL;
}

void sx_lend_note(struct sx_lender *d, const styx_work *w) {
  if (!d)
    return;
  if (w) {
    atomic_store_explicit(&d->d_ops, w->w_ops, memory_order_relaxed);
    atomic_store_explicit(&d->d_op, w->w_op, memory_order_relaxed);
  }
  uint32_t runs = atomic_load_explicit(&d->d_runs, memory_order_relaxed);
  atomic_store_explicit(&d->d_runs, runs + 1, memory_order_release);
}

/* ---- what is owed ---- */

static uint32_t owed(const struct sx_lender *d) { return atomic_load_explicit(&d->d_nowed, memory_order_relaxed); }

static struct sx_conn *owed_at(const struct sx_lender *d, uint32_t i) {
  return atomic_load_explicit(&d->d_owed[i], memory_order_relaxed);
}

/* Where c stands; as many as are owed: nowhere. */
static uint32_t find_owed(const struct sx_lender *d, const struct sx_conn *c) {
  uint32_t i = 0;
  while (i < owed(d) && owed_at(d, i) != c)
    i++;
  return i;
}

/* False: there is no room. */
static bool owe(struct sx_lender *d, struct sx_conn *c) {
  const uint32_t n = owed(d), i = find_owed(d, c);
  if (i == SX_OWED)
    return false;
  d->d_fresh[i] = true;
  d->d_latest = c;
  if (i == n) {
    atomic_store_explicit(&d->d_owed[i], c, memory_order_relaxed);
    atomic_store_explicit(&d->d_nowed, n + 1, memory_order_release); /* pairs with: look_after */
  }
  uint32_t times = atomic_load_explicit(&d->d_times, memory_order_relaxed);
  atomic_store_explicit(&d->d_times, times + 1, memory_order_seq_cst); /* pairs with: sx_watch_step */
  sx_watch(d->d_shard);
  return true;
}

void sx_published(struct sx_conn *c) {
  struct sx_lender *d = sx_lender_here(c->c_shard->h_server);
  if (!d || !owe(d, c))
    sx_kick(c);
}

/* True if there was something to retire. That runs chores: until they return the watch must find the connection in its place. */
static bool retire_at(struct sx_lender *d, uint32_t i) {
  if (!d->d_fresh[i])
    return false;
  d->d_fresh[i] = false;
  sx_retire(owed_at(d, i), false, d->d_now);
  return true;
}

static bool retire_owed(struct sx_lender *d) {
  bool any = false;
  for (uint32_t i = 0; i < owed(d); i++)
    any |= retire_at(d, i);
  return any;
}

/* Let go of the token. Others have published meanwhile, or there is too much to send at once: then it is owed again. False: we
 * have the token still. */
static bool owe_again(struct sx_lender *d, struct sx_conn *c, enum sx_sent rest) {
  if (rest == SX_ALL && sx_token_release(c))
    return true;
  if (!owe(d, c))
    return false;
  atomic_exchange_explicit(&c->c_token, SX_IDLE, memory_order_acq_rel); /* pairs with: mark in send.c */
  return true;
}

/* Whoever has the token already sends; who finds the socket full gives the token to the reply thread. What others wrote is
 * never run with the token. */
static void send_for(struct sx_lender *d, struct sx_conn *c) {
  if (!sx_token_take(c))
    return;
  sx_count(&c->c_shard->h_server->v_stats, SX_N_LENT_SENDS, 1);
  enum sx_sent rest = SX_MORE;
  for (int i = 0; i < ROUNDS && rest == SX_MORE; i++)
    rest = sx_send(c, d->d_now);
  if (rest == SX_FULL || rest == SX_OTHER || !owe_again(d, c, rest))
    sx_list(c);
}

/* Chores that are run here may add to the end. */
static void send_owed(struct sx_lender *d) {
  for (uint32_t i = 0; i < owed(d); i++) {
    struct sx_conn *c = owed_at(d, i);
    retire_at(d, i);
    const bool again = d->d_fresh[i];
    atomic_store_explicit(&d->d_owed[i], NULL, memory_order_relaxed); /* published again, it is owed again */
    if (again && !owe(d, c))
      sx_kick(c);
    send_for(d, c);
  }
  atomic_store_explicit(&d->d_nowed, 0, memory_order_relaxed);
  d->d_latest = NULL;
  d->d_since = 0;
}

static bool in_queue(struct sx_conn *c) {
  return atomic_load_explicit(&c->c_supply[SX_NOWAIT].s_queued, memory_order_relaxed) > 0;
}

static void forget_owed(struct sx_lender *d, uint32_t i) {
  const uint32_t last = owed(d) - 1;
  atomic_store_explicit(&d->d_owed[i], owed_at(d, last), memory_order_relaxed);
  d->d_fresh[i] = d->d_fresh[last];
  atomic_store_explicit(&d->d_nowed, last, memory_order_relaxed);
}

/* Something of another connection has run: what c is owed is sent while its memory is still near, unless more of it is about
 * to be run. */
static void settle(struct sx_lender *d, struct sx_conn *c) {
  const uint32_t i = find_owed(d, c);
  if (i == owed(d))
    return;
  retire_at(d, i);
  if (d->d_fresh[i] || in_queue(c))
    return;
  forget_owed(d, i);
  send_for(d, c);
}

/* ---- running ---- */

/* A moving mean that a single long wait does not carry away. */
static void learn(struct styx_server *v, enum sx_lane queue, uint64_t took) {
  const uint32_t mean = atomic_load_explicit(&v->v_cost[queue], memory_order_relaxed);
  const uint64_t most = 4 * (uint64_t)mean + 1000;
  const uint32_t sample = (uint32_t)(took < most ? took : most);
  atomic_store_explicit(&v->v_cost[queue], mean - mean / 8 + sample / 8, memory_order_relaxed);
}

/* How long pieces take: all of them where one connection has work, else those of the second. A look at the clock for each
 * connection would take as long as some handlers do. */
struct sample {
  uint64_t since;
  unsigned from, changes;
};

/* So many have run, the last of them of another connection than c. */
static void change(struct sx_lender *d, struct sample *s, unsigned ran, struct sx_conn *c) {
  const struct sx_system *sys = d->d_shard->h_server->v_sys;
  if (++s->changes == 2)
    learn(d->d_shard->h_server, SX_NOWAIT, (sys->clock(sys->arg) - s->since) / (ran - s->from));
  settle(d, c);
  if (s->changes == 1) {
    d->d_now = sys->clock(sys->arg);
    *s = (struct sample){d->d_now, ran, 1};
  }
}

/* What is in the queue of work that does not block, as far as the budget goes: one connection after the other. True: the queue
 * is empty. */
static bool run_nowait(struct sx_lender *d) {
  struct styx_server *v = d->d_shard->h_server;
  const struct sx_system *sys = v->v_sys;
  const uint32_t cost = atomic_load_explicit(&v->v_cost[SX_NOWAIT], memory_order_relaxed) + 1;
  const unsigned most = BUDGET / cost < 1 ? 1 : BUDGET / cost < MOST ? BUDGET / cost : MOST;
  struct sample s = {d->d_now, 0, 0};
  unsigned n = 0;
  for (struct sx_conn *c = d->d_latest; n < most && sx_work_step(v, d, SX_NOWAIT); n++, c = d->d_latest)
    if (c && c != d->d_latest)
      change(d, &s, n + 1, c);
  if (n > 0) {
    d->d_now = sys->clock(sys->arg);
    if (s.changes == 0)
      learn(v, SX_NOWAIT, (d->d_now - s.since) / n);
    sx_count(&v->v_stats, d->d_reads ? SX_N_READER_RUNS : SX_N_WORKER_RUNS, n);
  }
  return n < most;
}

/* At the top of the stack: nothing is owed afterwards. */
static void lend(struct sx_lender *d) {
  for (int i = 0; i < PASSES; i++)
    if (!run_nowait(d) || !retire_owed(d))
      break;
  send_owed(d); /* and retires what the passes have left */
}

void sx_lend_read(struct sx_shard *h) {
  struct sx_lender *d = &h->h_lender;
  if (sx_queue_empty(&h->h_server->v_queue[SX_NOWAIT]) && owed(d) == 0)
    return;
  d->d_now = h->h_now;
  uint32_t lends = atomic_load_explicit(&d->d_lends, memory_order_relaxed);
  atomic_store_explicit(&d->d_lends, lends + 1, memory_order_relaxed);
  atomic_store_explicit(&h->h_role, SX_ROLE_RUNNING,
                        memory_order_seq_cst); /* release: what was read; pairs with: take_role */
  sx_watch(h);
  lend(d);
  sx_role_resume(h);
}

bool sx_lend_work(struct sx_lender *d) {
  struct styx_server *v = d->d_shard->h_server;
  const struct sx_system *sys = v->v_sys;
  const uint64_t begun = sys->clock(sys->arg);
  d->d_now = begun;
  /* The queues take turns in being the first, so that neither keeps the other waiting. */
  const enum sx_lane first = d->d_turn ? SX_WORKER : SX_NOWAIT, second = d->d_turn ? SX_NOWAIT : SX_WORKER;
  d->d_turn = !d->d_turn;
  const bool one = sx_work_step(v, d, first);
  const enum sx_lane ran = one ? first : second;
  if (!one && !sx_work_step(v, d, second)) {
    if (owed(d) == 0)
      return false;
    lend(d);
    return true;
  }
  d->d_now = sys->clock(sys->arg);
  sx_count(&v->v_stats, SX_N_WORKER_RUNS, 1);
  learn(v, ran, d->d_now - begun);
  if (owed(d) == 0)
    return true;
  if (d->d_since == 0)
    d->d_since = begun;
  if (d->d_now - d->d_since >= LINGER || owed(d) == SX_OWED)
    lend(d);
  return true;
}
