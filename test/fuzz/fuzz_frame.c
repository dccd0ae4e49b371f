/* fuzz_frame.c: a stream cut into messages by styx_frame always advances and never reaches past its end. */
#include <styx/wire.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool holds) {
  if (!holds)
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 4)
    return 0;
  uint32_t msize;
  memcpy(&msize, bytes, 4);
  bytes += 4;
  size -= 4;
  while (size > 0) {
    uint8_t *copy = malloc(size); /* of exactly this size, so that a sanitizer sees the first byte too many */
    check(copy);
    memcpy(copy, bytes, size);
    ptrdiff_t n = styx_frame(copy, size, msize);
    styx_msg msg;
    ptrdiff_t used = styx_decode(&msg, copy, size, msize, STYX_9P2000);
    check(n > 0 ? used == n || used < 0 : used == n);
    check(used >= 0 || n <= 0 || !styx_err_is_framing((styx_err)-used) || -used == STYX_ETRUNC);
    for (size_t cut = 0; n > 0 && cut < (size_t)n && cut < 16; cut++)
      check(styx_frame(copy, cut, msize) == 0);
    free(copy);
    if (n <= 0)
      break;
    check(n >= 7 && (size_t)n <= size && (!msize || (uint32_t)n <= msize));
    bytes += n;
    size -= (size_t)n;
  }
  return 0;
}
