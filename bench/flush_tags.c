/* flush_tags.c: the flush law. A tag is free, or a request is outstanding under it, or it is settled and some Tflush that
 * names it is out (F23, F27). Every message that comes is judged by that, and by what the tag was used for before. */
#include "flush.h"

#include <stdlib.h>
#include <string.h>

struct fl_req *fl_tags_out(struct fl_conn *c, unsigned tag) {
  struct fl_req *r = tag < c->ntags ? &c->tags[tag].req : NULL;
  return r && r->serial && r->how == FL_NEVER ? r : NULL;
}

uint16_t fl_tags_of(const struct fl_conn *c, const struct fl_req *r) {
  return (uint16_t)((const struct fl_tag *)(const void *)r - c->tags); /* req is the first member */
}

static void push_past(struct fl_conn *c, uint16_t tag, struct fl_past past) {
  struct fl_past *p = c->tags[tag].past;
  memmove(p + 1, p, (FL_PASTS - 1) * sizeof *p);
  *p = past;
}

static void release(struct fl_conn *c, uint16_t tag) {
  c->tags[tag].req.serial = 0;
  c->free[c->nfree++] = tag;
}

/* F23 and F27: free with the first Rflush, or with the reply when no Tflush is out. */
void fl_tags_release(struct fl_conn *c, struct fl_req *r) {
  if (r->serial && r->how != FL_NEVER && r->how != FL_LOST && (r->out == 0 || r->rflushed))
    release(c, fl_tags_of(c, r));
}

void fl_tags_settle(struct fl_conn *c, struct fl_req *r, enum fl_how how, bool after) {
  r->how = (uint8_t)how;
  struct fl_past past = {.serial = r->serial,
                         .session = c->session,
                         .type = r->type,
                         .how = (uint8_t)how,
                         .oldtag = r->oldtag,
                         .after = after};
  push_past(c, fl_tags_of(c, r), past);
}

/* All tags are free. What was out belongs to an earlier session. */
void fl_tags_reset(struct fl_conn *c) {
  c->nfree = 0;
  for (unsigned i = c->ntags; i-- > 0;) {
    struct fl_req *r = &c->tags[i].req;
    if (r->serial && r->how == FL_NEVER)
      fl_tags_settle(c, r, FL_ABORTED, false);
    release(c, (uint16_t)i);
  }
  c->nflushes = c->ndues = 0;
  c->session++;
}

/* Another connection: no message can be meant for who had a tag on the last one. */
void fl_tags_forget(struct fl_conn *c) {
  for (unsigned i = 0; i < c->ntags; i++)
    memset(c->tags[i].past, 0, sizeof c->tags[i].past);
  c->nlog = 0;
}

bool fl_tags_room(const struct fl_conn *c, unsigned n) { return c->nfree >= n; }

unsigned fl_tags_outstanding(const struct fl_conn *c) { return c->nbusy + c->nflushes; }

/* Could a message that answers this type also be a late one to an earlier user of the tag? */
static bool ambiguous(const struct fl_conn *c, uint16_t tag, uint8_t type) {
  const struct fl_past *p = c->tags[tag].past;
  for (int i = 0; i < FL_PASTS && p[i].serial; i++)
    if (p[i].type == type && p[i].how != FL_REPLIED)
      return true;
  return false;
}

/* Mostly the tag that became free last; under another type, when its last use ended without a reply. */
static uint16_t take_tag(struct fl_conn *c, uint8_t type) {
  unsigned i = fl_chance(c, 750) ? c->nfree - 1 : fl_roll(c, c->nfree);
  for (unsigned tries = 0; tries < c->nfree && ambiguous(c, c->free[i], type); tries++)
    i = i ? i - 1 : c->nfree - 1;
  uint16_t tag = c->free[i];
  c->nfree--;
  memmove(c->free + i, c->free + i + 1, (c->nfree - i) * sizeof *c->free);
  return tag;
}

struct fl_req *fl_tags_send(struct fl_conn *c, styx_msg *m, struct fl_slot *slot, enum fl_op op) {
  m->tag = take_tag(c, m->type);
  struct fl_req *r = &c->tags[m->tag].req;
  *r = (struct fl_req){.serial = ++c->run->serial, .op = (uint8_t)op, .type = m->type, .slot = slot};
  r->fid = m->type == STYX_Twalk ? m->newfid : m->type == STYX_Tunlinkat ? m->dfid : m->fid;
  fl_conn_put(c, m, r->serial);
  return r;
}

struct fl_req *fl_tags_flush(struct fl_conn *c, uint16_t oldtag, uint64_t target, enum fl_sort sort) {
  styx_msg m = {.type = STYX_Tflush, .tag = take_tag(c, STYX_Tflush), .oldtag = oldtag};
  struct fl_req *f = &c->tags[m.tag].req, *t = target ? &c->tags[oldtag].req : NULL;
  if (sort == FL_SELF)
    m.oldtag = m.tag;
  *f = (struct fl_req){
      .serial = ++c->run->serial, .op = FL_FLUSH, .type = STYX_Tflush, .fid = STYX_NOFID, .target = target};
  f->oldtag = m.oldtag;
  f->sort = (uint8_t)sort;
  if (t) {
    f->after = t->how != FL_NEVER;
    t->out++;
    t->flushed = true;
  }
  c->flushes[c->nflushes++] = m.tag;
  c->run->result.sorts[sort]++;
  fl_conn_put(c, &m, f->serial);
  return f;
}

/* The reply that r got may have been meant for the one before it under the same tag. */
bool fl_tags_stale(const struct fl_conn *c, const struct fl_req *r, bool error) {
  const struct fl_past *p = &c->tags[fl_tags_of(c, r)].past[1];
  return p->serial && p->how == FL_SILENT && (error || p->type == r->type);
}

/* ---- Rflush ---- */

struct fl_req *fl_tags_target(struct fl_conn *c, const struct fl_req *f) {
  struct fl_req *t = f->target ? &c->tags[f->oldtag].req : NULL;
  return t && t->serial == f->target ? t : NULL;
}

static void drop_from_flushes(struct fl_conn *c, uint16_t tag) {
  unsigned i = 0;
  while (i < c->nflushes && c->flushes[i] != tag)
    i++;
  if (i == c->nflushes)
    return;
  c->nflushes--;
  memmove(c->flushes + i, c->flushes + i + 1, (c->nflushes - i) * sizeof *c->flushes);
}

/* A Tflush is over, in whichever way. */
void fl_tags_end_flush(struct fl_conn *c, struct fl_req *f, enum fl_how how, bool after) {
  struct fl_req *t = fl_tags_target(c, f);
  drop_from_flushes(c, fl_tags_of(c, f));
  fl_tags_settle(c, f, how, after);
  if (t)
    t->out--;
  fl_tags_release(c, f);
  if (t)
    fl_tags_release(c, t);
}

/* F27: earlier Tflushes of the same request are settled by a later one's Rflush. */
static void skip_earlier(struct fl_conn *c, const struct fl_req *f) {
  for (unsigned i = 0; i < c->nflushes;) {
    struct fl_req *e = &c->tags[c->flushes[i]].req;
    if (e->serial >= f->serial)
      return;
    if (e->target == f->target)
      fl_tags_end_flush(c, e, FL_SKIPPED, f->after);
    else
      i++;
  }
}

static void silent(struct fl_conn *c, struct fl_req *t) {
  fl_tags_settle(c, t, FL_SILENT, false);
  c->run->result.interrupted++;
  fl_model_outcome(c, t, NULL);
}

/* F12: as if it had not been sent. */
static void drop_flush(struct fl_conn *c, struct fl_req *f) {
  struct fl_req *t = fl_tags_target(c, f);
  if (t)
    t->dropped = true;
  fl_tags_end_flush(c, f, FL_DROPPED, false);
}

void fl_tags_rflush(struct fl_conn *c, struct fl_req *f) {
  struct fl_req *t = fl_tags_target(c, f);
  if (f->sent)
    sx_hist_add(&c->run->result.rflush, c->run->now - f->sent);
  if (t)
    t->rflushed = true;
  if (f->target) /* though its tag may be in use again: the first Rflush has freed it */
    skip_earlier(c, f);
  if (t && t->how == FL_NEVER) {
    if (t->type == STYX_Tflush)
      drop_flush(c, t);
    else
      silent(c, t);
  }
  fl_tags_end_flush(c, f, FL_REPLIED, false);
}
