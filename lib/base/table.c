/* table.c: open addressing with linear probing and backward-shift deletion: no tombstones, so no slow decay. */
#include "base/table.h"

#include "base/alloc.h"

#include <assert.h>

enum { MIN_CELLS = 16 };

static uint64_t mix(uint64_t x) { /* splitmix64's finaliser */
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static size_t home(const struct sx_table *t, uint64_t key) {
  return (size_t)mix((key & t->key_mask) + t->seed) & t->mask;
}

void sx_table_init(struct sx_table *t, const styx_allocator *alloc, uint64_t seed) {
  *t = (struct sx_table){.alloc = alloc, .key_mask = UINT64_MAX, .seed = seed};
}

void sx_table_fini(struct sx_table *t) {
  sx_free(t->alloc, t->cells, (t->mask + 1) * sizeof *t->cells);
  t->cells = NULL;
  t->mask = t->count = 0;
}

/* The cell that holds key, or the free one where it belongs. */
static size_t find(const struct sx_table *t, uint64_t key) {
  size_t i = home(t, key);
  while (t->cells[i].value && ((t->cells[i].key ^ key) & t->key_mask))
    i = (i + 1) & t->mask;
  return i;
}

void *sx_table_get(const struct sx_table *t, uint64_t key) { return t->cells ? t->cells[find(t, key)].value : NULL; }

struct sx_cell *sx_table_cell(const struct sx_table *t, uint64_t key) {
  struct sx_cell *cell = t->cells ? &t->cells[find(t, key)] : NULL;
  return cell && cell->value ? cell : NULL;
}

static bool resize(struct sx_table *t, size_t cells) {
  struct sx_table bigger = *t;
  bigger.mask = cells - 1;
  bigger.cells = sx_zalloc(t->alloc, cells * sizeof *bigger.cells);
  if (!bigger.cells)
    return false;
  for (size_t i = 0; t->cells && i <= t->mask; i++)
    if (t->cells[i].value)
      bigger.cells[find(&bigger, t->cells[i].key)] = t->cells[i];
  if (t->cells)
    sx_free(t->alloc, t->cells, (t->mask + 1) * sizeof *t->cells);
  *t = bigger;
  return true;
}

static bool has_room(const struct sx_table *t, size_t more) {
  size_t cells = t->cells ? t->mask + 1 : MIN_CELLS;
  return more <= cells - cells / 4 && t->count <= cells - cells / 4 - more;
}

size_t sx_table_moves(const struct sx_table *t, size_t more) { return has_room(t, more) ? 0 : t->count; }

bool sx_table_reserve(struct sx_table *t) {
  if (!t->cells)
    return resize(t, MIN_CELLS);
  return has_room(t, 1) || resize(t, (t->mask + 1) * 2);
}

void sx_table_tidy(struct sx_table *t) {
  size_t cells = t->mask + 1;
  while (cells > MIN_CELLS && t->count < cells / 16)
    cells /= 4;
  if (t->cells && cells < t->mask + 1)
    (void)resize(t, cells > MIN_CELLS ? cells : MIN_CELLS); /* staying large is harmless */
}

void sx_table_put(struct sx_table *t, uint64_t key, void *value) {
  assert(value && t->cells && t->count < t->mask);
  size_t i = find(t, key);
  t->count += !t->cells[i].value;
  t->cells[i] = (struct sx_cell){key, value};
}

void *sx_table_del(struct sx_table *t, uint64_t key) {
  if (!t->cells)
    return NULL;
  size_t hole = find(t, key);
  void *value = t->cells[hole].value;
  if (!value)
    return NULL;
  /* Every cell of the run behind the hole moves up unless that would put it before its home. */
  for (size_t i = (hole + 1) & t->mask; t->cells[i].value; i = (i + 1) & t->mask) {
    size_t from_home = (i - home(t, t->cells[i].key)) & t->mask;
    if (from_home >= ((i - hole) & t->mask)) {
      t->cells[hole] = t->cells[i];
      hole = i;
    }
  }
  t->cells[hole].value = NULL;
  t->count--;
  if (!t->keeps)
    sx_table_tidy(t);
  return value;
}

void *sx_table_each(const struct sx_table *t, size_t *at) {
  while (t->cells && *at <= t->mask) {
    void *value = t->cells[(*at)++].value;
    if (value)
      return value;
  }
  return NULL;
}
