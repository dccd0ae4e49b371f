/* server/system.h: everything that the stages ask of the machine, as a table, so that the simulation can stand in for it. */
#ifndef SERVER_SYSTEM_H
#define SERVER_SYSTEM_H

#include <styx/auth.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct sx_system {
  size_t recv_size;  /* of the buffer that a reader receives into */
  size_t room_least; /* from so much on the rest of a message is received to where it is needed */

  /* Can nothing but bytes come through this socket? Through others a peer may pass descriptors. */
  bool (*plain)(void *arg, int fd);
  /* As the calls they are named after, never blocking; the negative of an errno on failure. A recv that fills less than it
   * was given has taken all there was, unless it says that there may be more, for which a plain socket is not asked (more
   * is NULL); nothing interrupts it, since it does not sleep. */
  ssize_t (*recv)(void *arg, int fd, const struct iovec *iov, size_t n, bool *more);
  ssize_t (*send)(void *arg, int fd, const struct iovec *iov, size_t n);
  int (*shut)(void *arg, int fd);
  /* Who is at the other end; false: that is not known. NULL: it never is. */
  bool (*peer)(void *arg, int fd, styx_peer *out);
  void (*close)(void *arg, int fd);

  /* Descriptor sets: each belongs to the one thread that polls it; anybody may change it and signal it. */
  int (*poller)(void *arg);
  int (*watch)(void *arg, int poller, int op, int fd, uint32_t events, void *ptr);
  int (*poll)(void *arg, int poller, struct epoll_event *events, int n, uint64_t timeout_ns); /* UINT64_MAX: for ever */
  int (*bell)(void *arg); /* a descriptor that ring makes readable and quiet makes silent */
  void (*ring)(void *arg, int bell);
  void (*quiet)(void *arg, int bell);
  int (*timer)(void *arg); /* a bell that rings by itself, once, so long after alarm */
  void (*alarm)(void *arg, int timer, uint64_t ns);

  /* Sleep while *word is value; wake n who do. */
  void (*wait)(void *arg, _Atomic uint32_t *word, uint32_t value);
  void (*wake)(void *arg, _Atomic uint32_t *word, int n);

  uint64_t (*clock)(void *arg); /* monotonic, ns */
  void **(*slot)(void *arg);    /* a pointer of the calling thread's own; NULL at first */
  void *arg;
};

extern const struct sx_system sx_linux;

/* Linux 6.17: does a socket of Unix take descriptors? Those that are accepted do as the one that listens. Kernels that do not
 * know it say so. */
#ifdef SO_PASSRIGHTS
#define SX_PASSRIGHTS SO_PASSRIGHTS
#elif SO_RCVBUF == 8 /* the numbers of most machines */
#define SX_PASSRIGHTS 83
#else
#define SX_PASSRIGHTS -1
#endif

#endif
