/* encode.c: messages to bytes, and how many they are. */
#include "wire/codec.h"

/* ---- size ---- */

struct sum {
  uint64_t n;
  styx_err err;
  styx_dialect dialect;
};

static void add_str(struct sum *sum, styx_str s) {
  if (s.len > UINT16_MAX)
    sum->err = STYX_ENOFIT;
  sum->n += s.len;
}

static void add_stat(struct sum *sum, const styx_stat *stat) {
  ptrdiff_t size = styx_stat_size(stat, sum->dialect);
  if (size < 0)
    sum->err = (styx_err)-size;
  else
    sum->n += (uint64_t)size;
}

static void add_names(struct sum *sum, const styx_msg *m) {
  sum->n += (uint64_t)m->nwname * 2;
  if (m->nwname > STYX_MAXWELEM)
    sum->err = STYX_EMANYNAMES;
  for (unsigned i = 0; i < m->nwname && i < STYX_MAXWELEM; i++)
    add_str(sum, m->wname[i]);
}

static void add_qids(struct sum *sum, const styx_msg *m) {
  sum->n += (uint64_t)m->nwqid * STYX_QIDSZ;
  if (m->nwqid > STYX_MAXWELEM)
    sum->err = STYX_EMANYNAMES;
}

#define U(fields)                                                                                                      \
  if (sum->dialect == STYX_9P2000_U) {                                                                                 \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (sum->dialect != STYX_9P2000) {                                                                                   \
    fields                                                                                                             \
  }
#define U8(f)
#define U16(f)
#define U32(f)
#define U64(f)
#define TAG(f)
#define FID(f)
#define PERM(f)
#define STR(f) add_str(sum, m->f);
#define TEXT(f) add_str(sum, m->f);
#define NAME(f) add_str(sum, m->f);
#define QID(f)
#define STAT(f) add_stat(sum, &m->f);
#define NAMES() add_names(sum, m);
#define QIDS() add_qids(sum, m);
#define DATA() sum->n += m->count;
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

static void add_fields(struct sum *sum, const styx_msg *m) {
  switch (m->type) {
#include <styx/messages.def>
  }
}

#include "wire/undef.h"

ptrdiff_t styx_encoded_size(const styx_msg *m, styx_dialect dialect) {
  struct sum sum = {sx_fixed_size(m->type, dialect), STYX_OK, dialect};
  if (sum.n == 0)
    return -STYX_EUNKNOWN;
  add_fields(&sum, m);
  if (!sum.err && (sum.n > UINT32_MAX || sum.n > PTRDIFF_MAX))
    sum.err = STYX_ENOFIT;
  return sum.err ? -sum.err : (ptrdiff_t)sum.n;
}

/* ---- encode ---- */

/* As sx_in. What does not fit or cannot be said is left out, and styx_encoded_size then knows why. */
struct out {
  uint8_t *at;
  size_t spare;
  styx_dialect dialect;
  bool left_out;
};

static inline bool take(struct out *out, size_t n, bool sayable) {
  if (sayable && n <= out->spare) {
    out->spare -= n;
    return true;
  }
  out->left_out = true;
  return false;
}

static inline void put_str(struct out *out, styx_str s) {
  if (take(out, s.len, s.len <= UINT16_MAX))
    out->at = sx_put_str(out->at, s);
}

static void put_stat(struct out *out, const styx_stat *stat) {
  ptrdiff_t size = styx_stat_size(stat, out->dialect);
  if (take(out, (size_t)size, size > 0))
    out->at = sx_put_stat(sx_put16(out->at, (uint16_t)size), stat, (size_t)size, out->dialect);
}

static void put_names(struct out *out, const styx_msg *m) {
  unsigned n = m->nwname;
  size_t size = n * (size_t)2;
  bool sayable = n <= STYX_MAXWELEM;
  for (unsigned i = 0; sayable && i < n; i++) {
    sayable = m->wname[i].len <= UINT16_MAX;
    size += m->wname[i].len;
  }
  if (!take(out, size, sayable))
    return;
  uint8_t *p = sx_put16(out->at, m->nwname);
  for (unsigned i = 0; i < n; i++)
    p = sx_put_str(p, m->wname[i]);
  out->at = p;
}

static void put_qids(struct out *out, const styx_msg *m) {
  unsigned n = m->nwqid;
  if (!take(out, n * (size_t)STYX_QIDSZ, n <= STYX_MAXWELEM))
    return;
  out->at = sx_put16(out->at, m->nwqid);
  for (unsigned i = 0; i < n; i++)
    out->at = sx_put_qid(out->at, m->wqid[i]);
}

/* False if it would have to call memmove but may not. */
SX_INLINED bool put_data(struct out *out, const styx_msg *m, bool calls) {
  uint32_t count = m->count;
  bool in_place = count == 0 || m->data == out->at + 4;
  if (!in_place && !calls)
    return false;
  if (!take(out, count, true))
    return true;
  out->at = sx_put32(out->at, count);
  if (!in_place)
    memmove(out->at, m->data, count);
  out->at += count;
  return true;
}

#define U(fields)                                                                                                      \
  if (out->dialect == STYX_9P2000_U) {                                                                                 \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (out->dialect != STYX_9P2000) {                                                                                   \
    fields                                                                                                             \
  }
#define U8(f) out->at = sx_put8(out->at, m->f);
#define U16(f) out->at = sx_put16(out->at, m->f);
#define U32(f) out->at = sx_put32(out->at, m->f);
#define U64(f) out->at = sx_put64(out->at, m->f);
#define TAG(f) U16(f)
#define FID(f) U32(f)
#define PERM(f) U32(f)
#define STR(f) SX_CALL(put_str(out, m->f))
#define TEXT(f) SX_CALL(put_str(out, m->f))
#define NAME(f) SX_CALL(put_str(out, m->f))
#define QID(f) out->at = sx_put_qid(out->at, m->f);
#define STAT(f) SX_CALL(put_stat(out, &m->f))
#define NAMES() SX_CALL(put_names(out, m))
#define QIDS() SX_CALL(put_qids(out, m))
#define DATA()                                                                                                         \
  if (!put_data(out, m, calls))                                                                                        \
    return false;
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

SX_INLINED bool put_fields(struct out *out, const styx_msg *m, unsigned type, bool calls) {
  switch (type) {
#include <styx/messages.def>
  }
  return true;
}

#include "wire/undef.h"

/* Why a message is not encoded: if it can be said at all, there is no room for it. */
SX_OUTLINED ptrdiff_t refused(const styx_msg *m, styx_dialect dialect) {
  ptrdiff_t size = styx_encoded_size(m, dialect);
  return size < 0 ? size : -STYX_ENOFIT;
}

SX_INLINED ptrdiff_t written(uint8_t *p, const struct out *out, const styx_msg *m) {
  ptrdiff_t size = out->at - p;
  if (out->left_out || (uint64_t)size > UINT32_MAX)
    return refused(m, out->dialect);
  sx_put32(p, (uint32_t)size);
  return size;
}

SX_OUTLINED ptrdiff_t encode_calling(uint8_t *p, size_t spare, const styx_msg *m, styx_dialect dialect) {
  struct out out = {p + STYX_HDRSZ, spare, dialect, false};
  put_fields(&out, m, m->type, true);
  return written(p, &out, m);
}

ptrdiff_t styx_encode(void *buf, size_t cap, const styx_msg *m, styx_dialect dialect) {
  unsigned type = m->type;
  size_t fixed = sx_fixed_size(type, dialect);
  if (fixed == 0 || fixed > cap)
    return refused(m, dialect);
  uint8_t *p = buf;
  struct out out = {sx_put16(sx_put8(p + 4, m->type), m->tag), cap - fixed, dialect, false};
  if (!put_fields(&out, m, type, false))
    return encode_calling(p, cap - fixed, m, dialect);
  return written(p, &out, m);
}
