/* tree_navigator.c: the tree as a navigator: files by the path of their qid. */
#include "fs/tree_state.h"

#include <errno.h>
#include <styx/navigator.h>

/* With the lock, so that node stays. Answers nothing. */
static void hold(styx_nav *q, struct sx_inode *node) {
  styx_attr attr;
  pthread_rwlock_rdlock(&node->io);
  sx_inode_attr(node, &attr);
  styx_nav_hold(q, &attr);
  pthread_rwlock_unlock(&node->io);
}

static void answer(styx_nav *q, styx_err err) {
  if (err)
    styx_nav_error(q, err);
  else
    styx_nav_attr(q, NULL);
}

static void nav_stat(void *ctx, styx_nav *q, uint64_t path) {
  styx_tree *tree = ctx;
  sx_space_lock(&tree->space);
  struct sx_inode *node = sx_table_get(&tree->paths, path);
  if (node)
    hold(q, node);
  sx_space_unlock(&tree->space);
  answer(q, node ? STYX_OK : ENOENT);
}

static void nav_walk(void *ctx, styx_nav *q, uint64_t path, styx_str name) {
  styx_tree *tree = ctx;
  sx_space_lock(&tree->space);
  struct sx_inode *from = sx_table_get(&tree->paths, path), *to = NULL;
  styx_err err = ENOENT;
  if (from && styx_str_is(name, "..")) { /* of a file too */
    to = from->parent ? from->parent : from;
    err = STYX_OK;
  } else if (from) {
    err = sx_tree_step(from, name, &to);
  }
  if (!err)
    hold(q, to);
  sx_space_unlock(&tree->space);
  answer(q, err);
}

/* ---- readdir ---- */

enum {
  BATCH = 64 /* slots looked at under one hold of the lock */
};

static bool give(styx_nav *q, struct sx_inode *node) {
  styx_dirent entry = {.cookie = node->entry.seq};
  pthread_rwlock_rdlock(&node->io);
  sx_inode_attr(node, &entry.attr);
  bool taken = styx_nav_entry(q, &entry);
  pthread_rwlock_unlock(&node->io);
  return taken;
}

/* What stands in the next few slots behind *cookie; false when that was all, or all that is wanted. */
static bool give_some(styx_nav *q, const struct sx_dir *dir, uint64_t *cookie, uint32_t *count) {
  size_t at = sx_dir_seek(dir, *cookie), end = dir->used - at > BATCH ? at + BATCH : dir->used;
  for (; at < end && *count; at++) {
    struct sx_entry *entry = dir->slots[at].entry;
    if (entry && !give(q, sx_inode_of(entry)))
      return false;
    *cookie = dir->slots[at].seq;
    *count -= entry != NULL;
  }
  return at < dir->used && *count;
}

/* With a reference for whoever asks. */
static styx_err find_dir(styx_tree *tree, uint64_t path, uint64_t cookie, struct sx_inode **out) {
  sx_space_lock(&tree->space);
  struct sx_inode *node = sx_table_get(&tree->paths, path);
  styx_err err = !node ? ENOENT : !node->dir ? ENOTDIR : cookie > node->dir->last_seq ? STYX_EOFFSET : STYX_OK;
  if (!err) {
    node->refs++;
    *out = node;
  }
  sx_space_unlock(&tree->space);
  return err;
}

static void nav_readdir(void *ctx, styx_nav *q, uint64_t path, uint64_t cookie, uint32_t count) {
  styx_tree *tree = ctx;
  struct sx_inode *node = NULL;
  styx_err err = find_dir(tree, path, cookie, &node);
  if (err) {
    styx_nav_error(q, err);
    return;
  }
  for (bool more = true; more;) {
    sx_space_lock(&tree->space);
    more = give_some(q, node->dir, &cookie, &count);
    sx_space_unlock(&tree->space);
  }
  styx_tree_put(tree, sx_file_of(node));
  styx_nav_end(q);
}

styx_navigator styx_tree_navigator(styx_tree *tree) {
  static const styx_navigator_ops ops = {
      .size = sizeof ops, .stat = nav_stat, .walk = nav_walk, .readdir = nav_readdir};
  return (styx_navigator){&ops, tree};
}
