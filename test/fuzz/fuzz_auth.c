/* fuzz_auth.c: any conversation with the shared-secret plug: an attach is let in only if the conversation was the right one, and
 * after hangup nothing is left.
 *
 * Input: steps of an opcode, an argument n and what it needs:
 *   0 read n bytes of the afid            4 attach; n & 1 as another user, n & 2 to another tree, n & 4 without afid
 *   1 write the next n bytes of input     5 clunk the afid, and begin anew; n & 1 as a user without a secret
 *   2 write the next n right bytes        6 the next n bytes of input are the body of a message: from here on nothing is known
 *   3 Tversion, Tauth                     7 flush whatever has tag n */
#include "base/proof.h"
#include "fuzz/fuzz.h"

#include <styx/memfs.h>
#include <styx/session.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MSIZE = 8192, AFID = 1 };
enum turn { CHALLENGE, RESPONSE, PROOF, OVER, FAILED };

static const char secret[] = "0123456789abcdef", file[] = "glenda:0123456789abcdef\n";

/* What there should be. */
struct model {
  bool sure, user; /* user: the one with a secret */
  enum turn turn;
  size_t at;
  bool wrong; /* a byte of the response was */
  uint8_t text[128], response[SX_RESPONSE], proof[SX_PROOF];
};

struct peer {
  styx_session *s;
  uint8_t rx[4 * MSIZE];
  styx_msg reply; /* the last one; views rx */
  struct model m;
};

static size_t session_bytes;

static void receive(struct peer *p) {
  styx_span span;
  while (styx_session_pending(p->s, &span, 1)) {
    size_t len = span.len < sizeof p->rx ? span.len : sizeof p->rx;
    memcpy(p->rx, span.base, len);
    styx_session_sent(p->s, len, 1);
    for (size_t at = 0; at < len;) {
      ptrdiff_t n = styx_decode(&p->reply, p->rx + at, len - at, MSIZE, STYX_9P2000);
      check(n > 0);
      at += (size_t)n;
    }
  }
}

static void pump(struct peer *p) {
  bool did;
  do {
    did = false;
    for (styx_work *w; (w = styx_session_next(p->s)); did = true)
      styx_work_run(w);
    did |= styx_session_retire(p->s, 1);
    receive(p);
  } while (did);
}

static uint8_t say(struct peer *p, const styx_msg *m) {
  uint8_t buf[512];
  ptrdiff_t n = styx_encode(buf, sizeof buf, m, STYX_9P2000);
  check(n > 0);
  p->reply.type = 0;
  styx_session_feed(p->s, buf, (size_t)n, 1);
  pump(p);
  return p->reply.type;
}

static void begin(struct peer *p, bool user) {
  const styx_msg auth = {.type = STYX_Tauth,
                         .tag = 1,
                         .afid = AFID,
                         .uname = styx_str_of(user ? "glenda" : "mallory"),
                         .aname = STYX_STR("mem")};
  const bool made = say(p, &auth) == STYX_Rauth;
  check(made || !p->m.sure);
  p->m = (struct model){.sure = made, .user = user};
}

static void version(struct peer *p) {
  const styx_msg m = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = MSIZE, .version = STYX_STR("9P2000")};
  p->m.sure = say(p, &m) == STYX_Rversion; /* everything before is gone */
  begin(p, true);
}

/* The whole challenge was heard: so this is right. */
static void make_response(struct model *m) {
  const styx_str uname = styx_str_of(m->user ? "glenda" : "mallory"), aname = STYX_STR("mem");
  const size_t size = sx_proof_size(uname, aname);
  memset(m->response, 5, SX_NONCE);
  memcpy(m->text + SX_AT_CLIENT, m->response, SX_NONCE);
  sx_proof_names(m->text, uname, aname);
  check(sx_proof(m->response + SX_NONCE, 'c', m->text, size, secret, sizeof secret - 1));
  check(sx_proof(m->proof, 's', m->text, size, secret, sizeof secret - 1));
}

static void heard(struct model *m, const uint8_t *data, size_t len, size_t size) {
  if (m->turn == CHALLENGE)
    memcpy(m->text + m->at, data, len);
  else
    check(memcmp(m->proof + m->at, data, len) == 0);
  if ((m->at += len) < size)
    return;
  m->at = 0;
  if (m->turn == CHALLENGE)
    make_response(m);
  m->turn = m->turn == CHALLENGE ? RESPONSE : OVER;
}

static void do_read(struct peer *p, uint32_t n) {
  struct model *m = &p->m;
  const styx_msg t = {.type = STYX_Tread, .tag = 1, .fid = AFID, .offset = (uint64_t)n << 56, .count = n};
  const uint8_t type = say(p, &t);
  if (!m->sure)
    return;
  const size_t size = m->turn == CHALLENGE ? SX_CHALLENGE : m->turn == PROOF ? SX_PROOF : 0;
  if (size) {
    check(type == STYX_Rread && p->reply.count == (n < size - m->at ? n : size - m->at));
    heard(m, p->reply.data, p->reply.count, size);
  } else if (m->turn == OVER) {
    check(type == STYX_Rread && p->reply.count == 0);
  } else {
    check(type == STYX_Rerror);
    m->turn = FAILED;
  }
}

static void do_write(struct peer *p, const uint8_t *data, size_t n) {
  struct model *m = &p->m;
  const styx_msg t = {.type = STYX_Twrite, .tag = 1, .fid = AFID, .count = (uint32_t)n, .data = data};
  bool good = m->turn == RESPONSE && n <= SX_RESPONSE - m->at;
  if (good) {
    /* another nonce makes the proof another one: only this response is known to be right */
    m->wrong |= n && memcmp(m->response + m->at, data, n) != 0;
    m->at += n;
    if (m->at == SX_RESPONSE) {
      good = !m->wrong && m->user;
      m->turn = PROOF;
      m->at = 0;
    }
  }
  if (!good)
    m->turn = FAILED;
  const uint8_t type = say(p, &t);
  if (m->sure)
    check(good ? type == STYX_Rwrite && p->reply.count == n : type == STYX_Rerror);
}

static void do_attach(struct peer *p, uint8_t how) {
  struct model *m = &p->m;
  const bool same = (how & 7) == 0;
  const styx_msg t = {.type = STYX_Tattach,
                      .tag = 1,
                      .fid = 100,
                      .afid = how & 4 ? STYX_NOFID : AFID,
                      .uname = styx_str_of((how & 1) == m->user ? "mallory" : "glenda"),
                      .aname = styx_str_of(how & 2 ? "" : "mem")};
  const uint8_t type = say(p, &t);
  if (!m->sure)
    return;
  check(type == (same && m->turn == OVER ? STYX_Rattach : STYX_Rerror));
  if (type == STYX_Rattach)
    check(say(p, &(styx_msg){.type = STYX_Tclunk, .tag = 1, .fid = 100}) == STYX_Rclunk);
}

static void do_raw(struct peer *p, const uint8_t *data, size_t n) {
  const uint8_t header[4] = {(uint8_t)(n + 4), (uint8_t)((n + 4) >> 8)};
  styx_session_feed(p->s, header, 4, 1);
  styx_session_feed(p->s, data, n, 1);
  pump(p);
  p->m.sure = false;
}

static void steps(struct peer *p, const uint8_t *bytes, size_t size) {
  while (size >= 2 && !styx_session_ended(p->s)) {
    const uint8_t op = bytes[0] & 7, n = bytes[1];
    bytes += 2;
    size -= 2;
    const size_t more = op == 1 || op == 6 ? (n < size ? n : size) : 0;
    const size_t right = SX_RESPONSE - p->m.at;
    switch (op) {
    case 0:
      do_read(p, n);
      break;
    case 1:
      do_write(p, bytes, more);
      break;
    case 2:
      if (p->m.turn == RESPONSE)
        do_write(p, p->m.response + p->m.at, n < right ? n : right);
      break;
    case 3:
      version(p);
      break;
    case 4:
      do_attach(p, n);
      break;
    case 5:
      (void)say(p, &(styx_msg){.type = STYX_Tclunk, .tag = 1, .fid = AFID});
      begin(p, !(n & 1));
      break;
    case 6:
      do_raw(p, bytes, more);
      break;
    default:
      (void)say(p, &(styx_msg){.type = STYX_Tflush, .tag = 2, .oldtag = n});
    }
    bytes += more;
    size -= more;
  }
}

static styx_secrets *open_secrets(void) {
  styx_secrets *secrets;
  char path[64], why[STYX_SECRETS_WHY];
  int fd = memfd_create("secrets", MFD_CLOEXEC);
  check(fd >= 0 && write(fd, file, sizeof file - 1) == (ssize_t)sizeof file - 1 && fchmod(fd, 0600) == 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  check(styx_secrets_open(&secrets, path, NULL, why, sizeof why) == STYX_OK);
  close(fd);
  return secrets;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static styx_secrets *secrets;
  static struct peer p;
  if (!secrets)
    secrets = open_secrets();
  const styx_allocator alloc = {count_alloc, count_free, &session_bytes};
  styx_memfs *memfs = styx_memfs_new(NULL);
  check(memfs);
  const styx_export export = {.name = "mem", .fs = styx_memfs_fs(memfs), .auth = styx_secrets_auth(secrets)};
  const styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .allocator = &alloc};
  check(styx_session_new(&p.s, &config, 0) == STYX_OK);
  version(&p);
  steps(&p, bytes, size);
  styx_session_hangup(p.s);
  pump(&p);
  check(styx_session_done(p.s));
  styx_session_free(p.s);
  check(session_bytes == 0);
  styx_memfs_free(memfs);
  return 0;
}
