/* session/chain.h: outstanding tags, and the Tflushes that wait for one request.
 *
 * A table says of each tag which request it is about: the request that has it, or, for a Tflush that waits, its victim: the
 * request itself, never its number (F4). That entry is all there is of a Tflush; it also names the next Tflush of the same
 * victim, in order of arrival. So recording one needs no memory but its place in the table.
 *
 * Most clients take their tags from 0 on: low ones are looked up by index, the others in a hash table. */
#ifndef SESSION_CHAIN_H
#define SESSION_CHAIN_H

#include "base/table.h"

#define SX_NO_TAG 0x10000u

/* Tags, each entered in the table; SX_NO_TAG where there is none. */
struct sx_chain {
  uint32_t first, last;
};

struct sx_tag {
  void *about; /* NULL: the tag is free */
  uint32_t next;
};

struct sx_tags {
  const styx_allocator *alloc;
  uint32_t low_most; /* immutable: tags under this are in low, all others in high */
  uint32_t nlow;     /* how many low has room for: grows up to low_most */
  uint32_t low_used;
  struct sx_tag *low;
  struct sx_table high; /* the next tag is in the user's bits of the key */
};

/* low_most: 0, or 16, 32, ... With 0 memory is needed only when there are more tags than ever before; else also when one is
 * greater. */
void sx_tags_init(struct sx_tags *tags, const styx_allocator *alloc, uint64_t seed, uint32_t low_most);
void sx_tags_fini(struct sx_tags *tags);
void sx_tags_rest(struct sx_tags *tags); /* frees what no tag needs */
size_t sx_tags_count(const struct sx_tags *tags);
bool sx_tags_add_new(struct sx_tags *tags, uint16_t tag, void *about);
void sx_tags_del(struct sx_tags *tags, uint16_t tag); /* it must be there */

/* False: no memory. */
static inline bool sx_tags_add(struct sx_tags *tags, uint16_t tag, void *about) {
  if (tag >= tags->nlow)
    return sx_tags_add_new(tags, tag, about);
  tags->low[tag] = (struct sx_tag){about, SX_NO_TAG};
  tags->low_used++;
  return true;
}

void *sx_tags_find_high(const struct sx_tags *tags, uint16_t tag);
/* What it is about, or NULL. */
static inline void *sx_tags_find(const struct sx_tags *tags, uint16_t tag) {
  return tag < tags->nlow ? tags->low[tag].about : sx_tags_find_high(tags, tag);
}

static inline struct sx_chain sx_chain_empty(void) { return (struct sx_chain){SX_NO_TAG, SX_NO_TAG}; }
static inline bool sx_chain_is_empty(const struct sx_chain *c) { return c->first == SX_NO_TAG; }

bool sx_chain_add(struct sx_tags *tags, struct sx_chain *c, uint16_t tag, void *about); /* false: no memory */
void sx_chain_join(struct sx_tags *tags, struct sx_chain *to, struct sx_chain *from);   /* empties from */
uint32_t sx_chain_take(struct sx_tags *tags, struct sx_chain *c); /* the first, out of the table; or SX_NO_TAG */

#endif
