/* hostfs_links_test.c: symbolic links, and attempts to get out of the export. */
#include "hostfs_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

TestSuite(hostfs_links, .init = hostfs_setup, .fini = hostfs_teardown);

Test(hostfs_links, a_link_beneath_the_export_is_what_it_points_to) {
  styx_qid file, link;
  host_mkdir("d");
  host_mkdir("d/e");
  host_write("f", "text");
  host_link("f", "near");
  host_link("../../f", "d/e/up");
  host_link("d/e/up", "twice");
  ok(p9_walk_qid(p, ROOT, F, "f", &file));
  const char *links[] = {"near", "d/e/up", "twice"};
  for (size_t i = 0; i < 3; i++) {
    ok(p9_walk_qid(p, ROOT, G, links[i], &link));
    cr_assert_eq(link.path, file.path, "%s", links[i]);
    ok(p9_open(p, G, STYX_OREAD));
    reads(G, "text");
    ok(p9_clunk(p, G));
  }
}

Test(hostfs_links, a_link_to_a_directory_is_a_directory) {
  host_mkdir("d");
  host_mkdir("d/e");
  host_write("d/f", "text");
  host_link("d", "link");
  host_link("..", "d/e/up");
  ok(reach(F, "link/e/up/f", STYX_OREAD));
  reads(F, "text");
  ok(p9_walk(p, ROOT, G, "link"));
  cr_assert_eq(stat_of(G).qid.type, STYX_QTDIR);
  styx_qid up;
  ok(p9_walk_qid(p, G, H, "..", &up));
  cr_assert_eq(up.path, stat_of(ROOT).qid.path, ".. is where one came from");
}

Test(hostfs_links, an_absolute_link_into_the_export_counts_as_beneath) {
  host_mkdir("d");
  host_write("d/f", "text");
  host_link(host("d/f"), "absolute");
  ok(reach(F, "absolute", STYX_OREAD));
  reads(F, "text");
}

static const char *const nowhere[][2] = {
    {"/etc/passwd", "passwd"},
    {"../..", "up"},
    {"../outside/secret", "secret"},
    {"none", "dangling"},
    {"loop", "loop"},
    {"/proc/self/root", "magic"},
    {"/", "slash"},
    {"d/../../outside", "around"},
};
enum { NOWHERE = sizeof nowhere / sizeof *nowhere };

Test(hostfs_links, a_link_that_leads_nowhere_is_only_itself) {
  char buf[64];
  host_mkdir("d");
  for (size_t i = 0; i < NOWHERE; i++) {
    const char *target = nowhere[i][0], *name = nowhere[i][1];
    host_link(target, name);
    ok(p9_walk(p, ROOT, F, name));
    styx_stat st = stat_of(F);
    cr_assert_eq(st.qid.type, STYX_QTFILE, "%s", name);
    cr_assert_eq(st.length, strlen(target), "%s", name);
    refuses(p9_open(p, F, STYX_OREAD), ENOENT);
    refuses(p9_walk(p, F, G, "secret"), ENOTDIR);
    st = styx_stat_untouched();
    st.mode = 0600;
    refuses(p9_wstat(p, F, &st), ENOENT);
    ok(wstat_name(F, "renamed"));
    cr_assert_eq(readlink(host("renamed"), buf, sizeof buf), (ssize_t)strlen(target));
    ok(p9_remove(p, F));
    cr_assert(!host_has("renamed"));
  }
  cr_assert(host_holds("../outside/secret", "secret"));
}

Test(hostfs_links, removing_or_renaming_a_link_leaves_its_target) {
  host_mkdir("d");
  host_write("d/f", "text");
  host_link("d", "dirlink");
  host_link("d/f", "filelink");
  ok(p9_walk(p, ROOT, F, "dirlink"));
  ok(wstat_name(F, "renamed"));
  cr_assert(!host_has("dirlink") && host_has("renamed"));
  ok(p9_remove(p, F));
  cr_assert(!host_has("renamed"));
  ok(reach(F, "filelink", STYX_OREAD | STYX_ORCLOSE));
  ok(p9_clunk(p, F));
  cr_assert(!host_has("filelink"));
  cr_assert(host_holds("d/f", "text"));
}

static void count_kinds(const styx_stat *st, void *arg) {
  int *kinds = arg;
  kinds[(st->qid.type & STYX_QTDIR) != 0]++;
}

Test(hostfs_links, listings_show_links_as_walks_do) {
  int kinds[2] = {0, 0};
  host_mkdir("d");
  host_link("../d", "d/self");
  host_link(".", "d/dot");
  host_link("/etc", "d/out");
  host_link("none", "d/dangling");
  ok(reach(F, "d", STYX_OREAD));
  cr_assert_eq(list(F, 8192, count_kinds, kinds), 4);
  cr_assert_eq(kinds[0], 2);
  cr_assert_eq(kinds[1], 2);
}

Test(hostfs_links, a_link_that_was_replaced_is_not_what_is_removed) {
  host_write("f", "text");
  host_link("f", "link");
  ok(p9_walk(p, ROOT, F, "link"));
  cr_assert_eq(unlink(host("link")), 0);
  host_write("link", "a file now");
  refuses(p9_remove(p, F), ENOENT);
  cr_assert(host_holds("link", "a file now"));
}

Test(hostfs_links, a_directory_replaced_by_a_link_out_leads_nowhere) {
  host_mkdir("d");
  host_write("d/secret", "public");
  ok(p9_walk(p, ROOT, F, "d"));
  host_move("d", "moved");
  host_link("../outside", "d");
  ok(p9_walk(p, F, G, "secret"));
  ok(p9_open(p, G, STYX_OREAD));
  reads(G, "public");
  refuses(reach(H, "d/secret", STYX_OREAD), ENOENT);
}

/* ---- and while somebody works at it ---- */

static atomic_bool stop;

static int export_fd;

static void *exchange(void *arg) {
  (void)arg;
  while (!atomic_load(&stop))
    (void)!renameat2(export_fd, "d", export_fd, "e", RENAME_EXCHANGE);
  return NULL;
}

Test(hostfs_links, no_race_leads_out_of_the_export) {
  pthread_t thread;
  host_mkdir("d");
  host_write("d/secret", "public");
  host_link("../outside", "e");
  export_fd = open(host("."), O_PATH | O_CLOEXEC);
  cr_assert_eq(pthread_create(&thread, NULL, exchange, NULL), 0);
  int seen = 0;
  for (int i = 0; i < 4000; i++) {
    if (reach(F, "d/secret", STYX_OREAD) == STYX_OK) {
      reads(F, "public");
      ok(p9_clunk(p, F));
      seen++;
    }
    if (make(G, "x", 0644, STYX_OREAD) == STYX_OK)
      ok(p9_remove(p, G));
  }
  atomic_store(&stop, true);
  pthread_join(thread, NULL);
  close(export_fd);
  cr_assert_gt(seen, 0);
}
