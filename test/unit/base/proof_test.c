/* proof_test.c: the proofs of styx-auth(3), against values that another implementation has computed. */
#include "base/proof.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = SX_AT_NAMES + 2 + 6 + 2 + 4 };

static const char secret[] = "correct horse battery staple";

/* The nonces are 0, 1, 2 ... 63. */
static void make_text(uint8_t text[SIZE]) {
  const styx_str uname = STYX_STR("glenda"), aname = STYX_STR("main");
  cr_assert_eq(sx_proof_size(uname, aname), SIZE);
  for (unsigned i = 0; i < 2 * SX_NONCE; i++)
    text[SX_AT_SERVER + i] = (uint8_t)i;
  sx_proof_names(text, uname, aname);
}

static void expect_proof(char role, const char *expected) {
  uint8_t text[SIZE], proof[SX_PROOF];
  char hex[2 * SX_PROOF + 1];
  make_text(text);
  cr_assert(sx_proof(proof, role, text, SIZE, secret, sizeof secret - 1));
  for (size_t i = 0; i < SX_PROOF; i++)
    snprintf(hex + 2 * i, 3, "%02x", proof[i]);
  cr_assert_str_eq(hex, expected);
}

Test(proof, the_client_s_and_the_server_s_proof_are_those_of_the_manual) {
  expect_proof('c', "e6babb537e64b2255ac9aa51c0cf37daaeac6c0aedf1e61f9725c9ec5d5ad519");
  expect_proof('s', "5f734166a70e42612a7c06a9fb725ae626bbb01e5b3866309008ec9c65a7a601");
}

Test(proof, every_byte_of_the_text_counts) {
  uint8_t text[SIZE], proof[SX_PROOF], other[SX_PROOF];
  make_text(text);
  cr_assert(sx_proof(proof, 'c', text, SIZE, secret, sizeof secret - 1));
  for (size_t i = SX_LABEL; i < SIZE; i++) {
    text[i] ^= 1;
    cr_assert(sx_proof(other, 'c', text, SIZE, secret, sizeof secret - 1));
    cr_assert_not(sx_same(proof, other, SX_PROOF), "byte %zu", i);
    text[i] ^= 1;
  }
  cr_assert(sx_proof(other, 'c', text, SIZE, secret, sizeof secret - 2));
  cr_assert_not(sx_same(proof, other, SX_PROOF));
}

Test(proof, where_one_name_ends_and_the_other_begins_counts) {
  uint8_t a[SX_AT_NAMES + 7] = {0}, b[SX_AT_NAMES + 7] = {0};
  sx_proof_names(a, (styx_str)STYX_STR("ab"), (styx_str)STYX_STR("c"));
  sx_proof_names(b, (styx_str)STYX_STR("a"), (styx_str)STYX_STR("bc"));
  cr_assert_neq(memcmp(a, b, sizeof a), 0);
}

Test(proof, nonces_differ) {
  uint8_t a[SX_NONCE] = {0}, b[SX_NONCE] = {0}, zero[SX_NONCE] = {0};
  cr_assert(sx_nonce(a) && sx_nonce(b));
  cr_assert_not(sx_same(a, b, SX_NONCE));
  cr_assert_not(sx_same(a, zero, SX_NONCE));
}

Test(proof, what_is_wiped_is_gone) {
  uint8_t a[SX_PROOF], zero[SX_PROOF] = {0};
  memset(a, 7, sizeof a);
  sx_wipe(a, sizeof a);
  cr_assert(sx_same(a, zero, sizeof a));
  sx_wipe(NULL, 0);
}
