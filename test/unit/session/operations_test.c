/* operations_test.c: what a filesystem that supplies operations may rely on, and what may go wrong in each (contract 6). The
 * filesystem here checks that it gets back what it gave, and does as it is told. */
#include "support/pipe9.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the filesystem: one file's bytes, whatever it is called; names that begin with 'd' are directories ---- */

enum { BYTES = 4096, ENTRIES = 9 };

struct observed {
  uint32_t fail; /* STYX_OP bits: these are refused with err, at once */
  styx_err err, close_err;
  uint32_t iounit, most; /* bytes that one read or write moves; 0: all */
  int at_once;           /* entries of one readdir; 0: all that fit */
  uint8_t bytes[BYTES];
  uint32_t length;
  int nodes, handles, opened, closed, calls;
  char user[32], aname[32]; /* of the last getattr */
  uint32_t mode, flags;     /* of the last open or create */
  uint32_t count;           /* of the last read or write */
  styx_setattr set;
  char name[32];        /* of set */
  struct p9_heap *heap; /* of the session; getattr takes nothing from it */
};

struct node {
  struct observed *o;
  bool dir;
};

struct handle {
  struct node *of;
};

static struct observed *of(const styx_req *r) { return styx_req_ctx(r); }

static bool fails(styx_req *r, enum styx_op op) {
  of(r)->calls++;
  return (of(r)->fail >> op & 1) != 0;
}
static styx_answer refuse(styx_req *r) { return styx_reply_error(r, of(r)->err); }

static styx_qid qid(bool dir, uint64_t path) { return (styx_qid){dir ? STYX_QTDIR : 0, 0, path}; }

static struct node *node_new(struct observed *o, bool dir) {
  struct node *n = malloc(sizeof *n);
  *n = (struct node){o, dir};
  o->nodes++;
  return n;
}

static struct handle *handle_new(struct node *n) {
  struct handle *h = malloc(sizeof *h);
  h->of = n;
  n->o->handles++;
  n->o->opened++;
  return h;
}

static styx_answer op_attach(styx_req *r) {
  if (fails(r, STYX_OP_attach) || styx_str_is(styx_req_aname(r), "nowhere"))
    return styx_reply_error(r, of(r)->err ? of(r)->err : ENOENT);
  return styx_reply_node(r, node_new(of(r), true), qid(true, 1));
}

static styx_answer op_walk(styx_req *r, void *node, styx_str name) {
  cr_assert(((struct node *)node)->dir, "only directories are searched");
  if (fails(r, STYX_OP_walk))
    return refuse(r);
  if (styx_str_is(name, "none") || styx_str_is(name, "locked"))
    return styx_reply_error(r, styx_str_is(name, "none") ? ENOENT : EACCES);
  bool dir = name.s[0] == 'd';
  return styx_reply_node(r, node_new(of(r), dir), qid(dir, dir ? 3 : 2));
}

static styx_answer op_open(styx_req *r, void *node, uint32_t flags) {
  if (fails(r, STYX_OP_open))
    return refuse(r);
  of(r)->flags = flags;
  styx_req_iounit(r, of(r)->iounit);
  struct node *n = node;
  return styx_reply_open(r, qid(n->dir, n->dir ? 3 : 2), handle_new(n));
}

static styx_answer op_create(styx_req *r, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  (void)node, (void)gid;
  if (fails(r, STYX_OP_create))
    return refuse(r);
  if (styx_str_is(name, "there"))
    return styx_reply_error(r, EEXIST);
  of(r)->flags = flags;
  of(r)->mode = mode;
  styx_req_iounit(r, of(r)->iounit);
  bool dir = (mode & STYX_DMDIR) != 0;
  struct node *n = node_new(of(r), dir);
  return styx_reply_create(r, n, qid(dir, 4), handle_new(n));
}

static uint32_t at_most(const struct observed *o, uint32_t n) { return o->most && n > o->most ? o->most : n; }

static styx_answer op_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  cr_assert_eq(((struct handle *)handle)->of, node);
  if (fails(r, STYX_OP_read))
    return refuse(r);
  of(r)->count = count;
  uint32_t left = offset < of(r)->length ? of(r)->length - (uint32_t)offset : 0;
  return styx_reply_data(r, of(r)->bytes + (left ? offset : 0), at_most(of(r), left < count ? left : count));
}

static styx_answer op_write(styx_req *r, void *node, void *handle, uint64_t offset, const void *data, uint32_t count) {
  cr_assert_eq(((struct handle *)handle)->of, node);
  if (fails(r, STYX_OP_write))
    return refuse(r);
  of(r)->count = count;
  count = at_most(of(r), count);
  if (offset + count <= BYTES) {
    memcpy(of(r)->bytes + offset, data, count);
    of(r)->length = (uint32_t)offset + count > of(r)->length ? (uint32_t)offset + count : of(r)->length;
  }
  return styx_reply_count(r, count);
}

/* Names of 1 to ENTRIES letters. */
static styx_answer op_readdir(styx_req *r, void *node, void *handle, uint64_t cookie) {
  static const char letters[] = "abcdefghi";
  cr_assert_eq(((struct handle *)handle)->of, node);
  if (fails(r, STYX_OP_readdir))
    return refuse(r);
  for (int n = 0; cookie < ENTRIES && (!of(r)->at_once || n < of(r)->at_once); n++, cookie++) {
    styx_dirent e = {.attr = {.qid = qid(false, cookie), .name = {letters, cookie + 1}}, .cookie = cookie + 1};
    if (!styx_dir_add(r, &e))
      break;
  }
  return styx_reply_dir(r);
}

static styx_answer op_getattr(styx_req *r, void *node, void *handle) {
  const struct node *n = node;
  cr_assert(!handle || ((struct handle *)handle)->of == n);
  if (fails(r, STYX_OP_getattr))
    return refuse(r);
  styx_str user = styx_req_user(r), aname = styx_req_aname(r);
  snprintf(of(r)->user, sizeof of(r)->user, "%.*s", (int)user.len, user.s);
  snprintf(of(r)->aname, sizeof of(r)->aname, "%.*s", (int)aname.len, aname.s);
  styx_attr a = {.qid = qid(n->dir, 2), .name = STYX_STR("x"), .uid = STYX_STR("glenda"), .gid = STYX_STR("glenda")};
  size_t calls = of(r)->heap ? of(r)->heap->calls : 0;
  styx_answer answer = styx_reply_attr(r, &a);
  cr_assert(!of(r)->heap || of(r)->heap->calls == calls, "attributes need no memory");
  return answer;
}

static styx_answer op_setattr(styx_req *r, void *node, void *handle, const styx_setattr *set) {
  (void)node, (void)handle;
  if (fails(r, STYX_OP_setattr))
    return refuse(r);
  of(r)->set = *set;
  snprintf(of(r)->name, sizeof of(r)->name, "%.*s", (int)set->name.len, set->name.s);
  return styx_reply_ok(r);
}

static styx_answer op_fsync(styx_req *r, void *node, void *handle, bool datasync) {
  (void)node, (void)handle, (void)datasync;
  return fails(r, STYX_OP_fsync) ? refuse(r) : styx_reply_ok(r);
}

static styx_answer op_remove(styx_req *r, void *node) {
  (void)node;
  return fails(r, STYX_OP_remove) ? refuse(r) : styx_reply_ok(r);
}

static styx_err op_close(void *ctx, void *node, void *handle) {
  struct observed *o = ctx;
  cr_assert_eq(((struct handle *)handle)->of, node);
  free(handle);
  o->handles--;
  o->closed++;
  return o->close_err;
}

static void op_forget(void *ctx, void *node) {
  free(node);
  ((struct observed *)ctx)->nodes--;
}

static const styx_fs_ops ops = {.size = sizeof ops,
                                .name = "observed",
                                .attach = op_attach,
                                .walk = op_walk,
                                .open = op_open,
                                .create = op_create,
                                .read = op_read,
                                .write = op_write,
                                .readdir = op_readdir,
                                .getattr = op_getattr,
                                .setattr = op_setattr,
                                .remove = op_remove,
                                .fsync = op_fsync,
                                .close = op_close,
                                .forget = op_forget};

/* ---- its clients ---- */

static struct observed o;
static struct p9 *a, *b;

static void begin(void) {
  memset(&o, 0, sizeof o);
  a = p9_new_fs((styx_fs){&ops, &o});
  b = p9_new_fs((styx_fs){&ops, &o});
  cr_assert_eq(p9_attach(a, 0, "glenda", ""), STYX_OK);
}

static void end(void) {
  p9_free(a);
  p9_free(b);
  cr_assert_eq(o.nodes, 0, "%d nodes are not forgotten", o.nodes);
  cr_assert_eq(o.handles, 0, "%d handles are not closed", o.handles);
  cr_assert_eq(o.opened, o.closed);
}

TestSuite(operations, .init = begin, .fini = end, .timeout = 60);

#define FAILS(call, error)                                                                                             \
  do {                                                                                                                 \
    styx_err got_ = (call);                                                                                            \
    cr_assert_eq(got_, (error), "%s: %s", #call, styx_err_text(got_));                                                 \
  } while (0)
#define OK(call) FAILS(call, STYX_OK)

static void open_file(struct p9 *p, uint32_t fid, uint8_t mode) {
  OK(p9_walk(p, 0, fid, "file"));
  OK(p9_open(p, fid, mode));
}

/* ---- attach ---- */

Test(operations, the_user_of_an_attach_is_that_of_every_fid_that_comes_of_it) {
  styx_stat st;
  OK(p9_attach(a, 10, "bob", ""));
  OK(p9_walk(a, 10, 11, "dir"));
  OK(p9_walk(a, 11, 12, "file"));
  OK(p9_walk(a, 12, 13, ""));
  OK(p9_walk(a, 0, 14, "file"));
  for (uint32_t fid = 10; fid <= 13; fid++) {
    OK(p9_stat(a, fid, &st));
    cr_assert_str_eq(o.user, "bob");
  }
  OK(p9_stat(a, 14, &st));
  cr_assert_str_eq(o.user, "glenda");
}

Test(operations, the_aname_reaches_the_filesystem_is_inherited_and_may_be_refused) {
  const styx_export exports[] = {{.name = "tree", .path = "/srv/tree", .fs = {&ops, &o}},
                                 {.name = "nowhere", .fs = {&ops, &o}}};
  struct p9 *p = p9_new(exports, 2);
  styx_stat st;
  OK(p9_attach(p, 1, "bob", "tree"));
  OK(p9_stat(p, 1, &st));
  cr_assert_str_eq(o.aname, "tree");
  OK(p9_attach(p, 2, "bob", "/srv/tree"));
  OK(p9_stat(p, 2, &st));
  cr_assert_str_eq(o.aname, "/srv/tree");
  OK(p9_walk(p, 2, 4, "dir"));
  OK(p9_walk(p, 4, 5, ""));
  o.aname[0] = '\0';
  OK(p9_stat(p, 5, &st));
  cr_assert_str_eq(o.aname, "/srv/tree");
  FAILS(p9_attach(p, 3, "bob", "nowhere"), ENOENT);   /* the filesystem says so */
  FAILS(p9_attach(p, 3, "bob", "elsewhere"), ENOENT); /* no export has such a name */
  FAILS(p9_clunk(p, 3), STYX_EBADFID);
  OK(p9_attach(p, 3, "bob", ""));
  p9_free(p);
}

Test(operations, two_sessions_share_a_filesystem_and_nothing_else) {
  OK(p9_attach(b, 0, "bob", ""));
  open_file(a, 1, STYX_ORDWR);
  FAILS(p9_clunk(b, 1), STYX_EBADFID);
  open_file(b, 1, STYX_OREAD);
  OK(p9_write(a, 1, 0, "text", 4, NULL));
  FAILS(p9_write(b, 1, 0, "text", 4, NULL), STYX_EBADUSE);
  char buf[8];
  uint32_t got;
  OK(p9_read(b, 1, 0, buf, sizeof buf, &got));
  cr_assert_eq(got, 4);
  p9_free(a); /* closes its own handle, and no other */
  a = NULL;
  cr_assert_eq(o.closed, 1);
  OK(p9_read(b, 1, 0, buf, sizeof buf, &got));
  cr_assert_eq(got, 4);
}

/* ---- walk, open, create ---- */

Test(operations, a_lookup_fails_for_what_is_missing_is_no_directory_or_is_forbidden) {
  FAILS(p9_walk(a, 0, 1, "none"), ENOENT);
  FAILS(p9_walk(a, 0, 1, "locked"), EACCES);
  OK(p9_walk(a, 0, 1, "file"));
  FAILS(p9_walk(a, 1, 2, "file"), ENOTDIR);
  OK(p9_walk(a, 0, 2, "dir"));
  FAILS(p9_walk(a, 2, 3, "locked"), EACCES);
  FAILS(p9_clunk(a, 3), STYX_EBADFID);
}

Test(operations, what_open_answers_is_the_handle_from_then_on_until_close) {
  /* The filesystem itself compares: each handle belongs to its node, and none but it is given. */
  char buf[8];
  uint32_t got;
  styx_stat st;
  open_file(a, 1, STYX_ORDWR);
  open_file(a, 2, STYX_OREAD);
  OK(p9_write(a, 1, 0, "x", 1, NULL));
  OK(p9_read(a, 2, 0, buf, sizeof buf, &got));
  OK(p9_stat(a, 1, &st));
  OK(p9_clunk(a, 1));
  cr_assert_eq(o.handles, 1);
  FAILS(p9_read(a, 1, 0, buf, sizeof buf, &got), STYX_EBADFID);
  OK(p9_read(a, 2, 0, buf, sizeof buf, &got));
}

Test(operations, create_says_what_is_wrong_and_passes_on_what_is_asked) {
  OK(p9_walk(a, 0, 1, "dir"));
  FAILS(p9_create(a, 1, "there", 0644, STYX_OWRITE), EEXIST);
  o.fail = STYX_OP(create);
  o.err = EACCES;
  FAILS(p9_create(a, 1, "new", 0644, STYX_OWRITE), EACCES);
  o.fail = 0;
  OK(p9_walk(a, 1, 2, "file")); /* the fid is where it was, and not open */
  OK(p9_create(a, 1, "new", STYX_DMDIR | 0751, STYX_OREAD));
  cr_assert_eq(o.mode, STYX_DMDIR | 0751);
  FAILS(p9_walk(a, 1, 3, "file"), STYX_EOPEN);
  OK(p9_walk(a, 0, 4, ""));
  OK(p9_create(a, 4, "other", STYX_DMAPPEND | 0640, STYX_ORDWR | STYX_OTRUNC | STYX_ORCLOSE));
  cr_assert_eq(o.mode, STYX_DMAPPEND | 0640);
  cr_assert_eq(o.flags, STYX_ORDWR | STYX_O_TRUNC | STYX_O_RCLOSE);
}

/* ---- iounit ---- */

static uint32_t iounit_of(struct p9 *p, uint8_t type) {
  styx_msg r, t = {.type = type, .fid = 1, .mode = STYX_OREAD, .name = STYX_STR("new"), .perm = 0644};
  OK(p9_walk(p, 0, 1, type == STYX_Topen ? "file" : ""));
  p9_rpc(p, &t, &r);
  cr_assert_eq(r.type, type + 1);
  uint32_t iounit = r.iounit;
  OK(p9_clunk(p, 1));
  return iounit;
}

Test(operations, iounit_is_the_filesystems_or_what_a_message_takes_if_that_is_less) {
  static const uint32_t msizes[] = {256, 257, 1000, 8192, 65536, 1u << 20};
  static const uint32_t asked[] = {0, 1, 100, 232, 233, 8168, 65536, 1u << 20, UINT32_MAX};
  const styx_export export = {.fs = {&ops, &o}};
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1};
  for (size_t i = 0; i < sizeof msizes / sizeof *msizes; i++) {
    struct p9 *p = p9_new_session(&config, msizes[i]);
    OK(p9_attach(p, 0, "glenda", ""));
    for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
      uint32_t most = msizes[i] - STYX_IOHDRSZ, want = asked[k] && asked[k] < most ? asked[k] : most;
      o.iounit = asked[k];
      cr_assert_eq(iounit_of(p, STYX_Topen), want, "msize %u, asked for %u", msizes[i], asked[k]);
      cr_assert_eq(iounit_of(p, STYX_Tcreate), want, "msize %u, asked for %u", msizes[i], asked[k]);
    }
    p9_free(p);
  }
}

Test(operations, iounit_is_a_hint_smaller_and_larger_requests_are_served_whole) {
  static const uint32_t sizes[] = {1, 99, 100, 101, BYTES};
  static uint8_t data[65536], back[65536];
  uint32_t got;
  o.iounit = 100;
  memset(data, 'd', sizeof data);
  open_file(a, 1, STYX_ORDWR);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    OK(p9_write(a, 1, 0, data, sizes[i], &got));
    cr_assert_eq(got, sizes[i]);
    cr_assert_eq(o.count, sizes[i]);
    OK(p9_read(a, 1, 0, back, sizes[i], &got));
    cr_assert_eq(got, sizes[i]);
    cr_assert_eq(o.count, sizes[i]);
    cr_assert_arr_eq(data, back, sizes[i]);
  }
  for (uint32_t most = 65536 - STYX_IOHDRSZ; most <= 65536 - 23; most++) { /* a whole message */
    OK(p9_write(a, 1, BYTES, data, most, &got));
    cr_assert_eq(o.count, most);
  }
}

/* ---- short and partial I/O ---- */

Test(operations, a_filesystem_that_reads_one_byte_at_a_time_is_served) {
  char buf[16];
  uint32_t got, at = 0;
  open_file(a, 1, STYX_ORDWR);
  OK(p9_write(a, 1, 0, "contents", 8, NULL));
  o.most = 1;
  for (; at < 8; at += got) {
    OK(p9_read(a, 1, at, buf + at, sizeof buf - at, &got));
    cr_assert_eq(got, 1);
  }
  OK(p9_read(a, 1, at, buf + at, 1, &got));
  cr_assert_eq(got, 0);
  cr_assert_arr_eq(buf, "contents", 8);
}

Test(operations, a_partial_write_is_answered_by_what_was_taken) {
  uint32_t got;
  o.most = 3;
  open_file(a, 1, STYX_OWRITE);
  OK(p9_write(a, 1, 0, "contents", 8, &got));
  cr_assert_eq(got, 3);
  OK(p9_write(a, 1, 3, "tents", 5, &got));
  cr_assert_eq(got, 3);
  cr_assert_arr_eq(o.bytes, "conten", 6);
}

/* The records in reads of count, each whole; 0 when the first does not fit. */
static int records(uint32_t fid, uint32_t count, uint32_t *ends) {
  uint8_t buf[2048];
  uint32_t got, offset = 0;
  int n = 0;
  for (;;) {
    styx_err err = p9_read(a, fid, offset, buf, count, &got);
    if (err && offset == 0) {
      cr_assert_eq(err, STYX_ESMALLBUF);
      return 0;
    }
    OK(err);
    for (uint32_t at = 0; at < got; n++) {
      styx_stat st;
      ptrdiff_t used = styx_stat_decode(&st, buf + at, got - at, STYX_9P2000);
      cr_assert_gt(used, 0, "a record is cut, in reads of %u", count);
      cr_assert_eq(st.name.len, (size_t)n + 1, "in order, none twice, none lost, in reads of %u", count);
      at += (uint32_t)used;
      if (ends)
        ends[n] = offset + at;
    }
    if (!got)
      return n;
    offset += got;
  }
}

Test(operations, a_directory_is_read_in_whole_records_at_every_count) {
  uint32_t ends[ENTRIES];
  OK(p9_walk(a, 0, 1, "dir"));
  OK(p9_open(a, 1, STYX_OREAD));
  cr_assert_eq(records(1, 2000, ends), ENTRIES);
  uint32_t largest = ends[ENTRIES - 1] - ends[ENTRIES - 2];
  for (uint32_t count = 0; count <= ends[ENTRIES - 1] + 1; count++) {
    int n = records(1, count, NULL), fit = 0;
    while (fit < ENTRIES && ends[fit] - (fit ? ends[fit - 1] : 0) <= count)
      fit++; /* a later one that is too large is a read of nothing (decisions/0001) */
    cr_assert_eq(n, count >= largest ? ENTRIES : fit, "%d records in reads of %u", n, count);
  }
  o.at_once = 1;
  cr_assert_eq(records(1, 2000, NULL), ENTRIES, "one entry at a time is enough");
}

Test(operations, a_directory_is_read_from_0_or_from_where_the_last_read_ended) {
  uint8_t buf[2048];
  uint32_t got, ends[ENTRIES];
  OK(p9_walk(a, 0, 1, "dir"));
  OK(p9_open(a, 1, STYX_OREAD));
  cr_assert_eq(records(1, 2000, ends), ENTRIES);
  for (uint64_t offset = 0; offset < ends[ENTRIES - 1] + 100; offset++) {
    OK(p9_read(a, 1, 0, buf, ends[2], &got));
    cr_assert_eq(got, ends[2]);
    FAILS(p9_read(a, 1, offset, buf, 1000, &got), offset == 0 || offset == ends[2] ? STYX_OK : STYX_EOFFSET);
  }
  FAILS(p9_read(a, 1, (uint64_t)1 << 32, buf, 1000, &got), STYX_EOFFSET);
}

/* ---- close ---- */

Test(operations, a_close_that_fails_is_the_error_of_tclunk_and_the_fid_is_gone) {
  open_file(a, 1, STYX_OWRITE);
  o.close_err = ENOSPC;
  FAILS(p9_clunk(a, 1), ENOSPC);
  cr_assert_eq(o.closed, 1);
  FAILS(p9_clunk(a, 1), STYX_EBADFID);
  cr_assert_eq(o.closed, 1);
}

Test(operations, every_handle_is_closed_exactly_once_however_it_ends) {
  o.close_err = EIO;
  for (uint32_t fid = 1; fid <= 5; fid++)
    open_file(a, fid, STYX_ORDWR);
  cr_assert_eq(o.opened, 5);
  FAILS(p9_clunk(a, 1), EIO);
  cr_assert_eq(o.closed, 1);
  OK(p9_remove(a, 2)); /* its own success; what close says is for the log */
  cr_assert_eq(o.closed, 2);
  o.fail = STYX_OP(remove);
  o.err = EPERM;
  FAILS(p9_remove(a, 3), EPERM);
  cr_assert_eq(o.closed, 3);
  o.fail = 0;
  styx_msg r, t = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = 8192, .version = STYX_STR("9P2000")};
  p9_submit(a, &t);
  p9_pump(a);
  cr_assert(p9_take(a, &r));
  cr_assert_eq(r.type, STYX_Rversion);
  cr_assert_eq(o.closed, 5);
  cr_assert_eq(o.nodes, 0);
  OK(p9_attach(a, 0, "glenda", ""));
  open_file(a, 1, STYX_OREAD);
  p9_free(a); /* the connection is lost */
  a = NULL;
  cr_assert_eq(o.closed, 6);
}

Test(operations, a_handle_outlives_the_removal_of_its_file_through_another_fid) {
  char buf[8];
  uint32_t got;
  open_file(a, 1, STYX_ORDWR);
  OK(p9_walk(a, 0, 2, "file"));
  OK(p9_remove(a, 2));
  cr_assert_eq(o.closed, 0);
  OK(p9_write(a, 1, 0, "text", 4, &got));
  OK(p9_read(a, 1, 0, buf, sizeof buf, &got));
  cr_assert_eq(got, 4);
  OK(p9_clunk(a, 1));
  cr_assert_eq(o.closed, 1);
}

/* ---- attributes ---- */

/* A request may be refused for want of memory when it comes; to answer it with attributes takes none, so it cannot fail. */
Test(operations, attributes_need_no_memory_to_be_answered) {
  struct p9_heap heap = {.fail_at = 0};
  styx_allocator alloc = p9_heap_allocator(&heap);
  const styx_export export = {.fs = {&ops, &o}};
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .allocator = &alloc};
  struct p9 *p = p9_new_session(&config, 8192);
  styx_stat st;
  OK(p9_attach(p, 0, "glenda", ""));
  OK(p9_walk(p, 0, 1, "file"));
  o.heap = &heap;
  OK(p9_stat(p, 1, &st));
  cr_assert(styx_str_is(st.uid, "glenda"));
  heap.fail_at = heap.calls + 1;
  styx_err err = p9_stat(p, 1, &st); /* the request itself */
  cr_assert(err == STYX_OK || err == ENOMEM);
  heap.fail_at = 0;
  OK(p9_stat(p, 1, &st));
  p9_free(p);
  cr_assert_eq(heap.live, 0);
}

Test(operations, wstat_passes_on_each_field_alone_and_nothing_else) {
  static const struct {
    uint32_t valid;
    const char *name;
    uint32_t mode, mtime;
    uint64_t length;
  } rows[] = {{STYX_SET_MODE, "", 0600, UINT32_MAX, UINT64_MAX},
              {STYX_SET_MTIME, "", UINT32_MAX, 77, UINT64_MAX},
              {STYX_SET_LENGTH, "", UINT32_MAX, UINT32_MAX, 5},
              {STYX_SET_NAME, "new", UINT32_MAX, UINT32_MAX, UINT64_MAX},
              {STYX_SET_NAME | STYX_SET_MODE | STYX_SET_MTIME | STYX_SET_LENGTH, "all", 0640, 78, 6}};
  OK(p9_walk(a, 0, 1, "file"));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    styx_stat st = styx_stat_untouched();
    st.name = styx_str_of(rows[i].name);
    st.mode = rows[i].mode;
    st.mtime = rows[i].mtime;
    st.length = rows[i].length;
    OK(p9_wstat(a, 1, &st));
    cr_assert_eq(o.set.valid, rows[i].valid, "row %zu: %#x", i, o.set.valid);
    cr_assert_str_eq(o.name, rows[i].name);
    cr_assert(!(rows[i].valid & STYX_SET_LENGTH) || o.set.length == rows[i].length);
    cr_assert(!(rows[i].valid & STYX_SET_MTIME) || o.set.mtime.sec == rows[i].mtime);
    cr_assert(!(rows[i].valid & STYX_SET_MODE) || o.set.mode == rows[i].mode);
  }
}

Test(operations, a_wstat_with_one_thing_that_is_forbidden_reaches_nobody) {
  OK(p9_walk(a, 0, 1, "file"));
  for (int i = 0; i < 5; i++) {
    styx_stat st = styx_stat_untouched();
    st.length = 1;
    st.mtime = 77;
    if (i == 0)
      st.mode = STYX_DMDIR | 0777;
    else if (i == 1)
      st.name = styx_str_of("a/b");
    else if (i == 2)
      st.qid.path = 99;
    else if (i == 3)
      st.type = 1;
    else
      st.length = UINT64_MAX - 1;
    int before = o.calls;
    cr_assert_neq(p9_wstat(a, 1, &st), STYX_OK, "case %d", i);
    cr_assert_eq(o.calls, before, "case %d", i);
  }
}

/* ---- errors are values ---- */

static void request(struct p9 *p, enum styx_op op, styx_msg *t) {
  *t = (styx_msg){.fid = 1};
  switch ((int)op) {
  case STYX_OP_attach:
    *t = (styx_msg){.type = STYX_Tattach, .fid = 9, .afid = STYX_NOFID, .uname = STYX_STR("u")};
    break;
  case STYX_OP_walk:
    *t = (styx_msg){.type = STYX_Twalk, .newfid = 9, .nwname = 1, .wname = {STYX_STR("file")}};
    break;
  case STYX_OP_open:
    OK(p9_walk(p, 0, 1, "file"));
    t->type = STYX_Topen;
    break;
  case STYX_OP_create:
    OK(p9_walk(p, 0, 1, ""));
    t->type = STYX_Tcreate;
    t->name = styx_str_of("new");
    break;
  case STYX_OP_readdir:
    OK(p9_walk(p, 0, 1, "dir"));
    OK(p9_open(p, 1, STYX_OREAD));
    t->type = STYX_Tread;
    t->count = 500;
    break;
  case STYX_OP_read:
  case STYX_OP_write:
    open_file(p, 1, STYX_ORDWR);
    t->type = op == STYX_OP_read ? STYX_Tread : STYX_Twrite;
    t->count = 1;
    t->data = (const uint8_t *)"x";
    break;
  default:
    OK(p9_walk(p, 0, 1, "file"));
    t->type = op == STYX_OP_getattr ? STYX_Tstat : op == STYX_OP_remove ? STYX_Tremove : STYX_Twstat;
    t->stat = styx_stat_untouched();
    if (op == STYX_OP_setattr)
      t->stat.mtime = 1;
  }
}

Test(operations, each_that_fails_is_one_error_reply_and_the_connection_lives) {
  static const enum styx_op each[] = {STYX_OP_attach,  STYX_OP_walk,  STYX_OP_open,    STYX_OP_create,
                                      STYX_OP_read,    STYX_OP_write, STYX_OP_readdir, STYX_OP_getattr,
                                      STYX_OP_setattr, STYX_OP_fsync, STYX_OP_remove};
  static const styx_err errors[] = {EIO, EACCES, ENOENT, ENOSPC, ENOMEM, EINTR, EAGAIN, STYX_EBADUSE};
  for (size_t i = 0; i < sizeof each / sizeof *each; i++)
    for (size_t k = 0; k < sizeof errors / sizeof *errors; k++) {
      styx_msg t, r;
      styx_stat st;
      o.fail = 0;
      request(a, each[i], &t);
      o.fail = STYX_OP(attach) | STYX_OP(walk) | STYX_OP(open) | STYX_OP(create) | STYX_OP(read) | STYX_OP(write) |
               STYX_OP(readdir) | STYX_OP(getattr) | STYX_OP(setattr) | STYX_OP(fsync) | STYX_OP(remove);
      o.err = errors[k];
      p9_rpc(a, &t, &r);
      cr_assert_eq(r.type, STYX_Rerror, "%s", styx_op_name(each[i]));
      cr_assert(styx_str_is(r.ename, styx_err_text(errors[k])), "%s: %.*s", styx_op_name(each[i]), (int)r.ename.len,
                r.ename.s);
      cr_assert_not(p9_take(a, &r), "one reply");
      o.fail = 0;
      OK(p9_stat(a, 0, &st));
      FAILS(p9_clunk(a, 9), STYX_EBADFID);
      (void)p9_clunk(a, 1);
    }
}
