/* hostfs.c: a directory of the host as a filesystem: making it, and its table of operations. */
#include "fs/host.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/random.h>
#include <sys/vfs.h>
#include <unistd.h>

static styx_answer attach(styx_req *req) {
  styx_hostfs *h = styx_req_ctx(req);
  struct statx st;
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

styx_fs styx_hostfs_fs(styx_hostfs *hostfs) { return (styx_fs){&hostfs->table, hostfs}; }

/* ---- making ---- */

/* A descriptor of our own of the directory. A dirfd is opened anew: it may have no close-on-exec, and only ours is sure to
 * name a directory. */
static int open_root(const char *path, int dirfd) {
  int from = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : dirfd;
  if (from < 0)
    return path ? -errno : -EBADF;
  int root = sx_host_openat(from, ".", O_PATH | O_DIRECTORY, 0);
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
  return sx_host_node_get(&h->root, h, NULL, "", fd, &st, NULL);
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
    if (!err)
      return STYX_OK;
    sx_table_fini(&h->nodes);
    sx_host_ids_fini(&h->ids);
  }
  pthread_mutex_destroy(&h->lock);
  return err;
}

styx_err styx_hostfs_new(styx_hostfs **out, const char *path, int dirfd, const styx_allocator *allocator) {
  styx_hostfs *h = sx_zalloc(allocator, sizeof *h);
  if (!h)
    return ENOMEM;
  if (allocator)
    h->alloc = *allocator;
  styx_err err = init(h, path, dirfd);
  if (err) {
    sx_free(allocator, h, sizeof *h);
    return err;
  }
  if (!path)
    close(dirfd);
  *out = h;
  return STYX_OK;
}

void styx_hostfs_free(styx_hostfs *hostfs) {
  if (!hostfs)
    return;
  styx_allocator alloc = hostfs->alloc;
  sx_host_node_put(hostfs, hostfs->root);
  sx_table_fini(&hostfs->nodes);
  sx_host_ids_fini(&hostfs->ids);
  pthread_mutex_destroy(&hostfs->lock);
  sx_free(&alloc, hostfs, sizeof *hostfs);
}
