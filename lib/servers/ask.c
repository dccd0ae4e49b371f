/* ask.c: a request that waits for the navigator. */
#include "servers/kit.h"

void *sx_ask_new(styx_req *req, size_t size) {
  styx_kit *kit = sx_kit_of(req);
  struct sx_ask *ask = sx_zalloc(&kit->alloc, size);
  if (!ask)
    return NULL;
  ask->req = req;
  ask->kit = kit;
  ask->size = size;
  return ask;
}

void sx_ask_free(struct sx_ask *ask) {
  styx_kit *kit = ask->kit;
  sx_free(&kit->alloc, ask, ask->size);
}

static styx_nav question(const struct sx_ask *ask, sx_ask_fn *done) {
  return (styx_nav){.done = done, .allocator = &ask->kit->alloc, .req = ask->req};
}

void sx_ask_stat(struct sx_ask *ask, sx_ask_fn *done, uint64_t path) {
  ask->q = question(ask, done);
  styx_navigator_stat(&ask->kit->nav, &ask->q, path);
}

void sx_ask_walk(struct sx_ask *ask, sx_ask_fn *done, uint64_t path, styx_str name) {
  ask->q = question(ask, done);
  styx_navigator_walk(&ask->kit->nav, &ask->q, path, name);
}
