/* list.c: directories read to their end, record by record. */
#include "client/mux.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MOST ((size_t)1 << 30)
#define MIN_CAP (16u * 1024)
#define PORTION (64u * 1024) /* asked for at once */

struct records {
  uint8_t *base;
  size_t cap, len, count;
};

static styx_err reserve(styx_client *c, struct records *r, size_t more) {
  size_t cap = r->cap ? r->cap : MIN_CAP;
  while (cap - r->len < more)
    cap *= 2;
  if (cap == r->cap)
    return STYX_OK;
  if (cap > 2 * MOST)
    return EOVERFLOW;
  uint8_t *base = sx_alloc(c->alloc, cap);
  if (!base)
    return ENOMEM;
  if (r->len)
    memcpy(base, r->base, r->len);
  sx_free(c->alloc, r->base, r->cap);
  r->base = base;
  r->cap = cap;
  return STYX_OK;
}

/* A reply holds whole records and nothing else. */
static styx_err count_records(struct records *r, size_t got) {
  const uint8_t *p = r->base + r->len, *end = p + got;
  while (p < end) {
    styx_stat stat;
    ptrdiff_t n = styx_stat_decode(&stat, p, (size_t)(end - p), STYX_9P2000);
    if (n <= 0)
      return n == 0 ? STYX_EBADSTAT : (styx_err)-n;
    p += n;
    r->count++;
  }
  r->len += got;
  return r->len > MOST ? EOVERFLOW : STYX_OK;
}

static styx_err read_records(styx_client *c, uint32_t fid, struct records *r) {
  uint32_t most = c->msize - STYX_IOHDRSZ, ask = most < PORTION ? most : PORTION, got;
  for (;;) {
    styx_err err = reserve(c, r, ask);
    if (err)
      return sx_words_set(err, NULL);
    if ((err = styx_client_read(c, fid, r->len, r->base + r->len, ask, &got)) != STYX_OK)
      return err;
    if (got == 0)
      return STYX_OK;
    if ((err = count_records(r, got)) != STYX_OK)
      return sx_words_set(err, "the server sent a bad directory entry");
  }
}

static void decode_all(const struct records *r, styx_stat *stats) {
  size_t at = 0;
  for (size_t i = 0; i < r->count; i++) {
    ptrdiff_t n = styx_stat_decode(&stats[i], r->base + at, r->len - at, STYX_9P2000);
    assert(n > 0);
    at += (size_t)n;
  }
}

styx_err styx_client_list(styx_client *client, uint32_t fid, styx_list *out) {
  struct records r = {0};
  styx_stat *stats = NULL;
  styx_err err = read_records(client, fid, &r);
  if (!err && r.count && !(stats = sx_alloc(client->alloc, r.count * sizeof *stats)))
    err = sx_words_set(ENOMEM, NULL);
  if (err) {
    sx_free(client->alloc, r.base, r.cap);
    return err;
  }
  decode_all(&r, stats);
  *out = (styx_list){.stats = stats, .count = r.count, .room_ = r.base, .cap_ = r.cap};
  return STYX_OK;
}

void styx_list_free(styx_client *client, styx_list *list) {
  sx_free(client->alloc, list->stats, list->count * sizeof *list->stats);
  sx_free(client->alloc, list->room_, list->cap_);
  *list = (styx_list){0};
}

bool styx_name_is_safe(styx_str name) {
  if (name.len == 0 || styx_str_is(name, ".") || styx_str_is(name, ".."))
    return false;
  return !memchr(name.s, '/', name.len) && !memchr(name.s, '\0', name.len);
}
