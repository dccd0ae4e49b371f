/* hist_test.c: the histogram against a sorted array. */
#include "base/hist.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct sx_hist h, other;

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* got is the quantile of a histogram that holds exact: never less, and at most one part in 64 more. */
static void check_near(uint64_t got, uint64_t exact) {
  cr_assert_geq(got, exact);
  cr_assert_leq(got - exact, exact / 64, "%llu for %llu", (unsigned long long)got, (unsigned long long)exact);
}

Test(hist, an_empty_one_has_only_zeros) {
  cr_assert_eq(sx_hist_quantile(&h, 0.5), 0);
  cr_assert_eq(h.count, 0);
  cr_assert_eq(h.max, 0);
}

Test(hist, small_values_are_exact) {
  for (uint64_t v = 0; v < 128; v++)
    sx_hist_add(&h, v);
  for (unsigned i = 1; i <= 128; i++)
    cr_assert_eq(sx_hist_quantile(&h, i / 128.0), i - 1);
  cr_assert_eq(sx_hist_quantile(&h, 0), 0);
  cr_assert_eq(h.sum, 127 * 128 / 2);
}

Test(hist, a_value_is_found_within_a_64th_over_the_whole_range) {
  for (unsigned bit = 0; bit < 64; bit++) {
    for (int around = -1; around <= 1; around++) {
      uint64_t v = (UINT64_C(1) << bit) + (uint64_t)around;
      h = (struct sx_hist){0};
      sx_hist_add(&h, v);
      sx_hist_add(&h, UINT64_MAX); /* so that the greatest value does not correct the bucket */
      check_near(sx_hist_quantile(&h, 0.5), v);
    }
  }
}

Test(hist, every_value_has_a_bucket_that_ends_no_earlier_than_the_one_before) {
  uint64_t before = 0;
  for (uint64_t v = 1; v < UINT64_MAX / 2; v += v / 200 + 1) {
    h = (struct sx_hist){0};
    sx_hist_add(&h, v);
    sx_hist_add(&h, UINT64_MAX);
    uint64_t end = sx_hist_quantile(&h, 0.5);
    cr_assert_geq(end, before);
    before = end;
  }
}

Test(hist, a_quantile_never_passes_the_greatest_value) {
  sx_hist_add(&h, 1000003);
  cr_assert_eq(sx_hist_quantile(&h, 0.5), 1000003);
  cr_assert_eq(sx_hist_quantile(&h, 1), 1000003);
  cr_assert_eq(sx_hist_quantile(&h, 2), 1000003);
}

Test(hist, quantiles_agree_with_a_sorted_array) {
  enum { N = 20000 };
  static uint64_t values[N];
  uint64_t state = seed_of_run();
  for (unsigned i = 0; i < N; i++) {
    values[i] = random_of(&state) >> (random_of(&state) & 63);
    sx_hist_add(&h, values[i]);
  }
  qsort(values, N, sizeof *values, compare);
  const double qs[] = {0.001, 0.25, 0.5, 0.9, 0.99, 0.999};
  for (unsigned i = 0; i < sizeof qs / sizeof *qs; i++)
    check_near(sx_hist_quantile(&h, qs[i]), values[(unsigned)(qs[i] * N + 0.5) - 1]);
  cr_assert_eq(sx_hist_quantile(&h, 1), values[N - 1]);
  cr_assert_eq(h.count, N);
}

Test(hist, merging_is_the_same_as_adding_to_one) {
  static struct sx_hist all;
  uint64_t state = seed_of_run();
  for (unsigned i = 0; i < 5000; i++) {
    uint64_t v = random_of(&state) >> (random_of(&state) & 63);
    sx_hist_add(&all, v);
    sx_hist_add(i % 3 ? &h : &other, v);
  }
  sx_hist_merge(&h, &other);
  cr_assert_arr_eq(&h, &all, sizeof h);
}
