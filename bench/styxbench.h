/* styxbench.h: what the files of styxbench share.
 *
 * styxbench.c runs one operation after another: it sets up connections (setup.c, blocking), lets threads load the server
 * (load.c: when; conn.c: the bytes), and prints what they and /proc counted (proc.c, print.c). */
#ifndef BENCH_STYXBENCH_H
#define BENCH_STYXBENCH_H

#include "base/hist.h"

#include <styx/server.h>
#include <styx/wire.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/uio.h>

enum {
  BENCH_STEPS = 4,
  BENCH_BLOCK = 4096,
  BENCH_FILE_SIZE = 1 << 20,
  BENCH_RECV = 256 * 1024, /* a generator thread's buffer */
  BENCH_MAX_DEPTH = 4096,
  BENCH_MAX_THREADS = 64,
  BENCH_PATIENCE = 10 /* seconds for any one answer */
};

enum { BENCH_FID_ROOT, BENCH_FID_FILE, BENCH_FID_SLOT }; /* a slot's own fid: BENCH_FID_SLOT and its number */

/* How much data a message of the operation carries. */
enum bench_amount { BENCH_NOTHING, BENCH_4K, BENCH_MOST };

struct bench_op {
  const char *name;
  uint8_t nsteps;
  uint8_t steps[BENCH_STEPS]; /* T-messages, each sent after the reply to the one before; none: connections are idle */
  bool at_once;               /* all steps are sent together */
  bool in_turn;               /* an operation is one of the steps, the next one another */
  uint8_t
      rare; /* it is the second of two once in so many times, which then is not in the histogram; 0: in equal parts */
  enum bench_amount amount;
  bool own_fid; /* the steps act on a fid of the slot, else on one file that the connection has walked to */
  bool opened;  /* that file is open */
  bool writes;
  const char *about;
};

struct bench_options {
  const char *addr_text, *uname, *aname;
  styx_addr addr;
  const char *file; /* NULL: our own */
  unsigned conns, depth, threads;
  double secs, warmup, rate; /* rate 0: closed loop */
  uint32_t msize;
  styx_dialect dialect;
  int pid; /* 0: none */
  bool json;
  const struct bench_op *ops[16];
  size_t nops;
};

/* What is being asked of whom. */
struct bench_target {
  char path[1024];
  styx_str names[STYX_MAXWELEM]; /* into path */
  uint16_t nnames;
  uint32_t msize, count; /* bytes that one message carries */
  uint64_t length;
  bool made; /* our own file was not there: to be removed */
};

/* One request in flight, or one sequence of them. Its number is its tag; of steps sent at once each has its own, from
 * bench_tags times the number on. */
struct bench_slot {
  uint64_t start; /* ns; 0: it is to be taken when it is sent */
  uint64_t turn;  /* which part of the file */
  uint8_t step;
  uint8_t owed; /* bits of steps that have been sent and not answered */
  bool busy;
};

struct bench_conn {
  int fd;
  struct bench_slot *slots;
  uint16_t *idle, *ready; /* slots without an operation; slots whose next request waits to be sent */
  unsigned nidle, nready;
  struct iovec *iov; /* the batch being sent */
  unsigned iov_at, iov_n;
  uint8_t *out; /* what iov points to, but for large payloads */
  size_t out_len;
  uint8_t *stash; /* the beginning of a message */
  size_t stash_len;
  uint64_t skip; /* data of an Rread still to come */
  uint16_t skip_tag;
  bool blocked; /* the socket took no more: poll for output */
  bool dirty;   /* in t_dirty */
};

struct bench_run;

/* A generator thread and what it counted. */
struct bench_thread {
  struct bench_run *run;
  unsigned index;
  pthread_t thread;
  int poller, timer;
  struct bench_conn *conns;
  unsigned nconns, next_conn;
  struct bench_conn **dirty;
  unsigned ndirty;
  unsigned idle;  /* slots without an operation */
  uint64_t begun; /* operations */
  uint64_t now;
  uint64_t issued; /* open loop: operations begun */
  uint8_t *buffer;
  struct sx_hist hist;  /* ns */
  _Atomic uint64_t ops; /* atomic: completed in the window */
  uint64_t behind;      /* open loop: due, and not answered when patience ended */
  uint64_t late;        /* open loop: begun later than intended because every slot was busy */
  uint64_t cpu_ns;      /* its own, in the whole run */
  char error[256];      /* empty: all went well */
};

struct bench_run {
  const struct bench_options *options;
  const struct bench_op *op;
  const struct bench_target *target;
  const uint8_t *payload;
  size_t out_size;       /* of a connection's out */
  uint64_t start, begin; /* ns: first request; begin of the window */
  _Atomic uint64_t end;  /* atomic: of the window; earlier when stopped */
  _Atomic bool failed;
  struct bench_thread *threads;
  struct bench_conn *conns;
};

struct bench_usage {
  bool known;
  uint64_t cpu_ns, voluntary, involuntary;
  uint64_t rss; /* bytes */
};

struct bench_result {
  const struct bench_options *options;
  const struct bench_op *op;
  uint32_t msize, count;
  double secs;
  uint64_t ops, behind, late;
  struct bench_usage before, after; /* the server's, if it is known */
  uint64_t client_cpu_ns;           /* ours, in the window */
  double client_share;              /* of one CPU, of the busiest generator thread */
  struct sx_hist hist;
};

/* options.c; ends the program when they are wrong, or ask for help */
void bench_options_parse(struct bench_options *o, int argc, char **argv);
unsigned bench_tags(const struct bench_op *op);     /* of a slot */
unsigned bench_requests(const struct bench_op *op); /* of an operation */

/* setup.c: blocking. What fails ends in false, with one sentence in error. */
struct bench_setup {
  const struct bench_options *options;
  uint8_t *buf; /* msize */
  uint32_t msize;
  int fd;
  char *error;
  size_t error_cap;
};
bool bench_setup_dial(struct bench_setup *s, const struct bench_options *o, char *error, size_t cap); /* and attach */
void bench_setup_close(struct bench_setup *s, bool keep_fd);
bool bench_setup_target(struct bench_setup *s, const struct bench_op *op, struct bench_target *t);
bool bench_setup_file(struct bench_setup *s, const struct bench_op *op, const struct bench_target *t);
bool bench_setup_remove(struct bench_setup *s);                    /* the file that bench_setup_target made */
size_t bench_setup_path(struct bench_target *t, const char *path); /* the number of names; over MAXWELEM: too many */

/* conn.c: on its generator thread */
bool bench_conn_init(struct bench_conn *c, const struct bench_run *r, int fd);
void bench_conn_fini(struct bench_conn *c);
void bench_conn_begin(struct bench_thread *t, struct bench_conn *c, uint64_t start); /* c has an idle slot */
bool bench_conn_flush(struct bench_thread *t, struct bench_conn *c);
bool bench_conn_receive(struct bench_thread *t, struct bench_conn *c);
bool bench_fail(struct bench_thread *t, const char *format, ...) __attribute__((format(printf, 2, 3))); /* false */

/* load.c */
uint64_t bench_clock(void);
void bench_done(struct bench_thread *t, struct bench_conn *c, uint16_t slot); /* the operation of a slot is complete */
void *bench_load_main(void *thread);

/* proc.c */
bool bench_usage_read(struct bench_usage *u, int pid);
uint64_t bench_thread_cpu(void);
uint64_t bench_process_cpu(void);

/* print.c */
void bench_print(const struct bench_result *r);

#endif
