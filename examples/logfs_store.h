/* logfs_store.h: files in one SQLite database, and nothing of 9P: rows, contents, transactions. What logfs.c is made of.
 *
 * One connection, used by one thread at a time. Changes gather in a transaction; store_commit makes all of them durable. Each
 * change stands between store_begin and store_end and is made whole or not at all.
 *
 * Functions return a styx_err; what SQLite says is also written to stderr. */
#ifndef LOGFS_STORE_H
#define LOGFS_STORE_H

#include <styx/err.h>
#include <styx/wire.h>

struct store;

enum { STORE_NAME = 255, STORE_CHUNK = 16384, STORE_ROOT = 1 };

/* A file, as it stands in the table. */
struct row {
  int64_t id;     /* never used again, also not after a restart */
  int64_t parent; /* 0: it is in no directory: the root, or removed and still in use */
  uint32_t mode, vers;
  uint64_t length;
  int64_t atime, mtime; /* ns since 1970 */
  char name[STORE_NAME + 1], uid[STORE_NAME + 1], gid[STORE_NAME + 1], muid[STORE_NAME + 1];
};

/* Opens the database at path, makes it if there is none, and repairs it: what was never committed is not there, and what was
 * removed but still in use when the last server died is thrown away. owner gets the root of a new one. EBUSY: another process
 * has it open. EINVAL: it is a database of something else. */
styx_err store_open(struct store **out, const char *path, const char *owner);
/* Commits, and closes it. NULL is allowed. */
styx_err store_close(struct store *s);

/* ---- changes ---- */

styx_err store_begin(struct store *s);
/* Keeps the change if err is 0, else undoes it. Returns err, or why it could not be kept. */
styx_err store_end(struct store *s, styx_err err);
/* Makes everything durable that was kept. On failure it is lost. */
styx_err store_commit(struct store *s);

/* The transaction that gathers changes now, and the last that was lost: 1 is the first, 0 is none. A change belongs to the one
 * that is open between its store_begin and store_end. */
uint64_t store_open_transaction(const struct store *s);
uint64_t store_lost_transaction(const struct store *s);

/* ---- rows: ENOENT when there is none ---- */

styx_err store_get(struct store *s, int64_t id, struct row *out);
styx_err store_find(struct store *s, int64_t dir, styx_str name, struct row *out);
/* Calls each for the files in dir whose id is over after, in the order of ids, until it returns false. */
styx_err store_list(struct store *s, int64_t dir, int64_t after, bool (*each)(void *arg, const struct row *),
                    void *arg);
/* Inside a change. Insert gives the row its id; delete takes its contents along. */
styx_err store_insert(struct store *s, struct row *row);
styx_err store_update(struct store *s, const struct row *row);
styx_err store_delete(struct store *s, int64_t id);

/* ---- contents: chunks of STORE_CHUNK bytes; where there is none, or not all of one, there are zeros ---- */

/* n bytes inside one chunk: offset % STORE_CHUNK + n is at most STORE_CHUNK. */
styx_err store_read(struct store *s, int64_t id, uint64_t offset, void *buf, size_t n);
/* The same, inside a change. */
styx_err store_write(struct store *s, int64_t id, uint64_t offset, const void *data, size_t n);
/* Inside a change: throw away some of what lies behind length; *more says whether there is any left. */
styx_err store_cut(struct store *s, int64_t id, uint64_t length, bool *more);

#endif
