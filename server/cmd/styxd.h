/* styxd.h: what the files of styxd share. Only the log is used by many threads. */
#ifndef STYXD_H
#define STYXD_H

#include <styx/filter.h>
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
  bool special;           /* a directory: FIFOs and devices may be opened */
  bool squash_all, trust; /* a directory: everybody is nobody; uid 0 of the user map is root */
  uint64_t bytes, files;  /* memory: at most so many; 0: any number */
  void *fs;               /* styx_hostfs or styx_memfs, once opened */
};

/* A socket that somebody else has made and handed over. */
struct styxd_inherited {
  int fd;
  bool connected; /* else it listens */
  styx_addr addr; /* ours; the name of an abstract Unix socket begins with '@' */
  char peer[512]; /* of a connection */
};

/* --auth */
enum styxd_auth { STYXD_AUTH_NONE, STYXD_AUTH_PEER, STYXD_AUTH_SECRET };

struct styxd_options {
  styx_addr *listen;
  size_t nlisten;
  struct styxd_export *exports;
  size_t nexports;
  const char **filters; /* outermost first */
  size_t nfilters;
  struct styxd_inherited *inherited;
  size_t ninherited;
  styx_limits limits;
  uint32_t workers, readers, spare, run_quota, max_connections; /* as in styx_server_config: 0 for its default */
  uint64_t grace;                                               /* ns */
  styx_level log_level;
  enum styxd_auth auth;
  const char *secrets;    /* the file, of STYXD_AUTH_SECRET */
  const char *runas;      /* NULL: not given */
  const char *user_map;   /* a file; NULL: none */
  const char *trace_file; /* NULL: none */
  int ready_fd;           /* -1: none */
  bool no_auth, trace, inetd, no_lending, help, version;
  bool once; /* nothing listens: the end of the last connection is ours */
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

/* ---- the user map: styxd_map.c ---- */

typedef struct styx_hostfs_user styx_hostfs_user; /* styx/hostfs.h */

/* The rows of a file, and their number. False when it cannot be read or a line is wrong, which has been said; nothing is left
 * then. */
bool styxd_map_read(const char *file, styx_hostfs_user **rows, size_t *n);
void styxd_map_free(styx_hostfs_user *rows, size_t n);

/* ---- exports: styxd_exports.c ---- */

/* Open each; out has room for all. map: the user map's file, or NULL. False when one cannot be opened, which has been said. */
bool styxd_exports_open(struct styxd_export *exports, size_t n, const char *owner, const char *map, styx_export *out);
void styxd_exports_close(struct styxd_export *exports, size_t n);

/* ---- who may attach: styxd_auth.c ---- */

/* Every export asks for it. False when that cannot be, which has been said. *secrets is to be freed, NULL if there are none. */
bool styxd_auth_open(const struct styxd_options *o, styx_export *exports, styx_secrets **secrets);

/* ---- filters: styxd_filters.c ---- */

struct styxd_filters {
  styx_filter **list;
  size_t n;
};

/* Put all of them in front of each export. False when one cannot be made, which has been said; nothing is left then. */
bool styxd_filters_open(const struct styxd_options *o, styx_export *exports, struct styxd_filters *out);
void styxd_filters_close(struct styxd_filters *all);

/* ---- listeners: styxd_listen.c ---- */

struct styxd_listener {
  styx_addr addr;
  int fd;
  dev_t dev; /* of a Unix socket that we have made, to know it again; else 0 */
  ino_t ino;
  bool given; /* the server closes it */
};

/* Where to listen when nothing is said and nothing inherited: design.md 6. */
bool styxd_listen_default(struct styxd_options *o);
/* False if somebody who has not shown who he is could write; said. */
bool styxd_listen_allowed(const struct styxd_options *o);
/* What listens: -l, then what was inherited. Fills out, which has room for nlisten + ninherited, and n. */
bool styxd_listen(const struct styxd_options *o, struct styxd_listener *out, size_t *n);
/* Closes what the server does not, and removes Unix sockets that are still ours. */
void styxd_listen_close(struct styxd_listener *listeners, size_t n);

/* ---- sockets of others: styxd_activate.c ---- */

/* Fill o->inherited from LISTEN_FDS and for --inetd. False when that goes wrong, which has been said. */
bool styxd_inherit(struct styxd_options *o);
/* Tell the service manager, if one listens at NOTIFY_SOCKET. */
void styxd_notify(const char *state);

/* ---- who runs: styxd_user.c ---- */

struct styxd_user {
  char name[64];
  uid_t uid;
  gid_t gid;
};

void styxd_user_now(struct styxd_user *out);
/* Does somebody act as a user of the host that is not styxd's own? Then root stays root. */
bool styxd_user_acts(const struct styxd_options *o);
/* Root becomes runas, or nobody; Unix sockets follow a runas that was given. Or it stays what it is, with no power but that over
 * files and over who it is. False when that fails; said. */
bool styxd_user_become(const struct styxd_options *o, const struct styxd_listener *listeners, size_t n);

/* ---- instructions on stdout: styxd_print.c ---- */

void styxd_print(const struct styxd_options *o, const struct styxd_listener *listeners, size_t n,
                 const struct styxd_user *user, const char *program);

/* ---- serving: styxd_serve.c ---- */

struct styxd_job {
  const struct styxd_options *options;
  const styx_export *exports;
  const struct styxd_filters *filters; /* in front of them */
  struct styxd_listener *listeners;
  size_t nlisteners;
  void (*ready)(void *arg); /* the first client can come */
  void *arg;
};

/* Serve until a signal, or for once until the last connection ends; the exit status. After a failure requests may be stuck
 * in the exports: then all that is left to do is to exit. */
int styxd_serve(const struct styxd_job *job);

/* ---- log: styxd_log.c ---- */

void styxd_log_level(styx_level most);
/* Any thread. One logfmt line on stderr; at most 10 a second about one peer, then their number. */
void styxd_log(void *arg, styx_level level, const char *peer, const char *what, const char *detail);
void styxd_log_end(void); /* the numbers that are still to be said */
void styxd_log_message(void *arg, const char *peer, bool out, const styx_msg *msg);

/* ---- the trace in a file: styxd_trace.c ---- */

/* Any thread but for open, which comes first. What goes wrong is logged once, and ends the trace only. name is kept. */
void styxd_trace_open(const char *name);
void styxd_trace_message(void *arg, const char *peer, void **own, bool out, const styx_span *spans, size_t n);
void styxd_trace_close(void);

#endif
