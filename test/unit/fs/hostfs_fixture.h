/* hostfs_fixture.h: a directory of the host with an export and something outside of it, and clients of the export. What is
 * made is removed, and neither memory nor descriptors may be left over. */
#ifndef FS_HOSTFS_FIXTURE_H
#define FS_HOSTFS_FIXTURE_H

#include "support/pipe9.h"

#include <styx/hostfs.h>

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOT = 0, F = 1, G = 2, H = 3 };

static char top[PATH_MAX];
static struct p9_heap heap;
static styx_hostfs *hostfs;
static struct p9 *p;
static int fds_before;

static inline int count_fds(void) {
  DIR *d = opendir("/proc/self/fd");
  int n = 0;
  cr_assert_not_null(d);
  while (readdir(d))
    n++;
  closedir(d);
  return n;
}

/* ---- the host's side; names begin at the export, "../x" is outside ---- */

/* Several results can be in use at once, of each thread. */
static inline STYX_PRINTF(1, 2) const char *host(const char *fmt, ...) {
  static _Thread_local char paths[4][PATH_MAX + 600];
  static _Thread_local unsigned turn;
  char *path = paths[turn++ % 4];
  int n = snprintf(path, PATH_MAX, "%s/export/", top);
  va_list args;
  va_start(args, fmt);
  vsnprintf(path + n, 600, fmt, args);
  va_end(args);
  return path;
}

static inline void host_write(const char *name, const char *text) {
  int fd = open(host("%s", name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  cr_assert_geq(fd, 0, "%s: %s", name, strerror(errno));
  cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
}

static inline bool host_holds(const char *name, const char *text) {
  char buf[256] = "";
  int fd = open(host("%s", name), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  ssize_t n = read(fd, buf, sizeof buf - 1);
  close(fd);
  return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

static inline void host_mkdir(const char *name) {
  cr_assert_eq(mkdir(host("%s", name), 0755), 0, "%s", strerror(errno));
}
static inline void host_link(const char *target, const char *name) {
  cr_assert_eq(symlink(target, host("%s", name)), 0);
}
static inline void host_move(const char *from, const char *to) {
  cr_assert_eq(rename(host("%s", from), host("%s", to)), 0, "%s to %s: %s", from, to, strerror(errno));
}
static inline bool host_has(const char *name) {
  struct stat st;
  return lstat(host("%s", name), &st) == 0;
}

/* ---- set up and take down ---- */

/* Serve the export so; config is completed. */
static inline styx_err hostfs_serve(styx_hostfs_config config) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  config.size = sizeof config;
  config.allocator = &alloc;
  styx_err err = styx_hostfs_new_with(&hostfs, host("."), -1, &config);
  if (!err)
    p = p9_new_fs(styx_hostfs_fs(hostfs));
  return err;
}

static inline void hostfs_stop(void) {
  p9_free(p);
  styx_hostfs_free(hostfs);
  p = NULL;
  hostfs = NULL;
}

static inline void hostfs_setup(void) {
  const char *tmp = getenv("TMPDIR");
  snprintf(top, sizeof top, "%s/styx-hostfs-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  umask(0);
  fds_before = count_fds();
  cr_assert_not_null(mkdtemp(top));
  cr_assert_eq(chmod(top, 0755), 0);
  cr_assert_eq(mkdir(host("%s", ""), 0777), 0);
  host_mkdir("../outside");
  host_write("../outside/secret", "secret");
  cr_assert_eq(hostfs_serve((styx_hostfs_config){.special = true}), STYX_OK);
  cr_assert_eq(p9_attach(p, ROOT, "glenda", ""), STYX_OK);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

static inline void hostfs_teardown(void) {
  hostfs_stop();
  nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  cr_assert_eq(heap.live, 0, "%zu bytes left", (size_t)heap.live);
  cr_assert_eq(count_fds(), fds_before, "descriptors left");
}

/* Criterion takes nothing down after a skipped test. */
static inline void skip(const char *why) {
  hostfs_teardown();
  cr_skip_test("%s", why);
}

/* ---- the client's side ---- */

#define ok(call) cr_assert_eq((call), STYX_OK, #call)

static inline void fails(styx_err got, styx_err expected, const char *what) {
  cr_assert_eq(got, expected, "%s: %s, not %s", what, styx_err_text(got), styx_err_text(expected));
}
#define refuses(call, err) fails((call), (err), #call)

/* fid reads exactly text from offset 0. */
static inline void reads(uint32_t fid, const char *text) {
  char buf[256];
  uint32_t got = 0;
  ok(p9_read(p, fid, 0, buf, sizeof buf, &got));
  cr_assert_eq(got, strlen(text), "%u bytes", got);
  cr_assert_arr_eq(buf, text, got);
}

static inline void writes(uint32_t fid, uint64_t offset, const char *text) {
  uint32_t got = 0;
  ok(p9_write(p, fid, offset, text, (uint32_t)strlen(text), &got));
  cr_assert_eq(got, strlen(text));
}

static inline styx_stat stat_of(uint32_t fid) {
  styx_stat st;
  ok(p9_stat(p, fid, &st));
  return st;
}

static inline styx_err wstat_name(uint32_t fid, const char *name) {
  styx_stat st = styx_stat_untouched();
  st.name = styx_str_of(name);
  return p9_wstat(p, fid, &st);
}

/* Walk to path and open it. */
static inline styx_err reach(uint32_t fid, const char *path, uint8_t mode) {
  styx_err err = p9_walk(p, ROOT, fid, path);
  if (err)
    return err;
  err = p9_open(p, fid, mode);
  if (err)
    p9_clunk(p, fid);
  return err;
}

static inline styx_err make(uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  ok(p9_walk(p, ROOT, fid, ""));
  styx_err err = p9_create(p, fid, name, perm, mode);
  if (err)
    p9_clunk(p, fid);
  return err;
}

/* Call fn with each entry of the open directory fid, reading count bytes at a time; returns how many there were. */
static inline size_t list(uint32_t fid, uint32_t count, void (*fn)(const styx_stat *, void *), void *arg) {
  static char buf[65536];
  uint64_t offset = 0;
  size_t entries = 0;
  for (uint32_t got = 1; got; offset += got) {
    ok(p9_read(p, fid, offset, buf, count, &got));
    styx_stat st;
    for (ptrdiff_t at = 0, n; at < (ptrdiff_t)got; at += n, entries++) {
      n = styx_stat_decode(&st, buf + at, got - (size_t)at, STYX_9P2000);
      cr_assert_gt(n, 0);
      if (fn)
        fn(&st, arg);
    }
  }
  return entries;
}

#endif
