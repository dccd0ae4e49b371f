/* server/park.h: where threads sleep that have nothing to do, so that nobody who brings work makes a system call unless
 * somebody sleeps, and no wake-up is lost.
 *
 *   sleeper                                    waker
 *   ticket = sx_park_announce(p)               publish the work
 *   look again for work                        sx_park_wake(p, n)
 *   found: sx_park_leave(p)
 *   none:  sx_park_sleep(p, ticket)
 *
 * Either the sleeper's second look finds the work, or the waker sees the announcement: both sides put a sequentially
 * consistent fence between their two steps. The wait and the wake themselves are the system table's. */
#ifndef SERVER_PARK_H
#define SERVER_PARK_H

#include "server/system.h"

struct sx_park {
  _Atomic uint32_t k_ticket;
  _Atomic uint32_t k_sleepers; /* announced and not yet left */
};

uint32_t sx_park_announce(struct sx_park *p);
void sx_park_leave(struct sx_park *p);
/* Returns when woken, or by accident: the caller looks again. Leaves too. */
void sx_park_sleep(struct sx_park *p, uint32_t ticket, const struct sx_system *sys);
/* How many sleep or are about to; whoever is not among them will look for work that was published before. */
uint32_t sx_park_sleepers(const struct sx_park *p);
/* At most n sleepers. True if any sleeps, as far as it can be seen: then a system call was made. */
bool sx_park_wake(struct sx_park *p, int n, const struct sx_system *sys);

#endif
