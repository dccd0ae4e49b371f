/* logfs_set.c: changes of logfs: what a change is, names, and wstat, of which everything is checked before anything is done. */
#include "logfs_fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MOST = 256 }; /* changes in a transaction: what a crash may undo of what nobody has closed or synced */

/* ---- changes ---- */

/* Whoever has changed something in a transaction that is lost hears of it at the end. */
static styx_err with_losses(struct logfs *fs, styx_err err) {
  uint64_t lost = store_lost_transaction(fs->store);
  for (struct handle *h = err && lost ? fs->handles : NULL; h; h = h->next)
    h->lost |= h->wrote == lost;
  return err;
}

styx_err logfs_begin(struct logfs *fs) { return with_losses(fs, store_begin(fs->store)); }

styx_err logfs_commit(struct logfs *fs) {
  fs->changes = 0;
  return with_losses(fs, store_commit(fs->store));
}

styx_err logfs_end(struct logfs *fs, struct handle *handle, styx_err err) {
  uint64_t transaction = store_open_transaction(fs->store);
  err = with_losses(fs, store_end(fs->store, err));
  if (err)
    return err;
  if (handle)
    handle->wrote = transaction;
  return ++fs->changes < MOST ? STYX_OK : logfs_commit(fs);
}

/* ---- rows ---- */

int64_t logfs_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000000000 + now.tv_nsec;
}

bool logfs_may(const struct row *row, styx_str user, uint32_t want) {
  return styx_access_ok(user, want, row->mode, styx_str_of(row->uid), styx_str_of(row->gid));
}

bool logfs_text(char out[STORE_NAME + 1], styx_str text) {
  if (text.len > STORE_NAME)
    return false;
  if (text.len)
    memcpy(out, text.s, text.len);
  out[text.len] = 0;
  return true;
}

void logfs_touch(struct row *row, styx_str user) {
  row->vers++;
  row->atime = row->mtime = logfs_now();
  (void)logfs_text(row->muid, user);
}

styx_err logfs_touch_dir(struct logfs *fs, int64_t dir, styx_str user) {
  struct row row;
  styx_err err = store_get(fs->store, dir, &row);
  if (err)
    return err;
  logfs_touch(&row, user);
  return store_update(fs->store, &row);
}

styx_err logfs_resize(struct logfs *fs, struct row *row, uint64_t length, const styx_req *req) {
  bool more = length < row->length;
  styx_err err = STYX_OK;
  while (!err && more)
    err = req && styx_req_cancelled(req) ? ECANCELED : store_cut(fs->store, row->id, length, &more);
  row->length = length;
  return err;
}

/* ---- removing ---- */

static bool no_more(void *found, const struct row *row) {
  (void)row;
  *(bool *)found = true;
  return false;
}

static styx_err is_empty(struct logfs *fs, int64_t dir) {
  bool found = false;
  styx_err err = store_list(fs->store, dir, 0, no_more, &found);
  return err ? err : found ? ENOTEMPTY : STYX_OK;
}

styx_err logfs_may_remove(struct logfs *fs, const struct row *row, styx_str user) {
  struct row dir;
  if (row->id == STORE_ROOT)
    return EBUSY;
  if (!row->parent)
    return ENOENT;
  styx_err err = store_get(fs->store, row->parent, &dir);
  if (!err && !logfs_may(&dir, user, 2))
    err = EACCES;
  return err ? err : is_empty(fs, row->id);
}

styx_err logfs_unlink(struct logfs *fs, struct row *row, styx_str user) {
  int64_t dir = row->parent;
  styx_err err = is_empty(fs, row->id);
  row->parent = 0;
  if (!err)
    err = logfs_in_use(fs, row->id) ? store_update(fs->store, row) : store_delete(fs->store, row->id);
  return err ? err : logfs_touch_dir(fs, dir, user);
}

/* ---- wstat: checks, in the order of the manual ---- */

struct change {
  const styx_setattr *set;
  uint32_t what; /* of set->valid, what is left to do */
  styx_str user;
  const struct handle *handle;
  struct row replaced; /* id 0: nobody has the new name */
};

enum { TIMES = STYX_SET_ATIME | STYX_SET_MTIME | STYX_SET_CTIME | STYX_SET_ATIME_NOW | STYX_SET_MTIME_NOW };
enum { KNOWN = STYX_SET_MODE | STYX_SET_UID | STYX_SET_GID | STYX_SET_LENGTH | STYX_SET_NAME | TIMES };

static styx_err check_name(struct logfs *fs, const struct row *row, struct change *c) {
  struct row dir;
  if (styx_str_is(c->set->name, row->name)) {
    c->what &= ~(uint32_t)STYX_SET_NAME;
    return STYX_OK;
  }
  if (row->id == STORE_ROOT)
    return EBUSY;
  if (c->set->name.len > STORE_NAME)
    return ENAMETOOLONG;
  if (!row->parent)
    return ENOENT;
  styx_err err = store_get(fs->store, row->parent, &dir);
  if (!err && !logfs_may(&dir, c->user, 2))
    err = EACCES;
  if (!err)
    err = store_find(fs->store, row->parent, c->set->name, &c->replaced);
  if (err)
    return err == ENOENT ? STYX_OK : err;
  bool is_dir = row->mode & STYX_DMDIR;
  if (c->replaced.mode & STYX_DMDIR)
    return is_dir ? EEXIST : EISDIR;
  return is_dir ? ENOTDIR : STYX_OK;
}

static styx_err check_length(const struct row *row, struct change *c) {
  if (row->mode & STYX_DMDIR) {
    c->what &= ~(uint32_t)STYX_SET_LENGTH;
    return c->set->length ? EISDIR : STYX_OK;
  }
  /* Who has it open for writing may, whatever its mode has become. */
  bool writer = c->handle && (styx_access_of_open(c->handle->flags) & 2);
  if (!writer && !logfs_may(row, c->user, 2))
    return EACCES;
  return c->set->length > (uint64_t)INT64_MAX ? EFBIG : STYX_OK;
}

/* The owner may, and the leader of the group; who may only write may set times to now. */
static styx_err check_rights(const struct row *row, const struct change *c) {
  bool leads = styx_str_is(c->user, row->gid), trusted = leads || styx_str_is(c->user, row->uid);
  if ((c->what & (STYX_SET_MODE | STYX_SET_ATIME | STYX_SET_MTIME)) && !trusted)
    return EACCES;
  if ((c->what & TIMES) && !trusted && !logfs_may(row, c->user, 2))
    return EACCES;
  if ((c->what & STYX_SET_UID) && !styx_str_is(c->set->uid, row->uid))
    return EACCES;
  bool regroup = (c->what & STYX_SET_GID) && !styx_str_is(c->set->gid, row->gid);
  return regroup && !(trusted && c->set->gid.len && styx_str_eq(c->user, c->set->gid)) ? EACCES : STYX_OK;
}

static styx_err check(struct logfs *fs, const struct row *row, struct change *c) {
  styx_err err = c->what & ~(uint32_t)KNOWN ? EOPNOTSUPP : STYX_OK;
  if (!err && (c->what & STYX_SET_NAME))
    err = check_name(fs, row, c);
  if (!err && (c->what & STYX_SET_LENGTH))
    err = check_length(row, c);
  return err ? err : check_rights(row, c);
}

/* ---- wstat: doing it, in one change ---- */

static int64_t time_in(styx_time t) {
  const int64_t limit = INT64_MAX / 1000000000 - 1;
  int64_t sec = t.sec > limit ? limit : t.sec < -limit ? -limit : t.sec;
  return sec * 1000000000 + t.nsec % 1000000000;
}

static styx_err rename_row(struct logfs *fs, struct row *row, struct change *c) {
  styx_err err = c->replaced.id ? logfs_unlink(fs, &c->replaced, c->user) : logfs_touch_dir(fs, row->parent, c->user);
  (void)logfs_text(row->name, c->set->name);
  return err;
}

static void set_fields(struct row *row, const struct change *c) {
  const uint32_t bits = STYX_DMPERM | STYX_DMEXCL | STYX_DMTMP | (row->mode & STYX_DMDIR ? 0 : STYX_DMAPPEND);
  if (c->what & STYX_SET_MODE)
    row->mode = (row->mode & ~bits) | (c->set->mode & bits);
  if (c->what & STYX_SET_GID)
    (void)logfs_text(row->gid, c->set->gid);
  if (c->what & (STYX_SET_MTIME | STYX_SET_MTIME_NOW)) {
    row->atime = logfs_now();
    row->mtime = c->what & STYX_SET_MTIME ? time_in(c->set->mtime) : row->atime;
    (void)logfs_text(row->muid, c->user);
  }
  if (c->what & (STYX_SET_ATIME | STYX_SET_ATIME_NOW))
    row->atime = c->what & STYX_SET_ATIME ? time_in(c->set->atime) : logfs_now();
}

static styx_err apply(struct logfs *fs, struct row *row, struct change *c, const styx_req *req) {
  styx_err err = c->what & STYX_SET_NAME ? rename_row(fs, row, c) : STYX_OK;
  if (!err && (c->what & STYX_SET_LENGTH)) {
    err = logfs_resize(fs, row, c->set->length, req);
    logfs_touch(row, c->user);
  }
  if (err)
    return err;
  set_fields(row, c);
  return store_update(fs->store, row);
}

styx_answer logfs_setattr(styx_req *req, void *node, void *handle, const styx_setattr *set) {
  struct logfs *fs = styx_req_ctx(req);
  const struct file *file = node;
  struct change c = {.set = set, .what = set->valid, .user = styx_req_user(req), .handle = handle};
  struct row row;
  styx_err err = store_get(fs->store, file->id, &row);
  if (!err)
    err = check(fs, &row, &c);
  if (!err && !(err = logfs_begin(fs)))
    err = logfs_end(fs, handle, apply(fs, &row, &c, req));
  if (!err)
    err = logfs_commit(fs);
  return err ? logfs_failed(req, err) : styx_reply_ok(req);
}
