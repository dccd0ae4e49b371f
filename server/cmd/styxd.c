/* styxd.c: the file server, from the command line to its end. */
#include "styxd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct styxd {
  struct styxd_options options;
  struct styxd_listener *listeners;
  size_t nlisteners;
  styx_export *exports;
  struct styxd_filters filters;
  styx_secrets *secrets;
  struct styxd_user user; /* who started it */
  const char *program;
};

/* A closed standard stream would let a socket become descriptor 2, and log lines go to a client. */
static void settle_process(void) {
  int fd;
  struct rlimit files;
  do
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close(fd);
  setvbuf(stdout, NULL, _IOLBF, 0);
  umask(0);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error for who writes it */
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

static void ready(void *arg) {
  const struct styxd *d = arg;
  if (!d->options.once)
    styxd_print(&d->options, d->listeners, d->nlisteners, &d->user, d->program);
  styxd_notify("READY=1");
  if (d->options.ready_fd < 0)
    return;
  if (write(d->options.ready_fd, "\n", 1) != 1)
    styxd_log(NULL, STYX_LOG_WARN, "", "nobody reads from --ready-fd", "");
  close(d->options.ready_fd);
}

/* Root binds and opens first, and serves as somebody who can do less. After a failure nothing is freed: requests that
 * are stuck may still use it, and the program ends. */
static int start(struct styxd *d) {
  struct styxd_options *o = &d->options;
  int status = STYXD_FAILED;
  d->exports = calloc(o->nexports, sizeof *d->exports);
  d->listeners = calloc(o->nlisten + o->ninherited, sizeof *d->listeners);
  styxd_user_now(&d->user);
  if (!d->exports || !d->listeners ||
      !styxd_exports_open(o->exports, o->nexports, d->user.name, o->user_map, d->exports) ||
      !styxd_filters_open(o, d->exports, &d->filters) || !styxd_auth_open(o, d->exports, &d->secrets) ||
      !styxd_listen(o, d->listeners, &d->nlisteners))
    return STYXD_FAILED;
  if (o->trace_file)
    styxd_trace_open(o->trace_file);
  const struct styxd_job job = {o, d->exports, &d->filters, d->listeners, d->nlisteners, ready, d};
  if (styxd_user_become(o, d->listeners, d->nlisteners))
    status = styxd_serve(&job);
  styxd_listen_close(d->listeners, d->nlisteners);
  if (status == STYXD_OK) {
    styxd_filters_close(&d->filters);
    styxd_exports_close(o->exports, o->nexports);
    styx_secrets_free(d->secrets);
  }
  styxd_trace_close();
  styxd_log_end();
  return status;
}

int main(int argc, char **argv) {
  static struct styxd d;
  settle_process();
  d.program = argv[0];
  if (!styxd_options_parse(&d.options, argc, argv))
    return STYXD_USAGE;
  if (d.options.help || d.options.version) {
    if (d.options.help)
      styxd_usage();
    else
      printf("styxd %s\n", STYX_VERSION);
    return STYXD_OK;
  }
  if (!styxd_inherit(&d.options))
    return STYXD_FAILED;
  if (!styxd_listen_default(&d.options) || !styxd_listen_allowed(&d.options))
    return STYXD_USAGE;
  styxd_log_level(d.options.log_level);
  return start(&d);
}
