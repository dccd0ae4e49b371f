/* pass.c: filesystems in front of others: requests that are handed on, and the paths that those in front choose by. */
#include "session/state.h"

#include <string.h>

styx_answer styx_pass(styx_req *req, const styx_fs *fs) {
  req->r_fs = fs;
  return sx_req_call(req);
}

/* As between two elements of a walk nothing has happened yet: a flush that came meanwhile is obeyed here. */
void sx_passed(styx_req *r) {
  const styx_fs *fs = r->r_fs;
  bool asked = r->r_silent || (atomic_load_explicit(&r->r_word, memory_order_acquire) & SX_ASKED);
  if (asked && !r->r_must_run) {
    r->r_answer = SX_A_INTERRUPTED;
    sx_finish(r);
    return;
  }
  sx_queue(r, r->r_op);
  r->r_fs = fs;
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
