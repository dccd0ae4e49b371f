/* styx_conform_change.c: Tclunk, Tremove, Tstat and Twstat. */
#include "styx_conform.h"

#include <string.h>

/* ---- wstat ---- */

/* A copy of what wstat may change; strings in room. */
struct before {
  styx_stat st;
  char name[256], uid[256], gid[256];
};

static void look(struct cf_run *r, uint32_t fid, struct before *b) {
  b->st = cf_ok(r, cf_tfid(STYX_Tstat, fid)).stat;
  snprintf(b->name, sizeof b->name, "%.*s", (int)b->st.name.len, b->st.name.s);
  snprintf(b->uid, sizeof b->uid, "%.*s", (int)b->st.uid.len, b->st.uid.s);
  snprintf(b->gid, sizeof b->gid, "%.*s", (int)b->st.gid.len, b->st.gid.s);
}

enum field { NOTHING = 0, MODE = 1, MTIME = 2, LENGTH = 4, NAME = 8 };

/* Nothing has changed but these. */
static void same_but(struct cf_run *r, uint32_t fid, const struct before *b, unsigned fields) {
  struct before now;
  look(r, fid, &now);
  const char *what = !(fields & NAME) && strcmp(now.name, b->name) != 0            ? "the name"
                     : strcmp(now.uid, b->uid) != 0                                ? "the owner"
                     : strcmp(now.gid, b->gid) != 0                                ? "the group"
                     : !(fields & MODE) && now.st.mode != b->st.mode               ? "the mode"
                     : !(fields & LENGTH) && now.st.length != b->st.length         ? "the length"
                     : !(fields & (MTIME | LENGTH)) && now.st.mtime != b->st.mtime ? "the time"
                     : now.st.qid.path != b->st.qid.path                           ? "the qid's path"
                                                                                   : NULL;
  if (what)
    cf_fail(r, "%s has changed, and was not to", what);
}

static void wstat_untouched(struct cf_run *r) {
  struct before b;
  cf_file(r, 2, "f", 0640, "text");
  look(r, 2, &b);
  (void)cf_ok(r, cf_twstat(2, styx_stat_untouched()));
  same_but(r, 2, &b, NOTHING);
  cf_mkdir(r, 3, "d", 0777);
  (void)cf_ok(r, cf_twstat(3, styx_stat_untouched()));
}

static void wstat_each(struct cf_run *r) {
  struct before b;
  styx_stat st;
  cf_file(r, 2, "f", 0640, "text");
  look(r, 2, &b);
  st = styx_stat_untouched();
  st.mode = (b.st.mode & ~0777u) | 0600;
  (void)cf_or_skip(r, cf_twstat(2, st));
  same_but(r, 2, &b, MODE);
  look(r, 2, &b);
  if ((b.st.mode & 0777) != 0600)
    cf_fail(r, "the mode is %#o; right: 0600", b.st.mode & 0777);
  st = styx_stat_untouched();
  st.mtime = 1000000000;
  (void)cf_or_skip(r, cf_twstat(2, st));
  same_but(r, 2, &b, MTIME);
  look(r, 2, &b);
  if (b.st.mtime != 1000000000)
    cf_fail(r, "mtime is %u; right: 1000000000", b.st.mtime);
  st = styx_stat_untouched();
  st.length = 2;
  (void)cf_or_skip(r, cf_twstat(2, st));
  same_but(r, 2, &b, LENGTH);
  (void)cf_ok(r, cf_twalk(2, 3, NULL));
  (void)cf_ok(r, cf_topen(3, STYX_OREAD));
  cf_contents(r, 3, "te");
  look(r, 2, &b);
  st = styx_stat_untouched();
  st.name = styx_str_of("g");
  (void)cf_or_skip(r, cf_twstat(2, st));
  same_but(r, 2, &b, NAME);
  cf_refused(r, cf_twalk(1, 4, "f"));
  (void)cf_ok(r, cf_twalk(1, 4, "g"));
}

static void wstat_together(struct cf_run *r) {
  struct before b;
  styx_stat st = styx_stat_untouched();
  cf_file(r, 2, "f", 0640, "text");
  st.mode = 0600;
  st.length = 1;
  st.mtime = 1000000000;
  st.name = styx_str_of("g");
  (void)cf_or_skip(r, cf_twstat(2, st));
  look(r, 2, &b);
  if ((b.st.mode & 0777) != 0600 || b.st.length != 1 || b.st.mtime != 1000000000 || strcmp(b.name, "g") != 0)
    cf_fail(r, "mode %#o, length %llu, mtime %u, name %s; right: 0600, 1, 1000000000, g", b.st.mode & 0777,
            (unsigned long long)b.st.length, b.st.mtime, b.name);
}

/* Each has something that is fine and something that is not: nothing at all may happen. */
static void wstat_atomic(struct cf_run *r) {
  struct before b;
  enum { CASES = 4 };
  cf_mkdir(r, 4, "taken", 0777);
  cf_file(r, 2, "f", 0640, "text");
  look(r, 2, &b);
  for (int i = 0; i < CASES; i++) {
    styx_stat st = styx_stat_untouched();
    st.length = 1;
    st.mtime = 1000000000;
    if (i == 0)
      st.name = styx_str_of("taken"); /* a directory: nobody replaces it by a file */
    else if (i == 1)
      st.mode = b.st.mode | STYX_DMDIR;
    else if (i == 2)
      st.qid.path = b.st.qid.path + 1;
    else
      st.dev = b.st.dev + 1;
    cf_refused(r, cf_twstat(2, st));
    same_but(r, 2, &b, NOTHING);
  }
  (void)cf_ok(r, cf_twalk(1, 5, "taken"));
}

static void wstat_immutable(struct cf_run *r) {
  struct before b;
  cf_file(r, 2, "f", 0640, "text");
  look(r, 2, &b);
  for (int i = 0; i < 6; i++) {
    styx_stat st = styx_stat_untouched();
    switch (i) {
    case 0:
      st.type = (uint16_t)(b.st.type + 1);
      break;
    case 1:
      st.dev = b.st.dev + 1;
      break;
    case 2:
      st.qid.type = b.st.qid.type ^ STYX_QTDIR;
      break;
    case 3:
      st.qid.path = b.st.qid.path + 1;
      break;
    case 4:
      st.mode = b.st.mode ^ STYX_DMDIR;
      break;
    default:
      st.qid.vers = b.st.qid.vers + 1;
    }
    cf_refused(r, cf_twstat(2, st));
    same_but(r, 2, &b, NOTHING);
  }
}

/* stat(5) wants it refused; many servers replace as rename(2) does. Nothing in between is right. */
static void wstat_clash(struct cf_run *r) {
  styx_stat st = styx_stat_untouched();
  cf_file(r, 2, "f", 0666, "one");
  cf_file(r, 3, "g", 0666, "two");
  uint64_t path = cf_ok(r, cf_tfid(STYX_Tstat, 2)).stat.qid.path;
  st.name = styx_str_of("g");
  bool done = cf_rpc(r, cf_twstat(2, st)).type == STYX_Rwstat;
  if (done)
    cf_refused(r, cf_twalk(1, 4, "f"));
  else
    (void)cf_ok(r, cf_twalk(1, 4, "f"));
  styx_msg m = cf_ok(r, cf_twalk(1, 5, "g"));
  if ((m.wqid[0].path == path) != done)
    cf_fail(r, "the name belongs to the wrong file");
  (void)cf_ok(r, cf_topen(5, STYX_OREAD));
  cf_contents(r, 5, done ? "one" : "two");
}

static void wstat_longer(struct cf_run *r) {
  styx_stat st = styx_stat_untouched();
  uint8_t back[200];
  cf_file(r, 2, "f", 0666, "text");
  st.length = 100;
  (void)cf_or_skip(r, cf_twstat(2, st));
  (void)cf_ok(r, cf_topen(2, STYX_OREAD));
  if (cf_read_all(r, 2, back, sizeof back) != 100 || memcmp(back, "text", 4) != 0)
    cf_fail(r, "the file was not made 100 bytes long");
  for (size_t i = 4; i < 100; i++)
    if (back[i])
      cf_fail(r, "the byte at %zu is not zero", i);
}

static void stat_too_large(struct cf_run *r) {
  static char name[236];
  memset(name, 'n', sizeof name - 1);
  (void)cf_ok(r, cf_twalk(1, 2, NULL));
  (void)cf_or_skip(r, cf_tcreate(2, name, 0666, STYX_OWRITE));
  r->msize = 256;
  cf_begin(r, 1, CF_DIR, r->w->user);
  if (r->p->msize != 256)
    cf_skip(r, "the server wants another msize");
  (void)cf_ok(r, cf_twalk(1, 2, name));
  cf_refused(r, cf_tfid(STYX_Tstat, 2));
  (void)cf_ok(r, cf_tfid(STYX_Tstat, 0));
}

static const struct cf_check checks[] = {
    {"clunk-fid", "clunk(5)", "a clunked fid is gone, open or not", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Twalk fid 2 newfid 3 nwname 0\n"
     "! Topen fid 3 mode 2\n"
     "! Tclunk fid 3\n"
     "x Tread fid 3 offset 0 count 1\n"
     "x Tclunk fid 3\n"
     "! Tclunk fid 2\n"
     "x Tstat fid 2\n"
     "! Twalk fid 1 newfid 2 nwname 1 'f'",
     NULL},
    {"clunk-root", "clunk(5)", "the fid of the root can be clunked as any other; others stay", CF_ROOT,
     "! Twalk fid 0 newfid 2 nwname 0\n"
     "! Tclunk fid 0\n"
     "x Tstat fid 0\n"
     "! Tstat fid 2",
     NULL},
    {"remove-file", "remove(5)", "the file and its fid are gone", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Tremove fid 2\n"
     "x Tstat fid 2\n"
     "x Twalk fid 1 newfid 3 nwname 1 'f'",
     NULL},
    {"remove-directory", "remove(5)", "an empty directory goes as a file does", CF_DIR,
     "dir 2 'd'\n"
     "! Tremove fid 2\n"
     "x Tclunk fid 2\n"
     "x Twalk fid 1 newfid 3 nwname 1 'd'",
     NULL},
    {"remove-full", "remove(5)",
     "a directory that is not empty goes with all that is in it, or stays as it is; the fid is "
     "gone either way",
     CF_DIR,
     "dir 2 'd'\n"
     "! Twalk fid 2 newfid 3 nwname 0\n"
     "! Tcreate fid 3 name 'f' perm 0666 mode 1\n"
     "! Tclunk fid 3\n"
     "~ Tremove fid 2\n"
     "x Tstat fid 2\n"
     "x Tclunk fid 2\n"
     "~ Twalk fid 1 newfid 4 nwname 2 'd' 'f' => Rerror * || Rwalk nwqid 2 *",
     NULL},
    {"remove-removed", "remove(5)", "a file that is gone is not removed again, and the fid is gone all the same",
     CF_DIR,
     "file 2 'f' 'x'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Tremove fid 2\n"
     "x Tremove fid 3\n"
     "x Tstat fid 3",
     NULL},
    {"remove-open-itself", "remove(5)", "an open fid may be removed", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Topen fid 2 mode 2\n"
     "! Tremove fid 2\n"
     "x Tread fid 2 offset 0 count 1\n"
     "x Twalk fid 1 newfid 3 nwname 1 'f'",
     NULL},
    {"remove-open-others", "remove(5)", "other fids of a removed file are answered, and can be clunked", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Topen fid 3 mode 2\n"
     "! Tremove fid 2\n"
     "~ Tread fid 3 offset 0 count 9 => Rread count 4 data 'text' || Rerror *\n"
     "~ Twrite fid 3 offset 0 count 1 data 'T'\n"
     "~ Tstat fid 3\n"
     "! Tclunk fid 3\n"
     "x Tstat fid 3\n"
     "x Twalk fid 1 newfid 4 nwname 1 'f'",
     NULL},
    {"remove-open-recreated", "remove(5)", "fids of a removed file are not those of a new one of its name", CF_DIR,
     "file 2 'f' 'old'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Topen fid 3 mode 0\n"
     "! Tremove fid 2\n"
     "file 4 'f' 'new'\n"
     "~ Tread fid 3 offset 0 count 9 => Rread count 3 data 'old' || Rerror *",
     NULL},

    {"stat-file", "stat(5)", "name, mode, length and qid are those of the file", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f' => Rwalk nwqid 1 $f\n"
     "! Tstat fid 3 => Rstat stat (type * dev * qid $f mode 0666 * length 4 name 'f' * || "
     "Rstat stat (type * dev * qid $f mode 06* * length 4 name 'f' *",
     NULL},
    {"stat-directory", "stat(5)", "a directory has DMDIR and length 0", CF_DIR,
     "dir 2 'd'\n"
     "! Tstat fid 2 => Rstat stat (type * dev * qid (* * d) mode 020000000* * length 0 name 'd' *",
     NULL},
    {"stat-root", "stat(5)", "the root is a directory by the name \"/\"", CF_ROOT,
     "! Tstat fid 0 => Rstat stat (type * dev * qid (* * d*) mode 02* * length 0 name '/' *", NULL},
    {"stat-open", "stat(5)", "an open fid says what was written so far", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Tcreate fid 2 name 'f' perm 0666 mode 1\n"
     "! Twrite fid 2 offset 0 count 4 data 'text'\n"
     "! Tstat fid 2 => Rstat * length 4 name 'f' *",
     NULL},
    {"stat-rights", "stat(5)", "stat needs no right of the file", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Tcreate fid 2 name 'f' perm 0 mode 1\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Tstat fid 3",
     NULL},
    {"stat-too-large", "intro(5)", "a record that does not fit msize is refused, not shortened", CF_DIR, NULL,
     stat_too_large},

    {"wstat-untouched", "stat(5)", "a record that touches nothing changes nothing, and succeeds", CF_DIR, NULL,
     wstat_untouched},
    {"wstat-each", "stat(5)", "mode, mtime, length and name, each alone, leave the others", CF_DIR, NULL, wstat_each},
    {"wstat-together", "stat(5)", "several fields change at once", CF_DIR, NULL, wstat_together},
    {"wstat-atomic", "stat(5)", "if one of several changes is refused none happens", CF_DIR, NULL, wstat_atomic},
    {"wstat-immutable", "stat(5)", "type, dev, qid and DMDIR are nobody's to change", CF_DIR, NULL, wstat_immutable},
    {"wstat-clash", "stat(5)", "a name that is taken: refused, or the other file is replaced, and never both lost",
     CF_DIR, NULL, wstat_clash},
    {"wstat-name", "stat(5)", "\".\" and \"..\" are no names to rename to", CF_DIR,
     "file 2 'f' 'x'\n"
     "> Twstat tag 2 fid 2 stat (... name '.' ...)\n"
     "< Rerror tag 2 *\n"
     "> Twstat tag 2 fid 2 stat (... name '..' ...)\n"
     "< Rerror tag 2 *\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'",
     NULL},
    {"wstat-rename-itself", "stat(5)", "a name that the file has already is no clash", CF_DIR,
     "file 2 'f' 'x'\n"
     "~ Twstat fid 2 stat (... name 'f' ...)\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'",
     NULL},
    {"wstat-longer", "stat(5)", "a file made longer has zeros at its end", CF_DIR, NULL, wstat_longer},
    {"wstat-directory-length", "stat(5)", "a directory's length is 0 and stays so", CF_DIR,
     "dir 2 'd'\n"
     "x Twstat fid 2 stat (... length 1 ...)\n"
     "! Tstat fid 2 => Rstat * length 0 name 'd' *",
     NULL},
    {"wstat-malformed", "stat(5)", "a record whose sizes disagree is refused, or ends the connection, and harms nobody",
     CF_ROOT,
     ">raw 3e 000000 7e 0200 00000000 3100 3000 ffff ffffffff ff ffffffff ffffffffffffffff ffffffff ffffffff ffffffff "
     "ffffffffffffffff 0000 0000 0000 0000\n"
     "< Rerror tag 2 * || eof\n"
     "alive",
     NULL},
};
const struct cf_group cf_change = {checks, sizeof checks / sizeof *checks};
