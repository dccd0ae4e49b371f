/* transfer.c: whole files, several requests outstanding, their data in order. */
#include "client/mux.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_WINDOW 8u
#define MAX_WINDOW 256u
#define PORTION (256u * 1024) /* one request moves at most so much: larger ones are not faster */
#define MIN_PORTION 4096u

/* Calls in flight, oldest first; each has its own buffer. */
struct window {
  styx_client *c;
  uint32_t fid, portion, size, head, used;
  styx_call *calls;
  uint8_t *room;
  uint64_t next; /* where the next request starts */
};

static styx_call *oldest(struct window *w) { return &w->calls[w->head]; }

static styx_call *fresh(struct window *w) {
  uint32_t i = (w->head + w->used) % w->size;
  styx_call *call = &w->calls[i];
  call->buf = w->room + (size_t)i * w->portion;
  call->cap = w->portion;
  return call;
}

static void pop(struct window *w) {
  w->head = (w->head + 1) % w->size;
  w->used--;
}

static uint32_t portion_of(const styx_client *c, const styx_transfer *how) {
  uint32_t n = c->msize - STYX_IOHDRSZ;
  if (how->iounit && how->iounit < n)
    n = how->iounit;
  return n < PORTION ? n : PORTION;
}

/* What is small needs no more room than its own size, and one request past its end. */
static styx_transfer shape(const styx_client *c, const styx_transfer *how) {
  styx_transfer t = how ? *how : (styx_transfer){0};
  uint32_t most = portion_of(c, &t);
  uint64_t len = t.length > t.offset ? t.length - t.offset : 0;
  uint64_t want = len / most + 2;
  uint32_t window = t.window ? t.window : DEFAULT_WINDOW;
  t.window = len > 0 && want < window ? (uint32_t)want : window;
  if (len > 0 && len < most)
    t.iounit = len < MIN_PORTION ? (most < MIN_PORTION ? most : MIN_PORTION) : (uint32_t)len;
  return t;
}

static void window_fini(struct window *w) {
  sx_free(w->c->alloc, w->calls, w->size * sizeof *w->calls);
  sx_free(w->c->alloc, w->room, (size_t)w->size * w->portion);
}

static styx_err window_init(struct window *w, styx_client *c, uint32_t fid, const styx_transfer *how) {
  *w = (struct window){.c = c, .fid = fid, .portion = portion_of(c, how), .next = how->offset};
  w->size = how->window ? how->window : DEFAULT_WINDOW;
  if (w->size > MAX_WINDOW)
    w->size = MAX_WINDOW;
  w->calls = sx_zalloc(c->alloc, w->size * sizeof *w->calls);
  w->room = sx_alloc(c->alloc, (size_t)w->size * w->portion);
  if (w->calls && w->room)
    return STYX_OK;
  window_fini(w);
  return ENOMEM;
}

/* Give up what is still outstanding; the reason's words survive. */
static styx_err abandon(struct window *w, styx_err err, const char *words) {
  char kept[STYX_ERRMAX] = "";
  if (words)
    memcpy(kept, words, strnlen(words, sizeof kept - 1));
  for (uint32_t i = 0; i < w->used; i++)
    (void)styx_call_cancel(&w->calls[(w->head + i) % w->size]);
  for (; w->used > 0; pop(w))
    (void)styx_call_wait(oldest(w));
  return sx_words_set(err, kept);
}

/* ---- reading ---- */

static void ask(struct window *w, uint64_t offset, uint32_t count) {
  styx_call *call = fresh(w);
  call->t = (styx_msg){.type = STYX_Tread, .fid = w->fid, .offset = offset, .count = count};
  (void)styx_call_submit(w->c, call); /* its error comes back from the wait */
  w->used++;
}

/* Up to the known length as much as the window takes; past it one at a time, since each tells where the next starts. */
static void ask_ahead(struct window *w, uint64_t length) {
  while (w->used < w->size && w->next < length) {
    uint64_t left = length - w->next;
    uint32_t count = left < w->portion ? (uint32_t)left : w->portion;
    ask(w, w->next, count);
    w->next += count;
  }
  if (w->used < w->size && w->next >= length) {
    bool past = false;
    for (uint32_t i = 0; i < w->used; i++)
      past = past || w->calls[(w->head + i) % w->size].t.offset >= length;
    if (!past)
      ask(w, w->next, w->portion);
  }
}

/* The oldest has given got bytes. A short one before the end is asked for the rest, in its place. */
static void advance(struct window *w, uint64_t length, uint32_t got) {
  styx_call *call = oldest(w);
  if (call->t.offset >= length) {
    w->next = call->t.offset + got;
    pop(w);
  } else if (got == call->t.count) {
    pop(w);
  } else {
    call->t.offset += got;
    call->t.count -= got;
    (void)styx_call_submit(w->c, call);
  }
}

styx_err styx_client_get(styx_client *client, uint32_t fid, const styx_transfer *how, styx_sink_fn *sink, void *arg,
                         uint64_t *moved) {
  styx_transfer t = shape(client, how);
  struct window w;
  uint64_t total = 0;
  if (t.length <= t.offset)
    t.window = 1;
  styx_err err = window_init(&w, client, fid, &t);
  if (moved)
    *moved = 0;
  if (err)
    return sx_words_set(err, NULL);
  for (;;) {
    ask_ahead(&w, t.length);
    styx_call *call = oldest(&w);
    if ((err = styx_call_wait(call)) != STYX_OK || call->r.count == 0)
      break;
    uint32_t got = call->r.count;
    if ((err = sink(arg, call->buf, got)) != STYX_OK) {
      sx_words_set(err, NULL);
      break;
    }
    total += got;
    advance(&w, t.length, got);
  }
  char words[STYX_ERRMAX];
  memcpy(words, styx_client_words(), sizeof words);
  err = abandon(&w, err, words);
  window_fini(&w);
  if (moved)
    *moved = total;
  return err;
}

/* ---- writing ---- */

static styx_err send_next(struct window *w, styx_source_fn *source, void *arg, bool *end) {
  styx_call *call = fresh(w);
  size_t got = 0;
  styx_err err = source(arg, call->buf, w->portion, &got);
  if (err)
    return sx_words_set(err, NULL);
  *end = got == 0;
  if (*end)
    return STYX_OK;
  call->t =
      (styx_msg){.type = STYX_Twrite, .fid = w->fid, .offset = w->next, .count = (uint32_t)got, .data = call->buf};
  (void)styx_call_submit(w->c, call);
  w->used++;
  w->next += got;
  return STYX_OK;
}

/* Wait for the oldest until the server has all of it. */
static styx_err settle(struct window *w, uint64_t *total) {
  styx_call *call = oldest(w);
  for (;;) {
    styx_err err = styx_call_wait(call);
    if (err)
      return err;
    uint32_t put = call->r.count;
    if (put == 0)
      return sx_words_set(EIO, "the server wrote nothing");
    *total += put;
    if (put == call->t.count)
      break;
    call->t.data += put;
    call->t.offset += put;
    call->t.count -= put;
    (void)styx_call_submit(w->c, call);
  }
  pop(w);
  return STYX_OK;
}

styx_err styx_client_put(styx_client *client, uint32_t fid, const styx_transfer *how, styx_source_fn *source, void *arg,
                         uint64_t *moved) {
  styx_transfer t = shape(client, how);
  struct window w;
  uint64_t total = 0;
  bool end = false;
  styx_err err = window_init(&w, client, fid, &t);
  if (moved)
    *moved = 0;
  if (err)
    return sx_words_set(err, NULL);
  while (!err && (!end || w.used > 0)) {
    if (!end && w.used < w.size)
      err = send_next(&w, source, arg, &end);
    else
      err = settle(&w, &total);
  }
  char words[STYX_ERRMAX];
  memcpy(words, styx_client_words(), sizeof words);
  err = abandon(&w, err, words);
  window_fini(&w);
  if (moved)
    *moved = total;
  return err;
}
