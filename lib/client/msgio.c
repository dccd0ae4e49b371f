/* msgio.c: one message from a descriptor: no byte behind it is read, and no room is made before bytes have come. */
#include <styx/msgio.h>

#include "base/alloc.h"
#include "wire/bytes.h"

#include <errno.h>
#include <unistd.h>

enum { FIRST_CAP = 4096 };

void styx_msgbuf_init(styx_msgbuf *b, const styx_allocator *allocator) { *b = (styx_msgbuf){.allocator = allocator}; }

void styx_msgbuf_fini(styx_msgbuf *b) {
  sx_free(b->allocator, b->data, b->cap_);
  styx_msgbuf_init(b, b->allocator);
}

static styx_err make_room(styx_msgbuf *b) {
  if (b->have_ < b->cap_)
    return STYX_OK;
  size_t cap = b->cap_ ? b->cap_ * 2 : FIRST_CAP;
  uint8_t *data = cap > b->cap_ ? sx_alloc(b->allocator, cap) : NULL; /* 32 bits cannot count twice 2 GiB */
  if (!data)
    return ENOMEM;
  if (b->have_)
    memcpy(data, b->data, b->have_);
  sx_free(b->allocator, b->data, b->cap_);
  b->data = data;
  b->cap_ = cap;
  return STYX_OK;
}

/* What may be read without reaching behind the message: no message is shorter than its header. */
static size_t missing(const styx_msgbuf *b) {
  size_t size = b->have_ < 4 ? STYX_HDRSZ : sx_load32(b->data), room = b->cap_ - b->have_;
  return size - b->have_ < room ? size - b->have_ : room;
}

ptrdiff_t styx_readmsg(styx_msgbuf *b, int fd, uint32_t msize) {
  ptrdiff_t size;
  while ((size = styx_frame(b->data, b->have_, msize)) == 0) {
    styx_err err = make_room(b);
    if (err)
      return -err;
    ssize_t n = read(fd, b->data + b->have_, missing(b));
    if (n == 0)
      return b->have_ ? -STYX_ETRUNC : 0;
    if (n < 0 && errno != EINTR)
      return -errno;
    if (n > 0)
      b->have_ += (size_t)n;
  }
  if (size > 0)
    b->have_ = 0; /* the next call begins anew; until then the bytes stay */
  return size;
}

static ptrdiff_t decode(styx_msg *msg, const styx_msgbuf *b, size_t size, styx_dialect dialect, bool t) {
  styx_err bad = t ? STYX_EBADT : STYX_EBADR;
  if (styx_is_tmsg(b->data, size) != t)
    return -bad;
  ptrdiff_t n = styx_decode(msg, b->data, size, 0, dialect);
  return n == -STYX_ETRUNC ? -bad : n; /* the stream goes on: it is the message that is short */
}

static ptrdiff_t read_kind(styx_msg *msg, styx_msgbuf *b, int fd, uint32_t msize, styx_dialect dialect, bool t) {
  uint16_t tag = STYX_NOTAG;
  ptrdiff_t n = styx_readmsg(b, fd, msize);
  if (n > 0) {
    tag = sx_load16(b->data + 5);
    n = decode(msg, b, (size_t)n, dialect, t);
  }
  if (n < 0)
    *msg = (styx_msg){.type = STYX_Readerror, .tag = tag, .ename = styx_str_of(styx_err_text((styx_err)-n))};
  return n;
}

ptrdiff_t styx_tmsg_read(styx_msg *msg, styx_msgbuf *b, int fd, uint32_t msize, styx_dialect dialect) {
  return read_kind(msg, b, fd, msize, dialect, true);
}

ptrdiff_t styx_rmsg_read(styx_msg *msg, styx_msgbuf *b, int fd, uint32_t msize, styx_dialect dialect) {
  return read_kind(msg, b, fd, msize, dialect, false);
}
