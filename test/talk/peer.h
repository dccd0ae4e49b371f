/* peer.h: the other end of a conversation: a bare session in this process, or a connection to a server. */
#ifndef TALK_PEER_H
#define TALK_PEER_H

#include <styx/server.h>
#include <styx/session.h>

struct peer;

/* A bare session over export, or a connection to addr (the one that is not NULL). NULL: why (256 bytes) says it. */
struct peer *peer_new(const styx_export *export, const styx_addr *addr, char *why);
void peer_free(struct peer *p); /* hangs up; a session has to be done */

bool peer_send(struct peer *p, const void *bytes, size_t n);

enum peer_got { PEER_MESSAGE, PEER_EOF, PEER_NOTHING };
/* The next message in *msg (good until the next call), PEER_NOTHING if none comes: at once from a session, within ten
 * seconds from a server. */
enum peer_got peer_receive(struct peer *p, const uint8_t **msg, size_t *len);

void peer_hangup(struct peer *p);
styx_session *peer_session(struct peer *p); /* NULL for a server */

/* Sessions only: run everything that can run (unless frozen), at this time. */
void peer_pump(struct peer *p, uint64_t now, bool frozen);
/* Run a single piece of work; false when there is none. */
bool peer_step(struct peer *p, uint64_t now);
bool peer_done(const struct peer *p);

#endif
