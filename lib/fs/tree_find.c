/* tree_find.c: how a program finds files in its tree, keeps them, and learns what they are. */
#include "fs/tree_state.h"

#include <errno.h>
#include <string.h>

styx_err sx_tree_step(struct sx_inode *dir, styx_str name, struct sx_inode **out) {
  if (!dir->dir)
    return ENOTDIR;
  if (styx_str_is(name, "..")) {
    *out = dir->parent ? dir->parent : dir;
    return STYX_OK;
  }
  struct sx_entry *entry = sx_dir_find(dir->dir, name);
  if (!entry)
    return ENOENT;
  *out = sx_inode_of(entry);
  return STYX_OK;
}

styx_err styx_tree_lookup(styx_tree *tree, styx_file *dir, const char *name, styx_file **out) {
  struct sx_inode *found = NULL;
  sx_space_lock(&tree->space);
  styx_err err = sx_tree_step(&dir->node, styx_str_of(name), &found);
  if (!err) {
    found->refs++;
    *out = sx_file_of(found);
  }
  sx_space_unlock(&tree->space);
  return err;
}

styx_err styx_tree_by_path(styx_tree *tree, uint64_t path, styx_file **out) {
  sx_space_lock(&tree->space);
  struct sx_inode *found = sx_table_get(&tree->paths, path);
  if (found) {
    found->refs++;
    *out = sx_file_of(found);
  }
  sx_space_unlock(&tree->space);
  return found ? STYX_OK : ENOENT;
}

styx_file *styx_tree_get(styx_tree *tree, styx_file *file) {
  sx_space_lock(&tree->space);
  file->node.refs++;
  sx_space_unlock(&tree->space);
  return file;
}

void styx_tree_put(styx_tree *tree, styx_file *file) {
  if (file)
    sx_op_forget(tree, file);
}

styx_qid styx_tree_qid(styx_tree *tree, styx_file *file) {
  sx_space_lock(&tree->space);
  styx_qid qid = sx_inode_qid(&file->node);
  sx_space_unlock(&tree->space);
  return qid;
}

/* ---- the path ---- */

/* How long it is. Not further than max: a tree may be deeper than anybody wants to know. */
static styx_err path_length(const styx_tree *tree, const struct sx_inode *node, size_t max, size_t *len) {
  size_t n = 0;
  for (; node->parent; node = node->parent) {
    if (!sx_inode_linked(&tree->space, node))
      return ENOENT;
    n += 1 + node->entry.name->len;
    if (n >= max)
      return ENAMETOOLONG;
  }
  if (!sx_inode_linked(&tree->space, node) || node->entry.seq == SX_TREE_MAKING)
    return ENOENT;
  *len = n ? n : 1;
  return *len < max ? STYX_OK : ENAMETOOLONG;
}

static void write_path(const struct sx_inode *node, char *buf, size_t len) {
  buf[0] = '/';
  buf[len] = 0;
  for (; node->parent; node = node->parent) {
    const struct sx_text *name = node->entry.name;
    len -= name->len;
    memcpy(buf + len, name->s, name->len);
    buf[--len] = '/';
  }
}

styx_err styx_tree_path(styx_tree *tree, styx_file *file, char *buf, size_t cap, size_t *out) {
  size_t len = 0;
  sx_space_lock(&tree->space);
  styx_err err = path_length(tree, &file->node, cap, &len);
  if (!err)
    write_path(&file->node, buf, len);
  sx_space_unlock(&tree->space);
  if (!err && out)
    *out = len;
  return err;
}
