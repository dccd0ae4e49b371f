/* killmid.c: thousands of clients die in the middle of a conversation, and the server is as it was before.
 *
 *     killmid [-n CONNECTIONS] [-s SEED] [-p PID] ADDRESS
 *
 * Each connection sends a random prefix of a random valid conversation and is closed, half of them by a reset. Then the
 * server has to answer a whole conversation, and with -p its descriptors have to be as many as before. */
#include "conform/conversation.h"

#include <styx/server.h>

#include <dirent.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what, const char *why) {
  fprintf(stderr, "killmid: %s: %s\n", what, why);
  exit(1);
}

static int dial(const styx_addr *addr) {
  int fd;
  styx_err err = styx_dial(addr, &fd);
  if (err)
    fail("cannot connect", styx_err_text(err));
  struct timeval t = {.tv_sec = 20};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  return fd;
}

/* The server may have hung up on us already: that is its right in mid-conversation. */
static void send_some(int fd, const uint8_t *buf, size_t len) {
  while (len > 0) {
    ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);
    if (n <= 0)
      return;
    buf += n;
    len -= (size_t)n;
  }
}

static void die_once(const styx_addr *addr, uint64_t *seed) {
  static uint8_t buf[CONVERSATION_MAX];
  size_t len = conversation(seed, buf, "");
  const struct linger reset = {.l_onoff = 1, .l_linger = 0};
  int fd = dial(addr);
  send_some(fd, buf, roll(seed, (uint32_t)len + 1));
  if (roll(seed, 2) == 0) /* some clients have seen the beginning of the answers */
    (void)!recv(fd, buf, roll(seed, 100), MSG_DONTWAIT);
  if (roll(seed, 2) == 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(fd);
}

static void expect(int fd, uint8_t type) {
  uint8_t buf[CONVERSATION_MSIZE];
  size_t have = 0;
  styx_msg m;
  ptrdiff_t used;
  while ((used = styx_decode(&m, buf, have, CONVERSATION_MSIZE, STYX_9P2000)) == 0) {
    ssize_t n = recv(fd, buf + have, 1, 0);
    if (n <= 0)
      fail("the server no longer answers", styx_msg_name(type));
    have += (size_t)n;
  }
  if (used < 0 || m.type != type)
    fail("a wrong answer instead of", styx_msg_name(type));
}

static void say(int fd, styx_msg m, uint8_t reply) {
  uint8_t buf[CONVERSATION_MSIZE];
  ptrdiff_t len = styx_encode(buf, sizeof buf, &m, STYX_9P2000);
  send_some(fd, buf, len > 0 ? (size_t)len : 0);
  expect(fd, reply);
}

static void live_once(const styx_addr *addr) {
  int fd = dial(addr);
  say(fd,
      (styx_msg){.type = STYX_Tversion,
                 .tag = STYX_NOTAG,
                 .msize = CONVERSATION_MSIZE,
                 .version = styx_str_of(STYX_VERSION_9P2000)},
      STYX_Rversion);
  say(fd, (styx_msg){.type = STYX_Tattach, .tag = 1, .fid = 0, .afid = STYX_NOFID, .uname = styx_str_of("survivor")},
      STYX_Rattach);
  say(fd, (styx_msg){.type = STYX_Tstat, .tag = 2, .fid = 0}, STYX_Rstat);
  say(fd, (styx_msg){.type = STYX_Tclunk, .tag = 3, .fid = 0}, STYX_Rclunk);
  close(fd);
}

static int descriptors_of(int pid) {
  char path[64];
  int n = 0;
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR *dir = opendir(path);
  if (!dir)
    fail("cannot count descriptors in", path);
  for (struct dirent *e; (e = readdir(dir));)
    n += *e->d_name != '.';
  closedir(dir);
  return n;
}

/* The server closes in its own time, but soon; a whole conversation in between lets it. */
static int descriptors_until(int pid, int want, const styx_addr *addr) {
  time_t end = time(NULL) + 20;
  int n = -1;
  for (int i = 0; n != want && time(NULL) < end; i++) {
    if (i % 1000 == 0)
      live_once(addr);
    sched_yield();
    n = descriptors_of(pid);
  }
  return n;
}

int main(int argc, char **argv) {
  long n = 10000, pid = 0;
  uint64_t seed = (uint64_t)time(NULL);
  styx_addr addr;
  const char *why = "?";
  for (int c; (c = getopt(argc, argv, "n:s:p:")) != -1;)
    if (c == 'n')
      n = atol(optarg);
    else if (c == 's')
      seed = strtoull(optarg, NULL, 0);
    else if (c == 'p')
      pid = atol(optarg);
    else
      return 2;
  if (optind + 1 != argc || styx_addr_parse(&addr, argv[optind], &why))
    fail("usage: killmid [-n CONNECTIONS] [-s SEED] [-p PID] ADDRESS", why);
  printf("killmid: %ld connections, -s %llu\n", n, (unsigned long long)seed);
  fflush(stdout);
  int before = pid > 0 ? descriptors_of((int)pid) : 0;
  for (long i = 0; i < n; i++) {
    die_once(&addr, &seed);
    if (i % 64 == 0)
      live_once(&addr);
  }
  live_once(&addr);
  int after = pid > 0 ? descriptors_until((int)pid, before, &addr) : 0;
  printf("killmid: the server answers; descriptors before %d, after %d\n", before, after);
  return before == after ? 0 : 1;
}
