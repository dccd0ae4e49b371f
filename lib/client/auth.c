/* auth.c: showing a server who we are. */
#include "client/mux.h"

#include "base/alloc.h"
#include "base/proof.h"

#include <errno.h>
#include <string.h>

styx_err styx_client_auth(styx_client *client, const char *uname, const char *aname, uint32_t *afid, styx_qid *aqid) {
  uint32_t f;
  styx_err err = styx_client_fid(client, &f);
  if (err)
    return sx_words_set(err, NULL);
  styx_call call = {.t = {.type = STYX_Tauth, .afid = f, .uname = styx_str_of(uname), .aname = styx_str_of(aname)}};
  err = sx_call(client, &call);
  if (err) {
    styx_client_fid_put(client, f);
    return err;
  }
  *afid = f;
  if (aqid)
    *aqid = call.r.qid;
  return STYX_OK;
}

/* ---- the protocol of styx-auth(3) ---- */

/* Exactly len bytes; *at is where the file stands, which servers do not look at. */
static styx_err hear(styx_client *c, uint32_t afid, uint64_t *at, uint8_t *buf, size_t len) {
  for (size_t have = 0; have < len;) {
    uint32_t n = 0;
    styx_err err = styx_client_read(c, afid, *at, buf + have, (uint32_t)(len - have), &n);
    if (err)
      return err;
    if (n == 0)
      return sx_words_set(STYX_EAUTH, "the server has ended the conversation");
    have += n;
    *at += n;
  }
  return STYX_OK;
}

static styx_err tell(styx_client *c, uint32_t afid, uint64_t *at, const uint8_t *buf, size_t len) {
  for (size_t have = 0; have < len;) {
    uint32_t n = 0;
    styx_err err = styx_client_write(c, afid, *at, buf + have, (uint32_t)(len - have), &n);
    if (err)
      return err;
    if (n == 0)
      return sx_words_set(STYX_EAUTH, "the server takes no answer");
    have += n;
    *at += n;
  }
  return STYX_OK;
}

struct key {
  const void *secret;
  size_t len;
};

static styx_err prove(styx_client *c, uint32_t afid, uint8_t *text, size_t size, const struct key *key) {
  uint8_t label[SX_LABEL], response[SX_RESPONSE], theirs[SX_PROOF], expected[SX_PROOF];
  uint64_t at = 0;
  styx_err err = hear(c, afid, &at, text, SX_CHALLENGE);
  if (err)
    return err;
  sx_proof_label(label, 'n');
  if (memcmp(text, label, SX_LABEL) != 0)
    return sx_words_set(STYX_EAUTH, "the server authenticates in another way");
  const bool random = sx_nonce(response);
  memcpy(text + SX_AT_CLIENT, response, SX_NONCE);
  if (!random || !sx_proof(response + SX_NONCE, 'c', text, size, key->secret, key->len))
    return sx_words_set(EIO, "libcrypto fails");
  if ((err = tell(c, afid, &at, response, SX_RESPONSE)) || (err = hear(c, afid, &at, theirs, SX_PROOF)))
    return err;
  const bool right = sx_proof(expected, 's', text, size, key->secret, key->len) && sx_same(expected, theirs, SX_PROOF);
  sx_wipe(expected, sizeof expected);
  return right ? STYX_OK : sx_words_set(STYX_EREJECTED, "the server does not know the secret: it is another one");
}

styx_err styx_client_secret(styx_client *client, uint32_t afid, const char *uname, const char *aname,
                            const void *secret, size_t len) {
  const styx_str u = styx_str_of(uname), a = styx_str_of(aname);
  if (len == 0 || len > INT32_MAX || u.len > UINT16_MAX || a.len > UINT16_MAX)
    return sx_words_set(STYX_EBADARG, NULL);
  const size_t size = sx_proof_size(u, a);
  uint8_t *text = sx_alloc(client->alloc, size);
  if (!text)
    return sx_words_set(ENOMEM, NULL);
  sx_proof_names(text, u, a);
  styx_err err = prove(client, afid, text, size, &(struct key){secret, len});
  sx_free(client->alloc, text, size);
  return err;
}
