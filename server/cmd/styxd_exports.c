/* styxd_exports.c: from -e and --mem to filesystems. */
#include "styxd.h"

#include <styx/hostfs.h>
#include <styx/memfs.h>

static bool open_mem(struct styxd_export *e, const char *owner, styx_export *out) {
  const styx_memfs_config config = {.size = sizeof config, .user = owner};
  styx_memfs *memfs = styx_memfs_new(&config);
  if (!memfs) {
    styxd_complain("no memory for the files of \"%s\"", e->name);
    return false;
  }
  e->fs = memfs;
  out->fs = styx_memfs_fs(memfs);
  return true;
}

static bool open_dir(struct styxd_export *e, styx_export *out) {
  styx_hostfs *hostfs;
  styx_err err = styx_hostfs_new(&hostfs, e->path, -1, NULL);
  if (err) {
    styxd_complain("cannot export %s: %s", e->path, styx_err_text(err));
    return false;
  }
  e->fs = hostfs;
  out->fs = styx_hostfs_fs(hostfs);
  return true;
}

bool styxd_exports_open(struct styxd_export *exports, size_t n, const char *owner, styx_export *out) {
  for (size_t i = 0; i < n; i++) {
    struct styxd_export *e = &exports[i];
    out[i] = (styx_export){.name = e->name, .path = e->path, .readonly = e->readonly};
    if (!(e->path ? open_dir(e, &out[i]) : open_mem(e, owner, &out[i]))) {
      styxd_exports_close(exports, i);
      return false;
    }
  }
  return true;
}

void styxd_exports_close(struct styxd_export *exports, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (exports[i].path)
      styx_hostfs_free(exports[i].fs);
    else
      styx_memfs_free(exports[i].fs);
}
