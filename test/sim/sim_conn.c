/* sim_conn.c: one connection: its allocator and hooks, bytes in and out, work, and its end. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* ---- the allocator of each connection ---- */

struct block {
  size_t size;
  size_t magic;
};
enum { MAGIC = 0x51b10c };

static void *hook_alloc(void *arg, size_t size) {
  struct conn *c = arg;
  struct sim *w = c->w;
  w->allocs++;
  if (w->fails && w->allocs >= w->fail_at && w->allocs < w->fail_at + w->fail_for) {
    c->relaxed = true;
    sim_note(w, "c%d   no memory for %zu bytes", c->index, size);
    return NULL;
  }
  struct block *b = c->session_block ? c->session_block : malloc(sizeof *b + size);
  c->session_block = NULL;
  if (!b)
    abort();
  *b = (struct block){size, MAGIC};
  memset(b + 1, 0xa5, size);
  c->live += size;
  return b + 1;
}

static void hook_free(void *arg, void *ptr, size_t size) {
  struct conn *c = arg;
  struct block *b = (struct block *)ptr - 1;
  if (b->magic != MAGIC || b->size != size)
    sim_fail(c->w, "free of %zu bytes that were %s", size, b->magic == MAGIC ? "not as many" : "not allocated");
  c->live -= size;
  memset(b, 0xdd, sizeof *b + size);
  free(b);
}

/* ---- hooks ---- */

static void hook_wake(void *arg) {
  struct conn *c = arg;
  if (c->woken)
    sim_fail(c->w, "woken twice between two calls of retire");
  c->woken = true;
}

static void hook_log(void *arg, styx_level level, const char *what, const char *detail) {
  struct conn *c = arg;
  (void)level;
  sim_note(c->w, "c%d   log: %s %s", c->index, what, detail);
}

static void hook_trace(void *arg, bool out, const styx_msg *m) {
  struct conn *c = arg;
  char text[150];
  if (!c->w->tracing)
    return;
  styx_msg_print(text, sizeof text, m, STYX_9P2000);
  sim_note(c->w, "c%d   %s %s", c->index, out ? "emits" : "takes", text);
}

void sim_conn_hooks(styx_hooks *hooks) {
  hooks->wake = hook_wake;
  hooks->log = hook_log;
  hooks->trace = hook_trace;
}

/* ---- one connection ---- */

/* A session orders its tables by its clock and its own address, which differs from run to run. So the clock of each
 * connection starts where the two cancel out: then everything follows from the seed. The first thing a session allocates is
 * itself. */
static size_t session_size;

static void *probe_alloc(void *arg, size_t size) {
  (void)arg;
  session_size = size;
  return NULL;
}

void sim_learn_session_size(void) {
  styx_export export = {.name = "none"};
  styx_allocator alloc = {.alloc = probe_alloc};
  styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .allocator = &alloc};
  styx_session *s;
  if (styx_session_new(&s, &config, 0) == STYX_OK)
    abort();
}

uint64_t sim_now_of(const struct conn *c) { return c->w->now + c->clock; }

void sim_conn_open(struct sim *w, struct conn *c) {
  uint32_t gen = c->gen + 1;
  memset(c, 0, offsetof(struct conn, tx));
  memset(&c->tx_len, 0, sizeof *c - offsetof(struct conn, tx_len));
  c->w = w;
  c->index = (int)(c - w->conns);
  c->gen = gen;
  c->first = c->last = c->head = -1;
  c->maxout = 1 + (int)sim_roll(w, NTAG - 1);
  sim_note(w, "c%d connected", c->index);
  styx_allocator alloc = {hook_alloc, hook_free, c};
  c->session_block = malloc(sizeof(struct block) + session_size);
  if (!c->session_block)
    abort();
  c->clock = ((uint64_t)(uintptr_t)((struct block *)c->session_block + 1) ^ sim_roll(w, 1 << 20)) - w->now;
  w->config.allocator = &alloc;
  w->config.hook_arg = c;
  styx_err err = styx_session_new(&c->s, &w->config, sim_now_of(c));
  free(c->session_block);
  c->session_block = NULL;
  if (err && !c->relaxed)
    sim_fail(w, "styx_session_new: %s", styx_err_text(err));
  if (err)
    c->s = NULL;
  if (!c->s && c->live)
    sim_fail(w, "styx_session_new failed and kept %zu bytes", c->live);
}

bool sim_check_ended(struct conn *c) {
  const char *why = styx_session_ended(c->s);
  if (why && !c->relaxed && !c->w->big_time && !c->w->limits.flush_bound && !c->garbage)
    sim_fail(c->w, "the session ended: %s", why);
  if (why)
    c->closed_by_peer = true;
  return why != NULL;
}

void sim_feed(struct conn *c, size_t len) {
  struct sim *w = c->w;
  if (len > c->tx_len)
    len = c->tx_len;
  uint8_t *copy = malloc(len + 1);
  if (!copy)
    abort();
  memcpy(copy, c->tx, len);
  memmove(c->tx, c->tx + len, c->tx_len - len);
  c->tx_len -= len;
  sim_note(w, "c%d feed %zu bytes", c->index, len);
  size_t room = 0, placed = 0;
  uint8_t *at = sim_chance(w, 30) ? styx_session_room(c->s, 1, &room) : NULL;
  if (at) {
    placed = room < len ? room : len;
    memcpy(at, copy, placed);
    styx_session_received(c->s, placed, sim_now_of(c));
  }
  styx_session_feed(c->s, copy + placed, len - placed, sim_now_of(c));
  memset(copy, 0xee, len);
  free(copy);
  (void)sim_check_ended(c);
}

size_t sim_drain(struct conn *c, size_t most) {
  struct sim *w = c->w;
  styx_span spans[40];
  size_t n = styx_session_pending(c->s, spans, 40), got = 0, all = 0;
  for (size_t i = 0; i < n; i++)
    all += spans[i].len;
  if (n < 40 && all != styx_session_pending_bytes(c->s))
    sim_fail(w, "%zu bytes pending in spans, %zu counted", all, styx_session_pending_bytes(c->s));
  if (c->hung && n)
    sim_fail(w, "bytes are pending after hangup");
  for (size_t i = 0; i < n && got < most; i++) {
    size_t k = spans[i].len < most - got ? spans[i].len : most - got;
    if (k > sizeof c->rx - c->rx_len)
      k = sizeof c->rx - c->rx_len;
    memcpy(c->rx + c->rx_len, spans[i].base, k);
    c->rx_len += k;
    got += k;
  }
  if (got) {
    styx_session_sent(c->s, got, sim_now_of(c));
    (void)sim_check_ended(c);
    sim_take_replies(c);
  }
  return got;
}

bool sim_take_work(struct conn *c) {
  if (c->nbag == MAXBAG)
    return false;
  styx_work *work = styx_session_next(c->s);
  if (!work)
    return false;
  styx_work_info info = styx_work_about(work);
  if (info.op < -1 || info.op >= STYX_NOPS || (info.op >= 0 && !info.fs))
    sim_fail(c->w, "work of an unknown kind");
  const bool nowait = info.op >= 0 && (sim_is_plug(c->w, info.fs) ? info.fs->ops : &c->w->ops)->nowait >> info.op & 1;
  if (info.op >= 0 ? !info.may_block && !nowait : info.may_block)
    sim_fail(c->w, "work says the wrong thing of whether it may block");
  c->bag[c->nbag++] = work;
  return true;
}

void sim_run_work(struct conn *c) {
  if (!c->nbag)
    return;
  int i = (int)sim_roll(c->w, (uint32_t)c->nbag);
  styx_work *work = c->bag[i];
  c->bag[i] = c->bag[--c->nbag];
  styx_work_run(work);
}

bool sim_answer_one(struct sim *w, const struct conn *only) {
  int n = 0;
  struct call *pick = NULL;
  for (int i = 0; i < w->npending; i++)
    if (!only || w->pending[i]->conn == only)
      if (sim_roll(w, (uint32_t)++n) == 0)
        pick = w->pending[i];
  if (pick)
    sim_fs_answer(w, pick);
  return pick != NULL;
}

bool sim_retire(struct conn *c) {
  struct sim *w = c->w;
  if (w->wake_driven && !c->woken)
    return false;
  c->woken = false;
  sim_note(w, "c%d retire", c->index);
  bool any = styx_session_retire(c->s, sim_now_of(c));
  (void)sim_check_ended(c);
  return any;
}

void sim_hangup(struct conn *c) {
  sim_note(c->w, "c%d hangup", c->index);
  c->hung = c->closed_by_peer = true;
  styx_session_hangup(c->s);
  if (styx_session_pending_bytes(c->s))
    sim_fail(c->w, "bytes are pending after hangup");
}

/* Everything that can happen without the client happens. */
void sim_settle_all(struct conn *c) {
  struct sim *w = c->w;
  w->quiet = true;
  for (int round = 0;; round++) {
    bool any = c->tx_len > 0 && !c->closed_by_peer;
    if (any)
      sim_feed(c, c->tx_len);
    while (sim_take_work(c))
      any = true;
    any |= c->nbag > 0;
    while (c->nbag)
      sim_run_work(c);
    if (c->hung || styx_session_wants_input(c->s))
      sim_fs_check_told(w, c);
    while (sim_answer_one(w, c))
      any = true;
    any |= sim_retire(c);
    if (!c->hung)
      any |= sim_drain(c, SIZE_MAX) > 0;
    if (!any)
      break;
    if (round > 5000)
      sim_fail(w, "no rest after 5,000 rounds");
  }
  w->quiet = false;
}

void sim_conn_close(struct conn *c) {
  struct sim *w = c->w;
  if (!c->hung)
    sim_hangup(c);
  sim_settle_all(c);
  if (!styx_session_done(c->s))
    sim_fail(w, "the session is not done: %zu requests", styx_session_inspect(c->s).requests);
  styx_session_free(c->s);
  c->s = NULL;
  if (c->live)
    sim_fail(w, "%zu bytes are still allocated", c->live);
  if (c->refs)
    sim_fail(w, "%d lent buffers were not released", c->refs);
  for (int i = 0; i < w->nnodes; i++) {
    const struct node *n = &w->nodes[i];
    if (n->conn == c && n->gen == c->gen && (n->alive || n->handles || n->nullhandles))
      sim_fail(w, "node %d is left over: %s, %d handles", i, n->alive ? "not forgotten" : "forgotten",
               n->handles + n->nullhandles);
  }
  sim_note(w, "c%d gone", c->index);
}
