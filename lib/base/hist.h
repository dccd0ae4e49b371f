/* base/hist.h: a histogram of durations or sizes, exact below 128 and within one part in 64 above, over the whole range of
 * 64 bits.
 *
 * Log-linear: every power of two is cut into 64 equal buckets. Histograms of several threads, or of several runs, add up
 * without loss. Nothing is allocated; one user at a time. */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

enum { SX_HIST_BITS = 6, SX_HIST_BUCKETS = (64 - SX_HIST_BITS + 1) << SX_HIST_BITS };

/* All zero is an empty histogram. */
struct sx_hist {
  uint64_t count;
  uint64_t sum; /* wraps: 584 years of nanoseconds */
  uint64_t max;
  uint64_t buckets[SX_HIST_BUCKETS];
};

void sx_hist_add(struct sx_hist *h, uint64_t value);
void sx_hist_merge(struct sx_hist *into, const struct sx_hist *from);

/* The smallest value that a share q (0 to 1) of all values does not exceed, rounded up to the end of its bucket but never
 * over the greatest value; 0 when there are none. */
uint64_t sx_hist_quantile(const struct sx_hist *h, double q);

#endif
