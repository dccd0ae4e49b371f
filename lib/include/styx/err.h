/* styx/err.h: errors as values, from one table.
 *
 * A styx_err is 0 for success, 1 to 4095 for a Linux errno, and from 0x1000 an error of the protocol itself. All come
 * from lib/base/errors.def: each row has a name, the errno that the .u and .L dialects send, and the text that 9P2000
 * sends (contract.md 1.13). Functions of the library return a styx_err and never set errno; results go through
 * out-parameters, which are untouched when the call fails.
 *
 * Every function here is pure: any thread, does not block, cannot fail.
 */
#ifndef STYX_ERR_H
#define STYX_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define STYX_API __attribute__((visibility("default")))
#define STYX_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define STYX_API
#define STYX_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef int styx_err;

/* STYX_OK, then one constant for each STYX_ERROR row. Linux errnos keep their own names from <errno.h>. */
enum {
  STYX_OK = 0,
#define STYX_ERRNO(name, text)
#define STYX_ERROR(name, code, errno_, text) STYX_##name = (code),
#include <styx/errors.def>
#undef STYX_ERRNO
#undef STYX_ERROR
};

/* The text that 9P2000 sends for err: a constant string, never NULL, valid for ever. An errno without a row has the C
 * library's untranslated text; what is no error at all has "unknown error". STYX_OK is "no error". */
STYX_API const char *styx_err_text(styx_err err);

/* The Linux errno that 9P2000.u and 9P2000.L send for err; an errno is itself, what has no row is EIO. */
STYX_API int styx_err_errno(styx_err err);

/* The error that a peer's text stands for: the first row with this text, else what lib/base/aliases.def knows of other
 * servers' words (some by their beginning or end, as "NAME: authentication not required"), else the errno whose text in
 * the C library it is, else STYX_EREMOTE_TEXT. Several texts have one error: keep the peer's own words beside it. text
 * may be NULL when len is 0. */
STYX_API styx_err styx_err_from_text(const char *text, size_t len);

/* The error that an error reply with a number stands for: Rerror of 9P2000.u (text and errno, contract.md 1.14) or
 * Rlerror of 9P2000.L (contract.md 1.15: no text, so len is 0 and text may be NULL). The first of these that holds:
 *
 *   the text is known to styx_err_from_text, and ecode is its styx_err_errno or no errno at all: the text's error
 *   ecode is 1 to 4095: ecode itself
 *   there is a text: STYX_EREMOTE_TEXT
 *   there is none: EIO
 *
 * "No errno at all" is 0, what is over 4095, and a number that the C library has no text for. So the result is never
 * STYX_OK, and an error of the protocol's own comes from a text alone. Keep the peer's words, as above. */
STYX_API styx_err styx_err_from_wire(const char *text, size_t len, uint32_t ecode);

/* True when the byte stream cannot be followed after err, so that the connection must end (design.md 7). For what
 * decoding found: an error that was read from a peer's reply ends nothing. */
STYX_API bool styx_err_is_framing(styx_err err);

#ifdef __cplusplus
}
#endif
#endif
