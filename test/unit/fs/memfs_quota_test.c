/* memfs_quota_test.c: a memfs holds so many bytes and so many files, and counts both exactly. */
#include "memfs_fixture.h"

#include "support/random.h"

enum { PAGE = 65536, BYTES = 300000, FILES = 5 };

static void start_small(void) {
  start(0755, BYTES);
  p9_free(glenda);
  p9_free(bob);
  styx_memfs_free(fs);
  styx_allocator alloc = p9_heap_allocator(&heap);
  fs = styx_memfs_new(&(styx_memfs_config){.size = sizeof(styx_memfs_config),
                                           .user = "glenda",
                                           .max_bytes = BYTES,
                                           .max_files = FILES,
                                           .allocator = &alloc});
  glenda = p9_new_fs(styx_memfs_fs(fs));
  bob = p9_new_fs(styx_memfs_fs(fs));
  OK(p9_attach(glenda, ROOT, "glenda", ""));
  OK(p9_attach(bob, ROOT, "bob", ""));
}

TestSuite(memfs_quota, .init = start_small, .fini = stop, .timeout = 120);

static styx_err make_in(struct p9 *p, const char *name, uint32_t perm) {
  OK(p9_walk(p, ROOT, 50, ""));
  styx_err err = p9_create(p, 50, name, perm, STYX_OREAD);
  OK(p9_clunk(p, 50));
  return err;
}

static styx_err make(const char *name, uint32_t perm) { return make_in(glenda, name, perm); }

static void fill_with_files(void) {
  char name[] = "0";
  for (; *name < '0' + FILES; ++*name)
    OK(make(name, *name % 2 ? 0644 : 0755 | STYX_DMDIR));
  FAILS(make("more", 0644), ENOSPC);
  FAILS(make("more", 0755 | STYX_DMDIR), ENOSPC);
}

Test(memfs_quota, files_and_directories_count_and_the_root_does_not) {
  fill_with_files();
  FAILS(make("1", 0644), EEXIST);
  OK(p9_walk(glenda, ROOT, F, "2"));
  OK(p9_remove(glenda, F));
  OK(make("more", 0644));
  FAILS(make("still more", 0644), ENOSPC);
}

Test(memfs_quota, a_create_that_is_refused_leaves_the_fid_on_the_directory) {
  fill_with_files();
  OK(p9_walk(glenda, ROOT, F, ""));
  FAILS(p9_create(glenda, F, "more", 0644, STYX_ORDWR), ENOSPC);
  OK(p9_walk(glenda, F, G, "1"));
  OK(p9_open(glenda, F, STYX_OREAD));
  cr_assert_eq(files(), FILES + 1);
}

Test(memfs_quota, what_was_removed_counts_while_it_is_open) {
  fill_with_files();
  OK(p9_walk(glenda, ROOT, F, "1"));
  OK(p9_open(glenda, F, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, G, "1"));
  OK(p9_remove(glenda, G));
  FAILS(make("more", 0644), ENOSPC);
  OK(p9_clunk(glenda, F));
  OK(make("more", 0644));
}

Test(memfs_quota, what_was_removed_and_is_only_known_does_not_count) {
  fill_with_files();
  OK(p9_walk(glenda, ROOT, F, "1"));
  OK(p9_walk(glenda, ROOT, G, "1"));
  OK(p9_remove(glenda, G));
  OK(make("more", 0644));
  FAILS(make("still more", 0644), ENOSPC);
  OK(p9_clunk(glenda, F));
  FAILS(make("still more", 0644), ENOSPC);
}

Test(memfs_quota, what_is_opened_after_it_was_removed_counts_while_it_is_open) {
  OK(make("1", 0644));
  OK(p9_walk(glenda, ROOT, F, "1"));
  OK(p9_walk(glenda, ROOT, G, "1"));
  OK(p9_remove(glenda, G));
  OK(p9_open(glenda, F, STYX_OREAD));
  for (char name[] = "a"; *name < 'a' + FILES - 1; ++*name)
    OK(make(name, 0644));
  FAILS(make("more", 0644), ENOSPC);
  OK(p9_clunk(glenda, F));
  OK(make("more", 0644));
  FAILS(make("still more", 0644), ENOSPC);
}

Test(memfs_quota, removal_on_close_and_renaming_over_give_a_file_back) {
  fill_with_files();
  OK(p9_walk(glenda, ROOT, F, "1"));
  OK(p9_open(glenda, F, STYX_OREAD | STYX_ORCLOSE));
  FAILS(make("more", 0644), ENOSPC);
  OK(p9_clunk(glenda, F));
  OK(make("1", 0644));
  FAILS(make("more", 0644), ENOSPC);
  styx_stat st = rename_to("3");
  OK(p9_walk(glenda, ROOT, F, "1"));
  OK(p9_wstat(glenda, F, &st));
  OK(make("more", 0644));
  FAILS(make("still more", 0644), ENOSPC);
}

Test(memfs_quota, two_removals_on_close_give_back_one_file) {
  fill_with_files();
  for (uint32_t fid = F; fid <= G; fid++) {
    OK(p9_walk(glenda, ROOT, fid, "1"));
    OK(p9_open(glenda, fid, STYX_OREAD | STYX_ORCLOSE));
  }
  OK(p9_clunk(glenda, F));
  FAILS(make("more", 0644), ENOSPC);
  OK(p9_clunk(glenda, G));
  OK(make("more", 0644));
  FAILS(make("still more", 0644), ENOSPC);
}

Test(memfs_quota, all_clients_share_it) {
  make_public_dir();
  OK(p9_walk(bob, ROOT, F, "pub"));
  for (uint32_t i = 1; i < FILES; i++) {
    char name[] = {(char)('a' + i), 0};
    create(bob, F, G, name, 0644, STYX_OREAD);
    OK(p9_clunk(bob, G));
  }
  FAILS(make("more", 0644), ENOSPC);
  p9_free(bob);
  bob = NULL;
  FAILS(make("more", 0644), ENOSPC);
}

/* ---- bytes: an oracle that knows how much of each page has been written ---- */

enum { NFILES = 3, PAGES = 8 };
static uint32_t filled[NFILES][PAGES];
static uint64_t lengths[NFILES];

static uint64_t oracle(void) {
  uint64_t sum = 0;
  for (int f = 0; f < NFILES; f++)
    for (int i = 0; i < PAGES; i++)
      sum += filled[f][i];
  return sum;
}

/* What a write is to do: as much of each page, in order, as there is room. */
static uint32_t model_write(int f, uint64_t offset, uint32_t n) {
  uint32_t done = 0;
  while (done < n) {
    uint32_t *page = &filled[f][(offset + done) / PAGE], at = (uint32_t)((offset + done) % PAGE);
    uint32_t end = n - done < PAGE - at ? at + n - done : PAGE;
    uint64_t left = BYTES - oracle();
    if (end > *page + left)
      end = *page + (uint32_t)left;
    if (end <= at)
      break;
    if (end > *page)
      *page = end;
    bool short_of = end < PAGE && at + (n - done) > end;
    done += end - at;
    if (short_of)
      break;
  }
  if (done && lengths[f] < offset + done)
    lengths[f] = offset + done;
  return done;
}

static void model_cut(int f, uint64_t length) {
  for (uint64_t i = 0; i < PAGES; i++) {
    uint64_t keep = length <= i * PAGE ? 0 : length - i * PAGE;
    if (filled[f][i] > keep)
      filled[f][i] = (uint32_t)keep;
  }
  lengths[f] = length;
}

static void write_somewhere(int f, uint64_t *seed) {
  static char block[40000];
  uint64_t offset = dice(seed, PAGES * PAGE - sizeof block);
  uint32_t n = 1 + (uint32_t)dice(seed, sizeof block), got = 0;
  uint32_t expected = model_write(f, offset, n);
  styx_err err = p9_write(glenda, F + (uint32_t)f, offset, block, n, &got);
  FAILS(err, expected ? STYX_OK : ENOSPC);
  cr_assert_eq(got, expected, "%u bytes at %llu: %u, not %u", n, (unsigned long long)offset, got, expected);
}

Test(memfs_quota, bytes_are_exact_after_writes_that_fail_cuts_and_removals) {
  uint64_t seed = seed_of_run();
  char name[] = "a";
  for (int f = 0; f < NFILES; f++, ++*name)
    create(glenda, ROOT, F + (uint32_t)f, name, 0644, STYX_ORDWR);
  for (int i = 0; i < 3000; i++) {
    int f = (int)dice(&seed, NFILES);
    if (dice(&seed, 4)) {
      write_somewhere(f, &seed);
    } else {
      styx_stat st = resize_to(dice(&seed, 3) ? dice(&seed, PAGES * PAGE) : 0);
      OK(p9_wstat(glenda, F + (uint32_t)f, &st));
      model_cut(f, st.length);
    }
    cr_assert_eq(bytes(), oracle(), "step %d: %llu, not %llu", i, (unsigned long long)bytes(),
                 (unsigned long long)oracle());
    cr_assert_eq(stat_of(glenda, F + (uint32_t)f).length, lengths[f]);
  }
  for (int f = 0; f < NFILES; f++) {
    OK(p9_remove(glenda, F + (uint32_t)f));
    model_cut(f, 0);
    cr_assert_eq(bytes(), oracle());
  }
}

Test(memfs_quota, a_write_that_is_refused_makes_no_file_longer) {
  create(glenda, ROOT, F, "full", 0644, STYX_OWRITE);
  static char block[60000];
  for (uint32_t i = 0; i < 5; i++)
    OK(p9_write(glenda, F, i * (uint64_t)sizeof block, block, sizeof block, NULL));
  create(glenda, ROOT, G, "f", 0644, STYX_OWRITE);
  styx_stat before = stat_of(glenda, G);
  FAILS(p9_write(glenda, G, 1000, "x", 1, NULL), ENOSPC);
  styx_stat after = stat_of(glenda, G);
  cr_assert_eq(after.length, 0);
  cr_assert_eq(after.qid.vers, before.qid.vers);
}

Test(memfs_quota, a_config_of_an_older_program_has_no_limit_of_files) {
  stop();
  styx_allocator alloc = p9_heap_allocator(&heap);
  styx_memfs_config config = {.user = "glenda", .allocator = &alloc, .max_files = 1};
  config.size = offsetof(styx_memfs_config, max_files);
  fs = styx_memfs_new(&config);
  glenda = p9_new_fs(styx_memfs_fs(fs));
  bob = NULL;
  OK(p9_attach(glenda, ROOT, "glenda", ""));
  OK(make("a", 0644));
  OK(make("b", 0644));
}
