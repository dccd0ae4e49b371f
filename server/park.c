/* park.c: see park.h. */
#include "server/park.h"

uint32_t sx_park_announce(struct sx_park *p) {
  uint32_t ticket = atomic_load_explicit(&p->k_ticket, memory_order_acquire);
  atomic_fetch_add_explicit(&p->k_sleepers, 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_seq_cst); /* pairs with: sx_park_wake */
  return ticket;
}

void sx_park_leave(struct sx_park *p) { atomic_fetch_sub_explicit(&p->k_sleepers, 1, memory_order_relaxed); }

void sx_park_sleep(struct sx_park *p, uint32_t ticket, const struct sx_system *sys) {
  sys->wait(sys->arg, &p->k_ticket, ticket); /* does not sleep when the ticket has changed since */
  sx_park_leave(p);
}

uint32_t sx_park_sleepers(const struct sx_park *p) {
  atomic_thread_fence(memory_order_seq_cst); /* pairs with: sx_park_announce */
  return atomic_load_explicit(&p->k_sleepers, memory_order_relaxed);
}

bool sx_park_wake(struct sx_park *p, int n, const struct sx_system *sys) {
  atomic_thread_fence(memory_order_seq_cst); /* pairs with: sx_park_announce */
  if (atomic_load_explicit(&p->k_sleepers, memory_order_relaxed) == 0)
    return false;
  atomic_fetch_add_explicit(&p->k_ticket, 1, memory_order_release);
  sys->wake(sys->arg, &p->k_ticket, n);
  return true;
}
