/* fs/tree_state.h: what the files of the tree share. */
#ifndef FS_TREE_STATE_H
#define FS_TREE_STATE_H

#include "fs/inode.h"

#include <styx/tree.h>

struct styx_tree {
  struct sx_space space; /* first member */
  styx_allocator alloc;  /* what the tree itself came from */
};

struct styx_file {
  struct sx_inode node; /* first member */
  styx_file_ops ops;    /* immutable once a client can see the file, as is aux */
  void *aux;
};

static inline struct styx_file *sx_file_of(struct sx_inode *node) { return (struct styx_file *)node; }

extern const styx_fs_ops sx_tree_ops; /* tree_ops.c */

#endif
