/* queue_test.c: the bounded queue with one thread: order, full, empty, and round the ring. test/stress has it with many. */
#include "server/queue.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { MANY = 1000 };
static char things[MANY];

static struct sx_queue made(size_t capacity) {
  struct sx_queue q;
  cr_assert(sx_queue_init(&q, capacity, NULL));
  return q;
}

/* How many items it takes until it says that it is full. */
static size_t fill(struct sx_queue *q) {
  size_t n = 0;
  while (n < MANY && sx_queue_push(q, &things[n]))
    n++;
  return n;
}

Test(queue, a_new_one_is_empty) {
  struct sx_queue q = made(8);
  cr_assert_null(sx_queue_pop(&q));
  sx_queue_fini(&q);
}

Test(queue, the_first_in_is_the_first_out) {
  struct sx_queue q = made(8);
  for (size_t i = 0; i < 5; i++)
    cr_assert(sx_queue_push(&q, &things[i]));
  for (size_t i = 0; i < 5; i++)
    cr_assert_eq(sx_queue_pop(&q), &things[i]);
  cr_assert_null(sx_queue_pop(&q));
  sx_queue_fini(&q);
}

Test(queue, the_capacity_is_rounded_up_to_a_power_of_two) {
  const size_t asked[] = {0, 1, 2, 3, 4, 5, 8, 9, 100, 128}, given[] = {2, 2, 2, 4, 4, 8, 8, 16, 128, 128};
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    struct sx_queue q = made(asked[i]);
    cr_assert_eq(fill(&q), given[i], "asked for %zu", asked[i]);
    sx_queue_fini(&q);
  }
}

Test(queue, a_full_one_takes_nothing_and_loses_nothing) {
  struct sx_queue q = made(4);
  cr_assert_eq(fill(&q), 4);
  cr_assert_not(sx_queue_push(&q, &things[9]));
  for (size_t i = 0; i < 4; i++)
    cr_assert_eq(sx_queue_pop(&q), &things[i]);
  cr_assert_null(sx_queue_pop(&q));
  sx_queue_fini(&q);
}

Test(queue, one_pop_makes_room_for_one_push) {
  struct sx_queue q = made(4);
  cr_assert_eq(fill(&q), 4);
  for (size_t i = 0; i < 50; i++) {
    cr_assert_eq(sx_queue_pop(&q), &things[i]);
    cr_assert(sx_queue_push(&q, &things[i + 4]));
    cr_assert_not(sx_queue_push(&q, &things[999]));
  }
  sx_queue_fini(&q);
}

Test(queue, it_goes_round_the_ring_at_every_fill_level) {
  enum { CELLS = 8 };
  struct sx_queue q = made(CELLS);
  size_t in = 0, out = 0;
  for (size_t level = 1; level <= CELLS; level++) {
    for (unsigned turn = 0; turn < 3 * CELLS; turn++) {
      while (in - out < level)
        cr_assert(sx_queue_push(&q, &things[in++ % MANY]));
      cr_assert_eq(sx_queue_pop(&q), &things[out++ % MANY]);
    }
  }
  while (out < in)
    cr_assert_eq(sx_queue_pop(&q), &things[out++ % MANY]);
  cr_assert_null(sx_queue_pop(&q));
  sx_queue_fini(&q);
}

/* The positions are unsigned and may wrap: so that a server that runs for years does not find out. */
Test(queue, positions_may_wrap_past_the_largest_number) {
  enum { CELLS = 4 };
  struct sx_queue q = made(CELLS);
  size_t start = (size_t)0 - 2 * CELLS;
  for (size_t i = 0; i < CELLS; i++)
    atomic_store(&q.q_cells[i].q_seq, start + i);
  atomic_store(&q.q_tail, start);
  atomic_store(&q.q_head, start);
  for (size_t i = 0; i < 10 * CELLS; i++) {
    cr_assert(sx_queue_push(&q, &things[2 * i]));
    cr_assert(sx_queue_push(&q, &things[2 * i + 1]));
    cr_assert_eq(sx_queue_pop(&q), &things[2 * i]);
    cr_assert_eq(sx_queue_pop(&q), &things[2 * i + 1]);
    cr_assert_null(sx_queue_pop(&q));
  }
  sx_queue_fini(&q);
}

static void *refused(void *arg, size_t size) {
  (void)arg, (void)size;
  return NULL;
}

static void count_free(void *arg, void *ptr, size_t size) {
  *(size_t *)arg -= size;
  free(ptr);
}

static void *count_alloc(void *arg, size_t size) {
  *(size_t *)arg += size;
  return malloc(size);
}

Test(queue, short_memory_is_reported) {
  const styx_allocator none = {.alloc = refused, .free = count_free};
  struct sx_queue q;
  cr_assert_not(sx_queue_init(&q, 8, &none));
}

Test(queue, everything_it_took_is_given_back) {
  size_t live = 0;
  const styx_allocator counted = {.alloc = count_alloc, .free = count_free, .arg = &live};
  struct sx_queue q;
  cr_assert(sx_queue_init(&q, 100, &counted));
  cr_assert_gt(live, 0);
  sx_queue_fini(&q);
  cr_assert_eq(live, 0);
}
