/* siphash.c: SipHash-2-4, byte order fixed to little-endian so that a value means the same on every machine. */
#include "fs/siphash.h"

static uint64_t rotl(uint64_t x, int n) { return x << n | x >> (64 - n); }

static uint64_t load(const uint8_t *p, size_t n) {
  uint64_t word = 0;
  for (size_t i = 0; i < n; i++)
    word |= (uint64_t)p[i] << (8 * i);
  return word;
}

static void rounds(uint64_t v[4], int n) {
  while (n-- > 0) {
    v[0] += v[1], v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0], v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2], v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
  }
}

uint64_t sx_siphash24(const uint8_t key[16], const void *data, size_t len) {
  const uint64_t k0 = load(key, 8), k1 = load(key + 8, 8);
  uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                   k1 ^ 0x7465646279746573u};
  const uint8_t *p = data;
  for (size_t at = 0; at <= len; at += 8) {
    size_t left = len - at;
    uint64_t word = left < 8 ? load(p + at, left) | (uint64_t)(len & 0xff) << 56 : load(p + at, 8);
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
  }
  v[2] ^= 0xff;
  rounds(v, 4);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}
