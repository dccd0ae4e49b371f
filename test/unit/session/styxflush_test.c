/* styxflush_test.c: styx/flush.h, rule by rule (contract.md 2). Beside it: styxflush_manual_test.c, styxflush_random_test.c. */
#include "styxflush_fixture.h"

#include <errno.h>

Test(styxflush, f1_an_rflush_is_seven_bytes_and_carries_its_own_tag) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  styx_msg t = {.type = STYX_Tflush, .tag = 0x1234, .oldtag = 3}, rflush;
  styx_flush_req *told;
  uint8_t buf[16];
  cr_assert_eq(styx_flush_t(p->f, &t, NULL, &told, &rflush), STYX_FLUSH_TELL);
  cr_assert_not(styx_flush_interrupted(p->f, r));
  cr_assert(styx_flush_next(p->f, &rflush));
  cr_assert_eq(styx_encode(buf, sizeof buf, &rflush, STYX_9P2000), 7);
  cr_assert_arr_eq(buf, ((uint8_t[]){7, 0, 0, 0, STYX_Rflush, 0x34, 0x12}), 7);
  cr_assert_not(styx_flush_next(p->f, &rflush));
  program_free(p);
}

Test(styxflush, f2_a_tflush_is_answered_whatever_is_wrong_with_it) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  cr_assert_eq(flush(p, 5, 9), STYX_FLUSH_REPLY);
  expect(p, "Rflush 5");
  cr_assert_eq(flush(p, 5, STYX_NOTAG), STYX_FLUSH_REPLY);
  expect(p, "Rflush 5");
  cr_assert_eq(flush(p, STYX_NOTAG, 3), STYX_FLUSH_REPLY);
  expect(p, "Rflush 65535");
  cr_assert_eq(flush(p, STYX_NOTAG, STYX_NOTAG), STYX_FLUSH_REPLY);
  expect(p, "Rflush 65535");
  cr_assert_eq(flush(p, 3, 3), STYX_FLUSH_REPLY);
  expect(p, "Rflush 3");
  cr_assert_not(styx_flush_is_flushed(r), "none of them was about it");
  reply(p, r, STYX_Rread);
  expect(p, "Rread 3");
  program_free(p);
}

Test(styxflush, f3_of_an_unknown_an_answered_or_an_older_sessions_tag_it_is_answered_at_once_and_its_tag_is_free) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3), *old;
  reply(p, r, STYX_Rread);
  expect(p, "Rread 3");
  old = request(p, STYX_Tread, 4);
  styx_flush_abort(p->f, NULL, NULL);
  for (uint16_t oldtag = 2; oldtag <= 4; oldtag++) {
    cr_assert_eq(flush(p, 8, oldtag), STYX_FLUSH_REPLY);
    expect(p, "Rflush 8");
  }
  reply(p, request(p, STYX_Tread, 8), STYX_Rread);
  expect(p, "Rread 8");
  reply(p, old, STYX_Rread);
  program_free(p);
}

Test(styxflush, f4_what_ends_late_neither_answers_nor_cancels_a_later_user_of_its_tag) {
  struct program *p = program_new();
  styx_flush_req *old = request(p, STYX_Tread, 3), *new;
  cr_assert_eq(flush(p, 4, 3), STYX_FLUSH_TELL);
  cr_assert(ack(p, old));
  expect(p, "Rflush 4");
  new = request(p, STYX_Tstat, 3);
  cr_assert_neq(new, old);
  cr_assert_not(styx_flush_is_flushed(new));
  reply(p, old, STYX_Rread); /* not written */
  reply(p, new, STYX_Rstat);
  expect(p, "Rstat 3");
  program_free(p);
}

Test(styxflush, f4_a_tflush_of_a_tag_that_is_used_again_is_about_its_new_user) {
  struct program *p = program_new();
  styx_flush_req *old = request(p, STYX_Tread, 3), *new;
  flush(p, 4, 3);
  ack(p, old);
  expect(p, "Rflush 4");
  new = request(p, STYX_Tread, 3);
  cr_assert_eq(flush(p, 4, 3), STYX_FLUSH_TELL);
  cr_assert_eq(p->told, new);
  interrupted(p, old);
  expect(p, "");
  interrupted(p, new);
  expect(p, "Rflush 4");
  program_free(p);
}

Test(styxflush, f5_and_f11_a_reply_comes_first_then_the_rflushes) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  flush(p, 9, 3);
  flush(p, 4, 3);
  reply(p, r, STYX_Rread);
  expect(p, "Rread 3");
  expect(p, "Rflush 9");
  expect(p, "Rflush 4");
  program_free(p);
}

Test(styxflush, f6_after_the_rflush_nothing_has_the_flushed_tag) {
  for (int how = 0; how < 3; how++) {
    struct program *p = program_new();
    styx_flush_req *r = request(p, STYX_Tread, 3);
    flush(p, 4, 3);
    cr_assert(ack(p, r));
    expect(p, "Rflush 4");
    how == 2 ? interrupted(p, r) : reply(p, r, how ? STYX_Rerror : STYX_Rread);
    program_free(p);
  }
}

Test(styxflush, f7_before_the_rflush_there_is_a_reply_or_an_error_or_nothing) {
  struct program *p = program_new();
  styx_flush_req *a = request(p, STYX_Tread, 1), *b = request(p, STYX_Tread, 2), *c = request(p, STYX_Tread, 3);
  flush(p, 11, 1);
  flush(p, 12, 2);
  flush(p, 13, 3);
  interrupted(p, c);
  reply(p, b, STYX_Rerror);
  reply(p, a, STYX_Rread);
  expect(p, "Rflush 13");
  expect(p, "Rerror 2 interrupted");
  expect(p, "Rflush 12");
  expect(p, "Rread 1");
  expect(p, "Rflush 11");
  program_free(p);
}

Test(styxflush, f8_f19_and_f20_what_has_had_an_effect_is_answered_although_it_was_flushed) {
  static const uint8_t types[] = {STYX_Tattach, STYX_Twalk,  STYX_Topen,   STYX_Tcreate, STYX_Tread,
                                  STYX_Twrite,  STYX_Tclunk, STYX_Tremove, STYX_Twstat};
  for (size_t i = 0; i < sizeof types; i++) {
    struct program *p = program_new();
    styx_flush_req *r = request(p, types[i], 3);
    char line[32];
    flush(p, 4, 3);
    reply(p, r, (uint8_t)(types[i] + 1));
    snprintf(line, sizeof line, "%s 3", styx_msg_name(types[i] + 1u));
    expect(p, line);
    expect(p, "Rflush 4");
    program_free(p);
  }
}

Test(styxflush, f9_the_rflush_comes_at_once_if_the_request_is_given_up_else_behind_its_reply) {
  struct program *p = program_new();
  styx_flush_req *a = request(p, STYX_Tread, 1), *b = request(p, STYX_Tread, 2);
  flush(p, 11, 1);
  flush(p, 12, 2);
  cr_assert(ack(p, b));
  expect(p, "Rflush 12");
  expect(p, ""); /* 1 cannot be cancelled */
  reply(p, a, STYX_Rread);
  reply(p, b, STYX_Rread);
  expect(p, "Rread 1");
  expect(p, "Rflush 11");
  program_free(p);
}

Test(styxflush, f10_rflushes_come_in_order_of_arrival) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  cr_assert_eq(flush(p, 9, 3), STYX_FLUSH_TELL);
  cr_assert_eq(flush(p, 1, 3), STYX_FLUSH_WAIT);
  cr_assert_eq(flush(p, 5, 3), STYX_FLUSH_WAIT);
  cr_assert_null(p->told, "it has been told");
  cr_assert(ack(p, r));
  expect(p, "Rflush 9");
  expect(p, "Rflush 1");
  expect(p, "Rflush 5");
  reply(p, r, STYX_Rread);
  program_free(p);
}

/* The race that four servers have: between a reply and the Rflushes behind it the next Tflush is answered. */
Test(styxflush, f10_and_f22_a_tflush_does_not_overtake_rflushes_that_are_not_yet_written) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3), *told;
  styx_msg t = {.type = STYX_Tflush, .tag = 5, .oldtag = 3}, unset;
  flush(p, 4, 3);
  cr_assert(styx_flush_reply(p->f, r));
  cr_assert_eq(styx_flush_t(p->f, &t, NULL, &told, &unset), STYX_FLUSH_WAIT);
  t = (styx_msg){.type = STYX_Tflush, .tag = 6, .oldtag = 5};
  cr_assert_eq(styx_flush_t(p->f, &t, NULL, &told, &unset), STYX_FLUSH_WAIT);
  write_rflushes(p);
  expect(p, "Rflush 4");
  expect(p, "Rflush 5");
  expect(p, "Rflush 6");
  cr_assert_eq(flush(p, 4, 3), STYX_FLUSH_REPLY);
  expect(p, "Rflush 4");
  program_free(p);
}

static void unfetched(struct program *p, uint16_t tag, uint16_t oldtag) {
  styx_msg t = {.type = STYX_Tflush, .tag = tag, .oldtag = oldtag}, unset;
  styx_flush_req *told;
  cr_assert_eq(styx_flush_t(p->f, &t, NULL, &told, &unset), STYX_FLUSH_WAIT);
}

Test(styxflush, f10_a_tflush_of_what_is_over_comes_behind_all_that_is_not_yet_written) {
  struct program *p = program_new();
  styx_flush_req *a = request(p, STYX_Tread, 1), *b = request(p, STYX_Tread, 2);
  flush(p, 11, 1);
  flush(p, 12, 2);
  cr_assert_not(styx_flush_interrupted(p->f, a));
  unfetched(p, 20, 9); /* all for 9, which the client knows to be one request */
  cr_assert_not(styx_flush_interrupted(p->f, b));
  unfetched(p, 21, 9);
  unfetched(p, 22, 20);
  write_rflushes(p);
  expect(p, "Rflush 11");
  expect(p, "Rflush 20");
  expect(p, "Rflush 12");
  expect(p, "Rflush 21");
  expect(p, "Rflush 22");
  program_free(p);
}

Test(styxflush, f12_a_tflush_of_a_tflush_comes_behind_it_and_strands_nobody) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3);
  flush(p, 4, 3);
  cr_assert_eq(flush(p, 5, 4), STYX_FLUSH_WAIT);
  cr_assert_eq(flush(p, 6, 3), STYX_FLUSH_WAIT);
  cr_assert_eq(flush(p, 7, 5), STYX_FLUSH_WAIT);
  expect(p, "");
  interrupted(p, r);
  expect(p, "Rflush 4");
  expect(p, "Rflush 5");
  expect(p, "Rflush 6");
  expect(p, "Rflush 7");
  program_free(p);
}

Test(styxflush, f13_a_tflush_of_itself_is_answered_at_once_and_its_tag_is_free) {
  struct program *p = program_new();
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(flush(p, 7, 7), STYX_FLUSH_REPLY);
    expect(p, "Rflush 7");
  }
  reply(p, request(p, STYX_Tread, 7), STYX_Rread);
  expect(p, "Rread 7");
  program_free(p);
}

/* Row 50 too. */
Test(styxflush, f14_a_tag_in_use_is_refused_and_its_user_is_undisturbed) {
  struct program *p = program_new();
  int mine = 0;
  styx_flush_req *r = request_for(p, STYX_Tread, 3, &mine), *other = NULL;
  cr_assert_eq(t_of(p, STYX_Tstat, 3, 0, NULL, &other), STYX_FLUSH_REPLY);
  cr_assert_null(other);
  expect(p, "Rerror 3 duplicate tag");
  cr_assert_eq(styx_flush_request(r), &mine);
  cr_assert_not(styx_flush_is_flushed(r));
  flush(p, 4, 3);
  cr_assert_eq(p->told, r);
  cr_assert_eq(t_of(p, STYX_Tstat, 4, 0, NULL, &other), STYX_FLUSH_REPLY);
  expect(p, "Rerror 4 duplicate tag");
  reply(p, r, STYX_Rread);
  expect(p, "Rread 3");
  expect(p, "Rflush 4");
  program_free(p);
}

Test(styxflush, f14_a_tflush_under_a_tag_in_use_gets_an_rflush_and_does_nothing) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3), *s = request(p, STYX_Tread, 5);
  flush(p, 4, 3);
  cr_assert_eq(flush(p, 3, 5), STYX_FLUSH_REPLY);
  expect(p, "Rflush 3");
  cr_assert_eq(flush(p, 4, 5), STYX_FLUSH_REPLY);
  expect(p, "Rflush 4");
  cr_assert_not(styx_flush_is_flushed(s));
  reply(p, s, STYX_Rread);
  reply(p, r, STYX_Rread);
  expect(p, "Rread 5");
  expect(p, "Rread 3");
  expect(p, "Rflush 4");
  program_free(p);
}

Test(styxflush, f15_notag_is_for_tversion) {
  struct program *p = program_new();
  styx_flush_req *none = NULL;
  cr_assert_eq(t_of(p, STYX_Tread, STYX_NOTAG, 0, NULL, &none), STYX_FLUSH_REPLY);
  expect(p, "Rerror 65535 bad tag");
  cr_assert_eq(t_of(p, STYX_Tversion, STYX_NOTAG, 0, NULL, &none), STYX_FLUSH_VERSION);
  cr_assert_eq(t_of(p, STYX_Tversion, 0, 0, NULL, &none), STYX_FLUSH_VERSION);
  cr_assert_null(none);
  cr_assert_eq(styx_flush_outstanding(p->f), 0);
  program_free(p);
}

static void cancel(void *arg, styx_flush_req *req) {
  (void)arg;
  ++*(int *)styx_flush_request(req);
}

Test(styxflush, f16_after_a_tversion_nothing_of_the_old_session_is_said_and_everybody_is_told_once) {
  struct program *p = program_new();
  int told[4] = {0};
  styx_flush_req *r[4];
  for (uint16_t i = 0; i < 4; i++)
    r[i] = request_for(p, i == 2 ? STYX_Tclunk : STYX_Tread, i, &told[i]);
  flush(p, 10, 0);
  flush(p, 11, 10);
  flush(p, 12, 2);
  flush(p, 13, 3);
  ack(p, r[3]);
  expect(p, "Rflush 13");
  styx_flush_abort(p->f, cancel, NULL);
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(told[i], i != 3, "%d", i);
    cr_assert(styx_flush_is_flushed(r[i]));
    cr_assert_not(ack(p, r[i]));
  }
  cr_assert_eq(styx_flush_outstanding(p->f), 4);
  for (uint16_t tag = 0; tag < 14; tag++) { /* every tag is free */
    reply(p, request(p, STYX_Tread, tag), STYX_Rread);
    cr_assert_eq(p->said, 1u);
    p->said = 0;
  }
  interrupted(p, r[0]);
  interrupted(p, r[1]);
  reply(p, r[2], STYX_Rclunk);
  reply(p, r[3], STYX_Rread);
  program_free(p);
}

Test(styxflush, f16_rflushes_that_were_not_fetched_are_dropped_with_the_session) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3), *s = request(p, STYX_Tread, 5);
  flush(p, 4, 3);
  flush(p, 6, 5);
  cr_assert_not(styx_flush_interrupted(p->f, r));
  cr_assert(styx_flush_ack(p->f, s));
  styx_flush_abort(p->f, NULL, NULL);
  write_rflushes(p);
  expect(p, "");
  reply(p, s, STYX_Rread);
  program_free(p);
}

struct reentry {
  struct program *p;
  styx_flush_req *all[3];
  int calls;
};

/* Cancels so well that the answer is there at once, and another request's with it. */
static void answer_two(void *arg, styx_flush_req *req) {
  struct reentry *re = arg;
  re->calls++;
  interrupted(re->p, req);
  for (int i = 0; i < 3; i++) {
    if (re->all[i] == req)
      re->all[i] = NULL;
  }
  if (re->calls == 1 && re->all[2]) {
    reply(re->p, re->all[2], STYX_Rread);
    re->all[2] = NULL;
  }
}

Test(styxflush, f17_a_cancelled_handler_may_answer_from_the_aborts_callback) {
  struct program *p = program_new();
  struct reentry re = {.p = p};
  for (uint16_t i = 0; i < 3; i++) {
    re.all[i] = request(p, STYX_Tread, i);
    flush(p, (uint16_t)(10 + i), i);
  }
  styx_flush_abort(p->f, answer_two, &re);
  cr_assert_eq(re.calls, 2, "the third had been answered before its turn");
  program_free(p);
}

Test(styxflush, f18_tclunk_and_tremove_are_not_told_and_answer_before_the_rflush) {
  for (int i = 0; i < 2; i++) {
    struct program *p = program_new();
    styx_flush_req *r = request(p, i ? STYX_Tremove : STYX_Tclunk, 3);
    cr_assert_eq(flush(p, 4, 3), STYX_FLUSH_WAIT);
    cr_assert_null(p->told);
    cr_assert(styx_flush_is_flushed(r));
    cr_assert_not(ack(p, r), "it always runs");
    expect(p, "");
    if (i)
      reply(p, r, STYX_Rremove);
    else
      interrupted(p, r); /* a reply all the same */
    expect(p, i ? "Rremove 3" : "Rerror 3 interrupted");
    expect(p, "Rflush 4");
    program_free(p);
  }
}

Test(styxflush, the_reply_to_what_is_refused_has_a_number_for_the_other_dialects) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 3), *none;
  styx_msg t = {.type = STYX_Tread, .tag = 3}, refusal;
  uint8_t buf[64];
  cr_assert_eq(styx_flush_t(p->f, &t, NULL, &none, &refusal), STYX_FLUSH_REPLY);
  cr_assert_eq(refusal.ecode, EINVAL);
  cr_assert_gt(styx_encode(buf, sizeof buf, &refusal, STYX_9P2000_U), 0);
  refusal.type = STYX_Rlerror;
  cr_assert_eq(styx_encode(buf, sizeof buf, &refusal, STYX_9P2000_L), 11);
  reply(p, r, STYX_Rread);
  expect(p, "Rread 3");
  program_free(p);
}

Test(styxflush, nothing_is_a_connection_that_can_be_freed) { styx_flush_free(NULL); }
