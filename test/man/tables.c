/* tables.c: what the tables of the manual have to say, from the tables of the library: tables messages|errors|limits. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STR_OF(f) " " #f
#define U(fields) fields " (.u)"
#define UL(fields) fields " (.u, .L)"
#define U8(f) STR_OF(f) "[1]"
#define U16(f) STR_OF(f) "[2]"
#define U32(f) STR_OF(f) "[4]"
#define U64(f) STR_OF(f) "[8]"
#define TAG(f) STR_OF(f) "[2]"
#define FID(f) STR_OF(f) "[4]"
#define PERM(f) STR_OF(f) "[4]"
#define STR(f) STR_OF(f) "[s]"
#define TEXT(f) STR_OF(f) "[s]"
#define NAME(f) STR_OF(f) "[s]"
#define QID(f) STR_OF(f) "[13]"
#define STAT(f) STR_OF(f) "[n]"
#define NAMES() " nwname[2] nwname*(wname[s])"
#define QIDS() " nwqid[2] nwqid*(qid[13])"
#define DATA() " count[4] data[count]"

static void messages(void) {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  printf(".It %s Ta %d Ta%s\n", #name, number, "" fields);
#include <styx/messages.def>
#undef STYX_MSG
}

static void errors(void) {
#define STYX_ERRNO(name, text)
#define STYX_ERROR(name, code, errno_, text)                                                                           \
  printf(".It Dv STYX_%s Ta Er %s Ta %s%s\n", #name, #errno_, *text == '.' ? "\\&" : "", text);
#include <styx/errors.def>
#undef STYX_ERROR
#undef STYX_ERRNO
}

static void limit(const char *flag, uint64_t value, const char *unit) {
  const char *scale = "";
  if (strcmp(unit, "ns") == 0) {
    value /= 1000000000;
    scale = " s";
  } else if (value && value % (1u << 30) == 0) {
    value >>= 30;
    scale = "G";
  } else if (value % 1048576 == 0) {
    value /= 1048576;
    scale = "M";
  } else if (strcmp(unit, "bytes") == 0 && value % 1024 == 0) {
    value /= 1024;
    scale = "K";
  }
  printf(".It Fl -%s Ta %" PRIu64 "%s\n", flag, value, scale);
}

static void limits(void) {
#define STYX_LIMIT(field, flag, default_, unit, help) limit(flag, default_, unit);
#include <styx/limits.def>
#undef STYX_LIMIT
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "messages") == 0)
    messages();
  else if (argc == 2 && strcmp(argv[1], "errors") == 0)
    errors();
  else if (argc == 2 && strcmp(argv[1], "limits") == 0)
    limits();
  else
    return 2;
  return 0;
}
