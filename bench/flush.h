/* flush.h: what the files of `styxbench flush` share: load on a 9P server, and an oracle of what it does about flush.
 *
 * One thread, many connections. Each connection has `depth` slots. A slot owns a fid and a file, and has one request in
 * flight at a time, so that what the fid and the file must be is always known; Tflushes come on top. Layers, upwards:
 *   flush_conn.c    bytes: buffers, split and joined writes, what was said lately
 *   flush_tags.c    the flush law: tags, and what an Rflush settles
 *   flush_judge.c   which message may come for which tag; flush_late.c: what never comes
 *   flush_model.c   fids and files: which outcomes a request may have, and what follows
 *   flush_choose.c  what a slot asks next; flush_plan.c: what is flushed, when
 *   flush_script.c  from a new connection, or a new Tversion, to the slots
 *   flush_run.c     the loop; flush_setup.c: directories, before and after; flush_report.c, flush_svg.c: results
 * The rules F1 to F28 are those of flush(5) and its kin, as bench/README.md lists them. */
#ifndef BENCH_FLUSH_H
#define BENCH_FLUSH_H

#include "base/hist.h"

#include <styx/server.h>
#include <styx/wire.h>

#include <stdio.h>

enum {
  FL_FILE = 2048,    /* largest file of a slot */
  FL_SHARED = 8192,  /* the file that all slots of all connections read */
  FL_LOG = 2048,     /* messages that a connection remembers */
  FL_LOG_BYTES = 96, /* of each */
  FL_PASTS = 8,      /* earlier uses of a tag that are remembered */
  FL_KINDS = 64,
  FL_TEXTS = 40, /* violations that are told in full */
  FL_EXCERPT = 20,
  FL_LATES = 16,
  FL_SUSPECT = 12 /* requests for which a contradiction is blamed on the last flushed one */
};

struct fl_options {
  const char *addr_text, *uname, *aname, *dir, *blocked, *svg;
  styx_addr addr;
  styx_dialect dialect;
  unsigned conns, depth;
  double secs, ratio, patience;
  uint64_t ops; /* 0: secs counts */
  uint32_t msize;
  uint64_t seed;
  unsigned churn; /* one hangup or Tversion for so many requests of a connection; 0: none */
  unsigned most;  /* violations after which the run ends; 0: no such bound */
  bool json, quiet;
};

/* ---- requests and tags ---- */

enum fl_op {
  FL_NONE,
  FL_WALK_DIR,  /* the fid becomes our directory */
  FL_WALK_FILE, /* ... our file */
  FL_WALK_PAST, /* ... something in our file, which is no directory */
  FL_WALK_HERE, /* the fid, our directory, moves to our file */
  FL_ATTACH,
  FL_OPEN,
  FL_CREATE,
  FL_STAT,
  FL_READ,
  FL_WRITE,
  FL_CLUNK,
  FL_REMOVE,
  FL_UNLINK,
  FL_SHARED_READ,
  FL_WALK_BLOCKED,
  FL_SCRIPT, /* flush_script.c */
  FL_FLUSH,
  FL_OPS
};

enum fl_how { FL_NEVER, FL_REPLIED, FL_SILENT, FL_SKIPPED, FL_DROPPED, FL_ABORTED, FL_LOST };

struct fl_slot;

/* A request under its tag. It stays, settled, while a Tflush that names it is out. */
struct fl_req {
  uint64_t serial; /* 0: the tag is free */
  uint64_t sent;   /* ns; 0: still in our buffer */
  uint8_t op, type;
  uint8_t how;            /* FL_NEVER: outstanding */
  bool flushed, rflushed; /* a Tflush of it was sent; an Rflush of one has come */
  bool dropped;           /* a Tflush of it was flushed */
  uint16_t out;           /* Tflushes of it that are outstanding */
  uint32_t fid;
  struct fl_slot *slot;
  /* of a Tflush */
  uint16_t oldtag;
  uint64_t target; /* serial; 0: of nothing */
  bool after;      /* its target had been replied to when it was sent */
  uint8_t sort;    /* enum fl_sort */
};

struct fl_past {
  uint64_t serial;
  uint32_t session;
  uint8_t type, how;
  uint16_t oldtag; /* of a Tflush */
  bool after;      /* of a skipped Tflush: the one that was answered instead had been sent after the reply */
};

struct fl_tag {
  struct fl_req req;
  struct fl_past past[FL_PASTS]; /* newest first */
};

enum fl_sort { FL_SAME_WRITE, FL_LATER, FL_AFTER, FL_AGAIN, FL_OF_FLUSH, FL_UNUSED, FL_SELF, FL_SORTS };

/* ---- slots ---- */

enum fl_at { FL_FREE, FL_AT_DIR, FL_AT_ROOT, FL_AT_FILE, FL_AT_OPEN, FL_AT_BLOCKED, FL_AT_BLOCKED_OPEN };
enum fl_want { FL_WANT_OK, FL_WANT_ERROR, FL_WANT_PARTIAL, FL_WANT_ANY };

struct fl_ask { /* the request in flight */
  uint8_t op, want, mode;
  bool trunc;
  uint32_t count;
  uint64_t offset, seed; /* seed: of the data */
};

struct fl_slot {
  uint16_t index;
  bool busy, blocked, unsure, verified;
  uint8_t at, mode;
  uint32_t fid;
  uint32_t gen; /* of the file's name */
  bool exists;
  uint32_t length;
  uint64_t qpath;
  uint8_t probe;       /* the operation that was flushed without a reply */
  uint8_t probe_after; /* requests that come before the probe */
  const char *suspect; /* kind of a contradiction, while suspected > 0 */
  uint8_t suspected;
  bool read_all; /* the probe reads the whole file */
  bool partial;  /* the last walk stopped on the way, so the fid is still free */
  struct fl_ask ask;
  uint8_t bytes[FL_FILE];
};

/* ---- connections ---- */

struct fl_said {
  uint64_t at; /* ns */
  uint32_t size;
  bool out;
  uint8_t bytes[FL_LOG_BYTES];
};

struct fl_due { /* a Tflush to be sent */
  uint64_t at;
  uint64_t serial;
  uint16_t tag;
  uint8_t sort;
};

enum fl_stage {
  FL_START,
  FL_VERSION,
  FL_OLD_FID,
  FL_ATTACHING,
  FL_WALKING,
  FL_SHARING,
  FL_OPENING,
  FL_RUNNING,
  FL_WASTE,
  FL_DEAD
};

/* What was said about a request that is out for long: when it is given up, the log has moved on. */
struct fl_late {
  uint64_t serial;
  char *excerpt;
};

struct fl_run;

struct fl_conn {
  struct fl_run *run;
  unsigned index;
  int fd;
  uint8_t stage;
  bool watched, fallen; /* fallen: to be connected again */
  uint64_t rng;
  uint32_t session, msize;
  uint32_t root, dir, shared, old_root, next_fid;
  uint64_t dir_path;
  uint64_t until_churn; /* requests */
  uint64_t version_at;  /* ns: when Tversion was sent */
  uint64_t waste_until; /* ns: after a client error, nothing that comes counts until then */
  uint64_t down;        /* ns: since when it cannot be connected; 0: it can */
  uint64_t latency;     /* ns, of late */
  uint8_t *out, *in;
  size_t out_len, out_cap, in_len, in_cap;
  uint64_t out_at; /* of the stream, at out[0] */
  struct {
    uint64_t end;
    uint64_t serial;
    uint16_t tag;
  } * unsent;
  size_t unsent_at, nunsent;
  struct fl_tag *tags;
  uint16_t *free;
  unsigned ntags, nfree;
  uint16_t *flushes; /* outstanding, in the order of sending */
  unsigned nflushes;
  struct fl_due *dues;
  unsigned ndues;
  struct fl_slot *slots;
  unsigned nbusy;
  struct fl_said *log;
  uint64_t nlog;
  struct fl_late lates[FL_LATES];
  int also;            /* a second tag that the next violation concerns; -1: none */
  const char *excerpt; /* for the next violation, instead of what was said last */
  char name[64];       /* of its directory */
};

/* ---- the run ---- */

enum fl_phase { FL_BASELINE, FL_SETTLE, FL_LOADED, FL_DRAIN, FL_OVER };

struct fl_kind {
  const char *rule, *kind;
  uint64_t count;
  bool warning;
};

struct fl_text {
  const char *rule, *kind;
  char *text, *excerpt;
};

struct fl_result {
  struct sx_hist base, replies, rflush; /* ns */
  double base_secs, secs;
  uint64_t requests, interrupted, answered,
      errors; /* of flushed requests: silent, replied to, replied to with an error */
  uint64_t sorts[FL_SORTS];
  uint64_t hangups, versions, duplicates, probes, messages;
  double client_share; /* of one CPU, that we used */
  uint64_t violations, warnings;
};

struct fl_run {
  const struct fl_options *o;
  uint64_t now, serial, phase_start, phase_ops;
  uint64_t deadline; /* of the phase, in ns */
  double cpu_start;  /* seconds that we had used when it began */
  uint8_t phase;
  struct fl_conn *churned; /* the last that ended, or began anew, in mid-work */
  const char *last_churn;  /* the rule that would be broken if the server died of it */
  bool no_unlinkat;        /* the server does not know Tunlinkat */
  bool no_self;            /* the server has no answer to a Tflush of itself: not again */
  int poller;
  struct fl_conn *conns;
  struct fl_result result;
  struct fl_kind kinds[FL_KINDS];
  struct fl_text texts[FL_TEXTS];
  unsigned nkinds, ntexts, made; /* made: directories */
  uint8_t shared[FL_SHARED];
};

/* flush_options.c; ends the program when they are wrong, or ask for help */
void fl_options_parse(struct fl_options *o, int argc, char **argv);

/* flush_conn.c */
uint64_t fl_clock(void);
uint32_t fl_roll(struct fl_conn *c, uint32_t n);       /* 0 to n - 1 */
bool fl_chance(struct fl_conn *c, uint32_t per_mille); /* true so often */
void fl_fill(uint8_t *to, size_t n, uint64_t seed);    /* the bytes that belong to a seed */
bool fl_conn_init(struct fl_conn *c, struct fl_run *r, unsigned index);
void fl_conn_fini(struct fl_conn *c);
bool fl_conn_dial(struct fl_conn *c);
void fl_conn_close(struct fl_conn *c, bool reset);
void fl_conn_put(struct fl_conn *c, const styx_msg *m, uint64_t serial); /* into the buffer */
void fl_conn_write(struct fl_conn *c);
void fl_conn_read(struct fl_conn *c);
void fl_conn_fall(struct fl_conn *c); /* this connection cannot go on: a new one is to come */

/* flush_tags.c */
void fl_tags_reset(struct fl_conn *c);
void fl_tags_forget(struct fl_conn *c);
bool fl_tags_room(const struct fl_conn *c, unsigned n);
struct fl_req *fl_tags_send(struct fl_conn *c, styx_msg *m, struct fl_slot *slot, enum fl_op op); /* gives it a tag */
struct fl_req *fl_tags_flush(struct fl_conn *c, uint16_t oldtag, uint64_t target, enum fl_sort sort);
bool fl_tags_stale(const struct fl_conn *c, const struct fl_req *r, bool error); /* was its reply another's? */
uint16_t fl_tags_of(const struct fl_conn *c, const struct fl_req *r);
unsigned fl_tags_outstanding(const struct fl_conn *c);
struct fl_req *fl_tags_out(struct fl_conn *c, unsigned tag);              /* the request that is; or NULL */
struct fl_req *fl_tags_target(struct fl_conn *c, const struct fl_req *f); /* of a Tflush, while it has its tag */
void fl_tags_settle(struct fl_conn *c, struct fl_req *r, enum fl_how how, bool after);
void fl_tags_release(struct fl_conn *c, struct fl_req *r); /* the tag, unless a Tflush that names it keeps it */
void fl_tags_end_flush(struct fl_conn *c, struct fl_req *f, enum fl_how how, bool after);
void fl_tags_rflush(struct fl_conn *c, struct fl_req *f); /* its Rflush has come */

/* flush_judge.c */
void fl_judge(struct fl_conn *c, const styx_msg *m);
void fl_judge_malformed(struct fl_conn *c, const styx_msg *m, styx_err err);

/* flush_late.c */
void fl_late(struct fl_conn *c); /* look for what is out for too long */

/* flush_plan.c */
void fl_plan(struct fl_conn *c, struct fl_req *r);             /* r has just been sent */
void fl_plan_replied(struct fl_conn *c, struct fl_req *r);     /* r has its reply, and still its tag */
void fl_plan_due(struct fl_conn *c);                           /* send what is due */
uint64_t fl_plan_next(const struct fl_conn *c, uint64_t then); /* when the next is due, if before then */
void fl_churn(struct fl_conn *c);                              /* a hangup, or Tversion, with work outstanding */

/* flush_model.c */
void fl_model_outcome(struct fl_conn *c, struct fl_req *r, const styx_msg *m); /* m NULL: flushed, no reply */
void fl_model_forget(struct fl_conn *c, struct fl_slot *s);                    /* another fid, another file */
size_t fl_model_name(const struct fl_slot *s, char *buf, size_t cap);

/* flush_choose.c */
void fl_choose(struct fl_conn *c, struct fl_slot *s); /* the slot is idle: send its next request, if there is one */

/* flush_say.c: messages of the dialect */
void fl_say(const struct fl_conn *c, const struct fl_slot *s, styx_msg *m, const uint8_t *data, char *name, size_t cap);
void fl_say_attach(styx_msg *m, uint32_t fid, const char *uname, const char *aname);
void fl_say_stat(styx_dialect d, styx_msg *m, uint32_t fid);
void fl_say_open(styx_dialect d, styx_msg *m, uint32_t fid, uint8_t mode, bool trunc);
void fl_say_create(styx_dialect d, styx_msg *m, uint32_t fid, styx_str name, bool dir);
void fl_say_path(styx_msg *m, const char *path); /* names of a Twalk, behind those it has */
bool fl_is_error(const styx_msg *m);
bool fl_is_interrupted(const styx_msg *m);

/* flush_script.c */
void fl_script_start(struct fl_conn *c);   /* connected */
void fl_script_version(struct fl_conn *c); /* a Tversion in mid-session */
void fl_script_reply(struct fl_conn *c, const styx_msg *m);

/* flush_setup.c: blocking; false with a sentence on standard error */
bool fl_setup(struct fl_run *r);
bool fl_cleanup(struct fl_run *r);

/* flush_report.c */
__attribute__((format(printf, 6, 7))) void fl_violation(struct fl_conn *c, const char *rule, const char *kind, int tag,
                                                        uint32_t fid, const char *format, ...);
char *fl_excerpt(const struct fl_conn *c, int tag, int oldtag, uint32_t fid,
                 uint64_t until); /* the caller's; NULL: no memory */
void fl_warning(struct fl_conn *c, const char *rule, const char *kind);
void fl_report(const struct fl_run *r);

/* flush_svg.c */
bool fl_svg(const struct fl_run *r, const char *path);

/* flush_run.c */
int fl_main(int argc, char **argv);

#endif
