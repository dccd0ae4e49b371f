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

/* What other servers say for an error that has a row (contract 1.13, and the servers that Linux knows). Reading only. */
static const struct row aliases[] = {
    {EACCES, 0, "Permission denied"},
    {EACCES, 0, "access permission denied"},
    {EACCES, 0, "create prohibited"},
    {EACCES, 0, "remove prohibited"},
    {EACCES, 0, "stat prohibited"},
    {EACCES, 0, "write prohibited"},
    {EACCES, 0, "wstat prohibited"},
    {EBUSY, 0, "exclusive lock"},
    {EBUSY, 0, "file in use"},
    {EBUSY, 0, "device or object already in use"},
    {EEXIST, 0, "File exists"},
    {EEXIST, 0, "file exists"},
    {EEXIST, 0, "file or directory already exists"},
    {EINTR, 0, "interrupted"},
    {EINTR, 0, "Interrupted"},
    {EINVAL, 0, "invalid argument"},
    {EIO, 0, "i/o error"},
    {EIO, 0, "I/O error"},
    {EIO, 0, "Remote I/O error"},
    {EISDIR, 0, "is a directory"},
    {EISDIR, 0, "file is a directory"},
    {EISDIR, 0, "cannot open directory for write"},
    {ENAMETOOLONG, 0, "file name too long"},
    {ENAMETOOLONG, 0, "name too long"},
    {ENOENT, 0, "No such file or directory"},
    {ENOENT, 0, "no such file or directory"},
    {ENOENT, 0, "No such file"},
    {ENOENT, 0, "file not found"},
    {ENOENT, 0, "directory entry not found"},
    {ENOMEM, 0, "no free memory"},
    {ENOMEM, 0, "out of memory"},
    {ENOSPC, 0, "file system is full"},
    {ENOSPC, 0, "file system full"},
    {ENOSPC, 0, "no space left on device"},
    {ENOTDIR, 0, "Not a directory"},
    {ENOTDIR, 0, "walk in non-directory"},
    {ENOTDIR, 0, "create in non-directory"},
    {ENOTEMPTY, 0, "directory is not empty"},
    {ENOTEMPTY, 0, "directory not empty"},
    {ENOTTY, 0, "Inappropriate ioctl for device"},
    {EPERM, 0, "not owner"},
    {EPERM, 0, "not file owner"},
    {EPERM, 0, "operation not permitted"},
    {EPIPE, 0, "write to hungup channel"},
    {EROFS, 0, "file system is read only"},
    {EROFS, 0, "read only file system"},
    {ESHUTDOWN, 0, "Cannot send after transport endpoint shutdown"},
    {ESTALE, 0, "Stale file handle"},
    {ETXTBSY, 0, "text file busy"},
    {ECANCELED, 0, "Operation canceled"},
    {EDEADLK, 0, "Resource deadlock would occur"},
    {ECONNREFUSED, 0, "connection refused"},
    {ETIMEDOUT, 0, "connection timed out"},
    {STYX_EBADFID, 0, "unknown fid"},
    {STYX_EBADFID, 0, "no such fid"},
    {STYX_EBADFID, 0, "fid unknown or out of range"},
    {STYX_EINUSE, 0, "duplicate fid"},
    {STYX_EINUSE, 0, "fid in use"},
    {STYX_EOPEN, 0, "cannot clone open fid"},
    {STYX_EOPEN, 0, "file already open for I/O"},
    {STYX_EBADUSE, 0, "bad use of fid"},
    {STYX_EOFFSET, 0, "bad offset"},
    {STYX_EOFFSET, 0, "bad offset in directory read"},
    {STYX_EDUPTAG, 0, "tag in use"},
    {STYX_ENOAUTH, 0, "no authentication required"},
    {STYX_EHANGUP, 0, "hung up"},
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

static bool same(const char *known, const char *text, size_t len) {
  return strlen(known) == len && memcmp(known, text, len) == 0;
}

static styx_err search(const struct row *table, size_t n, const char *text, size_t len) {
  for (size_t i = 0; i < n; i++)
    if (same(table[i].text, text, len))
      return table[i].err;
  return STYX_OK;
}

styx_err styx_err_from_text(const char *text, size_t len) {
  if (len == 0)
    return STYX_EREMOTE_TEXT;
  styx_err err = search(rows, COUNT(rows), text, len);
  if (!err)
    err = search(aliases, COUNT(aliases), text, len);
  for (int e = 1; !err && e <= LAST_LIBC_ERRNO; e++) {
    const char *known = libc_text(e);
    if (known && same(known, text, len))
      err = e;
  }
  return err ? err : STYX_EREMOTE_TEXT;
}

bool styx_err_is_framing(styx_err err) {
  return err == STYX_EFRAME || err == STYX_ETOOLONG || err == STYX_ETRUNC || err == STYX_ENOTT;
}
