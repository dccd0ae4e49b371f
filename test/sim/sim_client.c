/* sim_client.c: what the clients send: mostly what a sensible client would, from a guess of how things will turn out, and
 * often enough what no sensible client would. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

/* ---- messages ---- */

static uint8_t buf[1024];

static void put(struct conn *c, struct creq *r, const styx_msg *m) {
  struct sim *w = c->w;
  ptrdiff_t n = styx_encode(buf, sizeof buf, m, STYX_9P2000);
  if (n <= 0)
    sim_fail(w, "the client cannot encode its own message: %d", (int)n);
  char text[300];
  if (w->tracing) {
    styx_msg_print(text, sizeof text, m, STYX_9P2000);
    sim_note(w, "c%d > [%u] %s%s", c->index, (unsigned)r->id, text, r->dup ? " (duplicate tag)" : "");
  }
  memcpy(c->tx + c->tx_len, buf, (size_t)n);
  c->tx_len += (size_t)n;
  c->outstanding++;
}

static struct creq *new_req(struct conn *c, uint8_t type, styx_msg *m) {
  struct sim *w = c->w;
  struct creq *r = &w->reqs[w->nreqs];
  *r = (struct creq){.conn = c,
                     .id = (uint32_t)w->nreqs,
                     .next = -1,
                     .type = type,
                     .fid = STYX_NOFID,
                     .newfid = STYX_NOFID,
                     .afid = STYX_NOFID};
  *m = (styx_msg){.type = type};
  if (type == STYX_Tversion) {
    r->tag = STYX_NOTAG;
  } else if (sim_chance(w, 2)) {
    struct creq *first = sim_some_outstanding(c, false);
    r->dup = first != NULL;
    r->tag = first ? first->tag : sim_free_tag(c);
  } else if (sim_chance(w, 1) && !sim_first_on_tag(c, STYX_NOTAG)) {
    r->tag = STYX_NOTAG;
    r->bad = type != STYX_Tflush;
  } else {
    r->tag = sim_free_tag(c);
  }
  m->tag = r->tag;
  w->nreqs++;
  if (c->last >= 0)
    w->reqs[c->last].next = (int)r->id;
  else
    c->first = (int)r->id;
  if (c->head < 0)
    c->head = (int)r->id;
  c->last = (int)r->id;
  return r;
}

static void mark_interruptible(struct conn *c, const struct creq *before) {
  for (int i = c->head; i >= 0 && i != (int)before->id; i = c->w->reqs[i].next)
    c->w->reqs[i].may_interrupt = true;
}

static void set_fid(struct conn *c, struct creq *r, styx_msg *m, int fid) {
  r->fid = m->fid = sim_fid_numbers[fid];
  r->alone = true;
  for (int i = c->head; i >= 0 && i != (int)r->id; i = c->w->reqs[i].next) {
    const struct creq *o = &c->w->reqs[i];
    if (o->fate == OUT && (o->fid == r->fid || o->newfid == r->fid || o->afid == r->fid || o->type == STYX_Tversion))
      r->alone = false;
  }
}

static void send_version(struct conn *c, bool good) {
  struct sim *w = c->w;
  static const char *const odd[] = {"", "9P", "Styx", "9P1999", "9P2000x"};
  static const char *const fine[] = {"9P2000", "9P2000", "9P2000.u", "9P2001"};
  styx_msg m;
  if (sim_first_on_tag(c, STYX_NOTAG))
    return;
  struct creq *r = new_req(c, STYX_Tversion, &m);
  r->version_ok = good || !sim_chance(w, 25);
  m.msize = 256 + (sim_chance(w, 50) ? sim_roll(w, 100) : sim_roll(w, 20000));
  m.version = styx_str_of(r->version_ok ? fine[sim_roll(w, 4)] : odd[sim_roll(w, 5)]);
  if (!r->version_ok && sim_chance(w, 30)) {
    m.version = styx_str_of("9P2000");
    m.msize = sim_roll(w, 256);
  }
  r->count = m.msize;
  if (r->version_ok) {
    mark_interruptible(c, r);
    memset(c->guess, 0, sizeof c->guess);
  }
  put(c, r, &m);
}

static void set_names(const struct creq *r, styx_msg *m) {
  static char user[20];
  int n = snprintf(user, sizeof user, "u%u", (unsigned)r->user);
  m->uname = (styx_str){user, (size_t)n};
  m->aname = styx_str_of(sim_anames[r->aname]);
}

/* The afid of some conversation, mostly with the names that it is for. */
static void use_afid(struct conn *c, struct creq *r) {
  struct sim *w = c->w;
  uint32_t at = sim_roll(w, NFID);
  for (uint32_t i = 0; i < NFID; i++) {
    const struct creq *a = c->guess[(at + i) % NFID].auth;
    if (!a)
      continue;
    r->afid = sim_fid_numbers[(at + i) % NFID];
    r->user = sim_chance(w, 5) ? r->id : a->user;
    r->aname = sim_chance(w, 5) ? (int)sim_roll(w, NANAME) : a->aname;
    return;
  }
}

static void send_attach(struct conn *c) {
  struct sim *w = c->w;
  styx_msg m;
  struct creq *r = new_req(c, STYX_Tattach, &m);
  int fid = sim_pick_fid(c, W_FREE);
  set_fid(c, r, &m, fid);
  r->user = r->id;
  r->aname = sim_chance(w, 60) ? 0 : (int)sim_roll(w, w->auth ? NANAME : GUARDED);
  r->afid = sim_chance(w, 4) ? sim_fid_numbers[sim_roll(w, NFID)] : STYX_NOFID;
  if (w->auth && !r->dup && sim_chance(w, 70))
    use_afid(c, r);
  set_names(r, &m);
  m.afid = r->afid;
  r->bad |= r->aname == NOWHERE;
  if (!r->bad && !c->guess[fid].bound)
    c->guess[fid] = (struct guess){.bound = true, .dir = true};
  put(c, r, &m);
}

static void send_walk(struct conn *c) {
  struct sim *w = c->w;
  styx_msg m;
  struct creq *r = new_req(c, STYX_Twalk, &m);
  int fid = sim_pick_fid(c, sim_chance(w, 80) ? W_DIR : W_CLOSED),
      newfid = sim_chance(w, 20) ? fid : sim_pick_fid(c, W_FREE);
  set_fid(c, r, &m, fid);
  r->newfid = m.newfid = sim_chance(w, 1) ? STYX_NOFID : sim_fid_numbers[newfid];
  r->nwname = m.nwname = (uint16_t)(sim_chance(w, 5) ? sim_roll(w, 17) : sim_roll(w, 4));
  static char names[STYX_MAXWELEM][20];
  struct guess g = c->guess[fid];
  bool ok = g.bound && !g.open;
  for (unsigned i = 0; i < r->nwname; i++) {
    r->bits[i] = (uint8_t) "ddddfffx."[sim_roll(w, 9)];
    int n = snprintf(names[i], sizeof names[i], r->bits[i] == '.' ? ".." : "%c%u#%u", r->bits[i], sim_roll(w, 9),
                     (unsigned)r->id);
    m.wname[i] = (styx_str){names[i], (size_t)n};
    ok = ok && g.dir && r->bits[i] != 'x';
    g.dir = r->bits[i] != 'f';
  }
  if (ok && (newfid == fid || !c->guess[newfid].bound))
    c->guess[newfid] = g;
  put(c, r, &m);
}

static uint8_t some_mode(struct sim *w, bool dir) {
  uint8_t mode = (uint8_t)sim_roll(w, 4);
  if (dir && !sim_chance(w, 10))
    return STYX_OREAD;
  return sim_chance(w, 20) ? mode | (sim_chance(w, 50) ? STYX_OTRUNC : STYX_ORCLOSE) : mode;
}

static void send_open(struct conn *c) {
  styx_msg m;
  struct creq *r = new_req(c, STYX_Topen, &m);
  int fid = sim_pick_fid(c, W_CLOSED);
  set_fid(c, r, &m, fid);
  r->mode = m.mode = some_mode(c->w, c->guess[fid].dir);
  c->guess[fid].open = c->guess[fid].bound;
  c->guess[fid].mode = m.mode;
  put(c, r, &m);
}

static void send_create(struct conn *c) {
  styx_msg m;
  struct creq *r = new_req(c, STYX_Tcreate, &m);
  int fid = sim_pick_fid(c, W_DIR);
  set_fid(c, r, &m, fid);
  char name[20];
  int n = snprintf(name, sizeof name, "n#%u", (unsigned)r->id);
  m.name = (styx_str){name, (size_t)n};
  bool dir = sim_chance(c->w, 20);
  m.perm = dir ? STYX_DMDIR | 0755 : 0644;
  r->mode = m.mode = dir ? (uint8_t)STYX_OREAD : some_mode(c->w, false);
  r->bits[0] = dir ? 'd' : 'f';
  if (c->guess[fid].bound)
    c->guess[fid] = (struct guess){.bound = true, .open = true, .dir = dir, .mode = m.mode};
  put(c, r, &m);
}

static void send_read(struct conn *c) {
  struct sim *w = c->w;
  styx_msg m;
  struct creq *r = new_req(c, STYX_Tread, &m);
  bool dir = sim_chance(w, 50);
  int fid = sim_pick_fid(c, dir ? W_DIR_OPEN : W_FILE_OPEN);
  set_fid(c, r, &m, fid);
  r->count = m.count = sim_chance(w, 10) ? sim_roll(w, 100000) : sim_roll(w, 250);
  r->offset = ((uint64_t)r->id + 1) << OFFSET_SHIFT;
  if (dir)
    r->offset = sim_chance(w, 30) ? 0 : sim_chance(w, 90) ? c->fids[fid].dir_offset : sim_roll(w, 1 << OFFSET_SHIFT);
  m.offset = r->offset;
  put(c, r, &m);
}

static void send_write(struct conn *c) {
  static uint8_t data[100];
  styx_msg m;
  struct creq *r = new_req(c, STYX_Twrite, &m);
  set_fid(c, r, &m, sim_pick_fid(c, W_FILE_OPEN));
  r->offset = m.offset = ((uint64_t)r->id + 1) << OFFSET_SHIFT;
  r->count = m.count = sim_roll(c->w, sizeof data);
  for (size_t i = 0; i < m.count; i++)
    data[i] = sim_byte(r->id, i);
  m.data = data;
  put(c, r, &m);
}

static void send_on_fid(struct conn *c, uint8_t type) {
  styx_msg m;
  struct creq *r = new_req(c, type, &m);
  int fid = sim_pick_fid(c, W_ANY);
  set_fid(c, r, &m, fid);
  if (sim_must_run(type))
    c->guess[fid] = (struct guess){0};
  if (type == STYX_Twstat) {
    m.stat = styx_stat_untouched();
    r->count = sim_chance(c->w, 75);
    if (r->count)
      m.stat.mtime = r->id + 1;
  }
  put(c, r, &m);
}

static void send_auth(struct conn *c) {
  styx_msg m;
  struct creq *r = new_req(c, STYX_Tauth, &m);
  int fid = sim_pick_fid(c, W_FREE);
  set_fid(c, r, &m, fid);
  m.afid = r->fid;
  r->user = r->id;
  r->aname = c->w->auth && !sim_chance(c->w, 10) ? GUARDED + (int)sim_roll(c->w, NANAME - GUARDED)
                                                 : (int)sim_roll(c->w, GUARDED);
  r->bad |= r->aname < GUARDED;
  c->auths++;
  set_names(r, &m);
  if (!r->bad && !c->guess[fid].bound)
    c->guess[fid] = (struct guess){.bound = true, .open = true, .mode = STYX_ORDWR, .auth = r};
  put(c, r, &m);
}

static void send_flush(struct conn *c) {
  struct sim *w = c->w;
  styx_msg m;
  uint32_t what = sim_roll(w, 20);
  struct creq *victim = what < 13 ? sim_some_outstanding(c, false) : what < 17 ? sim_some_outstanding(c, true) : NULL;
  struct creq *r = new_req(c, STYX_Tflush, &m);
  if (r->dup || r->tag == STYX_NOTAG)
    victim = NULL;
  r->victim = victim;
  r->oldtag = victim ? victim->tag : what == 17 ? r->tag : what == 18 ? (uint16_t)STYX_NOTAG : 60000;
  if (r->dup && what == 17)
    r->oldtag = 60000;
  m.oldtag = r->oldtag;
  r->root = victim && victim->type == STYX_Tflush ? victim->root : victim;
  if (victim)
    victim->flushed = true;
  if (r->root && sim_must_run(r->root->type))
    mark_interruptible(c, r->root);
  put(c, r, &m);
}

/* Well framed and wrong: an error, and no more. */
static void send_bad(struct conn *c) {
  styx_msg m;
  struct creq *r = new_req(c, STYX_Tclunk, &m);
  r->bad = true;
  r->fid = STYX_NOFID;
  m.fid = STYX_NOFID;
  put(c, r, &m);
  if (!r->dup && sim_chance(c->w, 50)) { /* as a message that does not exist, or with a byte too many */
    uint8_t *p = c->tx + c->tx_len - 11;
    r->type = p[4] = sim_chance(c->w, 50) ? 106 : 200;
  } else {
    c->tx[c->tx_len++] = 7;
    c->tx[c->tx_len - 12]++;
  }
}

/* What cannot be followed by anything: a size that is none, or a reply. */
static void send_garbage(struct conn *c) {
  static const uint8_t bytes[3][7] = {
      {6, 0, 0, 0, 120, 1, 0}, {255, 255, 255, 255, 120, 1, 0}, {7, 0, 0, 0, 121, 1, 0}};
  memcpy(c->tx + c->tx_len, bytes[sim_roll(c->w, 3)], 7);
  c->tx_len += 7;
  c->garbage = true;
  sim_note(c->w, "c%d > garbage", c->index);
}

enum slot {
  ATTACH,
  WALK,
  WALK2,
  OPEN,
  CREATE,
  READ,
  WRITE,
  AUTH,
  FLUSH,
  BAD,
  CLUNK,
  REMOVE,
  STAT,
  WSTAT,
  VERSION,
  GARBAGE
};

/* A client without a fid that fits does what it takes to have one. */
static unsigned sensible(struct conn *c, unsigned slot) {
  static const int needs[16] = {[ATTACH] = W_FREE, [WALK] = W_CLOSED, [WALK2] = W_CLOSED,    [OPEN] = W_CLOSED,
                                [CREATE] = W_DIR,  [READ] = -2,       [WRITE] = W_FILE_OPEN, [AUTH] = -1,
                                [FLUSH] = -1,      [BAD] = -1,        [CLUNK] = W_ANY,       [REMOVE] = W_ANY,
                                [STAT] = W_ANY,    [WSTAT] = W_ANY,   [VERSION] = -1,        [GARBAGE] = -1};
  if (needs[slot] == -1 || sim_chance(c->w, c->w->p_wrong))
    return slot;
  if (needs[slot] == -2 ? sim_have_fid(c, W_FILE_OPEN) || sim_have_fid(c, W_DIR_OPEN)
                        : sim_have_fid(c, (enum want)needs[slot]))
    return slot;
  if (!sim_have_fid(c, W_ANY))
    return ATTACH;
  if (!sim_have_fid(c, W_CLOSED))
    return sim_have_fid(c, W_FREE) && sim_chance(c->w, 50) ? ATTACH : CLUNK;
  return sim_chance(c->w, 60) ? OPEN : WALK;
}

void sim_client_send(struct conn *c) {
  struct sim *w = c->w;
  if (c->outstanding >= c->maxout || c->tx_len > sizeof c->tx - 2048 || w->nreqs > MAXREQ - 4 || c->closed_by_peer ||
      c->garbage)
    return;
  if (c->first < 0 && !sim_chance(w, 5)) {
    send_version(c, !sim_chance(w, 5));
    return;
  }
  bool full = sim_free_tag(c) == STYX_NOTAG;
  if (full)
    return;
  uint32_t total = 0, at = 0;
  for (int i = 0; i < 16; i++)
    total += w->msg_weight[i];
  uint32_t roll = sim_roll(w, total);
  while (roll >= w->msg_weight[at])
    roll -= w->msg_weight[at++];
  static void (*const senders[16])(struct conn *) = {
      send_attach, send_walk, send_walk, send_open, send_create, send_read, send_write, send_auth,
      send_flush,  send_bad,  NULL,      NULL,      NULL,        NULL,      NULL,       send_garbage};
  static const uint8_t plain[16] = {
      [CLUNK] = STYX_Tclunk, [REMOVE] = STYX_Tremove, [STAT] = STYX_Tstat, [WSTAT] = STYX_Twstat};
  at = sensible(c, at);
  if (at == VERSION)
    send_version(c, false);
  else if (plain[at])
    send_on_fid(c, plain[at]);
  else if (senders[at])
    senders[at](c);
}
