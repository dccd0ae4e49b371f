/* hostfs_users_test.c: users of the export who are users of the host: what each may do is the kernel's to say, and the thread
 * that has served one is afterwards who it was. Only root can be others. */
#include "hostfs_fixture.h"

#include <pthread.h>
#include <sys/syscall.h>

enum { GLENDA = 61001, BOB = 61002, STAFF = 61003, NOBODY = 65534 };

static const uint32_t staff[] = {STAFF};
static const styx_hostfs_user map[] = {
    {.name = "glenda", .uid = GLENDA, .gid = GLENDA, .groups = staff, .ngroups = 1},
    {.name = "bob", .uid = BOB, .gid = BOB},
    {.name = "root", .uid = 0, .gid = 0},
};
enum { GROOT = 100, BROOT = 101, RROOT = 102 };

static void serve_users(styx_squash squash, size_t nusers) {
  hostfs_stop();
  ok(hostfs_serve((styx_hostfs_config){.users = map, .nusers = nusers, .squash = squash, .descriptors = 16}));
}

static void attach_all(void) {
  ok(p9_attach(p, GROOT, "glenda", ""));
  ok(p9_attach(p, BROOT, "bob", ""));
  ok(p9_attach(p, RROOT, "root", ""));
}

static void setup_users(void) {
  hostfs_setup();
  if (geteuid() != 0) {
    skip("only root can be others");
    exit(0);
  }
  serve_users(STYX_SQUASH_ROOT, 3);
  attach_all();
}

/* Whatever was served: we are root again, in every way. */
static void teardown_users(void) {
  cr_assert_eq(syscall(SYS_setfsuid, -1), 0);
  cr_assert_eq(syscall(SYS_setfsgid, -1), 0);
  host_write("root's", "x");
  cr_assert_eq(chmod(host("root's"), 0), 0);
  int fd = open(host("root's"), O_RDWR | O_CLOEXEC);
  cr_assert_geq(fd, 0, "the power over files is gone");
  close(fd);
  hostfs_teardown();
}

TestSuite(hostfs_users, .init = setup_users, .fini = teardown_users, .timeout = 60);

static styx_err make_as(uint32_t root, uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  ok(p9_walk(p, root, fid, ""));
  styx_err err = p9_create(p, fid, name, perm, mode);
  if (err)
    ok(p9_clunk(p, fid));
  return err;
}

static styx_err open_as(uint32_t root, uint32_t fid, const char *path, uint8_t mode) {
  styx_err err = p9_walk(p, root, fid, path);
  if (!err && (err = p9_open(p, fid, mode)))
    ok(p9_clunk(p, fid));
  return err;
}

static struct stat host_stat(const char *name) {
  struct stat st = {0};
  cr_assert_eq(lstat(host("%s", name), &st), 0, "%s: %s", name, strerror(errno));
  return st;
}

Test(hostfs_users, what_is_made_belongs_to_its_maker) {
  ok(make_as(GROOT, F, "g", 0644, STYX_OWRITE));
  ok(make_as(BROOT, G, "b", STYX_DMDIR | 0755, STYX_OREAD));
  cr_assert_eq(host_stat("g").st_uid, GLENDA);
  cr_assert_eq(host_stat("b").st_uid, BOB);
  char number[16];
  snprintf(number, sizeof number, "%d", GLENDA);
  cr_assert(styx_str_is(stat_of(F).uid, number));
}

Test(hostfs_users, each_may_what_the_modes_say_and_no_more) {
  ok(make_as(GROOT, F, "private", 0600, STYX_OWRITE));
  writes(F, 0, "secret");
  ok(make_as(GROOT, G, "closed", STYX_DMDIR | 0700, STYX_OREAD));
  ok(p9_walk(p, GROOT, H, "closed"));
  ok(p9_create(p, H, "in", 0666, STYX_OWRITE));
  refuses(open_as(BROOT, 10, "private", STYX_OREAD), EACCES);
  refuses(open_as(BROOT, 10, "private", STYX_OREAD | STYX_OTRUNC), EACCES);
  refuses(open_as(BROOT, 10, "closed", STYX_OREAD), EACCES);
  refuses(open_as(BROOT, 10, "closed/in", STYX_OREAD), ENOENT); /* a walk of which a part went well */
  ok(p9_walk(p, BROOT, 10, "closed"));
  refuses(p9_walk(p, 10, 11, "in"), EACCES);
  refuses(p9_create(p, 10, "new", 0644, STYX_OWRITE), EACCES);
  ok(open_as(GROOT, 12, "closed/in", STYX_ORDWR));
  ok(open_as(GROOT, 13, "private", STYX_OREAD));
  reads(13, "secret");
}

Test(hostfs_users, groups_count_too) {
  host_write("staff", "for us");
  cr_assert_eq(chown(host("staff"), 0, STAFF), 0);
  cr_assert_eq(chmod(host("staff"), 0640), 0);
  ok(open_as(GROOT, F, "staff", STYX_OREAD));
  reads(F, "for us");
  refuses(open_as(GROOT, G, "staff", STYX_OWRITE), EACCES);
  refuses(open_as(BROOT, G, "staff", STYX_OREAD), EACCES);
}

Test(hostfs_users, attributes_are_their_owner_s_to_change) {
  ok(make_as(GROOT, F, "g", 0644, STYX_OWRITE));
  writes(F, 0, "text");
  ok(p9_walk(p, BROOT, G, "g"));
  styx_stat st = styx_stat_untouched();
  st.mode = 0666;
  refuses(p9_wstat(p, G, &st), EPERM);
  st = styx_stat_untouched();
  st.length = 0;
  refuses(p9_wstat(p, G, &st), EACCES);
  st = styx_stat_untouched();
  st.mtime = 1;
  refuses(p9_wstat(p, G, &st), EPERM);
  cr_assert_eq(host_stat("g").st_mode & 0777, 0644);
  ok(p9_walk(p, GROOT, H, "g"));
  st = styx_stat_untouched();
  st.mode = 0600;
  ok(p9_wstat(p, H, &st));
  char number[16];
  snprintf(number, sizeof number, "%d", STAFF);
  st = styx_stat_untouched();
  st.gid = styx_str_of(number);
  ok(p9_wstat(p, H, &st)); /* a group of hers */
  cr_assert_eq(host_stat("g").st_gid, STAFF);
  snprintf(number, sizeof number, "%d", BOB);
  st.gid = styx_str_of(number);
  refuses(p9_wstat(p, H, &st), EPERM);
}

Test(hostfs_users, a_wstat_whose_second_field_fails_changes_nothing) {
  ok(make_as(GROOT, F, "g", 0644, STYX_OWRITE));
  writes(F, 0, "text");
  styx_stat st = styx_stat_untouched();
  char number[16];
  snprintf(number, sizeof number, "%d", BOB);
  st.mode = 0600;
  st.length = 1;
  st.gid = styx_str_of(number); /* none of hers */
  refuses(p9_wstat(p, F, &st), EPERM);
  cr_assert_eq(host_stat("g").st_mode & 0777, 0644);
  cr_assert(host_holds("g", "text"));
}

Test(hostfs_users, what_is_in_a_sticky_directory_is_its_owner_s_to_remove) {
  host_mkdir("tmp");
  cr_assert_eq(chmod(host("tmp"), 01777), 0);
  ok(p9_walk(p, GROOT, F, "tmp"));
  ok(p9_create(p, F, "g", 0666, STYX_OWRITE));
  ok(p9_walk(p, BROOT, G, "tmp/g"));
  refuses(wstat_name(G, "b"), EPERM);
  refuses(p9_remove(p, G), EPERM);
  ok(p9_walk(p, GROOT, G, "tmp/g"));
  ok(p9_remove(p, G));
}

Test(hostfs_users, removal_on_close_is_done_as_who_asked_for_it) {
  host_mkdir("d");
  cr_assert_eq(chmod(host("d"), 0777), 0);
  ok(make_as(BROOT, F, "unused", 0644, STYX_OWRITE));
  ok(p9_walk(p, BROOT, G, "d"));
  ok(p9_create(p, G, "f", 0644, STYX_OWRITE | STYX_ORCLOSE));
  ok(p9_walk(p, BROOT, H, "d"));
  ok(p9_create(p, H, "g", 0644, STYX_OWRITE | STYX_ORCLOSE));
  ok(p9_clunk(p, G));
  cr_assert(!host_has("d/f"));
  cr_assert_eq(chmod(host("d"), 0755), 0); /* root's, and not bob's any more */
  refuses(p9_clunk(p, H), EACCES);
  cr_assert(host_has("d/g"));
}

Test(hostfs_users, a_write_takes_setuid_away_as_the_user_s_own_would) {
  ok(make_as(BROOT, F, "b", 0777, STYX_OWRITE));
  cr_assert_eq(chmod(host("b"), 04777), 0);
  writes(F, 0, "text");
  cr_assert_eq(host_stat("b").st_mode & 07777, 0777);
}

Test(hostfs_users, what_lost_its_descriptor_comes_back_for_who_had_it) {
  ok(make_as(GROOT, F, "d", STYX_DMDIR | 0777, STYX_OREAD));
  host_write("d/f", "text");
  ok(p9_walk(p, BROOT, G, "d/f"));
  cr_assert_eq(chmod(host("d"), 0700), 0);
  for (uint32_t i = 0; i < 64; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%u", i);
    host_write(name, "");
    ok(p9_walk(p, GROOT, 1000 + i, name));
  }
  ok(p9_open(p, G, STYX_OREAD));
  reads(G, "text");
  refuses(open_as(BROOT, H, "d/f", STYX_OREAD), ENOENT);
}

Test(hostfs_users, whoever_has_no_row_does_not_come_in_and_is_told_so) {
  styx_msg t = {.type = STYX_Tattach, .tag = 1, .fid = F, .afid = STYX_NOFID, .uname = STYX_STR("mallory")}, r;
  p9_rpc(p, &t, &r);
  cr_assert_eq(r.type, STYX_Rerror);
  cr_assert(styx_str_is(r.ename, "the user 'mallory' has no access to this export"));
  refuses(p9_attach(p, F, "mallory", ""), STYX_EREMOTE_TEXT);
  refuses(p9_attach(p, F, "", ""), STYX_EREMOTE_TEXT);
  refuses(p9_attach(p, F, "glenda2", ""), STYX_EREMOTE_TEXT);
  refuses(p9_attach(p, F, "glend", ""), STYX_EREMOTE_TEXT);
  refuses(p9_attach(p, F, "*", ""), STYX_EREMOTE_TEXT);
}

Test(hostfs_users, a_star_is_everybody_else) {
  const styx_hostfs_user rows[] = {{.name = "*", .uid = BOB, .gid = BOB}, map[0]};
  hostfs_stop();
  ok(hostfs_serve((styx_hostfs_config){.users = rows, .nusers = 2}));
  ok(p9_attach(p, GROOT, "glenda", ""));
  ok(p9_attach(p, BROOT, "mallory", ""));
  ok(make_as(GROOT, F, "g", 0644, STYX_OWRITE));
  ok(make_as(BROOT, G, "m", 0644, STYX_OWRITE));
  cr_assert_eq(host_stat("g").st_uid, GLENDA);
  cr_assert_eq(host_stat("m").st_uid, BOB);
}

Test(hostfs_users, root_is_nobody_unless_it_is_let) {
  ok(make_as(RROOT, F, "r", 0644, STYX_OWRITE));
  cr_assert_eq(host_stat("r").st_uid, NOBODY);
  cr_assert_eq(host_stat("r").st_gid, NOBODY);
  host_write("private", "x");
  cr_assert_eq(chmod(host("private"), 0600), 0);
  refuses(open_as(RROOT, G, "private", STYX_OREAD), EACCES);
  serve_users(STYX_SQUASH_NONE, 3);
  attach_all();
  ok(open_as(RROOT, G, "private", STYX_OREAD));
  ok(make_as(RROOT, F, "s", 0644, STYX_OWRITE));
  cr_assert_eq(host_stat("s").st_uid, 0);
  refuses(open_as(BROOT, H, "private", STYX_OREAD), EACCES);
}

Test(hostfs_users, the_group_of_root_is_nobody_s_too_wherever_it_stands) {
  static const uint32_t groups[] = {STAFF, 0};
  const styx_hostfs_user rows[] = {{.name = "first", .uid = GLENDA, .gid = 0},
                                   {.name = "other", .uid = BOB, .gid = BOB, .groups = groups, .ngroups = 2}};
  host_write("wheel", "x");
  cr_assert_eq(chmod(host("wheel"), 0060), 0);
  host_write("staff", "x");
  cr_assert_eq(chown(host("staff"), 0, STAFF), 0);
  cr_assert_eq(chmod(host("staff"), 0060), 0);
  for (styx_squash squash = STYX_SQUASH_ROOT; squash <= STYX_SQUASH_NONE; squash++) {
    const styx_err wheel = squash == STYX_SQUASH_ROOT ? EACCES : STYX_OK;
    hostfs_stop();
    ok(hostfs_serve((styx_hostfs_config){.users = rows, .nusers = 2, .squash = squash}));
    ok(p9_attach(p, GROOT, "first", ""));
    ok(p9_attach(p, BROOT, "other", ""));
    refuses(open_as(GROOT, F, "wheel", STYX_OREAD), wheel);
    refuses(open_as(BROOT, G, "wheel", STYX_OREAD), wheel);
    refuses(open_as(GROOT, H, "staff", STYX_OREAD), EACCES);
    ok(open_as(BROOT, 10, "staff", STYX_OREAD));
  }
}

Test(hostfs_users, all_are_nobody_with_a_map_and_without) {
  for (size_t nusers = 0; nusers <= 3; nusers += 3) {
    serve_users(STYX_SQUASH_ALL, nusers);
    attach_all();
    ok(p9_attach(p, H, "mallory", ""));
    ok(make_as(GROOT, F, "g", 0644, STYX_OWRITE));
    cr_assert_eq(host_stat("g").st_uid, NOBODY);
    ok(p9_remove(p, F));
    ok(make_as(H, F, "m", 0644, STYX_OWRITE));
    cr_assert_eq(host_stat("m").st_gid, NOBODY);
    ok(p9_remove(p, F));
  }
  hostfs_stop();
  ok(hostfs_serve((styx_hostfs_config){.squash = STYX_SQUASH_ALL, .anon_uid = BOB, .anon_gid = STAFF}));
  ok(p9_attach(p, ROOT, "glenda", ""));
  ok(make(F, "g", 0644, STYX_OWRITE));
  cr_assert_eq(host_stat("g").st_uid, BOB);
  cr_assert_eq(host_stat("g").st_gid, STAFF);
}

/* ---- who cannot ---- */

Test(hostfs_users, who_is_not_root_cannot_serve_others) {
  hostfs_stop();
  cr_assert_eq(seteuid(BOB), 0);
  styx_err users = hostfs_serve((styx_hostfs_config){.users = map, .nusers = 3});
  styx_err all = hostfs_serve((styx_hostfs_config){.squash = STYX_SQUASH_ALL});
  cr_assert_eq(seteuid(0), 0);
  refuses(users, EPERM);
  refuses(all, EPERM);
}

Test(hostfs_users, a_map_has_to_be_one) {
  const styx_hostfs_user twice[] = {map[0], map[1], map[0]};
  const styx_hostfs_user none[] = {{.name = "x", .uid = UINT32_MAX}};
  hostfs_stop();
  refuses(hostfs_serve((styx_hostfs_config){.users = twice, .nusers = 3}), EEXIST);
  refuses(hostfs_serve((styx_hostfs_config){.users = none, .nusers = 1}), EINVAL);
  refuses(hostfs_serve((styx_hostfs_config){.squash = STYX_SQUASH_ALL, .anon_uid = UINT32_MAX}), EINVAL);
  refuses(hostfs_serve((styx_hostfs_config){.users = map, .nusers = 1, .anon_gid = UINT32_MAX}), EINVAL);
  cr_assert_eq(heap.live, 0);
}

Test(hostfs_users, without_memory_there_is_no_export_and_nothing_is_left) {
  hostfs_stop();
  for (size_t n = 1;; n++) {
    heap.calls = 0;
    heap.fail_at = n;
    styx_hostfs *made = NULL;
    styx_allocator alloc = p9_heap_allocator(&heap);
    styx_hostfs_config config = {.size = sizeof config, .allocator = &alloc, .users = map, .nusers = 3};
    styx_err err = styx_hostfs_new_with(&made, host("."), -1, &config);
    bool over = heap.calls < n;
    heap.fail_at = 0;
    cr_assert(err == STYX_OK || err == ENOMEM);
    styx_hostfs_free(made);
    cr_assert_eq(heap.live, 0);
    if (over)
      break;
  }
}

/* Who has lost the power meanwhile serves nobody, rather than everybody as root. */
Test(hostfs_users, power_that_was_lost_serves_nobody) {
  host_write("f", "text");
  cr_assert_eq(seteuid(BOB), 0);
  styx_err err = open_as(GROOT, F, "f", STYX_OREAD);
  cr_assert_eq(seteuid(0), 0);
  cr_assert_neq(err, STYX_OK);
}

Test(hostfs_users, power_that_was_lost_removes_nothing_on_close) {
  ok(make_as(GROOT, F, "f", 0666, STYX_OWRITE | STYX_ORCLOSE));
  cr_assert_eq(seteuid(BOB), 0);
  styx_err err = p9_clunk(p, F);
  cr_assert_eq(seteuid(0), 0);
  cr_assert_eq(err, EPERM);
  cr_assert(host_has("f"));
}

/* ---- many threads, each for another ---- */

static void *work_as(void *arg) {
  const int me = *(const int *)arg;
  struct p9 *q = p9_new_fs(styx_hostfs_fs(hostfs));
  cr_assert_eq(p9_attach(q, ROOT, map[me].name, ""), STYX_OK);
  for (int i = 0; i < 300; i++) {
    char name[32];
    snprintf(name, sizeof name, "%s-%d", map[me].name, i % 20);
    cr_assert_eq(p9_walk(q, ROOT, F, ""), STYX_OK);
    styx_err err = p9_create(q, F, name, 0600, STYX_ORDWR);
    cr_assert(err == STYX_OK || err == EEXIST, "%s", styx_err_text(err));
    p9_clunk(q, F);
    struct stat st;
    cr_assert_eq(stat(host("%s", name), &st), 0);
    cr_assert_eq(st.st_uid, map[me].uid);
    cr_assert_eq(p9_walk(q, ROOT, F, name), STYX_OK);
    cr_assert_eq(p9_open(q, F, STYX_OREAD), STYX_OK);
    cr_assert_eq(p9_clunk(q, F), STYX_OK);
    snprintf(name, sizeof name, "%s-%d", map[!me].name, i % 20);
    if (p9_walk(q, ROOT, F, name) == STYX_OK) {
      cr_assert_eq(p9_open(q, F, STYX_OREAD), EACCES);
      cr_assert_eq(p9_clunk(q, F), STYX_OK);
    }
  }
  p9_free(q);
  return NULL;
}

Test(hostfs_users, threads_act_for_different_users_at_once) {
  static const int who[4] = {0, 1, 0, 1};
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, work_as, (void *)(uintptr_t)&who[i]), 0);
  for (int i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
}
