/* dirread.c: reads of directories: offsets are bytes of what was returned before, cookies are the filesystem's; one read at
 * a time for each fid. So is whatever concerns an afid: it takes turns in the same way. */
#include "session/state.h"

bool sx_turn_take(styx_req *r, struct sx_binding *b) {
  if (r->r_turn)
    return true;
  if (b->b_taken) {
    sx_list_push(&b->b_waiting, &r->r_wait);
    return false;
  }
  return b->b_taken = r->r_turn = true;
}

void sx_dirread_start(styx_req *r, struct sx_binding *b) {
  if (!sx_turn_take(r, b))
    return;
  /* 0 starts anew, else exactly where the last read ended (contract 1.10). */
  if (r->r_msg.offset != 0 && r->r_msg.offset != b->b_offset) {
    sx_finish_error(r, STYX_EOFFSET);
    return;
  }
  r->r_cookie = r->r_msg.offset == 0 ? 0 : b->b_cookie;
  sx_queue(r, STYX_OP_readdir);
}

/* How many bytes the reply has. */
static size_t data_len(const styx_req *r) {
  size_t len = 0;
  if (r->r_answer != SX_A_REF)
    return r->r_frame_len ? r->r_frame_len - STYX_RREADHDRSZ : 0;
  for (const struct sx_segment *g = r->r_ref; g; g = g->g_next)
    len += g->g_len;
  return len;
}

/* If the reply of a read was sent, that is where the next one starts (a read that never happened moves nothing: F8). */
void sx_turn_over(styx_req *r, bool sent) {
  struct sx_binding *b = r->r_msg.type == STYX_Tattach ? r->r_place[1].pl_pin : sx_pin(r);
  if (sent && r->r_msg.type == STYX_Tread) {
    b->b_offset = r->r_msg.offset + data_len(r);
    b->b_cookie = r->r_cookie;
  }
  struct sx_link *next = sx_list_pop(&b->b_waiting);
  r->r_turn = false;
  b->b_taken = next != NULL;
  if (!next)
    return;
  /* The next one has the turn from here on, so it passes it on even when it is refused or flushed before it runs. */
  SX_OF(styx_req, r_wait, next)->r_turn = true;
  sx_list_push(&r->r_session->s_ready, next);
}
