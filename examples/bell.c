/* bell.c: a read that waits. Reading /bell blocks until somebody writes to it, then gives what was written; any number
 * of readers wait at once, none of them on a thread, and one that gives up (flushed, or gone) just leaves.
 *
 *     bell 127.0.0.1:5640 &
 *     styx -a 127.0.0.1:5640 read /bell &
 *     echo ding | styx -a 127.0.0.1:5640 write /bell
 *
 * It is written for any number of threads, although embed_epoll.c has one. */
#include "embed_epoll.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <styx/tree.h>

struct bell {
  pthread_mutex_t lock;
  struct waiter *waiting; /* under the lock, as are the links of each waiter in it */
};

/* One read that waits. Who ends it takes it off the list under the lock, answers, and frees it. */
struct waiter {
  struct bell *bell;
  styx_req *req;
  struct waiter *next, **link; /* link: what points here; NULL: not in the list */
  bool cancelled;              /* before it was in the list */
};

static void put_in(struct waiter **list, struct waiter *w) {
  w->next = *list;
  w->link = list;
  if (w->next)
    w->next->link = &w->next;
  *list = w;
}

static void take_out(struct waiter *w) {
  *w->link = w->next;
  if (w->next)
    w->next->link = w->link;
  w->link = NULL;
}

/* Called once when the client gives up: by styx_req_on_cancel itself if that was before, else on a thread that runs
 * work. */
static void bell_cancelled(styx_req *req, void *arg) {
  struct waiter *w = arg;
  pthread_mutex_t *lock = &w->bell->lock;
  pthread_mutex_lock(lock);
  bool ours = w->link != NULL;
  if (ours)
    take_out(w);
  else
    w->cancelled = true; /* bell_read has not listed it yet: it answers */
  pthread_mutex_unlock(lock);
  if (ours) {
    free(w);
    styx_reply_interrupted(req);
  }
}

static styx_answer bell_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  struct bell *bell = aux;
  (void)handle, (void)count;
  if (offset > 0) /* one ring for each open: the rest is end of file */
    return styx_reply_data(req, "", 0);
  struct waiter *w = calloc(1, sizeof *w);
  if (!w)
    return styx_reply_error(req, ENOMEM);
  w->bell = bell;
  w->req = req;
  /* Armed first: once it is listed, a writer may answer at any time, and then the request is not ours to touch. */
  styx_req_on_cancel(req, bell_cancelled, w);
  pthread_mutex_lock(&bell->lock);
  bool cancelled = w->cancelled;
  if (!cancelled)
    put_in(&bell->waiting, w);
  pthread_mutex_unlock(&bell->lock);
  if (!cancelled)
    return styx_later(req);
  free(w);
  return styx_reply_interrupted(req);
}

/* Whom we disarm is ours to answer. Of the others the callback has started: it waits for the lock and will answer them.
 */
static struct waiter *take_all(struct bell *bell) {
  struct waiter *ours = NULL;
  pthread_mutex_lock(&bell->lock);
  for (struct waiter *w = bell->waiting, *next; w; w = next) {
    next = w->next;
    if (styx_req_on_cancel(w->req, NULL, NULL)) {
      take_out(w);
      put_in(&ours, w);
    }
  }
  pthread_mutex_unlock(&bell->lock);
  return ours;
}

static styx_answer bell_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  (void)handle, (void)offset;
  for (struct waiter *w = take_all(aux), *next; w; w = next) {
    next = w->next;
    styx_reply_data(w->req, data, count);
    free(w);
  }
  return styx_reply_count(req, count);
}

int main(int argc, char **argv) {
  static struct bell bell = {PTHREAD_MUTEX_INITIALIZER, NULL};
  static const styx_file_ops ops = {.size = sizeof ops, .read = bell_read, .write = bell_write};
  styx_tree *tree = styx_tree_new(NULL, NULL);
  styx_file *file;
  if (argc != 2) {
    fprintf(stderr, "usage: bell ADDRESS\n");
    return 2;
  }
  if (!tree || styx_tree_file(tree, styx_tree_root(tree), "bell", 0666, &ops, &bell, &file)) {
    fprintf(stderr, "bell: out of memory\n");
    return 1;
  }
  int status = embed_serve_fs(argv[1], styx_tree_fs(tree));
  if (status == 0)
    styx_tree_free(tree);
  return status;
}
