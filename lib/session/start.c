/* start.c: a request has all its places: check it against what its fids mean now, prepare what its answer will need, and
 * queue it for the embedder, or answer it at once. */
#include "session/auth.h"

#include <errno.h>

void sx_queue(styx_req *r, enum styx_op op) {
  r->r_op = op;
  r->r_fs = r->r_user->u_fs;
  r->r_may_block = !(r->r_fs->ops->nowait >> op & 1);
  r->r_answer = SX_A_NONE;
  /* The bits beside the state stay: another thread may be setting none, since nobody runs r. release pairs with: run.c */
  uint32_t word = atomic_load_explicit(&r->r_word, memory_order_relaxed);
  if ((word & SX_STATE) == SX_PARKED) /* no other thread has seen it yet */
    atomic_store_explicit(&r->r_refs, 2, memory_order_relaxed);
  else /* its last runner may be about to let go */
    atomic_fetch_add_explicit(&r->r_refs, 1, memory_order_relaxed);
  atomic_store_explicit(&r->r_word, (word & ~SX_STATE) | SX_QUEUED, memory_order_release);
  sx_work_push(r->r_session, &r->r_run, SX_RUN);
}

static const styx_export *export_of(const styx_session *s, styx_str aname) {
  if (aname.len == 0)
    return &s->s_exports[0];
  for (size_t i = 0; i < s->s_nexports; i++)
    if (s->s_exports[i].name && styx_str_is(aname, s->s_exports[i].name))
      return &s->s_exports[i];
  for (size_t i = 0; i < s->s_nexports; i++)
    if (s->s_exports[i].path && styx_str_is(aname, s->s_exports[i].path))
      return &s->s_exports[i];
  for (size_t i = 0; i < s->s_nexports; i++)
    if (s->s_exports[i].any_aname)
      return &s->s_exports[i];
  return NULL;
}

static bool readonly(const styx_req *r) { return sx_pin(r)->b_node->n_user->u_export->readonly; }

static styx_err start_auth(styx_req *r) { return sx_auth_start(r, export_of(r->r_session, r->r_msg.aname)); }

static styx_err attach_files(styx_req *r) {
  styx_session *s = r->r_session;
  if (!(r->r_node = sx_node_new(s, r->r_user, NULL, (styx_str){0})) || !(r->r_binding = sx_binding_new(s, NULL)))
    return ENOMEM;
  sx_queue(r, STYX_OP_attach);
  return STYX_OK;
}

/* Between the plug and the filesystem nothing has happened yet: a flush that came meanwhile is obeyed here. */
void sx_attach_passed(styx_req *r) {
  const bool asked = sx_told_to_end(r);
  styx_err err = STYX_OK;
  if (r->r_turn)
    sx_turn_over(r, false);
  r->r_user->u_auth = false;
  r->r_user->u_fs = &r->r_user->u_export->fs;
  if (asked) {
    r->r_answer = SX_A_INTERRUPTED;
    sx_finish(r);
  } else if ((err = attach_files(r)) != STYX_OK) {
    sx_finish_error(r, err);
  }
}

static styx_err start_attach(styx_req *r) {
  styx_session *s = r->r_session;
  const styx_msg *m = &r->r_msg;
  if (!r->r_user) { /* else it was only waiting for its turn */
    const styx_export *e = export_of(s, m->aname);
    styx_err err = m->fid == STYX_NOFID ? STYX_EBADFID : sx_auth_check(r, e);
    if (err)
      return err;
    if (sx_pin(r))
      return STYX_EINUSE;
    if (!e)
      return ENOENT;
    if ((err = sx_check_names(m)) != STYX_OK)
      return err;
    if (!(r->r_user = sx_user_new(s, e, m->uname, m->aname)))
      return ENOMEM;
  }
  if (!r->r_user->u_export->auth.ops)
    return attach_files(r);
  sx_auth_ask(r);
  return STYX_OK;
}

static styx_err start_open(styx_req *r) {
  struct sx_binding *b = sx_pin(r);
  if (b->b_open)
    return STYX_EOPEN;
  styx_err err = sx_check_open(r->r_msg.mode, sx_is_dir(b));
  if (err)
    return err;
  uint8_t access = r->r_msg.mode & STYX_O_MODE;
  if (readonly(r) && (access == STYX_OWRITE || access == STYX_ORDWR || r->r_msg.mode & (STYX_OTRUNC | STYX_ORCLOSE)))
    return EROFS;
  if (!(r->r_binding = sx_binding_new(r->r_session, b->b_node)))
    return ENOMEM;
  sx_queue(r, STYX_OP_open);
  return STYX_OK;
}

static styx_err start_create(styx_req *r) {
  styx_session *s = r->r_session;
  struct sx_binding *b = sx_pin(r);
  if (b->b_open)
    return STYX_EOPEN;
  if (!sx_is_dir(b))
    return ENOTDIR;
  styx_err err = sx_check_create(&r->r_msg, s->s_limits.name);
  s->s_info.hits.name += err == ENAMETOOLONG;
  if (err)
    return err;
  if (readonly(r))
    return EROFS;
  if (!(r->r_node = sx_node_new(s, b->b_node->n_user, b->b_node, r->r_msg.name)) ||
      !(r->r_binding = sx_binding_new(s, NULL)))
    return ENOMEM;
  sx_queue(r, STYX_OP_create);
  return STYX_OK;
}

/* ---- reads reserve room for their data; when there is none they wait, in order, save that one may always run ----
 *
 * Replies that the peer has not taken yet count too, and while it does not read at all no read starts: else a peer that
 * only asks could make us hold all that it asked for. */

static bool over_held(const styx_session *s, size_t more) {
  return s->s_held + s->s_out.o_bytes + more > s->s_limits.held;
}

static bool reserve(styx_req *r) {
  styx_session *s = r->r_session;
  size_t need = r->r_msg.count;
  if (s->s_paused || (s->s_reserved > 0 && (over_held(s, need) || !sx_budget_allows(s, need))))
    return false;
  s->s_held += need;
  s->s_reserved++;
  r->r_reserved = need;
  r->r_has_reserved = true;
  return true;
}

void sx_feed_hungry(styx_session *s) {
  while (!sx_list_empty(&s->s_hungry)) {
    styx_req *r = SX_OF(styx_req, r_wait, s->s_hungry.next);
    if (!reserve(r))
      return;
    sx_unlink(&r->r_wait);
    sx_start(r);
  }
}

/* The handler has no lock: so what memory is kept for its reply goes with the request. */
static void lend(styx_req *r) {
  size_t frame = STYX_RREADHDRSZ + (size_t)r->r_msg.count;
  if (!r->r_segment && frame > r->r_size - sizeof *r - r->r_len)
    r->r_segment = sx_segment_kept(r->r_session, frame);
  if (!r->r_ref)
    r->r_ref = sx_segment_kept(r->r_session, 0);
}

static inline bool read_has_room(styx_req *r) {
  styx_session *s = r->r_session;
  uint32_t most = s->s_msize - STYX_RREADHDRSZ;
  if (r->r_msg.count > most)
    r->r_msg.count = most;
  /* Nobody overtakes those who wait: directory reads of one fid depend on their order. */
  const bool others_wait = !sx_list_empty(&s->s_hungry);
  if (!r->r_has_reserved && (others_wait || !reserve(r))) {
    if (!others_wait && !s->s_paused)
      ++*(over_held(s, r->r_msg.count) ? &s->s_info.hits.held : &s->s_info.hits.memory);
    sx_list_push(&s->s_hungry, &r->r_wait);
    return false;
  }
  lend(r);
  return true;
}

bool sx_read_has_room(styx_req *r) { return read_has_room(r); }

static styx_err start_read(styx_req *r) {
  struct sx_binding *b = sx_pin(r);
  styx_err err = sx_check_io(b, &r->r_msg);
  if (err || (b->b_auth && !sx_turn_take(r, b)) || !read_has_room(r))
    return err;
  if (sx_is_dir(b))
    sx_dirread_start(r, b);
  else
    sx_queue(r, STYX_OP_read);
  return STYX_OK;
}

static styx_err start_write(styx_req *r) {
  struct sx_binding *b = sx_pin(r);
  styx_err err = sx_check_io(b, &r->r_msg);
  if (!err && (!b->b_auth || sx_turn_take(r, b)))
    sx_queue(r, STYX_OP_write);
  return err;
}

/* ---- clunk and remove: the fid number is unbound here, the place keeps it from being made again until the reply ---- */

static struct sx_binding *unbind(styx_req *r) {
  struct sx_binding *b = sx_pin(r);
  sx_bind(r->r_session, r->r_place[0].pl_slot, NULL);
  return b;
}

static styx_err start_clunk(styx_req *r) {
  struct sx_binding *b = unbind(r);
  r->r_place[0].pl_pin = NULL;
  if (b->b_refs == 1 && b->b_open) {
    b->b_clunk = r; /* close's verdict is ours */
    atomic_store_explicit(&r->r_word, SX_QUEUED, memory_order_release);
    sx_binding_put(r->r_session, b);
    return STYX_OK;
  }
  sx_binding_put(r->r_session, b);
  r->r_answer = SX_A_OK;
  sx_finish(r);
  return STYX_OK;
}

static styx_err start_remove(styx_req *r) {
  bool refuse = readonly(r);
  unbind(r);
  if (refuse)
    return EROFS;
  sx_queue(r, STYX_OP_remove);
  return STYX_OK;
}

static styx_err start_stat(styx_req *r) {
  sx_queue(r, STYX_OP_getattr);
  return STYX_OK;
}

static styx_err start_wstat(styx_req *r) {
  styx_session *s = r->r_session;
  r->r_setattr = sx_keep_new(s, sizeof *r->r_setattr);
  if (!r->r_setattr)
    return ENOMEM;
  styx_err err = sx_check_wstat(&r->r_msg.stat, sx_pin(r)->b_node->n_qid, s->s_limits.name, r->r_setattr);
  s->s_info.hits.name += err == ENAMETOOLONG;
  if (err)
    return err;
  if (r->r_setattr->valid && readonly(r))
    return EROFS;
  sx_queue(r, r->r_setattr->valid ? STYX_OP_setattr : STYX_OP_fsync); /* nothing touched: bring it to stable storage */
  return STYX_OK;
}

static styx_err start_walk(styx_req *r) {
  sx_walk_start(r);
  return STYX_OK;
}

static const struct {
  styx_err (*start)(styx_req *); /* an error answers the request; STYX_OK: it is queued, parked or answered */
  bool needs_fid;
} starters[256] = {
    [STYX_Tauth] = {start_auth, false},  [STYX_Tattach] = {start_attach, false}, [STYX_Twalk] = {start_walk, true},
    [STYX_Topen] = {start_open, true},   [STYX_Tcreate] = {start_create, true},  [STYX_Tread] = {start_read, true},
    [STYX_Twrite] = {start_write, true}, [STYX_Tclunk] = {start_clunk, true},    [STYX_Tremove] = {start_remove, true},
    [STYX_Tstat] = {start_stat, true},   [STYX_Twstat] = {start_wstat, true},
};

void sx_start(styx_req *r) {
  styx_err err = STYX_EBADFID;
  if (r->r_session->s_sees_all) {
    sx_whole_start(r);
    return;
  }
  if (sx_pin(r) && !r->r_user && r->r_msg.type != STYX_Tattach) {
    r->r_user = sx_pin(r)->b_node->n_user;
    r->r_user->u_refs++;
  }
  if (!starters[r->r_msg.type].start)
    err = STYX_EUNKNOWN;
  else if (sx_pin(r) || !starters[r->r_msg.type].needs_fid)
    err = starters[r->r_msg.type].start(r);
  if (err)
    sx_finish_error(r, err);
}
