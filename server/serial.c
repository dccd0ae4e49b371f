/* serial.c: filesystems that declare less than full concurrency. Work with the same key runs one after the other, in the order
 * in which it reaches the workers. Nobody waits: what comes while the key is taken is left with whoever has it. The key is
 * held until the handler returns, not until a later answer. */
#include "server/pipeline.h"

/* A key that is taken; on the stack of the thread that runs for it. */
struct turn {
  uint64_t key;
  int lane;               /* of the thread that runs */
  struct sx_link link;    /* in its bucket */
  struct sx_link waiting; /* work of this key */
};

void sx_serial_init(struct sx_serial *s) {
  pthread_mutex_init(&s->e_lock, NULL);
  for (size_t i = 0; i < SX_BUCKETS; i++)
    sx_list_init(&s->e_turns[i]);
}

void sx_serial_fini(struct sx_serial *s) { pthread_mutex_destroy(&s->e_lock); }

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
  return x ^ (x >> 29);
}

/* Two keys that happen to be equal only make two things wait for each other that need not. */
uint64_t sx_serial_key(const struct sx_conn *c, const styx_work_info *info) {
  uint64_t fs = (uintptr_t)info->fs->ctx ^ (uintptr_t)info->fs->ops;
  switch (info->fs->ops->serial) {
  case STYX_PARALLEL:
    return 0;
  case STYX_SERIAL_FID:
    return info->op == STYX_OP_close || info->op == STYX_OP_forget ? 0 : mix((uintptr_t)c + info->fid) | 1;
  case STYX_SERIAL_NODE:
    return mix(fs + (uintptr_t)info->node) | 1;
  case STYX_SERIAL_CONNECTION:
    return mix(fs ^ (uintptr_t)c) | 1;
  case STYX_SERIAL_FS:
    return mix(fs) | 1;
  }
  return 0;
}

static void run_one(struct sx_lender *d, styx_work *w) {
  struct sx_conn *c = styx_work_arg(w);
  sx_lend_note(d, w);
  styx_work_run(w);
  sx_lend_note(d, NULL);
  sx_conn_put(c);
}

/* True if w is left with the thread that has its key. e_lock held. */
static bool leave(struct sx_link *bucket, styx_work *w) {
  for (struct sx_link *l = bucket->next; l != bucket; l = l->next) {
    struct turn *t = SX_OF(struct turn, link, l);
    if (t->key == w->w_key) {
      sx_list_push(&t->waiting, &w->w_link);
      return true;
    }
  }
  return false;
}

/* True if the key of w is ours now; else w is gone. */
static bool take_key(struct sx_serial *s, struct turn *mine, styx_work *w) {
  struct sx_link *bucket = &s->e_turns[mine->key / 2 % SX_BUCKETS];
  sx_list_init(&mine->waiting);
  pthread_mutex_lock(&s->e_lock);
  bool left = leave(bucket, w);
  if (!left)
    sx_list_push(bucket, &mine->link);
  pthread_mutex_unlock(&s->e_lock);
  return !left;
}

/* The next of our key. The key is free again when there is none, or when another kind of thread should run it. */
static styx_work *next(struct sx_serial *s, struct turn *mine) {
  pthread_mutex_lock(&s->e_lock);
  struct sx_link *l = sx_list_pop(&mine->waiting);
  styx_work *w = l ? SX_OF(styx_work, w_link, l) : NULL;
  if (!w || w->w_lane != mine->lane)
    sx_unlink(&mine->link);
  pthread_mutex_unlock(&s->e_lock);
  return w;
}

void sx_run(struct sx_serial *s, struct sx_lender *d, styx_work *w) {
  struct turn mine = {.key = w->w_key, .lane = w->w_lane};
  if (!mine.key) {
    run_one(d, w);
    return;
  }
  if (!take_key(s, &mine, w))
    return;
  do {
    run_one(d, w);
    w = next(s, &mine);
  } while (w && w->w_lane == mine.lane);
  while (w) { /* back to the lists of its own kind, and all behind it */
    struct sx_link *l = sx_list_pop(&mine.waiting);
    sx_dispatch_again(w);
    w = l ? SX_OF(styx_work, w_link, l) : NULL;
  }
}
