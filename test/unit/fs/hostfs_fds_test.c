/* hostfs_fds_test.c: more fids than descriptors. A file that nobody uses just now gives its descriptor up; when it gets one back
 * it is the same file, or an error. */
#include "hostfs_fixture.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* What the filesystem tells of times of birth: as it is, nothing (as ext4 with small inodes), or one that many files share. */
static enum { EXACT, NONE, COARSE } births;

/* Instead of the C library's, also in the library that is tested. */
int statx(int fd, const char *restrict path, int flags, unsigned mask, struct statx *restrict st) {
  long bad = syscall(SYS_statx, fd, path, flags, mask, st);
  if (!bad && births == NONE)
    st->stx_mask &= ~(unsigned)STATX_BTIME;
  if (!bad && births == COARSE)
    st->stx_btime = (struct statx_timestamp){.tv_sec = 1};
  return (int)bad;
}

enum { MOST = 8, OTHERS = 60 };

static void setup_few(void) {
  hostfs_setup();
  hostfs_stop();
  ok(hostfs_serve((styx_hostfs_config){.descriptors = MOST}));
  ok(p9_attach(p, ROOT, "glenda", ""));
}

TestSuite(hostfs_fds, .init = setup_few, .fini = hostfs_teardown, .timeout = 120);

/* Does this process have a descriptor of what is called so? */
static bool is_held(const char *name) {
  char link[64], path[PATH_MAX];
  for (int fd = 0; fd < 1000; fd++) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    if (strcmp(path, host("%s", name)) == 0)
      return true;
  }
  return false;
}

/* Use so many other files that name's descriptor is taken, if it has one. */
static void let_go(const char *name) {
  if (!host_has("others"))
    host_mkdir("others");
  for (uint32_t i = 0; i < OTHERS; i++) {
    char other[32];
    snprintf(other, sizeof other, "others/%u", i);
    if (!host_has(other))
      host_write(other, "other");
    ok(p9_walk(p, ROOT, 1000 + i, other));
  }
  for (uint32_t i = 0; i < OTHERS; i++)
    ok(p9_clunk(p, 1000 + i));
  cr_assert(!is_held(name));
}

static styx_err stat_error(uint32_t fid) {
  styx_stat st;
  return p9_stat(p, fid, &st);
}

/* As somebody without the power to open files by their handles. */
static void drop_power(void) {
  if (geteuid() == 0)
    cr_assert_eq(seteuid(65534), 0);
}
static void regain_power(void) {
  if (getuid() == 0)
    cr_assert_eq(seteuid(0), 0);
}

Test(hostfs_fds, more_fids_than_the_process_may_have_descriptors) {
  enum { FILES = 2000 };
  struct rlimit limit;
  char name[32];
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  for (uint32_t i = 0; i < FILES; i++) {
    snprintf(name, sizeof name, "file%u", i);
    host_write(name, name);
  }
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, limit.rlim_max}), 0);
  for (int keeps = 0; keeps < 2; keeps++) { /* by the limit of the config; and until the process has no more */
    hostfs_stop();
    ok(hostfs_serve((styx_hostfs_config){.descriptors = keeps ? 100000 : 0}));
    ok(p9_attach(p, ROOT, "glenda", ""));
    for (uint32_t i = 0; i < FILES; i++) {
      snprintf(name, sizeof name, "file%u", i);
      ok(p9_walk(p, ROOT, 10 + i, name));
      if (!keeps && i % 100 == 0)
        cr_assert_leq(count_fds(), fds_before + 36);
    }
    for (uint32_t i = 0; i < FILES; i += 7) {
      snprintf(name, sizeof name, "file%u", i);
      styx_stat st = stat_of(10 + i);
      cr_assert(styx_str_is(st.name, name));
      ok(p9_open(p, 10 + i, STYX_OREAD));
      reads(10 + i, name);
      ok(p9_clunk(p, 10 + i));
    }
  }
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A hand that has not come round yet finds everything in use of late. */
Test(hostfs_fds, a_process_without_descriptors_takes_one_however_many_were_used_of_late) {
  enum { LIMIT = 1600 };
  struct rlimit limit;
  char name[32];
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < LIMIT) {
    skip("no process may have so many descriptors here");
    return;
  }
  for (uint32_t i = 0; i < LIMIT + 100; i++) {
    snprintf(name, sizeof name, "file%u", i);
    host_write(name, "");
  }
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){LIMIT, limit.rlim_max}), 0);
  hostfs_stop();
  ok(hostfs_serve((styx_hostfs_config){.descriptors = 100000}));
  ok(p9_attach(p, ROOT, "glenda", ""));
  for (uint32_t i = 0; i < LIMIT + 100; i++) {
    snprintf(name, sizeof name, "file%u", i);
    ok(p9_walk(p, ROOT, 10 + i, name));
    stat_of(10 + i);
  }
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(hostfs_fds, every_level_of_a_deep_tree_comes_back) {
  enum { DEPTH = 100 };
  styx_qid qids[DEPTH];
  ok(p9_walk(p, ROOT, 10, ""));
  for (uint32_t i = 0; i < DEPTH; i++) {
    ok(p9_walk(p, 10 + i, F, ""));
    ok(p9_create(p, F, "d", STYX_DMDIR | 0755, STYX_OREAD));
    ok(p9_clunk(p, F));
    ok(p9_walk_qid(p, 10 + i, 11 + i, "d", &qids[i]));
  }
  let_go("d/d/d");
  for (uint32_t i = 0; i < DEPTH; i++) {
    uint32_t at = i * 37 % DEPTH;
    cr_assert_eq(stat_of(11 + at).qid.path, qids[at].path);
    styx_qid up;
    ok(p9_walk_qid(p, 11 + at, F, "..", &up));
    cr_assert(at == 0 || up.path == qids[at - 1].path);
    ok(p9_clunk(p, F));
  }
  ok(p9_walk(p, 10 + DEPTH, F, ""));
  ok(p9_create(p, F, "leaf", 0644, STYX_ORDWR));
  writes(F, 0, "deep");
  cr_assert_leq(count_fds(), fds_before + MOST + 6);
}

Test(hostfs_fds, another_file_of_the_same_name_is_not_the_file) {
  host_write("f", "mine");
  ok(p9_walk(p, ROOT, F, "f"));
  let_go("f");
  host_move("f", "../outside/f");
  host_write("f", "somebody else's");
  drop_power();
  refuses(stat_error(F), ESTALE);
  refuses(p9_open(p, F, STYX_OREAD), ESTALE);
  refuses(wstat_name(F, "g"), ESTALE);
  refuses(p9_remove(p, F), ENOENT);
  regain_power();
  cr_assert(host_holds("f", "somebody else's"));
}

Test(hostfs_fds, a_file_that_was_removed_is_not_the_one_that_comes_after_it) {
  for (int i = 0; i < 200; i++) { /* inode numbers are used again at once */
    host_write("f", "mine");
    ok(p9_walk(p, ROOT, F, "f"));
    if (i == 0)
      let_go("f");
    else
      for (uint32_t k = 0; k < 2 * MOST + 2; k++) {
        char other[32];
        snprintf(other, sizeof other, "others/%u", k);
        ok(p9_walk(p, ROOT, 1000 + k, other));
        ok(p9_clunk(p, 1000 + k));
      }
    cr_assert_eq(unlink(host("f")), 0);
    host_write("f", "new");
    styx_err err = p9_open(p, F, STYX_OREAD);
    cr_assert(err == ESTALE || err == STYX_OK); /* OK: it still had its descriptor */
    if (!err) {
      char buf[8];
      uint32_t got = 0;
      ok(p9_read(p, F, 0, buf, sizeof buf, &got));
      cr_assert_eq(got, 4, "the new one was read");
    }
    ok(p9_clunk(p, F));
  }
}

static bool make_twin(void) {
  struct stat old, new;
  host_write("f", "old");
  ok(p9_walk(p, ROOT, F, "f"));
  let_go("f");
  cr_assert_eq(stat(host("f"), &old), 0);
  cr_assert_eq(unlink(host("f")), 0);
  host_write("f", "new");
  cr_assert_eq(stat(host("f"), &new), 0);
  return old.st_ino == new.st_ino;
}

/* F is on a file that has no descriptor and is gone, and whose name, inode number and time of birth a new one has. Others use
 * the disk too, and may be quicker. False: it cannot be had. */
static bool have_twin(void) {
  for (int tries = 100; tries; tries--) {
    if (make_twin())
      return true;
    ok(p9_clunk(p, F));
    cr_assert_eq(unlink(host("f")), 0);
  }
  return false;
}

Test(hostfs_fds, a_walk_to_the_file_that_comes_after_it_does_not_bring_the_removed_one_back) {
  births = COARSE;
  if (!have_twin()) {
    skip("inode numbers are not used again here");
    return;
  }
  ok(p9_walk(p, ROOT, G, "f"));
  refuses(p9_open(p, F, STYX_OREAD), ESTALE);
  ok(p9_open(p, G, STYX_OREAD));
  reads(G, "new");
}

Test(hostfs_fds, the_file_that_comes_after_a_removed_one_is_not_removed_or_renamed_for_it) {
  for (births = NONE; births <= COARSE; births++) {
    if (!have_twin()) {
      skip("inode numbers are not used again here");
      return;
    }
    refuses(wstat_name(F, "g"), ESTALE);
    refuses(p9_remove(p, F), ENOENT);
    cr_assert(host_holds("f", "new"));
    cr_assert_eq(unlink(host("f")), 0);
  }
}

Test(hostfs_fds, a_file_is_one_node_also_when_it_has_given_its_descriptor_up) {
  for (births = EXACT; births <= COARSE; births++) {
    host_write("f", "text");
    ok(p9_walk(p, ROOT, F, "f"));
    let_go("f");
    size_t live = heap.live;
    for (uint32_t i = 0; i < OTHERS; i++) {
      ok(p9_walk(p, ROOT, 2000 + i, "f"));
      let_go("f");
    }
    cr_assert_leq(heap.live, live);
    for (uint32_t i = 0; i < OTHERS; i++)
      ok(p9_clunk(p, 2000 + i));
    ok(p9_clunk(p, F));
  }
}

Test(hostfs_fds, with_the_power_a_file_is_found_wherever_it_is) {
  if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_DAC_READ_SEARCH) != 1)
    skip("only root may open files by their handles");
  host_write("f", "mine");
  host_mkdir("d");
  ok(p9_walk(p, ROOT, F, "f"));
  let_go("f");
  host_move("f", "d/g");
  host_write("f", "another");
  ok(p9_open(p, F, STYX_OREAD));
  reads(F, "mine");
}

Test(hostfs_fds, a_directory_replaced_by_a_link_leads_nowhere) {
  host_mkdir("d");
  host_write("d/secret", "inside");
  ok(p9_walk(p, ROOT, F, "d"));
  ok(p9_walk(p, F, G, "secret"));
  let_go("d/secret");
  host_move("d", "../gone");
  host_link("../outside", "d");
  drop_power();
  refuses(p9_walk(p, F, H, "secret"), ESTALE);
  refuses(p9_open(p, G, STYX_OREAD), ESTALE);
  refuses(p9_create(p, F, "new", 0644, STYX_OWRITE), ESTALE);
  regain_power();
  cr_assert(!host_has("../outside/new"));
}

Test(hostfs_fds, a_link_comes_back_as_what_it_led_to) {
  host_mkdir("d");
  host_mkdir("d/sub");
  host_write("f", "target");
  host_link("../f", "d/up");
  host_link("d/sub", "down");
  ok(p9_walk(p, ROOT, F, "d/up"));
  ok(p9_walk(p, ROOT, G, "down"));
  host_write("d/sub/x", "x");
  ok(p9_walk(p, G, H, "x"));
  let_go("f");
  ok(p9_open(p, F, STYX_OREAD));
  reads(F, "target");
  let_go("d/sub/x");
  ok(p9_open(p, H, STYX_OREAD));
  reads(H, "x");
  ok(p9_walk(p, G, 20, "..")); /* from where it was reached */
  cr_assert_eq(stat_of(20).qid.path, stat_of(ROOT).qid.path);
}

Test(hostfs_fds, a_link_that_leads_elsewhere_now_is_not_followed) {
  host_write("f", "old");
  host_write("g", "new");
  host_link("f", "l");
  ok(p9_walk(p, ROOT, F, "l"));
  let_go("f");
  cr_assert_eq(unlink(host("l")), 0);
  host_link("g", "l");
  drop_power();
  refuses(p9_open(p, F, STYX_OREAD), ESTALE);
  regain_power();
}

/* Its handle has one. */
Test(hostfs_fds, what_is_open_goes_on_when_its_name_is_gone) {
  host_write("f", "text");
  ok(reach(F, "f", STYX_ORDWR));
  for (uint32_t i = 0; i < 4 * MOST; i++) {
    char other[32];
    snprintf(other, sizeof other, "other%u", i);
    host_write(other, "");
    ok(p9_walk(p, ROOT, 1000 + i, other));
  }
  cr_assert_eq(unlink(host("f")), 0);
  cr_assert_eq(stat_of(F).length, 4);
  styx_stat st = styx_stat_untouched();
  st.length = 2;
  ok(p9_wstat(p, F, &st));
  reads(F, "te");
}

Test(hostfs_fds, our_own_renames_are_followed) {
  host_write("f", "text");
  host_mkdir("d");
  host_write("d/x", "x");
  host_mkdir("others");
  cr_assert_eq(chmod(host("."), 0777), 0);
  ok(p9_walk(p, ROOT, F, "f"));
  ok(p9_walk(p, ROOT, G, "d"));
  ok(p9_walk(p, G, H, "x"));
  let_go("d/x");
  ok(wstat_name(F, "g"));
  ok(wstat_name(G, "e"));
  let_go("g");
  drop_power(); /* so that nothing is found by its handle */
  ok(p9_open(p, H, STYX_OREAD));
  reads(H, "x");
  ok(p9_remove(p, F));
  regain_power();
  cr_assert(!host_has("g"));
  cr_assert(host_has("e/x"));
}

Test(hostfs_fds, one_without_a_descriptor_is_brought_back_where_that_may_block) {
  host_write("f", "text");
  if (!styx_hostfs_fs(hostfs).ops->nowait) {
    skip("the tests' directory is on a filesystem that may not be local");
    return;
  }
  ok(p9_walk(p, ROOT, F, "f"));
  stat_of(F);
  let_go("f");
  int blocking = 0;
  styx_session *s = p9_session(p);
  p9_submit(p, &(styx_msg){.type = STYX_Tstat, .tag = 900, .fid = F});
  do
    for (styx_work *w; (w = styx_session_next(s));) {
      blocking += styx_work_about(w).may_block;
      styx_work_run(w);
    }
  while (styx_session_retire(s, 0));
  p9_pump(p);
  styx_msg r;
  cr_assert(p9_take(p, &r));
  cr_assert_eq(r.type, STYX_Rstat);
  cr_assert_eq(blocking, 1);
}

Test(hostfs_fds, without_memory_nothing_comes_back_and_nothing_is_lost) {
  host_write("f", "text");
  ok(p9_walk(p, ROOT, F, "f"));
  size_t failures = 0;
  for (size_t n = 1;; n++) {
    if (is_held("f"))
      let_go("f");
    heap.calls = 0;
    heap.fail_at = n;
    styx_err err = stat_error(F);
    bool over = heap.calls < n;
    heap.fail_at = 0;
    cr_assert(err == STYX_OK || err == ENOMEM, "%s", styx_err_text(err));
    failures += err != STYX_OK;
    if (over)
      break;
  }
  cr_assert_geq(failures, 1);
  ok(p9_open(p, F, STYX_OREAD));
  reads(F, "text");
}

/* ---- from many threads ---- */

static void *use(void *arg) {
  uint64_t seed = (uint64_t)(uintptr_t)arg;
  struct p9 *q = p9_new_fs(styx_hostfs_fs(hostfs));
  p9_attach(q, ROOT, "bob", "");
  char name[8], buf[8];
  for (uint32_t i = 0; i < 40; i++) {
    snprintf(name, sizeof name, "f%u", i);
    cr_assert_eq(p9_walk(q, ROOT, 10 + i, name), STYX_OK);
  }
  for (int i = 0; i < 1500; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint32_t k = (uint32_t)(seed >> 33) % 40, got = 0;
    styx_stat st;
    snprintf(name, sizeof name, "f%u", k);
    cr_assert_eq(p9_stat(q, 10 + k, &st), STYX_OK);
    cr_assert(styx_str_is(st.name, name));
    cr_assert_eq(p9_walk(q, 10 + k, 9, ""), STYX_OK);
    cr_assert_eq(p9_open(q, 9, STYX_OREAD), STYX_OK);
    cr_assert_eq(p9_read(q, 9, 0, buf, sizeof buf, &got), STYX_OK);
    cr_assert_eq(got, strlen(name));
    cr_assert_arr_eq(buf, name, got);
    cr_assert_eq(p9_clunk(q, 9), STYX_OK);
  }
  p9_free(q);
  return NULL;
}

Test(hostfs_fds, threads_take_each_other_s_descriptors) {
  pthread_t threads[4];
  char name[8];
  for (uint32_t i = 0; i < 40; i++) {
    snprintf(name, sizeof name, "f%u", i);
    host_write(name, name);
  }
  for (uintptr_t i = 0; i < 4; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, use, (void *)(i + 1)), 0);
  for (int i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
}
