/* check.c: what a reply must be, given its request. */
#include "client/mux.h"

#include <assert.h>

static const char *check_walk(const styx_msg *t, const styx_msg *m) {
  if (m->nwqid > t->nwname)
    return "Rwalk has more qids than the Twalk had names";
  if (m->nwqid == 0 && t->nwname > 0)
    return "Rwalk has no qid";
  return NULL;
}

const char *sx_check_reply(const styx_msg *t, const styx_msg *m) {
  if (m->type == STYX_Rerror)
    return NULL;
  if (m->type != t->type + 1)
    return "a reply is not of the kind of its request";
  switch (m->type) {
  case STYX_Rread:
    return m->count > t->count ? "Rread has more data than was asked for" : NULL;
  case STYX_Rwrite:
    return m->count > t->count ? "Rwrite counts more data than was sent" : NULL;
  case STYX_Rwalk:
    return check_walk(t, m);
  default:
    return NULL;
  }
}

bool sx_check_is_soft(const styx_msg *m, styx_err err) {
  assert(err != STYX_OK);
  return (m->type == STYX_Rstat || m->type == STYX_Rerror) &&
         (err == STYX_EBADSTAT || err == STYX_EUTF8 || err == STYX_ENUL || err == STYX_ENAME);
}
