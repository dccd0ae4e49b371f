/* queue_stress.c: the bounded queue with many threads at once. Every item comes out exactly once, what a producer wrote
 * into it is there, and no consumer sees two items of one producer in the wrong order. The same checks run on a ring that
 * others wrote (where it is installed), to show that they ask for nothing impossible, and on queues with a fault, to show
 * that they find one. STYX_SEED replays who yields when, --items N makes it longer. */
#include "server/queue.h"
#include "support/random.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined __SANITIZE_THREAD__
#define TSAN 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#if !defined TSAN && defined HAVE_CK /* ThreadSanitizer cannot see the fences that ck writes in assembly */
#include <ck_ring.h>
#define WITH_CK 1
#endif

enum { MOST = 4, PATIENCE = 100 /* seconds */ };

struct item {
  unsigned producer, number;
  atomic_uint taken;
};

struct kind {
  const char *name;
  void *(*make)(size_t capacity);
  void (*drop)(void *q);
  bool (*push)(void *q, void *item);
  void *(*pop)(void *q);
  bool faulty;
};

struct run {
  const struct kind *kind;
  void *queue;
  unsigned producers, consumers, each;
  struct item *items;
  pthread_barrier_t start;
  atomic_uint popped, errors;
};

struct worker {
  struct run *run;
  unsigned id;
  uint64_t random;
  pthread_t thread;
};

static void sometimes_yield(struct worker *w) {
  if (random_of(&w->random) % 64 == 0)
    sched_yield();
}

static void *produce(void *arg) {
  struct worker *w = arg;
  struct run *r = w->run;
  pthread_barrier_wait(&r->start);
  for (unsigned i = 0; i < r->each; i++) {
    struct item *item = &r->items[w->id * r->each + i];
    item->producer = w->id; /* not atomic: the queue itself must publish it */
    item->number = i + 1;
    while (!r->kind->push(r->queue, item))
      sched_yield();
    sometimes_yield(w);
  }
  return NULL;
}

static void *consume(void *arg) {
  struct worker *w = arg;
  struct run *r = w->run;
  unsigned last[MOST] = {0};
  pthread_barrier_wait(&r->start);
  while (atomic_load_explicit(&r->popped, memory_order_relaxed) < r->producers * r->each) {
    struct item *item = r->kind->pop(r->queue);
    if (!item) {
      sched_yield();
      continue;
    }
    bool again = atomic_fetch_add_explicit(&item->taken, 1, memory_order_relaxed) != 0;
    bool late = item->producer >= r->producers || item->number <= last[item->producer];
    if (again || late)
      atomic_fetch_add_explicit(&r->errors, 1, memory_order_relaxed);
    if (!late)
      last[item->producer] = item->number;
    atomic_fetch_add_explicit(&r->popped, 1, memory_order_relaxed);
    sometimes_yield(w);
  }
  return NULL;
}

static void start(struct worker *w, struct run *r, unsigned id, uint64_t seed, void *(*body)(void *)) {
  *w = (struct worker){.run = r, .id = id, .random = seed * 0x9E3779B97F4A7C15u + id + 1};
  if (pthread_create(&w->thread, NULL, body, w) != 0) {
    perror("queue_stress: no thread");
    exit(2);
  }
}

/* The number of broken promises. */
static unsigned stress(const struct kind *kind, size_t capacity, unsigned producers, unsigned consumers, unsigned items,
                       uint64_t seed) {
  struct run r = {.kind = kind, .producers = producers, .consumers = consumers, .each = items / producers};
  struct worker workers[2 * MOST];
  r.queue = kind->make(capacity);
  r.items = calloc(items, sizeof *r.items);
  if (!r.queue || !r.items) {
    fputs("queue_stress: out of memory\n", stderr);
    exit(2);
  }
  pthread_barrier_init(&r.start, NULL, producers + consumers);
  for (unsigned i = 0; i < producers; i++)
    start(&workers[i], &r, i, seed, produce);
  for (unsigned i = 0; i < consumers; i++)
    start(&workers[producers + i], &r, i, ~seed, consume);
  for (unsigned i = 0; i < producers + consumers; i++)
    pthread_join(workers[i].thread, NULL);
  unsigned errors = atomic_load(&r.errors);
  for (unsigned i = 0; i < producers * r.each; i++)
    errors += atomic_load(&r.items[i].taken) != 1;
  errors += kind->pop(r.queue) != NULL;
  pthread_barrier_destroy(&r.start);
  free(r.items);
  kind->drop(r.queue);
  return errors;
}

/* Ours. */

static void *ours_make(size_t capacity) {
  struct sx_queue *q = malloc(sizeof *q);
  if (q && sx_queue_init(q, capacity, NULL))
    return q;
  free(q);
  return NULL;
}

static void ours_drop(void *q) {
  sx_queue_fini(q);
  free(q);
}

static bool ours_push(void *q, void *item) { return sx_queue_push(q, item); }
static void *ours_pop(void *q) { return sx_queue_pop(q); }

/* The oracle. */

#ifdef WITH_CK
struct oracle {
  ck_ring_t ring;
  ck_ring_buffer_t cells[];
};

static void *oracle_make(size_t capacity) {
  size_t cells = capacity < 4 ? 4 : capacity;
  struct oracle *o = aligned_alloc(CK_MD_CACHELINE, sizeof *o + cells * sizeof *o->cells + CK_MD_CACHELINE -
                                                        (sizeof *o + cells * sizeof *o->cells) % CK_MD_CACHELINE);
  if (o)
    ck_ring_init(&o->ring, (unsigned)cells);
  return o;
}

static bool oracle_push(void *q, void *item) {
  struct oracle *o = q;
  return ck_ring_enqueue_mpmc(&o->ring, o->cells, item);
}

static void *oracle_pop(void *q) {
  struct oracle *o = q;
  void *item;
  return ck_ring_dequeue_mpmc(&o->ring, o->cells, &item) ? item : NULL;
}
#endif

/* Queues with a fault, at one item: given twice in place of the next; given after the next. */

struct faulty {
  struct sx_queue *queue;
  pthread_mutex_t lock;
  unsigned pops;
  void *kept;
};

enum { FAULT_AT = 1000 };

static void *faulty_make(size_t capacity) {
  struct faulty *f = calloc(1, sizeof *f);
  if (!f)
    return NULL;
  pthread_mutex_init(&f->lock, NULL);
  f->queue = ours_make(capacity);
  return f;
}

static void faulty_drop(void *q) {
  struct faulty *f = q;
  ours_drop(f->queue);
  free(f);
}

static bool faulty_push(void *q, void *item) { return sx_queue_push(((struct faulty *)q)->queue, item); }

static void *twice_pop(void *q) {
  struct faulty *f = q;
  pthread_mutex_lock(&f->lock);
  void *item = sx_queue_pop(f->queue);
  if (item && ++f->pops == FAULT_AT)
    item = f->kept;
  else if (item)
    f->kept = item;
  pthread_mutex_unlock(&f->lock);
  return item;
}

static void *swapped_pop(void *q) {
  struct faulty *f = q;
  pthread_mutex_lock(&f->lock);
  void *item = f->pops == FAULT_AT + 1 ? f->kept : sx_queue_pop(f->queue);
  if (item && ++f->pops == FAULT_AT) {
    f->kept = item;
    do /* its successor goes first */
      item = sx_queue_pop(f->queue);
    while (!item && sched_yield() == 0);
    f->pops = FAULT_AT + 1;
  } else if (item && f->kept == item) {
    f->pops = FAULT_AT + 2;
  }
  pthread_mutex_unlock(&f->lock);
  return item;
}

static const struct kind kinds[] = {
    {"sx_queue", ours_make, ours_drop, ours_push, ours_pop, false},
#ifdef WITH_CK
    {"ck_ring", oracle_make, free, oracle_push, oracle_pop, false},
#endif
    {"one twice", faulty_make, faulty_drop, faulty_push, twice_pop, true},
    {"two swapped", faulty_make, faulty_drop, faulty_push, swapped_pop, true},
};

static unsigned passed, failed;

static void check(const struct kind *kind, size_t capacity, unsigned producers, unsigned consumers, unsigned items,
                  uint64_t seed) {
  unsigned errors = stress(kind, capacity, producers, consumers, items, seed);
  if ((errors != 0) == kind->faulty) {
    passed++;
    return;
  }
  failed++;
  printf("not ok: %s, capacity %zu, %u producers, %u consumers: %u broken promises%s\n", kind->name, capacity,
         producers, consumers, errors, kind->faulty ? ", and it has a fault" : "");
}

static void check_kind(const struct kind *kind, unsigned items, uint64_t seed) {
  const size_t capacities[] = {2, 64, 4096};
  const unsigned threads[][2] = {{1, 1}, {1, MOST}, {MOST, 1}, {2, 2}, {MOST, MOST}};
  for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++)
    for (size_t t = 0; t < (kind->faulty ? 1 : sizeof threads / sizeof *threads); t++)
      check(kind, capacities[c], threads[t][0], threads[t][1], items, seed + c * 16 + t);
}

static void hung(int sig) {
  static const char text[] = "queue_stress: hung: an item was lost, or a thread never returned\n";
  (void)sig;
  (void)!write(STDERR_FILENO, text, sizeof text - 1);
  _exit(1);
}

int main(int argc, char **argv) {
  const char *given = getenv("STYX_SEED");
  uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
  unsigned items = 20000;
  if (argc == 3 && strcmp(argv[1], "--items") == 0 && strtoul(argv[2], NULL, 10) >= 2 * FAULT_AT) {
    items = (unsigned)strtoul(argv[2], NULL, 10);
  } else if (argc != 1) {
    fprintf(stderr, "usage: queue_stress [--items N]\nN is at least %d\n", 2 * FAULT_AT);
    return 2;
  }
  printf("seed: STYX_SEED=%llu\n", (unsigned long long)seed);
  signal(SIGALRM, hung);
  if (items <= 20000)
    alarm(PATIENCE);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    check_kind(&kinds[i], items, seed);
  printf("%u passed, %u failed\n", passed, failed);
  return failed != 0;
}
