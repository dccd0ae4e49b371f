/* activate.c: starts a server as service managers do.
 *
 *     activate listen ADDRESS PROGRAM ARGUMENT...   becomes PROGRAM, with a listening socket at 3 (LISTEN_FDS)
 *     activate accepted PROGRAM ARGUMENT...         the same with a connection at 3; converses; the program's exit status
 *     activate inetd PROGRAM ARGUMENT...            the same with the connection at 0, 1 and 2
 *     activate notify SOCKET PROGRAM ARGUMENT...    listens at SOCKET (NOTIFY_SOCKET) for READY=1, sends SIGTERM, listens for
 *                                                   STOPPING=1; the program's exit status
 */
#include <styx/client.h>
#include <styx/server.h>

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "activate: %s: %s\n", what, why);
  exit(99);
}

static _Noreturn void become(char **argv) {
  execvp(argv[0], argv);
  fail(argv[0], "cannot be started");
}

/* fd becomes FIRST_FD, blocking and open over exec; the next program is told of it. */
static void hand_over(int fd) {
  char pid[32];
  if (fd != FIRST_FD && dup2(fd, FIRST_FD) < 0)
    fail("dup2", "failed");
  fcntl(FIRST_FD, F_SETFD, 0);
  fcntl(FIRST_FD, F_SETFL, 0);
  snprintf(pid, sizeof pid, "%ld", (long)getpid());
  setenv("LISTEN_PID", pid, 1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_FDNAMES", "styxd.socket", 1);
}

static int status_of(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) != child)
    fail("waitpid", "failed");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

/* ---- listen ---- */

static void do_listen(char **argv) {
  styx_addr addr;
  int fd;
  if (styx_addr_parse(&addr, argv[0], NULL) || styx_announce(&addr, &fd, NULL))
    fail("cannot listen", argv[0]);
  hand_over(fd);
  become(argv + 1);
}

/* ---- accepted, inetd ---- */

static void converse(int fd) {
  static const char text[] = "through a socket that was handed over";
  char back[sizeof text];
  styx_client *c;
  styx_opened opened;
  uint32_t fid, n = 0;
  styx_err err = styx_client_new(&c, fd, NULL);
  if (!err)
    err = styx_client_attach(c, "activate", "", &fid, NULL);
  if (!err)
    err = styx_client_create(c, fid, "note", 0666, STYX_ORDWR, &opened);
  if (!err)
    err = styx_client_write(c, fid, 0, text, sizeof text, &n);
  if (!err)
    err = styx_client_read(c, fid, 0, back, sizeof back, &n);
  if (err)
    fail("the conversation failed", styx_client_words());
  if (n != sizeof text || memcmp(text, back, n) != 0)
    fail("the conversation failed", "something else was read");
  styx_client_free(c);
}

static int do_connection(char **argv, bool inetd) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
    fail("socketpair", "failed");
  pid_t child = fork();
  if (child == 0) {
    for (int fd = STDIN_FILENO; inetd && fd <= STDERR_FILENO; fd++)
      dup2(pair[1], fd);
    if (!inetd)
      hand_over(pair[1]);
    become(argv);
  }
  close(pair[1]);
  converse(pair[0]);
  return status_of(child);
}

/* ---- notify ---- */

static int notify_socket(const char *name) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  const struct timeval patience = {.tv_sec = 30};
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  size_t len = strlen(name);
  if (len >= sizeof at.sun_path)
    fail(name, "too long");
  memcpy(at.sun_path, name, len);
  if (*name == '@')
    at.sun_path[0] = '\0';
  if (bind(fd, (const struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
    fail(name, "cannot be bound");
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

static void expect(int fd, const char *want) {
  char text[256];
  ssize_t n = recv(fd, text, sizeof text - 1, 0);
  text[n < 0 ? 0 : n] = '\0';
  if (strcmp(text, want) != 0)
    fail(want, *text ? text : "nothing was said");
}

static int do_notify(char **argv) {
  int fd = notify_socket(argv[0]);
  setenv("NOTIFY_SOCKET", argv[0], 1);
  pid_t child = fork();
  if (child == 0)
    become(argv + 1);
  expect(fd, "READY=1");
  kill(child, SIGTERM);
  expect(fd, "STOPPING=1");
  return status_of(child);
}

int main(int argc, char **argv) {
  if (argc > 3 && strcmp(argv[1], "listen") == 0)
    do_listen(argv + 2);
  if (argc > 2 && strcmp(argv[1], "accepted") == 0)
    return do_connection(argv + 2, false);
  if (argc > 2 && strcmp(argv[1], "inetd") == 0)
    return do_connection(argv + 2, true);
  if (argc > 3 && strcmp(argv[1], "notify") == 0)
    return do_notify(argv + 2);
  fail("usage", "activate listen|accepted|inetd|notify ...");
}
