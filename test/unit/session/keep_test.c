/* keep_test.c: what a session keeps to use again, and that it gives it back. */
#include <styx/session.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MSIZE = 1 << 20, PAGE = 4096, BATCH = 32 };
static const uint64_t second = 1000000000;

struct memory {
  size_t live, calls;
};

static void *count_alloc(void *arg, size_t size) {
  struct memory *m = arg;
  m->live += size;
  m->calls++;
  return malloc(size);
}

static void count_free(void *arg, void *ptr, size_t size) {
  ((struct memory *)arg)->live -= size;
  free(ptr);
}

/* ---- a filesystem that answers at once: the root, and below it one file ---- */

static uint8_t page[PAGE];
static uint8_t large[MSIZE - STYX_IOHDRSZ];
static bool written; /* all of large */
static int released;

static void release(void *arg) {
  (void)arg;
  released++;
}

static styx_answer op_attach(styx_req *r) { return styx_reply_node(r, NULL, (styx_qid){.type = STYX_QTDIR}); }
static styx_answer op_walk(styx_req *r, void *dir, styx_str name) {
  (void)dir, (void)name;
  return styx_reply_node(r, NULL, (styx_qid){.path = 1});
}
static styx_answer op_open(styx_req *r, void *node, uint32_t flags) {
  (void)node, (void)flags;
  return styx_reply_open(r, (styx_qid){.path = 1}, NULL);
}
static styx_answer op_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle;
  return offset ? styx_reply_ref(r, page, count, release, NULL) : styx_reply_data(r, page, count);
}
static styx_answer op_write(styx_req *r, void *node, void *handle, uint64_t offset, const void *data, uint32_t count) {
  (void)node, (void)handle, (void)offset;
  written = count == sizeof large && memcmp(data, large, count) == 0;
  return styx_reply_count(r, count);
}
static styx_answer op_getattr(styx_req *r, void *node, void *handle) {
  (void)node, (void)handle;
  return styx_reply_attr(r, &(styx_attr){.name = STYX_STR("file"), .uid = STYX_STR("glenda")});
}

static const styx_fs_ops ops = {.size = sizeof ops,
                                .name = "keep",
                                .attach = op_attach,
                                .walk = op_walk,
                                .open = op_open,
                                .read = op_read,
                                .write = op_write,
                                .getattr = op_getattr};
static const styx_export export = {.fs = {&ops, NULL}};

/* ---- a session with fid 0 at the root and fid 1 open on the file ---- */

static struct memory memory;

static void send(styx_session *s, styx_msg m, uint64_t now) {
  static uint8_t buf[MSIZE];
  ptrdiff_t n = styx_encode(buf, sizeof buf, &m, STYX_9P2000);
  cr_assert_gt(n, 0);
  styx_session_feed(s, buf, (size_t)n, now);
}

static void run(styx_session *s, uint64_t now) {
  do
    for (styx_work *w; (w = styx_session_next(s));)
      styx_work_run(w);
  while (styx_session_retire(s, now));
}

static void pump(styx_session *s, uint64_t now) {
  do {
    run(s, now);
    styx_session_sent(s, styx_session_pending_bytes(s), now);
  } while (styx_session_pending_bytes(s));
  run(s, now); /* what is released */
}

static void say(styx_session *s, styx_msg m, uint64_t now) {
  send(s, m, now);
  pump(s, now);
}

static styx_session *begin(void) {
  static const styx_allocator alloc = {count_alloc, count_free, &memory};
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .allocator = &alloc};
  styx_session *s;
  styx_msg walk = {.type = STYX_Twalk, .tag = 1, .newfid = 1, .nwname = 1};
  walk.wname[0] = (styx_str)STYX_STR("file");
  cr_assert_eq(styx_session_new(&s, &config, 0), STYX_OK);
  say(s, (styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = MSIZE, .version = STYX_STR("9P2000")}, 0);
  say(s, (styx_msg){.type = STYX_Tattach, .afid = STYX_NOFID}, 0);
  say(s, walk, 0);
  say(s, (styx_msg){.type = STYX_Topen, .tag = 2, .fid = 1, .mode = STYX_ORDWR}, 0);
  say(s, (styx_msg){.type = STYX_Tstat, .tag = 3}, 0); /* tables have what they need */
  return s;
}

static void end(styx_session *s) {
  styx_session_hangup(s);
  run(s, 0);
  cr_assert(styx_session_done(s));
  styx_session_free(s);
  cr_assert_eq(memory.live, 0, "%zu bytes left", memory.live);
}

static const styx_msg stat_file = {.type = STYX_Tstat};
static const styx_msg read_page = {.type = STYX_Tread, .fid = 1, .count = PAGE};
static const styx_msg read_lent = {.type = STYX_Tread, .fid = 1, .count = PAGE, .offset = PAGE};
static const styx_msg write_page = {.type = STYX_Twrite, .fid = 1, .count = PAGE, .data = page};

static void send_batch(styx_session *s, styx_msg m, uint64_t now) {
  for (m.tag = 0; m.tag < BATCH; m.tag++)
    send(s, m, now);
}

static void say_batches(styx_session *s, uint64_t now) {
  const styx_msg each[] = {stat_file, read_page, read_lent, write_page};
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    send_batch(s, each[i], now);
    pump(s, now);
  }
}

Test(keep, a_request_now_and_then_leaves_nothing_behind) {
  styx_session *s = begin();
  size_t before = memory.live;
  cr_assert_lt(before, 3072, "an attached session with an open file holds %zu bytes", before);
  const styx_msg each[] = {stat_file, read_page, read_lent, write_page};
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    say(s, each[i], (i + 1) * second);
    cr_assert_eq(memory.live, before, "message %zu", i);
  }
  cr_assert_eq(styx_session_deadline(s), UINT64_MAX);
  end(s);
}

Test(keep, what_one_request_after_another_needs_is_kept_for_the_next) {
  styx_session *s = begin();
  say(s, stat_file, 1);
  say(s, stat_file, 2);
  size_t calls = memory.calls;
  say(s, stat_file, 3);
  cr_assert_eq(memory.calls, calls);
  cr_assert_eq(styx_session_deadline(s), second);
  end(s);
}

Test(keep, what_several_requests_needed_is_given_back_at_the_next_whole_second) {
  styx_session *s = begin();
  size_t before = memory.live;
  for (uint64_t i = 3; i < 12; i += 3) {
    say_batches(s, i * second + 5);
    cr_assert_gt(memory.live, before);
    cr_assert_eq(styx_session_deadline(s), (i + 1) * second);
    styx_session_tick(s, (i + 1) * second - 1);
    cr_assert_gt(memory.live, before, "too early");
    cr_assert_not(styx_session_tick(s, (i + 1) * second), "nobody has to look at it");
    cr_assert_leq(memory.live, before);
    cr_assert_eq(styx_session_deadline(s), UINT64_MAX);
    say(s, stat_file, (i + 1) * second + 5);
    cr_assert_leq(memory.live, before, "a request after a while begins nothing");
    cr_assert_eq(styx_session_deadline(s), UINT64_MAX);
  }
  end(s);
}

Test(keep, a_busy_session_needs_no_memory_for_more_of_the_same) {
  styx_session *s = begin();
  say_batches(s, 1);
  size_t calls = memory.calls;
  say_batches(s, 1);
  cr_assert_eq(memory.calls, calls, "%zu allocations", memory.calls - calls);
  end(s);
}

Test(keep, what_is_pending_when_time_comes_stays_as_it_is) {
  styx_session *s = begin();
  send_batch(s, stat_file, 1);
  send_batch(s, stat_file, 1); /* duplicates, refused */
  run(s, 1);
  size_t len = styx_session_pending_bytes(s);
  styx_span spans[4];
  size_t n = styx_session_pending(s, spans, 4);
  uint8_t *copy = malloc(len), *at = copy;
  for (size_t i = 0; i < n; at += spans[i++].len)
    memcpy(at, spans[i].base, spans[i].len);
  cr_assert_eq(at - copy, (ptrdiff_t)len);
  styx_session_tick(s, 2 * second);
  cr_assert_eq(styx_session_pending(s, spans, 4), n);
  at = copy;
  for (size_t i = 0; i < n; at += spans[i++].len)
    cr_assert_arr_eq(at, spans[i].base, spans[i].len);
  free(copy);
  end(s);
}

Test(keep, small_replies_are_few_spans) {
  styx_session *s = begin();
  styx_span spans[BATCH];
  send_batch(s, stat_file, 1);
  run(s, 1);
  cr_assert_eq(styx_session_pending(s, spans, BATCH), 1);
  end(s);
}

Test(keep, a_reply_by_reference_costs_a_fraction_of_a_head) {
  styx_session *s = begin();
  size_t before = memory.live;
  styx_span spans[3 * BATCH];
  send_batch(s, read_lent, 1);
  run(s, 1);
  cr_assert_eq(styx_session_pending(s, spans, 3 * BATCH), 2 * BATCH);
  styx_session_tick(s, 2 * second); /* what requests needed is freed */
  cr_assert_lt(memory.live, before + BATCH * 512 + 8192, "%zu bytes for %d", memory.live - before, BATCH);
  pump(s, 2 * second);
  cr_assert_eq(released, BATCH);
  cr_assert_leq(memory.live, before + 8192);
  end(s);
}

/* ---- messages in portions ---- */

Test(keep, a_long_message_in_portions_takes_memory_as_its_bytes_come_and_is_written_whole) {
  static uint8_t buf[MSIZE];
  static const size_t portions[] = {1, 5, 100, 4096, 100000, MSIZE};
  for (size_t i = 0; i < sizeof large; i++)
    large[i] = (uint8_t)(i * 7919 >> 5);
  const styx_msg m = {.type = STYX_Twrite, .fid = 1, .count = sizeof large, .data = large};
  cr_assert_eq(styx_encode(buf, sizeof buf, &m, STYX_9P2000), MSIZE - 1);
  for (size_t i = 0; i < sizeof portions / sizeof *portions; i++) {
    styx_session *s = begin();
    size_t before = memory.live, calls = memory.calls;
    for (size_t at = 0, n; at < MSIZE - 1; at += n) {
      n = MSIZE - 1 - at < portions[i] ? MSIZE - 1 - at : portions[i];
      styx_session_feed(s, buf + at, n, 1);
      cr_assert_leq(memory.live, before + 8 * (at + n) + 8192, "%zu bytes have come", at + n);
    }
    cr_assert_leq(memory.live, before + MSIZE + 2048);
    cr_assert_leq(memory.calls - calls, 10, "%zu allocations", memory.calls - calls);
    written = false;
    pump(s, 1);
    cr_assert(written);
    end(s);
  }
}

/* Whatever is wrong with it, or wherever it is cut, a message in the stash is treated as one that came whole. */
Test(keep, messages_in_two_portions_are_answered_as_whole_ones) {
  static const uint8_t too_long[] = {13, 0, 0, 0, STYX_Tstat, 9, 0, 0, 0, 0, 0, 1, 2};
  styx_session *s = begin();
  send_batch(s, stat_file, 1);
  run(s, 1);
  size_t len = styx_session_pending_bytes(s), once = len / BATCH;
  uint8_t buf[BATCH * 11];
  size_t n = 0;
  for (uint16_t tag = 0; tag < BATCH; tag++)
    n += (size_t)styx_encode(buf + n, sizeof buf - n, &(styx_msg){.type = STYX_Tstat, .tag = tag}, STYX_9P2000);
  for (size_t cut = 0; cut <= n; cut++) {
    pump(s, 1);
    styx_session_feed(s, buf, cut, 1);
    styx_session_feed(s, buf + cut, n - cut, 1);
    run(s, 1);
    cr_assert_eq(styx_session_pending_bytes(s), BATCH * once, "cut at %zu", cut);
  }
  pump(s, 1);
  styx_session_feed(s, too_long, 6, 1);
  styx_session_feed(s, too_long + 6, sizeof too_long - 6, 1);
  cr_assert_null(styx_session_ended(s));
  cr_assert_gt(styx_session_pending_bytes(s), 0, "an error");
  pump(s, 1);
  end(s);
}
