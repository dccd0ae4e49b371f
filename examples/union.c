/* union.c: several file servers as one: the first that has a name has it.
 *
 *     union 127.0.0.1:5640 127.0.0.1:5641 127.0.0.1:5642
 *
 * The root shows what is in the roots of all servers; a name that several of them have is the first one's. Below that everything
 * is the server's own. Files can be read and written; they are made, renamed and removed at the servers themselves. Servers see
 * whoever runs this program, not its clients.
 *
 * Each operation is a request to a server and may take as long as that likes: so all are declared blocking. A client that gives
 * up a request has it given up at the server too (a Tflush there), and hears what came of it: if it was done, it is answered. */
#include "serve_threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <styx/client.h>
#include <styx/fs.h>
#include <unistd.h>

enum { MOST = 16 };

static struct {
  int n;
  struct tree {
    styx_client *client;
    uint32_t root;
  } tree[MOST];
} trees;

/* A file of a server, by a fid there; tree NULL: the root of all. Open directories have been read to the end. */
struct node {
  struct tree *tree;
  uint32_t fid;
  unsigned depth; /* elements from the root */
};
struct handle {
  uint32_t fid;
  styx_list lists[MOST]; /* of one server, or of all */
};

static struct node root;

/* ---- requests that can be given up ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given_up = PTHREAD_COND_INITIALIZER;

struct asking {
  styx_call *call;
  bool over; /* with the lock: the callback is done with this */
};

static void give_up(styx_req *req, void *arg) {
  struct asking *asking = arg;
  (void)req;
  (void)styx_call_cancel(asking->call);
  pthread_mutex_lock(&lock);
  asking->over = true;
  pthread_cond_broadcast(&given_up);
  pthread_mutex_unlock(&lock);
}

/* The callback only forwards: the answer stays with the handler, which waits until nobody uses its stack any more. */
static styx_err ask(styx_req *req, const struct tree *tree, styx_call *call) {
  struct asking asking = {.call = call};
  if (styx_req_cancelled(req))
    return ECANCELED;
  styx_err err = styx_call_submit(tree->client, call);
  if (err)
    return err;
  styx_req_on_cancel(req, give_up, &asking);
  err = styx_call_wait(call);
  if (styx_req_on_cancel(req, NULL, NULL))
    return err;
  pthread_mutex_lock(&lock);
  while (!asking.over)
    pthread_cond_wait(&given_up, &lock);
  pthread_mutex_unlock(&lock);
  return err;
}

/* With the server's own words. */
static styx_answer reply_failed(styx_req *req, styx_err err, const styx_call *call) {
  if (err == ECANCELED && styx_req_cancelled(req))
    return styx_reply_interrupted(req);
  return call && call->words[0] ? styx_reply_error_text(req, err, "%s", call->words) : styx_reply_error(req, err);
}

/* Files of different servers are different, also when these number them alike (and use no more than 56 bits). */
static styx_qid qid_of(const struct tree *tree, styx_qid qid) {
  qid.path ^= (uint64_t)(tree - trees.tree + 1) << 56;
  return qid;
}

static const styx_qid root_qid = {STYX_QTDIR, 0, 0};

/* ---- nodes ---- */

static styx_err walk_to(styx_req *req, struct tree *tree, uint32_t from, const styx_str *name, styx_call *call,
                        uint32_t *fid) {
  styx_err err = styx_client_fid(tree->client, fid);
  if (err)
    return err;
  call->t = (styx_msg){.type = STYX_Twalk, .fid = from, .newfid = *fid, .nwname = name ? 1 : 0};
  if (name)
    call->t.wname[0] = *name;
  err = ask(req, tree, call);
  if (err)
    styx_client_fid_put(tree->client, *fid);
  return err;
}

static styx_answer reply_walked(styx_req *req, struct tree *tree, uint32_t fid, unsigned depth, const styx_call *call) {
  struct node *node = malloc(sizeof *node);
  if (!node) {
    (void)styx_client_clunk(tree->client, fid);
    return styx_reply_error(req, ENOMEM);
  }
  *node = (struct node){tree, fid, depth};
  return styx_reply_node(req, node, qid_of(tree, call->r.wqid[0]));
}

static styx_answer attach(styx_req *req) { return styx_reply_node(req, &root, root_qid); }

static styx_answer walk(styx_req *req, void *at, styx_str name) {
  struct node *from = at;
  styx_call call = {0};
  uint32_t fid = 0;
  bool up = styx_str_is(name, "..");
  if (from->tree && up && from->depth == 1)
    return styx_reply_node(req, &root, root_qid);
  if (from->tree) {
    styx_err err = walk_to(req, from->tree, from->fid, &name, &call, &fid);
    return err ? reply_failed(req, err, &call)
               : reply_walked(req, from->tree, fid, up ? from->depth - 1 : from->depth + 1, &call);
  }
  for (int i = 0; i < trees.n; i++) {
    struct tree *tree = &trees.tree[i];
    call = (styx_call){0};
    styx_err err = walk_to(req, tree, tree->root, &name, &call, &fid);
    if (!err)
      return reply_walked(req, tree, fid, 1, &call);
    if (err != ENOENT)
      return reply_failed(req, err, &call);
  }
  return styx_reply_error(req, ENOENT);
}

static void forget(void *ctx, void *which) {
  struct node *node = which;
  (void)ctx;
  if (node == &root)
    return;
  (void)styx_client_clunk(node->tree->client, node->fid);
  free(node);
}

/* ---- open and close: on a fid of its own, since the node's is still to be walked from ---- */

static void handle_free(const struct tree *tree, struct handle *handle) {
  for (int i = 0; i < trees.n; i++)
    styx_list_free(trees.tree[i].client, &handle->lists[i]);
  if (tree)
    (void)styx_client_clunk(tree->client, handle->fid);
  free(handle);
}

static styx_err list_all(struct handle *handle) {
  uint32_t fid;
  styx_err err = STYX_OK;
  for (int i = 0; !err && i < trees.n; i++) {
    const struct tree *tree = &trees.tree[i];
    if ((err = styx_client_walk(tree->client, tree->root, "", &fid, NULL)))
      break;
    err = styx_client_open(tree->client, fid, STYX_OREAD, NULL);
    if (!err)
      err = styx_client_list(tree->client, fid, &handle->lists[i]);
    (void)styx_client_clunk(tree->client, fid);
  }
  return err;
}

static styx_answer open_root(styx_req *req) {
  struct handle *handle = calloc(1, sizeof *handle);
  styx_err err = handle ? list_all(handle) : ENOMEM;
  if (!err)
    return styx_reply_open(req, root_qid, handle);
  if (handle)
    handle_free(NULL, handle);
  return styx_reply_error(req, err);
}

static styx_answer open_file(styx_req *req, void *which, uint32_t flags) {
  const struct node *node = which;
  struct tree *tree = node->tree;
  styx_call call = {0};
  if (!tree)
    return open_root(req);
  struct handle *handle = calloc(1, sizeof *handle);
  if (!handle)
    return styx_reply_error(req, ENOMEM);
  styx_err err = walk_to(req, tree, node->fid, NULL, &call, &handle->fid);
  if (err) {
    free(handle);
    return reply_failed(req, err, &call);
  }
  call = (styx_call){.t = {.type = STYX_Topen, .fid = handle->fid, .mode = (uint8_t)flags}};
  err = ask(req, tree, &call);
  if (!err && (call.r.qid.type & STYX_QTDIR))
    err = styx_client_list(tree->client, handle->fid, &handle->lists[0]);
  if (!err)
    return styx_reply_open(req, qid_of(tree, call.r.qid), handle);
  handle_free(tree, handle);
  return reply_failed(req, err, &call);
}

static styx_err close_file(void *ctx, void *which, void *handle) {
  const struct node *node = which;
  (void)ctx;
  handle_free(node->tree, handle);
  return STYX_OK;
}

/* ---- reading and writing ---- */

static styx_answer read_file(styx_req *req, void *which, void *opened, uint64_t offset, uint32_t count) {
  const struct node *node = which;
  const struct handle *handle = opened;
  size_t cap;
  void *room = styx_req_room(req, &cap);
  uint32_t most = styx_client_msize(node->tree->client) - STYX_IOHDRSZ;
  if (!room)
    return styx_reply_error(req, ENOMEM);
  styx_call call = {
      .t = {.type = STYX_Tread, .fid = handle->fid, .offset = offset, .count = count < most ? count : most},
      .buf = room,
      .cap = cap};
  styx_err err = ask(req, node->tree, &call);
  return err ? reply_failed(req, err, &call) : styx_reply_filled(req, call.r.count);
}

static styx_answer write_file(styx_req *req, void *which, void *opened, uint64_t offset, const void *data,
                              uint32_t count) {
  const struct node *node = which;
  const struct handle *handle = opened;
  uint32_t most = styx_client_msize(node->tree->client) - STYX_IOHDRSZ;
  styx_call call = {.t = {.type = STYX_Twrite,
                          .fid = handle->fid,
                          .offset = offset,
                          .count = count < most ? count : most,
                          .data = data}};
  styx_err err = ask(req, node->tree, &call);
  return err ? reply_failed(req, err, &call) : styx_reply_count(req, call.r.count);
}

/* ---- attributes and directories ---- */

static styx_attr attr_of(const struct tree *tree, const styx_stat *stat) {
  return (styx_attr){.qid = qid_of(tree, stat->qid),
                     .mode = stat->mode,
                     .length = stat->length,
                     .atime = {.sec = stat->atime},
                     .mtime = {.sec = stat->mtime},
                     .name = stat->name,
                     .uid = stat->uid,
                     .gid = stat->gid,
                     .muid = stat->muid};
}

static styx_answer getattr(styx_req *req, void *which, void *handle) {
  const struct node *node = which;
  static const styx_attr of_root = {.qid = {STYX_QTDIR, 0, 0},
                                    .mode = STYX_DMDIR | 0555,
                                    .name = STYX_STR("/"),
                                    .uid = STYX_STR("none"),
                                    .gid = STYX_STR("none"),
                                    .muid = STYX_STR("none")};
  char strings[STYX_STATROOM];
  (void)handle;
  if (!node->tree)
    return styx_reply_attr(req, &of_root);
  styx_call call = {.t = {.type = STYX_Tstat, .fid = node->fid}, .buf = strings, .cap = sizeof strings};
  styx_err err = ask(req, node->tree, &call);
  if (err)
    return reply_failed(req, err, &call);
  const styx_attr attr = attr_of(node->tree, &call.r.stat);
  return styx_reply_attr(req, &attr);
}

static bool shown_before(const struct handle *handle, int list, styx_str name) {
  for (int i = 0; i < list; i++)
    for (size_t n = 0; n < handle->lists[i].count; n++)
      if (styx_str_eq(handle->lists[i].stats[n].name, name))
        return true;
  return false;
}

/* The cookie counts entries through all lists. */
static styx_answer readdir(styx_req *req, void *which, void *opened, uint64_t cookie) {
  const struct node *node = which;
  const struct handle *handle = opened;
  uint64_t at = 0;
  for (int i = 0; i < trees.n; i++)
    for (size_t n = 0; n < handle->lists[i].count; n++) {
      const styx_stat *stat = &handle->lists[i].stats[n];
      if (at++ < cookie || shown_before(handle, i, stat->name))
        continue;
      const styx_dirent entry = {.attr = attr_of(node->tree ? node->tree : &trees.tree[i], stat), .cookie = at};
      if (!styx_dir_add(req, &entry))
        return styx_reply_dir(req);
    }
  return styx_reply_dir(req);
}

#define EVERYTHING (STYX_OP(forget) * 2 - 1) /* attach to forget */

static const styx_fs_ops ops = {
    .size = sizeof ops,
    .name = "union",
    .blocking = EVERYTHING,
    .attach = attach,
    .walk = walk,
    .open = open_file,
    .read = read_file,
    .write = write_file,
    .readdir = readdir,
    .getattr = getattr,
    .close = close_file,
    .forget = forget,
};

static styx_err add_tree(const char *address) {
  struct tree *tree = &trees.tree[trees.n];
  styx_addr addr;
  int fd;
  styx_err err = styx_addr_parse(&addr, address, NULL);
  if (!err)
    err = styx_dial(&addr, &fd);
  if (!err && (err = styx_client_new(&tree->client, fd, NULL)))
    close(fd);
  if (!err)
    err = styx_client_attach(tree->client, "union", "", &tree->root, NULL);
  trees.n += tree->client != NULL;
  return err;
}

int main(int argc, char **argv) {
  int status = 0;
  if (argc < 3 || argc > 2 + MOST) {
    fprintf(stderr, "usage: union ADDRESS SERVER...   (at most %d)\n", MOST);
    return 2;
  }
  for (int i = 2; i < argc && !status; i++) {
    styx_err err = add_tree(argv[i]);
    status = err ? 1 : 0;
    if (err)
      fprintf(stderr, "union: %s: %s\n", argv[i], styx_err_text(err));
  }
  if (!status && (status = serve_threads("union", argv[1], (styx_fs){&ops, NULL})))
    return status; /* something may still use the servers */
  for (int i = 0; i < trees.n; i++)
    styx_client_free(trees.tree[i].client);
  return status;
}
