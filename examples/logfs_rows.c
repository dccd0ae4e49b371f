/* logfs_rows.c: the two tables of logfs: files, and their contents. */
#include "logfs_sql.h"

#include <errno.h>
#include <string.h>

static void bind_text(sqlite3_stmt *st, int at, styx_str text) {
  sqlite3_bind_blob64(st, at, text.s ? text.s : "", text.len, SQLITE_STATIC);
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
  if (!store_step(s, which, &err))
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
  while (store_step(s, LIST, &err)) {
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
  return store_run(s, which);
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
  return store_run(s, DELETE);
}

/* ---- contents ---- */

/* The chunk that offset lies in, with zeros behind what is stored of it; *len is how much that is. */
static styx_err grab(struct store *s, int64_t id, uint64_t offset, unsigned char chunk[STORE_CHUNK], size_t *len) {
  styx_err err;
  sqlite3_stmt *st = s->prepared[GRAB];
  sqlite3_bind_int64(st, 1, id);
  sqlite3_bind_int64(st, 2, (int64_t)(offset / STORE_CHUNK));
  *len = 0;
  if (store_step(s, GRAB, &err)) {
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
  return store_run(s, PUT);
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
  styx_err err = store_run(s, CUT);
  *more = !err && sqlite3_changes(s->db) > 0;
  return err;
}
