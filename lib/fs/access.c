/* access.c: the permission formulas of fs.h, for filesystems that check for themselves. */
#include <styx/fs.h>

bool styx_access_ok(styx_str user, uint32_t want, uint32_t mode, styx_str uid, styx_str gid) {
  uint32_t granted = mode;
  if (styx_str_eq(user, gid))
    granted |= mode >> 3;
  if (styx_str_eq(user, uid))
    granted |= mode >> 6;
  return (want & 7u & ~granted) == 0;
}

uint32_t styx_access_of_open(uint32_t flags) {
  static const uint32_t of_mode[4] = {[STYX_OREAD] = 4, [STYX_OWRITE] = 2, [STYX_ORDWR] = 6, [STYX_OEXEC] = 1};
  return of_mode[flags & STYX_O_MODE] | (flags & STYX_O_TRUNC ? 2u : 0u);
}

uint32_t styx_create_mode(uint32_t perm, uint32_t dirmode) {
  /* The x bits of a file are its maker's own: a directory's x means something else. */
  uint32_t masked = perm & STYX_DMDIR ? 0777u : 0666u;
  return perm & (~masked | (dirmode & masked));
}
