/* hostfs_io.c: bytes: read, write, fsync. */
#include "fs/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* ---- read ---- */

static ssize_t read_at(const struct sx_host_handle *o, void *room, size_t cap, uint64_t offset, int flags) {
  const struct iovec all = {room, cap};
  ssize_t n;
  do
    n = flags ? preadv2(o->fd, &all, 1, (off_t)offset, flags) : pread(o->fd, room, cap, (off_t)offset);
  while (n < 0 && errno == EINTR);
  return n;
}

/* Was that all, or only as much as is in memory? */
static bool is_whole(int fd, uint64_t offset, size_t n, size_t cap) {
  struct statx st;
  return n == cap || (!sx_host_statx(fd, "", &st) && offset + n >= st.stx_size);
}

/* What is in memory; less than nothing: not all of it is. */
static ssize_t read_cached(styx_hostfs *h, const struct sx_host_node *node, const struct sx_host_handle *o, void *room,
                           size_t cap, uint64_t offset) {
  if (!sx_host_is_at_hand(h, node) || atomic_load_explicit(&h->no_cached_read, memory_order_relaxed))
    return -1;
  ssize_t n = read_at(o, room, cap, offset, h->in_memory ? 0 : RWF_NOWAIT);
  if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
    atomic_store_explicit(&h->no_cached_read, true, memory_order_relaxed);
  return n < 0 || h->in_memory || is_whole(o->fd, offset, (size_t)n, cap) ? n : -1;
}

/* Wait until there is something to read: 0; or why not. */
static styx_err wait_readable(styx_req *req, int fd) {
  struct pollfd both[2] = {{.fd = fd, .events = POLLIN}, {.fd = styx_req_cancel_fd(req), .events = POLLIN}};
  if (both[1].fd < 0)
    return EAGAIN;
  while (poll(both, 2, -1) < 0)
    if (errno != EINTR)
      return errno;
  /* First: a device that is always said to be readable would be asked for ever. */
  return both[1].revents ? EINTR : STYX_OK;
}

static styx_answer read_stream(styx_req *req, int fd, void *room, size_t cap) {
  for (;;) {
    ssize_t n = read(fd, room, cap);
    if (n >= 0)
      return styx_reply_filled(req, (size_t)n);
    styx_err err = errno == EAGAIN ? wait_readable(req, fd) : errno == EINTR ? STYX_OK : errno;
    if (err)
      return err == EINTR ? styx_reply_interrupted(req) : styx_reply_error(req, err);
  }
}

styx_answer sx_host_read(styx_req *req, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)count; /* the room is as large as the count */
  styx_hostfs *h = styx_req_ctx(req);
  struct sx_host_handle *o = handle;
  const bool may_block = styx_req_may_block(req);
  size_t cap;
  if (!may_block && o->stream)
    return styx_reply_would_block(req);
  void *room = styx_req_room(req, &cap);
  if (!room)
    return styx_reply_error(req, ENOMEM);
  if (o->stream)
    return read_stream(req, o->fd, room, cap);
  ssize_t n = may_block ? read_at(o, room, cap, offset, 0) : read_cached(h, node, o, room, cap, offset);
  if (n >= 0)
    return styx_reply_filled(req, (size_t)n);
  return may_block ? styx_reply_error(req, errno) : styx_reply_would_block(req);
}

/* ---- write ---- */

/* Writing to a FIFO that nobody reads any more sends the thread a SIGPIPE, which would end a program that does not expect
 * it: it is held back, and taken out if this write caused it. */
static ssize_t write_stream(int fd, const void *data, size_t count) {
  sigset_t pipe_only, before, pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  ssize_t n = write(fd, data, count);
  int err = errno;
  if (n < 0 && err == EPIPE && !sigismember(&pending, SIGPIPE)) {
    const struct timespec at_once = {0, 0};
    while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
      ;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = err;
  return n;
}

styx_answer sx_host_write(styx_req *req, void *node, void *handle, uint64_t offset, const void *data, uint32_t count) {
  (void)node;
  struct sx_host_handle *o = handle;
  ssize_t n;
  do
    n = o->stream ? write_stream(o->fd, data, count) : pwrite(o->fd, data, count, (off_t)offset);
  while (n < 0 && errno == EINTR);
  return n < 0 ? styx_reply_error(req, errno) : styx_reply_count(req, (uint32_t)n);
}

/* ---- fsync ---- */

static int open_to_sync(styx_hostfs *h, struct sx_host_node *n) {
  int path = sx_host_pin(h, n);
  if (path < 0)
    return path;
  int fd = sx_host_reopen(h, path, O_RDONLY | O_NONBLOCK);
  if (fd == -EACCES && S_ISREG(n->object.type))
    fd = sx_host_reopen(h, path, O_WRONLY | O_NONBLOCK);
  sx_host_unpin(n);
  return fd;
}

static styx_err sync_fd(int fd, bool datasync) {
  int bad;
  do
    bad = datasync ? fdatasync(fd) : fsync(fd);
  while (bad && errno == EINTR);
  return bad ? errno : STYX_OK;
}

static styx_err sync_node(styx_hostfs *h, struct sx_host_node *n, const struct sx_host_handle *o, bool datasync) {
  if (!S_ISREG(n->object.type) && !S_ISDIR(n->object.type))
    return STYX_OK; /* nothing is kept */
  if (o)
    return sync_fd(o->fd, datasync);
  int fd = open_to_sync(h, n);
  if (fd < 0)
    return -fd;
  styx_err err = sync_fd(fd, datasync);
  close(fd);
  return err;
}

styx_answer sx_host_fsync(styx_req *req, void *node, void *handle, bool datasync) {
  styx_err err = sync_node(styx_req_ctx(req), node, handle, datasync);
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}
