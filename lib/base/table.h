/* base/table.h: a hash table from 64-bit numbers to pointers, open addressing, O(1) whatever numbering a peer chooses.
 *
 * Grows by doubling when three quarters full and shrinks when nearly empty, unless told to keep; each of the two moves all that
 * is in it. Only sx_table_reserve can fail: a put after it cannot. One user at a time. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <styx/alloc.h>

#include <stdbool.h>
#include <stdint.h>

struct sx_cell {
  uint64_t key; /* what lies outside key_mask is the user's */
  void *value;  /* NULL: the cell is free */
};

struct sx_table {
  const styx_allocator *alloc;
  struct sx_cell *cells; /* NULL until the first reserve */
  size_t mask;           /* cells - 1 */
  size_t count;
  uint64_t key_mask; /* the bits of a key that count */
  uint64_t seed;     /* a peer that knows the hash cannot make all its numbers collide */
  bool keeps;        /* never shrinks by itself: what it held once it holds again without memory */
};

void sx_table_init(struct sx_table *t, const styx_allocator *alloc, uint64_t seed);
void sx_table_fini(struct sx_table *t);

/* NULL when there is none. */
void *sx_table_get(const struct sx_table *t, uint64_t key);

/* The cell itself, for the user's bits of its key; good until the next put or del. NULL when there is none. */
struct sx_cell *sx_table_cell(const struct sx_table *t, uint64_t key);

/* Make sure that one more put succeeds; false when memory is short. */
bool sx_table_reserve(struct sx_table *t);

/* How many values are moved when `more` are put: 0 where there is room for them. */
size_t sx_table_moves(const struct sx_table *t, size_t more);

/* Shrink to what is needed. */
void sx_table_tidy(struct sx_table *t);

/* value must not be NULL; a key that is there gets the new value. After sx_table_reserve. */
void sx_table_put(struct sx_table *t, uint64_t key, void *value);

/* Take key out: its value, or NULL. Never allocates; may free. */
void *sx_table_del(struct sx_table *t, uint64_t key);

/* Walk all values: start with *at = 0; NULL at the end. The table must not change meanwhile. */
void *sx_table_each(const struct sx_table *t, size_t *at);

#endif
