/* tags.c: which tags are in use, and by what. */
#include "client/mux.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static styx_err grow(styx_client *c) {
  size_t n = c->nslots ? c->nslots * 2 : 64;
  if (n > SX_MAXTAGS)
    n = SX_MAXTAGS;
  if (n == c->nslots)
    return STYX_ELIMIT;
  struct sx_call_slot *slots = sx_zalloc(c->alloc, n * sizeof *slots);
  if (!slots)
    return ENOMEM;
  if (c->nslots)
    memcpy(slots, c->slots, c->nslots * sizeof *slots);
  for (size_t i = c->nslots; i < n; i++)
    slots[i].next = (uint16_t)(i + 1 < n ? i + 1 : SX_MAXTAGS);
  c->free_tag = (uint16_t)c->nslots;
  sx_free(c->alloc, c->slots, c->nslots * sizeof *slots);
  c->slots = slots;
  c->nslots = n;
  return STYX_OK;
}

styx_err sx_tags_get(styx_client *c, uint16_t *tag) {
  if (c->free_tag == SX_MAXTAGS) {
    styx_err err = grow(c);
    if (err)
      return err;
  }
  *tag = c->free_tag;
  c->free_tag = c->slots[*tag].next;
  return STYX_OK;
}

void sx_tags_put(styx_client *c, uint16_t tag) {
  assert(tag < c->nslots && c->slots[tag].state != SX_SLOT_FREE);
  c->slots[tag] = (struct sx_call_slot){.state = SX_SLOT_FREE, .next = c->free_tag};
  c->free_tag = tag;
}

struct sx_call_slot *sx_tags_slot(styx_client *c, uint16_t tag) {
  if (tag >= c->nslots || c->slots[tag].state == SX_SLOT_FREE)
    return NULL;
  return &c->slots[tag];
}
