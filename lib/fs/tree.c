/* tree.c: synthetic files: how a program builds and changes its tree. What clients see of it is tree_ops.c. */
#include "fs/tree_state.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

/* ---- its life ---- */

static bool fini_file(struct sx_space *space, struct sx_inode *node, size_t *most) {
  (void)space, (void)most;
  struct styx_file *file = sx_file_of(node);
  if (file->ops.destroy)
    file->ops.destroy(file->aux);
  return true;
}

styx_tree *styx_tree_new(const char *user, const styx_allocator *allocator) {
  styx_tree *tree = sx_zalloc(allocator, sizeof *tree);
  if (!tree)
    return NULL;
  if (allocator)
    tree->alloc = *allocator;
  if (sx_space_init(&tree->space, allocator, sizeof(struct styx_file), fini_file, styx_str_of(user ? user : "none"),
                    0555)) {
    sx_free(allocator, tree, sizeof *tree);
    return NULL;
  }
  return tree;
}

void styx_tree_free(styx_tree *tree) {
  if (!tree)
    return;
  sx_space_fini(&tree->space);
  styx_allocator alloc = tree->alloc;
  sx_free(&alloc, tree, sizeof *tree);
}

styx_fs styx_tree_fs(styx_tree *tree) { return (styx_fs){&sx_tree_ops, tree}; }

styx_file *styx_tree_root(styx_tree *tree) { return sx_file_of(tree->space.root); }

/* ---- putting in ---- */

static bool is_name(styx_str name) {
  return name.len && !memchr(name.s, '/', name.len) && !styx_str_is(name, ".") && !styx_str_is(name, "..");
}

/* With the lock. */
static styx_err new_file(styx_tree *tree, struct sx_inode *dir, styx_str name, uint32_t mode, struct sx_inode **out) {
  if (!dir->dir)
    return ENOTDIR;
  if (!is_name(name))
    return STYX_ENAME;
  if (sx_dir_find(dir->dir, name))
    return EEXIST;
  struct sx_inode *node = sx_dir_reserve(dir->dir) ? sx_inode_new(&tree->space, name, mode, dir->uid, dir->gid) : NULL;
  if (!node)
    return ENOMEM;
  sx_inode_link(dir, node);
  *out = node;
  return STYX_OK;
}

/* A table from an older program is shorter. */
static styx_file_ops read_ops(const styx_file_ops *given) {
  styx_file_ops ops = {0};
  if (given)
    memcpy(&ops, given, given->size < sizeof ops ? given->size : sizeof ops);
  return ops;
}

static styx_err put(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode, uint64_t length,
                    const styx_file_ops *ops, void *aux, styx_file **out) {
  struct sx_inode *node = NULL;
  sx_space_lock(&tree->space);
  styx_err err = new_file(tree, &dir->node, styx_str_of(name), mode, &node);
  if (!err) {
    sx_file_of(node)->ops = read_ops(ops);
    sx_file_of(node)->aux = aux;
    atomic_init(&node->length, length);
    sx_inode_modified(&tree->space, &dir->node, dir->node.uid);
  }
  /* Out before a client can walk to it. */
  if (!err && out)
    *out = sx_file_of(node);
  sx_space_unlock(&tree->space);
  return err;
}

styx_err styx_tree_file(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode, const styx_file_ops *ops,
                        void *aux, styx_file **out) {
  uint32_t known = STYX_DMAPPEND | STYX_DMEXCL | STYX_DMTMP | STYX_DMPERM;
  return put(tree, dir, name, mode & known, 0, ops, aux, out);
}

styx_err styx_tree_dir(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode, styx_file **out) {
  return put(tree, dir, name, (mode & STYX_DMPERM) | STYX_DMDIR, 0, NULL, NULL, out);
}

/* ---- texts ---- */

struct text {
  styx_allocator alloc;
  size_t len;
  char s[];
};

static styx_answer read_text(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  (void)handle, (void)offset, (void)count;
  struct text *text = aux;
  return styx_reply_slice(req, text->s, text->len);
}

static void destroy_text(void *aux) {
  struct text *text = aux;
  styx_allocator alloc = text->alloc;
  sx_free(&alloc, text, sizeof *text + text->len);
}

styx_err styx_tree_text(styx_tree *tree, styx_file *dir, const char *name, const char *s, styx_file **out) {
  static const styx_file_ops ops = {.size = sizeof ops, .read = read_text, .destroy = destroy_text};
  size_t len = strlen(s);
  struct text *text = sx_alloc(&tree->space.alloc, sizeof *text + len);
  if (!text)
    return ENOMEM;
  text->alloc = tree->space.alloc;
  text->len = len;
  memcpy(text->s, s, len);
  styx_err err = put(tree, dir, name, 0444, len, &ops, text, out);
  if (err)
    destroy_text(text);
  return err;
}

/* ---- taking out and changing ---- */

enum {
  BATCH = 64 /* steps under one hold of the lock */
};

/* Take some of the files beneath top out, leaf by leaf, since a tree can be deeper than a stack; false: that was all. Only so
 * many at once, because clients wait for the lock meanwhile. */
static bool unlink_some(struct sx_inode *top, struct sx_inode **dead) {
  struct sx_inode *node = top;
  for (int i = 0; i < BATCH; i++) {
    struct sx_entry *child = node->dir ? sx_dir_last(node->dir) : NULL;
    if (!child && node == top)
      return false;
    struct sx_inode *leaf = node;
    node = child ? sx_inode_of(child) : node->parent; /* which stays: it is still linked itself, or top */
    if (!child)
      sx_inode_unlink(leaf, dead);
  }
  return true;
}

styx_err styx_tree_remove(styx_tree *tree, styx_file *file) {
  struct sx_inode *dead = NULL, *top = &file->node;
  if (top == tree->space.root)
    return EBUSY;
  sx_space_lock(&tree->space);
  top->refs++; /* ours */
  sx_inode_modified(&tree->space, top->parent, top->parent->uid);
  sx_inode_unlink(top, &dead);
  sx_dir_tidy(top->parent->dir, SIZE_MAX);
  while (unlink_some(top, &dead)) {
    sx_space_unlock(&tree->space);
    sx_space_lock(&tree->space);
  }
  sx_inode_put(top, &dead);
  sx_space_unlock(&tree->space);
  sx_inode_free(&tree->space, &dead, SIZE_MAX);
  return STYX_OK;
}

void styx_tree_set_length(styx_tree *tree, styx_file *file, uint64_t length) {
  struct sx_inode *node = &file->node;
  pthread_rwlock_wrlock(&node->io);
  atomic_store_explicit(&node->length, length, memory_order_relaxed);
  struct sx_text *old = sx_inode_modified_locked(node, node->uid);
  pthread_rwlock_unlock(&node->io);
  sx_text_put(&tree->space.alloc, old);
}
