/* system.c: the machine itself: Linux. */
#include "server/system.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* A socket of Unix is plain when it has refused descriptors since before its peer could send, as those of styx_announce. */
static bool linux_plain(void *arg, int fd) {
  (void)arg;
  int domain = AF_UNIX, passes = 1;
  socklen_t len = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain != AF_UNIX)
    return true;
  len = sizeof passes;
  return getsockopt(fd, SOL_SOCKET, SX_PASSRIGHTS, &passes, &len) == 0 && !passes;
}

/* A receive stops behind what came with descriptors, which are dropped and of which MSG_CTRUNC tells. recv does not, and spares
 * the kernel what linux_send spares it. */
static ssize_t linux_recv(void *arg, int fd, const struct iovec *iov, size_t n, bool *more) {
  (void)arg;
  /* recvmsg only reads iov */
  struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
  const bool simple = n == 1 && !more;
  const ssize_t got = simple ? recv(fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT) : recvmsg(fd, &msg, MSG_DONTWAIT);
  if (more)
    *more = got > 0 && msg.msg_flags & MSG_CTRUNC;
  return got < 0 ? -errno : got;
}

static ssize_t linux_send(void *arg, int fd, const struct iovec *iov, size_t n) {
  (void)arg;
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  /* sendmsg only reads what iov points to; send spares the kernel two copies of little structures */
  const struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
  const ssize_t sent = n == 1 ? send(fd, iov->iov_base, iov->iov_len, flags) : sendmsg(fd, &msg, flags);
  return sent < 0 ? -errno : sent;
}

static int linux_shut(void *arg, int fd) {
  (void)arg;
  return shutdown(fd, SHUT_RDWR) ? -errno : 0;
}

/* As it was when the peer connected. The kernel says all ones of what is no Unix socket. */
static bool linux_peer(void *arg, int fd, styx_peer *out) {
  (void)arg;
  struct ucred cred;
  socklen_t len = sizeof cred;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) || len != sizeof cred || cred.uid == (uid_t)-1)
    return false;
  *out = (styx_peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
  return true;
}

static void linux_close(void *arg, int fd) {
  (void)arg;
  close(fd);
}

static int linux_poller(void *arg) {
  (void)arg;
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static int linux_watch(void *arg, int poller, int op, int fd, uint32_t events, void *ptr) {
  (void)arg;
  struct epoll_event e = {.events = events, .data.ptr = ptr};
  return epoll_ctl(poller, op, fd, &e) ? -errno : 0;
}

static int linux_poll(void *arg, int poller, struct epoll_event *events, int n, uint64_t timeout_ns) {
  (void)arg;
  int ms = timeout_ns == UINT64_MAX         ? -1
           : timeout_ns / 1000000 > INT_MAX ? INT_MAX
                                            : (int)((timeout_ns + 999999) / 1000000);
  int got = epoll_wait(poller, events, n, ms);
  return got < 0 ? -errno : got;
}

static int linux_bell(void *arg) {
  (void)arg;
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

static void linux_ring(void *arg, int bell) {
  (void)arg;
  eventfd_write(bell, 1);
}

static void linux_quiet(void *arg, int bell) {
  (void)arg;
  eventfd_t count;
  eventfd_read(bell, &count);
}

static int linux_timer(void *arg) {
  (void)arg;
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

static void linux_alarm(void *arg, int timer, uint64_t ns) {
  (void)arg;
  enum { SECOND = 1000000000 };
  const struct itimerspec in = {.it_value = {(time_t)(ns / SECOND), (long)(ns % SECOND)}};
  timerfd_settime(timer, 0, &in, NULL);
}

static void linux_wait(void *arg, _Atomic uint32_t *word, uint32_t value) {
  (void)arg;
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void linux_wake(void *arg, _Atomic uint32_t *word, int n) {
  (void)arg;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static uint64_t linux_clock(void *arg) {
  (void)arg;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void **linux_slot(void *arg) {
  static _Thread_local void *slot;
  (void)arg;
  return &slot;
}

const struct sx_system sx_linux = {.recv_size = 256 * 1024,
                                   .room_least = 32 * 1024,
                                   .plain = linux_plain,
                                   .recv = linux_recv,
                                   .send = linux_send,
                                   .shut = linux_shut,
                                   .peer = linux_peer,
                                   .close = linux_close,
                                   .poller = linux_poller,
                                   .watch = linux_watch,
                                   .poll = linux_poll,
                                   .bell = linux_bell,
                                   .ring = linux_ring,
                                   .quiet = linux_quiet,
                                   .timer = linux_timer,
                                   .alarm = linux_alarm,
                                   .wait = linux_wait,
                                   .wake = linux_wake,
                                   .clock = linux_clock,
                                   .slot = linux_slot};
