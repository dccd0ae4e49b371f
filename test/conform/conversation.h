/* conversation.h: random conversations that a client might well have, for tests that break off in the middle of one. */
#ifndef CONFORM_CONVERSATION_H
#define CONFORM_CONVERSATION_H

#include <styx/wire.h>

#include <stdio.h>
#include <string.h>

enum { CONVERSATION_MAX = 64 * 1024, CONVERSATION_MSIZE = 8192, CONVERSATION_FIDS = 8 };

/* splitmix64: the same numbers everywhere for the same seed. */
static inline uint64_t dice(uint64_t *seed) {
  uint64_t z = *seed += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static inline uint32_t roll(uint64_t *seed, uint32_t sides) { return (uint32_t)(dice(seed) % sides); }

/* Eight names that clients create and walk to, and some that servers of the examples have. */
static inline styx_str random_name(uint64_t *seed) {
  static const char *const names[] = {"a",     "b",    "c",    "d",    "e",    "f",    "g",  "h",
                                      "hello", "bell", "bell", "bell", "bell", "bell", "..", "nowhere"};
  return styx_str_of(names[roll(seed, sizeof names / sizeof *names)]);
}

/* A message about fid. */
static inline styx_msg random_message(uint64_t *seed, uint16_t tag, uint8_t type, uint32_t fid) {
  static const uint8_t modes[] = {
      STYX_OREAD, STYX_OREAD, STYX_OWRITE, STYX_ORDWR, STYX_ORDWR | STYX_OTRUNC, STYX_ORDWR | STYX_ORCLOSE};
  static const uint8_t bytes[4096] = {'x'};
  styx_msg m = {.type = type, .tag = tag, .fid = fid, .newfid = fid, .afid = STYX_NOFID, .data = bytes};
  m.oldtag = (uint16_t)roll(seed, tag);
  m.mode = modes[roll(seed, sizeof modes)];
  m.perm = roll(seed, 3) ? 0666 : STYX_DMDIR | 0777;
  if (m.perm & STYX_DMDIR && type == STYX_Tcreate)
    m.mode = STYX_OREAD;
  m.offset = roll(seed, 3) ? 0 : roll(seed, 5000);
  m.count = roll(seed, type == STYX_Twrite ? sizeof bytes : CONVERSATION_MSIZE);
  m.uname = styx_str_of("somebody");
  m.name = styx_str_of(&"a\0b\0c\0d\0e\0f\0g\0h"[2 * roll(seed, 8)]);
  if (type == STYX_Twalk) {
    m.fid = roll(seed, 5) ? 0 : roll(seed, CONVERSATION_FIDS);
    m.nwname = (uint16_t)(roll(seed, 8) ? roll(seed, 2) : roll(seed, 4));
    for (uint16_t i = 0; i < m.nwname; i++)
      m.wname[i] = random_name(seed);
  }
  if (type == STYX_Twstat) {
    m.stat = styx_stat_untouched();
    m.stat.length = roll(seed, 2) ? UINT64_MAX : roll(seed, 5000);
  }
  return m;
}

/* What step i of a conversation does: walk somewhere, open or create, use that, mostly end it; with other things
 * between. */
struct scene {
  uint32_t fid;
  unsigned step;
  bool at_root;
};

static inline styx_msg random_step(uint64_t *seed, uint16_t i, struct scene *sc) {
  static const uint8_t any[] = {STYX_Twalk,  STYX_Topen,  STYX_Tcreate, STYX_Tread,   STYX_Twrite, STYX_Tstat,
                                STYX_Twstat, STYX_Tclunk, STYX_Tflush,  STYX_Tremove, STYX_Tattach};
  static const uint8_t use[] = {STYX_Tread, STYX_Twrite, STYX_Tread, STYX_Twrite, STYX_Tstat, STYX_Tflush};
  static const uint8_t end[] = {STYX_Tclunk, STYX_Tclunk, STYX_Tremove, STYX_Tread};
  if (roll(seed, 6) == 0)
    return random_message(seed, i, any[roll(seed, sizeof any)], roll(seed, CONVERSATION_FIDS));
  styx_msg m = {0};
  switch (sc->step++ % 5) {
  case 0:
    sc->fid = 1 + roll(seed, CONVERSATION_FIDS - 1);
    m = random_message(seed, i, STYX_Twalk, sc->fid);
    sc->at_root = m.nwname == 0;
    return m;
  case 1:
    return random_message(seed, i, sc->at_root ? STYX_Tcreate : STYX_Topen, sc->fid);
  case 4:
    return random_message(seed, i, end[roll(seed, sizeof end)], sc->fid);
  default:
    return random_message(seed, i, use[roll(seed, sizeof use)], sc->fid);
  }
}

/* Fills buf with Tversion, Tattach and up to 40 messages more; returns the bytes. aname: of the Tattach. */
static inline size_t conversation(uint64_t *seed, uint8_t buf[CONVERSATION_MAX], const char *aname) {
  size_t len = 0;
  struct scene sc = {.fid = 1};
  uint32_t n = 2 + roll(seed, 40);
  for (uint16_t i = 0; i < n; i++) {
    styx_msg m = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = CONVERSATION_MSIZE};
    m.version = styx_str_of(STYX_VERSION_9P2000);
    if (i == 1)
      m = (styx_msg){.type = STYX_Tattach, .tag = 1, .afid = STYX_NOFID, .uname = styx_str_of("somebody")};
    else if (i > 1 && roll(seed, 100) > 0) /* else a Tversion in mid-session */
      m = random_step(seed, i, &sc);
    if (i == 1)
      m.aname = styx_str_of(aname);
    ptrdiff_t used = styx_encode(buf + len, CONVERSATION_MAX - len, &m, STYX_9P2000);
    if (used <= 0)
      break;
    len += (size_t)used;
  }
  return len;
}

#endif
