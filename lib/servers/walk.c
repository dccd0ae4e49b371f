/* walk.c: attach and walk. */
#include "servers/kit.h"

#include <errno.h>

/* ---- attach ---- */

struct attach {
  struct sx_ask ask; /* first member */
};

static styx_err check_afid(const styx_req *req) {
  const styx_msg *t = styx_req_msg(req);
  if (t->afid == STYX_NOFID)
    return STYX_OK;
  const styx_fid *a = styx_getfid(req, t->afid);
  if (!a || t->afid == t->fid)
    return STYX_EBADFID;
  if (!(a->qid.type & STYX_QTAUTH))
    return STYX_EAUTHFID;
  return styx_str_eq(a->uname, t->uname) && styx_str_eq(a->param, t->aname) ? STYX_OK : STYX_EAUTH;
}

static void attach_root(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct attach *attach = (struct attach *)q;
  styx_req *req = attach->ask.req;
  styx_msg r = {.type = STYX_Rattach};
  sx_ask_free(&attach->ask);
  if (!err && !(attr->qid.type & STYX_QTDIR))
    err = ENOTDIR;
  if (!err)
    err = styx_newfid(req, r.qid = attr->qid, NULL);
  (void)(err ? styx_srv_error(req, err) : styx_srv_reply(req, &r));
}

styx_answer styx_srv_attach_at(styx_req *req, uint64_t root) {
  const styx_msg *t = styx_req_msg(req);
  styx_err err = t->fid == STYX_NOFID ? STYX_EBADFID : check_afid(req);
  struct attach *attach = err ? NULL : sx_ask_new(req, sizeof *attach);
  if (!attach)
    return styx_srv_error(req, err ? err : ENOMEM);
  styx_answer answer = styx_later(req);
  sx_ask_stat(&attach->ask, attach_root, root);
  return answer;
}

styx_answer styx_srv_attach(styx_req *req) { return styx_srv_attach_at(req, sx_kit_of(req)->root); }

/* ---- walk ---- */

struct walk {
  struct sx_ask ask; /* first member */
  const styx_fid *from;
  uint16_t done; /* names found */
  styx_qid qids[STYX_MAXWELEM];
};

static void reply(struct walk *walk, styx_err err) {
  styx_req *req = walk->ask.req;
  styx_msg r = {.type = STYX_Rwalk, .nwqid = walk->done};
  for (uint16_t i = 0; i < walk->done; i++)
    r.wqid[i] = walk->qids[i];
  bool partial = err && walk->done > 0; /* says how far it went (contract 1.8) */
  sx_ask_free(&walk->ask);
  if (!err)
    err = styx_newfid(req, r.wqid[r.nwqid - 1], NULL);
  (void)(err && !partial ? styx_srv_error(req, err) : styx_srv_reply(req, &r));
}

static void found(styx_nav *q, styx_err err, const styx_attr *attr);

/* The walk has come to a file; where to next? Between two names nothing has happened yet, so a flush is obeyed here. */
static void go_on(struct walk *walk, const styx_attr *at) {
  styx_req *req = walk->ask.req;
  const styx_msg *t = styx_req_msg(req);
  for (;;) {
    if (walk->done == t->nwname) {
      reply(walk, STYX_OK);
      return;
    }
    if (styx_req_cancelled(req)) {
      sx_ask_free(&walk->ask);
      (void)styx_reply_interrupted(req);
      return;
    }
    if (!(at->qid.type & STYX_QTDIR)) {
      reply(walk, ENOTDIR);
      return;
    }
    if (!styx_access_ok(walk->from->uname, 1, at->mode, at->uid, at->gid)) {
      reply(walk, EACCES);
      return;
    }
    if (!styx_str_is(t->wname[walk->done], "..") || at->qid.path != walk->from->root)
      break;
    walk->qids[walk->done++] = at->qid;
  }
  sx_ask_walk(&walk->ask, found, at->qid.path, t->wname[walk->done]);
}

static void found(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct walk *walk = (struct walk *)q;
  if (err) {
    reply(walk, err);
    return;
  }
  walk->qids[walk->done++] = attr->qid;
  go_on(walk, attr);
}

static void begun(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct walk *walk = (struct walk *)q;
  if (err)
    reply(walk, err);
  else
    go_on(walk, attr);
}

static styx_err check_walk(const styx_req *req, const styx_fid *f) {
  const styx_msg *t = styx_req_msg(req);
  if (!f || t->newfid == STYX_NOFID)
    return STYX_EBADFID;
  if (f->isopen)
    return STYX_EOPEN;
  return t->newfid != t->fid && styx_getfid(req, t->newfid) ? STYX_EINUSE : STYX_OK;
}

styx_answer styx_srv_walk(styx_req *req) {
  const styx_msg *t = styx_req_msg(req);
  const styx_fid *f = styx_getfid(req, t->fid);
  styx_err err = check_walk(req, f);
  if (!err && t->nwname == 0) {
    styx_msg r = {.type = STYX_Rwalk};
    err = styx_newfid(req, f->qid, NULL);
    return err ? styx_srv_error(req, err) : styx_srv_reply(req, &r);
  }
  struct walk *walk = err ? NULL : sx_ask_new(req, sizeof *walk);
  if (!walk)
    return styx_srv_error(req, err ? err : ENOMEM);
  styx_answer answer = styx_later(req);
  walk->from = f;
  sx_ask_stat(&walk->ask, begun, f->qid.path);
  return answer;
}
