/* whole.c: a program that sees every request itself (fs.h, request). The session keeps what is of the wire: version, tags, flush,
 * limits, and for each fid number the order of the requests that name it and what it stood for when their turn came. What a fid
 * is, and what becomes of it, is in the program's answers. */
#include "session/state.h"

#include <errno.h>

/* ---- the node of the session itself: what the program keeps for it (styx_req_context) ---- */

bool sx_whole_take(styx_req *r) {
  styx_session *s = r->r_session;
  if (!s->s_whole) {
    struct sx_user *nobody = sx_user_new(s, &s->s_exports[0], (styx_str){0}, (styx_str){0});
    if (!nobody)
      return false;
    s->s_whole = sx_node_new(s, nobody, NULL, (styx_str){0});
    sx_user_put(s, nobody);
    if (!s->s_whole)
      return false;
  }
  r->r_whole = s->s_whole;
  r->r_whole->n_refs++;
  return true;
}

static void whole_put(styx_session *s, struct sx_node *whole) {
  if (whole->n_refs == 1) /* every request is over, so nobody sets it any more */
    whole->n_node = atomic_load_explicit(&s->s_context, memory_order_acquire);
  sx_node_put(s, whole);
}

void sx_whole_leave(styx_req *r) {
  if (r->r_whole)
    whole_put(r->r_session, r->r_whole);
  r->r_whole = NULL;
}

void sx_whole_hangup(styx_session *s) {
  struct sx_node *whole = s->s_whole;
  s->s_whole = NULL;
  if (whole)
    whole_put(s, whole);
}

/* ---- start ---- */

/* Which place is of the fid that an answer of success binds anew; -1: none does. */
static int made_place(const styx_msg *m) {
  switch (m->type) {
  case STYX_Tauth:
  case STYX_Tattach:
  case STYX_Topen:
  case STYX_Tcreate:
    return 0;
  case STYX_Twalk:
    return m->newfid != m->fid;
  default:
    return -1;
  }
}

static struct sx_user *user_of(styx_req *r) {
  const styx_msg *m = &r->r_msg;
  if (m->type == STYX_Tauth || m->type == STYX_Tattach)
    return sx_user_new(r->r_session, &r->r_session->s_exports[0], m->uname, m->aname);
  struct sx_user *user = sx_pin(r) ? sx_pin(r)->b_node->n_user : r->r_whole->n_user;
  user->u_refs++;
  return user;
}

/* What an answer of success will need. */
static styx_err prepare(styx_req *r) {
  styx_session *s = r->r_session;
  const styx_msg *m = &r->r_msg;
  int place = made_place(m);
  styx_err err = m->type == STYX_Tauth || m->type == STYX_Tattach ? sx_check_names(m) : STYX_OK;
  if (err)
    return err;
  if (!(r->r_user = user_of(r)))
    return ENOMEM;
  if (place < 0 || !r->r_place[place].pl_slot) /* NOFID, or a fid to be changed that does not exist */
    return STYX_OK;
  r->r_node = sx_node_new(s, r->r_user, NULL, (styx_str){0});
  r->r_binding = sx_binding_new(s, NULL);
  return r->r_node && r->r_binding ? STYX_OK : ENOMEM;
}

static bool changes(const styx_msg *m) {
  uint8_t access = m->mode & STYX_O_MODE;
  switch (m->type) {
  case STYX_Topen:
    return access == STYX_OWRITE || access == STYX_ORDWR || m->mode & (STYX_OTRUNC | STYX_ORCLOSE);
  case STYX_Tcreate:
  case STYX_Tremove:
  case STYX_Twstat:
    return true;
  default:
    return false;
  }
}

void sx_whole_start(styx_req *r) {
  styx_session *s = r->r_session;
  struct sx_place *first = &r->r_place[0];
  const styx_msg *m = &r->r_msg;
  styx_err err = r->r_user ? STYX_OK : prepare(r); /* a read that has waited for room or its turn comes again */
  if (first->pl_use == SX_DROP && first->pl_slot)  /* whatever the answer says (F18) */
    sx_bind(s, first->pl_slot, NULL);
  if (!err && s->s_exports[0].readonly && changes(m))
    err = EROFS;
  if (err) {
    sx_finish_error(r, err);
    return;
  }
  if (m->type == STYX_Tread &&
      !(sx_read_has_room(r) && (!sx_pin(r) || !sx_is_dir(sx_pin(r)) || sx_turn_take(r, sx_pin(r)))))
    return;
  r->r_cookie = 0;
  sx_queue(r, STYX_OP_request);
}

/* ---- answers ---- */

/* What answers each message may have, beside SX_A_MSG and errors. */
uint16_t sx_whole_valid(const styx_req *r) {
  switch (r->r_msg.type) {
  case STYX_Tread:
    return 1 << SX_A_DATA | 1 << SX_A_REF | 1 << SX_A_DIR;
  case STYX_Twrite:
    return 1 << SX_A_COUNT;
  case STYX_Tstat:
    return 1 << SX_A_ATTR;
  case STYX_Tclunk:
  case STYX_Tremove:
  case STYX_Twstat:
    return 1 << SX_A_OK;
  default:
    return 0;
  }
}

void sx_whole_settle(styx_req *r) {
  if (!r->r_made || !r->r_binds)
    return;
  r->r_binding->b_node = r->r_node; /* its count moves with it */
  r->r_node = NULL;
  sx_bind_answer(r, r->r_place[made_place(&r->r_msg)].pl_slot, r->r_binding);
  r->r_binding = NULL;
}

/* The node that was made and not bound is given back. */
void sx_whole_unmake(styx_req *r) {
  if (!r->r_made || !r->r_node)
    return;
  sx_node_put(r->r_session, r->r_node);
  r->r_node = NULL;
}

/* ---- what the handler calls ---- */

const styx_msg *styx_req_msg(const styx_req *req) { return &req->r_msg; }

uint32_t styx_req_msize(const styx_req *req) { return req->r_session->s_msize; }

static uint32_t named(const styx_msg *m, int place) {
  if (place == 0)
    return m->type == STYX_Tauth ? m->afid : m->fid;
  return m->type == STYX_Tattach ? m->afid : m->newfid; /* only these have a second place */
}

int styx_req_fd(const styx_req *req) {
  const styx_session *s = req->r_session;
  return s->s_hooks.fd ? s->s_hooks.fd(s->s_hook_arg) : -1;
}

void *styx_req_fid(const styx_req *req, uint32_t fid) {
  for (int place = 0; place < 2; place++)
    if (req->r_place[place].pl_pin && named(&req->r_msg, place) == fid)
      return req->r_place[place].pl_pin->b_node->n_node;
  return NULL;
}

bool styx_req_make(styx_req *req, void *node, styx_qid qid) {
  if (!req->r_session->s_sees_all || !req->r_node || !req->r_binding || (req->r_made && req->r_node->n_node != node))
    return false;
  req->r_node->n_node = node; /* nobody else knows it yet */
  req->r_node->n_qid = qid;
  req->r_made = true;
  return true;
}

void *styx_req_made(const styx_req *req) { return req->r_made ? req->r_node->n_node : NULL; }

bool styx_req_cookie(const styx_req *req, uint64_t *cookie) {
  const struct sx_binding *b = sx_pin(req);
  if (req->r_msg.offset != 0 && (!req->r_turn || req->r_msg.offset != b->b_offset))
    return false;
  *cookie = req->r_msg.offset ? b->b_cookie : 0;
  return true;
}

void styx_req_set_cookie(styx_req *req, uint64_t cookie) { req->r_cookie = cookie; }

void *styx_req_context(const styx_req *req) {
  return atomic_load_explicit(&req->r_session->s_context, memory_order_acquire);
}

void *styx_req_set_context(styx_req *req, void *context) {
  void *was = NULL;
  /* release: what context points to, for who finds it there; acquire: the same of another's */
  return atomic_compare_exchange_strong_explicit(&req->r_session->s_context, &was, context, memory_order_acq_rel,
                                                 memory_order_acquire)
             ? context
             : was;
}
