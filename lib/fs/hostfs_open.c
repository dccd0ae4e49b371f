/* hostfs_open.c: making files and directories ready for I/O: open, create, close. */
#include "fs/host.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- handles ---- */

/* Made before anything is opened: an O_TRUNC or a new file cannot be taken back when memory is short. */
static struct sx_host_handle *new_handle(styx_hostfs *h, bool dir, uint32_t flags) {
  struct sx_host_handle *handle = sx_zalloc(&h->alloc, sizeof *handle);
  if (!handle)
    return NULL;
  handle->fd = -1;
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

static styx_err check(const struct sx_host_node *node, uint32_t flags) {
  if (S_ISLNK(node->object.type))
    return ENOENT;
  if ((flags & STYX_O_RCLOSE) && !node->parent)
    return EBUSY;
  styx_err err = flags & STYX_O_RCLOSE ? may(node->parent->fd, W_OK | X_OK) : STYX_OK;
  if (!err && (flags & STYX_O_MODE) == STYX_OEXEC)
    err = may(node->fd, X_OK);
  return err;
}

/* A file that can only be appended to is opened so, and not truncated; the kernel would refuse both. */
static int open_file(const struct sx_host_node *node, const struct statx *st, uint32_t flags) {
  int host = host_flags(flags);
  if (!S_ISREG(st->stx_mode))
    host |= O_NONBLOCK;
  else if ((st->stx_attributes & STATX_ATTR_APPEND) && (host & O_ACCMODE) != O_RDONLY)
    host = (host & ~O_TRUNC) | O_APPEND;
  return sx_host_reopen(node->fd, host);
}

static styx_err open_node(styx_hostfs *h, struct sx_host_node *node, uint32_t flags, struct sx_host_handle **out,
                          struct statx *st) {
  bool dir = S_ISDIR(node->object.type);
  styx_err err = check(node, flags);
  if (!err)
    err = sx_host_statx(node->fd, "", st);
  if (err)
    return err;
  struct sx_host_handle *handle = new_handle(h, dir, flags);
  if (!handle)
    return ENOMEM;
  int fd = dir ? sx_host_reopen(node->fd, O_RDONLY | O_DIRECTORY) : open_file(node, st, flags);
  if (fd < 0) {
    free_handle(h, handle);
    return -fd;
  }
  ready(handle, fd);
  (void)sx_host_statx(fd, "", st); /* O_TRUNC changes the version; else what was found before is as good */
  *out = handle;
  return STYX_OK;
}

styx_answer sx_host_open(styx_req *req, void *node, uint32_t flags) {
  styx_hostfs *h = styx_req_ctx(req);
  struct sx_host_handle *handle = NULL;
  struct statx st;
  styx_err err = open_node(h, node, flags, &handle, &st);
  if (err)
    return styx_reply_error(req, err);
  if (!S_ISREG(st.stx_mode))
    styx_req_stream(req); /* what is read from a FIFO or a device is gone */
  return styx_reply_open(req, sx_host_qid(h, &st), handle);
}

/* ---- create ---- */

struct creation {
  styx_hostfs *h;
  struct sx_host_node *dir;
  char name[NAME_MAX + 1];
  uint32_t flags;
  bool is_dir;
  mode_t mode;
  uint32_t gid; /* the directory's */
};

/* The new directory is opened whatever its permissions are, as a new file is: it gets them when it is open. */
static int make_dir(const struct creation *c) {
  struct statx st;
  if (mkdirat(c->dir->fd, c->name, c->mode | S_IRUSR | S_IXUSR) < 0)
    return -errno;
  int fd = sx_host_openat(c->dir->fd, c->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  if (fd >= 0 && (c->mode & (S_IRUSR | S_IXUSR)) == (S_IRUSR | S_IXUSR))
    return fd;
  styx_err err = fd < 0 ? -fd : sx_host_statx(fd, "", &st);
  if (!err && fchmod(fd, (st.stx_mode & 07000u) | c->mode) < 0)
    err = errno;
  if (!err)
    return fd;
  if (fd >= 0)
    close(fd);
  unlinkat(c->dir->fd, c->name, AT_REMOVEDIR);
  return -err;
}

static int make(const struct creation *c) {
  if (c->is_dir)
    return make_dir(c);
  uint64_t flags = (uint64_t)(host_flags(c->flags) & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY;
  return sx_host_openat(c->dir->fd, c->name, flags, c->mode);
}

/* What was made has to go again; not what somebody else may have put in its place. */
static void unmake(const struct creation *c, int fd) {
  struct statx made, named;
  if (sx_host_statx(fd, "", &made) || sx_host_statx(c->dir->fd, c->name, &named))
    return;
  struct sx_host_id a = sx_host_id_of(&made), b = sx_host_id_of(&named);
  if (sx_host_id_eq(&a, &b))
    unlinkat(c->dir->fd, c->name, c->is_dir ? AT_REMOVEDIR : 0);
}

/* The node of what is open as fd. */
static styx_err adopt(const struct creation *c, int fd, struct statx *st, struct sx_host_node **out) {
  styx_err err = sx_host_statx(fd, "", st);
  if (err)
    return err;
  /* A new file has its directory's group (contract 1.9) where the kernel lets us. */
  if (st->stx_gid != c->gid && fchown(fd, (uid_t)-1, c->gid) == 0)
    (void)sx_host_statx(fd, "", st);
  int path = sx_host_reopen(fd, O_PATH);
  return path < 0 ? -path : sx_host_node_get(out, c->h, c->dir, c->name, path, st, NULL);
}

static styx_err create(const struct creation *c, struct sx_host_handle **handle, struct sx_host_node **node,
                       struct statx *st) {
  struct sx_host_handle *made = new_handle(c->h, c->is_dir, c->flags);
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
  struct creation c = {.h = styx_req_ctx(req), .dir = node, .flags = flags, .is_dir = (mode & STYX_DMDIR) != 0};
  struct sx_host_node *made = NULL;
  struct sx_host_handle *handle = NULL;
  struct statx st;
  if (mode & (STYX_DMAPPEND | STYX_DMEXCL))
    return styx_reply_error_text(req, EOPNOTSUPP,
                                 "append-only and exclusive-use files cannot be kept here: create it without");
  styx_err err = sx_host_name_in(c.name, name);
  if (!err)
    err = sx_host_statx(c.dir->fd, "", &st);
  if (!err) {
    c.mode = styx_create_mode(mode, st.stx_mode & STYX_DMPERM) & STYX_DMPERM;
    c.gid = gid == UINT32_MAX ? st.stx_gid : gid;
    err = create(&c, &handle, &made, &st);
  }
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
