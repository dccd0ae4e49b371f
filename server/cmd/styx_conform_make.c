/* styx_conform_make.c: requests, and the steps that many checks take. */
#include "styx_conform.h"

#include <stdlib.h>
#include <string.h>

styx_msg cf_twalk(uint32_t fid, uint32_t newfid, const char *name) {
  styx_msg t = {.type = STYX_Twalk, .fid = fid, .newfid = newfid, .nwname = name != NULL};
  if (name)
    t.wname[0] = styx_str_of(name);
  return t;
}

styx_msg cf_topen(uint32_t fid, uint8_t mode) { return (styx_msg){.type = STYX_Topen, .fid = fid, .mode = mode}; }

styx_msg cf_tcreate(uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  return (styx_msg){.type = STYX_Tcreate, .fid = fid, .name = styx_str_of(name), .perm = perm, .mode = mode};
}

styx_msg cf_tread(uint32_t fid, uint64_t offset, uint32_t count) {
  return (styx_msg){.type = STYX_Tread, .fid = fid, .offset = offset, .count = count};
}

styx_msg cf_twrite(uint32_t fid, uint64_t offset, const void *data, uint32_t count) {
  return (styx_msg){.type = STYX_Twrite, .fid = fid, .offset = offset, .data = data, .count = count};
}

styx_msg cf_tfid(uint8_t type, uint32_t fid) { return (styx_msg){.type = type, .fid = fid}; }

styx_msg cf_twstat(uint32_t fid, styx_stat stat) { return (styx_msg){.type = STYX_Twstat, .fid = fid, .stat = stat}; }

styx_msg cf_tversion(uint32_t msize, const char *version) {
  return (styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = msize, .version = styx_str_of(version)};
}

/* Sixteen elements to a message; newfid may be in use from the second on, being walked itself. */
void cf_walk_path(struct cf_run *r, uint32_t fid, uint32_t newfid, const char *path) {
  uint32_t from = fid;
  do {
    styx_msg t = {.type = STYX_Twalk, .fid = from, .newfid = newfid};
    while (t.nwname < STYX_MAXWELEM) {
      path += strspn(path, "/");
      size_t len = strcspn(path, "/");
      if (!len)
        break;
      t.wname[t.nwname++] = (styx_str){path, len};
      path += len;
    }
    styx_msg m = cf_ok(r, t);
    if (m.nwqid != t.nwname)
      cf_fail(r, "a part of the path is missing");
    from = newfid;
  } while (*path);
}

void cf_mkdir(struct cf_run *r, uint32_t fid, const char *name, uint32_t perm) {
  (void)cf_ok(r, cf_twalk(1, fid, NULL));
  (void)cf_ok(r, cf_tcreate(fid, name, STYX_DMDIR | perm, STYX_OREAD));
  (void)cf_ok(r, cf_tfid(STYX_Tclunk, fid));
  (void)cf_ok(r, cf_twalk(1, fid, name));
}

void cf_file(struct cf_run *r, uint32_t fid, const char *name, uint32_t perm, const char *text) {
  (void)cf_ok(r, cf_twalk(1, fid, NULL));
  (void)cf_ok(r, cf_tcreate(fid, name, perm, STYX_OWRITE));
  cf_write_all(r, fid, text, strlen(text));
  (void)cf_ok(r, cf_tfid(STYX_Tclunk, fid));
  (void)cf_ok(r, cf_twalk(1, fid, name));
}

void cf_readable(struct cf_run *r, uint32_t fid) {
  if (r->w->place[0]) {
    cf_place_enter(r);
    cf_file(r, fid, "readable", 0666, "some contents\n");
  } else if (r->w->found[0]) {
    cf_walk_path(r, 0, fid, r->w->found);
  } else {
    cf_skip(r, "there is no file with contents; --file names one (%s)", r->w->readonly);
  }
}

void cf_write_all(struct cf_run *r, uint32_t fid, const void *data, size_t n) {
  const uint8_t *p = data;
  uint32_t most = r->p->msize - STYX_IOHDRSZ;
  for (size_t at = 0; at < n;) {
    uint32_t count = n - at < most ? (uint32_t)(n - at) : most;
    styx_msg m = cf_ok(r, cf_twrite(fid, at, p + at, count));
    if (m.count == 0)
      cf_fail(r, "a write took no byte; right: an error, or some");
    at += m.count;
  }
}

size_t cf_read_all(struct cf_run *r, uint32_t fid, void *buf, size_t cap) {
  size_t at = 0;
  uint32_t most = r->p->msize - STYX_IOHDRSZ;
  while (at < cap) {
    styx_msg m = cf_ok(r, cf_tread(fid, at, cap - at < most ? (uint32_t)(cap - at) : most));
    if (m.count == 0)
      break;
    memcpy((uint8_t *)buf + at, m.data, m.count);
    at += m.count;
  }
  return at;
}

void cf_contents(struct cf_run *r, uint32_t fid, const char *text) {
  char buf[4096];
  size_t n = cf_read_all(r, fid, buf, sizeof buf);
  if (n != strlen(text) || memcmp(buf, text, n) != 0)
    cf_fail(r, "the file has %zu bytes, \"%.*s\"; right: \"%s\"", n, (int)(n < 64 ? n : 64), buf, text);
}

size_t cf_list(struct cf_run *r, uint32_t fid, uint32_t count, void (*fn)(struct cf_run *, const styx_stat *, void *),
               void *arg) {
  uint64_t offset = 0;
  size_t n = 0;
  for (;;) {
    styx_msg m = cf_ok(r, cf_tread(fid, offset, count));
    if (m.count == 0)
      return n;
    for (uint32_t at = 0; at < m.count; n++) {
      styx_stat st;
      ptrdiff_t used = styx_stat_decode_lenient(&st, m.data + at, m.count - at, STYX_9P2000, STYX_ALLOW_BYTES);
      if (used <= 0)
        cf_fail(r,
                "a directory read ends, or is wrong, in the middle of a record; right: whole records only (read(5))");
      if (fn)
        fn(r, &st, arg);
      at += (uint32_t)used;
    }
    offset += m.count;
    if (n > 1000000)
      cf_fail(r, "the directory does not end");
  }
}

void cf_alive(struct cf_run *r) {
  struct cf_peer *was = r->p;
  enum { OTHER = CF_PEERS - 1 };
  if (r->peers[OTHER])
    cf_hangup(r, OTHER);
  cf_begin(r, OTHER, CF_ROOT, r->w->user);
  (void)cf_ok(r, cf_tfid(STYX_Tstat, 0));
  r->p = was;
}
