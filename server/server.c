/* server.c: making, starting, draining and ending a server. */
#include "server/pipeline.h"

#include "base/alloc.h"
#include "server/interrupt.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SECOND = 1000000000 };

static void say(const struct styx_server *v, styx_level level, const char *what, const char *detail) {
  if (v->v_config.log)
    v->v_config.log(v->v_config.arg, level, "", what, detail);
}

/* ---- hooks of the sessions; arg is the connection ---- */

static void hook_wake(void *arg) { sx_published(arg); }

static void hook_log(void *arg, styx_level level, const char *what, const char *detail) {
  sx_log_conn(arg, level, what, detail);
}

static int hook_fd(void *arg) { return ((struct sx_conn *)arg)->c_fd; }

static void hook_error(void *arg, styx_err err) {
  sx_count_error(&((struct sx_conn *)arg)->c_shard->h_server->v_stats, err);
}

static void hook_trace(void *arg, bool out, const styx_msg *msg) {
  const struct sx_conn *c = arg;
  const styx_server_config *config = &c->c_shard->h_server->v_config;
  config->trace(config->arg, c->c_peer, out, msg);
}

static void hook_tap(void *arg, bool out, const styx_span *spans, size_t n) {
  struct sx_conn *c = arg;
  const styx_server_config *config = &c->c_shard->h_server->v_config;
  config->tap(config->arg, c->c_peer, &c->c_own, out, spans, n);
}

static const struct sx_system *system_of(void *arg) { return ((struct sx_conn *)arg)->c_shard->h_server->v_sys; }

static int hook_cancel_fd_new(void *arg) {
  const struct sx_system *sys = system_of(arg);
  int fd = sys->bell(sys->arg);
  return fd < 0 ? -1 : fd;
}

static void hook_cancel_fd_signal(void *arg, int fd) { system_of(arg)->ring(system_of(arg)->arg, fd); }

static void hook_cancel_fd_free(void *arg, int fd) { system_of(arg)->close(system_of(arg)->arg, fd); }

/* ---- making ---- */

static unsigned cpus(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void defaults(struct styx_server *v) {
  styx_server_config *c = &v->v_config;
  unsigned twice = 2 * cpus();
  c->workers = c->workers ? c->workers : twice > 4 ? twice : 4;
  c->readers = c->readers ? c->readers : 1;
  c->spare = c->spare == 0 ? 64 : c->spare < 2 ? 2 : c->spare; /* one is kept for must-run work */
  c->run_quota = c->run_quota ? c->run_quota : 32;
  c->connections = c->connections ? c->connections : 4096;
}

static styx_err shard_init(struct sx_shard *h, struct styx_server *v) {
  const struct sx_system *sys = v->v_sys;
  h->h_server = v;
  sx_list_init(&h->h_conns);
  pthread_mutex_init(&h->h_lock, NULL);
  atomic_init(&h->h_due, UINT64_MAX);
  h->h_buffer = sx_alloc(&v->v_alloc, v->v_sys->recv_size);
  h->h_alarm_kind = SX_ALARM;
  h->h_reads_kind = SX_READS;
  h->h_lender.d_shard = h;
  h->h_lender.d_reads = true;
  int *fds[] = {&h->h_read_poller, &h->h_send_poller, &h->h_read_bell, &h->h_send_bell, &h->h_alarm};
  for (size_t i = 0; i < 5; i++)
    *fds[i] = i < 2 ? sys->poller(sys->arg) : i < 4 ? sys->bell(sys->arg) : sys->timer(sys->arg);
  for (size_t i = 0; i < 5; i++)
    if (*fds[i] < 0)
      return -*fds[i];
  int err = -sys->watch(sys->arg, h->h_read_poller, EPOLL_CTL_ADD, h->h_read_bell, EPOLLIN, NULL);
  if (!err)
    err = -sys->watch(sys->arg, h->h_send_poller, EPOLL_CTL_ADD, h->h_send_bell, EPOLLIN, NULL);
  if (!err)
    err = -sys->watch(sys->arg, h->h_send_poller, EPOLL_CTL_ADD, h->h_alarm, EPOLLIN, &h->h_alarm_kind);
  return err ? err : h->h_buffer ? STYX_OK : ENOMEM;
}

/* Adopted by a server that never ran: nobody has said anything yet. */
static void drop_waiting(struct sx_shard *h) {
  while (!sx_list_empty(&h->h_conns)) {
    struct sx_conn *c = SX_OF(struct sx_conn, c_all, h->h_conns.next);
    styx_session_hangup(c->c_session);
    styx_session_free(c->c_session);
    c->c_session = NULL;
    sx_conn_put(c);
  }
}

static void shard_fini(struct sx_shard *h) {
  struct styx_server *v = h->h_server;
  if (!v)
    return; /* never made */
  drop_waiting(h);
  const int fds[] = {h->h_read_poller, h->h_send_poller, h->h_read_bell, h->h_send_bell, h->h_alarm};
  for (size_t i = 0; i < 5; i++)
    if (fds[i] >= 0)
      v->v_sys->close(v->v_sys->arg, fds[i]);
  for (struct sx_conn *c = h->h_free, *next; c; c = next) {
    next = c->c_free;
    pthread_mutex_destroy(&c->c_lock);
    sx_free(&v->v_alloc, c, sizeof *c);
  }
  sx_free(&v->v_alloc, h->h_buffer, v->v_sys->recv_size);
  pthread_mutex_destroy(&h->h_lock);
}

static void gone_init(struct styx_server *v) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&v->v_gone, &attr);
  pthread_condattr_destroy(&attr);
  pthread_mutex_init(&v->v_lock, NULL);
}

static styx_err init(struct styx_server *v) {
  const styx_server_config *c = &v->v_config;
  gone_init(v);
  v->v_shards = sx_zalloc(&v->v_alloc, c->readers * sizeof *v->v_shards);
  v->v_workers = sx_zalloc(&v->v_alloc, c->workers * sizeof *v->v_workers);
  v->v_lenders = sx_zalloc(&v->v_alloc, c->workers * sizeof *v->v_lenders);
  bool ok = v->v_shards && v->v_workers && v->v_lenders;
  for (unsigned i = 0; ok && i < c->workers; i++)
    v->v_lenders[i].d_shard = v->v_shards;
  for (int i = 0; i < SX_QUEUES; i++)
    ok &= sx_queue_init(&v->v_queue[i], c->connections * c->run_quota, &v->v_alloc);
  atomic_init(&v->v_cost[SX_NOWAIT], 1000); /* until it is known */
  atomic_init(&v->v_cost[SX_WORKER], 20000);
  v->v_cpus = cpus();
  sx_serial_init(&v->v_serial);
  ok &= sx_spares_init(&v->v_spares, c->spare, &v->v_alloc);
  ok &= sx_stats_init(&v->v_stats, c->workers + 2 * c->readers + c->spare, &v->v_alloc);
  styx_err err = ok ? STYX_OK : ENOMEM;
  for (unsigned i = 0; i < c->readers && !err; i++)
    err = shard_init(&v->v_shards[i], v);
  return err;
}

styx_err sx_server_new_on(styx_server **out, const styx_server_config *config, const struct sx_system *sys) {
  if (!config || config->size < sizeof *config || !sx_exports_fit(config->exports, config->nexports) ||
      !sx_interrupt_allowed(config->interrupt_signal))
    return STYX_EBADARG;
  struct styx_server *v = sx_zalloc(config->allocator, sizeof *v);
  if (!v)
    return ENOMEM;
  v->v_config = *config;
  if (config->allocator)
    v->v_alloc = *config->allocator;
  v->v_limits = config->limits ? *config->limits : styx_limits_default();
  v->v_sys = sys;
  v->v_accept_again = UINT64_MAX;
  v->v_hooks = (styx_hooks){.wake = hook_wake,
                            .log = hook_log,
                            .trace = config->trace ? hook_trace : NULL,
                            .cancel_fd_new = hook_cancel_fd_new,
                            .cancel_fd_signal = hook_cancel_fd_signal,
                            .cancel_fd_free = hook_cancel_fd_free,
                            .error = hook_error,
                            .tap = config->tap ? hook_tap : NULL,
                            .fd = hook_fd};
  defaults(v);
  styx_err err = styx_budget_new(&v->v_budget, v->v_limits.memory, &v->v_alloc);
  err = err ? err : init(v);
  if (err)
    styx_server_free(v);
  else
    *out = v;
  return err;
}

styx_err styx_server_new(styx_server **out, const styx_server_config *config) {
  return sx_server_new_on(out, config, &sx_linux);
}

void styx_server_free(styx_server *v) {
  if (!v)
    return;
  styx_allocator alloc = v->v_alloc;
  for (unsigned i = 0; v->v_shards && i < v->v_config.readers; i++)
    shard_fini(&v->v_shards[i]);
  for (struct sx_listener *l = v->v_listeners, *next; l; l = next) {
    next = l->l_next;
    v->v_sys->close(v->v_sys->arg, l->l_fd);
    sx_free(&alloc, l, sizeof *l);
  }
  for (int i = 0; i < SX_QUEUES; i++)
    if (v->v_queue[i].q_cells)
      sx_queue_fini(&v->v_queue[i]);
  sx_spares_fini(&v->v_spares, &alloc);
  sx_serial_fini(&v->v_serial);
  sx_stats_fini(&v->v_stats, &alloc);
  styx_budget_free(v->v_budget);
  pthread_mutex_destroy(&v->v_lock);
  pthread_cond_destroy(&v->v_gone);
  sx_free(&alloc, v->v_shards, v->v_config.readers * sizeof *v->v_shards);
  sx_free(&alloc, v->v_workers, v->v_config.workers * sizeof *v->v_workers);
  sx_free(&alloc, v->v_lenders, v->v_config.workers * sizeof *v->v_lenders);
  sx_free(&alloc, v, sizeof *v);
}

/* ---- connections come in ---- */

struct sx_shard *sx_shard_next(struct styx_server *v) {
  return &v->v_shards[atomic_fetch_add_explicit(&v->v_next_shard, 1, memory_order_relaxed) % v->v_config.readers];
}

styx_err styx_server_listen(styx_server *v, int fd) {
  struct sx_listener *l = sx_zalloc(&v->v_alloc, sizeof *l);
  if (!l)
    return ENOMEM;
  *l = (struct sx_listener){SX_LISTENER, fd, v->v_listeners};
  styx_err err = -v->v_sys->watch(v->v_sys->arg, v->v_shards[0].h_read_poller, EPOLL_CTL_ADD, fd, EPOLLIN, l);
  if (err)
    sx_free(&v->v_alloc, l, sizeof *l);
  else
    v->v_listeners = l;
  return err;
}

styx_err styx_server_adopt(styx_server *v, int fd, const char *peer) {
  if (sx_conn_new(sx_shard_next(v), fd, peer))
    return STYX_OK;
  return atomic_load_explicit(&v->v_draining, memory_order_acquire) ? ESHUTDOWN : STYX_ELIMIT;
}

/* ---- threads ---- */

static void *reader_main(void *shard) {
  struct sx_shard *h = shard;
  sx_stats_join(&h->h_server->v_stats);
  if (!h->h_server->v_config.no_lending)
    sx_lend_join(&h->h_lender);
  sx_interrupt_join(h->h_server->v_config.interrupt_signal);
  while (!atomic_load_explicit(&h->h_server->v_stop, memory_order_acquire))
    sx_read_step(h);
  sx_lend_leave(h->h_server);
  sx_interrupt_leave();
  return NULL;
}

static void *replier_main(void *shard) {
  struct sx_shard *h = shard;
  sx_stats_join(&h->h_server->v_stats);
  while (!atomic_load_explicit(&h->h_server->v_stop, memory_order_acquire))
    sx_reply_step(h);
  return NULL;
}

/* One filesystem may be exported under several names; it begins and ends with the first. */
static bool exported_before(const struct styx_server *v, size_t n) {
  const styx_export *exports = v->v_config.exports;
  for (size_t i = 0; i < n; i++)
    if (exports[i].fs.ops == exports[n].fs.ops && exports[i].fs.ctx == exports[n].fs.ctx)
      return true;
  return false;
}

static void filesystems_cleanup(const struct styx_server *v, size_t n) {
  while (n-- > 0) {
    const styx_fs *fs = &v->v_config.exports[n].fs;
    if (fs->ops->cleanup && !exported_before(v, n))
      fs->ops->cleanup(fs->ctx);
  }
}

static styx_err filesystems_init(const struct styx_server *v) {
  for (size_t i = 0; i < v->v_config.nexports; i++) {
    const styx_fs *fs = &v->v_config.exports[i].fs;
    styx_err err = fs->ops->init && !exported_before(v, i) ? fs->ops->init(fs->ctx) : STYX_OK;
    if (err) {
      filesystems_cleanup(v, i);
      return err;
    }
  }
  return STYX_OK;
}

/* End every thread that was started. */
static void stop_threads(struct styx_server *v) {
  const struct sx_system *sys = v->v_sys;
  atomic_store_explicit(&v->v_stop, true, memory_order_seq_cst);
  sx_park_wake(&v->v_park, (int)v->v_config.workers, sys);
  for (unsigned i = 0; i < v->v_nworkers; i++)
    pthread_join(v->v_workers[i], NULL);
  sx_spares_stop(&v->v_spares);
  for (unsigned i = 0; i < v->v_config.readers; i++) {
    struct sx_shard *h = &v->v_shards[i];
    sys->ring(sys->arg, h->h_read_bell);
    sys->ring(sys->arg, h->h_send_bell);
    atomic_store_explicit(&h->h_role, SX_ROLE_READING,
                          memory_order_seq_cst); /* a reader that waits for it is to end too */
    sys->wake(sys->arg, &h->h_role, 1);
    if (h->h_started > 0)
      pthread_join(h->h_reader, NULL);
    if (h->h_started > 1)
      pthread_join(h->h_replier, NULL);
  }
  sx_interrupt_uninstall(v->v_signal);
}

static styx_err try_threads(struct styx_server *v) {
  int err = 0;
  for (; v->v_nworkers < v->v_config.workers && !err; v->v_nworkers += err == 0)
    err = pthread_create(&v->v_workers[v->v_nworkers], NULL, sx_worker_main, v);
  if (!err)
    err = sx_spares_start(&v->v_spares);
  for (unsigned i = 0; i < v->v_config.readers && !err; i++) {
    struct sx_shard *h = &v->v_shards[i];
    err = pthread_create(&h->h_reader, NULL, reader_main, h);
    h->h_started += err == 0;
    if (!err)
      err = pthread_create(&h->h_replier, NULL, replier_main, h);
    h->h_started += err == 0 && h->h_started == 1;
  }
  return err;
}

static styx_err start_threads(struct styx_server *v) {
  styx_err err = sx_interrupt_install(v->v_config.interrupt_signal);
  if (err)
    return err;
  v->v_signal = v->v_config.interrupt_signal;
  err = try_threads(v);
  if (err)
    stop_threads(v);
  return err;
}

styx_err styx_server_start(styx_server *v) {
  styx_err err = filesystems_init(v);
  if (err)
    return err;
  err = start_threads(v);
  if (err)
    filesystems_cleanup(v, v->v_config.nexports);
  return err;
}

/* ---- the end ---- */

typedef void each_conn(struct sx_conn *c);

static void for_each(struct styx_server *v, each_conn *fn) {
  for (unsigned i = 0; i < v->v_config.readers; i++) {
    struct sx_shard *h = &v->v_shards[i];
    pthread_mutex_lock(&h->h_lock);
    for (struct sx_link *l = h->h_conns.next; l != &h->h_conns; l = l->next) {
      struct sx_conn *c = SX_OF(struct sx_conn, c_all, l);
      pthread_mutex_lock(&c->c_lock);
      if (c->c_session)
        fn(c);
      pthread_mutex_unlock(&c->c_lock);
      sx_kick(c);
    }
    pthread_mutex_unlock(&h->h_lock);
  }
}

static void drain(struct sx_conn *c) { styx_session_drain(c->c_session); }

static void leave(struct sx_conn *c) { sx_conn_leave(c, SX_N_CLOSED_SHUTDOWN, STYX_LOG_INFO, "shutting down"); }

static void name_stuck(void *arg, const styx_request_info *r) {
  char detail[128];
  const char *name = styx_msg_name(r->type);
  snprintf(detail, sizeof detail, "%s of qid path %#llx, outstanding for %llu ms", name ? name : "?",
           (unsigned long long)r->qid.path, (unsigned long long)(r->age / 1000000));
  sx_log_conn(arg, STYX_LOG_ERROR, "still running at the end", detail);
}

static void log_stuck(struct sx_conn *c) {
  size_t n = styx_session_each_request(c->c_session, name_stuck, c);
  atomic_fetch_add_explicit(&c->c_shard->h_server->v_stuck, n, memory_order_relaxed);
}

void styx_server_hurry(styx_server *v) {
  pthread_mutex_lock(&v->v_lock);
  atomic_store_explicit(&v->v_hurry, true, memory_order_relaxed);
  pthread_cond_broadcast(&v->v_gone);
  pthread_mutex_unlock(&v->v_lock);
}

/* True once no connection is left. */
static bool wait_gone(struct styx_server *v, uint64_t ns, bool patient) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  ns = (ns > INT64_MAX ? INT64_MAX : ns) + (uint64_t)until.tv_nsec;
  until.tv_sec += (time_t)(ns / SECOND);
  until.tv_nsec = (long)(ns % SECOND);
  int rc = 0;
  size_t left; /* looked at once: whoever comes later is counted for a moment and refused */
  pthread_mutex_lock(&v->v_lock);
  while ((left = atomic_load_explicit(&v->v_nconns, memory_order_seq_cst)) > 0 &&
         rc == 0 && /* pairs with: sx_conn_new */
         (patient || !atomic_load_explicit(&v->v_hurry, memory_order_relaxed)))
    rc = pthread_cond_timedwait(&v->v_gone, &v->v_lock, &until);
  pthread_mutex_unlock(&v->v_lock);
  return left == 0;
}

styx_err styx_server_stop(styx_server *v, uint64_t grace, size_t *running) {
  if (!atomic_exchange_explicit(&v->v_draining, true, memory_order_seq_cst)) {
    say(v, STYX_LOG_INFO, "shutting down", "");
    sx_accept_stop(v);
  }
  for_each(v, drain);
  if (!wait_gone(v, grace, false)) {
    for_each(v, leave);
    if (!wait_gone(v, SECOND, true)) {
      atomic_store_explicit(&v->v_stuck, 0, memory_order_relaxed);
      for_each(v, log_stuck);
      if (running)
        *running = atomic_load_explicit(&v->v_stuck, memory_order_relaxed);
      return STYX_EBUSY;
    }
  }
  stop_threads(v);
  filesystems_cleanup(v, v->v_config.nexports);
  return STYX_OK;
}
