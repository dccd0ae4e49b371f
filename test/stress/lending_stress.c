/* lending_stress.c: handlers that keep a thread which has something else to do as well.
 *
 * Promises: while a handler keeps the reader and no descriptor is left, the reply thread makes a pause in accepting as the
 * reader would, and ends it too; while a close keeps the reader that was about to send, its replies are sent. No time is
 * asserted: what does not come is a hang, which the runner ends. */
#include "stress/checks.h"

#include <styx/msgio.h>
#include <styx/server.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- a filesystem whose first attach blocks, although it has promised not to ---- */

static sem_t entered, may_go, paused;
static atomic_bool kept;

static void wait_for(sem_t *s) {
  while (sem_wait(s) != 0)
    ;
}

static styx_answer keeping_attach(styx_req *r) {
  if (!atomic_exchange(&kept, true)) {
    sem_post(&entered);
    wait_for(&may_go);
  }
  return styx_reply_node(r, NULL, (styx_qid){0, 0, 1});
}

static const styx_fs_ops keeping_ops = {
    .size = sizeof keeping_ops, .name = "keeping", .nowait = STYX_OP(attach), .attach = keeping_attach};

/* ---- one whose closes block, although they have promised not to; a getattr also answers a read that waits ---- */

static styx_req *waiting;
static sem_t waits;

static styx_answer hanging_attach(styx_req *r) { return styx_reply_node(r, NULL, (styx_qid){0, 0, 1}); }

static styx_answer hanging_open(styx_req *r, void *node, uint32_t flags) {
  (void)node, (void)flags;
  return styx_reply_open(r, (styx_qid){0, 0, 1}, NULL);
}

static styx_answer hanging_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  waiting = r;
  sem_post(&waits);
  return styx_later(r);
}

static styx_answer hanging_getattr(styx_req *r, void *node, void *handle) {
  (void)node, (void)handle;
  const styx_answer a = styx_reply_attr(r, &(styx_attr){.qid = {0, 0, 1}, .mode = 0644, .name = STYX_STR("x")});
  (void)styx_reply_data(waiting, "late", 4);
  return a;
}

static styx_err hanging_close(void *ctx, void *node, void *handle) {
  (void)ctx, (void)node, (void)handle;
  wait_for(&may_go);
  return STYX_OK;
}

static const styx_fs_ops hanging_ops = {.size = sizeof hanging_ops,
                                        .name = "hanging",
                                        .nowait = UINT32_MAX,
                                        .attach = hanging_attach,
                                        .open = hanging_open,
                                        .read = hanging_read,
                                        .getattr = hanging_getattr,
                                        .close = hanging_close};

static const styx_export exports[] = {{.name = "", .fs = {&keeping_ops, NULL}},
                                      {.name = "hanging", .fs = {&hanging_ops, NULL}}};

/* ---- its server ---- */

static void see_pause(void *arg, styx_level level, const char *peer, const char *what, const char *detail) {
  (void)arg, (void)level, (void)peer, (void)detail;
  if (strcmp(what, "no new connections for a second") == 0)
    sem_post(&paused);
}

/* With one reader and one worker; where it listens is an address that the kernel chooses. */
static styx_server *serve(struct sockaddr_un *at, socklen_t *len) {
  styx_server *server;
  const styx_server_config config = {
      .size = sizeof config, .exports = exports, .nexports = 2, .workers = 1, .readers = 1, .log = see_pause};
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  *at = (struct sockaddr_un){.sun_family = AF_UNIX};
  *len = sizeof *at;
  must(bind(fd, (struct sockaddr *)at, sizeof at->sun_family) == 0 && listen(fd, 8) == 0 &&
           getsockname(fd, (struct sockaddr *)at, len) == 0,
       "a listening socket");
  must(styx_server_new(&server, &config) == STYX_OK && styx_server_listen(server, fd) == STYX_OK &&
           styx_server_start(server) == STYX_OK,
       "a server");
  return server;
}

/* ---- clients ---- */

struct client {
  int fd;
  styx_msgbuf buf;
};

static struct client client_new(void) {
  struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  styx_msgbuf_init(&c.buf, NULL);
  return c;
}

static void client_close(struct client *c) {
  styx_msgbuf_fini(&c->buf);
  close(c->fd);
}

/* In one piece, so that they are received together. */
static bool put(struct client *c, styx_msg a, styx_msg b) {
  uint8_t buf[256];
  const ptrdiff_t n = styx_encode(buf, sizeof buf, &a, STYX_9P2000);
  if (n < 0)
    return false;
  const ptrdiff_t m = styx_encode(buf + n, sizeof buf - (size_t)n, &b, STYX_9P2000);
  return m > 0 && send(c->fd, buf, (size_t)(n + m), MSG_NOSIGNAL) == n + m;
}

static bool hear(struct client *c, uint8_t type) {
  styx_msg r;
  return styx_rmsg_read(&r, &c->buf, c->fd, 0, STYX_9P2000) > 0 && r.type == type;
}

static bool ask_hello(struct client *c, const char *aname) {
  return put(c, (styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = styx_str_of("9P2000")},
             (styx_msg){.type = STYX_Tattach,
                        .tag = 1,
                        .fid = 0,
                        .afid = STYX_NOFID,
                        .uname = styx_str_of("tester"),
                        .aname = styx_str_of(aname)});
}

static bool hear_hello(struct client *c) { return hear(c, STYX_Rversion) && hear(c, STYX_Rattach); }

static void server_end(styx_server *server) {
  check(styx_server_stop(server, UINT64_C(5000000000), NULL) == STYX_OK, "the server stops");
  styx_server_free(server);
}

/* ---- the tests ---- */

static void a_pause_in_accepting_ends_while_a_handler_keeps_the_reader(void) {
  struct sockaddr_un at;
  socklen_t len;
  struct rlimit limit;
  styx_server *server = serve(&at, &len);
  struct client first = client_new(), second = client_new();
  must(connect(first.fd, (struct sockaddr *)&at, len) == 0 && ask_hello(&first, ""), "a connection");
  wait_for(&entered);
  must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "the limit of descriptors");
  must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max}) == 0, "no descriptor for anybody");
  must(connect(second.fd, (struct sockaddr *)&at, len) == 0 && ask_hello(&second, ""), "a second connection");
  wait_for(&paused);
  must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "descriptors again");
  check(hear_hello(&second), "the pause ends, and who waited is served, although the reader is kept still");
  sem_post(&may_go);
  check(hear_hello(&first), "and whoever kept it is answered");
  client_close(&first);
  client_close(&second);
  server_end(server);
}

/* Fid 1, open, of somebody who has attached. */
static bool open_one(struct client *c) {
  return put(c, (styx_msg){.type = STYX_Twalk, .tag = 1, .fid = 0, .newfid = 1},
             (styx_msg){.type = STYX_Topen, .tag = 2, .fid = 1, .mode = STYX_OREAD}) &&
         hear(c, STYX_Rwalk) && hear(c, STYX_Ropen);
}

/* The stat also answers the other's read, behind its own answer: so it is the other one that the reader goes on with, and before
 * that it does what the first one is owed, and comes to its close. */
static void replies_are_sent_while_a_close_keeps_the_reader(void) {
  enum { CLOSES = 2 };
  struct sockaddr_un at;
  socklen_t len;
  styx_server *server = serve(&at, &len);
  struct client one = client_new(), other = client_new();
  must(connect(one.fd, (struct sockaddr *)&at, len) == 0 && connect(other.fd, (struct sockaddr *)&at, len) == 0 &&
           ask_hello(&one, "hanging") && hear_hello(&one) && ask_hello(&other, "hanging") && hear_hello(&other),
       "two connections");
  must(open_one(&one) && open_one(&other), "two files");
  must(put(&other, (styx_msg){.type = STYX_Tstat, .tag = 3, .fid = 2},
           (styx_msg){.type = STYX_Tread, .tag = 4, .fid = 1, .count = 100}) &&
           hear(&other, STYX_Rerror),
       "a read");
  wait_for(&waits);
  must(put(&one, (styx_msg){.type = STYX_Tstat, .tag = 3, .fid = 0},
           (styx_msg){.type = STYX_Tclunk, .tag = 4, .fid = 1}),
       "a stat and a clunk");
  check(hear(&one, STYX_Rstat), "while a close that has promised not to block does, what came before it is sent");
  check(hear(&other, STYX_Rread), "and what another connection is owed");
  for (int i = 0; i < CLOSES; i++)
    sem_post(&may_go);
  check(hear(&one, STYX_Rclunk), "and in the end the Rclunk");
  client_close(&one);
  client_close(&other);
  server_end(server);
}

int main(void) {
  sem_init(&entered, 0, 0);
  sem_init(&may_go, 0, 0);
  sem_init(&paused, 0, 0);
  sem_init(&waits, 0, 0);
  a_pause_in_accepting_ends_while_a_handler_keeps_the_reader();
  replies_are_sent_while_a_close_keeps_the_reader();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
