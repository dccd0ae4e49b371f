/* wire/bytes.h: fields to bytes and back, and what bounds the reading of them. */
#ifndef WIRE_BYTES_H
#define WIRE_BYTES_H

#include <styx/wire.h>

#include <endian.h>
#include <string.h>

static inline uint16_t sx_load16(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return le16toh(v);
}

static inline uint32_t sx_load32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return le32toh(v);
}

static inline uint64_t sx_load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return le64toh(v);
}

/* ---- writing: each takes the place of a field and returns the place of the next ---- */

static inline uint8_t *sx_put8(uint8_t *p, uint8_t v) {
  *p = v;
  return p + 1;
}

static inline uint8_t *sx_put16(uint8_t *p, uint16_t v) {
  v = htole16(v);
  memcpy(p, &v, sizeof v);
  return p + sizeof v;
}

static inline uint8_t *sx_put32(uint8_t *p, uint32_t v) {
  v = htole32(v);
  memcpy(p, &v, sizeof v);
  return p + sizeof v;
}

static inline uint8_t *sx_put64(uint8_t *p, uint64_t v) {
  v = htole64(v);
  memcpy(p, &v, sizeof v);
  return p + sizeof v;
}

static inline uint8_t *sx_put_str(uint8_t *p, styx_str s) {
  p = sx_put16(p, (uint16_t)s.len);
  if (s.len)
    memmove(p, s.s, s.len); /* it may be there already */
  return p + s.len;
}

static inline uint8_t *sx_put_qid(uint8_t *p, styx_qid qid) {
  return sx_put64(sx_put32(sx_put8(p, qid.type), qid.vers), qid.path);
}

/* ---- reading: each takes the place of a field and returns the place of the next ---- */

static inline const uint8_t *sx_get8(const uint8_t *p, uint8_t *v) {
  *v = *p;
  return p + 1;
}

static inline const uint8_t *sx_get16(const uint8_t *p, uint16_t *v) {
  *v = sx_load16(p);
  return p + 2;
}

static inline const uint8_t *sx_get32(const uint8_t *p, uint32_t *v) {
  *v = sx_load32(p);
  return p + 4;
}

static inline const uint8_t *sx_get64(const uint8_t *p, uint64_t *v) {
  *v = sx_load64(p);
  return p + 8;
}

static inline const uint8_t *sx_get_qid(const uint8_t *p, styx_qid *qid) {
  return sx_get64(sx_get32(sx_get8(p, &qid->type), &qid->vers), &qid->path);
}

/* What is left to read. The fixed part of every field to come, which is all of a number and the count of a string,
 * is known to be there and not looked at again. spare is how many bytes are there besides: what strings and data take
 * has to be taken from it. So numbers need no check, and after any error reading goes on within bounds: err need be
 * looked at only once, at the end. */
struct sx_in {
  const uint8_t *at;
  size_t spare;
  styx_err err;
  styx_dialect dialect;
  bool utf8; /* strings have to be UTF-8 */
};

/* A message too short is worse than anything else that may be wrong with it. */
static inline bool sx_take(struct sx_in *in, size_t n) {
  if (n <= in->spare) {
    in->spare -= n;
    return true;
  }
  in->err = STYX_ETRUNC;
  return false;
}

static inline void sx_wrong(struct sx_in *in, styx_err err) {
  if (!in->err)
    in->err = err;
}

/* A counted string with any content. */
static inline void sx_get_text(struct sx_in *in, styx_str *s) {
  size_t len = sx_load16(in->at);
  if (!sx_take(in, len))
    len = 0;
  *s = (styx_str){(const char *)in->at + 2, len};
  in->at += 2 + len;
}

/* One without NUL, and UTF-8 if it has to be. */
void sx_get_str(struct sx_in *in, styx_str *s);
/* One that names a file. */
void sx_get_name(struct sx_in *in, styx_str *s);

/* styx_frame. */
static inline ptrdiff_t sx_frame(const uint8_t *buf, size_t len, uint32_t msize) {
  if (len < 4)
    return 0;
  uint32_t size = sx_load32(buf);
  if (size < STYX_HDRSZ)
    return -STYX_EFRAME;
  if (msize && size > msize)
    return -STYX_ETOOLONG;
  return size <= len ? (ptrdiff_t)size : 0;
}

/* The bytes, 1 to 4, of the UTF-8 sequence that starts at p[0], or 0 if there is none within n. *rune: its character. */
size_t sx_utf8(const uint8_t *p, size_t n, uint32_t *rune);

/* The stat record behind its n[2]. */
void sx_get_stat(struct sx_in *in, styx_stat *stat);
/* stat at p, which has room for styx_stat_size(stat, dialect) = size. */
uint8_t *sx_put_stat(uint8_t *p, const styx_stat *stat, size_t size, styx_dialect dialect);

#endif
