/* styxflush_random_test.c: random programs around styx/flush.h, whose clients keep lists and check what they receive against
 * the rules (F2 to F6, F10 to F12, F16), reusing each tag at once; and the costs: memory that fails, memory that is not
 * wanted, all the tags there are. STYX_SEED replays. */
#include "styxflush_fixture.h"
#include "support/random.h"

#include <errno.h>

/* ---- both ways of the wire; delivered one at a time, so both sides' views differ as they do on a real one ---- */

enum { TAGS = 12, WIRE = 256, KEPT = 256 };

struct packet {
  uint8_t type;
  uint16_t tag, oldtag;
  unsigned serial; /* of what is asked, or answered: to tell users of one tag apart */
};

struct wire {
  struct packet p[WIRE];
  unsigned first, count;
};

static void put(struct wire *w, struct packet p) {
  cr_assert_lt(w->count, (unsigned)WIRE);
  w->p[(w->first + w->count++) % WIRE] = p;
}

static struct packet get(struct wire *w) {
  struct packet p = w->p[w->first];
  w->first = (w->first + 1) % WIRE;
  w->count--;
  return p;
}

/* ---- the client: everything it has sent in this session, in order, and what it knows of it ---- */

struct sent {
  struct packet t;
  unsigned root;       /* a Tflush: serial of the request it is about in the end; 0: of nothing */
  bool replied, over;  /* its R has come; its tag may be used again */
  bool flushed, ended; /* a request: a Tflush of it was sent; an Rflush of it has come */
};

struct client {
  struct sent sent[KEPT];
  unsigned n, serial, versions;
  bool resetting;
};

static struct sent *outstanding(struct client *c, uint16_t tag) {
  for (unsigned i = 0; i < c->n; i++)
    if (c->sent[i].t.tag == tag && !c->sent[i].over)
      return &c->sent[i];
  return NULL;
}

static struct sent *by_serial(struct client *c, unsigned serial) {
  for (unsigned i = 0; i < c->n; i++)
    if (c->sent[i].t.serial == serial)
      return &c->sent[i];
  return NULL;
}

static void forget_what_is_over(struct client *c) {
  unsigned kept = 0;
  for (unsigned i = 0; i < c->n; i++)
    if (!c->sent[i].over || c->n < KEPT / 2)
      c->sent[kept++] = c->sent[i];
  c->n = kept;
}

static void client_sends(struct client *c, struct wire *to, uint64_t dice) {
  uint16_t tag = (uint16_t)(dice % TAGS), oldtag = (uint16_t)(dice >> 8) % (TAGS + 1);
  struct packet t = {.type = STYX_Tread, .tag = tag, .serial = ++c->serial};
  static const uint8_t types[] = {STYX_Tread, STYX_Tread, STYX_Tstat, STYX_Twalk, STYX_Tclunk, STYX_Tremove};
  if (c->resetting || outstanding(c, tag))
    return;
  if ((dice >> 40) % 512 == 0) {
    c->resetting = true;
    put(to, (struct packet){.type = STYX_Tversion, .tag = STYX_NOTAG, .serial = t.serial});
    return;
  }
  forget_what_is_over(c);
  struct sent *s = &c->sent[c->n++];
  *s = (struct sent){.t = t};
  s->t.type = types[(dice >> 24) % sizeof types];
  if ((dice >> 32) % 2) {
    s->t.type = STYX_Tflush;
    s->t.oldtag = oldtag;
    struct sent *of = oldtag == tag ? NULL : outstanding(c, oldtag);
    s->root = !of ? 0 : of->t.type == STYX_Tflush ? of->root : of->t.serial;
    struct sent *root = s->root ? by_serial(c, s->root) : NULL;
    if (root)
      root->flushed = true;
  }
  put(to, s->t);
}

static void rflush_came(struct client *c, struct sent *f) {
  for (struct sent *s = c->sent; s < f; s++)
    cr_assert(s->over || s->t.type != STYX_Tflush || !f->root || s->root != f->root,
              "F10: Rflush %u, but %u was sent before", f->t.tag, s->t.tag);
  f->over = true;
  struct sent *root = f->root ? by_serial(c, f->root) : NULL;
  if (root) /* from here on its tag is free, and nothing may come for it */
    root->over = root->ended = true;
}

static void reply_came(struct sent *s, struct packet r) {
  cr_assert(r.type == s->t.type + 1 || r.type == STYX_Rerror, "%u is no reply to %u", r.type, s->t.type);
  cr_assert_not(s->replied, "F5: a second reply under tag %u", r.tag);
  s->replied = true;
  s->over = !s->flushed; /* else it is reserved until an Rflush */
}

static void client_receives(struct client *c, struct packet r) {
  if (r.type == STYX_Rversion) {
    cr_assert(c->resetting);
    *c = (struct client){.serial = c->serial, .versions = c->versions + 1};
    return;
  }
  struct sent *s = outstanding(c, r.tag);
  cr_assert_not_null(s, "F6, F16: %s under tag %u, which nobody uses", styx_msg_name(r.type), r.tag);
  cr_assert_eq(r.type == STYX_Rflush, s->t.type == STYX_Tflush, "F2: %s for tag %u", styx_msg_name(r.type), r.tag);
  if (r.type == STYX_Rflush) {
    rflush_came(c, s);
    return;
  }
  cr_assert_eq(r.serial, s->t.serial, "F4: an answer to an older user of tag %u", r.tag);
  cr_assert_not(s->ended, "F6");
  reply_came(s, r);
}

/* ---- the server: what runs, in a list ---- */

struct job {
  struct packet t;
  styx_flush_req *req;
  bool told, lost, acked;
};

struct server {
  styx_flush *f;
  struct job *job[4 * WIRE];
  unsigned n, cancelled;
};

static void server_rflushes(struct server *s, struct wire *out) {
  for (styx_msg m; styx_flush_next(s->f, &m);)
    put(out, (struct packet){.type = m.type, .tag = m.tag});
}

static void lose(void *arg, styx_flush_req *req) {
  struct server *s = arg;
  struct job *j = styx_flush_request(req);
  cr_assert_not(j->lost);
  j->lost = true;
  s->cancelled++;
}

static void dispatch(struct server *s, struct job *j) {
  cr_assert_lt(s->n, 4u * WIRE);
  cr_assert_eq(styx_flush_tag(j->req), j->t.tag);
  s->job[s->n++] = j;
}

static void server_receives(struct server *s, struct client *c, struct packet t, struct wire *out) {
  styx_msg msg = {.type = t.type, .tag = t.tag, .oldtag = t.oldtag}, reply;
  struct job *j = calloc(1, sizeof *j);
  styx_flush_req *req = NULL;
  cr_assert_not_null(j);
  j->t = t;
  switch (styx_flush_t(s->f, &msg, j, &req, &reply)) {
  case STYX_FLUSH_DISPATCH:
    j->req = req;
    dispatch(s, j);
    return;
  case STYX_FLUSH_TELL: {
    struct job *told = styx_flush_request(req);
    cr_assert_eq(told->t.serial, by_serial(c, t.serial)->root, "F4: it is about another one");
    cr_assert(!told->told && !told->lost && told->t.type != STYX_Tclunk && told->t.type != STYX_Tremove);
    told->told = true;
    break;
  }
  case STYX_FLUSH_REPLY:
    cr_assert_eq(reply.type, STYX_Rflush);
    put(out, (struct packet){.type = reply.type, .tag = reply.tag});
    break;
  case STYX_FLUSH_WAIT:
    break;
  case STYX_FLUSH_VERSION:
    styx_flush_abort(s->f, lose, s);
    put(out, (struct packet){.type = STYX_Rversion, .tag = t.tag, .serial = t.serial});
    break;
  case STYX_FLUSH_END:
    cr_assert_fail("there is memory");
  }
  free(j);
}

static void server_answers(struct server *s, unsigned which, uint64_t dice, struct wire *out) {
  struct job *j = s->job[which];
  struct packet r = {.type = (uint8_t)(j->t.type + 1), .tag = j->t.tag, .serial = j->t.serial};
  bool write;
  if (dice % 4 == 0 && !j->acked && styx_flush_ack(s->f, j->req)) {
    cr_assert(j->told);
    j->acked = true;
    return; /* it runs on */
  }
  if (dice % 4 == 1) {
    r.type = STYX_Rerror;
    write = styx_flush_interrupted(s->f, j->req);
    cr_assert(!j->told || !write);
  } else {
    write = styx_flush_reply(s->f, j->req);
    cr_assert_eq(write, !j->acked && !j->lost);
  }
  if (write)
    put(out, r);
  s->job[which] = s->job[--s->n];
  free(j);
}

Test(styxflush_random, clients_that_reuse_every_tag_at_once_see_no_rule_broken) {
  uint64_t state = seed_of_run();
  struct program *p = program_new();
  struct server s = {.f = p->f};
  struct client *c = calloc(1, sizeof *c);
  struct wire *up = calloc(1, sizeof *up), *down = calloc(1, sizeof *down);
  cr_assert(c && up && down);
  for (int step = 0; step < 400000; step++) {
    uint64_t dice = random_of(&state);
    unsigned turn = (unsigned)(dice >> 60);
    bool busy = s.n > 3u * WIRE || up->count > WIRE / 2 || down->count > WIRE / 2;
    if (turn < 5 && !busy)
      client_sends(c, up, dice & (UINT64_MAX >> 4));
    else if (turn < 9 && !busy && up->count)
      server_receives(&s, c, get(up), down);
    else if (turn < 12 && !busy && s.n)
      server_answers(&s, (unsigned)(dice % s.n), dice >> 32, down);
    else if (down->count)
      client_receives(c, get(down));
    if (dice >> 8 & 7) /* mostly: order may not depend on it */
      server_rflushes(&s, down);
  }
  while (up->count || s.n || down->count) { /* everybody comes to an end */
    if (up->count)
      server_receives(&s, c, get(up), down);
    while (s.n)
      server_answers(&s, 0, 2, down);
    server_rflushes(&s, down);
    while (down->count)
      client_receives(c, get(down));
  }
  for (unsigned i = 0; i < c->n; i++)
    cr_assert(c->sent[i].over, "F2, F3: tag %u got no answer", c->sent[i].t.tag);
  cr_assert_gt(c->versions, 10u);
  cr_assert_gt(s.cancelled, 10u);
  free(c);
  free(up);
  free(down);
  program_free(p);
}

/* ---- memory ---- */

enum { MANY = 100 };

struct scene {
  struct memory memory;
  styx_flush *f;
  styx_flush_req *reqs[MANY];
  unsigned n;
  bool refused, ended;
};

static void ask(struct scene *s, uint16_t tag) {
  styx_msg t = {.type = STYX_Tread, .tag = tag}, reply;
  styx_flush_verdict v = styx_flush_t(s->f, &t, NULL, &s->reqs[s->n], &reply);
  if (v == STYX_FLUSH_REPLY) {
    cr_assert_eq(reply.type, STYX_Rerror);
    cr_assert_eq(reply.tag, tag);
    cr_assert_eq(reply.ecode, ENOMEM);
    s->refused = true;
    v = styx_flush_t(s->f, &t, NULL, &s->reqs[s->n], &reply); /* memory is back, and the tag was not lost */
  }
  cr_assert_eq(v, STYX_FLUSH_DISPATCH);
  s->n++;
}

static void flush_last(struct scene *s, uint16_t tag) {
  styx_flush_req *last = s->reqs[s->n - 1], *told;
  styx_msg t = {.type = STYX_Tflush, .tag = tag, .oldtag = styx_flush_tag(last)}, reply;
  styx_flush_verdict v = styx_flush_t(s->f, &t, NULL, &told, &reply);
  s->ended = v == STYX_FLUSH_END;
  cr_assert(s->ended || v == STYX_FLUSH_TELL, "it is not answered too early");
  cr_assert_eq(styx_flush_is_flushed(last), !s->ended);
}

/* Requests, all but the first few flushed. Whatever happens, everything is given back. */
static struct scene play(size_t fail_at, uint16_t unflushed) {
  struct scene s = {.memory.fail_at = fail_at};
  styx_allocator a = {memory_alloc, memory_free, &s.memory};
  if (styx_flush_new(&s.f, &a) != STYX_OK) {
    cr_assert_null(s.f);
    s.refused = true;
    return s;
  }
  for (uint16_t tag = 0; tag < MANY && !s.ended; tag++) {
    ask(&s, tag);
    if (tag >= unflushed)
      flush_last(&s, tag + MANY);
  }
  styx_flush_abort(s.f, NULL, NULL);
  for (unsigned i = 0; i < s.n; i++)
    cr_assert_not(styx_flush_reply(s.f, s.reqs[i]));
  cr_assert_eq(styx_flush_outstanding(s.f), 0);
  styx_flush_free(s.f);
  cr_assert_eq(s.memory.live, 0);
  return s;
}

Test(styxflush_random, every_allocation_may_fail_and_nothing_is_lost) {
  for (uint16_t unflushed = 0; unflushed < 2; unflushed++) {
    size_t refused = 0, ended = 0;
    for (size_t n = 1;; n++) {
      struct scene s = play(n, unflushed);
      if (!s.refused && !s.ended)
        break;
      refused += s.refused;
      ended += s.ended;
    }
    cr_assert_geq(refused, 5, "the object and four batches");
    cr_assert_geq(refused + ended, 10, "and each growth of the table");
    cr_assert_eq(ended > 0, unflushed == 1, "which comes with a request, or with a Tflush");
  }
}

Test(styxflush_random, a_request_that_is_refused_for_want_of_memory_leaves_nothing_taken) {
  struct program *p = program_new();
  styx_flush_req *reqs[13];
  for (uint16_t tag = 0; tag < 12; tag++) /* the table is full */
    reqs[tag] = request(p, STYX_Tread, tag);
  for (int i = 0; i < 100; i++) {
    p->memory.fail_at = p->memory.calls + 1;
    cr_assert_eq(t_of(p, STYX_Tread, 12, 0, NULL, &reqs[12]), STYX_FLUSH_REPLY);
    p->said = 0;
  }
  size_t calls = p->memory.calls;
  reqs[12] = request(p, STYX_Tread, 12);
  cr_assert_eq(p->memory.calls, calls + 1, "it is the table that grows, and it alone");
  styx_flush_abort(p->f, NULL, NULL);
  for (int i = 0; i < 13; i++)
    interrupted(p, reqs[i]);
  program_free(p);
}

/* n requests, each flushed, all answered: what has been outstanding once needs no memory again. */
static void tide(struct program *p, styx_flush_req **reqs, uint16_t n) {
  styx_flush_req *told;
  for (uint16_t tag = 0; tag < n; tag++) {
    styx_msg t = {.type = STYX_Tread, .tag = tag}, m;
    cr_assert_eq(styx_flush_t(p->f, &t, NULL, &reqs[tag], &m), STYX_FLUSH_DISPATCH);
    t = (styx_msg){.type = STYX_Tflush, .tag = (uint16_t)(tag + n), .oldtag = tag};
    cr_assert_eq(styx_flush_t(p->f, &t, NULL, &told, &m), STYX_FLUSH_TELL);
  }
  for (uint16_t i = 0; i < n; i++) {
    uint16_t tag = (uint16_t)(i * 7919u % n);
    styx_msg m;
    cr_assert(styx_flush_reply(p->f, reqs[tag]));
    cr_assert(styx_flush_next(p->f, &m));
    cr_assert_eq(m.tag, tag + n);
    cr_assert_not(styx_flush_next(p->f, &m));
  }
}

Test(styxflush_random, a_steady_state_allocates_nothing) {
  struct program *p = program_new();
  styx_flush_req *reqs[1000];
  tide(p, reqs, 1000);
  size_t calls = p->memory.calls, live = p->memory.live;
  for (int i = 0; i < 20; i++)
    tide(p, reqs, i % 2 ? 1 : 1000);
  cr_assert_eq(p->memory.calls, calls);
  cr_assert_eq(p->memory.live, live);
  program_free(p);
}

/* ---- as many as there can be (bug 11: there, quadratic) ---- */

Test(styxflush_random, all_tags_at_once_as_requests) {
  struct program *p = program_new();
  static styx_flush_req *reqs[STYX_NOTAG];
  styx_flush_req *none = NULL;
  for (uint16_t tag = 0; tag < STYX_NOTAG; tag++)
    reqs[tag] = request_for(p, STYX_Tread, tag, &reqs[tag]);
  cr_assert_eq(styx_flush_outstanding(p->f), STYX_NOTAG);
  cr_assert_leq(p->memory.calls, 1u + STYX_NOTAG / 32 + 1 + 14, "a batch for each 32, and the table's doublings");
  cr_assert_lt(p->memory.live, 8u << 20);
  for (uint16_t tag = 0; tag < STYX_NOTAG; tag++) {
    cr_assert_eq(styx_flush_request(reqs[tag]), &reqs[tag]);
    cr_assert_eq(t_of(p, STYX_Tread, tag, 0, NULL, &none), STYX_FLUSH_REPLY);
    p->said = 0;
    cr_assert_eq(flush(p, tag, (uint16_t)(tag ^ 1)), STYX_FLUSH_REPLY, "no tag is left for it");
    p->said = 0;
  }
  for (uint16_t i = 0; i < STYX_NOTAG; i++) {
    uint16_t tag = (uint16_t)(i * 7919u % STYX_NOTAG);
    cr_assert_not(styx_flush_is_flushed(reqs[tag]));
    cr_assert(styx_flush_reply(p->f, reqs[tag]));
  }
  program_free(p);
}

Test(styxflush_random, all_tags_at_once_as_tflushes_of_one_request) {
  struct program *p = program_new();
  styx_flush_req *r = request(p, STYX_Tread, 0);
  styx_msg m;
  for (uint16_t tag = 1; tag < STYX_NOTAG; tag++) /* of it, and of each other */
    cr_assert_eq(flush(p, tag, tag % 3 ? (uint16_t)(tag - 1) : 0), tag == 1 ? STYX_FLUSH_TELL : STYX_FLUSH_WAIT);
  cr_assert_leq(p->memory.calls, 2u + 14, "they need no memory but the table's");
  cr_assert(styx_flush_ack(p->f, r));
  for (uint16_t tag = 1; tag < STYX_NOTAG; tag++) {
    cr_assert(styx_flush_next(p->f, &m));
    cr_assert_eq(m.tag, tag);
  }
  cr_assert_not(styx_flush_next(p->f, &m));
  reply(p, r, STYX_Rread);
  program_free(p);
}
