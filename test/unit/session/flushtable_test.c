/* flushtable_test.c: every cell of the flush table (server/README.md): each state in which a Tflush, a hangup or a Tversion may
 * find a request, with each operation, and each answer that may follow. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the cells ---- */

enum answer { SUCCESS, FAILURE, INTERRUPTED, ANSWERS };
static const char *const answer_names[] = {"success", "a real error", "interrupted"};

enum state { QUEUED, PARKED, RUNNING, ANSWERED, WOULD_BLOCK, QUEUED_AGAIN, RUNNING_AGAIN, STATES };
static const char *const state_names[] = {
    "queued",       "parked",       "running", "answered and not retired", "would block, not retired",
    "queued again", "running again"};

struct row {
  const char *reply;
  enum styx_op op;
  bool must_run, detachable;
  int fids; /* more, or fewer, when it succeeds */
};

static const struct row rows[] = {
    {"Rattach", STYX_OP_attach, false, false, 1}, {"Rwalk", STYX_OP_walk, false, true, 1},
    {"Ropen", STYX_OP_open, false, false, 0},     {"Rcreate", STYX_OP_create, false, false, 0},
    {"Rread", STYX_OP_read, false, true, 0},      {"Rwrite", STYX_OP_write, false, false, 0},
    {"Rread", STYX_OP_readdir, false, false, 0},  {"Rstat", STYX_OP_getattr, false, true, 0},
    {"Rwstat", STYX_OP_setattr, false, false, 0}, {"Rremove", STYX_OP_remove, true, false, -1},
    {"Rclunk", STYX_OP_close, true, false, -1},
};
enum { ROWS = sizeof rows / sizeof *rows };

static char cell[160]; /* which one is walked, for those who read of a failure */

static void expect(struct script *p, const char *want) {
  const char *line = script_line(p);
  cr_assert_str_eq(line, want, "%s: '%s' instead of '%s'", cell, line, want);
}

static void expect_start(struct script *p, const char *want) {
  const char *line = script_line(p);
  cr_assert_eq(strncmp(line, want, strlen(want)), 0, "%s: '%s' instead of '%s…'", cell, line, want);
}

static void expect_nothing(struct script *p) { expect(p, ""); }

static void expect_fids(struct script *p, int n) {
  cr_assert_eq(styx_session_inspect(p->s).fids, (size_t)n, "%s: %zu fids", cell, styx_session_inspect(p->s).fids);
}

/* ---- the world: fid 0 the root, 1 a file open for reading, 2 a file, 3 a directory, 4 one that is open, 5 a file open for
 * writing, 6 a file; 7 to 9 are free ---- */

enum { FIDS = 7, FREE = 7 };

static struct script *world(bool detachable) {
  struct script *p = script_bare();
  p->ops.detachable = detachable ? UINT32_MAX : 0;
  p->ops.nowait = UINT32_MAX;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  script_t(p, t_walk(1, 0, 2, "file"));
  script_t(p, t_walk(1, 0, 3, "dir"));
  script_open(p, 4, "dir");
  script_t(p, t_walk(1, 0, 5, "file"));
  script_t(p, t_open(1, 5, STYX_OWRITE));
  script_t(p, t_walk(1, 0, 6, "file"));
  p->taken = p->nlines;
  expect_fids(p, FIDS);
  return p;
}

static styx_msg wstat(uint16_t tag, uint32_t fid) {
  styx_msg m = {.type = STYX_Twstat, .tag = tag, .fid = fid, .stat = styx_stat_untouched()};
  m.stat.length = 1;
  return m;
}

/* The request of a row, on a fid where it may succeed, or on the one given. */
static styx_msg request(const struct row *row, uint32_t fid) {
  bool own = fid == STYX_NOFID;
  switch ((int)row->op) {
  case STYX_OP_attach:
    return t_attach(3, own ? 9 : fid);
  case STYX_OP_walk:
    return t_walk(3, own ? 0 : fid, 9, "file");
  case STYX_OP_open:
    return t_open(3, own ? 2 : fid, STYX_OREAD);
  case STYX_OP_create:
    return t_create(3, own ? 3 : fid, "new", 0644, STYX_ORDWR);
  case STYX_OP_read:
    return t_read(3, own ? 1 : fid, 0, 100);
  case STYX_OP_write:
    return t_write(3, own ? 5 : fid, 0, "abc");
  case STYX_OP_readdir:
    return t_read(3, own ? 4 : fid, 0, 200);
  case STYX_OP_getattr:
    return t_fid(STYX_Tstat, 3, own ? 2 : fid);
  case STYX_OP_setattr:
    return wstat(3, own ? 2 : fid);
  case STYX_OP_remove:
    return t_fid(STYX_Tremove, 3, own ? 6 : fid);
  default:
    return t_fid(STYX_Tclunk, 3, own ? 1 : fid);
  }
}

static void succeed(struct script *p, styx_req *r, enum styx_op op) {
  styx_qid qid = {0, 0, 1000};
  p->nodes += op == STYX_OP_attach || op == STYX_OP_walk || op == STYX_OP_create;
  p->handles += op == STYX_OP_open || op == STYX_OP_create;
  switch ((int)op) {
  case STYX_OP_attach:
  case STYX_OP_walk:
    qid.type = op == STYX_OP_attach ? STYX_QTDIR : 0;
    styx_reply_node(r, p, qid);
    break;
  case STYX_OP_open:
    styx_reply_open(r, qid, p);
    break;
  case STYX_OP_create:
    styx_reply_create(r, p, qid, p);
    break;
  case STYX_OP_read:
    styx_reply_data(r, "late", 4);
    break;
  case STYX_OP_write:
    styx_reply_count(r, 3);
    break;
  case STYX_OP_readdir:
    styx_dir_add(r, &(styx_dirent){.attr.name = {"e1", 2}, .cookie = 1});
    styx_reply_dir(r);
    break;
  case STYX_OP_getattr:
    styx_reply_attr(r, &(styx_attr){.name = {"x", 1}});
    break;
  default:
    styx_reply_ok(r);
  }
}

/* The i-th that was held is answered; nothing is retired yet. */
static void give(struct script *p, int i, enum styx_op op, enum answer how) {
  styx_req *r = p->held[i];
  cr_assert_not_null(r, "%s: nothing is held", cell);
  p->held[i] = NULL;
  if (how == SUCCESS)
    succeed(p, r, op);
  else if (how == FAILURE)
    styx_reply_error(r, EIO);
  else
    styx_reply_interrupted(r);
}

/* The first that was held would block. */
static void would_block(struct script *p) {
  styx_reply_would_block(p->held[0]);
  p->held[0] = NULL;
}

static void expect_answer(struct script *p, const char *reply, uint16_t tag, enum answer how) {
  char line[80];
  if (how == SUCCESS)
    snprintf(line, sizeof line, "%s tag %u", reply, tag);
  else
    snprintf(line, sizeof line, "Rerror tag %u ename '%s'", tag,
             how == FAILURE ? "Input/output error" : "Interrupted system call");
  expect_start(p, line);
}

/* ---- nothing to do ---- */

Test(flushtable, nothing_is_outstanding_under_the_tag) {
  static const struct {
    const char *what;
    uint16_t tag, oldtag;
    const char *rflush;
  } cells[] = {{"unknown", 4, 77, "Rflush tag 4"},
               {"its own", 4, 4, "Rflush tag 4"},
               {"NOTAG", 4, STYX_NOTAG, "Rflush tag 4"},
               {"under NOTAG", STYX_NOTAG, 3, "Rflush tag NOTAG"},
               {"under NOTAG, of NOTAG", STYX_NOTAG, STYX_NOTAG, "Rflush tag NOTAG"},
               {"under a tag in use", 3, 5, "Rflush tag 3"},
               {"under a tag in use, its own", 3, 3, "Rflush tag 3"}};
  for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
    struct script *p = world(true);
    snprintf(cell, sizeof cell, "%s", cells[i].what);
    p->hold = STYX_OP(read);
    script_t(p, t_read(3, 1, 0, 100));
    script_t(p, t_read(5, 1, 0, 100));
    for (int twice = 0; twice < 2; twice++) {
      script_t(p, t_flush(cells[i].tag, cells[i].oldtag));
      expect(p, cells[i].rflush);
    }
    cr_assert(!styx_req_cancelled(p->held[0]) && !styx_req_cancelled(p->held[1]), "%s", cell);
    give(p, 0, STYX_OP_read, SUCCESS);
    give(p, 1, STYX_OP_read, SUCCESS);
    script_pump(p);
    expect_start(p, "Rread tag 3");
    expect_start(p, "Rread tag 5");
    expect_nothing(p);
    script_free(p);
  }
}

Test(flushtable, what_was_retired_is_behind_in_the_outbox_or_sent) {
  for (int i = 0; i < ROWS; i++)
    for (int sent = 0; sent < 2; sent++) {
      struct script *p = world(false);
      snprintf(cell, sizeof cell, "%s, %s", rows[i].reply, sent ? "sent" : "in the outbox");
      script_t(p, request(&rows[i], STYX_NOFID));
      expect_answer(p, rows[i].reply, 3, SUCCESS);
      if (sent)
        styx_session_sent(p->s, styx_session_pending_bytes(p->s), 0);
      script_t(p, t_flush(4, 3));
      expect(p, "Rflush tag 4");
      expect_fids(p, FIDS + rows[i].fids);
      script_free(p);
    }
}

/* ---- not begun ---- */

Test(flushtable, queued) {
  for (int i = 0; i < ROWS; i++) {
    if (rows[i].must_run)
      continue;
    struct script *p = world(true);
    snprintf(cell, sizeof cell, "%s", rows[i].reply);
    int calls = p->calls;
    script_send(p, request(&rows[i], STYX_NOFID));
    script_send(p, t_flush(4, 3));
    expect(p, "Rflush tag 4"); /* not even a worker is wanted for that */
    script_pump(p);
    expect_nothing(p);
    cr_assert_eq(p->calls, calls, "%s: the tombstone runs", cell);
    expect_fids(p, FIDS);
    script_t(p, request(&rows[i], STYX_NOFID)); /* it had never been sent */
    expect_answer(p, rows[i].reply, 3, SUCCESS);
    expect_fids(p, FIDS + rows[i].fids);
    script_free(p);
  }
}

/* A walk that is held makes fid FREE under tag 2; what is sent to that fid is parked. */
static struct script *behind_a_walk(bool detachable, uint32_t also) {
  struct script *p = world(detachable);
  p->hold = STYX_OP(walk) | also;
  script_t(p, t_walk(2, 0, FREE, "file"));
  cr_assert_eq(p->nheld, 1);
  return p;
}

Test(flushtable, parked) {
  for (int i = 0; i < ROWS; i++)
    for (int how = 0; how < ANSWERS; how++) {
      if (rows[i].must_run)
        continue;
      struct script *p = behind_a_walk(true, 0);
      snprintf(cell, sizeof cell, "%s behind a walk: %s", rows[i].reply, answer_names[how]);
      script_t(p, request(&rows[i], FREE));
      script_t(p, t_fid(STYX_Tstat, 5, FREE));
      cr_assert_eq(styx_session_inspect(p->s).parked, 2, "%s", cell);
      script_t(p, t_flush(4, 3));
      expect(p, "Rflush tag 4");
      cr_assert_not(styx_req_cancelled(p->held[0]), "%s: who stands before it has nothing to do with it", cell);
      int calls = p->calls;
      give(p, 0, STYX_OP_walk, (enum answer)how);
      script_pump(p);
      expect_answer(p, "Rwalk", 2, (enum answer)how);
      expect_start(p, how == SUCCESS ? "Rstat tag 5" : "Rerror tag 5 ename 'bad fid'");
      expect_nothing(p);
      cr_assert_eq(p->calls, calls + (how == SUCCESS), "%s", cell);
      expect_fids(p, FIDS + (how == SUCCESS));
      script_free(p);
    }
}

/* ---- must-run ---- */

Test(flushtable, queued_and_running_remove) {
  for (int running = 0; running < 2; running++)
    for (int how = 0; how < ANSWERS; how++) {
      struct script *p = world(true);
      snprintf(cell, sizeof cell, "%s: %s", state_names[running ? RUNNING : QUEUED], answer_names[how]);
      p->hold = STYX_OP(remove);
      p->arm = true;
      script_send(p, t_fid(STYX_Tremove, 3, 6));
      if (running)
        script_pump(p);
      script_t(p, t_flush(4, 3));
      expect_nothing(p);
      cr_assert(!styx_req_cancelled(p->held[0]) && p->ncancelled == 0, "%s: it is told", cell);
      give(p, 0, STYX_OP_remove, (enum answer)how);
      script_pump(p);
      expect_answer(p, "Rremove", 3, (enum answer)how);
      expect(p, "Rflush tag 4");
      expect_nothing(p);
      expect_fids(p, FIDS - 1); /* whatever it says */
      script_free(p);
    }
}

Test(flushtable, queued_and_running_clunk) {
  static const char *const how_far[] = {"queued", "running", "closed and not retired"};
  for (int far = 0; far < 3; far++)
    for (int fails = 0; fails < 2; fails++) {
      struct script *p = world(true);
      snprintf(cell, sizeof cell, "%s, %s", how_far[far], fails ? "close fails" : "close succeeds");
      p->close_err = fails ? EIO : STYX_OK;
      script_send(p, t_fid(STYX_Tclunk, 3, 1));
      styx_work *w = far ? styx_session_next(p->s) : NULL;
      if (far == 2)
        styx_work_run(w);
      script_send(p, t_flush(4, 3));
      expect_nothing(p);
      if (far == 1)
        styx_work_run(w);
      script_pump(p);
      expect_answer(p, "Rclunk", 3, fails ? FAILURE : SUCCESS);
      expect(p, "Rflush tag 4");
      expect_nothing(p);
      expect_fids(p, FIDS - 1);
      p->close_err = STYX_OK;
      script_free(p);
    }
}

/* A stat stands between the walk and the must-run request: both are cancelled, and both are owed a reply. */
static void parked_must_run(const struct row *row, bool detachable, enum answer holder, enum answer own) {
  struct script *p = behind_a_walk(detachable, STYX_OP(remove));
  snprintf(cell, sizeof cell, "%s behind a walk%s: %s; its own: %s", row->reply,
           detachable ? " that is detachable" : "", answer_names[holder], answer_names[own]);
  script_t(p, t_fid(STYX_Tstat, 5, FREE));
  script_t(p, request(row, FREE));
  script_t(p, t_flush(4, 3));
  expect_answer(p, "", 5, INTERRUPTED);
  expect_nothing(p);
  cr_assert(styx_req_cancelled(p->held[0]), "%s: who stands before it is told", cell);
  give(p, 0, STYX_OP_walk, holder);
  script_pump(p);
  expect_answer(p, "Rwalk", 2, holder);
  if (holder == SUCCESS && row->op == STYX_OP_remove) {
    expect_nothing(p);
    give(p, 1, STYX_OP_remove, own);
    script_pump(p);
  }
  if (holder == SUCCESS)
    expect_answer(p, row->reply, 3, own);
  else
    expect(p, "Rerror tag 3 ename 'bad fid'");
  expect(p, "Rflush tag 4");
  expect_nothing(p);
  expect_fids(p, FIDS);
  script_free(p);
}

Test(flushtable, parked_must_run) {
  for (int i = 0; i < ROWS; i++)
    for (int holder = 0; holder < ANSWERS; holder++)
      for (int detachable = 0; rows[i].must_run && detachable < 2; detachable++) {
        bool chooses = holder == SUCCESS && rows[i].op == STYX_OP_remove;
        for (int own = 0; own < (chooses ? ANSWERS : 1); own++)
          parked_must_run(&rows[i], detachable, (enum answer)holder, (enum answer)own);
      }
}

/* ---- running ---- */

static struct script *running(const struct row *row, bool detachable, bool armed) {
  struct script *p = world(detachable);
  p->hold = 1u << row->op;
  p->arm = armed;
  script_t(p, request(row, STYX_NOFID));
  cr_assert_eq(p->nheld, 1, "%s", cell);
  return p;
}

static void check_told(const struct script *p, bool armed) {
  cr_assert(styx_req_cancelled(p->held[0]), "%s: it is not told", cell);
  cr_assert_eq(p->ncancelled, armed, "%s: its callback ran %d times", cell, p->ncancelled);
}

Test(flushtable, running) {
  for (int i = 0; i < ROWS; i++)
    for (int how = 0; how < ANSWERS; how++)
      for (int armed = 0; !rows[i].must_run && armed < 2; armed++) {
        snprintf(cell, sizeof cell, "%s: %s%s", rows[i].reply, answer_names[how], armed ? ", with a callback" : "");
        struct script *p = running(&rows[i], false, armed);
        script_t(p, t_flush(4, 3));
        expect_nothing(p);
        check_told(p, armed);
        give(p, 0, rows[i].op, (enum answer)how);
        script_pump(p);
        if (how != INTERRUPTED)
          expect_answer(p, rows[i].reply, 3, (enum answer)how);
        expect(p, "Rflush tag 4");
        expect_nothing(p);
        expect_fids(p, FIDS + (how == SUCCESS ? rows[i].fids : 0));
        script_free(p);
      }
}

/* What has no effects does not wait; everything else does as if nothing had been declared. */
Test(flushtable, running_where_all_is_declared_detachable) {
  for (int i = 0; i < ROWS; i++)
    for (int how = 0; how < ANSWERS; how++)
      for (int armed = 0; !rows[i].must_run && armed < 2; armed++) {
        snprintf(cell, sizeof cell, "%s: %s%s", rows[i].reply, answer_names[how], armed ? ", with a callback" : "");
        struct script *p = running(&rows[i], true, armed);
        script_t(p, t_flush(4, 3));
        expect(p, rows[i].detachable ? "Rflush tag 4" : "");
        check_told(p, armed);
        cr_assert_eq(styx_session_inspect(p->s).detached, rows[i].detachable, "%s", cell);
        give(p, 0, rows[i].op, (enum answer)how);
        script_pump(p);
        bool counts = !rows[i].detachable && how != INTERRUPTED;
        if (counts)
          expect_answer(p, rows[i].reply, 3, (enum answer)how);
        if (!rows[i].detachable)
          expect(p, "Rflush tag 4");
        expect_nothing(p);
        expect_fids(p, FIDS + (counts && how == SUCCESS ? rows[i].fids : 0));
        script_free(p);
      }
}

Test(flushtable, answered_and_not_retired) {
  for (int i = 0; i < ROWS; i++)
    for (int how = 0; how < ANSWERS; how++)
      for (int detachable = 0; rows[i].op != STYX_OP_close && detachable < 2; detachable++) {
        snprintf(cell, sizeof cell, "%s: %s", rows[i].reply, answer_names[how]);
        struct script *p = running(&rows[i], detachable, false);
        give(p, 0, rows[i].op, (enum answer)how);
        script_send(p, t_flush(4, 3));
        expect_nothing(p); /* its reply is decided, and comes first */
        script_pump(p);
        if (how != INTERRUPTED || rows[i].must_run)
          expect_answer(p, rows[i].reply, 3, (enum answer)how);
        expect(p, "Rflush tag 4");
        expect_nothing(p);
        script_free(p);
      }
}

/* ---- what would block, and is to run again ---- */

static void would_block_and_flush(const struct row *row, enum state state, bool detachable, enum answer how) {
  struct script *p = running(row, detachable, true);
  if (state == RUNNING) {
    script_t(p, t_flush(4, 3));
    expect(p, !row->must_run && detachable && row->detachable ? "Rflush tag 4" : "");
  }
  would_block(p);
  if (state == WOULD_BLOCK)
    script_send(p, t_flush(4, 3));
  else if (state == QUEUED_AGAIN)
    styx_session_retire(p->s, p->now);
  if (state == QUEUED_AGAIN)
    script_send(p, t_flush(4, 3));
  script_pump(p);
  cr_assert_eq(p->nheld, 1 + row->must_run, "%s: it runs %d times", cell, p->nheld);
  if (row->must_run) {
    expect_nothing(p);
    cr_assert_not(styx_req_cancelled(p->held[1]), "%s: it is told", cell);
    give(p, 1, row->op, how);
    script_pump(p);
    expect_answer(p, row->reply, 3, how);
  }
  if (row->must_run || state != RUNNING || !detachable || !row->detachable)
    expect(p, "Rflush tag 4");
  expect_nothing(p);
  expect_fids(p, FIDS + (row->must_run ? row->fids : 0));
  cr_assert_eq(p->ncancelled, state == RUNNING && !row->must_run, "%s: its callback ran %d times", cell, p->ncancelled);
  script_free(p);
}

Test(flushtable, would_block_and_flushed_before_it_runs_again) {
  static const enum state states[] = {RUNNING, WOULD_BLOCK, QUEUED_AGAIN};
  for (int i = 0; i < ROWS; i++)
    for (int s = 0; s < 3; s++)
      for (int detachable = 0; rows[i].op != STYX_OP_close && detachable < 2; detachable++)
        for (int how = 0; how < (rows[i].must_run ? ANSWERS : 1); how++) {
          snprintf(cell, sizeof cell, "%s, flushed while it is %s%s: %s", rows[i].reply, state_names[states[s]],
                   detachable ? ", detachable" : "", answer_names[how]);
          would_block_and_flush(&rows[i], states[s], detachable, (enum answer)how);
        }
}

Test(flushtable, would_block_and_flushed_while_it_runs_again_and_after) {
  for (int i = 0; i < ROWS; i++)
    for (int how = 0; how < ANSWERS; how++)
      for (int after = 0; rows[i].op != STYX_OP_close && after < 2; after++) {
        snprintf(cell, sizeof cell, "%s: %s, flushed %s", rows[i].reply, answer_names[how], after ? "after" : "during");
        struct script *p = running(&rows[i], false, true);
        would_block(p);
        script_pump(p);
        cr_assert_eq(p->nheld, 2, "%s", cell);
        if (!after)
          script_t(p, t_flush(4, 3));
        expect_nothing(p);
        cr_assert_eq(styx_req_cancelled(p->held[1]), !after && !rows[i].must_run, "%s", cell);
        cr_assert_eq(p->ncancelled, !after && !rows[i].must_run, "%s", cell);
        give(p, 1, rows[i].op, (enum answer)how);
        if (after)
          script_send(p, t_flush(4, 3));
        script_pump(p);
        if (how != INTERRUPTED || rows[i].must_run)
          expect_answer(p, rows[i].reply, 3, (enum answer)how);
        expect(p, "Rflush tag 4");
        expect_nothing(p);
        expect_fids(p, FIDS + (how == SUCCESS || rows[i].must_run ? rows[i].fids : 0));
        script_free(p);
      }
}

/* A must-run request behind a walk that would block: the walk ends there, and nobody has flushed it. */
Test(flushtable, would_block_in_the_way_of_what_must_run) {
  for (int i = 0; i < ROWS; i++)
    for (int queued = 0; rows[i].must_run && queued < 2; queued++) {
      snprintf(cell, sizeof cell, "%s behind a walk that %s", rows[i].reply, state_names[WOULD_BLOCK + queued]);
      struct script *p = behind_a_walk(true, 0);
      script_t(p, request(&rows[i], FREE));
      would_block(p);
      if (queued)
        styx_session_retire(p->s, p->now);
      script_t(p, t_flush(4, 3));
      expect_answer(p, "Rwalk", 2, INTERRUPTED);
      expect(p, "Rerror tag 3 ename 'bad fid'");
      expect(p, "Rflush tag 4");
      expect_nothing(p);
      cr_assert_eq(p->nheld, 1, "%s", cell);
      script_free(p);
    }
}

/* ---- several Tflush, and Tflush of Tflush ---- */

/* F4 and F7 name the request, F5 names F4, F6 names F5. One comes after the answer, before it is retired. */
static void flush_often(const struct row *row, bool detachable, enum answer how) {
  struct script *p = running(row, detachable, false);
  script_t(p, t_flush(14, 3));
  bool at_once = detachable && row->detachable;
  script_t(p, t_flush(5, 14));
  script_t(p, t_flush(16, 5));
  if (!at_once) {
    script_t(p, t_flush(7, 3));
    expect_nothing(p);
  }
  give(p, 0, row->op, how);
  if (!at_once)
    script_send(p, t_flush(18, 7));
  script_pump(p);
  if (!at_once && (how != INTERRUPTED || row->must_run))
    expect_answer(p, row->reply, 3, how);
  expect(p, "Rflush tag 14");
  expect(p, "Rflush tag 5");
  expect(p, "Rflush tag 16");
  if (!at_once) {
    expect(p, "Rflush tag 7");
    expect(p, "Rflush tag 18");
  }
  expect_nothing(p);
  p->hold = 0;
  script_t(p, t_fid(STYX_Tstat, 14, 0)); /* their tags are free */
  expect_start(p, "Rstat tag 14");
  script_free(p);
}

Test(flushtable, several_and_a_tflush_that_waits) {
  for (int i = 0; i < ROWS; i++)
    for (int how = 0; how < ANSWERS; how++)
      for (int detachable = 0; rows[i].op != STYX_OP_close && detachable < 2; detachable++) {
        snprintf(cell, sizeof cell, "%s: %s%s", rows[i].reply, answer_names[how], detachable ? ", detachable" : "");
        flush_often(&rows[i], detachable, (enum answer)how);
      }
}

/* ---- the connection is lost, or starts anew ---- */

/* The request of this row, in this state, under tag 3. */
static struct script *in_state(const struct row *row, enum state state, bool detachable, enum answer how) {
  uint32_t hold = row->op == STYX_OP_close ? 0 : 1u << row->op;
  if (state == PARKED) {
    struct script *p = behind_a_walk(detachable, hold);
    script_t(p, request(row, FREE));
    return p;
  }
  struct script *p = world(detachable);
  p->hold = hold;
  script_send(p, request(row, STYX_NOFID));
  if (state == QUEUED)
    return p;
  if (row->op == STYX_OP_close) { /* a clunk runs as its close does */
    styx_work_run(styx_session_next(p->s));
    return p;
  }
  script_pump(p);
  if (state == ANSWERED)
    give(p, 0, row->op, how);
  if (state >= WOULD_BLOCK)
    would_block(p);
  if (state == QUEUED_AGAIN)
    styx_session_retire(p->s, p->now);
  if (state == RUNNING_AGAIN)
    script_pump(p);
  return p;
}

/* Whatever is held, and whatever then begins, is answered. */
static void give_all(struct script *p, const struct row *row, bool parked, enum answer how) {
  for (int i = 0; i < p->nheld; i++)
    if (p->held[i]) {
      give(p, i, parked && i == 0 ? STYX_OP_walk : row->op, how);
      script_pump(p);
    }
}

enum end { HANGUP, VERSION, ENDS };

static bool waits_for_a_handler(const struct script *p, bool detachable, const struct row *row, enum state state) {
  bool left = detachable && (row->detachable || state == PARKED); /* a walk stands before what is parked */
  for (int i = 0; i < p->nheld; i++)
    if (p->held[i] && !left)
      return true;
  return false;
}

static void end_in_state(const struct row *row, enum state state, bool detachable, bool flushed, enum end end,
                         enum answer how) {
  struct script *p = in_state(row, state, detachable, how);
  if (flushed)
    script_send(p, t_flush(4, 3));
  p->taken = p->nlines; /* whatever came before is legal */
  if (end == HANGUP)
    styx_session_hangup(p->s);
  else
    script_send(p, t_version(4096, "9P2000"));
  script_pump(p);
  bool waits = waits_for_a_handler(p, detachable, row, state);
  if (end == VERSION && !waits)
    expect(p, "Rversion tag NOTAG msize 4096 version '9P2000'");
  expect_nothing(p);
  give_all(p, row, state == PARKED, how);
  if (end == VERSION && waits)
    expect(p, "Rversion tag NOTAG msize 4096 version '9P2000'");
  expect_nothing(p); /* of the old session, ever */
  cr_assert(end == HANGUP ? styx_session_done(p->s) : styx_session_inspect(p->s).requests == 0, "%s", cell);
  cr_assert(p->nodes == 0 && p->handles == 0, "%s: %d nodes, %d handles are left", cell, p->nodes, p->handles);
  expect_fids(p, 0);
  script_free(p);
}

static void end_in_every_state(enum end end) {
  for (int i = 0; i < ROWS; i++)
    for (int state = 0; state < STATES; state++)
      for (int how = 0; how < ANSWERS; how++)
        for (int detachable = 0; detachable < 2; detachable++)
          for (int flushed = 0; flushed < 2; flushed++) {
            snprintf(cell, sizeof cell, "%s %s%s%s, then %s", rows[i].reply, state_names[state],
                     detachable ? ", detachable" : "", flushed ? ", flushed" : "", answer_names[how]);
            end_in_state(&rows[i], (enum state)state, detachable, flushed, end, (enum answer)how);
          }
}

Test(flushtable, connection_lost) { end_in_every_state(HANGUP); }

Test(flushtable, tversion_in_mid_session) { end_in_every_state(VERSION); }

/* A must-run request has been run, whatever became of the connection, if there was ever a fid for it. */
Test(flushtable, connection_lost_and_tversion_run_what_must) {
  for (int state = 0; state < ANSWERED; state++)
    for (int end = 0; end < ENDS; end++) {
      const struct row *remove = &rows[ROWS - 2];
      snprintf(cell, sizeof cell, "%s, %s", state_names[state], end == HANGUP ? "hangup" : "Tversion");
      struct script *p = in_state(remove, (enum state)state, false, SUCCESS);
      if (end == HANGUP)
        styx_session_hangup(p->s);
      else
        script_send(p, t_version(4096, "9P2000"));
      script_pump(p);
      if (state == PARKED) {
        cr_assert(styx_req_cancelled(p->held[0]), "%s", cell);
        give(p, 0, STYX_OP_walk, SUCCESS);
        script_pump(p);
      }
      cr_assert_eq(p->nheld, 1 + (state == PARKED), "%s: it does not run", cell);
      cr_assert_not(styx_req_cancelled(p->held[p->nheld - 1]), "%s: it is told", cell);
      give(p, p->nheld - 1, STYX_OP_remove, SUCCESS);
      script_pump(p);
      cr_assert_eq(p->nodes, 0, "%s", cell);
      script_free(p);
    }
}
