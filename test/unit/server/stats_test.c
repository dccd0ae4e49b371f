/* stats_test.c: counting by many threads, and the numbers as text. */
#include "server/pipeline.h"

#include <styx/memfs.h>
#include <styx/server.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, TIMES = 10000 };

static styx_memfs *memfs;
static styx_export export_;
static styx_server *server;

static void setup(void) {
  const styx_memfs_config mem = {.size = sizeof mem};
  memfs = styx_memfs_new(&mem);
  cr_assert(memfs);
  export_ = (styx_export){.fs = styx_memfs_fs(memfs)};
  const styx_server_config config = {
      .size = sizeof config, .exports = &export_, .nexports = 1, .workers = 1, .connections = 2};
  cr_assert_eq(styx_server_new(&server, &config), STYX_OK);
}

static void teardown(void) {
  styx_server_free(server);
  styx_memfs_free(memfs);
}

TestSuite(stats, .init = setup, .fini = teardown);

struct wanted {
  const char *name, *value;
  uint64_t found;
  int times;
};

static void look(void *arg, const styx_number *n) {
  struct wanted *w = arg;
  if (strcmp(n->name, w->name) != 0 || (w->value && strcmp(n->label_value, w->value) != 0))
    return;
  w->found = n->value;
  w->times++;
}

static uint64_t number(const char *name, const char *value) {
  struct wanted w = {name, value, 0, 0};
  styx_server_stats(server, look, &w);
  cr_assert_eq(w.times, 1, "%s is told %d times", name, w.times);
  return w.found;
}

static void *count_with_a_set(void *arg) {
  sx_stats_join(&server->v_stats);
  for (int i = 0; i < TIMES; i++)
    sx_count(&server->v_stats, SX_N_RECV_BYTES, 3);
  return arg;
}

static void *count_without(void *arg) {
  for (int i = 0; i < TIMES; i++)
    sx_count(&server->v_stats, SX_N_RECV_BYTES, 3);
  return arg;
}

static void run_all(void *(*main)(void *)) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, main, NULL), 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
}

Test(stats, what_the_threads_of_the_server_count_is_added_up) {
  run_all(count_with_a_set);
  cr_assert_eq(number("styx_received_bytes_total", NULL), 3 * THREADS * TIMES);
}

Test(stats, so_is_what_others_count) {
  run_all(count_without);
  cr_assert_eq(number("styx_received_bytes_total", NULL), 3 * THREADS * TIMES);
}

Test(stats, a_thread_of_another_server_does_not_count_there) {
  styx_server *mine = server, *other;
  const styx_server_config config = {.size = sizeof config, .exports = &export_, .nexports = 1, .workers = 1};
  cr_assert_eq(styx_server_new(&other, &config), STYX_OK);
  sx_stats_join(&other->v_stats);
  sx_count(&mine->v_stats, SX_N_SEND_CALLS, 5);
  cr_assert_eq(number("styx_send_calls_total", NULL), 5);
  server = other;
  cr_assert_eq(number("styx_send_calls_total", NULL), 0);
  server = mine;
  styx_server_free(other);
}

Test(stats, more_threads_than_were_expected_share_a_set) {
  for (unsigned i = 0; i < 2 * server->v_stats.n_nsets; i++)
    sx_stats_join(&server->v_stats);
  sx_count(&server->v_stats, SX_N_SEND_CALLS, 7);
  cr_assert_eq(number("styx_send_calls_total", NULL), 7);
}

Test(stats, an_error_is_counted_by_its_name) {
  sx_count_error(&server->v_stats, ENOENT);
  sx_count_error(&server->v_stats, ENOENT);
  sx_count_error(&server->v_stats, STYX_EBADFID);
  sx_count_error(&server->v_stats, 4000);
  cr_assert_eq(number("styx_errors_total", "ENOENT"), 2);
  cr_assert_eq(number("styx_errors_total", "STYX_EBADFID"), 1);
  cr_assert_eq(number("styx_errors_total", "other"), 1);
}

Test(stats, a_session_that_is_over_still_counts) {
  const styx_session_info last = {.messages_in = 11, .errors = 2, .hits.fids = 3};
  sx_info_add(&server->v_shards[0].h_past, &last);
  cr_assert_eq(number("styx_messages_received_total", NULL), 11);
  cr_assert_eq(number("styx_error_replies_total", NULL), 2);
  cr_assert_eq(number("styx_limit_hits_total", "max-fids"), 3);
}

Test(stats, every_limit_has_its_row) {
#define STYX_LIMIT(field, flag, default_, unit, help) cr_assert_eq(number("styx_limit_hits_total", flag), 0);
#include <styx/limits.def>
#undef STYX_LIMIT
}

static void check_cut(size_t (*text)(styx_server *, char *, size_t)) {
  static char whole[65536], part[65536];
  size_t len = text(server, whole, sizeof whole);
  cr_assert_lt(len, sizeof whole);
  cr_assert_eq(strlen(whole), len);
  cr_assert_eq(text(server, NULL, 0), len);
  for (size_t cap = 1; cap <= len + 1; cap += cap < 300 ? 1 : 97) {
    memset(part, 'x', sizeof part);
    cr_assert_eq(text(server, part, cap), len);
    cr_assert_eq(strlen(part), cap - 1 < len ? cap - 1 : len);
    cr_assert_eq(memcmp(part, whole, strlen(part)), 0);
    cr_assert_eq(part[cap], 'x', "a byte too far at %zu", cap);
  }
}

Test(stats, json_is_cut_where_the_room_ends_and_says_how_long_it_is) { check_cut(styx_server_stats_json); }

Test(stats, so_is_the_text_for_prometheus) { check_cut(styx_server_stats_prometheus); }

/* Commas, colons and braces as they must be; there are no strings but names. */
Test(stats, json_is_one_line_of_balanced_objects) {
  static char text[65536];
  size_t len = styx_server_stats_json(server, text, sizeof text);
  int depth = 0;
  cr_assert_eq(text[len - 1], '\n');
  for (size_t i = 0; i < len - 1; i++) {
    cr_assert_neq(text[i], '\n');
    depth += text[i] == '{';
    depth -= text[i] == '}';
    cr_assert(depth >= 1 || i == len - 2);
    cr_assert(text[i] != ',' || text[i + 1] == '"');
    cr_assert(text[i] != '{' || text[i + 1] == '"');
  }
  cr_assert_eq(depth, 0);
}
