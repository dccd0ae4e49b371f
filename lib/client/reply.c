/* reply.c: what a reply does to the call that waits for it. */
#include "client/mux.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void sx_mux_complete(styx_client *c, uint16_t tag, styx_err err) {
  struct sx_call_slot *slot = &c->slots[tag];
  styx_call *call = slot->call;
  assert(call && call->state_ == SX_CALL_OUT);
  slot->call = NULL;
  if (slot->state == SX_SLOT_FLUSHING && call->r.type != 0 && !c->dead)
    slot->state = SX_SLOT_SETTLED;
  else
    sx_tags_put(c, tag);
  c->active--;
  if (err && call->words[0] == '\0')
    snprintf(call->words, sizeof call->words, "%s", styx_err_text(err));
  call->err = err;
  call->state_ = SX_CALL_DONE;
  struct sx_waiter *w = call->waiter_;
  if (w)
    pthread_cond_signal(&w->cond);
}

/* An Rflush, or the Rerror that some servers send instead: it refuses the flush. */
static void flushed(styx_client *c, const styx_msg *m) {
  uint16_t tag = (uint16_t)(m->tag & ~SX_FLUSHBIT);
  struct sx_call_slot *slot = sx_tags_slot(c, tag);
  if (!slot || slot->state == SX_SLOT_BUSY)
    sx_mux_die(c, STYX_EHANGUP, "%s for tag %u, which is no Tflush", styx_msg_name(m->type), m->tag);
  else if (m->type != STYX_Rflush && m->type != STYX_Rerror)
    sx_mux_die(c, STYX_EHANGUP, "%s in reply to a Tflush", styx_msg_name(m->type));
  else if (slot->state == SX_SLOT_SETTLED)
    sx_tags_put(c, tag);
  else if (m->type == STYX_Rerror)
    slot->state = SX_SLOT_BUSY;
  else
    sx_mux_complete(c, tag, ECANCELED);
}

static void keep_words(styx_call *call) {
  styx_str words = styx_str_cut(call->r.ename, sizeof call->words - 1);
  memcpy(call->words, words.s, words.len);
  call->words[words.len] = '\0';
  call->r.ename = (styx_str){call->words, words.len};
}

/* What the reply says is moved out of the receive buffer. */
static styx_err keep(styx_call *call, const uint8_t *raw, size_t size) {
  styx_err err;
  switch (call->r.type) {
  case STYX_Rerror:
    keep_words(call);
    err = styx_err_from_text(call->r.ename.s, call->r.ename.len);
    return err ? err : STYX_EREMOTE_TEXT;
  case STYX_Rread:
    if (call->r.count)
      memcpy(call->buf, call->r.data, call->r.count);
    call->r.data = call->buf;
    return STYX_OK;
  case STYX_Rstat: /* the record stands behind the header and its n[2], and fills the rest */
    size -= STYX_HDRSZ + 2;
    if (size > call->cap)
      return STYX_ENOFIT;
    memcpy(call->buf, raw + STYX_HDRSZ + 2, size);
    return styx_stat_decode(&call->r.stat, call->buf, size, STYX_9P2000) < 0 ? STYX_EBADSTAT : STYX_OK;
  default:
    return STYX_OK;
  }
}

void sx_mux_reply(styx_client *c, const styx_msg *m, ptrdiff_t status, const uint8_t *raw, size_t size) {
  styx_err err = status < 0 ? (styx_err)-status : status == 0 ? STYX_ETRUNC : STYX_OK;
  struct sx_call_slot *slot = sx_tags_slot(c, m->tag);
  if (err && !sx_check_is_soft(m, err))
    sx_mux_die(c, STYX_EHANGUP, "bad message from the server: %s", styx_err_text(err));
  else if (styx_msg_is_t(m->type))
    sx_mux_die(c, STYX_EHANGUP, "the server sent a %s", styx_msg_name(m->type));
  else if (m->tag & SX_FLUSHBIT)
    flushed(c, m);
  else if (!slot || !slot->call)
    sx_mux_die(c, STYX_EHANGUP, "%s for tag %u, which nobody waits for", styx_msg_name(m->type), m->tag);
  else {
    styx_call *call = slot->call;
    const char *wrong = sx_check_reply(&call->t, m);
    if (wrong) {
      sx_mux_die(c, STYX_EHANGUP, "%s", wrong);
      return;
    }
    call->r = err ? (styx_msg){.type = m->type, .tag = m->tag} : *m;
    sx_mux_complete(c, m->tag, err ? err : keep(call, raw, size));
  }
}
