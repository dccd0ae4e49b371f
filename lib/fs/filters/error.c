/* error.c: operations that fail, all or a share of them. */
#include "fs/filters/filter.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { WHOLE = 1000000000, DIGITS = 9 };

/* ---- keys ---- */

static const struct {
  const char *name;
  styx_err err;
} names[] = {
#define STYX_ERRNO(name, text) {#name, name},
#define STYX_ERROR(name, code, errno_, text) {#name, code},
#include <styx/errors.def>
#undef STYX_ERRNO
#undef STYX_ERROR
};

static const char *set_errno(struct styx_filter *f, styx_str value) {
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (styx_str_is(value, names[i].name)) {
      f->failure.err = names[i].err;
      return NULL;
    }
  if (!sx_filter_number(value, 4095, &number) || number == 0)
    return "is no error: write a name like ENOSPC, or a number from 1 to 4095";
  f->failure.err = (styx_err)number;
  return NULL;
}

/* 0, 1, 0.25: up to nine digits behind the point, all that count. */
static const char *set_rate(struct styx_filter *f, styx_str value) {
  static const char wrong[] = "is no share: write a number from 0 to 1, like 0.25";
  const bool one = value.len && *value.s == '1';
  uint64_t rest = 0;
  if (value.len == 0 || (!one && *value.s != '0') || value.len == 2 || value.len > 2 + DIGITS)
    return wrong;
  if (value.len > 2) {
    if (value.s[1] != '.' || !sx_filter_number((styx_str){value.s + 2, value.len - 2}, WHOLE - 1, &rest))
      return wrong;
    for (size_t i = value.len; i < 2 + DIGITS; i++)
      rest *= 10;
  }
  if (one && rest)
    return wrong;
  f->failure.rate = one ? WHOLE : (uint32_t)rest;
  f->failure.rated = true;
  return NULL;
}

static const char *set_seed(struct styx_filter *f, styx_str value) {
  return sx_filter_number(value, UINT64_MAX, &f->failure.seed) ? NULL : "is no whole number";
}

static const char *lacks(const struct styx_filter *f) {
  return f->failure.err ? NULL : "needs errno=, the error to answer: a name like ENOSPC, or a number";
}

/* ---- failing ---- */

/* The next number of a stream that the seed decides (SplitMix64); each caller gets another one. */
static uint64_t dice(struct sx_failure *e) {
  const uint64_t step = 0x9e3779b97f4a7c15u;
  uint64_t x = e->seed + step * (atomic_fetch_add_explicit(&e->calls, 1, memory_order_relaxed) + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static styx_answer any(styx_req *req, enum styx_op op) {
  struct styx_filter *f = styx_req_ctx(req);
  if (sx_filter_hits(f, req, op) && dice(&f->failure) % WHOLE < f->failure.rate)
    return styx_reply_error(req, f->failure.err);
  return styx_pass(req, &f->inner);
}

static styx_err start(struct styx_filter *f) {
  if (!f->failure.rated)
    f->failure.rate = WHOLE;
  return STYX_OK;
}

static const struct sx_filter_key keys[] = {{"op", sx_filter_set_ops}, {"path", sx_filter_set_path},
                                            {"errno", set_errno},      {"rate", set_rate},
                                            {"seed", set_seed},        {NULL, NULL}};

const struct sx_filter_kind sx_filter_error = {
    .name = "error", .keys = keys, .ops = SX_FILTER_REQUESTS, .any = any, .lacks = lacks, .start = start};
