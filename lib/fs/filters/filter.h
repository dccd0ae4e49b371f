/* fs/filters/filter.h: what the files of the filters share.
 *
 * A filter's table has `any` (and, for readonly, open) instead of slots: it decides, and passes the request on. The traits and
 * the serial key are those of the filesystem behind it, since what is in front is what counts. */
#ifndef FS_FILTERS_FILTER_H
#define FS_FILTERS_FILTER_H

#include "base/list.h"

#include <pthread.h>
#include <styx/filter.h>

/* One key of a kind of filter. set returns NULL, or what is wrong with the value as the end of a sentence. */
struct sx_filter_key {
  const char *name; /* NULL: the end */
  const char *(*set)(struct styx_filter *f, styx_str value);
};

struct sx_filter_kind {
  const char *name;
  const struct sx_filter_key *keys;
  uint32_t ops; /* STYX_OP bits that op= may name; "*" is all of them */
  styx_answer (*any)(styx_req *, enum styx_op op);
  styx_answer (*open)(styx_req *, void *node, uint32_t flags); /* NULL: any */
  bool paths;
  /* Any may be NULL. lacks: what has to be said and was not; STYX_OK from start, or the filter is not made. */
  const char *(*lacks)(const struct styx_filter *f);
  styx_err (*start)(struct styx_filter *f); /* f->table is complete and may be changed */
  void (*end)(struct styx_filter *f);
};

extern const struct sx_filter_kind sx_filter_delay, sx_filter_error, sx_filter_log, sx_filter_readonly;

/* Operations with a request, save remove, which nobody can cancel. */
#define SX_FILTER_CANCELLABLE (((1u << STYX_NOPS) - 1) & ~(STYX_OP(close) | STYX_OP(forget) | STYX_OP(remove)))
#define SX_FILTER_REQUESTS (SX_FILTER_CANCELLABLE | STYX_OP(remove))

/* delay. Requests that are parked stand in the order in which they are due, since all wait equally long. */
struct sx_parked {
  struct styx_filter *filter;
  styx_req *req;
  struct sx_link link; /* lock */
  uint64_t due;
  bool cancelled; /* before it was in the list: lock */
};

enum sx_how { SX_PARK, SX_BLOCK, SX_HOG };

struct sx_delay {
  uint64_t ns; /* 0: for ever */
  bool ever;
  enum sx_how how;
  int timer;            /* -1: none */
  pthread_mutex_t lock; /* guards all below, and sx_blocked */
  struct sx_link list;  /* of sx_parked */
  bool armed;           /* the timer is set, for the first that is due or earlier */
};

struct sx_failure {
  styx_err err;
  uint32_t rate; /* in billionths */
  bool rated;    /* rate was said */
  uint64_t seed;
  _Atomic uint64_t calls;
};

struct styx_filter {
  const struct sx_filter_kind *kind; /* immutable, as are the next five */
  styx_fs inner;
  styx_fs_ops table;
  styx_filter_config config;
  styx_allocator alloc;
  uint32_t ops;  /* that it is about */
  styx_str path; /* it is about, without the asterisk; empty: all. A view into text */
  bool beneath;  /* about what is beneath it */
  struct sx_delay delay;
  struct sx_failure failure;
  size_t size; /* of this allocation, text included */
  char text[]; /* the specification */
};

/* Is the filter about this operation on this file? */
bool sx_filter_hits(const struct styx_filter *f, const styx_req *req, enum styx_op op);

/* ---- spec.c ---- */

/* Read spec, which f->path views then. STYX_EBADARG, and what is wrong in why. */
styx_err sx_filter_read(struct styx_filter *f, const char *spec, char *why, size_t cap);

/* Setters that several kinds have. */
const char *sx_filter_set_ops(struct styx_filter *f, styx_str value);
const char *sx_filter_set_path(struct styx_filter *f, styx_str value);
/* Decimal digits and nothing else, at most most. */
bool sx_filter_number(styx_str text, uint64_t most, uint64_t *out);

#endif
