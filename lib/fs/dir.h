/* fs/dir.h: the children of one directory, found by name and listed in the order in which they came.
 *
 * An entry gets a sequence number when it is added and keeps it until it is taken out, renamed or not; numbers only
 * grow. "What comes after number n" is therefore a place in the listing that no change moves. Finding by name is O(1)
 * for any choice of names, a place O(log n) at worst, adding and removing O(1) amortised plus such a search. One user at a
 * time: the caller's lock.
 */
#ifndef FS_DIR_H
#define FS_DIR_H

#include "base/table.h"

#include <stdatomic.h>
#include <styx/wire.h>

/* A string shared by counted references: names of files and of users. Immutable, so any thread may read what it
 * holds. */
struct sx_text {
  atomic_size_t refs;
  size_t len;
  char s[];
};

struct sx_text *sx_text_new(const styx_allocator *alloc, styx_str s); /* one reference; NULL when memory is short */
struct sx_text *sx_text_get(struct sx_text *text);
void sx_text_put(const styx_allocator *alloc, struct sx_text *text); /* NULL is harmless */
styx_str sx_text_str(const struct sx_text *text);

struct sx_entry {
  struct sx_text *name;   /* the entry's own reference */
  uint64_t hash;          /* of name, as the directory hashes */
  uint64_t seq;           /* 0: in no directory */
  struct sx_entry *chain; /* the next with the same hash */
};

struct sx_dirslot {
  uint64_t seq;
  struct sx_entry *entry; /* NULL: taken out since */
};

struct sx_dir {
  const styx_allocator *alloc;
  const uint64_t *key; /* two words of secret for the hash, so that no peer can choose names that collide */
  struct sx_table names;
  struct sx_dirslot *slots; /* by seq */
  size_t used, cap, live;
  uint64_t last_seq;
};

/* key must live as long as the directory. */
void sx_dir_init(struct sx_dir *dir, const styx_allocator *alloc, const uint64_t key[2]);
void sx_dir_fini(struct sx_dir *dir); /* entries are not touched */

struct sx_entry *sx_dir_find(const struct sx_dir *dir, styx_str name);

/* Make sure that one more add or rename succeeds; false when memory is short. */
bool sx_dir_reserve(struct sx_dir *dir);

/* How many entries a sx_dir_tidy moves, and if one is to be added the sx_dir_reserve behind it: few or none nearly always. */
size_t sx_dir_moves(const struct sx_dir *dir, bool adds);

/* Close the gaps that removal has left, when they are half of it, unless that would move more than most entries. */
void sx_dir_tidy(struct sx_dir *dir, size_t most);

/* After sx_dir_reserve. entry->name is set and not in the directory yet. */
void sx_dir_add(struct sx_dir *dir, struct sx_entry *entry);
void sx_dir_del(struct sx_dir *dir, struct sx_entry *entry); /* leaves a gap */

/* Give entry the new name, whose reference is taken, and return the old one's. After sx_dir_reserve; no entry has
 * it. */
struct sx_text *sx_dir_rename(struct sx_dir *dir, struct sx_entry *entry, struct sx_text *name);

/* The place behind the entry with number seq (0: the start); it is good until the directory changes. There, and at the places
 * behind it, up to used, stand slots. */
size_t sx_dir_seek(const struct sx_dir *dir, uint64_t seq);
struct sx_entry *sx_dir_last(struct sx_dir *dir); /* the newest */

#endif
