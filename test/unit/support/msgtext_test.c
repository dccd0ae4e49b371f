/* msgtext_test.c: messages written for scripts, and patterns that have to refuse as well as accept. */
#include "support/msgtext.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct msgtext_vars vars;
static uint8_t room[MSGTEXT_ROOM], match_room[MSGTEXT_ROOM];
static char why[256];

static void builds(const char *text, const char *line) {
  styx_msg m;
  cr_assert(msgtext_build(&m, text, &vars, room, why), "%s: %s", text, why);
  char got[512];
  styx_msg_print(got, sizeof got, &m, STYX_9P2000);
  cr_assert_str_eq(got, line);
}

static void builds_nothing(const char *text, const char *reason) {
  styx_msg m;
  cr_assert_not(msgtext_build(&m, text, &vars, room, why), "%s", text);
  cr_assert(strstr(why, reason), "%s: %s", text, why);
}

static bool fits(const char *text, const char *pattern) {
  styx_msg m;
  static uint8_t built[MSGTEXT_ROOM];
  cr_assert(msgtext_build(&m, text, &vars, built, why), "%s", why);
  return msgtext_match(&m, pattern, &vars, match_room, why);
}
#define FITS(text, pattern) cr_assert(fits(text, pattern), "%s: %s", pattern, why)
#define DIFFERS(text, pattern) cr_assert_not(fits(text, pattern), "%s", pattern)

static void keep(const char *pattern) { FITS("Rattach tag 5 qid (0x2a 7 d)", pattern); }

Test(msgtext, what_prints_is_built) {
  builds("Twalk tag 3 fid 1 newfid 2 nwname 2 'usr' 'lib'", "Twalk tag 3 fid 1 newfid 2 nwname 2 'usr' 'lib'");
  builds("Rwalk tag 3 nwqid 1 (0x2 1 d)", "Rwalk tag 3 nwqid 1 (0x2 1 d)");
  builds("  Twstat tag 9 ...", "Twstat tag 9 fid 0 stat (type 65535 dev 4294967295 qid (0xffffffffffffffff 4294967295 "
                               "dalmAtLh) mode 037777777777 atime 4294967295 mtime 4294967295 length "
                               "18446744073709551615 name '' uid '' gid '' muid '')");
}

Test(msgtext, strings_repeat) {
  builds("Rerror tag 1 ename 'ab'*3", "Rerror tag 1 ename 'ababab'");
  builds("Rerror tag 1 ename '\\x27'*2", "Rerror tag 1 ename '\\x27\\x27'");
  builds("Rread tag 1 count 300 data 'abc'*100 ", "Rread tag 1 count 300 data 'abcabcabcabcabcabcabcabcabcabcab'...");
  builds_nothing("Rerror tag 1 ename 'ab'*0", "*0");
  builds_nothing("Rerror tag 1 ename 'ab'*x", "x");
  builds_nothing("Rerror tag 1 ename 'ab'*200000", "200000");
  builds_nothing("Rerror tag 1 ename 'ab'*100000", "*100000");
  builds_nothing("Rerror tag 1 ename 'ab", "'ab");
}

Test(msgtext, variables_stand_for_numbers_strings_and_qids) {
  keep("Rattach tag $t qid ($path $vers d)");
  keep("Rattach tag 5 qid $qid");
  FITS("Rerror tag 1 ename 'no'", "Rerror tag 1 ename $text");
  builds("Tread tag $t fid $path offset $vers count 0", "Tread tag 5 fid 42 offset 7 count 0");
  builds("Rattach tag 1 qid $qid", "Rattach tag 1 qid (0x2a 7 d)");
  builds("Rerror tag 1 ename $text", "Rerror tag 1 ename 'no'");
  builds("Rread tag 1+$t+$path count 0+0 data ''", "Rread tag 48 count 0 data ''");
  builds_nothing("Rflush tag $none", "$none");
  builds_nothing("Rflush tag 1+$none", "$none");
  builds_nothing("Rflush tag 1+$qid", "bad argument");
  builds_nothing("Rflush tag 1+", "bad argument");
}

Test(msgtext, a_pattern_says_every_field) {
  FITS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3 count 4");
  FITS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 0x1 fid 02 offset 1+2 count 4");
  FITS("Tread tag NOTAG fid NOFID offset 3 count 4", "Tread tag 65535 fid 0xffffffff offset 3 count 4");
  FITS("Rerror tag 1 ename 'aaa'", "Rerror tag 1 ename 'a'*3");
  FITS("Rerror tag 1 ename 'a'", "Rerror tag 1 ename '\\x61'");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Twrite tag 1 fid 2 offset 3 count 4");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3 count 5");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3 count");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3 count 4 5");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3 count 4 *");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3 count 4 $x");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3 count '4'");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag 1 fid 2 offset 3 size 4");
  DIFFERS("Rerror tag 1 ename 'a'", "Rerror tag 1 ename 'b'");
  DIFFERS("Rerror tag 1 ename 'a'", "Rerror tag 1 ename 'aa'");
  DIFFERS("Rerror tag 1 ename 'a'", "Rerror tag 1 ename 'a");
  DIFFERS("Rerror tag 1 ename 'a'", "Rerror tag 1 ename a");
  DIFFERS("Rwalk tag 1 nwqid 1 (0x1 2 d)", "Rwalk tag 1 nwqid 1 (0x1 2 -)");
  DIFFERS("Rwalk tag 1 nwqid 1 (0x1 2 d)", "Rwalk tag 1 nwqid 1 (0x1 2 d");
  DIFFERS("Rwalk tag 1 nwqid 1 (0x1 2 d)", "Rwalk tag 1 nwqid 1 (0x1 2 d))");
  DIFFERS("Rwalk tag 1 nwqid 1 (0x1 2 d)", "Rwalk tag 1 nwqid 1 'x'");
  DIFFERS("Rwalk tag 1 nwqid 0", "Rwalk tag 1 nwqid 0 *");
}

Test(msgtext, a_pattern_may_leave_values_and_fields_open) {
  FITS("Rflush tag 1", "*");
  FITS("Rflush tag 1", "Rflush ...");
  FITS("Rflush tag 1", "Rflush tag 1 ...");
  FITS("Rwalk tag 1 nwqid 2 (1 2 d) (3 4 -)", "Rwalk tag * nwqid * * (* 4 *)");
  FITS("Rerror tag 1 ename ' count 5 ) ('", "Rerror ... ename *");
  FITS("Tread tag 1 fid 2 offset 3 count 4", "Tread ... offset 3 ...");
  FITS("Rstat tag 1 stat (... length 5 name 'length' ...)", "Rstat tag 1 stat (... length 5 ... muid '')");
  FITS("Rstat tag 1 stat (... qid (1 2 d) ...)", "Rstat tag 1 stat (type 0 dev 0 qid (1 2 d) ...)");
  DIFFERS("Rflush tag 1", "* x");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread ... offset 4 ...");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread ... count 4 ... offset 3");
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread ... length 3");
  DIFFERS("Rstat tag 1 stat (... length 5 ...)", "Rstat tag 1 stat (... length 5)");
  DIFFERS("Rstat tag 1 stat (... length 5 ...)", "Rstat tag 1 stat (... vers 0 ...)");
}

Test(msgtext, variables_are_kept_only_by_a_pattern_that_fits) {
  DIFFERS("Tread tag 1 fid 2 offset 3 count 4", "Tread tag $t fid 2 offset 3 count 5");
  cr_assert_eq(vars.n, 0);
  FITS("Tread tag 1 fid 2 offset 3 count 1", "Tread tag $t fid $f offset $f+1 count $t");
  cr_assert_eq(vars.n, 2);
  FITS("Rflush tag 1", "Rflush tag $t");
  FITS("Rflush tag 2", "Rflush tag !$t");
  DIFFERS("Rflush tag 2", "Rflush tag $t");
  DIFFERS("Rflush tag 1", "Rflush tag !$t");
  DIFFERS("Rflush tag 1", "Rflush tag !$new");
  DIFFERS("Rflush tag 1", "Rflush tag !1");
  FITS("Rwalk tag 1 nwqid 2 (1 2 d) (1 2 d)", "Rwalk tag 1 nwqid 2 $q $q");
  DIFFERS("Rwalk tag 1 nwqid 2 (1 2 d) (1 3 d)", "Rwalk tag 1 nwqid 2 $p $p");
  FITS("Rwalk tag 1 nwqid 1 (1 3 d)", "Rwalk tag 1 nwqid 1 !$q");
  DIFFERS("Rread tag 1 count 600 data 'x'*600", "Rread tag 1 count 600 data $long");
  DIFFERS("Rflush tag 1", "Rflush tag $a_name_of_more_than_24_letters");
  DIFFERS("Rflush tag 1", "Rflush tag $");
}

Test(msgtext, entries_of_a_directory_come_in_any_order) {
  uint8_t data[512];
  size_t n = 0;
  const char *const names[] = {"a", "b", "a"};
  for (size_t i = 0; i < 3; i++) {
    styx_stat s = {.name = styx_str_of(names[i])};
    n += (size_t)styx_stat_encode(data + n, sizeof data - n, &s, STYX_9P2000);
  }
  styx_msg m = {.type = STYX_Rread, .count = (uint32_t)n, .data = data};
  static const char *const good[] = {"'a' 'a' 'b'", "'b' 'a' 'a'", "*"};
  static const char *const bad[] = {"'a' 'b'", "'a' 'b' 'b'", "'a' 'a' 'b' 'c'", "", "'a' 'a' 'b' x"};
  char pattern[64];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    snprintf(pattern, sizeof pattern, "Rread tag 0 count * data entries %s", good[i]);
    cr_assert(msgtext_match(&m, pattern, &vars, match_room, why), "%s: %s", pattern, why);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(pattern, sizeof pattern, "Rread tag 0 count * data entries %s", bad[i]);
    cr_assert_not(msgtext_match(&m, pattern, &vars, match_room, why), "%s", pattern);
  }
  m.count--;
  cr_assert_not(msgtext_match(&m, "Rread tag 0 count * data entries *", &vars, match_room, why));
  m.count = 0;
  cr_assert_not(msgtext_match(&m, "Rread tag 0 count * data entries *", &vars, match_room, why));
  cr_assert(msgtext_match(&m, "Rread tag 0 count * data entries", &vars, match_room, why));
}

Test(msgtext, strings_are_read_by_themselves) {
  uint8_t out[8];
  const char *text = "'\\x41b'*3 rest";
  cr_assert_eq(msgtext_string(&text, out, sizeof out), 6);
  cr_assert_str_eq(text, " rest");
  cr_assert(memcmp(out, "AbAbAb", 6) == 0);
  static const char *const bad[] = {"'abcdefghi'", "'abc'*3", "'a'*0", "'a", "a", "", "'a'*999999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    text = bad[i];
    cr_assert_eq(msgtext_string(&text, out, sizeof out), SIZE_MAX, "%s", bad[i]);
    cr_assert_eq(text, bad[i]);
  }
}
