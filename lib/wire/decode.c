/* decode.c: bytes to messages. */
#include "wire/codec.h"

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

SX_INLINED void get_data(struct sx_in *in, styx_msg *m) {
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
#define STR(f) SX_CALL(sx_get_str(in, &m->f))
#define TEXT(f) SX_CALL(sx_get_text(in, &m->f))
#define NAME(f) SX_CALL(get_new_name(in, &m->f))
#define QID(f) in->at = sx_get_qid(in->at, &m->f);
#define STAT(f) SX_CALL(sx_get_stat(in, &m->f))
#define NAMES() SX_CALL(get_names(in, m))
#define QIDS() SX_CALL(get_qids(in, m))
#define DATA() get_data(in, m);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

SX_INLINED bool get_fields(struct sx_in *in, styx_msg *m, unsigned type, bool calls) {
  switch (type) {
#include <styx/messages.def>
  }
  return true;
}

#include "wire/undef.h"

SX_INLINED ptrdiff_t ended(const struct sx_in *in, const styx_msg *m, ptrdiff_t size, unsigned allow) {
  if (in->err)
    return -in->err;
  if (in->spare && !(allow & STYX_ALLOW_SLACK))
    return styx_msg_is_t(m->type) ? -STYX_EBADT : -STYX_EBADR;
  return size;
}

SX_OUTLINED ptrdiff_t decode_calling(styx_msg *m, const uint8_t *p, ptrdiff_t size, size_t spare, styx_dialect dialect,
                                     unsigned allow) {
  if (m->type == STYX_Tversion || m->type == STYX_Rversion)
    dialect = STYX_9P2000;
  bool utf8 = dialect != STYX_9P2000_L && !(allow & STYX_ALLOW_BYTES);
  struct sx_in in = {p + STYX_HDRSZ, spare, STYX_OK, dialect, utf8};
  get_fields(&in, m, m->type, true);
  return ended(&in, m, size, allow);
}

SX_INLINED ptrdiff_t decode(styx_msg *m, const uint8_t *p, size_t len, uint32_t msize, styx_dialect dialect,
                            unsigned allow) {
  ptrdiff_t size = sx_frame(p, len, msize);
  if (size <= 0)
    return size;
  unsigned type = m->type = p[4];
  m->tag = sx_load16(p + 5);
  size_t fixed = sx_fixed_size(type, dialect);
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
