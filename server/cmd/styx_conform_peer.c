/* styx_conform_peer.c: a connection that compares every reply with what was asked. */
#include "styx_conform.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- dialling, which a server that hangs may keep: on a thread that can be left behind ---- */

struct dialling {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool done, left; /* by lock, with the rest */
  styx_addr addr;
  int fd;
  styx_err err;
};

static void dialling_free(struct dialling *d) {
  pthread_cond_destroy(&d->changed);
  pthread_mutex_destroy(&d->lock);
  free(d);
}

static void *dial(void *arg) {
  struct dialling *d = arg;
  int fd = -1;
  styx_err err = styx_dial(&d->addr, &fd);
  pthread_mutex_lock(&d->lock);
  d->done = true;
  d->err = err;
  d->fd = fd;
  bool left = d->left;
  pthread_cond_signal(&d->changed);
  pthread_mutex_unlock(&d->lock);
  if (left) {
    if (!err)
      close(fd);
    dialling_free(d);
  }
  return NULL;
}

static void await(struct dialling *d, int ms) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += ms / 1000 + (until.tv_nsec + ms % 1000 * 1000000L) / 1000000000L;
  until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000L) % 1000000000L;
  while (!d->done && pthread_cond_timedwait(&d->changed, &d->lock, &until) == 0)
    continue;
}

static styx_err dial_within(const styx_addr *addr, int ms, int *fd) {
  struct dialling *d = calloc(1, sizeof *d);
  pthread_t thread;
  if (!d)
    return ENOMEM;
  d->addr = *addr;
  pthread_mutex_init(&d->lock, NULL);
  pthread_cond_init(&d->changed, NULL);
  if (pthread_create(&thread, NULL, dial, d) != 0) {
    dialling_free(d);
    return EAGAIN;
  }
  pthread_detach(thread);
  pthread_mutex_lock(&d->lock);
  await(d, ms);
  bool done = d->done;
  d->left = !done;
  styx_err err = done ? d->err : ETIMEDOUT;
  if (!err)
    *fd = d->fd;
  pthread_mutex_unlock(&d->lock);
  if (done)
    dialling_free(d);
  return err;
}

struct cf_peer *cf_peer_new(struct cf_run *r, unsigned number) {
  int fd = -1;
  styx_err err = dial_within(&r->w->addr, r->w->timeout_ms, &fd);
  if (err)
    cf_fail(r, "cannot connect: %s", styx_err_text(err));
  struct cf_peer *p = calloc(1, sizeof *p);
  struct cf_asked *asked = calloc(65536, sizeof *asked);
  if (!p || !asked) {
    free(p);
    free(asked);
    close(fd);
    cf_skip(r, "no memory");
  }
  *p = (struct cf_peer){.fd = fd, .number = number, .asked = asked};
  return p;
}

void cf_peer_free(struct cf_peer *p) {
  if (!p)
    return;
  if (p->fd >= 0)
    close(p->fd);
  free(p->in);
  free(p->out);
  free(p->asked);
  free(p);
}

void cf_hangup(struct cf_run *r, unsigned n) {
  char text[32];
  snprintf(text, sizeof text, "%u", n);
  cf_log(r, "hang up", text);
  if (r->p == r->peers[n])
    r->p = NULL;
  cf_peer_free(r->peers[n]);
  r->peers[n] = NULL;
}

/* ---- bytes ---- */

static uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void room(struct cf_run *r, uint8_t **buf, size_t *cap, size_t need) {
  if (need <= *cap)
    return;
  uint8_t *more = realloc(*buf, need * 2);
  if (!more)
    cf_skip(r, "no memory");
  *buf = more;
  *cap = need * 2;
}

/* Nothing that is asked for here comes near this. */
enum { FLOOD = 1 << 26, BEFORE_VERSION = 1 << 16 };

/* What can be received or sent within ms. False: nothing could. */
static bool turn(struct cf_run *r, struct cf_peer *p, int ms) {
  struct pollfd fd = {.fd = p->fd, .events = (short)(POLLIN | (p->out_len ? POLLOUT : 0))};
  int n = poll(&fd, 1, ms);
  if (n <= 0)
    return n < 0 && errno == EINTR;
  if (fd.revents & (POLLIN | POLLHUP | POLLERR)) {
    if (p->in_len > FLOOD)
      cf_fail(r, "the server sends more than %d bytes that nobody asked for", FLOOD);
    room(r, &p->in, &p->in_cap, p->in_len + 65536);
    ssize_t got = recv(p->fd, p->in + p->in_len, p->in_cap - p->in_len, MSG_DONTWAIT);
    if (got > 0)
      p->in_len += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
      p->ended = true;
  }
  if (!p->ended && fd.revents & POLLOUT) {
    ssize_t put = send(p->fd, p->out, p->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put > 0) {
      p->out_len -= (size_t)put;
      memmove(p->out, p->out + put, p->out_len);
    } else if (put < 0 && errno != EAGAIN && errno != EINTR) {
      p->out_len = 0; /* what it has sent may still be read */
    }
  }
  return true;
}

void cf_push(struct cf_run *r) {
  struct cf_peer *p = r->p;
  uint64_t until = now_ms() + (uint64_t)r->w->timeout_ms;
  while (p->out_len && !p->ended) {
    uint64_t now = now_ms();
    if (now >= until)
      cf_fail(r, "the server took nothing for %d ms", r->w->timeout_ms);
    turn(r, p, (int)(until - now));
  }
}

void cf_queue_bytes(struct cf_run *r, const void *bytes, size_t n) {
  struct cf_peer *p = r->p;
  room(r, &p->out, &p->out_cap, p->out_len + n);
  memcpy(p->out + p->out_len, bytes, n);
  p->out_len += n;
}

/* ---- messages ---- */

static void log_msg(struct cf_run *r, const char *arrow, const styx_msg *m) {
  char text[CF_LINE], mark[24];
  styx_msg_print(text, sizeof text, m, STYX_9P2000);
  if (r->p->number)
    snprintf(mark, sizeof mark, "[%u] %s", r->p->number, arrow);
  else
    snprintf(mark, sizeof mark, "%s", arrow);
  cf_log(r, mark, text);
}

void cf_queue(struct cf_run *r, const styx_msg *t) {
  struct cf_peer *p = r->p;
  struct cf_asked *a = &p->asked[t->tag];
  log_msg(r, "->", t);
  ptrdiff_t size = styx_encoded_size(t, STYX_9P2000);
  if (size < 0)
    cf_fail(r, "styx conform itself is wrong: it cannot encode this");
  room(r, &p->out, &p->out_cap, p->out_len + (size_t)size);
  p->out_len += (size_t)styx_encode(p->out + p->out_len, p->out_cap - p->out_len, t, STYX_9P2000);
  a->types[a->n < 2 ? a->n : 1] = t->type;
  a->n = a->n < 2 ? (uint8_t)(a->n + 1) : 2;
  a->oldtag = t->oldtag;
  a->nwname = t->nwname;
  a->count = t->type == STYX_Tversion ? t->msize : t->count;
}

void cf_send(struct cf_run *r, const styx_msg *t) {
  cf_queue(r, t);
  cf_push(r);
}

/* Which of the requests under this tag is this the reply to? */
static int answered(const struct cf_asked *a, uint8_t type) {
  for (int i = 0; i < a->n; i++)
    if (type == a->types[i] + 1 || (type == STYX_Rerror && a->types[i] != STYX_Tflush && a->types[i] != STYX_Tversion))
      return i;
  return -1;
}

static void judge_fields(struct cf_run *r, const struct cf_asked *a, const styx_msg *m) {
  if (m->type == STYX_Rversion && m->msize > a->count)
    cf_fail(r, "Rversion has msize %u; right: at most the client's, %u (version(5))", m->msize, a->count);
  if ((m->type == STYX_Rread || m->type == STYX_Rwrite) && m->count > a->count)
    cf_fail(r, "%s has count %u; right: at most the %u that were asked for (read(5))", styx_msg_name(m->type), m->count,
            a->count);
  if (m->type == STYX_Rwalk && (m->nwqid > a->nwname || (m->nwqid == 0) != (a->nwname == 0)))
    cf_fail(r,
            "Rwalk has %u qids for %u names; right: one for each element that was walked, an error for none (walk(5))",
            m->nwqid, a->nwname);
}

/* A reply: to a request that is outstanding, of its kind, with what it may say. */
static void judge(struct cf_run *r, const styx_msg *m) {
  struct cf_asked *a = &r->p->asked[m->tag];
  if (styx_msg_is_t(m->type))
    cf_fail(r, "a T-message came; right: only R-messages come from a server (intro(5))");
  if (!a->n)
    cf_fail(r,
            "a reply under tag %u came, under which no request is outstanding; right: one reply to each, none after "
            "its Rflush or Rversion (intro(5), flush(5))",
            m->tag);
  int i = answered(a, m->type);
  if (i < 0)
    cf_fail(r, "%s was answered by %s; right: %s%s (intro(5))", styx_msg_name(a->types[0]), styx_msg_name(m->type),
            styx_msg_name(a->types[0] + 1u),
            a->types[0] == STYX_Tflush || a->types[0] == STYX_Tversion ? ", never an error" : " or Rerror");
  judge_fields(r, a, m);
  a->types[i] = a->types[1];
  a->n--;
  if (m->type == STYX_Rflush && a->oldtag != m->tag)
    r->p->asked[a->oldtag].n = 0;
  if (m->type == STYX_Rversion && styx_str_is(m->version, STYX_VERSION_UNKNOWN))
    return;
  if (m->type == STYX_Rversion) {
    memset(r->p->asked, 0, 65536 * sizeof *r->p->asked);
    r->p->msize = m->msize;
  }
}

static void drop_taken(struct cf_peer *p) {
  if (!p->taken)
    return;
  p->in_len -= p->taken;
  memmove(p->in, p->in + p->taken, p->in_len);
  p->taken = 0;
}

/* The size of the message that is there; 0: not all of it. */
static size_t whole(struct cf_run *r, const struct cf_peer *p) {
  uint32_t most = p->msize ? p->msize : BEFORE_VERSION;
  ptrdiff_t size = styx_frame(p->in, p->in_len, most);
  if (size < 0)
    cf_fail(r, "a message came that says it is %u bytes long; right: at least 7 and at most msize, %u (intro(5))",
            (unsigned)p->in[0] | (unsigned)p->in[1] << 8 | (unsigned)p->in[2] << 16 | (unsigned)p->in[3] << 24, most);
  return (size_t)size;
}

bool cf_ready(struct cf_run *r, int ms) {
  struct cf_peer *p = r->p;
  uint64_t until = now_ms() + (uint64_t)ms;
  drop_taken(p);
  while (!whole(r, p)) {
    uint64_t now = now_ms();
    if (p->ended)
      return true;
    if (now >= until)
      return false;
    turn(r, p, (int)(until - now));
  }
  return true;
}

bool cf_next(struct cf_run *r, styx_msg *m) {
  struct cf_peer *p = r->p;
  cf_push(r);
  if (!cf_ready(r, r->w->timeout_ms))
    cf_fail(r, "nothing came for %d ms; right: an answer to every request", r->w->timeout_ms);
  p->taken = whole(r, p);
  if (!p->taken) {
    cf_log(r, "<-", "(the server hung up)");
    if (p->in_len)
      cf_fail(r, "the server hung up in the middle of a message");
    return false;
  }
  ptrdiff_t used = styx_decode(m, p->in, p->taken, p->msize, STYX_9P2000);
  if (used <= 0) {
    char text[64];
    snprintf(text, sizeof text, "message %u of %zu bytes", p->in[4], p->taken);
    cf_log(r, "<-", text);
    cf_fail(r, "it does not decode: %s", styx_err_text((styx_err)-used));
  }
  log_msg(r, "<-", m);
  judge(r, m);
  return true;
}

/* ---- one request, and its reply ---- */

styx_msg cf_rpc(struct cf_run *r, styx_msg t) {
  styx_msg m;
  if (t.type != STYX_Tversion)
    t.tag = CF_TAG;
  cf_send(r, &t);
  if (!cf_next(r, &m))
    cf_fail(r, "the server hung up; right: a reply to %s", styx_msg_name(t.type));
  if (m.tag != t.tag)
    cf_fail(r, "that is no reply to this request");
  return m;
}

static void text_of(char *buf, size_t cap, const styx_msg *m) { styx_msg_print(buf, cap, m, STYX_9P2000); }

styx_msg cf_ok(struct cf_run *r, styx_msg t) {
  styx_msg m = cf_rpc(r, t);
  if (m.type == STYX_Rerror) {
    char text[CF_LINE];
    text_of(text, sizeof text, &m);
    cf_fail(r, "came: %s; right: %s", text, styx_msg_name(t.type + 1u));
  }
  return m;
}

void cf_refused(struct cf_run *r, styx_msg t) {
  styx_msg m = cf_rpc(r, t);
  if (m.type != STYX_Rerror)
    cf_fail(r, "came: %s; right: Rerror", styx_msg_name(m.type));
}

styx_msg cf_or_skip(struct cf_run *r, styx_msg t) {
  styx_msg m = cf_rpc(r, t);
  if (m.type == STYX_Rerror)
    cf_skip(r, "%s is refused: %.*s", styx_msg_name(t.type), (int)m.ename.len, m.ename.s);
  return m;
}
