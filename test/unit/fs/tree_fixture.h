/* tree_fixture.h: a tree that the user sys owns, glenda and bob as its clients, and a file that is kept in memory. The heap is
 * counted: whatever is left when a test ends fails it. */
#ifndef UNIT_TREE_FIXTURE_H
#define UNIT_TREE_FIXTURE_H

#include "support/pipe9.h"

#include <styx/tree.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOT = 0, F = 1, G = 2, H = 3 };

static styx_tree *tree;
static styx_file *root;
static struct p9 *glenda, *bob;
static struct p9_heap heap;

#define FAILS(call, error)                                                                                             \
  do {                                                                                                                 \
    styx_err got_ = (call);                                                                                            \
    cr_assert_eq(got_, (error), "%s: %s", #call, styx_err_text(got_));                                                 \
  } while (0)
#define OK(call) FAILS(call, STYX_OK)

static inline void setup(void) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  tree = styx_tree_new("sys", &alloc);
  cr_assert_not_null(tree);
  root = styx_tree_root(tree);
  glenda = p9_new_fs(styx_tree_fs(tree));
  bob = p9_new_fs(styx_tree_fs(tree));
  OK(p9_attach(glenda, ROOT, "glenda", ""));
  OK(p9_attach(bob, ROOT, "bob", ""));
}

static inline void stop(void) {
  p9_free(glenda);
  p9_free(bob);
  styx_tree_free(tree);
  cr_assert_eq(heap.live, 0, "%zu bytes leaked", (size_t)heap.live);
}

static inline styx_file *put_dir(styx_file *dir, const char *name) {
  styx_file *file = NULL;
  OK(styx_tree_dir(tree, dir, name, 0777, &file));
  return file;
}

static inline styx_file *put_text(styx_file *dir, const char *name) {
  styx_file *file = NULL;
  OK(styx_tree_text(tree, dir, name, "text", &file));
  return file;
}

static inline styx_stat stat_of(struct p9 *p, uint32_t fid) {
  styx_stat st = {0};
  OK(p9_stat(p, fid, &st));
  return st;
}

/* The names of the directory at fid, which is opened here, separated by blanks. */
static inline const char *names_in(struct p9 *p, uint32_t fid) {
  static char all[4096];
  uint8_t buf[8192];
  uint32_t got = 0;
  size_t len = 0;
  all[0] = 0;
  OK(p9_open(p, fid, STYX_OREAD));
  OK(p9_read(p, fid, 0, buf, sizeof buf, &got));
  for (size_t at = 0; at < got;) {
    styx_stat st;
    ptrdiff_t n = styx_stat_decode(&st, buf + at, got - at, STYX_9P2000);
    cr_assert_gt(n, 0);
    len += (size_t)snprintf(all + len, sizeof all - len, "%s%.*s", len ? " " : "", (int)st.name.len, st.name.s);
    at += (size_t)n;
  }
  OK(p9_clunk(p, fid));
  return all;
}

#endif
