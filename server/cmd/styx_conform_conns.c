/* styx_conform_conns.c: several connections. */
#include "styx_conform.h"

#include <string.h>

enum { CONNS = 32 };

static void many(struct cf_run *r) {
  for (unsigned n = 1; n < CONNS; n++)
    cf_begin(r, n, CF_ROOT, r->w->user);
  for (int round = 0; round < 4; round++) {
    for (unsigned n = 0; n < CONNS; n++) {
      styx_msg t = {.type = STYX_Tstat, .tag = 3};
      cf_as(r, n);
      cf_send(r, &t);
    }
    for (unsigned n = CONNS; n-- > 0;) {
      styx_msg m;
      cf_as(r, n);
      if (!cf_next(r, &m) || m.type != STYX_Rstat)
        cf_fail(r, "right: Rstat");
    }
  }
}

/* What is created on each at once is all there. */
static void create_together(struct cf_run *r) {
  enum { FEW = 8 };
  for (unsigned n = 1; n < FEW; n++)
    cf_begin(r, n, CF_DIR, r->w->user);
  for (unsigned n = 0; n < FEW; n++) {
    cf_as(r, n);
    (void)cf_ok(r, cf_twalk(1, 2, NULL));
  }
  char names[FEW][8];
  for (unsigned n = 0; n < FEW; n++) {
    snprintf(names[n], sizeof names[n], "f%u", n);
    styx_msg t = cf_tcreate(2, names[n], 0666, STYX_OWRITE);
    t.tag = 4;
    cf_as(r, n);
    cf_send(r, &t);
  }
  for (unsigned n = 0; n < FEW; n++) {
    styx_msg m;
    cf_as(r, n);
    if (!cf_next(r, &m) || m.type != STYX_Rcreate)
      cf_fail(r, "right: Rcreate");
  }
  cf_as(r, 0);
  for (unsigned n = 0; n < FEW; n++)
    (void)cf_ok(r, cf_twalk(1, 10 + n, names[n]));
}

/* Of all who create one name exactly one succeeds. */
static void create_same(struct cf_run *r) {
  enum { FEW = 8 };
  int made = 0;
  for (unsigned n = 1; n < FEW; n++)
    cf_begin(r, n, CF_DIR, r->w->user);
  for (unsigned n = 0; n < FEW; n++) {
    cf_as(r, n);
    (void)cf_ok(r, cf_twalk(1, 2, NULL));
  }
  for (unsigned n = 0; n < FEW; n++) {
    styx_msg t = cf_tcreate(2, "same", 0666, STYX_OWRITE);
    t.tag = 4;
    cf_as(r, n);
    cf_send(r, &t);
  }
  for (unsigned n = 0; n < FEW; n++) {
    styx_msg m;
    cf_as(r, n);
    if (!cf_next(r, &m))
      cf_fail(r, "the server hung up");
    made += m.type == STYX_Rcreate;
  }
  if (made != 1)
    cf_fail(r, "%d of %d creates of one name succeeded; right: one", made, FEW);
}

static void idle(struct cf_run *r) {
  static const uint8_t half[] = {11, 0, 0, 0, STYX_Tstat, 1};
  cf_begin(r, 1, CF_BARE, r->w->user);
  cf_begin(r, 2, CF_ROOT, r->w->user);
  cf_queue_bytes(r, half, sizeof half);
  cf_push(r);
  cf_as(r, 0);
  (void)cf_ok(r, cf_tfid(STYX_Tstat, 0));
  cf_alive(r);
}

static void hangup(struct cf_run *r) {
  for (unsigned n = 1; n < 9; n++) {
    cf_begin(r, n, CF_ROOT, r->w->user);
    for (uint16_t i = 0; i < 50; i++) {
      styx_msg t = cf_twalk(0, 100u + i, NULL);
      t.tag = i;
      cf_queue(r, &t);
    }
    cf_push(r);
    cf_hangup(r, n);
  }
  cf_as(r, 0);
  (void)cf_ok(r, cf_tfid(STYX_Tstat, 0));
  cf_alive(r);
}

static const struct cf_check checks[] = {
    {"conn-many", "intro(5)", "32 connections are served together", CF_ROOT, NULL, many},
    {"conn-create-together", "intro(5)", "what several clients create at once is all there", CF_DIR, NULL,
     create_together},
    {"conn-create-same", "open(5)", "of several clients who create one name one succeeds", CF_DIR, NULL, create_same},
    {"conn-idle", "intro(5)", "connections that say nothing, or half a message, delay nobody", CF_ROOT, NULL, idle},
    {"conn-hangup", "intro(5)", "clients that go with requests outstanding take nobody with them", CF_ROOT, NULL,
     hangup},
    {"conn-flush", "flush(5)", "a Tflush means the tag of its own connection", CF_ROOT,
     "as 1\n"
     "as 0\n"
     "> Twalk tag 5 fid 0 newfid 5 nwname 0\n"
     "as 1\n"
     "> Tflush tag 6 oldtag 5\n"
     "< Rflush tag 6\n"
     "as 0\n"
     "< Rwalk tag 5 nwqid 0\n"
     "! Tstat fid 5",
     NULL},
    {"conn-version", "version(5)", "a Tversion resets its own connection only", CF_ROOT,
     "as 1\n"
     "> Tversion tag NOTAG msize 8192 version '9P2000'\n"
     "< Rversion tag NOTAG msize * version '9P2000'\n"
     "as 0\n"
     "! Tstat fid 0",
     NULL},
};
const struct cf_group cf_conns = {checks, sizeof checks / sizeof *checks};
