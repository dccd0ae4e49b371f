/* send.c: bytes on their way to the server. Callers append to one buffer while the sender empties the other. */
#include "client/mux.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIN_CAP 4096u
#define KEEP_CAP (4u << 20) /* a larger buffer is given back once it is empty */

static styx_err reserve(styx_client *c, struct sx_bytes *b, size_t more) {
  if (b->cap - b->end >= more)
    return STYX_OK;
  size_t cap = b->cap ? b->cap : MIN_CAP;
  while (cap - b->end < more)
    cap *= 2;
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

styx_err sx_send_append(styx_client *c, const styx_msg *m) {
  ptrdiff_t size = styx_encoded_size(m, STYX_9P2000);
  if (size < 0)
    return (styx_err)-size;
  if ((size_t)size > c->msize)
    return STYX_ENOFIT;
  styx_err err = reserve(c, &c->fill, (size_t)size);
  if (err)
    return err;
  ptrdiff_t n = styx_encode(c->fill.base + c->fill.end, c->fill.cap - c->fill.end, m, STYX_9P2000);
  if (n < 0)
    return (styx_err)-n;
  c->fill.end += (size_t)n;
  return STYX_OK;
}

bool sx_send_has_room(const styx_client *c) { return c->fill.end <= c->msize; }

static ssize_t send_some(int fd, const void *p, size_t n) {
  ssize_t got = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
  return got < 0 && errno == ENOTSOCK ? write(fd, p, n) : got;
}

static void reset(styx_client *c, struct sx_bytes *b) {
  b->start = b->end = 0;
  if (b->cap > KEEP_CAP) {
    sx_free(c->alloc, b->base, b->cap);
    *b = (struct sx_bytes){0};
  }
}

/* The sender's turn: swap the buffers when its own is empty. False when there is nothing to send. */
static bool take_bytes(styx_client *c) {
  if (c->drain.start < c->drain.end)
    return true;
  reset(c, &c->drain);
  if (c->fill.end == 0)
    return false;
  struct sx_bytes empty = c->drain;
  c->drain = c->fill;
  c->fill = empty;
  sx_mux_room(c);
  return true;
}

void sx_send_flush(styx_client *c) {
  while (!c->dead && !c->sending && !c->blocked && take_bytes(c)) {
    c->sending = true;
    pthread_mutex_unlock(&c->lock);
    ssize_t n = send_some(c->fd, c->drain.base + c->drain.start, c->drain.end - c->drain.start);
    int err = errno;
    pthread_mutex_lock(&c->lock);
    c->sending = false;
    if (n >= 0) {
      c->drain.start += (size_t)n;
    } else if (err == EAGAIN || err == EWOULDBLOCK) {
      c->blocked = true; /* from here on the holder polls for room */
      sx_mux_poke(c);
    } else if (err != EINTR) {
      sx_mux_die(c, STYX_EHANGUP, "%s", styx_err_text(err == EPIPE ? STYX_EHANGUP : err));
    }
  }
}
