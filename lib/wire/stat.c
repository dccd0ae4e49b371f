/* stat.c: stat records, alone and inside Rstat and Twstat; and what .L has in a directory instead. */
#include "wire/bytes.h"

enum { MAXSTAT = 0xFFFF };

styx_stat styx_stat_untouched(void) {
  return (styx_stat){
      .type = UINT16_MAX,
      .dev = UINT32_MAX,
      .qid = {UINT8_MAX, UINT32_MAX, UINT64_MAX},
      .mode = UINT32_MAX,
      .atime = UINT32_MAX,
      .mtime = UINT32_MAX,
      .length = UINT64_MAX,
      .n_uid = STYX_NOUID,
      .n_gid = STYX_NOUID,
      .n_muid = STYX_NOUID,
  };
}

static size_t fixed_size(styx_dialect dialect) {
  return dialect == STYX_9P2000_U ? STYX_STATFIXLEN_U : STYX_STATFIXLEN;
}

ptrdiff_t styx_stat_size(const styx_stat *stat, styx_dialect dialect) {
  bool u = dialect == STYX_9P2000_U;
  size_t name = stat->name.len, uid = stat->uid.len, gid = stat->gid.len, muid = stat->muid.len;
  size_t extension = u ? stat->extension.len : 0;
  if ((name | uid | gid | muid | extension) > MAXSTAT) /* so that the sum is none that has wrapped */
    return -STYX_ENOFIT;
  size_t size = fixed_size(dialect) + name + uid + gid + muid + extension;
  return size <= MAXSTAT ? (ptrdiff_t)size : -STYX_ENOFIT;
}

uint8_t *sx_put_stat(uint8_t *p, const styx_stat *stat, size_t size, styx_dialect dialect) {
  p = sx_put16(p, (uint16_t)(size - 2));
  p = sx_put16(p, stat->type);
  p = sx_put32(p, stat->dev);
  p = sx_put_qid(p, stat->qid);
  p = sx_put32(p, stat->mode);
  p = sx_put32(p, stat->atime);
  p = sx_put32(p, stat->mtime);
  p = sx_put64(p, stat->length);
  p = sx_put_str(p, stat->name);
  p = sx_put_str(p, stat->uid);
  p = sx_put_str(p, stat->gid);
  p = sx_put_str(p, stat->muid);
  if (dialect != STYX_9P2000_U)
    return p;
  p = sx_put_str(p, stat->extension);
  return sx_put32(sx_put32(sx_put32(p, stat->n_uid), stat->n_gid), stat->n_muid);
}

ptrdiff_t styx_stat_encode(void *buf, size_t cap, const styx_stat *stat, styx_dialect dialect) {
  ptrdiff_t size = styx_stat_size(stat, dialect);
  if (size < 0)
    return size;
  if ((size_t)size > cap)
    return -STYX_ENOFIT;
  sx_put_stat(buf, stat, (size_t)size, dialect);
  return size;
}

/* One record that has to fill total bytes exactly. */
static styx_err get_record(const uint8_t *p, size_t total, styx_dialect dialect, bool utf8, styx_stat *stat) {
  size_t fixed = fixed_size(dialect);
  uint16_t size;
  if (total < fixed)
    return STYX_EBADSTAT;
  p = sx_get16(p, &size);
  p = sx_get16(p, &stat->type);
  p = sx_get32(p, &stat->dev);
  p = sx_get_qid(p, &stat->qid);
  p = sx_get32(p, &stat->mode);
  p = sx_get32(p, &stat->atime);
  p = sx_get32(p, &stat->mtime);
  p = sx_get64(p, &stat->length);
  struct sx_in in = {p, total - fixed, STYX_OK, dialect, utf8};
  sx_get_str(&in, &stat->name);
  sx_get_str(&in, &stat->uid);
  sx_get_str(&in, &stat->gid);
  sx_get_str(&in, &stat->muid);
  stat->extension = (styx_str){NULL, 0};
  stat->n_uid = stat->n_gid = stat->n_muid = STYX_NOUID;
  if (dialect == STYX_9P2000_U) {
    sx_get_str(&in, &stat->extension);
    sx_get32(sx_get32(sx_get32(in.at, &stat->n_uid), &stat->n_gid), &stat->n_muid);
  }
  return in.err == STYX_ETRUNC || in.spare || size + (size_t)2 != total ? STYX_EBADSTAT : in.err;
}

void sx_get_stat(struct sx_in *in, styx_stat *stat) {
  size_t n = sx_load16(in->at);
  in->at += 2;
  if (!sx_take(in, n))
    return;
  styx_err err = get_record(in->at, n, in->dialect, in->utf8, stat);
  in->at += n;
  if (err)
    sx_wrong(in, err);
}

ptrdiff_t styx_stat_decode_lenient(styx_stat *stat, const void *buf, size_t len, styx_dialect dialect, unsigned allow) {
  if (len < 2)
    return 0;
  const uint8_t *p = buf;
  size_t total = sx_load16(p) + (size_t)2;
  if (total < fixed_size(dialect) || total > MAXSTAT)
    return -STYX_EBADSTAT;
  if (len < total)
    return 0;
  styx_stat got;
  styx_err err = get_record(p, total, dialect, !(allow & STYX_ALLOW_BYTES), &got);
  if (err)
    return -err;
  *stat = got;
  return (ptrdiff_t)total;
}

ptrdiff_t styx_stat_decode(styx_stat *stat, const void *buf, size_t len, styx_dialect dialect) {
  return styx_stat_decode_lenient(stat, buf, len, dialect, 0);
}

/* ---- entries of an Rreaddir ---- */

enum { LDIRENTFIXLEN = STYX_QIDSZ + 8 + 1 + 2 };

ptrdiff_t styx_ldirent_size(const styx_ldirent *entry) {
  return entry->name.len > UINT16_MAX ? -STYX_ENOFIT : LDIRENTFIXLEN + (ptrdiff_t)entry->name.len;
}

ptrdiff_t styx_ldirent_encode(void *buf, size_t cap, const styx_ldirent *entry) {
  ptrdiff_t size = styx_ldirent_size(entry);
  if (size < 0)
    return size;
  if ((size_t)size > cap)
    return -STYX_ENOFIT;
  uint8_t *p = sx_put64(sx_put_qid(buf, entry->qid), entry->offset);
  sx_put_str(sx_put8(p, entry->type), entry->name);
  return size;
}

ptrdiff_t styx_ldirent_decode(styx_ldirent *entry, const void *buf, size_t len) {
  if (len < LDIRENTFIXLEN)
    return 0;
  styx_ldirent got;
  const uint8_t *p = sx_get_qid(buf, &got.qid);
  p = sx_get64(p, &got.offset);
  p = sx_get8(p, &got.type);
  struct sx_in in = {p, len - LDIRENTFIXLEN, STYX_OK, STYX_9P2000_L, false};
  sx_get_name(&in, &got.name);
  if (in.err == STYX_ETRUNC)
    return 0;
  if (in.err)
    return -in.err;
  *entry = got;
  return in.at - (const uint8_t *)buf;
}
