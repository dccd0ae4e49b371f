/* casebook_test.c: faults of other servers that no rule's own test shows by itself (test/cases/README.md). */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static void expect(struct script *p, const char *want) {
  const char *line = script_line(p);
  cr_assert_str_eq(line, want, "'%s' instead of '%s'", line, want);
}

static void expect_start(struct script *p, const char *want) {
  const char *line = script_line(p);
  cr_assert_eq(strncmp(line, want, strlen(want)), 0, "'%s' instead of '%s…'", line, want);
}

static void drain(struct script *p, size_t most) {
  size_t all = styx_session_pending_bytes(p->s);
  styx_session_sent(p->s, all < most ? all : most, p->now);
}

/* From the moment at which the reply is decided a server may no longer know its tag, while the first Rflush is still to come:
 * then a second Tflush overtakes the first. */
Test(casebook, a_second_tflush_stays_behind_the_first_whenever_it_comes) {
  enum { RUNNING, ANSWERED, RETIRED, HALF_SENT, SENT, MOMENTS };
  for (int moment = 0; moment < MOMENTS; moment++) {
    struct script *p = script_new();
    script_open(p, 1, "file");
    drain(p, SIZE_MAX);
    p->hold = STYX_OP(read);
    script_t(p, t_read(3, 1, 0, 100));
    script_t(p, t_flush(4, 3));
    if (moment == RUNNING)
      script_send(p, t_flush(5, 3));
    styx_reply_data(script_take(p, 0), "late", 4);
    if (moment == ANSWERED)
      script_send(p, t_flush(5, 3));
    expect(p, "");
    script_pump(p);
    drain(p, moment < HALF_SENT ? 0 : moment == HALF_SENT ? 16 : SIZE_MAX); /* 16 bytes: the Rread, and one of Rflush */
    if (moment >= RETIRED)
      script_send(p, t_flush(5, 3));
    script_pump(p);
    expect(p, "Rread tag 3 count 4 data 'late'");
    expect(p, "Rflush tag 4");
    expect(p, "Rflush tag 5");
    expect(p, "");
    script_free(p);
  }
}

/* One that was left to itself runs on under a tag that somebody else has now: a Tflush means who has it now. */
Test(casebook, a_tflush_means_the_user_of_the_tag_and_not_an_earlier_one_that_still_runs) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  script_t(p, t_walk(1, 0, 2, "other"));
  p->taken = p->nlines;
  p->ops.detachable = STYX_OP(read);
  p->hold = STYX_OP(read) | STYX_OP(open);
  p->arm = true;
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  expect(p, "Rflush tag 4");
  script_t(p, t_open(3, 2, STYX_OREAD));
  script_t(p, t_flush(4, 3));
  expect(p, "");
  cr_assert(styx_req_cancelled(p->held[1]), "the open is told");
  styx_reply_data(script_take(p, 0), "late", 4);
  script_pump(p);
  expect(p, ""); /* and nothing is said before it has ended */
  script_t(p, t_flush(5, 3));
  expect(p, "");
  styx_reply_interrupted(script_take(p, 1));
  script_pump(p);
  expect(p, "Rflush tag 4");
  expect(p, "Rflush tag 5");
  expect(p, "");
  script_free(p);
}

/* To cancel takes its time: what was to be cancelled may be answered before, and its tag, its fid and its worker be another's. */
Test(casebook, a_cancellation_that_comes_late_hits_nobody_else) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = STYX_OP(read);
  p->arm = true;
  script_t(p, t_read(3, 1, 0, 100));
  script_send(p, t_flush(4, 3));
  styx_work *cancel = styx_session_next(p->s);
  cr_assert_eq(styx_work_about(cancel).op, -1);
  styx_reply_data(script_take(p, 0), "late", 4);
  script_pump(p);
  expect(p, "Rread tag 3 count 4 data 'late'");
  expect(p, "Rflush tag 4");
  script_t(p, t_read(3, 1, 0, 100));
  styx_work_run(cancel);
  script_pump(p);
  cr_assert_eq(p->ncancelled, 0, "neither the one that was answered");
  cr_assert_not(styx_req_cancelled(p->held[1]), "nor the next");
  styx_reply_data(script_take(p, 1), "next", 4);
  script_pump(p);
  expect(p, "Rread tag 3 count 4 data 'next'");
  script_free(p);
}

/* What a flushed request has not got (a file, an answer) must not be looked at, however it is cut short. */
Test(casebook, a_request_with_a_bad_fid_may_be_flushed_at_any_time) {
  const styx_msg requests[] = {t_walk(3, 9, 8, "file"),
                               t_walk(3, 9, 8, NULL),
                               t_walk(3, 9, 9, "file"),
                               t_open(3, 9, STYX_OREAD),
                               t_create(3, 9, "new", 0644, STYX_ORDWR),
                               t_read(3, 9, 0, 100),
                               t_write(3, 9, 0, "abc"),
                               t_fid(STYX_Tstat, 3, 9),
                               {.type = STYX_Twstat, .tag = 3, .fid = 9, .stat = styx_stat_untouched()},
                               t_fid(STYX_Tclunk, 3, 9),
                               t_fid(STYX_Tremove, 3, 9)};
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
    for (int parked = 0; parked < 2; parked++) {
      struct script *p = script_new();
      p->ops.detachable = UINT32_MAX;
      script_t(p, t_fid(STYX_Tstat, 1, 0)); /* memory that is used again is not zero */
      p->taken = p->nlines;
      p->hold = STYX_OP(walk);
      if (parked)
        script_t(p, t_walk(2, 0, 9, "none"));
      script_send(p, requests[i]);
      script_send(p, t_flush(4, 3));
      script_pump(p);
      if (parked) {
        styx_reply_error(script_take(p, 0), ENOENT);
        script_pump(p);
        while (strcmp(p->lines[p->taken], "Rflush tag 4") != 0) /* its place in the order depends on what was parked */
          cr_assert_lt(++p->taken, p->nlines);
      } else {
        expect(p, "Rerror tag 3 ename 'bad fid'");
      }
      expect(p, "Rflush tag 4");
      script_t(p, t_fid(STYX_Tstat, 3, 0));
      cr_assert(strstr(p->lines[p->nlines - 1], "Rstat tag 3"));
      script_free(p);
    }
}

/* More than anybody's queue has room for, none of it begun. */
Test(casebook, a_thousand_queued_requests_are_taken_and_each_may_be_flushed) {
  enum { MANY = 1000 };
  struct script *p = script_new();
  script_open(p, 1, "file");
  int calls = p->calls;
  for (uint16_t i = 0; i < MANY; i++)
    script_send(p, t_read((uint16_t)(1000 + i), 1, 0, 1));
  for (uint16_t i = MANY; i-- > 0;)
    script_send(p, t_flush(4, (uint16_t)(1000 + i)));
  for (uint16_t i = 0; i < MANY; i++)
    expect(p, "Rflush tag 4");
  script_pump(p);
  cr_assert_eq(p->calls, calls);
  script_t(p, t_read(3, 1, 0, 100));
  expect_start(p, "Rread tag 3");
  script_free(p);
}

/* The peer takes no replies, there is no room for more, and it goes: who answers afterwards must not wait for room. */
Test(casebook, a_hangup_behind_a_full_outbox_ends_though_answers_are_to_come) {
  struct script *p = script_bare();
  char data[1000] = {0};
  p->limits.outbox = 1000;
  script_t(p, t_version(1024, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  drain(p, SIZE_MAX);
  p->hold = STYX_OP(read);
  p->arm = true;
  for (uint16_t tag = 10; tag < 20; tag++)
    script_t(p, t_read(tag, 1, 0, sizeof data));
  script_t(p, t_flush(30, 19));
  for (int i = 0; i < 5; i++)
    styx_reply_data(script_take(p, i), data, sizeof data);
  script_pump(p);
  cr_assert_not(styx_session_wants_input(p->s), "it is full");
  styx_session_hangup(p->s);
  script_pump(p);
  cr_assert_eq(p->ncancelled, 5, "all that run are told");
  for (int i = 5; i < 10; i++) {
    cr_assert_not(styx_session_done(p->s));
    styx_reply_data(script_take(p, i), data, sizeof data);
    script_pump(p);
  }
  cr_assert(styx_session_done(p->s));
  script_free(p);
}

/* A second Tversion starts as the first did, however often, whatever its tag, and whatever ran. */
Test(casebook, tversion_may_come_again_and_again) {
  struct script *p = script_new();
  for (int i = 0; i < 5; i++) {
    styx_msg version = t_version(4096, i == 3 ? "8P" : "9P2000");
    version.tag = i % 2 ? 7 : STYX_NOTAG;
    p->hold = 0;
    script_open(p, 1, "file");
    p->hold = STYX_OP(read);
    int nth = p->nheld;
    script_t(p, t_read(7, 1, 0, 100));
    script_send(p, version);
    script_send(p, version);
    if (i == 3) { /* resets nothing */
      expect(p, "Rversion tag 7 msize 4096 version 'unknown'");
      expect(p, "Rversion tag 7 msize 4096 version 'unknown'");
    }
    styx_reply_interrupted(script_take(p, nth));
    script_pump(p);
    if (i == 3) {
      expect_start(p, "Rerror tag 7");
      continue;
    }
    for (int twice = 0; twice < 2; twice++)
      expect(p,
             i % 2 ? "Rversion tag 7 msize 4096 version '9P2000'" : "Rversion tag NOTAG msize 4096 version '9P2000'");
    expect(p, "");
    script_t(p, t_attach(7, 0));
    expect_start(p, "Rattach tag 7");
  }
  script_free(p);
}
