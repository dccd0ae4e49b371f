/* siphash_test.c: the published values of SipHash-2-4: key 00 to 0f, inputs 00, 00 01, … */
#include "fs/siphash.h"

#include <criterion/criterion.h>

static void is(size_t len, uint64_t expected) {
  uint8_t key[16], data[64];
  for (uint8_t i = 0; i < 16; i++)
    key[i] = i;
  for (uint8_t i = 0; i < 64; i++)
    data[i] = i;
  uint64_t got = sx_siphash24(key, data, len);
  cr_assert_eq(got, expected, "%zu bytes: %#llx", len, (unsigned long long)got);
}

Test(siphash, has_the_published_values) {
  is(0, 0x726fdb47dd0e0e31);
  is(1, 0x74f839c593dc67fd);
  is(7, 0xab0200f58b01d137);
  is(8, 0x93f5f5799a932462);
  is(15, 0xa129ca6149be45e5);
  is(16, 0x3f2acc7f57c29bdb);
  is(63, 0x958a324ceb064572);
}
