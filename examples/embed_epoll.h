/* embed_epoll.h: serve filesystems to any number of connections from one thread and one epoll loop.
 *
 * This is what a program of yours would write around styx/session.h; take it and change it. Every
 * operation of the filesystems runs on the thread that called embed_serve, so one that blocks holds up all clients:
 * answer later instead (styx_later), from whatever thread you like. */
#ifndef EMBED_EPOLL_H
#define EMBED_EPOLL_H

#include <styx/session.h>

#define EMBED_CONNECTIONS 1024u
#define EMBED_GRACE 5000000000u /* ns */

struct embed_config {
  const styx_export *exports; /* at least one */
  size_t nexports;
  const int *listeners; /* from styx_announce; they stay the caller's */
  size_t nlisteners;
  const styx_limits *limits; /* NULL: the defaults */
  size_t max_connections;    /* one more is accepted and closed */
  uint64_t grace;            /* ns that SIGTERM gives to what is outstanding */

  /* All may be NULL; each gets arg. peer is who it is about ("tcp!127.0.0.1!51234"), "" for the server itself; detail
   * may be empty. Called on the serving thread. */
  void (*ready)(void *arg); /* every filesystem is ready; the first client comes next */
  void (*log)(void *arg, styx_level level, const char *peer, const char *what, const char *detail);
  void (*trace)(void *arg, const char *peer, bool out, const styx_msg *msg);
  void *arg;
};

/* Serve until SIGTERM or SIGINT. They are blocked in this thread from now on, so that one more does not cut short what
 * the program does at its end; start threads that should have them before. At the first one: no new connections, each
 * connection ends when nothing of it is outstanding, all that are left end after the grace; a second one skips that.
 * Then each filesystem's cleanup runs (which joins threads that answer). Returns 0; or 1, logged, if it could not
 * start, or if requests are still unanswered a second after they were cancelled: then no cleanup has run and the
 * filesystems are still in use, so all that is left to do is to exit. */
int embed_serve(const struct embed_config *config);

/* The same for a small program: one filesystem on one address (as in styx/server.h), errors and events on stderr. */
int embed_serve_fs(const char *address, styx_fs fs);

#endif
