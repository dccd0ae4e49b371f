/* styxbench_proc.c: what /proc says about the server. */
#include "styxbench.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool slurp(const char *path, char *buf, size_t cap) {
  FILE *f = fopen(path, "re");
  if (!f)
    return false;
  size_t n = fread(buf, 1, cap - 1, f);
  buf[n] = '\0';
  fclose(f);
  return n > 0;
}

static uint64_t field(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* schedstat has nanoseconds; where the kernel has none, stat has hundredths of a second. */
static uint64_t cpu_of(const char *task) {
  char path[128], text[1024];
  unsigned long long user, system, ns;
  snprintf(path, sizeof path, "%s/schedstat", task);
  if (slurp(path, text, sizeof text) && sscanf(text, "%llu", &ns) == 1)
    return ns;
  snprintf(path, sizeof path, "%s/stat", task);
  if (!slurp(path, text, sizeof text) || !strrchr(text, ')') ||
      sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
    return 0;
  return (user + system) * 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void add_task(struct bench_usage *u, int pid, const char *name) {
  char task[64], path[128], text[4096];
  snprintf(task, sizeof task, "/proc/%d/task/%.20s", pid, name);
  snprintf(path, sizeof path, "%s/status", task);
  if (!slurp(path, text, sizeof text))
    return; /* it has ended meanwhile */
  u->voluntary += field(text, "\nvoluntary_ctxt_switches:");
  u->involuntary += field(text, "\nnonvoluntary_ctxt_switches:");
  u->cpu_ns += cpu_of(task);
}

bool bench_usage_read(struct bench_usage *u, int pid) {
  char path[64], text[4096];
  struct dirent *entry;
  *u = (struct bench_usage){0};
  if (pid == 0)
    return true;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  if (!slurp(path, text, sizeof text))
    return false;
  u->rss = field(text, "\nVmRSS:") * 1024;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  if (!tasks)
    return false;
  while ((entry = readdir(tasks)))
    if (entry->d_name[0] != '.')
      add_task(u, pid, entry->d_name);
  closedir(tasks);
  u->known = true;
  return true;
}

static uint64_t clock_of(clockid_t id) {
  struct timespec ts;
  clock_gettime(id, &ts);
  return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t bench_thread_cpu(void) { return clock_of(CLOCK_THREAD_CPUTIME_ID); }
uint64_t bench_process_cpu(void) { return clock_of(CLOCK_PROCESS_CPUTIME_ID); }
