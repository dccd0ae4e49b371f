/* stages.h: the simulation of the real stages: server/ with its threads as tasks that pass one baton, over sockets, pollers,
 * bells and a clock made of memory. What clients do, what the filesystem does and the oracle are those of sim.h.
 *
 *   stages_task.c   tasks, the scheduler, locks and conditions
 *   stages_net.c    the system table: descriptors, sockets, pollers, sleeping and waking
 *   stages_lock.c   what yield.h puts in the place of pthreads
 *   stages_rest.c   what must be true when nothing can run
 *   stages_life.c   the memory and the life of a server, and threads of others that use it
 *   stages_client.c the clients' side of the sockets
 *   stages.c        the world, which decides what happens; one schedule
 */
#ifndef SIM_STAGES_H
#define SIM_STAGES_H

#include "sim.h"

#include "server/pipeline.h"

/* ---- stages_task.c ---- */

enum { NTASK = 32 };

struct task {
  struct fiber *fiber;
  const char *name;
  enum { T_NONE, T_RUNS, T_WAITS, T_OVER } state;
  void *(*main)(void *);
  void *arg;
  bool (*ready)(const void *on); /* what it waits for; NULL: to be woken */
  const void *on;
  uint64_t until;
  bool woken, may_err; /* may_err: it may wake up for no reason */
  bool must;           /* what it runs and is held in must run */
  int locks;
  void *slot;
  unsigned weight; /* of being chosen */
};

extern struct task *task_me; /* who runs; the first one is the world */
struct task *task_of(int i);
int task_count(void);
void tasks_reset(struct sim *w);
struct task *task_new(const char *name, void *(*main)(void *), void *arg); /* NULL: there are too many */
void task_wait(bool (*ready)(const void *on), const void *on, uint64_t until);
bool task_sleep(const void *on, uint64_t until, bool may_err); /* false: it was time */
unsigned task_wake(const void *on, unsigned n);                /* at most n, chosen by dice */
unsigned tasks_on(const void *on);                             /* how many sleep there and have not been woken */
bool task_err(struct sim *w);                                  /* somebody wakes up for no reason */
void task_no_locks(const char *doing);
bool task_wants_lock(const struct task *t);
/* The world lets others run until it is its turn; unless eager that is when nobody else can. True if so. */
bool tasks_run(struct sim *w, bool eager);
void task_shuffle(struct sim *w);
void task_yield(void);
void task_schedule(void); /* another runs, perhaps */

/* ---- stages_net.c ---- */

/* Between one client and the server. What the client has sent is in conn.tx. */
struct sock {
  int fd;
  struct conn *client;     /* NULL: a later client has taken its place */
  struct sx_conn *conn;    /* the server's, once it watches the socket */
  bool hung, reset;        /* by the client */
  bool shut, closed;       /* by the server */
  bool plain;              /* nobody is told of marks */
  unsigned users, senders; /* calls that are going on */
  uint64_t received, late; /* bytes that were; times that something came later than it might have */
  size_t out_len, out_cap;
  uint8_t out[8192];
};

extern const struct sx_system stages_system;
void net_reset(struct sim *w);
struct sock *sock_new(struct conn *c, size_t cap);
bool net_alarm(void);         /* to the next moment for which an alarm is set; false: none is */
bool net_all_closed(int *fd); /* every descriptor that was ever made, save sockets never adopted */

/* ---- stages_life.c ---- */

struct stage {
  struct sim *w;
  styx_server_config config;
  struct styx_server *server; /* while it can be looked at */
  struct sock *socks[NCONN];  /* of each client; NULL: none */
  bool started, stop_asked, stopping, over;
  bool short_of_memory;  /* an allocation has failed */
  bool short_of_threads; /* or could not be made */
  bool small_house;      /* connections may be refused */
  unsigned stuck_when;   /* the clock jumped: what was held then */
  int p_hold, p_switch, p_weak, p_err, p_short;
  size_t live;
};
extern struct stage stage;

bool stage_must_held(void);
unsigned stage_held(void);          /* calls that wait for the world */
unsigned stage_release(unsigned n); /* of those that are blocked; how many */

/* What a thread of others does, in the name of a program around the server. */
enum stage_job { NOTHING, ADOPT, ANSWER, COUNT, HURRY };
extern struct helper {
  enum stage_job job;
  struct conn *conn;
} helpers[2];
bool stage_give(enum stage_job job, struct conn *c); /* false: nobody is free */
bool stage_somebody_free(void);
bool stage_helpers_rest(void);
void *stage_helper(void *helper);
void *stage_boss(void *sim);
bool stage_call_boss(void);
void arena_reset(void);
void *stage_alloc(void *sim, size_t size);
void stage_free(void *sim, void *ptr, size_t size);

/* ---- stages_client.c ---- */
void client_comes(struct sim *w, struct conn *c);
bool client_reads(struct conn *c, size_t most);
void client_hangs_up(struct conn *c);
void client_goes(struct conn *c); /* if both sides have closed: another may come */
void stage_gone(struct conn *c);  /* the server has closed its descriptor */

/* ---- stages_rest.c ---- */
void rest_check(struct sim *w);
void rest_reading(struct sim *w, bool first); /* whenever nobody can run: is every reader that runs relieved in time? */
styx_session *rest_session(const struct conn *c); /* NULL: the server has none for it */

#endif
