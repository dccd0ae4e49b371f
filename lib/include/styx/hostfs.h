/* styx/hostfs.h: a directory of the host, exported.
 *
 * Every access goes through openat2 with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS from a descriptor of the directory: no
 * path string from a client is ever resolved by the kernel from the outside, and nothing beyond the directory is reachable.
 * A node names the object, not its path: renames by anybody and removal do not disturb a fid. Symbolic links are shown as
 * what they point to where that lies beneath the export. Permissions are the kernel's, of the process that serves or of the user
 * that the config names for who asks. qid.path is equal across restarts and between servers of the same directory (design.md 6).
 *
 * There may be more nodes than descriptors. One that is not in use gives its own up when there are too many, and is opened again,
 * at its place, when it is used; what is found there has to be the same object (device, inode, time of birth, file handle). ESTALE
 * when it is not, because somebody else has moved or removed it meanwhile; root finds it by its file handle all the same. So
 * only open files need a descriptor each: EMFILE when there is none.
 *
 * Names: 9P's are UTF-8, the host's are bytes. A byte that is no part of valid UTF-8 is shown as a character of a private plane
 * (U+10FE80 to U+10FEFF) in listings, stat and walks alike, and each name has one form only.
 *
 * FIFOs, devices and sockets are opened only where the config says so (EACCES, with words), and never wait for the other end; nor
 * does anything wait for a lease of somebody else (EAGAIN).
 *
 * Operations may block. On filesystems that are known to be local (ext2 to ext4, XFS, Btrfs, tmpfs, ramfs) attach, walk, getattr
 * and read are declared nowait (fs.h): what the kernel has in memory is answered at once. read is declared blocking too: one of
 * a FIFO or a device waits until there is something, or until it is cancelled; without a hook for styx_req_cancel_fd it says
 * EAGAIN instead.
 */
#ifndef STYX_HOSTFS_H
#define STYX_HOSTFS_H

#include <styx/alloc.h>
#include <styx/fs.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_hostfs styx_hostfs;

/* Somebody whom the export knows, and who that is on the host. */
typedef struct styx_hostfs_user {
  const char *name; /* as in Tattach; "*": whoever has no row */
  uint32_t uid, gid;
  const uint32_t *groups; /* besides gid; may be NULL when there are none */
  size_t ngroups;
} styx_hostfs_user;

/* Who is nobody. Source: the words of exports(5). */
typedef enum styx_squash {
  STYX_SQUASH_ROOT, /* whose row has uid 0; and group 0, whosoever's, is nobody's */
  STYX_SQUASH_NONE,
  STYX_SQUASH_ALL /* everybody, whatever rows there are */
} styx_squash;

typedef struct styx_hostfs_config {
  size_t size;                     /* sizeof(styx_hostfs_config): fields past it count as zero */
  const styx_allocator *allocator; /* NULL: malloc; copied */
  const styx_hostfs_user *users;   /* copied */
  size_t nusers;                   /* 0: everybody acts as who serves */
  styx_squash squash;              /* without users only STYX_SQUASH_ALL means something */
  uint32_t anon_uid, anon_gid;     /* nobody; 0: 65534 */
  uint32_t descriptors; /* at most so many for files that fids are on and that are not open; 0: half of RLIMIT_NOFILE */
  bool special;         /* FIFOs and devices may be opened */
} styx_hostfs_config;

/* Open dir (a path, or an open descriptor of a directory when path is NULL: taken over when this succeeds). Errors are the kernel's; ENOSYS
 * where it has no openat2 (before Linux 5.6). May block, like every operation of this filesystem. */
STYX_API styx_err styx_hostfs_new(styx_hostfs **out, const char *path, int dirfd, const styx_allocator *allocator);
/* The same with a config, which may be NULL. With users, or STYX_SQUASH_ALL, EPERM unless the process is root with the power to
 * be others (CAP_SETUID, CAP_SETGID); it has to stay that, and to keep its groups. EEXIST for two rows of one name, EINVAL for an
 * id that is none. With its id such a process gives up its power over files, for the time of an operation, and no other: keep
 * CAP_SYS_RESOURCE, and users get past their quotas of the disk. */
STYX_API styx_err styx_hostfs_new_with(styx_hostfs **out, const char *path, int dirfd,
                                       const styx_hostfs_config *config);
/* Only when no session serves it any more. */
STYX_API void styx_hostfs_free(styx_hostfs *hostfs);
STYX_API styx_fs styx_hostfs_fs(styx_hostfs *hostfs);

#ifdef __cplusplus
}
#endif
#endif
