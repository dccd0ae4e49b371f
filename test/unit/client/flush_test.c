/* flush_test.c: cancelled calls: the server answers before the Rflush, instead of it, only with it, or never (F23 to F29). */
#include "peer.h"

static styx_call call_of(styx_msg t) { return (styx_call){.t = t}; }

static const styx_msg Open = {.type = STYX_Topen, .fid = 5};
static const styx_msg Clunk = {.type = STYX_Tclunk, .fid = 5};

static styx_msg expect_flush_of(struct peer *p, uint16_t tag) {
  styx_msg f = peer_expect(p, STYX_Tflush);
  PEER_CHECK(f.oldtag == tag, "oldtag %u, not %u", f.oldtag, tag);
  PEER_CHECK(f.tag != tag && f.tag != STYX_NOTAG, "tag %u", f.tag);
  return f;
}

static void rflush(struct peer *p, uint16_t tag) { peer_send(p, (styx_msg){.type = STYX_Rflush, .tag = tag}); }

/* The tag of the flushed call is still reserved: the next call must have another, the one after the Rflush may not matter. */
static void reply_then_rflush(struct peer *p) {
  styx_msg t = peer_expect(p, STYX_Topen), f = expect_flush_of(p, t.tag), next;
  peer_send(p, (styx_msg){.type = STYX_Ropen, .tag = t.tag, .qid = {.path = 77}, .iounit = 9});
  next = peer_expect(p, STYX_Tclunk);
  PEER_CHECK(next.tag != t.tag, "tag %u is used before its Rflush", t.tag);
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = next.tag});
  rflush(p, f.tag);
  next = peer_expect(p, STYX_Tclunk);
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = next.tag});
  styx_msg again = peer_expect(p, STYX_Tclunk), more = peer_expect(p, STYX_Tclunk);
  PEER_CHECK(again.tag == t.tag || more.tag == t.tag, "tag %u is never used again", t.tag);
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = again.tag});
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = more.tag});
  peer_end(p);
}

Test(flush, a_reply_before_rflush_counts_and_its_tag_stays_reserved) {
  struct peer p;
  styx_client *c = peer_client(&p, reply_then_rflush, NULL);
  styx_call call = call_of(Open), a = call_of(Clunk), b = a;
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_call_wait(&call), STYX_OK);
  cr_assert_eq(call.r.type, STYX_Ropen);
  cr_assert_eq(call.r.qid.path, 77);
  cr_assert_eq(styx_client_clunk(c, 5), STYX_OK);
  cr_assert_eq(styx_client_clunk(c, 5), STYX_OK);
  cr_assert_eq(styx_call_submit(c, &a), STYX_OK);
  cr_assert_eq(styx_call_submit(c, &b), STYX_OK);
  cr_assert_eq(styx_call_wait(&a), STYX_OK);
  cr_assert_eq(styx_call_wait(&b), STYX_OK);
  peer_stop(&p, c);
}

static void error_then_rflush(struct peer *p) {
  styx_msg t = peer_expect(p, STYX_Topen), f = expect_flush_of(p, t.tag);
  peer_error(p, t.tag, "permission denied");
  rflush(p, f.tag);
  peer_end(p);
}

Test(flush, an_error_before_rflush_counts) {
  struct peer p;
  styx_client *c = peer_client(&p, error_then_rflush, NULL);
  styx_call call = call_of(Open);
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_call_wait(&call), EACCES);
  cr_assert_eq(call.r.type, STYX_Rerror);
  peer_stop(&p, c);
}

static void rflush_alone(struct peer *p) {
  styx_msg t = peer_expect(p, STYX_Topen), f = expect_flush_of(p, t.tag);
  rflush(p, f.tag);
  t = peer_expect(p, STYX_Tclunk);
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = t.tag});
  peer_end(p);
}

Test(flush, rflush_alone_means_that_it_never_happened) {
  struct peer p;
  styx_client *c = peer_client(&p, rflush_alone, NULL);
  styx_call call = call_of(Open);
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_call_wait(&call), ECANCELED);
  cr_assert_eq(call.r.type, 0);
  cr_assert_eq(styx_client_clunk(c, 5), STYX_OK);
  peer_stop(&p, c);
}

static void never(struct peer *p) {
  styx_msg t = peer_expect(p, STYX_Topen);
  expect_flush_of(p, t.tag);
}

Test(flush, a_server_that_goes_instead_of_answering_is_a_hangup) {
  struct peer p;
  styx_client *c = peer_client(&p, never, NULL);
  styx_call call = call_of(Open);
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_call_wait(&call), STYX_EHANGUP);
  peer_stop(&p, c);
}

static void one_flush_only(struct peer *p) {
  styx_msg t = peer_expect(p, STYX_Topen), f = expect_flush_of(p, t.tag);
  t = peer_expect(p, STYX_Tclunk);
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = t.tag});
  rflush(p, f.tag);
  t = peer_expect(p, STYX_Tclunk);
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = t.tag});
  peer_end(p);
}

Test(flush, cancelling_twice_or_too_late_sends_nothing) {
  struct peer p;
  styx_client *c = peer_client(&p, one_flush_only, NULL);
  styx_call call = call_of(Open), never_sent = call;
  cr_assert_eq(styx_call_cancel(&never_sent), STYX_OK);
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_client_clunk(c, 5), STYX_OK);
  cr_assert_eq(styx_call_wait(&call), ECANCELED);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_client_clunk(c, 5), STYX_OK);
  peer_stop(&p, c);
}

static void refuse_the_flush(struct peer *p) {
  styx_msg t = peer_expect(p, STYX_Topen), f = expect_flush_of(p, t.tag);
  peer_error(p, f.tag, "no such tag");
  peer_send(p, (styx_msg){.type = STYX_Ropen, .tag = t.tag});
  t = peer_expect(p, STYX_Topen);
  f = expect_flush_of(p, t.tag);
  peer_send(p, (styx_msg){.type = STYX_Ropen, .tag = t.tag});
  peer_error(p, f.tag, "no such tag");
  t = peer_expect(p, STYX_Tclunk);
  peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = t.tag});
  peer_end(p);
}

Test(flush, an_error_instead_of_rflush_leaves_the_call_alone) {
  struct peer p;
  styx_client *c = peer_client(&p, refuse_the_flush, NULL);
  for (int i = 0; i < 2; i++) {
    styx_call call = call_of(Open);
    cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
    cr_assert_eq(styx_call_cancel(&call), STYX_OK);
    cr_assert_eq(styx_call_wait(&call), STYX_OK);
  }
  cr_assert_eq(styx_client_clunk(c, 5), STYX_OK);
  peer_stop(&p, c);
}

static void two_replies(struct peer *p) {
  styx_msg t = peer_expect(p, STYX_Topen), f = expect_flush_of(p, t.tag);
  peer_send(p, (styx_msg){.type = STYX_Ropen, .tag = t.tag});
  peer_send(p, (styx_msg){.type = STYX_Ropen, .tag = t.tag});
  rflush(p, f.tag);
  peer_drain(p);
}

Test(flush, a_second_reply_before_rflush_ends_the_connection) {
  struct peer p;
  styx_client *c = peer_client(&p, two_replies, NULL);
  styx_call call = call_of(Open);
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_call_wait(&call), STYX_OK);
  cr_assert_eq(styx_client_clunk(c, 5), STYX_EHANGUP);
  cr_assert(strstr(styx_client_why(c), "nobody waits"), "%s", styx_client_why(c));
  peer_stop(&p, c);
}

static void reply_late(struct peer *p) {
  styx_msg t = peer_expect(p, STYX_Topen), f = expect_flush_of(p, t.tag);
  rflush(p, f.tag);
  peer_send(p, (styx_msg){.type = STYX_Ropen, .tag = t.tag});
  peer_drain(p);
}

Test(flush, a_reply_after_rflush_ends_the_connection) {
  struct peer p;
  styx_client *c = peer_client(&p, reply_late, NULL);
  styx_call call = call_of(Open), other = {.t = {.type = STYX_Tread, .fid = 1}};
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  cr_assert_eq(styx_call_wait(&call), ECANCELED);
  (void)styx_call_submit(c, &other);
  cr_assert_eq(styx_call_wait(&other), STYX_EHANGUP);
  peer_stop(&p, c);
}

/* ---- a thread cancels what another waits for ---- */

static void *wait_for(void *call) { return styx_call_wait(call) == ECANCELED ? NULL : call; }

Test(flush, another_thread_may_cancel_what_one_waits_for) {
  struct peer p;
  pthread_t t;
  void *wrong;
  styx_client *c = peer_client(&p, rflush_alone, NULL);
  styx_call call = call_of(Open);
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  pthread_create(&t, NULL, wait_for, &call);
  cr_assert_eq(styx_call_cancel(&call), STYX_OK);
  pthread_join(t, &wrong);
  cr_assert_null(wrong);
  cr_assert_eq(styx_client_clunk(c, 5), STYX_OK);
  peer_stop(&p, c);
}
