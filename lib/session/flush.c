/* flush.c: the flush law (design.md 3, contract.md 2). Every Tflush is bound to its victim the moment it is read, by pointer.
 *
 *   victim                            what is done                                     on the wire
 *   unknown, own tag, NOTAG, retired  nothing                                          Rflush behind the outbox
 *   parked or queued                  CANCELLED wins the word; retired at once         Rflush
 *   queued, must-run                  nothing                                          reply, Rflush
 *   parked, must-run                  what it waits for is cancelled, then it runs     …, reply, Rflush
 *   running, must-run                 nothing, it is not told                          reply, Rflush
 *   running                           asked; its answer decides                        reply, Rflush; or Rflush alone
 *   a Tflush that waits               bound to the same request, behind it             …, Rflush f, Rflush g
 */
#include "session/state.h"

#include <assert.h>
#include <errno.h>

static bool out_rflush(styx_session *s, uint16_t tag) {
  styx_msg r = {.type = STYX_Rflush, .tag = tag};
  return sx_out_msg(s, &r);
}

/* Everybody who waited for r is answered, in the order of arrival, in the same step that retires r: a later Tflush of the
 * same tag can only come behind (flush.md, rule 3). */
void sx_flushes_answer(styx_req *r) {
  styx_session *s = r->r_session;
  struct sx_flush *f = r->r_flushes;
  r->r_flushes = NULL;
  r->r_flush_end = &r->r_flushes;
  while (f) {
    struct sx_flush *next = f->fl_next;
    sx_tag_del(s, &f->fl_tagged);
    if (!r->r_silent) /* one that is lost may not be overtaken (F10); the session has ended then */
      r->r_silent = !out_rflush(s, f->fl_tagged.t_tag);
    sx_free(&s->s_alloc, f, sizeof *f);
    s->s_nflushes--;
    f = next;
  }
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
      sx_cancel(r); /* parked, so it leaves the queue here and now, with both its places */
  }
  sx_cancel(slot->f_holder->pl_req);
}

/* r runs, or an element of its walk has just been answered and the next would run. */
static void ask(styx_req *r) {
  /* acq_rel: pairs with styx_req_on_cancel: either it sees ASKED, or we see ARMED */
  uint32_t was = atomic_fetch_or_explicit(&r->r_word, SX_ASKED, memory_order_acq_rel);
  if ((was & SX_ASKED) || (was & SX_STATE) != SX_RUNNING)
    return;
  r->r_session->s_info.cancelled++;
  if (was & (SX_ARMED | SX_HAS_FD)) {
    atomic_fetch_add_explicit(&r->r_refs, 1, memory_order_relaxed);
    sx_work_push(r->r_session, &r->r_cancel, SX_CANCEL);
  }
}

/* Make r end as soon as it can. Retires it at once when it has not begun. */
void sx_cancel(styx_req *r) {
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
}

static styx_req *victim_of(struct sx_tagged *t) {
  if (!t)
    return NULL;
  return t->t_is_flush ? SX_OF(struct sx_flush, fl_tagged, t)->fl_victim : SX_OF(styx_req, r_tagged, t);
}

/* Before Tversion, under NOTAG and under a tag in use a Tflush does nothing, but it is answered (F2). */
static bool is_void(const styx_session *s, const styx_msg *m) {
  return !s->s_msize || m->tag == STYX_NOTAG || m->oldtag == STYX_NOTAG || sx_tag_find(s, m->tag);
}

void sx_t_flush(styx_session *s, const styx_msg *m) {
  s->s_info.flushes++;
  styx_req *victim = is_void(s, m) ? NULL : victim_of(sx_tag_find(s, m->oldtag));
  if (!victim) {
    out_rflush(s, m->tag);
    return;
  }
  struct sx_flush *f = sx_alloc(&s->s_alloc, sizeof *f);
  if (f)
    *f = (struct sx_flush){.fl_tagged = {.t_tag = m->tag, .t_is_flush = true}, .fl_victim = victim};
  if (!f || !sx_tag_add(s, &f->fl_tagged)) {
    sx_free(&s->s_alloc, f, sizeof *f);
    sx_end(s, "no memory to record a Tflush"); /* it may not be answered by an error, nor too early */
    return;
  }
  s->s_nflushes++;
  *victim->r_flush_end = f;
  victim->r_flush_end = &f->fl_next;
  sx_cancel(victim);
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
      sx_cancel(r);
  }
  sx_fids_drop_all(s);
}
