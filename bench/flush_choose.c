/* flush_choose.c: what a slot asks next. What the request must lead to is known when it is sent, since nothing else uses the
 * slot's fid and file. */
#include "flush.h"

struct weight {
  uint8_t op;
  uint8_t absent, present; /* how often, while our file does not exist, and while it does */
};

static const struct weight of_free[] = {
    {FL_WALK_DIR, 40, 25}, {FL_WALK_FILE, 10, 45}, {FL_WALK_PAST, 3, 6},     {FL_ATTACH, 5, 5},
    {FL_STAT, 3, 3},       {FL_CLUNK, 1, 1},       {FL_SHARED_READ, 20, 20}, {0}};
static const struct weight of_dir[] = {
    {FL_CREATE, 60, 5},       {FL_WALK_HERE, 5, 40}, {FL_STAT, 12, 12},  {FL_CLUNK, 10, 10},
    {FL_SHARED_READ, 15, 15}, {FL_READ, 2, 2},       {FL_UNLINK, 3, 15}, {0}};
static const struct weight of_root[] = {{FL_CLUNK, 60, 60}, {FL_STAT, 30, 30}, {0}};
static const struct weight of_file[] = {{FL_OPEN, 60, 60},
                                        {FL_STAT, 15, 15},
                                        {FL_CLUNK, 10, 10},
                                        {FL_REMOVE, 5, 5},
                                        {FL_READ, 3, 3},
                                        {FL_SHARED_READ, 10, 10},
                                        {0}};
static const struct weight of_open[] = {
    {FL_READ, 35, 35}, {FL_WRITE, 30, 30}, {FL_STAT, 8, 8},          {FL_CLUNK, 12, 12},
    {FL_REMOVE, 5, 5}, {FL_OPEN, 2, 2},    {FL_SHARED_READ, 15, 15}, {0}};
static const struct weight *const choices[] = {of_free, of_dir, of_root, of_file, of_open};

static enum fl_op weighted(struct fl_conn *c, const struct fl_slot *s) {
  bool unlinkat = c->run->o->dialect == STYX_9P2000_L && !c->run->no_unlinkat;
  uint32_t sum = 0;
  for (const struct weight *w = choices[s->at]; w->op; w++)
    sum += w->op == FL_UNLINK && !unlinkat ? 0 : s->exists ? w->present : w->absent;
  uint32_t at = fl_roll(c, sum);
  for (const struct weight *w = choices[s->at];; w++) {
    uint32_t n = w->op == FL_UNLINK && !unlinkat ? 0 : s->exists ? w->present : w->absent;
    if (at < n)
      return (enum fl_op)w->op;
    at -= n;
  }
}

/* A request went without a reply: what would show that it has happened after all? */
static enum fl_op probe(struct fl_conn *c, struct fl_slot *s) {
  enum fl_op flushed = (enum fl_op)s->probe;
  s->probe = FL_NONE;
  c->run->result.probes++;
  switch (flushed) {
  case FL_WALK_DIR:
  case FL_WALK_FILE:
  case FL_WALK_PAST:
  case FL_ATTACH:
    return fl_chance(c, 500) ? FL_STAT : FL_WALK_DIR;
  case FL_OPEN:
    return fl_chance(c, 500) ? FL_READ : fl_chance(c, 300) ? FL_STAT : FL_OPEN;
  case FL_CREATE:
    return fl_chance(c, 500) ? FL_STAT : FL_WALK_HERE;
  case FL_WRITE:
    s->read_all = s->mode != STYX_OWRITE;
    return s->read_all ? FL_READ : FL_STAT;
  case FL_UNLINK:
    return FL_WALK_HERE;
  default:
    return FL_STAT;
  }
}

/* Look whether the file is what it must be, then let go of the fid. */
static enum fl_op verify(struct fl_slot *s) {
  if (s->at == FL_FREE)
    return s->verified ? FL_NONE : FL_WALK_FILE;
  if (s->at == FL_AT_FILE && !s->verified)
    return FL_OPEN;
  if (s->at == FL_AT_OPEN && !s->verified && s->mode != STYX_OWRITE) {
    s->read_all = true;
    return FL_READ;
  }
  return FL_CLUNK;
}

static enum fl_op choose_blocked(const struct fl_conn *c, const struct fl_slot *s) {
  bool loaded = c->run->phase == FL_LOADED;
  if (s->at == FL_FREE)
    return loaded ? FL_WALK_BLOCKED : FL_NONE;
  if (!loaded || s->probe)
    return FL_CLUNK;
  return s->at == FL_AT_BLOCKED ? FL_OPEN : FL_READ;
}

static enum fl_op choose(struct fl_conn *c, struct fl_slot *s) {
  if (s->unsure)
    return FL_CLUNK;
  if (s->blocked)
    return choose_blocked(c, s);
  if (s->probe && s->probe_after > 0) {
    s->probe_after--;
    return FL_SHARED_READ;
  }
  if (s->probe)
    return probe(c, s);
  if (c->run->phase == FL_SETTLE)
    return FL_NONE;
  return c->run->phase == FL_DRAIN ? verify(s) : weighted(c, s);
}

static uint8_t must(const struct fl_slot *s, enum fl_op op) {
  bool good = true;
  switch (op) {
  case FL_WALK_FILE:
  case FL_WALK_HERE:
  case FL_UNLINK:
    good = s->exists;
    break;
  case FL_WALK_PAST:
    return s->exists ? FL_WANT_PARTIAL : FL_WANT_ERROR;
  case FL_CREATE:
    good = !s->exists;
    break;
  case FL_OPEN:
    good = s->at == FL_AT_FILE;
    break;
  case FL_READ:
    good = s->at == FL_AT_OPEN && s->mode != STYX_OWRITE;
    break;
  case FL_WRITE:
    good = s->at == FL_AT_OPEN && s->mode != STYX_OREAD;
    break;
  case FL_STAT:
  case FL_CLUNK:
    good = s->at != FL_FREE;
    break;
  default:;
  }
  if (s->unsure || s->at >= FL_AT_BLOCKED)
    return FL_WANT_ANY;
  return good ? FL_WANT_OK : FL_WANT_ERROR;
}

static uint32_t at_most(uint32_t a, uint32_t b) { return a < b ? a : b; }

static void amount(struct fl_conn *c, struct fl_slot *s, struct fl_ask *a) {
  uint32_t room = c->msize - STYX_IOHDRSZ;
  if (a->op == FL_SHARED_READ) {
    a->offset = fl_roll(c, FL_SHARED + 64);
    a->count = at_most(1 + fl_roll(c, 1024), room);
  } else if (a->op == FL_READ && (s->read_all || s->at >= FL_AT_BLOCKED)) {
    a->count = at_most(FL_FILE, room);
  } else if (a->op == FL_READ) {
    a->offset = fl_roll(c, s->length + 16);
    a->count = at_most(1 + fl_roll(c, FL_FILE), room);
  } else if (a->op == FL_WRITE) {
    a->offset = fl_roll(c, at_most(s->length, FL_FILE - 1) + 1);
    a->count = at_most(at_most(1 + fl_roll(c, 300), FL_FILE - (uint32_t)a->offset), room);
    a->seed = c->run->serial << 16 | fl_roll(c, 1 << 16);
  }
}

static void open_mode(struct fl_conn *c, const struct fl_slot *s, struct fl_ask *a) {
  static const uint8_t modes[] = {STYX_ORDWR, STYX_ORDWR, STYX_ORDWR, STYX_OREAD, STYX_OWRITE};
  bool reading = c->run->phase == FL_DRAIN || s->blocked;
  a->mode = reading ? STYX_OREAD : modes[fl_roll(c, 5)];
  a->trunc = !reading && a->mode != STYX_OREAD && fl_chance(c, 200);
}

static bool ask(struct fl_conn *c, struct fl_slot *s, enum fl_op op) {
  uint8_t data[FL_FILE];
  char name[32];
  styx_msg m;
  struct fl_ask *a = &s->ask;
  if (!fl_tags_room(c, 6))
    return false;
  *a = (struct fl_ask){.op = (uint8_t)op, .want = must(s, op)};
  amount(c, s, a);
  if (op == FL_OPEN)
    open_mode(c, s, a);
  if (op == FL_WRITE)
    fl_fill(data, a->count, a->seed);
  fl_say(c, s, &m, data, name, sizeof name);
  s->busy = true;
  c->nbusy++;
  fl_plan(c, fl_tags_send(c, &m, s, op));
  return true;
}

void fl_choose(struct fl_conn *c, struct fl_slot *s) {
  enum fl_op op = s->busy ? FL_NONE : choose(c, s);
  if (op == FL_NONE || !ask(c, s, op))
    return;
  c->run->phase_ops++;
  c->run->result.requests += c->run->phase == FL_LOADED;
  if (c->until_churn > 0 && c->run->phase == FL_LOADED)
    c->until_churn--;
}
