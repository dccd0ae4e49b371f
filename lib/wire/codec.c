/* codec.c: messages to bytes and back. Each of the three switches has one case for each row of messages.def, made by
 * giving the table's field operators a meaning. */
#include "wire/bytes.h"

/* ---- what the table says about a number ---- */

enum { BASE = 1 << STYX_9P2000 | 1 << STYX_9P2000_U, LINUX = 1 << STYX_9P2000_L, ALL = BASE | LINUX, LAST = 127 };

static const struct {
  const char *name;
  uint8_t dialects;
  uint8_t reply;
} rows[LAST + 1] = {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) [number] = {#name, dialects, reply},
#include <styx/messages.def>
#undef STYX_MSG
};

const char *styx_msg_name(unsigned type) { return type <= LAST ? rows[type].name : NULL; }

bool styx_msg_is_t(unsigned type) { return type <= LAST && rows[type].reply != 0; }

bool styx_msg_exists(unsigned type, styx_dialect dialect) {
  return type <= LAST && dialect <= STYX_9P2000_L && (rows[type].dialects >> dialect & 1);
}

/* ---- decode ---- */

static bool is_dot(styx_str s) { return s.len == 1 && s.s[0] == '.'; }

static styx_str get_new_name(struct sx_in *in) {
  styx_str s = sx_get_name(in);
  if (is_dot(s) || (s.len == 2 && memcmp(s.s, "..", 2) == 0))
    sx_wrong(in, STYX_EDOT);
  return s;
}

/* A count of names or qids; past 16 the rest of the message is passed over. */
static uint16_t get_count(struct sx_in *in) {
  uint16_t n = sx_get16(in);
  if (n <= STYX_MAXWELEM)
    return n;
  sx_wrong(in, STYX_EMANYNAMES);
  in->at = in->end;
  return 0;
}

static void get_names(struct sx_in *in, styx_msg *m) {
  m->nwname = get_count(in);
  for (unsigned i = 0; i < m->nwname; i++) {
    m->wname[i] = sx_get_name(in);
    if (is_dot(m->wname[i]))
      sx_wrong(in, STYX_EDOT);
  }
}

static void get_qids(struct sx_in *in, styx_msg *m) {
  m->nwqid = get_count(in);
  for (unsigned i = 0; i < m->nwqid; i++)
    m->wqid[i] = sx_get_qid(in);
}

static void get_data(struct sx_in *in, styx_msg *m) {
  m->count = sx_get32(in);
  m->data = in->at;
  if (sx_has(in, m->count))
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
#define U8(f) m->f = sx_get8(in);
#define U16(f) m->f = sx_get16(in);
#define U32(f) m->f = sx_get32(in);
#define U64(f) m->f = sx_get64(in);
#define TAG(f) m->f = sx_get16(in);
#define FID(f) m->f = sx_get32(in);
#define PERM(f) m->f = sx_get32(in);
#define STR(f) m->f = sx_get_str(in);
#define TEXT(f) m->f = sx_get_text(in);
#define NAME(f) m->f = get_new_name(in);
#define QID(f) m->f = sx_get_qid(in);
#define STAT(f) sx_get_stat(in, &m->f);
#define NAMES() get_names(in, m);
#define QIDS() get_qids(in, m);
#define DATA() get_data(in, m);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

static void get_fields(struct sx_in *in, styx_msg *m) {
  switch (m->type) {
#include <styx/messages.def>
  default:
    sx_wrong(in, STYX_EUNKNOWN);
  }
}

#include "wire/undef.h"

ptrdiff_t styx_decode_lenient(styx_msg *m, const void *buf, size_t len, uint32_t msize, styx_dialect dialect,
                              unsigned allow) {
  ptrdiff_t size = styx_frame(buf, len, msize);
  if (size <= 0)
    return size;
  const uint8_t *p = buf;
  m->type = p[4];
  m->tag = sx_load16(p + 5);
  if (!styx_msg_exists(m->type, dialect)) {
    m->ename = (styx_str){NULL, 0}; /* a type 0 prints as STYX_Readerror, with it */
    return -STYX_EUNKNOWN;
  }
  if (m->type == STYX_Tversion || m->type == STYX_Rversion)
    dialect = STYX_9P2000;
  bool utf8 = dialect != STYX_9P2000_L && !(allow & STYX_ALLOW_BYTES);
  struct sx_in in = {p + STYX_HDRSZ, p + size, STYX_OK, dialect, utf8};
  get_fields(&in, m);
  if (!in.err && in.at != in.end && !(allow & STYX_ALLOW_SLACK))
    in.err = styx_msg_is_t(m->type) ? STYX_EBADT : STYX_EBADR;
  return in.err ? -in.err : size;
}

ptrdiff_t styx_decode(styx_msg *m, const void *buf, size_t len, uint32_t msize, styx_dialect dialect) {
  return styx_decode_lenient(m, buf, len, msize, dialect, 0);
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
  sum->n += 2 + (uint64_t)s.len;
}

static void add_stat(struct sum *sum, const styx_stat *stat) {
  ptrdiff_t size = styx_stat_size(stat, sum->dialect);
  if (size < 0)
    sum->err = (styx_err)-size;
  else
    sum->n += 2 + (uint64_t)size;
}

static void add_names(struct sum *sum, const styx_msg *m) {
  sum->n += 2;
  if (m->nwname > STYX_MAXWELEM)
    sum->err = STYX_EMANYNAMES;
  for (unsigned i = 0; i < m->nwname && i < STYX_MAXWELEM; i++)
    add_str(sum, m->wname[i]);
}

static void add_qids(struct sum *sum, const styx_msg *m) {
  sum->n += 2 + (uint64_t)m->nwqid * STYX_QIDSZ;
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
#define U8(f) sum->n += 1;
#define U16(f) sum->n += 2;
#define U32(f) sum->n += 4;
#define U64(f) sum->n += 8;
#define TAG(f) sum->n += 2;
#define FID(f) sum->n += 4;
#define PERM(f) sum->n += 4;
#define STR(f) add_str(sum, m->f);
#define TEXT(f) add_str(sum, m->f);
#define NAME(f) add_str(sum, m->f);
#define QID(f) sum->n += STYX_QIDSZ;
#define STAT(f) add_stat(sum, &m->f);
#define NAMES() add_names(sum, m);
#define QIDS() add_qids(sum, m);
#define DATA() sum->n += 4 + (uint64_t)m->count;
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

static void add_fields(struct sum *sum, const styx_msg *m) {
  switch (m->type) {
#include <styx/messages.def>
  default:
    sum->err = STYX_EUNKNOWN;
  }
}

#include "wire/undef.h"

ptrdiff_t styx_encoded_size(const styx_msg *m, styx_dialect dialect) {
  if (!styx_msg_exists(m->type, dialect))
    return -STYX_EUNKNOWN;
  struct sum sum = {STYX_HDRSZ, STYX_OK, dialect};
  add_fields(&sum, m);
  if (!sum.err && (sum.n > UINT32_MAX || sum.n > PTRDIFF_MAX))
    sum.err = STYX_ENOFIT;
  return sum.err ? -sum.err : (ptrdiff_t)sum.n;
}

/* ---- encode ---- */

static uint8_t *put_stat(uint8_t *p, const styx_stat *stat, styx_dialect dialect) {
  size_t size = (size_t)styx_stat_size(stat, dialect);
  return sx_put_stat(sx_put16(p, (uint16_t)size), stat, size, dialect);
}

static uint8_t *put_names(uint8_t *p, const styx_msg *m) {
  p = sx_put16(p, m->nwname);
  for (unsigned i = 0; i < m->nwname; i++)
    p = sx_put_str(p, m->wname[i]);
  return p;
}

static uint8_t *put_qids(uint8_t *p, const styx_msg *m) {
  p = sx_put16(p, m->nwqid);
  for (unsigned i = 0; i < m->nwqid; i++)
    p = sx_put_qid(p, m->wqid[i]);
  return p;
}

static uint8_t *put_data(uint8_t *p, const styx_msg *m) {
  p = sx_put32(p, m->count);
  if (m->count && p != m->data)
    memmove(p, m->data, m->count);
  return p + m->count;
}

#define U(fields)                                                                                                      \
  if (dialect == STYX_9P2000_U) {                                                                                      \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (dialect != STYX_9P2000) {                                                                                        \
    fields                                                                                                             \
  }
#define U8(f) p = sx_put8(p, m->f);
#define U16(f) p = sx_put16(p, m->f);
#define U32(f) p = sx_put32(p, m->f);
#define U64(f) p = sx_put64(p, m->f);
#define TAG(f) p = sx_put16(p, m->f);
#define FID(f) p = sx_put32(p, m->f);
#define PERM(f) p = sx_put32(p, m->f);
#define STR(f) p = sx_put_str(p, m->f);
#define TEXT(f) p = sx_put_str(p, m->f);
#define NAME(f) p = sx_put_str(p, m->f);
#define QID(f) p = sx_put_qid(p, m->f);
#define STAT(f) p = put_stat(p, &m->f, dialect);
#define NAMES() p = put_names(p, m);
#define QIDS() p = put_qids(p, m);
#define DATA() p = put_data(p, m);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

static void put_fields(uint8_t *p, const styx_msg *m, styx_dialect dialect) {
  switch (m->type) {
#include <styx/messages.def>
  default:
    break;
  }
  (void)p;
}

ptrdiff_t styx_encode(void *buf, size_t cap, const styx_msg *m, styx_dialect dialect) {
  ptrdiff_t size = styx_encoded_size(m, dialect);
  if (size < 0)
    return size;
  if ((size_t)size > cap)
    return -STYX_ENOFIT;
  uint8_t *p = sx_put32(buf, (uint32_t)size);
  p = sx_put16(sx_put8(p, m->type), m->tag);
  put_fields(p, m, dialect);
  return size;
}
