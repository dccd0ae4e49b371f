/* budget.c: memory that sessions share. Each has its first bytes free, so that none is kept out by what others hold, and the many that
 * hold little never meet; beyond that it counts in steps, so that the shared number is seldom written. */
#include "session/state.h"

#include <errno.h>

enum { STEP = 64 * 1024 };

struct styx_budget {
  styx_allocator y_alloc; /* immutable */
  uint64_t y_bytes;       /* immutable */
  _Atomic uint64_t y_used;
};

styx_err styx_budget_new(styx_budget **out, uint64_t bytes, const styx_allocator *allocator) {
  styx_budget *y = sx_zalloc(allocator, sizeof *y);
  if (!y)
    return ENOMEM;
  if (allocator)
    y->y_alloc = *allocator;
  y->y_bytes = bytes;
  *out = y;
  return STYX_OK;
}

void styx_budget_free(styx_budget *budget) {
  if (!budget)
    return;
  const styx_allocator alloc = budget->y_alloc;
  sx_free(&alloc, budget, sizeof *budget);
}

uint64_t styx_budget_used(const styx_budget *budget) {
  return atomic_load_explicit(&budget->y_used, memory_order_relaxed);
}

/* More or less than before; what all have by then. Relaxed: the number stands for itself, and guards nothing. */
static uint64_t charge_to(styx_session *s, uint64_t charge) {
  const uint64_t by = charge - s->s_charged; /* modulo 2^64 it may be less */
  s->s_charged = charge;
  return atomic_fetch_add_explicit(&s->s_budget->y_used, by, memory_order_relaxed) + by;
}

/* What a session that holds so much is to be charged. */
static uint64_t charge_for(uint64_t bytes) {
  return bytes <= STYX_BUDGET_FREE ? 0 : (bytes - STYX_BUDGET_FREE + STEP - 1) / STEP * STEP;
}

bool sx_budget_more(styx_session *s, size_t more) {
  const uint64_t before = s->s_charged;
  if (charge_to(s, charge_for(sx_holds(s) + more)) <= s->s_budget->y_bytes)
    return true;
  charge_to(s, before);
  return false;
}

bool sx_budget_spent(const styx_session *s) {
  return s->s_charged > 0 && styx_budget_used(s->s_budget) > s->s_budget->y_bytes;
}

/* What came in small pieces that nobody asked for, stat replies and the end of a Twrite, is counted whatever others hold. */
void sx_budget_count(styx_session *s) {
  const uint64_t charge = charge_for(sx_holds(s));
  if (charge != s->s_charged)
    charge_to(s, charge);
}
