/* fs/host.h: what the files of hostfs share.
 *
 * A node is an object of the host, held by an O_PATH descriptor, and the place it was reached at: parent node and name.
 * There may be more nodes than descriptors: one that nobody uses just now gives its own up and gets it back at its place, or
 * by its file handle where we may (hostfs_fds.c). What is found has to be the same object.
 * Whatever is done to the object goes through the descriptor, so renames and removal do not matter. The place is needed
 * to remove or rename, for removal on close, and for ".."; before it is used it is verified to lead to the object still,
 * and when somebody else has moved the object it is looked for where the kernel says it is now (sx_host_locate). The kernel
 * cannot unlink "this object", so between verification and use another process of the host can still step in.
 *
 * Symbolic links. A link whose target lies beneath the export is shown as that target: its type, qid, contents and rights;
 * so a link to a directory is a directory, and what is removed inside it is removed inside the target. Its place is the
 * link, so removing or renaming it concerns the link alone. A link that leads nowhere, in circles or out of the export is
 * shown as itself: a plain file with the permissions and the length of the link; it can be walked to, removed and renamed,
 * everything else says ENOENT. An absolute link counts as beneath the export when its text begins with the export's path.
 *
 * A directory that somebody moves out of the export while a fid is on it stays usable through that fid, downwards; ".." is
 * the node it was reached from, never the host's "..".
 *
 * What the host does not keep: DMAPPEND and DMEXCL are refused with EOPNOTSUPP in create and wstat, since to promise them
 * silently would lose data; DMTMP is a hint and dropped. A file with the attribute "append only" (chattr +a) is shown with
 * DMAPPEND. setuid, setgid and sticky bits cannot be set: chmod keeps a directory's and takes a file's away.
 *
 * FIFOs and devices are opened and used without blocking. A read waits until there is something to read, or until the request is
 * cancelled; where the embedder has no descriptor to wait for that (styx_req_cancel_fd) it says EAGAIN. A write says EAGAIN
 * when there is no room, and opening a FIFO for writing that nobody reads ENXIO.
 *
 * What the kernel has in memory is answered at once (nowait, fs.h), in exports on a filesystem that is known to be local: on
 * others even the attributes of an open file may be asked for over a network. There, an object of the same device as the export's
 * root has its inode in memory for as long as its node holds a descriptor of it, so statx does not wait. A walk asks for what
 * is cached, without leaving the mount; a read for the pages that are there. tmpfs and ramfs keep a file in memory as we keep
 * memfs, so a read there is a copy and nothing else. Everything that is not answered so is done where it may block: errors too,
 * and symbolic links.
 */
#ifndef FS_HOST_H
#define FS_HOST_H

#include "base/table.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <styx/hostfs.h>
#include <sys/stat.h>

/* What tells two directory entries or objects apart while the one that is remembered may be gone: an inode number is used
 * again, with another time of birth, unless all that happens within a tick of the kernel's clock. */
struct sx_host_id {
  uint64_t dev, ino, birth;
  uint32_t type; /* S_IFMT */
};

struct sx_host_node {
  struct sx_host_node *parent; /* counted; NULL for the export's root; immutable */
  struct sx_host_node *chain;  /* the next with the same key; lock */
  uint64_t key;                /* of parent, name and object; lock */
  size_t refs;                 /* answers, and child nodes; lock */
  char *name;                  /* as the host spells it, terminated; lock */
  struct sx_host_id object;    /* what it is; immutable, as is the next */
  struct sx_host_id entry;     /* what the name is: the object, or the symbolic link that led to it */

  int fd;                    /* O_PATH, close on exec; good while pinned; the root's always */
  _Atomic uint32_t pins;     /* who use fd just now, or SX_HOST_CLOSED */
  atomic_bool recent;        /* used since the hand of the clock came by */
  struct sx_host_node *next; /* with prev: the ring of those that have a descriptor; lock */
  struct sx_host_node *prev; /* NULL: not in it */
  struct sx_host_fh *fh;     /* what names the object for good; NULL: not asked yet; lock, until it is set */
};

#define SX_HOST_CLOSED UINT32_MAX

enum { SX_HOST_IDS = 64, SX_HOST_IDTEXT = 64 };

/* Texts of users and groups, as they were up to a minute ago. */
struct sx_host_ids {
  pthread_mutex_t lock; /* guards rows */
  struct sx_host_idrow {
    int64_t until; /* CLOCK_MONOTONIC seconds; 0: empty */
    uint32_t id;
    bool group;
    char text[SX_HOST_IDTEXT];
  } rows[SX_HOST_IDS];
};

struct sx_host_fh;
struct sx_host_user;
struct sx_host_users;

struct styx_hostfs {
  styx_fs_ops table; /* immutable, as are all to root */
  styx_allocator alloc;
  bool local;     /* on a filesystem that does not wait for what it has in memory */
  bool in_memory; /* and has everything there */
  uint64_t root_dev;
  uint8_t key[16];           /* for the table: names are chosen by peers */
  struct sx_host_node *root; /* one reference is ours */
  pthread_mutex_t lock;      /* guards nodes and what sx_host_node says; never held over a system call */
  struct sx_table nodes;     /* key -> chain of nodes */
  struct sx_host_node *hand; /* of the clock: the next of the ring that may have to give its descriptor up; lock */
  atomic_size_t open;        /* in the ring; written with lock */
  size_t max_open;           /* immutable, as are the next four */
  int mount_fd;              /* where file handles are opened; -1: we may not */
  int mount_id;              /* of the root */
  bool special;              /* FIFOs and devices may be opened */
  const struct sx_host_users *users; /* NULL: everybody is who serves */
  struct sx_host_ids ids;
  _Atomic bool no_cached_walk,
      no_cached_read; /* the kernel, or the filesystem, has no such call: it is not tried again */
};

/* ---- names (hostfs_names.c): pure ----
 *
 * 9P names are UTF-8, the host's are bytes. A byte 0xNN that is no part of valid UTF-8 is shown as the character
 * U+10FENN (of a private use plane), and so is, byte by byte, a character U+10FE80 to U+10FEFF that a name really has.
 * All other names are untouched, and every name has exactly one form. */

enum { SX_HOST_NAME = 4 * NAME_MAX };

/* The 9P form of a host's name of at most NAME_MAX bytes; borrows buf. */
styx_str sx_host_name_out(char buf[SX_HOST_NAME], const char *name);

/* The host's form, terminated. STYX_ENAME for what names no file of a directory or is not the one form of its name,
 * ENAMETOOLONG. */
styx_err sx_host_name_in(char buf[NAME_MAX + 1], styx_str name);

/* ---- users (hostfs_ids.c) ---- */

styx_err sx_host_ids_init(struct sx_host_ids *ids);
void sx_host_ids_fini(struct sx_host_ids *ids);
/* The name of a user or group, else its number, into buf. May block. */
styx_str sx_host_id_text(styx_hostfs *h, char buf[SX_HOST_IDTEXT], uint32_t id, bool group);
/* Would sx_host_id_text know both without asking? */
bool sx_host_ids_known(styx_hostfs *h, uint32_t uid, uint32_t gid);
/* The number of a name, or of a number's text. False: there is none. May block. */
bool sx_host_id_number(styx_hostfs *h, styx_str text, bool group, uint32_t *id);

/* ---- attributes (hostfs_attr.c) ---- */

/* Of an open object, or (name not empty) of one entry of a directory, not followed. */
styx_err sx_host_statx(int fd, const char *name, struct statx *st);
/* May statx of this node be called where nobody may wait? */
bool sx_host_is_at_hand(const styx_hostfs *h, const struct sx_host_node *node);
struct sx_host_id sx_host_id_of(const struct statx *st);
bool sx_host_id_eq(const struct sx_host_id *a, const struct sx_host_id *b);
styx_qid sx_host_qid(const styx_hostfs *h, const struct statx *st);

/* Everything an attr borrows. */
struct sx_host_texts {
  char name[SX_HOST_NAME], uid[SX_HOST_IDTEXT], gid[SX_HOST_IDTEXT];
};
/* name NULL: the root's. */
styx_attr sx_host_attr(styx_hostfs *h, const struct statx *st, const char *name, struct sx_host_texts *texts);

/* ---- nodes (hostfs_node.c) ---- */

/* The node of this object at this place: a new one, or the one that is there already. Takes fd, also when it fails. */
styx_err sx_host_node_get(struct sx_host_node **out, styx_hostfs *h, struct sx_host_node *parent, const char *name,
                          int fd, const struct statx *object, const struct sx_host_id *entry);
struct sx_host_node *sx_host_node_ref(styx_hostfs *h, struct sx_host_node *node);
void sx_host_node_put(styx_hostfs *h, struct sx_host_node *node);
void sx_host_node_name(styx_hostfs *h, const struct sx_host_node *node, char buf[NAME_MAX + 1]);
/* The object of node has been given this name in its directory. Out of memory it keeps the old one: sx_host_locate copes. */
void sx_host_node_renamed(styx_hostfs *h, struct sx_host_node *node, const char *name);

/* ---- descriptors of nodes (hostfs_fds.c) ----
 *
 * Between sx_host_pin and sx_host_unpin the descriptor of a node stays what it is. Whoever pins has a reference to the node, and
 * holds no lock. */

/* It, or a negative errno: ESTALE when the object can no longer be found. May block. */
int sx_host_pin(styx_hostfs *h, struct sx_host_node *node);
/* The same where nobody may wait: EAGAIN when it has none just now. */
int sx_host_pin_now(struct sx_host_node *node);
void sx_host_unpin(struct sx_host_node *node);

/* node, which is new, has fd. With the lock. */
void sx_host_fd_give(styx_hostfs *h, struct sx_host_node *node, int fd);
/* It is going: its descriptor, to be closed without the lock, or -1. With the lock; nobody has pinned it. */
int sx_host_fd_take(styx_hostfs *h, struct sx_host_node *node);
/* No room for another descriptor but by taking some node's? */
bool sx_host_fds_full(const styx_hostfs *h);
/* Let nodes give descriptors up while there are more than may be. May block. */
void sx_host_fds_trim(styx_hostfs *h);
/* Let some nodes give theirs up although there are fewer; false when none could. May block. */
bool sx_host_fds_spare(styx_hostfs *h);

/* What the object of fd is called for good. NULL: out of memory. */
struct sx_host_fh *sx_host_fh_of(styx_hostfs *h, int fd);
/* Two objects of filesystems that have no such thing are alike. */
bool sx_host_fh_eq(struct sx_host_fh *a, struct sx_host_fh *b);
void sx_host_fh_free(styx_hostfs *h, struct sx_host_fh *fh);

/* ---- reaching things (hostfs_find.c) ---- */

/* openat2 with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS and close-on-exec: a descriptor or the negative errno. Nodes give theirs up
 * if there is none left. EAGAIN: somebody renames so much that the kernel cannot be sure of the way. */
int sx_host_openat(styx_hostfs *h, int dirfd, const char *name, uint64_t flags, uint64_t mode);
/* Open the object of an O_PATH descriptor of ours again, with other flags; as above. */
int sx_host_reopen(styx_hostfs *h, int fd, int flags);

/* A descriptor of what the symbolic link name in the directory dirfd leads to, or a negative errno. */
int sx_host_follow(styx_hostfs *h, int dirfd, const char *name);
/* Is a failure of sx_host_follow no property of the link? */
bool sx_host_is_passing(int err);

enum { SX_HOST_FDPATH = sizeof "/proc/self/fd/-2147483648" };
/* The path of a descriptor of ours, for system calls that take a path only. It is made here, from a number, so it leads to
 * the object and nowhere else. */
void sx_host_fdpath(char buf[SX_HOST_FDPATH], int fd);

/* Where node is now: name in the directory dirfd is node->entry. */
struct sx_host_place {
  int dirfd;
  int own;                     /* to be closed, or -1 */
  struct sx_host_node *pinned; /* or NULL, as the next */
  struct sx_host_node *held;
  char name[NAME_MAX + 1];
};
/* ENOENT: nowhere beneath the export. EBUSY: it is the export's root. */
styx_err sx_host_locate(styx_hostfs *h, struct sx_host_node *node, struct sx_host_place *place);
void sx_host_place_end(struct sx_host_place *place);

/* ---- handles (hostfs_open.c, hostfs_io.c, hostfs_dir.c) ---- */

struct sx_host_handle {
  int fd;
  bool stream; /* has no offset */
  bool rclose;
  const struct sx_host_user *user; /* who opened it; NULL: who serves */
  struct sx_host_cursor *cursor;   /* a directory; NULL otherwise */
};

struct sx_host_cursor *sx_host_cursor_new(styx_hostfs *h);
void sx_host_cursor_free(styx_hostfs *h, struct sx_host_cursor *cursor);

/* ---- users of the export (hostfs_users.c) ---- */

/* Copies what config says of users; NULL in *out: it says nothing. EPERM: we cannot be somebody else. */
styx_err sx_host_users_new(const struct sx_host_users **out, const styx_allocator *alloc,
                           const styx_hostfs_config *config);
void sx_host_users_free(const styx_allocator *alloc, const struct sx_host_users *users);
/* Where users are known; NULL: not this one. */
const struct sx_host_user *sx_host_user_of(const styx_hostfs *h, styx_str name);
/* Have the operations that the kernel has to check done as who asks. */
void sx_host_users_install(styx_fs_ops *table);
/* Of this thread. EPERM: we cannot, and are who we were. NULL: stay that. */
styx_err sx_host_become(const struct sx_host_users *users, const struct sx_host_user *user);
/* Be who serves again; who that ends being. */
const struct sx_host_user *sx_host_unbecome(const struct sx_host_users *users);

/* ---- operations of styx_fs_ops ---- */

styx_answer sx_host_walk(styx_req *req, void *node, styx_str name);
styx_answer sx_host_open(styx_req *req, void *node, uint32_t flags);
styx_answer sx_host_create(styx_req *req, void *node, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid);
styx_answer sx_host_read(styx_req *req, void *node, void *handle, uint64_t offset, uint32_t count);
styx_answer sx_host_write(styx_req *req, void *node, void *handle, uint64_t offset, const void *data, uint32_t count);
styx_answer sx_host_readdir(styx_req *req, void *node, void *handle, uint64_t cookie);
styx_answer sx_host_getattr(styx_req *req, void *node, void *handle);
styx_answer sx_host_setattr(styx_req *req, void *node, void *handle, const styx_setattr *set);
styx_answer sx_host_remove(styx_req *req, void *node);
styx_answer sx_host_fsync(styx_req *req, void *node, void *handle, bool datasync);
styx_err sx_host_close(void *ctx, void *node, void *handle);

/* Remove node from its place; of the link, if it is one. */
styx_err sx_host_unlink(styx_hostfs *h, struct sx_host_node *node);

#endif
