/* stages_life.c: the memory of a server, the threads of others that use it, and its life from making to end. */
#include "stages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n) memset(p, 0xdd, n)
#define UNPOISON(p, n) (void)0
#endif

struct stage stage;
static const char held_place, boss_place, helper_place[2]; /* to sleep on */

/* ---- memory: never used twice in one schedule, and at the same address in every run, since addresses order tables ---- */

enum { ARENA = 64 << 20, GAP = 32 };
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define ARENA_AT 0x1000000000
#else
#define ARENA_AT 0x200000000000
#endif
static char *arena;
static size_t arena_used;

struct block {
  size_t size, magic;
};
enum { MAGIC = 0x51b10c };

void arena_reset(void) {
  if (!arena) {
    arena =
        mmap((void *)ARENA_AT, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (arena == MAP_FAILED)
      abort();
  }
  UNPOISON(arena, arena_used);
  arena_used = 0;
}

void *stage_alloc(void *arg, size_t size) {
  struct sim *w = arg;
  w->allocs++;
  if (w->fails && w->allocs >= w->fail_at && w->allocs < w->fail_at + w->fail_for) {
    sim_note(w, "     no memory for %zu bytes", size);
    stage.short_of_memory = true;
    for (int i = 0; i < NCONN; i++)
      w->conns[i].relaxed = true;
    return NULL;
  }
  size_t need = (sizeof(struct block) + size + GAP + 15) & ~(size_t)15;
  if (need > ARENA - arena_used)
    sim_full(w);
  struct block *b = (struct block *)(void *)(arena + arena_used);
  arena_used += need;
  *b = (struct block){size, MAGIC};
  memset(b + 1, 0xa5, size < 65536 ? size : 0);
  POISON((char *)(b + 1) + size, need - sizeof *b - size);
  stage.live += size;
  return b + 1;
}

void stage_free(void *arg, void *ptr, size_t size) {
  struct block *b = (struct block *)ptr - 1;
  if (b->magic != MAGIC || b->size != size)
    sim_fail(arg, "free of %zu bytes that were %s", size, b->magic == MAGIC ? "not as many" : "not allocated");
  b->magic = 0;
  stage.live -= size;
  POISON(ptr, size < 65536 ? size : 0);
}

/* ---- what handlers ask of the world ---- */

void sim_nest(struct sim *w) {
  for (uint32_t n = sim_chance(w, w->p_nest) ? 1 + sim_roll(w, 4) : 0; n; n--)
    task_yield();
}

static void hold(struct sim *w, bool must) {
  sim_note(w, "     %s blocks", task_me->name);
  task_no_locks("calls a handler");
  task_me->must = must;
  task_sleep(&held_place, UINT64_MAX, false);
}

void sim_hold(struct sim *w, bool must) {
  if (sim_chance(w, stage.p_hold))
    hold(w, must);
}

void sim_hang(struct sim *w) {
  if (task_me->slot) /* it lends itself; the reply thread, which does not, would keep everything */
    hold(w, true);
}

bool stage_must_held(void) {
  for (int i = 1; i < task_count(); i++)
    if (task_of(i)->state == T_WAITS && task_of(i)->on == &held_place && task_of(i)->must)
      return true;
  return false;
}

unsigned stage_held(void) { return tasks_on(&held_place) + (unsigned)stage.w->npending; }

/* ---- threads of others: they adopt connections, and answer what handlers left ---- */

struct helper helpers[2];

static void adopt(struct sim *w, struct conn *c) {
  struct sock *k = stage.socks[c->index];
  styx_err err = styx_server_adopt(stage.server, k->fd, "sim");
  if (!err)
    return;
  bool fair = err == ESHUTDOWN ? w->draining : err == STYX_ELIMIT ? stage.small_house || stage.short_of_memory : false;
  if (!fair)
    sim_fail(w, "a connection is not taken: %s", styx_err_text(err));
  if (!k->closed)
    sim_fail(w, "a connection is not taken and not closed");
}

static void answer_some(struct sim *w) {
  if (w->npending)
    sim_fs_answer(w, w->pending[sim_roll(w, (uint32_t)w->npending)]);
}

static void take_number(void *arg, const styx_number *n) {
  task_no_locks("tells a number");
  if (n->gauge && n->value >> 40)
    sim_fail(arg, "%s is %llu", n->name, (unsigned long long)n->value);
}

void *stage_helper(void *arg) {
  struct helper *h = arg;
  struct sim *w = stage.w;
  for (;;) {
    while (h->job == NOTHING)
      task_sleep(&helper_place[h - helpers], UINT64_MAX, false);
    if (h->job == ADOPT)
      adopt(w, h->conn);
    else if (h->job == ANSWER)
      answer_some(w);
    else if (h->job == COUNT)
      styx_server_stats(stage.server, take_number, w);
    else
      styx_server_hurry(stage.server);
    h->job = NOTHING;
  }
  return NULL;
}

bool stage_give(enum stage_job job, struct conn *c) {
  for (int i = 0; i < 2; i++)
    if (helpers[i].job == NOTHING) {
      helpers[i] = (struct helper){job, c};
      task_wake(&helper_place[i], 1);
      return true;
    }
  return false;
}

bool stage_somebody_free(void) { return helpers[0].job == NOTHING || helpers[1].job == NOTHING; }

bool stage_helpers_rest(void) { return helpers[0].job == NOTHING && helpers[1].job == NOTHING; }

/* ---- the life of a server ---- */

static void stop(struct sim *w) {
  static const uint64_t graces[] = {0, 1000000, 1000000000, 3000000000};
  for (;;) {
    size_t running = 0;
    styx_err err = styx_server_stop(stage.server, graces[sim_roll(w, 4)], &running);
    sim_note(w, "     stopped: %s, %zu still run", styx_err_text(err), running);
    if (!err)
      return;
    if (err != STYX_EBUSY)
      sim_fail(w, "stopping: %s", styx_err_text(err));
    if (!stage.stuck_when)
      sim_fail(w, "the server says that handlers still run, and none did");
    if (sim_chance(w, 50))
      task_sleep(&boss_place, UINT64_MAX, false);
  }
}

/* What the server has found out about its machine and its filesystem so far; the cost it forgets again by and by. */
static void throw_experience(struct sim *w, struct styx_server *v) {
  static const uint32_t costs[] = {0, 0, 60000, 1000000000};
  v->v_cpus = 1 + sim_roll(w, 6);
  for (int i = 0; i < SX_QUEUES; i++)
    atomic_store(&v->v_cost[i], costs[sim_roll(w, 4)]);
}

void *stage_boss(void *arg) {
  struct sim *w = arg;
  styx_err err = sx_server_new_on(&stage.server, &stage.config, &stages_system);
  if (err) {
    stage.server = NULL;
    if (!stage.short_of_memory)
      sim_fail(w, "styx_server_new: %s", styx_err_text(err));
  } else if ((throw_experience(w, stage.server), err = styx_server_start(stage.server)) != STYX_OK) {
    if (!stage.short_of_memory)
      sim_fail(w, "styx_server_start: %s", styx_err_text(err));
    styx_server *v = stage.server;
    stage.server = NULL;
    styx_server_free(v);
  } else {
    stage.started = true;
    while (!stage.stop_asked)
      task_sleep(&boss_place, UINT64_MAX, false);
    w->draining = stage.stopping = true;
    stop(w);
    stage.stopping = false;
    while (!stage_helpers_rest()) /* whoever still answers must have returned before the server is freed */
      task_sleep(&boss_place, UINT64_MAX, false);
    styx_server *v = stage.server;
    stage.server = NULL;
    styx_server_free(v);
  }
  stage.over = true;
  return NULL;
}

/* ---- for the world ---- */

unsigned stage_release(unsigned n) { return task_wake(&held_place, n); }

bool stage_call_boss(void) { return task_wake(&boss_place, 1) > 0; }
