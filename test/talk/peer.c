/* peer.c: bytes to and from a session or a server. */
#include "talk/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
  styx_session *session;
  int fd; /* -1: a session */
  bool eof;
  uint8_t *in; /* received */
  size_t len, cap, at;
  styx_export export;
};

static void receive(struct peer *p, const void *bytes, size_t n) {
  if (p->len + n > p->cap) {
    p->cap = (p->len + n) * 2;
    p->in = realloc(p->in, p->cap);
    if (!p->in)
      abort();
  }
  if (n)
    memcpy(p->in + p->len, bytes, n);
  p->len += n;
}

struct peer *peer_new(const styx_export *export, const styx_addr *addr, char *why) {
  struct peer *p = calloc(1, sizeof *p);
  styx_err err = p ? STYX_OK : ENOMEM;
  if (!p) {
    snprintf(why, 256, "no memory");
    return NULL;
  }
  p->fd = -1;
  if (addr) {
    err = styx_dial(addr, &p->fd);
  } else {
    p->export = *export;
    err = styx_session_new(
        &p->session, &(styx_session_config){.size = sizeof(styx_session_config), .exports = &p->export, .nexports = 1},
        0);
  }
  if (!err)
    return p;
  snprintf(why, 256, "cannot connect: %s", styx_err_text(err));
  free(p);
  return NULL;
}

void peer_free(struct peer *p) {
  if (p->fd >= 0)
    close(p->fd);
  styx_session_free(p->session);
  free(p->in);
  free(p);
}

styx_session *peer_session(struct peer *p) { return p->session; }

bool peer_done(const struct peer *p) { return !p->session || styx_session_done(p->session); }

/* ---- sessions ---- */

static void take_output(struct peer *p, uint64_t now) {
  styx_span spans[8];
  size_t n;
  while ((n = styx_session_pending(p->session, spans, 8)) > 0) {
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
      receive(p, spans[i].base, spans[i].len);
      sum += spans[i].len;
    }
    styx_session_sent(p->session, sum, now);
  }
}

bool peer_step(struct peer *p, uint64_t now) {
  styx_work *work = styx_session_next(p->session);
  if (work)
    styx_work_run(work);
  styx_session_retire(p->session, now);
  take_output(p, now);
  return work != NULL;
}

void peer_pump(struct peer *p, uint64_t now, bool frozen) {
  if (!p->session)
    return;
  styx_session_retire(p->session, now);
  take_output(p, now);
  while (!frozen && peer_step(p, now))
    ;
  if (styx_session_ended(p->session) && !p->eof) { /* as an embedder does: what is pending was sent */
    p->eof = true;
    styx_session_hangup(p->session);
    peer_pump(p, now, frozen);
  }
}

/* ---- both ---- */

bool peer_send(struct peer *p, const void *bytes, size_t n) {
  if (p->session) {
    styx_session_feed(p->session, bytes, n, 0);
    return true;
  }
  for (const uint8_t *at = bytes; n > 0;) {
    ssize_t sent = send(p->fd, at, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0)
      return errno == EPIPE || errno == ECONNRESET; /* it has hung up: receiving will say so */
    at += sent;
    n -= (size_t)sent;
  }
  return true;
}

/* More bytes from a server; false when none come in time. */
static bool wait_for_bytes(struct peer *p) {
  struct pollfd pfd = {p->fd, POLLIN, 0};
  uint8_t buf[65536];
  if (poll(&pfd, 1, 10000) <= 0)
    return false;
  ssize_t n = recv(p->fd, buf, sizeof buf, 0);
  if (n > 0)
    receive(p, buf, (size_t)n);
  else
    p->eof = true;
  return true;
}

enum peer_got peer_receive(struct peer *p, const uint8_t **msg, size_t *len) {
  for (;;) {
    size_t have = p->len - p->at;
    const uint8_t *m = p->in ? p->in + p->at : NULL;
    uint32_t size = have < 4 ? 0 : m[0] | (uint32_t)m[1] << 8 | (uint32_t)m[2] << 16 | (uint32_t)m[3] << 24;
    if (have >= 4 && size <= have) {
      *msg = m;
      *len = size < 7 ? have : size; /* not a message: the caller's decoding says so */
      p->at += *len;
      return PEER_MESSAGE;
    }
    if (p->eof)
      return PEER_EOF;
    if (p->session || !wait_for_bytes(p))
      return PEER_NOTHING;
  }
}

void peer_hangup(struct peer *p) {
  if (p->session)
    styx_session_hangup(p->session);
  else
    shutdown(p->fd, SHUT_RDWR);
  p->eof = true;
}
