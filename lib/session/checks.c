/* checks.c: what the protocol says of a request before any filesystem sees it; pure. */
#include "session/state.h"

#include <errno.h>
#include <string.h>

/* Mode bytes are an access mode and the two bits; nothing else (contract 1.5). Directories are only read (1.9). */
styx_err sx_check_open(uint8_t mode, bool is_dir) {
  if (mode & ~(STYX_O_MODE | STYX_OTRUNC | STYX_ORCLOSE))
    return STYX_EBADARG;
  return is_dir && mode != STYX_OREAD ? EISDIR : STYX_OK;
}

/* They are kept as long as the fid, so that a peer that attaches often must not make them as long as a message may be. */
styx_err sx_check_names(const styx_msg *m) {
  return m->uname.len > SX_USER || m->aname.len > SX_PATH ? ENAMETOOLONG : STYX_OK;
}

static styx_err check_name(styx_str name, uint64_t max) {
  if (name.len == 0 || memchr(name.s, '/', name.len))
    return STYX_ENAME;
  if (styx_str_is(name, ".") || styx_str_is(name, ".."))
    return STYX_EDOT;
  return name.len > max ? ENAMETOOLONG : STYX_OK;
}

styx_err sx_check_create(const styx_msg *m, uint64_t max_name) {
  styx_err err = check_name(m->name, max_name);
  if (!err)
    err = sx_check_open(m->mode, (m->perm & STYX_DMDIR) != 0);
  if (!err && (m->perm & ~(STYX_DMDIR | STYX_DMAPPEND | STYX_DMEXCL | STYX_DMTMP | STYX_DMPERM)))
    err = STYX_EBADARG;
  return err;
}

styx_err sx_check_io(const struct sx_binding *b, const styx_msg *m) {
  static const uint8_t reads = 1 << STYX_OREAD | 1 << STYX_ORDWR | 1 << STYX_OEXEC;
  static const uint8_t writes = 1 << STYX_OWRITE | 1 << STYX_ORDWR;
  if (!b->b_open)
    return STYX_ENOTOPEN;
  uint8_t may = m->type == STYX_Tread ? reads : writes;
  if (!(may >> (b->b_mode & STYX_O_MODE) & 1))
    return STYX_EBADUSE;
  if (b->b_auth) /* the offset means nothing */
    return STYX_OK;
  return m->offset > (uint64_t)INT64_MAX - m->count ? STYX_EOFFSET : STYX_OK;
}

/* Fields that nobody may change (contract 1.11): touched is fine only when nothing would change. muid is ignored, whatever it
 * says: Linux puts its user name there whenever it renames (decisions/0001). */
static bool immutable_touched(const styx_stat *st, styx_qid qid) {
  bool dir = (qid.type & STYX_QTDIR) != 0;
  return (st->type != UINT16_MAX && st->type != 0) || (st->dev != UINT32_MAX && st->dev != 0) ||
         (st->qid.type != UINT8_MAX && st->qid.type != qid.type) ||
         (st->qid.vers != UINT32_MAX && st->qid.vers != qid.vers) ||
         (st->qid.path != UINT64_MAX && st->qid.path != qid.path) ||
         (st->mode != UINT32_MAX && ((st->mode & STYX_DMDIR) != 0) != dir);
}

styx_err sx_check_wstat(const styx_stat *st, styx_qid qid, uint64_t max_name, styx_setattr *out) {
  *out = (styx_setattr){.mode = st->mode, .length = st->length, .name = st->name, .uid = st->uid, .gid = st->gid};
  out->atime.sec = st->atime;
  out->mtime.sec = st->mtime;
  if (immutable_touched(st, qid))
    return EPERM;
  if (st->name.len) {
    styx_err err = check_name(st->name, max_name);
    if (err)
      return err;
    out->valid |= STYX_SET_NAME;
  }
  if (st->length != UINT64_MAX) {
    if (qid.type & STYX_QTDIR) {
      if (st->length != 0)
        return EISDIR;
    } else {
      if (st->length > INT64_MAX)
        return EFBIG;
      out->valid |= STYX_SET_LENGTH;
    }
  }
  out->valid |= (st->mode != UINT32_MAX ? STYX_SET_MODE : 0u) | (st->atime != UINT32_MAX ? STYX_SET_ATIME : 0u) |
                (st->mtime != UINT32_MAX ? STYX_SET_MTIME : 0u) | (st->uid.len ? STYX_SET_UID : 0u) |
                (st->gid.len ? STYX_SET_GID : 0u);
  return STYX_OK;
}
