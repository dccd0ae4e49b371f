/* marks_test.c: descriptors and urgent data make a receive stop short; what is behind them is answered all the same. All of
 * it has arrived before the server sees the connection, so that one event tells of it. */
#include "server/system.h"

#include <styx/memfs.h>
#include <styx/server.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char hello[] = "\23\0\0\0\144\377\377\0\40\0\0\6\0009P2000";
enum { HELLO = sizeof hello - 1 };

static styx_memfs *memfs;
static styx_export export;
static styx_server *server;

static void begin(void) {
  const styx_memfs_config mem = {.size = sizeof mem};
  memfs = styx_memfs_new(&mem);
  export.fs = styx_memfs_fs(memfs);
  const styx_server_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .workers = 1};
  cr_assert_eq(styx_server_new(&server, &config), STYX_OK);
  cr_assert_eq(styx_server_start(server), STYX_OK);
}

static void end(void) {
  cr_assert_eq(styx_server_stop(server, 0, NULL), STYX_OK);
  styx_server_free(server);
  styx_memfs_free(memfs);
}

static void say_hello(int fd) { cr_assert_eq(send(fd, hello, HELLO, MSG_NOSIGNAL), HELLO); }

static ssize_t send_hello_with_a_descriptor(int fd) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof fd)];
  } control = {.head = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
  struct iovec iov = {(void *)(uintptr_t)hello, HELLO};
  const struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
  return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void say_hello_with_a_descriptor(int fd) { cr_assert_eq(send_hello_with_a_descriptor(fd), HELLO); }

/* The server takes theirs; each hello is answered. */
static void answers(int ours, int theirs, int hellos) {
  char buf[HELLO];
  cr_assert_eq(styx_server_adopt(server, theirs, "peer"), STYX_OK);
  for (int i = 0; i < hellos; i++)
    cr_assert_eq(recv(ours, buf, HELLO, MSG_WAITALL), HELLO, "of %d answers only %d", hellos, i);
  close(ours);
}

TestSuite(marks, .init = begin, .fini = end, .timeout = 60);

Test(marks, what_follows_a_descriptor_is_answered) {
  int fds[2];
  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  say_hello(fds[1]);
  say_hello_with_a_descriptor(fds[1]);
  say_hello_with_a_descriptor(fds[1]);
  say_hello(fds[1]);
  answers(fds[1], fds[0], 4);
}

static void connect_to(int fd, const char *path) {
  struct sockaddr_un sun = {.sun_family = AF_UNIX};
  snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
  cr_assert_eq(connect(fd, (const struct sockaddr *)&sun, sizeof sun), 0);
}

/* What styx_announce makes listens; nothing is accepted before everything was sent. */
static void pair_of_announced(int fds[2], int *listener) {
  styx_addr addr = {.net = STYX_NET_UNIX};
  snprintf(addr.path, sizeof addr.path, "/tmp/styx-marks-%ld", (long)getpid());
  cr_assert_eq(styx_announce(&addr, listener, NULL), STYX_OK);
  fds[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connect_to(fds[1], addr.path);
  unlink(addr.path);
}

Test(marks, a_kernel_that_can_refuses_descriptors_for_us) {
  int fds[2], listener, hellos = 2;
  pair_of_announced(fds, &listener);
  say_hello(fds[1]);
  const ssize_t sent = send_hello_with_a_descriptor(fds[1]);
  hellos += sent == HELLO;
  cr_assert(sent == HELLO || errno == EPERM);
  say_hello(fds[1]);
  cr_assert_eq(styx_accept(listener, &fds[0], NULL, 0), STYX_OK);
  cr_assert_eq(sx_linux.plain(NULL, fds[0]), sent != HELLO);
  answers(fds[1], fds[0], hellos);
  close(listener);
}

static void pair_of_tcp(int fds[2]) {
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof addr;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert_eq(bind(listener, (const struct sockaddr *)&addr, sizeof addr), 0);
  cr_assert_eq(listen(listener, 1), 0);
  cr_assert_eq(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
  fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert_eq(connect(fds[1], (const struct sockaddr *)&addr, sizeof addr), 0);
  fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  cr_assert_geq(fds[0], 0);
  close(listener);
}

Test(marks, what_follows_urgent_data_is_answered) {
  int fds[2];
  pair_of_tcp(fds);
  cr_assert(sx_linux.plain(NULL, fds[0]));
  say_hello(fds[1]);
  cr_assert_eq(send(fds[1], "!", 1, MSG_OOB | MSG_NOSIGNAL), 1); /* not among what is read */
  say_hello(fds[1]);
  answers(fds[1], fds[0], 2);
}
