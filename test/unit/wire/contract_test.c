/* contract_test.c: what the manuals promise of the codec, and styx.b of Inferno does otherwise (contract.md 1.16), one by one. */
#include <styx/wire.h>

#include <stdio.h>

#include "guard.h"

static ptrdiff_t decode(styx_msg *msg, const char *hex, styx_dialect dialect, unsigned allow) {
  static uint8_t *room;
  uint8_t bytes[4096];
  size_t n = unhex(bytes, hex);
  cr_assert(n < 4 || (bytes[0] | bytes[1] << 8) == (int)n, "a wrong size in the test: %s has %zu", hex, n);
  if (!room)
    room = guard_room();
  return styx_decode_lenient(msg, memcpy(room + GUARD_ROOM - n, bytes, n), n, 0, dialect, allow);
}

/* ---- unpack: used bytes, 0 or an error, and nothing else ---- */

Test(contract, sizes_under_seven_are_an_error_and_raise_nothing) {
  uint8_t *room = guard_room();
  for (uint8_t size = 0; size < 7; size++)
    for (size_t len = 4; len < 9; len++) {
      uint8_t *at = room + GUARD_ROOM - len;
      styx_msg m;
      memset(at, 0, len);
      at[0] = size;
      cr_assert_eq(styx_decode(&m, at, len, 0, STYX_9P2000), -STYX_EFRAME, "size %u of %zu bytes", size, len);
      cr_assert_eq(styx_decode(&m, at, len, 8192, STYX_9P2000), -STYX_EFRAME, "size %u of %zu bytes", size, len);
    }
}

Test(contract, sizes_of_two_gigabytes_and_more_are_large_and_not_negative) {
  static const uint8_t large[][8] = {{0, 0, 0, 0x80, 117}, {1, 0, 0, 0x80, 117}, {0xFF, 0xFF, 0xFF, 0xFF, 117}};
  for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
    styx_msg m;
    cr_assert_eq(styx_decode(&m, large[i], 8, 0, STYX_9P2000), 0);
    cr_assert_eq(styx_decode(&m, large[i], 8, 0x7FFFFFFF, STYX_9P2000), -STYX_ETOOLONG);
  }
}

Test(contract, counts_of_two_gigabytes_and_more_are_refused_and_raise_nothing) {
  static const char *const counts[] = {"00000080", "01000080", "ffffff7f", "ffffffff", "faffffff"};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    char hex[128];
    styx_msg m;
    snprintf(hex, sizeof hex, "10000000 75 0800 %s 'hello'", counts[i]);
    cr_assert_eq(decode(&m, hex, STYX_9P2000, 0), -STYX_ETRUNC, "%s", hex);
    snprintf(hex, sizeof hex, "1c000000 76 0900 02000000 0807060504030201 %s 'hello'", counts[i]);
    cr_assert_eq(decode(&m, hex, STYX_9P2000, 0), -STYX_ETRUNC, "%s", hex);
    snprintf(hex, sizeof hex, "10000000 29 0800 %s 'hello'", counts[i]);
    cr_assert_eq(decode(&m, hex, STYX_9P2000_L, 0), -STYX_ETRUNC, "%s", hex);
  }
}

Test(contract, trailing_bytes_never_shift_the_messages_behind_them) {
  styx_msg m;
  uint8_t bytes[64];
  /* two messages; the first has a byte after its fields */
  size_t n = unhex(bytes, "0c000000 78 0a00 02000000 55 07000000 6d 0100");
  cr_assert_eq(styx_decode(&m, bytes, n, 0, STYX_9P2000), -STYX_EBADT);
  cr_assert(m.type == STYX_Tclunk && m.tag == 10);
  cr_assert_eq(styx_frame(bytes, n, 0), 12);
  cr_assert_eq(styx_decode_lenient(&m, bytes, n, 0, STYX_9P2000, STYX_ALLOW_SLACK), 12);
  cr_assert(m.type == STYX_Tclunk && m.fid == 2);
  cr_assert_eq(styx_decode(&m, bytes + 12, n - 12, 0, STYX_9P2000), 7);
  cr_assert(m.type == STYX_Rflush && m.tag == 1);
}

Test(contract, slack_excuses_nothing_else) {
  styx_msg m;
  unsigned slack = STYX_ALLOW_SLACK;
  cr_assert_eq(decode(&m, "0a000000 78 0a00 020000", STYX_9P2000, slack), -STYX_ETRUNC);
  cr_assert_eq(decode(&m, "08000000 6a 0100 00", STYX_9P2000, slack), -STYX_EUNKNOWN);
  cr_assert_eq(decode(&m, "12000000 6e 0500 01000000 02000000 1100 00", STYX_9P2000, slack), -STYX_EMANYNAMES);
  cr_assert_eq(decode(&m, "3f000000 7e 0d00 02000000 3200 2f00 ff*39 00*9", STYX_9P2000, slack), -STYX_EBADSTAT);
  cr_assert_eq(decode(&m, "14000000 64 ffff 00200000 0600 '9P2000' ff", STYX_9P2000, slack), 20);
  cr_assert_eq(decode(&m, "14000000 64 ffff 00200000 0600 '9P2000' ff", STYX_9P2000, STYX_ALLOW_BYTES), -STYX_EBADT);
}

Test(contract, more_than_16_qids_are_refused_both_ways) {
  styx_msg m;
  cr_assert_eq(decode(&m, "e6000000 6f 0500 1100 00*221", STYX_9P2000, 0), -STYX_EMANYNAMES);
  m = (styx_msg){.type = STYX_Rwalk, .nwqid = 17};
  uint8_t buf[512];
  cr_assert_eq(styx_encode(buf, sizeof buf, &m, STYX_9P2000), -STYX_EMANYNAMES);
  m = (styx_msg){.type = STYX_Twalk, .nwname = 17};
  cr_assert_eq(styx_encode(buf, sizeof buf, &m, STYX_9P2000), -STYX_EMANYNAMES);
}

/* The Limbo module counts characters up to 21 bits, and knows no size for what is none. */
Test(contract, a_string_takes_as_many_bytes_as_it_has_whatever_they_say) {
  static const char *const texts[] = {
      "", "x", "\u00e9", "\u20ac", "\U0001F40B", "\U0010FFFF", "\xf8\x88\x80\x80\x80", "\xff"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    styx_msg m = {.type = STYX_Rerror, .ename = styx_str_of(texts[i])};
    uint8_t buf[64];
    ptrdiff_t want = 9 + (ptrdiff_t)strlen(texts[i]);
    cr_assert_eq(styx_encoded_size(&m, STYX_9P2000), want, "%s", texts[i]);
    cr_assert_eq(styx_encode(buf, sizeof buf, &m, STYX_9P2000), want, "%s", texts[i]);
    cr_assert(memcmp(buf + 9, texts[i], (size_t)want - 9) == 0);
  }
}

/* ---- stat records ---- */

/* The high byte of the length counts too: every length from the least to 1,100, and up to the greatest. */
Test(contract, a_wstat_may_be_longer_than_255_bytes) {
  static char text[65536];
  static uint8_t bytes[66000];
  memset(text, 'x', sizeof text);
  for (int u = 0; u < 2; u++) {
    styx_dialect d = u ? STYX_9P2000_U : STYX_9P2000;
    for (size_t len = 0; len <= 65535u - (u ? 63 : 49); len += len < 1100 ? 1 : 499) {
      styx_msg m = {.type = STYX_Twstat, .tag = 1, .fid = 2, .stat = styx_stat_untouched()}, got;
      m.stat.name = (styx_str){text, len};
      ptrdiff_t n = styx_encode(bytes, sizeof bytes, &m, d);
      cr_assert_eq(n, (ptrdiff_t)(len + (u ? 76 : 62)));
      cr_assert_eq((size_t)(bytes[11] | bytes[12] << 8), len + (u ? 63 : 49));
      cr_assert_eq(styx_decode(&got, bytes, (size_t)n, 0, d), n, "a name of %zu", len);
      cr_assert(styx_str_eq(got.stat.name, m.stat.name));
    }
  }
}

/* A record by hand: the bytes of its four or five strings' counts and what they are. */
static const char record[] = "3b00 00*39 0300 'abc' 0300 'def' 0300 'ghi' 0300 'jkl'";
static const char record_u[] = "4c00 00*39 0300 'abc' 0300 'def' 0300 'ghi' 0300 'jkl' 0300 'mno' 00*12";

/* Each of the lengths wrong by one, and by much, up and down. */
static void wrong_lengths(const char *hex, styx_dialect d, unsigned strings) {
  uint8_t bytes[128], *room = guard_room();
  styx_stat s;
  size_t n = unhex(bytes, hex);
  cr_assert_eq(styx_stat_decode(&s, bytes, n, d), (ptrdiff_t)n);
  for (unsigned i = 0; i < strings; i++)
    for (unsigned wrong = 0; wrong < 0x10000; wrong += wrong < 300 ? 1 : 251) {
      if (wrong == 3)
        continue;
      uint8_t *at = memcpy(room + GUARD_ROOM - n, bytes, n);
      at[41 + 5 * i] = (uint8_t)wrong;
      at[42 + 5 * i] = (uint8_t)(wrong >> 8);
      ptrdiff_t used = styx_stat_decode(&s, at, n, d);
      cr_assert_lt(used, 0, "length %u of string %u: %td", wrong, i, used);
    }
  for (unsigned size = 0; size < 0x10000; size++) {
    uint8_t *at = memcpy(room + GUARD_ROOM - n, bytes, n);
    at[0] = (uint8_t)size;
    at[1] = (uint8_t)(size >> 8);
    size_t least = strings == 5 ? 61 : 47;
    ptrdiff_t want = size + 2 == n                      ? (ptrdiff_t)n
                     : size < least || size + 2 > 65535 ? -STYX_EBADSTAT
                     : size + 2 > n                     ? 0
                                                        : -STYX_EBADSTAT;
    cr_assert_eq(styx_stat_decode(&s, at, n, d), want, "size %u", size);
  }
}

Test(contract, a_malformed_record_is_an_error_and_not_incomplete) {
  wrong_lengths(record, STYX_9P2000, 4);
  wrong_lengths(record, STYX_9P2000_L, 4);
  wrong_lengths(record_u, STYX_9P2000_U, 5);
}

Test(contract, a_record_of_u_is_none_of_9p2000_nor_the_other_way) {
  uint8_t bytes[128];
  styx_stat s;
  size_t n = unhex(bytes, record_u);
  cr_assert_eq(styx_stat_decode(&s, bytes, n, STYX_9P2000), -STYX_EBADSTAT);
  n = unhex(bytes, record);
  cr_assert_lt(styx_stat_decode(&s, bytes, n, STYX_9P2000_U), 0);
  s.n_uid = 7;
  s.extension = (styx_str)STYX_STR("old");
  cr_assert_eq(styx_stat_decode(&s, bytes, n, STYX_9P2000), (ptrdiff_t)n);
  cr_assert(s.n_uid == STYX_NOUID && s.n_gid == STYX_NOUID && s.n_muid == STYX_NOUID && s.extension.len == 0);
}

Test(contract, records_of_u_are_65535_bytes_at_most) {
  static char text[65536];
  static uint8_t bytes[65536];
  memset(text, 'x', sizeof text);
  styx_stat s = {.extension = {text, 65535 - 63}}, got;
  cr_assert_eq(styx_stat_size(&s, STYX_9P2000_U), 65535);
  cr_assert_eq(styx_stat_encode(bytes, 65534, &s, STYX_9P2000_U), -STYX_ENOFIT);
  cr_assert_eq(styx_stat_encode(bytes, 65535, &s, STYX_9P2000_U), 65535);
  cr_assert_eq(styx_stat_decode(&got, bytes, 65535, STYX_9P2000_U), 65535);
  cr_assert(styx_str_eq(got.extension, s.extension));
  s.extension.len++;
  cr_assert_eq(styx_stat_size(&s, STYX_9P2000_U), -STYX_ENOFIT);
  cr_assert_eq(styx_stat_encode(bytes, sizeof bytes, &s, STYX_9P2000_U), -STYX_ENOFIT);
  cr_assert_eq(styx_stat_size(&s, STYX_9P2000), 49, "9P2000 has no extension");
}

/* ---- numbers and constants ---- */

Test(contract, numbers_98_to_127_are_those_of_the_manual) {
  static const char *const names[] = {
      "Topenfd", "Ropenfd", "Tversion", "Rversion", "Tauth",   "Rauth",   "Tattach", "Rattach", NULL,     "Rerror",
      "Tflush",  "Rflush",  "Twalk",    "Rwalk",    "Topen",   "Ropen",   "Tcreate", "Rcreate", "Tread",  "Rread",
      "Twrite",  "Rwrite",  "Tclunk",   "Rclunk",   "Tremove", "Rremove", "Tstat",   "Rstat",   "Twstat", "Rwstat"};
  /* .L keeps these of them */
  static const uint8_t kept[] = {100, 101, 102, 103, 104, 105, 108, 109, 110,
                                 111, 116, 117, 118, 119, 120, 121, 122, 123};
  for (unsigned type = 98; type < 128; type++) {
    const char *name = names[type - 98];
    cr_assert_eq(styx_msg_exists(type, STYX_9P2000), name != NULL, "%u", type);
    cr_assert_eq(styx_msg_exists(type, STYX_9P2000_U), name != NULL, "%u", type);
    cr_assert_eq(styx_msg_exists(type, STYX_9P2000_L), memchr(kept, (int)type, sizeof kept) != NULL, "%u", type);
    cr_assert_eq(styx_msg_name(type) != NULL, name != NULL, "%u", type);
    cr_assert(!name || strcmp(styx_msg_name(type), name) == 0, "%u", type);
    cr_assert_eq(styx_msg_is_t(type), name && name[0] == 'T', "%u", type);
  }
}

Test(contract, numbers_of_L_are_those_of_its_table) {
  static const struct {
    unsigned t;
    const char *name;
  } rows[] = {{8, "statfs"},       {12, "lopen"},    {14, "lcreate"},  {16, "symlink"}, {18, "mknod"},
              {20, "rename"},      {22, "readlink"}, {24, "getattr"},  {26, "setattr"}, {30, "xattrwalk"},
              {32, "xattrcreate"}, {40, "readdir"},  {50, "fsync"},    {52, "lock"},    {54, "getlock"},
              {70, "link"},        {72, "mkdir"},    {74, "renameat"}, {76, "unlinkat"}};
  const char *names[98] = {[7] = "lerror"};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    names[rows[i].t] = names[rows[i].t + 1] = rows[i].name;
  for (unsigned type = 0; type < 98; type++) {
    const char *name = styx_msg_name(type);
    cr_assert_eq(styx_msg_exists(type, STYX_9P2000_L), names[type] != NULL, "%u", type);
    cr_assert_not(styx_msg_exists(type, STYX_9P2000), "%u", type);
    cr_assert_not(styx_msg_exists(type, STYX_9P2000_U), "%u", type);
    cr_assert_eq(name != NULL, names[type] != NULL, "%u", type);
    if (name)
      cr_assert(name[0] == (type % 2 ? 'R' : 'T') && strcmp(name + 1, names[type]) == 0, "%u is %s", type, name);
  }
  for (unsigned type = 128; type < 300; type++)
    for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
      cr_assert_not(styx_msg_exists(type, d), "%u", type);
  cr_assert_not(styx_msg_exists(STYX_Tversion, (styx_dialect)3));
}

Test(contract, numbers_without_a_message_are_refused_in_each_dialect) {
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    for (unsigned type = 0; type < 256; type++) {
      uint8_t bytes[] = {9, 0, 0, 0, (uint8_t)type, 0x34, 0x12, 0, 0}, buf[512];
      styx_msg m = {0};
      if (styx_msg_exists(type, d))
        continue;
      cr_assert_eq(styx_decode(&m, bytes, sizeof bytes, 0, d), -STYX_EUNKNOWN, "%u", type);
      cr_assert(m.type == type && m.tag == 0x1234);
      cr_assert_eq(styx_encoded_size(&m, d), -STYX_EUNKNOWN, "%u", type);
      cr_assert_eq(styx_encode(buf, sizeof buf, &m, d), -STYX_EUNKNOWN, "%u", type);
    }
}

Test(contract, constants_have_the_values_of_the_manual) {
  cr_assert_eq(STYX_MAXWELEM, 16);
  cr_assert_eq(STYX_NOTAG, 65535);
  cr_assert_eq(STYX_NOFID, 4294967295);
  cr_assert_eq(STYX_NOUID, 4294967295);
  cr_assert(STYX_IOHDRSZ == 24 && STYX_IOHDRSZ >= 23 && STYX_IOHDRSZ >= STYX_RREADHDRSZ);
  cr_assert_eq(STYX_HDRSZ, 7);
  cr_assert_eq(STYX_RREADHDRSZ, 11);
  cr_assert_eq(STYX_QIDSZ, 13);
  cr_assert_eq(STYX_STATFIXLEN, 49);
  cr_assert_eq(STYX_STATFIXLEN_U, 63);
  cr_assert_eq(STYX_ERRMAX, 128);
  cr_assert_str_eq(STYX_VERSION_9P2000, "9P2000");
  cr_assert(STYX_QTDIR == 128 && STYX_QTAPPEND == 64 && STYX_QTEXCL == 32 && STYX_QTMOUNT == 16 && STYX_QTAUTH == 8 &&
            STYX_QTTMP == 4 && STYX_QTSYMLINK == 2 && STYX_QTFILE == 0);
  /* the type of a qid is the top byte of the mode */
  cr_assert(STYX_DMDIR >> 24 == STYX_QTDIR && STYX_DMAPPEND >> 24 == STYX_QTAPPEND &&
            STYX_DMEXCL >> 24 == STYX_QTEXCL && STYX_DMAUTH >> 24 == STYX_QTAUTH && STYX_DMTMP >> 24 == STYX_QTTMP &&
            STYX_DMPERM == 0777);
  cr_assert(STYX_OREAD == 0 && STYX_OWRITE == 1 && STYX_ORDWR == 2 && STYX_OEXEC == 3 && STYX_OTRUNC == 16 &&
            STYX_ORCLOSE == 64);
}

/* Inferno's integers have a sign; these must not. */
Test(contract, the_upper_half_of_every_number_is_usable) {
  styx_msg m;
  cr_assert_eq(decode(&m, "17000000 74 feff feffffff 0000000000000080 00000080", STYX_9P2000, 0), 23);
  cr_assert(m.tag == 65534 && m.fid == 4294967294 && m.offset == 9223372036854775808u && m.count == 2147483648u);
  cr_assert_gt(m.offset, 0);
  cr_assert_eq(decode(&m, "14000000 69 0200 80 000000 80 0000000000000080", STYX_9P2000, 0), 20);
  cr_assert(m.qid.vers == 2147483648u && m.qid.path == 9223372036854775808u);
  uint8_t buf[64];
  m = (styx_msg){.type = STYX_Twrite, .fid = 0x80000000, .offset = UINT64_MAX, .count = 0};
  cr_assert_eq(styx_encode(buf, sizeof buf, &m, STYX_9P2000), 23);
  cr_assert_eq(styx_decode(&m, buf, 23, 0, STYX_9P2000), 23);
  cr_assert(m.fid == 0x80000000 && m.offset == UINT64_MAX);
}
