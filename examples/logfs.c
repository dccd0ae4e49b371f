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
 * logfs.c is the program and the table of operations, logfs_set.c changes attributes, logfs_store.c has the database. */
#include "logfs_fs.h"
#include "serve_threads.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- nodes: one for each file that is in use, since that is what removal and exclusive use have to know ---- */

static int by_id(const void *a, const void *b) {
  const struct file *x = a, *y = b;
  return (x->id > y->id) - (x->id < y->id);
}

static struct file *file_get(struct logfs *fs, int64_t id) {
  struct file *file = calloc(1, sizeof *file);
  if (!file)
    return NULL;
  file->id = id;
  struct file **found = tsearch(file, &fs->files, by_id);
  if (!found || *found != file)
    free(file);
  if (found)
    (*found)->users++;
  return found ? *found : NULL;
}

bool logfs_in_use(struct logfs *fs, int64_t id) {
  const struct file key = {.id = id};
  return tfind(&key, &fs->files, by_id) != NULL;
}

/* The last one takes a file along that is in no directory. When that is not committed, init will do it. */
static void file_put(struct logfs *fs, struct file *file) {
  struct row row;
  if (--file->users)
    return;
  if (file->id != STORE_ROOT && !store_get(fs->store, file->id, &row) && !row.parent && !logfs_begin(fs))
    (void)logfs_end(fs, NULL, store_delete(fs->store, file->id));
  tdelete(file, &fs->files, by_id);
  free(file);
}

static styx_qid qid_of(const struct row *row) {
  return (styx_qid){(uint8_t)(row->mode >> 24), row->vers, (uint64_t)row->id};
}

static styx_answer reply_file(styx_req *req, const struct row *row) {
  struct file *file = file_get(styx_req_ctx(req), row->id);
  return file ? styx_reply_node(req, file, qid_of(row)) : styx_reply_error(req, ENOMEM);
}

/* Nothing has happened when a change was given up: it is undone. */
static styx_answer reply_failed(styx_req *req, styx_err err) {
  return err == ECANCELED ? styx_reply_interrupted(req) : styx_reply_error(req, err);
}

static styx_answer attach(styx_req *req) {
  struct logfs *fs = styx_req_ctx(req);
  struct row root;
  if (styx_req_user(req).len > STORE_NAME)
    return styx_reply_error(req, ENAMETOOLONG);
  styx_err err = store_get(fs->store, STORE_ROOT, &root);
  return err ? styx_reply_error(req, err) : reply_file(req, &root);
}

static styx_answer walk(styx_req *req, void *node, styx_str name) {
  struct logfs *fs = styx_req_ctx(req);
  const struct file *dir = node;
  struct row row;
  styx_err err = store_get(fs->store, dir->id, &row);
  if (!err && !(row.mode & STYX_DMDIR))
    err = ENOTDIR;
  if (!err && !logfs_may(&row, styx_req_user(req), 1))
    err = EACCES;
  if (!err && styx_str_is(name, ".."))
    err = store_get(fs->store, row.id == STORE_ROOT ? STORE_ROOT : row.parent, &row);
  else if (!err)
    err = store_find(fs->store, dir->id, name, &row);
  return err ? styx_reply_error(req, err) : reply_file(req, &row);
}

static void forget(void *ctx, void *node) { file_put(ctx, node); }

/* ---- open, create, close ---- */

static struct handle *handle_new(struct logfs *fs, struct file *file, uint32_t flags, styx_str user) {
  struct handle *handle = calloc(1, sizeof *handle);
  if (!handle)
    return NULL;
  handle->file = file;
  handle->flags = flags;
  (void)logfs_text(handle->user, user);
  handle->next = fs->handles;
  handle->link = &fs->handles;
  if (handle->next)
    handle->next->link = &handle->next;
  fs->handles = handle;
  file->openers++;
  return handle;
}

static void handle_free(struct handle *handle) {
  *handle->link = handle->next;
  if (handle->next)
    handle->next->link = handle->link;
  handle->file->openers--;
  free(handle);
}

static styx_err may_open(struct logfs *fs, const struct file *file, const struct row *row, styx_str user,
                         uint32_t flags) {
  if ((flags & STYX_O_DIRECTORY) && !(row->mode & STYX_DMDIR))
    return ENOTDIR;
  if (!logfs_may(row, user, styx_access_of_open(flags)))
    return EACCES;
  if ((row->mode & STYX_DMEXCL) && file->openers)
    return STYX_EBUSYEXCL;
  styx_err err = flags & STYX_O_RCLOSE ? logfs_may_remove(fs, row, user) : STYX_OK;
  return err == ENOTEMPTY ? STYX_OK : err;
}

static styx_err truncate_opened(struct logfs *fs, struct row *row, struct handle *handle, const styx_req *req) {
  styx_err err = logfs_begin(fs);
  if (err)
    return err;
  err = logfs_resize(fs, row, 0, req);
  if (!err) {
    logfs_touch(row, styx_req_user(req));
    err = store_update(fs->store, row);
  }
  return logfs_end(fs, handle, err);
}

static styx_answer open_file(styx_req *req, void *node, uint32_t flags) {
  struct logfs *fs = styx_req_ctx(req);
  struct file *file = node;
  struct handle *handle = NULL;
  struct row row;
  styx_err err = store_get(fs->store, file->id, &row);
  if (!err)
    err = may_open(fs, file, &row, styx_req_user(req), flags);
  if (!err && !(handle = handle_new(fs, file, flags, styx_req_user(req))))
    err = ENOMEM;
  if (!err && (flags & STYX_O_TRUNC) && !(row.mode & (STYX_DMDIR | STYX_DMAPPEND)))
    err = truncate_opened(fs, &row, handle, req);
  if (!err)
    return styx_reply_open(req, qid_of(&row), handle);
  if (handle)
    handle_free(handle);
  return reply_failed(req, err);
}

static styx_err may_create(struct logfs *fs, const struct row *dir, styx_str user, styx_str name) {
  struct row there;
  if (!(dir->mode & STYX_DMDIR))
    return ENOTDIR;
  if (!logfs_may(dir, user, 2))
    return EACCES;
  if (!dir->parent && dir->id != STORE_ROOT)
    return ENOENT;
  styx_err err = store_find(fs->store, dir->id, name, &there);
  return err == ENOENT ? STYX_OK : err ? err : EEXIST;
}

/* Everything that may fail before the end of the change, which undoes it then. */
static styx_err make(struct logfs *fs, struct row *row, styx_str user, uint32_t flags, struct handle **out) {
  styx_err err = logfs_begin(fs);
  if (err)
    return err;
  err = store_insert(fs->store, row);
  if (!err)
    err = logfs_touch_dir(fs, row->parent, user);
  struct file *file = err ? NULL : file_get(fs, row->id);
  struct handle *handle = file ? handle_new(fs, file, flags, user) : NULL;
  err = logfs_end(fs, handle, err || handle ? err : ENOMEM);
  if (!err) {
    *out = handle;
    return STYX_OK;
  }
  if (handle)
    handle_free(handle);
  if (file)
    file_put(fs, file);
  return err;
}

static styx_answer create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  struct logfs *fs = styx_req_ctx(req);
  const struct file *in = node;
  const styx_str user = styx_req_user(req);
  struct row dir, row = {.parent = in->id};
  struct handle *handle = NULL;
  (void)gid; /* it is the directory's */
  styx_err err = store_get(fs->store, in->id, &dir);
  if (!err)
    err = may_create(fs, &dir, user, name);
  if (!err && !logfs_text(row.name, name))
    err = ENAMETOOLONG;
  if (err)
    return styx_reply_error(req, err);
  row.mode = styx_create_mode(mode, dir.mode);
  memcpy(row.gid, dir.gid, sizeof row.gid);
  (void)logfs_text(row.uid, user);
  logfs_touch(&row, user);
  err = make(fs, &row, user, flags, &handle);
  return err ? styx_reply_error(req, err) : styx_reply_create(req, handle->file, qid_of(&row), handle);
}

static styx_err remove_at_close(struct logfs *fs, struct handle *handle) {
  struct row row;
  styx_err err = store_get(fs->store, handle->file->id, &row);
  if (err || !row.parent)
    return err == ENOENT ? STYX_OK : err;
  if ((err = logfs_begin(fs)))
    return err;
  return logfs_end(fs, handle, logfs_unlink(fs, &row, styx_str_of(handle->user)));
}

/* Durable before it returns. */
static styx_err close_file(void *ctx, void *node, void *opened) {
  struct logfs *fs = ctx;
  struct handle *handle = opened;
  (void)node;
  styx_err err = handle->flags & STYX_O_RCLOSE ? remove_at_close(fs, handle) : STYX_OK;
  if (handle->wrote && handle->wrote == store_open_transaction(fs->store)) {
    styx_err failed = logfs_commit(fs);
    err = err ? err : failed;
  }
  if (!err && handle->lost)
    err = EIO;
  handle_free(handle);
  return err;
}

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
  return err ? reply_failed(req, err) : styx_reply_filled(req, len);
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
  return err ? reply_failed(req, err) : styx_reply_count(req, count);
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
  return (styx_attr){.qid = qid_of(row),
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
  return err ? reply_failed(req, err) : styx_reply_dir(req);
}

static styx_answer remove_file(styx_req *req, void *node) {
  struct logfs *fs = styx_req_ctx(req);
  const struct file *file = node;
  struct row row;
  styx_err err = store_get(fs->store, file->id, &row);
  if (!err)
    err = logfs_may_remove(fs, &row, styx_req_user(req));
  if (!err && !(err = logfs_begin(fs)))
    err = logfs_end(fs, NULL, logfs_unlink(fs, &row, styx_req_user(req)));
  if (!err)
    err = logfs_commit(fs);
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
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
const styx_fs_ops logfs_ops = {
    .size = sizeof logfs_ops,
    .name = "logfs",
    .serial = STYX_SERIAL_FS,
    .blocking = EVERYTHING,
    .init = init,
    .cleanup = cleanup,
    .attach = attach,
    .walk = walk,
    .open = open_file,
    .create = create,
    .read = read_file,
    .write = write_file,
    .readdir = readdir,
    .getattr = getattr,
    .setattr = logfs_setattr,
    .remove = remove_file,
    .fsync = fsync_file,
    .close = close_file,
    .forget = forget,
};

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: logfs ADDRESS DATABASE\n");
    return 2;
  }
  struct logfs fs = {.path = argv[2], .owner = "none"};
  return serve_threads("logfs", argv[1], (styx_fs){&logfs_ops, &fs});
}
