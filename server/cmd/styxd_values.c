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

/* ---- the words behind an export ---- */

static const char *word_ro(struct styxd_export *e, const char *value) {
  (void)value;
  e->readonly = true;
  return NULL;
}

static const char *word_special(struct styxd_export *e, const char *value) {
  (void)value;
  e->special = true;
  return NULL;
}

static const char *word_squash(struct styxd_export *e, const char *value) {
  e->squash_all = strcmp(value, "all") == 0;
  e->trust = strcmp(value, "none") == 0;
  return e->squash_all || e->trust || strcmp(value, "root") == 0 ? NULL : "has a squash that is not root, all or none";
}

static const char *word_size(struct styxd_export *e, const char *value) {
  const char *wrong = styxd_parse_size(value, &e->bytes);
  return wrong || e->bytes ? wrong : "leaves no room for a byte";
}

static const char *word_files(struct styxd_export *e, const char *value) {
  const char *wrong = styxd_parse_count(value, &e->files);
  return wrong || e->files ? wrong : "leaves no room for a file";
}

static const struct word {
  const char *text; /* with a "=", a value follows */
  bool of_memory;
  const char *(*set)(struct styxd_export *e, const char *value);
} words[] = {{"ro", false, word_ro},
             {"special", false, word_special},
             {"squash=", false, word_squash},
             {"size=", true, word_size},
             {"files=", true, word_files}};

static const struct word *word_of(const char *text, bool of_memory) {
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t len = strlen(words[i].text);
    bool valued = words[i].text[len - 1] == '=';
    if (words[i].of_memory == of_memory && strncmp(text, words[i].text, len) == 0 && (valued || !text[len]))
      return &words[i];
  }
  return NULL;
}

/* Take the last word off text, where it is one: what is no word of ours belongs to the path. */
static bool take_word(char *text, bool of_memory, struct styxd_export *e, const char **wrong) {
  char *comma = strrchr(text, ',');
  const struct word *word = comma ? word_of(comma + 1, of_memory) : NULL;
  if (!word)
    return false;
  *comma = '\0';
  *wrong = word->set(e, comma + 1 + strlen(word->text));
  return !*wrong;
}

static const char *parse_export(char *text, struct styxd_export *out) {
  const char *wrong = NULL;
  *out = (struct styxd_export){0};
  while (take_word(text, false, out, &wrong))
    ;
  char *equals = strchr(text, '='), *dir = text;
  bool named = equals && !memchr(text, '/', (size_t)(equals - text));
  if (named) {
    dir = equals + 1;
    if (!wrong)
      wrong = name_wrong(text, (size_t)(equals - text));
  }
  if (wrong)
    return wrong;
  if (!*dir)
    return "names no directory";
  out->path = export_path(dir, strlen(dir));
  if (named)
    out->name = strndup(text, (size_t)(equals - text));
  return out->path && (out->name || !named) ? NULL : "has a path that is too long";
}

static const char *parse_mem(char *text, struct styxd_export *out) {
  const char *wrong = NULL;
  *out = (struct styxd_export){0};
  while (take_word(text, true, out, &wrong))
    ;
  if (!wrong)
    wrong = name_wrong(text, strlen(text));
  if (wrong)
    return wrong;
  out->name = strdup(text);
  return out->name ? NULL : "cannot be kept: out of memory";
}

static const char *parse_copy(const char *text, struct styxd_export *out,
                              const char *(*parse)(char *, struct styxd_export *)) {
  char *copy = strdup(text);
  const char *wrong = copy ? parse(copy, out) : "cannot be kept: out of memory";
  free(copy);
  return wrong;
}

const char *styxd_parse_export(const char *text, struct styxd_export *out) {
  return parse_copy(text, out, parse_export);
}

const char *styxd_parse_mem(const char *text, struct styxd_export *out) { return parse_copy(text, out, parse_mem); }
