/* styx_conform_perm.c: who may do what, as far as a client can see it: files of every mode, for their owner and for others. */
#include "styx_conform.h"

#include <string.h>

static void need_rights(struct cf_run *r) {
  if (r->w->unchecked[0])
    cf_skip(r, "%s", r->w->unchecked);
}

/* What opening with this mode byte takes: 4 reading, 2 writing, 1 executing. */
static uint32_t wants(unsigned mode) {
  static const uint32_t bits[] = {4, 2, 6, 1};
  return bits[mode & 3] | (mode & STYX_OTRUNC ? 2u : 0u);
}

/* A file for each of the eight sets of rights, all for one class: what of the eight ways to open it is granted? */
static void make_files(struct cf_run *r, unsigned shift) {
  for (uint32_t bits = 0; bits < 8; bits++) {
    char name[8] = {'f', (char)('0' + bits), 0};
    cf_file(r, 2, name, bits << shift, "text");
    styx_stat st = styx_stat_untouched();
    st.mode = bits << shift; /* the directory's mode may have masked it */
    (void)cf_rpc(r, cf_twstat(2, st));
    if ((cf_ok(r, cf_tfid(STYX_Tstat, 2)).stat.mode & 0777) != bits << shift)
      cf_skip(r, "a file of mode %#o cannot be had", bits << shift);
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  }
}

/* Executing is reading for whoever serves: one that is no superuser of its host cannot do it without r. */
static void truth_table(struct cf_run *r) {
  for (uint32_t bits = 0; bits < 8; bits++)
    for (unsigned m = 0; m < 8; m++) {
      uint8_t mode = (uint8_t)((m & 3) | (m & 4 ? STYX_OTRUNC : 0u));
      char name[8] = {'f', (char)('0' + bits), 0};
      bool right = (wants(mode) & ~bits) == 0;
      (void)cf_ok(r, cf_twalk(1, 3, name));
      bool granted = cf_rpc(r, cf_topen(3, mode)).type == STYX_Ropen;
      if (granted != right && !((mode & 3) == STYX_OEXEC && right && !(bits & 4)))
        cf_fail(r, "with the rights %o, mode %#x was %s", bits, mode, right ? "refused" : "granted");
      (void)cf_ok(r, cf_tfid(STYX_Tclunk, 3));
    }
}

static void owner(struct cf_run *r) {
  need_rights(r);
  make_files(r, 6);
  truth_table(r);
}

static void become_other(struct cf_run *r) {
  need_rights(r);
  if (r->w->no_other[0])
    cf_skip(r, "there is no other user: %s", r->w->no_other);
  cf_begin(r, 1, CF_DIR, r->w->other);
}

static void other(struct cf_run *r) {
  need_rights(r);
  make_files(r, 0);
  become_other(r);
  truth_table(r);
}

/* Rights of the owner are nothing to others. */
static void not_owner(struct cf_run *r) {
  need_rights(r);
  cf_file(r, 2, "f", 0700, "text");
  become_other(r);
  for (uint8_t mode = 0; mode < 4; mode++) {
    (void)cf_ok(r, cf_twalk(1, 3, "f"));
    cf_refused(r, cf_topen(3, mode));
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 3));
  }
}

static void dir_with(struct cf_run *r, uint32_t mode) {
  styx_stat st = styx_stat_untouched();
  cf_mkdir(r, 2, "d", 0777);
  (void)cf_ok(r, cf_twalk(2, 3, NULL));
  (void)cf_ok(r, cf_tcreate(3, "f", 0666, STYX_OWRITE));
  (void)cf_ok(r, cf_tfid(STYX_Tclunk, 3));
  (void)cf_ok(r, cf_twalk(2, 4, "f"));
  st.mode = STYX_DMDIR | mode;
  (void)cf_or_skip(r, cf_twstat(2, st));
  if ((cf_ok(r, cf_tfid(STYX_Tstat, 2)).stat.mode & 0777) != mode)
    cf_skip(r, "a directory of mode %#o cannot be had", mode);
}

static void walk_needs_x(struct cf_run *r) {
  need_rights(r);
  for (uint32_t mode = 0; mode < 8; mode++) {
    r->sub[0] = '\0';
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 1));
    cf_place_enter(r);
    dir_with(r, mode << 6);
    bool right = mode & 1;
    styx_msg m = cf_rpc(r, cf_twalk(2, 5, "f"));
    if ((m.type == STYX_Rwalk) != right)
      cf_fail(r, "a walk through a directory of mode %#o was %s", mode << 6, right ? "refused" : "done");
    if (right)
      (void)cf_ok(r, cf_tfid(STYX_Tclunk, 5));
    m = cf_ok(
        r, (styx_msg){.type = STYX_Twalk, .fid = 1, .newfid = 5, .nwname = 2, .wname = {STYX_STR("d"), STYX_STR("f")}});
    if ((m.nwqid == 2) != right)
      cf_fail(r, "a walk to and through a directory of mode %#o gave %u qids", mode << 6, m.nwqid);
    if (right)
      (void)cf_ok(r, cf_tfid(STYX_Tclunk, 5));
    for (uint32_t fid = 2; fid < 5; fid += 2)
      (void)cf_ok(r, cf_tfid(STYX_Tclunk, fid));
  }
}

static void changes_need_w(struct cf_run *r) {
  need_rights(r);
  dir_with(r, 0555);
  (void)cf_ok(r, cf_twalk(2, 5, NULL));
  cf_refused(r, cf_tcreate(5, "g", 0666, STYX_OWRITE));
  cf_refused(r, cf_tcreate(5, "h", STYX_DMDIR | 0777, STYX_OREAD));
  styx_stat st = styx_stat_untouched();
  st.name = styx_str_of("renamed");
  cf_refused(r, cf_twstat(4, st));
  (void)cf_ok(r, cf_twalk(4, 6, NULL));
  cf_refused(r, cf_topen(6, STYX_OREAD | STYX_ORCLOSE));
  cf_refused(r, cf_tfid(STYX_Tremove, 4));
  cf_refused(r, cf_tfid(STYX_Tstat, 4)); /* the fid is gone all the same */
  (void)cf_ok(r, cf_twalk(2, 7, "f"));
}

static void others_wstat(struct cf_run *r) {
  need_rights(r);
  cf_file(r, 2, "f", 0644, "text");
  become_other(r);
  (void)cf_ok(r, cf_twalk(1, 2, "f"));
  styx_stat st = styx_stat_untouched();
  st.mode = 0666;
  cf_refused(r, cf_twstat(2, st));
  st = styx_stat_untouched();
  st.mtime = 1000000000;
  cf_refused(r, cf_twstat(2, st));
  st = styx_stat_untouched();
  st.length = 0;
  cf_refused(r, cf_twstat(2, st));
  if (cf_ok(r, cf_tfid(STYX_Tstat, 2)).stat.length != 4)
    cf_fail(r, "the length has changed");
}

static void read_dir_needs_r(struct cf_run *r) {
  need_rights(r);
  dir_with(r, 0333);
  (void)cf_ok(r, cf_twalk(2, 5, NULL));
  cf_refused(r, cf_topen(5, STYX_OREAD));
}

static const struct cf_check checks[] = {
    {"perm-owner", "intro(5)", "the owner opens what the owner's rights allow: eight sets of them, eight modes", CF_DIR,
     NULL, owner},
    {"perm-other", "intro(5)", "others open what the rights of others allow: eight sets of them, eight modes", CF_DIR,
     NULL, other},
    {"perm-not-owner", "intro(5)", "rights of the owner are not those of others", CF_DIR, NULL, not_owner},
    {"perm-walk", "walk(5)", "a walk needs x of each directory, and of those nothing else", CF_DIR, NULL, walk_needs_x},
    {"perm-directory", "open(5)", "creating, renaming and removing need w of the directory; a refused Tremove clunks",
     CF_DIR, NULL, changes_need_w},
    {"perm-directory-read", "open(5)", "reading a directory needs r of it", CF_DIR, NULL, read_dir_needs_r},
    {"perm-wstat", "stat(5)", "others change neither mode nor time, nor without w the length", CF_DIR, NULL,
     others_wstat},
};
const struct cf_group cf_perm = {checks, sizeof checks / sizeof *checks};
