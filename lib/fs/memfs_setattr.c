/* memfs_setattr.c: changing attributes of memfs: everything is checked and allocated first, then applied. */
#include "fs/memfs_state.h"

#include <errno.h>
#include <stdio.h>

struct change {
  const styx_setattr *set;
  uint32_t what; /* of set->valid, what is left to do */
  styx_str user;
  struct sx_text *who, *name, *gid;
  struct sx_inode *replaced; /* the file that has the new name */
};

enum {
  TIMES = STYX_SET_ATIME | STYX_SET_MTIME | STYX_SET_CTIME | STYX_SET_ATIME_NOW | STYX_SET_MTIME_NOW,
  KNOWN = STYX_SET_MODE | STYX_SET_UID | STYX_SET_GID | STYX_SET_LENGTH | STYX_SET_NAME | TIMES
};

static uint32_t changeable(const struct sx_inode *node) {
  return STYX_DMPERM | STYX_DMEXCL | STYX_DMTMP | (node->dir ? 0 : STYX_DMAPPEND);
}

/* ---- checks, in the order of contract 1.11 ---- */

static bool is_leader(const struct sx_inode *node, styx_str user) { return styx_str_eq(user, sx_text_str(node->gid)); }
static bool is_owner(const struct sx_inode *node, styx_str user) { return styx_str_eq(user, sx_text_str(node->uid)); }

/* Where the new name leads: *c->replaced, or nothing to do, or why not. */
static styx_err check_name(struct styx_memfs *fs, struct sx_inode *node, struct change *c) {
  styx_str name = c->set->name;
  if (styx_str_eq(name, sx_text_str(node->entry.name))) {
    c->what &= ~(uint32_t)STYX_SET_NAME;
    return STYX_OK;
  }
  if (node == fs->space.root)
    return EBUSY;
  if (styx_str_is(name, ".") || styx_str_is(name, ".."))
    return STYX_EDOT;
  if (!sx_inode_may(node->parent, c->user, 2))
    return EACCES;
  if (!sx_inode_linked(&fs->space, node))
    return ENOENT;
  struct sx_entry *there = sx_dir_find(node->parent->dir, name);
  if (!there)
    return STYX_OK;
  c->replaced = sx_inode_of(there);
  if (c->replaced->dir)
    return node->dir ? EEXIST : EISDIR;
  return node->dir ? ENOTDIR : STYX_OK;
}

static styx_err check_length(const struct sx_inode *node, const struct sx_memhandle *handle, struct change *c) {
  if (node->dir) {
    c->what &= ~(uint32_t)STYX_SET_LENGTH;
    return c->set->length ? EISDIR : STYX_OK;
  }
  /* Who has it open for writing could write it, whatever its mode has become. */
  bool writer = handle && (styx_access_of_open(handle->flags) & 2);
  if (!writer && !sx_inode_may(node, c->user, 2))
    return EACCES;
  return c->set->length > (uint64_t)INT64_MAX ? EFBIG : STYX_OK;
}

static styx_err check_mode_and_times(const struct sx_inode *node, const struct change *c) {
  if (!(c->what & (STYX_SET_MODE | TIMES)) || is_owner(node, c->user) || is_leader(node, c->user))
    return STYX_OK;
  bool only_now = !(c->what & (STYX_SET_MODE | STYX_SET_ATIME | STYX_SET_MTIME));
  return only_now && sx_inode_may(node, c->user, 2) ? STYX_OK : EACCES;
}

static styx_err check_owner(const struct sx_inode *node, const struct change *c) {
  bool same = c->set->uid.len && styx_str_eq(c->set->uid, sx_text_str(node->uid));
  return !(c->what & STYX_SET_UID) || same ? STYX_OK : EACCES;
}

static styx_err check_group(const struct sx_inode *node, struct change *c, styx_str group) {
  if (styx_str_eq(group, sx_text_str(node->gid))) {
    c->what &= ~(uint32_t)STYX_SET_GID;
    return STYX_OK;
  }
  bool in_new = styx_str_eq(c->user, group); /* its one member, and its leader */
  return in_new && (is_owner(node, c->user) || is_leader(node, c->user)) ? STYX_OK : EACCES;
}

static styx_err check(struct styx_memfs *fs, struct sx_inode *node, const struct sx_memhandle *handle, struct change *c,
                      styx_str group) {
  styx_err err = c->what & ~(uint32_t)KNOWN ? EOPNOTSUPP : STYX_OK;
  if (!err && (c->what & STYX_SET_NAME))
    err = check_name(fs, node, c);
  if (!err && (c->what & STYX_SET_LENGTH))
    err = check_length(node, handle, c);
  if (!err)
    err = check_mode_and_times(node, c);
  if (!err)
    err = check_owner(node, c);
  if (!err && (c->what & STYX_SET_GID))
    err = check_group(node, c, group);
  return err;
}

/* ---- memory ---- */

static styx_err allocate(struct styx_memfs *fs, struct sx_inode *node, struct change *c, styx_str group) {
  const styx_allocator *alloc = &fs->space.alloc;
  c->who = sx_inode_user(&fs->space, node, c->user);
  bool got = c->who != NULL;
  if (got && (c->what & STYX_SET_NAME)) {
    c->name = sx_text_new(alloc, c->set->name);
    got = c->name && sx_dir_reserve(node->parent->dir);
  }
  if (got && (c->what & STYX_SET_GID)) {
    c->gid = sx_text_new(alloc, group);
    got = c->gid != NULL;
  }
  return got ? STYX_OK : ENOMEM;
}

/* Also gives back what the change has put out of use. */
static void release(struct styx_memfs *fs, struct change *c) {
  sx_text_put(&fs->space.alloc, c->who);
  sx_text_put(&fs->space.alloc, c->name);
  sx_text_put(&fs->space.alloc, c->gid);
}

/* ---- doing it ---- */

static void rename_node(struct styx_memfs *fs, struct sx_inode *node, struct change *c) {
  if (c->replaced)
    sx_mem_unlink(fs, c->replaced);
  pthread_rwlock_wrlock(&node->io);
  c->name = sx_dir_rename(node->parent->dir, &node->entry, c->name);
  pthread_rwlock_unlock(&node->io);
  sx_inode_modified(&fs->space, node->parent, c->who);
}

/* With the space's lock. */
static void apply_rights(struct sx_inode *node, struct change *c) {
  pthread_rwlock_wrlock(&node->io);
  if (c->what & STYX_SET_MODE)
    node->mode = (node->mode & ~changeable(node)) | (c->set->mode & changeable(node));
  if (c->what & STYX_SET_GID) {
    struct sx_text *old = node->gid;
    node->gid = c->gid;
    c->gid = old;
  }
  pthread_rwlock_unlock(&node->io);
}

static void apply_times(struct sx_inode *node, struct change *c) {
  const styx_setattr *set = c->set;
  pthread_rwlock_wrlock(&node->io);
  if (c->what & (STYX_SET_MTIME | STYX_SET_MTIME_NOW)) {
    int64_t now = sx_now();
    node->mtime = c->what & STYX_SET_MTIME ? sx_time_in(set->mtime) : now;
    atomic_store_explicit(&node->atime, now, memory_order_relaxed); /* stat(5): set whenever mtime is */
    struct sx_text *old = node->muid;
    node->muid = c->who;
    c->who = old;
  }
  if (c->what & (STYX_SET_ATIME | STYX_SET_ATIME_NOW))
    atomic_store_explicit(&node->atime, c->what & STYX_SET_ATIME ? sx_time_in(set->atime) : sx_now(),
                          memory_order_relaxed);
  pthread_rwlock_unlock(&node->io);
}

/* The group by name, or as its number in digits. */
static styx_str group_of(const styx_setattr *set, char digits[16]) {
  if (set->gid.len || !(set->valid & STYX_SET_GID))
    return set->gid;
  snprintf(digits, 16, "%u", (unsigned)set->n_gid);
  return styx_str_of(digits);
}

/* With the space's lock. */
static bool takes_long(struct sx_inode *node, const struct change *c) {
  if ((c->what & STYX_SET_LENGTH) && sx_mem_is_large(node))
    return true;
  return (c->what & STYX_SET_NAME) &&
         (sx_dir_moves(node->parent->dir, true) > SX_MEM_ENTRIES || (c->replaced && sx_mem_is_large(c->replaced)));
}

/* What needs the space's lock; contents and times follow without it. */
static styx_err apply(struct styx_memfs *fs, struct sx_inode *node, struct change *c, styx_str group) {
  styx_err err = allocate(fs, node, c, group);
  if (!err && (c->what & STYX_SET_NAME))
    rename_node(fs, node, c);
  if (!err && (c->what & (STYX_SET_MODE | STYX_SET_GID)))
    apply_rights(node, c);
  return err;
}

styx_answer sx_mem_setattr(styx_req *req, void *which, void *handle, const styx_setattr *set) {
  struct styx_memfs *fs = styx_req_ctx(req);
  struct sx_inode *node = which;
  struct change c = {.set = set, .what = set->valid, .user = styx_req_user(req)};
  char digits[16];
  styx_str group = group_of(set, digits);
  bool may_block = styx_req_may_block(req);
  sx_space_lock(&fs->space);
  styx_err err = check(fs, node, handle, &c, group);
  bool later = !err && !may_block && takes_long(node, &c);
  if (!err && !later)
    err = apply(fs, node, &c, group);
  sx_mem_unlock(fs, may_block);
  if (later)
    return styx_reply_would_block(req);
  if (!err && (c.what & STYX_SET_LENGTH))
    sx_mem_truncate(fs, sx_memfile_of(node), set->length, c.who);
  if (!err && (c.what & TIMES))
    apply_times(node, &c);
  release(fs, &c);
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}
