/* hostfs_find.c: from names to objects and back: walk, symbolic links, and where an object is now. */
#include "fs/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- opening ---- */

int sx_host_openat(int dirfd, const char *name, uint64_t flags, uint64_t mode) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  long fd;
  do /* EAGAIN: something was renamed while the kernel made sure that it stayed beneath */
    fd = syscall(SYS_openat2, dirfd, name, &how, sizeof how);
  while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return fd < 0 ? -errno : (int)fd;
}

void sx_host_fdpath(char buf[SX_HOST_FDPATH], int fd) { snprintf(buf, SX_HOST_FDPATH, "/proc/self/fd/%d", fd); }

/* The one magic link that is followed, and no peer has a say in its name: the kernel has no other way to open a file again
 * by an O_PATH descriptor, and this one works for files that have no name any more. */
int sx_host_reopen(int fd, int flags) {
  char path[SX_HOST_FDPATH];
  sx_host_fdpath(path, fd);
  int again;
  do
    again = open(path, flags | O_CLOEXEC | O_NOCTTY);
  while (again < 0 && errno == EINTR);
  return again < 0 ? -errno : again;
}

/* ---- paths as the kernel tells them now; good for looking, never trusted ---- */

/* The path of fd; 0 when there is none or it is too long. */
static size_t path_of(int fd, char buf[PATH_MAX]) {
  char link[SX_HOST_FDPATH];
  sx_host_fdpath(link, fd);
  ssize_t n = readlink(link, buf, PATH_MAX - 1);
  if (n <= 0 || n == PATH_MAX - 1)
    return 0;
  buf[n] = '\0';
  return (size_t)n;
}

/* What of path comes after the export's own: "a/b", or NULL when it is not beneath. The export itself is "". */
static const char *beneath(const styx_hostfs *h, const char *path) {
  char base[PATH_MAX];
  size_t n = path_of(h->root->fd, base);
  if (n == 1 && *base == '/')
    n = 0;
  else if (n == 0)
    return NULL;
  if (strncmp(path, base, n) != 0 || (path[n] && path[n] != '/'))
    return NULL;
  return path[n] ? path + n + 1 : path + n;
}

/* ---- symbolic links ---- */

/* The kernel resolves a link beneath the directory that it is in; "../x" has to be looked at from the export's root. */
static int follow_from_root(const styx_hostfs *h, int dirfd, const char *name) {
  char dir[PATH_MAX], path[PATH_MAX];
  const char *rest = path_of(dirfd, dir) ? beneath(h, dir) : NULL;
  if (!rest)
    return -EXDEV;
  int n = snprintf(path, sizeof path, "%s%s%s", rest, *rest ? "/" : "", name);
  return n < PATH_MAX ? sx_host_openat(h->root->fd, path, O_PATH, 0) : -ENAMETOOLONG;
}

static int follow_absolute(const styx_hostfs *h, int dirfd, const char *name) {
  char target[PATH_MAX];
  ssize_t n = readlinkat(dirfd, name, target, sizeof target - 1);
  if (n <= 0 || n == (ssize_t)sizeof target - 1)
    return -EXDEV;
  target[n] = '\0';
  const char *rest = *target == '/' ? beneath(h, target) : NULL;
  return rest ? sx_host_openat(h->root->fd, *rest ? rest : ".", O_PATH, 0) : -EXDEV;
}

int sx_host_follow(const styx_hostfs *h, int dirfd, const char *name) {
  int fd = sx_host_openat(dirfd, name, O_PATH, 0);
  if (fd == -EXDEV)
    fd = follow_from_root(h, dirfd, name);
  if (fd == -EXDEV)
    fd = follow_absolute(h, dirfd, name);
  return fd;
}

/* ---- walk ---- */

/* Replace the link by what it leads to, if that can be reached; *fd stays valid either way. A link to a link that leads
 * nowhere cannot come out here: the kernel follows all of them or fails. */
static styx_err resolve(const styx_hostfs *h, int dirfd, const char *name, int *fd, struct statx *st) {
  struct statx target;
  int to = sx_host_follow(h, dirfd, name);
  if (to == -EMFILE || to == -ENFILE || to == -ENOMEM)
    return -to;
  if (to < 0)
    return STYX_OK;
  if (sx_host_statx(to, "", &target)) {
    close(to);
    return STYX_OK;
  }
  close(*fd);
  *fd = to;
  *st = target;
  return STYX_OK;
}

static styx_err walk(styx_hostfs *h, struct sx_host_node *dir, const char *name, struct sx_host_node **out,
                     styx_qid *qid) {
  struct statx st = {0};
  int fd = sx_host_openat(dir->fd, name, O_PATH | O_NOFOLLOW, 0);
  if (fd < 0)
    return -fd;
  styx_err err = sx_host_statx(fd, "", &st);
  struct sx_host_id entry = sx_host_id_of(&st);
  if (!err && S_ISLNK(st.stx_mode))
    err = resolve(h, dir->fd, name, &fd, &st);
  if (err) {
    close(fd);
    return err;
  }
  *qid = sx_host_qid(h, &st);
  return sx_host_node_get(out, h, dir, name, fd, &st, &entry);
}

/* The same of what the kernel has in memory; EAGAIN: it has not, or there is more to it, and nothing is done. */
static styx_err walk_cached(styx_hostfs *h, struct sx_host_node *dir, const char *name, struct sx_host_node **out,
                            styx_qid *qid) {
  struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV | RESOLVE_CACHED};
  struct statx st;
  if (!sx_host_is_at_hand(h, dir) || atomic_load_explicit(&h->no_cached_walk, memory_order_relaxed))
    return EAGAIN;
  int fd = (int)syscall(SYS_openat2, dir->fd, name, &how, sizeof how);
  if (fd < 0) {
    if (errno == EINVAL) /* before Linux 5.12 */
      atomic_store_explicit(&h->no_cached_walk, true, memory_order_relaxed);
    return EAGAIN;
  }
  if (sx_host_statx(fd, "", &st) || S_ISLNK(st.stx_mode)) {
    close(fd);
    return EAGAIN;
  }
  *qid = sx_host_qid(h, &st);
  return sx_host_node_get(out, h, dir, name, fd, &st, NULL);
}

static styx_answer walk_up(styx_req *req, styx_hostfs *h, struct sx_host_node *dir) {
  struct sx_host_node *up = dir->parent ? dir->parent : dir;
  struct statx st;
  if (!styx_req_may_block(req) && !sx_host_is_at_hand(h, up))
    return styx_reply_would_block(req);
  styx_err err = sx_host_statx(up->fd, "", &st);
  return err ? styx_reply_error(req, err) : styx_reply_node(req, sx_host_node_ref(h, up), sx_host_qid(h, &st));
}

styx_answer sx_host_walk(styx_req *req, void *node, styx_str name) {
  styx_hostfs *h = styx_req_ctx(req);
  struct sx_host_node *dir = node, *found;
  char host[NAME_MAX + 1];
  styx_qid qid;
  if (styx_str_is(name, ".."))
    return walk_up(req, h, dir);
  styx_err err = sx_host_name_in(host, name);
  if (!err && !styx_req_may_block(req)) {
    err = walk_cached(h, dir, host, &found, &qid);
    if (err == EAGAIN)
      return styx_reply_would_block(req);
  } else if (!err) {
    err = walk(h, dir, host, &found, &qid);
  }
  if (err)
    return styx_reply_error(req, err == STYX_ENAME ? ENOENT : err);
  return styx_reply_node(req, found, qid);
}

/* ---- places ---- */

static bool is_here(const struct sx_host_node *node, int dirfd, const char *name) {
  struct statx st;
  if (sx_host_statx(dirfd, name, &st))
    return false;
  struct sx_host_id id = sx_host_id_of(&st);
  return sx_host_id_eq(&id, &node->entry);
}

/* Somebody has moved it. (The descriptor of a followed link knows the path of the target, which is not the entry.) */
static styx_err search(const styx_hostfs *h, const struct sx_host_node *node, struct sx_host_place *place) {
  char path[PATH_MAX], *slash;
  if (!path_of(node->fd, path))
    return ENOENT;
  slash = strrchr(path, '/');
  if (!slash || strlen(slash + 1) > NAME_MAX)
    return ENOENT;
  strcpy(place->name, slash + 1);
  *slash = '\0';
  const char *rest = beneath(h, path);
  if (!rest)
    return ENOENT;
  place->own = sx_host_openat(h->root->fd, *rest ? rest : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
  if (place->own == -EMFILE || place->own == -ENFILE)
    return -place->own;
  place->dirfd = place->own;
  return place->own >= 0 && is_here(node, place->dirfd, place->name) ? STYX_OK : ENOENT;
}

styx_err sx_host_locate(styx_hostfs *h, struct sx_host_node *node, struct sx_host_place *place) {
  place->own = -1;
  if (!node->parent)
    return EBUSY;
  place->dirfd = node->parent->fd;
  sx_host_node_name(h, node, place->name);
  if (is_here(node, place->dirfd, place->name))
    return STYX_OK;
  styx_err err = search(h, node, place);
  if (err)
    sx_host_place_end(place);
  return err;
}

void sx_host_place_end(struct sx_host_place *place) {
  if (place->own >= 0)
    close(place->own);
  place->own = -1;
}

/* ---- removal ---- */

styx_err sx_host_unlink(styx_hostfs *h, struct sx_host_node *node) {
  struct sx_host_place place;
  styx_err err = sx_host_locate(h, node, &place);
  if (err)
    return err;
  if (unlinkat(place.dirfd, place.name, S_ISDIR(node->entry.type) ? AT_REMOVEDIR : 0) < 0)
    err = errno == EEXIST ? ENOTEMPTY : errno;
  sx_host_place_end(&place);
  return err;
}

styx_answer sx_host_remove(styx_req *req, void *node) {
  styx_err err = sx_host_unlink(styx_req_ctx(req), node);
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}
