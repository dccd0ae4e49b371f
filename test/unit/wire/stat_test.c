/* stat_test.c: stat records alone, as directory reads carry them. */
#include <styx/wire.h>

#include "guard.h"

static const char root_hex[] =
    "3500 0100 02000000 80 03000000 0400000000000000 ed010080 05000000 06000000 0700000000000000"
    "0100 '/' 0300 'bob' 0100 'g' 0100 'm'";
static const styx_stat root = {.type = 1,
                               .dev = 2,
                               .qid = {0x80, 3, 4},
                               .mode = 0x800001ed,
                               .atime = 5,
                               .mtime = 6,
                               .length = 7,
                               .name = STYX_STR("/"),
                               .uid = STYX_STR("bob"),
                               .gid = STYX_STR("g"),
                               .muid = STYX_STR("m")};

Test(stat, encode_writes_the_golden_bytes) {
  uint8_t want[64], got[64];
  size_t n = unhex(want, root_hex);
  cr_assert_eq(n, 55);
  cr_assert_eq(styx_stat_size(&root, STYX_9P2000), 55);
  cr_assert_eq(styx_stat_encode(got, sizeof got, &root, STYX_9P2000), 55);
  cr_assert(memcmp(got, want, n) == 0);
}

Test(stat, decode_reads_every_field) {
  uint8_t bytes[64];
  size_t n = unhex(bytes, root_hex);
  styx_stat s;
  cr_assert_eq(styx_stat_decode(&s, bytes, n, STYX_9P2000), 55);
  cr_assert_eq(s.type, 1);
  cr_assert_eq(s.dev, 2);
  cr_assert(s.qid.type == 0x80 && s.qid.vers == 3 && s.qid.path == 4);
  cr_assert_eq(s.mode, STYX_DMDIR | 0755);
  cr_assert_eq(s.atime, 5);
  cr_assert_eq(s.mtime, 6);
  cr_assert_eq(s.length, 7);
  cr_assert(styx_str_is(s.name, "/"));
  cr_assert(styx_str_is(s.uid, "bob"));
  cr_assert(styx_str_is(s.gid, "g"));
  cr_assert(styx_str_is(s.muid, "m"));
}

Test(stat, every_prefix_needs_more_and_reads_no_further) {
  uint8_t bytes[64], *room = guard_room();
  size_t n = unhex(bytes, root_hex);
  for (size_t cut = 0; cut < n; cut++) {
    styx_stat s;
    memcpy(room + GUARD_ROOM - cut, bytes, cut);
    cr_assert_eq(styx_stat_decode(&s, room + GUARD_ROOM - cut, cut, STYX_9P2000), 0);
  }
}

Test(stat, a_record_stops_at_its_own_end) {
  uint8_t bytes[128];
  size_t n = unhex(bytes, root_hex);
  memset(bytes + n, 0xFF, sizeof bytes - n);
  styx_stat s;
  cr_assert_eq(styx_stat_decode(&s, bytes, sizeof bytes, STYX_9P2000), 55);
}

Test(stat, damage_is_told_from_incompleteness_and_leaves_the_result_alone) {
  uint8_t bytes[128], *room = guard_room();
  size_t n = unhex(bytes, root_hex);
  for (size_t at = 0; at < n; at++)
    for (unsigned value = 0; value < 256; value++) {
      uint8_t *p = room + GUARD_ROOM - n;
      memcpy(p, bytes, n);
      p[at] = (uint8_t)value;
      styx_stat s = {.type = 0x7777};
      ptrdiff_t used = styx_stat_decode(&s, p, n, STYX_9P2000);
      cr_assert(used == 55 || used == 0 || used == -STYX_EBADSTAT || used == -STYX_ENUL || used == -STYX_EUTF8);
      cr_assert(used == 55 || s.type == 0x7777);
      cr_assert(used != 0 || at < 2, "only the size field can ask for more");
    }
}

Test(stat, sizes_that_can_never_be_a_record_are_refused_at_once) {
  styx_stat s;
  cr_assert_eq(styx_stat_decode(&s, "\x2e\0", 2, STYX_9P2000), -STYX_EBADSTAT);
  cr_assert_eq(styx_stat_decode(&s, "\0\0", 2, STYX_9P2000), -STYX_EBADSTAT);
  cr_assert_eq(styx_stat_decode(&s, "\xff\xff", 2, STYX_9P2000), -STYX_EBADSTAT);
  cr_assert_eq(styx_stat_decode(&s, "\x2f\0", 2, STYX_9P2000), 0);
  cr_assert_eq(styx_stat_decode(&s, "\xfd\xff", 2, STYX_9P2000), 0);
}

Test(stat, strings_have_to_fill_the_record) {
  uint8_t bytes[128];
  styx_stat s;
  size_t n = unhex(bytes, "3000 ff*39 00*9");
  cr_assert_eq(styx_stat_decode(&s, bytes, n, STYX_9P2000), -STYX_EBADSTAT);
  n = unhex(bytes, "2f00 ff*39 00*6 0100");
  cr_assert_eq(styx_stat_decode(&s, bytes, n, STYX_9P2000), -STYX_EBADSTAT);
}

Test(stat, the_largest_record_is_65535_bytes) {
  static char text[65536];
  static uint8_t bytes[65536];
  memset(text, 'x', sizeof text);
  styx_stat s = {.uid = {text, 65535 - 49}}, got;
  cr_assert_eq(styx_stat_size(&s, STYX_9P2000), 65535);
  cr_assert_eq(styx_stat_encode(bytes, 65534, &s, STYX_9P2000), -STYX_ENOFIT);
  cr_assert_eq(styx_stat_encode(bytes, 65535, &s, STYX_9P2000), 65535);
  cr_assert_eq(styx_stat_decode(&got, bytes, 65535, STYX_9P2000), 65535);
  cr_assert(styx_str_eq(got.uid, s.uid));
  s.name.len = 1;
  s.name.s = text;
  cr_assert_eq(styx_stat_size(&s, STYX_9P2000), -STYX_ENOFIT);
  s = (styx_stat){.name = {text, SIZE_MAX}, .muid = {text, 49}};
  cr_assert_eq(styx_stat_size(&s, STYX_9P2000), -STYX_ENOFIT);
}

Test(stat, untouched_is_all_ones_and_empty_strings) {
  uint8_t want[64], got[64];
  styx_stat s = styx_stat_untouched();
  size_t n = unhex(want, "2f00 ff*39 00*8");
  cr_assert_eq(styx_stat_encode(got, sizeof got, &s, STYX_9P2000), (ptrdiff_t)n);
  cr_assert(memcmp(got, want, n) == 0);
}

/* As in a directory of a server whose names are Latin-1. */
Test(stat, a_name_that_is_not_utf8_is_read_when_that_is_allowed_and_nothing_more) {
  uint8_t bytes[128];
  styx_stat s = {.type = 0x7777};
  size_t n = unhex(bytes, "3200 00*39 0300 'caf' 00*6");
  bytes[45] = 0xE9;
  cr_assert_eq(styx_stat_decode(&s, bytes, n, STYX_9P2000), -STYX_EUTF8);
  cr_assert_eq(styx_stat_decode_lenient(&s, bytes, n, STYX_9P2000, STYX_ALLOW_SLACK), -STYX_EUTF8);
  cr_assert_eq(s.type, 0x7777);
  cr_assert_eq(styx_stat_decode_lenient(&s, bytes, n, STYX_9P2000, STYX_ALLOW_BYTES), (ptrdiff_t)n);
  cr_assert(styx_str_is(s.name, "ca\xe9"));
  bytes[45] = 0;
  cr_assert_eq(styx_stat_decode_lenient(&s, bytes, n, STYX_9P2000, STYX_ALLOW_BYTES), -STYX_ENUL);
  n = unhex(bytes, "3000 ff*39 00*9");
  cr_assert_eq(styx_stat_decode_lenient(&s, bytes, n, STYX_9P2000, STYX_ALLOW_BYTES | STYX_ALLOW_SLACK),
               -STYX_EBADSTAT);
}
