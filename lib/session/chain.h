/* session/chain.h: outstanding tags, and the Tflushes that wait for one request.
 *
 * The table says of each tag which request it is about: the request that has it, or, for a Tflush that waits, its victim: the
 * request itself, never its number (F4). That entry is all there is of a Tflush; the user's bits of its key chain the
 * Tflushes of one victim in order of arrival. So recording one needs no memory but its place in the table. */
#ifndef SESSION_CHAIN_H
#define SESSION_CHAIN_H

#include "base/table.h"

#define SX_NO_TAG 0x10000u

/* Tags, each entered in the table; SX_NO_TAG where there is none. */
struct sx_chain {
  uint32_t first, last;
};

void sx_tags_init(struct sx_table *tags, const styx_allocator *alloc, uint64_t seed);
bool sx_tags_add(struct sx_table *tags, uint16_t tag, void *about); /* false: no memory */
void *sx_tags_find(const struct sx_table *tags, uint16_t tag);      /* what it is about, or NULL */
void sx_tags_del(struct sx_table *tags, uint16_t tag);              /* it must be there */

static inline struct sx_chain sx_chain_empty(void) { return (struct sx_chain){SX_NO_TAG, SX_NO_TAG}; }
static inline bool sx_chain_is_empty(const struct sx_chain *c) { return c->first == SX_NO_TAG; }

bool sx_chain_add(struct sx_table *tags, struct sx_chain *c, uint16_t tag, void *about); /* false: no memory */
void sx_chain_join(struct sx_table *tags, struct sx_chain *to, struct sx_chain *from);   /* empties from */
uint32_t sx_chain_take(struct sx_table *tags, struct sx_chain *c); /* the first, out of the table; or SX_NO_TAG */

#endif
