/* queue.c: the ring of cells. A cell's sequence number is its position when it is free for the producer of that position,
 * and one more when it is full for the consumer. */
#include "server/queue.h"

#include "base/alloc.h"

bool sx_queue_init(struct sx_queue *q, size_t capacity, const styx_allocator *alloc) {
  size_t cells = 2;
  while (cells < capacity)
    cells *= 2;
  q->q_cells = sx_alloc(alloc, cells * sizeof *q->q_cells);
  if (!q->q_cells)
    return false;
  q->q_mask = cells - 1;
  q->q_alloc = alloc;
  for (size_t i = 0; i < cells; i++)
    atomic_init(&q->q_cells[i].q_seq, i);
  atomic_init(&q->q_tail, 0);
  atomic_init(&q->q_head, 0);
  return true;
}

void sx_queue_fini(struct sx_queue *q) { sx_free(q->q_alloc, q->q_cells, (q->q_mask + 1) * sizeof *q->q_cells); }

bool sx_queue_push(struct sx_queue *q, void *item) {
  size_t at = atomic_load_explicit(&q->q_tail, memory_order_relaxed);
  for (;;) {
    struct sx_qcell *cell = &q->q_cells[at & q->q_mask];
    /* acquire: the consumer has taken the old item out; pairs with: the release in sx_queue_pop */
    size_t seq = atomic_load_explicit(&cell->q_seq, memory_order_acquire);
    intptr_t ahead = (intptr_t)(seq - at);
    if (ahead < 0)
      return false;
    if (ahead > 0) {
      at = atomic_load_explicit(&q->q_tail, memory_order_relaxed);
    } else if (atomic_compare_exchange_weak_explicit(&q->q_tail, &at, at + 1, memory_order_relaxed,
                                                     memory_order_relaxed)) {
      cell->q_item = item;
      atomic_store_explicit(&cell->q_seq, at + 1, memory_order_release); /* pairs with: the acquire in sx_queue_pop */
      return true;
    }
  }
}

void *sx_queue_pop(struct sx_queue *q) {
  size_t at = atomic_load_explicit(&q->q_head, memory_order_relaxed);
  for (;;) {
    struct sx_qcell *cell = &q->q_cells[at & q->q_mask];
    size_t seq =
        atomic_load_explicit(&cell->q_seq, memory_order_acquire); /* pairs with: the release in sx_queue_push */
    intptr_t ahead = (intptr_t)(seq - (at + 1));
    if (ahead < 0)
      return NULL;
    if (ahead > 0) {
      at = atomic_load_explicit(&q->q_head, memory_order_relaxed);
    } else if (atomic_compare_exchange_weak_explicit(&q->q_head, &at, at + 1, memory_order_relaxed,
                                                     memory_order_relaxed)) {
      void *item = cell->q_item;
      atomic_store_explicit(&cell->q_seq, at + q->q_mask + 1, memory_order_release); /* pairs with: sx_queue_push */
      return item;
    }
  }
}

bool sx_queue_empty(const struct sx_queue *q) {
  size_t head = atomic_load_explicit(&q->q_head, memory_order_relaxed);
  return atomic_load_explicit(&q->q_tail, memory_order_relaxed) == head;
}

size_t sx_queue_taken(const struct sx_queue *q) { return atomic_load_explicit(&q->q_head, memory_order_relaxed); }

size_t sx_queue_length(const struct sx_queue *q) {
  const size_t head = atomic_load_explicit(&q->q_head, memory_order_relaxed);
  const size_t tail = atomic_load_explicit(&q->q_tail, memory_order_relaxed);
  return (ptrdiff_t)(tail - head) > 0 ? tail - head : 0;
}
