/* submit.c: calls as their callers see them: submit, wait, cancel. */
#include "client/mux.h"

#include <stdio.h>

static styx_err check_request(const styx_client *c, const styx_call *call) {
  if (!styx_msg_is_t(call->t.type) || call->t.type == STYX_Tversion || call->t.type == STYX_Tflush)
    return STYX_EBADARG;
  if (call->t.type == STYX_Tread &&
      (call->t.count > call->cap || call->t.count > c->msize - STYX_IOHDRSZ || (call->cap && !call->buf)))
    return STYX_EBADARG;
  return call->t.type == STYX_Tstat && !call->buf ? STYX_EBADARG : STYX_OK;
}

static styx_err start(styx_client *c, styx_call *call) {
  uint16_t tag;
  styx_err err = check_request(c, call);
  if (err)
    return err;
  if (!sx_send_has_room(c))
    sx_mux_wait(c, NULL);
  if (c->dead)
    return c->dead;
  if ((err = sx_tags_get(c, &tag)) != STYX_OK)
    return err;
  c->slots[tag] = (struct sx_call_slot){.call = call, .state = SX_SLOT_BUSY};
  call->t.tag = tag;
  if ((err = sx_send_append(c, &call->t)) != STYX_OK) {
    sx_tags_put(c, tag);
    return err;
  }
  call->state_ = SX_CALL_OUT;
  c->active++;
  sx_send_flush(c);
  return STYX_OK;
}

styx_err styx_call_submit(styx_client *client, styx_call *call) {
  pthread_mutex_lock(&client->lock);
  if (call->state_ == SX_CALL_OUT) {
    pthread_mutex_unlock(&client->lock);
    return STYX_EBADARG;
  }
  call->client_ = client;
  call->err = STYX_OK;
  call->r = (styx_msg){0};
  call->words[0] = '\0';
  styx_err err = start(client, call);
  if (err) {
    call->err = err;
    call->state_ = SX_CALL_DONE;
    snprintf(call->words, sizeof call->words, "%.*s", STYX_ERRMAX - 1, client->dead ? client->why : styx_err_text(err));
  }
  pthread_mutex_unlock(&client->lock);
  return err;
}

styx_err styx_call_wait(styx_call *call) {
  styx_client *c = call->client_;
  if (!c)
    return sx_words_set(STYX_EBADARG, NULL);
  pthread_mutex_lock(&c->lock);
  sx_mux_wait(c, call);
  pthread_mutex_unlock(&c->lock);
  return sx_words_set(call->err, call->words);
}

bool styx_call_done(styx_call *call) {
  styx_client *c = call->client_;
  if (!c)
    return false;
  pthread_mutex_lock(&c->lock);
  bool done = call->state_ == SX_CALL_DONE;
  pthread_mutex_unlock(&c->lock);
  return done;
}

styx_err styx_call_cancel(styx_call *call) {
  styx_client *c = call->client_;
  styx_err err = STYX_OK;
  if (!c)
    return STYX_OK;
  pthread_mutex_lock(&c->lock);
  if (call->state_ == SX_CALL_OUT && c->slots[call->t.tag].state == SX_SLOT_BUSY && !c->dead) {
    styx_msg flush = {.type = STYX_Tflush, .tag = (uint16_t)(call->t.tag | SX_FLUSHBIT), .oldtag = call->t.tag};
    err = sx_send_append(c, &flush);
    if (!err) {
      c->slots[call->t.tag].state = SX_SLOT_FLUSHING;
      sx_send_flush(c);
    }
  }
  pthread_mutex_unlock(&c->lock);
  return err;
}
