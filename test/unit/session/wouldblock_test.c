/* wouldblock_test.c: operations that promise not to block, and say so when they would have to. The cells of the flush table are in
 * flushtable_test.c. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static void expect(struct script *p, const char *start) {
  const char *line = script_line(p);
  cr_assert_eq(strncmp(line, start, strlen(start)), 0, "'%s' instead of '%s'", line, start);
}

static void expect_nothing(struct script *p) { cr_assert_str_eq(script_line(p), ""); }

/* All operations are declared nowait; those of hold are held. Fid 1 is a file, open for reading and writing. */
static struct script *with_file(uint32_t hold) {
  struct script *p = script_new();
  script_t(p, t_walk(1, 0, 1, "file"));
  script_t(p, t_open(1, 1, STYX_ORDWR));
  p->taken = p->nlines;
  p->ops.nowait = UINT32_MAX;
  p->hold = hold;
  return p;
}

Test(wouldblock, what_has_promised_nothing_may_block) {
  struct script *p = with_file(STYX_OP(read));
  p->ops.nowait = ~STYX_OP(read);
  script_t(p, t_read(7, 1, 0, 100));
  cr_assert(styx_req_may_block(p->held[0]));
  script_free(p);
}

Test(wouldblock, it_is_called_again_where_it_may_block) {
  struct script *p = with_file(STYX_OP(read));
  script_send(p, t_read(7, 1, 0, 100));
  styx_work *w = styx_session_next(p->s);
  cr_assert_not(styx_work_about(w).may_block);
  styx_work_run(w);
  cr_assert_not(styx_req_may_block(p->held[0]));
  styx_reply_would_block(p->held[0]);
  cr_assert(styx_session_retire(p->s, p->now));
  w = styx_session_next(p->s);
  cr_assert(styx_work_about(w).may_block);
  cr_assert_eq(styx_work_about(w).op, STYX_OP_read);
  styx_work_run(w);
  cr_assert_eq(p->held[1], p->held[0]);
  cr_assert(styx_req_may_block(p->held[1]));
  styx_reply_data(p->held[1], "abc", 3);
  p->held[0] = p->held[1] = NULL;
  script_pump(p);
  expect(p, "Rread tag 7");
  expect_nothing(p);
  script_free(p);
}

Test(wouldblock, an_operation_that_may_block_cannot_say_so) {
  struct script *p = with_file(STYX_OP(read));
  script_t(p, t_read(7, 1, 0, 100));
  styx_reply_would_block(p->held[0]);
  script_pump(p);
  styx_reply_would_block(p->held[1]);
  p->held[0] = p->held[1] = NULL;
  script_pump(p);
  expect(p, "Rerror tag 7 ename 'Input/output error'");
  script_free(p);
}

Test(wouldblock, the_room_for_data_is_the_same_the_second_time) {
  struct script *p = with_file(STYX_OP(read));
  size_t cap;
  script_t(p, t_read(7, 1, 0, 100));
  void *room = styx_req_room(p->held[0], &cap);
  styx_reply_would_block(p->held[0]);
  script_pump(p);
  cr_assert_eq(styx_req_room(p->held[1], &cap), room);
  cr_assert_eq(cap, 100);
  memcpy(room, "abc", 3);
  styx_reply_filled(p->held[1], 3);
  p->held[0] = p->held[1] = NULL;
  script_pump(p);
  expect(p, "Rread tag 7 count 3");
  script_free(p);
}

enum { ENTRY = 54 }; /* bytes of an entry of the scripted filesystem */

Test(wouldblock, directory_entries_that_were_prepared_are_forgotten) {
  struct script *p = script_new();
  script_open(p, 1, "dir");
  p->ops.nowait = STYX_OP(readdir);
  script_t(p, t_read(3, 1, 0, 100)); /* the first entry */
  expect(p, "Rread tag 3");
  p->hold = STYX_OP(readdir);
  script_t(p, t_read(4, 1, ENTRY, 100));
  cr_assert_eq(p->nheld, 1);
  cr_assert(styx_dir_add(p->held[0], &(styx_dirent){.attr.name = {"no", 2}, .cookie = 100}));
  cr_assert_not(styx_dir_add(p->held[0], &(styx_dirent){.attr.name = {"no", 2}, .cookie = 200}));
  p->hold = 0;
  styx_reply_would_block(p->held[0]);
  p->held[0] = NULL;
  script_pump(p);
  const char *line = script_line(p);
  cr_assert_eq(strncmp(line, "Rread tag 4 count 54 ", 21), 0, "%s", line);
  script_t(p, t_read(5, 1, 2 * ENTRY, 100));
  expect(p, "Rread tag 5 count 54 "); /* the third: its cookie was that of the second entry */
  script_t(p, t_read(6, 1, 3 * ENTRY, 100));
  expect(p, "Rread tag 6 count 0");
  script_free(p);
}

Test(wouldblock, each_element_of_a_walk_tries_again_without) {
  struct script *p = with_file(STYX_OP(walk));
  styx_msg m = t_walk(7, 0, 2, "d1");
  m.nwname = 2;
  m.wname[1] = styx_str_of("f");
  script_t(p, m);
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(p->nheld, i + 1);
    cr_assert_eq(styx_req_may_block(p->held[i]), i & 1);
    styx_req *r = p->held[i];
    p->held[i] = NULL;
    p->nodes += i & 1;
    if (i & 1)
      styx_reply_node(r, p, (styx_qid){i == 1 ? STYX_QTDIR : 0, 0, 1000});
    else
      styx_reply_would_block(r);
    script_pump(p);
  }
  expect(p, "Rwalk tag 7 nwqid 2");
  script_free(p);
}

Test(wouldblock, a_second_answer_before_it_runs_again_is_dropped) {
  struct script *p = with_file(STYX_OP(read));
  script_t(p, t_read(7, 1, 0, 100));
  styx_reply_would_block(p->held[0]);
  styx_reply_would_block(p->held[0]);
  styx_reply_error(p->held[0], EIO);
  cr_assert_eq(styx_session_inspect(p->s).duplicate_answers, 2);
  p->hold = 0;
  p->held[0] = NULL;
  script_pump(p);
  expect(p, "Rread tag 7");
  expect_nothing(p);
  script_free(p);
}

/* ---- a filesystem in front ---- */

static styx_fs behind;
static int asked;

static styx_answer front_any(styx_req *r, enum styx_op op) {
  asked += op == STYX_OP_read;
  return styx_pass(r, &behind);
}

static styx_err front_close(void *ctx, void *node, void *handle) {
  (void)ctx;
  return behind.ops->close(behind.ctx, node, handle);
}

static void front_forget(void *ctx, void *node) {
  (void)ctx;
  behind.ops->forget(behind.ctx, node);
}

static struct script *with_front(uint32_t nowait) {
  static styx_fs_ops front;
  front = (styx_fs_ops){
      .size = sizeof front, .nowait = nowait, .close = front_close, .forget = front_forget, .any = front_any};
  struct script *p = script_bare();
  behind = p->export.fs;
  p->export.fs = (styx_fs){&front, NULL};
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  p->ops.nowait = UINT32_MAX;
  p->hold = STYX_OP(read);
  asked = 0;
  script_t(p, t_read(7, 1, 0, 100));
  return p;
}

Test(wouldblock, one_in_front_is_not_asked_again) {
  struct script *p = with_front(STYX_OP(read));
  cr_assert_not(styx_req_may_block(p->held[0]));
  styx_reply_would_block(p->held[0]);
  script_pump(p);
  cr_assert_eq(p->nheld, 2);
  cr_assert(styx_req_may_block(p->held[1]));
  cr_assert_eq(styx_req_ctx(p->held[1]), p, "the context is that of whoever is called");
  cr_assert_eq(asked, 1);
  styx_reply_data(p->held[1], "abc", 3);
  p->held[0] = p->held[1] = NULL;
  script_pump(p);
  expect(p, "Rread tag 7");
  script_free(p);
}

Test(wouldblock, one_in_front_that_has_promised_nothing_counts) {
  struct script *p = with_front(0);
  cr_assert(styx_req_may_block(p->held[0]));
  script_free(p);
}
