/* fs/memfs_state.h: what the files of memfs share. */
#ifndef FS_MEMFS_STATE_H
#define FS_MEMFS_STATE_H

#include "fs/inode.h"
#include "fs/pages.h"

#include <styx/memfs.h>

struct styx_memfs {
  struct sx_space space; /* first member */
  struct sx_quota quota;
  struct sx_inode *dead; /* what nobody can reach any more and is not freed yet; space lock */
  uint64_t files;        /* in the tree or open, without the root; space lock */
  uint64_t max_files;    /* 0: no limit; immutable */
  styx_allocator alloc;  /* what the memfs itself came from */
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

/* ---- all operations are declared nowait: what takes longer than usual says so, and is done where it may block ----
 *
 * close and forget cannot say so. So they free only a few pieces of what they leave, a page or a node being one; what is left
 * over is freed a few pieces at a time by the operations that follow, or whole by one that may block. */

enum {
  SX_MEM_PIECES = 16,   /* pages and nodes that are freed in a short time */
  SX_MEM_ENTRIES = 1024 /* that a table moves in a short time, when it grows or shrinks */
};

/* Let go of the space's lock, then free what is dead: all of it, or only a few pieces. */
void sx_mem_unlock(struct styx_memfs *fs, bool all);

/* With the space's lock: take node out of the tree. It counts as a file for as long as it is open. */
void sx_mem_unlink(struct styx_memfs *fs, struct sx_inode *node);

/* Does it take long to forget the contents of this node? */
bool sx_mem_is_large(struct sx_inode *node);

/* Forget the contents of a file that nobody can reach any more. */
void sx_mem_empty(struct sx_memfile *file);

/* Set the length of a file and count that as a change by user. */
void sx_mem_truncate(struct styx_memfs *fs, struct sx_memfile *file, uint64_t length, struct sx_text *user);

/* memfs_open.c: from nothing to a handle and back */
styx_answer sx_mem_open(styx_req *req, void *node, uint32_t flags);
styx_answer sx_mem_create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid);
styx_answer sx_mem_remove(styx_req *req, void *node);
styx_err sx_mem_close(void *ctx, void *node, void *handle);
void sx_mem_forget(void *ctx, void *node);

/* memfs_setattr.c */
styx_answer sx_mem_setattr(styx_req *req, void *node, void *handle, const styx_setattr *set);

#endif
