/* stress/counted.h: memory that is counted, by any thread: at the end none is left. */
#ifndef STRESS_COUNTED_H
#define STRESS_COUNTED_H

#include <stdatomic.h>
#include <stdlib.h>
#include <styx/alloc.h>

static atomic_long live;

static void *counted_alloc(void *arg, size_t size) {
  (void)arg;
  atomic_fetch_add(&live, (long)size);
  return malloc(size);
}

static void counted_free(void *arg, void *ptr, size_t size) {
  (void)arg;
  atomic_fetch_sub(&live, (long)size);
  free(ptr);
}

static const styx_allocator counted = {counted_alloc, counted_free, NULL};

#endif
