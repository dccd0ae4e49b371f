/* intake.c: whole messages to requests: version, tags, limits, and each request's place on its fids. */
#include "session/state.h"
#include "wire/bytes.h"

#include <errno.h>
#include <string.h>

/* What messages.def says of each T-message, as far as intake needs it. */
enum { BASE = 1, LINUX = 2, ALL = BASE | LINUX };
enum fid_rule { NONE, USE, CHANGE, DROP, AUTH, ATTACH, WALK, DIR, DIRFID, DIRS };

struct rule {
  bool known, is_t, must_run;
  enum fid_rule fids;
};

static const struct rule rules[256] = {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  [number] = {(dialects) != LINUX, (reply) != 0, (mustrun) != 0, fidrule},
#include <styx/messages.def>
#undef STYX_MSG
};

static uint16_t tag_of(const uint8_t *p) { return sx_load16(p + 5); }

/* ---- version ---- */

void sx_version_reply(styx_session *s) {
  styx_msg r = {.type = STYX_Rversion, .tag = s->s_version_tag, .msize = s->s_version_msize};
  r.version = styx_str_of(STYX_VERSION_9P2000);
  s->s_msize = s->s_version_msize;
  sx_out_msg(s, &r);
}

static void t_version(styx_session *s, const styx_msg *m) {
  styx_msg r;
  styx_dialect dialect;
  uint32_t msize = s->s_limits.msize < UINT32_MAX ? (uint32_t)s->s_limits.msize : UINT32_MAX;
  if (!styx_compatible(&r, m, msize, 1u << STYX_9P2000, &dialect)) {
    sx_out_msg(s, &r); /* "unknown" resets nothing */
    return;
  }
  s->s_resetting = true; /* sx_continue answers once the old session is over */
  s->s_version_tag = r.tag;
  s->s_version_msize = r.msize;
  s->s_reset_since = s->s_now;
  sx_abort_all(s);
}

/* ---- requests ---- */

static styx_err take_places(styx_req *r, enum fid_rule rule) {
  const styx_msg *m = &r->r_msg;
  styx_err err = STYX_OK;
  if (r->r_session->s_sees_all && !sx_whole_take(r))
    return ENOMEM;
  switch (rule) {
  case NONE:
    return STYX_OK;
  case USE:
    return sx_place_take(r, 0, m->fid, SX_USE);
  case CHANGE:
    return sx_place_take(r, 0, m->fid, SX_CHANGE);
  case DROP:
    return sx_place_take(r, 0, m->fid, SX_DROP);
  case AUTH:
    r->r_msg.fid = m->afid; /* it has no other: for whoever asks what a request is about */
    return sx_place_take(r, 0, m->afid, SX_MAKE);
  case ATTACH: /* the use first: it may be the same fid */
    if (m->afid != STYX_NOFID)
      err = sx_place_take(r, 1, m->afid, SX_USE);
    return err ? err : sx_place_take(r, 0, m->fid, SX_MAKE);
  case WALK:
    if (m->newfid == m->fid)
      return sx_place_take(r, 0, m->fid, SX_CHANGE);
    err = sx_place_take(r, 0, m->fid, SX_USE);
    return err ? err : sx_place_take(r, 1, m->newfid, SX_MAKE);
  case DIR: /* of 9P2000.L only, and so never known here */
  case DIRFID:
  case DIRS:
    break;
  }
  return STYX_EUNKNOWN;
}

static void refuse(styx_session *s, uint16_t tag, styx_err err) {
  sx_error_sent(s, err);
  sx_out_error(s, tag, err, NULL);
}

enum { LARGE = 4096 }; /* what carries more than any usual message without data counts as a write */

/* Over a limit everything is refused but what makes room again. */
static bool over_limit(styx_session *s, unsigned type, size_t len) {
  if (rules[type].must_run)
    return false;
  if (s->s_nreq >= s->s_limits.requests) {
    s->s_info.hits.requests++;
    return true;
  }
  if (type != STYX_Twrite && len <= LARGE)
    return false;
  if (s->s_held + len > s->s_limits.held) {
    s->s_info.hits.held++;
    return true;
  }
  if (!sx_budget_allows(s, len)) {
    s->s_info.hits.memory++;
    return true;
  }
  return false;
}

static void tap_in(styx_session *s, const uint8_t *p, size_t len) {
  if (s->s_hooks.tap)
    s->s_hooks.tap(s->s_hook_arg, false, &(styx_span){(uint8_t *)(uintptr_t)p, len}, 1);
}

static void trace_in(styx_session *s, const styx_msg *m) {
  if (s->s_hooks.trace)
    s->s_hooks.trace(s->s_hook_arg, false, m);
}

/* After Tclunk and Tremove the fid is gone whatever the reply says (F18): where that cannot be, no reply may say it. */
static void no_memory(styx_session *s, const uint8_t *p) {
  if (rules[p[4]].must_run)
    sx_end(s, "no memory for a request that must run");
  else
    refuse(s, tag_of(p), ENOMEM);
}

/* *own: memory of a request with this message in it, which is taken; NULL: the message is copied. */
static styx_req *request_new(styx_session *s, const uint8_t *p, size_t len, styx_req **own) {
  styx_req *r = *own;
  if (!r)
    return sx_req_new(s, p, len);
  *own = NULL;
  sx_req_init(s, r, len);
  return r;
}

static void t_request(styx_session *s, const uint8_t *p, size_t len, styx_req **own) {
  uint16_t tag = tag_of(p);
  styx_req *r = request_new(s, p, len, own);
  if (!r) {
    no_memory(s, p);
    return;
  }
  /* The whole frame is there, so this is its length, or what is wrong with it. */
  ptrdiff_t used = styx_decode(&r->r_msg, r->r_bytes, len, s->s_msize, STYX_9P2000);
  if (used <= 0) {
    styx_err err = used < 0 ? (styx_err)-used : STYX_ETRUNC;
    if (styx_err_is_framing(err))
      sx_end(s, styx_err_text(err));
    else
      refuse(s, tag, err);
    sx_req_free(r);
    return;
  }
  trace_in(s, &r->r_msg);
  r->r_must_run = rules[p[4]].must_run;
  r->r_tag = tag;
  if (!sx_tags_add(&s->s_tags, tag, r)) {
    no_memory(s, p);
    sx_req_free(r);
    return;
  }
  s->s_outstanding++;
  sx_keep_request(s);
  sx_list_push(&s->s_requests, &r->r_all);
  if (s->s_limits.request && styx_req_deadline(r) != UINT64_MAX)
    sx_list_push(&s->s_due, &r->r_timed);
  styx_err err = take_places(r, rules[p[4]].fids);
  if (err)
    sx_finish_error(r, err);
  else if (sx_places_granted(r))
    sx_list_push(&s->s_ready, &r->r_wait);
}

/* Tversion and Tflush make no request. Both are short and have no content that could be wrong in a well-framed message,
 * save trailing bytes and a bad version string. */
static void t_control(styx_session *s, const uint8_t *p, size_t len) {
  styx_msg m;
  ptrdiff_t used = styx_decode(&m, p, len, 0, STYX_9P2000);
  if (used < 0 && styx_err_is_framing((styx_err)-used)) {
    sx_end(s, styx_err_text((styx_err)-used));
    return;
  }
  if (p[4] == STYX_Tversion) {
    if (used < 0)
      m = (styx_msg){.type = STYX_Tversion, .tag = tag_of(p), .msize = 0}; /* not understood: "unknown" */
    trace_in(s, &m);
    t_version(s, &m);
    return;
  }
  if (used < 0)
    m = (styx_msg){.type = STYX_Tflush, .tag = tag_of(p), .oldtag = STYX_NOTAG}; /* F2: never an error */
  trace_in(s, &m);
  sx_t_flush(s, &m);
}

static void take_message(styx_session *s, const uint8_t *p, size_t len, styx_req **own) {
  uint8_t type = p[4];
  uint16_t tag = tag_of(p);
  s->s_info.messages_in++;
  tap_in(s, p, len);
  if (rules[type].known && !rules[type].is_t)
    sx_end(s, styx_err_text(STYX_ENOTT));
  else if (type == STYX_Tversion || type == STYX_Tflush)
    t_control(s, p, len);
  else if (!s->s_msize)
    refuse(s, tag, STYX_ENOVERSION);
  else if (!rules[type].known)
    refuse(s, tag, STYX_EUNKNOWN);
  else if (tag == STYX_NOTAG)
    refuse(s, tag, STYX_EBADTAG);
  else if (sx_tags_find(&s->s_tags, tag))
    refuse(s, tag, STYX_EDUPTAG);
  else if (over_limit(s, type, len))
    refuse(s, tag, STYX_ELIMIT);
  else if (s->s_draining && !rules[type].must_run)
    refuse(s, tag, ESHUTDOWN);
  else
    t_request(s, p, len, own);
}

/* ---- bytes ---- */

bool styx_session_wants_input(const styx_session *s) {
  return !s->s_resetting && !s->s_paused && !s->s_hungup && !s->s_ended;
}

uint32_t sx_frame_limit(const styx_session *s) { return s->s_msize ? s->s_msize : (uint32_t)s->s_limits.prelude; }

size_t sx_consume(styx_session *s, const uint8_t *p, size_t len, styx_req **own) {
  size_t used = 0;
  while (used < len && styx_session_wants_input(s)) {
    ptrdiff_t n = sx_frame(p + used, len - used, sx_frame_limit(s));
    if (n < 0) {
      s->s_info.hits.msize += n == -(ptrdiff_t)STYX_ETOOLONG && s->s_msize;
      s->s_info.hits.prelude += n == -(ptrdiff_t)STYX_ETOOLONG && !s->s_msize;
      sx_end(s, styx_err_text((styx_err)-n));
    }
    if (n <= 0)
      break;
    take_message(s, p + used, (size_t)n, own);
    used += (size_t)n;
    if (s->s_resetting)
      sx_continue(s); /* mostly there is nothing to wait for: the next message is parsed at once */
  }
  return used;
}
