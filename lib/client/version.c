/* version.c: the first exchange, Tversion and Rversion, against a deadline. */
#include "client/mux.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PRELUDE 8192u /* no Rversion or Rerror is longer */

static int64_t now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static styx_err ready(int fd, short events, int64_t deadline) {
  struct pollfd p = {.fd = fd, .events = events};
  for (;;) {
    int64_t left = deadline - now_ms();
    int n = poll(&p, 1, left > 0 ? (int)left : 0);
    if (n > 0)
      return STYX_OK;
    if (n == 0)
      return ETIMEDOUT;
    if (errno != EINTR)
      return errno;
  }
}

static styx_err send_all(int fd, const uint8_t *p, size_t len, int64_t deadline) {
  while (len > 0) {
    styx_err err = ready(fd, POLLOUT, deadline);
    if (err)
      return err;
    ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK)
      n = write(fd, p, len);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
      return errno == EPIPE || errno == ECONNRESET ? STYX_EHANGUP : errno;
    p += n > 0 ? n : 0;
    len -= n > 0 ? (size_t)n : 0;
  }
  return STYX_OK;
}

/* Exactly one message: a server has no reason to send more before it is asked. */
static styx_err receive_one(int fd, uint8_t *buf, styx_msg *m, int64_t deadline) {
  size_t have = 0;
  for (;;) {
    ptrdiff_t n = styx_decode(m, buf, have, PRELUDE, STYX_9P2000);
    if (n < 0)
      return sx_words_set(STYX_EVERSION, "the server does not speak 9P");
    if (n > 0)
      return (size_t)n == have ? STYX_OK : sx_words_set(STYX_EVERSION, "the server sent more than was asked for");
    styx_err err = ready(fd, POLLIN, deadline);
    if (err)
      return err;
    ssize_t got = read(fd, buf + have, PRELUDE - have);
    if (got == 0)
      return STYX_EHANGUP;
    if (got < 0 && errno != EINTR && errno != EAGAIN)
      return errno == ECONNRESET ? STYX_EHANGUP : errno;
    have += got > 0 ? (size_t)got : 0;
  }
}

static styx_err refuse(const char *why) { return sx_words_set(STYX_EVERSION, why); }

static styx_err judge(styx_client *c, const styx_msg *m, uint32_t msize) {
  char words[STYX_ERRMAX];
  if (m->type == STYX_Rerror) {
    styx_err err = styx_err_from_text(m->ename.s, m->ename.len);
    snprintf(words, sizeof words, "%.*s", (int)(m->ename.len < sizeof words ? m->ename.len : sizeof words), m->ename.s);
    return sx_words_set(err ? err : STYX_EREMOTE_TEXT, words);
  }
  if (m->type != STYX_Rversion)
    return refuse("the server did not answer Tversion with Rversion");
  if (!styx_str_is(m->version, STYX_VERSION_9P2000))
    return refuse("the server does not understand 9P2000");
  if (m->msize > msize)
    return refuse("the server's message size is over ours");
  if (m->msize < STYX_MINMSIZE)
    return refuse("the server's message size is under 256");
  c->msize = m->msize;
  return STYX_OK;
}

styx_err sx_version(styx_client *c, uint32_t msize, uint32_t timeout_ms) {
  uint8_t buf[PRELUDE];
  int64_t deadline = now_ms() + timeout_ms;
  styx_msg m = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = msize, .version = styx_str_of(STYX_VERSION_9P2000)};
  ptrdiff_t n = styx_encode(buf, sizeof buf, &m, STYX_9P2000);
  if (n < 0)
    return sx_words_set((styx_err)-n, NULL);
  styx_err err = send_all(c->fd, buf, (size_t)n, deadline);
  if (err)
    return sx_words_set(err, NULL);
  err = receive_one(c->fd, buf, &m, deadline);
  if (err)
    return err == STYX_EVERSION ? err : sx_words_set(err, NULL);
  return judge(c, &m, msize);
}
