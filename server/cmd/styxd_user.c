/* styxd_user.c: who styxd is, and becoming somebody else. */
#include "styxd.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void styxd_user_now(struct styxd_user *out) {
  const struct passwd *pw = getpwuid(getuid());
  *out = (struct styxd_user){.uid = getuid(), .gid = getgid()};
  if (pw)
    snprintf(out->name, sizeof out->name, "%s", pw->pw_name);
  else
    snprintf(out->name, sizeof out->name, "%u", (unsigned)getuid());
}

static bool give_sockets(uid_t uid, const struct styxd_listener *listeners, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (listeners[i].ino && lchown(listeners[i].addr.path, uid, (gid_t)-1)) {
      styxd_complain("--runas: cannot hand over %s: %s", listeners[i].addr.path, strerror(errno));
      return false;
    }
  return true;
}

static bool drop(const struct passwd *pw) {
  if (setgroups(0, NULL) || setgid(pw->pw_gid) || initgroups(pw->pw_name, pw->pw_gid) || setuid(pw->pw_uid)) {
    styxd_complain("cannot become %s: %s", pw->pw_name, strerror(errno));
    return false;
  }
  if (pw->pw_uid != 0 && setuid(0) == 0) {
    styxd_complain("became %s, but could become root again", pw->pw_name);
    return false;
  }
  return true;
}

bool styxd_user_become(const char *runas, const struct styxd_listener *listeners, size_t n) {
  if (geteuid() != 0 && !runas)
    return true;
  const char *name = runas ? runas : "nobody";
  errno = 0;
  const struct passwd *pw = getpwnam(name);
  if (!pw) {
    styxd_complain("there is no user %s to become; choose one with --runas", name);
    return false;
  }
  if (pw->pw_uid == geteuid())
    return true;
  if (geteuid() != 0) {
    styxd_complain("--runas: only root can become %s", name);
    return false;
  }
  return (!runas || give_sockets(pw->pw_uid, listeners, n)) && drop(pw);
}
