/* dirread.c: reads of directories: offsets are bytes of what was returned before, cookies are the filesystem's; one read at
 * a time for each fid. */
#include "session/state.h"

void sx_dirread_start(styx_req *r, struct sx_binding *b) {
  if (b->b_reading) {
    sx_list_push(&b->b_readers, &r->r_wait);
    return;
  }
  /* 0 starts anew, else exactly where the last read ended (contract 1.10). */
  if (r->r_msg.offset != 0 && r->r_msg.offset != b->b_offset) {
    sx_finish_error(r, STYX_EOFFSET);
    return;
  }
  b->b_reading = r->r_reading_dir = true;
  r->r_cookie = r->r_msg.offset == 0 ? 0 : b->b_cookie;
  sx_queue(r, STYX_OP_readdir);
}

/* r is over; if its reply was sent, that is where the next read starts (a read that never happened moves nothing: F8). */
void sx_dirread_over(styx_req *r, bool sent) {
  struct sx_binding *b = sx_pin(r);
  if (sent) {
    b->b_offset = r->r_msg.offset + (r->r_frame_len - STYX_RREADHDRSZ);
    b->b_cookie = r->r_cookie;
  }
  b->b_reading = false;
  /* All of them come back through s_ready: the first may be refused or flushed before it reads, and then nobody would call
   * the next. In front, since they came before any other read of this fid that may be there. */
  while (!sx_list_empty(&b->b_readers)) {
    struct sx_link *last = b->b_readers.prev;
    sx_unlink(last);
    sx_list_push(r->r_session->s_ready.next, last);
  }
}
