/* init_test.c: a filesystem's init comes before the first answer, its cleanup after the last handle, each once. */
#include <styx/server.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char hello[] = "\23\0\0\0\144\377\377\0\40\0\0\6\0009P2000";
enum { HELLO = sizeof hello - 1 };

/* What has happened, one letter each: i init, a attach, o open, c close, f forget, C cleanup. */
struct logged {
  pthread_mutex_t lock;
  char events[64];
  styx_err refuse;
  sem_t *entered, *go; /* init says that it runs, and waits */
};

static void event(struct logged *l, char what) {
  pthread_mutex_lock(&l->lock);
  size_t n = strlen(l->events);
  l->events[n < sizeof l->events - 1 ? n : n - 1] = what;
  pthread_mutex_unlock(&l->lock);
}

static styx_err op_init(void *ctx) {
  struct logged *l = ctx;
  event(l, 'i');
  if (l->entered) {
    sem_post(l->entered);
    sem_wait(l->go);
  }
  return l->refuse;
}
static void op_cleanup(void *ctx) { event(ctx, 'C'); }

static styx_answer op_attach(styx_req *r) {
  event(styx_req_ctx(r), 'a');
  return styx_reply_node(r, styx_req_ctx(r), (styx_qid){STYX_QTDIR, 0, 1});
}
static styx_answer op_open(styx_req *r, void *node, uint32_t flags) {
  (void)flags;
  event(styx_req_ctx(r), 'o');
  return styx_reply_open(r, (styx_qid){STYX_QTDIR, 0, 1}, node);
}
static styx_err op_close(void *ctx, void *node, void *handle) {
  (void)node, (void)handle;
  event(ctx, 'c');
  return STYX_OK;
}
static void op_forget(void *ctx, void *node) {
  (void)node;
  event(ctx, 'f');
}

static const styx_fs_ops ops = {.size = sizeof ops,
                                .init = op_init,
                                .cleanup = op_cleanup,
                                .attach = op_attach,
                                .open = op_open,
                                .close = op_close,
                                .forget = op_forget};

static struct logged one = {.lock = PTHREAD_MUTEX_INITIALIZER}, two = {.lock = PTHREAD_MUTEX_INITIALIZER};

static styx_server *server_of(const styx_export *exports, size_t n) {
  const styx_server_config config = {.size = sizeof config, .exports = exports, .nexports = n, .workers = 1};
  styx_server *v;
  cr_assert_eq(styx_server_new(&v, &config), STYX_OK);
  return v;
}

/* A client that has said Tversion; its end. */
static int client(styx_server *v) {
  int fds[2];
  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  cr_assert_eq(send(fds[0], hello, HELLO, MSG_NOSIGNAL), HELLO);
  cr_assert_eq(styx_server_adopt(v, fds[1], "peer"), STYX_OK);
  return fds[0];
}

static void answered(int fd) {
  char buf[HELLO];
  cr_assert_eq(recv(fd, buf, HELLO, MSG_WAITALL), HELLO);
}

static void *start(void *v) {
  cr_assert_eq(styx_server_start(v), STYX_OK);
  return NULL;
}

TestSuite(init, .timeout = 60);

Test(init, tversion_is_not_answered_before_it_has_succeeded) {
  static const styx_export export = {.fs = {&ops, &one}};
  styx_server *v = server_of(&export, 1);
  sem_t entered, go;
  pthread_t thread;
  char byte;
  sem_init(&entered, 0, 0);
  sem_init(&go, 0, 0);
  one.entered = &entered;
  one.go = &go;
  int fd = client(v);
  cr_assert_eq(pthread_create(&thread, NULL, start, v), 0);
  sem_wait(&entered);
  int later = client(v);
  cr_assert_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
  cr_assert_eq(errno, EAGAIN);
  sem_post(&go);
  answered(fd);
  answered(later);
  pthread_join(thread, NULL);
  cr_assert_eq(styx_server_stop(v, 0, NULL), STYX_OK);
  styx_server_free(v);
  close(fd);
  close(later);
  cr_assert_str_eq(one.events, "iC");
}

Test(init, one_that_fails_refuses_to_serve_and_whoever_waits_is_hung_up_on) {
  static const styx_export export = {.fs = {&ops, &one}};
  styx_server *v = server_of(&export, 1);
  char byte;
  one.refuse = EIO;
  int fd = client(v);
  cr_assert_eq(styx_server_start(v), EIO);
  styx_server_free(v);
  cr_assert_leq(recv(fd, &byte, 1, 0), 0, "nothing was said, and that is the end");
  close(fd);
  cr_assert_str_eq(one.events, "i", "what has not begun is not cleaned up");
}

Test(init, those_before_one_that_fails_are_cleaned_up) {
  static const styx_export exports[] = {{.name = "one", .fs = {&ops, &one}}, {.name = "two", .fs = {&ops, &two}}};
  styx_server *v = server_of(exports, 2);
  two.refuse = ENOSPC;
  cr_assert_eq(styx_server_start(v), ENOSPC);
  styx_server_free(v);
  cr_assert_str_eq(one.events, "iC");
  cr_assert_str_eq(two.events, "i");
}

Test(init, a_filesystem_that_is_exported_twice_begins_and_ends_once) {
  static const styx_export exports[] = {{.name = "rw", .fs = {&ops, &one}},
                                        {.name = "ro", .fs = {&ops, &one}, .readonly = true}};
  styx_server *v = server_of(exports, 2);
  cr_assert_eq(styx_server_start(v), STYX_OK);
  cr_assert_eq(styx_server_stop(v, 0, NULL), STYX_OK);
  styx_server_free(v);
  cr_assert_str_eq(one.events, "iC");
}

/* Tattach of fid 1, Topen of it. */
static void attach_and_open(int fd) {
  static const uint8_t t[] = {21,  0,   0, 0, STYX_Tattach, 1, 0, 1, 0,          0, 0, 255, 255, 255, 255, 2, 0,
                              'm', 'e', 0, 0, 12,           0, 0, 0, STYX_Topen, 2, 0, 1,   0,   0,   0,   0};
  uint8_t r[20 + 24];
  cr_assert_eq(send(fd, t, sizeof t, MSG_NOSIGNAL), sizeof t);
  cr_assert_eq(recv(fd, r, sizeof r, MSG_WAITALL), sizeof r);
  cr_assert_eq(r[4], STYX_Rattach);
  cr_assert_eq(r[24], STYX_Ropen);
}

Test(init, cleanup_comes_once_behind_every_close_and_forget) {
  static const styx_export export = {.fs = {&ops, &one}};
  for (int round = 0; round < 2; round++) {
    styx_server *v = server_of(&export, 1);
    cr_assert_eq(styx_server_start(v), STYX_OK);
    memset(one.events, 0, sizeof one.events);
    int fd = client(v);
    answered(fd);
    attach_and_open(fd);
    if (round == 1)
      close(fd); /* gone without a word */
    cr_assert_eq(styx_server_stop(v, 0, NULL), STYX_OK);
    styx_server_free(v);
    if (round == 0)
      close(fd);
    cr_assert_str_eq(one.events, "aocfC");
  }
}
