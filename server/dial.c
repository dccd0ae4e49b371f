/* dial.c: connections to somebody else's listener. */
#include <styx/server.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A connect that a signal interrupts goes on in the kernel; its outcome is told by SO_ERROR. */
static styx_err finish_connect(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  int err = 0;
  socklen_t len = sizeof err;
  while (poll(&p, 1, -1) < 0)
    if (errno != EINTR)
      return errno;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
    return errno;
  return err;
}

static styx_err dial_one(int family, const struct sockaddr *sa, socklen_t len, int *out) {
  int one = 1;
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return errno;
  styx_err err = connect(fd, sa, len) == 0 ? STYX_OK : errno;
  if (err == EINTR)
    err = finish_connect(fd);
  if (err) {
    close(fd);
    return err;
  }
  if (family != AF_UNIX)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  *out = fd;
  return STYX_OK;
}

static styx_err dial_unix(const styx_addr *addr, int *fd) {
  struct sockaddr_un sun = {.sun_family = AF_UNIX};
  memcpy(sun.sun_path, addr->path, strnlen(addr->path, sizeof sun.sun_path - 1));
  return dial_one(AF_UNIX, (const struct sockaddr *)&sun, sizeof sun, fd);
}

styx_err styx_dial(const styx_addr *addr, int *fd) {
  if (addr->net == STYX_NET_UNIX)
    return dial_unix(addr, fd);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
  if (getaddrinfo(addr->host[0] ? addr->host : NULL, addr->port, &hints, &list) != 0)
    return EADDRNOTAVAIL;
  styx_err err = EADDRNOTAVAIL;
  for (struct addrinfo *ai = list; ai; ai = ai->ai_next)
    if ((err = dial_one(ai->ai_family, ai->ai_addr, ai->ai_addrlen, fd)) == STYX_OK)
      break;
  freeaddrinfo(list);
  return err;
}
