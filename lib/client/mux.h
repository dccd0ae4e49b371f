/* client/mux.h: what the files of the client share.
 *
 * Roles, each held by at most one thread: the *holder* polls and receives, the *sender* sends. Both work outside the lock
 * on what their role owns; the lock guards everything else. The holder alone ends calls when the connection is lost, since
 * it may be receiving into the buffer of one. */
#ifndef CLIENT_MUX_H
#define CLIENT_MUX_H

#include <styx/client.h>

#include <pthread.h>

/* An ordinary call has a tag below FLUSHBIT; the Tflush of the call with tag t has the tag t + FLUSHBIT. So there is always a
 * tag to flush with (F29), it is free exactly when t is (F27), and NOTAG is never made: 0x7FFF is no tag. */
#define SX_FLUSHBIT 0x8000u
#define SX_MAXTAGS 0x7FFFu

enum sx_call_state { SX_CALL_NEW, SX_CALL_OUT, SX_CALL_DONE };

enum sx_slot_state {
  SX_SLOT_FREE,
  SX_SLOT_BUSY,     /* the reply is awaited */
  SX_SLOT_FLUSHING, /* the reply or the Rflush is awaited */
  SX_SLOT_SETTLED   /* replied, the call is gone; the tag stays reserved until the Rflush (F23) */
};

struct sx_call_slot {
  styx_call *call; /* BUSY and FLUSHING */
  uint16_t state;
  uint16_t next; /* FREE: the next free tag */
};

struct sx_bytes {
  uint8_t *base;
  size_t cap, start, end; /* base[start..end) is what counts */
};

/* A thread inside a wait; lives on its stack. */
struct sx_waiter {
  pthread_cond_t cond;
  styx_call *call; /* NULL: waits for room to send */
  struct sx_waiter *next, *prev;
};

struct styx_client {
  pthread_mutex_t lock;        /* guards all but what says otherwise */
  const styx_allocator *alloc; /* immutable, as are these three */
  int fd, wakefd;              /* wakefd interrupts the holder's poll */
  uint32_t msize;

  bool holding, sending;  /* the roles are taken */
  bool blocked;           /* the socket took no more: the holder polls for room in it */
  bool holder_wants_room; /* the holder itself waits until it may send */
  styx_err dead;          /* not 0: the connection is over, why says how */
  char why[160];

  struct sx_call_slot *slots;
  size_t nslots;
  uint16_t free_tag;        /* SX_MAXTAGS: none */
  size_t active;            /* calls outstanding */
  struct sx_waiter waiters; /* ring, oldest first */

  struct sx_bytes fill, drain; /* bytes to send: fill is appended to; drain belongs to the sender while sending */

  struct sx_bytes in;   /* holder */
  styx_call *direct;    /* holder: the Rread whose data goes straight to its buffer, */
  uint32_t direct_have; /* so much of it is there */

  uint32_t next_fid;
  uint32_t *fids; /* numbers given back */
  size_t nfids, fidcap;
};

/* ---- mux.c; lock held by the caller, except for sx_mux_init ---- */
styx_err sx_mux_init(styx_client *c);
void sx_mux_fini(styx_client *c);
/* Until the call is done, or for NULL until there is room to send. */
void sx_mux_wait(styx_client *c, styx_call *call);
/* The connection is over; the first reason stays. */
void sx_mux_die(styx_client *c, styx_err err, const char *fmt, ...) STYX_PRINTF(3, 4);
void sx_mux_poke(styx_client *c);
void sx_mux_room(styx_client *c);

/* ---- reply.c; lock held ---- */
/* The call that has this tag is done; its r is what came. */
void sx_mux_complete(styx_client *c, uint16_t tag, styx_err err);
/* Act on one decoded reply; raw are its bytes. */
void sx_mux_reply(styx_client *c, const styx_msg *m, ptrdiff_t status, const uint8_t *raw, size_t size);

/* ---- tags.c; lock held ---- */
styx_err sx_tags_get(styx_client *c, uint16_t *tag);
void sx_tags_put(styx_client *c, uint16_t tag);
/* NULL unless that ordinary tag is in use. */
struct sx_call_slot *sx_tags_slot(styx_client *c, uint16_t tag);

/* ---- send.c; lock held ---- */
styx_err sx_send_append(styx_client *c, const styx_msg *m);
void sx_send_flush(styx_client *c);
bool sx_send_has_room(const styx_client *c);

/* ---- receive.c ---- */
/* Holder, without the lock: receive once. STYX_EHANGUP at the end of the stream. */
styx_err sx_receive_read(styx_client *c);
/* Holder, lock held: act on every whole message that has arrived. */
void sx_receive_parse(styx_client *c);

/* ---- check.c ---- */
/* NULL, or what is wrong with reply m to request t: such a server cannot be believed. */
const char *sx_check_reply(const styx_msg *t, const styx_msg *m);
/* What a reply that does not decode means: true when it spoils only its own call. */
bool sx_check_is_soft(const styx_msg *m, styx_err err);

/* ---- version.c: before any other thread knows the client; fd is still blocking ---- */
styx_err sx_version(styx_client *c, uint32_t msize, uint32_t timeout_ms);

/* ---- calls.c: the words of this thread ---- */
styx_err sx_words_set(styx_err err, const char *words);
/* submit and wait; remembers the words. */
styx_err sx_call(styx_client *c, styx_call *call);

#endif
