/* tree_build_test.c: what a program builds, finds and changes; each bug of nametree that contract.md 4.5 lists is not ours. */
#include "tree_fixture.h"

TestSuite(tree_build, .init = setup, .fini = stop, .timeout = 60);

static styx_err create(styx_file *dir, const char *name, uint32_t mode, uint64_t path, styx_file **out) {
  styx_file_def def = {.size = sizeof def, .name = name, .mode = mode, .path = path};
  return styx_tree_create(tree, dir, &def, out);
}

/* ---- create ---- */

Test(tree_build, a_definition_says_everything_that_a_stat_shows) {
  styx_file *file = NULL;
  styx_file_def def = {.size = sizeof def,
                       .name = "f",
                       .mode = STYX_DMAPPEND | STYX_DMEXCL | 0640,
                       .path = 1ull << 40,
                       .uid = "glenda",
                       .gid = "staff",
                       .length = 77};
  OK(styx_tree_create(tree, root, &def, &file));
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat st = stat_of(glenda, F);
  cr_assert_eq(st.mode, STYX_DMAPPEND | STYX_DMEXCL | 0640);
  cr_assert_eq(st.qid.path, 1ull << 40);
  cr_assert_eq(st.qid.type, STYX_QTAPPEND | STYX_QTEXCL);
  cr_assert_eq(st.length, 77);
  cr_assert(styx_str_is(st.uid, "glenda") && styx_str_is(st.gid, "staff") && styx_str_is(st.muid, "glenda"));
}

Test(tree_build, a_definition_of_an_older_program_is_shorter) {
  styx_file_def def = {.size = offsetof(styx_file_def, uid), .name = "f", .mode = 0444, .uid = "nobody", .length = 9};
  OK(styx_tree_create(tree, root, &def, NULL));
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat st = stat_of(glenda, F);
  cr_assert(styx_str_is(st.uid, "sys"));
  cr_assert_eq(st.length, 0);
}

Test(tree_build, a_qid_path_belongs_to_one_file) {
  styx_file *file = NULL;
  OK(create(root, "a", 0444, 5000, &file));
  FAILS(create(root, "b", 0444, 5000, NULL), EEXIST);
  FAILS(create(NULL, "b", STYX_DMDIR | 0555, 5000, NULL), EEXIST);
  OK(styx_tree_remove(tree, file));
  OK(create(root, "b", 0444, 5000, NULL));
}

Test(tree_build, the_numbers_that_the_tree_chooses_keep_clear_of_the_programs) {
  styx_file *file = put_text(root, "first");
  uint64_t next = styx_tree_qid(tree, file).path + 1;
  OK(create(root, "a", 0444, next, NULL));
  OK(create(root, "b", 0444, next + 1, NULL));
  file = put_text(root, "second");
  cr_assert_eq(styx_tree_qid(tree, file).path, next + 2);
}

Test(tree_build, a_file_is_never_put_under_a_file) {
  styx_file *file = put_text(root, "f");
  FAILS(create(file, "g", 0444, 0, NULL), ENOTDIR);
  FAILS(create(file, "g", STYX_DMDIR | 0555, 0, NULL), ENOTDIR);
}

Test(tree_build, names_that_cannot_be_walked_to_are_refused) {
  const char *bad[] = {"", ".", "..", "/", "a/b", "\n", "a\tb", "\x1f", "\x7f", "\xc2\x80", "a\xc2\x9f"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    FAILS(create(root, bad[i], 0444, 0, NULL), STYX_ENAME);
    FAILS(create(root, bad[i], STYX_DMDIR | 0555, 0, NULL), STYX_ENAME);
  }
  const char *good[] = {"...", " ", "a b", "\\", "\xc2\xa0", "\xc3\xa4", "\xe4\xb8\x96"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    OK(create(root, good[i], 0444, 0, NULL));
}

Test(tree_build, nothing_is_put_into_a_directory_that_was_removed) {
  styx_file *dir = styx_tree_get(tree, put_dir(root, "d")), *sub = styx_tree_get(tree, put_dir(dir, "sub"));
  OK(styx_tree_remove(tree, dir));
  FAILS(styx_tree_text(tree, dir, "f", "x", NULL), ENOENT);
  FAILS(styx_tree_text(tree, sub, "f", "x", NULL), ENOENT);
  FAILS(styx_tree_remove(tree, dir), ENOENT);
  FAILS(styx_tree_remove(tree, sub), ENOENT);
  styx_tree_put(tree, dir);
  styx_tree_put(tree, sub);
}

/* ---- finding ---- */

Test(tree_build, files_are_found_by_name_and_by_path) {
  styx_file *dir = put_dir(root, "d"), *file = put_text(dir, "f"), *got = NULL;
  OK(styx_tree_lookup(tree, dir, "f", &got));
  cr_assert_eq(got, file);
  styx_tree_put(tree, got);
  OK(styx_tree_by_path(tree, styx_tree_qid(tree, file).path, &got));
  cr_assert_eq(got, file);
  styx_tree_put(tree, got);
  OK(styx_tree_lookup(tree, file, "..", &got) == ENOTDIR ? STYX_OK : EIO);
  OK(styx_tree_lookup(tree, dir, "..", &got));
  cr_assert_eq(got, root);
  styx_tree_put(tree, got);
  FAILS(styx_tree_lookup(tree, dir, "g", &got), ENOENT);
  FAILS(styx_tree_by_path(tree, 12345, &got), ENOENT);
  cr_assert_eq(got, root, "untouched");
}

Test(tree_build, a_removed_file_is_found_no_more) {
  styx_file *dir = put_dir(root, "d"), *got = NULL;
  uint64_t of_dir = styx_tree_qid(tree, dir).path, of_file = styx_tree_qid(tree, put_text(dir, "f")).path;
  OK(styx_tree_remove(tree, dir));
  FAILS(styx_tree_by_path(tree, of_dir, &got), ENOENT);
  FAILS(styx_tree_by_path(tree, of_file, &got), ENOENT);
  FAILS(styx_tree_lookup(tree, root, "d", &got), ENOENT);
}

Test(tree_build, getpath_names_every_file_from_its_root_on) {
  styx_file *a = put_dir(root, "a"), *b = put_dir(a, "b"), *c = styx_tree_get(tree, put_text(b, "c"));
  char buf[16] = "untouched";
  size_t len = 99;
  FAILS(styx_tree_path(tree, c, buf, 6, &len), ENAMETOOLONG);
  FAILS(styx_tree_path(tree, root, buf, 1, &len), ENAMETOOLONG);
  cr_assert_str_eq(buf, "untouched");
  cr_assert_eq(len, 99);
  OK(styx_tree_path(tree, c, buf, 7, &len));
  cr_assert_str_eq(buf, "/a/b/c");
  cr_assert_eq(len, 6);
  OK(styx_tree_path(tree, root, buf, 2, &len));
  cr_assert_str_eq(buf, "/");
  OK(styx_tree_remove(tree, a));
  FAILS(styx_tree_path(tree, c, buf, sizeof buf, NULL), ENOENT);
  styx_tree_put(tree, c);
}

Test(tree_build, a_reference_keeps_a_removed_file_and_the_last_one_ends_it) {
  styx_file *file = styx_tree_get(tree, put_text(root, "f"));
  size_t with = heap.live;
  OK(styx_tree_remove(tree, file));
  styx_tree_set_length(tree, file, 3);
  cr_assert_null(styx_file_aux(file));
  cr_assert_lt(with - heap.live, 64);
  styx_tree_put(tree, file);
  cr_assert_gt(with - heap.live, sizeof(void *) * 16);
  styx_tree_put(tree, NULL);
}

/* ---- wstat ---- */

Test(tree_build, a_twstat_that_touches_nothing_changes_nothing) {
  OK(create(root, "f", STYX_DMAPPEND | 0640, 0, NULL));
  styx_file *file = NULL;
  OK(styx_tree_lookup(tree, root, "f", &file));
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat before = stat_of(glenda, F), st = styx_stat_untouched();
  uint8_t buf[256];
  ptrdiff_t n = styx_stat_encode(buf, sizeof buf, &st, STYX_9P2000); /* as the wire has it */
  cr_assert_gt(n, 0);
  cr_assert_eq(styx_stat_decode(&st, buf, (size_t)n, STYX_9P2000), n);
  OK(styx_tree_wstat(tree, file, &st));
  styx_stat after = stat_of(glenda, F);
  cr_assert_eq(after.type, 0);
  cr_assert_eq(after.dev, 0);
  cr_assert_eq(after.qid.type, STYX_QTAPPEND);
  cr_assert_eq(after.qid.vers, before.qid.vers);
  cr_assert_eq(after.mode, STYX_DMAPPEND | 0640);
  cr_assert_eq(after.mtime, before.mtime);
  cr_assert_eq(after.length, 0);
  cr_assert(styx_str_is(after.name, "f") && styx_str_is(after.uid, "sys"));
  styx_tree_put(tree, file);
}

Test(tree_build, wstat_changes_each_field_alone) {
  styx_file *file = put_text(root, "f");
  styx_stat st = styx_stat_untouched();
  st.mode = STYX_DMEXCL | 0600;
  OK(styx_tree_wstat(tree, file, &st));
  st = styx_stat_untouched();
  st.uid = styx_str_of("bob");
  OK(styx_tree_wstat(tree, file, &st));
  st = styx_stat_untouched();
  st.gid = styx_str_of("staff");
  OK(styx_tree_wstat(tree, file, &st));
  st = styx_stat_untouched();
  st.atime = 5;
  OK(styx_tree_wstat(tree, file, &st));
  st = styx_stat_untouched();
  st.mtime = 6;
  st.length = 7;
  OK(styx_tree_wstat(tree, file, &st));
  st = styx_stat_untouched();
  st.name = styx_str_of("g");
  OK(styx_tree_wstat(tree, file, &st));
  OK(p9_walk(bob, ROOT, F, "g"));
  st = stat_of(bob, F);
  cr_assert_eq(st.mode, STYX_DMEXCL | 0600);
  cr_assert(styx_str_is(st.uid, "bob") && styx_str_is(st.gid, "staff") && styx_str_is(st.name, "g"));
  cr_assert_eq(st.mtime, 6);
  cr_assert_eq(st.length, 7);
  OK(p9_open(bob, F, STYX_OREAD)); /* his own file now */
  FAILS(p9_walk(bob, ROOT, G, "f"), ENOENT);
}

Test(tree_build, a_rename_that_clashes_changes_nothing_at_all) {
  styx_file *file = put_text(root, "f");
  put_text(root, "g");
  styx_stat st = styx_stat_untouched();
  st.mode = 0600;
  st.name = styx_str_of("g");
  FAILS(styx_tree_wstat(tree, file, &st), EEXIST);
  OK(p9_walk(glenda, ROOT, F, "f"));
  cr_assert_eq(stat_of(glenda, F).mode, 0444);
  st.name = styx_str_of("f"); /* its own */
  OK(styx_tree_wstat(tree, file, &st));
  cr_assert_eq(stat_of(glenda, F).mode, 0600);
}

Test(tree_build, wstat_refuses_what_no_file_can_be) {
  styx_file *file = styx_tree_get(tree, put_text(root, "f")), *dir = put_dir(root, "d");
  const struct {
    styx_file *file;
    styx_stat st;
    styx_err err;
  } table[] = {
#define WITH(...)                                                                                                      \
  __extension__({                                                                                                      \
    styx_stat s_ = styx_stat_untouched();                                                                              \
    __VA_ARGS__;                                                                                                       \
    s_;                                                                                                                \
  })
      {file, WITH(s_.type = 1), EPERM},
      {file, WITH(s_.dev = 1), EPERM},
      {file, WITH(s_.qid.type = STYX_QTDIR), EPERM},
      {file, WITH(s_.qid.path = 1), EPERM},
      {file, WITH(s_.qid.vers = 77), EPERM},
      {file, WITH(s_.mode = STYX_DMDIR | 0700), EPERM},
      {dir, WITH(s_.mode = 0700), EPERM},
      {dir, WITH(s_.mode = STYX_DMDIR | STYX_DMAPPEND | 0700), STYX_EBADARG},
      {file, WITH(s_.mode = 01700), STYX_EBADARG},
      {dir, WITH(s_.length = 1), EISDIR},
      {dir, WITH(s_.length = 0), STYX_OK},
      {file, WITH(s_.length = 1ull << 63), EFBIG},
      {file, WITH(s_.name = styx_str_of("a/b")), STYX_ENAME},
      {file, WITH(s_.name = styx_str_of("..")), STYX_ENAME},
      {root, WITH(s_.name = styx_str_of("a")), EBUSY},
      {root, WITH(s_.name = styx_str_of("/")), STYX_OK},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    cr_assert_eq(styx_tree_wstat(tree, table[i].file, &table[i].st), table[i].err, "row %zu", i);
  OK(styx_tree_remove(tree, file));
  styx_stat st = styx_stat_untouched();
  FAILS(styx_tree_wstat(tree, file, &st), ENOENT);
  styx_tree_put(tree, file);
}

/* ---- several roots ---- */

Test(tree_build, two_roots_have_each_their_own_dot_dot) {
  styx_file *other = NULL, *sub = NULL;
  OK(create(NULL, "other", STYX_DMDIR | 0555, 0, &other));
  sub = put_dir(other, "sub");
  put_text(root, "here");
  put_text(sub, "there");
  OK(p9_attach(glenda, F, "glenda", "other"));
  cr_assert(styx_str_is(stat_of(glenda, F).name, "/"));
  cr_assert_eq(stat_of(glenda, F).qid.path, styx_tree_qid(tree, other).path);
  OK(p9_walk(glenda, F, G, "sub/../sub/there"));
  OK(p9_walk(glenda, F, H, "sub/../../../sub"));
  FAILS(p9_walk(glenda, F, 10, "here"), ENOENT);
  FAILS(p9_walk(glenda, F, 10, "../here"), ENOENT);
  OK(p9_walk(glenda, ROOT, 10, "here"));
  FAILS(p9_walk(glenda, ROOT, 11, "../sub"), ENOENT);
  char buf[32];
  OK(styx_tree_path(tree, sub, buf, sizeof buf, NULL));
  cr_assert_str_eq(buf, "/sub");
}

Test(tree_build, the_aname_chooses_a_root_or_is_refused) {
  OK(p9_attach(glenda, F, "glenda", "whatever")); /* there is only one */
  OK(p9_clunk(glenda, F));
  OK(create(NULL, "a/b\tc", STYX_DMDIR | 0555, 0, NULL));
  FAILS(create(NULL, "a/b\tc", STYX_DMDIR | 0555, 0, NULL), EEXIST);
  FAILS(create(NULL, "file", 0555, 0, NULL), ENOTDIR);
  OK(p9_attach(glenda, F, "glenda", "a/b\tc"));
  OK(p9_attach(glenda, G, "glenda", ""));
  cr_assert_neq(stat_of(glenda, F).qid.path, stat_of(glenda, G).qid.path);
  FAILS(p9_attach(glenda, H, "glenda", "whatever"), STYX_EANAME);
}

Test(tree_build, a_root_can_be_removed_but_the_first) {
  styx_file *other = NULL;
  OK(create(NULL, "x", STYX_DMDIR | 0555, 0, &other));
  OK(create(NULL, "y", STYX_DMDIR | 0555, 0, NULL));
  put_text(put_dir(other, "d"), "f");
  OK(p9_attach(glenda, F, "glenda", "x"));
  OK(p9_walk(glenda, F, G, "d/f"));
  OK(p9_open(glenda, G, STYX_OREAD));
  OK(styx_tree_remove(tree, other));
  FAILS(styx_tree_remove(tree, root), EBUSY);
  FAILS(p9_attach(glenda, H, "glenda", "x"), STYX_EANAME);
  OK(p9_attach(glenda, H, "glenda", "y"));
  char buf[8];
  uint32_t got = 0;
  OK(p9_read(glenda, G, 0, buf, sizeof buf, &got));
  cr_assert_eq(got, 4);
  FAILS(p9_walk(glenda, F, 9, "d"), ENOENT);
  OK(create(NULL, "x", STYX_DMDIR | 0555, 0, NULL));
}

Test(tree_build, the_first_root_can_be_defined_once) {
  styx_file *out = NULL;
  styx_file_def def = {
      .size = sizeof def, .mode = STYX_DMDIR | 0750, .uid = "bob", .gid = "glenda", .path = 1ull << 33};
  OK(create(root, "a", 0444, 1ull << 33, &out));
  FAILS(styx_tree_create(tree, NULL, &def, &out), EEXIST); /* its path is in use */
  OK(styx_tree_remove(tree, out));
  OK(styx_tree_create(tree, NULL, &def, &out));
  cr_assert_eq(out, root);
  FAILS(styx_tree_create(tree, NULL, &def, &out), EEXIST);
  OK(p9_attach(bob, F, "bob", ""));
  styx_stat st = stat_of(bob, F);
  cr_assert_eq(st.mode, STYX_DMDIR | 0750);
  cr_assert_eq(st.qid.path, 1ull << 33);
  cr_assert(styx_str_is(st.uid, "bob") && styx_str_is(st.gid, "glenda"));
  styx_file *got = NULL;
  OK(styx_tree_by_path(tree, 1ull << 33, &got));
  cr_assert_eq(got, root);
  styx_tree_put(tree, got);
}

/* ---- many ---- */

Test(tree_build, a_hundred_thousand_files_are_found_each_by_name_and_path_and_removed) {
  enum { N = 100000 };
  styx_file *dir = put_dir(root, "d"), *got = NULL;
  char name[16];
  for (unsigned i = 0; i < N; i++) {
    snprintf(name, sizeof name, "%u", i);
    OK(create(dir, name, 0444, (1ull << 40) + i, NULL));
  }
  for (unsigned i = 0; i < N; i++) {
    snprintf(name, sizeof name, "%u", i);
    OK(styx_tree_lookup(tree, dir, name, &got));
    cr_assert_eq(styx_tree_qid(tree, got).path, (1ull << 40) + i);
    OK(styx_tree_remove(tree, got));
    styx_tree_put(tree, got);
    FAILS(styx_tree_by_path(tree, (1ull << 40) + i, &got), ENOENT);
  }
  OK(p9_walk(glenda, ROOT, F, "d"));
  cr_assert_str_eq(names_in(glenda, F), "");
}

/* ---- memory that fails ---- */

Test(tree_build_memory, every_allocation_may_fail_without_a_trace) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  size_t failed = 0;
  for (bool reached = true; reached;) {
    heap.fail_at++;
    heap.calls = 0;
    styx_tree *t = styx_tree_new(NULL, &alloc);
    styx_file *a = NULL, *f = NULL;
    styx_file_def def = {.size = sizeof def, .name = "a", .mode = STYX_DMDIR | 0555, .uid = "u", .gid = "g"};
    for (int tries = 0; t && !a && tries < 2; tries++)
      (void)styx_tree_create(t, NULL, &def, &a);
    for (int tries = 0; a && !f && tries < 2; tries++)
      (void)styx_tree_text(t, a, "f", "text", &f);
    styx_stat st = styx_stat_untouched();
    st.name = styx_str_of("g");
    st.uid = styx_str_of("bob");
    st.gid = styx_str_of("staff");
    st.mode = 0400;
    if (f && styx_tree_wstat(t, f, &st) == ENOMEM) {
      char buf[8];
      OK(styx_tree_path(t, f, buf, sizeof buf, NULL));
      cr_assert_str_eq(buf, "/f");
      OK(styx_tree_wstat(t, f, &st));
    }
    def.name = NULL;
    if (t && styx_tree_create(t, NULL, &def, NULL))
      OK(styx_tree_create(t, NULL, &def, NULL));
    reached = heap.calls >= heap.fail_at;
    failed += reached;
    styx_tree_free(t);
    cr_assert_eq(heap.live, 0, "allocation %zu: %zu bytes", heap.fail_at, (size_t)heap.live);
  }
  cr_assert_gt(failed, 20);
}
