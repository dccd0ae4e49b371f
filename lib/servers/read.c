/* read.c: reads of directories, and stat. */
#include "servers/kit.h"

#include <errno.h>

/* ---- directories ---- */

struct listing {
  struct sx_ask ask; /* first member */
  uint8_t *room;     /* in the reply */
  size_t cap, used;
  uint64_t cookie; /* of the entry that came last */
  styx_err err;
};

/* Linux asks for what is left of its buffer and takes 0 bytes for "not now". At the start of a directory that would say that
 * it is empty, and at an entry that no read can carry that it ends there. */
static bool never_fits(const struct listing *l, const styx_stat *st) {
  const styx_msg *t = styx_req_msg(l->ask.req);
  ptrdiff_t size = styx_stat_size(st, STYX_9P2000);
  return t->offset == 0 || size < 0 || (size_t)size > styx_req_msize(l->ask.req) - STYX_IOHDRSZ;
}

static bool add(styx_nav *q, const styx_dirent *entry) {
  struct listing *l = (struct listing *)q;
  styx_attr_numbers numbers;
  styx_stat st;
  styx_attr_stat(&st, &entry->attr, &numbers);
  ptrdiff_t n = styx_stat_encode(l->room + l->used, l->cap - l->used, &st, STYX_9P2000);
  if (n < 0) {
    if (l->used == 0 && never_fits(l, &st))
      l->err = STYX_ESMALLBUF;
    return false;
  }
  l->used += (size_t)n;
  l->cookie = entry->cookie;
  return true;
}

static void listed(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct listing *l = (struct listing *)q;
  styx_req *req = l->ask.req;
  styx_msg r = {.type = STYX_Rread, .count = (uint32_t)l->used, .data = l->room};
  (void)attr;
  if (!err)
    err = l->err;
  if (!err)
    styx_req_set_cookie(req, l->cookie);
  sx_ask_free(&l->ask);
  (void)(err ? styx_srv_error(req, err) : styx_srv_reply(req, &r));
}

static styx_answer read_dir(styx_req *req, const styx_fid *f, uint64_t cookie) {
  struct listing *l = sx_ask_new(req, sizeof *l);
  if (l && !(l->room = styx_req_room(req, &l->cap))) {
    sx_ask_free(&l->ask);
    l = NULL;
  }
  if (!l)
    return styx_srv_error(req, ENOMEM);
  styx_answer answer = styx_later(req);
  l->cookie = cookie;
  l->ask.q = (styx_nav){.done = listed, .entry = add, .allocator = &l->ask.kit->alloc, .req = req};
  styx_navigator_readdir(&l->ask.kit->nav, &l->ask.q, f->qid.path, cookie, (uint32_t)(l->cap / STYX_STATFIXLEN + 1));
  return answer;
}

styx_answer styx_srv_read(styx_req *req) {
  const styx_fid *f = NULL;
  uint64_t cookie = 0;
  styx_err err = styx_can_read(req, &f);
  if (!err && !(f->qid.type & STYX_QTDIR))
    err = EACCES;
  if (!err && !styx_req_cookie(req, &cookie))
    err = STYX_EOFFSET;
  if (err)
    return styx_srv_error(req, err);
  if (styx_req_msg(req)->count > 0)
    return read_dir(req, f, cookie);
  styx_req_set_cookie(req, cookie);
  return styx_readbytes(req, "", 0);
}

/* ---- stat ---- */

static void statted(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct sx_ask *ask = (struct sx_ask *)q;
  styx_req *req = ask->req;
  const styx_fid *f = styx_getfid(req, styx_req_msg(req)->fid);
  styx_attr_numbers numbers;
  styx_msg r = {.type = STYX_Rstat};
  sx_ask_free(ask);
  if (err) {
    (void)styx_srv_error(req, err);
    return;
  }
  styx_attr_stat(&r.stat, attr, &numbers);
  if (f && f->qid.path == f->root) /* stat(5) */
    r.stat.name = styx_str_of("/");
  (void)styx_srv_reply(req, &r);
}

styx_answer styx_srv_stat(styx_req *req) {
  const styx_fid *f = styx_getfid(req, styx_req_msg(req)->fid);
  struct sx_ask *ask = f ? sx_ask_new(req, sizeof *ask) : NULL;
  if (!ask)
    return styx_srv_error(req, f ? ENOMEM : STYX_EBADFID);
  styx_answer answer = styx_later(req);
  sx_ask_stat(ask, statted, f->qid.path);
  return answer;
}
