/* codec.c: messages to bytes and back. Each of the three switches has one case for each row of messages.def, made by
 * giving the table's field operators a meaning; and so has the table of sizes, which needs no switch. */
#include "wire/bytes.h"

/* ---- what the table says about a number ---- */

enum { BASE = 1 << STYX_9P2000 | 1 << STYX_9P2000_U, LINUX = 1 << STYX_9P2000_L, ALL = BASE | LINUX, LAST = 127 };

static const struct {
  const char *name;
  uint8_t reply;
} rows[LAST + 1] = {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) [number] = {#name, reply},
#include <styx/messages.def>
#undef STYX_MSG
};

/* The size of each message as if its strings, lists and data were empty; 0 where a dialect has no such message. */
#define U8(f) +1
#define U16(f) +2
#define U32(f) +4
#define U64(f) +8
#define TAG(f) U16(f)
#define FID(f) U32(f)
#define PERM(f) U32(f)
#define STR(f) U16(f)
#define TEXT(f) U16(f)
#define NAME(f) U16(f)
#define QID(f) +STYX_QIDSZ
#define STAT(f) U16(f)
#define NAMES() U16(nwname)
#define QIDS() U16(nwqid)
#define DATA() U32(count)
#define SIZE(number, dialects, dialect, fields) [number] = ((dialects) >> (dialect)) % 2 ? STYX_HDRSZ fields : 0,

static const uint8_t fixed_sizes[][LAST + 1] = {
    [STYX_9P2000] =
        {
#define U(fields)
#define UL(fields)
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) SIZE(number, dialects, STYX_9P2000, fields)
#include <styx/messages.def>
#undef STYX_MSG
#undef UL
#undef U
        },
    [STYX_9P2000_U] =
        {
#define U(fields) fields
#define UL(fields) fields
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) SIZE(number, dialects, STYX_9P2000_U, fields)
#include <styx/messages.def>
#undef STYX_MSG
#undef UL
#undef U
        },
    [STYX_9P2000_L] =
        {
#define U(fields)
#define UL(fields) fields
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) SIZE(number, dialects, STYX_9P2000_L, fields)
#include <styx/messages.def>
        },
};

#undef SIZE
#include "wire/undef.h"

static size_t fixed_size(unsigned type, styx_dialect dialect) {
  return type <= LAST && dialect <= STYX_9P2000_L ? fixed_sizes[dialect][type] : 0;
}

const char *styx_msg_name(unsigned type) { return type <= LAST ? rows[type].name : NULL; }

bool styx_msg_is_t(unsigned type) { return type <= LAST && rows[type].reply != 0; }

bool styx_msg_exists(unsigned type, styx_dialect dialect) { return fixed_size(type, dialect) != 0; }

/* Most messages are only numbers, and data that stays where it is, and need no function called. So the switches of
 * decode and encode are compiled twice: without calls, which leaves no registers to save and costs half, and with them.
 * The first gives up at a field that needs a call, and the second then begins again at the first field. */
#define INLINED static inline __attribute__((always_inline))
#define OUTLINED static __attribute__((noinline))
#define CALL(call)                                                                                                     \
  if (!calls)                                                                                                          \
    return false;                                                                                                      \
  call;

/* ---- decode ---- */

static bool is_dot(styx_str s) { return s.len == 1 && s.s[0] == '.'; }

static void get_new_name(struct sx_in *in, styx_str *s) {
  sx_get_name(in, s);
  if (is_dot(*s) || (s->len == 2 && memcmp(s->s, "..", 2) == 0))
    sx_wrong(in, STYX_EDOT);
}

/* A count of names or qids that take at least size bytes each; 0 if there are not as many. */
static unsigned get_count(struct sx_in *in, size_t size) {
  unsigned n = sx_load16(in->at);
  in->at += 2;
  if (n > STYX_MAXWELEM)
    sx_wrong(in, STYX_EMANYNAMES);
  else if (sx_take(in, n * size))
    return n;
  return 0;
}

static void get_names(struct sx_in *in, styx_msg *m) {
  unsigned n = get_count(in, 2);
  m->nwname = (uint16_t)n;
  for (unsigned i = 0; i < n; i++) {
    sx_get_name(in, &m->wname[i]);
    if (is_dot(m->wname[i]))
      sx_wrong(in, STYX_EDOT);
  }
}

static void get_qids(struct sx_in *in, styx_msg *m) {
  unsigned n = get_count(in, STYX_QIDSZ);
  m->nwqid = (uint16_t)n;
  for (unsigned i = 0; i < n; i++)
    in->at = sx_get_qid(in->at, &m->wqid[i]);
}

INLINED void get_data(struct sx_in *in, styx_msg *m) {
  in->at = sx_get32(in->at, &m->count);
  m->data = in->at;
  if (sx_take(in, m->count))
    in->at += m->count;
}

#define U(fields)                                                                                                      \
  if (in->dialect == STYX_9P2000_U) {                                                                                  \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (in->dialect != STYX_9P2000) {                                                                                    \
    fields                                                                                                             \
  }
#define U8(f) in->at = sx_get8(in->at, &m->f);
#define U16(f) in->at = sx_get16(in->at, &m->f);
#define U32(f) in->at = sx_get32(in->at, &m->f);
#define U64(f) in->at = sx_get64(in->at, &m->f);
#define TAG(f) U16(f)
#define FID(f) U32(f)
#define PERM(f) U32(f)
#define STR(f) CALL(sx_get_str(in, &m->f))
#define TEXT(f) CALL(sx_get_text(in, &m->f))
#define NAME(f) CALL(get_new_name(in, &m->f))
#define QID(f) in->at = sx_get_qid(in->at, &m->f);
#define STAT(f) CALL(sx_get_stat(in, &m->f))
#define NAMES() CALL(get_names(in, m))
#define QIDS() CALL(get_qids(in, m))
#define DATA() get_data(in, m);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

INLINED bool get_fields(struct sx_in *in, styx_msg *m, unsigned type, bool calls) {
  switch (type) {
#include <styx/messages.def>
  default:
    break;
  }
  return true;
}

#include "wire/undef.h"

INLINED ptrdiff_t ended(const struct sx_in *in, const styx_msg *m, ptrdiff_t size, unsigned allow) {
  if (in->err)
    return -in->err;
  if (in->spare && !(allow & STYX_ALLOW_SLACK))
    return styx_msg_is_t(m->type) ? -STYX_EBADT : -STYX_EBADR;
  return size;
}

OUTLINED ptrdiff_t decode_calling(styx_msg *m, const uint8_t *p, ptrdiff_t size, size_t spare, styx_dialect dialect,
                                  unsigned allow) {
  if (m->type == STYX_Tversion || m->type == STYX_Rversion)
    dialect = STYX_9P2000;
  bool utf8 = dialect != STYX_9P2000_L && !(allow & STYX_ALLOW_BYTES);
  struct sx_in in = {p + STYX_HDRSZ, spare, STYX_OK, dialect, utf8};
  get_fields(&in, m, m->type, true);
  return ended(&in, m, size, allow);
}

INLINED ptrdiff_t decode(styx_msg *m, const uint8_t *p, size_t len, uint32_t msize, styx_dialect dialect,
                         unsigned allow) {
  ptrdiff_t size = sx_frame(p, len, msize);
  if (size <= 0)
    return size;
  unsigned type = m->type = p[4];
  m->tag = sx_load16(p + 5);
  size_t fixed = fixed_size(type, dialect);
  if (fixed == 0) {
    m->ename = (styx_str){NULL, 0}; /* a type 0 prints as STYX_Readerror, with it */
    return -STYX_EUNKNOWN;
  }
  if ((size_t)size < fixed)
    return -STYX_ETRUNC;
  size_t spare = (size_t)size - fixed;
  struct sx_in in = {p + STYX_HDRSZ, spare, STYX_OK, dialect, false};
  if (!get_fields(&in, m, type, false))
    return decode_calling(m, p, size, spare, dialect, allow);
  return ended(&in, m, size, allow);
}

ptrdiff_t styx_decode_lenient(styx_msg *m, const void *buf, size_t len, uint32_t msize, styx_dialect dialect,
                              unsigned allow) {
  return decode(m, buf, len, msize, dialect, allow);
}

ptrdiff_t styx_decode(styx_msg *m, const void *buf, size_t len, uint32_t msize, styx_dialect dialect) {
  return decode(m, buf, len, msize, dialect, 0);
}

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
  default:
    break;
  }
}

#include "wire/undef.h"

ptrdiff_t styx_encoded_size(const styx_msg *m, styx_dialect dialect) {
  struct sum sum = {fixed_size(m->type, dialect), STYX_OK, dialect};
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
INLINED bool put_data(struct out *out, const styx_msg *m, bool calls) {
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
#define STR(f) CALL(put_str(out, m->f))
#define TEXT(f) CALL(put_str(out, m->f))
#define NAME(f) CALL(put_str(out, m->f))
#define QID(f) out->at = sx_put_qid(out->at, m->f);
#define STAT(f) CALL(put_stat(out, &m->f))
#define NAMES() CALL(put_names(out, m))
#define QIDS() CALL(put_qids(out, m))
#define DATA()                                                                                                         \
  if (!put_data(out, m, calls))                                                                                        \
    return false;
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

INLINED bool put_fields(struct out *out, const styx_msg *m, unsigned type, bool calls) {
  switch (type) {
#include <styx/messages.def>
  default:
    break;
  }
  return true;
}

#include "wire/undef.h"

/* Why a message is not encoded: if it can be said at all, there is no room for it. */
OUTLINED ptrdiff_t refused(const styx_msg *m, styx_dialect dialect) {
  ptrdiff_t size = styx_encoded_size(m, dialect);
  return size < 0 ? size : -STYX_ENOFIT;
}

INLINED ptrdiff_t written(uint8_t *p, const struct out *out, const styx_msg *m) {
  ptrdiff_t size = out->at - p;
  if (out->left_out || (uint64_t)size > UINT32_MAX)
    return refused(m, out->dialect);
  sx_put32(p, (uint32_t)size);
  return size;
}

OUTLINED ptrdiff_t encode_calling(uint8_t *p, size_t spare, const styx_msg *m, styx_dialect dialect) {
  struct out out = {p + STYX_HDRSZ, spare, dialect, false};
  put_fields(&out, m, m->type, true);
  return written(p, &out, m);
}

ptrdiff_t styx_encode(void *buf, size_t cap, const styx_msg *m, styx_dialect dialect) {
  unsigned type = m->type;
  size_t fixed = fixed_size(type, dialect);
  if (fixed == 0 || fixed > cap)
    return refused(m, dialect);
  uint8_t *p = buf;
  struct out out = {sx_put16(sx_put8(p + 4, m->type), m->tag), cap - fixed, dialect, false};
  if (!put_fields(&out, m, type, false))
    return encode_calling(p, cap - fixed, m, dialect);
  return written(p, &out, m);
}
