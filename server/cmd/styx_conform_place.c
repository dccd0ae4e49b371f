/* styx_conform_place.c: the directory that is ours: made, emptied, removed; and what the server is like. */
#include "styx_conform.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Why the last run ended, as a reason. */
static void why(char *out, size_t cap, const struct cf_run *r) { snprintf(out, cap, "%.*s", (int)cap - 1, r->why); }

/* Steps that may fail, as checks that nobody counts. */
static enum cf_verdict attempt(struct cf_world *w, enum cf_begin begin, void (*fn)(struct cf_run *), char *out,
                               size_t cap) {
  struct cf_run run;
  const struct cf_check step = {.name = "", .source = "", .text = "", .begin = begin, .fn = fn};
  cf_run(&run, w, &step);
  if (run.verdict != CF_PASS && out)
    why(out, cap, &run);
  cf_run_free(&run);
  return run.verdict;
}

/* ---- making ---- */

static void chmod_777(struct cf_run *r, uint32_t fid) {
  styx_stat st = styx_stat_untouched();
  st.mode = STYX_DMDIR | 0777;
  (void)cf_rpc(r, cf_twstat(fid, st)); /* who cannot has a place with less rights */
}

static void make(struct cf_run *r) {
  struct cf_world *w = r->w;
  cf_walk_path(r, 0, 1, w->dir);
  (void)cf_ok(r, cf_twalk(1, 2, NULL));
  (void)cf_or_skip(r, cf_tcreate(2, w->place, STYX_DMDIR | 0777, STYX_OREAD));
  (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  (void)cf_ok(r, cf_twalk(1, 2, w->place));
  chmod_777(r, 2);
}

void cf_place_enter(struct cf_run *r) {
  struct cf_world *w = r->w;
  if (w->broken)
    cf_fail(r, "no directory to work in could be made: %s", w->readonly);
  if (!w->place[0])
    cf_skip(r, "nothing can be made there: %s", w->readonly);
  cf_walk_path(r, 0, 1, w->dir);
  (void)cf_ok(r, cf_twalk(1, 1, w->place));
  if (!r->sub[0]) {
    snprintf(r->sub, sizeof r->sub, "t%lu", w->serial++);
    (void)cf_ok(r, cf_twalk(1, 2, NULL));
    (void)cf_ok(r, cf_tcreate(2, r->sub, STYX_DMDIR | 0777, STYX_OREAD));
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
    (void)cf_ok(r, cf_twalk(1, 2, r->sub));
    chmod_777(r, 2);
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  }
  (void)cf_ok(r, cf_twalk(1, 1, r->sub));
}

/* ---- what can be learnt of it ---- */

static void rights_count(struct cf_run *r) {
  cf_file(r, 5, "none", 0, "x");
  if (cf_rpc(r, cf_topen(5, STYX_OREAD)).type == STYX_Ropen)
    cf_skip(r, "%s may read a file of mode 0: rights are not checked", r->w->user);
}

struct owner {
  char uid[256], gid[256];
};

static struct owner owner(struct cf_run *r) {
  const styx_stat st = cf_ok(r, cf_tfid(STYX_Tstat, 5)).stat;
  struct owner o;
  snprintf(o.uid, sizeof o.uid, "%.*s", (int)st.uid.len, st.uid.s);
  snprintf(o.gid, sizeof o.gid, "%.*s", (int)st.gid.len, st.gid.s);
  return o;
}

static void other_is_another(struct cf_run *r) {
  cf_file(r, 5, "mine", 0666, "x");
  const struct owner mine = owner(r);
  cf_begin(r, 1, CF_DIR, r->w->other);
  cf_file(r, 5, "theirs", 0666, "x");
  const struct owner theirs = owner(r);
  if (strcmp(mine.uid, theirs.uid) == 0)
    cf_skip(r, "files of %s and %s both belong to %s", r->w->user, r->w->other, mine.uid);
  if (strcmp(mine.gid, theirs.uid) == 0) /* who leads a group may do much to its files */
    cf_skip(r, "new files have %s for their group; --other names somebody else", mine.gid);
}

/* The first file that has a length, and may be read, breadth first. */
enum { DEPTH = 4, LOOKED_AT = 2000 };
struct look {
  char dirs[64][512];
  size_t ndirs, seen;
  const char *in;
  char file[512];
};

static void look_at(struct cf_run *r, const styx_stat *st, void *arg) {
  struct look *look = arg;
  char path[512];
  (void)r;
  int n = snprintf(path, sizeof path, "%s/%.*s", look->in, (int)st->name.len, st->name.s);
  if (n < 0 || (size_t)n >= sizeof path || ++look->seen > LOOKED_AT)
    return;
  if (st->mode & STYX_DMDIR && look->ndirs < sizeof look->dirs / sizeof *look->dirs)
    memcpy(look->dirs[look->ndirs++], path, sizeof path);
  else if (!(st->mode & STYX_DMDIR) && st->length && !look->file[0])
    memcpy(look->file, path, sizeof path);
}

static void find(struct cf_run *r) {
  static struct look look;
  memset(&look, 0, sizeof look);
  if (r->w->file)
    snprintf(look.file, sizeof look.file, "%s", r->w->file);
  snprintf(look.dirs[look.ndirs++], sizeof look.dirs[0], "%s", r->w->dir);
  for (size_t i = 0; i < look.ndirs && !look.file[0] && look.seen < LOOKED_AT; i++) {
    look.in = look.dirs[i];
    cf_walk_path(r, 0, 2, look.in);
    if (cf_rpc(r, cf_topen(2, STYX_OREAD)).type == STYX_Ropen)
      (void)cf_list(r, 2, r->p->msize - STYX_IOHDRSZ, look_at, &look);
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  }
  if (!look.file[0])
    return;
  cf_walk_path(r, 0, 2, look.file);
  (void)cf_ok(r, cf_topen(2, STYX_OREAD));
  if (cf_ok(r, cf_tread(2, 0, 1)).count == 1)
    memcpy(r->w->found, look.file, sizeof look.file);
}

void cf_place_make(struct cf_world *w) {
  snprintf(w->place, sizeof w->place, "styx-conform-%lu-%lu", (unsigned long)time(NULL), (unsigned long)getpid());
  enum cf_verdict made = attempt(w, CF_ROOT, make, w->readonly, sizeof w->readonly);
  if (made == CF_PASS) {
    (void)attempt(w, CF_DIR, rights_count, w->unchecked, sizeof w->unchecked);
    (void)attempt(w, CF_DIR, other_is_another, w->no_other, sizeof w->no_other);
    return;
  }
  w->place[0] = '\0';
  w->broken = made == CF_FAIL;
  (void)attempt(w, CF_ROOT, find, NULL, 0);
}

/* ---- removing ---- */

/* A handful of names at a time, on the stack: whatever ends this run leaves nothing behind. */
struct names {
  char name[32][256];
  size_t n;
};

static void note(struct cf_run *r, const styx_stat *st, void *arg) {
  struct names *names = arg;
  (void)r;
  if (st->name.len > 255 || names->n == sizeof names->name / sizeof *names->name)
    return;
  memcpy(names->name[names->n], st->name.s, st->name.len);
  names->name[names->n++][st->name.len] = '\0';
}

static void some_names(struct cf_run *r, uint32_t fid, struct names *names) {
  names->n = 0;
  (void)cf_ok(r, cf_twalk(fid, fid + 1, NULL));
  if (cf_rpc(r, cf_topen(fid + 1, STYX_OREAD)).type == STYX_Ropen)
    (void)cf_list(r, fid + 1, r->p->msize - STYX_IOHDRSZ, note, names);
  (void)cf_ok(r, cf_tfid(STYX_Tclunk, fid + 1));
}

/* Remove what fid stands for, with all that is in it; fid is gone. Numbers from fid + 1 on are free. */
static void remove_all(struct cf_run *r, uint32_t fid) {
  enum { MOST_STEPS = 20000, DEEPEST = 64 };
  struct names names;
  if (++r->steps > MOST_STEPS || fid > DEEPEST)
    cf_fail(r, "there is no end to what is in the directory");
  bool dir = (cf_ok(r, cf_tfid(STYX_Tstat, fid)).stat.mode & STYX_DMDIR) != 0, some = dir;
  if (dir)
    chmod_777(r, fid);
  while (some) {
    some_names(r, fid, &names);
    some = false;
    for (size_t i = 0; i < names.n; i++) {
      if (cf_rpc(r, cf_twalk(fid, fid + 1, names.name[i])).type != STYX_Rwalk)
        continue;
      remove_all(r, fid + 1);
      some = cf_rpc(r, cf_twalk(fid, fid + 1, names.name[i])).type != STYX_Rwalk || some;
      (void)cf_rpc(r, cf_tfid(STYX_Tclunk, fid + 1));
    }
  }
  (void)cf_rpc(r, cf_tfid(STYX_Tremove, fid));
}

static void sweep(struct cf_run *r) {
  cf_walk_path(r, 0, 1, r->w->dir);
  (void)cf_ok(r, cf_twalk(1, 1, r->w->place));
  remove_all(r, 1);
}

void cf_place_remove(struct cf_world *w) {
  if (w->place[0])
    (void)attempt(w, CF_ROOT, sweep, NULL, 0);
}
