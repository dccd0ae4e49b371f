/* server/stats.h: what the threads count. Each has a set of counters of its own, so counting costs a load and a store of its
 * own cache line; they are added up when somebody reads them. Not for the rows of stats.def that are no STYX_COUNT. */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <styx/session.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

enum sx_stat {
#define STYX_COUNT(id, name, label, value, help) SX_N_##id,
#define STYX_SUM(id, name, help)
#define STYX_LEVEL(id, name, help)
#define STYX_GAUGE(id, name, help)
#include "server/stats.def"
#undef STYX_COUNT
#undef STYX_SUM
#undef STYX_LEVEL
#undef STYX_GAUGE
  SX_NSTATS
};

/* Rows of errors.def, and one for what is not in it. */
enum {
#define STYX_ERRNO(name, text) SX_ROW_##name,
#define STYX_ERROR(name, code, errno_, text) SX_ROW_STYX_##name,
#include <styx/errors.def>
#undef STYX_ERRNO
#undef STYX_ERROR
  SX_ROW_OTHER,
  SX_NERRORS
};

struct sx_counts {
  alignas(64) struct sx_stats *n_stats; /* whose; immutable */
  _Atomic uint64_t n_count[SX_NSTATS];  /* atomic: written by one thread, except the shared set */
  _Atomic uint64_t n_errors[SX_NERRORS];
};

/* All the sets of a server: the first is shared by threads that are not its own. */
struct sx_stats {
  struct sx_counts *n_sets; /* immutable */
  void *n_memory;
  size_t n_size;
  unsigned n_nsets;         /* immutable */
  _Atomic unsigned n_taken; /* atomic */
};

bool sx_stats_init(struct sx_stats *st, unsigned threads, const styx_allocator *alloc);
void sx_stats_fini(struct sx_stats *st, const styx_allocator *alloc);

/* The calling thread, which is the server's, has a set of its own from here on. */
void sx_stats_join(struct sx_stats *st);

/* Any thread. */
void sx_count(struct sx_stats *st, enum sx_stat stat, uint64_t n);
void sx_count_io(struct sx_stats *st, enum sx_stat calls, enum sx_stat bytes, uint64_t n); /* one call, n bytes */
void sx_count_error(struct sx_stats *st, styx_err err);

#endif
