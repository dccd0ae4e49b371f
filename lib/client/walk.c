/* walk.c: paths of any length, as walks of at most 16 elements. */
#include "client/mux.h"

#include <errno.h>
#include <string.h>

/* The next element of *path, past which *path is moved; empty at the end. */
static styx_str element(const char **path) {
  for (;;) {
    while (**path == '/')
      ++*path;
    styx_str e = {*path, strcspn(*path, "/")};
    *path += e.len;
    if (!styx_str_is(e, "."))
      return e;
  }
}

/* As many elements as one message takes, at least one if there is any. */
static const char *fill(const styx_client *c, styx_msg *t, const char *path) {
  size_t size = STYX_HDRSZ + 10;
  t->nwname = 0;
  while (t->nwname < STYX_MAXWELEM) {
    const char *rest = path;
    styx_str e = element(&rest);
    size += 2 + e.len;
    if (e.len == 0 || (t->nwname > 0 && size > c->msize))
      break;
    t->wname[t->nwname++] = e;
    path = rest;
  }
  return path;
}

static bool at_end(const char *path) { return element(&path).len == 0; }

/* What a walk that came only so far means. */
static styx_err partial(const styx_msg *r) {
  bool dir = r->wqid[r->nwqid - 1].type & STYX_QTDIR;
  return sx_words_set(dir ? ENOENT : ENOTDIR, NULL);
}

static styx_err give_up(styx_client *c, uint32_t fid, bool bound, styx_err err) {
  char words[STYX_ERRMAX];
  memcpy(words, styx_client_words(), sizeof words);
  if (bound)
    (void)styx_client_clunk(c, fid);
  else
    styx_client_fid_put(c, fid);
  return sx_words_set(err, words);
}

styx_err styx_client_walk(styx_client *client, uint32_t fid, const char *path, uint32_t *newfid, styx_qid *qid) {
  styx_call call;
  uint32_t n;
  styx_err err = styx_client_fid(client, &n);
  if (err)
    return sx_words_set(err, NULL);
  styx_qid last = {0};
  size_t walked = 0;
  bool bound = false;
  do {
    memset(&call, 0, sizeof call);
    call.t.type = STYX_Twalk;
    call.t.fid = bound ? n : fid;
    call.t.newfid = n;
    path = fill(client, &call.t, path);
    err = sx_call(client, &call);
    if (!err && call.r.nwqid < call.t.nwname)
      err = partial(&call.r);
    if (err)
      return give_up(client, n, bound, err);
    bound = true;
    walked += call.r.nwqid;
    if (call.r.nwqid)
      last = call.r.wqid[call.r.nwqid - 1];
  } while (!at_end(path));
  *newfid = n;
  if (qid && walked)
    *qid = last;
  return STYX_OK;
}

/* ---- a small file in one flight ---- */

enum { WALK, OPEN, READ, PROBE, CLUNK, NCALLS };

static bool fetched(const styx_call *calls, uint32_t length) {
  return calls[READ].r.count == length && calls[PROBE].r.count == 0;
}

styx_err styx_client_fetch(styx_client *client, uint32_t dir, const char *path, void *buf, uint32_t length) {
  styx_call calls[NCALLS] = {0};
  uint32_t n;
  uint8_t past;
  if (length > client->msize - STYX_IOHDRSZ)
    return sx_words_set(STYX_ENOFIT, NULL);
  styx_err err = styx_client_fid(client, &n), first = STYX_OK;
  if (err)
    return sx_words_set(err, NULL);
  calls[WALK].t = (styx_msg){.type = STYX_Twalk, .fid = dir, .newfid = n};
  if (!at_end(fill(client, &calls[WALK].t, path))) {
    styx_client_fid_put(client, n);
    return sx_words_set(STYX_ENOFIT, NULL);
  }
  calls[OPEN].t = (styx_msg){.type = STYX_Topen, .fid = n, .mode = STYX_OREAD};
  calls[READ].t = (styx_msg){.type = STYX_Tread, .fid = n, .count = length};
  calls[READ].buf = buf;
  calls[READ].cap = length;
  calls[PROBE].t = (styx_msg){.type = STYX_Tread, .fid = n, .offset = length, .count = 1};
  calls[PROBE].buf = &past;
  calls[PROBE].cap = 1;
  calls[CLUNK].t = (styx_msg){.type = STYX_Tclunk, .fid = n};
  char words[STYX_ERRMAX] = "";
  for (int i = 0; i < NCALLS; i++)
    (void)styx_call_submit(client, &calls[i]);
  for (int i = 0; i < NCALLS; i++) {
    err = styx_call_wait(&calls[i]);
    if (i == WALK && !err && calls[i].r.nwqid < calls[i].t.nwname)
      err = partial(&calls[i].r);
    if (err && !first) {
      first = err;
      memcpy(words, styx_client_words(), sizeof words);
    }
  }
  if (calls[CLUNK].r.type != 0)
    styx_client_fid_put(client, n);
  if (first)
    return sx_words_set(first, words);
  return fetched(calls, length) ? STYX_OK : sx_words_set(STYX_ENOFIT, NULL);
}
