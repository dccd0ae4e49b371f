/* session/work.h: a piece of work, for embedders inside this project, which sort it into lists without allocating. */
#ifndef SESSION_WORK_H
#define SESSION_WORK_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sx_work_kind { SX_RUN, SX_CANCEL, SX_CLOSE, SX_FORGET, SX_RELEASE };

struct styx_work {
  struct sx_link w_link; /* in s_work or s_cancels until styx_session_next; then the runner's */
  enum sx_work_kind w_kind;
  void *w_arg; /* the session's hook_arg */
  /* The runner's own (server/work.c): where it waits, what it must not run beside (0: anything), and for its log what it is. */
  int w_lane, w_op;
  uint64_t w_key;
  const struct styx_fs_ops *w_ops;
};

struct styx_export;
/* There is one at all, and one that sees every request (fs.h, request) is alone, and has no plug. */
bool sx_exports_fit(const struct styx_export *exports, size_t n);

#endif
