/* hostfs_ids.c: users and groups as text. The host's databases can be slow, so answers are kept for a minute. */
#include "fs/host.h"

#include "base/alloc.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEEP_SECONDS = 60, FIRST_BUFFER = 1024, LAST_BUFFER = 1 << 20 };

styx_err sx_host_ids_init(struct sx_host_ids *ids) { return pthread_mutex_init(&ids->lock, NULL); }

void sx_host_ids_fini(struct sx_host_ids *ids) { pthread_mutex_destroy(&ids->lock); }

/* ---- the databases ---- */

/* One question to a database: name NULL asks for the name of id. */
struct question {
  bool group;
  const char *name;
  uint32_t id;
  char text[SX_HOST_IDTEXT]; /* the answer's name; empty when it is too long for us */
};

static int ask_users(struct question *q, char *buf, size_t cap) {
  struct passwd row, *found = NULL;
  int err = q->name ? getpwnam_r(q->name, &row, buf, cap, &found) : getpwuid_r(q->id, &row, buf, cap, &found);
  if (!found)
    return err == ERANGE ? ERANGE : ENOENT;
  q->id = row.pw_uid;
  if (strlen(row.pw_name) < sizeof q->text)
    strcpy(q->text, row.pw_name);
  return 0;
}

static int ask_groups(struct question *q, char *buf, size_t cap) {
  struct group row, *found = NULL;
  int err = q->name ? getgrnam_r(q->name, &row, buf, cap, &found) : getgrgid_r(q->id, &row, buf, cap, &found);
  if (!found)
    return err == ERANGE ? ERANGE : ENOENT;
  q->id = row.gr_gid;
  if (strlen(row.gr_name) < sizeof q->text)
    strcpy(q->text, row.gr_name);
  return 0;
}

/* Groups list their members, so a row can be long. */
static bool ask(styx_hostfs *h, struct question *q) {
  for (size_t cap = FIRST_BUFFER; cap <= LAST_BUFFER; cap *= 8) {
    char *buf = sx_alloc(&h->alloc, cap);
    if (!buf)
      return false;
    int err = q->group ? ask_groups(q, buf, cap) : ask_users(q, buf, cap);
    sx_free(&h->alloc, buf, cap);
    if (err != ERANGE)
      return err == 0;
  }
  return false;
}

/* ---- numbers to texts ---- */

static int64_t seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static struct sx_host_idrow *row_of(struct sx_host_ids *ids, uint32_t id, bool group) {
  return &ids->rows[(id * 2 + group) % SX_HOST_IDS];
}

static bool cached(struct sx_host_ids *ids, char buf[SX_HOST_IDTEXT], uint32_t id, bool group) {
  pthread_mutex_lock(&ids->lock);
  const struct sx_host_idrow *row = row_of(ids, id, group);
  bool hit = row->until > seconds() && row->id == id && row->group == group;
  if (hit)
    memcpy(buf, row->text, SX_HOST_IDTEXT);
  pthread_mutex_unlock(&ids->lock);
  return hit;
}

/* For a moment longer, so that they are known still when they are asked for. */
bool sx_host_ids_known(styx_hostfs *h, uint32_t uid, uint32_t gid) {
  const int64_t soon = seconds() + 1;
  pthread_mutex_lock(&h->ids.lock);
  const struct sx_host_idrow *u = row_of(&h->ids, uid, false), *g = row_of(&h->ids, gid, true);
  bool known = u->until > soon && u->id == uid && !u->group && g->until > soon && g->id == gid && g->group;
  pthread_mutex_unlock(&h->ids.lock);
  return known;
}

static void keep(struct sx_host_ids *ids, const char *text, uint32_t id, bool group) {
  struct sx_host_idrow row = {.until = seconds() + KEEP_SECONDS, .id = id, .group = group};
  strcpy(row.text, text);
  pthread_mutex_lock(&ids->lock);
  *row_of(ids, id, group) = row;
  pthread_mutex_unlock(&ids->lock);
}

/* A name goes on the wire as it is, so it has to be plain UTF-8 text. */
static bool presentable(const char *text) {
  char out[SX_HOST_NAME];
  return *text && styx_str_is(sx_host_name_out(out, text), text);
}

styx_str sx_host_id_text(styx_hostfs *h, char buf[SX_HOST_IDTEXT], uint32_t id, bool group) {
  if (!cached(&h->ids, buf, id, group)) {
    struct question q = {.group = group, .id = id};
    if (ask(h, &q) && presentable(q.text))
      strcpy(buf, q.text);
    else
      snprintf(buf, SX_HOST_IDTEXT, "%u", id);
    keep(&h->ids, buf, id, group);
  }
  return styx_str_of(buf);
}

/* ---- texts to numbers ---- */

bool sx_host_id_number(styx_hostfs *h, styx_str text, bool group, uint32_t *id) {
  char name[256];
  if (text.len == 0 || text.len >= sizeof name || memchr(text.s, '\0', text.len))
    return false;
  memcpy(name, text.s, text.len);
  name[text.len] = '\0';
  struct question q = {.group = group, .name = name};
  if (ask(h, &q)) {
    *id = q.id;
    return true;
  }
  if (strspn(name, "0123456789") != text.len || text.len > 10)
    return false;
  unsigned long long number = strtoull(name, NULL, 10);
  *id = (uint32_t)number;
  return number < UINT32_MAX; /* all ones means "leave alone" to the kernel */
}
