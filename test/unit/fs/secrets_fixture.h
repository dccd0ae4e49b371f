/* secrets_fixture.h: files of secrets for tests. */
#ifndef UNIT_FS_SECRETS_FIXTURE_H
#define UNIT_FS_SECRETS_FIXTURE_H

#include <styx/auth.h>

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GLENDAS "0123456789abcdef0123456789"
#define BOBS "another secret that is random"

static char secrets_dir[] = "/tmp/styx-secrets-XXXXXX", secrets_path[64], secrets_why[STYX_SECRETS_WHY];

/* A file with these bytes; secrets_path is its name. */
static inline void secrets_write(const void *text, size_t len, mode_t mode) {
  if (!*secrets_path) {
    cr_assert(mkdtemp(secrets_dir));
    snprintf(secrets_path, sizeof secrets_path, "%s/keys", secrets_dir);
  }
  (void)unlink(secrets_path);
  int fd = open(secrets_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  cr_assert_geq(fd, 0);
  cr_assert_eq(write(fd, text, len), (ssize_t)len);
  cr_assert_eq(fchmod(fd, mode), 0);
  close(fd);
}

static inline styx_err secrets_try(styx_secrets **out) {
  strcpy(secrets_why, "nothing was said");
  return styx_secrets_open(out, secrets_path, NULL, secrets_why, sizeof secrets_why);
}

static inline styx_secrets *secrets_of(const char *text) {
  styx_secrets *s = NULL;
  secrets_write(text, strlen(text), 0600);
  cr_assert_eq(secrets_try(&s), STYX_OK, "%s", secrets_why);
  return s;
}

static inline void secrets_end(void) {
  (void)unlink(secrets_path);
  if (*secrets_path)
    (void)rmdir(secrets_dir);
}

#endif
