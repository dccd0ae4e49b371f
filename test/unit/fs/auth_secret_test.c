/* auth_secret_test.c: the server's end of styx-auth(3), through a session. Row 39. */
#include "base/proof.h"
#include "secrets_fixture.h"
#include "support/scripted.h"

/* What the session has answered last, as bytes. */
static styx_msg reply;
static uint8_t reply_data[256];

static void keep_reply(void *arg, bool out, const styx_msg *m) {
  (void)arg;
  if (!out)
    return;
  reply = *m;
  if (m->type == STYX_Rread && m->count <= sizeof reply_data)
    memcpy(reply_data, m->data, m->count);
}

static struct script *begin(styx_secrets *secrets) {
  struct script *p = script_bare();
  p->hooks.trace = keep_reply;
  p->export.name = "main";
  p->export.auth = styx_secrets_auth(secrets);
  script_t(p, t_version(8192, "9P2000"));
  return p;
}

static void expect_error(const char *text) {
  char got[128] = "";
  cr_assert_eq(reply.type, STYX_Rerror, "%s", styx_msg_name(reply.type));
  snprintf(got, sizeof got, "%.*s", (int)reply.ename.len, reply.ename.s);
  cr_assert_str_eq(got, text);
}

static void ask(struct script *p, uint32_t afid, const char *uname, const char *aname) {
  styx_msg m = {.type = STYX_Tauth, .tag = 1, .afid = afid, .uname = styx_str_of(uname), .aname = styx_str_of(aname)};
  script_t(p, m);
  cr_assert_eq(reply.type, STYX_Rauth);
}

static void attach(struct script *p, uint32_t fid, uint32_t afid, const char *uname, const char *aname) {
  styx_msg m = t_attach(1, fid);
  m.afid = afid;
  m.uname = styx_str_of(uname);
  m.aname = styx_str_of(aname);
  script_t(p, m);
}

/* At most step bytes at a time. */
static void hear(struct script *p, uint32_t afid, uint8_t *buf, size_t len, uint32_t step) {
  for (size_t have = 0; have < len; have += reply.count) {
    script_t(p, t_read(1, afid, have, len - have < step ? (uint32_t)(len - have) : step));
    cr_assert_eq(reply.type, STYX_Rread);
    cr_assert_gt(reply.count, 0);
    memcpy(buf + have, reply_data, reply.count);
  }
}

static void put(struct script *p, uint32_t afid, const uint8_t *buf, size_t len) {
  script_t(p, (styx_msg){.type = STYX_Twrite, .tag = 1, .fid = afid, .count = (uint32_t)len, .data = buf});
}

/* What a client keeps of a conversation. */
struct client {
  uint8_t text[256], response[SX_RESPONSE];
  size_t size;
};

static void hear_challenge(struct script *p, uint32_t afid, struct client *c, uint32_t step) {
  hear(p, afid, c->text, SX_CHALLENGE, step);
  cr_assert_eq(memcmp(c->text, "styx-secret-1 n\n", SX_LABEL), 0);
}

static void respond(struct client *c, const char *uname, const char *aname, const char *secret) {
  const styx_str u = styx_str_of(uname), a = styx_str_of(aname);
  memset(c->response, 0xc5, SX_NONCE);
  memcpy(c->text + SX_AT_CLIENT, c->response, SX_NONCE);
  sx_proof_names(c->text, u, a);
  c->size = sx_proof_size(u, a);
  cr_assert(sx_proof(c->response + SX_NONCE, 'c', c->text, c->size, secret, strlen(secret)));
}

static void expect_server_proof(const struct client *c, const char *secret, const uint8_t *proof) {
  uint8_t expected[SX_PROOF], text[256];
  memcpy(text, c->text, c->size);
  cr_assert(sx_proof(expected, 's', text, c->size, secret, strlen(secret)));
  cr_assert_eq(memcmp(expected, proof, SX_PROOF), 0, "the server has not proven that it knows the secret");
}

static void converse(struct script *p, uint32_t afid, const char *uname, const char *aname, const char *secret) {
  struct client c;
  uint8_t proof[SX_PROOF];
  ask(p, afid, uname, aname);
  hear_challenge(p, afid, &c, 100);
  respond(&c, uname, aname, secret);
  put(p, afid, c.response, SX_RESPONSE);
  cr_assert_eq(reply.type, STYX_Rwrite);
  hear(p, afid, proof, SX_PROOF, 100);
  expect_server_proof(&c, secret, proof);
}

#define KEYS "glenda:" GLENDAS "\nbob:" BOBS "\n"

Test(auth_secret, who_knows_the_secret_is_let_in_as_often_as_he_likes, .fini = secrets_end) {
  styx_secrets *s = secrets_of(KEYS);
  struct script *p = begin(s);
  converse(p, 9, "glenda", "main", GLENDAS);
  attach(p, 0, 9, "glenda", "main");
  cr_assert_eq(reply.type, STYX_Rattach);
  attach(p, 1, 9, "glenda", "main");
  cr_assert_eq(reply.type, STYX_Rattach);
  converse(p, 10, "bob", "", BOBS);
  attach(p, 2, 10, "bob", "");
  cr_assert_eq(reply.type, STYX_Rattach);
  attach(p, 3, 10, "glenda", "main"); /* by the other one's afid */
  expect_error("not authenticated");
  attach(p, 3, STYX_NOFID, "glenda", "main");
  expect_error("not authenticated");
  script_t(p, t_read(1, 9, 0, 10)); /* it is over */
  cr_assert_eq(reply.type, STYX_Rread);
  cr_assert_eq(reply.count, 0);
  script_free(p);
  styx_secrets_free(s);
}

Test(auth_secret, byte_by_byte_is_as_good, .fini = secrets_end) {
  styx_secrets *s = secrets_of(KEYS);
  struct script *p = begin(s);
  struct client c;
  uint8_t proof[SX_PROOF];
  ask(p, 9, "glenda", "");
  hear_challenge(p, 9, &c, 1);
  respond(&c, "glenda", "", GLENDAS);
  for (size_t i = 0; i < SX_RESPONSE; i++) {
    attach(p, 0, 9, "glenda", "");
    expect_error("not authenticated");
    put(p, 9, c.response + i, 1);
    cr_assert_eq(reply.type, STYX_Rwrite);
    cr_assert_eq(reply.count, 1);
  }
  attach(p, 0, 9, "glenda", "");
  expect_error("not authenticated"); /* the client is to hear our proof first */
  hear(p, 9, proof, SX_PROOF, 1);
  expect_server_proof(&c, GLENDAS, proof);
  attach(p, 0, 9, "glenda", "");
  cr_assert_eq(reply.type, STYX_Rattach);
  script_free(p);
  styx_secrets_free(s);
}

/* It is refused, stays refused, and the server proves nothing. */
static void expect_rejected(struct script *p, uint32_t afid, const char *uname, const char *aname) {
  expect_error("authentication rejected");
  script_t(p, t_read(1, afid, 0, 100));
  expect_error("authentication rejected");
  script_t(p, t_write(1, afid, 0, "x"));
  expect_error("authentication rejected");
  attach(p, 0, afid, uname, aname);
  expect_error("authentication rejected");
  script_t(p, t_fid(STYX_Tclunk, 1, afid));
  cr_assert_eq(reply.type, STYX_Rclunk);
}

static void try_secret(struct script *p, const char *uname, const char *secret) {
  struct client c;
  ask(p, 9, uname, "");
  hear_challenge(p, 9, &c, 100);
  respond(&c, uname, "", secret);
  put(p, 9, c.response, SX_RESPONSE);
  expect_rejected(p, 9, uname, "");
}

Test(auth_secret, a_wrong_secret_an_unknown_user_and_none_are_refused_alike, .fini = secrets_end) {
  styx_secrets *s = secrets_of(KEYS);
  struct script *p = begin(s);
  try_secret(p, "glenda", BOBS);
  try_secret(p, "mallory", GLENDAS);
  try_secret(p, "mallory", "");
  try_secret(p, "", GLENDAS);
  try_secret(p, "glenda:" GLENDAS, GLENDAS);
  script_free(p);
  styx_secrets_free(s);
}

/* The proof of one conversation in another one; the server's own proof, or its challenge, as the client's. */
Test(auth_secret, what_was_heard_before_is_worth_nothing, .fini = secrets_end) {
  styx_secrets *s = secrets_of(KEYS);
  struct script *p = begin(s);
  struct client c, d;
  uint8_t proof[SX_PROOF];
  ask(p, 9, "glenda", "");
  hear_challenge(p, 9, &c, 100);
  respond(&c, "glenda", "", GLENDAS);
  put(p, 9, c.response, SX_RESPONSE);
  cr_assert_eq(reply.type, STYX_Rwrite);
  hear(p, 9, proof, SX_PROOF, 100);

  ask(p, 10, "glenda", "");
  hear_challenge(p, 10, &d, 100);
  cr_assert_neq(memcmp(c.text, d.text, SX_CHALLENGE), 0, "the same challenge twice");
  put(p, 10, c.response, SX_RESPONSE);
  expect_rejected(p, 10, "glenda", "");

  ask(p, 10, "glenda", "");
  hear_challenge(p, 10, &d, 100);
  memcpy(d.response, d.text + SX_AT_SERVER, SX_NONCE);
  memcpy(d.response + SX_NONCE, proof, SX_PROOF);
  put(p, 10, d.response, SX_RESPONSE);
  expect_rejected(p, 10, "glenda", "");
  script_free(p);
  styx_secrets_free(s);
}

Test(auth_secret, a_proof_for_other_names_than_those_of_the_tauth_is_refused, .fini = secrets_end) {
  styx_secrets *s = secrets_of("glenda:" GLENDAS "\nbob:" GLENDAS "\n");
  struct script *p = begin(s);
  struct client c;
  ask(p, 9, "bob", "main");
  hear_challenge(p, 9, &c, 100);
  respond(&c, "glenda", "main", GLENDAS); /* of the same secret */
  put(p, 9, c.response, SX_RESPONSE);
  expect_rejected(p, 9, "bob", "main");
  ask(p, 9, "bob", "main");
  hear_challenge(p, 9, &c, 100);
  respond(&c, "bob", "", GLENDAS);
  put(p, 9, c.response, SX_RESPONSE);
  expect_rejected(p, 9, "bob", "main");
  script_free(p);
  styx_secrets_free(s);
}

Test(auth_secret, each_bit_of_the_response_counts, .fini = secrets_end) {
  styx_secrets *s = secrets_of(KEYS);
  struct script *p = begin(s);
  for (size_t bit = 0; bit < 8 * SX_RESPONSE; bit += 5) {
    struct client c;
    ask(p, 9, "glenda", "");
    hear_challenge(p, 9, &c, 100);
    respond(&c, "glenda", "", GLENDAS);
    c.response[bit / 8] ^= (uint8_t)(1 << bit % 8);
    put(p, 9, c.response, SX_RESPONSE);
    expect_rejected(p, 9, "glenda", "");
  }
  script_free(p);
  styx_secrets_free(s);
}

Test(auth_secret, a_response_cut_short_is_no_response, .fini = secrets_end) {
  styx_secrets *s = secrets_of(KEYS);
  struct script *p = begin(s);
  struct client c;
  ask(p, 9, "glenda", "");
  hear_challenge(p, 9, &c, 100);
  respond(&c, "glenda", "", GLENDAS);
  put(p, 9, c.response, SX_RESPONSE - 1);
  cr_assert_eq(reply.type, STYX_Rwrite);
  attach(p, 0, 9, "glenda", "");
  expect_error("not authenticated");
  script_t(p, t_read(1, 9, 0, 100)); /* out of turn */
  expect_rejected(p, 9, "glenda", "");
  script_free(p);
  styx_secrets_free(s);
}

Test(auth_secret, what_is_too_long_or_out_of_turn_ends_the_conversation, .fini = secrets_end) {
  styx_secrets *s = secrets_of(KEYS);
  struct script *p = begin(s);
  struct client c;
  uint8_t long_one[SX_RESPONSE + 1] = {0};
  ask(p, 9, "glenda", "");
  hear_challenge(p, 9, &c, 100);
  respond(&c, "glenda", "", GLENDAS);
  memcpy(long_one, c.response, SX_RESPONSE);
  put(p, 9, long_one, sizeof long_one);
  expect_rejected(p, 9, "glenda", "");

  ask(p, 9, "glenda", "");
  put(p, 9, c.response, SX_RESPONSE); /* before the challenge was heard */
  expect_rejected(p, 9, "glenda", "");

  ask(p, 9, "glenda", "");
  hear_challenge(p, 9, &c, 100);
  respond(&c, "glenda", "", GLENDAS);
  put(p, 9, c.response, SX_RESPONSE);
  put(p, 9, long_one, 1); /* while we have the word */
  expect_rejected(p, 9, "glenda", "");

  converse(p, 9, "glenda", "", GLENDAS);
  put(p, 9, long_one, 1); /* when all is said */
  expect_rejected(p, 9, "glenda", "");
  script_free(p);
  styx_secrets_free(s);
}

Test(auth_secret, a_hangup_in_mid_conversation_leaves_nothing, .fini = secrets_end) {
  styx_secrets *s = secrets_of(KEYS);
  struct script *p = begin(s);
  struct client c;
  ask(p, 9, "glenda", "");
  hear_challenge(p, 9, &c, 20);
  ask(p, 10, "bob", "");
  script_free(p); /* and says so if anything is left */
  styx_secrets_free(s);
}
