/* styxd.h: what the files of styxd share. It runs on one thread. */
#ifndef STYXD_H
#define STYXD_H

#include <styx/server.h>
#include <styx/session.h>

#include <sys/types.h>

/* Exit statuses: 0 an orderly end; 1 could not start, or requests stuck at the end; 2 a wrong command line. */
enum { STYXD_OK = 0, STYXD_FAILED = 1, STYXD_USAGE = 2 };

/* ---- options: styxd_options.c, styxd_values.c ---- */

/* One -e or --mem, in the order of the command line. */
struct styxd_export {
  char *name; /* NULL: none */
  char *path; /* NULL: memory */
  bool readonly;
  void *fs; /* styx_hostfs or styx_memfs, once opened */
};

struct styxd_options {
  styx_addr *listen;
  size_t nlisten;
  struct styxd_export *exports;
  size_t nexports;
  styx_limits limits;
  size_t max_connections;
  uint64_t grace; /* ns */
  styx_level log_level;
  const char *runas; /* NULL: not given */
  int ready_fd;      /* -1: none */
  bool no_auth, trace, help, version;
};

/* Fill o from the command line; false when that is wrong, which has been said on stderr. Allocates lists that live as
 * long as the program. */
bool styxd_options_parse(struct styxd_options *o, int argc, char **argv);
void styxd_usage(void); /* --help, on stdout */

/* Numbers as people write them. Each returns NULL, or what is wrong with text. */
const char *styxd_parse_count(const char *text, uint64_t *out);
const char *styxd_parse_size(const char *text, uint64_t *out);    /* K, M and G are powers of 1024 */
const char *styxd_parse_seconds(const char *text, uint64_t *out); /* decimal; ns out */
const char *styxd_parse_export(const char *text, struct styxd_export *out);
const char *styxd_parse_mem(const char *name, struct styxd_export *out);

/* Say on stderr why styxd does not start. */
void styxd_complain(const char *fmt, ...) STYX_PRINTF(1, 2);

/* ---- exports: styxd_exports.c ---- */

/* Open each; out has room for all. False when one cannot be opened, which has been said. */
bool styxd_exports_open(struct styxd_export *exports, size_t n, const char *owner, styx_export *out);
void styxd_exports_close(struct styxd_export *exports, size_t n);

/* ---- listeners: styxd_listen.c ---- */

struct styxd_listener {
  styx_addr addr;
  int fd;
  dev_t dev; /* of a Unix socket, to know it again */
  ino_t ino;
};

/* Where to listen when nothing is said: design.md 6. */
bool styxd_listen_default(const struct styxd_export *exports, size_t n, styx_addr *out);
/* False if somebody who has not shown who he is could write; said. */
bool styxd_listen_allowed(const struct styxd_options *o);
bool styxd_listen(const struct styxd_options *o, struct styxd_listener *out);
/* Closes, and removes Unix sockets that are still ours. */
void styxd_listen_close(struct styxd_listener *listeners, size_t n);

/* ---- who runs: styxd_user.c ---- */

struct styxd_user {
  char name[64];
  uid_t uid;
  gid_t gid;
};

void styxd_user_now(struct styxd_user *out);
/* Root becomes runas, or nobody; Unix sockets follow a runas that was given. False when that fails; said. */
bool styxd_user_become(const char *runas, const struct styxd_listener *listeners, size_t n);

/* ---- instructions on stdout: styxd_print.c ---- */

void styxd_print(const struct styxd_options *o, const struct styxd_listener *listeners, const struct styxd_user *user,
                 const char *program);

/* ---- log: styxd_log.c ---- */

void styxd_log_level(styx_level most);
/* One logfmt line on stderr; at most 10 a second about one peer, then their number. */
void styxd_log(void *arg, styx_level level, const char *peer, const char *what, const char *detail);
void styxd_log_end(void); /* the numbers that are still to be said */
void styxd_log_message(void *arg, const char *peer, bool out, const styx_msg *msg);

#endif
