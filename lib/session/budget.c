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

/* Relaxed throughout: the number stands for itself, and guards nothing. */
static void give(styx_session *s, uint64_t bytes) {
  atomic_fetch_sub_explicit(&s->s_budget->y_used, bytes, memory_order_relaxed);
  s->s_charged -= bytes;
}

/* What a session that holds so much is to be charged. */
static uint64_t charge_for(uint64_t bytes) {
  return bytes <= STYX_BUDGET_FREE ? 0 : (bytes - STYX_BUDGET_FREE + STEP - 1) / STEP * STEP;
}

bool sx_budget_more(styx_session *s, size_t more) {
  const uint64_t charge = charge_for(sx_holds(s) + more), bytes = charge - s->s_charged;
  s->s_charged = charge;
  if (atomic_fetch_add_explicit(&s->s_budget->y_used, bytes, memory_order_relaxed) + bytes <= s->s_budget->y_bytes)
    return true;
  give(s, bytes);
  return false;
}

bool sx_budget_spent(const styx_session *s) {
  return s->s_charged > 0 && styx_budget_used(s->s_budget) > s->s_budget->y_bytes;
}

void sx_budget_count(styx_session *s) {
  const uint64_t charge = charge_for(sx_holds(s));
  if (charge < s->s_charged) {
    give(s, s->s_charged - charge);
  } else if (charge >
             s->s_charged) { /* it came in small pieces that nobody asked for: stat replies, the end of a Twrite */
    atomic_fetch_add_explicit(&s->s_budget->y_used, charge - s->s_charged, memory_order_relaxed);
    s->s_charged = charge;
  }
}
