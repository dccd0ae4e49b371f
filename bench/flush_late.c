/* flush_late.c: what never comes. */
#include "flush.h"

#include <stdlib.h>

static bool any_blocked(const struct fl_conn *c) {
  for (unsigned i = 0; i < c->run->o->depth; i++)
    if (c->slots[i].busy && c->slots[i].at >= FL_AT_BLOCKED)
      return true;
  return false;
}

static void lost_flush(struct fl_conn *c, struct fl_req *f) {
  struct fl_req *t = fl_tags_target(c, f);
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
  fl_tags_end_flush(c, f, FL_LOST, false);
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
  fl_tags_settle(c, r, FL_LOST, false);
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

void fl_late(struct fl_conn *c) {
  const uint64_t soon = 250000000;
  uint64_t patience = (uint64_t)(c->run->o->patience * 1e9);
  if (c->stage == FL_VERSION && c->run->now > c->version_at + patience) {
    fl_violation(c, c->old_root == STYX_NOFID ? "answer" : "F16", "rversion-lost", STYX_NOTAG, STYX_NOFID,
                 "no Rversion in %g s", c->run->o->patience);
    fl_conn_fall(c);
  }
  for (int i = 0; i < FL_LATES; i++)
    if (c->lates[i].serial && !is_out(c, c->lates[i].serial))
      forget_late(&c->lates[i]);
  for (unsigned i = 0; i < c->ntags && !c->fallen; i++) {
    struct fl_req *r = fl_tags_out(c, i);
    uint64_t age = r && r->sent && c->run->now > r->sent ? c->run->now - r->sent : 0;
    if (age >= patience)
      give_up(c, r);
    else if (age >= soon)
      suspect(c, r);
  }
}
