/* tree_stress.c: many threads on one tree, for ThreadSanitizer and AddressSanitizer: those of the program, which put in, rename
 * and take out; sessions whose clients create, remove, rename and list; and askers of its navigator.
 *
 *   tree_stress [SEED]
 *
 * Whatever is met meanwhile has to be whole: a file's name is one that somebody gave it, what stays is listed once, and what a callback
 * was given is destroyed once. */
#include "stress/checks.h"
#include "support/pipe9.h"
#include "support/random.h"

#include <styx/tree.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum {
  PROGRAMS = 2,
  CLIENTS = 3,
  ASKERS = 2,
  THREADS = PROGRAMS + CLIENTS + ASKERS,
  STEPS = 10000,
  NAMES = 12,
  STAYING = 20
};
enum { ROOT = 0, DIR = 1, FID = 2 };

static styx_tree *tree;
static styx_file *shared; /* the directory that all work in */
static uint64_t shared_path;
static atomic_ulong made, destroyed, wrong, listings, met;

struct thread {
  pthread_t id;
  uint64_t random;
  void (*step)(struct thread *);
  struct p9 *client;
};

/* ---- files ---- */

static void count_destroyed(void *aux) {
  atomic_fetch_add(&destroyed, 1);
  free(aux);
}

static styx_answer no_data(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  (void)aux, (void)handle, (void)offset, (void)count;
  return styx_reply_data(req, aux, 1);
}

static styx_err allow_remove(void *aux, styx_str user) {
  (void)aux, (void)user;
  return STYX_OK;
}

static styx_err allow_change(void *aux, styx_str user, const styx_setattr *set) {
  (void)aux, (void)user, (void)set;
  return STYX_OK;
}

static styx_err make(void *aux, styx_making *m);

static const styx_file_ops ops = {.size = sizeof ops,
                                  .read = no_data,
                                  .destroy = count_destroyed,
                                  .create = make,
                                  .remove = allow_remove,
                                  .wstat = allow_change};

static styx_err make(void *aux, styx_making *m) {
  (void)aux;
  m->ops = &ops;
  m->aux = calloc(1, 1);
  atomic_fetch_add(&made, 1);
  return STYX_OK;
}

static const char *some_name(struct thread *t) {
  static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
  return names[dice(&t->random, NAMES)];
}

static bool is_ours(styx_str name) { return name.len == 1 || (name.len > 4 && memcmp(name.s, "stay", 4) == 0); }

/* ---- the program ---- */

static styx_file *some_file(struct thread *t) {
  styx_file *file = NULL, *below = NULL;
  if (styx_tree_lookup(tree, shared, some_name(t), &file))
    return NULL;
  if (dice(&t->random, 2) == 0 && !styx_tree_lookup(tree, file, some_name(t), &below)) {
    styx_tree_put(tree, file);
    return below;
  }
  return file;
}

static void put_one(struct thread *t, styx_file *dir) {
  styx_file_def def = {.size = sizeof def, .name = some_name(t), .mode = 0777, .ops = &ops};
  if (dice(&t->random, 2))
    def.mode |= STYX_DMDIR;
  def.aux = calloc(1, 1);
  if (styx_tree_create(tree, dir, &def, NULL))
    free(def.aux);
  else
    atomic_fetch_add(&made, 1);
}

static void program(struct thread *t) {
  styx_file *file = some_file(t);
  styx_stat st = styx_stat_untouched();
  char path[64];
  switch (dice(&t->random, 6)) {
  case 0:
    if (file)
      (void)styx_tree_remove(tree, file);
    break;
  case 1:
    st.name = styx_str_of(some_name(t));
    if (file)
      (void)styx_tree_wstat(tree, file, &st);
    break;
  case 2:
    if (file && !styx_tree_path(tree, file, path, sizeof path, NULL))
      wrong += strncmp(path, "/shared/", 8) != 0;
    break;
  case 3:
    if (file)
      styx_tree_set_length(tree, file, dice(&t->random, 100));
    break;
  default:
    put_one(t, file && dice(&t->random, 2) ? file : shared);
  }
  styx_tree_put(tree, file);
}

/* ---- clients ---- */

static void list(struct thread *t) {
  static _Thread_local uint8_t buf[400];
  unsigned staying = 0;
  uint64_t offset = 0;
  uint32_t got = 1;
  must(!p9_walk(t->client, DIR, FID, "") && !p9_open(t->client, FID, STYX_OREAD), "the shared directory stays");
  while (got) {
    must(!p9_read(t->client, FID, offset, buf, sizeof buf, &got), "a listing goes on");
    offset += got;
    styx_stat st;
    for (ptrdiff_t at = 0, n; at < (ptrdiff_t)got; at += n) {
      n = styx_stat_decode(&st, buf + at, got - (size_t)at, STYX_9P2000);
      must(n > 0, "whole entries");
      wrong += !is_ours(st.name);
      staying += st.name.len > 4;
    }
  }
  wrong += staying != STAYING;
  listings++;
  p9_clunk(t->client, FID);
}

static void client(struct thread *t) {
  struct p9 *p = t->client;
  styx_stat st = styx_stat_untouched();
  switch (dice(&t->random, 8)) {
  case 0:
    list(t);
    return;
  case 1:
  case 2:
    if (p9_walk(p, DIR, FID, some_name(t)))
      return;
    (void)p9_remove(p, FID);
    return;
  case 3:
    if (p9_walk(p, DIR, FID, some_name(t)))
      return;
    st.name = styx_str_of(some_name(t));
    (void)p9_wstat(p, FID, &st);
    break;
  case 4:
    if (p9_walk(p, DIR, FID, some_name(t)))
      return;
    (void)p9_open(p, FID, dice(&t->random, 2) ? STYX_OREAD : STYX_OREAD | STYX_ORCLOSE);
    break;
  case 5:
    if (p9_walk(p, DIR, FID, some_name(t)))
      return;
    (void)p9_create(p, FID, some_name(t), 0777, STYX_OREAD);
    break;
  default:
    must(!p9_walk(p, DIR, FID, ""), "a clone");
    (void)p9_create(p, FID, some_name(t), dice(&t->random, 2) ? 0777 : STYX_DMDIR | 0777, STYX_OREAD);
  }
  (void)p9_clunk(p, FID);
}

/* ---- askers ---- */

struct asked {
  styx_nav q; /* first member */
  styx_err err;
  uint64_t last, path;
  unsigned entries, staying;
};

static void done(styx_nav *q, styx_err err, const styx_attr *attr) {
  struct asked *a = (struct asked *)q;
  a->err = err;
  a->path = attr ? attr->qid.path : 0;
  wrong += attr && !is_ours(attr->name);
}

static bool entry(styx_nav *q, const styx_dirent *e) {
  struct asked *a = (struct asked *)q;
  wrong += !is_ours(e->attr.name);
  a->staying += e->attr.name.len > 4;
  a->entries++;
  a->last = e->cookie;
  return true;
}

static void ask_for_all(styx_navigator *nav) {
  uint64_t cookie = 0;
  for (unsigned staying = 0;;) {
    struct asked a = {.q = {.done = done, .entry = entry}};
    styx_navigator_readdir(nav, &a.q, shared_path, cookie, 5);
    wrong += a.err != STYX_OK;
    staying += a.staying;
    cookie = a.last;
    if (!a.entries) {
      wrong += staying != STAYING;
      listings++;
      return;
    }
  }
}

static void ask(struct thread *t) {
  styx_navigator nav = styx_tree_navigator(tree);
  struct asked a = {.q = {.done = done}};
  if (dice(&t->random, 10) == 0)
    ask_for_all(&nav);
  styx_navigator_walk(&nav, &a.q, shared_path, styx_str_of(some_name(t)));
  if (a.err)
    return;
  met++;
  struct asked again = {.q = {.done = done}};
  styx_navigator_stat(&nav, &again.q, a.path);
  wrong += again.err && again.err != ENOENT;
}

/* ---- all together ---- */

static void *run(void *arg) {
  struct thread *t = arg;
  for (int i = 0; i < STEPS; i++)
    t->step(t);
  return NULL;
}

static void build(const styx_allocator *alloc) {
  char name[16];
  tree = styx_tree_new("sys", alloc);
  must(tree != NULL, "a tree");
  styx_file_def def = {
      .size = sizeof def, .name = "shared", .mode = STYX_DMDIR | 0777, .ops = &ops, .aux = calloc(1, 1)};
  made = 1;
  must(!styx_tree_create(tree, styx_tree_root(tree), &def, &shared), "a directory");
  shared_path = styx_tree_qid(tree, shared).path;
  for (int i = 0; i < STAYING; i++) {
    snprintf(name, sizeof name, "stay%d", i);
    must(!styx_tree_text(tree, shared, name, "x", NULL), "a file");
  }
}

int main(int argc, char **argv) {
  if (argc > 1)
    setenv("STYX_SEED", argv[1], 1);
  uint64_t seed = seed_of_run();
  struct p9_heap heap = {0};
  styx_allocator alloc = p9_heap_allocator(&heap);
  struct thread threads[THREADS] = {0};
  build(&alloc);
  for (int i = 0; i < THREADS; i++) {
    struct thread *t = &threads[i];
    t->random = seed + (uint64_t)i;
    t->step = i < PROGRAMS ? program : i < PROGRAMS + CLIENTS ? client : ask;
    if (t->step == client) {
      t->client = p9_new_fs(styx_tree_fs(tree));
      must(!p9_attach(t->client, ROOT, "glenda", "") && !p9_walk(t->client, ROOT, DIR, "shared"), "attach");
    }
    must(pthread_create(&t->id, NULL, run, t) == 0, "a thread");
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i].id, NULL);
    p9_free(threads[i].client);
  }
  styx_tree_free(tree);
  check(listings > 100 && met > 100, "listings were read, and files met");
  check(wrong == 0, "what was met was whole, and what stays was listed once");
  check(made == destroyed, "each file was destroyed once");
  check(heap.live == 0, "no memory is left");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
