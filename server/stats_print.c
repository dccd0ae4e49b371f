/* stats_print.c: the numbers of a server as text. */
#include <styx/server.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is being written: as snprintf, the length is counted where the text no longer fits. */
struct page {
  char *buf;
  size_t cap, len;
  const char *family; /* of the last number, or NULL */
  bool open;          /* an object of JSON for its labels is open */
};

static void put(struct page *p, const char *fmt, ...) STYX_PRINTF(2, 3);
static void put(struct page *p, const char *fmt, ...) {
  va_list args;
  bool room = p->len < p->cap;
  va_start(args, fmt);
  int n = vsnprintf(room ? p->buf + p->len : NULL, room ? p->cap - p->len : 0, fmt, args);
  va_end(args);
  p->len += n > 0 ? (size_t)n : 0;
}

static bool new_family(struct page *p, const styx_number *s) {
  bool same = p->family && strcmp(p->family, s->name) == 0;
  p->family = s->name;
  return !same;
}

static void put_json(void *arg, const styx_number *s) {
  struct page *p = arg;
  bool first = !p->family;
  if (new_family(p, s)) {
    put(p, "%s%s\"%s\":%s", p->open ? "}" : "", first ? "" : ",", s->name, s->label ? "{" : "");
    p->open = s->label != NULL;
  } else {
    put(p, ",");
  }
  if (s->label)
    put(p, "\"%s\":", s->label_value);
  put(p, "%llu", (unsigned long long)s->value);
}

size_t styx_server_stats_json(styx_server *server, char *buf, size_t cap) {
  struct page p = {.buf = buf, .cap = cap};
  put(&p, "{");
  styx_server_stats(server, put_json, &p);
  put(&p, "%s}\n", p.open ? "}" : "");
  return p.len;
}

static void put_prometheus(void *arg, const styx_number *s) {
  struct page *p = arg;
  if (new_family(p, s))
    put(p, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help, s->name, s->gauge ? "gauge" : "counter");
  if (s->label)
    put(p, "%s{%s=\"%s\"} %llu\n", s->name, s->label, s->label_value, (unsigned long long)s->value);
  else
    put(p, "%s %llu\n", s->name, (unsigned long long)s->value);
}

size_t styx_server_stats_prometheus(styx_server *server, char *buf, size_t cap) {
  struct page p = {.buf = buf, .cap = cap};
  styx_server_stats(server, put_prometheus, &p);
  return p.len;
}
