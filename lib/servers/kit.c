/* kit.c: what is served, and its connections: requests come in here. */
#include "servers/kit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- tracing ---- */

void sx_trace(const styx_kit *kit, bool out, const styx_msg *m) {
  char line[1024];
  if (kit->ops.trace) {
    kit->ops.trace(kit->ctx, out, m);
    return;
  }
  styx_msg_print(line, sizeof line, m, STYX_9P2000);
  fprintf(stderr, "%s %s\n", out ? "->" : "<-", line);
}

void styx_traceset(styx_kit *kit, bool on) { atomic_store_explicit(&kit->tracing, on, memory_order_relaxed); }

/* ---- connections ---- */

static styx_srv *srv_new(styx_kit *kit) {
  styx_srv *srv = sx_zalloc(&kit->alloc, sizeof *srv);
  if (!srv)
    return NULL;
  srv->kind = SX_CONNECTION;
  atomic_init(&srv->refs, 1);
  srv->kit = kit;
  if (pthread_mutex_init(&srv->lock, NULL) != 0) {
    sx_free(&kit->alloc, srv, sizeof *srv);
    return NULL;
  }
  sx_table_init(&srv->fids, &kit->alloc, (uint64_t)(uintptr_t)srv);
  return srv;
}

void sx_srv_put(styx_srv *srv) {
  /* release, acquire: as for any count; pairs with: itself */
  if (atomic_fetch_sub_explicit(&srv->refs, 1, memory_order_acq_rel) > 1)
    return;
  styx_kit *kit = srv->kit;
  sx_table_fini(&srv->fids);
  pthread_mutex_destroy(&srv->lock);
  sx_free(&kit->alloc, srv, sizeof *srv);
}

/* That of the session: the first requests may come on several threads, and make one each. */
static styx_srv *connection(styx_req *req) {
  styx_srv *srv = styx_req_context(req);
  if (srv)
    return srv;
  styx_srv *mine = srv_new(styx_req_ctx(req));
  if (!mine)
    return NULL;
  srv = styx_req_set_context(req, mine);
  if (srv != mine)
    sx_srv_put(mine);
  return srv;
}

styx_srv *styx_req_srv(const styx_req *req) { return styx_req_context(req); }

void *styx_srv_ctx(const styx_srv *srv) { return srv->kit->ctx; }

const styx_navigator *styx_srv_navigator(const styx_srv *srv) { return &srv->kit->nav; }

uint32_t styx_srv_msize(const styx_srv *srv) { return atomic_load_explicit(&srv->msize, memory_order_relaxed); }

uint32_t styx_iounit(const styx_req *req) {
  const uint32_t most = styx_req_msize(req) - STYX_IOHDRSZ, own = sx_kit_of(req)->iounit;
  return own && own < most ? own : most;
}

/* ---- what the session calls ---- */

static styx_answer kit_request(styx_req *req, const styx_msg *t) {
  styx_srv *srv = connection(req);
  if (!srv)
    return styx_reply_error(req, ENOMEM);
  const styx_kit *kit = srv->kit;
  atomic_store_explicit(&srv->msize, styx_req_msize(req), memory_order_relaxed);
  if (sx_tracing(kit))
    sx_trace(kit, false, t);
  sx_fid_drop(req, t);
  return kit->ops.request ? kit->ops.request(req, t) : styx_default(req);
}

static void kit_forget(void *ctx, void *node) {
  (void)ctx;
  if (*(enum sx_kind *)node == SX_CONNECTION)
    sx_srv_put(node);
  else
    sx_object_put(node);
}

static styx_err kit_init(void *ctx) {
  const styx_kit *kit = ctx;
  return kit->ops.init ? kit->ops.init(kit->ctx) : STYX_OK;
}

static void kit_cleanup(void *ctx) {
  const styx_kit *kit = ctx;
  if (kit->ops.cleanup)
    kit->ops.cleanup(kit->ctx);
}

/* ---- what is served ---- */

static styx_fs_ops table_of(const styx_kit_ops *ops) {
  const uint32_t all = STYX_OP(request) | STYX_OP(forget);
  return (styx_fs_ops){.size = sizeof(styx_fs_ops),
                       .name = ops->name ? ops->name : "kit",
                       .serial = ops->serial,
                       .nowait = ops->nowait ? all : 0,
                       .blocking = ops->blocking ? all : 0,
                       .init = kit_init,
                       .cleanup = kit_cleanup,
                       .forget = kit_forget,
                       .request = kit_request};
}

static bool whole(const styx_navigator *nav) {
  return nav->ops && nav->ops->size >= sizeof *nav->ops && nav->ops->stat && nav->ops->walk && nav->ops->readdir;
}

styx_err styx_kit_new(styx_kit **out, const styx_kit_config *config) {
  if (!config || config->size < sizeof *config || !config->ops || !whole(&config->navigator))
    return STYX_EBADARG;
  styx_kit *kit = sx_zalloc(config->allocator, sizeof *kit);
  if (!kit)
    return ENOMEM;
  if (config->allocator)
    kit->alloc = *config->allocator;
  /* A table from an older program is shorter. */
  memcpy(&kit->ops, config->ops, config->ops->size < sizeof kit->ops ? config->ops->size : sizeof kit->ops);
  kit->ctx = config->ctx;
  kit->nav = config->navigator;
  kit->root = config->root;
  kit->iounit = config->iounit;
  kit->fs = table_of(&kit->ops);
  *out = kit;
  return STYX_OK;
}

void styx_kit_free(styx_kit *kit) {
  if (!kit)
    return;
  styx_allocator alloc = kit->alloc;
  sx_free(&alloc, kit, sizeof *kit);
}

styx_fs styx_kit_fs(styx_kit *kit) { return (styx_fs){&kit->fs, kit}; }
