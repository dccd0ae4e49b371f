/* server/queue.h: the bounded queue between those who find work and those who do it: many producers, many consumers.
 *
 * A ring of cells, each with a sequence number that says whose turn it is. Push and pop cost one compare-and-swap each and
 * never lock. Progress, stated truthfully: a thread that is preempted between claiming a cell and filling it delays the
 * consumer of that one cell, and nobody else; so pop may say "empty" while a later cell is full, and whoever fills the cell
 * sees afterwards that somebody looks (sx_work_wake). */
#ifndef SERVER_QUEUE_H
#define SERVER_QUEUE_H

#include <styx/alloc.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sx_qcell {
  _Atomic size_t q_seq;
  void *q_item;
};

enum { SX_CACHE_LINE = 64 };

struct sx_queue {
  struct sx_qcell *q_cells; /* immutable */
  size_t q_mask;            /* immutable */
  const styx_allocator *q_alloc;
  /* On lines of their own, by distance: what an allocator gives need not be aligned to a line. */
  char q_apart[SX_CACHE_LINE];
  _Atomic size_t q_tail; /* producers */
  char q_apart_too[SX_CACHE_LINE];
  _Atomic size_t q_head; /* consumers */
  char q_apart_as_well[SX_CACHE_LINE];
};

/* capacity is rounded up to a power of two. False when memory is short. */
bool sx_queue_init(struct sx_queue *q, size_t capacity, const styx_allocator *alloc);
void sx_queue_fini(struct sx_queue *q);

/* False when full, or when the consumer of the cell, a whole turn of the ring ago, has claimed it and not yet emptied it: the
 * pipeline never lets the first happen (work.c, run quota). */
bool sx_queue_push(struct sx_queue *q, void *item);
/* NULL when empty, or while the next cell is being filled. */
void *sx_queue_pop(struct sx_queue *q);
/* No cell is full or being filled; at some moment during the call. */
bool sx_queue_empty(const struct sx_queue *q);

/* How many have ever been taken out. */
size_t sx_queue_taken(const struct sx_queue *q);
/* About how many items are in it. */
size_t sx_queue_length(const struct sx_queue *q);

#endif
