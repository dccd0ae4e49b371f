/* styxd_listen.c: where to listen, whether that is wise, and doing it. */
#include "styxd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory under the temporary one that is the user's alone, or NULL; said. */
static const char *private_dir(void) {
  static char dir[256];
  const char *tmp = getenv("TMPDIR");
  struct stat st;
  int n = snprintf(dir, sizeof dir, "%s/styxd-%u", tmp && *tmp == '/' ? tmp : "/tmp", (unsigned)getuid());
  if (n < 0 || (size_t)n >= sizeof dir)
    errno = ENAMETOOLONG;
  else if ((mkdir(dir, 0700) == 0 || errno == EEXIST) && lstat(dir, &st) == 0) {
    if (S_ISDIR(st.st_mode) && st.st_uid == getuid() && (st.st_mode & 077) == 0)
      return dir;
    errno = EPERM; /* somebody else was here first */
  }
  styxd_complain("%s is no place for a socket (%s); choose an address with -l", dir, strerror(errno));
  return NULL;
}

bool styxd_listen_default(struct styxd_options *o) {
  char text[512] = "tcp!127.0.0.1!5640";
  const char *why = NULL, *runtime = getenv("XDG_RUNTIME_DIR"), *dir;
  bool directories = false;
  if (o->nlisten + o->ninherited > 0)
    return true;
  for (size_t i = 0; i < o->nexports; i++)
    directories |= o->exports[i].path != NULL;
  if (directories) {
    dir = runtime && *runtime == '/' ? runtime : geteuid() == 0 ? "/run" : private_dir();
    if (!dir)
      return false;
    snprintf(text, sizeof text, "unix!%s/styxd", dir);
  }
  o->listen = calloc(1, sizeof *o->listen);
  if (!o->listen)
    return false;
  if (!styx_addr_parse(o->listen, text, &why)) {
    o->nlisten = 1;
    return true;
  }
  styxd_complain("%s: %s; choose an address with -l", text, why);
  return false;
}

static bool is_loopback(const styx_addr *a) {
  return strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0 || strcmp(a->host, "localhost") == 0;
}

static bool allowed_at(const struct styxd_options *o, const styx_addr *addr) {
  char text[512];
  if (o->auth == STYXD_AUTH_PEER && addr->net == STYX_NET_TCP) {
    styx_addr_print(text, sizeof text, addr);
    styxd_complain("--auth peer: nobody could attach at %s, where nothing tells who runs a client: listen on a Unix "
                   "socket (-l unix!PATH), or use --auth secret:FILE",
                   text);
    return false;
  }
  if (o->auth != STYXD_AUTH_NONE || o->no_auth)
    return true;
  for (size_t j = 0; j < o->nexports && addr->net == STYX_NET_TCP; j++) {
    const struct styxd_export *e = &o->exports[j];
    bool named = e->path && o->user_map; /* then a name opens what its user may read */
    if ((e->readonly && !named) || (!e->path && is_loopback(addr)))
      continue;
    styx_addr_print(text, sizeof text, addr);
    if (named) {
      styxd_complain(
          "anybody who reaches %s could be any user of %s: listen on a Unix socket (-l unix!PATH), or accept that "
          "with --no-auth",
          text, o->user_map);
      return false;
    }
    styxd_complain("%s could be written by anybody who reaches %s: %slisten on a Unix socket (-l unix!PATH), or accept "
                   "that with --no-auth; or ask who they are (--auth)",
                   e->path ? e->path : e->name, text, e->path ? "export it read-only (,ro), " : "");
    return false;
  }
  return true;
}

bool styxd_listen_allowed(const struct styxd_options *o) {
  bool ok = true;
  for (size_t i = 0; i < o->nlisten && ok; i++)
    ok = allowed_at(o, &o->listen[i]);
  for (size_t i = 0; i < o->ninherited && ok; i++)
    ok = allowed_at(o, &o->inherited[i].addr);
  return ok;
}

static const char *advice(styx_err err) {
  switch (err) {
  case EADDRINUSE:
    return "; another server has it: choose another address with -l";
  case EADDRNOTAVAIL:
    return "; that is no address of this machine (the path of a socket begins with / or ./)";
  case EEXIST:
  case ENOTSOCK:
    return "; a file that is no socket is there";
  case EACCES:
    return "; choose another place with -l";
  default:
    return "";
  }
}

static bool listen_on(const styx_addr *addr, struct styxd_listener *out) {
  char text[512];
  struct stat st;
  styx_err err = styx_announce(addr, &out->fd, &out->addr);
  if (err) {
    styx_addr_print(text, sizeof text, addr);
    styxd_complain("cannot listen on %s: %s%s", text, styx_err_text(err), advice(err));
    return false;
  }
  if (addr->net == STYX_NET_UNIX && lstat(addr->path, &st) == 0) {
    out->dev = st.st_dev;
    out->ino = st.st_ino;
  }
  return true;
}

/* Whoever attaches will be asked who he is: so everybody may connect. */
static bool let_all_connect(const struct styxd_listener *listeners, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (listeners[i].ino && fchmodat(AT_FDCWD, listeners[i].addr.path, 0666, AT_SYMLINK_NOFOLLOW)) {
      styxd_complain("cannot let everybody connect to %s: %s", listeners[i].addr.path, strerror(errno));
      return false;
    }
  return true;
}

bool styxd_listen(const struct styxd_options *o, struct styxd_listener *out, size_t *n) {
  for (*n = 0; *n < o->nlisten; ++*n)
    if (!listen_on(&o->listen[*n], &out[*n])) {
      styxd_listen_close(out, *n);
      return false;
    }
  if (o->auth != STYXD_AUTH_NONE && !let_all_connect(out, *n)) {
    styxd_listen_close(out, *n);
    return false;
  }
  for (size_t i = 0; i < o->ninherited; i++)
    if (!o->inherited[i].connected)
      out[(*n)++] = (struct styxd_listener){.addr = o->inherited[i].addr, .fd = o->inherited[i].fd};
  return true;
}

void styxd_listen_close(struct styxd_listener *listeners, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const struct styxd_listener *l = &listeners[i];
    struct stat st;
    if (l->ino && lstat(l->addr.path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino && unlink(l->addr.path))
      styxd_log(NULL, STYX_LOG_DEBUG, "", "the socket stays behind", strerror(errno));
    if (!l->given)
      close(l->fd);
  }
}
