/* checks_files.c: what programs do with files. */
#include "checks.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG = 8 << 20, MANY = 100, WRITERS = 8 };

static bool create(void) {
  struct stat st;
  int fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0640);
  MUST(fd >= 0, "open with O_CREAT and O_EXCL");
  MUST(write(fd, "hello", 5) == 5, "write");
  MUST(fstat(fd, &st) == 0, "fstat");
  MUST(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0640, "the mode is %o instead of 100640", (unsigned)st.st_mode);
  MUST(st.st_size == 5, "the size is %lld instead of 5", (long long)st.st_size);
  MUST(lseek(fd, 0, SEEK_END) == 5, "SEEK_END is not at 5");
  MUST(fsync(fd) == 0, "fsync");
  MUST(close(fd) == 0, "close");
  MUST_FAIL(open("f", O_CREAT | O_EXCL | O_RDWR, 0640), EEXIST);
  return holds("f", "hello", 5);
}

static bool append(void) {
  char all[100] = "";
  for (int i = 0; i < 5; i++) {
    int fd = open("f", O_WRONLY | O_CREAT | O_APPEND, 0644);
    MUST(fd >= 0, "open with O_APPEND");
    for (int j = 0; j < 3; j++) {
      MUST(write(fd, "line\n", 5) == 5, "write");
      strcat(all, "line\n");
    }
    MUST(close(fd) == 0, "close");
  }
  return holds("f", all, strlen(all));
}

static bool truncate_and_grow(void) {
  static char grown[20000];
  struct stat st;
  if (!put("f", "0123456789", 10))
    return false;
  MUST(truncate("f", 4) == 0, "truncate to 4");
  if (!holds("f", "0123", 4))
    return false;
  memcpy(grown, "0123", 4);
  MUST(truncate("f", sizeof grown) == 0, "truncate to %zu", sizeof grown);
  if (!holds("f", grown, sizeof grown))
    return false;
  int fd = open("f", O_RDWR);
  MUST(fd >= 0 && ftruncate(fd, 2) == 0, "ftruncate to 2");
  MUST(fstat(fd, &st) == 0 && st.st_size == 2, "the size is %lld after ftruncate to 2", (long long)st.st_size);
  MUST(close(fd) == 0, "close");
  fd = open("f", O_WRONLY | O_TRUNC);
  MUST(fd >= 0, "open with O_TRUNC");
  close(fd);
  return holds("f", "", 0);
}

/* What editors and git do: the new text under another name, then renamed over the old. Who has the old file open keeps
 * it. */
static bool safe_save(void) {
  char old[40], new[40] = "version 0";
  if (!put("f", new, strlen(new)))
    return false;
  for (int i = 1; i <= 20; i++) {
    int reader = open("f", O_RDONLY);
    MUST(reader >= 0, "open before save %d", i);
    strcpy(old, new);
    snprintf(new, sizeof new, "version %d%.*s", i, i, "....................");
    int fd = open("f.tmp", O_CREAT | O_EXCL | O_WRONLY, 0600);
    MUST(fd >= 0, "open the new file of save %d", i);
    MUST(write(fd, new, strlen(new)) == (ssize_t)strlen(new), "write");
    MUST(fchmod(fd, 0644) == 0, "fchmod");
    MUST(fsync(fd) == 0, "fsync");
    MUST(close(fd) == 0, "close");
    MUST(rename("f.tmp", "f") == 0, "rename over the old file");
    MUST(access("f.tmp", F_OK) < 0 && errno == ENOENT, "the new file is still there under its first name");
    if (!holds("f", new, strlen(new)) || !fd_holds(reader, old, strlen(old)))
      return false;
    close(reader);
  }
  return true;
}

static bool unlinked(void) {
  struct stat st;
  char **names;
  if (!put("f", "still here", 10))
    return false;
  int fd = open("f", O_RDWR);
  MUST(fd >= 0, "open");
  MUST(unlink("f") == 0, "unlink of an open file");
  MUST_FAIL(access("f", F_OK), ENOENT);
  if (!fd_holds(fd, "still here", 10))
    return false;
  MUST(pwrite(fd, "STILL", 5, 0) == 5, "write to an unlinked file");
  if (!fd_holds(fd, "STILL here", 10))
    return false;
  MUST(fstat(fd, &st) == 0, "fstat of an unlinked file");
  MUST(st.st_size == 10, "fstat says size %lld instead of 10", (long long)st.st_size);
  MUST(ftruncate(fd, 5) == 0, "ftruncate of an unlinked file");
  MUST(fchmod(fd, 0600) == 0, "fchmod of an unlinked file");
  MUST(fstat(fd, &st) == 0 && st.st_size == 5, "fstat after ftruncate says size %lld", (long long)st.st_size);
  if (!put("f", "another", 7) || !fd_holds(fd, "STILL", 5) || !holds("f", "another", 7))
    return false;
  MUST(close(fd) == 0, "close");
  MUST(unlink("f") == 0, "unlink of the second");
  MUST(read_names(".", &names) == 0, "the folder is not empty in the end");
  return true;
}

static bool renamed_while_open(void) {
  struct stat st;
  if (!put("old", "text", 4))
    return false;
  int fd = open("old", O_RDWR);
  MUST(fd >= 0, "open");
  MUST(rename("old", "new") == 0, "rename of an open file");
  MUST(fstat(fd, &st) == 0 && st.st_size == 4, "fstat of the renamed file");
  MUST(pwrite(fd, "TEXT", 4, 0) == 4, "write to the renamed file");
  if (!fd_holds(fd, "TEXT", 4) || !holds("new", "TEXT", 4))
    return false;
  MUST_FAIL(access("old", F_OK), ENOENT);
  if (!put("old", "other", 5))
    return false;
  return fd_holds(fd, "TEXT", 4) && holds("old", "other", 5);
}

static bool folder_renamed_while_open(void) {
  struct stat st;
  MUST(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0, "mkdir");
  if (!put("a/b/f", "text", 4))
    return false;
  int fd = open("a/b/f", O_RDWR), dir = open("a/b", O_RDONLY | O_DIRECTORY);
  MUST(fd >= 0 && dir >= 0, "open");
  MUST(rename("a", "z") == 0, "rename of a folder with an open file in it");
  MUST(fstat(fd, &st) == 0 && st.st_size == 4, "fstat of a file whose folder was renamed");
  MUST(pwrite(fd, "more text", 9, 0) == 9, "write to a file whose folder was renamed");
  if (!fd_holds(fd, "more text", 9) || !holds("z/b/f", "more text", 9))
    return false;
  MUST(fchmod(fd, 0600) == 0, "fchmod of a file whose folder was renamed");
  MUST(openat(dir, "f", O_RDONLY) >= 0, "open from a folder whose parent was renamed");
  MUST_FAIL(access("a", F_OK), ENOENT);
  MUST(stat("z/b/f", &st) == 0 && (st.st_mode & 0777) == 0600, "the mode set through the descriptor is lost");
  return true;
}

static bool modes(void) {
  static const mode_t some[] = {0600, 0444, 0755, 0, 0666};
  struct stat st;
  if (!put("f", "x", 1))
    return false;
  MUST(mkdir("d", 0750) == 0, "mkdir");
  MUST(stat("d", &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0750, "the folder's mode is %o",
       (unsigned)st.st_mode);
  for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
    MUST(chmod("f", some[i]) == 0, "chmod %o", (unsigned)some[i]);
    MUST(stat("f", &st) == 0, "stat");
    MUST((st.st_mode & 0777) == some[i] && S_ISREG(st.st_mode), "chmod %o gives %o", (unsigned)some[i],
         (unsigned)st.st_mode);
    MUST(chmod("d", some[i] | 0700) == 0, "chmod of a folder");
    MUST(stat("d", &st) == 0, "stat");
    MUST((st.st_mode & 0777) == (some[i] | 0700) && S_ISDIR(st.st_mode), "chmod of a folder gives %o",
         (unsigned)st.st_mode);
  }
  return true;
}

static bool times(void) {
  struct timespec set[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1234567890}};
  struct stat before, st;
  if (!put("f", "x", 1))
    return false;
  MUST(stat("f", &before) == 0, "stat");
  MUST(utimensat(AT_FDCWD, "f", set, 0) == 0, "utimensat");
  MUST(stat("f", &st) == 0, "stat");
  MUST(st.st_mtime == 1234567890, "the time of change is %lld instead of 1234567890", (long long)st.st_mtime);
  if (!put("f", "y", 1))
    return false;
  MUST(stat("f", &st) == 0, "stat");
  MUST(st.st_mtime >= before.st_mtime, "a write leaves the time of change at %lld", (long long)st.st_mtime);
  return true;
}

static bool inodes(void) {
  struct stat a, b, moved;
  if (!put("a", "x", 1) || !put("b", "x", 1))
    return false;
  MUST(stat("a", &a) == 0 && stat("b", &b) == 0, "stat");
  MUST(a.st_ino != b.st_ino, "two files have one inode number");
  MUST(rename("a", "c") == 0 && stat("c", &moved) == 0, "rename");
  MUST(moved.st_ino == a.st_ino, "the inode number changes with the name");
  return true;
}

static bool big(void) {
  static unsigned char wrote[BIG], found[BIG];
  size_t have = 0;
  ssize_t got;
  scramble(wrote, BIG, 1);
  int fd = open("f", O_CREAT | O_RDWR, 0644);
  MUST(fd >= 0, "open");
  for (size_t at = 0; at < BIG; at += (size_t)got) {
    size_t n = at % 3 ? 65521 : 1234567;
    got = write(fd, wrote + at, n < BIG - at ? n : BIG - at);
    MUST(got > 0, "write at %zu", at);
  }
  MUST(close(fd) == 0, "close");
  fd = open("f", O_RDONLY);
  while ((got = read(fd, found + have, have % 2 ? 40009 : BIG - have)) > 0)
    have += (size_t)got;
  MUST(got == 0 && have == BIG, "%zu bytes come back", have);
  MUST(memcmp(wrote, found, BIG) == 0, "other bytes come back");
  for (size_t at = 17; at < BIG - 100; at += 777777)
    MUST(pread(fd, found, 100, (off_t)at) == 100 && memcmp(found, wrote + at, 100) == 0, "pread at %zu", at);
  if (!setting.server)
    return true;
  char path[5000];
  snprintf(path, sizeof path, "%s/f", setting.home);
  return holds(path, wrote, BIG); /* and that is what the server has */
}

static bool far_offset(void) {
  off_t far = (off_t)5 << 30;
  struct stat st;
  char hole[4] = "....";
  int fd = open("f", O_CREAT | O_RDWR, 0644);
  MUST(fd >= 0, "open");
  MUST(pwrite(fd, "end", 3, far) == 3, "write at 5 GiB");
  MUST(fstat(fd, &st) == 0 && st.st_size == far + 3, "the size is %lld", (long long)st.st_size);
  MUST(pread(fd, hole, 4, far - 1) == 4 && memcmp(hole, "\0end", 4) == 0, "read at 5 GiB");
  MUST(pread(fd, hole, 4, (off_t)1 << 30) == 4 && memcmp(hole, "\0\0\0", 4) == 0, "read of the hole");
  return true;
}

static bool mapped(void) {
  static unsigned char bytes[50000];
  scramble(bytes, sizeof bytes, 2);
  if (!put("f", bytes, sizeof bytes))
    return false;
  int fd = open("f", O_RDONLY);
  MUST(fd >= 0, "open");
  void *map = mmap(NULL, sizeof bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  MUST(map != MAP_FAILED, "mmap");
  MUST(memcmp(map, bytes, sizeof bytes) == 0, "the map shows something else");
  return true;
}

/* What the kernel makes of our error texts. */
static bool errors(void) {
  char long_name[257];
  memset(long_name, 'n', 256);
  long_name[256] = 0;
  if (!put("f", "x", 1))
    return false;
  MUST(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0 && mkdir("g", 0755) == 0, "mkdir");
  MUST_FAIL(open("none", O_RDONLY), ENOENT);
  MUST_FAIL(open("none/f", O_RDONLY | O_CREAT, 0644), ENOENT);
  MUST_FAIL(unlink("none"), ENOENT);
  MUST_FAIL(rmdir("none"), ENOENT);
  MUST_FAIL(rename("none", "other"), ENOENT);
  MUST_FAIL(open("f/x", O_RDONLY), ENOTDIR);
  MUST_FAIL(rmdir("f"), ENOTDIR);
  MUST_FAIL(open("d", O_WRONLY), EISDIR);
  MUST_FAIL(unlink("d"), EISDIR);
  MUST_FAIL(mkdir("d", 0755), EEXIST);
  MUST_FAIL(mkdir("f", 0755), EEXIST);
  MUST_FAIL(rmdir("d"), ENOTEMPTY);
  MUST(rename("g", "d") < 0 && (errno == ENOTEMPTY || errno == EEXIST), "rename over a folder that is not empty");
  MUST_FAIL(rename("f", "g"), EISDIR);
  MUST_FAIL(rename("g", "f"), ENOTDIR);
  MUST_FAIL(rename("f", "d/f"), EXDEV);   /* 9P2000 has no rename into another folder: mv copies */
  MUST_FAIL(symlink("f", "link"), EPERM); /* nor links */
  MUST_FAIL(open(long_name, O_WRONLY | O_CREAT, 0644), ENAMETOOLONG);
  MUST(rmdir("g") == 0 && rmdir("d/e") == 0 && rmdir("d") == 0, "rmdir");
  return holds("f", "x", 1);
}

static bool many_open(void) {
  int fds[MANY];
  char name[20], text[20], found[20];
  for (int i = 0; i < MANY; i++) {
    snprintf(name, sizeof name, "f%d", i);
    fds[i] = open(name, O_CREAT | O_RDWR, 0644);
    MUST(fds[i] >= 0, "open number %d", i);
    MUST(write(fds[i], name, strlen(name)) == (ssize_t)strlen(name), "write number %d", i);
  }
  for (int i = MANY - 1; i >= 0; i--) {
    snprintf(text, sizeof text, "f%d", i);
    MUST(pread(fds[i], found, sizeof found, 0) == (ssize_t)strlen(text) && memcmp(found, text, strlen(text)) == 0,
         "file %d has something else in it", i);
    MUST(close(fds[i]) == 0 && unlink(text) == 0, "close and unlink number %d", i);
  }
  return true;
}

static bool write_some(void *arg) {
  static unsigned char bytes[300000];
  unsigned who = *(unsigned *)arg;
  char name[40];
  for (unsigned i = 0; i < 10; i++) {
    size_t n = sizeof bytes / (1 + (who + i) % 7);
    scramble(bytes, n, who * 100 + i);
    snprintf(name, sizeof name, "w%u-%u", who, i);
    if (!put(name, bytes, n) || !holds(name, bytes, n))
      return false;
    if (i % 2)
      MUST(unlink(name) == 0, "unlink %s", name);
  }
  return true;
}

static bool writers_at_once(void) {
  pid_t pids[WRITERS];
  bool good = true;
  char **names;
  for (unsigned i = 0; i < WRITERS; i++)
    pids[i] = child(write_some, &i);
  for (unsigned i = 0; i < WRITERS; i++)
    good = reap(pids[i]) && good;
  if (!good)
    return false;
  long n = read_names(".", &names);
  MUST(n == WRITERS * 5, "%ld files are left instead of %d", n, WRITERS * 5);
  return true;
}

static bool write_on(void *arg) {
  static unsigned char bytes[65536];
  int started = *(int *)arg, fd = open("f", O_CREAT | O_TRUNC | O_WRONLY, 0644);
  for (int i = 0; fd >= 0 && i < 1000000; i++) {
    if (pwrite(fd, bytes, sizeof bytes, (off_t)(i % 16) * 65536) < 0)
      return false;
    if (i == 3 && write(started, "x", 1) != 1)
      return false;
  }
  return false;
}

/* Killed in the middle of a write: the kernel flushes what is under way. */
static bool writers_killed(void) {
  double worst = 0;
  for (int i = 0; i < 10; i++) {
    int ends[2];
    char c;
    MUST(pipe(ends) == 0, "pipe");
    pid_t pid = child(write_on, &ends[1]);
    close(ends[1]);
    MUST(read(ends[0], &c, 1) == 1, "the writer ended by itself");
    double start = now();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    worst = now() - start > worst ? now() - start : worst;
    close(ends[0]);
    if (!put("g", "good", 4) || !holds("g", "good", 4))
      return false;
  }
  MUST(worst * 1000 < (double)setting.kill_limit, "a killed writer takes %.0f ms to go", worst * 1000);
  note("gone in at most %.0f ms", worst * 1000);
  return true;
}

const struct check file_checks[] = {{"create", create, 20, false},
                                    {"append", append, 20, false},
                                    {"truncate", truncate_and_grow, 20, false},
                                    {"safe-save", safe_save, 30, false},
                                    {"unlinked-while-open", unlinked, 20, false},
                                    {"renamed-while-open", renamed_while_open, 20, false},
                                    {"folder-renamed-while-open", folder_renamed_while_open, 20, false},
                                    {"modes", modes, 20, false},
                                    {"times", times, 20, false},
                                    {"inodes", inodes, 20, false},
                                    {"big-file", big, 60, false},
                                    {"mapped", mapped, 20, false},
                                    {"errors", errors, 20, false},
                                    {"many-open", many_open, 60, false},
                                    {"writers-at-once", writers_at_once, 90, false},
                                    {"writers-killed", writers_killed, 60, false},
                                    {NULL, NULL, 0, false}};

const struct check sparse_checks[] = {{"far-offset", far_offset, 20, false}, {NULL, NULL, 0, false}};
