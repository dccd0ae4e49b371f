/* serve_threads.h: serve one filesystem from the library's own threads, for the examples whose operations block. (embed_epoll.h
 * is for those that have one thread.) */
#ifndef SERVE_THREADS_H
#define SERVE_THREADS_H

#include <styx/server.h>

/* On address (as in styx/server.h), until SIGTERM or SIGINT; name begins each line on stderr. What is outstanding then has five
 * seconds. Returns the exit status: 0; or 1, said, when it could not start or something did not end: then the
 * filesystem may still be in use. Call it before other threads are started: it blocks these signals. */
int serve_threads(const char *name, const char *address, styx_fs fs);

#endif
