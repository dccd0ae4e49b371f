/* flush_tags.c: the flush law. A tag is free, or a request is outstanding under it, or it is settled and some Tflush that
 * names it is out (F23, F27). Every message that comes is judged by that, and by what the tag was used for before. */
#include "flush.h"

#include <stdlib.h>
#include <string.h>

static struct fl_req *outstanding(struct fl_conn *c, unsigned tag) {
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
static void release_if_free(struct fl_conn *c, struct fl_req *r) {
  if (r->serial && r->how != FL_NEVER && r->how != FL_LOST && (r->out == 0 || r->rflushed))
    release(c, fl_tags_of(c, r));
}

static void settle(struct fl_conn *c, struct fl_req *r, enum fl_how how, bool after) {
  r->how = (uint8_t)how;
  struct fl_past past = {
      .serial = r->serial, .session = c->session, .type = r->type, .how = (uint8_t)how, .after = after};
  push_past(c, fl_tags_of(c, r), past);
}

/* All tags are free. What was out belongs to an earlier session. */
void fl_tags_reset(struct fl_conn *c) {
  c->nfree = 0;
  for (unsigned i = c->ntags; i-- > 0;) {
    struct fl_req *r = &c->tags[i].req;
    if (r->serial && r->how == FL_NEVER)
      settle(c, r, FL_ABORTED, false);
    release(c, (uint16_t)i);
  }
  c->nflushes = c->ndues = 0;
  c->session++;
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

static struct fl_req *target_of(struct fl_conn *c, const struct fl_req *f) {
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
static void end_flush(struct fl_conn *c, struct fl_req *f, enum fl_how how, bool after) {
  struct fl_req *t = target_of(c, f);
  drop_from_flushes(c, fl_tags_of(c, f));
  settle(c, f, how, after);
  if (t)
    t->out--;
  release_if_free(c, f);
  if (t)
    release_if_free(c, t);
}

/* F27: earlier Tflushes of the same request are settled by a later one's Rflush. */
static void skip_earlier(struct fl_conn *c, const struct fl_req *f) {
  for (unsigned i = 0; i < c->nflushes;) {
    struct fl_req *e = &c->tags[c->flushes[i]].req;
    if (e->serial >= f->serial)
      return;
    if (e->target == f->target)
      end_flush(c, e, FL_SKIPPED, f->after);
    else
      i++;
  }
}

static void silent(struct fl_conn *c, struct fl_req *t) {
  settle(c, t, FL_SILENT, false);
  c->run->result.interrupted++;
  fl_model_outcome(c, t, NULL);
}

/* F12: as if it had not been sent. */
static void drop_flush(struct fl_conn *c, struct fl_req *f) {
  struct fl_req *t = target_of(c, f);
  if (t)
    t->dropped = true;
  end_flush(c, f, FL_DROPPED, false);
}

static void rflush(struct fl_conn *c, struct fl_req *f) {
  struct fl_req *t = target_of(c, f);
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
  end_flush(c, f, FL_REPLIED, false);
}

/* ---- judging ---- */

static const struct fl_past *past_of(const struct fl_conn *c, unsigned tag, const styx_msg *m) {
  const struct fl_tag *t = &c->tags[tag];
  for (int i = 0; i < FL_PASTS && t->past[i].serial; i++)
    if (m->type == t->past[i].type + 1 || (fl_is_error(m) && t->past[i].type != STYX_Tflush))
      return &t->past[i];
  return NULL;
}

/* Answered twice: unless the first answer was in truth that of an earlier user, of the same type, who was to get none. */
static const struct fl_past *whose(const struct fl_conn *c, unsigned tag, const struct fl_past *p) {
  const struct fl_past *q = p, *end = c->tags[tag].past + FL_PASTS;
  while (q && q < end && q->serial && q->how == FL_REPLIED && q->type == p->type)
    q++;
  return q && q < end && q->serial && q->how != FL_LOST && q->type == p->type ? q : p;
}

static struct fl_req *flush_naming(struct fl_conn *c, uint16_t oldtag, uint64_t target) {
  for (unsigned i = 0; i < c->nflushes; i++) {
    struct fl_req *f = &c->tags[c->flushes[i]].req;
    if (target ? f->target == target : f->oldtag == oldtag)
      return f;
  }
  return NULL;
}

/* A reply that nobody waits for. What the tag was used for says which rule it breaks. */
static void stray(struct fl_conn *c, const styx_msg *m, bool reused) {
  const struct fl_past *p = m->tag < c->ntags ? whose(c, m->tag, past_of(c, m->tag, m)) : NULL;
  const char *name = styx_msg_name(m->type);
  if (!p) {
    fl_violation(c, "F5", "unknown-tag", m->tag, STYX_NOFID, "%s with tag %u, which no %s has had lately", name, m->tag,
                 fl_is_error(m) ? "request" : styx_msg_name(m->type - 1u));
    return;
  }
  if (p->how == FL_LOST)
    return; /* told already; it has come after all */
  if (p->session != c->session)
    fl_violation(c, "F16", "reply-after-rversion", m->tag, STYX_NOFID,
                 "%s with tag %u after Rversion, to a request from before", name, m->tag);
  else if (p->how == FL_SILENT && reused)
    fl_violation(c, "F4", "reply-to-reused-tag", m->tag, STYX_NOFID,
                 "%s with tag %u, to a request whose Rflush has come; the tag is in use again, for another type", name,
                 m->tag);
  else if (p->how == FL_SILENT && flush_naming(c, m->tag, p->serial))
    fl_violation(c, "F11", "reply-between-rflushes", m->tag, STYX_NOFID,
                 "%s with tag %u after the first Rflush for it, before the last", name, m->tag);
  else if (p->how == FL_SILENT)
    fl_violation(c, "F6", "reply-after-rflush", m->tag, STYX_NOFID, "%s with tag %u after its Rflush", name, m->tag);
  else if (p->how == FL_SKIPPED)
    fl_violation(c, "F10", p->after ? "rflush-order-after-reply" : "rflush-order", m->tag, STYX_NOFID,
                 "Rflush with tag %u after that of a later Tflush of the same request%s", m->tag,
                 p->after ? ", which was sent after the reply" : "");
  else if (p->how == FL_DROPPED)
    fl_violation(c, "F12", "fof-late", m->tag, STYX_NOFID, "Rflush with tag %u after that of a Tflush of this Tflush",
                 m->tag);
  else
    fl_violation(c, "F5", "second-reply", m->tag, STYX_NOFID, "%s with tag %u, which has been answered", name, m->tag);
}

static void replied(struct fl_conn *c, struct fl_req *r, const styx_msg *m) {
  struct fl_result *res = &c->run->result;
  if (r->sent && r->op != FL_SCRIPT) {
    uint64_t ns = c->run->now - r->sent;
    c->latency = c->latency ? c->latency - c->latency / 16 + ns / 16 : ns;
    if (!r->slot || !r->slot->blocked)
      sx_hist_add(c->run->phase == FL_BASELINE ? &res->base : &res->replies, ns);
  }
  if (r->flushed)
    (*(fl_is_error(m) ? &res->errors : &res->answered))++;
  settle(c, r, FL_REPLIED, false);
  uint64_t serial = r->serial;
  if (r->slot)
    fl_model_outcome(c, r, m);
  if (r->serial == serial && r->op != FL_SCRIPT)
    fl_plan_replied(c, r);
  release_if_free(c, r);
  if (r->op == FL_SCRIPT)
    fl_script_reply(c, m);
}

/* A type that does not answer what is outstanding under this tag. */
static void mismatch(struct fl_conn *c, struct fl_req *r, const styx_msg *m) {
  struct fl_req *f;
  if (r->type == STYX_Tflush && fl_is_error(m)) {
    fl_violation(c, "F2", "rerror-to-tflush", m->tag, STYX_NOFID, "Tflush with tag %u was answered with an error",
                 m->tag);
    rflush(c, r);
  } else if (past_of(c, m->tag, m)) {
    stray(c, m, true);
  } else if (m->type == STYX_Rflush && (f = flush_naming(c, m->tag, 0))) {
    fl_violation(c, "F1", "rflush-oldtag", m->tag, STYX_NOFID, "Rflush with tag %u, which is the oldtag of tag %u",
                 m->tag, fl_tags_of(c, f));
    rflush(c, f);
  } else {
    fl_violation(c, "answer", "wrong-type", m->tag, r->fid, "%s was answered with %s", styx_msg_name(r->type),
                 styx_msg_name(m->type));
    fl_conn_fall(c);
  }
}

static void reply_to_nothing(struct fl_conn *c, const styx_msg *m) {
  struct fl_req *f = m->type == STYX_Rflush ? flush_naming(c, m->tag, 0) : NULL;
  if (!f || (m->tag < c->ntags && past_of(c, m->tag, m))) {
    stray(c, m, false);
    return;
  }
  fl_violation(c, "F1", "rflush-oldtag", m->tag, STYX_NOFID, "Rflush with tag %u, which is the oldtag of tag %u",
               m->tag, fl_tags_of(c, f));
  rflush(c, f);
}

void fl_tags_reply(struct fl_conn *c, const styx_msg *m) {
  if (m->tag == STYX_NOTAG || c->stage == FL_VERSION) { /* before Rversion, what the old session owes may come */
    if (m->type == STYX_Rversion || m->tag == STYX_NOTAG)
      fl_script_reply(c, m);
    return;
  }
  struct fl_req *r = outstanding(c, m->tag);
  if (!r)
    reply_to_nothing(c, m);
  else if (m->type != r->type + 1 && (!fl_is_error(m) || r->type == STYX_Tflush))
    mismatch(c, r, m);
  else if (r->type == STYX_Tflush)
    rflush(c, r);
  else
    replied(c, r, m);
}

void fl_tags_malformed(struct fl_conn *c, const styx_msg *m, styx_err err) {
  const char *name = styx_msg_name(m->type);
  struct fl_req *r = outstanding(c, m->tag);
  if (m->type == STYX_Rflush && r && r->type == STYX_Tflush) {
    fl_violation(c, "F1", "rflush-size", m->tag, STYX_NOFID, "Rflush with tag %u has more than its 7 bytes", m->tag);
    rflush(c, r);
    return;
  }
  fl_violation(c, "format", "undecodable", m->tag, STYX_NOFID, "%s cannot be decoded: %s", name ? name : "a message",
               styx_err_text(err));
  fl_conn_fall(c);
}

/* ---- what never comes ---- */

static bool any_blocked(const struct fl_conn *c) {
  for (unsigned i = 0; i < c->run->o->depth; i++)
    if (c->slots[i].busy && c->slots[i].at >= FL_AT_BLOCKED)
      return true;
  return false;
}

static void lost_flush(struct fl_conn *c, struct fl_req *f) {
  struct fl_req *t = target_of(c, f);
  uint16_t tag = fl_tags_of(c, f);
  double secs = c->run->o->patience;
  if (f->sort == FL_SELF) {
    c->run->no_self = true;
    fl_violation(c, "F13", "self-flush-lost", tag, STYX_NOFID, "no Rflush in %g s for a Tflush of itself, tag %u", secs,
                 tag);
  } else if (t && t->dropped) {
    fl_violation(c, "F12", "rflush-stranded", tag, t->fid,
                 "no Rflush in %g s for tag %u: another Tflush of the same request was flushed, not this one", secs,
                 tag);
    if (t->how == FL_NEVER)
      fl_conn_fall(c);
  } else if (!t || t->how != FL_NEVER) {
    bool stuck = any_blocked(c);
    fl_violation(c,
                 stuck                    ? "F21"
                 : f->sort == FL_OF_FLUSH ? "F12"
                                          : "F3",
                 stuck ? "rflush-stuck" : "rflush-lost", tag, STYX_NOFID,
                 "no Rflush in %g s for tag %u, whose oldtag %u is not outstanding%s", secs, tag, f->oldtag,
                 stuck ? "; reads are blocked" : "");
  } else if (t->type == STYX_Tflush) {
    fl_violation(c, "F12", "rflush-lost", tag, STYX_NOFID, "no Rflush in %g s for tag %u, a Tflush of a Tflush", secs,
                 tag);
  } else {
    fl_violation(c, "F9", t->slot && t->slot->blocked ? "rflush-lost-blocked" : "rflush-lost", tag, t->fid,
                 "no Rflush in %g s for tag %u, nor a reply to its oldtag %u (%s)", secs, tag, f->oldtag,
                 styx_msg_name(t->type));
    fl_conn_fall(c);
  }
  end_flush(c, f, FL_LOST, false);
}

static void lost_reply(struct fl_conn *c, struct fl_req *r) {
  uint16_t tag = fl_tags_of(c, r);
  if (r->out > 0 || (r->slot && r->slot->blocked && r->slot->at >= FL_AT_BLOCKED && !r->flushed))
    return;
  if (r->flushed) /* its Tflush was dropped by one of that Tflush (F12): then it still owes a reply */
    fl_violation(c, "F12", "reply-lost", tag, r->fid,
                 "%s with tag %u: no reply in %g s, and its Tflush has been flushed", styx_msg_name(r->type), tag,
                 c->run->o->patience);
  else
    fl_violation(c, "answer", "reply-lost", tag, r->fid, "%s with tag %u: no reply in %g s", styx_msg_name(r->type),
                 tag, c->run->o->patience);
  settle(c, r, FL_LOST, false);
  fl_conn_fall(c);
}

static struct fl_late *late_of(struct fl_conn *c, uint64_t serial) {
  for (int i = 0; i < FL_LATES; i++)
    if (c->lates[i].serial == serial)
      return &c->lates[i];
  return NULL;
}

static const uint64_t a_while = 20000000; /* ns */

/* It may be lost: keep what was said, unless others take all the room. */
static void suspect(struct fl_conn *c, const struct fl_req *r) {
  struct fl_late *l = late_of(c, r->serial);
  uint16_t tag = fl_tags_of(c, r);
  if (l || !(l = late_of(c, 0)))
    return;
  l->serial = r->serial;
  l->excerpt = fl_excerpt(c, tag, r->type == STYX_Tflush ? r->oldtag : tag, STYX_NOFID, r->sent + a_while);
}

static void forget_late(struct fl_late *l) {
  free(l->excerpt);
  *l = (struct fl_late){0};
}

static void give_up(struct fl_conn *c, struct fl_req *r) {
  struct fl_late *l = late_of(c, r->serial);
  c->excerpt = l ? l->excerpt : NULL;
  if (r->type == STYX_Tflush)
    lost_flush(c, r);
  else
    lost_reply(c, r);
  c->excerpt = NULL;
}

static bool is_out(struct fl_conn *c, uint64_t serial) {
  for (unsigned i = 0; i < c->ntags; i++)
    if (c->tags[i].req.serial == serial && c->tags[i].req.how == FL_NEVER)
      return true;
  return false;
}

void fl_tags_late(struct fl_conn *c) {
  const uint64_t soon = 250000000;
  uint64_t patience = (uint64_t)(c->run->o->patience * 1e9);
  for (int i = 0; i < FL_LATES; i++)
    if (c->lates[i].serial && !is_out(c, c->lates[i].serial))
      forget_late(&c->lates[i]);
  for (unsigned i = 0; i < c->ntags && !c->fallen; i++) {
    struct fl_req *r = outstanding(c, i);
    uint64_t age = r && r->sent && c->run->now > r->sent ? c->run->now - r->sent : 0;
    if (age >= patience)
      give_up(c, r);
    else if (age >= soon)
      suspect(c, r);
  }
}
