/* wrong9_flush.c: requests wait, and run in any order; flush is done right, but for the fault. */
#include "conform/wrong9.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list of requests ---- */

static struct req *find(const struct conn *c, uint16_t tag) {
  for (struct req *r = c->reqs; r; r = r->next)
    if (r->tag == tag && !r->zombie)
      return r;
  return NULL;
}

static struct req *find_waiter(const struct conn *c, uint16_t tag) {
  for (struct req *r = c->reqs; r; r = r->next)
    for (unsigned i = 0; i < r->nwaiters; i++)
      if (r->waiters[i] == tag)
        return r;
  return NULL;
}

static void drop(struct conn *c, struct req *r) {
  struct req **at = &c->reqs;
  while (*at != r)
    at = &(*at)->next;
  *at = r->next;
  c->nreqs--;
  free(r);
}

void drop_all(struct conn *c) {
  while (c->reqs)
    drop(c, c->reqs);
}

static void add(struct conn *c, const uint8_t *bytes, size_t size) {
  struct req *r = calloc(1, sizeof *r + size), **at = &c->reqs;
  if (!r)
    abort();
  memcpy(r->bytes, bytes, size);
  if (styx_decode(&r->m, r->bytes, size, 0, c->dialect) <= 0)
    abort(); /* it has been decoded before */
  r->tag = r->m.tag;
  while (*at)
    at = &(*at)->next;
  *at = r;
  c->nreqs++;
}

/* ---- answers ---- */

static void send_rflush(struct conn *c, uint16_t tag, uint16_t oldtag) {
  const uint8_t longer[8] = {8, 0, 0, 0, STYX_Rflush, (uint8_t)tag, (uint8_t)(tag >> 8)};
  styx_msg m = {.type = STYX_Rflush, .tag = fault == OLDTAG ? oldtag : tag};
  if (fault == SIZE)
    send_raw(c, longer, sizeof longer);
  else
    send_msg(c, &m);
}

static void send_delayed(struct conn *c) {
  if (c->delayed != STYX_NOTAG)
    send_rflush(c, c->delayed, c->delayed);
  c->delayed = STYX_NOTAG;
}

/* Of the Tflushes of one request only the last must be answered (F10). */
static bool may_omit(const struct req *r, unsigned i) {
  for (unsigned k = i + 1; k < r->nwaiters; k++)
    if (r->oldtags[k] == r->oldtags[i])
      return roll(4) == 0;
  return false;
}

static void wait_for(struct req *r, const styx_msg *m) {
  r->waiters[r->nwaiters] = m->tag;
  r->oldtags[r->nwaiters++] = m->oldtag;
}

static void send_rflushes(struct conn *c, const struct req *r, bool replied) {
  unsigned n = r->nwaiters;
  if (fault == OVERTAKES && n == 1 && replied) {
    send_delayed(c);
    c->delayed = r->waiters[0];
    return;
  }
  for (unsigned i = 0; i < n; i++)
    if (fault == REVERSE || !may_omit(r, i))
      send_rflush(c, r->waiters[fault == REVERSE ? n - 1 - i : i], r->tag);
}

static bool sometimes(const struct conn *c, unsigned n) { return c->nreqs > 1 && roll(n) == 0; }

/* It runs, and is answered: then the Tflushes that wait. */
static void complete(struct conn *c, struct req *r) {
  styx_msg reply;
  if (fault == EINTR_TO_NOBODY && r->nwaiters == 0 && sometimes(c, 100)) {
    reply = (styx_msg){.tag = r->tag};
    fs_error(c, &reply, EINTR, "interrupted");
  } else {
    fs_run(c, &r->m, &reply);
  }
  if (fault == BETWEEN && r->nwaiters > 1) {
    send_rflush(c, r->waiters[0], r->tag);
    memmove(r->waiters, r->waiters + 1, --r->nwaiters * sizeof *r->waiters);
    memmove(r->oldtags, r->oldtags + 1, r->nwaiters * sizeof *r->oldtags);
  }
  if (fault != NO_REPLY || !sometimes(c, 300))
    send_msg(c, &reply);
  if (fault == TWICE && sometimes(c, 50))
    send_msg(c, &reply);
  send_rflushes(c, r, true);
  drop(c, r);
}

/* It never was, unless it is the fault that it was. */
static void cancel(struct conn *c, struct req *r) {
  static const struct {
    enum fault fault;
    uint8_t types[2];
  } effects[] = {{WALKS, {STYX_Twalk}},
                 {ATTACHES, {STYX_Tattach}},
                 {OPENS, {STYX_Topen, STYX_Tlopen}},
                 {CREATES, {STYX_Tcreate, STYX_Tlcreate}},
                 {WRITES, {STYX_Twrite}},
                 {CLUNKS, {STYX_Tclunk}},
                 {REMOVES, {STYX_Tremove}}};
  styx_msg reply;
  for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
    if (effects[i].fault == fault && (r->m.type == effects[i].types[0] || r->m.type == effects[i].types[1]))
      fs_run(c, &r->m, &reply);
  send_rflushes(c, r, false);
  drop(c, r);
}

static bool may_cancel(const struct req *r) {
  if (r->m.type == STYX_Tclunk)
    return fault == CLUNKS || fault == CANCELS_CLUNK;
  return r->m.type != STYX_Tremove || fault == REMOVES || fault == CANCELS_CLUNK;
}

/* ---- Tflush ---- */

static bool any_blocked(const struct conn *c) {
  for (struct req *r = c->reqs; r; r = r->next)
    if (fs_blocks(c, &r->m))
      return true;
  return false;
}

static void flush_nothing(struct conn *c, const styx_msg *m) {
  styx_msg error = {.tag = m->tag};
  fs_error(c, &error, EINVAL, "unknown tag");
  if (fault == RERROR)
    send_msg(c, &error);
  else if (fault != UNKNOWN)
    send_rflush(c, m->tag, m->oldtag);
}

static void flush_flush(struct conn *c, const styx_msg *m, struct req *r) {
  if (fault == FOF_LATE || r->nwaiters == WAITERS) {
    send_rflush(c, m->tag, m->oldtag);
  } else if (fault == FOF_STRANDS) {
    drop(c, r);
    send_rflush(c, m->tag, m->oldtag);
  } else {
    wait_for(r, m);
  }
}

static void flush_request(struct conn *c, const styx_msg *m, struct req *r) {
  bool blocked = fs_blocks(c, &r->m);
  if ((fault == DEAF && blocked) || r->nwaiters == WAITERS)
    return;
  if (fault == LOST && c->nreqs > 1) {
    drop(c, r);
    return;
  }
  bool reads = r->m.type == STYX_Tread || r->m.type == STYX_Tstat || r->m.type == STYX_Tgetattr;
  if ((fault == LATE || (fault == BY_NUMBER && reads)) && r->nwaiters == 0) {
    r->zombie = true;
    send_rflush(c, m->tag, m->oldtag);
    return;
  }
  wait_for(r, m);
  unsigned how = roll(10);
  if (blocked || (how < 5 && may_cancel(r)))
    cancel(c, r);
  else if (how < 7)
    complete(c, r);
}

static void take_flush(struct conn *c, const styx_msg *m) {
  struct req *r;
  if (fault == STUCK && any_blocked(c))
    return;
  if (m->oldtag == m->tag) {
    if (fault != SELF)
      send_rflush(c, m->tag, m->oldtag);
  } else if ((r = find(c, m->oldtag))) {
    flush_request(c, m, r);
  } else if ((r = find_waiter(c, m->oldtag))) {
    flush_flush(c, m, r);
  } else {
    flush_nothing(c, m);
  }
}

/* ---- messages ---- */

static void take_version(struct conn *c, const styx_msg *m) {
  styx_msg reply;
  styx_dialect dialect;
  if (fault == OLD_DEAF && c->nreqs > 0)
    return;
  bool good = styx_compatible(&reply, m, MSIZE, 7, &dialect);
  if (good && fault == OLD_REPLIES)
    for (struct req *r = c->reqs; r; r = r->next)
      r->zombie = true;
  else if (good)
    drop_all(c);
  if (good && fault != OLD_FIDS)
    fs_clear(c);
  if (good) {
    c->dialect = dialect;
    c->delayed = STYX_NOTAG;
  }
  send_msg(c, &reply);
}

static void take_duplicate(struct conn *c, const styx_msg *m) {
  styx_msg error = {.tag = m->tag};
  fs_error(c, &error, EINVAL, "duplicate tag");
  if (fault == DUPLICATE)
    exit(3);
  if (m->type == STYX_Tflush)
    send_rflush(c, m->tag, m->oldtag);
  else
    send_msg(c, &error);
}

void take(struct conn *c, const styx_msg *m, const uint8_t *bytes, size_t size) {
  if (m->type == STYX_Tversion)
    take_version(c, m);
  else if (find(c, m->tag) || find_waiter(c, m->tag))
    take_duplicate(c, m);
  else if (m->type == STYX_Tflush)
    take_flush(c, m);
  else
    add(c, bytes, size);
}

static void run_zombie(struct conn *c, struct req *r) {
  styx_msg reply;
  fs_run(c, &r->m, &reply);
  if (fault != BY_NUMBER || find(c, r->tag))
    send_msg(c, &reply);
  drop(c, r);
}

bool work(struct conn *c) {
  unsigned n = 0;
  struct req *one = NULL;
  for (struct req *r = c->reqs; r; r = r->next)
    if (!fs_blocks(c, &r->m) && roll(++n) == 0)
      one = r;
  if (roll(4) == 0 || !one)
    send_delayed(c);
  if (!one)
    return false;
  if (one->zombie)
    run_zombie(c, one);
  else if (one->nwaiters && roll(2) && may_cancel(one))
    cancel(c, one);
  else
    complete(c, one);
  return true;
}
