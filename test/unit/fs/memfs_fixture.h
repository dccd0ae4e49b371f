/* memfs_fixture.h: a memfs that the user glenda owns, she and bob as clients, and what tests do with them. The heap is
 * counted: whatever is left when a test ends fails it. */
#ifndef UNIT_MEMFS_FIXTURE_H
#define UNIT_MEMFS_FIXTURE_H

#include "support/pipe9.h"

#include <styx/memfs.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOT = 0, F = 1, G = 2, H = 3 };

static styx_memfs *fs;
static struct p9 *glenda, *bob;
static struct p9_heap heap;

static inline void start(uint32_t mode, uint64_t max_bytes) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  styx_memfs_config config = {
      .size = sizeof config, .user = "glenda", .mode = mode, .max_bytes = max_bytes, .allocator = &alloc};
  fs = styx_memfs_new(&config);
  cr_assert_not_null(fs);
  glenda = p9_new_fs(styx_memfs_fs(fs));
  bob = p9_new_fs(styx_memfs_fs(fs));
  cr_assert_eq(p9_attach(glenda, ROOT, "glenda", ""), STYX_OK);
  cr_assert_eq(p9_attach(bob, ROOT, "bob", ""), STYX_OK);
}

static inline void setup(void) { start(0755, 0); }

static inline void stop(void) {
  p9_free(glenda);
  p9_free(bob);
  styx_memfs_free(fs);
  cr_assert_eq(heap.live, 0, "%zu bytes leaked", (size_t)heap.live);
}

#define FAILS(call, error)                                                                                             \
  do {                                                                                                                 \
    styx_err got_ = (call);                                                                                            \
    cr_assert_eq(got_, (error), "%s: %s", #call, styx_err_text(got_));                                                 \
  } while (0)
#define OK(call) FAILS(call, STYX_OK)

/* dir and name to an open fid. */
static inline void create(struct p9 *p, uint32_t dir, uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  OK(p9_walk(p, dir, fid, ""));
  OK(p9_create(p, fid, name, perm, mode));
}

static inline void make_file(struct p9 *p, uint32_t dir, const char *name, uint32_t perm, const char *text) {
  create(p, dir, 99, name, perm, STYX_OWRITE);
  uint32_t got = 0, len = (uint32_t)strlen(text);
  OK(p9_write(p, 99, 0, text, len, &got));
  cr_assert_eq(got, len);
  OK(p9_clunk(p, 99));
}

static inline void make_dir(struct p9 *p, uint32_t dir, const char *name, uint32_t perm) {
  create(p, dir, 99, name, perm | STYX_DMDIR, STYX_OREAD);
  OK(p9_clunk(p, 99));
}

static inline styx_stat stat_of(struct p9 *p, uint32_t fid) {
  styx_stat st = {0};
  OK(p9_stat(p, fid, &st));
  return st;
}

static inline styx_stat stat_path(struct p9 *p, const char *path) {
  OK(p9_walk(p, ROOT, 98, path));
  styx_stat st = stat_of(p, 98);
  OK(p9_clunk(p, 98)); /* st's strings are gone now */
  return st;
}

static inline void reads(struct p9 *p, uint32_t fid, uint64_t offset, const char *text) {
  char buf[8192];
  uint32_t got = 0;
  OK(p9_read(p, fid, offset, buf, sizeof buf, &got));
  cr_assert_eq(got, strlen(text), "%u bytes: %.*s", (unsigned)got, (int)got, buf);
  cr_assert_arr_eq(buf, text, got);
}

static inline void holds(struct p9 *p, const char *path, const char *text) {
  OK(p9_walk(p, ROOT, 98, path));
  OK(p9_open(p, 98, STYX_OREAD));
  reads(p, 98, 0, text);
  OK(p9_clunk(p, 98));
}

static inline uint64_t files(void) {
  uint64_t n = 0;
  styx_memfs_usage(fs, &n, NULL);
  return n;
}

static inline uint64_t bytes(void) {
  uint64_t n = 0;
  styx_memfs_usage(fs, NULL, &n);
  return n;
}

static inline styx_stat rename_to(const char *name) {
  styx_stat st = styx_stat_untouched();
  st.name = styx_str_of(name);
  return st;
}

static inline styx_stat resize_to(uint64_t length) {
  styx_stat st = styx_stat_untouched();
  st.length = length;
  return st;
}

static inline styx_stat chmod_to(uint32_t mode) {
  styx_stat st = styx_stat_untouched();
  st.mode = mode;
  return st;
}

/* "pub", where bob may do what he likes; a mode over that of the root has to be set afterwards. */
static inline void make_public_dir(void) {
  make_dir(glenda, ROOT, "pub", 0777);
  OK(p9_walk(glenda, ROOT, 97, "pub"));
  styx_stat st = chmod_to(STYX_DMDIR | 0777);
  OK(p9_wstat(glenda, 97, &st));
  OK(p9_clunk(glenda, 97));
}

#endif
