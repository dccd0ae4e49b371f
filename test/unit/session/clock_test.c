/* Whoever retires may have looked at the clock before whoever feeds: to the session time never goes back. */
#include "support/scripted.h"

#include <criterion/criterion.h>

static const uint64_t second = 1000000000;

static void run_all(struct script *p) {
  styx_work *w;
  while ((w = styx_session_next(p->s)))
    styx_work_run(w);
}

/* What is fed comes at ten seconds. A request may take five, and attaches are held. */
static struct script *at_ten(void) {
  struct script *p = script_bare();
  p->now = 10 * second;
  p->limits.request = 5 * second;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  p->hold = STYX_OP(attach);
  return p;
}

static void find_age(void *arg, const styx_request_info *r) { *(uint64_t *)arg = r->age; }

static void age_is(struct script *p, uint64_t want) {
  uint64_t age = UINT64_MAX;
  cr_assert_eq(styx_session_each_request(p->s, find_age, &age), 1);
  cr_assert_eq(age, want);
}

Test(clock, a_request_is_not_older_than_its_session) {
  struct script *p = at_ten();
  script_send(p, t_attach(2, 1));
  styx_session_retire(p->s, 9 * second);
  age_is(p, 0);
  styx_session_retire(p->s, 12 * second);
  age_is(p, 2 * second); /* and forward it goes */
  run_all(p);
  script_free(p);
}

/* The reset is over when the old request is retired, and only then is what came behind it looked at. */
Test(clock, the_time_of_a_request_counts_from_the_latest_moment_known) {
  struct script *p = at_ten();
  script_t(p, t_attach(2, 1));
  script_send(p, t_version(8192, "9P2000"));
  script_send(p, t_attach(3, 0));
  cr_assert_eq(styx_session_inspect(p->s).requests, 1, "the second attach is kept");
  styx_reply_interrupted(script_take(p, 0));
  styx_session_retire(p->s, 9 * second);
  run_all(p);
  while (p->nheld < 2 && styx_session_retire(p->s, 9 * second))
    run_all(p);
  cr_assert_eq(p->nheld, 2);
  cr_assert_eq(styx_req_deadline(p->held[1]), 15 * second);
  script_free(p);
}

Test(clock, a_peer_that_does_not_read_has_all_of_its_time) {
  enum { STATS = 200 };
  struct script *p = script_bare();
  p->now = 10 * second;
  p->limits.outbox = 4000;
  p->hold = STYX_OP(getattr);
  script_t(p, t_version(256, "9P2000"));
  script_t(p, t_attach(1, 0));
  for (uint16_t i = 0; i < STATS; i++)
    script_send(p, t_fid(STYX_Tstat, (uint16_t)(2 + i), 0));
  run_all(p);
  cr_assert_eq(p->nheld, STATS);
  for (int i = 0; i < STATS; i++)
    styx_reply_attr(script_take(p, i), &(styx_attr){.qid = {0, 0, 1}, .mode = 0644, .name = STYX_STR("x")});
  cr_assert(styx_session_wants_input(p->s));
  styx_session_retire(p->s, 9 * second);
  cr_assert_not(styx_session_wants_input(p->s), "from here on it has to read");
  styx_session_tick(p->s, 10 * second + p->limits.stalled - 1);
  cr_assert_null(styx_session_ended(p->s));
  styx_session_tick(p->s, 10 * second + p->limits.stalled);
  cr_assert_str_eq(styx_session_ended(p->s), "peer does not read its replies");
  script_free(p);
}

Test(clock, an_age_does_not_go_below_nothing_whoever_is_late) {
  struct script *p = script_bare();
  p->now = 10 * second;
  p->hold = STYX_OP(getattr);
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_t(p, t_fid(STYX_Tstat, 2, 0));
  styx_session_sent(p->s, 1, 9 * second);
  age_is(p, 0);
  styx_session_tick(p->s, 9 * second);
  age_is(p, 0);
  styx_session_feed(p->s, "", 0, 9 * second);
  age_is(p, 0);
  styx_session_received(p->s, 0, 9 * second);
  age_is(p, 0);
  script_free(p);
}
