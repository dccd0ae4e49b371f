/* pass.c: filesystems in front of others: requests that are handed on, and the paths that those in front choose by. And
 * requests that would block, which go the same way: they run again. */
#include "session/state.h"

#include <string.h>

styx_answer styx_pass(styx_req *req, const styx_fs *fs) {
  req->r_fs = fs;
  return sx_req_call(req);
}

/* What the handler has prepared for an answer, it prepares anew; room for data stays. */
static void forget_preparations(styx_req *r) {
  r->r_frame_len = 0;
  r->r_prepared = false;
  r->r_cookie = 0;
  r->r_err = STYX_OK;
  r->r_iounit = 0;
  r->r_stream = false;
}

/* As between two elements of a walk nothing has happened yet: a flush that came meanwhile is obeyed here. What would block is
 * asked of the filesystem that said so: those in front have been asked, and have passed it on. */
void sx_run_again(styx_req *r) {
  const styx_fs *fs = r->r_fs;
  bool would_block = r->r_answer == SX_A_WOULD_BLOCK;
  const bool asked = sx_told_to_end(r);
  if (asked && !r->r_must_run) {
    r->r_answer = SX_A_INTERRUPTED;
    sx_finish(r);
    return;
  }
  forget_preparations(r);
  if (r->r_op == STYX_OP_readdir)
    sx_dirread_start(r, sx_pin(r)); /* from where it started before */
  else
    sx_queue(r, r->r_op);
  r->r_fs = fs;
  r->r_may_block |= would_block;
}

/* ---- paths ---- */

styx_str styx_req_path(const styx_req *req) {
  const struct sx_node *n = req->r_node ? req->r_node : sx_pin(req) ? sx_pin(req)->b_node : NULL;
  return n ? (styx_str){n->n_path, n->n_path_len} : (styx_str){"", 0};
}

size_t sx_path_make(char out[SX_PATH], const styx_fs_ops *ops, const struct sx_node *from, styx_str name) {
  if (!SX_HAS(ops, paths) || (from && !from->n_path_len))
    return 0;
  size_t len = from && from->n_path_len > 1 ? from->n_path_len : 0; /* the root's slash is that before a name */
  bool up = styx_str_is(name, "..");
  if (!up && len + 1 + name.len > SX_PATH)
    return 0;
  if (len)
    memcpy(out, from->n_path, len);
  if (up)
    while (len > 0 && out[--len] != '/')
      ;
  if (!up || len == 0)
    out[len++] = '/';
  if (!up && name.len)
    memcpy(out + len, name.s, name.len);
  return up ? len : len + name.len;
}
