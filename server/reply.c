/* reply.c: the reply thread: takes connections whose token was taken for it, retires their answers, runs what must not wait
 * for a worker, sends; and looks after time. Whoever lends itself (lend.c) retires with the same function. */
#include "server/pipeline.h"

#include <errno.h>

void sx_due(struct sx_shard *h, uint64_t deadline) {
  uint64_t due = atomic_load_explicit(&h->h_due, memory_order_relaxed);
  while (deadline < due)
    if (atomic_compare_exchange_weak_explicit(&h->h_due, &due, deadline, memory_order_seq_cst, memory_order_relaxed)) {
      if (atomic_exchange_explicit(&h->h_asleep, false, memory_order_seq_cst)) { /* it sleeps until a later time */
        sx_count(&h->h_server->v_stats, SX_N_RINGS, 1);
        h->h_server->v_sys->ring(h->h_server->v_sys->arg, h->h_send_bell);
      }
      return;
    }
}

/* ---- one connection ---- */

static void take_chores(struct sx_conn *c, struct sx_link *chores) {
  struct sx_link *l;
  sx_list_init(chores);
  while ((l = sx_list_pop(&c->c_chores)))
    sx_list_push(chores, l);
}

/* Cancel callbacks, releases, and close and forget that do not block: with no lock held. */
static void run_chores(struct styx_server *v, struct sx_link *chores) {
  struct sx_lender *d = sx_lender_here(v);
  struct sx_link *l;
  while ((l = sx_list_pop(chores))) {
    styx_work *w = SX_OF(styx_work, w_link, l);
    sx_count(&v->v_stats, SX_N_CHORE_RUNS, 1);
    sx_lend_note(d, w);
    styx_work_run(w);
    sx_lend_note(d, NULL);
  }
}

bool sx_retire(struct sx_conn *c, bool token, uint64_t now) {
  struct sx_found found = {0};
  struct sx_link chores;
  uint64_t deadline = UINT64_MAX;
  const struct sx_system *sys = c->c_shard->h_server->v_sys;
  sx_count(&c->c_shard->h_server->v_stats, SX_N_RETIRES, 1);
  pthread_mutex_lock(&c->c_lock);
  styx_session *s = c->c_session;
  const bool hangup =
      s && token && c->c_leaving && !c->c_hungup; /* it drops bytes that the token's holder may be sending */
  if (s) {
    if (hangup) {
      c->c_hungup = true;
      styx_session_hangup(s);
    }
    styx_session_retire(s, now);
    found = sx_dispatch(c);
    found.chores = false; /* taken here */
    sx_interest(c, false);
    deadline = styx_session_deadline(s);
  }
  take_chores(c, &chores);
  pthread_mutex_unlock(&c->c_lock);
  if (hangup) /* the peer sees the end although handlers may go on, and hold the descriptor */
    sys->shut(sys->arg, c->c_fd);
  if (found.any)
    sx_found_act(c, found);
  sx_due(c->c_shard, deadline);
  run_chores(c->c_shard->h_server, &chores);
  return s != NULL;
}

/* While the server shuts down a connection ends as soon as it owes nothing. */
static bool drained(const struct sx_conn *c) {
  return atomic_load_explicit(&c->c_shard->h_server->v_draining, memory_order_relaxed) &&
         styx_session_pending_bytes(c->c_session) == 0 && !styx_session_busy(c->c_session);
}

/* The session has ended by itself and what it had to say is sent, or cannot be; or it is over altogether. */
static void settle(struct sx_conn *c) {
  bool over = false, kick = false;
  pthread_mutex_lock(&c->c_lock);
  const char *why = styx_session_ended(c->c_session);
  if (why && !c->c_leaving && (c->c_full || styx_session_pending_bytes(c->c_session) == 0)) {
    sx_conn_leave(c, SX_N_CLOSED_SESSION, STYX_LOG_WARN, why);
    kick = true;
  } else if (!why && !c->c_leaving && drained(c)) {
    sx_conn_leave(c, SX_N_CLOSED_SHUTDOWN, STYX_LOG_DEBUG, "shutting down");
    kick = true;
  } else if (c->c_hungup && styx_session_done(c->c_session)) {
    c->c_last = styx_session_inspect(c->c_session);
    styx_session_free(c->c_session);
    c->c_session = NULL;
    over = true;
  }
  bool more = c->c_session && (c->c_leaving ? !c->c_hungup /* sending has failed */
                                            : !c->c_full && styx_session_pending_bytes(c->c_session) > 0);
  pthread_mutex_unlock(&c->c_lock);
  if (kick || more)
    sx_kick(c); /* the token is ours: it only becomes DIRTY, and c is looked at again */
  if (over) {
    const struct sx_system *sys = c->c_shard->h_server->v_sys;
    if (c->c_armed)
      sys->watch(sys->arg, c->c_shard->h_send_poller, EPOLL_CTL_DEL, c->c_fd, 0, c);
    c->c_full = c->c_armed = false;
    sx_conn_put(c); /* the reader's, which let go of it in sx_conn_leave */
  }
}

/* Holds the token. What was published while we worked has made it DIRTY: then it is looked at again, behind the others. A
 * connection that is over has no session; its memory is still good. */
static void serve(struct sx_conn *c) {
  const struct sx_system *sys = c->c_shard->h_server->v_sys;
  const uint64_t now = sys->clock(sys->arg);
  if (sx_retire(c, true, now)) {
    if (!c->c_full && sx_send(c, now) == SX_FULL)
      sx_block(c);
    settle(c);
  }
  if (!sx_token_release(c))
    sx_list_again(c);
}

/* ---- time ---- */

static void tick(struct sx_conn *c, uint64_t now, uint64_t *next) {
  pthread_mutex_lock(&c->c_lock);
  bool kick = false;
  if (c->c_session && !c->c_leaving) {
    kick = styx_session_tick(c->c_session, now);
    uint64_t deadline = styx_session_deadline(c->c_session);
    *next = deadline < *next ? deadline : *next;
  }
  pthread_mutex_unlock(&c->c_lock);
  if (kick)
    sx_kick(c);
}

/* Some session's time has come. */
static void tick_all(struct sx_shard *h, uint64_t now) {
  uint64_t next = UINT64_MAX;
  atomic_store_explicit(&h->h_due, UINT64_MAX, memory_order_seq_cst); /* what is set from here on is found again */
  pthread_mutex_lock(&h->h_lock);
  for (struct sx_link *l = h->h_conns.next; l != &h->h_conns; l = l->next)
    tick(SX_OF(struct sx_conn, c_all, l), now, &next);
  pthread_mutex_unlock(&h->h_lock);
  sx_due(h, next);
}

/* ---- the step ---- */

/* Has it the reader's role? */
static bool reads_here(const struct sx_shard *h) {
  uint32_t role = atomic_load_explicit(&h->h_role, memory_order_relaxed);
  return role == SX_ROLE_TAKEN || role == SX_ROLE_RETURNING;
}

static uint64_t until_due(struct sx_shard *h) {
  const struct sx_system *sys = h->h_server->v_sys;
  uint64_t due = atomic_load_explicit(&h->h_due, memory_order_seq_cst);
  uint64_t pause = reads_here(h) ? sx_accept_timeout(h) : UINT64_MAX;
  if (due == UINT64_MAX)
    return pause;
  uint64_t now = sys->clock(sys->arg);
  uint64_t left = due > now ? due - now : 0;
  return left < pause ? left : pause;
}

static void poll_sockets(struct sx_shard *h, uint64_t timeout) {
  struct epoll_event events[SX_EVENTS];
  const struct sx_system *sys = h->h_server->v_sys;
  int n = sys->poll(sys->arg, h->h_send_poller, events, SX_EVENTS, timeout);
  for (int i = 0; i < n; i++) {
    const enum sx_kind *kind = events[i].data.ptr;
    if (!kind) {
      sys->quiet(sys->arg, h->h_send_bell);
    } else if (*kind == SX_ALARM) {
      sys->quiet(sys->arg, h->h_alarm);
      sx_watch_step(h);
    } else if (*kind == SX_READS) {
      sx_read_ready(h, 0);
    } else {
      struct sx_conn *c = events[i].data.ptr;
      c->c_full = false; /* it is armed, so the token is ours, or BLOCKED */
      sx_kick(c);
    }
  }
}

/* Sleep until a socket takes more, somebody lists a connection, or a deadline. Either we see the list, or whoever adds to it
 * sees that we sleep. */
static void rest(struct sx_shard *h) {
  atomic_store_explicit(&h->h_asleep, true, memory_order_seq_cst); /* pairs with: sx_kick, sx_due */
  bool idle = !atomic_load_explicit(&h->h_replies, memory_order_seq_cst) &&
              !atomic_load_explicit(&h->h_server->v_stop, memory_order_seq_cst);
  poll_sockets(h, idle ? until_due(h) : 0);
  atomic_store_explicit(&h->h_asleep, false, memory_order_seq_cst);
}

void sx_reply_step(struct sx_shard *h) {
  const struct sx_system *sys = h->h_server->v_sys;
  struct sx_conn *c = atomic_exchange_explicit(&h->h_replies, NULL, memory_order_seq_cst), *first = NULL;
  if (!c)
    rest(h);
  else if (++h->h_rounds % 16 == 0 || reads_here(h) || atomic_load_explicit(&h->h_watching, memory_order_relaxed))
    poll_sockets(h, 0);                     /* a busy list must not starve the sockets that were full */
  for (struct sx_conn *next; c; c = next) { /* oldest first */
    next = c->c_next;
    c->c_next = first;
    first = c;
  }
  for (struct sx_conn *next; first; first = next) {
    next = first->c_next;
    serve(first);
  }
  uint64_t due = atomic_load_explicit(&h->h_due, memory_order_relaxed);
  if (due != UINT64_MAX && sys->clock(sys->arg) >= due)
    tick_all(h, sys->clock(sys->arg));
  sx_role_return(h);
}
