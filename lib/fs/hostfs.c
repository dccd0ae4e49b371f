/* hostfs.c: a directory of the host as a filesystem: making it, and its table of operations. */
#include "fs/host.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

static styx_answer attach(styx_req *req) {
  styx_hostfs *h = styx_req_ctx(req);
  styx_str user = styx_req_user(req);
  struct statx st;
  if (h->users && !sx_host_user_of(h, user))
    return styx_reply_error_text(req, EACCES, "the user '%.*s' has no access to this export",
                                 user.len > 64 ? 64 : (int)user.len, user.s);
  styx_err err = sx_host_statx(h->root->fd, "", &st);
  if (err)
    return styx_reply_error(req, err);
  return styx_reply_node(req, sx_host_node_ref(h, h->root), sx_host_qid(h, &st));
}

static void forget(void *ctx, void *node) { sx_host_node_put(ctx, node); }

static const styx_fs_ops ops = {
    .size = sizeof ops,
    .name = "hostfs",
    .serial = STYX_PARALLEL,
    .blocking = STYX_OP(read), /* of a FIFO, until somebody writes to it */
    .detachable = STYX_OP(walk) | STYX_OP(read) | STYX_OP(getattr),
    .attach = attach,
    .walk = sx_host_walk,
    .open = sx_host_open,
    .create = sx_host_create,
    .read = sx_host_read,
    .write = sx_host_write,
    .readdir = sx_host_readdir,
    .getattr = sx_host_getattr,
    .setattr = sx_host_setattr,
    .remove = sx_host_remove,
    .fsync = sx_host_fsync,
    .close = sx_host_close,
    .forget = forget,
};

enum {
  /* Not close and forget: the last descriptor of a file that was removed frees what it has on the disk. */
  AT_HAND = STYX_OP(attach) | STYX_OP(walk) | STYX_OP(read) | STYX_OP(getattr)
};

enum { MOST_OPEN = 1 << 20 };

styx_fs styx_hostfs_fs(styx_hostfs *hostfs) { return (styx_fs){&hostfs->table, hostfs}; }

/* ---- making ---- */

/* A descriptor of our own of the directory. A dirfd is opened anew: it may have no close-on-exec, and only ours is sure to
 * name a directory. */
static int open_root(const char *path, int dirfd) {
  int from = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : dirfd;
  if (from < 0)
    return path ? -errno : -EBADF;
  int root = sx_host_openat(NULL, from, ".", O_PATH | O_DIRECTORY, 0);
  if (path)
    close(from);
  return root;
}

/* Only those of which it is known; whatever else there is may have a network behind it. */
static void look_at_filesystem(styx_hostfs *h, int fd) {
  struct statfs st;
  if (fstatfs(fd, &st) < 0)
    return;
  h->in_memory = st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC;
  h->local =
      h->in_memory || st.f_type == EXT4_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC || st.f_type == BTRFS_SUPER_MAGIC;
}

static styx_err make_root(styx_hostfs *h, const char *path, int dirfd) {
  struct statx st;
  int fd = open_root(path, dirfd);
  if (fd < 0)
    return -fd;
  styx_err err = sx_host_statx(fd, "", &st);
  if (err) {
    close(fd);
    return err;
  }
  h->root_dev = sx_host_id_of(&st).dev;
  look_at_filesystem(h, fd);
  h->table = ops;
  h->table.nowait = h->local ? AT_HAND : 0;
  if (h->users)
    sx_host_users_install(&h->table);
  return sx_host_node_get(&h->root, h, NULL, "", fd, &st, NULL);
}

/* Root may open files by their handles. */
static void prepare_handles(styx_hostfs *h) {
  struct file_handle probe = {.handle_bytes = 0};
  if (geteuid() != 0)
    return;
  (void)!name_to_handle_at(h->root->fd, "", &probe, &h->mount_id, AT_EMPTY_PATH); /* says so whatever it returns */
  h->mount_fd = sx_host_reopen(NULL, h->root->fd, O_RDONLY | O_DIRECTORY);
}

/* The other half is for connections and for what is open. */
static size_t half_of_all(void) {
  struct rlimit files = {.rlim_cur = RLIM_INFINITY};
  getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur / 2 < MOST_OPEN ? (size_t)files.rlim_cur / 2 : MOST_OPEN;
}

static styx_err init(styx_hostfs *h, const char *path, int dirfd) {
  uint64_t seed;
  if (getrandom(h->key, sizeof h->key, 0) != sizeof h->key || getrandom(&seed, sizeof seed, 0) != sizeof seed)
    return errno ? errno : EIO;
  styx_err err = pthread_mutex_init(&h->lock, NULL);
  if (err)
    return err;
  err = sx_host_ids_init(&h->ids);
  if (!err) {
    sx_table_init(&h->nodes, &h->alloc, seed);
    err = make_root(h, path, dirfd);
    if (!err) {
      prepare_handles(h);
      return STYX_OK;
    }
    sx_table_fini(&h->nodes);
    sx_host_ids_fini(&h->ids);
  }
  pthread_mutex_destroy(&h->lock);
  return err;
}

/* A config from an older program is shorter. */
static styx_hostfs_config read_config(const styx_hostfs_config *given) {
  styx_hostfs_config config = {0};
  if (given)
    memcpy(&config, given, given->size < sizeof config ? given->size : sizeof config);
  return config;
}

styx_err styx_hostfs_new_with(styx_hostfs **out, const char *path, int dirfd, const styx_hostfs_config *given) {
  const styx_hostfs_config config = read_config(given);
  styx_hostfs *h = sx_zalloc(config.allocator, sizeof *h);
  if (!h)
    return ENOMEM;
  if (config.allocator)
    h->alloc = *config.allocator;
  h->mount_fd = -1;
  h->special = config.special;
  h->max_open = config.descriptors ? config.descriptors : half_of_all();
  styx_err err = sx_host_users_new(&h->users, &h->alloc, &config);
  if (!err)
    err = init(h, path, dirfd);
  if (err) {
    sx_host_users_free(&h->alloc, h->users);
    sx_free(config.allocator, h, sizeof *h);
    return err;
  }
  if (!path)
    close(dirfd);
  *out = h;
  return STYX_OK;
}

styx_err styx_hostfs_new(styx_hostfs **out, const char *path, int dirfd, const styx_allocator *allocator) {
  const styx_hostfs_config config = {.size = sizeof config, .allocator = allocator};
  return styx_hostfs_new_with(out, path, dirfd, &config);
}

void styx_hostfs_free(styx_hostfs *hostfs) {
  if (!hostfs)
    return;
  styx_allocator alloc = hostfs->alloc;
  sx_host_node_put(hostfs, hostfs->root);
  sx_table_fini(&hostfs->nodes);
  sx_host_ids_fini(&hostfs->ids);
  sx_host_users_free(&alloc, hostfs->users);
  if (hostfs->mount_fd >= 0)
    close(hostfs->mount_fd);
  pthread_mutex_destroy(&hostfs->lock);
  sx_free(&alloc, hostfs, sizeof *hostfs);
}
