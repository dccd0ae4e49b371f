/* read.c: the reader thread: one receive for each readiness, decode and register everything under one lock, hand what is
 * runnable to the workers. */
#include "server/pipeline.h"

#include <errno.h>
#include <string.h>

/* Where input goes: the rest of a long message to its place, what is behind it into the shard's buffer. */
struct input {
  struct iovec iov[2];
  size_t room; /* of the first; 0: it is not used */
};

/* True if there is something to send: for errors and Rflushes that need no worker, or for the session's end. */
static bool feed(struct sx_conn *c, size_t len, bool more, struct sx_found *found, uint64_t *deadline) {
  struct sx_shard *h = c->c_shard;
  if (len)
    styx_session_feed(c->c_session, h->h_buffer, len, h->h_now);
  *found = sx_dispatch(c);
  *deadline = styx_session_deadline(c->c_session);
  sx_interest(c, more);
  return styx_session_pending_bytes(c->c_session) || styx_session_ended(c->c_session);
}

enum { GONE = EPOLLRDHUP | EPOLLHUP | EPOLLERR, MARK = EPOLLPRI };

static void receive(struct sx_conn *c, uint32_t events, const struct input *in) {
  struct sx_shard *h = c->c_shard;
  const struct sx_system *sys = h->h_server->v_sys;
  bool more = false;
  const ssize_t n =
      sys->recv(sys->arg, c->c_fd, in->room ? in->iov : in->iov + 1, in->room ? 2 : 1, c->c_plain ? NULL : &more);
  const size_t got = n > 0 ? (size_t)n : 0, placed = got < in->room ? got : in->room;
  sx_count_io(&h->h_server->v_stats, SX_N_RECV_CALLS, SX_N_RECV_BYTES, got);
  if (n == -EAGAIN && !in->room)
    return;
  /* There may be more that no event will tell of: all the room was filled, or behind what was received is the end or a mark. */
  more |= got == in->room + in->iov[1].iov_len || (got && (events & (GONE | MARK)));
  struct sx_found found = {0};
  uint64_t deadline = UINT64_MAX;
  bool kick = in->room > 0; /* a session that is over waits for the room to be given back */
  pthread_mutex_lock(&c->c_lock);
  if (in->room)
    styx_session_received(c->c_session, placed, h->h_now);
  /* Memory of connections is used again: this may be another one than epoll meant, then there was nothing to receive. */
  if (c->c_session && !c->c_leaving && (got || n == -EAGAIN)) {
    kick = feed(c, got - placed, more, &found, &deadline);
  } else if (c->c_session && !c->c_leaving) {
    sx_conn_leave(c, n == 0 ? SX_N_CLOSED_PEER : SX_N_CLOSED_SOCKET, STYX_LOG_DEBUG,
                  n == 0 ? "closed by the peer" : strerror((int)-n));
    kick = true;
  }
  pthread_mutex_unlock(&c->c_lock);
  if (found.any)
    sx_found_act(c, found);
  sx_due(h, deadline);
  if (kick)
    sx_published(c);
}

/* Is c to be received from, and where to? If so it is counted: meanwhile its descriptor may not be closed, and the number given to
 * another. While the session wants no input only the peer's going is looked for; in one step, since c may be another
 * connection than the event is about, which reads. */
static bool reads(struct sx_conn *c, uint32_t events, struct input *in) {
  const struct sx_system *sys = c->c_shard->h_server->v_sys;
  in->room = 0;
  in->iov[1] = (struct iovec){c->c_shard->h_buffer, sys->recv_size};
  pthread_mutex_lock(&c->c_lock);
  bool yes = c->c_session && c->c_reading;
  bool gone = c->c_session && !c->c_reading && !c->c_leaving && (events & GONE);
  if (yes) {
    atomic_fetch_add_explicit(&c->c_refs, 1, memory_order_relaxed);
    if ((in->iov[0].iov_base = styx_session_room(c->c_session, sys->room_least, &in->room)))
      in->iov[0].iov_len = in->room;
    else
      in->room = 0;
  }
  if (gone)
    sx_conn_leave(c, SX_N_CLOSED_PEER, STYX_LOG_DEBUG, "closed by the peer");
  pthread_mutex_unlock(&c->c_lock);
  if (gone)
    sx_published(c);
  return yes;
}

/* ---- accepting: the first shard's reader does it, connections go to the shards in turn ---- */

static void listeners_watch(struct styx_server *v, int op, uint32_t events) {
  for (struct sx_listener *l = v->v_listeners; l; l = l->l_next)
    v->v_sys->watch(v->v_sys->arg, v->v_shards[0].h_read_poller, op, l->l_fd, events, l);
}

void sx_accept_stop(struct styx_server *v) { listeners_watch(v, EPOLL_CTL_DEL, 0); }

/* Out of descriptors or memory: a readable listener would keep the reader spinning, so it waits a second. */
static void accept_pause(struct styx_server *v, styx_err err) {
  sx_count(&v->v_stats, SX_N_ACCEPT_PAUSES, 1);
  if (v->v_config.log)
    v->v_config.log(v->v_config.arg, STYX_LOG_WARN, "", "no new connections for a second", styx_err_text(err));
  v->v_accept_again = v->v_sys->clock(v->v_sys->arg) + 1000000000u;
  listeners_watch(v, EPOLL_CTL_MOD, 0);
}

static void accept_ready(struct styx_server *v, struct sx_listener *l) {
  enum { AT_ONCE = 16 };
  char peer[64];
  for (int i = 0; i < AT_ONCE && !atomic_load_explicit(&v->v_draining, memory_order_relaxed); i++) {
    int fd;
    styx_err err = styx_accept(l->l_fd, &fd, peer, sizeof peer);
    if (err == EAGAIN)
      return;
    if (err == EMFILE || err == ENFILE || err == ENOMEM || err == ENOBUFS) {
      accept_pause(v, err);
      return;
    }
    if (!err)
      sx_conn_new(sx_shard_next(v), fd, peer);
  }
}

uint64_t sx_accept_timeout(struct sx_shard *h) {
  struct styx_server *v = h->h_server;
  if (h != v->v_shards || v->v_accept_again == UINT64_MAX)
    return UINT64_MAX;
  uint64_t now = v->v_sys->clock(v->v_sys->arg);
  if (now < v->v_accept_again)
    return v->v_accept_again - now;
  v->v_accept_again = UINT64_MAX;
  listeners_watch(v, EPOLL_CTL_MOD, EPOLLIN);
  return UINT64_MAX;
}

/* ---- the step ---- */

static void ready(struct sx_shard *h, const struct epoll_event *e) {
  struct sx_conn *c = e->data.ptr;
  struct input in;
  if (!c)
    h->h_server->v_sys->quiet(h->h_server->v_sys->arg, h->h_read_bell);
  else if (c->c_kind == SX_LISTENER)
    accept_ready(h->h_server, e->data.ptr);
  else if (reads(c, e->events, &in)) {
    receive(c, e->events, &in);
    sx_conn_put(c);
  }
}

void sx_read_ready(struct sx_shard *h, uint64_t timeout) {
  struct epoll_event events[SX_EVENTS];
  const struct sx_system *sys = h->h_server->v_sys;
  int n = sys->poll(sys->arg, h->h_read_poller, events, SX_EVENTS, timeout);
  h->h_now = sys->clock(sys->arg);
  for (int i = 0; i < n; i++)
    ready(h, &events[i]);
}

/* One round: everything that is ready is read before anything is run, and before the next wait. */
void sx_read_step(struct sx_shard *h) {
  uint64_t timeout = sx_accept_timeout(h);
  if (h->h_server->v_config.no_lending) {
    sx_read_ready(h, timeout);
    return;
  }
  sx_read_ready(h, sx_queue_empty(&h->h_server->v_queue[SX_NOWAIT]) ? timeout : 0);
  sx_lend_read(h);
}
