/* memfs_setattr_test.c: wstat of memfs, through a session. */
#include "memfs_fixture.h"

TestSuite(memfs_setattr, .init = setup, .fini = stop, .timeout = 120);

/* ---- wstat ---- */

Test(memfs_setattr, renaming_keeps_the_file_and_frees_the_name) {
  make_file(glenda, ROOT, "old", 0644, "x");
  styx_stat before = stat_path(glenda, "old");
  OK(p9_walk(glenda, ROOT, F, "old"));
  OK(p9_open(glenda, F, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, G, "old"));
  styx_stat st = rename_to("new");
  OK(p9_wstat(glenda, G, &st));
  FAILS(p9_walk(glenda, ROOT, H, "old"), ENOENT);
  cr_assert_eq(stat_path(glenda, "new").qid.path, before.qid.path);
  cr_assert(styx_str_is(stat_of(glenda, F).name, "new"));
  reads(glenda, F, 0, "x");
  st = rename_to("new");
  OK(p9_wstat(glenda, G, &st));
}

Test(memfs_setattr, renaming_over_a_file_replaces_it) {
  make_file(glenda, ROOT, "f", 0644, "old");
  make_file(glenda, ROOT, "f.tmp", 0644, "new");
  OK(p9_walk(bob, ROOT, F, "f"));
  OK(p9_open(bob, F, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, F, "f.tmp"));
  styx_stat st = rename_to("f");
  OK(p9_wstat(glenda, F, &st));
  holds(glenda, "f", "new");
  FAILS(p9_walk(glenda, ROOT, G, "f.tmp"), ENOENT);
  reads(bob, F, 0, "old");
  OK(p9_clunk(bob, F));
  cr_assert_eq(files(), 2);
}

Test(memfs_setattr, renaming_never_replaces_a_directory) {
  make_dir(glenda, ROOT, "d", 0755);
  make_dir(glenda, ROOT, "e", 0755);
  make_file(glenda, ROOT, "f", 0644, "x");
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat st = rename_to("d");
  FAILS(p9_wstat(glenda, F, &st), EISDIR);
  OK(p9_walk(glenda, ROOT, G, "e"));
  FAILS(p9_wstat(glenda, G, &st), EEXIST);
  st = rename_to("f");
  FAILS(p9_wstat(glenda, G, &st), ENOTDIR);
  OK(p9_walk(bob, ROOT, F, "f"));
  st = rename_to("g");
  FAILS(p9_wstat(bob, F, &st), EACCES);
  FAILS(p9_wstat(glenda, ROOT, &st), EBUSY);
  holds(glenda, "f", "x");
}

Test(memfs_setattr, wstat_changes_all_or_nothing) {
  make_public_dir();
  OK(p9_walk(glenda, ROOT, F, "pub"));
  make_file(glenda, F, "f", 0666, "text");
  styx_stat before = stat_path(glenda, "pub/f");
  OK(p9_walk(bob, ROOT, F, "pub/f"));
  styx_stat st = rename_to("g"); /* these two bob may */
  st.length = 1;
  st.mode = 0777; /* this one not */
  FAILS(p9_wstat(bob, F, &st), EACCES);
  st.mode = UINT32_MAX;
  st.gid = styx_str_of("bob");
  FAILS(p9_wstat(bob, F, &st), EACCES);
  st.gid = styx_str_of("");
  st.mtime = 5;
  FAILS(p9_wstat(bob, F, &st), EACCES);
  styx_stat after = stat_path(glenda, "pub/f");
  cr_assert_eq(after.length, 4);
  cr_assert_eq(after.mode, before.mode);
  cr_assert_eq(after.mtime, before.mtime);
  cr_assert_eq(after.qid.vers, before.qid.vers);
  st.mtime = UINT32_MAX;
  OK(p9_wstat(bob, F, &st));
  after = stat_path(glenda, "pub/g");
  cr_assert_eq(after.length, 1);
}

Test(memfs_setattr, mode_and_mtime_are_the_owners_and_the_group_leaders) {
  make_file(glenda, ROOT, "f", 0666, "x");
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_walk(bob, ROOT, F, "f"));
  styx_stat st = chmod_to(0600);
  FAILS(p9_wstat(bob, F, &st), EACCES);
  st.mtime = 77;
  OK(p9_wstat(glenda, F, &st));
  st = stat_of(glenda, F);
  cr_assert_eq(st.mode, 0600);
  cr_assert_eq(st.mtime, 77);
  st = chmod_to(STYX_DMAPPEND | STYX_DMEXCL | 0640);
  OK(p9_wstat(glenda, F, &st));
  st = stat_of(glenda, F);
  cr_assert_eq(st.mode, STYX_DMAPPEND | STYX_DMEXCL | 0640);
  cr_assert_eq(st.qid.type, STYX_QTAPPEND | STYX_QTEXCL);
}

Test(memfs_setattr, gid_goes_to_a_group_of_the_owners_own) {
  make_public_dir();
  OK(p9_walk(bob, ROOT, F, "pub"));
  OK(p9_create(bob, F, "f", 0644, STYX_OREAD)); /* of bob, in group glenda */
  OK(p9_walk(glenda, ROOT, G, "pub/f"));
  styx_stat st = chmod_to(0640);
  OK(p9_wstat(glenda, G, &st)); /* as the group's leader */
  st = styx_stat_untouched();
  st.gid = styx_str_of("sys");
  FAILS(p9_wstat(bob, F, &st), EACCES);
  FAILS(p9_wstat(glenda, G, &st), EACCES);
  st.gid = styx_str_of("bob");
  FAILS(p9_wstat(glenda, G, &st), EACCES);
  OK(p9_wstat(bob, F, &st));
  cr_assert(styx_str_is(stat_of(bob, F).gid, "bob"));
  st = chmod_to(0600);
  FAILS(p9_wstat(glenda, G, &st), EACCES);
}

Test(memfs_setattr, uid_is_nobodys_to_change) {
  make_file(glenda, ROOT, "f", 0644, "x");
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat st = styx_stat_untouched();
  st.uid = styx_str_of("bob");
  FAILS(p9_wstat(glenda, F, &st), EACCES);
  st.uid = styx_str_of("glenda");
  OK(p9_wstat(glenda, F, &st));
}

Test(memfs_setattr, length_needs_w_and_directories_have_none) {
  make_file(glenda, ROOT, "f", 0644, "text");
  OK(p9_walk(bob, ROOT, F, "f"));
  styx_stat st = resize_to(0);
  FAILS(p9_wstat(bob, F, &st), EACCES);
  st = resize_to(1);
  FAILS(p9_wstat(glenda, ROOT, &st), EISDIR);
  st = resize_to(0);
  OK(p9_wstat(glenda, ROOT, &st));
}

Test(memfs_setattr, a_change_within_a_directory_is_a_change_of_it) {
  const char *what[] = {"create", "rename", "remove"};
  OK(p9_walk(glenda, ROOT, G, ""));
  for (int i = 0; i < 3; i++) {
    styx_stat st = styx_stat_untouched();
    st.mtime = 5;
    OK(p9_wstat(glenda, ROOT, &st));
    styx_stat before = stat_of(glenda, ROOT);
    cr_assert_eq(before.mtime, 5);
    uint32_t vers = before.qid.vers;
    st = rename_to("g");
    if (i == 0)
      create(glenda, ROOT, F, "f", 0644, STYX_OREAD);
    else
      OK(i == 1 ? p9_wstat(glenda, F, &st) : p9_remove(glenda, F));
    st = stat_of(glenda, ROOT);
    cr_assert_gt(st.mtime, 5, "mtime after %s", what[i]);
    cr_assert_neq(st.qid.vers, vers, "vers after %s", what[i]);
  }
}

Test(memfs_setattr, writing_sets_times_and_muid) {
  create(glenda, ROOT, F, "f", 0666, STYX_OWRITE);
  styx_stat st = chmod_to(0666);
  OK(p9_wstat(glenda, F, &st));
  st = styx_stat_untouched();
  st.mtime = 5;
  st.atime = 6;
  OK(p9_wstat(glenda, F, &st));
  OK(p9_walk(bob, ROOT, F, "f"));
  OK(p9_open(bob, F, STYX_ORDWR));
  st = stat_of(bob, F);
  cr_assert_eq(st.mtime, 5);
  cr_assert_eq(st.atime, 6);
  reads(bob, F, 0, "");
  st = stat_of(bob, F);
  cr_assert_eq(st.mtime, 5);
  cr_assert_gt(st.atime, 6);
  OK(p9_write(bob, F, 0, "x", 1, NULL));
  st = stat_of(bob, F);
  cr_assert_gt(st.mtime, 5);
  cr_assert(styx_str_is(st.muid, "bob"));
  cr_assert(styx_str_is(st.uid, "glenda"));
}

/* ---- one field that bob may change, and one that he may not ---- */

static void good(styx_stat *w, int field) {
  if (field == 0)
    w->name = styx_str_of("renamed");
  else if (field == 1)
    w->length = 2;
  else
    w->length = 100;
}

static styx_err bad(styx_stat *w, int field) {
  switch (field) {
  case 0:
    w->name = styx_str_of("dir");
    return EISDIR;
  case 1:
    w->length = UINT64_MAX / 2 + 1;
    return EFBIG;
  case 2:
    w->mode = 0777;
    return EACCES;
  case 3:
    w->mtime = 5;
    return EACCES;
  case 4:
    w->gid = styx_str_of("bob");
    return EACCES;
  default:
    w->name = styx_str_of("..");
    return STYX_EDOT;
  }
}

Test(memfs_setattr, whatever_field_fails_no_other_has_changed) {
  make_public_dir();
  OK(p9_walk(glenda, ROOT, G, "pub"));
  make_file(glenda, G, "f", 0666, "text");
  make_dir(glenda, G, "dir", 0755);
  styx_stat before = stat_path(glenda, "pub/f");
  OK(p9_walk(bob, ROOT, F, "pub/f"));
  for (int b = 0; b < 6; b++)
    for (int g = 0; g < 3; g++) {
      styx_stat w = styx_stat_untouched();
      good(&w, g);
      styx_err err = bad(&w, b);
      FAILS(p9_wstat(bob, F, &w), err);
      styx_stat after = stat_path(glenda, "pub/f");
      cr_assert_eq(after.length, before.length);
      cr_assert_eq(after.mode, before.mode);
      cr_assert_eq(after.mtime, before.mtime);
      cr_assert_eq(after.qid.vers, before.qid.vers);
      holds(glenda, "pub/f", "text");
      FAILS(p9_walk(glenda, G, H, "renamed"), ENOENT);
    }
}
