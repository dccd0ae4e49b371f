/* dir_test.c: directories with many entries, while they change: those of memfs, through a session. */
#include "memfs_fixture.h"

#include "fs/dir.h"

TestSuite(dir, .init = setup, .fini = stop, .timeout = 120);

/* ---- directories ---- */

struct listing {
  unsigned char *seen; /* by number in the name */
  size_t numbers, entries;
  uint64_t offset;
};

/* One read of directory fid; false at the end. Names are "fN". */
static bool list_more(struct p9 *p, uint32_t fid, uint32_t count, struct listing *l) {
  static uint8_t buf[65536];
  uint32_t got = 0;
  OK(p9_read(p, fid, l->offset, buf, count, &got));
  l->offset += got;
  for (size_t at = 0; at < got;) {
    styx_stat st;
    ptrdiff_t n = styx_stat_decode(&st, buf + at, got - at, STYX_9P2000);
    cr_assert_gt(n, 0, "not a whole record");
    at += (size_t)n;
    char name[32] = {0};
    cr_assert_lt(st.name.len, sizeof name);
    memcpy(name, st.name.s, st.name.len);
    size_t number = strtoul(name + 1, NULL, 10);
    cr_assert_lt(number, l->numbers, "listed '%s'", name);
    l->seen[number]++;
    l->entries++;
  }
  return got > 0;
}

static void name_of(char name[32], size_t number) { snprintf(name, 32, "f%zu", number); }

static void create_number(size_t number) {
  char name[32];
  name_of(name, number);
  OK(p9_walk(glenda, ROOT, F, ""));
  OK(p9_create(glenda, F, name, 0644, STYX_OREAD));
  OK(p9_clunk(glenda, F));
}

static void remove_number(size_t number) {
  char name[32];
  name_of(name, number);
  OK(p9_walk(glenda, ROOT, F, name));
  OK(p9_remove(glenda, F));
}

Test(dir, a_directory_of_100000_files_lists_finds_and_removes) {
  enum { N = 100000 };
  size_t empty = heap.live;
  for (size_t i = 0; i < N; i++)
    create_number(i);
  cr_assert_eq(files(), N + 1);
  struct listing l = {.seen = calloc(N, 1), .numbers = N};
  OK(p9_walk(glenda, ROOT, G, ""));
  OK(p9_open(glenda, G, STYX_OREAD));
  while (list_more(glenda, G, 32000, &l))
    ;
  cr_assert_eq(l.entries, N);
  for (size_t i = 0; i < N; i++)
    cr_assert_eq(l.seen[i], 1, "f%zu came %d times", i, l.seen[i]);
  free(l.seen);
  for (size_t i = 0; i < N; i++)
    remove_number(i * 7919 % N); /* every one, in another order */
  cr_assert_eq(files(), 1);
  cr_assert_lt(heap.live, empty + 4096, "%zu bytes are left", heap.live - empty);
}

Test(dir, entries_that_stay_are_listed_once_while_others_come_and_go) {
  enum { N = 5000, LATER = 7000 };
  const char *given = getenv("STYX_SEED");
  unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 9u;
  cr_log_info("STYX_SEED=%u", seed);
  srandom(seed);
  for (size_t i = 0; i < N; i++)
    create_number(i);
  struct listing l = {.seen = calloc(LATER, 1), .numbers = LATER};
  unsigned char *gone = calloc(LATER, 1);
  OK(p9_walk(glenda, ROOT, G, ""));
  OK(p9_open(glenda, G, STYX_OREAD));
  for (size_t next = N; list_more(glenda, G, 2000, &l);)
    for (int i = 0; i < 20; i++) {
      size_t number = (size_t)random() % N;
      if (!gone[number]) {
        remove_number(number);
        gone[number] = 1;
      }
      if (i % 4 == 0 && next < LATER) /* else the end would always move on */
        create_number(next++);
    }
  size_t stayed = 0;
  for (size_t i = 0; i < N; i++) {
    cr_assert(gone[i] || l.seen[i] == 1, "seed %u: f%zu stayed and came %d times", seed, i, l.seen[i]);
    cr_assert_leq(l.seen[i], 1, "seed %u: f%zu", seed, i);
    stayed += !gone[i];
  }
  cr_assert_gt(stayed, 100);
  free(gone);
  free(l.seen);
}

Test(dir, removing_what_was_listed_reaches_the_end) {
  enum { N = 1000 };
  for (size_t i = 0; i < N; i++)
    create_number(i);
  struct listing l = {.seen = calloc(N, 1), .numbers = N};
  OK(p9_walk(glenda, ROOT, G, ""));
  OK(p9_open(glenda, G, STYX_OREAD));
  while (list_more(glenda, G, 1000, &l))
    for (size_t i = 0; i < N; i++)
      if (l.seen[i] == 1) {
        remove_number(i);
        l.seen[i] = 2;
      }
  cr_assert_eq(l.entries, N);
  cr_assert_eq(files(), 1);
  free(l.seen);
}

Test(dir, a_tree_deeper_than_a_stack_is_freed) {
  enum { DEPTH = 100000 };
  OK(p9_walk(glenda, ROOT, H, ""));
  for (int i = 0; i < DEPTH; i++) {
    make_dir(glenda, H, "d", 0755);
    OK(p9_walk(glenda, H, H, "d"));
  }
  cr_assert_eq(files(), DEPTH + 1);
}

/* ---- numbers ---- */

/* seek looks at nothing but the numbers. */
Test(dir_numbers, the_place_behind_a_number_is_found_however_the_numbers_lie) {
  enum { N = 300 };
  struct sx_dirslot slots[N];
  struct sx_dir dir = {.slots = slots};
  for (int shape = 0; shape < 5; shape++) {
    for (uint64_t i = 0; i < N; i++) {
      const uint64_t numbers[] = {i + 1, i * 1000 + 7, i * i * i + 1, i < 150 ? i + 1 : (1ull << 60) + i,
                                  i == 0 ? 1 : UINT64_MAX - N + i};
      slots[i].seq = numbers[shape];
    }
    for (dir.used = 0; dir.used <= N; dir.used += dir.used < 4 ? 1 : 37)
      for (uint64_t k = 0; k < 3 * N; k++) {
        uint64_t seq = k < N ? slots[k].seq : k < 2 * N ? slots[k - N].seq - 1 : slots[k - 2 * N].seq + (k < 3 * N - 1);
        size_t at = 0;
        while (at < dir.used && slots[at].seq <= seq)
          at++;
        cr_assert_eq(sx_dir_seek(&dir, seq), at, "shape %d, %zu slots", shape, dir.used);
      }
  }
}
