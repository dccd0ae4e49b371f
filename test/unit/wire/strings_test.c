/* strings_test.c: what each string of each dialect may hold. */
#include <styx/wire.h>

#include "guard.h"

/* head, the string behind its count, tail: as a message, which lives until the next one. */
static ptrdiff_t with(styx_msg *m, const char *head, const char *text, size_t len, const char *tail, styx_dialect d,
                      unsigned allow) {
  static uint8_t bytes[512];
  size_t n = unhex(bytes, head);
  bytes[n++] = (uint8_t)len;
  bytes[n++] = 0;
  memcpy(bytes + n, text, len);
  n += len;
  n += unhex(bytes + n, tail);
  bytes[0] = (uint8_t)n;
  return styx_decode_lenient(m, bytes, n, 0, d, allow);
}

static const struct place {
  const char *head, *tail;
} names_of_L[] =
    {
        {"00000000 0e 0100 02000000", "00*12"},              /* Tlcreate */
        {"00000000 10 0100 02000000", "0100 'x' 00000000"},  /* Tsymlink */
        {"00000000 12 0100 02000000", "00*16"},              /* Tmknod */
        {"00000000 14 0100 02000000 03000000", ""},          /* Trename */
        {"00000000 46 0100 02000000 03000000", ""},          /* Tlink */
        {"00000000 48 0100 02000000", "00*8"},               /* Tmkdir */
        {"00000000 4a 0100 02000000", "03000000 0100 'x'"},  /* Trenameat, old */
        {"00000000 4a 0100 02000000 0100 'x' 03000000", ""}, /* Trenameat, new */
        {"00000000 4c 0100 02000000", "00000000"},           /* Tunlinkat */
},
  strings_of_L[] = {
      {"00000000 10 0100 02000000 0100 'x'", "00000000"},      /* Tsymlink, target */
      {"00000000 17 0100", ""},                                /* Rreadlink */
      {"00000000 1e 0100 02000000 03000000", ""},              /* Txattrwalk */
      {"00000000 20 0100 02000000", "00*12"},                  /* Txattrcreate */
      {"00000000 34 0100 02000000 00 00000000 00*20", ""},     /* Tlock, client_id */
      {"00000000 36 0100 02000000 00 00*20", ""},              /* Tgetlock, client_id */
      {"00000000 37 0100 00 00*20", ""},                       /* Rgetlock, client_id */
      {"00000000 66 0100 02000000", "0000 00000000"},          /* Tauth, uname */
      {"00000000 66 0100 02000000 0000", "00000000"},          /* Tauth, aname */
      {"00000000 68 0100 02000000 03000000", "0000 00000000"}, /* Tattach, uname */
      {"00000000 68 0100 02000000 03000000 0000", "00000000"}, /* Tattach, aname */
};

static const struct content {
  const char *text;
  size_t len;
  styx_err as_name; /* 0: good */
} contents[] = {
#define C(text, err)                                                                                                   \
  { text, sizeof(text) - 1, err }
    C("x", 0),         C("...", 0),        C("..x", 0),        C(".x", 0),           C("\xff\xfe\x80", 0),
    C("\x01\n\\'", 0), C("", STYX_ENAME),  C("/", STYX_ENAME), C("a/b", STYX_ENAME), C("../x", STYX_ENAME),
    C(".", STYX_EDOT), C("..", STYX_EDOT), C("\0", STYX_ENUL), C("a\0b", STYX_ENUL), C("x\0", STYX_ENUL),
#undef C
};

Test(strings, names_of_files_in_L_are_elements_of_any_bytes_but_nul_and_slash) {
  for (size_t i = 0; i < sizeof names_of_L / sizeof *names_of_L; i++)
    for (size_t j = 0; j < sizeof contents / sizeof *contents; j++) {
      const struct content *c = &contents[j];
      const struct place *p = &names_of_L[i];
      styx_msg m;
      ptrdiff_t used = with(&m, p->head, c->text, c->len, p->tail, STYX_9P2000_L, 0);
      cr_assert(c->as_name ? used == -(ptrdiff_t)c->as_name : used > 7, "'%s' in %s: %td", c->text, p->head, used);
    }
}

Test(strings, other_strings_of_L_are_any_bytes_but_nul) {
  for (size_t i = 0; i < sizeof strings_of_L / sizeof *strings_of_L; i++)
    for (size_t j = 0; j < sizeof contents / sizeof *contents; j++) {
      const struct content *c = &contents[j];
      const struct place *p = &strings_of_L[i];
      styx_msg m;
      ptrdiff_t used = with(&m, p->head, c->text, c->len, p->tail, STYX_9P2000_L, 0);
      cr_assert(c->as_name == STYX_ENUL ? used == -STYX_ENUL : used > 7, "'%s' in %s: %td", c->text, p->head, used);
    }
}

Test(strings, bytes_may_be_allowed_instead_of_utf8_and_nothing_more_with_them) {
  static const char *const heads[] = {"00000000 64 ffff 00200000", "00000000 65 ffff 00200000"};
  styx_msg m;
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    for (size_t i = 0; i < 2; i++) {
      cr_assert_eq(with(&m, heads[i], "\xff", 1, "", d, 0), -STYX_EUTF8);
      cr_assert_eq(with(&m, heads[i], "\xff", 1, "", d, STYX_ALLOW_BYTES), 14);
      cr_assert_eq(with(&m, heads[i], "\0", 1, "", d, STYX_ALLOW_BYTES), -STYX_ENUL);
    }
  static const char create[] = "00000000 72 0700 02000000", walk[] = "00000000 6e 0500 01000000 02000000 0100";
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_U; d++) {
    const char *tail = d == STYX_9P2000 ? "00*5" : "00*5 0000";
    cr_assert_eq(with(&m, create, "\xc3", 1, tail, d, 0), -STYX_EUTF8);
    cr_assert_gt(with(&m, create, "\xc3", 1, tail, d, STYX_ALLOW_BYTES), 0);
    cr_assert_eq(with(&m, create, "\xc3/", 2, tail, d, STYX_ALLOW_BYTES), -STYX_ENAME);
    cr_assert_eq(with(&m, create, "..", 2, tail, d, STYX_ALLOW_BYTES), -STYX_EDOT);
    cr_assert_gt(with(&m, walk, "\xc3", 1, "", d, STYX_ALLOW_BYTES), 0);
    cr_assert_eq(with(&m, walk, ".", 1, "", d, STYX_ALLOW_BYTES), -STYX_EDOT);
  }
  static const char wstat[] = "00000000 7e 0d00 02000000 3200 3000 ff*39";
  cr_assert_eq(with(&m, wstat, "\xff", 1, "00*6", STYX_9P2000, 0), -STYX_EUTF8);
  cr_assert_eq(with(&m, wstat, "\xff", 1, "00*6", STYX_9P2000, STYX_ALLOW_BYTES), 63);
  cr_assert_eq(with(&m, wstat, "\0", 1, "00*6", STYX_9P2000, STYX_ALLOW_BYTES), -STYX_ENUL);
}

Test(strings, the_target_of_a_link_in_u_is_text_with_any_slashes) {
  static const char head[] = "00000000 72 0700 02000000 0100 'n' ed010002 00";
  styx_msg m;
  cr_assert_gt(with(&m, head, "../a/b", 6, "", STYX_9P2000_U, 0), 0);
  cr_assert(styx_str_is(m.extension, "../a/b"));
  cr_assert_gt(with(&m, head, "", 0, "", STYX_9P2000_U, 0), 0);
  cr_assert_eq(with(&m, head, "\xff", 1, "", STYX_9P2000_U, 0), -STYX_EUTF8);
  cr_assert_eq(with(&m, head, "\0", 1, "", STYX_9P2000_U, 0), -STYX_ENUL);
  cr_assert_eq(with(&m, head, "x", 1, "", STYX_9P2000, 0), -STYX_EBADT);
}
