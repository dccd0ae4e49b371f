/* fuzz/fuzz.h: what the fuzzed programs have in common: memory that is counted in *arg, and checks that end the program. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdlib.h>

static void *count_alloc(void *arg, size_t size) {
  *(size_t *)arg += size;
  return malloc(size);
}

static void count_free(void *arg, void *ptr, size_t size) {
  *(size_t *)arg -= size;
  free(ptr);
}

static void check(bool holds) {
  if (!holds)
    abort();
}

#endif
