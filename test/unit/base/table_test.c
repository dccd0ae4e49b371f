/* table_test.c: the hash table against an array that cannot be wrong. */
#include "base/table.h"
#include "support/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An allocator that counts what it gave and fails when told to. */
struct counted {
  size_t live, calls;
  size_t fail_at; /* the call, from 1, that fails and all after it; 0: none */
};

static void *counted_alloc(void *arg, size_t size) {
  struct counted *c = arg;
  if (++c->calls >= c->fail_at && c->fail_at)
    return NULL;
  c->live += size;
  return malloc(size);
}

static void counted_free(void *arg, void *ptr, size_t size) {
  struct counted *c = arg;
  c->live -= size;
  free(ptr);
}

static char things[4096];
enum { KEYS = sizeof things };

static void check_equal(const struct sx_table *t, void *const *model, size_t count) {
  cr_assert_eq(t->count, count);
  for (uint64_t k = 0; k < KEYS; k++)
    cr_assert_eq(sx_table_get(t, k), model[k], "key %llu", (unsigned long long)k);
  size_t at = 0, seen = 0;
  bool met[KEYS] = {false};
  for (char *v; (v = sx_table_each(t, &at)); seen++) {
    cr_assert_not(met[v - things]);
    met[v - things] = true;
    cr_assert_eq(model[v - things], v);
  }
  cr_assert_eq(seen, count);
}

/* One random step on table and model; keys below span. */
static void step(struct sx_table *t, void **model, size_t *count, uint64_t *state, uint64_t span) {
  uint64_t dice = random_of(state), key = (dice >> 8) % span;
  if ((dice & 0xFF) < 128) {
    cr_assert(sx_table_reserve(t));
    sx_table_put(t, key, &things[key]);
    *count += !model[key];
    model[key] = &things[key];
  } else {
    cr_assert_eq(sx_table_del(t, key), model[key]);
    *count -= model[key] != NULL;
    model[key] = NULL;
  }
}

Test(table, random_puts_and_deletes_agree_with_an_array) {
  uint64_t state = seed_of_run();
  struct counted c = {0};
  styx_allocator a = {counted_alloc, counted_free, &c};
  for (int round = 0; round < 8; round++) {
    struct sx_table t;
    void *model[KEYS] = {NULL};
    size_t count = 0;
    sx_table_init(&t, &a, random_of(&state));
    for (int phase = 0; phase < 6; phase++) {
      uint64_t span = random_of(&state) % KEYS + 1;
      for (int i = 0; i < 5000; i++)
        step(&t, model, &count, &state, span);
      check_equal(&t, model, count);
    }
    sx_table_fini(&t);
    cr_assert_eq(c.live, 0);
  }
}

Test(table, an_empty_table_allocates_nothing_and_finds_nothing) {
  struct counted c = {0};
  styx_allocator a = {counted_alloc, counted_free, &c};
  struct sx_table t;
  size_t at = 0;
  sx_table_init(&t, &a, 1);
  cr_assert_null(sx_table_get(&t, 0));
  cr_assert_null(sx_table_del(&t, 0));
  cr_assert_null(sx_table_each(&t, &at));
  sx_table_fini(&t);
  cr_assert_eq(c.calls, 0);
}

Test(table, the_whole_range_of_keys_is_usable) {
  static const uint64_t keys[] = {0, 1, 0xFFFF, 0xFFFFFFFF, 0x100000000, UINT64_MAX};
  struct sx_table t;
  sx_table_init(&t, NULL, 0);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    cr_assert(sx_table_reserve(&t));
    sx_table_put(&t, keys[i], &things[i]);
  }
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    cr_assert_eq(sx_table_get(&t, keys[i]), &things[i]);
  sx_table_fini(&t);
}

Test(table, a_second_put_replaces_the_value) {
  struct sx_table t;
  sx_table_init(&t, NULL, 0);
  cr_assert(sx_table_reserve(&t));
  sx_table_put(&t, 5, &things[1]);
  sx_table_put(&t, 5, &things[2]);
  cr_assert_eq(t.count, 1);
  cr_assert_eq(sx_table_get(&t, 5), &things[2]);
  sx_table_fini(&t);
}

/* Keys that all have their home in one cell of the smallest table, found by asking the table where it puts them. */
Test(table, colliding_keys_survive_each_others_deletion) {
  uint64_t same[8];
  size_t n = 0, cell = 0;
  for (uint64_t key = 0; n < 8; key++) {
    struct sx_table t;
    sx_table_init(&t, NULL, 7);
    cr_assert(sx_table_reserve(&t));
    sx_table_put(&t, key, &things[0]);
    size_t at = 0;
    sx_table_each(&t, &at);
    if (n == 0)
      cell = t.mask; /* the last cell, so that the run wraps around */
    if (at - 1 == cell)
      same[n++] = key;
    sx_table_fini(&t);
  }
  for (size_t gone = 0; gone < 8; gone++) {
    struct sx_table t;
    sx_table_init(&t, NULL, 7);
    for (size_t i = 0; i < 8; i++) {
      cr_assert(sx_table_reserve(&t));
      sx_table_put(&t, same[i], &things[i]);
    }
    cr_assert_eq(t.mask, 15, "all in the smallest table");
    cr_assert_eq(sx_table_del(&t, same[gone]), &things[gone]);
    for (size_t i = 0; i < 8; i++)
      cr_assert_eq(sx_table_get(&t, same[i]), i == gone ? NULL : &things[i]);
    sx_table_fini(&t);
  }
}

Test(table, it_grows_with_its_contents_and_shrinks_again) {
  struct counted c = {0};
  styx_allocator a = {counted_alloc, counted_free, &c};
  struct sx_table t;
  sx_table_init(&t, &a, 3);
  for (uint64_t k = 0; k < KEYS; k++) {
    cr_assert(sx_table_reserve(&t));
    sx_table_put(&t, k, &things[k]);
    cr_assert(t.count < t.mask);
  }
  size_t most = c.live;
  for (uint64_t k = 0; k < KEYS; k++)
    cr_assert_eq(sx_table_del(&t, k), &things[k]);
  cr_assert(c.live * 8 < most, "%zu bytes of %zu remain", c.live, most);
  sx_table_fini(&t);
  cr_assert_eq(c.live, 0);
}

/* The bits outside key_mask: random too, kept with their key, and nothing that counts. */
Test(table, bits_outside_the_mask_are_kept_and_do_not_count) {
  uint64_t state = seed_of_run();
  static uint64_t extra[KEYS];
  void *model[KEYS] = {NULL};
  struct sx_table t;
  sx_table_init(&t, NULL, random_of(&state));
  t.key_mask = KEYS - 1;
  for (int i = 0; i < 30000; i++) { /* grows and shrinks on the way */
    uint64_t dice = random_of(&state), key = dice % KEYS;
    if (dice >> 32 & 1 << (i / 5000 % 2)) {
      cr_assert(sx_table_reserve(&t));
      extra[key] = random_of(&state) & ~t.key_mask;
      sx_table_put(&t, key | extra[key], &things[key]);
      model[key] = &things[key];
    } else if (dice >> 34 & 1 && model[key]) {
      extra[key] = random_of(&state) & ~t.key_mask;
      sx_table_cell(&t, random_of(&state) << 12 | key)->key = key | extra[key];
    } else {
      cr_assert_eq(sx_table_del(&t, random_of(&state) << 12 | key), model[key]);
      model[key] = NULL;
    }
  }
  for (uint64_t key = 0; key < KEYS; key++) {
    const struct sx_cell *cell = sx_table_cell(&t, random_of(&state) << 12 | key);
    cr_assert_eq(sx_table_get(&t, random_of(&state) << 12 | key), model[key]);
    cr_assert_eq(cell != NULL, model[key] != NULL);
    if (cell) {
      cr_assert_eq(cell->key, key | extra[key]);
      cr_assert_eq(cell->value, model[key]);
    }
  }
  sx_table_fini(&t);
}

Test(table, there_is_no_cell_of_what_is_not_there) {
  struct sx_table t;
  sx_table_init(&t, NULL, 1);
  cr_assert_null(sx_table_cell(&t, 5));
  cr_assert(sx_table_reserve(&t));
  cr_assert_null(sx_table_cell(&t, 5));
  sx_table_put(&t, 5, &things[5]);
  cr_assert_eq(sx_table_cell(&t, 5)->value, &things[5]);
  sx_table_fini(&t);
}

Test(table, one_that_keeps_its_size_fills_again_without_memory) {
  struct counted c = {0};
  styx_allocator a = {counted_alloc, counted_free, &c};
  struct sx_table t;
  sx_table_init(&t, &a, 3);
  t.keeps = true;
  for (int round = 0; round < 3; round++) {
    for (uint64_t k = 0; k < KEYS; k++) {
      cr_assert(sx_table_reserve(&t));
      sx_table_put(&t, k, &things[k]);
    }
    c.fail_at = c.calls; /* every one from here on */
    for (uint64_t k = 0; k < KEYS; k++)
      cr_assert_eq(sx_table_del(&t, k), &things[k]);
  }
  sx_table_fini(&t);
  cr_assert_eq(c.live, 0);
}

Test(table, without_memory_reserve_fails_and_nothing_is_lost) {
  for (size_t fail = 1; fail < 8; fail++) {
    struct counted c = {.fail_at = fail};
    styx_allocator a = {counted_alloc, counted_free, &c};
    struct sx_table t;
    uint64_t n = 0;
    sx_table_init(&t, &a, 9);
    for (; sx_table_reserve(&t); n++)
      sx_table_put(&t, n, &things[n]);
    cr_assert_eq(t.count, n);
    for (uint64_t k = 0; k < n; k++)
      cr_assert_eq(sx_table_get(&t, k), &things[k]);
    for (uint64_t k = 0; k < n; k++) /* shrinking fails too, and harms nobody */
      cr_assert_eq(sx_table_del(&t, k), &things[k]);
    cr_assert_eq(t.count, 0);
    sx_table_fini(&t);
    cr_assert_eq(c.live, 0);
  }
}
