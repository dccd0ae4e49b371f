/* styxd_map.c: the user map: who of the clients is which user of the host. */
#include "styxd.h"

#include <styx/hostfs.h>

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct map {
  const char *file;
  size_t line;
  styx_hostfs_user *rows;
  size_t n;
};

static bool wrong(const struct map *m, const char *what, const char *word) {
  styxd_complain("--user-map: %s:%zu: %s%s%s", m->file, m->line, word, *word ? " " : "", what);
  return false;
}

/* ---- a user of the host ---- */

static bool fill_groups(styx_hostfs_user *row, const char *name) {
  int n = 64;
  gid_t *groups = NULL;
  for (;;) {
    gid_t *more = reallocarray(groups, (size_t)n, sizeof *more);
    if (!more)
      return false;
    row->groups = groups = more;
    if (getgrouplist(name, row->gid, groups, &n) >= 0)
      break;
  }
  row->ngroups = (size_t)n;
  return true;
}

static bool parse_name(const struct map *m, const char *word, styx_hostfs_user *row) {
  errno = 0;
  const struct passwd *pw = getpwnam(word);
  if (!pw)
    return wrong(m, "is no user of this host; write a name or UID:GID", word);
  row->uid = pw->pw_uid;
  row->gid = pw->pw_gid;
  return fill_groups(row, word) || wrong(m, "out of memory", "");
}

/* ---- or its numbers ---- */

static bool parse_id(const char **at, uint32_t *id) {
  char *end;
  if (!isdigit((unsigned char)**at))
    return false;
  errno = 0;
  unsigned long long n = strtoull(*at, &end, 10);
  *at = end;
  *id = (uint32_t)n;
  return !errno && n < UINT32_MAX;
}

static bool parse_numbers(const struct map *m, const char *word, styx_hostfs_user *row) {
  const char *at = word;
  size_t most = strlen(word) / 2 + 1;
  uint32_t *groups = calloc(most, sizeof *groups);
  bool ok = groups && parse_id(&at, &row->uid) && *at++ == ':' && parse_id(&at, &row->gid);
  for (row->groups = groups; ok && *at == ','; row->ngroups++)
    at++, ok = parse_id(&at, &groups[row->ngroups]);
  return (ok && !*at) || wrong(m, "is not UID:GID or UID:GID,GID,...", word);
}

/* ---- the file ---- */

static bool add_row(struct map *m, const char *name, const char *host) {
  styx_hostfs_user *rows = reallocarray(m->rows, m->n + 1, sizeof *rows);
  if (!rows)
    return wrong(m, "out of memory", "");
  m->rows = rows;
  for (size_t i = 0; i < m->n; i++)
    if (strcmp(rows[i].name, name) == 0)
      return wrong(m, "has a line already", name);
  styx_hostfs_user *row = &rows[m->n];
  *row = (styx_hostfs_user){.name = strdup(name)};
  if (!row->name)
    return wrong(m, "out of memory", "");
  m->n++;
  return isdigit((unsigned char)*host) ? parse_numbers(m, host, row) : parse_name(m, host, row);
}

static bool parse_line(struct map *m, char *line) {
  static const char blanks[] = " \t\r\n";
  char *rest = NULL;
  line[strcspn(line, "#")] = '\0';
  char *name = strtok_r(line, blanks, &rest), *host = strtok_r(NULL, blanks, &rest);
  if (!name)
    return true;
  if (!host || strtok_r(NULL, blanks, &rest))
    return wrong(m, "is not NAME USER or NAME UID:GID", name);
  return add_row(m, name, host);
}

void styxd_map_free(styx_hostfs_user *rows, size_t n) {
  for (size_t i = 0; i < n; i++) {
    free((void *)(uintptr_t)rows[i].name);
    free((void *)(uintptr_t)rows[i].groups);
  }
  free(rows);
}

bool styxd_map_read(const char *file, styx_hostfs_user **rows, size_t *n) {
  struct map m = {.file = file};
  char *line = NULL;
  size_t cap = 0;
  bool ok = true;
  FILE *f = fopen(file, "re");
  if (!f) {
    styxd_complain("--user-map: cannot read %s: %s", file, strerror(errno));
    return false;
  }
  for (ssize_t len; ok && (len = getline(&line, &cap, f)) >= 0;) {
    m.line++;
    ok = strlen(line) == (size_t)len ? parse_line(&m, line) : wrong(&m, "has a byte 0, which is no text", "");
  }
  if (ok && ferror(f)) {
    styxd_complain("--user-map: cannot read %s: %s", file, strerror(errno));
    ok = false;
  }
  if (ok && m.n == 0) /* it would let everybody in, as who serves */
    ok = wrong(&m, "no line names a user", "");
  fclose(f);
  free(line);
  if (ok) {
    *rows = m.rows;
    *n = m.n;
  } else {
    styxd_map_free(m.rows, m.n);
  }
  return ok;
}
