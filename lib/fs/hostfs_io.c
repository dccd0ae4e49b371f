/* hostfs_io.c: bytes: read, write, fsync. */
#include "fs/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

styx_answer sx_host_read(styx_req *req, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)count; /* the room is as large as the count */
  struct sx_host_handle *o = handle;
  size_t cap;
  ssize_t n;
  void *room = styx_req_room(req, &cap);
  if (!room)
    return styx_reply_error(req, ENOMEM);
  do
    n = o->stream ? read(o->fd, room, cap) : pread(o->fd, room, cap, (off_t)offset);
  while (n < 0 && errno == EINTR);
  return n < 0 ? styx_reply_error(req, errno) : styx_reply_filled(req, (size_t)n);
}

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

static int open_to_sync(const struct sx_host_node *n) {
  int fd = sx_host_reopen(n->fd, O_RDONLY);
  return fd == -EACCES && S_ISREG(n->object.type) ? sx_host_reopen(n->fd, O_WRONLY) : fd;
}

static styx_err sync_fd(int fd, bool datasync) {
  int bad;
  do
    bad = datasync ? fdatasync(fd) : fsync(fd);
  while (bad && errno == EINTR);
  return bad ? errno : STYX_OK;
}

static styx_err sync_node(const struct sx_host_node *n, const struct sx_host_handle *o, bool datasync) {
  if (!S_ISREG(n->object.type) && !S_ISDIR(n->object.type))
    return STYX_OK; /* nothing is kept */
  if (o)
    return sync_fd(o->fd, datasync);
  int fd = open_to_sync(n);
  if (fd < 0)
    return -fd;
  styx_err err = sync_fd(fd, datasync);
  close(fd);
  return err;
}

styx_answer sx_host_fsync(styx_req *req, void *node, void *handle, bool datasync) {
  styx_err err = sync_node(node, handle, datasync);
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}
