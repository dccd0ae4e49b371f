/* fuzz_session.c: any bytes, in any portions, to a session over memfs: it answers with whole R-messages or ends, and after
 * hangup nothing is left.
 *
 * Input: a byte of flags, then portions: a length byte and as many bytes. Flags: 1 each portion is the body of a message
 * (its size field is put before it), 2 work and replies wait until the end, 4 Tversion and Tattach of fid 0 come first,
 * 8 small limits, 16 replies are taken seven bytes at a time. */
#include "fuzz/fuzz.h"

#include <styx/memfs.h>
#include <styx/session.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { FRAMED = 1, LAZY = 2, HELLO = 4, TIGHT = 8, SLOW = 16, MSIZE = 16384 };

struct peer {
  styx_session *s;
  uint8_t rx[2 * MSIZE];
  size_t rx_len;
};

static size_t session_bytes, memfs_bytes;

static void take_replies(struct peer *p) {
  size_t at = 0;
  for (;;) {
    styx_msg m;
    ptrdiff_t n = styx_decode(&m, p->rx + at, p->rx_len - at, MSIZE, STYX_9P2000);
    check(n >= 0);
    if (n == 0)
      break;
    check(styx_msg_name(m.type) && !styx_msg_is_t(m.type));
    at += (size_t)n;
  }
  memmove(p->rx, p->rx + at, p->rx_len - at);
  p->rx_len -= at;
}

/* Take at most as many bytes as one call gives. */
static bool receive(struct peer *p, size_t most) {
  styx_span span;
  if (!styx_session_pending(p->s, &span, 1))
    return false;
  size_t n = span.len < most ? span.len : most;
  if (n > sizeof p->rx - p->rx_len)
    n = sizeof p->rx - p->rx_len;
  memcpy(p->rx + p->rx_len, span.base, n);
  p->rx_len += n;
  styx_session_sent(p->s, n, 1);
  take_replies(p);
  return true;
}

static void pump(struct peer *p, size_t most) {
  bool did;
  do {
    did = false;
    for (styx_work *w; (w = styx_session_next(p->s)); did = true)
      styx_work_run(w);
    did |= styx_session_retire(p->s, 1);
    while (receive(p, most))
      did = true;
  } while (did);
}

static void feed(struct peer *p, const uint8_t *bytes, size_t len) {
  uint8_t *copy = malloc(len + 1); /* so that a look past the end is seen */
  check(copy);
  memcpy(copy, bytes, len);
  size_t room = 0, placed = 0;
  uint8_t *at = len % 2 ? styx_session_room(p->s, 1, &room) : NULL;
  if (at) {
    placed = room < len ? room : len;
    memset(at, 0xee, room);
    memcpy(at, copy, placed);
    styx_session_received(p->s, placed, 1);
  }
  styx_session_feed(p->s, copy + placed, len - placed, 1);
  free(copy);
}

static void say_hello(struct peer *p) {
  uint8_t buf[100];
  styx_msg version = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = MSIZE, .version = STYX_STR("9P2000")};
  styx_msg attach = {.type = STYX_Tattach, .tag = 1, .afid = STYX_NOFID, .uname = STYX_STR("none")};
  feed(p, buf, (size_t)styx_encode(buf, sizeof buf, &version, STYX_9P2000));
  pump(p, SIZE_MAX);
  feed(p, buf, (size_t)styx_encode(buf, sizeof buf, &attach, STYX_9P2000));
  pump(p, SIZE_MAX);
}

static void feed_portions(struct peer *p, uint8_t flags, const uint8_t *bytes, size_t size) {
  size_t most = flags & SLOW ? 7 : SIZE_MAX;
  while (size > 0) {
    size_t n = bytes[0] < size - 1 ? bytes[0] : size - 1;
    const uint8_t header[4] = {(uint8_t)(n + 4), (uint8_t)((n + 4) >> 8)};
    if (flags & FRAMED)
      feed(p, header, 4);
    feed(p, bytes + 1, n);
    bytes += n + 1;
    size -= n + 1;
    if (!(flags & LAZY))
      pump(p, most);
  }
  pump(p, most);
}

static void hang_up(struct peer *p) {
  styx_session_hangup(p->s);
  p->rx_len = 0;
  pump(p, SIZE_MAX);
  check(styx_session_done(p->s));
  styx_session_free(p->s);
  check(session_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static struct peer p;
  if (size < 1)
    return 0;
  uint8_t flags = bytes[0];
  const styx_allocator session_alloc = {count_alloc, count_free, &session_bytes};
  const styx_allocator memfs_alloc = {count_alloc, count_free, &memfs_bytes};
  const styx_memfs_config memfs_config = {.size = sizeof memfs_config, .max_bytes = 1 << 20, .allocator = &memfs_alloc};
  styx_memfs *memfs = styx_memfs_new(&memfs_config);
  check(memfs);
  const styx_export export = {.name = "mem", .fs = styx_memfs_fs(memfs)};
  styx_limits limits = styx_limits_default();
  limits.msize = MSIZE;
  if (flags & TIGHT) {
    limits.requests = 3;
    limits.fids = 4;
    limits.held = 2000;
    limits.outbox = 100;
  }
  const styx_session_config config = {
      .size = sizeof config, .exports = &export, .nexports = 1, .limits = &limits, .allocator = &session_alloc};
  p.rx_len = 0;
  check(styx_session_new(&p.s, &config, 0) == STYX_OK);
  if (flags & HELLO)
    say_hello(&p);
  feed_portions(&p, flags, bytes + 1, size - 1);
  hang_up(&p);
  styx_memfs_free(memfs);
  check(memfs_bytes == 0);
  return 0;
}
