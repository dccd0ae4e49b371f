/* auth_secrets.c: the file of secrets. */
#include "fs/auth.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 256 * 1024 };

struct why {
  char *text;
  size_t cap;
};

static styx_err STYX_PRINTF(3, 4) fail(const struct why *why, styx_err err, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  if (why->cap)
    vsnprintf(why->text, why->cap, fmt, args);
  va_end(args);
  return err;
}

static styx_err kernel(const struct why *why, int err) { return fail(why, err, "%s", styx_err_text(err)); }

/* ---- reading it ---- */

/* Looked at through the descriptor, so that it is the file that will be read. */
static styx_err check_file(int fd, size_t *size, const struct why *why) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return kernel(why, errno);
  if (!S_ISREG(st.st_mode))
    return fail(why, STYX_EBADARG, "it is no ordinary file");
  if (st.st_uid != geteuid() && st.st_uid != 0)
    return fail(why, EACCES, "it belongs to user %u: it has to belong to user %u, who runs this, or to root",
                (unsigned)st.st_uid, (unsigned)geteuid());
  if (st.st_mode & 077)
    return fail(why, EACCES, "others than its owner may use it (mode %o): chmod 600 it, and change its secrets",
                (unsigned)st.st_mode & 0777u);
  if (st.st_size > FILE_MOST)
    return fail(why, EFBIG, "it is larger than %d KiB", FILE_MOST / 1024);
  *size = (size_t)st.st_size;
  return STYX_OK;
}

/* Its end is where it was when it was looked at. */
static styx_err read_all(styx_secrets *s, int fd, const struct why *why) {
  while (s->s_size < s->s_cap) {
    ssize_t n = read(fd, s->s_text + s->s_size, s->s_cap - s->s_size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return kernel(why, errno);
    if (n == 0)
      break;
    s->s_size += (size_t)n;
  }
  return STYX_OK;
}

static styx_err read_file(styx_secrets *s, const char *path, const struct why *why) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO does not keep us */
  if (fd < 0)
    return kernel(why, errno);
  styx_err err = check_file(fd, &s->s_cap, why);
  if (!err && s->s_cap && !(s->s_text = sx_alloc(&s->s_alloc, s->s_cap)))
    err = kernel(why, ENOMEM);
  if (!err)
    err = read_all(s, fd, why);
  close(fd);
  return err;
}

/* ---- its lines ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static styx_err take_line(styx_secrets *s, styx_str line, unsigned number, const struct why *why) {
  const char *colon = line.len ? memchr(line.s, ':', line.len) : NULL;
  if (line.len == 0 || line.s[0] == '#')
    return STYX_OK;
  if (!colon || colon == line.s)
    return fail(why, STYX_EBADARG, "line %u is not NAME:SECRET", number);
  const styx_str user = {line.s, (size_t)(colon - line.s)};
  const styx_str secret = {colon + 1, line.len - user.len - 1};
  if (memchr(line.s, '\0', line.len))
    return fail(why, STYX_EBADARG, "line %u has a zero byte in it", number);
  if (secret.len < STYX_SECRET_LEAST || secret.len > STYX_SECRET_MOST)
    return fail(why, STYX_EBADARG,
                "line %u: a secret of %zu bytes; from %d to %d are needed, at random: openssl rand -base64 24", number,
                secret.len, STYX_SECRET_LEAST, STYX_SECRET_MOST);
  if (is_blank(secret.s[0]) || is_blank(secret.s[secret.len - 1]))
    return fail(why, STYX_EBADARG, "line %u: the secret begins or ends with a blank", number);
  for (size_t i = 0; i < s->s_n; i++)
    if (s->s_list[i].user.len == user.len && memcmp(s->s_list[i].user.s, user.s, user.len) == 0)
      return fail(why, STYX_EBADARG, "line %u is for the same user as line %u", number, s->s_list[i].line);
  s->s_list[s->s_n++] = (struct sx_secret){user, secret, number};
  return STYX_OK;
}

static size_t count_lines(const styx_secrets *s) {
  size_t n = 1;
  for (size_t i = 0; i < s->s_size; i++)
    n += s->s_text[i] == '\n';
  return n;
}

static styx_err take_lines(styx_secrets *s, size_t lines, const struct why *why) {
  size_t at = 0;
  styx_err err = STYX_OK;
  if (!(s->s_list = sx_alloc(&s->s_alloc, lines * sizeof *s->s_list)))
    return kernel(why, ENOMEM);
  for (unsigned number = 1; at < s->s_size && !err; number++) {
    const char *line = s->s_text + at, *end = memchr(line, '\n', s->s_size - at);
    const size_t len = end ? (size_t)(end - line) : s->s_size - at;
    err = take_line(s, (styx_str){line, len}, number, why);
    at += len + 1;
  }
  return err || s->s_n ? err : fail(why, STYX_EBADARG, "it has a secret for nobody: write lines NAME:SECRET");
}

/* The first proof makes libcrypto read what it is configured by: not while somebody waits. */
static styx_err try_libcrypto(styx_secrets *s, const struct why *why) {
  uint8_t text[SX_LABEL], proof[SX_PROOF];
  if (sx_nonce(s->s_decoy) && sx_proof(proof, 'n', text, sizeof text, s->s_decoy, sizeof s->s_decoy))
    return STYX_OK;
  return fail(why, EIO, "libcrypto gives no random numbers, or has no HMAC-SHA256");
}

/* ---- from outside ---- */

styx_err styx_secrets_open(styx_secrets **out, const char *path, const styx_allocator *allocator, char *why,
                           size_t cap) {
  const struct why w = {why, cap};
  styx_secrets *s = sx_zalloc(allocator, sizeof *s);
  if (!s)
    return kernel(&w, ENOMEM);
  if (allocator)
    s->s_alloc = *allocator;
  styx_err err = read_file(s, path, &w);
  if (!err)
    err = take_lines(s, count_lines(s), &w);
  if (!err)
    err = try_libcrypto(s, &w);
  if (err)
    styx_secrets_free(s);
  else
    *out = s;
  return err;
}

void styx_secrets_free(styx_secrets *secrets) {
  if (!secrets)
    return;
  const styx_allocator alloc = secrets->s_alloc;
  if (secrets->s_list)
    sx_free(&alloc, secrets->s_list, count_lines(secrets) * sizeof *secrets->s_list);
  sx_wipe(secrets->s_text, secrets->s_cap);
  sx_free(&alloc, secrets->s_text, secrets->s_cap);
  sx_wipe(secrets, sizeof *secrets);
  sx_free(&alloc, secrets, sizeof *secrets);
}

const void *styx_secrets_find(const styx_secrets *secrets, styx_str user, size_t *len) {
  for (size_t i = 0; i < secrets->s_n; i++) {
    const struct sx_secret *e = &secrets->s_list[i];
    if (e->user.len == user.len && memcmp(e->user.s, user.s, user.len) == 0) {
      *len = e->secret.len;
      return e->secret.s;
    }
  }
  return NULL;
}
