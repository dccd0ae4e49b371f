/* walk.c: Twalk, one element at a time (contract 1.8). The fid changes only when every element was found. */
#include "session/state.h"

#include <errno.h>
#include <string.h>

static void walk_next(styx_req *r);

/* All or part of it went well: newfid is bound only to a whole walk. */
static void succeed(styx_req *r) {
  r->r_answer = SX_A_OK;
  sx_finish(r);
}

static void fail(styx_req *r, styx_err err) {
  if (r->r_walk && r->r_walk->wk_done > 0)
    succeed(r); /* the qids so far */
  else
    sx_finish_error(r, err);
}

static bool at_attach_root(const struct sx_node *n) {
  const styx_qid root = n->n_user->u_root;
  return n->n_qid.path == root.path && n->n_qid.type == root.type;
}

/* node is counted for us: it is where the walk stands now. */
static void advance(styx_req *r, struct sx_node *node) {
  struct sx_walk *w = r->r_walk;
  if (w->wk_at)
    sx_node_put(r->r_session, w->wk_at);
  w->wk_at = node;
  w->wk_qids[w->wk_done++] = node->n_qid;
}

static void walk_next(styx_req *r) {
  struct sx_walk *w = r->r_walk;
  for (;;) {
    if (w->wk_done == r->r_msg.nwname) {
      r->r_binding->b_node = w->wk_at; /* its count moves with it */
      w->wk_at = NULL;
      succeed(r);
      return;
    }
    struct sx_node *at = w->wk_at;
    styx_str name = r->r_msg.wname[w->wk_done];
    if (!(at->n_qid.type & STYX_QTDIR)) {
      fail(r, ENOTDIR);
      return;
    }
    if (name.len > r->r_session->s_limits.name) {
      r->r_session->s_info.hits.name++;
      fail(r, ENAMETOOLONG);
      return;
    }
    if (!styx_str_is(name, "..") || !at_attach_root(at))
      break;
    at->n_refs++; /* ".." of the root is the root: nobody walks out of what was attached */
    advance(r, at);
  }
  r->r_node = sx_node_new(r->r_session, w->wk_at->n_user, w->wk_at, r->r_msg.wname[w->wk_done]);
  if (!r->r_node)
    fail(r, ENOMEM);
  else
    sx_queue(r, STYX_OP_walk);
}

void sx_walk_start(styx_req *r) {
  styx_session *s = r->r_session;
  const styx_msg *m = &r->r_msg;
  struct sx_binding *from = sx_pin(r);
  if (from->b_open) {
    sx_finish_error(r, STYX_EOPEN);
    return;
  }
  if (m->newfid != m->fid && (m->newfid == STYX_NOFID || r->r_place[1].pl_pin)) {
    sx_finish_error(r, m->newfid == STYX_NOFID ? STYX_EBADFID : STYX_EINUSE);
    return;
  }
  bool clone = m->nwname == 0;
  r->r_binding = sx_binding_new(s, clone ? from->b_node : NULL);
  r->r_walk = clone ? NULL : sx_keep_zeroed(s, sizeof *r->r_walk);
  if (!r->r_binding || (!clone && !r->r_walk)) {
    sx_finish_error(r, ENOMEM);
    return;
  }
  if (clone) {
    succeed(r);
    return;
  }
  r->r_walk->wk_at = from->b_node;
  from->b_node->n_refs++;
  walk_next(r);
}

/* One element has been answered by a node or an error; anything else is decided by retire. */
void sx_walk_answered(styx_req *r) {
  if (r->r_answer == SX_A_ERROR) {
    if (r->r_walk->wk_done > 0)
      succeed(r);
    else
      sx_finish(r); /* with the words of the answer */
    return;
  }
  struct sx_node *node = r->r_node;
  node->n_node = r->r_ans_node;
  node->n_qid = r->r_qid;
  r->r_node = NULL;
  advance(r, node);
  /* Between two elements nothing has happened yet, so a flush that came meanwhile needs no rollback. */
  if (sx_told_to_end(r)) {
    if (r->r_walk->wk_done < r->r_msg.nwname) {
      r->r_answer = SX_A_INTERRUPTED;
      sx_finish(r);
      return;
    }
  }
  walk_next(r);
}
