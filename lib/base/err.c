/* err.c: the error table's texts and numbers, and the way back from a peer's words. */
#include <styx/err.h>

#include <errno.h>
#include <string.h>

struct row {
  styx_err err;
  int errno_;
  const char *text;
};

static const struct row rows[] = {
#define STYX_ERRNO(name, text) {name, name, text},
#define STYX_ERROR(name, code, errno_, text) {code, errno_, text},
#include <styx/errors.def>
#undef STYX_ERRNO
#undef STYX_ERROR
};

enum part { WHOLE, PREFIX, SUFFIX };

static const struct alias {
  styx_err err;
  enum part part;
  const char *text;
} aliases[] = {
#define STYX_ALIAS(err, part, text) {err, part, text},
#include "base/aliases.def"
#undef STYX_ALIAS
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { LAST_ERRNO = 4095, LAST_LIBC_ERRNO = 133 };

static const struct row *row_of(styx_err err) {
  for (size_t i = 0; i < COUNT(rows); i++)
    if (rows[i].err == err)
      return &rows[i];
  return NULL;
}

/* NULL for what the C library does not know. */
static const char *libc_text(int err) {
#ifdef __GLIBC__
  return strerrordesc_np(err);
#else
  return err > 0 && err <= LAST_LIBC_ERRNO ? strerror(err) : NULL;
#endif
}

const char *styx_err_text(styx_err err) {
  if (err == STYX_OK)
    return "no error";
  const struct row *row = row_of(err);
  if (row)
    return row->text;
  const char *text = err > 0 && err <= LAST_ERRNO ? libc_text(err) : NULL;
  return text ? text : "unknown error";
}

int styx_err_errno(styx_err err) {
  if (err >= 0 && err <= LAST_ERRNO)
    return err;
  const struct row *row = row_of(err);
  return row ? row->errno_ : EIO;
}

static bool same(enum part part, const char *want, const char *text, size_t len) {
  size_t n = strlen(want);
  if (part == WHOLE ? len != n : len < n)
    return false;
  return memcmp(want, part == SUFFIX ? text + (len - n) : text, n) == 0;
}

/* STYX_OK for words that nobody is known to say. */
static styx_err known(const char *text, size_t len) {
  if (len == 0)
    return STYX_OK;
  for (size_t i = 0; i < COUNT(rows); i++)
    if (same(WHOLE, rows[i].text, text, len))
      return rows[i].err;
  for (size_t i = 0; i < COUNT(aliases); i++)
    if (same(aliases[i].part, aliases[i].text, text, len))
      return aliases[i].err;
  for (int e = 1; e <= LAST_LIBC_ERRNO; e++) {
    const char *theirs = libc_text(e);
    if (theirs && same(WHOLE, theirs, text, len))
      return e;
  }
  return STYX_OK;
}

styx_err styx_err_from_text(const char *text, size_t len) {
  styx_err err = known(text, len);
  return err ? err : STYX_EREMOTE_TEXT;
}

styx_err styx_err_from_wire(const char *text, size_t len, uint32_t ecode) {
  styx_err said = known(text, len);
  bool number = ecode >= 1 && ecode <= LAST_ERRNO;
  bool named = number && libc_text((int)ecode);
  if (said && (!named || styx_err_errno(said) == (int)ecode))
    return said;
  if (number)
    return (int)ecode;
  return len ? STYX_EREMOTE_TEXT : EIO;
}

bool styx_err_is_framing(styx_err err) {
  return err == STYX_EFRAME || err == STYX_ETOOLONG || err == STYX_ETRUNC || err == STYX_ENOTT;
}
