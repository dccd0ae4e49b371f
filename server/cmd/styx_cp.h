/* styx_cp.h: what the files of `styx cp` share: the main thread walks the source, workers copy files. */
#ifndef STYX_CP_H
#define STYX_CP_H

#include "styx_cli.h"

#include <pthread.h>

/* A file here or on the server. */
struct place {
  bool remote;
  char *path; /* remote ones are clean */
};

/* One file to copy; the worker frees it. */
struct job {
  struct place from, to;
  uint32_t perm, mtime;
  uint64_t length;
  struct job *next;
};

/* A directory that was made, whose mode and time are set when everything is in it. */
struct made_dir {
  struct place at;
  uint32_t perm, mtime;
  struct made_dir *next; /* made before */
};

struct copy {
  struct cli *cli;
  bool recursive, times, quiet, ordered;
  unsigned workers;
  pthread_mutex_t lock; /* guards the next five */
  pthread_cond_t work, room;
  struct job *first, **last;
  unsigned queued;
  bool closed;
  struct made_dir *dirs; /* main thread */
};

enum { CP_QUEUE = 256, CP_MAX_WORKERS = 64 };

/* ---- styx_cp_walk.c: main thread ---- */
void cp_source(struct copy *cp, const struct place *from, const struct place *to, bool into);
void cp_finish_dirs(struct copy *cp);

/* ---- styx_cp_pool.c ---- */
/* False when no thread could be made; said. */
bool cp_pool_start(struct copy *cp, pthread_t *threads);
void cp_pool_push(struct copy *cp, struct job *job);
void cp_pool_finish(struct copy *cp, pthread_t *threads);
bool cp_lost(const struct copy *cp);

/* ---- styx_cp_file.c: workers ---- */
void cp_file(struct copy *cp, const struct job *job);

/* ---- styx_places.c ---- */
struct place cp_place(bool remote, char *path);
void cp_place_free(struct place *p);
struct place cp_place_child(const struct place *p, const char *name, size_t len);
/* As the user writes it; in a buffer of cap bytes. */
const char *cp_place_text(char *buf, size_t cap, const struct place *p);
void cp_place_fail(struct copy *cp, const struct place *p, const char *fmt, ...) STYX_PRINTF(3, 4);
void cp_place_fail_remote(struct copy *cp, const struct place *p);
/* Mode and, with -p, time. What a file of the server has is compared first, so that nothing is asked in vain. */
styx_err cp_fid_finish(struct copy *cp, uint32_t fid, uint32_t perm, uint32_t mtime);
void cp_place_finish(struct copy *cp, const struct place *p, uint32_t perm, uint32_t mtime);

/* ---- styx_progress.c: any thread ---- */
void cli_progress_start(void);
void cli_progress_stop(void);
void cli_progress_found(uint64_t bytes);
void cli_progress_moved(uint64_t bytes);
void cli_progress_file(void);
/* Take the bar away, so that a message can be written. */
void cli_progress_hide(void);

#endif
