/* styx/flush.h: the flush law (contract.md 2) for a program that has its own loop, and answers requests from anywhere.
 *
 * The program reads T-messages and writes R-messages itself; between the two it announces each message here, and is told what
 * Tflush means for it. For each request:
 *
 *   1. styx_flush_t as it is read, in the order of reading. DISPATCH: serve it.
 *   2. styx_flush_reply or styx_flush_interrupted once its answer is ready to be written: whether to write it.
 *   3. styx_flush_next, after every call of the others, until there is none: Rflushes to be written now.
 *
 * One object for each connection; requests of several connections know nothing of each other. Nothing here blocks, does I/O
 * or looks at a clock. A call takes the same time however much is outstanding; only when more is outstanding than ever before
 * may it allocate, and copy a table to twice its size. Nothing is given back before styx_flush_free.
 *
 * Any thread may call, one at a time: what these calls say to write has to reach the wire in the order of the calls, so the
 * lock or the thread that orders the wire is the one to hold here, from the call until its bytes are written or queued.
 *
 * A whole server that works so needs none of this: session.h has it built in. styxflush(3) compares it with styxflush(2).
 */
#ifndef STYX_FLUSH_H
#define STYX_FLUSH_H

#include <styx/alloc.h>
#include <styx/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_flush styx_flush;         /* one connection */
typedef struct styx_flush_req styx_flush_req; /* one request, from its DISPATCH until its answer is announced */

/* ENOMEM. allocator NULL: malloc; copied. */
STYX_API styx_err styx_flush_new(styx_flush **out, const styx_allocator *allocator);

/* With no request outstanding (every one that was dispatched has been announced as answered). NULL is nothing to do. */
STYX_API void styx_flush_free(styx_flush *f);

typedef enum styx_flush_verdict {
  STYX_FLUSH_DISPATCH, /* serve it; *req is its handle */
  STYX_FLUSH_TELL,     /* a Tflush: *req is the request that it flushes; cancel it if that can be done */
  STYX_FLUSH_REPLY,    /* write *reply, now: an Rflush, or an Rerror that refuses */
  STYX_FLUSH_WAIT,     /* a Tflush, and nothing to do: its Rflush comes from styx_flush_next, as after TELL */
  STYX_FLUSH_VERSION,  /* a Tversion: see styx_flush_abort; it has no handle, and its Rversion is not announced */
  STYX_FLUSH_END       /* no memory to record a Tflush, which may not be refused: end the connection */
} styx_flush_verdict;

/* A T-message has been read (styx_msg_is_t; an R-message from the peer is not for here). request is the program's own,
 * returned by styx_flush_request; it counts only for what is dispatched. t may be gone afterwards. *req is set by DISPATCH and
 * TELL alone, *reply by REPLY alone; its strings are constants.
 *
 * TELL is said once of each request, at its first Tflush, and never of Tclunk and Tremove, which always run (F18). The handle
 * it gives is good until another thread announces the answer: what is needed of it is taken before the lock is released.
 *
 * Refused, without disturbing anybody, are a tag in use ("duplicate tag", F14), NOTAG on what is no Tversion or Tflush ("bad
 * tag", F15), and a request for which there is no memory. In 9P2000.L, which has no Rerror, set the type to STYX_Rlerror. A
 * Tflush is never refused (F2). */
STYX_API styx_flush_verdict styx_flush_t(styx_flush *f, const styx_msg *t, void *request, styx_flush_req **req,
                                         styx_msg *reply);

/* The answer of req is there: success or any error, an Rerror that says "interrupted" among them (F7). True: write it. False:
 * it was given up meanwhile, by styx_flush_ack or styx_flush_abort; write nothing. Either way req is gone. */
STYX_API bool styx_flush_reply(styx_flush *f, styx_flush_req *req);

/* req was given up and nothing at all has happened (F8): legal only then. True: nobody flushed it, or it is one that always
 * runs: write an Rerror (EINTR). False: write nothing. Either way req is gone. */
STYX_API bool styx_flush_interrupted(styx_flush *f, styx_flush_req *req);

/* The next Rflush to be written; false, and *rflush untouched, when there is none. Those of one request come in order of
 * arrival. */
STYX_API bool styx_flush_next(styx_flush *f, styx_msg *rflush);

/* The flushed req will have no effect whatever it still does, so its Rflush need not wait: styx_flush_next has it, and its tag
 * is free. req stays until its answer is announced, which is then dropped. False, and nothing is done: req has not been
 * flushed, or always runs, or was given up before. (What may have an effect and does not end can only be waited for, or its
 * connection ended.) */
STYX_API bool styx_flush_ack(styx_flush *f, styx_flush_req *req);

/* A Tversion that is accepted, or the end of the connection: every request is given up, no Rflush is owed any more (F16, F17),
 * all tags are free. Then fn, if not NULL, is called with each request that had not been given up before, to cancel it, whether
 * TELL has been said of it or not; it may call anything here, for instance announce the answer. After a Tversion the
 * Rversion may be written at once: no answer of the old session will be. */
typedef void styx_flush_fn(void *arg, styx_flush_req *req);
STYX_API void styx_flush_abort(styx_flush *f, styx_flush_fn *fn, void *arg);

/* What was given with it, and its tag as the client knows it; who has the request may ask without the lock. */
STYX_API void *styx_flush_request(const styx_flush_req *req);
STYX_API uint16_t styx_flush_tag(const styx_flush_req *req);

/* A Tflush waits for it, or it was given up. */
STYX_API bool styx_flush_is_flushed(const styx_flush_req *req);

/* Requests whose answer has not been announced. Those that were given up count: a peer can have more than its 65,535 tags of
 * them, so a program that gives up what goes on for long bounds this, and refuses (styx_flush_reply, and an Rerror). */
STYX_API size_t styx_flush_outstanding(const styx_flush *f);

#ifdef __cplusplus
}
#endif
#endif
