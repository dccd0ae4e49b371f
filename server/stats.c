/* stats.c: counting, and adding up what was counted. */
#include "server/pipeline.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

/* ---- counting ---- */

/* The library may be loaded late, so this is found by a call; one that is never loaded late would do without. */
static _Thread_local struct sx_counts *mine;

bool sx_stats_init(struct sx_stats *st, unsigned threads, const styx_allocator *alloc) {
  st->n_nsets = threads + 1;
  st->n_size = st->n_nsets * sizeof *st->n_sets + alignof(struct sx_counts);
  st->n_memory = sx_zalloc(alloc, st->n_size);
  if (!st->n_memory)
    return false;
  uintptr_t line = alignof(struct sx_counts);
  st->n_sets = (void *)(((uintptr_t)st->n_memory + line - 1) & ~(line - 1));
  for (unsigned i = 0; i < st->n_nsets; i++)
    st->n_sets[i].n_stats = st;
  atomic_init(&st->n_taken, 1);
  return true;
}

void sx_stats_fini(struct sx_stats *st, const styx_allocator *alloc) { sx_free(alloc, st->n_memory, st->n_size); }

void sx_stats_join(struct sx_stats *st) {
  unsigned i = atomic_fetch_add_explicit(&st->n_taken, 1, memory_order_relaxed);
  mine = i < st->n_nsets ? &st->n_sets[i] : NULL;
}

static struct sx_counts *set_here(struct sx_stats *st) { return mine && mine->n_stats == st ? mine : st->n_sets; }

/* relaxed throughout: numbers, which order nothing */
static void add(const struct sx_counts *set, _Atomic uint64_t *count, uint64_t n) {
  if (set != set->n_stats->n_sets) /* nobody else writes it */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_relaxed);
  else
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

void sx_count(struct sx_stats *st, enum sx_stat stat, uint64_t n) {
  struct sx_counts *set = set_here(st);
  add(set, &set->n_count[stat], n);
}

void sx_count_io(struct sx_stats *st, enum sx_stat calls, enum sx_stat bytes, uint64_t n) {
  struct sx_counts *set = set_here(st);
  add(set, &set->n_count[calls], 1);
  add(set, &set->n_count[bytes], n);
}

static unsigned row_of(styx_err err) {
  switch (err) {
#define STYX_ERRNO(name, text)                                                                                         \
  case name:                                                                                                           \
    return SX_ROW_##name;
#define STYX_ERROR(name, code, errno_, text)                                                                           \
  case code:                                                                                                           \
    return SX_ROW_STYX_##name;
#include <styx/errors.def>
#undef STYX_ERRNO
#undef STYX_ERROR
  default:
    return SX_ROW_OTHER;
  }
}

void sx_count_error(struct sx_stats *st, styx_err err) {
  struct sx_counts *set = set_here(st);
  add(set, &set->n_errors[row_of(err)], 1);
}

/* ---- adding up ---- */

static uint64_t merged(const struct sx_stats *st, size_t offset) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < st->n_nsets; i++)
    sum += atomic_load_explicit((const _Atomic uint64_t *)(const void *)((const char *)&st->n_sets[i] + offset),
                                memory_order_relaxed);
  return sum;
}

void sx_info_add(styx_session_info *to, const styx_session_info *from) {
#define STYX_COUNT(id, name, label, value, help)
#define STYX_SUM(id, name, help) to->id += from->id;
#define STYX_LEVEL(id, name, help) to->id += from->id;
#define STYX_GAUGE(id, name, help)
#include "server/stats.def"
#undef STYX_COUNT
#undef STYX_SUM
#undef STYX_LEVEL
#undef STYX_GAUGE
#define STYX_LIMIT(field, flag, default_, unit, help) to->hits.field += from->hits.field;
#include <styx/limits.def>
#undef STYX_LIMIT
}

/* A connection that ends goes from h_conns to h_past under h_lock, so it counts once. */
static void sum_shard(struct sx_shard *h, styx_session_info *sum) {
  pthread_mutex_lock(&h->h_lock);
  sx_info_add(sum, &h->h_past);
  for (struct sx_link *l = h->h_conns.next; l != &h->h_conns; l = l->next) {
    struct sx_conn *c = SX_OF(struct sx_conn, c_all, l);
    pthread_mutex_lock(&c->c_lock);
    const styx_session_info info = c->c_session ? styx_session_inspect(c->c_session) : c->c_last;
    pthread_mutex_unlock(&c->c_lock);
    sx_info_add(sum, &info);
  }
  pthread_mutex_unlock(&h->h_lock);
}

struct gauges {
  uint64_t connections, queue_length, queue_capacity, workers, workers_asleep, spares, spares_busy, charged_bytes;
};

static struct gauges read_gauges(struct styx_server *v) {
  struct gauges g = {.workers = v->v_nworkers};
  for (int i = 0; i < SX_QUEUES; i++) {
    g.queue_capacity += v->v_queue[i].q_mask + 1;
    g.queue_length += sx_queue_length(&v->v_queue[i]);
  }
  g.charged_bytes = styx_budget_used(v->v_budget);
  g.connections = atomic_load_explicit(&v->v_nconns, memory_order_relaxed);
  g.workers_asleep = atomic_load_explicit(&v->v_park.k_sleepers, memory_order_relaxed);
  pthread_mutex_lock(&v->v_spares.p_lock);
  g.spares = v->v_spares.p_started;
  g.spares_busy = v->v_spares.p_busy;
  pthread_mutex_unlock(&v->v_spares.p_lock);
  return g;
}

static void tell_limits(const styx_limits *hits, styx_number_fn *fn, void *arg) {
  static const char help[] = "Times that a limit was met.";
#define STYX_LIMIT(field, flag, default_, unit, help_)                                                                 \
  fn(arg, &(styx_number){"styx_limit_hits_total", "limit", flag, help, false, hits->field});
#include <styx/limits.def>
#undef STYX_LIMIT
}

/* Those that have happened: the table is long. */
static void tell_errors(const struct sx_stats *st, styx_number_fn *fn, void *arg) {
  static const char help[] = "Rerror replies by error.";
  static const char *const names[] = {
#define STYX_ERRNO(name, text) #name,
#define STYX_ERROR(name, code, errno_, text) "STYX_" #name,
#include <styx/errors.def>
#undef STYX_ERRNO
#undef STYX_ERROR
      "other"};
  for (size_t i = 0; i < SX_NERRORS; i++) {
    uint64_t n = merged(st, offsetof(struct sx_counts, n_errors) + i * sizeof(uint64_t));
    if (n > 0)
      fn(arg, &(styx_number){"styx_errors_total", "error", names[i], help, false, n});
  }
}

void styx_server_stats(styx_server *v, styx_number_fn *fn, void *arg) {
  styx_session_info sum = {0};
  for (unsigned i = 0; i < v->v_config.readers; i++)
    sum_shard(&v->v_shards[i], &sum);
  const struct gauges now = read_gauges(v);
#define STYX_COUNT(id, name, label, value, help)                                                                       \
  fn(arg, &(styx_number){"styx_" name "_total", label, value, help, false,                                             \
                         merged(&v->v_stats, offsetof(struct sx_counts, n_count[SX_N_##id]))});
#define STYX_SUM(id, name, help) fn(arg, &(styx_number){"styx_" name "_total", NULL, NULL, help, false, sum.id});
#define STYX_LEVEL(id, name, help) fn(arg, &(styx_number){"styx_" name, NULL, NULL, help, true, sum.id});
#define STYX_GAUGE(id, name, help) fn(arg, &(styx_number){"styx_" name, NULL, NULL, help, true, now.id});
#include "server/stats.def"
#undef STYX_COUNT
#undef STYX_SUM
#undef STYX_LEVEL
#undef STYX_GAUGE
  tell_limits(&sum.hits, fn, arg);
  tell_errors(&v->v_stats, fn, arg);
}
