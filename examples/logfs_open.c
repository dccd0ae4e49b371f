/* logfs_open.c: how clients of logfs come to files and leave them: attach, walk, open, create, close, remove. */
#include "logfs_fs.h"

#include <errno.h>
#include <search.h>
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

styx_qid logfs_qid(const struct row *row) {
  return (styx_qid){(uint8_t)(row->mode >> 24), row->vers, (uint64_t)row->id};
}

static styx_answer reply_file(styx_req *req, const struct row *row) {
  struct file *file = file_get(styx_req_ctx(req), row->id);
  return file ? styx_reply_node(req, file, logfs_qid(row)) : styx_reply_error(req, ENOMEM);
}

styx_answer logfs_failed(styx_req *req, styx_err err) {
  return err == ECANCELED ? styx_reply_interrupted(req) : styx_reply_error(req, err);
}

styx_answer logfs_attach(styx_req *req) {
  struct logfs *fs = styx_req_ctx(req);
  struct row root;
  if (styx_req_user(req).len > STORE_NAME)
    return styx_reply_error(req, ENAMETOOLONG);
  styx_err err = store_get(fs->store, STORE_ROOT, &root);
  return err ? styx_reply_error(req, err) : reply_file(req, &root);
}

styx_answer logfs_walk(styx_req *req, void *node, styx_str name) {
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

void logfs_forget(void *ctx, void *node) { file_put(ctx, node); }

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

styx_answer logfs_open(styx_req *req, void *node, uint32_t flags) {
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
    return styx_reply_open(req, logfs_qid(&row), handle);
  if (handle)
    handle_free(handle);
  return logfs_failed(req, err);
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

styx_answer logfs_create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
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
  return err ? styx_reply_error(req, err) : styx_reply_create(req, handle->file, logfs_qid(&row), handle);
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
styx_err logfs_close(void *ctx, void *node, void *opened) {
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

styx_answer logfs_remove(styx_req *req, void *node) {
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
