/* counter.c: control and status files, the usual way to steer a program through 9P.
 *
 *     counter 127.0.0.1:5640 &
 *     echo add 5 | styx -a 127.0.0.1:5640 write /ctl
 *     styx -a 127.0.0.1:5640 read /count
 *     styx -a 127.0.0.1:5640 read /status
 *
 * /ctl takes one command with each write (add N, set N, reset); one that it does not know, or that would overflow, is answered by
 * an error in words, and has no effect. /count and /status are texts that are made when the file is opened, so that whoever reads one
 * in pieces gets pieces of one text.
 *
 * Nothing here waits, so nobody needs to hear of a flush: a write either has happened when the flush comes, and is answered, or
 * never began, and the library sees to that. */
#include "embed_epoll.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <styx/tree.h>

enum { LINE = 64, TEXT = 128 };

struct counter {
  pthread_mutex_t lock; /* of all that follows */
  int64_t count;
  uint64_t commands, errors;
};

/* ---- reading: a text for each open ---- */

static styx_err count_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  struct counter *c = aux;
  char *text = malloc(TEXT);
  (void)user, (void)flags;
  if (!text)
    return ENOMEM;
  pthread_mutex_lock(&c->lock);
  snprintf(text, TEXT, "%" PRId64 "\n", c->count);
  pthread_mutex_unlock(&c->lock);
  *handle = text;
  return STYX_OK;
}

static styx_err status_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  struct counter *c = aux;
  char *text = malloc(TEXT);
  (void)user, (void)flags;
  if (!text)
    return ENOMEM;
  pthread_mutex_lock(&c->lock);
  snprintf(text, TEXT, "count %" PRId64 "\ncommands %" PRIu64 "\nerrors %" PRIu64 "\n", c->count, c->commands,
           c->errors);
  pthread_mutex_unlock(&c->lock);
  *handle = text;
  return STYX_OK;
}

static styx_answer text_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  (void)aux, (void)offset, (void)count; /* the library knows what part of the text is asked for */
  return styx_reply_slice(req, handle, strlen(handle));
}

static styx_err text_close(void *aux, void *handle) {
  (void)aux;
  free(handle);
  return STYX_OK;
}

/* ---- writing: a command for each write ---- */

/* With the lock. NULL, or what is wrong. */
static const char *obey(struct counter *c, const char *line) {
  char word[LINE], rest[LINE], junk;
  int64_t n = 0, sum;
  int words = sscanf(line, "%63s %63s %c", word, rest, &junk);
  char *end = rest;
  if (words == 2) {
    errno = 0;
    n = strtoll(rest, &end, 10);
    if (*end || errno)
      return "that is no number";
  }
  if (words == 1 && strcmp(word, "reset") == 0)
    c->count = 0;
  else if (words == 2 && strcmp(word, "set") == 0)
    c->count = n;
  else if (words != 2 || strcmp(word, "add") != 0)
    return "the commands are: add N, set N, reset";
  else if (__builtin_add_overflow(c->count, n, &sum))
    return "the sum is too large";
  else
    c->count = sum;
  return NULL;
}

static styx_answer ctl_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data,
                             uint32_t count) {
  struct counter *c = aux;
  char line[LINE];
  (void)handle, (void)offset;
  if (count >= sizeof line || memchr(data, 0, count))
    return styx_reply_error_text(req, EINVAL, "a command is a text of less than %zu bytes", sizeof line);
  memcpy(line, data, count);
  line[count] = 0;
  pthread_mutex_lock(&c->lock);
  const char *wrong = obey(c, line);
  c->commands += !wrong;
  c->errors += wrong != NULL;
  pthread_mutex_unlock(&c->lock);
  return wrong ? styx_reply_error_text(req, EINVAL, "%s", wrong) : styx_reply_count(req, count);
}

int main(int argc, char **argv) {
  static struct counter counter = {.lock = PTHREAD_MUTEX_INITIALIZER};
  static const styx_file_ops ctl = {.size = sizeof ctl, .write = ctl_write};
  static const styx_file_ops count = {.size = sizeof count, .open = count_open, .read = text_read, .close = text_close};
  static const styx_file_ops status = {
      .size = sizeof status, .open = status_open, .read = text_read, .close = text_close};
  if (argc != 2) {
    fprintf(stderr, "usage: counter ADDRESS\n");
    return 2;
  }
  styx_tree *tree = styx_tree_new(NULL, NULL);
  styx_file *root = tree ? styx_tree_root(tree) : NULL, *file;
  if (!tree || styx_tree_file(tree, root, "ctl", 0222, &ctl, &counter, &file) ||
      styx_tree_file(tree, root, "count", 0444, &count, &counter, &file) ||
      styx_tree_file(tree, root, "status", 0444, &status, &counter, &file)) {
    fprintf(stderr, "counter: out of memory\n");
    return 1;
  }
  int result = embed_serve_fs(argv[1], styx_tree_fs(tree));
  if (result == 0)
    styx_tree_free(tree);
  return result;
}
