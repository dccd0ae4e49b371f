/* proof.c: see proof.h. */
#include "base/proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

size_t sx_proof_size(styx_str uname, styx_str aname) { return SX_AT_NAMES + 2 + uname.len + 2 + aname.len; }

static uint8_t *put_name(uint8_t *p, styx_str name) {
  *p++ = (uint8_t)(name.len & 0xff);
  *p++ = (uint8_t)(name.len >> 8 & 0xff);
  if (name.len)
    memcpy(p, name.s, name.len);
  return p + name.len;
}

void sx_proof_names(uint8_t *text, styx_str uname, styx_str aname) {
  put_name(put_name(text + SX_AT_NAMES, uname), aname);
}

void sx_proof_label(uint8_t text[SX_LABEL], char role) {
  memcpy(text, "styx-secret-1 ?\n", SX_LABEL);
  text[SX_LABEL - 2] = (uint8_t)role;
}

bool sx_proof(uint8_t out[SX_PROOF], char role, uint8_t *text, size_t size, const void *secret, size_t len) {
  unsigned n = 0;
  sx_proof_label(text, role);
  return HMAC(EVP_sha256(), secret, (int)len, text, size, out, &n) && n == SX_PROOF;
}

bool sx_nonce(uint8_t out[SX_NONCE]) { return RAND_bytes(out, SX_NONCE) == 1; }

bool sx_same(const void *a, const void *b, size_t len) { return CRYPTO_memcmp(a, b, len) == 0; }

void sx_wipe(void *p, size_t len) {
  if (p)
    OPENSSL_cleanse(p, len);
}
