/* styx/server.h: the server: threads and sockets around styx/session.h; and addresses, listening and dialling.
 *
 * One parser takes every usual way to write an address, and prints Plan 9's:
 *   tcp!host!port  tcp!*!port  host:port  [v6]:port  unix!path  /path  ./path
 * A host may be a name or a number; without "!port" or ":port" it is 564. The functions below may block (name look-up,
 * connecting); call them from any thread.
 */
#ifndef STYX_SERVER_H
#define STYX_SERVER_H

#include <styx/session.h>

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

/* ---- the server ----
 *
 * For each shard one thread reads and decodes, one retires and sends; a pool of workers, shared by all shards, runs what the
 * filesystems do, many requests at once; spare workers run operations that are declared blocking (server/README.md has the
 * picture). Threads lend themselves: the reader runs operations that are declared nowait, and a thread that has run an
 * operation sends the replies, once the handler has returned. An operation not declared blocking that keeps others waiting for
 * some milliseconds is counted and named in the log; what it keeps is done by another thread meanwhile. Unless a function says otherwise: call it from any thread, not from a handler; it does not block. */

typedef struct styx_server styx_server;

typedef struct styx_server_config {
  size_t size;                /* sizeof(styx_server_config) */
  const styx_export *exports; /* at least one; outlives the server */
  size_t nexports;
  const styx_limits *limits;       /* NULL: the defaults; copied */
  const styx_allocator *allocator; /* NULL: malloc; copied */
  unsigned workers;                /* 0: twice the CPUs, at least 4 */
  unsigned readers;                /* shards; 0: 1 */
  bool no_lending;                 /* each thread does its own stage only: slower; for comparison */
  unsigned spare;                  /* most spare workers, at least 2; all but the first start when needed; 0: 64 */
  unsigned run_quota;              /* requests of one connection that may stand in the worker queue; 0: 32 */
  size_t connections;              /* one more is closed at once; 0: 4096 */
  int interrupt_signal;            /* for styx_interruptible_begin; 0: off */
  /* Each may be NULL; called from any of the server's threads, must not block. peer is "" for the server itself. */
  void (*log)(void *arg, styx_level level, const char *peer, const char *what, const char *detail);
  void (*trace)(void *arg, const char *peer, bool out, const styx_msg *msg);
  /* The bytes of each message: the hook tap of session.h. The connection waits meanwhile. *own is a pointer of the
   * connection's, NULL at first, for tap to keep something in. The last call for a connection, which may be the only one, has
   * n 0: it has ended. No two calls for one connection at a time. */
  void (*tap)(void *arg, const char *peer, void **own, bool out, const styx_span *spans, size_t n);
  void (*idle)(void *arg); /* the last connection has ended */
  void *arg;
} styx_server_config;

/* The server, not yet running; config is copied. STYX_EBADARG (no exports, or interrupt_signal is none of those below),
 * ENOMEM, or the kernel's error. */
STYX_API styx_err styx_server_new(styx_server **out, const styx_server_config *config);

/* Accept from a listening socket (styx_announce), which the server closes when it is freed. Before styx_server_start. */
STYX_API styx_err styx_server_listen(styx_server *server, int fd);

/* Run each filesystem's init (blocking, on this thread; once for one that is exported several times; an error is returned and
 * nothing runs), then start the threads: no client is answered before. EBUSY: interrupt_signal is handled or ignored already. */
STYX_API styx_err styx_server_start(styx_server *server);

/* Serve this connected stream socket too; it is the server's from here on, also on error (then it is closed): for inetd,
 * socket pairs and tests. peer is copied, for logs. STYX_ELIMIT, ESHUTDOWN, ENOMEM, or the kernel's error. */
STYX_API styx_err styx_server_adopt(styx_server *server, int fd, const char *peer);

/* Drain and stop; blocks. No new connections; Tflush, Tclunk, Tremove and Tversion are still served, anything else gets
 * "shutting down"; each connection ends when it owes nothing. After grace nanoseconds everything is cancelled and every
 * connection ends; a second later, STYX_EBUSY if handlers still run: *running (may be NULL) says how many requests, each is
 * logged, nothing is freed under them; call again. STYX_OK: threads are joined and each filesystem's cleanup has run. */
STYX_API styx_err styx_server_stop(styx_server *server, uint64_t grace, size_t *running);

/* Cut short the grace of the styx_server_stop that runs on another thread, or of the next. Not from a signal handler. */
STYX_API void styx_server_hurry(styx_server *server);

/* After a stop that returned STYX_OK, or before start, or after one that failed: connections that wait are closed. And after every reply call that threads of yours had begun. */
STYX_API void styx_server_free(styx_server *server);

/* ---- interruption: the fourth form of cancellation, beside those of req.h ----
 *
 * For a handler that is stuck in a system call with nothing to poll beside it. Where a callback or styx_req_cancel_fd will do,
 * prefer them: a signal ends only the calls that signal(7) lists, not a wait for a disk or for an NFS server.
 *
 * It needs a signal that the program uses for nothing else: SIGUSR1, SIGUSR2, or one from SIGRTMIN to SIGRTMAX
 * (interrupt_signal; none by default). From styx_server_start until styx_server_stop returns STYX_OK it has a handler that does
 * nothing, then the default again. Two servers need two signals. */

/* From here to styx_interruptible_end the calling thread is interrupted when req is cancelled: it gets the signal, at once if
 * req is cancelled already, and again every millisecond, so that a call that is only just about to block fails with EINTR too.
 * For one system call of the handler's own thread, which must not have the signal blocked; not for code that holds a lock or
 * does not expect EINTR. It takes the place of the callback: not together with styx_req_on_cancel. Before the answer; does
 * not block. Pairs do not nest, which is asserted.
 *
 * False: nothing will interrupt the thread (interrupt_signal is 0, the thread is not one that the server runs handlers on, or
 * the kernel has no timer left). The handler may still make its call and end the pair.
 *
 *     do {
 *       styx_interruptible_begin(req);
 *       n = read(fd, buf, count);
 *       styx_interruptible_end();
 *     } while (n < 0 && errno == EINTR && !styx_req_cancelled(req));
 *
 * After that EINTR says that nothing has happened (styx_reply_interrupted). Anything else did happen, and is answered as if
 * there had been no cancellation. */
STYX_API bool styx_interruptible_begin(styx_req *req);

/* Nothing interrupts the calling thread any more. On the same thread as the begin, on every path, before the answer; keeps
 * errno; harmless after a begin that returned false. When req is being cancelled right now it waits for the few instructions
 * that this takes. */
STYX_API void styx_interruptible_end(void);

/* ---- numbers: server/stats.def has the list ---- */

/* One number. The strings are constants. Counters only grow while the server lives; those of a name follow one another. */
typedef struct styx_number {
  const char *name;        /* "styx_runs_total" */
  const char *label;       /* what tells numbers of one name apart ("by"), or NULL */
  const char *label_value; /* "worker" */
  const char *help;
  bool gauge; /* how it is now; else a counter */
  uint64_t value;
} styx_number;

typedef void styx_number_fn(void *arg, const styx_number *number);

/* Call fn for each number, on this thread, with no lock held. Looks at every connection under its lock, one after the other.
 * Any time between styx_server_new and styx_server_free. */
STYX_API void styx_server_stats(styx_server *server, styx_number_fn *fn, void *arg);

/* The same as text, as snprintf: how long it is, without the zero byte. JSON is one object in one line, with an object of its
 * own for what has labels; Prometheus is its text format, version 0.0.4. Numbers grow between two calls, so leave room. */
STYX_API size_t styx_server_stats_json(styx_server *server, char *buf, size_t cap);
STYX_API size_t styx_server_stats_prometheus(styx_server *server, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
