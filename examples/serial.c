/* serial.c: a device that blocks. Reading /line waits until the device has something, writing waits until it takes something;
 * both block the thread they run on, and a client that gives up gets it back: the request has a descriptor for that, which
 * is polled beside the device.
 *
 *     mkfifo line; serial 127.0.0.1:5640 line &          (a terminal's device does as well)
 *     styx -a 127.0.0.1:5640 read /line &
 *     echo hello > line
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <styx/server.h>
#include <styx/tree.h>
#include <unistd.h>

struct line {
  int fd; /* non-blocking: of several readers that wake up one gets the bytes, the others wait on */
};

/* False once the request is cancelled. Without a descriptor for that (there are too many open) it can only wait. */
static bool wait_for(const struct line *line, short events, styx_req *req) {
  struct pollfd fds[] = {{.fd = line->fd, .events = events}, {.fd = styx_req_cancel_fd(req), .events = POLLIN}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR)
    continue;
  return !styx_req_cancelled(req);
}

static styx_answer line_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  const struct line *line = aux;
  size_t cap;
  void *room = styx_req_room(req, &cap);
  (void)handle, (void)offset, (void)count;
  if (!room)
    return styx_reply_error(req, ENOMEM);
  while (wait_for(line, POLLIN, req)) {
    ssize_t n = read(line->fd, room, cap);
    if (n >= 0)
      return styx_reply_filled(req, (size_t)n);
    if (errno != EAGAIN && errno != EINTR)
      return styx_reply_error(req, (styx_err)errno);
  }
  return styx_reply_interrupted(req); /* nothing was taken from the line */
}

static styx_answer line_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  const struct line *line = aux;
  (void)handle, (void)offset;
  while (wait_for(line, POLLOUT, req)) {
    ssize_t n = write(line->fd, data, count);
    if (n >= 0)
      return styx_reply_count(req, (uint32_t)n); /* perhaps not all: the client goes on */
    if (errno != EAGAIN && errno != EINTR)
      return styx_reply_error(req, (styx_err)errno);
  }
  return styx_reply_interrupted(req);
}

static void log_stderr(void *arg, styx_level level, const char *peer, const char *what, const char *detail) {
  (void)arg;
  if (level <= STYX_LOG_WARN)
    fprintf(stderr, "%s: %s: %s\n", peer, what, detail);
}

static styx_err start(const styx_addr *addr, const styx_export *export, styx_server **server) {
  const styx_server_config config = {.size = sizeof config, .exports = export, .nexports = 1, .log = log_stderr};
  int fd;
  styx_err err = styx_server_new(server, &config);
  if (err)
    return err;
  err = styx_announce(addr, &fd, NULL);
  if (!err)
    err = styx_server_listen(*server, fd);
  if (!err)
    err = styx_server_start(*server);
  if (err)
    styx_server_free(*server);
  return err;
}

/* Until a signal comes; whoever still waits for the line then is cancelled. */
static styx_err serve(const styx_addr *addr, styx_fs fs) {
  const styx_export export = {.fs = fs};
  styx_server *server;
  sigset_t signals;
  int signal;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL); /* in the server's threads too */
  styx_err err = start(addr, &export, &server);
  if (err)
    return err;
  sigwait(&signals, &signal);
  err = styx_server_stop(server, 0, NULL);
  if (addr->net == STYX_NET_UNIX)
    unlink(addr->path);
  if (!err)
    styx_server_free(server);
  return err;
}

int main(int argc, char **argv) {
  static struct line line;
  static const styx_file_ops file_ops = {.size = sizeof file_ops, .read = line_read, .write = line_write};
  if (argc != 3) {
    fprintf(stderr, "usage: serial ADDRESS DEVICE\n");
    return 2;
  }
  line.fd = open(argv[2], O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (line.fd < 0) {
    perror(argv[2]);
    return 1;
  }
  styx_tree *tree = styx_tree_new(NULL, NULL);
  styx_file *file;
  if (!tree || styx_tree_file(tree, styx_tree_root(tree), "line", 0666, &file_ops, &line, &file)) {
    fprintf(stderr, "serial: out of memory\n");
    return 1;
  }
  /* What blocks is declared, and gets a thread of its own: everybody else is served as if it were not there. */
  styx_fs fs = styx_tree_fs(tree);
  styx_fs_ops ops = *fs.ops;
  ops.nowait &= ~(STYX_OP(read) | STYX_OP(write));
  ops.blocking |= STYX_OP(read) | STYX_OP(write);
  fs.ops = &ops;
  styx_addr addr;
  styx_err err = styx_addr_parse(&addr, argv[1], NULL);
  if (!err)
    err = serve(&addr, fs);
  if (err)
    fprintf(stderr, "serial: %s: %s\n", argv[1], styx_err_text(err));
  if (err != STYX_EBUSY) /* then handlers are stuck in it */
    styx_tree_free(tree);
  return err ? 1 : 0;
}
