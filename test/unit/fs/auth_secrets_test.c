/* auth_secrets_test.c: which files of secrets are taken, and what is said of others. */
#include "secrets_fixture.h"

#include <errno.h>

static void expect_refusal(styx_err err, const char *says) {
  styx_secrets *s = NULL;
  cr_assert_eq(secrets_try(&s), err, "%s", secrets_why);
  cr_assert_null(s);
  cr_assert(strstr(secrets_why, says), "it says: %s", secrets_why);
}

static void refused(const char *text, const char *says) {
  secrets_write(text, strlen(text), 0600);
  expect_refusal(STYX_EBADARG, says);
}

static void has(const styx_secrets *s, const char *user, const char *secret) {
  size_t len = 0;
  const void *found = styx_secrets_find(s, styx_str_of(user), &len);
  cr_assert(found, "%s has none", user);
  cr_assert_eq(len, strlen(secret));
  cr_assert_eq(memcmp(found, secret, len), 0);
}

Test(auth_secrets, each_line_is_a_user_and_a_secret, .fini = secrets_end) {
  styx_secrets *s =
      secrets_of("# keys\n\nglenda:" GLENDAS "\nbob:" BOBS "\n\n#bob:" GLENDAS "\nc d::::::::::::::::::::x");
  has(s, "glenda", GLENDAS);
  has(s, "bob", BOBS);
  has(s, "c d", ":::::::::::::::::::x"); /* all behind the first colon; the last line needs no end */
  size_t len = 77;
  cr_assert_null(styx_secrets_find(s, (styx_str)STYX_STR("glend"), &len));
  cr_assert_null(styx_secrets_find(s, (styx_str){0}, &len));
  cr_assert_eq(len, 77);
  styx_secrets_free(s);
  styx_secrets_free(NULL);
}

Test(auth_secrets, a_file_that_others_may_use_is_refused, .fini = secrets_end) {
  static const mode_t open_to_others[] = {0640, 0620, 0610, 0604, 0602, 0601, 0777};
  const char text[] = "glenda:" GLENDAS "\n";
  for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
    secrets_write(text, sizeof text - 1, open_to_others[i]);
    expect_refusal(EACCES, "chmod 600");
  }
}

Test(auth_secrets, a_file_of_somebody_else_is_refused, .fini = secrets_end) {
  const char text[] = "glenda:" GLENDAS "\n";
  secrets_write(text, sizeof text - 1, 0600);
  if (geteuid() != 0)
    cr_skip_test("only root can give files away");
  cr_assert_eq(chown(secrets_path, 4711, 0), 0);
  expect_refusal(EACCES, "belongs to user 4711");
}

Test(auth_secrets, what_is_no_file_is_refused_and_keeps_nobody_waiting, .fini = secrets_end) {
  styx_secrets *s = NULL;
  secrets_write("", 0, 0600);
  cr_assert_eq(unlink(secrets_path), 0);
  expect_refusal(ENOENT, "does not exist");
  cr_assert_eq(mkfifo(secrets_path, 0600), 0);
  expect_refusal(STYX_EBADARG, "no ordinary file");
  cr_assert_eq(styx_secrets_open(&s, "/tmp", NULL, secrets_why, sizeof secrets_why), STYX_EBADARG);
  cr_assert_eq(styx_secrets_open(&s, secrets_path, NULL, NULL, 0), STYX_EBADARG); /* nobody wants to know why */
  char little[5];
  cr_assert_eq(styx_secrets_open(&s, secrets_path, NULL, little, sizeof little), STYX_EBADARG);
  cr_assert_eq(strlen(little), 4);
}

Test(auth_secrets, wrong_lines_are_named, .fini = secrets_end) {
  refused("", "nobody");
  refused("# nothing\n", "nobody");
  refused("glenda:" GLENDAS "\nbob\n", "line 2 is not NAME:SECRET");
  refused(":" GLENDAS "\n", "line 1 is not NAME:SECRET");
  refused("\nglenda:short\n", "line 2: a secret of 5 bytes");
  refused("glenda:0123456789abcde\n", "a secret of 15 bytes");
  refused("glenda: " GLENDAS "\n", "line 1: the secret begins or ends with a blank");
  refused("glenda:" GLENDAS "\r\n", "ends with a blank");
  refused("glenda:" GLENDAS "\nbob:" BOBS "\nglenda:" BOBS "\n", "line 3 is for the same user as line 1");
  secrets_write("glenda:0123\0"
                "56789abcdef0\n",
                25, 0600);
  expect_refusal(STYX_EBADARG, "zero byte");
  static char big[256 * 1024 + 1];
  memset(big, '#', sizeof big);
  secrets_write(big, sizeof big, 0600);
  expect_refusal(EFBIG, "256 KiB");
  memset(big, 'x', 1100);
  memcpy(big, "glenda:", 7);
  big[1100] = '\n';
  secrets_write(big, 1101, 0600);
  expect_refusal(STYX_EBADARG, "a secret of 1093 bytes");
}

/* ---- memory ---- */

struct memory {
  size_t live, calls, fail_at;
  bool dirty;
};

static void *counted_alloc(void *arg, size_t size) {
  struct memory *m = arg;
  if (m->calls++ == m->fail_at)
    return NULL;
  m->live += size;
  return malloc(size);
}

static void counted_free(void *arg, void *ptr, size_t size) {
  struct memory *m = arg;
  m->live -= size;
  for (size_t i = 0; i + 8 <= size; i++)
    m->dirty |= memcmp((char *)ptr + i, GLENDAS, 8) == 0;
  free(ptr);
}

Test(auth_secrets, no_secret_is_left_in_memory_that_is_given_back_and_any_allocation_may_fail, .fini = secrets_end) {
  secrets_write("glenda:" GLENDAS "\n", strlen("glenda:" GLENDAS "\n"), 0600);
  styx_err err = ENOMEM;
  for (size_t n = 0; err; n++) {
    struct memory m = {.fail_at = n};
    const styx_allocator alloc = {counted_alloc, counted_free, &m};
    styx_secrets *s = NULL;
    err = styx_secrets_open(&s, secrets_path, &alloc, secrets_why, sizeof secrets_why);
    cr_assert(err == STYX_OK || err == ENOMEM);
    if (!err)
      styx_secrets_free(s);
    cr_assert_eq(m.live, 0);
    cr_assert_not(m.dirty);
    cr_assert_eq(err == STYX_OK, n == 3);
  }
}
