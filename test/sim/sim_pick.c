/* sim_pick.c: the tags and fids that clients choose. */
#include "sim.h"

const uint32_t sim_fid_numbers[NFID] = {0, 1, 2, 3, 7, 1000, 0x7fffffff, 0x80000000u, 0xfffffffeu};

const char *const sim_anames[NANAME] = {"", "one", "two", "/two", "nowhere", "three", "/three"};

int sim_fid_index(uint32_t fid) {
  for (int i = 0; i < NFID; i++)
    if (sim_fid_numbers[i] == fid)
      return i;
  return -1;
}

bool sim_must_run(uint8_t type) { return type == STYX_Tclunk || type == STYX_Tremove; }

bool sim_type_has_id(const struct creq *r) {
  switch (r->type) {
  case STYX_Tauth:
  case STYX_Tattach:
  case STYX_Tcreate:
  case STYX_Twrite:
    return true;
  case STYX_Twstat:
    return r->count != 0; /* else it touches nothing, and means fsync */
  case STYX_Twalk:
    return r->nwname > 0 && r->bits[0] != '.';
  case STYX_Tread:
    return r->offset >> OFFSET_SHIFT != 0;
  default:
    return false;
  }
}

/* ---- tags ---- */

struct creq *sim_first_on_tag(struct conn *c, uint16_t tag) {
  for (int i = c->head; i >= 0; i = c->w->reqs[i].next)
    if (c->w->reqs[i].fate == OUT && c->w->reqs[i].tag == tag)
      return &c->w->reqs[i];
  return NULL;
}

static bool dup_on_tag(struct conn *c, uint16_t tag) {
  for (int i = c->head; i >= 0; i = c->w->reqs[i].next)
    if (c->w->reqs[i].fate == OUT && c->w->reqs[i].tag == tag && c->w->reqs[i].dup)
      return true;
  return false;
}

static const uint16_t tags[NTAG] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 256, 1000, 65533, 65534};

/* A tag of which nothing is outstanding; NOTAG when there is none. */
uint16_t sim_free_tag(struct conn *c) {
  uint32_t at = sim_roll(c->w, NTAG);
  for (uint32_t i = 0; i < NTAG; i++)
    if (!sim_first_on_tag(c, tags[(at + i) % NTAG]))
      return tags[(at + i) % NTAG];
  return STYX_NOTAG;
}

/* Something outstanding, of the kind asked for, that is no part of a duplicate. */
struct creq *sim_some_outstanding(struct conn *c, bool flush) {
  struct creq *found = NULL;
  uint32_t seen = 0;
  for (int i = c->head; i >= 0; i = c->w->reqs[i].next) {
    struct creq *r = &c->w->reqs[i];
    if (r->fate == OUT && (r->type == STYX_Tflush) == flush && r->tag != STYX_NOTAG && !dup_on_tag(c, r->tag) &&
        sim_roll(c->w, ++seen) == 0)
      found = r;
  }
  return found;
}

/* ---- fids ---- */

static bool fits(const struct guess *g, enum want want) {
  switch (want) {
  case W_ANY:
    return g->bound;
  case W_DIR:
    return g->bound && g->dir && !g->open;
  case W_CLOSED:
    return g->bound && !g->open;
  case W_FILE_OPEN:
    return g->bound && g->open && !g->dir;
  case W_DIR_OPEN:
    return g->bound && g->open && g->dir;
  case W_FREE:
    return !g->bound;
  }
  return false;
}

int sim_pick_fid(struct conn *c, enum want want) {
  uint32_t at = sim_roll(c->w, NFID);
  if (!sim_chance(c->w, c->w->p_wrong))
    for (uint32_t i = 0; i < NFID; i++)
      if (fits(&c->guess[(at + i) % NFID], want))
        return (int)((at + i) % NFID);
  return (int)at;
}

bool sim_have_fid(const struct conn *c, enum want want) {
  for (int i = 0; i < NFID; i++)
    if (fits(&c->guess[i], want))
      return true;
  return false;
}
