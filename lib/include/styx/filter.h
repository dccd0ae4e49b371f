/* styx/filter.h: small filesystems that stand in front of another and get in its way: to see how clients, and servers, take
 * what rarely happens. They stack: one may stand in front of another. fs.h has what they are made of (any, styx_pass).
 *
 * A filter is asked before the operation begins, so whatever it answers itself has had no effect. It is not asked for close
 * and forget, which are no requests, and changes no answer of the filesystem behind it. Where a walk has several names, each
 * is an operation.
 *
 * A specification is NAME or NAME:KEY=VALUE,KEY=VALUE…:
 *
 *   delay     op= path= how= and one of ms= for=
 *             Let operations wait, then go on. ms=N is milliseconds, for=ever is until the request is cancelled. how= says at
 *             whose expense. park (the default) keeps the request and no thread. block declares those operations blocking, of
 *             whatever path, and blocks: a spare worker is held. hog blocks without having said so: a worker is held, and when
 *             all are, nothing but Tflush, Tversion and hangup is promised. A request that waits can always be cancelled, and
 *             is then interrupted. So remove, which the protocol does not let anybody cancel, is not delayed.
 *   error     op= path= rate= seed= and errno=
 *             Answer operations by an error: its name in errors.def ("ENOSPC", "EBADFID") or an errno. rate= is the share of
 *             them that fail, from 0 to 1 (the default). Which ones is up to seed=N (1): the same order of operations fails
 *             in the same way.
 *   log       op= path=
 *             Call the log of styx_filter_config for each operation when it begins.
 *   readonly  Answer EROFS to whatever would change something: create, write, setattr, remove and so on, and open for writing,
 *             with truncation or with removal on close.
 *
 * op= is one or more slots of styx_fs_ops, joined by "+" ("read+readdir": directories are read by the latter), or "*", the
 * default. path= is a path as styx_req_path has it, or that of a directory and a slash and an asterisk, for all beneath it;
 * without it everything. A path with a comma cannot be written.
 */
#ifndef STYX_FILTER_H
#define STYX_FILTER_H

#include <styx/alloc.h>
#include <styx/fs.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct styx_filter styx_filter;

typedef struct styx_filter_config {
  size_t size;                     /* sizeof(styx_filter_config) */
  const styx_allocator *allocator; /* NULL: malloc; copied */
  /* Of the filter log; NULL: nothing. Called from any thread that runs operations; must not block. op is a constant; path and
   * user live until it returns. */
  void (*log)(void *arg, const char *op, styx_str path, styx_str user);
  void *arg;
} styx_filter_config;

/* Room for what is wrong with any specification. */
enum { STYX_FILTER_WHY = 256 };

/* Is spec one? STYX_EBADARG if not, and why then says what is wrong with it and what would be right, cut at cap, terminated.
 * Pure. */
STYX_API styx_err styx_filter_check(const char *spec, char *why, size_t cap);

/* A filter in front of inner, which outlives it. config may be NULL; it is copied, as is spec. STYX_EBADARG if styx_filter_check
 * says so, ENOMEM, or the kernel's error. */
STYX_API styx_err styx_filter_new(styx_filter **out, const char *spec, styx_fs inner, const styx_filter_config *config);
/* Only when no session serves it any more. NULL is harmless. */
STYX_API void styx_filter_free(styx_filter *filter);
/* Its init and cleanup are inner's. It serves any number of sessions. */
STYX_API styx_fs styx_filter_fs(styx_filter *filter);

/* ---- time: for delay with how=park and ms=, which needs somebody who waits ----
 *
 * A descriptor that becomes readable when requests have waited long enough; then call styx_filter_tick, which hands them on. It
 * stays the filter's: poll it, from new to free, do nothing else with it. -1 for every other filter. Without a tick requests
 * wait until they are cancelled. Any thread; neither blocks. */
STYX_API int styx_filter_fd(const styx_filter *filter);
STYX_API void styx_filter_tick(styx_filter *filter);

#ifdef __cplusplus
}
#endif
#endif
