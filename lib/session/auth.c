/* auth.c: see auth.h, and styx/auth.h for what is promised. */
#include "session/auth.h"

#include <errno.h>

#define AUTH_HAS(auth, slot)                                                                                           \
  ((auth).ops->size >= offsetof(styx_auth_ops, slot) + sizeof((auth).ops->slot) && (auth).ops->slot)

/* ---- the plug as a filesystem: on any thread, without the lock ---- */

static const styx_auth *plug_of(const styx_req *r) { return &r->r_user->u_export->auth; }

/* An attach asks with the afid's conversation, or without one; a Tauth makes it. */
static styx_answer auth_attach(styx_req *r) {
  const styx_auth *a = plug_of(r);
  if (r->r_msg.type == STYX_Tauth)
    return AUTH_HAS(*a, start) ? a->ops->start(r) : styx_reply_error(r, STYX_ENOAUTH);
  if (r->r_msg.afid == STYX_NOFID)
    return AUTH_HAS(*a, no_afid) ? a->ops->no_afid(r) : styx_reply_error(r, STYX_EAUTH);
  return AUTH_HAS(*a, done) ? a->ops->done(r, r->r_place[1].pl_pin->b_node->n_node) : styx_reply_error(r, STYX_EAUTH);
}

static styx_answer auth_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  const styx_auth *a = plug_of(r);
  (void)handle, (void)offset;
  return AUTH_HAS(*a, read) ? a->ops->read(r, node, count) : styx_reply_error(r, EACCES);
}

static styx_answer auth_write(styx_req *r, void *node, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  const styx_auth *a = plug_of(r);
  (void)handle, (void)offset;
  return AUTH_HAS(*a, write) ? a->ops->write(r, node, data, count) : styx_reply_error(r, EACCES);
}

static styx_answer auth_getattr(styx_req *r, void *node, void *handle) {
  (void)node, (void)handle;
  return styx_reply_attr(r, &(styx_attr){.qid = sx_pin(r)->b_node->n_qid,
                                         .mode = STYX_DMAUTH | 0600,
                                         .name = STYX_STR("auth"),
                                         .uid = styx_req_user(r),
                                         .gid = styx_req_user(r),
                                         .muid = styx_req_user(r)});
}

/* getattr asks nobody; end does not block. */
#define TABLE(blocking_)                                                                                               \
  {                                                                                                                    \
    .size = sizeof(styx_fs_ops), .name = "auth", .nowait = STYX_OP(getattr) | STYX_OP(close) | STYX_OP(forget),        \
    .blocking = (blocking_), .attach = auth_attach, .read = auth_read, .write = auth_write, .getattr = auth_getattr    \
  }

static const styx_fs_ops plain = TABLE(0), blocking = TABLE(STYX_OP(attach) | STYX_OP(read) | STYX_OP(write));

void sx_auth_end(const struct sx_node *n) {
  const styx_auth *a = &n->n_user->u_export->auth;
  if (AUTH_HAS(*a, end))
    a->ops->end(a->ctx, n->n_node);
}

bool styx_req_peer(const styx_req *req, styx_peer *out) {
  const styx_session *s = req->r_session;
  if (s->s_has_peer)
    *out = s->s_peer;
  return s->s_has_peer;
}

/* ---- the session's side: under the lock ---- */

/* From here on what u does is asked of the plug. */
static void belongs_to_plug(struct sx_user *u) {
  const styx_auth *a = &u->u_export->auth;
  u->u_auth = true;
  u->u_plug = (styx_fs){AUTH_HAS(*a, blocking) ? &blocking : &plain, a->ctx};
  u->u_fs = &u->u_plug;
}

styx_err sx_auth_start(styx_req *r, const styx_export *e) {
  styx_session *s = r->r_session;
  if (!e)
    return ENOENT;
  if (!e->auth.ops || !AUTH_HAS(e->auth, start))
    return STYX_ENOAUTH;
  if (r->r_msg.afid == STYX_NOFID)
    return STYX_EBADFID;
  if (sx_pin(r))
    return STYX_EINUSE;
  styx_err err = sx_check_names(&r->r_msg);
  if (err)
    return err;
  if (s->s_nafids >= s->s_limits.afids) {
    s->s_info.hits.afids++;
    return STYX_EMANYFIDS;
  }
  if (!(r->r_user = sx_user_new(s, e, r->r_msg.uname, r->r_msg.aname)))
    return ENOMEM;
  belongs_to_plug(r->r_user);
  if (!(r->r_node = sx_node_new(s, r->r_user, NULL, (styx_str){0})))
    return ENOMEM;
  s->s_nafids++;
  if (!(r->r_binding = sx_binding_new(s, NULL)))
    return ENOMEM;
  sx_queue(r, STYX_OP_attach);
  return STYX_OK;
}

void sx_auth_settle(styx_req *r) {
  r->r_binding->b_auth = r->r_binding->b_open = true;
  r->r_binding->b_mode = STYX_ORDWR;
}

/* Files of their own, never one that is served: where those count from 0, these do from 2^63 (contract 8.5). */
void sx_auth_qid(styx_req *r) {
  r->r_qid = (styx_qid){.type = STYX_QTAUTH, .path = (uint64_t)1 << 63 | r->r_session->s_afids++};
}

styx_err sx_auth_check(const styx_req *r, const styx_export *e) {
  const styx_msg *m = &r->r_msg;
  const struct sx_binding *afid = r->r_place[1].pl_pin;
  if (m->afid == STYX_NOFID)
    return STYX_OK;
  if (!afid)
    return STYX_EBADFID;
  if (!afid->b_auth)
    return STYX_EAUTHFID;
  const struct sx_user *u = afid->b_node->n_user;
  const bool same = styx_str_eq(u->u_name, m->uname) && styx_str_eq(u->u_aname, m->aname);
  return u->u_export == e && same ? STYX_OK : STYX_EAUTH;
}

void sx_auth_ask(styx_req *r) {
  struct sx_binding *afid = r->r_place[1].pl_pin;
  if (!r->r_user->u_auth)
    belongs_to_plug(r->r_user);
  if (!afid || sx_turn_take(r, afid))
    sx_queue(r, STYX_OP_attach);
}

uint16_t sx_auth_answers(const styx_req *r, uint16_t valid) {
  return r->r_msg.type == STYX_Tattach ? 1 << SX_A_OK : valid & (uint16_t) ~(1u << SX_A_PASS);
}
