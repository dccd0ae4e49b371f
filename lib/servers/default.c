/* default.c: what is answered to a request that the program leaves. */
#include "servers/kit.h"

#include <errno.h>

static styx_answer opened(styx_req *req, const styx_check *check, void *arg) {
  styx_msg r = {.type = STYX_Ropen, .qid = check->attr.qid, .iounit = styx_iounit(req)};
  (void)arg;
  styx_err err = check->err ? check->err : styx_openfid(req, r.qid, check->mode, NULL);
  return err ? styx_srv_error(req, err) : styx_srv_reply(req, &r);
}

styx_answer styx_srv_open(styx_req *req) { return styx_can_open(req, opened, NULL); }

/* The session has taken the fid away before the handler was called. */
styx_answer styx_srv_clunk(styx_req *req) {
  const styx_msg r = {.type = STYX_Rclunk};
  return styx_getfid(req, styx_req_msg(req)->fid) ? styx_srv_reply(req, &r) : styx_srv_error(req, STYX_EBADFID);
}

styx_answer styx_srv_remove(styx_req *req) {
  return styx_srv_error(req, styx_getfid(req, styx_req_msg(req)->fid) ? EACCES : STYX_EBADFID);
}

static styx_answer no_auth(styx_req *req) { return styx_srv_error(req, STYX_ENOAUTH); }

static styx_answer refused(styx_req *req) { return styx_srv_error(req, EACCES); }

static styx_answer unknown(styx_req *req) { return styx_srv_error(req, STYX_EUNKNOWN); }

static styx_answer (*const defaults[256])(styx_req *) = {
    [STYX_Tauth] = no_auth,       [STYX_Tattach] = styx_srv_attach, [STYX_Twalk] = styx_srv_walk,
    [STYX_Topen] = styx_srv_open, [STYX_Tcreate] = refused,         [STYX_Tread] = styx_srv_read,
    [STYX_Twrite] = refused,      [STYX_Tclunk] = styx_srv_clunk,   [STYX_Tremove] = styx_srv_remove,
    [STYX_Tstat] = styx_srv_stat, [STYX_Twstat] = refused,
};

styx_answer styx_default(styx_req *req) {
  styx_answer (*answer)(styx_req *) = defaults[styx_req_msg(req)->type];
  return answer ? answer(req) : unknown(req);
}
