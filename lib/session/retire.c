/* retire.c: answers become replies. For each request, in one step under the lock: reply or silence is decided, fids are
 * settled, the tag is cleared, the reply and the Rflushes that wait for it are appended, and what was parked behind it is
 * granted. So nothing can come between a reply and its flushes. */
#include "session/auth.h"

#include <errno.h>

static bool succeeded(const styx_req *r) {
  return r->r_answer != SX_A_NONE && r->r_answer != SX_A_ERROR && r->r_answer != SX_A_INTERRUPTED;
}

/* ---- settle: the fids as the reply says ---- */

static void fill_node(styx_req *r) {
  r->r_node->n_node = r->r_ans_node;
  r->r_node->n_qid = r->r_qid;
  r->r_binding->b_node = r->r_node; /* its count moves with it */
  r->r_node = NULL;
}

static void fill_handle(styx_req *r) {
  r->r_binding->b_handle = r->r_ans_handle;
  r->r_binding->b_open = true;
  r->r_binding->b_mode = r->r_msg.mode;
  r->r_binding->b_stream = r->r_stream;
}

static void settle(styx_req *r) {
  const styx_msg *m = &r->r_msg;
  int place = 0;
  if (r->r_session->s_sees_all) {
    sx_whole_settle(r);
    return;
  }
  switch (m->type) {
  case STYX_Tauth:
    sx_auth_qid(r);
    fill_node(r);
    sx_auth_settle(r);
    break;
  case STYX_Tattach:
    fill_node(r);
    r->r_user->u_root = r->r_qid;
    break;
  case STYX_Tcreate:
    fill_node(r);
    fill_handle(r);
    break;
  case STYX_Topen:
    fill_handle(r);
    break;
  case STYX_Twalk:
    if (r->r_walk && r->r_walk->wk_done < m->nwname)
      return; /* partial: nothing changes */
    place = m->newfid != m->fid;
    break;
  default:
    return;
  }
  sx_bind_answer(r, r->r_place[place].pl_slot, r->r_binding);
  r->r_binding = NULL;
}

/* ---- replies ---- */

static uint32_t iounit(const styx_req *r) {
  uint32_t most = r->r_session->s_msize - STYX_IOHDRSZ;
  return r->r_iounit && r->r_iounit < most ? r->r_iounit : most;
}

static void reply_walk(const styx_req *r, styx_msg *m) {
  m->nwqid = r->r_walk ? r->r_walk->wk_done : 0;
  for (uint16_t i = 0; i < m->nwqid; i++)
    m->wqid[i] = r->r_walk->wk_qids[i];
}

/* False when the reply could not be kept; the session has ended then. */
static bool reply_success(styx_req *r) {
  styx_session *s = r->r_session;
  if (r->r_answer == SX_A_REF)
    return sx_out_ref(r);
  if (r->r_answer == SX_A_DATA || r->r_answer == SX_A_DIR || r->r_answer == SX_A_ATTR || r->r_answer == SX_A_MSG)
    return sx_out_frame(r);
  styx_msg m; /* what no reply to a request of 9P2000 has is not set */
  m.type = (uint8_t)(r->r_msg.type + 1);
  m.tag = r->r_tag;
  m.qid = r->r_qid;
  m.count = r->r_count;
  m.iounit = iounit(r);
  if (r->r_msg.type == STYX_Twalk)
    reply_walk(r, &m);
  return sx_out_msg(s, &m);
}

/* Nothing has happened: silence, but only if a Tflush waits (F7, F8). */
static bool reply_interrupted(styx_req *r) {
  styx_session *s = r->r_session;
  if (!sx_chain_is_empty(&r->r_flushes) && !r->r_must_run && !s->s_send_interrupted) {
    s->s_info.flushed_silent++;
    return true;
  }
  sx_error_sent(s, EINTR);
  return sx_out_error(s, r->r_tag, EINTR, NULL);
}

static bool reply_failure(styx_req *r) {
  if (r->r_answer == SX_A_INTERRUPTED)
    return reply_interrupted(r);
  sx_error_sent(r->r_session, r->r_err); /* a real error is delivered, flushed or not */
  return sx_out_error(r->r_session, r->r_tag, r->r_err, r->r_text);
}

/* ---- the end of a request ---- */

/* What was prepared, or lent, and not used. */
static void drop_leftovers(styx_req *r) {
  styx_session *s = r->r_session;
  if (s->s_sees_all)
    sx_whole_unmake(r);
  if (r->r_node)
    sx_node_free(s, r->r_node);
  if (r->r_binding)
    sx_binding_put(s, r->r_binding);
  if (r->r_walk) {
    if (r->r_walk->wk_at)
      sx_node_put(s, r->r_walk->wk_at);
    sx_keep_put(s, r->r_walk, sizeof *r->r_walk);
  }
  if (r->r_segment)
    sx_segment_free(s, r->r_segment);
  for (struct sx_segment *g; (g = r->r_ref);) {
    r->r_ref = g->g_next;
    sx_segment_over(s, g);
  }
  r->r_node = NULL;
  r->r_binding = NULL;
  r->r_walk = NULL;
  r->r_segment = NULL;
}

static void release_reserved(styx_req *r) {
  styx_session *s = r->r_session;
  if (!r->r_has_reserved)
    return;
  s->s_held -= r->r_reserved;
  s->s_reserved--;
  r->r_has_reserved = false;
}

/* Nobody is to be told anything any more. */
static void over(styx_req *r) {
  drop_leftovers(r);
  release_reserved(r);
  sx_places_release(r);
  if (r->r_session->s_sees_all)
    sx_whole_leave(r);
  sx_req_put_locked(r);
}

void sx_finish(styx_req *r) {
  styx_session *s = r->r_session;
  bool success = succeeded(r);
  sx_unlink(&r->r_wait);
  sx_unlink(&r->r_all);
  sx_unlink(&r->r_timed);
  s->s_outstanding--;
  if (success)
    settle(r);
  sx_tags_del(&s->s_tags, r->r_tag);
  if (r->r_turn)
    sx_turn_over(r, success);
  /* An Rflush behind a reply that was lost would say that nothing has happened (F8). */
  if (!r->r_silent)
    r->r_silent = !(success ? reply_success(r) : reply_failure(r));
  if (!sx_chain_is_empty(&r->r_flushes))
    sx_flushes_answer(r);
  over(r);
}

/* Its pins, its buffers and its place among what a connection may hold stay with r until the handler has answered. */
void sx_detach(styx_req *r) {
  styx_session *s = r->r_session;
  sx_unlink(&r->r_all);
  sx_list_push(&s->s_detached, &r->r_all);
  sx_unlink(&r->r_timed);
  r->r_detached = true;
  s->s_outstanding--;
  s->s_info.detached++;
  sx_tags_del(&s->s_tags, r->r_tag);
  if (!r->r_silent)
    r->r_silent = !reply_interrupted(r);
  sx_flushes_answer(r);
  sx_places_leave(r);
}

/* The answer of one that was detached: as if it had never been, save that what it made is given back. */
static void detached_over(styx_req *r) {
  styx_session *s = r->r_session;
  if (r->r_answer == SX_A_NODE) {
    r->r_node->n_node = r->r_ans_node;
    r->r_node->n_qid = r->r_qid;
    sx_node_put(s, r->r_node);
    r->r_node = NULL;
  }
  sx_unlink(&r->r_all);
  over(r);
}

void sx_finish_error(styx_req *r, styx_err err) {
  r->r_answer = SX_A_ERROR;
  r->r_err = err;
  sx_finish(r);
}

/* ---- posts ---- */

/* The answers that each operation may have, beside errors. */
static const uint16_t valid_answers[STYX_NOPS] = {
    [STYX_OP_attach] = 1 << SX_A_NODE,
    [STYX_OP_walk] = 1 << SX_A_NODE,
    [STYX_OP_open] = 1 << SX_A_OPEN,
    [STYX_OP_create] = 1 << SX_A_CREATE,
    [STYX_OP_read] = 1 << SX_A_DATA | 1 << SX_A_REF,
    [STYX_OP_write] = 1 << SX_A_COUNT,
    [STYX_OP_readdir] = 1 << SX_A_DIR,
    [STYX_OP_getattr] = 1 << SX_A_ATTR,
    [STYX_OP_setattr] = 1 << SX_A_OK,
    [STYX_OP_remove] = 1 << SX_A_OK,
    [STYX_OP_fsync] = 1 << SX_A_OK,
};

static bool answers_rightly(const styx_req *r) {
  uint32_t valid = valid_answers[r->r_op] | 1 << SX_A_PASS;
  if (r->r_op == STYX_OP_request)
    valid = sx_whole_valid(r) | 1 << SX_A_MSG;
  else if (r->r_user->u_auth)
    valid = sx_auth_answers(r, (uint16_t)valid);
  if (valid >> r->r_answer & 1)
    return true;
  if (r->r_answer == SX_A_WOULD_BLOCK)
    return !r->r_may_block && !r->r_made; /* else it could say so for ever */
  return r->r_answer == SX_A_ERROR || r->r_answer == SX_A_INTERRUPTED;
}

static void answered(styx_req *r) {
  styx_session *s = r->r_session;
  if (r->r_dropped) {
    s->s_info.dropped_answers++;
    sx_log(s, STYX_LOG_ERROR, "handler returned without an answer", styx_msg_name(r->r_msg.type));
  }
  if (!answers_rightly(r)) {
    sx_log(s, STYX_LOG_ERROR, "answer of the wrong kind", styx_msg_name(r->r_msg.type));
    r->r_answer = SX_A_ERROR;
    r->r_err = EIO;
  }
  if (r->r_detached)
    detached_over(r);
  else if (r->r_answer == SX_A_PASS || r->r_answer == SX_A_WOULD_BLOCK)
    sx_run_again(r);
  else if (r->r_op == STYX_OP_walk && r->r_answer != SX_A_INTERRUPTED)
    sx_walk_answered(r);
  else if (sx_auth_asked(r) && r->r_answer == SX_A_OK)
    sx_attach_passed(r);
  else
    sx_finish(r);
}

static void take(styx_session *s, struct sx_post *p) {
  switch (p->p_kind) {
  case SX_ANSWER:
    answered(SX_OF(styx_req, r_post, p));
    break;
  case SX_FREE:
    sx_req_free(SX_OF(styx_req, r_post, p));
    break;
  case SX_CLOSED:
    s->s_ending--;
    sx_binding_closed(s, SX_OF(struct sx_binding, b_post, p));
    break;
  case SX_FORGOTTEN:
    s->s_ending--;
    sx_node_free(s, SX_OF(struct sx_node, n_post, p));
    break;
  case SX_RELEASED:
    s->s_nreleases--;
    sx_segment_free(s, SX_OF(struct sx_segment, g_post, p));
    break;
  }
}

/* The posts since the last time, oldest first. */
static struct sx_post *take_posts(styx_session *s) {
  /* acquire: pairs with the release in sx_post */
  struct sx_post *top = atomic_exchange_explicit(&s->s_posts, NULL, memory_order_acquire), *first = NULL;
  while (top) {
    struct sx_post *next = top->p_next;
    top->p_next = first;
    first = top;
    top = next;
  }
  return first;
}

bool styx_session_retire(styx_session *s, uint64_t now) {
  bool any = false;
  struct sx_post *p;
  sx_time(s, now);
  while ((p = take_posts(s))) {
    any = true;
    for (struct sx_post *next; p; p = next) {
      next = p->p_next;
      take(s, p);
    }
    sx_continue(s);
  }
  if (any)
    sx_budget_settle(s);
  return any;
}
