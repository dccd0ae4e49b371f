/* fs/pages.h: the contents of one file in memory. Holes take no memory, whatever the offset; small files take little.
 * One user at a time for what changes, many for reading: the caller's lock.
 *
 * What is read may be lent instead of copied: then whoever changes or forgets it leaves the bytes as they are to those who
 * have borrowed them, and goes on with a copy. */
#ifndef FS_PAGES_H
#define FS_PAGES_H

#include "base/table.h"

#include <stdatomic.h>
#include <styx/err.h>
#include <styx/req.h>

/* Bytes of contents of one filesystem; from any thread. */
struct sx_quota {
  uint64_t max; /* 0: no limit; immutable */
  _Atomic uint64_t used;
};

#define SX_PAGE_SIZE 65536u

/* Some bytes, counted: by the page that they belong to and by each loan. Only the page adds loans, under the caller's lock; so
 * whoever holds that for writing and sees 1 has them alone, and may write to them. */
struct sx_block {
  atomic_uint refs;
  uint32_t cap;
  uint8_t *data;
};

struct sx_page {
  struct sx_page *next; /* all but the first, in no order */
  uint64_t index;
  uint32_t filled;        /* bytes of the block that count, and that the quota counts; behind them the page is zero */
  struct sx_block *block; /* NULL until the first byte is written */
};

/* What one reply has borrowed. */
struct sx_loan {
  const styx_allocator *alloc;
  size_t nblocks, nspans;
  struct sx_block *blocks[STYX_MAXREFS]; /* counted */
  styx_span spans[STYX_MAXREFS];
};

struct sx_pages {
  const styx_allocator *alloc;
  struct sx_quota *quota;
  struct sx_page first;  /* page 0, so that a small file needs no table */
  struct sx_table table; /* the others by index */
  struct sx_page *list;
};

/* seed: a secret number, so that no peer can choose offsets that collide. */
void sx_pages_init(struct sx_pages *pages, const styx_allocator *alloc, uint64_t seed, struct sx_quota *quota);
/* Gives everything back, a page counting one in *most; false when that is used up and there is more. */
bool sx_pages_fini(struct sx_pages *pages, size_t *most);

/* How many pages are moved to another place in the table when n bytes are written: none nearly always. */
size_t sx_pages_moves(const struct sx_pages *pages, size_t n);

/* n bytes at offset; zero where nothing was written. */
void sx_pages_read(struct sx_pages *pages, uint64_t offset, void *buf, size_t n);

/* n bytes at offset, lent: loan, which is empty but for alloc, is to be given back by sx_loan_release. False: too many pieces; it
 * is empty still. */
bool sx_pages_lend(struct sx_pages *pages, uint64_t offset, size_t n, struct sx_loan *loan);
struct sx_loan *sx_loan_new(const styx_allocator *alloc); /* NULL when memory is short */
void sx_loan_release(void *loan);                         /* a styx_release_fn: any thread, no lock */

/* Returns STYX_OK and *done == n; or ENOMEM or ENOSPC, when the first *done bytes are written and nothing else has
 * changed. */
styx_err sx_pages_write(struct sx_pages *pages, uint64_t offset, const void *data, size_t n, size_t *done);

/* Forget everything from length on. */
void sx_pages_cut(struct sx_pages *pages, uint64_t length);

#endif
