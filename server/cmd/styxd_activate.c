/* styxd_activate.c: started by somebody who has the sockets already: systemd's protocol for that and for telling it how we
 * are, spoken without its library; and inetd's, which is a connection on standard input. */
#include "styxd.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

/* ---- what we were given ---- */

static bool socket_int(int fd, int option, int *out) {
  socklen_t len = sizeof *out;
  return getsockopt(fd, SOL_SOCKET, option, out, &len) == 0;
}

/* The name of an abstract socket begins with '@' here. */
static void unix_name(styx_addr *out, const struct sockaddr_un *un, socklen_t len) {
  size_t n = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;
  out->net = STYX_NET_UNIX;
  if (n >= sizeof out->path)
    n = sizeof out->path - 1;
  memcpy(out->path, un->sun_path, n);
  if (n > 0 && out->path[0] == '\0')
    out->path[0] = '@';
}

typedef int name_fn(int fd, struct sockaddr *at, socklen_t *len);

static bool name_of(int fd, name_fn *name, styx_addr *out) {
  struct sockaddr_storage at = {0};
  socklen_t len = sizeof at;
  *out = (styx_addr){.net = STYX_NET_TCP};
  if (name(fd, (struct sockaddr *)&at, &len))
    return false;
  if (at.ss_family == AF_UNIX) {
    unix_name(out, (const struct sockaddr_un *)&at, len);
    return true;
  }
  return (at.ss_family == AF_INET || at.ss_family == AF_INET6) &&
         getnameinfo((const struct sockaddr *)&at, len, out->host, sizeof out->host, out->port, sizeof out->port,
                     NI_NUMERICHOST | NI_NUMERICSERV) == 0;
}

static bool add(struct styxd_options *o, const struct styxd_inherited *in) {
  struct styxd_inherited *list = reallocarray(o->inherited, o->ninherited + 1, sizeof *list);
  if (!list)
    return false;
  o->inherited = list;
  list[o->ninherited++] = *in;
  return true;
}

static bool inherit_fd(struct styxd_options *o, int fd) {
  struct styxd_inherited in = {.fd = fd};
  styx_addr peer;
  int type = 0, accepts = 0;
  if (!socket_int(fd, SO_TYPE, &type) || type != SOCK_STREAM || !socket_int(fd, SO_ACCEPTCONN, &accepts) ||
      !name_of(fd, getsockname, &in.addr)) {
    styxd_complain("descriptor %d, which was handed over, is no stream socket of TCP or Unix", fd);
    return false;
  }
  in.connected = !accepts;
  if (in.connected && name_of(fd, getpeername, &peer))
    styx_addr_print(in.peer, sizeof in.peer, &peer);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return add(o, &in);
}

/* ---- LISTEN_FDS: sockets from 3 on, for the process LISTEN_PID ---- */

static bool for_us(void) {
  const char *text = getenv("LISTEN_PID");
  uint64_t pid = 0;
  return text && !styxd_parse_count(text, &pid) && pid == (uint64_t)getpid();
}

static bool inherit_listen_fds(struct styxd_options *o) {
  const char *text = getenv("LISTEN_FDS"), *wrong;
  uint64_t n = 0;
  bool ok = true;
  if (text && for_us()) {
    wrong = styxd_parse_count(text, &n);
    if (wrong || n > 1024) {
      styxd_complain("LISTEN_FDS: \"%s\" %s", text, wrong ? wrong : "is too many");
      ok = false;
    }
    for (int fd = FIRST_FD; ok && fd < FIRST_FD + (int)n; fd++)
      ok = inherit_fd(o, fd);
  }
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  return ok;
}

/* ---- inetd: nothing but messages may go there ---- */

static bool same_file(int a, int b) {
  struct stat x, y;
  return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool inherit_stdin(struct styxd_options *o) {
  int type = 0, accepts = 0;
  if (!socket_int(STDIN_FILENO, SO_TYPE, &type) || type != SOCK_STREAM ||
      !socket_int(STDIN_FILENO, SO_ACCEPTCONN, &accepts) || accepts) {
    styxd_complain("--inetd: standard input is no connection");
    return false;
  }
  int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_FD), null = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool ok = fd >= 0 && null >= 0;
  for (int i = STDERR_FILENO; ok && i >= STDIN_FILENO; i--)
    if (same_file(fd, i))
      ok = dup2(null, i) >= 0;
  if (null >= 0)
    close(null);
  if (!ok)
    styxd_complain("--inetd: %s", strerror(errno));
  return ok && inherit_fd(o, fd);
}

bool styxd_inherit(struct styxd_options *o) {
  if (o->inetd && o->nlisten > 0) {
    styxd_complain("--inetd serves standard input alone: leave out -l");
    return false;
  }
  if (!inherit_listen_fds(o) || (o->inetd && !inherit_stdin(o)))
    return false;
  o->once = o->ninherited > 0 && o->nlisten == 0;
  for (size_t i = 0; i < o->ninherited; i++)
    o->once &= o->inherited[i].connected;
  return true;
}

/* ---- telling ---- */

void styxd_notify(const char *state) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  size_t len = path ? strlen(path) : 0;
  if (len == 0)
    return;
  if ((*path != '/' && *path != '@') || len >= sizeof at.sun_path) {
    styxd_log(NULL, STYX_LOG_WARN, "", "NOTIFY_SOCKET is no address of a Unix socket", path);
    return;
  }
  memcpy(at.sun_path, path, len);
  if (*path == '@')
    at.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path == '/'));
  if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&at, size) < 0)
    styxd_log(NULL, STYX_LOG_WARN, "", "nobody listens to NOTIFY_SOCKET", strerror(errno));
  if (fd >= 0)
    close(fd);
}
