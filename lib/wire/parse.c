/* parse.c: messages from the text that print.c makes of them. */
#include "wire/text.h"

#include <string.h>

/* Does a value for the field name come next? Not if "..." passes over it; all else is wrong. */
static bool field(struct sx_text *t, const char *name) {
  if (sx_text_word(t, name))
    return true;
  struct sx_text ahead = *t;
  if (!sx_text_word(&ahead, "...")) {
    sx_text_wrong(t, STYX_EBADARG, t->at);
    return false;
  }
  if (!sx_text_word(&ahead, name))
    return false;
  *t = ahead;
  return true;
}

static void expect(struct sx_text *t, char c) {
  if (!sx_text_char(t, c))
    sx_text_wrong(t, STYX_EBADARG, t->at);
}

#define GET(bits)                                                                                                      \
  static void get##bits(struct sx_text *t, const char *name, uint##bits##_t *v) {                                      \
    if (field(t, name))                                                                                                \
      *v = (uint##bits##_t)sx_text_number(t, UINT##bits##_MAX);                                                        \
  }
GET(8)
GET(16)
GET(32)
GET(64)
#undef GET

static styx_str string(struct sx_text *t) {
  sx_text_ended(t);
  const char *start = t->at;
  styx_str s = sx_text_string(t);
  if (s.len > UINT16_MAX)
    sx_text_wrong(t, STYX_EBADARG, start);
  return s;
}

static void get_str(struct sx_text *t, const char *name, styx_str *s) {
  if (field(t, name))
    *s = string(t);
}

static uint8_t qid_type(struct sx_text *t) {
  static const char letters[] = SX_QID_LETTERS;
  styx_str word = sx_text_peek(t);
  uint8_t type = 0;
  if (sx_text_word(t, "-"))
    return 0;
  if (word.len == 0)
    sx_text_wrong(t, STYX_EBADARG, t->at);
  for (size_t i = 0; i < word.len; i++) {
    const char *letter = memchr(letters, word.s[i], sizeof letters - 1);
    if (!letter) {
      sx_text_wrong(t, STYX_EBADARG, word.s + i);
      return 0;
    }
    type |= (uint8_t)(0x80u >> (letter - letters));
  }
  t->at += word.len;
  return type;
}

static styx_qid qid(struct sx_text *t) {
  styx_qid q;
  expect(t, '(');
  q.path = sx_text_number(t, UINT64_MAX);
  q.vers = (uint32_t)sx_text_number(t, UINT32_MAX);
  q.type = qid_type(t);
  expect(t, ')');
  return q;
}

static void get_qid(struct sx_text *t, const char *name, styx_qid *q) {
  if (field(t, name))
    *q = qid(t);
}

static void get_stat_u(struct sx_text *t, styx_stat *stat) {
  get_str(t, "extension", &stat->extension);
  get32(t, "n_uid", &stat->n_uid);
  get32(t, "n_gid", &stat->n_gid);
  get32(t, "n_muid", &stat->n_muid);
}

static void get_stat(struct sx_text *t, const char *name, styx_stat *stat, styx_dialect dialect) {
  if (!field(t, name))
    return;
  expect(t, '(');
  get16(t, "type", &stat->type);
  get32(t, "dev", &stat->dev);
  get_qid(t, "qid", &stat->qid);
  get32(t, "mode", &stat->mode);
  get32(t, "atime", &stat->atime);
  get32(t, "mtime", &stat->mtime);
  get64(t, "length", &stat->length);
  get_str(t, "name", &stat->name);
  get_str(t, "uid", &stat->uid);
  get_str(t, "gid", &stat->gid);
  get_str(t, "muid", &stat->muid);
  if (dialect == STYX_9P2000_U)
    get_stat_u(t, stat);
  sx_text_word(t, "...");
  expect(t, ')');
}

/* The count of a list, which is 0 when "..." passes over it. */
static uint16_t get_count(struct sx_text *t, const char *name) {
  if (!field(t, name))
    return 0;
  sx_text_ended(t);
  const char *start = t->at;
  uint64_t n = sx_text_number(t, UINT16_MAX);
  if (n > STYX_MAXWELEM) {
    sx_text_wrong(t, STYX_EBADARG, start);
    return 0;
  }
  return (uint16_t)n;
}

static void get_names(struct sx_text *t, styx_msg *m) {
  m->nwname = get_count(t, "nwname");
  for (unsigned i = 0; i < m->nwname; i++)
    m->wname[i] = string(t);
}

static void get_qids(struct sx_text *t, styx_msg *m) {
  m->nwqid = get_count(t, "nwqid");
  for (unsigned i = 0; i < m->nwqid; i++)
    m->wqid[i] = qid(t);
}

static void get_data(struct sx_text *t, styx_msg *m) {
  styx_str data = {NULL, 0};
  bool counted = field(t, "count");
  if (counted)
    m->count = (uint32_t)sx_text_number(t, UINT32_MAX);
  if (field(t, "data"))
    data = sx_text_string(t);
  if (!counted)
    m->count = (uint32_t)data.len;
  m->data = (const uint8_t *)data.s;
  if (m->count != data.len) /* as after a data that was cut: "..." comes next */
    sx_text_wrong(t, STYX_EBADARG, t->at);
}

#define U(fields)                                                                                                      \
  if (dialect == STYX_9P2000_U) {                                                                                      \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (dialect != STYX_9P2000) {                                                                                        \
    fields                                                                                                             \
  }
#define U8(f) get8(t, #f, &m->f);
#define U16(f) get16(t, #f, &m->f);
#define U32(f) get32(t, #f, &m->f);
#define U64(f) get64(t, #f, &m->f);
#define TAG(f) get16(t, #f, &m->f);
#define FID(f) get32(t, #f, &m->f);
#define PERM(f) get32(t, #f, &m->f);
#define STR(f) get_str(t, #f, &m->f);
#define TEXT(f) get_str(t, #f, &m->f);
#define NAME(f) get_str(t, #f, &m->f);
#define QID(f) get_qid(t, #f, &m->f);
#define STAT(f) get_stat(t, #f, &m->f, dialect);
#define NAMES() get_names(t, m);
#define QIDS() get_qids(t, m);
#define DATA() get_data(t, m);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

static void get_fields(struct sx_text *t, styx_msg *m, styx_dialect dialect) {
  switch (m->type) {
#include <styx/messages.def>
  default: /* the name was wrong */
    break;
  }
}

static uint8_t get_type(struct sx_text *t, styx_dialect dialect) {
  styx_str word = sx_text_peek(t);
  for (unsigned type = 0; type <= UINT8_MAX; type++)
    if (styx_msg_exists(type, dialect) && styx_str_is(word, styx_msg_name(type))) {
      t->at += word.len;
      return (uint8_t)type;
    }
  sx_text_wrong(t, STYX_EBADARG, word.s);
  return 0;
}

/* What fields are that the text does not give. */
static void set_defaults(styx_msg *m) {
  m->n_uname = STYX_NOUID;
  if (m->type == STYX_Twstat)
    m->stat = styx_stat_untouched();
  if (m->type == STYX_Rstat)
    m->stat = (styx_stat){.n_uid = STYX_NOUID, .n_gid = STYX_NOUID, .n_muid = STYX_NOUID};
}

styx_err styx_msg_parse(styx_msg *msg, const char *text, size_t len, styx_dialect dialect, void *room, size_t cap,
                        const char **where) {
  if (!text)
    text = ""; /* the sum of NULL and 0 is undefined */
  struct sx_text t = {text, text + len, room, cap, STYX_OK, NULL};
  styx_msg m = {.type = get_type(&t, dialect)};
  set_defaults(&m);
  get16(&t, "tag", &m.tag);
  get_fields(&t, &m, dialect);
  sx_text_word(&t, "...");
  if (!sx_text_ended(&t))
    sx_text_wrong(&t, STYX_EBADARG, t.at);
  if (!t.err)
    *msg = m;
  else if (where)
    *where = t.wrong;
  return t.err;
}
