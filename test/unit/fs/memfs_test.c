/* memfs_test.c: contents, limits and memory of the filesystem in memory, through a session. */
#include "memfs_fixture.h"

TestSuite(memfs, .init = setup, .fini = stop, .timeout = 120);

/* ---- files ---- */

Test(memfs, what_is_written_is_read_back_by_another_client) {
  make_file(glenda, ROOT, "hello", 0644, "hello, world\n");
  holds(bob, "hello", "hello, world\n");
  styx_stat st = stat_path(bob, "hello");
  cr_assert_eq(st.length, 13);
  cr_assert_eq(st.mode, 0644);
  cr_assert_eq(files(), 2);
  cr_assert_eq(bytes(), 13);
}

Test(memfs, a_new_file_belongs_to_its_maker_and_to_the_group_of_the_directory) {
  make_public_dir();
  OK(p9_walk(bob, ROOT, F, "pub"));
  OK(p9_create(bob, F, "x", 0660, STYX_OWRITE));
  styx_stat st = stat_of(bob, F);
  cr_assert(styx_str_is(st.uid, "bob"));
  cr_assert(styx_str_is(st.gid, "glenda"));
  cr_assert(styx_str_is(st.muid, "bob"));
  cr_assert(styx_str_is(st.name, "x"));
}

Test(memfs, the_root_is_named_slash_and_is_its_own_parent) {
  styx_stat st = stat_of(glenda, ROOT);
  cr_assert(styx_str_is(st.name, "/"));
  cr_assert_eq(st.mode, STYX_DMDIR | 0755);
  uint64_t path = st.qid.path;
  OK(p9_walk(glenda, ROOT, F, ".."));
  cr_assert_eq(stat_of(glenda, F).qid.path, path);
}

Test(memfs, reading_past_the_end_gives_nothing) {
  make_file(glenda, ROOT, "f", 0644, "abc");
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_open(glenda, F, STYX_OREAD));
  reads(glenda, F, 2, "c");
  reads(glenda, F, 3, "");
  reads(glenda, F, 1ull << 60, "");
}

Test(memfs, huge_offsets_cost_no_memory_and_holes_read_as_zero) {
  create(glenda, ROOT, F, "sparse", 0644, STYX_ORDWR);
  size_t before = heap.live;
  uint32_t got = 0;
  for (int i = 20; i < 62; i++)
    OK(p9_write(glenda, F, (1ull << i) + 5, "x", 1, &got));
  cr_assert_lt(heap.live - before, 64 * 1024, "%zu bytes for 42", heap.live - before);
  cr_assert_eq(stat_of(glenda, F).length, (1ull << 61) + 6);
  char buf[16];
  OK(p9_read(glenda, F, (1ull << 40) - 2, buf, 9, &got));
  cr_assert_eq(got, 9);
  cr_assert_arr_eq(buf, "\0\0\0\0\0\0\0x", 8);
  styx_stat st = resize_to(1ull << 40);
  OK(p9_wstat(glenda, F, &st));
  st = resize_to(1ull << 50);
  OK(p9_wstat(glenda, F, &st));
  OK(p9_read(glenda, F, (1ull << 40) + 5, buf, 1, &got));
  cr_assert_eq(buf[0], 0, "what was cut off came back");
  OK(p9_read(glenda, F, (1ull << 39) + 5, buf, 1, &got));
  cr_assert_eq(buf[0], 'x');
}

/* The offset is the model's own only where the reference array reaches. */
Test(memfs, random_reads_writes_and_lengths_agree_with_an_array) {
  enum { SIZE = 400000, STEPS = 3000 };
  const char *given = getenv("STYX_SEED");
  unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 20u;
  cr_log_info("STYX_SEED=%u", seed);
  srandom(seed);
  uint8_t *model = calloc(1, SIZE), *buf = malloc(65536);
  uint64_t length = 0;
  create(glenda, ROOT, F, "f", 0644, STYX_ORDWR);
  for (int i = 0; i < STEPS; i++) {
    uint32_t offset = (uint32_t)random() % SIZE, n = (uint32_t)random() % (random() % 2 ? 60000u : 500u), got = 0;
    if (n > SIZE - offset)
      n = SIZE - offset;
    if (random() % 10 == 0) {
      styx_stat st = resize_to(offset);
      OK(p9_wstat(glenda, F, &st));
      if (offset < length)
        memset(model + offset, 0, length - offset);
      length = offset;
    } else if (random() % 2) {
      memset(model + offset, i, n);
      OK(p9_write(glenda, F, offset, model + offset, n, &got));
      cr_assert_eq(got, n);
      length = n && offset + n > length ? offset + n : length;
    } else {
      OK(p9_read(glenda, F, offset, buf, n, &got));
      uint64_t want = offset >= length ? 0 : length - offset < n ? length - offset : n;
      cr_assert_eq(got, want, "seed %u step %d", seed, i);
      cr_assert_arr_eq(buf, model + offset, got, "seed %u step %d", seed, i);
    }
    cr_assert_leq(bytes(), SIZE);
  }
  free(model);
  free(buf);
}

Test(memfs, vers_counts_changes_and_path_is_never_reused) {
  make_file(glenda, ROOT, "f", 0644, "1");
  styx_stat first = stat_path(glenda, "f");
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_open(glenda, F, STYX_OWRITE));
  OK(p9_write(glenda, F, 0, "2", 1, NULL));
  styx_stat second = stat_of(glenda, F);
  cr_assert_gt(second.qid.vers, first.qid.vers);
  cr_assert_eq(second.qid.path, first.qid.path);
  OK(p9_remove(glenda, F));
  make_file(glenda, ROOT, "f", 0644, "1");
  cr_assert_neq(stat_path(glenda, "f").qid.path, first.qid.path);
}

/* ---- limits ---- */

static void setup_small(void) { start(0755, 100000); }

TestSuite(memfs_limit, .init = setup_small, .fini = stop, .timeout = 120);

Test(memfs_limit, a_full_filesystem_takes_what_fits_and_then_refuses) {
  create(glenda, ROOT, F, "f", 0644, STYX_OWRITE);
  static char block[60000];
  uint32_t got = 0;
  OK(p9_write(glenda, F, 0, block, sizeof block, &got));
  cr_assert_eq(got, 60000);
  OK(p9_write(glenda, F, 60000, block, sizeof block, &got));
  cr_assert_eq(got, 40000);
  FAILS(p9_write(glenda, F, 100000, block, 1, &got), ENOSPC);
  cr_assert_eq(bytes(), 100000);
  cr_assert_eq(stat_of(glenda, F).length, 100000);
  OK(p9_write(glenda, F, 0, block, sizeof block, &got)); /* overwriting takes no more */
  cr_assert_eq(got, 60000);
  styx_stat st = resize_to(99990);
  OK(p9_wstat(glenda, F, &st));
  OK(p9_write(glenda, F, 99990, block, 100, &got));
  cr_assert_eq(got, 10);
  OK(p9_remove(glenda, F));
  cr_assert_eq(bytes(), 0);
}

Test(memfs, offsets_past_what_fits_63_bits_are_refused) {
  create(glenda, ROOT, F, "f", STYX_DMAPPEND | 0644, STYX_ORDWR);
  styx_stat st = resize_to((uint64_t)INT64_MAX);
  OK(p9_wstat(glenda, F, &st));
  FAILS(p9_write(glenda, F, 0, "x", 1, NULL), EFBIG);
  st = resize_to((uint64_t)INT64_MAX + 1);
  FAILS(p9_wstat(glenda, F, &st), EFBIG);
}

/* ---- memory that fails ---- */

/* Whatever cannot be had the first time is had the second time: nothing was changed in between. */
#define TWICE(call)                                                                                                    \
  do {                                                                                                                 \
    styx_err err_ = (call);                                                                                            \
    if (err_ == ENOMEM) {                                                                                              \
      failures++;                                                                                                      \
      err_ = (call);                                                                                                   \
    }                                                                                                                  \
    cr_assert_eq(err_, STYX_OK, "allocation %zu: %s: %s", heap.fail_at, #call, styx_err_text(err_));                   \
  } while (0)

static size_t scenario(struct p9 *p) {
  size_t failures = 0;
  static char block[70000];
  uint32_t got = 0;
  TWICE(p9_attach(p, ROOT, "glenda", ""));
  TWICE(p9_walk(p, ROOT, F, ""));
  TWICE(p9_create(p, F, "dir", STYX_DMDIR | 0777, STYX_OREAD));
  TWICE(p9_walk(p, ROOT, G, "dir"));
  TWICE(p9_create(p, G, "file", 0666, STYX_ORDWR));
  for (uint32_t at = 0; at < sizeof block; at += got)
    TWICE(p9_write(p, G, at, block + at, sizeof block - at < 60000 ? (uint32_t)sizeof block - at : 60000, &got));
  cr_assert_eq(stat_of(p, G).length, sizeof block);
  TWICE(p9_write(p, G, 1ull << 40, "x", 1, &got));
  styx_stat st = rename_to("renamed");
  st.mode = 0640;
  st.length = 10;
  TWICE(p9_wstat(p, G, &st));
  TWICE(p9_walk(p, ROOT, H, "dir"));
  TWICE(p9_create(p, H, "other", 0666, STYX_OWRITE | STYX_ORCLOSE));
  st = rename_to("renamed"); /* over the first */
  TWICE(p9_wstat(p, H, &st));
  TWICE(p9_clunk(p, H));
  TWICE(p9_walk(p, ROOT, H, "dir"));
  TWICE(p9_open(p, H, STYX_OREAD));
  cr_assert_eq(p9_read(p, H, 0, block, 1000, &got), STYX_OK);
  cr_assert_eq(got, 0);
  cr_assert_eq(p9_clunk(p, G), STYX_OK);
  return failures;
}

Test(memfs_memory, every_allocation_may_fail_without_a_trace) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  size_t failed = 0;
  for (size_t n = 1;; n++) {
    heap.calls = 0;
    heap.fail_at = n;
    styx_memfs_config config = {.size = sizeof config, .user = "sys", .allocator = &alloc};
    styx_memfs *mem = styx_memfs_new(&config);
    if (!mem) {
      cr_assert_eq(heap.live, 0, "allocation %zu", n);
      failed++;
      continue;
    }
    struct p9 *p = p9_new_fs(styx_memfs_fs(mem));
    size_t failures = scenario(p);
    bool reached = heap.calls >= n;
    p9_free(p);
    uint64_t left = 0;
    styx_memfs_usage(mem, &left, NULL);
    cr_assert_eq(left, 2, "root and dir");
    styx_memfs_free(mem);
    cr_assert_eq(heap.live, 0, "allocation %zu: %zu bytes", n, (size_t)heap.live);
    failed += failures;
    if (!reached)
      break;
  }
  cr_assert_gt(failed, 20, "only %zu allocations were made to fail", failed);
}
