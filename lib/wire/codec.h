/* wire/codec.h: what decode.c and encode.c share. Each has a switch with one case for each row of messages.def, made by
 * giving the table's field operators a meaning. */
#ifndef WIRE_CODEC_H
#define WIRE_CODEC_H

#include "wire/bytes.h"

enum { SX_LASTTYPE = 127 };

/* The size of each message as if its strings, lists and data were empty; 0 where a dialect has no such message. */
extern const uint8_t sx_fixed_sizes[STYX_9P2000_L + 1][SX_LASTTYPE + 1];

static inline size_t sx_fixed_size(unsigned type, styx_dialect dialect) {
  return type <= SX_LASTTYPE && dialect <= STYX_9P2000_L ? sx_fixed_sizes[dialect][type] : 0;
}

/* One switch, compiled twice. Most messages are only numbers, and data that stays where it is. Code for these needs no
 * function called; code that may call one has to save registers first, which would double what a Tread costs. So the
 * function with the switch has a parameter `calls` and is inlined into two functions that give a constant for it:
 *
 *   decode, encode                  false: every message begins here. At the first field that needs a call (a string, a
 *                                   list, a stat record, data to be moved) the switch returns false.
 *   decode_calling, encode_calling  true: only then; begin again at the first field and do all of them.
 *
 * To begin again is harmless: the fields so far are numbers, which go to the same places a second time. SX_CALL is what
 * such a field does in the switch. */
#define SX_INLINED static inline __attribute__((always_inline))
#define SX_OUTLINED static __attribute__((noinline))
#define SX_CALL(call)                                                                                                  \
  if (!calls)                                                                                                          \
    return false;                                                                                                      \
  call;

#endif
