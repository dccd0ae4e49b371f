/* memfs.c: the writable filesystem in memory: its life, its table, reading and writing. */
#include "fs/memfs_state.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

enum {
  SMALL = 4096 /* reads up to this go through the stack; larger ones into the reply itself */
};

/* ---- contents ---- */

static uint64_t left_after(const struct sx_inode *node, uint64_t offset) {
  return offset < node->length ? node->length - offset : 0;
}

static size_t read_into(struct sx_memfile *file, uint64_t offset, void *buf, size_t cap) {
  pthread_rwlock_rdlock(&file->node.io);
  uint64_t left = left_after(&file->node, offset);
  size_t n = left < cap ? (size_t)left : cap;
  sx_pages_read(&file->pages, offset, buf, n);
  pthread_rwlock_unlock(&file->node.io);
  return n;
}

static styx_answer mem_read(styx_req *req, void *which, void *handle, uint64_t offset, uint32_t count) {
  (void)handle;
  struct sx_memfile *file = which;
  if (file->node.dir)
    return styx_reply_error(req, EISDIR);
  sx_inode_accessed(&file->node);
  pthread_rwlock_rdlock(&file->node.io);
  uint64_t left = left_after(&file->node, offset);
  pthread_rwlock_unlock(&file->node.io);
  if (left <= SMALL || count <= SMALL) {
    char small[SMALL];
    return styx_reply_data(req, small, read_into(file, offset, small, count < SMALL ? count : SMALL));
  }
  size_t cap = 0;
  void *room = styx_req_room(req, &cap);
  if (!room)
    return styx_reply_error(req, ENOMEM);
  return styx_reply_filled(req, read_into(file, offset, room, cap < count ? cap : count));
}

static styx_err write_at(struct sx_memfile *file, const struct sx_memhandle *handle, uint64_t offset, const void *data,
                         uint32_t count, size_t *done) {
  struct sx_inode *node = &file->node;
  if ((node->mode & STYX_DMAPPEND) || (handle->flags & STYX_O_APPEND))
    offset = node->length;
  if (offset > (uint64_t)INT64_MAX - count)
    return EFBIG;
  styx_err err = sx_pages_write(&file->pages, offset, data, count, done);
  if (offset + *done > node->length)
    node->length = offset + *done;
  return err;
}

/* EAGAIN: it would take long, and nothing is done. */
static styx_err write_locked(struct styx_memfs *fs, struct sx_memfile *file, const struct sx_memhandle *handle,
                             uint64_t offset, const void *data, uint32_t count, bool may_block, size_t *done) {
  struct sx_text *old = NULL;
  pthread_rwlock_wrlock(&file->node.io);
  bool later = !may_block && sx_pages_moves(&file->pages, count) > SX_MEM_ENTRIES;
  styx_err err = later ? EAGAIN : write_at(file, handle, offset, data, count, done);
  if (*done)
    old = sx_inode_modified_locked(&file->node, handle->user);
  pthread_rwlock_unlock(&file->node.io);
  sx_text_put(&fs->space.alloc, old);
  return err;
}

static bool has_dead(struct styx_memfs *fs) {
  sx_space_lock(&fs->space);
  bool any = fs->dead != NULL;
  sx_space_unlock(&fs->space);
  return any;
}

static styx_answer mem_write(styx_req *req, void *which, void *handle, uint64_t offset, const void *data,
                             uint32_t count) {
  struct styx_memfs *fs = styx_req_ctx(req);
  struct sx_memfile *file = which;
  bool may_block = styx_req_may_block(req);
  size_t done = 0;
  if (file->node.dir)
    return styx_reply_error(req, EISDIR);
  if (count == 0)
    return styx_reply_count(req, 0);
  styx_err err = write_locked(fs, file, handle, offset, data, count, may_block, &done);
  if ((err == ENOSPC || err == ENOMEM) && !done && has_dead(fs)) { /* there is room that nobody has given back yet */
    err = EAGAIN;
    if (may_block) {
      sx_inode_free(&fs->space, &fs->dead, SIZE_MAX);
      err = write_locked(fs, file, handle, offset, data, count, may_block, &done);
    }
  }
  if (done)
    return styx_reply_count(req, (uint32_t)done);
  return err == EAGAIN ? styx_reply_would_block(req) : styx_reply_error(req, err);
}

void sx_mem_empty(struct sx_memfile *file) {
  pthread_rwlock_wrlock(&file->node.io);
  sx_pages_cut(&file->pages, 0);
  pthread_rwlock_unlock(&file->node.io);
}

void sx_mem_truncate(struct styx_memfs *fs, struct sx_memfile *file, uint64_t length, struct sx_text *user) {
  pthread_rwlock_wrlock(&file->node.io);
  if (length < file->node.length)
    sx_pages_cut(&file->pages, length);
  file->node.length = length;
  struct sx_text *old = sx_inode_modified_locked(&file->node, user);
  pthread_rwlock_unlock(&file->node.io);
  sx_text_put(&fs->space.alloc, old);
}

/* ---- the table ---- */

static const styx_fs_ops ops = {
    .size = sizeof ops,
    .name = "memfs",
    .serial = STYX_PARALLEL,
    .nowait = STYX_OP(attach) | STYX_OP(walk) | STYX_OP(open) | STYX_OP(create) | STYX_OP(read) | STYX_OP(write) |
              STYX_OP(readdir) | STYX_OP(getattr) | STYX_OP(setattr) | STYX_OP(remove) | STYX_OP(fsync) |
              STYX_OP(close) | STYX_OP(forget),
    .attach = sx_op_attach,
    .walk = sx_op_walk,
    .open = sx_mem_open,
    .create = sx_mem_create,
    .read = mem_read,
    .write = mem_write,
    .readdir = sx_op_readdir,
    .getattr = sx_op_getattr,
    .setattr = sx_mem_setattr,
    .remove = sx_mem_remove,
    .close = sx_mem_close,
    .forget = sx_mem_forget,
};

/* ---- its life ---- */

/* A config from an older program is shorter. */
static styx_memfs_config read_config(const styx_memfs_config *given) {
  styx_memfs_config config = {0};
  if (given)
    memcpy(&config, given, given->size < sizeof config ? given->size : sizeof config);
  if (!config.user)
    config.user = "none";
  if (!config.mode)
    config.mode = 0777;
  return config;
}

static bool fini_file(struct sx_space *space, struct sx_inode *node, size_t *most) {
  (void)space;
  return node->dir || sx_pages_fini(&sx_memfile_of(node)->pages, most);
}

void sx_mem_unlock(struct styx_memfs *fs, bool all) {
  bool any = fs->dead != NULL;
  sx_space_unlock(&fs->space);
  if (any)
    sx_inode_free(&fs->space, &fs->dead, all ? SIZE_MAX : SX_MEM_PIECES);
}

bool sx_mem_is_large(struct sx_inode *node) {
  if (node->dir)
    return false;
  pthread_rwlock_rdlock(&node->io);
  size_t pages = sx_memfile_of(node)->pages.table.count;
  pthread_rwlock_unlock(&node->io);
  return pages > SX_MEM_PIECES;
}

styx_memfs *styx_memfs_new(const styx_memfs_config *given) {
  styx_memfs_config config = read_config(given);
  styx_memfs *fs = sx_zalloc(config.allocator, sizeof *fs);
  if (!fs)
    return NULL;
  if (config.allocator)
    fs->alloc = *config.allocator;
  fs->quota.max = config.max_bytes;
  if (sx_space_init(&fs->space, config.allocator, sizeof(struct sx_memfile), fini_file, styx_str_of(config.user),
                    config.mode & STYX_DMPERM)) {
    sx_free(config.allocator, fs, sizeof *fs);
    return NULL;
  }
  return fs;
}

void styx_memfs_free(styx_memfs *fs) {
  if (!fs)
    return;
  sx_inode_free(&fs->space, &fs->dead, SIZE_MAX);
  sx_space_fini(&fs->space);
  styx_allocator alloc = fs->alloc;
  sx_free(&alloc, fs, sizeof *fs);
}

styx_fs styx_memfs_fs(styx_memfs *fs) { return (styx_fs){&ops, fs}; }

void styx_memfs_usage(const styx_memfs *fs, uint64_t *files, uint64_t *bytes) {
  if (files)
    *files = atomic_load_explicit(&fs->space.nodes, memory_order_relaxed);
  if (bytes)
    *bytes = atomic_load_explicit(&fs->quota.used, memory_order_relaxed);
}
