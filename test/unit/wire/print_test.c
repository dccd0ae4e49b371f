/* print_test.c: one safe line for each message. */
#include "guard.h"
#include "lines.h"

#include <stdio.h>

Test(print, every_message_of_every_dialect_has_its_line) {
  bool seen[3][256] = {{false}};
  for (size_t i = 0; i < NLINES; i++)
    for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++) {
      char buf[1024];
      if (!line_holds(i, d))
        continue;
      cr_assert_eq(styx_msg_print(buf, sizeof buf, &lines[i].msg, d), strlen(lines[i].text), "%s", lines[i].text);
      cr_assert_str_eq(buf, lines[i].text);
      seen[d][lines[i].msg.type] = true;
    }
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    for (unsigned type = 0; type < 256; type++)
      cr_assert(seen[d][type] || !styx_msg_exists(type, d), "no line for %s in dialect %d", styx_msg_name(type),
                (int)d);
}

Test(print, what_a_dialect_does_not_have_is_a_number) {
  for (unsigned dialect = 0; dialect < 4; dialect++)
    for (unsigned type = 1; type < 256; type++) {
      styx_dialect d = (styx_dialect)dialect;
      styx_msg m = {.type = (uint8_t)type, .tag = STYX_NOTAG};
      char buf[1024], want[64];
      if (styx_msg_exists(type, d))
        continue;
      snprintf(want, sizeof want, "message %u tag NOTAG", type);
      cr_assert_eq(styx_msg_print(buf, sizeof buf, &m, d), strlen(want));
      cr_assert_str_eq(buf, want);
    }
}

Test(print, no_message_at_all_prints_its_reason) {
  styx_msg m = {.type = STYX_Readerror, .tag = 7, .ename = STYX_STR("it's\nover")};
  static const char want[] = "Readerror ename 'it\\x27s\\x0aover'";
  char buf[64];
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++) {
    cr_assert_eq(styx_msg_print(buf, sizeof buf, &m, d), sizeof want - 1);
    cr_assert_str_eq(buf, want);
  }
}

Test(print, a_type_0_that_came_can_be_printed) {
  styx_msg m;
  char buf[64];
  memset(&m, 0xFF, sizeof m);
  cr_assert_eq(styx_decode(&m, "\7\0\0\0\0\1\0", 7, 0, STYX_9P2000), -STYX_EUNKNOWN);
  cr_assert_eq(styx_msg_print(buf, sizeof buf, &m, STYX_9P2000), 18);
  cr_assert_str_eq(buf, "Readerror ename ''");
}

Test(print, only_whole_printing_gives_all_of_the_data) {
  static const char text[] = "0123456789abcdef0123456789abcdefX";
  styx_msg m = {.type = STYX_Rread, .count = 33, .data = (const uint8_t *)text};
  char buf[128];
  cr_assert_eq(styx_msg_print_whole(buf, sizeof buf, &m, STYX_9P2000), 61);
  cr_assert_str_eq(buf, "Rread tag 0 count 33 data '0123456789abcdef0123456789abcdefX'");
}

Test(print, a_short_buffer_gets_a_terminated_beginning_and_the_whole_length) {
  for (size_t i = 0; i < NLINES; i++) {
    size_t len = strlen(lines[i].text);
    uint8_t *room = guard_room();
    for (size_t cap = 0; cap <= len; cap++) {
      char *buf = (char *)room + GUARD_ROOM - cap;
      cr_assert_eq(styx_msg_print(cap ? buf : NULL, cap, &lines[i].msg, line_dialect(i)), len);
      cr_assert(cap == 0 || (strlen(buf) == cap - 1 && memcmp(buf, lines[i].text, cap - 1) == 0));
    }
    munmap(room - GUARD_PAGE, GUARD_ROOM + 2 * GUARD_PAGE);
  }
}

static const char *quoted(const char *bytes, size_t len) {
  static char buf[4096];
  styx_msg m = {.type = STYX_Rerror, .ename = {bytes, len}};
  styx_msg_print(buf, sizeof buf, &m, STYX_9P2000);
  return buf + sizeof "Rerror tag 0 ename " - 1;
}
#define QUOTED(literal) quoted(literal, sizeof(literal) - 1)

Test(print, hostile_bytes_are_escaped) {
  cr_assert_str_eq(QUOTED("a\nb\r\t\x1b[2J\x7f"), "'a\\x0ab\\x0d\\x09\\x1b[2J\\x7f'");
  cr_assert_str_eq(QUOTED("it's \\"), "'it\\x27s \\x5c'");
  cr_assert_str_eq(QUOTED("\0\xff\xc3"), "'\\x00\\xff\\xc3'");
  cr_assert_str_eq(QUOTED("\xc2\x9b"), "'\\xc2\\x9b'");          /* a control of Latin-1 */
  cr_assert_str_eq(QUOTED("\xe2\x80\xae"), "'\\xe2\\x80\\xae'"); /* text direction reversed */
  cr_assert_str_eq(QUOTED("\xe2\x80\xa8"), "'\\xe2\\x80\\xa8'"); /* a line separator */
  cr_assert_str_eq(QUOTED("\xed\xa0\x80"), "'\\xed\\xa0\\x80'"); /* a surrogate */
}

Test(print, readable_text_of_any_script_is_shown) {
  cr_assert_str_eq(QUOTED("gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80"),
                   "'gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80'");
}

Test(print, a_cut_never_splits_a_character) {
  styx_msg m = {.type = STYX_Rerror, .ename = STYX_STR("\xe6\x97\xa5")};
  char buf[64];
  size_t start = sizeof "Rerror tag 0 ename '" - 1;
  styx_msg_print(buf, start + 3, &m, STYX_9P2000);
  cr_assert_eq(strlen(buf), start);
}

Test(print, every_byte_in_every_string_gives_one_printable_line) {
  for (unsigned a = 0; a < 256; a++)
    for (unsigned b = 0; b < 256; b++) {
      char bytes[] = {(char)a, (char)b};
      const char *line = quoted(bytes, 2);
      for (const char *p = line; *p; p++)
        cr_assert((uint8_t)*p >= ' ' && *p != 0x7F);
    }
}

Test(print, impossible_counts_of_names_are_survived) {
  styx_msg m = {.type = STYX_Twalk, .nwname = 65535};
  char buf[256];
  styx_msg_print(buf, sizeof buf, &m, STYX_9P2000);
  cr_assert_eq(strncmp(buf, "Twalk tag 0 fid 0 newfid 0 nwname 65535 ''", 42), 0);
}

Test(print, qids_print_alone) {
  static const struct {
    const char *text;
    styx_qid qid;
  } qids[] = {{"(0x0 0 -)", {0, 0, 0}},
              {"(0x2 1 -)", {STYX_QTFILE, 1, 2}},
              {"(0x1 0 d)", {STYX_QTDIR, 0, 1}},
              {"(0x1 0 a)", {STYX_QTAPPEND, 0, 1}},
              {"(0x1 0 l)", {STYX_QTEXCL, 0, 1}},
              {"(0x1 0 m)", {STYX_QTMOUNT, 0, 1}},
              {"(0x1 0 A)", {STYX_QTAUTH, 0, 1}},
              {"(0x1 0 t)", {STYX_QTTMP, 0, 1}},
              {"(0x1 0 L)", {STYX_QTSYMLINK, 0, 1}},
              {"(0x1 0 h)", {0x01, 0, 1}},
              {"(0x1 0 dlt)", {STYX_QTDIR | STYX_QTEXCL | STYX_QTTMP, 0, 1}},
              {"(0xffffffffffffffff 4294967295 dalmAtLh)", {0xFF, UINT32_MAX, UINT64_MAX}}};
  for (size_t i = 0; i < sizeof qids / sizeof *qids; i++) {
    char buf[64];
    cr_assert_eq(styx_qid_print(buf, sizeof buf, qids[i].qid), strlen(qids[i].text));
    cr_assert_str_eq(buf, qids[i].text);
  }
}

static void check_stat(const styx_stat *stat, styx_dialect dialect, const char *want) {
  char buf[512];
  cr_assert_eq(styx_stat_print(buf, sizeof buf, stat, dialect), strlen(want));
  cr_assert_str_eq(buf, want);
}

Test(print, stats_print_alone_and_in_u_with_more_fields) {
  const styx_stat s = {.mode = 0644, .name = S("n"), .extension = S("to"), .n_uid = 1000, .n_gid = STYX_NOUID};
#define BASE_FIELDS "type 0 dev 0 qid (0x0 0 -) mode 0644 atime 0 mtime 0 length 0 name 'n' uid '' gid '' muid ''"
  check_stat(&s, STYX_9P2000, BASE_FIELDS);
  check_stat(&s, STYX_9P2000_L, BASE_FIELDS);
  check_stat(&s, STYX_9P2000_U, BASE_FIELDS " extension 'to' n_uid 1000 n_gid 4294967295 n_muid 0");
}

Test(print, the_largest_numbers_of_a_stat_are_not_cut) {
  const styx_stat s = styx_stat_untouched();
#define UNTOUCHED_FIELDS                                                                                               \
  "type 65535 dev 4294967295 qid (0xffffffffffffffff 4294967295 dalmAtLh) mode 037777777777 atime 4294967295 mtime "   \
  "4294967295 length 18446744073709551615 name '' uid '' gid '' muid ''"
  check_stat(&s, STYX_9P2000, UNTOUCHED_FIELDS);
  check_stat(&s, STYX_9P2000_U, UNTOUCHED_FIELDS " extension '' n_uid 4294967295 n_gid 4294967295 n_muid 4294967295");
}
