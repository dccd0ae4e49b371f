/* fs/memfs_state.h: what the files of memfs share. */
#ifndef FS_MEMFS_STATE_H
#define FS_MEMFS_STATE_H

#include "fs/inode.h"
#include "fs/pages.h"

#include <styx/memfs.h>

struct styx_memfs {
  struct sx_space space; /* first member */
  struct sx_quota quota;
  styx_allocator alloc; /* what the memfs itself came from */
};

struct sx_memfile {
  struct sx_inode node;  /* first member */
  struct sx_pages pages; /* node.io; unused in a directory */
};

struct sx_memhandle {
  struct sx_text *user; /* who opened it: muid of what is written */
  uint32_t flags;       /* STYX_O_*; immutable */
};

static inline struct sx_memfile *sx_memfile_of(struct sx_inode *node) { return (struct sx_memfile *)node; }

/* Set the length of a file and count that as a change by user. */
void sx_mem_truncate(struct styx_memfs *fs, struct sx_memfile *file, uint64_t length, struct sx_text *user);

/* memfs_open.c: from nothing to a handle and back */
styx_answer sx_mem_open(styx_req *req, void *node, uint32_t flags);
styx_answer sx_mem_create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid);
styx_answer sx_mem_remove(styx_req *req, void *node);
styx_err sx_mem_close(void *ctx, void *node, void *handle);

/* memfs_setattr.c */
styx_answer sx_mem_setattr(styx_req *req, void *node, void *handle, const styx_setattr *set);

#endif
