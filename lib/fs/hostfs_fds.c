/* hostfs_fds.c: the descriptors of nodes, of which there are fewer than nodes. Those that have one stand in a ring, and a hand
 * that goes round takes the next that was not used since it came by last (the clock algorithm).
 *
 * A descriptor keeps an inode from being used for another file; a node without one has to be sure by other means that it
 * finds its object again: by the time of birth, and by the file handle, which holds the inode's generation. A node that has
 * neither keeps its descriptor. */
#include "fs/host.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
  LOOKS = 256, /* at nodes, under one hold of the lock */
  SPARES = 16  /* descriptors to give up when the process has no more */
};

struct sx_host_fh {
  int mount;
  bool none;      /* the filesystem has no such thing */
  uint32_t bytes; /* of the kernel's handle */
  _Alignas(struct file_handle) unsigned char room[];
};

static struct file_handle *kernels(struct sx_host_fh *fh) { return (void *)fh->room; }

/* ---- pins: a use comes after the descriptor was stored, and before it is closed ---- */

int sx_host_pin_now(struct sx_host_node *node) {
  if (!node->parent)
    return node->fd;
  uint32_t pins = atomic_load_explicit(&node->pins, memory_order_relaxed);
  do
    if (pins == SX_HOST_CLOSED)
      return -EAGAIN;
  /* acquire: pairs with the release in sx_host_fd_give */
  while (
      !atomic_compare_exchange_weak_explicit(&node->pins, &pins, pins + 1, memory_order_acquire, memory_order_relaxed));
  if (!atomic_load_explicit(&node->recent, memory_order_relaxed)) /* a hint; not stored when set, as it is shared */
    atomic_store_explicit(&node->recent, true, memory_order_relaxed);
  return node->fd;
}

void sx_host_unpin(struct sx_host_node *node) {
  if (node->parent)
    atomic_fetch_sub_explicit(&node->pins, 1, memory_order_release); /* pairs with the acquire in give_up */
}

/* ---- the ring; lock is held ---- */

static void count(styx_hostfs *h, int by) {
  size_t open = atomic_load_explicit(&h->open, memory_order_relaxed);
  atomic_store_explicit(&h->open, open + (size_t)by, memory_order_relaxed);
}

static void into_ring(styx_hostfs *h, struct sx_host_node *node) {
  if (!h->hand) {
    h->hand = node->next = node->prev = node;
  } else { /* behind the hand: it is the last that is looked at */
    node->next = h->hand;
    node->prev = h->hand->prev;
    node->prev->next = node->next->prev = node;
  }
  count(h, 1);
}

static void out_of_ring(styx_hostfs *h, struct sx_host_node *node) {
  if (h->hand == node)
    h->hand = node->next == node ? NULL : node->next;
  node->prev->next = node->next;
  node->next->prev = node->prev;
  node->next = node->prev = NULL;
  count(h, -1);
}

void sx_host_fd_give(styx_hostfs *h, struct sx_host_node *node, int fd) {
  node->fd = fd;
  if (node->parent)
    into_ring(h, node);
  atomic_store_explicit(&node->pins, 0, memory_order_release); /* pairs with sx_host_pin_now */
}

int sx_host_fd_take(styx_hostfs *h, struct sx_host_node *node) {
  if (atomic_load_explicit(&node->pins, memory_order_acquire) == SX_HOST_CLOSED)
    return -1;
  if (node->prev)
    out_of_ring(h, node);
  atomic_store_explicit(&node->pins, SX_HOST_CLOSED, memory_order_relaxed);
  return node->fd;
}

/* ---- file handles ---- */

static size_t fh_size(uint32_t bytes) { return sizeof(struct sx_host_fh) + sizeof(struct file_handle) + bytes; }

void sx_host_fh_free(styx_hostfs *h, struct sx_host_fh *fh) {
  if (fh)
    sx_free(&h->alloc, fh, fh_size(fh->bytes));
}

struct sx_host_fh *sx_host_fh_of(styx_hostfs *h, int fd) {
  struct file_handle probe = {.handle_bytes = 0};
  int mount = -1;
  bool has = name_to_handle_at(fd, "", &probe, &mount, AT_EMPTY_PATH) < 0 && errno == EOVERFLOW;
  uint32_t bytes = has ? probe.handle_bytes : 0;
  struct sx_host_fh *fh = sx_zalloc(&h->alloc, fh_size(bytes));
  if (!fh)
    return NULL;
  fh->bytes = kernels(fh)->handle_bytes = bytes;
  fh->none = !has || name_to_handle_at(fd, "", kernels(fh), &fh->mount, AT_EMPTY_PATH) < 0 ||
             kernels(fh)->handle_bytes != bytes;
  return fh;
}

bool sx_host_fh_eq(struct sx_host_fh *a, struct sx_host_fh *b) {
  if (a->none || b->none)
    return a->none == b->none;
  return kernels(a)->handle_type == kernels(b)->handle_type && a->bytes == b->bytes &&
         memcmp(kernels(a)->f_handle, kernels(b)->f_handle, a->bytes) == 0;
}

/* ---- giving up ---- */

bool sx_host_fds_full(const styx_hostfs *h) {
  return atomic_load_explicit(&h->open, memory_order_relaxed) >= h->max_open;
}

/* A node that nobody uses, pinned and referred to by us. */
static struct sx_host_node *choose(styx_hostfs *h) {
  struct sx_host_node *found = NULL;
  pthread_mutex_lock(&h->lock);
  for (int i = 0; i < LOOKS && !found && h->hand; i++) {
    struct sx_host_node *node = h->hand;
    uint32_t none = 0;
    h->hand = node->next;
    bool sure = node->object.birth || !node->fh || !node->fh->none;
    bool recent = atomic_exchange_explicit(&node->recent, false, memory_order_relaxed);
    if (sure && !recent &&
        atomic_compare_exchange_strong_explicit(&node->pins, &none, 1, memory_order_acquire, memory_order_relaxed)) {
      node->refs++;
      found = node;
    }
  }
  pthread_mutex_unlock(&h->lock);
  return found;
}

/* Unless somebody has begun to use it meanwhile: its descriptor, which is ours to close, or -1. */
static int give_up(styx_hostfs *h, struct sx_host_node *node) {
  struct sx_host_fh *fh = node->fh ? NULL : sx_host_fh_of(h, node->fd);
  uint32_t ours = 1;
  int fd = -1;
  pthread_mutex_lock(&h->lock);
  if (!node->fh) {
    node->fh = fh;
    fh = NULL;
  }
  bool sure = node->fh && (node->object.birth || !node->fh->none);
  if (sure && atomic_compare_exchange_strong_explicit(&node->pins, &ours, SX_HOST_CLOSED, memory_order_acquire,
                                                      memory_order_relaxed)) {
    fd = node->fd;
    out_of_ring(h, node);
  }
  pthread_mutex_unlock(&h->lock);
  sx_host_fh_free(h, fh);
  if (fd < 0)
    sx_host_unpin(node);
  return fd;
}

static bool give_up_one(styx_hostfs *h) {
  struct sx_host_node *node = choose(h);
  if (!node)
    return false;
  int fd = give_up(h, node);
  if (fd >= 0)
    close(fd);
  sx_host_node_put(h, node);
  return fd >= 0;
}

/* It need not succeed: more than may be is no harm for a while. */
void sx_host_fds_trim(styx_hostfs *h) {
  for (int tries = 2; tries && atomic_load_explicit(&h->open, memory_order_relaxed) > h->max_open;)
    tries -= !give_up_one(h);
}

bool sx_host_fds_spare(styx_hostfs *h) {
  int given = 0;
  size_t round = atomic_load_explicit(&h->open, memory_order_relaxed) / LOOKS + 1;
  /* Two rounds: the first may find only what was used since the hand came by last. */
  for (size_t tries = 2 * round; tries && given < SPARES;) {
    bool one = give_up_one(h);
    given += one;
    tries -= !one;
  }
  return given > 0;
}

/* ---- getting back ---- */

static bool is_object(const struct sx_host_id *id, int fd) {
  struct statx st;
  if (sx_host_statx(fd, "", &st))
    return false;
  struct sx_host_id found = sx_host_id_of(&st);
  return sx_host_id_eq(&found, id);
}

/* ESTALE: it is another. */
static styx_err check(styx_hostfs *h, const struct sx_host_node *node, int fd) {
  if (!is_object(&node->object, fd))
    return ESTALE;
  struct sx_host_fh *fh = sx_host_fh_of(h, fd);
  if (!fh)
    return ENOMEM;
  bool same = sx_host_fh_eq(fh, node->fh); /* it has one, since it was closed */
  sx_host_fh_free(h, fh);
  return same ? STYX_OK : ESTALE;
}

static int verified(styx_hostfs *h, const struct sx_host_node *node, int fd) {
  styx_err err = fd < 0 ? STYX_OK : check(h, node, fd);
  if (!err)
    return fd;
  close(fd);
  return -err;
}

/* node is at its place in the directory dirfd, or not. */
static int open_at_place(styx_hostfs *h, const struct sx_host_node *node, int dirfd) {
  char name[NAME_MAX + 1];
  sx_host_node_name(h, node, name);
  int fd = sx_host_openat(h, dirfd, name, O_PATH | O_NOFOLLOW, 0);
  if (fd < 0 || !S_ISLNK(node->entry.type) || S_ISLNK(node->object.type))
    return verified(h, node, fd);
  bool same = is_object(&node->entry, fd);
  close(fd);
  return same ? verified(h, node, sx_host_follow(h, dirfd, name)) : -ESTALE;
}

/* From the nearest ancestor that has a descriptor (the root has), down, element by element. */
static int open_by_way(styx_hostfs *h, struct sx_host_node *node) {
  size_t depth = 0;
  struct sx_host_node *top = node, **way;
  int base, fd;
  do {
    top = top->parent;
    depth++;
  } while ((base = sx_host_pin_now(top)) < 0);
  way = sx_alloc(&h->alloc, depth * sizeof(struct sx_host_node *));
  fd = way ? base : -ENOMEM;
  for (size_t i = 0; way && i < depth; i++, node = node->parent)
    way[depth - 1 - i] = node;
  for (size_t i = 0; fd >= 0 && i < depth; i++) {
    int next = open_at_place(h, way[i], fd);
    if (fd != base)
      close(fd);
    fd = next;
  }
  sx_host_unpin(top);
  sx_free(&h->alloc, way, depth * sizeof(struct sx_host_node *));
  return fd;
}

/* It may have been moved or removed since; the handle leads to it all the same, as its descriptor would have. Not over a border
 * of mounts, beyond which other rules may hold (read-only). */
static int open_by_handle(styx_hostfs *h, const struct sx_host_node *node) {
  if (h->mount_fd < 0 || !node->fh || node->fh->none || node->fh->mount != h->mount_id)
    return -ESTALE;
  int fd;
  do
    fd = open_by_handle_at(h->mount_fd, kernels(node->fh), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  while (fd < 0 && errno == EMFILE && sx_host_fds_spare(h));
  return fd < 0 ? errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ESTALE : verified(h, node, fd);
}

/* As who serves: who may use a node has shown that when it was reached, as with a descriptor that was kept. */
static int find_again(styx_hostfs *h, struct sx_host_node *node) {
  const struct sx_host_user *user = sx_host_unbecome(h->users);
  int fd = open_by_way(h, node);
  if (fd < 0 && !sx_host_is_passing(fd))
    fd = open_by_handle(h, node);
  styx_err err = sx_host_become(h->users, user);
  if (!err)
    return fd < 0 && !sx_host_is_passing(fd) ? -ESTALE : fd;
  if (fd >= 0)
    close(fd);
  return -err;
}

int sx_host_pin(styx_hostfs *h, struct sx_host_node *node) {
  int fd = sx_host_pin_now(node), again;
  if (fd != -EAGAIN)
    return fd;
  again = find_again(h, node);
  if (again < 0)
    return again;
  pthread_mutex_lock(&h->lock);
  bool closed = atomic_load_explicit(&node->pins, memory_order_relaxed) == SX_HOST_CLOSED;
  if (closed)
    sx_host_fd_give(h, node, again);
  fd = sx_host_pin_now(node); /* nobody takes it away: that is done with the lock */
  pthread_mutex_unlock(&h->lock);
  if (!closed)
    close(again);
  sx_host_fds_trim(h);
  return fd;
}
