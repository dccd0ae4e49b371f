/* stuck_exports.c: in the place of styxd_exports.c: a styxd whose one file never answers a read and does not hear of flush. */
#include "styxd.h"

#include <styx/tree.h>

#include <unistd.h>

static styx_answer read_for_ever(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  volatile bool ever = true;
  (void)aux, (void)handle, (void)offset, (void)count;
  while (ever)
    pause();
  return styx_reply_interrupted(req);
}

bool styxd_exports_open(struct styxd_export *exports, size_t n, const char *owner, const char *map, styx_export *out) {
  static const styx_file_ops ops = {.size = sizeof ops, .read = read_for_ever};
  styx_file *file;
  (void)map;
  for (size_t i = 0; i < n; i++) {
    styx_tree *tree = styx_tree_new(owner, NULL);
    if (!tree || styx_tree_file(tree, styx_tree_root(tree), "stuck", 0444, &ops, NULL, &file) ||
        styx_tree_text(tree, styx_tree_root(tree), "motd", "All is well.\n", &file))
      return false;
    exports[i].fs = tree;
    out[i] = (styx_export){.name = exports[i].name, .fs = styx_tree_fs(tree)};
  }
  return true;
}

void styxd_exports_close(struct styxd_export *exports, size_t n) {
  for (size_t i = 0; i < n; i++)
    styx_tree_free(exports[i].fs);
}
