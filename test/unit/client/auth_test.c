/* auth_test.c: the client's end of styx-auth(3) against servers that are right, wrong, slow, and somebody else's. */
#include "peer.h"

#include "base/proof.h"

static const char secret[] = "0123456789abcdef0123456789";

enum fault { RIGHT, BYTEWISE, WRONG_PROOF, ECHO, OTHER_PROTOCOL, REJECTS, SILENT, CUT };

/* Serves one Tread: at most step bytes. */
static size_t serve(struct peer *p, const uint8_t *from, size_t len, size_t step) {
  styx_msg m = peer_expect(p, STYX_Tread);
  PEER_CHECK(m.fid == 0, "fid %u", m.fid);
  size_t n = len < step ? len : step;
  n = n < m.count ? n : m.count;
  peer_send(p, (styx_msg){.type = STYX_Rread, .tag = m.tag, .count = (uint32_t)n, .data = from});
  return n;
}

static void serve_all(struct peer *p, const uint8_t *from, size_t len, size_t step) {
  for (size_t at = 0; at < len;)
    at += serve(p, from + at, len - at, step);
}

static void take_all(struct peer *p, uint8_t *to, size_t len, size_t step) {
  for (size_t at = 0; at < len;) {
    styx_msg m = peer_expect(p, STYX_Twrite);
    PEER_CHECK(m.count <= len - at, "too much");
    uint32_t n = m.count < step ? m.count : (uint32_t)step;
    memcpy(to + at, m.data, n);
    at += n;
    peer_send(p, (styx_msg){.type = STYX_Rwrite, .tag = m.tag, .count = n});
  }
}

static void end_fid(struct peer *p) {
  styx_msg m = peer_expect(p, STYX_Tclunk);
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = m.tag});
  peer_end(p);
}

static void script(struct peer *p) {
  const enum fault fault = *(const enum fault *)p->arg;
  const size_t step = fault == BYTEWISE ? 1 : 1000;
  const styx_str uname = STYX_STR("glenda"), aname = STYX_STR("main");
  uint8_t text[128], response[SX_RESPONSE], proof[SX_PROOF];
  styx_msg m = peer_expect(p, STYX_Tauth);
  PEER_CHECK(styx_str_is(m.uname, "glenda") && styx_str_is(m.aname, "main"), "other names");
  peer_send(p, (styx_msg){.type = STYX_Rauth, .tag = m.tag, .qid = {STYX_QTAUTH, 0, 1}});
  sx_proof_label(text, 'n');
  if (fault == OTHER_PROTOCOL)
    memcpy(text, "v.2 p9sk1@outside.plan9.example", SX_LABEL);
  memset(text + SX_AT_SERVER, 3, SX_NONCE);
  if (fault == SILENT) {
    (void)serve(p, text, 0, 0);
    end_fid(p);
    return;
  }
  serve_all(p, text, SX_CHALLENGE, step);
  if (fault == OTHER_PROTOCOL) {
    end_fid(p);
    return;
  }
  if (fault == REJECTS) {
    m = peer_expect(p, STYX_Twrite);
    peer_error(p, m.tag, "authentication rejected");
    end_fid(p);
    return;
  }
  take_all(p, response, SX_RESPONSE, step);
  memcpy(text + SX_AT_CLIENT, response, SX_NONCE);
  sx_proof_names(text, uname, aname);
  const size_t size = sx_proof_size(uname, aname);
  PEER_CHECK(sx_proof(proof, 'c', text, size, secret, sizeof secret - 1), "no proof");
  PEER_CHECK(memcmp(proof, response + SX_NONCE, SX_PROOF) == 0, "the client's proof is wrong");
  PEER_CHECK(sx_proof(proof, 's', text, size, secret, sizeof secret - 1), "no proof");
  proof[SX_PROOF - 1] ^= fault == WRONG_PROOF;
  if (fault == ECHO)
    memcpy(proof, response + SX_NONCE, SX_PROOF);
  serve_all(p, proof, fault == CUT ? SX_PROOF - 1 : SX_PROOF, step);
  if (fault == CUT)
    (void)serve(p, proof, 0, 0);
  end_fid(p);
}

static styx_err converse(enum fault fault) {
  struct peer p;
  styx_client *c = peer_client(&p, script, &fault);
  uint32_t afid = 77;
  styx_qid qid = {0};
  cr_assert_eq(styx_client_auth(c, "glenda", "main", &afid, &qid), STYX_OK);
  cr_assert_eq(afid, 0);
  cr_assert_eq(qid.type, STYX_QTAUTH);
  styx_err err = styx_client_secret(c, afid, "glenda", "main", secret, sizeof secret - 1);
  cr_assert_eq(styx_client_clunk(c, afid), STYX_OK);
  peer_stop(&p, c);
  return err;
}

Test(client_auth, a_server_that_knows_the_secret_is_believed) {
  cr_assert_eq(converse(RIGHT), STYX_OK);
  cr_assert_eq(converse(BYTEWISE), STYX_OK);
}

Test(client_auth, a_server_that_does_not_is_not) {
  cr_assert_eq(converse(WRONG_PROOF), STYX_EREJECTED);
  cr_assert_eq(converse(ECHO), STYX_EREJECTED);
}

Test(client_auth, a_server_that_says_something_else_or_nothing_is_given_up) {
  cr_assert_eq(converse(OTHER_PROTOCOL), STYX_EAUTH);
  cr_assert_eq(converse(SILENT), STYX_EAUTH);
  cr_assert_eq(converse(CUT), STYX_EAUTH);
  cr_assert_eq(converse(REJECTS), STYX_EREJECTED);
}

static void refuse_auth(struct peer *p) {
  styx_msg m = peer_expect(p, STYX_Tauth);
  peer_error(p, m.tag, "authentication not required");
  m = peer_expect(p, STYX_Tattach);
  PEER_CHECK(m.afid == STYX_NOFID && m.fid == 0, "afid %u, fid %u", m.afid, m.fid);
  peer_send(p, (styx_msg){.type = STYX_Rattach, .tag = m.tag});
  m = peer_expect(p, STYX_Tattach);
  PEER_CHECK(m.afid == 0 && m.fid == 1, "afid %u, fid %u", m.afid, m.fid);
  peer_error(p, m.tag, "not authenticated");
  peer_end(p);
}

Test(client_auth, a_server_that_asks_nobody_is_told_from_others) {
  struct peer p;
  styx_client *c = peer_client(&p, refuse_auth, NULL);
  uint32_t afid = 77, fid = 77;
  cr_assert_eq(styx_client_auth(c, "glenda", NULL, &afid, NULL), STYX_ENOAUTH);
  cr_assert_eq(afid, 77);
  cr_assert_eq(styx_client_attach(c, "glenda", NULL, &fid, NULL), STYX_OK);
  cr_assert_eq(styx_client_attach_auth(c, fid, "glenda", NULL, &fid, NULL), STYX_EAUTH);
  cr_assert_eq(styx_client_secret(c, fid, "glenda", NULL, "", 0), STYX_EBADARG);
  peer_stop(&p, c);
}
