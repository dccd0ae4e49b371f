/* flush_report.c: what was found: counts by rule, the first of each kind with the messages that concern it, and numbers. */
#include "flush.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS_OF_A_KIND = 2, LINE = 400 };

static const char *const sort_names[FL_SORTS] = {"same write", "later",  "after reply", "again",
                                                 "of flush",   "unused", "self"};

/* ---- violations ---- */

static struct fl_kind *kind_of(struct fl_run *r, const char *rule, const char *kind, bool warning) {
  unsigned i = 0;
  while (i < r->nkinds && (strcmp(r->kinds[i].rule, rule) != 0 || strcmp(r->kinds[i].kind, kind) != 0))
    i++;
  if (i == r->nkinds) {
    r->nkinds += r->nkinds < FL_KINDS - 1;
    r->kinds[i] = (struct fl_kind){.rule = rule, .kind = kind, .warning = warning};
  }
  return &r->kinds[i];
}

static uint32_t get4(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A remembered message, of whose data only the beginning may be there. */
static bool recall(const struct fl_said *s, styx_msg *m, styx_dialect d) {
  const uint8_t *p = s->bytes;
  bool whole = s->size <= FL_LOG_BYTES;
  *m = (styx_msg){.type = p[4], .tag = (uint16_t)(p[5] | p[6] << 8), .fid = STYX_NOFID, .newfid = STYX_NOFID};
  if (whole)
    return styx_decode(m, p, s->size, 0, d) > 0;
  if (m->type == STYX_Rread || m->type == STYX_Rreaddir) {
    m->count = get4(p + 7);
    m->data = p + STYX_RREADHDRSZ;
    return true;
  }
  if (m->type != STYX_Twrite)
    return false;
  m->fid = get4(p + 7);
  m->offset = get4(p + 11) | (uint64_t)get4(p + 15) << 32;
  m->count = get4(p + 19);
  m->data = p + 23;
  return true;
}

static bool concerns(const styx_msg *m, int tag, int oldtag, uint32_t fid) {
  if (tag < 0 && fid == STYX_NOFID)
    return true;
  if (tag >= 0 &&
      (m->tag == tag || m->tag == oldtag || (m->type == STYX_Tflush && (m->oldtag == tag || m->oldtag == oldtag))))
    return true;
  bool has_fid = styx_msg_is_t(m->type) && m->type != STYX_Tflush && m->type != STYX_Tversion;
  return has_fid && fid != STYX_NOFID && (m->fid == fid || (m->type == STYX_Twalk && m->newfid == fid));
}

static void print_said(FILE *to, const struct fl_conn *c, const struct fl_said *s, uint64_t now) {
  char text[LINE + 4]; /* so that a cut does not fall into a character */
  styx_msg m;
  styx_dialect d = c->run->o->dialect;
  if (recall(s, &m, d))
    styx_msg_print(text, sizeof text, &m, d);
  else
    snprintf(text, sizeof text, "%s tag %u, %u bytes", styx_msg_name(m.type) ? styx_msg_name(m.type) : "?", m.tag,
             s->size);
  styx_str line = styx_str_cut(styx_str_of(text), LINE);
  fprintf(to, "%11.3f ms  %s %.*s\n", -(double)(now - s->at) / 1e6, s->out ? "->" : "<-", (int)line.len, line.s);
}

/* Which tags carry a conversation that is to be shown: of a request that concerns us, or a Tflush of one. */
static bool shown[1 << 16];

static bool relevant(const struct fl_conn *c, const struct fl_said *s, int tag, int oldtag, uint32_t fid) {
  styx_msg m;
  recall(s, &m, c->run->o->dialect);
  bool is = concerns(&m, tag, oldtag, fid) || (m.type == STYX_Tflush && shown[m.oldtag]);
  if (!s->out)
    return is || shown[m.tag];
  shown[m.tag] = is;
  return is;
}

/* The last lines that concern the tag or the fid; with neither, the last of all. */
char *fl_excerpt(const struct fl_conn *c, int tag, int oldtag, uint32_t fid, uint64_t until) {
  char *text = NULL;
  size_t len;
  const struct fl_said *lines[FL_EXCERPT];
  uint64_t n = 0;
  memset(shown, 0, sizeof shown);
  for (uint64_t i = c->nlog > FL_LOG ? c->nlog - FL_LOG : 0; i < c->nlog; i++)
    if (c->log[i % FL_LOG].at <= until && relevant(c, &c->log[i % FL_LOG], tag, oldtag, fid))
      lines[n++ % FL_EXCERPT] = &c->log[i % FL_LOG];
  FILE *to = open_memstream(&text, &len);
  if (!to)
    return NULL;
  for (uint64_t i = n > FL_EXCERPT ? n - FL_EXCERPT : 0; i < n; i++)
    print_said(to, c, lines[i % FL_EXCERPT], c->run->now);
  fclose(to);
  return text;
}

static bool told_enough(const struct fl_run *r, const char *rule, const char *kind) {
  unsigned n = 0;
  for (unsigned i = 0; i < r->ntexts; i++)
    n += strcmp(r->texts[i].rule, rule) == 0 && strcmp(r->texts[i].kind, kind) == 0;
  return n >= TEXTS_OF_A_KIND || r->ntexts == FL_TEXTS;
}

void fl_violation(struct fl_conn *c, const char *rule, const char *kind, int tag, uint32_t fid, const char *format,
                  ...) {
  struct fl_run *r = c->run;
  char text[LINE];
  kind_of(r, rule, kind, false)->count++;
  r->result.violations++;
  if (told_enough(r, rule, kind))
    return;
  va_list ap;
  int n = snprintf(text, sizeof text, "connection %u: ", c->index);
  va_start(ap, format);
  vsnprintf(text + n, sizeof text - (size_t)n, format, ap);
  va_end(ap);
  struct fl_text *t = &r->texts[r->ntexts];
  *t = (struct fl_text){.rule = rule,
                        .kind = kind,
                        .text = strdup(text),
                        .excerpt = c->excerpt ? strdup(c->excerpt)
                                              : fl_excerpt(c, tag, c->also < 0 ? tag : c->also, fid, UINT64_MAX)};
  r->ntexts += t->text && t->excerpt;
}

void fl_warning(struct fl_conn *c, const char *rule, const char *kind) {
  kind_of(c->run, rule, kind, true)->count++;
  c->run->result.warnings++;
}

/* ---- numbers ---- */

static double us(const struct sx_hist *h, double q) { return (double)sx_hist_quantile(h, q) / 1e3; }

static double rate(uint64_t n, double secs) { return secs > 0 ? (double)n / secs : 0; }

static double ratio_of_p99(const struct fl_result *s) {
  double replies = us(&s->replies, 0.99);
  return replies > 0 ? us(&s->rflush, 0.99) / replies : 0;
}

static void print_latency(const char *name, const struct sx_hist *h) {
  printf("  %-24s %10llu %9.1f %9.1f %9.1f %9.1f\n", name, (unsigned long long)h->count, us(h, 0.5), us(h, 0.99),
         us(h, 0.999), us(h, 1));
}

static void print_table(const struct fl_run *r) {
  const struct fl_options *o = r->o;
  const struct fl_result *s = &r->result;
  printf("%s, %u connection%s × depth %u, %s, flush ratio %g, seed %llu\n", o->addr_text, o->conns,
         o->conns == 1 ? "" : "s", o->depth, styx_dialect_version(o->dialect), o->ratio, (unsigned long long)o->seed);
  printf("requests a second: %.0f without flushes, %.0f with (%llu in %.2f s)\n", rate(s->base.count, s->base_secs),
         rate(s->requests, s->secs), (unsigned long long)s->requests, s->secs);
  printf("flushed requests: %llu without a reply, %llu with one, %llu with an error; %llu probes of what was left\n",
         (unsigned long long)s->interrupted, (unsigned long long)s->answered, (unsigned long long)s->errors,
         (unsigned long long)s->probes);
  printf("Tflushes:");
  for (int i = 0; i < FL_SORTS; i++)
    printf("%s %llu %s", i ? "," : "", (unsigned long long)s->sorts[i], sort_names[i]);
  printf("\nwith work outstanding: %llu hangups, %llu Tversions, %llu duplicate tags\n", (unsigned long long)s->hangups,
         (unsigned long long)s->versions, (unsigned long long)s->duplicates);
  printf("  %-24s %10s %9s %9s %9s %9s\n", "latency, us", "count", "p50", "p99", "p99.9", "max");
  print_latency("replies, without flushes", &s->base);
  print_latency("replies, with", &s->replies);
  print_latency("Rflush", &s->rflush);
  printf("p99(Rflush) / p99(replies): %.3f; styxbench used %.0f %% of a CPU\n", ratio_of_p99(s), s->client_share * 100);
}

static void print_violations(const struct fl_run *r) {
  const struct fl_result *s = &r->result;
  printf("%llu violation%s, %llu warning%s\n", (unsigned long long)s->violations, s->violations == 1 ? "" : "s",
         (unsigned long long)s->warnings, s->warnings == 1 ? "" : "s");
  for (unsigned i = 0; i < r->nkinds; i++)
    printf("  %-7s %-28s %8llu%s\n", r->kinds[i].rule, r->kinds[i].kind, (unsigned long long)r->kinds[i].count,
           r->kinds[i].warning ? "  (warning)" : "");
  for (unsigned i = 0; i < r->ntexts; i++)
    printf("\n%s %s: %s\n%s", r->texts[i].rule, r->texts[i].kind, r->texts[i].text, r->texts[i].excerpt);
}

/* ---- JSON ---- */

static void json_string(const char *text) {
  putchar('"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\')
      printf("\\%c", *text);
    else if ((unsigned char)*text < 0x20)
      printf("\\u%04x", *text);
    else
      putchar(*text);
  }
  putchar('"');
}

static void json_latency(const char *name, const struct sx_hist *h) {
  printf(", \"%s\": {\"count\": %llu, \"p50_us\": %.2f, \"p99_us\": %.2f, \"p99.9_us\": %.2f, \"max_us\": %.2f}", name,
         (unsigned long long)h->count, us(h, 0.5), us(h, 0.99), us(h, 0.999), us(h, 1));
}

static void json_kinds(const struct fl_run *r, const char *name, bool warning) {
  const char *comma = "";
  printf(", \"%s\": [", name);
  for (unsigned i = 0; i < r->nkinds; i++) {
    if (r->kinds[i].warning != warning)
      continue;
    printf("%s{\"rule\": \"%s\", \"kind\": \"%s\", \"count\": %llu}", comma, r->kinds[i].rule, r->kinds[i].kind,
           (unsigned long long)r->kinds[i].count);
    comma = ", ";
  }
  putchar(']');
}

static void json_texts(const struct fl_run *r) {
  printf(", \"told\": [");
  for (unsigned i = 0; i < r->ntexts; i++) {
    const struct fl_text *t = &r->texts[i];
    printf("%s{\"rule\": \"%s\", \"kind\": \"%s\", \"text\": ", i ? ", " : "", t->rule, t->kind);
    json_string(t->text);
    printf(", \"excerpt\": ");
    json_string(t->excerpt);
    putchar('}');
  }
  putchar(']');
}

static void print_json(const struct fl_run *r) {
  const struct fl_options *o = r->o;
  const struct fl_result *s = &r->result;
  printf("{\"conns\": %u, \"depth\": %u, \"dialect\": \"%s\", \"flush\": %g, \"seed\": %llu, \"secs\": %.3f, "
         "\"requests\": %llu, \"base_per_s\": %.1f, \"per_s\": %.1f",
         o->conns, o->depth, styx_dialect_version(o->dialect), o->ratio, (unsigned long long)o->seed, s->secs,
         (unsigned long long)s->requests, rate(s->base.count, s->base_secs), rate(s->requests, s->secs));
  printf(", \"interrupted\": %llu, \"answered\": %llu, \"errors\": %llu, \"probes\": %llu, \"hangups\": %llu, "
         "\"versions\": %llu, \"duplicates\": %llu, \"client_share\": %.3f, \"flushes\": {",
         (unsigned long long)s->interrupted, (unsigned long long)s->answered, (unsigned long long)s->errors,
         (unsigned long long)s->probes, (unsigned long long)s->hangups, (unsigned long long)s->versions,
         (unsigned long long)s->duplicates, s->client_share);
  for (int i = 0; i < FL_SORTS; i++)
    printf("%s\"%s\": %llu", i ? ", " : "", sort_names[i], (unsigned long long)s->sorts[i]);
  putchar('}');
  json_latency("base", &s->base);
  json_latency("replies", &s->replies);
  json_latency("rflush", &s->rflush);
  printf(", \"p99_rflush_by_replies\": %.4f, \"violations\": %llu, \"warnings\": %llu", ratio_of_p99(s),
         (unsigned long long)s->violations, (unsigned long long)s->warnings);
  json_kinds(r, "found", false);
  json_kinds(r, "warned", true);
  json_texts(r);
  puts("}");
}

void fl_report(const struct fl_run *r) {
  if (r->o->json) {
    print_json(r);
  } else {
    print_table(r);
    print_violations(r);
  }
  fflush(stdout);
}
