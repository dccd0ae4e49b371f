/* styx_conform_run.c: one check, from its first connection to its verdict. */
#include "styx_conform.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void cf_log(struct cf_run *r, const char *mark, const char *text) {
  size_t room = CF_LINE - strlen(mark) - 2;
  styx_str cut = styx_str_cut(styx_str_of(text), room); /* between characters */
  snprintf(r->log[r->nlog++ % CF_LOG], CF_LINE, "%s %.*s", mark, (int)cut.len, cut.s);
}

static STYX_PRINTF(3, 0) void verdict(struct cf_run *r, enum cf_verdict v, const char *fmt, va_list args) {
  vsnprintf(r->why, sizeof r->why, fmt, args);
  r->verdict = v;
}

_Noreturn void cf_fail(struct cf_run *r, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  verdict(r, CF_FAIL, fmt, args);
  va_end(args);
  longjmp(r->end, 1);
}

_Noreturn void cf_skip(struct cf_run *r, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  verdict(r, CF_SKIP, fmt, args);
  va_end(args);
  longjmp(r->end, 1);
}

static void attach(struct cf_run *r, const char *user) {
  styx_msg t = {
      .type = STYX_Tattach, .afid = STYX_NOFID, .uname = styx_str_of(user), .aname = styx_str_of(r->w->aname)};
  if (r->w->attached)
    (void)cf_ok(r, t);
  else
    (void)cf_or_skip(r, t);
  r->w->attached = true; /* so it can be done */
}

void cf_begin(struct cf_run *r, unsigned n, enum cf_begin begin, const char *user) {
  if (n >= CF_PEERS)
    cf_fail(r, "styx conform itself is wrong: no connection %u", n);
  if (!r->peers[n])
    r->peers[n] = cf_peer_new(r, n);
  r->p = r->peers[n];
  if (begin >= CF_VERSION) {
    styx_msg m = cf_rpc(r, cf_tversion(r->msize ? r->msize : r->w->msize, STYX_VERSION_9P2000));
    if (!styx_str_is(m.version, STYX_VERSION_9P2000))
      cf_fail(r, "the server does not speak 9P2000");
  }
  if (begin >= CF_ROOT)
    attach(r, user);
  if (begin >= CF_DIR)
    cf_place_enter(r);
}

void cf_as(struct cf_run *r, unsigned n) {
  if (n < CF_PEERS && r->peers[n])
    r->p = r->peers[n];
  else
    cf_begin(r, n, r->check->begin, r->w->user);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void play(struct cf_run *r) {
  cf_begin(r, 0, r->check->begin, r->w->user);
  if (r->check->script)
    cf_play(r, r->check->script);
  if (r->check->fn)
    r->check->fn(r);
}

void cf_run(struct cf_run *r, struct cf_world *w, const struct cf_check *check) {
  *r = (struct cf_run){.w = w, .check = check, .log = calloc(CF_LOG, CF_LINE)};
  if (!r->log) {
    r->verdict = CF_SKIP;
    snprintf(r->why, sizeof r->why, "no memory");
    return;
  }
  double since = seconds();
  if (setjmp(r->end) == 0)
    play(r);
  r->seconds = seconds() - since;
  for (size_t i = 0; i < CF_PEERS; i++)
    cf_peer_free(r->peers[i]);
}

void cf_run_free(struct cf_run *r) {
  free(r->log);
  r->log = NULL;
}
