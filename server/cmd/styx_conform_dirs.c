/* styx_conform_dirs.c: Tread of directories. */
#include "styx_conform.h"

#include <string.h>

enum { ENTRIES = 7, MOST = 1200 };

/* Names of many lengths, so that records have as well. */
static void name_of(char name[64], int i) {
  snprintf(name, 64, "entry%.*s%d", i * 7, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", i);
}

static void fill(struct cf_run *r, int n) {
  for (int i = 0; i < n; i++) {
    char name[64];
    name_of(name, i);
    cf_file(r, 2, name, 0666, "");
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  }
}

static void open_dir(struct cf_run *r, uint32_t fid) {
  (void)cf_ok(r, cf_twalk(1, fid, NULL));
  (void)cf_ok(r, cf_topen(fid, STYX_OREAD));
}

/* The records in order, as bytes; ends[] has where each ends. */
struct listing {
  uint8_t bytes[8000];
  size_t len, n, ends[64];
};

static void read_whole(struct cf_run *r, uint32_t fid, struct listing *l) {
  memset(l, 0, sizeof *l);
  for (;;) {
    styx_msg m = cf_ok(r, cf_tread(fid, l->len, (uint32_t)(r->p->msize - STYX_IOHDRSZ)));
    if (m.count == 0)
      break;
    if (l->len + m.count > sizeof l->bytes)
      cf_skip(r, "the directory is too large to be compared");
    memcpy(l->bytes + l->len, m.data, m.count);
    l->len += m.count;
  }
  for (size_t at = 0; at < l->len;) {
    styx_stat st;
    ptrdiff_t used = styx_stat_decode_lenient(&st, l->bytes + at, l->len - at, STYX_9P2000, STYX_ALLOW_BYTES);
    if (used <= 0)
      cf_fail(r, "a directory read does not hold whole records");
    at += (size_t)used;
    if (l->n < 64)
      l->ends[l->n++] = at;
  }
}

static size_t record_at(const struct listing *l, size_t at) {
  for (size_t i = 0; i < l->n; i++)
    if (l->ends[i] > at)
      return l->ends[i] - at;
  return 0;
}

/* From the start in reads of count: the same records, whole; an error or nothing where one alone is larger. */
static void in_pieces(struct cf_run *r, uint32_t fid, const struct listing *l, uint32_t count) {
  size_t at = 0;
  for (;;) {
    styx_msg m = cf_rpc(r, cf_tread(fid, at, count));
    bool fits = record_at(l, at) <= count;
    if (m.type == STYX_Rerror && !fits)
      return;
    if (m.type != STYX_Rread)
      cf_fail(r, "a read of %u bytes at %zu was refused, where the next record has %zu", count, at, record_at(l, at));
    if (at + m.count > l->len || memcmp(l->bytes + at, m.data, m.count) != 0)
      cf_fail(r, "in reads of %u bytes other records come than in large ones", count);
    if (m.count == 0 && at < l->len && fits)
      cf_fail(r, "a read of %u bytes at %zu gave nothing, where a record of %zu is next", count, at, record_at(l, at));
    if (m.count == 0)
      return;
    at += m.count;
    bool whole = false;
    for (size_t i = 0; i < l->n; i++)
      whole = whole || l->ends[i] == at;
    if (!whole)
      cf_fail(r, "a read of %u bytes ends in the middle of a record; right: whole records only", count);
  }
}

static void every_count(struct cf_run *r) {
  struct listing l;
  fill(r, ENTRIES);
  open_dir(r, 3);
  read_whole(r, 3, &l);
  if (l.n != ENTRIES)
    cf_fail(r, "%zu records came of %d files", l.n, ENTRIES);
  for (uint32_t count = 0; count <= l.len + 2; count++)
    in_pieces(r, 3, &l, count);
}

/* The same where nothing can be made: what is there had better not change meanwhile. */
static void root_counts(struct cf_run *r) {
  struct listing l, again;
  (void)cf_ok(r, cf_twalk(0, 3, NULL));
  (void)cf_ok(r, cf_topen(3, STYX_OREAD));
  read_whole(r, 3, &l);
  for (uint32_t count = 40; count < MOST; count += 61)
    in_pieces(r, 3, &l, count);
  read_whole(r, 3, &again);
  if (l.len != again.len)
    cf_skip(r, "the root changes");
}

static void bad_offsets(struct cf_run *r) {
  struct listing l;
  fill(r, ENTRIES);
  open_dir(r, 3);
  read_whole(r, 3, &l);
  static const int64_t off[] = {1, -1, 7};
  for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
    (void)cf_ok(r, cf_tread(3, 0, (uint32_t)l.ends[1]));
    cf_refused(r, cf_tread(3, (uint64_t)((int64_t)l.ends[1] + off[i]), 1000));
  }
  cf_refused(r, cf_tread(3, 1ull << 32, 1000));
  cf_refused(r, cf_tread(3, UINT64_MAX, 1000));
  in_pieces(r, 3, &l, 1000);
}

static void rewind_anywhere(struct cf_run *r) {
  struct listing l;
  fill(r, ENTRIES);
  open_dir(r, 3);
  read_whole(r, 3, &l);
  for (size_t i = 0; i < l.n; i++) {
    (void)cf_ok(r, cf_tread(3, 0, (uint32_t)l.ends[i]));
    in_pieces(r, 3, &l, 500);
    in_pieces(r, 3, &l, (uint32_t)l.len);
  }
}

static void two_cursors(struct cf_run *r) {
  struct listing l;
  fill(r, ENTRIES);
  open_dir(r, 3);
  open_dir(r, 4);
  read_whole(r, 3, &l);
  for (size_t a = 0, b = 0; a < l.n; a++) { /* 3 one by one, 4 starting again behind each */
    styx_msg m = cf_ok(r, cf_tread(3, b, (uint32_t)(l.ends[a] - b)));
    if (m.count != l.ends[a] - b || memcmp(m.data, l.bytes + b, m.count) != 0)
      cf_fail(r, "record %zu is not what was read before", a);
    in_pieces(r, 4, &l, 400);
    b = l.ends[a];
  }
}

/* ---- what is in them ---- */

struct seen {
  int count[600];
  size_t others;
};

static void see(struct cf_run *r, const styx_stat *st, void *arg) {
  struct seen *seen = arg;
  char name[64];
  (void)r;
  for (int i = 0; i < ENTRIES; i++) {
    name_of(name, i);
    if (styx_str_is(st->name, name)) {
      seen->count[i]++;
      return;
    }
  }
  seen->others++;
}

static void once_each(struct cf_run *r, const struct seen *seen) {
  for (int i = 0; i < ENTRIES; i++)
    if (seen->count[i] != 1)
      cf_fail(r, "file %d of those that stayed came %d times; right: once", i, seen->count[i]);
}

static void names(struct cf_run *r) {
  struct seen seen = {0};
  fill(r, ENTRIES);
  open_dir(r, 3);
  (void)cf_list(r, 3, 8000 < r->p->msize - STYX_IOHDRSZ ? 8000 : r->p->msize - STYX_IOHDRSZ, see, &seen);
  once_each(r, &seen);
  if (seen.others)
    cf_fail(r, "%zu other names came; right: none, and neither \".\" nor \"..\"", seen.others);
}

static void while_changing(struct cf_run *r) {
  struct seen seen = {0};
  char name[64];
  fill(r, ENTRIES);
  for (int i = 0; i < 20; i++) {
    snprintf(name, sizeof name, "gone%d", i);
    cf_file(r, 2, name, 0666, "");
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  }
  open_dir(r, 3);
  uint64_t offset = 0;
  for (int i = 0;; i++) {
    styx_msg m = cf_ok(r, cf_tread(3, offset, 200));
    if (m.count == 0)
      break;
    for (uint32_t at = 0; at < m.count;) {
      styx_stat st;
      ptrdiff_t used = styx_stat_decode(&st, m.data + at, m.count - at, STYX_9P2000);
      if (used <= 0)
        cf_fail(r, "a record is cut");
      see(r, &st, &seen);
      at += (uint32_t)used;
    }
    offset += m.count;
    if (i < 20) {
      snprintf(name, sizeof name, "gone%d", i);
      (void)cf_ok(r, cf_twalk(1, 2, name));
      (void)cf_ok(r, cf_tfid(STYX_Tremove, 2));
      snprintf(name, sizeof name, "new%d", i);
      cf_file(r, 2, name, 0666, "");
      (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
    }
    if (i > 1000)
      cf_fail(r, "the directory does not end");
  }
  once_each(r, &seen);
}

static void count_some(struct cf_run *r, const styx_stat *st, void *arg) {
  int *counts = arg, i;
  char text[32];
  snprintf(text, sizeof text, "%.*s", (int)(st->name.len < 31 ? st->name.len : 31), st->name.s);
  if (sscanf(text, "m%d", &i) != 1 || i < 0 || i >= 400)
    cf_fail(r, "a name came that nobody made: %s", text);
  counts[i]++;
}

static void large(struct cf_run *r) {
  int counts[400] = {0};
  char name[64];
  for (int i = 0; i < 400; i++) {
    snprintf(name, sizeof name, "m%d", i);
    (void)cf_ok(r, cf_twalk(1, 2, NULL));
    (void)cf_ok(r, cf_tcreate(2, name, 0666, STYX_OWRITE));
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  }
  open_dir(r, 3);
  if (cf_list(r, 3, 1000, count_some, counts) != 400)
    cf_fail(r, "400 files gave another number of records");
  for (int i = 0; i < 400; i++)
    if (counts[i] != 1)
      cf_fail(r, "file m%d came %d times", i, counts[i]);
}

static void as_stat(struct cf_run *r) {
  struct listing l;
  fill(r, ENTRIES);
  cf_mkdir(r, 2, "dir", 0755);
  (void)cf_ok(r, cf_tfid(STYX_Tclunk, 2));
  open_dir(r, 3);
  read_whole(r, 3, &l);
  for (size_t i = 0, at = 0; i < l.n; at = l.ends[i++]) {
    styx_stat st;
    char name[256];
    (void)styx_stat_decode(&st, l.bytes + at, l.ends[i] - at, STYX_9P2000);
    snprintf(name, sizeof name, "%.*s", (int)(st.name.len < 255 ? st.name.len : 255), st.name.s);
    (void)cf_ok(r, cf_twalk(1, 4, name));
    const styx_stat is = cf_ok(r, cf_tfid(STYX_Tstat, 4)).stat;
    if (is.qid.path != st.qid.path || is.qid.type != st.qid.type || is.mode != st.mode || is.length != st.length ||
        !styx_str_eq(is.name, st.name) || !styx_str_eq(is.uid, st.uid))
      cf_fail(r, "the record of %s in its directory is not that of Tstat", name);
    (void)cf_ok(r, cf_tfid(STYX_Tclunk, 4));
  }
}

static const struct cf_check checks[] = {
    {"dir-every-count", "read(5)", "reads of any count give whole records, in one order, and none is lost", CF_DIR,
     NULL, every_count},
    {"dir-root-counts", "read(5)", "the root's records are whole at many counts", CF_ROOT, NULL, root_counts},
    {"dir-offset-bad", "read(5)", "an offset that is neither 0 nor where the last read ended is refused", CF_DIR, NULL,
     bad_offsets},
    {"dir-rewind", "read(5)", "offset 0 starts anew, from anywhere", CF_DIR, NULL, rewind_anywhere},
    {"dir-two-fids", "read(5)", "each fid has a place of its own in the directory", CF_DIR, NULL, two_cursors},
    {"dir-names", "read(5)", "the records are those of the files in it, once each, without dots", CF_DIR, NULL, names},
    {"dir-changing", "read(5)", "what stays comes once, though other files come and go", CF_DIR, NULL, while_changing},
    {"dir-large", "read(5)", "400 files are listed, in pieces", CF_DIR, NULL, large},
    {"dir-stat", "read(5)", "a record is what Tstat says of its file", CF_DIR, NULL, as_stat},
    {"dir-empty", "read(5)", "an empty directory ends at once", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Topen fid 2 mode 0\n"
     "! Tread fid 2 offset 0 count 1000 => Rread count 0 *\n"
     "! Tread fid 2 offset 0 count 1000 => Rread count 0 *",
     NULL},
};
const struct cf_group cf_dirs = {checks, sizeof checks / sizeof *checks};
