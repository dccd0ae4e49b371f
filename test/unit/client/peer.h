/* peer.h: a scripted server at the other end of a socket pair, on a thread of its own. What it expects and does not get
 * ends the test program with a line that says so. */
#ifndef UNIT_CLIENT_PEER_H
#define UNIT_CLIENT_PEER_H

#include <styx/client.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_MSIZE (1u << 20)

#define PEER_CHECK(cond, ...)                                                                                          \
  do {                                                                                                                 \
    if (!(cond)) {                                                                                                     \
      fprintf(stderr, "%s:%d: peer: %s: ", __FILE__, __LINE__, #cond);                                                 \
      fprintf(stderr, __VA_ARGS__);                                                                                    \
      fputc('\n', stderr);                                                                                             \
      abort();                                                                                                         \
    }                                                                                                                  \
  } while (0)

struct peer {
  int fd; /* the server's end */
  int client_fd;
  uint32_t msize; /* what it answers Tversion with */
  void (*script)(struct peer *);
  void *arg;
  pthread_t thread;
  pthread_barrier_t step; /* script and test meet here */
  uint8_t *in, *out;
  size_t have; /* bytes of in */
  size_t used; /* of the message that was decoded last */
};

static inline void peer_raw(struct peer *p, const void *buf, size_t len) {
  const uint8_t *b = buf;
  while (len > 0) {
    ssize_t n = send(p->fd, b, len, MSG_NOSIGNAL);
    if (n < 0)
      return; /* the client has left: what follows notices */
    b += n;
    len -= (size_t)n;
  }
}

static inline void peer_send(struct peer *p, styx_msg m) {
  ptrdiff_t n = styx_encode(p->out, PEER_MSIZE, &m, STYX_9P2000);
  PEER_CHECK(n > 0, "%s does not encode", styx_msg_name(m.type));
  peer_raw(p, p->out, (size_t)n);
}

/* False at the end of the stream. m is good until the next call. */
static inline bool peer_next(struct peer *p, styx_msg *m) {
  memmove(p->in, p->in + p->used, p->have - p->used);
  p->have -= p->used;
  p->used = 0;
  for (;;) {
    ptrdiff_t n = styx_decode(m, p->in, p->have, PEER_MSIZE, STYX_9P2000);
    PEER_CHECK(n >= 0, "the client sent what does not decode: %s", styx_err_text((styx_err)-n));
    p->used = (size_t)n;
    if (n > 0)
      return true;
    ssize_t got = recv(p->fd, p->in + p->have, PEER_MSIZE - p->have, 0);
    if (got <= 0)
      return false;
    p->have += (size_t)got;
  }
}

static inline styx_msg peer_expect(struct peer *p, uint8_t type) {
  styx_msg m;
  PEER_CHECK(peer_next(p, &m), "hung up, %s was expected", styx_msg_name(type));
  PEER_CHECK(m.type == type, "%s, %s was expected", styx_msg_name(m.type), styx_msg_name(type));
  return m;
}

static inline void peer_error(struct peer *p, uint16_t tag, const char *text) {
  peer_send(p, (styx_msg){.type = STYX_Rerror, .tag = tag, .ename = styx_str_of(text)});
}

/* The client is expected to leave. */
static inline void peer_end(struct peer *p) {
  styx_msg m;
  PEER_CHECK(!peer_next(p, &m), "%s instead of the end", styx_msg_name(m.type));
}

static inline void peer_meet(struct peer *p) { pthread_barrier_wait(&p->step); }

/* The same for a client that may still ask for something before it notices why it must leave. */
static inline void peer_drain(struct peer *p) {
  styx_msg m;
  while (peer_next(p, &m))
    ;
}

static inline void *peer_main(void *arg) {
  struct peer *p = arg;
  if (p->msize) {
    styx_msg m = peer_expect(p, STYX_Tversion);
    PEER_CHECK(m.tag == STYX_NOTAG, "Tversion has tag %u", m.tag);
    peer_send(p, (styx_msg){.type = STYX_Rversion,
                            .tag = m.tag,
                            .msize = m.msize < p->msize ? m.msize : p->msize,
                            .version = m.version});
  }
  p->script(p);
  shutdown(p->fd, SHUT_RDWR);
  return NULL;
}

/* msize 0: the script does the handshake. */
static inline void peer_start(struct peer *p, void (*script)(struct peer *), uint32_t msize, void *arg) {
  int fds[2];
  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  *p = (struct peer){.fd = fds[0], .client_fd = fds[1], .msize = msize, .script = script, .arg = arg};
  p->in = malloc(PEER_MSIZE);
  p->out = malloc(PEER_MSIZE);
  cr_assert(p->in && p->out);
  pthread_barrier_init(&p->step, NULL, 2);
  cr_assert_eq(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

static inline void peer_join(struct peer *p) {
  pthread_join(p->thread, NULL);
  close(p->fd);
  free(p->in);
  free(p->out);
  pthread_barrier_destroy(&p->step);
}

static inline styx_client *peer_client(struct peer *p, void (*script)(struct peer *), void *arg) {
  styx_client *c = NULL;
  peer_start(p, script, 65536, arg);
  styx_err err = styx_client_new(&c, p->client_fd, NULL);
  cr_assert_eq(err, STYX_OK, "%s", styx_client_words());
  return c;
}

/* The client leaves; the script must end. */
static inline void peer_stop(struct peer *p, styx_client *c) {
  styx_client_free(c);
  peer_join(p);
}

#endif
