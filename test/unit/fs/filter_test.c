/* filter_test.c: specifications of filters, good and bad, and each filter in front of files in memory. */
#include "support/pipe9.h"

#include <styx/filter.h>
#include <styx/memfs.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { ROOT = 0, F = 1, G = 2, MOST = 4, LINES = 64 };

static struct p9_heap heap;
static styx_memfs *memfs;
static styx_filter *filters[MOST];
static int nfilters;
static struct p9 *plain, *p; /* without filters, with them */
static char lines[LINES][128];
static int nlines;
static sem_t begun;

static void keep_line(void *arg, const char *op, styx_str path, styx_str user) {
  (void)arg;
  snprintf(lines[nlines++ % LINES], sizeof lines[0], "%s %.*s %.*s", op, (int)path.len, path.s, (int)user.len, user.s);
  sem_post(&begun);
}

#define FAILS(call, error)                                                                                             \
  do {                                                                                                                 \
    styx_err got_ = (call);                                                                                            \
    cr_assert_eq(got_, (error), "%s: %s", #call, styx_err_text(got_));                                                 \
  } while (0)
#define OK(call) FAILS(call, STYX_OK)

static void setup(void) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  styx_memfs_config config = {.size = sizeof config, .user = "glenda", .allocator = &alloc};
  cr_assert_not_null(memfs = styx_memfs_new(&config));
  plain = p9_new_fs(styx_memfs_fs(memfs));
  OK(p9_attach(plain, ROOT, "glenda", ""));
  sem_init(&begun, 0, 0);
}

static void stop(void) {
  p9_free(p);
  p9_free(plain);
  while (nfilters > 0)
    styx_filter_free(filters[--nfilters]);
  styx_memfs_free(memfs);
  cr_assert_eq(heap.live, 0, "%zu bytes leaked", (size_t)heap.live);
}

TestSuite(filter, .init = setup, .fini = stop, .timeout = 120);

/* Put these in front of the files, outermost first, up to a NULL, and attach as ROOT. */
static styx_fs put_in_front(const char *const *specs) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  const styx_filter_config config = {.size = sizeof config, .allocator = &alloc, .log = keep_line};
  styx_fs fs = styx_memfs_fs(memfs);
  int n = 0;
  while (specs[n])
    n++;
  while (n-- > 0) {
    OK(styx_filter_new(&filters[nfilters], specs[n], fs, &config));
    fs = styx_filter_fs(filters[nfilters++]);
  }
  return fs;
}
#define BEHIND(...) behind((const char *const[]){__VA_ARGS__, NULL})
static void behind(const char *const *specs) {
  p = p9_new_fs(put_in_front(specs));
  OK(p9_attach(p, ROOT, "glenda", ""));
}

static void make_file(const char *name, const char *text) {
  uint32_t got = 0;
  OK(p9_walk(plain, ROOT, 99, ""));
  OK(p9_create(plain, 99, name, 0777, STYX_OWRITE));
  OK(p9_write(plain, 99, 0, text, (uint32_t)strlen(text), &got));
  OK(p9_clunk(plain, 99));
}

static void open_file(const char *path) {
  OK(p9_walk(p, ROOT, F, path));
  OK(p9_open(p, F, STYX_OREAD));
}

static styx_err read_text(const char *text) {
  char buf[64];
  uint32_t got = 0;
  styx_err err = p9_read(p, F, 0, buf, sizeof buf, &got);
  if (!err)
    cr_assert(got == strlen(text) && memcmp(buf, text, got) == 0, "%.*s", (int)got, buf);
  return err;
}

static void expect(uint8_t type, uint16_t tag) {
  styx_msg r;
  cr_assert(p9_take(p, &r), "no %s", styx_msg_name(type));
  cr_assert(r.type == type && r.tag == tag, "%s tag %u", styx_msg_name(r.type), r.tag);
}

static void expect_nothing(void) {
  styx_msg r;
  cr_assert_not(p9_take(p, &r), "%s", styx_msg_name(r.type));
}

static void submit_read(uint16_t tag) {
  p9_submit(p, &(styx_msg){.type = STYX_Tread, .tag = tag, .fid = F, .count = 64});
}

static void submit_flush(uint16_t tag, uint16_t oldtag) {
  p9_submit(p, &(styx_msg){.type = STYX_Tflush, .tag = tag, .oldtag = oldtag});
}

/* ---- specifications ---- */

Test(filter, a_bad_specification_is_refused_in_words_that_help) {
  static const char *const bad[][2] = {
      {"", "there is no filter \"\"; there are delay, error, log, readonly"},
      {"frob:op=read", "there is no filter \"frob\"; there are delay, error, log, readonly"},
      {"Delay:for=ever", "there is no filter \"Delay\""},
      {"delay", "delay needs ms=N, in milliseconds, or for=ever"},
      {"delay:op=read", "delay needs ms=N"},
      {"delay:ms=1,for=ever", "delay has both ms= and for=ever"},
      {"delay:ms=0", "ms=0 is no number of milliseconds from 1 on"},
      {"delay:ms=-1", "ms=-1 is no number of milliseconds"},
      {"delay:ms=1s", "ms=1s is no number of milliseconds"},
      {"delay:ms=99999999999999999999", "is no number of milliseconds"},
      {"delay:ms=", "ms= is no number of milliseconds"},
      {"delay:for=1", "for=1 is not \"ever\""},
      {"delay:for=ever,how=sit", "how=sit is not park, block or hog"},
      {"delay:op=remove,for=ever", "op=remove names no operation that can be cancelled: attach, walk"},
      {"delay:op=clunk,for=ever", "op=clunk names no operation that can be cancelled"},
      {"delay:for=ever,colour=red", "delay has no key \"colour\"; it has op, path, ms, for, how"},
      {"delay:for=ever,", "delay has no key \"\""},
      {"delay:", "delay has no key \"\""},
      {"delay:for", "for has no value: write for=VALUE"},
      {"delay:ms=1,ms=2", "ms= is there twice"},
      {"error", "error needs errno="},
      {"error:rate=1", "error needs errno="},
      {"error:errno=ENOPE", "errno=ENOPE is no error: write a name like ENOSPC, or a number from 1 to 4095"},
      {"error:errno=0", "errno=0 is no error"},
      {"error:errno=4096", "errno=4096 is no error"},
      {"error:errno=EIO,rate=2", "rate=2 is no share: write a number from 0 to 1, like 0.25"},
      {"error:errno=EIO,rate=1.000000001", "is no share"},
      {"error:errno=EIO,rate=0.", "rate=0. is no share"},
      {"error:errno=EIO,rate=.5", "rate=.5 is no share"},
      {"error:errno=EIO,rate=0.1234567890", "is no share"},
      {"error:errno=EIO,rate=0x1", "is no share"},
      {"error:errno=EIO,rate=", "rate= is no share"},
      {"error:errno=EIO,seed=x", "seed=x is no whole number"},
      {"error:errno=EIO,seed=18446744073709551616", "is no whole number"},
      {"error:errno=EIO,op=read+", "op=read+ names no operation: attach"},
      {"error:errno=EIO,op=close", "op=close names no operation"},
      {"error:errno=EIO,op=", "op= names no operation"},
      {"error:errno=EIO,path=block", "path=block is no path: it begins with /"},
      {"error:errno=EIO,path=", "path= is no path"},
      {"log:errno=EIO", "log has no key \"errno\"; it has op, path"},
      {"readonly:op=read", "readonly has no key \"op\"; it has none"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char why[STYX_FILTER_WHY] = "";
    styx_filter *f = NULL;
    FAILS(styx_filter_check(bad[i][0], why, sizeof why), STYX_EBADARG);
    cr_assert_not_null(strstr(why, bad[i][1]), "%s: %s", bad[i][0], why);
    FAILS(styx_filter_new(&f, bad[i][0], styx_memfs_fs(memfs), NULL), STYX_EBADARG);
    cr_assert_null(f);
  }
}

Test(filter, a_good_specification_makes_one) {
  static const char *const good[] = {
      "readonly",
      "log",
      "log:op=*",
      "log:op=read+write,path=/a",
      "delay:for=ever",
      "delay:ms=1",
      "delay:op=read,path=/block,how=block,ms=2147483647000",
      "error:errno=EIO",
      "error:errno=4095,rate=0",
      "error:errno=EBADFID,rate=0.123456789,seed=18446744073709551615,op=attach+remove+xattrcreate,path=/*",
      "error:errno=EIO,rate=1.0",
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    char why[STYX_FILTER_WHY] = "";
    styx_filter *f = NULL;
    OK(styx_filter_check(good[i], why, sizeof why));
    cr_assert_str_empty(why);
    OK(styx_filter_new(&f, good[i], styx_memfs_fs(memfs), NULL));
    styx_filter_free(f);
  }
}

Test(filter, what_is_wrong_is_cut_where_the_room_ends) {
  char why[16], spec[4096] = "";
  memset(spec, 'x', sizeof spec - 1);
  for (size_t cap = 0; cap <= sizeof why; cap++) {
    memset(why, '?', sizeof why);
    FAILS(styx_filter_check(spec, why, cap), STYX_EBADARG);
    cr_assert(cap == 0 || strlen(why) == cap - 1);
    cr_assert(cap == sizeof why || why[cap] == '?');
  }
}

Test(filter, without_memory_there_is_none) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  const styx_filter_config config = {.size = sizeof config, .allocator = &alloc};
  styx_filter *f = NULL;
  heap.fail_at = heap.calls + 1;
  FAILS(styx_filter_new(&f, "readonly", styx_memfs_fs(memfs), &config), ENOMEM);
  cr_assert_null(f);
}

/* ---- readonly ---- */

Test(filter, readonly_refuses_whatever_would_change_something) {
  static const uint8_t modes[] = {STYX_OWRITE, STYX_ORDWR, STYX_OREAD | STYX_OTRUNC, STYX_OREAD | STYX_ORCLOSE,
                                  STYX_OEXEC | STYX_OTRUNC};
  make_file("f", "text");
  BEHIND("readonly");
  OK(p9_walk(p, ROOT, F, "f"));
  for (size_t i = 0; i < sizeof modes; i++)
    FAILS(p9_open(p, F, modes[i]), EROFS);
  styx_stat st = styx_stat_untouched();
  OK(p9_wstat(p, F, &st)); /* which only brings it to stable storage */
  st.length = 0;
  FAILS(p9_wstat(p, F, &st), EROFS);
  FAILS(p9_remove(p, F), EROFS);
  OK(p9_walk(p, ROOT, G, ""));
  FAILS(p9_create(p, G, "new", 0666, STYX_OREAD), EROFS);
  FAILS(p9_create(p, G, "new", 0777 | STYX_DMDIR, STYX_OREAD), EROFS);
}

Test(filter, readonly_lets_everything_be_read) {
  char buf[512];
  uint32_t got = 0;
  styx_stat st;
  make_file("f", "text");
  BEHIND("readonly");
  open_file("f");
  OK(read_text("text"));
  OK(p9_stat(p, F, &st));
  OK(p9_clunk(p, F));
  OK(p9_walk(p, ROOT, F, "f"));
  OK(p9_open(p, F, STYX_OEXEC));
  OK(p9_clunk(p, F));
  OK(p9_walk(p, ROOT, G, ""));
  OK(p9_open(p, G, STYX_OREAD));
  OK(p9_read(p, G, 0, buf, sizeof buf, &got));
  cr_assert_gt(got, 0);
}

/* ---- error ---- */

Test(filter, error_fails_the_operations_on_the_path_it_names_and_no_others) {
  uint32_t got = 0;
  make_file("a", "text");
  make_file("ab", "text");
  BEHIND("error:op=read+create,path=/a,errno=ENOSPC");
  open_file("a");
  FAILS(read_text("text"), ENOSPC);
  OK(p9_clunk(p, F));
  open_file("ab");
  OK(read_text("text"));
  OK(p9_remove(p, F));
  OK(p9_walk(p, ROOT, F, "a"));
  OK(p9_open(p, F, STYX_OWRITE));
  OK(p9_write(p, F, 0, "TEXT", 4, &got));
  OK(p9_remove(p, F));
  OK(p9_walk(p, ROOT, F, ""));
  FAILS(p9_create(p, F, "a", 0666, STYX_OREAD), ENOSPC);
  OK(p9_create(p, F, "b", 0666, STYX_OREAD));
}

Test(filter, error_takes_an_asterisk_for_what_is_beneath) {
  styx_stat st;
  OK(p9_walk(plain, ROOT, 99, ""));
  OK(p9_create(plain, 99, "d", 0777 | STYX_DMDIR, STYX_OREAD));
  OK(p9_clunk(plain, 99));
  make_file("dd", "text");
  BEHIND("error:op=getattr+create,path=/d/*,errno=EIO");
  OK(p9_stat(p, ROOT, &st));
  OK(p9_walk(p, ROOT, F, "dd"));
  OK(p9_stat(p, F, &st));
  OK(p9_walk(p, ROOT, G, "d"));
  OK(p9_stat(p, G, &st));
  FAILS(p9_create(p, G, "x", 0666, STYX_OREAD), EIO);
}

Test(filter, error_has_errors_by_number_and_those_of_the_protocol_too) {
  styx_stat st;
  BEHIND("error:op=getattr,errno=EINUSE", "error:op=setattr,errno=28");
  FAILS(p9_stat(p, ROOT, &st), STYX_EINUSE);
  st = styx_stat_untouched();
  st.mode = STYX_DMDIR | 0700;
  FAILS(p9_wstat(p, ROOT, &st), ENOSPC);
}

/* One bit for each of 64 calls that failed. */
static uint64_t pattern(const char *spec) {
  uint64_t failed = 0;
  styx_stat st;
  BEHIND(spec);
  for (int i = 0; i < 64; i++)
    failed = failed << 1 | (p9_stat(p, ROOT, &st) != STYX_OK);
  p9_free(p);
  p = NULL;
  return failed;
}

Test(filter, error_fails_a_share_that_the_seed_decides) {
  uint64_t one = pattern("error:op=getattr,errno=EIO,rate=0.5,seed=7");
  cr_assert_eq(one, pattern("error:op=getattr,errno=EIO,rate=0.5,seed=7"));
  cr_assert_neq(one, pattern("error:op=getattr,errno=EIO,rate=0.5,seed=8"));
  int failed = __builtin_popcountll(one);
  cr_assert(failed > 16 && failed < 48, "%d of 64", failed);
  while (nfilters > 0)
    styx_filter_free(filters[--nfilters]);
  cr_assert_eq(pattern("error:op=getattr,errno=EIO,rate=0"), 0);
  cr_assert_eq(pattern("error:op=getattr,errno=EIO,rate=1.0"), UINT64_MAX);
  cr_assert_eq(pattern("error:op=getattr,errno=EIO"), UINT64_MAX);
}

/* ---- log, and stacks ---- */

Test(filter, log_tells_each_operation_with_path_and_user) {
  make_file("f", "text");
  BEHIND("log");
  open_file("f");
  OK(read_text("text"));
  OK(p9_remove(p, F));
  static const char *const want[] = {"attach / glenda", "walk /f glenda", "open /f glenda", "read /f glenda",
                                     "remove /f glenda"};
  cr_assert_eq(nlines, 5);
  for (int i = 0; i < 5; i++)
    cr_assert_str_eq(lines[i], want[i]);
}

Test(filter, a_filter_is_asked_before_the_one_behind_it) {
  styx_stat st;
  BEHIND("log:op=getattr", "error:op=getattr,errno=EIO", "log:op=getattr", "readonly");
  FAILS(p9_stat(p, ROOT, &st), EIO);
  cr_assert_eq(nlines, 1);
}

/* Every file is found, made and given up through a stack as without it; stop() counts. */
Test(filter, a_stack_neither_keeps_nor_loses_a_file) {
  uint64_t files = 0;
  BEHIND("log", "delay:ms=1,path=/nowhere", "error:errno=EIO,rate=0", "log:path=/*");
  OK(p9_walk(p, ROOT, F, ""));
  OK(p9_create(p, F, "d", 0777 | STYX_DMDIR, STYX_OREAD));
  OK(p9_clunk(p, F));
  OK(p9_walk(p, ROOT, F, "d"));
  OK(p9_walk(p, F, G, ""));
  OK(p9_create(p, G, "x", 0666, STYX_ORDWR | STYX_ORCLOSE));
  FAILS(p9_walk(p, F, 5, "y"), ENOENT);
  styx_stat st = styx_stat_untouched();
  st.name = styx_str_of("e");
  OK(p9_wstat(p, F, &st));
  OK(p9_walk(p, F, F, ".."));
  OK(p9_walk(p, F, F, "e/x"));
  OK(p9_clunk(p, F));
  OK(p9_clunk(p, G));
  styx_memfs_usage(memfs, &files, NULL);
  cr_assert_eq(files, 2);
}

/* ---- traits ---- */

static styx_fs_ops table_behind(const char *spec) { return *put_in_front((const char *const[]){spec, NULL}).ops; }

Test(filter, the_promises_of_the_filesystem_behind_are_kept_but_for_what_blocks) {
  const styx_fs_ops *mem = styx_memfs_fs(memfs).ops;
  const uint32_t both = STYX_OP(read) | STYX_OP(walk);
  styx_fs_ops park = table_behind("delay:op=read+walk,for=ever");
  styx_fs_ops block = table_behind("delay:op=read+walk,for=ever,how=block");
  styx_fs_ops hog = table_behind("delay:op=read+walk,for=ever,how=hog");
  cr_assert(park.nowait == mem->nowait && park.blocking == 0);
  cr_assert(block.nowait == (mem->nowait & ~both) && block.blocking == both);
  cr_assert(hog.nowait == (mem->nowait & ~both) && hog.blocking == 0);
}

Test(filter, the_serial_key_of_the_filesystem_behind_is_that_of_the_filter) {
  styx_fs_ops ops = *styx_memfs_fs(memfs).ops;
  ops.serial = STYX_SERIAL_NODE;
  styx_filter *f = NULL;
  OK(styx_filter_new(&f, "readonly", (styx_fs){&ops, memfs}, NULL));
  cr_assert_eq(styx_filter_fs(f).ops->serial, STYX_SERIAL_NODE);
  styx_filter_free(f);
}

/* ---- delay, parked ---- */

Test(filter, a_read_that_is_parked_for_ever_ends_with_its_flush_and_nothing_else_waits) {
  make_file("f", "text");
  make_file("g", "text");
  BEHIND("delay:op=read,path=/f,for=ever");
  cr_assert_eq(styx_filter_fd(filters[0]), -1);
  styx_filter_tick(filters[0]); /* nothing to do */
  open_file("f");
  submit_read(500);
  p9_pump(p);
  expect_nothing();
  OK(p9_walk(p, ROOT, G, "g"));
  submit_flush(501, 500);
  p9_pump(p);
  expect(STYX_Rflush, 501);
  expect_nothing();
}

Test(filter, a_hangup_ends_what_is_parked) {
  make_file("f", "text");
  BEHIND("delay:op=read,for=ever", "delay:op=open,ms=1000000");
  OK(p9_walk(p, ROOT, F, "f"));
  p9_submit(p, &(styx_msg){.type = STYX_Topen, .tag = 500, .fid = F, .mode = STYX_OREAD});
  p9_pump(p);
  expect_nothing();
  p9_free(p); /* it sees the session to its end */
  p = NULL;
}

/* The outermost filter; filters has them from the files on. */
static styx_filter *outer(void) { return filters[nfilters - 1]; }

static void until_due(void) {
  struct pollfd fd = {.fd = styx_filter_fd(outer()), .events = POLLIN};
  cr_assert_geq(fd.fd, 0);
  while (poll(&fd, 1, -1) != 1)
    ;
}

static void go_on(void) {
  until_due();
  styx_filter_tick(outer());
  p9_pump(p);
}

Test(filter, what_is_parked_goes_on_when_its_time_has_come) {
  make_file("f", "text");
  BEHIND("delay:op=read,ms=1");
  open_file("f");
  for (uint16_t round = 0; round < 3; round++) {
    submit_read((uint16_t)(500 + round));
    p9_pump(p);
    go_on();
    expect(STYX_Rread, (uint16_t)(500 + round));
  }
}

Test(filter, several_that_are_parked_go_on_in_their_order) {
  make_file("f", "text");
  BEHIND("delay:op=read,ms=1");
  open_file("f");
  styx_msg r;
  uint16_t next = 500;
  for (uint16_t tag = 500; tag < 600; tag++)
    submit_read(tag);
  p9_pump(p);
  while (next < 600) {
    go_on();
    while (p9_take(p, &r))
      cr_assert(r.type == STYX_Rread && r.tag == next++);
  }
}

Test(filter, a_tick_before_the_time_lets_nothing_go_on) {
  make_file("f", "text");
  BEHIND("delay:op=read,ms=10000000");
  open_file("f");
  submit_read(500);
  p9_pump(p);
  styx_filter_tick(filters[0]);
  p9_pump(p);
  expect_nothing();
}

Test(filter, who_is_flushed_while_parked_is_not_missed_by_the_others) {
  make_file("f", "text");
  BEHIND("delay:op=read,ms=1");
  open_file("f");
  for (uint16_t tag = 500; tag < 503; tag++)
    submit_read(tag);
  p9_pump(p);
  submit_flush(510, 501);
  p9_pump(p);
  submit_flush(511, 500);
  p9_pump(p);
  expect(STYX_Rflush, 510);
  expect(STYX_Rflush, 511);
  go_on();
  expect(STYX_Rread, 502);
  expect_nothing();
  submit_read(503);
  p9_pump(p);
  go_on();
  expect(STYX_Rread, 503);
}

/* The flush is there, its callback has not yet run: the tick may take the request all the same. */
Test(filter, a_flush_that_comes_with_the_tick_is_obeyed) {
  make_file("f", "text");
  BEHIND("delay:op=read,ms=1", "log:op=read");
  open_file("f");
  submit_read(500);
  p9_pump(p);
  until_due();
  submit_flush(501, 500);
  styx_filter_tick(outer());
  p9_pump(p);
  expect(STYX_Rflush, 501);
  expect_nothing();
  cr_assert_eq(nlines, 0, "nothing has happened");
}

static atomic_bool over;

static void *tick_on(void *arg) {
  (void)arg;
  while (!atomic_load(&over))
    styx_filter_tick(outer());
  return NULL;
}

/* Whoever comes first has it: each of them ends once, by its reply or by its flush. */
Test(filter, ticks_and_flushes_from_two_threads_end_each_request_once) {
  enum { ROUNDS = 300, READS = 8 };
  pthread_t ticker;
  styx_msg r;
  make_file("f", "text");
  BEHIND("delay:op=read,ms=1");
  open_file("f");
  cr_assert_eq(pthread_create(&ticker, NULL, tick_on, NULL), 0);
  for (int round = 0; round < ROUNDS; round++) {
    for (uint16_t i = 0; i < READS; i++)
      submit_read((uint16_t)(500 + i));
    p9_pump(p);
    for (uint16_t i = 0; i < READS; i += 2)
      submit_flush((uint16_t)(600 + i), (uint16_t)(500 + i));
    for (int flushed = 0, kept = 0; flushed < READS / 2 || kept < READS / 2; p9_pump(p))
      while (p9_take(p, &r)) {
        flushed += r.type == STYX_Rflush;
        kept += r.type == STYX_Rread && r.tag & 1;
        cr_assert(r.type == STYX_Rflush || r.type == STYX_Rread);
      }
  }
  atomic_store(&over, true);
  pthread_join(ticker, NULL);
  cr_assert_eq(styx_session_inspect(p9_session(p)).duplicate_answers, 0);
}

Test(filter, without_memory_to_park_it_says_so) {
  make_file("f", "text");
  BEHIND("delay:op=read,ms=10000000");
  open_file("f");
  heap.fail_at = heap.calls + 1;
  FAILS(read_text("text"), ENOMEM);
}

Test(filter, two_delays_wait_one_after_the_other) {
  make_file("f", "text");
  BEHIND("delay:op=read,ms=1", "delay:op=read,for=ever");
  open_file("f");
  submit_read(500);
  p9_pump(p);
  go_on();
  expect_nothing();
  submit_flush(501, 500);
  p9_pump(p);
  expect(STYX_Rflush, 501);
  expect_nothing();
}

/* ---- delay, on the thread ---- */

Test(filter, what_has_blocked_goes_on_on_the_same_thread) {
  make_file("f", "text");
  BEHIND("delay:op=read,ms=1,how=block", "delay:op=read,ms=1,how=hog");
  open_file("f");
  OK(read_text("text"));
}

static void *run_work(void *work) {
  styx_work_run(work);
  return NULL;
}

/* log, in front, says when the read has begun: from there on only cancelling can end it. */
static void blocked_read_is_flushed(const char *delay) {
  pthread_t thread;
  make_file("f", "text");
  BEHIND("log:op=read", delay);
  open_file("f");
  submit_read(500);
  styx_work *w = styx_session_next(p9_session(p));
  cr_assert_not_null(w);
  cr_assert_eq(pthread_create(&thread, NULL, run_work, w), 0);
  while (sem_wait(&begun))
    ;
  submit_flush(501, 500);
  p9_pump(p); /* the callback runs here, or where it is armed */
  pthread_join(thread, NULL);
  p9_pump(p);
  expect(STYX_Rflush, 501);
  expect_nothing();
}

Test(filter, a_read_that_blocks_for_ever_ends_with_its_flush) {
  blocked_read_is_flushed("delay:op=read,for=ever,how=block");
}

Test(filter, a_read_that_blocks_for_long_ends_with_its_flush) {
  blocked_read_is_flushed("delay:op=read,ms=100000000,how=block");
}

Test(filter, a_read_that_hogs_its_thread_ends_with_its_flush) {
  blocked_read_is_flushed("delay:op=read,for=ever,how=hog");
}
