/* styxflush_manual_test.c: what styxflush(2) promises (contract.md 7, rows 43 to 50), and the faults of styxflush as it was
 * (contract.md 3.4), none of which may be ours. Row 43 is styxflush_test.c, and 11 is in styxflush_random_test.c. */
#include "styxflush_fixture.h"

/* ---- what styxflush(2) promises ---- */

Test(styxflush_manual, row_44_what_is_dealt_with_has_no_handle_and_its_tag_is_free_at_once) {
  struct program *p = program_new();
  for (uint16_t i = 0; i < 100; i++) {
    cr_assert_eq(flush(p, 8, i), STYX_FLUSH_REPLY);
    cr_assert_null(p->told);
    expect(p, "Rflush 8");
  }
  cr_assert_eq(styx_flush_outstanding(p->f), 0);
  reply(p, request(p, STYX_Tread, 8), STYX_Rread);
  expect(p, "Rread 8");
  program_free(p);
}

/* Bug 2 too: there the Tflush's own tag was delivered. */
Test(styxflush_manual, row_45_the_notification_names_the_flushed_tag_and_the_request) {
  struct program *p = program_new();
  int requests[8];
  styx_flush_req *r[8];
  for (uint16_t i = 0; i < 8; i++)
    r[i] = request_for(p, STYX_Tread, i, &requests[i]);
  for (uint16_t i = 8; i-- > 0;) { /* one who is told for all of them can tell them apart */
    cr_assert_eq(flush(p, (uint16_t)(20 + i), i), STYX_FLUSH_TELL);
    cr_assert_eq(p->told, r[i]);
    cr_assert_eq(styx_flush_tag(p->told), i);
    cr_assert_eq(styx_flush_request(p->told), &requests[i]);
  }
  styx_flush_abort(p->f, NULL, NULL);
  for (int i = 0; i < 8; i++)
    interrupted(p, r[i]);
  program_free(p);
}

/* Bug 12 too: without a channel to be told on it fell over. */
Test(styxflush_manual, row_46_a_handler_may_ignore_that_it_is_flushed) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  flush(p, 4, 3);
  expect(p, "");
  reply(p, r, STYX_Rread);
  expect(p, "Rread 3");
  expect(p, "Rflush 4");
  program_free(p);
}

Test(styxflush_manual, row_47_an_interruption_is_silent_if_flushed_and_said_if_the_program_wants_to) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3), *s = request(p, STYX_Tread, 5);
  flush(p, 4, 3);
  flush(p, 6, 5);
  interrupted(p, r);
  expect(p, "Rflush 4");
  reply(p, s, STYX_Rerror);
  expect(p, "Rerror 5 interrupted");
  expect(p, "Rflush 6");
  program_free(p);
}

Test(styxflush_manual, row_48_a_late_reply_is_dropped) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  flush(p, 4, 3);
  cr_assert(styx_flush_ack(p->f, r));
  cr_assert_not(styx_flush_ack(p->f, r), "once is enough");
  write_rflushes(p);
  expect(p, "Rflush 4");
  cr_assert_eq(styx_flush_outstanding(p->f), 1);
  cr_assert_not(styx_flush_reply(p->f, r));
  cr_assert_eq(styx_flush_outstanding(p->f), 0);
  program_free(p);
}

/* Bug 10 too: there was one session in a process. */
Test(styxflush_manual, row_49_connections_know_nothing_of_each_other) {
  struct program *p = program_new(), *q = program_new();
  styx_flush_req *a = request(p, STYX_Tread, 3), *b = request(q, STYX_Tread, 3);
  flush(p, 4, 3);
  cr_assert_eq(p->told, a);
  cr_assert_not(styx_flush_is_flushed(b));
  cr_assert_eq(flush(q, 4, 9), STYX_FLUSH_REPLY);
  expect(q, "Rflush 4");
  styx_flush_abort(p->f, NULL, NULL);
  reply(q, b, STYX_Rread);
  expect(q, "Rread 3");
  reply(p, a, STYX_Rread);
  program_free(p);
  program_free(q);
}

/* ---- faults of styxflush, by their numbers in contract.md 3.4; 2, 10 and 12 are above ---- */

Test(styxflush_manual, bug_1_a_tflush_of_an_answered_tag_does_not_leak_its_own) {
  struct program *p = program_new();
  for (int i = 0; i < 1000; i++) {
    reply(p, request(p, STYX_Tread, 3), STYX_Rread);
    expect(p, "Rread 3");
    cr_assert_eq(flush(p, 4, 3), STYX_FLUSH_REPLY);
    expect(p, "Rflush 4");
  }
  program_free(p);
}

Test(styxflush_manual, bug_3_a_tflush_of_the_first_tflush_strands_neither_present_nor_future_ones) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  flush(p, 4, 3);
  flush(p, 5, 3);
  flush(p, 6, 4);
  flush(p, 7, 3);
  reply(p, r, STYX_Rread);
  expect(p, "Rread 3");
  expect(p, "Rflush 4");
  expect(p, "Rflush 5");
  expect(p, "Rflush 6");
  expect(p, "Rflush 7");
  cr_assert_eq(flush(p, 8, 3), STYX_FLUSH_REPLY);
  expect(p, "Rflush 8");
  program_free(p);
}

Test(styxflush_manual, bug_4_a_tflush_of_itself_harms_nobody) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  flush(p, 4, 3);
  cr_assert_eq(flush(p, 5, 5), STYX_FLUSH_REPLY);
  expect(p, "Rflush 5");
  interrupted(p, r);
  expect(p, "Rflush 4");
  program_free(p);
}

Test(styxflush_manual, bug_5_who_acknowledges_before_replying_has_his_reply_dropped) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  flush(p, 4, 3);
  ack(p, r);
  reply(p, r, STYX_Rread);
  expect(p, "Rflush 4");
  program_free(p);
}

Test(styxflush_manual, bug_6_a_tflush_under_a_tag_in_use_gets_no_rerror) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  cr_assert_eq(flush(p, 3, 9), STYX_FLUSH_REPLY);
  expect(p, "Rflush 3");
  reply(p, r, STYX_Rread);
  expect(p, "Rread 3");
  program_free(p);
}

Test(styxflush_manual, bug_7_an_error_that_reads_interrupted_is_an_error_like_any_other) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3), *s = request(p, STYX_Tread, 5);
  reply(p, r, STYX_Rerror);
  expect(p, "Rerror 3 interrupted");
  interrupted(p, s); /* nobody flushed it: never silence */
  expect(p, "Rerror 5 interrupted");
  program_free(p);
}

Test(styxflush_manual, bug_8_a_request_that_never_ends_can_be_given_up) {
  struct program *p = program_new();
  styx_flush_req *stuck = request(p, STYX_Tread, 3);
  cr_assert_not(ack(p, stuck), "nobody has flushed it");
  flush(p, 4, 3);
  flush(p, 5, 3);
  cr_assert(ack(p, stuck)); /* the program's patience is at an end */
  expect(p, "Rflush 4");
  expect(p, "Rflush 5");
  reply(p, request(p, STYX_Tread, 3), STYX_Rread);
  expect(p, "Rread 3");
  styx_flush_abort(p->f, NULL, NULL);
  cr_assert_not(styx_flush_reply(p->f, stuck));
  program_free(p);
}

static void cancel(void *arg, styx_flush_req *req) {
  (void)arg;
  ++*(int *)styx_flush_request(req);
}

Test(styxflush_manual, bug_9_the_end_of_a_connection_is_an_abort_and_answers_afterwards_go_nowhere) {
  struct program *p = program_new();
  int told = 0;
  styx_flush_req *r = request_for(p, STYX_Tread, 3, &told);
  flush(p, 4, 3);
  styx_flush_abort(p->f, cancel, NULL);
  cr_assert_eq(told, 1);
  styx_flush_abort(p->f, cancel, NULL);
  cr_assert_eq(told, 1, "there is nobody left to tell");
  cr_assert_eq(styx_flush_outstanding(p->f), 1);
  interrupted(p, r);
  program_free(p);
}
