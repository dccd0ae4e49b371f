/* whole_test.c: programs that see every request (fs.h, request), by the session alone: what they may answer, and in what order. */
#include "support/pipe9.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { QUESTIONS = 16, LONG = 2000 };

/* Answers what makes and drops fids; the rest is the test's. */
struct program {
  styx_answer (*answer)(styx_req *, const styx_msg *t);
  int calls, made, forgotten;
  styx_req *kept[QUESTIONS];
  int nkept;
  styx_err err; /* of what is prepared */
};

static styx_answer keep(styx_req *r, const styx_msg *t) {
  struct program *g = styx_req_ctx(r);
  (void)t;
  g->kept[g->nkept++] = r;
  return styx_later(r);
}

static styx_answer make(styx_req *r, uint8_t type, styx_qid qid) {
  struct program *g = styx_req_ctx(r);
  const styx_msg reply = {.type = type, .qid = qid, .iounit = 100};
  g->made += styx_req_make(r, g, qid);
  return styx_reply_msg(r, &reply);
}

static styx_answer request(styx_req *r, const styx_msg *t) {
  struct program *g = styx_req_ctx(r);
  g->calls++;
  switch (t->type) {
  case STYX_Tattach:
    return make(r, STYX_Rattach, (styx_qid){.type = STYX_QTDIR});
  case STYX_Topen:
    return make(r, STYX_Ropen, (styx_qid){.type = STYX_QTDIR});
  case STYX_Tclunk:
    return styx_reply_ok(r);
  default:
    return g->answer(r, t);
  }
}

static void forget(void *ctx, void *node) {
  struct program *g = ctx;
  cr_assert_eq(node, g);
  g->forgotten++;
}

static const styx_fs_ops ops = {.size = sizeof ops, .name = "whole", .request = request, .forget = forget};

/* Fid 0 is a directory, open for reading. */
static struct p9 *begin(struct program *g, styx_answer (*answer)(styx_req *, const styx_msg *)) {
  *g = (struct program){.answer = answer};
  struct p9 *p = p9_new_fs((styx_fs){&ops, g});
  cr_assert_eq(p9_attach(p, 0, "glenda", ""), 0);
  cr_assert_eq(p9_open(p, 0, STYX_OREAD), 0);
  return p;
}

static void end(struct p9 *p, const struct program *g) {
  p9_free(p);
  cr_assert_eq(g->made, g->forgotten);
}

static styx_answer make_and_answer_by_another(styx_req *r, const styx_msg *t) {
  struct program *g = styx_req_ctx(r);
  (void)t;
  g->made += styx_req_make(r, g, (styx_qid){0});
  return styx_reply_node(r, &g->made, (styx_qid){0});
}

Test(whole, what_was_made_is_given_back_whatever_the_answer_that_no_request_may_have) {
  struct program g;
  struct p9 *p = begin(&g, make_and_answer_by_another);
  cr_assert_eq(p9_walk(p, 0, 1, ""), EIO);
  cr_assert_eq(g.made, 3);
  cr_assert_eq(g.forgotten, 2); /* and what fid 0 was before it was opened */
  end(p, &g);
}

/* ---- answers in several steps ---- */

static styx_err prepare_read(styx_req *r, uint32_t count) {
  static uint8_t data[LONG];
  memset(data, 'a', sizeof data);
  const styx_msg reply = {.type = STYX_Rread, .count = count, .data = data};
  return styx_req_prepare(r, &reply);
}

static styx_answer short_then_long(styx_req *r, const styx_msg *t) {
  static const char data[LONG] = {'b'};
  (void)t;
  cr_assert_eq(prepare_read(r, 1), 0);
  return styx_reply_data(r, data, sizeof data);
}

Test(whole, what_is_answered_may_be_longer_than_what_was_prepared_before) {
  struct program g;
  struct p9 *p = begin(&g, short_then_long);
  char got[LONG];
  uint32_t n = 0;
  cr_assert_eq(p9_read(p, 0, 0, got, sizeof got, &n), 0);
  cr_assert_eq(n, LONG);
  cr_assert_eq(got[0], 'b');
  cr_assert_eq(got[LONG - 1], 0);
  end(p, &g);
}

static styx_answer short_then_room(styx_req *r, const styx_msg *t) {
  size_t cap;
  cr_assert_eq(prepare_read(r, 1), 0);
  char *room = styx_req_room(r, &cap);
  cr_assert_eq(cap, t->count);
  memset(room, 'c', cap);
  return styx_reply_filled(r, cap);
}

Test(whole, the_room_for_data_is_whole_after_something_shorter_was_prepared) {
  struct program g;
  struct p9 *p = begin(&g, short_then_room);
  char got[LONG];
  uint32_t n = 0;
  cr_assert_eq(p9_read(p, 0, 0, got, sizeof got, &n), 0);
  cr_assert_eq(n, LONG);
  cr_assert_eq(got[LONG - 1], 'c');
  end(p, &g);
}

static styx_answer twice(styx_req *r, const styx_msg *t) {
  (void)t;
  cr_assert_eq(prepare_read(r, 600), 0);
  cr_assert_eq(prepare_read(r, LONG), 0);
  return styx_reply_msg(r, NULL);
}

Test(whole, the_last_of_what_was_prepared_is_the_answer_however_long) {
  struct program g;
  struct p9 *p = begin(&g, twice);
  char got[LONG];
  uint32_t n = 0;
  cr_assert_eq(p9_read(p, 0, 0, got, sizeof got, &n), 0);
  cr_assert_eq(n, LONG);
  end(p, &g);
}

static styx_answer entries_as_a_message(styx_req *r, const styx_msg *t) {
  (void)t;
  (void)styx_dir_add(r, &(styx_dirent){.attr.name = STYX_STR("name"), .cookie = 1});
  return styx_reply_msg(r, NULL);
}

Test(whole, what_is_no_message_is_not_sent_as_one) {
  struct program g;
  struct p9 *p = begin(&g, entries_as_a_message);
  char got[LONG];
  uint32_t n = 0;
  cr_assert_eq(p9_read(p, 0, 0, got, sizeof got, &n), EIO);
  end(p, &g);
}

/* ---- directories ---- */

static void released(void *arg) { ++*(int *)arg; }

static int releases;

static styx_answer by_reference(styx_req *r, const styx_msg *t) {
  uint64_t cookie;
  (void)t;
  if (!styx_req_cookie(r, &cookie))
    return styx_reply_error(r, STYX_EOFFSET);
  styx_req_set_cookie(r, cookie + 7);
  return styx_reply_ref(r, "0123456789", cookie ? 0 : 10, released, &releases);
}

Test(whole, a_directory_read_that_was_answered_by_reference_moves_on) {
  struct program g;
  struct p9 *p = begin(&g, by_reference);
  char got[LONG];
  uint32_t n = 0;
  cr_assert_eq(p9_read(p, 0, 0, got, sizeof got, &n), 0);
  cr_assert_eq(n, 10);
  cr_assert_eq(p9_read(p, 0, 10, got, sizeof got, &n), 0);
  cr_assert_eq(n, 0);
  cr_assert_eq(p9_read(p, 0, 4, got, sizeof got, &n), STYX_EOFFSET);
  end(p, &g);
  cr_assert_eq(releases, 2);
}

/* ---- afids, names, exports ---- */

static void look(void *arg, const styx_request_info *info) { *(styx_request_info *)arg = *info; }

Test(whole, a_tauth_is_known_by_its_afid) {
  struct program g;
  struct p9 *p = begin(&g, keep);
  const styx_msg t = {.type = STYX_Tauth, .tag = 5, .afid = 77, .uname = STYX_STR("glenda")};
  styx_request_info info = {0};
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert_eq(styx_session_each_request(p9_session(p), look, &info), 1);
  cr_assert_eq(info.type, STYX_Tauth);
  cr_assert_eq(info.fid, 77);
  styx_reply_error(g.kept[0], EACCES);
  end(p, &g);
}

Test(whole, names_that_are_too_long_to_be_kept_are_refused) {
  struct program g;
  struct p9 *p = begin(&g, keep);
  static char name[5000];
  memset(name, 'n', sizeof name - 1);
  const int before = g.calls;
  cr_assert_eq(p9_attach(p, 1, name, ""), ENAMETOOLONG);
  cr_assert_eq(p9_attach(p, 1, "glenda", name), ENAMETOOLONG);
  cr_assert_eq(g.calls, before);
  cr_assert_eq(p9_attach(p, 1, name + sizeof name - 1 - 255, name + sizeof name - 1 - 4096), 0);
  end(p, &g);
}

/* A plug would be asked about nothing: who may attach is for the program to say. */
Test(whole, an_export_that_sees_every_request_cannot_have_a_plug) {
  struct program g = {0};
  const styx_auth_ops plug = {.size = sizeof plug, .name = "plug"};
  const styx_export export = {.fs = {&ops, &g}, .auth = {&plug, NULL}};
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1};
  styx_session *s = NULL;
  cr_assert_eq(styx_session_new(&s, &config, 0), STYX_EBADARG);
}
