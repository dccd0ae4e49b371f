/* server/pipeline.h: the structures that the stages share, who owns each field, and the stages themselves.
 *
 * Order of locks: h_lock, then c_lock; p_lock and v_lock alone. None is held over a wait, over code of a filesystem or a program, or
 * over a system call, save epoll_ctl when a connection's interest in input changes (decisions/0002) and what a program does
 * in its log, trace and tap. Marks as in session/state.h.
 */
#ifndef SERVER_PIPELINE_H
#define SERVER_PIPELINE_H

#include "server/park.h"
#include "server/queue.h"
#include "server/stats.h"
#include "server/system.h"
#include "session/work.h"

#include <styx/server.h>
#include <styx/session.h>

#include <pthread.h>

enum { SX_EVENTS = 64, SX_SPANS = 64, SX_ROUND_BYTES = 256 * 1024 };

/* Who may send for a connection, and end it. IDLE and BLOCKED: nobody. WRITING: the reply thread has it, or it is in its list,
 * or whoever has lent itself has it. DIRTY: the same, and something was published since it looked. BLOCKED differs from IDLE
 * in that the socket is full; only the reply thread goes there and comes from there. */
enum sx_token { SX_IDLE, SX_WRITING, SX_DIRTY, SX_BLOCKED };

/* Who reads for a shard. READING and RUNNING: its reader, which while it is RUNNING runs handlers and leaves alone whatever
 * is marked "reads". TAKEN: the reply thread, since a handler kept the reader for too long. RETURNING: the same, and the
 * reader waits to have it back. */
enum sx_role { SX_ROLE_READING, SX_ROLE_RUNNING, SX_ROLE_TAKEN, SX_ROLE_RETURNING };

enum sx_kind { SX_CONN, SX_LISTENER, SX_ALARM, SX_READS }; /* what an event is about; of a bell there is none */

/* Who runs a piece of work. The first two have a queue each. */
enum sx_lane { SX_NOWAIT, SX_WORKER, SX_QUEUES, SX_SPARE = SX_QUEUES, SX_SPARE_MUST, SX_CHORE, SX_LANES };

/* What a connection has for one of the queues. */
struct sx_supply {
  struct sx_link s_waiting;  /* beyond the run quota: c_lock */
  uint32_t s_nwaiting;       /* the same */
  _Atomic uint32_t s_queued; /* atomic: in the queue, from push to pop */
  _Atomic bool s_backlog;    /* atomic: s_waiting is not empty; set under c_lock */
};

/* One connection. Its memory is used again for later ones but not given back before the server is freed: a thread that has
 * just published an answer may still ring for a connection that is gone, and then rings for nothing. */
struct sx_conn {
  enum sx_kind c_kind;      /* first; immutable */
  struct sx_shard *c_shard; /* immutable while in use */
  _Atomic uint32_t c_refs;  /* atomic: the reader, the token's holder, each work item; the last one closes c_fd */
  _Atomic uint32_t c_token; /* atomic: sx_token */
  struct sx_conn *c_next;   /* in h_replies: the token's holder */
  struct sx_conn *c_free;   /* in h_free: h_lock */
  struct sx_link c_all;     /* in h_conns: h_lock */
  int c_fd;                 /* immutable while in use */
  bool c_plain;             /* immutable while in use: nothing but bytes comes through it */
  bool c_full;              /* token, of the reply thread: the socket took no more */
  bool c_armed;             /* token, of the reply thread: its poller knows c_fd */
  char c_peer[64];          /* immutable while in use */

  pthread_mutex_t c_lock;  /* guards the session and all below */
  styx_session *c_session; /* NULL: over */
  struct sx_supply c_supply[SX_QUEUES];
  struct sx_link c_blocking; /* work for a spare worker */
  struct sx_link c_must;     /* the same, must-run: one spare is kept for it */
  struct sx_link c_chores;   /* for whoever retires: cancel callbacks, release, close and forget that do not block */
  bool c_leaving;            /* the peer is gone, or is to go */
  bool c_hungup;             /* the session has been told, and the peer */
  bool c_reading;            /* the reader polls for input */
  styx_session_info c_last;  /* the numbers of the session that is over */
  void *c_own;               /* of the program's tap */

  struct sx_link c_turn, c_must_turn; /* in p_turn, p_must: p_lock */
  unsigned c_spares;                  /* spare workers that run something of it: p_lock */
};

enum { SX_OWED = 64 };

/* What a thread that runs handlers, a reader or a worker, has still to retire and to send (lend.c). Whoever looks after it
 * (watch.c) reads what is atomic. */
struct sx_lender {
  struct sx_shard *d_shard;                  /* immutable: whose reader, or who looks after it */
  bool d_reads;                              /* immutable: it is a reader */
  _Atomic uint32_t d_runs;                   /* atomic: odd while it runs what others wrote; moves on with each piece */
  _Atomic uint32_t d_nowed;                  /* atomic: how many of d_owed */
  _Atomic uint32_t d_times;                  /* atomic: moves on when something is owed, even to one that is */
  _Atomic(struct sx_conn *) d_owed[SX_OWED]; /* atomic: something of them was published */
  bool d_fresh[SX_OWED];                     /* and not yet retired */
  struct sx_conn *d_latest;                  /* of d_owed, or no longer: the one that was published last */
  uint64_t d_since;                          /* when the first of them may have been published; 0: none is owed */
  uint64_t d_now;                            /* the time, a moment ago */
  bool d_turn;                               /* of the worker: the queue of what may block comes first */
  _Atomic uint32_t d_lends;                  /* atomic: moves on when the reader begins to run */
  _Atomic(const styx_fs_ops *) d_ops;        /* atomic: what it runs: for the log */
  _Atomic int d_op;
  /* Of whoever looks after it, the reply thread of d_shard: of d_runs and d_times; and it was helped since. */
  uint32_t d_seen, d_times_seen, d_lends_seen;
  bool d_helped;
};

/* A reader thread, a reply thread and their connections. */
struct sx_shard {
  struct styx_server *h_server;
  enum sx_kind h_alarm_kind, h_reads_kind; /* immutable; events of the alarm, and of the read poller, point here */
  pthread_t h_reader, h_replier;
  int h_started;                                                       /* how many of the two run */
  int h_read_poller, h_send_poller, h_read_bell, h_send_bell, h_alarm; /* immutable */
  _Atomic uint32_t h_role;                                             /* atomic: sx_role */
  _Atomic bool h_watching;                                             /* atomic: the alarm is set */
  _Atomic unsigned h_alert;                                            /* atomic: so many ticks come soon */
  struct sx_lender h_lender;                                           /* the reader's */
  _Atomic(struct sx_conn *)
      h_replies;          /* atomic: connections whose token was taken for the reply thread; newest first */
  _Atomic bool h_asleep;  /* atomic: the reply thread is about to sleep: ring */
  _Atomic uint64_t h_due; /* atomic: no session's deadline is earlier */
  pthread_mutex_t h_lock;
  struct sx_link h_conns;   /* h_lock */
  struct sx_conn *h_free;   /* h_lock */
  styx_session_info h_past; /* h_lock: the counters of sessions that are over and no longer in h_conns */
  uint8_t *h_buffer;        /* reads */
  uint64_t h_now;           /* reads: when what is being read had become ready */
  unsigned h_rounds;        /* reply thread */
};

/* The spare workers. Connections take turns, and none may hold more than half. */
struct sx_spares {
  pthread_mutex_t p_lock;
  pthread_cond_t p_more;
  struct sx_link p_turn, p_must; /* connections that have work for a spare, that have must-run work */
  unsigned p_max, p_started, p_idle, p_busy;
  bool p_stop;
  pthread_t *p_threads;
};

enum { SX_BUCKETS = 64 };

/* The keys of serial filesystems that are taken. */
struct sx_serial {
  pthread_mutex_t e_lock; /* guards the buckets and what they lead to */
  struct sx_link e_turns[SX_BUCKETS];
};

struct sx_listener {
  enum sx_kind l_kind; /* first */
  int l_fd;
  struct sx_listener *l_next;
};

/* What a dispatch found, to be acted on when the lock is released. */
struct sx_found {
  bool any; /* of the following */
  int pushed[SX_QUEUES];
  bool chores;         /* for whoever retires */
  bool blocking, must; /* for a spare */
};

struct styx_server {
  styx_server_config v_config;   /* immutable */
  styx_limits v_limits;          /* immutable */
  styx_allocator v_alloc;        /* immutable */
  styx_budget *v_budget;         /* immutable; what all sessions share */
  const struct sx_system *v_sys; /* immutable */
  styx_hooks v_hooks;            /* immutable */
  struct sx_queue v_queue[SX_QUEUES];
  size_t v_taken;                       /* the first shard's reply thread: of the nowait queue, when it last looked */
  struct sx_park v_park;                /* where workers sleep */
  _Atomic uint32_t v_cost[SX_QUEUES];   /* atomic: what a piece of work takes, ns; a moving mean */
  unsigned v_cpus;                      /* immutable */
  struct sx_lender *v_lenders;          /* of the workers, and watched by the first shard */
  _Atomic unsigned v_nlenders;          /* atomic: workers that have taken one */
  _Atomic(const styx_fs_ops *) v_named; /* atomic: whose handler was last named as one that blocks */
  struct sx_stats v_stats;
  struct sx_spares v_spares;
  struct sx_serial v_serial;
  struct sx_shard *v_shards;
  pthread_t *v_workers;
  _Atomic unsigned v_next_shard;
  _Atomic size_t v_nconns;
  _Atomic bool v_draining, v_stop, v_hurry;
  _Atomic size_t v_stuck;
  unsigned v_nworkers;             /* that run */
  int v_signal;                    /* start and stop: our handler is installed for it; 0: for none */
  struct sx_listener *v_listeners; /* shard 0's reader, once it runs */
  uint64_t v_accept_again;         /* reads, shard 0; UINT64_MAX: accepting */
  pthread_mutex_t v_lock;          /* for v_gone */
  pthread_cond_t v_gone;           /* a connection has ended */
};

/* server.c */
styx_err sx_server_new_on(styx_server **out, const styx_server_config *config, const struct sx_system *sys);

/* conn.c */
struct sx_conn *sx_conn_new(struct sx_shard *h, int fd, const char *peer); /* takes fd; NULL: refused, closed, logged */
void sx_conn_put(struct sx_conn *c);
void sx_conn_leave(struct sx_conn *c, enum sx_stat reason, styx_level level, const char *why); /* c_lock held */
void sx_log_conn(const struct sx_conn *c, styx_level level, const char *what, const char *detail);
struct sx_shard *sx_shard_next(struct styx_server *v); /* where the next connection goes */
/* c_lock held: poll for input or not, as the session wants. more: what there is was not all received. */
void sx_interest(struct sx_conn *c, bool more);

/* read.c */
void sx_accept_stop(struct styx_server *v);
void sx_read_step(struct sx_shard *h);
uint64_t sx_accept_timeout(struct sx_shard *h);           /* the role's holder: until a pause ends; then it is over */
void sx_read_ready(struct sx_shard *h, uint64_t timeout); /* the role's holder: one round, without running anything */

/* work.c */
void sx_dispatch_again(styx_work *w); /* no lock held: it was handed out and comes back; still counts its connection */
struct sx_found sx_dispatch(struct sx_conn *c); /* c_lock held: sort everything that has become ready to run */
void sx_found_act(struct sx_conn *c, struct sx_found found); /* no lock held */
/* One piece; false: the queue is empty. d is the calling thread, NULL if it does not lend itself. */
bool sx_work_step(struct styx_server *v, struct sx_lender *d, enum sx_lane queue);
void sx_work_wake(struct styx_server *v, enum sx_lane queue, int pushed);
void *sx_worker_main(void *server);

/* spare.c */
bool sx_spares_init(struct sx_spares *p, unsigned max, const styx_allocator *alloc);
int sx_spares_start(struct sx_spares *p); /* pthread_create's error */
void sx_spares_stop(struct sx_spares *p);
void sx_spares_offer(struct sx_spares *p, struct sx_conn *c, bool blocking, bool must); /* c has such work */
void sx_spares_fini(struct sx_spares *p, const styx_allocator *alloc);

/* stats.c */
void sx_info_add(styx_session_info *to, const styx_session_info *from);

/* serial.c */
void sx_serial_init(struct sx_serial *s);
void sx_serial_fini(struct sx_serial *s);
uint64_t sx_serial_key(const struct sx_conn *c, const styx_work_info *info); /* 0: none */
void sx_run(struct sx_serial *s, struct sx_lender *d,
            styx_work *w); /* w, now or by whoever has its key; lets go of its connection */

/* lend.c */
void sx_lend_join(struct sx_lender *d);    /* the calling thread is d from here on */
void sx_lend_leave(struct styx_server *v); /* and is not any more */
struct sx_lender *
sx_lender_here(const struct styx_server *v); /* of the calling thread; NULL: it does not lend itself */
void sx_published(struct sx_conn *c);        /* any thread, no lock: something of c is to be retired, and sent */
void sx_lend_read(struct sx_shard *h);       /* the reader, when all that is ready was read: runs what does not block */
bool sx_lend_work(struct sx_lender *d);      /* a worker: one piece of work, or what is owed; false: there is nothing */
void sx_lend_note(struct sx_lender *d, const styx_work *w); /* NULL: it runs nothing */

/* watch.c */
enum { SX_TICK = 1000000, SX_CALM_TICK = 4000000 }; /* ns */
void sx_watch(struct sx_shard *h);       /* any thread: look after the lenders from now on, until they rest */
void sx_watch_step(struct sx_shard *h);  /* the reply thread, when the alarm rings */
void sx_role_resume(struct sx_shard *h); /* the reader, back from running */
void sx_role_return(struct sx_shard *h); /* the reply thread: if the reader is back it reads again */

/* reply.c */
void sx_reply_step(struct sx_shard *h);
void sx_due(struct sx_shard *h, uint64_t deadline);
/* What was published becomes replies, and what became possible is dispatched; chores are run. Any thread, no lock; whoever
 * does not hold the token does not end a session. False: there is none. */
bool sx_retire(struct sx_conn *c, bool token, uint64_t now);

/* send.c */
/* Everything is sent; not all, the round is over; not all, the socket is full; whatever is sent, the session has ended or is to. */
enum sx_sent { SX_ALL, SX_MORE, SX_FULL, SX_OTHER };
void sx_kick(struct sx_conn *c);       /* any thread, no lock: something of c wants the reply thread */
bool sx_token_take(struct sx_conn *c); /* as sx_kick, but true: the token was free and is the caller's */
void sx_list(struct sx_conn *c);       /* the token's holder gives it to the reply thread, which is woken */
void sx_list_again(struct sx_conn *c); /* the same, for the reply thread itself */
enum sx_sent sx_send(struct sx_conn *c, uint64_t now); /* the token's holder: one round */
void sx_block(struct sx_conn *c);                      /* the reply thread, which has the token: the socket is full */
bool sx_token_release(struct sx_conn *c);              /* false: it was kicked meanwhile and is still ours */

#endif
