/* tree_navigator_test.c: the tree, asked by the path of a qid. */
#include "tree_fixture.h"

TestSuite(tree_navigator, .init = setup, .fini = stop, .timeout = 60);

/* ---- one who asks ---- */

struct asked {
  styx_nav q; /* first member */
  int answers, entries, most;
  styx_err err;
  styx_attr attr;
  char name[64], uid[16], names[512];
  uint64_t last;
  uint32_t seen[512]; /* by the number behind the first letter of a name */
};

static void done(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct asked *a = (struct asked *)q;
  a->answers++;
  a->err = err;
  if (!attr)
    return;
  a->attr = *attr;
  snprintf(a->name, sizeof a->name, "%.*s", (int)attr->name.len, attr->name.s);
  snprintf(a->uid, sizeof a->uid, "%.*s", (int)attr->uid.len, attr->uid.s);
}

static bool entry(styx_nav *q, const styx_dirent *e) {
  struct asked *a = (struct asked *)q;
  if (a->entries == a->most)
    return false;
  a->entries++;
  a->last = e->cookie;
  a->attr = e->attr;
  char name[64];
  snprintf(name, sizeof name, "%.*s ", (int)e->attr.name.len, e->attr.name.s);
  size_t len = strlen(a->names);
  if (len + strlen(name) < sizeof a->names)
    memcpy(a->names + len, name, strlen(name) + 1);
  if (e->attr.name.len > 1)
    a->seen[strtoul(name + 1, NULL, 10) % 512]++;
  return true;
}

static struct asked a;
static styx_allocator heap_alloc;

static styx_navigator fresh(void) {
  heap_alloc = p9_heap_allocator(&heap);
  a = (struct asked){.q = {.done = done, .entry = entry, .allocator = &heap_alloc}, .most = 1000000};
  return styx_tree_navigator(tree);
}

static styx_err ask_stat(uint64_t path) {
  styx_navigator nav = fresh();
  styx_navigator_stat(&nav, &a.q, path);
  cr_assert_eq(a.answers, 1);
  return a.err;
}

static styx_err ask_walk(uint64_t path, const char *name) {
  styx_navigator nav = fresh();
  styx_navigator_walk(&nav, &a.q, path, styx_str_of(name));
  cr_assert_eq(a.answers, 1);
  return a.err;
}

static styx_err ask_readdir(uint64_t path, uint64_t cookie, uint32_t count, int most) {
  styx_navigator nav = fresh();
  a.most = most;
  styx_navigator_readdir(&nav, &a.q, path, cookie, count);
  cr_assert_eq(a.answers, 1);
  return a.err;
}

static uint64_t path_of(styx_file *file) { return styx_tree_qid(tree, file).path; }

/* ---- stat and walk ---- */

Test(tree_navigator, a_stat_says_all_of_a_file) {
  styx_file *dir = put_dir(root, "d");
  styx_file_def def = {.size = sizeof def, .name = "f", .mode = STYX_DMEXCL | 0640, .uid = "bob", .length = 12};
  styx_file *file = NULL;
  OK(styx_tree_create(tree, dir, &def, &file));
  OK(ask_stat(path_of(file)));
  cr_assert_str_eq(a.name, "f");
  cr_assert_str_eq(a.uid, "bob");
  cr_assert_eq(a.attr.mode, STYX_DMEXCL | 0640);
  cr_assert_eq(a.attr.qid.type, STYX_QTEXCL);
  cr_assert_eq(a.attr.length, 12);
  OK(ask_stat(path_of(root)));
  cr_assert_str_eq(a.name, "/");
  cr_assert_eq(a.attr.qid.type, STYX_QTDIR);
  FAILS(ask_stat(99999), ENOENT);
}

Test(tree_navigator, a_walk_finds_names_and_the_directory_above_of_files_too) {
  styx_file *dir = put_dir(root, "d"), *file = put_text(dir, "f");
  OK(ask_walk(path_of(root), "d"));
  cr_assert_eq(a.attr.qid.path, path_of(dir));
  OK(ask_walk(path_of(dir), "f"));
  cr_assert_eq(a.attr.qid.path, path_of(file));
  OK(ask_walk(path_of(file), ".."));
  cr_assert_eq(a.attr.qid.path, path_of(dir));
  OK(ask_walk(path_of(root), ".."));
  cr_assert_eq(a.attr.qid.path, path_of(root));
  FAILS(ask_walk(path_of(dir), "g"), ENOENT);
  FAILS(ask_walk(path_of(file), "g"), ENOTDIR);
  FAILS(ask_walk(99999, "g"), ENOENT);
  FAILS(ask_walk(99999, ".."), ENOENT);
}

Test(tree_navigator, several_roots_are_found_and_each_is_above_itself) {
  styx_file *other = NULL;
  styx_file_def def = {.size = sizeof def, .name = "other", .mode = STYX_DMDIR | 0555, .path = 1ull << 40};
  OK(styx_tree_create(tree, NULL, &def, &other));
  styx_file *sub = put_dir(other, "sub");
  OK(ask_walk(1ull << 40, ".."));
  cr_assert_eq(a.attr.qid.path, 1ull << 40);
  OK(ask_walk(path_of(sub), ".."));
  cr_assert_eq(a.attr.qid.path, 1ull << 40);
  OK(styx_tree_remove(tree, other));
  FAILS(ask_stat(1ull << 40), ENOENT);
}

Test(tree_navigator, what_was_removed_is_not_found_though_a_fid_has_it) {
  styx_file *dir = put_dir(root, "d"), *file = put_text(dir, "f");
  uint64_t of_dir = path_of(dir), of_file = path_of(file);
  OK(p9_walk(glenda, ROOT, F, "d/f"));
  OK(styx_tree_remove(tree, dir));
  FAILS(ask_stat(of_dir), ENOENT);
  FAILS(ask_stat(of_file), ENOENT);
  FAILS(ask_walk(of_file, ".."), ENOENT);
  FAILS(ask_readdir(of_dir, 0, 10, 10), ENOENT);
  OK(p9_open(glenda, F, STYX_OREAD));
}

/* ---- readdir ---- */

Test(tree_navigator, a_directory_is_read_in_order_by_count_and_cookie) {
  char name[16];
  styx_file *dir = put_dir(root, "d");
  for (int i = 0; i < 5; i++) {
    snprintf(name, sizeof name, "f%d", i);
    put_text(dir, name);
  }
  OK(ask_readdir(path_of(dir), 0, 2, 100));
  cr_assert_str_eq(a.names, "f0 f1 ");
  OK(ask_readdir(path_of(dir), a.last, 2, 100));
  cr_assert_str_eq(a.names, "f2 f3 ");
  OK(ask_readdir(path_of(dir), a.last, 100, 0)); /* it will be asked for again */
  cr_assert_str_eq(a.names, "");
  OK(ask_readdir(path_of(dir), 4, 100, 100));
  cr_assert_str_eq(a.names, "f4 ");
  OK(ask_readdir(path_of(dir), a.last, 100, 100));
  cr_assert_str_eq(a.names, "");
  FAILS(ask_readdir(path_of(dir), a.last + 6, 1, 1), STYX_EOFFSET);
  FAILS(ask_readdir(path_of(put_text(root, "t")), 0, 1, 1), ENOTDIR);
  FAILS(ask_readdir(99999, 0, 1, 1), ENOENT);
}

Test(tree_navigator, a_read_with_gaps_before_it_is_not_the_end) {
  styx_file *dir = put_dir(root, "d"), *files[400];
  char name[16];
  for (int i = 0; i < 400; i++) {
    snprintf(name, sizeof name, "f%d", i);
    files[i] = put_text(dir, name);
  }
  for (int i = 1; i < 200; i++) /* too few for the gaps to be closed */
    OK(styx_tree_remove(tree, files[i]));
  OK(ask_readdir(path_of(dir), 1, 1, 1));
  cr_assert_str_eq(a.names, "f200 ");
}

Test(tree_navigator, entries_that_stay_come_once_while_others_come_and_go) {
  enum { N = 200, LATER = 400 };
  styx_file *dir = put_dir(root, "d"), *files[N];
  char name[16];
  uint32_t seen[512] = {0};
  uint64_t cookie = 0;
  for (int i = 0; i < N; i++) {
    snprintf(name, sizeof name, "f%d", i);
    files[i] = put_text(dir, name);
  }
  for (int round = 0;; round++) {
    OK(ask_readdir(path_of(dir), cookie, 3, 100));
    if (!a.entries)
      break;
    cookie = a.last;
    for (int i = 0; i < 512; i++)
      seen[i] += a.seen[i];
    for (int k = 0; k < 4; k++) { /* those with odd numbers go: what was read and what was not */
      int i = (round * 8 + k * 2 + 1) * 37 % N;
      if (i % 2 && files[i]) {
        OK(styx_tree_remove(tree, files[i]));
        files[i] = NULL;
      }
    }
    if (round < 50) {
      snprintf(name, sizeof name, "f%d", N + round);
      put_text(dir, name);
    }
  }
  for (int i = 0; i < N; i += 2)
    cr_assert_eq(seen[i], 1, "f%d came %u times", i, (unsigned)seen[i]);
  for (int i = 0; i < LATER; i++)
    cr_assert_leq(seen[i], 1, "f%d came %u times", i, (unsigned)seen[i]);
}

/* ---- memory that fails ---- */

Test(tree_navigator, without_memory_for_the_copy_the_answer_is_an_error) {
  styx_navigator nav = fresh();
  heap.calls = 0;
  heap.fail_at = 1;
  styx_navigator_stat(&nav, &a.q, path_of(root));
  FAILS(a.err, ENOMEM);
  cr_assert_eq(a.answers, 1);
}
