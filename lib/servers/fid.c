/* fid.c: what fids are: getfid, newfid, delfid, allfids; made, and gone. */
#include "servers/kit.h"

#include <errno.h>
#include <string.h>

static struct sx_object *object_of(const styx_fid *f) {
  return (struct sx_object *)((uintptr_t)f - offsetof(struct sx_object, f));
}

static size_t drop_ref(atomic_size_t *refs) {
  /* release: what this thread did comes before the end; acquire: for the last one. pairs with: itself */
  return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) - 1;
}

static void add_ref(atomic_size_t *refs) { atomic_fetch_add_explicit(refs, 1, memory_order_relaxed); }

/* ---- names ---- */

static struct sx_who *who_new(styx_kit *kit, const styx_msg *t, uint64_t root) {
  size_t size = sizeof(struct sx_who) + t->uname.len + t->aname.len;
  struct sx_who *who = sx_zalloc(&kit->alloc, size);
  if (!who)
    return NULL;
  char *text = (char *)(who + 1);
  atomic_init(&who->refs, 1);
  who->size = size;
  who->root = root;
  who->uname = (styx_str){text, t->uname.len};
  who->aname = (styx_str){text + t->uname.len, t->aname.len};
  if (t->uname.len)
    memcpy(text, t->uname.s, t->uname.len);
  if (t->aname.len)
    memcpy(text + t->uname.len, t->aname.s, t->aname.len);
  return who;
}

static void who_put(styx_kit *kit, struct sx_who *who) {
  if (drop_ref(&who->refs) == 0)
    sx_free(&kit->alloc, who, who->size);
}

/* ---- owners ---- */

/* Takes the count of who. It can be found by number as soon as it is something (sx_fid_settle). */
static struct sx_owner *owner_new(styx_srv *srv, struct sx_who *who, uint32_t fid) {
  struct sx_owner *owner = sx_zalloc(&srv->kit->alloc, sizeof *owner);
  if (!owner)
    return NULL;
  pthread_mutex_lock(&srv->lock);
  bool room = sx_table_reserve(&srv->fids);
  if (room)
    sx_table_put(&srv->fids, fid, owner); /* over one that was deleted, or is about to go */
  pthread_mutex_unlock(&srv->lock);
  if (!room) {
    sx_free(&srv->kit->alloc, owner, sizeof *owner);
    return NULL;
  }
  owner->srv = srv;
  owner->who = who;
  add_ref(&srv->refs);
  return owner;
}

static void unlist(struct sx_owner *owner, uint32_t fid) {
  styx_srv *srv = owner->srv;
  pthread_mutex_lock(&srv->lock);
  if (sx_table_get(&srv->fids, fid) == owner)
    sx_table_del(&srv->fids, fid);
  pthread_mutex_unlock(&srv->lock);
}

static void owner_put(struct sx_owner *owner) {
  if (drop_ref(&owner->refs) > 0)
    return;
  styx_srv *srv = owner->srv;
  styx_kit *kit = srv->kit;
  struct sx_object last = {.kind = SX_OBJECT, .owner = owner, .f = owner->last};
  unlist(owner, last.f.fid);
  if (kit->ops.gone && !owner->refused)
    kit->ops.gone(kit->ctx, &last.f);
  who_put(kit, owner->who);
  sx_free(&kit->alloc, owner, sizeof *owner);
  sx_srv_put(srv);
}

/* ---- objects ---- */

/* The owner is counted by it. */
static struct sx_object *object_new(struct sx_owner *owner, uint32_t fid, styx_qid qid) {
  struct sx_object *o = sx_zalloc(&owner->srv->kit->alloc, sizeof *o);
  if (!o)
    return NULL;
  const struct sx_who *who = owner->who;
  o->kind = SX_OBJECT;
  atomic_init(&o->refs, 1);
  o->owner = owner;
  o->f = (styx_fid){.fid = fid, .qid = qid, .uname = who->uname, .param = who->aname, .root = who->root};
  add_ref(&owner->refs);
  return o;
}

void sx_object_put(struct sx_object *o) {
  struct sx_owner *owner = o->owner;
  styx_kit *kit = owner->srv->kit;
  if (drop_ref(&o->refs) > 0)
    return;
  pthread_mutex_lock(&owner->srv->lock);
  if (owner->now == o)
    owner->now = NULL;
  pthread_mutex_unlock(&owner->srv->lock);
  owner_put(owner);
  sx_free(&kit->alloc, o, sizeof *o);
}

/* With the lock: o, counted, unless nobody has it any more. */
static struct sx_object *object_get(struct sx_object *o) {
  size_t refs = o ? atomic_load_explicit(&o->refs, memory_order_relaxed) : 0;
  while (refs > 0)
    if (atomic_compare_exchange_weak_explicit(&o->refs, &refs, refs + 1, memory_order_relaxed, memory_order_relaxed))
      return o;
  return NULL;
}

/* ---- made ---- */

/* An owner for the number, and its first object. who is counted already. */
static styx_err make_owner(styx_srv *srv, struct sx_who *who, uint32_t fid, styx_qid qid, struct sx_object **out) {
  struct sx_owner *owner = who ? owner_new(srv, who, fid) : NULL;
  if (!owner) {
    if (who)
      who_put(srv->kit, who);
    return ENOMEM;
  }
  owner->refused = true; /* until made has been asked */
  *out = object_new(owner, fid, qid);
  if (!*out) {
    owner->last.fid = fid;
    add_ref(&owner->refs);
    owner_put(owner);
    return ENOMEM;
  }
  owner->last = (*out)->f;
  return STYX_OK;
}

static styx_err ask_made(styx_req *req, struct sx_object *o, const styx_fid *from) {
  const styx_kit *kit = sx_kit_of(req);
  styx_err err = STYX_OK;
  if (from)
    styx_fid_set_data(&o->f, styx_fid_data(from));
  if (kit->ops.made)
    err = kit->ops.made(req, &o->f, from);
  o->owner->refused = err != STYX_OK;
  return err;
}

static styx_err make_new(styx_req *req, uint32_t fid, styx_qid qid, const styx_fid *from, struct sx_object **out) {
  styx_srv *srv = styx_req_srv(req);
  struct sx_who *who = from ? object_of(from)->owner->who : who_new(srv->kit, styx_req_msg(req), qid.path);
  if (styx_getfid(req, fid)) {
    if (!from && who)
      who_put(srv->kit, who);
    return STYX_EINUSE;
  }
  if (from)
    add_ref(&who->refs);
  struct sx_object *o = NULL;
  styx_err err = make_owner(srv, who, fid, qid, &o);
  if (!err)
    err = ask_made(req, o, from);
  if (!err && !styx_req_make(req, o, qid))
    err = STYX_EBADFID;
  if (err && o)
    sx_object_put(o);
  if (!err)
    *out = o;
  return err;
}

/* Another object of the same fid. */
static styx_err make_again(styx_req *req, const styx_fid *old, styx_qid qid, int mode, struct sx_object **out) {
  struct sx_object *o = object_new(object_of(old)->owner, old->fid, qid);
  if (!o)
    return ENOMEM;
  o->f.isopen = mode >= 0;
  o->f.mode = mode >= 0 ? (uint8_t)mode : 0;
  if (!styx_req_make(req, o, qid)) {
    sx_object_put(o);
    return STYX_EBADFID;
  }
  *out = o;
  return STYX_OK;
}

static styx_err made(styx_err err, const struct sx_object *o, const styx_fid **out) {
  if (!err && out)
    *out = &o->f;
  return err;
}

styx_err styx_newfid(styx_req *req, styx_qid qid, const styx_fid **out) {
  const styx_msg *t = styx_req_msg(req);
  const styx_fid *from = NULL;
  struct sx_object *o = NULL;
  if (styx_req_made(req))
    return STYX_EINUSE;
  if (t->type == STYX_Twalk) {
    from = styx_getfid(req, t->fid);
    if (!from || t->newfid == STYX_NOFID)
      return STYX_EBADFID;
    if (from->isopen)
      return STYX_EOPEN;
    return t->newfid == t->fid ? made(make_again(req, from, qid, -1, &o), o, out)
                               : made(make_new(req, t->newfid, qid, from, &o), o, out);
  }
  if (t->type != STYX_Tattach && t->type != STYX_Tauth)
    return STYX_EBADARG;
  uint32_t fid = t->type == STYX_Tauth ? t->afid : t->fid;
  if (fid == STYX_NOFID)
    return STYX_EBADFID;
  return made(make_new(req, fid, qid, NULL, &o), o, out);
}

styx_err styx_openfid(styx_req *req, styx_qid qid, uint8_t mode, const styx_fid **out) {
  const styx_msg *t = styx_req_msg(req);
  struct sx_object *o = NULL;
  if (t->type != STYX_Topen && t->type != STYX_Tcreate)
    return STYX_EBADARG;
  const styx_fid *f = styx_getfid(req, t->fid);
  if (!f)
    return STYX_EBADFID;
  if (f->isopen || styx_req_made(req))
    return STYX_EOPEN;
  return made(make_again(req, f, qid, mode, &o), o, out);
}

void sx_fid_settle(styx_req *req) {
  struct sx_object *o = styx_req_made(req);
  if (!o)
    return;
  pthread_mutex_lock(&o->owner->srv->lock);
  o->owner->now = o;
  o->owner->last = o->f;
  pthread_mutex_unlock(&o->owner->srv->lock);
}

void sx_fid_drop(const styx_req *req, const styx_msg *t) {
  struct sx_object *o = t->type == STYX_Tclunk || t->type == STYX_Tremove ? styx_req_fid(req, t->fid) : NULL;
  if (o)
    unlist(o->owner, t->fid);
}

/* ---- found ---- */

const styx_fid *styx_getfid(const styx_req *req, uint32_t fid) {
  const struct sx_object *o = styx_req_fid(req, fid);
  return o && !atomic_load_explicit(&o->owner->deleted, memory_order_relaxed) ? &o->f : NULL;
}

void styx_delfid(const styx_fid *f) {
  struct sx_owner *owner = object_of(f)->owner;
  atomic_store_explicit(&owner->deleted, true, memory_order_relaxed);
  unlist(owner, f->fid);
}

const styx_fid *styx_srv_getfid(styx_srv *srv, uint32_t fid) {
  pthread_mutex_lock(&srv->lock);
  const struct sx_owner *owner = sx_table_get(&srv->fids, fid);
  struct sx_object *o = owner ? object_get(owner->now) : NULL;
  pthread_mutex_unlock(&srv->lock);
  return o ? &o->f : NULL;
}

void styx_putfid(const styx_fid *f) { sx_object_put(object_of(f)); }

/* With the lock: all of them, counted. */
static size_t collect(styx_srv *srv, struct sx_object **all) {
  size_t n = 0;
  const struct sx_owner *owner;
  for (size_t at = 0; (owner = sx_table_each(&srv->fids, &at));)
    if ((all[n] = object_get(owner->now)))
      n++;
  return n;
}

styx_err styx_allfids(styx_srv *srv, styx_allfids_fn *fn, void *arg) {
  const styx_allocator *alloc = &srv->kit->alloc;
  pthread_mutex_lock(&srv->lock);
  size_t n = 0, size = srv->fids.count * sizeof(struct sx_object *);
  struct sx_object **all = size ? sx_alloc(alloc, size) : NULL;
  if (all)
    n = collect(srv, all);
  pthread_mutex_unlock(&srv->lock);
  for (size_t i = 0; i < n; i++) {
    fn(arg, &all[i]->f);
    sx_object_put(all[i]);
  }
  sx_free(alloc, all, size);
  return all || !size ? STYX_OK : ENOMEM;
}

/* ---- data ---- */

void *styx_fid_data(const styx_fid *f) {
  return atomic_load_explicit(&object_of(f)->owner->data, memory_order_acquire);
}

void styx_fid_set_data(const styx_fid *f, void *data) {
  /* release: what data points to, for who finds it there */
  atomic_store_explicit(&object_of(f)->owner->data, data, memory_order_release);
}
