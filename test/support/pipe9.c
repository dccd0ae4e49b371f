/* pipe9.c: a 9P client joined to a session memory to memory. */
#include "support/pipe9.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static void *heap_alloc(void *arg, size_t size) {
  struct p9_heap *heap = arg;
  if (atomic_fetch_add(&heap->calls, 1) + 1 == heap->fail_at)
    return NULL;
  void *p = malloc(size);
  if (p)
    atomic_fetch_add(&heap->live, size);
  return p;
}

static void heap_free(void *arg, void *ptr, size_t size) {
  struct p9_heap *heap = arg;
  atomic_fetch_sub(&heap->live, size);
  free(ptr);
}

styx_allocator p9_heap_allocator(struct p9_heap *heap) { return (styx_allocator){heap_alloc, heap_free, heap}; }

struct p9 {
  styx_session *session;
  styx_export own; /* of p9_new_fs */
  uint32_t msize;
  uint16_t tag;
  uint8_t *in; /* what the session has sent */
  size_t used, taken, cap;
};

static void STYX_PRINTF(1, 2) fail(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fputs("pipe9: ", stderr);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
  va_end(args);
  abort();
}

static void *grow(void *old, size_t size) {
  void *p = realloc(old, size);
  if (!p)
    fail("out of memory");
  return p;
}

/* ---- moving bytes ---- */

static void keep(struct p9 *p, const void *buf, size_t len) {
  if (p->used + len > p->cap) {
    p->cap = (p->used + len) * 2;
    p->in = grow(p->in, p->cap);
  }
  memcpy(p->in + p->used, buf, len);
  p->used += len;
}

static size_t collect(struct p9 *p) {
  styx_span spans[16];
  size_t n = styx_session_pending(p->session, spans, 16), total = 0;
  for (size_t i = 0; i < n; i++) {
    keep(p, spans[i].base, spans[i].len);
    total += spans[i].len;
  }
  if (total)
    styx_session_sent(p->session, total, 0);
  return total;
}

void p9_pump(struct p9 *p) {
  for (bool moved = true; moved;) {
    moved = false;
    for (styx_work *w; (w = styx_session_next(p->session)); moved = true)
      styx_work_run(w);
    moved |= styx_session_retire(p->session, 0);
    moved |= collect(p) != 0;
  }
}

void p9_submit_bytes(struct p9 *p, const void *buf, size_t len) {
  memmove(p->in, p->in + p->taken, p->used - p->taken);
  p->used -= p->taken;
  p->taken = 0;
  styx_session_feed(p->session, buf, len, 0);
}

void p9_submit(struct p9 *p, const styx_msg *t) {
  ptrdiff_t size = styx_encoded_size(t, STYX_9P2000);
  if (size < 0)
    fail("%s cannot be encoded: %s", styx_msg_name(t->type), styx_err_text((styx_err)-size));
  uint8_t *buf = grow(NULL, (size_t)size);
  if (styx_encode(buf, (size_t)size, t, STYX_9P2000) != size)
    fail("%s does not encode to its own size", styx_msg_name(t->type));
  p9_submit_bytes(p, buf, (size_t)size);
  free(buf);
}

bool p9_take(struct p9 *p, styx_msg *r) {
  ptrdiff_t n = styx_decode(r, p->in + p->taken, p->used - p->taken, p->msize, STYX_9P2000);
  if (n < 0)
    fail("bad reply: %s", styx_err_text((styx_err)-n));
  p->taken += (size_t)n;
  return n > 0;
}

/* The next reply with this tag; others stay, in order. */
static void take_tag(struct p9 *p, uint16_t tag, styx_msg *r) {
  for (size_t at = p->taken; at < p->used;) {
    ptrdiff_t n = styx_decode(r, p->in + at, p->used - at, p->msize, STYX_9P2000);
    if (n <= 0)
      break;
    if (r->tag != tag) {
      at += (size_t)n;
      continue;
    }
    /* Bring it to the front, so that "taken" stays one number. */
    uint8_t *copy = grow(NULL, (size_t)n);
    memcpy(copy, p->in + at, (size_t)n);
    memmove(p->in + p->taken + n, p->in + p->taken, at - p->taken);
    memcpy(p->in + p->taken, copy, (size_t)n);
    free(copy);
    if (!p9_take(p, r))
      break;
    return;
  }
  const char *why = styx_session_ended(p->session);
  fail("no reply to tag %u%s%s", tag, why ? ": session ended: " : "", why ? why : "");
}

void p9_rpc(struct p9 *p, const styx_msg *t, styx_msg *r) {
  styx_msg msg = *t;
  if (msg.type != STYX_Tversion)
    msg.tag = p->tag = (uint16_t)(p->tag % 0xFFF0u + 1);
  p9_submit(p, &msg);
  p9_pump(p);
  take_tag(p, msg.tag, r);
}

/* ---- beginning and end ---- */

static void version(struct p9 *p, uint32_t msize) {
  styx_msg t = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = msize, .version = STYX_STR(STYX_VERSION_9P2000)}, r;
  p9_rpc(p, &t, &r);
  if (r.type != STYX_Rversion || !styx_str_is(r.version, STYX_VERSION_9P2000))
    fail("version refused");
  p->msize = r.msize;
}

struct p9 *p9_new_session(const styx_session_config *config, uint32_t msize) {
  struct p9 *p = grow(NULL, sizeof *p);
  *p = (struct p9){.cap = 4096, .in = grow(NULL, 4096)};
  if (styx_session_new(&p->session, config, 0)) {
    free(p->in);
    free(p);
    return NULL;
  }
  if (msize)
    version(p, msize);
  return p;
}

struct p9 *p9_new(const styx_export *exports, size_t nexports) {
  styx_session_config config = {.size = sizeof config, .exports = exports, .nexports = nexports};
  struct p9 *p = p9_new_session(&config, 65536);
  if (!p)
    fail("no session");
  return p;
}

struct p9 *p9_new_fs(styx_fs fs) {
  struct p9 *p = grow(NULL, sizeof *p);
  *p = (struct p9){.own = {.fs = fs, .any_aname = true}, .cap = 4096, .in = grow(NULL, 4096)};
  styx_session_config config = {.size = sizeof config, .exports = &p->own, .nexports = 1};
  if (styx_session_new(&p->session, &config, 0))
    fail("no session");
  version(p, 65536);
  return p;
}

void p9_free(struct p9 *p) {
  if (!p)
    return;
  styx_session_hangup(p->session);
  p9_pump(p);
  if (!styx_session_done(p->session))
    fail("session is not done after hangup");
  styx_session_free(p->session);
  free(p->in);
  free(p);
}

styx_session *p9_session(struct p9 *p) { return p->session; }

/* ---- one call for each request ---- */

styx_err p9_error(const styx_msg *r) {
  return r->type == STYX_Rerror ? styx_err_from_text(r->ename.s, r->ename.len) : STYX_OK;
}

static styx_err call(struct p9 *p, const styx_msg *t, styx_msg *r) {
  p9_rpc(p, t, r);
  if (r->type != STYX_Rerror && r->type != t->type + 1)
    fail("%s answered by %u", styx_msg_name(t->type), r->type);
  return p9_error(r);
}

styx_err p9_attach(struct p9 *p, uint32_t fid, const char *uname, const char *aname) {
  styx_msg t = {.type = STYX_Tattach, .fid = fid, .afid = STYX_NOFID}, r;
  t.uname = styx_str_of(uname);
  t.aname = styx_str_of(aname);
  return call(p, &t, &r);
}

styx_err p9_walk_qid(struct p9 *p, uint32_t fid, uint32_t newfid, const char *path, styx_qid *last) {
  styx_msg t = {.type = STYX_Twalk, .fid = fid, .newfid = newfid}, r;
  while (*path) {
    size_t len = strcspn(path, "/");
    if (t.nwname == STYX_MAXWELEM)
      fail("path too deep for one walk");
    t.wname[t.nwname++] = (styx_str){path, len};
    path += len + (path[len] == '/');
  }
  styx_err err = call(p, &t, &r);
  if (!err && r.nwqid < t.nwname)
    err = ENOENT;
  if (!err && last && r.nwqid)
    *last = r.wqid[r.nwqid - 1];
  return err;
}

styx_err p9_walk(struct p9 *p, uint32_t fid, uint32_t newfid, const char *path) {
  return p9_walk_qid(p, fid, newfid, path, NULL);
}

styx_err p9_open(struct p9 *p, uint32_t fid, uint8_t mode) {
  styx_msg t = {.type = STYX_Topen, .fid = fid, .mode = mode}, r;
  return call(p, &t, &r);
}

styx_err p9_create(struct p9 *p, uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  styx_msg t = {.type = STYX_Tcreate, .fid = fid, .name = styx_str_of(name), .perm = perm, .mode = mode}, r;
  return call(p, &t, &r);
}

styx_err p9_read(struct p9 *p, uint32_t fid, uint64_t offset, void *buf, uint32_t count, uint32_t *got) {
  styx_msg t = {.type = STYX_Tread, .fid = fid, .offset = offset, .count = count}, r;
  styx_err err = call(p, &t, &r);
  if (err)
    return err;
  if (r.count > count)
    fail("%u bytes read, %u asked for", (unsigned)r.count, (unsigned)count);
  if (r.count)
    memcpy(buf, r.data, r.count);
  if (got)
    *got = r.count;
  return STYX_OK;
}

styx_err p9_write(struct p9 *p, uint32_t fid, uint64_t offset, const void *data, uint32_t count, uint32_t *got) {
  styx_msg t = {.type = STYX_Twrite, .fid = fid, .offset = offset, .count = count, .data = data}, r;
  styx_err err = call(p, &t, &r);
  if (!err && got)
    *got = r.count;
  return err;
}

styx_err p9_clunk(struct p9 *p, uint32_t fid) {
  styx_msg t = {.type = STYX_Tclunk, .fid = fid}, r;
  return call(p, &t, &r);
}

styx_err p9_remove(struct p9 *p, uint32_t fid) {
  styx_msg t = {.type = STYX_Tremove, .fid = fid}, r;
  return call(p, &t, &r);
}

styx_err p9_stat(struct p9 *p, uint32_t fid, styx_stat *stat) {
  styx_msg t = {.type = STYX_Tstat, .fid = fid}, r;
  styx_err err = call(p, &t, &r);
  if (!err)
    *stat = r.stat;
  return err;
}

styx_err p9_wstat(struct p9 *p, uint32_t fid, const styx_stat *stat) {
  styx_msg t = {.type = STYX_Twstat, .fid = fid, .stat = *stat}, r;
  return call(p, &t, &r);
}
