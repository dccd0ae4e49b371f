/* styx/alloc.h: the allocator hook.
 *
 * A library must not choose its host's allocator, so whatever allocates takes one of these; NULL means malloc and free.
 * Both functions may be called from any thread at once. alloc returns memory aligned for any object, or NULL, which
 * every caller in the library survives (an error reply, or at worst the end of one connection). free gets the size that
 * was asked for, and never NULL.
 */
#ifndef STYX_ALLOC_H
#define STYX_ALLOC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_allocator {
  void *(*alloc)(void *arg, size_t size);
  void (*free)(void *arg, void *ptr, size_t size);
  void *arg;
} styx_allocator;

#ifdef __cplusplus
}
#endif
#endif
