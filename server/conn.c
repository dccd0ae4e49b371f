/* conn.c: connections: made when one is accepted, counted by everybody who may still touch them, used again. */
#include "server/pipeline.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void sx_log_conn(const struct sx_conn *c, styx_level level, const char *what, const char *detail) {
  const styx_server_config *config = &c->c_shard->h_server->v_config;
  if (config->log)
    config->log(config->arg, level, c->c_peer, what, detail ? detail : "");
}

/* ---- memory: of a kind, for ever ---- */

static struct sx_conn *take_memory(struct sx_shard *h) {
  pthread_mutex_lock(&h->h_lock);
  struct sx_conn *c = h->h_free;
  if (c)
    h->h_free = c->c_free;
  pthread_mutex_unlock(&h->h_lock);
  if (c)
    return c;
  c = sx_zalloc(&h->h_server->v_alloc, sizeof *c);
  if (!c)
    return NULL;
  pthread_mutex_init(&c->c_lock, NULL);
  c->c_shard = h;
  struct sx_link *lists[] = {&c->c_supply[SX_NOWAIT].s_waiting, &c->c_supply[SX_WORKER].s_waiting, &c->c_blocking,
                             &c->c_must, &c->c_chores};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    sx_list_init(lists[i]);
  return c;
}

static void give_memory(struct sx_conn *c) {
  struct sx_shard *h = c->c_shard;
  pthread_mutex_lock(&h->h_lock);
  sx_info_add(&h->h_past, &c->c_last);
  sx_unlink(&c->c_all);
  c->c_free = h->h_free;
  h->h_free = c;
  pthread_mutex_unlock(&h->h_lock);
}

/* ---- life ---- */

static styx_err open_session(struct sx_conn *c, const styx_peer *peer) {
  struct styx_server *v = c->c_shard->h_server;
  const styx_session_config config = {.size = sizeof config,
                                      .exports = v->v_config.exports,
                                      .nexports = v->v_config.nexports,
                                      .limits = &v->v_limits,
                                      .allocator = &v->v_alloc,
                                      .hooks = &v->v_hooks,
                                      .budget = v->v_budget,
                                      .peer = peer,
                                      .hook_arg = c};
  return styx_session_new(&c->c_session, &config, v->v_sys->clock(v->v_sys->arg));
}

/* Readiness is told once, when it begins: level-triggered, each receive costs the next poll another look at the socket. To say
 * again what is wanted makes the poller look again. */
static int watch_input(struct sx_conn *c, int op) {
  const struct sx_system *sys = c->c_shard->h_server->v_sys;
  const uint32_t events = (c->c_reading ? EPOLLIN | EPOLLPRI : 0) | EPOLLRDHUP | EPOLLET;
  return sys->watch(sys->arg, c->c_shard->h_read_poller, op, c->c_fd, events, c);
}

/* The reader sees it from here on. */
static styx_err join(struct sx_conn *c) {
  struct sx_shard *h = c->c_shard;
  const struct sx_system *sys = h->h_server->v_sys;
  styx_peer peer;
  const bool known = sys->peer && sys->peer(sys->arg, c->c_fd, &peer);
  pthread_mutex_lock(&c->c_lock);
  /* Either we see that styx_server_stop has begun, or it sees that we are counted and finds this session in h_conns. */
  bool late = atomic_load_explicit(&h->h_server->v_draining, memory_order_seq_cst);
  styx_err err = late ? ESHUTDOWN : open_session(c, known ? &peer : NULL);
  if (!err) {
    sx_due(h, styx_session_deadline(c->c_session));
    c->c_reading = true;
    err = -watch_input(c, EPOLL_CTL_ADD);
  }
  if (err && c->c_session) {
    styx_session_hangup(c->c_session);
    styx_session_free(c->c_session);
    c->c_session = NULL;
  }
  pthread_mutex_unlock(&c->c_lock);
  return err;
}

/* One connection fewer. */
static void uncount(struct styx_server *v) {
  if (atomic_fetch_sub_explicit(&v->v_nconns, 1, memory_order_acq_rel) != 1) /* pairs with: wait_gone */
    return;
  if (v->v_config.idle)
    v->v_config.idle(v->v_config.arg);
  if (atomic_load_explicit(&v->v_draining, memory_order_relaxed)) {
    pthread_mutex_lock(&v->v_lock);
    pthread_cond_broadcast(&v->v_gone);
    pthread_mutex_unlock(&v->v_lock);
  }
}

struct sx_conn *sx_conn_new(struct sx_shard *h, int fd, const char *peer) {
  struct styx_server *v = h->h_server;
  size_t before = atomic_fetch_add_explicit(&v->v_nconns, 1, memory_order_seq_cst);
  struct sx_conn *c = before < v->v_config.connections ? take_memory(h) : NULL;
  styx_err err = c ? STYX_OK : before < v->v_config.connections ? ENOMEM : STYX_ELIMIT;
  if (c) {
    c->c_fd = fd;
    c->c_plain = v->v_sys->plain(v->v_sys->arg, fd);
    c->c_leaving = c->c_hungup = false;
    c->c_last = (styx_session_info){0};
    c->c_own = NULL;
    snprintf(c->c_peer, sizeof c->c_peer, "%s", peer);
    atomic_store_explicit(&c->c_refs, 1, memory_order_relaxed);
    pthread_mutex_lock(&h->h_lock);
    sx_list_push(&h->h_conns, &c->c_all);
    pthread_mutex_unlock(&h->h_lock);
    sx_log_conn(c, STYX_LOG_DEBUG, "connected", "");
    err = join(c);
  }
  sx_count(&v->v_stats, !err ? SX_N_ACCEPTED : err == STYX_ELIMIT ? SX_N_REFUSED_LIMIT : SX_N_REFUSED_ERROR, 1);
  if (!err)
    return c;
  if (v->v_config.log)
    v->v_config.log(v->v_config.arg, STYX_LOG_WARN, peer, "connection refused",
                    err == STYX_ELIMIT ? "too many connections" : styx_err_text(err));
  if (c) {
    sx_conn_put(c);
  } else {
    v->v_sys->close(v->v_sys->arg, fd);
    uncount(v);
  }
  return NULL;
}

/* The descriptor lives as long as anybody may still send to it, so a late answer never meets a reused number. */
void sx_conn_put(struct sx_conn *c) {
  if (atomic_fetch_sub_explicit(&c->c_refs, 1, memory_order_acq_rel) != 1) /* pairs with: itself */
    return;
  struct styx_server *v = c->c_shard->h_server;
  v->v_sys->close(v->v_sys->arg, c->c_fd);
  if (v->v_config.tap)
    v->v_config.tap(v->v_config.arg, c->c_peer, &c->c_own, true, NULL, 0);
  sx_log_conn(c, STYX_LOG_DEBUG, "connection closed", "");
  give_memory(c);
  uncount(v);
}

/* No more reading. The reply thread, which has the token, hangs the session up and waits for it. */
void sx_conn_leave(struct sx_conn *c, enum sx_stat reason, styx_level level, const char *why) {
  const struct sx_system *sys = c->c_shard->h_server->v_sys;
  if (c->c_leaving)
    return;
  c->c_leaving = true;
  sx_count(&c->c_shard->h_server->v_stats, reason, 1);
  c->c_reading = false;
  sys->watch(sys->arg, c->c_shard->h_read_poller, EPOLL_CTL_DEL, c->c_fd, 0, c);
  sx_log_conn(c, level, "connection ended", why);
}

void sx_interest(struct sx_conn *c, bool more) {
  const bool want = styx_session_wants_input(c->c_session);
  if (c->c_leaving || (want == c->c_reading && !(want && more)))
    return;
  c->c_reading = want;
  watch_input(c, EPOLL_CTL_MOD);
}
