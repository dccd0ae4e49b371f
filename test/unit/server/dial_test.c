/* dial_test.c: listening, dialling and accepting on real sockets, one process. */
#include <styx/server.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], sock[96];

static void enter(void) {
  snprintf(dir, sizeof dir, "/tmp/styx-dial-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  snprintf(sock, sizeof sock, "%s/s", dir);
}

static void leave(void) {
  unlink(sock);
  rmdir(dir);
}

TestSuite(dial, .init = enter, .fini = leave);

static styx_addr at(const char *text) {
  styx_addr a;
  cr_assert_eq(styx_addr_parse(&a, text, NULL), STYX_OK);
  return a;
}

static int announce(const styx_addr *a, styx_addr *bound) {
  int fd;
  styx_err err = styx_announce(a, &fd, bound);
  cr_assert_eq(err, STYX_OK, "%s", styx_err_text(err));
  return fd;
}

static bool closes_on_exec(int fd) { return fcntl(fd, F_GETFD) & FD_CLOEXEC; }
static bool blocks(int fd) { return !(fcntl(fd, F_GETFL) & O_NONBLOCK); }

static bool no_delay(int fd) {
  int on = 0;
  socklen_t len = sizeof on;
  return getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on;
}

static int accept_one(int l, char *peer, size_t cap) {
  struct pollfd p = {.fd = l, .events = POLLIN};
  int fd;
  cr_assert_eq(poll(&p, 1, 10000), 1);
  cr_assert_eq(styx_accept(l, &fd, peer, cap), STYX_OK);
  return fd;
}

static void talk(int a, int b) {
  char c = 0;
  cr_assert_eq(write(a, "x", 1), 1);
  cr_assert_eq(recv(b, &c, 1, MSG_WAITALL), 1);
  cr_assert_eq(c, 'x');
}

static void meet(const char *text) {
  styx_addr a = at(text), bound;
  char peer[64];
  int l = announce(&a, &bound), c, s;
  cr_assert_str_neq(bound.port, "0");
  cr_assert_eq(styx_dial(&bound, &c), STYX_OK);
  s = accept_one(l, peer, sizeof peer);
  cr_assert(closes_on_exec(l) && closes_on_exec(c) && closes_on_exec(s));
  cr_assert(!blocks(l) && blocks(c) && !blocks(s));
  cr_assert(no_delay(c) && no_delay(s));
  cr_assert_eq(strncmp(peer, "tcp!", 4), 0);
  talk(s, c);
  close(l), close(c), close(s);
}

Test(dial, tcp_meets_on_a_port_that_the_kernel_chose) { meet("tcp!127.0.0.1!0"); }

Test(dial, every_interface_includes_this_host) { meet("tcp!*!0"); }

/* A bare root has no /etc/hosts, so no name that is sure to be known. */
Test(dial, a_name_is_looked_up) {
  struct addrinfo *list;
  if (getaddrinfo("localhost", NULL, NULL, &list) != 0)
    cr_skip_test("nobody knows localhost here");
  freeaddrinfo(list);
  meet("localhost:0");
}

Test(dial, unix_sockets_meet_and_are_private) {
  styx_addr a = at(sock), bound;
  struct stat st;
  char peer[16];
  int l = announce(&a, &bound), c, s;
  cr_assert_str_eq(bound.path, sock);
  cr_assert_eq(stat(sock, &st), 0);
  cr_assert_eq(st.st_mode & 07777, 0600);
  cr_assert_eq(styx_dial(&a, &c), STYX_OK);
  s = accept_one(l, peer, sizeof peer);
  cr_assert_str_eq(peer, "unix");
  cr_assert(closes_on_exec(l) && closes_on_exec(c) && closes_on_exec(s));
  cr_assert(!blocks(l) && blocks(c) && !blocks(s));
  talk(s, c);
  close(l), close(c), close(s);
}

Test(dial, nobody_waiting_is_eagain) {
  styx_addr a = at(sock);
  int l = announce(&a, NULL), fd = -7;
  cr_assert_eq(styx_accept(l, &fd, NULL, 0), EAGAIN);
  cr_assert_eq(fd, -7);
  close(l);
}

Test(dial, a_dead_unix_socket_is_replaced) {
  styx_addr a = at(sock);
  int l = announce(&a, NULL), c;
  close(l);
  cr_assert_eq(access(sock, F_OK), 0);
  cr_assert_eq(styx_dial(&a, &c), ECONNREFUSED);
  l = announce(&a, NULL);
  cr_assert_eq(styx_dial(&a, &c), STYX_OK);
  close(l), close(c);
}

Test(dial, a_live_unix_socket_is_left_alone) {
  styx_addr a = at(sock);
  int l = announce(&a, NULL), fd = -7, c;
  cr_assert_eq(styx_announce(&a, &fd, NULL), EADDRINUSE);
  cr_assert_eq(fd, -7);
  cr_assert_eq(styx_dial(&a, &c), STYX_OK);
  close(l), close(c);
}

Test(dial, a_file_that_is_no_socket_is_left_alone) {
  styx_addr a = at(sock);
  int fd = open(sock, O_CREAT | O_WRONLY, 0600);
  cr_assert_eq(write(fd, "keep", 4), 4);
  close(fd);
  cr_assert_eq(styx_announce(&a, &fd, NULL), EEXIST);
  struct stat st;
  cr_assert_eq(stat(sock, &st), 0);
  cr_assert(S_ISREG(st.st_mode) && st.st_size == 4);
}

Test(dial, a_port_in_use_is_an_error) {
  styx_addr a = at("tcp!127.0.0.1!0"), bound;
  int l = announce(&a, &bound), fd = -7;
  cr_assert_eq(styx_announce(&bound, &fd, NULL), EADDRINUSE);
  cr_assert_eq(fd, -7);
  close(l);
}

Test(dial, where_nobody_listens_dialling_fails) {
  styx_addr a = at("tcp!127.0.0.1!0"), bound, nowhere = at(sock);
  int l = announce(&a, &bound), fd = -7;
  close(l);
  cr_assert_eq(styx_dial(&bound, &fd), ECONNREFUSED);
  cr_assert_eq(styx_dial(&nowhere, &fd), ENOENT);
  cr_assert_eq(fd, -7);
}

Test(dial, an_unknown_host_or_service_is_eaddrnotavail) {
  styx_addr a = at("tcp!127.0.0.1!no-such-service"), b = at("tcp!256.256.256.256!1");
  int fd = -7;
  cr_assert_eq(styx_dial(&a, &fd), EADDRNOTAVAIL);
  cr_assert_eq(styx_announce(&a, &fd, NULL), EADDRNOTAVAIL);
  cr_assert_eq(styx_dial(&b, &fd), EADDRNOTAVAIL);
  cr_assert_eq(fd, -7);
}
