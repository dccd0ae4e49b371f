/* fs/inode.h: what the filesystems with a tree of their own have in common: nodes, who may do what to them, and the
 * operations that only need those (attach, walk, readdir, getattr, forget).
 *
 * Two kinds of lock, both short and never held while code of a program or an answer runs (styx_dir_add and styx_req_attr,
 * which copy, excepted): the space's, for shape and rights; then a node's io, for what changes with its contents. Taken
 * in this order.
 *
 * References: one for being in the tree, one for each child that exists (so ".." is always safe), one for each time
 * that the node was answered. When the last is gone the node is dead: it stands in a list until somebody frees it, with no
 * lock held.
 */
#ifndef FS_INODE_H
#define FS_INODE_H

#include "fs/dir.h"

#include <pthread.h>
#include <styx/alloc.h>
#include <styx/fs.h>

struct sx_space;

struct sx_inode {
  struct sx_entry entry;   /* first member; space lock; its name is written with both locks, read with either */
  struct sx_inode *parent; /* counted; NULL for a root; immutable */
  size_t refs;             /* space lock */
  uint32_t openers;        /* handles; space lock */
  struct sx_dir *dir;      /* NULL: a file; the pointer immutable, the children space lock */
  uint64_t path;           /* qid.path; immutable */
  struct sx_text *uid;     /* written with both locks, read with either */
  uint32_t mode;           /* written with both locks, read with either */
  struct sx_text *gid;     /* written with both locks, read with either */

  pthread_rwlock_t io;
  _Atomic uint64_t length; /* written with io */
  int64_t mtime;           /* io; nanoseconds since 1970 */
  struct sx_text *muid;    /* io */
  _Atomic int64_t atime;
  _Atomic uint32_t vers; /* written with io */

  struct sx_inode *dead; /* the next of its list, once refs is 0 */
};

static inline uint64_t sx_inode_length(const struct sx_inode *node) {
  return atomic_load_explicit(&node->length, memory_order_relaxed); /* a hint without io */
}

static inline struct sx_inode *sx_inode_of(struct sx_entry *entry) { return (struct sx_inode *)entry; }

/* io, on the way of every read and write. It is held for as long as some bytes are copied, so whoever finds it taken asks again
 * for about that long: to sleep and be woken takes ten times as long, on two CPUs. */
enum { SX_IO_TRIES = 40 };
static inline void sx_io_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
static inline void sx_io_rdlock(struct sx_inode *node) {
  for (int i = 0; i < SX_IO_TRIES; i++, sx_io_pause())
    if (pthread_rwlock_tryrdlock(&node->io) == 0)
      return;
  pthread_rwlock_rdlock(&node->io);
}
static inline void sx_io_wrlock(struct sx_inode *node) {
  for (int i = 0; i < SX_IO_TRIES; i++, sx_io_pause())
    if (pthread_rwlock_trywrlock(&node->io) == 0)
      return;
  pthread_rwlock_wrlock(&node->io);
}

/* First member of each filesystem's own state, which is its styx_fs.ctx. */
struct sx_space {
  styx_allocator alloc; /* immutable after init, as are key, node_size and fini */
  uint64_t key[2];
  size_t node_size; /* of the filesystem's own node, which begins with sx_inode */
  /* Gives back what the filesystem's own node holds, in pieces that count one each in *most; false when that is used up and
   * it holds more. May be NULL. */
  bool (*fini)(struct sx_space *space, struct sx_inode *, size_t *most);
  struct sx_inode *root;
  pthread_mutex_t lock;
  uint64_t last_path;     /* lock */
  _Atomic uint64_t nodes; /* that exist */
};

/* Makes the root, a directory of this mode. ENOMEM: nothing is left. */
styx_err sx_space_init(struct sx_space *space, const styx_allocator *alloc, size_t node_size,
                       bool (*fini)(struct sx_space *, struct sx_inode *, size_t *), styx_str user, uint32_t mode);
/* Frees every node; all that were answered have been forgotten. */
void sx_space_fini(struct sx_space *space);

void sx_space_lock(struct sx_space *space);
void sx_space_unlock(struct sx_space *space);

/* ---- nodes: these take the space's lock as held ---- */

/* A node that is nowhere yet, refs 1, without more to it than sx_inode says (what follows it in memory is zero). Takes
 * references to uid and gid of its own. NULL when memory is short. */
struct sx_inode *sx_inode_new(struct sx_space *space, styx_str name, uint32_t mode, struct sx_text *uid,
                              struct sx_text *gid);

/* Put node into dir: its first reference becomes the tree's. After sx_dir_reserve(dir->dir). */
void sx_inode_link(struct sx_inode *dir, struct sx_inode *node);
bool sx_inode_linked(const struct sx_space *space, const struct sx_inode *node);
/* Take node out of its directory, which is not tidied, and drop the tree's reference. */
void sx_inode_unlink(struct sx_inode *node, struct sx_inode **dead);
/* Drop a reference; a node that is dead now is put into the list. */
void sx_inode_put(struct sx_inode *node, struct sx_inode **dead);
/* Free what is in the list, and the parents that die with it; at most so many pieces, a node without what it holds being one.
 * The lock is taken for the list and not held on entry. */
void sx_inode_free(struct sx_space *space, struct sx_inode **dead, size_t most);

bool sx_inode_may(const struct sx_inode *node, styx_str user, uint32_t want);
/* May node be opened so by user: rights, removal on close, exclusive use. If so counts an opener. */
styx_err sx_inode_open(struct sx_inode *node, styx_str user, uint32_t flags);
/* May user remove node: w in the parent, not the root, in the tree, empty. */
styx_err sx_inode_may_remove(const struct sx_space *space, const struct sx_inode *node, styx_str user);
/* A reference to the user's name: one that node has anyway, or a new one. NULL when memory is short. */
struct sx_text *sx_inode_user(struct sx_space *space, struct sx_inode *node, styx_str user);

styx_qid sx_inode_qid(const struct sx_inode *node);

/* With io, which is enough for all of it; good for as long as io is held. */
void sx_inode_attr(const struct sx_inode *node, styx_attr *attr);

/* ---- these need no lock; sx_inode_modified takes io ---- */

int64_t sx_now(void);
int64_t sx_time_in(styx_time t);
/* It was read, or walked through. */
void sx_inode_accessed(struct sx_inode *node);
/* Its contents have changed by user's hand: times, version, muid. */
void sx_inode_modified(struct sx_space *space, struct sx_inode *node, struct sx_text *user);
/* The same with io held for writing; the caller gives back the text that is returned when it has let go. */
struct sx_text *sx_inode_modified_locked(struct sx_inode *node, struct sx_text *user);

/* ---- a change of attributes (inode_set.c): init, then check, allocate and the rest as the filesystem needs it, then release ---- */

struct sx_change {
  const styx_setattr *set;
  uint32_t what; /* of set->valid, what is left to do */
  styx_str user, group;
  struct sx_text *who, *name, *uid, *gid; /* first those to come; afterwards those that have gone */
  struct sx_inode *replaced;              /* for the filesystem: the file that has the new name */
  char digits[16];                        /* what group points to if it came as a number */
};

void sx_change_init(struct sx_change *c, const styx_setattr *set, styx_str user);
/* With the space's lock, as all up to sx_change_rights. May user change mode, times, owner and group so? Takes from what
 * that which is so already. Names and lengths are the filesystem's. */
styx_err sx_change_check(const struct sx_inode *node, struct sx_change *c);
/* Everything that doing it needs. ENOMEM; release all the same. */
styx_err sx_change_allocate(struct sx_space *space, struct sx_inode *node, struct sx_change *c);
void sx_change_name(struct sx_space *space, struct sx_inode *node, struct sx_change *c);
void sx_change_rights(struct sx_inode *node, struct sx_change *c);
void sx_change_times(struct sx_inode *node, struct sx_change *c); /* no lock */
void sx_change_release(struct sx_space *space, struct sx_change *c);

/* ---- operations of styx_fs_ops; ctx is the space ---- */

styx_answer sx_op_attach(styx_req *req);
styx_answer sx_op_walk(styx_req *req, void *node, styx_str name);
styx_answer sx_op_readdir(styx_req *req, void *node, void *handle, uint64_t cookie);
styx_answer sx_op_getattr(styx_req *req, void *node, void *handle);
void sx_op_forget(void *ctx, void *node);

#endif
