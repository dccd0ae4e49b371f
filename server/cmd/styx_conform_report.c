/* styx_conform_report.c: what was found, as text, TAP 13 or JUnit's XML. */
#include "styx_conform.h"
#include "styx_cli.h"

#include <string.h>

/* ---- XML takes no control characters, whatever they are written as, and no bytes that are no characters ---- */

/* The bytes of the character at s; 0: that is no UTF-8. */
static size_t utf8(const char *s) {
  unsigned char c = (unsigned char)*s;
  size_t n = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
  for (size_t i = 1; i < n; i++)
    if (((unsigned char)s[i] & 0xC0) != 0x80)
      return 0;
  return n;
}

static void xml(FILE *to, const char *s) {
  for (size_t n; *s; s += n ? n : 1) {
    unsigned char c = (unsigned char)*s;
    n = utf8(s);
    if (c == '<')
      fputs("&lt;", to);
    else if (c == '>')
      fputs("&gt;", to);
    else if (c == '&')
      fputs("&amp;", to);
    else if (c == '"')
      fputs("&quot;", to);
    else if (n == 0)
      fprintf(to, "\\x%02X", c);
    else if (c >= 0x20 || c == '\n')
      fwrite(s, 1, n, to);
  }
}

static const char *line(const struct cf_run *r, size_t i) { return r->log[i % CF_LOG]; }
static size_t first(const struct cf_run *r) { return r->nlog > CF_LOG ? r->nlog - CF_LOG : 0; }

/* The conversation, and what is wrong with it, each line behind indent. */
static void explain(FILE *to, const struct cf_run *r, const char *indent) {
  fprintf(to, "%srule: %s (%s)\n", indent, r->check->text, r->check->source);
  for (size_t i = first(r); i < r->nlog; i++)
    fprintf(to, "%s  %s\n", indent, line(r, i));
  fprintf(to, "%swrong: %s\n", indent, r->why);
}

/* ---- text ---- */

static void skip_quietly(struct cf_report *rep, const char *why) {
  for (size_t i = 0; i < sizeof rep->skipped / sizeof *rep->skipped; i++) {
    struct cf_skipped *s = &rep->skipped[i];
    if (!s->n)
      snprintf(s->why, sizeof s->why, "%.255s", why);
    if (!s->n || strncmp(s->why, why, sizeof s->why - 1) == 0) {
      s->n++;
      return;
    }
  }
}

static void text_one(struct cf_report *rep, const struct cf_run *r) {
  if (r->verdict == CF_SKIP && rep->verbose)
    fprintf(rep->to, "skip  %s: %s\n", r->check->name, r->why);
  else if (r->verdict == CF_SKIP)
    skip_quietly(rep, r->why);
  else if (r->verdict == CF_FAIL || rep->verbose)
    fprintf(rep->to, "%-5s %s\n", r->verdict == CF_FAIL ? "WRONG" : "ok", r->check->name);
  if (r->verdict == CF_FAIL)
    explain(rep->to, r, "      ");
}

static void text_end(const struct cf_report *rep) {
  for (size_t i = 0; i < sizeof rep->skipped / sizeof *rep->skipped && rep->skipped[i].n; i++)
    fprintf(rep->to, "skip  %zu: %s\n", rep->skipped[i].n, rep->skipped[i].why);
  fprintf(rep->to, "%zu checks of %s: %zu passed, %zu wrong, %zu skipped\n", rep->done, rep->where, rep->count[CF_PASS],
          rep->count[CF_FAIL], rep->count[CF_SKIP]);
}

/* ---- TAP ---- */

static void tap_begin(const struct cf_report *rep) { fprintf(rep->to, "TAP version 13\n1..%zu\n", rep->planned); }

static void tap_one(struct cf_report *rep, const struct cf_run *r) {
  fprintf(rep->to, "%sok %zu - %s: %s", r->verdict == CF_FAIL ? "not " : "", rep->done, r->check->name, r->check->text);
  fprintf(rep->to, r->verdict == CF_SKIP ? " # SKIP %s\n" : "\n", r->why);
  if (r->verdict == CF_FAIL) {
    fputs("  ---\n  message: |\n", rep->to);
    explain(rep->to, r, "    ");
    fputs("  ...\n", rep->to);
  }
}

/* ---- JUnit ---- */

static void junit_begin(const struct cf_report *rep) {
  fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"styx conform ", rep->to);
  xml(rep->to, rep->where);
  fprintf(rep->to, "\" tests=\"%zu\">\n", rep->planned);
}

static void junit_one(struct cf_report *rep, const struct cf_run *r) {
  FILE *to = rep->to;
  const char *dash = strchr(r->check->name, '-');
  fprintf(to, "<testcase classname=\"conform.%.*s\" name=\"%s\" time=\"%.3f\">",
          dash ? (int)(dash - r->check->name) : (int)strlen(r->check->name), r->check->name, r->check->name,
          r->seconds);
  if (r->verdict == CF_SKIP) {
    fputs("<skipped message=\"", to);
    xml(to, r->why);
    fputs("\"/>", to);
  } else if (r->verdict == CF_FAIL) {
    fputs("<failure message=\"", to);
    xml(to, r->why);
    fputs("\">", to);
    xml(to, r->check->text);
    fprintf(to, " (%s)\n", r->check->source);
    for (size_t i = first(r); i < r->nlog; i++) {
      xml(to, line(r, i));
      fputc('\n', to);
    }
    fputs("</failure>", to);
  }
  fputs("</testcase>\n", to);
}

void cf_report_begin(struct cf_report *rep) {
  if (rep->format == CF_TAP)
    tap_begin(rep);
  else if (rep->format == CF_JUNIT)
    junit_begin(rep);
}

/* Words of a server may hold anything: newlines in them would break a report's lines. */
static void tame(struct cf_run *r) {
  char safe[CF_WHY];
  cli_printable(safe, sizeof safe, r->why, strlen(r->why));
  memcpy(r->why, safe, sizeof safe);
}

void cf_report_one(struct cf_report *rep, struct cf_run *r) {
  static void (*const one[])(struct cf_report *, const struct cf_run *) = {text_one, tap_one, junit_one};
  tame(r);
  rep->done++;
  rep->count[r->verdict]++;
  one[rep->format](rep, r);
  fflush(rep->to);
}

void cf_report_end(struct cf_report *rep) {
  if (rep->format == CF_TEXT)
    text_end(rep);
  else if (rep->format == CF_JUNIT)
    fputs("</testsuite>\n</testsuites>\n", rep->to);
}
