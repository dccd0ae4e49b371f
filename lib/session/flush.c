/* flush.c: the flush law (design.md 3, contract.md 2). Every Tflush is bound to its victim the moment it is read, by pointer.
 *
 *   victim                            what is done                                     on the wire
 *   unknown, own tag, NOTAG, retired  nothing                                          Rflush behind the outbox
 *   parked or queued                  CANCELLED wins the word; retired at once         Rflush
 *   queued, must-run                  nothing                                          reply, Rflush
 *   parked, must-run                  what it waits for is cancelled, then it runs     …, reply, Rflush
 *   running, must-run                 nothing, it is not told                          reply, Rflush
 *   running                           asked; its answer decides                        reply, Rflush; or Rflush alone
 *   running, detachable               asked; it runs on, and its answer is dropped     Rflush
 *   a Tflush that waits               bound to the same request, behind it             …, Rflush f, Rflush g
 */
#include "session/state.h"

#include <stdio.h>

static bool out_rflush(styx_session *s, uint16_t tag) {
  styx_msg r = {.type = STYX_Rflush, .tag = tag};
  return sx_out_msg(s, &r);
}

/* Everybody who waited for r is answered, in the order of arrival, in the same step that retires r: a later Tflush of the
 * same tag can only come behind (flush.md, rule 3). */
void sx_flushes_answer(styx_req *r) {
  for (uint32_t tag; (tag = sx_chain_take(&r->r_session->s_tags, &r->r_flushes)) != SX_NO_TAG;)
    if (!r->r_silent) /* one that is lost may not be overtaken (F10); the session has ended then */
      r->r_silent = !out_rflush(r->r_session, (uint16_t)tag);
}

/* A must-run request waits: whoever stands before it is cancelled, the holder last, since its end grants the queue. Nothing
 * can get in front of it afterwards, nor of those it passes here: so everybody is passed once, however many are flushed. */
static void clear_the_way(struct sx_place *pl) {
  struct sx_slot *slot = pl->pl_slot;
  struct sx_link *behind = &pl->pl_link;
  if (pl->pl_req->r_cleared)
    return;
  pl->pl_req->r_cleared = true;
  while (behind->prev != &slot->f_queue) {
    styx_req *r = SX_OF(struct sx_place, pl_link, behind->prev)->pl_req;
    if (r->r_cleared)
      return;
    r->r_cleared = r->r_must_run;
    if (r->r_must_run)
      behind = behind->prev;
    else
      sx_cancel(r, false); /* parked, so it leaves the queue here and now, with both its places */
  }
  sx_cancel(slot->f_holder->pl_req, false); /* nobody flushed it: it owes a reply */
}

/* r runs, or an element of its walk has just been answered and the next would run. */
static void ask(styx_req *r) {
  /* acq_rel: pairs with styx_req_on_cancel: either it sees ASKED, or we see ARMED */
  uint32_t was = atomic_fetch_or_explicit(&r->r_word, SX_ASKED, memory_order_acq_rel);
  if ((was & SX_ASKED) || (was & SX_STATE) != SX_RUNNING)
    return;
  r->r_session->s_info.cancelled++;
  sx_ask_since(r);
  if (was & (SX_ARMED | SX_HAS_FD)) {
    atomic_fetch_add_explicit(&r->r_refs, 1, memory_order_relaxed);
    sx_work_push(r->r_session, &r->r_cancel, SX_CANCEL);
  }
}

/* Does nobody see whether it has run? What the filesystem declares, for what can be so at all. */
static bool detachable(const styx_req *r) {
  const styx_fs_ops *ops = r->r_user->u_fs->ops;
  const struct sx_binding *b = sx_pin(r);
  if (!(ops->detachable >> r->r_op & 1))
    return false;
  if (r->r_op == STYX_OP_read)
    return !b->b_stream && !(b->b_node->n_qid.type & (STYX_QTDIR | STYX_QTEXCL | STYX_QTAUTH));
  return r->r_op == STYX_OP_walk || r->r_op == STYX_OP_getattr;
}

/* Make r end as soon as it can. Retires it at once when it has not begun, or may be left to itself. */
void sx_cancel(styx_req *r, bool detach) {
  if (r->r_must_run) {
    if (sx_state(r) == SX_PARKED && r->r_place[0].pl_slot && !r->r_place[0].pl_granted)
      clear_the_way(&r->r_place[0]);
    return;
  }
  uint32_t word = atomic_load_explicit(&r->r_word, memory_order_acquire);
  while ((word & SX_STATE) == SX_PARKED || (word & SX_STATE) == SX_QUEUED) {
    /* Lost to the runner: then it is running. pairs with: claim_run in run.c */
    if (atomic_compare_exchange_weak_explicit(&r->r_word, &word, (word & ~SX_STATE) | SX_CANCELLED,
                                              memory_order_acq_rel, memory_order_acquire)) {
      r->r_session->s_info.cancelled++;
      r->r_answer = SX_A_INTERRUPTED;
      sx_finish(r);
      return;
    }
  }
  ask(r);
  if (detach && sx_state(r) == SX_RUNNING && detachable(r))
    sx_detach(r);
}

/* Before Tversion, under NOTAG and under a tag in use a Tflush does nothing, but it is answered (F2). */
static bool is_void(const styx_session *s, const styx_msg *m) {
  return !s->s_msize || m->tag == STYX_NOTAG || m->oldtag == STYX_NOTAG || sx_tags_find(&s->s_tags, m->tag);
}

void sx_t_flush(styx_session *s, const styx_msg *m) {
  s->s_info.flushes++;
  /* What a Tflush is about is its own victim (F12). */
  styx_req *victim = is_void(s, m) ? NULL : sx_tags_find(&s->s_tags, m->oldtag);
  if (!victim) {
    out_rflush(s, m->tag);
    return;
  }
  if (!sx_chain_add(&s->s_tags, &victim->r_flushes, m->tag, victim)) {
    sx_end(s, "no memory to record a Tflush"); /* it may not be answered by an error, nor too early */
    return;
  }
  bool must_run = victim->r_must_run;
  sx_cancel(victim, true);
  if (must_run) /* it is still there */
    sx_ask_since(victim);
}

/* Hangup, or Tversion in mid-session: nobody is answered any more, everything ends, every fid is clunked. */
void sx_abort_all(styx_session *s) {
  for (struct sx_link *l = s->s_requests.next; l != &s->s_requests; l = l->next) {
    styx_req *r = SX_OF(styx_req, r_all, l);
    r->r_silent = true;
    sx_flushes_answer(r);
  }
  /* Finishing one finishes no other: what becomes ready waits in s_ready. So next stays good. */
  for (struct sx_link *l = s->s_requests.next, *next; l != &s->s_requests; l = next) {
    next = l->next;
    styx_req *r = SX_OF(styx_req, r_all, l);
    if (!r->r_must_run)
      sx_cancel(r, true);
  }
  sx_fids_drop_all(s);
}

/* ---- time: deadlines, and how long the end of a request may take ---- */

void sx_ask_since(styx_req *r) {
  if (r->r_asked != UINT64_MAX)
    return;
  r->r_asked = r->r_session->s_now;
  sx_unlink(&r->r_timed);
  sx_list_push(&r->r_session->s_asked, &r->r_timed);
}

static uint64_t overdue(const styx_session *s, const styx_req *r) {
  uint64_t bound = s->s_limits.flush_bound;
  return bound && bound < UINT64_MAX - r->r_asked ? r->r_asked + bound : UINT64_MAX;
}

static styx_req *first_of(const struct sx_link *list) {
  return sx_list_empty(list) ? NULL : SX_OF(styx_req, r_timed, list->next);
}

uint64_t sx_flush_deadline(const styx_session *s) {
  const styx_req *first_due = first_of(&s->s_due), *first_asked = first_of(&s->s_asked);
  uint64_t a = first_due ? styx_req_deadline(first_due) : UINT64_MAX,
           b = first_asked ? overdue(s, first_asked) : UINT64_MAX;
  return a < b ? a : b;
}

static void ask_again(styx_req *r) {
  r->r_asked = UINT64_MAX;
  sx_ask_since(r);
}

/* It has been told long ago and does not end. */
static void give_up(styx_req *r) {
  styx_session *s = r->r_session;
  char what[96];
  if (sx_state(r) == SX_PARKED) { /* must-run: those before it were told when it was, and are judged first */
    ask_again(r);
    return;
  }
  snprintf(what, sizeof what, "%s of file %llx, %llu s old", styx_msg_name(r->r_msg.type),
           sx_pin(r) ? (unsigned long long)sx_pin(r)->b_node->n_qid.path : 0,
           (unsigned long long)((s->s_now - r->r_since) / 1000000000));
  s->s_info.hits.flush_bound++;
  if (sx_state(r) == SX_RUNNING && !r->r_must_run && detachable(r)) {
    sx_log(s, STYX_LOG_WARN, "cancelled request left to itself", what);
    sx_detach(r);
  } else {
    sx_log(s, STYX_LOG_ERROR, "cancelled request does not end", what);
    sx_end(s, "a cancelled request did not end in time");
  }
}

bool sx_flush_tick(styx_session *s) {
  bool any = false;
  styx_req *r;
  for (; !s->s_ended && (r = first_of(&s->s_asked)) && s->s_now >= overdue(s, r); any = true)
    give_up(r);
  for (; (r = first_of(&s->s_due)) && s->s_now >= styx_req_deadline(r); any = true) {
    s->s_info.hits.request++;
    sx_unlink(&r->r_timed);
    sx_cancel(r, true);
  }
  return any;
}
