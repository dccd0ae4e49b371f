/* memfs_nowait_test.c: memfs promises that everything is short: what is not says so, and what cannot say so is done in pieces. */
#include "memfs_fixture.h"

TestSuite(memfs_nowait, .init = setup, .fini = stop, .timeout = 60);

enum { PAGE = 65536, LARGE = 40, MANY = 3000 };

/* Send t to glenda's session; how many of the operations that it takes were called where they may block. */
static int blocks(const styx_msg *t) {
  styx_session *s = p9_session(glenda);
  int n = 0;
  p9_submit(glenda, t);
  do
    for (styx_work *w; (w = styx_session_next(s));) {
      n += styx_work_about(w).may_block;
      styx_work_run(w);
    }
  while (styx_session_retire(s, 0));
  p9_pump(glenda);
  styx_msg r;
  cr_assert(p9_take(glenda, &r));
  cr_assert_eq(r.type, t->type + 1, "%s", styx_err_text(p9_error(&r)));
  return n;
}

static void fill(uint32_t fid, int pages) {
  for (int i = 0; i < pages; i++) {
    uint32_t got = 0;
    OK(p9_write(glenda, fid, (uint64_t)i * PAGE, "x", 1, &got));
  }
}

static void make_filled(const char *name, int pages) {
  create(glenda, ROOT, 90, name, 0644, STYX_OWRITE);
  fill(90, pages);
  OK(p9_clunk(glenda, 90));
}

/* Some operations that have nothing to do with it. */
static void go_on(int n) {
  while (n-- > 0) {
    make_filled("other", 0);
    OK(p9_walk(glenda, ROOT, 90, "other"));
    OK(p9_remove(glenda, 90));
  }
}

static styx_msg wstat(uint32_t fid, styx_stat st) {
  return (styx_msg){.type = STYX_Twstat, .tag = 1000, .fid = fid, .stat = st};
}

static styx_msg on(uint8_t type, uint32_t fid) { return (styx_msg){.type = type, .tag = 1000, .fid = fid}; }

Test(memfs_nowait, the_contents_of_a_large_file_are_forgotten_where_that_may_take_time) {
  for (int pages = 1; pages <= LARGE; pages += LARGE - 1) {
    const int want = pages == LARGE;
    make_filled("f", pages);
    OK(p9_walk(glenda, ROOT, F, "f"));
    styx_msg open = on(STYX_Topen, F);
    open.mode = STYX_ORDWR | STYX_OTRUNC;
    cr_assert_eq(blocks(&open), want, "open, %d pages", pages);
    cr_assert_eq(bytes(), 0);
    fill(F, pages);
    styx_msg shrink = wstat(F, resize_to(0));
    cr_assert_eq(blocks(&shrink), want, "shrink, %d pages", pages);
    cr_assert_eq(bytes(), 0);
    OK(p9_clunk(glenda, F));
    make_filled("g", pages);
    OK(p9_walk(glenda, ROOT, F, "f"));
    styx_msg over = wstat(F, rename_to("g"));
    cr_assert_eq(blocks(&over), want, "rename over it, %d pages", pages);
    cr_assert_eq(bytes(), 0);
    OK(p9_open(glenda, F, STYX_OWRITE));
    fill(F, pages);
    OK(p9_clunk(glenda, F));
    OK(p9_walk(glenda, ROOT, F, "g"));
    styx_msg remove = on(STYX_Tremove, F);
    cr_assert_eq(blocks(&remove), want, "remove, %d pages", pages);
    cr_assert_eq(bytes(), 0);
    cr_assert_eq(files(), 1);
  }
}

Test(memfs_nowait, a_file_that_is_gone_while_in_use_is_given_back_in_pieces) {
  make_filled("f", 0);
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_open(glenda, F, STYX_OWRITE));
  fill(F, 2 * LARGE);
  OK(p9_walk(glenda, ROOT, G, "f"));
  OK(p9_remove(glenda, G));
  const uint64_t full = bytes();
  cr_assert_gt(full, 0);
  styx_msg clunk = on(STYX_Tclunk, F);
  cr_assert_eq(blocks(&clunk), 0);
  cr_assert(bytes() > 0 && bytes() < full, "%llu bytes", (unsigned long long)bytes());
  go_on(2);
  cr_assert_eq(bytes(), 0);
  cr_assert_eq(files(), 1);
}

Test(memfs_nowait, what_is_not_given_back_yet_is_when_there_is_no_room_else) {
  stop();
  start(0755, LARGE);
  make_filled("f", 0);
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_open(glenda, F, STYX_OWRITE));
  fill(F, LARGE);
  make_filled("g", 0);
  OK(p9_walk(glenda, ROOT, H, "g"));
  OK(p9_open(glenda, H, STYX_OWRITE));
  OK(p9_walk(glenda, ROOT, G, "f"));
  OK(p9_remove(glenda, G));
  OK(p9_clunk(glenda, F));
  cr_assert_gt(bytes(), 0, "else this tests nothing");
  fill(H, LARGE);
  cr_assert_eq(bytes(), LARGE);
  uint32_t got;
  FAILS(p9_write(glenda, H, LARGE * (uint64_t)PAGE, "x", 1, &got), ENOSPC);
}

Test(memfs_nowait, directories_that_die_together_are_given_back_in_pieces) {
  enum { DEPTH = 50 };
  OK(p9_walk(glenda, ROOT, H, ""));
  for (uint32_t i = 0; i < DEPTH; i++) {
    OK(p9_walk(glenda, H, 100 + i, ""));
    OK(p9_create(glenda, 100 + i, "d", STYX_DMDIR | 0755, STYX_OREAD));
    OK(p9_walk(glenda, H, H, "d"));
  }
  for (uint32_t i = DEPTH; i-- > 0;)
    OK(p9_remove(glenda, 100 + i));
  cr_assert_eq(files(), DEPTH + 1, "the fid at the end keeps all");
  styx_msg clunk = on(STYX_Tclunk, H);
  cr_assert_eq(blocks(&clunk), 0);
  cr_assert(files() > 1 && files() < DEPTH, "%llu files", (unsigned long long)files());
  go_on(2);
  cr_assert_eq(files(), 1);
}

Test(memfs_nowait, a_table_that_has_become_large_grows_where_that_may_take_time) {
  int n = 0;
  make_filled("f", 0);
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_open(glenda, F, STYX_OWRITE));
  for (uint64_t i = 0; i < MANY; i++) {
    styx_msg t = {
        .type = STYX_Twrite, .tag = 1000, .fid = F, .offset = i * PAGE, .count = 1, .data = (const uint8_t *)"x"};
    n += blocks(&t);
  }
  cr_assert(n > 0 && n < 5, "%d of %d writes", n, MANY);
  int made = 0;
  for (int i = 0; i < MANY; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    OK(p9_walk(glenda, ROOT, G, ""));
    styx_msg t = {.type = STYX_Tcreate, .tag = 1000, .fid = G, .name = styx_str_of(name), .perm = 0644};
    made += blocks(&t);
    OK(p9_clunk(glenda, G));
  }
  cr_assert(made > 0 && made < 5, "%d of %d creates", made, MANY);
  int removed = 0;
  for (int i = 0; i < MANY; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    OK(p9_walk(glenda, ROOT, G, name));
    styx_msg t = on(STYX_Tremove, G);
    removed += blocks(&t);
  }
  cr_assert(removed > 0 && removed < 5, "%d of %d removes", removed, MANY);
}

Test(memfs_nowait, a_long_listing_is_made_where_that_may_take_time) {
  OK(p9_walk(glenda, ROOT, F, ""));
  OK(p9_open(glenda, F, STYX_OREAD));
  styx_msg t = {.type = STYX_Tread, .tag = 1000, .fid = F, .count = 65000};
  make_filled("f", 0);
  cr_assert_eq(blocks(&t), 0);
  for (int i = 0; i < MANY; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    make_filled(name, 0);
  }
  t.count = 8000;
  cr_assert_eq(blocks(&t), 0);
  t.count = 65000;
  t.offset = 0;
  cr_assert_eq(blocks(&t), 0, "a thousand entries are short still");
  for (int i = 1; i < MANY; i++) { /* gaps */
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    OK(p9_walk(glenda, ROOT, G, name));
    if (i % 2)
      OK(p9_remove(glenda, G));
    else
      OK(p9_clunk(glenda, G));
  }
  cr_assert_eq(blocks(&t), 1, "gaps take time too");
}
