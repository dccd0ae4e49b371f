/* calls.c: the synchronous calls, each one request and its reply. */
#include "client/mux.h"

#include <stdio.h>
#include <string.h>

static _Thread_local char last_words[STYX_ERRMAX] = "no error";

styx_err sx_words_set(styx_err err, const char *words) {
  if (err)
    snprintf(last_words, sizeof last_words, "%s", words && *words ? words : styx_err_text(err));
  return err;
}

const char *styx_client_words(void) { return last_words; }

styx_err sx_call(styx_client *c, styx_call *call) {
  (void)styx_call_submit(c, call);
  return styx_call_wait(call);
}

styx_err styx_client_attach(styx_client *client, const char *uname, const char *aname, uint32_t *fid, styx_qid *qid) {
  return styx_client_attach_auth(client, STYX_NOFID, uname, aname, fid, qid);
}

styx_err styx_client_attach_auth(styx_client *client, uint32_t afid, const char *uname, const char *aname,
                                 uint32_t *fid, styx_qid *qid) {
  uint32_t f;
  styx_err err = styx_client_fid(client, &f);
  if (err)
    return sx_words_set(err, NULL);
  styx_call call = {
      .t = {.type = STYX_Tattach, .fid = f, .afid = afid, .uname = styx_str_of(uname), .aname = styx_str_of(aname)}};
  err = sx_call(client, &call);
  if (err) {
    styx_client_fid_put(client, f);
    return err;
  }
  *fid = f;
  if (qid)
    *qid = call.r.qid;
  return STYX_OK;
}

static styx_err opened_by(styx_client *client, styx_call *call, styx_opened *opened) {
  styx_err err = sx_call(client, call);
  if (err || !opened)
    return err;
  uint32_t most = client->msize - STYX_IOHDRSZ;
  uint32_t unit = call->r.iounit;
  *opened = (styx_opened){.qid = call->r.qid, .iounit = unit == 0 || unit > most ? most : unit};
  return STYX_OK;
}

styx_err styx_client_open(styx_client *client, uint32_t fid, uint8_t mode, styx_opened *opened) {
  styx_call call = {.t = {.type = STYX_Topen, .fid = fid, .mode = mode}};
  return opened_by(client, &call, opened);
}

styx_err styx_client_create(styx_client *client, uint32_t fid, const char *name, uint32_t perm, uint8_t mode,
                            styx_opened *opened) {
  styx_call call = {.t = {.type = STYX_Tcreate, .fid = fid, .name = styx_str_of(name), .perm = perm, .mode = mode}};
  return opened_by(client, &call, opened);
}

static uint32_t clip(const styx_client *c, uint32_t count) {
  uint32_t most = c->msize - STYX_IOHDRSZ;
  return count < most ? count : most;
}

styx_err styx_client_read(styx_client *client, uint32_t fid, uint64_t offset, void *buf, uint32_t count,
                          uint32_t *got) {
  styx_call call = {
      .t = {.type = STYX_Tread, .fid = fid, .offset = offset, .count = clip(client, count)}, .buf = buf, .cap = count};
  styx_err err = sx_call(client, &call);
  if (!err)
    *got = call.r.count;
  return err;
}

styx_err styx_client_write(styx_client *client, uint32_t fid, uint64_t offset, const void *buf, uint32_t count,
                           uint32_t *put) {
  styx_call call = {
      .t = {.type = STYX_Twrite, .fid = fid, .offset = offset, .count = clip(client, count), .data = buf}};
  styx_err err = sx_call(client, &call);
  if (!err)
    *put = call.r.count;
  return err;
}

/* The fid is gone with any reply; without one, and without memory to ask, its number is better not used again. */
static styx_err end_fid(styx_client *client, uint32_t fid, uint8_t type) {
  styx_call call = {.t = {.type = type, .fid = fid}};
  styx_err err = sx_call(client, &call);
  if (call.r.type != 0)
    styx_client_fid_put(client, fid);
  return err;
}

styx_err styx_client_clunk(styx_client *client, uint32_t fid) { return end_fid(client, fid, STYX_Tclunk); }

styx_err styx_client_remove(styx_client *client, uint32_t fid) { return end_fid(client, fid, STYX_Tremove); }

styx_err styx_client_stat(styx_client *client, uint32_t fid, styx_stat *stat, void *room, size_t cap) {
  styx_call call = {.t = {.type = STYX_Tstat, .fid = fid}, .buf = room, .cap = cap};
  styx_err err = sx_call(client, &call);
  if (!err)
    *stat = call.r.stat;
  return err;
}

styx_err styx_client_wstat(styx_client *client, uint32_t fid, const styx_stat *stat) {
  styx_call call = {.t = {.type = STYX_Twstat, .fid = fid, .stat = *stat}};
  return sx_call(client, &call);
}
