/* frame.c: where a message ends, and what a counted string may hold. */
#include "wire/bytes.h"

ptrdiff_t styx_frame(const void *buf, size_t len, uint32_t msize) { return sx_frame(buf, len, msize); }

bool styx_is_tmsg(const void *buf, size_t len) { return len >= 5 && ((const uint8_t *)buf)[4] % 2 == 0; }

styx_str styx_str_of(const char *text) { return (styx_str){text, text ? strlen(text) : 0}; }

bool styx_str_eq(styx_str a, styx_str b) { return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0); }

bool styx_str_is(styx_str a, const char *text) { return styx_str_eq(a, styx_str_of(text)); }

size_t sx_utf8(const uint8_t *p, size_t n, uint32_t *rune) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (n == 0)
    return 0;
  if (p[0] < 0x80) {
    *rune = p[0];
    return 1;
  }
  size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
  if (p[0] < 0xC0 || p[0] > 0xF4 || len > n)
    return 0;
  uint32_t r = p[0] & (0xFFu >> (len + 1));
  for (size_t i = 1; i < len; i++) {
    if ((p[i] & 0xC0) != 0x80)
      return 0;
    r = r << 6 | (p[i] & 0x3F);
  }
  if (r < least[len] || r > 0x10FFFF || (r >= 0xD800 && r <= 0xDFFF))
    return 0;
  *rune = r;
  return len;
}

/* Of the characters that start up to three bytes before max, one may reach past it. */
styx_str styx_str_cut(styx_str s, size_t max) {
  const uint8_t *p = (const uint8_t *)s.s;
  if (s.len <= max)
    return s;
  for (size_t back = 1; back <= 3 && back <= max; back++) {
    uint32_t rune;
    if (sx_utf8(p + max - back, s.len - max + back, &rune) > back)
      return (styx_str){s.s, max - back};
  }
  return (styx_str){s.s, max};
}

static const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;

/* Some byte's top bit is set if it is in word, or if a byte of word is 0 or `except`, which are 0 and borrow. */
static inline uint64_t suspects(uint64_t word, uint8_t except) {
  return word | (word - ones) | ((word ^ except * ones) - ones);
}

/* Is all of it ASCII, without NUL and without `except`? Names mostly are. Eight bytes at a time; where that does not
 * come out even, some are looked at twice. */
static inline bool is_plain(styx_str s, uint8_t except) {
  const uint8_t *p = (const uint8_t *)s.s, *end = p + s.len;
  uint64_t found = 0;
  if (s.len >= 8) {
    for (; end - p > 8; p += 8)
      found |= suspects(sx_load64(p), except);
    found |= suspects(sx_load64(end - 8), except);
  } else if (s.len >= 4) {
    found = suspects(sx_load32(p) | (uint64_t)sx_load32(end - 4) << 32, except);
  } else if (s.len > 0) {
    found = suspects(p[0] | (uint64_t)p[s.len / 2] << 8 | (uint64_t)end[-1] << 16 | ones << 24, except);
  }
  return (found & tops) == 0;
}

/* 0, STYX_ENUL or STYX_EUTF8. */
static styx_err check(styx_str s, bool utf8) {
  const uint8_t *p = (const uint8_t *)s.s;
  if (memchr(p, 0, s.len))
    return STYX_ENUL;
  for (size_t i = 0; utf8 && i < s.len;) {
    uint32_t rune;
    size_t n = sx_utf8(p + i, s.len - i, &rune);
    if (n == 0)
      return STYX_EUTF8;
    i += n;
  }
  return STYX_OK;
}

void sx_get_str(struct sx_in *in, styx_str *s) {
  sx_get_text(in, s);
  styx_err err = is_plain(*s, 0) ? STYX_OK : check(*s, in->utf8);
  if (err)
    sx_wrong(in, err);
}

void sx_get_name(struct sx_in *in, styx_str *s) {
  sx_get_text(in, s);
  if (s->len && is_plain(*s, '/'))
    return;
  styx_err err = check(*s, in->utf8);
  if (!err && (s->len == 0 || memchr(s->s, '/', s->len)))
    err = STYX_ENAME;
  if (err)
    sx_wrong(in, err);
}
