/* styx_conform_tags.c: tags, requests outstanding together, and messages that are wrong. */
#include "styx_conform.h"

#include <string.h>

static void every_tag(struct cf_run *r) {
  enum { AT_ONCE = 64 };
  for (unsigned first = 0; first < 65535; first += 1021 * AT_ONCE / 16) {
    for (unsigned i = 0; i < AT_ONCE; i++) {
      styx_msg t = {.type = STYX_Tstat, .tag = (uint16_t)((first + i * 17) % 65535)};
      cf_queue(r, &t);
    }
    cf_push(r);
    for (unsigned i = 0; i < AT_ONCE; i++) {
      styx_msg m;
      if (!cf_next(r, &m) || m.type != STYX_Rstat)
        cf_fail(r, "right: Rstat");
    }
  }
}

static void reuse(struct cf_run *r) {
  for (uint32_t i = 0; i < 300; i++) {
    (void)cf_ok(r, cf_twalk(0, 5, NULL));
    (void)cf_ok(r, cf_tfid(STYX_Tstat, 5));
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 5));
  }
}

static void duplicate(struct cf_run *r) {
  styx_msg m, t = {.type = STYX_Tstat, .tag = 7};
  cf_queue(r, &t);
  cf_queue(r, &t);
  cf_push(r);
  for (int i = 0; i < 2; i++)
    if (!cf_next(r, &m))
      break;
  cf_alive(r);
}

/* As many as the server takes: each is answered once, in any order. */
static void many(struct cf_run *r) {
  enum { MANY = 256 };
  for (unsigned i = 0; i < MANY; i++) {
    styx_msg t = {.type = STYX_Tstat, .tag = (uint16_t)i};
    cf_queue(r, &t);
  }
  cf_push(r);
  for (unsigned i = 0; i < MANY; i++) {
    styx_msg m;
    if (!cf_next(r, &m))
      cf_fail(r, "the server hung up; right: %d answers", MANY);
    if (m.type != STYX_Rstat)
      cf_fail(r, "right: Rstat");
  }
}

/* Reads and writes of several files at once: each reply has what its own tag asked for. */
static void mixed(struct cf_run *r) {
  enum { FILES = 16, EACH = 8 };
  for (uint32_t i = 0; i < FILES; i++) {
    char name[8], text[8];
    snprintf(name, sizeof name, "f%u", i);
    snprintf(text, sizeof text, "text%02u", i);
    cf_file(r, 10 + i, name, 0666, text);
    (void)cf_ok(r, cf_topen(10 + i, STYX_OREAD));
  }
  for (unsigned i = 0; i < FILES * EACH; i++) {
    styx_msg t = cf_tread(10 + i % FILES, 0, 6);
    t.tag = (uint16_t)(1000 + i);
    cf_queue(r, &t);
  }
  cf_push(r);
  for (unsigned i = 0; i < FILES * EACH; i++) {
    styx_msg m;
    char text[8];
    if (!cf_next(r, &m) || m.type != STYX_Rread)
      cf_fail(r, "right: Rread");
    snprintf(text, sizeof text, "text%02u", (m.tag - 1000u) % FILES);
    if (m.count == 0 || memcmp(m.data, text, m.count) != 0)
      cf_fail(r, "tag %u has the contents of another file; right: \"%s\"", m.tag, text);
  }
}

/* ---- messages ---- */

/* After this the server may answer Rerror or hang up; it must not do anything else, and must serve others. */
static void survives(struct cf_run *r, const void *bytes, size_t n, uint16_t tag) {
  styx_msg m;
  cf_log(r, "->", "(a wrong message)");
  r->p->asked[tag] = (struct cf_asked){.types = {STYX_Tstat}, .n = 1};
  cf_queue_bytes(r, bytes, n);
  cf_push(r);
  if (cf_next(r, &m) && m.type != STYX_Rerror)
    cf_fail(r, "right: Rerror, or the end of the connection");
  cf_alive(r);
}

static void too_large(struct cf_run *r) {
  static uint8_t bytes[1 << 16];
  uint32_t size = r->p->msize + 1;
  if (size > sizeof bytes)
    cf_skip(r, "msize is over 64 KiB");
  styx_msg t = {.type = STYX_Twrite, .tag = CF_TAG, .count = size - 23, .data = bytes};
  static uint8_t message[1 << 17];
  ptrdiff_t n = styx_encode(message, sizeof message, &t, STYX_9P2000);
  survives(r, message, (size_t)n, CF_TAG);
}

static void largest(struct cf_run *r) {
  static uint8_t bytes[1 << 16];
  uint32_t count = r->p->msize - 23;
  (void)cf_ok(r, cf_twalk(1, 2, NULL));
  (void)cf_ok(r, cf_tcreate(2, "f", 0666, STYX_OWRITE));
  if (count > sizeof bytes)
    cf_skip(r, "msize is over 64 KiB");
  (void)cf_ok(r, cf_twrite(2, 0, bytes, count));
}

static void unknown_types(struct cf_run *r) {
  static const uint8_t types[] = {0, 1, 99, 106, 128, 200, 255};
  for (size_t i = 0; i < sizeof types; i++) {
    const uint8_t bytes[11] = {11, 0, 0, 0, types[i], CF_TAG, 0, 0, 0, 0, 0};
    cf_begin(r, (unsigned)i + 1, CF_ROOT, r->w->user);
    survives(r, bytes, sizeof bytes, CF_TAG);
  }
}

static void r_messages(struct cf_run *r) {
  static const uint8_t bytes[] = {7, 0, 0, 0, STYX_Rclunk, CF_TAG, 0};
  survives(r, bytes, sizeof bytes, CF_TAG);
}

static void small_sizes(struct cf_run *r) {
  for (uint8_t size = 0; size < 7; size++) {
    const uint8_t bytes[7] = {size, 0, 0, 0, STYX_Tclunk, CF_TAG, 0};
    cf_begin(r, size + 1u, CF_ROOT, r->w->user);
    survives(r, bytes, sizeof bytes, CF_TAG);
  }
}

static void nul(struct cf_run *r) {
  static const uint8_t bytes[] = {20, 0, 0, 0, STYX_Twalk, CF_TAG, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 0, 0};
  survives(r, bytes, sizeof bytes, CF_TAG);
}

static void count_past_end(struct cf_run *r) {
  static const uint8_t bytes[] = {20, 0, 0, 0, STYX_Twalk, CF_TAG, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 200, 0, 'x'};
  survives(r, bytes, sizeof bytes, CF_TAG);
}

static void byte_by_byte(struct cf_run *r) {
  uint8_t bytes[11];
  styx_msg m, t = {.type = STYX_Tstat, .tag = 9};
  ptrdiff_t n = styx_encode(bytes, sizeof bytes, &t, STYX_9P2000);
  r->p->asked[9] = (struct cf_asked){.types = {STYX_Tstat}, .n = 1};
  for (ptrdiff_t i = 0; i < n; i++) {
    cf_queue_bytes(r, bytes + i, 1);
    cf_push(r);
  }
  if (!cf_next(r, &m) || m.type != STYX_Rstat)
    cf_fail(r, "right: Rstat");
}

static const struct cf_check checks[] = {
    {"tag-any", "intro(5)", "tags from 0 to 65534 may be used, many together", CF_ROOT, NULL, every_tag},
    {"tag-reuse", "intro(5)", "a tag may be used again as soon as its reply has come", CF_ROOT, NULL, reuse},
    {"tag-duplicate", "intro(5)", "two requests under one tag: what is answered is right, and nobody else is harmed",
     CF_ROOT, NULL, duplicate},
    {"tag-notag", "intro(5)", "NOTAG is for Tversion; what else comes under it is answered or ends the connection",
     CF_ROOT,
     "> Tstat tag NOTAG fid 0\n"
     "< Rerror tag NOTAG * || Rstat tag NOTAG * || eof\n"
     "alive",
     NULL},
    {"pipeline-many", "intro(5)", "256 requests may be outstanding, each is answered once", CF_ROOT, NULL, many},
    {"pipeline-mixed", "intro(5)", "each reply is that of its tag", CF_DIR, NULL, mixed},
    {"message-too-large", "intro(5)", "a message over msize is refused, or ends the connection", CF_ROOT, NULL,
     too_large},
    {"message-largest", "intro(5)", "a message of msize is taken", CF_DIR, NULL, largest},
    {"message-type", "intro(5)", "an unknown type is refused, or ends the connection", CF_ROOT, NULL, unknown_types},
    {"message-reply", "intro(5)", "an R-message from a client is refused, or ends the connection", CF_ROOT, NULL,
     r_messages},
    {"message-size", "intro(5)", "a size under 7 is refused, or ends the connection", CF_ROOT, NULL, small_sizes},
    {"message-nul", "intro(5)", "a string with NUL is refused, or ends the connection", CF_ROOT, NULL, nul},
    {"message-count", "intro(5)", "a string that reaches past the end is refused, or ends the connection", CF_ROOT,
     NULL, count_past_end},
    {"message-bytes", "intro(5)", "a message may come byte by byte", CF_ROOT, NULL, byte_by_byte},
};
const struct cf_group cf_tags = {checks, sizeof checks / sizeof *checks};
