/* decode_test.c: everything that must be refused; golden_test.c has what must not. */
#include <styx/wire.h>

#include "guard.h"

enum { MSIZE = 65536 + 64 };

Test(decode, strings_and_data_are_views_of_the_buffer) {
  uint8_t bytes[64];
  styx_msg msg;
  size_t n = unhex(bytes, "19000000 76 0900 02000000 0807060504030201 02000000 'hi'");
  cr_assert_eq(styx_decode(&msg, bytes, n, MSIZE, STYX_9P2000), (ptrdiff_t)n);
  cr_assert_eq(msg.data, bytes + 23);
  n = unhex(bytes, "15000000 72 0700 02000000 0300 'new' ed010080 00");
  cr_assert_eq(styx_decode(&msg, bytes, n, MSIZE, STYX_9P2000), (ptrdiff_t)n);
  cr_assert_eq((const uint8_t *)msg.name.s, bytes + 13);
}

static ptrdiff_t decode(styx_msg *msg, const char *hex, styx_dialect dialect) {
  static uint8_t bytes[4096];
  size_t n = unhex(bytes, hex);
  cr_assert(n >= 7 && (bytes[0] | bytes[1] << 8) == (int)n, "a wrong size in the test: %s has %zu", hex, n);
  return styx_decode(msg, bytes, n, MSIZE, dialect);
}

/* Refused with err, while type and tag can be told. */
static void refused(const char *hex, styx_err err) {
  styx_msg msg = {0};
  uint8_t bytes[4096];
  unhex(bytes, hex);
  cr_assert_eq(decode(&msg, hex, STYX_9P2000), -err, "%s", hex);
  cr_assert_eq(msg.type, bytes[4], "%s", hex);
  cr_assert_eq(msg.tag, bytes[5] | bytes[6] << 8, "%s", hex);
}

Test(decode, counts_past_the_end_lose_framing) {
  styx_msg m;
  cr_assert_eq(decode(&m, "13000000 64 ffff 00200000 0700 '9P2000'", STYX_9P2000), -STYX_ETRUNC);
  cr_assert_eq(decode(&m, "13000000 64 ffff 00200000 ffff '9P2000'", STYX_9P2000), -STYX_ETRUNC);
  cr_assert_eq(decode(&m, "14000000 6e 0500 01000000 02000000 0200 0100 'a'", STYX_9P2000), -STYX_ETRUNC);
  cr_assert_eq(decode(&m, "16000000 6f 0500 0200 80 01000000 0200000000000000", STYX_9P2000), -STYX_ETRUNC);
  cr_assert_eq(decode(&m, "19000000 76 0900 02000000 0807060504030201 03000000 'hi'", STYX_9P2000), -STYX_ETRUNC);
  cr_assert_eq(decode(&m, "19000000 76 0900 02000000 0807060504030201 ffffffff 'hi'", STYX_9P2000), -STYX_ETRUNC);
  cr_assert_eq(decode(&m, "10000000 75 0800 00000080 'hello'", STYX_9P2000), -STYX_ETRUNC);
  cr_assert_eq(decode(&m, "3e000000 7e 0d00 02000000 3200 2f00 ff*39 00*8", STYX_9P2000), -STYX_ETRUNC);
}

Test(decode, lost_framing_wins_over_wrong_content) {
  styx_msg m;
  cr_assert_eq(decode(&m, "16000000 68 0200 00000000 ffffffff 0100 00 0300 'xy'", STYX_9P2000), -STYX_ETRUNC);
}

Test(decode, unknown_types_are_refused_and_the_next_message_is_found) {
  for (unsigned type = 0; type < 256; type++) {
    if (styx_msg_name(type))
      continue;
    uint8_t bytes[] = {9, 0, 0, 0, (uint8_t)type, 0x34, 0x12, 0, 0};
    styx_msg m;
    cr_assert_eq(styx_decode(&m, bytes, sizeof bytes, MSIZE, STYX_9P2000), -STYX_EUNKNOWN, "type %u", type);
    cr_assert_eq(m.tag, 0x1234);
    cr_assert_eq(m.type, type);
  }
  refused("09000000 6a 0300 0000", STYX_EUNKNOWN); /* Terror */
}

Test(decode, seventeen_names_or_qids_are_too_many) {
  refused(
      "44000000 6e 0500 01000000 02000000 1100 0100 'a' 0100 'b' 0100 'c' 0100 'd' 0100 'e' 0100 'f' 0100 'g' 0100 'h'"
      "0100 'i' 0100 'j' 0100 'k' 0100 'l' 0100 'm' 0100 'n' 0100 'o' 0100 'p' 0100 'q'",
      STYX_EMANYNAMES);
  refused("11000000 6e 0500 01000000 02000000 ffff", STYX_EMANYNAMES);
  refused("09000000 6f 0500 1100", STYX_EMANYNAMES);
}

Test(decode, nul_in_a_string_is_refused_in_every_dialect) {
  refused("12000000 64 ffff 00200000 0500 '9P' 00 '00'", STYX_ENUL);
  refused("15000000 68 0200 00000000 ffffffff 0100 00 0100 'x'", STYX_ENUL);
  refused("15000000 72 0700 02000000 0300 'n' 00 'w' ed010080 00", STYX_ENUL);
  refused("14000000 6e 0500 01000000 02000000 0100 0100 00", STYX_ENUL);
  styx_msg m;
  cr_assert_eq(decode(&m, "14000000 6e 0500 01000000 02000000 0100 0100 00", STYX_9P2000_L), -STYX_ENUL);
}

Test(decode, only_utf8_is_text_in_9p2000_and_u) {
  static const char *const bad[] = {
      "80",   "bf",     "c0af",     "c1bf",     "c3",       "c328",     "e08080", "e09fbf", "eda080",        "edbfbf",
      "e282", "e28228", "f0808080", "f08fbfbf", "f4908080", "f5808080", "ff",     "fe",     "f8888080 8080", "61c3",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    uint8_t name[16], bytes[64];
    size_t n = unhex(name, bad[i]);
    unhex(bytes, "13000000 6e 0500 01000000 02000000 0100 0000");
    memcpy(bytes + 19, name, n);
    bytes[0] = (uint8_t)(19 + n);
    bytes[17] = (uint8_t)n;
    styx_msg m;
    cr_assert_eq(styx_decode(&m, bytes, 19 + n, MSIZE, STYX_9P2000), -STYX_EUTF8, "%s", bad[i]);
    cr_assert_eq(styx_decode(&m, bytes, 19 + n, MSIZE, STYX_9P2000_U), -STYX_EUTF8, "%s", bad[i]);
    cr_assert_eq(styx_decode(&m, bytes, 19 + n, MSIZE, STYX_9P2000_L), (ptrdiff_t)(19 + n), "%s", bad[i]);
  }
}

Test(decode, the_corners_of_utf8_are_accepted) {
  static const char *const good[] = {"01",     "7f",     "c280",   "dfbf",     "e0a080",
                                     "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    uint8_t name[16], bytes[64];
    size_t n = unhex(name, good[i]);
    unhex(bytes, "13000000 6e 0500 01000000 02000000 0100 0000");
    memcpy(bytes + 19, name, n);
    bytes[0] = (uint8_t)(19 + n);
    bytes[17] = (uint8_t)n;
    styx_msg m;
    cr_assert_eq(styx_decode(&m, bytes, 19 + n, MSIZE, STYX_9P2000), (ptrdiff_t)(19 + n), "%s", good[i]);
  }
}

Test(decode, a_version_decodes_alike_in_every_dialect) {
  styx_msg m;
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++) {
    cr_assert_eq(decode(&m, "13000000 64 ffff 00200000 0600 '9P2000'", d), 19);
    cr_assert_eq(decode(&m, "0e000000 64 ffff 00200000 0100 ff", d), -STYX_EUTF8);
  }
}

Test(decode, names_of_a_walk_are_single_elements) {
  refused("14000000 6e 0500 01000000 02000000 0100 0100 '/'", STYX_ENAME);
  refused("16000000 6e 0500 01000000 02000000 0100 0300 'a/b'", STYX_ENAME);
  refused("13000000 6e 0500 01000000 02000000 0100 0000", STYX_ENAME);
  refused("14000000 6e 0500 01000000 02000000 0100 0100 '.'", STYX_EDOT);
  styx_msg m;
  cr_assert_eq(decode(&m, "15000000 6e 0500 01000000 02000000 0100 0200 '..'", STYX_9P2000), 21);
}

Test(decode, names_to_create_are_single_elements_and_no_dots) {
  refused("12000000 72 0700 02000000 0000 ed010080 00", STYX_ENAME);
  refused("13000000 72 0700 02000000 0100 '/' ed010080 00", STYX_ENAME);
  refused("13000000 72 0700 02000000 0100 '.' ed010080 00", STYX_EDOT);
  refused("14000000 72 0700 02000000 0200 '..' ed010080 00", STYX_EDOT);
  styx_msg m;
  cr_assert_eq(decode(&m, "15000000 72 0700 02000000 0300 '...' ed010080 00", STYX_9P2000), 21);
}

Test(decode, stat_sizes_have_to_agree_exactly) {
  refused("3e000000 7e 0d00 02000000 3100 2e00 ff*39 00*8", STYX_EBADSTAT); /* inner too small */
  refused("3e000000 7e 0d00 02000000 3100 3000 ff*39 00*8", STYX_EBADSTAT); /* inner too large */
  refused("3f000000 7e 0d00 02000000 3200 2f00 ff*39 00*9", STYX_EBADSTAT); /* a byte between record and end of n */
  refused("3f000000 7e 0d00 02000000 3200 3000 ff*39 00*9", STYX_EBADSTAT); /* strings do not fill it */
  refused("3e000000 7e 0d00 02000000 3100 2f00 ff*39 0100 00*6", STYX_EBADSTAT); /* a string runs out of it */
  refused("0d000000 7e 0d00 02000000 0000", STYX_EBADSTAT);
  refused("3f000000 7e 0d00 02000000 3100 2f00 ff*39 00*8 00", STYX_EBADT); /* behind the record */
  refused("3f000000 7e 0d00 02000000 3200 3000 ff*39 0100 00 00*6", STYX_ENUL);
  refused("3f000000 7e 0d00 02000000 3200 3000 ff*39 0100 80 00*6", STYX_EUTF8);
}

Test(decode, dialects_have_their_own_messages) {
  styx_msg m;
  cr_assert_eq(decode(&m, "0c000000 70 0600 02000000 11", STYX_9P2000_U), 12);
  cr_assert_eq(decode(&m, "0c000000 70 0600 02000000 11", STYX_9P2000_L), -STYX_EUNKNOWN);
  cr_assert_eq(decode(&m, "10000000 6b 0300 0700 'bad fid'", STYX_9P2000_L), -STYX_EUNKNOWN);
  cr_assert_eq(decode(&m, "0b000000 78 0a00 02000000", STYX_9P2000_L), 11);
}
