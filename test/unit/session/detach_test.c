/* detach_test.c: flushed requests without effects are left to themselves; requests that take too long are cancelled, and those
 * that do not end then are given up (design.md 3). */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { READ = 1u << STYX_OP_read, WALK = 1u << STYX_OP_walk, GETATTR = 1u << STYX_OP_getattr };
static const uint64_t second = 1000000000;

static void expect(struct script *p, const char *line) { cr_assert_str_eq(script_line(p), line); }
static void expect_start(struct script *p, const char *start) {
  const char *line = script_line(p);
  cr_assert_eq(strncmp(line, start, strlen(start)), 0, "%s", line);
}

/* One session with fid 0 at the root and fid 1 open on a file; from here on every one of these operations is held. */
static struct script *holding(struct script *p, uint32_t hold) {
  p->ops.detachable = READ | WALK | GETATTR;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  p->taken = p->nlines;
  p->hold = hold;
  return p;
}

static void tick(struct script *p, uint64_t now) {
  p->now = now;
  styx_session_tick(p->s, now);
  script_pump(p);
}

Test(detach, a_running_read_is_told_and_its_rflush_does_not_wait) {
  struct script *p = holding(script_bare(), READ);
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  expect(p, "Rflush tag 4");
  cr_assert(styx_req_cancelled(p->held[0]));
  cr_assert_eq(styx_session_inspect(p->s).detached, 1);
  styx_reply_data(script_take(p, 0), "late", 4);
  script_pump(p);
  expect(p, "");
  script_free(p);
}

Test(detach, its_tag_is_free_and_its_late_answer_is_not_the_next_ones) {
  struct script *p = holding(script_bare(), READ);
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  expect(p, "Rflush tag 4");
  script_t(p, t_read(3, 1, 0, 100));
  styx_reply_data(script_take(p, 0), "late", 4);
  script_pump(p);
  expect(p, "");
  styx_reply_data(script_take(p, 1), "next", 4);
  script_pump(p);
  expect(p, "Rread tag 3 count 4 data 'next'");
  script_free(p);
}

Test(detach, its_handle_outlives_the_clunk_of_its_fid) {
  struct script *p = holding(script_bare(), READ);
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  expect(p, "Rflush tag 4");
  int closes = p->closes;
  script_t(p, t_fid(STYX_Tclunk, 5, 1));
  expect(p, "Rclunk tag 5");
  cr_assert_eq(p->closes, closes, "the handler still uses it");
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  cr_assert_eq(p->closes, closes + 1);
  expect(p, "");
  script_free(p);
}

static int released;
static void release(void *arg) {
  (void)arg;
  released++;
}

Test(detach, what_its_late_answer_lends_is_given_back_once) {
  struct script *p = holding(script_bare(), READ);
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  styx_reply_ref(script_take(p, 0), "mine", 4, release, NULL);
  script_pump(p);
  expect(p, "Rflush tag 4");
  expect(p, "");
  cr_assert_eq(released, 1);
  script_free(p);
}

Test(detach, a_walk_leaves_its_newfid_free_and_its_late_node_is_forgotten_once) {
  struct script *p = holding(script_bare(), WALK);
  script_t(p, t_walk(3, 0, 7, "file"));
  script_send(p, t_flush(4, 3));
  script_send(p, t_fid(STYX_Tstat, 5, 7));
  script_pump(p);
  expect(p, "Rflush tag 4");
  expect(p, "Rerror tag 5 ename 'bad fid'");
  script_t(p, t_walk(3, 0, 7, "other"));
  int forgets = p->forgets;
  p->nodes++;
  styx_reply_node(script_take(p, 0), p, (styx_qid){0, 0, 77});
  script_pump(p);
  expect(p, "");
  cr_assert_eq(p->forgets, forgets + 1);
  p->nodes++;
  styx_reply_node(script_take(p, 1), p, (styx_qid){0, 0, 78});
  script_pump(p);
  expect(p, "Rwalk tag 3 nwqid 1 (0x4e 0 -)");
  script_free(p);
}

Test(detach, a_walk_of_two_elements_ends_with_the_one_that_runs) {
  struct script *p = holding(script_bare(), WALK);
  styx_msg m = t_walk(3, 0, 7, "dir");
  m.nwname = 2;
  m.wname[1] = styx_str_of("file");
  script_t(p, m);
  script_t(p, t_flush(4, 3));
  expect(p, "Rflush tag 4");
  int calls = p->calls;
  p->nodes++;
  styx_reply_node(script_take(p, 0), p, (styx_qid){STYX_QTDIR, 0, 77});
  script_pump(p);
  cr_assert_eq(p->calls, calls, "nobody walks on");
  script_free(p);
}

Test(detach, several_flushes_and_a_flush_of_a_flush_are_answered_in_order) {
  struct script *p = holding(script_bare(), GETATTR);
  script_t(p, t_fid(STYX_Tstat, 3, 1));
  script_send(p, t_flush(4, 3));
  script_send(p, t_flush(5, 3));
  script_send(p, t_flush(6, 4));
  script_pump(p);
  expect(p, "Rflush tag 4");
  expect(p, "Rflush tag 5");
  expect(p, "Rflush tag 6");
  styx_reply_attr(script_take(p, 0), &(styx_attr){.name = {"x", 1}});
  script_pump(p);
  expect(p, "");
  script_free(p);
}

/* Each of these must wait for its answer. */
static void check_waits(struct script *p, styx_msg m, void (*answer)(styx_req *)) {
  script_t(p, m);
  script_t(p, t_flush(4, m.tag));
  expect(p, "");
  answer(script_take(p, 0));
  script_pump(p);
  expect(p, "Rflush tag 4");
  cr_assert_eq(styx_session_inspect(p->s).detached, 0);
  script_free(p);
}

static void interrupted(styx_req *r) { styx_reply_interrupted(r); }

Test(detach, never_a_read_of_a_stream) {
  struct script *p = script_bare();
  p->stream = true;
  check_waits(holding(p, READ), t_read(3, 1, 0, 100), interrupted);
}

Test(detach, never_what_is_not_declared) {
  struct script *p = holding(script_bare(), READ);
  p->ops.detachable = WALK | GETATTR;
  check_waits(p, t_read(3, 1, 0, 100), interrupted);
}

Test(detach, never_what_has_effects_whatever_is_declared) {
  struct script *p = holding(script_bare(), 1u << STYX_OP_open);
  p->ops.detachable = UINT32_MAX;
  script_t(p, t_walk(9, 0, 8, "x"));
  expect_start(p, "Rwalk");
  check_waits(p, t_open(3, 8, STYX_OREAD), interrupted);
}

Test(detach, never_a_read_of_a_directory) {
  struct script *p = holding(script_bare(), 1u << STYX_OP_readdir);
  p->ops.detachable = UINT32_MAX;
  script_t(p, t_walk(9, 0, 8, "dir"));
  script_t(p, t_open(9, 8, STYX_OREAD));
  p->taken = p->nlines;
  check_waits(p, t_read(3, 8, 0, 100), interrupted);
}

Test(detach, rversion_does_not_wait_for_it) {
  struct script *p = holding(script_bare(), READ);
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_version(4096, "9P2000"));
  expect(p, "Rversion tag NOTAG msize 4096 version '9P2000'");
  script_t(p, t_attach(3, 1));
  expect_start(p, "Rattach tag 3");
  styx_reply_data(script_take(p, 0), "late", 4);
  script_pump(p);
  expect(p, "");
  cr_assert_eq(p->handles, 0);
  script_free(p);
}

Test(detach, a_session_is_not_done_before_its_handlers_have_answered) {
  struct script *p = holding(script_bare(), READ);
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  styx_session_hangup(p->s);
  script_pump(p);
  cr_assert_not(styx_session_done(p->s));
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  cr_assert(styx_session_done(p->s));
  script_free(p);
}

static void count_detached(void *arg, const styx_request_info *r) { *(int *)arg += r->detached && r->cancelled; }

Test(detach, it_counts_against_the_limit_and_is_listed_until_it_ends) {
  struct script *p = script_bare();
  p->limits.requests = 1;
  holding(p, READ);
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  expect(p, "Rflush tag 4");
  int listed = 0;
  cr_assert_eq(styx_session_each_request(p->s, count_detached, &listed), 1);
  cr_assert_eq(listed, 1);
  script_t(p, t_read(5, 1, 0, 100));
  expect(p, "Rerror tag 5 ename 'too many requests outstanding'");
  script_free(p);
}

/* ---- a request may take so long ---- */

Test(deadline, a_running_request_is_cancelled_and_refused_as_interrupted) {
  struct script *p = script_bare();
  p->limits.request = 5 * second;
  p->ops.detachable = 0;
  holding(p, 1u << STYX_OP_write);
  script_t(p, t_walk(9, 0, 8, "x"));
  script_t(p, t_open(9, 8, STYX_OWRITE));
  p->taken = p->nlines;
  script_t(p, t_write(3, 8, 0, "abc"));
  cr_assert_eq(styx_req_deadline(p->held[0]), 5 * second);
  cr_assert_eq(styx_session_deadline(p->s), 5 * second);
  tick(p, 5 * second - 1);
  cr_assert_not(styx_req_cancelled(p->held[0]));
  tick(p, 5 * second);
  cr_assert(styx_req_cancelled(p->held[0]));
  expect(p, "");
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'Interrupted system call'");
  cr_assert_eq(styx_session_inspect(p->s).hits.request, 1);
  script_free(p);
}

Test(deadline, one_without_effects_is_refused_at_once) {
  struct script *p = script_bare();
  p->limits.request = 5 * second;
  holding(p, READ);
  script_t(p, t_read(3, 1, 0, 100));
  tick(p, 5 * second);
  expect(p, "Rerror tag 3 ename 'Interrupted system call'");
  styx_reply_data(script_take(p, 0), "late", 4);
  script_pump(p);
  expect(p, "");
  script_free(p);
}

Test(deadline, a_parked_request_is_refused_and_what_waits_behind_it_goes_on) {
  struct script *p = script_bare();
  p->limits.request = 5 * second;
  holding(p, WALK);
  p->ops.detachable = 0;
  script_t(p, t_walk(3, 0, 7, "file"));
  p->now = 1 * second;
  script_t(p, t_open(4, 7, STYX_OREAD));
  p->now = 2 * second;
  script_t(p, t_fid(STYX_Tstat, 5, 0));
  expect_start(p, "Rstat tag 5");
  tick(p, 6 * second);
  expect(p, "Rerror tag 4 ename 'Interrupted system call'");
  cr_assert_eq(styx_session_deadline(p->s), UINT64_MAX);
  script_free(p);
}

Test(deadline, a_clunk_has_none) {
  struct script *p = script_bare();
  p->limits.request = 5 * second;
  holding(p, 1u << STYX_OP_remove);
  script_t(p, t_fid(STYX_Tremove, 3, 1));
  cr_assert_eq(styx_req_deadline(p->held[0]), UINT64_MAX);
  tick(p, 9 * second);
  cr_assert_not(styx_req_cancelled(p->held[0]));
  script_free(p);
}

/* ---- and its end so long ---- */

static struct script *bounded(uint32_t hold) {
  struct script *p = script_bare();
  p->limits.flush_bound = 3 * second;
  return holding(p, hold);
}

Test(bound, a_flushed_open_that_does_not_end_ends_the_connection) {
  struct script *p = bounded(1u << STYX_OP_open);
  script_t(p, t_walk(9, 0, 8, "x"));
  script_t(p, t_open(3, 8, STYX_OREAD));
  p->taken = p->nlines;
  p->now = second;
  script_t(p, t_flush(4, 3));
  cr_assert_eq(styx_session_deadline(p->s), 4 * second);
  tick(p, 4 * second - 1);
  cr_assert_null(styx_session_ended(p->s));
  tick(p, 4 * second);
  cr_assert_str_eq(styx_session_ended(p->s), "a cancelled request did not end in time");
  cr_assert_eq(styx_session_inspect(p->s).hits.flush_bound, 1);
  script_free(p);
}

Test(bound, a_flushed_remove_counts_too_although_it_is_not_told) {
  struct script *p = bounded(1u << STYX_OP_remove);
  script_t(p, t_fid(STYX_Tremove, 3, 1));
  script_t(p, t_flush(4, 3));
  tick(p, 3 * second);
  cr_assert_not_null(styx_session_ended(p->s));
  script_free(p);
}

Test(bound, a_walk_that_stands_before_a_flushed_clunk_is_refused_and_left_to_itself) {
  struct script *p = bounded(WALK);
  script_t(p, t_walk(3, 0, 7, "file"));
  script_t(p, t_fid(STYX_Tclunk, 5, 7));
  script_t(p, t_flush(6, 5));
  expect(p, ""); /* nobody flushed the walk: it owes a reply */
  tick(p, 3 * second);
  expect(p, "Rerror tag 3 ename 'Interrupted system call'");
  expect(p, "Rerror tag 5 ename 'bad fid'");
  expect(p, "Rflush tag 6");
  cr_assert_null(styx_session_ended(p->s));
  script_free(p);
}

Test(bound, what_ends_in_time_leaves_no_deadline) {
  struct script *p = bounded(READ);
  p->ops.detachable = 0;
  script_t(p, t_read(3, 1, 0, 100));
  script_t(p, t_flush(4, 3));
  cr_assert_eq(styx_session_deadline(p->s), 3 * second);
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rflush tag 4");
  cr_assert_eq(styx_session_deadline(p->s), UINT64_MAX);
  script_free(p);
}

Test(bound, of_a_tversion_is_the_same) {
  struct script *p = bounded(1u << STYX_OP_open);
  script_t(p, t_walk(9, 0, 8, "x"));
  script_t(p, t_open(3, 8, STYX_OREAD));
  script_t(p, t_version(4096, "9P2000"));
  tick(p, 3 * second);
  cr_assert_not_null(styx_session_ended(p->s));
  script_free(p);
}

static void *answer_late(void *req) {
  const styx_attr attr = {.name = STYX_STR("late")};
  (void)styx_reply_attr(req, &attr);
  return NULL;
}

/* What msize is then, is of no use to it: but it may look, which the thread sanitizer watches. */
Test(detach, one_may_be_answered_while_a_new_session_begins) {
  struct script *p = holding(script_bare(), GETATTR);
  pthread_t thread;
  script_t(p, t_fid(STYX_Tstat, 3, 1));
  script_t(p, t_flush(4, 3));
  expect(p, "Rflush tag 4");
  cr_assert_eq(pthread_create(&thread, NULL, answer_late, script_take(p, 0)), 0);
  script_send(p, t_version(4096, "9P2000"));
  cr_assert_eq(pthread_join(thread, NULL), 0);
  script_pump(p);
  expect_start(p, "Rversion");
  expect(p, "");
  script_free(p);
}
