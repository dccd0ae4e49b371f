/* queue_bench.c: what it costs to pass an item through the server's queue, against ck_ring (where libck-dev is installed)
 * and against a list under a mutex with a condition variable, as a table in Markdown.
 *
 * There and back: one thread pushes a burst, another takes each item and pushes it into a second queue, and the first waits
 * for all of them. Who finds nothing sleeps: on the server's parking place, or on the condition. */
#include "server/park.h"
#include "server/queue.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_CK
#include <ck_ring.h>
#endif

enum { CELLS = 1024, ROUNDS = 5, ALONE = 200000, BURSTS = 3 };
static const unsigned bursts[BURSTS] = {1, 8, 32};
static const double budget = 0.04e9; /* ns for one round */

struct kind {
  const char *name;
  void *(*make)(void);
  void (*drop)(void *q);
  bool (*push)(void *q, void *item); /* without waking */
  void *(*pop)(void *q);             /* without waiting */
  void (*wake)(void *q);
  void *(*wait)(void *q);
};

static double now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *aligned_or_die(size_t size) {
  enum { LINE = 128 };
  void *p = aligned_alloc(LINE, (size + LINE - 1) / LINE * LINE);
  if (p)
    return memset(p, 0, size);
  fputs("queue_bench: out of memory\n", stderr);
  exit(1);
}

/* ---- the server's ---- */

struct ours {
  struct sx_queue queue;
  struct sx_park park;
};

static void *ours_make(void) {
  struct ours *o = aligned_or_die(sizeof *o);
  if (!sx_queue_init(&o->queue, CELLS, NULL))
    exit(1);
  return o;
}

static void ours_drop(void *q) {
  sx_queue_fini(&((struct ours *)q)->queue);
  free(q);
}

static bool ours_push(void *q, void *item) { return sx_queue_push(&((struct ours *)q)->queue, item); }
static void *ours_pop(void *q) { return sx_queue_pop(&((struct ours *)q)->queue); }
static void ours_wake(void *q) { sx_park_wake(&((struct ours *)q)->park, 1, &sx_linux); }

/* As a worker does: announce, look again, sleep. */
static void *wait_parked(struct sx_park *park, void *q, void *(*pop)(void *)) {
  for (;;) {
    void *item = pop(q);
    if (item)
      return item;
    uint32_t ticket = sx_park_announce(park);
    if ((item = pop(q))) {
      sx_park_leave(park);
      return item;
    }
    sx_park_sleep(park, ticket, &sx_linux);
  }
}

static void *ours_wait(void *q) { return wait_parked(&((struct ours *)q)->park, q, ours_pop); }

/* ---- ck_ring, many producers and consumers, with the same parking place ---- */

#ifdef HAVE_CK
struct theirs {
  ck_ring_t ring;
  struct sx_park park;
  ck_ring_buffer_t cells[CELLS];
};

static void *theirs_make(void) {
  struct theirs *t = aligned_or_die(sizeof *t);
  ck_ring_init(&t->ring, CELLS);
  return t;
}

static bool theirs_push(void *q, void *item) {
  struct theirs *t = q;
  return ck_ring_enqueue_mpmc(&t->ring, t->cells, item);
}

static void *theirs_pop(void *q) {
  struct theirs *t = q;
  void *item;
  return ck_ring_dequeue_mpmc(&t->ring, t->cells, &item) ? item : NULL;
}

static void theirs_wake(void *q) { sx_park_wake(&((struct theirs *)q)->park, 1, &sx_linux); }
static void *theirs_wait(void *q) { return wait_parked(&((struct theirs *)q)->park, q, theirs_pop); }
#endif

/* ---- a mutex and a condition variable ---- */

struct locked {
  pthread_mutex_t lock;
  pthread_cond_t more;
  size_t head, tail;
  void *items[CELLS];
};

static void *locked_make(void) {
  struct locked *l = aligned_or_die(sizeof *l);
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->more, NULL);
  return l;
}

static bool locked_push(void *q, void *item) {
  struct locked *l = q;
  pthread_mutex_lock(&l->lock);
  bool room = l->tail - l->head < CELLS;
  if (room)
    l->items[l->tail++ % CELLS] = item;
  pthread_mutex_unlock(&l->lock);
  return room;
}

static void *locked_pop(void *q) {
  struct locked *l = q;
  pthread_mutex_lock(&l->lock);
  void *item = l->head != l->tail ? l->items[l->head++ % CELLS] : NULL;
  pthread_mutex_unlock(&l->lock);
  return item;
}

static void locked_wake(void *q) { pthread_cond_signal(&((struct locked *)q)->more); }

static void *locked_wait(void *q) {
  struct locked *l = q;
  pthread_mutex_lock(&l->lock);
  while (l->head == l->tail)
    pthread_cond_wait(&l->more, &l->lock);
  void *item = l->items[l->head++ % CELLS];
  pthread_mutex_unlock(&l->lock);
  return item;
}

static const struct kind kinds[] = {
    {"sx_queue, parking", ours_make, ours_drop, ours_push, ours_pop, ours_wake, ours_wait},
#ifdef HAVE_CK
    {"ck_ring MPMC, parking", theirs_make, free, theirs_push, theirs_pop, theirs_wake, theirs_wait},
#endif
    {"mutex + condition variable", locked_make, free, locked_push, locked_pop, locked_wake, locked_wait},
};

/* ---- measuring ---- */

struct pair {
  const struct kind *kind;
  void *there, *back;
  unsigned burst;
};

static char item, last;

static void send_on(const struct pair *p, void *q, void *what) {
  while (!p->kind->push(q, what))
    sched_yield();
}

/* Answer each item; wake the other side when there is nothing more to take. `last` comes when all are back. */
static void *answer(void *arg) {
  const struct pair *p = arg;
  for (;;) {
    void *got = p->kind->wait(p->there);
    for (; got && got != &last; got = p->kind->pop(p->there))
      send_on(p, p->back, got);
    if (got)
      return NULL;
    p->kind->wake(p->back);
  }
}

static void there_and_back(const struct pair *p) {
  for (unsigned i = 0; i < p->burst; i++)
    send_on(p, p->there, &item);
  p->kind->wake(p->there);
  for (unsigned i = 0; i < p->burst; i++)
    p->kind->wait(p->back);
}

/* ns for one item there and back, once for the whole of the budget. */
static double pass(const struct pair *p) {
  double start = now_ns(), items = 0;
  while (now_ns() - start < budget) {
    there_and_back(p);
    items += p->burst;
  }
  return (now_ns() - start) / items;
}

static bool pin(pthread_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  return pthread_setaffinity_np(thread, sizeof set, &set) == 0;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double measure(const struct kind *kind, unsigned burst, int cpu) {
  struct pair p = {.kind = kind, .there = kind->make(), .back = kind->make(), .burst = burst};
  double rounds[ROUNDS];
  pthread_t other;
  if (pthread_create(&other, NULL, answer, &p) != 0 || !pin(other, cpu)) {
    perror("queue_bench: no thread there");
    exit(1);
  }
  for (int i = 0; i < ROUNDS; i++)
    rounds[i] = pass(&p);
  send_on(&p, p.there, &last);
  kind->wake(p.there);
  pthread_join(other, NULL);
  kind->drop(p.there);
  kind->drop(p.back);
  qsort(rounds, ROUNDS, sizeof *rounds, compare);
  return rounds[ROUNDS / 2];
}

/* ns for a push and a pop by one thread: the queue itself. */
static double alone(const struct kind *kind) {
  double rounds[ROUNDS];
  void *q = kind->make();
  for (int r = 0; r < ROUNDS; r++) {
    double start = now_ns();
    for (int i = 0; i < ALONE; i++)
      if (!kind->push(q, &item) || kind->pop(q) != &item)
        exit(1);
    rounds[r] = (now_ns() - start) / ALONE;
  }
  kind->drop(q);
  qsort(rounds, ROUNDS, sizeof *rounds, compare);
  return rounds[ROUNDS / 2];
}

/* The first two CPUs that we may use; the second is -1 when there is only one. */
static void find_cpus(int *first, int *second) {
  cpu_set_t set;
  *first = *second = -1;
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return;
  for (int cpu = 0; cpu < CPU_SETSIZE && *second < 0; cpu++)
    if (CPU_ISSET((size_t)cpu, &set))
      *(*first < 0 ? first : second) = cpu;
}

static void print_places(const struct kind *kind, int cpu) {
  for (int b = 0; b < BURSTS; b++) {
    if (cpu >= 0)
      printf(" %.0f |", measure(kind, bursts[b], cpu));
    else
      fputs(" - |", stdout);
    fflush(stdout);
  }
}

int main(void) {
  int here, there;
  find_cpus(&here, &there);
  if (here < 0 || !pin(pthread_self(), here)) {
    perror("queue_bench: cannot choose a CPU");
    return 1;
  }
  puts("| ns for an item | push + pop, one thread | there and back, same CPU, burst 1 | 8 | 32 | across CPUs, burst 1 "
       "| 8 "
       "| 32 |\n|---|---:|---:|---:|---:|---:|---:|---:|");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    printf("| %s | %.1f |", kinds[i].name, alone(&kinds[i]));
    print_places(&kinds[i], here);
    print_places(&kinds[i], there);
    putchar('\n');
  }
#ifndef HAVE_CK
  puts("\nck_ring is not among them: libck-dev was not there when this was built.");
#endif
  return 0;
}
