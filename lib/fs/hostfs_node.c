/* hostfs_node.c: the table of nodes, one for each object at each place in use. */
#include "fs/host.h"

#include "base/alloc.h"
#include "fs/siphash.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- the table; lock is held ---- */

static uint64_t key_of(const styx_hostfs *h, const struct sx_host_node *parent, const struct sx_host_id *object,
                       const char *name) {
  struct {
    uint64_t dev, ino, parent;
    char name[NAME_MAX + 1];
  } place = {object->dev, object->ino, (uintptr_t)parent, {0}};
  size_t len = strlen(name);
  memcpy(place.name, name, len);
  return sx_siphash24(h->key, &place, 3 * sizeof(uint64_t) + len);
}

static bool has_fd(const struct sx_host_node *n) {
  return atomic_load_explicit(&n->pins, memory_order_relaxed) != SX_HOST_CLOSED;
}

static bool is_like(const struct sx_host_node *n, const struct sx_host_node *like) {
  return n->parent == like->parent && sx_host_id_eq(&n->object, &like->object) &&
         sx_host_id_eq(&n->entry, &like->entry) && strcmp(n->name, like->name) == 0;
}

/* One that has no descriptor may be of a file that is gone, and whose inode, even with that time of birth, is a new one's: then
 * file handles tell. *ask: like needs one for that. */
static struct sx_host_node *find(const styx_hostfs *h, const struct sx_host_node *like, bool *ask) {
  for (struct sx_host_node *n = sx_table_get(&h->nodes, like->key); n; n = n->chain) {
    if (!is_like(n, like))
      continue;
    if (has_fd(n) || (like->fh && sx_host_fh_eq(n->fh, like->fh)))
      return n;
    *ask |= !like->fh;
  }
  return NULL;
}

/* After sx_table_reserve. Two nodes can come to be the same when others rename; both stay. */
static void insert(styx_hostfs *h, struct sx_host_node *node) {
  node->chain = sx_table_get(&h->nodes, node->key);
  sx_table_put(&h->nodes, node->key, node);
}

static void take_out(styx_hostfs *h, struct sx_host_node *node) {
  struct sx_host_node *n = sx_table_get(&h->nodes, node->key);
  assert(n);
  if (n == node && !n->chain) {
    sx_table_del(&h->nodes, node->key);
  } else if (n == node) {
    sx_table_put(&h->nodes, node->key, n->chain);
  } else {
    while (n->chain != node)
      n = n->chain;
    n->chain = node->chain;
  }
  node->chain = NULL;
}

/* ---- making and freeing: no lock ---- */

static char *copy_name(styx_hostfs *h, const char *name) {
  char *copy = sx_alloc(&h->alloc, strlen(name) + 1);
  return copy ? strcpy(copy, name) : NULL;
}

static void free_name(styx_hostfs *h, char *name) {
  if (name)
    sx_free(&h->alloc, name, strlen(name) + 1);
}

static void free_node(styx_hostfs *h, struct sx_host_node *node) {
  sx_host_fh_free(h, node->fh);
  free_name(h, node->name);
  sx_free(&h->alloc, node, sizeof *node);
}

static struct sx_host_node *new_node(styx_hostfs *h, struct sx_host_node *parent, const char *name,
                                     const struct statx *object, const struct sx_host_id *entry) {
  struct sx_host_node *node = sx_zalloc(&h->alloc, sizeof *node);
  if (!node)
    return NULL;
  *node = (struct sx_host_node){.parent = parent, .refs = 1, .object = sx_host_id_of(object)};
  atomic_init(&node->pins, SX_HOST_CLOSED);
  node->entry = entry ? *entry : node->object;
  node->key = key_of(h, parent, &node->object, name);
  node->name = copy_name(h, name);
  if (!node->name) {
    free_node(h, node);
    return NULL;
  }
  return node;
}

/* The node in the table that is like this one, else this one. It has a descriptor: if it is *fd, that is -1 now. NULL: there is no
 * room; or *ask: node needs a file handle first. */
static struct sx_host_node *enter(styx_hostfs *h, struct sx_host_node *node, int *fd, bool *ask) {
  pthread_mutex_lock(&h->lock);
  struct sx_host_node *known = find(h, node, ask), *in = known;
  if (known) {
    known->refs++;
  } else if (!*ask && sx_table_reserve(&h->nodes)) {
    in = node;
    insert(h, node);
    if (node->parent)
      node->parent->refs++;
  }
  if (in && !has_fd(in)) {
    sx_host_fd_give(h, in, *fd);
    *fd = -1;
  }
  pthread_mutex_unlock(&h->lock);
  return in;
}

styx_err sx_host_node_get(struct sx_host_node **out, styx_hostfs *h, struct sx_host_node *parent, const char *name,
                          int fd, const struct statx *object, const struct sx_host_id *entry) {
  struct sx_host_node *node = new_node(h, parent, name, object, entry), *in = NULL;
  bool ask = false;
  if (node)
    in = enter(h, node, &fd, &ask);
  if (ask && !in && (node->fh = sx_host_fh_of(h, fd))) {
    ask = false;
    in = enter(h, node, &fd, &ask);
  }
  if (fd >= 0)
    close(fd);
  if (node && node != in)
    free_node(h, node);
  if (!in)
    return ENOMEM;
  *out = in;
  return STYX_OK;
}

/* ---- references ---- */

struct sx_host_node *sx_host_node_ref(styx_hostfs *h, struct sx_host_node *node) {
  pthread_mutex_lock(&h->lock);
  node->refs++;
  pthread_mutex_unlock(&h->lock);
  return node;
}

/* One reference less: true if it was the last and node is out of the table, and its descriptor closed. */
static bool drop(styx_hostfs *h, struct sx_host_node *node) {
  int fd = -1;
  pthread_mutex_lock(&h->lock);
  bool last = --node->refs == 0;
  if (last) {
    take_out(h, node);
    fd = sx_host_fd_take(h, node);
  }
  pthread_mutex_unlock(&h->lock);
  if (fd >= 0)
    close(fd);
  return last;
}

void sx_host_node_put(styx_hostfs *h, struct sx_host_node *node) {
  while (node && drop(h, node)) {
    struct sx_host_node *parent = node->parent;
    free_node(h, node);
    node = parent;
  }
}

/* ---- names ---- */

void sx_host_node_name(styx_hostfs *h, const struct sx_host_node *node, char buf[NAME_MAX + 1]) {
  pthread_mutex_lock(&h->lock);
  strcpy(buf, node->name);
  pthread_mutex_unlock(&h->lock);
}

void sx_host_node_renamed(styx_hostfs *h, struct sx_host_node *node, const char *name) {
  char *other = copy_name(h, name);
  pthread_mutex_lock(&h->lock);
  if (other && sx_table_reserve(&h->nodes)) {
    take_out(h, node);
    char *old = node->name;
    node->name = other;
    other = old;
    node->key = key_of(h, node->parent, &node->object, node->name);
    insert(h, node);
  }
  pthread_mutex_unlock(&h->lock);
  free_name(h, other);
}
