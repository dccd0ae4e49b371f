/* fid_test.c: what fids are, how many there may be, and when they are gone. */
#include "kit_fixture.h"

/* ---- a program that keeps its connection, and gives each fid a number of its own ---- */

static styx_srv *srv;
static uint32_t msize_seen;
static int live_data;

static styx_err number_it(styx_req *req, const styx_fid *fid, const styx_fid *from) {
  (void)req;
  int *own = malloc(sizeof *own);
  cr_assert_not_null(own);
  *own = from ? *(int *)styx_fid_data(from) + 1 : 0;
  if (from)
    cr_assert_eq(styx_fid_data(fid), styx_fid_data(from), "a copy of the pointer, until it is replaced");
  styx_fid_set_data(fid, own);
  live_data++;
  w.made++;
  return STYX_OK;
}

static void free_it(void *ctx, const styx_fid *fid) {
  free(styx_fid_data(fid));
  live_data--;
  count_gone(ctx, fid);
}

static styx_fid last;
static int last_number;

static styx_answer request(styx_req *req, const styx_msg *t) {
  srv = styx_req_srv(req);
  msize_seen = styx_srv_msize(srv);
  cr_assert_eq(styx_srv_ctx(srv), &w);
  cr_assert_eq(styx_srv_navigator(srv)->ops, &nav_ops);
  const styx_fid *f = styx_getfid(req, t->fid);
  if (f) {
    last = *f;
    last_number = styx_fid_data(f) ? *(int *)styx_fid_data(f) : -1;
  }
  return styx_default(req);
}

static struct p9 *numbered(void) {
  world_init();
  w.ops.request = request;
  w.ops.made = number_it;
  w.ops.gone = free_it;
  return client();
}

static void look(struct p9 *p, uint32_t fid) {
  styx_stat st;
  WORKS(p9_stat(p, fid, &st));
}

Test(fid, data_is_copied_when_a_fid_is_cloned_and_stays_when_it_walks_or_opens) {
  struct p9 *p = numbered();
  WORKS(p9_walk(p, 0, 1, ""));
  WORKS(p9_walk(p, 1, 2, "a"));
  look(p, 2);
  cr_assert_eq(last_number, 2);
  cr_assert_eq(last.qid.path, A);
  cr_assert_not(last.isopen);
  WORKS(p9_walk(p, 1, 1, "dir"));
  look(p, 1);
  cr_assert_eq(last_number, 1, "the same fid, elsewhere");
  WORKS(p9_open(p, 2, STYX_ORDWR | STYX_OTRUNC));
  look(p, 2);
  cr_assert_eq(last_number, 2);
  cr_assert(last.isopen);
  cr_assert_eq(last.mode, STYX_ORDWR);
  cr_assert_eq(w.made, 3);
  world_end(p);
}

Test(fid, is_gone_exactly_once_when_it_is_clunked_removed_or_replaced_by_nothing) {
  struct p9 *p = numbered();
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_walk(p, 0, 2, "a"));
  WORKS(p9_open(p, 1, STYX_OREAD));
  WORKS(p9_clunk(p, 1));
  cr_assert_eq(w.gone, 1);
  cr_assert(w.last_gone.isopen);
  FAILS(p9_remove(p, 2), EACCES);
  cr_assert_eq(w.gone, 2);
  cr_assert_eq(live_data, 1);
  world_end(p);
  cr_assert_eq(live_data, 0);
}

Test(fid, is_gone_exactly_once_at_the_end_of_the_connection) {
  struct p9 *p = numbered();
  for (uint32_t fid = 1; fid < 50; fid++) {
    WORKS(p9_walk(p, 0, fid, fid % 2 ? "a" : "dir"));
    if (fid % 3 == 0)
      WORKS(p9_open(p, fid, STYX_OREAD));
  }
  world_end(p);
  cr_assert_eq(w.gone, 50);
}

Test(fid, is_gone_exactly_once_at_a_Tversion_which_may_raise_msize) {
  world_init();
  w.ops.request = request;
  w.ops.made = number_it;
  w.ops.gone = free_it;
  struct p9 *p = client_sized(512);
  WORKS(p9_attach(p, 0, "glenda", ""));
  cr_assert_eq(msize_seen, 512);
  WORKS(p9_walk(p, 0, 1, "a"));
  styx_msg t = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = STYX_STR("9P2000")}, r;
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert(p9_take(p, &r));
  cr_assert_eq(r.type, STYX_Rversion);
  cr_assert_eq(r.msize, 8192);
  cr_assert_eq(w.gone, 2, "before the answer");
  FAILS(p9_clunk(p, 0), STYX_EBADFID);
  FAILS(p9_clunk(p, 1), STYX_EBADFID);
  WORKS(p9_attach(p, 0, "glenda", ""));
  cr_assert_eq(msize_seen, 8192);
  world_end(p);
}

Test(fid, that_waits_for_the_navigator_at_a_Tversion_is_never_answered_and_leaves_nothing) {
  struct p9 *p = numbered();
  styx_msg t = t_walk(0, 1, 1, (const char *[]){"a"}), r;
  t.tag = 3;
  w.later = true;
  p9_submit(p, &t);
  p9_pump(p);
  styx_msg v = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = STYX_STR("9P2000")};
  p9_submit(p, &v);
  p9_pump(p);
  cr_assert_not(p9_take(p, &r), "it waits for the walk");
  answer_one();
  p9_pump(p);
  cr_assert(p9_take(p, &r));
  cr_assert_eq(r.type, STYX_Rversion);
  cr_assert_not(p9_take(p, &r), "the old tag is silent");
  w.later = false;
  world_end(p);
}

/* ---- made says no; answers that say no ---- */

static styx_err refuse_bob(styx_req *req, const styx_fid *fid, const styx_fid *from) {
  if (styx_str_is(fid->uname, "bob"))
    return EDQUOT;
  return count_made(req, fid, from);
}

Test(fid, that_the_program_refuses_does_not_exist_and_is_not_gone) {
  world_init();
  w.ops.made = refuse_bob;
  struct p9 *p = client();
  expect_error(p, t_attach(1, STYX_NOFID, "bob", ""), "Disk quota exceeded");
  WORKS(p9_attach(p, 1, "glenda", ""));
  cr_assert_eq(w.made, 2);
  world_end(p);
}

/* Does all of it, and then says no. */
static styx_answer fail_at_the_end(styx_req *req, const styx_msg *t) {
  const styx_fid *f = styx_getfid(req, t->fid);
  if (t->type == STYX_Tcreate) {
    WORKS(styx_openfid(req, (styx_qid){0, 0, 77}, t->mode, NULL));
    return styx_srv_error(req, ENOSPC);
  }
  if (t->type == STYX_Twalk && t->nwname == 1 && styx_str_is(t->wname[0], "a")) {
    WORKS(styx_newfid(req, (styx_qid){0, 0, A}, NULL));
    FAILS(styx_newfid(req, (styx_qid){0, 0, A}, NULL), STYX_EINUSE);
    cr_assert_null(styx_srv_getfid(styx_req_srv(req), t->newfid), "not before the answer");
    return styx_srv_error(req, ENOSPC);
  }
  if (t->type == STYX_Twalk && t->nwname == 2) {
    styx_msg r = {.type = STYX_Rwalk, .nwqid = 1};
    WORKS(styx_newfid(req, (styx_qid){0, 0, A}, NULL));
    return styx_srv_reply(req, &r);
  }
  if (f && t->type == STYX_Tstat)
    last = *f;
  return styx_default(req);
}

Test(fid, of_a_create_that_failed_stays_on_the_directory_and_is_not_open) {
  world_init();
  w.ops.request = fail_at_the_end;
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, ""));
  expect_error(p, t_create(1, "new", 0644, STYX_OREAD), "No space left on device");
  look(p, 1);
  cr_assert_eq(last.qid.path, ROOT);
  cr_assert_not(last.isopen);
  WORKS(p9_walk(p, 1, 2, "dir"));
  WORKS(p9_open(p, 1, STYX_OREAD));
  world_end(p);
}

Test(fid, of_a_walk_that_the_program_cut_short_does_not_exist_and_is_gone) {
  world_init();
  w.ops.request = fail_at_the_end;
  struct p9 *p = client();
  styx_msg r = rpc(p, t_walk(0, 1, 2, (const char *[]){"any", "thing"}));
  cr_assert_eq(r.nwqid, 1);
  cr_assert_eq(w.gone, 1);
  FAILS(p9_clunk(p, 1), STYX_EBADFID);
  world_end(p);
}

Test(fid, of_a_walk_that_the_program_failed_does_not_exist_and_is_gone) {
  world_init();
  w.ops.request = fail_at_the_end;
  struct p9 *p = client();
  expect_error(p, t_walk(0, 1, 1, (const char *[]){"a"}), "No space left on device");
  cr_assert_eq(w.gone, 1);
  FAILS(p9_clunk(p, 1), STYX_EBADFID);
  WORKS(p9_walk(p, 0, 1, "dir"));
  world_end(p);
}

/* ---- ORCLOSE: left to the program, which is told ---- */

static int to_remove;

static void remove_it(void *ctx, const styx_fid *fid) {
  to_remove += fid->isopen && fid->mode & STYX_ORCLOSE;
  count_gone(ctx, fid);
}

static struct p9 *removing(void) {
  world_init();
  w.ops.gone = remove_it;
  struct p9 *p = client();
  for (uint32_t fid = 1; fid <= 2; fid++) {
    WORKS(p9_walk(p, 0, fid, "a"));
    WORKS(p9_open(p, fid, STYX_OREAD | STYX_ORCLOSE));
  }
  return p;
}

Test(orclose, the_program_is_told_at_clunk_for_each_of_two_fids) {
  struct p9 *p = removing();
  WORKS(p9_clunk(p, 1));
  cr_assert_eq(to_remove, 1);
  WORKS(p9_clunk(p, 2));
  cr_assert_eq(to_remove, 2);
  world_end(p);
  cr_assert_eq(to_remove, 2);
}

Test(orclose, the_program_is_told_at_hangup_for_each_of_two_fids) {
  struct p9 *p = removing();
  world_end(p);
  cr_assert_eq(to_remove, 2);
}

Test(orclose, the_program_is_told_at_Tversion_for_each_of_two_fids) {
  struct p9 *p = removing();
  styx_msg t = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = STYX_STR("9P2000")};
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert_eq(to_remove, 2);
  world_end(p);
}

/* ---- by number ---- */

static void count_one(void *arg, const styx_fid *f) {
  (void)f;
  ++*(int *)arg;
}

static int all(void) {
  int n = 0;
  WORKS(styx_allfids(srv, count_one, &n));
  return n;
}

Test(getfid, finds_what_exists_counts_it_and_nothing_else) {
  struct p9 *p = numbered();
  WORKS(p9_walk(p, 0, 7, "a"));
  const styx_fid *f = styx_srv_getfid(srv, 7);
  cr_assert_not_null(f);
  cr_assert_eq(f->qid.path, A);
  cr_assert_null(styx_srv_getfid(srv, 8));
  cr_assert_eq(all(), 2);
  WORKS(p9_clunk(p, 7));
  cr_assert_null(styx_srv_getfid(srv, 7));
  cr_assert_eq(all(), 1);
  cr_assert_eq(w.gone, 0, "somebody has it still");
  cr_assert_eq(*(int *)styx_fid_data(f), 1);
  styx_putfid(f);
  cr_assert_eq(w.gone, 1);
  world_end(p);
}

Test(getfid, finds_a_fid_as_it_is_now) {
  struct p9 *p = numbered();
  WORKS(p9_walk(p, 0, 7, "dir"));
  WORKS(p9_walk(p, 7, 7, "deep"));
  WORKS(p9_open(p, 7, STYX_OREAD));
  const styx_fid *f = styx_srv_getfid(srv, 7);
  cr_assert(f->isopen);
  cr_assert_eq(f->qid.path, DEEP);
  styx_putfid(f);
  world_end(p);
}

Test(delfid, makes_a_bad_fid_whose_number_may_be_used_again) {
  struct p9 *p = numbered();
  WORKS(p9_walk(p, 0, 7, "a"));
  const styx_fid *f = styx_srv_getfid(srv, 7);
  styx_delfid(f);
  styx_putfid(f);
  cr_assert_eq(all(), 1);
  expect_error(p, t_open(7, STYX_OREAD), "bad fid");
  WORKS(p9_walk(p, 0, 7, "dir"));
  look(p, 7);
  cr_assert_eq(last.qid.path, DIR_);
  cr_assert_eq(w.gone, 1);
  f = styx_srv_getfid(srv, 7);
  styx_delfid(f);
  styx_putfid(f);
  FAILS(p9_clunk(p, 7), STYX_EBADFID);
  cr_assert_eq(w.gone, 2);
  world_end(p);
}

enum { MILLION = 1000000 };

/* Numbers that agree in many bits, or follow one another backwards. */
static uint32_t hostile(uint32_t i) { return i % 3 == 0 ? 0xFFFFFFFEu - i : i % 3 == 1 ? (i << 12 | i >> 20) : i; }

Test(getfid, a_million_fids_with_hostile_numbers_are_made_found_and_gone) {
  struct p9 *p = numbered();
  styx_msg r;
  uint32_t made = 0;
  for (uint32_t i = 1; i <= MILLION; i++) {
    styx_msg t = t_walk(0, hostile(i), 0, NULL);
    p9_rpc(p, &t, &r);
    made += r.type == STYX_Rwalk;
  }
  cr_assert_gt(made, MILLION * 9 / 10, "few numbers are the same");
  cr_assert_eq((uint32_t)all(), made + 1);
  for (uint32_t i = 1; i <= MILLION; i++) {
    const styx_fid *f = styx_srv_getfid(srv, hostile(i));
    cr_assert_not_null(f);
    cr_assert_eq(f->fid, hostile(i));
    styx_putfid(f);
  }
  for (uint32_t i = 1; i <= MILLION; i += 2) {
    styx_msg t = t_fid(STYX_Tclunk, hostile(i));
    p9_rpc(p, &t, &r);
  }
  world_end(p);
}

/* ---- two servers ---- */

Test(servers, two_clients_of_one_kit_have_fids_of_their_own) {
  struct p9 *p = numbered();
  struct p9 *q = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  cr_assert_eq(all(), 2);
  FAILS(p9_clunk(q, 1), STYX_EBADFID);
  WORKS(p9_walk(q, 0, 1, "dir"));
  cr_assert_eq(all(), 2);
  p9_free(q);
  look(p, 1);
  cr_assert_eq(last.qid.path, A);
  world_end(p);
}

Test(servers, a_kit_has_a_session_for_itself) {
  kit_start();
  styx_export two[2] = {w.export, w.export};
  styx_session_config config = {.size = sizeof config, .exports = two, .nexports = 2};
  styx_session *s;
  FAILS(styx_session_new(&s, &config, 0), STYX_EBADARG);
  styx_kit_free(w.kit);
}

Test(servers, a_kit_with_a_plug_that_nobody_would_ask_is_refused) {
  kit_start();
  styx_export one = w.export;
  one.auth = styx_peer_auth(NULL);
  styx_session_config config = {.size = sizeof config, .exports = &one, .nexports = 1};
  styx_session *s;
  FAILS(styx_session_new(&s, &config, 0), STYX_EBADARG);
  styx_kit_free(w.kit);
}

Test(servers, a_kit_needs_a_whole_navigator) {
  world_init();
  styx_kit *kit;
  styx_navigator_ops half = nav_ops;
  half.walk = NULL;
  styx_kit_config config = {.size = sizeof config, .ops = &w.ops, .navigator = {&half, NULL}};
  FAILS(styx_kit_new(&kit, &config), STYX_EBADARG);
  config.navigator.ops = &nav_ops;
  config.ops = NULL;
  FAILS(styx_kit_new(&kit, &config), STYX_EBADARG);
}
