/* goldens.h: the messages of test/golden, bytes and meaning, written by hand; 9p2000.txt there tells the form. */
#ifndef TEST_GOLDENS_H
#define TEST_GOLDENS_H

#include <styx/wire.h>

#include <ctype.h>
#include <stdio.h>

#include "guard.h"

struct golden {
  uint8_t *bytes;
  size_t n;
  char *text;
  styx_dialect dialect;
  char where[32]; /* file and line, for what a test says */
};

enum { GOLDENS_MAX = 512, GOLDEN_BYTES_MAX = GUARD_ROOM };

/* 'text'*N is N times the text. */
static inline char *golden_text(const char *line) {
  char *text;
  size_t len;
  FILE *out = open_memstream(&text, &len);
  for (const char *p = line; *p && *p != '\n'; p++) {
    const char *end = *p == '\'' ? strchr(p + 1, '\'') : NULL;
    if (!end) {
      fputc(*p, out);
      continue;
    }
    char *after = NULL;
    unsigned long times = end[1] == '*' ? strtoul(end + 2, &after, 10) : 1;
    fputc('\'', out);
    for (unsigned long i = 0; i < times; i++)
      fwrite(p + 1, 1, (size_t)(end - p - 1), out);
    fputc('\'', out);
    p = after ? after - 1 : end;
  }
  fclose(out);
  return text;
}

static inline size_t goldens_read(struct golden *list, size_t n, const char *name, styx_dialect dialect) {
  static uint8_t bytes[GOLDEN_BYTES_MAX];
  char path[512], *line = NULL;
  size_t cap = 0, got = 0;
  int number = 0;
  snprintf(path, sizeof path, "%s/%s", STYX_GOLDEN, name);
  FILE *file = fopen(path, "r");
  cr_assert(file, "cannot open %s", path);
  while (getline(&line, &cap, file) >= 0) {
    number++;
    if (*line == '#' || *line == '\n')
      continue;
    line[strcspn(line, "\n")] = 0;
    if (!isupper((unsigned char)*line)) {
      got += unhex(bytes + got, line);
      continue;
    }
    cr_assert(n < GOLDENS_MAX && got >= 7, "%s:%d", name, number);
    list[n] = (struct golden){malloc(got), got, golden_text(line), dialect, ""};
    snprintf(list[n].where, sizeof list[n].where, "%s:%d", name, number);
    memcpy(list[n++].bytes, bytes, got);
    got = 0;
  }
  cr_assert(got == 0 && number > 0, "%s ends amid a row", name);
  free(line);
  fclose(file);
  return n;
}

/* All of them; one without bytes ends the list. */
static inline const struct golden *goldens(void) {
  static struct golden list[GOLDENS_MAX + 1];
  if (!list[0].n) {
    size_t n = goldens_read(list, 0, "9p2000.txt", STYX_9P2000);
    n = goldens_read(list, n, "9p2000u.txt", STYX_9P2000_U);
    goldens_read(list, n, "9p2000L.txt", STYX_9P2000_L);
  }
  return list;
}

#define EACH_GOLDEN(g) (const struct golden *g = goldens(); g->n; g++)

/* The next position to try in a message of n bytes: all of a short one, of a long one those near both ends. */
static inline size_t golden_step(size_t at, size_t n) { return n > 512 && at == 63 ? n - 64 : at + 1; }

#endif
