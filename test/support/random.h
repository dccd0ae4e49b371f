/* support/random.h: random numbers that a seed repeats. */
#ifndef SUPPORT_RANDOM_H
#define SUPPORT_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* state is never 0. */
static inline uint64_t random_of(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* 0 to n - 1. */
static inline uint32_t dice(uint64_t *s, uint32_t n) {
  *s = *s * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*s >> 33) % n;
}

/* What the environment's STYX_SEED says, else a new one, printed so that the run can be replayed. */
static inline uint64_t seed_of_run(void) {
  const char *given = getenv("STYX_SEED");
  uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u | 1;
  printf("seed: STYX_SEED=%llu\n", (unsigned long long)seed);
  return seed;
}

#endif
