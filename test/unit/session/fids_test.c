/* fids_test.c: order of requests on fids, pipelining, pins, and exactly-once close and forget. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static void expect(struct script *p, const char *line) { cr_assert_str_eq(script_line(p), line); }

static void expect_start(struct script *p, const char *start) {
  const char *line = script_line(p);
  cr_assert_eq(strncmp(line, start, strlen(start)), 0, "got: %s", line);
}

Test(fids, walk_open_read_clunk_of_a_new_fid_in_one_packet_get_four_right_answers) {
  struct script *p = script_new();
  script_send(p, t_walk(1, 0, 5, "file"));
  script_send(p, t_open(2, 5, STYX_OREAD));
  script_send(p, t_read(3, 5, 0, 100));
  script_send(p, t_fid(STYX_Tclunk, 4, 5));
  script_pump(p);
  expect_start(p, "Rwalk tag 1 nwqid 1");
  expect_start(p, "Ropen tag 2");
  expect(p, "Rclunk tag 4"); /* waits for no use: the read keeps the handle until it is answered */
  expect(p, "Rread tag 3 count 8 data 'contents'");
  cr_assert_eq(p->closes, 1);
  cr_assert_eq(styx_session_inspect(p->s).fids, 1);
  script_free(p);
}

Test(fids, requests_behind_a_failed_walk_get_bad_fid) {
  struct script *p = script_new();
  script_send(p, t_walk(1, 0, 5, "none"));
  script_send(p, t_open(2, 5, STYX_OREAD));
  script_send(p, t_fid(STYX_Tclunk, 3, 5));
  script_pump(p);
  expect(p, "Rerror tag 1 ename 'file does not exist'");
  expect(p, "Rerror tag 2 ename 'bad fid'");
  expect(p, "Rerror tag 3 ename 'bad fid'");
  script_free(p);
}

Test(fids, a_number_can_be_made_again_right_behind_its_clunk) {
  struct script *p = script_new();
  script_open(p, 5, "file");
  script_send(p, t_fid(STYX_Tclunk, 1, 5));
  script_send(p, t_walk(2, 0, 5, "d"));
  script_send(p, t_fid(STYX_Tstat, 3, 5));
  script_pump(p);
  expect(p, "Rclunk tag 1");
  expect_start(p, "Rwalk tag 2");
  expect_start(p, "Rstat tag 3");
  script_free(p);
}

Test(fids, a_clunk_behind_a_parked_walk_from_the_same_fid_does_not_overtake_it) {
  struct script *p = script_new();
  script_t(p, t_walk(1, 0, 2, NULL));
  p->hold = 1u << STYX_OP_walk;
  script_t(p, t_walk(1, 0, 3, "file")); /* fid 3 is being made */
  script_t(p, t_walk(2, 2, 3, NULL));   /* uses 2, waits for 3 */
  script_t(p, t_fid(STYX_Tclunk, 4, 2));
  p->taken = p->nlines - 1;
  expect(p, "Rclunk tag 4");
  styx_reply_error(script_take(p, 0), ENOENT);
  script_pump(p);
  expect(p, "Rerror tag 1 ename 'file does not exist'");
  expect(p, "Rwalk tag 2 nwqid 0");
  script_free(p);
}

Test(fids, uses_run_in_parallel) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  for (uint16_t t = 10; t < 14; t++)
    script_t(p, t_read(t, 1, 0, 1));
  cr_assert_eq(p->nheld, 4);
  script_free(p);
}

Test(fids, reads_of_a_directory_fid_are_serial) {
  struct script *p = script_new();
  script_open(p, 1, "d");
  p->hold = 1u << STYX_OP_readdir;
  script_t(p, t_read(10, 1, 0, 500));
  script_t(p, t_read(11, 1, 0, 500));
  script_t(p, t_read(12, 1, 0, 500));
  cr_assert_eq(p->nheld, 1);
  script_t(p, t_flush(20, 11)); /* parked: leaves the line */
  expect(p, "Rflush tag 20");
  styx_reply_dir(script_take(p, 0));
  script_pump(p);
  expect(p, "Rread tag 10 count 0 data ''");
  cr_assert_eq(p->nheld, 2);
  styx_reply_dir(script_take(p, 1));
  script_pump(p);
  expect(p, "Rread tag 12 count 0 data ''");
  script_free(p);
}

Test(fids, a_directory_read_that_was_flushed_does_not_move_the_cursor) {
  struct script *p = script_new();
  script_open(p, 1, "d");
  script_t(p, t_read(10, 1, 0, 60)); /* one entry of 54 bytes */
  expect_start(p, "Rread tag 10 count 54");
  p->hold = 1u << STYX_OP_readdir;
  script_t(p, t_read(11, 1, 54, 60));
  script_t(p, t_flush(20, 11));
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rflush tag 20");
  p->hold = 0;
  script_t(p, t_read(12, 1, 108, 60));
  expect(p, "Rerror tag 12 ename 'read/write -- bad offset'");
  script_t(p, t_read(12, 1, 54, 60));
  expect_start(p, "Rread tag 12 count 54");
  script_t(p, t_read(12, 1, 108, 600));
  expect_start(p, "Rread tag 12 count 54");
  script_t(p, t_read(12, 1, 162, 600));
  expect_start(p, "Rread tag 12 count 0");
  script_t(p, t_read(12, 1, 0, 600));
  expect_start(p, "Rread tag 12 count 162");
  script_free(p);
}

Test(fids, a_first_directory_entry_larger_than_count_is_an_error_a_later_one_waits) {
  struct script *p = script_new();
  script_open(p, 1, "d");
  script_t(p, t_read(10, 1, 0, 50));
  expect(p, "Rerror tag 10 ename 'directory entry larger than count'");
  script_t(p, t_read(10, 1, 0, 60));
  expect_start(p, "Rread tag 10 count 54");
  script_t(p, t_read(10, 1, 54, 6)); /* what was left of Linux's buffer: nothing now, and nothing is lost */
  expect(p, "Rread tag 10 count 0 data ''");
  script_t(p, t_read(10, 1, 54, 600));
  expect_start(p, "Rread tag 10 count 108");
  script_free(p);
}

static styx_answer long_second_name(styx_req *r, void *node, void *handle, uint64_t cookie) {
  (void)node, (void)handle;
  static char name[240];
  memset(name, 'n', sizeof name);
  for (; cookie < 2; cookie++)
    if (!styx_dir_add(r, &(styx_dirent){.attr.name = {name, cookie ? sizeof name : 2}, .cookie = cookie + 1}))
      break;
  return styx_reply_dir(r);
}

Test(fids, a_directory_entry_that_no_read_can_carry_does_not_pass_for_the_end) {
  struct script *p = script_bare();
  styx_fs_ops ops = *p->export.fs.ops;
  ops.readdir = long_second_name;
  p->export.fs.ops = &ops;
  script_t(p, t_version(256, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "d");
  p->taken = p->nlines;
  script_t(p, t_read(10, 1, 0, 4096));
  expect_start(p, "Rread tag 10 count 54");
  script_t(p, t_read(10, 1, 54, 4096));
  expect(p, "Rerror tag 10 ename 'directory entry larger than count'");
  script_free(p);
}

Test(fids, clunk_carries_the_error_of_close_and_the_fid_is_gone) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->close_err = ENOSPC;
  script_t(p, t_fid(STYX_Tclunk, 2, 1));
  expect(p, "Rerror tag 2 ename 'No space left on device'");
  script_t(p, t_fid(STYX_Tclunk, 2, 1));
  expect(p, "Rerror tag 2 ename 'bad fid'");
  script_free(p);
}

Test(fids, clunk_does_not_wait_for_a_read_and_close_does) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  script_t(p, t_read(3, 1, 0, 10));
  script_t(p, t_fid(STYX_Tclunk, 4, 1));
  expect(p, "Rclunk tag 4");
  cr_assert_eq(p->closes, 0);
  styx_reply_data(script_take(p, 0), "z", 1);
  script_pump(p);
  expect(p, "Rread tag 3 count 1 data 'z'");
  cr_assert_eq(p->closes, 1);
  cr_assert_eq(p->forgets, 1);
  script_free(p);
}

Test(fids, a_clone_shares_the_node_and_forget_runs_once) {
  struct script *p = script_new();
  script_t(p, t_walk(1, 0, 1, "file"));
  script_t(p, t_walk(1, 1, 2, NULL));
  script_t(p, t_fid(STYX_Tclunk, 1, 1));
  cr_assert_eq(p->forgets, 0);
  script_t(p, t_fid(STYX_Tclunk, 1, 2));
  cr_assert_eq(p->forgets, 1);
  script_free(p);
}

Test(fids, a_partial_walk_changes_nothing) {
  struct script *p = script_new();
  styx_msg m = t_walk(1, 0, 5, "d1");
  m.nwname = 3;
  m.wname[1] = styx_str_of("none");
  m.wname[2] = styx_str_of("x");
  script_t(p, m);
  expect_start(p, "Rwalk tag 1 nwqid 1");
  script_t(p, t_fid(STYX_Tstat, 2, 5));
  expect(p, "Rerror tag 2 ename 'bad fid'");
  m.newfid = 0; /* onto itself: stays where it was */
  script_t(p, m);
  expect_start(p, "Rwalk tag 1 nwqid 1");
  script_t(p, t_walk(3, 0, 6, "d2"));
  expect_start(p, "Rwalk tag 3 nwqid 1");
  script_free(p);
}

Test(fids, a_walk_onto_itself_moves_the_fid) {
  struct script *p = script_new();
  script_t(p, t_walk(1, 0, 1, "d"));
  script_t(p, t_walk(1, 1, 1, "file"));
  p->taken = p->nlines;
  script_t(p, t_walk(1, 1, 2, "x"));
  expect(p, "Rerror tag 1 ename 'not a directory'");
  script_free(p);
}

Test(fids, dotdot_at_the_root_of_the_attach_stays_there) {
  struct script *p = script_new();
  int calls = p->calls;
  styx_msg m = t_walk(1, 0, 5, "..");
  m.nwname = 2;
  m.wname[1] = styx_str_of("..");
  script_t(p, m);
  expect_start(p, "Rwalk tag 1 nwqid 2");
  cr_assert_eq(p->calls, calls, "the filesystem is not asked");
  script_free(p);
}

Test(fids, open_fids_cannot_be_walked_or_opened_again) {
  struct script *p = script_new();
  script_open(p, 1, "d");
  script_t(p, t_walk(1, 1, 2, "x"));
  expect(p, "Rerror tag 1 ename 'fid already opened'");
  script_t(p, t_open(1, 1, STYX_OREAD));
  expect(p, "Rerror tag 1 ename 'fid already opened'");
  script_t(p, t_create(1, 1, "n", 0644, STYX_OWRITE));
  expect(p, "Rerror tag 1 ename 'fid already opened'");
  script_free(p);
}

Test(fids, newfid_in_use_and_nofid_are_refused) {
  struct script *p = script_new();
  script_t(p, t_walk(1, 0, 1, "x"));
  script_line(p);
  script_t(p, t_walk(1, 0, 1, "y"));
  expect(p, "Rerror tag 1 ename 'fid already in use'");
  script_t(p, t_walk(1, 0, STYX_NOFID, "y"));
  expect(p, "Rerror tag 1 ename 'bad fid'");
  script_t(p, t_attach(1, 0));
  expect(p, "Rerror tag 1 ename 'fid already in use'");
  script_free(p);
}

Test(fids, create_moves_the_fid_and_a_failed_one_leaves_it) {
  struct script *p = script_new();
  script_t(p, t_walk(1, 0, 1, NULL));
  script_line(p);
  p->hold = 1u << STYX_OP_create;
  script_t(p, t_create(2, 1, "new", 0644, STYX_ORDWR));
  styx_reply_error(script_take(p, 0), EEXIST);
  script_pump(p);
  expect(p, "Rerror tag 2 ename 'file already exists'");
  p->hold = 0;
  script_t(p, t_create(2, 1, "new", 0644, STYX_ORDWR));
  expect_start(p, "Rcreate tag 2");
  script_t(p, t_write(3, 1, 0, "abc"));
  expect(p, "Rwrite tag 3 count 3");
  script_free(p);
}

Test(fids, remove_frees_the_fid_even_when_it_fails) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_remove;
  script_t(p, t_fid(STYX_Tremove, 2, 1));
  styx_reply_error(script_take(p, 0), EACCES);
  script_pump(p);
  expect(p, "Rerror tag 2 ename 'permission denied'");
  cr_assert_eq(p->closes, 1);
  script_t(p, t_fid(STYX_Tstat, 3, 1));
  expect(p, "Rerror tag 3 ename 'bad fid'");
  script_free(p);
}

Test(fids, a_read_only_export_refuses_every_change) {
  struct script *p = script_bare();
  p->export.readonly = true;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_t(p, t_walk(1, 0, 1, "file"));
  script_t(p, t_walk(1, 0, 2, "file"));
  p->taken = p->nlines;
  static const uint8_t modes[] = {STYX_OWRITE, STYX_ORDWR, STYX_OREAD | STYX_OTRUNC, STYX_OREAD | STYX_ORCLOSE};
  for (size_t i = 0; i < sizeof modes; i++) {
    script_t(p, t_open(1, 1, modes[i]));
    expect(p, "Rerror tag 1 ename 'Read-only file system'");
  }
  script_t(p, t_create(1, 0, "n", 0644, STYX_OREAD));
  expect(p, "Rerror tag 1 ename 'Read-only file system'");
  styx_msg m = {.type = STYX_Twstat, .tag = 1, .fid = 1, .stat = styx_stat_untouched()};
  script_t(p, m);
  expect(p, "Rwstat tag 1"); /* nothing touched: a sync */
  m.stat.mode = 0600;
  script_t(p, m);
  expect(p, "Rerror tag 1 ename 'Read-only file system'");
  script_t(p, t_fid(STYX_Tremove, 1, 2));
  expect(p, "Rerror tag 1 ename 'Read-only file system'");
  script_t(p, t_fid(STYX_Tstat, 1, 2));
  expect(p, "Rerror tag 1 ename 'bad fid'");
  script_free(p);
}

Test(fids, an_attach_by_names_too_long_to_be_kept_is_refused) {
  struct script *p = script_new();
  static char name[300];
  memset(name, 'n', sizeof name - 1);
  const int calls = p->calls;
  styx_msg t = t_attach(1, 1);
  t.uname = styx_str_of(name);
  script_t(p, t);
  cr_assert_str_eq(script_line(p), "Rerror tag 1 ename 'File name too long'");
  cr_assert_eq(p->calls, calls);
  t.uname.len = 255;
  script_t(p, t);
  cr_assert_eq(strncmp(script_line(p), "Rattach tag 1", 13), 0);
  script_free(p);
}
