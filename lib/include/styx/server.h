/* styx/server.h: addresses, listening and dialling.
 *
 * One parser takes every usual way to write an address, and prints Plan 9's:
 *   tcp!host!port  tcp!*!port  host:port  [v6]:port  unix!path  /path  ./path
 * A host may be a name or a number; without "!port" or ":port" it is 564. The functions below may block (name look-up,
 * connecting); call them from any thread.
 */
#ifndef STYX_SERVER_H
#define STYX_SERVER_H

#include <styx/err.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum styx_net { STYX_NET_TCP, STYX_NET_UNIX } styx_net;

typedef struct styx_addr {
  styx_net net;
  char host[256]; /* tcp: empty means every interface when listening */
  char port[32];  /* tcp */
  char path[108]; /* unix */
} styx_addr;

/* Only parses; pure. STYX_EADDRESS when it is none of the forms; *why, unless NULL, is then a constant phrase that says
 * what is wrong. */
STYX_API styx_err styx_addr_parse(styx_addr *out, const char *text, const char **why);
/* The Plan 9 form, as snprintf. */
STYX_API size_t styx_addr_print(char *buf, size_t cap, const styx_addr *addr);

/* A listening socket: close-on-exec, non-blocking, SO_REUSEADDR. A Unix socket gets mode 0600, and replaces a dead one at
 * that path (nobody accepts there) but never a live one (EADDRINUSE) nor a file that is no socket. *bound, unless NULL, is the
 * address with the port that the kernel chose for port 0. Errors are the kernel's; EADDRNOTAVAIL for an unknown host. */
STYX_API styx_err styx_announce(const styx_addr *addr, int *fd, styx_addr *bound);

/* The next connection: close-on-exec, non-blocking, TCP_NODELAY. EAGAIN when none waits. peer, unless NULL, receives a
 * printable name ("tcp!127.0.0.1!51234", "unix"). EMFILE and ENFILE are for the caller to wait out. */
STYX_API styx_err styx_accept(int listener, int *fd, char *peer, size_t cap);

/* A connected socket: close-on-exec, blocking, TCP_NODELAY. Tries each address that the name has. */
STYX_API styx_err styx_dial(const styx_addr *addr, int *fd);

#ifdef __cplusplus
}
#endif
#endif
