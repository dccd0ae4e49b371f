/* wrong9_fs.c: files in memory, for one thread. */
#include "conform/wrong9.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct node *root;
static uint64_t next_path = 1;

static struct node *node_new(struct node *parent, const char *name, size_t len, bool dir) {
  struct node *n = calloc(1, sizeof *n);
  uint8_t *bytes = dir ? NULL : calloc(1, FILE_MAX);
  if (!n || (!dir && !bytes) || len >= sizeof n->name)
    abort();
  *n = (struct node){.parent = parent, .dir = dir, .bytes = bytes, .path = next_path++};
  memcpy(n->name, name, len);
  if (root) {
    n->next = root->next;
    root->next = n;
  }
  return n;
}

void fs_init(void) {
  root = node_new(NULL, "/", 1, true);
  node_new(root, "blocked", 7, false)->blocked = true;
}

static struct node *find(const struct node *dir, styx_str name) {
  for (struct node *n = root->next; n; n = n->next)
    if (!n->gone && n->parent == dir && styx_str_is(name, n->name))
      return n;
  return NULL;
}

static struct fid *fid_of(struct conn *c, uint32_t number) {
  for (int i = 0; i < FIDS; i++)
    if (c->fids[i].used && c->fids[i].number == number)
      return &c->fids[i];
  return NULL;
}

static struct fid *fid_new(struct conn *c, uint32_t number, struct node *node) {
  for (int i = 0; i < FIDS; i++)
    if (!c->fids[i].used) {
      c->fids[i] = (struct fid){.used = true, .number = number, .node = node};
      return &c->fids[i];
    }
  abort();
}

void fs_clear(struct conn *c) { memset(c->fids, 0, sizeof c->fids); }

void fs_error(const struct conn *c, styx_msg *reply, int ecode, const char *text) {
  reply->type = c->dialect == STYX_9P2000_L ? STYX_Rlerror : STYX_Rerror;
  reply->ename = styx_str_of(text);
  reply->ecode = (uint32_t)ecode;
}

static styx_qid qid_of(const struct node *n) { return (styx_qid){.type = n->dir ? STYX_QTDIR : 0, .path = n->path}; }

static void walk(struct conn *c, struct fid *f, const styx_msg *m, styx_msg *r) {
  struct node *at = f->node;
  if (f->open || (m->newfid != m->fid && fid_of(c, m->newfid))) {
    fs_error(c, r, EBADF, f->open ? "the fid is open" : "fid in use");
    return;
  }
  for (; r->nwqid < m->nwname; r->nwqid++) {
    struct node *n = at->dir ? find(at, m->wname[r->nwqid]) : NULL;
    if (!n)
      break;
    at = n;
    r->wqid[r->nwqid] = qid_of(n);
  }
  if (r->nwqid == 0 && m->nwname > 0)
    fs_error(c, r, ENOENT, "file does not exist");
  else if (r->nwqid == m->nwname && m->newfid == m->fid)
    f->node = at;
  else if (r->nwqid == m->nwname)
    fid_new(c, m->newfid, at);
}

static void open_fid(struct conn *c, struct fid *f, uint8_t mode, bool trunc, styx_msg *r) {
  if (f->open) {
    fs_error(c, r, EBADF, "the fid is open");
    return;
  }
  f->open = true;
  f->mode = mode;
  if (trunc)
    f->node->length = 0;
  r->qid = qid_of(f->node);
}

static void create(struct conn *c, struct fid *f, const styx_msg *m, bool dir, styx_msg *r) {
  if (f->open || !f->node->dir) {
    fs_error(c, r, ENOTDIR, "not a directory");
    return;
  }
  if (find(f->node, m->name)) {
    fs_error(c, r, EEXIST, "file exists");
    return;
  }
  struct node *n = node_new(f->node, m->name.s, m->name.len, dir);
  r->qid = qid_of(n);
  if (m->type == STYX_Tmkdir)
    return;
  f->node = n;
  f->open = true;
  f->mode = dir ? STYX_OREAD : STYX_ORDWR;
}

/* All entries at once, from offset 0; then none. */
static uint32_t read_dir(struct conn *c, const struct node *dir, const styx_msg *m, uint8_t *buf) {
  size_t at = 0;
  for (struct node *n = m->offset ? NULL : root->next; n; n = n->next) {
    if (n->gone || n->parent != dir)
      continue;
    styx_str name = styx_str_of(n->name);
    styx_ldirent e = {.qid = qid_of(n), .offset = 1, .name = name};
    styx_stat st = {.qid = qid_of(n), .name = name};
    ptrdiff_t used = c->dialect == STYX_9P2000_L ? styx_ldirent_encode(buf + at, m->count - at, &e)
                                                 : styx_stat_encode(buf + at, m->count - at, &st, c->dialect);
    if (used <= 0)
      break;
    at += (size_t)used;
  }
  return (uint32_t)at;
}

static void read_fid(struct conn *c, struct fid *f, const styx_msg *m, styx_msg *r) {
  static uint8_t buf[MSIZE];
  const struct node *n = f->node;
  if (!f->open || f->mode == STYX_OWRITE || m->count > sizeof buf) {
    fs_error(c, r, EBADF, "the fid is not open for reading");
    return;
  }
  r->data = buf;
  if (n->dir) {
    r->count = read_dir(c, n, m, buf);
    return;
  }
  uint32_t left = m->offset < n->length ? n->length - (uint32_t)m->offset : 0;
  r->count = m->count < left ? m->count : left;
  if (r->count)
    memcpy(buf, n->bytes + m->offset, r->count);
  if (fault == DATA && r->count && roll(50) == 0)
    buf[roll(r->count)] ^= 1;
}

static void write_fid(struct conn *c, struct fid *f, const styx_msg *m, styx_msg *r) {
  struct node *n = f->node;
  if (!f->open || f->mode == STYX_OREAD || n->dir || m->offset + m->count > FILE_MAX) {
    fs_error(c, r, EBADF, "the fid is not open for writing");
    return;
  }
  memcpy(n->bytes + m->offset, m->data, m->count);
  uint32_t end = (uint32_t)m->offset + m->count;
  n->length = end > n->length ? end : n->length;
  r->count = m->count;
}

static void stat_fid(const struct fid *f, styx_msg *r) {
  const struct node *n = f->node;
  if (r->type == STYX_Rgetattr)
    r->attr = (styx_lattr){.valid = STYX_GETATTR_BASIC, .qid = qid_of(n), .size = n->length, .nlink = 1};
  else
    r->stat = (styx_stat){.qid = qid_of(n), .length = n->length, .name = styx_str_of(n->name)};
}

static void unlink_at(struct conn *c, struct fid *f, const styx_msg *m, styx_msg *r) {
  struct node *n = find(f->node, m->name);
  if (n)
    n->gone = true;
  else
    fs_error(c, r, ENOENT, "file does not exist");
}

bool fs_blocks(const struct conn *c, const styx_msg *m) {
  for (int i = 0; m->type == STYX_Tread && i < FIDS; i++)
    if (c->fids[i].used && c->fids[i].number == m->fid && c->fids[i].open)
      return c->fids[i].node->blocked;
  return false;
}

static void run_on_fid(struct conn *c, struct fid *f, const styx_msg *m, styx_msg *r) {
  switch (m->type) {
  case STYX_Twalk:
    walk(c, f, m, r);
    break;
  case STYX_Topen:
    open_fid(c, f, m->mode & 3, (m->mode & STYX_OTRUNC) != 0, r);
    break;
  case STYX_Tlopen:
    open_fid(c, f, m->flags & 3, (m->flags & 01000) != 0, r);
    break;
  case STYX_Tcreate:
  case STYX_Tlcreate:
  case STYX_Tmkdir:
    create(c, f, m, m->type == STYX_Tmkdir || (m->type == STYX_Tcreate && m->perm & STYX_DMDIR), r);
    break;
  case STYX_Tread:
  case STYX_Treaddir:
    read_fid(c, f, m, r);
    break;
  case STYX_Twrite:
    write_fid(c, f, m, r);
    break;
  case STYX_Tstat:
  case STYX_Tgetattr:
    stat_fid(f, r);
    break;
  case STYX_Tremove:
    f->node->gone = true;
    f->used = false;
    break;
  case STYX_Tclunk:
    f->used = false;
    break;
  case STYX_Tunlinkat:
    unlink_at(c, f, m, r);
    break;
  default:
    fs_error(c, r, EOPNOTSUPP, "not supported");
  }
}

void fs_run(struct conn *c, const styx_msg *m, styx_msg *r) {
  uint32_t number = m->type == STYX_Tmkdir || m->type == STYX_Tunlinkat ? m->dfid : m->fid;
  struct fid *f = fid_of(c, number);
  *r = (styx_msg){.type = (uint8_t)(m->type + 1), .tag = m->tag};
  if (m->type == STYX_Tattach && !f) {
    fid_new(c, m->fid, root);
    r->qid = qid_of(root);
  } else if (m->type == STYX_Tattach || !f) {
    fs_error(c, r, EBADF, f ? "fid in use" : "unknown fid");
  } else {
    run_on_fid(c, f, m, r);
  }
}
