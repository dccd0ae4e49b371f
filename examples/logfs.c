/* logfs.c: a filesystem that lives in one SQLite database, and is whole whenever the power fails.
 *
 *     logfs 127.0.0.1:5640 files.db
 *
 * What it promises: a change (a message that creates, writes, cuts, renames, removes) is made whole or not at all, and changes
 * become durable in the order in which they were made. What was created, cut or written through a fid is durable when its Tclunk is
 * answered; a removal, and whatever a wstat changes, when that is answered; and everything when a wstat that changes nothing is.
 * If the database cannot be written, Rclunk says so by an error.
 *
 * Changes gather in one transaction and are committed together: of several clients that close files at once the first commits
 * for all. The database's own log brings it back to the last commit after a crash; init then throws away files that had been
 * removed but were still in use. It keeps no time of access: atime is that of the last change, or what wstat said.
 *
 * logfs.c is the program, the table of operations, reading and writing; logfs_open.c leads to files, logfs_set.c changes
 * attributes, logfs_store.c and logfs_rows.c are the database. */
#include "logfs_fs.h"
#include "serve_threads.h"

#include <errno.h>
#include <stdio.h>

/* ---- read and write, chunk by chunk: between two of them it can be given up ---- */

static size_t in_chunk(uint64_t offset, size_t left) {
  size_t room = STORE_CHUNK - (size_t)(offset % STORE_CHUNK);
  return left < room ? left : room;
}

static styx_answer read_file(styx_req *req, void *node, void *handle, uint64_t offset, uint32_t count) {
  struct logfs *fs = styx_req_ctx(req);
  const struct file *file = node;
  struct row row;
  size_t cap, len = 0;
  (void)handle;
  unsigned char *room = styx_req_room(req, &cap);
  styx_err err = room ? store_get(fs->store, file->id, &row) : ENOMEM;
  if (err)
    return styx_reply_error(req, err);
  uint64_t left = offset < row.length ? row.length - offset : 0, end = left < count ? left : count;
  for (size_t n; !err && len < end; len += n) {
    n = in_chunk(offset + len, (size_t)end - len);
    err = styx_req_cancelled(req) ? ECANCELED : store_read(fs->store, row.id, offset + len, room + len, n);
  }
  return err ? logfs_failed(req, err) : styx_reply_filled(req, len);
}

static styx_err write_chunks(struct logfs *fs, struct row *row, const styx_req *req, uint64_t offset, const char *data,
                             size_t count) {
  styx_err err = STYX_OK;
  for (size_t n, done = 0; !err && done < count; done += n) {
    n = in_chunk(offset + done, count - done);
    err = styx_req_cancelled(req) ? ECANCELED : store_write(fs->store, row->id, offset + done, data + done, n);
  }
  if (offset + count > row->length)
    row->length = offset + count;
  logfs_touch(row, styx_req_user(req));
  return err ? err : store_update(fs->store, row);
}

static styx_answer write_file(styx_req *req, void *node, void *opened, uint64_t offset, const void *data,
                              uint32_t count) {
  struct logfs *fs = styx_req_ctx(req);
  const struct file *file = node;
  struct handle *handle = opened;
  struct row row;
  styx_err err = store_get(fs->store, file->id, &row);
  if (!err && ((row.mode & STYX_DMAPPEND) || (handle->flags & STYX_O_APPEND)))
    offset = row.length;
  if (!err && offset > (uint64_t)INT64_MAX - count)
    err = EFBIG;
  if (!err && count && !(err = logfs_begin(fs)))
    err = logfs_end(fs, handle, write_chunks(fs, &row, req, offset, data, count));
  return err ? logfs_failed(req, err) : styx_reply_count(req, count);
}

static styx_answer fsync_file(styx_req *req, void *node, void *opened, bool datasync) {
  const struct handle *handle = opened;
  (void)node, (void)datasync;
  styx_err err = logfs_commit(styx_req_ctx(req));
  if (!err && handle && handle->lost)
    err = EIO;
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}

/* ---- attributes and directories ---- */

static styx_time time_out(int64_t ns) {
  const int64_t second = 1000000000;
  int64_t rest = (ns % second + second) % second;
  return (styx_time){(ns - rest) / second, (uint32_t)rest};
}

static styx_attr attr_of(const struct row *row) {
  return (styx_attr){.qid = logfs_qid(row),
                     .mode = row->mode,
                     .length = row->mode & STYX_DMDIR ? 0 : row->length,
                     .atime = time_out(row->atime),
                     .mtime = time_out(row->mtime),
                     .ctime = time_out(row->mtime),
                     .nlink = 1,
                     .name = styx_str_of(row->name),
                     .uid = styx_str_of(row->uid),
                     .gid = styx_str_of(row->gid),
                     .muid = styx_str_of(row->muid),
                     .n_uid = UINT32_MAX,
                     .n_gid = UINT32_MAX,
                     .n_muid = UINT32_MAX};
}

static styx_answer getattr(styx_req *req, void *node, void *handle) {
  struct logfs *fs = styx_req_ctx(req);
  const struct file *file = node;
  struct row row;
  (void)handle;
  styx_err err = store_get(fs->store, file->id, &row);
  if (err)
    return styx_reply_error(req, err);
  const styx_attr attr = attr_of(&row);
  return styx_reply_attr(req, &attr);
}

/* The cookie is the id: it stays with a file through renames, and new files have larger ones. */
static bool add_entry(void *req, const struct row *row) {
  const styx_dirent entry = {.attr = attr_of(row), .cookie = (uint64_t)row->id};
  return !styx_req_cancelled(req) && styx_dir_add(req, &entry);
}

static styx_answer readdir(styx_req *req, void *node, void *handle, uint64_t cookie) {
  struct logfs *fs = styx_req_ctx(req);
  const struct file *dir = node;
  (void)handle;
  styx_err err = store_list(fs->store, dir->id, (int64_t)cookie, add_entry, req);
  if (!err && styx_req_cancelled(req))
    err = ECANCELED;
  return err ? logfs_failed(req, err) : styx_reply_dir(req);
}

/* ---- the table and the program ---- */

static styx_err init(void *ctx) {
  struct logfs *fs = ctx;
  styx_err err = store_open(&fs->store, fs->path, fs->owner);
  if (err)
    fprintf(stderr, "logfs: cannot use %s\n", fs->path);
  return err;
}

static void cleanup(void *ctx) {
  struct logfs *fs = ctx;
  styx_err err = store_close(fs->store);
  if (err)
    fprintf(stderr, "logfs: %s: the last changes are lost: %s\n", fs->path, styx_err_text(err));
}

#define EVERYTHING (STYX_OP(forget) * 2 - 1) /* attach to forget */

/* All of it waits for a disk. And one at a time: there is one transaction, which is everybody's. While one runs the others wait in the
 * server's list, where they hold no thread and can be flushed. */
static const styx_fs_ops ops = {
    .size = sizeof ops,
    .name = "logfs",
    .serial = STYX_SERIAL_FS,
    .blocking = EVERYTHING,
    .init = init,
    .cleanup = cleanup,
    .attach = logfs_attach,
    .walk = logfs_walk,
    .open = logfs_open,
    .create = logfs_create,
    .read = read_file,
    .write = write_file,
    .readdir = readdir,
    .getattr = getattr,
    .setattr = logfs_setattr,
    .remove = logfs_remove,
    .fsync = fsync_file,
    .close = logfs_close,
    .forget = logfs_forget,
};

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: logfs ADDRESS DATABASE\n");
    return 2;
  }
  struct logfs fs = {.path = argv[2], .owner = "none"};
  return serve_threads("logfs", argv[1], (styx_fs){&ops, &fs});
}
