/* styx/fs.h: what a filesystem supplies. One table of operations, in the shape of 9P2000.L, any slot NULL.
 *
 * The session owns everything that is protocol: fids, tags, order, flush, walking element by element, offsets of directory
 * reads, mode bits, legal names. A filesystem sees *nodes* (a file as reached by a walk) and *handles* (a node opened for
 * I/O), both plain pointers of its own. The session counts their users and gives each back exactly once: handle by close,
 * node by forget, after the last request that could use it has been answered, close before forget.
 *
 * Every operation that takes a styx_req answers it as styx/req.h says; the comment of each slot names its valid answers
 * (an error is always one). Pointers in the arguments live until the answer. Operations run on any thread of the embedder,
 * many at once, unless the table's serial key says otherwise. An operation whose cancellation is seen answers
 * styx_reply_interrupted if nothing has happened. A NULL slot answers as its comment says.
 *
 * Permissions are the filesystem's to check (hostfs leaves them to the kernel; styx_access_ok is the formula for others):
 * x on the directory of a walk, the mode of an open against the file, w on the directory of create and remove.
 * styx_req_user is who asks. Source: contract.md 1.8 to 1.12 and 6.
 */
#ifndef STYX_FS_H
#define STYX_FS_H

#include <styx/req.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds since 1970 are split as the kernel does. */
typedef struct styx_time {
  int64_t sec;
  uint32_t nsec;
} styx_time;

/* Everything about one file. mode is 9P's (STYX_DM* over rwxrwxrwx). Where a name of a user or group is empty its number is
 * printed instead. 9P2000 sends the first block only; the second is for the .u and .L dialects. */
struct styx_attr {
  styx_qid qid;
  uint32_t mode;
  uint64_t length; /* 0 for directories */
  styx_time atime, mtime;
  styx_str name; /* the root's is "/" */
  styx_str uid, gid, muid;

  uint32_t n_uid, n_gid, n_muid;
  uint32_t st_mode; /* S_IFMT type and permission bits; 0: derived from mode */
  uint64_t nlink, rdev, blksize, blocks;
  styx_time ctime, btime;
  uint64_t gen, data_version;
  styx_str extension; /* .u: target of a symbolic link, or the device */
};

/* What 9P2000 sends of attr; what only .u has is not set. *st borrows the strings of attr and of *numbers, which is where numbers are
 * printed in place of names. */
typedef struct styx_attr_numbers {
  char uid[12], gid[12], muid[12];
} styx_attr_numbers;
STYX_API void styx_attr_stat(styx_stat *st, const styx_attr *attr, styx_attr_numbers *numbers);

/* One directory entry. cookie says where the *next* read starts and is never 0. Only name, qid and cookie are needed when
 * styx_req_wants_attr is false. */
struct styx_dirent {
  styx_attr attr;
  uint64_t cookie;
};
STYX_API bool styx_req_wants_attr(const styx_req *req);

/* Which fields of styx_setattr count. */
enum {
  STYX_SET_MODE = 0x1,
  STYX_SET_UID = 0x2,
  STYX_SET_GID = 0x4,
  STYX_SET_LENGTH = 0x8,
  STYX_SET_ATIME = 0x10,
  STYX_SET_MTIME = 0x20,
  STYX_SET_CTIME = 0x40,
  STYX_SET_ATIME_NOW = 0x80, /* the server's clock */
  STYX_SET_MTIME_NOW = 0x100,
  STYX_SET_NAME = 0x1000 /* 9P2000 only: rename within the directory, replacing what has the name */
};

typedef struct styx_setattr {
  uint32_t valid;
  uint32_t mode; /* as styx_attr.mode; the type bits are those the file has */
  uint64_t length;
  styx_time atime, mtime;
  styx_str name;
  styx_str uid, gid;     /* 9P2000: by name */
  uint32_t n_uid, n_gid; /* .u and .L: by number when the name is empty */
} styx_setattr;

/* Open flags: the low bits are 9P2000's mode byte, the rest comes from 9P2000.L's Tlopen and Tlcreate. */
enum {
  STYX_O_MODE = 0x3, /* STYX_OREAD, OWRITE, ORDWR, OEXEC */
  STYX_O_TRUNC = 0x10,
  STYX_O_RCLOSE = 0x40, /* remove the file when this handle closes */
  STYX_O_APPEND = 0x100,
  STYX_O_EXCL = 0x200,
  STYX_O_DIRECTORY = 0x400,
  STYX_O_NOFOLLOW = 0x800,
  STYX_O_SYNC = 0x1000,
  STYX_O_NONBLOCK = 0x2000,
  STYX_O_DIRECT = 0x4000,
  STYX_O_NOATIME = 0x8000,
  STYX_O_CREAT = 0x10000
};

/* Traits: promises about operations, one bit for each operation in a mask of STYX_OP(slot). */
enum styx_op {
  STYX_OP_attach,
  STYX_OP_walk,
  STYX_OP_open,
  STYX_OP_create,
  STYX_OP_read,
  STYX_OP_write,
  STYX_OP_readdir,
  STYX_OP_getattr,
  STYX_OP_setattr,
  STYX_OP_remove,
  STYX_OP_fsync,
  STYX_OP_close,
  STYX_OP_forget,
  STYX_OP_mkdir,
  STYX_OP_symlink,
  STYX_OP_mknod,
  STYX_OP_readlink,
  STYX_OP_link,
  STYX_OP_rename,
  STYX_OP_unlink,
  STYX_OP_statfs,
  STYX_OP_lock,
  STYX_OP_getlock,
  STYX_OP_xattrwalk,
  STYX_OP_xattrcreate,
  STYX_OP_request,
  STYX_NOPS
};
#define STYX_OP(slot) (1u << STYX_OP_##slot)
/* "read"; NULL for what is none. */
STYX_API const char *styx_op_name(enum styx_op op);

/* What may run at the same time. The embedder's threads keep it; with one thread everything is serial. */
typedef enum styx_serial {
  STYX_PARALLEL = 0,
  STYX_SERIAL_FID,
  STYX_SERIAL_NODE,
  STYX_SERIAL_CONNECTION,
  STYX_SERIAL_FS
} styx_serial;

typedef struct styx_fs_ops {
  size_t size;      /* sizeof(styx_fs_ops): slots past it count as NULL, so the table can grow */
  const char *name; /* for logs */
  styx_serial serial;
  /* Short: may run on the thread that reads from all peers, which does nothing else meanwhile. Promises that every call
   * returns within some tens of microseconds, beside what it takes to copy the bytes of its own request and reply. So: no
   * system call that may sleep, no lock that is held by anybody who may sleep or computes for longer, and nothing that takes
   * time in proportion to what is stored. An operation that can keep this mostly is declared too: its handler answers
   * styx_reply_would_block (req.h) when it cannot, and is called again where it may block. close and forget, which have no
   * request, have to keep it always. */
  uint32_t nowait;
  /* May block for long: runs on a spare worker. With nowait too: once it has answered that it would block. */
  uint32_t blocking;
  /* Among walk, getattr and read: has no effect that anybody could see, so a flushed one is abandoned while it runs: its
   * Rflush goes out at once, the handler is cancelled and may take its time, and whatever it answers is dropped (a node is
   * forgotten). Node and handle stay until then. Never done to reads of directories, of exclusive-use files, and of what
   * was opened with styx_req_stream. */
  uint32_t detachable;

  /* Before the first client is answered; an error refuses to serve. Then, at every orderly end, cleanup, once, after all
   * nodes are forgotten. Neither is guaranteed after a crash: init must restore consistency. NULL: success. May block. */
  styx_err (*init)(void *ctx);
  void (*cleanup)(void *ctx);

  /* The root for styx_req_user and styx_req_aname. Answers: node. NULL: ENOENT. */
  styx_answer (*attach)(styx_req *);
  /* The entry name of directory node; name is one element, or ".." (the session answers ".." at the root of the attach
   * itself). Needs x. Answers: node. NULL: ENOENT. */
  styx_answer (*walk)(styx_req *, void *node, styx_str name);
  /* Make node ready for I/O. The session has checked the mode bits, that directories are only read, and that the fid is not
   * open. Answers: open. NULL: EACCES. */
  styx_answer (*open)(styx_req *, void *node, uint32_t flags);
  /* Make name in directory node and open it. mode is 9P's, not yet masked by the directory (styx_create_mode does it; a
   * directory has STYX_DMDIR). It must not exist: EEXIST. Answers: create. NULL: EACCES. */
  styx_answer (*create)(styx_req *, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid);
  /* At most count bytes at offset; offset + count does not overflow a signed 64-bit number. Answers: data, slice, filled,
   * ref. NULL: EACCES. */
  styx_answer (*read)(styx_req *, void *node, void *handle, uint64_t offset, uint32_t count);
  /* Answers: count. NULL: EACCES. */
  styx_answer (*write)(styx_req *, void *node, void *handle, uint64_t offset, const void *data, uint32_t count);
  /* Entries from cookie on (0 = the first), without "." and "..", each with styx_dir_add. Entries that stay must come
   * exactly once, whatever is created and removed meanwhile. One at a time for each fid. Answers: dir. NULL: EACCES. */
  styx_answer (*readdir)(styx_req *, void *node, void *handle, uint64_t cookie);
  /* handle is NULL when the fid is not open. Needs no permission. Answers: attr. NULL: EACCES. */
  styx_answer (*getattr)(styx_req *, void *node, void *handle);
  /* All or nothing. Answers: ok. NULL: EACCES. */
  styx_answer (*setattr)(styx_req *, void *node, void *handle, const styx_setattr *);
  /* Remove node itself (9P2000; a directory must be empty). Handles that are open on it keep working until they close.
   * Answers: ok. NULL: EACCES. */
  styx_answer (*remove)(styx_req *, void *node);
  /* Bring data, and unless datasync metadata, to stable storage. Answers: ok. NULL: success. */
  styx_answer (*fsync)(styx_req *, void *node, void *handle, bool datasync);

  /* End of I/O on handle: flushes what is buffered before it returns, removes the file if it was opened with
   * STYX_O_RCLOSE, ends exclusive use. The error becomes Rclunk's where a Tclunk waits for it, else it is logged. Called
   * exactly once for each handle that was answered, with no request. NULL: success. */
  styx_err (*close)(void *ctx, void *node, void *handle);
  /* The last user of node is gone. Called exactly once for each node that was answered. NULL: nothing to do. */
  void (*forget)(void *ctx, void *node);

  /* The rest belongs to 9P2000.L and .u. No message of 9P2000 calls these slots. Answers in brackets; NULL: EOPNOTSUPP. */
  styx_answer (*mkdir)(styx_req *, void *dir, styx_str name, uint32_t mode, uint32_t gid);     /* node */
  styx_answer (*symlink)(styx_req *, void *dir, styx_str name, styx_str target, uint32_t gid); /* node */
  styx_answer (*mknod)(styx_req *, void *dir, styx_str name, uint32_t st_mode, uint32_t major, uint32_t minor,
                       uint32_t gid);                                                                /* node */
  styx_answer (*readlink)(styx_req *, void *node);                                                   /* data */
  styx_answer (*link)(styx_req *, void *dir, void *node, styx_str name);                             /* ok */
  styx_answer (*rename)(styx_req *, void *olddir, styx_str oldname, void *newdir, styx_str newname); /* ok */
  styx_answer (*unlink)(styx_req *, void *dir, styx_str name, uint32_t flags);                       /* ok */
  styx_answer (*statfs)(styx_req *, void *node, styx_statfs *out);                               /* ok, out filled */
  styx_answer (*lock)(styx_req *, void *node, void *handle, const styx_lock *, uint8_t *status); /* ok, status filled */
  styx_answer (*getlock)(styx_req *, void *node, void *handle, styx_lock *inout);                /* ok */
  styx_answer (*xattrwalk)(styx_req *, void *node, styx_str name, uint64_t *size);               /* node */
  styx_answer (*xattrcreate)(styx_req *, void *node, styx_str name, uint64_t size, uint32_t flags); /* ok */

  /* Called for every operation with a request whose own slot is NULL, in place of what that slot's comment says. op is never
   * close or forget. Answers: those of op. NULL: what that comment says. */
  styx_answer (*any)(styx_req *, enum styx_op op);
  bool paths; /* have the path of each node kept, for styx_req_path: some memory for each */

  /* A program that sees every request itself, in place of all the operations above: servers.h is made of this, and is mostly what is
   * wanted. It has to be the only export of its sessions. Called with every T-message but Tversion and Tflush; the session
   * keeps what is of the wire (version, tags, flush, limits) and what each fid number stands for, and checks nothing. Requests
   * that make, change or drop a fid (Tauth, Tattach, Twalk to it, Topen, Tcreate; Tclunk, Tremove) come one at a time for each
   * fid number, in order of arrival, behind those that came before them; reads of what a node says is a directory too. A
   * fid that is dropped stands for nothing from when that request is called, whatever it answers.
   *
   * t is styx_req_msg. Answers: styx_reply_msg, or that of req.h which fits the message: data, slice, filled, ref and dir for
   * Tread, count for Twrite, attr for Tstat, ok for Tclunk, Tremove and Twstat. Traits of it (nowait, blocking) and serial hold
   * for every message; no request is detached. forget is called for each node made (styx_req_make), and for the context
   * (styx_req_set_context). Of the other slots only init and cleanup are looked at. */
  styx_answer (*request)(styx_req *, const styx_msg *t);
} styx_fs_ops;

/* A filesystem: its table and its own state. Both outlive every session that serves it. */
typedef struct styx_fs {
  const styx_fs_ops *ops;
  void *ctx;
} styx_fs;

/* ---- filesystems in front of others: what filter.h is made of ----
 *
 * One that hands requests on to another takes that one's nodes and handles for its own: whatever the other answers counts, and
 * its close and forget have to be called with its ctx. What is served is the one in front; so the promises of its table (serial
 * and the traits, all outside of the other's) are those that count. styx_req_ctx is that of whoever is being called. */

/* Let fs, which outlives every session, serve this request: calls its operation, with the arguments of the request, on this
 * thread and now, and returns what that returned. Only the handler itself may call it, with nothing answered and no callback
 * armed. It blocks if that operation does. The request is then fs's affair. */
STYX_API styx_answer styx_pass(styx_req *req, const styx_fs *fs);

/* The same for a request that was kept with styx_later: to be called like a reply function (req.h), from any thread. The
 * operation is called later, where the operations of this filesystem run; if the request is cancelled before, it never is,
 * and that counts as interrupted. */
STYX_API styx_answer styx_reply_pass(styx_req *req, const styx_fs *fs);

/* The path that the request is about, from the root of its attach, which is "/": of its fid's file; for walk and create that of
 * the file they lead to. It is the way it was walked, with ".." resolved: a file that was renamed since has its old one.
 * Empty when the table that is served does not say paths, or when it is longer than 4096 bytes. Lives until the answer. */
STYX_API styx_str styx_req_path(const styx_req *req);

/* ---- formulas that every filesystem with permissions of its own needs; pure ---- */

/* May user do all of want (4 read, 2 write, 1 execute) to a file with this mode, owner and group? The union of the classes
 * that apply, each bit by itself (intro(5), contract 1.12); a user is a member of the group of the same name. */
STYX_API bool styx_access_ok(styx_str user, uint32_t want, uint32_t mode, styx_str uid, styx_str gid);

/* The permission that opening with flags needs: 4, 2, 6 or 1, and 2 more for STYX_O_TRUNC. */
STYX_API uint32_t styx_access_of_open(uint32_t flags);

/* What Tcreate's perm becomes in a directory of this mode (contract 1.9); keeps the STYX_DM* bits of perm. */
STYX_API uint32_t styx_create_mode(uint32_t perm, uint32_t dirmode);

#ifdef __cplusplus
}
#endif
#endif
