/* frame_test.c: where a message ends; counted strings. */
#include "wire/bytes.h"

#include "guard.h"

static ptrdiff_t frame(const char *hex, uint32_t msize) {
  uint8_t *room = guard_room(), bytes[64];
  size_t n = unhex(bytes, hex);
  uint8_t *at = room + GUARD_ROOM - n;
  memcpy(at, bytes, n);
  return styx_frame(at, n, msize);
}

Test(frame, fewer_than_four_bytes_need_more) {
  cr_assert_eq(frame("", 8192), 0);
  cr_assert_eq(frame("07", 8192), 0);
  cr_assert_eq(frame("0700", 8192), 0);
  cr_assert_eq(frame("070000", 8192), 0);
}

Test(frame, sizes_under_seven_lose_framing_at_once) {
  for (int size = 0; size < 7; size++) {
    uint8_t four[4] = {(uint8_t)size, 0, 0, 0};
    cr_assert_eq(styx_frame(four, 4, 8192), -STYX_EFRAME, "size %d", size);
    cr_assert_eq(styx_frame(four, 4, 0), -STYX_EFRAME, "size %d", size);
  }
}

Test(frame, a_size_over_msize_is_refused_before_its_bytes_come) {
  cr_assert_eq(frame("00200000", 8192), 0);
  cr_assert_eq(frame("01200000", 8192), -STYX_ETOOLONG);
  cr_assert_eq(frame("ffffffff", 8192), -STYX_ETOOLONG);
}

Test(frame, msize_zero_is_no_limit) { cr_assert_eq(frame("ffffffff", 0), 0); }

Test(frame, a_whole_message_gives_its_size_and_no_more) {
  cr_assert_eq(frame("07000000 6d 0100", 8192), 7);
  cr_assert_eq(frame("07000000 6d 0100 07000000 6d", 8192), 7);
  cr_assert_eq(frame("08000000 6d 0100", 8192), 0);
}

Test(frame, strings_compare_by_length_and_bytes) {
  styx_str a = STYX_STR("usr");
  cr_assert(styx_str_is(a, "usr"));
  cr_assert_not(styx_str_is(a, "us"));
  cr_assert_not(styx_str_is(a, "usr2"));
  cr_assert_not(styx_str_is(a, "usR"));
  cr_assert(styx_str_eq(styx_str_of(NULL), styx_str_of("")));
  cr_assert_eq(styx_str_of(NULL).len, 0);
}

Test(frame, the_type_byte_alone_says_whether_it_is_a_t_message) {
  uint8_t *room = guard_room();
  for (unsigned type = 0; type < 256; type++) {
    uint8_t *at = room + GUARD_ROOM - 5; /* the tag may not have come yet */
    memcpy(at, (uint8_t[]){7, 0, 0, 0, (uint8_t)type}, 5);
    cr_assert_eq(styx_is_tmsg(at, 5), type % 2 == 0, "type %u", type);
  }
  cr_assert(styx_is_tmsg("\xff\xff\xff\xff\x78", 5), "not by its size");
}

Test(frame, input_that_is_too_short_is_no_t_message) {
  uint8_t *end = guard_room() + GUARD_ROOM;
  memset(end - 4, 0x64, 4);
  for (size_t len = 0; len < 5; len++)
    cr_assert_not(styx_is_tmsg(end - len, len), "%zu bytes", len);
}

static void expect_cut(const char *text, size_t max, size_t want) {
  uint8_t *end = guard_room() + GUARD_ROOM;
  size_t len = strlen(text);
  memcpy(end - len, text, len);
  styx_str s = {(const char *)end - len, len}, cut = styx_str_cut(s, max);
  cr_assert_eq(cut.s, s.s);
  cr_assert_eq(cut.len, want, "'%s' at %zu is cut at %zu, not %zu", text, max, cut.len, want);
  munmap(end - GUARD_ROOM - GUARD_PAGE, GUARD_ROOM + 2 * GUARD_PAGE);
}

Test(frame, a_string_is_cut_between_characters) {
  static const char text[] = "a\u00e9\u20ac\U0001F40Bz"; /* of 1, 2, 3, 4 and 1 bytes */
  static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (size_t max = 0; max < sizeof want / sizeof *want; max++)
    expect_cut(text, max, want[max]);
  expect_cut(text, SIZE_MAX, 11);
  expect_cut("", 0, 0);
  cr_assert_eq(styx_str_cut(styx_str_of(NULL), 0).len, 0);
}

Test(frame, what_is_no_utf_8_is_cut_where_it_falls) {
  for (size_t max = 0; max < 8; max++)
    expect_cut("\x80\x80\x80\x80\x80\x80\x80\x80", max, max);
  expect_cut("ab\xc3(", 3, 3);                      /* a beginning without its end */
  expect_cut("ab\xe2\x82", 3, 3);                   /* ... at the end of the text */
  expect_cut("\xc0\x80\xed\xa0\x80", 1, 1);         /* overlong */
  expect_cut("\xc0\x80\xed\xa0\x80", 4, 4);         /* half of a pair */
  expect_cut("a\u00e9\x80\x80", 4, 4);              /* too many bytes behind a whole character */
  expect_cut("\xf0\x9f\x90\x8b\x80\x80\x80", 3, 0); /* at most three bytes are given up */
}

/* Each answer from the definition, for random bytes. */
Test(frame, a_cut_gives_up_a_part_of_one_character_and_nothing_else) {
  static const unsigned char bytes[] = {'a', 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0x90};
  uint32_t seed = 1;
  for (int round = 0; round < 20000; round++) {
    char text[12];
    for (size_t i = 0; i < sizeof text; i++)
      text[i] = (char)bytes[(seed = seed * 1664525 + 1013904223) >> 29];
    size_t max = (seed >> 8) % (sizeof text + 1), got = styx_str_cut((styx_str){text, sizeof text}, max).len;
    size_t at = 0, want = max;
    while (at < max) { /* step over whole characters and single wrong bytes */
      uint32_t rune;
      size_t n = sx_utf8((const uint8_t *)text + at, sizeof text - at, &rune);
      if (at + n > max)
        want = at;
      at += n ? n : 1;
    }
    cr_assert_eq(got, want, "round %d", round);
  }
}

Test(frame, no_bytes_are_no_character) {
  uint32_t rune = 7;
  cr_assert_eq(sx_utf8((const uint8_t *)"x", 0, &rune), 0);
  cr_assert_eq(rune, 7);
}
