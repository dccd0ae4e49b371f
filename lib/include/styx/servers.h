/* styx/servers.h: for programs that want to see every request: the styxservers kit.
 *
 * A program that would rather supply operations writes a table for fs.h. Here it gets each T-message instead, handles those it cares
 * about, and leaves the rest to styx_default. The kit knows what fids are, checks what clients may do, walks, lists directories;
 * what files there are it asks a navigator (navigator.h), what is in them only the program knows. The handler of a server
 * whose files are read:
 *
 *     static styx_answer request(styx_req *req, const styx_msg *t) {
 *       const styx_fid *f;
 *       if (t->type != STYX_Tread || styx_can_read(req, &f) || f->qid.type & STYX_QTDIR)
 *         return styx_default(req);
 *       return styx_readstr(req, text_of(f->qid.path));
 *     }
 *
 * It is served as a styx_export that is the only one, by styx_server (server.h: requests of all connections on many threads
 * at once) or by a styx_session that is fed with bytes (session.h: no thread at all). What those do stays theirs: versions,
 * tags, flush, limits. So a handler sees every message but Tversion and Tflush, and answers when it likes, from any thread, as
 * req.h says; a Tflush cancels the request, and a Tversion ends all fids before it is answered.
 *
 * Requests come to the handler in no order, but for fids: one that makes, changes or drops a fid (Tauth, Tattach, Twalk,
 * Topen, Tcreate; Tclunk, Tremove) is not called before those before it that do so have been answered, nor are requests behind it that use
 * the fid. Reads of one directory come one at a time.
 *
 * Unless a function says otherwise: call it between the start of the handler and the answer, from the thread that has the request;
 * it does not block. Functions whose argument is a styx_req and whose result is a styx_answer answer the request, now or when
 * the navigator has answered, so what they return is what the handler returns. styx-servers(3) has the names of styxservers(2)
 * beside these, and where they differ. Source: that page, and contract.md 4.1 to 4.3.
 */
#ifndef STYX_SERVERS_H
#define STYX_SERVERS_H

#include <styx/navigator.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_kit styx_kit; /* what is served: the program's table, a navigator, a root */
typedef struct styx_srv styx_srv; /* one connection to it */

/* What a fid is. An object never changes once a request has made it: a Topen, a Tcreate and a Twalk of a fid onto itself make a
 * new one for the same fid when they succeed, and leave the old one when they fail. The strings live as long as the object. */
typedef struct styx_fid {
  uint32_t fid;   /* the client's number */
  styx_qid qid;   /* of the file */
  bool isopen;    /* by Topen or Tcreate */
  uint8_t mode;   /* if open: STYX_OREAD, OWRITE, ORDWR or OEXEC, and STYX_ORCLOSE */
  styx_str uname; /* of the Tattach that it descends from */
  styx_str param; /* its aname */
  uint64_t root;  /* the path that was attached: ".." stops there */
} styx_fid;

/* What the program supplies; any may be NULL, and false. All are called from any thread, many at once unless serial says otherwise,
 * with no lock held. */
typedef struct styx_kit_ops {
  size_t size;        /* sizeof(styx_kit_ops) */
  const char *name;   /* for logs */
  styx_serial serial; /* which requests must not run beside each other (fs.h): STYX_SERIAL_CONNECTION is a handler like
                         that of styxservers(2). What waits for an answer does not run. */
  bool nowait;        /* as fs.h says, of every request, of gone and of the navigator */
  bool blocking;      /* likewise */

  /* A T-message; t lives until the answer. NULL: styx_default(req). */
  styx_answer (*request)(styx_req *req, const styx_msg *t);

  /* Every reply that is made by a function of this header, before it is sent: of one connection one at a time, in the order in which
   * they were made, whatever thread they were made on. r is what was made, its tag set, and lives until this returns. It is
   * passed on, as it is or changed, by styx_srv_direct, at once or later, on any thread; replies go out in the order of
   * those calls. (What the session says by itself is not seen: Rversion, Rflush, refusals of what never came to the handler; nor what
   * is answered by functions of req.h.) NULL: styx_srv_direct(req, r). */
  styx_answer (*reply)(styx_req *req, const styx_msg *r);

  /* A fid comes into being: by Tauth or Tattach (from NULL), or by a Twalk from another. The place to set its data, a copy of
   * what from has (styx_fid_data). An error refuses the request, and then there is nothing for gone. NULL: the data of a new
   * fid is NULL, of a walked one the same pointer. */
  styx_err (*made)(styx_req *req, const styx_fid *fid, const styx_fid *from);

  /* The fid is gone, and nobody has it any more: clunked, removed, at Tversion, at the end of the connection, or the request that
   * made it has failed. Called exactly once for each fid of which made was called with success (or would have been). fid is what it was
   * last: open with STYX_ORCLOSE says that the file is to be removed now. There is no request any more; ctx is the kit's. */
  void (*gone)(void *ctx, const styx_fid *fid);

  /* As in fs.h. */
  styx_err (*init)(void *ctx);
  void (*cleanup)(void *ctx);

  /* One message, while styx_traceset is on. NULL: a line on standard error. */
  void (*trace)(void *ctx, bool out, const styx_msg *m);
} styx_kit_ops;

typedef struct styx_kit_config {
  size_t size;                     /* sizeof(styx_kit_config) */
  const styx_kit_ops *ops;         /* outlives the kit */
  void *ctx;                       /* the program's own: styx_srv_ctx */
  styx_navigator navigator;        /* what it asks; may serve other kits too */
  uint64_t root;                   /* path of what an attach leads to */
  uint32_t iounit;                 /* the largest read or write in one message; 0: msize - 24, which also bounds it */
  const styx_allocator *allocator; /* NULL: malloc; copied */
} styx_kit_config;

/* STYX_EBADARG: no ops, or a navigator without one of its operations. ENOMEM. */
STYX_API styx_err styx_kit_new(styx_kit **out, const styx_kit_config *config);

/* When no session serves it any more. NULL is nothing to do. */
STYX_API void styx_kit_free(styx_kit *kit);

/* For a styx_export, which has to be the only one of its server or session. */
STYX_API styx_fs styx_kit_fs(styx_kit *kit);

/* Trace requests as they come to the handler, and replies as styx_srv_direct sends them. Off at first; off, it costs one look at
 * a flag. Any thread, any time. (All that is on the wire, with the rest of the session's: styx_server_config.trace.) */
STYX_API void styx_traceset(styx_kit *kit, bool on);

/* ---- the connection ---- */

STYX_API styx_srv *styx_req_srv(const styx_req *req);

/* Any time while srv is there: until gone has been called for its last fid, and its last request is answered. */
STYX_API void *styx_srv_ctx(const styx_srv *srv);
STYX_API const styx_navigator *styx_srv_navigator(const styx_srv *srv);
STYX_API uint32_t styx_srv_msize(const styx_srv *srv); /* what Tversion has settled */

/* For Ropen and Rcreate: msize - 24, or the kit's iounit if that is less. */
STYX_API uint32_t styx_iounit(const styx_req *req);

/* ---- answers ---- */

/* The reply r to the request: an R-message of its kind or an Rerror; the tag is filled in. Copied, with all that it points to. */
STYX_API styx_answer styx_srv_reply(styx_req *req, const styx_msg *r);

/* The same, not shown to the program's reply: for that to call. A reply that is longer than msize becomes the error
 * STYX_ENOFIT ("Styx reply didn't fit"); only the text of an Rerror is cut instead. */
STYX_API styx_answer styx_srv_direct(styx_req *req, const styx_msg *r);

/* Rerror with the text of err. */
STYX_API styx_answer styx_srv_error(styx_req *req, styx_err err);

/* Whatever is fit: what styx_srv_attach and the six after it do; STYX_ENOAUTH for Tauth; EACCES ("permission denied") for Tcreate,
 * Twrite and Twstat. */
STYX_API styx_answer styx_default(styx_req *req);

/* Each for a message of its kind. They check fids, modes, counts and offsets, and answer with the error that they find.
 *
 * attach: a new fid for the root (_at: for another path, such as aname chooses). ENOTDIR when that is no directory, STYX_EINUSE,
 *   and what the navigator says. afid, unless NOFID, must be an open fid whose qid says STYX_QTAUTH (STYX_EBADFID, STYX_EAUTHFID) and that was made
 *   for the same uname and aname (STYX_EAUTH); whether it was convincing is for the program to know, as is whether it may be absent.
 * walk: as contract 1.8 says, with x needed in each directory (EACCES).
 * open: as styx_can_open.
 * read: directories, in whole entries; files are EACCES. STYX_EOFFSET when the offset is neither 0 nor where the last read has
 *   ended. An entry that is longer than count is STYX_ESMALLBUF, unless a larger read of the rest can carry it: then 0 bytes, as Linux
 *   expects where it fills up a buffer.
 * stat: needs no permission.
 * clunk: success. remove: EACCES always; either way the fid is gone. */
STYX_API styx_answer styx_srv_attach(styx_req *req);
STYX_API styx_answer styx_srv_attach_at(styx_req *req, uint64_t root);
STYX_API styx_answer styx_srv_walk(styx_req *req);
STYX_API styx_answer styx_srv_open(styx_req *req);
STYX_API styx_answer styx_srv_read(styx_req *req);
STYX_API styx_answer styx_srv_stat(styx_req *req);
STYX_API styx_answer styx_srv_clunk(styx_req *req);
STYX_API styx_answer styx_srv_remove(styx_req *req);

/* Tread: the part of a whole file of len bytes that the message asks for. readstr: of a terminated string, which may be cut within a
 * character. */
STYX_API styx_answer styx_readbytes(styx_req *req, const void *data, size_t len);
STYX_API styx_answer styx_readstr(styx_req *req, const char *text);

/* ---- checks: they change nothing and answer nothing ---- */

/* Tread, Twrite: may it be done? 0, and *f is the fid; else, in this order: STYX_EBADFID; STYX_ENOTOPEN; EACCES (a write to a
 * directory); STYX_EBADUSE (not open in a suitable mode); STYX_ECOUNT (a read of more than msize - 24); STYX_EOFFSET (past
 * 2^63 - 1). *f is untouched then. */
STYX_API styx_err styx_can_read(const styx_req *req, const styx_fid **f);
STYX_API styx_err styx_can_write(const styx_req *req, const styx_fid **f);

/* What a check that asks the navigator has found; good during the call that brings it. */
typedef struct styx_check {
  styx_err err;        /* 0: it may be done; else why not, and the rest is zero */
  const styx_fid *fid; /* of the message */
  uint8_t mode;        /* open, create: for styx_openfid */
  styx_attr
      attr; /* open: of the file. create: what the new file begins with (name, uid, gid, muid, mode and qid.type); qid.path
                          and the times are for the program */
  uint64_t parent; /* remove: path of the directory */
} styx_check;

/* The rest of the handler, called once with the result: before the check returns, or when the navigator has answered and on that
 * thread. Its answer is the request's. */
typedef styx_answer styx_checked(styx_req *req, const styx_check *check, void *arg);

/* open: STYX_EBADFID; STYX_EOPEN; what the navigator says; STYX_EBADARG (mode); EACCES (a directory not for STYX_OREAD; permission;
 * for STYX_ORCLOSE also w in the directory that has it, and no root).
 * create: STYX_EBADFID; STYX_EOPEN; what the navigator says; ENOTDIR; EACCES (no w); EEXIST; STYX_EBADARG (mode); EACCES (a new directory
 * not for STYX_OREAD). Illegal names are refused before the handler is called.
 * remove: STYX_EBADFID; STYX_ENOPARENT; EACCES (a root; no w in the directory that has it). */
STYX_API styx_answer styx_can_open(styx_req *req, styx_checked *then, void *arg);
STYX_API styx_answer styx_can_create(styx_req *req, styx_checked *then, void *arg);
STYX_API styx_answer styx_can_remove(styx_req *req, styx_checked *then, void *arg);

/* ---- fids ---- */

/* What fid, which the message names, stood for when the turn of the request came; NULL for none. Good until the answer; a Tclunk or
 * Tremove has it too, although it is gone by then. */
STYX_API const styx_fid *styx_getfid(const styx_req *req, uint32_t fid);

/* The fid that an answer of success to this message makes: of a Tauth (afid), Tattach (fid) or Twalk (newfid; or fid, if that
 * is the same), for the file with this qid. It does not exist for others before that answer, and not at all if the answer is an error or an
 * Rwalk with fewer qids than names. STYX_EBADFID (no fid to walk from, NOFID), STYX_EINUSE, STYX_EOPEN (to walk from), STYX_EMANYFIDS,
 * ENOMEM, or what made said. out may be NULL. */
STYX_API styx_err styx_newfid(styx_req *req, styx_qid qid, const styx_fid **out);

/* The same of a Topen or Tcreate: its fid, now open with this mode. STYX_EBADFID, STYX_EOPEN, ENOMEM. */
STYX_API styx_err styx_openfid(styx_req *req, styx_qid qid, uint8_t mode, const styx_fid **out);

/* Take away a fid that its client has not clunked: it is a bad fid from here on, save for requests that have it already, and its
 * number may be used again. (Tclunk and Tremove need no call.) Any thread that has f. */
STYX_API void styx_delfid(const styx_fid *f);

/* What the number stands for now, counted: styx_putfid ends that. NULL for none. Any thread that has srv. */
STYX_API const styx_fid *styx_srv_getfid(styx_srv *srv, uint32_t fid);
STYX_API void styx_putfid(const styx_fid *f); /* may call gone */

/* Call fn for each, in no order. They are those of one moment; fn may call anything. ENOMEM: it has not been called. Any thread that
 * has srv. */
typedef void styx_allfids_fn(void *arg, const styx_fid *f);
STYX_API styx_err styx_allfids(styx_srv *srv, styx_allfids_fn *fn, void *arg);

/* The program's own pointer, NULL at first, the same for all objects of a fid. Any thread that has f; the last to set it wins. */
STYX_API void *styx_fid_data(const styx_fid *f);
STYX_API void styx_fid_set_data(const styx_fid *f, void *data);

/* ---- pure ---- */

/* May uname open a file with this mode (STYX_OREAD, …; STYX_OTRUNC counts), these permissions, owner and group? styx_access_ok has
 * the formula; a directory is never truncated. */
STYX_API bool styx_openok(styx_str uname, uint8_t mode, uint32_t perm, styx_str uid, styx_str gid);

/* mode without STYX_OTRUNC and STYX_ORCLOSE, or -1 if it has any bit that no mode has. STYX_OEXEC is a mode. */
STYX_API int styx_openmode(int mode);

#ifdef __cplusplus
}
#endif
#endif
