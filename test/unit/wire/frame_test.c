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

Test(frame, no_bytes_are_no_character) {
  uint32_t rune = 7;
  cr_assert_eq(sx_utf8((const uint8_t *)"x", 0, &rune), 0);
  cr_assert_eq(rune, 7);
}
