/* flush_say.c: what is to be asked, as a message of the dialect. */
#include "flush.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { L_TRUNC = 01000, L_EXCL = 0200, L_CREAT = 0100 }; /* flags of Linux, as 9P2000.L has them on the wire */

void fl_say_attach(styx_msg *m, uint32_t fid, const char *uname, const char *aname) {
  *m = (styx_msg){.type = STYX_Tattach, .fid = fid, .afid = STYX_NOFID, .n_uname = STYX_NOUID};
  m->uname = styx_str_of(uname);
  m->aname = styx_str_of(aname);
}

void fl_say_stat(styx_dialect d, styx_msg *m, uint32_t fid) {
  *m = (styx_msg){.type = d == STYX_9P2000_L ? STYX_Tgetattr : STYX_Tstat, .fid = fid, .mask = STYX_GETATTR_BASIC};
}

void fl_say_open(styx_dialect d, styx_msg *m, uint32_t fid, uint8_t mode, bool trunc) {
  *m = (styx_msg){.fid = fid};
  if (d == STYX_9P2000_L) {
    m->type = STYX_Tlopen;
    m->flags = mode | (trunc ? L_TRUNC : 0u);
  } else {
    m->type = STYX_Topen;
    m->mode = (uint8_t)(mode | (trunc ? STYX_OTRUNC : 0));
  }
}

/* For reading and writing; a name that exists is an error. */
void fl_say_create(styx_dialect d, styx_msg *m, uint32_t fid, styx_str name, bool dir) {
  *m = (styx_msg){.fid = fid, .name = name, .perm = dir ? 0755 : 0644};
  if (d == STYX_9P2000_L && dir) {
    m->type = STYX_Tmkdir;
    m->dfid = fid;
  } else if (d == STYX_9P2000_L) {
    m->type = STYX_Tlcreate;
    m->perm |= 0100000;
    m->flags = STYX_ORDWR | L_CREAT | L_EXCL;
  } else {
    m->type = STYX_Tcreate;
    m->perm |= dir ? STYX_DMDIR : 0;
    m->mode = dir ? STYX_OREAD : STYX_ORDWR;
  }
}

void fl_say_path(styx_msg *m, const char *path) {
  while (*(path += strspn(path, "/")) && m->nwname < STYX_MAXWELEM) {
    size_t len = strcspn(path, "/");
    m->wname[m->nwname++] = (styx_str){path, len};
    path += len;
  }
}

static void say_walk(const struct fl_conn *c, const struct fl_slot *s, styx_msg *m, styx_str name) {
  *m = (styx_msg){.type = STYX_Twalk, .fid = c->dir, .newfid = s->fid};
  if (s->ask.op == FL_WALK_BLOCKED) {
    m->fid = c->root;
    fl_say_path(m, c->run->o->blocked);
    return;
  }
  if (s->ask.op == FL_WALK_HERE)
    m->fid = s->fid;
  if (s->ask.op != FL_WALK_DIR)
    m->wname[m->nwname++] = name;
  if (s->ask.op == FL_WALK_PAST)
    m->wname[m->nwname++] = (styx_str)STYX_STR("beyond");
}

/* s->ask as a message. data: what a Twrite carries. name: room for the file's name. */
void fl_say(const struct fl_conn *c, const struct fl_slot *s, styx_msg *m, const uint8_t *data, char *name,
            size_t cap) {
  const struct fl_options *o = c->run->o;
  const struct fl_ask *a = &s->ask;
  styx_str file = {name, fl_model_name(s, name, cap)};
  *m = (styx_msg){.fid = s->fid, .offset = a->offset, .count = a->count, .data = data};
  switch ((enum fl_op)a->op) {
  case FL_ATTACH:
    fl_say_attach(m, s->fid, o->uname, o->aname);
    break;
  case FL_OPEN:
    fl_say_open(o->dialect, m, s->fid, a->mode, a->trunc);
    break;
  case FL_CREATE:
    fl_say_create(o->dialect, m, s->fid, file, false);
    break;
  case FL_STAT:
    fl_say_stat(o->dialect, m, s->fid);
    break;
  case FL_SHARED_READ:
    m->fid = c->shared;
    m->type = STYX_Tread;
    break;
  case FL_READ:
    m->type = STYX_Tread;
    break;
  case FL_WRITE:
    m->type = STYX_Twrite;
    break;
  case FL_CLUNK:
    m->type = STYX_Tclunk;
    break;
  case FL_REMOVE:
    m->type = STYX_Tremove;
    break;
  case FL_UNLINK:
    *m = (styx_msg){.type = STYX_Tunlinkat, .dfid = s->fid, .name = file};
    break;
  default:
    say_walk(c, s, m, file);
  }
}

bool fl_is_error(const styx_msg *m) { return m->type == STYX_Rerror || m->type == STYX_Rlerror; }

static bool contains(styx_str text, const char *word) {
  size_t n = strlen(word);
  for (size_t i = 0; i + n <= text.len; i++) {
    size_t k = 0;
    while (k < n && tolower((unsigned char)text.s[i + k]) == word[k])
      k++;
    if (k == n)
      return true;
  }
  return false;
}

bool fl_is_interrupted(const styx_msg *m) {
  if (m->ecode == EINTR || m->ecode == ECANCELED)
    return true;
  return m->type == STYX_Rerror && (contains(m->ename, "interrupt") || contains(m->ename, "cancel") ||
                                    contains(m->ename, "abort") || contains(m->ename, "flushed"));
}
