/* styx_conform_walk.c: Twalk. */
#include "styx_conform.h"

#include <string.h>

static void sixteen(struct cf_run *r) {
  styx_msg t = {.type = STYX_Twalk, .fid = 1, .newfid = 3};
  cf_mkdir(r, 2, "d", 0777);
  for (int depth = 1; depth < 16; depth++) {
    (void)cf_ok(r, cf_twalk(2, 3, NULL));
    (void)cf_ok(r, cf_tcreate(3, "d", STYX_DMDIR | 0777, STYX_OREAD));
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 3));
    (void)cf_ok(r, cf_twalk(2, 2, "d"));
  }
  while (t.nwname < STYX_MAXWELEM)
    t.wname[t.nwname++] = styx_str_of("d");
  styx_msg m = cf_ok(r, t);
  if (m.nwqid != 16)
    cf_fail(r, "%u qids came for 16 names that are there; right: 16", m.nwqid);
  for (int i = 0; i < 16; i++)
    t.wname[i] = styx_str_of("..");
  t.fid = t.newfid = 3;
  styx_qid up = {0};
  m = cf_ok(r, t);
  if (m.nwqid == 16)
    up = m.wqid[15];
  if (up.path != cf_ok(r, cf_tfid(STYX_Tstat, 1)).stat.qid.path)
    cf_fail(r, "16 times \"..\" did not lead back up");
}

/* Seventeen names cannot be said by the encoder. */
static void seventeen(struct cf_run *r) {
  uint8_t bytes[17 + 17 * 4] = {sizeof bytes, 0, 0, 0, STYX_Twalk, CF_TAG, 0, 0, 0, 0, 0, 9, 0, 0, 0, 17, 0};
  styx_msg m;
  for (size_t i = 17; i < sizeof bytes; i += 4) {
    bytes[i] = 2;
    bytes[i + 2] = bytes[i + 3] = '.';
  }
  r->p->asked[CF_TAG] = (struct cf_asked){.types = {STYX_Twalk}, .n = 1, .nwname = 17};
  cf_log(r, "->", "Twalk tag 1 fid 0 newfid 9 nwname 17 '..' '..' ...");
  cf_queue_bytes(r, bytes, sizeof bytes);
  if (cf_next(r, &m)) {
    if (m.type != STYX_Rerror)
      cf_fail(r, "a walk of 17 names was done; right: Rerror, or the end of the connection");
    cf_refused(r, cf_tfid(STYX_Tclunk, 9));
  }
  cf_alive(r);
}

static void long_names(struct cf_run *r) {
  static char name[65000];
  memset(name, 'n', sizeof name - 1);
  for (size_t len = 255; len < 4096; len += 479) {
    styx_msg t = cf_twalk(0, 9, "");
    t.wname[0] = (styx_str){name, len};
    cf_refused(r, t);
  }
  cf_refused(r, cf_tfid(STYX_Tclunk, 9));
}

static const struct cf_check checks[] = {
    {"walk-clone", "walk(5)", "a walk of no name makes a fid for the same file, and no qid", CF_ROOT,
     "! Tstat fid 0 => Rstat stat (type * dev * qid $root *\n"
     "! Twalk fid 0 newfid 2 nwname 0 => Rwalk nwqid 0\n"
     "! Tstat fid 2 => Rstat stat (type * dev * qid $root *\n"
     "! Topen fid 2 mode 0\n"
     "! Twalk fid 0 newfid 3 nwname 0",
     NULL},
    {"walk-clone-itself", "walk(5)", "newfid may be fid", CF_ROOT,
     "! Twalk fid 0 newfid 0 nwname 0 => Rwalk nwqid 0\n"
     "! Tstat fid 0",
     NULL},
    {"walk-one", "walk(5)", "a name that is there gives the qid that stat has", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f' => Rwalk nwqid 1 $f\n"
     "! Tstat fid 3 => Rstat stat (type * dev * qid $f *",
     NULL},
    {"walk-missing", "walk(5)", "a first element that is not there is an error, and makes no fid", CF_ROOT,
     "x Twalk fid 0 newfid 2 nwname 1 'styx-conform-missing'\n"
     "x Tstat fid 2\n"
     "x Twalk fid 0 newfid 2 nwname 2 'styx-conform-missing' 'x'\n"
     "x Tstat fid 2\n"
     "! Twalk fid 0 newfid 2 nwname 0",
     NULL},
    {"walk-partial", "walk(5)", "a later element that is not there: the qids so far, no new fid", CF_DIR,
     "dir 2 'd'\n"
     "! Tstat fid 2 => Rstat stat (type * dev * qid $d *\n"
     "! Twalk fid 1 newfid 3 nwname 2 'd' 'missing' => Rwalk nwqid 1 $d\n"
     "x Tstat fid 3\n"
     "! Twalk fid 1 newfid 3 nwname 4 'd' '..' 'd' 'missing' => Rwalk nwqid 3 $d * $d\n"
     "x Tstat fid 3",
     NULL},
    {"walk-partial-itself", "walk(5)", "a partial walk of a fid onto itself leaves it where it was", CF_DIR,
     "dir 2 'd'\n"
     "! Tstat fid 1 => Rstat stat (type * dev * qid $here *\n"
     "! Twalk fid 1 newfid 1 nwname 2 'd' 'missing' => Rwalk nwqid 1 *\n"
     "! Tstat fid 1 => Rstat stat (type * dev * qid $here *\n"
     "x Twalk fid 1 newfid 1 nwname 1 'missing'\n"
     "! Tstat fid 1 => Rstat stat (type * dev * qid $here *",
     NULL},
    {"walk-itself", "walk(5)", "a whole walk of a fid onto itself moves it", CF_DIR,
     "dir 2 'd'\n"
     "! Tstat fid 2 => Rstat stat (type * dev * qid $d *\n"
     "! Twalk fid 1 newfid 1 nwname 1 'd' => Rwalk nwqid 1 $d\n"
     "! Tstat fid 1 => Rstat stat (type * dev * qid $d *",
     NULL},
    {"walk-newfid-in-use", "walk(5)", "a newfid in use is refused, and stays what it was", CF_DIR,
     "dir 2 'd'\n"
     "file 3 'f' 'x'\n"
     "! Tstat fid 3 => Rstat stat (type * dev * qid $f *\n"
     "x Twalk fid 1 newfid 3 nwname 1 'd'\n"
     "x Twalk fid 1 newfid 3 nwname 0\n"
     "! Tstat fid 3 => Rstat stat (type * dev * qid $f *",
     NULL},
    {"walk-open-fid", "walk(5)", "an open fid cannot be walked, nor cloned", CF_ROOT,
     "! Twalk fid 0 newfid 2 nwname 0\n"
     "! Topen fid 2 mode 0\n"
     "x Twalk fid 2 newfid 3 nwname 0\n"
     "x Twalk fid 2 newfid 3 nwname 1 '..'\n"
     "x Twalk fid 2 newfid 2 nwname 1 '..'\n"
     "x Tstat fid 3\n"
     "~ Tread fid 2 offset 0 count 100",
     NULL},
    {"walk-up-root", "walk(5)", "the parent of the root is the root", CF_ROOT,
     "! Tstat fid 0 => Rstat stat (type * dev * qid $root *\n"
     "! Twalk fid 0 newfid 2 nwname 1 '..' => Rwalk nwqid 1 $root\n"
     "! Twalk fid 0 newfid 3 nwname 3 '..' '..' '..' => Rwalk nwqid 3 $root $root $root",
     NULL},
    {"walk-up", "walk(5)", "\"..\" leads to the parent", CF_DIR,
     "dir 2 'd'\n"
     "! Tstat fid 1 => Rstat stat (type * dev * qid $here *\n"
     "! Twalk fid 2 newfid 3 nwname 1 '..' => Rwalk nwqid 1 $here\n"
     "! Twalk fid 1 newfid 4 nwname 2 'd' '..' => Rwalk nwqid 2 * $here",
     NULL},
    {"walk-sixteen", "walk(5)", "sixteen names are walked by one message, down and up", CF_DIR, NULL, sixteen},
    {"walk-seventeen", "walk(5)", "seventeen names are refused, or end the connection, and harm nobody", CF_ROOT, NULL,
     seventeen},
    {"walk-through-file", "walk(5)", "nothing is walked to beneath a file", CF_DIR,
     "file 2 'f' 'x'\n"
     "x Twalk fid 2 newfid 3 nwname 1 'x'\n"
     "! Twalk fid 1 newfid 3 nwname 2 'f' 'x' => Rwalk nwqid 1 *\n"
     "x Tstat fid 3",
     NULL},
    {"walk-newfid-nofid", "walk(5)", "NOFID is no newfid", CF_ROOT, "x Twalk fid 0 newfid NOFID nwname 0", NULL},
    {"walk-empty-name", "walk(5)", "an empty name leads nowhere", CF_ROOT,
     "> Twalk tag 2 fid 0 newfid 2 nwname 1 ''\n"
     "< Rerror tag 2 * || eof\n"
     "alive",
     NULL},
    {"walk-long-name", "walk(5)", "a name of thousands of bytes is refused as any that is not there", CF_ROOT, NULL,
     long_names},
    {"walk-removed", "walk(5)", "a name is gone as soon as its file was removed", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Tremove fid 2\n"
     "x Twalk fid 1 newfid 3 nwname 1 'f'",
     NULL},
};
const struct cf_group cf_walk = {checks, sizeof checks / sizeof *checks};
