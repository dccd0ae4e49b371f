/* codec_test.c: golden bytes of every message, and everything that must be refused. */
#include <styx/wire.h>

#include "guard.h"

#define S(literal) STYX_STR(literal)
enum { MSIZE = 65536 + 64 };

/* Written from the protocol's table (contract 1.2), not from the encoder. */
static const struct golden {
  const char *hex;
  styx_msg msg;
} goldens[] = {
    {"13000000 64 ffff 00200000 0600 '9P2000'", {.type = 100, .tag = 0xFFFF, .msize = 8192, .version = S("9P2000")}},
    {"0d000000 64 0000 00000000 0000", {.type = 100}},
    {"14000000 65 ffff ffffffff 0700 'unknown'",
     {.type = 101, .tag = 0xFFFF, .msize = 0xFFFFFFFF, .version = S("unknown")}},
    {"14000000 66 0100 04030201 0300 'bob' 0200 '/x'",
     {.type = 102, .tag = 1, .afid = 0x01020304, .uname = S("bob"), .aname = S("/x")}},
    {"14000000 67 0100 08 04030201 0807060504030201",
     {.type = 103, .tag = 1, .qid = {8, 0x01020304, 0x0102030405060708}}},
    {"17000000 68 0200 00000000 ffffffff 0300 'bob' 0100 'x'",
     {.type = 104, .tag = 2, .fid = 0, .afid = 0xFFFFFFFF, .uname = S("bob"), .aname = S("x")}},
    {"14000000 69 0200 80 ffffffff ffffffffffffffff",
     {.type = 105, .tag = 2, .qid = {0x80, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}}},
    {"10000000 6b 0300 0700 'bad fid'", {.type = 107, .tag = 3, .ename = S("bad fid")}},
    {"0c000000 6b 0300 0300 00 ff 'x'", {.type = 107, .tag = 3, .ename = S("\0\xffx")}},
    {"09000000 6c 0400 0300", {.type = 108, .tag = 4, .oldtag = 3}},
    {"09000000 6c ffff ffff", {.type = 108, .tag = 0xFFFF, .oldtag = 0xFFFF}},
    {"07000000 6d 0400", {.type = 109, .tag = 4}},
    {"11000000 6e 0500 01000000 02000000 0000", {.type = 110, .tag = 5, .fid = 1, .newfid = 2}},
    {"1c000000 6e 0500 01000000 02000000 0300 0200 '..' 0100 'a' 0200 c3a4",
     {.type = 110, .tag = 5, .fid = 1, .newfid = 2, .nwname = 3, .wname = {S(".."), S("a"), S("\xc3\xa4")}}},
    {"41000000 6e 0500 01000000 02000000 1000 0100 'a' 0100 'b' 0100 'c' 0100 'd' 0100 'e' 0100 'f' 0100 'g' 0100 'h'"
     "0100 'i' 0100 'j' 0100 'k' 0100 'l' 0100 'm' 0100 'n' 0100 'o' 0100 'p'",
     {.type = 110,
      .tag = 5,
      .fid = 1,
      .newfid = 2,
      .nwname = 16,
      .wname = {S("a"), S("b"), S("c"), S("d"), S("e"), S("f"), S("g"), S("h"), S("i"), S("j"), S("k"), S("l"), S("m"),
                S("n"), S("o"), S("p")}}},
    {"09000000 6f 0500 0000", {.type = 111, .tag = 5}},
    {"23000000 6f 0500 0200 80 01000000 0200000000000000 00 03000000 0400000000000000",
     {.type = 111, .tag = 5, .nwqid = 2, .wqid = {{0x80, 1, 2}, {0, 3, 4}}}},
    {"0c000000 70 0600 02000000 11", {.type = 112, .tag = 6, .fid = 2, .mode = 0x11}},
    {"18000000 71 0600 00 01000000 0200000000000000 e8ff0000",
     {.type = 113, .tag = 6, .qid = {0, 1, 2}, .iounit = 65512}},
    {"15000000 72 0700 02000000 0300 'new' ed010080 00",
     {.type = 114, .tag = 7, .fid = 2, .name = S("new"), .perm = 0x800001ed, .mode = 0}},
    {"18000000 73 0700 80 01000000 0200000000000000 00000000", {.type = 115, .tag = 7, .qid = {0x80, 1, 2}}},
    {"17000000 74 0800 02000000 ffffffffffffff7f 00100000",
     {.type = 116, .tag = 8, .fid = 2, .offset = 0x7FFFFFFFFFFFFFFF, .count = 4096}},
    {"10000000 75 0800 05000000 'h' 00 ff 'lo'",
     {.type = 117, .tag = 8, .count = 5, .data = (const uint8_t *)"h\0\xfflo"}},
    {"0b000000 75 0800 00000000", {.type = 117, .tag = 8}},
    {"19000000 76 0900 02000000 0807060504030201 02000000 'hi'",
     {.type = 118, .tag = 9, .fid = 2, .offset = 0x0102030405060708, .count = 2, .data = (const uint8_t *)"hi"}},
    {"0b000000 77 0900 02000000", {.type = 119, .tag = 9, .count = 2}},
    {"0b000000 78 0a00 02000000", {.type = 120, .tag = 10, .fid = 2}},
    {"07000000 79 0a00", {.type = 121, .tag = 10}},
    {"0b000000 7a 0b00 02000000", {.type = 122, .tag = 11, .fid = 2}},
    {"07000000 7b 0b00", {.type = 123, .tag = 11}},
    {"0b000000 7c 0c00 02000000", {.type = 124, .tag = 12, .fid = 2}},
    {"40000000 7d 0c00 3700 3500 0100 02000000 80 03000000 0400000000000000 ed010080 05000000 06000000 0700000000000000"
     "0100 '/' 0300 'bob' 0100 'g' 0100 'm'",
     {.type = 125,
      .tag = 12,
      .stat = {.type = 1,
               .dev = 2,
               .qid = {0x80, 3, 4},
               .mode = 0x800001ed,
               .atime = 5,
               .mtime = 6,
               .length = 7,
               .name = S("/"),
               .uid = S("bob"),
               .gid = S("g"),
               .muid = S("m")}}},
    {"3e000000 7e 0d00 02000000 3100 2f00 ff*39 00*8",
     {.type = 126,
      .tag = 13,
      .fid = 2,
      .stat = {.type = 0xFFFF,
               .dev = 0xFFFFFFFF,
               .qid = {0xFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF},
               .mode = 0xFFFFFFFF,
               .atime = 0xFFFFFFFF,
               .mtime = 0xFFFFFFFF,
               .length = 0xFFFFFFFFFFFFFFFF}}},
    {"07000000 7f 0d00", {.type = 127, .tag = 13}},
};
enum { NGOLDENS = sizeof goldens / sizeof *goldens };

static size_t golden_bytes(uint8_t *out, size_t i) { return unhex(out, goldens[i].hex); }

Test(codec, every_message_of_the_table_has_golden_bytes) {
  for (unsigned type = 0; type < 256; type++) {
    bool found = false;
    for (size_t i = 0; i < NGOLDENS; i++)
      found |= goldens[i].msg.type == type;
    cr_assert_eq(found, styx_msg_name(type) != NULL, "type %u", type);
  }
}

Test(codec, golden_bytes_are_what_encode_writes) {
  for (size_t i = 0; i < NGOLDENS; i++) {
    uint8_t want[512], *room = guard_room();
    size_t n = golden_bytes(want, i);
    uint8_t *at = room + GUARD_ROOM - n;
    cr_assert_eq(styx_encoded_size(&goldens[i].msg, STYX_9P2000), (ptrdiff_t)n, "%s", goldens[i].hex);
    cr_assert_eq(styx_encode(at, n, &goldens[i].msg, STYX_9P2000), (ptrdiff_t)n, "%s", goldens[i].hex);
    cr_assert(memcmp(at, want, n) == 0, "%s", goldens[i].hex);
    munmap(room - GUARD_PAGE, GUARD_ROOM + 2 * GUARD_PAGE);
  }
}

/* encode is known to be right from the test above and loses nothing, so equal bytes mean equal fields. */
Test(codec, decode_is_the_inverse_of_encode) {
  for (size_t i = 0; i < NGOLDENS; i++) {
    uint8_t want[512], again[512];
    size_t n = golden_bytes(want, i);
    styx_msg msg = {0};
    cr_assert_eq(styx_decode(&msg, want, n, MSIZE, STYX_9P2000), (ptrdiff_t)n, "%s", goldens[i].hex);
    cr_assert_eq(styx_encode(again, sizeof again, &msg, STYX_9P2000), (ptrdiff_t)n, "%s", goldens[i].hex);
    cr_assert(memcmp(again, want, n) == 0, "%s", goldens[i].hex);
  }
}

Test(codec, strings_and_data_are_views_of_the_buffer) {
  uint8_t bytes[64];
  styx_msg msg;
  size_t n = unhex(bytes, "19000000 76 0900 02000000 0807060504030201 02000000 'hi'");
  cr_assert_eq(styx_decode(&msg, bytes, n, MSIZE, STYX_9P2000), (ptrdiff_t)n);
  cr_assert_eq(msg.data, bytes + 23);
  n = unhex(bytes, "15000000 72 0700 02000000 0300 'new' ed010080 00");
  cr_assert_eq(styx_decode(&msg, bytes, n, MSIZE, STYX_9P2000), (ptrdiff_t)n);
  cr_assert_eq((const uint8_t *)msg.name.s, bytes + 13);
}

Test(codec, every_prefix_needs_more) {
  uint8_t *room = guard_room();
  for (size_t i = 0; i < NGOLDENS; i++) {
    uint8_t bytes[512];
    size_t n = golden_bytes(bytes, i);
    for (size_t cut = 0; cut < n; cut++) {
      styx_msg msg;
      uint8_t *at = room + GUARD_ROOM - cut;
      memcpy(at, bytes, cut);
      cr_assert_eq(styx_decode(&msg, at, cut, MSIZE, STYX_9P2000), 0, "%s cut at %zu", goldens[i].hex, cut);
    }
  }
}

Test(codec, what_follows_a_message_is_left_alone) {
  for (size_t i = 0; i < NGOLDENS; i++) {
    uint8_t bytes[512 + 7];
    size_t n = golden_bytes(bytes, i);
    memset(bytes + n, 0xFF, 7);
    styx_msg msg;
    cr_assert_eq(styx_decode(&msg, bytes, n + 7, MSIZE, STYX_9P2000), (ptrdiff_t)n, "%s", goldens[i].hex);
  }
}

static void check_inside(styx_str s, const uint8_t *at, size_t n) {
  const uint8_t *p = (const uint8_t *)s.s;
  cr_assert(s.len == 0 || (p >= at && p + s.len <= at + n));
}

/* A damaged message: no read outside, the size field consumed exactly or refused, views inside. */
static void check_damaged(const uint8_t *at, size_t n) {
  styx_msg msg;
  ptrdiff_t used = styx_decode(&msg, at, n, MSIZE, STYX_9P2000);
  cr_assert(used <= (ptrdiff_t)n);
  if (used <= 0)
    return;
  cr_assert_eq(used, at[0] | at[1] << 8 | at[2] << 16 | at[3] << 24);
  uint8_t again[1024];
  cr_assert_eq(styx_encode(again, sizeof again, &msg, STYX_9P2000), used);
  cr_assert(memcmp(again, at, (size_t)used) == 0);
  if (msg.type == STYX_Twalk)
    for (unsigned i = 0; i < msg.nwname; i++)
      check_inside(msg.wname[i], at, n);
  if (msg.type == STYX_Rread || msg.type == STYX_Twrite)
    cr_assert(msg.data >= at && msg.data + msg.count <= at + n);
  if (msg.type == STYX_Rstat || msg.type == STYX_Twstat)
    check_inside(msg.stat.muid, at, n);
}

Test(codec, no_single_byte_makes_it_read_outside) {
  uint8_t *room = guard_room();
  for (size_t i = 0; i < NGOLDENS; i++) {
    uint8_t bytes[512];
    size_t n = golden_bytes(bytes, i);
    uint8_t *places[] = {room, room + GUARD_ROOM - n};
    for (size_t at = 0; at < n; at++)
      for (unsigned value = 0; value < 256; value++)
        for (size_t p = 0; p < 2; p++) {
          memcpy(places[p], bytes, n);
          places[p][at] = (uint8_t)value;
          check_damaged(places[p], n);
        }
  }
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

Test(codec, bytes_left_over_are_refused_in_every_message) {
  for (size_t i = 0; i < NGOLDENS; i++) {
    uint8_t bytes[512];
    size_t n = golden_bytes(bytes, i);
    bytes[0] = (uint8_t)(n + 1);
    bytes[n] = 0;
    styx_msg msg;
    styx_err want = goldens[i].msg.type % 2 == 0 ? STYX_EBADT : STYX_EBADR;
    cr_assert_eq(styx_decode(&msg, bytes, n + 1, MSIZE, STYX_9P2000), -want, "%s", goldens[i].hex);
    cr_assert_eq(msg.type, goldens[i].msg.type);
    cr_assert_eq(msg.tag, goldens[i].msg.tag);
  }
}

Test(codec, a_message_shorter_than_its_fields_loses_framing) {
  for (size_t i = 0; i < NGOLDENS; i++) {
    uint8_t bytes[512];
    size_t n = golden_bytes(bytes, i);
    for (size_t size = 7; size < n; size++) {
      styx_msg msg;
      bytes[0] = (uint8_t)size;
      ptrdiff_t got = styx_decode(&msg, bytes, n, MSIZE, STYX_9P2000);
      cr_assert_eq(got, -STYX_ETRUNC, "%s with size %zu: %td", goldens[i].hex, size, got);
    }
  }
}

Test(codec, counts_past_the_end_lose_framing) {
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

Test(codec, lost_framing_wins_over_wrong_content) {
  styx_msg m;
  cr_assert_eq(decode(&m, "16000000 68 0200 00000000 ffffffff 0100 00 0300 'xy'", STYX_9P2000), -STYX_ETRUNC);
}

Test(codec, unknown_types_are_refused_and_the_next_message_is_found) {
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

Test(codec, seventeen_names_or_qids_are_too_many) {
  refused(
      "44000000 6e 0500 01000000 02000000 1100 0100 'a' 0100 'b' 0100 'c' 0100 'd' 0100 'e' 0100 'f' 0100 'g' 0100 'h'"
      "0100 'i' 0100 'j' 0100 'k' 0100 'l' 0100 'm' 0100 'n' 0100 'o' 0100 'p' 0100 'q'",
      STYX_EMANYNAMES);
  refused("11000000 6e 0500 01000000 02000000 ffff", STYX_EMANYNAMES);
  refused("09000000 6f 0500 1100", STYX_EMANYNAMES);
}

Test(codec, nul_in_a_string_is_refused_in_every_dialect) {
  refused("12000000 64 ffff 00200000 0500 '9P' 00 '00'", STYX_ENUL);
  refused("15000000 68 0200 00000000 ffffffff 0100 00 0100 'x'", STYX_ENUL);
  refused("15000000 72 0700 02000000 0300 'n' 00 'w' ed010080 00", STYX_ENUL);
  refused("14000000 6e 0500 01000000 02000000 0100 0100 00", STYX_ENUL);
  styx_msg m;
  cr_assert_eq(decode(&m, "14000000 6e 0500 01000000 02000000 0100 0100 00", STYX_9P2000_L), -STYX_ENUL);
}

Test(codec, only_utf8_is_text_in_9p2000_and_u) {
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

Test(codec, the_corners_of_utf8_are_accepted) {
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

Test(codec, a_version_decodes_alike_in_every_dialect) {
  styx_msg m;
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++) {
    cr_assert_eq(decode(&m, "13000000 64 ffff 00200000 0600 '9P2000'", d), 19);
    cr_assert_eq(decode(&m, "0e000000 64 ffff 00200000 0100 ff", d), -STYX_EUTF8);
  }
}

Test(codec, names_of_a_walk_are_single_elements) {
  refused("14000000 6e 0500 01000000 02000000 0100 0100 '/'", STYX_ENAME);
  refused("16000000 6e 0500 01000000 02000000 0100 0300 'a/b'", STYX_ENAME);
  refused("13000000 6e 0500 01000000 02000000 0100 0000", STYX_ENAME);
  refused("14000000 6e 0500 01000000 02000000 0100 0100 '.'", STYX_EDOT);
  styx_msg m;
  cr_assert_eq(decode(&m, "15000000 6e 0500 01000000 02000000 0100 0200 '..'", STYX_9P2000), 21);
}

Test(codec, names_to_create_are_single_elements_and_no_dots) {
  refused("12000000 72 0700 02000000 0000 ed010080 00", STYX_ENAME);
  refused("13000000 72 0700 02000000 0100 '/' ed010080 00", STYX_ENAME);
  refused("13000000 72 0700 02000000 0100 '.' ed010080 00", STYX_EDOT);
  refused("14000000 72 0700 02000000 0200 '..' ed010080 00", STYX_EDOT);
  styx_msg m;
  cr_assert_eq(decode(&m, "15000000 72 0700 02000000 0300 '...' ed010080 00", STYX_9P2000), 21);
}

Test(codec, stat_sizes_have_to_agree_exactly) {
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

Test(codec, dialects_have_their_own_messages) {
  styx_msg m;
  cr_assert_eq(decode(&m, "0c000000 70 0600 02000000 11", STYX_9P2000_U), 12);
  cr_assert_eq(decode(&m, "0c000000 70 0600 02000000 11", STYX_9P2000_L), -STYX_EUNKNOWN);
  cr_assert_eq(decode(&m, "10000000 6b 0300 0700 'bad fid'", STYX_9P2000_L), -STYX_EUNKNOWN);
  cr_assert_eq(decode(&m, "0b000000 78 0a00 02000000", STYX_9P2000_L), 11);
  m.type = STYX_Topen;
  uint8_t buf[64];
  cr_assert_eq(styx_encode(buf, sizeof buf, &m, STYX_9P2000_L), -STYX_EUNKNOWN);
}

Test(codec, encode_refuses_what_cannot_be_said) {
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
  m = (styx_msg){.type = STYX_Rread, .count = 0xFFFFFFFF};
  cr_assert_eq(styx_encoded_size(&m, STYX_9P2000), -STYX_ENOFIT);
  m = (styx_msg){.type = STYX_Rstat, .stat = {.name = {longest, 65535 - 49}}};
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), 65535 + 9);
  m.stat.name.len++;
  cr_assert_eq(styx_encode(room, GUARD_ROOM, &m, STYX_9P2000), -STYX_ENOFIT);
}

Test(codec, encode_never_writes_past_cap) {
  for (size_t i = 0; i < NGOLDENS; i++) {
    uint8_t bytes[512], *room = guard_room();
    size_t n = golden_bytes(bytes, i);
    for (size_t cap = 0; cap < n; cap++)
      cr_assert_eq(styx_encode(room + GUARD_ROOM - cap, cap, &goldens[i].msg, STYX_9P2000), -STYX_ENOFIT);
    munmap(room - GUARD_PAGE, GUARD_ROOM + 2 * GUARD_PAGE);
  }
}

Test(codec, data_in_its_place_is_left_there_and_other_data_is_moved) {
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

Test(codec, the_table_knows_which_messages_are_requests) {
  for (unsigned type = 0; type < 300; type++)
    cr_assert_eq(styx_msg_is_t(type), styx_msg_name(type) && type % 2 == 0, "type %u", type);
  cr_assert_str_eq(styx_msg_name(STYX_Twalk), "Twalk");
  cr_assert_null(styx_msg_name(106));
  cr_assert_null(styx_msg_name(100000));
}
