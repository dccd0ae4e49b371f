/* property_test.c: random messages of every kind and dialect, whole and damaged. STYX_SEED replays a run. */
#include <styx/wire.h>

#include <time.h>

#include "guard.h"
#include "reference.h"

enum { MESSAGES = 40, MAXTEXT = 400, ARENA = 1 << 18, TEXT_MAX = 2 << 20 };

static uint64_t dice;

static uint64_t roll(void) {
  uint64_t z = dice += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static size_t below(size_t n) { return (size_t)(roll() % n); }

static uint8_t *behind, *before;
static char arena[ARENA], printed[TEXT_MAX], plain[TEXT_MAX];
static size_t arena_used;

static void init(void) {
  const char *given = getenv("STYX_SEED");
  dice = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
  printf("seed: STYX_SEED=%llu\n", (unsigned long long)dice);
  fflush(stdout);
  behind = guard_room();
  before = guard_room();
}

TestSuite(property, .init = init);

/* ---- random values ---- */

/* Small, large, and what is near the top of its width. */
static uint64_t number(unsigned bits) {
  uint64_t v = roll();
  switch (below(4)) {
  case 0:
    return v % 8;
  case 1:
    return UINT64_MAX >> (64 - bits) ^ (v % 8);
  default:
    return v >> (64 - bits);
  }
}

/* One character of one to four bytes, or, where strings are bytes, any byte; never NUL. */
static size_t character(char *out, bool utf8) {
  static const char *const some[] = {"\xc2\x80",     "\xdf\xbf",         "\xe0\xa0\x80",     "\xed\x9f\xbf",
                                     "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xe2\x80\xae"};
  if (utf8 && below(4) == 0) {
    const char *c = some[below(8)];
    memcpy(out, c, strlen(c));
    return strlen(c);
  }
  out[0] = (char)(1 + below(utf8 ? 0x7F : 0xFF));
  return 1;
}

static size_t length(void) { return below(20) == 0 ? below(MAXTEXT) : below(12); }

static styx_str string(bool utf8) {
  styx_str s = {arena + arena_used, 0};
  for (size_t want = length(); s.len < want;)
    s.len += character(arena + arena_used + s.len, utf8);
  arena_used += s.len;
  cr_assert_lt(arena_used, ARENA - MAXTEXT - 4);
  return s;
}

static styx_str file_name(bool utf8) {
  styx_str s = string(utf8);
  char *p = arena + (s.s - arena);
  for (size_t i = 0; i < s.len; i++)
    if (p[i] == '/')
      p[i] = '|';
  return s.len == 0 || styx_str_is(s, ".") || styx_str_is(s, "..") ? (styx_str)STYX_STR("x") : s;
}

static styx_qid qid(void) { return (styx_qid){(uint8_t)number(8), (uint32_t)number(32), number(64)}; }

static styx_stat stat_record(bool u) {
  styx_stat s = {(uint16_t)number(16), (uint32_t)number(32), qid(),        (uint32_t)number(32),
                 (uint32_t)number(32), (uint32_t)number(32), number(64),   string(true),
                 string(true),         string(true),         string(true), {NULL, 0},
                 STYX_NOUID,           STYX_NOUID,           STYX_NOUID};
  if (u) {
    s.extension = string(true);
    s.n_uid = (uint32_t)number(32);
    s.n_gid = (uint32_t)number(32);
    s.n_muid = (uint32_t)number(32);
  }
  return s;
}

static void some_names(styx_msg *m, bool utf8) {
  m->nwname = (uint16_t)below(STYX_MAXWELEM + 1);
  for (unsigned i = 0; i < m->nwname; i++)
    m->wname[i] = below(8) ? file_name(utf8) : (styx_str)STYX_STR("..");
}

static void some_qids(styx_msg *m) {
  m->nwqid = (uint16_t)below(STYX_MAXWELEM + 1);
  for (unsigned i = 0; i < m->nwqid; i++)
    m->wqid[i] = qid();
}

static void some_data(styx_msg *m) {
  m->count = (uint32_t)length();
  m->data = (const uint8_t *)arena + arena_used;
  for (uint32_t i = 0; i < m->count; i++)
    arena[arena_used++] = (char)roll();
}

#define U(fields)                                                                                                      \
  if (d == STYX_9P2000_U) {                                                                                            \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (d != STYX_9P2000) {                                                                                              \
    fields                                                                                                             \
  }
#define U8(f) m.f = (uint8_t)number(8);
#define U16(f) m.f = (uint16_t)number(16);
#define U32(f) m.f = (uint32_t)number(32);
#define U64(f) m.f = number(64);
#define TAG(f) m.f = (uint16_t)number(16);
#define FID(f) m.f = (uint32_t)number(32);
#define PERM(f) m.f = (uint32_t)number(32);
#define STR(f) m.f = string(utf8);
#define TEXT(f) m.f = string(false);
#define NAME(f) m.f = file_name(utf8);
#define QID(f) m.f = qid();
#define STAT(f) m.f = stat_record(d == STYX_9P2000_U);
#define NAMES() some_names(&m, utf8);
#define QIDS() some_qids(&m);
#define DATA() some_data(&m);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;
static styx_msg message(uint8_t type, styx_dialect d) {
  styx_msg m = {.type = type, .tag = (uint16_t)number(16)};
  bool utf8 = d != STYX_9P2000_L || type == STYX_Tversion || type == STYX_Rversion;
  arena_used = 0;
  switch (type) {
#include <styx/messages.def>
  default:
    break;
  }
  return m;
}
#include "wire/undef.h"

/* ---- equality, field by field ---- */

static bool same_qid(styx_qid a, styx_qid b) { return a.type == b.type && a.vers == b.vers && a.path == b.path; }

static bool same_stat(const styx_stat *a, const styx_stat *b) {
  return a->type == b->type && a->dev == b->dev && same_qid(a->qid, b->qid) && a->mode == b->mode &&
         a->atime == b->atime && a->mtime == b->mtime && a->length == b->length && styx_str_eq(a->name, b->name) &&
         styx_str_eq(a->uid, b->uid) && styx_str_eq(a->gid, b->gid) && styx_str_eq(a->muid, b->muid) &&
         styx_str_eq(a->extension, b->extension) && a->n_uid == b->n_uid && a->n_gid == b->n_gid &&
         a->n_muid == b->n_muid;
}

static bool same_names(const styx_msg *a, const styx_msg *b) {
  bool same = a->nwname == b->nwname;
  for (unsigned i = 0; same && i < a->nwname; i++)
    same = styx_str_eq(a->wname[i], b->wname[i]);
  return same;
}

static bool same_qids(const styx_msg *a, const styx_msg *b) {
  bool same = a->nwqid == b->nwqid;
  for (unsigned i = 0; same && i < a->nwqid; i++)
    same = same_qid(a->wqid[i], b->wqid[i]);
  return same;
}

#define U(fields)                                                                                                      \
  if (d == STYX_9P2000_U) {                                                                                            \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (d != STYX_9P2000) {                                                                                              \
    fields                                                                                                             \
  }
#define U8(f) same &= a->f == b->f;
#define U16(f) same &= a->f == b->f;
#define U32(f) same &= a->f == b->f;
#define U64(f) same &= a->f == b->f;
#define TAG(f) same &= a->f == b->f;
#define FID(f) same &= a->f == b->f;
#define PERM(f) same &= a->f == b->f;
#define STR(f) same &= styx_str_eq(a->f, b->f);
#define TEXT(f) same &= styx_str_eq(a->f, b->f);
#define NAME(f) same &= styx_str_eq(a->f, b->f);
#define QID(f) same &= same_qid(a->f, b->f);
#define STAT(f) same &= same_stat(&a->f, &b->f);
#define NAMES() same &= same_names(a, b);
#define QIDS() same &= same_qids(a, b);
#define DATA() same &= a->count == b->count && (a->count == 0 || memcmp(a->data, b->data, a->count) == 0);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;
static bool same_message(const styx_msg *a, const styx_msg *b, styx_dialect d) {
  bool same = a->type == b->type && a->tag == b->tag;
  if (same)
    switch (a->type) {
#include <styx/messages.def>
    default:
      break;
    }
  return same;
}
#include "wire/undef.h"

/* ---- the properties ---- */

static const char *what(const styx_msg *m, styx_dialect d) {
  static char line[2000];
  styx_msg_print(line, sizeof line, m, d);
  return line;
}

typedef void property(const styx_msg *m, const uint8_t *bytes, size_t n, styx_dialect d);

/* Try it on MESSAGES random messages of every kind of every dialect, and their bytes at the end of the room. */
static void for_all(property *holds) {
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    for (unsigned type = 0; type < 256; type++)
      for (unsigned i = 0; styx_msg_exists(type, d) && i < MESSAGES; i++) {
        styx_msg m = message((uint8_t)type, d);
        ptrdiff_t n = styx_encoded_size(&m, d);
        cr_assert(n >= (ptrdiff_t)STYX_HDRSZ && n <= GUARD_ROOM, "%s", what(&m, d));
        uint8_t *at = behind + GUARD_ROOM - n;
        cr_assert_eq(styx_encode(at, (size_t)n, &m, d), n, "%s", what(&m, d));
        holds(&m, at, (size_t)n, d);
      }
}

static void comes_back(const styx_msg *m, const uint8_t *bytes, size_t n, styx_dialect d) {
  static uint8_t again[GUARD_ROOM];
  styx_msg got;
  memset(&got, 0xA5, sizeof got);
  cr_assert_eq(styx_decode(&got, bytes, n, 0, d), (ptrdiff_t)n, "%s", what(m, d));
  cr_assert(same_message(m, &got, d), "%s", what(m, d));
  cr_assert_eq(styx_encoded_size(&got, d), (ptrdiff_t)n, "%s", what(m, d));
  cr_assert_eq(styx_encode(again, n, &got, d), (ptrdiff_t)n, "%s", what(m, d));
  cr_assert(memcmp(again, bytes, n) == 0, "%s", what(m, d));
  cr_assert_eq(styx_decode(&got, bytes, n, (uint32_t)n, d), (ptrdiff_t)n, "%s", what(m, d));
  cr_assert_eq(styx_decode(&got, bytes, n, (uint32_t)n - 1, d), -STYX_ETOOLONG, "%s", what(m, d));
}
Test(property, what_is_encoded_decodes_to_itself) { for_all(comes_back); }

static void needs_its_room(const styx_msg *m, const uint8_t *bytes, size_t n, styx_dialect d) {
  (void)bytes;
  size_t cap = below(n);
  cr_assert_eq(styx_encode(before, cap, m, d), -STYX_ENOFIT, "%s", what(m, d));
  cr_assert_eq(styx_encode(behind + GUARD_ROOM - cap, cap, m, d), -STYX_ENOFIT, "%s", what(m, d));
}
Test(property, no_less_room_than_its_size_will_do) { for_all(needs_its_room); }

static void prefixes_need_more(const styx_msg *m, const uint8_t *bytes, size_t n, styx_dialect d) {
  uint8_t *copy = malloc(n);
  memcpy(copy, bytes, n);
  for (size_t cut = 0; cut < n; cut++) {
    styx_msg got;
    uint8_t *at = behind + GUARD_ROOM - cut;
    memcpy(at, copy, cut);
    cr_assert_eq(styx_decode(&got, at, cut, 0, d), 0, "%s cut at %zu", what(m, d), cut);
  }
  free(copy);
}
Test(property, every_prefix_needs_more) { for_all(prefixes_need_more); }

/* Both decoders on n bytes; of what they accept, the same text, and the same bytes again. */
static void agree(const uint8_t *bytes, size_t n, styx_dialect d) {
  static uint8_t again[GUARD_ROOM];
  struct ref r;
  styx_msg m;
  const uint8_t *at = memmove(behind + GUARD_ROOM - n, bytes, n);
  ptrdiff_t used = styx_decode(&m, at, n, 0, d);
  enum ref_verdict want = reference(&r, at, n, d, plain, sizeof plain);
  enum ref_verdict is = used > 0    ? REF_OK
                        : used == 0 ? REF_MORE
                                    : (styx_err_is_framing((styx_err)-used) ? REF_LOST : REF_BAD);
  cr_assert_eq(is, want, "%td for %s in dialect %d", used, plain, (int)d);
  memmove(before, at, n);
  styx_msg other;
  cr_assert_eq(styx_decode(&other, before, n, 0, d), used, "%s", plain);
  if (used <= 0)
    return;
  styx_msg_print_whole(printed, sizeof printed, &m, d);
  cr_assert(ref_agrees(&r, printed), "%s\n%s", printed, plain);
  cr_assert(same_message(&m, &other, d), "%s", plain);
  cr_assert_eq(styx_encode(again, sizeof again, &m, d), used, "%s", plain);
  cr_assert(memcmp(again, at, (size_t)used) == 0, "%s", plain);
}

/* Any byte made any other: refused, or another message. */
static void one_wrong_byte(const styx_msg *m, const uint8_t *bytes, size_t n, styx_dialect d) {
  uint8_t copy[GUARD_PAGE * 2];
  cr_assert_leq(n, sizeof copy);
  memcpy(copy, bytes, n);
  for (unsigned i = 0; i < 40; i++) {
    size_t place = below(2) ? below(n) : below(n < 32 ? n : 32);
    uint8_t was = copy[place];
    copy[place] = (uint8_t)(was ^ (below(2) ? 1 + below(255) : 1u << below(8)));
    agree(copy, n, d);
    styx_msg got;
    if (styx_decode(&got, copy, n, 0, d) > 0)
      cr_assert_not(same_message(m, &got, d), "%s: the same with %02x at %zu", what(m, d), copy[place], place);
    copy[place] = was;
  }
}
Test(property, a_wrong_byte_is_refused_or_makes_another_message) { for_all(one_wrong_byte); }

/* Several bytes wrong, one missing or one too many with a size that hides it, or read as another dialect. */
static void much_wrong(const styx_msg *m, const uint8_t *bytes, size_t n, styx_dialect d) {
  (void)m;
  uint8_t copy[GUARD_PAGE * 2 + 1];
  for (unsigned i = 0; i < 20; i++) {
    size_t len = n, place = STYX_HDRSZ + below(n - STYX_HDRSZ + 1);
    memcpy(copy, bytes, n);
    if (below(2) && place < n) {
      memmove(copy + place, copy + place + 1, n - place - 1);
      len--;
    } else {
      memmove(copy + place + 1, copy + place, n - place);
      copy[place] = (uint8_t)roll();
      len++;
    }
    for (unsigned j = 0; j < 4; j++)
      copy[j] = (uint8_t)(len >> 8 * j);
    for (size_t wrong = below(4); wrong > 0; wrong--)
      copy[below(len)] ^= (uint8_t)(1u << below(8));
    agree(copy, len, below(4) ? d : (styx_dialect)below(3));
  }
}
Test(property, both_decoders_say_the_same_of_rubbish) {
  for_all(much_wrong);
  for (unsigned i = 0; i < 20000; i++) {
    uint8_t bytes[64];
    size_t n = below(sizeof bytes);
    for (size_t j = 0; j < n; j++)
      bytes[j] = (uint8_t)(j == 0 ? n : j < 4 ? 0 : j == 4 ? below(128) : below(2) ? below(8) : roll());
    agree(bytes, n, (styx_dialect)below(3));
  }
}

/* ---- what no size field can say ---- */

static const char too_long[65536] = "";

/* One string made a byte longer than its count can say. */
static void no_string(const styx_msg *m, styx_str *s, styx_dialect d) {
  styx_str was = *s;
  *s = (styx_str){too_long, sizeof too_long};
  cr_assert_eq(styx_encoded_size(m, d), -STYX_ENOFIT, "%s", styx_msg_name(m->type));
  cr_assert_eq(styx_encode(before, GUARD_ROOM, m, d), -STYX_ENOFIT, "%s", styx_msg_name(m->type));
  s->len--;
  cr_assert_gt(styx_encoded_size(m, d), 65535, "%s", styx_msg_name(m->type));
  *s = was;
}

static void no_stat(const styx_msg *m, styx_stat *s, styx_dialect d) {
  styx_str *strings[] = {&s->name, &s->uid, &s->gid, &s->muid, &s->extension};
  for (size_t i = 0; i < (d == STYX_9P2000_U ? 5 : 4); i++) {
    styx_str was = *strings[i];
    ptrdiff_t room = 65535 - styx_stat_size(s, d) + (ptrdiff_t)was.len;
    *strings[i] = (styx_str){too_long, (size_t)room};
    cr_assert_gt(styx_encoded_size(m, d), 65535);
    strings[i]->len++;
    cr_assert_eq(styx_encoded_size(m, d), -STYX_ENOFIT);
    cr_assert_eq(styx_encode(before, GUARD_ROOM, m, d), -STYX_ENOFIT);
    *strings[i] = was;
  }
}

static void no_names(styx_msg *m, styx_dialect d) {
  for (unsigned i = 0; i < m->nwname; i++)
    no_string(m, &m->wname[i], d);
  m->nwname = STYX_MAXWELEM + 1;
  cr_assert_eq(styx_encoded_size(m, d), -STYX_EMANYNAMES);
}

static void no_qids(styx_msg *m, styx_dialect d) {
  m->nwqid = STYX_MAXWELEM + 1;
  cr_assert_eq(styx_encoded_size(m, d), -STYX_EMANYNAMES);
}

#define U(fields)                                                                                                      \
  if (d == STYX_9P2000_U) {                                                                                            \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (d != STYX_9P2000) {                                                                                              \
    fields                                                                                                             \
  }
#define U8(f)
#define U16(f)
#define U32(f)
#define U64(f)
#define TAG(f)
#define FID(f)
#define PERM(f)
#define STR(f) no_string(&m, &m.f, d);
#define TEXT(f) no_string(&m, &m.f, d);
#define NAME(f) no_string(&m, &m.f, d);
#define QID(f)
#define STAT(f) no_stat(&m, &m.f, d);
#define NAMES() no_names(&m, d);
#define QIDS() no_qids(&m, d);
#define DATA()                                                                                                         \
  m.count = UINT32_MAX;                                                                                                \
  cr_assert_eq(styx_encoded_size(&m, d), -STYX_ENOFIT);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;
static void too_much_of_all(uint8_t type, styx_dialect d) {
  styx_msg m = message(type, d);
  switch (type) {
#include <styx/messages.def>
  default:
    break;
  }
}
#include "wire/undef.h"

Test(property, what_a_count_cannot_say_is_refused_and_never_wraps) {
  for (styx_dialect d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    for (unsigned type = 0; type < 256; type++)
      if (styx_msg_exists(type, d))
        too_much_of_all((uint8_t)type, d);
}

/* ---- records and entries of directories ---- */

Test(property, stat_records_come_back_and_damaged_ones_never_mislead) {
  static uint8_t again[65536];
  for (unsigned i = 0; i < 4000; i++) {
    styx_dialect d = (styx_dialect)below(3);
    arena_used = 0;
    styx_stat s = stat_record(d == STYX_9P2000_U), got;
    size_t n = (size_t)styx_stat_size(&s, d);
    uint8_t *at = behind + GUARD_ROOM - n;
    cr_assert_eq(styx_stat_encode(at, n, &s, d), (ptrdiff_t)n);
    cr_assert_eq(styx_stat_encode(before, n - 1, &s, d), -STYX_ENOFIT);
    cr_assert_eq(styx_stat_decode(&got, at, n, d), (ptrdiff_t)n);
    cr_assert(same_stat(&s, &got));
    memcpy(before, at, n);
    for (unsigned j = 0; j < 20; j++) {
      size_t place = below(n);
      uint8_t was = at[place];
      at[place] = before[place] = was ^ (uint8_t)(1 + below(255));
      ptrdiff_t used = styx_stat_decode(&got, at, n, d);
      cr_assert(used == 0 ? place < 2 : used < 0 || (size_t)used == n);
      cr_assert_eq(styx_stat_decode(&got, before, n, d), used);
      if (used > 0) {
        cr_assert_not(same_stat(&s, &got));
        cr_assert_eq(styx_stat_encode(again, sizeof again, &got, d), used);
        cr_assert(memcmp(again, at, n) == 0);
      }
      at[place] = before[place] = was;
    }
    size_t cut = below(n);
    memcpy(behind + GUARD_ROOM - cut, before, cut);
    cr_assert_eq(styx_stat_decode(&got, behind + GUARD_ROOM - cut, cut, d), 0);
  }
}

static bool same_entry(const styx_ldirent *a, const styx_ldirent *b) {
  return same_qid(a->qid, b->qid) && a->offset == b->offset && a->type == b->type && styx_str_eq(a->name, b->name);
}

Test(property, entries_come_back_and_damaged_ones_never_mislead) {
  static uint8_t again[65536];
  for (unsigned i = 0; i < 4000; i++) {
    arena_used = 0;
    styx_ldirent e = {qid(), number(64), (uint8_t)number(8), file_name(false)}, got;
    size_t n = (size_t)styx_ldirent_size(&e);
    uint8_t *at = behind + GUARD_ROOM - n;
    cr_assert_eq(styx_ldirent_encode(at, n, &e), (ptrdiff_t)n);
    cr_assert_eq(styx_ldirent_encode(before, n - 1, &e), -STYX_ENOFIT);
    cr_assert_eq(styx_ldirent_decode(&got, at, n), (ptrdiff_t)n);
    cr_assert(same_entry(&e, &got));
    memcpy(before, at, n);
    for (unsigned j = 0; j < 20; j++) {
      size_t place = below(n);
      uint8_t was = at[place];
      at[place] = before[place] = was ^ (uint8_t)(1 + below(255));
      ptrdiff_t used = styx_ldirent_decode(&got, at, n);
      cr_assert_eq(styx_ldirent_decode(&got, before, n), used);
      if (used > 0) {
        cr_assert_not(same_entry(&e, &got));
        cr_assert_eq(styx_ldirent_encode(again, sizeof again, &got), used);
        cr_assert(memcmp(again, at, (size_t)used) == 0);
      }
      at[place] = before[place] = was;
    }
    size_t cut = below(n);
    memcpy(behind + GUARD_ROOM - cut, before, cut);
    cr_assert_eq(styx_ldirent_decode(&got, behind + GUARD_ROOM - cut, cut), 0);
  }
}
