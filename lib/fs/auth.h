/* fs/auth.h: what the files of the shared-secret plug share. */
#ifndef FS_AUTH_H
#define FS_AUTH_H

#include <styx/auth.h>

#include "base/proof.h"

struct sx_secret {
  styx_str user, secret; /* in s_text */
  unsigned line;
};

/* Nothing changes after open. */
struct styx_secrets {
  styx_allocator s_alloc;
  char *s_text; /* the file */
  size_t s_size, s_cap;
  struct sx_secret *s_list;
  size_t s_n;
  uint8_t s_decoy[SX_NONCE]; /* the secret of users who have none; nobody knows it */
};

#endif
