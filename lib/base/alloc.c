/* alloc.c: the allocator hook. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void *sx_alloc(const styx_allocator *a, size_t size) { return a && a->alloc ? a->alloc(a->arg, size) : malloc(size); }

void *sx_zalloc(const styx_allocator *a, size_t size) {
  void *ptr = sx_alloc(a, size);
  if (ptr)
    memset(ptr, 0, size);
  return ptr;
}

void sx_free(const styx_allocator *a, void *ptr, size_t size) {
  if (!ptr)
    return;
  if (a && a->free)
    a->free(a->arg, ptr, size);
  else
    free(ptr);
}
