/* version_test.c: what a server answers to Tversion (version(5), contract 1.6 and 1.16), and the constants of styx(2). */
#include <styx/session.h>

#include <criterion/criterion.h>
#include <string.h>

enum { PLAIN = 1 << STYX_9P2000, U = 1 << STYX_9P2000_U, L = 1 << STYX_9P2000_L, ALL = PLAIN | U | L, NONE = -1 };

static const char *const names[] = {"9P2000", "9P2000.u", "9P2000.L"};

/* What is agreed on for this version string: a dialect, or NONE. The whole Rversion is checked. */
static int agreed(const char *theirs, unsigned dialects) {
  styx_msg r, t = {.type = STYX_Tversion, .tag = 77, .msize = 8192, .version = styx_str_of(theirs)};
  styx_dialect dialect = (styx_dialect)0x55;
  memset(&r, 0xA5, sizeof r);
  bool yes = styx_compatible(&r, &t, 65536, dialects, &dialect);
  cr_assert_eq(r.type, STYX_Rversion);
  cr_assert_eq(r.tag, 77);
  cr_assert_eq(r.msize, 8192);
  cr_assert(styx_str_is(r.version, yes ? names[dialect] : "unknown"), "'%s' is answered '%.*s'", theirs,
            (int)r.version.len, r.version.s);
  cr_assert(yes || dialect == (styx_dialect)0x55, "without a version the dialect is untouched");
  return yes ? (int)dialect : NONE;
}

static void expect(const char *theirs, unsigned dialects, int want) {
  int got = agreed(theirs, dialects);
  cr_assert_eq(got, want, "'%s' for mask %u: %d, not %d", theirs, dialects, got, want);
}

Test(version, the_list_of_the_contract_for_a_server_of_9p2000) {
  static const char *const good[] = {"9P2000", "9P2000.u", "9P2000.L", "9P2001", "9P20000", "9P2000."};
  static const char *const bad[] = {"9P",     "9P1999", "9P9",     "9P2000x", "9Pabc",   "",        "9",
                                    "8P2000", "9p2000", " 9P2000", "9P.2000", "9P-2000", "9P2000 ", "9P+2000"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    expect(good[i], PLAIN, STYX_9P2000);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    expect(bad[i], ALL, NONE);
}

Test(version, versions_are_numbers) {
  expect("9P3", ALL, NONE); /* as a string it would be the greater one */
  expect("9P999", ALL, NONE);
  expect("9P10000", ALL, STYX_9P2000); /* as a string it would be the smaller one */
  expect("9P0002000", ALL, STYX_9P2000);
  expect("9P0001999", ALL, NONE);
  expect("9P4294967296", ALL, STYX_9P2000);             /* 2^32 is not 0 */
  expect("9P4294969296.u", ALL, STYX_9P2000);           /* nor is 2^32 + 2000 our 2000 */
  expect("9P18446744073709553616.L", ALL, STYX_9P2000); /* nor 2^64 + 2000 */
  expect("9P99999999999999999999999999999999999999", ALL, STYX_9P2000);
}

Test(version, a_dialect_is_agreed_on_if_the_server_speaks_it) {
  expect("9P2000.u", ALL, STYX_9P2000_U);
  expect("9P2000.L", ALL, STYX_9P2000_L);
  expect("9P2000.u", PLAIN | U, STYX_9P2000_U);
  expect("9P2000.L", PLAIN | U, STYX_9P2000);
  expect("9P2000.u", PLAIN | L, STYX_9P2000);
  expect("9P2000", ALL, STYX_9P2000);
}

Test(version, another_suffix_is_cut_off) {
  static const char *const others[] = {"9P2000.",   "9P2000.foo", "9P2000.U",  "9P2000.l",
                                       "9P2000.uL", "9P2000.u.L", "9P2000..u", "9P2000.e"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    expect(others[i], ALL, STYX_9P2000);
}

Test(version, a_newer_number_with_a_suffix_is_the_base) {
  expect("9P2001.u", ALL, STYX_9P2000);
  expect("9P20000.L", ALL, STYX_9P2000);
}

Test(version, a_server_without_the_base_agrees_on_its_dialect_only) {
  expect("9P2000.L", L, STYX_9P2000_L);
  expect("9P2000.u", L, NONE);
  expect("9P2000", L, NONE);
  expect("9P2001", L, NONE);
  expect("9P2000", 0, NONE);
}

Test(version, a_nul_in_a_version_is_a_byte_like_any_other) {
  styx_msg r, t = {.type = STYX_Tversion, .msize = 8192, .version = STYX_STR("9P2000\0")};
  styx_dialect dialect;
  cr_assert_not(styx_compatible(&r, &t, 8192, ALL, &dialect));
}

Test(version, msize_is_the_lesser_of_both) {
  styx_msg r, t = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 100000, .version = STYX_STR("9P2000")};
  styx_dialect dialect;
  cr_assert(styx_compatible(&r, &t, STYX_MAXRPC, PLAIN, &dialect));
  cr_assert_eq(r.msize, 100000);
  cr_assert(styx_compatible(&r, &t, 8192, PLAIN, &dialect));
  cr_assert_eq(r.msize, 8192);
  t.version = (styx_str)STYX_STR("8P");
  cr_assert_not(styx_compatible(&r, &t, 8192, PLAIN, &dialect));
  cr_assert_eq(r.msize, 8192, "when nothing is agreed as well");
}

Test(version, msize_under_256_is_unknown) {
  styx_msg r, t = {.type = STYX_Tversion, .tag = STYX_NOTAG, .version = STYX_STR("9P2000")};
  styx_dialect dialect;
  for (uint32_t msize = 0; msize < 256; msize++) { /* 0 above all: to a reader it would mean "no limit" */
    t.msize = msize;
    cr_assert_not(styx_compatible(&r, &t, 8192, ALL, &dialect));
    cr_assert(styx_str_is(r.version, "unknown"));
    cr_assert_eq(r.msize, msize);
  }
  t.msize = 256;
  cr_assert(styx_compatible(&r, &t, 8192, ALL, &dialect));
  cr_assert_not(styx_compatible(&r, &t, 255, ALL, &dialect), "the server's own counts too");
}

Test(version, the_answer_outlives_the_question_and_may_take_its_place) {
  char words[] = "9P2000.u";
  styx_msg m = {.type = STYX_Tversion, .tag = 3, .msize = 8192, .version = {words, sizeof words - 1}};
  styx_dialect dialect;
  cr_assert(styx_compatible(&m, &m, 4096, ALL, &dialect));
  memset(words, 'x', sizeof words);
  cr_assert_eq(m.type, STYX_Rversion);
  cr_assert_eq(m.tag, 3);
  cr_assert_eq(m.msize, 4096);
  cr_assert(styx_str_is(m.version, "9P2000.u"));
}

Test(version, each_dialect_has_its_name) {
  for (int d = 0; d < 3; d++)
    cr_assert_str_eq(styx_dialect_version((styx_dialect)d), names[d]);
  cr_assert_str_eq(styx_dialect_version((styx_dialect)3), "unknown");
}

Test(constants, are_those_of_the_manual) {
  cr_assert_str_eq(STYX_VERSION_9P2000, "9P2000");
  cr_assert_eq(STYX_MAXWELEM, 16);
  cr_assert_eq(STYX_NOTAG, 0xFFFF);
  cr_assert_eq(STYX_NOFID, ~(uint32_t)0);
  cr_assert_geq(STYX_IOHDRSZ, 23, "the header of a Twrite");
  cr_assert_eq(STYX_MAXRPC, styx_limits_default().msize, "what styxd offers");
}

Test(constants, the_top_byte_of_a_mode_is_the_type_of_the_qid) {
  static const struct {
    uint32_t mode;
    uint8_t type;
  } pairs[] = {{STYX_DMDIR, STYX_QTDIR},   {STYX_DMAPPEND, STYX_QTAPPEND}, {STYX_DMEXCL, STYX_QTEXCL},
               {STYX_DMAUTH, STYX_QTAUTH}, {STYX_DMTMP, STYX_QTTMP},       {STYX_DMSYMLINK, STYX_QTSYMLINK},
               {STYX_DMLINK, STYX_QTLINK}, {STYX_DMMOUNT, STYX_QTMOUNT}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    cr_assert_eq(pairs[i].mode >> 24, pairs[i].type);
}

Test(constants, masks_have_no_bit_twice) {
  static const uint64_t get[] = {STYX_GETATTR_MODE, STYX_GETATTR_NLINK,       STYX_GETATTR_UID,    STYX_GETATTR_GID,
                                 STYX_GETATTR_RDEV, STYX_GETATTR_ATIME,       STYX_GETATTR_MTIME,  STYX_GETATTR_CTIME,
                                 STYX_GETATTR_INO,  STYX_GETATTR_SIZE,        STYX_GETATTR_BLOCKS, STYX_GETATTR_BTIME,
                                 STYX_GETATTR_GEN,  STYX_GETATTR_DATA_VERSION};
  static const uint64_t set[] = {STYX_SETATTR_MODE,  STYX_SETATTR_UID,       STYX_SETATTR_GID,
                                 STYX_SETATTR_SIZE,  STYX_SETATTR_ATIME,     STYX_SETATTR_MTIME,
                                 STYX_SETATTR_CTIME, STYX_SETATTR_ATIME_SET, STYX_SETATTR_MTIME_SET};
  static const uint64_t mode[] = {STYX_DMDIR,    STYX_DMAPPEND,  STYX_DMEXCL,   STYX_DMMOUNT,  STYX_DMAUTH,
                                  STYX_DMTMP,    STYX_DMSYMLINK, STYX_DMLINK,   STYX_DMDEVICE, STYX_DMNAMEDPIPE,
                                  STYX_DMSOCKET, STYX_DMSETUID,  STYX_DMSETGID, STYX_DMSETVTX};
  uint64_t all = 0;
  for (size_t i = 0; i < sizeof get / sizeof *get; i++)
    cr_assert_eq(get[i], 1u << i); /* in the order of the wire's bits, none left out */
  for (size_t i = 0; i < 11; i++)
    all |= get[i];
  cr_assert_eq(all, STYX_GETATTR_BASIC);
  cr_assert_eq(STYX_GETATTR_ALL, (1u << 14) - 1);
  for (size_t i = 0; i < sizeof set / sizeof *set; i++)
    cr_assert_eq(set[i], 1u << i);
  all = STYX_DMPERM;
  for (size_t i = 0; i < sizeof mode / sizeof *mode; i++) {
    cr_assert_eq(all & mode[i], 0, "0x%llx", (unsigned long long)mode[i]);
    all |= mode[i];
  }
}
