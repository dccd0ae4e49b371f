/* stages_rest.c: nothing can run. Whoever waits then must wait for the client, for a handler or for time: anything else is a
 * wake-up that was lost. */
#include "stages.h"

#include "session/state.h"

#include <string.h>

static const char *no_lock_is_wanted(void) {
  for (int i = 1; i < task_count(); i++)
    if (task_wants_lock(task_of(i)))
      return "threads wait for each other's locks";
  return NULL;
}

/* The token and what hangs on it. */
static const char *sending_rests(struct sx_conn *c, const struct sock *k) {
  uint32_t token = atomic_load(&c->c_token);
  const styx_session *s = c->c_session;
  if (token == SX_WRITING || token == SX_DIRTY)
    return "the reply thread sleeps although it has the token";
  if (atomic_load(&s->s_posts))
    return "an answer is not retired";
  if (!sx_list_empty(&c->c_chores))
    return "a chore is not done";
  if (!sx_list_empty(&s->s_work))
    return "work is not dispatched";
  if (c->c_leaving && !c->c_hungup)
    return "the session is not told that the peer is gone";
  if (c->c_leaving)
    return k && !k->shut ? "the peer is not told that the connection is over" : NULL;
  if (styx_session_pending_bytes(s) && token == SX_IDLE)
    return "replies are not sent";
  if (styx_session_pending_bytes(s) && k && k->out_len < k->out_cap)
    return "replies are not sent although the socket has room";
  if (styx_session_ended(s) && !styx_session_pending_bytes(s))
    return "the session has ended and the connection goes on";
  if (c->c_reading != styx_session_wants_input(s))
    return "the reader does not read as the session wants";
  return NULL;
}

static const char *workers_rest(struct sx_conn *c, const struct styx_server *v) {
  for (int i = 0; i < SX_QUEUES; i++) {
    const struct sx_supply *s = &c->c_supply[i];
    uint32_t queued = atomic_load(&s->s_queued);
    if (queued && tasks_on(&v->v_park.k_ticket))
      return "a worker sleeps although a queue has work";
    if (!sx_list_empty(&s->s_waiting) && queued <= v->v_config.run_quota / 2)
      return "work waits although the quota allows it";
  }
  return NULL;
}

static const char *spares_rest(const struct sx_conn *c, const struct sx_spares *p) {
  /* Whoever has a serial key also runs what was left with it, so there the last spare may hold something else. */
  bool lent = stage.w->ops.serial == STYX_PARALLEL && !stage_must_held();
  if (!sx_list_empty(&c->c_must) && (p->p_busy < p->p_max || lent))
    return "must-run work waits for a spare although one is free, or ought to be";
  if (!sx_list_empty(&c->c_blocking) && p->p_busy + 1 < p->p_max && c->c_spares < (p->p_max + 1) / 2)
    return "blocking work waits for a spare although one is free";
  return NULL;
}

static struct sock *sock_behind(const struct sx_conn *c) {
  for (int i = 0; i < NCONN; i++)
    if (stage.socks[i] && stage.socks[i]->conn == c && !stage.socks[i]->closed)
      return stage.socks[i];
  return NULL;
}

static void conn_rests(struct sim *w, struct sx_conn *c) {
  const struct styx_server *v = stage.server;
  const struct sock *k = sock_behind(c);
  if (!c->c_session)
    return;
  const char *why = sending_rests(c, k);
  if (!why)
    why = workers_rest(c, v);
  if (!why && !stage.short_of_threads)
    why = spares_rest(c, &v->v_spares);
  if (why)
    sim_fail(w, "at rest: %s (connection %d)", why, k && k->client ? k->client->index : -1);
}

typedef void conn_fn(struct sim *w, struct sx_conn *c);

static void each(struct sim *w, conn_fn *fn) {
  for (unsigned i = 0; stage.server && i < stage.server->v_config.readers; i++) {
    struct sx_shard *h = &stage.server->v_shards[i];
    for (struct sx_link *l = h->h_conns.next; l != &h->h_conns; l = l->next)
      fn(w, SX_OF(struct sx_conn, c_all, l));
  }
}

styx_session *rest_session(const struct conn *c) {
  const struct sock *k = stage.socks[c->index];
  return k && k->conn && !k->closed ? k->conn->c_session : NULL;
}

/* Whoever sleeps owes nothing, and somebody reads. */
static const char *lenders_rest(const struct styx_server *v) {
  if (atomic_load(&v->v_stop)) /* its threads have ended */
    return NULL;
  const bool waits = !sx_queue_empty(&v->v_queue[SX_NOWAIT]);
  for (unsigned i = 0; i < v->v_config.readers; i++) {
    const struct sx_shard *h = &v->v_shards[i];
    uint32_t role = atomic_load(&h->h_role);
    if (waits && role == SX_ROLE_READING)
      return "a reader sleeps although there is work that does not block";
    if (role == SX_ROLE_RETURNING)
      return "a reader waits for its role";
    if (role == SX_ROLE_RUNNING)
      return "nobody reads";
    if (atomic_load(&h->h_watching))
      return "the watch goes on although nothing moves";
  }
  return NULL;
}

/* A reader that runs, in whatever it is, is relieved with the second alarm at the latest. */
void rest_reading(struct sim *w, bool first) {
  enum { READERS = 2, LONG = 2 * SX_CALM_TICK };
  static struct {
    uint64_t since;
    uint32_t lends;
  } seen[READERS];
  for (unsigned i = 0; stage.server && i < stage.server->v_config.readers; i++) {
    const struct sx_shard *h = &stage.server->v_shards[i];
    const uint32_t lends = atomic_load(&h->h_lender.d_lends);
    const bool runs = atomic_load(&h->h_role) == SX_ROLE_RUNNING && !atomic_load(&stage.server->v_stop);
    if (first || !runs || lends != seen[i].lends) {
      seen[i].since = w->now;
      seen[i].lends = lends;
    } else if (w->now - seen[i].since >= LONG) {
      sim_fail(w, "nobody reads although the reader has run for %u us", (unsigned)((w->now - seen[i].since) / 1000));
    }
  }
}

/* All of what the client has sent is read and it has read all replies: then the flush law says what may still wait. */
static void client_rests(struct sim *w, struct conn *c) {
  const struct sock *k = stage.socks[c->index];
  const styx_session *s = rest_session(c);
  if (!s)
    return;
  if (c->hung) {
    sim_fs_check_told(w, c);
    return;
  }
  if (c->closed_by_peer || c->tx_len || c->rx_len || k->out_len || !styx_session_wants_input(s))
    return;
  sim_oracle_prompt(c);
  sim_fs_check_told(w, c);
}

void rest_check(struct sim *w) {
  const char *why = no_lock_is_wanted();
  if (why)
    sim_fail(w, "at rest: %s", why);
  if (!stage.started || stage.over)
    return;
  why = stage.server ? lenders_rest(stage.server) : NULL;
  if (why)
    sim_fail(w, "at rest: %s", why);
  each(w, conn_rests);
  for (int i = 0; i < w->nconn; i++)
    client_rests(w, &w->conns[i]);
}
