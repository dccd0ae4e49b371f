/* styxd_trace.c: --trace=FILE.pcapng. All connections write into one file, under one lock, message by message. */
#include "styxd.h"

#include <styx/trace.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000, BUFFER = 128 * 1024 }; /* most messages are one write */

static struct {
  pthread_mutex_t lock;
  FILE *file;       /* lock; NULL: nothing is traced, or nothing any more */
  const char *name; /* immutable while threads run */
  uint64_t next;    /* lock: number of the next connection */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool write_file(void *arg, const void *bytes, size_t len) {
  (void)arg;
  return fwrite(bytes, 1, len, state.file) == len;
}

static const styx_pcapng pcapng = {.write = write_file};

/* With the lock. */
static void give_up(const char *what, int err) {
  char detail[512];
  snprintf(detail, sizeof detail, "%.300s: %s; serving goes on without a trace", state.name, strerror(err));
  styxd_log(NULL, STYX_LOG_ERROR, "", what, detail);
  if (state.file)
    fclose(state.file);
  state.file = NULL;
}

/* After each message, so that at any time, and after a crash, the file is whole. */
static void settle(bool ok) {
  if (!ok || fflush(state.file))
    give_up("cannot write the trace", errno);
}

static uint64_t wall_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* Without waiting for somebody to read a FIFO; with waiting from then on. */
static FILE *create(const char *name) {
  /* What is in the files that are served is in the trace too. */
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0600);
  FILE *file = fd < 0 || fcntl(fd, F_SETFL, 0) ? NULL : fdopen(fd, "w");
  int err = errno;
  if (fd >= 0 && !file)
    close(fd);
  errno = err;
  return file;
}

void styxd_trace_open(const char *name) {
  pthread_mutex_lock(&state.lock);
  state.name = name;
  state.file = create(name);
  if (state.file) {
    setvbuf(state.file, NULL, _IOFBF, BUFFER);
    settle(styx_pcapng_header(&pcapng));
  } else {
    give_up(errno == ENXIO ? "nobody reads the trace" : "cannot create the trace", errno);
  }
  pthread_mutex_unlock(&state.lock);
}

/* The flow of a connection that writes for the first time; NULL: out of memory. With the lock. */
static styx_pcapng_flow *new_flow(const char *peer) {
  char detail[96];
  styx_pcapng_flow *flow = calloc(1, sizeof *flow);
  if (!flow)
    return NULL;
  flow->number = state.next++;
  snprintf(detail, sizeof detail, "connection %llu of %s", (unsigned long long)flow->number, state.name);
  styxd_log(NULL, STYX_LOG_DEBUG, peer, "traced", detail);
  return flow;
}

static void message(const char *peer, void **own, bool out, const styx_span *spans, size_t n) {
  if (!*own && !(*own = new_flow(peer)))
    give_up("cannot go on with the trace", ENOMEM);
  else
    settle(styx_pcapng_message(&pcapng, *own, out, wall_clock(), spans, n));
}

void styxd_trace_message(void *arg, const char *peer, void **own, bool out, const styx_span *spans, size_t n) {
  (void)arg;
  pthread_mutex_lock(&state.lock);
  if (state.file && n > 0)
    message(peer, own, out, spans, n);
  else if (state.file && *own)
    settle(styx_pcapng_end(&pcapng, *own, wall_clock()));
  pthread_mutex_unlock(&state.lock);
  if (n == 0)
    free(*own);
}

void styxd_trace_close(void) {
  pthread_mutex_lock(&state.lock);
  if (state.file && fclose(state.file)) {
    state.file = NULL;
    give_up("cannot write the trace", errno);
  }
  state.file = NULL;
  pthread_mutex_unlock(&state.lock);
}
