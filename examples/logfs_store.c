/* logfs_store.c: the database of logfs: its tables, its statements, its transactions. */
#include "logfs_store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef LOGFS_FAULT /* for the test that shows that losses are found: after so many transactions it forgets to commit */
enum { FORGETS = LOGFS_FAULT };
#else
enum { FORGETS = 0 };
#endif

/* An id is given once: sqlite_sequence remembers the largest. */
static const char schema[] = "CREATE TABLE file(id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER,"
                             " name BLOB NOT NULL, mode INTEGER NOT NULL, vers INTEGER NOT NULL,"
                             " length INTEGER NOT NULL, atime INTEGER NOT NULL, mtime INTEGER NOT NULL,"
                             " uid BLOB NOT NULL, gid BLOB NOT NULL, muid BLOB NOT NULL, UNIQUE(parent, name));"
                             "CREATE INDEX entry ON file(parent);"
                             "CREATE TABLE chunk(file INTEGER NOT NULL, n INTEGER NOT NULL, bytes BLOB NOT NULL,"
                             " PRIMARY KEY(file, n));"
                             "PRAGMA application_id = 1819240294; PRAGMA user_version = 1";

enum { APPLICATION = 1819240294, VERSION = 1 };

/* What a server that died has left: only what was removed has no parent. */
static const char repairs[] = "DELETE FROM file WHERE parent IS NULL AND id <> 1;"
                              "DELETE FROM chunk WHERE file NOT IN (SELECT id FROM file);";

#define COLUMNS "id, parent, name, mode, vers, length, atime, mtime, uid, gid, muid"

enum statement {
  BEGIN,
  COMMIT,
  ROLLBACK,
  SAVE,
  KEEP,
  UNDO,
  GET,
  FIND,
  LIST,
  INSERT,
  UPDATE,
  DELETE,
  GRAB,
  PUT,
  CUT,
  ALL
};

static const char *const texts[ALL] = {
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SAVE] = "SAVEPOINT change",
    [KEEP] = "RELEASE change",
    [UNDO] = "ROLLBACK TO change",
    [GET] = "SELECT " COLUMNS " FROM file WHERE id = ?1",
    [FIND] = "SELECT " COLUMNS " FROM file WHERE parent = ?1 AND name = ?2",
    [LIST] = "SELECT " COLUMNS " FROM file INDEXED BY entry WHERE parent = ?1 AND id > ?2 ORDER BY id",
    [INSERT] = "INSERT INTO file(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [UPDATE] = "UPDATE file SET parent = ?2, name = ?3, mode = ?4, vers = ?5, length = ?6, atime = ?7, mtime = ?8,"
               " uid = ?9, gid = ?10, muid = ?11 WHERE id = ?1",
    [DELETE] = "DELETE FROM file WHERE id = ?1",
    [GRAB] = "SELECT bytes FROM chunk WHERE file = ?1 AND n = ?2",
    [PUT] = "INSERT OR REPLACE INTO chunk(file, n, bytes) VALUES(?1, ?2, ?3)",
    [CUT] = "DELETE FROM chunk WHERE rowid IN (SELECT rowid FROM chunk WHERE file = ?1 AND n >= ?2 LIMIT 64)",
};

struct store {
  sqlite3 *db;
  sqlite3_stmt *prepared[ALL];
  int64_t last_id;            /* what a lost transaction had used is not used again either */
  uint64_t transaction, lost; /* numbers */
  bool open;                  /* there is something to commit */
};

/* ---- statements ---- */

static styx_err fail(const struct store *s, int result) {
  fprintf(stderr, "logfs: database: %s\n", s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(result));
  switch (result & 0xff) {
  case SQLITE_FULL:
    return ENOSPC;
  case SQLITE_NOMEM:
    return ENOMEM;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return EBUSY;
  case SQLITE_READONLY:
    return EROFS;
  case SQLITE_NOTADB:
    return EINVAL;
  case SQLITE_CANTOPEN:
  case SQLITE_PERM:
    return EACCES;
  default:
    return EIO;
  }
}

static void bind_text(sqlite3_stmt *st, int at, styx_str text) {
  sqlite3_bind_blob64(st, at, text.s ? text.s : "", text.len, SQLITE_STATIC);
}

/* One step. True for a row: then the caller resets it. */
static bool step(struct store *s, enum statement which, styx_err *err) {
  int result = sqlite3_step(s->prepared[which]);
  *err = result == SQLITE_ROW || result == SQLITE_DONE ? STYX_OK : fail(s, result);
  if (result != SQLITE_ROW)
    sqlite3_reset(s->prepared[which]);
  return result == SQLITE_ROW;
}

/* A statement that has no rows. */
static styx_err run(struct store *s, enum statement which) {
  styx_err err;
  (void)step(s, which, &err);
  return err;
}

static styx_err script(struct store *s, const char *sql) {
  int result = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
  return result == SQLITE_OK ? STYX_OK : fail(s, result);
}

static styx_err number(struct store *s, const char *sql, int64_t *out) {
  sqlite3_stmt *st = NULL;
  int result = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
  if (result == SQLITE_OK)
    result = sqlite3_step(st);
  if (result == SQLITE_ROW)
    *out = sqlite3_column_int64(st, 0);
  styx_err err = result == SQLITE_ROW || result == SQLITE_DONE ? STYX_OK : fail(s, result);
  sqlite3_finalize(st);
  return err;
}

/* ---- transactions ---- */

uint64_t store_open_transaction(const struct store *s) { return s->open ? s->transaction : 0; }
uint64_t store_lost_transaction(const struct store *s) { return s->lost; }

static void lose(struct store *s) {
  if (!sqlite3_get_autocommit(s->db))
    (void)run(s, ROLLBACK);
  s->open = false;
  s->lost = s->transaction;
}

styx_err store_begin(struct store *s) {
  if (!s->open) {
    styx_err err = run(s, BEGIN);
    if (err)
      return err;
    s->open = true;
    s->transaction++;
  }
  return run(s, SAVE);
}

styx_err store_end(struct store *s, styx_err err) {
  if (sqlite3_get_autocommit(s->db)) { /* an error so bad that SQLite has undone the whole transaction */
    lose(s);
    return err ? err : EIO;
  }
  styx_err undone = err ? run(s, UNDO) : STYX_OK;
  styx_err kept = run(s, KEEP);
  if (undone || kept)
    lose(s);
  return err ? err : kept;
}

styx_err store_commit(struct store *s) {
  if (!s->open || (FORGETS && s->transaction > FORGETS))
    return STYX_OK;
  styx_err err = run(s, COMMIT);
  if (err)
    lose(s);
  s->open = false;
  return err;
}

/* ---- opening ---- */

/* *made: there was nothing. What is a database, but not ours, is not touched. */
static styx_err check(struct store *s, bool *made) {
  int64_t application = 0, version = 0, tables = 0;
  styx_err err = number(s, "PRAGMA application_id", &application);
  if (!err)
    err = number(s, "PRAGMA user_version", &version);
  if (!err)
    err = number(s, "SELECT count(*) FROM sqlite_master", &tables);
  *made = application == 0 && tables == 0;
  if (err || *made || (application == APPLICATION && version == VERSION))
    return err;
  fprintf(stderr, "logfs: this is a database of something else, or of another version of logfs\n");
  return EINVAL;
}

static styx_err prepare(struct store *s) {
  for (int i = 0; i < ALL; i++) {
    int result = sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->prepared[i], NULL);
    if (result != SQLITE_OK)
      return fail(s, result);
  }
  return number(s, "SELECT max(seq) FROM sqlite_sequence", &s->last_id);
}

static styx_err make_root(struct store *s, const char *owner) {
  struct row root = {.mode = STYX_DMDIR | 0777, .name = "/"}; /* the first id is STORE_ROOT */
  snprintf(root.uid, sizeof root.uid, "%s", owner);
  snprintf(root.gid, sizeof root.gid, "%s", owner);
  snprintf(root.muid, sizeof root.muid, "%s", owner);
  return store_insert(s, &root);
}

/* In one transaction: what dies half way has done nothing. */
static styx_err make_or_repair(struct store *s, const char *owner, bool made) {
  styx_err err = script(s, "BEGIN EXCLUSIVE");
  if (!err)
    err = script(s, made ? schema : repairs);
  if (!err)
    err = prepare(s);
  if (!err && made)
    err = make_root(s, owner);
  return err ? err : script(s, "COMMIT");
}

styx_err store_open(struct store **out, const char *path, const char *owner) {
  bool made = false;
  struct store *s = calloc(1, sizeof *s);
  if (!s)
    return ENOMEM;
  /* No locks of SQLite's: there is one thread at a time. */
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  int result = sqlite3_open_v2(path, &s->db, flags, NULL);
  styx_err err = result == SQLITE_OK ? script(s, "PRAGMA locking_mode = EXCLUSIVE") : fail(s, result);
  if (!err)
    err = check(s, &made);
  if (!err)
    err = script(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  if (!err)
    err = make_or_repair(s, owner, made);
  if (err)
    (void)store_close(s);
  else
    *out = s;
  return err;
}

styx_err store_close(struct store *s) {
  if (!s)
    return STYX_OK;
  styx_err err = store_commit(s);
  for (int i = 0; i < ALL; i++)
    sqlite3_finalize(s->prepared[i]);
  int result = sqlite3_close(s->db); /* what an error has left open is rolled back */
  if (!err && result != SQLITE_OK)
    err = fail(s, result);
  free(s);
  return err;
}

/* ---- rows ---- */

static void text_of(sqlite3_stmt *st, int column, char out[STORE_NAME + 1]) {
  const void *text = sqlite3_column_blob(st, column);
  size_t len = (size_t)sqlite3_column_bytes(st, column);
  len = len > STORE_NAME ? STORE_NAME : len;
  if (len)
    memcpy(out, text, len);
  out[len] = 0;
}

static void row_of(sqlite3_stmt *st, struct row *out) {
  out->id = sqlite3_column_int64(st, 0);
  out->parent = sqlite3_column_int64(st, 1);
  text_of(st, 2, out->name);
  out->mode = (uint32_t)sqlite3_column_int64(st, 3);
  out->vers = (uint32_t)sqlite3_column_int64(st, 4);
  out->length = (uint64_t)sqlite3_column_int64(st, 5);
  out->atime = sqlite3_column_int64(st, 6);
  out->mtime = sqlite3_column_int64(st, 7);
  text_of(st, 8, out->uid);
  text_of(st, 9, out->gid);
  text_of(st, 10, out->muid);
}

static styx_err one(struct store *s, enum statement which, struct row *out) {
  styx_err err;
  if (!step(s, which, &err))
    return err ? err : ENOENT;
  row_of(s->prepared[which], out);
  sqlite3_reset(s->prepared[which]);
  return STYX_OK;
}

styx_err store_get(struct store *s, int64_t id, struct row *out) {
  sqlite3_bind_int64(s->prepared[GET], 1, id);
  return one(s, GET, out);
}

styx_err store_find(struct store *s, int64_t dir, styx_str name, struct row *out) {
  sqlite3_bind_int64(s->prepared[FIND], 1, dir);
  bind_text(s->prepared[FIND], 2, name);
  return one(s, FIND, out);
}

styx_err store_list(struct store *s, int64_t dir, int64_t after, bool (*each)(void *, const struct row *), void *arg) {
  struct row row;
  styx_err err;
  sqlite3_bind_int64(s->prepared[LIST], 1, dir);
  sqlite3_bind_int64(s->prepared[LIST], 2, after);
  while (step(s, LIST, &err)) {
    row_of(s->prepared[LIST], &row);
    if (!each(arg, &row)) {
      sqlite3_reset(s->prepared[LIST]);
      break;
    }
  }
  return err;
}

static styx_err put_row(struct store *s, enum statement which, const struct row *row) {
  sqlite3_stmt *st = s->prepared[which];
  sqlite3_bind_int64(st, 1, row->id);
  if (row->parent)
    sqlite3_bind_int64(st, 2, row->parent);
  else
    sqlite3_bind_null(st, 2);
  bind_text(st, 3, styx_str_of(row->name));
  sqlite3_bind_int64(st, 4, row->mode);
  sqlite3_bind_int64(st, 5, row->vers);
  sqlite3_bind_int64(st, 6, (int64_t)row->length);
  sqlite3_bind_int64(st, 7, row->atime);
  sqlite3_bind_int64(st, 8, row->mtime);
  bind_text(st, 9, styx_str_of(row->uid));
  bind_text(st, 10, styx_str_of(row->gid));
  bind_text(st, 11, styx_str_of(row->muid));
  return run(s, which);
}

styx_err store_insert(struct store *s, struct row *row) {
  row->id = ++s->last_id;
  return put_row(s, INSERT, row);
}

styx_err store_update(struct store *s, const struct row *row) { return put_row(s, UPDATE, row); }

styx_err store_delete(struct store *s, int64_t id) {
  styx_err err = STYX_OK;
  bool more = true;
  while (!err && more)
    err = store_cut(s, id, 0, &more);
  if (err)
    return err;
  sqlite3_bind_int64(s->prepared[DELETE], 1, id);
  return run(s, DELETE);
}

/* ---- contents ---- */

/* The chunk that offset lies in, with zeros behind what is stored of it; *len is how much that is. */
static styx_err grab(struct store *s, int64_t id, uint64_t offset, unsigned char chunk[STORE_CHUNK], size_t *len) {
  styx_err err;
  sqlite3_stmt *st = s->prepared[GRAB];
  sqlite3_bind_int64(st, 1, id);
  sqlite3_bind_int64(st, 2, (int64_t)(offset / STORE_CHUNK));
  *len = 0;
  if (step(s, GRAB, &err)) {
    const void *bytes = sqlite3_column_blob(st, 0);
    *len = (size_t)sqlite3_column_bytes(st, 0);
    *len = *len > STORE_CHUNK ? STORE_CHUNK : *len;
    if (*len)
      memcpy(chunk, bytes, *len);
    sqlite3_reset(st);
  }
  memset(chunk + *len, 0, STORE_CHUNK - *len);
  return err;
}

static styx_err put(struct store *s, int64_t id, uint64_t offset, const void *chunk, size_t len) {
  sqlite3_stmt *st = s->prepared[PUT];
  sqlite3_bind_int64(st, 1, id);
  sqlite3_bind_int64(st, 2, (int64_t)(offset / STORE_CHUNK));
  sqlite3_bind_blob64(st, 3, chunk, len, SQLITE_STATIC);
  return run(s, PUT);
}

styx_err store_read(struct store *s, int64_t id, uint64_t offset, void *buf, size_t n) {
  unsigned char chunk[STORE_CHUNK];
  size_t len;
  styx_err err = grab(s, id, offset, chunk, &len);
  if (!err)
    memcpy(buf, chunk + offset % STORE_CHUNK, n);
  return err;
}

styx_err store_write(struct store *s, int64_t id, uint64_t offset, const void *data, size_t n) {
  unsigned char chunk[STORE_CHUNK];
  size_t len = 0, at = offset % STORE_CHUNK;
  if (n == STORE_CHUNK)
    return put(s, id, offset, data, n);
  styx_err err = grab(s, id, offset, chunk, &len);
  if (err)
    return err;
  memcpy(chunk + at, data, n);
  return put(s, id, offset, chunk, at + n > len ? at + n : len);
}

styx_err store_cut(struct store *s, int64_t id, uint64_t length, bool *more) {
  uint64_t whole = length - length % STORE_CHUNK;
  if (whole != length) { /* the chunk in which the file ends now */
    unsigned char chunk[STORE_CHUNK];
    size_t len, keep = (size_t)(length - whole);
    styx_err err = grab(s, id, whole, chunk, &len);
    if (!err && len > keep)
      err = put(s, id, whole, chunk, keep);
    if (err)
      return err;
  }
  sqlite3_bind_int64(s->prepared[CUT], 1, id);
  sqlite3_bind_int64(s->prepared[CUT], 2, (int64_t)(length / STORE_CHUNK + (whole != length)));
  styx_err err = run(s, CUT);
  *more = !err && sqlite3_changes(s->db) > 0;
  return err;
}
