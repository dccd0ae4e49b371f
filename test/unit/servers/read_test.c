/* read_test.c: directories through a navigator, and reads of what is in memory. */
#include "kit_fixture.h"

/* ---- directories ---- */

enum { MANY = 100 };
static struct file many[MANY + 1];
static char names[MANY][24];

static void make_many(void) {
  many[0] = (struct file){ROOT, ROOT, "/", STYX_DMDIR | 0777, "glenda", "sys"};
  for (size_t i = 0; i < MANY; i++) {
    snprintf(names[i], sizeof names[i], "%0*zu", (int)(1 + i % 20), i);
    many[i + 1] = (struct file){100 + i, ROOT, names[i], 0644, "glenda", "sys"};
  }
}

/* A client with the directory open as fid 1. */
static struct p9 *listing(void) {
  make_many();
  world_init();
  w.files = many;
  w.nfiles = MANY + 1;
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, ""));
  WORKS(p9_open(p, 1, STYX_OREAD));
  return p;
}

/* Whole records; how many. */
static size_t records(const uint8_t *data, size_t len, uint64_t *paths, size_t n) {
  size_t count = 0;
  for (size_t at = 0; at < len;) {
    styx_stat st;
    ptrdiff_t used = styx_stat_decode(&st, data + at, len - at, STYX_9P2000);
    cr_assert_gt(used, 0, "a part of an entry");
    if (count < n)
      paths[count] = st.qid.path;
    count++;
    at += (size_t)used;
  }
  return count;
}

enum { SMALLEST = 49 + 1 + 15, LARGEST = 49 + 20 + 15 }; /* entries: names of 1 to 20 bytes, and those of users */

/* From the start to where a read gives nothing; how many entries. */
static size_t read_all(struct p9 *p, uint32_t count, uint64_t *paths) {
  static uint8_t buf[8192];
  uint64_t offset = 0;
  size_t n = 0;
  for (uint32_t got = 1; got; offset += got) {
    WORKS(p9_read(p, 1, offset, buf, count, &got));
    cr_assert_leq(got, count);
    n += records(buf, got, paths + n, MANY + 1 - n);
  }
  return n;
}

Test(listing, at_every_count_gives_whole_entries_and_each_once) {
  struct p9 *p = listing();
  uint64_t paths[MANY + 1];
  uint8_t buf[128];
  uint32_t got;
  for (uint32_t count = 0; count < 8168; count += count < 200 ? 1 : 37) {
    if (count > 0 && count < SMALLEST) {
      FAILS(p9_read(p, 1, 0, buf, count, &got), STYX_ESMALLBUF);
      continue;
    }
    size_t n = read_all(p, count, paths);
    cr_assert(count < LARGEST || n == MANY, "count %u: %zu entries", count, n);
    for (size_t i = 0; i < n; i++)
      cr_assert_eq(paths[i], 100 + i);
  }
  world_end(p);
}

Test(listing, an_entry_that_is_larger_than_count_is_an_error_and_not_the_end) {
  struct p9 *p = listing();
  uint8_t buf[65];
  uint32_t got = 99;
  FAILS(p9_read(p, 1, 0, buf, 40, &got), STYX_ESMALLBUF);
  WORKS(p9_read(p, 1, 0, buf, 65, &got));
  cr_assert_eq(records(buf, got, NULL, 0), 1);
  world_end(p);
}

Test(listing, an_entry_that_no_message_can_carry_is_an_error_also_behind_others) {
  static char long_name[400];
  memset(long_name, 'n', sizeof long_name - 1);
  struct file files[] = {hierarchy[0], hierarchy[1], {DIR_, ROOT, long_name, 0644, "glenda", "sys"}};
  world_init();
  w.files = files;
  w.nfiles = 3;
  struct p9 *p = client_sized(256);
  WORKS(p9_attach(p, 0, "glenda", ""));
  WORKS(p9_open(p, 0, STYX_OREAD));
  uint8_t buf[256];
  uint32_t got;
  WORKS(p9_read(p, 0, 0, buf, 232, &got));
  cr_assert_eq(records(buf, got, NULL, 0), 1);
  FAILS(p9_read(p, 0, got, buf, 232, &got), STYX_ESMALLBUF);
  world_end(p);
}

Test(listing, zero_starts_again_at_any_time_and_no_entry_comes_twice) {
  struct p9 *p = listing();
  uint8_t buf[400];
  uint64_t first[8], again[8];
  uint32_t got, second;
  WORKS(p9_read(p, 1, 0, buf, 130, &got));
  size_t n = records(buf, got, first, 8);
  WORKS(p9_read(p, 1, got, buf, 130, &second));
  records(buf, second, again, 8);
  cr_assert_neq(first[n - 1], again[0], "the entry before the boundary comes again");
  WORKS(p9_read(p, 1, 0, buf, 130, &got));
  records(buf, got, again, 8);
  cr_assert_eq(first[0], again[0]);
  cr_assert_eq(first[n - 1], again[n - 1]);
  world_end(p);
}

Test(listing, any_other_offset_is_refused_and_moves_nothing) {
  struct p9 *p = listing();
  uint8_t buf[400];
  uint32_t got, none;
  WORKS(p9_read(p, 1, 0, buf, 130, &got));
  FAILS(p9_read(p, 1, 1, buf, 130, &none), STYX_EOFFSET);
  FAILS(p9_read(p, 1, got / 2, buf, 130, &none), STYX_EOFFSET);
  FAILS(p9_read(p, 1, got + 1, buf, 130, &none), STYX_EOFFSET);
  FAILS(p9_read(p, 1, 1ull << 32, buf, 130, &none), STYX_EOFFSET);
  FAILS(p9_read(p, 1, 1ull << 32, buf, 0, &none), STYX_EOFFSET);
  WORKS(p9_read(p, 1, got, buf, 130, &none));
  cr_assert_gt(none, 0);
  world_end(p);
}

Test(listing, a_read_of_nothing_gives_nothing_and_moves_nothing) {
  struct p9 *p = listing();
  uint8_t buf[400];
  uint32_t got, none;
  WORKS(p9_read(p, 1, 0, buf, 130, &got));
  WORKS(p9_read(p, 1, got, buf, 0, &none));
  cr_assert_eq(none, 0);
  WORKS(p9_read(p, 1, got, buf, 130, &none));
  cr_assert_gt(none, 0);
  world_end(p);
}

Test(listing, what_is_made_and_removed_meanwhile_disturbs_nobody_else) {
  struct p9 *p = listing();
  uint8_t buf[400];
  uint64_t paths[MANY + 1];
  uint32_t got;
  uint64_t offset = 0;
  size_t n = 0;
  for (size_t round = 0; round < 1000; round++, offset += got) {
    WORKS(p9_read(p, 1, offset, buf, 200, &got));
    if (!got)
      break;
    n += records(buf, got, paths + n, MANY + 1 - n);
    if (round < MANY / 2)
      many[MANY - round].parent = 99; /* out of the directory, from its end */
  }
  for (size_t i = 0; i < n; i++)
    cr_assert_eq(paths[i], 100 + i);
  cr_assert_geq(n, MANY / 2);
  world_end(p);
}

Test(listing, an_error_of_the_navigator_is_the_answer_and_not_the_end) {
  struct p9 *p = listing();
  uint8_t buf[400];
  uint32_t got;
  w.fail_list = EIO;
  FAILS(p9_read(p, 1, 0, buf, 400, &got), EIO);
  w.fail_list = 0;
  WORKS(p9_read(p, 1, 0, buf, 400, &got));
  world_end(p);
}

Test(listing, reads_that_come_together_are_answered_one_after_the_other) {
  struct p9 *p = listing();
  styx_msg t = t_io(STYX_Tread, 1, 0, 130), r;
  w.later = true;
  t.tag = 1;
  p9_submit(p, &t);
  t.tag = 2;
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert_eq(w.nasked, 1, "the second waits");
  answer_one();
  p9_pump(p);
  cr_assert_eq(w.nasked, 1);
  answer_one();
  p9_pump(p);
  cr_assert(p9_take(p, &r) && r.tag == 1 && r.count > 0);
  uint32_t first = r.count;
  cr_assert(p9_take(p, &r) && r.tag == 2 && r.count == first);
  w.later = false;
  world_end(p);
}

/* ---- readbytes, readstr ---- */

static size_t text_len;

static styx_answer read_text(styx_req *req, const styx_msg *t) {
  const styx_fid *f;
  if (t->type == STYX_Tread && styx_can_read(req, &f) == STYX_OK && !(f->qid.type & STYX_QTDIR))
    return text_len ? styx_readbytes(req, w.text, text_len) : styx_readstr(req, w.text);
  return styx_default(req);
}

static struct p9 *reading(void) {
  world_init();
  w.ops.request = read_text;
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_open(p, 1, STYX_OREAD));
  return p;
}

Test(readbytes, every_offset_and_count_gives_the_part_that_is_there) {
  struct p9 *p = reading();
  char buf[16];
  uint32_t got;
  for (uint64_t offset = 0; offset < 8; offset++)
    for (uint32_t count = 0; count < 8; count++) {
      WORKS(p9_read(p, 1, offset, buf, count, &got));
      uint64_t rest = offset < 5 ? 5 - offset : 0;
      cr_assert_eq(got, rest < count ? rest : count);
      cr_assert_eq(memcmp(buf, &"hello"[offset < 5 ? offset : 5], got), 0);
    }
  world_end(p);
}

Test(readbytes, the_largest_offsets_and_counts_and_empty_data_are_harmless) {
  struct p9 *p = reading();
  char buf[8192];
  uint32_t got;
  WORKS(p9_read(p, 1, INT64_MAX - 8168, buf, 8168, &got));
  cr_assert_eq(got, 0);
  WORKS(p9_read(p, 1, 4, buf, 8168, &got));
  cr_assert_eq(got, 1);
  w.text = "";
  WORKS(p9_read(p, 1, 0, buf, 8168, &got));
  cr_assert_eq(got, 0);
  w.text = "h\303\251";
  WORKS(p9_read(p, 1, 0, buf, 2, &got));
  cr_assert_eq(got, 2, "a character may be cut");
  world_end(p);
}

Test(readbytes, a_handler_that_does_not_check_is_safe_with_any_count) {
  static char big[20000];
  struct p9 *p = reading();
  w.text = big;
  text_len = sizeof big;
  styx_msg r = rpc(p, t_io(STYX_Tread, 1, 0, 8168));
  cr_assert_eq(r.count, 8168);
  world_end(p);
}

/* ---- iounit ---- */

static uint32_t iounit_of(struct p9 *p) {
  WORKS(p9_attach(p, 0, "glenda", ""));
  WORKS(p9_walk(p, 0, 1, "a"));
  styx_msg r = rpc(p, t_open(1, STYX_OREAD));
  cr_assert_eq(r.type, STYX_Ropen);
  return r.iounit;
}

Test(iounit, is_msize_less_24_for_every_msize) {
  for (uint32_t msize = 256; msize <= 1048576; msize *= 2) {
    struct p9 *p = client_sized(msize);
    cr_assert_eq(iounit_of(p), msize - 24);
    client_end(p);
  }
}

Test(iounit, of_the_program_counts_if_it_is_less) {
  world_init();
  w.iounit = 1000;
  struct p9 *p = client_sized(8192);
  cr_assert_eq(iounit_of(p), 1000);
  client_end(p);
  p = client_sized(512);
  cr_assert_eq(iounit_of(p), 488);
  world_end(p);
}
