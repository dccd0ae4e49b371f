/* memfs_stress.c: many threads on the same few files in memory, for ThreadSanitizer and AddressSanitizer.
 *
 *   memfs_stress [SEED]
 *
 * Whoever writes fills whole pages with one byte, at once. So in every reply each page is of one byte, or not there, although the
 * reply has borrowed it and waits until the file has been written, cut and removed many times. */
#include "stress/checks.h"
#include "support/pipe9.h"
#include "support/random.h"

#include <styx/memfs.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { THREADS = 4, STEPS = 1500, FILES = 2, PAGES = 6, PAGE = 65536, STUCK = 3, MSIZE = 1 << 20 };
enum { ROOT = 0, READ = 1, WRITE = 2, OTHER = 3, FIRST_TAG = 0xfff1 };

struct thread {
  pthread_t id;
  uint64_t random;
  struct p9 *reads, *writes; /* two connections: replies wait on the first */
  int stuck;
  unsigned long pages, torn;
};

static styx_export export;

static struct p9 *connect_to(void) {
  static const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1};
  struct p9 *p = p9_new_session(&config, MSIZE);
  must(p && !p9_attach(p, ROOT, "glenda", ""), "attach");
  return p;
}

static const char *some_name(struct thread *t) { return dice(&t->random, FILES) ? "a" : "b"; }

/* fid on one of the files, which may have to be made, and may be gone again at any time. */
static void open_some(struct thread *t, struct p9 *p, uint32_t fid) {
  const char *name = some_name(t);
  for (;;) {
    if (!p9_walk(p, ROOT, fid, name)) {
      if (!p9_open(p, fid, STYX_ORDWR))
        return;
      p9_clunk(p, fid);
    } else if (!p9_walk(p, ROOT, fid, "")) {
      if (!p9_create(p, fid, name, 0666, STYX_ORDWR))
        return;
      p9_clunk(p, fid);
    }
  }
}

static void check_pages(struct thread *t, const styx_msg *r) {
  for (uint32_t at = 0; at < r->count; at += PAGE) {
    const uint32_t n = r->count - at < PAGE ? r->count - at : PAGE;
    t->torn += n > 1 && memcmp(r->data + at, r->data + at + 1, n - 1) != 0;
    t->pages++;
  }
}

static void read_stuck(struct thread *t) {
  styx_session *s = p9_session(t->reads);
  uint32_t first = dice(&t->random, PAGES);
  styx_msg m = {.type = STYX_Tread, .tag = (uint16_t)(FIRST_TAG + t->stuck++), .fid = READ, .offset = first * PAGE};
  m.count = (1 + dice(&t->random, PAGES - first)) * PAGE;
  p9_submit(t->reads, &m);
  do
    for (styx_work *w; (w = styx_session_next(s));)
      styx_work_run(w);
  while (styx_session_retire(s, 0));
}

static void take_stuck(struct thread *t) {
  styx_msg r;
  p9_pump(t->reads);
  for (; t->stuck; t->stuck--) {
    must(p9_take(t->reads, &r) && r.type == STYX_Rread, "a reply to each read");
    check_pages(t, &r);
  }
  if (dice(&t->random, 8) == 0) {
    p9_clunk(t->reads, READ);
    open_some(t, t->reads, READ);
  }
}

static void write_pages(struct thread *t) {
  static _Thread_local uint8_t data[2 * PAGE];
  uint32_t got, first = dice(&t->random, PAGES), n = first + 1 < PAGES ? 1 + dice(&t->random, 2) : 1;
  memset(data, (int)dice(&t->random, 256), n * PAGE);
  must(!p9_write(t->writes, WRITE, first * PAGE, data, n * PAGE, &got) && got == n * PAGE, "write");
}

static void change(struct thread *t) {
  styx_stat st = styx_stat_untouched();
  switch (dice(&t->random, 10)) {
  case 0:
    st.length = dice(&t->random, PAGES) * PAGE;
    p9_wstat(t->writes, WRITE, &st);
    break;
  case 1:
    if (!p9_walk(t->writes, ROOT, OTHER, some_name(t)))
      p9_remove(t->writes, OTHER);
    p9_clunk(t->writes, WRITE);
    open_some(t, t->writes, WRITE);
    break;
  default:
    write_pages(t);
  }
}

static void *run(void *arg) {
  struct thread *t = arg;
  t->reads = connect_to();
  t->writes = connect_to();
  open_some(t, t->reads, READ);
  open_some(t, t->writes, WRITE);
  for (int i = 0; i < STEPS; i++) {
    if (dice(&t->random, 2))
      change(t);
    else if (t->stuck < STUCK)
      read_stuck(t);
    else
      take_stuck(t);
  }
  p9_free(t->reads); /* some with replies that nobody takes */
  p9_free(t->writes);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc > 1)
    setenv("STYX_SEED", argv[1], 1);
  uint64_t seed = seed_of_run();
  struct p9_heap heap = {0};
  styx_allocator alloc = p9_heap_allocator(&heap);
  styx_memfs *fs = styx_memfs_new(&(styx_memfs_config){.size = sizeof(styx_memfs_config), .allocator = &alloc});
  must(fs != NULL, "a filesystem");
  export.fs = styx_memfs_fs(fs);
  struct thread threads[THREADS] = {0};
  unsigned long pages = 0, torn = 0;
  for (int i = 0; i < THREADS; i++) {
    threads[i].random = seed + (uint64_t)i;
    must(pthread_create(&threads[i].id, NULL, run, &threads[i]) == 0, "a thread");
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i].id, NULL);
    pages += threads[i].pages;
    torn += threads[i].torn;
  }
  styx_memfs_free(fs);
  printf("%lu pages read\n", pages);
  check(pages > 0 && torn == 0, "no page of a reply is of two writes");
  check(heap.live == 0, "everything that was lent has been given back");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
