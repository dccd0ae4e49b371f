/* flush_setup.c: before and after: a directory for each connection, one blocking request at a time. */
#include "flush.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ROOT, DIR, WORK, PATIENCE = 10 };

struct talk {
  const struct fl_options *o;
  int fd;
  uint32_t msize;
  uint8_t *buf;
  bool unlinkat;  /* the server knows it */
  styx_msg reply; /* into buf */
};

static bool wrong(const char *what, const char *why) {
  fprintf(stderr, "styxbench: %s: %s\n", what, why);
  return false;
}

static bool send_all(struct talk *t, const char *what, size_t len) {
  for (size_t at = 0; at < len;) {
    ssize_t n = send(t->fd, t->buf + at, len - at, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR)
      return wrong(what, strerror(errno));
    at += n > 0 ? (size_t)n : 0;
  }
  return true;
}

static bool receive(struct talk *t, const char *what) {
  for (size_t at = 0;;) {
    ptrdiff_t size = styx_decode(&t->reply, t->buf, at, t->msize, t->o->dialect);
    if (size < 0)
      return wrong(what, "the server's answer cannot be decoded");
    if (size > 0)
      return true;
    ssize_t n = recv(t->fd, t->buf + at, t->msize - at, 0);
    if (n == 0 || (n < 0 && errno != EINTR))
      return wrong(what, n == 0 ? "the server closed the connection" : errno == EAGAIN ? "no answer" : strerror(errno));
    at += n > 0 ? (size_t)n : 0;
  }
}

/* Any answer; false when there is none. */
static bool ask(struct talk *t, const char *what, const styx_msg *m) {
  ptrdiff_t len = styx_encode(t->buf, t->msize, m, t->o->dialect);
  if (len < 0)
    return wrong(what, "a request is longer than msize");
  return send_all(t, what, (size_t)len) && receive(t, what);
}

/* The answer that says yes. */
static bool need(struct talk *t, const char *what, const styx_msg *m) {
  char text[300];
  bool walked = m->type == STYX_Twalk;
  if (!ask(t, what, m))
    return false;
  if (t->reply.type == m->type + 1 && (!walked || t->reply.nwqid == m->nwname))
    return true;
  styx_msg_print(text, sizeof text, &t->reply, t->o->dialect);
  return wrong(what, walked && !fl_is_error(&t->reply) ? "there is no such file" : text);
}

static bool agree(struct talk *t) {
  const char *version = styx_dialect_version(t->o->dialect);
  styx_msg m = {.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = t->o->msize, .version = styx_str_of(version)};
  if (!need(t, "version", &m))
    return false;
  if (!styx_str_is(t->reply.version, version))
    return wrong(version, "the server does not speak it (--dialect names another)");
  if (t->reply.msize > t->o->msize || t->reply.msize < STYX_MINMSIZE)
    return wrong("version", "the server's msize is larger than asked, or under 256");
  t->msize = t->reply.msize;
  return true;
}

static bool begin(struct talk *t, const struct fl_options *o) {
  const struct timeval patience = {.tv_sec = PATIENCE};
  char what[160];
  styx_msg m;
  *t = (struct talk){.o = o, .msize = o->msize, .buf = malloc(o->msize), .fd = -1};
  if (!t->buf)
    return wrong("set-up", "out of memory");
  styx_err err = styx_dial(&o->addr, &t->fd);
  if (err) {
    t->fd = -1;
    return wrong(o->addr_text, styx_err_text(err));
  }
  setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  snprintf(what, sizeof what, "attach as %.60s to '%.60s'", o->uname, o->aname);
  if (!agree(t))
    return false;
  fl_say_attach(&m, ROOT, o->uname, o->aname);
  if (!need(t, what, &m))
    return false;
  m = (styx_msg){.type = STYX_Twalk, .fid = ROOT, .newfid = DIR};
  fl_say_path(&m, o->dir);
  return need(t, o->dir, &m);
}

static void end(struct talk *t) {
  if (t->fd >= 0)
    close(t->fd);
  free(t->buf);
}

static bool clunk(struct talk *t, const char *what, uint32_t fid) {
  return need(t, what, &(styx_msg){.type = STYX_Tclunk, .fid = fid});
}

/* WORK becomes what these names lead to from DIR. */
static bool walk(struct talk *t, const char *name, const char *name2) {
  styx_msg m = {.type = STYX_Twalk, .fid = DIR, .newfid = WORK};
  fl_say_path(&m, name);
  fl_say_path(&m, name2);
  return need(t, name, &m);
}

static bool make_dir(struct talk *t, const char *name) {
  styx_msg m;
  fl_say_create(t->o->dialect, &m, WORK, styx_str_of(name), true);
  return walk(t, "", "") && need(t, "cannot make a directory (--dir says where)", &m) && clunk(t, name, WORK);
}

static bool make_shared(struct talk *t, const struct fl_run *r) {
  styx_msg m;
  fl_say_create(t->o->dialect, &m, WORK, styx_str_of("shared"), false);
  if (!walk(t, r->conns[0].name, "") || !need(t, "cannot make a file", &m))
    return false;
  for (uint32_t at = 0; at < FL_SHARED;) {
    uint32_t left = FL_SHARED - at, room = t->msize - STYX_IOHDRSZ;
    m = (styx_msg){
        .type = STYX_Twrite, .fid = WORK, .offset = at, .count = left < room ? left : room, .data = r->shared + at};
    if (!need(t, "writing", &m))
      return false;
    if (t->reply.count == 0 || t->reply.count > m.count)
      return wrong("writing", "the server wrote nothing, or more than it was given");
    at += t->reply.count;
  }
  return clunk(t, "shared", WORK);
}

static bool look_at_blocked(struct talk *t) {
  styx_msg m = {.type = STYX_Twalk, .fid = ROOT, .newfid = WORK};
  if (!t->o->blocked)
    return true;
  fl_say_path(&m, t->o->blocked);
  return need(t, t->o->blocked, &m) && clunk(t, t->o->blocked, WORK);
}

/* Some servers of 9P2000.L are older than Tunlinkat. */
static bool look_at_unlinkat(struct talk *t) {
  styx_msg m = {.type = STYX_Tunlinkat, .dfid = DIR, .name = STYX_STR("flush-none")};
  if (t->o->dialect != STYX_9P2000_L)
    return true;
  if (!ask(t, "Tunlinkat", &m))
    return false;
  t->unlinkat = t->reply.ecode != EOPNOTSUPP && t->reply.ecode != ENOSYS;
  return true;
}

bool fl_setup(struct fl_run *r) {
  struct talk t;
  bool good = begin(&t, r->o) && look_at_blocked(&t) && look_at_unlinkat(&t);
  r->no_unlinkat = !t.unlinkat;
  while (good && r->made < r->o->conns && (good = make_dir(&t, r->conns[r->made].name)))
    r->made++;
  good = good && make_shared(&t, r);
  end(&t);
  return good;
}

/* ---- afterwards ---- */

static bool remove_one(struct talk *t, const char *dir, const char *name, bool is_dir) {
  styx_msg m = {.type = STYX_Tunlinkat, .dfid = WORK, .flags = is_dir ? STYX_UNLINKAT_DIR : 0};
  m.name = styx_str_of(is_dir ? dir : name);
  if (t->unlinkat)
    return walk(t, is_dir ? "" : dir, "") && need(t, name, &m) && clunk(t, dir, WORK);
  m = (styx_msg){.type = STYX_Tremove, .fid = WORK};
  return walk(t, dir, is_dir ? "" : name) && need(t, name, &m);
}

/* The first entry of the reply that is not "." or ".."; *at goes behind the last that was looked at. */
static bool next_name(const struct talk *t, size_t *at, uint64_t *offset, char *name, size_t cap) {
  while (*at < t->reply.count) {
    styx_stat st;
    styx_ldirent e;
    bool linux = t->o->dialect == STYX_9P2000_L;
    const uint8_t *p = t->reply.data + *at;
    ptrdiff_t n = linux ? styx_ldirent_decode(&e, p, t->reply.count - *at)
                        : styx_stat_decode(&st, p, t->reply.count - *at, t->o->dialect);
    if (n <= 0)
      return false;
    *at += (size_t)n;
    *offset = linux ? e.offset : *offset + (size_t)n;
    styx_str s = linux ? e.name : st.name;
    snprintf(name, cap, "%.*s", (int)s.len, s.s);
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
      return true;
  }
  return false;
}

/* Names of files in dir, each ending in a zero byte; the list, of *len bytes, is the caller's. */
static char *list(struct talk *t, const char *dir, size_t *len) {
  char name[256], *names = NULL;
  styx_msg m;
  uint64_t offset = 0;
  bool good = walk(t, dir, "");
  fl_say_open(t->o->dialect, &m, WORK, STYX_OREAD, false);
  good = good && need(t, dir, &m);
  *len = 0;
  while (good) {
    m = (styx_msg){.type = t->o->dialect == STYX_9P2000_L ? STYX_Treaddir : STYX_Tread, .fid = WORK, .offset = offset};
    m.count = t->msize - STYX_IOHDRSZ;
    if (!need(t, dir, &m) || t->reply.count == 0)
      break;
    for (size_t at = 0; next_name(t, &at, &offset, name, sizeof name);) {
      size_t n = strlen(name) + 1;
      char *more = realloc(names, *len + n);
      if (!more)
        break;
      names = more;
      memcpy(names + *len, name, n);
      *len += n;
    }
  }
  clunk(t, dir, WORK);
  return names;
}

bool fl_cleanup(struct fl_run *r) {
  struct talk t;
  bool good = begin(&t, r->o);
  t.unlinkat = !r->no_unlinkat;
  for (unsigned i = 0; good && i < r->made; i++) {
    size_t len;
    char *names = list(&t, r->conns[i].name, &len);
    for (size_t at = 0; names && at < len; at += strlen(names + at) + 1)
      remove_one(&t, r->conns[i].name, names + at, false);
    free(names);
    good = remove_one(&t, r->conns[i].name, "", true);
  }
  end(&t);
  return good;
}
