/* budget_test.c: what sessions may hold together (styx_budget): who holds little is never kept out, who holds much waits, is
 * refused, or is read from no more. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <string.h>

enum { KB = 1024, BIG = 128 * KB, MSIZE = 1024 * KB };

static styx_budget *budget;

static void begin(void) { cr_assert_eq(styx_budget_new(&budget, 256 * KB, NULL), STYX_OK); }

static void end(void) {
  cr_assert_eq(styx_budget_used(budget), 0, "%llu bytes left", (unsigned long long)styx_budget_used(budget));
  styx_budget_free(budget);
}

TestSuite(budget, .init = begin, .fini = end);

/* A session with fid 1 open for reading and writing; reads are kept. */
static struct script *session_of(styx_budget *shared) {
  struct script *p = script_bare();
  p->budget = shared;
  script_t(p, t_version(MSIZE, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_t(p, t_walk(1, 0, 1, "file"));
  script_t(p, t_open(1, 1, STYX_ORDWR));
  while (*script_line(p))
    ;
  p->hold = STYX_OP(read) | STYX_OP(write);
  return p;
}

static struct script *session(void) { return session_of(budget); }

static void read_big(struct script *p, int n) {
  for (int i = 0; i < n; i++)
    script_t(p, t_read((uint16_t)(10 + i), 1, 0, BIG));
}

static uint64_t met(const struct script *p) { return styx_session_inspect(p->s).hits.memory; }

/* Answers all that is held, each with len bytes; what comes to be held by that, too. */
static void answer_all(struct script *p, size_t len) {
  static char data[BIG];
  for (int i = 0; i < p->nheld; i++)
    if (p->held[i]) {
      styx_req *r = script_take(p, i);
      if (styx_req_type(r) == STYX_Tread)
        styx_reply_data(r, data, len);
      else
        styx_reply_count(r, 1);
      script_pump(p);
    }
}

Test(budget, who_holds_little_is_not_counted) {
  struct script *p = session();
  for (int i = 0; i < 10; i++)
    script_t(p, t_read((uint16_t)(10 + i), 1, 0, 4 * KB));
  cr_assert_eq(p->nheld, 10);
  cr_assert_eq(styx_budget_used(budget), 0);
  answer_all(p, 0);
  script_free(p);
}

Test(budget, reads_wait_and_one_always_runs) {
  struct script *one = session(), *two = session();
  read_big(one, 8);
  cr_assert_eq(one->nheld, 2); /* 64K free and 192K */
  cr_assert_eq(met(one), 1);   /* the third; the others stand behind it */
  read_big(two, 3);
  cr_assert_eq(two->nheld, 1); /* although there is no more */
  answer_all(two, 1);
  cr_assert_eq(two->nheld, 3); /* one after the other */
  answer_all(one, 1);
  cr_assert_eq(one->nheld, 8);
  script_free(one);
  script_free(two);
}

static bool write_big(struct script *p, uint16_t tag) {
  static char data[BIG + 1];
  memset(data, 'w', BIG);
  script_t(p, t_write(tag, 1, 0, data));
  return strncmp(script_line(p), "Rerror", 6) != 0;
}

Test(budget, writes_are_refused_and_what_was_held_is_given_back) {
  struct script *one = session(), *two = session();
  cr_assert(write_big(one, 10));
  cr_assert(write_big(one, 11));
  cr_assert(!write_big(one, 12));
  cr_assert_eq(met(one), 1);
  cr_assert(!write_big(two, 10));
  answer_all(one, 0);
  cr_assert(write_big(two, 10));
  answer_all(two, 0);
  script_free(one);
  script_free(two);
}

Test(budget, a_session_that_hangs_up_gives_back_what_it_held) {
  struct script *one = session(), *two = session();
  read_big(one, 2);
  cr_assert_gt(styx_budget_used(budget), 0);
  script_free(one);
  cr_assert_eq(styx_budget_used(budget), 0);
  script_free(two);
}

/* Replies are made, and none is taken, until nothing more is read; how many bytes. */
static size_t fill_outbox(struct script *p) {
  for (uint16_t tag = 10; styx_session_wants_input(p->s); tag++) {
    script_t(p, t_read(tag, 1, 0, 4 * KB));
    answer_all(p, 4 * KB);
  }
  return styx_session_pending_bytes(p->s);
}

Test(budget, an_outbox_is_full_earlier_when_it_is_spent) {
  struct script *one = session(), *two = session(), *alone = session_of(NULL);
  const uint64_t most = one->limits.outbox + MSIZE;
  cr_assert(write_big(one, 10));
  cr_assert(write_big(one, 11));
  cr_assert_lt(fill_outbox(two), STYX_BUDGET_FREE + MSIZE + 8 * KB);
  script_free(two);
  answer_all(one, 0);
  script_free(one);
  cr_assert_geq(fill_outbox(alone), most);
  script_free(alone);
}
