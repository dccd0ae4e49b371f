/* outbox.c: bytes on their way to the peer, in the order in which they were decided. Small replies share head buffers; large
 * frames and memory that belongs to the filesystem are linked in as they are. */
#include "session/state.h"

#include <string.h>

enum { HEAD_SIZE = 4096, COPIED = 1024 }; /* frames up to COPIED bytes are cheaper to copy than to link */

static struct sx_segment *segment_new(styx_session *s, size_t cap) {
  struct sx_segment *g = sx_zalloc(&s->s_alloc, sizeof *g);
  if (!g)
    return NULL;
  g->g_session = s;
  if (cap && !(g->g_base = sx_alloc(&s->s_alloc, cap))) {
    sx_free(&s->s_alloc, g, sizeof *g);
    return NULL;
  }
  g->g_cap = cap;
  return g;
}

struct sx_segment *sx_segment_of_ref(styx_session *s, void *data, size_t len) {
  struct sx_segment *g = segment_new(s, 0);
  if (g) {
    g->g_base = data;
    g->g_len = len;
  }
  return g;
}

void sx_segment_free(styx_session *s, struct sx_segment *g) {
  if (g->g_cap)
    sx_free(&s->s_alloc, g->g_base, g->g_cap);
  sx_free(&s->s_alloc, g, sizeof *g);
}

void sx_segments_free(styx_session *s, struct sx_segment *first) {
  for (struct sx_segment *next; first; first = next) {
    next = first->g_next;
    sx_segment_free(s, first);
  }
}

/* The bytes are not needed any more: memory that belongs to somebody is given back by a work item. */
void sx_segment_over(styx_session *s, struct sx_segment *g) {
  if (!g->g_release) {
    sx_segment_free(s, g);
    return;
  }
  s->s_nreleases++;
  sx_work_push(s, &g->g_work, SX_RELEASE);
}

static void append(styx_session *s, struct sx_segment *g) {
  struct sx_outbox *o = &s->s_out;
  if (o->o_last)
    o->o_last->g_next = g;
  else
    o->o_first = g;
  o->o_last = g;
  o->o_bytes += g->g_len;
  o->o_memory += sizeof *g + g->g_cap;
}

enum { WASTE = 4 }; /* a byte to send may cost this many in memory, before that counts more than the bytes */

/* Small replies in large frames, or between lent memory, hold more than they send. */
static bool fuller_than(const styx_session *s, uint64_t limit) {
  return s->s_out.o_bytes > limit || s->s_out.o_memory / WASTE > limit;
}

/* The peer does not read: stop reading from it until half has gone (design.md 7, the single pause). */
static void pause_if_full(styx_session *s) {
  if (s->s_paused || !fuller_than(s, s->s_limits.outbox + s->s_msize))
    return;
  s->s_info.hits.outbox++;
  s->s_paused = true;
  s->s_progress = s->s_now;
}

static void tap_out(styx_session *s, const styx_span *spans, size_t n) {
  if (s->s_hooks.tap)
    s->s_hooks.tap(s->s_hook_arg, true, spans, n);
}

static void trace_out(styx_session *s, uint8_t *frame, size_t len) {
  styx_msg m;
  s->s_info.messages_out++;
  tap_out(s, &(styx_span){frame, len}, 1);
  if (s->s_hooks.trace && styx_decode(&m, frame, len, 0, STYX_9P2000) > 0)
    s->s_hooks.trace(s->s_hook_arg, true, &m);
}

/* Room for len contiguous bytes at the end; NULL ends the session: a reply that is owed could not be kept. */
static uint8_t *room(styx_session *s, size_t len) {
  struct sx_segment *g = s->s_out.o_last;
  if (!g || !g->g_shared || g->g_cap - g->g_len < len) {
    g = segment_new(s, len > HEAD_SIZE ? len : HEAD_SIZE);
    if (!g) {
      sx_end(s, "no memory for a reply");
      return NULL;
    }
    g->g_shared = true;
    append(s, g);
  }
  uint8_t *at = g->g_base + g->g_len;
  g->g_len += len;
  s->s_out.o_bytes += len;
  return at;
}

bool sx_out_msg(styx_session *s, const styx_msg *m) {
  ptrdiff_t size = styx_encoded_size(m, STYX_9P2000);
  uint8_t *at;
  if (s->s_hungup || size < 0 || !(at = room(s, (size_t)size)))
    return false;
  (void)styx_encode(at, (size_t)size, m, STYX_9P2000);
  trace_out(s, at, (size_t)size);
  pause_if_full(s);
  return true;
}

/* An error text is the one thing that may be shortened (contract 1.1). */
bool sx_out_error(styx_session *s, uint16_t tag, styx_err err, const char *text) {
  size_t most = (s->s_msize ? s->s_msize : STYX_MINMSIZE) - STYX_HDRSZ - 2;
  styx_str words = styx_str_of(text ? text : styx_err_text(err));
  s->s_info.hits.ename += words.len > s->s_limits.ename;
  if (most > s->s_limits.ename)
    most = (size_t)s->s_limits.ename;
  styx_msg m = {.type = STYX_Rerror, .tag = tag};
  m.ename = styx_str_cut(words, most < UINT16_MAX ? most : UINT16_MAX);
  return sx_out_msg(s, &m);
}

bool sx_out_frame(styx_session *s, uint8_t **frame, size_t size, size_t len) {
  if (s->s_hungup)
    return false;
  if (len <= COPIED) {
    uint8_t *at = room(s, len);
    if (!at)
      return false;
    memcpy(at, *frame, len);
    sx_free(&s->s_alloc, *frame, size);
    *frame = NULL;
    trace_out(s, at, len);
  } else {
    struct sx_segment *g = segment_new(s, 0);
    if (!g) {
      sx_end(s, "no memory for a reply");
      return false;
    }
    g->g_base = *frame;
    g->g_cap = size;
    g->g_len = len;
    *frame = NULL;
    append(s, g);
    trace_out(s, g->g_base, len);
  }
  pause_if_full(s);
  return true;
}

/* A trace sees a message whole: what is in several pieces is put together for it. */
static void trace_pieces(styx_session *s, uint16_t tag, const styx_span *pieces, size_t n, size_t count) {
  styx_msg m = {.type = STYX_Rread, .tag = tag, .count = (uint32_t)count, .data = n ? pieces[0].base : NULL};
  uint8_t *whole = n > 1 ? sx_alloc(&s->s_alloc, count) : NULL;
  if (n > 1 && !whole)
    return;
  for (size_t i = 0, at = 0; whole && i < n; at += pieces[i++].len)
    memcpy(whole + at, pieces[i].base, pieces[i].len);
  if (whole)
    m.data = whole;
  s->s_hooks.trace(s->s_hook_arg, true, &m);
  sx_free(&s->s_alloc, whole, count);
}

bool sx_out_ref(styx_session *s, uint16_t tag, struct sx_segment **ref) {
  styx_span pieces[1 + STYX_MAXREFS];
  size_t n = 0, count = 0;
  uint8_t *at = s->s_hungup ? NULL : room(s, STYX_RREADHDRSZ);
  if (!at)
    return false;
  pieces[n++] = (styx_span){at, STYX_RREADHDRSZ};
  for (struct sx_segment *g; (g = *ref);) {
    *ref = g->g_next;
    g->g_next = NULL;
    pieces[n++] = (styx_span){g->g_base, g->g_len};
    count += g->g_len;
    append(s, g);
  }
  sx_rread_header(at, tag, (uint32_t)count);
  s->s_info.messages_out++;
  tap_out(s, pieces, n);
  if (s->s_hooks.trace)
    trace_pieces(s, tag, pieces + 1, n - 1, count);
  pause_if_full(s);
  return true;
}

static void drop_first(styx_session *s) {
  struct sx_segment *g = s->s_out.o_first;
  s->s_out.o_first = g->g_next;
  if (!g->g_next)
    s->s_out.o_last = NULL;
  s->s_out.o_offset = 0;
  s->s_out.o_memory -= sizeof *g + g->g_cap;
  sx_segment_over(s, g);
}

void sx_out_clear(styx_session *s) {
  while (s->s_out.o_first)
    drop_first(s);
  s->s_out.o_bytes = 0;
  s->s_paused = false;
}

size_t styx_session_pending_bytes(const styx_session *s) { return s->s_out.o_bytes; }

size_t styx_session_pending(const styx_session *s, styx_span *spans, size_t n) {
  size_t used = 0, skip = s->s_out.o_offset;
  for (const struct sx_segment *g = s->s_out.o_first; g && used < n; g = g->g_next, skip = 0)
    if (g->g_len > skip)
      spans[used++] = (styx_span){g->g_base + skip, g->g_len - skip};
  return used;
}

void styx_session_sent(styx_session *s, size_t len, uint64_t now) {
  struct sx_outbox *o = &s->s_out;
  s->s_now = now;
  if (len > o->o_bytes)
    len = o->o_bytes;
  o->o_bytes -= len;
  if (len)
    s->s_progress = now;
  o->o_offset += len;
  while (o->o_first && o->o_offset >= o->o_first->g_len) {
    size_t over = o->o_offset - o->o_first->g_len;
    drop_first(s);
    o->o_offset = over;
  }
  bool resumes = s->s_paused && !fuller_than(s, (s->s_limits.outbox + s->s_msize) / 2);
  if (resumes) {
    s->s_paused = false;
    s->s_partial_since = now; /* nothing was read meanwhile: that is not the peer's delay */
  }
  if (resumes || !sx_list_empty(&s->s_hungry))
    sx_continue(s);
}
