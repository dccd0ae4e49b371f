/* logfs_store.c: the database of logfs: its tables, its statements, its transactions, how it is opened. */
#include "logfs_sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
    [UPDATE] = ("UPDATE file SET parent = ?2, name = ?3, mode = ?4, vers = ?5, length = ?6, atime = ?7, mtime = ?8,"
                " uid = ?9, gid = ?10, muid = ?11 WHERE id = ?1"),
    [DELETE] = "DELETE FROM file WHERE id = ?1",
    [GRAB] = "SELECT bytes FROM chunk WHERE file = ?1 AND n = ?2",
    [PUT] = "INSERT OR REPLACE INTO chunk(file, n, bytes) VALUES(?1, ?2, ?3)",
    [CUT] = "DELETE FROM chunk WHERE rowid IN (SELECT rowid FROM chunk WHERE file = ?1 AND n >= ?2 LIMIT 64)",
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

bool store_step(struct store *s, enum statement which, styx_err *err) {
  int result = sqlite3_step(s->prepared[which]);
  *err = result == SQLITE_ROW || result == SQLITE_DONE ? STYX_OK : fail(s, result);
  if (result != SQLITE_ROW)
    sqlite3_reset(s->prepared[which]);
  return result == SQLITE_ROW;
}

styx_err store_run(struct store *s, enum statement which) {
  styx_err err;
  (void)store_step(s, which, &err);
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
    (void)store_run(s, ROLLBACK);
  s->open = false;
  s->lost = s->transaction;
}

styx_err store_begin(struct store *s) {
  if (!s->open) {
    styx_err err = store_run(s, BEGIN);
    if (err)
      return err;
    s->open = true;
    s->transaction++;
  }
  return store_run(s, SAVE);
}

styx_err store_end(struct store *s, styx_err err) {
  if (sqlite3_get_autocommit(s->db)) { /* an error so bad that SQLite has undone the whole transaction */
    lose(s);
    return err ? err : EIO;
  }
  styx_err undone = err ? store_run(s, UNDO) : STYX_OK;
  styx_err kept = store_run(s, KEEP);
  if (undone || kept)
    lose(s);
  return err ? err : kept;
}

styx_err store_commit(struct store *s) {
  if (!s->open || (FORGETS > 0 && s->transaction > FORGETS))
    return STYX_OK;
  styx_err err = store_run(s, COMMIT);
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
