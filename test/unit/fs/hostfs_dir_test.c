/* hostfs_dir_test.c: reading directories of the host while they change. */
#include "hostfs_fixture.h"

TestSuite(hostfs_dir, .init = hostfs_setup, .fini = hostfs_teardown);

enum { MANY = 5000 };

/* "keep" stay, "gone" go, "new" come, some at each entry that is seen. */
struct churn {
  int seen[MANY];
  int next;
};

static void touch(const char *kind, int i) {
  int fd = open(host("%s%04d", kind, i), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  cr_assert_geq(fd, 0);
  close(fd);
}

static void churn(const styx_stat *st, void *arg) {
  struct churn *c = arg;
  int i;
  if (sscanf(st->name.s, "keep%4d", &i) == 1)
    c->seen[i]++;
  if (c->next < MANY) {
    unlink(host("gone%04d", (c->next * 7919) % MANY));
    touch("new", c->next++);
  }
}

static void every_kept_entry_comes_once(uint32_t count) {
  static struct churn c;
  for (int i = 0; i < MANY; i++) {
    touch("keep", i);
    touch("gone", i);
  }
  ok(p9_walk(p, ROOT, F, ""));
  ok(p9_open(p, F, STYX_OREAD));
  size_t entries = list(F, count, churn, &c);
  cr_assert_geq(entries, MANY);
  for (int i = 0; i < MANY; i++)
    cr_assert_eq(c.seen[i], 1, "keep%04d came %d times", i, c.seen[i]);
}

Test(hostfs_dir, entries_that_stay_come_once_while_others_come_and_go) { every_kept_entry_comes_once(60000); }

Test(hostfs_dir, also_in_small_reads) { every_kept_entry_comes_once(700); }

static void unlink_it(const styx_stat *st, void *arg) {
  (void)arg;
  cr_assert_eq(unlink(host("%.*s", (int)st->name.len, st->name.s)), 0);
}

Test(hostfs_dir, everything_can_be_removed_as_it_is_read) {
  for (int i = 0; i < MANY; i++)
    touch("f", i);
  ok(p9_walk(p, ROOT, F, ""));
  ok(p9_open(p, F, STYX_OREAD));
  cr_assert_eq(list(F, 4000, unlink_it, NULL), MANY);
  cr_assert_eq(list(F, 4000, NULL, NULL), 0);
}

Test(hostfs_dir, offset_0_starts_anew) {
  for (int i = 0; i < 100; i++)
    touch("f", i);
  ok(p9_walk(p, ROOT, F, ""));
  ok(p9_open(p, F, STYX_OREAD));
  char buf[1000];
  uint32_t got;
  ok(p9_read(p, F, 0, buf, sizeof buf, &got));
  ok(p9_read(p, F, got, buf, sizeof buf, &got));
  cr_assert_eq(list(F, 1000, NULL, NULL), 100);
  touch("late", 0);
  cr_assert_eq(list(F, 1000, NULL, NULL), 101);
}

static size_t count_entries(const void *buf, uint32_t len) {
  styx_stat st;
  size_t entries = 0;
  for (ptrdiff_t at = 0; at < (ptrdiff_t)len; entries++)
    at += styx_stat_decode(&st, (const char *)buf + at, len - (size_t)at, STYX_9P2000);
  return entries;
}

/* Read on to the end of the open root: how many entries there were. */
static size_t rest_of(struct p9 *q, uint64_t offset) {
  static char buf[8000];
  size_t entries = 0;
  for (uint32_t got = 1; got; offset += got) {
    ok(p9_read(q, ROOT, offset, buf, sizeof buf, &got));
    entries += count_entries(buf, got);
  }
  return entries;
}

/* A read for which the session has no memory, at every place where it can be short of it, is asked for again. */
Test(hostfs_dir, a_read_that_was_not_answered_loses_nothing) {
  char buf[2000];
  styx_export export = {.fs = styx_hostfs_fs(hostfs)};
  for (int i = 0; i < 1000; i++) /* more than the kernel gives at once */
    touch("f", i);
  size_t refused = 0;
  bool over = false;
  for (size_t n = 1; !over; n++) {
    struct p9_heap short_of = {0};
    styx_allocator alloc = p9_heap_allocator(&short_of);
    styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .allocator = &alloc};
    struct p9 *q = p9_new_session(&config, 65536);
    uint32_t got;
    ok(p9_attach(q, ROOT, "bob", ""));
    ok(p9_open(q, ROOT, STYX_OREAD));
    ok(p9_read(q, ROOT, 0, buf, sizeof buf, &got));
    size_t entries = count_entries(buf, got);
    styx_msg read = {.type = STYX_Tread, .tag = 77, .fid = ROOT, .offset = got, .count = 50000}, reply;
    short_of.calls = 0;
    short_of.fail_at = n;
    p9_submit(q, &read);
    p9_pump(q);
    over = short_of.calls < n;
    short_of.fail_at = 0;
    if (!styx_session_ended(p9_session(q))) { /* it does when it cannot even say so */
      cr_assert(p9_take(q, &reply));
      refused += reply.type == STYX_Rerror;
      uint64_t offset = got;
      if (reply.type == STYX_Rread) {
        entries += count_entries(reply.data, reply.count);
        offset += reply.count;
      }
      cr_assert_eq(entries + rest_of(q, offset), 1000);
    }
    p9_free(q);
  }
  cr_assert_gt(refused, 0);
}

Test(hostfs_dir, a_removed_directory_has_no_entries) {
  host_mkdir("d");
  ok(reach(F, "d", STYX_OREAD));
  cr_assert_eq(rmdir(host("d")), 0);
  cr_assert_eq(list(F, 1000, NULL, NULL), 0);
}

static void compare(const styx_stat *st, void *arg) {
  char name[64];
  styx_qid qid;
  (void)arg;
  snprintf(name, sizeof name, "%.*s", (int)st->name.len, st->name.s);
  ok(p9_walk_qid(p, ROOT, G, name, &qid));
  cr_assert_eq(qid.path, st->qid.path, "%s", name);
  cr_assert_eq(qid.type, st->qid.type, "%s", name);
  ok(p9_clunk(p, G));
}

Test(hostfs_dir, entries_have_the_qids_of_their_files) {
  host_write("f", "x");
  host_mkdir("d");
  host_link("d", "link");
  host_link("none", "dangling");
  ok(p9_walk(p, ROOT, F, ""));
  ok(p9_open(p, F, STYX_OREAD));
  cr_assert_eq(list(F, 1000, compare, NULL), 4);
}

Test(hostfs_dir, without_x_a_listing_has_the_names_at_least) {
  if (geteuid() != 0)
    skip("only root can become somebody without rights");
  host_mkdir("d");
  host_mkdir("d/e");
  cr_assert_eq(chmod(host("d"), 0744), 0);
  cr_assert_eq(seteuid(65534), 0);
  ok(reach(F, "d", STYX_OREAD));
  cr_assert_eq(list(F, 1000, NULL, NULL), 1);
  cr_assert_eq(seteuid(0), 0);
}
