/* interrupt_stress.c: handlers that are stuck in read() and get a signal when they are flushed, for ThreadSanitizer and
 * AddressSanitizer too.
 *
 *   interrupt_stress [SEED]
 *
 * Promises: of 10,000 reads of a pipe, each flushed at a random moment before, in or after its system call, every one ends,
 * and no byte is lost; a call that is entered after the first signal ends all the same; no signal reaches a call outside the
 * pair, on the same thread or on another. No time is asserted: what does not come is a hang, which the runner ends. */
#include "session/state.h"
#include "stress/checks.h"
#include "support/random.h"

#include <styx/client.h>
#include <styx/server.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FLUSHES = 10000, BATCH = 8 };

/* ---- an unrelated call that blocks: a byte goes to another thread and comes back ---- */

static int to_echo[2], from_echo[BATCH][2];
static atomic_int strays; /* EINTR where nobody asked for it */

static void *echo_main(void *arg) {
  unsigned char slot;
  while (read(to_echo[0], &slot, 1) == 1)
    must(write(from_echo[slot][1], &slot, 1) == 1, "echo");
  return arg;
}

static void read_calmly(int fd, unsigned char *byte) {
  ssize_t n;
  while ((n = read(fd, byte, 1)) < 0 && errno == EINTR)
    atomic_fetch_add(&strays, 1);
  must(n == 1, "a calm read");
}

static void echo(unsigned char slot) {
  must(write(to_echo[1], &slot, 1) == 1, "echo");
  read_calmly(from_echo[slot][0], &slot);
}

/* ---- the filesystem: one file; the offset of a read says what its handler does ---- */

enum mode {
  PLAIN,
  CANCELLED_BEFORE, /* cancelled when the pair begins */
  JUST_BEFORE,      /* in the pair, the first signals come before the call is entered */
  STILL_OPEN,       /* cancelled after the call, if that gets a byte; the pair ends while the callback runs */
  NO_CALL,          /* the same without a call */
  TWICE,            /* goes on after the first EINTR, and gets another */
  MODES,
  CALM = MODES /* no pair: blocks until there is a byte */
};

enum stage { ENTERED = 1, BEGUN = 2 };

static int line[2], calm[2];
static atomic_int inside, stages[BATCH];

static void until_cancelled(styx_req *r) {
  while (!styx_req_cancelled(r))
    sched_yield();
}

/* Until the callback has been started: at this moment it sets the timer, on another thread. */
static void until_ringing(styx_req *r) {
  while (!(atomic_load(&r->r_word) & SX_STARTED))
    sched_yield();
}

static ssize_t read_line(styx_req *r, enum mode mode, unsigned slot, unsigned char *byte) {
  ssize_t n = -1;
  int err = EINTR;
  must(styx_interruptible_begin(r), "a pair begins");
  atomic_store(&stages[slot], BEGUN);
  if (mode == JUST_BEFORE) {
    until_cancelled(r);
    for (int i = 0; i < 200; i++)
      sched_yield();
  }
  if (mode != NO_CALL) {
    n = read(line[0], byte, 1);
    err = errno;
  }
  if (mode == STILL_OPEN || mode == NO_CALL)
    until_ringing(r);
  errno = err;
  styx_interruptible_end();
  return n;
}

static styx_answer stuck_read(styx_req *r, void *node, void *handle, uint64_t offset, uint32_t count) {
  const unsigned char slot = offset & 0xff;
  const enum mode mode = (enum mode)(offset >> 8);
  unsigned char byte;
  ssize_t n;
  (void)node, (void)handle, (void)count;
  if (mode == CALM) {
    read_calmly(calm[0], &byte);
    return styx_reply_data(r, &byte, 1);
  }
  atomic_fetch_add(&inside, 1);
  atomic_store(&stages[slot], mode == CANCELLED_BEFORE ? BEGUN : ENTERED); /* as far as it gets by itself */
  if (mode == CANCELLED_BEFORE)
    until_cancelled(r);
  do
    n = read_line(r, mode, slot, &byte);
  while (n < 0 && errno == EINTR && !styx_req_cancelled(r));
  if (mode == TWICE && n < 0)
    n = read_line(r, mode, slot, &byte);
  int err = errno;
  echo(slot);
  atomic_fetch_sub(&inside, 1);
  if (n >= 0)
    return styx_reply_data(r, &byte, (size_t)n);
  return err == EINTR ? styx_reply_interrupted(r) : styx_reply_error(r, err);
}

static styx_answer stuck_attach(styx_req *r) { return styx_reply_node(r, NULL, (styx_qid){0, 0, 1}); }

static styx_answer stuck_open(styx_req *r, void *node, uint32_t flags) {
  (void)node, (void)flags;
  return styx_reply_open(r, (styx_qid){0, 0, 1}, NULL);
}

static const styx_fs_ops stuck_ops = {.size = sizeof stuck_ops,
                                      .name = "stuck",
                                      .nowait = STYX_OP(attach) | STYX_OP(open),
                                      .blocking = STYX_OP(read),
                                      .attach = stuck_attach,
                                      .open = stuck_open,
                                      .read = stuck_read};

/* ---- server and clients ---- */

static styx_client *join(styx_server *server) {
  int pair[2];
  uint32_t fid;
  styx_client *client;
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
  must(styx_server_adopt(server, pair[0], "test") == STYX_OK, "adopt");
  must(styx_client_new(&client, pair[1], NULL) == STYX_OK, "client");
  must(styx_client_attach(client, "tester", "", &fid, NULL) == STYX_OK && fid == 0, "attach");
  must(styx_client_open(client, fid, STYX_OREAD, NULL) == STYX_OK, "open");
  return client;
}

struct slow_read {
  styx_call call;
  unsigned char byte[1];
};

static void submit(styx_client *client, struct slow_read *s, enum mode mode, unsigned slot) {
  *s = (struct slow_read){.call.t = {.type = STYX_Tread, .count = 1, .offset = (uint64_t)mode << 8 | slot}};
  s->call.buf = s->byte;
  s->call.cap = 1;
  must(styx_call_submit(client, &s->call) == STYX_OK, "submit");
}

/* ---- the flushes ---- */

static void dawdle(uint32_t n) {
  for (volatile uint32_t i = 0; i < n; i++)
    ;
}

struct count {
  int done, interrupted, bytes, wrong, written;
};

/* One read has got as far as chance will have it; a byte may come to whoever is there first; the read is flushed. */
static void flush_somewhere(struct slow_read *s, unsigned slot, uint64_t *seed, struct count *count) {
  int stage = (int)dice(seed, BEGUN + 1);
  while (atomic_load(&stages[slot]) < stage && !styx_call_done(&s->call))
    sched_yield();
  dawdle(dice(seed, 3) * dice(seed, 3000));
  if (dice(seed, 3) == 0) {
    must(write(line[1], "x", 1) == 1, "a byte for the line");
    count->written++;
    dawdle(dice(seed, 3) * dice(seed, 3000));
  }
  must(styx_call_cancel(&s->call) == STYX_OK, "cancel");
}

static void batch(styx_client *client, uint64_t *seed, struct count *count) {
  struct slow_read reads[BATCH];
  for (unsigned i = 0; i < BATCH; i++) {
    atomic_store(&stages[i], 0);
    submit(client, &reads[i], (enum mode)dice(seed, MODES), i);
  }
  for (unsigned i = 0; i < BATCH; i++)
    flush_somewhere(&reads[i], i, seed, count);
  for (unsigned i = 0; i < BATCH; i++) {
    styx_err err = styx_call_wait(&reads[i].call);
    count->done++;
    count->interrupted += err == ECANCELED;
    count->bytes += err == STYX_OK && reads[i].call.r.count == 1;
    count->wrong += err ? err != ECANCELED : reads[i].call.r.count != 1;
  }
}

static void flushes(styx_server *server, uint64_t *seed) {
  styx_client *client = join(server), *other = join(server);
  struct count count = {0};
  struct slow_read patient;
  int left = -1;
  submit(other, &patient, CALM, 0);
  while (count.done < FLUSHES)
    batch(client, seed, &count);
  printf("# %d flushes: %d interrupted, %d had their byte of %d\n", count.done, count.interrupted, count.bytes,
         count.written);
  check(count.wrong == 0, "each flushed read ends: interrupted, or with its byte");
  check(count.interrupted > 0 && count.bytes > 0, "both happen");
  check(ioctl(line[0], FIONREAD, &left) == 0 && left == count.written - count.bytes, "no byte is lost");
  check(write(calm[1], "x", 1) == 1 && styx_call_wait(&patient.call) == STYX_OK, "who was not flushed waits on");
  check(atomic_load(&strays) == 0, "no call outside a pair is interrupted");
  check(styx_client_why(client) == NULL && styx_client_why(other) == NULL, "both connections go on");
  styx_client_free(client);
  styx_client_free(other);
}

/* The bytes that nobody took would end the reads to come. */
static void empty_line(void) {
  int left = 0;
  unsigned char byte;
  for (ioctl(line[0], FIONREAD, &left); left > 0; left--)
    must(read(line[0], &byte, 1) == 1, "the rest of the line");
}

static void a_stop_with_handlers_stuck(styx_server *server) {
  styx_client *client = join(server);
  struct slow_read reads[BATCH];
  for (unsigned i = 0; i < BATCH; i++) {
    atomic_store(&stages[i], 0);
    submit(client, &reads[i], i % 2 ? PLAIN : TWICE, i);
  }
  for (unsigned i = 0; i < BATCH; i++)
    while (atomic_load(&stages[i]) < BEGUN)
      sched_yield();
  check(styx_server_stop(server, 0, NULL) == STYX_OK, "a server with handlers that are stuck stops");
  check(atomic_load(&inside) == 0, "no handler is left");
  for (unsigned i = 0; i < BATCH; i++)
    styx_call_wait(&reads[i].call);
  styx_client_free(client);
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
  const styx_export export = {.fs = {&stuck_ops, NULL}};
  const styx_server_config config = {.size = sizeof config,
                                     .exports = &export,
                                     .nexports = 1,
                                     .workers = 1,
                                     .spare = 4 * BATCH,
                                     .interrupt_signal = SIGRTMIN};
  styx_server *server;
  pthread_t echoer;
  sigset_t every;
  printf("# seed %llu: interrupt_stress %llu plays it again\n", (unsigned long long)seed, (unsigned long long)seed);
  must(pipe2(line, O_CLOEXEC) == 0 && pipe2(calm, O_CLOEXEC) == 0 && pipe2(to_echo, O_CLOEXEC) == 0, "pipes");
  for (int i = 0; i < BATCH; i++)
    must(pipe2(from_echo[i], O_CLOEXEC) == 0, "pipes");
  must(pthread_create(&echoer, NULL, echo_main, NULL) == 0, "echo thread");
  sigfillset(&every); /* as careful programs do; the server's threads inherit it */
  pthread_sigmask(SIG_BLOCK, &every, NULL);
  must(styx_server_new(&server, &config) == STYX_OK && styx_server_start(server) == STYX_OK, "server");
  flushes(server, &seed);
  empty_line();
  a_stop_with_handlers_stuck(server);
  styx_server_free(server);
  close(to_echo[1]);
  pthread_join(echoer, NULL);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
