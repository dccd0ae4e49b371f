/* sim_oracle.c: what a client may believe after each reply, by the rules F1 to F28 of the flush law, and what must be true.
 *
 * Requests of a connection act on fids as if they had run one after the other in the order of sending, each with the outcome
 * that its reply says, flushed ones without a reply not at all. So the oracle replays them in that order as soon as all
 * before are settled, checks that each outcome was possible, and compares the fids that result with the session's. */
#include "sim.h"

#include <errno.h>
#include <string.h>

/* ---- replies ---- */

static void settle(struct conn *c, struct creq *r, enum fate fate) {
  r->fate = fate;
  c->outstanding--;
}

/* The flush law: what must be settled when Rflush says that r's victim is. */
static void flush_done(struct conn *c, struct creq *f) {
  struct sim *w = c->w;
  struct creq *r = f->root;
  w->flushes++;
  settle(c, f, REPLIED);
  if (!r)
    return;
  for (struct creq *o = sim_req_at(w, c->head); o && o->id < f->id; o = sim_req_at(w, o->next))
    if (o->fate == OUT && o->type == STYX_Tflush && o->root == r)
      sim_fail(w, "Rflush %u came before Rflush %u of the same request %u", (unsigned)f->id, (unsigned)o->id,
               (unsigned)r->id);
  if (r->fate != OUT)
    return;
  settle(c, r, SILENT);
  w->silent++;
  if (sim_must_run(r->type) && !c->relaxed)
    sim_fail(w, "%s request %u was flushed without a reply", styx_msg_name(r->type), (unsigned)r->id);
  bool midwalk = r->type == STYX_Twalk && r->fs_ok < r->nwname && r->fs == FS_OK;
  bool effect = r->fs == FS_OK || r->fs == FS_RUNNING || r->fs == FS_ERROR;
  if (sim_type_has_id(r) && effect && !midwalk && !sim_may_be_left(w, r) && !c->relaxed)
    sim_fail(w, "request %u (%s) %s and got silence", (unsigned)r->id, styx_msg_name(r->type),
             r->fs == FS_RUNNING ? "was running" : "was answered");
}

static void version_done(struct conn *c, struct creq *v, const styx_msg *m) {
  struct sim *w = c->w;
  settle(c, v, REPLIED);
  bool ok = styx_str_is(m->version, "9P2000");
  if (ok != v->version_ok || (!ok && !styx_str_is(m->version, "unknown")))
    sim_fail(w, "Rversion says the wrong thing of Tversion %u", (unsigned)v->id);
  if (!ok)
    return;
  if (m->msize > v->count || m->msize < 256)
    sim_fail(w, "Rversion msize %u of %u", (unsigned)m->msize, (unsigned)v->count);
  c->msize = m->msize;
  for (struct creq *r = sim_req_at(w, c->head); r && r != v; r = sim_req_at(w, r->next))
    if (r->fate == OUT) {
      settle(c, r, DROPPED);
      c->uncertain = true;
      if (r->fs == FS_RUNNING && !sim_may_be_left(w, r))
        sim_fail(w, "Rversion came while request %u ran", (unsigned)r->id);
    }
  for (int i = 0; i < w->nnodes; i++)
    if (w->nodes[i].conn == c && w->nodes[i].gen == c->gen && w->nodes[i].id < v->id && w->nodes[i].auth &&
        w->nodes[i].alive)
      sim_fail(w, "a conversation of the old session goes on after Rversion");
  for (int i = 0; i < w->nnodes && !w->ops.detachable; i++) /* what is detached keeps its handle */
    if (w->nodes[i].conn == c && w->nodes[i].gen == c->gen && w->nodes[i].id < v->id &&
        (w->nodes[i].handles || w->nodes[i].nullhandles))
      sim_fail(w, "a handle of the old session is open after Rversion");
}

static void take_dir(struct creq *r, const styx_msg *m) {
  uint32_t n = 0;
  for (size_t at = 0; at < m->count; n++) {
    styx_stat st;
    ptrdiff_t used = styx_stat_decode(&st, m->data + at, m->count - at, STYX_9P2000);
    uint32_t index = 0;
    if (used <= 0 || st.name.len < 2 || st.name.s[0] != 'e') {
      r->dir_entries = UINT32_MAX;
      return;
    }
    for (size_t i = 1; i < st.name.len && st.name.s[i] >= '0' && st.name.s[i] <= '9'; i++)
      index = index * 10 + (uint32_t)(st.name.s[i] - '0');
    if (n == 0)
      r->dir_first = index;
    if (index != r->dir_first + n) {
      r->dir_entries = UINT32_MAX;
      return;
    }
    at += (size_t)used;
  }
  r->dir_entries = n;
}

static void take_fields(struct conn *c, struct creq *r, const styx_msg *m) {
  r->rtype = m->type;
  r->qid = m->type == STYX_Rstat ? m->stat.qid : m->qid;
  r->rcount = m->count;
  r->nwqid = m->type == STYX_Rwalk ? m->nwqid : 0;
  if (m->type == STYX_Rwalk)
    memcpy(r->qids, m->wqid, sizeof r->qids);
  r->err = m->type == STYX_Rerror ? styx_err_from_text(m->ename.s, m->ename.len) : 0;
  if (m->type != STYX_Rread)
    return;
  if (m->count > r->count)
    sim_fail(c->w, "Rread has more bytes than request %u asked for", (unsigned)r->id);
  if (!sim_type_has_id(r))
    take_dir(r, m);
  else
    for (size_t i = 0; i < m->count; i++)
      if (m->data[i] != sim_byte(r->id, i))
        sim_fail(c->w, "Rread of request %u has the data of another", (unsigned)r->id);
}

/* Which request a reply is for. Under a duplicate tag the error that says so is the second's, else the first comes first. */
static struct creq *target(struct conn *c, const styx_msg *m) {
  struct sim *w = c->w;
  bool dup = m->type == STYX_Rerror && styx_err_from_text(m->ename.s, m->ename.len) == STYX_EDUPTAG;
  struct creq *other = NULL;
  for (struct creq *r = sim_req_at(w, c->head); r; r = sim_req_at(w, r->next)) {
    if (r->fate != OUT || r->tag != m->tag)
      continue;
    bool kind = m->type == STYX_Rflush ? r->type == STYX_Tflush : r->type != STYX_Tflush && (!dup || r->dup);
    if (kind)
      return r;
    other = r;
  }
  if (other && other->type == STYX_Tflush)
    sim_fail(w, "Tflush %u got %s", (unsigned)other->id, styx_msg_name(m->type));
  sim_fail(w, "%s for tag %u, under which %s", styx_msg_name(m->type), m->tag,
           other ? "something else is outstanding" : "nothing is outstanding");
}

void sim_oracle_reply(struct conn *c, const styx_msg *m, size_t len) {
  struct sim *w = c->w;
  if (c->msize && len > c->msize && m->type != STYX_Rversion)
    sim_fail(w, "a reply of %zu bytes where msize is %u", len, c->msize);
  struct creq *r = target(c, m);
  w->replies++;
  w->errors += m->type == STYX_Rerror;
  if (m->type != STYX_Rerror && m->type != r->type + 1)
    sim_fail(w, "%s for a %s", styx_msg_name(m->type), styx_msg_name(r->type));
  if (r->type == STYX_Tflush) {
    flush_done(c, r);
  } else if (r->type == STYX_Tversion) {
    if (m->type != STYX_Rversion)
      sim_fail(w, "Tversion got Rerror");
    version_done(c, r, m);
  } else {
    settle(c, r, REPLIED);
    take_fields(c, r, m);
    if (sim_type_has_id(r) && r->fs == FS_RUNNING && !(m->type == STYX_Rerror && r->err == EINTR) && !r->dup)
      sim_fail(w, "request %u was replied to while it runs", (unsigned)r->id);
  }
  sim_replay(c);
}

/* Take what has arrived at the client apart. */
void sim_take_replies(struct conn *c) {
  size_t at = 0;
  while (at < c->rx_len && !c->closed_by_peer) {
    styx_msg m;
    ptrdiff_t n = styx_decode(&m, c->rx + at, c->rx_len - at, 0, STYX_9P2000);
    if (n < 0)
      sim_fail(c->w, "the session sent something undecodable: %s", styx_err_text((styx_err)-n));
    if (n == 0)
      break;
    if (c->w->tracing) {
      char text[150];
      styx_msg_print(text, sizeof text, &m, STYX_9P2000);
      sim_note(c->w, "c%d < %s", c->index, text);
    }
    sim_oracle_reply(c, &m, (size_t)n);
    at += (size_t)n;
  }
  memmove(c->rx, c->rx + at, c->rx_len - at);
  c->rx_len -= at;
}

/* ---- what must be true at certain moments ---- */

static bool makes_or_changes(const struct creq *r, uint32_t fid) {
  if (r->type == STYX_Twalk)
    return r->newfid == fid;
  return r->fid == fid &&
         (r->type == STYX_Tauth || r->type == STYX_Tattach || r->type == STYX_Topen || r->type == STYX_Tcreate);
}

/* A flushed Tclunk or Tremove has to run, so what stands in its way has been cancelled: told if it runs, else ended. */
static void check_way(struct conn *c, const struct creq *must) {
  struct sim *w = c->w;
  for (struct creq *r = sim_req_at(w, c->head); r && r != must; r = sim_req_at(w, r->next)) {
    if (r->fate != OUT || !makes_or_changes(r, must->fid) || !sim_type_has_id(r))
      continue;
    r->in_the_way = true;
    if (r->fs == FS_NONE)
      sim_fail(w, "request %u still waits, in the way of request %u which is flushed and must run", (unsigned)r->id,
               (unsigned)must->id);
  }
}

/* All bytes are fed and all replies have come: an Rflush may be waiting only for a victim that runs, or that must. */
void sim_oracle_prompt(struct conn *c) {
  struct sim *w = c->w;
  if (c->relaxed)
    return;
  for (struct creq *f = sim_req_at(w, c->head); f; f = sim_req_at(w, f->next)) {
    if (f->fate != OUT || f->type != STYX_Tflush)
      continue;
    const struct creq *r = f->root;
    if (!r || r->fate != OUT)
      sim_fail(w, "Rflush of %u is late: nothing is outstanding under that tag", (unsigned)f->id);
    if (sim_must_run(r->type))
      check_way(c, r);
    else if (sim_type_has_id(r) && r->fs == FS_NONE)
      sim_fail(w, "Rflush of %u is late: request %u has not even started", (unsigned)f->id, (unsigned)r->id);
  }
}

struct listing {
  struct conn *c;
  int n;
};

static void compare_fid(void *arg, uint32_t fid, styx_qid qid, bool open) {
  struct listing *l = arg;
  struct conn *c = l->c;
  const struct model_fid *f = sim_model_fid(c, fid);
  l->n++;
  if (!f->bound)
    sim_fail(c->w, "fid %u is in use, which no reply said", (unsigned)fid);
  if (f->open != open)
    sim_fail(c->w, "fid %u is %sopen, the replies say otherwise", (unsigned)fid, open ? "" : "not ");
  if (f->node->auth ? qid.path != f->node->path || qid.type != STYX_QTAUTH : sim_node_of(c->w, qid) != f->node)
    sim_fail(c->w, "fid %u is another file than the replies say", (unsigned)fid);
}

static void compare_nodes(struct conn *c) {
  struct sim *w = c->w;
  for (int i = 0; i < w->nnodes; i++) {
    struct node *n = &w->nodes[i];
    if (n->conn != c || n->gen != c->gen)
      continue;
    int users = 0, opens = 0;
    for (int f = 0; f < NFID; f++)
      if (c->fids[f].bound && c->fids[f].node == n) {
        users++;
        opens += c->fids[f].open;
      }
    if (n->alive != (users > 0))
      sim_fail(w, "node %d is %s, %d fids have it", i, n->alive ? "not forgotten" : "forgotten", users);
    if (!n->auth && n->handles + n->nullhandles != opens)
      sim_fail(w, "node %d has %d handles, %d fids are open", i, n->handles + n->nullhandles, opens);
  }
}

void sim_oracle_quiet(struct conn *c) {
  struct sim *w = c->w;
  w->checks++;
  for (struct creq *r = sim_req_at(w, c->head); r; r = sim_req_at(w, r->next))
    if (r->fate == OUT)
      sim_fail(w, "request %u (%s) was never answered", (unsigned)r->id, styx_msg_name(r->type));
  struct listing l = {c, 0};
  styx_session_each_fid(c->s, compare_fid, &l);
  int bound = 0;
  for (int i = 0; i < NFID; i++)
    bound += c->fids[i].bound;
  if (l.n != bound)
    sim_fail(w, "%d fids are in use, the replies say %d", l.n, bound);
  compare_nodes(c);
  c->auths = 0;
  for (int i = 0; i < NFID; i++)
    c->auths += c->fids[i].bound && c->fids[i].node->auth;
  styx_session_info info = styx_session_inspect(c->s);
  if (info.requests || info.parked || info.outbox_bytes || info.held_bytes || info.fids != (size_t)bound)
    sim_fail(w, "at rest: %zu requests, %zu parked, %zu bytes held, %zu fids", info.requests, info.parked,
             info.held_bytes, info.fids);
  if (info.duplicate_answers != (uint64_t)c->seconds)
    sim_fail(w, "%d second answers, counted %llu", c->seconds, (unsigned long long)info.duplicate_answers);
  if (c->refs)
    sim_fail(w, "%d lent buffers were not released", c->refs);
  if (!c->relaxed && c->rclunk_errors > c->close_errors)
    sim_fail(w, "Rclunk reported errors that close did not");
  if (!c->relaxed && !c->uncertain && (c->opened != c->ropened || c->removed != c->rremoved))
    sim_fail(w, "%d opens and %d removes happened, the replies say %d and %d", c->opened, c->removed, c->ropened,
             c->rremoved);
}
