/* wrong9.h: a small 9P server of memory files that breaks one rule at a time, to test what finds such faults.
 *
 * wrong9.c has the connections, wrong9_flush.c the requests and what is wrong with them, wrong9_fs.c the files. */
#ifndef CONFORM_WRONG9_H
#define CONFORM_WRONG9_H

#include <styx/wire.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MSIZE = 65536, CONNS = 64, FIDS = 512, FILE_MAX = 16384, WAITERS = 16 };

#define FAULTS                                                                                                         \
  FAULT(NONE, "none")                                                                                                  \
  FAULT(OLDTAG, "rflush-oldtag")                                                                                       \
  FAULT(SIZE, "rflush-size")                                                                                           \
  FAULT(RERROR, "rerror-to-tflush")                                                                                    \
  FAULT(UNKNOWN, "unknown-oldtag-lost")                                                                                \
  FAULT(BY_NUMBER, "reply-by-number")                                                                                  \
  FAULT(TWICE, "second-reply")                                                                                         \
  FAULT(LATE, "reply-after-rflush")                                                                                    \
  FAULT(EINTR_TO_NOBODY, "interrupted-unflushed")                                                                      \
  FAULT(WALKS, "walk-effect")                                                                                          \
  FAULT(ATTACHES, "attach-effect")                                                                                     \
  FAULT(OPENS, "open-effect")                                                                                          \
  FAULT(CREATES, "create-effect")                                                                                      \
  FAULT(WRITES, "write-effect")                                                                                        \
  FAULT(CLUNKS, "clunk-effect")                                                                                        \
  FAULT(REMOVES, "remove-effect")                                                                                      \
  FAULT(LOST, "rflush-lost")                                                                                           \
  FAULT(REVERSE, "rflush-reverse")                                                                                     \
  FAULT(OVERTAKES, "rflush-order-after-reply")                                                                         \
  FAULT(BETWEEN, "reply-between")                                                                                      \
  FAULT(FOF_LATE, "fof-late")                                                                                          \
  FAULT(FOF_STRANDS, "fof-strands")                                                                                    \
  FAULT(SELF, "self-flush-lost")                                                                                       \
  FAULT(DUPLICATE, "dies-of-duplicate-tag")                                                                            \
  FAULT(OLD_REPLIES, "reply-after-rversion")                                                                           \
  FAULT(OLD_FIDS, "version-keeps-fids")                                                                                \
  FAULT(OLD_DEAF, "rversion-lost")                                                                                     \
  FAULT(HANGUP, "dies-of-hangup")                                                                                      \
  FAULT(CANCELS_CLUNK, "clunk-cancelled")                                                                              \
  FAULT(STUCK, "rflush-stuck-behind-blocked")                                                                          \
  FAULT(DEAF, "blocked-not-flushed")                                                                                   \
  FAULT(DATA, "wrong-data")                                                                                            \
  FAULT(NO_REPLY, "reply-lost")

enum fault {
#define FAULT(name, text) name,
  FAULTS
#undef FAULT
};

struct node {
  struct node *next, *parent;
  bool dir, gone, blocked;
  char name[64];
  uint64_t path;
  uint32_t length;
  uint8_t *bytes; /* FILE_MAX */
};

struct fid {
  bool used, open;
  uint8_t mode;
  uint32_t number;
  struct node *node;
};

struct req {
  struct req *next;
  uint16_t tag, waiters[WAITERS]; /* Tflushes that wait for this, or for one of them */
  uint16_t oldtags[WAITERS];
  unsigned nwaiters;
  bool zombie; /* answered by Rflush, and running on */
  styx_msg m;  /* into bytes */
  uint8_t bytes[];
};

struct conn {
  int fd;
  uint32_t msize;
  styx_dialect dialect;
  struct fid fids[FIDS];
  struct req *reqs;
  unsigned nreqs;
  uint16_t delayed; /* OVERTAKES: an Rflush that is to be sent later; NOTAG: none */
  uint8_t *in, *out;
  size_t in_len, out_len, out_cap;
};

/* wrong9_fs.c */
void fs_init(void);
void fs_run(struct conn *c, const styx_msg *m, styx_msg *reply); /* reply points into static memory */
bool fs_blocks(const struct conn *c, const styx_msg *m);
void fs_clear(struct conn *c); /* no fids */
void fs_error(const struct conn *c, styx_msg *reply, int ecode, const char *text);

/* wrong9_flush.c */
extern enum fault fault;
unsigned roll(unsigned n);
void take(struct conn *c, const styx_msg *m, const uint8_t *bytes, size_t size);
bool work(struct conn *c); /* runs one request, if any can run */
void drop_all(struct conn *c);

/* wrong9.c */
void send_msg(struct conn *c, const styx_msg *m);
void send_raw(struct conn *c, const uint8_t *bytes, size_t n);

#endif
