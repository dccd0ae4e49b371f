/* log.c: one call for each operation, when it begins. */
#include "fs/filters/filter.h"

static styx_answer any(styx_req *req, enum styx_op op) {
  const struct styx_filter *f = styx_req_ctx(req);
  if (f->config.log && sx_filter_hits(f, req, op))
    f->config.log(f->config.arg, styx_op_name(op), styx_req_path(req), styx_req_user(req));
  return styx_pass(req, &f->inner);
}

static const struct sx_filter_key keys[] = {{"op", sx_filter_set_ops}, {"path", sx_filter_set_path}, {NULL, NULL}};

const struct sx_filter_kind sx_filter_log = {
    .name = "log", .keys = keys, .ops = SX_FILTER_REQUESTS, .any = any, .paths = true};
