/* tree_change.c: how a program takes out and changes what is in its tree. */
#include "fs/tree_state.h"

#include "base/alloc.h"

#include <errno.h>

/* ---- taking out ---- */

enum {
  BATCH = 64 /* steps under one hold of the lock */
};

static void unlink_root(styx_tree *tree, struct sx_inode *node, struct sx_inode **dead) {
  struct sx_root *root = NULL;
  for (size_t i = 0; i < tree->roots.used; i++) {
    struct sx_root *at = (struct sx_root *)tree->roots.slots[i].entry;
    if (at && &at->file->node == node)
      root = at;
  }
  if (root) {
    sx_dir_del(&tree->roots, &root->entry);
    sx_dir_tidy(&tree->roots, SIZE_MAX);
    sx_text_put(&tree->alloc, root->entry.name);
    sx_free(&tree->alloc, root, sizeof *root);
  }
  node->entry.seq = 0;
  sx_inode_put(node, dead);
}

void sx_tree_unlink(styx_tree *tree, struct sx_inode *node, struct sx_inode **dead) {
  sx_table_del(&tree->paths, node->path);
  if (node->parent)
    sx_inode_unlink(node, dead);
  else
    unlink_root(tree, node, dead);
}

/* Take some of the files beneath top out, leaf by leaf, since a tree can be deeper than a stack; false: that was all. Only so
 * many at once, because clients wait for the lock meanwhile. */
static bool unlink_some(styx_tree *tree, struct sx_inode *top, struct sx_inode **dead) {
  struct sx_inode *node = top;
  for (int i = 0; i < BATCH; i++) {
    struct sx_entry *child = node->dir ? sx_dir_last(node->dir) : NULL;
    if (!child && node == top)
      return false;
    struct sx_inode *leaf = node;
    node = child ? sx_inode_of(child) : node->parent; /* which stays: it is still linked itself, or top */
    if (!child)
      sx_tree_unlink(tree, leaf, dead);
  }
  return true;
}

void sx_tree_clear(styx_tree *tree, struct sx_inode *top, struct sx_inode *dead) {
  sx_space_lock(&tree->space);
  while (unlink_some(tree, top, &dead)) {
    sx_space_unlock(&tree->space);
    sx_space_lock(&tree->space);
  }
  sx_inode_put(top, &dead);
  sx_space_unlock(&tree->space);
  sx_inode_free(&tree->space, &dead, SIZE_MAX);
}

styx_err styx_tree_remove(styx_tree *tree, styx_file *file) {
  struct sx_inode *dead = NULL, *top = &file->node;
  if (top == tree->space.root)
    return EBUSY;
  sx_space_lock(&tree->space);
  bool gone = !sx_inode_linked(&tree->space, top) || top->entry.seq == SX_TREE_MAKING;
  if (!gone) {
    top->refs++; /* ours */
    sx_tree_unlink(tree, top, &dead);
    if (top->parent) {
      sx_inode_modified(&tree->space, top->parent, top->parent->uid);
      sx_dir_tidy(top->parent->dir, SIZE_MAX);
    }
  }
  sx_space_unlock(&tree->space);
  if (gone)
    return ENOENT;
  sx_tree_clear(tree, top, dead);
  return STYX_OK;
}

/* ---- changing ---- */

void styx_tree_set_length(styx_tree *tree, styx_file *file, uint64_t length) {
  struct sx_inode *node = &file->node;
  pthread_rwlock_wrlock(&node->io);
  atomic_store_explicit(&node->length, length, memory_order_relaxed);
  struct sx_text *old = sx_inode_modified_locked(node, node->uid);
  pthread_rwlock_unlock(&node->io);
  sx_text_put(&tree->space.alloc, old);
}

/* What nobody may change, the program neither: touched is fine where it is so already. */
static bool touches_fixed(const struct sx_inode *node, const styx_stat *st) {
  styx_qid qid = sx_inode_qid(node);
  return (st->type != UINT16_MAX && st->type != 0) || (st->dev != UINT32_MAX && st->dev != 0) ||
         (st->qid.type != UINT8_MAX && st->qid.type != qid.type) ||
         (st->qid.vers != UINT32_MAX && st->qid.vers != qid.vers) ||
         (st->qid.path != UINT64_MAX && st->qid.path != qid.path) ||
         (st->mode != UINT32_MAX && ((st->mode & STYX_DMDIR) != 0) != (node->dir != NULL));
}

static styx_err check_mode(const struct sx_inode *node, const styx_stat *st) {
  uint32_t known = STYX_DMPERM | STYX_DMEXCL | STYX_DMTMP | (node->dir ? STYX_DMDIR : STYX_DMAPPEND);
  return st->mode != UINT32_MAX && (st->mode & ~known) ? STYX_EBADARG : STYX_OK;
}

static styx_err check_length(const struct sx_inode *node, const styx_stat *st) {
  if (st->length == UINT64_MAX)
    return STYX_OK;
  if (node->dir)
    return st->length ? EISDIR : STYX_OK;
  return st->length > (uint64_t)INT64_MAX ? EFBIG : STYX_OK;
}

static styx_err check_name(const styx_tree *tree, const struct sx_inode *node, styx_str name) {
  if (!name.len || styx_str_eq(name, sx_text_str(node->entry.name)))
    return STYX_OK;
  return node->parent ? sx_tree_may_put(tree, node->parent, name) : EBUSY;
}

static styx_err check(const styx_tree *tree, const struct sx_inode *node, const styx_stat *st) {
  styx_err err = sx_inode_linked(&tree->space, node) ? STYX_OK : ENOENT;
  if (!err)
    err = touches_fixed(node, st) ? EPERM : check_mode(node, st);
  if (!err)
    err = check_length(node, st);
  return err ? err : check_name(tree, node, st->name);
}

static styx_setattr read_stat(const struct sx_inode *node, const styx_stat *st) {
  bool renames = st->name.len && !styx_str_eq(st->name, sx_text_str(node->entry.name));
  styx_setattr set = {.mode = st->mode, .length = st->length, .name = st->name, .uid = st->uid, .gid = st->gid};
  set.atime.sec = st->atime;
  set.mtime.sec = st->mtime;
  set.valid = (renames ? STYX_SET_NAME : 0u) | (st->mode != UINT32_MAX ? STYX_SET_MODE : 0u) |
              (st->length != UINT64_MAX && !node->dir ? STYX_SET_LENGTH : 0u) | (st->uid.len ? STYX_SET_UID : 0u) |
              (st->gid.len ? STYX_SET_GID : 0u) | (st->atime != UINT32_MAX ? STYX_SET_ATIME : 0u) |
              (st->mtime != UINT32_MAX ? STYX_SET_MTIME : 0u);
  return set;
}

styx_err styx_tree_wstat(styx_tree *tree, styx_file *file, const styx_stat *st) {
  struct sx_inode *node = &file->node;
  struct sx_change c = {0};
  styx_setattr set;
  sx_space_lock(&tree->space);
  styx_err err = check(tree, node, st);
  if (!err) {
    set = read_stat(node, st);
    sx_change_init(&c, &set, sx_text_str(node->uid));
    err = sx_change_allocate(&tree->space, node, &c);
  }
  if (!err) {
    sx_change_name(&tree->space, node, &c);
    sx_change_rights(node, &c);
    if (c.what & STYX_SET_LENGTH)
      styx_tree_set_length(tree, file, set.length);
    sx_change_times(node, &c);
  }
  sx_space_unlock(&tree->space);
  sx_change_release(&tree->space, &c);
  return err;
}
