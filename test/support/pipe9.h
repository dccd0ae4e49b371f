/* support/pipe9.h: a 9P client joined to a session memory to memory: no thread, no socket, no waiting.
 *
 * What a test sends is fed to the session, its work is run on the spot, its answers are retired and decoded. Misuse,
 * and a session that ends or leaves a p9_rpc without an answer, end the program with a message. Several pipes may serve
 * the same filesystems.
 */
#ifndef SUPPORT_PIPE9_H
#define SUPPORT_PIPE9_H

#include <stdatomic.h>
#include <styx/session.h>

struct p9;

/* An allocator that counts bytes, and that fails once: at call number fail_at (from 1; 0: never). */
struct p9_heap {
  atomic_size_t live, calls;
  size_t fail_at;
};
styx_allocator p9_heap_allocator(struct p9_heap *heap);

/* A session over these exports (which outlive it), Tversion done with msize 65536. */
struct p9 *p9_new(const styx_export *exports, size_t nexports);
/* One filesystem, writable, for any aname. fs is copied. */
struct p9 *p9_new_fs(styx_fs fs);
/* Any session; msize 0: no Tversion is sent. NULL when styx_session_new fails. */
struct p9 *p9_new_session(const styx_session_config *config, uint32_t msize);

/* Hang up and see the session to its end: everything is closed and forgotten then. NULL is harmless. */
void p9_free(struct p9 *p);
styx_session *p9_session(struct p9 *p);

/* ---- messages ---- */

/* Send *t under a tag of its own and return the reply in *r, whose strings and data live until the next call. Aborts
 * when there is none. Other replies that come are kept for p9_take. */
void p9_rpc(struct p9 *p, const styx_msg *t, styx_msg *r);

/* The parts of it. p9_submit sends with the tag that is in *t and runs nothing; p9_pump runs, retires and collects
 * until nothing moves; p9_take gives the next reply, or says false. */
void p9_submit(struct p9 *p, const styx_msg *t);
void p9_submit_bytes(struct p9 *p, const void *buf, size_t len);
void p9_pump(struct p9 *p);
bool p9_take(struct p9 *p, styx_msg *r);

/* ---- one call for each request; a refusal is the error that the text of Rerror stands for ---- */

styx_err p9_attach(struct p9 *p, uint32_t fid, const char *uname, const char *aname);
/* path is elements with '/' between, "" clones. ENOENT also when only a part of it could be walked. */
styx_err p9_walk(struct p9 *p, uint32_t fid, uint32_t newfid, const char *path);
styx_err p9_walk_qid(struct p9 *p, uint32_t fid, uint32_t newfid, const char *path, styx_qid *last);
styx_err p9_open(struct p9 *p, uint32_t fid, uint8_t mode);
styx_err p9_create(struct p9 *p, uint32_t fid, const char *name, uint32_t perm, uint8_t mode);
styx_err p9_read(struct p9 *p, uint32_t fid, uint64_t offset, void *buf, uint32_t count, uint32_t *got);
styx_err p9_write(struct p9 *p, uint32_t fid, uint64_t offset, const void *data, uint32_t count, uint32_t *got);
styx_err p9_clunk(struct p9 *p, uint32_t fid);
styx_err p9_remove(struct p9 *p, uint32_t fid);
styx_err p9_stat(struct p9 *p, uint32_t fid, styx_stat *stat); /* strings live until the next call */
styx_err p9_wstat(struct p9 *p, uint32_t fid, const styx_stat *stat);

/* The error of a reply: STYX_OK, or what its text reads back as. */
styx_err p9_error(const styx_msg *r);

#endif
