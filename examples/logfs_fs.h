/* logfs_fs.h: the filesystem in front of logfs_store.h: what its files have in common. */
#ifndef LOGFS_FS_H
#define LOGFS_FS_H

#include "logfs_store.h"

#include <styx/fs.h>

struct handle;

struct logfs {
  const char *path, *owner;
  struct store *store;
  void *files;            /* a tree of tsearch(3): those that a fid has, by id */
  struct handle *handles; /* all that are open */
  unsigned changes;       /* since the last commit */
};

/* A file that some fid has: what a node is. Everything else about it is in the database. */
struct file {
  int64_t id;
  unsigned users, openers;
};

/* An open file. */
struct handle {
  struct file *file;
  uint32_t flags;
  uint64_t wrote; /* the last transaction that it has changed something in */
  bool lost;      /* a transaction with a change of its was lost */
  struct handle *next, **link;
  char user[STORE_NAME + 1];
};

/* One change of the store on behalf of handle, which may be NULL: begin, what is to be done, end. A transaction that grows
 * large is committed at the end. */
styx_err logfs_begin(struct logfs *fs);
styx_err logfs_end(struct logfs *fs, struct handle *handle, styx_err err);
styx_err logfs_commit(struct logfs *fs);

bool logfs_in_use(struct logfs *fs, int64_t id);
bool logfs_may(const struct row *row, styx_str user, uint32_t want);
/* Sets a text of a row; false: it is too long. */
bool logfs_text(char out[STORE_NAME + 1], styx_str text);
/* The row has changed now, by user; store_update is still to follow. */
void logfs_touch(struct row *row, styx_str user);
int64_t logfs_now(void);
/* Inside a change: something in the directory has changed. */
styx_err logfs_touch_dir(struct logfs *fs, int64_t dir, styx_str user);
/* May user remove it? EBUSY, EACCES, ENOENT, ENOTEMPTY. */
styx_err logfs_may_remove(struct logfs *fs, const struct row *row, styx_str user);
/* Inside a change: take it out of its directory; if no fid has it, it is gone. */
styx_err logfs_unlink(struct logfs *fs, struct row *row, styx_str user);
/* Inside a change: cut row to length and make it so long. ECANCELED when req, which may be NULL, is cancelled meanwhile. */
styx_err logfs_resize(struct logfs *fs, struct row *row, uint64_t length, const styx_req *req);

styx_qid logfs_qid(const struct row *row);
/* ECANCELED is for a change that was given up, and undone: nothing has happened. */
styx_answer logfs_failed(styx_req *req, styx_err err);

/* logfs_open.c */
styx_answer logfs_attach(styx_req *req);
styx_answer logfs_walk(styx_req *req, void *node, styx_str name);
styx_answer logfs_open(styx_req *req, void *node, uint32_t flags);
styx_answer logfs_create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid);
styx_err logfs_close(void *ctx, void *node, void *handle);
styx_answer logfs_remove(styx_req *req, void *node);
void logfs_forget(void *ctx, void *node);

/* logfs_set.c */
styx_answer logfs_setattr(styx_req *req, void *node, void *handle, const styx_setattr *set);

#endif
