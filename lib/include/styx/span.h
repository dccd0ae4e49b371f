/* styx/span.h: some bytes, not owned. */
#ifndef STYX_SPAN_H
#define STYX_SPAN_H

#include <stddef.h>

typedef struct styx_span { /* laid out as struct iovec */
  void *base;
  size_t len;
} styx_span;

#endif
