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

/* ---- blocks ---- */

static struct sx_block *block_new(const styx_allocator *alloc, uint32_t cap) {
  struct sx_block *b = sx_alloc(alloc, sizeof *b);
  uint8_t *data = b ? sx_alloc(alloc, cap) : NULL;
  if (!data) {
    sx_free(alloc, b, sizeof *b);
    return NULL;
  }
  atomic_init(&b->refs, 1);
  b->cap = cap;
  b->data = data;
  return b;
}

static void block_put(const styx_allocator *alloc, struct sx_block *b) {
  /* Release and acquire: whoever read the bytes has done so before they are freed. */
  if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
    return;
  sx_free(alloc, b->data, b->cap);
  sx_free(alloc, b, sizeof *b);
}

static bool is_lent(const struct sx_block *b) {
  /* acquire: whoever gave a loan back has read the bytes before we write to them; pairs with block_put */
  return atomic_load_explicit(&b->refs, memory_order_acquire) > 1;
}

/* The page has a block that is its own alone, with room for need bytes, of which the first keep are as they were. */
static bool own_block(struct sx_pages *pages, struct sx_page *page, uint32_t need, uint32_t keep) {
  struct sx_block *old = page->block;
  if (old && need <= old->cap && !is_lent(old))
    return true;
  uint32_t cap = old && need <= old->cap ? old->cap : room_for(pages, page->index, need);
  struct sx_block *b = block_new(pages->alloc, cap);
  if (!b)
    return false;
  if (keep)
    memcpy(b->data, old->data, keep);
  page->block = b;
  block_put(pages->alloc, old);
  return true;
}

/* ---- lending ---- */

static uint8_t zeros[SX_PAGE_SIZE]; /* never written */

struct sx_loan *sx_loan_new(const styx_allocator *alloc) {
  struct sx_loan *loan = sx_alloc(alloc, sizeof *loan);
  if (loan) {
    loan->alloc = alloc;
    loan->nblocks = loan->nspans = 0;
  }
  return loan;
}

static void give_up(struct sx_loan *loan) {
  while (loan->nblocks)
    block_put(loan->alloc, loan->blocks[--loan->nblocks]);
  loan->nspans = 0;
}

void sx_loan_release(void *which) {
  struct sx_loan *loan = which;
  give_up(loan);
  sx_free(loan->alloc, loan, sizeof *loan);
}

static bool add_span(struct sx_loan *loan, uint8_t *data, uint32_t n) {
  if (n == 0)
    return true;
  if (loan->nspans == STYX_MAXREFS)
    return false;
  loan->spans[loan->nspans++] = (styx_span){data, n};
  return true;
}

static uint32_t there(const struct sx_page *page, uint32_t at, uint32_t n) {
  uint32_t left = page && page->filled > at ? page->filled - at : 0;
  return left < n ? left : n;
}

static bool lend_page(const struct sx_page *page, uint32_t at, uint32_t n, struct sx_loan *loan) {
  uint32_t got = there(page, at, n);
  if (got) {
    if (!add_span(loan, page->block->data + at, got))
      return false;
    /* relaxed: the page has one, and the lock keeps it */
    atomic_fetch_add_explicit(&page->block->refs, 1, memory_order_relaxed);
    loan->blocks[loan->nblocks++] = page->block;
  }
  return add_span(loan, zeros, n - got);
}

static uint32_t chunk_at(uint64_t offset, size_t n) {
  uint32_t left = SX_PAGE_SIZE - (uint32_t)(offset % SX_PAGE_SIZE);
  return n < left ? (uint32_t)n : left;
}

bool sx_pages_lend(struct sx_pages *pages, uint64_t offset, size_t n, struct sx_loan *loan) {
  for (uint32_t chunk; n; offset += chunk, n -= chunk) {
    chunk = chunk_at(offset, n);
    if (!lend_page(find(pages, offset / SX_PAGE_SIZE), (uint32_t)(offset % SX_PAGE_SIZE), chunk, loan)) {
      give_up(loan);
      return false;
    }
  }
  return true;
}

/* ---- reading and writing ---- */

static void read_page(const struct sx_page *page, uint32_t at, uint8_t *buf, uint32_t n) {
  uint32_t got = there(page, at, n);
  if (got)
    memcpy(buf, page->block->data + at, got);
  memset(buf + got, 0, n - got);
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
  uint32_t keep = at > 0 || end < filled ? filled : 0; /* else all of it is written anew */
  bool room =
      end > at && (page || (page = add(pages, index))) && own_block(pages, page, end > filled ? end : filled, keep);
  if (!room) {
    give_back(pages->quota, grown);
    return end > at ? ENOMEM : ENOSPC;
  }
  if (at > filled)
    memset(page->block->data + filled, 0, at - filled);
  memcpy(page->block->data + at, data, end - at);
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
    block_put(pages->alloc, page->block);
    page->block = NULL;
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
