/* styx_places.c: files here and files on the server, as `styx cp` names and finishes them. */
#include "styx_cp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct place cp_place(bool remote, char *path) {
  return (struct place){.remote = remote, .path = path};
}

void cp_place_free(struct place *p) {
  free(p->path);
  p->path = NULL;
}

struct place cp_place_child(const struct place *p, const char *name, size_t len) {
  return cp_place(p->remote, cli_join(p->path, name, len));
}

const char *cp_place_text(char *buf, size_t cap, const struct place *p) {
  snprintf(buf, cap, "%s%s", p->remote ? ":" : "", p->path);
  return buf;
}

void cp_place_fail(struct copy *cp, const struct place *p, const char *fmt, ...) {
  char where[1024], text[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  cli_fail(cp->cli, cp_place_text(where, sizeof where, p), "%s", text);
}

void cp_place_fail_remote(struct copy *cp, const struct place *p) {
  char where[1024];
  cli_fail_remote(cp->cli, cp_place_text(where, sizeof where, p));
}

static void finish_local(struct copy *cp, const struct place *p, uint32_t perm, uint32_t mtime) {
  if (chmod(p->path, perm) != 0)
    cp_place_fail(cp, p, "setting its mode: %s", strerror(errno));
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = mtime}};
  if (cp->times && utimensat(AT_FDCWD, p->path, times, 0) != 0)
    cp_place_fail(cp, p, "setting its time: %s", strerror(errno));
}

styx_err cp_fid_finish(struct copy *cp, uint32_t fid, uint32_t perm, uint32_t mtime) {
  char room[8 * STYX_STATROOM];
  styx_stat has, want = styx_stat_untouched();
  styx_err err = styx_client_stat(cp->cli->c, fid, &has, room, sizeof room);
  if (err)
    return err;
  bool change = (has.mode & STYX_DMPERM) != perm;
  if (change)
    want.mode = (has.mode & ~STYX_DMPERM) | perm;
  if (cp->times && has.mtime != mtime) {
    want.mtime = mtime;
    change = true;
  }
  return change ? styx_client_wstat(cp->cli->c, fid, &want) : STYX_OK;
}

void cp_place_finish(struct copy *cp, const struct place *p, uint32_t perm, uint32_t mtime) {
  uint32_t fid;
  if (!p->remote) {
    finish_local(cp, p, perm, mtime);
    return;
  }
  if (styx_client_walk(cp->cli->c, cp->cli->root, p->path, &fid, NULL) != STYX_OK) {
    cp_place_fail_remote(cp, p);
    return;
  }
  if (cp_fid_finish(cp, fid, perm, mtime) != STYX_OK)
    cp_place_fail_remote(cp, p);
  (void)styx_client_clunk(cp->cli->c, fid);
}
