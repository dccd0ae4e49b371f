/* flush_conn.c: the bytes of a connection: one buffer each way, writes that are joined or cut anywhere, and a log of what was
 * said lately. */
#include "flush.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t fl_clock(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* splitmix64 */
static uint64_t step(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

uint32_t fl_roll(struct fl_conn *c, uint32_t n) { return (uint32_t)(step(&c->rng) % n); }
bool fl_chance(struct fl_conn *c, uint32_t per_mille) { return fl_roll(c, 1000) < per_mille; }

void fl_fill(uint8_t *to, size_t n, uint64_t seed) {
  for (size_t i = 0; i < n; i += 8) {
    uint64_t word = step(&seed);
    memcpy(to + i, &word, n - i < 8 ? n - i : 8);
  }
}

bool fl_conn_init(struct fl_conn *c, struct fl_run *r, unsigned index) {
  const struct fl_options *o = r->o;
  uint64_t seed = o->seed + index;
  *c = (struct fl_conn){
      .run = r, .index = index, .fd = -1, .rng = step(&seed), .msize = o->msize, .next_fid = 1, .also = -1};
  c->ntags = o->depth * 5 + 32;
  c->out_cap = (size_t)c->ntags * 64 + (size_t)o->depth * FL_FILE + o->msize;
  c->in_cap = (size_t)o->msize * 2;
  c->out = malloc(c->out_cap);
  c->in = malloc(c->in_cap);
  c->unsent = calloc((size_t)c->ntags * 2, sizeof *c->unsent);
  c->tags = calloc(c->ntags, sizeof *c->tags);
  c->free = calloc(c->ntags, sizeof *c->free);
  c->flushes = calloc(c->ntags, sizeof *c->flushes);
  c->dues = calloc(c->ntags, sizeof *c->dues);
  c->slots = calloc(o->depth, sizeof *c->slots);
  c->log = calloc(FL_LOG, sizeof *c->log);
  snprintf(c->name, sizeof c->name, "flush-%ld-%llu-%u", (long)getpid(), (unsigned long long)o->seed % 1000000, index);
  return c->out && c->in && c->unsent && c->tags && c->free && c->flushes && c->dues && c->slots && c->log;
}

void fl_conn_fini(struct fl_conn *c) {
  fl_conn_close(c, false);
  free(c->out);
  free(c->in);
  free(c->unsent);
  free(c->tags);
  free(c->free);
  free(c->flushes);
  free(c->dues);
  free(c->slots);
  free(c->log);
  for (int i = 0; i < FL_LATES; i++)
    free(c->lates[i].excerpt);
}

bool fl_conn_dial(struct fl_conn *c) {
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  if (styx_dial(&c->run->o->addr, &c->fd) != STYX_OK) {
    c->fd = -1;
    return false;
  }
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  c->out_len = c->in_len = 0;
  c->out_at = 0;
  c->unsent_at = c->nunsent = 0;
  c->watched = c->fallen = false;
  if (epoll_ctl(c->run->poller, EPOLL_CTL_ADD, c->fd, &ev) == 0)
    return true;
  fl_conn_close(c, false);
  return false;
}

void fl_conn_close(struct fl_conn *c, bool reset) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};
  if (c->fd < 0)
    return;
  if (reset)
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(c->fd);
  c->fd = -1;
}

void fl_conn_fall(struct fl_conn *c) { c->fallen = true; }

static void remember(struct fl_conn *c, bool out, const uint8_t *p, size_t size) {
  struct fl_said *s = &c->log[c->nlog++ % FL_LOG];
  s->at = c->run->now;
  s->out = out;
  s->size = (uint32_t)size;
  memcpy(s->bytes, p, size < FL_LOG_BYTES ? size : FL_LOG_BYTES);
}

/* By the server, which it may do after a client error only. */
static void ended(struct fl_conn *c, const char *why) {
  if (c->stage != FL_WASTE)
    fl_violation(c, "hangup", "server-closed", -1, STYX_NOFID, "the server closed the connection: %s", why);
  fl_conn_fall(c);
}

/* ---- out ---- */

void fl_conn_put(struct fl_conn *c, const styx_msg *m, uint64_t serial) {
  ptrdiff_t n = styx_encode(c->out + c->out_len, c->out_cap - c->out_len, m, c->run->o->dialect);
  if (n < 0) { /* depth, tags and buffer are chosen so that this cannot be */
    fprintf(stderr, "styxbench: cannot encode %s: %s\n", styx_msg_name(m->type), styx_err_text((styx_err)-n));
    abort();
  }
  remember(c, true, c->out + c->out_len, (size_t)n);
  c->out_len += (size_t)n;
  if (serial) {
    size_t i = (c->unsent_at + c->nunsent++) % ((size_t)c->ntags * 2);
    c->unsent[i].end = c->out_at + c->out_len;
    c->unsent[i].serial = serial;
    c->unsent[i].tag = m->tag;
  }
}

/* Latency counts from when the last byte of a request has left. */
static void stamp(struct fl_conn *c) {
  uint64_t now = fl_clock();
  while (c->nunsent && c->unsent[c->unsent_at].end <= c->out_at) {
    struct fl_req *r = &c->tags[c->unsent[c->unsent_at].tag].req;
    if (r->serial == c->unsent[c->unsent_at].serial)
      r->sent = now;
    c->unsent_at = (c->unsent_at + 1) % ((size_t)c->ntags * 2);
    c->nunsent--;
  }
}

static void watch_output(struct fl_conn *c, bool on) {
  struct epoll_event ev = {.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
  if (c->watched != on && epoll_ctl(c->run->poller, EPOLL_CTL_MOD, c->fd, &ev) == 0)
    c->watched = on;
}

/* Mostly all there is; at times a part, ending in mid-message, or a few bytes: the rest comes with the next turn. */
static size_t portion(struct fl_conn *c) {
  if (c->run->phase == FL_BASELINE || c->stage != FL_RUNNING || !fl_chance(c, 150))
    return c->out_len;
  return 1 + fl_roll(c, fl_chance(c, 500) ? (uint32_t)c->out_len : c->out_len < 12 ? (uint32_t)c->out_len : 12);
}

void fl_conn_write(struct fl_conn *c) {
  if (c->fd < 0 || c->out_len == 0 || c->fallen)
    return;
  ssize_t n = send(c->fd, c->out, portion(c), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
    ended(c, strerror(errno));
    return;
  }
  watch_output(c, n < 0 && errno != EINTR);
  if (n <= 0)
    return;
  c->out_at += (size_t)n;
  c->out_len -= (size_t)n;
  memmove(c->out, c->out + n, c->out_len);
  stamp(c);
}

/* ---- in ---- */

static size_t take(struct fl_conn *c) {
  size_t at = 0;
  if (c->stage == FL_WASTE)
    return c->in_len;
  while (at < c->in_len && !c->fallen) {
    styx_msg m;
    const uint8_t *p = c->in + at;
    ptrdiff_t size = styx_frame(p, c->in_len - at, c->msize);
    if (size == 0)
      break;
    if (size < 0) {
      fl_violation(c, "format", "frame", -1, STYX_NOFID, "bytes that are no message: %s",
                   styx_err_text((styx_err)-size));
      fl_conn_fall(c);
      break;
    }
    remember(c, false, p, (size_t)size);
    c->run->result.messages++;
    m.type = p[4];
    m.tag = (uint16_t)(p[5] | p[6] << 8);
    ptrdiff_t used = styx_decode(&m, p, (size_t)size, c->msize, c->run->o->dialect);
    if (used < 0)
      fl_judge_malformed(c, &m, (styx_err)-used);
    else
      fl_judge(c, &m);
    at += (size_t)size;
  }
  return at;
}

void fl_conn_read(struct fl_conn *c) {
  if (c->fd < 0 || c->fallen)
    return;
  ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    return;
  if (n <= 0) {
    ended(c, n ? strerror(errno) : "end of file");
    return;
  }
  c->run->now = fl_clock();
  c->in_len += (size_t)n;
  size_t used = take(c);
  c->in_len -= used;
  memmove(c->in, c->in + used, c->in_len);
}
