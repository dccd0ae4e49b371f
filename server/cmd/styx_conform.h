/* styx_conform.h: what the files of `styx conform` share. One thread; every wait has a deadline.
 *
 * A check is a row of a table: a script (styx_conform_play.c says what its lines mean) or a function. Both speak through
 * connections that compare every reply with what was asked, so that most of what a server can do wrong ends a check without
 * its saying so. Whatever ends one jumps out of it: nothing that a check owns is its own, all of it is the run's. */
#ifndef STYX_CONFORM_H
#define STYX_CONFORM_H

#include <styx/server.h>

#include <setjmp.h>
#include <stdio.h>

enum { CF_PEERS = 40, CF_VARS = 12, CF_VALUE = 160, CF_WHY = 2048, CF_LOG = 40, CF_LINE = 360, CF_TAG = 1 };

enum cf_verdict { CF_PASS, CF_FAIL, CF_SKIP };

/* How the first connection of a check, and by default every other, begins. */
enum cf_begin {
  CF_BARE,    /* connected, nothing said */
  CF_VERSION, /* 9P2000 and a message size are agreed */
  CF_ROOT,    /* fid 0 is the root, attached */
  CF_DIR      /* fid 1 is an empty directory that anybody may change */
};

struct cf_run;

struct cf_check {
  const char *name;
  const char *source; /* where the rule is written: a manual page, section 5 */
  const char *text;   /* the rule, as what a good server does */
  enum cf_begin begin;
  const char *script;
  void (*fn)(struct cf_run *);
};

/* A group for each file of checks: its name begins those of its checks. */
struct cf_group {
  const struct cf_check *checks;
  size_t n;
};
extern const struct cf_group cf_session, cf_walk, cf_open, cf_io, cf_dirs, cf_change, cf_perm, cf_tags, cf_flush,
    cf_conns;

/* What is the same for every check. */
struct cf_world {
  styx_addr addr;
  const char *aname, *user, *other, *dir, *blocked, *file;
  uint32_t msize;
  int timeout_ms;
  char place[64];       /* the directory that is ours, in dir; "": nothing can be made */
  char readonly[256];   /* and why */
  bool attached;        /* it has let us in once */
  bool broken;          /* because the server did something wrong, not because it refuses */
  char unchecked[256];  /* why rights cannot be checked; "": they can */
  char no_other[256];   /* why there is no second user; "": there is */
  char found[512];      /* a file with contents, for servers on which none can be made; "": there is none */
  unsigned long serial; /* of the directories in place */
};

/* What was sent and not yet answered, by tag. */
struct cf_asked {
  uint8_t types[2], n; /* two only for a tag that is used twice on purpose */
  uint16_t oldtag, nwname;
  uint32_t count; /* bytes asked for, or msize of a Tversion */
};

struct cf_peer {
  int fd;
  unsigned number;
  bool ended;
  uint32_t msize; /* 0: before the version */
  uint8_t *in, *out;
  size_t in_len, in_cap, out_len, out_cap, taken;
  struct cf_asked *asked; /* 65,536 */
};

struct cf_var {
  char name[16], value[CF_VALUE];
};

struct cf_run {
  struct cf_world *w;
  const struct cf_check *check;
  struct cf_peer *peers[CF_PEERS], *p; /* p: who speaks */
  jmp_buf end;
  enum cf_verdict verdict;
  char why[CF_WHY];
  char (*log)[CF_LINE]; /* the last CF_LOG lines */
  size_t nlog;
  double seconds;
  struct cf_var vars[CF_VARS];
  unsigned steps; /* of sweeping: a server could go on for ever */
  char sub[32];   /* the check's directory in place */
  uint32_t msize; /* what to ask for; 0: the world's */
};

/* ---- styx_conform_run.c ---- */

/* Run one check to its verdict. */
void cf_run(struct cf_run *r, struct cf_world *w, const struct cf_check *check);
void cf_run_free(struct cf_run *r);
_Noreturn void cf_fail(struct cf_run *r, const char *fmt, ...) STYX_PRINTF(2, 3);
_Noreturn void cf_skip(struct cf_run *r, const char *fmt, ...) STYX_PRINTF(2, 3);
void cf_log(struct cf_run *r, const char *mark, const char *text);
/* Connection number n (0: the check's first), begun as the check's are, or as asked; from here on it speaks. */
void cf_as(struct cf_run *r, unsigned n);
void cf_begin(struct cf_run *r, unsigned n, enum cf_begin begin, const char *user);

/* ---- styx_conform_peer.c ---- */

struct cf_peer *cf_peer_new(struct cf_run *r, unsigned number);
void cf_peer_free(struct cf_peer *p);
void cf_hangup(struct cf_run *r, unsigned n);
/* Queue and send; queue alone. The tag is that of *t. */
void cf_send(struct cf_run *r, const styx_msg *t);
void cf_queue(struct cf_run *r, const styx_msg *t);
void cf_queue_bytes(struct cf_run *r, const void *bytes, size_t n);
void cf_push(struct cf_run *r);
/* The next message; it lives until the next call for this connection. False: the server has hung up. */
bool cf_next(struct cf_run *r, styx_msg *m);
/* Is there a message, or the end, without waiting for it any longer than ms? */
bool cf_ready(struct cf_run *r, int ms);

/* One request by CF_TAG, and its reply, which has to come next. */
styx_msg cf_rpc(struct cf_run *r, styx_msg t);
styx_msg cf_ok(struct cf_run *r, styx_msg t);      /* it must succeed */
void cf_refused(struct cf_run *r, styx_msg t);     /* it must not */
styx_msg cf_or_skip(struct cf_run *r, styx_msg t); /* if it is refused the check is skipped */

/* ---- styx_conform_make.c: requests, and steps that many checks take ---- */

styx_msg cf_twalk(uint32_t fid, uint32_t newfid, const char *name); /* name NULL: a clone */
styx_msg cf_topen(uint32_t fid, uint8_t mode);
styx_msg cf_tcreate(uint32_t fid, const char *name, uint32_t perm, uint8_t mode);
styx_msg cf_tread(uint32_t fid, uint64_t offset, uint32_t count);
styx_msg cf_twrite(uint32_t fid, uint64_t offset, const void *data, uint32_t count);
styx_msg cf_tfid(uint8_t type, uint32_t fid); /* Tclunk, Tremove, Tstat */
styx_msg cf_twstat(uint32_t fid, styx_stat stat);
styx_msg cf_tversion(uint32_t msize, const char *version);

void cf_walk_path(struct cf_run *r, uint32_t fid, uint32_t newfid, const char *path);
/* fid at a new file of fid 1, with these contents, or at a new directory there; not open. */
void cf_file(struct cf_run *r, uint32_t fid, const char *name, uint32_t perm, const char *text);
void cf_mkdir(struct cf_run *r, uint32_t fid, const char *name, uint32_t perm);
/* fid at a file that has contents and may be read: made, or found. */
void cf_readable(struct cf_run *r, uint32_t fid);
/* All of a file that is open for reading, up to cap; and is it this text? */
size_t cf_read_all(struct cf_run *r, uint32_t fid, void *buf, size_t cap);
void cf_contents(struct cf_run *r, uint32_t fid, const char *text);
/* Write everything to an open fid, in as many messages as it takes. */
void cf_write_all(struct cf_run *r, uint32_t fid, const void *data, size_t n);
/* The records of the directory fid, which is open for reading, from its start, in reads of count; fn may be NULL. */
size_t cf_list(struct cf_run *r, uint32_t fid, uint32_t count, void (*fn)(struct cf_run *, const styx_stat *, void *),
               void *arg);
/* The server still serves others: one stat on a connection of its own. */
void cf_alive(struct cf_run *r);

/* ---- styx_conform_place.c: the directory that is ours ---- */

void cf_place_make(struct cf_world *w);
void cf_place_remove(struct cf_world *w);
void cf_place_enter(struct cf_run *r); /* fid 1 */

/* ---- styx_conform_play.c ---- */

void cf_play(struct cf_run *r, const char *script);
/* Does the printed message match? $names are set in the run when it does. */
bool cf_match(struct cf_run *r, const char *pattern, const char *text);

/* ---- styx_conform_report.c ---- */

enum cf_format { CF_TEXT, CF_TAP, CF_JUNIT };
struct cf_report {
  FILE *to;
  enum cf_format format;
  bool verbose;
  const char *where; /* the server's address */
  size_t planned, done, count[3];
  struct cf_skipped {
    size_t n;
    char why[256];
  } skipped[16]; /* in text each reason is said once */
};
void cf_report_begin(struct cf_report *rep);
void cf_report_one(struct cf_report *rep, struct cf_run *r);
void cf_report_end(struct cf_report *rep);

#endif
