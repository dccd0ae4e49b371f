/* dirent_test.c: the entries of an Rreaddir. */
#include <styx/wire.h>

#include "guard.h"

static const char entry_hex[] = "80 04030201 1817161514131211 2827262524232221 04 0300 'usr'";

Test(dirent, an_entry_has_the_bytes_of_its_table) {
  uint8_t want[64], got[64], *room = guard_room();
  size_t n = unhex(want, entry_hex);
  styx_ldirent e = {{0x80, 0x01020304, 0x1112131415161718}, 0x2122232425262728, 4, STYX_STR("usr")}, d;
  cr_assert_eq(n, 27);
  cr_assert_eq(styx_ldirent_size(&e), 27);
  for (size_t cap = 0; cap < n; cap++)
    cr_assert_eq(styx_ldirent_encode(room + GUARD_ROOM - cap, cap, &e), -STYX_ENOFIT);
  cr_assert_eq(styx_ldirent_encode(room + GUARD_ROOM - n, n, &e), 27);
  cr_assert(memcmp(room + GUARD_ROOM - n, want, n) == 0);
  cr_assert_eq(styx_ldirent_decode(&d, room + GUARD_ROOM - n, n), 27);
  cr_assert(d.qid.type == 0x80 && d.qid.vers == 0x01020304 && d.qid.path == 0x1112131415161718 &&
            d.offset == 0x2122232425262728 && d.type == 4 && styx_str_is(d.name, "usr"));
  memcpy(got, want, n);
  memset(got + n, 0xFF, sizeof got - n);
  cr_assert_eq(styx_ldirent_decode(&d, got, sizeof got), 27, "it stops at its own end");
}

Test(dirent, every_prefix_of_an_entry_needs_more_and_leaves_the_result_alone) {
  uint8_t bytes[64], *room = guard_room();
  size_t n = unhex(bytes, entry_hex);
  for (size_t cut = 0; cut < n; cut++) {
    styx_ldirent e = {.offset = 77};
    memcpy(room + GUARD_ROOM - cut, bytes, cut);
    cr_assert_eq(styx_ldirent_decode(&e, room + GUARD_ROOM - cut, cut), 0);
    cr_assert_eq(e.offset, 77);
  }
}

Test(dirent, a_wrong_byte_in_an_entry_is_refused_or_makes_another) {
  uint8_t bytes[64], again[64], *room = guard_room();
  size_t n = unhex(bytes, entry_hex);
  uint8_t *places[] = {room, room + GUARD_ROOM - n};
  for (size_t at = 0; at < n; at++)
    for (unsigned flip = 1; flip < 256; flip++)
      for (size_t p = 0; p < 2; p++) {
        styx_ldirent e = {.offset = 77};
        memset(room, 0xFF, 64);
        memcpy(places[p], bytes, n);
        places[p][at] ^= (uint8_t)flip;
        ptrdiff_t used = styx_ldirent_decode(&e, places[p], n);
        cr_assert(used == -STYX_ENUL || used == -STYX_ENAME || (used >= 0 && used <= (ptrdiff_t)n));
        cr_assert(used > 0 || e.offset == 77);
        if (used > 0) {
          cr_assert_eq(styx_ldirent_encode(again, sizeof again, &e), used);
          cr_assert(memcmp(again, places[p], (size_t)used) == 0);
        }
      }
}

Test(dirent, entries_have_names_of_files_dots_among_them) {
  static const struct {
    const char *text;
    size_t len;
    styx_err wrong;
  } names[] = {
#define C(text, err) {text, sizeof(text) - 1, err}
      C(".", 0),         C("..", 0),         C("x", 0),          C("\xff", 0),
      C("", STYX_ENAME), C("/", STYX_ENAME), C("\0", STYX_ENUL), C("a\0", STYX_ENUL),
#undef C
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    uint8_t bytes[64];
    styx_ldirent e = {.offset = 77, .name = {names[i].text, names[i].len}}, got = {.offset = 1};
    ptrdiff_t n = styx_ldirent_encode(bytes, sizeof bytes, &e);
    cr_assert_eq(n, (ptrdiff_t)(24 + names[i].len));
    cr_assert_eq(styx_ldirent_decode(&got, bytes, (size_t)n), names[i].wrong ? -(ptrdiff_t)names[i].wrong : n);
    cr_assert_eq(got.offset, names[i].wrong ? 1 : 77);
  }
}

Test(dirent, the_longest_entry_has_a_name_of_65535_bytes) {
  static char text[65536];
  static uint8_t bytes[65536 + 24];
  memset(text, 'x', sizeof text);
  styx_ldirent e = {.name = {text, 65535}}, got;
  cr_assert_eq(styx_ldirent_size(&e), 65535 + 24);
  cr_assert_eq(styx_ldirent_encode(bytes, sizeof bytes, &e), 65535 + 24);
  cr_assert_eq(styx_ldirent_decode(&got, bytes, 65535 + 24), 65535 + 24);
  cr_assert(styx_str_eq(e.name, got.name));
  e.name.len++;
  cr_assert_eq(styx_ldirent_size(&e), -STYX_ENOFIT);
  cr_assert_eq(styx_ldirent_encode(bytes, sizeof bytes, &e), -STYX_ENOFIT);
}
