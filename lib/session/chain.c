/* chain.c: see chain.h. */
#include "session/chain.h"

#include <assert.h>

/* A key is its tag, and above that the next tag of its chain. */
enum { NEXT_SHIFT = 16 };

static uint64_t key_of(uint32_t tag, uint32_t next) { return tag | (uint64_t)next << NEXT_SHIFT; }

void sx_tags_init(struct sx_table *tags, const styx_allocator *alloc, uint64_t seed) {
  sx_table_init(tags, alloc, seed);
  tags->key_mask = UINT16_MAX;
}

bool sx_tags_add(struct sx_table *tags, uint16_t tag, void *about) {
  if (!sx_table_reserve(tags))
    return false;
  sx_table_put(tags, key_of(tag, SX_NO_TAG), about);
  return true;
}

void *sx_tags_find(const struct sx_table *tags, uint16_t tag) { return sx_table_get(tags, tag); }

void sx_tags_del(struct sx_table *tags, uint16_t tag) {
  void *was = sx_table_del(tags, tag);
  assert(was);
  (void)was;
}

void sx_chain_join(struct sx_table *tags, struct sx_chain *to, struct sx_chain *from) {
  if (sx_chain_is_empty(from))
    return;
  if (sx_chain_is_empty(to))
    to->first = from->first;
  else
    sx_table_cell(tags, to->last)->key = key_of(to->last, from->first);
  to->last = from->last;
  *from = sx_chain_empty();
}

bool sx_chain_add(struct sx_table *tags, struct sx_chain *c, uint16_t tag, void *about) {
  struct sx_chain one = {tag, tag};
  if (!sx_tags_add(tags, tag, about))
    return false;
  sx_chain_join(tags, c, &one);
  return true;
}

uint32_t sx_chain_take(struct sx_table *tags, struct sx_chain *c) {
  uint32_t tag = c->first;
  if (tag == SX_NO_TAG)
    return tag;
  c->first = (uint32_t)(sx_table_cell(tags, tag)->key >> NEXT_SHIFT);
  sx_tags_del(tags, (uint16_t)tag);
  return tag;
}
