/* checks.c: run sets of checks on a mount and print a line for each: checks GROUP MOUNT SERVER-FOLDER|- SET|NAME...
 * Output: "begin GROUP.NAME SECONDS", then "ok GROUP.NAME DETAIL" or "not ok GROUP.NAME REASON". */
#include "checks.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct setting setting;
static int report = -1; /* in a check's process: where its reason or its measurement goes */

__attribute__((format(printf, 2, 0))) static void say(int error, const char *format, va_list args) {
  char text[600];
  int n = vsnprintf(text, sizeof text - 100, format, args);
  if (n < 0)
    return;
  if ((size_t)n > sizeof text - 101)
    n = (int)sizeof text - 101;
  if (error) {
    const char *name = strerrorname_np(error); /* the kernel's 9P client invents numbers */
    n += snprintf(text + n, sizeof text - (size_t)n, " [%s %d]", name ? name : "errno", error);
  }
  if (write(report, text, (size_t)n) < 0)
    _exit(3);
}

bool fail(const char *format, ...) {
  int error = errno;
  va_list args;
  va_start(args, format);
  say(error, format, args);
  va_end(args);
  return false;
}

void note(const char *format, ...) {
  va_list args;
  va_start(args, format);
  say(0, format, args);
  va_end(args);
}

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void scramble(unsigned char *data, size_t n, unsigned seed) {
  uint64_t x = 0x9e3779b97f4a7c15u + seed;
  for (size_t i = 0; i < n; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    data[i] = (unsigned char)(x >> 32);
  }
}

bool put(const char *name, const void *data, size_t n) {
  int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  MUST(fd >= 0, "open %s to write", name);
  ssize_t wrote = write(fd, data, n);
  MUST(wrote == (ssize_t)n, "write of %zu bytes to %s gives %zd", n, name, wrote);
  MUST(close(fd) == 0, "close %s", name);
  return true;
}

bool fd_holds(int fd, const void *data, size_t n) {
  char *found = malloc(n + 1);
  size_t have = 0;
  ssize_t got = 1;
  for (; have <= n && got > 0; have += got > 0 ? (size_t)got : 0)
    got = pread(fd, found + have, n + 1 - have, (off_t)have);
  bool same = got == 0 && have == n && memcmp(found, data, n) == 0;
  free(found);
  MUST(got >= 0, "read");
  MUST(have == n, "%zu bytes are in it instead of %zu", have, n);
  MUST(same, "it does not contain what was written");
  return true;
}

bool holds(const char *name, const void *data, size_t n) {
  int fd = open(name, O_RDONLY);
  MUST(fd >= 0, "open %s to read", name);
  bool yes = fd_holds(fd, data, n);
  close(fd);
  return yes;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

long read_names(const char *folder, char ***names) {
  DIR *dir = opendir(folder);
  long n = 0, room = 64;
  if (!dir)
    return -1;
  *names = malloc((size_t)room * sizeof **names);
  errno = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    if (n == room)
      *names = realloc(*names, (size_t)(room *= 2) * sizeof **names);
    (*names)[n++] = strdup(entry->d_name);
  }
  bool whole = errno == 0;
  closedir(dir);
  if (!whole) {
    free_names(*names, n);
    return -1;
  }
  qsort(*names, (size_t)n, sizeof **names, by_name);
  return n;
}

void free_names(char **names, long n) {
  for (long i = 0; i < n; i++)
    free(names[i]);
  free(names);
}

pid_t child(bool (*body)(void *), void *arg) {
  pid_t pid = fork();
  if (pid == 0)
    _exit(body(arg) ? 0 : 1);
  return pid;
}

bool reap(pid_t pid) {
  int status;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- running them ---- */

/* In the check's process: a folder for it, on the mount and as the server sees it. */
static bool settle(const char *group, const struct check *c) {
  static char home[4096];
  MUST(chdir(setting.mount) == 0, "chdir %s", setting.mount);
  setting.home = ".";
  if (c->in_place)
    return true;
  snprintf(home, sizeof home, "%s-%s", group, c->name);
  MUST(mkdir(home, 0755) == 0, "mkdir %s", home);
  MUST(chdir(home) == 0, "chdir %s", home);
  if (setting.server) {
    snprintf(home, sizeof home, "%s/%s-%s", setting.server, group, c->name);
    setting.home = home;
  }
  return true;
}

/* What the process says until it and its children are gone; false if the time is over before. */
static bool listen_to(int fd, double until, char *text, size_t room) {
  size_t have = 0;
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    double left = until - now();
    if (left <= 0 || poll(&p, 1, (int)(left * 1000) + 1) == 0)
      return false;
    char spare[64];
    ssize_t got = have + 1 < room ? read(fd, text + have, room - 1 - have) : read(fd, spare, sizeof spare);
    if (got <= 0)
      return true;
    if (have + 1 < room)
      have += (size_t)got;
    text[have] = 0;
  }
}

static void run(const char *group, const struct check *c) {
  char text[600] = "";
  int ends[2], status = 0;
  double start = now();
  printf("begin %s.%s %u\n", group, c->name, c->limit);
  fflush(stdout);
  if (pipe2(ends, O_CLOEXEC) < 0)
    exit(2);
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    report = ends[1];
    _exit(settle(group, c) && c->run() ? 0 : 1);
  }
  close(ends[1]);
  bool in_time = listen_to(ends[0], start + c->limit, text, sizeof text);
  close(ends[0]);
  kill(-pid, SIGKILL);
  if (in_time)
    waitpid(pid, &status, 0); /* what does not end in time may not end at all */
  for (char *nl = text; (nl = strpbrk(nl, "\r\n"));)
    *nl = ' ';
  if (in_time && status == 0)
    printf("ok %s.%s %.1f s%s%s\n", group, c->name, now() - start, *text ? ", " : "", text);
  else if (!in_time)
    printf("not ok %s.%s takes longer than %u s %s\n", group, c->name, c->limit, text);
  else if (WIFSIGNALED(status))
    printf("not ok %s.%s died of signal %d %s\n", group, c->name, WTERMSIG(status), text);
  else
    printf("not ok %s.%s %s\n", group, c->name, text);
  fflush(stdout);
}

static const struct {
  const char *name;
  const struct check *checks;
} sets[] = {{"files", file_checks},    {"sparse", sparse_checks}, {"dirs", dir_checks},
            {"change", change_checks}, {"bell", bell_checks},     {"server", server_checks}};

/* A set, or one check by its name. */
static bool run_named(const char *group, const char *name) {
  bool found = false;
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    bool all = strcmp(name, sets[i].name) == 0;
    for (const struct check *c = sets[i].checks; c->name; c++)
      if (all || strcmp(name, c->name) == 0) {
        run(group, c);
        found = true;
      }
  }
  return found;
}

static long number(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: checks GROUP MOUNT SERVER-FOLDER|- SET|NAME...\n");
    return 2;
  }
  setting.mount = argv[2];
  setting.server = strcmp(argv[3], "-") == 0 ? NULL : argv[3];
  setting.server_pid = (pid_t)number("CHECKS_SERVER_PID", 0);
  setting.descriptors = number("CHECKS_DESCRIPTORS", 0);
  setting.kill_limit = number("CHECKS_KILL_LIMIT", 1000);
  signal(SIGPIPE, SIG_IGN);
  umask(022);
  for (int i = 4; i < argc; i++)
    if (!run_named(argv[1], argv[i])) {
      printf("not ok %s.%s there is no such check\n", argv[1], argv[i]);
      return 1;
    }
  return 0;
}
