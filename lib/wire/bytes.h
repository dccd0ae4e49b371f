/* wire/bytes.h: little-endian loads and stores, and the cursor that decoding moves along a message. */
#ifndef WIRE_BYTES_H
#define WIRE_BYTES_H

#include <styx/wire.h>

#include <string.h>

static inline uint16_t sx_load16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t sx_load32(const uint8_t *p) { return sx_load16(p) | (uint32_t)sx_load16(p + 2) << 16; }
static inline uint64_t sx_load64(const uint8_t *p) { return sx_load32(p) | (uint64_t)sx_load32(p + 4) << 32; }

static inline uint8_t *sx_put8(uint8_t *p, uint8_t v) {
  *p = v;
  return p + 1;
}

static inline uint8_t *sx_put16(uint8_t *p, uint16_t v) {
  p[0] = (uint8_t)v;
  p[1] = (uint8_t)(v >> 8);
  return p + 2;
}

static inline uint8_t *sx_put32(uint8_t *p, uint32_t v) {
  return sx_put16(sx_put16(p, (uint16_t)v), (uint16_t)(v >> 16));
}
static inline uint8_t *sx_put64(uint8_t *p, uint64_t v) {
  return sx_put32(sx_put32(p, (uint32_t)v), (uint32_t)(v >> 32));
}

static inline uint8_t *sx_put_str(uint8_t *p, styx_str s) {
  p = sx_put16(p, (uint16_t)s.len);
  if (s.len)
    memcpy(p, s.s, s.len);
  return p + s.len;
}

static inline uint8_t *sx_put_qid(uint8_t *p, styx_qid qid) {
  return sx_put64(sx_put32(sx_put8(p, qid.type), qid.vers), qid.path);
}

/* The bytes not yet read. Reading past the end makes err STYX_ETRUNC, whatever it was, and every later read a zero; any
 * other error is kept as the first one found, so that decoding needs to look at err only once, at the end. */
struct sx_in {
  const uint8_t *at, *end;
  styx_err err;
  styx_dialect dialect;
  bool utf8; /* strings have to be UTF-8 */
};

static inline bool sx_has(struct sx_in *in, size_t n) {
  if ((size_t)(in->end - in->at) >= n)
    return true;
  in->at = in->end;
  in->err = STYX_ETRUNC;
  return false;
}

static inline void sx_wrong(struct sx_in *in, styx_err err) {
  if (!in->err)
    in->err = err;
}

#define SX_GET(bits, type, load)                                                                                       \
  static inline type sx_get##bits(struct sx_in *in) {                                                                  \
    if (!sx_has(in, sizeof(type)))                                                                                     \
      return 0;                                                                                                        \
    type v = load(in->at);                                                                                             \
    in->at += sizeof(type);                                                                                            \
    return v;                                                                                                          \
  }
#define SX_LOAD8(p) (*(p))
SX_GET(8, uint8_t, SX_LOAD8)
SX_GET(16, uint16_t, sx_load16)
SX_GET(32, uint32_t, sx_load32)
SX_GET(64, uint64_t, sx_load64)
#undef SX_LOAD8
#undef SX_GET

static inline styx_qid sx_get_qid(struct sx_in *in) {
  styx_qid qid;
  qid.type = sx_get8(in);
  qid.vers = sx_get32(in);
  qid.path = sx_get64(in);
  return qid;
}

/* A counted string with any content. */
static inline styx_str sx_get_text(struct sx_in *in) {
  size_t len = sx_get16(in);
  if (!sx_has(in, len))
    return (styx_str){NULL, 0};
  styx_str s = {(const char *)in->at, len};
  in->at += len;
  return s;
}

/* 0, STYX_ENUL or STYX_EUTF8; utf8 false allows any bytes but NUL. */
styx_err sx_str_check(styx_str s, bool utf8);

/* The bytes, 1 to 4, of the UTF-8 sequence that starts at p[0], or 0 if there is none within n. *rune: its character. */
size_t sx_utf8(const uint8_t *p, size_t n, uint32_t *rune);

static inline styx_str sx_get_str(struct sx_in *in) {
  styx_str s = sx_get_text(in);
  styx_err err = sx_str_check(s, in->utf8);
  if (err)
    sx_wrong(in, err);
  return s;
}

/* A string that names a file. */
static inline styx_str sx_get_name(struct sx_in *in) {
  styx_str s = sx_get_str(in);
  if (s.len == 0 || memchr(s.s, '/', s.len))
    sx_wrong(in, STYX_ENAME);
  return s;
}

/* The stat record behind its n[2]. */
void sx_get_stat(struct sx_in *in, styx_stat *stat);
/* stat at p, which has room for styx_stat_size(stat, dialect) = size. */
uint8_t *sx_put_stat(uint8_t *p, const styx_stat *stat, size_t size, styx_dialect dialect);

#endif
