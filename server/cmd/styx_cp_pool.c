/* styx_cp_pool.c: the workers of `styx cp` and their queue. */
#include "styx_cp.h"

#include <stdlib.h>
#include <string.h>

bool cp_lost(const struct copy *cp) { return styx_client_why(cp->cli->c) != NULL; }

static struct job *next_job(struct copy *cp) {
  pthread_mutex_lock(&cp->lock);
  while (!cp->first && !cp->closed)
    pthread_cond_wait(&cp->work, &cp->lock);
  struct job *job = cp->first;
  if (job) {
    cp->first = job->next;
    if (!cp->first)
      cp->last = &cp->first;
    cp->queued--;
    pthread_cond_signal(&cp->room);
  }
  pthread_mutex_unlock(&cp->lock);
  return job;
}

static void *run(void *arg) {
  struct copy *cp = arg;
  struct job *job;
  while ((job = next_job(cp)) != NULL) {
    if (!cp_lost(cp))
      cp_file(cp, job);
    cp_place_free(&job->from);
    cp_place_free(&job->to);
    free(job);
  }
  return NULL;
}

bool cp_pool_start(struct copy *cp, pthread_t *threads) {
  pthread_mutex_init(&cp->lock, NULL);
  pthread_cond_init(&cp->work, NULL);
  pthread_cond_init(&cp->room, NULL);
  cp->last = &cp->first;
  for (unsigned i = 0; i < cp->workers; i++) {
    int err = pthread_create(&threads[i], NULL, run, cp);
    if (err && i == 0) {
      cli_fail(cp->cli, NULL, "no thread can be made: %s", strerror(err));
      return false;
    }
    if (err)
      cp->workers = i;
  }
  return true;
}

void cp_pool_push(struct copy *cp, struct job *job) {
  pthread_mutex_lock(&cp->lock);
  while (cp->queued >= CP_QUEUE)
    pthread_cond_wait(&cp->room, &cp->lock);
  *cp->last = job;
  cp->last = &job->next;
  cp->queued++;
  pthread_cond_signal(&cp->work);
  pthread_mutex_unlock(&cp->lock);
}

void cp_pool_finish(struct copy *cp, pthread_t *threads) {
  pthread_mutex_lock(&cp->lock);
  cp->closed = true;
  pthread_cond_broadcast(&cp->work);
  pthread_mutex_unlock(&cp->lock);
  for (unsigned i = 0; i < cp->workers; i++)
    pthread_join(threads[i], NULL);
}
