/* peer_test.c: handlers are told who the kernel says is at the other end of a Unix socket, and of no other. */
#include <styx/client.h>
#include <styx/memfs.h>
#include <styx/server.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct seen {
  bool known;
  styx_peer peer;
};

static styx_answer look(styx_req *r) {
  struct seen *seen = styx_req_ctx(r);
  seen->known = styx_req_peer(r, &seen->peer);
  return styx_reply_ok(r);
}

static const styx_auth_ops ops = {.size = sizeof ops, .no_afid = look};

/* What is seen of us when we attach through addr. */
static struct seen attach_through(const styx_addr *addr) {
  struct seen seen = {.peer = {77, 77, 77}};
  const styx_memfs_config mem = {.size = sizeof mem};
  styx_memfs *memfs = styx_memfs_new(&mem);
  const styx_export export = {.fs = styx_memfs_fs(memfs), .auth = {&ops, &seen}};
  const styx_server_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .workers = 1};
  styx_server *server;
  styx_client *client;
  styx_addr bound;
  uint32_t fid;
  int fd;
  cr_assert_eq(styx_server_new(&server, &config), STYX_OK);
  cr_assert_eq(styx_announce(addr, &fd, &bound), STYX_OK);
  cr_assert_eq(styx_server_listen(server, fd), STYX_OK);
  cr_assert_eq(styx_server_start(server), STYX_OK);
  cr_assert_eq(styx_dial(&bound, &fd), STYX_OK);
  cr_assert_eq(styx_client_new(&client, fd, NULL), STYX_OK);
  cr_assert_eq(styx_client_attach(client, "glenda", "", &fid, NULL), STYX_OK);
  styx_client_free(client);
  cr_assert_eq(styx_server_stop(server, 0, NULL), STYX_OK);
  styx_server_free(server);
  styx_memfs_free(memfs);
  return seen;
}

Test(peer, on_a_unix_socket_is_who_has_connected) {
  char dir[] = "/tmp/styx-peer-XXXXXX";
  styx_addr addr = {.net = STYX_NET_UNIX};
  cr_assert(mkdtemp(dir));
  snprintf(addr.path, sizeof addr.path, "%s/socket", dir);
  const struct seen seen = attach_through(&addr);
  cr_assert(seen.known);
  cr_assert_eq(seen.peer.uid, geteuid());
  cr_assert_eq(seen.peer.gid, getegid());
  cr_assert_eq(seen.peer.pid, getpid());
  cr_assert_eq(unlink(addr.path), 0);
  cr_assert_eq(rmdir(dir), 0);
}

Test(peer, on_tcp_is_not_known) {
  const styx_addr addr = {.net = STYX_NET_TCP, .host = "127.0.0.1", .port = "0"};
  const struct seen seen = attach_through(&addr);
  cr_assert_not(seen.known);
  cr_assert_eq(seen.peer.uid, 77);
}
