/* base/alloc.h: how the library allocates: through the hook of styx/alloc.h, NULL meaning malloc. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <styx/alloc.h>

void *sx_alloc(const styx_allocator *a, size_t size);
void *sx_zalloc(const styx_allocator *a, size_t size);
/* ptr may be NULL; size is what was asked for. */
void sx_free(const styx_allocator *a, void *ptr, size_t size);

#endif
