/* pass_test.c: a filesystem in front of another: what it passes on, at once and later, and the paths it sees. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { KEPT = 8, SEEN = 32 };

struct front {
  styx_fs inner;
  uint32_t keep; /* STYX_OP bits: these are kept, everything else is passed on */
  styx_req *kept[KEPT];
  int nkept;
  char seen[SEEN][64]; /* operation and path of each */
  int nseen;
};

static struct front front;

static styx_answer front_any(styx_req *r, enum styx_op op) {
  struct front *f = styx_req_ctx(r);
  styx_str path = styx_req_path(r);
  snprintf(f->seen[f->nseen++ % SEEN], sizeof f->seen[0], "%d %.*s", (int)op, (int)path.len, path.s);
  if (!(f->keep >> op & 1))
    return styx_pass(r, &f->inner);
  f->kept[f->nkept++] = r;
  return styx_later(r);
}

static styx_err front_close(void *ctx, void *node, void *handle) {
  struct front *f = ctx;
  return f->inner.ops->close(f->inner.ctx, node, handle);
}

static void front_forget(void *ctx, void *node) {
  struct front *f = ctx;
  f->inner.ops->forget(f->inner.ctx, node);
}

static const styx_fs_ops front_ops = {
    .size = sizeof front_ops, .close = front_close, .forget = front_forget, .any = front_any, .paths = true};

/* As script_new, behind the front. */
static struct script *with_front(const styx_fs_ops *ops) {
  struct script *p = script_bare();
  front = (struct front){.inner = p->export.fs};
  p->export.fs = (styx_fs){ops, &front};
  script_t(p, t_version(8192, "9P2000"));
  cr_assert_str_eq(script_line(p), "Rversion tag NOTAG msize 8192 version '9P2000'");
  script_t(p, t_attach(1, 0));
  cr_assert_eq(strncmp(script_line(p), "Rattach tag 1", 13), 0);
  return p;
}

static void expect(struct script *p, const char *start) {
  const char *line = script_line(p);
  cr_assert_eq(strncmp(line, start, strlen(start)), 0, "%s", line);
}

static void expect_nothing(struct script *p) { cr_assert_str_eq(script_line(p), ""); }

/* A read of fid 1 under tag 7, which the front has. */
static struct script *with_read(void) {
  struct script *p = with_front(&front_ops);
  script_open(p, 1, "file");
  front.keep = STYX_OP(read);
  script_t(p, t_read(7, 1, 0, 100));
  cr_assert_eq(front.nkept, 1);
  expect_nothing(p);
  return p;
}

Test(pass, at_once_every_operation_reaches_the_other_with_its_own_context) {
  struct script *p = with_front(&front_ops);
  script_t(p, t_walk(2, 0, 1, "dir"));
  expect(p, "Rwalk tag 2");
  script_t(p, t_create(3, 1, "new", 0644, STYX_ORDWR));
  expect(p, "Rcreate tag 3");
  script_t(p, t_write(4, 1, 0, "text"));
  expect(p, "Rwrite tag 4 count 4");
  script_t(p, t_read(5, 1, 0, 10));
  expect(p, "Rread tag 5");
  script_t(p, t_fid(STYX_Tstat, 6, 1));
  expect(p, "Rstat tag 6");
  script_t(p, t_fid(STYX_Tclunk, 7, 1));
  expect(p, "Rclunk tag 7");
  cr_assert_eq(p->closes, 1);
  script_free(p);
}

Test(pass, later_the_operation_is_called_when_its_turn_comes) {
  struct script *p = with_read();
  int before = p->calls;
  styx_reply_pass(front.kept[0], &front.inner);
  cr_assert_eq(p->calls, before, "a reply call never calls a filesystem");
  script_pump(p);
  expect(p, "Rread tag 7");
  cr_assert_eq(front.nkept, 1, "the front is not asked again");
  script_free(p);
}

Test(pass, later_a_request_that_was_flushed_never_reaches_the_other) {
  struct script *p = with_read();
  int before = p->calls;
  script_t(p, t_flush(8, 7));
  expect_nothing(p);
  cr_assert(styx_req_cancelled(front.kept[0]));
  styx_reply_pass(front.kept[0], &front.inner);
  script_pump(p);
  expect(p, "Rflush tag 8");
  expect_nothing(p);
  cr_assert_eq(p->calls, before);
  script_free(p);
}

Test(pass, later_a_flush_may_still_come_while_it_waits_for_its_turn) {
  struct script *p = with_read();
  int before = p->calls;
  styx_reply_pass(front.kept[0], &front.inner);
  cr_assert(styx_session_retire(p->s, p->now));
  script_send(p, t_flush(8, 7));
  script_pump(p);
  expect(p, "Rflush tag 8");
  expect_nothing(p);
  cr_assert_eq(p->calls, before);
  script_free(p);
}

Test(pass, later_a_flush_while_the_other_runs_is_told_to_the_other) {
  struct script *p = with_read();
  p->hold = STYX_OP(read);
  styx_reply_pass(front.kept[0], &front.inner);
  script_pump(p);
  cr_assert_eq(p->nheld, 1);
  script_t(p, t_flush(8, 7));
  expect_nothing(p);
  cr_assert(styx_req_cancelled(p->held[0]));
  styx_reply_data(p->held[0], "abc", 3);
  p->held[0] = NULL;
  script_pump(p);
  expect(p, "Rread tag 7");
  expect(p, "Rflush tag 8");
  script_free(p);
}

Test(pass, later_a_remove_runs_although_it_was_flushed) {
  struct script *p = with_front(&front_ops);
  script_t(p, t_walk(2, 0, 1, "file"));
  expect(p, "Rwalk tag 2");
  front.keep = STYX_OP(remove);
  script_t(p, t_fid(STYX_Tremove, 7, 1));
  script_t(p, t_flush(8, 7));
  expect_nothing(p);
  styx_reply_pass(front.kept[0], &front.inner);
  script_pump(p);
  expect(p, "Rremove tag 7");
  expect(p, "Rflush tag 8");
  script_free(p);
}

Test(pass, later_a_walk_goes_on_with_its_other_elements) {
  struct script *p = with_front(&front_ops);
  styx_msg m = {.type = STYX_Twalk, .tag = 2, .fid = 0, .newfid = 1, .nwname = 3};
  m.wname[0] = styx_str_of("d1");
  m.wname[1] = styx_str_of("d2");
  m.wname[2] = styx_str_of("f");
  front.keep = STYX_OP(walk);
  script_t(p, m);
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(front.nkept, i + 1);
    expect_nothing(p);
    styx_reply_pass(front.kept[i], &front.inner);
    script_pump(p);
  }
  expect(p, "Rwalk tag 2 nwqid 3");
  script_free(p);
}

Test(pass, after_a_hangup_what_is_passed_on_is_over) {
  struct script *p = with_read();
  int before = p->calls;
  styx_session_hangup(p->s);
  styx_reply_pass(front.kept[0], &front.inner);
  script_pump(p);
  expect_nothing(p);
  cr_assert_eq(p->calls, before);
  script_free(p);
}

Test(pass, after_a_hangup_a_remove_that_is_passed_on_runs_all_the_same) {
  struct script *p = with_front(&front_ops);
  script_t(p, t_walk(2, 0, 1, "file"));
  expect(p, "Rwalk tag 2");
  front.keep = STYX_OP(remove);
  script_t(p, t_fid(STYX_Tremove, 7, 1));
  int before = p->calls;
  styx_session_hangup(p->s);
  styx_reply_pass(front.kept[0], &front.inner);
  script_pump(p);
  cr_assert_eq(p->calls, before + 1);
  script_free(p);
}

Test(pass, a_second_answer_is_dropped_and_counted) {
  struct script *p = with_read();
  styx_reply_pass(front.kept[0], &front.inner);
  styx_reply_pass(front.kept[0], &front.inner);
  styx_reply_error(front.kept[0], EIO);
  script_pump(p);
  expect(p, "Rread tag 7");
  expect_nothing(p);
  cr_assert_eq(styx_session_inspect(p->s).duplicate_answers, 2);
  script_free(p);
}

Test(pass, the_table_in_front_is_what_work_is_sorted_by) {
  struct script *p = with_read();
  styx_reply_pass(front.kept[0], &front.inner);
  styx_session_retire(p->s, p->now);
  styx_work *w = styx_session_next(p->s);
  cr_assert_not_null(w);
  cr_assert_eq(styx_work_about(w).fs, &p->export.fs);
  cr_assert_eq(styx_work_about(w).op, STYX_OP_read);
  styx_work_run(w);
  script_pump(p);
  expect(p, "Rread tag 7");
  script_free(p);
}

/* ---- paths ---- */

static void saw(enum styx_op op, const char *path) {
  char line[64];
  snprintf(line, sizeof line, "%d %s", (int)op, path);
  cr_assert_str_eq(front.seen[(front.nseen - 1) % SEEN], line);
}

Test(pass, paths_are_those_of_the_file_that_is_meant) {
  struct script *p = with_front(&front_ops);
  saw(STYX_OP_attach, "/");
  script_t(p, t_walk(2, 0, 1, "d1"));
  saw(STYX_OP_walk, "/d1");
  script_t(p, t_walk(2, 1, 1, "d2"));
  saw(STYX_OP_walk, "/d1/d2");
  script_t(p, t_walk(2, 1, 2, ".."));
  saw(STYX_OP_walk, "/d1");
  script_t(p, t_walk(2, 2, 3, NULL));
  script_t(p, t_fid(STYX_Tstat, 2, 3));
  saw(STYX_OP_getattr, "/d1");
  script_t(p, t_walk(2, 0, 4, "d1"));
  script_t(p, t_create(2, 4, "new", 0644, STYX_ORDWR));
  saw(STYX_OP_create, "/d1/new");
  script_t(p, t_read(2, 4, 0, 10));
  saw(STYX_OP_read, "/d1/new");
  script_t(p, t_walk(2, 0, 5, "d3"));
  script_t(p, t_walk(2, 5, 5, ".."));
  saw(STYX_OP_walk, "/");
  script_t(p, t_fid(STYX_Tremove, 2, 1));
  saw(STYX_OP_remove, "/d1/d2");
  script_free(p);
}

Test(pass, a_path_that_is_too_long_is_not_kept_and_the_walk_goes_well) {
  struct script *p = with_front(&front_ops);
  char name[201];
  memset(name, 'd', 200);
  name[200] = '\0';
  script_t(p, t_walk(2, 0, 1, name));
  for (size_t len = 201; len + 201 <= 4096; len += 201)
    script_t(p, t_walk(2, 1, 1, name));
  cr_assert_eq(front.seen[(front.nseen - 1) % SEEN][3], 'd');
  for (int i = 0; i < 2; i++) {
    script_t(p, t_walk(2, 1, 1, i ? ".." : name));
    saw(STYX_OP_walk, "");
  }
  script_t(p, t_fid(STYX_Tstat, 3, 1));
  saw(STYX_OP_getattr, "");
  script_free(p);
}

Test(pass, paths_that_nobody_asked_for_are_not_kept) {
  styx_fs_ops ops = front_ops;
  ops.paths = false;
  struct script *p = with_front(&ops);
  saw(STYX_OP_attach, "");
  script_t(p, t_walk(2, 0, 1, "d1"));
  saw(STYX_OP_walk, "");
  script_free(p);
}

Test(pass, a_table_that_ends_before_the_new_slots_is_served_as_before) {
  styx_fs_ops ops = front_ops;
  ops.size = offsetof(styx_fs_ops, any);
  struct script *p = script_bare();
  p->export.fs = (styx_fs){&ops, &front};
  script_t(p, t_version(8192, "9P2000"));
  expect(p, "Rversion");
  script_t(p, t_attach(1, 0));
  expect(p, "Rerror tag 1 ename 'file does not exist'");
  script_free(p);
}
