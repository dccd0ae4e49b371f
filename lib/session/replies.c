/* replies.c: what handlers call, on any thread and without the lock: publish an answer, and learn of cancellation. */
#include "session/state.h"
#include "wire/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const styx_answer ANSWERED = {1};

/* Exactly one answer counts: RUNNING -> ANSWERED is won once. An armed callback is disarmed by the same step. */
static bool claim(styx_req *r) {
  uint32_t word = atomic_load_explicit(&r->r_word, memory_order_relaxed);
  do {
    if ((word & SX_STATE) != SX_RUNNING) {
      atomic_fetch_add_explicit(&r->r_session->s_duplicates, 1, memory_order_relaxed);
      return false;
    }
    /* acquire: the room that another thread may have made; release: pairs with ask in flush.c */
  } while (!atomic_compare_exchange_weak_explicit(&r->r_word, &word, (word & ~(SX_STATE | SX_ARMED)) | SX_ANSWERED,
                                                  memory_order_acq_rel, memory_order_relaxed));
  return true;
}

/* r may be gone when this returns. */
static styx_answer publish(styx_req *r, enum sx_answer kind) {
  r->r_answer = kind;
  sx_post(r->r_session, &r->r_post, SX_ANSWER);
  return ANSWERED;
}

static styx_answer publish_error(styx_req *r, styx_err err) {
  r->r_err = err ? err : EIO;
  return publish(r, SX_A_ERROR);
}

styx_answer styx_later(styx_req *req) {
  (void)req;
  return ANSWERED;
}

styx_answer styx_reply_ok(styx_req *req) { return claim(req) ? publish(req, SX_A_OK) : ANSWERED; }

styx_answer styx_reply_error(styx_req *req, styx_err err) { return claim(req) ? publish_error(req, err) : ANSWERED; }

/* Room behind the message in the request itself. */
static uint8_t *own_room(styx_req *r, size_t *cap) {
  *cap = r->r_size - sizeof *r - r->r_len;
  return r->r_bytes + r->r_len;
}

/* Words in memory that is freed with r; NULL: there is none. */
static STYX_PRINTF(2, 0) char *words(styx_req *r, const char *fmt, va_list args) {
  va_list again;
  size_t cap;
  char *text = (char *)own_room(r, &cap);
  va_copy(again, args);
  int len = vsnprintf(text, cap, fmt, args);
  r->r_text_size = 0;
  if (len < 0) {
    text = NULL;
  } else if ((size_t)len >= cap) {
    r->r_text_size = (size_t)len + 1;
    text = sx_alloc(&r->r_session->s_alloc, r->r_text_size);
    if (text)
      vsnprintf(text, r->r_text_size, fmt, again);
  }
  va_end(again);
  return text;
}

styx_answer styx_reply_error_text(styx_req *req, styx_err err, const char *fmt, ...) {
  if (!claim(req))
    return ANSWERED;
  va_list args;
  va_start(args, fmt);
  req->r_text = words(req, fmt, args);
  va_end(args);
  return publish_error(req, err); /* without memory for the words: err's own */
}

styx_answer styx_reply_interrupted(styx_req *req) { return claim(req) ? publish(req, SX_A_INTERRUPTED) : ANSWERED; }

styx_answer styx_reply_pass(styx_req *req, const styx_fs *fs) {
  if (!claim(req))
    return ANSWERED;
  req->r_fs = fs;
  return publish(req, SX_A_PASS);
}

bool styx_req_may_block(const styx_req *req) { return req->r_may_block; }

styx_answer styx_reply_would_block(styx_req *req) { return claim(req) ? publish(req, SX_A_WOULD_BLOCK) : ANSWERED; }

styx_answer styx_reply_node(styx_req *req, void *node, styx_qid qid) {
  if (!claim(req))
    return ANSWERED;
  req->r_ans_node = node;
  req->r_qid = qid;
  return publish(req, SX_A_NODE);
}

styx_answer styx_reply_open(styx_req *req, styx_qid qid, void *handle) {
  if (!claim(req))
    return ANSWERED;
  req->r_qid = qid;
  req->r_ans_handle = handle;
  return publish(req, SX_A_OPEN);
}

styx_answer styx_reply_create(styx_req *req, void *node, styx_qid qid, void *handle) {
  if (!claim(req))
    return ANSWERED;
  req->r_ans_node = node;
  req->r_qid = qid;
  req->r_ans_handle = handle;
  return publish(req, SX_A_CREATE);
}

void styx_req_stream(styx_req *req) { req->r_stream = true; }

uint64_t styx_req_deadline(const styx_req *req) {
  uint64_t bound = req->r_session->s_limits.request;
  return bound && !req->r_must_run && bound < UINT64_MAX - req->r_since ? req->r_since + bound : UINT64_MAX;
}

void styx_req_iounit(styx_req *req, uint32_t iounit) { req->r_iounit = iounit; }

styx_answer styx_reply_count(styx_req *req, uint32_t count) {
  if (!claim(req))
    return ANSWERED;
  req->r_count = count < req->r_msg.count ? count : req->r_msg.count;
  return publish(req, SX_A_COUNT);
}

/* ---- data: written into the frame that will be sent ---- */

static uint8_t *put_header(uint8_t *p, uint32_t size, uint8_t type, uint16_t tag) {
  return sx_put16(sx_put8(sx_put32(p, size), type), tag);
}

void sx_rread_header(uint8_t *p, uint16_t tag, uint32_t count) {
  sx_put32(put_header(p, STYX_RREADHDRSZ + count, STYX_Rread, tag), count);
}

/* Where a frame begins whose data is to be aligned. Copying a page to a place that is up to 31 bytes past its own, modulo 4096,
 * takes machines with "fast short rep mov" up to 25 times as long; between aligned places that does not happen. */
enum { DATA_ALIGN = 32 };
static uint8_t *aligned_frame(uint8_t *room) {
  return room + (-((uintptr_t)room + STYX_RREADHDRSZ) & (DATA_ALIGN - 1));
}

/* A small one is made in the request itself, any other in what has been lent for it, or in memory of its own. One that is too small
 * for what is answered after all is made anew. */
static uint8_t *frame(styx_req *r, size_t size) {
  size_t cap;
  uint8_t *room = own_room(r, &cap);
  if (r->r_frame && size <= r->r_frame_size)
    return r->r_frame;
  r->r_frame = NULL;
  r->r_frame_len = 0;
  if (size > cap) {
    if (r->r_segment && r->r_segment->g_size < sizeof *r->r_segment + size + DATA_ALIGN) {
      sx_free(&r->r_session->s_alloc, r->r_segment, r->r_segment->g_size); /* lent, or made, for less */
      r->r_segment = NULL;
    }
    if (!r->r_segment && !(r->r_segment = sx_segment_new(r->r_session, size + DATA_ALIGN)))
      return NULL;
    room = aligned_frame(r->r_segment->g_room);
  }
  r->r_frame_size = size;
  return r->r_frame = room;
}

static styx_answer publish_frame(styx_req *r, enum sx_answer kind, size_t len) {
  sx_rread_header(r->r_frame, r->r_tag, (uint32_t)len);
  r->r_frame_len = STYX_RREADHDRSZ + len;
  return publish(r, kind);
}

void *styx_req_room(styx_req *req, size_t *cap) {
  *cap = req->r_msg.count;
  uint8_t *f = frame(req, STYX_RREADHDRSZ + (size_t)req->r_msg.count);
  return f ? f + STYX_RREADHDRSZ : NULL;
}

styx_answer styx_reply_filled(styx_req *req, size_t len) {
  if (!claim(req))
    return ANSWERED;
  size_t cap = req->r_frame ? req->r_frame_size - STYX_RREADHDRSZ : 0;
  if (!frame(req, STYX_RREADHDRSZ))
    return publish_error(req, ENOMEM);
  return publish_frame(req, SX_A_DATA, len < cap ? len : cap);
}

styx_answer styx_reply_data(styx_req *req, const void *data, size_t len) {
  if (!claim(req))
    return ANSWERED;
  if (len > req->r_msg.count)
    len = req->r_msg.count;
  if (!frame(req, STYX_RREADHDRSZ + len))
    return publish_error(req, ENOMEM);
  if (len)
    memcpy(req->r_frame + STYX_RREADHDRSZ, data, len);
  return publish_frame(req, SX_A_DATA, len);
}

styx_answer styx_reply_slice(styx_req *req, const void *file, size_t len) {
  uint64_t offset = req->r_msg.offset;
  if (offset >= len)
    return styx_reply_data(req, "", 0);
  return styx_reply_data(req, (const char *)file + offset, len - (size_t)offset);
}

/* One segment for each span that has any of the bytes asked for, at least one; the last has the release. The first may be there
 * already. False: no memory; what was made goes with the request. */
static bool link_spans(styx_req *r, const styx_span *spans, size_t n, styx_release_fn *release, void *arg) {
  struct sx_segment **at = &r->r_ref, *last = NULL;
  size_t count = r->r_msg.count;
  for (size_t i = 0; !last || (i < n && count); i++) {
    if (!*at && !(*at = sx_segment_new(r->r_session, 0)))
      return false;
    last = *at;
    last->g_base = i < n ? spans[i].base : NULL;
    last->g_len = i >= n ? 0 : spans[i].len < count ? spans[i].len : count;
    count -= last->g_len;
    at = &last->g_next;
  }
  last->g_release = release;
  last->g_release_arg = arg;
  return true;
}

styx_answer styx_reply_refs(styx_req *req, const styx_span *spans, size_t n, styx_release_fn *release, void *arg) {
  if (!claim(req)) {
    release(arg);
    return ANSWERED;
  }
  if (n > STYX_MAXREFS || !link_spans(req, spans, n, release, arg)) {
    release(arg);
    return publish_error(req, n <= STYX_MAXREFS ? ENOMEM : EIO);
  }
  return publish(req, SX_A_REF);
}

styx_answer styx_reply_ref(styx_req *req, const void *data, size_t len, styx_release_fn *release, void *arg) {
  /* Only read: a span has no const because struct iovec has none. */
  return styx_reply_refs(req, &(styx_span){(void *)(uintptr_t)data, len}, 1, release, arg);
}

/* ---- attributes and directory entries ---- */

static uint32_t seconds(styx_time t) {
  return t.sec < 0 ? 0 : t.sec > (int64_t)UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)t.sec;
}

static styx_str name_or_number(styx_str name, uint32_t number, char buf[12]) {
  if (name.len)
    return name;
  return (styx_str){buf, (size_t)snprintf(buf, 12, "%u", (unsigned)number)};
}

void styx_attr_stat(styx_stat *st, const styx_attr *a, styx_attr_numbers *n) {
  st->type = 0;
  st->dev = 0;
  st->qid = a->qid;
  st->mode = a->mode;
  st->atime = seconds(a->atime);
  st->mtime = seconds(a->mtime);
  st->length = a->mode & STYX_DMDIR ? 0 : a->length;
  st->name = a->name;
  st->uid = name_or_number(a->uid, a->n_uid, n->uid);
  st->gid = name_or_number(a->gid, a->n_gid, n->gid);
  st->muid = name_or_number(a->muid, a->n_muid, n->muid);
}

bool styx_req_wants_attr(const styx_req *req) {
  (void)req;
  return true; /* 9P2000 reads directories as stat records */
}

enum { RSTATHDRSZ = STYX_HDRSZ + 2 };

static styx_err copy_attr(styx_req *r, const styx_attr *attr) {
  styx_attr_numbers names;
  styx_stat st;
  styx_attr_stat(&st, attr, &names);
  ptrdiff_t record = styx_stat_size(&st, STYX_9P2000);
  size_t size = RSTATHDRSZ + (size_t)record;
  if (record < 0 || size > r->r_session->s_msize)
    return STYX_ENOFIT;
  if (!frame(r, size))
    return ENOMEM;
  uint8_t *p = sx_put16(put_header(r->r_frame, (uint32_t)size, STYX_Rstat, r->r_tag), (uint16_t)record);
  sx_put_stat(p, &st, (size_t)record, STYX_9P2000);
  r->r_frame_len = size;
  r->r_prepared = false;
  return STYX_OK;
}

void styx_req_attr(styx_req *req, const styx_attr *attr) { req->r_err = copy_attr(req, attr); }

styx_answer styx_reply_attr(styx_req *req, const styx_attr *attr) {
  if (!claim(req))
    return ANSWERED;
  styx_err err = attr ? copy_attr(req, attr) : req->r_err;
  return err || !req->r_frame_len ? publish_error(req, err) : publish(req, SX_A_ATTR);
}

/* Linux asks for what is left of its buffer and takes 0 bytes for "not now". At the start of a directory that would say that
 * it is empty, and at an entry that no read can carry that it ends there. */
static bool ever_fits(const styx_req *r, const styx_stat *st) {
  ptrdiff_t size = styx_stat_size(st, STYX_9P2000);
  return size >= 0 && (size_t)size <= r->r_session->s_msize - STYX_RREADHDRSZ;
}

bool styx_dir_add(styx_req *req, const styx_dirent *entry) {
  styx_attr_numbers names;
  if (!req->r_frame_len || req->r_prepared) {
    req->r_prepared = false;
    if (!frame(req, STYX_RREADHDRSZ + (size_t)req->r_msg.count)) {
      req->r_err = ENOMEM;
      return false;
    }
    req->r_frame_len = STYX_RREADHDRSZ;
  }
  styx_stat st;
  styx_attr_stat(&st, &entry->attr, &names);
  ptrdiff_t n =
      styx_stat_encode(req->r_frame + req->r_frame_len, req->r_frame_size - req->r_frame_len, &st, STYX_9P2000);
  if (n < 0) {
    if (req->r_frame_len == STYX_RREADHDRSZ && (req->r_msg.offset == 0 || !ever_fits(req, &st)))
      req->r_err = STYX_ESMALLBUF;
    return false;
  }
  req->r_frame_len += (size_t)n;
  req->r_cookie = entry->cookie;
  return true;
}

styx_answer styx_reply_dir(styx_req *req) {
  if (!claim(req))
    return ANSWERED;
  if (req->r_err)
    return publish_error(req, req->r_err);
  if (!req->r_frame_len) { /* no entry at all: the end */
    if (!frame(req, STYX_RREADHDRSZ))
      return publish_error(req, ENOMEM);
    req->r_frame_len = STYX_RREADHDRSZ;
  }
  return publish_frame(req, SX_A_DIR, req->r_frame_len - STYX_RREADHDRSZ);
}

/* ---- whole messages ---- */

styx_err styx_req_prepare(styx_req *req, const styx_msg *reply) {
  const styx_msg *t = &req->r_msg;
  styx_msg m = *reply;
  if (m.type != t->type + 1)
    return EIO;
  m.tag = req->r_tag;
  if ((m.type == STYX_Rread || m.type == STYX_Rwrite) && m.count > t->count)
    m.count = t->count;
  ptrdiff_t size = styx_encoded_size(&m, STYX_9P2000);
  if (size < 0 || (size_t)size > req->r_session->s_msize)
    return STYX_ENOFIT;
  if (!frame(req, (size_t)size))
    return ENOMEM;
  (void)styx_encode(req->r_frame, (size_t)size, &m, STYX_9P2000);
  req->r_frame_len = (size_t)size;
  req->r_prepared = true;
  req->r_binds = t->type != STYX_Twalk || m.nwqid == t->nwname;
  return STYX_OK;
}

styx_answer styx_reply_msg(styx_req *req, const styx_msg *reply) {
  if (reply && reply->type == STYX_Rerror) {
    styx_str words = reply->ename;
    return styx_reply_error_text(req, styx_err_from_text(words.s, words.len), "%.*s", (int)words.len, words.s);
  }
  if (!claim(req))
    return ANSWERED;
  styx_err err = reply ? styx_req_prepare(req, reply) : req->r_prepared ? STYX_OK : EIO;
  return err ? publish_error(req, err) : publish(req, SX_A_MSG);
}

/* ---- cancellation ---- */

bool styx_req_cancelled(const styx_req *req) {
  return (atomic_load_explicit(&req->r_word, memory_order_acquire) & SX_ASKED) != 0;
}

static bool disarm(styx_req *r) {
  uint32_t word = atomic_load_explicit(&r->r_word, memory_order_acquire);
  while (word & SX_ARMED) /* pairs with: run_cancel, which turns ARMED into STARTED */
    if (atomic_compare_exchange_weak_explicit(&r->r_word, &word, word & ~SX_ARMED, memory_order_acq_rel,
                                              memory_order_acquire))
      return true;
  return !(word & SX_STARTED);
}

bool styx_req_on_cancel(styx_req *req, styx_cancel_fn *fn, void *arg) {
  if (!fn)
    return disarm(req);
  if (!disarm(req))
    return true; /* it has been called already: once is all */
  req->r_cancel_fn = fn;
  req->r_cancel_arg = arg;
  uint32_t word = atomic_load_explicit(&req->r_word, memory_order_acquire);
  for (;;) {
    /* release: fn and arg before ARMED. Either we see ASKED here, or ask sees ARMED. */
    uint32_t mark = word & SX_ASKED ? SX_STARTED : SX_ARMED;
    if (atomic_compare_exchange_weak_explicit(&req->r_word, &word, word | mark, memory_order_acq_rel,
                                              memory_order_acquire)) {
      if (mark == SX_STARTED)
        fn(req, arg);
      return true;
    }
  }
}

int styx_req_cancel_fd(styx_req *req) {
  const styx_session *s = req->r_session;
  if (req->r_cancel_fd >= 0 || !s->s_hooks.cancel_fd_new)
    return req->r_cancel_fd;
  int fd = s->s_hooks.cancel_fd_new(s->s_hook_arg);
  if (fd < 0)
    return -1;
  req->r_cancel_fd = fd;
  /* release: the descriptor before the bit. Either we see ASKED here, or ask sees HAS_FD. */
  if (atomic_fetch_or_explicit(&req->r_word, SX_HAS_FD, memory_order_acq_rel) & SX_ASKED)
    s->s_hooks.cancel_fd_signal(s->s_hook_arg, fd);
  return fd;
}
