/* flush_judge.c: a message has come: is it the answer to what is outstanding under its tag, or which rule does it break? */
#include "flush.h"

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

/* A reply that nobody waits for: what the tag was used for says which rule it breaks. */
static void judge(struct fl_conn *c, const styx_msg *m, const struct fl_past *p, bool reused) {
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

static void stray(struct fl_conn *c, const styx_msg *m, bool reused) {
  const struct fl_past *p = m->tag < c->ntags ? whose(c, m->tag, past_of(c, m->tag, m)) : NULL;
  c->also = p && p->type == STYX_Tflush ? p->oldtag : -1;
  judge(c, m, p, reused);
  c->also = -1;
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
  fl_tags_settle(c, r, FL_REPLIED, false);
  uint64_t serial = r->serial;
  if (r->slot)
    fl_model_outcome(c, r, m);
  if (r->serial == serial && r->op != FL_SCRIPT)
    fl_plan_replied(c, r);
  fl_tags_release(c, r);
  if (r->op == FL_SCRIPT)
    fl_script_reply(c, m);
}

/* A type that does not answer what is outstanding under this tag. */
static void mismatch(struct fl_conn *c, struct fl_req *r, const styx_msg *m) {
  struct fl_req *f;
  if (r->type == STYX_Tflush && fl_is_error(m)) {
    fl_violation(c, "F2", "rerror-to-tflush", m->tag, STYX_NOFID, "Tflush with tag %u was answered with an error",
                 m->tag);
    fl_tags_rflush(c, r);
  } else if (past_of(c, m->tag, m)) {
    stray(c, m, true);
  } else if (m->type == STYX_Rflush && (f = flush_naming(c, m->tag, 0))) {
    fl_violation(c, "F1", "rflush-oldtag", m->tag, STYX_NOFID, "Rflush with tag %u, which is the oldtag of tag %u",
                 m->tag, fl_tags_of(c, f));
    fl_tags_rflush(c, f);
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
  fl_tags_rflush(c, f);
}

void fl_judge(struct fl_conn *c, const styx_msg *m) {
  if (m->tag == STYX_NOTAG || c->stage == FL_VERSION) { /* before Rversion, what the old session owes may come */
    if (m->tag == STYX_NOTAG)
      fl_script_reply(c, m);
    return;
  }
  struct fl_req *r = fl_tags_out(c, m->tag);
  if (!r)
    reply_to_nothing(c, m);
  else if (m->type != r->type + 1 && (!fl_is_error(m) || r->type == STYX_Tflush))
    mismatch(c, r, m);
  else if (r->type == STYX_Tflush)
    fl_tags_rflush(c, r);
  else
    replied(c, r, m);
}

void fl_judge_malformed(struct fl_conn *c, const styx_msg *m, styx_err err) {
  const char *name = styx_msg_name(m->type);
  struct fl_req *r = fl_tags_out(c, m->tag);
  if (m->type == STYX_Rflush && r && r->type == STYX_Tflush) {
    fl_violation(c, "F1", "rflush-size", m->tag, STYX_NOFID, "Rflush with tag %u has more than its 7 bytes", m->tag);
    fl_tags_rflush(c, r);
    return;
  }
  fl_violation(c, "format", "undecodable", m->tag, STYX_NOFID, "%s cannot be decoded: %s", name ? name : "a message",
               styx_err_text(err));
  fl_conn_fall(c);
}
