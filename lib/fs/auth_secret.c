/* auth_secret.c: the server's end of the authentication by shared secrets. Challenge out, response in, proof out; whatever
 * is out of turn, too long or wrong ends it for good. Calls for one conversation come one at a time (styx/auth.h). */
#include "fs/auth.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

enum turn { CHALLENGE, RESPONSE, PROOF, OVER, FAILED };

struct talk {
  const styx_secrets *t_secrets;
  enum turn t_turn;
  size_t t_at;  /* bytes of this turn that have been read or written */
  bool t_known; /* the user has a secret; else the decoy stands for it, and no proof will do */
  styx_str t_secret;
  uint8_t t_response[SX_RESPONSE], t_proof[SX_PROOF];
  size_t t_size; /* of t_text */
  uint8_t t_text[];
};

/* Looks at every user in the same way, whoever is meant and whether he is there. */
static void choose_secret(struct talk *t, styx_str user) {
  const styx_secrets *s = t->t_secrets;
  t->t_secret = (styx_str){(const char *)s->s_decoy, sizeof s->s_decoy};
  for (size_t i = 0; i < s->s_n; i++) {
    const struct sx_secret *e = &s->s_list[i];
    if (e->user.len == user.len && sx_same(e->user.s, user.s, user.len)) {
      t->t_known = true;
      t->t_secret = e->secret;
    }
  }
}

static void talk_free(struct talk *t) {
  const styx_allocator *alloc = &t->t_secrets->s_alloc;
  const size_t size = sizeof *t + t->t_size;
  sx_wipe(t, size);
  sx_free(alloc, t, size);
}

static styx_answer secret_start(styx_req *r) {
  const styx_secrets *s = styx_req_ctx(r);
  const styx_str uname = styx_req_user(r), aname = styx_req_aname(r);
  const size_t size = sx_proof_size(uname, aname);
  struct talk *t = sx_zalloc(&s->s_alloc, sizeof *t + size);
  if (!t)
    return styx_reply_error(r, ENOMEM);
  t->t_secrets = s;
  t->t_size = size;
  choose_secret(t, uname);
  sx_proof_label(t->t_text, 'n');
  sx_proof_names(t->t_text, uname, aname);
  if (sx_nonce(t->t_text + SX_AT_SERVER))
    return styx_reply_node(r, t, (styx_qid){0});
  talk_free(t);
  return styx_reply_error(r, EIO);
}

static styx_answer reject(styx_req *r, struct talk *t) {
  t->t_turn = FAILED;
  sx_wipe(t->t_proof, sizeof t->t_proof);
  return styx_reply_error(r, STYX_EREJECTED);
}

/* The next bytes of what it is our turn to say. */
static styx_answer say(styx_req *r, struct talk *t, const uint8_t *what, size_t size, uint32_t count) {
  const uint8_t *from = what + t->t_at;
  const size_t n = count < size - t->t_at ? count : size - t->t_at;
  t->t_at += n;
  if (t->t_at == size) {
    t->t_turn++;
    t->t_at = 0;
  }
  return styx_reply_data(r, from, n);
}

static styx_answer secret_read(styx_req *r, void *conversation, uint32_t count) {
  struct talk *t = conversation;
  switch (t->t_turn) {
  case CHALLENGE:
    return say(r, t, t->t_text, SX_CHALLENGE, count);
  case PROOF:
    return say(r, t, t->t_proof, SX_PROOF, count);
  case OVER:
    return styx_reply_data(r, "", 0);
  case RESPONSE:
  case FAILED:
    break;
  }
  return reject(r, t);
}

/* Both proofs are made whatever comes out, so that it takes the same time. */
static bool is_right(struct talk *t) {
  uint8_t expected[SX_PROOF];
  const styx_str *secret = &t->t_secret;
  memcpy(t->t_text + SX_AT_CLIENT, t->t_response, SX_NONCE);
  const bool made = sx_proof(expected, 'c', t->t_text, t->t_size, secret->s, secret->len);
  const bool ours = sx_proof(t->t_proof, 's', t->t_text, t->t_size, secret->s, secret->len);
  const bool same = made && sx_same(expected, t->t_response + SX_NONCE, SX_PROOF);
  sx_wipe(expected, sizeof expected);
  return ours && same && t->t_known;
}

static styx_answer secret_write(styx_req *r, void *conversation, const void *data, uint32_t count) {
  struct talk *t = conversation;
  if (t->t_turn != RESPONSE || count > SX_RESPONSE - t->t_at)
    return reject(r, t);
  if (count)
    memcpy(t->t_response + t->t_at, data, count);
  t->t_at += count;
  if (t->t_at == SX_RESPONSE) {
    if (!is_right(t))
      return reject(r, t);
    t->t_turn = PROOF;
    t->t_at = 0;
  }
  return styx_reply_count(r, count);
}

static styx_answer secret_done(styx_req *r, void *conversation) {
  const struct talk *t = conversation;
  if (t->t_turn == OVER)
    return styx_reply_ok(r);
  return styx_reply_error(r, t->t_turn == FAILED ? STYX_EREJECTED : STYX_EAUTH);
}

static void secret_end(void *ctx, void *conversation) {
  (void)ctx;
  talk_free(conversation);
}

static const styx_auth_ops ops = {.size = sizeof ops,
                                  .name = "secret",
                                  .start = secret_start,
                                  .read = secret_read,
                                  .write = secret_write,
                                  .done = secret_done,
                                  .end = secret_end};

styx_auth styx_secrets_auth(styx_secrets *secrets) { return (styx_auth){&ops, secrets}; }
