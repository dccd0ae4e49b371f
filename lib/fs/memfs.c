/* memfs.c: the writable filesystem in memory: its life, its table, reading and writing. */
#include "fs/memfs_state.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

/* Lending costs the same for any length, and less than a copy of 4 KiB. But who writes to a page that is lent copies all of it. */
enum {
  SMALL = 4096, /* what is this short goes through the stack where more was asked for, so that no larger room is made */
  LENT = 16384, /* reads from here on are lent */
  PORTION = 131072 /* of a write, during which the file's lock is held */
};

/* ---- reading ---- */

static size_t left_after(const struct sx_inode *node, uint64_t offset, size_t count) {
  uint64_t length = sx_inode_length(node), left = offset < length ? length - offset : 0;
  return left < count ? (size_t)left : count;
}

static size_t read_into(struct sx_memfile *file, uint64_t offset, void *buf, size_t cap) {
  sx_io_rdlock(&file->node);
  size_t n = left_after(&file->node, offset, cap);
  sx_pages_read(&file->pages, offset, buf, n);
  pthread_rwlock_unlock(&file->node.io);
  return n;
}

static styx_answer read_copied(styx_req *req, struct sx_memfile *file, uint64_t offset, size_t count) {
  size_t cap = 0;
  void *room = styx_req_room(req, &cap);
  if (!room)
    return styx_reply_error(req, ENOMEM);
  return styx_reply_filled(req, read_into(file, offset, room, cap < count ? cap : count));
}

static styx_answer read_lent(styx_req *req, struct sx_memfile *file, uint64_t offset, size_t count) {
  struct sx_loan *loan = sx_loan_new(file->pages.alloc);
  if (!loan)
    return styx_reply_error(req, ENOMEM);
  sx_io_rdlock(&file->node);
  bool lent = sx_pages_lend(&file->pages, offset, left_after(&file->node, offset, count), loan);
  pthread_rwlock_unlock(&file->node.io);
  if (lent)
    return styx_reply_refs(req, loan->spans, loan->nspans, sx_loan_release, loan);
  sx_loan_release(loan);
  return read_copied(req, file, offset, count);
}

static styx_answer mem_read(styx_req *req, void *which, void *handle, uint64_t offset, uint32_t count) {
  (void)handle;
  struct sx_memfile *file = which;
  if (file->node.dir)
    return styx_reply_error(req, EISDIR);
  sx_inode_accessed(&file->node);
  size_t n = left_after(&file->node, offset, count); /* most likely */
  if (n >= LENT)
    return read_lent(req, file, offset, count);
  if (n == count || n > SMALL)
    return read_copied(req, file, offset, count);
  char small[SMALL];
  return styx_reply_data(req, small, read_into(file, offset, small, count < SMALL ? count : SMALL));
}

/* ---- writing ---- */

struct writing {
  struct sx_memfile *file;
  const struct sx_memhandle *handle;
  uint64_t offset;
  const uint8_t *data;
  size_t count, done;
  bool may_block;
};

/* With io: the next n bytes. */
static styx_err write_portion(const struct writing *w, bool append, size_t n, size_t *done) {
  uint64_t length = sx_inode_length(&w->file->node), offset = append ? length : w->offset + w->done;
  if (offset > (uint64_t)INT64_MAX - (w->count - w->done))
    return EFBIG;
  styx_err err = sx_pages_write(&w->file->pages, offset, w->data + w->done, n, done);
  if (*done && offset + *done > length)
    atomic_store_explicit(&w->file->node.length, offset + *done, memory_order_relaxed);
  return err;
}

/* EAGAIN: it would take long, and nothing is done. In portions, so that nobody waits long for io; what is appended stays in one
 * piece. */
static styx_err write_some(struct styx_memfs *fs, struct writing *w) {
  struct sx_inode *node = &w->file->node;
  struct sx_text *old = NULL;
  size_t left = w->count - w->done, done = 0;
  sx_io_wrlock(node);
  bool append = (node->mode & STYX_DMAPPEND) || (w->handle->flags & STYX_O_APPEND);
  bool later = !w->may_block && !w->done && sx_pages_moves(&w->file->pages, left) > SX_MEM_ENTRIES;
  styx_err err = later ? EAGAIN : write_portion(w, append, append || left < PORTION ? left : PORTION, &done);
  if (done)
    old = sx_inode_modified_locked(node, w->handle->user);
  pthread_rwlock_unlock(&node->io);
  sx_text_put(&fs->space.alloc, old);
  w->done += done;
  return err;
}

static styx_err write_all(struct styx_memfs *fs, struct writing *w) {
  styx_err err = STYX_OK;
  while (!err && w->done < w->count)
    err = write_some(fs, w);
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
  struct writing w = {which, handle, offset, data, count, 0, styx_req_may_block(req)};
  if (w.file->node.dir)
    return styx_reply_error(req, EISDIR);
  styx_err err = write_all(fs, &w);
  if ((err == ENOSPC || err == ENOMEM) && !w.done && has_dead(fs)) { /* there is room that nobody has given back yet */
    err = EAGAIN;
    if (w.may_block) {
      sx_inode_free(&fs->space, &fs->dead, SIZE_MAX);
      err = write_all(fs, &w);
    }
  }
  if (!err || w.done)
    return styx_reply_count(req, (uint32_t)w.done);
  return err == EAGAIN ? styx_reply_would_block(req) : styx_reply_error(req, err);
}

void sx_mem_empty(struct sx_memfile *file) {
  pthread_rwlock_wrlock(&file->node.io);
  sx_pages_cut(&file->pages, 0);
  pthread_rwlock_unlock(&file->node.io);
}

void sx_mem_truncate(struct styx_memfs *fs, struct sx_memfile *file, uint64_t length, struct sx_text *user) {
  pthread_rwlock_wrlock(&file->node.io);
  if (length < sx_inode_length(&file->node))
    sx_pages_cut(&file->pages, length);
  atomic_store_explicit(&file->node.length, length, memory_order_relaxed);
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
  fs->max_files = config.max_files;
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
