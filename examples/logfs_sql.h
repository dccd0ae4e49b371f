/* logfs_sql.h: what stands behind logfs_store.h, between its two files. */
#ifndef LOGFS_SQL_H
#define LOGFS_SQL_H

#include "logfs_store.h"

#include <sqlite3.h>

/* Each is prepared once. */
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

struct store {
  sqlite3 *db;
  sqlite3_stmt *prepared[ALL];
  int64_t last_id;            /* what a lost transaction had used is not used again either */
  uint64_t transaction, lost; /* numbers */
  bool open;                  /* there is something to commit */
};

/* One step. True for a row: then the caller resets it. */
bool store_step(struct store *s, enum statement which, styx_err *err);
/* A statement that has no rows. */
styx_err store_run(struct store *s, enum statement which);

#endif
