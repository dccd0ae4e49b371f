/* room_test.c: the rest of a long message is received to where it is needed (styx_session_room). */
#include "support/scripted.h"

#include <styx/wire.h>

#include <criterion/criterion.h>
#include <string.h>

enum { DATA = 4000, MESSAGE = 23 + DATA };

static uint8_t message[MESSAGE];
static struct script *p;

/* A file that is open for writing, and a long Twrite to it. */
static void begin(void) {
  static char data[DATA + 1];
  p = script_new();
  script_t(p, t_walk(1, 0, 1, "file"));
  script_t(p, t_open(1, 1, STYX_OWRITE));
  while (*script_line(p))
    ;
  memset(data, 'x', DATA);
  const styx_msg m = t_write(3, 1, 0, data);
  cr_assert_eq(styx_encode(message, sizeof message, &m, STYX_9P2000), MESSAGE);
}

TestSuite(room, .init = begin);

static void feed(size_t from, size_t len) { styx_session_feed(p->s, message + from, len, p->now); }

static void expect(const char *line) {
  script_pump(p);
  cr_assert_str_eq(script_line(p), line);
}

Test(room, there_is_none_before_a_message_has_begun) {
  size_t len;
  cr_assert_null(styx_session_room(p->s, 1, &len));
  feed(0, 3); /* its size is not known yet */
  cr_assert_null(styx_session_room(p->s, 1, &len));
  feed(3, MESSAGE - 3);
  cr_assert_null(styx_session_room(p->s, 1, &len));
  expect("Rwrite tag 3 count 4000");
  script_free(p);
}

Test(room, the_rest_is_received_in_portions) {
  size_t len, at = 1000;
  feed(0, at);
  while (at < MESSAGE) {
    uint8_t *room = styx_session_room(p->s, 1, &len);
    cr_assert_eq(len, MESSAGE - at);
    if (len > 500)
      len = 500;
    memcpy(room, message + at, len);
    styx_session_received(p->s, len, p->now);
    at += len;
  }
  expect("Rwrite tag 3 count 4000");
  script_free(p);
}

Test(room, nothing_may_come_into_it) {
  size_t len;
  feed(0, 1000);
  cr_assert_not_null(styx_session_room(p->s, 1, &len));
  styx_session_received(p->s, 0, p->now);
  feed(1000, MESSAGE - 1000);
  expect("Rwrite tag 3 count 4000");
  script_free(p);
}

Test(room, it_grows_with_what_has_come_and_not_with_what_is_said) {
  size_t len;
  feed(0, 23);
  cr_assert_null(styx_session_room(p->s, MESSAGE - 23, &len));
  cr_assert_not_null(styx_session_room(p->s, 1, &len));
  cr_assert_lt(len, 8 * 23);
  styx_session_received(p->s, 0, p->now);
  feed(23, MESSAGE - 23);
  expect("Rwrite tag 3 count 4000");
  script_free(p);
}

Test(room, a_short_rest_is_not_worth_it) {
  size_t len;
  feed(0, MESSAGE - 99);
  cr_assert_null(styx_session_room(p->s, 100, &len));
  cr_assert_not_null(styx_session_room(p->s, 99, &len));
  styx_session_received(p->s, 0, p->now);
  script_free(p);
}

/* The memory is lent: whoever receives into it may not know yet. */
Test(room, a_session_that_has_hung_up_waits_for_it) {
  size_t len;
  feed(0, 1000);
  uint8_t *room = styx_session_room(p->s, 1, &len);
  styx_session_hangup(p->s);
  script_pump(p);
  cr_assert(!styx_session_done(p->s));
  memset(room, 0, len);
  styx_session_received(p->s, len, p->now);
  cr_assert(styx_session_done(p->s));
  script_free(p);
}

Test(room, a_session_that_has_ended_takes_nothing_more) {
  size_t len;
  feed(0, 1000);
  cr_assert_not_null(styx_session_room(p->s, 1, &len));
  styx_session_tick(p->s, p->now + 3600000000000u);
  cr_assert_not_null(styx_session_ended(p->s));
  styx_session_received(p->s, len, p->now);
  expect("");
  script_free(p);
}
