/* serve_threads.c: a server, its signals and its end. */
#include "serve_threads.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static const uint64_t GRACE = 5000000000u; /* ns */

static void log_stderr(void *name, styx_level level, const char *peer, const char *what, const char *detail) {
  if (level <= STYX_LOG_WARN)
    fprintf(stderr, "%s: %s%s%s: %s\n", (const char *)name, peer, *peer ? ": " : "", what, detail);
}

static styx_err start(styx_server *server, const styx_addr *addr) {
  int fd;
  styx_err err = styx_announce(addr, &fd, NULL);
  if (!err)
    err = styx_server_listen(server, fd);
  return err ? err : styx_server_start(server);
}

int serve_threads(const char *name, const char *address, styx_fs fs) {
  const styx_export export = {.fs = fs};
  styx_server_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .log = log_stderr};
  styx_server *server;
  styx_addr addr;
  const char *why = NULL;
  sigset_t signals;
  int signal;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL); /* in the server's threads too */
  config.arg = (void *)(uintptr_t)name;
  styx_err err = styx_addr_parse(&addr, address, &why);
  if (!err)
    err = styx_server_new(&server, &config);
  if (!err && (err = start(server, &addr)))
    styx_server_free(server);
  if (err) {
    fprintf(stderr, "%s: %s: %s\n", name, address, why ? why : styx_err_text(err));
    return 1;
  }
  sigwait(&signals, &signal);
  err = styx_server_stop(server, GRACE, NULL);
  if (addr.net == STYX_NET_UNIX)
    unlink(addr.path);
  if (err) /* the log names what is stuck, and uses the server */
    return 1;
  styx_server_free(server);
  return 0;
}
