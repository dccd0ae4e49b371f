/* files_bench.c: what one file costs where there are many: memfs and tree with 1,000 to 1,000,000 files in one directory 32
 * levels deep, through the wire.
 *
 *   files_bench [-n FILES]... [-o memfs|tree] [-r ROUNDS]
 *
 * A server of its own process, joined by a socket pair, is asked to create all files, to walk to each from the root, to list
 * the directory and to remove each; walks and removals go in an order that is drawn at random. 64 files are under way at a
 * time. Few files are created and removed again until as many operations are measured as with many. Printed is a table of the
 * server's CPU time (and of the time that passed) for one operation, in nanoseconds, and of the bytes that the filesystem asks
 * for (and that the server grows by) for one file: the least of three rounds, each with a new server. */
#include <styx/client.h>
#include <styx/memfs.h>
#include <styx/server.h>
#include <styx/tree.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH = 32, WINDOW = 64, MOST_CALLS = 4, SIZES = 8, OPERATIONS = 4, AT_LEAST = 200000 };

static void fail(const char *what, const char *why) {
  fprintf(stderr, "files_bench: %s: %s\n", what, why);
  exit(1);
}

static void check(const char *what, styx_err err) {
  if (err)
    fail(what, styx_err_text(err));
}

/* ---- the server ---- */

static _Atomic uint64_t bytes; /* that the filesystem holds, as asked for */

static void *counting_alloc(void *ctx, size_t size) {
  (void)ctx;
  void *p = malloc(size);
  if (p)
    atomic_fetch_add_explicit(&bytes, size, memory_order_relaxed);
  return p;
}

static void counting_free(void *ctx, void *p, size_t size) {
  (void)ctx;
  if (p)
    atomic_fetch_sub_explicit(&bytes, size, memory_order_relaxed);
  free(p);
}

static styx_answer no_data(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  (void)aux, (void)handle, (void)offset, (void)count;
  return styx_reply_data(req, "", 0);
}

static styx_err let_create(void *aux, styx_making *making);
static styx_err let_remove(void *aux, styx_str user) {
  (void)aux, (void)user;
  return STYX_OK;
}

static const styx_file_ops file_ops = {.size = sizeof file_ops, .read = no_data, .remove = let_remove};
static const styx_file_ops dir_ops = {.size = sizeof dir_ops, .create = let_create, .remove = let_remove};

static styx_err let_create(void *aux, styx_making *making) {
  (void)aux;
  making->ops = making->mode & STYX_DMDIR ? &dir_ops : &file_ops;
  return STYX_OK;
}

static const styx_allocator counted = {.alloc = counting_alloc, .free = counting_free};

static styx_fs new_memfs(void) {
  styx_memfs_config config = {.size = sizeof config, .user = "bench", .allocator = &counted};
  styx_memfs *memfs = styx_memfs_new(&config);
  if (!memfs)
    fail("memfs", "out of memory");
  return styx_memfs_fs(memfs);
}

static styx_fs new_tree(void) {
  styx_tree *tree = styx_tree_new("bench", &counted);
  styx_file_def def = {.size = sizeof def, .mode = STYX_DMDIR | 0777, .ops = &dir_ops};
  if (!tree)
    fail("tree", "out of memory");
  check("tree", styx_tree_create(tree, NULL, &def, NULL));
  return styx_tree_fs(tree);
}

/* Until the other side hangs up. Each byte on control is answered by the count of bytes. */
static void serve(const char *name, int fd, int control) {
  styx_export export = {.fs = strcmp(name, "memfs") == 0 ? new_memfs() : new_tree()};
  styx_server_config config = {.size = sizeof config, .exports = &export, .nexports = 1};
  styx_server *server = NULL;
  char c;
  check("server", styx_server_new(&server, &config));
  check("server", styx_server_start(server));
  check("server", styx_server_adopt(server, fd, "bench"));
  while (read(control, &c, 1) == 1) {
    uint64_t now = atomic_load(&bytes);
    if (write(control, &now, sizeof now) != (ssize_t)sizeof now)
      break;
  }
  _exit(0); /* to free a million files is not what is measured */
}

/* ---- the client ---- */

struct bench {
  styx_client *client;
  uint32_t root, dir; /* fids; the second's directory has the files */
  uint32_t first_fid; /* WINDOW of them */
  int control;
  pid_t server;
  clockid_t cpu;
  unsigned files;
  uint32_t *order;
};

struct cost {
  uint64_t cpu, wall; /* ns of one operation */
};

static uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t held(const struct bench *b) {
  uint64_t n = 0;
  if (write(b->control, "?", 1) != 1 || read(b->control, &n, sizeof n) != (ssize_t)sizeof n)
    fail("server", "it has ended");
  return n;
}

static uint64_t resident(const struct bench *b) {
  char path[64], text[128] = "";
  snprintf(path, sizeof path, "/proc/%d/statm", (int)b->server);
  FILE *f = fopen(path, "re");
  if (!f || !fgets(text, sizeof text, f) || !strchr(text, ' '))
    fail(path, "cannot be read");
  fclose(f);
  return strtoull(strchr(text, ' '), NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void start(struct bench *b, const char *name) {
  int pair[2], control[2];
  char dir[8] = "d";
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control))
    fail("socketpair", strerror(errno));
  fflush(stdout);
  b->server = fork();
  if (b->server < 0)
    fail("fork", strerror(errno));
  if (b->server == 0) {
    close(pair[0]);
    close(control[0]);
    serve(name, pair[1], control[1]);
  }
  close(pair[1]);
  close(control[1]);
  b->control = control[0];
  if (clock_getcpuclockid(b->server, &b->cpu))
    fail("the server's CPU clock", "there is none");
  check("client", styx_client_new(&b->client, pair[0], NULL));
  check("attach", styx_client_attach(b->client, "bench", "", &b->root, NULL));
  for (unsigned i = 0; i < WINDOW; i++) {
    uint32_t fid = 0;
    check("fid", styx_client_fid(b->client, &fid));
    if (i == 0)
      b->first_fid = fid;
    if (fid != b->first_fid + i)
      fail("fid", "they are not consecutive");
  }
  check("walk", styx_client_walk(b->client, b->root, "", &b->dir, NULL));
  for (int i = 1; i < DEPTH; i++) {
    uint32_t below = 0;
    check("create", styx_client_create(b->client, b->dir, dir, STYX_DMDIR | 0777, STYX_OREAD, NULL));
    check("clunk", styx_client_clunk(b->client, b->dir));
    char path[2 * DEPTH + 1] = "";
    for (int k = 0; k < i; k++)
      strcat(path, "d/");
    check("walk", styx_client_walk(b->client, b->root, path, &below, NULL));
    b->dir = below;
  }
}

static void stop(struct bench *b) {
  styx_client_free(b->client);
  close(b->control);
  waitpid(b->server, NULL, 0);
}

/* ---- one operation on one file: its calls go out together ---- */

struct slot {
  styx_call calls[MOST_CALLS];
  unsigned ncalls;
  char name[16];
};

static void add(struct bench *b, struct slot *s, styx_msg t) {
  styx_call *call = &s->calls[s->ncalls++];
  memset(call, 0, offsetof(styx_call, words));
  call->t = t;
  check("submit", styx_call_submit(b->client, call));
}

static void await(struct slot *s) {
  for (unsigned i = 0; i < s->ncalls; i++) {
    check("a request", styx_call_wait(&s->calls[i]));
    if (s->calls[i].t.type == STYX_Twalk && s->calls[i].r.nwqid != s->calls[i].t.nwname)
      fail("walk", s->name);
  }
  s->ncalls = 0;
}

static void clone(struct bench *b, struct slot *s, uint32_t fid) {
  add(b, s, (styx_msg){.type = STYX_Twalk, .fid = b->dir, .newfid = fid});
}

static void walk(struct bench *b, struct slot *s, uint32_t from, uint32_t fid, unsigned up, const char *last) {
  styx_msg t = {.type = STYX_Twalk, .fid = from, .newfid = fid};
  for (unsigned i = 0; i < up; i++)
    t.wname[t.nwname++] = (styx_str){"d", 1};
  if (last)
    t.wname[t.nwname++] = styx_str_of(last);
  add(b, s, t);
}

static void do_create(struct bench *b, struct slot *s, uint32_t fid) {
  clone(b, s, fid);
  add(b, s, (styx_msg){.type = STYX_Tcreate, .fid = fid, .name = styx_str_of(s->name), .perm = 0666});
  add(b, s, (styx_msg){.type = STYX_Tclunk, .fid = fid});
}

static void do_walk(struct bench *b, struct slot *s, uint32_t fid) {
  walk(b, s, b->root, fid, 16, NULL);
  walk(b, s, fid, fid, DEPTH - 1 - 16, s->name);
  add(b, s, (styx_msg){.type = STYX_Tclunk, .fid = fid});
}

static void do_remove(struct bench *b, struct slot *s, uint32_t fid) {
  walk(b, s, b->dir, fid, 0, s->name);
  add(b, s, (styx_msg){.type = STYX_Tremove, .fid = fid});
}

static void each_file(struct bench *b, void (*operation)(struct bench *, struct slot *, uint32_t), bool in_order) {
  static struct slot slots[WINDOW];
  for (unsigned i = 0; i < b->files; i++) {
    struct slot *s = &slots[i % WINDOW];
    await(s);
    snprintf(s->name, sizeof s->name, "file%u", in_order ? i : b->order[i]);
    operation(b, s, b->first_fid + i % WINDOW);
  }
  for (unsigned i = 0; i < WINDOW; i++)
    await(&slots[(b->files + i) % WINDOW]);
}

static void create_all(struct bench *b) { each_file(b, do_create, true); }
static void walk_all(struct bench *b) { each_file(b, do_walk, false); }
static void remove_all(struct bench *b) { each_file(b, do_remove, false); }

/* Without looking at more than the lengths of what comes. */
static void list_all(struct bench *b) {
  static uint8_t buf[65536];
  uint32_t fid = 0, got = 0;
  uint64_t offset = 0;
  unsigned n = 0;
  check("walk", styx_client_walk(b->client, b->dir, "", &fid, NULL));
  check("open", styx_client_open(b->client, fid, STYX_OREAD, NULL));
  do {
    check("read", styx_client_read(b->client, fid, offset, buf, sizeof buf, &got));
    offset += got;
    for (uint32_t at = 0; at < got; at += 2 + (uint32_t)buf[at] + 256 * (uint32_t)buf[at + 1])
      n++;
  } while (got);
  check("clunk", styx_client_clunk(b->client, fid));
  if (n != b->files)
    fail("list", "not every file came once");
}

static const struct operation {
  const char *name;
  void (*all)(struct bench *);
} operations[OPERATIONS] = {{"create", create_all}, {"walk", walk_all}, {"list", list_all}, {"remove", remove_all}};

/* ---- measuring ---- */

static struct cost measure(struct bench *b, const struct operation *op) {
  uint64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(b->cpu);
  op->all(b);
  return (struct cost){clock_ns(b->cpu) - cpu, clock_ns(CLOCK_MONOTONIC) - wall};
}

static void shuffle(uint32_t *order, unsigned n) {
  uint64_t x = 88172645463325252u;
  for (unsigned i = 0; i < n; i++)
    order[i] = i;
  for (unsigned i = n; i > 1; i--) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    unsigned k = (unsigned)(x % i);
    uint32_t other = order[k];
    order[k] = order[i - 1];
    order[i - 1] = other;
  }
}

struct result {
  struct cost costs[OPERATIONS];
  uint64_t asked, resident; /* bytes of a file */
};

static struct result run(const char *name, unsigned files) {
  struct bench b = {.files = files};
  struct result r = {0};
  unsigned rounds = files < AT_LEAST ? (AT_LEAST + files - 1) / files : 1;
  if (!(b.order = calloc(files, sizeof *b.order)))
    fail("set-up", "out of memory");
  shuffle(b.order, files);
  start(&b, name);
  for (unsigned round = 0; round < rounds; round++) {
    uint64_t asked = held(&b), rss = resident(&b);
    for (int i = 0; i < OPERATIONS; i++) {
      struct cost c = measure(&b, &operations[i]);
      r.costs[i].cpu += c.cpu;
      r.costs[i].wall += c.wall;
      if (i == 0 && round == 0) {
        r.asked = (held(&b) - asked) / files;
        r.resident = (resident(&b) - rss) / files;
      }
    }
  }
  for (int i = 0; i < OPERATIONS; i++) {
    r.costs[i].cpu /= (uint64_t)rounds * files;
    r.costs[i].wall /= (uint64_t)rounds * files;
  }
  stop(&b);
  free(b.order);
  return r;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static struct result best_of(const char *name, unsigned files, unsigned rounds) {
  struct result best = run(name, files);
  while (--rounds) {
    struct result r = run(name, files);
    for (int i = 0; i < OPERATIONS; i++) {
      best.costs[i].cpu = least(best.costs[i].cpu, r.costs[i].cpu);
      best.costs[i].wall = least(best.costs[i].wall, r.costs[i].wall);
    }
    best.asked = least(best.asked, r.asked);
    best.resident = least(best.resident, r.resident);
  }
  return best;
}

/* ---- the table ---- */

static void print_head(const unsigned *sizes, unsigned n) {
  printf("| filesystem | operation |");
  for (unsigned i = 0; i < n; i++)
    printf(" %u files |", sizes[i]);
  printf(" last to first |\n|---|---|");
  for (unsigned i = 0; i <= n; i++)
    printf("---:|");
  printf("\n");
}

static void print_rows(const char *name, const struct result *r, unsigned n) {
  for (int op = 0; op < OPERATIONS; op++) {
    printf("| %s | %s |", name, operations[op].name);
    for (unsigned i = 0; i < n; i++)
      printf(" %llu (%llu) |", (unsigned long long)r[i].costs[op].cpu, (unsigned long long)r[i].costs[op].wall);
    printf(" %.2f (%.2f) |\n", (double)r[n - 1].costs[op].cpu / (double)r[0].costs[op].cpu,
           (double)r[n - 1].costs[op].wall / (double)r[0].costs[op].wall);
  }
  printf("| %s | bytes of a file |", name);
  for (unsigned i = 0; i < n; i++)
    printf(" %llu (%llu) |", (unsigned long long)r[i].asked, (unsigned long long)r[i].resident);
  printf(" |\n");
  fflush(stdout);
}

static const char *const names[] = {"memfs", "tree"};

static struct options {
  unsigned sizes[SIZES], nsizes, rounds;
  const char *only;
} options = {.sizes = {1000, 100000, 1000000}, .nsizes = 3, .rounds = 3};

static void usage(void) {
  fprintf(stderr, "usage: files_bench [-n FILES]... [-o memfs|tree] [-r ROUNDS]\n");
  exit(2);
}

static unsigned number(const char *text, unsigned long most) {
  char *end;
  unsigned long n = strtoul(text, &end, 10);
  if (*end || n == 0 || n > most)
    usage();
  return (unsigned)n;
}

static void read_options(int argc, char **argv) {
  unsigned given = 0;
  for (int c; (c = getopt(argc, argv, "n:o:r:")) != -1;) {
    if (c == 'n' && given < SIZES)
      options.sizes[given++] = number(optarg, 100000000);
    else if (c == 'o' && (strcmp(optarg, names[0]) == 0 || strcmp(optarg, names[1]) == 0))
      options.only = optarg;
    else if (c == 'r')
      options.rounds = number(optarg, 100);
    else
      usage();
  }
  if (given)
    options.nsizes = given;
  if (optind < argc)
    usage();
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  print_head(options.sizes, options.nsizes);
  for (int i = 0; i < 2; i++) {
    struct result results[SIZES];
    if (options.only && strcmp(options.only, names[i]) != 0)
      continue;
    for (unsigned k = 0; k < options.nsizes; k++)
      results[k] = best_of(names[i], options.sizes[k], options.rounds);
    print_rows(names[i], results, options.nsizes);
  }
  return 0;
}
