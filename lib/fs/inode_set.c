/* inode_set.c: changing mode, owner, group and times of a node: everything is checked and allocated first, then applied. */
#include "fs/inode.h"

#include <errno.h>
#include <stdio.h>

enum { TIMES = STYX_SET_ATIME | STYX_SET_MTIME | STYX_SET_CTIME | STYX_SET_ATIME_NOW | STYX_SET_MTIME_NOW };

/* ---- checks, in the order of contract 1.11 ---- */

static bool is_leader(const struct sx_inode *node, styx_str user) { return styx_str_eq(user, sx_text_str(node->gid)); }
static bool is_owner(const struct sx_inode *node, styx_str user) { return styx_str_eq(user, sx_text_str(node->uid)); }

static styx_err check_mode_and_times(const struct sx_inode *node, const struct sx_change *c) {
  if (!(c->what & (STYX_SET_MODE | TIMES)) || is_owner(node, c->user) || is_leader(node, c->user))
    return STYX_OK;
  bool only_now = !(c->what & (STYX_SET_MODE | STYX_SET_ATIME | STYX_SET_MTIME));
  return only_now && sx_inode_may(node, c->user, 2) ? STYX_OK : EACCES;
}

static styx_err check_owner(const struct sx_inode *node, const struct sx_change *c) {
  bool same = c->set->uid.len && styx_str_eq(c->set->uid, sx_text_str(node->uid));
  return !(c->what & STYX_SET_UID) || same ? STYX_OK : EACCES;
}

static styx_err check_group(const struct sx_inode *node, struct sx_change *c) {
  if (styx_str_eq(c->group, sx_text_str(node->gid))) {
    c->what &= ~(uint32_t)STYX_SET_GID;
    return STYX_OK;
  }
  bool in_new = styx_str_eq(c->user, c->group); /* its one member, and its leader */
  return in_new && (is_owner(node, c->user) || is_leader(node, c->user)) ? STYX_OK : EACCES;
}

styx_err sx_change_check(const struct sx_inode *node, struct sx_change *c) {
  styx_err err = check_mode_and_times(node, c);
  if (!err)
    err = check_owner(node, c);
  if (!err && (c->what & STYX_SET_GID))
    err = check_group(node, c);
  c->what &= ~(uint32_t)STYX_SET_UID; /* it is the owner already */
  return err;
}

/* The group by name, or as its number in digits. */
void sx_change_init(struct sx_change *c, const styx_setattr *set, styx_str user) {
  *c = (struct sx_change){.set = set, .what = set->valid, .user = user, .group = set->gid};
  if (set->gid.len || !(set->valid & STYX_SET_GID))
    return;
  snprintf(c->digits, sizeof c->digits, "%u", (unsigned)set->n_gid);
  c->group = styx_str_of(c->digits);
}

/* ---- memory ---- */

styx_err sx_change_allocate(struct sx_space *space, struct sx_inode *node, struct sx_change *c) {
  c->who = sx_inode_user(space, node, c->user);
  bool got = c->who != NULL;
  if (got && (c->what & STYX_SET_NAME)) {
    c->name = sx_text_new(&space->alloc, c->set->name);
    got = c->name && sx_dir_reserve(node->parent->dir);
  }
  if (got && (c->what & STYX_SET_UID)) {
    c->uid = sx_text_new(&space->alloc, c->set->uid);
    got = c->uid != NULL;
  }
  if (got && (c->what & STYX_SET_GID)) {
    c->gid = sx_text_new(&space->alloc, c->group);
    got = c->gid != NULL;
  }
  return got ? STYX_OK : ENOMEM;
}

void sx_change_release(struct sx_space *space, struct sx_change *c) {
  sx_text_put(&space->alloc, c->who);
  sx_text_put(&space->alloc, c->name);
  sx_text_put(&space->alloc, c->uid);
  sx_text_put(&space->alloc, c->gid);
}

/* ---- doing it ---- */

static void swap(struct sx_text **a, struct sx_text **b) {
  struct sx_text *old = *a;
  *a = *b;
  *b = old;
}

static uint32_t changeable(const struct sx_inode *node) {
  return STYX_DMPERM | STYX_DMEXCL | STYX_DMTMP | (node->dir ? 0 : STYX_DMAPPEND);
}

void sx_change_name(struct sx_space *space, struct sx_inode *node, struct sx_change *c) {
  if (!(c->what & STYX_SET_NAME))
    return;
  pthread_rwlock_wrlock(&node->io);
  c->name = sx_dir_rename(node->parent->dir, &node->entry, c->name);
  pthread_rwlock_unlock(&node->io);
  sx_inode_modified(space, node->parent, c->who);
}

void sx_change_rights(struct sx_inode *node, struct sx_change *c) {
  if (!(c->what & (STYX_SET_MODE | STYX_SET_UID | STYX_SET_GID)))
    return;
  pthread_rwlock_wrlock(&node->io);
  if (c->what & STYX_SET_MODE)
    node->mode = (node->mode & ~changeable(node)) | (c->set->mode & changeable(node));
  if (c->what & STYX_SET_UID)
    swap(&node->uid, &c->uid);
  if (c->what & STYX_SET_GID)
    swap(&node->gid, &c->gid);
  pthread_rwlock_unlock(&node->io);
}

void sx_change_times(struct sx_inode *node, struct sx_change *c) {
  const styx_setattr *set = c->set;
  if (!(c->what & TIMES))
    return;
  pthread_rwlock_wrlock(&node->io);
  if (c->what & (STYX_SET_MTIME | STYX_SET_MTIME_NOW)) {
    int64_t now = sx_now();
    node->mtime = c->what & STYX_SET_MTIME ? sx_time_in(set->mtime) : now;
    atomic_store_explicit(&node->atime, now, memory_order_relaxed); /* stat(5): set whenever mtime is */
    swap(&node->muid, &c->who);
  }
  if (c->what & (STYX_SET_ATIME | STYX_SET_ATIME_NOW))
    atomic_store_explicit(&node->atime, c->what & STYX_SET_ATIME ? sx_time_in(set->atime) : sx_now(),
                          memory_order_relaxed);
  pthread_rwlock_unlock(&node->io);
}
