/* hostfs_test.c: files of the host through a session: bytes, attributes, names, and what runs out. */
#include "hostfs_fixture.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

TestSuite(hostfs, .init = hostfs_setup, .fini = hostfs_teardown);

/* ---- bytes ---- */

Test(hostfs, what_is_copied_in_comes_out_again) {
  static char data[300000], back[300000];
  for (size_t i = 0; i < sizeof data; i++)
    data[i] = (char)(i * 2654435761u >> 13);
  ok(make(F, "copy", 0644, STYX_OWRITE));
  for (uint32_t at = 0, got; at < sizeof data; at += got)
    ok(p9_write(p, F, at, data + at, sizeof data - at < 60000 ? (uint32_t)(sizeof data - at) : 60000, &got));
  ok(p9_clunk(p, F));
  ok(reach(F, "copy", STYX_OREAD));
  uint32_t got = 1;
  size_t used = 0;
  for (; got; used += got)
    ok(p9_read(p, F, used, back + used, sizeof back - used < 50000 ? (uint32_t)(sizeof back - used) : 50000, &got));
  cr_assert_eq(used, sizeof data);
  cr_assert_arr_eq(back, data, sizeof data);
  cr_assert_eq(stat_of(F).length, sizeof data);
}

Test(hostfs, offsets_have_64_bits) {
  const uint64_t far = (UINT64_C(5) << 32) + 3;
  char buf[8];
  uint32_t got;
  ok(make(F, "sparse", 0644, STYX_ORDWR));
  writes(F, far, "end");
  cr_assert_eq(stat_of(F).length, far + 3);
  ok(p9_read(p, F, far - 2, buf, sizeof buf, &got));
  cr_assert_eq(got, 5);
  cr_assert_arr_eq(buf, "\0\0end", 5);
  ok(p9_read(p, F, far + 3, buf, sizeof buf, &got));
  cr_assert_eq(got, 0, "end of file");
}

Test(hostfs, truncates_on_open_and_by_wstat) {
  host_write("f", "0123456789");
  ok(reach(F, "f", STYX_OWRITE | STYX_OTRUNC));
  cr_assert_eq(stat_of(F).length, 0);
  styx_stat st = styx_stat_untouched();
  st.length = 4;
  ok(p9_wstat(p, F, &st));
  cr_assert_eq(stat_of(F).length, 4);
}

Test(hostfs, all_untouched_is_sync_for_files_and_directories) {
  styx_stat st = styx_stat_untouched();
  ok(make(F, "f", 0644, STYX_OWRITE));
  ok(p9_wstat(p, F, &st));
  ok(p9_wstat(p, ROOT, &st));
  ok(p9_walk(p, ROOT, G, "f"));
  ok(p9_wstat(p, G, &st));
}

Test(hostfs, a_fifo_never_hangs) {
  char buf[8];
  uint32_t got = 1;
  cr_assert_eq(mkfifo(host("fifo"), 0666), 0);
  refuses(reach(F, "fifo", STYX_OWRITE), ENXIO);
  ok(reach(F, "fifo", STYX_OREAD));
  ok(p9_read(p, F, 0, buf, sizeof buf, &got));
  cr_assert_eq(got, 0, "nobody writes");
  ok(reach(G, "fifo", STYX_OWRITE));
  refuses(p9_read(p, F, 0, buf, sizeof buf, &got), EAGAIN);
  writes(G, 77, "abc");
  reads(F, "abc");
  ok(p9_clunk(p, F));
  refuses(p9_write(p, G, 0, "x", 1, &got), EPIPE); /* and no SIGPIPE */
}

/* ---- attributes ---- */

Test(hostfs, stat_says_what_the_host_says) {
  struct stat st;
  host_write("f", "twelve bytes");
  cr_assert_eq(chmod(host("f"), 0754), 0);
  cr_assert_eq(stat(host("f"), &st), 0);
  ok(p9_walk(p, ROOT, F, "f"));
  styx_stat got = stat_of(F);
  cr_assert_eq(got.mode, 0754);
  cr_assert_eq(got.length, 12);
  cr_assert_eq(got.mtime, (uint32_t)st.st_mtim.tv_sec);
  cr_assert(styx_str_is(got.name, "f"));
  cr_assert(styx_str_eq(got.uid, got.muid) && got.uid.len > 0);
  got = stat_of(ROOT);
  cr_assert_eq(got.mode, STYX_DMDIR | 0777);
  cr_assert_eq(got.qid.type, STYX_QTDIR);
  cr_assert_eq(got.length, 0);
  cr_assert(styx_str_is(got.name, "/"));
}

Test(hostfs, qids_are_equal_in_every_server_and_over_renames) {
  styx_qid here, there, later, hard, again;
  host_write("f", "x");
  ok(p9_walk_qid(p, ROOT, F, "f", &here));
  styx_hostfs *other;
  cr_assert_eq(styx_hostfs_new(&other, host("."), -1, NULL), STYX_OK);
  struct p9 *q = p9_new_fs(styx_hostfs_fs(other));
  ok(p9_attach(q, ROOT, "bob", ""));
  ok(p9_walk_qid(q, ROOT, F, "f", &there));
  cr_assert(here.path == there.path && here.vers == there.vers && here.type == there.type);
  p9_free(q);
  styx_hostfs_free(other);

  cr_assert_eq(link(host("f"), host("hard")), 0);
  ok(p9_walk_qid(p, ROOT, G, "hard", &hard));
  cr_assert_eq(hard.path, here.path, "hard links are one file");
  ok(wstat_name(F, "g"));
  ok(p9_walk_qid(p, ROOT, H, "g", &later));
  cr_assert_eq(later.path, here.path);
  cr_assert_neq(later.vers, here.vers, "the change time is part of the version");
  ok(p9_remove(p, G));
  ok(p9_remove(p, H));
  ok(p9_clunk(p, F)); /* now its inode number is free */
  host_write("g", "x");
  ok(p9_walk_qid(p, ROOT, H, "g", &again));
  cr_assert_neq(again.path, here.path, "deleted and made anew is another file");
}

Test(hostfs, a_file_that_can_only_be_appended_to_says_so) {
  host_write("log", "one");
  int fd = open(host("log"), O_RDONLY | O_CLOEXEC), flags = FS_APPEND_FL;
  bool possible = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
  if (possible) {
    ok(p9_walk(p, ROOT, F, "log"));
    cr_assert_eq(stat_of(F).mode & STYX_DMAPPEND, STYX_DMAPPEND);
    ok(p9_open(p, F, STYX_OWRITE | STYX_OTRUNC));
    writes(F, 0, "two");
    cr_assert(host_holds("log", "onetwo"));
    flags = 0;
    cr_assert_eq(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
  }
  close(fd);
  if (!possible)
    skip("this filesystem, or user, cannot set the attribute");
}

/* ---- names ---- */

Test(hostfs, names_have_up_to_255_bytes) {
  char name[257];
  memset(name, 'n', sizeof name);
  name[256] = '\0';
  refuses(make(F, name, 0644, STYX_OWRITE), ENAMETOOLONG);
  name[255] = '\0';
  ok(make(F, name, 0644, STYX_OWRITE));
  cr_assert(host_has(name));
  ok(p9_walk(p, ROOT, G, name));
  cr_assert(styx_str_is(stat_of(G).name, name));
  name[0] = 'm';
  ok(wstat_name(G, name));
  cr_assert(host_has(name));
}

static void keep_name(const styx_stat *st, void *arg) { snprintf(arg, 256, "%.*s", (int)st->name.len, st->name.s); }

/* The host's name is seen as shown, and each leads to the other. */
static void is_shown_as(const char *name, const char *shown) {
  char listed[256] = "", path[300];
  host_mkdir("names");
  snprintf(path, sizeof path, "names/%s", name);
  host_write(path, "x");
  ok(reach(F, "names", STYX_OREAD));
  cr_assert_eq(list(F, 8192, keep_name, listed), 1);
  cr_assert_str_eq(listed, shown);
  ok(p9_walk(p, ROOT, G, "names"));
  ok(p9_walk(p, G, H, shown));
  cr_assert(styx_str_is(stat_of(H).name, shown));
  ok(wstat_name(H, "plain"));
  cr_assert(host_has("names/plain"));
  ok(wstat_name(H, shown));
  cr_assert_eq(unlink(host("%s", path)), 0, "renamed back to the very bytes");
  ok(p9_clunk(p, H));
  ok(p9_create(p, G, shown, 0644, STYX_OREAD));
  cr_assert_eq(unlink(host("%s", path)), 0, "created by the very bytes");
  ok(p9_clunk(p, F));
  ok(p9_clunk(p, G));
  cr_assert_eq(rmdir(host("names")), 0);
}

Test(hostfs, names_that_are_not_utf8_survive) {
  is_shown_as("caf\xc3\xa9", "caf\xc3\xa9");
  is_shown_as("caf\xe9", "caf\xf4\x8f\xbb\xa9");
  is_shown_as("\x80\xff", "\xf4\x8f\xba\x80\xf4\x8f\xbb\xbf");
  is_shown_as("cut \xe2\x82", "cut \xf4\x8f\xbb\xa2\xf4\x8f\xba\x82");
  is_shown_as("\xc0\xaf\xed\xa0\x80", /* an overlong slash and half a surrogate pair */
              "\xf4\x8f\xbb\x80\xf4\x8f\xba\xaf\xf4\x8f\xbb\xad\xf4\x8f\xba\xa0\xf4\x8f\xba\x80");
  is_shown_as("\xf4\x8f\xbb\xa9",
              "\xf4\x8f\xbb\xb4\xf4\x8f\xba\x8f\xf4\x8f\xba\xbb\xf4\x8f\xba\xa9"); /* looks escaped */
  is_shown_as("\xf4\x8f\xbc\x80", "\xf4\x8f\xbc\x80");
}

Test(hostfs, a_name_has_one_form_only) {
  host_write("caf\xc3\xa9", "x");
  const char *other = "caf\xf4\x8f\xbb\x83\xf4\x8f\xba\xa9"; /* its two bytes, escaped without need */
  refuses(p9_walk(p, ROOT, F, other), ENOENT);
  refuses(make(F, other, 0644, STYX_OREAD), STYX_ENAME);
}

/* ---- what runs out, and new ---- */

Test(hostfs, without_descriptors_there_is_an_error_and_later_it_works) {
  struct rlimit limit, low;
  host_write("f", "text");
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  for (rlim_t n = 2 * (rlim_t)fds_before - 6;; n++) { /* one more every other time, until everything goes well */
    low = (struct rlimit){n / 2, limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    styx_err opened = reach(F, "f", STYX_OREAD), made = make(G, "new", n % 2 ? 0644 : STYX_DMDIR | 0755, STYX_OREAD);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert(opened == STYX_OK || opened == EMFILE, "%s", styx_err_text(opened));
    cr_assert(made == STYX_OK || made == EMFILE, "%s", styx_err_text(made));
    cr_assert_eq(host_has("new"), made == STYX_OK, "a create that failed leaves nothing");
    if (made == STYX_OK && opened == STYX_OK)
      break;
    if (opened == STYX_OK)
      ok(p9_clunk(p, F));
    if (made == STYX_OK)
      ok(p9_remove(p, G));
  }
}

Test(hostfs, without_memory_there_is_an_error_and_nothing_has_happened) {
  host_write("f", "text");
  size_t failures = 0;
  for (size_t n = 1;; n++) {
    heap.calls = 0;
    heap.fail_at = n;
    styx_err opened = reach(F, "f", STYX_ORDWR | STYX_OTRUNC), made = make(G, "new", 0644, STYX_OWRITE);
    bool over = heap.calls < n;
    heap.fail_at = 0;
    cr_assert(opened == STYX_OK || opened == ENOMEM);
    cr_assert(made == STYX_OK || made == ENOMEM);
    cr_assert_eq(host_holds("f", "text"), opened != STYX_OK);
    cr_assert_eq(host_has("new"), made == STYX_OK);
    failures += opened == ENOMEM || made == ENOMEM;
    if (opened == STYX_OK)
      ok(p9_clunk(p, F));
    if (made == STYX_OK)
      ok(p9_remove(p, G));
    host_write("f", "text");
    if (over)
      break;
  }
  cr_assert_geq(failures, 5);
}

Test(hostfs, new_wants_a_directory) {
  styx_hostfs *h;
  host_write("f", "x");
  cr_assert_eq(styx_hostfs_new(&h, host("f"), -1, NULL), ENOTDIR);
  cr_assert_eq(styx_hostfs_new(&h, host("none"), -1, NULL), ENOENT);
  cr_assert_eq(styx_hostfs_new(&h, NULL, -1, NULL), EBADF);
  int fd = open(host("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  cr_assert_eq(styx_hostfs_new(&h, NULL, fd, NULL), STYX_OK);
  cr_assert_eq(fcntl(fd, F_GETFD), -1, "taken over");
  styx_hostfs_free(h);
}
