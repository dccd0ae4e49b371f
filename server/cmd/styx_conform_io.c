/* styx_conform_io.c: Tread and Twrite of files. */
#include "styx_conform.h"

#include <string.h>

enum { SIZE = 20000 };

static uint8_t byte_at(size_t i) { return (uint8_t)(i * 7 + i / 251); }

/* fid is open for reading and writing, on a file with SIZE bytes. */
static void pattern(struct cf_run *r, uint32_t fid, const char *name) {
  uint8_t bytes[SIZE];
  for (size_t i = 0; i < SIZE; i++)
    bytes[i] = byte_at(i);
  (void)cf_ok(r, cf_twalk(1, fid, NULL));
  (void)cf_ok(r, cf_tcreate(fid, name, 0666, STYX_ORDWR));
  cf_write_all(r, fid, bytes, SIZE);
}

static void is_pattern(struct cf_run *r, const styx_msg *m, uint64_t offset) {
  for (uint32_t i = 0; i < m->count; i++)
    if (m->data[i] != byte_at((size_t)offset + i))
      cf_fail(r, "the byte at %llu is wrong", (unsigned long long)offset + i);
}

static void offsets(struct cf_run *r) {
  static const uint32_t counts[] = {0, 1, 2, 100, 4096, 8000, 8168, 8169, 8192, 65536, 1u << 31, UINT32_MAX};
  static const uint64_t at[] = {0, 1, 100, 4095, 4096, SIZE - 1, SIZE, SIZE + 1, 1u << 31, 1ull << 32, (1ull << 62)};
  pattern(r, 2, "f");
  for (size_t i = 0; i < sizeof at / sizeof *at; i++)
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
      styx_msg m = cf_rpc(r, cf_tread(2, at[i], counts[k]));
      bool fits = counts[k] <= r->p->msize - STYX_IOHDRSZ;
      if (m.type == STYX_Rerror && (at[i] > SIZE + 1 || !fits))
        continue;
      if (m.type != STYX_Rread)
        cf_fail(r, "a read of %u bytes at %llu was refused", counts[k], (unsigned long long)at[i]);
      is_pattern(r, &m, at[i]);
      if (at[i] + m.count > SIZE && m.count)
        cf_fail(r, "bytes came from behind the end of the file");
      if (m.count == 0 && counts[k] && at[i] < SIZE)
        cf_fail(r, "no byte came of a file that has more at %llu; right: at least one", (unsigned long long)at[i]);
    }
}

/* 2^63 and above: no file is that long. */
static void huge_offsets(struct cf_run *r) {
  static const uint64_t at[] = {1ull << 63, (1ull << 63) - 1, UINT64_MAX - 1, UINT64_MAX};
  pattern(r, 2, "f");
  for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
    styx_msg m = cf_rpc(r, cf_tread(2, at[i], 100));
    if (m.type == STYX_Rread && m.count)
      cf_fail(r, "bytes came from offset %llu", (unsigned long long)at[i]);
    cf_refused(r, cf_twrite(2, at[i], "xx", 2));
  }
  if (cf_ok(r, cf_tfid(STYX_Tstat, 2)).stat.length != SIZE)
    cf_fail(r, "a write that was refused has changed the length");
}

static void write_sizes(struct cf_run *r) {
  static uint8_t bytes[70000];
  (void)cf_ok(r, cf_twalk(1, 2, NULL));
  uint32_t iounit = cf_ok(r, cf_tcreate(2, "f", 0666, STYX_ORDWR)).iounit, most = r->p->msize - STYX_IOHDRSZ;
  const uint32_t sizes[] = {1,        2,    255,     iounit ? iounit - 1 : 7, iounit ? iounit : 8, iounit + 1,
                            most - 1, most, most + 1};
  memset(bytes, 'b', sizeof bytes);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint32_t size = sizes[i] <= most + 1 ? sizes[i] : most;
    bool over = STYX_IOHDRSZ - 1 + size > r->p->msize;
    if (over)
      continue;
    styx_msg m = cf_ok(r, cf_twrite(2, i * 8192, bytes, size));
    if (m.count == 0)
      cf_fail(r, "a write of %u bytes took none", size);
    uint32_t took = m.count;
    m = cf_ok(r, cf_tread(2, i * 8192, size));
    if (m.count == 0 || m.count > took || memcmp(m.data, bytes, m.count) != 0)
      cf_fail(r, "what was written is not what is read");
  }
}

static void rewrite(struct cf_run *r) {
  uint8_t back[SIZE + 10];
  pattern(r, 2, "f");
  (void)cf_ok(r, cf_twrite(2, 5000, "XYZ", 3));
  if (cf_read_all(r, 2, back, sizeof back) != SIZE)
    cf_fail(r, "a write within the file changed its length");
  for (size_t i = 0; i < SIZE; i++) {
    uint8_t want = i >= 5000 && i < 5003 ? (uint8_t) "XYZ"[i - 5000] : byte_at(i);
    if (back[i] != want)
      cf_fail(r, "the byte at %zu is wrong", i);
  }
}

static void sparse(struct cf_run *r) {
  uint8_t back[600];
  (void)cf_ok(r, cf_twalk(1, 2, NULL));
  (void)cf_ok(r, cf_tcreate(2, "f", 0666, STYX_ORDWR));
  (void)cf_or_skip(r, cf_twrite(2, 500, "end", 3));
  if (cf_read_all(r, 2, back, sizeof back) != 503)
    cf_fail(r, "the file is not 503 bytes long");
  for (size_t i = 0; i < 500; i++)
    if (back[i])
      cf_fail(r, "the byte at %zu, never written, is not zero", i);
  if (memcmp(back + 500, "end", 3) != 0)
    cf_fail(r, "what was written is not there");
}

static void beyond_4g(struct cf_run *r) {
  const uint64_t at = (1ull << 32) + 5;
  (void)cf_ok(r, cf_twalk(1, 2, NULL));
  (void)cf_ok(r, cf_tcreate(2, "f", 0666, STYX_ORDWR));
  (void)cf_ok(r, cf_twrite(2, 5, "low", 3));
  (void)cf_or_skip(r, cf_twrite(2, at, "high", 4));
  styx_msg m = cf_ok(r, cf_tread(2, at, 10));
  if (m.count == 0 || memcmp(m.data, "high", m.count) != 0)
    cf_fail(r, "what was written behind 4 GiB is not there");
  m = cf_ok(r, cf_tread(2, 5, 3));
  if (m.count == 0 || memcmp(m.data, "low", m.count) != 0)
    cf_fail(r, "what was written before it has changed");
  if (cf_ok(r, cf_tfid(STYX_Tstat, 2)).stat.length != at + 4)
    cf_fail(r, "the length is wrong");
}

static const struct cf_check checks[] = {
    {"io-offsets", "read(5)", "reads of any count at any offset give the bytes that are there, and none at the end",
     CF_DIR, NULL, offsets},
    {"io-offsets-huge", "read(5)", "at 2^63 and above nothing is read, and writing is refused", CF_DIR, NULL,
     huge_offsets},
    {"io-write-sizes", "read(5)", "writes of one byte up to a whole message are taken, around iounit too", CF_DIR, NULL,
     write_sizes},
    {"io-rewrite", "read(5)", "a write changes the bytes that it writes, and no others", CF_DIR, NULL, rewrite},
    {"io-sparse", "read(5)", "what was never written in the middle of a file reads as zeros", CF_DIR, NULL, sparse},
    {"io-4g", "read(5)", "offsets have 64 bits", CF_DIR, NULL, beyond_4g},
    {"io-nothing", "read(5)", "reading and writing no bytes is fine, and does nothing", CF_DIR,
     "! Twalk fid 1 newfid 2 nwname 0\n"
     "! Tcreate fid 2 name 'f' perm 0666 mode 2\n"
     "! Twrite fid 2 offset 0 count 4 data 'text'\n"
     "! Twrite fid 2 offset 0 count 0 data '' => Rwrite count 0\n"
     "! Tread fid 2 offset 0 count 0 => Rread count 0 *\n"
     "contents 2 'text'",
     NULL},
    {"io-directory", "read(5)", "a directory is not written", CF_DIR,
     "dir 2 'd'\n"
     "! Topen fid 2 mode 0\n"
     "x Twrite fid 2 offset 0 count 1 data 'x'",
     NULL},
    {"io-two-fids", "read(5)", "what is written through one fid is read through another, and by another client", CF_DIR,
     "file 2 'f' 'text'\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Topen fid 2 mode 1\n"
     "! Topen fid 3 mode 0\n"
     "as 1\n"
     "! Twalk fid 1 newfid 3 nwname 1 'f'\n"
     "! Topen fid 3 mode 0\n"
     "as 0\n"
     "! Twrite fid 2 offset 0 count 4 data 'TEXT'\n"
     "contents 3 'TEXT'\n"
     "as 1\n"
     "contents 3 'TEXT'",
     NULL},
    {"io-short-file", "read(5)", "a read past the end of a short file gives what there is, then nothing", CF_ROOT,
     "readable 2\n"
     "! Topen fid 2 mode 0\n"
     "! Tread fid 2 offset 0 count 1\n"
     "~ Tread fid 2 offset 0x3fffffffffff count 10 => Rread count 0 * || Rerror *",
     NULL},
};
const struct cf_group cf_io = {checks, sizeof checks / sizeof *checks};
