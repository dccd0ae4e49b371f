/* kit_fixture.h: a kit over a handful of files, and a client of it.
 *
 *   /            1  d775 glenda sys
 *     a          2  0644 glenda sys
 *     dir        3  d755 glenda sys
 *       deep     4  0600 glenda sys
 *     own        5  d700 bob bob
 *       x        6  0777 bob bob
 *     run        7  0711 glenda sys
 *     gone       8  what the navigator fails to stat, by EIO
 *   another root, "other": 20  d777, with "in" 21
 */
#ifndef KIT_FIXTURE_H
#define KIT_FIXTURE_H

#include "support/pipe9.h"

#include <criterion/criterion.h>
#include <styx/servers.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
  uint64_t path, parent;
  const char *name;
  uint32_t mode;
  const char *uid, *gid;
};

enum { ROOT = 1, A, DIR_, DEEP, OWN, X, RUN, GONE, OTHER = 20, IN };

static const struct file hierarchy[] = {{ROOT, ROOT, "any", STYX_DMDIR | 0775, "glenda", "sys"},
                                        {A, ROOT, "a", 0644, "glenda", "sys"},
                                        {DIR_, ROOT, "dir", STYX_DMDIR | 0755, "glenda", "sys"},
                                        {DEEP, DIR_, "deep", 0600, "glenda", "sys"},
                                        {OWN, ROOT, "own", STYX_DMDIR | 0700, "bob", "bob"},
                                        {X, OWN, "x", 0777, "bob", "bob"},
                                        {RUN, ROOT, "run", 0711, "glenda", "sys"},
                                        {GONE, ROOT, "gone", 0666, "glenda", "sys"},
                                        {OTHER, OTHER, "o", STYX_DMDIR | 0777, "glenda", "sys"},
                                        {IN, OTHER, "in", 0666, "glenda", "sys"}};

/* ---- the navigator: answers at once, or when the test says so ---- */

enum { QUESTIONS = 64 };
struct asked {
  char kind; /* 's', 'w', 'r' */
  styx_nav *q;
  uint64_t path, cookie;
  char name[512];
  uint32_t count;
};
struct world {
  const struct file *files;
  size_t nfiles;
  bool later;         /* questions are kept */
  styx_err fail_list; /* what a readdir ends with, behind its first entry */
  bool held;          /* attributes are given in two steps */
  struct asked asked[QUESTIONS];
  int nasked, questions;
  /* the program */
  styx_kit_ops ops;
  styx_kit *kit;
  styx_export export;
  struct p9_heap heap;
  styx_allocator allocator;
  uint32_t iounit;
  int made, gone;
  styx_fid last_gone; /* its strings are here: */
  char last_names[64];
  const char *text; /* what files hold */
};
static struct world w;

static inline const struct file *file_of(uint64_t path) {
  for (size_t i = 0; i < w.nfiles; i++)
    if (w.files[i].path == path)
      return &w.files[i];
  return NULL;
}

static inline styx_attr attr_of(const struct file *f) {
  return (styx_attr){.qid = {(uint8_t)(f->mode >> 24), 1, f->path},
                     .mode = f->mode,
                     .length = f->mode & STYX_DMDIR ? 0 : 5,
                     .name = styx_str_of(f->name),
                     .uid = styx_str_of(f->uid),
                     .gid = styx_str_of(f->gid),
                     .muid = styx_str_of(f->uid)};
}

static inline void tell(styx_nav *q, const struct file *f, styx_err err) {
  if (err || !f) {
    styx_nav_error(q, err ? err : ENOENT);
    return;
  }
  styx_attr attr = attr_of(f);
  if (w.held)
    styx_nav_hold(q, &attr);
  styx_nav_attr(q, w.held ? NULL : &attr);
}

static inline void answer_walk(styx_nav *q, uint64_t path, const char *name) {
  const struct file *dir = file_of(path), *f = NULL;
  if (dir && strcmp(name, "..") == 0) {
    tell(q, file_of(dir->parent), 0);
    return;
  }
  for (size_t i = 0; i < w.nfiles; i++)
    if (w.files[i].parent == path && w.files[i].path != path && strcmp(w.files[i].name, name) == 0)
      f = &w.files[i];
  tell(q, f, dir && !(dir->mode & STYX_DMDIR) ? ENOTDIR : 0);
}

/* The cookie is the index of the next file in the table, from 1. */
static inline void answer_list(styx_nav *q, uint64_t path, uint64_t cookie, uint32_t count) {
  for (size_t i = cookie; i < w.nfiles && count; i++) {
    if (w.files[i].parent != path || w.files[i].path == path)
      continue;
    styx_dirent entry = {.attr = attr_of(&w.files[i]), .cookie = i + 1};
    if (!styx_nav_entry(q, &entry))
      break;
    count--;
    if (w.fail_list) {
      styx_nav_error(q, w.fail_list);
      return;
    }
  }
  styx_nav_end(q);
}

static inline void answer(struct asked a) {
  if (a.kind == 's')
    tell(a.q, file_of(a.path), a.path == GONE ? EIO : 0);
  else if (a.kind == 'w')
    answer_walk(a.q, a.path, a.name);
  else
    answer_list(a.q, a.path, a.cookie, a.count);
}

static inline void ask(struct asked a) {
  w.questions++;
  if (w.later)
    w.asked[w.nasked++] = a;
  else
    answer(a);
}

/* Answer what was kept, oldest first, one of them. */
static inline void answer_one(void) {
  cr_assert_gt(w.nasked, 0);
  struct asked a = w.asked[0];
  memmove(w.asked, w.asked + 1, (size_t)--w.nasked * sizeof a);
  answer(a);
}

static inline void nav_stat(void *ctx, styx_nav *q, uint64_t path) {
  (void)ctx;
  ask((struct asked){.kind = 's', .q = q, .path = path});
}

static inline void nav_walk(void *ctx, styx_nav *q, uint64_t path, styx_str name) {
  struct asked a = {.kind = 'w', .q = q, .path = path};
  (void)ctx;
  snprintf(a.name, sizeof a.name, "%.*s", (int)name.len, name.s);
  ask(a);
}

static inline void nav_readdir(void *ctx, styx_nav *q, uint64_t path, uint64_t cookie, uint32_t count) {
  (void)ctx;
  ask((struct asked){.kind = 'r', .q = q, .path = path, .cookie = cookie, .count = count});
}

static const styx_navigator_ops nav_ops = {sizeof nav_ops, nav_stat, nav_walk, nav_readdir};

/* ---- the program ---- */

static inline styx_err count_made(styx_req *req, const styx_fid *fid, const styx_fid *from) {
  (void)req, (void)fid, (void)from;
  w.made++;
  return STYX_OK;
}

static inline void count_gone(void *ctx, const styx_fid *fid) {
  cr_assert_eq(ctx, &w);
  w.gone++;
  w.last_gone = *fid;
  snprintf(w.last_names, sizeof w.last_names, "%.*s of %.*s", (int)fid->uname.len, fid->uname.s, (int)fid->param.len,
           fid->param.s);
}

static inline void world_init(void) {
  w.files = hierarchy;
  w.nfiles = sizeof hierarchy / sizeof *hierarchy;
  w.ops = (styx_kit_ops){.size = sizeof w.ops, .made = count_made, .gone = count_gone};
  w.text = "hello";
}

static inline void kit_start(void) {
  if (!w.files)
    world_init();
  w.allocator = p9_heap_allocator(&w.heap);
  styx_kit_config config = {.size = sizeof config,
                            .ops = &w.ops,
                            .ctx = &w,
                            .navigator = {&nav_ops, &w},
                            .root = ROOT,
                            .iounit = w.iounit,
                            .allocator = &w.allocator};
  cr_assert_eq(styx_kit_new(&w.kit, &config), STYX_OK);
  w.export = (styx_export){.fs = styx_kit_fs(w.kit)};
}

/* A client with this msize, whose fid 0 is the root, attached by glenda. */
static inline struct p9 *client_sized(uint32_t msize) {
  if (!w.kit)
    kit_start();
  styx_limits limits = styx_limits_default();
  limits.fids = 2000000;
  styx_session_config config = {
      .size = sizeof config, .exports = &w.export, .nexports = 1, .allocator = &w.allocator, .limits = &limits};
  struct p9 *p = p9_new_session(&config, msize);
  cr_assert_not_null(p);
  return p;
}

static inline struct p9 *client(void) {
  struct p9 *p = client_sized(8192);
  cr_assert_eq(p9_attach(p, 0, "glenda", ""), STYX_OK);
  return p;
}

/* Everything is given back: every fid is gone once, and no memory is left. */
static inline void client_end(struct p9 *p) {
  p9_free(p);
  cr_assert_eq(w.gone, w.made, "%d fids were made, %d are gone", w.made, w.gone);
}

static inline void world_end(struct p9 *p) {
  client_end(p);
  styx_kit_free(w.kit);
  cr_assert_eq(atomic_load(&w.heap.live), 0, "%zu bytes are left", atomic_load(&w.heap.live));
}

/* ---- what the client says, and hears ---- */

static inline styx_msg rpc(struct p9 *p, styx_msg t) {
  styx_msg r;
  p9_rpc(p, &t, &r);
  return r;
}

#define FAILS(call, err) cr_assert_eq((call), (err), "%s", styx_err_text(call))
#define WORKS(call) cr_assert_eq((call), STYX_OK)

/* The reply, printed. */
static inline const char *said(struct p9 *p, styx_msg t) {
  static char line[4096];
  styx_msg r = rpc(p, t);
  styx_msg_print(line, sizeof line, &r, STYX_9P2000);
  return line;
}

static inline void expect_error(struct p9 *p, styx_msg t, const char *text) {
  styx_msg r = rpc(p, t);
  cr_assert_eq(r.type, STYX_Rerror, "%s, where \"%s\" was expected", styx_msg_name(r.type), text);
  cr_assert(styx_str_is(r.ename, text), "%.*s, where \"%s\" was expected", (int)r.ename.len, r.ename.s, text);
}

static inline styx_msg t_walk(uint32_t fid, uint32_t newfid, uint16_t n, const char *const *names) {
  styx_msg t = {.type = STYX_Twalk, .fid = fid, .newfid = newfid, .nwname = n};
  for (uint16_t i = 0; i < n; i++)
    t.wname[i] = styx_str_of(names[i]);
  return t;
}

static inline styx_msg t_fid(uint8_t type, uint32_t fid) { return (styx_msg){.type = type, .fid = fid}; }

static inline styx_msg t_open(uint32_t fid, uint8_t mode) {
  return (styx_msg){.type = STYX_Topen, .fid = fid, .mode = mode};
}

static inline styx_msg t_create(uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  return (styx_msg){.type = STYX_Tcreate, .fid = fid, .name = styx_str_of(name), .perm = perm, .mode = mode};
}

static inline styx_msg t_io(uint8_t type, uint32_t fid, uint64_t offset, uint32_t count) {
  return (styx_msg){.type = type, .fid = fid, .offset = offset, .count = count, .data = (const uint8_t *)""};
}

static inline styx_msg t_attach(uint32_t fid, uint32_t afid, const char *uname, const char *aname) {
  return (styx_msg){
      .type = STYX_Tattach, .fid = fid, .afid = afid, .uname = styx_str_of(uname), .aname = styx_str_of(aname)};
}

#endif
