/* frame.c: where a message ends, and what a counted string may hold. */
#include "wire/bytes.h"

ptrdiff_t styx_frame(const void *buf, size_t len, uint32_t msize) {
  if (len < 4)
    return 0;
  uint32_t size = sx_load32(buf);
  if (size < STYX_HDRSZ)
    return -STYX_EFRAME;
  if (msize && size > msize)
    return -STYX_ETOOLONG;
  return size <= len ? (ptrdiff_t)size : 0;
}

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

styx_err sx_str_check(styx_str s, bool utf8) {
  const uint8_t *p = (const uint8_t *)s.s;
  styx_err err = STYX_OK;
  for (size_t i = 0; i < s.len;) {
    uint32_t rune;
    if (p[i] == 0)
      return STYX_ENUL;
    size_t n = !utf8 || p[i] < 0x80 ? 1 : sx_utf8(p + i, s.len - i, &rune);
    if (n == 0)
      err = STYX_EUTF8; /* a NUL further on is still the worse one */
    i += n ? n : 1;
  }
  return err;
}
