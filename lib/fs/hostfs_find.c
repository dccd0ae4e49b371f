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

enum { RENAMES = 1000 }; /* that may get in the way of one system call, before we give up */

/* EAGAIN: something was renamed while the kernel made sure that it stayed beneath. */
static bool again(styx_hostfs *h, int *renames) {
  return errno == EINTR || (errno == EAGAIN && (*renames)++ < RENAMES) ||
         (errno == EMFILE && h && sx_host_fds_spare(h));
}

int sx_host_openat(styx_hostfs *h, int dirfd, const char *name, uint64_t flags, uint64_t mode) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  int renames = 0;
  long fd;
  do
    fd = syscall(SYS_openat2, dirfd, name, &how, sizeof how);
  while (fd < 0 && again(h, &renames));
  return fd < 0 ? -errno : (int)fd;
}

void sx_host_fdpath(char buf[SX_HOST_FDPATH], int fd) { snprintf(buf, SX_HOST_FDPATH, "/proc/self/fd/%d", fd); }

/* The one magic link that is followed, and no peer has a say in its name: the kernel has no other way to open a file again
 * by an O_PATH descriptor, and this one works for files that have no name any more. */
int sx_host_reopen(styx_hostfs *h, int fd, int flags) {
  char path[SX_HOST_FDPATH];
  sx_host_fdpath(path, fd);
  int opened;
  do
    opened = open(path, flags | O_CLOEXEC | O_NOCTTY);
  while (opened < 0 && (errno == EINTR || (errno == EMFILE && h && sx_host_fds_spare(h))));
  return opened < 0 ? -errno : opened;
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
static int follow_from_root(styx_hostfs *h, int dirfd, const char *name) {
  char dir[PATH_MAX], path[PATH_MAX];
  const char *rest = path_of(dirfd, dir) ? beneath(h, dir) : NULL;
  if (!rest)
    return -EXDEV;
  int n = snprintf(path, sizeof path, "%s%s%s", rest, *rest ? "/" : "", name);
  return n < PATH_MAX ? sx_host_openat(h, h->root->fd, path, O_PATH, 0) : -ENAMETOOLONG;
}

static int follow_absolute(styx_hostfs *h, int dirfd, const char *name) {
  char target[PATH_MAX];
  ssize_t n = readlinkat(dirfd, name, target, sizeof target - 1);
  if (n <= 0 || n == (ssize_t)sizeof target - 1)
    return -EXDEV;
  target[n] = '\0';
  const char *rest = *target == '/' ? beneath(h, target) : NULL;
  return rest ? sx_host_openat(h, h->root->fd, *rest ? rest : ".", O_PATH, 0) : -EXDEV;
}

int sx_host_follow(styx_hostfs *h, int dirfd, const char *name) {
  int fd = sx_host_openat(h, dirfd, name, O_PATH, 0);
  if (fd == -EXDEV)
    fd = follow_from_root(h, dirfd, name);
  if (fd == -EXDEV)
    fd = follow_absolute(h, dirfd, name);
  return fd;
}

bool sx_host_is_passing(int err) { return err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -EAGAIN; }

/* ---- walk ---- */

/* Replace the link by what it leads to, if that can be reached; *fd stays valid either way. A link to a link that leads
 * nowhere cannot come out here: the kernel follows all of them or fails. */
static styx_err resolve(styx_hostfs *h, int dirfd, const char *name, int *fd, struct statx *st) {
  struct statx target;
  int to = sx_host_follow(h, dirfd, name);
  if (to < 0)
    return sx_host_is_passing(to) ? -to : STYX_OK;
  if (sx_host_statx(to, "", &target)) {
    close(to);
    return STYX_OK;
  }
  close(*fd);
  *fd = to;
  *st = target;
  return STYX_OK;
}

static styx_err walk_from(styx_hostfs *h, struct sx_host_node *dir, int dirfd, const char *name,
                          struct sx_host_node **out, styx_qid *qid) {
  struct statx st = {0};
  int fd = sx_host_openat(h, dirfd, name, O_PATH | O_NOFOLLOW, 0);
  if (fd < 0)
    return -fd;
  styx_err err = sx_host_statx(fd, "", &st);
  struct sx_host_id entry = sx_host_id_of(&st);
  if (!err && S_ISLNK(st.stx_mode))
    err = resolve(h, dirfd, name, &fd, &st);
  if (err) {
    close(fd);
    return err;
  }
  *qid = sx_host_qid(h, &st);
  return sx_host_node_get(out, h, dir, name, fd, &st, &entry);
}

static styx_err walk(styx_hostfs *h, struct sx_host_node *dir, const char *name, struct sx_host_node **out,
                     styx_qid *qid) {
  int fd = sx_host_pin(h, dir);
  if (fd < 0)
    return -fd;
  styx_err err = walk_from(h, dir, fd, name, out, qid);
  sx_host_unpin(dir);
  sx_host_fds_trim(h);
  return err;
}

/* A descriptor of what the kernel has in memory, or less than nothing. */
static int open_cached(styx_hostfs *h, struct sx_host_node *dir, const char *name) {
  struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV | RESOLVE_CACHED};
  int dirfd = sx_host_pin_now(dir);
  if (dirfd < 0)
    return -1;
  int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof how);
  if (fd < 0 && errno == EINVAL) /* before Linux 5.12 */
    atomic_store_explicit(&h->no_cached_walk, true, memory_order_relaxed);
  sx_host_unpin(dir);
  return fd;
}

/* The same of what the kernel has in memory; EAGAIN: it has not, or there is more to it, and nothing is done. */
static styx_err walk_cached(styx_hostfs *h, struct sx_host_node *dir, const char *name, struct sx_host_node **out,
                            styx_qid *qid) {
  struct statx st;
  if (!sx_host_is_at_hand(h, dir) || sx_host_fds_full(h) ||
      atomic_load_explicit(&h->no_cached_walk, memory_order_relaxed))
    return EAGAIN;
  int fd = open_cached(h, dir, name);
  if (fd < 0)
    return EAGAIN;
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
  bool may_block = styx_req_may_block(req);
  int fd = may_block ? sx_host_pin(h, up) : sx_host_is_at_hand(h, up) ? sx_host_pin_now(up) : -EAGAIN;
  if (fd == -EAGAIN && !may_block)
    return styx_reply_would_block(req);
  if (fd < 0)
    return styx_reply_error(req, -fd);
  styx_err err = sx_host_statx(fd, "", &st);
  sx_host_unpin(up);
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

/* The path of node as the kernel says it; 0 when there is none. */
static size_t path_of_node(styx_hostfs *h, struct sx_host_node *node, char path[PATH_MAX]) {
  int fd = sx_host_pin(h, node);
  if (fd < 0)
    return 0;
  size_t n = path_of(fd, path);
  sx_host_unpin(node);
  return n;
}

/* Somebody has moved it. (The descriptor of a followed link knows the path of the target, which is not the entry.) */
static styx_err search(styx_hostfs *h, struct sx_host_node *node, struct sx_host_place *place) {
  char path[PATH_MAX], *slash;
  if (!path_of_node(h, node, path))
    return ENOENT;
  slash = strrchr(path, '/');
  if (!slash || strlen(slash + 1) > NAME_MAX)
    return ENOENT;
  strcpy(place->name, slash + 1);
  *slash = '\0';
  const char *rest = beneath(h, path);
  if (!rest)
    return ENOENT;
  place->own = sx_host_openat(h, h->root->fd, *rest ? rest : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
  if (sx_host_is_passing(place->own))
    return -place->own;
  place->dirfd = place->own;
  return place->own >= 0 && is_here(node, place->dirfd, place->name) ? STYX_OK : ENOENT;
}

/* While its descriptor is held, the inode of node is no other file's. (That of a followed link holds the target.) */
static styx_err hold(styx_hostfs *h, struct sx_host_node *node, struct sx_host_place *place) {
  if (S_ISLNK(node->entry.type) && !S_ISLNK(node->object.type))
    return STYX_OK;
  int fd = sx_host_pin(h, node);
  if (fd < 0)
    return fd == -ESTALE ? ENOENT : -fd;
  place->held = node;
  return STYX_OK;
}

static styx_err locate(styx_hostfs *h, struct sx_host_node *node, struct sx_host_place *place) {
  styx_err err = hold(h, node, place);
  if (err)
    return err;
  place->dirfd = sx_host_pin(h, node->parent);
  if (place->dirfd >= 0) {
    place->pinned = node->parent;
    sx_host_node_name(h, node, place->name);
    if (is_here(node, place->dirfd, place->name))
      return STYX_OK;
  } else if (place->dirfd != -ESTALE) {
    return -place->dirfd; /* who acts as somebody else may not be that any more, and has to end here */
  }
  return search(h, node, place);
}

styx_err sx_host_locate(styx_hostfs *h, struct sx_host_node *node, struct sx_host_place *place) {
  place->own = -1;
  place->pinned = place->held = NULL;
  if (!node->parent)
    return EBUSY;
  styx_err err = locate(h, node, place);
  if (err)
    sx_host_place_end(place);
  return err;
}

void sx_host_place_end(struct sx_host_place *place) {
  if (place->own >= 0)
    close(place->own);
  if (place->pinned)
    sx_host_unpin(place->pinned);
  if (place->held)
    sx_host_unpin(place->held);
  place->own = -1;
  place->pinned = place->held = NULL;
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
