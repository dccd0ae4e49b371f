/* receive.c: bytes from the server, cut into messages. The data of a large Rread goes straight to the caller's buffer. */
#include "client/mux.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define MIN_CAP (64u * 1024)

static size_t have(const struct sx_bytes *b) { return b->end - b->start; }

/* Room to read into. The buffer doubles only when it is full of what has arrived, never because a size field says so. */
static styx_err make_room(styx_client *c) {
  struct sx_bytes *b = &c->in;
  if (b->start > 0) {
    memmove(b->base, b->base + b->start, have(b));
    b->end -= b->start;
    b->start = 0;
  }
  if (b->end < b->cap)
    return STYX_OK;
  size_t cap = b->cap ? b->cap * 2 : MIN_CAP;
  uint8_t *base = sx_alloc(c->alloc, cap);
  if (!base)
    return ENOMEM;
  if (b->end)
    memcpy(base, b->base, b->end);
  sx_free(c->alloc, b->base, b->cap);
  b->base = base;
  b->cap = cap;
  return STYX_OK;
}

static void split(styx_client *c, size_t n) {
  if (c->direct) {
    uint32_t left = c->direct->r.count - c->direct_have;
    uint32_t part = n < left ? (uint32_t)n : left;
    c->direct_have += part;
    n -= part;
  }
  c->in.end += n;
}

styx_err sx_receive_read(styx_client *c) {
  styx_err err = make_room(c);
  if (err)
    return err;
  struct iovec iov[2];
  int k = 0;
  if (c->direct)
    iov[k++] = (struct iovec){(uint8_t *)c->direct->buf + c->direct_have, c->direct->r.count - c->direct_have};
  iov[k++] = (struct iovec){c->in.base + c->in.end, c->in.cap - c->in.end};
  ssize_t n = readv(c->fd, iov, k);
  if (n == 0)
    return STYX_EHANGUP;
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? STYX_OK : errno;
  split(c, (size_t)n);
  return STYX_OK;
}

static uint32_t get32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* An Rread that is right so far but not all there: let what follows go to its buffer. What is wrong is left for the decoder,
 * which says so when the message is whole. */
static bool start_direct(styx_client *c) {
  const uint8_t *p = c->in.base + c->in.start;
  if (have(&c->in) < STYX_RREADHDRSZ || p[4] != STYX_Rread)
    return false;
  uint32_t size = get32(p), count = get32(p + 7);
  uint16_t tag = (uint16_t)(p[5] | p[6] << 8);
  struct sx_call_slot *slot = sx_tags_slot(c, tag);
  if (!slot || !slot->call || slot->call->t.type != STYX_Tread || count > slot->call->t.count ||
      size != STYX_RREADHDRSZ + count || have(&c->in) >= size)
    return false;
  styx_call *call = slot->call;
  call->r = (styx_msg){.type = STYX_Rread, .tag = tag, .count = count, .data = call->buf};
  c->direct_have = (uint32_t)(have(&c->in) - STYX_RREADHDRSZ);
  memcpy(call->buf, p + STYX_RREADHDRSZ, c->direct_have);
  c->direct = call;
  c->in.start = c->in.end = 0;
  return true;
}

/* False while the direct message is incomplete. */
static bool end_direct(styx_client *c) {
  if (!c->direct)
    return true;
  if (c->direct_have < c->direct->r.count)
    return false;
  uint16_t tag = c->direct->r.tag;
  c->direct = NULL;
  sx_mux_complete(c, tag, STYX_OK);
  return true;
}

/* One message; false when it is not all there. */
static bool parse_one(styx_client *c) {
  const uint8_t *p = c->in.base + c->in.start;
  ptrdiff_t size = styx_frame(p, have(&c->in), c->msize);
  if (size == 0)
    return start_direct(c) && false;
  if (size < 0) {
    sx_mux_die(c, STYX_EHANGUP, "%s", styx_err_text((styx_err)-size));
    return false;
  }
  styx_msg m = {0};
  ptrdiff_t status = styx_decode(&m, p, (size_t)size, c->msize, STYX_9P2000);
  c->in.start += (size_t)size;
  sx_mux_reply(c, &m, status, p, (size_t)size);
  return true;
}

void sx_receive_parse(styx_client *c) {
  while (!c->dead && end_direct(c) && parse_one(c))
    ;
}
