/* styxd_auth.c: who may attach. */
#include "styxd.h"

bool styxd_auth_open(const struct styxd_options *o, styx_export *exports, styx_secrets **secrets) {
  char why[STYX_SECRETS_WHY];
  styx_auth auth = {0};
  if (o->auth == STYXD_AUTH_SECRET) {
    if (styx_secrets_open(secrets, o->secrets, NULL, why, sizeof why)) {
      styxd_complain("--auth: %s: %s", o->secrets, why);
      return false;
    }
    auth = styx_secrets_auth(*secrets);
  } else if (o->auth == STYXD_AUTH_PEER) {
    auth = styx_peer_auth(NULL);
  }
  for (size_t i = 0; i < o->nexports; i++)
    exports[i].auth = auth;
  return true;
}
