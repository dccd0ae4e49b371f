/* stash.c: bytes come in, in any portions: whole messages are taken as they are, what cannot be parsed yet is kept.
 *
 * The stash is memory for a request. When it holds one whole message it becomes that request, so that a long message is copied once,
 * or not at all where its bytes are received into it. */
#include "session/state.h"
#include "wire/bytes.h"

#include <string.h>

enum { AHEAD = 8 };

/* How much room there shall be, when need bytes have come of which the first four say message (0: they are not there yet). It
 * grows with what has come, never by what a size field says alone; but no larger than the message, if that is all there is. */
static size_t room_for(const styx_session *s, size_t need, size_t message) {
  if (message < need || message > sx_frame_limit(s))
    return need * 2;
  return need * AHEAD < message ? need * AHEAD : message;
}

void sx_stash_free(styx_session *s) {
  sx_keep_put(s, s->s_in, sizeof *s->s_in + s->s_in_cap);
  s->s_in = NULL;
  s->s_in_len = s->s_in_cap = 0;
}

static bool grow(styx_session *s, size_t cap) {
  styx_req *bigger = sx_keep_new(s, sizeof *bigger + cap);
  size_t len = s->s_in_len;
  if (!bigger)
    return false;
  if (len)
    memcpy(bigger->r_bytes, s->s_in->r_bytes, len);
  sx_stash_free(s);
  s->s_in = bigger;
  s->s_in_len = len;
  s->s_in_cap = cap;
  return true;
}

static bool stash(styx_session *s, const uint8_t *p, size_t len) {
  size_t need = s->s_in_len + len;
  const uint8_t *begin = s->s_in_len ? s->s_in->r_bytes : p;
  bool known = (s->s_in_len ? s->s_in_len : len) >= 4;
  if (len == 0)
    return true;
  if (need > s->s_in_cap && !grow(s, room_for(s, need, known ? sx_load32(begin) : 0))) {
    sx_end(s, "no memory for an incomplete message");
    return false;
  }
  if (s->s_in_len == 0)
    s->s_partial_since = s->s_now;
  memcpy(s->s_in->r_bytes + s->s_in_len, p, len);
  s->s_in_len = need;
  return true;
}

/* Parse what is in the stash. While it is parsed it belongs to this call, so that parsing may come back here. */
void sx_parse_on(styx_session *s) {
  if (!s->s_in_len || s->s_lent || !styx_session_wants_input(s))
    return;
  styx_req *in = s->s_in, *own = NULL;
  size_t len = s->s_in_len, cap = s->s_in_cap;
  s->s_in = NULL;
  s->s_in_len = s->s_in_cap = 0;
  if (len == cap && len >= STYX_HDRSZ && sx_load32(in->r_bytes) == len)
    own = in;
  bool offered = own != NULL;
  size_t used = sx_consume(s, in->r_bytes, len, &own);
  if (offered && !own)
    return; /* it is a request now */
  if (used < len && !s->s_ended && !s->s_hungup) {
    if (used) /* else every portion of a long message would cost its whole length */
      memmove(in->r_bytes, in->r_bytes + used, len - used);
    s->s_in = in;
    s->s_in_len = len - used;
    s->s_in_cap = cap;
    if (used)
      s->s_partial_since = s->s_now;
  } else {
    sx_keep_put(s, in, sizeof *in + cap);
  }
}

/* How many of the len bytes at p belong to the message that the stash has begun. */
static size_t missing(const styx_session *s, size_t len) {
  size_t have = s->s_in_len, want = have >= 4 ? sx_load32(s->s_in->r_bytes) : 4;
  if (want <= have)
    return len;
  return want - have < len ? want - have : len;
}

void styx_session_feed(styx_session *s, const void *buf, size_t len, uint64_t now) {
  const uint8_t *p = buf;
  sx_time(s, now);
  while (len > 0 && !s->s_hungup && !s->s_ended) {
    size_t take;
    if (s->s_in_len == 0 && styx_session_wants_input(s)) {
      take = sx_consume(s, p, len, &(styx_req *){NULL});
      if (take < len && !s->s_ended && stash(s, p + take, len - take))
        take = len;
    } else {
      take = styx_session_wants_input(s) ? missing(s, len) : len;
      if (!stash(s, p, take))
        break;
      sx_parse_on(s);
    }
    p += take;
    len -= take;
  }
  if (s->s_ended)
    sx_stash_free(s);
  sx_continue(s);
  sx_budget_settle(s);
}

/* ---- receiving into the stash ---- */

void *styx_session_room(styx_session *s, size_t least, size_t *len) {
  const size_t have = s->s_in_len, message = have >= 4 ? sx_load32(s->s_in->r_bytes) : 0;
  if (!styx_session_wants_input(s) || message <= have || message - have < least || message > sx_frame_limit(s))
    return NULL;
  if (s->s_in_cap == have && !grow(s, room_for(s, have + 1, message)))
    return NULL;
  const size_t room = (s->s_in_cap < message ? s->s_in_cap : message) - have;
  if (room < least)
    return NULL;
  *len = room;
  s->s_lent = true;
  return s->s_in->r_bytes + have;
}

void styx_session_received(styx_session *s, size_t len, uint64_t now) {
  s->s_lent = false;
  sx_time(s, now);
  if (s->s_hungup)
    return;
  s->s_in_len += len;
  sx_parse_on(s);
  if (s->s_ended)
    sx_stash_free(s);
  sx_continue(s);
  sx_budget_settle(s);
}
