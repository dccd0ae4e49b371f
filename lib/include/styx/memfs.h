/* styx/memfs.h: a writable filesystem in memory. Nothing of it blocks, and all its operations are declared nowait (fs.h): what
 * takes long once, as forgetting a large file does, is done where it may block. Any number of sessions may serve one. */
#ifndef STYX_MEMFS_H
#define STYX_MEMFS_H

#include <styx/alloc.h>
#include <styx/fs.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_memfs styx_memfs;

typedef struct styx_memfs_config {
  size_t size;        /* sizeof(styx_memfs_config) */
  const char *user;   /* owner of the root; NULL: "none" */
  uint32_t mode;      /* permission of the root; 0: 0777 */
  uint64_t max_bytes; /* of file contents, holes not counted; past it ENOSPC; 0: no limit */
  const styx_allocator *allocator;
  uint64_t
      max_files; /* files and directories, the root not counted, that are in the tree or open; past it ENOSPC; 0: no limit */
} styx_memfs_config;

/* config may be NULL; it is copied. NULL when memory is short. */
STYX_API styx_memfs *styx_memfs_new(const styx_memfs_config *config);
/* Only when no session serves it any more; everything in it is gone. */
STYX_API void styx_memfs_free(styx_memfs *memfs);
STYX_API styx_fs styx_memfs_fs(styx_memfs *memfs);

/* Files, directories included, that still exist, in the tree or held by a fid; bytes of contents. What was in use when it was
 * removed is given back in pieces by the operations that follow, and counts here until then; what it holds is given back first
 * when there is no room else. */
STYX_API void styx_memfs_usage(const styx_memfs *memfs, uint64_t *files, uint64_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
