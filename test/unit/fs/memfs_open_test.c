/* memfs_open_test.c: open, create, close and remove of memfs, through a session. */
#include "memfs_fixture.h"

TestSuite(memfs_open, .init = setup, .fini = stop, .timeout = 120);

/* ---- rights ---- */

Test(memfs_open, walk_needs_x_and_create_and_remove_need_w_in_the_directory) {
  make_dir(glenda, ROOT, "private", 0700);
  make_file(glenda, ROOT, "f", 0666, "");
  FAILS(p9_walk(bob, ROOT, F, "private/x"), ENOENT); /* the first element can be walked to */
  OK(p9_walk(bob, ROOT, F, "private"));
  FAILS(p9_walk(bob, F, G, "x"), EACCES);
  FAILS(p9_walk(bob, F, G, ".."), EACCES);
  FAILS(p9_open(bob, F, STYX_OREAD), EACCES);
  FAILS(p9_create(bob, F, "x", 0666, STYX_OWRITE), EACCES);
  OK(p9_walk(bob, ROOT, H, "f"));
  FAILS(p9_remove(bob, H), EACCES);
  FAILS(p9_clunk(bob, H), STYX_EBADFID);
  cr_assert_eq(files(), 3);
}

Test(memfs_open, open_checks_every_mode_and_otrunc_needs_w) {
  make_file(glenda, ROOT, "r", 0604, "x");
  make_file(glenda, ROOT, "x", 0701, "x");
  OK(p9_walk(bob, ROOT, F, "r"));
  FAILS(p9_open(bob, F, STYX_OWRITE), EACCES);
  FAILS(p9_open(bob, F, STYX_ORDWR), EACCES);
  FAILS(p9_open(bob, F, STYX_OREAD | STYX_OTRUNC), EACCES);
  FAILS(p9_open(bob, F, STYX_OEXEC), EACCES);
  OK(p9_open(bob, F, STYX_OREAD));
  OK(p9_walk(bob, ROOT, G, "x"));
  FAILS(p9_open(bob, G, STYX_OREAD), EACCES);
  OK(p9_open(bob, G, STYX_OEXEC));
  reads(bob, G, 0, "x");
}

Test(memfs_open, rights_count_at_open_alone) {
  make_file(glenda, ROOT, "f", 0644, "text");
  OK(p9_walk(bob, ROOT, F, "f"));
  OK(p9_open(bob, F, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat st = chmod_to(0);
  OK(p9_wstat(glenda, F, &st));
  reads(bob, F, 0, "text");
  FAILS(p9_open(glenda, F, STYX_OREAD), EACCES);
}

Test(memfs_open, a_created_file_is_open_whatever_its_mode_says) {
  create(glenda, ROOT, F, "f", 0, STYX_ORDWR);
  OK(p9_write(glenda, F, 0, "x", 1, NULL));
  reads(glenda, F, 0, "x");
  styx_stat st = resize_to(0); /* and who may write may cut */
  OK(p9_wstat(glenda, F, &st));
}

Test(memfs_open, create_refuses_what_exists_and_what_is_no_directory) {
  make_file(glenda, ROOT, "f", 0644, "x");
  OK(p9_walk(glenda, ROOT, F, ""));
  FAILS(p9_create(glenda, F, "f", 0644, STYX_OWRITE), EEXIST);
  FAILS(p9_create(glenda, F, "..", 0644, STYX_OWRITE), STYX_EDOT);
  OK(p9_walk(glenda, ROOT, G, "f"));
  FAILS(p9_create(glenda, G, "g", 0644, STYX_OWRITE), ENOTDIR);
  holds(glenda, "f", "x");
}

/* ---- modes of opening ---- */

Test(memfs_open, otrunc_empties_and_an_append_only_file_it_does_not) {
  make_file(glenda, ROOT, "f", 0644, "text");
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_open(glenda, F, STYX_OREAD | STYX_OTRUNC));
  cr_assert_eq(stat_of(glenda, F).length, 0);
  make_file(glenda, ROOT, "log", STYX_DMAPPEND | 0644, "one ");
  OK(p9_walk(glenda, ROOT, G, "log"));
  OK(p9_open(glenda, G, STYX_ORDWR | STYX_OTRUNC));
  OK(p9_write(glenda, G, 0, "two", 3, NULL));
  reads(glenda, G, 0, "one two");
  cr_assert_eq(stat_of(glenda, G).qid.type, STYX_QTAPPEND);
}

Test(memfs_open, an_exclusive_file_has_one_opener_across_all_clients) {
  make_file(glenda, ROOT, "lock", STYX_DMEXCL | 0666, "");
  OK(p9_walk(glenda, ROOT, F, "lock"));
  OK(p9_walk(bob, ROOT, F, "lock"));
  OK(p9_open(glenda, F, STYX_OREAD));
  FAILS(p9_open(bob, F, STYX_OREAD), STYX_EBUSYEXCL);
  OK(p9_clunk(glenda, F));
  OK(p9_open(bob, F, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, F, "lock"));
  FAILS(p9_open(glenda, F, STYX_OREAD), STYX_EBUSYEXCL);
  p9_free(bob); /* hanging up lets go */
  bob = NULL;
  OK(p9_open(glenda, F, STYX_OREAD));
}

Test(memfs_open, creating_an_exclusive_file_is_opening_it) {
  create(glenda, ROOT, F, "lock", STYX_DMEXCL | 0666, STYX_OREAD);
  OK(p9_walk(bob, ROOT, F, "lock"));
  FAILS(p9_open(bob, F, STYX_OREAD), STYX_EBUSYEXCL);
  OK(p9_clunk(glenda, F));
  OK(p9_open(bob, F, STYX_OREAD));
}

Test(memfs_open, orclose_removes_at_clunk_and_needs_w_in_the_parent) {
  create(glenda, ROOT, F, "tmp", 0666, STYX_ORDWR | STYX_ORCLOSE);
  OK(p9_walk(bob, ROOT, F, "tmp"));
  FAILS(p9_open(bob, F, STYX_OREAD | STYX_ORCLOSE), EACCES);
  OK(p9_open(bob, F, STYX_OREAD));
  OK(p9_write(glenda, F, 0, "x", 1, NULL));
  OK(p9_clunk(glenda, F));
  FAILS(p9_walk(glenda, ROOT, G, "tmp"), ENOENT);
  reads(bob, F, 0, "x");
  OK(p9_clunk(bob, F));
  cr_assert_eq(files(), 1);
  make_file(glenda, ROOT, "tmp", 0644, "");
  OK(p9_walk(glenda, ROOT, F, "tmp"));
  OK(p9_open(glenda, F, STYX_OREAD | STYX_ORCLOSE));
  p9_free(glenda);
  glenda = NULL;
  cr_assert_eq(files(), 1);
}

/* ---- remove ---- */

Test(memfs_open, a_removed_file_works_on_for_those_who_have_it) {
  make_file(glenda, ROOT, "f", 0666, "text");
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat st = chmod_to(0666); /* the root's 0755 took w from it */
  OK(p9_wstat(glenda, F, &st));
  OK(p9_walk(bob, ROOT, F, "f"));
  OK(p9_open(bob, F, STYX_ORDWR));
  OK(p9_walk(bob, ROOT, G, "f"));
  OK(p9_remove(glenda, F));
  FAILS(p9_walk(glenda, ROOT, F, "f"), ENOENT);
  make_file(glenda, ROOT, "f", 0666, "another");
  reads(bob, F, 0, "text");
  OK(p9_write(bob, F, 4, "!", 1, NULL));
  st = resize_to(2);
  OK(p9_wstat(bob, F, &st));
  st = stat_of(bob, F);
  cr_assert_eq(st.length, 2);
  cr_assert(styx_str_is(st.name, "f"));
  OK(p9_open(bob, G, STYX_OREAD));
  reads(bob, G, 0, "te");
  st = rename_to("g");
  FAILS(p9_wstat(bob, G, &st), EACCES); /* the root is not bob's */
  cr_assert_eq(files(), 3);
  FAILS(p9_remove(bob, G), EACCES);
  OK(p9_clunk(bob, F));
  cr_assert_eq(files(), 2);
  holds(bob, "f", "another");
}

Test(memfs_open, only_empty_directories_are_removed_and_never_the_root) {
  make_dir(glenda, ROOT, "d", 0755);
  OK(p9_walk(glenda, ROOT, F, "d"));
  make_file(glenda, F, "f", 0644, "x");
  FAILS(p9_remove(glenda, F), ENOTEMPTY);
  OK(p9_walk(glenda, ROOT, F, "d/f"));
  OK(p9_remove(glenda, F));
  OK(p9_walk(glenda, ROOT, F, "d"));
  OK(p9_remove(glenda, F));
  OK(p9_walk(glenda, ROOT, F, ""));
  FAILS(p9_remove(glenda, F), EBUSY);
  cr_assert_eq(files(), 1);
}

Test(memfs_open, a_removed_directory_takes_nothing_in_but_still_has_a_parent) {
  make_dir(glenda, ROOT, "a", 0755);
  OK(p9_walk(glenda, ROOT, F, "a"));
  make_dir(glenda, F, "b", 0755);
  OK(p9_walk(glenda, F, G, "b"));
  OK(p9_walk(glenda, F, H, "b"));
  OK(p9_remove(glenda, H));
  OK(p9_remove(glenda, F));
  cr_assert_eq(files(), 3, "b keeps a");
  FAILS(p9_create(glenda, G, "x", 0644, STYX_OWRITE), ENOENT);
  OK(p9_walk(glenda, G, F, ".."));
  cr_assert(styx_str_is(stat_of(glenda, F).name, "a"));
  OK(p9_walk(glenda, G, H, "../.."));
  cr_assert(styx_str_is(stat_of(glenda, H).name, "/"));
  OK(p9_open(glenda, G, STYX_OREAD));
  reads(glenda, G, 0, "");
  FAILS(p9_remove(glenda, F), ENOENT);
  OK(p9_clunk(glenda, G));
  cr_assert_eq(files(), 1);
}
