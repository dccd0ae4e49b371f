/* styxbench_setup.c: what comes before and after a measurement, one blocking request at a time. */
#include "flush.h"
#include "styxbench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char own_file[] = "/styxbench";

/* What the server, or the system, said. */
static bool wrong(struct bench_setup *s, const char *what, const char *why) {
  snprintf(s->error, s->error_cap, "%s: %s", what, why);
  return false;
}

static bool wrong_errno(struct bench_setup *s, const char *what) {
  bool slow = errno == EAGAIN || errno == EWOULDBLOCK;
  return wrong(s, what, slow ? "the server did not answer for 10 seconds" : strerror(errno));
}

static bool send_all(struct bench_setup *s, const char *what, size_t len) {
  for (size_t at = 0; at < len;) {
    ssize_t n = send(s->fd, s->buf + at, len - at, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR)
      return wrong_errno(s, what);
    at += n > 0 ? (size_t)n : 0;
  }
  return true;
}

static bool receive_some(struct bench_setup *s, const char *what, size_t *at) {
  ssize_t n = recv(s->fd, s->buf + *at, s->msize - *at, 0);
  if (n == 0)
    return wrong(s, what, "the server closed the connection");
  if (n < 0 && errno != EINTR)
    return wrong_errno(s, what);
  *at += n > 0 ? (size_t)n : 0;
  return true;
}

static bool receive_one(struct bench_setup *s, const char *what, styx_msg *reply) {
  for (size_t at = 0;;) {
    ptrdiff_t size = styx_decode(reply, s->buf, at, s->msize, s->options->dialect);
    if (size < 0 || (size > 0 && (size_t)size != at))
      return wrong(s, what, size < 0 ? "the server's answer cannot be decoded" : "the server sent more than was asked");
    if (size > 0)
      return true;
    if (!receive_some(s, what, &at))
      return false;
  }
}

/* Send and await the answer. False and an error unless it is the reply to msg; reply points into s->buf. */
static bool rpc(struct bench_setup *s, const char *what, styx_msg msg, styx_msg *reply) {
  char text[300];
  ptrdiff_t len = styx_encode(s->buf, s->msize, &msg, s->options->dialect);
  if (len < 0)
    return wrong(s, what, "the request is longer than the msize that was agreed");
  if (!send_all(s, what, (size_t)len) || !receive_one(s, what, reply))
    return false;
  if (reply->tag != msg.tag)
    return wrong(s, what, "the server answered with another tag");
  if (fl_is_error(reply)) {
    styx_msg_print(text, sizeof text, reply, s->options->dialect);
    return wrong(s, what, text);
  }
  if (reply->type != msg.type + 1)
    return wrong(s, what, "the server answered with another kind of message");
  return true;
}

static bool agree_version(struct bench_setup *s) {
  const char *version = styx_dialect_version(s->options->dialect);
  styx_msg reply,
      msg = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = s->options->msize, .version = styx_str_of(version)};
  if (!rpc(s, "version", msg, &reply))
    return false;
  if (!styx_str_is(reply.version, version))
    return wrong(s, version, "the server does not speak it (--dialect names another)");
  if (reply.msize > s->options->msize || reply.msize < STYX_MINMSIZE)
    return wrong(s, "version", "the server's msize is larger than asked, or under 256");
  s->msize = reply.msize;
  return true;
}

bool bench_setup_dial(struct bench_setup *s, const struct bench_options *o, char *error, size_t cap) {
  *s = (struct bench_setup){.options = o, .msize = o->msize, .fd = -1, .error = error, .error_cap = cap};
  const struct timeval patience = {.tv_sec = BENCH_PATIENCE};
  char text[256];
  s->buf = malloc(o->msize);
  if (!s->buf)
    return wrong(s, "set-up", "out of memory");
  styx_err err = styx_dial(&o->addr, &s->fd);
  if (err)
    return wrong(s, o->addr_text, styx_err_text(err));
  setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  styx_msg reply, attach;
  fl_say_attach(&attach, BENCH_FID_ROOT, o->uname, o->aname);
  snprintf(text, sizeof text, "attach as %.100s to '%.100s'", o->uname, o->aname);
  return agree_version(s) && rpc(s, text, attach, &reply);
}

void bench_setup_close(struct bench_setup *s, bool keep_fd) {
  if (!keep_fd && s->fd >= 0)
    close(s->fd);
  free(s->buf);
}

size_t bench_setup_path(struct bench_target *t, const char *path) {
  size_t n = 0;
  snprintf(t->path, sizeof t->path, "%s", path);
  for (char *at = t->path; *(at += strspn(at, "/"));) {
    size_t len = strcspn(at, "/");
    if (n < STYX_MAXWELEM)
      t->names[n] = (styx_str){at, len};
    n++;
    at += len;
  }
  t->nnames = (uint16_t)n;
  return n;
}

static bool walk(struct bench_setup *s, const struct bench_target *t, uint16_t nnames) {
  styx_msg reply, msg = {.type = STYX_Twalk, .fid = BENCH_FID_ROOT, .newfid = BENCH_FID_FILE, .nwname = nnames};
  memcpy(msg.wname, t->names, nnames * sizeof *t->names);
  return rpc(s, t->path, msg, &reply) && (reply.nwqid == nnames || wrong(s, t->path, "there is no such file"));
}

static bool clunk(struct bench_setup *s) {
  styx_msg reply;
  return rpc(s, "clunk", (styx_msg){.type = STYX_Tclunk, .fid = BENCH_FID_FILE}, &reply);
}

static bool stat_length(struct bench_setup *s, struct bench_target *t) {
  styx_msg reply, msg;
  fl_say_stat(s->options->dialect, &msg, BENCH_FID_FILE);
  if (!rpc(s, t->path, msg, &reply))
    return false;
  t->length = s->options->dialect == STYX_9P2000_L ? reply.attr.size : reply.stat.length;
  return true;
}

static bool open_file(struct bench_setup *s, const struct bench_target *t, uint8_t mode, styx_msg *reply) {
  styx_msg msg;
  fl_say_open(s->options->dialect, &msg, BENCH_FID_FILE, mode, false);
  return rpc(s, t->path, msg, reply);
}

static uint8_t mode_of(const struct bench_op *op) {
  return op->in_turn ? STYX_ORDWR : op->writes ? STYX_OWRITE : STYX_OREAD;
}

static uint32_t fitting(uint32_t count, uint32_t iounit) { return iounit && iounit < count ? iounit : count; }

/* The file gets the length that the largest read or write needs, and zeros. */
static bool fill(struct bench_setup *s, struct bench_target *t, uint32_t iounit) {
  static const uint8_t zeros[65536];
  styx_msg reply;
  uint64_t wanted = t->msize > BENCH_FILE_SIZE ? t->msize : BENCH_FILE_SIZE;
  while (t->length < wanted) {
    uint64_t left = wanted - t->length;
    uint32_t n = fitting(t->msize - STYX_IOHDRSZ, iounit);
    n = n > sizeof zeros ? (uint32_t)sizeof zeros : n;
    styx_msg msg = {.type = STYX_Twrite,
                    .fid = BENCH_FID_FILE,
                    .offset = t->length,
                    .count = n < left ? n : (uint32_t)left,
                    .data = zeros};
    if (!rpc(s, t->path, msg, &reply))
      return false;
    if (reply.count == 0 || reply.count > msg.count)
      return wrong(s, t->path, "the server wrote nothing, or more than it was given");
    t->length += reply.count;
  }
  return true;
}

/* Our own file: as an earlier run left it, or a new one. The fid is open afterwards. */
static bool make_file(struct bench_setup *s, struct bench_target *t) {
  styx_msg reply;
  if (walk(s, t, t->nnames)) {
    if (!stat_length(s, t) || !open_file(s, t, STYX_ORDWR, &reply))
      return false;
    return fill(s, t, reply.iounit);
  }
  styx_msg create;
  fl_say_create(s->options->dialect, &create, BENCH_FID_FILE, t->names[0], false);
  if (!walk(s, t, 0) || !rpc(s, "cannot make /styxbench (--file PATH names another file)", create, &reply))
    return false;
  t->made = true;
  return fill(s, t, reply.iounit);
}

static bool find_iounit(struct bench_setup *s, const struct bench_op *op, const struct bench_target *t,
                        uint32_t *iounit) {
  styx_msg reply;
  if (!walk(s, t, t->nnames) || !open_file(s, t, mode_of(op), &reply))
    return false;
  *iounit = reply.iounit;
  return clunk(s);
}

/* Which file, how long it is, and how much of it one message carries; called again for each operation. */
bool bench_setup_target(struct bench_setup *s, const struct bench_op *op, struct bench_target *t) {
  char text[160];
  const char *file = s->options->file ? s->options->file : own_file;
  uint32_t iounit = 0;
  bool made = t->made;
  *t = (struct bench_target){.msize = s->msize, .made = made};
  if (op->nsteps == 0)
    return true;
  bench_setup_path(t, file);
  if (s->options->file ? !walk(s, t, t->nnames) || !stat_length(s, t) : !make_file(s, t))
    return false;
  if (!clunk(s))
    return false;
  if (op->amount == BENCH_NOTHING)
    return true;
  if (!find_iounit(s, op, t, &iounit))
    return false;
  t->count = fitting(t->msize - STYX_IOHDRSZ, iounit);
  if (op->amount == BENCH_4K && t->count < BENCH_BLOCK)
    return wrong(s, file, "the server carries less than 4,096 bytes in one message; ask for a larger --msize");
  if (op->amount == BENCH_4K)
    t->count = BENCH_BLOCK;
  if (t->length >= t->count)
    return true;
  snprintf(text, sizeof text, "it has %llu bytes, and %s needs one of at least %u", (unsigned long long)t->length,
           op->name, t->count);
  return wrong(s, file, text);
}

/* What each connection needs before its first request. */
bool bench_setup_file(struct bench_setup *s, const struct bench_op *op, const struct bench_target *t) {
  styx_msg reply;
  if (s->msize != t->msize)
    return wrong(s, "version", "the server agreed to another msize than on its first connection");
  if (op->nsteps == 0 || op->own_fid)
    return true;
  return walk(s, t, t->nnames) && (!op->opened || open_file(s, t, mode_of(op), &reply));
}

bool bench_setup_remove(struct bench_setup *s) {
  struct bench_target t;
  styx_msg reply;
  bench_setup_path(&t, own_file);
  return walk(s, &t, t.nnames) && rpc(s, t.path, (styx_msg){.type = STYX_Tremove, .fid = BENCH_FID_FILE}, &reply);
}
