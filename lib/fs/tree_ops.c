/* tree_ops.c: synthetic files: attaching, opening, reading, writing and closing by clients. */
#include "fs/tree_state.h"

#include "base/alloc.h"

#include <errno.h>

static styx_answer attach(styx_req *req) {
  styx_tree *tree = styx_req_ctx(req);
  styx_str aname = styx_req_aname(req);
  struct sx_inode *root = tree->space.root;
  styx_qid qid = {0};
  sx_space_lock(&tree->space);
  struct sx_entry *other = aname.len ? sx_dir_find(&tree->roots, aname) : NULL;
  if (other)
    root = &((struct sx_root *)other)->file->node;
  else if (aname.len && tree->roots.live)
    root = NULL;
  if (root) {
    root->refs++;
    qid = sx_inode_qid(root);
  }
  sx_space_unlock(&tree->space);
  if (!root)
    return styx_reply_error(req, STYX_EANAME);
  sx_inode_accessed(root);
  return styx_reply_node(req, root, qid);
}

/* ---- open and close ---- */

static bool can_do(const struct styx_file *file, uint32_t flags) {
  uint32_t want = styx_access_of_open(flags);
  const styx_file_ops *ops = file->ops;
  if ((flags & STYX_O_RCLOSE) && !(ops && ops->remove))
    return false;
  if (file->node.dir)
    return true;
  return (!(want & 5) || (ops && ops->read)) && (!(want & 2) || (ops && ops->write));
}

static void free_handle(styx_tree *tree, struct sx_treehandle *handle) {
  sx_text_put(&tree->space.alloc, handle->user);
  sx_free(&tree->space.alloc, handle, sizeof *handle);
}

/* The program's part. */
static styx_err open_theirs(struct styx_file *file, styx_str user, uint32_t flags, struct sx_treehandle *handle) {
  styx_err err = flags & STYX_O_RCLOSE ? file->ops->remove(file->aux, user) : STYX_OK;
  if (err || file->node.dir || !file->ops || !file->ops->open)
    return err;
  return file->ops->open(file->aux, user, flags, &handle->theirs);
}

styx_err sx_tree_open(styx_tree *tree, struct styx_file *file, styx_str user, uint32_t flags,
                      struct sx_treehandle **out) {
  if (!can_do(file, flags))
    return EACCES;
  struct sx_treehandle *handle = sx_zalloc(&tree->space.alloc, sizeof *handle);
  if (!handle)
    return ENOMEM;
  sx_space_lock(&tree->space);
  bool append_only = (file->node.mode & STYX_DMAPPEND) != 0;
  if (flags & STYX_O_RCLOSE)
    handle->user = sx_inode_user(&tree->space, &file->node, user);
  sx_space_unlock(&tree->space);
  if (append_only)
    flags &= ~(uint32_t)STYX_O_TRUNC;
  handle->append = append_only || (flags & STYX_O_APPEND);
  handle->writes = (styx_access_of_open(flags) & 2) != 0;
  styx_err err = (flags & STYX_O_RCLOSE) && !handle->user ? ENOMEM : open_theirs(file, user, flags, handle);
  if (err)
    free_handle(tree, handle);
  else
    *out = handle;
  return err;
}

static void count_out(styx_tree *tree, struct styx_file *file) {
  sx_space_lock(&tree->space);
  file->node.openers--;
  sx_space_unlock(&tree->space);
}

static styx_answer tree_open(styx_req *req, void *which, uint32_t flags) {
  styx_tree *tree = styx_req_ctx(req);
  struct styx_file *file = which;
  struct sx_treehandle *handle = NULL;
  sx_space_lock(&tree->space);
  styx_err err = sx_inode_open(&file->node, styx_req_user(req), flags);
  sx_space_unlock(&tree->space);
  if (err)
    return styx_reply_error(req, err);
  err = sx_tree_open(tree, file, styx_req_user(req), flags, &handle);
  if (err) {
    count_out(tree, file);
    return styx_reply_error(req, err);
  }
  return styx_reply_open(req, styx_tree_qid(tree, file), handle);
}

styx_err sx_tree_close(void *ctx, void *which, void *opened) {
  styx_tree *tree = ctx;
  struct styx_file *file = which;
  struct sx_treehandle *handle = opened;
  styx_err err = STYX_OK;
  if (!file->node.dir && file->ops && file->ops->close)
    err = file->ops->close(file->aux, handle->theirs);
  count_out(tree, file);
  if (handle->user) {
    styx_err not_removed = sx_tree_remove_on_close(tree, &file->node, handle->user);
    err = err ? err : not_removed;
  }
  free_handle(tree, handle);
  return err;
}

/* ---- reading and writing: the file's own affair ---- */

static styx_answer tree_read(styx_req *req, void *which, void *opened, uint64_t offset, uint32_t count) {
  struct styx_file *file = which;
  struct sx_treehandle *handle = opened;
  if (file->node.dir)
    return styx_reply_error(req, EISDIR);
  sx_inode_accessed(&file->node);
  return file->ops->read(req, file->aux, handle->theirs, offset, count);
}

static styx_answer tree_write(styx_req *req, void *which, void *opened, uint64_t offset, const void *data,
                              uint32_t count) {
  struct styx_file *file = which;
  struct sx_treehandle *handle = opened;
  if (file->node.dir)
    return styx_reply_error(req, EISDIR);
  if (handle->append)
    offset = sx_inode_length(&file->node);
  return file->ops->write(req, file->aux, handle->theirs, offset, data, count);
}

const styx_fs_ops sx_tree_ops = {
    .size = sizeof sx_tree_ops,
    .name = "tree",
    .serial = STYX_PARALLEL,
    /* Not open, read, write, close and forget: these run code of the program, as create, remove and setattr do only where they
     * may block. Its threads take the lock too, for a few files at a time; for longer only when a table of very many files
     * doubles. */
    .nowait = STYX_OP(attach) | STYX_OP(walk) | STYX_OP(create) | STYX_OP(readdir) | STYX_OP(getattr) |
              STYX_OP(setattr) | STYX_OP(remove) | STYX_OP(fsync),
    .attach = attach,
    .walk = sx_op_walk,
    .open = tree_open,
    .create = sx_tree_create,
    .read = tree_read,
    .write = tree_write,
    .readdir = sx_op_readdir,
    .getattr = sx_op_getattr,
    .setattr = sx_tree_setattr,
    .remove = sx_tree_remove,
    .close = sx_tree_close,
    .forget = sx_op_forget,
};
