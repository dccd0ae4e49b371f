/* failmalloc_test.c: one conversation with everything in it, run once for each of its allocations, which then fails: an error
 * reply or the end of this connection, and nothing that stays behind. */
#include <styx/memfs.h>
#include <styx/session.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct memory {
  size_t live, calls, fail_at, fail_for; /* calls fail_at .. fail_at + fail_for - 1 return NULL */
};

static void *flaky_alloc(void *arg, size_t size) {
  struct memory *m = arg;
  size_t n = m->calls++;
  if (n >= m->fail_at && n - m->fail_at < m->fail_for)
    return NULL;
  m->live += size;
  void *p = malloc(size);
  cr_assert(p);
  return p;
}

static void flaky_free(void *arg, void *ptr, size_t size) {
  ((struct memory *)arg)->live -= size;
  free(ptr);
}

enum { MSIZE = 8192, RX = 4 * MSIZE, MAX_T = 40 };

struct talk {
  styx_session *s;
  uint8_t rx[RX];
  size_t rx_len, sent, replies, errors;
  uint8_t replied[MAX_T]; /* by tag: the type of the reply */
};

static void take_replies(struct talk *t) {
  size_t at = 0;
  styx_msg m;
  for (ptrdiff_t n; (n = styx_decode(&m, t->rx + at, t->rx_len - at, MSIZE, STYX_9P2000)) != 0; at += (size_t)n) {
    cr_assert_gt(n, 0, "the session sent something undecodable");
    size_t tag = m.tag == STYX_NOTAG ? 0 : m.tag;
    cr_assert_lt(tag, MAX_T);
    cr_assert_eq(t->replied[tag], 0, "a second reply under tag %zu", tag);
    t->replied[tag] = m.type;
    t->replies++;
    t->errors += m.type == STYX_Rerror;
  }
  memmove(t->rx, t->rx + at, t->rx_len - at);
  t->rx_len -= at;
}

static bool receive(struct talk *t) {
  styx_span span;
  if (!styx_session_pending(t->s, &span, 1))
    return false;
  size_t n = span.len < RX - t->rx_len ? span.len : RX - t->rx_len;
  memcpy(t->rx + t->rx_len, span.base, n);
  t->rx_len += n;
  styx_session_sent(t->s, n, 1);
  take_replies(t);
  return true;
}

static void pump(struct talk *t) {
  bool did;
  do {
    did = false;
    for (styx_work *w; (w = styx_session_next(t->s)); did = true)
      styx_work_run(w);
    did |= styx_session_retire(t->s, 1);
    while (receive(t))
      did = true;
  } while (did);
}

static void say(struct talk *t, styx_msg m) {
  uint8_t buf[MSIZE];
  m.tag = m.type == STYX_Tversion ? STYX_NOTAG : (uint16_t)++t->sent;
  ptrdiff_t n = styx_encode(buf, sizeof buf, &m, STYX_9P2000);
  cr_assert_gt(n, 0);
  t->replied[m.tag == STYX_NOTAG ? 0 : m.tag] = 0;
  styx_session_feed(t->s, buf, 5, 1); /* in two portions, so that the first is kept */
  styx_session_feed(t->s, buf + 5, (size_t)n - 5, 1);
}

static styx_msg version(void) {
  return (styx_msg){.type = STYX_Tversion, .msize = MSIZE, .version = STYX_STR("9P2000")};
}

static styx_msg attach(void) { return (styx_msg){.type = STYX_Tattach, .afid = STYX_NOFID, .uname = STYX_STR("none")}; }

static styx_msg walk(uint32_t fid, uint32_t newfid, unsigned names, const char *first) {
  styx_msg m = {.type = STYX_Twalk, .fid = fid, .newfid = newfid, .nwname = (uint16_t)names};
  m.wname[0] = styx_str_of(first);
  m.wname[1] = styx_str_of("..");
  return m;
}

static styx_msg create(uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  return (styx_msg){.type = STYX_Tcreate, .fid = fid, .name = styx_str_of(name), .perm = perm, .mode = mode};
}

static styx_msg io(uint8_t type, uint32_t fid, uint32_t count) {
  static const uint8_t zeros[MSIZE];
  return (styx_msg){.type = type, .fid = fid, .count = count, .data = zeros};
}

static styx_msg flush(uint16_t oldtag) { return (styx_msg){.type = STYX_Tflush, .oldtag = oldtag}; }

static void say_all(struct talk *t) {
  say(t, version());
  pump(t);
  say(t, attach());
  say(t, walk(0, 1, 0, ""));
  say(t, create(1, "file", 0644, STYX_ORDWR)); /* parked behind the walk */
  pump(t);
  say(t, io(STYX_Twrite, 1, 5000));
  say(t, io(STYX_Tread, 1, 5000));
  say(t, io(STYX_Tstat, 1, 0));
  pump(t);
  say(t, walk(0, 2, 0, ""));
  say(t, create(2, "dir", STYX_DMDIR | 0755, STYX_OREAD));
  say(t, walk(0, 3, 2, "dir"));
  say(t, (styx_msg){.type = STYX_Topen, .fid = 3});
  say(t, io(STYX_Tread, 3, 1000));
  say(t, io(STYX_Tread, 3, 1000));
  pump(t);
  say(t, io(STYX_Tread, 1, 10));
  say(t, flush((uint16_t)t->sent)); /* of what is queued */
  say(t, io(STYX_Tclunk, 1, 0));
  say(t, flush((uint16_t)t->sent)); /* of what must run */
  say(t, flush((uint16_t)t->sent)); /* of a flush */
  pump(t);
  say(t, walk(0, 4, 1, "file"));
  styx_msg wstat = {.type = STYX_Twstat, .fid = 4, .stat = styx_stat_untouched()};
  wstat.stat.name = (styx_str)STYX_STR("other");
  say(t, wstat);
  say(t, io(STYX_Tremove, 4, 0));
  pump(t);
}

/* All that was said has been answered, or the session has ended. The flushed read may have got silence. */
static void check_replies(const struct talk *t, size_t nth) {
  if (styx_session_ended(t->s))
    return;
  size_t missing = 0;
  for (size_t tag = 0; tag <= t->sent; tag++)
    missing += t->replied[tag] == 0;
  cr_assert_leq(missing, 1, "with allocation %zu failing %zu requests were never answered", nth, missing);
  cr_assert_eq(styx_session_inspect(t->s).requests, 0);
}

/* When there is memory again, a session that has not ended serves on. */
static void check_recovery(struct talk *t, struct memory *m, size_t nth) {
  m->fail_for = 0;
  if (styx_session_ended(t->s))
    return;
  say(t, version());
  pump(t);
  cr_assert_eq(t->replied[0], STYX_Rversion, "after allocation %zu had failed Tversion got no answer", nth);
  say(t, attach());
  say(t, io(STYX_Tstat, 0, 0));
  pump(t);
  cr_assert_eq(t->replied[t->sent], STYX_Rstat, "after allocation %zu had failed nothing works any more", nth);
}

/* Returns how many replies were errors. */
static size_t converse(struct memory *m, size_t nth) {
  static struct talk t;
  const styx_allocator alloc = {flaky_alloc, flaky_free, m};
  const styx_memfs_config memfs_config = {.size = sizeof memfs_config, .allocator = &alloc};
  memset(&t, 0, sizeof t);
  styx_memfs *memfs = styx_memfs_new(&memfs_config);
  if (!memfs) {
    cr_assert_eq(m->live, 0, "styx_memfs_new failed and kept %zu bytes", m->live);
    return 1;
  }
  const styx_export export = {.name = "mem", .fs = styx_memfs_fs(memfs)};
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .allocator = &alloc};
  if (styx_session_new(&t.s, &config, 0) == STYX_OK) {
    say_all(&t);
    check_replies(&t, nth);
    check_recovery(&t, m, nth);
    styx_session_hangup(t.s);
    pump(&t);
    cr_assert(styx_session_done(t.s), "with allocation %zu failing the session is never done", nth);
    styx_session_free(t.s);
  } else {
    t.errors++;
  }
  styx_memfs_free(memfs);
  cr_assert_eq(m->live, 0, "with allocation %zu failing %zu bytes were left", nth, m->live);
  return t.errors;
}

static size_t allocations_of_a_good_run(void) {
  struct memory m = {0};
  cr_assert_eq(converse(&m, 0), 0, "the conversation has errors although no allocation fails");
  cr_assert_gt(m.calls, 40);
  return m.calls;
}

Test(failmalloc, any_one_allocation_may_fail) {
  size_t calls = allocations_of_a_good_run();
  for (size_t n = 0; n < calls; n++) {
    struct memory m = {.fail_at = n, .fail_for = 1};
    (void)converse(&m, n);
  }
}

Test(failmalloc, all_allocations_from_any_one_on_may_fail) {
  size_t calls = allocations_of_a_good_run();
  for (size_t n = 0; n < calls; n++) {
    struct memory m = {.fail_at = n, .fail_for = SIZE_MAX};
    (void)converse(&m, n);
  }
}

Test(failmalloc, a_failed_allocation_is_seen_by_the_client) {
  size_t calls = allocations_of_a_good_run(), seen = 0;
  for (size_t n = 0; n < calls; n++) {
    struct memory m = {.fail_at = n, .fail_for = 3};
    seen += converse(&m, n) > 0;
  }
  cr_assert_gt(seen, calls / 3, "only %zu of %zu failures were seen: the allocator is not used", seen, calls);
}
