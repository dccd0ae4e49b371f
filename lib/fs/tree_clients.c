/* tree_clients.c: what clients create, remove and change, where the program lets them. Each is checked, then the program is
 * asked with no lock held, then what may have become otherwise meanwhile is checked again and it is done. */
#include "fs/tree_state.h"

#include <errno.h>

/* ---- create ---- */

static styx_err may_create(const styx_tree *tree, const struct sx_inode *dir, styx_str user, styx_str name) {
  if (!dir->dir)
    return ENOTDIR;
  return sx_inode_may(dir, user, 2) ? sx_tree_may_put(tree, dir, name) : EACCES;
}

/* A node that nothing leads to yet. */
static styx_err make_node(styx_tree *tree, struct sx_inode *dir, styx_str user, styx_str name, uint32_t mode,
                          struct sx_inode **out) {
  uint32_t known = STYX_DMDIR | STYX_DMAPPEND | STYX_DMEXCL | STYX_DMTMP | STYX_DMPERM;
  sx_space_lock(&tree->space);
  styx_err err = may_create(tree, dir, user, name);
  struct sx_text *uid = err ? NULL : sx_inode_user(&tree->space, dir, user);
  if (uid)
    *out = sx_inode_new(&tree->space, name, styx_create_mode(mode & known, dir->mode), uid, dir->gid);
  sx_text_put(&tree->space.alloc, uid);
  if (*out)
    (*out)->entry.seq = SX_TREE_MAKING;
  sx_space_unlock(&tree->space);
  return err || *out ? err : ENOMEM;
}

/* What the program makes of it. */
static styx_err ask_to_create(styx_tree *tree, struct styx_file *dir, struct styx_file *file, styx_str user,
                              uint32_t flags, struct sx_treehandle **out) {
  styx_making making = {.tree = tree,
                        .dir = dir,
                        .file = file,
                        .user = user,
                        .name = sx_text_str(file->node.entry.name),
                        .mode = file->node.mode,
                        .flags = flags};
  styx_err err = dir->ops->create(dir->aux, &making);
  if (err)
    return err;
  file->aux = making.aux;
  if (making.ops) {
    sx_space_lock(&tree->space);
    file->ops = sx_tree_keep_ops(tree, making.ops);
    sx_space_unlock(&tree->space);
    if (!file->ops) {
      if (making.ops->size > offsetof(styx_file_ops, destroy) && making.ops->destroy)
        making.ops->destroy(making.aux);
      return ENOMEM;
    }
  }
  return sx_tree_open(tree, file, user, flags, out);
}

static styx_err put_in(styx_tree *tree, struct sx_inode *dir, struct sx_inode *node) {
  sx_space_lock(&tree->space);
  styx_err err = sx_tree_may_put(tree, dir, sx_text_str(node->entry.name));
  if (!err) {
    sx_dir_tidy(dir->dir, SIZE_MAX);
    err = sx_tree_reserve(tree, dir) ? STYX_OK : ENOMEM;
  }
  if (!err) {
    node->entry.seq = 0;
    sx_tree_link(tree, dir, node);
    node->refs++;
    node->openers++;
    sx_inode_modified(&tree->space, dir, node->uid);
  }
  sx_space_unlock(&tree->space);
  return err;
}

/* It was not to be. */
static void undo(styx_tree *tree, struct sx_inode *node, struct sx_treehandle *handle) {
  sx_space_lock(&tree->space);
  node->entry.seq = 0; /* nothing more is put into it, and nothing is removed on close */
  node->openers++;
  sx_space_unlock(&tree->space);
  if (handle)
    (void)sx_tree_close(tree, node, handle);
  sx_tree_clear(tree, node, NULL);
}

styx_answer sx_tree_create(styx_req *req, void *which, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  (void)gid; /* a number; here the group is the directory's */
  styx_tree *tree = styx_req_ctx(req);
  struct styx_file *dir = which;
  struct sx_inode *node = NULL;
  struct sx_treehandle *handle = NULL;
  if (!dir->ops || !dir->ops->create)
    return styx_reply_error(req, EACCES);
  if (!styx_req_may_block(req))
    return styx_reply_would_block(req);
  styx_err err = make_node(tree, &dir->node, styx_req_user(req), name, mode, &node);
  if (err)
    return styx_reply_error(req, err);
  err = ask_to_create(tree, dir, sx_file_of(node), styx_req_user(req), flags, &handle);
  if (!err)
    err = put_in(tree, &dir->node, node);
  if (err) {
    undo(tree, node, handle);
    return styx_reply_error(req, err);
  }
  return styx_reply_create(req, node, styx_tree_qid(tree, sx_file_of(node)), handle);
}

/* ---- remove ---- */

static styx_err may_remove(styx_tree *tree, struct sx_inode *node, styx_str user, struct sx_text **who) {
  sx_space_lock(&tree->space);
  styx_err err = sx_inode_may_remove(&tree->space, node, user);
  if (!err && !(*who = sx_inode_user(&tree->space, node, user)))
    err = ENOMEM;
  sx_space_unlock(&tree->space);
  return err;
}

/* ENOENT: somebody else was quicker. */
static styx_err take_out(styx_tree *tree, struct sx_inode *node, struct sx_text *who) {
  struct sx_inode *dead = NULL;
  sx_space_lock(&tree->space);
  styx_err err = sx_inode_linked(&tree->space, node) ? STYX_OK : ENOENT;
  if (!err && node->dir && node->dir->live)
    err = ENOTEMPTY;
  if (!err) {
    sx_inode_modified(&tree->space, node->parent, who);
    sx_tree_unlink(tree, node, &dead);
    sx_dir_tidy(node->parent->dir, SIZE_MAX);
  }
  sx_space_unlock(&tree->space);
  sx_inode_free(&tree->space, &dead, SIZE_MAX);
  return err;
}

styx_answer sx_tree_remove(styx_req *req, void *which) {
  styx_tree *tree = styx_req_ctx(req);
  struct styx_file *file = which;
  struct sx_text *who = NULL;
  if (!file->ops || !file->ops->remove)
    return styx_reply_error(req, EACCES);
  if (!styx_req_may_block(req))
    return styx_reply_would_block(req);
  styx_err err = may_remove(tree, &file->node, styx_req_user(req), &who);
  if (!err)
    err = file->ops->remove(file->aux, styx_req_user(req));
  if (!err)
    err = take_out(tree, &file->node, who);
  sx_text_put(&tree->space.alloc, who);
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}

styx_err sx_tree_remove_on_close(styx_tree *tree, struct sx_inode *node, struct sx_text *user) {
  styx_err err = take_out(tree, node, user);
  return err == ENOENT ? STYX_OK : err;
}

/* ---- wstat ---- */

enum {
  TIMES = STYX_SET_ATIME | STYX_SET_MTIME | STYX_SET_CTIME | STYX_SET_ATIME_NOW | STYX_SET_MTIME_NOW,
  KNOWN = STYX_SET_MODE | STYX_SET_UID | STYX_SET_GID | STYX_SET_LENGTH | STYX_SET_NAME | TIMES
};

/* Attributes are the program's. But Linux opens "> file" by cutting it to nothing first, mtime and all: whoever may
 * write hears that this is done, since there is nothing to cut. */
static bool is_emptying(styx_tree *tree, struct styx_file *file, styx_str user, const styx_setattr *set) {
  if (!(set->valid & STYX_SET_LENGTH) || set->length || (set->valid & ~(uint32_t)(TIMES | STYX_SET_LENGTH)) ||
      !file->ops || !file->ops->write)
    return false;
  sx_space_lock(&tree->space);
  bool may = sx_inode_may(&file->node, user, 2);
  sx_space_unlock(&tree->space);
  return may;
}

static styx_err check_name(const styx_tree *tree, struct sx_inode *node, struct sx_change *c) {
  if (styx_str_eq(c->set->name, sx_text_str(node->entry.name))) {
    c->what &= ~(uint32_t)STYX_SET_NAME;
    return STYX_OK;
  }
  if (!node->parent)
    return EBUSY;
  if (!sx_inode_may(node->parent, c->user, 2))
    return EACCES;
  return sx_tree_may_put(tree, node->parent, c->set->name);
}

static styx_err check_length(const struct sx_inode *node, bool writer, struct sx_change *c) {
  if (node->dir) {
    c->what &= ~(uint32_t)STYX_SET_LENGTH;
    return c->set->length ? EISDIR : STYX_OK;
  }
  return writer || sx_inode_may(node, c->user, 2) ? STYX_OK : EACCES;
}

/* Order of contract 1.11. */
static styx_err check(const styx_tree *tree, struct sx_inode *node, bool writer, struct sx_change *c) {
  styx_err err = c->what & ~(uint32_t)KNOWN ? EOPNOTSUPP : STYX_OK;
  if (!err && !sx_inode_linked(&tree->space, node))
    err = ENOENT;
  if (!err && (c->what & STYX_SET_NAME))
    err = check_name(tree, node, c);
  if (!err && (c->what & STYX_SET_LENGTH))
    err = check_length(node, writer, c);
  return err ? err : sx_change_check(node, c);
}

static styx_err check_locked(styx_tree *tree, struct sx_inode *node, bool writer, struct sx_change *c) {
  sx_space_lock(&tree->space);
  styx_err err = check(tree, node, writer, c);
  sx_space_unlock(&tree->space);
  return err;
}

/* Rights were checked; what is left is whether it can still be done. */
static styx_err apply(styx_tree *tree, struct sx_inode *node, struct sx_change *c) {
  sx_space_lock(&tree->space);
  styx_err err = sx_inode_linked(&tree->space, node) ? STYX_OK : ENOENT;
  if (!err && (c->what & STYX_SET_NAME))
    err = sx_tree_may_put(tree, node->parent, c->set->name);
  if (!err)
    err = sx_change_allocate(&tree->space, node, c);
  if (!err) {
    sx_change_name(&tree->space, node, c);
    sx_change_rights(node, c);
  }
  sx_space_unlock(&tree->space);
  return err;
}

static void apply_length(styx_tree *tree, struct sx_inode *node, struct sx_change *c) {
  if (!(c->what & STYX_SET_LENGTH))
    return;
  pthread_rwlock_wrlock(&node->io);
  atomic_store_explicit(&node->length, c->set->length, memory_order_relaxed);
  struct sx_text *old = sx_inode_modified_locked(node, c->who);
  pthread_rwlock_unlock(&node->io);
  sx_text_put(&tree->space.alloc, old);
}

static styx_err change(styx_tree *tree, struct styx_file *file, bool writer, struct sx_change *c) {
  styx_err err = check_locked(tree, &file->node, writer, c);
  if (err || !c->what)
    return err;
  styx_setattr asked = *c->set;
  asked.valid = c->what;
  err = file->ops->wstat(file->aux, c->user, &asked);
  if (!err)
    err = apply(tree, &file->node, c);
  if (!err) {
    apply_length(tree, &file->node, c);
    sx_change_times(&file->node, c);
  }
  return err;
}

styx_answer sx_tree_setattr(styx_req *req, void *which, void *handle, const styx_setattr *set) {
  styx_tree *tree = styx_req_ctx(req);
  struct styx_file *file = which;
  struct sx_change c;
  if (!set->valid) /* sync */
    return styx_reply_ok(req);
  if (!file->ops || !file->ops->wstat)
    return is_emptying(tree, file, styx_req_user(req), set) ? styx_reply_ok(req) : styx_reply_error(req, EACCES);
  if (!styx_req_may_block(req))
    return styx_reply_would_block(req);
  sx_change_init(&c, set, styx_req_user(req));
  styx_err err = change(tree, file, handle && ((struct sx_treehandle *)handle)->writes, &c);
  sx_change_release(&tree->space, &c);
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}
