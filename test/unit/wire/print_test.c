/* print_test.c: one safe line for each message. */
#include <styx/wire.h>

#include "guard.h"

#define S(literal) STYX_STR(literal)

static const struct {
  const char *text;
  styx_msg msg;
} lines[] = {
    {"Tversion tag NOTAG msize 8192 version '9P2000'",
     {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = S("9P2000")}},
    {"Rversion tag 0 msize 4294967295 version ''", {.type = STYX_Rversion, .msize = 0xFFFFFFFF}},
    {"Tauth tag 1 afid 2 uname 'bob' aname ''", {.type = STYX_Tauth, .tag = 1, .afid = 2, .uname = S("bob")}},
    {"Rauth tag 1 qid (0x5 4 A)", {.type = STYX_Rauth, .tag = 1, .qid = {STYX_QTAUTH, 4, 5}}},
    {"Tattach tag 1 fid 0 afid NOFID uname 'bob' aname 'x'",
     {.type = STYX_Tattach, .tag = 1, .afid = STYX_NOFID, .uname = S("bob"), .aname = S("x")}},
    {"Rattach tag 1 qid (0xffffffffffffffff 4294967295 dalmAtLh)",
     {.type = STYX_Rattach, .tag = 1, .qid = {0xFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}}},
    {"Rerror tag 1 ename 'bad fid'", {.type = STYX_Rerror, .tag = 1, .ename = S("bad fid")}},
    {"Tflush tag 2 oldtag NOTAG", {.type = STYX_Tflush, .tag = 2, .oldtag = STYX_NOTAG}},
    {"Rflush tag 65534", {.type = STYX_Rflush, .tag = 65534}},
    {"Twalk tag 3 fid 1 newfid 2 nwname 2 'usr' 'lib'",
     {.type = STYX_Twalk, .tag = 3, .fid = 1, .newfid = 2, .nwname = 2, .wname = {S("usr"), S("lib")}}},
    {"Twalk tag 3 fid 1 newfid NOFID nwname 0", {.type = STYX_Twalk, .tag = 3, .fid = 1, .newfid = STYX_NOFID}},
    {"Rwalk tag 3 nwqid 2 (0x1 0 d) (0x2a 7 -)",
     {.type = STYX_Rwalk, .tag = 3, .nwqid = 2, .wqid = {{0x80, 0, 1}, {0, 7, 42}}}},
    {"Topen tag 4 fid 2 mode 16", {.type = STYX_Topen, .tag = 4, .fid = 2, .mode = STYX_OTRUNC}},
    {"Ropen tag 4 qid (0x1 0 a) iounit 8168", {.type = STYX_Ropen, .tag = 4, .qid = {0x40, 0, 1}, .iounit = 8168}},
    {"Tcreate tag 5 fid 2 name 'n' perm 020000000755 mode 0",
     {.type = STYX_Tcreate, .tag = 5, .fid = 2, .name = S("n"), .perm = STYX_DMDIR | 0755}},
    {"Rcreate tag 5 qid (0x1 0 l) iounit 0", {.type = STYX_Rcreate, .tag = 5, .qid = {0x20, 0, 1}}},
    {"Tread tag 6 fid 2 offset 18446744073709551615 count 4096",
     {.type = STYX_Tread, .tag = 6, .fid = 2, .offset = UINT64_MAX, .count = 4096}},
    {"Rread tag 6 count 5 data 'hello'", {.type = STYX_Rread, .tag = 6, .count = 5, .data = (const uint8_t *)"hello"}},
    {"Rread tag 6 count 0 data ''", {.type = STYX_Rread, .tag = 6}},
    {"Twrite tag 7 fid 2 offset 0 count 33 data '0123456789abcdef0123456789abcdef'...",
     {.type = STYX_Twrite,
      .tag = 7,
      .fid = 2,
      .count = 33,
      .data = (const uint8_t *)"0123456789abcdef0123456789abcdefX"}},
    {"Rwrite tag 7 count 33", {.type = STYX_Rwrite, .tag = 7, .count = 33}},
    {"Tclunk tag 8 fid 2", {.type = STYX_Tclunk, .tag = 8, .fid = 2}},
    {"Rclunk tag 8", {.type = STYX_Rclunk, .tag = 8}},
    {"Tremove tag 8 fid 2", {.type = STYX_Tremove, .tag = 8, .fid = 2}},
    {"Rremove tag 8", {.type = STYX_Rremove, .tag = 8}},
    {"Tstat tag 9 fid 2", {.type = STYX_Tstat, .tag = 9, .fid = 2}},
    {"Rstat tag 9 stat (type 1 dev 2 qid (0x4 3 d) mode 020000000755 atime 5 mtime 6 length 7 name '/' uid 'bob' gid "
     "'g' muid 'm')",
     {.type = STYX_Rstat,
      .tag = 9,
      .stat = {.type = 1,
               .dev = 2,
               .qid = {0x80, 3, 4},
               .mode = STYX_DMDIR | 0755,
               .atime = 5,
               .mtime = 6,
               .length = 7,
               .name = S("/"),
               .uid = S("bob"),
               .gid = S("g"),
               .muid = S("m")}}},
    {"Twstat tag 9 fid 2 stat (type 0 dev 0 qid (0x0 0 -) mode 00 atime 0 mtime 0 length 0 name '' uid '' gid '' muid "
     "'')",
     {.type = STYX_Twstat, .tag = 9, .fid = 2}},
    {"Rwstat tag 9", {.type = STYX_Rwstat, .tag = 9}},
    {"message 106 tag 9", {.type = 106, .tag = 9}},
};

Test(print, every_message_has_its_line) {
  bool seen[256] = {false};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    char buf[512];
    cr_assert_eq(styx_msg_print(buf, sizeof buf, &lines[i].msg, STYX_9P2000), strlen(lines[i].text));
    cr_assert_str_eq(buf, lines[i].text);
    seen[lines[i].msg.type] = true;
  }
  for (unsigned type = 0; type < 256; type++)
    cr_assert(seen[type] || !styx_msg_name(type), "no line for %s", styx_msg_name(type));
}

Test(print, a_short_buffer_gets_a_terminated_beginning_and_the_whole_length) {
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    size_t len = strlen(lines[i].text);
    uint8_t *room = guard_room();
    for (size_t cap = 0; cap <= len; cap++) {
      char *buf = (char *)room + GUARD_ROOM - cap;
      cr_assert_eq(styx_msg_print(cap ? buf : NULL, cap, &lines[i].msg, STYX_9P2000), len);
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

Test(print, qids_and_stats_print_alone) {
  char buf[256];
  cr_assert_eq(styx_qid_print(buf, sizeof buf, (styx_qid){0, 1, 2}), 9);
  cr_assert_str_eq(buf, "(0x2 1 -)");
  styx_stat s = {.name = STYX_STR("n"), .mode = 0644};
  styx_stat_print(buf, sizeof buf, &s, STYX_9P2000);
  cr_assert_str_eq(buf, "type 0 dev 0 qid (0x0 0 -) mode 0644 atime 0 mtime 0 length 0 name 'n' uid '' gid '' muid ''");
  s = styx_stat_untouched();
  cr_assert_eq(styx_stat_print(buf, sizeof buf, &s, STYX_9P2000), strlen(buf));
}
