/* sim_auth.c: an export behind a plug with dice: conversations that need some messages, or let nobody in, that answer later, and are
 * asked, flushed and ended at every moment. */
#include "sim.h"

#include <errno.h>
#include <string.h>

const char *const sim_part_names[] = {"", "start", "read", "write", "done", "no afid"};

/* ---- who is meant ---- */

/* Users are called u and the number of the Tauth, or of the Tattach if it needs none. */
static struct creq *by_user(struct sim *w, const styx_req *req) {
  styx_str user = styx_req_user(req);
  uint32_t id = 0;
  for (size_t i = 1; i < user.len; i++)
    id = id * 10 + (uint32_t)(user.s[i] - '0');
  if (user.len < 2 || user.s[0] != 'u' || id >= (uint32_t)w->nreqs)
    sim_fail(w, "a request by nobody");
  return &w->reqs[id];
}

/* An attach by an afid has the user of its Tauth, so its tag says which it is: it is never sent under one that is in use. */
static struct creq *by_tag(struct conn *c, const styx_req *req) {
  const styx_msg *m = styx_req_msg(req);
  for (struct creq *r = sim_req_at(c->w, c->head); r; r = sim_req_at(c->w, r->next))
    if (r->fate == OUT && r->tag == m->tag && r->type == m->type && !r->dup)
      return r;
  sim_fail(c->w, "%s under tag %u runs, which is not outstanding", styx_msg_name(m->type), m->tag);
}

struct creq *sim_attach_of(struct sim *w, const styx_req *req) {
  struct creq *r = by_user(w, req);
  return r->type == STYX_Tauth ? by_tag(r->conn, req) : r;
}

struct node *sim_conversation(struct conn *c, uint32_t id) {
  struct sim *w = c->w;
  for (int i = 0; i < w->nnodes; i++)
    if (w->nodes[i].auth && w->nodes[i].conn == c && w->nodes[i].gen == c->gen && w->nodes[i].id == id)
      return &w->nodes[i];
  return NULL;
}

bool sim_may_be_left(const struct sim *w, const struct creq *r) { return !r->plug && sim_fs_detachable(w, r->type); }

/* ---- what must hold when the plug, or behind it the filesystem, is asked ---- */

void sim_part_begins(struct sim *w, struct call *c) {
  struct creq *r = c->creq;
  if (!c->part) {
    if (r && r->type == STYX_Tattach && r->aname >= GUARDED && !r->let_in)
      sim_fail(w, "request %u attaches, and nobody has let it in", (unsigned)r->id);
    return;
  }
  sim_note(w, "c%d   plug: %s, request %d", c->conn->index, sim_part_names[c->part], r ? (int)r->id : -1);
  if (!r)
    return;
  r->plug = true;
  if (c->part == A_DONE && (c->node->id != r->user || w->reqs[r->user].aname != r->aname))
    sim_fail(w, "the plug is asked about request %u with the afid of somebody else", (unsigned)r->id);
  if (r->let_in)
    sim_fail(w, "the plug is asked twice about request %u", (unsigned)r->id);
  if (c->part != A_READ && c->part != A_WRITE)
    return;
  if (r->id < c->node->last_turn)
    sim_fail(w, "request %u comes to its conversation after a later one", (unsigned)r->id);
  c->node->last_turn = r->id;
}

/* ---- answers ---- */

static styx_answer begin_conversation(struct call *c) {
  struct sim *w = c->w;
  uint64_t others = 0;
  for (int i = 0; i < w->nnodes; i++)
    others += w->nodes[i].auth && w->nodes[i].alive && w->nodes[i].conn == c->conn && w->nodes[i].gen == c->conn->gen;
  if (others >= w->limits.afids)
    sim_fail(w, "there are %llu conversations, and one more begins", (unsigned long long)others);
  struct node *n = sim_node_new(w, c->conn, c->creq->id, 0, false);
  n->auth = true;
  n->attach_id = c->creq->id;
  n->needs = sim_roll(w, 3);
  sim_call_over(c, FS_OK);
  return styx_reply_node(c->req, n, (styx_qid){.path = 1});
}

static styx_answer refuse(struct call *c) {
  sim_call_over(c, FS_ERROR);
  return styx_reply_error(c->req, c->part == A_DONE ? STYX_EAUTH : STYX_EREJECTED);
}

styx_answer sim_part_ok(struct call *c) {
  bool io = c->part == A_READ || c->part == A_WRITE;
  if (c->part == A_START)
    return begin_conversation(c);
  if (io) {
    c->node->had++;
    return sim_answer_io(c);
  }
  if (c->part == A_DONE ? c->node->had < c->node->needs : sim_chance(c->w, 30))
    return refuse(c);
  c->creq->let_in = true;
  sim_call_over(c, FS_NONE); /* the filesystem has not been asked yet */
  return styx_reply_ok(c->req);
}

/* ---- the plug ---- */

static struct sim *world_of(const styx_req *r) { return *(struct sim **)styx_req_ctx(r); }

static struct call *part_new(styx_req *r, enum auth_part part, enum styx_op op, struct node *node, struct creq *creq) {
  struct call *c = sim_call_new(world_of(r), r, op, node, creq);
  c->part = part;
  return c;
}

static styx_answer plug_start(styx_req *r) {
  return sim_serve(part_new(r, A_START, STYX_OP_attach, NULL, by_user(world_of(r), r)));
}

/* A read that does not say by its offset which it is, is nobody's. */
static struct creq *io_of(struct sim *w, const styx_req *r) {
  const uint64_t id = (styx_req_msg(r)->offset >> OFFSET_SHIFT) - 1;
  return id < (uint64_t)w->nreqs ? &w->reqs[id] : NULL;
}

static styx_answer plug_read(styx_req *r, void *conversation, uint32_t count) {
  struct call *c = part_new(r, A_READ, STYX_OP_read, conversation, io_of(world_of(r), r));
  c->count = count;
  return sim_serve(c);
}

static styx_answer plug_write(styx_req *r, void *conversation, const void *data, uint32_t count) {
  struct call *c = part_new(r, A_WRITE, STYX_OP_write, conversation, io_of(world_of(r), r));
  c->data = data;
  c->count = count;
  return sim_serve(c);
}

static styx_answer plug_done(styx_req *r, void *conversation) {
  return sim_serve(part_new(r, A_DONE, STYX_OP_attach, conversation, sim_attach_of(world_of(r), r)));
}

static styx_answer plug_no_afid(styx_req *r) {
  return sim_serve(part_new(r, A_NO_AFID, STYX_OP_attach, NULL, sim_attach_of(world_of(r), r)));
}

static void plug_end(void *ctx, void *conversation) {
  struct sim *w = *(struct sim **)ctx;
  struct node *n = conversation;
  sim_note(w, "c%d   plug: end of conversation %d", n->conn->index, (int)(n - w->nodes));
  if (!n->alive || !n->auth)
    sim_fail(w, "a conversation ends twice");
  if (n->calls)
    sim_fail(w, "a conversation ends while %d requests use it", n->calls);
  n->alive = false;
  sim_nest(w);
}

static const styx_auth_ops plain = {.size = sizeof plain,
                                    .name = "sim",
                                    .start = plug_start,
                                    .read = plug_read,
                                    .write = plug_write,
                                    .done = plug_done,
                                    .end = plug_end,
                                    .no_afid = plug_no_afid};

bool sim_is_plug(const struct sim *w, const styx_fs *fs) { return fs->ctx == &w->plug; }

void sim_auth_export(struct sim *w) {
  w->auth = true;
  w->plug = w;
  w->exports[2].auth = (styx_auth){&plain, &w->plug};
  w->msg_weight[7] = 1 + sim_roll(w, 20); /* Tauth is rare where nobody asks for it */
  if (sim_chance(w, 50))
    w->limits.afids = 1 + sim_roll(w, 3);
}
