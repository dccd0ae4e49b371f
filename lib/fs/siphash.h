/* fs/siphash.h: SipHash-2-4, a keyed hash of 64 bits (Aumasson and Bernstein, 2012). Pure. */
#ifndef FS_SIPHASH_H
#define FS_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t sx_siphash24(const uint8_t key[16], const void *data, size_t len);

#endif
