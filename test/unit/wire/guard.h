/* guard.h: bytes between two pages that cannot be touched, and bytes written by hand as text. */
#ifndef TEST_GUARD_H
#define TEST_GUARD_H

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Writable room of GUARD_ROOM bytes; a read or write just before or just behind it kills the test. */
enum { GUARD_PAGE = 4096, GUARD_ROOM = 260 * GUARD_PAGE };

static inline uint8_t *guard_room(void) {
  uint8_t *p = mmap(NULL, GUARD_ROOM + 2 * GUARD_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  cr_assert(p != MAP_FAILED);
  cr_assert(mprotect(p + GUARD_PAGE, GUARD_ROOM, PROT_READ | PROT_WRITE) == 0);
  return p + GUARD_PAGE;
}

static inline int hex_digit(char c) { return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0'; }

/* "0700 'ab' ff*3": pairs of digits, text in quotes, blanks anywhere, *N repeats the last byte. Returns the count. */
static inline size_t unhex(uint8_t *out, const char *text) {
  size_t n = 0;
  for (const char *p = text; *p; p++) {
    if (*p == ' ')
      continue;
    if (*p == '\'') {
      for (p++; *p != '\''; p++)
        out[n++] = (uint8_t)*p;
    } else if (*p == '*') {
      char *end;
      unsigned long times = strtoul(p + 1, &end, 10);
      memset(out + n, out[n - 1], times - 1);
      n += times - 1;
      p = end - 1;
    } else {
      out[n++] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
      p++;
    }
  }
  return n;
}

#endif
