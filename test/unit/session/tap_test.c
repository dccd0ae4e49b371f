/* tap_test.c: the hook tap is given every message as it is on the wire, in both directions. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

enum { CAP = 1 << 16 };

/* What was tapped, [0] in and [1] out; ends are where its messages end. */
static struct {
  uint8_t bytes[CAP];
  size_t len, ends[64], n;
} tapped[2];

static void keep(void *arg, bool out, const styx_span *spans, size_t n) {
  (void)arg;
  for (size_t i = 0; i < n; i++) {
    cr_assert_leq(tapped[out].len + spans[i].len, CAP);
    memcpy(tapped[out].bytes + tapped[out].len, spans[i].base, spans[i].len);
    tapped[out].len += spans[i].len;
  }
  tapped[out].ends[tapped[out].n++] = tapped[out].len;
}

static void nothing(void *arg) { (void)arg; }

static struct script *tapped_script(void) {
  struct script *p = script_bare();
  p->hooks.tap = keep;
  return p;
}

/* Nothing has been sent, so all of it is pending. */
static void expect_pending(struct script *p) {
  styx_span spans[64];
  size_t at = 0, n = styx_session_pending(p->s, spans, 64);
  cr_assert_eq(styx_session_pending_bytes(p->s), tapped[true].len);
  for (size_t i = 0; i < n; at += spans[i++].len)
    cr_assert_eq(memcmp(spans[i].base, tapped[true].bytes + at, spans[i].len), 0);
  cr_assert_eq(at, tapped[true].len);
  for (size_t i = 0, start = 0; i < tapped[true].n; start = tapped[true].ends[i++])
    cr_assert_eq((size_t)styx_frame(tapped[true].bytes + start, tapped[true].len - start, 0),
                 tapped[true].ends[i] - start);
}

Test(tap, replies_of_each_kind_are_given_byte_by_byte_and_message_by_message) {
  static const char large[3000] = "large";
  struct script *p = tapped_script();
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "f");
  script_t(p, t_read(2, 1, 0, 100));
  p->hold = STYX_OP(read);
  for (uint16_t i = 0; i < 4; i++)
    script_t(p, t_read((uint16_t)(3 + i), 1, 0, 4000));
  styx_reply_data(p->held[0], large, 5);
  styx_reply_data(p->held[1], large, sizeof large);
  styx_reply_ref(p->held[2], large, sizeof large, nothing, p);
  styx_reply_error(p->held[3], EIO);
  p->held[0] = p->held[1] = p->held[2] = p->held[3] = NULL;
  script_pump(p);
  cr_assert_eq(tapped[true].n, 9);
  expect_pending(p);
  script_free(p);
}

Test(tap, messages_are_given_once_they_are_whole_also_those_that_are_refused) {
  static const char sent[] = "\23\0\0\0\144\377\377\0\40\0\0\6\0009P2000" /* Tversion */
                             "\7\0\0\0\152\1\0"                           /* of no type */
                             "\10\0\0\0\156\2\0x"                         /* Twalk cut short: ends the connection */
                             "\7\0\0\0\170\3\0";
  struct script *p = tapped_script();
  script_pump(p);
  for (size_t i = 0; i < sizeof sent - 1; i++)
    styx_session_feed(p->s, sent + i, 1, p->now);
  script_pump(p);
  cr_assert(styx_session_ended(p->s));
  cr_assert_eq(tapped[false].n, 3);
  cr_assert_eq(tapped[false].len, 19 + 7 + 8);
  cr_assert_eq(memcmp(tapped[false].bytes, sent, tapped[false].len), 0);
  expect_pending(p);
  script_free(p);
}

Test(tap, what_is_not_framed_is_no_message) {
  struct script *p = tapped_script();
  script_pump(p);
  styx_session_feed(p->s, "GET / HTTP/1.0", 14, p->now);
  cr_assert(styx_session_ended(p->s));
  cr_assert_eq(tapped[false].n, 0);
  script_free(p);
}
