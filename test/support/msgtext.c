/* msgtext.c: messages as text. One walk over the fields of a row of messages.def serves building and matching. */
#include "support/msgtext.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
  const char *at;
  struct msgtext_vars *vars; /* changed only while matching */
  bool matching;
  uint8_t *room, *room_end;
  char *why; /* empty: nothing is wrong yet */
};

static void wrong(struct text *t, const char *fmt, ...) STYX_PRINTF(2, 3);
static void wrong(struct text *t, const char *fmt, ...) {
  va_list args;
  if (t->why[0])
    return;
  va_start(args, fmt);
  vsnprintf(t->why, 256, fmt, args);
  va_end(args);
}

/* ---- words ---- */

static void blanks(struct text *t) {
  while (*t->at == ' ' || *t->at == '\t')
    t->at++;
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-'; }

static size_t word_len(const char *p) {
  size_t n = 0;
  while (is_word(p[n]))
    n++;
  return n;
}

static bool next_is(const struct text *t, const char *word) {
  size_t n = word_len(t->at);
  return n == strlen(word) && memcmp(t->at, word, n) == 0;
}

static bool take(struct text *t, const char *word) {
  blanks(t);
  if (!next_is(t, word))
    return false;
  t->at += strlen(word);
  blanks(t);
  return true;
}

static bool take_char(struct text *t, char c) {
  blanks(t);
  if (*t->at != c)
    return false;
  t->at++;
  return true;
}

/* True when the text gives a value for field name here; false when "..." passes over it. */
static bool field(struct text *t, const char *name) {
  if (t->why[0])
    return false;
  if (take(t, name))
    return true;
  if (!next_is(t, "...")) {
    wrong(t, "expected the field %s at: %.60s", name, t->at);
    return false;
  }
  struct text ahead = *t;
  ahead.at += 3;
  if (!take(&ahead, name))
    return false;
  t->at = ahead.at;
  return true;
}

/* ---- variables ---- */

static const char *var_find(const struct msgtext_vars *vars, const char *name, size_t len) {
  for (size_t i = 0; i < vars->n; i++)
    if (strlen(vars->var[i].name) == len && memcmp(vars->var[i].name, name, len) == 0)
      return vars->var[i].value;
  return NULL;
}

/* At $name: its value; NULL and nothing taken when it has none. */
static const char *var_value(struct text *t) {
  size_t n = word_len(t->at + 1);
  const char *value = var_find(t->vars, t->at + 1, n);
  if (value)
    t->at += 1 + n;
  return value;
}

static void var_keep(struct text *t, const char *value) {
  size_t n = word_len(t->at + 1);
  if (n == 0 || n >= MSGTEXT_NAME || t->vars->n == MSGTEXT_VARS || strlen(value) >= MSGTEXT_VALUE) {
    wrong(t, "cannot keep a variable at: %.60s", t->at);
    return;
  }
  memcpy(t->vars->var[t->vars->n].name, t->at + 1, n);
  t->vars->var[t->vars->n].name[n] = 0;
  strcpy(t->vars->var[t->vars->n++].value, value);
  t->at += 1 + n;
}

static void differs(struct text *t, const char *value) {
  t->at++;
  const char *kept = *t->at == '$' ? var_value(t) : NULL;
  if (!kept)
    wrong(t, "! wants a $variable that has a value");
  else if (strcmp(kept, value) == 0)
    wrong(t, "%s is what it was before", value);
}

/* Matching: the pattern takes any value here, and keeps it if it is a new variable. */
static bool anything(struct text *t, const char *value) {
  blanks(t);
  if (!t->matching)
    return false;
  if (*t->at == '!') {
    differs(t, value);
    return true;
  }
  if (*t->at == '*') {
    t->at++;
    return true;
  }
  if (*t->at != '$' || var_find(t->vars, t->at + 1, word_len(t->at + 1)))
    return false;
  var_keep(t, value);
  return true;
}

/* ---- values as the text has them ---- */

static uint64_t number(struct text *t);

static uint64_t one_number(struct text *t) {
  blanks(t);
  if (*t->at == '$') {
    struct text value = *t;
    value.at = var_value(t);
    if (value.at)
      return number(&value);
    wrong(t, "no such variable: %.60s", t->at);
    return 0;
  }
  if (take(t, "NOTAG"))
    return STYX_NOTAG;
  if (take(t, "NOFID"))
    return STYX_NOFID;
  char *end;
  uint64_t v = strtoull(t->at, &end, 0);
  if (end == t->at)
    wrong(t, "expected a number at: %.60s", t->at);
  t->at = end;
  return v;
}

static uint64_t number(struct text *t) {
  uint64_t v = one_number(t);
  while (*t->at == '+' && !t->why[0]) {
    t->at++;
    v += one_number(t);
  }
  return v;
}

static int hex_digit(char c) {
  static const char digits[] = "0123456789abcdef";
  const char *d = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
  return d ? (int)(d - digits) : -1;
}

size_t msgtext_string(const char **text, uint8_t *out, size_t cap) {
  const char *p = *text;
  size_t n = 0;
  if (*p++ != '\'')
    return SIZE_MAX;
  for (; *p && *p != '\''; p++) {
    if (n == cap)
      return SIZE_MAX;
    if (p[0] == '\\' && p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
      out[n++] = (uint8_t)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
      p += 3;
    } else {
      out[n++] = (uint8_t)*p;
    }
  }
  if (*p++ != '\'')
    return SIZE_MAX;
  if (*p == '*') {
    char *end;
    size_t times = strtoul(p + 1, &end, 10), once = n;
    p = end;
    if (times == 0 || (once && times > cap / once))
      return SIZE_MAX;
    for (n = once; n < once * times; n += once)
      memcpy(out + n, out, once);
  }
  *text = p;
  return n;
}

static styx_str string(struct text *t) {
  blanks(t);
  if (*t->at == '$') {
    struct text value = *t;
    value.at = var_value(t);
    if (value.at) {
      styx_str s = string(&value);
      t->room = value.room;
      return s;
    }
  }
  size_t n = msgtext_string(&t->at, t->room, (size_t)(t->room_end - t->room));
  if (n == SIZE_MAX) {
    wrong(t, "expected a 'string' at: %.60s", t->at);
    return (styx_str){NULL, 0};
  }
  styx_str s = {(const char *)t->room, n};
  t->room += n;
  return s;
}

static uint8_t qid_type(struct text *t) {
  static const char letters[] = "dalmAtLh";
  uint8_t type = 0;
  blanks(t);
  for (; is_word(*t->at); t->at++) {
    const char *l = strchr(letters, *t->at);
    if (l)
      type |= (uint8_t)(0x80u >> (l - letters));
    else if (*t->at != '-')
      wrong(t, "no type of a qid: %.20s", t->at);
  }
  return type;
}

/* ---- a value: built, or compared with what is there ---- */

static void quote(char *out, size_t cap, styx_str s) {
  size_t n = 0;
  out[n++] = '\'';
  for (size_t i = 0; i < s.len && n + 6 < cap; i++)
    n += (size_t)snprintf(out + n, cap - n, isalnum((unsigned char)s.s[i]) ? "%c" : "\\x%02x", (unsigned char)s.s[i]);
  snprintf(out + n, cap - n, "'");
}

static uint64_t value_number(struct text *t, const char *name, uint64_t is) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)is);
  if (anything(t, text))
    return is;
  uint64_t want = number(t);
  if (t->matching && want != is)
    wrong(t, "%s is %llu, not %llu", name, (unsigned long long)is, (unsigned long long)want);
  return want;
}

static styx_str value_string(struct text *t, const char *name, styx_str is) {
  char text[MSGTEXT_VALUE];
  quote(text, sizeof text, is);
  if (anything(t, text))
    return is;
  styx_str want = string(t);
  if (t->matching && !t->why[0] && !styx_str_eq(want, is))
    wrong(t, "%s is %.100s, not '%.*s'", name, text, (int)(want.len < 80 ? want.len : 80), want.s);
  return want;
}

static styx_qid value_qid(struct text *t, const char *name, styx_qid is) {
  char text[MSGTEXT_VALUE];
  styx_qid_print(text, sizeof text, is);
  if (anything(t, text))
    return is;
  if (*t->at == '$') {
    struct text value = *t;
    value.at = var_value(t);
    return value_qid(&value, name, is);
  }
  styx_qid want = {0, 0, 0};
  if (!take_char(t, '('))
    wrong(t, "expected a (qid) at: %.60s", t->at);
  want.path = value_number(t, "qid.path", is.path);
  want.vers = (uint32_t)value_number(t, "qid.vers", is.vers);
  if (anything(t, "*"))
    want.type = is.type;
  else
    want.type = qid_type(t);
  if (!take_char(t, ')'))
    wrong(t, "expected the end of a qid at: %.60s", t->at);
  if (t->matching && want.type != is.type)
    wrong(t, "%s is %s: another type", name, text);
  return want;
}

static void value_stat(struct text *t, styx_stat *s) {
  if (!take_char(t, '('))
    wrong(t, "expected ( of a stat at: %.60s", t->at);
#define NUMBER(f, type)                                                                                                \
  if (field(t, #f))                                                                                                    \
    s->f = (type)value_number(t, "stat " #f, s->f);
#define STRING(f)                                                                                                      \
  if (field(t, #f))                                                                                                    \
    s->f = value_string(t, "stat " #f, s->f);
  NUMBER(type, uint16_t)
  NUMBER(dev, uint32_t)
  if (field(t, "qid"))
    s->qid = value_qid(t, "stat qid", s->qid);
  NUMBER(mode, uint32_t)
  NUMBER(atime, uint32_t)
  NUMBER(mtime, uint32_t)
  NUMBER(length, uint64_t)
  STRING(name)
  STRING(uid)
  STRING(gid)
  STRING(muid)
#undef NUMBER
#undef STRING
  take(t, "...");
  if (!take_char(t, ')'))
    wrong(t, "expected ) of a stat at: %.60s", t->at);
}

/* ---- lists and data ---- */

static void value_names(struct text *t, styx_msg *m) {
  m->nwname = (uint16_t)value_number(t, "nwname", m->nwname);
  for (unsigned i = 0; i < m->nwname && i < STYX_MAXWELEM && !t->why[0]; i++)
    m->wname[i] = value_string(t, "wname", m->wname[i]);
}

static void value_qids(struct text *t, styx_msg *m) {
  m->nwqid = (uint16_t)value_number(t, "nwqid", m->nwqid);
  for (unsigned i = 0; i < m->nwqid && i < STYX_MAXWELEM && !t->why[0]; i++) {
    blanks(t);
    if (take(t, "..."))
      return;
    m->wqid[i] = value_qid(t, "wqid", m->wqid[i]);
  }
}

enum { MAX_ENTRIES = 4096 };

/* The names of the stat records in data; SIZE_MAX when it is not whole records. */
static size_t entry_names(const styx_msg *m, styx_str *names) {
  size_t n = 0;
  for (size_t at = 0; at < m->count; n++) {
    styx_stat stat;
    ptrdiff_t used = styx_stat_decode(&stat, m->data + at, m->count - at, STYX_9P2000);
    if (used <= 0 || n == MAX_ENTRIES)
      return SIZE_MAX;
    names[n] = stat.name;
    at += (size_t)used;
  }
  return n;
}

static void match_entries(struct text *t, const styx_msg *m) {
  static styx_str names[MAX_ENTRIES];
  size_t n = entry_names(m, names), found = 0;
  bool any = take_char(t, '*');
  if (n == SIZE_MAX)
    wrong(t, "data is not whole stat records");
  else if (any && n == 0)
    wrong(t, "no directory entry came");
  if (any)
    return;
  for (blanks(t); *t->at == '\'' && !t->why[0]; blanks(t), found++) {
    styx_str want = string(t);
    size_t i = 0;
    while (i < n && !styx_str_eq(names[i], want))
      i++;
    if (i == n)
      wrong(t, "no directory entry '%.*s'", (int)want.len, want.s);
    else
      names[i] = (styx_str){"/", 1}; /* each name once; no entry has this one */
  }
  if (!t->why[0] && found != n)
    wrong(t, "%zu directory entries came, not %zu", n, found);
}

static void value_data(struct text *t, styx_msg *m) {
  if (field(t, "count"))
    m->count = (uint32_t)value_number(t, "count", m->count);
  if (!field(t, "data"))
    return;
  if (t->matching && take(t, "entries")) {
    match_entries(t, m);
    return;
  }
  styx_str is = {(const char *)m->data, t->matching ? m->count : 0};
  styx_str data = value_string(t, "data", is);
  m->data = (const uint8_t *)data.s;
  if (!t->matching && !t->why[0] && data.len != m->count)
    wrong(t, "count %u, but %zu bytes of data", (unsigned)m->count, data.len);
}

/* ---- messages ---- */

#define NUMBER(f, type)                                                                                                \
  if (field(t, #f))                                                                                                    \
    m->f = (type)value_number(t, #f, m->f);
#define STRING(f)                                                                                                      \
  if (field(t, #f))                                                                                                    \
    m->f = value_string(t, #f, m->f);
#define U(fields)
#define UL(fields)
#define U8(f) NUMBER(f, uint8_t)
#define U16(f) NUMBER(f, uint16_t)
#define U32(f) NUMBER(f, uint32_t)
#define U64(f) NUMBER(f, uint64_t)
#define TAG(f) NUMBER(f, uint16_t)
#define FID(f) NUMBER(f, uint32_t)
#define PERM(f) NUMBER(f, uint32_t)
#define STR(f) STRING(f)
#define TEXT(f) STRING(f)
#define NAME(f) STRING(f)
#define QID(f)                                                                                                         \
  if (field(t, #f))                                                                                                    \
    m->f = value_qid(t, #f, m->f);
#define STAT(f)                                                                                                        \
  if (field(t, #f))                                                                                                    \
    value_stat(t, &m->f);
#define NAMES()                                                                                                        \
  if (field(t, "nwname"))                                                                                              \
    value_names(t, m);
#define QIDS()                                                                                                         \
  if (field(t, "nwqid"))                                                                                               \
    value_qids(t, m);
#define DATA() value_data(t, m);
#define STYX_MSG(name, num, dialects, fields, fidrule, mustrun, reply)                                                 \
  case num:                                                                                                            \
    fields break;

static void fields_of(struct text *t, styx_msg *m) {
  switch (m->type) {
#include <styx/messages.def>
  default:
    wrong(t, "no such message");
  }
}

static uint8_t type_of(struct text *t) {
  blanks(t);
  for (unsigned type = 0; type < 256; type++)
    if (styx_msg_name(type) && take(t, styx_msg_name(type)))
      return (uint8_t)type;
  wrong(t, "no such message: %.60s", t->at);
  return 0;
}

static void message(struct text *t, styx_msg *m) {
  if (field(t, "tag"))
    m->tag = (uint16_t)value_number(t, "tag", m->tag);
  if (!t->why[0])
    fields_of(t, m);
  take(t, "...");
  blanks(t);
  if (*t->at)
    wrong(t, "too much at: %.60s", t->at);
}

bool msgtext_build(styx_msg *msg, const char *text, const struct msgtext_vars *vars, uint8_t *room, char *why) {
  struct msgtext_vars known = *vars;
  struct text t = {text, &known, false, room, room + MSGTEXT_ROOM, why};
  why[0] = 0;
  memset(msg, 0, sizeof *msg);
  msg->type = type_of(&t);
  if (msg->type == STYX_Twstat)
    msg->stat = styx_stat_untouched();
  if (!why[0])
    message(&t, msg);
  return !why[0];
}

bool msgtext_match(const styx_msg *msg, const char *pattern, struct msgtext_vars *vars, uint8_t *room, char *why) {
  struct msgtext_vars known = *vars;
  struct text t = {pattern, &known, true, room, room + MSGTEXT_ROOM, why};
  styx_msg m = *msg;
  why[0] = 0;
  blanks(&t);
  if (strcmp(t.at, "*") == 0)
    return true;
  uint8_t type = type_of(&t);
  if (!why[0] && type != msg->type)
    wrong(&t, "it is no %s", styx_msg_name(type));
  if (!why[0])
    message(&t, &m);
  if (!why[0])
    *vars = known;
  return !why[0];
}
