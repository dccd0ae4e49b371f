/* sim_answer.c: how the simulated filesystem answers: now or later, once or twice, in spite of a cancel or because of it. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- nodes and handles ---- */

static styx_qid qid_of(const struct sim *w, const struct node *n) {
  return (styx_qid){.type = n->dir ? STYX_QTDIR : STYX_QTFILE, .path = (uint64_t)(n - w->nodes) + 1};
}

struct node *sim_node_new(struct sim *w, struct conn *conn, uint32_t id, uint32_t element, bool dir) {
  if (w->nnodes == MAXNODE)
    sim_full(w);
  struct node *n = &w->nodes[w->nnodes++];
  *n = (struct node){.conn = conn, .gen = conn->gen, .id = id, .element = element, .alive = true, .dir = dir};
  n->entries = (uint32_t)w->nnodes % 13;
  return n;
}

static struct handle *handle_new(struct sim *w, struct node *node) {
  node->handles_ever++;
  node->closed = false;
  if (sim_chance(w, 8) || w->nhandles == MAXHANDLE) {
    node->nullhandles++;
    return NULL;
  }
  struct handle *h = &w->handles[w->nhandles++];
  *h = (struct handle){.node = node, .open = true};
  node->handles++;
  return h;
}

void sim_call_over(struct call *c, enum fs_outcome outcome) {
  c->answered = true;
  c->pending = false;
  if (c->node)
    c->node->calls--;
  if (c->handle) {
    c->handle->calls--;
    if (c->op == STYX_OP_readdir)
      c->handle->reading = false;
  }
  if (outcome == FS_INTERRUPTED)
    c->conn->interrupted++;
  sim_note(c->w, "c%d   %s answered: %s", c->conn->index, sim_op_names[c->op],
           outcome == FS_OK      ? "ok"
           : outcome == FS_ERROR ? "error"
           : outcome == FS_NONE  ? "would block"
                                 : "interrupted");
  if (c->creq)
    c->creq->fs = outcome == FS_NONE && c->creq->fs_ok ? FS_OK : outcome;
}

/* ---- answers ---- */

static void released(void *arg) { --*(int *)arg; }

/* Some of them empty. */
static styx_answer answer_pieces(struct call *c, uint8_t *bytes, uint32_t len) {
  styx_span spans[STYX_MAXREFS];
  size_t n = 0;
  for (uint32_t at = 0, piece; at < len && n < STYX_MAXREFS; at += piece) {
    piece = n + 1 == STYX_MAXREFS ? len - at : sim_roll(c->w, len - at + 1);
    spans[n++] = (styx_span){bytes + at, piece};
  }
  return styx_reply_refs(c->req, spans, n, released, &c->conn->refs);
}

static styx_answer answer_read(struct call *c) {
  uint8_t bytes[4096];
  struct sim *w = c->w;
  uint32_t id = c->creq ? c->creq->id : 0;
  uint32_t len = sim_roll(w, (c->count < 4000 ? c->count : 4000) + 1);
  if (c->creq)
    c->creq->fs_count = len;
  for (size_t i = 0; i < len; i++)
    bytes[i] = sim_byte(id, i);
  switch (sim_roll(w, 3)) {
  case 0: {
    size_t cap;
    uint8_t *room = styx_req_room(c->req, &cap);
    if (!room) {
      sim_call_over(c, FS_ERROR);
      return styx_reply_error(c->req, ENOMEM);
    }
    if (cap < len)
      sim_fail(w, "room for %zu bytes where %u were asked for", cap, (unsigned)c->count);
    memcpy(room, bytes, len);
    sim_call_over(c, FS_OK);
    return styx_reply_filled(c->req, len);
  }
  case 1: { /* constant memory: the pattern of every id is in a table */
    static uint8_t table[MAXREQ][64];
    len = len > 64 ? 64 : len;
    memcpy(table[id % MAXREQ], bytes, len);
    if (c->creq)
      c->creq->fs_count = len;
    c->conn->refs++;
    sim_call_over(c, FS_OK);
    if (sim_chance(w, 50))
      return styx_reply_ref(c->req, table[id % MAXREQ], len, released, &c->conn->refs);
    return answer_pieces(c, table[id % MAXREQ], len);
  }
  default:
    sim_call_over(c, FS_OK);
    return styx_reply_data(c->req, bytes, len);
  }
}

static styx_answer answer_readdir(struct call *c) {
  for (uint64_t i = c->offset; i < c->node->entries; i++) {
    char name[16];
    int n = snprintf(name, sizeof name, "e%u%s", (unsigned)i, i & 1 ? "xyz" : "");
    struct styx_dirent e = {.cookie = i + 1};
    e.attr.qid = (styx_qid){.path = 1000000 + i};
    e.attr.name = (styx_str){name, (size_t)n};
    if (!styx_dir_add(c->req, &e))
      break;
  }
  sim_call_over(c, FS_OK);
  return styx_reply_dir(c->req);
}

static styx_answer answer_getattr(struct call *c) {
  styx_attr a = {.qid = qid_of(c->w, c->node), .mode = c->node->dir ? STYX_DMDIR | 0755 : 0644};
  a.name = (styx_str)STYX_STR("some name");
  a.uid = a.gid = a.muid = (styx_str)STYX_STR("none");
  sim_call_over(c, FS_OK);
  return styx_reply_attr(c->req, &a);
}

static styx_answer answer_walk(struct call *c) {
  struct sim *w = c->w;
  bool dotdot = c->name.len == 2 && c->name.s[0] == '.';
  if (!dotdot && c->name.s[0] == 'x') {
    sim_call_over(c, FS_ERROR);
    return styx_reply_error(c->req, ENOENT);
  }
  struct node *n = sim_node_new(w, c->conn, c->creq ? c->creq->id : UINT32_MAX, c->creq ? c->creq->fs_ok : 0,
                                dotdot || c->name.s[0] == 'd');
  n->attach_id = c->node->attach_id;
  n->readonly = c->node->readonly;
  if (c->creq)
    c->creq->fs_ok++;
  sim_call_over(c, FS_OK);
  return styx_reply_node(c->req, n, qid_of(w, n));
}

styx_answer sim_answer_io(struct call *c) {
  if (c->op == STYX_OP_read)
    return answer_read(c);
  c->creq->fs_count = sim_roll(c->w, c->count + 1);
  sim_call_over(c, FS_OK);
  return styx_reply_count(c->req, c->creq->fs_count);
}

static styx_answer answer_ok(struct call *c) {
  struct sim *w = c->w;
  struct node *n;
  struct handle *h;
  if (c->part)
    return sim_part_ok(c);
  switch ((int)c->op) {
  case STYX_OP_attach:
    n = sim_node_new(w, c->conn, c->creq->id, 0, true);
    n->attach_id = c->creq->user;
    n->readonly = styx_str_is(styx_req_aname(c->req), "two") || styx_str_is(styx_req_aname(c->req), "/two");
    sim_call_over(c, FS_OK);
    return styx_reply_node(c->req, n, qid_of(w, n));
  case STYX_OP_walk:
    return answer_walk(c);
  case STYX_OP_open:
    c->conn->opened++;
    h = handle_new(w, c->node);
    styx_req_iounit(c->req, sim_roll(w, 2) * 64);
    sim_call_over(c, FS_OK);
    return styx_reply_open(c->req, qid_of(w, c->node), h);
  case STYX_OP_create:
    n = sim_node_new(w, c->conn, c->creq->id, 0, (c->flags & STYX_DMDIR) != 0);
    n->attach_id = c->node->attach_id;
    n->readonly = c->node->readonly;
    h = handle_new(w, n);
    sim_call_over(c, FS_OK);
    return styx_reply_create(c->req, n, qid_of(w, n), h);
  case STYX_OP_read:
  case STYX_OP_write:
    return sim_answer_io(c);
  case STYX_OP_readdir:
    return answer_readdir(c);
  case STYX_OP_getattr:
    return answer_getattr(c);
  case STYX_OP_remove:
    c->conn->removed++;
    break;
  }
  sim_call_over(c, FS_OK);
  return styx_reply_ok(c->req);
}

/* What the request points to must still be what it was when the handler began. */
static void check_arguments(struct call *c) {
  if (c->name.len && (c->name.len >= sizeof c->name_copy || memcmp(c->name.s, c->name_copy, c->name.len) != 0))
    sim_fail(c->w, "the name of a request changed before its answer");
  for (size_t i = 0; c->op == STYX_OP_write && i < c->count; i++)
    if (c->data[i] != sim_byte(c->creq->id, i))
      sim_fail(c->w, "the data of request %u changed before its answer", (unsigned)c->creq->id);
}

/* Nothing has happened, whatever has been prepared. */
static styx_answer would_block(struct call *c) {
  if (c->op == STYX_OP_readdir)
    (void)styx_dir_add(c->req, &(styx_dirent){.attr.name = STYX_STR("never seen"), .cookie = 1000});
  if (c->op == STYX_OP_open || c->op == STYX_OP_create)
    styx_req_stream(c->req);
  c->again = true;
  if (c->creq)
    c->creq->would_block = true;
  sim_call_over(c, FS_NONE);
  return styx_reply_would_block(c->req);
}

static styx_answer decide(struct call *c) {
  struct sim *w = c->w;
  bool cancelled = styx_req_cancelled(c->req);
  if (!styx_req_may_block(c->req) && sim_chance(w, w->p_would_block))
    return would_block(c);
  if (sim_chance(w, cancelled ? 50 : 1)) {
    sim_call_over(c, FS_INTERRUPTED);
    return styx_reply_interrupted(c->req);
  }
  if (!sim_chance(w, w->p_error))
    return answer_ok(c);
  sim_call_over(c, FS_ERROR);
  if (sim_chance(w, 50))
    return styx_reply_error_text(c->req, EIO, "Input/output error");
  return styx_reply_error(c->req, EIO);
}

static styx_answer answer(struct call *c) {
  check_arguments(c);
  styx_answer a = decide(c);
  c->published = true;
  return a;
}

static void unlist(struct sim *w, const struct call *c) {
  for (int i = 0; i < w->npending; i++)
    if (w->pending[i] == c) {
      w->pending[i] = w->pending[--w->npending];
      return;
    }
}

static bool disarm(struct call *c) {
  bool ok = styx_req_on_cancel(c->req, NULL, NULL);
  if (ok == c->cb_started)
    sim_fail(c->w, "disarming said %d, the callback had %sstarted", ok, c->cb_started ? "" : "not ");
  c->armed = false;
  return ok;
}

void sim_fs_answer(struct sim *w, struct call *c) {
  unlist(w, c);
  c->owned = true;
  if (c->cb == CB_ANSWER && !disarm(c) && !w->threads)
    return; /* the callback owns the answer; with threads it saw that we do */
  (void)answer(c);
}

/* ---- cancellation ---- */

static void on_cancel(styx_req *req, void *arg) {
  struct call *c = arg;
  struct sim *w = c->w;
  sim_note(w, "c%d   %s: cancel callback", c->conn->index, sim_op_names[c->op]);
  if (c->cb_started || !c->armed)
    sim_fail(w, "a cancel callback %s", c->cb_started ? "started twice" : "started after it was disarmed");
  if ((w->threads ? c->published : c->answered) || req != c->req)
    sim_fail(w, "a cancel callback started after the answer");
  c->cb_started = true;
  bool ours = c->cb == CB_ANSWER && !c->owned;
  if (w->threads && ours) { /* from here on nobody else touches the request */
    c->owned = true;
    unlist(w, c);
  }
  if (!styx_req_cancelled(req))
    sim_fail(w, "a cancel callback runs although nobody cancelled");
  sim_nest(w);
  if (!styx_req_cancelled(req))
    sim_fail(w, "a cancelled request is no longer cancelled");
  if (ours) {
    unlist(w, c);
    if (sim_chance(w, 60)) {
      check_arguments(c);
      sim_call_over(c, FS_INTERRUPTED);
      (void)styx_reply_interrupted(req);
      c->published = true;
    } else {
      (void)answer(c);
    }
  }
}

static void arm(struct call *c, enum cancel_mode mode) {
  c->cb = mode;
  c->armed = true;
  bool was = styx_req_cancelled(c->req);
  if (!styx_req_on_cancel(c->req, on_cancel, c))
    sim_fail(c->w, "arming a callback failed");
  if (was && !c->cb_started)
    sim_fail(c->w, "the callback of a cancelled request did not run when it was armed");
}

/* A second answer, of any kind that carries no node or handle: dropped and counted. */
static styx_answer answer_again(struct call *c) {
  styx_attr attr = {.name = STYX_STR("again")};
  c->conn->seconds++;
  switch (sim_roll(c->w, 10)) {
  case 8:
    return styx_reply_would_block(c->req);
  case 0:
    return styx_reply_ok(c->req);
  case 1:
    return styx_reply_error_text(c->req, EIO, "again");
  case 2:
    return styx_reply_interrupted(c->req);
  case 3:
    return styx_reply_count(c->req, 1);
  case 4:
    return styx_reply_data(c->req, "again", 5);
  case 5:
    return styx_reply_attr(c->req, &attr);
  case 6:
    c->conn->refs++;
    return styx_reply_ref(c->req, "again", 5, released, &c->conn->refs);
  case 7:
    return styx_reply_slice(c->req, "again", 5);
  default:
    return styx_reply_error(c->req, EIO);
  }
}

/* An answer that the operation cannot have counts as an error. */
static styx_answer answer_wrongly(struct call *c) {
  sim_call_over(c, FS_ERROR);
  if (styx_req_may_block(c->req) && sim_chance(c->w, 30))
    return styx_reply_would_block(c->req);
  if (c->op == STYX_OP_write)
    return styx_reply_ok(c->req);
  if (c->part == A_DONE || c->part == A_NO_AFID) /* to say who somebody is does not let him in */
    return styx_reply_node(c->req, c, (styx_qid){.type = STYX_QTDIR});
  if (c->op == STYX_OP_read || c->op == STYX_OP_readdir || sim_chance(c->w, 50))
    return styx_reply_count(c->req, 1);
  return (styx_answer){0}; /* a handler that forgets its request */
}

/* What is served at last; other things happen before, meanwhile and after. */
static styx_answer serve(struct call *c) {
  struct sim *w = c->w;
  styx_req *req = c->req;
  sim_call_begin(w, c);
  if (sim_chance(w, 30))
    sim_nest(w);
  bool later = sim_chance(w, w->p_later), may_block = styx_req_may_block(req);
  /* Not for walks, nor for whom the plug lets in: the request may be one step further by then, which such an answer would hit. */
  bool second = c->op != STYX_OP_walk && c->part != A_DONE && c->part != A_NO_AFID && sim_chance(w, w->p_second);
  if (sim_chance(w, w->p_arm))
    arm(c, later && sim_chance(w, 50) ? CB_ANSWER : CB_NOTIFY);
  if (!c->answered && sim_chance(w, 10))
    (void)styx_req_cancel_fd(req);
  if (later && !(c->cb == CB_ANSWER && c->cb_started)) { /* from here on the request may be answered */
    c->pending = true;
    w->pending[w->npending++] = c;
  }
  sim_nest(w);
  if (later) /* nor for what is to be called again: it may be running by then */
    return second && c->published && !c->again ? answer_again(c) : styx_later(req);
  if (may_block || sim_chance(w, w->p_lie))
    sim_hold(w, c->op == STYX_OP_remove);
  if (c->armed && sim_chance(w, 30) && !disarm(c))
    sim_note(w, "c%d   %s: too late to disarm", c->conn->index, sim_op_names[c->op]);
  if (sim_chance(w, 1))
    return answer_wrongly(c);
  styx_answer first = answer(c);
  if (!second || c->again)
    return first;
  sim_nest(w);
  return answer_again(c);
}

styx_answer sim_serve(struct call *c) {
  struct sim *w = c->w;
  struct conn *conn = c->conn;
  struct node *node = c->node;
  struct handle *handle = c->handle;
  if (c->part) /* what is promised of the filesystem is not of the plug */
    return serve(c);
  sim_enter(w, conn, node, handle);
  styx_answer a = serve(c);
  sim_return(w, conn, node, handle);
  return a;
}
