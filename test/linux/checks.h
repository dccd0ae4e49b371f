/* checks.h: one check is a function that works in a folder of its own on the mount (it is the working folder, and empty
 * when the check begins) and says whether all went well. Each runs in a process of its own, so it may leave anything
 * open. Many checks are run by one program because making processes is slow in an emulated machine. */
#ifndef CHECKS_H
#define CHECKS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct check {
  const char *name;
  bool (*run)(void);
  unsigned limit; /* seconds; ample for an emulated machine */
  bool in_place;  /* no folder is made for it: it works in the mount's root */
};

extern const struct check file_checks[], sparse_checks[], dir_checks[], change_checks[], bell_checks[], server_checks[];

/* What the command line and the environment said. */
extern struct setting {
  const char *mount;  /* the mount's root */
  const char *server; /* the same folder as the server sees it, without 9P; NULL if it has none */
  pid_t server_pid;   /* CHECKS_SERVER_PID */
  long descriptors;   /* CHECKS_DESCRIPTORS: how many the server had open before the mount */
  long kill_limit;    /* CHECKS_KILL_LIMIT: milliseconds in which a killed process must be gone */
  const char *home;   /* this check's folder as the server sees it, or "." */
} setting;

/* Why a check failed (errno is added, whether it has to do with it or not: it always returns false), or what it measured. */
bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define MUST(condition, ...)                                                                                           \
  do {                                                                                                                 \
    if (!(condition))                                                                                                  \
      return fail(__VA_ARGS__);                                                                                        \
  } while (0)

/* The call must fail with this error. */
#define MUST_FAIL(call, error)                                                                                         \
  do {                                                                                                                 \
    errno = 0;                                                                                                         \
    if ((call) >= 0)                                                                                                   \
      return fail("%s succeeds", #call);                                                                               \
    if (errno != (error))                                                                                              \
      return fail("%s should fail with %s, but", #call, #error);                                                       \
  } while (0)

bool put(const char *name, const void *data, size_t n);      /* make or replace a file */
bool holds(const char *name, const void *data, size_t n);    /* the file has exactly this in it */
bool fd_holds(int fd, const void *data, size_t n);           /* the same from offset 0, with pread */
void scramble(unsigned char *data, size_t n, unsigned seed); /* bytes that look random; the same for a seed */
double now(void);                                            /* seconds, monotonic */

/* All names in a folder but . and .., sorted, and their number; -1 on error. Free with free_names. */
long read_names(const char *folder, char ***names);
void free_names(char **names, long n);

/* A child process that runs body(arg) and exits with 0 if that is true. */
pid_t child(bool (*body)(void *), void *arg);
bool reap(pid_t pid); /* wait for it; did it exit with 0? */

#endif
