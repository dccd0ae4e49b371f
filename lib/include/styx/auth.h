/* styx/auth.h: who somebody is, settled before an attach.
 *
 * An export with a styx_auth (session.h) serves nobody whom that has not let in. A client opens a conversation by Tauth: the afid
 * is a file that exists for it alone, and what is read from it and written to it is the plug's affair, whose functions are
 * styx_auth_ops. A Tattach that names the afid goes on to the filesystem only if
 *
 *   the afid was made by Tauth, on this connection, and is not clunked (STYX_EBADFID, STYX_EAUTHFID if not);
 *   its user and tree (uname, aname) are those of the Tattach, byte for byte (STYX_EAUTH if not);
 *   done says so.
 *
 * The same afid then serves any number of attaches. A Tattach without an afid is decided by no_afid. Whatever goes wrong,
 * an error of any kind, memory, a conversation that is not over, a slot that is NULL, is a refusal.
 *
 * The session owns everything that is 9P: the afid is made with a qid of type QTAUTH, it can be read, written, clunked and
 * looked at by Tstat, everything else is refused; offsets mean nothing. What is read and written, and attaches that ask
 * for it, are passed on one at a time for each afid, in the order in which they came, the next when the one before is
 * answered: so a client may send its side ahead, and a plug needs no lock for what belongs to one conversation. A request
 * that waits or runs can be flushed like any other; none is left to itself.
 *
 * Two plugs: secrets shared between server and users, and what the kernel says about the other end of a Unix socket. Source:
 * contract.md 1.7 and 8.5.
 */
#ifndef STYX_AUTH_H
#define STYX_AUTH_H

#include <styx/alloc.h>
#include <styx/req.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what a plug supplies ----
 *
 * Functions that take a styx_req answer it as req.h says, now or later, and run where operations of filesystems run. The names
 * of the Tauth, and of the attach, are styx_req_user and styx_req_aname; styx_req_ctx is the ctx of the styx_auth. An answer
 * of another kind than the slot names counts as EIO. styx_pass, styx_reply_pass and styx_reply_would_block are not for them. */
typedef struct styx_auth_ops {
  size_t size;      /* sizeof(styx_auth_ops): slots past it count as NULL, so the table can grow */
  const char *name; /* for logs */
  bool blocking;    /* what takes a styx_req may block for long: it runs on a spare worker. end never blocks */

  /* A Tauth. Answers: node, with what this conversation is to the plug (may be NULL), of whose qid nothing is looked at. It
   * is the session's until end. NULL: STYX_ENOAUTH, "authentication not required", which tells a client to attach without. */
  styx_answer (*start)(styx_req *);
  /* Answers: data, filled, ref. NULL: EACCES. */
  styx_answer (*read)(styx_req *, void *conversation, uint32_t count);
  /* Answers: count. NULL: EACCES. */
  styx_answer (*write)(styx_req *, void *conversation, const void *data, uint32_t count);
  /* A Tattach with this afid and the same names. Answers: ok, if the conversation has shown who the user is; else an error.
   * It may be asked any number of times. NULL: STYX_EAUTH. */
  styx_answer (*done)(styx_req *, void *conversation);
  /* The afid is gone (clunked, hung up, a new version) and nothing that used it is outstanding. Called exactly once for
   * each conversation that was answered. NULL: nothing to do. */
  void (*end)(void *ctx, void *conversation);

  /* A Tattach without an afid. Answers: ok, if it is known without a conversation who asks. NULL: STYX_EAUTH. */
  styx_answer (*no_afid)(styx_req *);
} styx_auth_ops;

/* A plug and its own state. Both outlive every session that uses it; one may serve any number of sessions and exports. */
typedef struct styx_auth {
  const styx_auth_ops *ops; /* NULL: anybody is served */
  void *ctx;
} styx_auth;

/* ---- the other end of the connection, as the kernel knows it ---- */

typedef struct styx_peer {
  uint32_t uid, gid; /* the effective ones, at the time it connected */
  int32_t pid;       /* 0: not known */
} styx_peer;

/* False: not known (the connection is no Unix socket, or the embedder has not said: styx_session_config.peer). For any request,
 * those of filesystems too; from any thread, between the start of the handler and the answer. */
STYX_API bool styx_req_peer(const styx_req *req, styx_peer *out);

/* ---- plug: peer credentials ----
 *
 * Lets in who connected through a Unix socket and attaches as the user that the connecting process belongs to: uname is a
 * name of the user database with the same number, or, where it is no name there, that number in decimal. A process of uid 0
 * may attach as anybody. Everybody else is refused (STYX_EREJECTED), and so is every connection whose peer is not known.
 *
 * There is no conversation: Tauth gets STYX_ENOAUTH, and afids are refused. So clients that cannot authenticate work, the Linux
 * kernel's too. What it looks up may block. */
typedef struct styx_peer_users {
  /* The number of the user name, which is not terminated; false: there is none. NULL: the system's user database. From any
   * thread, many at once; may block. */
  bool (*lookup)(void *arg, styx_str name, uint32_t *uid);
  void *arg;
} styx_peer_users;

/* users (may be NULL) is not copied: it outlives the plug's use. */
STYX_API styx_auth styx_peer_auth(const styx_peer_users *users);

/* ---- plug: shared secrets ----
 *
 * Each user shares a secret with the server; each end shows the other that it knows it, without sending it. styx-auth(3) has the
 * protocol. It says who attaches, and no more: what goes over the connection afterwards is neither encrypted nor protected from
 * whoever can change it on its way. Who listens can try guesses at the secret for as long as he likes, so it has
 * to be random: STYX_SECRET_LEAST bytes is the least that is taken.
 *
 * The file has a line for each user, NAME:SECRET, where NAME has no colon and SECRET is the rest of the line; empty lines and lines
 * that begin with # are passed over. It has to belong to the process's (effective) user or to root, and nobody else
 * may read or write it. */
typedef struct styx_secrets styx_secrets;

enum { STYX_SECRET_LEAST = 16, STYX_SECRET_MOST = 1024, STYX_SECRETS_WHY = 512 };

/* Read the file; it is not looked at again. Blocks. Fails with the kernel's error; EACCES, others may read or write it, or it
 * belongs to somebody else; EFBIG, over 256 KiB; STYX_EBADARG, its content is wrong; ENOMEM; EIO, libcrypto does not work.
 * why then says what is wrong and what to do, without the name of the file: at most cap bytes, terminated. allocator (NULL: malloc)
 * is copied. */
STYX_API styx_err styx_secrets_open(styx_secrets **out, const char *path, const styx_allocator *allocator, char *why,
                                    size_t cap);
/* Only when no session uses it any more. The memory is overwritten first. NULL is harmless. */
STYX_API void styx_secrets_free(styx_secrets *secrets);

/* The secret of a user, for clients; NULL: he has none. It belongs to secrets. Any thread. */
STYX_API const void *styx_secrets_find(const styx_secrets *secrets, styx_str user, size_t *len);

/* The server's end. A user without a secret is refused as one with a wrong one (STYX_EREJECTED), after the same
 * conversation and the same work. Does not block. */
STYX_API styx_auth styx_secrets_auth(styx_secrets *secrets);

#ifdef __cplusplus
}
#endif
#endif
