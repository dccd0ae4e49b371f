/* pages.c: the contents of one file in memory, as pages of 64 KiB that exist from the first byte written to them. */
#include "fs/pages.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

/* ---- quota ---- */

/* Up to want bytes; how many it may be. */
static uint32_t take(struct sx_quota *quota, uint32_t want) {
  /* Relaxed throughout: a count that guards no other memory. */
  uint64_t used = atomic_load_explicit(&quota->used, memory_order_relaxed);
  uint64_t got;
  do {
    uint64_t left = quota->max == 0 ? UINT64_MAX : used < quota->max ? quota->max - used : 0;
    got = want < left ? want : left;
  } while (!atomic_compare_exchange_weak_explicit(&quota->used, &used, used + got, memory_order_relaxed,
                                                  memory_order_relaxed));
  return (uint32_t)got;
}

static void give_back(struct sx_quota *quota, uint32_t n) {
  atomic_fetch_sub_explicit(&quota->used, n, memory_order_relaxed);
}

/* ---- pages ---- */

void sx_pages_init(struct sx_pages *pages, const styx_allocator *alloc, uint64_t seed, struct sx_quota *quota) {
  *pages = (struct sx_pages){.alloc = alloc, .quota = quota};
  sx_table_init(&pages->table, alloc, seed);
}

static struct sx_page *find(struct sx_pages *pages, uint64_t index) {
  return index ? sx_table_get(&pages->table, index) : &pages->first;
}

static struct sx_page *add(struct sx_pages *pages, uint64_t index) {
  struct sx_page *page = sx_table_reserve(&pages->table) ? sx_zalloc(pages->alloc, sizeof *page) : NULL;
  if (!page)
    return NULL;
  page->index = index;
  page->next = pages->list;
  pages->list = page;
  sx_table_put(&pages->table, index, page);
  return page;
}

size_t sx_pages_moves(const struct sx_pages *pages, size_t n) {
  return sx_table_moves(&pages->table, n / SX_PAGE_SIZE + 2);
}

/* The room to make for need bytes: a page behind a full one will most likely become full; a lone one, in a file that is
 * mostly hole, must not cost 64 KiB for a byte. */
static uint32_t room_for(struct sx_pages *pages, uint64_t index, uint32_t need) {
  const struct sx_page *before = index ? find(pages, index - 1) : NULL;
  if (before && before->filled == SX_PAGE_SIZE)
    return SX_PAGE_SIZE;
  uint32_t cap = 256;
  while (cap < need)
    cap *= 4;
  return cap;
}

static bool make_room(struct sx_pages *pages, struct sx_page *page, uint32_t need) {
  if (need <= page->cap)
    return true;
  uint32_t cap = room_for(pages, page->index, need);
  uint8_t *data = sx_alloc(pages->alloc, cap);
  if (!data)
    return false;
  if (page->filled)
    memcpy(data, page->data, page->filled);
  sx_free(pages->alloc, page->data, page->cap);
  page->data = data;
  page->cap = cap;
  return true;
}

/* ---- reading and writing ---- */

static void read_page(const struct sx_page *page, uint32_t at, uint8_t *buf, uint32_t n) {
  uint32_t there = page && page->filled > at ? page->filled - at : 0;
  if (there > n)
    there = n;
  if (there)
    memcpy(buf, page->data + at, there);
  memset(buf + there, 0, n - there);
}

static uint32_t chunk_at(uint64_t offset, size_t n) {
  uint32_t left = SX_PAGE_SIZE - (uint32_t)(offset % SX_PAGE_SIZE);
  return n < left ? (uint32_t)n : left;
}

void sx_pages_read(struct sx_pages *pages, uint64_t offset, void *buf, size_t n) {
  for (uint8_t *out = buf; n;) {
    uint32_t chunk = chunk_at(offset, n);
    read_page(find(pages, offset / SX_PAGE_SIZE), (uint32_t)(offset % SX_PAGE_SIZE), out, chunk);
    offset += chunk;
    out += chunk;
    n -= chunk;
  }
}

/* Write what the quota allows of n bytes, all within one page. */
static styx_err write_page(struct sx_pages *pages, uint64_t index, uint32_t at, const uint8_t *data, uint32_t n,
                           uint32_t *done) {
  struct sx_page *page = find(pages, index);
  uint32_t filled = page ? page->filled : 0, end = at + n;
  uint32_t grown = end > filled ? take(pages->quota, end - filled) : 0;
  if (end > filled + grown)
    end = filled + grown;
  bool room = end > at && (page || (page = add(pages, index))) && make_room(pages, page, end);
  if (!room) {
    give_back(pages->quota, grown);
    return end > at ? ENOMEM : ENOSPC;
  }
  if (at > filled)
    memset(page->data + filled, 0, at - filled);
  memcpy(page->data + at, data, end - at);
  if (end > filled)
    page->filled = end;
  *done = end - at;
  return STYX_OK;
}

styx_err sx_pages_write(struct sx_pages *pages, uint64_t offset, const void *data, size_t n, size_t *done) {
  const uint8_t *from = data;
  for (*done = 0; *done < n;) {
    uint32_t chunk = chunk_at(offset, n - *done), written = 0;
    styx_err err =
        write_page(pages, offset / SX_PAGE_SIZE, (uint32_t)(offset % SX_PAGE_SIZE), from + *done, chunk, &written);
    if (err)
      return err;
    *done += written;
    offset += written;
  }
  return STYX_OK;
}

static void cut_page(struct sx_pages *pages, struct sx_page *page, uint32_t length) {
  if (page->filled > length) {
    give_back(pages->quota, page->filled - length);
    page->filled = length;
  }
  if (length == 0) {
    sx_free(pages->alloc, page->data, page->cap);
    page->data = NULL;
    page->cap = 0;
  }
}

/* The table keeps its size, and the pages that are gone: it is not asked any more. */
bool sx_pages_fini(struct sx_pages *pages, size_t *most) {
  for (struct sx_page *page; (page = pages->list) && *most; --*most) {
    pages->list = page->next;
    cut_page(pages, page, 0);
    sx_free(pages->alloc, page, sizeof *page);
  }
  if (pages->list)
    return false;
  cut_page(pages, &pages->first, 0);
  sx_table_fini(&pages->table);
  return true;
}

void sx_pages_cut(struct sx_pages *pages, uint64_t length) {
  for (struct sx_page **at = &pages->list; *at;) {
    struct sx_page *page = *at;
    uint64_t start = page->index * SX_PAGE_SIZE;
    if (start >= length) {
      cut_page(pages, page, 0);
      *at = page->next;
      sx_table_del(&pages->table, page->index);
      sx_free(pages->alloc, page, sizeof *page);
      continue;
    }
    if (length - start < SX_PAGE_SIZE)
      cut_page(pages, page, (uint32_t)(length - start));
    at = &page->next;
  }
  if (length < SX_PAGE_SIZE)
    cut_page(pages, &pages->first, (uint32_t)length);
}
