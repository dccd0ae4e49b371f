/* mux_test.c: many calls on one connection, against a server that keeps to the rules, one that does not, and one that goes. */
#include "peer.h"

#include <stdatomic.h>

static styx_call read_call(uint64_t offset, void *buf, uint32_t count) {
  return (styx_call){.t = {.type = STYX_Tread, .fid = 1, .offset = offset, .count = count}, .buf = buf, .cap = count};
}

static void answer_read(struct peer *p, const styx_msg *t) {
  uint8_t data[8];
  for (int i = 0; i < 8; i++)
    data[i] = (uint8_t)(t->offset >> (8 * i));
  peer_send(p, (styx_msg){.type = STYX_Rread, .tag = t->tag, .count = 8, .data = data});
}

static uint64_t value(const uint8_t *data) {
  uint64_t v = 0;
  for (int i = 7; i >= 0; i--)
    v = v << 8 | data[i];
  return v;
}

/* ---- order ---- */

static void answer_three_backwards(struct peer *p) {
  styx_msg m[3];
  for (int i = 0; i < 3; i++)
    m[i] = peer_expect(p, STYX_Tread);
  for (int i = 2; i >= 0; i--)
    answer_read(p, &m[i]);
  peer_end(p);
}

Test(mux, replies_out_of_order_reach_their_calls) {
  struct peer p;
  styx_client *c = peer_client(&p, answer_three_backwards, NULL);
  uint8_t buf[3][8];
  styx_call calls[3];
  for (uint64_t i = 0; i < 3; i++) {
    calls[i] = read_call(100 + i, buf[i], 8);
    cr_assert_eq(styx_call_submit(c, &calls[i]), STYX_OK);
  }
  for (uint64_t i = 0; i < 3; i++) {
    cr_assert_eq(styx_call_wait(&calls[i]), STYX_OK);
    cr_assert(styx_call_done(&calls[i]));
    cr_assert_eq(calls[i].r.count, 8);
    cr_assert_eq(value(buf[i]), 100 + i);
  }
  peer_stop(&p, c);
}

enum { THREADS = 8, ROUNDS = 300 };

/* Holds up to THREADS requests back and answers them in an order of its own. */
static void answer_shuffled(struct peer *p) {
  styx_msg held[THREADS], m;
  unsigned seed = 7, n = 0, total = 0;
  while (total < THREADS * ROUNDS && peer_next(p, &m)) {
    held[n++] = m;
    total++;
    seed = seed * 1103515245u + 12345u;
    while (n > 0 && (n == THREADS || p->have == p->used || (seed & 0x10000))) {
      seed = seed * 1103515245u + 12345u;
      unsigned i = (seed >> 16) % n;
      answer_read(p, &held[i]);
      held[i] = held[--n];
    }
  }
  peer_end(p);
}

struct worker {
  styx_client *c;
  uint64_t id;
  pthread_t thread;
};

static void *work(void *arg) {
  struct worker *w = arg;
  for (uint64_t i = 0; i < ROUNDS; i++) {
    uint8_t buf[8];
    uint32_t got;
    if (styx_client_read(w->c, 1, w->id << 32 | i, buf, 8, &got) != STYX_OK || got != 8 ||
        value(buf) != (w->id << 32 | i))
      return w;
  }
  return NULL;
}

Test(mux, many_threads_each_get_their_own_reply) {
  struct peer p;
  styx_client *c = peer_client(&p, answer_shuffled, NULL);
  struct worker w[THREADS];
  for (uint64_t i = 0; i < THREADS; i++) {
    w[i] = (struct worker){.c = c, .id = i};
    pthread_create(&w[i].thread, NULL, work, &w[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    void *wrong;
    pthread_join(w[i].thread, &wrong);
    cr_expect_null(wrong, "thread %d got another reply", i);
  }
  peer_stop(&p, c);
}

/* ---- data in pieces, and both directions full ---- */

static void answer_in_pieces(struct peer *p) {
  uint8_t data[50000], msg[60000];
  styx_msg t = peer_expect(p, STYX_Tread);
  for (size_t i = 0; i < sizeof data; i++)
    data[i] = (uint8_t)(i * 7);
  styx_msg r = {.type = STYX_Rread, .tag = t.tag, .count = sizeof data, .data = data};
  size_t n = (size_t)styx_encode(msg, sizeof msg, &r, STYX_9P2000);
  for (size_t i = 0, step = 1; i < n; i += step, step = step * 2 % 1021 + 1)
    peer_raw(p, msg + i, step < n - i ? step : n - i);
  t = peer_expect(p, STYX_Tread);
  answer_read(p, &t);
  peer_end(p);
}

Test(mux, a_reply_may_come_in_pieces) {
  struct peer p;
  styx_client *c = peer_client(&p, answer_in_pieces, NULL);
  static uint8_t buf[60000];
  uint32_t got;
  cr_assert_eq(styx_client_read(c, 1, 0, buf, sizeof buf, &got), STYX_OK);
  cr_assert_eq(got, 50000);
  for (size_t i = 0; i < got; i++)
    cr_assert_eq(buf[i], (uint8_t)(i * 7), "byte %zu", i);
  cr_assert_eq(styx_client_read(c, 1, 42, buf, sizeof buf, &got), STYX_OK);
  cr_assert_eq(value(buf), 42);
  peer_stop(&p, c);
}

enum { BULK = 64, BULKSIZE = 60000 };

/* Reads nothing while its own sending is stuck. */
static void answer_in_bulk(struct peer *p) {
  static const uint8_t data[BULKSIZE];
  styx_msg m;
  for (int i = 0; i < 2 * BULK && peer_next(p, &m); i++)
    if (m.type == STYX_Tread)
      peer_send(p, (styx_msg){.type = STYX_Rread, .tag = m.tag, .count = m.count, .data = data});
    else
      peer_send(p, (styx_msg){.type = STYX_Rwrite, .tag = m.tag, .count = m.count});
  peer_end(p);
}

Test(mux, a_caller_that_only_submits_still_receives_while_the_socket_is_full) {
  struct peer p;
  styx_client *c = peer_client(&p, answer_in_bulk, NULL);
  static uint8_t in[BULK][BULKSIZE], out[BULKSIZE];
  static styx_call calls[2 * BULK];
  for (int i = 0; i < BULK; i++) {
    calls[i] = read_call(0, in[i], BULKSIZE);
    cr_assert_eq(styx_call_submit(c, &calls[i]), STYX_OK);
  }
  for (int i = BULK; i < 2 * BULK; i++) {
    calls[i].t = (styx_msg){.type = STYX_Twrite, .fid = 1, .count = BULKSIZE, .data = out};
    cr_assert_eq(styx_call_submit(c, &calls[i]), STYX_OK);
  }
  for (int i = 0; i < 2 * BULK; i++) {
    cr_assert_eq(styx_call_wait(&calls[i]), STYX_OK);
    cr_assert_eq(calls[i].r.count, BULKSIZE);
  }
  peer_stop(&p, c);
}

/* ---- a connection that ends ---- */

static void take_four_and_go(struct peer *p) {
  for (int i = 0; i < 4; i++)
    peer_expect(p, STYX_Tclunk);
}

static void *clunk(void *arg) { return styx_client_clunk(arg, 1) == STYX_EHANGUP ? NULL : arg; }

Test(mux, a_lost_connection_ends_every_call) {
  struct peer p;
  pthread_t t[4];
  styx_client *c = peer_client(&p, take_four_and_go, NULL);
  cr_assert_null(styx_client_why(c));
  for (int i = 0; i < 4; i++)
    pthread_create(&t[i], NULL, clunk, c);
  for (int i = 0; i < 4; i++) {
    void *wrong;
    pthread_join(t[i], &wrong);
    cr_expect_null(wrong);
  }
  cr_assert_eq(styx_client_clunk(c, 1), STYX_EHANGUP);
  cr_assert_str_eq(styx_client_words(), styx_client_why(c));
  peer_stop(&p, c);
}

static void take_four_and_stay(struct peer *p) {
  take_four_and_go(p);
  peer_meet(p);
  peer_end(p);
}

Test(mux, hanging_up_ends_every_call) {
  struct peer p;
  pthread_t t[4];
  styx_client *c = peer_client(&p, take_four_and_stay, NULL);
  for (int i = 0; i < 4; i++)
    pthread_create(&t[i], NULL, clunk, c);
  peer_meet(&p);
  styx_client_hangup(c);
  styx_client_hangup(c);
  for (int i = 0; i < 4; i++) {
    void *wrong;
    pthread_join(t[i], &wrong);
    cr_expect_null(wrong);
  }
  cr_assert_str_eq(styx_client_why(c), "hung up by this side");
  peer_stop(&p, c);
}

static void half_an_answer(struct peer *p) {
  static const uint8_t data[4000];
  uint8_t msg[5000];
  styx_msg t = peer_expect(p, STYX_Tread);
  styx_msg r = {.type = STYX_Rread, .tag = t.tag, .count = sizeof data, .data = data};
  size_t n = (size_t)styx_encode(msg, sizeof msg, &r, STYX_9P2000);
  peer_raw(p, msg, n / 2);
}

Test(mux, a_connection_lost_within_a_reply_is_no_reply) {
  struct peer p;
  styx_client *c = peer_client(&p, half_an_answer, NULL);
  static uint8_t buf[4000];
  styx_call call = read_call(0, buf, sizeof buf);
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_assert_eq(styx_call_wait(&call), STYX_EHANGUP);
  cr_assert_eq(call.r.type, 0);
  peer_stop(&p, c);
}

/* ---- a server that breaks the rules ---- */

struct crime {
  styx_msg t, r;   /* r gets the tag of t, plus tag */
  const char *raw; /* instead of r */
  size_t rawlen;
  const char *why;
};

static void commit(struct peer *p) {
  const struct crime *crime = p->arg;
  styx_msg t;
  PEER_CHECK(peer_next(p, &t), "no request");
  if (crime->raw) {
    peer_raw(p, crime->raw, crime->rawlen);
  } else {
    styx_msg r = crime->r;
    r.tag = (uint16_t)(r.tag + t.tag);
    peer_send(p, r);
  }
  peer_end(p);
}

static void suffers(struct crime crime) {
  struct peer p;
  uint8_t buf[64];
  styx_client *c = peer_client(&p, commit, &crime);
  styx_call call = {.t = crime.t, .buf = buf, .cap = sizeof buf};
  cr_assert_eq(styx_call_submit(c, &call), STYX_OK);
  cr_expect_eq(styx_call_wait(&call), STYX_EHANGUP, "%s: %s", crime.why, call.words);
  const char *why = styx_client_why(c);
  cr_expect(why && strstr(why, crime.why), "\"%s\" does not say \"%s\"", why ? why : "", crime.why);
  cr_expect_str_eq(call.words, why ? why : "");
  peer_stop(&p, c);
}

#define RAW(bytes) .raw = (bytes), .rawlen = sizeof(bytes) - 1

static const styx_msg Read8 = {.type = STYX_Tread, .fid = 1, .count = 8};
static const styx_msg Write8 = {.type = STYX_Twrite, .fid = 1, .count = 8, .data = (const uint8_t *)"12345678"};
static const styx_msg Walk1 = {.type = STYX_Twalk, .fid = 1, .newfid = 2, .nwname = 1, .wname = {STYX_STR("a")}};
static const styx_msg Clunk = {.type = STYX_Tclunk, .fid = 1};

Test(mux, a_reply_of_another_kind_ends_the_connection) {
  suffers((struct crime){.t = Clunk, .r = {.type = STYX_Rremove}, .why = "not of the kind"});
  suffers((struct crime){.t = Read8, .r = {.type = STYX_Rwrite}, .why = "not of the kind"});
  suffers((struct crime){.t = Clunk, .r = {.type = STYX_Tclunk}, .why = "Tclunk"});
  suffers((struct crime){.t = Clunk, RAW("\x07\0\0\0\x6a\0\0"), .why = "unknown message"});
}

Test(mux, more_than_was_asked_for_or_sent_ends_the_connection) {
  suffers((struct crime){.t = Read8,
                         .r = {.type = STYX_Rread, .count = 9, .data = (const uint8_t *)"123456789"},
                         .why = "more data than was asked"});
  suffers((struct crime){.t = Write8, .r = {.type = STYX_Rwrite, .count = 9}, .why = "more data than was sent"});
  suffers((struct crime){.t = Walk1, .r = {.type = STYX_Rwalk, .nwqid = 2}, .why = "more qids"});
  suffers((struct crime){.t = Walk1, .r = {.type = STYX_Rwalk, .nwqid = 0}, .why = "no qid"});
}

Test(mux, a_reply_for_nobody_ends_the_connection) {
  suffers((struct crime){.t = Clunk, .r = {.type = STYX_Rclunk, .tag = 1}, .why = "nobody waits"});
  suffers((struct crime){.t = Clunk, .r = {.type = STYX_Rclunk, .tag = STYX_NOTAG}, .why = "no Tflush"});
  suffers((struct crime){.t = Clunk, .r = {.type = STYX_Rflush, .tag = 0x8000}, .why = "no Tflush"});
  suffers((struct crime){.t = Clunk, .r = {.type = STYX_Rflush}, .why = "not of the kind"});
}

Test(mux, lost_framing_ends_the_connection) {
  suffers((struct crime){.t = Clunk, RAW("\x06\0\0\0\x79\0\0"), .why = "invalid 9P message size"});
  suffers((struct crime){.t = Clunk, RAW("\xff\xff\xff\xff\x79\0\0"), .why = "longer than agreed"});
  suffers((struct crime){.t = Clunk, RAW("\x01\x00\x01\0\x79\0\0"), .why = "longer than agreed"});
  suffers((struct crime){.t = Clunk, RAW("\x08\0\0\0\x79\0\0\0"), .why = "R-message format"});
  suffers((struct crime){.t = Clunk, RAW("\x0b\0\0\0\x6b\0\0\x09\0oh"), .why = "truncated"});
  suffers((struct crime){.t = Read8, RAW("\x0c\0\0\0\x75\0\0\xff\xff\xff\xff!"), .why = "truncated"});
}

static void bad_inside(struct peer *p) {
  peer_expect(p, STYX_Tstat);
  static const char stat[] = "\x3d\0\0\0\x7d\0\0\x34\0\x31\0"; /* n 52, inner 49 */
  uint8_t msg[61] = {0};
  memcpy(msg, stat, sizeof stat - 1);
  peer_raw(p, msg, sizeof msg);
  styx_msg t = peer_expect(p, STYX_Tread);
  answer_read(p, &t);
  peer_end(p);
}

Test(mux, a_reply_that_is_wrong_inside_fails_alone) {
  struct peer p;
  uint8_t buf[STYX_STATROOM];
  uint32_t got;
  styx_stat stat;
  styx_client *c = peer_client(&p, bad_inside, NULL);
  cr_assert_eq(styx_client_stat(c, 1, &stat, buf, sizeof buf), STYX_EBADSTAT);
  cr_assert_eq(styx_client_read(c, 1, 9, buf, 8, &got), STYX_OK);
  cr_assert_eq(value(buf), 9);
  cr_assert_null(styx_client_why(c));
  peer_stop(&p, c);
}

/* ---- errors and their words ---- */

static void say_no(struct peer *p) {
  char longest[300];
  peer_error(p, peer_expect(p, STYX_Tclunk).tag, "file does not exist");
  peer_error(p, peer_expect(p, STYX_Tclunk).tag, "the dog \xff\x1b ate it");
  memset(longest, 'x', sizeof longest);
  memcpy(longest + 126, "\xe2\x82\xac", 3);
  longest[299] = '\0';
  peer_error(p, peer_expect(p, STYX_Tclunk).tag, longest);
  peer_end(p);
}

Test(mux, the_servers_own_words_are_kept) {
  struct peer p;
  styx_client *c = peer_client(&p, say_no, NULL);
  cr_assert_eq(styx_client_clunk(c, 1), ENOENT);
  cr_assert_str_eq(styx_client_words(), "file does not exist");
  cr_assert_eq(styx_client_clunk(c, 1), STYX_EREMOTE_TEXT);
  cr_assert_str_eq(styx_client_words(), "the dog \xff\x1b ate it");
  cr_assert_eq(styx_client_clunk(c, 1), STYX_EREMOTE_TEXT);
  cr_assert_eq(strlen(styx_client_words()), 126, "cut within a character: %s", styx_client_words());
  peer_stop(&p, c);
}

/* ---- what is refused before it is sent ---- */

static void nothing(struct peer *p) { peer_end(p); }

Test(mux, calls_that_make_no_sense_are_refused) {
  struct peer p;
  uint8_t buf[16];
  styx_client *c = peer_client(&p, nothing, NULL);
  const styx_msg bad[] = {{.type = STYX_Tversion},           {.type = STYX_Tflush}, {.type = STYX_Rclunk}, {.type = 0},
                          {.type = STYX_Tread, .count = 17}, {.type = STYX_Tstat}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    styx_call call = {.t = bad[i], .buf = bad[i].type == STYX_Tstat ? NULL : buf, .cap = sizeof buf};
    cr_expect_eq(styx_call_submit(c, &call), STYX_EBADARG, "%zu", i);
    cr_expect_eq(styx_call_wait(&call), STYX_EBADARG, "%zu", i);
  }
  static uint8_t big[70000];
  styx_call call = {.t = {.type = STYX_Twrite, .count = sizeof big, .data = big}};
  cr_assert_eq(styx_call_submit(c, &call), STYX_ENOFIT);
  call = (styx_call){.t = {.type = STYX_Tread, .count = 65536 - 23}, .buf = big, .cap = sizeof big};
  cr_assert_eq(styx_call_submit(c, &call), STYX_EBADARG);
  call = (styx_call){0};
  cr_assert_eq(styx_call_wait(&call), STYX_EBADARG);
  cr_assert(!styx_call_done(&call));
  cr_assert_null(styx_client_why(c));
  peer_stop(&p, c);
}

/* ---- tags ---- */

enum { MOST = 32767 };

static void answer_once_all_are_there(struct peer *p) {
  static bool seen[65536];
  for (int i = 0; i < MOST; i++) {
    styx_msg m = peer_expect(p, STYX_Tclunk);
    PEER_CHECK(!seen[m.tag] && m.tag != STYX_NOTAG, "tag %u", m.tag);
    seen[m.tag] = true;
  }
  PEER_CHECK(peer_expect(p, STYX_Tflush).oldtag < MOST, "oldtag");
  for (unsigned tag = 0; tag < 65536; tag++)
    if (seen[tag])
      peer_send(p, (styx_msg){.type = STYX_Rclunk, .tag = (uint16_t)tag});
  peer_end(p);
}

Test(mux, no_tag_is_used_twice_and_a_flush_always_has_one) {
  struct peer p;
  styx_client *c = peer_client(&p, answer_once_all_are_there, NULL);
  styx_call *calls = calloc(MOST + 1, sizeof *calls);
  for (int i = 0; i <= MOST; i++)
    calls[i].t.type = STYX_Tclunk;
  for (int i = 0; i < MOST; i++)
    cr_assert_eq(styx_call_submit(c, &calls[i]), STYX_OK);
  cr_assert_eq(styx_call_submit(c, &calls[MOST]), STYX_ELIMIT);
  cr_assert_eq(styx_call_cancel(&calls[0]), STYX_OK);
  for (int i = 0; i < MOST; i++)
    cr_assert_eq(styx_call_wait(&calls[i]), STYX_OK);
  peer_stop(&p, c);
  free(calls);
}

/* ---- memory ---- */

static atomic_int left, live;

static void *scarce(void *arg, size_t size) {
  (void)arg;
  if (atomic_fetch_sub(&left, 1) <= 0)
    return NULL;
  atomic_fetch_add(&live, 1);
  return malloc(size);
}

static void release(void *arg, void *ptr, size_t size) {
  (void)arg, (void)size;
  atomic_fetch_sub(&live, 1);
  free(ptr);
}

static void serve_reads(struct peer *p) {
  styx_msg m;
  while (peer_next(p, &m))
    if (m.type == STYX_Tread)
      answer_read(p, &m);
    else
      peer_send(p, (styx_msg){.type = (uint8_t)(m.type + 1), .tag = m.tag});
}

static styx_err scenario(int fd, const styx_client_options *o) {
  styx_client *c;
  uint8_t buf[8];
  uint32_t got;
  styx_call call = {.t = {.type = STYX_Tclunk}};
  styx_err err = styx_client_new(&c, fd, o), err2, err3;
  if (err) {
    close(fd);
    return err;
  }
  err = styx_client_read(c, 1, 5, buf, 8, &got);
  cr_expect(err || value(buf) == 5);
  (void)styx_call_submit(c, &call);
  err2 = styx_call_cancel(&call);
  err3 = styx_call_wait(&call);
  styx_client_free(c);
  return err ? err : err2 ? err2 : err3 == ECANCELED ? STYX_OK : err3;
}

Test(mux, without_memory_a_call_fails_and_nothing_leaks) {
  static const styx_allocator a = {.alloc = scarce, .free = release};
  styx_client_options o = {.size = sizeof o, .allocator = &a, .msize = 65536};
  styx_err err = ENOMEM;
  for (int n = 0; err; n++) {
    struct peer p;
    cr_assert_lt(n, 50);
    atomic_store(&left, n);
    peer_start(&p, serve_reads, 65536, NULL);
    if (n == 0) /* the client fails before it says anything */
      peer_raw(&(struct peer){.fd = p.client_fd},
               "\x13\0\0\0\x64\xff\xff\0\0\1\0\6\0"
               "9P2000",
               19);
    err = scenario(p.client_fd, &o);
    cr_expect(err == STYX_OK || err == ENOMEM || err == STYX_EHANGUP, "%d: %s", n, styx_err_text(err));
    peer_join(&p);
    cr_assert_eq(atomic_load(&live), 0, "allocation %d leaks", n);
  }
}
