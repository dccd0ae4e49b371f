/* flush_plan.c: which requests are flushed, when and how often; and connections that end, or start anew, in mid-work. */
#include "flush.h"

enum {
  UNUSED_TAGS = 0x8000, /* no request ever has one from here on */
  WASTE = 50000000
}; /* ns */

static void flush_flush(struct fl_conn *c, const struct fl_req *f) {
  if (fl_tags_room(c, 1) && fl_chance(c, 120))
    fl_tags_flush(c, fl_tags_of(c, f), f->serial, FL_OF_FLUSH);
}

static void remind(struct fl_conn *c, const struct fl_req *r, enum fl_sort sort, uint64_t at) {
  if (c->ndues < c->ntags)
    c->dues[c->ndues++] = (struct fl_due){at, r->serial, fl_tags_of(c, r), (uint8_t)sort};
}

static uint64_t later(struct fl_conn *c, uint32_t percent) {
  uint64_t ns = c->latency ? c->latency * percent / 100 : 100000;
  return c->run->now + fl_roll(c, ns < 1000000000 ? (uint32_t)ns + 1 : 1000000000);
}

static void flush_now(struct fl_conn *c, const struct fl_req *r, enum fl_sort sort) {
  unsigned n = 1 + (fl_chance(c, 300) ? 1 + fl_chance(c, 300) : 0);
  for (unsigned i = 0; i < n && fl_tags_room(c, 1); i++)
    flush_flush(c, fl_tags_flush(c, fl_tags_of(c, r), r->serial, i ? FL_AGAIN : sort));
}

/* Tflushes that name no request of ours. */
static void flush_nothing(struct fl_conn *c) {
  if (!fl_tags_room(c, 2))
    return;
  if (fl_chance(c, 20))
    fl_tags_flush(c, fl_chance(c, 100) ? STYX_NOTAG : (uint16_t)(UNUSED_TAGS + fl_roll(c, 0x7000)), 0, FL_UNUSED);
  if (!c->run->no_self && fl_chance(c, 4))
    fl_tags_flush(c, 0, 0, FL_SELF);
}

void fl_plan(struct fl_conn *c, struct fl_req *r) {
  bool blocked = r->slot && r->slot->at >= FL_AT_BLOCKED && (r->op == FL_OPEN || r->op == FL_READ);
  if (blocked) {
    remind(c, r, FL_LATER, later(c, 1000));
    return;
  }
  if (c->run->phase != FL_LOADED)
    return;
  if (fl_chance(c, (uint32_t)(c->run->o->ratio * 1000))) {
    uint32_t how = fl_roll(c, 100);
    if (how < 40)
      flush_now(c, r, FL_SAME_WRITE);
    else if (how < 80)
      remind(c, r, FL_LATER, later(c, 200));
    else
      remind(c, r, FL_AFTER, UINT64_MAX);
  }
  if (c->run->o->ratio > 0)
    flush_nothing(c);
}

/* r has its reply. Some are flushed now; some that are being flushed once more (F10). */
void fl_plan_replied(struct fl_conn *c, struct fl_req *r) {
  bool now = r->out > 0 && !r->rflushed && c->run->phase == FL_LOADED && fl_chance(c, 250);
  for (unsigned i = 0; i < c->ndues; i++) {
    if (c->dues[i].serial != r->serial)
      continue;
    now = now || c->dues[i].sort == FL_AFTER || fl_chance(c, 500);
    c->dues[i--] = c->dues[--c->ndues];
  }
  if (now && !r->rflushed && fl_tags_room(c, 4))
    flush_now(c, r, FL_AFTER);
}

void fl_plan_due(struct fl_conn *c) {
  for (unsigned i = 0; i < c->ndues; i++) {
    struct fl_due d = c->dues[i];
    struct fl_req *r = &c->tags[d.tag].req;
    bool over = r->serial != d.serial || r->how != FL_NEVER;
    if (!over && (d.at > c->run->now || !fl_tags_room(c, 4)))
      continue;
    c->dues[i--] = c->dues[--c->ndues];
    if (over)
      continue;
    flush_now(c, r, (enum fl_sort)d.sort);
    if (fl_chance(c, 250))
      remind(c, r, FL_AGAIN, later(c, 100));
  }
}

uint64_t fl_plan_next(const struct fl_conn *c, uint64_t then) {
  for (unsigned i = 0; i < c->ndues; i++)
    then = c->dues[i].at < then ? c->dues[i].at : then;
  return then;
}

/* ---- ends ---- */

/* F14: a client error, which must hurt nobody else: whatever comes of it here. */
static void send_duplicate(struct fl_conn *c) {
  unsigned i = 0;
  while (i < c->ntags && (!c->tags[i].req.serial || c->tags[i].req.how != FL_NEVER))
    i++;
  styx_msg m;
  fl_say_stat(c->run->o->dialect, &m, c->root);
  if (fl_chance(c, 300))
    m = (styx_msg){.type = STYX_Tflush, .oldtag = UNUSED_TAGS};
  m.tag = (uint16_t)(i % c->ntags);
  fl_conn_put(c, &m, 0);
  c->stage = FL_WASTE;
  c->run->result.duplicates++;
  c->waste_until = c->run->now + WASTE;
}

void fl_churn(struct fl_conn *c) {
  uint32_t how = fl_roll(c, 100);
  c->run->churned = c;
  c->run->last_churn = how < 45 ? "F16" : how < 90 ? "F17" : "F14";
  if (how < 45) {
    c->run->result.versions++;
    fl_script_version(c);
  } else if (how < 90) {
    c->run->result.hangups++;
    fl_conn_close(c, how < 65);
    fl_conn_fall(c);
  } else {
    send_duplicate(c);
  }
}
