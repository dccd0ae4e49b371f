/* memfs_setattr.c: changing attributes of memfs: everything is checked and allocated first, then applied. */
#include "fs/memfs_state.h"

#include <errno.h>

enum {
  TIMES = STYX_SET_ATIME | STYX_SET_MTIME | STYX_SET_CTIME | STYX_SET_ATIME_NOW | STYX_SET_MTIME_NOW,
  KNOWN = STYX_SET_MODE | STYX_SET_UID | STYX_SET_GID | STYX_SET_LENGTH | STYX_SET_NAME | TIMES
};

/* ---- checks, in the order of contract 1.11 ---- */

/* Where the new name leads: *c->replaced, or nothing to do, or why not. */
static styx_err check_name(struct styx_memfs *fs, struct sx_inode *node, struct sx_change *c) {
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

static styx_err check_length(const struct sx_inode *node, const struct sx_memhandle *handle, struct sx_change *c) {
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

static styx_err check(struct styx_memfs *fs, struct sx_inode *node, const struct sx_memhandle *handle,
                      struct sx_change *c) {
  styx_err err = c->what & ~(uint32_t)KNOWN ? EOPNOTSUPP : STYX_OK;
  if (!err && (c->what & STYX_SET_NAME))
    err = check_name(fs, node, c);
  if (!err && (c->what & STYX_SET_LENGTH))
    err = check_length(node, handle, c);
  return err ? err : sx_change_check(node, c);
}

/* ---- doing it ---- */

/* With the space's lock. */
static bool takes_long(struct sx_inode *node, const struct sx_change *c) {
  if ((c->what & STYX_SET_LENGTH) && sx_mem_is_large(node))
    return true;
  return (c->what & STYX_SET_NAME) &&
         (sx_dir_moves(node->parent->dir, true) > SX_MEM_ENTRIES || (c->replaced && sx_mem_is_large(c->replaced)));
}

/* What needs the space's lock; contents and times follow without it. */
static styx_err apply(struct styx_memfs *fs, struct sx_inode *node, struct sx_change *c) {
  styx_err err = sx_change_allocate(&fs->space, node, c);
  if (err)
    return err;
  if (c->replaced)
    sx_mem_unlink(fs, c->replaced);
  sx_change_name(&fs->space, node, c);
  sx_change_rights(node, c);
  return STYX_OK;
}

styx_answer sx_mem_setattr(styx_req *req, void *which, void *handle, const styx_setattr *set) {
  struct styx_memfs *fs = styx_req_ctx(req);
  struct sx_inode *node = which;
  struct sx_change c;
  sx_change_init(&c, set, styx_req_user(req));
  bool may_block = styx_req_may_block(req);
  sx_space_lock(&fs->space);
  styx_err err = check(fs, node, handle, &c);
  bool later = !err && !may_block && takes_long(node, &c);
  if (!err && !later)
    err = apply(fs, node, &c);
  sx_mem_unlock(fs, may_block);
  if (later)
    return styx_reply_would_block(req);
  if (!err && (c.what & STYX_SET_LENGTH))
    sx_mem_truncate(fs, sx_memfile_of(node), set->length, c.who);
  if (!err)
    sx_change_times(node, &c);
  sx_change_release(&fs->space, &c);
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}
