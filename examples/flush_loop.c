/* flush_loop.c: styx/flush.h in a program that has its own loop and its own threads. The loop reads and writes a connection by
 * styx/wire.h; reading the file takes some seconds of a thread, unless the client gives up: then its Tflush is answered
 * at once, the thread ends when it notices, and nothing comes too late.
 *
 *     flush_loop /tmp/sock 5 &
 *     styx -a /tmp/sock read /
 *
 * To be short it has one file, which every fid is, and serves one connection after another. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <styx/flush.h>
#include <styx/msgio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MSIZE = 8192, JOBS = 100 };

/* ---- reads, each on a thread ---- */

struct job {
  struct job *next; /* in unused, or in done */
  styx_flush_req *req;
  uint32_t count;
  bool stop; /* under the lock */
};

static long seconds;
static struct job jobs[JOBS], *unused; /* the loop's */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static struct job *done; /* under the lock */
static int bell[2];      /* a byte for each job in done */

static void *take_time(void *arg) {
  struct job *j = arg;
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += seconds;
  pthread_mutex_lock(&lock);
  while (!j->stop && pthread_cond_timedwait(&change, &lock, &end) != ETIMEDOUT)
    continue;
  j->next = done;
  done = j;
  pthread_mutex_unlock(&lock);
  (void)!write(bell[1], "", 1);
  return NULL;
}

static bool start(styx_flush_req *req, uint32_t count) {
  struct job *j = unused, was;
  pthread_t thread;
  if (!j)
    return false;
  was = *j;
  *j = (struct job){.req = req, .count = count};
  if (pthread_create(&thread, NULL, take_time, j) != 0) {
    *j = was;
    return false;
  }
  unused = was.next;
  pthread_detach(thread);
  return true;
}

static void stop(void *arg, styx_flush_req *req) {
  struct job *j = styx_flush_request(req);
  (void)arg;
  pthread_mutex_lock(&lock);
  j->stop = true;
  pthread_cond_broadcast(&change);
  pthread_mutex_unlock(&lock);
}

/* ---- the connection ---- */

static int conn;
static styx_flush *flush;
static uint32_t msize; /* 0: no Tversion yet */

static void put(const styx_msg *r) {
  uint8_t buf[MSIZE];
  ptrdiff_t at = 0, len = styx_encode(buf, sizeof buf, r, STYX_9P2000);
  while (at < len) { /* a client that does not read waits for itself */
    ssize_t n = send(conn, buf + at, (size_t)(len - at), MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR)
      return; /* the loop will find out */
    at += n > 0 ? n : 0;
  }
}

static void put_rflushes(void) {
  for (styx_msg r; styx_flush_next(flush, &r);)
    put(&r);
}

/* The only thing that takes time is a read at the start of the file; further on it ends. */
static bool is_slow(const styx_msg *t) { return t->type == STYX_Tread && t->offset == 0; }

static styx_err answer(const styx_msg *t, styx_msg *r) {
  r->type = (uint8_t)(t->type + 1);
  switch (t->type) {
  case STYX_Tauth:
    return STYX_ENOAUTH;
  case STYX_Twalk:
    return t->nwname > 0 ? ENOENT : STYX_OK;
  case STYX_Topen:
    return t->mode == STYX_OREAD ? STYX_OK : EACCES;
  case STYX_Tstat:
    r->stat.name = styx_str_of("/");
    r->stat.mode = 0444;
    return STYX_OK;
  case STYX_Tattach:
  case STYX_Tread:
  case STYX_Tclunk:
    return STYX_OK;
  default:
    return EACCES;
  }
}

static void serve(const styx_msg *t, styx_flush_req *req) {
  styx_msg r = {.tag = t->tag};
  if (is_slow(t) && start(req, t->count))
    return;
  styx_err err = is_slow(t) ? STYX_ELIMIT : answer(t, &r);
  if (err) {
    r.type = STYX_Rerror;
    r.ename = styx_str_of(styx_err_text(err));
  }
  if (styx_flush_reply(flush, req))
    put(&r);
}

static void version(const styx_msg *t) {
  styx_msg r;
  styx_dialect dialect;
  if (styx_compatible(&r, t, MSIZE, 1u << STYX_9P2000, &dialect)) {
    styx_flush_abort(flush, stop, NULL);
    msize = r.msize;
  }
  put(&r);
}

/* One message. False: the client has hung up, or does not speak 9P. */
static bool receive(styx_msgbuf *buf) {
  styx_msg t, r;
  styx_flush_req *req;
  if (styx_tmsg_read(&t, buf, conn, msize ? msize : MSIZE, STYX_9P2000) <= 0 || (!msize && t.type != STYX_Tversion))
    return false;
  switch (styx_flush_t(flush, &t, unused, &req, &r)) { /* unused: the job that it will be, if it is slow */
  case STYX_FLUSH_DISPATCH:
    serve(&t, req);
    break;
  case STYX_FLUSH_TELL: /* a read has no effect, so that nobody need wait until its thread has noticed */
    stop(NULL, req);
    styx_flush_ack(flush, req);
    break;
  case STYX_FLUSH_REPLY:
    put(&r);
    break;
  case STYX_FLUSH_WAIT:
    break;
  case STYX_FLUSH_VERSION:
    version(&t);
    break;
  case STYX_FLUSH_END:
    return false;
  }
  put_rflushes();
  return true;
}

static void finish(void) {
  static const char text[] = "That took its time.\n";
  char rung;
  (void)!read(bell[0], &rung, 1);
  pthread_mutex_lock(&lock);
  struct job *j = done;
  done = j->next;
  pthread_mutex_unlock(&lock);
  styx_msg r = {.type = STYX_Rread, .tag = styx_flush_tag(j->req), .data = (const uint8_t *)text};
  r.count = j->count < sizeof text - 1 ? j->count : sizeof text - 1;
  if (styx_flush_reply(flush, j->req)) /* false if it was given up */
    put(&r);
  put_rflushes();
  j->next = unused;
  unused = j;
}

static void converse(void) {
  styx_msgbuf buf;
  bool up = styx_flush_new(&flush, NULL) == STYX_OK;
  if (!up)
    return;
  msize = 0;
  styx_msgbuf_init(&buf, NULL);
  while (up || styx_flush_outstanding(flush)) {
    struct pollfd p[] = {{.fd = bell[0], .events = POLLIN}, {.fd = up ? conn : -1, .events = POLLIN}};
    if (poll(p, 2, -1) < 0)
      continue;
    if (p[0].revents)
      finish();
    if (p[1].revents && !(up = receive(&buf)))
      styx_flush_abort(flush, stop, NULL);
  }
  styx_msgbuf_fini(&buf);
  styx_flush_free(flush);
}

int main(int argc, char **argv) {
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  char *end = argv[argc - 1];
  seconds = strtol(end, &end, 10);
  if (argc != 3 || strlen(argv[1]) >= sizeof addr.sun_path || *end || seconds < 0) {
    fprintf(stderr, "usage: flush_loop SOCKET SECONDS\n");
    return 2;
  }
  memcpy(addr.sun_path, argv[1], strlen(argv[1]));
  if (bind(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, 8) < 0 || pipe(bell) < 0) {
    perror(argv[1]);
    return 1;
  }
  for (int i = 0; i < JOBS; i++) {
    jobs[i].next = unused;
    unused = &jobs[i];
  }
  while ((conn = accept(fd, NULL, NULL)) >= 0) {
    converse();
    close(conn);
  }
  perror("accept");
  return 1;
}
