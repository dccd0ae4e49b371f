/* session.c: making and ending a session, and the lists through which work and answers pass. */
#include "session/state.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { LOW_TAGS = 128 }; /* as many as most clients ever have outstanding */

styx_limits styx_limits_default(void) {
  return (styx_limits){
#define STYX_LIMIT(field, flag, default_, unit, help) .field = (default_),
#include <styx/limits.def>
#undef STYX_LIMIT
  };
}

static bool sees_all(const styx_export *e) { return SX_HAS(e->fs.ops, request); }

/* A program that sees all sees Tauth and Tattach too: a plug would never be asked, and everybody be let in. */
bool sx_exports_fit(const styx_export *exports, size_t n) {
  for (size_t i = 0; exports && i < n; i++)
    if ((n > 1 || exports[i].auth.ops) && sees_all(&exports[i]))
      return false;
  return exports && n > 0;
}

styx_err styx_session_new(styx_session **out, const styx_session_config *config, uint64_t now) {
  if (!config || config->size < sizeof *config || !sx_exports_fit(config->exports, config->nexports))
    return STYX_EBADARG;
  styx_session *s = sx_zalloc(config->allocator, sizeof *s);
  if (!s)
    return ENOMEM;
  if (config->allocator)
    s->s_alloc = *config->allocator;
  if (config->hooks)
    s->s_hooks = *config->hooks;
  s->s_hook_arg = config->hook_arg;
  s->s_limits = config->limits ? *config->limits : styx_limits_default();
  s->s_exports = config->exports;
  s->s_nexports = config->nexports;
  s->s_sees_all = sees_all(&s->s_exports[0]);
  s->s_budget = config->budget;
  s->s_has_peer = config->peer != NULL;
  if (config->peer)
    s->s_peer = *config->peer;
  s->s_send_interrupted = config->send_interrupted;
  s->s_now = s->s_born = s->s_progress = now;
  uint64_t seed = now ^ (uint64_t)(uintptr_t)s;
  sx_table_init(&s->s_fids, &s->s_alloc, seed);
  sx_tags_init(&s->s_tags, &s->s_alloc, seed, LOW_TAGS);
  struct sx_link *lists[] = {&s->s_requests, &s->s_detached, &s->s_due,  &s->s_asked,
                             &s->s_ready,    &s->s_hungry,   &s->s_work, &s->s_cancels};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    sx_list_init(lists[i]);
  *out = s;
  return STYX_OK;
}

void styx_session_free(styx_session *s) {
  if (!s)
    return;
  assert(styx_session_done(s));
  styx_allocator alloc = s->s_alloc;
  sx_table_fini(&s->s_fids);
  sx_tags_fini(&s->s_tags);
  sx_stash_free(s);
  sx_budget_settle(s);
  sx_keep_off(s);
  sx_free(&alloc, s, sizeof *s);
}

void sx_log(styx_session *s, styx_level level, const char *what, const char *detail) {
  if (s->s_hooks.log)
    s->s_hooks.log(s->s_hook_arg, level, what, detail ? detail : "");
}

void sx_end(styx_session *s, const char *why) {
  if (!s->s_ended)
    s->s_ended = why;
}

void sx_error_sent(styx_session *s, styx_err err) {
  s->s_info.errors++;
  if (s->s_hooks.error)
    s->s_hooks.error(s->s_hook_arg, err);
}

const char *styx_session_ended(const styx_session *s) { return s->s_ended; }

/* ---- work and posts ---- */

void sx_work_push(styx_session *s, struct styx_work *work, enum sx_work_kind kind) {
  work->w_kind = kind;
  work->w_arg = s->s_hook_arg;
  /* A cancellation goes before what waits to run: else it may stand behind work that finds no thread until something is
   * cancelled (F21). */
  sx_list_push(kind == SX_CANCEL ? &s->s_cancels : &s->s_work, &work->w_link);
}

styx_work *styx_session_next(styx_session *s) {
  struct sx_link *l = sx_list_pop(sx_list_empty(&s->s_cancels) ? &s->s_work : &s->s_cancels);
  return l ? SX_OF(struct styx_work, w_link, l) : NULL;
}

void sx_post(styx_session *s, struct sx_post *post, enum sx_post_kind kind) {
  /* Once the post is on the stack the session may retire it and be freed: the hook is read before. */
  void (*wake)(void *) = s->s_hooks.wake;
  void *arg = s->s_hook_arg;
  post->p_kind = kind;
  struct sx_post *top = atomic_load_explicit(&s->s_posts, memory_order_relaxed);
  do
    post->p_next = top;
  /* release: the answer is written before it can be seen; pairs with: the exchange in styx_session_retire */
  while (!atomic_compare_exchange_weak_explicit(&s->s_posts, &top, post, memory_order_release, memory_order_relaxed));
  if (!top && wake)
    wake(arg);
}

/* ---- what has become possible ---- */

/* Nobody is to be answered, and what was open is closed, save what a detached request still uses. */
static bool reset_is_over(const styx_session *s) {
  return s->s_resetting && !s->s_hungup && s->s_outstanding == 0 && s->s_ending == 0;
}

static void start_ready(styx_session *s) {
  struct sx_link *l;
  while ((l = sx_list_pop(&s->s_ready)))
    sx_start(SX_OF(styx_req, r_wait, l));
}

void sx_continue(styx_session *s) {
  do {
    start_ready(s);
    if (reset_is_over(s)) {
      s->s_resetting = false;
      s->s_partial_since = s->s_now; /* nothing was read meanwhile: that is not the peer's delay */
      sx_version_reply(s);
    }
    sx_parse_on(s);
    sx_feed_hungry(s); /* last: what was parsed may have made room */
  } while (!sx_list_empty(&s->s_ready) || reset_is_over(s));
}

void styx_session_drain(styx_session *s) { s->s_draining = true; }

void styx_session_hangup(styx_session *s) {
  if (s->s_hungup)
    return;
  s->s_hungup = true;
  s->s_in_len = 0;
  sx_abort_all(s);
  sx_whole_hangup(s);
  sx_out_clear(s);
  start_ready(s);
  sx_budget_settle(s);
  sx_keep_off(s);
}

bool styx_session_done(const styx_session *s) {
  return s->s_hungup && !s->s_lent && s->s_nreq == 0 && s->s_nbindings == 0 && s->s_nnodes == 0 &&
         s->s_nreleases == 0 && sx_list_empty(&s->s_work) && sx_list_empty(&s->s_cancels) &&
         !atomic_load_explicit(&s->s_posts, memory_order_relaxed);
}

bool styx_session_busy(const styx_session *s) { return s->s_outstanding > 0; }

/* ---- time ---- */

/* Each thing that can take too long: since when (0: it is not going on), for how long, and what is then said. */
struct timer {
  uint64_t since, bound;
  const char *why;
  size_t limit; /* where its bound is in styx_limits */
};

static size_t timers(const styx_session *s, struct timer out[4]) {
  const styx_limits *l = &s->s_limits;
  size_t n = 0;
  if (!s->s_msize)
    out[n++] = (struct timer){s->s_born, l->handshake, "no Tversion in time", offsetof(styx_limits, handshake)};
  if (s->s_in_len && !s->s_resetting && !s->s_paused)
    out[n++] = (struct timer){s->s_partial_since, l->partial, "message incomplete for too long",
                              offsetof(styx_limits, partial)};
  if (s->s_paused)
    out[n++] =
        (struct timer){s->s_progress, l->stalled, "peer does not read its replies", offsetof(styx_limits, stalled)};
  if (s->s_resetting)
    out[n++] = (struct timer){s->s_reset_since, l->flush_bound ? l->flush_bound : l->reset,
                              "requests did not end at Tversion", offsetof(styx_limits, reset)};
  return n;
}

/* Nothing goes on that could take too long: so it is after most batches. */
static bool untimed(const styx_session *s) {
  return s->s_msize && !s->s_in_len && !s->s_paused && !s->s_resetting && sx_list_empty(&s->s_due) &&
         sx_list_empty(&s->s_asked);
}

uint64_t styx_session_deadline(const styx_session *s) {
  struct timer t[4];
  if (s->s_hungup || s->s_ended)
    return UINT64_MAX;
  const uint64_t keep = s->s_keep.k_on ? s->s_keep.k_until : UINT64_MAX;
  if (untimed(s))
    return keep;
  uint64_t first = sx_flush_deadline(s);
  if (keep < first)
    first = keep;
  for (size_t i = 0, n = timers(s, t); i < n; i++)
    if (t[i].bound < UINT64_MAX - t[i].since && t[i].since + t[i].bound < first)
      first = t[i].since + t[i].bound;
  return first;
}

bool styx_session_tick(styx_session *s, uint64_t now) {
  struct timer t[4];
  sx_time(s, now);
  if (s->s_hungup || s->s_ended)
    return false;
  if (s->s_keep.k_on && now >= s->s_keep.k_until)
    sx_keep_off(s);
  for (size_t i = 0, n = timers(s, t); i < n; i++)
    if (!s->s_ended && t[i].bound < UINT64_MAX - t[i].since && now >= t[i].since + t[i].bound) {
      ++*(uint64_t *)(void *)((char *)&s->s_info.hits + t[i].limit);
      sx_end(s, t[i].why);
    }
  bool any = sx_flush_tick(s);
  if (any)
    sx_continue(s); /* what was cancelled has made room */
  return any || s->s_ended;
}

/* ---- numbers ---- */

styx_session_info styx_session_inspect(const styx_session *s) {
  styx_session_info info = s->s_info;
  info.msize = s->s_msize;
  info.requests = s->s_nreq;
  info.fids = 0;
  info.parked = 0;
  info.held_bytes = s->s_held;
  info.outbox_bytes = s->s_out.o_bytes;
  info.duplicate_answers = atomic_load_explicit(&s->s_duplicates, memory_order_relaxed);
  struct sx_slot *slot;
  for (size_t at = 0; (slot = sx_table_each(&s->s_fids, &at));)
    info.fids += slot->f_binding != NULL;
  for (struct sx_link *l = s->s_requests.next; l != &s->s_requests; l = l->next)
    info.parked += sx_state(SX_OF(styx_req, r_all, l)) == SX_PARKED;
  return info;
}

void styx_session_each_fid(const styx_session *s, styx_fid_fn *fn, void *arg) {
  struct sx_slot *slot;
  for (size_t at = 0; (slot = sx_table_each(&s->s_fids, &at));)
    if (slot->f_binding)
      fn(arg, slot->f_fid, slot->f_binding->b_node->n_qid, slot->f_binding->b_open);
}

static size_t each_request(const styx_session *s, const struct sx_link *list, styx_request_fn *fn, void *arg) {
  size_t n = 0;
  for (struct sx_link *l = list->next; l != list; l = l->next, n++) {
    const styx_req *r = SX_OF(styx_req, r_all, l);
    styx_request_info info = {.type = r->r_msg.type, .tag = r->r_tag, .fid = r->r_msg.fid};
    if (sx_pin(r))
      info.qid = sx_pin(r)->b_node->n_qid;
    info.age = s->s_now - r->r_since;
    info.parked = sx_state(r) == SX_PARKED;
    info.cancelled = styx_req_cancelled(r);
    info.detached = r->r_detached;
    fn(arg, &info);
  }
  return n;
}

size_t styx_session_each_request(const styx_session *s, styx_request_fn *fn, void *arg) {
  size_t n = each_request(s, &s->s_requests, fn, arg);
  return n + each_request(s, &s->s_detached, fn, arg);
}
