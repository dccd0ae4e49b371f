/* inode_ops.c: the operations that need nothing but nodes, and are the same for every tree in memory. */
#include "fs/inode.h"

#include <errno.h>

enum {
  BATCH = 64, /* slots looked at under one hold of the lock */
  SHORT = 16  /* batches that are still short */
};

styx_answer sx_op_attach(styx_req *req) {
  struct sx_space *space = styx_req_ctx(req);
  sx_space_lock(space);
  space->root->refs++;
  styx_qid qid = sx_inode_qid(space->root);
  sx_space_unlock(space);
  sx_inode_accessed(space->root);
  return styx_reply_node(req, space->root, qid);
}

void sx_op_forget(void *ctx, void *node) {
  struct sx_space *space = ctx;
  struct sx_inode *dead = NULL;
  sx_space_lock(space);
  sx_inode_put(node, &dead);
  sx_space_unlock(space);
  if (dead)
    sx_inode_free(space, &dead, SIZE_MAX);
}

static styx_err step(struct sx_inode *from, styx_str user, styx_str name, struct sx_inode **to) {
  if (!from->dir)
    return ENOTDIR;
  if (!sx_inode_may(from, user, 1))
    return EACCES;
  if (styx_str_is(name, "..")) {
    *to = from->parent ? from->parent : from;
    return STYX_OK;
  }
  struct sx_entry *entry = sx_dir_find(from->dir, name);
  if (!entry)
    return ENOENT;
  *to = sx_inode_of(entry);
  return STYX_OK;
}

styx_answer sx_op_walk(styx_req *req, void *at, styx_str name) {
  struct sx_space *space = styx_req_ctx(req);
  struct sx_inode *from = at, *to = NULL;
  styx_qid qid = {0};
  sx_space_lock(space);
  styx_err err = step(from, styx_req_user(req), name, &to);
  if (!err) {
    to->refs++;
    qid = sx_inode_qid(to);
  }
  sx_space_unlock(space);
  if (from->dir)
    sx_inode_accessed(from);
  return err ? styx_reply_error(req, err) : styx_reply_node(req, to, qid);
}

/* ---- attributes ---- */

static styx_time time_out(int64_t ns) {
  const int64_t second = 1000000000;
  int64_t rest = ns % second, sec = ns / second;
  return rest < 0 ? (styx_time){sec - 1, (uint32_t)(rest + second)} : (styx_time){sec, (uint32_t)rest};
}

/* Field by field: compilers clear a large struct slowly. */
void sx_inode_attr(const struct sx_inode *node, styx_attr *attr) {
  attr->qid = sx_inode_qid(node);
  attr->mode = node->mode;
  attr->st_mode = 0;
  attr->nlink = 1;
  attr->length = node->dir ? 0 : sx_inode_length(node);
  attr->atime = time_out(atomic_load_explicit(&node->atime, memory_order_relaxed));
  attr->mtime = attr->ctime = time_out(node->mtime);
  attr->btime = (styx_time){0};
  attr->name = sx_text_str(node->entry.name);
  attr->uid = sx_text_str(node->uid);
  attr->gid = sx_text_str(node->gid);
  attr->muid = sx_text_str(node->muid);
  attr->n_uid = attr->n_gid = attr->n_muid = UINT32_MAX;
  attr->rdev = attr->blksize = attr->blocks = attr->gen = attr->data_version = 0;
  attr->extension = (styx_str){NULL, 0};
}

/* While somebody writes to the file only those wait who ask for that file. */
styx_answer sx_op_getattr(styx_req *req, void *which, void *handle) {
  (void)handle;
  struct sx_inode *node = which;
  styx_attr attr;
  sx_io_rdlock(node);
  sx_inode_attr(node, &attr);
  styx_req_attr(req, &attr);
  pthread_rwlock_unlock(&node->io);
  return styx_reply_attr(req, NULL);
}

/* ---- listing ---- */

static bool add_entry(styx_req *req, struct sx_inode *node) {
  styx_dirent entry = {.cookie = node->entry.seq};
  if (!styx_req_wants_attr(req)) {
    entry.attr.qid = sx_inode_qid(node);
    entry.attr.mode = node->mode;
    entry.attr.name = sx_text_str(node->entry.name);
    return styx_dir_add(req, &entry);
  }
  pthread_rwlock_rdlock(&node->io);
  sx_inode_attr(node, &entry.attr);
  bool fits = styx_dir_add(req, &entry);
  pthread_rwlock_unlock(&node->io);
  return fits;
}

/* What stands in the next few slots behind *seq; false when that was all, or all that fits. */
static bool list_some(styx_req *req, const struct sx_dir *dir, uint64_t *seq) {
  size_t at = sx_dir_seek(dir, *seq), end = dir->used - at > BATCH ? at + BATCH : dir->used;
  for (; at < end; at++) {
    struct sx_entry *entry = dir->slots[at].entry;
    if (entry && !add_entry(req, sx_inode_of(entry)))
      return false;
    *seq = dir->slots[at].seq;
  }
  return at < dir->used;
}

styx_answer sx_op_readdir(styx_req *req, void *which, void *handle, uint64_t cookie) {
  (void)handle;
  struct sx_space *space = styx_req_ctx(req);
  struct sx_inode *node = which;
  if (!node->dir)
    return styx_reply_error(req, ENOTDIR);
  bool more = true;
  for (int batches = 0; more; batches++) {
    if (batches == SHORT && !styx_req_may_block(req))
      return styx_reply_would_block(req);
    sx_space_lock(space);
    more = list_some(req, node->dir, &cookie);
    sx_space_unlock(space);
  }
  sx_inode_accessed(node);
  return styx_reply_dir(req);
}
