/* fids.c: fid numbers, the order of requests on them, and the counts on what they are bound to. */
#include "session/state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- users, nodes, bindings: counted ---- */

struct sx_user *sx_user_new(styx_session *s, const styx_export *e, styx_str uname, styx_str aname) {
  size_t size = sizeof(struct sx_user) + uname.len + aname.len;
  struct sx_user *u = sx_keep_new(s, size);
  if (!u)
    return NULL;
  char *text = (char *)(u + 1);
  *u = (struct sx_user){.u_refs = 1, .u_export = e, .u_fs = &e->fs, .u_size = size};
  u->u_name = (styx_str){text, uname.len};
  u->u_aname = (styx_str){text + uname.len, aname.len};
  if (uname.len)
    memcpy(text, uname.s, uname.len);
  if (aname.len)
    memcpy(text + uname.len, aname.s, aname.len);
  return u;
}

void sx_user_put(styx_session *s, struct sx_user *user) {
  if (--user->u_refs == 0)
    sx_keep_put(s, user, user->u_size);
}

struct sx_node *sx_node_new(styx_session *s, struct sx_user *user, const struct sx_node *from, styx_str name) {
  char path[SX_PATH];
  size_t len = sx_path_make(path, user->u_fs->ops, from, name);
  struct sx_node *n = sx_keep_zeroed(s, sizeof *n + len);
  if (!n)
    return NULL;
  n->n_path_len = len;
  memcpy(n->n_path, path, len);
  n->n_session = s;
  n->n_refs = 1;
  n->n_user = user;
  user->u_refs++;
  s->s_nnodes++;
  return n;
}

void sx_node_free(styx_session *s, struct sx_node *node) {
  s->s_nafids -= node->n_user->u_auth;
  sx_user_put(s, node->n_user);
  s->s_nnodes--;
  sx_keep_put(s, node, sizeof *node + node->n_path_len);
}

void sx_node_put(styx_session *s, struct sx_node *node) {
  if (--node->n_refs > 0)
    return;
  s->s_ending++;
  sx_work_push(s, &node->n_work, SX_FORGET);
}

struct sx_binding *sx_binding_new(styx_session *s, struct sx_node *node) {
  struct sx_binding *b = sx_keep_zeroed(s, sizeof *b);
  if (!b)
    return NULL;
  b->b_refs = 1;
  b->b_node = node;
  if (node)
    node->n_refs++;
  sx_list_init(&b->b_waiting);
  s->s_nbindings++;
  return b;
}

static void binding_free(styx_session *s, struct sx_binding *b) {
  if (b->b_node)
    sx_node_put(s, b->b_node);
  s->s_nbindings--;
  sx_keep_put(s, b, sizeof *b);
}

/* The last one to let go of an open binding has it closed; close comes before forget, since the node is counted by us. */
void sx_binding_put(styx_session *s, struct sx_binding *b) {
  if (--b->b_refs > 0)
    return;
  assert(sx_list_empty(&b->b_waiting)); /* each reader has a pin */
  if (!b->b_open) {
    binding_free(s, b);
    return;
  }
  s->s_ending++;
  sx_work_push(s, &b->b_work, SX_CLOSE);
}

void sx_binding_closed(styx_session *s, struct sx_binding *b) {
  if (b->b_clunk) {
    styx_req *r = b->b_clunk;
    r->r_answer = b->b_err ? SX_A_ERROR : SX_A_OK;
    r->r_err = b->b_err;
    sx_finish(r);
  } else if (b->b_err) {
    sx_log(s, STYX_LOG_WARN, "close failed after its fid was gone", styx_err_text(b->b_err));
  }
  binding_free(s, b);
}

/* ---- slots ---- */

static void slot_drop_if_idle(styx_session *s, struct sx_slot *slot) {
  if (slot->f_binding || slot->f_holder)
    return;
  assert(sx_list_empty(&slot->f_queue));
  sx_table_del(&s->s_fids, slot->f_fid);
  sx_keep_put(s, slot, sizeof *slot);
}

static styx_err slot_new(styx_session *s, uint32_t fid, struct sx_slot **out) {
  if (s->s_fids.count >= s->s_limits.fids) {
    s->s_info.hits.fids++;
    return STYX_EMANYFIDS;
  }
  struct sx_slot *slot = sx_keep_zeroed(s, sizeof *slot);
  if (!slot || !sx_table_reserve(&s->s_fids)) {
    sx_keep_put(s, slot, sizeof *slot);
    return ENOMEM;
  }
  slot->f_fid = fid;
  sx_list_init(&slot->f_queue);
  sx_table_put(&s->s_fids, fid, slot);
  *out = slot;
  return STYX_OK;
}

/* Nothing before this place makes, changes or drops the fid any more: what the fid means now is what it means for it. */
static void grant(struct sx_place *pl) {
  struct sx_slot *slot = pl->pl_slot;
  pl->pl_granted = true;
  pl->pl_pin = slot->f_binding;
  if (pl->pl_pin)
    pl->pl_pin->b_refs++;
  if (pl->pl_use == SX_USE)
    pl->pl_slot = NULL;
  else
    slot->f_holder = pl;
}

styx_err sx_place_take(styx_req *r, int i, uint32_t fid, enum sx_use use) {
  styx_session *s = r->r_session;
  struct sx_place *pl = &r->r_place[i];
  struct sx_slot *slot = fid == STYX_NOFID ? NULL : sx_table_get(&s->s_fids, fid);
  pl->pl_req = r;
  pl->pl_use = use;
  if (!slot && (use != SX_MAKE || fid == STYX_NOFID)) {
    pl->pl_granted = true; /* a bad fid: seen when the request starts */
    return STYX_OK;
  }
  if (!slot) {
    styx_err err = slot_new(s, fid, &slot);
    if (err)
      return err;
  }
  pl->pl_slot = slot;
  if (slot->f_holder)
    sx_list_push(&slot->f_queue, &pl->pl_link);
  else
    grant(pl);
  return STYX_OK;
}

/* The holder has gone: everything behind it up to and with the next holder is granted. */
static void grant_queue(styx_session *s, struct sx_slot *slot) {
  while (!slot->f_holder && !sx_list_empty(&slot->f_queue)) {
    struct sx_place *pl = SX_OF(struct sx_place, pl_link, sx_list_pop(&slot->f_queue));
    grant(pl);
    if (sx_places_granted(pl->pl_req))
      sx_list_push(&s->s_ready, &pl->pl_req->r_wait);
  }
}

static void leave(struct sx_place *pl) {
  struct sx_slot *slot = pl->pl_slot;
  sx_unlink(&pl->pl_link);
  pl->pl_slot = NULL;
  if (slot->f_holder == pl) {
    slot->f_holder = NULL;
    grant_queue(pl->pl_req->r_session, slot);
    slot_drop_if_idle(pl->pl_req->r_session, slot);
  }
}

void sx_places_leave(styx_req *r) {
  for (int i = 0; i < 2; i++)
    if (r->r_place[i].pl_slot)
      leave(&r->r_place[i]);
}

void sx_places_release(styx_req *r) {
  for (int i = 0; i < 2; i++) {
    struct sx_place *pl = &r->r_place[i];
    struct sx_binding *pin = pl->pl_pin;
    pl->pl_pin = NULL;
    if (pin)
      sx_binding_put(r->r_session, pin);
    if (pl->pl_slot)
      leave(pl);
  }
}

void sx_bind(styx_session *s, struct sx_slot *slot, struct sx_binding *b) {
  struct sx_binding *old = slot->f_binding;
  slot->f_binding = b;
  if (old)
    sx_binding_put(s, old);
}

static bool slot_has_drop(const struct sx_slot *slot) {
  if (slot->f_holder && slot->f_holder->pl_use == SX_DROP)
    return true;
  for (struct sx_link *l = slot->f_queue.next; l != &slot->f_queue; l = l->next)
    if (SX_OF(struct sx_place, pl_link, l)->pl_use == SX_DROP)
      return true;
  return false;
}

/* After a hangup the fid is only bound for a must-run request that waits to drop it; else it is clunked here and now. */
void sx_bind_answer(styx_req *r, struct sx_slot *slot, struct sx_binding *b) {
  sx_bind(r->r_session, slot, b);
  if (r->r_silent && !slot_has_drop(slot))
    sx_bind(r->r_session, slot, NULL);
}

/* The connection is gone, or starts anew: every fid is clunked, save those that a must-run request is about to drop. Slots
 * with a holder go when it retires; it binds nothing any more (retire.c). */
void sx_fids_drop_all(styx_session *s) {
  struct sx_slot *slot;
  for (size_t at = 0; (slot = sx_table_each(&s->s_fids, &at));)
    if (!slot_has_drop(slot))
      sx_bind(s, slot, NULL);
  for (size_t at = 0; (slot = sx_table_each(&s->s_fids, &at));)
    if (!slot->f_binding && !slot->f_holder) {
      size_t mask = s->s_fids.mask;
      slot_drop_if_idle(s, slot);
      at = s->s_fids.mask == mask ? at - 1 : 0; /* deleting moves a later cell up into this one, or shrinks the table */
    }
}
