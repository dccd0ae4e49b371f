/* session/keep.h: memory that a session uses again, under its lock.
 *
 * Requests, replies and what fids mean come and go with every message. A connection is busy while a request comes when another
 * is outstanding, or less than a second after the one before. Their memory is of a few sizes then, and what is given back is
 * kept for the next one: until the next whole second of the clock (styx_session_tick), so that one look at all connections of
 * a server finds those of a second together. */
#ifndef SESSION_KEEP_H
#define SESSION_KEEP_H

#include <styx/session.h>

enum { SX_KEEP_TICK = 1000000000 /* ns */ };

/* Slots of fids; nodes, bindings and segments; requests with short messages and replies; what carries a page. */
enum { SX_KEEP_0 = 48, SX_KEEP_1 = 160, SX_KEEP_2 = 1280, SX_KEEP_3 = 6144, SX_KEEP_SIZES = 4 };

struct sx_spare {
  struct sx_spare *next;
};

struct sx_keep {
  struct sx_spare *k_first[SX_KEEP_SIZES];
  uint8_t k_count[SX_KEEP_SIZES];
  bool k_on;
  uint64_t k_until; /* k_on: when it ends */
  uint64_t k_last;  /* when the last request came; 0: none has */
};

/* How much is allocated for size bytes: whoever has no lock may allocate as much, and have it given back here. */
static inline size_t sx_keep_size(size_t size) {
  return size <= SX_KEEP_1   ? (size <= SX_KEEP_0 ? SX_KEEP_0 : SX_KEEP_1)
         : size <= SX_KEEP_2 ? SX_KEEP_2
         : size <= SX_KEEP_3 ? SX_KEEP_3
                             : size;
}

/* At least size bytes, not zeroed; NULL: no memory. */
void *sx_keep_new(styx_session *s, size_t size);
void *sx_keep_pop(styx_session *s, size_t size); /* the same, but only what is kept */
void *sx_keep_zeroed(styx_session *s, size_t size);

/* ptr, which may be NULL, came from sx_keep_new with this size. */
void sx_keep_put(styx_session *s, void *ptr, size_t size);

void sx_keep_request(styx_session *s); /* a request has come */
void sx_keep_off(styx_session *s);     /* all that is kept is freed */

#endif
