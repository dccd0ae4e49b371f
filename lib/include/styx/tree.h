/* styx/tree.h: a filesystem of synthetic files, built by calls: the ready-made way to put a 9P tree inside a program.
 *
 * Directories and files are created by the program; what a file reads and writes is up to its callbacks. Removal by clients
 * is refused unless a file's ops allow it. Any thread may change the tree while it is served; no call blocks, except on a
 * short lock that is never held while your code runs.
 */
#ifndef STYX_TREE_H
#define STYX_TREE_H

#include <styx/alloc.h>
#include <styx/fs.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_tree styx_tree;
typedef struct styx_file styx_file;

/* What a file does; any may be NULL: then opening for that is refused with EACCES, open succeeds by the permission bits
 * alone, close does nothing. aux is what styx_tree_file got. handle is what open made (NULL without open).
 * read and write answer as fs.h says for those slots. */
typedef struct styx_file_ops {
  size_t size; /* sizeof(styx_file_ops) */
  styx_err (*open)(void *aux, styx_str user, uint32_t flags, void **handle);
  styx_answer (*read)(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count);
  styx_answer (*write)(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data, uint32_t count);
  styx_err (*close)(void *aux, void *handle);
  void (*destroy)(void *aux); /* the file is gone from the tree and from every fid */
} styx_file_ops;

/* A tree with a root directory of mode 0555, owned by user (copied; NULL: "none"). NULL when memory is short. */
STYX_API styx_tree *styx_tree_new(const char *user, const styx_allocator *allocator);
/* Only when no session serves it any more. */
STYX_API void styx_tree_free(styx_tree *tree);
STYX_API styx_fs styx_tree_fs(styx_tree *tree);
STYX_API styx_file *styx_tree_root(styx_tree *tree);

/* Put a file or a directory at name (copied) in dir. mode holds the permission bits, and STYX_DMAPPEND or STYX_DMEXCL
 * (which the tree keeps: one opener at a time). The tree keeps it until it is removed; the pointer is good until then.
 * EEXIST, ENOTDIR, STYX_ENAME, ENOMEM. */
STYX_API styx_err styx_tree_file(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode,
                                 const styx_file_ops *ops, void *aux, styx_file **out);
STYX_API styx_err styx_tree_dir(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode, styx_file **out);

/* A file that reads as text (copied now). */
STYX_API styx_err styx_tree_text(styx_tree *tree, styx_file *dir, const char *name, const char *text, styx_file **out);

/* Take file out of the tree with all below it; fids that have it keep working until clunked. EBUSY for the root. */
STYX_API styx_err styx_tree_remove(styx_tree *tree, styx_file *file);

/* What stat shows as length (default 0), and a new version: the qid's vers counts up, mtime becomes now. */
STYX_API void styx_tree_set_length(styx_tree *tree, styx_file *file, uint64_t length);

#ifdef __cplusplus
}
#endif
#endif
