/* accept.c: listening sockets and the connections that arrive on them. */
#include "server/system.h"

#include <styx/server.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

static styx_err fail(int fd, int err) {
  if (fd >= 0)
    close(fd);
  return err;
}

/* ---- Unix ---- */

/* Is somebody accepting there? 0: nobody; EEXIST: it is no socket; else what connecting says. */
static styx_err probe(const struct sockaddr_un *sun) {
  struct stat st;
  if (lstat(sun->sun_path, &st) != 0)
    return errno == ENOENT ? STYX_OK : errno;
  if (!S_ISSOCK(st.st_mode))
    return EEXIST;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return errno;
  int err = connect(fd, (const struct sockaddr *)sun, sizeof *sun) == 0 ? EADDRINUSE : errno;
  close(fd);
  if (err == ECONNREFUSED || err == ENOENT)
    return STYX_OK;
  return err == EAGAIN ? EADDRINUSE : err;
}

static styx_err bind_unix(int fd, const struct sockaddr_un *sun) {
  /* The file of the socket takes the mode of the descriptor, so it is never open to others, not even for a moment. */
  if (fchmod(fd, 0600) != 0)
    return errno;
  if (bind(fd, (const struct sockaddr *)sun, sizeof *sun) == 0)
    return STYX_OK;
  if (errno != EADDRINUSE)
    return errno;
  styx_err err = probe(sun);
  if (err)
    return err;
  if (unlink(sun->sun_path) != 0 && errno != ENOENT)
    return errno;
  return bind(fd, (const struct sockaddr *)sun, sizeof *sun) == 0 ? STYX_OK : errno;
}

static styx_err announce_unix(const styx_addr *addr, int *out) {
  struct sockaddr_un sun = {.sun_family = AF_UNIX};
  memcpy(sun.sun_path, addr->path, strnlen(addr->path, sizeof sun.sun_path - 1));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return errno;
  styx_err err = bind_unix(fd, &sun);
  if (err)
    return fail(fd, err);
  setsockopt(fd, SOL_SOCKET, SX_PASSRIGHTS, &(int){0}, sizeof(int)); /* where the kernel cannot, receiving costs more */
  if (listen(fd, BACKLOG) != 0)
    return fail(fd, errno);
  *out = fd;
  return STYX_OK;
}

/* ---- TCP ---- */

static styx_err announce_one(const struct addrinfo *ai, int *out) {
  int one = 1, zero = 0;
  int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return errno;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0)
    return fail(fd, errno);
  if (ai->ai_family == AF_INET6)
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
    return fail(fd, errno);
  *out = fd;
  return STYX_OK;
}

/* IPv6 first where every interface is meant, since such a socket serves both families. */
static styx_err announce_tcp(const styx_addr *addr, int *out) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
  bool any = addr->host[0] == '\0';
  if (getaddrinfo(any ? NULL : addr->host, addr->port, &hints, &list) != 0)
    return EADDRNOTAVAIL;
  styx_err err = EADDRNOTAVAIL;
  for (int pass = any ? 0 : 1; pass < 2 && err; pass++)
    for (struct addrinfo *ai = list; ai && err; ai = ai->ai_next)
      if (pass == 1 || ai->ai_family == AF_INET6)
        err = announce_one(ai, out);
  freeaddrinfo(list);
  return err;
}

static styx_err name_of(const struct sockaddr *sa, socklen_t len, char *host, size_t hostcap, char *port,
                        size_t portcap) {
  int rc = getnameinfo(sa, len, host, (socklen_t)hostcap, port, (socklen_t)portcap, NI_NUMERICHOST | NI_NUMERICSERV);
  return rc == 0 ? STYX_OK : EADDRNOTAVAIL;
}

static styx_err bound_port(int fd, styx_addr *bound) {
  struct sockaddr_storage ss;
  socklen_t len = sizeof ss;
  char host[sizeof bound->host];
  if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
    return errno;
  return name_of((struct sockaddr *)&ss, len, host, sizeof host, bound->port, sizeof bound->port);
}

styx_err styx_announce(const styx_addr *addr, int *fd, styx_addr *bound) {
  int s = -1;
  styx_addr b = *addr;
  styx_err err = addr->net == STYX_NET_UNIX ? announce_unix(addr, &s) : announce_tcp(addr, &s);
  if (err)
    return err;
  if (addr->net == STYX_NET_TCP && (err = bound_port(s, &b)) != STYX_OK)
    return fail(s, err);
  if (bound)
    *bound = b;
  *fd = s;
  return STYX_OK;
}

/* ---- accepting ---- */

static void print_peer(const struct sockaddr *sa, socklen_t len, char *peer, size_t cap) {
  char host[256], port[32];
  if (sa->sa_family == AF_UNIX)
    snprintf(peer, cap, "unix");
  else if (name_of(sa, len, host, sizeof host, port, sizeof port) == STYX_OK)
    snprintf(peer, cap, "tcp!%s!%s", host, port);
  else
    snprintf(peer, cap, "unknown");
}

styx_err styx_accept(int listener, int *fd, char *peer, size_t cap) {
  struct sockaddr_storage ss = {0};
  int one = 1, s;
  socklen_t len;
  do { /* a connection that its peer gave up while it waited is no news */
    len = sizeof ss;
    s = accept4(listener, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (s < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (s < 0)
    return errno == EWOULDBLOCK ? EAGAIN : errno;
  if (ss.ss_family != AF_UNIX)
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (peer && cap > 0)
    print_peer((struct sockaddr *)&ss, len, peer, cap);
  *fd = s;
  return STYX_OK;
}
