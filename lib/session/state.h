/* session/state.h: what one session is made of, and who may touch which field.
 *
 * Everything is guarded by the lock that the embedder holds around session calls (design.md 2), save fields marked:
 *   atomic      any thread, by the protocol beside it
 *   handler     the one thread that has claimed the answer (r_word), until it has posted it
 *   immutable   set before the object is shared
 */
#ifndef SESSION_STATE_H
#define SESSION_STATE_H

#include "base/alloc.h"
#include "base/table.h"
#include "session/chain.h"
#include "session/keep.h"
#include "session/work.h"

#include <styx/session.h>

#include <stdatomic.h>

struct sx_slot;
struct sx_binding;

/* ---- posts: what other threads hand back; a lock-free stack that retire takes whole ---- */

enum sx_post_kind { SX_ANSWER, SX_FREE, SX_CLOSED, SX_FORGOTTEN, SX_RELEASED };

struct sx_post {
  struct sx_post *p_next;
  enum sx_post_kind p_kind;
};

/* ---- the request word ---- */

/* PARKED -> QUEUED -> RUNNING -> ANSWERED (a walk, what is passed on and what would block go from there to QUEUED again),
 * CANCELLED beside them. PARKED and QUEUED are left under the lock, save QUEUED -> RUNNING by the runner; RUNNING -> ANSWERED by whoever
 * answers first. */
enum sx_state { SX_PARKED = 0, SX_QUEUED = 1, SX_RUNNING = 2, SX_ANSWERED = 3, SX_CANCELLED = 4 };

#define SX_STATE 0x07u   /* mask */
#define SX_ASKED 0x08u   /* cancellation was asked for; never cleared */
#define SX_ARMED 0x10u   /* r_cancel_fn is set and may be started */
#define SX_STARTED 0x20u /* it has been started */
#define SX_HAS_FD 0x40u  /* r_cancel_fd is open */

/* ---- fids ---- */

/* One attach: who, to what. Counted by its nodes. */
struct sx_user {
  unsigned u_refs;
  bool u_auth;                 /* u_fs is a plug: of an afid, or of an attach that is not let in yet */
  const styx_export *u_export; /* immutable */
  const styx_fs *u_fs;         /* that of u_export, or u_plug; immutable while anything of it runs */
  styx_fs u_plug;
  styx_qid u_root;
  size_t u_size; /* immutable, with the strings behind it */
  styx_str u_name, u_aname;
};

/* A node of the filesystem. Counted by bindings and walks; forget runs when the last is gone. */
struct sx_node {
  struct styx_work n_work;
  struct sx_post n_post;
  styx_session *n_session;
  unsigned n_refs;
  struct sx_user *n_user;
  void *n_node; /* immutable once n_refs > 0 was seen by a handler */
  styx_qid n_qid;
  size_t n_path_len; /* immutable, with the path */
  char n_path[];     /* for styx_req_path; empty when it is not kept */
};

/* What a fid is bound to. Counted by its slot and by each request that pins it; never changes what it means, so whoever pins
 * it needs no lock to use node and handle. */
struct sx_binding {
  struct styx_work b_work;
  struct sx_post b_post;
  unsigned b_refs;
  struct sx_node *b_node;
  void *b_handle;
  bool b_open;
  bool b_auth; /* it is an afid */
  uint8_t b_mode;
  bool b_stream;               /* reads have effects */
  styx_req *b_clunk;           /* the Tclunk that waits for close's verdict */
  styx_err b_err;              /* of close; the runner, until posted */
  bool b_taken;                /* a directory read is running, or what concerns an afid: they take turns */
  struct sx_link b_waiting;    /* requests that wait for theirs */
  uint64_t b_offset, b_cookie; /* where the next directory read must start */
};

enum sx_use { SX_USE, SX_CHANGE, SX_MAKE, SX_DROP };

/* A request's place on one fid, in order of arrival. A use leaves the slot when it is granted; change, make and drop hold
 * it from then until they retire. */
struct sx_place {
  styx_req *pl_req;
  struct sx_slot *pl_slot; /* NULL when not in a slot (any more) */
  enum sx_use pl_use;
  bool pl_granted;
  struct sx_link pl_link;    /* in f_queue while not granted */
  struct sx_binding *pl_pin; /* counted; what the fid meant when the place was granted; NULL: a bad fid */
};

/* A fid number: in the table while it is bound, held or waited for. Invariant: f_queue is empty unless f_holder is set. */
struct sx_slot {
  uint32_t f_fid;
  struct sx_binding *f_binding;
  struct sx_place *f_holder;
  struct sx_link f_queue;
};

/* ---- requests ---- */

enum sx_answer {
  SX_A_NONE,
  SX_A_OK,
  SX_A_ERROR,
  SX_A_INTERRUPTED,
  SX_A_NODE,
  SX_A_OPEN,
  SX_A_CREATE,
  SX_A_DATA,
  SX_A_REF,
  SX_A_DIR,
  SX_A_ATTR,
  SX_A_COUNT,
  SX_A_MSG,        /* a whole message, made by a program that sees every request */
  SX_A_PASS,       /* no answer: r_fs is to be asked */
  SX_A_WOULD_BLOCK /* no answer: the same once more, where it may block */
};

struct sx_walk {
  struct sx_node *wk_at; /* counted */
  uint16_t wk_done;
  styx_qid wk_qids[STYX_MAXWELEM];
};

/* In two parts: what sx_req_init sets, and from r_all on what is written before it is read. */
struct styx_req {
  _Atomic uint32_t r_word;
  _Atomic uint32_t r_refs;   /* the session until it is retired, and each work item */
  styx_session *r_session;   /* immutable */
  size_t r_size;             /* immutable: of this allocation, r_bytes included */
  size_t r_len;              /* immutable: of the message in r_bytes; behind it is room for a small reply */
  uint64_t r_since;          /* immutable: when it came in */
  uint64_t r_asked;          /* when it was first told to end; UINT64_MAX: never */
  struct sx_chain r_flushes; /* the Tflushes that wait for it */
  uint16_t r_tag;            /* immutable */
  bool r_must_run;           /* immutable */
  bool r_made;               /* handler: r_node has a node that is to be bound, or given back */
  int r_cancel_fd;           /* atomic: published by SX_HAS_FD */

  struct sx_link r_wait;  /* in s_ready, s_hungry or b_waiting while parked there */
  struct sx_link r_timed; /* in s_due until its deadline has passed, in s_asked from when it was to end */
  struct sx_place r_place[2];
  struct sx_node *r_node;       /* to be filled with the answer's node */
  struct sx_binding *r_binding; /* to be filled and bound to a fid */
  struct sx_user *r_user;       /* counted, until r is freed; NULL while it has not started */
  struct sx_walk *r_walk;
  union {
    styx_setattr *r_setattr;
    struct sx_node *r_whole; /* counted; where the program sees every request */
  };
  size_t r_reserved; /* bytes of s_held that its reply may need */
  bool r_has_reserved;
  bool r_cleared;  /* must-run and parked: what it waits for has been cancelled */
  bool r_silent;   /* hangup or Tversion: no reply */
  bool r_turn;     /* of b_taken it is the one: it runs, or is about to */
  bool r_detached; /* answered for by its Rflush: nobody waits for the handler's answer */
  /* the answer: handler */
  bool r_stream;   /* of styx_req_stream */
  bool r_dropped;  /* it returned without an answer */
  bool r_prepared; /* r_frame is a whole message (styx_req_prepare) */
  enum sx_answer r_answer;
  styx_err r_err;
  uint32_t r_iounit;
  uint32_t r_count;
  styx_qid r_qid;
  char *r_text;       /* words of an error, or NULL */
  uint8_t *r_frame;   /* the outgoing message, header included: in r_segment, or behind the message in r_bytes */
  size_t r_frame_len; /* of it, made so far */
  struct sx_segment *r_segment; /* memory for a frame, or NULL */
  struct sx_segment
      *r_ref; /* of styx_reply_refs: the first of some that are linked; before that one that is lent, or NULL */

  struct sx_link r_all; /* in s_requests until retired, then in s_detached while it runs on */
  struct styx_work r_run;
  struct styx_work r_cancel;
  struct sx_post r_post;
  enum styx_op r_op;   /* what the runner calls */
  bool r_may_block;    /* false: r_op is declared nowait, and has not answered that it would block */
  bool r_binds;        /* handler: the whole message that is the answer says that what was made is bound */
  const styx_fs *r_fs; /* r_op of which filesystem: the export's, or one behind it; the runner, handler */
  size_t r_frame_size; /* handler: how large the frame may become */
  size_t r_text_size;  /* handler: of the allocation at r_text; 0: it is in r_bytes */
  void *r_ans_node, *r_ans_handle;
  uint64_t r_cookie;           /* directory reads: from where; then: the last entry's */
  styx_cancel_fn *r_cancel_fn; /* atomic: published by SX_ARMED */
  void *r_cancel_arg;

  styx_msg r_msg; /* immutable; views r_bytes */
  uint8_t r_pad;  /* so that the data of a Twrite is aligned: see aligned_frame in replies.c */
  uint8_t r_bytes[];
};
_Static_assert((offsetof(styx_req, r_bytes) + STYX_IOHDRSZ - 1) % 16 == 0, "the data of a Twrite is not aligned");

/* ---- the outbox ---- */

/* Bytes that small replies share. Segments view it, one after the other; when all have gone it is used again. */
struct sx_head {
  size_t h_used;
  size_t h_views; /* segments, all in the outbox */
  uint8_t h_bytes[];
};

/* A run of bytes to be sent: a part of a head, one frame, or memory that belongs to somebody. */
struct sx_segment {
  struct sx_segment *g_next;
  uint8_t *g_base;
  size_t g_len;
  size_t g_size;          /* of this allocation */
  struct sx_head *g_head; /* which it views, or NULL */
  styx_release_fn *g_release;
  void *g_release_arg;
  struct styx_work g_work; /* calls g_release */
  struct sx_post g_post;
  styx_session *g_session;
  uint8_t g_room[]; /* for a frame */
};

struct sx_outbox {
  struct sx_segment *o_first, *o_last;
  struct sx_head *o_head; /* where small replies go, or NULL; its last view ends where it is used up to */
  size_t o_offset;        /* of o_first already sent */
  size_t o_bytes;         /* not yet sent */
  size_t o_memory;        /* of the segments, unused room included, without what belongs to somebody */
};

/* ---- the session ---- */

struct styx_session {
  styx_allocator s_alloc;       /* immutable */
  styx_hooks s_hooks;           /* immutable */
  void *s_hook_arg;             /* immutable */
  styx_limits s_limits;         /* immutable */
  const styx_export *s_exports; /* immutable */
  size_t s_nexports;            /* immutable */
  bool s_sees_all;              /* immutable: the program sees every request (whole.c) */
  struct sx_node *s_whole;      /* counted; the node of the session itself, once there was a request */
  _Atomic(void *) s_context;    /* atomic: what it stands for */
  bool s_send_interrupted;      /* immutable */
  styx_peer s_peer;             /* immutable */
  bool s_has_peer;              /* immutable */
  bool s_draining;              /* new work is refused */

  _Atomic(struct sx_post *) s_posts; /* atomic: pushed by anybody, taken whole by retire */

  struct sx_table s_fids;    /* sx_slot */
  struct sx_tags s_tags;     /* styx_req: see chain.h */
  struct sx_link s_requests; /* every request not yet retired */
  struct sx_link s_detached; /* every detached one */
  struct sx_link s_due;      /* requests that have a deadline, the earliest first */
  struct sx_link s_asked;    /* those that have been flushed or cancelled, the earliest first */
  struct sx_link s_ready;    /* all places granted, to be started */
  struct sx_link s_hungry;   /* reads that wait for bytes */
  struct sx_link s_work;     /* for styx_session_next */
  struct sx_link s_cancels;  /* likewise, and before s_work */
  struct sx_outbox s_out;
  struct sx_keep s_keep;

  styx_req *s_in; /* in its r_bytes: an incomplete message, or what came while parsing was stopped */
  size_t s_in_len, s_in_cap;
  bool s_lent; /* what is behind s_in_len belongs to whoever receives into it (styx_session_room) */

  _Atomic uint32_t s_msize; /* atomic: those that are detached may look while it is set anew. 0: no version yet */
  bool s_resetting;         /* a Tversion waits for the old session to end */
  bool s_hungup;
  bool s_paused;          /* the outbox was over its limit and is not yet half empty */
  const char *s_ended;    /* why the session has ended by itself */
  uint16_t s_version_tag; /* of the Tversion that waits */
  uint32_t s_version_msize;

  size_t s_outstanding;                              /* requests not yet retired */
  size_t s_nreq, s_nbindings, s_nnodes, s_nreleases; /* objects that exist */
  size_t s_ending;                                   /* closes and forgets that are to be run, or running */
  size_t s_held;                                     /* bytes: requests and reserved replies */
  styx_budget *s_budget;                             /* immutable; or NULL */
  uint64_t s_charged;                                /* bytes that we count there */
  size_t s_reserved;                                 /* requests that have reserved */

  uint64_t s_now;   /* the clock as last told */
  uint64_t s_afids; /* made so far */
  size_t s_nafids;  /* that exist */
  uint64_t s_born, s_partial_since, s_progress, s_reset_since;
  styx_session_info s_info;      /* the counters */
  _Atomic uint64_t s_duplicates; /* atomic */
};

/* Who calls now may have looked at the clock before who called last. */
static inline void sx_time(styx_session *s, uint64_t now) {
  if (now > s->s_now)
    s->s_now = now;
}

/* By a flush, or because nobody is to be answered any more. Between two operations of one request, when nothing has happened yet, it
 * ends for that. */
static inline bool sx_told_to_end(const styx_req *r) { return r->r_silent || styx_req_cancelled(r); }

/* session.c */
void sx_log(styx_session *s, styx_level level, const char *what, const char *detail);
void sx_end(styx_session *s, const char *why);     /* the session ends by itself */
void sx_error_sent(styx_session *s, styx_err err); /* count it */
void sx_work_push(styx_session *s, struct styx_work *work, enum sx_work_kind kind);
void sx_post(styx_session *s, struct sx_post *post, enum sx_post_kind kind); /* any thread; s may be gone afterwards */
void sx_continue(styx_session *s); /* whatever has become possible: start, parse on, finish a reset */

/* intake.c */
/* Take whole messages from p; how many bytes they were. *own, if it is not NULL: memory of a request with just this message in
 * it, which may be taken: then it is NULL afterwards. */
size_t sx_consume(styx_session *s, const uint8_t *p, size_t len, styx_req **own);
uint32_t sx_frame_limit(const styx_session *s); /* no message may be longer */

/* budget.c: what a session holds, beyond what each may, counts against what all of them may. */
bool sx_budget_more(styx_session *s, size_t more);
bool sx_budget_spent(const styx_session *s); /* we have more than what each may, and all together more than they may */
void sx_budget_count(styx_session *s);

static inline uint64_t sx_holds(const styx_session *s) { return s->s_held + s->s_out.o_memory + s->s_in_cap; }

/* True: so many bytes more may be held. They are counted at the latest when the batch is over. */
static inline bool sx_budget_allows(styx_session *s, size_t more) {
  return !s->s_budget || sx_holds(s) + more <= STYX_BUDGET_FREE + s->s_charged || sx_budget_more(s, more);
}

/* The batch is over: count what is held by now. */
static inline void sx_budget_settle(styx_session *s) {
  if (s->s_budget && (s->s_charged || sx_holds(s) > STYX_BUDGET_FREE))
    sx_budget_count(s);
}

/* stash.c */
void sx_parse_on(styx_session *s);
void sx_stash_free(styx_session *s);

void sx_version_reply(styx_session *s); /* to the Tversion that waits: its session begins */

/* start.c: checks a request whose places are granted, then queues or answers it */
void sx_start(styx_req *r);
void sx_attach_passed(styx_req *r); /* the plug lets it in */
void sx_queue(styx_req *r, enum styx_op op);
void sx_feed_hungry(styx_session *s);
bool sx_read_has_room(styx_req *r); /* false: it waits for room, and is started again */

/* whole.c */
bool sx_whole_take(styx_req *r); /* false: no memory */
void sx_whole_leave(styx_req *r);
void sx_whole_hangup(styx_session *s);
void sx_whole_start(styx_req *r);
uint16_t sx_whole_valid(const styx_req *r);
void sx_whole_settle(styx_req *r);
void sx_whole_unmake(styx_req *r);

/* walk.c */
void sx_walk_start(styx_req *r);
void sx_walk_answered(styx_req *r);

/* dirread.c */
void sx_dirread_start(styx_req *r, struct sx_binding *b);
bool sx_turn_take(styx_req *r, struct sx_binding *b); /* false: it is parked, and starts again with its turn */
void sx_turn_over(styx_req *r, bool sent);

/* checks.c: pure */
styx_err sx_check_open(uint8_t mode, bool is_dir);
enum { SX_USER = 255 };                     /* bytes of a user's name */
styx_err sx_check_names(const styx_msg *m); /* Tauth, Tattach */
styx_err sx_check_create(const styx_msg *m, uint64_t max_name);
styx_err sx_check_io(const struct sx_binding *b, const styx_msg *m);
styx_err sx_check_wstat(const styx_stat *st, styx_qid qid, uint64_t max_name, styx_setattr *out);

/* fids.c */
styx_err sx_place_take(styx_req *r, int i, uint32_t fid, enum sx_use use);
void sx_places_release(styx_req *r);
void sx_places_leave(styx_req *r);                                            /* keeps the pins */
void sx_bind(styx_session *s, struct sx_slot *slot, struct sx_binding *b);    /* takes the count of b; b may be NULL */
void sx_bind_answer(styx_req *r, struct sx_slot *slot, struct sx_binding *b); /* likewise, as r's success */
void sx_fids_drop_all(styx_session *s);
struct sx_user *sx_user_new(styx_session *s, const styx_export *e, styx_str uname, styx_str aname);
/* from NULL: a root; else the node that name in from leads to. */
struct sx_node *sx_node_new(styx_session *s, struct sx_user *user, const struct sx_node *from, styx_str name);
struct sx_binding *sx_binding_new(styx_session *s, struct sx_node *node);
void sx_user_put(styx_session *s, struct sx_user *user);
void sx_node_put(styx_session *s, struct sx_node *node);
void sx_node_free(styx_session *s, struct sx_node *node); /* never given to anybody, or forgotten */
void sx_binding_put(styx_session *s, struct sx_binding *b);
void sx_binding_closed(styx_session *s, struct sx_binding *b);

/* tags.c */
styx_req *sx_req_new(styx_session *s, const uint8_t *msg, size_t len);
void sx_req_init(styx_session *s, styx_req *r, size_t len); /* memory for one, with its message in r_bytes already */
void sx_req_free(styx_req *r);
void sx_req_put(styx_req *r); /* any thread */
void sx_req_put_locked(styx_req *r);

/* flush.c */
void sx_t_flush(styx_session *s, const styx_msg *m);
void sx_cancel(styx_req *r, bool detach); /* r may be gone afterwards */
void sx_ask_since(styx_req *r);           /* its time to end runs from now, if it does not yet */
uint64_t sx_flush_deadline(const styx_session *s);
bool sx_flush_tick(styx_session *s); /* true if it cancelled or ended anything */
void sx_abort_all(styx_session *s);
void sx_flushes_answer(styx_req *r);

/* retire.c */
void sx_finish(styx_req *r); /* the answer is in r: decide, settle, release, clear, append: one step */
void sx_finish_error(styx_req *r, styx_err err);
void sx_detach(styx_req *r); /* the same without an answer: it runs on, and what it will say is dropped */

/* pass.c */
enum { SX_PATH = 4096 };
/* The path of the node that name in from leads to (from NULL: of a root), and its length; 0: none is kept. */
size_t sx_path_make(char out[SX_PATH], const styx_fs_ops *ops, const struct sx_node *from, styx_str name);
void sx_run_again(styx_req *r); /* r is answered by styx_reply_pass or styx_reply_would_block */

/* outbox.c */
bool sx_out_msg(styx_session *s, const styx_msg *m);
bool sx_out_error(styx_session *s, uint16_t tag, styx_err err, const char *text);
bool sx_out_frame(styx_req *r); /* takes r_segment if the frame is in it and large */
bool sx_out_ref(styx_req *r);   /* takes r_ref */
void sx_out_clear(styx_session *s);
void sx_out_rest(styx_session *s);                                /* gives back a head that nobody views */
struct sx_segment *sx_segment_new(styx_session *s, size_t room);  /* any thread */
struct sx_segment *sx_segment_kept(styx_session *s, size_t room); /* NULL: none is kept */
void sx_segment_over(styx_session *s, struct sx_segment *g);
void sx_segment_free(styx_session *s, struct sx_segment *g);

/* run.c */
styx_answer sx_req_call(styx_req *r); /* r_op of r_fs */

/* replies.c */
void sx_rread_header(uint8_t *p, uint16_t tag, uint32_t count);

static inline uint32_t sx_state(const styx_req *r) {
  /* pairs with: the compare-and-swaps of run.c, replies.c and flush.c */
  return atomic_load_explicit(&r->r_word, memory_order_acquire) & SX_STATE;
}

/* It has every place that it has taken. */
static inline bool sx_places_granted(const styx_req *r) {
  return (!r->r_place[0].pl_req || r->r_place[0].pl_granted) && (!r->r_place[1].pl_req || r->r_place[1].pl_granted);
}

/* The fid that a request is about: place 0. */
static inline struct sx_binding *sx_pin(const styx_req *r) { return r->r_place[0].pl_pin; }

static inline bool sx_is_dir(const struct sx_binding *b) { return (b->b_node->n_qid.type & STYX_QTDIR) != 0; }

#define SX_HAS(ops, slot) ((ops)->size >= offsetof(styx_fs_ops, slot) + sizeof((ops)->slot) && (ops)->slot)

#endif
