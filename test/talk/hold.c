/* hold.c: a filesystem whose operations can be held back. */
#include "talk/hold.h"

#include <errno.h>
#include <string.h>

enum { MAX_HELD = 32 };

struct held {
  char label[24]; /* empty: free */
  int op;
  styx_req *req; /* NULL: it waits for an operation to start */
  bool cancelled;
  void *node, *handle;
  styx_str name;
  uint32_t flags, mode, gid, count;
  uint64_t offset;
  const void *data;
  const styx_setattr *set;
  bool datasync;
};

static struct {
  styx_fs inner;
  styx_fs_ops ops;
  struct held held[MAX_HELD];
  unsigned closes, forgets;
} world;

static const char *const op_names[STYX_NOPS] = {
    [STYX_OP_attach] = "attach",   [STYX_OP_walk] = "walk",       [STYX_OP_open] = "open",
    [STYX_OP_create] = "create",   [STYX_OP_read] = "read",       [STYX_OP_write] = "write",
    [STYX_OP_readdir] = "readdir", [STYX_OP_getattr] = "getattr", [STYX_OP_setattr] = "setattr",
    [STYX_OP_remove] = "remove",   [STYX_OP_fsync] = "fsync",
};

int hold_op(const char *name) {
  for (int op = 0; op < STYX_NOPS; op++)
    if (op_names[op] && strcmp(op_names[op], name) == 0)
      return op;
  return -1;
}

static struct held *find(const char *label) {
  for (size_t i = 0; i < MAX_HELD; i++)
    if (strcmp(world.held[i].label, label) == 0)
      return &world.held[i];
  return NULL;
}

static struct held *find_running(const char *label) {
  struct held *h = *label ? find(label) : NULL;
  return h && h->req ? h : NULL;
}

bool hold_next(const char *label, int op) {
  struct held *h = find(label) ? NULL : find("");
  if (!h || !*label || strlen(label) >= sizeof h->label)
    return false;
  *h = (struct held){.op = op};
  strcpy(h->label, label);
  return true;
}

bool hold_has(const char *label) { return find_running(label) != NULL; }

bool hold_cancelled(const char *label) {
  const struct held *h = find_running(label);
  return h && h->cancelled;
}

/* ---- catching ---- */

static void on_cancel(styx_req *req, void *arg) {
  (void)req;
  ((struct held *)arg)->cancelled = true;
}

/* The hold that waits for an operation like this one. */
static struct held *caught(styx_req *req, int op) {
  for (size_t i = 0; i < MAX_HELD; i++) {
    struct held *h = &world.held[i];
    if (!h->label[0] || h->req || h->op != op)
      continue;
    h->req = req;
    styx_req_on_cancel(req, on_cancel, h);
    return h;
  }
  return NULL;
}

#define INNER world.inner.ops

static styx_answer hold_attach(styx_req *r) { return caught(r, STYX_OP_attach) ? styx_later(r) : INNER->attach(r); }

static styx_answer hold_walk(styx_req *r, void *node, styx_str name) {
  struct held *h = caught(r, STYX_OP_walk);
  if (!h)
    return INNER->walk(r, node, name);
  h->node = node;
  h->name = name;
  return styx_later(r);
}

static styx_answer hold_open(styx_req *r, void *node, uint32_t flags) {
  struct held *h = caught(r, STYX_OP_open);
  if (!h)
    return INNER->open(r, node, flags);
  h->node = node;
  h->flags = flags;
  return styx_later(r);
}

static styx_answer hold_create(styx_req *r, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  struct held *h = caught(r, STYX_OP_create);
  if (!h)
    return INNER->create(r, node, name, flags, mode, gid);
  h->node = node;
  h->name = name;
  h->flags = flags;
  h->mode = mode;
  h->gid = gid;
  return styx_later(r);
}

static styx_answer hold_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  struct held *h = caught(r, STYX_OP_read);
  if (!h)
    return INNER->read(r, node, handle, offset, count);
  h->node = node;
  h->handle = handle;
  h->offset = offset;
  h->count = count;
  return styx_later(r);
}

static styx_answer hold_write(styx_req *r, void *node, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  struct held *h = caught(r, STYX_OP_write);
  if (!h)
    return INNER->write(r, node, handle, offset, data, count);
  h->node = node;
  h->handle = handle;
  h->offset = offset;
  h->data = data;
  h->count = count;
  return styx_later(r);
}

static styx_answer hold_readdir(styx_req *r, void *node, void *handle, uint64_t cookie) {
  struct held *h = caught(r, STYX_OP_readdir);
  if (!h)
    return INNER->readdir(r, node, handle, cookie);
  h->node = node;
  h->handle = handle;
  h->offset = cookie;
  return styx_later(r);
}

static styx_answer hold_getattr(styx_req *r, void *node, void *handle) {
  struct held *h = caught(r, STYX_OP_getattr);
  if (!h)
    return INNER->getattr(r, node, handle);
  h->node = node;
  h->handle = handle;
  return styx_later(r);
}

static styx_answer hold_setattr(styx_req *r, void *node, void *handle, const styx_setattr *set) {
  struct held *h = caught(r, STYX_OP_setattr);
  if (!h)
    return INNER->setattr(r, node, handle, set);
  h->node = node;
  h->handle = handle;
  h->set = set;
  return styx_later(r);
}

static styx_answer hold_remove(styx_req *r, void *node) {
  struct held *h = caught(r, STYX_OP_remove);
  if (!h)
    return INNER->remove(r, node);
  h->node = node;
  return styx_later(r);
}

static styx_answer hold_fsync(styx_req *r, void *node, void *handle, bool datasync) {
  struct held *h = caught(r, STYX_OP_fsync);
  if (!h)
    return INNER->fsync ? INNER->fsync(r, node, handle, datasync) : styx_reply_ok(r);
  h->node = node;
  h->handle = handle;
  h->datasync = datasync;
  return styx_later(r);
}

static styx_err hold_close(void *ctx, void *node, void *handle) {
  world.closes++;
  return INNER->close ? INNER->close(ctx, node, handle) : STYX_OK;
}

static void hold_forget(void *ctx, void *node) {
  world.forgets++;
  if (INNER->forget)
    INNER->forget(ctx, node);
}

/* Slots that inner lacks stay empty, so that they are refused as ever. */
#define WRAP(slot) .slot = INNER->slot ? hold_##slot : NULL

/* The context stays inner's, since inner asks its requests for it. */
styx_fs hold_fs(styx_fs inner) {
  memset(&world, 0, sizeof world);
  world.inner = inner;
  world.ops = (styx_fs_ops){.size = sizeof world.ops,
                            .name = "hold",
                            .nowait = INNER->nowait,
                            .blocking = INNER->blocking,
                            .detachable = INNER->detachable,
                            .init = INNER->init,
                            .cleanup = INNER->cleanup,
                            WRAP(attach),
                            WRAP(walk),
                            WRAP(open),
                            WRAP(create),
                            WRAP(read),
                            WRAP(write),
                            WRAP(readdir),
                            WRAP(getattr),
                            WRAP(setattr),
                            WRAP(remove),
                            .fsync = hold_fsync,
                            .close = hold_close,
                            .forget = hold_forget};
  return (styx_fs){&world.ops, inner.ctx};
}

/* ---- letting go ---- */

static styx_answer go_on(const struct held *h) {
  styx_req *r = h->req;
  switch (h->op) {
  case STYX_OP_attach:
    return INNER->attach(r);
  case STYX_OP_walk:
    return INNER->walk(r, h->node, h->name);
  case STYX_OP_open:
    return INNER->open(r, h->node, h->flags);
  case STYX_OP_create:
    return INNER->create(r, h->node, h->name, h->flags, h->mode, h->gid);
  case STYX_OP_read:
    return INNER->read(r, h->node, h->handle, h->offset, h->count);
  case STYX_OP_write:
    return INNER->write(r, h->node, h->handle, h->offset, h->data, h->count);
  case STYX_OP_readdir:
    return INNER->readdir(r, h->node, h->handle, h->offset);
  case STYX_OP_getattr:
    return INNER->getattr(r, h->node, h->handle);
  case STYX_OP_setattr:
    return INNER->setattr(r, h->node, h->handle, h->set);
  case STYX_OP_remove:
    return INNER->remove(r, h->node);
  default:
    return INNER->fsync ? INNER->fsync(r, h->node, h->handle, h->datasync) : styx_reply_ok(r);
  }
}

/* Take the held operation out of the table: nothing of it is called back any more. */
static bool let_go(const char *label, struct held *out) {
  struct held *h = find_running(label);
  if (!h)
    return false;
  styx_req_on_cancel(h->req, NULL, NULL);
  *out = *h;
  *h = (struct held){.op = 0};
  return true;
}

bool hold_release(const char *label) {
  struct held h;
  if (!let_go(label, &h))
    return false;
  (void)go_on(&h);
  return true;
}

bool hold_answer_data(const char *label, const void *data, size_t len) {
  struct held h;
  if (!let_go(label, &h))
    return false;
  (void)styx_reply_data(h.req, data, len);
  return true;
}

bool hold_answer_error(const char *label, styx_err err) {
  struct held h;
  if (!let_go(label, &h))
    return false;
  (void)styx_reply_error(h.req, err);
  return true;
}

bool hold_answer_interrupted(const char *label) {
  struct held h;
  if (!let_go(label, &h))
    return false;
  (void)styx_reply_interrupted(h.req);
  return true;
}

bool hold_give_up(void) {
  bool any = false;
  for (size_t i = 0; i < MAX_HELD; i++) {
    if (world.held[i].req)
      any |= hold_answer_interrupted(world.held[i].label);
    else
      world.held[i].label[0] = 0;
  }
  return any;
}

unsigned hold_closes(void) { return world.closes; }
unsigned hold_forgets(void) { return world.forgets; }
