/* hostfs_users.c: users of the export who are users of the host. What the kernel has to check is done with the ids of who
 * asks, by the thread that does it, and only for as long as it does it: fsuid, fsgid and the supplementary groups belong to a thread.
 * (So these are system calls: those functions of the C library that change a whole process are the wrong ones.) For root to
 * become somebody else in this way takes its power over files away as well, which the kernel gives back with fsuid 0. */
#include "fs/host.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sx_host_user {
  styx_str name; /* first member, for the search */
  uint32_t uid, gid;
  size_t ngroups;
  uint32_t *groups;
};

/* Immutable. */
struct sx_host_users {
  struct sx_host_user serves; /* who we are */
  struct sx_host_user anon;
  struct sx_host_user *others; /* of the rows, or NULL: who has no row */
  bool all;                    /* everybody is anon */
  size_t n;
  struct sx_host_user rows[]; /* by name */
};

#ifdef SYS_setfsuid32 /* where the plain ones are of 16 bits */
enum { SET_FSUID = SYS_setfsuid32, SET_FSGID = SYS_setfsgid32, SET_GROUPS = SYS_setgroups32 };
#else
enum { SET_FSUID = SYS_setfsuid, SET_FSGID = SYS_setfsgid, SET_GROUPS = SYS_setgroups };
#endif

enum { NOBODY = 65534, MOST_GROUPS = 65536 };

/* ---- who ---- */

static int by_name(const void *a, const void *b) {
  const styx_str *x = a, *y = b;
  size_t n = x->len < y->len ? x->len : y->len;
  int order = n ? memcmp(x->s, y->s, n) : 0;
  return order ? order : (x->len > y->len) - (x->len < y->len);
}

const struct sx_host_user *sx_host_user_of(const styx_hostfs *h, styx_str name) {
  const struct sx_host_users *u = h->users;
  if (u->all)
    return &u->anon;
  const struct sx_host_user *found = bsearch(&name, u->rows, u->n, sizeof *u->rows, by_name);
  return found ? found : u->others;
}

/* ---- being ---- */

static _Thread_local const struct sx_host_user *acting; /* NULL: who serves */

/* Each returns the id that it has replaced and cannot fail aloud. */
static uint32_t set_fsuid(uint32_t id) { return (uint32_t)syscall(SET_FSUID, id); }
static uint32_t set_fsgid(uint32_t id) { return (uint32_t)syscall(SET_FSGID, id); }

static bool same_groups(const struct sx_host_user *a, const struct sx_host_user *b) {
  return a->ngroups == b->ngroups && (!a->ngroups || !memcmp(a->groups, b->groups, a->ngroups * sizeof *a->groups));
}

/* Id by id: false when one was refused. What is asked for by an id that is none tells what it is. */
static bool set_ids(uint32_t uid, uint32_t gid) {
  set_fsgid(gid);
  set_fsuid(uid);
  return set_fsgid(UINT32_MAX) == gid && set_fsuid(UINT32_MAX) == uid;
}

static bool set_groups(const struct sx_host_user *from, const struct sx_host_user *to) {
  return same_groups(from, to) || syscall(SET_GROUPS, to->ngroups, to->groups) == 0;
}

/* For who has the power this only fails while the kernel has not a page of memory left. To go on as somebody else would do harm
 * that nobody sees. */
static void go_back(const struct sx_host_user *from, const struct sx_host_user *to) {
  bool done = false;
  for (int i = 0; i < 1000 && !done; i++)
    done = set_ids(to->uid, to->gid) && set_groups(from, to);
  assert(done);
}

styx_err sx_host_become(const struct sx_host_users *users, const struct sx_host_user *user) {
  if (!user)
    return STYX_OK;
  const struct sx_host_user *us = &users->serves;
  if (set_fsuid(UINT32_MAX) != us->uid || !set_groups(us, user))
    return EPERM; /* the power is gone */
  if (!set_ids(user->uid, user->gid)) {
    go_back(user, us);
    return EPERM;
  }
  acting = user;
  return STYX_OK;
}

const struct sx_host_user *sx_host_unbecome(const struct sx_host_users *users) {
  const struct sx_host_user *was = acting;
  if (was)
    go_back(was, &users->serves);
  acting = NULL;
  return was;
}

/* ---- operations ---- */

static styx_err begin(styx_req *req) {
  styx_hostfs *h = styx_req_ctx(req);
  const struct sx_host_user *user = sx_host_user_of(h, styx_req_user(req));
  return user ? sx_host_become(h->users, user) : EACCES;
}

/* After the answer nothing of the request is looked at. */
#define AS_USER(call)                                                                                                  \
  do {                                                                                                                 \
    const styx_hostfs *h = styx_req_ctx(req);                                                                          \
    styx_err err = begin(req);                                                                                         \
    if (err)                                                                                                           \
      return styx_reply_error(req, err);                                                                               \
    styx_answer answer = call;                                                                                         \
    sx_host_unbecome(h->users);                                                                                        \
    return answer;                                                                                                     \
  } while (0)

static styx_answer as_walk(styx_req *req, void *node, styx_str name) { AS_USER(sx_host_walk(req, node, name)); }

static styx_answer as_open(styx_req *req, void *node, uint32_t flags) { AS_USER(sx_host_open(req, node, flags)); }

static styx_answer as_create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  AS_USER(sx_host_create(req, node, name, flags, mode, gid));
}

/* (Reading needs none of this: the kernel has asked when it was opened.) */
static styx_answer as_write(styx_req *req, void *node, void *handle, uint64_t offset, const void *data,
                            uint32_t count) {
  AS_USER(sx_host_write(req, node, handle, offset, data, count));
}

static styx_answer as_readdir(styx_req *req, void *node, void *handle, uint64_t cookie) {
  AS_USER(sx_host_readdir(req, node, handle, cookie));
}

static styx_answer as_setattr(styx_req *req, void *node, void *handle, const styx_setattr *set) {
  AS_USER(sx_host_setattr(req, node, handle, set));
}

static styx_answer as_remove(styx_req *req, void *node) { AS_USER(sx_host_remove(req, node)); }

static styx_answer as_fsync(styx_req *req, void *node, void *handle, bool datasync) {
  AS_USER(sx_host_fsync(req, node, handle, datasync));
}

static styx_err as_close(void *ctx, void *node, void *handle) {
  const styx_hostfs *h = ctx;
  struct sx_host_handle *o = handle;
  styx_err err = o->rclose ? sx_host_become(h->users, o->user) : STYX_OK;
  o->rclose &= !err;                                  /* not as somebody else */
  styx_err closed = sx_host_close(ctx, node, handle); /* whatever else: it is closed */
  sx_host_unbecome(h->users);
  return err ? err : closed;
}

void sx_host_users_install(styx_fs_ops *table) {
  table->walk = as_walk;
  table->open = as_open;
  table->create = as_create;
  table->write = as_write;
  table->readdir = as_readdir;
  table->setattr = as_setattr;
  table->remove = as_remove;
  table->fsync = as_fsync;
  table->close = as_close;
}

/* ---- making ---- */

static void free_user(const styx_allocator *alloc, struct sx_host_user *user) {
  sx_free(alloc, (void *)(uintptr_t)user->name.s, user->name.len);
  sx_free(alloc, user->groups, user->ngroups * sizeof *user->groups);
}

static size_t users_size(size_t n) { return sizeof(struct sx_host_users) + n * sizeof(struct sx_host_user); }

void sx_host_users_free(const styx_allocator *alloc, const struct sx_host_users *users) {
  struct sx_host_users *u = (void *)(uintptr_t)users;
  if (!u)
    return;
  for (size_t i = 0; i < u->n; i++)
    free_user(alloc, &u->rows[i]);
  free_user(alloc, &u->serves);
  sx_free(alloc, u, users_size(u->n));
}

static void *copy(const styx_allocator *alloc, const void *from, size_t n) {
  void *to = n ? sx_alloc(alloc, n) : NULL;
  return to ? memcpy(to, from, n) : NULL;
}

static styx_err copy_user(const styx_allocator *alloc, const styx_hostfs_user *from, struct sx_host_user *to) {
  styx_str name = styx_str_of(from->name);
  if (from->ngroups > MOST_GROUPS || from->uid == UINT32_MAX || from->gid == UINT32_MAX)
    return EINVAL;
  *to = (struct sx_host_user){.uid = from->uid, .gid = from->gid};
  to->name = (styx_str){copy(alloc, name.s, name.len), name.len};
  to->groups = copy(alloc, from->groups, from->ngroups * sizeof *from->groups);
  to->ngroups = to->groups ? from->ngroups : 0;
  return (to->name.s || !name.len) && to->ngroups == from->ngroups ? STYX_OK : ENOMEM;
}

/* Who this process is. Only root can be others and come back, and only while the kernel takes its power away with its id. */
static styx_err look_at_us(const styx_allocator *alloc, struct sx_host_user *us) {
  int n = getgroups(0, NULL);
  int bits = prctl(PR_GET_SECUREBITS);
  if (geteuid() != 0 || n < 0 || bits < 0 || (bits & SECBIT_NO_SETUID_FIXUP))
    return EPERM;
  us->uid = set_fsuid(UINT32_MAX);
  us->gid = set_fsgid(UINT32_MAX);
  if (us->uid != 0)
    return EPERM;
  us->groups = n ? sx_alloc(alloc, (size_t)n * sizeof *us->groups) : NULL;
  if (n && !us->groups)
    return ENOMEM;
  us->ngroups = (size_t)n;
  return getgroups(n, us->groups) == n ? STYX_OK : EPERM;
}

static styx_err try_it(const struct sx_host_users *u) {
  uint32_t group = NOBODY;
  const struct sx_host_user trial = {.uid = NOBODY, .gid = NOBODY, .ngroups = 1, .groups = &group};
  if (syscall(SET_GROUPS, u->serves.ngroups, u->serves.groups) < 0 || sx_host_become(u, &trial))
    return EPERM;
  sx_host_unbecome(u);
  return STYX_OK;
}

/* User 0 and group 0, wherever they stand. */
static void squash_root(const styx_allocator *alloc, struct sx_host_user *row, const struct sx_host_user *anon) {
  if (row->uid == 0) {
    sx_free(alloc, row->groups, row->ngroups * sizeof *row->groups);
    row->groups = NULL;
    row->ngroups = 0;
    row->uid = anon->uid;
    row->gid = anon->gid;
  }
  if (row->gid == 0)
    row->gid = anon->gid;
  for (size_t i = 0; i < row->ngroups; i++)
    if (row->groups[i] == 0)
      row->groups[i] = anon->gid;
}

static styx_err fill(const styx_allocator *alloc, struct sx_host_users *u, const styx_hostfs_config *config) {
  styx_err err = look_at_us(alloc, &u->serves);
  u->anon.uid = config->anon_uid ? config->anon_uid : NOBODY;
  u->anon.gid = config->anon_gid ? config->anon_gid : NOBODY;
  u->all = config->squash == STYX_SQUASH_ALL;
  if (u->anon.uid == UINT32_MAX || u->anon.gid == UINT32_MAX)
    err = EINVAL;
  for (; !err && u->n < config->nusers; u->n++) { /* counted first: what was begun is freed */
    struct sx_host_user *row = &u->rows[u->n];
    err = copy_user(alloc, &config->users[u->n], row);
    if (!err && config->squash == STYX_SQUASH_ROOT)
      squash_root(alloc, row, &u->anon);
  }
  if (err)
    return err;
  qsort(u->rows, u->n, sizeof *u->rows, by_name);
  const styx_str any = STYX_STR("*");
  u->others = bsearch(&any, u->rows, u->n, sizeof *u->rows, by_name);
  for (size_t i = 1; i < u->n; i++)
    if (styx_str_eq(u->rows[i].name, u->rows[i - 1].name))
      return EEXIST;
  return try_it(u);
}

styx_err sx_host_users_new(const struct sx_host_users **out, const styx_allocator *alloc,
                           const styx_hostfs_config *config) {
  if (!config->nusers && config->squash != STYX_SQUASH_ALL) {
    *out = NULL;
    return STYX_OK;
  }
  struct sx_host_users *u = sx_zalloc(alloc, users_size(config->nusers));
  if (!u)
    return ENOMEM;
  styx_err err = fill(alloc, u, config);
  size_t n = u->n;
  if (err) { /* rows not begun are zero, and there may be room for more of them than n says */
    for (size_t i = 0; i < n; i++)
      free_user(alloc, &u->rows[i]);
    free_user(alloc, &u->serves);
    sx_free(alloc, u, users_size(config->nusers));
    return err;
  }
  *out = u;
  return STYX_OK;
}
