/* spec.c: from the text of a filter to a filter, or to words that say what is wrong with it. */
#include "fs/filters/filter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct sx_filter_kind *const kinds[] = {&sx_filter_delay, &sx_filter_error, &sx_filter_log,
                                                     &sx_filter_readonly};
enum { NKINDS = sizeof kinds / sizeof *kinds };

/* ---- pieces of text ---- */

/* Take from *rest what stands before the first c into *piece, and c; true if there was one, else it is all. */
static bool cut(styx_str *rest, char c, styx_str *piece) {
  const char *at = rest->len ? memchr(rest->s, c, rest->len) : NULL;
  *piece = *rest;
  if (!at)
    return false;
  piece->len = (size_t)(at - rest->s);
  *rest = (styx_str){at + 1, rest->len - piece->len - 1};
  return true;
}

bool sx_filter_number(styx_str text, uint64_t most, uint64_t *out) {
  uint64_t n = 0;
  for (size_t i = 0; i < text.len; i++) {
    unsigned digit = (unsigned)(unsigned char)text.s[i] - '0';
    if (digit > 9 || n > (most - digit) / 10)
      return false;
    n = n * 10 + digit;
  }
  if (text.len)
    *out = n;
  return text.len > 0;
}

/* What is wrong is said in pieces; what does not fit is left out. */
struct words {
  char *buf;
  size_t cap, at;
};

static void STYX_PRINTF(2, 3) say(struct words *w, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = w->at < w->cap ? vsnprintf(w->buf + w->at, w->cap - w->at, fmt, args) : 0;
  va_end(args);
  w->at += n > 0 ? (size_t)n : 0;
}

enum { SHOWN = 48 }; /* most bytes of a specification that are said again */
static int shown(styx_str s) { return s.len < SHOWN ? (int)s.len : SHOWN; }

/* ---- values that several kinds have ---- */

static uint32_t op_bit(const struct styx_filter *f, styx_str name) {
  for (int op = 0; op < STYX_NOPS; op++)
    if ((f->kind->ops >> op & 1) && styx_str_is(name, styx_op_name((enum styx_op)op)))
      return 1u << op;
  return 0;
}

#define SOME_OPS "attach, walk, open, create, read, write, readdir, getattr, setattr, fsync"

const char *sx_filter_set_ops(struct styx_filter *f, styx_str value) {
  styx_str name;
  uint32_t ops = 0, bit;
  bool more = true;
  if (styx_str_is(value, "*"))
    return NULL;
  for (; more; ops |= bit) {
    more = cut(&value, '+', &name);
    bit = op_bit(f, name);
    if (!bit)
      return f->kind->ops & STYX_OP(remove) ? "names no operation: " SOME_OPS ", remove, joined by +"
                                            : "names no operation that can be cancelled: " SOME_OPS ", joined by +";
  }
  f->ops = ops;
  return NULL;
}

const char *sx_filter_set_path(struct styx_filter *f, styx_str value) {
  if (value.len == 0 || *value.s != '/')
    return "is no path: it begins with /, the root of what is attached";
  f->beneath = value.len >= 2 && memcmp(value.s + value.len - 2, "/*", 2) == 0;
  f->path = value;
  f->path.len -= f->beneath;
  return NULL;
}

/* ---- the whole ---- */

static const struct sx_filter_kind *find_kind(styx_str name, struct words *w) {
  for (int i = 0; i < NKINDS; i++)
    if (styx_str_is(name, kinds[i]->name))
      return kinds[i];
  say(w, "there is no filter \"%.*s\"; there are", shown(name), name.s);
  for (int i = 0; i < NKINDS; i++)
    say(w, "%s %s", i ? "," : "", kinds[i]->name);
  return NULL;
}

/* Its number in keys, or -1. */
static int find_key(const struct sx_filter_kind *kind, styx_str name, struct words *w) {
  int n = 0;
  for (; kind->keys[n].name; n++)
    if (styx_str_is(name, kind->keys[n].name))
      return n;
  say(w, "%s has no key \"%.*s\"; it has", kind->name, shown(name), name.s);
  for (int i = 0; i < n; i++)
    say(w, "%s %s", i ? "," : "", kind->keys[i].name);
  if (n == 0)
    say(w, " none");
  return -1;
}

static bool read_key(struct styx_filter *f, styx_str value, unsigned *seen, struct words *w) {
  styx_str name;
  const bool valued = cut(&value, '=', &name);
  const int key = find_key(f->kind, name, w);
  if (key < 0)
    return false;
  const char *wrong = NULL;
  if (!valued)
    say(w, "%.*s has no value: write %.*s=VALUE", shown(name), name.s, shown(name), name.s);
  else if (*seen >> key & 1)
    say(w, "%.*s= is there twice", shown(name), name.s);
  else if ((wrong = f->kind->keys[key].set(f, value)))
    say(w, "%.*s=%.*s %s", shown(name), name.s, shown(value), value.s, wrong);
  else {
    *seen |= 1u << key;
    return true;
  }
  return false;
}

styx_err sx_filter_read(struct styx_filter *f, const char *spec, char *why, size_t cap) {
  struct words w = {why, cap, 0};
  styx_str rest = styx_str_of(spec), piece;
  unsigned seen = 0;
  bool more = cut(&rest, ':', &piece);
  f->kind = find_kind(piece, &w);
  if (!f->kind)
    return STYX_EBADARG;
  f->ops = f->kind->ops;
  while (more) {
    more = cut(&rest, ',', &piece);
    if (!read_key(f, piece, &seen, &w))
      return STYX_EBADARG;
  }
  const char *lacks = f->kind->lacks ? f->kind->lacks(f) : NULL;
  if (lacks)
    say(&w, "%s %s", f->kind->name, lacks);
  return lacks ? STYX_EBADARG : STYX_OK;
}
