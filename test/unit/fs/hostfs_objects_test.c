/* hostfs_objects_test.c: fids name objects: what is renamed, removed, created, and who may. */
#include "hostfs_fixture.h"

#include <pthread.h>

TestSuite(hostfs_objects, .init = hostfs_setup, .fini = hostfs_teardown);

/* ---- the file and not its name ---- */

Test(hostfs_objects, renames_by_others_do_not_disturb_a_fid) {
  host_mkdir("a");
  host_mkdir("b");
  host_write("a/f", "text");
  ok(reach(F, "a/f", STYX_ORDWR));
  ok(p9_walk(p, ROOT, G, "a/f"));
  host_move("a/f", "b/g");
  reads(F, "text");
  writes(F, 4, "!");
  cr_assert_eq(stat_of(F).length, 5);
  host_move("b", "c");
  styx_stat st = styx_stat_untouched();
  st.mode = 0600;
  ok(p9_wstat(p, F, &st));
  st = styx_stat_untouched();
  st.length = 2;
  ok(p9_wstat(p, G, &st));
  cr_assert(host_holds("c/g", "te"));
  ok(wstat_name(G, "h"));
  cr_assert(host_holds("c/h", "te"));
  ok(p9_remove(p, G));
  cr_assert(!host_has("c/h"));
}

Test(hostfs_objects, a_fid_of_a_moved_directory_still_reaches_what_is_in_it) {
  host_mkdir("d");
  host_mkdir("d/e");
  host_write("d/e/f", "deep");
  ok(p9_walk(p, ROOT, F, "d/e"));
  host_move("d", "moved");
  ok(p9_walk(p, F, G, "f"));
  ok(p9_open(p, G, STYX_OREAD));
  reads(G, "deep");
}

Test(hostfs_objects, an_unlinked_file_lives_on_in_its_fids) {
  host_write("f", "text");
  ok(reach(F, "f", STYX_ORDWR));
  ok(p9_walk(p, ROOT, G, "f"));
  cr_assert_eq(unlink(host("f")), 0);
  reads(F, "text");
  writes(F, 0, "T");
  styx_stat st = styx_stat_untouched();
  st.mode = 0600;
  st.length = 3;
  ok(p9_wstat(p, F, &st));
  cr_assert_eq(stat_of(G).length, 3);
  cr_assert_eq(stat_of(F).mode, 0600);
  ok(p9_open(p, G, STYX_OREAD));
  reads(G, "Tex");
  refuses(wstat_name(F, "back"), ENOENT);
  host_write("f", "another file");
  refuses(p9_remove(p, F), ENOENT);
  cr_assert(host_holds("f", "another file"), "removal is of the object, not of its name");
}

Test(hostfs_objects, files_removed_through_one_fid_are_open_in_another) {
  host_write("f", "text");
  ok(reach(F, "f", STYX_OREAD));
  ok(p9_walk(p, ROOT, G, "f"));
  ok(p9_remove(p, G));
  cr_assert(!host_has("f"));
  reads(F, "text");
}

Test(hostfs_objects, dot_dot_leads_back_and_never_out) {
  host_mkdir("d");
  host_mkdir("d/e");
  styx_qid root, got;
  ok(p9_walk_qid(p, ROOT, F, "d/e/../..", &root));
  cr_assert_eq(root.path, stat_of(ROOT).qid.path);
  ok(p9_clunk(p, F));
  ok(p9_walk_qid(p, ROOT, F, "d/../../../..", &got));
  cr_assert_eq(got.path, root.path);
  ok(p9_clunk(p, F));
  ok(p9_walk(p, ROOT, F, "d/e"));
  host_move("d/e", "../outside/e");
  ok(p9_walk_qid(p, F, G, "../..", &got));
  cr_assert_eq(got.path, root.path, "moved out of the export, but .. stays in it");
}

/* ---- create and remove ---- */

Test(hostfs_objects, created_files_have_the_directory_s_rights_and_group) {
  struct stat st;
  host_mkdir("d");
  cr_assert_eq(chmod(host("d"), 0750), 0);
  bool other = chown(host("d"), (uid_t)-1, 12345) == 0; /* as root */
  ok(p9_walk(p, ROOT, F, "d"));
  ok(p9_create(p, F, "f", 0777, STYX_OREAD));
  cr_assert_eq(stat(host("d/f"), &st), 0);
  cr_assert_eq(st.st_mode & 07777, 0751, "%o", st.st_mode);
  if (other)
    cr_assert_eq(st.st_gid, 12345);
  ok(p9_walk(p, ROOT, G, "d"));
  ok(p9_create(p, G, "e", STYX_DMDIR | 0777, STYX_OREAD));
  cr_assert_eq(stat(host("d/e"), &st), 0);
  cr_assert_eq(st.st_mode & 07777, 0750);
  if (other)
    cr_assert_eq(st.st_gid, 12345);
}

Test(hostfs_objects, what_is_created_is_open_whatever_its_rights) {
  struct stat st;
  ok(make(F, "f", 0400, STYX_OWRITE));
  writes(F, 0, "text");
  styx_stat wst = styx_stat_untouched();
  wst.length = 2;
  ok(p9_wstat(p, F, &wst));
  cr_assert(host_holds("f", "te"));
  ok(make(G, "d", STYX_DMDIR | 0222, STYX_OREAD));
  cr_assert_eq(stat(host("d"), &st), 0);
  cr_assert_eq(st.st_mode & 07777, 0222);
  cr_assert_eq(list(G, 8192, NULL, NULL), 0);
}

Test(hostfs_objects, create_refuses_what_is_there_and_what_cannot_be_kept) {
  host_write("f", "x");
  host_link("nowhere", "link");
  refuses(make(F, "f", 0644, STYX_OWRITE), EEXIST);
  refuses(make(F, "link", 0644, STYX_OWRITE), EEXIST);
  refuses(make(F, "f", STYX_DMDIR | 0755, STYX_OREAD), EEXIST);
  cr_assert_neq(make(F, "log", STYX_DMAPPEND | 0644, STYX_OWRITE), STYX_OK);
  cr_assert_neq(make(F, "lock", STYX_DMEXCL | 0644, STYX_OWRITE), STYX_OK);
  cr_assert(!host_has("log") && !host_has("lock") && !host_has("nowhere"));
  ok(make(F, "tmp", STYX_DMTMP | 0644, STYX_OWRITE));
  cr_assert_eq(stat_of(F).mode, 0644);
}

Test(hostfs_objects, a_directory_must_be_empty_to_go) {
  host_mkdir("d");
  host_write("d/f", "x");
  ok(p9_walk(p, ROOT, F, "d"));
  ok(p9_walk(p, ROOT, G, "d/f"));
  refuses(p9_remove(p, F), ENOTEMPTY);
  ok(p9_remove(p, G));
  ok(p9_walk(p, ROOT, F, "d"));
  ok(p9_remove(p, F));
  cr_assert(!host_has("d"));
  ok(p9_walk(p, ROOT, F, ""));
  refuses(p9_remove(p, F), EBUSY);
}

Test(hostfs_objects, remove_on_close_removes_this_file_only) {
  ok(make(F, "gone", 0644, STYX_OWRITE | STYX_ORCLOSE));
  ok(p9_clunk(p, F));
  cr_assert(!host_has("gone"));

  ok(make(F, "moved", 0644, STYX_OWRITE | STYX_ORCLOSE));
  host_move("moved", "elsewhere");
  host_write("moved", "another file");
  ok(p9_clunk(p, F));
  cr_assert(!host_has("elsewhere"));
  cr_assert(host_has("moved"));

  host_write("old", "x");
  ok(reach(F, "old", STYX_OREAD | STYX_ORCLOSE));
  cr_assert_eq(unlink(host("old")), 0);
  ok(p9_clunk(p, F));
}

Test(hostfs_objects, executing_needs_the_x_bit) {
  host_write("script", "#!");
  refuses(reach(F, "script", STYX_OEXEC), EACCES);
  cr_assert_eq(chmod(host("script"), 0755), 0);
  ok(reach(F, "script", STYX_OEXEC));
  reads(F, "#!");
}

Test(hostfs_objects, permissions_are_the_kernel_s) {
  if (geteuid() != 0)
    skip("only root can become somebody without rights");
  host_write("private", "x");
  cr_assert_eq(chmod(host("private"), 0600), 0);
  host_mkdir("closed");
  host_write("closed/f", "x");
  cr_assert_eq(chmod(host("closed"), 0700), 0);
  cr_assert_eq(seteuid(65534), 0);
  refuses(reach(F, "private", STYX_OREAD), EACCES);
  refuses(reach(F, "closed/f", STYX_OREAD), ENOENT); /* a walk of which a part went well */
  ok(p9_walk(p, ROOT, F, "closed"));
  refuses(p9_walk(p, F, G, "f"), EACCES);
  refuses(p9_create(p, F, "new", 0644, STYX_OWRITE), EACCES);
  ok(make(G, "mine", 0600, STYX_OWRITE));
  ok(make(H, "dropbox", STYX_DMDIR | 0222, STYX_OREAD));
  cr_assert_eq(list(H, 1000, NULL, NULL), 0);
  cr_assert_eq(seteuid(0), 0);
}

/* ---- and from many threads ---- */

/* Each has a client of its own; the files are everybody's, so calls may fail, and what is left behind is checked. */
static void *work(void *arg) {
  (void)arg;
  struct p9 *q = p9_new_fs(styx_hostfs_fs(hostfs));
  styx_stat st = styx_stat_untouched();
  p9_attach(q, ROOT, "bob", "");
  for (int i = 0; i < 400; i++) {
    char name[8] = {'f', (char)('0' + i % 7), '\0'}, other[8] = {'f', (char)('0' + i % 5), '\0'};
    if (p9_walk(q, ROOT, F, "") == STYX_OK) {
      p9_create(q, F, name, 0644, STYX_ORDWR);
      p9_clunk(q, F);
    }
    if (p9_walk(q, ROOT, G, name) == STYX_OK) {
      st.name = styx_str_of(other);
      p9_wstat(q, G, &st);
      p9_stat(q, G, &(styx_stat){0});
      p9_walk(q, G, H, "");
      p9_clunk(q, H);
      if (i % 3)
        p9_remove(q, G);
      else
        p9_clunk(q, G);
    }
  }
  p9_free(q);
  return NULL;
}

Test(hostfs_objects, threads_share_the_table_of_nodes) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, work, NULL), 0);
  for (int i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  ok(make(F, "after", 0644, STYX_OWRITE));
}
