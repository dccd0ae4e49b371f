/* base/proof.h: what both ends of the authentication by shared secrets compute; styx-auth(3) has the protocol. The only part of
 * the library that calls libcrypto. */
#ifndef BASE_PROOF_H
#define BASE_PROOF_H

#include <styx/wire.h>

enum {
  SX_LABEL = 16,
  SX_NONCE = 32,
  SX_PROOF = 32,
  SX_CHALLENGE = SX_LABEL + SX_NONCE, /* what the server says first; the beginning of the text */
  SX_RESPONSE = SX_NONCE + SX_PROOF   /* what the client says to that */
};

/* The text that is proven: label, the server's nonce, the client's, uname and aname, each behind its length in two bytes. */
enum { SX_AT_SERVER = SX_LABEL, SX_AT_CLIENT = SX_LABEL + SX_NONCE, SX_AT_NAMES = SX_LABEL + 2 * SX_NONCE };
size_t sx_proof_size(styx_str uname, styx_str aname);
void sx_proof_names(uint8_t *text, styx_str uname, styx_str aname); /* puts both at their place */
/* 'n' for the challenge, 'c' for what the client proves, 's' for what the server proves. */
void sx_proof_label(uint8_t text[SX_LABEL], char role);

/* The proof of role over text, whose label is set. False: libcrypto fails. */
bool sx_proof(uint8_t out[SX_PROOF], char role, uint8_t *text, size_t size, const void *secret, size_t len);
bool sx_nonce(uint8_t out[SX_NONCE]);                   /* false: there is no good randomness */
bool sx_same(const void *a, const void *b, size_t len); /* takes the same time whatever they are */
void sx_wipe(void *p, size_t len);

#endif
