/* styxbench_conn.c: one connection under load: requests out, one send for all that are ready; replies in, each checked.
 *
 * A batch is built only when the one before has left, so its buffer is never moved. Data of large writes is sent from one
 * shared place, data of large reads is counted and dropped. */
#include "flush.h"
#include "styxbench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COPIED = 8192, TWRITE_HEAD = 23, MAX_IOV = 1024, RECV_TURNS = 16 };

bool bench_fail(struct bench_thread *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!t->error[0])
    vsnprintf(t->error, sizeof t->error, format, args);
  va_end(args);
  atomic_store_explicit(&t->run->failed, true, memory_order_relaxed);
  return false;
}

bool bench_conn_init(struct bench_conn *c, const struct bench_run *r, int fd) {
  unsigned depth = r->options->depth;
  *c = (struct bench_conn){.fd = fd, .nidle = depth};
  c->slots = calloc(depth, sizeof *c->slots);
  c->idle = calloc(depth, sizeof *c->idle);
  c->ready = calloc(depth, sizeof *c->ready);
  c->iov = calloc(2 * depth, sizeof *c->iov);
  c->out = malloc(depth * r->out_size);
  if (!c->slots || !c->idle || !c->ready || !c->iov || !c->out)
    return false;
  for (unsigned i = 0; i < depth; i++) {
    c->idle[i] = (uint16_t)(depth - 1 - i);
    c->slots[i].turn = i;
  }
  return true;
}

void bench_conn_fini(struct bench_conn *c) {
  if (c->fd >= 0)
    close(c->fd);
  free(c->slots);
  free(c->idle);
  free(c->ready);
  free(c->iov);
  free(c->out);
  free(c->stash);
}

/* Which step operation k of a thread is, when they take turns. */
static uint8_t turn_of(const struct bench_op *op, uint64_t k) {
  if (op->rare)
    return k % op->rare == 0 ? 1 : 0;
  return (uint8_t)(k % op->nsteps);
}

void bench_conn_begin(struct bench_thread *t, struct bench_conn *c, uint64_t start) {
  uint16_t i = c->idle[--c->nidle];
  t->idle--;
  struct bench_slot *slot = &c->slots[i];
  const struct bench_op *op = t->run->op;
  *slot = (struct bench_slot){.start = start        ? start
                                       : c->blocked ? t->now
                                                    : 0,
                              .turn = slot->turn + t->run->options->depth,
                              .busy = true};
  if (op->in_turn)
    slot->step = turn_of(op, t->begun++);
  c->ready[c->nready++] = i;
}

/* ---- out ---- */

static uint64_t offset_of(const struct bench_target *target, const struct bench_slot *slot) {
  return target->count ? slot->turn % (target->length / target->count) * target->count : 0;
}

/* The step as the dialect has it. */
static uint8_t type_of(const struct bench_run *r, unsigned step) {
  uint8_t type = r->op->steps[step];
  if (r->options->dialect != STYX_9P2000_L)
    return type;
  return type == STYX_Tstat ? STYX_Tgetattr : type == STYX_Topen ? STYX_Tlopen : type;
}

static void to_request(const struct bench_run *r, uint16_t i, const struct bench_slot *slot, unsigned step,
                       styx_msg *m) {
  uint32_t file = r->op->own_fid ? BENCH_FID_SLOT + i : BENCH_FID_FILE;
  m->type = type_of(r, step);
  m->tag = (uint16_t)(i * bench_tags(r->op) + (r->op->at_once ? step : 0));
  m->fid = file;
  m->mask = STYX_GETATTR_BASIC;
  if (m->type == STYX_Twalk) {
    m->fid = BENCH_FID_ROOT;
    m->newfid = file;
    m->nwname = r->target->nnames;
    memcpy(m->wname, r->target->names, r->target->nnames * sizeof *m->wname);
  } else if (m->type == STYX_Tread || m->type == STYX_Twrite) {
    m->offset = offset_of(r->target, slot);
    m->count = r->target->count;
    m->data = r->payload;
  }
}

static void add_iov(struct bench_conn *c, const void *base, size_t len) {
  struct iovec *last = c->iov_n ? &c->iov[c->iov_n - 1] : NULL;
  if (last && (const uint8_t *)last->iov_base + last->iov_len == base)
    last->iov_len += len;
  else
    c->iov[c->iov_n++] = (struct iovec){(void *)(uintptr_t)base, len};
}

static void put4(uint8_t *p, uint32_t v) {
  for (unsigned i = 0; i < 4; i++)
    p[i] = (uint8_t)(v >> 8 * i);
}

/* A head without its data, with the size and the count that it has with it. */
static void add_large_write(struct bench_conn *c, styx_msg *m, size_t room) {
  uint8_t *at = c->out + c->out_len;
  uint32_t count = m->count;
  m->count = 0;
  styx_encode(at, room, m, STYX_9P2000); /* alike in all dialects */
  put4(at, TWRITE_HEAD + count);
  put4(at + TWRITE_HEAD - 4, count);
  add_iov(c, at, TWRITE_HEAD);
  add_iov(c, m->data, count);
  c->out_len += TWRITE_HEAD;
}

static bool add_request(struct bench_thread *t, struct bench_conn *c, uint16_t i, unsigned step) {
  const struct bench_run *r = t->run;
  size_t room = r->options->depth * r->out_size - c->out_len;
  styx_msg m;
  memset(&m, 0, offsetof(styx_msg, wname));
  to_request(r, i, &c->slots[i], step, &m);
  c->slots[i].owed |= (uint8_t)(1u << step);
  if (m.type == STYX_Twrite && m.count > COPIED) {
    add_large_write(c, &m, room);
    return true;
  }
  ptrdiff_t len = styx_encode(c->out + c->out_len, room, &m, r->options->dialect);
  if (len < 0 || (size_t)len > r->target->msize)
    return bench_fail(t, "%s: the request is longer than the msize of %u", styx_msg_name(m.type), r->target->msize);
  add_iov(c, c->out + c->out_len, (size_t)len);
  c->out_len += (size_t)len;
  return true;
}

static bool build_batch(struct bench_thread *t, struct bench_conn *c) {
  c->iov_at = c->iov_n = 0;
  c->out_len = 0;
  t->now = bench_clock();
  for (unsigned k = 0; k < c->nready; k++) {
    struct bench_slot *slot = &c->slots[c->ready[k]];
    if (slot->start == 0)
      slot->start = t->now;
    unsigned step = slot->step;
    do
      if (!add_request(t, c, c->ready[k], step))
        return false;
    while (t->run->op->at_once && ++step < t->run->op->nsteps);
  }
  c->nready = 0;
  return true;
}

static void sent(struct bench_conn *c, size_t n) {
  while (c->iov_at < c->iov_n && n >= c->iov[c->iov_at].iov_len)
    n -= c->iov[c->iov_at++].iov_len;
  if (n > 0) {
    c->iov[c->iov_at].iov_base = (uint8_t *)c->iov[c->iov_at].iov_base + n;
    c->iov[c->iov_at].iov_len -= n;
  }
}

static bool poll_output(struct bench_thread *t, struct bench_conn *c, bool on) {
  struct epoll_event ev = {.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
  if (c->blocked == on)
    return true;
  c->blocked = on;
  return epoll_ctl(t->poller, EPOLL_CTL_MOD, c->fd, &ev) == 0 || bench_fail(t, "epoll: %s", strerror(errno));
}

/* All that is ready; what the socket does not take stays. */
bool bench_conn_flush(struct bench_thread *t, struct bench_conn *c) {
  for (;;) {
    if (c->iov_at == c->iov_n && c->nready == 0)
      return poll_output(t, c, false);
    if (c->iov_at == c->iov_n && !build_batch(t, c))
      return false;
    unsigned left = c->iov_n - c->iov_at;
    struct msghdr mh = {.msg_iov = c->iov + c->iov_at, .msg_iovlen = left < MAX_IOV ? left : MAX_IOV};
    ssize_t n = sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
      sent(c, (size_t)n);
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      return poll_output(t, c, true);
    else if (errno != EINTR)
      return bench_fail(t, "sending: %s", strerror(errno));
  }
}

/* ---- in ---- */

static unsigned step_of(const struct bench_run *r, const struct bench_conn *c, uint16_t tag) {
  return r->op->at_once ? tag % bench_tags(r->op) : c->slots[tag].step;
}

static void answered(struct bench_thread *t, struct bench_conn *c, uint16_t tag) {
  const struct bench_op *op = t->run->op;
  uint16_t i = (uint16_t)(tag / bench_tags(op));
  struct bench_slot *slot = &c->slots[i];
  slot->owed &= (uint8_t) ~(1u << step_of(t->run, c, tag));
  if (slot->owed)
    return;
  if (!op->at_once && !op->in_turn && ++slot->step < op->nsteps) {
    c->ready[c->nready++] = i;
    return;
  }
  slot->busy = false;
  c->idle[c->nidle++] = i;
  t->idle++;
  bench_done(t, c, i);
}

/* True when a request with this tag awaits a reply of this type. */
static bool expected(struct bench_thread *t, struct bench_conn *c, unsigned type, uint16_t tag) {
  const struct bench_run *r = t->run;
  const char *name = styx_msg_name(type);
  unsigned tags = bench_tags(r->op);
  if (tag >= r->options->depth * tags || !(c->slots[tag / tags].owed >> step_of(r, c, tag) & 1))
    return bench_fail(t, "%s with tag %u, which no request in flight has", name ? name : "a message", tag);
  unsigned request = type_of(r, step_of(r, c, tag));
  if (type != request + 1)
    return bench_fail(t, "%s was answered with %s", styx_msg_name(request), name ? name : "another kind of message");
  return true;
}

static bool check_reply(struct bench_thread *t, struct bench_conn *c, const styx_msg *m) {
  const struct bench_target *target = t->run->target;
  char text[200];
  if (fl_is_error(m)) {
    styx_msg_print(text, sizeof text, m, t->run->options->dialect);
    return bench_fail(t, "the server answered: %s", text);
  }
  if (!expected(t, c, m->type, m->tag))
    return false;
  if ((m->type == STYX_Rread || m->type == STYX_Rwrite) && m->count != target->count)
    return bench_fail(t, "%s of %u bytes where %u were asked for", styx_msg_name(m->type), m->count, target->count);
  if (m->type == STYX_Rwalk && m->nwqid != target->nnames)
    return bench_fail(t, "Rwalk of %u names where %u were asked for", m->nwqid, target->nnames);
  return true;
}

static uint32_t get4(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The beginning of a message at p. Of an Rread only the head is awaited; anything else is kept until it is whole. */
static bool take_partial(struct bench_thread *t, struct bench_conn *c, const uint8_t *p, size_t len) {
  if (len >= STYX_RREADHDRSZ && p[4] == STYX_Rread) {
    styx_msg m = {.type = STYX_Rread, .tag = (uint16_t)(p[5] | p[6] << 8), .count = get4(p + 7)};
    if (get4(p) != STYX_RREADHDRSZ + m.count)
      return bench_fail(t, "an Rread whose count and size differ");
    c->skip = get4(p) - len;
    c->skip_tag = m.tag;
    return check_reply(t, c, &m);
  }
  if (len > BENCH_RECV / 2)
    return bench_fail(t, "a reply that is far longer than any of its kind");
  uint8_t *stash = realloc(c->stash, len);
  if (!stash)
    return bench_fail(t, "out of memory");
  memcpy(stash, p, len);
  c->stash = stash;
  c->stash_len = len;
  return true;
}

static bool take_all(struct bench_thread *t, struct bench_conn *c, const uint8_t *p, size_t len) {
  while (len > 0) {
    styx_msg m;
    ptrdiff_t size = styx_decode(&m, p, len, t->run->target->msize, t->run->options->dialect);
    if (size < 0)
      return bench_fail(t, "a message that cannot be decoded: %s", styx_err_text((styx_err)-size));
    if (size == 0)
      return take_partial(t, c, p, len);
    if (!check_reply(t, c, &m))
      return false;
    answered(t, c, m.tag);
    p += size;
    len -= (size_t)size;
  }
  return true;
}

static bool take(struct bench_thread *t, struct bench_conn *c, const uint8_t *p, size_t len) {
  if (c->skip > 0) {
    size_t n = len < c->skip ? len : (size_t)c->skip;
    c->skip -= n;
    if (c->skip == 0)
      answered(t, c, c->skip_tag);
    p += n;
    len -= n;
  }
  return take_all(t, c, p, len);
}

/* What has come, then what it allows to send. The buffer has room for a stash of any reply but an Rread. */
bool bench_conn_receive(struct bench_thread *t, struct bench_conn *c) {
  for (int turn = 0; turn < RECV_TURNS; turn++) {
    size_t had = c->stash_len;
    if (had)
      memcpy(t->buffer, c->stash, had);
    ssize_t n = recv(c->fd, t->buffer + had, BENCH_RECV - had, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      break;
    if (n <= 0)
      return bench_fail(t, "receiving: %s", n ? strerror(errno) : "the server closed a connection");
    c->stash_len = 0;
    t->now = bench_clock();
    if (!take(t, c, t->buffer, had + (size_t)n))
      return false;
    if (had + (size_t)n < BENCH_RECV)
      break;
  }
  return bench_conn_flush(t, c);
}
