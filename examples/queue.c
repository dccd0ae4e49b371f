/* queue.c: a stream that several readers share and that loses nothing. What is written to /in is one item; each item goes to one
 * of the readers of /out, who wait for it.
 *
 *     queue 127.0.0.1:5640 &
 *     styx -a 127.0.0.1:5640 read /out &
 *     echo work | styx -a 127.0.0.1:5640 write /in
 *
 * A read that is flushed while it waits takes nothing: that is what flush demands of streams. A reader can also be lost after
 * its item was sent. So an item is only lent to whoever has /out open, until he asks for the next one: then he has it, and it is
 * gone. If his connection ends before, or he closes the file, it goes back to where it was, in front of the others. (That takes readers
 * that have one read outstanding. That a read which is then flushed has said so much is no effect of it: it was so already.)
 *
 * It is written for any number of threads, although embed_epoll.c has one. */
#include "embed_epoll.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <styx/tree.h>
#include <sys/queue.h>

enum { LONGEST = 4096, MOST = 1024 };

struct item {
  TAILQ_ENTRY(item) link;
  uint32_t len;
  char data[];
};
TAILQ_HEAD(items, item);

/* An open /out. */
struct reader {
  struct items lent;
};

/* A read that waits. Who takes it off the list answers it and frees it. */
struct waiter {
  TAILQ_ENTRY(waiter) link;
  styx_req *req;
  struct reader *reader;
  uint32_t room;
  bool listed, cancelled;
};

/* The lock is of everything in all structs. A reply only publishes, so it may be held over one. */
static struct {
  pthread_mutex_t lock;
  struct items items;
  unsigned count;
  TAILQ_HEAD(, waiter) waiters;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .items = TAILQ_HEAD_INITIALIZER(queue.items),
           .waiters = TAILQ_HEAD_INITIALIZER(queue.waiters)};

/* ---- giving: with the lock ---- */

/* The first item is for w, who is not on the list and whose answer is ours. An item is never cut in two. */
static styx_answer give(struct waiter *w) {
  struct item *item = TAILQ_FIRST(&queue.items);
  if (item->len > w->room)
    return styx_reply_error_text(w->req, EMSGSIZE, "the next item has %u bytes", item->len);
  TAILQ_REMOVE(&queue.items, item, link);
  queue.count--;
  TAILQ_INSERT_TAIL(&w->reader->lent, item, link);
  return styx_reply_data(w->req, item->data, item->len);
}

/* Items and waiters meet. Whom we cannot disarm has a callback on its way, which waits for the lock and then answers. */
static void serve(void) {
  struct waiter *w = TAILQ_FIRST(&queue.waiters), *next;
  for (; w && !TAILQ_EMPTY(&queue.items); w = next) {
    next = TAILQ_NEXT(w, link);
    if (!styx_req_on_cancel(w->req, NULL, NULL))
      continue;
    TAILQ_REMOVE(&queue.waiters, w, link);
    (void)give(w);
    free(w);
  }
}

/* ---- reading ---- */

static void give_up(styx_req *req, void *arg) {
  struct waiter *w = arg;
  pthread_mutex_lock(&queue.lock);
  bool ours = w->listed;
  if (ours)
    TAILQ_REMOVE(&queue.waiters, w, link);
  else
    w->cancelled = true; /* out_read has not listed it yet, and will answer */
  pthread_mutex_unlock(&queue.lock);
  if (!ours)
    return;
  free(w);
  styx_reply_interrupted(req);
}

/* He asks for the next one, so he has got the last. */
static void confirm(struct reader *r) {
  struct item *item;
  while ((item = TAILQ_FIRST(&r->lent))) {
    TAILQ_REMOVE(&r->lent, item, link);
    free(item);
  }
}

static styx_answer out_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  struct waiter *w = calloc(1, sizeof *w);
  (void)aux, (void)offset;
  if (!w)
    return styx_reply_error(req, ENOMEM);
  *w = (struct waiter){.req = req, .reader = handle, .room = count};
  styx_req_on_cancel(req, give_up, w); /* before it is listed: from then on others may answer */
  pthread_mutex_lock(&queue.lock);
  bool cancelled = w->cancelled;
  if (!cancelled) {
    confirm(w->reader);
    w->listed = true;
    TAILQ_INSERT_TAIL(&queue.waiters, w, link);
    serve();
  }
  pthread_mutex_unlock(&queue.lock);
  if (!cancelled)
    return styx_later(req);
  free(w);
  return styx_reply_interrupted(req);
}

static styx_err out_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  struct reader *r = calloc(1, sizeof *r);
  (void)aux, (void)user, (void)flags;
  if (!r)
    return ENOMEM;
  TAILQ_INIT(&r->lent);
  *handle = r;
  return STYX_OK;
}

/* Also when the connection is gone; never while a read waits. */
static styx_err out_close(void *aux, void *handle) {
  struct reader *r = handle;
  struct item *item;
  (void)aux;
  pthread_mutex_lock(&queue.lock);
  while ((item = TAILQ_LAST(&r->lent, items))) {
    TAILQ_REMOVE(&r->lent, item, link);
    TAILQ_INSERT_HEAD(&queue.items, item, link);
    queue.count++;
  }
  serve();
  pthread_mutex_unlock(&queue.lock);
  free(r);
  return STYX_OK;
}

/* ---- writing ---- */

static styx_answer in_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data, uint32_t count) {
  (void)aux, (void)handle, (void)offset;
  if (count == 0 || count > LONGEST)
    return styx_reply_error_text(req, EMSGSIZE, "an item has 1 to %d bytes", LONGEST);
  struct item *item = malloc(sizeof *item + count);
  if (!item)
    return styx_reply_error(req, ENOMEM);
  item->len = count;
  memcpy(item->data, data, count);
  pthread_mutex_lock(&queue.lock);
  bool full = queue.count >= MOST;
  if (!full) {
    TAILQ_INSERT_TAIL(&queue.items, item, link);
    queue.count++;
    serve();
  }
  pthread_mutex_unlock(&queue.lock);
  if (!full)
    return styx_reply_count(req, count);
  free(item);
  return styx_reply_error_text(req, EAGAIN, "the queue is full");
}

int main(int argc, char **argv) {
  static const styx_file_ops in = {.size = sizeof in, .write = in_write};
  static const styx_file_ops out = {.size = sizeof out, .open = out_open, .read = out_read, .close = out_close};
  if (argc != 2) {
    fprintf(stderr, "usage: queue ADDRESS\n");
    return 2;
  }
  styx_tree *tree = styx_tree_new(NULL, NULL);
  styx_file *root = tree ? styx_tree_root(tree) : NULL, *file;
  if (!tree || styx_tree_file(tree, root, "in", 0222, &in, NULL, &file) ||
      styx_tree_file(tree, root, "out", 0444, &out, NULL, &file)) {
    fprintf(stderr, "queue: out of memory\n");
    return 1;
  }
  int result = embed_serve_fs(argv[1], styx_tree_fs(tree));
  if (result == 0)
    styx_tree_free(tree);
  return result; /* items that nobody has read end with the program */
}
