/* Clients that die in the middle of a conversation leave nothing behind: no byte, no fid, no handle, no node. */
#include "conform/conversation.h"

#include <styx/memfs.h>
#include <styx/session.h>
#include <styx/tree.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

enum { SESSIONS = 10000 };

struct counter {
  size_t bytes, blocks;
};

static void *count_alloc(void *arg, size_t size) {
  struct counter *c = arg;
  void *p = malloc(size);
  if (p) {
    c->bytes += size;
    c->blocks++;
  }
  return p;
}

static void count_free(void *arg, void *p, size_t size) {
  struct counter *c = arg;
  c->bytes -= size;
  c->blocks--;
  free(p);
}

/* A file whose reads wait until they are cancelled, and which counts its handles. */
struct bell {
  long opened, waiting, ever_waited;
};

static styx_err bell_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  struct bell *bell = aux;
  (void)user, (void)flags;
  bell->opened++;
  *handle = bell;
  return STYX_OK;
}

static styx_err bell_close(void *aux, void *handle) {
  struct bell *bell = aux;
  cr_assert_eq(handle, aux);
  bell->opened--;
  return STYX_OK;
}

static void bell_cancelled(styx_req *req, void *arg) {
  struct bell *bell = arg;
  bell->waiting--;
  styx_reply_interrupted(req);
}

static styx_answer bell_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  struct bell *bell = aux;
  (void)handle, (void)offset, (void)count;
  bell->waiting++;
  bell->ever_waited++;
  styx_req_on_cancel(req, bell_cancelled, bell);
  return styx_later(req);
}

static const styx_file_ops bell_ops = {
    .size = sizeof(styx_file_ops), .open = bell_open, .read = bell_read, .close = bell_close};

static bool pump(styx_session *s) {
  bool did = false;
  for (styx_work *w; (w = styx_session_next(s)); did = true)
    styx_work_run(w);
  return styx_session_retire(s, 1) || did;
}

/* The conversation up to cut, in portions, with the server anywhere between idle and done with each. */
static void talk(styx_session *s, uint64_t *seed, const uint8_t *buf, size_t cut) {
  styx_work *w;
  while (cut > 0) {
    size_t n = 1 + roll(seed, cut < 2000 ? (uint32_t)cut : 2000);
    styx_session_feed(s, buf, n, 1);
    buf += n;
    cut -= n;
    for (uint32_t i = roll(seed, 8); i > 0 && (w = styx_session_next(s)); i--)
      styx_work_run(w);
    if (roll(seed, 2))
      styx_session_retire(s, 1);
    if (roll(seed, 2))
      styx_session_sent(s, roll(seed, (uint32_t)styx_session_pending_bytes(s) + 1), 1);
  }
}

static void no_fid(void *arg, uint32_t fid, styx_qid qid, bool open) {
  (void)arg, (void)qid, (void)open;
  cr_assert_fail("fid %u is left", fid);
}

/* Adds what happened to sum. */
static void die_once(const styx_session_config *config, const char *aname, uint64_t *seed, styx_session_info *sum) {
  static uint8_t buf[CONVERSATION_MAX];
  styx_session *s;
  size_t len = conversation(seed, buf, aname);
  cr_assert_eq(styx_session_new(&s, config, 0), STYX_OK);
  talk(s, seed, buf, roll(seed, (uint32_t)len + 1));
  sum->fids += styx_session_inspect(s).fids;
  sum->requests += styx_session_inspect(s).requests;
  sum->messages_in += styx_session_inspect(s).messages_in;
  sum->errors += styx_session_inspect(s).errors;
  styx_session_hangup(s);
  while (pump(s))
    ;
  cr_assert(styx_session_done(s), "%zu requests and %zu fids are left", styx_session_inspect(s).requests,
            styx_session_inspect(s).fids);
  cr_assert_eq(styx_session_inspect(s).fids, 0);
  styx_session_each_fid(s, no_fid, NULL);
  styx_session_free(s);
}

Test(killmid, ten_thousand_sessions_cut_anywhere_leave_nothing, .timeout = 120) {
  struct counter session_mem = {0}, fs_mem = {0};
  const styx_allocator session_alloc = {count_alloc, count_free, &session_mem};
  const styx_allocator fs_alloc = {count_alloc, count_free, &fs_mem};
  const styx_memfs_config memfs_config = {.size = sizeof memfs_config, .allocator = &fs_alloc};
  struct bell bell = {0};
  styx_file *file;
  styx_tree *tree = styx_tree_new(NULL, &fs_alloc);
  styx_memfs *memfs = styx_memfs_new(&memfs_config);
  cr_assert(tree && memfs);
  cr_assert_eq(styx_tree_file(tree, styx_tree_root(tree), "bell", 0666, &bell_ops, &bell, &file), STYX_OK);
  const styx_export exports[] = {{.name = "mem", .fs = styx_memfs_fs(memfs)},
                                 {.name = "tree", .fs = styx_tree_fs(tree)}};
  const styx_session_config config = {
      .size = sizeof config, .exports = exports, .nexports = 2, .allocator = &session_alloc};

  const char *given = getenv("KILLMID_SEED");
  uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
  fprintf(stderr, "killmid: KILLMID_SEED=%llu\n", (unsigned long long)seed);
  styx_session_info sum = {0};
  for (int i = 0; i < SESSIONS; i++) {
    die_once(&config, i % 4 ? "mem" : "tree", &seed, &sum);
    cr_assert_eq(session_mem.bytes, 0, "session %d left %zu bytes in %zu blocks", i, session_mem.bytes,
                 session_mem.blocks);
    cr_assert_eq(bell.opened, 0, "session %d left %ld handles", i, bell.opened);
    cr_assert_eq(bell.waiting, 0, "session %d left %ld reads", i, bell.waiting);
  }
  fprintf(stderr, "killmid: %llu messages, %llu errors; cut with %zu requests and %zu fids\n",
          (unsigned long long)sum.messages_in, (unsigned long long)sum.errors, sum.requests, sum.fids);
  cr_assert(sum.messages_in / 5 > SESSIONS && sum.errors < sum.messages_in * 2 / 3, "the conversations are not real");
  cr_assert(sum.requests > SESSIONS / 10 && sum.fids > SESSIONS / 10, "nothing was cut");
  cr_assert_gt(bell.ever_waited, 10);
  styx_tree_free(tree);
  styx_memfs_free(memfs);
  cr_assert_eq(fs_mem.bytes, 0, "the filesystems left %zu bytes: nodes that nobody has forgotten", fs_mem.bytes);
}
