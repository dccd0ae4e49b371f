/* memfs_lend_test.c: large reads lend the pages of the file; the bytes of a reply are those of the moment when it was made, whatever
 * happens to the file while the peer does not take them. */
#include "memfs_fixture.h"
#include "support/random.h"

enum { PAGE = 65536, SIZE = 20 * PAGE, STUCK = 24, STEPS = 400 };

static styx_export export;
static styx_limits limits;

/* glenda's session takes messages of three megabytes; the other is hers too. */
static void setup_large(void) {
  setup();
  p9_free(glenda);
  OK(p9_clunk(bob, ROOT));
  OK(p9_attach(bob, ROOT, "glenda", ""));
  limits = styx_limits_default();
  limits.msize = limits.held = limits.outbox = 64 << 20;
  limits.msize = 3 << 20;
  export = (styx_export){.fs = styx_memfs_fs(fs)};
  styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .limits = &limits};
  glenda = p9_new_session(&config, 3 << 20);
  OK(p9_attach(glenda, ROOT, "glenda", ""));
  create(glenda, ROOT, F, "f", 0666, STYX_ORDWR);
  OK(p9_walk(glenda, ROOT, G, "f"));
}

TestSuite(memfs_lend, .init = setup_large, .fini = stop, .timeout = 60);

/* Have F read; the reply is made and waits in the outbox. */
static void read_stuck(uint16_t tag, uint64_t offset, uint32_t count) {
  styx_session *s = p9_session(glenda);
  p9_submit(glenda, &(styx_msg){.type = STYX_Tread, .tag = tag, .fid = F, .offset = offset, .count = count});
  do
    for (styx_work *w; (w = styx_session_next(s));)
      styx_work_run(w);
  while (styx_session_retire(s, 0));
}

static void take(uint16_t tag, const uint8_t *want, size_t n) {
  styx_msg r;
  p9_pump(glenda);
  cr_assert(p9_take(glenda, &r));
  cr_assert_eq(r.type, STYX_Rread, "%s", styx_err_text(p9_error(&r)));
  cr_assert_eq(r.tag, tag);
  cr_assert_eq(r.count, n);
  for (size_t i = 0; i < n; i++)
    cr_assert_eq(r.data[i], want[i], "tag %u, byte %zu of %zu: %u instead of %u", tag, i, n, r.data[i], want[i]);
}

static void put(struct p9 *p, uint32_t fid, uint64_t offset, const uint8_t *data, uint32_t n) {
  uint32_t got = 0;
  while (n) {
    OK(p9_write(p, fid, offset, data, n < 60000 ? n : 60000, &got));
    offset += got, data += got, n -= got;
  }
}

static uint8_t *pattern(size_t n, uint8_t seed) {
  uint8_t *p = malloc(n);
  for (size_t i = 0; i < n; i++)
    p[i] = (uint8_t)(seed + i * 7 + (i >> 8));
  return p;
}

/* What the other may do to the file while replies wait. */
enum act { OVERWRITE_A_BYTE, OVERWRITE_ALL, CUT, EMPTY, REPLACE, GROW, ACTS };

static void act(enum act what, uint8_t *other) {
  styx_stat st = resize_to(what == CUT ? PAGE + 5 : 0);
  OK(p9_walk(bob, ROOT, F, "f"));
  OK(p9_open(bob, F, what == EMPTY ? STYX_OWRITE | STYX_OTRUNC : STYX_OWRITE));
  if (what == OVERWRITE_A_BYTE)
    put(bob, F, PAGE + 1, other, 1);
  else if (what == OVERWRITE_ALL)
    put(bob, F, 0, other, 3 * PAGE);
  else if (what == CUT)
    OK(p9_wstat(bob, F, &st));
  else if (what == GROW)
    put(bob, F, 3 * PAGE + 100, other, 10);
  else if (what == EMPTY)
    put(bob, F, 0, other, 2 * PAGE);
  OK(p9_clunk(bob, F));
  if (what != REPLACE)
    return;
  OK(p9_walk(bob, ROOT, F, "f"));
  OK(p9_remove(bob, F));
  make_file(bob, ROOT, "f", 0666, "new");
}

Test(memfs_lend, a_reply_on_its_way_keeps_its_bytes) {
  uint8_t *before = pattern(3 * PAGE + 7, 1), *other = pattern(3 * PAGE + 7, 99);
  for (int what = 0; what < ACTS; what++) {
    if (what) {
      stop();
      setup_large();
    }
    put(glenda, F, 0, before, 3 * PAGE + 7);
    read_stuck(10, 0, 4 * PAGE);
    read_stuck(11, 17, 2 * PAGE);
    act((enum act)what, other);
    take(10, before, 3 * PAGE + 7);
    take(11, before + 17, 2 * PAGE);
  }
  free(before);
  free(other);
}

Test(memfs_lend, a_reply_outlives_its_file_and_its_fids) {
  uint8_t *before = pattern(3 * PAGE, 1);
  put(glenda, F, 0, before, 3 * PAGE);
  read_stuck(10, 0, 3 * PAGE);
  OK(p9_walk(bob, ROOT, F, "f"));
  OK(p9_clunk(bob, F));
  p9_submit(glenda, &(styx_msg){.type = STYX_Tremove, .tag = 20, .fid = G});
  p9_submit(glenda, &(styx_msg){.type = STYX_Tclunk, .tag = 21, .fid = F});
  take(10, before, 3 * PAGE);
  cr_assert_eq(files(), 1);
  free(before);
}

Test(memfs_lend, replies_that_nobody_takes_are_given_back_at_hangup) {
  uint8_t *before = pattern(3 * PAGE, 1);
  put(glenda, F, 0, before, 3 * PAGE);
  read_stuck(10, 0, 3 * PAGE); /* stop sees that nothing is left */
  free(before);
}

Test(memfs_lend, a_file_with_many_holes_is_copied) {
  uint8_t *want = calloc(1, 40 * PAGE);
  for (uint64_t i = 0; i < 40; i++) {
    put(glenda, F, i * PAGE, (const uint8_t *)"x", 1);
    want[i * PAGE] = 'x';
  }
  for (uint32_t pages = 14; pages <= 40; pages += 13) {
    read_stuck(10, 0, (pages - 1) * PAGE + 1);
    take(10, want, (pages - 1) * PAGE + 1);
  }
  free(want);
}

Test(memfs_lend, without_memory_the_file_is_as_it_was) {
  uint8_t *before = pattern(3 * PAGE, 1);
  put(glenda, F, 0, before, 3 * PAGE);
  OK(p9_walk(bob, ROOT, H, "f"));
  OK(p9_open(bob, H, STYX_OWRITE));
  for (size_t n = 1; n < 5; n++) {
    read_stuck(10, 0, 3 * PAGE);
    heap.fail_at = heap.calls + n;
    uint32_t got = 0;
    styx_err err = p9_write(bob, H, PAGE, "changed", 7, &got);
    heap.fail_at = 0;
    cr_assert_eq(err, n < 3 ? ENOMEM : STYX_OK); /* a copy of the page is two pieces of memory */
    take(10, before, 3 * PAGE);
    if (!err)
      put(bob, H, PAGE, before + PAGE, 7);
  }
  free(before);
}

/* ---- any order ---- */

struct stuck {
  uint8_t *want;
  size_t n;
};

static uint8_t model[SIZE];
static size_t length;

static void write_some(uint64_t *state) {
  size_t at = random_of(state) % (SIZE - 3 * PAGE), n = 1 + random_of(state) % (random_of(state) % 4 ? 9000 : 3 * PAGE);
  uint8_t *data = pattern(n, (uint8_t)random_of(state));
  put(bob, H, at, data, (uint32_t)n);
  memcpy(model + at, data, n);
  if (at + n > length)
    length = at + n;
  free(data);
}

static void cut_some(uint64_t *state) {
  size_t to = random_of(state) % SIZE;
  styx_stat st = resize_to(to);
  OK(p9_wstat(bob, H, &st));
  if (to < length)
    memset(model + to, 0, length - to);
  length = to;
}

static struct stuck read_some(uint64_t *state, uint16_t tag) {
  size_t at = random_of(state) % SIZE, n = random_of(state) % (random_of(state) % 2 ? 100000 : SIZE);
  read_stuck(tag, at, (uint32_t)n);
  size_t left = at < length ? length - at : 0;
  struct stuck r = {malloc(n + 1), left < n ? left : n};
  memcpy(r.want, model + at, r.n);
  return r;
}

Test(memfs_lend, reads_writes_and_cuts_in_any_order_are_those_of_an_array) {
  uint64_t state = seed_of_run() | 1;
  struct stuck stuck[STUCK];
  OK(p9_walk(bob, ROOT, H, "f"));
  OK(p9_open(bob, H, STYX_ORDWR));
  int n = 0;
  for (int i = 0; i < STEPS; i++) {
    if (random_of(&state) % 8 == 0)
      cut_some(&state);
    else
      write_some(&state);
    if (random_of(&state) % 2) {
      stuck[n] = read_some(&state, (uint16_t)n);
      n++;
    }
    if (n == STUCK || i == STEPS - 1) {
      for (int k = 0; k < n; k++) {
        take((uint16_t)k, stuck[k].want, stuck[k].n);
        free(stuck[k].want);
      }
      n = 0;
    }
  }
}
