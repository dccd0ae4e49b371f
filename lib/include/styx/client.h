/* styx/client.h: a client of any 9P2000 server: one connection, many outstanding calls from many threads, and no thread.
 *
 * Who waits for a reply reads for everybody: of the threads that are inside styx_call_wait (or a synchronous function, which
 * waits inside) one is elected to read the connection and to send what the socket would not take; it completes the calls of
 * the others and hands the role on when its own call is done. So nothing moves while no thread is inside a function of this
 * header, except that a call is sent as it is submitted if the socket takes it.
 *
 * Any function may be called from any thread at any time between styx_client_new and styx_client_free, unless its comment
 * says otherwise; "blocks" means: until the server has answered, or the connection is lost. Functions return a styx_err and
 * leave their results untouched when they fail (what is written even then says so).
 *
 * The server is not trusted. A reply of the wrong kind, with more data than was asked for or taken, for a tag that nobody
 * uses, or longer than agreed ends the connection: every call that is outstanding, and every later one, fails with
 * STYX_EHANGUP and styx_client_why says what was wrong. What is wrong inside one well-framed reply (a stat record, a text that
 * is not UTF-8) fails that call alone. File names come as the server sent them: they are UTF-8 without NUL, but check for "/"
 * and ".." before you use one on this machine (styx_name_is_safe).
 *
 * Sources: contract.md 1.6 to 1.11 and F23 to F30.
 */
#ifndef STYX_CLIENT_H
#define STYX_CLIENT_H

#include <styx/alloc.h>
#include <styx/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_client styx_client;

/* ---- the connection ---- */

typedef struct styx_client_options {
  size_t size;                     /* sizeof(styx_client_options): fields past it count as zero */
  const styx_allocator *allocator; /* NULL: malloc; must outlive the client */
  uint32_t msize;                  /* the largest message we offer; 0: 1 MiB; at least 256 (STYX_EBADARG) */
  uint32_t handshake_ms;           /* how long the server may take to agree on a version; 0: 10,000 */
} styx_client_options;

/* A client on fd, which is connected (styx_dial makes one) and used by nobody else. Agrees on "9P2000" and a message size;
 * blocks for that. On success fd belongs to the client, which has made it non-blocking; on failure it is still the caller's,
 * fit only to be closed. options may be NULL. Errors: ETIMEDOUT; STYX_EVERSION (the server speaks something else, or its
 * msize is over ours or under 256); STYX_EHANGUP; ENOMEM; what the system or the server's Rerror says. The words are
 * styx_client_words(). */
STYX_API styx_err styx_client_new(styx_client **out, int fd, const styx_client_options *options);

/* End it: closes the descriptor, so the server clunks every fid. No call may be outstanding and no other thread inside a
 * function of this client (call styx_client_hangup and let them return). NULL is allowed. */
STYX_API void styx_client_free(styx_client *client);

/* Shut the connection down: whatever is outstanding fails with STYX_EHANGUP, as does everything later. Does not block. */
STYX_API void styx_client_hangup(styx_client *client);

/* The message size that was agreed. A read or write moves at most msize - STYX_IOHDRSZ bytes. */
STYX_API uint32_t styx_client_msize(const styx_client *client);

/* NULL while the connection lives, else why it ended, one phrase, good until styx_client_free. */
STYX_API const char *styx_client_why(styx_client *client);

/* What the last synchronous function (or styx_call_wait) that failed on this thread was told: the server's own words if it
 * sent any, else the text of the error. Never NULL; good until this thread's next call. A server's words are any bytes but NUL,
 * at most 127: escape them before they reach a terminal. */
STYX_API const char *styx_client_words(void);

/* ---- one call, asynchronous ----
 *
 * A styx_call is the caller's memory, zeroed before its first use and reusable when done. From a successful submit until it
 * is done the library owns it: neither touch nor free it, nor what t points to, nor buf. Whoever submits a call has it
 * waited for, by exactly one thread at a time. */
typedef struct styx_call {
  styx_msg
      t; /* the request: type and its fields; the tag is the library's. Not Tversion, not Tflush. data of a Twrite and
                  all strings are borrowed until the call is done. */
  void *buf;  /* Tread: where the data goes; Tstat: where the record goes, whose strings r.stat then borrows */
  size_t cap; /* of buf; for a Tread at least t.count */

  styx_err err; /* when done: the outcome, as styx_call_wait returns it */
  styx_msg r;   /* when done: the reply; type 0 if none came. data and stat point into buf, ename into words. */
  char words[STYX_ERRMAX]; /* when err is not 0: the server's words, else a text of ours; terminated */

  styx_client *client_; /* the rest is the library's */
  void *waiter_;
  uint16_t state_;
} styx_call;

/* A buffer of this size takes any stat record whose four strings are names of at most 255 bytes. */
#define STYX_STATROOM 1152u

/* Send call->t. Does not wait for the reply; blocks only while more than a message's worth of earlier bytes waits to be sent,
 * and then receives meanwhile. Errors, with which the call then is done (waiting for it returns the same): STYX_EBADARG (a
 * type that is not for callers, a Tread over cap or msize, a call that is outstanding); STYX_ENOFIT (longer than msize);
 * STYX_ELIMIT (32,767 are outstanding); ENOMEM; STYX_EHANGUP. */
STYX_API styx_err styx_call_submit(styx_client *client, styx_call *call);

/* Block until the call is done; its outcome: STYX_OK with the reply in r; the server's error (STYX_EREMOTE_TEXT when its text
 * is not one of errors.def: see words); ECANCELED when it was cancelled and the server did not do it; STYX_ENOFIT for a stat
 * record larger than cap; STYX_EBADSTAT, STYX_ENUL, STYX_EUTF8 for a reply that is wrong inside; STYX_EHANGUP. */
STYX_API styx_err styx_call_wait(styx_call *call);

/* True when the call is done. Does not block and makes no progress by itself. */
STYX_API bool styx_call_done(styx_call *call);

/* Ask the server to give the call up (Tflush). Does not block, and the call is still to be waited for. Its outcome then tells
 * what happened, which is up to the server: any outcome but ECANCELED with r.type 0 means that it was carried out, or refused,
 * as if never cancelled: a new fid exists, bytes were read or written. ECANCELED means that it never happened; of a Tclunk
 * or Tremove nobody can be sure of that, and the number of its fid must never be given back (styx_client_fid_put). Repeating it, or cancelling what is done, has
 * no effect. The server may take any time to answer, but not for ever. ENOMEM: nothing was sent, try again. */
STYX_API styx_err styx_call_cancel(styx_call *call);

/* A number for a new fid (STYX_EMANYFIDS when all are used, which takes 4 thousand million). styx_client_fid_put gives one
 * back that names nothing at the server: never used, refused, clunked or removed. The synchronous functions do both. */
STYX_API styx_err styx_client_fid(styx_client *client, uint32_t *fid);
STYX_API void styx_client_fid_put(styx_client *client, uint32_t fid);

/* ---- synchronous calls; all block; each is also thread-safe for one fid, as far as 9P gives that a meaning ---- */

/* The root of the tree aname ("" or NULL: the server's first) as user, without authentication. */
STYX_API styx_err styx_client_attach(styx_client *client, const char *uname, const char *aname, uint32_t *fid,
                                     styx_qid *qid);

/* A conversation about who we are: afid is read and written (styx_client_read, styx_client_write; offsets mean nothing) as server and
 * user have agreed, then serves any number of attaches with the same uname and aname, and is clunked like other fids.
 * STYX_ENOAUTH: the server asks nobody; attach without, or, if the server was to show who it is, give up. */
STYX_API styx_err styx_client_auth(styx_client *client, const char *uname, const char *aname, uint32_t *afid,
                                   styx_qid *aqid);
/* As styx_client_attach, by what afid has shown; STYX_NOFID: by nothing. */
STYX_API styx_err styx_client_attach_auth(styx_client *client, uint32_t afid, const char *uname, const char *aname,
                                          uint32_t *fid, styx_qid *qid);
/* The conversation of styx-auth(3) on a new afid with the names that it was made for: each end shows the other that it knows the
 * secret of this user (auth.h reads files of them). STYX_EREJECTED: the server takes ours for wrong, or its own is;
 * STYX_EAUTH: it speaks another protocol. Whatever fails, afid is good only to be clunked. */
STYX_API styx_err styx_client_secret(styx_client *client, uint32_t afid, const char *uname, const char *aname,
                                     const void *secret, size_t len);

/* path from fid, as a new fid. Elements are separated by any number of '/'; empty ones and "." are left out, ".." is the
 * server's to resolve; any number of elements (16 to a message). An empty path makes another fid for the same file. ENOENT
 * when one element is missing, ENOTDIR when one in the middle is no directory; then there is no new fid. qid may be NULL; it
 * is untouched for an empty path. */
STYX_API styx_err styx_client_walk(styx_client *client, uint32_t fid, const char *path, uint32_t *newfid,
                                   styx_qid *qid);

typedef struct styx_opened {
  styx_qid qid;
  uint32_t iounit; /* what one read or write moves in one message; never 0, never over msize - STYX_IOHDRSZ */
} styx_opened;

/* opened may be NULL in both. After create the fid names the new file. */
STYX_API styx_err styx_client_open(styx_client *client, uint32_t fid, uint8_t mode, styx_opened *opened);
STYX_API styx_err styx_client_create(styx_client *client, uint32_t fid, const char *name, uint32_t perm, uint8_t mode,
                                     styx_opened *opened);

/* One Tread or one Twrite: count is cut to what a message takes, and the server may do less. *got 0 is the end of the file. */
STYX_API styx_err styx_client_read(styx_client *client, uint32_t fid, uint64_t offset, void *buf, uint32_t count,
                                   uint32_t *got);
STYX_API styx_err styx_client_write(styx_client *client, uint32_t fid, uint64_t offset, const void *buf, uint32_t count,
                                    uint32_t *put);

/* The fid is gone, whatever these return. */
STYX_API styx_err styx_client_clunk(styx_client *client, uint32_t fid);
STYX_API styx_err styx_client_remove(styx_client *client, uint32_t fid);

/* The strings of stat borrow room (cap bytes; STYX_STATROOM is usual). STYX_ENOFIT when the record is larger. */
STYX_API styx_err styx_client_stat(styx_client *client, uint32_t fid, styx_stat *stat, void *room, size_t cap);
/* Start from styx_stat_untouched(). */
STYX_API styx_err styx_client_wstat(styx_client *client, uint32_t fid, const styx_stat *stat);

/* ---- directories ---- */

typedef struct styx_list {
  styx_stat *stats; /* count of them, in the server's order; their strings borrow the list */
  size_t count;
  void *room_; /* the library's */
  size_t cap_;
} styx_list;

/* Every entry of a directory that is open for reading, from its start. Over 1 GiB of records is EOVERFLOW, a reply that holds
 * no whole records STYX_EBADSTAT. styx_list_free gives it back (a zeroed one is allowed). */
STYX_API styx_err styx_client_list(styx_client *client, uint32_t fid, styx_list *out);
STYX_API void styx_list_free(styx_client *client, styx_list *list);

/* True for a name that one file of this machine can have: not empty, "." or "..", and without '/' and NUL. Pure. */
STYX_API bool styx_name_is_safe(styx_str name);

/* ---- whole files: several requests outstanding, the data in order ---- */

typedef struct styx_transfer {
  uint64_t offset; /* where in the remote file it starts */
  uint64_t length; /* reading: the file's length as stat says it. Up to there reads are sent ahead; past it, and with 0
                      (unknown: a stream, a device), one at a time until the end. Writing: about how much there
                      will be, so that small files take little memory; 0: unknown; it need not be right */
  uint32_t iounit; /* from styx_opened; 0: as large as a message takes */
  uint32_t
      window; /* requests outstanding; 0: 8. Use 1 to write where order matters more than offsets: append-only files,
                      streams, control files */
} styx_transfer;

/* Takes the next bytes; an error (any) ends the transfer with it. Runs on the calling thread without a lock. */
typedef styx_err styx_sink_fn(void *arg, const void *data, size_t len);
/* Fills buf with up to cap bytes; *got 0 is the end. */
typedef styx_err styx_source_fn(void *arg, void *buf, size_t cap, size_t *got);

/* Read from an open fid to the end of the file. Short replies are filled up, so the sink sees every byte once and in order.
 * *moved, unless NULL, counts the bytes that the sink took, also on failure. Blocks; one thread for each transfer. */
STYX_API styx_err styx_client_get(styx_client *client, uint32_t fid, const styx_transfer *how, styx_sink_fn *sink,
                                  void *arg, uint64_t *moved);

/* Write what the source gives to an open fid. Each portion the source gives is one Twrite (so a source that gives lines writes
 * lines); a short reply is followed by another for the rest; a count of 0 is EIO. When it fails, writes that were sent ahead
 * may have happened. *moved as above counts the bytes up to the first that the server did not take. */
STYX_API styx_err styx_client_put(styx_client *client, uint32_t fid, const styx_transfer *how, styx_source_fn *source,
                                  void *arg, uint64_t *moved);

/* A whole small file in one round trip: walk, open, read and clunk in one flight. Only for servers that keep the order of
 * requests on a fid (ours does; 9P does not promise it). length is what stat said, at most msize - STYX_IOHDRSZ, and buf has
 * room for one byte more. STYX_ENOFIT when the file has another length, or the server's reads are short: then use walk, open
 * and styx_client_get. */
STYX_API styx_err styx_client_fetch(styx_client *client, uint32_t dir, const char *path, void *buf, uint32_t length);

#ifdef __cplusplus
}
#endif
#endif
