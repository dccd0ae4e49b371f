/* styx_conform_flush.c: Tflush. What it may stop has happened and was answered, or was not answered and never happened. */
#include "styx_conform.h"

#include <string.h>

enum { OP_TAG = 5, FLUSH_TAG = 6, REPEAT = 20 };

/* One operation; and a request that succeeds if it has happened (inverse: if it has not). */
struct op {
  const char *name;
  void (*prepare)(struct cf_run *);
  styx_msg (*request)(struct cf_run *);
  bool (*happened)(struct cf_run *);
};

static bool succeeds(struct cf_run *r, styx_msg t) { return cf_rpc(r, t).type != STYX_Rerror; }

static void nothing(struct cf_run *r) { (void)r; }
static void a_file(struct cf_run *r) { cf_file(r, 3, "f", 0666, "old"); }
static void open_file(struct cf_run *r) {
  a_file(r);
  (void)cf_ok(r, cf_topen(3, STYX_ORDWR));
}
static void a_clone(struct cf_run *r) { (void)cf_ok(r, cf_twalk(1, 3, NULL)); }

static styx_msg do_walk(struct cf_run *r) {
  (void)r;
  return cf_twalk(1, 3, NULL);
}
static styx_msg do_attach(struct cf_run *r) {
  return (styx_msg){.type = STYX_Tattach,
                    .fid = 3,
                    .afid = STYX_NOFID,
                    .uname = styx_str_of(r->w->user),
                    .aname = styx_str_of(r->w->aname)};
}
static styx_msg do_open(struct cf_run *r) {
  (void)r;
  return cf_topen(3, STYX_ORDWR | STYX_OTRUNC);
}
static styx_msg do_create(struct cf_run *r) {
  (void)r;
  return cf_tcreate(3, "new", 0666, STYX_OWRITE);
}
static styx_msg do_read(struct cf_run *r) {
  (void)r;
  return cf_tread(3, 0, 100);
}
static styx_msg do_write(struct cf_run *r) {
  (void)r;
  return cf_twrite(3, 0, "new", 3);
}
static styx_msg do_stat(struct cf_run *r) {
  (void)r;
  return cf_tfid(STYX_Tstat, 3);
}
static styx_msg do_wstat(struct cf_run *r) {
  styx_stat st = styx_stat_untouched();
  (void)r;
  st.name = styx_str_of("renamed");
  return cf_twstat(3, st);
}
static styx_msg do_clunk(struct cf_run *r) {
  (void)r;
  return cf_tfid(STYX_Tclunk, 3);
}
static styx_msg do_remove(struct cf_run *r) {
  (void)r;
  return cf_tfid(STYX_Tremove, 3);
}

static bool fid_is_there(struct cf_run *r) { return succeeds(r, cf_tfid(STYX_Tstat, 3)); }
static bool fid_is_gone(struct cf_run *r) { return !fid_is_there(r); }
static bool fid_is_open(struct cf_run *r) { return succeeds(r, cf_tread(3, 0, 10)); }

static bool named(struct cf_run *r, const char *name) {
  bool there = succeeds(r, cf_twalk(1, 9, name));
  if (there)
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 9));
  return there;
}

/* Both or neither: the file is empty if and only if the fid is open. */
static bool opened(struct cf_run *r) {
  bool empty = cf_ok(r, cf_tfid(STYX_Tstat, 3)).stat.length == 0, open = fid_is_open(r);
  if (empty != open)
    cf_fail(r, "the open has happened in part: the file is %s, the fid is %s", empty ? "empty" : "as it was",
            open ? "open" : "not open");
  return open;
}

static bool created(struct cf_run *r) {
  bool there = named(r, "new"), open = succeeds(r, cf_twrite(3, 0, "x", 1));
  if (there != open)
    cf_fail(r, "the create has happened in part: the file %s, the fid is %s", there ? "is there" : "is not there",
            open ? "open" : "not open");
  return there;
}

static bool written(struct cf_run *r) {
  styx_msg m = cf_ok(r, cf_tread(3, 0, 3));
  return m.count && memcmp(m.data, "new", m.count) == 0;
}

static bool renamed(struct cf_run *r) { return named(r, "renamed"); }

static bool removed(struct cf_run *r) {
  bool there = named(r, "f"), fid = fid_is_there(r);
  if (there != fid)
    cf_fail(r, "the remove has happened in part: the file %s, the fid %s", there ? "is there" : "is gone",
            fid ? "is there" : "is gone");
  return !there;
}

/* A request that is answered or not, with its Tflush at any distance behind it. */
static bool ask(struct cf_run *r, const struct op *op, unsigned between) {
  styx_msg t = op->request(r), m, flush = {.type = STYX_Tflush, .tag = FLUSH_TAG, .oldtag = OP_TAG};
  bool answered = false;
  t.tag = OP_TAG;
  cf_queue(r, &t);
  for (unsigned i = 0; i < between; i++) {
    styx_msg other = {.type = STYX_Tstat, .tag = (uint16_t)(100 + i), .fid = 1};
    cf_queue(r, &other);
  }
  cf_queue(r, &flush);
  cf_push(r);
  for (unsigned others = 0, over = 0; !over || others < between;) {
    if (!cf_next(r, &m))
      cf_fail(r, "the server hung up; right: Rflush");
    if (m.tag == OP_TAG && m.type == STYX_Rerror && !styx_str_is(m.ename, "interrupted") &&
        styx_err_from_text(m.ename.s, m.ename.len) != styx_err_from_text("interrupted", 11))
      cf_skip(r, "the server refuses this: %.*s", (int)m.ename.len, m.ename.s);
    answered = answered || (m.tag == OP_TAG && m.type != STYX_Rerror);
    over = over || m.tag == FLUSH_TAG;
    others += m.tag >= 100;
  }
  return answered;
}

static void flush_one(struct cf_run *r, const struct op *op) {
  for (unsigned i = 0; i < REPEAT; i++) {
    r->sub[0] = '\0';
    cf_begin(r, 1, CF_DIR, r->w->user); /* everything anew */
    op->prepare(r);
    bool answered = ask(r, op, i % 4 * 3);
    if (op->happened && op->happened(r) != answered)
      cf_fail(
          r, "%s was %s before its Rflush, and has %shappened; right: answered if it has happened, else not (flush(5))",
          op->name, answered ? "answered" : "not answered", answered ? "not " : "");
    (void)cf_ok(r, cf_tfid(STYX_Tstat, 1));
  }
}

#define FLUSH(what, prepare, request, happened)                                                                        \
  static void flush_##what(struct cf_run *r) { flush_one(r, &(struct op){"T" #what, prepare, request, happened}); }
FLUSH(walk, nothing, do_walk, fid_is_there)
FLUSH(attach, nothing, do_attach, fid_is_there)
FLUSH(open, a_file, do_open, opened)
FLUSH(create, a_clone, do_create, created)
FLUSH(read, open_file, do_read, NULL)
FLUSH(write, open_file, do_write, written)
FLUSH(stat, a_file, do_stat, NULL)
FLUSH(wstat, a_file, do_wstat, renamed)
FLUSH(clunk, a_file, do_clunk, fid_is_gone)
FLUSH(remove, a_file, do_remove, removed)
#undef FLUSH

/* Rflushes of one request come in the order of their Tflushes; earlier ones may be left out (F10). */
static void several(struct cf_run *r) {
  enum { SEVERAL = 5 };
  for (int round = 0; round < REPEAT; round++) {
    styx_msg m, t = {.type = STYX_Tstat, .tag = OP_TAG};
    cf_queue(r, &t);
    for (unsigned i = 0; i < SEVERAL; i++) {
      styx_msg flush = {.type = STYX_Tflush, .tag = (uint16_t)(10 + i), .oldtag = OP_TAG};
      cf_queue(r, &flush);
    }
    cf_push(r);
    for (uint16_t last = 0; last != 10 + SEVERAL - 1;) {
      if (!cf_next(r, &m))
        cf_fail(r, "the server hung up; right: Rflush");
      if (m.type != STYX_Rflush && last)
        cf_fail(r, "a reply came behind an Rflush of its request");
      if (m.type != STYX_Rflush)
        continue;
      if (m.tag < last)
        cf_fail(r, "Rflush %u came behind Rflush %u of the same request", m.tag, last);
      last = m.tag;
    }
    memset(r->p->asked, 0, 65536 * sizeof *r->p->asked); /* those that were left out */
  }
}

static void of_answered(struct cf_run *r) {
  for (int i = 0; i < REPEAT; i++) {
    (void)cf_ok(r, cf_tfid(STYX_Tstat, 0));
    styx_msg m, flush = {.type = STYX_Tflush, .tag = FLUSH_TAG, .oldtag = CF_TAG};
    cf_send(r, &flush);
    if (!cf_next(r, &m) || m.type != STYX_Rflush)
      cf_fail(r, "right: Rflush");
  }
}

/* A read that waits is ended by its Tflush, at once; and whoever else asks is served meanwhile. */
static void blocked(struct cf_run *r) {
  if (!r->w->blocked)
    cf_skip(r, "--blocked names a file of which a read waits");
  cf_walk_path(r, 0, 2, r->w->blocked);
  (void)cf_ok(r, cf_topen(2, STYX_OREAD));
  for (int i = 0; i < 3; i++) {
    styx_msg m, t = cf_tread(2, 0, 100), flush = {.type = STYX_Tflush, .tag = FLUSH_TAG, .oldtag = OP_TAG};
    t.tag = OP_TAG;
    cf_send(r, &t);
    (void)cf_ok(r, cf_tfid(STYX_Tstat, 0));
    cf_alive(r);
    cf_send(r, &flush);
    if (!cf_next(r, &m))
      cf_fail(r, "the server hung up; right: Rflush");
    if (m.tag == OP_TAG && !cf_next(r, &m))
      cf_fail(r, "the server hung up; right: Rflush");
  }
}

/* More of them than a server has threads. */
static void blocked_many(struct cf_run *r) {
  enum { MANY = 100 };
  styx_msg m;
  if (!r->w->blocked)
    cf_skip(r, "--blocked names a file of which a read waits");
  cf_walk_path(r, 0, 2, r->w->blocked);
  (void)cf_ok(r, cf_topen(2, STYX_OREAD));
  for (unsigned i = 0; i < MANY; i++) {
    styx_msg t = cf_tread(2, 0, 100);
    t.tag = (uint16_t)(100 + i);
    cf_queue(r, &t);
  }
  cf_push(r);
  cf_alive(r);
  for (unsigned i = 0; i < MANY; i++) {
    styx_msg flush = {.type = STYX_Tflush, .tag = (uint16_t)(300 + i), .oldtag = (uint16_t)(100 + i)};
    cf_send(r, &flush);
  }
  for (int flushed = 0; flushed < MANY; flushed += m.type == STYX_Rflush)
    if (!cf_next(r, &m))
      cf_fail(r, "the server hung up; right: Rflush");
}

static void blocked_hangup(struct cf_run *r) {
  if (!r->w->blocked)
    cf_skip(r, "--blocked names a file of which a read waits");
  for (unsigned n = 1; n < 10; n++) {
    cf_begin(r, n, CF_ROOT, r->w->user);
    cf_walk_path(r, 0, 2, r->w->blocked);
    (void)cf_ok(r, cf_topen(2, STYX_OREAD));
    styx_msg t = cf_tread(2, 0, 100);
    t.tag = OP_TAG;
    cf_send(r, &t);
    cf_hangup(r, n);
  }
  cf_alive(r);
}

static const struct cf_check checks[] = {
    {"flush-unknown", "flush(5)",
     "a Tflush of a tag that nobody uses is answered at once, by Rflush; its own tag is free", CF_ROOT,
     "> Tflush tag 5 oldtag 77\n"
     "< Rflush tag 5\n"
     "> Tflush tag 5 oldtag 77\n"
     "< Rflush tag 5\n"
     "> Tstat tag 5 fid 0\n"
     "< Rstat tag 5 *",
     NULL},
    {"flush-answered", "flush(5)", "a Tflush of what was answered is answered by Rflush", CF_ROOT, NULL, of_answered},
    {"flush-itself", "flush(5)", "a Tflush of its own tag is answered by Rflush, and the tag is free", CF_ROOT,
     "> Tflush tag 5 oldtag 5\n"
     "< Rflush tag 5\n"
     "> Tstat tag 5 fid 0\n"
     "< Rstat tag 5 *",
     NULL},
    {"flush-notag", "flush(5)", "a Tflush of NOTAG is answered by Rflush", CF_ROOT,
     "> Tflush tag 5 oldtag NOTAG\n"
     "< Rflush tag 5",
     NULL},
    {"flush-pipelined", "flush(5)",
     "a request and its Tflush in one packet: a reply or none, then Rflush, then nothing", CF_ROOT,
     ">+ Tstat tag 5 fid 0\n"
     "> Tflush tag 6 oldtag 5\n"
     "<? R* tag 5 *\n"
     "< Rflush tag 6\n"
     "quiet\n"
     "> Tstat tag 5 fid 0\n"
     "< Rstat tag 5 *",
     NULL},
    {"flush-of-flush", "flush(5)", "a Tflush may be flushed: its Rflush comes first, if it comes", CF_ROOT,
     ">+ Tstat tag 5 fid 0\n"
     ">+ Tflush tag 6 oldtag 5\n"
     "> Tflush tag 7 oldtag 6\n"
     "<? R* tag 5 *\n"
     "<? Rflush tag 6\n"
     "<? R* tag 5 *\n"
     "< Rflush tag 7\n"
     "> Tflush tag 8 oldtag 99\n"
     "<? R* tag 5 *\n" /* the Tflush under tag 6 may have been undone */
     "< Rflush tag 8\n"
     "quiet",
     NULL},
    {"flush-several", "flush(5)", "Rflushes of one request come in the order of their Tflushes, behind its reply",
     CF_ROOT, NULL, several},
    {"flush-fid", "flush(5)", "of a Tflush nothing but the request that it names is affected", CF_ROOT,
     ">+ Twalk tag 5 fid 0 newfid 5 nwname 0\n"
     ">+ Tflush tag 6 oldtag 77\n"
     "> Tstat tag 7 fid 0\n"
     "<{ Rwalk tag 5 nwqid 0 ;; Rflush tag 6 ;; Rstat tag 7 *\n"
     "quiet\n"
     "! Tstat fid 5",
     NULL},
    {"flush-attach", "flush(5)", "a flushed Tattach: answered, or no fid", CF_DIR, NULL, flush_attach},
    {"flush-walk", "flush(5)", "a flushed Twalk: answered, or no fid", CF_DIR, NULL, flush_walk},
    {"flush-open", "flush(5)", "a flushed Topen: answered, or neither open nor truncated", CF_DIR, NULL, flush_open},
    {"flush-create", "flush(5)", "a flushed Tcreate: answered, or no file and the fid where it was", CF_DIR, NULL,
     flush_create},
    {"flush-read", "flush(5)", "a flushed Tread: answered or not, then Rflush", CF_DIR, NULL, flush_read},
    {"flush-write", "flush(5)", "a flushed Twrite: answered, or no byte written", CF_DIR, NULL, flush_write},
    {"flush-stat", "flush(5)", "a flushed Tstat: answered or not, then Rflush", CF_DIR, NULL, flush_stat},
    {"flush-wstat", "flush(5)", "a flushed Twstat: answered, or nothing changed", CF_DIR, NULL, flush_wstat},
    {"flush-clunk", "flush(5)", "a flushed Tclunk: answered, or the fid is as it was", CF_DIR, NULL, flush_clunk},
    {"flush-remove", "flush(5)", "a flushed Tremove: answered, or file and fid are as they were", CF_DIR, NULL,
     flush_remove},
    {"flush-blocked", "flush(5)", "a read that waits delays nobody, and is ended by its Tflush", CF_ROOT, NULL,
     blocked},
    {"flush-blocked-many", "flush(5)", "a hundred reads that wait delay nobody, and are ended by their Tflushes",
     CF_ROOT, NULL, blocked_many},
    {"flush-blocked-hangup", "flush(5)", "a client that goes while its read waits takes nobody with it", CF_ROOT, NULL,
     blocked_hangup},
};
const struct cf_group cf_flush = {checks, sizeof checks / sizeof *checks};
