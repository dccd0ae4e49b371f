/* styx/msgio.h: one 9P message at a time from a file descriptor: readmsg, Tmsg.read and Rmsg.read of styx(2).
 *
 * For programs that speak the protocol themselves: a small server or client in a loop, a proxy, a tracer. They write with
 * styx_encode and write(2). (styx/server.h and styx/client.h read for their users.)
 *
 * The descriptor may be anything that read(2) reads in order: a pipe, a socket, a terminal, a file. It stays the caller's and
 * may be passed on between two messages, since no byte is ever read behind the message that was asked for. These functions
 * block as long as read(2) on it does; EINTR is retried. A styx_msgbuf belongs to one descriptor and is used by one thread at
 * a time; different ones are independent.
 *
 * Sources: styx(2); contract.md 1.16.
 */
#ifndef STYX_MSGIO_H
#define STYX_MSGIO_H

#include <styx/alloc.h>
#include <styx/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a message is gathered: the caller's memory, for as long as the descriptor is read. It grows with the bytes that have
 * come, to less than twice those plus 4 KiB, whatever a size field promises, and never shrinks. */
typedef struct styx_msgbuf {
  uint8_t *data;      /* the message that the last read returned, until the next read or styx_msgbuf_fini */
  size_t have_, cap_; /* the library's */
  const styx_allocator *allocator; /* NULL: malloc; outlives the buffer */
} styx_msgbuf;

STYX_API void styx_msgbuf_init(styx_msgbuf *buf, const styx_allocator *allocator); /* allocates nothing yet */
STYX_API void styx_msgbuf_fini(styx_msgbuf *buf); /* frees; buf is then as after styx_msgbuf_init */

/* Read exactly one message, a T-message or an R-message, as it is: only its size field is looked at. msize is the size that
 * was agreed, and 0, which is no limit, is for before that. (What an unknown peer can then make the program hold is bounded
 * by 4 GiB only: a server had better say 8192.)
 *
 * Returns the size of the message, 7 or more, which is at buf->data; 0 when the stream has ended before a first byte of a
 * message; or the negative of a styx_err:
 *   STYX_EFRAME (size field under 7), STYX_ETOOLONG (over msize), both said as soon as the size field is there, STYX_ETRUNC
 *     (the stream has ended inside the message, be it inside its size field): nothing more can be read;
 *   ENOMEM, EAGAIN and EWOULDBLOCK (a descriptor in non-blocking mode has no more for now): what has come is kept, and the
 *     next call goes on where this one stopped. So does one after any other error of read(2), if there is sense in it. */
STYX_API ptrdiff_t styx_readmsg(styx_msgbuf *buf, int fd, uint32_t msize);

/* Read exactly one T-message, or one R-message, and decode it. *msg borrows from buf: it is good until the next read on buf.
 * The dialect is the one that was agreed, before that any; msize is as above.
 *
 * Returns the size of the message; or 0 at a clean end of the stream, *msg being untouched; or the negative of a styx_err,
 * *msg being of type STYX_Readerror then, with the reason, which is styx_err_text of the error, as ename (a constant string).
 * The errors are those of styx_readmsg, after which the tag means nothing, and of what is wrong inside a message that has
 * come whole:
 *   STYX_EBADT (styx_tmsg_read) or STYX_EBADR (styx_rmsg_read): a message of the other kind, a count or string that reaches
 *     past the end, bytes left over; the errors of styx_decode that it does not call framing errors (STYX_EUNKNOWN, …).
 *     The tag is then the message's, so that a server can answer Rerror, the bytes are at buf->data, and the next call reads
 *     the next message. */
STYX_API ptrdiff_t styx_tmsg_read(styx_msg *msg, styx_msgbuf *buf, int fd, uint32_t msize, styx_dialect dialect);
STYX_API ptrdiff_t styx_rmsg_read(styx_msg *msg, styx_msgbuf *buf, int fd, uint32_t msize, styx_dialect dialect);

#ifdef __cplusplus
}
#endif
#endif
