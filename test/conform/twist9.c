/* twist9.c: stand between a client and a 9P server, and let the server seem to have one fault, to test what finds such faults.
 *
 *     twist9 FAULT ADDRESS SERVER
 *     twist9 --list
 *
 * A process for each connection. Each fault is a function that sees every message on its way and may change it, keep it, or
 * answer it instead. Serves for two minutes at most; prints a line as soon as it listens. */
#include <styx/msgio.h>
#include <styx/server.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct conn {
  int client, server;
  struct styx_msgbuf from_client, from_server;
  uint8_t asked[65536];   /* the type of what is outstanding, by tag */
  uint32_t counts[65536]; /* and how many bytes it asks for */
  uint8_t nwnames[65536]; /* and how many names it walks */
  unsigned n[256];        /* how many of each type have passed */
  uint8_t kept[65536];    /* a message that waits */
  size_t kept_len;
  styx_msg flush;
  unsigned kept_flushes; /* of flush and kept: how many are there */
};

enum where { TO_SERVER, TO_CLIENT };
/* False: the message goes no further. */
typedef bool twist(struct conn *c, enum where where, styx_msg *m);

static void put(int fd, const void *bytes, size_t n) {
  const uint8_t *p = bytes;
  while (n) {
    ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
    if (done < 0 && errno == EAGAIN)
      poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
    else if (done < 0 && errno != EINTR)
      exit(0);
    p += done > 0 ? (size_t)done : 0;
    n -= done > 0 ? (size_t)done : 0;
  }
}

static void say(int fd, const styx_msg *m) {
  static uint8_t buf[1 << 21];
  ptrdiff_t n = styx_encode(buf, sizeof buf, m, STYX_9P2000);
  if (n <= 0)
    abort();
  put(fd, buf, (size_t)n);
}

static bool reply(struct conn *c, const styx_msg *t, styx_msg r) {
  r.tag = t->tag;
  say(c->client, &r);
  return false;
}

static bool refuse(struct conn *c, const styx_msg *t) {
  return reply(c, t, (styx_msg){.type = STYX_Rerror, .ename = STYX_STR("twisted")});
}

/* A failure of a request of this type becomes this success. */
static bool forgive(const struct conn *c, enum where where, styx_msg *m, uint8_t type) {
  if (where == TO_CLIENT && m->type == STYX_Rerror && c->asked[m->tag] == type)
    *m = (styx_msg){.type = (uint8_t)(type + 1), .tag = m->tag};
  return true;
}

/* ---- the faults ---- */

static bool none(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where, (void)m;
  return true;
}
static bool version_raises(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rversion)
    m->msize *= 2;
  return true;
}
static bool version_errors(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rversion && styx_str_is(m->version, "unknown"))
    *m = (styx_msg){.type = STYX_Rerror, .tag = m->tag, .ename = STYX_STR("bad version")};
  return true;
}
static bool version_keeps(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Tversion && c->n[STYX_Tversion] > 1)
    return reply(c, m, (styx_msg){.type = STYX_Rversion, .msize = m->msize, .version = m->version});
  return true;
}
static bool attach_twice(struct conn *c, enum where where, styx_msg *m) { return forgive(c, where, m, STYX_Tattach); }
static bool walk_open(struct conn *c, enum where where, styx_msg *m) { return forgive(c, where, m, STYX_Twalk); }
static bool walk_partial_error(struct conn *c, enum where where, styx_msg *m) {
  (void)where;
  if (m->type == STYX_Rwalk && m->nwqid < c->nwnames[m->tag])
    *m = (styx_msg){.type = STYX_Rerror, .tag = m->tag, .ename = STYX_STR("file does not exist")};
  return true;
}
/* What is left of a walk that is cut short is a walk to where it got. */
static bool walk_partial_binds(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Twalk && m->nwname > 1 && styx_str_is(m->wname[m->nwname - 1], "missing"))
    m->nwname--;
  return true;
}
static bool walk_up_out(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rwalk && m->nwqid)
    m->wqid[m->nwqid - 1].path ^= 1;
  return true;
}
static bool walk_stops_at_eight(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Twalk && m->nwname > 8)
    return refuse(c, m);
  return true;
}
static bool open_no_trunc(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Topen)
    m->mode &= (uint8_t)~STYX_OTRUNC;
  return true;
}
static bool open_no_rclose(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Topen || m->type == STYX_Tcreate)
    m->mode &= (uint8_t)~STYX_ORCLOSE;
  return true;
}
static bool open_all_rw(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Topen && (m->mode & 3) == STYX_OWRITE)
    m->mode ^= STYX_OWRITE ^ STYX_ORDWR;
  return true;
}
static bool open_no_exec(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Topen && (m->mode & 3) == STYX_OEXEC)
    return refuse(c, m);
  return true;
}
static bool open_twice(struct conn *c, enum where where, styx_msg *m) { return forgive(c, where, m, STYX_Topen); }
static bool open_iounit(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Ropen)
    m->iounit = 1u << 20;
  return true;
}
static bool create_perm(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Tcreate)
    m->perm |= 0111;
  return true;
}
static bool create_existing(struct conn *c, enum where where, styx_msg *m) {
  return forgive(c, where, m, STYX_Tcreate);
}
static bool create_unopened(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Twrite && m->count == 4 && memcmp(m->data, "text", 4) == 0)
    return refuse(c, m);
  return true;
}
static bool read_cut(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rread && m->count > 49)
    m->count--;
  return true;
}
static bool read_more(struct conn *c, enum where where, styx_msg *m) {
  (void)where;
  if (m->type == STYX_Rread && m->count == c->counts[m->tag] && m->count && m->count < sizeof c->kept)
    m->data = memset(c->kept, 'x', ++m->count);
  return true;
}
static bool read_any_offset(struct conn *c, enum where where, styx_msg *m) { return forgive(c, where, m, STYX_Tread); }
static bool read_32(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Tread || m->type == STYX_Twrite)
    m->offset = (uint32_t)m->offset;
  return true;
}
static bool read_no_rewind(struct conn *c, enum where where, styx_msg *m) {
  (void)where;
  if (m->type == STYX_Rread && c->n[STYX_Rread] % 11 == 10)
    m->count = 0;
  return true;
}
static bool write_over(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rwrite)
    m->count++;
  return true;
}
static bool write_lost(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Twrite && m->offset)
    return reply(c, m, (styx_msg){.type = STYX_Rwrite, .count = m->count});
  return true;
}
static bool clunk_keeps(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Tclunk)
    return reply(c, m, (styx_msg){.type = STYX_Rclunk});
  return true;
}
static bool remove_only_clunks(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Tremove)
    m->type = STYX_Tclunk;
  else if (m->type == STYX_Rclunk && c->asked[m->tag] == STYX_Tremove)
    m->type = STYX_Rremove;
  return true;
}
static bool remove_refused_keeps(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Tremove && c->n[STYX_Tremove] == 2)
    return refuse(c, m);
  return true;
}
static bool stat_length(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rstat && m->stat.mode & STYX_DMDIR)
    m->stat.length = 4096;
  return true;
}
static bool stat_qid(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rstat)
    m->stat.qid.path += 7;
  return true;
}
static bool stat_name(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rstat && styx_str_is(m->stat.name, "/"))
    m->stat.name = styx_str_of(".");
  return true;
}
static bool wstat_sets_all(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Twstat && m->stat.mode == UINT32_MAX)
    m->stat.mode = 0700;
  return true;
}
/* Tries the changes that are refused, and calls it done because others could have been. */
static bool wstat_not_atomic(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Twstat && m->stat.length != UINT64_MAX)
    m->stat.name = (styx_str){0};
  return true;
}
static bool wstat_no_sync(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Twstat && m->stat.length == UINT64_MAX && m->stat.mode == UINT32_MAX &&
      m->stat.mtime == UINT32_MAX && !m->stat.name.len)
    return refuse(c, m);
  return true;
}
static bool rights_ignored(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Twstat && m->stat.mode == STYX_DMDIR + 0555)
    m->stat.mode = STYX_DMDIR | 0755;
  else if (m->type == STYX_Rstat && m->stat.mode == STYX_DMDIR + 0755)
    m->stat.mode = STYX_DMDIR | 0555;
  return true;
}
static bool flush_lost(struct conn *c, enum where where, styx_msg *m) {
  (void)c;
  return where != TO_CLIENT || m->type != STYX_Rflush;
}
static bool flush_errors(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_SERVER && m->type == STYX_Tflush && m->oldtag == m->tag)
    return refuse(c, m);
  return true;
}
/* The first request of tag 5 is done, whatever flushes it: of its reply and the Tflush, whichever comes first waits for the other.
 * Then the Rflush goes out. False: m is one of the two. */
static bool flush_late(struct conn *c, enum where where, styx_msg *m) {
  bool flush = where == TO_SERVER && m->type == STYX_Tflush;
  if (c->kept_flushes == 2 || !(flush ? m->oldtag == 5 : where == TO_CLIENT && m->tag == 5))
    return true;
  if (flush)
    c->flush = (styx_msg){.type = STYX_Rflush, .tag = m->tag};
  else
    c->kept_len = (size_t)styx_encode(c->kept, sizeof c->kept, m, STYX_9P2000);
  if (++c->kept_flushes == 2)
    say(c->client, &c->flush);
  return false;
}
static bool flush_early(struct conn *c, enum where where, styx_msg *m) {
  if (flush_late(c, where, m))
    return true;
  if (c->kept_flushes == 2) /* the reply behind its Rflush */
    put(c->client, c->kept, c->kept_len);
  return false;
}
/* The reply is kept back because the request was flushed. */
static bool flush_silent(struct conn *c, enum where where, styx_msg *m) { return flush_late(c, where, m); }
static bool reply_twice(struct conn *c, enum where where, styx_msg *m) {
  if (where == TO_CLIENT && m->type == STYX_Rclunk)
    say(c->client, m);
  return true;
}
static bool reply_lost(struct conn *c, enum where where, styx_msg *m) {
  (void)where;
  return m->type != STYX_Rstat || c->n[STYX_Rstat] % 50 != 49;
}
static bool reply_other_tag(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rstat && m->tag > 100)
    m->tag ^= 1;
  return true;
}
static bool reply_other_type(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Rremove)
    m->type = STYX_Rclunk;
  return true;
}
static bool dies_of_flush(struct conn *c, enum where where, styx_msg *m) {
  (void)c, (void)where;
  if (m->type == STYX_Tflush && m->oldtag == STYX_NOTAG)
    exit(0);
  return true;
}

static const struct {
  const char *name;
  twist *fn;
} faults[] = {
#define FAULT(name)                                                                                                    \
  { #name, name }
    FAULT(none),
    FAULT(version_raises),
    FAULT(version_errors),
    FAULT(version_keeps),
    FAULT(attach_twice),
    FAULT(walk_open),
    FAULT(walk_partial_error),
    FAULT(walk_partial_binds),
    FAULT(walk_up_out),
    FAULT(walk_stops_at_eight),
    FAULT(open_no_trunc),
    FAULT(open_no_rclose),
    FAULT(open_all_rw),
    FAULT(open_no_exec),
    FAULT(open_twice),
    FAULT(open_iounit),
    FAULT(create_perm),
    FAULT(create_existing),
    FAULT(create_unopened),
    FAULT(read_cut),
    FAULT(read_more),
    FAULT(read_any_offset),
    FAULT(read_32),
    FAULT(read_no_rewind),
    FAULT(write_over),
    FAULT(write_lost),
    FAULT(clunk_keeps),
    FAULT(remove_only_clunks),
    FAULT(remove_refused_keeps),
    FAULT(stat_length),
    FAULT(stat_qid),
    FAULT(stat_name),
    FAULT(wstat_sets_all),
    FAULT(wstat_not_atomic),
    FAULT(wstat_no_sync),
    FAULT(rights_ignored),
    FAULT(flush_lost),
    FAULT(flush_errors),
    FAULT(flush_early),
    FAULT(flush_silent),
    FAULT(reply_twice),
    FAULT(reply_lost),
    FAULT(reply_other_tag),
    FAULT(reply_other_type),
    FAULT(dies_of_flush),
#undef FAULT
};
enum { NFAULTS = sizeof faults / sizeof *faults };
static twist *fault;

/* ---- connections ---- */

/* Bytes that do not decode go on as they are. */
static void pass(struct conn *c, enum where where, const uint8_t *bytes, size_t n) {
  int to = where == TO_SERVER ? c->server : c->client;
  styx_msg m;
  if (styx_decode_lenient(&m, bytes, n, 0, STYX_9P2000, STYX_ALLOW_BYTES) <= 0) {
    put(to, bytes, n);
    return;
  }
  if (where == TO_SERVER) {
    c->asked[m.tag] = m.type;
    c->counts[m.tag] = m.count;
    c->nwnames[m.tag] = (uint8_t)m.nwname;
  }
  c->n[m.type]++;
  if (fault == none)
    put(to, bytes, n);
  else if (fault(c, where, &m))
    say(to, &m);
}

/* One message; false: the end. What has no frame ends the connection as the server would. */
static bool carry(struct conn *c, enum where where) {
  struct styx_msgbuf *buf = where == TO_SERVER ? &c->from_client : &c->from_server;
  ptrdiff_t n = styx_readmsg(buf, where == TO_SERVER ? c->client : c->server, 0);
  if (n == -(ptrdiff_t)EAGAIN)
    return true;
  if (n > 0)
    pass(c, where, buf->data, (size_t)n);
  return n > 0;
}

__attribute__((noreturn)) static void serve(int client, const styx_addr *server) {
  struct conn *c = calloc(1, sizeof *c);
  if (!c || styx_dial(server, &c->server) != STYX_OK)
    exit(1);
  c->client = client;
  styx_msgbuf_init(&c->from_client, NULL);
  styx_msgbuf_init(&c->from_server, NULL);
  for (;;) {
    struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = c->server, .events = POLLIN}};
    poll(fds, 2, -1);
    if ((fds[0].revents && !carry(c, TO_SERVER)) || (fds[1].revents && !carry(c, TO_CLIENT)))
      break;
  }
  styx_msgbuf_fini(&c->from_client);
  styx_msgbuf_fini(&c->from_server);
  free(c);
  exit(0);
}

static styx_addr address(const char *text) {
  styx_addr addr;
  if (styx_addr_parse(&addr, text, NULL) != STYX_OK) {
    fprintf(stderr, "twist9: %s is no address\n", text);
    exit(2);
  }
  return addr;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (int i = 0; i < NFAULTS; i++)
      puts(faults[i].name);
    return 0;
  }
  for (int i = 0; argc == 4 && i < NFAULTS; i++)
    if (strcmp(faults[i].name, argv[1]) == 0)
      fault = faults[i].fn;
  if (!fault) {
    fputs("usage: twist9 FAULT ADDRESS SERVER; --list has the faults\n", stderr);
    return 2;
  }
  styx_addr at = address(argv[2]), server = address(argv[3]);
  int listener, fd;
  if (styx_announce(&at, &listener, NULL) != STYX_OK)
    return 2;
  puts("listening");
  fclose(stdout);
  signal(SIGCHLD, SIG_IGN);
  alarm(120);
  for (;;) {
    poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1);
    if (styx_accept(listener, &fd, NULL, 0) != STYX_OK)
      continue;
    if (fork() == 0) {
      alarm(120);
      close(listener);
      serve(fd, &server);
    }
    close(fd);
  }
}
