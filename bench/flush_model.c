/* flush_model.c: what a fid and a file must be. A reply is honoured in full (F24); a request that was flushed without one has
 * never been sent (F8, F25), which the requests after it show. */
#include "flush.h"

#include <string.h>

static const char *const effects[FL_OPS] = {
    [FL_WALK_DIR] = "newfid-leaked", [FL_WALK_FILE] = "newfid-leaked", [FL_WALK_PAST] = "newfid-leaked",
    [FL_WALK_HERE] = "walk-effect",  [FL_ATTACH] = "attach-effect",    [FL_OPEN] = "open-effect",
    [FL_CREATE] = "create-effect",   [FL_WRITE] = "write-effect",      [FL_CLUNK] = "clunk-effect",
    [FL_REMOVE] = "remove-effect",   [FL_UNLINK] = "unlink-effect"};

size_t fl_model_name(const struct fl_slot *s, char *buf, size_t cap) {
  return (size_t)snprintf(buf, cap, "f%u.%u", s->index, (unsigned)s->gen);
}

void fl_model_forget(struct fl_conn *c, struct fl_slot *s) {
  unsigned blocked = c->run->o->blocked ? c->run->o->depth / 8 + 1 : 0;
  *s = (struct fl_slot){.index = s->index, .gen = s->gen + 1, .fid = c->next_fid++, .blocked = s->index < blocked};
}

/* What came cannot be: the blame goes to a late reply for the tag's last user, to the request that was flushed lately, or to
 * nobody we know. The slot gets another fid and file, since these are not known any more. */
static void contradiction(struct fl_conn *c, struct fl_slot *s, const struct fl_req *r, const styx_msg *m,
                          const char *kind, const char *what) {
  const char *rule = strcmp(kind, "data") == 0 ? "data" : "answer";
  bool error = fl_is_error(m);
  if (!error && fl_tags_stale(c, r, false))
    rule = "F4", kind = "stale-reply";
  else if (s->partial && s->at == FL_FREE && !error)
    kind = "partial-walk-binds"; /* no matter of flush */
  else if (s->suspected)
    rule = "F8", kind = s->suspect;
  else if (error && fl_is_interrupted(m))
    rule = "F7", kind = "interrupted-unflushed";
  else if (error && fl_tags_stale(c, r, true))
    rule = "F4", kind = "stale-reply";
  fl_violation(c, rule, kind, strcmp(rule, "F4") == 0 ? m->tag : -1, s->fid, "%s: %s", styx_msg_name(r->type), what);
  fl_model_forget(c, s);
}

/* ---- no reply ---- */

static void silent(struct fl_conn *c, struct fl_slot *s, const struct fl_req *r) {
  const char *effect = effects[s->ask.op];
  if (s->unsure) {
    fl_model_forget(c, s);
    return;
  }
  if (s->at >= FL_AT_BLOCKED) {
    s->probe = s->ask.op;
    return;
  }
  if (s->ask.op == FL_CLUNK || s->ask.op == FL_REMOVE)
    fl_warning(c, "F18", r->type == STYX_Tclunk ? "clunk-cancelled" : "remove-cancelled");
  if (!effect || s->ask.want == FL_WANT_ERROR)
    return;
  s->probe = s->ask.op;
  s->probe_after = (uint8_t)(fl_chance(c, 600) ? 0 : 1 + fl_roll(c, 4));
  s->suspect = effect;
  s->suspected = FL_SUSPECT;
}

/* ---- an error ---- */

static bool changes(const struct fl_ask *a) {
  return a->op == FL_CREATE || a->op == FL_WRITE || a->op == FL_CLUNK || a->op == FL_REMOVE || a->op == FL_UNLINK ||
         (a->op == FL_OPEN && a->trunc);
}

static void failed(struct fl_conn *c, struct fl_slot *s, const struct fl_req *r, const styx_msg *m) {
  if (s->unsure) {
    fl_model_forget(c, s);
  } else if (s->ask.want == FL_WANT_ANY && s->ask.op == FL_CLUNK) {
    fl_model_forget(c, s);
  } else if (s->ask.want == FL_WANT_ANY) {
    s->probe = s->ask.op; /* a blocked one: it is clunked next */
  } else if (s->ask.want == FL_WANT_ERROR) {
    s->verified = s->ask.op == FL_WALK_FILE;
  } else if (r->flushed && fl_is_interrupted(m)) {
    s->unsure = changes(&s->ask);
  } else {
    contradiction(c, s, r, m, "refused", "refused, and nothing is wrong with it");
  }
}

/* ---- a reply ---- */

static const char *check_walk(const struct fl_slot *s, const styx_msg *m) {
  uint16_t want = s->ask.op == FL_WALK_DIR ? 0 : 1;
  if (m->nwqid != want)
    return "another number of qids than names that exist";
  if (want && m->wqid[0].path != s->qpath)
    return "the qid of another file";
  return NULL;
}

static const char *check_stat(const struct fl_conn *c, const struct fl_slot *s, const styx_msg *m) {
  bool linux = m->type == STYX_Rgetattr;
  uint64_t path = linux ? m->attr.qid.path : m->stat.qid.path;
  if (s->at == FL_AT_DIR)
    return path == c->dir_path ? NULL : "the fid must be our directory, and has another qid";
  if (s->at == FL_AT_ROOT)
    return NULL;
  if (path != s->qpath)
    return "the qid of another file";
  return (linux ? m->attr.size : m->stat.length) == s->length ? NULL : "not the length that the file must have";
}

static const char *check_read(const struct fl_slot *s, const styx_msg *m, const uint8_t *bytes, uint32_t length) {
  const struct fl_ask *a = &s->ask;
  uint32_t left = a->offset < length ? length - (uint32_t)a->offset : 0;
  if (m->count > a->count)
    return "more bytes than were asked for";
  if (m->count > left)
    return "bytes after the end of the file";
  if (m->count == 0 && left > 0)
    return "no bytes, before the end of the file";
  return memcmp(m->data, bytes + a->offset, m->count) == 0 ? NULL : "not the bytes that the file must have";
}

static const char *check(const struct fl_conn *c, const struct fl_slot *s, const styx_msg *m) {
  switch ((enum fl_op)s->ask.op) {
  case FL_WALK_DIR:
  case FL_WALK_FILE:
  case FL_WALK_PAST:
  case FL_WALK_HERE:
    return check_walk(s, m);
  case FL_OPEN:
    return m->qid.path == s->qpath ? NULL : "the qid of another file";
  case FL_STAT:
    return check_stat(c, s, m);
  case FL_READ:
    return check_read(s, m, s->bytes, s->length);
  case FL_SHARED_READ:
    return check_read(s, m, c->run->shared, FL_SHARED);
  case FL_WRITE:
    return m->count <= s->ask.count && m->count > 0 ? NULL : "more bytes than were given, or none";
  default:
    return NULL;
  }
}

static void apply_write(struct fl_slot *s, uint32_t count) {
  uint8_t data[FL_FILE];
  uint32_t end = (uint32_t)s->ask.offset + count;
  fl_fill(data, s->ask.count, s->ask.seed);
  memcpy(s->bytes + s->ask.offset, data, count);
  s->length = end > s->length ? end : s->length;
}

static void apply_open(struct fl_slot *s) {
  s->at = FL_AT_OPEN;
  s->mode = s->ask.mode;
  s->length = s->ask.trunc ? 0 : s->length;
}

static void apply_create(struct fl_slot *s, const styx_msg *m) {
  s->at = FL_AT_OPEN;
  s->mode = STYX_ORDWR;
  s->exists = true;
  s->length = 0;
  s->qpath = m->qid.path;
}

static void apply(struct fl_slot *s, const styx_msg *m) {
  switch ((enum fl_op)s->ask.op) {
  case FL_WALK_DIR:
    s->at = FL_AT_DIR;
    break;
  case FL_WALK_FILE:
  case FL_WALK_HERE:
    s->at = FL_AT_FILE;
    break;
  case FL_ATTACH:
    s->at = FL_AT_ROOT;
    break;
  case FL_OPEN:
    apply_open(s);
    break;
  case FL_CREATE:
    apply_create(s, m);
    break;
  case FL_READ:
    s->verified = s->verified || s->read_all;
    break;
  case FL_WRITE:
    apply_write(s, m->count);
    break;
  case FL_CLUNK:
    s->at = FL_FREE;
    break;
  case FL_REMOVE:
    s->at = FL_FREE;
    s->exists = false;
    break;
  case FL_UNLINK:
    s->exists = false;
    break;
  default:;
  }
}

static void apply_blocked(struct fl_slot *s) {
  switch ((enum fl_op)s->ask.op) {
  case FL_CLUNK:
    s->at = FL_FREE;
    s->probe = FL_NONE;
    break;
  case FL_OPEN:
    s->at = FL_AT_BLOCKED_OPEN;
    break;
  default:;
  }
}

static void done(struct fl_conn *c, struct fl_slot *s, const struct fl_req *r, const styx_msg *m) {
  const char *wrong = NULL;
  if (s->unsure) {
    fl_model_forget(c, s);
  } else if (s->ask.op == FL_WALK_BLOCKED) {
    s->at = FL_AT_BLOCKED;
  } else if (s->at >= FL_AT_BLOCKED) {
    apply_blocked(s);
  } else if (s->ask.want == FL_WANT_ERROR) {
    contradiction(c, s, r, m, "not-refused", "it cannot succeed, and has");
  } else if ((wrong = check(c, s, m))) {
    contradiction(c, s, r, m, "data", wrong);
  } else {
    apply(s, m);
    s->partial = s->at == FL_FREE && (s->partial || s->ask.op == FL_WALK_PAST);
    if (s->ask.op == FL_READ)
      s->read_all = false;
  }
}

void fl_model_outcome(struct fl_conn *c, struct fl_req *r, const styx_msg *m) {
  struct fl_slot *s = r->slot;
  s->busy = false;
  c->nbusy--;
  if (s->suspected)
    s->suspected--;
  if (!m)
    silent(c, s, r);
  else if (fl_is_error(m))
    failed(c, s, r, m);
  else
    done(c, s, r, m);
}
