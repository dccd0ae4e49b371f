/* styx_cp_walk.c: the source is walked and directories are made, on the main thread; files become jobs. */
#include "styx_cp.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEEPEST 1000 /* a server may show a tree without end */

/* What the source is, wherever it lies. */
struct info {
  bool dir, odd; /* odd: neither directory nor ordinary file */
  uint32_t perm, mtime;
  uint64_t length;
  dev_t dev; /* local: to know a directory again that a symbolic link leads back to */
  ino_t ino;
};

struct above {
  const struct above *up;
  const struct info *info;
  unsigned depth;
};

static void visit(struct copy *cp, const struct place *from, const struct place *to, const struct info *info,
                  const struct above *above);

static struct info info_of_stat(const styx_stat *s) {
  return (struct info){
      .dir = s->mode & STYX_DMDIR, .perm = s->mode & STYX_DMPERM, .mtime = s->mtime, .length = s->length};
}

static bool look_local(struct copy *cp, const struct place *p, struct info *out) {
  struct stat st;
  if (stat(p->path, &st) != 0) {
    cp_place_fail(cp, p, "%s", strerror(errno));
    return false;
  }
  *out = (struct info){.dir = S_ISDIR(st.st_mode),
                       .odd = !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode),
                       .perm = st.st_mode & 0777,
                       .mtime = (uint32_t)st.st_mtime,
                       .length = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0,
                       .dev = st.st_dev,
                       .ino = st.st_ino};
  return true;
}

static bool look(struct copy *cp, const struct place *p, struct info *out) {
  char room[8 * STYX_STATROOM];
  styx_stat s;
  uint32_t fid;
  if (!p->remote)
    return look_local(cp, p, out);
  if (styx_client_walk(cp->cli->c, cp->cli->root, p->path, &fid, NULL) != STYX_OK) {
    cp_place_fail_remote(cp, p);
    return false;
  }
  styx_err err = styx_client_stat(cp->cli->c, fid, &s, room, sizeof room);
  if (err)
    cp_place_fail_remote(cp, p);
  (void)styx_client_clunk(cp->cli->c, fid);
  if (!err)
    *out = info_of_stat(&s);
  return !err;
}

/* ---- children ---- */

static void visit_child(struct copy *cp, const struct place *from, const struct place *to, styx_str name,
                        const struct info *known, const struct above *above) {
  struct place f = cp_place_child(from, name.s, name.len), t = cp_place_child(to, name.s, name.len);
  struct info info = {0};
  if (known)
    info = *known;
  if (!styx_name_is_safe(name))
    cp_place_fail(cp, &f, "the server shows a name that cannot be");
  else if (known || look(cp, &f, &info)) {
    if (info.odd)
      cp_place_fail(cp, &f, "neither a file nor a directory; left out");
    else
      visit(cp, &f, &t, &info, above);
  }
  cp_place_free(&f);
  cp_place_free(&t);
}

static void local_children(struct copy *cp, const struct place *from, const struct place *to,
                           const struct above *above) {
  DIR *d = opendir(from->path);
  struct dirent *e;
  if (!d) {
    cp_place_fail(cp, from, "%s", strerror(errno));
    return;
  }
  while (!cp_lost(cp) && (errno = 0, e = readdir(d)) != NULL)
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      visit_child(cp, from, to, styx_str_of(e->d_name), NULL, above);
  if (errno)
    cp_place_fail(cp, from, "%s", strerror(errno));
  closedir(d);
}

static void remote_children(struct copy *cp, const struct place *from, const struct place *to,
                            const struct above *above) {
  styx_list list = {0};
  if (!cli_list(cp->cli, from->path, &list))
    return;
  for (size_t i = 0; i < list.count && !cp_lost(cp); i++) {
    struct info info = info_of_stat(&list.stats[i]);
    visit_child(cp, from, to, list.stats[i].name, &info, above);
  }
  styx_list_free(cp->cli->c, &list);
}

/* ---- directories ---- */

static bool make_dir(struct copy *cp, const struct place *to, uint32_t perm, bool *made) {
  struct stat st;
  if (to->remote)
    return *to->path ? cli_mkdir(cp->cli, to->path, perm | 0700, made) : (*made = false, true);
  *made = mkdir(to->path, (mode_t)(perm | 0700)) == 0;
  if (*made || (errno == EEXIST && stat(to->path, &st) == 0 && S_ISDIR(st.st_mode)))
    return true;
  cp_place_fail(cp, to, "%s", strerror(errno));
  return false;
}

static const char *refuse_dir(struct copy *cp, const struct place *from, const struct place *to,
                              const struct info *info, const struct above *above) {
  size_t len = strlen(from->path);
  if (!cp->recursive)
    return "is a directory; -r copies it";
  if (above && above->depth >= DEEPEST)
    return "too many directories deep";
  if (from->remote && to->remote && strncmp(to->path, from->path, len) == 0 &&
      (len == 0 || to->path[len] == '/' || to->path[len] == '\0'))
    return "cannot be copied into itself";
  for (const struct above *a = above; a && !from->remote; a = a->up)
    if (a->info->dev == info->dev && a->info->ino == info->ino)
      return "a symbolic link leads back to a directory above; left out";
  return NULL;
}

static void visit_dir(struct copy *cp, const struct place *from, const struct place *to, const struct info *info,
                      const struct above *above) {
  bool made;
  const char *why = refuse_dir(cp, from, to, info, above);
  if (why) {
    cp_place_fail(cp, from, "%s", why);
    return;
  }
  if (!make_dir(cp, to, info->perm, &made))
    return;
  if (made) {
    struct made_dir *d = cli_alloc(sizeof *d);
    *d = (struct made_dir){.at = cp_place(to->remote, cli_dup(to->path, strlen(to->path))),
                           .perm = info->perm,
                           .mtime = info->mtime,
                           .next = cp->dirs};
    cp->dirs = d;
  }
  struct above here = {.up = above, .info = info, .depth = above ? above->depth + 1 : 1};
  if (from->remote)
    remote_children(cp, from, to, &here);
  else
    local_children(cp, from, to, &here);
}

static void visit(struct copy *cp, const struct place *from, const struct place *to, const struct info *info,
                  const struct above *above) {
  if (info->dir) {
    visit_dir(cp, from, to, info, above);
    return;
  }
  struct job *job = cli_alloc(sizeof *job);
  *job = (struct job){.from = cp_place(from->remote, cli_dup(from->path, strlen(from->path))),
                      .to = cp_place(to->remote, cli_dup(to->path, strlen(to->path))),
                      .perm = info->perm,
                      .mtime = info->mtime,
                      .length = info->length};
  cli_progress_found(info->length);
  cp_pool_push(cp, job);
}

void cp_source(struct copy *cp, const struct place *from, const struct place *to, bool into) {
  struct info info;
  if (!look(cp, from, &info))
    return;
  char *clean = cli_clean(from->path);
  const char *base = cli_base(clean);
  struct place t = into && *base ? cp_place_child(to, base, strlen(base))
                                 : cp_place(to->remote, cli_dup(to->path, strlen(to->path)));
  visit(cp, from, &t, &info, NULL);
  cp_place_free(&t);
  free(clean);
}

void cp_finish_dirs(struct copy *cp) {
  while (cp->dirs) {
    struct made_dir *d = cp->dirs;
    cp->dirs = d->next;
    if (!cp_lost(cp))
      cp_place_finish(cp, &d->at, d->perm, d->mtime);
    cp_place_free(&d->at);
    free(d);
  }
}
