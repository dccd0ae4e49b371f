/* styx/trace.h: conversations as a pcapng file, for programs such as Wireshark that know 9P.
 *
 * The file says that each connection went over TCP between a client's port on the loopback network and port 564,
 * whatever it really went over: with a handshake before the first message, every message in segments of its own, right
 * checksums and sequence numbers, and an end. This only makes bytes: it does no I/O, allocates nothing and knows no time.
 *
 * Threads: the calls on one styx_pcapng by one thread at a time. They block only as the caller's write does. Each returns
 * false as soon as write does: then the file ends in the middle of a block, and nothing more should be written to it.
 */
#ifndef STYX_TRACE_H
#define STYX_TRACE_H

#include <styx/err.h>
#include <styx/span.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The file. The caller's; set both fields. */
typedef struct styx_pcapng {
  bool (*write)(void *arg, const void *bytes, size_t len); /* takes all of the bytes, or says false */
  void *arg;
} styx_pcapng;

/* A connection. The caller's; zero before its first message but for the number. Different numbers are different clients:
 * number n is 127.0.0.1 + n / 16384, port 49152 + n % 16384 (after 2^38 of them addresses come again). */
typedef struct styx_pcapng_flow {
  uint64_t number;
  uint32_t next[2]; /* sequence number of the next byte from the client, from the server */
  bool begun;
} styx_pcapng_flow;

/* What the file begins with: a section header, and one interface (raw IP, times in nanoseconds). */
STYX_API bool styx_pcapng_header(const styx_pcapng *p);

/* One message, whose bytes are the n spans one after the other, from the client (out false) or the server (out true).
 * time is in nanoseconds since 1970. The first message of a flow is preceded by its handshake. */
STYX_API bool styx_pcapng_message(const styx_pcapng *p, styx_pcapng_flow *flow, bool out, uint64_t time,
                                  const styx_span *spans, size_t n);

/* The connection is over; nothing for a flow without a message. The flow is as before its first message then. */
STYX_API bool styx_pcapng_end(const styx_pcapng *p, styx_pcapng_flow *flow, uint64_t time);

#ifdef __cplusplus
}
#endif
#endif
