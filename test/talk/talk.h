/* talk.h: the state of one conversation, and what its lines do. */
#ifndef TALK_TALK_H
#define TALK_TALK_H

#include "support/msgtext.h"
#include "talk/peer.h"

#include <styx/memfs.h>
#include <styx/tree.h>

enum { MAX_PEERS = 8, MAX_LINE = 65536, MAX_GROUP = 64, MAX_BATCH = 1 << 20 };

struct talk {
  const char *file;
  unsigned line;
  char wrong[1024]; /* empty: nothing is wrong yet */
  bool verbose;
  const styx_addr *addr; /* NULL: bare sessions */
  styx_memfs *memfs;
  styx_tree *tree;
  styx_export export;
  struct {
    char name[24];
    struct peer *peer;
  } peers[MAX_PEERS];
  size_t current;
  bool frozen;
  uint64_t now;
  struct msgtext_vars vars;
  size_t group, ngroup; /* the lines of an unordered group, from < { to } */
  bool in_group;
  char *group_lines[MAX_GROUP];
  uint8_t batch[MAX_BATCH];
  size_t nbatch;
  uint8_t room[MSGTEXT_ROOM];
};

/* Say what is wrong, unless something was before: the conversation ends there. */
void talk_wrong(struct talk *t, const char *fmt, ...) STYX_PRINTF(2, 3);

/* Play one line, which has neither newline nor blanks around it. */
void talk_line(struct talk *t, const char *line);

/* The connection that speaks now, made if need be; NULL and something wrong if it cannot be. */
struct peer *talk_peer(struct talk *t);
/* Let every session run as far as it can. */
void talk_pump(struct talk *t);

/* What follows ">" and "<". */
void talk_say(struct talk *t, const char *p);
void talk_hear(struct talk *t, const char *p);
void talk_expect(struct talk *t, const char *pattern);
void talk_end_group(struct talk *t);

/* A line that is neither. */
void talk_command(struct talk *t, const char *line);

#endif
