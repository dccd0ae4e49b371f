/* styxd_exports.c: from -e and --mem to filesystems. */
#include "styxd.h"

#include <styx/hostfs.h>
#include <styx/memfs.h>

#include <errno.h>
#include <sys/resource.h>

static bool open_mem(struct styxd_export *e, const char *owner, styx_export *out) {
  const styx_memfs_config config = {.size = sizeof config, .user = owner, .max_bytes = e->bytes, .max_files = e->files};
  styx_memfs *memfs = styx_memfs_new(&config);
  if (!memfs) {
    styxd_complain("no memory for the files of \"%s\"", e->name);
    return false;
  }
  e->fs = memfs;
  out->fs = styx_memfs_fs(memfs);
  return true;
}

/* Half of all descriptors for what clients have walked to and not opened, in equal parts; the rest is for what is open and for
 * connections. */
static uint32_t share_of_descriptors(const struct styxd_export *exports, size_t n) {
  struct rlimit files = {.rlim_cur = 1024};
  size_t dirs = 0;
  for (size_t i = 0; i < n; i++)
    dirs += exports[i].path != NULL;
  getrlimit(RLIMIT_NOFILE, &files);
  uint64_t share = files.rlim_cur / 2 / (dirs ? dirs : 1);
  return share < 1 ? 1 : share > 1u << 20 ? 1u << 20 : (uint32_t)share;
}

static bool open_dir(struct styxd_export *e, styx_hostfs_config config, styx_export *out) {
  styx_hostfs *hostfs;
  config.special = e->special;
  config.squash = e->squash_all ? STYX_SQUASH_ALL : e->trust ? STYX_SQUASH_NONE : STYX_SQUASH_ROOT;
  bool acts = config.nusers || e->squash_all;
  styx_err err = styx_hostfs_new_with(&hostfs, e->path, -1, &config);
  if (err) {
    styxd_complain("cannot export %s: %s%s", e->path, styx_err_text(err),
                   err == EPERM && acts ? "; only root can act as other users (--user-map, squash=all)" : "");
    return false;
  }
  e->fs = hostfs;
  out->fs = styx_hostfs_fs(hostfs);
  return true;
}

bool styxd_exports_open(struct styxd_export *exports, size_t n, const char *owner, const char *map, styx_export *out) {
  styx_hostfs_user *users = NULL;
  styx_hostfs_config config = {.size = sizeof config, .descriptors = share_of_descriptors(exports, n)};
  if (map && !styxd_map_read(map, &users, &config.nusers))
    return false;
  config.users = users;
  size_t opened = 0;
  for (bool ok = true; ok && opened < n; opened += ok) {
    struct styxd_export *e = &exports[opened];
    out[opened] = (styx_export){.name = e->name, .path = e->path, .readonly = e->readonly};
    ok = e->path ? open_dir(e, config, &out[opened]) : open_mem(e, owner, &out[opened]);
  }
  styxd_map_free(users, config.nusers);
  if (opened < n)
    styxd_exports_close(exports, opened);
  return opened == n;
}

void styxd_exports_close(struct styxd_export *exports, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (exports[i].path)
      styx_hostfs_free(exports[i].fs);
    else
      styx_memfs_free(exports[i].fs);
}
