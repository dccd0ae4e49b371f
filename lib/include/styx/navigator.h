/* styx/navigator.h: whom a server asks about names: files by the path of their qid, and nothing else.
 *
 * A navigator knows a hierarchy of files: it finds a file by its path (the number in its qid), a name in a directory, and the
 * entries of a directory. It knows no fids, no users and no permissions, which are those of whoever asks: servers.h. It is a
 * table and a context, so one can serve any number of servers, on any number of threads: each question carries its own answer.
 * styx_tree (tree.h) is one ready made. styxservers(2) has the same as Navigator and Navop.
 *
 * Threads: the operations are called from any thread, many at once, with no lock of the library held. Each question is answered
 * exactly once: before the operation returns or at any later time, from any thread. Answering calls whoever has asked, who goes
 * on with his work on that thread and may ask the next question from there. So answer with no lock held that an operation of
 * the navigator takes, save where a function below says otherwise, and be brief in operations that answer later.
 */
#ifndef STYX_NAVIGATOR_H
#define STYX_NAVIGATOR_H

#include <styx/alloc.h>
#include <styx/fs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One question, from the call of the operation until its answer; after that the navigator must not touch it. */
typedef struct styx_nav styx_nav;

/* What a navigator supplies; all three. name lives until the operation returns; who answers later copies it. */
typedef struct styx_navigator_ops {
  size_t size; /* sizeof(styx_navigator_ops): the table can grow */

  /* The file with this path. Answers: attr; error (ENOENT when there is none). */
  void (*stat)(void *ctx, styx_nav *q, uint64_t path);

  /* The file called name in the directory with this path. ".." is asked of every file, not of directories alone: it is the
   * directory that the file is in, and of a root the root itself. "." is not asked. Answers: attr; error (ENOENT when there is
   * no such name or no such path, ENOTDIR when path is no directory, and the name is not ".."). */
  void (*walk)(void *ctx, styx_nav *q, uint64_t path, styx_str name);

  /* At most count entries of the directory with this path, without "." and "..", from where cookie says: 0 is the beginning, any
   * other is the cookie of the entry that came last. The cookie of an entry is never 0, and is good while the directory is there,
   * whatever is created and removed meanwhile: entries that stay come exactly once. (Where nothing is ever removed the index
   * of the next entry, counted from 1, will do.) Answers: entry, as often as there is one, then end; fewer than count may be given, but
   * none at all only at the end of the directory. Or error, whatever was given before: ENOENT, ENOTDIR, STYX_EOFFSET for a cookie
   * that was never given. An error is not the end: whoever asks learns of it as of any other. */
  void (*readdir)(void *ctx, styx_nav *q, uint64_t path, uint64_t cookie, uint32_t count);
} styx_navigator_ops;

/* Table and context outlive every server that asks. */
typedef struct styx_navigator {
  const styx_navigator_ops *ops;
  void *ctx;
} styx_navigator;

/* ---- answers: for the navigator ---- */

/* stat, walk: what was found. attr is read before this returns, with its strings. qid.type and mode agree about what is a
 * directory; name is the last element of the file's name, "/" for a root. */
STYX_API void styx_nav_attr(styx_nav *q, const styx_attr *attr);

/* The same in two steps, for who reads the attributes under a lock: styx_nav_hold copies and answers nothing, so it may be called
 * with the lock held; styx_nav_attr with NULL answers without it (ENOMEM when there was no memory for the copy). */
STYX_API void styx_nav_hold(styx_nav *q, const styx_attr *attr);

/* Any of them: err is told to whoever asks. 0 counts as EIO. */
STYX_API void styx_nav_error(styx_nav *q, styx_err err);

/* readdir: one entry, which is copied; may be called with a lock held. False: no more are wanted and this one was not
 * taken, so call styx_nav_end; the entry will be asked for again. */
STYX_API bool styx_nav_entry(styx_nav *q, const styx_dirent *entry);
STYX_API void styx_nav_end(styx_nav *q);

/* The request for which this is asked, or NULL: for a navigator that can take long and wants to be told of cancellation
 * (styx_req_cancelled, styx_req_on_cancel; disarm before you answer). The request is not the navigator's to answer. */
STYX_API styx_req *styx_nav_req(const styx_nav *q);

/* ---- questions: for programs that want to ask ---- */

/* Memory is the asker's, and stays until done is called; everything that is not set is zero. A question is used once. */
struct styx_nav {
  /* It is answered: err and NULL; or attr, good during the call, for stat and walk; or 0 and NULL, at the end of a readdir. The
   * question may be freed here. */
  void (*done)(styx_nav *q, styx_err err, const styx_attr *attr);
  /* readdir: take a copy of entry, or say false; the navigator may hold a lock: so nothing else. NULL for other questions. */
  bool (*entry)(styx_nav *q, const styx_dirent *entry);
  const styx_allocator *allocator; /* for styx_nav_hold; NULL: malloc */
  styx_req *req;                   /* for styx_nav_req, or NULL */
  void *sx_held;                   /* the library's */
  size_t sx_held_size;
};

/* Ask; done may have been called when this returns. */
STYX_API void styx_navigator_stat(const styx_navigator *nav, styx_nav *q, uint64_t path);
STYX_API void styx_navigator_walk(const styx_navigator *nav, styx_nav *q, uint64_t path, styx_str name);
STYX_API void styx_navigator_readdir(const styx_navigator *nav, styx_nav *q, uint64_t path, uint64_t cookie,
                                     uint32_t count);

#ifdef __cplusplus
}
#endif
#endif
