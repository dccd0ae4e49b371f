/* reference.h: a second decoder, slow and plain, written from the tables of contract.md 1.1 to 1.5, 1.14 and 1.15. It shares
 * nothing with lib/wire: where the two disagree one of them has misread the tables. */
#ifndef TEST_REFERENCE_H
#define TEST_REFERENCE_H

#include <styx/wire.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Fields in wire order, each name:kind.
 *   1 2 4 8  an integer of so many bytes       s  a string           Q  a qid
 *   T        a tag                             x  one of any bytes   S  n[2] and a stat record
 *   F        a fid                             n  a file's name      N  nwname and names
 *   P        four bytes, shown in octal        D  count[4] and data  W  nwqid and qids
 * NULL: not in this dialect. */
#define EVERY(fields) fields, fields, fields
#define OLD(fields) fields, fields, NULL
#define NEW(fields) NULL, NULL, fields
#define LOCK "lock.start:8 lock.length:8 lock.proc_id:4 lock.client_id:s"
static const struct ref_row {
  uint8_t type;
  const char *name, *fields[3];
} ref_rows[] = {
    {7, "Rlerror", {NEW("ecode:4")}},
    {8, "Tstatfs", {NEW("fid:F")}},
    {9,
     "Rstatfs",
     {NEW("statfs.type:4 statfs.bsize:4 statfs.blocks:8 statfs.bfree:8 statfs.bavail:8 statfs.files:8 "
          "statfs.ffree:8 statfs.fsid:8 statfs.namelen:4")}},
    {12, "Tlopen", {NEW("fid:F flags:4")}},
    {13, "Rlopen", {NEW("qid:Q iounit:4")}},
    {14, "Tlcreate", {NEW("fid:F name:n flags:4 perm:P gid:4")}},
    {15, "Rlcreate", {NEW("qid:Q iounit:4")}},
    {16, "Tsymlink", {NEW("dfid:F name:n target:s gid:4")}},
    {17, "Rsymlink", {NEW("qid:Q")}},
    {18, "Tmknod", {NEW("dfid:F name:n perm:P major:4 minor:4 gid:4")}},
    {19, "Rmknod", {NEW("qid:Q")}},
    {20, "Trename", {NEW("fid:F dfid:F name:n")}},
    {21, "Rrename", {NEW("")}},
    {22, "Treadlink", {NEW("fid:F")}},
    {23, "Rreadlink", {NEW("target:s")}},
    {24, "Tgetattr", {NEW("fid:F mask:8")}},
    {25,
     "Rgetattr",
     {NEW("attr.valid:8 attr.qid:Q attr.mode:P attr.uid:4 attr.gid:4 attr.nlink:8 attr.rdev:8 attr.size:8 "
          "attr.blksize:8 attr.blocks:8 attr.atime.sec:8 attr.atime.nsec:8 attr.mtime.sec:8 "
          "attr.mtime.nsec:8 attr.ctime.sec:8 attr.ctime.nsec:8 attr.btime.sec:8 attr.btime.nsec:8 "
          "attr.gen:8 attr.data_version:8")}},
    {26,
     "Tsetattr",
     {NEW("fid:F setattr.valid:4 setattr.mode:P setattr.uid:4 setattr.gid:4 setattr.size:8 "
          "setattr.atime.sec:8 setattr.atime.nsec:8 setattr.mtime.sec:8 setattr.mtime.nsec:8")}},
    {27, "Rsetattr", {NEW("")}},
    {30, "Txattrwalk", {NEW("fid:F newfid:F name:s")}},
    {31, "Rxattrwalk", {NEW("size:8")}},
    {32, "Txattrcreate", {NEW("fid:F name:s size:8 flags:4")}},
    {33, "Rxattrcreate", {NEW("")}},
    {40, "Treaddir", {NEW("fid:F offset:8 count:4")}},
    {41, "Rreaddir", {NEW("data:D")}},
    {50, "Tfsync", {NEW("fid:F datasync:4")}},
    {51, "Rfsync", {NEW("")}},
    {52, "Tlock", {NEW("fid:F lock.type:1 lock.flags:4 " LOCK)}},
    {53, "Rlock", {NEW("status:1")}},
    {54, "Tgetlock", {NEW("fid:F lock.type:1 " LOCK)}},
    {55, "Rgetlock", {NEW("lock.type:1 " LOCK)}},
    {70, "Tlink", {NEW("dfid:F fid:F name:n")}},
    {71, "Rlink", {NEW("")}},
    {72, "Tmkdir", {NEW("dfid:F name:n perm:P gid:4")}},
    {73, "Rmkdir", {NEW("qid:Q")}},
    {74, "Trenameat", {NEW("dfid:F name:n newdfid:F newname:n")}},
    {75, "Rrenameat", {NEW("")}},
    {76, "Tunlinkat", {NEW("dfid:F name:n flags:4")}},
    {77, "Runlinkat", {NEW("")}},
    {98, "Topenfd", {OLD("fid:F mode:1")}},
    {99, "Ropenfd", {OLD("qid:Q iounit:4 unixfd:4")}},
    {100, "Tversion", {EVERY("msize:4 version:s")}},
    {101, "Rversion", {EVERY("msize:4 version:s")}},
    {102, "Tauth", {"afid:F uname:s aname:s", "afid:F uname:s aname:s n_uname:4", "afid:F uname:s aname:s n_uname:4"}},
    {103, "Rauth", {EVERY("qid:Q")}},
    {104,
     "Tattach",
     {"fid:F afid:F uname:s aname:s", "fid:F afid:F uname:s aname:s n_uname:4",
      "fid:F afid:F uname:s aname:s n_uname:4"}},
    {105, "Rattach", {EVERY("qid:Q")}},
    {107, "Rerror", {"ename:x", "ename:x ecode:4", NULL}},
    {108, "Tflush", {EVERY("oldtag:T")}},
    {109, "Rflush", {EVERY("")}},
    {110, "Twalk", {EVERY("fid:F newfid:F nwname:N")}},
    {111, "Rwalk", {EVERY("nwqid:W")}},
    {112, "Topen", {OLD("fid:F mode:1")}},
    {113, "Ropen", {OLD("qid:Q iounit:4")}},
    {114, "Tcreate", {"fid:F name:n perm:P mode:1", "fid:F name:n perm:P mode:1 extension:s", NULL}},
    {115, "Rcreate", {OLD("qid:Q iounit:4")}},
    {116, "Tread", {EVERY("fid:F offset:8 count:4")}},
    {117, "Rread", {EVERY("data:D")}},
    {118, "Twrite", {EVERY("fid:F offset:8 data:D")}},
    {119, "Rwrite", {EVERY("count:4")}},
    {120, "Tclunk", {EVERY("fid:F")}},
    {121, "Rclunk", {EVERY("")}},
    {122, "Tremove", {EVERY("fid:F")}},
    {123, "Rremove", {EVERY("")}},
    {124, "Tstat", {OLD("fid:F")}},
    {125, "Rstat", {OLD("stat:S")}},
    {126, "Twstat", {OLD("fid:F stat:S")}},
    {127, "Rwstat", {OLD("")}},
};
#undef EVERY
#undef OLD
#undef NEW
#undef LOCK
#define REF_STAT "type:2 dev:4 qid:Q mode:P atime:4 mtime:4 length:8 name:s uid:s gid:s muid:s"
#define REF_STAT_U REF_STAT " extension:s n_uid:4 n_gid:4 n_muid:4"

enum ref_verdict { REF_MORE, REF_OK, REF_LOST, REF_BAD };
enum { REF_LEAST = 1, REF_GREATEST = 2, REF_MIXED = 4, REF_FIELDS = 32 };

struct ref {
  char *text; /* NULL: not wanted */
  size_t len, cap;
  /* which extremes each field has: its least value, its greatest, first and last byte different */
  uint8_t seen[REF_FIELDS];
  const char *names[REF_FIELDS];
  size_t nfields;
  /* of the walk along the bytes */
  const uint8_t *p;
  size_t left, longest; /* longest: what the greatest string has */
  bool lost, bad, utf8;
  styx_dialect dialect;
};

__attribute__((format(printf, 2, 3))) static inline void ref_say(struct ref *r, const char *fmt, ...) {
  va_list args;
  if (!r->text)
    return;
  va_start(args, fmt);
  r->len += (size_t)vsnprintf(r->text + r->len, r->cap - r->len, fmt, args);
  va_end(args);
}

static inline const uint8_t *ref_take(struct ref *r, uint64_t n) {
  if (n > r->left) {
    r->lost = true;
    r->left = 0;
    return NULL;
  }
  const uint8_t *p = r->p;
  r->p += n;
  r->left -= (size_t)n;
  return p;
}

static inline uint64_t ref_int(struct ref *r, unsigned width, uint8_t *seen) {
  const uint8_t *p = ref_take(r, width);
  if (!p)
    return 0;
  uint64_t v = 0;
  for (unsigned i = width; i-- > 0;)
    v = v * 256 + p[i];
  *seen |= (uint8_t)((v == 0) * REF_LEAST | (v == UINT64_MAX >> (64 - 8 * width)) * REF_GREATEST |
                     (width == 1 || p[0] != p[width - 1]) * REF_MIXED);
  return v;
}

/* How the bytes of a character may be, after the Unicode standard's table of well-formed sequences; NUL left out. */
static inline bool ref_is_utf8(const uint8_t *p, size_t n) {
  static const struct {
    uint8_t first, last, low, high, len;
  } forms[] = {{0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
               {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
               {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
  size_t at = 0, f;
  while (at < n) {
    for (f = 0; f < 9 && !(p[at] >= forms[f].first && p[at] <= forms[f].last); f++)
      ;
    if (f == 9 || n - at < forms[f].len)
      return false;
    for (size_t i = 1; i < forms[f].len; i++)
      if (p[at + i] < (i == 1 ? forms[f].low : 0x80) || p[at + i] > (i == 1 ? forms[f].high : 0xbf))
        return false;
    at += forms[f].len;
  }
  return true;
}

static inline void ref_quote(struct ref *r, const uint8_t *p, size_t n) {
  ref_say(r, " '");
  for (size_t i = 0; r->text && i < n; i++)
    if (p[i] < ' ' || p[i] > '~' || p[i] == '\'' || p[i] == '\\')
      ref_say(r, "\\x%02x", p[i]);
    else
      r->text[r->len++] = (char)p[i];
  ref_say(r, "'");
}

static inline bool ref_is(const uint8_t *p, size_t n, const char *word) {
  return n == strlen(word) && memcmp(p, word, n) == 0;
}

/* kind: s x n as above, w an element of a walk. Returns whether it has the greatest length. */
static inline bool ref_str(struct ref *r, char kind, uint8_t *seen) {
  uint8_t ignored = 0;
  size_t n = (size_t)ref_int(r, 2, &ignored);
  const uint8_t *p = ref_take(r, n);
  if (!p)
    return false;
  ref_quote(r, p, n);
  if (kind != 'x' && (memchr(p, 0, n) || (r->utf8 && !ref_is_utf8(p, n))))
    r->bad = true;
  if ((kind == 'n' || kind == 'w') && (n == 0 || memchr(p, '/', n) || ref_is(p, n, ".")))
    r->bad = true;
  if (kind == 'n' && ref_is(p, n, ".."))
    r->bad = true;
  *seen |= (uint8_t)((n == (kind == 'n')) * REF_LEAST | (n == r->longest) * REF_GREATEST | REF_MIXED);
  return n == r->longest;
}

static inline void ref_qid(struct ref *r, uint8_t *seen) {
  static const char letters[] = "hLtAmlad"; /* from the lowest bit */
  uint8_t parts[3] = {0, 0, 0};
  uint64_t type = ref_int(r, 1, &parts[0]), vers = ref_int(r, 4, &parts[1]), path = ref_int(r, 8, &parts[2]);
  *seen |= parts[0] & parts[1] & parts[2];
  ref_say(r, " (0x%llx %llu %s", (unsigned long long)path, (unsigned long long)vers, type ? "" : "-");
  for (unsigned bit = 8; bit-- > 0;)
    if (type >> bit & 1)
      ref_say(r, "%c", letters[bit]);
  ref_say(r, ")");
}

/* Names (kind N) or qids (kind W). */
static inline void ref_many(struct ref *r, char kind, uint8_t *seen) {
  uint8_t ignored = 0, all = REF_LEAST | REF_GREATEST | REF_MIXED;
  uint64_t n = ref_int(r, 2, &ignored);
  if (n > 16) {
    r->bad = true;
    r->left = 0;
    return;
  }
  ref_say(r, " %u", (unsigned)n);
  for (uint64_t i = 0; i < n; i++) {
    uint8_t one = 0;
    if (kind == 'N')
      ref_str(r, 'w', &one);
    else
      ref_qid(r, &one);
    all &= one;
  }
  *seen |= (uint8_t)((n == 0) * REF_LEAST | (n == 16 ? all & REF_GREATEST : 0) | REF_MIXED);
}

static inline void ref_data(struct ref *r, uint8_t *seen) {
  uint8_t ignored = 0;
  uint64_t n = ref_int(r, 4, &ignored);
  const uint8_t *p = ref_take(r, n);
  if (!p)
    return;
  ref_say(r, " count %llu data", (unsigned long long)n);
  ref_quote(r, p, (size_t)n);
  *seen |= (uint8_t)((n == 0) * REF_LEAST | (n > 0xFFFF) * REF_GREATEST | REF_MIXED);
}

static inline void ref_fields(struct ref *r, const char *fields);

static inline void ref_stat(struct ref *r) {
  uint8_t ignored = 0;
  uint64_t n = ref_int(r, 2, &ignored);
  const uint8_t *p = ref_take(r, n);
  if (!p)
    return;
  struct ref in = *r;
  bool u = r->dialect == STYX_9P2000_U;
  in.p = p;
  in.left = (size_t)n;
  in.lost = in.bad = false;
  in.longest = 65535 - (u ? 63 : 49);
  ref_say(&in, " (");
  uint64_t size = ref_int(&in, 2, &ignored);
  in.len -= in.text ? 1 : 0; /* the first field's blank */
  char *at = in.text ? in.text + in.len : NULL;
  ref_fields(&in, u ? REF_STAT_U : REF_STAT);
  if (at)
    *at = '(';
  ref_say(&in, ")");
  if (in.lost || in.left || size + 2 != n)
    in.bad = true;
  in.p = r->p;
  in.left = r->left;
  in.longest = r->longest;
  in.lost = r->lost;
  in.bad |= r->bad;
  *r = in;
}

static inline void ref_field(struct ref *r, char kind, uint8_t *seen) {
  uint64_t v;
  switch (kind) {
  case 'T':
    v = ref_int(r, 2, seen);
    ref_say(r, v == 0xFFFF ? " NOTAG" : " %llu", (unsigned long long)v);
    break;
  case 'F':
    v = ref_int(r, 4, seen);
    ref_say(r, v == 0xFFFFFFFF ? " NOFID" : " %llu", (unsigned long long)v);
    break;
  case 'P':
    ref_say(r, " 0%llo", (unsigned long long)ref_int(r, 4, seen));
    break;
  case 's':
  case 'x':
  case 'n':
    ref_str(r, kind, seen);
    break;
  case 'Q':
    ref_qid(r, seen);
    break;
  case 'N':
  case 'W':
    ref_many(r, kind, seen);
    break;
  case 'D':
    ref_data(r, seen);
    break;
  default:
    ref_say(r, " %llu", (unsigned long long)ref_int(r, (unsigned)(kind - '0'), seen));
  }
}

static inline void ref_fields(struct ref *r, const char *fields) {
  while (*fields) {
    int len = (int)strcspn(fields, ":");
    char kind = fields[len + 1];
    if (kind != 'D')
      ref_say(r, " %.*s", len, fields);
    if (kind == 'S') {
      ref_stat(r);
    } else {
      r->names[r->nfields] = fields;
      ref_field(r, kind, &r->seen[r->nfields++]);
    }
    fields += len + 2;
    fields += *fields == ' ';
  }
}

static inline const struct ref_row *ref_find(unsigned type) {
  for (size_t i = 0; i < sizeof ref_rows / sizeof *ref_rows; i++)
    if (ref_rows[i].type == type)
      return &ref_rows[i];
  return NULL;
}

/* text may be NULL; else it has cap bytes, 5 for each byte of the message and 4,096 being always enough. */
static inline enum ref_verdict reference(struct ref *r, const uint8_t *buf, size_t len, styx_dialect dialect,
                                         char *text, size_t cap) {
  *r = (struct ref){.text = text, .cap = cap, .p = buf, .left = len, .longest = 0xFFFF, .dialect = dialect};
  if (len < 4)
    return REF_MORE;
  uint8_t ignored = 0;
  uint64_t size = ref_int(r, 4, &ignored);
  if (size < 7)
    return REF_LOST;
  if (size > len)
    return REF_MORE;
  r->left = (size_t)size - 4;
  uint64_t type = ref_int(r, 1, &ignored);
  const struct ref_row *row = ref_find((unsigned)type);
  if (!row || !row->fields[dialect])
    return REF_BAD;
  r->utf8 = dialect != STYX_9P2000_L || type == 100 || type == 101;
  ref_say(r, "%s", row->name);
  ref_fields(r, "tag:T");
  ref_fields(r, row->fields[dialect]);
  return r->lost ? REF_LOST : r->bad || r->left ? REF_BAD : REF_OK;
}

/* Is what styx_msg_print_whole said the same? It shows readable characters as they are, this shows all but ASCII in digits. */
static inline bool ref_agrees(const struct ref *r, const char *printed) {
  static const char digits[] = "0123456789abcdef";
  const char *t = r->text;
  for (const uint8_t *p = (const uint8_t *)printed; *p; p++) {
    char hex[] = {'\\', 'x', digits[*p >> 4], digits[*p & 15]};
    size_t n = *p < 0x80 ? 1 : sizeof hex;
    if (memcmp(t, *p < 0x80 ? (const char *)p : hex, n) != 0)
      return false;
    t += n;
  }
  return *t == 0;
}

#endif
