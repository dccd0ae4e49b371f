/* send.c: the send token, and the sending itself. */
#include "server/pipeline.h"

#include <errno.h>
#include <string.h>

/* ---- the token: at most one thread sends for a connection ---- */

void sx_list(struct sx_conn *c) {
  sx_list_again(c);
  const struct sx_system *sys = c->c_shard->h_server->v_sys;
  if (atomic_load_explicit(&c->c_shard->h_asleep, memory_order_seq_cst) &&
      atomic_exchange_explicit(&c->c_shard->h_asleep, false, memory_order_seq_cst)) {
    sx_count(&c->c_shard->h_server->v_stats, SX_N_RINGS, 1);
    sys->ring(sys->arg, c->c_shard->h_send_bell);
  }
}

void sx_list_again(struct sx_conn *c) {
  struct sx_shard *h = c->c_shard;
  struct sx_conn *first = atomic_load_explicit(&h->h_replies, memory_order_relaxed);
  do
    c->c_next = first;
  /* release: c_next before c is seen; pairs with: the exchange in reply.c. seq_cst with h_asleep: see there. */
  while (!atomic_compare_exchange_weak_explicit(&h->h_replies, &first, c, memory_order_seq_cst, memory_order_relaxed));
}

/* Who has the token, or now gets it, will look at c again; what it was before. */
static uint32_t mark(struct sx_conn *c) {
  uint32_t token = atomic_load_explicit(&c->c_token, memory_order_relaxed);
  for (;;) {
    uint32_t next = token == SX_IDLE || token == SX_BLOCKED ? SX_WRITING : SX_DIRTY;
    /* DIRTY to DIRTY is exchanged too, not merely looked at: what we have published comes before what the holder sees when
     * it releases. pairs with: sx_token_release */
    if (atomic_compare_exchange_weak_explicit(&c->c_token, &token, next, memory_order_acq_rel, memory_order_relaxed))
      return token;
  }
}

void sx_kick(struct sx_conn *c) {
  uint32_t token = mark(c);
  if (token == SX_IDLE || token == SX_BLOCKED)
    sx_list(c);
}

bool sx_token_take(struct sx_conn *c) {
  uint32_t token = mark(c);
  if (token == SX_BLOCKED) /* only the reply thread leaves it */
    sx_list(c);
  return token == SX_IDLE;
}

bool sx_token_release(struct sx_conn *c) {
  uint32_t writing = SX_WRITING;
  /* acq_rel: pairs with sx_kick: either it finds us gone, or we find DIRTY and look again */
  if (atomic_compare_exchange_strong_explicit(&c->c_token, &writing, c->c_full ? SX_BLOCKED : SX_IDLE,
                                              memory_order_acq_rel, memory_order_acquire))
    return true;
  atomic_store_explicit(&c->c_token, SX_WRITING, memory_order_relaxed);
  return false;
}

/* ---- sending: holds the token, and no lock over the system call ---- */

static int arm(struct sx_conn *c) {
  struct sx_shard *h = c->c_shard;
  const struct sx_system *sys = h->h_server->v_sys;
  int op = c->c_armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  int err = -sys->watch(sys->arg, h->h_send_poller, op, c->c_fd, EPOLLOUT | EPOLLONESHOT, c);
  c->c_armed |= err == 0;
  return err;
}

/* What c still asks for, once all that was pending has been sent. c_lock held. */
static enum sx_sent left(const struct sx_conn *c) {
  const styx_session *s = c->c_session;
  if (!s)
    return SX_ALL;
  if (c->c_leaving || styx_session_ended(s) ||
      atomic_load_explicit(&c->c_shard->h_server->v_draining, memory_order_relaxed))
    return SX_OTHER;
  return styx_session_pending_bytes(s) > 0 ? SX_MORE : SX_ALL;
}

/* The bytes stay where they are until styx_session_sent or hangup, and both are ours alone. 0: nothing, and then what is left. */
static size_t gather(struct sx_conn *c, struct iovec iov[SX_SPANS], size_t *len, enum sx_sent *rest) {
  styx_span spans[SX_SPANS];
  pthread_mutex_lock(&c->c_lock);
  /* Without a session it may be the memory of the next connection, which is being made. */
  size_t n = !c->c_session || c->c_leaving ? 0 : styx_session_pending(c->c_session, spans, SX_SPANS);
  *rest = n ? SX_MORE : left(c);
  pthread_mutex_unlock(&c->c_lock);
  *len = 0;
  for (size_t i = 0; i < n; i++) {
    iov[i] = (struct iovec){.iov_base = spans[i].base, .iov_len = spans[i].len};
    *len += spans[i].len;
  }
  return n;
}

static enum sx_sent sent(struct sx_conn *c, size_t len, uint64_t now) {
  pthread_mutex_lock(&c->c_lock);
  struct sx_found found = {0};
  if (styx_session_sent(c->c_session, len, now)) {
    found = sx_dispatch(c);
    sx_interest(c, false);
  }
  enum sx_sent rest = left(c);
  pthread_mutex_unlock(&c->c_lock);
  if (found.any)
    sx_found_act(c, found);
  return rest;
}

static void failed(struct sx_conn *c, int err) {
  pthread_mutex_lock(&c->c_lock);
  sx_conn_leave(c, SX_N_CLOSED_SOCKET, STYX_LOG_DEBUG, strerror(err));
  pthread_mutex_unlock(&c->c_lock);
}

/* At most one round, so that connections take turns. A socket that took less than it was given is full. */
enum sx_sent sx_send(struct sx_conn *c, uint64_t now) {
  struct styx_server *v = c->c_shard->h_server;
  struct iovec iov[SX_SPANS];
  enum sx_sent rest = SX_MORE;
  for (size_t round = 0, n, len; round < SX_ROUND_BYTES && rest == SX_MORE;) {
    if ((n = gather(c, iov, &len, &rest)) == 0)
      break;
    ssize_t got = v->v_sys->send(v->v_sys->arg, c->c_fd, iov, n);
    sx_count_io(&v->v_stats, SX_N_SEND_CALLS, SX_N_SENT_BYTES, got > 0 ? (size_t)got : 0);
    if (got == -EAGAIN)
      return SX_FULL;
    if (got < 0 && got != -EINTR)
      failed(c, (int)-got);
    if (got > 0) {
      rest = sent(c, (size_t)got, now);
      round += (size_t)got;
      if ((size_t)got < len) {
        sx_count(&v->v_stats, SX_N_SHORT_SENDS, 1);
        return rest == SX_MORE ? SX_FULL : rest;
      }
    }
  }
  return rest;
}

void sx_block(struct sx_conn *c) {
  sx_count(&c->c_shard->h_server->v_stats, SX_N_BLOCKED, 1);
  c->c_full = true;
  int err = arm(c);
  if (err) /* nobody would tell us when it takes more */
    failed(c, err);
}
