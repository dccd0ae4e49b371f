/* sim_fs.c: a filesystem without files: each directory has every name, what a name is its first letter says, and every
 * operation says which request it belongs to where the protocol leaves room for it. It keeps account of what the session
 * does with nodes, handles and requests. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t sim_byte(uint32_t id, size_t i) { return (uint8_t)((id >> (8 * (i & 1))) + i * 7); }

struct node *sim_node_of(struct sim *w, styx_qid qid) {
  return qid.path > 0 && qid.path <= (uint64_t)w->nnodes ? &w->nodes[qid.path - 1] : NULL;
}

const char *const sim_op_names[STYX_NOPS] = {
    [STYX_OP_attach] = "attach",   [STYX_OP_walk] = "walk",       [STYX_OP_open] = "open",
    [STYX_OP_create] = "create",   [STYX_OP_read] = "read",       [STYX_OP_write] = "write",
    [STYX_OP_readdir] = "readdir", [STYX_OP_getattr] = "getattr", [STYX_OP_setattr] = "setattr",
    [STYX_OP_remove] = "remove",   [STYX_OP_close] = "close",     [STYX_OP_forget] = "forget",
    [STYX_OP_fsync] = "fsync"};

/* ---- nodes, handles, calls ---- */

static uint32_t id_in(styx_str s, char mark) {
  uint32_t id = 0;
  bool seen = false;
  for (size_t i = 0; i < s.len; i++) {
    if (s.s[i] == mark)
      seen = true;
    else if (seen)
      id = id * 10 + (uint32_t)(s.s[i] - '0');
  }
  return seen ? id : UINT32_MAX;
}

static struct creq *creq_of(struct sim *w, uint32_t id) { return id < (uint32_t)w->nreqs ? &w->reqs[id] : NULL; }

static void check_binding(struct sim *w, const struct call *c) {
  if (c->node && !c->node->alive)
    sim_fail(w, "%s on forgotten node %d", sim_op_names[c->op], (int)(c->node - w->nodes));
  if (c->handle && (!c->handle->open || c->handle->node != c->node))
    sim_fail(w, "%s on handle %d, which is closed or of another node", sim_op_names[c->op],
             (int)(c->handle - w->handles));
  if (c->node && c->node->gen != c->conn->gen)
    sim_fail(w, "%s on a node of an earlier session", sim_op_names[c->op]);
  if (c->node && id_in(styx_req_user(c->req), 'u') != c->node->attach_id)
    sim_fail(w, "%s by the wrong user", sim_op_names[c->op]);
  if (c->handle && c->op == STYX_OP_readdir && c->handle->reading)
    sim_fail(w, "two directory reads of one fid at once");
}

struct call *sim_call_new(struct sim *w, styx_req *req, enum styx_op op, struct node *node, struct creq *r) {
  if (w->ncalls == MAXCALL)
    sim_full(w);
  struct call *c = &w->calls[w->ncalls++];
  memset(c, 0, sizeof *c);
  *c = (struct call){.w = w, .req = req, .op = op, .node = node};
  c->creq = r;
  c->conn = node ? node->conn : c->creq ? c->creq->conn : NULL;
  if (!c->conn)
    sim_fail(w, "%s for nobody", sim_op_names[op]);
  return c;
}

static struct call *call_new(struct sim *w, styx_req *req, enum styx_op op, struct node *node, uint32_t id) {
  return sim_call_new(w, req, op, node, creq_of(w, id));
}

static int *key_of(struct sim *w, struct conn *conn, struct node *node, struct handle *handle) {
  static int parallel;
  switch (w->ops.serial) {
  case STYX_SERIAL_FID:
    return handle ? &handle->inside : &parallel;
  case STYX_SERIAL_NODE:
    return node ? &node->inside : &parallel;
  case STYX_SERIAL_CONNECTION:
    return &conn->inside;
  case STYX_SERIAL_FS:
    return &w->inside;
  default:
    return &parallel;
  }
}

void sim_enter(struct sim *w, struct conn *conn, struct node *node, struct handle *handle) {
  const bool keyed = w->ops.serial != STYX_PARALLEL && (w->ops.serial != STYX_SERIAL_FID || handle) &&
                     (w->ops.serial != STYX_SERIAL_NODE || node);
  if (++*key_of(w, conn, node, handle) > 1 && keyed)
    sim_fail(w, "two operations with one serial key run at once");
}

void sim_return(struct sim *w, struct conn *conn, struct node *node, struct handle *handle) {
  --*key_of(w, conn, node, handle);
}

void sim_call_begin(struct sim *w, struct call *c) {
  struct creq *r = c->creq;
  check_binding(w, c);
  sim_note(w, "c%d   %s starts, node %d, request %d", c->conn->index, sim_op_names[c->op],
           c->node ? (int)(c->node - w->nodes) : -1, r ? (int)r->id : -1);
  if (c->node && c->part && c->node->calls)
    sim_fail(w, "two calls of one conversation at once");
  if (c->node)
    c->node->calls++;
  if (c->handle) {
    c->handle->calls++;
    c->handle->reading |= c->op == STYX_OP_readdir;
  }
  sim_part_begins(w, c);
  bool may_block = styx_req_may_block(c->req);
  if (!may_block && !(w->ops.nowait >> c->op & 1))
    sim_fail(w, "%s may not block, although nobody has promised that", sim_op_names[c->op]);
  if (!r)
    return;
  if (!may_block && r->would_block)
    sim_fail(w, "%s of request %u would have blocked, and still may not", sim_op_names[c->op], (unsigned)r->id);
  r->would_block = false;
  if (r->conn != c->conn || r->type != styx_req_type(c->req))
    sim_fail(w, "%s runs for request %u of another kind", sim_op_names[c->op], (unsigned)r->id);
  if (r->fate != OUT)
    sim_fail(w, "%s of request %u runs after it was settled", sim_op_names[c->op], (unsigned)r->id);
  if (r->fs != FS_NONE && !(c->op == STYX_OP_walk && r->fs == FS_OK))
    sim_fail(w, "%s of request %u runs twice", sim_op_names[c->op], (unsigned)r->id);
  r->fs = FS_RUNNING;
}

static int hook_fd_new(void *arg) {
  struct sim *w = ((struct conn *)arg)->w;
  if (w->nfds == (int)sizeof w->fd_state || sim_chance(w, 10))
    return -1;
  w->fd_state[w->nfds] = 1;
  return w->nfds++;
}

static void hook_fd_signal(void *arg, int fd) {
  struct sim *w = ((struct conn *)arg)->w;
  if (fd < 0 || fd >= w->nfds || w->fd_state[fd] != 1)
    sim_fail(w, "cancel descriptor %d signalled after it was closed", fd);
}

static void hook_fd_free(void *arg, int fd) {
  struct sim *w = ((struct conn *)arg)->w;
  if (fd < 0 || fd >= w->nfds || w->fd_state[fd] != 1)
    sim_fail(w, "cancel descriptor %d closed twice", fd);
  w->fd_state[fd] = 2;
}

/* ---- operations ---- */

static styx_answer op_attach(styx_req *r) {
  struct sim *w = styx_req_ctx(r);
  return sim_serve(sim_call_new(w, r, STYX_OP_attach, NULL, sim_attach_of(w, r)));
}

static void keep_name(struct call *c, styx_str name) {
  c->name = name;
  memcpy(c->name_copy, name.s, name.len < sizeof c->name_copy ? name.len : sizeof c->name_copy);
}

static styx_answer op_walk(styx_req *r, void *node, styx_str name) {
  struct sim *w = styx_req_ctx(r);
  struct call *c = call_new(w, r, STYX_OP_walk, node, id_in(name, '#'));
  keep_name(c, name);
  return sim_serve(c);
}

static styx_answer op_open(styx_req *r, void *node, uint32_t flags) {
  struct sim *w = styx_req_ctx(r);
  struct call *c = call_new(w, r, STYX_OP_open, node, UINT32_MAX);
  if (c->node->readonly && flags != STYX_OREAD && flags != STYX_OEXEC)
    sim_fail(w, "a file of a readonly export is opened for writing");
  return sim_serve(c);
}

static styx_answer op_create(styx_req *r, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  struct sim *w = styx_req_ctx(r);
  struct call *c = call_new(w, r, STYX_OP_create, node, id_in(name, '#'));
  (void)flags, (void)gid;
  c->flags = mode;
  keep_name(c, name);
  return sim_serve(c);
}

static styx_answer op_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  struct sim *w = styx_req_ctx(r);
  struct call *c = call_new(w, r, STYX_OP_read, node, (uint32_t)(offset >> OFFSET_SHIFT) - 1);
  c->handle = handle;
  c->count = count;
  return sim_serve(c);
}

static styx_answer op_write(styx_req *r, void *node, void *handle, uint64_t offset, const void *data, uint32_t count) {
  struct sim *w = styx_req_ctx(r);
  struct call *c = call_new(w, r, STYX_OP_write, node, (uint32_t)(offset >> OFFSET_SHIFT) - 1);
  c->handle = handle;
  c->count = count;
  c->data = data;
  if (!c->creq)
    sim_fail(w, "a write for nobody");
  return sim_serve(c);
}

static styx_answer op_readdir(styx_req *r, void *node, void *handle, uint64_t cookie) {
  struct call *c = call_new(styx_req_ctx(r), r, STYX_OP_readdir, node, UINT32_MAX);
  c->handle = handle;
  c->offset = cookie;
  return sim_serve(c);
}

static styx_answer op_getattr(styx_req *r, void *node, void *handle) {
  struct call *c = call_new(styx_req_ctx(r), r, STYX_OP_getattr, node, UINT32_MAX);
  c->handle = handle;
  return sim_serve(c);
}

static styx_answer op_setattr(styx_req *r, void *node, void *handle, const styx_setattr *set) {
  struct call *c = call_new(styx_req_ctx(r), r, STYX_OP_setattr, node, (uint32_t)set->mtime.sec - 1);
  c->handle = handle;
  return sim_serve(c);
}

static styx_answer op_fsync(styx_req *r, void *node, void *handle, bool datasync) {
  struct call *c = call_new(styx_req_ctx(r), r, STYX_OP_fsync, node, UINT32_MAX);
  (void)datasync;
  c->handle = handle;
  return sim_serve(c);
}

static styx_answer op_remove(styx_req *r, void *node) {
  return sim_serve(call_new(styx_req_ctx(r), r, STYX_OP_remove, node, UINT32_MAX));
}

static void hold_last(struct sim *w, uint32_t op) {
  if (!(w->ops.nowait & op))
    sim_hold(w, true);
  else if (sim_chance(w, w->p_lie))
    sim_hang(w);
}

static styx_err op_close(void *ctx, void *node, void *handle) {
  struct sim *w = ctx;
  struct node *n = node;
  struct handle *h = handle;
  sim_note(w, "c%d   close node %d", n->conn->index, (int)(n - w->nodes));
  if (!n->alive)
    sim_fail(w, "close after forget");
  if (h && (!h->open || h->node != n))
    sim_fail(w, "a handle is closed twice");
  if (h && h->calls)
    sim_fail(w, "a handle is closed while %d requests use it", h->calls);
  if (!h && n->nullhandles-- == 0)
    sim_fail(w, "a NULL handle is closed that was never open");
  if (h) {
    h->open = false;
    n->handles--;
  }
  n->close_err = sim_chance(w, 10) ? EIO : 0;
  n->conn->close_errors += n->close_err != 0;
  styx_err err = n->close_err;
  n->closed = true;
  sim_enter(w, n->conn, n, NULL);
  sim_nest(w);
  hold_last(w, STYX_OP(close));
  sim_return(w, n->conn, n, NULL);
  return err;
}

static void op_forget(void *ctx, void *node) {
  struct sim *w = ctx;
  struct node *n = node;
  sim_note(w, "c%d   forget node %d", n->conn->index, (int)(n - w->nodes));
  if (!n->alive)
    sim_fail(w, "a node is forgotten twice");
  if (n->handles || n->nullhandles)
    sim_fail(w, "a node is forgotten before its handles are closed");
  if (n->calls)
    sim_fail(w, "a node is forgotten while %d requests use it", n->calls);
  n->alive = false;
  sim_enter(w, n->conn, n, NULL);
  sim_nest(w);
  hold_last(w, STYX_OP(forget));
  sim_return(w, n->conn, n, NULL);
}

bool sim_fs_detachable(const struct sim *w, uint8_t type) {
  uint32_t op = type == STYX_Twalk   ? STYX_OP(walk)
                : type == STYX_Tread ? STYX_OP(read)
                : type == STYX_Tstat ? STYX_OP(getattr)
                                     : 0;
  return (w->ops.detachable & op) != 0;
}

void sim_fs_check_told(struct sim *w, const struct conn *conn) {
  for (int i = 0; i < w->npending; i++) {
    struct call *c = w->pending[i];
    bool must = c->op == STYX_OP_remove;
    if (c->conn != conn || c->answered || must ||
        !(conn->hung || (c->creq && (c->creq->flushed || c->creq->in_the_way))))
      continue;
    if (!styx_req_cancelled(c->req))
      sim_fail(w, "the handler of a %s was not told that it is cancelled", sim_op_names[c->op]);
  }
}

/* One in front that passes everything on: now, or when its turn comes again. */
static styx_answer front_any(styx_req *r, enum styx_op op) {
  struct sim *w = styx_req_ctx(r);
  if (styx_req_may_block(r) && (w->ops.nowait >> op & 1))
    sim_fail(w, "the filesystem in front is asked again after the one behind it would have blocked");
  return sim_chance(w, 20) ? styx_reply_pass(r, &w->inner) : styx_pass(r, &w->inner);
}

void sim_fs_export(struct sim *w) {
  w->inner = (styx_fs){&w->ops, w};
  w->front = (styx_fs_ops){.size = sizeof(styx_fs_ops),
                           .name = "front",
                           .serial = w->ops.serial,
                           .nowait = w->ops.nowait,
                           .blocking = w->ops.blocking,
                           .detachable = w->ops.detachable,
                           .close = op_close,
                           .forget = op_forget,
                           .any = front_any,
                           .paths = true};
  const styx_fs fs = {sim_chance(w, 50) ? &w->front : &w->ops, w};
  w->exports[0] = (styx_export){.name = "one", .path = "/one", .fs = fs};
  w->exports[1] = (styx_export){.name = "two", .path = "/two", .fs = fs, .readonly = true};
  w->exports[2] = (styx_export){.name = "three", .path = "/three", .fs = fs};
}

void sim_fs_init(struct sim *w) {
  w->ops = (styx_fs_ops){.size = sizeof(styx_fs_ops),
                         .name = "sim",
                         .attach = op_attach,
                         .walk = op_walk,
                         .open = op_open,
                         .create = op_create,
                         .read = op_read,
                         .write = op_write,
                         .readdir = op_readdir,
                         .getattr = op_getattr,
                         .setattr = op_setattr,
                         .remove = op_remove,
                         .fsync = op_fsync,
                         .close = op_close,
                         .forget = op_forget};
  uint32_t mask = STYX_OP(read) | STYX_OP(walk) | STYX_OP(getattr);
  w->ops.detachable = sim_chance(w, 50) ? 0 : mask & sim_roll(w, UINT32_MAX);
  w->ops.nowait = sim_chance(w, 50) ? 0 : sim_roll(w, UINT32_MAX);
  w->hooks.cancel_fd_new = hook_fd_new;
  w->hooks.cancel_fd_signal = hook_fd_signal;
  w->hooks.cancel_fd_free = hook_fd_free;
}
