/* hostfs_dir.c: reading directories. A cookie is the kernel's own position behind an entry (d_off), which stays good while
 * entries come and go. Entries that were fetched and not yet answered wait in the cursor, so that reading on needs no seek. */
#include "fs/host.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { FETCH = 32768 };

struct sx_host_cursor {
  size_t at, len; /* of entries; at is the next to be answered */
  uint64_t start; /* the position of the first entry */
  uint64_t pos;   /* the position of at */
  uint64_t told;  /* the last cookie that was given out; between it and pos is nothing to tell */
  _Alignas(struct dirent64) char entries[FETCH];
};

struct sx_host_cursor *sx_host_cursor_new(styx_hostfs *h) {
  struct sx_host_cursor *c = sx_alloc(&h->alloc, sizeof *c);
  if (c)
    c->at = c->len = 0, c->start = c->pos = c->told = 0;
  return c;
}

void sx_host_cursor_free(styx_hostfs *h, struct sx_host_cursor *cursor) { sx_free(&h->alloc, cursor, sizeof *cursor); }

/* ---- moving ---- */

static const struct dirent64 *entry_at(const struct sx_host_cursor *c) { return (const void *)(c->entries + c->at); }

/* A cookie is never 0. Where the kernel says 0, reading on is possible, coming back is not. */
static uint64_t cookie_of(const struct dirent64 *e) { return e->d_off ? (uint64_t)e->d_off : UINT64_MAX; }

static void step(struct sx_host_cursor *c) {
  const struct dirent64 *e = entry_at(c);
  c->pos = cookie_of(e);
  c->at += e->d_reclen;
}

/* A read that was not answered is asked for again: mostly its entries are still here. */
static bool seek_inside(struct sx_host_cursor *c, uint64_t cookie) {
  c->at = 0;
  c->pos = c->start;
  while (c->pos != cookie && c->at < c->len)
    step(c);
  c->told = c->pos;
  return c->pos == cookie;
}

static styx_err seek(struct sx_host_cursor *c, int fd, uint64_t cookie) {
  if (cookie != 0 && (c->told == cookie || seek_inside(c, cookie)))
    return STYX_OK;
  c->at = c->len = 0;
  c->start = c->pos = c->told = cookie;
  if (cookie > INT64_MAX || lseek(fd, (off_t)cookie, SEEK_SET) < 0) {
    c->pos = c->told = 0; /* nothing that a next read could take for a place to go on */
    return cookie > INT64_MAX ? EINVAL : errno;
  }
  return STYX_OK;
}

/* Make sure there is an entry at c->at: 1, or 0 at the end, or a negative errno. */
static int fetch(struct sx_host_cursor *c, int fd) {
  if (c->at < c->len)
    return 1;
  ssize_t n = getdents64(fd, c->entries, sizeof c->entries);
  if (n < 0)
    return errno == ENOENT ? 0 : -errno; /* the directory itself has been removed */
  c->at = 0;
  c->len = (size_t)n;
  c->start = c->pos;
  return n > 0;
}

/* ---- entries ---- */

/* What is known without looking at the file. */
static void known(const styx_hostfs *h, const struct dirent64 *e, struct statx *st) {
  *st = (struct statx){.stx_ino = e->d_ino, .stx_mode = e->d_type == DT_DIR ? S_IFDIR : S_IFREG};
  st->stx_dev_major = major(h->root_dev);
  st->stx_dev_minor = minor(h->root_dev);
}

/* As walk would find it. e is one name that the kernel has just told us, so looking at it leads nowhere else. An entry that
 * cannot be looked at (no x on the directory, a bad disk block) is listed with what the directory says: name and type. */
static styx_err look(styx_hostfs *h, int dirfd, const struct dirent64 *e, struct statx *st) {
  styx_err err = sx_host_statx(dirfd, e->d_name, st);
  if (err && err != ENOENT)
    known(h, e, st);
  if (err || !S_ISLNK(st->stx_mode))
    return err == ENOENT ? err : STYX_OK;
  int fd = sx_host_follow(h, dirfd, e->d_name);
  if (fd < 0)
    return fd != -EAGAIN && sx_host_is_passing(fd) ? -fd : STYX_OK;
  struct statx target;
  if (!sx_host_statx(fd, "", &target))
    *st = target;
  close(fd);
  return STYX_OK;
}

/* False when the reply is full. */
static bool add(styx_req *req, styx_hostfs *h, struct sx_host_cursor *c, const struct dirent64 *e,
                const struct statx *st) {
  struct sx_host_texts texts;
  struct styx_dirent entry = {.attr = sx_host_attr(h, st, e->d_name, &texts), .cookie = cookie_of(e)};
  if (!styx_dir_add(req, &entry))
    return false;
  c->told = entry.cookie;
  return true;
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

styx_answer sx_host_readdir(styx_req *req, void *node, void *handle, uint64_t cookie) {
  (void)node;
  styx_hostfs *h = styx_req_ctx(req);
  struct sx_host_handle *o = handle;
  struct sx_host_cursor *c = o->cursor;
  bool some = false;
  int more = 0;
  styx_err err = seek(c, o->fd, cookie);
  while (!err && (more = fetch(c, o->fd)) > 0) {
    const struct dirent64 *e = entry_at(c);
    struct statx st;
    err = is_dots(e->d_name) ? ENOENT : look(h, o->fd, e, &st);
    if (!err && !add(req, h, c, e, &st))
      break;
    some |= !err;
    if (err == ENOENT) /* none of ours, or gone meanwhile */
      err = STYX_OK;
    if (!err)
      step(c);
  }
  if (!err && more < 0)
    err = -more;
  return err && !some ? styx_reply_error(req, err) : styx_reply_dir(req);
}
