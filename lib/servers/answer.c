/* answer.c: replies, on their way through the program's reply. */
#include "servers/kit.h"

#include <errno.h>
#include <string.h>

/* A reply that waits while an earlier one is shown; its message encoded. */
struct sx_reply {
  struct sx_reply *next;
  styx_req *req;
  size_t size; /* of the message */
  uint8_t bytes[];
};

static styx_msg error_msg(const styx_req *req, styx_err err) {
  return (styx_msg){.type = STYX_Rerror,
                    .tag = styx_req_msg(req)->tag,
                    .ename = styx_str_of(styx_err_text(err)),
                    .ecode = (uint32_t)styx_err_errno(err)};
}

/* An Rwalk of fewer qids than names was a walk that failed. */
static bool says_success(const styx_req *req, const styx_msg *r) {
  return r->type != STYX_Rwalk || r->nwqid == styx_req_msg(req)->nwname;
}

static styx_answer direct(styx_req *req, const styx_msg *r) {
  const styx_kit *kit = sx_kit_of(req);
  if (sx_tracing(kit))
    sx_trace(kit, true, r);
  return styx_reply_msg(req, r->type == STYX_Rerror ? r : NULL);
}

styx_answer styx_srv_direct(styx_req *req, const styx_msg *r) {
  styx_err err = r->type == STYX_Rerror ? STYX_OK : styx_req_prepare(req, r);
  if (err) {
    styx_msg refusal = error_msg(req, err);
    return direct(req, &refusal);
  }
  if (r->type != STYX_Rerror && says_success(req, r))
    sx_fid_settle(req); /* before anybody can see the reply */
  return direct(req, r);
}

/* ---- one at a time, in the order in which they were made ---- */

static struct sx_reply *keep(styx_req *req, const styx_msg *r) {
  ptrdiff_t size = styx_encoded_size(r, STYX_9P2000);
  struct sx_reply *kept = size < 0 ? NULL : sx_alloc(&sx_kit_of(req)->alloc, sizeof *kept + (size_t)size);
  if (!kept)
    return NULL;
  kept->next = NULL;
  kept->req = req;
  kept->size = (size_t)size;
  (void)styx_encode(kept->bytes, kept->size, r, STYX_9P2000);
  return kept;
}

static void show(styx_srv *srv, styx_req *req, const styx_msg *r) { (void)srv->kit->ops.reply(req, r); }

static void show_kept(styx_srv *srv, struct sx_reply *kept) {
  styx_msg m;
  if (styx_decode_lenient(&m, kept->bytes, kept->size, 0, STYX_9P2000, STYX_ALLOW_BYTES) <= 0)
    m = error_msg(kept->req, EIO); /* a name that no message may have */
  show(srv, kept->req, &m);
  sx_free(&srv->kit->alloc, kept, sizeof *kept + kept->size);
}

/* With the lock: the next one; NULL: nobody shows any more. */
static struct sx_reply *next_kept(styx_srv *srv) {
  pthread_mutex_lock(&srv->lock);
  struct sx_reply *kept = srv->first;
  if (kept)
    srv->first = kept->next;
  else
    srv->replying = false;
  pthread_mutex_unlock(&srv->lock);
  return kept;
}

/* True: it waits for whoever shows; false: it is for the caller to show, and then what waits behind. */
static bool wait_behind(styx_srv *srv, struct sx_reply *kept) {
  pthread_mutex_lock(&srv->lock);
  bool waits = srv->replying;
  if (waits) {
    if (srv->first)
      srv->last->next = kept;
    else
      srv->first = kept;
    srv->last = kept;
  }
  srv->replying = true;
  pthread_mutex_unlock(&srv->lock);
  return waits;
}

static styx_answer through_program(styx_srv *srv, styx_req *req, const styx_msg *r) {
  struct sx_reply *kept = keep(req, r);
  styx_answer answer = styx_later(req);
  if (!kept) {
    styx_msg refusal = error_msg(req, styx_encoded_size(r, STYX_9P2000) < 0 ? STYX_ENOFIT : ENOMEM);
    return styx_srv_direct(req, &refusal);
  }
  if (wait_behind(srv, kept))
    return answer;
  /* The last answer may be the end of the session. */
  atomic_fetch_add_explicit(&srv->refs, 1, memory_order_relaxed);
  do
    show_kept(srv, kept);
  while ((kept = next_kept(srv)));
  sx_srv_put(srv);
  return answer;
}

styx_answer styx_srv_reply(styx_req *req, const styx_msg *r) {
  styx_srv *srv = styx_req_srv(req);
  styx_msg m = *r;
  m.tag = styx_req_msg(req)->tag;
  return srv->kit->ops.reply ? through_program(srv, req, &m) : styx_srv_direct(req, &m);
}

styx_answer styx_srv_error(styx_req *req, styx_err err) {
  styx_msg m = error_msg(req, err ? err : EIO);
  return styx_srv_reply(req, &m);
}

/* ---- reads of what is in memory ---- */

styx_answer styx_readbytes(styx_req *req, const void *data, size_t len) {
  const styx_msg *t = styx_req_msg(req);
  styx_msg m = {.type = STYX_Rread};
  if (t->offset < len) {
    size_t rest = len - (size_t)t->offset;
    m.data = (const uint8_t *)data + t->offset;
    m.count = rest < t->count ? (uint32_t)rest : t->count;
  }
  return styx_srv_reply(req, &m);
}

styx_answer styx_readstr(styx_req *req, const char *text) { return styx_readbytes(req, text, strlen(text)); }
