/* msgtext.c: building rewrites the text as styx_msg_parse reads it; matching walks over a pattern and over the message as it
 * prints, word by word, and so needs to know no fields. */
#include "support/msgtext.h"
#include "wire/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void wrong(char *why, const char *fmt, ...) STYX_PRINTF(2, 3);
static void wrong(char *why, const char *fmt, ...) {
  va_list args;
  if (why[0])
    return;
  va_start(args, fmt);
  vsnprintf(why, 256, fmt, args);
  va_end(args);
}

static struct sx_text text_of(styx_str s) { return (struct sx_text){.at = s.s, .end = s.s + s.len}; }

/* The character that comes next, 0 at the end. */
static char peek(struct sx_text *t) { return sx_text_ended(t) ? 0 : *t->at; }

/* ---- variables ---- */

/* Where t has $name: its value, NULL if it has none. Nothing is taken but when it has one. */
static const char *var_value(const struct msgtext_vars *vars, struct sx_text *t) {
  struct sx_text ahead = *t;
  if (!sx_text_char(&ahead, '$'))
    return NULL;
  styx_str name = sx_text_peek(&ahead);
  for (size_t i = 0; i < vars->n; i++)
    if (styx_str_is(name, vars->var[i].name)) {
      t->at = name.s + name.len;
      return vars->var[i].value;
    }
  return NULL;
}

static void var_keep(struct msgtext_vars *vars, struct sx_text *t, styx_str value, char *why) {
  sx_text_char(t, '$');
  styx_str name = sx_text_peek(t);
  t->at += name.len;
  if (name.len == 0 || name.len >= MSGTEXT_NAME || vars->n == MSGTEXT_VARS || value.len >= MSGTEXT_VALUE) {
    wrong(why, "cannot keep the variable %.*s", (int)name.len, name.s);
    return;
  }
  snprintf(vars->var[vars->n].name, MSGTEXT_NAME, "%.*s", (int)name.len, name.s);
  snprintf(vars->var[vars->n++].value, MSGTEXT_VALUE, "%.*s", (int)value.len, value.s);
}

/* ---- sums and repeats ---- */

static uint64_t number(const struct msgtext_vars *vars, struct sx_text *t) {
  uint64_t sum = 0;
  do {
    const char *value = var_value(vars, t);
    struct sx_text kept = value ? text_of(styx_str_of(value)) : (struct sx_text){0};
    sum += sx_text_number(value ? &kept : t, UINT64_MAX);
    if (kept.err)
      sx_text_wrong(t, kept.err, t->at);
  } while (sx_text_char(t, '+'));
  return sum;
}

size_t msgtext_string(const char **text, uint8_t *out, size_t cap) {
  struct sx_text t = text_of(styx_str_of(*text));
  t.room = out;
  t.room_left = cap;
  size_t once = sx_text_string(&t).len, n = 1;
  if (t.at < t.end && *t.at == '*') {
    t.at++;
    n = sx_text_number(&t, MSGTEXT_ROOM);
  }
  if (t.err || n == 0 || once > cap / n)
    return SIZE_MAX;
  for (size_t i = 1; i < n; i++)
    memcpy(out + i * once, out, once);
  *text = t.at;
  return n * once;
}

/* ---- building ---- */

static void write_string(struct sx_text *t, uint8_t *room, FILE *out) {
  const char *start = t->at;
  size_t n = msgtext_string(&t->at, room, MSGTEXT_ROOM);
  if (n == SIZE_MAX) {
    sx_text_wrong(t, STYX_EBADARG, start);
    return;
  }
  fputc('\'', out);
  for (size_t i = 0; i < n; i++)
    fprintf(out, isalnum(room[i]) ? "%c" : "\\x%02x", room[i]);
  fputc('\'', out);
}

static void write_word(const struct msgtext_vars *vars, struct sx_text *t, FILE *out) {
  struct sx_text ahead = *t;
  sx_text_char(&ahead, '$');
  styx_str word = sx_text_peek(&ahead);
  const char *end = word.s + word.len, *value;
  if (end < t->end && *end == '+') {
    fprintf(out, "%llu", (unsigned long long)number(vars, t));
  } else if (*t->at != '$') {
    if (word.len == 0)
      end++;
    fwrite(t->at, 1, (size_t)(end - t->at), out);
    t->at = end;
  } else if ((value = var_value(vars, t))) {
    fputs(value, out);
  } else {
    sx_text_wrong(t, STYX_EBADARG, t->at);
  }
}

/* t without variables, sums and repeats; to be freed. */
static char *expand(const struct msgtext_vars *vars, struct sx_text *t, uint8_t *room) {
  char *line = NULL;
  size_t len;
  FILE *out = open_memstream(&line, &len);
  while (!sx_text_ended(t)) {
    if (*t->at == '\'')
      write_string(t, room, out);
    else
      write_word(vars, t, out);
    fputc(' ', out);
  }
  fclose(out);
  return line;
}

bool msgtext_build(styx_msg *msg, const char *text, const struct msgtext_vars *vars, uint8_t *room, char *why) {
  struct sx_text t = text_of(styx_str_of(text));
  char *line = expand(vars, &t, room);
  if (!t.err)
    t.err = styx_msg_parse(msg, line, strlen(line), STYX_9P2000, room, MSGTEXT_ROOM, &t.wrong);
  why[0] = 0;
  if (t.err)
    wrong(why, "%s, at: %.60s", styx_err_text(t.err), t.wrong);
  free(line);
  return !t.err;
}

/* ---- matching ---- */

struct match {
  struct sx_text pattern, is;
  struct msgtext_vars *vars;
  const styx_msg *msg;
  char *why;
};

/* Take what comes next: a string, all that is in parentheses, or a word. */
static styx_str take(struct sx_text *t) {
  unsigned depth = 0;
  sx_text_ended(t);
  const char *start = t->at;
  do {
    char c = peek(t);
    const char *quote = c == '\'' ? memchr(t->at + 1, '\'', (size_t)(t->end - t->at - 1)) : NULL;
    size_t n = quote ? (size_t)(quote - t->at) + 1 : sx_text_peek(t).len;
    depth += c == '(';
    depth -= c == ')' && depth > 0;
    t->at += n ? n : c != 0;
  } while (depth > 0 && t->at < t->end);
  return (styx_str){start, (size_t)(t->at - start)};
}

/* Behind "..." in the pattern: take what comes before the field that it names next, or before the end. */
static void pass_fields(struct match *m) {
  styx_str name = sx_text_peek(&m->pattern);
  while (peek(&m->is) && *m->is.at != ')' && (name.len == 0 || !styx_str_eq(sx_text_peek(&m->is), name)))
    take(&m->is);
}

static bool is_number(styx_str s) {
  return (s.s[0] >= '0' && s.s[0] <= '9') || styx_str_is(s, "NOTAG") || styx_str_is(s, "NOFID");
}

/* Take a value of the pattern; does it say the same as the value that the message has? */
static bool same(struct match *m, styx_str is, uint8_t *room) {
  struct sx_text a = text_of(is), *p = &m->pattern;
  if (is_number(is))
    return number(m->vars, p) == sx_text_number(&a, UINT64_MAX) && !p->err;
  const char *value = var_value(m->vars, p);
  if (value)
    return styx_str_is(is, value);
  if (is.s[0] != '\'')
    return styx_str_eq(take(p), is);
  size_t n = msgtext_string(&p->at, room, MSGTEXT_ROOM / 2);
  size_t n_is = msgtext_string(&a.at, room + MSGTEXT_ROOM / 2, MSGTEXT_ROOM / 2);
  return n != SIZE_MAX && n == n_is && memcmp(room, room + MSGTEXT_ROOM / 2, n) == 0;
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

static void match_entries(struct match *m, uint8_t *room) {
  static styx_str names[MAX_ENTRIES];
  size_t n = entry_names(m->msg, names), found = 0;
  bool any = sx_text_char(&m->pattern, '*');
  if (n == SIZE_MAX)
    wrong(m->why, "data is not whole stat records");
  else if (any && n == 0)
    wrong(m->why, "no directory entry came");
  for (; !m->why[0] && peek(&m->pattern) == '\''; found++) {
    styx_str want = {(const char *)room, msgtext_string(&m->pattern.at, room, MSGTEXT_ROOM)};
    size_t i = 0;
    while (i < n && !styx_str_eq(names[i], want))
      i++;
    if (i == n)
      wrong(m->why, "no such directory entry, before: %.60s", m->pattern.at);
    else
      names[i] = (styx_str){"/", 1}; /* each name once; no entry has this one */
  }
  if (!any && found != n)
    wrong(m->why, "%zu directory entries came, not %zu", n, found);
}

static void match_value(struct match *m, uint8_t *room) {
  struct sx_text *p = &m->pattern, before = *p;
  if (sx_text_char(p, '(') || sx_text_char(p, ')')) {
    if (!sx_text_char(&m->is, *before.at))
      wrong(m->why, "expected %c at: %.60s", *before.at, m->is.at);
    return;
  }
  styx_str is = take(&m->is);
  if (is.len == 0)
    wrong(m->why, "the message ends before: %.60s", p->at);
  if (is.len == 0 || sx_text_char(p, '*'))
    return;
  if (sx_text_word(p, "entries")) {
    match_entries(m, room);
    return;
  }
  bool differ = sx_text_char(p, '!');
  struct sx_text variable = *p;
  bool known = var_value(m->vars, &variable);
  if (differ && !known)
    wrong(m->why, "! wants a $variable that has a value");
  else if (peek(p) == '$' && !known)
    var_keep(m->vars, p, is, m->why);
  else if (same(m, is, room) == differ)
    wrong(m->why, "%.80s\n  does not begin like: %.80s", is.s, before.at);
}

bool msgtext_match(const styx_msg *msg, const char *pattern, struct msgtext_vars *vars, uint8_t *room, char *why) {
  struct msgtext_vars known = *vars;
  size_t len = styx_msg_print_whole(NULL, 0, msg, STYX_9P2000);
  char *line = malloc(len + 1);
  styx_msg_print_whole(line, len + 1, msg, STYX_9P2000);
  struct match m = {text_of(styx_str_of(pattern)), text_of((styx_str){line, len}), &known, msg, why};
  why[0] = 0;
  if (sx_text_char(&m.pattern, '*'))
    m.is.at = m.is.end;
  while (!why[0] && (peek(&m.pattern) || peek(&m.is)))
    if (sx_text_word(&m.pattern, "..."))
      pass_fields(&m);
    else
      match_value(&m, room);
  if (!why[0])
    *vars = known;
  free(line);
  return !why[0];
}
