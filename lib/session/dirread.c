/* dirread.c: reads of directories: offsets are bytes of what was returned before, cookies are the filesystem's; one read at
 * a time for each fid. */
#include "session/state.h"

bool sx_dirread_turn(styx_req *r) {
  struct sx_binding *b = sx_pin(r);
  if (r->r_reading_dir)
    return true;
  if (b->b_reading) {
    sx_list_push(&b->b_readers, &r->r_wait);
    return false;
  }
  return b->b_reading = r->r_reading_dir = true;
}

void sx_dirread_start(styx_req *r, struct sx_binding *b) {
  if (!sx_dirread_turn(r))
    return;
  /* 0 starts anew, else exactly where the last read ended (contract 1.10). */
  if (r->r_msg.offset != 0 && r->r_msg.offset != b->b_offset) {
    sx_finish_error(r, STYX_EOFFSET);
    return;
  }
  r->r_cookie = r->r_msg.offset == 0 ? 0 : b->b_cookie;
  sx_queue(r, STYX_OP_readdir);
}

/* r is over; if its reply was sent, that is where the next read starts (a read that never happened moves nothing: F8). */
void sx_dirread_over(styx_req *r, bool sent) {
  struct sx_binding *b = sx_pin(r);
  if (sent && r->r_frame_len) {
    b->b_offset = r->r_msg.offset + (r->r_frame_len - STYX_RREADHDRSZ);
    b->b_cookie = r->r_cookie;
  }
  struct sx_link *next = sx_list_pop(&b->b_readers);
  b->b_reading = next != NULL;
  if (!next)
    return;
  /* The next one has the turn from here on, so it passes it on even when it is refused or flushed before it reads. */
  SX_OF(styx_req, r_wait, next)->r_reading_dir = true;
  sx_list_push(&r->r_session->s_ready, next);
}
