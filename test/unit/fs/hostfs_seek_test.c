/* hostfs_seek_test.c: a directory read may start at any cookie that was given out. The session reads on from the last one
 * only, so the operation is called here without it: this file compiles it anew, with answers of its own. */
#define sx_host_readdir readdir_here
#define sx_host_cursor_new cursor_new_here
#define sx_host_cursor_free cursor_free_here
#define styx_req_ctx ctx_here
#define styx_dir_add add_here
#define styx_reply_dir reply_dir_here
#define styx_reply_error reply_error_here
#include "fs/hostfs_dir.c"
#undef styx_reply_error

#include "hostfs_fixture.h"

TestSuite(hostfs_seek, .init = hostfs_setup, .fini = hostfs_teardown);

enum { FILES = 1500 };

/* What one call gives. */
static struct {
  size_t room, n; /* entries */
  uint64_t cookies[FILES];
  char names[FILES][8];
  styx_err err;
} got;

void *ctx_here(const styx_req *req) { return (void)req, hostfs; }

bool add_here(styx_req *req, const struct styx_dirent *entry) {
  (void)req;
  if (got.n == got.room)
    return false;
  cr_assert_neq(entry->cookie, 0);
  got.cookies[got.n] = entry->cookie;
  snprintf(got.names[got.n++], 8, "%.*s", (int)entry->attr.name.len, entry->attr.name.s);
  return true;
}

styx_answer reply_dir_here(styx_req *req) { return (void)req, (styx_answer){1}; }

styx_answer reply_error_here(styx_req *req, styx_err err) { return (void)req, got.err = err, (styx_answer){1}; }

static void call(struct sx_host_handle *handle, uint64_t cookie, size_t room) {
  got.n = 0;
  got.room = room;
  got.err = STYX_OK;
  readdir_here(NULL, NULL, handle, cookie);
}

Test(hostfs_seek, every_cookie_leads_to_what_follows) {
  static char names[FILES][8];
  static uint64_t cookies[FILES];
  for (int i = 0; i < FILES; i++)
    close(open(host("f%04d", i), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  struct sx_host_handle handle = {.fd = open(host("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  handle.cursor = cursor_new_here(hostfs);
  call(&handle, 0, FILES);
  cr_assert_eq(got.n, FILES);
  memcpy(names, got.names, sizeof names);
  memcpy(cookies, got.cookies, sizeof cookies);
  for (size_t i = 0; i + 1 < FILES; i++) {
    size_t at = i * 577 % (FILES - 1); /* forth and back: within what was fetched, and outside of it */
    for (int again = 0; again < 2; again++) {
      call(&handle, cookies[at], 2);
      cr_assert_eq(got.err, STYX_OK);
      cr_assert_str_eq(got.names[0], names[at + 1]);
      cr_assert_eq(got.n, at + 2 < FILES ? 2 : 1);
    }
  }
  call(&handle, cookies[FILES - 1], 2);
  cr_assert_eq(got.n, 0);
  call(&handle, UINT64_MAX, 2);
  cr_assert_eq(got.err, EINVAL, "no such cookie");
  call(&handle, 0, 1);
  cr_assert_str_eq(got.names[0], names[0]);
  cursor_free_here(hostfs, handle.cursor);
  close(handle.fd);
}
