/* session/auth.h: afids, and attaches that have to be let in. To the rest of the session a plug is a filesystem with one kind of
 * file: its tables translate the operations of fs.h into those of styx/auth.h. */
#ifndef SESSION_AUTH_H
#define SESSION_AUTH_H

#include "session/state.h"

styx_err sx_auth_start(styx_req *r, const styx_export *e); /* Tauth, its places granted */
/* Tattach, its places granted and its fid free: may it be asked for at all? */
styx_err sx_auth_check(const styx_req *r, const styx_export *e);
void sx_auth_ask(styx_req *r);             /* Tattach: ask the plug of its export, when its turn has come */
void sx_auth_qid(styx_req *r);             /* Tauth has succeeded: a qid for its answer */
void sx_auth_settle(styx_req *r);          /* the same: r_binding is to be the afid */
void sx_auth_end(const struct sx_node *n); /* any thread: of an afid whose last user is gone */

/* What the plug may answer, beside errors, where any other filesystem may answer one of valid. */
uint16_t sx_auth_answers(const styx_req *r, uint16_t valid);

/* r is a Tattach that the plug is asked about, not yet the filesystem. */
static inline bool sx_auth_asked(const styx_req *r) {
  return r->r_msg.type == STYX_Tattach && r->r_user && r->r_user->u_auth;
}

#endif
