/* hostfs_open.c: making files and directories ready for I/O: open, create, close. */
#include "fs/host.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- handles ---- */

/* Made before anything is opened: an O_TRUNC or a new file cannot be taken back when memory is short. */
static struct sx_host_handle *new_handle(styx_req *req, bool dir, uint32_t flags) {
  styx_hostfs *h = styx_req_ctx(req);
  struct sx_host_handle *handle = sx_zalloc(&h->alloc, sizeof *handle);
  if (!handle)
    return NULL;
  handle->fd = -1;
  handle->user = h->users ? sx_host_user_of(h, styx_req_user(req)) : NULL;
  handle->rclose = (flags & STYX_O_RCLOSE) != 0;
  handle->cursor = dir ? sx_host_cursor_new(h) : NULL;
  if (dir && !handle->cursor) {
    sx_free(&h->alloc, handle, sizeof *handle);
    return NULL;
  }
  return handle;
}

static styx_err free_handle(styx_hostfs *h, struct sx_host_handle *handle) {
  styx_err err = handle->fd >= 0 && close(handle->fd) < 0 && errno != EINTR ? errno : STYX_OK;
  sx_host_cursor_free(h, handle->cursor);
  sx_free(&h->alloc, handle, sizeof *handle);
  return err;
}

static void ready(struct sx_host_handle *handle, int fd) {
  handle->fd = fd;
  handle->stream = !handle->cursor && lseek(fd, 0, SEEK_CUR) < 0;
}

static int host_flags(uint32_t flags) {
  static const int of_mode[4] = {
      [STYX_OREAD] = O_RDONLY, [STYX_OWRITE] = O_WRONLY, [STYX_ORDWR] = O_RDWR, [STYX_OEXEC] = O_RDONLY};
  return of_mode[flags & STYX_O_MODE] | (flags & STYX_O_TRUNC ? O_TRUNC : 0) | (flags & STYX_O_APPEND ? O_APPEND : 0) |
         (flags & STYX_O_SYNC ? O_SYNC : 0);
}

/* ---- open ---- */

static styx_err may(int fd, int want) {
  char path[SX_HOST_FDPATH];
  sx_host_fdpath(path, fd);
  return faccessat(AT_FDCWD, path, want, AT_EACCESS) < 0 ? errno : STYX_OK;
}

static styx_err may_remove_from(styx_hostfs *h, struct sx_host_node *dir) {
  if (!dir)
    return EBUSY;
  int fd = sx_host_pin(h, dir);
  if (fd < 0)
    return -fd;
  styx_err err = may(fd, W_OK | X_OK);
  sx_host_unpin(dir);
  return err;
}

static styx_err check(styx_hostfs *h, const struct sx_host_node *node, int fd, uint32_t flags) {
  if (S_ISLNK(node->object.type))
    return ENOENT;
  styx_err err = flags & STYX_O_RCLOSE ? may_remove_from(h, node->parent) : STYX_OK;
  if (!err && (flags & STYX_O_MODE) == STYX_OEXEC)
    err = may(fd, X_OK);
  return err;
}

/* A file that can only be appended to is opened so, and not truncated; the kernel would refuse both. Nobody waits for who is at
 * the other end, nor until somebody gives a lease of the file up; what is on a disk is read and written as without it. */
static int open_file(styx_hostfs *h, int path, const struct statx *st, uint32_t flags) {
  int host = host_flags(flags) | O_NONBLOCK;
  if (S_ISREG(st->stx_mode) && (st->stx_attributes & STATX_ATTR_APPEND) && (host & O_ACCMODE) != O_RDONLY)
    host = (host & ~O_TRUNC) | O_APPEND;
  return sx_host_reopen(h, path, host);
}

static styx_err open_at(styx_req *req, const struct sx_host_node *node, int path, uint32_t flags,
                        struct sx_host_handle **out, struct statx *st) {
  styx_hostfs *h = styx_req_ctx(req);
  bool dir = S_ISDIR(node->object.type);
  styx_err err = check(h, node, path, flags);
  if (!err)
    err = sx_host_statx(path, "", st);
  if (err)
    return err;
  struct sx_host_handle *handle = new_handle(req, dir, flags);
  if (!handle)
    return ENOMEM;
  int fd = dir ? sx_host_reopen(h, path, O_RDONLY | O_DIRECTORY) : open_file(h, path, st, flags);
  if (fd < 0) {
    free_handle(h, handle);
    return -fd;
  }
  ready(handle, fd);
  (void)sx_host_statx(fd, "", st); /* O_TRUNC changes the version; else what was found before is as good */
  *out = handle;
  return STYX_OK;
}

static bool is_special(const struct sx_host_node *node) {
  const uint32_t type = node->object.type;
  return !S_ISREG(type) && !S_ISDIR(type) && !S_ISLNK(type);
}

styx_answer sx_host_open(styx_req *req, void *node, uint32_t flags) {
  styx_hostfs *h = styx_req_ctx(req);
  struct sx_host_handle *handle = NULL;
  struct statx st;
  if (is_special(node) && !h->special)
    return styx_reply_error_text(req, EACCES, "FIFOs and devices are not opened in this export");
  int path = sx_host_pin(h, node);
  if (path < 0)
    return styx_reply_error(req, -path);
  styx_err err = open_at(req, node, path, flags, &handle, &st);
  sx_host_unpin(node);
  if (err)
    return styx_reply_error(req, err);
  if (!S_ISREG(st.stx_mode))
    styx_req_stream(req); /* what is read from a FIFO or a device is gone */
  return styx_reply_open(req, sx_host_qid(h, &st), handle);
}

/* ---- create ---- */

struct creation {
  styx_req *req;
  styx_hostfs *h;
  struct sx_host_node *dir;
  int dirfd; /* pinned */
  char name[NAME_MAX + 1];
  uint32_t flags;
  bool is_dir;
  mode_t mode;
  uint32_t gid; /* the directory's */
};

/* The new directory is opened whatever its permissions are, as a new file is: it loses those that it shall not have when it is
 * open. (Loses: if somebody has put another directory in its place, nobody may do more there than before.) */
static int make_dir(const struct creation *c) {
  struct statx st;
  if (mkdirat(c->dirfd, c->name, c->mode | S_IRUSR | S_IXUSR) < 0)
    return -errno;
  int fd = sx_host_openat(c->h, c->dirfd, c->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  if (fd >= 0 && (c->mode & (S_IRUSR | S_IXUSR)) == (S_IRUSR | S_IXUSR))
    return fd;
  styx_err err = fd < 0 ? -fd : sx_host_statx(fd, "", &st);
  if (!err && fchmod(fd, st.stx_mode & (07000u | c->mode)) < 0)
    err = errno;
  if (!err)
    return fd;
  if (fd >= 0)
    close(fd);
  unlinkat(c->dirfd, c->name, AT_REMOVEDIR);
  return -err;
}

static int make(const struct creation *c) {
  if (c->is_dir)
    return make_dir(c);
  uint64_t flags = (uint64_t)(host_flags(c->flags) & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY;
  return sx_host_openat(c->h, c->dirfd, c->name, flags, c->mode);
}

/* What was made has to go again; not what somebody else may have put in its place. */
static void unmake(const struct creation *c, int fd) {
  struct statx made, named;
  if (sx_host_statx(fd, "", &made) || sx_host_statx(c->dirfd, c->name, &named))
    return;
  struct sx_host_id a = sx_host_id_of(&made), b = sx_host_id_of(&named);
  if (sx_host_id_eq(&a, &b))
    unlinkat(c->dirfd, c->name, c->is_dir ? AT_REMOVEDIR : 0);
}

/* The node of what is open as fd. */
static styx_err adopt(const struct creation *c, int fd, struct statx *st, struct sx_host_node **out) {
  styx_err err = sx_host_statx(fd, "", st);
  if (err)
    return err;
  /* A new file has its directory's group (contract 1.9) where the kernel lets us. */
  if (st->stx_gid != c->gid && fchown(fd, (uid_t)-1, c->gid) == 0)
    (void)sx_host_statx(fd, "", st);
  int path = sx_host_reopen(c->h, fd, O_PATH);
  return path < 0 ? -path : sx_host_node_get(out, c->h, c->dir, c->name, path, st, NULL);
}

static styx_err create(const struct creation *c, struct sx_host_handle **handle, struct sx_host_node **node,
                       struct statx *st) {
  struct sx_host_handle *made = new_handle(c->req, c->is_dir, c->flags);
  if (!made)
    return ENOMEM;
  int fd = make(c);
  styx_err err = fd < 0 ? -fd : STYX_OK;
  if (!err) {
    ready(made, fd);
    err = adopt(c, fd, st, node);
    if (err)
      unmake(c, fd);
  }
  if (err)
    free_handle(c->h, made);
  else
    *handle = made;
  return err;
}

styx_answer sx_host_create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  struct creation c = {.req = req, .h = styx_req_ctx(req), .dir = node, .flags = flags};
  struct sx_host_node *made = NULL;
  struct sx_host_handle *handle = NULL;
  struct statx st;
  if (mode & (STYX_DMAPPEND | STYX_DMEXCL))
    return styx_reply_error_text(req, EOPNOTSUPP,
                                 "append-only and exclusive-use files cannot be kept here: create it without");
  c.is_dir = (mode & STYX_DMDIR) != 0;
  styx_err err = sx_host_name_in(c.name, name);
  if (err)
    return styx_reply_error(req, err);
  c.dirfd = sx_host_pin(c.h, c.dir);
  if (c.dirfd < 0)
    return styx_reply_error(req, -c.dirfd);
  err = sx_host_statx(c.dirfd, "", &st);
  if (!err) {
    c.mode = styx_create_mode(mode, st.stx_mode & STYX_DMPERM) & STYX_DMPERM;
    c.gid = gid == UINT32_MAX ? st.stx_gid : gid;
    err = create(&c, &handle, &made, &st);
  }
  sx_host_unpin(c.dir);
  sx_host_fds_trim(c.h);
  if (err)
    return styx_reply_error(req, err);
  return styx_reply_create(req, made, sx_host_qid(c.h, &st), handle);
}

/* ---- close ---- */

styx_err sx_host_close(void *ctx, void *node, void *handle) {
  struct sx_host_handle *o = handle;
  styx_err removed = o->rclose ? sx_host_unlink(ctx, node) : STYX_OK;
  styx_err err = free_handle(ctx, o);
  return err ? err : removed == ENOENT ? STYX_OK : removed; /* gone already is what was asked for */
}
