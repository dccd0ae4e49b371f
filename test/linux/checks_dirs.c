/* checks_dirs.c: folders: names, depth, and reading one while it changes. */
#include "checks.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENTRIES = 5000, LEAVING = 300, DEPTH = 20 };

static bool names(void) {
  char longest[256];
  const char *all[] = {
      longest, "with blanks  in it ", "-rf",          "...",       ".hidden", "back\\slash", "new\nline",
      "%s%n",  "gr\u00fc\u00dfe",     "\u6771\u4eac", "\"quoted'", "*",       "~",           "\x01\x7f"};
  enum { N = sizeof all / sizeof *all };
  char **found, *wanted[N];
  memset(longest, 'n', 255);
  longest[255] = 0;
  for (int i = 0; i < N; i++) {
    if (!put(all[i], all[i], strlen(all[i])))
      return false;
    wanted[i] = strdup(all[i]);
  }
  long n = read_names(".", &found);
  MUST(n == N, "%ld names are there instead of %d", n, N);
  for (int i = 0; i < N; i++) { /* found is sorted, all is not */
    int j = 0;
    while (j < N && strcmp(found[j], wanted[i]) != 0)
      j++;
    MUST(j < N, "\"%.40s\" is not listed", wanted[i]);
    if (!holds(all[i], all[i], strlen(all[i])))
      return false;
    MUST(unlink(all[i]) == 0, "unlink \"%.40s\"", all[i]);
  }
  return true;
}

/* A path of more names than one walk message holds. */
static bool deep(void) {
  char path[1000] = "";
  struct stat st;
  for (int i = 0; i < DEPTH; i++) {
    snprintf(path + strlen(path), 20, "%slevel%d", i ? "/" : "", i);
    MUST(mkdir(path, 0755) == 0, "mkdir number %d", i);
  }
  strcat(path, "/f");
  if (!put(path, "down here", 9) || !holds(path, "down here", 9))
    return false;
  strcpy(strrchr(path, '/'), "/../../.");
  MUST(stat(path, &st) == 0 && S_ISDIR(st.st_mode), "stat through ..");
  strcpy(strstr(path, "/../../."), "/f");
  MUST(unlink(path) == 0, "unlink at the bottom");
  for (int i = 0; i < DEPTH; i++) {
    *strrchr(path, '/') = 0;
    MUST(rmdir(path) == 0, "rmdir number %d", DEPTH - i);
    if (!strchr(path, '/'))
      break;
  }
  return true;
}

static bool make_entries(const char *kind, int n) {
  char path[5000];
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%s%04d", setting.home, kind, i);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    MUST(fd >= 0, "create %s", path);
    close(fd);
  }
  return true;
}

static bool remove_entries(const char *kind, int n) {
  char path[5000];
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%s%04d", setting.home, kind, i);
    MUST(unlink(path) == 0, "unlink %s", path);
  }
  return true;
}

/* Makes and removes entries until it is killed. */
static bool come_and_go(void *arg) {
  char path[5000];
  (void)arg;
  for (unsigned i = 0; i < 10000000; i++) {
    snprintf(path, sizeof path, "%s/new%u", setting.home, i);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    MUST(fd >= 0, "create %s", path);
    close(fd);
    if (i >= 20) {
      snprintf(path, sizeof path, "%s/new%u", setting.home, i - 20);
      MUST(unlink(path) == 0, "unlink %s", path);
    }
  }
  return false;
}

/* One pass over the folder; as it goes, this process removes entries that it has not read yet, and others that it has. */
static bool one_pass(int *leaving) {
  static unsigned char seen[ENTRIES];
  char path[5000];
  int read_so_far = 0;
  DIR *dir = opendir(".");
  MUST(dir, "opendir");
  memset(seen, 0, sizeof seen);
  errno = 0;
  for (struct dirent *entry; (entry = readdir(dir)); errno = 0) {
    unsigned i;
    if (sscanf(entry->d_name, "stay%u", &i) == 1 && i < ENTRIES) {
      MUST(!seen[i], "%s comes twice", entry->d_name);
      seen[i] = 1;
    }
    if (++read_so_far % 100 == 0 && *leaving < LEAVING) {
      snprintf(path, sizeof path, "%s/leave%04d", setting.home, (*leaving)++);
      MUST(unlink(path) == 0, "unlink %s", path);
    }
  }
  MUST(errno == 0, "readdir after %d entries", read_so_far);
  closedir(dir);
  for (int i = 0; i < ENTRIES; i++)
    MUST(seen[i], "stay%04d is missing, after %d entries", i, read_so_far);
  return true;
}

static bool many_changing(void) {
  int leaving = 0;
  if (!make_entries("leave", LEAVING / 2) || !make_entries("stay", ENTRIES))
    return false;
  for (int i = LEAVING / 2; i < LEAVING; i++) { /* some lie before the others, some behind */
    char path[5000];
    snprintf(path, sizeof path, "%s/leave%04d", setting.home, i);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    MUST(fd >= 0, "create %s", path);
    close(fd);
  }
  double start = now();
  pid_t pid = child(come_and_go, NULL);
  bool good = true;
  int passes = 0;
  for (; good && passes < 4; passes++)
    good = one_pass(&leaving);
  kill(pid, SIGKILL);
  int status;
  waitpid(pid, &status, 0);
  if (!good)
    return false;
  MUST(WIFSIGNALED(status), "the process that changes the folder ended by itself");
  note("%d passes in %.1f s", passes, now() - start);
  return setting.server ? remove_entries("stay", ENTRIES) : true;
}

/* As rm -r of some systems does it: what was read is removed before more is read. */
static bool emptied_by_reading(void) {
  char **left;
  bool seen[LEAVING] = {false};
  if (!make_entries("f", LEAVING))
    return false;
  DIR *dir = opendir(".");
  MUST(dir, "opendir");
  for (struct dirent *entry; (entry = readdir(dir));) {
    unsigned i;
    if (sscanf(entry->d_name, "f%u", &i) != 1)
      continue;
    MUST(i < LEAVING && !seen[i], "%s comes twice", entry->d_name);
    seen[i] = true;
    MUST(unlink(entry->d_name) == 0, "unlink %s", entry->d_name);
  }
  closedir(dir);
  long n = read_names(".", &left);
  MUST(n == 0, "%ld entries were not seen", n);
  return true;
}

static bool rewound(void) {
  int before = 0, after = 0;
  if (!make_entries("f", 50))
    return false;
  DIR *dir = opendir(".");
  MUST(dir, "opendir");
  while (readdir(dir))
    before++;
  if (!make_entries("g", 1))
    return false;
  rewinddir(dir);
  while (readdir(dir))
    after++;
  MUST(after == before + 1, "%d entries, and %d after another was made", before, after);
  closedir(dir);
  return true;
}

static bool seen_by_both(void) {
  char path[5000];
  if (!setting.server) {
    note("this server has no other side");
    return true;
  }
  snprintf(path, sizeof path, "%s/f", setting.home);
  if (!put(path, "from the server's side", 22) || !holds("f", "from the server's side", 22))
    return false;
  if (!put("f", "from the mount", 14) || !holds(path, "from the mount", 14))
    return false;
  MUST(unlink(path) == 0, "unlink on the server's side");
  MUST_FAIL(open("f", O_RDONLY), ENOENT);
  return true;
}

const struct check dir_checks[] = {{"names", names, 30, false},
                                   {"deep", deep, 60, false},
                                   {"emptied-by-reading", emptied_by_reading, 60, false},
                                   {"rewound", rewound, 30, false},
                                   {"seen-by-both", seen_by_both, 20, false},
                                   {NULL, NULL, 0, false}};

const struct check change_checks[] = {{"changing-while-read", many_changing, 240, false}, {NULL, NULL, 0, false}};
