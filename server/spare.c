/* spare.c: spare workers, for operations that are declared to block: connections take turns. */
#include "server/pipeline.h"

#include "base/alloc.h"
#include "server/interrupt.h"

bool sx_spares_init(struct sx_spares *p, unsigned max, const styx_allocator *alloc) {
  p->p_max = max;
  p->p_threads = sx_zalloc(alloc, max * sizeof *p->p_threads);
  sx_list_init(&p->p_turn);
  sx_list_init(&p->p_must);
  pthread_mutex_init(&p->p_lock, NULL);
  pthread_cond_init(&p->p_more, NULL);
  return p->p_threads != NULL;
}

/* The next connection that may have a spare, must-run first; NULL: none. p_lock held. */
static struct sx_conn *find_turn(const struct sx_spares *p, bool *must) {
  *must = !sx_list_empty(&p->p_must);
  if (*must)
    return SX_OF(struct sx_conn, c_must_turn, p->p_must.next);
  if (p->p_busy + 1 >= p->p_max)
    return NULL; /* the last one is kept for must-run work */
  for (struct sx_link *l = p->p_turn.next; l != &p->p_turn; l = l->next) {
    struct sx_conn *c = SX_OF(struct sx_conn, c_turn, l);
    if (c->c_spares < (p->p_max + 1) / 2)
      return c;
  }
  return NULL;
}

/* Take one piece of c's blocking work; *more: it has another. */
static styx_work *take_blocking(struct sx_conn *c, bool must, bool *more) {
  struct sx_link *list = must ? &c->c_must : &c->c_blocking;
  pthread_mutex_lock(&c->c_lock);
  struct sx_link *l = sx_list_pop(list);
  *more = !sx_list_empty(list);
  pthread_mutex_unlock(&c->c_lock);
  return l ? SX_OF(styx_work, w_link, l) : NULL;
}

static void line_up(struct sx_spares *p, struct sx_conn *c, bool must) {
  struct sx_link *l = must ? &c->c_must_turn : &c->c_turn;
  if (!sx_linked(l))
    sx_list_push(must ? &p->p_must : &p->p_turn, l);
}

static void *spare_main(void *spares);
static struct styx_server *server_of(struct sx_spares *p) { return SX_OF(struct styx_server, v_spares, p); }
static struct sx_stats *stats_of(struct sx_spares *p) { return &server_of(p)->v_stats; }

/* Somebody shall look at the turns: a spare that sleeps, or a new one. p_lock held. */
static void summon(struct sx_spares *p) {
  if (p->p_idle)
    pthread_cond_signal(&p->p_more);
  else if (p->p_started < p->p_max && pthread_create(&p->p_threads[p->p_started], NULL, spare_main, p) == 0)
    p->p_started++;
  else /* those that run will come to it */
    sx_count(stats_of(p), SX_N_SPARE_FULL, 1);
}

/* p_lock held on entry and return. False: nothing to do. */
static bool spare_step(struct sx_spares *p) {
  bool must, more, other;
  struct sx_conn *c = find_turn(p, &must);
  if (!c)
    return false;
  sx_unlink(must ? &c->c_must_turn : &c->c_turn);
  p->p_busy++;
  c->c_spares++;
  pthread_mutex_unlock(&p->p_lock);
  styx_work *w = take_blocking(c, must, &more);
  pthread_mutex_lock(&p->p_lock);
  if (more)
    line_up(p, c, must);
  if (find_turn(p, &other)) /* who is summoned twice before it wakes comes once */
    summon(p);
  pthread_mutex_unlock(&p->p_lock);
  if (w) {
    sx_count(stats_of(p), SX_N_SPARE_RUNS, 1);
    sx_run(&server_of(p)->v_serial, NULL, w);
  }
  pthread_mutex_lock(&p->p_lock);
  p->p_busy--;
  c->c_spares--; /* perhaps of a later connection by now, with the same memory: the count goes on */
  return true;
}

static void *spare_main(void *spares) {
  struct sx_spares *p = spares;
  sx_stats_join(stats_of(p));
  sx_interrupt_join(server_of(p)->v_config.interrupt_signal);
  pthread_mutex_lock(&p->p_lock);
  for (;;) {
    if (spare_step(p))
      continue;
    if (p->p_stop)
      break;
    p->p_idle++;
    pthread_cond_wait(&p->p_more, &p->p_lock);
    p->p_idle--;
  }
  pthread_mutex_unlock(&p->p_lock);
  sx_interrupt_leave();
  return NULL;
}

/* All but the first are started when they are needed. */
void sx_spares_offer(struct sx_spares *p, struct sx_conn *c, bool blocking, bool must) {
  pthread_mutex_lock(&p->p_lock);
  if (blocking)
    line_up(p, c, false);
  if (must)
    line_up(p, c, true);
  summon(p);
  pthread_mutex_unlock(&p->p_lock);
}

/* The first one at once: later a thread may not be had, and then nobody would come to what blocks. */
int sx_spares_start(struct sx_spares *p) {
  int err = pthread_create(&p->p_threads[0], NULL, spare_main, p);
  p->p_started += err == 0;
  return err;
}

void sx_spares_stop(struct sx_spares *p) {
  pthread_mutex_lock(&p->p_lock);
  p->p_stop = true;
  pthread_cond_broadcast(&p->p_more);
  pthread_mutex_unlock(&p->p_lock);
  for (unsigned i = 0; i < p->p_started; i++)
    pthread_join(p->p_threads[i], NULL);
}

void sx_spares_fini(struct sx_spares *p, const styx_allocator *alloc) {
  sx_free(alloc, p->p_threads, p->p_max * sizeof *p->p_threads);
  pthread_mutex_destroy(&p->p_lock);
  pthread_cond_destroy(&p->p_more);
}
