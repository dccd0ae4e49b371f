/* styxd_print.c: what styxd serves, where, and the lines to paste to use it. */
#include "styxd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As one word of a shell, in quotes only where it needs them. An exclamation mark would start history expansion. */
static void print_word(const char *word) {
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@";
  if (*word && word[strspn(word, safe)] == '\0') {
    fputs(word, stdout);
    return;
  }
  putchar('\'');
  for (; *word; word++)
    if (*word == '\'')
      fputs("'\\''", stdout);
    else
      putchar(*word);
  putchar('\'');
}

/* Where a client on this machine finds the listener: a path, or a number for host and port. */
struct target {
  bool unix_socket, v4;
  char host[256], port[32];
  char path[4096];
};

static void target_tcp(const struct styxd_listener *l, struct target *t) {
  union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
  } at = {0};
  socklen_t len = sizeof at;
  snprintf(t->port, sizeof t->port, "%s", l->addr.port);
  snprintf(t->host, sizeof t->host, "%s", l->addr.host);
  if (getsockname(l->fd, &at.any, &len))
    return;
  /* every interface: the old loopback too */
  t->v4 = at.any.sa_family == AF_INET || *l->addr.host == '\0';
  if (*l->addr.host == '\0' || (t->v4 && at.in.sin_addr.s_addr == htonl(INADDR_ANY)))
    snprintf(t->host, sizeof t->host, "127.0.0.1");
  else if (t->v4)
    inet_ntop(AF_INET, &at.in.sin_addr, t->host, sizeof t->host);
  else if (IN6_IS_ADDR_UNSPECIFIED(&at.in6.sin6_addr))
    snprintf(t->host, sizeof t->host, "::1");
  else
    inet_ntop(AF_INET6, &at.in6.sin6_addr, t->host, sizeof t->host);
}

static void target_of(const struct styxd_listener *l, struct target *t) {
  *t = (struct target){.unix_socket = l->addr.net == STYX_NET_UNIX};
  if (!t->unix_socket)
    target_tcp(l, t);
  else if (!realpath(l->addr.path, t->path))
    snprintf(t->path, sizeof t->path, "%s", l->addr.path);
}

/* What an attach says to get this export; empty for the first, which needs nothing. */
static const char *aname_of(const struct styxd_options *o, size_t i) {
  const struct styxd_export *e = &o->exports[i];
  return e->name ? e->name : i == 0 ? "" : e->path;
}

static void print_mount(const struct styxd_options *o, const struct target *t, const struct styxd_user *user,
                        const char *aname) {
  char options[8192];
  if (!t->unix_socket && !t->v4) {
    printf("  (the Linux kernel does not mount over IPv6)\n");
    return;
  }
  if (o->auth == STYXD_AUTH_SECRET) {
    printf("  (the Linux kernel cannot mount this: it cannot say who it is)\n");
    return;
  }
  if (o->limits.msize < 4096 || strchr(aname, ',')) {
    printf("  (the Linux kernel cannot mount this: %s)\n",
           strchr(aname, ',') ? "a comma in its path; give it a name" : "it wants an msize of 4096 at least");
    return;
  }
  snprintf(options, sizeof options, "version=9p2000,trans=%s%s%s,uname=%s%s%s,dfltuid=%u,dfltgid=%u,msize=%llu",
           t->unix_socket ? "unix" : "tcp", t->unix_socket ? "" : ",port=", t->port, user->name,
           *aname ? ",aname=" : "", aname, (unsigned)user->uid, (unsigned)user->gid,
           (unsigned long long)o->limits.msize);
  fputs("  mount -t 9p -i -o ", stdout);
  print_word(options);
  putchar(' ');
  print_word(t->unix_socket ? t->path : t->host);
  fputs(" /mnt\n", stdout);
}

/* The styx that lies beside this styxd, unless both are found by name. */
static void print_program(const char *program) {
  const char *slash = strrchr(program, '/');
  char path[4096];
  int n = slash ? snprintf(path, sizeof path, "%.*s/styx", (int)(slash - program), program) : 0;
  print_word(n > 0 && (size_t)n < sizeof path && access(path, X_OK) == 0 ? path : "styx");
}

static void print_styx(const struct styxd_options *o, const struct target *t, const char *aname, const char *program) {
  char address[sizeof t->path];
  snprintf(address, sizeof address, t->v4 ? "%s:%s" : "[%s]:%s", t->host, t->port);
  fputs("  ", stdout);
  print_program(program);
  fputs(" -a ", stdout);
  print_word(t->unix_socket ? t->path : address);
  if (o->auth == STYXD_AUTH_SECRET) {
    fputs(" --auth secret:", stdout);
    print_word(o->secrets);
  }
  if (*aname) {
    fputs(" -A ", stdout);
    print_word(aname);
  }
  fputs(" ls /\n", stdout);
}

/* An abstract Unix socket cannot be named to them. */
static bool can_be_named(const struct styxd_listener *l) {
  return l->addr.net == STYX_NET_TCP || (*l->addr.path && *l->addr.path != '@');
}

void styxd_print(const struct styxd_options *o, const struct styxd_listener *listeners, size_t n,
                 const struct styxd_user *user, const char *program) {
  char text[512];
  struct target target;
  for (size_t i = 0; i < n; i++) {
    styx_addr_print(text, sizeof text, &listeners[i].addr);
    printf("styxd: listening on %s\n", text);
  }
  for (size_t i = 0; i < o->nexports; i++) {
    const struct styxd_export *e = &o->exports[i];
    printf("styxd: export %s%s%s%s%s\n", e->name ? e->name : "", e->name && e->path ? ": " : "", e->path ? e->path : "",
           e->path ? "" : ": files in memory", e->readonly ? ", read-only" : "");
    for (size_t j = 0; j < n; j++) {
      if (!can_be_named(&listeners[j]))
        continue;
      target_of(&listeners[j], &target);
      print_mount(o, &target, user, aname_of(o, i));
      print_styx(o, &target, aname_of(o, i), program);
    }
  }
  fflush(stdout);
}
