/* hostfs_attr.c: what the kernel knows of an object, as 9P says it. */
#include "fs/host.h"

#include "fs/siphash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

styx_err sx_host_statx(int fd, const char *name, struct statx *st) {
  int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);
  return statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, st) < 0 ? errno : STYX_OK;
}

bool sx_host_is_at_hand(const styx_hostfs *h, const struct sx_host_node *node) {
  return h->local && node->object.dev == h->root_dev;
}

/* ---- identity ---- */

static uint64_t dev_of(const struct statx *st) { return makedev(st->stx_dev_major, st->stx_dev_minor); }

static uint64_t birth_of(const struct statx *st) {
  if (!(st->stx_mask & STATX_BTIME))
    return 0;
  return (uint64_t)st->stx_btime.tv_sec * 1000000000u + st->stx_btime.tv_nsec;
}

struct sx_host_id sx_host_id_of(const struct statx *st) {
  return (struct sx_host_id){dev_of(st), st->stx_ino, birth_of(st), st->stx_mode & S_IFMT};
}

bool sx_host_id_eq(const struct sx_host_id *a, const struct sx_host_id *b) {
  return a->dev == b->dev && a->ino == b->ino && a->birth == b->birth && a->type == b->type;
}

/* ---- qids ---- */

/* The key is fixed, so that every server of the directory gives a file the same qid. Where the host keeps no time of birth,
 * 0 stands for it. */
static uint64_t hash_words(const uint64_t *words, size_t n) {
  static const uint8_t key[16] = "styx hostfs qid";
  uint8_t bytes[24];
  for (size_t i = 0; i < 8 * n; i++)
    bytes[i] = (uint8_t)(words[i / 8] >> (8 * (i % 8)));
  return sx_siphash24(key, bytes, 8 * n);
}

static bool is_append(const struct statx *st) {
  return (st->stx_attributes & STATX_ATTR_APPEND) && S_ISREG(st->stx_mode);
}

static uint8_t type_of(const struct statx *st) {
  return S_ISDIR(st->stx_mode) ? STYX_QTDIR : is_append(st) ? STYX_QTAPPEND : STYX_QTFILE;
}

styx_qid sx_host_qid(const styx_hostfs *h, const struct statx *st) {
  /* 0 for the device of the export itself, so that its number may change; others by how they differ from it. */
  const uint64_t file[3] = {dev_of(st) ^ h->root_dev, st->stx_ino, birth_of(st)};
  const uint64_t state[3] = {(uint64_t)st->stx_ctime.tv_sec, st->stx_ctime.tv_nsec, st->stx_size};
  return (styx_qid){type_of(st), (uint32_t)hash_words(state, 3), hash_words(file, 3)};
}

/* ---- attributes ---- */

static styx_time time_of(struct statx_timestamp t) { return (styx_time){t.tv_sec, t.tv_nsec}; }

styx_attr sx_host_attr(styx_hostfs *h, const struct statx *st, const char *name, struct sx_host_texts *texts) {
  styx_attr a = {.qid = sx_host_qid(h, st), .n_uid = st->stx_uid, .n_gid = st->stx_gid, .n_muid = st->stx_uid};
  a.mode = (uint32_t)a.qid.type << 24 | (st->stx_mode & STYX_DMPERM);
  a.length = S_ISDIR(st->stx_mode) ? 0 : st->stx_size;
  a.atime = time_of(st->stx_atime);
  a.mtime = time_of(st->stx_mtime);
  a.name = name ? sx_host_name_out(texts->name, name) : styx_str_of("/");
  a.uid = a.muid = sx_host_id_text(h, texts->uid, st->stx_uid, false);
  a.gid = sx_host_id_text(h, texts->gid, st->stx_gid, true);
  a.st_mode = st->stx_mode;
  a.nlink = st->stx_nlink;
  a.rdev = makedev(st->stx_rdev_major, st->stx_rdev_minor);
  a.blksize = st->stx_blksize;
  a.blocks = st->stx_blocks;
  a.ctime = time_of(st->stx_ctime);
  a.btime = time_of(st->stx_btime);
  return a;
}

/* What is open tells of itself, so it need not be pinned. */
static styx_err look(styx_hostfs *h, struct sx_host_node *n, const struct sx_host_handle *o, bool may_block,
                     struct statx *st) {
  if (o)
    return sx_host_statx(o->fd, "", st);
  int fd = may_block ? sx_host_pin(h, n) : sx_host_pin_now(n);
  if (fd < 0)
    return -fd;
  styx_err err = sx_host_statx(fd, "", st);
  sx_host_unpin(n);
  return err;
}

styx_answer sx_host_getattr(styx_req *req, void *node, void *handle) {
  styx_hostfs *h = styx_req_ctx(req);
  struct sx_host_node *n = node;
  struct sx_host_texts texts;
  struct statx st;
  char name[NAME_MAX + 1];
  bool may_block = styx_req_may_block(req);
  if (!may_block && !sx_host_is_at_hand(h, n))
    return styx_reply_would_block(req);
  styx_err err = look(h, n, handle, may_block, &st);
  if (err == EAGAIN && !may_block)
    return styx_reply_would_block(req);
  if (err)
    return styx_reply_error(req, err);
  if (!may_block && !sx_host_ids_known(h, st.stx_uid, st.stx_gid))
    return styx_reply_would_block(req);
  if (n->parent)
    sx_host_node_name(h, n, name);
  styx_attr a = sx_host_attr(h, &st, n->parent ? name : NULL, &texts);
  return styx_reply_attr(req, &a);
}
