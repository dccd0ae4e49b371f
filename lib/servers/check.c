/* check.c: may it be done? The checks change nothing and answer nothing. */
#include "servers/kit.h"

#include <errno.h>

enum { READ = 4, WRITE = 2 };

/* ---- pure ---- */

bool styx_openok(styx_str uname, uint8_t mode, uint32_t perm, styx_str uid, styx_str gid) {
  if (perm & STYX_DMDIR && mode & STYX_OTRUNC)
    return false;
  return styx_access_ok(uname, styx_access_of_open(mode), perm, uid, gid);
}

int styx_openmode(int mode) {
  const int bits = STYX_OTRUNC | STYX_ORCLOSE;
  return mode < 0 || mode & ~(bits | STYX_O_MODE) ? -1 : mode & ~bits;
}

/* ---- reads and writes ---- */

static styx_err check_io(const styx_req *req, const styx_fid *f) {
  const styx_msg *t = styx_req_msg(req);
  const bool read = t->type == STYX_Tread;
  if (!f)
    return STYX_EBADFID;
  if (!f->isopen)
    return STYX_ENOTOPEN;
  if (!read && f->qid.type & STYX_QTDIR)
    return EACCES;
  const uint32_t may = styx_access_of_open(f->mode & STYX_O_MODE); /* what is open for execution is read */
  if (!(read ? may & (READ | 1u) : may & WRITE))
    return STYX_EBADUSE;
  if (read && t->count > styx_req_msize(req) - STYX_IOHDRSZ)
    return STYX_ECOUNT;
  return t->offset > (uint64_t)INT64_MAX - t->count ? STYX_EOFFSET : STYX_OK;
}

static styx_err can_io(const styx_req *req, const styx_fid **f) {
  const styx_fid *found = styx_getfid(req, styx_req_msg(req)->fid);
  styx_err err = check_io(req, found);
  if (!err)
    *f = found;
  return err;
}

styx_err styx_can_read(const styx_req *req, const styx_fid **f) { return can_io(req, f); }

styx_err styx_can_write(const styx_req *req, const styx_fid **f) { return can_io(req, f); }

/* ---- those that ask ---- */

struct check {
  struct sx_ask ask; /* first member */
  styx_checked *then;
  void *arg;
  styx_check c;
  styx_attr *held; /* what the first answer said, while a second one is awaited */
  size_t held_size;
};

static styx_answer refuse(styx_req *req, styx_err err, styx_checked *then, void *arg) {
  return then(req, &(styx_check){.err = err}, arg);
}

static void finish(struct check *check, styx_err err) {
  if (err)
    check->c = (styx_check){.err = err};
  (void)check->then(check->ask.req, &check->c, check->arg);
  sx_free(&check->ask.kit->alloc, check->held, check->held_size);
  sx_ask_free(&check->ask);
}

/* What all begin with. NULL: *answer is that of a refusal. */
static struct check *begin(styx_req *req, bool closed, styx_checked *then, void *arg, styx_answer *answer) {
  const styx_fid *f = styx_getfid(req, styx_req_msg(req)->fid);
  styx_err err = !f ? STYX_EBADFID : closed && f->isopen ? STYX_EOPEN : STYX_OK;
  struct check *check = err ? NULL : sx_ask_new(req, sizeof *check);
  if (!check) {
    *answer = refuse(req, err ? err : ENOMEM, then, arg);
    return NULL;
  }
  check->then = then;
  check->arg = arg;
  check->c.fid = f;
  *answer = styx_later(req);
  return check;
}

static bool hold(struct check *check, const styx_attr *attr) {
  check->held = sx_attr_copy(&check->ask.kit->alloc, attr, &check->held_size);
  return check->held != NULL;
}

static bool may_write(const struct check *check, const styx_attr *attr) {
  return styx_access_ok(check->c.fid->uname, WRITE, attr->mode, attr->uid, attr->gid);
}

static const styx_str dotdot = STYX_STR("..");

/* ---- open ---- */

static styx_err check_mode(const struct check *check, const styx_attr *attr) {
  const uint8_t mode = styx_req_msg(check->ask.req)->mode;
  if (styx_openmode(mode) < 0)
    return STYX_EBADARG;
  if (attr->qid.type & STYX_QTDIR && mode != STYX_OREAD)
    return EACCES;
  return styx_openok(check->c.fid->uname, mode, attr->mode, attr->uid, attr->gid) ? STYX_OK : EACCES;
}

static void open_parent(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct check *check = (struct check *)q;
  const uint64_t path = check->c.fid->qid.path;
  check->c.attr = *check->held;
  finish(check, err || attr->qid.path == path || !may_write(check, attr) ? EACCES : STYX_OK);
}

static void open_stat(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct check *check = (struct check *)q;
  const uint8_t mode = styx_req_msg(check->ask.req)->mode;
  if (!err)
    err = check_mode(check, attr);
  if (!err && mode & STYX_ORCLOSE && !hold(check, attr))
    err = ENOMEM;
  if (err) {
    finish(check, err);
    return;
  }
  check->c.mode = mode & (uint8_t)~STYX_OTRUNC;
  if (mode & STYX_ORCLOSE) {
    sx_ask_walk(&check->ask, open_parent, check->c.fid->qid.path, dotdot);
    return;
  }
  check->c.attr = *attr;
  finish(check, STYX_OK);
}

styx_answer styx_can_open(styx_req *req, styx_checked *then, void *arg) {
  styx_answer answer;
  struct check *check = begin(req, true, then, arg, &answer);
  if (check)
    sx_ask_stat(&check->ask, open_stat, check->c.fid->qid.path);
  return answer;
}

/* ---- create ---- */

static styx_err check_new(const styx_msg *t) {
  const uint32_t known = STYX_DMDIR | STYX_DMAPPEND | STYX_DMEXCL | STYX_DMTMP | STYX_DMPERM;
  if (styx_openmode(t->mode) < 0 || t->perm & ~known)
    return STYX_EBADARG;
  return t->perm & STYX_DMDIR && t->mode != STYX_OREAD ? EACCES : STYX_OK;
}

static void create_name(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct check *check = (struct check *)q;
  const styx_msg *t = styx_req_msg(check->ask.req);
  const styx_attr *dir = check->held;
  styx_attr *new = &check->c.attr;
  (void)attr;
  err = !err ? EEXIST : err == ENOENT ? check_new(t) : err;
  check->c.mode = t->mode & (uint8_t)~STYX_OTRUNC;
  new->name = t->name;
  new->uid = new->muid = check->c.fid->uname;
  new->gid = dir->gid;
  new->n_uid = new->n_gid = new->n_muid = STYX_NOUID;
  new->mode = styx_create_mode(t->perm, dir->mode);
  new->qid.type = (uint8_t)(new->mode >> 24);
  finish(check, err);
}

static void create_dir(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct check *check = (struct check *)q;
  if (!err)
    err = !(attr->qid.type & STYX_QTDIR) ? ENOTDIR : !may_write(check, attr) ? EACCES : STYX_OK;
  if (!err && !hold(check, attr))
    err = ENOMEM;
  if (err)
    finish(check, err);
  else
    sx_ask_walk(&check->ask, create_name, check->c.fid->qid.path, styx_req_msg(check->ask.req)->name);
}

styx_answer styx_can_create(styx_req *req, styx_checked *then, void *arg) {
  styx_answer answer;
  struct check *check = begin(req, true, then, arg, &answer);
  if (check)
    sx_ask_stat(&check->ask, create_dir, check->c.fid->qid.path);
  return answer;
}

/* ---- remove ---- */

static void remove_parent(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct check *check = (struct check *)q;
  const styx_fid *f = check->c.fid;
  if (err) {
    finish(check, STYX_ENOPARENT);
    return;
  }
  check->c.parent = attr->qid.path;
  bool root = attr->qid.path == f->qid.path || f->qid.path == f->root;
  finish(check, root || !may_write(check, attr) ? EACCES : STYX_OK);
}

styx_answer styx_can_remove(styx_req *req, styx_checked *then, void *arg) {
  styx_answer answer;
  struct check *check = begin(req, false, then, arg, &answer);
  if (check)
    sx_ask_walk(&check->ask, remove_parent, check->c.fid->qid.path, dotdot);
  return answer;
}
