/* msgio_test.c: reading one message from a descriptor, as styx(2) has it (contract 1.16: T/Rmsg.read, readmsg). */
#include <styx/msgio.h>

#include "unit/wire/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CLUNK "0b000000 78 0200 07000000" /* a T-message */
#define RCLUNK "07000000 79 0200"         /* the shortest */
#define MIB (1u << 20)

/* ---- both ends of a descriptor ---- */

static int in, out;
static styx_msgbuf buf;

static void open_pipe(int flags) {
  int fds[2];
  cr_assert(pipe2(fds, flags) == 0);
  in = fds[0];
  out = fds[1];
}

static void blocking(void) { open_pipe(0); }
static void patient(void) { open_pipe(O_NONBLOCK); }

static void shut(void) {
  styx_msgbuf_fini(&buf);
  close(in);
  if (out >= 0)
    close(out);
}

static void hangup(void) {
  close(out);
  out = -1;
}

static void say_bytes(const void *bytes, size_t n) { cr_assert_eq(write(out, bytes, n), (ssize_t)n); }

static void say(const char *hex) {
  uint8_t bytes[512];
  say_bytes(bytes, unhex(bytes, hex));
}

static size_t unread(void) {
  int n;
  cr_assert(ioctl(in, FIONREAD, &n) == 0);
  return (size_t)n;
}

static void expect_raw(const char *hex, uint32_t msize) {
  uint8_t want[512];
  size_t size = unhex(want, hex);
  cr_assert_eq(styx_readmsg(&buf, in, msize), (ptrdiff_t)size, "%s", hex);
  cr_assert_eq(memcmp(buf.data, want, size), 0, "%s", hex);
}

typedef ptrdiff_t reader(styx_msg *msg, styx_msgbuf *b, int fd, uint32_t msize, styx_dialect dialect);

static void expect_error(reader *read_one, styx_err err, const char *reason, styx_dialect dialect) {
  styx_msg m = {.type = 99};
  ptrdiff_t n = read_one(&m, &buf, in, 8192, dialect);
  cr_assert_eq(n, -err, "%td, not %d: %s", n, -err, reason);
  cr_assert_eq(m.type, STYX_Readerror);
  cr_assert(styx_str_is(m.ename, reason), "'%.*s', not '%s'", (int)m.ename.len, m.ename.s, reason);
}

/* ---- readmsg ---- */

TestSuite(readmsg, .init = blocking, .fini = shut);

Test(readmsg, reads_t_messages_and_r_messages_as_they_are) {
  say(CLUNK);
  say(RCLUNK);
  say("0800000069ffff 00"); /* no such message: not its business */
  hangup();
  expect_raw(CLUNK, 8192);
  cr_assert(styx_is_tmsg(buf.data, 11));
  expect_raw(RCLUNK, 8192);
  cr_assert_not(styx_is_tmsg(buf.data, 7));
  expect_raw("0800000069ffff 00", 8192);
  cr_assert_eq(styx_readmsg(&buf, in, 8192), 0);
}

Test(readmsg, two_messages_in_one_write_are_two_reads_and_nothing_is_read_ahead) {
  say(RCLUNK CLUNK "0700");
  expect_raw(RCLUNK, 8192);
  cr_assert_eq(unread(), 13);
  expect_raw(CLUNK, 8192);
  cr_assert_eq(unread(), 2, "another reader may take over between two messages");
}

Test(readmsg, the_end_before_a_message_is_the_end) {
  say(CLUNK);
  hangup();
  expect_raw(CLUNK, 8192);
  for (int i = 0; i < 3; i++)
    cr_assert_eq(styx_readmsg(&buf, in, 8192), 0, "however often it is asked");
}

Test(readmsg, the_end_at_once_is_the_end) {
  hangup();
  cr_assert_eq(styx_readmsg(&buf, in, 0), 0);
}

Test(readmsg, the_end_inside_a_message_is_never_a_clean_one) {
  uint8_t bytes[64];
  size_t size = unhex(bytes, CLUNK);
  for (size_t n = 1; n < size; n++) {
    shut();
    blocking();
    say_bytes(bytes, n);
    hangup();
    cr_assert_eq(styx_readmsg(&buf, in, 8192), -STYX_ETRUNC, "after %zu bytes", n);
    cr_assert_eq(styx_readmsg(&buf, in, 8192), -STYX_ETRUNC, "after %zu bytes, asked again", n);
  }
}

Test(readmsg, sizes_under_seven_are_invalid_as_soon_as_they_are_there) {
  for (int size = 0; size < 7; size++) {
    shut();
    blocking();
    say_bytes((uint8_t[]){(uint8_t)size, 0, 0, 0}, 4); /* and nothing more: waiting for it would hang the test */
    for (int i = 0; i < 2; i++)
      cr_assert_eq(styx_readmsg(&buf, in, i ? 8192 : 0), -STYX_EFRAME, "size %d", size);
  }
}

Test(readmsg, msize_is_the_largest_message) {
  uint8_t bytes[300] = {0, 1, 0, 0, STYX_Twrite}; /* 256 */
  say_bytes(bytes, 256);
  cr_assert_eq(styx_readmsg(&buf, in, 256), 256);
  bytes[0] = 1;
  say_bytes(bytes, 4);
  cr_assert_eq(styx_readmsg(&buf, in, 256), -STYX_ETOOLONG, "257, said before the rest has come");
  cr_assert_eq(styx_readmsg(&buf, in, 256), -STYX_ETOOLONG, "and nothing else ever after");
  say_bytes(bytes + 4, 253);
  cr_assert_eq(styx_readmsg(&buf, in, 257), 257, "but to whom allows more it is a message");
}

Test(readmsg, a_descriptor_that_cannot_be_read_is_an_error) {
  cr_assert_eq(styx_readmsg(&buf, -1, 8192), -EBADF);
  int dir = open("/", O_RDONLY);
  cr_assert_eq(styx_readmsg(&buf, dir, 8192), -EISDIR);
  close(dir);
}

Test(readmsg, a_file_is_read_like_a_pipe) {
  char name[] = "/tmp/msgio_test.XXXXXX";
  hangup();
  close(in);
  out = mkstemp(name);
  cr_assert_geq(out, 0);
  say(CLUNK RCLUNK "0b00");
  in = open(name, O_RDONLY);
  unlink(name);
  expect_raw(CLUNK, 8192);
  cr_assert_eq(lseek(in, 0, SEEK_CUR), 11);
  expect_raw(RCLUNK, 8192);
  cr_assert_eq(styx_readmsg(&buf, in, 8192), -STYX_ETRUNC);
}

/* The handler delivers the message, a byte for each signal: a reader that gave up at EINTR would never see it. */
static uint8_t drip[11];
static volatile sig_atomic_t dripped;

static void on_alarm(int sig) {
  (void)sig;
  if (dripped < (int)sizeof drip && write(out, &drip[dripped], 1) == 1)
    dripped++;
}

Test(readmsg, a_signal_does_not_end_it) {
  struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */
  const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  unhex(drip, CLUNK);
  cr_assert(sigaction(SIGALRM, &action, NULL) == 0);
  cr_assert(setitimer(ITIMER_REAL, &often, NULL) == 0);
  ptrdiff_t n = styx_readmsg(&buf, in, 8192);
  setitimer(ITIMER_REAL, &never, NULL);
  cr_assert_eq(n, 11);
  cr_assert_eq(memcmp(buf.data, drip, 11), 0);
}

/* ---- a descriptor that has nothing for now ---- */

TestSuite(nonblocking, .init = patient, .fini = shut);

Test(nonblocking, a_byte_at_a_time_is_kept_until_the_message_is_whole) {
  uint8_t bytes[64];
  size_t size = unhex(bytes, CLUNK RCLUNK);
  styx_msg m;
  for (size_t i = 0; i < size; i++) {
    ptrdiff_t n = styx_readmsg(&buf, in, 8192);
    cr_assert_eq(n, -EAGAIN, "before byte %zu", i);
    n = styx_tmsg_read(&m, &buf, in, 8192, STYX_9P2000);
    cr_assert(n == -EAGAIN && m.type == STYX_Readerror && styx_str_is(m.ename, styx_err_text(EAGAIN)));
    say_bytes(&bytes[i], 1);
    if (i == 10) {
      cr_assert_eq(styx_tmsg_read(&m, &buf, in, 8192, STYX_9P2000), 11);
      cr_assert(m.type == STYX_Tclunk && m.tag == 2 && m.fid == 7);
    }
  }
  expect_raw(RCLUNK, 8192);
}

/* A message of this size in one stream with another, through a socket that takes less than that at once. */
static void send_large(uint32_t size, uint32_t msize) {
  int fds[2];
  shut();
  cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
  in = fds[0];
  out = fds[1];
  size_t total = size + STYX_HDRSZ, sent = 0;
  uint8_t *all = malloc(total);
  styx_msg m, t = {.type = STYX_Twrite, .tag = 1, .fid = 2, .count = size - 23, .data = all + 23};
  for (size_t i = 23; i < size; i++)
    all[i] = (uint8_t)(i * 31 >> 3);
  cr_assert_eq(styx_encode(all, size, &t, STYX_9P2000), (ptrdiff_t)size);
  unhex(all + size, RCLUNK);
  ptrdiff_t n = -EAGAIN;
  while (n == -EAGAIN) {
    ssize_t part = write(out, all + sent, total - sent);
    sent += part > 0 ? (size_t)part : 0;
    n = styx_tmsg_read(&m, &buf, in, msize, STYX_9P2000);
  }
  cr_assert_eq(n, (ptrdiff_t)size);
  cr_assert(m.type == STYX_Twrite && m.count == t.count && memcmp(m.data, t.data, t.count) == 0);
  while (sent < total) {
    ssize_t part = write(out, all + sent, total - sent);
    cr_assert_gt(part, 0);
    sent += (size_t)part;
  }
  expect_raw(RCLUNK, msize);
  free(all);
}

Test(nonblocking, msize_zero_accepts_a_mebibyte) { send_large(MIB, 0); }

Test(nonblocking, msize_zero_is_no_limit_at_all) { send_large(20 * MIB + 1, 0); }

Test(nonblocking, a_mebibyte_may_be_what_was_agreed) { send_large(MIB, MIB); }

/* ---- memory ---- */

static size_t live, peak, allocations, failing; /* failing: the number of the allocation that gets nothing */

static void *counted_alloc(void *arg, size_t size) {
  (void)arg;
  if (++allocations == failing)
    return NULL;
  live += size;
  peak = live > peak ? live : peak;
  return malloc(size);
}

static void counted_free(void *arg, void *ptr, size_t size) {
  (void)arg;
  live -= size;
  free(ptr);
}

static const styx_allocator counted = {counted_alloc, counted_free, NULL};

static void counting(void) {
  patient();
  live = peak = allocations = failing = 0;
  styx_msgbuf_init(&buf, &counted);
}

TestSuite(memory, .init = counting, .fini = shut);

Test(memory, a_size_field_alone_takes_no_room) {
  say("ffffff7f 76 0100");
  cr_assert_eq(styx_readmsg(&buf, in, 0), -EAGAIN);
  cr_assert_leq(peak, 4096);
}

Test(memory, it_grows_with_what_has_come) {
  say("ffffff7f 76 0100");
  const uint8_t zeros[4096] = {0};
  for (size_t come = 7; come < 4 * MIB; come += sizeof zeros) {
    cr_assert_eq(styx_readmsg(&buf, in, 0), -EAGAIN);
    cr_assert_leq(live, 2 * come + 4096, "%zu bytes for %zu", live, come);
    say_bytes(zeros, sizeof zeros);
  }
  cr_assert_lt(allocations, 16, "not once for each read");
}

Test(memory, room_is_used_again_and_given_back) {
  cr_assert_eq(allocations, 0, "nothing before something is read");
  for (int i = 0; i < 100; i++) {
    say(CLUNK);
    expect_raw(CLUNK, 8192);
  }
  cr_assert_eq(allocations, 1);
  styx_msgbuf_fini(&buf);
  cr_assert_eq(live, 0);
  say(CLUNK);
  expect_raw(CLUNK, 8192); /* it can begin anew */
  styx_msgbuf_fini(&buf);
  styx_msgbuf_fini(&buf);
  cr_assert_eq(live, 0);
}

Test(memory, without_memory_nothing_is_lost) {
  uint8_t message[10000] = {0x10, 0x27, 0, 0, STYX_Twrite};
  for (size_t i = 5; i < sizeof message; i++)
    message[i] = (uint8_t)(i * 7);
  for (failing = 1; failing <= 3; failing++) { /* 4096, 8192, 16384 */
    allocations = 0;
    styx_msgbuf_fini(&buf);
    say_bytes(message, sizeof message);
    cr_assert_eq(styx_readmsg(&buf, in, 0), -ENOMEM, "allocation %zu", failing);
    cr_assert_eq(styx_readmsg(&buf, in, 0), (ptrdiff_t)sizeof message);
    cr_assert_eq(memcmp(buf.data, message, sizeof message), 0);
  }
}

/* ---- Tmsg.read and Rmsg.read ---- */

TestSuite(tmsg, .init = blocking, .fini = shut);
TestSuite(rmsg, .init = blocking, .fini = shut);

Test(tmsg, is_read_and_decoded) {
  styx_msg m;
  say("13000000 64 ffff 00200000 0600 '9P2000'" CLUNK);
  hangup();
  cr_assert_eq(styx_tmsg_read(&m, &buf, in, 0, STYX_9P2000), 19);
  cr_assert(m.type == STYX_Tversion && m.tag == STYX_NOTAG && m.msize == 8192 && styx_str_is(m.version, "9P2000"));
  cr_assert_eq(styx_tmsg_read(&m, &buf, in, 8192, STYX_9P2000), 11);
  cr_assert(m.type == STYX_Tclunk && m.tag == 2 && m.fid == 7);
  m.type = 99;
  cr_assert_eq(styx_tmsg_read(&m, &buf, in, 8192, STYX_9P2000), 0, "the end is no Readerror");
  cr_assert_eq(m.type, 99, "and leaves the message alone");
}

Test(rmsg, is_read_and_decoded) {
  styx_msg m;
  say(RCLUNK "0c000000 6b 0300 0300 'why'");
  hangup();
  cr_assert_eq(styx_rmsg_read(&m, &buf, in, 8192, STYX_9P2000), 7);
  cr_assert(m.type == STYX_Rclunk && m.tag == 2);
  cr_assert_eq(styx_rmsg_read(&m, &buf, in, 8192, STYX_9P2000), 12);
  cr_assert(m.type == STYX_Rerror && m.tag == 3 && styx_str_is(m.ename, "why"));
  cr_assert_eq(styx_rmsg_read(&m, &buf, in, 8192, STYX_9P2000), 0);
}

Test(tmsg, an_r_message_is_refused) {
  say(RCLUNK);
  expect_error(styx_tmsg_read, STYX_EBADT, "bad 9P T-message format", STYX_9P2000);
}

Test(rmsg, a_t_message_is_refused) {
  say(CLUNK);
  expect_error(styx_rmsg_read, STYX_EBADR, "bad 9P R-message format", STYX_9P2000);
}

Test(tmsg, what_breaks_the_stream_is_a_readerror) {
  static const struct {
    const char *bytes;
    styx_err err;
    const char *reason;
  } cases[] = {{"06000000", STYX_EFRAME, "invalid 9P message size"},
               {"00000000", STYX_EFRAME, "invalid 9P message size"},
               {"01200000", STYX_ETOOLONG, "9P message longer than agreed"},
               {"ffffffff", STYX_ETOOLONG, "9P message longer than agreed"},
               {"0b", STYX_ETRUNC, "9P message truncated"},
               {"0b0000", STYX_ETRUNC, "9P message truncated"},
               {"0b000000 78 0200 070000", STYX_ETRUNC, "9P message truncated"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shut();
    blocking();
    say(cases[i].bytes);
    hangup();
    expect_error(styx_tmsg_read, cases[i].err, cases[i].reason, STYX_9P2000);
    expect_error(styx_rmsg_read, cases[i].err, cases[i].reason, STYX_9P2000);
  }
}

Test(tmsg, a_system_error_is_a_readerror_with_its_text) {
  styx_msg m;
  cr_assert_eq(styx_tmsg_read(&m, &buf, -1, 8192, STYX_9P2000), -EBADF);
  cr_assert(m.type == STYX_Readerror && styx_str_is(m.ename, "Bad file descriptor"));
}

Test(tmsg, one_that_is_wrong_inside_has_its_tag_and_does_not_harm_the_next) {
  static const struct {
    const char *bytes;
    styx_err err;
    const char *reason;
  } cases[] = {{"0a000000 78 0200 070000", STYX_EBADT, "bad 9P T-message format"},     /* short of a byte */
               {"0c000000 78 0200 0700000000", STYX_EBADT, "bad 9P T-message format"}, /* a byte left over */
               {"0b000000 6a 0200 07000000", STYX_EUNKNOWN, "unknown message"},        /* Terror */
               {"07000000 00 0200", STYX_EUNKNOWN, "unknown message"}, /* Readerror is not on the wire */
               {"17000000 6e 0200 07000000 08000000 0100 0400 'a/bc'", STYX_ENAME, "bad character in file name"},
               {"18000000 76 0200 07000000 00*8 00000080 'x'", STYX_EBADT, "bad 9P T-message format"}, /* count 2^31 */
               {"18000000 76 0200 07000000 00*8 ffffffff 'x'", STYX_EBADT, "bad 9P T-message format"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t bytes[64];
    size_t size = unhex(bytes, cases[i].bytes);
    styx_msg m;
    say(cases[i].bytes);
    say(CLUNK);
    ptrdiff_t n = styx_tmsg_read(&m, &buf, in, 8192, STYX_9P2000);
    cr_assert_eq(n, -cases[i].err, "%td for %s", n, cases[i].bytes);
    cr_assert(m.type == STYX_Readerror && m.tag == 2 && styx_str_is(m.ename, cases[i].reason), "%s", cases[i].bytes);
    cr_assert_eq(memcmp(buf.data, bytes, size), 0, "the bytes are there");
    cr_assert_not(styx_err_is_framing((styx_err)-n));
    cr_assert_eq(styx_tmsg_read(&m, &buf, in, 8192, STYX_9P2000), 11);
    cr_assert_eq(m.type, STYX_Tclunk);
  }
}

Test(rmsg, one_that_is_wrong_inside_does_not_harm_the_next) {
  static const char *const cases[] = {"08000000 79 0200 00", "0c000000 75 0200 02000000 'x'",
                                      "0a000000 6b 0200 ffff 'x'"};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    styx_msg m;
    say(cases[i]);
    say(RCLUNK);
    expect_error(styx_rmsg_read, STYX_EBADR, "bad 9P R-message format", STYX_9P2000);
    cr_assert_eq(styx_rmsg_read(&m, &buf, in, 8192, STYX_9P2000), 7);
  }
}

Test(tmsg, the_dialect_says_which_messages_there_are) {
  say("0c000000 70 0200 07000000 00"); /* Topen */
  expect_error(styx_tmsg_read, STYX_EUNKNOWN, "unknown message", STYX_9P2000_L);
}

Test(tmsg, a_readerror_is_never_sent) {
  uint8_t bytes[64];
  styx_msg m;
  say("06000000");
  cr_assert_eq(styx_tmsg_read(&m, &buf, in, 8192, STYX_9P2000), -STYX_EFRAME);
  for (int d = 0; d < 3; d++) {
    cr_assert_eq(styx_encoded_size(&m, (styx_dialect)d), -STYX_EUNKNOWN);
    cr_assert_eq(styx_encode(bytes, sizeof bytes, &m, (styx_dialect)d), -STYX_EUNKNOWN);
  }
}

/* A client and a server as the manual describes them: msize 0 until it is agreed, then what Rversion says. */
Test(tmsg, a_version_is_agreed_as_the_manual_says) {
  uint8_t bytes[64];
  int fds[2];
  shut();
  cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  in = fds[0];
  out = fds[1];
  styx_msg m, t = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = STYX_MAXRPC, .version = STYX_STR("9P2000")};
  say_bytes(bytes, (size_t)styx_encode(bytes, sizeof bytes, &t, STYX_9P2000));
  cr_assert_eq(styx_tmsg_read(&m, &buf, in, 0, STYX_9P2000), 19);
  styx_dialect dialect;
  styx_msg r;
  cr_assert(styx_compatible(&r, &m, 8192, 1u << STYX_9P2000, &dialect));
  ptrdiff_t n = styx_encode(bytes, sizeof bytes, &r, dialect);
  cr_assert_eq(write(in, bytes, (size_t)n), n);
  cr_assert_eq(styx_rmsg_read(&m, &buf, out, 0, STYX_9P2000), 19);
  cr_assert(m.type == STYX_Rversion && m.msize == 8192 && m.tag == STYX_NOTAG && styx_str_is(m.version, "9P2000"));
}
