/* scripted.c: see scripted.h. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the filesystem: nodes and handles are counters ---- */

static struct script *of(const styx_req *r) { return styx_req_ctx(r); }

static void cancelled(styx_req *r, void *arg) {
  struct script *p = arg;
  p->cancelled[p->ncancelled++] = r;
}

static bool keep(styx_req *r, enum styx_op op) {
  struct script *p = of(r);
  p->calls++;
  if (!(p->hold >> op & 1))
    return false;
  p->held[p->nheld++] = r;
  if (p->arm)
    styx_req_on_cancel(r, cancelled, p);
  return true;
}

static styx_qid new_qid(struct script *p, bool dir) { return (styx_qid){dir ? STYX_QTDIR : 0, 0, ++p->next_path}; }

static styx_answer give_node(styx_req *r, bool dir) {
  of(r)->nodes++;
  return styx_reply_node(r, of(r), new_qid(of(r), dir));
}

static styx_answer op_attach(styx_req *r) { return keep(r, STYX_OP_attach) ? styx_later(r) : give_node(r, true); }

static styx_answer op_walk(styx_req *r, void *node, styx_str name) {
  (void)node;
  if (keep(r, STYX_OP_walk))
    return styx_later(r);
  return styx_str_is(name, "none") ? styx_reply_error(r, ENOENT) : give_node(r, name.s[0] == 'd');
}

static styx_answer op_open(styx_req *r, void *node, uint32_t flags) {
  (void)node, (void)flags;
  if (keep(r, STYX_OP_open))
    return styx_later(r);
  of(r)->handles++;
  if (of(r)->stream)
    styx_req_stream(r);
  return styx_reply_open(r, new_qid(of(r), false), of(r));
}

static styx_answer op_create(styx_req *r, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  (void)node, (void)name, (void)flags, (void)mode, (void)gid;
  if (keep(r, STYX_OP_create))
    return styx_later(r);
  of(r)->nodes++;
  of(r)->handles++;
  return styx_reply_create(r, of(r), new_qid(of(r), false), of(r));
}

static styx_answer op_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)count;
  return keep(r, STYX_OP_read) ? styx_later(r) : styx_reply_slice(r, "contents", 8);
}

static styx_answer op_write(styx_req *r, void *node, void *handle, uint64_t offset, const void *data, uint32_t count) {
  (void)node, (void)handle, (void)offset, (void)data;
  return keep(r, STYX_OP_write) ? styx_later(r) : styx_reply_count(r, count);
}

/* Entries e1 to e3. */
static styx_answer op_readdir(styx_req *r, void *node, void *handle, uint64_t cookie) {
  (void)node, (void)handle;
  static const char *const names[] = {"e1", "e2", "e3"};
  if (keep(r, STYX_OP_readdir))
    return styx_later(r);
  for (; cookie < 3; cookie++)
    if (!styx_dir_add(r, &(styx_dirent){.attr.name = styx_str_of(names[cookie]), .cookie = cookie + 1}))
      break;
  return styx_reply_dir(r);
}

static styx_answer op_getattr(styx_req *r, void *node, void *handle) {
  (void)node, (void)handle;
  return keep(r, STYX_OP_getattr) ? styx_later(r) : styx_reply_attr(r, &(styx_attr){.name = {"x", 1}});
}

static styx_answer op_setattr(styx_req *r, void *node, void *handle, const styx_setattr *set) {
  (void)node, (void)handle, (void)set;
  return keep(r, STYX_OP_setattr) ? styx_later(r) : styx_reply_ok(r);
}

static styx_answer op_remove(styx_req *r, void *node) {
  (void)node;
  return keep(r, STYX_OP_remove) ? styx_later(r) : styx_reply_ok(r);
}

static styx_err op_close(void *ctx, void *node, void *handle) {
  (void)node;
  struct script *p = ctx;
  cr_assert_eq(handle, ctx);
  p->closes++;
  p->handles--;
  return p->close_err;
}

static void op_forget(void *ctx, void *node) {
  struct script *p = ctx;
  cr_assert_eq(node, ctx);
  p->forgets++;
  p->nodes--;
}

static const styx_fs_ops ops = {.size = sizeof ops,
                                .name = "scripted",
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
                                .close = op_close,
                                .forget = op_forget};

/* ---- the session around it ---- */

static void *counted_alloc(void *arg, size_t size) {
  struct script *p = arg;
  if (p->fail_at > 0 && --p->fail_at == 0)
    return NULL;
  p->live += (long)size;
  return malloc(size);
}

static void counted_free(void *arg, void *ptr, size_t size) {
  ((struct script *)arg)->live -= (long)size;
  free(ptr);
}

static void keep_line(void *arg, bool out, const styx_msg *m) {
  struct script *p = arg;
  if (!out)
    return;
  size_t len = styx_msg_print(NULL, 0, m, STYX_9P2000) + 1;
  char *line = malloc(len);
  styx_msg_print(line, len, m, STYX_9P2000);
  cr_assert_lt(p->nlines, SCRIPT_LINES);
  p->lines[p->nlines++] = line;
}

struct script *script_bare(void) {
  struct script *p = calloc(1, sizeof *p);
  p->ops = ops;
  p->export.fs = (styx_fs){&p->ops, p};
  p->limits = styx_limits_default();
  p->hooks.trace = keep_line;
  return p;
}

static void open_session(struct script *p) {
  if (p->s)
    return;
  styx_allocator alloc = {counted_alloc, counted_free, p};
  styx_session_config config = {.size = sizeof config, .exports = &p->export, .nexports = 1, .limits = &p->limits};
  if (p->exports) {
    config.exports = p->exports;
    config.nexports = p->nexports;
  }
  config.peer = p->peer;
  config.allocator = &alloc;
  config.budget = p->budget;
  config.hooks = &p->hooks;
  config.hook_arg = p;
  cr_assert_eq(styx_session_new(&p->s, &config, p->now), STYX_OK);
}

struct script *script_new(void) {
  struct script *p = script_bare();
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  p->taken = p->nlines;
  return p;
}

void script_free(struct script *p) {
  open_session(p);
  styx_session_hangup(p->s);
  script_pump(p);
  p->hold = 0;
  for (int i = 0; i < p->nheld; i++)
    if (p->held[i])
      styx_reply_error(p->held[i], EIO);
  script_pump(p);
  cr_assert(styx_session_done(p->s));
  styx_session_free(p->s);
  cr_assert_eq(p->live, 0, "%ld bytes left", p->live);
  cr_assert_eq(p->nodes, 0, "%d nodes not forgotten", p->nodes);
  cr_assert_eq(p->handles, 0, "%d handles not closed", p->handles);
  for (int i = 0; i < p->nlines; i++)
    free(p->lines[i]);
  free(p);
}

void script_send(struct script *p, styx_msg m) {
  open_session(p);
  ptrdiff_t size = styx_encoded_size(&m, STYX_9P2000);
  cr_assert_gt(size, 0);
  uint8_t *buf = malloc((size_t)size);
  cr_assert_eq(styx_encode(buf, (size_t)size, &m, STYX_9P2000), size);
  styx_session_feed(p->s, buf, (size_t)size, p->now);
  free(buf);
}

void script_pump(struct script *p) {
  bool any;
  open_session(p);
  do {
    styx_work *w;
    any = false;
    while ((w = styx_session_next(p->s))) {
      any = true;
      styx_work_run(w);
    }
    any |= styx_session_retire(p->s, p->now);
  } while (any);
}

styx_req *script_take(struct script *p, int i) {
  styx_req *r = p->held[i];
  p->held[i] = NULL;
  return r;
}

const char *script_line(struct script *p) { return p->taken < p->nlines ? p->lines[p->taken++] : ""; }

void script_t(struct script *p, styx_msg m) {
  script_send(p, m);
  script_pump(p);
}

/* ---- messages ---- */

styx_msg t_version(uint32_t msize, const char *version) {
  return (styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = msize, .version = styx_str_of(version)};
}

styx_msg t_attach(uint16_t tag, uint32_t fid) {
  return (styx_msg){
      .type = STYX_Tattach, .tag = tag, .fid = fid, .afid = STYX_NOFID, .uname = STYX_STR("glenda"), .aname = {"", 0}};
}

styx_msg t_walk(uint16_t tag, uint32_t fid, uint32_t newfid, const char *name) {
  styx_msg m = {.type = STYX_Twalk, .tag = tag, .fid = fid, .newfid = newfid, .nwname = name != NULL};
  m.wname[0] = styx_str_of(name);
  return m;
}

styx_msg t_open(uint16_t tag, uint32_t fid, uint8_t mode) {
  return (styx_msg){.type = STYX_Topen, .tag = tag, .fid = fid, .mode = mode};
}

styx_msg t_read(uint16_t tag, uint32_t fid, uint64_t offset, uint32_t count) {
  return (styx_msg){.type = STYX_Tread, .tag = tag, .fid = fid, .offset = offset, .count = count};
}

styx_msg t_write(uint16_t tag, uint32_t fid, uint64_t offset, const char *data) {
  return (styx_msg){.type = STYX_Twrite,
                    .tag = tag,
                    .fid = fid,
                    .offset = offset,
                    .count = (uint32_t)strlen(data),
                    .data = (const uint8_t *)data};
}

styx_msg t_create(uint16_t tag, uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  return (styx_msg){
      .type = STYX_Tcreate, .tag = tag, .fid = fid, .name = styx_str_of(name), .perm = perm, .mode = mode};
}

styx_msg t_fid(uint8_t type, uint16_t tag, uint32_t fid) { return (styx_msg){.type = type, .tag = tag, .fid = fid}; }

styx_msg t_flush(uint16_t tag, uint16_t oldtag) {
  return (styx_msg){.type = STYX_Tflush, .tag = tag, .oldtag = oldtag};
}

void script_open(struct script *p, uint32_t fid, const char *name) {
  uint32_t hold = p->hold;
  p->hold = 0;
  script_t(p, t_walk(60001, 0, fid, name));
  script_t(p, t_open(60001, fid, STYX_OREAD));
  p->hold = hold;
  p->taken = p->nlines;
}
