/* readonly.c: nothing is changed. */
#include "fs/filters/filter.h"

#include <errno.h>

enum {
  CHANGES = STYX_OP(create) | STYX_OP(write) | STYX_OP(setattr) | STYX_OP(remove) | STYX_OP(mkdir) | STYX_OP(symlink) |
            STYX_OP(mknod) | STYX_OP(link) | STYX_OP(rename) | STYX_OP(unlink) | STYX_OP(xattrcreate)
};

static styx_answer any(styx_req *req, enum styx_op op) {
  const struct styx_filter *f = styx_req_ctx(req);
  return CHANGES >> op & 1 ? styx_reply_error(req, EROFS) : styx_pass(req, &f->inner);
}

static styx_answer on_open(styx_req *req, void *node, uint32_t flags) {
  const struct styx_filter *f = styx_req_ctx(req);
  const uint32_t access = flags & STYX_O_MODE;
  (void)node;
  if (access == STYX_OWRITE || access == STYX_ORDWR || (flags & (STYX_O_TRUNC | STYX_O_RCLOSE | STYX_O_CREAT)))
    return styx_reply_error(req, EROFS);
  return styx_pass(req, &f->inner);
}

static const struct sx_filter_key keys[] = {{NULL, NULL}};

const struct sx_filter_kind sx_filter_readonly = {.name = "readonly", .keys = keys, .any = any, .open = on_open};
