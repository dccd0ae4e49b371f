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

ptrdiff_t styx_stat_size(const styx_stat *stat, styx_dialect dialect) {
  bool u = dialect == STYX_9P2000_U;
  const size_t lens[] = {stat->name.len, stat->uid.len, stat->gid.len, stat->muid.len, u ? stat->extension.len : 0};
  size_t size = u ? STYX_STATFIXLEN_U : STYX_STATFIXLEN;
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
    if (lens[i] > MAXSTAT - size)
      return -STYX_ENOFIT;
    size += lens[i];
  }
  return (ptrdiff_t)size;
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

/* One record that has to fill in exactly. */
static void get_record(struct sx_in *in, styx_stat *stat) {
  size_t total = (size_t)(in->end - in->at);
  size_t size = sx_get16(in);
  stat->type = sx_get16(in);
  stat->dev = sx_get32(in);
  stat->qid = sx_get_qid(in);
  stat->mode = sx_get32(in);
  stat->atime = sx_get32(in);
  stat->mtime = sx_get32(in);
  stat->length = sx_get64(in);
  stat->name = sx_get_str(in);
  stat->uid = sx_get_str(in);
  stat->gid = sx_get_str(in);
  stat->muid = sx_get_str(in);
  bool u = in->dialect == STYX_9P2000_U;
  stat->extension = u ? sx_get_str(in) : (styx_str){NULL, 0};
  stat->n_uid = u ? sx_get32(in) : STYX_NOUID;
  stat->n_gid = u ? sx_get32(in) : STYX_NOUID;
  stat->n_muid = u ? sx_get32(in) : STYX_NOUID;
  if (in->err == STYX_ETRUNC || in->at != in->end || size + 2 != total)
    in->err = STYX_EBADSTAT;
}

void sx_get_stat(struct sx_in *in, styx_stat *stat) {
  size_t n = sx_get16(in);
  if (!sx_has(in, n))
    return;
  struct sx_in record = {in->at, in->at + n, STYX_OK, in->dialect, in->utf8};
  get_record(&record, stat);
  in->at += n;
  if (record.err)
    sx_wrong(in, record.err);
}

ptrdiff_t styx_stat_decode(styx_stat *stat, const void *buf, size_t len, styx_dialect dialect) {
  if (len < 2)
    return 0;
  const uint8_t *p = buf;
  size_t total = sx_load16(p) + (size_t)2;
  if (total < (dialect == STYX_9P2000_U ? STYX_STATFIXLEN_U : STYX_STATFIXLEN) || total > MAXSTAT)
    return -STYX_EBADSTAT;
  if (len < total)
    return 0;
  struct sx_in in = {p, p + total, STYX_OK, dialect, true};
  styx_stat got;
  get_record(&in, &got);
  if (in.err)
    return -in.err;
  *stat = got;
  return (ptrdiff_t)total;
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
  const uint8_t *p = buf;
  struct sx_in in = {p, p + len, STYX_OK, STYX_9P2000_L, false};
  styx_ldirent got;
  got.qid = sx_get_qid(&in);
  got.offset = sx_get64(&in);
  got.type = sx_get8(&in);
  got.name = sx_get_name(&in);
  if (in.err == STYX_ETRUNC)
    return 0;
  if (in.err)
    return -in.err;
  *entry = got;
  return in.at - p;
}
