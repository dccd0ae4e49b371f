/* tags.c: requests and their counts. */
#include "session/state.h"

#include <string.h>

void sx_req_init(styx_session *s, styx_req *r, size_t len) {
  atomic_init(&r->r_word, SX_PARKED);
  atomic_init(&r->r_refs, 1);
  r->r_session = s;
  r->r_size = sx_keep_size(sizeof *r + len);
  r->r_len = len;
  r->r_since = s->s_now;
  r->r_asked = UINT64_MAX;
  r->r_flushes = sx_chain_empty();
  r->r_cancel_fd = -1;
  /* Field by field: compilers clear a large struct byte by byte, at several times the cost. */
  r->r_wait = r->r_timed = (struct sx_link){0};
  r->r_place[0] = r->r_place[1] = (struct sx_place){0};
  r->r_node = NULL;
  r->r_binding = NULL;
  r->r_user = NULL;
  r->r_walk = NULL;
  r->r_setattr = NULL;
  r->r_has_reserved = r->r_cleared = r->r_silent = r->r_turn = r->r_detached = false;
  r->r_stream = r->r_dropped = r->r_made = r->r_prepared = false;
  r->r_answer = SX_A_NONE;
  r->r_err = STYX_OK;
  r->r_iounit = r->r_count = 0;
  r->r_qid = (styx_qid){0};
  r->r_text = NULL;
  r->r_frame = NULL;
  r->r_frame_len = 0;
  r->r_segment = r->r_ref = NULL;
  r->r_msg.count = 0; /* the reply functions look at both, whatever the message has */
  r->r_msg.offset = 0;
  s->s_nreq++;
  s->s_held += sizeof *r + len;
}

styx_req *sx_req_new(styx_session *s, const uint8_t *msg, size_t len) {
  styx_req *r = sx_keep_new(s, sizeof *r + len);
  if (!r)
    return NULL;
  memcpy(r->r_bytes, msg, len);
  sx_req_init(s, r, len);
  return r;
}

void sx_req_free(styx_req *r) {
  styx_session *s = r->r_session;
  if (r->r_cancel_fd >= 0)
    s->s_hooks.cancel_fd_free(s->s_hook_arg, r->r_cancel_fd);
  if (r->r_user)
    sx_user_put(s, r->r_user);
  if (r->r_text && r->r_text_size)
    sx_free(&s->s_alloc, r->r_text, r->r_text_size);
  s->s_held -= sizeof *r + r->r_len;
  s->s_nreq--;
  if (r->r_setattr && !s->s_sees_all)
    sx_keep_put(s, r->r_setattr, sizeof *r->r_setattr);
  sx_keep_put(s, r, r->r_size);
}

/* As sx_req_put for whoever holds the lock: nothing is posted, so nobody is woken to free it. */
void sx_req_put_locked(styx_req *r) {
  /* Who finds itself alone stays alone. acquire, acq_rel: as in sx_req_put */
  if (atomic_load_explicit(&r->r_refs, memory_order_acquire) == 1 ||
      atomic_fetch_sub_explicit(&r->r_refs, 1, memory_order_acq_rel) == 1)
    sx_req_free(r);
}

/* The last one to let go posts the request, so that it is freed under the lock, where the counts are. */
void sx_req_put(styx_req *r) {
  /* release: what this thread did to r comes before the free; acquire: for the last one. pairs with: itself */
  if (atomic_fetch_sub_explicit(&r->r_refs, 1, memory_order_acq_rel) == 1)
    sx_post(r->r_session, &r->r_post, SX_FREE);
}
