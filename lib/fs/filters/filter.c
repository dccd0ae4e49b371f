/* filter.c: filters in general: their life, their tables, what they are about. */
#include "fs/filters/filter.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* Whether a table of any age has this slot. */
#define HAS(ops, slot) ((ops)->size >= offsetof(styx_fs_ops, slot) + sizeof((ops)->slot) && (ops)->slot)

/* ---- what is not asked about goes straight through ---- */

static styx_err through_init(void *ctx) {
  const struct styx_filter *f = ctx;
  return HAS(f->inner.ops, init) ? f->inner.ops->init(f->inner.ctx) : STYX_OK;
}

static void through_cleanup(void *ctx) {
  const struct styx_filter *f = ctx;
  if (HAS(f->inner.ops, cleanup))
    f->inner.ops->cleanup(f->inner.ctx);
}

static styx_err through_close(void *ctx, void *node, void *handle) {
  const struct styx_filter *f = ctx;
  return HAS(f->inner.ops, close) ? f->inner.ops->close(f->inner.ctx, node, handle) : STYX_OK;
}

static void through_forget(void *ctx, void *node) {
  const struct styx_filter *f = ctx;
  if (HAS(f->inner.ops, forget))
    f->inner.ops->forget(f->inner.ctx, node);
}

static styx_fs_ops table_of(const struct styx_filter *f) {
  const styx_fs_ops *inner = f->inner.ops;
  return (styx_fs_ops){.size = sizeof(styx_fs_ops),
                       .name = f->kind->name,
                       .serial = inner->serial,
                       .nowait = inner->nowait,
                       .blocking = inner->blocking,
                       .detachable = inner->detachable,
                       .init = through_init,
                       .cleanup = through_cleanup,
                       .open = f->kind->open,
                       .close = through_close,
                       .forget = through_forget,
                       .any = f->kind->any,
                       .paths = f->kind->paths || f->path.len || HAS(inner, paths)};
}

/* ---- what it is about ---- */

bool sx_filter_hits(const struct styx_filter *f, const styx_req *req, enum styx_op op) {
  if (!(f->ops >> op & 1))
    return false;
  if (!f->path.len)
    return true;
  styx_str path = styx_req_path(req);
  if (!f->beneath)
    return styx_str_eq(path, f->path);
  return path.len > f->path.len && memcmp(path.s, f->path.s, f->path.len) == 0;
}

/* ---- life ---- */

styx_err styx_filter_check(const char *spec, char *why, size_t cap) {
  struct styx_filter f = {.ops = 0};
  return sx_filter_read(&f, spec, why, cap);
}

/* A config from an older program is shorter. */
static styx_filter_config read_config(const styx_filter_config *given) {
  styx_filter_config config = {0};
  if (given)
    memcpy(&config, given, given->size < sizeof config ? given->size : sizeof config);
  return config;
}

static void drop(struct styx_filter *f) {
  styx_allocator alloc = f->alloc;
  sx_free(&alloc, f, f->size);
}

styx_err styx_filter_new(styx_filter **out, const char *spec, styx_fs inner, const styx_filter_config *given) {
  const styx_filter_config config = read_config(given);
  char why[STYX_FILTER_WHY];
  size_t len = strlen(spec) + 1;
  struct styx_filter *f = sx_zalloc(config.allocator, sizeof *f + len);
  if (!f)
    return ENOMEM;
  f->size = sizeof *f + len;
  f->config = config;
  f->inner = inner;
  if (config.allocator)
    f->alloc = *config.allocator;
  memcpy(f->text, spec, len);
  styx_err err = sx_filter_read(f, f->text, why, sizeof why);
  if (!err) {
    f->table = table_of(f);
    err = f->kind->start ? f->kind->start(f) : STYX_OK;
  }
  if (err)
    drop(f);
  else
    *out = f;
  return err;
}

void styx_filter_free(styx_filter *f) {
  if (!f)
    return;
  if (f->kind->end)
    f->kind->end(f);
  drop(f);
}

styx_fs styx_filter_fs(styx_filter *f) { return (styx_fs){&f->table, f}; }
