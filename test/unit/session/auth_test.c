/* auth_test.c: afids and attaches against a plug that the test decides for: contract 1.7, 8.5 and row 39. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum part { START = 1, READ = 2, WRITE = 4, DONE = 8, NO_AFID = 16 };

/* A conversation is over when "open" was written last. */
struct plug {
  struct script *p;
  int hold;         /* parts that are kept in p->held */
  bool arm, let_in; /* kept ones get a cancel callback; no_afid lets in */
  int starts, ends, reads, writes, dones;
  char last[32];
  char names[64]; /* of whoever was asked about last */
};

static int conversation;

static void cancelled(styx_req *r, void *arg) {
  struct script *p = arg;
  p->cancelled[p->ncancelled++] = r;
}

static bool keep(styx_req *r, enum part part) {
  struct plug *g = styx_req_ctx(r);
  styx_str user = styx_req_user(r), aname = styx_req_aname(r);
  snprintf(g->names, sizeof g->names, "%.*s,%.*s", (int)user.len, user.s, (int)aname.len, aname.s);
  if (!(g->hold & (int)part))
    return false;
  g->p->held[g->p->nheld++] = r;
  if (g->arm)
    styx_req_on_cancel(r, cancelled, g->p);
  return true;
}

static struct plug *plug_of(styx_req *r, void *at) {
  cr_assert_eq(at, &conversation);
  return styx_req_ctx(r);
}

static styx_answer plug_start(styx_req *r) {
  struct plug *g = styx_req_ctx(r);
  if (keep(r, START))
    return styx_later(r);
  g->starts++;
  return styx_reply_node(r, &conversation, (styx_qid){STYX_QTDIR, 1, 2}); /* the session knows better */
}

static styx_answer plug_read(styx_req *r, void *at, uint32_t count) {
  plug_of(r, at)->reads++;
  cr_assert_gt(count, 0);
  return keep(r, READ) ? styx_later(r) : styx_reply_data(r, "question", 8);
}

static styx_answer plug_write(styx_req *r, void *at, const void *data, uint32_t count) {
  struct plug *g = plug_of(r, at);
  g->writes++;
  if (keep(r, WRITE))
    return styx_later(r);
  snprintf(g->last, sizeof g->last, "%.*s", (int)count, (const char *)data);
  return styx_reply_count(r, count);
}

static styx_answer plug_done(styx_req *r, void *at) {
  struct plug *g = plug_of(r, at);
  g->dones++;
  if (keep(r, DONE))
    return styx_later(r);
  return strcmp(g->last, "open") == 0 ? styx_reply_ok(r) : styx_reply_error(r, STYX_EAUTH);
}

static void plug_end(void *ctx, void *at) {
  struct plug *g = ctx;
  cr_assert_eq(at, &conversation);
  g->ends++;
}

static styx_answer plug_no_afid(styx_req *r) {
  struct plug *g = styx_req_ctx(r);
  if (keep(r, NO_AFID))
    return styx_later(r);
  return g->let_in ? styx_reply_ok(r) : styx_reply_error(r, STYX_EREJECTED);
}

static const styx_auth_ops ops = {.size = sizeof ops,
                                  .name = "scripted",
                                  .start = plug_start,
                                  .read = plug_read,
                                  .write = plug_write,
                                  .done = plug_done,
                                  .end = plug_end};

static void expect(struct script *p, const char *line) { cr_assert_str_eq(script_line(p), line); }

static void expect_start(struct script *p, const char *start) {
  const char *line = script_line(p);
  cr_assert_eq(strncmp(line, start, strlen(start)), 0, "got: %s", line);
}

/* A session that has its version, and nobody attached. */
static struct script *begin_with(struct plug *g, const styx_auth_ops *with) {
  struct script *p = script_bare();
  *g = (struct plug){.p = p};
  p->export.name = "main";
  p->export.auth = (styx_auth){with, g};
  script_t(p, t_version(8192, "9P2000"));
  expect_start(p, "Rversion");
  return p;
}

static struct script *begin(struct plug *g) { return begin_with(g, &ops); }

static void end(struct script *p, const struct plug *g) {
  script_free(p);
  cr_assert_eq(g->ends, g->starts, "%d conversations, %d ends", g->starts, g->ends);
}

static styx_msg t_auth_as(uint16_t tag, uint32_t afid, const char *uname, const char *aname) {
  return (styx_msg){
      .type = STYX_Tauth, .tag = tag, .afid = afid, .uname = styx_str_of(uname), .aname = styx_str_of(aname)};
}

static styx_msg t_auth(uint16_t tag, uint32_t afid) { return t_auth_as(tag, afid, "glenda", ""); }

static styx_msg attach_as(uint16_t tag, uint32_t fid, uint32_t afid, const char *uname, const char *aname) {
  styx_msg m = t_attach(tag, fid);
  m.afid = afid;
  m.uname = styx_str_of(uname);
  m.aname = styx_str_of(aname);
  return m;
}

static styx_msg attach_with(uint16_t tag, uint32_t fid, uint32_t afid) {
  return attach_as(tag, fid, afid, "glenda", "");
}

/* afid 9, and its conversation is over. */
static void converse(struct script *p) {
  script_t(p, t_auth(1, 9));
  script_t(p, t_write(1, 9, 0, "open"));
  p->taken = p->nlines;
}

/* ---- row 28 and row 39: who is let in ---- */

Test(auth, an_attach_with_an_afid_whose_conversation_is_over_is_let_in) {
  struct plug g;
  struct script *p = begin(&g);
  script_t(p, t_auth(1, 9));
  expect(p, "Rauth tag 1 qid (0x8000000000000000 0 A)");
  script_t(p, t_read(2, 9, 0, 100));
  expect(p, "Rread tag 2 count 8 data 'question'");
  script_t(p, t_write(3, 9, 0, "open"));
  expect(p, "Rwrite tag 3 count 4");
  script_t(p, attach_with(4, 0, 9));
  expect_start(p, "Rattach tag 4");
  cr_assert_str_eq(g.names, "glenda,");
  script_t(p, t_fid(STYX_Tstat, 5, 0));
  expect_start(p, "Rstat tag 5");
  script_t(p, t_fid(STYX_Tclunk, 6, 9));
  expect(p, "Rclunk tag 6");
  cr_assert_eq(g.ends, 1);
  script_t(p, t_fid(STYX_Tstat, 7, 0)); /* the attach does not need it any more */
  expect_start(p, "Rstat tag 7");
  end(p, &g);
}

Test(auth, an_attach_without_an_afid_is_refused_where_authentication_is_required) {
  struct plug g;
  struct script *p = begin(&g);
  script_t(p, t_attach(1, 0));
  expect(p, "Rerror tag 1 ename 'not authenticated'");
  cr_assert_eq(p->calls, 0, "the filesystem has been asked");
  script_t(p, t_fid(STYX_Tstat, 2, 0));
  expect(p, "Rerror tag 2 ename 'bad fid'");
  end(p, &g);
}

Test(auth, an_unfinished_conversation_lets_nobody_in_and_may_go_on) {
  struct plug g;
  struct script *p = begin(&g);
  script_t(p, t_auth(1, 9));
  script_t(p, attach_with(2, 0, 9));
  script_t(p, t_write(3, 9, 0, "wrong"));
  script_t(p, attach_with(4, 0, 9));
  script_t(p, t_write(5, 9, 0, "open"));
  script_t(p, attach_with(6, 0, 9));
  expect_start(p, "Rauth tag 1");
  expect(p, "Rerror tag 2 ename 'not authenticated'");
  expect(p, "Rwrite tag 3 count 5");
  expect(p, "Rerror tag 4 ename 'not authenticated'");
  expect(p, "Rwrite tag 5 count 4");
  expect_start(p, "Rattach tag 6");
  end(p, &g);
}

Test(auth, another_user_or_another_tree_than_authenticated_is_refused) {
  struct plug g;
  struct script *p = begin(&g);
  converse(p);
  script_t(p, attach_as(2, 0, 9, "root", ""));
  expect(p, "Rerror tag 2 ename 'not authenticated'");
  script_t(p, attach_as(3, 0, 9, "glend", ""));
  expect(p, "Rerror tag 3 ename 'not authenticated'");
  script_t(p, attach_as(4, 0, 9, "glenda2", ""));
  expect(p, "Rerror tag 4 ename 'not authenticated'");
  script_t(p, attach_as(5, 0, 9, "", ""));
  expect(p, "Rerror tag 5 ename 'not authenticated'");
  script_t(p, attach_as(6, 0, 9, "glenda", "main")); /* the same tree by another name */
  expect(p, "Rerror tag 6 ename 'not authenticated'");
  cr_assert_eq(g.dones, 0, "the plug was asked about somebody else");
  script_t(p, attach_with(7, 0, 9));
  expect_start(p, "Rattach tag 7");
  end(p, &g);
}

Test(auth, one_afid_serves_several_attaches) {
  struct plug g;
  struct script *p = begin(&g);
  converse(p);
  for (uint16_t i = 0; i < 3; i++) {
    script_t(p, attach_with((uint16_t)(10 + i), i, 9));
    expect_start(p, "Rattach");
  }
  cr_assert_eq(g.dones, 3);
  cr_assert_eq(g.starts, 1);
  end(p, &g);
}

Test(auth, an_afid_is_one_that_tauth_made) {
  struct plug g;
  struct script *p = begin(&g);
  converse(p);
  script_t(p, attach_with(1, 0, 9));
  expect_start(p, "Rattach");
  script_t(p, attach_with(2, 1, 0));
  expect(p, "Rerror tag 2 ename 'not an auth fid'");
  script_t(p, attach_with(3, 1, 77));
  expect(p, "Rerror tag 3 ename 'bad fid'");
  script_t(p, t_fid(STYX_Tclunk, 4, 9));
  expect(p, "Rclunk tag 4");
  script_t(p, attach_with(5, 1, 9));
  expect(p, "Rerror tag 5 ename 'bad fid'");
  script_t(p, t_auth(6, 0)); /* the number of a file */
  expect(p, "Rerror tag 6 ename 'fid already in use'");
  script_t(p, t_auth(7, STYX_NOFID));
  expect(p, "Rerror tag 7 ename 'bad fid'");
  script_t(p, t_auth_as(8, 9, "glenda", "nowhere"));
  expect(p, "Rerror tag 8 ename 'file does not exist'");
  end(p, &g);
}

Test(auth, a_plug_may_vouch_for_attaches_without_an_afid) {
  struct plug g;
  styx_auth_ops only = {.size = sizeof only, .no_afid = plug_no_afid};
  struct script *p = begin_with(&g, &only);
  script_t(p, t_auth(1, 9));
  expect(p, "Rerror tag 1 ename 'authentication not required'");
  script_t(p, t_attach(2, 0));
  expect(p, "Rerror tag 2 ename 'authentication rejected'");
  g.let_in = true;
  script_t(p, t_attach(3, 0));
  expect_start(p, "Rattach tag 3");
  cr_assert_str_eq(g.names, "glenda,");
  end(p, &g);
}

Test(auth, a_plug_that_supplies_nothing_lets_nobody_in) {
  struct plug g;
  styx_auth_ops none = {.size = sizeof none};
  struct script *p = begin_with(&g, &none);
  script_t(p, t_auth(1, 9));
  expect(p, "Rerror tag 1 ename 'authentication not required'");
  script_t(p, t_attach(2, 0));
  expect(p, "Rerror tag 2 ename 'not authenticated'");
  script_free(p);
  styx_auth_ops old = {.size = offsetof(styx_auth_ops, read), .start = plug_start, .done = plug_done};
  p = begin_with(&g, &old); /* of a table that ends before them */
  script_t(p, t_auth(1, 9));
  expect_start(p, "Rauth tag 1");
  script_t(p, t_write(2, 9, 0, "open"));
  expect(p, "Rerror tag 2 ename 'permission denied'");
  script_t(p, t_read(3, 9, 0, 10));
  expect(p, "Rerror tag 3 ename 'permission denied'");
  script_t(p, attach_with(4, 0, 9));
  expect(p, "Rerror tag 4 ename 'not authenticated'");
  script_free(p);
}

Test(auth, exports_decide_for_themselves) {
  struct plug g;
  struct script *p = script_bare();
  g = (struct plug){.p = p};
  styx_export exports[2] = {{.name = "shut", .fs = p->export.fs, .auth = {&ops, &g}},
                            {.name = "open", .fs = p->export.fs}};
  p->exports = exports;
  p->nexports = 2;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_auth_as(1, 9, "glenda", "open"));
  script_t(p, attach_as(2, 0, STYX_NOFID, "glenda", "open"));
  script_t(p, attach_as(3, 1, STYX_NOFID, "glenda", "shut"));
  script_t(p, t_auth_as(4, 9, "glenda", "shut"));
  script_t(p, t_write(5, 9, 0, "open"));
  script_t(p, attach_as(6, 1, 9, "glenda", "open"));
  script_t(p, attach_as(7, 1, 9, "glenda", "shut"));
  expect_start(p, "Rversion");
  expect(p, "Rerror tag 1 ename 'authentication not required'");
  expect_start(p, "Rattach tag 2");
  expect(p, "Rerror tag 3 ename 'not authenticated'");
  expect_start(p, "Rauth tag 4");
  expect_start(p, "Rwrite tag 5");
  expect(p, "Rerror tag 6 ename 'not authenticated'");
  expect_start(p, "Rattach tag 7");
  end(p, &g);
}

/* ---- closed on failure ---- */

Test(auth, whatever_is_no_yes_is_a_refusal) {
  struct plug g;
  struct script *p = begin(&g);
  converse(p);
  g.hold = DONE;
  for (uint16_t i = 0; i < 5; i++)
    script_t(p, attach_with((uint16_t)(10 + i), i, 9));
  cr_assert_eq(p->nheld, 1, "they are asked about one at a time");
  styx_reply_error(script_take(p, 0), 0);
  script_pump(p);
  styx_reply_interrupted(script_take(p, 1));
  script_pump(p);
  styx_reply_node(script_take(p, 2), &conversation, (styx_qid){0});
  script_pump(p);
  styx_reply_pass(script_take(p, 3), &p->export.fs);
  script_pump(p);
  styx_reply_would_block(script_take(p, 4));
  script_pump(p);
  expect(p, "Rerror tag 10 ename 'Input/output error'");
  expect(p, "Rerror tag 11 ename 'Interrupted system call'");
  expect(p, "Rerror tag 12 ename 'Input/output error'");
  expect(p, "Rerror tag 13 ename 'Input/output error'");
  expect(p, "Rerror tag 14 ename 'Input/output error'");
  cr_assert_eq(p->calls, 0, "the filesystem has been asked");
  for (uint32_t fid = 0; fid < 5; fid++) {
    script_t(p, t_fid(STYX_Tstat, 1, fid));
    expect(p, "Rerror tag 1 ename 'bad fid'");
  }
  end(p, &g);
}

Test(auth, a_tauth_that_fails_makes_no_afid) {
  struct plug g;
  struct script *p = begin(&g);
  g.hold = START;
  script_t(p, t_auth(1, 9));
  styx_reply_error(script_take(p, 0), ENOMEM);
  script_pump(p);
  expect(p, "Rerror tag 1 ename 'Cannot allocate memory'");
  script_t(p, t_auth(2, 9));
  styx_reply_ok(script_take(p, 1)); /* no conversation */
  script_pump(p);
  expect(p, "Rerror tag 2 ename 'Input/output error'");
  script_t(p, t_read(3, 9, 0, 10));
  expect(p, "Rerror tag 3 ename 'bad fid'");
  end(p, &g);
}

Test(auth, long_names_and_too_many_afids_are_refused) {
  static char name[5000];
  struct plug g;
  struct script *p = script_bare();
  g = (struct plug){.p = p};
  p->export.auth = (styx_auth){&ops, &g};
  p->limits.afids = 2;
  script_t(p, t_version(8192, "9P2000"));
  memset(name, 'x', 256);
  script_t(p, t_auth_as(1, 9, name, ""));
  memset(name, 'x', sizeof name - 1);
  p->export.name = name;
  script_t(p, t_auth_as(2, 9, "glenda", name));
  script_t(p, t_auth(3, 9));
  script_t(p, t_auth(4, 10));
  script_t(p, t_auth(5, 11));
  script_t(p, t_fid(STYX_Tclunk, 6, 9));
  script_t(p, t_auth(7, 11));
  expect_start(p, "Rversion");
  expect(p, "Rerror tag 1 ename 'File name too long'");
  expect(p, "Rerror tag 2 ename 'File name too long'");
  expect_start(p, "Rauth tag 3");
  expect_start(p, "Rauth tag 4");
  expect(p, "Rerror tag 5 ename 'too many fids'");
  cr_assert_eq(styx_session_inspect(p->s).hits.afids, 1);
  expect(p, "Rclunk tag 6");
  expect_start(p, "Rauth tag 7");
  end(p, &g);
}

/* Whichever allocation fails: nobody is let in whom the plug was not asked about, and nothing is left behind. */
Test(auth, any_one_allocation_may_fail) {
  int refused = 0;
  for (int n = 1; n < 40; n++) {
    struct plug g;
    struct script *p = begin(&g);
    p->fail_at = n;
    script_t(p, t_auth(1, 9));
    script_t(p, t_write(2, 9, 0, "open"));
    script_t(p, attach_with(3, 0, 9));
    const bool failed = p->fail_at == 0;
    p->fail_at = 0;
    bool in = false;
    for (const char *line; *(line = script_line(p));)
      in |= strncmp(line, "Rattach", 7) == 0;
    cr_assert(!in || g.dones == 1);
    cr_assert(in || failed || styx_session_ended(p->s));
    refused += !in;
    end(p, &g);
  }
  cr_assert_gt(refused, 5);
}

/* ---- what an afid is good for ---- */

Test(auth, an_afid_is_read_written_clunked_looked_at_and_nothing_else) {
  struct plug g;
  struct script *p = begin(&g);
  script_t(p, t_auth(1, 9));
  script_t(p, t_walk(2, 9, 10, "file"));
  script_t(p, t_walk(3, 9, 10, NULL));
  script_t(p, t_open(4, 9, STYX_OREAD));
  script_t(p, t_create(5, 9, "file", 0644, STYX_OREAD));
  styx_msg wstat = {.type = STYX_Twstat, .tag = 6, .fid = 9, .stat = styx_stat_untouched()};
  wstat.stat.mode = 0777;
  script_t(p, wstat);
  script_t(p, t_fid(STYX_Tstat, 7, 9));
  script_t(p, t_fid(STYX_Tremove, 8, 9));
  script_t(p, t_read(10, 9, 0, 10));
  expect_start(p, "Rauth tag 1");
  expect(p, "Rerror tag 2 ename 'fid already opened'");
  expect(p, "Rerror tag 3 ename 'fid already opened'");
  expect(p, "Rerror tag 4 ename 'fid already opened'");
  expect(p, "Rerror tag 5 ename 'fid already opened'");
  expect(p, "Rerror tag 6 ename 'permission denied'");
  expect_start(p, "Rstat tag 7 stat (type 0 dev 0 qid (0x8000000000000000 0 A) mode 01000000600 ");
  expect(p, "Rerror tag 8 ename 'permission denied'");
  expect(p, "Rerror tag 10 ename 'bad fid'"); /* a Tremove is the end of any fid */
  cr_assert_eq(g.ends, 1);
  cr_assert_eq(p->calls, 0, "the filesystem has been asked");
  end(p, &g);
}

Test(auth, offsets_mean_nothing) {
  struct plug g;
  struct script *p = begin(&g);
  script_t(p, t_auth(1, 9));
  script_t(p, t_read(2, 9, UINT64_MAX, 10));
  script_t(p, t_write(3, 9, UINT64_MAX, "open"));
  expect_start(p, "Rauth tag 1");
  expect(p, "Rread tag 2 count 8 data 'question'");
  expect(p, "Rwrite tag 3 count 4");
  end(p, &g);
}

Test(auth, each_afid_is_another_file) {
  struct plug g;
  struct script *p = begin(&g);
  script_t(p, t_auth(1, 9));
  script_t(p, t_auth(2, 10));
  script_t(p, t_fid(STYX_Tclunk, 3, 9));
  script_t(p, t_auth(4, 9));
  expect(p, "Rauth tag 1 qid (0x8000000000000000 0 A)");
  expect(p, "Rauth tag 2 qid (0x8000000000000001 0 A)");
  expect(p, "Rclunk tag 3");
  expect(p, "Rauth tag 4 qid (0x8000000000000002 0 A)");
  end(p, &g);
}

/* ---- order: one at a time ---- */

Test(auth, a_whole_conversation_in_one_packet_is_kept_in_order) {
  struct plug g;
  struct script *p = begin(&g);
  g.hold = READ | WRITE;
  script_send(p, t_auth(1, 9));
  script_send(p, t_read(2, 9, 0, 10));
  script_send(p, t_write(3, 9, 0, "open"));
  script_send(p, attach_with(4, 0, 9));
  script_send(p, attach_with(5, 1, 9));
  script_send(p, t_fid(STYX_Tclunk, 6, 9));
  script_send(p, t_walk(7, 0, 2, "file"));
  script_pump(p);
  cr_assert_eq(p->nheld, 1);
  cr_assert_eq(g.reads, 1);
  cr_assert_eq(g.writes, 0, "the write has overtaken the read");
  expect_start(p, "Rauth tag 1");
  expect(p, "Rclunk tag 6");
  styx_reply_data(script_take(p, 0), "?", 1);
  script_pump(p);
  expect(p, "Rread tag 2 count 1 data '?'");
  cr_assert_eq(g.writes, 1);
  cr_assert_eq(g.dones, 0, "the attach has overtaken the write");
  cr_assert_eq(g.ends, 0, "it is still in use");
  strcpy(g.last, "open");
  styx_reply_count(script_take(p, 1), 4);
  script_pump(p);
  expect(p, "Rwrite tag 3 count 4");
  expect_start(p, "Rattach tag 4");
  expect_start(p, "Rattach tag 5");
  expect_start(p, "Rwalk tag 7");
  cr_assert_eq(g.ends, 1);
  end(p, &g);
}

Test(auth, a_read_that_waits_for_memory_keeps_its_turn) {
  struct plug g;
  struct script *p = script_bare();
  g = (struct plug){.p = p};
  p->export.auth = (styx_auth){&ops, &g};
  p->limits.held = 9000;
  g.hold = READ;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_auth(1, 9));
  script_t(p, t_auth(2, 10));
  script_t(p, t_read(3, 10, 0, 5000));
  script_t(p, t_read(4, 9, 0, 5000)); /* no room */
  script_t(p, t_write(5, 9, 0, "open"));
  p->taken = p->nlines;
  cr_assert_eq(p->nheld, 1);
  cr_assert_eq(g.writes, 0);
  styx_reply_data(script_take(p, 0), "1", 1);
  script_pump(p);
  styx_reply_data(script_take(p, 1), "2", 1);
  script_pump(p);
  expect(p, "Rread tag 3 count 1 data '1'");
  expect(p, "Rread tag 4 count 1 data '2'");
  expect(p, "Rwrite tag 5 count 4");
  end(p, &g);
}

/* ---- flush ---- */

Test(auth, a_read_of_an_afid_that_runs_is_flushed_as_its_plug_says) {
  struct plug g;
  struct script *p = begin(&g);
  g.hold = READ;
  g.arm = true;
  script_t(p, t_auth(1, 9));
  script_t(p, t_read(2, 9, 0, 10));
  p->taken = p->nlines;
  script_t(p, t_flush(3, 2));
  expect(p, ""); /* never left to itself */
  cr_assert_eq(p->ncancelled, 1);
  styx_reply_interrupted(script_take(p, 0));
  script_pump(p);
  expect(p, "Rflush tag 3");
  script_t(p, t_read(4, 9, 0, 10));
  script_t(p, t_flush(5, 4));
  styx_reply_data(script_take(p, 1), "late", 4); /* it did happen */
  script_pump(p);
  expect(p, "Rread tag 4 count 4 data 'late'");
  expect(p, "Rflush tag 5");
  end(p, &g);
}

Test(auth, what_waits_for_its_turn_is_flushed_at_once_and_the_next_is_served) {
  struct plug g;
  struct script *p = begin(&g);
  g.hold = READ;
  script_t(p, t_auth(1, 9));
  script_t(p, t_read(2, 9, 0, 10));
  script_t(p, t_write(3, 9, 0, "shut"));
  script_t(p, attach_with(4, 0, 9));
  script_t(p, t_write(5, 9, 0, "open"));
  p->taken = p->nlines;
  script_t(p, t_flush(6, 3));
  expect(p, "Rflush tag 6");
  script_t(p, t_flush(7, 4));
  expect(p, "Rflush tag 7");
  styx_reply_data(script_take(p, 0), "?", 1);
  script_pump(p);
  expect(p, "Rread tag 2 count 1 data '?'");
  expect(p, "Rwrite tag 5 count 4");
  cr_assert_eq(g.writes, 1);
  cr_assert_eq(g.dones, 0);
  script_t(p, attach_with(8, 0, 9));
  expect_start(p, "Rattach tag 8");
  end(p, &g);
}

Test(auth, an_attach_flushed_while_the_plug_is_asked_never_reaches_the_filesystem) {
  struct plug g;
  struct script *p = begin(&g);
  converse(p);
  g.hold = DONE;
  script_t(p, attach_with(2, 0, 9));
  script_t(p, t_flush(3, 2));
  styx_reply_ok(script_take(p, 0));
  script_pump(p);
  expect(p, "Rflush tag 3");
  cr_assert_eq(p->calls, 0);
  script_t(p, t_fid(STYX_Tstat, 4, 0));
  expect(p, "Rerror tag 4 ename 'bad fid'");
  end(p, &g);
}

Test(auth, a_flushed_tauth_that_was_answered_makes_its_afid) {
  struct plug g;
  struct script *p = begin(&g);
  g.hold = START;
  script_t(p, t_auth(1, 9));
  script_t(p, t_flush(2, 1));
  g.starts++;
  styx_reply_node(script_take(p, 0), &conversation, (styx_qid){0});
  script_pump(p);
  expect_start(p, "Rauth tag 1");
  expect(p, "Rflush tag 2");
  script_t(p, t_read(3, 9, 0, 10));
  expect_start(p, "Rread tag 3");
  end(p, &g);
}

/* ---- the end of a conversation: exactly once ---- */

Test(auth, a_hangup_in_mid_conversation_ends_it_once_when_its_last_user_is_gone) {
  struct plug g;
  struct script *p = begin(&g);
  g.hold = READ;
  script_t(p, t_auth(1, 9));
  script_t(p, t_read(2, 9, 0, 10));
  script_t(p, t_write(3, 9, 0, "open"));
  script_t(p, attach_with(4, 0, 9));
  styx_session_hangup(p->s);
  script_pump(p);
  cr_assert_eq(g.ends, 0, "its read still runs");
  styx_reply_data(script_take(p, 0), "?", 1);
  script_pump(p);
  cr_assert_eq(g.ends, 1);
  cr_assert_eq(g.writes, 0);
  cr_assert_eq(g.dones, 0);
  end(p, &g);
}

Test(auth, a_hangup_while_a_tauth_runs_ends_what_it_still_makes) {
  struct plug g;
  struct script *p = begin(&g);
  g.hold = START;
  script_t(p, t_auth(1, 9));
  styx_session_hangup(p->s);
  g.starts++;
  styx_reply_node(script_take(p, 0), &conversation, (styx_qid){0});
  script_pump(p);
  cr_assert_eq(g.ends, 1);
  end(p, &g);
}

Test(auth, tversion_ends_conversations_before_its_answer) {
  struct plug g;
  struct script *p = begin(&g);
  converse(p);
  script_t(p, attach_with(2, 0, 9));
  script_t(p, t_version(8192, "9P2000"));
  expect_start(p, "Rattach tag 2");
  expect_start(p, "Rversion");
  cr_assert_eq(g.ends, 1);
  script_t(p, attach_with(3, 0, 9));
  expect(p, "Rerror tag 3 ename 'bad fid'");
  script_t(p, t_attach(4, 0));
  expect(p, "Rerror tag 4 ename 'not authenticated'");
  end(p, &g);
}

Test(auth, a_clunk_while_a_read_runs_ends_the_conversation_behind_it) {
  struct plug g;
  struct script *p = begin(&g);
  g.hold = READ;
  script_t(p, t_auth(1, 9));
  script_t(p, t_read(2, 9, 0, 10));
  script_t(p, t_fid(STYX_Tclunk, 3, 9));
  p->taken = 2;
  expect(p, "Rclunk tag 3");
  script_t(p, t_auth(4, 9)); /* its number is free */
  expect(p, "Rauth tag 4 qid (0x8000000000000001 0 A)");
  cr_assert_eq(g.ends, 0);
  styx_reply_data(script_take(p, 0), "?", 1);
  script_pump(p);
  cr_assert_eq(g.ends, 1);
  end(p, &g);
}

/* ---- the peer ---- */

static styx_answer who(styx_req *r) {
  styx_peer peer = {.uid = 7, .pid = 7};
  bool known = styx_req_peer(r, &peer);
  return styx_reply_error_text(r, EPERM, "%d %u %u %d", known, peer.uid, peer.gid, (int)peer.pid);
}

Test(auth, requests_know_the_peer_that_the_embedder_knows) {
  struct plug g;
  styx_auth_ops only = {.size = sizeof only, .no_afid = who};
  struct script *p = begin_with(&g, &only);
  script_t(p, t_attach(1, 0));
  expect(p, "Rerror tag 1 ename '0 7 0 7'");
  end(p, &g);
  styx_peer peer = {.uid = 1000, .gid = 100, .pid = 42};
  p = script_bare();
  p->peer = &peer;
  p->export.auth = (styx_auth){&only, &g};
  script_t(p, t_version(8192, "9P2000"));
  peer.uid = 0; /* it has been copied */
  script_t(p, t_attach(1, 0));
  expect_start(p, "Rversion");
  expect(p, "Rerror tag 1 ename '1 1000 100 42'");
  end(p, &g);
}
