/* chain.c: see chain.h. */
#include "session/chain.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

/* A key is its tag, and above that the next tag of its chain. */
enum { NEXT_SHIFT = 16, LEAST = 16 };

static uint64_t key_of(uint32_t tag, uint32_t next) { return tag | (uint64_t)next << NEXT_SHIFT; }

void sx_tags_init(struct sx_tags *tags, const styx_allocator *alloc, uint64_t seed, uint32_t low_most) {
  *tags = (struct sx_tags){.alloc = alloc, .low_most = low_most};
  sx_table_init(&tags->high, alloc, seed);
  tags->high.key_mask = UINT16_MAX;
}

static void free_low(struct sx_tags *tags) {
  sx_free(tags->alloc, tags->low, tags->nlow * sizeof *tags->low);
  tags->low = NULL;
  tags->nlow = 0;
}

void sx_tags_fini(struct sx_tags *tags) {
  free_low(tags);
  sx_table_fini(&tags->high);
}

void sx_tags_rest(struct sx_tags *tags) {
  if (tags->low_used == 0)
    free_low(tags);
}

size_t sx_tags_count(const struct sx_tags *tags) { return tags->low_used + tags->high.count; }

static bool grow_low(struct sx_tags *tags, uint16_t tag) {
  uint32_t n = tags->nlow ? tags->nlow : LEAST;
  while (n <= tag)
    n *= 2;
  struct sx_tag *low = sx_zalloc(tags->alloc, n * sizeof *low);
  if (!low)
    return false;
  if (tags->low)
    memcpy(low, tags->low, tags->nlow * sizeof *low);
  free_low(tags);
  tags->low = low;
  tags->nlow = n;
  return true;
}

/* low is too small for it, or it belongs into high. */
bool sx_tags_add_new(struct sx_tags *tags, uint16_t tag, void *about) {
  if (tag < tags->low_most)
    return grow_low(tags, tag) && sx_tags_add(tags, tag, about);
  if (!sx_table_reserve(&tags->high))
    return false;
  sx_table_put(&tags->high, key_of(tag, SX_NO_TAG), about);
  return true;
}

void *sx_tags_find_high(const struct sx_tags *tags, uint16_t tag) {
  return tag < tags->low_most ? NULL : sx_table_get(&tags->high, tag);
}

void sx_tags_del(struct sx_tags *tags, uint16_t tag) {
  void *was;
  if (tag < tags->low_most) {
    assert(tag < tags->nlow);
    was = tags->low[tag].about;
    tags->low[tag].about = NULL;
    tags->low_used--;
  } else {
    was = sx_table_del(&tags->high, tag);
  }
  assert(was);
  (void)was;
}

static uint32_t next_of(const struct sx_tags *tags, uint32_t tag) {
  return tag < tags->low_most ? tags->low[tag].next : (uint32_t)(sx_table_cell(&tags->high, tag)->key >> NEXT_SHIFT);
}

static void set_next(struct sx_tags *tags, uint32_t tag, uint32_t next) {
  if (tag < tags->low_most)
    tags->low[tag].next = next;
  else
    sx_table_cell(&tags->high, tag)->key = key_of(tag, next);
}

void sx_chain_join(struct sx_tags *tags, struct sx_chain *to, struct sx_chain *from) {
  if (sx_chain_is_empty(from))
    return;
  if (sx_chain_is_empty(to))
    to->first = from->first;
  else
    set_next(tags, to->last, from->first);
  to->last = from->last;
  *from = sx_chain_empty();
}

bool sx_chain_add(struct sx_tags *tags, struct sx_chain *c, uint16_t tag, void *about) {
  struct sx_chain one = {tag, tag};
  if (!sx_tags_add(tags, tag, about))
    return false;
  sx_chain_join(tags, c, &one);
  return true;
}

uint32_t sx_chain_take(struct sx_tags *tags, struct sx_chain *c) {
  uint32_t tag = c->first;
  if (tag == SX_NO_TAG)
    return tag;
  c->first = next_of(tags, tag);
  sx_tags_del(tags, (uint16_t)tag);
  return tag;
}
