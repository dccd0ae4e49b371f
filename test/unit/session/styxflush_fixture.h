/* styxflush_fixture.h: a program around styx/flush.h without threads: what it says to write is kept as lines, in the order of
 * the wire: "Rread 3", "Rflush 4", "Rerror 3 duplicate tag". The heap is counted; what is left when a test ends fails it. */
#ifndef UNIT_STYXFLUSH_FIXTURE_H
#define UNIT_STYXFLUSH_FIXTURE_H

#include <styx/flush.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory {
  size_t live, calls, fail_at; /* the call, from 1, that returns NULL; 0: none */
};

static inline void *memory_alloc(void *arg, size_t size) {
  struct memory *m = arg;
  if (++m->calls == m->fail_at)
    return NULL;
  m->live += size;
  void *p = malloc(size);
  cr_assert_not_null(p);
  return p;
}

static inline void memory_free(void *arg, void *ptr, size_t size) {
  ((struct memory *)arg)->live -= size;
  free(ptr);
}

enum { LINES = 64 };

struct program {
  styx_flush *f;
  struct memory memory;
  char lines[LINES][48];
  unsigned said, taken;
  styx_flush_req *told; /* by the last TELL */
};

static inline struct program *program_new(void) {
  struct program *p = calloc(1, sizeof *p);
  cr_assert_not_null(p);
  styx_allocator a = {memory_alloc, memory_free, &p->memory};
  cr_assert_eq(styx_flush_new(&p->f, &a), STYX_OK);
  return p;
}

static inline void write_out(struct program *p, const styx_msg *m) {
  cr_assert_lt(p->said, LINES);
  char *line = p->lines[p->said++];
  int n = snprintf(line, sizeof *p->lines, "%s %u", styx_msg_name(m->type), m->tag);
  if (m->type == STYX_Rerror)
    snprintf(line + n, sizeof *p->lines - (size_t)n, " %.*s", (int)m->ename.len, m->ename.s);
}

static inline void write_rflushes(struct program *p) {
  for (styx_msg m; styx_flush_next(p->f, &m);)
    write_out(p, &m);
}

/* The next line on the wire is this; "" is none. */
static inline void expect(struct program *p, const char *line) {
  const char *got = p->taken < p->said ? p->lines[p->taken++] : "";
  if (p->taken == p->said)
    p->taken = p->said = 0;
  cr_assert_str_eq(got, line);
}

static inline styx_flush_verdict t_of(struct program *p, uint8_t type, uint16_t tag, uint16_t oldtag, void *request,
                                      styx_flush_req **req) {
  styx_msg t = {.type = type, .tag = tag, .oldtag = oldtag}, reply;
  styx_flush_verdict v = styx_flush_t(p->f, &t, request, req, &reply);
  memset(&t, 0xA5, sizeof t); /* it may be gone */
  if (v == STYX_FLUSH_REPLY)
    write_out(p, &reply);
  write_rflushes(p);
  return v;
}

static inline styx_flush_req *request_for(struct program *p, uint8_t type, uint16_t tag, void *request) {
  styx_flush_req *req = NULL;
  cr_assert_eq(t_of(p, type, tag, 0, request, &req), STYX_FLUSH_DISPATCH);
  cr_assert_not_null(req);
  return req;
}

static inline styx_flush_req *request(struct program *p, uint8_t type, uint16_t tag) {
  return request_for(p, type, tag, NULL);
}

static inline styx_flush_verdict flush(struct program *p, uint16_t tag, uint16_t oldtag) {
  p->told = NULL;
  return t_of(p, STYX_Tflush, tag, oldtag, NULL, &p->told);
}

static inline void reply(struct program *p, styx_flush_req *req, uint8_t type) {
  styx_msg r = {.type = type, .tag = styx_flush_tag(req)};
  if (type == STYX_Rerror)
    r.ename = styx_str_of("interrupted");
  if (styx_flush_reply(p->f, req))
    write_out(p, &r);
  write_rflushes(p);
}

static inline void interrupted(struct program *p, styx_flush_req *req) {
  styx_msg r = {.type = STYX_Rerror, .tag = styx_flush_tag(req), .ename = styx_str_of("interrupted")};
  if (styx_flush_interrupted(p->f, req))
    write_out(p, &r);
  write_rflushes(p);
}

static inline bool ack(struct program *p, styx_flush_req *req) {
  bool done = styx_flush_ack(p->f, req);
  write_rflushes(p);
  return done;
}

/* Everything has been said, and nothing is left. */
static inline void program_free(struct program *p) {
  expect(p, "");
  cr_assert_eq(styx_flush_outstanding(p->f), 0);
  styx_flush_free(p->f);
  cr_assert_eq(p->memory.live, 0, "%zu bytes leaked", p->memory.live);
  free(p);
}

#endif
