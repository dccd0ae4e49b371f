/* walk_test.c: attach, walk, stat, clunk and remove as styx_default does them. */
#include "kit_fixture.h"

#define WALK(p, fid, newfid, ...)                                                                                      \
  said(p, t_walk(fid, newfid, (uint16_t)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                      \
                 (const char *[]){__VA_ARGS__}))

static bool is(const char *line, const char *what) { return strstr(line, what) != NULL; }

/* A fid that stands for nothing is a bad fid. */
static bool exists(struct p9 *p, uint32_t fid) { return rpc(p, t_fid(STYX_Tstat, fid)).type == STYX_Rstat; }

Test(walk, all_elements_are_found_and_newfid_stands_for_the_last) {
  struct p9 *p = client();
  cr_assert(is(WALK(p, 0, 1, "dir", "deep"), "Rwalk"));
  styx_stat st;
  WORKS(p9_stat(p, 1, &st));
  cr_assert(styx_str_is(st.name, "deep"));
  cr_assert_eq(st.qid.path, DEEP);
  WORKS(p9_clunk(p, 1));
  world_end(p);
}

Test(walk, no_elements_clone_even_a_file_that_is_a_plain_one) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  int asked = w.questions;
  WORKS(p9_walk(p, 1, 2, ""));
  cr_assert_eq(w.questions, asked, "nobody is asked");
  cr_assert(exists(p, 2));
  WORKS(p9_walk(p, 1, 1, ""));
  world_end(p);
}

Test(walk, the_first_element_that_fails_is_an_error_and_newfid_does_not_exist) {
  struct p9 *p = client();
  cr_assert(is(WALK(p, 0, 1, "none", "deep"), "Rerror"));
  expect_error(p, t_walk(0, 1, 1, (const char *[]){"none"}), "file does not exist");
  cr_assert_not(exists(p, 1));
  world_end(p);
}

Test(walk, a_later_element_that_fails_gives_the_qids_so_far_and_newfid_does_not_exist) {
  struct p9 *p = client();
  styx_msg r = rpc(p, t_walk(0, 1, 3, (const char *[]){"dir", "deep", "more"}));
  cr_assert_eq(r.type, STYX_Rwalk);
  cr_assert_eq(r.nwqid, 2);
  cr_assert_eq(r.wqid[1].path, DEEP);
  cr_assert_not(exists(p, 1));
  WORKS(p9_walk(p, 0, 1, "dir"));
  world_end(p);
}

Test(walk, a_fid_that_walks_onto_itself_stays_where_it_is_when_that_fails) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "dir"));
  styx_msg r = rpc(p, t_walk(1, 1, 2, (const char *[]){"deep", "more"}));
  cr_assert_eq(r.nwqid, 1);
  expect_error(p, t_walk(1, 1, 1, (const char *[]){"none"}), "file does not exist");
  styx_stat st;
  WORKS(p9_stat(p, 1, &st));
  cr_assert_eq(st.qid.path, DIR_);
  WORKS(p9_walk(p, 1, 1, "deep"));
  WORKS(p9_stat(p, 1, &st));
  cr_assert_eq(st.qid.path, DEEP);
  world_end(p);
}

Test(walk, an_open_fid_is_not_walked_nor_cloned) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "dir"));
  WORKS(p9_open(p, 1, STYX_OREAD));
  expect_error(p, t_walk(1, 2, 1, (const char *[]){"deep"}), "fid already opened");
  expect_error(p, t_walk(1, 2, 0, NULL), "fid already opened");
  world_end(p);
}

Test(walk, newfid_must_be_free_and_fid_must_exist) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  expect_error(p, t_walk(0, 1, 1, (const char *[]){"dir"}), "fid already in use");
  expect_error(p, t_walk(7, 8, 1, (const char *[]){"dir"}), "bad fid");
  expect_error(p, t_walk(0, STYX_NOFID, 0, NULL), "bad fid");
  world_end(p);
}

Test(walk, sixteen_names_are_walked_and_seventeen_are_no_message) {
  struct p9 *p = client();
  const char *up[17];
  for (int i = 0; i < 17; i++)
    up[i] = i % 2 ? ".." : "dir";
  styx_msg r = rpc(p, t_walk(0, 1, 16, up));
  cr_assert_eq(r.nwqid, 16);
  cr_assert_eq(r.wqid[15].path, ROOT);
  styx_msg t = t_walk(0, 2, 16, up);
  t.nwname = 17;
  uint8_t buf[512];
  cr_assert_lt(styx_encode(buf, sizeof buf, &t, STYX_9P2000), 0);
  world_end(p);
}

Test(walk, dotdot_leads_to_the_directory_above_and_stops_at_what_was_attached) {
  struct p9 *p = client();
  styx_msg r = rpc(p, t_walk(0, 1, 4, (const char *[]){"dir", "..", "..", "dir"}));
  cr_assert_eq(r.nwqid, 4);
  cr_assert_eq(r.wqid[1].path, ROOT);
  cr_assert_eq(r.wqid[2].path, ROOT);
  cr_assert_eq(r.wqid[3].path, DIR_);
  world_end(p);
}

Test(walk, each_directory_needs_x_and_a_file_is_not_walked_through) {
  struct p9 *p = client();
  styx_msg r = rpc(p, t_walk(0, 1, 2, (const char *[]){"own", "x"}));
  cr_assert_eq(r.nwqid, 1, "own is found, but not searched");
  WORKS(p9_walk(p, 0, 1, "own"));
  expect_error(p, t_walk(1, 2, 1, (const char *[]){"x"}), "permission denied");
  WORKS(p9_walk(p, 0, 3, "a"));
  expect_error(p, t_walk(3, 4, 1, (const char *[]){".."}), "not a directory");
  world_end(p);
}

Test(walk, what_the_navigator_says_of_the_first_file_is_the_answer) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "gone"));
  expect_error(p, t_walk(1, 2, 1, (const char *[]){"any"}), "Input/output error");
  world_end(p);
}

/* ---- attach ---- */

static styx_answer by_aname(styx_req *req, const styx_msg *t) {
  if (t->type != STYX_Tattach || t->aname.len == 0)
    return styx_default(req);
  if (styx_str_is(t->aname, "other"))
    return styx_srv_attach_at(req, OTHER);
  if (styx_str_is(t->aname, "file"))
    return styx_srv_attach_at(req, A);
  if (styx_str_is(t->aname, "broken"))
    return styx_srv_attach_at(req, GONE);
  return styx_srv_error(req, STYX_EANAME);
}

static struct p9 *client_of_several(void) {
  world_init();
  w.ops.request = by_aname;
  return client();
}

Test(attach, uname_and_aname_reach_the_program_and_are_inherited_by_what_is_walked) {
  struct p9 *p = client_of_several();
  WORKS(p9_attach(p, 1, "bob", "other"));
  WORKS(p9_walk(p, 1, 2, "in"));
  WORKS(p9_clunk(p, 2));
  cr_assert_str_eq(w.last_names, "bob of other");
  cr_assert_eq(w.last_gone.fid, 2);
  cr_assert_eq(w.last_gone.root, OTHER);
  world_end(p);
}

Test(attach, a_bad_aname_is_refused_and_the_fid_stays_free) {
  struct p9 *p = client_of_several();
  expect_error(p, t_attach(1, STYX_NOFID, "bob", "nowhere"), "invalid attach name");
  WORKS(p9_attach(p, 1, "bob", "other"));
  world_end(p);
}

Test(attach, each_root_of_several_has_its_own_dotdot) {
  struct p9 *p = client_of_several();
  WORKS(p9_attach(p, 1, "bob", "other"));
  styx_msg r = rpc(p, t_walk(1, 2, 2, (const char *[]){"..", ".."}));
  cr_assert_eq(r.nwqid, 2);
  cr_assert_eq(r.wqid[1].path, OTHER);
  r = rpc(p, t_walk(0, 3, 1, (const char *[]){".."}));
  cr_assert_eq(r.wqid[0].path, ROOT);
  world_end(p);
}

Test(attach, a_root_that_is_missing_or_no_directory_is_refused) {
  struct p9 *p = client_of_several();
  expect_error(p, t_attach(1, STYX_NOFID, "bob", "file"), "not a directory");
  expect_error(p, t_attach(1, STYX_NOFID, "bob", "broken"), "Input/output error");
  world_end(p);
}

Test(attach, a_fid_in_use_or_NOFID_is_refused_as_is_an_unknown_afid) {
  struct p9 *p = client();
  expect_error(p, t_attach(0, STYX_NOFID, "bob", ""), "fid already in use");
  expect_error(p, t_attach(STYX_NOFID, STYX_NOFID, "bob", ""), "bad fid");
  expect_error(p, t_attach(1, 77, "bob", ""), "bad fid");
  expect_error(p, t_attach(1, 0, "bob", ""), "not an auth fid");
  world_end(p);
}

Test(attach, Tauth_is_answered_authentication_not_required_and_makes_no_fid) {
  struct p9 *p = client();
  styx_msg t = {.type = STYX_Tauth, .afid = 5, .uname = STYX_STR("glenda")};
  expect_error(p, t, "authentication not required");
  expect_error(p, t_fid(STYX_Tclunk, 5), "bad fid");
  world_end(p);
}

/* ---- stat, clunk, remove ---- */

Test(stat, needs_no_permission_and_calls_the_root_slash) {
  struct p9 *p = client();
  styx_stat st;
  WORKS(p9_stat(p, 0, &st));
  cr_assert(styx_str_is(st.name, "/"), "the navigator calls it something else");
  WORKS(p9_walk(p, 0, 1, "own"));
  WORKS(p9_stat(p, 1, &st));
  cr_assert(styx_str_is(st.uid, "bob"));
  FAILS(p9_stat(p, 9, &st), STYX_EBADFID);
  world_end(p);
}

Test(clunk, the_fid_is_gone_and_its_number_free) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_clunk(p, 1));
  cr_assert_eq(w.gone, 1);
  FAILS(p9_clunk(p, 1), STYX_EBADFID);
  WORKS(p9_walk(p, 0, 1, "dir"));
  world_end(p);
}

Test(remove, is_refused_by_default_but_clunks_and_the_fid_can_be_used_again) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  expect_error(p, t_fid(STYX_Tremove, 1), "permission denied");
  cr_assert_eq(w.gone, 1);
  expect_error(p, t_fid(STYX_Tremove, 1), "bad fid");
  WORKS(p9_walk(p, 0, 1, "a"));
  world_end(p);
}

Test(default, each_message_that_nobody_handles_has_its_documented_answer) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_walk(p, 0, 2, "dir"));
  expect_error(p, t_create(2, "new", 0644, STYX_OREAD), "permission denied");
  expect_error(p, (styx_msg){.type = STYX_Twstat, .fid = 1, .stat = styx_stat_untouched()}, "permission denied");
  cr_assert(is(said(p, t_open(1, STYX_OREAD)), "Ropen"));
  cr_assert(is(said(p, t_open(2, STYX_OREAD)), "Ropen"));
  expect_error(p, t_io(STYX_Tread, 1, 0, 10), "permission denied");
  expect_error(p, t_io(STYX_Twrite, 1, 0, 0), "permission denied");
  cr_assert(is(said(p, t_io(STYX_Tread, 2, 0, 1000)), "Rread"));
  cr_assert(is(said(p, (styx_msg){.type = STYX_Tflush, .oldtag = 99}), "Rflush"));
  expect_error(p, (styx_msg){.type = STYX_Topenfd, .fid = 1}, "unknown message");
  world_end(p);
}
