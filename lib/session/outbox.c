/* outbox.c: bytes on their way to the peer, in the order in which they were decided. Small replies share head buffers; large
 * frames and memory that belongs to the filesystem are linked in as they are. */
#include "session/state.h"

#include <string.h>

/* Frames up to COPIED bytes are cheaper to copy than to link. */
enum { COPIED = 1024, HEAD_SIZE = 6144, HEAD_ROOM = HEAD_SIZE - sizeof(struct sx_head) };

/* ---- segments ---- */

static struct sx_segment *segment_init(styx_session *s, struct sx_segment *g, size_t room) {
  if (!g)
    return NULL;
  g->g_base = g->g_room;
  g->g_len = 0;
  g->g_size = sx_keep_size(sizeof *g + room);
  g->g_next = NULL;
  g->g_head = NULL;
  g->g_release = NULL;
  g->g_session = s;
  return g;
}

struct sx_segment *sx_segment_new(styx_session *s, size_t room) {
  return segment_init(s, sx_alloc(&s->s_alloc, sx_keep_size(sizeof(struct sx_segment) + room)), room);
}

struct sx_segment *sx_segment_kept(styx_session *s, size_t room) {
  return segment_init(s, sx_keep_pop(s, sizeof(struct sx_segment) + room), room);
}

void sx_out_rest(styx_session *s) {
  struct sx_head *h = s->s_out.o_head;
  if (!h || h->h_views)
    return;
  s->s_out.o_head = NULL;
  sx_keep_put(s, h, HEAD_SIZE);
}

/* The last of its views has gone: the head is used again, or it was full. */
static void unview(styx_session *s, struct sx_head *h) {
  if (--h->h_views)
    return;
  s->s_out.o_memory -= HEAD_SIZE;
  h->h_used = 0;
  if (h != s->s_out.o_head)
    sx_keep_put(s, h, HEAD_SIZE);
  else if (!s->s_keep.k_on)
    sx_out_rest(s);
}

void sx_segment_free(styx_session *s, struct sx_segment *g) {
  if (g->g_head)
    unview(s, g->g_head);
  sx_keep_put(s, g, g->g_size);
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
  g->g_next = NULL;
  if (o->o_last)
    o->o_last->g_next = g;
  else
    o->o_first = g;
  o->o_last = g;
  o->o_bytes += g->g_len;
  o->o_memory += g->g_size;
}

/* ---- room for small replies ---- */

/* A head with room for len bytes. */
static struct sx_head *head(styx_session *s, size_t len) {
  struct sx_outbox *o = &s->s_out;
  if (o->o_head && HEAD_ROOM - o->o_head->h_used >= len)
    return o->o_head;
  struct sx_head *h = sx_keep_new(s, HEAD_SIZE);
  if (!h)
    return NULL;
  h->h_used = h->h_views = 0;
  return o->o_head = h; /* that before it is full: it goes with its last view */
}

/* A segment at the end that len bytes may be added to. */
static struct sx_segment *view(styx_session *s, size_t len) {
  struct sx_segment *g = s->s_out.o_last;
  if (len > HEAD_ROOM) {
    if ((g = segment_init(s, sx_keep_new(s, sizeof *g + len), len)))
      append(s, g);
    return g;
  }
  struct sx_head *h = head(s, len);
  if (!h || (g && g->g_head == h))
    return h ? g : NULL;
  if (!(g = segment_init(s, sx_keep_new(s, sizeof *g), 0)))
    return NULL;
  g->g_head = h;
  g->g_base = h->h_bytes + h->h_used;
  if (h->h_views++ == 0)
    s->s_out.o_memory += HEAD_SIZE;
  append(s, g);
  return g;
}

enum { WASTE = 4 }; /* a byte to send may cost this many in memory, before that counts more than the bytes */

/* Small replies in large frames, or between lent memory, hold more than they send. */
static bool fuller_than(const styx_session *s, uint64_t limit) {
  return s->s_out.o_bytes > limit || s->s_out.o_memory / WASTE > limit;
}

/* Where the outbox is full; earlier when sessions hold more together than they may. */
static uint64_t most(const styx_session *s) {
  const uint64_t outbox = s->s_limits.outbox;
  return (outbox > STYX_BUDGET_FREE && sx_budget_spent(s) ? STYX_BUDGET_FREE : outbox) + s->s_msize;
}

/* The peer does not read: stop reading from it until half has gone (design.md 7, the single pause). */
static void pause_if_full(styx_session *s) {
  if (s->s_paused || !fuller_than(s, s->s_msize) || !fuller_than(s, most(s))) /* the first is what mostly decides */
    return;
  s->s_info.hits.outbox++;
  s->s_paused = true;
  s->s_progress = s->s_now;
}

static void tap_out(styx_session *s, const styx_span *spans, size_t n) {
  if (s->s_hooks.tap)
    s->s_hooks.tap(s->s_hook_arg, true, spans, n);
}

static void show(styx_session *s, uint8_t *frame, size_t len) {
  styx_msg m;
  tap_out(s, &(styx_span){frame, len}, 1);
  if (s->s_hooks.trace && styx_decode(&m, frame, len, 0, STYX_9P2000) > 0)
    s->s_hooks.trace(s->s_hook_arg, true, &m);
}

static void trace_out(styx_session *s, uint8_t *frame, size_t len) {
  s->s_info.messages_out++;
  if (s->s_hooks.tap || s->s_hooks.trace)
    show(s, frame, len);
}

/* Room for len contiguous bytes at the end; NULL ends the session: a reply that is owed could not be kept. */
static uint8_t *room(styx_session *s, size_t len) {
  struct sx_segment *g = view(s, len);
  if (!g) {
    sx_end(s, "no memory for a reply");
    return NULL;
  }
  uint8_t *at = g->g_base + g->g_len;
  g->g_len += len;
  s->s_out.o_bytes += len;
  if (g->g_head)
    g->g_head->h_used += len;
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

bool sx_out_frame(styx_req *r) {
  styx_session *s = r->r_session;
  uint8_t *at = r->r_frame;
  size_t len = r->r_frame_len;
  if (s->s_hungup)
    return false;
  if (len > COPIED) {
    r->r_segment->g_base = at;
    r->r_segment->g_len = len;
    append(s, r->r_segment);
    r->r_segment = NULL;
  } else if ((at = room(s, len))) {
    memcpy(at, r->r_frame, len);
  } else {
    return false;
  }
  trace_out(s, at, len);
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
    if (pieces[i].len)
      memcpy(whole + at, pieces[i].base, pieces[i].len);
  if (whole)
    m.data = whole;
  s->s_hooks.trace(s->s_hook_arg, true, &m);
  sx_free(&s->s_alloc, whole, count);
}

/* A header and what follows it in the outbox. */
static void show_lent(styx_session *s, uint16_t tag, uint8_t *header, const struct sx_segment *lent, size_t count) {
  styx_span pieces[1 + STYX_MAXREFS] = {{header, STYX_RREADHDRSZ}};
  size_t n = 1;
  for (; lent; lent = lent->g_next)
    pieces[n++] = (styx_span){lent->g_base, lent->g_len};
  tap_out(s, pieces, n);
  if (s->s_hooks.trace)
    trace_pieces(s, tag, pieces + 1, n - 1, count);
}

bool sx_out_ref(styx_req *r) {
  styx_session *s = r->r_session;
  const struct sx_segment *first = r->r_ref;
  size_t count = 0;
  uint8_t *at = s->s_hungup ? NULL : room(s, STYX_RREADHDRSZ);
  if (!at)
    return false;
  for (struct sx_segment *g; (g = r->r_ref);) {
    r->r_ref = g->g_next;
    count += g->g_len;
    append(s, g);
  }
  sx_rread_header(at, r->r_tag, (uint32_t)count);
  s->s_info.messages_out++;
  if (s->s_hooks.tap || s->s_hooks.trace)
    show_lent(s, r->r_tag, at, first, count);
  pause_if_full(s);
  return true;
}

static void drop_first(styx_session *s) {
  struct sx_segment *g = s->s_out.o_first;
  s->s_out.o_first = g->g_next;
  if (!g->g_next)
    s->s_out.o_last = NULL;
  s->s_out.o_offset = 0;
  s->s_out.o_memory -= g->g_size;
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

bool styx_session_sent(styx_session *s, size_t len, uint64_t now) {
  struct sx_outbox *o = &s->s_out;
  sx_time(s, now);
  if (len > o->o_bytes)
    len = o->o_bytes;
  o->o_bytes -= len;
  if (len)
    s->s_progress = s->s_now;
  o->o_offset += len;
  while (o->o_first && o->o_offset >= o->o_first->g_len) {
    size_t over = o->o_offset - o->o_first->g_len;
    drop_first(s);
    o->o_offset = over;
  }
  bool resumes = s->s_paused && !fuller_than(s, most(s) / 2);
  if (resumes) {
    s->s_paused = false;
    s->s_partial_since = s->s_now; /* nothing was read meanwhile: that is not the peer's delay */
  }
  const bool more = resumes || !sx_list_empty(&s->s_hungry);
  if (more)
    sx_continue(s);
  sx_budget_settle(s);
  return more || !sx_list_empty(&s->s_work);
}
