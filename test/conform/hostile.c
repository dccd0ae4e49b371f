/* hostile.c: a tree that somebody pulls about while it is served.
 *
 *     hostile ADDRESS DIRECTORY SECONDS [SEED]
 *
 * DIRECTORY/export is what the server at ADDRESS exports. Beside it this program makes DIRECTORY/outside, where the same names
 * hold files full of a marker. One process moves directories, and puts links, FIFOs and other directories in their places, as
 * fast as it can; 32 clients walk, list, stat, read, write, create, rename and remove. No client may ever see what is outside: not
 * a byte of it, no name, no length; and nothing outside may have changed at the end. Every call has to come back. */
#include <styx/client.h>
#include <styx/server.h>

#include "support/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 32, DIRS = 6, FILES = 3, INSIDE_LENGTH = 3200, OUTSIDE_LENGTH = 4240, PATIENCE = 60 };

#define MARKER "OUTSIDE!"
#define LEAK "leak" /* a name that is nowhere but outside */

static const char *top;
static styx_addr address;
static time_t end;
static atomic_ullong walks, opens, bytes, changes;
static atomic_bool failed;

static void fail(const char *what, const char *detail) {
  atomic_store(&failed, true);
  fprintf(stderr, "hostile: %s: %s\n", what, detail);
}

static void die(const char *what) {
  fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* ---- the tree; names are of the export unless they begin with ../ ---- */

static const char *at(const char *fmt, ...) STYX_PRINTF(1, 2);
static const char *at(const char *fmt, ...) {
  static char paths[4][4096];
  static unsigned turn;
  char *path = paths[turn++ % 4];
  int n = snprintf(path, 4096, "%s/export/", top);
  va_list args;
  va_start(args, fmt);
  vsnprintf(path + n, 4096 - (size_t)n, fmt, args);
  va_end(args);
  return path;
}

static void put(const char *path, const char *text) {
  size_t length = strcmp(text, MARKER) == 0 ? OUTSIDE_LENGTH : INSIDE_LENGTH;
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  size_t len = strlen(text);
  for (size_t i = 0; fd >= 0 && i < length / len; i++)
    (void)!write(fd, text, len);
  if (fd >= 0)
    close(fd);
}

static void fill_dir(const char *base, int d, const char *text) {
  mkdir(at("%sd%d", base, d), 0777);
  mkdir(at("%sd%d/sub", base, d), 0777);
  for (int f = 0; f < FILES; f++)
    put(at("%sd%d/f%d", base, d, f), text);
  put(at("%sd%d/sub/g", base, d), text);
}

static void fill(void) {
  if (mkdir(at("../outside"), 0777))
    die(at("../outside"));
  for (int d = 0; d < DIRS; d++) {
    fill_dir("../outside/", d, MARKER);
    put(at("../outside/d%d/" LEAK, d), MARKER);
    fill_dir("", d, "inside. ");
  }
}

/* ---- who pulls it about ---- */

/* A link that leads out, in one of the ways that there are. */
static void link_out(uint64_t *seed, int d, const char *rest, const char *name) {
  char target[4096];
  static const char *const ways[] = {"..", "../..", "../../..", "d1/../..", "./sub/../../.."};
  uint32_t way = dice(seed, 7);
  if (way < 5)
    snprintf(target, sizeof target, "%s/outside/d%d%s", ways[way], d, rest);
  else if (way == 5)
    snprintf(target, sizeof target, "%s/outside/d%d%s", top, d, rest);
  else
    snprintf(target, sizeof target, "/proc/self/cwd/%s/outside/d%d%s", top, d, rest);
  (void)!symlink(target, name);
}

static void link_for_dir(uint64_t *seed, int d) {
  char held[4096], name[4096];
  snprintf(held, sizeof held, "%s", at("held%d", d));
  snprintf(name, sizeof name, "%s", at("d%d", d));
  (void)!rename(held, at("lost%u", dice(seed, 1000))); /* a client has renamed the link that was in its place */
  if (dice(seed, 2)) {
    link_out(seed, d, "", held);
    (void)!renameat2(AT_FDCWD, held, AT_FDCWD, name, RENAME_EXCHANGE);
    (void)!renameat2(AT_FDCWD, held, AT_FDCWD, name, RENAME_EXCHANGE);
    unlink(held);
  } else if (rename(name, held) == 0) {
    link_out(seed, d, "", name);
    unlink(name);
    (void)!rename(held, name);
  }
}

static void link_for_file(uint64_t *seed, int d) {
  char name[4096], rest[16], spare[4096];
  snprintf(rest, sizeof rest, "/f%u", dice(seed, FILES));
  snprintf(name, sizeof name, "%s", at("d%d%s", d, rest));
  snprintf(spare, sizeof spare, "%s", at("spare%d", d));
  if (dice(seed, 4))
    link_out(seed, d, rest, spare);
  else
    (void)!mkfifo(spare, 0666);
  (void)!rename(spare, name);
  put(spare, "inside. ");
  (void)!rename(spare, name);
}

static void link_for_sub(uint64_t *seed, int d) {
  char name[4096], held[4096];
  snprintf(name, sizeof name, "%s", at("d%d/sub", d));
  snprintf(held, sizeof held, "%s", at("d%d/sub.held", d));
  if (rename(name, held))
    return;
  if (dice(seed, 3))
    link_out(seed, d, "/sub", name);
  else
    (void)!symlink(dice(seed, 2) ? ".." : "../d0", name);
  unlink(name);
  (void)!rename(held, name);
}

static void move_dir(uint64_t *seed, int d) {
  char name[4096], into[4096];
  int other = (d + 1 + (int)dice(seed, DIRS - 1)) % DIRS;
  snprintf(name, sizeof name, "%s", at("d%d", d));
  snprintf(into, sizeof into, "%s", at("d%d/sub/d%d", other, d));
  if (rename(name, into) == 0)
    (void)!rename(into, name);
}

/* What clients have removed or renamed comes back. */
static void repair(int d) {
  char name[4096];
  snprintf(name, sizeof name, "%s", at("d%d/new", d));
  unlink(name);
  fill_dir("", d, "inside. ");
}

static void pull_about(uint64_t seed) {
  static void (*const ways[])(uint64_t *, int) = {link_for_dir, link_for_file, link_for_sub, move_dir};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (uint64_t turn = 0;; turn++) {
    int d = (int)dice(&seed, DIRS);
    ways[dice(&seed, 4)](&seed, d);
    if (turn % 64 == 0)
      repair((int)(turn / 64 % DIRS));
  }
}

/* ---- clients ---- */

struct one {
  styx_client *client;
  uint32_t root;
  uint64_t seed;
  pthread_t thread;
};

static void look_at_text(const char *buf, size_t n) {
  if (memmem(buf, n, MARKER, sizeof MARKER - 1))
    fail("bytes from outside", MARKER);
}

static void look_at_stat(const styx_stat *st) {
  if (styx_str_is(st->name, LEAK))
    fail("a name from outside", LEAK);
  if (!(st->mode & STYX_DMDIR) && st->length == OUTSIDE_LENGTH)
    fail("a length from outside", "a stat");
}

static void read_file(struct one *o, uint32_t fid) {
  char buf[8192];
  uint32_t got = 0;
  for (uint64_t offset = 0; !styx_client_read(o->client, fid, offset, buf, sizeof buf, &got) && got; offset += got) {
    look_at_text(buf, got);
    atomic_fetch_add(&bytes, got);
  }
}

static void read_dir(struct one *o, uint32_t fid) {
  styx_list list = {0};
  if (styx_client_list(o->client, fid, &list))
    return;
  for (size_t i = 0; i < list.count; i++)
    look_at_stat(&list.stats[i]);
  styx_list_free(o->client, &list);
}

static void change(struct one *o, uint32_t fid, bool dir) {
  styx_stat st = styx_stat_untouched();
  uint32_t put_in = 0;
  atomic_fetch_add(&changes, 1);
  switch (dice(&o->seed, 5)) {
  case 0:
    if (!styx_client_create(o->client, fid, "new", 0666, STYX_OWRITE, NULL))
      styx_client_write(o->client, fid, 0, "written", 7, &put_in);
    return;
  case 1:
    st.length = dir ? UINT64_MAX : INSIDE_LENGTH;
    st.mode = dir ? STYX_DMDIR | 0777 : 0666;
    styx_client_wstat(o->client, fid, &st);
    return;
  case 2:
    st.name = styx_str_of(dice(&o->seed, 2) ? "f1" : "renamed");
    if (!dir)
      styx_client_wstat(o->client, fid, &st);
    return;
  case 3:
    if (!dir && !styx_client_open(o->client, fid, STYX_OWRITE | STYX_OTRUNC, NULL))
      styx_client_write(o->client, fid, 0, "written", 7, &put_in);
    return;
  default:
    if (!dir && !styx_client_open(o->client, fid, STYX_OREAD | STYX_ORCLOSE, NULL))
      read_file(o, fid);
  }
}

static void visit(struct one *o, uint32_t fid, bool dir) {
  char room[STYX_STATROOM];
  styx_stat st;
  if (!styx_client_stat(o->client, fid, &st, room, sizeof room))
    look_at_stat(&st);
  if (dice(&o->seed, 8) == 0) {
    change(o, fid, dir);
    return;
  }
  if (styx_client_open(o->client, fid, STYX_OREAD, NULL))
    return;
  atomic_fetch_add(&opens, 1);
  if (dir)
    read_dir(o, fid);
  else
    read_file(o, fid);
}

static void some_path(struct one *o, char path[256]) {
  static const char *const names[] = {"sub", "f0", "f1", "f2", "sub/g", "sub/..", "..", "sub/d1", LEAK, "sub/../f0"};
  size_t n = (size_t)snprintf(path, 256, "d%u", dice(&o->seed, DIRS));
  for (uint32_t i = dice(&o->seed, 3); i > 0; i--)
    n += (size_t)snprintf(path + n, 256 - n, "/%s", names[dice(&o->seed, sizeof names / sizeof *names)]);
}

/* Some fids are kept for a while, so that what they are of moves and loses its descriptor. */
static void *be_client(void *arg) {
  enum { KEPT = 64 };
  struct one *o = arg;
  struct kept {
    uint32_t fid;
    bool used, dir;
  } kept[KEPT] = {{0}};
  char path[256];
  while (time(NULL) < end && !atomic_load(&failed)) {
    struct kept *k = &kept[dice(&o->seed, KEPT)];
    uint32_t fid;
    styx_qid qid;
    if (k->used) {
      if (dice(&o->seed, 2) == 0 || !k->dir) {
        visit(o, k->fid, k->dir);
        styx_client_clunk(o->client, k->fid);
        k->used = false;
        continue;
      }
    }
    some_path(o, path);
    const char *rest = strchr(path, '/');
    if (styx_client_walk(o->client, k->used ? k->fid : o->root, k->used && rest ? rest + 1 : path, &fid, &qid))
      continue;
    atomic_fetch_add(&walks, 1);
    bool dir = (qid.type & STYX_QTDIR) != 0;
    if (!k->used && dice(&o->seed, 2)) {
      *k = (struct kept){fid, true, dir};
      continue;
    }
    visit(o, fid, dir);
    styx_client_clunk(o->client, fid);
  }
  if (styx_client_why(o->client))
    fail("the connection ended", styx_client_why(o->client));
  return NULL;
}

static void start_client(struct one *o, uint64_t seed) {
  int fd;
  o->seed = seed;
  styx_err err = styx_dial(&address, &fd);
  if (!err)
    err = styx_client_new(&o->client, fd, NULL);
  if (!err)
    err = styx_client_attach(o->client, "hostile", "", &o->root, NULL);
  if (err) {
    fprintf(stderr, "hostile: cannot attach: %s\n", styx_err_text(err));
    exit(1);
  }
}

/* ---- at the end ---- */

static int count_entries(const char *dir) {
  int n = 0;
  DIR *d = opendir(dir);
  for (struct dirent *e; d && (e = readdir(d));)
    n += *e->d_name != '.';
  if (d)
    closedir(d);
  return n;
}

static void is_whole(const char *path) {
  struct stat st;
  char buf[OUTSIDE_LENGTH + 1];
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf);
  bool whole = n == OUTSIDE_LENGTH && fstat(fd, &st) == 0 && st.st_size == n;
  for (ssize_t i = 0; whole && i < n; i += 8)
    whole = memcmp(buf + i, MARKER, 8) == 0;
  if (!whole)
    fail("changed outside", path);
  if (fd >= 0)
    close(fd);
}

static void look_outside(void) {
  if (count_entries(at("../outside")) != DIRS)
    fail("changed outside", "the directories");
  for (int d = 0; d < DIRS; d++) {
    if (count_entries(at("../outside/d%d", d)) != FILES + 2 || count_entries(at("../outside/d%d/sub", d)) != 1)
      fail("changed outside", at("../outside/d%d", d));
    for (int f = 0; f < FILES; f++)
      is_whole(at("../outside/d%d/f%d", d, f));
    is_whole(at("../outside/d%d/sub/g", d));
  }
}

static void join_all(struct one *all) {
  struct timespec patience;
  clock_gettime(CLOCK_REALTIME, &patience);
  patience.tv_sec = end + PATIENCE;
  for (int i = 0; i < CLIENTS; i++)
    if (pthread_timedjoin_np(all[i].thread, NULL, &patience)) {
      fail("a call does not come back", "hang");
      exit(1);
    }
}

int main(int argc, char **argv) {
  static struct one all[CLIENTS];
  const char *why;
  if (argc < 4 || styx_addr_parse(&address, argv[1], &why)) {
    fprintf(stderr, "usage: hostile ADDRESS DIRECTORY SECONDS [SEED]\n");
    return 2;
  }
  top = argv[2];
  uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 0) : seed_of_run();
  umask(0);
  signal(SIGPIPE, SIG_IGN);
  fill();
  pid_t puller = fork();
  if (puller == 0)
    pull_about(seed);
  if (puller < 0)
    die("fork");
  for (int i = 0; i < CLIENTS; i++)
    start_client(&all[i], seed + 1 + (uint64_t)i);
  end = time(NULL) + atoi(argv[3]);
  for (int i = 0; i < CLIENTS; i++)
    if (pthread_create(&all[i].thread, NULL, be_client, &all[i]))
      die("thread");
  join_all(all);
  kill(puller, SIGKILL);
  waitpid(puller, NULL, 0);
  for (int i = 0; i < CLIENTS; i++)
    styx_client_free(all[i].client);
  look_outside();
  printf("# %llu walks, %llu opens, %llu bytes read, %llu changes\n", (unsigned long long)walks,
         (unsigned long long)opens, (unsigned long long)bytes, (unsigned long long)changes);
  if (!opens || !bytes)
    fail("nothing was tried", "no file could be read");
  return atomic_load(&failed);
}
