/* limit9_answer.c: the replies of limit9, most of them encoded before the first request: their tag is all that changes.
 *
 * No fid means anything: each is the one file, whatever it was walked to, and always may do what is asked. */
#include "limit9.h"

#include <styx/wire.h>

#include <stdlib.h>
#include <string.h>

/* The size is fixed so that copying one is a few instructions without a loop; what is too much is overwritten or not sent. */
struct canned {
  uint8_t bytes[LIMIT_CANNED];
  uint32_t len;
};

static struct canned canned[256]; /* by type of the request */
static struct canned refused, full;
static uint8_t rwalk[LIMIT_WALK];
static const styx_qid file_qid = {.path = 1};

static uint16_t get2(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t get4(const uint8_t *p) { return get2(p) | (uint32_t)get2(p + 2) << 16; }
static uint64_t get8(const uint8_t *p) { return get4(p) | (uint64_t)get4(p + 4) << 32; }

static void put2(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)v;
  p[1] = (uint8_t)(v >> 8);
}

static void put4(uint8_t *p, uint32_t v) {
  put2(p, v);
  put2(p + 2, v >> 16);
}

static void can(struct canned *c, const styx_msg *m, styx_dialect d) {
  ptrdiff_t len = styx_encode(c->bytes, sizeof c->bytes, m, d);
  if (len < 0)
    abort(); /* LIMIT_CANNED is too small */
  c->len = (uint32_t)len;
}

void limit_answer_init(void) {
  static const uint8_t plain[] = {STYX_Tattach, STYX_Topen,  STYX_Tcreate,  STYX_Tclunk, STYX_Tremove,   STYX_Tflush,
                                  STYX_Twstat,  STYX_Tlopen, STYX_Tlcreate, STYX_Tfsync, STYX_Tunlinkat, STYX_Twrite};
  const styx_stat st = {.qid = file_qid,
                        .mode = 0644,
                        .length = LIMIT_FILE,
                        .name = STYX_STR("styxbench"),
                        .uid = STYX_STR("limit9"),
                        .gid = STYX_STR("limit9"),
                        .muid = STYX_STR("limit9")};
  const styx_lattr attr = {
      .valid = STYX_GETATTR_BASIC, .qid = file_qid, .mode = 0100644, .nlink = 1, .size = LIMIT_FILE};
  for (size_t i = 0; i < sizeof plain; i++)
    can(&canned[plain[i]], &(styx_msg){.type = (uint8_t)(plain[i] + 1), .qid = file_qid},
        styx_msg_exists(plain[i], STYX_9P2000) ? STYX_9P2000 : STYX_9P2000_L);
  can(&canned[STYX_Tstat], &(styx_msg){.type = STYX_Rstat, .stat = st}, STYX_9P2000);
  can(&canned[STYX_Tgetattr], &(styx_msg){.type = STYX_Rgetattr, .attr = attr}, STYX_9P2000_L);
  can(&refused, &(styx_msg){.type = STYX_Rerror, .ename = STYX_STR("limit9 does not know this request")}, STYX_9P2000);
  can(&full, &(styx_msg){.type = STYX_Rerror, .ename = STYX_STR("past the end of limit9's file")}, STYX_9P2000);
  styx_msg walk = {.type = STYX_Rwalk, .nwqid = STYX_MAXWELEM};
  for (unsigned i = 0; i < STYX_MAXWELEM; i++)
    walk.wqid[i] = file_qid;
  styx_encode(rwalk, sizeof rwalk, &walk, STYX_9P2000);
}

/* Each byte that came with one recv, and those of one message that was begun before, can ask for so many: a Tread of
 * LIMIT_TREAD bytes for its head and data, the 7 of a message that is refused for its error. */
bool limit_replies_init(struct limit_replies *r, uint32_t copy) {
  enum { IN = LIMIT_RECV + LIMIT_TREAD, HEAD = 7 };
  size_t reads = (size_t)(IN / LIMIT_TREAD + 1) * (STYX_RREADHDRSZ + copy);
  *r = (struct limit_replies){.copy = copy};
  r->out = malloc(reads + (size_t)(IN / HEAD + 1) * sizeof canned->bytes + LIMIT_WALK);
  r->iov = malloc((2 * IN / LIMIT_TREAD + 3) * sizeof *r->iov);
  r->file = calloc(1, LIMIT_FILE);
  return r->out && r->iov && r->file;
}

void limit_replies_list(struct limit_replies *r) {
  if (r->len > r->listed)
    r->iov[r->n++] = (struct iovec){r->out + r->listed, r->len - r->listed};
  r->listed = r->len;
}

static void add(struct limit_replies *r, const struct canned *c, const uint8_t *p) {
  uint8_t *at = r->out + r->len;
  memcpy(at, c->bytes, sizeof c->bytes);
  at[5] = p[5];
  at[6] = p[6];
  r->len += c->len;
}

static void add_read(struct limit_replies *r, uint32_t msize, const uint8_t *p) {
  uint64_t offset = get8(p + 11), left = offset < LIMIT_FILE ? LIMIT_FILE - offset : 0;
  uint32_t count = get4(p + 19), most = msize - STYX_RREADHDRSZ;
  count = count > most ? most : count;
  count = count > left ? (uint32_t)left : count;
  uint8_t *at = r->out + r->len, *data = r->file + (left ? offset : 0);
  put4(at, STYX_RREADHDRSZ + count);
  at[4] = STYX_Rread;
  at[5] = p[5];
  at[6] = p[6];
  put4(at + 7, count);
  r->len += STYX_RREADHDRSZ;
  if (count <= r->copy) {
    memcpy(at + STYX_RREADHDRSZ, data, count);
    r->len += count;
  } else {
    limit_replies_list(r);
    r->iov[r->n++] = (struct iovec){data, count};
  }
}

static void add_write(struct limit_replies *r, const uint8_t *p, uint32_t size) {
  uint64_t offset = get8(p + 11);
  uint32_t count = get4(p + 19);
  if (count != size - LIMIT_TREAD || offset > LIMIT_FILE || count > LIMIT_FILE - offset) {
    add(r, &full, p);
    return;
  }
  memcpy(r->file + offset, p + LIMIT_TREAD, count);
  uint8_t *at = r->out + r->len;
  add(r, &canned[STYX_Twrite], p);
  put4(at + 7, count);
}

static void add_walk(struct limit_replies *r, const uint8_t *p) {
  uint16_t n = get2(p + 15);
  n = n > STYX_MAXWELEM ? STYX_MAXWELEM : n;
  uint8_t *at = r->out + r->len;
  uint32_t len = 9 + n * 13u;
  memcpy(at, rwalk, sizeof rwalk);
  put4(at, len);
  at[5] = p[5];
  at[6] = p[6];
  put2(at + 7, n);
  r->len += len;
}

static void add_version(struct limit_replies *r, uint32_t *msize, const uint8_t *p, uint32_t size) {
  static const char linux_version[] = STYX_VERSION_9P2000_L;
  const size_t n = sizeof linux_version - 1;
  bool is_linux = size == 13 + n && memcmp(p + 13, linux_version, n) == 0;
  uint32_t asked = get4(p + 7);
  *msize = asked < STYX_MINMSIZE ? STYX_MINMSIZE : asked > LIMIT_MSIZE ? LIMIT_MSIZE : asked;
  const styx_msg m = {.type = STYX_Rversion,
                      .tag = STYX_NOTAG,
                      .msize = *msize,
                      .version = styx_str_of(is_linux ? linux_version : STYX_VERSION_9P2000)};
  r->len += (size_t)styx_encode(r->out + r->len, LIMIT_CANNED, &m, STYX_9P2000);
}

static void answer(struct limit_replies *r, uint32_t *msize, const uint8_t *p, uint32_t size) {
  uint8_t type = p[4];
  if (type == STYX_Tread && size == LIMIT_TREAD)
    add_read(r, *msize, p);
  else if (type == STYX_Twrite && size >= LIMIT_TREAD)
    add_write(r, p, size);
  else if (type == STYX_Twalk && size >= 17)
    add_walk(r, p);
  else if (type == STYX_Tversion && size >= 13)
    add_version(r, msize, p, size);
  else
    add(r, canned[type].len && type != STYX_Twrite ? &canned[type] : &refused, p);
}

ptrdiff_t limit_answer(struct limit_replies *r, uint32_t *msize, const uint8_t *p, size_t len, size_t *need) {
  size_t at = 0;
  *need = 0;
  while (len - at >= 4) {
    uint32_t size = get4(p + at);
    if (size < 7 || size > *msize)
      return -1;
    if (size > len - at) {
      *need = size;
      break;
    }
    answer(r, msize, p + at, size);
    at += size;
  }
  return (ptrdiff_t)at;
}
