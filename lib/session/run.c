/* run.c: running one piece of work: on any thread, without the session's lock. The only place that calls filesystems. */
#include "session/state.h"

#include <errno.h>

static const styx_fs *fs_of(const styx_req *r) { return &r->r_user->u_export->fs; }

void *styx_req_ctx(const styx_req *req) { return req->r_fs->ctx; }

unsigned styx_req_type(const styx_req *req) { return req->r_msg.type; }

styx_str styx_req_user(const styx_req *req) { return req->r_user->u_name; }

styx_str styx_req_aname(const styx_req *req) { return req->r_user->u_aname; }

/* ---- the operations' names ---- */

#define NAME(slot) [STYX_OP_##slot] = #slot
static const char *const op_names[STYX_NOPS] = {
    NAME(attach),  NAME(walk),    NAME(open),      NAME(create),      NAME(read),   NAME(write),  NAME(readdir),
    NAME(getattr), NAME(setattr), NAME(remove),    NAME(fsync),       NAME(close),  NAME(forget), NAME(mkdir),
    NAME(symlink), NAME(mknod),   NAME(readlink),  NAME(link),        NAME(rename), NAME(unlink), NAME(statfs),
    NAME(lock),    NAME(getlock), NAME(xattrwalk), NAME(xattrcreate), NAME(request)};

const char *styx_op_name(enum styx_op op) { return (unsigned)op < STYX_NOPS ? op_names[op] : NULL; }

/* ---- one caller for each operation: its arguments, and its answer when the slot is empty ---- */

#define CALL(slot, absent, ...)                                                                                        \
  (SX_HAS(ops, slot) ? ops->slot(__VA_ARGS__) : SX_HAS(ops, any) ? ops->any(r, STYX_OP_##slot) : (absent))

styx_answer sx_req_call(styx_req *r) {
  const styx_fs_ops *ops = r->r_fs->ops;
  const styx_msg *m = &r->r_msg;
  const struct sx_binding *b = sx_pin(r);
  void *node = b ? b->b_node->n_node : NULL, *handle = b ? b->b_handle : NULL;
  switch ((int)r->r_op) {
  case STYX_OP_attach:
    return CALL(attach, styx_reply_error(r, ENOENT), r);
  case STYX_OP_walk:
    return CALL(walk, styx_reply_error(r, ENOENT), r, r->r_walk->wk_at->n_node, m->wname[r->r_walk->wk_done]);
  case STYX_OP_open:
    return CALL(open, styx_reply_error(r, EACCES), r, node, m->mode);
  case STYX_OP_create:
    return CALL(create, styx_reply_error(r, EACCES), r, node, m->name, m->mode, m->perm, UINT32_MAX);
  case STYX_OP_read:
    return CALL(read, styx_reply_error(r, EACCES), r, node, handle, m->offset, m->count);
  case STYX_OP_write:
    return CALL(write, styx_reply_error(r, EACCES), r, node, handle, m->offset, m->data, m->count);
  case STYX_OP_readdir:
    return CALL(readdir, styx_reply_error(r, EACCES), r, node, handle, r->r_cookie);
  case STYX_OP_getattr:
    return CALL(getattr, styx_reply_error(r, EACCES), r, node, handle);
  case STYX_OP_setattr:
    return CALL(setattr, styx_reply_error(r, EACCES), r, node, handle, r->r_setattr);
  case STYX_OP_fsync:
    return CALL(fsync, styx_reply_ok(r), r, node, handle, false);
  case STYX_OP_remove:
    return CALL(remove, styx_reply_error(r, EACCES), r, node);
  case STYX_OP_request:
    return SX_HAS(ops, request) ? ops->request(r, m) : styx_reply_error(r, EOPNOTSUPP);
  default:
    return styx_reply_error(r, EOPNOTSUPP);
  }
}

/* False for a tombstone: it was flushed while it stood in the embedder's queue. */
static bool claim_run(styx_req *r) {
  uint32_t word = atomic_load_explicit(&r->r_word, memory_order_relaxed);
  do {
    if ((word & SX_STATE) != SX_QUEUED)
      return false;
    /* acquire: what start.c prepared; pairs with: sx_queue, and sx_cancel in flush.c */
  } while (!atomic_compare_exchange_weak_explicit(&r->r_word, &word, (word & ~SX_STATE) | SX_RUNNING,
                                                  memory_order_acq_rel, memory_order_relaxed));
  return true;
}

static void run_request(styx_req *r) {
  if (claim_run(r) && sx_req_call(r).sx_answer == 0) {
    r->r_dropped = true; /* nobody has answered, so nobody else looks at r */
    (void)styx_reply_error(r, EIO);
  }
  sx_req_put(r);
}

static void run_cancel(styx_req *r) {
  styx_session *s = r->r_session;
  uint32_t word = atomic_load_explicit(&r->r_word, memory_order_acquire);
  if (word & SX_HAS_FD)
    s->s_hooks.cancel_fd_signal(s->s_hook_arg, r->r_cancel_fd);
  /* Disarmed or answered meanwhile: nothing is called. pairs with: styx_req_on_cancel */
  while (word & SX_ARMED)
    if (atomic_compare_exchange_weak_explicit(&r->r_word, &word, (word & ~SX_ARMED) | SX_STARTED, memory_order_acq_rel,
                                              memory_order_acquire)) {
      r->r_cancel_fn(r, r->r_cancel_arg);
      break;
    }
  sx_req_put(r);
}

static void run_close(struct sx_binding *b) {
  const styx_fs *fs = &b->b_node->n_user->u_export->fs;
  b->b_err = SX_HAS(fs->ops, close) ? fs->ops->close(fs->ctx, b->b_node->n_node, b->b_handle) : STYX_OK;
  sx_post(b->b_node->n_session, &b->b_post, SX_CLOSED);
}

static void run_forget(struct sx_node *n) {
  const styx_fs *fs = &n->n_user->u_export->fs;
  bool unset = n->n_session->s_sees_all && !n->n_node; /* nobody has made a context */
  if (SX_HAS(fs->ops, forget) && !unset)
    fs->ops->forget(fs->ctx, n->n_node);
  sx_post(n->n_session, &n->n_post, SX_FORGOTTEN);
}

static void run_release(struct sx_segment *g) {
  g->g_release(g->g_release_arg);
  sx_post(g->g_session, &g->g_post, SX_RELEASED);
}

void styx_work_run(styx_work *work) {
  switch (work->w_kind) {
  case SX_RUN:
    run_request(SX_OF(styx_req, r_run, work));
    break;
  case SX_CANCEL:
    run_cancel(SX_OF(styx_req, r_cancel, work));
    break;
  case SX_CLOSE:
    run_close(SX_OF(struct sx_binding, b_work, work));
    break;
  case SX_FORGET:
    run_forget(SX_OF(struct sx_node, n_work, work));
    break;
  case SX_RELEASE:
    run_release(SX_OF(struct sx_segment, g_work, work));
    break;
  }
}

void *styx_work_arg(const styx_work *work) { return work->w_arg; }

styx_work_info styx_work_about(const styx_work *work) {
  styx_work *w = (styx_work *)(uintptr_t)work;
  if (w->w_kind == SX_RUN) {
    const styx_req *r = SX_OF(styx_req, r_run, w);
    /* A walk is on its way from its fid; a tombstone has no pin. */
    const struct sx_node *at = r->r_walk ? r->r_walk->wk_at : sx_pin(r) ? sx_pin(r)->b_node : NULL;
    const void *node = at ? at->n_node : NULL;
    return (styx_work_info){fs_of(r), (int)r->r_op, r->r_must_run, r->r_msg.fid, node, r->r_may_block};
  }
  const struct sx_node *n = w->w_kind == SX_CLOSE    ? SX_OF(struct sx_binding, b_work, w)->b_node
                            : w->w_kind == SX_FORGET ? SX_OF(struct sx_node, n_work, w)
                                                     : NULL;
  if (!n)
    return (styx_work_info){.op = -1};
  const styx_fs *fs = &n->n_user->u_export->fs;
  int op = w->w_kind == SX_CLOSE ? STYX_OP_close : STYX_OP_forget;
  return (styx_work_info){fs, op, true, STYX_NOFID, n->n_node, !(fs->ops->nowait >> op & 1)};
}
