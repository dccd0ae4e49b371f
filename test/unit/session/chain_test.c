/* chain_test.c: outstanding tags, and the Tflushes that are chained in their table. */
#include "session/chain.h"
#include "support/random.h"

#include <criterion/criterion.h>

static int victims[8];

enum { LOW = 128 };

Test(chain, tags_are_found_until_they_are_deleted) {
  struct sx_tags tags;
  sx_tags_init(&tags, NULL, 1, LOW);
  cr_assert_null(sx_tags_find(&tags, 0));
  cr_assert(sx_tags_add(&tags, 0, &victims[0]));
  cr_assert(sx_tags_add(&tags, 0xFFFF, &victims[1]));
  cr_assert_eq(sx_tags_find(&tags, 0), &victims[0]);
  cr_assert_eq(sx_tags_find(&tags, 0xFFFF), &victims[1]);
  cr_assert_null(sx_tags_find(&tags, 1));
  sx_tags_del(&tags, 0);
  cr_assert_null(sx_tags_find(&tags, 0));
  cr_assert_eq(sx_tags_find(&tags, 0xFFFF), &victims[1]);
  sx_tags_fini(&tags);
}

Test(chain, an_empty_chain_gives_no_tag_and_can_be_joined) {
  struct sx_tags tags;
  struct sx_chain a = sx_chain_empty(), b = sx_chain_empty();
  sx_tags_init(&tags, NULL, 1, LOW);
  cr_assert(sx_chain_is_empty(&a));
  cr_assert_eq(sx_chain_take(&tags, &a), SX_NO_TAG);
  sx_chain_join(&tags, &a, &b);
  cr_assert(sx_chain_is_empty(&a) && sx_chain_is_empty(&b));
  sx_tags_fini(&tags);
}

Test(chain, the_first_tag_and_the_last_can_be_chained) {
  struct sx_tags tags;
  struct sx_chain c = sx_chain_empty();
  sx_tags_init(&tags, NULL, 1, LOW);
  cr_assert(sx_chain_add(&tags, &c, 0xFFFF, &victims[0]));
  cr_assert(sx_chain_add(&tags, &c, 0, &victims[0]));
  cr_assert_eq(sx_tags_find(&tags, 0), &victims[0]);
  cr_assert_eq(sx_chain_take(&tags, &c), 0xFFFF);
  cr_assert_eq(sx_chain_take(&tags, &c), 0);
  cr_assert(sx_chain_is_empty(&c));
  cr_assert_null(sx_tags_find(&tags, 0));
  cr_assert(sx_chain_add(&tags, &c, 0, &victims[1])); /* it can be used again */
  cr_assert_eq(sx_chain_take(&tags, &c), 0);
  sx_tags_fini(&tags);
}

Test(chain, low_tags_and_others_can_be_chained_to_each_other) {
  static const uint16_t order[] = {5, LOW, LOW - 1, 300, 0, LOW + 1};
  enum { N = sizeof order / sizeof *order };
  struct sx_tags tags;
  struct sx_chain c = sx_chain_empty();
  sx_tags_init(&tags, NULL, 1, LOW);
  for (int i = 0; i < N; i++)
    cr_assert(sx_chain_add(&tags, &c, order[i], &victims[i]));
  cr_assert_eq(sx_tags_count(&tags), N);
  sx_tags_rest(&tags); /* some are in use, so all stay */
  for (int i = 0; i < N; i++) {
    cr_assert_eq(sx_tags_find(&tags, order[i]), &victims[i]);
    cr_assert_eq(sx_chain_take(&tags, &c), order[i]);
    cr_assert_null(sx_tags_find(&tags, order[i]));
  }
  sx_tags_rest(&tags);
  cr_assert_null(sx_tags_find(&tags, 5));
  cr_assert(sx_tags_add(&tags, 5, &victims[0]));
  cr_assert_eq(sx_tags_find(&tags, 5), &victims[0]);
  sx_tags_fini(&tags);
}

static void *no_memory(void *arg, size_t size) {
  (void)arg, (void)size;
  return NULL;
}

Test(chain, without_memory_a_chain_stays_as_it_is) {
  styx_allocator a = {no_memory, NULL, NULL};
  struct sx_tags tags;
  struct sx_chain c = sx_chain_empty();
  sx_tags_init(&tags, &a, 1, LOW);
  cr_assert_not(sx_chain_add(&tags, &c, 5, &victims[0]));
  cr_assert(sx_chain_is_empty(&c));
  cr_assert_null(sx_tags_find(&tags, 5));
  sx_tags_fini(&tags);
}

/* ---- chains against arrays ---- */

enum { CHAINS = 8, TAGS = 3000 };

struct model {
  uint16_t tag[TAGS];
  unsigned first, count;
};

static void add(struct sx_tags *tags, struct sx_chain *c, struct model *m, int *in, uint16_t tag, int victim) {
  cr_assert(sx_chain_add(tags, c, tag, &victims[victim]));
  m->tag[(m->first + m->count++) % TAGS] = tag;
  in[tag] = victim;
}

static void take(struct sx_tags *tags, struct sx_chain *c, struct model *m, int *in) {
  uint32_t tag = sx_chain_take(tags, c);
  cr_assert_eq(tag, m->count ? m->tag[m->first] : SX_NO_TAG);
  if (!m->count)
    return;
  in[tag] = -1;
  m->first = (m->first + 1) % TAGS;
  m->count--;
}

static void join(struct sx_tags *tags, struct sx_chain *to, struct sx_chain *from, struct model *a, struct model *b) {
  sx_chain_join(tags, to, from);
  cr_assert(sx_chain_is_empty(from));
  for (; b->count; b->count--, b->first = (b->first + 1) % TAGS)
    a->tag[(a->first + a->count++) % TAGS] = b->tag[b->first];
}

/* While the table grows, shrinks and moves its cells about. */
Test(chain, random_chains_agree_with_arrays) {
  uint64_t state = seed_of_run();
  static struct model model[CHAINS];
  static int in[TAGS];
  struct sx_chain chain[CHAINS];
  struct sx_tags tags;
  sx_tags_init(&tags, NULL, random_of(&state), LOW);
  for (int i = 0; i < CHAINS; i++)
    chain[i] = sx_chain_empty();
  for (int i = 0; i < TAGS; i++)
    in[i] = -1;
  for (int step = 0; step < 200000; step++) {
    uint64_t dice = random_of(&state);
    int a = (int)(dice >> 16) & (CHAINS - 1), b = (int)(dice >> 24) & (CHAINS - 1);
    uint16_t tag = (uint16_t)((dice >> 32) % TAGS);
    bool growing = step / 20000 % 2 == 0;
    if ((dice & 0xFF) == 0 && a != b)
      join(&tags, &chain[a], &chain[b], &model[a], &model[b]);
    else if ((dice & 0xFF) < (growing ? 180 : 60) && in[tag] < 0)
      add(&tags, &chain[a], &model[a], in, tag, a);
    else
      take(&tags, &chain[a], &model[a], in);
    cr_assert_eq(sx_tags_find(&tags, tag), in[tag] < 0 ? NULL : &victims[in[tag]]);
  }
  for (int i = 0; i < CHAINS; i++)
    while (model[i].count)
      take(&tags, &chain[i], &model[i], in);
  cr_assert_eq(sx_tags_count(&tags), 0);
  sx_tags_fini(&tags);
}

/* ---- cost: how many cells a search can pass, which is bounded by the run of full cells it is in ---- */

static double mean_run(const struct sx_table *tags) {
  uint64_t sum = 0, run = 0;
  for (size_t i = 0; i <= tags->mask; i++) {
    if (tags->cells[i].value) {
      run++;
      continue;
    }
    sum += run * run; /* each of them is found within its run */
    run = 0;
  }
  return (double)(sum + run * run) / (double)tags->count;
}

Test(chain, the_cost_of_a_search_does_not_grow_with_the_number_of_tags) {
  static const uint32_t counts[] = {768, 12288, 49152, 65535}; /* the first three: just before the table grows */
  static const uint16_t strides[] = {1, 2, 256, 7919};
  uint64_t state = seed_of_run();
  for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
    for (size_t s = 0; s < sizeof strides / sizeof *strides; s++) {
      struct sx_tags tags;
      sx_tags_init(&tags, NULL, random_of(&state), 0);
      for (uint32_t i = 0, at = 0; sx_tags_count(&tags) < counts[c]; i++, at += strides[s]) {
        uint16_t tag = (uint16_t)(at + at / 65536); /* round and round, each time beside where it was */
        if (!sx_tags_find(&tags, tag))
          cr_assert(sx_tags_add(&tags, tag, &victims[0]));
      }
      cr_assert_lt(mean_run(&tags.high), 64, "%u tags, one in %u: %f cells", counts[c], strides[s],
                   mean_run(&tags.high));
      sx_tags_fini(&tags);
    }
  }
}
