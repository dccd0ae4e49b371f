/* fifo_service.c: a service with threads and a loop of its own, and a 9P tree for its door.
 *
 *     mkfifo a b; fifo_service 127.0.0.1:5640 a b &
 *     echo a line | styx -a 127.0.0.1:5640 write /print
 *     cat a
 *
 * The service brings lines to what stands behind named pipes: printers, say. Each pipe has a thread, which takes the next line,
 * waits until somebody reads the pipe, and writes the line there. So did it before anybody thought of 9P. Now a write to /print
 * puts a line into the same list, and is answered by the thread that has printed it: that thread knows nothing of clients,
 * connections or the library's threads, and calls a reply function when it is done.
 *
 * Who gives up a line that nobody has begun to print takes it back: nothing has happened. What is being printed is printed, and
 * answered; the flush waits. /status says how many lines wait and how many printers have one.
 *
 * The loop is the service's: it waits for its signals and for connections, which it hands to the library's server. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <styx/server.h>
#include <styx/tree.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST = 4096, PRINTERS = 16 };

struct line {
  TAILQ_ENTRY(line) link;
  styx_req *req;
  bool listed, cancelled;
  uint32_t len;
  char text[];
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t more;
  TAILQ_HEAD(, line) lines; /* who takes one off answers it and frees it */
  unsigned waiting, printing;
  bool ending;
} service = {.lock = PTHREAD_MUTEX_INITIALIZER,
             .more = PTHREAD_COND_INITIALIZER,
             .lines = TAILQ_HEAD_INITIALIZER(service.lines)};

struct printer {
  pthread_t thread;
  const char *pipe;
};

/* ---- the printers ---- */

/* Whom we cannot disarm has a callback on its way, which waits for the lock and will answer. With the lock. */
static struct line *first(void) {
  struct line *line;
  TAILQ_FOREACH(line, &service.lines, link) {
    if (styx_req_on_cancel(line->req, NULL, NULL)) {
      TAILQ_REMOVE(&service.lines, line, link);
      service.waiting--;
      service.printing++;
      return line;
    }
  }
  return NULL;
}

/* The next line, which is ours; NULL: it is over. */
static struct line *take(void) {
  struct line *line = NULL;
  pthread_mutex_lock(&service.lock);
  while (!service.ending && !(line = first()))
    pthread_cond_wait(&service.more, &service.lock);
  pthread_mutex_unlock(&service.lock);
  return line;
}

static bool is_ending(void) {
  pthread_mutex_lock(&service.lock);
  bool ending = service.ending;
  pthread_mutex_unlock(&service.lock);
  return ending;
}

/* Waits for a reader, which in the end is our own. */
static styx_err print(const char *pipe, const struct line *line) {
  int fd = open(pipe, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return (styx_err)errno;
  styx_err err = is_ending() ? ESHUTDOWN : STYX_OK;
  if (!err && write(fd, line->text, line->len) < 0) /* not more than PIPE_BUF: all of it or nothing */
    err = (styx_err)errno;
  close(fd);
  return err;
}

static void *printer_main(void *arg) {
  const struct printer *p = arg;
  struct line *line;
  while ((line = take())) {
    styx_err err = print(p->pipe, line);
    pthread_mutex_lock(&service.lock);
    service.printing--;
    pthread_mutex_unlock(&service.lock);
    if (err)
      styx_reply_error(line->req, err);
    else
      styx_reply_count(line->req, line->len);
    free(line);
  }
  return NULL;
}

/* ---- the door ---- */

static void take_back(styx_req *req, void *arg) {
  struct line *line = arg;
  pthread_mutex_lock(&service.lock);
  bool ours = line->listed;
  if (ours) {
    TAILQ_REMOVE(&service.lines, line, link);
    service.waiting--;
  } else {
    line->cancelled = true; /* print_write has not listed it yet, and will answer */
  }
  pthread_mutex_unlock(&service.lock);
  if (!ours)
    return;
  free(line);
  styx_reply_interrupted(req);
}

static styx_answer print_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data,
                               uint32_t count) {
  (void)aux, (void)handle, (void)offset;
  if (count == 0 || count > LONGEST)
    return styx_reply_error_text(req, EMSGSIZE, "a line has 1 to %d bytes", LONGEST);
  struct line *line = malloc(sizeof *line + count);
  if (!line)
    return styx_reply_error(req, ENOMEM);
  *line = (struct line){.req = req, .len = count};
  memcpy(line->text, data, count);
  styx_req_on_cancel(req, take_back, line); /* before it is listed: from then on others may answer */
  pthread_mutex_lock(&service.lock);
  bool cancelled = line->cancelled;
  if (!cancelled) {
    line->listed = true;
    service.waiting++;
    TAILQ_INSERT_TAIL(&service.lines, line, link);
    pthread_cond_signal(&service.more);
  }
  pthread_mutex_unlock(&service.lock);
  if (!cancelled)
    return styx_later(req);
  free(line);
  return styx_reply_interrupted(req);
}

static styx_answer status_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  char text[64];
  (void)aux, (void)handle, (void)offset, (void)count;
  pthread_mutex_lock(&service.lock);
  int len = snprintf(text, sizeof text, "waiting %u printing %u\n", service.waiting, service.printing);
  pthread_mutex_unlock(&service.lock);
  return styx_reply_slice(req, text, (size_t)len);
}

static styx_server *open_door(styx_tree *tree) {
  static const styx_file_ops print_ops = {.size = sizeof print_ops, .write = print_write};
  static const styx_file_ops status_ops = {.size = sizeof status_ops, .read = status_read};
  static styx_export export;
  styx_file *file;
  styx_server *server = NULL;
  const styx_server_config config = {.size = sizeof config, .exports = &export, .nexports = 1};
  export.fs = styx_tree_fs(tree);
  if (styx_tree_file(tree, styx_tree_root(tree), "print", 0222, &print_ops, NULL, &file) ||
      styx_tree_file(tree, styx_tree_root(tree), "status", 0444, &status_ops, NULL, &file) ||
      styx_server_new(&server, &config))
    return NULL;
  if (styx_server_start(server) == STYX_OK)
    return server;
  styx_server_free(server);
  return NULL;
}

/* ---- the service ---- */

static void loop(styx_server *server, int listener, int signals) {
  struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
  char peer[128];
  int fd;
  while (!fds[0].revents) {
    int n = poll(fds, 2, fds[1].fd < 0 ? 1000 : -1);
    fds[1].fd = listener;
    if (n <= 0 || !fds[1].revents)
      continue;
    styx_err err = styx_accept(listener, &fd, peer, sizeof peer);
    if (!err)
      (void)styx_server_adopt(server, fd, peer); /* which closes it if it cannot serve it */
    else if (err == EMFILE || err == ENFILE)
      fds[1].fd = -1; /* for a second, or the loop would spin */
  }
}

/* Printers that wait for a reader get one, see that it is over, and give an error for the line they have. Lines that nobody has taken
 * go back when the server cancels them. */
static styx_err end(styx_server *server, struct printer *printers, int n) {
  int readers[PRINTERS];
  pthread_mutex_lock(&service.lock);
  service.ending = true;
  pthread_cond_broadcast(&service.more);
  pthread_mutex_unlock(&service.lock);
  for (int i = 0; i < n; i++)
    readers[i] = open(printers[i].pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  for (int i = 0; i < n; i++) {
    pthread_join(printers[i].thread, NULL);
    if (readers[i] >= 0)
      close(readers[i]);
  }
  styx_err err = styx_server_stop(server, 0, NULL);
  if (!err)
    styx_server_free(server);
  return err;
}

static int start_printers(struct printer *printers, char **pipes, int n) {
  struct stat st;
  for (int i = 0; i < n; i++) {
    printers[i].pipe = pipes[i];
    if (stat(pipes[i], &st) || !S_ISFIFO(st.st_mode)) {
      fprintf(stderr, "fifo_service: %s is no named pipe: mkfifo makes one\n", pipes[i]);
      return 1;
    }
  }
  for (int i = 0; i < n; i++)
    if (pthread_create(&printers[i].thread, NULL, printer_main, &printers[i]))
      return 1;
  return 0;
}

int main(int argc, char **argv) {
  static struct printer printers[PRINTERS];
  styx_addr addr;
  const char *why = "cannot listen";
  sigset_t signals;
  int listener;
  if (argc < 3 || argc > 2 + PRINTERS) {
    fprintf(stderr, "usage: fifo_service ADDRESS PIPE...   (at most %d)\n", PRINTERS);
    return 2;
  }
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL); /* in all threads: the loop reads them */
  signal(SIGPIPE, SIG_IGN);
  if (styx_addr_parse(&addr, argv[1], &why) || styx_announce(&addr, &listener, NULL)) {
    fprintf(stderr, "fifo_service: %s: %s\n", argv[1], why);
    return 1;
  }
  if (start_printers(printers, argv + 2, argc - 2))
    return 1;
  styx_tree *tree = styx_tree_new(NULL, NULL);
  styx_server *server = tree ? open_door(tree) : NULL;
  if (!server) {
    fprintf(stderr, "fifo_service: cannot start the server\n");
    return 1;
  }
  loop(server, listener, signalfd(-1, &signals, SFD_CLOEXEC));
  if (addr.net == STYX_NET_UNIX)
    unlink(addr.path);
  if (end(server, printers, argc - 2))
    return 1;
  styx_tree_free(tree);
  return 0;
}
