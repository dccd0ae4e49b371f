/* styx_progress.c: a bar on the terminal for copies that take longer than a second. */
#include "styx_cp.h"

#include <time.h>
#include <unistd.h>

#define WIDTH 30

static struct {
  pthread_mutex_t lock; /* guards shown and stopping, and the terminal while the bar is drawn */
  pthread_cond_t stop;
  pthread_t thread;
  bool running, stopping, shown;
  struct timespec began;
  atomic_ullong found, moved, files_found, files;
} bar = {.lock = PTHREAD_MUTEX_INITIALIZER};

static double seconds_since(const struct timespec *t) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

static const char *amount(char *buf, size_t cap, double bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t u = 0;
  while (bytes >= 1024 && u + 1 < sizeof units / sizeof *units) {
    bytes /= 1024;
    u++;
  }
  snprintf(buf, cap, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
  return buf;
}

static void draw(void) {
  char line[WIDTH + 1], done[32], all[32], rate[32];
  unsigned long long found = atomic_load(&bar.found), moved = atomic_load(&bar.moved);
  double share = found ? (double)moved / (double)found : 0;
  int filled = share > 1 ? WIDTH : (int)(share * WIDTH);
  for (int i = 0; i < WIDTH; i++)
    line[i] = i < filled ? '=' : i == filled ? '>' : ' ';
  line[WIDTH] = '\0';
  fprintf(stderr, "\r[%s] %s of %s, %llu of %llu files, %s/s\033[K", line, amount(done, sizeof done, (double)moved),
          amount(all, sizeof all, (double)found), atomic_load(&bar.files), atomic_load(&bar.files_found),
          amount(rate, sizeof rate, (double)moved / seconds_since(&bar.began)));
  bar.shown = true;
}

static void erase(void) {
  if (bar.shown)
    fputs("\r\033[K", stderr);
  bar.shown = false;
}

static void *run(void *arg) {
  (void)arg;
  pthread_mutex_lock(&bar.lock);
  while (!bar.stopping) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 250000000;
    if (until.tv_nsec >= 1000000000) {
      until.tv_nsec -= 1000000000;
      until.tv_sec++;
    }
    pthread_cond_timedwait(&bar.stop, &bar.lock, &until);
    if (!bar.stopping && seconds_since(&bar.began) > 1)
      draw();
  }
  erase();
  pthread_mutex_unlock(&bar.lock);
  return NULL;
}

void cli_progress_start(void) {
  if (!isatty(2))
    return;
  clock_gettime(CLOCK_MONOTONIC, &bar.began);
  pthread_cond_init(&bar.stop, NULL);
  bar.running = pthread_create(&bar.thread, NULL, run, NULL) == 0;
}

void cli_progress_stop(void) {
  if (!bar.running)
    return;
  pthread_mutex_lock(&bar.lock);
  bar.stopping = true;
  pthread_cond_signal(&bar.stop);
  pthread_mutex_unlock(&bar.lock);
  pthread_join(bar.thread, NULL);
  bar.running = false;
}

void cli_progress_found(uint64_t bytes) {
  atomic_fetch_add(&bar.found, bytes);
  atomic_fetch_add(&bar.files_found, 1);
}

void cli_progress_moved(uint64_t bytes) { atomic_fetch_add(&bar.moved, bytes); }

void cli_progress_file(void) { atomic_fetch_add(&bar.files, 1); }

void cli_progress_hide(void) {
  pthread_mutex_lock(&bar.lock);
  erase();
  pthread_mutex_unlock(&bar.lock);
}
