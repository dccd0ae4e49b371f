/* use.c: what a user of the installed library compiles first. */
#include <styx/err.h>
#include <styx/memfs.h>
#include <styx/server.h>
#include <styx/session.h>
#include <styx/tree.h>
#include <styx/wire.h>

#include <stdio.h>

int main(void) {
  printf("%s\n", styx_err_text(STYX_EBADFID));
  return styx_limits_default().msize >= STYX_MINMSIZE ? 0 : 1;
}
