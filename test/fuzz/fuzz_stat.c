/* fuzz_stat.c: a directory read cut into stat records; what decodes encodes to the same bytes. */
#include <styx/wire.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool holds) {
  if (!holds)
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  while (size > 0) {
    uint8_t *copy = malloc(size), again[65536];
    check(copy);
    memcpy(copy, bytes, size);
    styx_stat stat;
    ptrdiff_t used = styx_stat_decode(&stat, copy, size, STYX_9P2000);
    check(used <= (ptrdiff_t)size);
    if (used > 0) {
      check(styx_stat_size(&stat, STYX_9P2000) == used);
      check(styx_stat_encode(again, (size_t)used, &stat, STYX_9P2000) == used);
      check(memcmp(again, copy, (size_t)used) == 0);
      char line[512];
      styx_stat_print(line, sizeof line, &stat, STYX_9P2000);
    }
    free(copy);
    if (used <= 0)
      break;
    bytes += used;
    size -= (size_t)used;
  }
  return 0;
}
