/* sim.h: a seeded world around real sessions: random clients, a random filesystem, a random scheduler, and the oracle.
 *
 * One thread, one dice: everything that happens follows from the seed. A handler, a cancel callback, close and forget may
 * run other steps of the world inside themselves, which is how one thread shows what many would do: an answer before the
 * handler returns, a flush while it runs, a hangup inside a callback.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <styx/session.h>

#include <setjmp.h>

enum { NCONN = 3, NFID = 9, NTAG = 14, MAXREQ = 2000, MAXNODE = 6000, MAXHANDLE = 2000, MAXCALL = 8000, MAXBAG = 1024 };
enum {
  OFFSET_SHIFT = 12
}; /* offsets of file I/O carry the request's id above this bit; those of directories are below */

enum fs_outcome { FS_NONE, FS_RUNNING, FS_OK, FS_ERROR, FS_INTERRUPTED };
enum fate {
  OUT,
  REPLIED,
  SILENT,
  DROPPED
}; /* SILENT: flushed without a reply; DROPPED: its session ended at a Tversion */

struct sim;
struct conn;

/* One message of a client, in the order of sending, and all that became of it. */
struct creq {
  struct conn *conn;
  uint32_t id;
  int next; /* the next of the same connection, or -1 */
  uint8_t type;
  uint16_t tag, oldtag, nwname;
  uint32_t fid, newfid, afid, count;
  uint64_t offset;
  uint8_t mode;
  uint8_t bits[STYX_MAXWELEM]; /* first byte of each name of a Twalk, or of the name of a Tcreate */
  uint32_t user;               /* Tauth, Tattach: the number in uname; */
  int aname;                   /* and which of sim_anames */
  bool plug;                   /* the plug has been asked about it */
  bool let_in;                 /* Tattach: the plug has let it in, and the filesystem may see it */
  bool dup;                    /* sent under a tag that was outstanding */
  bool bad;                    /* must be refused whatever the state */
  bool alone;                  /* nothing else was outstanding on its fid */
  bool flushed;                /* a Tflush names it */
  bool in_the_way;             /* of something flushed that must run */
  bool may_interrupt;          /* something later may have cancelled it */
  struct creq *victim, *root;  /* Tflush: what it names; the request at the end of a chain of flushes */

  enum fate fate;
  uint8_t rtype;
  styx_err err;
  styx_qid qid, qids[STYX_MAXWELEM];
  uint16_t nwqid;
  uint32_t rcount;
  uint32_t dir_first, dir_entries; /* Rread of a directory */
  bool version_ok;

  enum fs_outcome fs; /* what the filesystem did, where the operation says which request it is */
  bool would_block;   /* it has answered so, and is to be called again */
  uint32_t fs_ok;     /* walk: elements found */
  uint32_t fs_count;  /* read, write */
};

struct node {
  struct conn *conn;
  uint32_t gen, id, element, attach_id; /* which request made it */
  bool alive, dir, readonly;
  bool auth; /* a conversation with the plug; needs and had: messages until it lets in, and so far */
  uint32_t needs, had, last_turn;
  uint64_t path; /* auth: of its qid, once a reply has said it */
  uint32_t entries;
  int nullhandles, handles, calls; /* now */
  int inside;                      /* operations that have not returned */
  int handles_ever;
  styx_err close_err;
  bool closed;
};

struct handle {
  struct node *node;
  bool open, reading;
  int calls, inside;
};

/* What the plug is asked; NO_PLUG: it is the filesystem that is asked. */
enum auth_part { NO_PLUG, A_START, A_READ, A_WRITE, A_DONE, A_NO_AFID };

enum cancel_mode { CB_NONE, CB_NOTIFY, CB_ANSWER };

/* One run of one operation. */
struct call {
  struct sim *w;
  styx_req *req;
  enum styx_op op;
  enum auth_part part;
  struct conn *conn;
  struct creq *creq; /* NULL when the operation does not say */
  struct node *node;
  struct handle *handle;
  enum cancel_mode cb;
  bool armed, cb_started, pending, answered;
  bool owned;     /* threads: somebody has taken the answer upon itself, as behind a lock of the filesystem's */
  bool published; /* the reply call has returned */
  bool again;     /* its answer was that it would block */
  uint64_t offset;
  uint32_t count, flags;
  const uint8_t *data;
  styx_str name;
  char name_copy[40];
};

struct model_fid {
  bool bound, open;
  uint8_t mode;
  struct node *node;
  uint64_t dir_offset;
  uint32_t dir_next;
};

struct guess { /* what the client expects of a fid if all goes well: only to send sensible messages */
  bool bound, open, dir;
  uint8_t mode;
  struct creq *auth; /* the Tauth that makes it */
};

struct conn {
  struct sim *w;
  int index;
  uint32_t gen;
  styx_session *s;
  uint64_t clock;                                       /* added to the world's */
  void *session_block;                                  /* memory for the next session */
  bool hung, woken, closed_by_peer, garbage, uncertain; /* garbage: framing is lost on purpose */
  bool relaxed;                                         /* memory has been short: errors and the end are legal */
  size_t live;                                          /* bytes of the allocator */
  uint8_t tx[1 << 16], rx[1 << 16];
  size_t tx_len, rx_len;
  styx_work *bag[MAXBAG];
  int nbag;
  int first, last, head; /* requests: of this generation; head: not yet replayed */
  int outstanding, maxout;
  struct model_fid fids[NFID];
  struct guess guess[NFID];
  bool versioned;
  uint32_t msize;
  int inside; /* operations that have not returned */
  int auths;  /* conversations at the last moment of rest, and Tauths since */
  int interrupted, opened, ropened, removed, rremoved, seconds, close_errors, rclunk_errors, refs;
};

struct sim {
  uint64_t seed, rng, now;
  jmp_buf out;
  const char *phase;
  bool tracing, live_trace, quiet; /* quiet: no steps inside handlers */
  bool threads;                    /* between a decision and the call that tells it, other threads run */
  bool draining;                   /* the server is shutting down */
  int steps, depth, inside;
  char why[512];

  /* the dice of this seed */
  int p_later, p_nest, p_error, p_arm, p_split, p_second, p_wrong, p_would_block;
  int p_lie; /* it blocks although it has promised not to */
  unsigned step_weight[12], msg_weight[16];
  bool fails, wake_driven, big_time, small_limits, small_held;
  uint64_t fail_at, fail_for, allocs;
  styx_fs_ops ops, front; /* front: of one that stands in front of ops */
  styx_fs inner;
  bool auth;        /* the last export has a plug */
  struct sim *plug; /* ourselves; where it is, is the plug's ctx */
  styx_export exports[3];
  styx_limits limits;
  styx_session_config config;
  styx_hooks hooks;

  int nconn;
  struct conn conns[NCONN];
  struct creq reqs[MAXREQ];
  struct node nodes[MAXNODE];
  struct handle handles[MAXHANDLE];
  struct call calls[MAXCALL];
  struct call *pending[MAXCALL];
  uint8_t fd_state[4096]; /* 0 never, 1 open, 2 closed */
  int nreqs, nnodes, nhandles, ncalls, npending, nfds;
  uint64_t replies, errors, flushes, silent, checks;
};

/* sim_run.c: what every program has that plays schedules */
struct sim_program {
  const char *name;
  uint64_t seeds; /* by default */
  int steps;
  void (*play)(struct sim *w); /* one schedule */
};
int sim_run(const struct sim_program *p, int argc, char **argv);
uint32_t sim_roll(struct sim *w, uint32_t n); /* 0 .. n-1 */
bool sim_chance(struct sim *w, int percent);
void sim_throw_client_dice(struct sim *w);
void sim_limits_of_time(struct sim *w); /* now and then requests have a deadline, and their end a bound */
void sim_note(struct sim *w, const char *fmt, ...) STYX_PRINTF(2, 3);
_Noreturn void sim_fail(struct sim *w, const char *fmt, ...) STYX_PRINTF(2, 3);
_Noreturn void sim_full(struct sim *w); /* a table of the simulation's own is full: the schedule ends here */

/* the program itself: sim.c or stages.c */
void sim_nest(struct sim *w);            /* other things happen meanwhile */
void sim_hold(struct sim *w, bool must); /* code of the filesystem blocks, perhaps */
void sim_hang(struct sim *w);            /* so does what runs here, if others then do what this thread would do next */
_Noreturn void sim_leave(struct sim *w, int how); /* back to sim_run: longjmp(w->out, how) */

/* sim_conn.c */
void sim_learn_session_size(void); /* once */
void sim_conn_hooks(styx_hooks *hooks);
void sim_conn_open(struct sim *w, struct conn *c);
void sim_conn_close(struct conn *c); /* hangs up, waits for the end, and nothing may be left */
uint64_t sim_now_of(const struct conn *c);
bool sim_check_ended(struct conn *c);
void sim_feed(struct conn *c, size_t len);
size_t sim_drain(struct conn *c, size_t most); /* replies to the client; how many bytes */
bool sim_take_work(struct conn *c);
void sim_run_work(struct conn *c);
bool sim_answer_one(struct sim *w, const struct conn *only);
bool sim_retire(struct conn *c);
void sim_hangup(struct conn *c);
void sim_settle_all(struct conn *c); /* everything that can happen without the client happens */

/* sim_fs.c */
extern const char *const sim_op_names[STYX_NOPS];
void sim_fs_init(struct sim *w);
void sim_fs_export(struct sim *w); /* once its table is as it will be */
void sim_call_begin(struct sim *w, struct call *c);
/* An operation is called, and returns: those with one serial key never at once. */
void sim_enter(struct sim *w, struct conn *conn, struct node *node, struct handle *handle);
void sim_return(struct sim *w, struct conn *conn, struct node *node, struct handle *handle);
void sim_fs_check_told(struct sim *w, const struct conn *c); /* whoever was cancelled has been told */
struct node *sim_node_of(struct sim *w, styx_qid qid);
bool sim_fs_detachable(const struct sim *w, uint8_t type);
uint8_t sim_byte(uint32_t id, size_t i); /* of the data of request id */

/* sim_auth.c */
extern const char *const sim_part_names[];
void sim_auth_export(struct sim *w); /* a third export, behind a plug */
bool sim_is_plug(const struct sim *w, const styx_fs *fs);
struct call *sim_call_new(struct sim *w, styx_req *req, enum styx_op op, struct node *node, struct creq *r);
struct creq *sim_attach_of(struct sim *w, const styx_req *req); /* the Tattach, whoever it is by */
struct node *sim_conversation(struct conn *c, uint32_t id);     /* that Tauth id has begun, or NULL */
void sim_part_begins(struct sim *w, struct call *c);
styx_answer sim_part_ok(struct call *c);
bool sim_may_be_left(const struct sim *w, const struct creq *r); /* flushed, it may have run all the same */

/* sim_answer.c */
struct node *sim_node_new(struct sim *w, struct conn *conn, uint32_t id, uint32_t element, bool dir);
void sim_call_over(struct call *c, enum fs_outcome outcome);
styx_answer sim_answer_io(struct call *c); /* read, write */
styx_answer sim_serve(struct call *c);
void sim_fs_answer(struct sim *w, struct call *c); /* one that is pending */

/* sim_pick.c */
enum want { W_ANY, W_DIR, W_CLOSED, W_FILE_OPEN, W_DIR_OPEN, W_FREE };
extern const uint32_t sim_fid_numbers[NFID];
enum { NANAME = 7, NOWHERE = 4, GUARDED = 5 }; /* from GUARDED on they are of the export that has a plug */
extern const char *const sim_anames[NANAME];
int sim_fid_index(uint32_t fid); /* -1: none of ours */
bool sim_must_run(uint8_t type);
bool sim_type_has_id(const struct creq *r); /* the filesystem can tell which request it serves */
struct creq *sim_first_on_tag(struct conn *c, uint16_t tag);
struct creq *sim_some_outstanding(struct conn *c, bool flush); /* that is no part of a duplicate */
uint16_t sim_free_tag(struct conn *c);                         /* NOTAG when there is none */
int sim_pick_fid(struct conn *c, enum want want);
bool sim_have_fid(const struct conn *c, enum want want);

/* sim_client.c */
void sim_client_send(struct conn *c);

/* sim_replay.c */
struct creq *sim_req_at(struct sim *w, int i);
struct model_fid *sim_model_fid(struct conn *c, uint32_t fid);
void sim_replay(struct conn *c); /* what is settled, up to the first that is not */

/* sim_oracle.c */
void sim_take_replies(struct conn *c); /* whole messages in rx */
void sim_oracle_reply(struct conn *c, const styx_msg *m, size_t len);
void sim_oracle_prompt(struct conn *c); /* everything fed and drained: no Rflush may be late */
void sim_oracle_quiet(struct conn *c);  /* nothing is outstanding anywhere */

#endif
