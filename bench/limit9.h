/* limit9.h: what the files of limit9 share: limit9.c has the loop, limit9_answer.c the replies. */
#ifndef BENCH_LIMIT9_H
#define BENCH_LIMIT9_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
  LIMIT_MSIZE = 1 << 20, /* that of styxd */
  LIMIT_FILE = 1 << 20,  /* the length of the file: that of the one that styxbench makes elsewhere */
  LIMIT_RECV = 256 * 1024,
  LIMIT_CANNED = 192, /* room for any reply but Rread, Rversion and Rwalk */
  LIMIT_WALK = 256,   /* for Rwalk of 16 names */
  LIMIT_MAX_COPY = 65536,
  LIMIT_TREAD = 23 /* bytes: the smallest request with the largest reply */
};

/* Replies to everything that came with one recv: bytes of out, and pieces of the file between them. Never too small: see
 * limit_replies_init. */
struct limit_replies {
  uint8_t *out, *file;
  size_t len, listed; /* of out: in use; in iov too */
  struct iovec *iov;
  unsigned n;
  uint32_t copy; /* data of so many bytes at most is copied into out */
};

void limit_answer_init(void); /* once, before all threads */
bool limit_replies_init(struct limit_replies *r, uint32_t copy);

/* Add the answers to the whole messages at p. How many bytes these are, or -1 for what is no message of 9P; *need is the
 * size of the one that is not all there, 0 as long as its size is not. *msize is the connection's. */
ptrdiff_t limit_answer(struct limit_replies *r, uint32_t *msize, const uint8_t *p, size_t len, size_t *need);

/* List what is in out and not in iov. */
void limit_replies_list(struct limit_replies *r);

#endif
