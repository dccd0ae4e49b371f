/* styxd_values.c: the values of options: numbers, sizes, times, exports. */
#include "styxd.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *parse_digits(const char *text, uint64_t *out, char **end) {
  if (!isdigit((unsigned char)*text))
    return "is not a number";
  errno = 0;
  *out = strtoull(text, end, 10);
  return errno ? "is too large" : NULL;
}

const char *styxd_parse_count(const char *text, uint64_t *out) {
  uint64_t n;
  char *end;
  const char *wrong = parse_digits(text, &n, &end);
  if (wrong)
    return wrong;
  if (*end)
    return "is not a whole number";
  *out = n;
  return NULL;
}

const char *styxd_parse_size(const char *text, uint64_t *out) {
  static const char units[] = "KMG";
  uint64_t n, scale = 1;
  char *end;
  const char *wrong = parse_digits(text, &n, &end);
  if (wrong)
    return wrong;
  const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
  if (unit) {
    scale <<= 10 * (unit - units + 1);
    end++;
  }
  if (*end)
    return "is not a size: bytes, or a number followed by K, M or G";
  if (n > UINT64_MAX / scale)
    return "is too large";
  *out = n * scale;
  return NULL;
}

const char *styxd_parse_seconds(const char *text, uint64_t *out) {
  uint64_t s, scale = 1000000000, fraction = 0;
  char *end;
  const char *wrong = parse_digits(text, &s, &end);
  if (wrong)
    return wrong;
  if (s > UINT64_MAX / scale - 1)
    return "is too large";
  if (*end == '.')
    for (end++; isdigit((unsigned char)*end) && scale > 1; end++)
      fraction += (uint64_t)(*end - '0') * (scale /= 10);
  if (*end)
    return "is not a time in seconds";
  *out = s * 1000000000 + fraction;
  return NULL;
}

/* Names go into -o options of mount and onto command lines. */
static const char *name_wrong(const char *name, size_t len) {
  if (len == 0)
    return "has an empty name";
  for (size_t i = 0; i < len; i++)
    if (strchr(",/=\"'\\", name[i]) || isspace((unsigned char)name[i]) || iscntrl((unsigned char)name[i]))
      return "has a name with a character that mount options cannot carry";
  return NULL;
}

/* The path as it was given, which is what clients will attach to; made absolute, without slashes at its end. */
static char *export_path(const char *dir, size_t len) {
  char given[PATH_MAX];
  while (len > 1 && dir[len - 1] == '/')
    len--;
  if (len >= sizeof given)
    return NULL;
  memcpy(given, dir, len);
  given[len] = '\0';
  if (*given == '/')
    return strdup(given);
  char *absolute = realpath(given, NULL);
  return absolute ? absolute : strdup(given); /* opening it will say what is wrong */
}

const char *styxd_parse_export(const char *text, struct styxd_export *out) {
  const char *equals = strchr(text, '='), *dir = text;
  bool named = equals && !memchr(text, '/', (size_t)(equals - text)), readonly;
  if (named) {
    const char *wrong = name_wrong(text, (size_t)(equals - text));
    if (wrong)
      return wrong;
    dir = equals + 1;
  }
  size_t len = strlen(dir);
  readonly = len >= 3 && strcmp(dir + len - 3, ",ro") == 0;
  if (readonly)
    len -= 3;
  if (len == 0)
    return "names no directory";
  *out = (struct styxd_export){.path = export_path(dir, len), .readonly = readonly};
  if (named)
    out->name = strndup(text, (size_t)(equals - text));
  return out->path && (out->name || !named) ? NULL : "has a path that is too long";
}

const char *styxd_parse_mem(const char *name, struct styxd_export *out) {
  const char *wrong = name_wrong(name, strlen(name));
  if (wrong)
    return wrong;
  *out = (struct styxd_export){.name = strdup(name)};
  return out->name ? NULL : "cannot be kept: out of memory";
}
