/* styx/session.h: one 9P connection without the connection. Bytes in, work out, answers in, bytes out.
 *
 * The session makes no thread, opens no descriptor, reads no clock and calls no filesystem: an embedder puts those around
 * it. examples/embed_epoll.c is the smallest complete embedder. Its loop, for each connection:
 *
 *     bytes arrive          styx_session_feed(s, bytes, n, now)
 *     until nothing is left while ((w = styx_session_next(s))) styx_work_run(w);   (on any threads)
 *                           styx_session_retire(s, now)
 *     bytes can leave       styx_session_pending(s, spans, n), send, styx_session_sent(s, n, now)
 *     the peer is gone      styx_session_hangup(s), and go on with next and retire until styx_session_done(s)
 *
 * Threads: every styx_session_* call on one session by one thread at a time (a lock around them, or one thread). The
 * exceptions are styx_work_run and everything in req.h, which are made for other threads and take no lock. No call here
 * blocks. The session calls nothing of the filesystem's by itself: operations, cancel callbacks, close, forget and release
 * run inside styx_work_run, wherever the embedder calls it. Hooks are called from inside session calls and must not call
 * back into the session.
 *
 * What the session promises about flush is design.md 3 and contract.md 2, F1 to F22.
 */
#ifndef STYX_SESSION_H
#define STYX_SESSION_H

#include <styx/alloc.h>
#include <styx/auth.h>
#include <styx/fs.h>
#include <styx/span.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_session styx_session;
typedef struct styx_work styx_work;

/* One row of limits.def each; what happens past a limit stands there. */
typedef struct styx_limits {
#define STYX_LIMIT(field, flag, default_, unit, help) uint64_t field;
#include <styx/limits.def>
#undef STYX_LIMIT
} styx_limits;

STYX_API styx_limits styx_limits_default(void);

/* Something that can be attached. A Tattach's aname chooses by name, then by path; an empty one takes the first. */
typedef struct styx_export {
  const char *name; /* NULL: none */
  const char *path; /* NULL: none */
  styx_fs fs;
  bool readonly;  /* whatever would change something is refused with EROFS */
  styx_auth auth; /* who may attach; without ops: anybody, or whom the program lets in that sees every request */
  bool any_aname; /* takes each aname that is no export's: its attach operation says which are good */
} styx_export;

typedef enum styx_level { STYX_LOG_ERROR, STYX_LOG_WARN, STYX_LOG_INFO, STYX_LOG_DEBUG } styx_level;

/* Any hook may be NULL. */
typedef struct styx_hooks {
  /* An answer waits for styx_session_retire. Called from any thread, once after each retire, as the last
   * step of a reply call: by then the session may have been retired, done and freed by another thread. So arg must stay valid
   * until every styx_work_run and every reply call on any thread has returned. */
  void (*wake)(void *arg);
  /* One event: what is a constant phrase, detail may be empty. Called inside session calls. */
  void (*log)(void *arg, styx_level level, const char *what, const char *detail);
  /* Each message as decoded (out false) or about to be sent (out true). */
  void (*trace)(void *arg, bool out, const styx_msg *msg);
  /* A descriptor for styx_req_cancel_fd, or -1; make it readable; close it. Any thread. */
  int (*cancel_fd_new)(void *arg);
  void (*cancel_fd_signal)(void *arg, int fd);
  void (*cancel_fd_free)(void *arg, int fd);
  /* An Rerror with this error is about to be sent; for counting. Called inside session calls. */
  void (*error)(void *arg, styx_err err);
  /* The bytes of each message, decodable or not, in the order of the wire: when it is taken (out false), or about to be sent
   * (out true; the end of the connection may come before). One span, or up to 1 + STYX_MAXREFS, to be read only, good during
   * the call. What styx_frame refuses is no message. Called inside session calls. */
  void (*tap)(void *arg, bool out, const styx_span *spans, size_t n);
  /* The descriptor of the connection, for styx_req_fd of servers.h; any thread. */
  int (*fd)(void *arg);
} styx_hooks;

/* ---- memory that sessions share ---- */

/* How much several sessions may hold together, in requests, room reserved for replies and outboxes, beyond STYX_BUDGET_FREE bytes of
 * each. Past it they do what they do past their own styx_limits.held: a Twrite is refused, a Tread waits until its session
 * has no other that runs. From any thread; free it after its sessions. ENOMEM. */
typedef struct styx_budget styx_budget;
enum { STYX_BUDGET_FREE = 64 * 1024 };
STYX_API styx_err styx_budget_new(styx_budget **out, uint64_t bytes, const styx_allocator *allocator);
STYX_API void styx_budget_free(styx_budget *budget);
STYX_API uint64_t styx_budget_used(const styx_budget *budget); /* in steps of 64 KiB for each session */

typedef struct styx_session_config {
  size_t size;                /* sizeof(styx_session_config) */
  const styx_export *exports; /* at least one; outlives the session */
  size_t nexports;
  const styx_limits *limits;       /* NULL: the defaults; copied */
  const styx_allocator *allocator; /* NULL: malloc; copied */
  const styx_hooks *hooks;         /* NULL: none; copied */
  styx_budget *budget;   /* NULL: none; shared with others, outlives the session. styx_limits.memory is not looked at */
  const styx_peer *peer; /* NULL: not known; copied. For styx_req_peer */
  void *hook_arg;
  bool
      send_interrupted; /* answer a flushed request "interrupted" before its Rflush instead of silence (F7 allows both) */
} styx_session_config;

/* STYX_EBADARG for a config without exports, or with one whose program sees every request (fs.h, request) and that is not alone
 * or has auth; ENOMEM. now is the embedder's monotonic clock in nanoseconds, as everywhere. */
STYX_API styx_err styx_session_new(styx_session **out, const styx_session_config *config, uint64_t now);

/* Only when styx_session_done; frees everything. */
STYX_API void styx_session_free(styx_session *s);

/* ---- bytes in ---- */

/* Take all of the len bytes, in any portions; buf is the caller's again on return. Complete messages become requests or
 * replies at once; what is incomplete, or comes while styx_session_wants_input is false, is kept. After the session has
 * ended (styx_session_ended) bytes are ignored. */
STYX_API void styx_session_feed(styx_session *s, const void *buf, size_t len, uint64_t now);

/* Where the rest of a long message that has begun may be received, so that it is not copied: *len bytes, of which there are at
 * least `least`; else NULL, and bytes are fed as ever. The memory is lent until styx_session_received says how many bytes
 * came into it, 0 too, which must be called whatever happens; until then nothing may be fed, every other call may be
 * made, and the session is not done. So the bytes may be received without the lock that is held around the calls. */
STYX_API void *styx_session_room(styx_session *s, size_t least, size_t *len);
STYX_API void styx_session_received(styx_session *s, size_t len, uint64_t now);

/* False while the embedder should not read from the peer: during a Tversion in mid-session, over the outbox limit, after
 * the end. Flush never waits here but for those. */
STYX_API bool styx_session_wants_input(const styx_session *s);

/* The peer is gone, or is to be gone: no further reply is sent, must-run requests run, everything else is cancelled, each
 * fid is clunked once. Half-close counts. Harmless when repeated. */
STYX_API void styx_session_hangup(styx_session *s);

/* From here on only what makes an end is served (Tflush, Tclunk, Tremove, Tversion); everything else gets Rerror "shutting
 * down". What is outstanding goes on. */
STYX_API void styx_session_drain(styx_session *s);

/* ---- work ---- */

/* The next thing to run, in order of arrival, cancellations first; NULL when there is none. It is the caller's until styx_work_run. */
STYX_API styx_work *styx_session_next(styx_session *s);

/* Run it: an operation, a cancel callback, close, forget or release. On any thread, any number at once, without the lock of
 * the session; may block as long as the filesystem's code does. The work is gone afterwards. */
STYX_API void styx_work_run(styx_work *work);

/* What styx_work_run would run; for choosing the thread. fs is NULL for work that is no filesystem's. op is one of
 * styx_op, or -1 for cancel callbacks and releases. */
typedef struct styx_work_info {
  const styx_fs *fs;
  int op;
  bool must_run;
  uint32_t fid;     /* of a request */
  const void *node; /* the filesystem's, or NULL */
  bool may_block;   /* false: it is short (fs.h, nowait; a callback; a release), for any thread; may be ignored */
} styx_work_info;
STYX_API styx_work_info styx_work_about(const styx_work *work);

/* The hook_arg of the session that work belongs to. */
STYX_API void *styx_work_arg(const styx_work *work);

/* Take the answers that were published since: decide reply or silence, settle fids, release what was parked, clear tags,
 * append replies and the Rflushes that follow. True if it did anything (there may be new work). */
STYX_API bool styx_session_retire(styx_session *s, uint64_t now);

/* ---- bytes out ---- */

/* Fill at most n spans with what is to be sent, in order; returns how many. Their bytes stay where they are until
 * styx_session_sent or styx_session_hangup; other calls may append to what is pending. */
STYX_API size_t styx_session_pending(const styx_session *s, styx_span *spans, size_t n);
STYX_API size_t styx_session_pending_bytes(const styx_session *s);
/* The first len of them have gone. True if that has made anything possible: there may be new work, and input may be wanted
 * again. */
STYX_API bool styx_session_sent(styx_session *s, size_t len, uint64_t now);

/* ---- time and end ---- */

/* When styx_session_tick wants to be called next; UINT64_MAX for never. Memory that several requests at once have needed is kept
 * until then for more of them: at most until the next whole second of the clock. tick says true if there may be new work, new bytes, or
 * the end. */
STYX_API uint64_t styx_session_deadline(const styx_session *s);
STYX_API bool styx_session_tick(styx_session *s, uint64_t now);

/* The session has ended by itself (framing lost, a timeout, no memory for a reply it owes): NULL, or the reason as one
 * phrase. The embedder sends what is still pending if it can, calls styx_session_hangup and goes on as after that. */
STYX_API const char *styx_session_ended(const styx_session *s);

/* After hangup: true when every request is answered, every handle closed, every node forgotten, and no work is left. */
STYX_API bool styx_session_done(const styx_session *s);

/* True while some request is outstanding. */
STYX_API bool styx_session_busy(const styx_session *s);

/* ---- numbers ---- */

typedef struct styx_session_info {
  uint32_t msize; /* 0 before the first good Tversion */
  size_t requests, fids, parked, held_bytes, outbox_bytes;
  uint64_t messages_in, messages_out, errors, flushes, flushed_silent, cancelled, detached, duplicate_answers,
      dropped_answers;
  styx_limits hits; /* how often each limit was met */
} styx_session_info;
STYX_API styx_session_info styx_session_inspect(const styx_session *s);

/* Every request that is not yet retired, for logs and tools; returns how many. fn must not call into the session. */
typedef struct styx_request_info {
  unsigned type; /* STYX_T… */
  uint16_t tag;
  uint32_t fid;
  styx_qid qid; /* of the fid's file; zero when it has none yet */
  uint64_t age; /* ns since it came in, by the clock as last told */
  bool parked, cancelled;
  bool detached; /* its handler runs on, its tag is free */
} styx_request_info;
typedef void styx_request_fn(void *arg, const styx_request_info *request);
STYX_API size_t styx_session_each_request(const styx_session *s, styx_request_fn *fn, void *arg);

/* Every fid in use, in no order; for tests and tools. fn must not call into the session. */
typedef void styx_fid_fn(void *arg, uint32_t fid, styx_qid qid, bool open);
STYX_API void styx_session_each_fid(const styx_session *s, styx_fid_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
