/* flush_test.c: every row of the flush table (design.md 3), and the rules F1 to F22 that a session alone can show. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static void expect(struct script *p, const char *line) { cr_assert_str_eq(script_line(p), line); }

static void expect_nothing(struct script *p) { expect(p, ""); }

/* A read of file fid 1 that is held, under this tag. */
static struct script *with_read(uint16_t tag) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  script_t(p, t_read(tag, 1, 0, 100));
  cr_assert_eq(p->nheld, 1);
  return p;
}

Test(flush, an_unknown_tag_is_answered_at_once_and_the_tag_is_free_again) {
  struct script *p = script_new();
  for (int i = 0; i < 3; i++) {
    script_t(p, t_flush(5, 9));
    expect(p, "Rflush tag 5");
  }
  script_t(p, t_fid(STYX_Tstat, 5, 0));
  cr_assert_eq(strncmp(script_line(p), "Rstat tag 5", 11), 0);
  script_free(p);
}

Test(flush, its_own_tag_and_notag_are_answered_at_once) {
  struct script *p = script_new();
  script_t(p, t_flush(5, 5));
  expect(p, "Rflush tag 5");
  script_t(p, t_flush(5, STYX_NOTAG));
  expect(p, "Rflush tag 5");
  script_t(p, t_flush(STYX_NOTAG, 5));
  expect(p, "Rflush tag NOTAG");
  script_free(p);
}

Test(flush, before_version_it_is_answered_and_does_nothing) {
  struct script *p = script_bare();
  script_t(p, t_flush(5, 6));
  expect(p, "Rflush tag 5");
  script_free(p);
}

Test(flush, of_a_retired_request_comes_behind_its_reply) {
  struct script *p = script_new();
  script_send(p, t_fid(STYX_Tclunk, 3, 0)); /* answered by the session itself, still in the outbox */
  script_send(p, t_flush(4, 3));
  script_pump(p);
  expect(p, "Rclunk tag 3");
  expect(p, "Rflush tag 4");
  script_free(p);
}

Test(flush, of_a_queued_request_cancels_it_before_it_runs) {
  struct script *p = script_new();
  int calls = p->calls;
  script_send(p, t_walk(3, 0, 7, "file"));
  script_send(p, t_flush(4, 3));
  script_pump(p);
  expect(p, "Rflush tag 4");
  expect_nothing(p);
  cr_assert_eq(p->calls, calls, "the tombstone must not run");
  script_t(p, t_walk(3, 0, 7, "file")); /* newfid is free, the tag too */
  cr_assert_eq(strncmp(script_line(p), "Rwalk tag 3", 11), 0);
  script_free(p);
}

Test(flush, of_a_running_request_asks_it_and_an_interruption_is_silent) {
  struct script *p = with_read(3);
  p->arm = true;
  script_t(p, t_read(13, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  cr_assert(styx_req_cancelled(p->held[0]));
  script_t(p, t_flush(14, 13));
  cr_assert_eq(p->ncancelled, 1, "only the second armed a callback");
  expect_nothing(p);
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rflush tag 4");
  styx_reply_interrupted(script_take(p, 1));
  script_pump(p);
  expect(p, "Rflush tag 14");
  expect_nothing(p);
  script_free(p);
}

Test(flush, of_a_running_request_that_succeeds_delivers_the_reply_first) {
  struct script *p = with_read(3);
  script_t(p, t_flush(4, 3));
  styx_reply_data(script_take(p, 0), "late", 4);
  script_pump(p);
  expect(p, "Rread tag 3 count 4 data 'late'");
  expect(p, "Rflush tag 4");
  script_free(p);
}

Test(flush, a_real_error_that_reads_interrupted_is_delivered) {
  struct script *p = with_read(3);
  script_t(p, t_flush(4, 3));
  styx_reply_error_text(script_take(p, 0), EINTR, "interrupted");
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'interrupted'");
  expect(p, "Rflush tag 4");
  script_free(p);
}

Test(flush, an_interruption_that_nobody_asked_for_is_an_error_never_silence) {
  struct script *p = with_read(3);
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'Interrupted system call'");
  script_free(p);
}

Test(flush, several_of_one_request_are_answered_in_order_of_arrival) {
  struct script *p = with_read(3);
  script_send(p, t_flush(9, 3));
  script_send(p, t_flush(4, 3));
  script_send(p, t_flush(6, 3));
  styx_reply_data(script_take(p, 0), "", 0);
  script_pump(p);
  expect(p, "Rread tag 3 count 0 data ''");
  expect(p, "Rflush tag 9");
  expect(p, "Rflush tag 4");
  expect(p, "Rflush tag 6");
  script_free(p);
}

Test(flush, of_a_flush_is_answered_behind_it) {
  struct script *p = with_read(3);
  script_t(p, t_flush(4, 3));
  script_t(p, t_flush(5, 4));
  script_t(p, t_flush(6, 5));
  expect_nothing(p);
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rflush tag 4");
  expect(p, "Rflush tag 5");
  expect(p, "Rflush tag 6");
  script_free(p);
}

Test(flush, under_a_tag_in_use_is_answered_and_does_nothing_else) {
  struct script *p = with_read(3);
  script_t(p, t_read(5, 1, 0, 10));
  script_t(p, t_flush(5, 3)); /* tag 5 is outstanding */
  expect(p, "Rflush tag 5");
  cr_assert_not(styx_req_cancelled(p->held[0]));
  styx_reply_data(script_take(p, 1), "b", 1);
  script_pump(p);
  expect(p, "Rread tag 5 count 1 data 'b'");
  script_free(p);
}

Test(flush, a_tag_reused_after_rflush_gets_only_its_own_reply) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  script_send(p, t_read(3, 1, 0, 100)); /* queued */
  script_send(p, t_flush(4, 3));
  script_send(p, t_fid(STYX_Tstat, 3, 0));
  script_pump(p);
  expect(p, "Rflush tag 4");
  cr_assert_eq(strncmp(script_line(p), "Rstat tag 3", 11), 0);
  expect_nothing(p);
  script_free(p);
}

Test(flush, of_a_parked_request_takes_it_out_of_line) {
  struct script *p = script_new();
  p->hold = 1u << STYX_OP_walk;
  script_t(p, t_walk(3, 0, 7, "file"));
  script_t(p, t_open(4, 7, STYX_OREAD)); /* waits for the walk */
  script_t(p, t_fid(STYX_Tstat, 5, 7));
  cr_assert_eq(styx_session_inspect(p->s).parked, 2);
  script_t(p, t_flush(6, 4));
  expect(p, "Rflush tag 6");
  p->nodes++;
  styx_reply_node(script_take(p, 0), p, (styx_qid){0, 0, 99});
  script_pump(p);
  expect(p, "Rwalk tag 3 nwqid 1 (0x63 0 -)");
  cr_assert_eq(strncmp(script_line(p), "Rstat tag 5", 11), 0);
  cr_assert_eq(p->handles, 0, "the flushed open never happened");
  script_free(p);
}

Test(flush, of_a_walk_rolls_newfid_back) {
  struct script *p = script_new();
  p->hold = 1u << STYX_OP_walk;
  script_t(p, t_walk(3, 0, 7, "file"));
  script_t(p, t_flush(4, 3));
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rflush tag 4");
  script_t(p, t_fid(STYX_Tstat, 5, 7));
  expect(p, "Rerror tag 5 ename 'bad fid'");
  script_free(p);
}

Test(flush, of_a_queued_clunk_lets_it_run_and_reply) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  script_send(p, t_fid(STYX_Tclunk, 3, 1)); /* its close is queued */
  script_send(p, t_flush(4, 3));
  expect_nothing(p);
  script_pump(p);
  expect(p, "Rclunk tag 3");
  expect(p, "Rflush tag 4");
  cr_assert_eq(p->closes, 1);
  script_free(p);
}

Test(flush, of_a_running_remove_does_not_tell_it) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_remove;
  p->arm = true;
  script_t(p, t_fid(STYX_Tremove, 3, 1));
  script_t(p, t_flush(4, 3));
  cr_assert_not(styx_req_cancelled(p->held[0]));
  cr_assert_eq(p->ncancelled, 0);
  styx_reply_ok(script_take(p, 0));
  script_pump(p);
  expect(p, "Rremove tag 3");
  expect(p, "Rflush tag 4");
  script_free(p);
}

Test(flush, an_interrupted_remove_is_an_error_and_the_fid_is_gone) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_remove;
  script_t(p, t_fid(STYX_Tremove, 3, 1));
  script_t(p, t_flush(4, 3));
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'Interrupted system call'");
  expect(p, "Rflush tag 4");
  script_t(p, t_fid(STYX_Tstat, 5, 1));
  expect(p, "Rerror tag 5 ename 'bad fid'");
  script_free(p);
}

Test(flush, of_a_parked_clunk_cancels_what_it_waits_for_and_those_still_reply) {
  struct script *p = script_new();
  script_t(p, t_walk(2, 0, 1, "file"));
  script_line(p);
  p->hold = 1u << STYX_OP_open;
  script_t(p, t_open(3, 1, STYX_OREAD)); /* running */
  script_t(p, t_fid(STYX_Tstat, 4, 1));  /* parked before the clunk */
  script_t(p, t_fid(STYX_Tclunk, 5, 1)); /* parked, must-run */
  script_t(p, t_flush(6, 5));
  expect(p, "Rerror tag 4 ename 'Interrupted system call'"); /* nobody flushed it: it is owed a reply */
  cr_assert(styx_req_cancelled(p->held[0]));
  expect_nothing(p);
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'Interrupted system call'");
  expect(p, "Rclunk tag 5");
  expect(p, "Rflush tag 6");
  script_free(p);
}

Test(flush, hangup_cancels_everything_and_clunks_each_fid_once) {
  struct script *p = with_read(3);
  p->arm = true;
  script_t(p, t_read(4, 1, 0, 10));
  script_t(p, t_flush(5, 3));
  script_t(p, t_fid(STYX_Tclunk, 6, 1)); /* two reads still pin it */
  expect(p, "Rclunk tag 6");
  styx_session_hangup(p->s);
  script_pump(p);
  cr_assert_eq(p->ncancelled, 1);
  cr_assert_eq(p->closes, 0, "a running read still uses the handle");
  styx_reply_data(script_take(p, 0), "x", 1);
  script_pump(p);
  cr_assert_eq(p->closes, 0);
  styx_reply_interrupted(script_take(p, 1));
  script_pump(p);
  cr_assert_eq(p->closes, 1);
  expect_nothing(p);
  cr_assert(styx_session_done(p->s));
  script_free(p);
}

Test(flush, hangup_still_runs_a_parked_remove) {
  struct script *p = script_new();
  script_t(p, t_walk(2, 0, 1, "file"));
  p->hold = 1u << STYX_OP_open | 1u << STYX_OP_remove;
  script_t(p, t_open(3, 1, STYX_OREAD));
  script_t(p, t_fid(STYX_Tremove, 4, 1));
  styx_session_hangup(p->s);
  script_pump(p);
  cr_assert_eq(p->nheld, 1);
  p->handles++;
  styx_reply_open(script_take(p, 0), (styx_qid){0, 0, 5}, p);
  script_pump(p);
  cr_assert_eq(p->nheld, 2, "the remove runs although nobody hears of it");
  styx_reply_ok(script_take(p, 1));
  script_pump(p);
  cr_assert_eq(p->closes, 1);
  script_free(p);
}

Test(flush, version_in_mid_session_waits_for_the_old_one_and_says_nothing_of_it) {
  struct script *p = with_read(3);
  p->arm = true;
  script_t(p, t_read(4, 1, 0, 10));
  script_t(p, t_flush(5, 3));
  script_t(p, t_version(4096, "9P2000"));
  script_t(p, t_fid(STYX_Tstat, 9, 0)); /* belongs to the new session */
  cr_assert_not(styx_session_wants_input(p->s));
  expect_nothing(p);
  styx_reply_data(script_take(p, 0), "old", 3);
  styx_reply_interrupted(script_take(p, 1));
  script_pump(p);
  expect(p, "Rversion tag NOTAG msize 4096 version '9P2000'");
  expect(p, "Rerror tag 9 ename 'bad fid'");
  cr_assert_eq(p->nodes + p->handles, 0);
  cr_assert_eq(styx_session_inspect(p->s).fids, 0);
  script_free(p);
}

Test(flush, version_that_is_not_understood_resets_nothing) {
  struct script *p = with_read(3);
  script_t(p, t_version(4096, "8P"));
  expect(p, "Rversion tag NOTAG msize 4096 version 'unknown'");
  cr_assert_not(styx_req_cancelled(p->held[0]));
  styx_reply_data(script_take(p, 0), "x", 1);
  script_pump(p);
  expect(p, "Rread tag 3 count 1 data 'x'");
  script_free(p);
}

Test(flush, a_reset_that_takes_too_long_ends_the_connection) {
  struct script *p = with_read(3);
  p->now = 1000;
  script_t(p, t_version(4096, "9P2000"));
  cr_assert_eq(styx_session_deadline(p->s), 1000 + p->limits.reset);
  styx_session_tick(p->s, 999 + p->limits.reset);
  cr_assert_null(styx_session_ended(p->s));
  styx_session_tick(p->s, 1000 + p->limits.reset);
  cr_assert_str_eq(styx_session_ended(p->s), "requests did not end at Tversion");
  script_free(p);
}

Test(flush, of_a_walk_between_two_elements_stops_it) {
  struct script *p = script_new();
  p->hold = 1u << STYX_OP_walk;
  styx_msg m = t_walk(3, 0, 7, "d1");
  m.nwname = 2;
  m.wname[1] = styx_str_of("d2");
  script_t(p, m);
  p->nodes++;
  styx_reply_node(script_take(p, 0), p, (styx_qid){STYX_QTDIR, 0, 50}); /* published, not yet retired */
  script_send(p, t_flush(4, 3));
  script_pump(p);
  expect(p, "Rflush tag 4");
  cr_assert_eq(p->nheld, 1, "the second element is not walked");
  script_free(p);
}

Test(flush, send_mode_answers_interrupted_before_rflush) {
  struct script *p = script_bare();
  styx_session_config config = {.size = sizeof config, .exports = &p->export, .nexports = 1, .limits = &p->limits};
  config.hooks = &p->hooks;
  config.hook_arg = p;
  config.send_interrupted = true;
  cr_assert_eq(styx_session_new(&p->s, &config, 0), STYX_OK);
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_send(p, t_walk(3, 0, 7, "file"));
  script_send(p, t_flush(4, 3));
  p->taken = p->nlines;
  script_pump(p);
  p->taken = p->nlines - 2;
  expect(p, "Rerror tag 3 ename 'Interrupted system call'");
  expect(p, "Rflush tag 4");
  script_free(p);
}
