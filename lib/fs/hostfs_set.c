/* hostfs_set.c: changing attributes, all or nothing. What can be looked at beforehand is; then come steps that can be taken
 * back, first those that need rights, last those that are the least likely to fail. Not taken back can be: a new name that
 * has replaced another file, when after it the disk fails while the file is made shorter; and the time of modification, when
 * a file is first made longer by somebody who may write it and does not own it, and then cannot be renamed. */
#include "fs/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum step { OWNER, MODE, TIMES, GROW, NAME, SHRINK, TIMES_AGAIN, STEPS };
#define STEP(s) (1u << (s))

struct change {
  styx_hostfs *h;
  struct sx_host_node *node;
  const struct sx_host_handle *handle; /* NULL: not open */
  const styx_setattr *set;
  uint32_t steps; /* to be done */
  struct statx was;
  uint32_t uid, gid; /* all ones: as it is */
  mode_t mode;
  int object; /* the handle's descriptor, or the node's, pinned */
  int fd;     /* open for writing, where the length changes */
  bool own_fd, replaced;
  struct timespec times[2];
  char path[SX_HOST_FDPATH];
  struct sx_host_place place;
  char name[NAME_MAX + 1];
  char words[128]; /* of the error, if not its own */
};

/* ---- the steps ---- */

static styx_err done(int result) { return result < 0 ? errno : STYX_OK; }

static styx_err set_length(struct change *c) { return done(ftruncate(c->fd, (off_t)c->set->length)); }

static styx_err set_owner(struct change *c) { return done(fchownat(c->object, "", c->uid, c->gid, AT_EMPTY_PATH)); }

static styx_err set_mode(struct change *c) { return done(chmod(c->path, c->mode)); }

static styx_err set_times(struct change *c) { return done(utimensat(AT_FDCWD, c->path, c->times, 0)); }

/* A new length has changed the time of modification once more. */
static styx_err set_times_again(struct change *c) {
  (void)set_times(c);
  return STYX_OK;
}

/* Between two names of one file the kernel does nothing, and says that it went well. */
static void end_old_name(const struct change *c) {
  struct statx st;
  if (sx_host_statx(c->place.dirfd, c->place.name, &st))
    return;
  const struct sx_host_id there = sx_host_id_of(&st);
  if (sx_host_id_eq(&there, &c->node->entry))
    (void)unlinkat(c->place.dirfd, c->place.name, 0);
}

/* Replacing is tried only when something is there, since only that cannot be taken back. */
static styx_err set_name(struct change *c) {
  int dir = c->place.dirfd;
  int bad = renameat2(dir, c->place.name, dir, c->name, RENAME_NOREPLACE);
  if (bad && (errno == EEXIST || errno == EINVAL || errno == ENOSYS)) {
    c->replaced = true;
    bad = renameat(dir, c->place.name, dir, c->name);
  }
  if (bad)
    return errno == EEXIST ? ENOTEMPTY : errno;
  if (c->replaced)
    end_old_name(c);
  sx_host_node_renamed(c->h, c->node, c->name);
  return STYX_OK;
}

static void undo_times(struct change *c) {
  const struct timespec was[2] = {{c->was.stx_atime.tv_sec, c->was.stx_atime.tv_nsec},
                                  {c->was.stx_mtime.tv_sec, c->was.stx_mtime.tv_nsec}};
  (void)!utimensat(AT_FDCWD, c->path, was, 0);
}

static void undo_length(struct change *c) {
  (void)!ftruncate(c->fd, (off_t)c->was.stx_size);
  undo_times(c);
}

static void undo_mode(struct change *c) { (void)!chmod(c->path, c->was.stx_mode & 07777u); }

static void undo_owner(struct change *c) {
  (void)!fchownat(c->object, "", c->was.stx_uid, c->was.stx_gid, AT_EMPTY_PATH);
  undo_mode(c); /* a change of owner takes setuid and setgid away */
}

static void undo_name(struct change *c) {
  int dir = c->place.dirfd;
  if (!c->replaced && renameat2(dir, c->name, dir, c->place.name, RENAME_NOREPLACE) == 0)
    sx_host_node_renamed(c->h, c->node, c->place.name);
}

static void nothing(struct change *c) { (void)c; }

static const struct {
  styx_err (*apply)(struct change *);
  void (*undo)(struct change *);
} steps[STEPS] = {
    [OWNER] = {set_owner, undo_owner},          [MODE] = {set_mode, undo_mode}, [TIMES] = {set_times, undo_times},
    [GROW] = {set_length, undo_length},         [NAME] = {set_name, undo_name}, [SHRINK] = {set_length, nothing},
    [TIMES_AGAIN] = {set_times_again, nothing},
};

static styx_err apply(struct change *c) {
  styx_err err = STYX_OK;
  int i = 0;
  for (; i < STEPS && !err; i++)
    if (c->steps & STEP(i))
      err = steps[i].apply(c);
  if (err)
    for (i -= 2; i >= 0; i--)
      if (c->steps & STEP(i))
        steps[i].undo(c);
  return err;
}

/* ---- what is to be done; fields that say what is so already cost nothing and need no permission ---- */

static styx_err plan_length(struct change *c) {
  if (!S_ISREG(c->was.stx_mode))
    return S_ISDIR(c->was.stx_mode) ? EISDIR : EINVAL;
  if (c->set->length > INT64_MAX)
    return EFBIG;
  if (c->set->length == c->was.stx_size)
    return STYX_OK;
  /* A file open for writing stays writable through its handle whatever its permissions have become. */
  bool open = c->handle && (fcntl(c->handle->fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
  c->fd = open ? c->handle->fd : sx_host_reopen(c->h, c->object, O_WRONLY | O_NONBLOCK);
  c->own_fd = !open;
  c->steps |= STEP(c->set->length > c->was.stx_size ? GROW : SHRINK);
  return c->fd < 0 ? -c->fd : STYX_OK;
}

static styx_err plan_id(struct change *c, bool group, styx_str text, uint32_t number, uint32_t was, uint32_t *id) {
  if (text.len == 0)
    *id = number;
  else if (!sx_host_id_number(c->h, text, group, id)) {
    int len = text.len > 64 ? 64 : (int)text.len;
    snprintf(c->words, sizeof c->words, "unknown %s '%.*s'", group ? "group" : "user", len, text.s);
    return EINVAL;
  }
  if (*id == was)
    *id = UINT32_MAX;
  if (*id != UINT32_MAX)
    c->steps |= STEP(OWNER);
  return STYX_OK;
}

static styx_err plan_mode(struct change *c) {
  const uint32_t kept = (uint32_t)sx_host_qid(c->h, &c->was).type << 24;
  if ((c->set->mode & (STYX_DMAPPEND | STYX_DMEXCL)) & ~kept) {
    strcpy(c->words, "append-only and exclusive use cannot be kept here");
    return EOPNOTSUPP;
  }
  mode_t special = S_ISDIR(c->was.stx_mode) ? c->was.stx_mode & 07000u : 0;
  c->mode = (c->set->mode & STYX_DMPERM) | special;
  if ((c->set->mode & STYX_DMPERM) != (c->was.stx_mode & STYX_DMPERM))
    c->steps |= STEP(MODE);
  return STYX_OK;
}

static styx_err plan_time(struct change *c, int i, uint32_t given, uint32_t now, styx_time t) {
  c->times[i] = (struct timespec){.tv_nsec = UTIME_OMIT};
  if (c->set->valid & now) {
    c->times[i].tv_nsec = UTIME_NOW;
  } else if (c->set->valid & given) {
    if (t.nsec > 999999999)
      return EINVAL;
    c->times[i] = (struct timespec){t.sec, t.nsec};
  } else {
    return STYX_OK;
  }
  c->steps |= STEP(TIMES);
  return STYX_OK;
}

static styx_err plan_name(struct change *c) {
  styx_err err = sx_host_name_in(c->name, c->set->name);
  if (!err)
    err = sx_host_locate(c->h, c->node, &c->place);
  if (!err && strcmp(c->name, c->place.name) != 0)
    c->steps |= STEP(NAME);
  return err;
}

static styx_err plan(struct change *c) {
  const styx_setattr *set = c->set;
  const uint32_t beside_name = ~(uint32_t)STYX_SET_NAME;
  if (S_ISLNK(c->node->object.type) && (set->valid & beside_name))
    return ENOENT;
  styx_err err = sx_host_statx(c->object, "", &c->was);
  if (!err && (set->valid & STYX_SET_UID))
    err = plan_id(c, false, set->uid, set->n_uid, c->was.stx_uid, &c->uid);
  if (!err && (set->valid & STYX_SET_GID))
    err = plan_id(c, true, set->gid, set->n_gid, c->was.stx_gid, &c->gid);
  if (!err && (set->valid & STYX_SET_MODE))
    err = plan_mode(c);
  if (!err)
    err = plan_time(c, 0, STYX_SET_ATIME, STYX_SET_ATIME_NOW, set->atime);
  if (!err)
    err = plan_time(c, 1, STYX_SET_MTIME, STYX_SET_MTIME_NOW, set->mtime);
  if (!err && (set->valid & STYX_SET_NAME))
    err = plan_name(c);
  if (!err && (set->valid & STYX_SET_LENGTH))
    err = plan_length(c);
  if ((c->steps & (STEP(GROW) | STEP(SHRINK))) && (c->steps & STEP(TIMES)))
    c->steps |= STEP(TIMES_AGAIN);
  return err;
}

static styx_err change(struct change *c) {
  sx_host_fdpath(c->path, c->object);
  styx_err err = plan(c);
  if (!err)
    err = apply(c);
  if (c->own_fd && c->fd >= 0)
    close(c->fd);
  sx_host_place_end(&c->place);
  return err;
}

styx_answer sx_host_setattr(styx_req *req, void *node, void *handle, const styx_setattr *set) {
  struct change c = {.h = styx_req_ctx(req), .node = node, .handle = handle, .set = set, .fd = -1};
  c.uid = c.gid = UINT32_MAX;
  c.place.own = -1;
  c.object = c.handle ? c.handle->fd : sx_host_pin(c.h, c.node);
  if (c.object < 0)
    return styx_reply_error(req, -c.object);
  styx_err err = change(&c);
  if (!c.handle)
    sx_host_unpin(c.node);
  if (!err)
    return styx_reply_ok(req);
  return *c.words ? styx_reply_error_text(req, err, "%s", c.words) : styx_reply_error(req, err);
}
