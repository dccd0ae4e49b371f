/* sim_replay.c: requests replayed in the order of sending, each with the outcome that its reply said: was it possible, and
 * what does the client have then? */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct creq *sim_req_at(struct sim *w, int i) {
  return i < 0 ? NULL : &w->reqs[i];
}

static struct model_fid nothing;

struct model_fid *sim_model_fid(struct conn *c, uint32_t fid) {
  int i = sim_fid_index(fid);
  if (i < 0)
    nothing = (struct model_fid){0};
  return i < 0 ? &nothing : &c->fids[i];
}

static bool may_write(uint8_t mode) { return (mode & 3) == STYX_OWRITE || (mode & 3) == STYX_ORDWR; }

/* What is wrong with the afid of a Tattach, or 0. */
static styx_err wrong_afid(struct conn *c, const struct creq *r) {
  const struct model_fid *a = sim_model_fid(c, r->afid);
  if (r->afid == STYX_NOFID)
    return 0;
  if (!a->bound)
    return STYX_EBADFID;
  if (!a->node->auth)
    return STYX_EAUTHFID;
  return a->node->id != r->user || c->w->reqs[a->node->id].aname != r->aname ? STYX_EAUTH : 0;
}

/* Could not have succeeded, given what came before. */
static bool illegal(struct conn *c, const struct creq *r) {
  const struct model_fid *f = sim_model_fid(c, r->fid);
  bool bound = f->bound, open = bound && f->open, dir = bound && f->node->dir, ro = bound && f->node->readonly;
  bool auth = bound && f->node->auth;
  uint8_t how = f->mode;
  if (!c->versioned || r->bad)
    return true;
  switch (r->type) {
  case STYX_Tauth:
    return bound;
  case STYX_Tattach: {
    struct model_fid *fid = sim_model_fid(c, r->fid);
    return fid->bound || wrong_afid(c, r) != 0;
  }
  case STYX_Twalk:
    return !bound || open || (r->nwname && !dir) ||
           (r->newfid != r->fid && (sim_fid_index(r->newfid) < 0 || sim_model_fid(c, r->newfid)->bound));
  case STYX_Topen:
    return !bound || open || (dir && r->mode != STYX_OREAD) ||
           (ro && (may_write(r->mode) || r->mode & (STYX_OTRUNC | STYX_ORCLOSE)));
  case STYX_Tcreate:
    return !bound || open || !dir || ro;
  case STYX_Tread:
    return !open || (how & 3) == STYX_OWRITE || (dir && r->offset && r->offset != f->dir_offset);
  case STYX_Twrite:
    return !open || !may_write(how);
  case STYX_Tremove:
    return !bound || ro || auth;
  case STYX_Twstat:
    return !bound || ((ro || auth) && r->count);
  default:
    return !bound;
  }
}

/* Errors that say something of a fid must be true of it. */
static bool error_is_true(struct conn *c, const struct creq *r) {
  const struct model_fid *f = sim_model_fid(c, r->fid);
  switch (r->err) {
  case STYX_EAUTH:
  case STYX_EAUTHFID:
    return r->bad || wrong_afid(c, r) == r->err;
  case STYX_EBADFID:
    if (r->type == STYX_Tattach)
      return r->bad || wrong_afid(c, r) == STYX_EBADFID;
    return !f->bound || r->bad || (r->type == STYX_Twalk && r->newfid == STYX_NOFID);
  case STYX_EINUSE:
    return r->type == STYX_Tattach || r->type == STYX_Tauth ? f->bound : sim_model_fid(c, r->newfid)->bound;
  case STYX_EOPEN:
    return f->bound && f->open;
  case STYX_ENOTOPEN:
    return f->bound && !f->open;
  case STYX_EBADUSE:
    return f->bound && f->open;
  case EROFS:
    return f->bound && f->node->readonly;
  case STYX_ENOVERSION:
    return !c->versioned;
  default:
    return true;
  }
}

/* Errors that can come whatever the fids are. */
static bool error_from_outside(const struct conn *c, const struct creq *r) {
  const struct sim *w = c->w;
  bool has_id = sim_type_has_id(r), dotdot = memchr(r->bits, '.', sizeof r->bits) != NULL;
  switch (r->err) {
  case EINTR:
    return r->fs == FS_INTERRUPTED || r->may_interrupt || ((!has_id || dotdot) && c->interrupted > 0) ||
           (w->config.send_interrupted && r->flushed) || w->limits.request;
  case ENOMEM:
    return c->relaxed;
  case STYX_ELIMIT:
    return (w->small_limits && !sim_must_run(r->type)) || (w->small_held && r->type == STYX_Twrite);
  case STYX_EMANYFIDS:
    if (r->type == STYX_Tauth && c->auths > 0 && (uint64_t)c->auths > w->limits.afids)
      return true;
    return w->small_limits && (r->type == STYX_Tauth || r->type == STYX_Tattach || r->type == STYX_Twalk);
  case STYX_EDUPTAG:
    return r->dup;
  case ESHUTDOWN:
    return w->draining && !sim_must_run(r->type);
  case STYX_ESMALLBUF:
    return r->type == STYX_Tread && r->count < 80;
  case EIO:
    return has_id ? r->fs == FS_ERROR : true;
  case STYX_EAUTH:
  case STYX_EREJECTED:
    return r->plug && r->fs == FS_ERROR;
  case ENOENT:
    return r->type == STYX_Twalk && r->fs == FS_ERROR;
  default:
    return false;
  }
}

static void check_error(struct conn *c, const struct creq *r) {
  struct sim *w = c->w;
  bool wrong = illegal(c, r);
  if (error_from_outside(c, r)) {
    if (r->fs == FS_OK && r->type != STYX_Twalk && !sim_may_be_left(w, r) && !c->relaxed)
      sim_fail(w, "request %u took effect and got error \"%s\"", (unsigned)r->id, styx_err_text(r->err));
    return;
  }
  if (!error_is_true(c, r) || !wrong)
    sim_fail(w, "request %u (%s) got \"%s\", which is not true", (unsigned)r->id, styx_msg_name(r->type),
             styx_err_text(r->err));
  if (r->fs != FS_NONE)
    sim_fail(w, "request %u ran although it got \"%s\"", (unsigned)r->id, styx_err_text(r->err));
}

static struct node *node_made_by(struct conn *c, const struct creq *r, styx_qid qid, uint32_t element) {
  struct sim *w = c->w;
  struct node *n = sim_node_of(w, qid);
  if (!n || n->conn != c || n->gen != c->gen || n->id != r->id || n->element != element)
    sim_fail(w, "the reply to request %u names a file that it did not reach", (unsigned)r->id);
  return n;
}

static void replay_walk(struct conn *c, const struct creq *r) {
  struct sim *w = c->w;
  struct model_fid *from = sim_model_fid(c, r->fid), *to = sim_model_fid(c, r->newfid);
  struct node *n = from->node;
  uint32_t found = 0;
  for (unsigned i = 0; i < r->nwqid; i++) {
    if (r->bits[i] == '.')
      n = sim_node_of(w, r->qids[i]);
    else
      n = node_made_by(c, r, r->qids[i], found);
    if (!n || n->conn != c || n->gen != c->gen)
      sim_fail(w, "Rwalk names a file of somebody else");
    found += n->id == r->id;
  }
  if (found != r->fs_ok && !c->relaxed)
    sim_fail(w, "Rwalk has %u qids of %u elements found", found, r->fs_ok);
  if (r->nwqid > r->nwname || (r->nwname && !r->nwqid))
    sim_fail(w, "Rwalk has %u qids of %u names", r->nwqid, r->nwname);
  if (r->nwqid < r->nwname) {
    if (r->fs != FS_ERROR && r->bits[r->nwqid - 1] != 'f' && r->bits[r->nwqid] != '.' && !c->relaxed)
      sim_fail(w, "Rwalk of request %u is short for no reason", (unsigned)r->id);
    return;
  }
  *to = (struct model_fid){.bound = true, .node = n};
}

/* What answer_readdir's entry i takes: its name, and three names of one digit. */
static uint32_t entry_size(uint32_t i) {
  return STYX_STATFIXLEN + 3 + (uint32_t)snprintf(NULL, 0, "e%u%s", (unsigned)i, i & 1 ? "xyz" : "");
}

/* Nothing may be read where there is something: not at the start, and later only when the next entry does not fit. */
static bool may_read_nothing(const struct creq *r, const struct model_fid *f, uint32_t at) {
  return at >= f->node->entries || (r->offset != 0 && r->count < entry_size(at));
}

static void replay_read(struct conn *c, const struct creq *r) {
  struct sim *w = c->w;
  struct model_fid *f = sim_model_fid(c, r->fid);
  if (!f->node->dir) {
    if (sim_type_has_id(r) && (r->rcount != r->fs_count || r->fs != FS_OK))
      sim_fail(w, "Rread of request %u has %u bytes, read were %u", (unsigned)r->id, r->rcount, r->fs_count);
    return;
  }
  uint32_t at = r->offset ? f->dir_next : 0;
  if (r->dir_entries == UINT32_MAX)
    sim_fail(w, "Rread of a directory is no sequence of stat records");
  if (r->dir_entries ? r->dir_first != at : !may_read_nothing(r, f, at))
    sim_fail(w, "Rread of a directory is at entry %u instead of %u", r->dir_first, at);
  f->dir_next = at + r->dir_entries;
  f->dir_offset = r->offset + r->rcount;
}

/* Rclunk carries what close said when nothing else used the fid. */
static void replay_clunk(struct conn *c, const struct creq *r) {
  struct sim *w = c->w;
  struct model_fid *f = sim_model_fid(c, r->fid);
  const struct node *n = f->node;
  if (f->open && r->alone && n->handles_ever == 1 && !w->ops.detachable && !c->relaxed) {
    if (!n->closed)
      sim_fail(w, "Rclunk of request %u came before close", (unsigned)r->id);
    if ((n->close_err != 0) != (r->err != 0))
      sim_fail(w, "Rclunk of request %u hides what close said", (unsigned)r->id);
  }
  c->rclunk_errors += r->err == EIO;
  *f = (struct model_fid){0};
}

/* A qid of its own: never that of a file, nor of another conversation of the session. */
static void replay_auth(struct conn *c, const struct creq *r) {
  struct sim *w = c->w;
  struct node *n = sim_conversation(c, r->id);
  if (!n)
    sim_fail(w, "Rauth of request %u, of which the plug knows nothing", (unsigned)r->id);
  if (r->qid.type != STYX_QTAUTH || sim_node_of(w, r->qid))
    sim_fail(w, "Rauth of request %u has the qid of a file", (unsigned)r->id);
  for (int i = 0; i < w->nnodes; i++)
    if (w->nodes[i].auth && w->nodes[i].conn == c && w->nodes[i].gen == c->gen && w->nodes[i].path == r->qid.path)
      sim_fail(w, "Rauth of request %u has the qid of another afid", (unsigned)r->id);
  n->path = r->qid.path;
  *sim_model_fid(c, r->fid) = (struct model_fid){.bound = true, .open = true, .mode = STYX_ORDWR, .node = n};
}

static void replay_success(struct conn *c, struct creq *r) {
  struct sim *w = c->w;
  struct model_fid *f = sim_model_fid(c, r->fid);
  if (illegal(c, r))
    sim_fail(w, "request %u (%s) succeeded, which was impossible", (unsigned)r->id, styx_msg_name(r->type));
  switch (r->type) {
  case STYX_Tauth:
    replay_auth(c, r);
    break;
  case STYX_Tattach:
    *f = (struct model_fid){.bound = true, .node = node_made_by(c, r, r->qid, 0)};
    break;
  case STYX_Twalk:
    replay_walk(c, r);
    break;
  case STYX_Topen:
    if (sim_node_of(w, r->qid) != f->node)
      sim_fail(w, "Ropen of request %u has the qid of another file", (unsigned)r->id);
    f->open = true;
    f->mode = r->mode;
    c->ropened++;
    break;
  case STYX_Tcreate:
    *f = (struct model_fid){.bound = true, .open = true, .mode = r->mode, .node = node_made_by(c, r, r->qid, 0)};
    break;
  case STYX_Tread:
    replay_read(c, r);
    break;
  case STYX_Twrite:
    if (r->rcount != r->fs_count || r->fs != FS_OK)
      sim_fail(w, "Rwrite of request %u says %u instead of %u", (unsigned)r->id, r->rcount, r->fs_count);
    break;
  case STYX_Tclunk:
    replay_clunk(c, r);
    break;
  case STYX_Tremove:
    c->rremoved++;
    *f = (struct model_fid){0};
    break;
  case STYX_Tstat:
    if (f->node->auth ? r->qid.path != f->node->path : sim_node_of(w, r->qid) != f->node)
      sim_fail(w, "Rstat of request %u is of another file", (unsigned)r->id);
    break;
  case STYX_Twstat:
    if (sim_type_has_id(r) && r->fs != FS_OK)
      sim_fail(w, "Rwstat of request %u that did not happen", (unsigned)r->id);
    break;
  }
}

static void replay_one(struct conn *c, struct creq *r) {
  if (r->fate != REPLIED || r->type == STYX_Tflush)
    return;
  if (r->type == STYX_Tversion) {
    if (r->version_ok) {
      c->versioned = true;
      memset(c->fids, 0, sizeof c->fids);
    }
    return;
  }
  if (r->rtype != STYX_Rerror) {
    replay_success(c, r);
    return;
  }
  check_error(c, r);
  if (!sim_must_run(r->type) || r->err == STYX_EDUPTAG || r->bad || !c->versioned)
    return;
  if (r->type == STYX_Tclunk && sim_model_fid(c, r->fid)->bound)
    replay_clunk(c, r);
  *sim_model_fid(c, r->fid) = (struct model_fid){0}; /* gone, whatever the error */
}

/* The client knows again what it has where nothing is outstanding. */
static void learn(struct conn *c) {
  struct sim *w = c->w;
  bool busy[NFID] = {false};
  for (struct creq *r = sim_req_at(w, c->head); r; r = sim_req_at(w, r->next)) {
    int fid = sim_fid_index(r->fid), newfid = sim_fid_index(r->newfid);
    if (r->type == STYX_Tversion)
      return;
    if (fid >= 0)
      busy[fid] = true;
    if (newfid >= 0)
      busy[newfid] = true;
  }
  for (int i = 0; i < NFID; i++) {
    const struct model_fid *f = &c->fids[i];
    if (!busy[i])
      c->guess[i] = (struct guess){f->bound, f->open, f->bound && f->node->dir, f->mode,
                                   f->bound && f->node->auth ? &w->reqs[f->node->id] : NULL};
  }
}

void sim_replay(struct conn *c) {
  struct sim *w = c->w;
  for (struct creq *r = sim_req_at(w, c->head); r && r->fate != OUT; r = sim_req_at(w, c->head)) {
    replay_one(c, r);
    c->head = r->next;
  }
  learn(c);
}
