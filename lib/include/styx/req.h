/* styx/req.h: one request, as the code that serves it sees it.
 *
 * A handler (an operation of fs.h) gets a styx_req and has to answer it exactly once: by returning what one of the reply
 * functions returned, or by returning styx_later() and having any thread call a reply function at any later time, even
 * before the handler has returned. Only reply functions and styx_later make a styx_answer, so a path that forgets to answer
 * does not compile under -Werror=return-type. A handler that returns anything else has its request answered EIO, logged.
 *
 * A reply call only publishes the answer: it never sends, never blocks, never calls code of yours. A second answer is
 * dropped and counted (save one bug that cannot be told from good: one that comes when the request is running again, at the
 * next element of a walk or after styx_reply_would_block, counts for that run). After the answer the styx_req must not be touched any more by
 * whoever answered, save that the handler may still return; a cancel callback that is running keeps the request valid until
 * it returns.
 *
 * Unless a function says otherwise: call it from any thread, between the start of the handler and the answer; it does not
 * block. Whether an answer reaches the client is the session's affair (contract 2, F5 to F8): a reply that did happen is
 * sent even if the request was flushed meanwhile.
 */
#ifndef STYX_REQ_H
#define STYX_REQ_H

#include <styx/span.h>
#include <styx/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_req styx_req;
typedef struct styx_attr styx_attr;     /* fs.h */
typedef struct styx_dirent styx_dirent; /* fs.h */

/* Proof that a handler has dealt with its request. Opaque: only the functions below make one. */
typedef struct styx_answer {
  unsigned char sx_answer;
} styx_answer;

/* ---- who asks, and what ---- */

/* The context that the filesystem was made with (styx_fs.ctx). */
STYX_API void *styx_req_ctx(const styx_req *req);

/* The message number as on the wire (STYX_Tread, …). */
STYX_API unsigned styx_req_type(const styx_req *req);

/* The names of the Tattach that the fid descends from; they live as long as the request. For the attach operation itself
 * they are the arguments. */
STYX_API styx_str styx_req_user(const styx_req *req);
STYX_API styx_str styx_req_aname(const styx_req *req);

/* ---- answers ---- */

/* Success of what has no result: remove, setattr, fsync, and anything whose row in fs.h says ok. */
STYX_API styx_answer styx_reply_ok(styx_req *req);

/* Failure. err 0 or unknown counts as EIO. In the text form the peer of a text dialect reads the formatted words (cut at a
 * character boundary to what msize allows), and err is the number for the others. */
STYX_API styx_answer styx_reply_error(styx_req *req, styx_err err);
STYX_API styx_answer styx_reply_error_text(styx_req *req, styx_err err, const char *fmt, ...) STYX_PRINTF(3, 4);

/* The request was given up and nothing at all has happened (F8): legal only then. If a Tflush waits for it the client gets
 * silence and Rflush; if it was cancelled for another reason, or not at all, the client gets Rerror EINTR. */
STYX_API styx_answer styx_reply_interrupted(styx_req *req);

/* Of an operation that its table declares nowait (fs.h). styx_req_may_block: false while the handler is bound by that promise.
 * styx_reply_would_block: it would have to break it, and nothing at all has happened. The operation is called once more, of the
 * filesystem that answered so (styx_pass), from its beginning and with the same arguments, where it may block; then this is
 * no answer any more (it would be EIO, logged). A request that is cancelled before it is called again is interrupted, and one
 * that nobody may cancel is called. What was prepared for an answer (styx_dir_add, styx_req_iounit, styx_req_stream) is
 * forgotten. */
STYX_API bool styx_req_may_block(const styx_req *req);
STYX_API styx_answer styx_reply_would_block(styx_req *req);

/* attach, walk: the node reached. The session owns node from here on and gives it back with forget, exactly once, whether
 * or not the reply was sent. qid.type must say whether it is a directory. */
STYX_API styx_answer styx_reply_node(styx_req *req, void *node, styx_qid qid);

/* open: handle (may be NULL) belongs to the session until close, which is called exactly once, whether or not the reply was
 * sent. create: the new node too. */
STYX_API styx_answer styx_reply_open(styx_req *req, styx_qid qid, void *handle);
STYX_API styx_answer styx_reply_create(styx_req *req, void *node, styx_qid qid, void *handle);

/* Before styx_reply_open or styx_reply_create: the largest write that this file takes in one piece; 0 (the default) lets
 * the session say msize - 24, which also bounds it. A hint to clients: smaller and larger requests come all the same. */
STYX_API void styx_req_iounit(styx_req *req, uint32_t iounit);

/* Before styx_reply_open or styx_reply_create: reads through this handle have effects (they consume, or wait for events), so
 * that they are never abandoned, even where the filesystem declares read detachable (fs.h). */
STYX_API void styx_req_stream(styx_req *req);

/* read: len bytes at data, copied before this returns; more than was asked for is cut to it. 0 bytes is end of file. */
STYX_API styx_answer styx_reply_data(styx_req *req, const void *data, size_t len);

/* read: the part of a whole file in memory that the request's offset and count name, copied before this returns. */
STYX_API styx_answer styx_reply_slice(styx_req *req, const void *file, size_t len);

/* read, without a copy: the room for data inside the outgoing message. *cap is the count asked for. NULL when memory is
 * short: answer ENOMEM. Valid until the answer; asking again gives the same room. Then styx_reply_filled says how much of
 * it is valid; more than *cap is cut. */
STYX_API void *styx_req_room(styx_req *req, size_t *cap);
STYX_API styx_answer styx_reply_filled(styx_req *req, size_t len);

/* read, without a copy: data is sent from where it is and release(arg) is called exactly once when the library has done
 * with it, sent or not: from whatever thread runs the session's work items, with no lock held; or from within this call when
 * memory is short or the request has been answered already. release must not block. */
typedef void styx_release_fn(void *arg);
STYX_API styx_answer styx_reply_ref(styx_req *req, const void *data, size_t len, styx_release_fn *release, void *arg);

/* The same for data in n pieces, at most STYX_MAXREFS, sent one behind the other; spans is copied. release is called once, for all. */
enum { STYX_MAXREFS = 32 };
STYX_API styx_answer styx_reply_refs(styx_req *req, const styx_span *spans, size_t n, styx_release_fn *release,
                                     void *arg);

/* write: bytes taken, at most what was sent; fewer is a short write, which the client continues. */
STYX_API styx_answer styx_reply_count(styx_req *req, uint32_t count);

/* getattr: attr is copied, with its strings, before this returns. A record that the client's msize cannot hold is answered
 * by an error instead. */
STYX_API styx_answer styx_reply_attr(styx_req *req, const styx_attr *attr);

/* The same in two steps, for who reads the attributes under a lock: styx_req_attr copies and answers nothing, so it may be
 * called with the lock held; styx_reply_attr with NULL, without it, answers (EIO if nothing was copied). Only the handler
 * itself, or the one thread that has taken over the request, may call it. */
STYX_API void styx_req_attr(styx_req *req, const styx_attr *attr);

/* readdir: put one entry into the reply; copied. False when it does not fit: stop, and call styx_reply_dir; the entry is
 * then the first of the next read. A first entry of the directory that would not fit even alone makes the reply an error. Only the handler
 * itself, or the one thread that has taken over the request, may call it. */
STYX_API bool styx_dir_add(styx_req *req, const styx_dirent *entry);
STYX_API styx_answer styx_reply_dir(styx_req *req);

/* ---- for programs that see every request themselves (fs.h, request; servers.h) ---- */

/* The message, good until the answer. The count of a Tread is cut to what fits a reply, msize - 11. */
STYX_API const styx_msg *styx_req_msg(const styx_req *req);

/* The msize that Tversion settled. */
STYX_API uint32_t styx_req_msize(const styx_req *req);

/* The descriptor of the connection, to look at and not to use; -1 where the embedder has none to tell (session.h, hook fd). */
STYX_API int styx_req_fd(const styx_req *req);

/* The node that fid stood for when the turn of this request came, good until the answer. NULL when it stood for none, or is not
 * named by the message. */
STYX_API void *styx_req_fid(const styx_req *req, uint32_t fid);

/* An answer of success will say that the fid that the message makes or changes (afid of Tauth, fid of Tattach, Topen and Tcreate,
 * newfid of Twalk, all of whose names were found) stands for node from here on. node is the session's, which gives it back with
 * forget exactly once: when it was replaced, dropped, or the answer is none of success. Again with the same node: another qid.
 * False, and node is not taken: the message is none of these, the fid is NOFID or does not exist, or has another node already.
 * styx_req_made: that node, or NULL. */
STYX_API bool styx_req_make(styx_req *req, void *node, styx_qid qid);
STYX_API void *styx_req_made(const styx_req *req);

/* Tread of a directory: where its entries go on (fs.h, readdir). False: the offset is neither 0 nor where the last read of this fid
 * has ended. styx_req_set_cookie, before the answer: where the next read goes on (0 when it is not called; styx_dir_add
 * does it). */
STYX_API bool styx_req_cookie(const styx_req *req, uint64_t *cookie);
STYX_API void styx_req_set_cookie(styx_req *req, uint64_t cookie);

/* One pointer for the session, NULL at first; forget is called with it after the last request and the last node of the session,
 * or beside them. styx_req_set_context sets it if nobody has, and returns what it is then. */
STYX_API void *styx_req_context(const styx_req *req);
STYX_API void *styx_req_set_context(styx_req *req, void *context);

/* Answer by a whole message, copied before this returns; its tag is not looked at. It is the reply to the request's message, or an
 * Rerror (ename is cut to what msize allows). The count of an Rread or Rwrite is cut to that of the request; data may lie in
 * styx_req_room. One that is longer than msize is answered STYX_ENOFIT; one of any other type EIO.
 *
 * In two steps: styx_req_prepare copies a reply that is no Rerror, and answers nothing (the errors above, ENOMEM); styx_reply_msg with
 * NULL answers with what was copied, and cannot fail. Only the handler itself, or the one thread that has taken over the
 * request, may call it. */
STYX_API styx_answer styx_reply_msg(styx_req *req, const styx_msg *reply);
STYX_API styx_err styx_req_prepare(styx_req *req, const styx_msg *reply);

/* Somebody will reply, from any thread. What that thread needs to keep beside req is its own affair. */
STYX_API styx_answer styx_later(styx_req *req);

/* ---- cancellation (design.md 3): a hint that the client, or the server, no longer wants the answer ----
 *
 * The handler still has to answer: styx_reply_interrupted if nothing has happened, else what did happen. All three forms
 * may be used together. A fourth, for a thread that is stuck in a system call, is styx_interruptible_begin in server.h. */

typedef void styx_cancel_fn(styx_req *req, void *arg);

/* Arm fn: it is called once, as a work item of the session with no lock held, when the request is cancelled; right now, on
 * this thread, if it has been already. It must not block. It may answer the request. Returns true.
 *
 * fn NULL disarms: true when the callback can no longer start (or none was armed); false when it has started: then it, and
 * only it, owns arg and the answer. A handler disarms before it frees arg, and must not free it on false. An answer while
 * armed disarms. */
STYX_API bool styx_req_on_cancel(styx_req *req, styx_cancel_fn *fn, void *arg);

/* (More on the callback. It may run inside the call that arms it, so do not arm while you hold a lock that it takes. A thread
 * other than the handler's may disarm only where it knows that the request is not answered yet: under a lock that the
 * callback takes before it answers. Arming again after the callback has started does nothing.) */

/* True once the request has been cancelled. */
STYX_API bool styx_req_cancelled(const styx_req *req);

/* When the request will be cancelled by itself, on the clock that the session is told (of styx_server: CLOCK_MONOTONIC), in
 * nanoseconds; UINT64_MAX for never: no limit of time is set (limits.def, request), or it has to run to its end. */
STYX_API uint64_t styx_req_deadline(const styx_req *req);

/* A descriptor that becomes readable when the request is cancelled, for poll beside the handler's own; made on the first
 * call by the embedder's hook, closed by the library when the request is over; never read from it, never close it.
 * -1 when the embedder has no hook or is out of descriptors. */
STYX_API int styx_req_cancel_fd(styx_req *req);

#ifdef __cplusplus
}
#endif
#endif
