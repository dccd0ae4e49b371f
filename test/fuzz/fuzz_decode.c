/* fuzz_decode.c: what decodes encodes to the same bytes, in every dialect, and prints as one safe line. */
#include <styx/wire.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool holds) {
  if (!holds)
    abort();
}

static void check_line(const styx_msg *msg) {
  size_t len = styx_msg_print(NULL, 0, msg, STYX_9P2000);
  char *line = malloc(len + 1);
  check(line);
  check(styx_msg_print(line, len + 1, msg, STYX_9P2000) == len && strlen(line) == len);
  for (size_t i = 0; i < len; i++)
    check((uint8_t)line[i] >= ' ' && line[i] != 0x7F);
  size_t half = len / 2;
  check(styx_msg_print(line, half, msg, STYX_9P2000) == len);
  check(half == 0 || strlen(line) < half);
  free(line);
}

static void check_round_trip(const styx_msg *msg, const uint8_t *bytes, size_t size, styx_dialect dialect) {
  uint8_t *again = malloc(size);
  check(again);
  check(styx_encoded_size(msg, dialect) == (ptrdiff_t)size);
  check(styx_encode(again, size - 1, msg, dialect) == -STYX_ENOFIT);
  check(styx_encode(again, size, msg, dialect) == (ptrdiff_t)size);
  check(memcmp(again, bytes, size) == 0);
  free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 1)
    return 0;
  styx_dialect dialect = bytes[0] % 3;
  bool fix_size = bytes[0] & 0x80; /* let the fuzzer reach the fields without guessing the size */
  uint8_t *copy = malloc(size);
  check(copy);
  memcpy(copy, bytes + 1, --size);
  for (size_t i = 0; fix_size && size >= 7 && i < 4; i++)
    copy[i] = (uint8_t)(size >> 8 * i);
  styx_msg msg;
  ptrdiff_t used = styx_decode(&msg, copy, size, 0, dialect);
  check(used <= (ptrdiff_t)size);
  if (used > 0) {
    check_round_trip(&msg, copy, (size_t)used, dialect);
    check_line(&msg);
  } else if (used < 0 && !styx_err_is_framing((styx_err)-used)) {
    check(msg.type == copy[4] && msg.tag == (copy[5] | copy[6] << 8));
  }
  free(copy);
  return 0;
}
