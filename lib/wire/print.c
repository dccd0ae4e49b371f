/* print.c: messages, qids and stat records as one line of text that is safe on a terminal and in a log. */
#include "wire/bytes.h"
#include "wire/text.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAXDATA = 32 };

/* What snprintf would have: len counts on when the room is used up. */
struct out {
  char *buf;
  size_t cap, len;
  styx_dialect dialect;
  uint32_t max_data;
};

static void put_bytes(struct out *o, const char *s, size_t n) {
  if (o->len < o->cap) {
    size_t room = o->cap - o->len;
    memcpy(o->buf + o->len, s, n < room ? n : room);
  }
  o->len += n;
}

static void put_format(struct out *o, const char *fmt, ...) STYX_PRINTF(2, 3);
static void put_format(struct out *o, const char *fmt, ...) {
  char text[96];
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (n > 0)
    put_bytes(o, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Cut at a character boundary, terminated: what every function here returns. */
static size_t finish(struct out *o) {
  if (o->cap == 0)
    return o->len;
  size_t end = o->len;
  if (end >= o->cap) {
    end = o->cap - 1;
    while (end > 0 && ((uint8_t)o->buf[end] & 0xC0) == 0x80)
      end--;
  }
  o->buf[end] = 0;
  return o->len;
}

/* Not controls, and not what would reorder or hide the text around it. */
static bool is_shown(uint32_t r) {
  if (r < 0xA0)
    return r >= ' ' && r < 0x7F && r != '\'' && r != '\\';
  return r != 0xAD && r != 0x61C && !(r >= 0x200B && r <= 0x200F) && !(r >= 0x2028 && r <= 0x202E) &&
         !(r >= 0x2060 && r <= 0x206F) && r != 0xFEFF && !(r >= 0xFFF0 && r <= 0xFFFB) && (r & 0xFFFE) != 0xFFFE &&
         !(r >= 0xE0000 && r <= 0xE0FFF);
}

static void put_quoted(struct out *o, const uint8_t *p, size_t n) {
  put_bytes(o, "'", 1);
  for (size_t i = 0; i < n;) {
    uint32_t rune = 0;
    size_t len = sx_utf8(p + i, n - i, &rune);
    if (len && is_shown(rune)) {
      put_bytes(o, (const char *)p + i, len);
      i += len;
      continue;
    }
    for (size_t end = i + (len ? len : 1); i < end; i++)
      put_format(o, "\\x%02x", p[i]);
  }
  put_bytes(o, "'", 1);
}

static void put_str(struct out *o, styx_str s) { put_quoted(o, (const uint8_t *)s.s, s.len); }

static void put_str_field(struct out *o, const char *name, styx_str s) {
  put_format(o, " %s ", name);
  put_str(o, s);
}

static void put_number(struct out *o, const char *name, uint64_t v) {
  put_format(o, " %s %llu", name, (unsigned long long)v);
}

static void put_tag(struct out *o, const char *name, uint16_t tag) {
  if (tag == STYX_NOTAG)
    put_format(o, " %s NOTAG", name);
  else
    put_number(o, name, tag);
}

static void put_fid(struct out *o, const char *name, uint32_t fid) {
  if (fid == STYX_NOFID)
    put_format(o, " %s NOFID", name);
  else
    put_number(o, name, fid);
}

static void put_qid(struct out *o, styx_qid qid) {
  static const char letters[] = SX_QID_LETTERS;
  char type[9] = "-";
  size_t n = 0;
  for (unsigned bit = 0; bit < 8; bit++)
    if (qid.type & 0x80u >> bit)
      type[n++] = letters[bit];
  type[n ? n : 1] = 0;
  put_format(o, "(0x%llx %lu %s)", (unsigned long long)qid.path, (unsigned long)qid.vers, type);
}

static void put_stat(struct out *o, const styx_stat *stat) {
  put_format(o, "type %u dev %lu qid ", stat->type, (unsigned long)stat->dev);
  put_qid(o, stat->qid);
  put_format(o, " mode 0%lo atime %lu mtime %lu length %llu", (unsigned long)stat->mode, (unsigned long)stat->atime,
             (unsigned long)stat->mtime, (unsigned long long)stat->length);
  put_str_field(o, "name", stat->name);
  put_str_field(o, "uid", stat->uid);
  put_str_field(o, "gid", stat->gid);
  put_str_field(o, "muid", stat->muid);
  if (o->dialect != STYX_9P2000_U)
    return;
  put_str_field(o, "extension", stat->extension);
  put_number(o, "n_uid", stat->n_uid);
  put_number(o, "n_gid", stat->n_gid);
  put_number(o, "n_muid", stat->n_muid);
}

static void put_stat_field(struct out *o, const char *name, const styx_stat *stat) {
  put_format(o, " %s (", name);
  put_stat(o, stat);
  put_bytes(o, ")", 1);
}

static void put_names(struct out *o, const styx_msg *m) {
  put_number(o, "nwname", m->nwname);
  for (unsigned i = 0; i < m->nwname && i < STYX_MAXWELEM; i++) {
    put_bytes(o, " ", 1);
    put_str(o, m->wname[i]);
  }
}

static void put_qids(struct out *o, const styx_msg *m) {
  put_number(o, "nwqid", m->nwqid);
  for (unsigned i = 0; i < m->nwqid && i < STYX_MAXWELEM; i++) {
    put_bytes(o, " ", 1);
    put_qid(o, m->wqid[i]);
  }
}

static void put_data(struct out *o, const styx_msg *m) {
  put_number(o, "count", m->count);
  put_bytes(o, " data ", 6);
  put_quoted(o, m->data, m->count < o->max_data ? m->count : o->max_data);
  if (m->count > o->max_data)
    put_bytes(o, "...", 3);
}

#define U(fields)                                                                                                      \
  if (o->dialect == STYX_9P2000_U) {                                                                                   \
    fields                                                                                                             \
  }
#define UL(fields)                                                                                                     \
  if (o->dialect != STYX_9P2000) {                                                                                     \
    fields                                                                                                             \
  }
#define U8(f) put_number(o, #f, m->f);
#define U16(f) put_number(o, #f, m->f);
#define U32(f) put_number(o, #f, m->f);
#define U64(f) put_number(o, #f, m->f);
#define TAG(f) put_tag(o, #f, m->f);
#define FID(f) put_fid(o, #f, m->f);
#define PERM(f) put_format(o, " " #f " 0%lo", (unsigned long)m->f);
#define STR(f) put_str_field(o, #f, m->f);
#define TEXT(f) put_str_field(o, #f, m->f);
#define NAME(f) put_str_field(o, #f, m->f);
#define QID(f) put_bytes(o, " " #f " ", sizeof " " #f " " - 1), put_qid(o, m->f);
#define STAT(f) put_stat_field(o, #f, &m->f);
#define NAMES() put_names(o, m);
#define QIDS() put_qids(o, m);
#define DATA() put_data(o, m);
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply)                                              \
  case number:                                                                                                         \
    fields break;

static void put_fields(struct out *o, const styx_msg *m) {
  switch (m->type) {
#include <styx/messages.def>
  }
}

static size_t print(char *buf, size_t cap, const styx_msg *m, styx_dialect dialect, uint32_t max_data) {
  struct out o = {buf, cap, 0, dialect, max_data};
  if (m->type == STYX_Readerror) {
    put_bytes(&o, "Readerror", sizeof "Readerror" - 1);
    put_str_field(&o, "ename", m->ename);
    return finish(&o);
  }
  const char *name = styx_msg_exists(m->type, dialect) ? styx_msg_name(m->type) : NULL;
  if (name)
    put_bytes(&o, name, strlen(name));
  else
    put_format(&o, "message %u", m->type);
  put_tag(&o, "tag", m->tag);
  if (name)
    put_fields(&o, m);
  return finish(&o);
}

size_t styx_msg_print(char *buf, size_t cap, const styx_msg *m, styx_dialect dialect) {
  return print(buf, cap, m, dialect, MAXDATA);
}

size_t styx_msg_print_whole(char *buf, size_t cap, const styx_msg *m, styx_dialect dialect) {
  return print(buf, cap, m, dialect, UINT32_MAX);
}

size_t styx_qid_print(char *buf, size_t cap, styx_qid qid) {
  struct out o = {.buf = buf, .cap = cap};
  put_qid(&o, qid);
  return finish(&o);
}

size_t styx_stat_print(char *buf, size_t cap, const styx_stat *stat, styx_dialect dialect) {
  struct out o = {.buf = buf, .cap = cap, .dialect = dialect};
  put_stat(&o, stat);
  return finish(&o);
}
