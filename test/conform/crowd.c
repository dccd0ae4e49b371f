/* crowd.c: company for a server under measurement: connections that attach and then say nothing, and one that asks and asks
 * and never reads a reply.
 *
 *   crowd ADDRESS IDLE
 *
 * Prints "ready" when all are there, "dropped" when the server has ended the one that does not read, then waits for end of
 * file on its standard input. Exit status 1 if anything else happens to any of them. */
#include <styx/server.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what) {
  fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
  return 1;
}

static bool say(int fd, styx_msg t) {
  uint8_t buf[8192];
  ptrdiff_t len = styx_encode(buf, sizeof buf, &t, STYX_9P2000);
  return len > 0 && send(fd, buf, (size_t)len, MSG_NOSIGNAL) == len;
}

/* The two replies to Tversion and Tattach are short and come whole. */
static bool hear(int fd) {
  uint8_t head[4], rest[512];
  if (recv(fd, head, 4, MSG_WAITALL) != 4 || head[0] < STYX_HDRSZ)
    return false;
  return recv(fd, rest, head[0] - 4u, MSG_WAITALL) == head[0] - 4 && rest[0] != STYX_Rerror;
}

static int enter(const styx_addr *addr) {
  int fd;
  styx_msg version = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = STYX_STR("9P2000")};
  styx_msg attach = {.type = STYX_Tattach, .tag = 1, .fid = 0, .afid = STYX_NOFID, .uname = STYX_STR("crowd")};
  if (styx_dial(addr, &fd))
    return -1;
  if (say(fd, version) && hear(fd) && say(fd, attach) && hear(fd))
    return fd;
  close(fd);
  return -1;
}

/* Ask until the socket takes no more, and go on when it does; true when the server has hung up. */
static bool ask_for_ever(int fd) {
  uint8_t stat[11] = {11, 0, 0, 0, STYX_Tstat, 2, 0, 0, 0, 0, 0};
  for (uint16_t tag = 2;; tag = (uint16_t)(tag == 60000 ? 2 : tag + 1)) {
    stat[5] = (uint8_t)tag;
    stat[6] = (uint8_t)(tag >> 8);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, -1) < 0 && errno != EINTR)
      return false;
    if (send(fd, stat, sizeof stat, MSG_NOSIGNAL) < 0)
      return errno == EPIPE || errno == ECONNRESET;
  }
}

int main(int argc, char **argv) {
  styx_addr addr;
  struct rlimit files;
  int idle = argc == 3 ? atoi(argv[2]) : -1;
  if (idle < 0 || styx_addr_parse(&addr, argv[1], NULL)) {
    fprintf(stderr, "usage: crowd ADDRESS IDLE\n");
    return 2;
  }
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int *fds = calloc((size_t)idle + 1, sizeof *fds);
  for (int i = 0; fds && i <= idle; i++)
    if ((fds[i] = enter(&addr)) < 0)
      return fail("attach");
  if (!fds)
    return fail("memory");
  puts("ready");
  fflush(stdout);
  if (!ask_for_ever(fds[idle]))
    return fail("the connection that does not read");
  puts("dropped");
  fflush(stdout);
  while (getchar() != EOF)
    ;
  for (int i = 0; i < idle; i++)
    if (recv(fds[i], &(char){0}, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
      return fail("an idle connection is gone");
  free(fds);
  return 0;
}
