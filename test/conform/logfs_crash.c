/* logfs_crash.c: what logfs has acknowledged survives kill -9, and nothing is half.
 *
 *     logfs_crash [-n CRASHES] [-s SEED] [-v] LOGFS DIRECTORY
 *
 * LOGFS is started on a socket and a database in DIRECTORY. Eight clients create, write, cut, rename and remove files, each in a
 * directory of its own, until so many requests have been answered as the die says; then the server is killed with -9, started again
 * (sometimes killed in that too), and looked at. What a client then finds in its directory must be what it was after one of its
 * requests: not before the last that an Rclunk of its fid, an Rremove or an Rwstat has acknowledged, not after the last that was
 * sent. Then the server is ended, and SQLite's integrity check and the rules of the tables are tried on the database. */
#include <styx/client.h>
#include <styx/server.h>

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 8, NAMES = 8, OPEN = 4, LARGEST = 49152, PIECE = 20000, OPERATIONS = 8192, PATIENCE = 60 };

/* A file that a client has made. Removed ones stay as long as a fid of theirs does. */
struct file {
  int name; /* -1: removed */
  unsigned fids;
  uint32_t length;
  uint64_t hash; /* of name, length and contents */
  unsigned char data[LARGEST];
};

/* The directory of one client as it should be, and how it was after each of its requests. */
struct client {
  unsigned number;
  uint64_t die;
  styx_client *styx;
  uint32_t dir;
  struct file *names[NAMES];
  struct {
    uint32_t fid;
    struct file *file;
    unsigned changed; /* the last request that has changed something through it */
  } open[OPEN];
  uint64_t after[OPERATIONS]; /* hash of the directory after so many requests */
  const char *what[OPERATIONS];
  unsigned sent, durable; /* requests */
  char wrong[256];        /* empty: nothing */
};

static struct {
  styx_addr addr;
  const char *program, *directory;
  pid_t server;
  bool verbose;
  _Atomic unsigned answers;
  unsigned enough;
  pthread_barrier_t all_in;
} job;

static void give_up(const char *what, const char *why) {
  fprintf(stderr, "logfs_crash: %s: %s\n", what, why);
  if (job.server > 0)
    kill(job.server, SIGKILL);
  exit(1);
}

static uint32_t roll(uint64_t *die, uint32_t sides) {
  uint64_t x = *die += 0x9e3779b97f4a7c15u; /* SplitMix64 */
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((x ^ (x >> 31)) % sides);
}

/* ---- the model ---- */

static uint64_t hash_of(const struct file *f) {
  uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)f->name ^ (uint64_t)f->length << 8; /* FNV-1a */
  for (uint32_t i = 0; i < f->length; i++)
    h = (h ^ f->data[i]) * 0x100000001b3u;
  return h;
}

/* Files are told apart by their names, so the order does not matter. */
static uint64_t hash_all(const struct client *c) {
  uint64_t h = 0;
  for (int i = 0; i < NAMES; i++)
    if (c->names[i])
      h += c->names[i]->hash * 2 + 1;
  return h;
}

static void drop(struct file *f) {
  if (f && f->name < 0 && f->fids == 0)
    free(f);
}

static struct file *new_file(int name) {
  struct file *f = calloc(1, sizeof *f);
  if (!f)
    give_up("model", "out of memory");
  f->name = name;
  f->hash = hash_of(f);
  return f;
}

static void unlink_name(struct client *c, int name) {
  struct file *f = c->names[name];
  c->names[name] = NULL;
  if (f)
    f->name = -1;
  drop(f);
}

static void forget_all(struct client *c) {
  for (int i = 0; i < NAMES; i++)
    unlink_name(c, i);
  for (int i = 0; i < OPEN; i++) {
    if (c->open[i].file) {
      c->open[i].file->fids--;
      drop(c->open[i].file);
    }
    c->open[i].file = NULL;
  }
}

/* The model has made the change; the request goes out next. */
static void note(struct client *c, const char *what) {
  c->sent++;
  c->what[c->sent] = what;
  c->after[c->sent] = hash_all(c);
}

/* ---- requests: each changes the model, notes what it will be, and is sent ---- */

static const char *name_of(int name) {
  static const char *const names[NAMES] = {"ash", "birch", "cedar", "elm", "fir", "larch", "oak", "yew"};
  return names[name];
}

static int free_slot(const struct client *c) {
  for (int i = 0; i < OPEN; i++)
    if (!c->open[i].file)
      return i;
  return -1;
}

static void keep_open(struct client *c, int slot, uint32_t fid, struct file *f) {
  c->open[slot].fid = fid;
  c->open[slot].file = f;
  c->open[slot].changed = c->sent;
  f->fids++;
}

static styx_err do_create(struct client *c, int name, int slot) {
  uint32_t fid;
  styx_err err = styx_client_walk(c->styx, c->dir, "", &fid, NULL);
  if (err)
    return err;
  c->names[name] = new_file(name);
  note(c, "create");
  err = styx_client_create(c->styx, fid, name_of(name), 0666, STYX_ORDWR, NULL);
  keep_open(c, slot, fid, c->names[name]);
  return err;
}

static styx_err do_open(struct client *c, int name, int slot) {
  uint32_t fid;
  struct file *f = c->names[name];
  bool cut = roll(&c->die, 3) == 0;
  styx_err err = styx_client_walk(c->styx, c->dir, name_of(name), &fid, NULL);
  if (err)
    return err;
  if (cut)
    f->length = 0;
  f->hash = hash_of(f);
  note(c, cut ? "open, cut" : "open");
  err = styx_client_open(c->styx, fid, STYX_ORDWR | (cut ? STYX_OTRUNC : 0), NULL);
  keep_open(c, slot, fid, f);
  if (!cut)
    c->open[slot].changed = 0;
  return err;
}

static styx_err do_write(struct client *c, int slot) {
  struct file *f = c->open[slot].file;
  uint32_t at = roll(&c->die, LARGEST), n = 1 + roll(&c->die, roll(&c->die, 4) ? 200 : PIECE), done = 0;
  if (n > LARGEST - at)
    n = LARGEST - at;
  if (at > f->length)
    memset(f->data + f->length, 0, at - f->length);
  for (uint32_t i = 0; i < n; i++)
    f->data[at + i] = (unsigned char)roll(&c->die, 256);
  if (at + n > f->length)
    f->length = at + n;
  f->hash = hash_of(f);
  note(c, "write");
  c->open[slot].changed = c->sent;
  styx_err err = styx_client_write(c->styx, c->open[slot].fid, at, f->data + at, n, &done);
  return err ? err : done == n ? STYX_OK : EIO;
}

static styx_err do_wstat(struct client *c, int name) {
  uint32_t fid;
  struct file *f = c->names[name];
  styx_stat stat = styx_stat_untouched();
  uint32_t what = roll(&c->die, 3);
  int to = (int)roll(&c->die, NAMES);
  styx_err err = styx_client_walk(c->styx, c->dir, name_of(name), &fid, NULL);
  if (err)
    return err;
  if (what == 0) {
    stat.length = roll(&c->die, LARGEST);
    if (stat.length > f->length)
      memset(f->data + f->length, 0, stat.length - f->length);
    f->length = (uint32_t)stat.length;
  } else if (what == 1 && to != name) {
    stat.name = styx_str_of(name_of(to));
    unlink_name(c, to);
    c->names[name] = NULL;
    c->names[to] = f;
    f->name = to;
  }
  f->hash = hash_of(f);
  note(c, what == 0 ? "wstat length" : what == 1 ? "wstat name" : "wstat sync");
  unsigned mine = c->sent;
  err = styx_client_wstat(c->styx, fid, &stat);
  if (!err)
    c->durable = mine;
  return err ? err : styx_client_clunk(c->styx, fid);
}

static styx_err do_remove(struct client *c, int name) {
  uint32_t fid;
  styx_err err = styx_client_walk(c->styx, c->dir, name_of(name), &fid, NULL);
  if (err)
    return err;
  unlink_name(c, name);
  note(c, "remove");
  unsigned mine = c->sent;
  err = styx_client_remove(c->styx, fid);
  if (!err)
    c->durable = mine;
  return err;
}

static styx_err do_clunk(struct client *c, int slot) {
  struct file *f = c->open[slot].file;
  c->open[slot].file = NULL;
  f->fids--;
  drop(f);
  note(c, "clunk");
  styx_err err = styx_client_clunk(c->styx, c->open[slot].fid);
  if (!err && c->open[slot].changed > c->durable)
    c->durable = c->open[slot].changed;
  return err;
}

static styx_err do_something(struct client *c) {
  int name = (int)roll(&c->die, NAMES), slot = free_slot(c), busy = (int)roll(&c->die, OPEN);
  uint32_t what = roll(&c->die, 16);
  if (c->open[busy].file && what < 8)
    return what < 6 ? do_write(c, busy) : do_clunk(c, busy);
  if (!c->names[name])
    return slot >= 0 ? do_create(c, name, slot) : STYX_OK;
  if (what < 11 && slot >= 0)
    return do_open(c, name, slot);
  return what < 14 ? do_wstat(c, name) : do_remove(c, name);
}

/* ---- one client: load, and look ---- */

static styx_err dial(styx_client **out) {
  int fd;
  styx_err err = styx_dial(&job.addr, &fd);
  return err ? err : styx_client_new(out, fd, NULL);
}

static styx_err enter(struct client *c, const char *path) {
  uint32_t root;
  styx_err err = dial(&c->styx);
  if (err)
    return err;
  err = styx_client_attach(c->styx, "crash", "", &root, NULL);
  return err ? err : styx_client_walk(c->styx, root, path, &c->dir, NULL);
}

static void *load(void *arg) {
  struct client *c = arg;
  char path[16];
  snprintf(path, sizeof path, "c%u", c->number);
  c->sent = c->durable = 0;
  c->after[0] = hash_all(c);
  c->what[0] = "start";
  styx_err err = enter(c, path);
  pthread_barrier_wait(&job.all_in);
  if (err) {
    snprintf(c->wrong, sizeof c->wrong, "cannot begin: %s", styx_err_text(err));
    return NULL;
  }
  while (!err && c->sent + 1 < OPERATIONS) {
    err = do_something(c);
    if (!err && atomic_fetch_add(&job.answers, 1) + 1 == job.enough)
      kill(job.server, SIGKILL);
  }
  if (err && err != STYX_EHANGUP)
    snprintf(c->wrong, sizeof c->wrong, "%s: %s", c->what[c->sent], styx_client_words());
  styx_client_free(c->styx);
  return NULL;
}

static styx_err look_at_file(struct client *c, const styx_stat *stat) {
  int name = 0;
  uint32_t fid, got = 1;
  while (name < NAMES && !styx_str_is(stat->name, name_of(name)))
    name++;
  if (name == NAMES || stat->length > LARGEST)
    return EINVAL;
  struct file *f = c->names[name] = new_file(name);
  styx_err err = styx_client_walk(c->styx, c->dir, name_of(name), &fid, NULL);
  if (!err)
    err = styx_client_open(c->styx, fid, STYX_OREAD, NULL);
  while (!err && got && f->length < LARGEST) {
    err = styx_client_read(c->styx, fid, f->length, f->data + f->length, LARGEST - f->length, &got);
    f->length += err ? 0 : got;
  }
  f->hash = hash_of(f);
  if (!err && f->length != stat->length)
    err = EINVAL;
  return err ? err : styx_client_clunk(c->styx, fid);
}

/* What is there becomes the model. */
static styx_err look(struct client *c) {
  styx_list list = {0};
  uint32_t fid = 0;
  char path[16];
  snprintf(path, sizeof path, "c%u", c->number);
  forget_all(c);
  styx_err err = enter(c, path);
  if (err)
    return err;
  err = styx_client_walk(c->styx, c->dir, "", &fid, NULL);
  if (!err)
    err = styx_client_open(c->styx, fid, STYX_OREAD, NULL);
  if (!err)
    err = styx_client_list(c->styx, fid, &list);
  for (size_t i = 0; !err && i < list.count; i++)
    err = look_at_file(c, &list.stats[i]);
  styx_list_free(c->styx, &list);
  styx_client_free(c->styx);
  return err;
}

/* Is what is there what was after one of the requests that may have been the last? */
static bool judge(struct client *c) {
  uint64_t there = hash_all(c);
  for (unsigned i = c->durable; i <= c->sent; i++)
    if (c->after[i] == there) {
      if (job.verbose)
        printf("  client %u: as after request %u of %u, %u is durable\n", c->number, i, c->sent, c->durable);
      return true;
    }
  for (unsigned i = c->durable; i-- > 0;)
    if (c->after[i] == there) {
      printf("not ok: client %u: lost: it is as after request %u (%s), but request %u (%s) was acknowledged\n",
             c->number, i, c->what[i], c->durable, c->what[c->durable]);
      return false;
    }
  printf("not ok: client %u: half: it never was like this, neither after request %u (%s) nor any other up to %u (%s)\n",
         c->number, c->durable, c->what[c->durable], c->sent, c->what[c->sent]);
  return false;
}

/* ---- the server ---- */

static void start(void) {
  char database[4096];
  snprintf(database, sizeof database, "%s/files.db", job.directory);
  job.server = fork();
  if (job.server < 0)
    give_up("fork", strerror(errno));
  if (job.server == 0) {
    execl(job.program, job.program, job.addr.path, database, (char *)NULL);
    _exit(127);
  }
}

static void await(void) {
  time_t end = time(NULL) + PATIENCE;
  styx_client *c;
  while (dial(&c)) {
    if (waitpid(job.server, NULL, WNOHANG) == job.server) {
      job.server = 0;
      give_up(job.program, "does not start");
    }
    if (time(NULL) > end)
      give_up(job.program, "does not come to answer");
    sched_yield();
  }
  styx_client_free(c);
}

static int end(int signal) {
  int status = 0;
  kill(job.server, signal);
  waitpid(job.server, &status, 0);
  job.server = 0;
  return status;
}

/* ---- the database ---- */

/* Each gives a number that must be 0. */
static const char *const rules[] = {
    "SELECT count(*) FROM file WHERE parent IS NULL AND id <> 1",
    "SELECT count(*) <> 1 FROM file WHERE id = 1 AND parent IS NULL",
    "SELECT count(*) FROM file WHERE parent NOT IN (SELECT id FROM file WHERE mode & 0x80000000)",
    ("WITH RECURSIVE tree(id) AS (VALUES(1) UNION SELECT file.id FROM file, tree WHERE file.parent = tree.id)"
     " SELECT count(*) FROM file WHERE id NOT IN tree"),
    "SELECT count(*) FROM chunk WHERE file NOT IN (SELECT id FROM file WHERE NOT mode & 0x80000000)",
    "SELECT count(*) FROM chunk, file WHERE chunk.file = file.id AND n * 16384 + length(bytes) > file.length",
    "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
};

static bool database_is_whole(void) {
  char path[4096];
  sqlite3 *db = NULL;
  bool ok = true;
  snprintf(path, sizeof path, "%s/files.db", job.directory);
  if (sqlite3_open(path, &db) != SQLITE_OK)
    give_up(path, sqlite3_errmsg(db));
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    sqlite3_stmt *st = NULL;
    bool ran = sqlite3_prepare_v2(db, rules[i], -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
    if (!ran || sqlite3_column_int64(st, 0) != 0) {
      printf("not ok: database: %s: %s\n", rules[i], ran ? "is not 0" : sqlite3_errmsg(db));
      ok = false;
    }
    sqlite3_finalize(st);
  }
  sqlite3_close(db);
  return ok;
}

/* ---- a crash ---- */

static bool crash(struct client *clients, uint64_t *die) {
  pthread_t threads[CLIENTS];
  bool ok = true;
  atomic_store(&job.answers, 0);
  job.enough = 1 + roll(die, roll(die, 6) ? 600 : 12);
  start();
  await();
  for (unsigned i = 0; i < CLIENTS; i++) {
    clients[i].die = *die + i;
    clients[i].wrong[0] = 0;
    if (pthread_create(&threads[i], NULL, load, &clients[i]))
      give_up("threads", "cannot start one");
  }
  for (unsigned i = 0; i < CLIENTS; i++)
    pthread_join(threads[i], NULL);
  (void)end(SIGKILL);
  for (unsigned more = roll(die, 4) == 0; more; more = roll(die, 2)) { /* and while it repairs */
    start();
    for (uint32_t n = roll(die, 4000); n > 0; n--)
      sched_yield();
    (void)end(SIGKILL);
  }
  start();
  await();
  for (unsigned i = 0; i < CLIENTS; i++) {
    struct client *c = &clients[i];
    if (c->wrong[0]) {
      printf("not ok: client %u: %s\n", i, c->wrong);
      ok = false;
    }
    styx_err err = look(c);
    if (err)
      printf("not ok: client %u: cannot look: %s\n", i, styx_err_text(err));
    ok = !err && judge(c) && ok;
  }
  bool orderly = roll(die, 2) == 0;
  int status = end(orderly ? SIGTERM : SIGKILL);
  if (orderly && status != 0) {
    printf("not ok: it did not end in an orderly way: status %d\n", status);
    ok = false;
  }
  return database_is_whole() && ok;
}

/* A directory for each client. */
static void prepare(void) {
  styx_client *c;
  uint32_t root, fid;
  start();
  await();
  styx_err err = dial(&c);
  if (!err)
    err = styx_client_attach(c, "crash", "", &root, NULL);
  for (unsigned i = 0; !err && i < CLIENTS; i++) {
    char name[16];
    snprintf(name, sizeof name, "c%u", i);
    err = styx_client_walk(c, root, "", &fid, NULL);
    if (!err)
      err = styx_client_create(c, fid, name, STYX_DMDIR | 0777, STYX_OREAD, NULL);
    if (!err)
      err = styx_client_clunk(c, fid);
  }
  if (err)
    give_up("cannot make the directories", styx_client_words());
  styx_client_free(c);
  (void)end(SIGKILL);
}

int main(int argc, char **argv) {
  static struct client clients[CLIENTS];
  long crashes = 10, bad = 0;
  uint64_t seed = (uint64_t)time(NULL), answers = 0;
  char address[4096];
  for (int o; (o = getopt(argc, argv, "n:s:v")) != -1;)
    if (o == 'n')
      crashes = atol(optarg);
    else if (o == 's')
      seed = strtoull(optarg, NULL, 0);
    else if (o == 'v')
      job.verbose = true;
    else
      return 2;
  if (optind + 2 != argc)
    give_up("usage", "logfs_crash [-n CRASHES] [-s SEED] [-v] LOGFS DIRECTORY");
  job.program = argv[optind];
  job.directory = argv[optind + 1];
  snprintf(address, sizeof address, "%s/sock", job.directory);
  if (styx_addr_parse(&job.addr, address, NULL))
    give_up(address, "is no path for a socket");
  printf("logfs_crash: %ld crashes, -s %llu\n", crashes, (unsigned long long)seed);
  pthread_barrier_init(&job.all_in, NULL, CLIENTS);
  prepare();
  for (unsigned i = 0; i < CLIENTS; i++)
    clients[i].number = i;
  for (long i = 0; i < crashes; i++) {
    bad += !crash(clients, &seed);
    answers += atomic_load(&job.answers);
    if ((i + 1) % 10 == 0 || i + 1 == crashes)
      printf("logfs_crash: %ld crashes, %llu answered requests, %ld with losses or damage\n", i + 1,
             (unsigned long long)answers, bad);
    fflush(stdout);
  }
  for (unsigned i = 0; i < CLIENTS; i++)
    forget_all(&clients[i]);
  return bad ? 1 : 0;
}
