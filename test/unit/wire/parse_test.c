/* parse_test.c: what printing gives is read back; anything else is refused, at the right place. */
#include "guard.h"
#include "lines.h"

#include <stdio.h>

enum { ROOM = 4096 };

static styx_err parse(styx_msg *m, const char *text, styx_dialect d) {
  static uint8_t room[ROOM];
  return styx_msg_parse(m, text, strlen(text), d, room, sizeof room, NULL);
}

/* text means the message that golden is the line of. */
static void means(const char *text, const char *golden, styx_dialect d) {
  styx_msg m;
  char line[1024];
  cr_assert_eq(parse(&m, text, d), STYX_OK, "%s", text);
  styx_msg_print_whole(line, sizeof line, &m, d);
  cr_assert_str_eq(line, golden);
}

static void refused_as(const char *text, size_t at, styx_dialect d) {
  styx_msg m = {.type = 33, .tag = 44};
  uint8_t room[ROOM];
  const char *where = NULL;
  cr_assert_eq(styx_msg_parse(&m, text, strlen(text), d, room, sizeof room, &where), STYX_EBADARG, "%s", text);
  cr_assert_eq(where - text, (ptrdiff_t)at, "at %td, not %zu: %s", where - text, at, text);
  cr_assert(m.type == 33 && m.tag == 44);
}

/* Refused where the text has a bar, which is not in it otherwise. */
static void refused_in(const char *barred, styx_dialect d) {
  char text[1024];
  size_t at = strcspn(barred, "|");
  cr_assert_lt(snprintf(text, sizeof text, "%.*s%s", (int)at, barred, barred + at + 1), (int)sizeof text);
  refused_as(text, at, d);
}

static void refused(const char *barred) { refused_in(barred, STYX_9P2000); }

/* The bytes of a message, as a string that can be compared; to be freed. */
static styx_str encoded(const styx_msg *m, styx_dialect d) {
  ptrdiff_t size = styx_encoded_size(m, d);
  cr_assert_gt(size, 0);
  uint8_t *bytes = malloc((size_t)size);
  cr_assert_eq(styx_encode(bytes, (size_t)size, m, d), size);
  return (styx_str){(const char *)bytes, (size_t)size};
}

/* Printed whole and parsed, in rooms of just the right size between guard pages, m encodes to the same bytes. */
static void goes_round(const styx_msg *m, styx_dialect d, uint8_t *text_room, uint8_t *string_room) {
  size_t len = styx_msg_print_whole(NULL, 0, m, d);
  cr_assert_lt(len, GUARD_ROOM);
  char *line = malloc(len + 1), *text = (char *)text_room + GUARD_ROOM - len;
  styx_msg_print_whole(line, len + 1, m, d);
  memcpy(text, line, len);
  styx_msg got;
  const char *where = "nowhere";
  styx_err err = styx_msg_parse(&got, text, len, d, string_room + GUARD_ROOM - len, len, &where);
  cr_assert_eq(err, STYX_OK, "%s\nat: %.*s", line, (int)(text + len - where), where);
  cr_assert_str_eq(where, "nowhere");
  styx_str want = encoded(m, d), bytes = encoded(&got, d);
  cr_assert(styx_str_eq(want, bytes), "%s", line);
  free((void *)(uintptr_t)want.s);
  free((void *)(uintptr_t)bytes.s);
  free(line);
}

Test(parse, every_line_of_every_dialect_is_read_back) {
  uint8_t *text_room = guard_room(), *string_room = guard_room();
  for (size_t i = 0; i < NLINES; i++)
    for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
      if (line_holds(i, d))
        goes_round(&lines[i].msg, d, text_room, string_room);
}

Test(parse, every_beginning_of_a_line_is_refused_or_another_line) {
  uint8_t *room = guard_room();
  unsigned complete = 0;
  for (size_t i = 0; i < NLINES; i++)
    for (size_t cut = 0; cut < strlen(lines[i].text); cut++) {
      char *at = (char *)room + GUARD_ROOM - cut, again[1024];
      uint8_t strings[ROOM];
      const char *where = NULL;
      styx_msg m;
      memcpy(at, lines[i].text, cut);
      styx_dialect d = line_dialect(i);
      styx_err err = styx_msg_parse(&m, at, cut, d, strings, sizeof strings, &where);
      if (err) {
        cr_assert_eq(err, STYX_EBADARG);
        cr_assert(where >= at && where <= at + cut);
        continue;
      }
      complete++;
      cr_assert_lt(styx_msg_print_whole(again, sizeof again, &m, d), sizeof again);
      cr_assert(memcmp(again, lines[i].text, cut) == 0, "%.*s was read as %s", (int)cut, lines[i].text, again);
    }
  cr_assert_gt(complete, NLINES / 4); /* "fid 1" of "fid 12" */
}

Test(parse, no_single_byte_makes_it_read_outside) {
  uint8_t *room = guard_room(), strings[ROOM];
  for (size_t i = 0; i < NLINES; i++) {
    size_t len = strlen(lines[i].text);
    char *at = (char *)room + GUARD_ROOM - len;
    memcpy(at, lines[i].text, len);
    for (size_t k = 0; k < len; k++) {
      for (unsigned byte = 0; byte < 256; byte++) {
        styx_msg m;
        at[k] = (char)byte;
        styx_msg_parse(&m, at, len, line_dialect(i), strings, sizeof strings, NULL);
      }
      at[k] = lines[i].text[k];
    }
  }
}

Test(parse, a_room_that_is_too_small_is_refused) {
  static const char text[] = "Twalk tag 1 fid 1 newfid 2 nwname 2 'abc' 'd'";
  uint8_t *room = guard_room();
  for (size_t cap = 0; cap <= 4; cap++) {
    styx_msg m = {.type = 33};
    const char *where = NULL;
    styx_err err = styx_msg_parse(&m, text, sizeof text - 1, STYX_9P2000, room + GUARD_ROOM - cap, cap, &where);
    cr_assert_eq(err, cap < 4 ? STYX_ENOFIT : STYX_OK);
    cr_assert_eq(m.type, cap < 4 ? 33 : STYX_Twalk);
    if (cap < 4)
      cr_assert_eq(where, strstr(text, cap < 3 ? "'abc'" : "'d'"));
    else
      cr_assert(styx_str_is(m.wname[1], "d") && m.wname[1].s == (char *)room + GUARD_ROOM - 1);
  }
}

Test(parse, numbers_are_decimal_hexadecimal_or_octal) {
  means("Tclunk tag 0x10 fid 010", "Tclunk tag 16 fid 8", STYX_9P2000);
  means("Tclunk tag 0xfFfF fid 0xffffffff", "Tclunk tag NOTAG fid NOFID", STYX_9P2000);
  means("Tclunk tag NOTAG fid NOTAG", "Tclunk tag NOTAG fid 65535", STYX_9P2000);
  means("Tread tag 0 fid NOFID offset NOFID count 00", "Tread tag 0 fid NOFID offset 4294967295 count 0", STYX_9P2000);
  means("Twalk tag 1 fid 1 newfid 1 nwname 0x1 'a'", "Twalk tag 1 fid 1 newfid 1 nwname 1 'a'", STYX_9P2000);
}

Test(parse, blanks_stand_anywhere_between_words) {
  means(" \tRwalk\ttag 1  nwqid 1( 0x1 2 d ) ", "Rwalk tag 1 nwqid 1 (0x1 2 d)", STYX_9P2000);
  means("Twalk tag 1 fid 1 newfid 1 nwname 2'a''b'", "Twalk tag 1 fid 1 newfid 1 nwname 2 'a' 'b'", STYX_9P2000);
  refused("Tclunk tag 1 fid 1|\n");
  refused("Tclunk tag 1 fid 1 |\v");
}

Test(parse, numbers_that_a_field_cannot_hold_are_refused) {
  refused("Tclunk tag |65536 fid 1");
  refused("Tclunk tag |NOFID fid 1");
  refused("Tclunk tag 1 fid |4294967296");
  refused("Topen tag 1 fid 1 mode |256");
  refused("Topen tag 1 fid 1 mode |NOTAG");
  refused("Tread tag 1 fid 1 offset |18446744073709551616 count 1");
  refused("Tread tag 1 fid 1 offset |0x10000000000000000 count 1");
  refused("Tread tag 1 fid 1 offset |02000000000000000000000 count 1");
  refused("Tread tag 1 fid 1 offset |99999999999999999999999999999999 count 1");
  refused("Rattach tag 1 qid (0x1 |4294967296 d)");
  refused("Rattach tag 1 qid (|0x10000000000000000 1 d)");
  refused("Rstat tag 1 stat (type |65536 ...)");
  means("Tread tag 0 fid 0 offset 01777777777777777777777 count 0",
        "Tread tag 0 fid 0 offset 18446744073709551615 count 0", STYX_9P2000);
}

Test(parse, what_is_no_number_is_refused) {
  static const char *const bad[] = {"",    "-1",   "+1",  "08",     "0x",    "0xg",   "1a",   "1.5",
                                    "1e3", "0b11", "one", "NOTAGs", "notag", "'1'",   "(1)",  "0x1x",
                                    "...", "1_0",  "--1", "0X10",   "NOFID", "NOUID", "1,000"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[64];
    snprintf(text, sizeof text, "Rflush tag %s", bad[i]);
    refused_as(text, strcmp(bad[i], "1,000") == 0 ? 12 : 11, STYX_9P2000);
  }
}

Test(parse, names_have_to_be_those_of_the_table_in_its_order) {
  refused("|");
  refused("   |");
  refused("|twalk tag 1");
  refused("|Twalks tag 1");
  refused("|message 106 tag 9");
  refused("|Readerror ename 'x'");
  refused("|'Twalk' tag 1");
  refused("Tclunk |");
  refused("Tclunk |fid 1");
  refused("Tclunk tag 1|");
  refused("Tclunk tag 1 |tag 1");
  refused("Tclunk tag 1 |Fid 1");
  refused("Tclunk tag 1 |fidx 1");
  refused("Tclunk tag 1 |afid 1");
  refused("Tclunk tag 1 fid 1 |fid 1");
  refused("Tread tag 1 fid 1 |count 1 offset 1");
  refused("Rclunk tag 1 |x");
  refused("Rclunk tag 1|)");
}

Test(parse, each_dialect_has_its_own_messages_and_fields) {
  refused_in("|Topen tag 1 fid 1 mode 0", STYX_9P2000_L);
  refused_in("|Tlopen tag 1 fid 1 flags 0", STYX_9P2000_U);
  refused_in("|Rlerror tag 1 ecode 1", STYX_9P2000);
  refused_in("|Tclunk tag 1 fid 1", (styx_dialect)3);
  refused_in("Rerror tag 1 ename 'x' |ecode 1", STYX_9P2000);
  refused_in("Rerror tag 1 ename 'x'|", STYX_9P2000_U);
  refused_in("Tattach tag 1 fid 1 afid 1 uname '' aname '' |n_uname 1", STYX_9P2000);
  refused_in("Tattach tag 1 fid 1 afid 1 uname '' aname ''|", STYX_9P2000_L);
  refused_in("Rgetattr tag 1 ... |attr.modes 1", STYX_9P2000_L);
}

Test(parse, strings_hold_any_byte_in_two_hex_digits) {
  uint8_t room[64];
  styx_msg m;
  static const char text[] = "Rerror tag 1 ename '\\x00\\xFf\\x27\\x5c \xc3\xa4\xff'";
  cr_assert_eq(styx_msg_parse(&m, text, sizeof text - 1, STYX_9P2000, room, sizeof room, NULL), STYX_OK);
  cr_assert_eq(m.ename.len, 8);
  cr_assert(memcmp(m.ename.s, "\0\xff'\\ \xc3\xa4\xff", 8) == 0);
  cr_assert_eq(m.ename.s, (char *)room);
}

Test(parse, what_strings_say_is_not_judged) {
  means("Tcreate tag 1 fid 1 name 'a/b\\x00' perm 00 mode 0", "Tcreate tag 1 fid 1 name 'a/b\\x00' perm 00 mode 0",
        STYX_9P2000);
  means("Twalk tag 1 fid 1 newfid 1 nwname 2 '' '\\xc0'", "Twalk tag 1 fid 1 newfid 1 nwname 2 '' '\\xc0'",
        STYX_9P2000);
}

Test(parse, strings_that_do_not_end_or_escape_badly_are_refused) {
  refused("Rerror tag 1 ename |'");
  refused("Rerror tag 1 ename |'abc");
  refused("Rerror tag 1 ename |abc");
  refused("Rerror tag 1 ename |\"abc\"");
  refused("Rerror tag 1 ename '|\\'");
  refused("Rerror tag 1 ename '|\\n'");
  refused("Rerror tag 1 ename '|\\X41'");
  refused("Rerror tag 1 ename '|\\x4'");
  refused("Rerror tag 1 ename '|\\xg4'");
  refused("Rerror tag 1 ename '|\\x4g'");
  refused("Rerror tag 1 ename 'a|\\x4");
  refused("Rerror tag 1 ename 'a|\\");
  refused("Rerror tag 1 ename 'a|\n'");
  refused("Rerror tag 1 ename 'a|\x7f'");
  refused("Rerror tag 1 ename 'a'|b'");
  uint8_t room[8];
  styx_msg m;
  cr_assert_eq(styx_msg_parse(&m, "Rerror tag 1 ename '\0'", 22, STYX_9P2000, room, sizeof room, NULL), STYX_EBADARG);
}

Test(parse, a_string_longer_than_its_count_can_say_is_refused) {
  static char text[70000];
  static uint8_t room[70000];
  const size_t start = 19;
  for (size_t len = 65535; len <= 65536; len++) {
    styx_msg m;
    const char *where = NULL;
    memset(text, 'x', sizeof text);
    memcpy(text, "Rerror tag 1 ename '", start + 1);
    text[start + 1 + len] = '\'';
    styx_err err = styx_msg_parse(&m, text, start + 2 + len, STYX_9P2000, room, sizeof room, &where);
    cr_assert_eq(err, len == 65535 ? STYX_OK : STYX_EBADARG);
    cr_assert(len == 65535 ? styx_encoded_size(&m, STYX_9P2000) == 65535 + 9 : where == text + start);
  }
}

Test(parse, qids_are_three_values_in_parentheses) {
  means("Rattach tag 1 qid (1 0x2 hLtAmlad)", "Rattach tag 1 qid (0x1 2 dalmAtLh)", STYX_9P2000);
  refused("Rattach tag 1 qid |1 2 d");
  refused("Rattach tag 1 qid (1 2|)");
  refused("Rattach tag 1 qid (1 |d)");
  refused("Rattach tag 1 qid (1 2 d|x)");
  refused("Rattach tag 1 qid (1 2 d|-)");
  refused("Rattach tag 1 qid (1 2 -|");
  refused("Rattach tag 1 qid (1 2 d |3)");
}

Test(parse, lists_have_as_many_values_as_their_count_says) {
  refused("Twalk tag 1 fid 1 newfid 1 nwname 2 'a'|");
  refused("Twalk tag 1 fid 1 newfid 1 nwname 1 'a' |'b'");
  refused("Twalk tag 1 fid 1 newfid 1 nwname |17 'a'");
  refused("Twalk tag 1 fid 1 newfid 1 nwname 2 'a' |...");
  refused("Rwalk tag 1 nwqid |17");
  refused("Rwalk tag 1 nwqid 1|");
  refused("Rwalk tag 1 nwqid 1 |'a'");
  refused("Rwalk tag 1 nwqid |65536");
}

Test(parse, data_has_the_length_that_its_count_says) {
  refused("Rread tag 1 count 2 data 'a'|");
  refused("Rread tag 1 count 1 data 'ab'|");
  refused("Rread tag 1 count 33 data '0123456789abcdef0123456789abcdef'|...");
  refused("Rread tag 1 count 1 |...");
  refused("Rread tag 1 count 1|");
  means("Rread tag 1 ... data 'abc'", "Rread tag 1 count 3 data 'abc'", STYX_9P2000);
  means("Rread tag 1 count 0 ...", "Rread tag 1 count 0 data ''", STYX_9P2000);
}

Test(parse, dots_stand_for_fields_that_are_not_given) {
  means("Tread ...", "Tread tag 0 fid 0 offset 0 count 0", STYX_9P2000);
  means("Tread ... count 5", "Tread tag 0 fid 0 offset 0 count 5", STYX_9P2000);
  means("Tread tag 3 ... offset 4 ...", "Tread tag 3 fid 0 offset 4 count 0", STYX_9P2000);
  means("Rflush ... tag 3", "Rflush tag 3", STYX_9P2000);
  means("Rflush tag 3 ...", "Rflush tag 3", STYX_9P2000);
  means("Twalk tag 1 ...", "Twalk tag 1 fid 0 newfid 0 nwname 0", STYX_9P2000);
  means("Rwalk tag 1 ...", "Rwalk tag 1 nwqid 0", STYX_9P2000);
  means("Tcreate tag 1 ... name 'n' ... extension 'x'", "Tcreate tag 1 fid 0 name 'n' perm 00 mode 0 extension 'x'",
        STYX_9P2000_U);
  means("Tattach tag 1 fid 1 ...", "Tattach tag 1 fid 1 afid 0 uname '' aname '' n_uname 4294967295", STYX_9P2000_U);
  means("Tgetlock ... lock.start 5 ...",
        "Tgetlock tag 0 fid 0 lock.type 0 lock.start 5 lock.length 0 lock.proc_id 0 lock.client_id ''", STYX_9P2000_L);
  refused("Tread ... |... count 5");
  refused("Tread ... |size 5");
  refused("Tread ... count 5 |offset 4");
  refused("Tread |...count 5");
  refused("Tread |.. count 5");
}

Test(parse, a_stat_of_which_fields_are_missing_says_nothing_with_them) {
  means("Twstat tag 1 fid 2 stat (...)",
        "Twstat tag 1 fid 2 stat (type 65535 dev 4294967295 qid (0xffffffffffffffff 4294967295 dalmAtLh) mode "
        "037777777777 atime 4294967295 mtime 4294967295 length 18446744073709551615 name '' uid '' gid '' muid '' "
        "extension '' n_uid 4294967295 n_gid 4294967295 n_muid 4294967295)",
        STYX_9P2000_U);
  means("Twstat ...",
        "Twstat tag 0 fid 0 stat (type 65535 dev 4294967295 qid (0xffffffffffffffff 4294967295 dalmAtLh) mode "
        "037777777777 atime 4294967295 mtime 4294967295 length 18446744073709551615 name '' uid '' gid '' muid '')",
        STYX_9P2000);
  means("Rstat tag 1 stat (... length 5 ...)",
        "Rstat tag 1 stat (type 0 dev 0 qid (0x0 0 -) mode 00 atime 0 mtime 0 length 5 name '' uid '' gid '' muid '' "
        "extension '' n_uid 4294967295 n_gid 4294967295 n_muid 4294967295)",
        STYX_9P2000_U);
  refused("Rstat tag 1 stat |...");
  refused("Rstat tag 1 stat (...|");
  refused("Rstat tag 1 stat (... |extension 'x')");
  refused("Rstat tag 1 stat (... length 5 |type 4)");
  refused("Rstat tag 1 stat (...) |stat (...)");
}

/* ---- random messages ---- */

static char bytes[64];

static uint64_t any(uint64_t max) {
  uint64_t v = (uint64_t)random() << 62 ^ (uint64_t)random() << 31 ^ (uint64_t)random();
  return random() % 8 == 0 ? max : v >> random() % 64 & max;
}

static styx_str any_str(void) {
  size_t start = (size_t)random() % sizeof bytes;
  return (styx_str){bytes + start, (size_t)random() % (sizeof bytes - start + 1)};
}

static styx_qid any_qid(void) {
  return (styx_qid){(uint8_t)any(UINT8_MAX), (uint32_t)any(UINT32_MAX), any(UINT64_MAX)};
}

static styx_stat any_stat(void) {
  return (styx_stat){.type = (uint16_t)any(UINT16_MAX),
                     .dev = (uint32_t)any(UINT32_MAX),
                     .qid = any_qid(),
                     .mode = (uint32_t)any(UINT32_MAX),
                     .atime = (uint32_t)any(UINT32_MAX),
                     .mtime = (uint32_t)any(UINT32_MAX),
                     .length = any(UINT64_MAX),
                     .name = any_str(),
                     .uid = any_str(),
                     .gid = any_str(),
                     .muid = any_str(),
                     .extension = any_str(),
                     .n_uid = (uint32_t)any(UINT32_MAX),
                     .n_gid = (uint32_t)any(UINT32_MAX),
                     .n_muid = (uint32_t)any(UINT32_MAX)};
}

static void any_names(styx_msg *m) {
  m->nwname = (uint16_t)(random() % (STYX_MAXWELEM + 1));
  for (unsigned i = 0; i < m->nwname; i++)
    m->wname[i] = any_str();
}

static void any_qids(styx_msg *m) {
  m->nwqid = (uint16_t)(random() % (STYX_MAXWELEM + 1));
  for (unsigned i = 0; i < m->nwqid; i++)
    m->wqid[i] = any_qid();
}

static void any_data(styx_msg *m) {
  styx_str s = any_str();
  m->data = (const uint8_t *)s.s;
  m->count = (uint32_t)s.len;
}

#define U(fields) fields
#define UL(fields) fields
#define U8(f) m->f = (uint8_t)any(UINT8_MAX);
#define U16(f) m->f = (uint16_t)any(UINT16_MAX);
#define U32(f) m->f = (uint32_t)any(UINT32_MAX);
#define U64(f) m->f = any(UINT64_MAX);
#define TAG(f) U16(f)
#define FID(f) U32(f)
#define PERM(f) U32(f)
#define STR(f) m->f = any_str();
#define TEXT(f) STR(f)
#define NAME(f) STR(f)
#define QID(f) m->f = any_qid();
#define STAT(f) m->f = any_stat();
#define NAMES() any_names(m);
#define QIDS() any_qids(m);
#define DATA() any_data(m);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

static void any_fields(styx_msg *m) {
  switch (m->type) {
#include <styx/messages.def>
  default:
    break;
  }
}

Test(parse, no_text_at_all_is_refused_and_an_empty_string_needs_no_room) {
  styx_msg m = {.type = 33};
  const char *where = NULL, text[] = "Rreadlink tag 1 target ''";
  cr_assert_eq(styx_msg_parse(&m, NULL, 0, STYX_9P2000, NULL, 0, &where), STYX_EBADARG);
  cr_assert(m.type == 33 && where);
  cr_assert_eq(styx_msg_parse(&m, text, sizeof text - 1, STYX_9P2000_L, NULL, 0, &where), STYX_OK);
  cr_assert_eq(m.target.len, 0);
}

Test(parse, random_messages_are_read_back) {
  const char *given = getenv("STYX_SEED");
  unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 9u;
  cr_log_info("STYX_SEED=%u", seed);
  srandom(seed);
  uint8_t *text_room = guard_room(), *string_room = guard_room();
  for (unsigned i = 0; i < 100 * 128 * 3; i++) {
    styx_dialect d = i % 3;
    styx_msg m = {.type = (uint8_t)(i / 3 % 128), .tag = (uint16_t)any(UINT16_MAX)};
    if (!styx_msg_exists(m.type, d))
      continue;
    for (size_t k = 0; k < sizeof bytes; k++)
      bytes[k] = (char)random();
    any_fields(&m);
    goes_round(&m, d, text_room, string_room);
  }
}
