/* marks_test.c: descriptors and urgent data make a receive stop short; what is behind them is answered all the same. All of
 * it has arrived before the server sees the connection, so that one event tells of it. */
#include <styx/memfs.h>
#include <styx/server.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
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

static void say_hello_with_a_descriptor(int fd) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof fd)];
  } control = {.head = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
  struct iovec iov = {(void *)(uintptr_t)hello, HELLO};
  const struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
  cr_assert_eq(sendmsg(fd, &msg, MSG_NOSIGNAL), HELLO);
}

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
  say_hello(fds[1]);
  cr_assert_eq(send(fds[1], "!", 1, MSG_OOB | MSG_NOSIGNAL), 1); /* not among what is read */
  say_hello(fds[1]);
  answers(fds[1], fds[0], 2);
}
