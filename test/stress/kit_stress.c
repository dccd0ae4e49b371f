/* kit_stress.c: two servers in one process on one navigator, under load; for ThreadSanitizer and AddressSanitizer.
 *
 *   kit_stress [SEED]
 *
 * Promises: whoever asks gets the answer to his own question, whether the navigator gives it at once or from a thread of its own;
 * requests, flushes, resets and hangups of many clients leave every fid gone exactly once and no memory; the program's reply
 * sees one reply of a connection at a time. No time is asserted: what does not come is a hang, which the runner ends. */
#include "stress/checks.h"
#include "stress/counted.h"
#include "support/random.h"

#include <styx/server.h>
#include <styx/servers.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS = 2, CLIENTS = 4, ROUNDS = 2000, FILES = 40, ROOT = 1, FIRST = 100, MSIZE = 2048, FIDS = 8 };

/* ---- one navigator: the root, and in it the files f0, f1, … with paths from FIRST on ----
 *
 * Every other question is answered at once, the others by a thread of the navigator's. */

struct question {
  struct question *next;
  char kind; /* 's', 'w', 'r' */
  styx_nav *q;
  uint64_t path, cookie;
  uint32_t count;
  char name[32];
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t more;
  struct question *first, **last;
  bool over;
  atomic_uint asked;
} nav = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .last = &nav.first};

static void give(styx_nav *q, uint64_t path, bool hold) {
  char name[32];
  snprintf(name, sizeof name, "f%llu", (unsigned long long)(path - FIRST));
  bool root = path == ROOT;
  if (!root && (path < FIRST || path >= FIRST + FILES)) {
    styx_nav_error(q, ENOENT);
    return;
  }
  styx_attr attr = {.qid = {root ? STYX_QTDIR : 0, 0, path},
                    .mode = root ? STYX_DMDIR | 0777 : 0666,
                    .name = styx_str_of(root ? "/" : name),
                    .uid = STYX_STR("u"),
                    .gid = STYX_STR("g"),
                    .muid = STYX_STR("u")};
  if (hold)
    styx_nav_hold(q, &attr);
  styx_nav_attr(q, hold ? NULL : &attr);
}

static void list(const struct question *a) {
  for (uint64_t i = a->cookie, n = 0; i < FILES && n < a->count; i++, n++) {
    char name[32];
    styx_dirent entry = {.attr = {.qid = {0, 0, FIRST + i}, .mode = 0666, .uid = STYX_STR("u")}, .cookie = i + 1};
    snprintf(name, sizeof name, "f%llu", (unsigned long long)i);
    entry.attr.name = styx_str_of(name);
    if (!styx_nav_entry(a->q, &entry))
      break;
  }
  styx_nav_end(a->q);
}

static void answer(const struct question *a) {
  bool up = a->kind == 'w' && strcmp(a->name, "..") == 0;
  if (a->kind == 'r')
    list(a);
  else if (a->kind == 's' || up)
    give(a->q, up ? ROOT : a->path, a->count);
  else
    give(a->q, a->name[0] == 'f' ? FIRST + strtoull(a->name + 1, NULL, 10) : 0, a->count);
}

static void ask(struct question a) {
  unsigned n = atomic_fetch_add(&nav.asked, 1);
  if (a.kind != 'r')
    a.count = n / 2 % 2; /* in two steps */
  if (n % 2) {
    answer(&a);
    return;
  }
  struct question *kept = malloc(sizeof *kept);
  must(kept != NULL, "memory");
  *kept = a;
  pthread_mutex_lock(&nav.lock);
  *nav.last = kept;
  nav.last = &kept->next;
  pthread_cond_signal(&nav.more);
  pthread_mutex_unlock(&nav.lock);
}

static void *navigate(void *arg) {
  (void)arg;
  pthread_mutex_lock(&nav.lock);
  for (;;) {
    while (!nav.first && !nav.over)
      pthread_cond_wait(&nav.more, &nav.lock);
    struct question *a = nav.first;
    if (!a)
      break;
    if (!(nav.first = a->next))
      nav.last = &nav.first;
    pthread_mutex_unlock(&nav.lock);
    answer(a);
    free(a);
    pthread_mutex_lock(&nav.lock);
  }
  pthread_mutex_unlock(&nav.lock);
  return NULL;
}

static void nav_stat(void *ctx, styx_nav *q, uint64_t path) {
  (void)ctx;
  ask((struct question){.kind = 's', .q = q, .path = path});
}

static void nav_walk(void *ctx, styx_nav *q, uint64_t path, styx_str name) {
  struct question a = {.kind = 'w', .q = q, .path = path};
  (void)ctx;
  snprintf(a.name, sizeof a.name, "%.*s", (int)name.len, name.s);
  ask(a);
}

static void nav_readdir(void *ctx, styx_nav *q, uint64_t path, uint64_t cookie, uint32_t count) {
  (void)ctx;
  ask((struct question){.kind = 'r', .q = q, .path = path, .cookie = cookie, .count = count});
}

static const styx_navigator_ops nav_ops = {sizeof nav_ops, nav_stat, nav_walk, nav_readdir};

/* ---- the program ---- */

static atomic_long made, gone;

/* Of a connection: not atomic, since its replies are shown one at a time. */
static struct seen {
  styx_srv *srv;
  long replies;
} seen[SERVERS * CLIENTS * 4];
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;

static struct seen *seen_of(styx_srv *srv) {
  size_t i = 0;
  pthread_mutex_lock(&seen_lock);
  while (seen[i].srv && seen[i].srv != srv)
    i++;
  seen[i].srv = srv;
  pthread_mutex_unlock(&seen_lock);
  return &seen[i];
}

static styx_answer see(styx_req *req, const styx_msg *r) {
  seen_of(styx_req_srv(req))->replies++; /* ThreadSanitizer sees two at a time */
  return styx_srv_direct(req, r);
}

static styx_err make_data(styx_req *req, const styx_fid *fid, const styx_fid *from) {
  (void)req, (void)from;
  uint32_t *data = malloc(sizeof *data);
  if (!data)
    return ENOMEM;
  *data = fid->fid;
  styx_fid_set_data(fid, data);
  atomic_fetch_add(&made, 1);
  return STYX_OK;
}

static void free_data(void *ctx, const styx_fid *fid) {
  (void)ctx;
  must(*(uint32_t *)styx_fid_data(fid) == fid->fid, "data of another fid");
  free(styx_fid_data(fid));
  atomic_fetch_add(&gone, 1);
}

static void look(void *arg, const styx_fid *f) {
  must(*(uint32_t *)styx_fid_data(f) == f->fid, "data of another fid");
  ++*(size_t *)arg;
}

static styx_answer request(styx_req *req, const styx_msg *t) {
  const styx_fid *f;
  size_t n = 0;
  char text[32];
  if (t->type == STYX_Tstat) {
    must(styx_allfids(styx_req_srv(req), look, &n) == STYX_OK, "allfids");
    const styx_fid *other = styx_srv_getfid(styx_req_srv(req), t->fid % FIDS + 1);
    if (other)
      styx_putfid(other);
  }
  if (t->type != STYX_Tread || styx_can_read(req, &f) || f->qid.type & STYX_QTDIR)
    return styx_default(req);
  snprintf(text, sizeof text, "text of %llu", (unsigned long long)f->qid.path);
  return styx_readstr(req, text);
}

/* ---- clients ---- */

struct client {
  pthread_t thread;
  styx_server *server;
  uint64_t dice;
  int fd;
  uint8_t buf[MSIZE];
  uint64_t path[FIDS]; /* 0: the fid is free */
  bool open[FIDS];
};

static bool put(struct client *c, styx_msg t) {
  uint8_t buf[MSIZE];
  ptrdiff_t len = styx_encode(buf, sizeof buf, &t, STYX_9P2000);
  return len > 0 && send(c->fd, buf, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool get(struct client *c, styx_msg *r) {
  size_t have = 0, want = 4;
  while (have < want) {
    ssize_t n = recv(c->fd, c->buf + have, want - have, 0);
    if (n <= 0)
      return false;
    have += (size_t)n;
    if (have == 4)
      want = (size_t)(c->buf[0] | c->buf[1] << 8 | c->buf[2] << 16);
  }
  return styx_decode(r, c->buf, have, 0, STYX_9P2000) > 0;
}

/* The reply, or with flushed its Rflush alone: then *r has type Rflush. */
static void rpc(struct client *c, styx_msg t, bool flush, styx_msg *r) {
  t.tag = 1;
  must(put(c, t), "send");
  if (flush)
    must(put(c, (styx_msg){.type = STYX_Tflush, .tag = 2, .oldtag = 1}), "send");
  must(get(c, r), "a reply");
  styx_msg rflush;
  if (flush && r->type != STYX_Rflush) {
    uint8_t kept[MSIZE];
    memcpy(kept, c->buf, sizeof kept);
    must(get(c, &rflush) && rflush.type == STYX_Rflush, "Rflush behind the reply");
    memcpy(c->buf, kept, sizeof kept);
  }
}

static void begin(struct client *c) {
  styx_msg r;
  memset(c->path, 0, sizeof c->path);
  memset(c->open, 0, sizeof c->open);
  must(put(c, (styx_msg){.type = STYX_Tversion, .tag = STYX_NOTAG, .msize = MSIZE, .version = STYX_STR("9P2000")}),
       "send");
  must(get(c, &r) && r.type == STYX_Rversion, "Rversion");
  rpc(c, (styx_msg){.type = STYX_Tattach, .afid = STYX_NOFID, .uname = STYX_STR("u")}, false, &r);
  must(r.type == STYX_Rattach && r.qid.path == ROOT, "Rattach");
  c->path[0] = ROOT;
}

static void connect_to(struct client *c) {
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
  must(styx_server_adopt(c->server, pair[0], "test") == STYX_OK, "adopt");
  c->fd = pair[1];
  begin(c);
}

static void walk(struct client *c, uint32_t fid, bool flush) {
  char name[32];
  styx_msg r, t = {.type = STYX_Twalk, .newfid = fid, .nwname = (uint16_t)dice(&c->dice, 3)};
  uint32_t file = dice(&c->dice, FILES + 4);
  snprintf(name, sizeof name, "f%u", (unsigned)file);
  t.wname[0] = styx_str_of(t.nwname == 2 ? ".." : name);
  t.wname[1] = styx_str_of(name);
  rpc(c, t, flush, &r);
  if (r.type != STYX_Rwalk || r.nwqid < t.nwname)
    return;
  c->path[fid] = t.nwname ? FIRST + file : ROOT;
  must(!t.nwname || r.wqid[r.nwqid - 1].path == FIRST + file, "the answer to another question");
}

static void use(struct client *c, uint32_t fid, bool flush) {
  char text[32];
  styx_msg r;
  switch (dice(&c->dice, 4)) {
  case 0:
    rpc(c, (styx_msg){.type = STYX_Topen, .fid = fid, .mode = STYX_OREAD}, flush, &r);
    c->open[fid] |= r.type == STYX_Ropen;
    must(r.type != STYX_Ropen || r.qid.path == c->path[fid], "another file is open");
    break;
  case 1:
    rpc(c, (styx_msg){.type = STYX_Tread, .fid = fid, .count = 1500}, flush, &r);
    snprintf(text, sizeof text, "text of %llu", (unsigned long long)c->path[fid]);
    if (r.type == STYX_Rread && c->path[fid] != ROOT)
      must(r.count == strlen(text) && memcmp(r.data, text, r.count) == 0, "text of another file");
    break;
  case 2:
    rpc(c, (styx_msg){.type = STYX_Tstat, .fid = fid}, flush, &r);
    must(r.type == STYX_Rflush || (r.type == STYX_Rstat && r.stat.qid.path == c->path[fid]), "stat of another file");
    break;
  default:
    rpc(c, (styx_msg){.type = STYX_Tclunk, .fid = fid}, flush, &r);
    must(r.type == STYX_Rclunk, "a clunk is always answered");
    c->path[fid] = 0;
    c->open[fid] = false;
  }
}

static void *play(void *arg) {
  struct client *c = arg;
  connect_to(c);
  for (int round = 0; round < ROUNDS; round++) {
    uint32_t fid = 1 + dice(&c->dice, FIDS - 1);
    bool flush = dice(&c->dice, 4) == 0;
    if (!c->path[fid])
      walk(c, fid, flush);
    else
      use(c, fid, flush);
    if (dice(&c->dice, 100) == 0)
      begin(c);
    if (round == ROUNDS / 2) {
      close(c->fd);
      connect_to(c);
    }
  }
  (void)put(c, (styx_msg){.type = STYX_Twalk, .tag = 9, .newfid = 1, .nwname = 1, .wname = {STYX_STR("f1")}});
  close(c->fd);
  return NULL;
}

int main(int argc, char **argv) {
  static struct client clients[SERVERS][CLIENTS];
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : seed_of_run();
  styx_kit *kits[SERVERS];
  styx_export exports[SERVERS];
  styx_server *servers[SERVERS];
  pthread_t navigator;
  const styx_kit_ops plain = {.size = sizeof plain, .request = request, .made = make_data, .gone = free_data};
  styx_kit_ops seeing = plain;
  seeing.reply = see;
  must(pthread_create(&navigator, NULL, navigate, NULL) == 0, "a thread");
  for (int s = 0; s < SERVERS; s++) {
    styx_kit_config kit = {.size = sizeof kit,
                           .ops = s ? &seeing : &plain,
                           .navigator = {&nav_ops, NULL},
                           .root = ROOT,
                           .allocator = &counted};
    must(styx_kit_new(&kits[s], &kit) == STYX_OK, "a kit");
    exports[s] = (styx_export){.fs = styx_kit_fs(kits[s])};
    styx_server_config config = {
        .size = sizeof config, .exports = &exports[s], .nexports = 1, .allocator = &counted, .workers = 4};
    must(styx_server_new(&servers[s], &config) == STYX_OK, "a server");
    must(styx_server_start(servers[s]) == STYX_OK, "its threads");
    for (int i = 0; i < CLIENTS; i++) {
      struct client *c = &clients[s][i];
      c->server = servers[s];
      c->dice = seed + (uint64_t)(s * CLIENTS + i) * 7919;
      must(pthread_create(&c->thread, NULL, play, c) == 0, "a thread");
    }
  }
  for (int s = 0; s < SERVERS; s++)
    for (int i = 0; i < CLIENTS; i++)
      pthread_join(clients[s][i].thread, NULL);
  for (int s = 0; s < SERVERS; s++)
    check(styx_server_stop(servers[s], 5000000000, NULL) == STYX_OK, "the server stops");
  pthread_mutex_lock(&nav.lock);
  nav.over = true;
  pthread_cond_signal(&nav.more);
  pthread_mutex_unlock(&nav.lock);
  pthread_join(navigator, NULL); /* it may be on its way out of a reply call */
  for (int s = 0; s < SERVERS; s++) {
    styx_server_free(servers[s]);
    styx_kit_free(kits[s]);
  }
  printf("# %ld fids, %u questions\n", atomic_load(&made), atomic_load(&nav.asked));
  check(atomic_load(&made) == atomic_load(&gone), "every fid is gone exactly once");
  check(atomic_load(&made) > ROUNDS, "there was some load");
  check(atomic_load(&live) == 0, "no memory is left");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
