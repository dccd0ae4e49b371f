/* styx_conform_open.c: Topen and Tcreate. */
#include "styx_conform.h"

#include <string.h>

/* ---- mode bytes ---- */

static void every_mode(struct cf_run *r) {
  cf_file(r, 2, "f", 0777, "text");
  (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  for (unsigned mode = 0; mode < 256; mode++) {
    bool legal = (mode & ~(3u | STYX_OTRUNC)) == 0;
    (void)cf_ok(r, cf_twalk(1, 2, "f"));
    styx_msg m = cf_rpc(r, cf_topen(2, (uint8_t)mode));
    if (legal && m.type != STYX_Ropen)
      cf_fail(r, "mode %#x of a file with all rights was refused", mode);
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
    if (mode & STYX_ORCLOSE && m.type == STYX_Ropen) {
      cf_refused(r, cf_twalk(1, 2, "f"));
      cf_file(r, 2, "f", 0777, "text");
      (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
    } else if (mode & STYX_ORCLOSE && (mode & ~0x53u) == 0) {
      cf_fail(r, "mode %#x, remove on close, was refused", mode);
    }
  }
}

static void io_needs_its_mode(struct cf_run *r) {
  static const bool reads[] = {true, false, true, true}, writes[] = {false, true, true, false};
  for (uint8_t mode = 0; mode < 4; mode++) {
    char name[8] = {'f', (char)('0' + mode), 0};
    cf_file(r, 2, name, 0777, "text");
    cf_refused(r, cf_tread(2, 0, 4));
    cf_refused(r, cf_twrite(2, 0, "x", 1));
    (void)cf_ok(r, cf_topen(2, mode));
    if (reads[mode])
      cf_contents(r, 2, "text");
    else
      cf_refused(r, cf_tread(2, 0, 4));
    if (writes[mode])
      (void)cf_ok(r, cf_twrite(2, 0, "x", 1));
    else
      cf_refused(r, cf_twrite(2, 0, "x", 1));
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  }
}

static void iounit(struct cf_run *r) {
  static const uint32_t sizes[] = {256, 1000, 4096, 65536};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    r->msize = sizes[i];
    cf_begin(r, (unsigned)i + 1, CF_DIR, r->w->user);
    char name[8] = {'f', (char)('0' + i), 0};
    (void)cf_ok(r, cf_twalk(1, 2, NULL));
    styx_msg m = cf_ok(r, cf_tcreate(2, name, 0666, STYX_ORDWR));
    if (m.iounit > r->p->msize - STYX_IOHDRSZ)
      cf_fail(r, "iounit %u with msize %u; right: 0, or at most msize - 24", m.iounit, r->p->msize);
    (void)cf_ok(r, cf_twalk(1, 3, name));
    m = cf_ok(r, cf_topen(3, STYX_OREAD));
    if (m.iounit > r->p->msize - STYX_IOHDRSZ)
      cf_fail(r, "iounit %u with msize %u; right: 0, or at most msize - 24", m.iounit, r->p->msize);
  }
}

/* ---- the rights of what is created ---- */

static uint32_t mode_of(struct cf_run *r, uint32_t fid) { return cf_ok(r, cf_tfid(STYX_Tstat, fid)).stat.mode; }

static void created(struct cf_run *r, uint32_t dirmode, uint32_t perm, const char *name) {
  bool dir = (perm & STYX_DMDIR) != 0;
  uint32_t keep = dir ? 0777 : 0666, want = perm & (~keep | (dirmode & keep));
  (void)cf_ok(r, cf_twalk(3, 4, NULL));
  styx_msg m = cf_ok(r, cf_tcreate(4, name, perm, STYX_OREAD));
  if (m.qid.type != (dir ? STYX_QTDIR : 0))
    cf_fail(r, "the new qid has type %#x", m.qid.type);
  uint32_t got = mode_of(r, 4);
  if ((got & (STYX_DMDIR | 0777)) != (want & (STYX_DMDIR | 0777)))
    cf_fail(r, "perm %#o in a directory of mode %#o gave %#o; right: %#o", perm, dirmode & 0777, got & 0777,
            want & 0777);
  (void)cf_ok(r, cf_tfid(STYX_Tclunk, 4));
}

static void create_perm(struct cf_run *r) {
  static const uint32_t dirs[] = {0777, 0755, 0700, 0750, 0733},
                        perms[] = {0777, 0666, 0755, 0644, 0640, 0600, 0711, 0444};
  for (size_t d = 0; d < sizeof dirs / sizeof *dirs; d++) {
    char name[24];
    snprintf(name, sizeof name, "d%zu", d);
    cf_mkdir(r, 3, name, dirs[d]);
    uint32_t mode = mode_of(r, 3);
    for (size_t i = 0; i < sizeof perms / sizeof *perms; i++) {
      snprintf(name, sizeof name, "f%zu", i);
      created(r, mode, perms[i], name);
      snprintf(name, sizeof name, "g%zu", i);
      created(r, mode, STYX_DMDIR | perms[i], name);
    }
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 3));
  }
}

static void create_group(struct cf_run *r) {
  char gid[256];
  styx_msg m = cf_ok(r, cf_tfid(STYX_Tstat, 1));
  snprintf(gid, sizeof gid, "%.*s", (int)m.stat.gid.len, m.stat.gid.s);
  cf_file(r, 2, "f", 0666, "");
  m = cf_ok(r, cf_tfid(STYX_Tstat, 2));
  if (!styx_str_is(m.stat.gid, gid))
    cf_fail(r, "the group of the new file is \"%.*s\"; right: the directory's, \"%s\"", (int)m.stat.gid.len,
            m.stat.gid.s, gid);
}

static void create_long_name(struct cf_run *r) {
  static char name[512];
  memset(name, 'n', 511);
  (void)cf_ok(r, cf_twalk(1, 2, NULL));
  cf_refused(r, cf_tcreate(2, "", 0666, STYX_OWRITE));
  styx_msg m = cf_rpc(r, cf_tcreate(2, name, 0666, STYX_OWRITE));
  if (m.type == STYX_Rerror) {
    cf_refused(r, cf_twalk(1, 3, name));
    (void)cf_ok(r, cf_tcreate(2, "short", 0666, STYX_OWRITE));
  } else {
    (void)cf_ok(r, cf_twalk(1, 3, name));
  }
}

static const struct cf_check checks[] = {
    {"open-modes", "open(5)",
     "reading, writing, both and executing are granted where all have the right, with and "
     "without truncation; each of the 256 bytes is answered",
     CF_DIR, NULL, every_mode},
    {"open-io", "read(5)", "a fid is read and written as it was opened, and not before", CF_DIR, NULL,
     io_needs_its_mode},
    {"open-qid", "open(5)", "Ropen has the qid of the file", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Tstat fid 2 => Rstat stat (type * dev * qid $f *\n"
     "! Topen fid 2 mode 0 => Ropen qid $f iounit *",
     NULL},
    {"open-twice", "open(5)", "an open fid cannot be opened, and stays open", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Topen fid 2 mode 0\n"
     "x Topen fid 2 mode 0\n"
     "x Topen fid 2 mode 1\n"
     "contents 2 'text'",
     NULL},
    {"open-truncates", "open(5)", "OTRUNC empties the file", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Topen fid 2 mode 17\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Topen fid 3 mode 0\n"
     "contents 3 ''",
     NULL},
    {"open-keeps", "open(5)", "without OTRUNC the file keeps its contents", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Topen fid 2 mode 2\n"
     "contents 2 'text'",
     NULL},
    {"open-directory", "open(5)", "directories are opened for reading only", CF_DIR,
     "dir 2 'd'\n"
     "x Topen fid 2 mode 1\n"
     "x Topen fid 2 mode 2\n"
     "x Topen fid 2 mode 16\n"
     "! Topen fid 2 mode 0 => Ropen qid (* * d*) iounit *",
     NULL},
    {"open-directory-root", "open(5)", "the root can be opened for reading, not for writing", CF_ROOT,
     "! Twalk fid 0 newfid 2 nwname 0\n"
     "x Topen fid 2 mode 1\n"
     "! Topen fid 2 mode 0",
     NULL},
    {"open-read", "open(5)", "a file that is there is opened and read", CF_ROOT,
     "readable 2\n"
     "! Topen fid 2 mode 0 => Ropen qid (* * *) iounit *\n"
     "! Tread fid 2 offset 0 count 1 => Rread count 1 data *",
     NULL},
    {"open-remove-on-close", "open(5)", "ORCLOSE removes the file when its fid is clunked, not before", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Topen fid 2 mode 64\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Tclunk fid 2\n"
     "x Twalk fid 1 newfid 4 nwname 1 'f'",
     NULL},
    {"open-remove-on-hangup", "open(5)", "ORCLOSE removes the file when the session ends by a Tversion", CF_DIR,
     "as 1\n"
     "file 2 'f' 'x'\n"
     "! Topen fid 2 mode 64\n"
     "> Tversion tag NOTAG msize 8192 version '9P2000'\n"
     "< Rversion tag NOTAG msize * version '9P2000'\n"
     "as 0\n"
     "x Twalk fid 1 newfid 4 nwname 1 'f'",
     NULL},
    {"open-remove-on-close-two", "open(5)",
     "of two fids with ORCLOSE the second finds nothing to remove, and ends as well", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Topen fid 2 mode 64\n"
     "! Topen fid 3 mode 64\n"
     "! Tclunk fid 2\n"
     "~ Tclunk fid 3\n"
     "x Tstat fid 3\n"
     "x Twalk fid 1 newfid 4 nwname 1 'f'",
     NULL},
    {"open-rights-once", "open(5)", "rights count when a file is opened, and not when it is read or written", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Topen fid 2 mode 2\n"
     "? Twstat fid 3 stat (... mode 0 ...)\n"
     "contents 2 'text'\n"
     "! Twrite fid 2 offset 0 count 1 data 'T'",
     NULL},
    {"open-append", "open(5)",
     "what is append-only takes writes at its end, whatever their offset, and is not truncated", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "? Tcreate fid 2 name 'f' perm 010000000666 mode 1 => Rcreate qid (* * *a*) iounit *\n"
     "! Twrite fid 2 offset 0 count 3 data 'one'\n"
     "! Twrite fid 2 offset 0 count 3 data 'two'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f' => Rwalk nwqid 1 (* * *a*)\n"
     "! Topen fid 3 mode 18\n"
     "contents 3 'onetwo'",
     NULL},
    {"open-exclusive", "open(5)", "what is for exclusive use is open once, among all clients", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "? Tcreate fid 2 name 'f' perm 04000000666 mode 1 => Rcreate qid (* * *l*) iounit *\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "x Topen fid 3 mode 0\n"
     "as 1\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "x Topen fid 3 mode 0\n"
     "as 0\n"
     "! Tclunk fid 2\n"
     "! Topen fid 3 mode 0",
     NULL},
    {"open-iounit", "open(5)", "iounit is 0, or what fits into a message of any msize", CF_DIR, NULL, iounit},

    {"create-file", "open(5)", "the fid becomes the new file, open; its name is there at once", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Tcreate fid 2 name 'f' perm 0666 mode 2 => Rcreate qid $f iounit *\n"
     "! Tstat fid 2 => Rstat stat (type * dev * qid $f * name 'f' *\n"
     "x Topen fid 2 mode 0\n"
     "! Twrite fid 2 offset 0 count 4 data 'text'\n"
     "contents 2 'text'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f' => Rwalk nwqid 1 (*)",
     NULL},
    {"create-directory", "open(5)", "DMDIR makes a directory, empty, and opens it for reading", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Tcreate fid 2 name 'd' perm 020000000777 mode 0 => Rcreate qid (* * d) iounit *\n"
     "! Tread fid 2 offset 0 count 4096 => Rread count 0 *\n"
     "! Twalk fid 1 newfid 3 nwname 1 'd' => Rwalk nwqid 1 (* * d)",
     NULL},
    {"create-directory-write", "open(5)", "a new directory is not opened for writing", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "x Tcreate fid 2 name 'd' perm 020000000777 mode 1\n"
     "x Twalk fid 1 newfid 3 nwname 1 'd'",
     NULL},
    {"create-existing", "open(5)", "what is there is not created, and stays as it is", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Twalk fid 1 newfid 3 nwname 0\n"
     "x Tcreate fid 3 name 'f' perm 0666 mode 17\n"
     "x Tcreate fid 3 name 'f' perm 020000000777 mode 0\n"
     "! Topen fid 2 mode 0\n"
     "contents 2 'text'",
     NULL},
    {"create-in-file", "open(5)", "nothing is created in a file", CF_DIR,
     "file 2 'f' 'text'\n"
     "x Tcreate fid 2 name 'g' perm 0666 mode 1",
     NULL},
    {"create-open-fid", "open(5)", "nothing is created through an open fid", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Topen fid 2 mode 0\n"
     "x Tcreate fid 2 name 'g' perm 0666 mode 1\n"
     "x Twalk fid 1 newfid 3 nwname 1 'g'",
     NULL},
    {"create-dots", "open(5)", "\".\" and \"..\" are no names for files", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "> Tcreate tag 2 fid 2 name '.' perm 0666 mode 1\n"
     "< Rerror tag 2 *\n"
     "> Tcreate tag 2 fid 2 name '..' perm 0666 mode 1\n"
     "< Rerror tag 2 *",
     NULL},
    {"create-failed", "open(5)", "a fid whose create failed is on the directory, and not open", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Twalk fid 1 newfid 3 nwname 0\n"
     "x Tcreate fid 3 name 'f' perm 0666 mode 1\n"
     "x Tread fid 3 offset 0 count 10\n"
     "! Twalk fid 3 newfid 4 nwname 1 'f'\n"
     "! Tcreate fid 3 name 'g' perm 0666 mode 1",
     NULL},
    {"create-long-name", "open(5)", "a name too long is refused, and makes nothing; a short one then works", CF_DIR,
     NULL, create_long_name},
    {"create-perm", "open(5)", "the rights are those asked for and of the directory, by the formula", CF_DIR, NULL,
     create_perm},
    {"create-unchecked", "open(5)", "the mode is not checked against the rights of the new file", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Tcreate fid 2 name 'f' perm 0 mode 2\n"
     "! Twrite fid 2 offset 0 count 4 data 'text'\n"
     "contents 2 'text'",
     NULL},
    {"create-group", "open(5)", "the group is that of the directory", CF_DIR, NULL, create_group},
    {"create-remove-on-close", "open(5)", "what is created with ORCLOSE is gone with its fid", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Tcreate fid 2 name 'f' perm 0666 mode 65\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Tclunk fid 2\n"
     "x Twalk fid 1 newfid 4 nwname 1 'f'",
     NULL},
    {"create-again", "intro(5)", "a file created anew is another: its qid has another path", CF_DIR,
     "file 2 'f' 'x'\n"
     "! Tstat fid 2 => Rstat stat (type * dev * qid ($first *\n"
     "! Tremove fid 2\n"
     "file 3 'f' 'x'\n"
     "! Tstat fid 3 => Rstat stat (type * dev * qid (!$first *",
     NULL},
};
const struct cf_group cf_open = {checks, sizeof checks / sizeof *checks};
