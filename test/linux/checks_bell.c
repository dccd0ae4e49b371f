/* checks_bell.c: reads that block: the mount is that of examples/bell, and bell is a file in it whose reads wait until
 * somebody writes to it. And what is left when a server goes, or was left by its clients. */
#include "checks.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 12 };

/* Reads the bell once and writes what came to the descriptor in arg; a read that fails writes "error N". */
static bool wait_for_ring(void *arg) {
  char text[100];
  int to = *(int *)arg, fd = open("bell", O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
  if (n < 0)
    n = snprintf(text, sizeof text, "error %d", errno);
  return write(to, text, (size_t)n) == n;
}

/* Is the process in read(2), off the processor and deaf to all but a kill? Then its request is at the server. */
static bool is_blocked(pid_t pid) {
  char path[60], text[400] = "";
  long call = -1;
  snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
  FILE *file = fopen(path, "r");
  if (!file || fscanf(file, "%ld", &call) != 1)
    call = -1;
  if (file)
    fclose(file);
  if (call != SYS_read)
    return false;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  file = fopen(path, "r");
  char *state = file && fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
  if (file)
    fclose(file);
  return state && state[2] == 'D';
}

static bool await_blocked(pid_t pid) {
  for (double until = now() + 10; now() < until; sched_yield())
    if (is_blocked(pid))
      return true;
  return fail("the reader of the bell does not block");
}

static pid_t reader(int *from) {
  int ends[2];
  if (pipe(ends) < 0)
    return -1;
  pid_t pid = child(wait_for_ring, &ends[1]);
  close(ends[1]);
  *from = ends[0];
  return await_blocked(pid) ? pid : -1;
}

static bool ring(const char *text) {
  int fd = open("bell", O_WRONLY | O_TRUNC);
  MUST(fd >= 0, "open the bell to write");
  MUST(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write to the bell");
  MUST(close(fd) == 0, "close the bell");
  return true;
}

static bool heard(int from, const char *text) {
  char found[100];
  ssize_t n = read(from, found, sizeof found - 1);
  MUST(n >= 0, "read from the reader");
  found[n] = 0;
  MUST(strcmp(found, text) == 0, "the reader got \"%s\" instead of \"%s\"", found, text);
  return true;
}

static bool rings(void) {
  int from;
  pid_t pid = reader(&from);
  return pid > 0 && ring("ding") && heard(from, "ding") && reap(pid);
}

/* Kill what is blocked and measure until the last one is gone: the kernel sends Tflush and waits for Rflush. */
static double kill_all(const pid_t *pids, int n) {
  double start = now();
  for (int i = 0; i < n; i++)
    kill(pids[i], SIGKILL);
  for (int i = 0; i < n; i++)
    waitpid(pids[i], NULL, 0);
  return (now() - start) * 1000;
}

static bool killed(void) {
  double worst = 0;
  for (int i = 0; i < 10; i++) {
    int from;
    pid_t pid = reader(&from);
    if (pid < 0)
      return false;
    double took = kill_all(&pid, 1);
    worst = took > worst ? took : worst;
    close(from);
  }
  MUST(worst < (double)setting.kill_limit, "a killed reader is gone after %.0f ms", worst);
  note("gone in at most %.0f ms", worst);
  return rings();
}

static bool crowd_killed(void) {
  pid_t pids[CROWD];
  struct stat st;
  int from;
  for (int i = 0; i < CROWD; i++)
    if ((pids[i] = reader(&from)) < 0)
      return false;
  MUST(stat("bell", &st) == 0, "stat while %d reads block", CROWD);
  double took = kill_all(pids, CROWD);
  MUST(took < (double)setting.kill_limit, "%d killed readers are gone after %.0f ms", CROWD, took);
  note("%d gone in %.0f ms", CROWD, took);
  return rings();
}

/* Some are killed; the others hear the bell. */
static bool some_killed(void) {
  pid_t pids[CROWD];
  int from[CROWD];
  for (int i = 0; i < CROWD; i++)
    if ((pids[i] = reader(&from[i])) < 0)
      return false;
  kill_all(pids, CROWD / 2);
  if (!ring("dong"))
    return false;
  for (int i = CROWD / 2; i < CROWD; i++)
    if (!heard(from[i], "dong") || !reap(pids[i]))
      return false;
  return true;
}

static bool killed_at_once(void) {
  for (int i = 0; i < 20; i++) { /* anywhere between open and read */
    int ends[2];
    MUST(pipe(ends) == 0, "pipe");
    pid_t pid = child(wait_for_ring, &ends[1]);
    for (int turn = 0; turn < i * 20; turn++)
      sched_yield();
    kill_all(&pid, 1);
    close(ends[0]);
    close(ends[1]);
  }
  return rings();
}

const struct check bell_checks[] = {{"rings", rings, 20, true},
                                    {"killed", killed, 30, true},
                                    {"crowd-killed", crowd_killed, 30, true},
                                    {"some-killed", some_killed, 30, true},
                                    {"killed-at-once", killed_at_once, 30, true},
                                    {"usable", rings, 20, true},
                                    {NULL, NULL, 0, false}};

/* ---- the server's end ---- */

/* What the kernel says of a connection that is gone depends on how it noticed; EFAULT is 6.1's word for a request that was
 * under way at a plain end of file. */
static bool is_lost(int error) { return error == EIO || error == ECONNRESET || error == EPIPE || error == EFAULT; }

#define MUST_BE_LOST(call) MUST((call) < 0 && is_lost(errno), "%s with a dead server", #call)

/* The server is killed while a read of the bell blocks. */
static bool dies_under_reader(void) {
  int from, error;
  char found[100] = "";
  struct stat st;
  pid_t pid = reader(&from);
  if (pid < 0)
    return false;
  MUST(kill(setting.server_pid, SIGKILL) == 0, "kill the server");
  MUST(read(from, found, sizeof found - 1) > 0 && reap(pid), "the reader does not end well");
  MUST(sscanf(found, "error %d", &error) == 1 && is_lost(error), "the reader gets \"%s\"", found);
  MUST_BE_LOST(stat("bell", &st));
  return true;
}

/* The server is killed while files are open. */
static bool dies_under_files(void) {
  char c;
  ssize_t n;
  if (!put("f", "text", 4))
    return false;
  int fd = open("f", O_RDONLY);
  MUST(fd >= 0, "open");
  MUST(kill(setting.server_pid, SIGKILL) == 0, "kill the server");
  double until = now() + 10;
  while ((n = pread(fd, &c, 1, 0)) == 1 && now() < until)
    sched_yield();
  MUST(n < 0 && is_lost(errno), "a read from a dead server gives %zd", n);
  MUST_BE_LOST(pread(fd, &c, 1, 0));
  MUST_BE_LOST(open("f", O_RDONLY));
  MUST_BE_LOST(open("new", O_CREAT | O_WRONLY, 0644));
  MUST_BE_LOST(mkdir("d", 0755));
  close(fd);
  return true;
}

static long count_descriptors(pid_t pid) {
  char path[60], **found;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  long n = read_names(path, &found);
  if (n >= 0)
    free_names(found, n);
  return n;
}

/* After the unmount the server has what it had before the mount. */
static bool lets_go(void) {
  long n = -1;
  for (double until = now() + 10; now() < until && n != setting.descriptors; sched_yield())
    n = count_descriptors(setting.server_pid);
  MUST(n == setting.descriptors, "the server has %ld descriptors instead of %ld", n, setting.descriptors);
  return true;
}

const struct check server_checks[] = {{"dies-under-reader", dies_under_reader, 30, true},
                                      {"dies-under-files", dies_under_files, 30, true},
                                      {"lets-go", lets_go, 30, true},
                                      {NULL, NULL, 0, false}};
