/* hist.c: the log-linear histogram. */
#include "base/hist.h"

/* Values of b bits, b > BITS, lose their b - BITS - 1 lowest bits and keep the bit after the leading one first; smaller
 * ones are their own bucket. */
static unsigned shift_of(uint64_t value) {
  unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
  return bits > SX_HIST_BITS + 1 ? bits - (SX_HIST_BITS + 1) : 0;
}

static unsigned bucket_of(uint64_t value) {
  unsigned shift = shift_of(value);
  return (shift << SX_HIST_BITS) + (unsigned)(value >> shift);
}

/* The greatest value that falls into the bucket. */
static uint64_t end_of(unsigned bucket) {
  if (bucket < 2u << SX_HIST_BITS)
    return bucket;
  unsigned shift = (bucket >> SX_HIST_BITS) - 1;
  uint64_t top = (bucket & ((1u << SX_HIST_BITS) - 1)) | 1u << SX_HIST_BITS;
  return (top << shift) + ((UINT64_C(1) << shift) - 1);
}

void sx_hist_add(struct sx_hist *h, uint64_t value) {
  h->count++;
  h->sum += value;
  h->max = value > h->max ? value : h->max;
  h->buckets[bucket_of(value)]++;
}

void sx_hist_merge(struct sx_hist *into, const struct sx_hist *from) {
  into->count += from->count;
  into->sum += from->sum;
  into->max = from->max > into->max ? from->max : into->max;
  for (unsigned i = 0; i < SX_HIST_BUCKETS; i++)
    into->buckets[i] += from->buckets[i];
}

uint64_t sx_hist_quantile(const struct sx_hist *h, double q) {
  if (h->count == 0)
    return 0;
  double exact = q * (double)h->count;
  uint64_t rank = exact >= (double)h->count ? h->count : exact <= 1 ? 1 : (uint64_t)exact;
  if (rank < h->count &&
      exact - (double)rank > exact * 1e-9) /* round up, but not what q itself could not say exactly */
    rank++;
  uint64_t seen = 0;
  for (unsigned i = 0; i < SX_HIST_BUCKETS; i++) {
    seen += h->buckets[i];
    if (seen >= rank)
      return end_of(i) < h->max ? end_of(i) : h->max;
  }
  return h->max;
}
