/* styx/tree.h: a filesystem of synthetic files, built by calls: the ready-made way to put a 9P tree inside a program.
 *
 * Directories and files are created by the program; what a file reads and writes is up to its callbacks. Clients create, remove
 * and change only where a file's ops allow it. Any thread may change the tree while it is served, from callbacks too; no call
 * blocks, except on a short lock that is never held while your code runs.
 *
 * Names are looked up by hash, files by qid path too; a directory lists in the order in which its files came, and a listing
 * under way has each file that stays exactly once. Functions leave their results untouched when they fail. Any of them may fail
 * with ENOMEM, which is not repeated below. Source: contract.md 4.5.
 */
#ifndef STYX_TREE_H
#define STYX_TREE_H

#include <styx/alloc.h>
#include <styx/navigator.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_tree styx_tree;

/* A file or directory. The pointer is good until the file is removed, by the program or by a client; longer with a reference
 * (styx_tree_get), and always within its own callbacks and between its create and its destroy callback. */
typedef struct styx_file styx_file;

typedef struct styx_file_ops styx_file_ops;

/* A file that a client asks to make. */
typedef struct styx_making {
  styx_tree *tree;
  styx_file *dir;
  styx_file *file;     /* as it will be. Files may be put into it if it is a directory; nobody sees any of it yet */
  styx_str user, name; /* until the callback returns */
  uint32_t mode;       /* STYX_DM* and permission bits, as the directory's mode leaves them */
  uint32_t flags;      /* what it will be opened with */
  /* To be filled in: what it does. */
  const styx_file_ops *ops; /* copied; NULL: nothing */
  void *aux;
} styx_making;

/* What a file does; any may be NULL: then opening for that is refused with EACCES, open succeeds by the permission bits
 * alone, close does nothing. aux is what styx_tree_file got. handle is what open made (NULL without open).
 * read and write answer as fs.h says for those slots. Of a directory open, read, write and close are not called.
 *
 * Of an append-only file (STYX_DMAPPEND) open never gets STYX_O_TRUNC, and the offset of a write is the length that the tree
 * knows then (styx_tree_set_length): with several writers append where your own data ends. */
struct styx_file_ops {
  size_t size; /* sizeof(styx_file_ops) */
  styx_err (*open)(void *aux, styx_str user, uint32_t flags, void **handle);
  styx_answer (*read)(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count);
  styx_answer (*write)(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data, uint32_t count);
  styx_err (*close)(void *aux, void *handle);
  void (*destroy)(void *aux); /* the file is gone from the tree and from every fid */

  /* What clients change; NULL: EACCES. The tree has checked the rights and the rules of 9P, and calls these to be allowed to
   * go on: an error is the client's answer. They may block. */

  /* Of a directory: fill in what the new file does. From then on aux is the tree's, which calls destroy once if it cannot put
   * the file in (another was quicker: EEXIST). The file is opened by its own open, and seen by others only when all is done. */
  styx_err (*create)(void *aux, styx_making *making);
  /* May user remove the file? Asked by a Tremove and, at its open, for STYX_O_RCLOSE. It stays all the same if it turns out to be
   * gone or not empty by then: what has to follow from a removal belongs into destroy. A directory must be empty. */
  styx_err (*remove)(void *aux, styx_str user);
  /* May user change this? set->valid is not 0; a new length is for this callback to carry out, since the data is the program's;
   * the tree does the rest, all or nothing, and fails after it only for want of memory or when another thread was quicker: the
   * file is gone (ENOENT) or the name taken (EEXIST; a file is never replaced). */
  styx_err (*wstat)(void *aux, styx_str user, const styx_setattr *set);
};

/* ---- the tree ---- */

/* A tree with a root directory of mode 0555, owned by user (copied; NULL: "none"). NULL when memory is short. */
STYX_API styx_tree *styx_tree_new(const char *user, const styx_allocator *allocator);
/* Only when no session serves it any more, and every reference is given back. */
STYX_API void styx_tree_free(styx_tree *tree);
/* Any number of sessions and servers may serve it. Where it has several roots give its export any_aname (session.h). */
STYX_API styx_fs styx_tree_fs(styx_tree *tree);
STYX_API styx_file *styx_tree_root(styx_tree *tree);
/* The same for programs that see every request and ask a navigator about names (servers.h): any number of them, on any threads,
 * at the same time. It answers at once. Cookies are good as long as the directory is there; what was removed is not found. */
STYX_API styx_navigator styx_tree_navigator(styx_tree *tree);

/* ---- putting in ---- */

/* Put a file or a directory at name (copied) in dir. mode holds the permission bits, and STYX_DMAPPEND or STYX_DMEXCL
 * (which the tree keeps: one opener at a time). The tree keeps it until it is removed. ops is copied.
 * EEXIST, ENOTDIR, ENOENT (dir is removed), STYX_ENAME ("", ".", "..", a '/' or a control character). */
STYX_API styx_err styx_tree_file(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode,
                                 const styx_file_ops *ops, void *aux, styx_file **out);
STYX_API styx_err styx_tree_dir(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode, styx_file **out);

/* A file that reads as text (copied now). */
STYX_API styx_err styx_tree_text(styx_tree *tree, styx_file *dir, const char *name, const char *text, styx_file **out);

/* Everything that can be said of a new file. Zero: the default. */
typedef struct styx_file_def {
  size_t size; /* sizeof(styx_file_def) */
  const char *name;
  uint32_t mode; /* STYX_DMDIR makes a directory */
  uint64_t path; /* of its qid, which no other file of the tree may have; 0: the tree chooses, counting up from 1 */
  const char *uid, *gid; /* NULL: the directory's */
  uint64_t length;
  const styx_file_ops *ops;
  void *aux;
} styx_file_def;

/* Put that into dir; strings and ops are copied. A program that numbers some of its files itself keeps clear of those of the
 * tree by numbering from 2^32, say. Errors as of styx_tree_file; EEXIST for a path that is in use.
 *
 * dir NULL makes another root: a directory that clients reach by attaching to name (its aname; any characters), with a ".." of
 * its own. Once there is one, an aname that names no root is refused; without one, every aname leads to the root that the tree
 * came with, whose aname is "". That one may be defined in this way too, once, before it is served. ENOTDIR without STYX_DMDIR. */
STYX_API styx_err styx_tree_create(styx_tree *tree, styx_file *dir, const styx_file_def *def, styx_file **out);

/* ---- taking out and changing: the program asks nobody, so no callback but destroy is called ---- */

/* Take file out of the tree with all below it, if it is a directory; fids that have it keep working until clunked. A root: no
 * attach finds it any more. EBUSY for the root that the tree came with; ENOENT if it has been removed before. */
STYX_API styx_err styx_tree_remove(styx_tree *tree, styx_file *file);

/* Change what st says, as it comes with a Twstat: what is untouched there (styx_stat_untouched) stays, as does all when it
 * fails. Name, mode, times, length, uid and gid; muid is ignored. mtime follows a length, unless it is given too. EPERM: type,
 * dev, qid or STYX_DMDIR would change; STYX_EBADARG: mode bits that a file cannot have; EEXIST: the name is taken; STYX_ENAME;
 * EBUSY: a new name for a root; EISDIR, EFBIG: the length; ENOENT: removed. */
STYX_API styx_err styx_tree_wstat(styx_tree *tree, styx_file *file, const styx_stat *st);

/* What stat shows as length (default 0), and a new version: the qid's vers counts up, mtime becomes now. */
STYX_API void styx_tree_set_length(styx_tree *tree, styx_file *file, uint64_t length);

/* ---- finding: by hash, whatever the size of the tree. A file that is found has a reference for the caller ---- */

/* name in dir; ".." is its parent, a root's itself. ENOENT, ENOTDIR. */
STYX_API styx_err styx_tree_lookup(styx_tree *tree, styx_file *dir, const char *name, styx_file **out);
/* The file whose qid has this path. ENOENT: none that is in the tree. */
STYX_API styx_err styx_tree_by_path(styx_tree *tree, uint64_t path, styx_file **out);

/* One more reference to file, which is good now; and one less (NULL is harmless). With the last of all, and no fid left, a file
 * that was removed is destroyed, on this thread. */
STYX_API styx_file *styx_tree_get(styx_tree *tree, styx_file *file);
STYX_API void styx_tree_put(styx_tree *tree, styx_file *file);

/* Its names from its root on: "/", "/a/b"; terminated, of *len bytes (len may be NULL). ENOENT: it has been removed.
 * ENAMETOOLONG: more than cap. */
STYX_API styx_err styx_tree_path(styx_tree *tree, styx_file *file, char *buf, size_t cap, size_t *len);

STYX_API styx_qid styx_tree_qid(styx_tree *tree, styx_file *file);
/* As it was given; NULL for a text. */
STYX_API void *styx_file_aux(const styx_file *file);

#ifdef __cplusplus
}
#endif
#endif
