/* Faults that a hostile review found, one test each. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void release(void *arg) { ((struct script *)arg)->releases++; }

/* Take whatever is to be sent. */
static void drain(struct script *p) {
  styx_session_sent(p->s, styx_session_pending_bytes(p->s), p->now);
  script_pump(p);
}

Test(regress, a_cancellation_is_handed_out_before_the_work_that_waits) {
  struct script *p = script_new();
  script_open(p, 1, "f");
  p->hold = STYX_OP(read);
  p->arm = true;
  script_t(p, t_read(1, 1, 0, 10));
  for (uint16_t tag = 2; tag < 10; tag++)
    script_send(p, t_read(tag, 1, 0, 10));
  script_send(p, t_flush(20, 1));
  styx_work *first = styx_session_next(p->s);
  cr_assert_eq(styx_work_about(first).op, -1, "whoever has one thread for blocking work would never come to it");
  styx_work_run(first);
  cr_assert_eq(p->ncancelled, 1);
  styx_work *second = styx_session_next(p->s);
  cr_assert_eq(styx_work_about(second).op, STYX_OP_read);
  styx_work_run(second);
  script_free(p);
}

Test(regress, a_partial_message_is_not_late_because_reading_was_paused) {
  struct script *p = script_bare();
  p->limits.outbox = 1000;
  script_t(p, t_version(1024, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "f");
  drain(p);
  p->hold = STYX_OP(read);
  for (uint16_t tag = 1; tag <= 4; tag++)
    script_t(p, t_read(tag, 1, 0, 1000));
  styx_session_feed(p->s, "\x17\0\0", 3, p->now);
  char data[1000] = {0};
  for (int i = 0; i < 4; i++)
    styx_reply_data(script_take(p, i), data, sizeof data);
  script_pump(p);
  cr_assert_not(styx_session_wants_input(p->s));
  p->now += p->limits.partial + 1;
  drain(p);
  cr_assert(styx_session_wants_input(p->s));
  styx_session_tick(p->s, p->now);
  cr_assert_null(styx_session_ended(p->s), "%s", styx_session_ended(p->s));
  p->now += p->limits.partial;
  styx_session_tick(p->s, p->now);
  cr_assert_not_null(styx_session_ended(p->s), "from here on it is the peer's delay");
  script_free(p);
}

Test(regress, a_partial_message_is_not_late_because_a_reset_took_its_time) {
  struct script *p = script_new();
  p->limits.reset = UINT64_MAX;
  script_open(p, 1, "f");
  p->hold = STYX_OP(read);
  script_t(p, t_read(1, 1, 0, 10));
  script_t(p, t_version(8192, "9P2000"));
  styx_session_feed(p->s, "\x17\0\0", 3, p->now);
  p->now += 1;
  cr_assert_not(styx_session_wants_input(p->s));
  p->now += p->limits.partial;
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  cr_assert(styx_session_wants_input(p->s));
  styx_session_tick(p->s, p->now);
  cr_assert_null(styx_session_ended(p->s), "%s", styx_session_ended(p->s));
  script_free(p);
}

Test(regress, small_pieces_of_lent_memory_do_not_hold_a_hundred_times_their_size) {
  struct script *p = script_new();
  script_open(p, 1, "f");
  drain(p);
  p->hold = STYX_OP(read);
  int n = 0;
  for (; n < 20000 && styx_session_wants_input(p->s); n++) {
    p->nheld = 0;
    script_t(p, t_read(7, 1, 0, 1));
    cr_assert_eq(p->nheld, 1);
    styx_reply_ref(script_take(p, 0), "x", 1, release, p);
    script_pump(p);
    free(p->lines[--p->nlines]);
  }
  cr_assert_lt(p->live, 5 * (4 << 20), "%ld bytes are held for %d replies of 12 bytes", p->live, n);
  drain(p);
  cr_assert(styx_session_wants_input(p->s));
  cr_assert_eq(p->releases, n);
  script_free(p);
}

Test(regress, small_data_in_large_frames_does_not_hold_a_hundred_times_its_size) {
  struct script *p = script_bare();
  script_t(p, t_version(1 << 20, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "f");
  drain(p);
  p->hold = STYX_OP(read);
  for (int n = 0; n < 100 && styx_session_wants_input(p->s); n++) {
    size_t cap;
    p->nheld = 0;
    script_t(p, t_read(7, 1, 0, 1 << 20));
    styx_req *r = script_take(p, 0);
    memset(styx_req_room(r, &cap), 0, 1100);
    styx_reply_filled(r, 1100);
    script_pump(p);
  }
  cr_assert_lt(p->live, 30 << 20, "%ld bytes are held for %zu", p->live, styx_session_pending_bytes(p->s));
  script_free(p);
}

Test(regress, the_next_reader_of_a_directory_has_its_turn_though_the_one_before_was_refused_or_flushed) {
  struct script *p = script_new();
  p->hold = 0;
  script_open(p, 1, "d");
  script_t(p, t_walk(1, 0, 2, NULL));
  script_t(p, t_open(1, 2, STYX_OREAD));
  drain(p);
  p->taken = p->nlines;
  p->hold = STYX_OP(readdir);
  script_t(p, t_read(1, 2, 0, 4000));
  cr_assert_eq(p->nheld, 1);
  script_send(p, t_read(2, 2, 77777, 4000)); /* refused when its turn comes */
  script_send(p, t_read(3, 2, 0, 4000));     /* flushed before its turn */
  script_send(p, t_read(4, 2, 88888, 4000)); /* refused */
  script_send(p, t_read(5, 2, 0, 4000));
  script_t(p, t_flush(9, 3));
  cr_assert_str_eq(script_line(p), "Rflush tag 9");
  cr_assert_eq(p->nheld, 1, "one at a time");
  styx_reply_dir(script_take(p, 0));
  script_pump(p);
  cr_assert(strstr(script_line(p), "Rread tag 1"));
  cr_assert(strstr(script_line(p), "Rerror tag 2"));
  cr_assert(strstr(script_line(p), "Rerror tag 4"));
  cr_assert_eq(p->nheld, 2);
  script_send(p, t_read(6, 2, 0, 4000));
  styx_reply_dir(script_take(p, 1));
  styx_session_retire(p->s, p->now); /* 6 has the turn and is queued */
  script_t(p, t_flush(9, 6));
  script_t(p, t_read(7, 2, 0, 4000));
  cr_assert_eq(p->nheld, 3, "7 reads, 6 never did");
  script_free(p);
}

Test(regress, room_taken_for_an_answer_that_is_no_data_is_harmless) {
  struct script *p = script_new();
  size_t cap;
  p->hold = STYX_OP(getattr) | STYX_OP(readdir);
  script_t(p, t_fid(STYX_Tstat, 1, 0));
  styx_req *r = script_take(p, 0);
  styx_req_room(r, &cap);
  cr_assert_eq(cap, 0);
  styx_reply_attr(r, &(styx_attr){.name = STYX_STR("x")});
  script_pump(p);
  cr_assert(strstr(script_line(p), "Rstat tag 1"));
  p->hold = 0;
  script_t(p, t_walk(1, 0, 2, NULL));
  script_t(p, t_open(1, 2, STYX_OREAD));
  p->taken = p->nlines;
  p->hold = STYX_OP(readdir);
  script_t(p, t_read(3, 2, 0, 100));
  r = script_take(p, 1);
  styx_req_room(r, &cap);
  cr_assert(styx_dir_add(r, &(styx_dirent){.attr.name = STYX_STR("e"), .cookie = 1}));
  styx_reply_dir(r);
  script_pump(p);
  cr_assert(strstr(script_line(p), "Rread tag 3"));
  script_t(p, t_read(3, 2, 0, 100));
  r = script_take(p, 2);
  styx_req_room(r, &cap);
  styx_reply_dir(r);
  script_pump(p);
  cr_assert_eq(styx_session_pending_bytes(p->s) < 8192, 1);
  cr_assert(strstr(script_line(p), "Rread tag 3"));
  script_free(p);
}

/* ---- memory runs out for a reply, and comes back ---- */

struct scarce {
  bool fail;
};

static void *scarce_alloc(void *arg, size_t size) { return ((struct scarce *)arg)->fail ? NULL : malloc(size); }

static void scarce_free(void *arg, void *ptr, size_t size) {
  (void)arg, (void)size;
  free(ptr);
}

Test(regress, nothing_follows_a_reply_that_was_lost_for_want_of_memory) {
  struct script *p = script_bare();
  struct scarce scarce = {false};
  styx_allocator alloc = {scarce_alloc, scarce_free, &scarce};
  styx_session_config config = {.size = sizeof config, .exports = &p->export, .nexports = 1, .allocator = &alloc};
  config.hooks = &p->hooks;
  config.hook_arg = p;
  cr_assert_eq(styx_session_new(&p->s, &config, 0), STYX_OK);
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "f");
  p->hold = STYX_OP(read);
  /* Small replies are copied into a head, one of which is kept by now. When it is full the next needs another, while an
   * Rflush would still find room in it. */
  enum { FULL = 6, SMALL = 1000 };
  for (uint16_t tag = 1; tag <= FULL + 1; tag++)
    script_t(p, t_read(tag, 1, 0, SMALL));
  script_t(p, t_fid(STYX_Tstat, 100, 1));
  styx_session_sent(p->s, styx_session_pending_bytes(p->s), 0);
  script_t(p, t_flush(101, FULL + 1));
  p->taken = p->nlines;
  char data[SMALL] = {0};
  for (int i = 0; i <= FULL; i++)
    styx_reply_data(script_take(p, i), data, sizeof data);
  scarce.fail = true;
  script_pump(p);
  scarce.fail = false;
  cr_assert_not_null(styx_session_ended(p->s));
  for (int i = 0; i < FULL; i++)
    cr_assert(strncmp(script_line(p), "Rread", 5) == 0, "reply %d had room", i);
  cr_assert_str_eq(script_line(p), "", "an Rflush without its reply says that nothing has happened");
  script_free(p);
}

Test(regress, several_parked_clunks_may_be_flushed_in_any_order_and_each_has_its_way_cleared) {
  struct script *p = script_new();
  script_t(p, t_walk(1, 0, 1, "f"));
  p->taken = p->nlines;
  p->hold = STYX_OP(open);
  p->arm = true;
  script_t(p, t_open(1, 1, STYX_OREAD));
  script_send(p, t_fid(STYX_Tstat, 2, 1));
  script_send(p, t_fid(STYX_Tclunk, 3, 1));
  script_send(p, t_fid(STYX_Tstat, 4, 1));
  script_send(p, t_fid(STYX_Tclunk, 5, 1));
  script_send(p, t_fid(STYX_Tstat, 6, 1));
  script_t(p, t_flush(10, 3));
  cr_assert_str_eq(script_line(p), "Rerror tag 2 ename 'Interrupted system call'", "%s", p->lines[p->taken - 1]);
  cr_assert_eq(p->ncancelled, 1, "the open holds the fid");
  script_t(p, t_flush(11, 5));
  cr_assert(strstr(script_line(p), "Rerror tag 4"), "it stands between the two clunks");
  script_t(p, t_flush(12, 3));
  cr_assert_str_eq(script_line(p), "");
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  cr_assert(strstr(script_line(p), "Rerror tag 1"));
  cr_assert_str_eq(script_line(p), "Rclunk tag 3");
  cr_assert_str_eq(script_line(p), "Rflush tag 10");
  cr_assert_str_eq(script_line(p), "Rflush tag 12");
  cr_assert(strstr(script_line(p), "Rerror tag 5"), "the fid is gone");
  cr_assert_str_eq(script_line(p), "Rflush tag 11");
  cr_assert(strstr(script_line(p), "Rerror tag 6"), "it came behind them");
  script_free(p);
}
