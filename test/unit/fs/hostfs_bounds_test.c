/* hostfs_bounds_test.c: what is large, long or odd in a directory of the host, and what must not hold up a worker. */
#include "hostfs_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

TestSuite(hostfs_bounds, .init = hostfs_setup, .fini = hostfs_teardown, .timeout = 240);

/* ---- large ---- */

enum { ENTRIES = 100000 };
static uint8_t times[ENTRIES];

static void tick_off(const styx_stat *st, void *arg) {
  char name[16];
  (void)arg;
  snprintf(name, sizeof name, "%.*s", (int)st->name.len, st->name.s);
  unsigned long i = strtoul(name, NULL, 10);
  cr_assert_lt(i, ENTRIES);
  times[i]++;
}

Test(hostfs_bounds, a_directory_of_100000_entries_is_listed_and_walked) {
  host_mkdir("many");
  int dir = open(host("many"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < ENTRIES; i++) {
    char name[16];
    snprintf(name, sizeof name, "%d", i);
    cr_assert_eq(mknodat(dir, name, S_IFREG | 0644, 0), 0);
  }
  close(dir);
  for (uint32_t count = 3000; count <= 65000; count += 62000) {
    memset(times, 0, sizeof times);
    ok(reach(F, "many", STYX_OREAD));
    cr_assert_eq(list(F, count, tick_off, NULL), ENTRIES);
    for (int i = 0; i < ENTRIES; i++)
      cr_assert_eq(times[i], 1, "entry %d came %d times", i, times[i]);
    ok(p9_clunk(p, F));
  }
  ok(p9_walk(p, ROOT, F, "many/99999"));
  ok(p9_remove(p, F));
  refuses(p9_walk(p, ROOT, F, "many/99999"), ENOENT);
}

Test(hostfs_bounds, lengths_have_64_bits) {
  const uint64_t past = (UINT64_C(1) << 32) + 5;
  char buf[8];
  uint32_t got = 0;
  ok(make(F, "sparse", 0644, STYX_ORDWR));
  styx_stat st = styx_stat_untouched();
  st.length = UINT64_C(6) << 30;
  ok(p9_wstat(p, F, &st));
  cr_assert_eq(stat_of(F).length, UINT64_C(6) << 30);
  writes(F, past - 1, "ab");
  st.length = past;
  ok(p9_wstat(p, F, &st));
  cr_assert_eq(stat_of(F).length, past);
  ok(p9_read(p, F, past - 2, buf, sizeof buf, &got));
  cr_assert_eq(got, 2);
  cr_assert_arr_eq(buf, "\0a", 2);
  ok(reach(G, "sparse", STYX_OREAD));
  cr_assert_eq(stat_of(G).length, past);
}

/* ---- names ---- */

static void keep_name(const styx_stat *st, void *arg) { snprintf(arg, 1100, "%.*s", (int)st->name.len, st->name.s); }

/* 255 bytes that are no UTF-8 are 1020 bytes of it. A client that takes them is a matter of the session's limit. */
Test(hostfs_bounds, the_longest_name_that_is_not_utf8_is_listed_and_walked) {
  char name[256], listed[1100] = "";
  memset(name, 0xe9, 255);
  name[255] = '\0';
  host_mkdir("odd");
  char path[300];
  snprintf(path, sizeof path, "odd/%s", name);
  host_write(path, "x");
  p9_free(p);
  static styx_export export;
  styx_limits limits = styx_limits_default();
  limits.name = 1020;
  export = (styx_export){.fs = styx_hostfs_fs(hostfs)};
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .limits = &limits};
  p = p9_new_session(&config, 65536);
  ok(p9_attach(p, ROOT, "glenda", ""));
  ok(reach(F, "odd", STYX_OREAD));
  cr_assert_eq(list(F, 8192, keep_name, listed), 1);
  cr_assert_eq(strlen(listed), 1020);
  ok(p9_walk(p, ROOT, G, "odd"));
  ok(p9_walk(p, G, H, listed));
  ok(p9_open(p, H, STYX_OREAD));
  reads(H, "x");
  ok(p9_clunk(p, H));
  ok(p9_walk(p, G, H, listed));
  ok(p9_remove(p, H));
  cr_assert(!host_has(path));
}

/* ---- what is not a file ---- */

static void is_refused(const char *name) {
  for (uint8_t mode = 0; mode < 4; mode++) {
    ok(p9_walk(p, ROOT, F, name));
    styx_msg t = {.type = STYX_Topen, .tag = 1, .fid = F, .mode = mode}, r;
    p9_rpc(p, &t, &r);
    cr_assert_eq(r.type, STYX_Rerror);
    cr_assert(styx_str_is(r.ename, "FIFOs and devices are not opened in this export"), "%.*s", (int)r.ename.len,
              r.ename.s);
    stat_of(F);
    ok(p9_clunk(p, F));
  }
}

Test(hostfs_bounds, fifos_sockets_and_devices_are_not_opened_unless_that_is_allowed) {
  hostfs_stop();
  ok(hostfs_serve((styx_hostfs_config){0}));
  ok(p9_attach(p, ROOT, "glenda", ""));
  cr_assert_eq(mkfifo(host("fifo"), 0666), 0);
  is_refused("fifo");
  struct sockaddr_un sun = {.sun_family = AF_UNIX};
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (strlen(host("socket")) < sizeof sun.sun_path) {
    strcpy(sun.sun_path, host("socket"));
    cr_assert_eq(bind(s, (const struct sockaddr *)&sun, sizeof sun), 0);
    is_refused("socket");
  }
  close(s);
  if (mknod(host("null"), S_IFCHR | 0666, 0x103) == 0)
    is_refused("null");
  ok(p9_walk(p, ROOT, F, "fifo")); /* all else may be done to it */
  ok(wstat_name(F, "pipe"));
  ok(p9_remove(p, F));
  cr_assert(!host_has("pipe"));
}

Test(hostfs_bounds, what_is_allowed_may_be_opened) {
  if (mknod(host("null"), S_IFCHR | 0666, 0x103))
    skip("only root makes devices");
  styx_err err = reach(F, "null", STYX_ORDWR);
  if (err)
    skip("devices are not used on this filesystem");
  writes(F, 0, "gone");
  reads(F, "");
}

/* Somebody else's lease would hold a worker for as long as lease-break-time says. */
Test(hostfs_bounds, a_file_that_is_leased_is_refused_at_once) {
  host_write("f", "text");
  signal(SIGIO, SIG_IGN);
  int fd = open(host("f"), O_RDONLY | O_CLOEXEC);
  if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
    close(fd);
    skip("this filesystem, or user, has no leases");
  }
  ok(reach(G, "f", STYX_OREAD));
  refuses(reach(F, "f", STYX_OWRITE), EAGAIN);
  refuses(reach(F, "f", STYX_OWRITE | STYX_OTRUNC), EAGAIN);
  styx_stat st = styx_stat_untouched();
  st.length = 1;
  ok(p9_walk(p, ROOT, F, "f"));
  refuses(p9_wstat(p, F, &st), EAGAIN);
  cr_assert(host_holds("f", "text"));
  fcntl(fd, F_SETLEASE, F_UNLCK);
  close(fd);
  ok(p9_wstat(p, F, &st));
}

/* ---- reads and writes of any size (contract 7: 64, 65, 81) ---- */

Test(hostfs_bounds, a_write_that_fits_in_part_says_how_much) {
  const struct rlimit limit = {100, 100};
  char data[60];
  uint32_t got = 0;
  memset(data, 'x', sizeof data);
  signal(SIGXFSZ, SIG_IGN);
  ok(make(F, "f", 0644, STYX_ORDWR));
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  ok(p9_write(p, F, 80, data, sizeof data, &got));
  cr_assert_eq(got, 20);
  refuses(p9_write(p, F, 100, data, sizeof data, &got), EFBIG);
  cr_assert_eq(stat_of(F).length, 100);
}

Test(hostfs_bounds, a_read_of_a_stream_gives_what_there_is) {
  cr_assert_eq(mkfifo(host("fifo"), 0666), 0);
  int fd = open(host("fifo"), O_RDWR | O_CLOEXEC);
  ok(reach(F, "fifo", STYX_OREAD));
  cr_assert_eq(write(fd, "ab", 2), 2);
  reads(F, "ab");
  cr_assert_eq(write(fd, "c", 1), 1);
  reads(F, "c");
  close(fd);
}

Test(hostfs_bounds, iounit_is_a_hint_and_every_size_is_served) {
  static char data[65536], back[65536];
  for (size_t i = 0; i < sizeof data; i++)
    data[i] = (char)(i * 7 + i / 256);
  styx_msg t = {.type = STYX_Tcreate, .tag = 1, .fid = F, .name = STYX_STR("f"), .perm = 0644, .mode = STYX_ORDWR}, r;
  ok(p9_walk(p, ROOT, F, ""));
  p9_rpc(p, &t, &r);
  cr_assert_eq(r.type, STYX_Rcreate);
  const uint32_t most = 65536 - STYX_IOHDRSZ, iounit = r.iounit ? r.iounit : most;
  cr_assert_leq(iounit, most);
  const uint32_t sizes[] = {1, iounit - 1, iounit, iounit + 1 < most ? iounit + 1 : most, most, 4095, 4097};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint32_t got = 0;
    ok(p9_write(p, F, i, data, sizes[i], &got));
    cr_assert_eq(got, sizes[i]);
    ok(p9_read(p, F, i, back, sizes[i], &got));
    cr_assert_eq(got, sizes[i]);
    cr_assert_arr_eq(back, data, got);
  }
}
