/* wrong9.c: serve with one fault.
 *
 *     wrong9 [--seed N] FAULT ADDRESS
 *     wrong9 --list
 *
 * Serves for two minutes at most; prints a line as soon as it listens. */
#include "conform/wrong9.h"

#include <styx/server.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum fault fault;
static uint64_t seed = 1;
static const char *const names[] = {
#define FAULT(name, text) text,
    FAULTS
#undef FAULT
};
enum { NFAULTS = sizeof names / sizeof *names };

/* xorshift64 */
unsigned roll(unsigned n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (unsigned)(seed % n);
}

void send_raw(struct conn *c, const uint8_t *bytes, size_t n) {
  if (c->out_len + n > c->out_cap) {
    c->out_cap = (c->out_len + n) * 2;
    c->out = realloc(c->out, c->out_cap);
    if (!c->out)
      abort();
  }
  memcpy(c->out + c->out_len, bytes, n);
  c->out_len += n;
}

void send_msg(struct conn *c, const styx_msg *m) {
  static uint8_t buf[2 * MSIZE];
  ptrdiff_t n = styx_encode(buf, sizeof buf, m, c->dialect);
  if (n <= 0)
    abort();
  send_raw(c, buf, (size_t)n);
}

static void end(struct conn *c) {
  if (fault == HANGUP && c->reqs)
    exit(3);
  close(c->fd);
  drop_all(c);
  free(c->in);
  free(c->out);
  *c = (struct conn){.fd = -1};
}

static bool push(struct conn *c) {
  for (size_t at = 0; at < c->out_len;) {
    ssize_t n = send(c->fd, c->out + at, c->out_len - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
      poll(&(struct pollfd){.fd = c->fd, .events = POLLOUT}, 1, -1);
    else if (n < 0 && errno != EINTR)
      return false;
    at += n > 0 ? (size_t)n : 0;
  }
  c->out_len = 0;
  return true;
}

static bool pull(struct conn *c) {
  ssize_t n = recv(c->fd, c->in + c->in_len, 2 * MSIZE - c->in_len, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return true;
  if (n <= 0)
    return false;
  c->in_len += (size_t)n;
  size_t at = 0;
  for (;;) {
    styx_msg m;
    ptrdiff_t size = styx_decode(&m, c->in + at, c->in_len - at, MSIZE, c->dialect);
    if (size < 0)
      return false;
    if (size == 0)
      break;
    take(c, &m, c->in + at, (size_t)size);
    at += (size_t)size;
  }
  c->in_len -= at;
  memmove(c->in, c->in + at, c->in_len);
  return true;
}

static void accept_one(struct conn *conns, int listener) {
  int fd;
  if (styx_accept(listener, &fd, NULL, 0) != STYX_OK)
    return;
  for (int i = 0; i < CONNS; i++) {
    if (conns[i].fd >= 0)
      continue;
    conns[i] = (struct conn){.fd = fd, .delayed = STYX_NOTAG, .in = malloc((size_t)2 * MSIZE)};
    return;
  }
  close(fd);
}

/* Some of what waits runs between two looks at the sockets, so that there is always something to flush. */
__attribute__((noreturn)) static void serve(int listener) {
  static struct conn conns[CONNS];
  struct pollfd fds[CONNS + 1] = {{.fd = listener, .events = POLLIN}};
  bool busy = false;
  for (int i = 0; i < CONNS; i++)
    conns[i].fd = -1;
  for (;;) {
    for (int i = 0; i < CONNS; i++)
      fds[i + 1] = (struct pollfd){.fd = conns[i].fd, .events = POLLIN};
    poll(fds, CONNS + 1, busy ? 0 : -1);
    busy = false;
    if (fds[0].revents)
      accept_one(conns, listener);
    for (int i = 0; i < CONNS; i++) {
      struct conn *c = &conns[i];
      bool good = c->fd < 0 || !fds[i + 1].revents || fds[i + 1].fd != c->fd || pull(c);
      for (unsigned k = 0; c->fd >= 0 && k <= c->nreqs / 4; k++)
        busy = work(c) || busy;
      if (c->fd >= 0 && (!push(c) || !good))
        end(c);
    }
  }
}

static int listen_at(const char *text) {
  styx_addr addr;
  const char *why;
  int fd;
  if (styx_addr_parse(&addr, text, &why) != STYX_OK || styx_announce(&addr, &fd, NULL) != STYX_OK) {
    fprintf(stderr, "wrong9: cannot listen at %s\n", text);
    exit(2);
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (int i = 0; i < NFAULTS; i++)
      puts(names[i]);
    return 0;
  }
  if (argc == 5 && strcmp(argv[1], "--seed") == 0) {
    seed = strtoull(argv[2], NULL, 0) | 1;
    argv += 2;
    argc -= 2;
  }
  int n = 0;
  while (argc == 3 && n < NFAULTS && strcmp(names[n], argv[1]) != 0)
    n++;
  if (argc != 3 || n == NFAULTS) {
    fputs("usage: wrong9 [--seed N] FAULT ADDRESS; --list has the faults\n", stderr);
    return 2;
  }
  fault = (enum fault)n;
  int listener = listen_at(argv[2]);
  puts("listening");
  fclose(stdout);
  alarm(120);
  fs_init();
  serve(listener);
}
