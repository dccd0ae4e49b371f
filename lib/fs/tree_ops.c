/* tree_ops.c: synthetic files: what clients may do with them. A handle is what the file's own open made. */
#include "fs/tree_state.h"

#include <errno.h>

/* ---- open and close ---- */

static bool can_do(const struct styx_file *file, uint32_t flags) {
  uint32_t want = styx_access_of_open(flags);
  if (file->node.dir)
    return true;
  return (!(want & 5) || file->ops.read) && (!(want & 2) || file->ops.write);
}

static styx_err open_file(struct sx_space *space, struct styx_file *file, styx_str user, uint32_t flags) {
  if ((flags & STYX_O_RCLOSE) || !can_do(file, flags))
    return EACCES;
  sx_space_lock(space);
  styx_err err = sx_inode_open(space, &file->node, user, flags);
  sx_space_unlock(space);
  return err;
}

static void close_file(struct sx_space *space, struct styx_file *file) {
  sx_space_lock(space);
  file->node.openers--;
  sx_space_unlock(space);
}

static styx_answer tree_open(styx_req *req, void *which, uint32_t flags) {
  struct sx_space *space = styx_req_ctx(req);
  struct styx_file *file = which;
  void *handle = NULL;
  styx_err err = open_file(space, file, styx_req_user(req), flags);
  if (err)
    return styx_reply_error(req, err);
  if (file->ops.open)
    err = file->ops.open(file->aux, styx_req_user(req), flags, &handle);
  if (err) {
    close_file(space, file);
    return styx_reply_error(req, err);
  }
  return styx_reply_open(req, sx_inode_qid(&file->node), handle);
}

static styx_err tree_close(void *ctx, void *which, void *handle) {
  struct styx_file *file = which;
  styx_err err = file->ops.close ? file->ops.close(file->aux, handle) : STYX_OK;
  close_file(ctx, file);
  return err;
}

/* ---- reading and writing: the file's own affair ---- */

static styx_answer tree_read(styx_req *req, void *which, void *handle, uint64_t offset, uint32_t count) {
  struct styx_file *file = which;
  if (!file->ops.read)
    return styx_reply_error(req, EACCES);
  sx_inode_accessed(&file->node);
  return file->ops.read(req, file->aux, handle, offset, count);
}

static styx_answer tree_write(styx_req *req, void *which, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  struct styx_file *file = which;
  if (!file->ops.write)
    return styx_reply_error(req, EACCES);
  return file->ops.write(req, file->aux, handle, offset, data, count);
}

/* ---- wstat ---- */

/* Attributes are the program's. But Linux opens "> file" by cutting it to nothing first, mtime and all: whoever may
 * write hears that this is done, since there is nothing to cut. */
static bool is_emptying(struct sx_space *space, struct styx_file *file, styx_str user, const styx_setattr *set) {
  uint32_t times = STYX_SET_ATIME | STYX_SET_MTIME | STYX_SET_CTIME | STYX_SET_ATIME_NOW | STYX_SET_MTIME_NOW;
  if (!(set->valid & STYX_SET_LENGTH) || set->length || (set->valid & ~(times | STYX_SET_LENGTH)) || !file->ops.write)
    return false;
  sx_space_lock(space);
  bool may = sx_inode_may(&file->node, user, 2);
  sx_space_unlock(space);
  return may;
}

static styx_answer tree_setattr(styx_req *req, void *which, void *handle, const styx_setattr *set) {
  (void)handle;
  if (set->valid && !is_emptying(styx_req_ctx(req), which, styx_req_user(req), set))
    return styx_reply_error(req, EACCES);
  return styx_reply_ok(req);
}

const styx_fs_ops sx_tree_ops = {
    .size = sizeof sx_tree_ops,
    .name = "tree",
    .serial = STYX_PARALLEL,
    /* Not open, read, write, close and forget: these run code of the program. Its threads take the lock too, for a few files
     * at a time; for longer only when a directory with very many files doubles its table. */
    .nowait = STYX_OP(attach) | STYX_OP(walk) | STYX_OP(create) | STYX_OP(readdir) | STYX_OP(getattr) |
              STYX_OP(setattr) | STYX_OP(remove) | STYX_OP(fsync),
    .attach = sx_op_attach,
    .walk = sx_op_walk,
    .open = tree_open,
    .read = tree_read,
    .write = tree_write,
    .readdir = sx_op_readdir,
    .getattr = sx_op_getattr,
    .setattr = tree_setattr,
    .close = tree_close,
    .forget = sx_op_forget,
};
