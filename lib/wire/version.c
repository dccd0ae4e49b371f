/* version.c: which version of the protocol two ends have in common. A version is a number, with a dialect behind a dot. */
#include <styx/wire.h>

#include <string.h>

enum { NUMBER = 2000 };

static const char *const names[] = {STYX_VERSION_9P2000, STYX_VERSION_9P2000_U, STYX_VERSION_9P2000_L};
static const char *const suffixes[] = {"", ".u", ".L"};

const char *styx_dialect_version(styx_dialect dialect) {
  return dialect <= STYX_9P2000_L ? names[dialect] : STYX_VERSION_UNKNOWN;
}

/* "9P" and digits up to the end or a dot: their number, which past NUMBER is only some larger one, and what follows them.
 * 0 for anything else. */
static unsigned number_of(styx_str v, styx_str *suffix) {
  unsigned number = 0;
  size_t i = 2;
  if (v.len < 2 || memcmp(v.s, "9P", 2) != 0)
    return 0;
  for (; i < v.len && v.s[i] >= '0' && v.s[i] <= '9'; i++)
    if (number <= NUMBER)
      number = number * 10 + (unsigned)(v.s[i] - '0');
  if (i < v.len && v.s[i] != '.')
    return 0;
  *suffix = (styx_str){v.s + i, v.len - i};
  return number;
}

static bool speaks(unsigned dialects, unsigned dialect) { return (dialects >> dialect & 1) != 0; }

static bool choose(styx_str version, unsigned dialects, styx_dialect *dialect) {
  styx_str suffix = {NULL, 0};
  unsigned number = number_of(version, &suffix);
  if (number < NUMBER)
    return false;
  for (unsigned d = STYX_9P2000_U; number == NUMBER && d <= STYX_9P2000_L; d++)
    if (speaks(dialects, d) && styx_str_is(suffix, suffixes[d])) {
      *dialect = (styx_dialect)d;
      return true;
    }
  *dialect = STYX_9P2000; /* what is newer or has a suffix we lack includes it */
  return speaks(dialects, STYX_9P2000);
}

bool styx_compatible(styx_msg *rversion, const styx_msg *tversion, uint32_t msize, unsigned dialects,
                     styx_dialect *dialect) {
  styx_dialect found = STYX_9P2000;
  uint32_t lesser = tversion->msize < msize ? tversion->msize : msize;
  bool agreed = lesser >= STYX_MINMSIZE && choose(tversion->version, dialects, &found);
  *rversion = (styx_msg){.type = STYX_Rversion, .tag = tversion->tag, .msize = lesser};
  rversion->version = styx_str_of(agreed ? names[found] : STYX_VERSION_UNKNOWN);
  if (agreed)
    *dialect = found;
  return agreed;
}
