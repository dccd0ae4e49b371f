/* styx_conform_play.c: checks that are written as conversations. One line, one thing:
 *
 *   > MESSAGE     send, as styx_msg_print prints it; $NAME is replaced
 *   >+ MESSAGE    send together with the next line
 *   >raw BYTES    pairs of hex digits, 'text'
 *   < PATTERN     the next message looks like this; "A || B": or like that; "eof": the server has hung up
 *   <{ A ;; B     the next messages look like these, in any order
 *   <? PATTERN    if the next message looks like this it is passed over
 *   ! MESSAGE     it succeeds; "! MESSAGE => PATTERN": with a reply like this
 *   x MESSAGE     it is refused by an Rerror
 *   ~ MESSAGE     it is answered, by whatever is allowed
 *   ? MESSAGE     it succeeds, or the check is skipped: not every server does that
 *   file FID 'NAME' 'TEXT'    fid 1 gets this file, fid FID is there
 *   dir FID 'NAME'            the same with a directory
 *   readable FID  a file that may be read, made or found
 *   contents FID 'TEXT'       the open file has these
 *   as N          connection N speaks, begun like the first if it is new
 *   bare N        the same with one on which nothing was said
 *   close N       hang up
 *   alive         the server serves a new connection
 *   quiet         nothing else is on its way
 *
 * Messages of ! x ~ ? have no tag; nor have the patterns behind =>. In patterns an asterisk stands for anything, $NAME keeps a
 * value the first time and demands it afterwards, !$NAME demands another. */
#include "styx_conform.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- patterns ---- */

static struct cf_var *var(struct cf_var *vars, const char *name, size_t len) {
  for (int i = 0; i < CF_VARS; i++)
    if (!vars[i].name[0] || (strlen(vars[i].name) == len && memcmp(vars[i].name, name, len) == 0))
      return &vars[i];
  return NULL;
}

static size_t name_len(const char *s) {
  size_t n = 0;
  while (isalnum((unsigned char)s[n]))
    n++;
  return n;
}

/* One value as it is printed: (…), '…', or a word. */
static size_t value_len(const char *s) {
  size_t n = 0;
  if (*s == '(' || *s == '\'') {
    char end = *s == '(' ? ')' : '\'';
    for (n = 1; s[n] && s[n] != end; n++)
      continue;
    return n + (s[n] != '\0');
  }
  return strcspn(s, " )");
}

/* Is the value t what this variable wants? A new one takes it. */
static bool value(struct cf_var *vars, const char *name, size_t name_size, const char *t, size_t len, bool another) {
  struct cf_var *v = var(vars, name, name_size);
  if (!v || len >= CF_VALUE || name_size >= sizeof v->name)
    return false;
  if (v->name[0])
    return (strlen(v->value) == len && memcmp(v->value, t, len) == 0) != another;
  memcpy(v->name, name, name_size);
  memcpy(v->value, t, len);
  v->value[len] = '\0';
  return true;
}

static bool match(struct cf_var *vars, const char *p, const char *t) {
  for (; *p; p++, t++) {
    if (*p == '*') {
      for (;; t++) {
        struct cf_var trial[CF_VARS];
        memcpy(trial, vars, sizeof trial);
        if (match(trial, p + 1, t)) {
          memcpy(vars, trial, sizeof trial);
          return true;
        }
        if (!*t)
          return false;
      }
    }
    bool another = *p == '!' && p[1] == '$';
    if (*p == '$' || another) {
      p += 1 + another;
      size_t len = value_len(t);
      return value(vars, p, name_len(p), t, len, another) && match(vars, p + name_len(p), t + len);
    }
    if (*p != *t)
      return false;
  }
  return !*t;
}

bool cf_match(struct cf_run *r, const char *pattern, const char *text) {
  for (const char *p = pattern;;) {
    char one[CF_LINE];
    struct cf_var trial[CF_VARS];
    const char *end = strstr(p, " || ");
    snprintf(one, sizeof one, "%.*s", end ? (int)(end - p) : (int)strlen(p), p);
    memcpy(trial, r->vars, sizeof trial);
    if (match(trial, one, text)) {
      memcpy(r->vars, trial, sizeof trial);
      return true;
    }
    if (!end)
      return false;
    p = end + 4;
  }
}

/* ---- messages ---- */

_Noreturn static void wrong_line(struct cf_run *r, const char *line) {
  cf_fail(r, "styx conform itself is wrong, in the line: %s", line);
}

/* The line with $NAMEs replaced. */
static void fill_in(struct cf_run *r, char *out, size_t cap, const char *line) {
  size_t at = 0;
  for (const char *s = line; *s && at + 1 < cap;) {
    if (*s != '$') {
      out[at++] = *s++;
      continue;
    }
    size_t len = name_len(s + 1);
    const struct cf_var *v = var(r->vars, s + 1, len);
    if (!v || !v->name[0])
      wrong_line(r, line);
    int n = snprintf(out + at, cap - at, "%s", v->value);
    at += n > 0 && (size_t)n < cap - at ? (size_t)n : 0;
    s += 1 + len;
  }
  out[at] = '\0';
}

/* A message, with the usual tag where none is written. Its strings are in room. */
static styx_msg parse(struct cf_run *r, const char *line, char *room, size_t cap) {
  char text[1024], tagged[1100];
  styx_msg m;
  fill_in(r, text, sizeof text, line);
  size_t word = strcspn(text, " ");
  if (strncmp(text + word, " tag ", 5) == 0)
    snprintf(tagged, sizeof tagged, "%s", text);
  else
    snprintf(tagged, sizeof tagged, "%.*s tag %u%s", (int)word, text, (unsigned)CF_TAG, text + word);
  if (styx_msg_parse(&m, tagged, strlen(tagged), STYX_9P2000, room, cap, NULL) != STYX_OK)
    wrong_line(r, line);
  return m;
}

static void printed(char *buf, size_t cap, const styx_msg *m) { styx_msg_print_whole(buf, cap, m, STYX_9P2000); }

/* The same without its tag. */
static void untagged(char *buf, size_t cap, const styx_msg *m) {
  char text[2048];
  printed(text, sizeof text, m);
  const char *rest = strstr(text, " tag ");
  snprintf(buf, cap, "%.*s%s", (int)strcspn(text, " "), text, rest ? rest + 5 + strcspn(rest + 5, " ") : "");
}

static void ask(struct cf_run *r, const char *line, char how) {
  char message[1024], got[2048], room[1024];
  const char *want = strstr(line, " => ");
  snprintf(message, sizeof message, "%.*s", want ? (int)(want - line) : (int)strlen(line), line);
  styx_msg t = parse(r, message, room, sizeof room), m;
  if (how == 'x') {
    cf_refused(r, t);
    return;
  }
  m = how == '!' ? cf_ok(r, t) : how == '?' ? cf_or_skip(r, t) : cf_rpc(r, t);
  if (!want)
    return;
  untagged(got, sizeof got, &m);
  if (cf_match(r, want + 4, got))
    return;
  if (how == '?')
    cf_skip(r, "not every server does that: came: %.400s", got);
  cf_fail(r, "came: %.400s; right: %s", got, want + 4);
}

static void expect(struct cf_run *r, const char *pattern) {
  char got[2048] = "eof";
  styx_msg m;
  if (cf_next(r, &m))
    printed(got, sizeof got, &m);
  if (!cf_match(r, pattern, got))
    cf_fail(r, "came: %.400s; right: %s", got, pattern);
}

static void expect_all(struct cf_run *r, const char *patterns) {
  char todo[8][CF_LINE];
  size_t n = 0;
  for (const char *p = patterns; p && n < 8; n++) {
    const char *end = strstr(p, " ;; ");
    snprintf(todo[n], CF_LINE, "%.*s", end ? (int)(end - p) : (int)strlen(p), p);
    p = end ? end + 4 : NULL;
  }
  while (n) {
    char got[2048] = "eof";
    styx_msg m;
    size_t i = 0;
    if (cf_next(r, &m))
      printed(got, sizeof got, &m);
    while (i < n && !cf_match(r, todo[i], got))
      i++;
    if (i == n)
      cf_fail(r, "came: %.400s; right: %s", got, patterns);
    memcpy(todo[i], todo[--n], CF_LINE);
  }
}

/* What was looked at and does not match is seen again by the next line. */
static void maybe(struct cf_run *r, const char *pattern) {
  struct cf_peer *p = r->p;
  char got[2048];
  styx_msg m;
  cf_push(r);
  if (!cf_ready(r, r->w->timeout_ms))
    cf_fail(r, "nothing came for %d ms; right: %s, or what follows it", r->w->timeout_ms, pattern);
  ptrdiff_t size = styx_frame(p->in, p->in_len, p->msize);
  if (size <= 0 || styx_decode(&m, p->in, (size_t)size, p->msize, STYX_9P2000) <= 0)
    return;
  printed(got, sizeof got, &m);
  if (cf_match(r, pattern, got))
    (void)cf_next(r, &m);
}

static void raw(struct cf_run *r, const char *s) {
  uint8_t bytes[512];
  size_t n = 0;
  cf_log(r, "->", s);
  while (*s && n < sizeof bytes) {
    if (*s == '\'') {
      for (s++; *s && *s != '\'' && n < sizeof bytes; s++)
        bytes[n++] = (uint8_t)*s;
      s += *s == '\'';
    } else if (isxdigit((unsigned char)s[0]) && isxdigit((unsigned char)s[1])) {
      const char pair[3] = {s[0], s[1], 0};
      bytes[n++] = (uint8_t)strtoul(pair, NULL, 16);
      s += 2;
    } else {
      s++;
    }
  }
  if (n >= STYX_HDRSZ) /* an error may come */
    r->p->asked[bytes[5] | bytes[6] << 8] = (struct cf_asked){.types = {bytes[4]}, .n = 1};
  cf_queue_bytes(r, bytes, n);
  cf_push(r);
}

/* A request of which is known what it is answered by: an Rflush for a tag that nobody uses. */
static void quiet(struct cf_run *r) {
  styx_msg m, t = {.type = STYX_Tflush, .tag = 60000, .oldtag = 60001};
  cf_send(r, &t);
  if (!cf_next(r, &m))
    cf_fail(r, "the server hung up; right: Rflush");
  if (m.type != STYX_Rflush || m.tag != 60000)
    cf_fail(r, "that was not expected");
}

/* ---- lines ---- */

/* FID 'A' 'B', the latter optional. */
static uint32_t words(struct cf_run *r, const char *line, char *a, char *b, size_t cap) {
  char *end;
  char *into[2] = {a, b};
  uint32_t fid = (uint32_t)strtoul(line, &end, 10);
  for (int i = 0; i < 2 && into[i]; i++) {
    const char *from = strchr(end, '\''), *to = from ? strchr(from + 1, '\'') : NULL;
    into[i][0] = '\0';
    if (!to || (size_t)(to - from) >= cap) {
      if (i == 0)
        wrong_line(r, line);
      break;
    }
    snprintf(into[i], cap, "%.*s", (int)(to - from - 1), from + 1);
    end = (char *)(uintptr_t)(to + 1);
  }
  return fid;
}

static void do_file(struct cf_run *r, const char *line) {
  char name[256], text[256];
  uint32_t fid = words(r, line, name, text, sizeof name);
  cf_file(r, fid, name, 0666, text);
}

static void do_dir(struct cf_run *r, const char *line) {
  char name[256];
  uint32_t fid = words(r, line, name, NULL, sizeof name);
  cf_mkdir(r, fid, name, 0777);
}

static void do_contents(struct cf_run *r, const char *line) {
  char text[256];
  uint32_t fid = words(r, line, text, NULL, sizeof text);
  cf_contents(r, fid, text);
}

static void do_send(struct cf_run *r, const char *line) {
  char room[1024];
  styx_msg t = parse(r, line, room, sizeof room);
  cf_send(r, &t);
}

static void do_queue(struct cf_run *r, const char *line) {
  char room[1024];
  styx_msg t = parse(r, line, room, sizeof room);
  cf_queue(r, &t);
}

static void do_ok(struct cf_run *r, const char *line) { ask(r, line, '!'); }
static void do_refused(struct cf_run *r, const char *line) { ask(r, line, 'x'); }
static void do_any(struct cf_run *r, const char *line) { ask(r, line, '~'); }
static void do_or_skip(struct cf_run *r, const char *line) { ask(r, line, '?'); }
static void do_readable(struct cf_run *r, const char *line) { cf_readable(r, (uint32_t)strtoul(line, NULL, 10)); }
static void do_as(struct cf_run *r, const char *line) { cf_as(r, (unsigned)strtoul(line, NULL, 10)); }
static void do_bare(struct cf_run *r, const char *line) {
  cf_begin(r, (unsigned)strtoul(line, NULL, 10), CF_BARE, r->w->user);
}
static void do_close(struct cf_run *r, const char *line) { cf_hangup(r, (unsigned)strtoul(line, NULL, 10)); }

static void do_alive(struct cf_run *r, const char *line) {
  (void)line;
  cf_alive(r);
}

static void do_quiet(struct cf_run *r, const char *line) {
  (void)line;
  quiet(r);
}

static const struct {
  const char *word;
  void (*fn)(struct cf_run *, const char *);
} lines[] = {{">", do_send},
             {">+", do_queue},
             {">raw", raw},
             {"<", expect},
             {"<{", expect_all},
             {"<?", maybe},
             {"!", do_ok},
             {"x", do_refused},
             {"~", do_any},
             {"?", do_or_skip},
             {"file", do_file},
             {"dir", do_dir},
             {"readable", do_readable},
             {"contents", do_contents},
             {"as", do_as},
             {"bare", do_bare},
             {"close", do_close},
             {"alive", do_alive},
             {"quiet", do_quiet}};

static void play_line(struct cf_run *r, const char *line) {
  size_t word = strcspn(line, " ");
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    if (strlen(lines[i].word) == word && memcmp(lines[i].word, line, word) == 0) {
      lines[i].fn(r, line[word] ? line + word + 1 : "");
      return;
    }
  wrong_line(r, line);
}

void cf_play(struct cf_run *r, const char *script) {
  while (*script) {
    char line[1024];
    size_t len = strcspn(script, "\n");
    snprintf(line, sizeof line, "%.*s", (int)len, script);
    play_line(r, line);
    script += len + (script[len] == '\n');
  }
}
