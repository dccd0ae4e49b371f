/* reply_test.c: replies, on their way through the program; tracing; texts; authentication; answers later, and flush. */
#include "kit_fixture.h"

/* ---- replies that do not fit ---- */

static char long_name[600];

static styx_answer long_words(styx_req *req, const styx_msg *t) {
  if (t->type != STYX_Tclunk)
    return styx_default(req);
  styx_msg r = {.type = STYX_Rerror, .ename = styx_str_of(long_name)};
  return styx_srv_reply(req, &r);
}

static struct p9 *small(void) {
  static struct file files[2];
  memset(long_name, 'n', sizeof long_name - 1);
  files[0] = hierarchy[0];
  files[1] = (struct file){A, ROOT, long_name, 0644, "glenda", "sys"};
  world_init();
  w.files = files;
  w.nfiles = 2;
  w.ops.request = long_words;
  struct p9 *p = client_sized(512);
  WORKS(p9_attach(p, 0, "glenda", ""));
  return p;
}

Test(reply, that_is_longer_than_msize_becomes_an_error_and_the_connection_goes_on) {
  struct p9 *p = small();
  long_name[400] = 0;
  WORKS(p9_walk(p, 0, 1, long_name));
  long_name[400] = 'n';
  expect_error(p, t_fid(STYX_Tstat, 1), "Styx reply didn't fit");
  styx_stat st;
  WORKS(p9_stat(p, 0, &st));
  world_end(p);
}

Test(reply, that_is_an_error_is_cut_and_not_replaced) {
  struct p9 *p = small();
  styx_msg r = rpc(p, t_fid(STYX_Tclunk, 0));
  cr_assert_eq(r.type, STYX_Rerror);
  cr_assert_eq(r.ename.len, 512 - 9, "as much as fits");
  cr_assert_eq(r.ename.s[r.ename.len - 1], 'n');
  p9_free(p);
}

static styx_answer wrong_kind(styx_req *req, const styx_msg *t) {
  styx_msg r = {.type = STYX_Rclunk};
  return t->type == STYX_Tstat ? styx_srv_reply(req, &r) : styx_default(req);
}

Test(reply, of_another_kind_than_the_request_becomes_an_error) {
  world_init();
  w.ops.request = wrong_kind;
  struct p9 *p = client();
  expect_error(p, t_fid(STYX_Tstat, 0), "Input/output error");
  world_end(p);
}

/* ---- the program's reply ---- */

enum { SHOWN = 64 };
static char shown[SHOWN][64];
static int nshown, inside, most_inside;
static bool keep_replies;
static struct {
  styx_req *req;
  uint8_t bytes[9000];
  ptrdiff_t len;
} kept[8];
static int nkept;

static styx_answer see(styx_req *req, const styx_msg *r) {
  inside++;
  most_inside = inside > most_inside ? inside : most_inside;
  if (nshown < SHOWN)
    snprintf(shown[nshown], sizeof *shown, "%s %u", styx_msg_name(r->type), r->tag);
  nshown++;
  styx_answer answer;
  if (keep_replies) {
    kept[nkept].req = req;
    kept[nkept].len = styx_encode(kept[nkept].bytes, sizeof kept->bytes, r, STYX_9P2000);
    nkept++;
    answer = styx_later(req);
  } else {
    answer = styx_srv_direct(req, r);
  }
  inside--;
  return answer;
}

static void pass_on(int i) {
  styx_msg m;
  cr_assert_gt(styx_decode(&m, kept[i].bytes, (size_t)kept[i].len, 0, STYX_9P2000), 0);
  styx_srv_direct(kept[i].req, &m);
}

static struct p9 *intercepted(void) {
  world_init();
  w.ops.reply = see;
  return client();
}

Test(intercept, every_reply_is_seen_with_its_tag_and_in_order) {
  struct p9 *p = intercepted();
  cr_assert_eq(nshown, 1);
  WORKS(p9_walk(p, 0, 1, "a"));
  FAILS(p9_walk(p, 0, 2, "none"), ENOENT);
  WORKS(p9_walk(p, 0, 3, "dir"));
  WORKS(p9_open(p, 3, STYX_OREAD));
  char buf[400];
  uint32_t got;
  WORKS(p9_read(p, 3, 0, buf, sizeof buf, &got));
  cr_assert_gt(got, 0, "directories too");
  WORKS(p9_read(p, 3, got, buf, sizeof buf, &got));
  cr_assert_eq(got, 0);
  styx_stat st;
  WORKS(p9_stat(p, 1, &st));
  WORKS(p9_clunk(p, 1));
  static const char *const kinds[] = {"Rattach", "Rwalk", "Rerror", "Rwalk", "Ropen",
                                      "Rread",   "Rread", "Rstat",  "Rclunk"};
  cr_assert_eq(nshown, 9);
  for (int i = 0; i < nshown; i++)
    cr_assert_eq(strncmp(shown[i], kinds[i], strlen(kinds[i])), 0, "%s", shown[i]);
  world_end(p);
}

Test(intercept, a_reply_may_be_changed_and_a_success_made_a_failure) {
  struct p9 *p = intercepted();
  keep_replies = true;
  styx_msg t = t_walk(0, 1, 1, (const char *[]){"a"}), r;
  t.tag = 9;
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert_eq(nkept, 1);
  cr_assert_not(p9_take(p, &r));
  r = (styx_msg){.type = STYX_Rerror, .ename = STYX_STR("no")};
  styx_srv_direct(kept[0].req, &r);
  p9_pump(p);
  cr_assert(p9_take(p, &r));
  cr_assert(styx_str_is(r.ename, "no"));
  keep_replies = false;
  FAILS(p9_clunk(p, 1), STYX_EBADFID);
  world_end(p);
}

Test(intercept, replies_go_out_in_the_order_in_which_they_are_passed_on) {
  struct p9 *p = intercepted();
  keep_replies = true;
  styx_msg t = t_fid(STYX_Tstat, 0), r;
  for (uint16_t tag = 1; tag <= 3; tag++) {
    t.tag = tag;
    p9_submit(p, &t);
  }
  p9_pump(p);
  cr_assert_eq(nkept, 3);
  pass_on(2);
  pass_on(0);
  pass_on(1);
  p9_pump(p);
  cr_assert(p9_take(p, &r) && r.tag == 3);
  cr_assert(p9_take(p, &r) && r.tag == 1);
  cr_assert(p9_take(p, &r) && r.tag == 2);
  cr_assert_eq(r.type, STYX_Rstat);
  keep_replies = false;
  world_end(p);
}

/* While one is shown, another request is answered: from within, as another thread would. */
static bool answer_inside;

static styx_answer see_and_answer(styx_req *req, const styx_msg *r) {
  if (answer_inside && w.nasked) {
    answer_inside = false;
    inside++;
    answer_one();
    inside--;
    cr_assert_eq(nshown, 2, "the other is not shown yet");
  }
  return see(req, r);
}

Test(intercept, replies_of_one_connection_are_shown_one_at_a_time) {
  world_init();
  w.ops.reply = see_and_answer;
  struct p9 *p = client();
  styx_msg t = t_fid(STYX_Tstat, 0), r;
  w.later = true;
  t.tag = 1;
  p9_submit(p, &t);
  t.tag = 2;
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert_eq(w.nasked, 2);
  nshown = 1;
  answer_inside = true;
  struct asked first = w.asked[0];
  memmove(w.asked, w.asked + 1, (size_t)--w.nasked * sizeof first);
  nshown = 2; /* what see_and_answer expects before it shows any */
  answer(first);
  cr_assert_eq(nshown, 4);
  cr_assert_eq(most_inside, 1);
  p9_pump(p);
  cr_assert(p9_take(p, &r) && r.tag == 1);
  cr_assert(p9_take(p, &r) && r.tag == 2);
  w.later = false;
  world_end(p);
}

/* ---- tracing ---- */

static char traced[8][128];
static int ntraced;

static void trace(void *ctx, bool out, const styx_msg *m) {
  cr_assert_eq(ctx, &w);
  char line[120];
  styx_msg_print(line, sizeof line, m, STYX_9P2000);
  snprintf(traced[ntraced++ % 8], sizeof *traced, "%c %s", out ? '>' : '<', line);
}

Test(traceset, each_message_is_traced_while_it_is_on_and_none_while_it_is_off) {
  world_init();
  w.ops.trace = trace;
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  cr_assert_eq(ntraced, 0);
  styx_traceset(w.kit, true);
  FAILS(p9_walk(p, 0, 2, "none"), ENOENT);
  WORKS(p9_clunk(p, 1));
  cr_assert_eq(ntraced, 4);
  cr_assert_eq(strncmp(traced[0], "< Twalk", 7), 0);
  cr_assert_eq(strncmp(traced[1], "> Rerror", 8), 0);
  cr_assert_not_null(strstr(traced[1], "'file does not exist'"));
  cr_assert_eq(strncmp(traced[2], "< Tclunk", 8), 0);
  cr_assert_eq(strncmp(traced[3], "> Rclunk", 8), 0);
  styx_traceset(w.kit, false);
  WORKS(p9_walk(p, 0, 1, "a"));
  cr_assert_eq(ntraced, 4);
  world_end(p);
}

/* ---- the texts of styxservers(2) ---- */

Test(texts, are_those_of_the_constants_of_styxservers) {
  static const struct {
    styx_err err;
    const char *text;
  } constants[] = {{STYX_EINUSE, "fid already in use"},
                   {STYX_EBADFID, "bad fid"},
                   {STYX_EOPEN, "fid already opened"},
                   {ENOENT, "file does not exist"},
                   {ENOTDIR, "not a directory"},
                   {EACCES, "permission denied"},
                   {STYX_EBADARG, "bad argument"},
                   {EEXIST, "file already exists"},
                   {STYX_EMODE, "open/create -- unknown mode"},
                   {STYX_EOFFSET, "read/write -- bad offset"},
                   {STYX_ECOUNT, "read/write -- count negative or exceeds msgsize"},
                   {STYX_ENOTOPEN, "read/write -- on non open fid"},
                   {STYX_EBADUSE, "read/write -- not open in suitable mode"},
                   {STYX_ENAME, "bad character in file name"},
                   {STYX_EDOT, ". and .. are illegal names"},
                   {STYX_ENOFIT, "Styx reply didn't fit"},
                   {STYX_ENOAUTH, "authentication not required"},
                   {STYX_ENOPARENT, "can't find parent directory"},
                   {STYX_ENOVERSION, "Tversion not seen"}};
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
    cr_assert_str_eq(styx_err_text(constants[i].err), constants[i].text);
}

/* ---- versions, and what comes before one ---- */

static int called;

static styx_answer count_call(styx_req *req, const styx_msg *t) {
  (void)t;
  called++;
  return styx_default(req);
}

Test(version, nothing_reaches_the_program_before_one_and_a_bad_one_is_unknown_and_ends_nothing) {
  world_init();
  w.ops.request = count_call;
  struct p9 *p = client_sized(0);
  expect_error(p, t_attach(0, STYX_NOFID, "glenda", ""), "Tversion not seen");
  cr_assert_eq(called, 0);
  styx_msg t = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 100, .version = STYX_STR("9P2000")}, r;
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert(p9_take(p, &r));
  cr_assert_eq(r.type, STYX_Rversion, "never an Rerror");
  cr_assert(styx_str_is(r.version, "unknown"));
  expect_error(p, t_attach(0, STYX_NOFID, "glenda", ""), "Tversion not seen");
  t.msize = 8192;
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert(p9_take(p, &r));
  WORKS(p9_attach(p, 0, "glenda", ""));
  t.version = (styx_str)STYX_STR("8P");
  p9_submit(p, &t);
  p9_pump(p);
  cr_assert(p9_take(p, &r));
  cr_assert(styx_str_is(r.version, "unknown"));
  WORKS(p9_clunk(p, 0));
  world_end(p);
}

/* The end of the connection, and bytes that are no message, end the session once; the program hears of it by its fids. */
Test(connection, that_breaks_or_says_nonsense_ends_every_fid_once) {
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  p9_submit_bytes(p, "\3\0\0\0", 4);
  p9_pump(p);
  cr_assert_str_eq(styx_session_ended(p9_session(p)), "invalid 9P message size");
  p9_submit_bytes(p, "\3\0\0\0", 4);
  p9_pump(p);
  world_end(p);
  cr_assert_eq(w.gone, 2);
}

static int fd_seen;

static styx_answer see_fd(styx_req *req, const styx_msg *t) {
  (void)t;
  fd_seen = styx_req_fd(req);
  return styx_default(req);
}

static int tell_fd(void *arg) {
  (void)arg;
  return 42;
}

Test(connection, the_program_can_see_its_descriptor_where_the_embedder_tells) {
  world_init();
  w.ops.request = see_fd;
  struct p9 *p = client();
  cr_assert_eq(fd_seen, -1);
  client_end(p);
  styx_hooks hooks = {.fd = tell_fd};
  styx_session_config config = {
      .size = sizeof config, .exports = &w.export, .nexports = 1, .hooks = &hooks, .allocator = &w.allocator};
  p = p9_new_session(&config, 8192);
  WORKS(p9_attach(p, 0, "glenda", ""));
  cr_assert_eq(fd_seen, 42);
  world_end(p);
}

/* ---- authentication: an afid that is read and written, then attached with ---- */

static styx_answer auth_request(styx_req *req, const styx_msg *t) {
  const styx_fid *a = styx_getfid(req, t->type == STYX_Tattach ? t->afid : t->fid);
  styx_msg r = {.type = (uint8_t)(t->type + 1), .tag = t->tag};
  styx_err err;
  switch (t->type) {
  case STYX_Tauth:
    r.qid = (styx_qid){STYX_QTAUTH, 0, 1000};
    err = styx_newfid(req, r.qid, NULL);
    return err ? styx_srv_error(req, err) : styx_srv_reply(req, &r);
  case STYX_Twrite:
    if (!a || !(a->qid.type & STYX_QTAUTH))
      return styx_default(req);
    if (t->count != 6 || memcmp(t->data, "secret", 6) != 0)
      return styx_srv_error(req, STYX_EREJECTED);
    styx_fid_set_data(a, &w);
    r.count = t->count;
    return styx_srv_reply(req, &r);
  case STYX_Tattach:
    if (!a || !(a->qid.type & STYX_QTAUTH) || styx_fid_data(a) == &w)
      return t->afid == STYX_NOFID ? styx_srv_error(req, STYX_EAUTH) : styx_default(req);
    return styx_srv_error(req, STYX_EAUTH);
  default:
    return styx_default(req);
  }
}

static struct p9 *authenticated(const char *password) {
  world_init();
  w.ops.request = auth_request;
  struct p9 *p = client_sized(8192);
  styx_msg t = {.type = STYX_Tauth, .afid = 5, .uname = STYX_STR("glenda"), .aname = STYX_STR("")};
  cr_assert_eq(rpc(p, t).type, STYX_Rauth);
  t = (styx_msg){.type = STYX_Twrite, .fid = 5, .count = 6, .data = (const uint8_t *)password};
  cr_assert_eq(rpc(p, t).type, strcmp(password, "secret") ? STYX_Rerror : STYX_Rwrite);
  return p;
}

Test(auth, one_afid_serves_two_attaches) {
  struct p9 *p = authenticated("secret");
  cr_assert_eq(rpc(p, t_attach(0, 5, "glenda", "")).type, STYX_Rattach);
  cr_assert_eq(rpc(p, t_attach(1, 5, "glenda", "")).type, STYX_Rattach);
  WORKS(p9_clunk(p, 5));
  expect_error(p, t_attach(2, 5, "glenda", ""), "bad fid");
  world_end(p);
}

Test(auth, other_names_than_those_of_the_afid_are_refused) {
  struct p9 *p = authenticated("secret");
  expect_error(p, t_attach(0, 5, "bob", ""), "not authenticated");
  expect_error(p, t_attach(0, 5, "glenda", "x"), "not authenticated");
  world_end(p);
}

Test(auth, an_afid_that_did_not_convince_and_none_at_all_are_refused) {
  struct p9 *p = authenticated("guess!");
  expect_error(p, t_attach(0, 5, "glenda", ""), "not authenticated");
  expect_error(p, t_attach(0, STYX_NOFID, "glenda", ""), "not authenticated");
  styx_msg t = {.type = STYX_Tauth, .afid = 5, .uname = STYX_STR("glenda")};
  expect_error(p, t, "fid already in use");
  world_end(p);
}

/* ---- answers later, and flush ---- */

static styx_req *held_read;
static bool was_cancelled;

static void on_cancel(styx_req *req, void *arg) {
  (void)arg;
  was_cancelled = true;
  styx_reply_interrupted(req);
}

static styx_answer hold_reads(styx_req *req, const styx_msg *t) {
  const styx_fid *f;
  if (t->type != STYX_Tread || styx_can_read(req, &f))
    return styx_default(req);
  held_read = req;
  styx_answer answer = styx_later(req);
  styx_req_on_cancel(req, on_cancel, NULL);
  return answer;
}

static struct p9 *holding(void) {
  world_init();
  w.ops.request = hold_reads;
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_open(p, 1, STYX_OREAD));
  styx_msg t = t_io(STYX_Tread, 1, 0, 10);
  t.tag = 7;
  p9_submit(p, &t);
  p9_pump(p);
  return p;
}

static void flush(struct p9 *p, uint16_t oldtag) {
  styx_msg t = {.type = STYX_Tflush, .tag = 8, .oldtag = oldtag};
  p9_submit(p, &t);
  p9_pump(p);
}

Test(later, a_flushed_read_is_cancelled_and_its_Rflush_waits_for_the_answer) {
  struct p9 *p = holding();
  styx_msg r;
  flush(p, 7);
  cr_assert(was_cancelled);
  cr_assert(p9_take(p, &r));
  cr_assert_eq(r.type, STYX_Rflush, "silence, and then it");
  cr_assert_not(p9_take(p, &r));
  world_end(p);
}

Test(later, an_answer_that_comes_before_the_flush_is_sent_before_its_Rflush) {
  struct p9 *p = holding();
  styx_msg r;
  styx_req_on_cancel(held_read, NULL, NULL);
  flush(p, 7);
  cr_assert_not(p9_take(p, &r));
  styx_readstr(held_read, "data");
  p9_pump(p);
  cr_assert(p9_take(p, &r) && r.type == STYX_Rread && r.tag == 7 && r.count == 4);
  cr_assert(p9_take(p, &r) && r.type == STYX_Rflush);
  world_end(p);
}

Test(later, a_clunk_does_not_wait_for_a_read_and_the_fid_is_gone_after_it) {
  struct p9 *p = holding();
  styx_msg r;
  WORKS(p9_clunk(p, 1));
  cr_assert_eq(w.gone, 0, "the read has it");
  WORKS(p9_walk(p, 0, 1, "dir"));
  styx_readstr(held_read, "data");
  p9_pump(p);
  cr_assert(p9_take(p, &r) && r.type == STYX_Rread);
  cr_assert_eq(w.gone, 1);
  cr_assert_eq(w.last_gone.qid.path, A);
  world_end(p);
}

Test(later, a_walk_is_given_up_between_two_questions_when_it_is_flushed) {
  struct p9 *p = client();
  styx_msg t = t_walk(0, 1, 2, (const char *[]){"dir", "deep"}), r;
  w.later = true;
  t.tag = 7;
  p9_submit(p, &t);
  p9_pump(p);
  answer_one();
  p9_pump(p);
  cr_assert_eq(w.nasked, 1);
  cr_assert_eq(styx_req_type(styx_nav_req(w.asked[0].q)), STYX_Twalk);
  flush(p, 7);
  cr_assert(styx_req_cancelled(styx_nav_req(w.asked[0].q)));
  cr_assert_not(p9_take(p, &r));
  answer_one();
  cr_assert_eq(w.nasked, 0, "the second name is not asked for");
  p9_pump(p);
  cr_assert(p9_take(p, &r) && r.type == STYX_Rflush);
  cr_assert_not(p9_take(p, &r));
  w.later = false;
  FAILS(p9_clunk(p, 1), STYX_EBADFID);
  world_end(p);
}

Test(later, every_question_of_every_message_may_be_answered_later) {
  struct p9 *p = client();
  styx_msg r, all[] = {t_walk(0, 1, 2, (const char *[]){"dir", "deep"}),
                       t_open(1, STYX_ORDWR),
                       t_open(0, STYX_OREAD),
                       t_io(STYX_Tread, 0, 0, 1000),
                       t_fid(STYX_Tstat, 1),
                       t_attach(9, STYX_NOFID, "bob", "")};
  w.later = true;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    all[i].tag = (uint16_t)(i + 1);
    p9_submit(p, &all[i]);
    p9_pump(p);
    while (w.nasked) {
      cr_assert_not(p9_take(p, &r));
      answer_one();
      p9_pump(p);
    }
    cr_assert(p9_take(p, &r));
    cr_assert_eq(r.type, all[i].type + 1, "%s", styx_msg_name(r.type));
  }
  w.later = false;
  world_end(p);
}

/* ---- memory ---- */

static void a_life(size_t fail_at) {
  w.heap.fail_at = 0;
  kit_start();
  struct p9 *p = client();
  atomic_store(&w.heap.calls, 0);
  w.heap.fail_at = fail_at;
  styx_msg all[] = {t_walk(0, 1, 2, (const char *[]){"dir", "deep"}),
                    t_walk(0, 2, 0, NULL),
                    t_open(1, STYX_ORDWR | STYX_OTRUNC),
                    t_open(2, STYX_OREAD),
                    t_io(STYX_Tread, 2, 0, 4000),
                    t_fid(STYX_Tstat, 1),
                    t_attach(9, STYX_NOFID, "bob", "x"),
                    t_fid(STYX_Tclunk, 1)};
  styx_msg r;
  for (size_t i = 0; i < sizeof all / sizeof *all && !styx_session_ended(p9_session(p)); i++) {
    all[i].tag = 1;
    p9_submit(p, &all[i]);
    p9_pump(p);
    cr_assert(p9_take(p, &r) || styx_session_ended(p9_session(p)));
  }
  w.heap.fail_at = 0;
  p9_free(p);
  styx_kit_free(w.kit);
  w.kit = NULL;
  cr_assert_eq(w.made, w.gone);
  cr_assert_eq(atomic_load(&w.heap.live), 0, "%zu bytes are left, call %zu failed", atomic_load(&w.heap.live), fail_at);
}

Test(memory, whichever_allocation_fails_the_client_gets_an_answer_and_nothing_is_left) {
  world_init();
  a_life(0);
  size_t calls = atomic_load(&w.heap.calls);
  cr_assert_gt(calls, 20);
  for (size_t fail_at = 1; fail_at <= calls; fail_at++)
    a_life(fail_at);
  w.ops.reply = see;
  a_life(0);
  calls = atomic_load(&w.heap.calls);
  for (size_t fail_at = 1; fail_at <= calls; fail_at++)
    a_life(fail_at);
}
