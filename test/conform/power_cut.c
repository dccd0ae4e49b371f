/* power_cut.c: put into a program that uses SQLite, it makes kill -9 as bad as a power cut: what was written to a database and not
 * synced since is lost with the process, or, as the die says, only part of it. With POWER_CUT_LIES=N the disk is one that
 * promises to have synced, and from the Nth time on has not.
 *
 * It is a VFS in front of the system's. Writes and truncations are kept in memory until they are synced or the file is closed; about
 * every other write goes to the file at once too, as kernels do. */
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef POWER_CUT_LIES
enum { HONEST = POWER_CUT_LIES };
#else
enum { HONEST = INT_MAX };
#endif

/* Data NULL: cut to offset. */
struct change {
  struct change *next;
  sqlite3_int64 offset;
  int n;
  unsigned char data[];
};

struct file {
  sqlite3_file base;
  struct change *first, **last;
  sqlite3_int64 size;
  sqlite3_file *inner; /* behind this */
};

static sqlite3_vfs *system_vfs;
static uint64_t die;
static int syncs;

static bool toss(void) {
  die = die * 6364136223846793005u + 1442695040888963407u;
  return die >> 63;
}

static struct file *file_of(sqlite3_file *f) { return (struct file *)f; }

static int note(struct file *f, const void *data, int n, sqlite3_int64 offset) {
  struct change *c = malloc(sizeof *c + (size_t)n);
  if (!c)
    return SQLITE_NOMEM;
  c->next = NULL;
  c->offset = offset;
  c->n = n;
  if (n)
    memcpy(c->data, data, (size_t)n);
  *f->last = c;
  f->last = &c->next;
  return SQLITE_OK;
}

/* Everything that is kept back, in order. */
static int carry_out(struct file *f) {
  int result = SQLITE_OK;
  for (struct change *c = f->first, *next; c; c = next) {
    next = c->next;
    if (result == SQLITE_OK)
      result = c->n ? f->inner->pMethods->xWrite(f->inner, c->data, c->n, c->offset)
                    : f->inner->pMethods->xTruncate(f->inner, c->offset);
    free(c);
  }
  f->first = NULL;
  f->last = &f->first;
  return result;
}

static int close_file(sqlite3_file *file) {
  struct file *f = file_of(file);
  int result = carry_out(f);
  int closed = f->inner->pMethods->xClose(f->inner);
  return result == SQLITE_OK ? closed : result;
}

static void lay_over(const struct change *c, unsigned char *buf, int n, sqlite3_int64 offset) {
  sqlite3_int64 from = c->offset > offset ? c->offset : offset, end = offset + n;
  if (c->n && c->offset + c->n < end)
    end = c->offset + c->n;
  if (from >= end)
    return;
  if (c->n)
    memcpy(buf + (from - offset), c->data + (from - c->offset), (size_t)(end - from));
  else
    memset(buf + (from - offset), 0, (size_t)(end - from));
}

static int read_file(sqlite3_file *file, void *buf, int n, sqlite3_int64 offset) {
  const struct file *f = file_of(file);
  int result = f->inner->pMethods->xRead(f->inner, buf, n, offset); /* fills up with zeros */
  if (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ)
    return result;
  for (const struct change *c = f->first; c; c = c->next)
    lay_over(c, buf, n, offset);
  return offset + n > f->size ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int write_file(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset) {
  struct file *f = file_of(file);
  int result = note(f, data, n, offset);
  if (offset + n > f->size)
    f->size = offset + n;
  if (result == SQLITE_OK && toss())
    result = f->inner->pMethods->xWrite(f->inner, data, n, offset);
  return result;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
  struct file *f = file_of(file);
  f->size = size;
  return note(f, NULL, 0, size);
}

static int sync_file(sqlite3_file *file, int flags) {
  struct file *f = file_of(file);
  (void)flags; /* it is the process that dies: what the kernel has is safe */
  return syncs++ < HONEST ? carry_out(f) : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
  *size = file_of(file)->size;
  return SQLITE_OK;
}

#define PASS(slot, arg) return file_of(f)->inner->pMethods->slot(file_of(f)->inner, arg)
static int lock_file(sqlite3_file *f, int how) { PASS(xLock, how); }
static int unlock_file(sqlite3_file *f, int how) { PASS(xUnlock, how); }
static int is_reserved(sqlite3_file *f, int *out) { PASS(xCheckReservedLock, out); }

static int control(sqlite3_file *f, int what, void *arg) {
  (void)f, (void)what, (void)arg; /* size hints and the like would go past what is kept back */
  return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *f) {
  (void)f;
  return 4096;
}

static int nothing_special(sqlite3_file *f) {
  (void)f;
  return 0;
}

/* Version 1: no shared memory, which exclusive locking does not need. */
static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = close_file,
                                           .xRead = read_file,
                                           .xWrite = write_file,
                                           .xTruncate = truncate_file,
                                           .xSync = sync_file,
                                           .xFileSize = file_size,
                                           .xLock = lock_file,
                                           .xUnlock = unlock_file,
                                           .xCheckReservedLock = is_reserved,
                                           .xFileControl = control,
                                           .xSectorSize = sector_size,
                                           .xDeviceCharacteristics = nothing_special};

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
  struct file *f = file_of(file);
  (void)vfs;
  f->inner = (sqlite3_file *)(f + 1);
  f->first = NULL;
  f->last = &f->first;
  f->base.pMethods = NULL;
  int result = system_vfs->xOpen(system_vfs, name, f->inner, flags, out);
  if (result == SQLITE_OK)
    result = f->inner->pMethods->xFileSize(f->inner, &f->size);
  if (result == SQLITE_OK)
    f->base.pMethods = &methods;
  return result;
}

__attribute__((constructor)) static void begin(void) {
  static sqlite3_vfs vfs;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  die = (uint64_t)now.tv_nsec * 2 + 1; /* no run is like another: kills do not come at the same point either */
  system_vfs = sqlite3_vfs_find(NULL);
  vfs = *system_vfs;
  vfs.zName = "power-cut";
  vfs.szOsFile = system_vfs->szOsFile + (int)sizeof(struct file);
  vfs.xOpen = open_file;
  sqlite3_vfs_register(&vfs, 1);
}
