/* tap_test.c: a program's tap sees each connection's messages, and its end once, with the pointer that it has kept. */
#include <styx/memfs.h>
#include <styx/server.h>

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char hello[] = "\23\0\0\0\144\377\377\0\40\0\0\6\0009P2000";
enum { HELLO = sizeof hello - 1 };

/* One connection's; only read once the server has stopped. */
struct seen {
  char peer[8];
  int in, out, ends;
  size_t bytes;
};

static struct seen seen[2], silent;
static size_t nseen;

static void tap(void *arg, const char *peer, void **own, bool out, const styx_span *spans, size_t n) {
  cr_assert_eq(arg, &nseen);
  if (!*own) {
    *own = n ? &seen[nseen++] : &silent;
    strcpy(((struct seen *)*own)->peer, peer);
  }
  struct seen *s = *own;
  cr_assert_str_eq(s->peer, peer);
  cr_assert_eq(s->ends, 0);
  s->in += n && !out;
  s->out += n && out;
  s->ends += n == 0;
  for (size_t i = 0; i < n; i++)
    s->bytes += spans[i].len;
}

static void talk(styx_server *server, const char *peer, bool says) {
  char buf[HELLO];
  int fds[2];
  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  cr_assert_eq(styx_server_adopt(server, fds[0], peer), STYX_OK);
  if (says) {
    cr_assert_eq(write(fds[1], hello, HELLO), HELLO);
    cr_assert_eq(recv(fds[1], buf, HELLO, MSG_WAITALL), HELLO);
  }
  shutdown(fds[1], SHUT_WR);
  cr_assert_eq(read(fds[1], buf, 1), 0);
  close(fds[1]);
}

Test(tap, sees_each_connection_to_its_end) {
  const styx_memfs_config mem = {.size = sizeof mem};
  styx_memfs *memfs = styx_memfs_new(&mem);
  const styx_export export = {.fs = styx_memfs_fs(memfs)};
  styx_server *server;
  const styx_server_config config = {
      .size = sizeof config, .exports = &export, .nexports = 1, .workers = 1, .arg = &nseen, .tap = tap};
  cr_assert_eq(styx_server_new(&server, &config), STYX_OK);
  cr_assert_eq(styx_server_start(server), STYX_OK);
  talk(server, "a", true);
  talk(server, "b", true);
  talk(server, "c", false);
  cr_assert_eq(styx_server_stop(server, 0, NULL), STYX_OK);
  styx_server_free(server);
  styx_memfs_free(memfs);
  cr_assert_eq(nseen, 2);
  for (size_t i = 0; i < 2; i++) {
    cr_assert_str_eq(seen[i].peer, i ? "b" : "a");
    cr_assert_eq(seen[i].in, 1);
    cr_assert_eq(seen[i].out, 1);
    cr_assert_eq(seen[i].ends, 1);
    cr_assert_eq(seen[i].bytes, 2 * HELLO);
  }
  cr_assert_eq(silent.ends, 1);
}
