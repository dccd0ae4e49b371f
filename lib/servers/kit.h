/* servers/kit.h: what the files of the kit share.
 *
 * The session knows what each fid number stands for, in what order, and until when; what it stands for is an object of ours,
 * which it gives back when nobody has it (fs.h, request). So an object is never changed once it is answered for: a fid that changes gets
 * another. What all objects of a fid have in common is its owner. The table of a connection only says which owners there are, for who
 * asks by number; no request depends on it. */
#ifndef SERVERS_KIT_H
#define SERVERS_KIT_H

#include "base/alloc.h"
#include "base/table.h"

#include <styx/servers.h>

#include <pthread.h>
#include <stdatomic.h>

struct styx_kit {
  styx_allocator alloc;
  styx_kit_ops ops;
  void *ctx;
  styx_navigator nav;
  uint64_t root;
  uint32_t iounit;
  styx_fs_ops fs;
  atomic_bool tracing;
};

/* What the session gives back by forget. */
enum sx_kind { SX_CONNECTION, SX_OBJECT };

struct sx_reply;

struct styx_srv {
  enum sx_kind kind;  /* first member */
  atomic_size_t refs; /* the session, each owner, and who passes on replies */
  styx_kit *kit;      /* immutable */
  _Atomic uint32_t msize;
  pthread_mutex_t lock;
  /* guarded by lock, which is never held while code of the program runs */
  struct sx_table fids;          /* sx_owner: those that exist or are being made */
  struct sx_reply *first, *last; /* replies that wait for the program's reply */
  bool replying;                 /* somebody shows it to the program */
};

/* Names of an attach, shared by all fids that descend from it; immutable. */
struct sx_who {
  atomic_size_t refs;
  size_t size;
  uint64_t root;
  styx_str uname, aname;
};

/* A fid, from Tauth, Tattach or Twalk until it is gone. */
struct sx_owner {
  atomic_size_t refs; /* its objects */
  styx_srv *srv;
  struct sx_who *who;
  _Atomic(void *) data;
  atomic_bool deleted;   /* styx_delfid: a bad fid */
  bool refused;          /* made has said no: there is nothing for gone */
  struct sx_object *now; /* guarded: what it is, not counted; NULL before it is, and after */
  styx_fid last;         /* guarded: what now was last, or what was made first */
};

/* What a fid is at one moment. */
struct sx_object {
  enum sx_kind kind;  /* first member */
  atomic_size_t refs; /* the session, and styx_srv_getfid */
  struct sx_owner *owner;
  styx_fid f; /* immutable once it is answered for */
};

/* kit.c */
void sx_srv_put(styx_srv *srv);
void sx_trace(const styx_kit *kit, bool out, const styx_msg *m);
static inline styx_kit *sx_kit_of(const styx_req *req) { return styx_req_srv(req)->kit; }
static inline bool sx_tracing(const styx_kit *kit) { return atomic_load_explicit(&kit->tracing, memory_order_relaxed); }

/* fid.c */
void sx_object_put(struct sx_object *o);
void sx_fid_settle(styx_req *req); /* success will be answered: what was made is what the fid is */
void sx_fid_drop(const styx_req *req, const styx_msg *t); /* t drops its fid: nobody finds it by number any more */

/* ask.c: a request that waits for the navigator. The first member of what each kind of question needs. */
struct sx_ask {
  styx_nav q; /* first member; one question after the other */
  styx_req *req;
  styx_kit *kit;
  size_t size;
};
void *sx_ask_new(styx_req *req, size_t size); /* zeroed; NULL: no memory */
void sx_ask_free(struct sx_ask *ask);
typedef void sx_ask_fn(styx_nav *q, styx_err err, const styx_attr *attr);
void sx_ask_stat(struct sx_ask *ask, sx_ask_fn *done, uint64_t path);
void sx_ask_walk(struct sx_ask *ask, sx_ask_fn *done, uint64_t path, styx_str name);

/* nav.c: a copy of attr with its strings; NULL: no memory. */
styx_attr *sx_attr_copy(const styx_allocator *alloc, const styx_attr *attr, size_t *size);

#endif
