/* hostfs_set_test.c: wstat on files of the host: each field, and all or nothing. */
#include "hostfs_fixture.h"

#include <signal.h>
#include <sys/resource.h>

TestSuite(hostfs_set, .init = hostfs_setup, .fini = hostfs_teardown);

Test(hostfs_set, every_field_arrives) {
  struct stat st;
  host_write("f", "0123456789");
  ok(p9_walk(p, ROOT, F, "f"));
  styx_stat w = styx_stat_untouched();
  w.mode = 0640;
  w.length = 4;
  w.mtime = 1000000000;
  w.atime = 999999999;
  w.name = styx_str_of("g");
  ok(p9_wstat(p, F, &w));
  cr_assert_eq(stat(host("g"), &st), 0);
  cr_assert_eq(st.st_mode & 07777, 0640);
  cr_assert_eq(st.st_mtim.tv_sec, 1000000000, "also when the file was made shorter");
  w = stat_of(F);
  cr_assert_eq(w.atime, 999999999);
  cr_assert(styx_str_is(w.name, "g"));
  cr_assert(host_holds("g", "0123"));
  cr_assert(!host_has("f"));
}

Test(hostfs_set, longer_is_zeros) {
  host_write("f", "ab");
  ok(p9_walk(p, ROOT, F, "f"));
  styx_stat w = styx_stat_untouched();
  w.length = 4;
  ok(p9_wstat(p, F, &w));
  ok(p9_open(p, F, STYX_OREAD));
  char buf[8];
  uint32_t got;
  ok(p9_read(p, F, 0, buf, sizeof buf, &got));
  cr_assert_eq(got, 4);
  cr_assert_arr_eq(buf, "ab\0\0", 4);
}

Test(hostfs_set, owners_go_by_name_or_number) {
  struct stat st;
  if (geteuid() != 0)
    skip("only root may give files away");
  host_write("f", "x");
  ok(p9_walk(p, ROOT, F, "f"));
  styx_stat w = styx_stat_untouched();
  w.uid = styx_str_of("daemon");
  w.gid = styx_str_of("54321");
  ok(p9_wstat(p, F, &w));
  cr_assert_eq(stat(host("f"), &st), 0);
  cr_assert_eq(st.st_uid, 1);
  cr_assert_eq(st.st_gid, 54321);
  w = stat_of(F);
  cr_assert(styx_str_is(w.uid, "daemon"));
  cr_assert(styx_str_is(w.gid, "54321"));
}

/* ---- names ---- */

Test(hostfs_set, a_name_that_is_there_is_replaced) {
  host_write("new", "new text");
  host_write("old", "old text");
  ok(reach(F, "old", STYX_OREAD));
  ok(p9_walk(p, ROOT, G, "new"));
  ok(wstat_name(G, "old"));
  cr_assert(host_holds("old", "new text"));
  cr_assert(!host_has("new"));
  reads(F, "old text"); /* whoever had it open has it still */
  refuses(p9_remove(p, F), ENOENT);
  cr_assert(host_holds("old", "new text"));
}

Test(hostfs_set, all_fids_of_a_renamed_file_and_below_follow) {
  host_mkdir("d");
  host_write("d/f", "text");
  ok(p9_walk(p, ROOT, F, "d"));
  ok(p9_walk(p, ROOT, G, "d"));
  ok(p9_walk(p, ROOT, H, "d/f"));
  ok(wstat_name(F, "e"));
  cr_assert(styx_str_is(stat_of(G).name, "e"));
  ok(wstat_name(G, "g"));
  cr_assert(styx_str_is(stat_of(F).name, "g"));
  ok(wstat_name(H, "h"));
  cr_assert(host_holds("g/h", "text"));
  ok(p9_remove(p, H));
  ok(p9_walk(p, ROOT, H, "g"));
  ok(wstat_name(H, "k"));
  cr_assert(styx_str_is(stat_of(F).name, "k"), "who comes later, too");
  ok(p9_remove(p, F));
  cr_assert(!host_has("k"));
}

Test(hostfs_set, directories_are_replaced_only_by_directories_when_empty) {
  host_mkdir("d");
  host_mkdir("full");
  host_write("full/f", "x");
  host_mkdir("empty");
  host_write("f", "x");
  ok(p9_walk(p, ROOT, F, "f"));
  ok(p9_walk(p, ROOT, G, "d"));
  refuses(wstat_name(F, "empty"), EISDIR);
  refuses(wstat_name(G, "f"), ENOTDIR);
  refuses(wstat_name(G, "full"), ENOTEMPTY);
  ok(wstat_name(G, "empty"));
  cr_assert(!host_has("d"));
  cr_assert_neq(wstat_name(ROOT, "x"), STYX_OK);
}

Test(hostfs_set, a_hard_link_is_renamed_alone) {
  host_write("one", "text");
  cr_assert_eq(link(host("one"), host("two")), 0);
  ok(p9_walk(p, ROOT, F, "one"));
  ok(p9_walk(p, ROOT, G, "two"));
  ok(wstat_name(F, "three"));
  cr_assert(styx_str_is(stat_of(G).name, "two"));
  ok(p9_remove(p, G));
  cr_assert(host_has("three") && !host_has("two"));
}

Test(hostfs_set, renaming_over_another_name_of_the_same_file_leaves_one) {
  host_write("one", "text");
  cr_assert_eq(link(host("one"), host("two")), 0);
  ok(p9_walk(p, ROOT, F, "one"));
  ok(wstat_name(F, "two"));
  cr_assert(host_holds("two", "text") && !host_has("one"));
  cr_assert(styx_str_is(stat_of(F).name, "two"));
}

/* ---- all or nothing ---- */

/* The wstat fails with err, and file "f" is as it was. */
static void changes_nothing(const styx_stat *w, styx_err err) {
  struct stat before, after;
  cr_assert_eq(stat(host("f"), &before), 0);
  ok(p9_walk(p, ROOT, F, "f"));
  styx_err got = p9_wstat(p, F, w);
  fails(got, err, "wstat");
  ok(p9_clunk(p, F));
  cr_assert_eq(stat(host("f"), &after), 0);
  cr_assert_eq(after.st_ino, before.st_ino);
  cr_assert_eq(after.st_mode, before.st_mode, "%o", after.st_mode);
  cr_assert_eq(after.st_size, before.st_size);
  cr_assert_eq(after.st_uid, before.st_uid);
  cr_assert_eq(after.st_gid, before.st_gid);
  cr_assert_eq(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
  cr_assert_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  cr_assert(host_holds("f", "0123456789"));
}

Test(hostfs_set, a_wstat_that_fails_changes_nothing) {
  host_write("f", "0123456789");
  cr_assert_eq(chmod(host("f"), 04755), 0);
  host_mkdir("dir");
  const uint64_t lengths[] = {UINT64_MAX, 3, 100};
  for (size_t i = 0; i < 3; i++) {
    styx_stat w = styx_stat_untouched();
    w.mode = 0600;
    w.length = lengths[i];
    w.mtime = w.atime = 12345;
    w.name = styx_str_of("dir");
    if (geteuid() == 0)
      w.uid = w.gid = styx_str_of("12345");
    changes_nothing(&w, EISDIR);
    styx_stat two = styx_stat_untouched();
    two.length = lengths[i];
    two.name = styx_str_of("dir");
    changes_nothing(&two, EISDIR);
    w.name = styx_str_of("g");
    w.gid = styx_str_of("nobody has this name");
    changes_nothing(&w, STYX_EREMOTE_TEXT);
    w.gid = styx_str_of("");
    w.mode = STYX_DMAPPEND | 0600;
    changes_nothing(&w, STYX_EREMOTE_TEXT);
    cr_assert(!host_has("g"));
  }
}

Test(hostfs_set, a_length_that_the_disk_refuses_changes_nothing) {
  host_write("f", "0123456789");
  const struct rlimit limit = {1000, 1000};
  signal(SIGXFSZ, SIG_IGN);
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  styx_stat w = styx_stat_untouched();
  w.mode = 0600;
  w.name = styx_str_of("g");
  w.length = 1001;
  changes_nothing(&w, EFBIG);
  cr_assert(!host_has("g"));
}

Test(hostfs_set, a_name_taken_back_keeps_its_fids) {
  host_write("f", "0123456789");
  ok(p9_walk(p, ROOT, G, "f"));
  styx_stat w = styx_stat_untouched();
  w.name = styx_str_of("no\xf4\x8f\xbb\x83\xf4\x8f\xba\xa9"); /* not the one form of its name */
  w.mode = 0600;
  changes_nothing(&w, STYX_ENAME);
  ok(wstat_name(G, "g"));
  cr_assert(host_has("g"));
}

Test(hostfs_set, who_may_not_changes_nothing) {
  if (geteuid() != 0)
    skip("only root can become somebody without rights");
  host_write("f", "0123456789");
  cr_assert_eq(chmod(host("f"), 0666), 0);
  cr_assert_eq(seteuid(65534), 0);
  styx_stat w = styx_stat_untouched();
  w.length = 100;
  w.mode = 0777;
  changes_nothing(&w, EPERM); /* longer it may make it, but the mode is the owner's */
  w.mode = 0666;
  ok(p9_walk(p, ROOT, F, "f"));
  ok(p9_wstat(p, F, &w)); /* what is so already needs no right */
  cr_assert_eq(seteuid(0), 0);
}

/* ---- one field that may be, and one that may not ---- */

static void good(styx_stat *w, int field) {
  switch (field) {
  case 0:
    w->name = styx_str_of("renamed");
    return;
  case 1:
    w->length = 3;
    return;
  case 2:
    w->length = 100;
    return;
  case 3:
    w->mode = 0600;
    return;
  case 4:
    w->mtime = 12345;
    return;
  default:
    w->gid = styx_str_of("12345");
  }
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
    w->length = 1001; /* past what the disk takes */
    return EFBIG;
  case 3:
    w->mode = STYX_DMEXCL | 0755;
    return STYX_EREMOTE_TEXT;
  case 4:
    w->name = styx_str_of("a name\xf4\x8f\xbb\x83\xf4\x8f\xba\xa9"); /* not the one form of its name */
    return STYX_ENAME;
  default:
    w->gid = styx_str_of("nobody has this name");
    return STYX_EREMOTE_TEXT;
  }
}

Test(hostfs_set, whatever_field_fails_no_other_has_changed) {
  const struct rlimit limit = {1000, 1000};
  signal(SIGXFSZ, SIG_IGN);
  host_write("f", "0123456789");
  host_mkdir("dir");
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  for (int b = 0; b < 6; b++)
    for (int g = 0; g < (geteuid() == 0 ? 6 : 5); g++) {
      styx_stat w = styx_stat_untouched();
      good(&w, g);
      styx_err err = bad(&w, b); /* where both are one field there is nothing else to change */
      changes_nothing(&w, err);
      cr_assert(!host_has("renamed"));
    }
}
