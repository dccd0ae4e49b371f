/* fs/tree_state.h: what the files of the tree share. */
#ifndef FS_TREE_STATE_H
#define FS_TREE_STATE_H

#include "fs/inode.h"

#include <styx/tree.h>

/* A table of operations as many files have it. Kept until the tree goes: there are as many as the program's text has. */
struct sx_kept_ops {
  struct sx_kept_ops *next;
  styx_file_ops ops;
};

struct styx_tree {
  struct sx_space space;    /* first member; its lock guards the rest */
  struct sx_table paths;    /* qid path to node, of every file that is in the tree */
  struct sx_dir roots;      /* by aname: struct sx_root; not the one of the space */
  struct sx_kept_ops *kept; /* last used first */
  bool defined;             /* the root of the space is */
  styx_allocator alloc;     /* what the tree itself came from */
};

struct styx_file {
  struct sx_inode node;     /* first member */
  const styx_file_ops *ops; /* immutable once a client can see the file, as is aux */
  void *aux;
};

struct sx_root {
  struct sx_entry entry; /* first member */
  struct styx_file *file;
};

/* What the entry of a node has as number that is in the tree but in no directory. */
enum { SX_TREE_ROOT = 1 };
#define SX_TREE_MAKING UINT64_MAX /* it is being made: nothing leads to it yet, but files may be put into it */

static inline struct styx_file *sx_file_of(struct sx_inode *node) { return (struct styx_file *)node; }

/* tree.c: all with the lock, but for sx_tree_is_name. */
bool sx_tree_is_name(styx_str name);
/* The tree's copy of ops, of any size; NULL when memory is short. */
const styx_file_ops *sx_tree_keep_ops(styx_tree *tree, const styx_file_ops *ops);
/* May something be put into dir under this name? */
styx_err sx_tree_may_put(const styx_tree *tree, const struct sx_inode *dir, styx_str name);
/* Room for one more in dir (NULL: none needed) and among the paths. */
bool sx_tree_reserve(styx_tree *tree, struct sx_inode *dir);
/* Put node in, after both. Its path, if it was not chosen for it (0), is chosen now. */
void sx_tree_link(styx_tree *tree, struct sx_inode *dir, struct sx_inode *node);

/* tree_change.c: with the lock. Take one node out, which has no children. */
void sx_tree_unlink(styx_tree *tree, struct sx_inode *node, struct sx_inode **dead);
/* Without the lock: take all beneath top out, and give a reference to it back. */
void sx_tree_clear(styx_tree *tree, struct sx_inode *top, struct sx_inode *dead);

/* tree_find.c: with the lock. name in dir, or its parent. ENOTDIR, ENOENT. */
styx_err sx_tree_step(struct sx_inode *dir, styx_str name, struct sx_inode **out);

/* What open made, and how. */
struct sx_treehandle {
  void *theirs;
  struct sx_text *user; /* who removes it on close; NULL: nobody does */
  bool append, writes;
};

/* tree_ops.c. Opens for user, whom the rights allow it, and who is counted; may call code of the program. */
styx_err sx_tree_open(styx_tree *tree, struct styx_file *file, styx_str user, uint32_t flags,
                      struct sx_treehandle **out);
styx_err sx_tree_close(void *ctx, void *node, void *handle);
extern const styx_fs_ops sx_tree_ops;

/* tree_clients.c: what clients change */
styx_answer sx_tree_create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid);
styx_answer sx_tree_remove(styx_req *req, void *node);
styx_answer sx_tree_setattr(styx_req *req, void *node, void *handle, const styx_setattr *set);
/* The right to it was checked at open. */
styx_err sx_tree_remove_on_close(styx_tree *tree, struct sx_inode *node, struct sx_text *user);

#endif
