/* auth_peer.c: who attaches is who the kernel says is connected. */
#include <styx/auth.h>

#include "base/alloc.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

enum { NAME_MOST = 256, FIRST_ROW = 1024, LAST_ROW = 1 << 20 };

static bool system_lookup(styx_str name, uint32_t *uid) {
  char text[NAME_MOST];
  if (name.len >= sizeof text)
    return false;
  memcpy(text, name.s, name.len);
  text[name.len] = '\0';
  for (size_t cap = FIRST_ROW; cap <= LAST_ROW; cap *= 8) {
    struct passwd row, *found = NULL;
    char *buf = sx_alloc(NULL, cap);
    const int err = buf ? getpwnam_r(text, &row, buf, cap, &found) : ENOMEM;
    if (found)
      *uid = row.pw_uid;
    sx_free(NULL, buf, cap);
    if (err != ERANGE)
      return found != NULL;
  }
  return false;
}

/* As it is printed: no sign, no zero before it. */
static bool is_number(styx_str text, uint32_t number) {
  uint64_t n = 0;
  if (text.len == 0 || text.len > 10 || (text.s[0] == '0' && text.len > 1))
    return false;
  for (size_t i = 0; i < text.len; i++) {
    if (text.s[i] < '0' || text.s[i] > '9')
      return false;
    n = n * 10 + (uint64_t)(text.s[i] - '0');
  }
  return n == number;
}

static bool is_user(const styx_peer_users *users, styx_str name, uint32_t uid) {
  uint32_t found = 0;
  if (name.len == 0)
    return false;
  const bool known = users && users->lookup ? users->lookup(users->arg, name, &found) : system_lookup(name, &found);
  return known ? found == uid : is_number(name, uid); /* a name that looks like a number is a name */
}

static styx_answer peer_no_afid(styx_req *r) {
  styx_peer peer;
  if (styx_req_peer(r, &peer) && (peer.uid == 0 || is_user(styx_req_ctx(r), styx_req_user(r), peer.uid)))
    return styx_reply_ok(r);
  return styx_reply_error(r, STYX_EREJECTED);
}

static const styx_auth_ops ops = {.size = sizeof ops, .name = "peer", .blocking = true, .no_afid = peer_no_afid};

styx_auth styx_peer_auth(const styx_peer_users *users) { return (styx_auth){&ops, (void *)(uintptr_t)users}; }
