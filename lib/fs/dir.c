/* dir.c: the children of one directory. The listing is an array in order of arrival with gaps where entries were taken
 * out. */
#include "fs/dir.h"

#include "base/alloc.h"
#include "fs/siphash.h"

#include <assert.h>
#include <string.h>

enum { MIN_SLOTS = 8 };

/* ---- texts ---- */

struct sx_text *sx_text_new(const styx_allocator *alloc, styx_str s) {
  struct sx_text *text = sx_alloc(alloc, sizeof *text + s.len);
  if (!text)
    return NULL;
  atomic_init(&text->refs, 1);
  text->len = s.len;
  if (s.len)
    memcpy(text->s, s.s, s.len);
  return text;
}

struct sx_text *sx_text_get(struct sx_text *text) {
  /* Relaxed: whoever takes a reference has one, or the lock under which the text cannot go. */
  atomic_fetch_add_explicit(&text->refs, 1, memory_order_relaxed);
  return text;
}

void sx_text_put(const styx_allocator *alloc, struct sx_text *text) {
  /* Release and acquire: every reader's use comes before the free. */
  if (text && atomic_fetch_sub_explicit(&text->refs, 1, memory_order_acq_rel) == 1)
    sx_free(alloc, text, sizeof *text + text->len);
}

styx_str sx_text_str(const struct sx_text *text) { return (styx_str){text->s, text->len}; }

/* ---- by name ---- */

static uint64_t hash_name(const struct sx_dir *dir, styx_str name) {
  return sx_siphash24((const uint8_t *)dir->key, name.s, name.len);
}

void sx_dir_init(struct sx_dir *dir, const styx_allocator *alloc, const uint64_t key[2]) {
  *dir = (struct sx_dir){.alloc = alloc, .key = key};
  sx_table_init(&dir->names, alloc, key[0]);
  dir->names.keeps = true; /* until it is tidied */
}

void sx_dir_fini(struct sx_dir *dir) {
  sx_table_fini(&dir->names);
  sx_free(dir->alloc, dir->slots, dir->cap * sizeof *dir->slots);
}

struct sx_entry *sx_dir_find(const struct sx_dir *dir, styx_str name) {
  struct sx_entry *e = sx_table_get(&dir->names, hash_name(dir, name));
  while (e && !styx_str_eq(sx_text_str(e->name), name))
    e = e->chain;
  return e;
}

static void put_name(struct sx_dir *dir, struct sx_entry *entry) {
  entry->hash = hash_name(dir, sx_text_str(entry->name));
  entry->chain = sx_table_get(&dir->names, entry->hash);
  sx_table_put(&dir->names, entry->hash, entry);
}

static void del_name(struct sx_dir *dir, struct sx_entry *entry) {
  struct sx_entry *head = sx_table_get(&dir->names, entry->hash);
  assert(head);
  if (head == entry && !entry->chain) {
    sx_table_del(&dir->names, entry->hash);
  } else if (head == entry) {
    sx_table_put(&dir->names, entry->hash, entry->chain);
  } else {
    while (head->chain != entry)
      head = head->chain;
    head->chain = entry->chain;
  }
  entry->chain = NULL;
}

struct sx_text *sx_dir_rename(struct sx_dir *dir, struct sx_entry *entry, struct sx_text *name) {
  struct sx_text *old = entry->name;
  del_name(dir, entry);
  entry->name = name;
  put_name(dir, entry);
  return old;
}

/* ---- in order ---- */

/* Where between low and high the number would stand if they grew evenly, as they mostly do. */
static size_t guess(const struct sx_dir *dir, size_t low, size_t high, uint64_t seq) {
  uint64_t first = dir->slots[low].seq, last = dir->slots[high - 1].seq;
  if (seq <= first)
    return low;
  if (seq >= last)
    return high - 1;
  return low + (size_t)((double)(seq - first) / (double)(last - first) * (double)(high - 1 - low));
}

/* By guesses, and by halves in turn, so that no choice of what is removed makes it slow. In a large directory each step is a
 * cache miss. */
size_t sx_dir_seek(const struct sx_dir *dir, uint64_t seq) {
  size_t low = 0, high = dir->used;
  for (bool guessing = true; low < high; guessing = !guessing) {
    size_t at = guessing ? guess(dir, low, high, seq) : low + (high - low) / 2;
    if (dir->slots[at].seq == seq)
      return at + 1;
    if (dir->slots[at].seq < seq)
      low = at + 1;
    else
      high = at;
  }
  return low;
}

/* Gaps at the end are given up on the way. */
struct sx_entry *sx_dir_last(struct sx_dir *dir) {
  while (dir->used && !dir->slots[dir->used - 1].entry)
    dir->used--;
  return dir->used ? dir->slots[dir->used - 1].entry : NULL;
}

static bool resize(struct sx_dir *dir, size_t cap) {
  struct sx_dirslot *slots = sx_alloc(dir->alloc, cap * sizeof *slots);
  if (!slots)
    return false;
  if (dir->used)
    memcpy(slots, dir->slots, dir->used * sizeof *slots);
  sx_free(dir->alloc, dir->slots, dir->cap * sizeof *slots);
  dir->slots = slots;
  dir->cap = cap;
  return true;
}

static void close_gaps(struct sx_dir *dir) {
  size_t kept = 0;
  for (size_t i = 0; i < dir->used; i++)
    if (dir->slots[i].entry)
      dir->slots[kept++] = dir->slots[i];
  dir->used = kept;
  size_t cap = dir->cap;
  while (cap > MIN_SLOTS && kept < cap / 4)
    cap /= 2;
  if (cap < dir->cap)
    (void)resize(dir, cap); /* staying large is harmless */
}

static bool is_untidy(const struct sx_dir *dir) {
  return dir->cap > MIN_SLOTS && (dir->live < dir->used / 2 || dir->used < dir->cap / 4);
}

size_t sx_dir_moves(const struct sx_dir *dir, bool adds) {
  size_t names = adds ? sx_table_moves(&dir->names, 1) : 0;
  bool slots = is_untidy(dir) || (adds && dir->used == dir->cap);
  return slots && dir->used > names ? dir->used : names;
}

void sx_dir_tidy(struct sx_dir *dir, size_t most) {
  if (!is_untidy(dir) || dir->used > most)
    return;
  close_gaps(dir);
  sx_table_tidy(&dir->names);
}

bool sx_dir_reserve(struct sx_dir *dir) {
  if (!sx_table_reserve(&dir->names))
    return false;
  return dir->used < dir->cap || resize(dir, dir->cap ? dir->cap * 2 : MIN_SLOTS);
}

void sx_dir_add(struct sx_dir *dir, struct sx_entry *entry) {
  assert(dir->used < dir->cap && entry->seq == 0);
  put_name(dir, entry);
  entry->seq = ++dir->last_seq;
  dir->slots[dir->used++] = (struct sx_dirslot){entry->seq, entry};
  dir->live++;
}

void sx_dir_del(struct sx_dir *dir, struct sx_entry *entry) {
  size_t at = sx_dir_seek(dir, entry->seq) - 1;
  assert(at < dir->used && dir->slots[at].entry == entry);
  del_name(dir, entry);
  entry->seq = 0;
  dir->slots[at].entry = NULL;
  dir->live--;
}
