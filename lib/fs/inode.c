/* inode.c: nodes of a tree in memory: making, linking, counting, rights, times. */
#include "fs/inode.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

/* ---- time ---- */

int64_t sx_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return sx_time_in((styx_time){now.tv_sec, (uint32_t)now.tv_nsec});
}

int64_t sx_time_in(styx_time t) {
  const int64_t limit = INT64_MAX / NS_PER_S - 1;
  int64_t sec = t.sec > limit ? limit : t.sec < -limit ? -limit : t.sec;
  return sec * NS_PER_S + (int64_t)(t.nsec % NS_PER_S);
}

void sx_inode_accessed(struct sx_inode *node) {
  int64_t now = sx_now();
  /* Relaxed: a time stands for itself. Not stored when equal, so that readers do not share a dirty cache line. */
  if (atomic_load_explicit(&node->atime, memory_order_relaxed) != now)
    atomic_store_explicit(&node->atime, now, memory_order_relaxed);
}

struct sx_text *sx_inode_modified_locked(struct sx_inode *node, struct sx_text *user) {
  node->mtime = sx_now();
  atomic_store_explicit(&node->atime, node->mtime, memory_order_relaxed);
  atomic_fetch_add_explicit(&node->vers, 1, memory_order_relaxed);
  if (node->muid == user)
    return NULL;
  struct sx_text *old = node->muid;
  node->muid = sx_text_get(user);
  return old;
}

void sx_inode_modified(struct sx_space *space, struct sx_inode *node, struct sx_text *user) {
  pthread_rwlock_wrlock(&node->io);
  struct sx_text *old = sx_inode_modified_locked(node, user);
  pthread_rwlock_unlock(&node->io);
  sx_text_put(&space->alloc, old);
}

/* ---- rights ---- */

bool sx_inode_may(const struct sx_inode *node, styx_str user, uint32_t want) {
  return styx_access_ok(user, want, node->mode, sx_text_str(node->uid), sx_text_str(node->gid));
}

styx_err sx_inode_open(struct sx_inode *node, styx_str user, uint32_t flags) {
  if ((flags & STYX_O_DIRECTORY) && !node->dir)
    return ENOTDIR;
  if (!sx_inode_may(node, user, styx_access_of_open(flags)))
    return EACCES;
  if ((flags & STYX_O_RCLOSE) && (!node->parent || !sx_inode_may(node->parent, user, 2)))
    return EACCES;
  if ((node->mode & STYX_DMEXCL) && node->openers)
    return STYX_EBUSYEXCL;
  node->openers++;
  return STYX_OK;
}

styx_err sx_inode_may_remove(const struct sx_space *space, const struct sx_inode *node, styx_str user) {
  if (!node->parent)
    return EBUSY;
  if (!sx_inode_may(node->parent, user, 2))
    return EACCES;
  if (!sx_inode_linked(space, node))
    return ENOENT;
  return node->dir && node->dir->live ? ENOTEMPTY : STYX_OK;
}

struct sx_text *sx_inode_user(struct sx_space *space, struct sx_inode *node, styx_str user) {
  if (styx_str_eq(sx_text_str(node->uid), user))
    return sx_text_get(node->uid);
  if (styx_str_eq(sx_text_str(node->gid), user))
    return sx_text_get(node->gid);
  return sx_text_new(&space->alloc, user);
}

/* ---- nodes ---- */

styx_qid sx_inode_qid(const struct sx_inode *node) {
  return (styx_qid){(uint8_t)(node->mode >> 24), atomic_load_explicit(&node->vers, memory_order_relaxed), node->path};
}

static void init_io(struct sx_inode *node) {
  pthread_rwlockattr_t attr;
  pthread_rwlockattr_init(&attr);
  /* Else those who read a file all the time would keep out those who want to write it. */
  pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&node->io, &attr);
  pthread_rwlockattr_destroy(&attr);
}

struct sx_inode *sx_inode_new(struct sx_space *space, styx_str name, uint32_t mode, struct sx_text *uid,
                              struct sx_text *gid) {
  const styx_allocator *alloc = &space->alloc;
  bool is_dir = (mode & STYX_DMDIR) != 0;
  struct sx_inode *node = sx_zalloc(alloc, space->node_size);
  struct sx_text *text = node ? sx_text_new(alloc, name) : NULL;
  struct sx_dir *dir = text && is_dir ? sx_alloc(alloc, sizeof *dir) : NULL;
  if (!text || (is_dir && !dir)) {
    sx_text_put(alloc, text);
    sx_free(alloc, node, space->node_size);
    return NULL;
  }
  if (dir)
    sx_dir_init(dir, alloc, space->key);
  int64_t now = sx_now();
  node->entry.name = text;
  node->refs = 1;
  node->dir = dir;
  node->path = ++space->last_path;
  node->mode = mode;
  node->uid = sx_text_get(uid);
  node->gid = sx_text_get(gid);
  node->muid = sx_text_get(uid);
  node->mtime = now;
  atomic_init(&node->atime, now);
  atomic_init(&node->vers, 0);
  init_io(node);
  atomic_fetch_add_explicit(&space->nodes, 1, memory_order_relaxed);
  return node;
}

static void free_one(struct sx_space *space, struct sx_inode *node) {
  const styx_allocator *alloc = &space->alloc;
  if (node->dir) {
    sx_dir_fini(node->dir);
    sx_free(alloc, node->dir, sizeof *node->dir);
  }
  sx_text_put(alloc, node->entry.name);
  sx_text_put(alloc, node->uid);
  sx_text_put(alloc, node->gid);
  sx_text_put(alloc, node->muid);
  pthread_rwlock_destroy(&node->io);
  sx_free(alloc, node, space->node_size);
  atomic_fetch_sub_explicit(&space->nodes, 1, memory_order_relaxed);
}

void sx_inode_free(struct sx_space *space, struct sx_inode **dead, size_t most) {
  struct sx_inode *node;
  sx_space_lock(space);
  while (most && (node = *dead)) {
    struct sx_inode *parent = node->parent;
    *dead = node->dead;
    sx_space_unlock(space);
    bool empty = !space->fini || space->fini(space, node, &most);
    if (empty)
      free_one(space, node);
    most -= most > 0;
    sx_space_lock(space);
    if (!empty) {
      node->dead = *dead;
      *dead = node;
    } else if (parent) {
      sx_inode_put(parent, dead);
    }
  }
  sx_space_unlock(space);
}

void sx_inode_put(struct sx_inode *node, struct sx_inode **dead) {
  if (--node->refs)
    return;
  node->dead = *dead;
  *dead = node;
}

void sx_inode_link(struct sx_inode *dir, struct sx_inode *node) {
  node->parent = dir;
  dir->refs++;
  sx_dir_add(dir->dir, &node->entry);
}

bool sx_inode_linked(const struct sx_space *space, const struct sx_inode *node) {
  return node == space->root || node->entry.seq != 0;
}

void sx_inode_unlink(struct sx_inode *node, struct sx_inode **dead) {
  sx_dir_del(node->parent->dir, &node->entry);
  sx_inode_put(node, dead);
}

/* ---- the space ---- */

void sx_space_lock(struct sx_space *space) { pthread_mutex_lock(&space->lock); }
void sx_space_unlock(struct sx_space *space) { pthread_mutex_unlock(&space->lock); }

styx_err sx_space_init(struct sx_space *space, const styx_allocator *alloc, size_t node_size,
                       bool (*fini)(struct sx_space *, struct sx_inode *, size_t *), styx_str user, uint32_t mode) {
  memset(space, 0, sizeof *space);
  if (alloc)
    space->alloc = *alloc;
  space->node_size = node_size;
  space->fini = fini;
  if (getrandom(space->key, sizeof space->key, GRND_NONBLOCK) != (ssize_t)sizeof space->key) {
    space->key[0] = (uint64_t)sx_now();
    space->key[1] = (uintptr_t)space;
  }
  struct sx_text *owner = sx_text_new(&space->alloc, user);
  if (!owner)
    return ENOMEM;
  space->root = sx_inode_new(space, (styx_str)STYX_STR("/"), mode | STYX_DMDIR, owner, owner);
  sx_text_put(&space->alloc, owner);
  if (!space->root)
    return ENOMEM;
  pthread_mutex_init(&space->lock, NULL);
  return STYX_OK;
}

/* Leaf by leaf, since a tree can be deeper than a stack. */
void sx_space_fini(struct sx_space *space) {
  struct sx_inode *dead = NULL, *node = space->root;
  while (node) {
    struct sx_entry *child = node->dir ? sx_dir_last(node->dir) : NULL;
    if (child) {
      node = sx_inode_of(child);
      continue;
    }
    struct sx_inode *parent = node->parent;
    if (parent)
      sx_inode_unlink(node, &dead);
    else
      sx_inode_put(node, &dead);
    node = parent;
  }
  sx_inode_free(space, &dead, SIZE_MAX);
  assert(atomic_load_explicit(&space->nodes, memory_order_relaxed) == 0);
  pthread_mutex_destroy(&space->lock);
}
