/* styxflush.c: the flush law without the rest of a session: see styx/flush.h. */
#include <styx/flush.h>

#include "base/alloc.h"
#include "base/list.h"
#include "session/chain.h"

#include <assert.h>
#include <errno.h>

enum { BATCH = 32 }; /* requests that are allocated together */

static const bool must_run[256] = {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) [number] = (mustrun) != 0,
#include <styx/messages.def>
#undef STYX_MSG
};

struct styx_flush_req {
  struct sx_link link;     /* in f_requests; given up, in f_ended while Tflushes wait; over, in f_free */
  struct sx_chain waiting; /* the Tflushes that wait for it */
  void *request;
  uint16_t tag;
  bool must_run;
  bool told;     /* TELL has been said */
  bool given_up; /* its tag is free; unless it is answered, its answer will be dropped */
  bool answered;
};

struct batch {
  struct batch *next;
  styx_flush_req reqs[BATCH];
};

struct styx_flush {
  styx_allocator f_alloc;
  struct sx_tags f_tags;     /* styx_flush_req: see chain.h */
  struct sx_link f_requests; /* those whose tag is their own */
  struct sx_link f_ended;    /* those whose Tflushes are to be answered, in order */
  struct sx_link f_free;
  struct batch *f_batches;
  size_t f_outstanding; /* not answered */
};

styx_err styx_flush_new(styx_flush **out, const styx_allocator *allocator) {
  styx_flush *f = sx_zalloc(allocator, sizeof *f);
  if (!f)
    return ENOMEM;
  if (allocator)
    f->f_alloc = *allocator;
  sx_tags_init(&f->f_tags, &f->f_alloc, (uint64_t)(uintptr_t)f, 0);
  f->f_tags.high.keeps = true;
  sx_list_init(&f->f_requests);
  sx_list_init(&f->f_ended);
  sx_list_init(&f->f_free);
  *out = f;
  return STYX_OK;
}

void styx_flush_free(styx_flush *f) {
  if (!f)
    return;
  assert(f->f_outstanding == 0);
  styx_allocator alloc = f->f_alloc;
  while (f->f_batches) {
    struct batch *b = f->f_batches;
    f->f_batches = b->next;
    sx_free(&alloc, b, sizeof *b);
  }
  sx_tags_fini(&f->f_tags);
  sx_free(&alloc, f, sizeof *f);
}

/* ---- the life of a record ---- */

static void put_free(styx_flush *f, styx_flush_req *r) {
  sx_unlink(&r->link); /* styx_flush_abort may have it in a list of its own */
  sx_list_push(f->f_free.next, &r->link);
}

static styx_flush_req *take_free(styx_flush *f) {
  if (sx_list_empty(&f->f_free)) {
    struct batch *b = sx_zalloc(&f->f_alloc, sizeof *b);
    if (!b)
      return NULL;
    b->next = f->f_batches;
    f->f_batches = b;
    for (size_t i = 0; i < BATCH; i++)
      sx_list_push(&f->f_free, &b->reqs[i].link);
  }
  return SX_OF(styx_flush_req, link, sx_list_pop(&f->f_free));
}

static styx_err begin(styx_flush *f, const styx_msg *t, void *request, styx_flush_req **out) {
  if (t->tag == STYX_NOTAG)
    return STYX_EBADTAG;
  if (sx_tags_find(&f->f_tags, t->tag))
    return STYX_EDUPTAG;
  styx_flush_req *r = take_free(f);
  if (!r)
    return ENOMEM;
  if (!sx_tags_add(&f->f_tags, t->tag, r)) {
    put_free(f, r);
    return ENOMEM;
  }
  *r = (styx_flush_req){.waiting = sx_chain_empty(), .request = request, .tag = t->tag};
  r->must_run = must_run[t->type];
  sx_list_push(&f->f_requests, &r->link);
  f->f_outstanding++;
  *out = r;
  return STYX_OK;
}

/* Its tag is free, and whoever waited is answered behind what the caller writes now. A Tflush of one of those that still wait
 * finds r and comes behind (F12): so r stays until they are gone. */
static void give_up(styx_flush *f, styx_flush_req *r) {
  if (r->given_up)
    return;
  r->given_up = true;
  sx_unlink(&r->link);
  sx_tags_del(&f->f_tags, r->tag);
  if (!sx_chain_is_empty(&r->waiting))
    sx_list_push(&f->f_ended, &r->link);
}

static void free_if_over(styx_flush *f, styx_flush_req *r) {
  if (r->answered && sx_chain_is_empty(&r->waiting))
    put_free(f, r);
}

static void answered(styx_flush *f, styx_flush_req *r) {
  assert(!r->answered);
  give_up(f, r);
  r->answered = true;
  f->f_outstanding--;
  free_if_over(f, r);
}

/* ---- messages ---- */

static styx_flush_verdict reply_with(const styx_msg *t, styx_err err, styx_msg *reply) {
  *reply = (styx_msg){.type = err ? STYX_Rerror : STYX_Rflush, .tag = t->tag};
  if (err) {
    reply->ename = styx_str_of(styx_err_text(err));
    reply->ecode = (uint32_t)styx_err_errno(err);
  }
  return STYX_FLUSH_REPLY;
}

/* The request that a Tflush is about. Under NOTAG and under a tag in use it does nothing, but it is answered (F2); one of itself
 * is of an unknown tag. What is over already is about nothing, and yet comes behind all that styx_flush_next still has: there may be
 * Rflushes for the same tag among it (F10). */
static styx_flush_req *victim_of(styx_flush *f, const styx_msg *t) {
  if (t->tag == STYX_NOTAG || sx_tags_find(&f->f_tags, t->tag))
    return NULL;
  styx_flush_req *victim = sx_tags_find(&f->f_tags, t->oldtag);
  if ((!victim || victim->given_up) && !sx_list_empty(&f->f_ended))
    victim = SX_OF(styx_flush_req, link, f->f_ended.prev);
  return victim;
}

static styx_flush_verdict t_flush(styx_flush *f, const styx_msg *t, styx_flush_req **req, styx_msg *reply) {
  styx_flush_req *victim = victim_of(f, t);
  if (!victim)
    return reply_with(t, STYX_OK, reply);
  if (!sx_chain_add(&f->f_tags, &victim->waiting, t->tag, victim))
    return STYX_FLUSH_END;
  if (victim->told || victim->must_run) /* as is whoever is given up and in the table still */
    return STYX_FLUSH_WAIT;
  victim->told = true;
  *req = victim;
  return STYX_FLUSH_TELL;
}

styx_flush_verdict styx_flush_t(styx_flush *f, const styx_msg *t, void *request, styx_flush_req **req,
                                styx_msg *reply) {
  if (t->type == STYX_Tversion)
    return STYX_FLUSH_VERSION;
  if (t->type == STYX_Tflush)
    return t_flush(f, t, req, reply);
  styx_err err = begin(f, t, request, req);
  return err ? reply_with(t, err, reply) : STYX_FLUSH_DISPATCH;
}

bool styx_flush_reply(styx_flush *f, styx_flush_req *req) {
  bool wanted = !req->given_up;
  answered(f, req);
  return wanted;
}

bool styx_flush_interrupted(styx_flush *f, styx_flush_req *req) {
  bool owed = !req->given_up && (req->must_run || sx_chain_is_empty(&req->waiting));
  answered(f, req);
  return owed;
}

bool styx_flush_next(styx_flush *f, styx_msg *rflush) {
  if (sx_list_empty(&f->f_ended))
    return false;
  styx_flush_req *r = SX_OF(styx_flush_req, link, f->f_ended.next);
  *rflush = (styx_msg){.type = STYX_Rflush, .tag = (uint16_t)sx_chain_take(&f->f_tags, &r->waiting)};
  if (sx_chain_is_empty(&r->waiting)) {
    sx_unlink(&r->link);
    free_if_over(f, r);
  }
  return true;
}

bool styx_flush_ack(styx_flush *f, styx_flush_req *req) {
  if (req->given_up || req->must_run || sx_chain_is_empty(&req->waiting))
    return false;
  give_up(f, req);
  return true;
}

static void drop_rflushes(styx_flush *f) {
  for (styx_msg unsent; styx_flush_next(f, &unsent);)
    continue;
}

/* Nobody is told before all is settled, so that fn may do anything. */
void styx_flush_abort(styx_flush *f, styx_flush_fn *fn, void *arg) {
  struct sx_link lost, *l;
  sx_list_init(&lost);
  drop_rflushes(f);
  while ((l = sx_list_pop(&f->f_requests))) {
    give_up(f, SX_OF(styx_flush_req, link, l));
    drop_rflushes(f);
    sx_list_push(&lost, l);
  }
  while ((l = sx_list_pop(&lost)))
    if (fn)
      fn(arg, SX_OF(styx_flush_req, link, l));
}

void *styx_flush_request(const styx_flush_req *req) { return req->request; }

uint16_t styx_flush_tag(const styx_flush_req *req) { return req->tag; }

bool styx_flush_is_flushed(const styx_flush_req *req) { return req->given_up || !sx_chain_is_empty(&req->waiting); }

size_t styx_flush_outstanding(const styx_flush *f) { return f->f_outstanding; }
