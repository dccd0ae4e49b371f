/* hostfs_names.c: names of the host as UTF-8 and back. */
#include "fs/host.h"

#include <errno.h>
#include <string.h>

/* The bytes of the valid UTF-8 sequence at p, terminated text; 0 if there is none. */
static size_t sequence(const unsigned char *p) {
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
  if (n < 2)
    return n;
  uint32_t rune = *p & (0x7fu >> n);
  for (size_t i = 1; i < n; i++) {
    if ((p[i] & 0xc0) != 0x80) /* also the terminator */
      return 0;
    rune = rune << 6 | (p[i] & 0x3fu);
  }
  bool bad = rune < least[n] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff);
  return bad ? 0 : n;
}

/* U+10FE80 to U+10FEFF are f4 8f ba 80 to f4 8f bb bf. */
static bool is_escape(const unsigned char *p) { return p[0] == 0xf4 && p[1] == 0x8f && (p[2] == 0xba || p[2] == 0xbb); }

static void put_escape(char *to, unsigned char byte) {
  to[0] = (char)0xf4;
  to[1] = (char)0x8f;
  to[2] = (char)(byte & 0x40 ? 0xbb : 0xba);
  to[3] = (char)(0x80 | (byte & 0x3f));
}

static unsigned char get_escape(const unsigned char *p) {
  return (unsigned char)(0x80 | (p[2] == 0xbb ? 0x40 : 0) | (p[3] & 0x3f));
}

styx_str sx_host_name_out(char buf[SX_HOST_NAME], const char *name) {
  const unsigned char *p = (const unsigned char *)name;
  size_t used = 0;
  while (*p) {
    size_t n = sequence(p);
    if (n == 0 || (n == 4 && is_escape(p))) {
      for (size_t i = 0; i < (n ? n : 1); i++, used += 4)
        put_escape(buf + used, *p++);
      continue;
    }
    memcpy(buf + used, p, n);
    used += n;
    p += n;
  }
  return (styx_str){buf, used};
}

styx_err sx_host_name_in(char buf[NAME_MAX + 1], styx_str name) {
  char again[SX_HOST_NAME];
  size_t used = 0;
  for (size_t at = 0; at < name.len; used++) {
    const unsigned char *p = (const unsigned char *)name.s + at;
    bool escape = name.len - at >= 4 && is_escape(p);
    if (used == NAME_MAX)
      return ENAMETOOLONG;
    buf[used] = escape ? (char)get_escape(p) : name.s[at];
    at += escape ? 4 : 1;
  }
  buf[used] = '\0';
  if (memchr(buf, '\0', used) || strchr(buf, '/') || !used || !strcmp(buf, ".") || !strcmp(buf, ".."))
    return STYX_ENAME;
  /* An escape of what needed none would be a second name for the same file. */
  return styx_str_eq(sx_host_name_out(again, buf), name) ? STYX_OK : STYX_ENAME;
}
