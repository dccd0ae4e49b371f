/* styx_paths.c: names and paths of the server, as text. */
#include "styx_cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void *cli_alloc(size_t n) {
  void *p = malloc(n ? n : 1);
  if (!p) {
    fprintf(stderr, "styx: out of memory\n");
    exit(CLI_FAILED);
  }
  return p;
}

char *cli_dup(const char *s, size_t len) {
  char *copy = cli_alloc(len + 1);
  memcpy(copy, s, len);
  copy[len] = '\0';
  return copy;
}

static size_t drop_last(const char *out, size_t len) {
  while (len > 0 && out[len - 1] != '/')
    len--;
  return len > 0 ? len - 1 : 0;
}

char *cli_clean(const char *path) {
  char *out = cli_alloc(strlen(path) + 1);
  size_t len = 0;
  while (*path) {
    size_t n = strcspn(path, "/");
    if (n == 2 && memcmp(path, "..", 2) == 0) {
      len = drop_last(out, len);
    } else if (n > 0 && !(n == 1 && *path == '.')) {
      if (len > 0)
        out[len++] = '/';
      memcpy(out + len, path, n);
      len += n;
    }
    path += n;
    path += *path == '/';
  }
  out[len] = '\0';
  return out;
}

char *cli_join(const char *dir, const char *name, size_t namelen) {
  size_t len = strlen(dir);
  char *out = cli_alloc(len + namelen + 2);
  memcpy(out, dir, len);
  if (len > 0 && out[len - 1] != '/')
    out[len++] = '/';
  memcpy(out + len, name, namelen);
  out[len + namelen] = '\0';
  return out;
}

const char *cli_base(const char *clean) {
  const char *slash = strrchr(clean, '/');
  return slash ? slash + 1 : clean;
}

char *cli_dir(const char *clean) { return cli_dup(clean, drop_last(clean, strlen(clean))); }

uint32_t cli_masked(uint32_t perm) {
  mode_t mask = umask(0);
  umask(mask);
  return perm & ~(uint32_t)mask;
}
