/* flush_script.c: what a connection says before its slots begin: Tversion, (after an earlier session: a fid of that, which
 * must be gone,) Tattach, Twalk to its directory, and the file that all share. */
#include "flush.h"

#include <string.h>

static void send_version(struct fl_conn *c) {
  const struct fl_options *o = c->run->o;
  styx_msg m = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = o->msize};
  m.version = styx_str_of(styx_dialect_version(o->dialect));
  c->stage = FL_VERSION;
  c->version_at = c->run->now;
  fl_conn_put(c, &m, 0);
}

static void forget_slots(struct fl_conn *c) {
  for (unsigned i = 0; i < c->run->o->depth; i++) {
    struct fl_slot *s = &c->slots[i];
    s->index = (uint16_t)i;
    fl_model_forget(c, s);
  }
  c->nbusy = 0;
}

void fl_script_start(struct fl_conn *c) {
  fl_tags_reset(c);
  forget_slots(c);
  c->old_root = STYX_NOFID;
  c->until_churn = c->run->o->churn ? 1 + fl_roll(c, 2 * c->run->o->churn) : UINT64_MAX;
  send_version(c);
}

void fl_script_version(struct fl_conn *c) {
  uint32_t old = c->root;
  fl_script_start(c);
  c->old_root = old;
}

static void send_next(struct fl_conn *c, enum fl_stage stage) {
  styx_msg m;
  c->stage = (uint8_t)stage;
  switch (stage) {
  case FL_OLD_FID:
    fl_say_stat(c->run->o->dialect, &m, c->old_root);
    break;
  case FL_ATTACHING:
    c->root = c->next_fid++;
    fl_say_attach(&m, c->root, c->run->o->uname, c->run->o->aname);
    break;
  case FL_WALKING:
  case FL_SHARING:
    *(stage == FL_WALKING ? &c->dir : &c->shared) = c->next_fid++;
    m = (styx_msg){.type = STYX_Twalk, .fid = c->root, .newfid = stage == FL_WALKING ? c->dir : c->shared};
    fl_say_path(&m, c->run->o->dir);
    fl_say_path(&m, stage == FL_WALKING ? c->name : c->run->conns[0].name);
    if (stage == FL_SHARING)
      fl_say_path(&m, "shared");
    break;
  default:
    fl_say_open(c->run->o->dialect, &m, c->shared, STYX_OREAD, false);
  }
  fl_tags_send(c, &m, NULL, FL_SCRIPT);
}

static void version_reply(struct fl_conn *c, const styx_msg *m) {
  bool again = c->old_root != STYX_NOFID;
  if (m->type != STYX_Rversion || !styx_str_is(m->version, styx_dialect_version(c->run->o->dialect)) ||
      m->msize < STYX_MINMSIZE || m->msize > c->run->o->msize) {
    fl_violation(c, again ? "F16" : "answer", "version-refused", STYX_NOTAG, STYX_NOFID,
                 "%s was not answered with what the first connection got",
                 again ? "a Tversion in mid-session" : "Tversion");
    fl_conn_fall(c);
    return;
  }
  c->msize = m->msize;
  send_next(c, again ? FL_OLD_FID : FL_ATTACHING);
}

void fl_script_reply(struct fl_conn *c, const styx_msg *m) {
  if (c->stage == FL_VERSION) {
    version_reply(c, m);
  } else if (m->tag == STYX_NOTAG) {
    fl_violation(c, "F5", "unknown-tag", m->tag, STYX_NOFID, "%s with tag NOTAG", styx_msg_name(m->type));
  } else if (c->stage == FL_OLD_FID) {
    if (!fl_is_error(m))
      fl_violation(c, "F16", "version-keeps-fids", m->tag, c->old_root,
                   "fid %u of the old session works after Rversion", c->old_root);
    send_next(c, FL_ATTACHING);
  } else if (fl_is_error(m) || (m->type == STYX_Rwalk && m->nwqid == 0)) {
    fl_violation(c, "answer", "set-up", m->tag, c->root, "what worked on the first connection is refused");
    fl_conn_fall(c);
  } else {
    if (c->stage == FL_WALKING)
      c->dir_path = m->wqid[m->nwqid - 1].path;
    c->stage++;
    if (c->stage < FL_RUNNING)
      send_next(c, (enum fl_stage)c->stage);
  }
}
