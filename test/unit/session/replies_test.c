/* replies_test.c: answers count once, and the three forms of cancellation (styx/req.h). */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void expect(struct script *p, const char *line) { cr_assert_str_eq(script_line(p), line); }

static struct script *with_read(void) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  script_t(p, t_read(3, 1, 2, 5));
  return p;
}

static styx_req *take(struct script *p) { return script_take(p, p->nheld - 1); }

Test(replies, data_is_cut_to_what_was_asked_for) {
  struct script *p = with_read();
  styx_reply_data(take(p), "0123456789", 10);
  script_pump(p);
  expect(p, "Rread tag 3 count 5 data '01234'");
  script_free(p);
}

Test(replies, a_slice_applies_offset_and_count) {
  struct script *p = with_read();
  styx_reply_slice(take(p), "0123456789", 10);
  script_pump(p);
  script_t(p, t_read(3, 1, 10, 5));
  expect(p, "Rread tag 3 count 5 data '23456'");
  styx_reply_slice(take(p), "0123456789", 10);
  script_pump(p);
  expect(p, "Rread tag 3 count 0 data ''");
  script_free(p);
}

Test(replies, room_is_the_frame_itself) {
  struct script *p = with_read();
  styx_req *r = take(p);
  size_t cap;
  char *room = styx_req_room(r, &cap);
  cr_assert_eq(cap, 5);
  cr_assert_eq(styx_req_room(r, &cap), room);
  memcpy(room, "abc", 3);
  styx_reply_filled(r, 3);
  script_pump(p);
  expect(p, "Rread tag 3 count 3 data 'abc'");
  script_free(p);
}

static styx_req *a_stat(struct script *p) {
  script_open(p, 1, "file");
  p->hold = STYX_OP(getattr);
  script_t(p, t_fid(STYX_Tstat, 3, 1));
  return take(p);
}

Test(replies, attributes_may_be_copied_before_they_are_answered) {
  struct script *p = script_new();
  styx_req *r = a_stat(p);
  char name[] = "first";
  styx_req_attr(r, &(styx_attr){.name = {name, 5}});
  memcpy(name, "third", 5); /* it was copied */
  script_pump(p);
  expect(p, ""); /* and nothing is answered yet */
  styx_req_attr(r, &(styx_attr){.name = {"second", 6}});
  styx_reply_attr(r, NULL);
  script_pump(p);
  cr_assert(strstr(script_line(p), "name 'second'"));
  script_free(p);
}

Test(replies, no_attributes_are_an_error) {
  struct script *p = script_new();
  styx_reply_attr(a_stat(p), NULL);
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'Input/output error'");
  script_free(p);
}

Test(replies, attributes_that_do_not_fit_are_an_error_in_two_steps_too) {
  static char long_name[8192];
  struct script *p = script_new();
  styx_req *r = a_stat(p);
  memset(long_name, 'n', sizeof long_name);
  styx_req_attr(r, &(styx_attr){.name = {long_name, sizeof long_name}});
  styx_reply_attr(r, NULL);
  script_pump(p);
  cr_assert_eq(strncmp(script_line(p), "Rerror tag 3 ", 13), 0);
  script_free(p);
}

static void release(void *arg) { ((struct script *)arg)->releases++; }

Test(replies, memory_that_is_lent_is_released_once_when_it_was_sent) {
  struct script *p = with_read();
  styx_reply_ref(take(p), "lentmore", 8, release, p);
  script_pump(p);
  expect(p, "Rread tag 3 count 5 data 'lentm'");
  cr_assert_eq(p->releases, 0, "not sent yet");
  styx_session_sent(p->s, styx_session_pending_bytes(p->s) - 1, 0);
  script_pump(p);
  cr_assert_eq(p->releases, 0);
  styx_session_sent(p->s, 1, 0);
  script_pump(p);
  cr_assert_eq(p->releases, 1);
  script_free(p);
}

Test(replies, memory_that_is_lent_is_released_when_the_peer_is_gone) {
  struct script *p = with_read();
  styx_session_hangup(p->s);
  styx_reply_ref(take(p), "lent", 4, release, p);
  script_pump(p);
  cr_assert_eq(p->releases, 1);
  script_free(p);
}

Test(replies, an_error_carries_its_own_words) {
  struct script *p = with_read();
  styx_reply_error_text(take(p), EIO, "tape %d is torn", 7);
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'tape 7 is torn'");
  script_free(p);
}

Test(replies, words_too_long_for_msize_are_cut_at_a_character) {
  struct script *p = script_bare();
  script_t(p, t_version(256, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  script_t(p, t_read(3, 1, 0, 5));
  char words[400] = "";
  for (int i = 0; i < 180; i++)
    strcat(words, "é");
  styx_reply_error_text(take(p), EIO, "%s", words);
  script_pump(p);
  const char *line = script_line(p);
  cr_assert_eq(strlen(line), strlen("Rerror tag 3 ename ''") + 246, "247 bytes fit, 246 are whole characters: %s",
               line);
  script_free(p);
}

/* What clients with a buffer of STYX_ERRMAX want: 127 bytes and their own terminator. */
Test(replies, words_longer_than_old_clients_take_are_cut_at_a_character) {
  struct script *p = script_bare();
  p->limits.ename = STYX_ERRMAX - 1;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  for (uint16_t size = 126; size <= 129; size++) { /* a number of bytes, the last two of them one character */
    char words[160], want[200];
    script_t(p, t_read(size, 1, 0, 5));
    snprintf(words, sizeof words, "%0*d\u00e9", size - 2, 0);
    snprintf(want, sizeof want, "Rerror tag %u ename '%.*s'", size,
             size <= 127   ? size
             : size == 128 ? 126
                           : 127,
             words);
    styx_reply_error_text(take(p), EIO, "%s", words);
    script_pump(p);
    expect(p, want);
  }
  script_free(p);
}

Test(replies, error_zero_is_an_i_o_error) {
  struct script *p = with_read();
  styx_reply_error(take(p), 0);
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'Input/output error'");
  script_free(p);
}

Test(replies, an_answer_of_the_wrong_kind_is_an_i_o_error) {
  struct script *p = with_read();
  styx_reply_count(take(p), 1);
  script_pump(p);
  expect(p, "Rerror tag 3 ename 'Input/output error'");
  script_free(p);
}

static styx_answer forgetful(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)r, (void)node, (void)handle, (void)offset, (void)count;
  return (styx_answer){0};
}

static styx_answer twice(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  styx_reply_data(r, "first", 5);
  return styx_reply_error(r, EIO);
}

static void with_reader(struct script *p, styx_answer (*read)(styx_req *, void *, void *, uint64_t, uint32_t),
                        styx_fs_ops *ops) {
  *ops = *p->export.fs.ops;
  ops->read = read;
  p->export.fs.ops = ops;
}

Test(replies, a_handler_that_forgets_to_answer_is_answered_for) {
  styx_fs_ops ops;
  struct script *p = script_bare();
  with_reader(p, forgetful, &ops);
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  script_t(p, t_read(3, 1, 0, 5));
  expect(p, "Rerror tag 3 ename 'Input/output error'");
  cr_assert_eq(styx_session_inspect(p->s).dropped_answers, 1);
  script_free(p);
}

Test(replies, a_second_answer_is_dropped_and_counted) {
  styx_fs_ops ops;
  struct script *p = script_bare();
  with_reader(p, twice, &ops);
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  script_t(p, t_read(3, 1, 0, 5));
  expect(p, "Rread tag 3 count 5 data 'first'");
  expect(p, "");
  cr_assert_eq(styx_session_inspect(p->s).duplicate_answers, 1);
  script_free(p);
}

Test(replies, a_slot_that_is_empty_refuses_sensibly) {
  static const styx_fs_ops none = {.size = sizeof none};
  struct script *p = script_bare();
  p->export.fs.ops = &none;
  script_t(p, t_version(8192, "9P2000"));
  p->taken = p->nlines;
  script_t(p, t_attach(1, 0));
  expect(p, "Rerror tag 1 ename 'file does not exist'");
  script_free(p);
}

/* ---- cancellation ---- */

static int calls;
static void *seen;

static void on_cancel(styx_req *r, void *arg) {
  (void)r;
  calls++;
  seen = arg;
}

Test(cancel, a_callback_registered_after_the_flush_runs_at_once) {
  struct script *p = with_read();
  calls = 0;
  script_t(p, t_flush(4, 3));
  cr_assert(styx_req_on_cancel(p->held[0], on_cancel, &calls));
  cr_assert_eq(calls, 1);
  cr_assert_eq(seen, &calls);
  cr_assert_not(styx_req_on_cancel(p->held[0], NULL, NULL), "it has started");
  styx_reply_interrupted(take(p));
  script_pump(p);
  expect(p, "Rflush tag 4");
  script_free(p);
}

Test(cancel, a_callback_that_was_disarmed_never_runs) {
  struct script *p = with_read();
  calls = 0;
  styx_req_on_cancel(p->held[0], on_cancel, NULL);
  cr_assert(styx_req_on_cancel(p->held[0], NULL, NULL));
  cr_assert(styx_req_on_cancel(p->held[0], NULL, NULL), "none armed is true as well");
  script_t(p, t_flush(4, 3));
  cr_assert_eq(calls, 0);
  cr_assert(styx_req_cancelled(p->held[0]));
  script_free(p);
}

Test(cancel, disarming_after_the_flush_but_before_the_callback_started_wins) {
  struct script *p = with_read();
  calls = 0;
  styx_req_on_cancel(p->held[0], on_cancel, NULL);
  script_send(p, t_flush(4, 3)); /* the cancel is queued as work */
  cr_assert(styx_req_on_cancel(p->held[0], NULL, NULL));
  script_pump(p);
  cr_assert_eq(calls, 0);
  script_free(p);
}

Test(cancel, a_reply_disarms) {
  struct script *p = with_read();
  calls = 0;
  styx_req_on_cancel(p->held[0], on_cancel, NULL);
  script_send(p, t_flush(4, 3));
  styx_reply_data(take(p), "x", 1);
  script_pump(p);
  cr_assert_eq(calls, 0);
  expect(p, "Rread tag 3 count 1 data 'x'");
  expect(p, "Rflush tag 4");
  script_free(p);
}

static void answer_it(styx_req *r, void *arg) {
  (void)arg;
  styx_reply_interrupted(r);
}

Test(cancel, the_callback_may_answer) {
  struct script *p = with_read();
  styx_req_on_cancel(p->held[0], answer_it, NULL);
  p->held[0] = NULL;
  script_t(p, t_flush(4, 3));
  expect(p, "Rflush tag 4");
  script_free(p);
}

static int fds, signals;
static int fd_new(void *arg) {
  (void)arg;
  return 100 + fds++;
}
static void fd_signal(void *arg, int fd) {
  (void)arg;
  signals += fd == 100;
}
static void fd_free(void *arg, int fd) {
  (void)arg;
  (void)fd;
  fds--;
}

static struct script *with_fds(void) {
  struct script *p = script_bare();
  fds = signals = 0;
  p->hooks.cancel_fd_new = fd_new;
  p->hooks.cancel_fd_signal = fd_signal;
  p->hooks.cancel_fd_free = fd_free;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  script_t(p, t_read(3, 1, 0, 5));
  return p;
}

Test(cancel, the_descriptor_is_made_once_signalled_and_closed) {
  struct script *p = with_fds();
  cr_assert_eq(styx_req_cancel_fd(p->held[0]), 100);
  cr_assert_eq(styx_req_cancel_fd(p->held[0]), 100);
  cr_assert_eq(fds, 1);
  script_t(p, t_flush(4, 3));
  cr_assert_eq(signals, 1);
  styx_reply_interrupted(take(p));
  script_pump(p);
  cr_assert_eq(fds, 0);
  script_free(p);
}

Test(cancel, a_descriptor_made_after_the_flush_is_readable_at_once) {
  struct script *p = with_fds();
  script_t(p, t_flush(4, 3));
  cr_assert_eq(styx_req_cancel_fd(p->held[0]), 100);
  cr_assert_eq(signals, 1);
  script_free(p);
}

Test(cancel, without_a_hook_there_is_no_descriptor) {
  struct script *p = with_read();
  cr_assert_eq(styx_req_cancel_fd(p->held[0]), -1);
  script_free(p);
}

/* ---- answers from other threads ---- */

enum { READS = 200 };

static void *answer_all(void *arg) {
  struct script *p = arg;
  for (int i = 0; i < READS; i++)
    styx_reply_data(p->held[i], "t", 1);
  return NULL;
}

Test(replies, answers_from_another_thread_arrive_while_the_session_goes_on) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  for (uint16_t i = 0; i < READS; i++)
    script_t(p, t_read((uint16_t)(100 + i), 1, 0, 5));
  pthread_t thread;
  cr_assert_eq(pthread_create(&thread, NULL, answer_all, p), 0);
  for (uint16_t i = 0; i < READS; i++) {
    script_t(p, t_flush((uint16_t)(1000 + i), (uint16_t)(100 + i)));
    script_pump(p);
  }
  pthread_join(thread, NULL);
  for (int i = 0; i < READS; i++)
    p->held[i] = NULL;
  script_pump(p);
  cr_assert_eq(p->nlines - p->taken, 2 * READS);
  script_free(p);
}
