/* order_test.c: requests that come together: what each fid stands for is settled by their order on the wire, in whatever order
 * they run; and random conversations. */
#include "kit_fixture.h"
#include "support/random.h"

/* ---- work is run in the wrong order ---- */

enum { WORKS_MAX = 64 };

/* All that can run now, last first; false: there was nothing. */
static bool run_backwards(styx_session *s) {
  styx_work *works[WORKS_MAX];
  size_t n = 0;
  while (n < WORKS_MAX && (works[n] = styx_session_next(s)))
    n++;
  for (size_t i = n; i > 0; i--)
    styx_work_run(works[i - 1]);
  styx_session_retire(s, 0);
  return n > 0;
}

static uint64_t read_of[256]; /* by tag: the path that a Tread found, 0 none */

static styx_answer note_reads(styx_req *req, const styx_msg *t) {
  const styx_fid *f = NULL;
  if (t->type != STYX_Tread)
    return styx_default(req);
  styx_err err = styx_can_read(req, &f);
  read_of[t->tag] = f ? f->qid.path : 0;
  return err ? styx_srv_error(req, err) : styx_readstr(req, "text");
}

static void submit(struct p9 *p, styx_msg t, uint16_t tag) {
  t.tag = tag;
  p9_submit(p, &t);
}

static struct p9 *noting(void) {
  world_init();
  w.ops.request = note_reads;
  return client();
}

Test(order, a_read_before_a_clunk_finds_its_file_even_if_it_runs_after_the_number_is_used_again) {
  struct p9 *p = noting();
  styx_msg r;
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_open(p, 1, STYX_OREAD));
  submit(p, t_io(STYX_Tread, 1, 0, 10), 1);
  submit(p, t_fid(STYX_Tclunk, 1), 2);
  submit(p, t_walk(0, 1, 1, (const char *[]){"run"}), 3);
  submit(p, t_open(1, STYX_OEXEC), 4);
  submit(p, t_io(STYX_Tread, 1, 0, 10), 5);
  submit(p, t_fid(STYX_Tclunk, 1), 6);
  submit(p, t_io(STYX_Tread, 1, 0, 10), 7);
  styx_work *read = styx_session_next(p9_session(p));
  while (run_backwards(p9_session(p)))
    ;
  cr_assert_eq(read_of[1], 0);
  styx_work_run(read);
  p9_pump(p);
  cr_assert_eq(read_of[1], A);
  cr_assert_eq(read_of[5], RUN);
  cr_assert_eq(read_of[7], 0);
  int n = 0;
  while (p9_take(p, &r))
    n++;
  cr_assert_eq(n, 7);
  world_end(p);
}

Test(order, what_makes_or_changes_a_fid_is_called_after_what_came_before_it_on_that_fid) {
  struct p9 *p = noting();
  styx_msg r;
  for (uint16_t i = 0; i < 20; i++) {
    uint16_t tag = (uint16_t)(i * 4 + 1);
    submit(p, t_walk(0, 1, 1, (const char *[]){i % 2 ? "a" : "run"}), tag);
    submit(p, t_open(1, STYX_ORDWR), (uint16_t)(tag + 1));
    submit(p, t_io(STYX_Tread, 1, 0, 10), (uint16_t)(tag + 2));
    submit(p, t_fid(STYX_Tclunk, 1), (uint16_t)(tag + 3));
  }
  while (run_backwards(p9_session(p)))
    ;
  p9_pump(p);
  for (uint16_t i = 0; i < 20; i++)
    cr_assert_eq(read_of[i * 4 + 3], i % 2 ? A : RUN, "read %u", i);
  int n = 0;
  while (p9_take(p, &r))
    n += r.type != STYX_Rerror;
  cr_assert_eq(n, 80);
  world_end(p);
}

Test(order, an_attach_and_what_follows_it_may_come_with_the_version) {
  kit_start();
  struct p9 *p = client_sized(0);
  styx_msg r, t = {.type = STYX_Tversion, .msize = 8192, .version = STYX_STR("9P2000")};
  submit(p, t, STYX_NOTAG);
  submit(p, t_attach(0, STYX_NOFID, "glenda", ""), 1);
  submit(p, t_attach(5, STYX_NOFID, "bob", ""), 2);
  submit(p, t_walk(0, 1, 2, (const char *[]){"dir", "deep"}), 3);
  submit(p, t_fid(STYX_Tstat, 1), 4);
  while (run_backwards(p9_session(p)))
    ;
  p9_pump(p);
  int n = 0;
  while (p9_take(p, &r)) {
    cr_assert_neq(r.type, STYX_Rerror);
    n++;
  }
  cr_assert_eq(n, 5);
  world_end(p);
}

/* ---- a read-only export; nowait ---- */

Test(order, a_read_only_export_refuses_what_would_change_something_and_drops_the_fid_of_a_remove) {
  kit_start();
  w.export.readonly = true;
  struct p9 *p = client();
  WORKS(p9_walk(p, 0, 1, "a"));
  expect_error(p, t_open(1, STYX_OWRITE), "Read-only file system");
  expect_error(p, t_open(1, STYX_OREAD | STYX_ORCLOSE), "Read-only file system");
  expect_error(p, t_create(0, "new", 0644, STYX_OREAD), "Read-only file system");
  expect_error(p, (styx_msg){.type = STYX_Twstat, .fid = 1, .stat = styx_stat_untouched()}, "Read-only file system");
  WORKS(p9_walk(p, 1, 2, ""));
  expect_error(p, t_fid(STYX_Tremove, 2), "Read-only file system");
  FAILS(p9_clunk(p, 2), STYX_EBADFID);
  WORKS(p9_open(p, 1, STYX_OREAD));
  world_end(p);
}

static int would_block;

static styx_answer block_once(styx_req *req, const styx_msg *t) {
  if (t->type == STYX_Tstat && !styx_req_may_block(req)) {
    would_block++;
    return styx_reply_would_block(req);
  }
  return styx_default(req);
}

Test(order, a_handler_that_promised_not_to_block_is_called_again_where_it_may) {
  world_init();
  w.ops.request = block_once;
  w.ops.nowait = true;
  struct p9 *p = client();
  styx_stat st;
  WORKS(p9_stat(p, 0, &st));
  cr_assert_eq(would_block, 1);
  world_end(p);
}

/* ---- random conversations ---- */

enum { STEPS = 3000, FIDS = 6, TAGS = 12 };

static const char *const some_names[] = {"a", "dir", "deep", "..", "own", "none", "run", "gone"};

static uint32_t some_fid(uint64_t *d) { return dice(d, 20) == 0 ? STYX_NOFID : dice(d, FIDS); }

static styx_msg some_message(uint64_t *d) {
  static const uint8_t types[] = {STYX_Tattach, STYX_Twalk, STYX_Twalk,  STYX_Twalk,  STYX_Topen,
                                  STYX_Tcreate, STYX_Tread, STYX_Tread,  STYX_Twrite, STYX_Tclunk,
                                  STYX_Tremove, STYX_Tstat, STYX_Twstat, STYX_Tauth};
  styx_msg t = {.type = types[dice(d, sizeof types)], .fid = some_fid(d), .newfid = some_fid(d)};
  t.data = (const uint8_t *)"";
  t.afid = dice(d, 4) ? STYX_NOFID : some_fid(d);
  t.uname = styx_str_of(dice(d, 2) ? "glenda" : "bob");
  t.mode = (uint8_t)(dice(d, 3) ? STYX_OREAD : dice(d, 256));
  t.count = t.type == STYX_Twrite ? 0 : dice(d, 500);
  t.offset = dice(d, 3) ? 0 : dice(d, 500);
  if (t.type == STYX_Twalk)
    t.nwname = (uint16_t)dice(d, 4);
  for (uint16_t i = 0; i < t.nwname; i++)
    t.wname[i] = styx_str_of(some_names[dice(d, 8)]);
  if (t.type == STYX_Twstat)
    t.stat = styx_stat_untouched();
  t.name = (styx_str)STYX_STR("new");
  return t;
}

/* Every request is answered, or is silent behind its Rflush: never both, nothing twice. */
struct owed {
  bool request[TAGS], flushed[TAGS];
};

static void hear(struct p9 *p, struct owed *o) {
  styx_msg r;
  while (p9_take(p, &r)) {
    if (r.type == STYX_Rversion)
      continue;
    if (r.type == STYX_Rflush) {
      uint16_t of = (uint16_t)(r.tag - TAGS);
      cr_assert(o->flushed[of]);
      o->flushed[of] = o->request[of] = false;
      continue;
    }
    cr_assert(o->request[r.tag], "%s tag %u that nobody asked for", styx_msg_name(r.type), r.tag);
    o->request[r.tag] = false;
  }
}

static void answer_some(uint64_t *d) {
  while (w.nasked && dice(d, 3)) {
    uint32_t i = dice(d, (uint32_t)w.nasked);
    struct asked a = w.asked[i];
    w.asked[i] = w.asked[--w.nasked];
    answer(a);
  }
}

static styx_answer show_reply(styx_req *req, const styx_msg *r) { return styx_srv_direct(req, r); }

static void converse(uint64_t seed, bool shown) {
  uint64_t d = seed;
  struct owed o = {0};
  world_init();
  w.ops.reply = shown ? show_reply : NULL;
  struct p9 *p = client();
  w.later = true;
  for (int step = 0; step < STEPS; step++) {
    uint16_t tag = (uint16_t)dice(&d, TAGS);
    if (!o.request[tag] && !o.flushed[tag]) {
      submit(p, some_message(&d), tag);
      o.request[tag] = true;
    } else if (!o.flushed[tag] && o.request[tag]) {
      submit(p, (styx_msg){.type = STYX_Tflush, .oldtag = tag}, (uint16_t)(tag + TAGS));
      o.flushed[tag] = true;
    }
    if (dice(&d, 400) == 0) {
      submit(p, (styx_msg){.type = STYX_Tversion, .msize = 8192, .version = STYX_STR("9P2000")}, STYX_NOTAG);
      p9_pump(p);
      hear(p, &o);
      while (w.nasked)
        answer_some(&d);
      o = (struct owed){0};
    }
    if (dice(&d, 3) == 0)
      run_backwards(p9_session(p));
    else
      p9_pump(p);
    answer_some(&d);
    p9_pump(p);
    hear(p, &o);
  }
  while (w.nasked) {
    answer_some(&d);
    p9_pump(p);
  }
  hear(p, &o);
  for (int i = 0; i < TAGS; i++)
    cr_assert_not(o.request[i], "tag %d was never answered", i);
  w.later = false;
  world_end(p);
  w.kit = NULL;
}

Test(random, conversations_get_what_they_are_owed_and_leave_nothing) {
  uint64_t seed = seed_of_run();
  for (uint64_t i = 0; i < 8; i++)
    converse(seed + i * 977, i % 2);
}
