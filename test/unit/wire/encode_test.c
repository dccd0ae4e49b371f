/* encode_test.c: what is not encoded, and where what is may lie; golden_test.c has the bytes. */
#include <styx/wire.h>

#include "guard.h"

Test(encode, what_cannot_be_said_is_refused) {
  static char longest[65536];
  uint8_t *room = guard_room();
  styx_msg m = {.type = STYX_Rerror, .ename = {longest, 65535}};
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), 65535 + 9);
  m.ename.len = 65536;
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), -STYX_ENOFIT);
  cr_assert_eq(styx_encoded_size(&m, STYX_9P2000), -STYX_ENOFIT);
  m = (styx_msg){.type = STYX_Twalk, .nwname = 17};
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), -STYX_EMANYNAMES);
  m = (styx_msg){.type = STYX_Rwalk, .nwqid = 17};
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), -STYX_EMANYNAMES);
  m = (styx_msg){.type = 106};
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), -STYX_EUNKNOWN);
  m = (styx_msg){.type = STYX_Topen};
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000_L), -STYX_EUNKNOWN);
  m = (styx_msg){.type = STYX_Rread, .count = 0xFFFFFFFF};
  cr_assert_eq(styx_encoded_size(&m, STYX_9P2000), -STYX_ENOFIT);
  m = (styx_msg){.type = STYX_Rstat, .stat = {.name = {longest, 65535 - 49}}};
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), 65535 + 9);
  m.stat.name.len++;
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), -STYX_ENOFIT);
}

Test(encode, data_in_its_place_is_left_there_and_data_behind_it_is_moved) {
  uint8_t buf[64];
  memcpy(buf + 11, "hello", 5);
  styx_msg m = {.type = STYX_Rread, .tag = 8, .count = 5, .data = buf + 11};
  cr_assert_eq(styx_encode(buf, sizeof buf, &m, STYX_9P2000), 16);
  cr_assert(memcmp(buf + 11, "hello", 5) == 0);
  memcpy(buf + 13, "world", 5);
  m.data = buf + 13;
  cr_assert_eq(styx_encode(buf, sizeof buf, &m, STYX_9P2000), 16);
  cr_assert(memcmp(buf + 11, "world", 5) == 0);
}

/* As a proxy does it: other fid, other tag, the strings where they are. */
Test(encode, a_message_may_be_encoded_over_the_bytes_that_it_was_decoded_from) {
  static const struct {
    const char *hex;
    styx_dialect dialect;
  } messages[] = {
      {"1d000000 6e 0500 01000000 02000000 0200 0300 'usr' 0300 'lib'", STYX_9P2000},
      {"19000000 76 0500 01000000 0807060504030201 02000000 'hi'", STYX_9P2000},
      {"46000000 7e 0500 01000000 3900 3700 ff*39 0100 'a' 0200 'bc' 0300 'def' 0200 'gh'", STYX_9P2000},
      {"1f000000 68 0500 01000000 ffffffff 0300 'bob' 0100 'x' 07000000", STYX_9P2000_U},
      {"18000000 10 0500 01000000 0100 'n' 0200 'to' 07000000", STYX_9P2000_L},
  };
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
    uint8_t bytes[128], want[128];
    styx_msg m;
    size_t n = unhex(bytes, messages[i].hex);
    bytes[0] = (uint8_t)n;
    memcpy(want, bytes, n);
    want[5] = 0x66;
    want[6] = 0x77;
    cr_assert_eq(styx_decode(&m, bytes, n, 0, messages[i].dialect), (ptrdiff_t)n, "%s", messages[i].hex);
    m.tag = 0x7766;
    cr_assert_eq(styx_encode(bytes, n, &m, messages[i].dialect), (ptrdiff_t)n, "%s", messages[i].hex);
    cr_assert(memcmp(bytes, want, n) == 0, "%s", messages[i].hex);
  }
}

/* A message of zeros has strings that are NULL. */
Test(encode, an_empty_string_or_data_needs_no_pointer) {
  uint8_t *room = guard_room();
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    for (unsigned type = 0; type < 128; type++) {
      styx_msg m = {.type = (uint8_t)type};
      char line[1024];
      if (!styx_msg_exists(type, d))
        continue;
      ptrdiff_t size = styx_encoded_size(&m, d);
      cr_assert_geq(size, 7, "%u", type);
      cr_assert_eq(styx_encode(room + GUARD_ROOM - size, (size_t)size, &m, d), size, "%u", type);
      cr_assert_lt(styx_msg_print(line, sizeof line, &m, d), sizeof line);
    }
}

Test(encode, nothing_fits_where_there_is_no_room_at_all) {
  styx_msg m = {.type = STYX_Rflush};
  cr_assert_eq(styx_encode(NULL, 0, &m, STYX_9P2000), -STYX_ENOFIT);
}
