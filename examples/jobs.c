/* jobs.c: a directory for each user of a service: the clone file of Plan 9's devices.
 *
 *     jobs 127.0.0.1:5640
 *
 * Who opens /new has a job made, and reads its number from there. In the directory of that name
 *   data    is the job's text, to be read and written at any offset,
 *   ctl     takes a command with each write: upper, clear,
 *   status  says how long the text is and how many commands it has seen.
 * The job lives as long as anybody has /new, ctl, data or status of it open. It goes with the last one, be that by a Tclunk or
 * because his connection has ended: so a program that dies leaves nothing behind.
 *
 * Two counts keep a job: of those who have something of it open (the directory goes with the last), and of what leads to it:
 * them together, and each of its files (the memory goes with the last; a client may still stand in a directory that is no
 * longer there). */
#include "embed_epoll.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <styx/tree.h>

enum { LONGEST = 16384, MOST = 1000 };

static struct {
  pthread_mutex_t lock; /* of this and of all jobs */
  styx_tree *tree;
  unsigned last, alive;
} jobs = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct job {
  unsigned number, commands, opened, refs;
  styx_file *dir;
  size_t len;
  char text[LONGEST];
};

/* ---- how long it lives ---- */

static styx_err job_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  struct job *job = aux;
  (void)user, (void)flags;
  pthread_mutex_lock(&jobs.lock);
  bool gone = job->opened == 0; /* its directory is being taken away */
  job->opened += !gone;
  pthread_mutex_unlock(&jobs.lock);
  *handle = job;
  return gone ? ENOENT : STYX_OK;
}

/* Also when one of its files is gone from the tree and from every fid. */
static void job_put(void *aux) {
  struct job *job = aux;
  pthread_mutex_lock(&jobs.lock);
  bool last = --job->refs == 0;
  jobs.alive -= last;
  pthread_mutex_unlock(&jobs.lock);
  if (last)
    free(job);
}

static styx_err job_close(void *aux, void *handle) {
  struct job *job = handle;
  (void)aux;
  pthread_mutex_lock(&jobs.lock);
  bool last = --job->opened == 0;
  pthread_mutex_unlock(&jobs.lock);
  if (!last)
    return STYX_OK;
  styx_err err = job->dir ? styx_tree_remove(jobs.tree, job->dir) : STYX_OK;
  job_put(job);
  return err;
}

/* ---- ctl, data and status ---- */

static styx_answer ctl_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data,
                             uint32_t count) {
  struct job *job = handle;
  styx_str word = {data, count};
  (void)aux, (void)offset;
  if (word.len && word.s[word.len - 1] == '\n')
    word.len--;
  bool clear = styx_str_is(word, "clear");
  if (!clear && !styx_str_is(word, "upper"))
    return styx_reply_error_text(req, EINVAL, "the commands are: upper, clear");
  pthread_mutex_lock(&jobs.lock);
  job->len = clear ? 0 : job->len;
  for (size_t i = 0; i < job->len; i++)
    job->text[i] = (char)toupper((unsigned char)job->text[i]);
  job->commands++;
  pthread_mutex_unlock(&jobs.lock);
  return styx_reply_count(req, count);
}

static styx_err data_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  struct job *job = aux;
  styx_err err = job_open(aux, user, flags, handle);
  if (err || !(flags & STYX_O_TRUNC))
    return err;
  pthread_mutex_lock(&jobs.lock);
  job->len = 0;
  pthread_mutex_unlock(&jobs.lock);
  return STYX_OK;
}

static styx_answer data_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  struct job *job = handle;
  (void)aux, (void)offset, (void)count;
  pthread_mutex_lock(&jobs.lock); /* a reply copies and publishes: it may be made under a lock */
  styx_answer answer = styx_reply_slice(req, job->text, job->len);
  pthread_mutex_unlock(&jobs.lock);
  return answer;
}

static styx_answer data_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  struct job *job = handle;
  (void)aux;
  if (offset > LONGEST || count > LONGEST - offset)
    return styx_reply_error(req, EFBIG);
  pthread_mutex_lock(&jobs.lock);
  if (offset > job->len)
    memset(job->text + job->len, 0, offset - job->len);
  memcpy(job->text + offset, data, count);
  if (offset + count > job->len)
    job->len = offset + count;
  pthread_mutex_unlock(&jobs.lock);
  return styx_reply_count(req, count);
}

static styx_answer status_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  const struct job *job = handle;
  char text[64];
  (void)aux, (void)offset, (void)count;
  pthread_mutex_lock(&jobs.lock);
  int len = snprintf(text, sizeof text, "%zu bytes, %u commands\n", job->len, job->commands);
  pthread_mutex_unlock(&jobs.lock);
  return styx_reply_slice(req, text, (size_t)len);
}

/* ---- new ---- */

/* Counted when it is there: it cannot go before the opener of new does. */
static styx_err add_file(struct job *job, const char *name, uint32_t mode, const styx_file_ops *ops) {
  styx_file *file;
  styx_err err = styx_tree_file(jobs.tree, job->dir, name, mode, ops, job, &file);
  pthread_mutex_lock(&jobs.lock);
  job->refs += !err;
  pthread_mutex_unlock(&jobs.lock);
  return err;
}

static styx_err fill(struct job *job) {
  static const styx_file_ops ctl = {
      .size = sizeof ctl, .open = job_open, .write = ctl_write, .close = job_close, .destroy = job_put};
  static const styx_file_ops data = {.size = sizeof data,
                                     .open = data_open,
                                     .read = data_read,
                                     .write = data_write,
                                     .close = job_close,
                                     .destroy = job_put};
  static const styx_file_ops status = {
      .size = sizeof status, .open = job_open, .read = status_read, .close = job_close, .destroy = job_put};
  styx_err err = add_file(job, "ctl", 0222, &ctl);
  if (!err)
    err = add_file(job, "data", 0666, &data);
  return err ? err : add_file(job, "status", 0444, &status);
}

/* Opened and referred to by whoever opens new. */
static struct job *job_new(void) {
  struct job *job = calloc(1, sizeof *job);
  if (!job)
    return NULL;
  job->opened = job->refs = 1;
  pthread_mutex_lock(&jobs.lock);
  bool full = jobs.alive >= MOST;
  jobs.alive += !full;
  job->number = full ? 0 : ++jobs.last;
  pthread_mutex_unlock(&jobs.lock);
  if (!full)
    return job;
  free(job);
  return NULL;
}

static styx_err new_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  char name[16];
  (void)aux, (void)user, (void)flags;
  struct job *job = job_new();
  if (!job)
    return ENFILE;
  snprintf(name, sizeof name, "%u", job->number);
  styx_err err = styx_tree_dir(jobs.tree, styx_tree_root(jobs.tree), name, 0555, &job->dir);
  if (!err)
    err = fill(job);
  if (err)
    (void)job_close(NULL, job);
  else
    *handle = job;
  return err;
}

static styx_answer new_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  const struct job *job = handle;
  char name[16];
  (void)aux, (void)offset, (void)count;
  int len = snprintf(name, sizeof name, "%u", job->number);
  return styx_reply_slice(req, name, (size_t)len);
}

int main(int argc, char **argv) {
  static const styx_file_ops new = {.size = sizeof new, .open = new_open, .read = new_read, .close = job_close};
  styx_file *file;
  if (argc != 2) {
    fprintf(stderr, "usage: jobs ADDRESS\n");
    return 2;
  }
  jobs.tree = styx_tree_new(NULL, NULL);
  if (!jobs.tree || styx_tree_file(jobs.tree, styx_tree_root(jobs.tree), "new", 0444, &new, NULL, &file)) {
    fprintf(stderr, "jobs: out of memory\n");
    return 1;
  }
  int result = embed_serve_fs(argv[1], styx_tree_fs(jobs.tree));
  if (result == 0)
    styx_tree_free(jobs.tree);
  return result;
}
