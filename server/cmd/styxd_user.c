/* styxd_user.c: who styxd is, and becoming somebody else. */
#include "styxd.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

bool styxd_user_acts(const struct styxd_options *o) {
  bool acts = false;
  for (size_t i = 0; i < o->nexports; i++)
    acts |= o->exports[i].path && (o->user_map || o->exports[i].squash_all);
  return acts;
}

/* What is left is what acting as others takes, and what the kernel takes away and gives back with that. */
static bool keep_file_power(void) {
  static const int kept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                             CAP_FSETID, CAP_SETGID,       CAP_SETUID};
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct now[2], then[2] = {{0}, {0}};
  if (syscall(SYS_capget, &head, now) == 0) {
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
      then[0].effective |= now[0].permitted & (1u << kept[i]);
    then[0].permitted = then[0].effective;
    if (syscall(SYS_capset, &head, then) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
      return true;
  }
  styxd_complain("cannot give up power that is not needed: %s", strerror(errno));
  return false;
}

bool styxd_user_become(const struct styxd_options *o, const struct styxd_listener *listeners, size_t n) {
  bool acts = styxd_user_acts(o);
  if (geteuid() != 0 && !o->runas)
    return true;
  const char *name = o->runas ? o->runas : acts ? "root" : "nobody";
  errno = 0;
  const struct passwd *pw = getpwnam(name);
  if (!pw) {
    styxd_complain("there is no user %s to become; choose one with --runas", name);
    return false;
  }
  if (acts && pw->pw_uid != 0) {
    styxd_complain("--runas: %s cannot act as other users (--user-map, squash=all)", name);
    return false;
  }
  if (pw->pw_uid == geteuid())
    return !acts || keep_file_power();
  if (geteuid() != 0) {
    styxd_complain("--runas: only root can become %s", name);
    return false;
  }
  return (!o->runas || give_sockets(pw->pw_uid, listeners, n)) && drop(pw);
}
