/* keep.c: see keep.h. */
#include "session/state.h"

#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__ /* memory that is kept must not be touched, as if it were freed */
#include <sanitizer/asan_interface.h>
#define HIDE(ptr, size) ASAN_POISON_MEMORY_REGION(ptr, size)
#define SHOW(ptr, size) ASAN_UNPOISON_MEMORY_REGION(ptr, size)
#else
#define HIDE(ptr, size) (void)(size)
#define SHOW(ptr, size) (void)(size)
#endif

static const size_t sizes[SX_KEEP_SIZES] = {SX_KEEP_0, SX_KEEP_1, SX_KEEP_2, SX_KEEP_3};
static const uint8_t most[SX_KEEP_SIZES] = {128, 128, 128, 32};

/* SX_KEEP_SIZES: of none. */
static inline unsigned class_of(size_t size) {
  return size <= SX_KEEP_1 ? size > SX_KEEP_0 : size <= SX_KEEP_2 ? 2 : size <= SX_KEEP_3 ? 3 : SX_KEEP_SIZES;
}

static void *pop(struct sx_keep *keep, unsigned k) {
  struct sx_spare *spare = k < SX_KEEP_SIZES ? keep->k_first[k] : NULL;
  if (!spare)
    return NULL;
  SHOW(spare, sizes[k]);
  keep->k_first[k] = spare->next;
  keep->k_count[k]--;
  return spare;
}

void *sx_keep_pop(styx_session *s, size_t size) { return pop(&s->s_keep, class_of(size)); }

void *sx_keep_new(styx_session *s, size_t size) {
  unsigned k = class_of(size);
  void *ptr = pop(&s->s_keep, k);
  return ptr ? ptr : sx_alloc(&s->s_alloc, sx_keep_size(size));
}

void *sx_keep_zeroed(styx_session *s, size_t size) {
  void *ptr = sx_keep_new(s, size);
  return ptr ? memset(ptr, 0, size) : NULL;
}

void sx_keep_put(styx_session *s, void *ptr, size_t size) {
  struct sx_keep *keep = &s->s_keep;
  unsigned k = class_of(size);
  if (!ptr)
    return;
  if (!keep->k_on || k == SX_KEEP_SIZES || keep->k_count[k] == most[k]) {
    sx_free(&s->s_alloc, ptr, sx_keep_size(size));
    return;
  }
  struct sx_spare *spare = ptr;
  spare->next = keep->k_first[k];
  keep->k_first[k] = spare;
  keep->k_count[k]++;
  HIDE(ptr, sizes[k]);
}

void sx_keep_request(styx_session *s) {
  struct sx_keep *keep = &s->s_keep;
  const bool busy = s->s_outstanding > 1 || (keep->k_last && s->s_now - keep->k_last < SX_KEEP_TICK);
  keep->k_last = s->s_now;
  if (keep->k_on || !busy)
    return;
  keep->k_on = true;
  keep->k_until = s->s_now < UINT64_MAX - SX_KEEP_TICK ? (s->s_now / SX_KEEP_TICK + 1) * SX_KEEP_TICK : UINT64_MAX;
}

void sx_keep_off(styx_session *s) {
  s->s_keep.k_on = false;
  sx_out_rest(s);
  sx_tags_rest(&s->s_tags);
  for (unsigned k = 0; k < SX_KEEP_SIZES; k++)
    for (void *ptr; (ptr = pop(&s->s_keep, k));)
      sx_free(&s->s_alloc, ptr, sizes[k]);
}
