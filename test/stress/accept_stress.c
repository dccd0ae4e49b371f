/* accept_stress.c: no descriptor is left for a connection that comes while a handler keeps the reader.
 *
 * Promise: the reply thread, which accepts meanwhile, makes a pause as the reader would, and ends it too. If it did not the
 * connection would wait for ever: no time is asserted, it is a hang, which the runner ends. */
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

static const styx_export keeping = {.name = "", .fs = {&keeping_ops, NULL}};

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
      .size = sizeof config, .exports = &keeping, .nexports = 1, .workers = 1, .readers = 1, .log = see_pause};
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

static bool put(int fd, styx_msg t) {
  uint8_t buf[256];
  const ptrdiff_t len = styx_encode(buf, sizeof buf, &t, STYX_9P2000);
  return len > 0 && send(fd, buf, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool ask_hello(int fd) {
  return put(fd,
             (styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = styx_str_of("9P2000")}) &&
         put(fd,
             (styx_msg){.type = STYX_Tattach, .tag = 1, .fid = 0, .afid = STYX_NOFID, .uname = styx_str_of("tester")});
}

static bool hear_hello(int fd) {
  styx_msgbuf buf;
  styx_msg r;
  styx_msgbuf_init(&buf, NULL);
  const bool ok = styx_rmsg_read(&r, &buf, fd, 0, STYX_9P2000) > 0 && r.type == STYX_Rversion &&
                  styx_rmsg_read(&r, &buf, fd, 0, STYX_9P2000) > 0 && r.type == STYX_Rattach;
  styx_msgbuf_fini(&buf);
  return ok;
}

static void a_pause_in_accepting_ends_while_a_handler_keeps_the_reader(void) {
  struct sockaddr_un at;
  socklen_t len;
  struct rlimit limit;
  styx_server *server = serve(&at, &len);
  const int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
            second = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(connect(first, (struct sockaddr *)&at, len) == 0 && ask_hello(first), "a connection");
  wait_for(&entered);
  must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "the limit of descriptors");
  must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max}) == 0, "no descriptor for anybody");
  must(connect(second, (struct sockaddr *)&at, len) == 0 && ask_hello(second), "a second connection");
  wait_for(&paused);
  must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "descriptors again");
  check(hear_hello(second), "the pause ends, and who waited is served, although the reader is kept still");
  sem_post(&may_go);
  check(hear_hello(first), "and whoever kept it is answered");
  close(first);
  close(second);
  check(styx_server_stop(server, UINT64_C(5000000000), NULL) == STYX_OK, "the server stops");
  styx_server_free(server);
}

int main(void) {
  sem_init(&entered, 0, 0);
  sem_init(&may_go, 0, 0);
  sem_init(&paused, 0, 0);
  a_pause_in_accepting_ends_while_a_handler_keeps_the_reader();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
