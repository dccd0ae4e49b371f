/* test/support/scripted.h: a session over a filesystem that does nothing by itself, for tests that decide every step.
 *
 * The name space is endless: the root is a directory, names that begin with 'd' are directories, others are files, "none" does
 * not exist. Operations named in `hold` are kept until the test answers them; everything else is answered at once. What the
 * session sends is kept as printed lines (styx_msg_print). */
#ifndef SUPPORT_SCRIPTED_H
#define SUPPORT_SCRIPTED_H

#include <styx/session.h>

enum { SCRIPT_LINES = 4096, SCRIPT_HELD = 4096 };

struct script {
  styx_session *s;
  styx_export export;
  const styx_export *exports; /* NULL: export alone */
  size_t nexports;
  const styx_peer *peer;
  styx_limits limits;
  styx_budget *budget;
  styx_hooks hooks;
  uint64_t now;
  uint32_t hold;               /* STYX_OP bits */
  bool arm;                    /* held operations arm a cancel callback */
  bool stream;                 /* what is opened is a stream */
  styx_fs_ops ops;             /* what the filesystem declares may be changed */
  styx_req *held[SCRIPT_HELD]; /* in order of arrival; NULL once answered */
  int nheld;
  styx_req *cancelled[SCRIPT_HELD]; /* callbacks in order */
  int ncancelled;
  int nodes, handles, calls, closes, forgets, releases;
  styx_err close_err;
  uint64_t next_path;
  long live;   /* bytes of the allocator */
  int fail_at; /* so many allocations from here one fails; 0: none */
  char *lines[SCRIPT_LINES];
  int nlines, taken;
};

/* A session that has its version (msize 8192) and, as fid 0, the root attached by "glenda". */
struct script *script_new(void);
/* One with nothing said yet. */
struct script *script_bare(void);
/* Hang up, answer what is held with EIO, and check that nothing is left. */
void script_free(struct script *p);

/* Encode and feed without running anything. */
void script_send(struct script *p, styx_msg m);
/* Run all work and retire until nothing moves; collect what was sent. */
void script_pump(struct script *p);
/* What is held at i, for the test to answer. */
styx_req *script_take(struct script *p, int i);
/* The next line that the session sent, or "" when there is none. */
const char *script_line(struct script *p);

/* Shorthands that send and pump. */
void script_t(struct script *p, styx_msg m);

styx_msg t_walk(uint16_t tag, uint32_t fid, uint32_t newfid, const char *name); /* name NULL: a clone */
styx_msg t_open(uint16_t tag, uint32_t fid, uint8_t mode);
styx_msg t_read(uint16_t tag, uint32_t fid, uint64_t offset, uint32_t count);
styx_msg t_write(uint16_t tag, uint32_t fid, uint64_t offset, const char *data);
styx_msg t_create(uint16_t tag, uint32_t fid, const char *name, uint32_t perm, uint8_t mode);
styx_msg t_fid(uint8_t type, uint16_t tag, uint32_t fid); /* Tclunk, Tremove, Tstat */
styx_msg t_flush(uint16_t tag, uint16_t oldtag);
styx_msg t_version(uint32_t msize, const char *version);
styx_msg t_attach(uint16_t tag, uint32_t fid);
/* Fid fid on file name, opened for reading. */
void script_open(struct script *p, uint32_t fid, const char *name);

#endif
