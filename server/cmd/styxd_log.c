/* styxd_log.c: any thread's; one logfmt line on stderr for each event, and never a flood about one peer. */
#include "styxd.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PER_SECOND = 10, PEERS = 64, LINE = 1024 };

/* What was said about one peer in the current second. Peers that share a slot share the allowance. */
struct allowance {
  char peer[128];
  time_t second;
  unsigned said, left_out;
};

static struct {
  styx_level most; /* immutable while threads run */
  pthread_mutex_t lock;
  struct allowance peers[PEERS]; /* lock */
} state = {.most = STYX_LOG_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void styxd_log_level(styx_level most) { state.most = most; }

/* Appends ` key="value"`: control characters as \xHH, quotes and backslashes escaped; cut where the line is full. */
static size_t put(char *line, size_t at, const char *key, const char *value) {
  at += (size_t)snprintf(line + at, LINE - at, " %s=\"", key);
  for (; *value && at < LINE - 8; value++) {
    unsigned char c = (unsigned char)*value;
    if (c < 0x20 || c == 0x7f)
      at += (size_t)snprintf(line + at, LINE - at, "\\x%02x", c);
    else {
      if (c == '"' || c == '\\')
        line[at++] = '\\';
      line[at++] = (char)c;
    }
  }
  line[at++] = '"';
  return at;
}

static void write_line(styx_level level, const char *peer, const char *what, const char *detail) {
  char line[LINE + 8];
  size_t at = (size_t)snprintf(line, LINE, "level=%s", level_names[level]);
  at = put(line, at, "msg", what);
  if (*peer && at < LINE - 256)
    at = put(line, at, "peer", peer);
  if (*detail && at < LINE - 64)
    at = put(line, at, "detail", detail);
  line[at++] = '\n';
  fwrite(line, 1, at, stderr);
}

static void say_left_out(struct allowance *a) {
  char detail[32];
  if (a->left_out > 0) {
    snprintf(detail, sizeof detail, "%u", a->left_out);
    write_line(STYX_LOG_WARN, a->peer, "lines left out", detail);
  }
  a->left_out = a->said = 0;
}

/* A peer is a host: a new connection is not a new allowance. */
static size_t host_length(const char *peer) {
  const char *port = strrchr(peer, '!');
  return port && strncmp(peer, "tcp!", 4) == 0 ? (size_t)(port - peer) : strlen(peer);
}

static struct allowance *allowance_of(const char *peer, time_t now) {
  size_t len = host_length(peer), hash = 5381;
  for (size_t i = 0; i < len; i++)
    hash = hash * 33 + (unsigned char)peer[i];
  struct allowance *a = &state.peers[hash % PEERS];
  for (size_t i = 0; i < PEERS; i++)
    if (state.peers[i].second != now)
      say_left_out(&state.peers[i]);
  if (a->said == 0)
    snprintf(a->peer, sizeof a->peer, "%.*s", (int)len, peer);
  a->second = now;
  return a;
}

void styxd_log(void *arg, styx_level level, const char *peer, const char *what, const char *detail) {
  struct timespec now;
  (void)arg;
  if (level > state.most)
    return;
  clock_gettime(CLOCK_MONOTONIC, &now);
  pthread_mutex_lock(&state.lock);
  struct allowance *a = allowance_of(peer, now.tv_sec);
  if (*peer && ++a->said > PER_SECOND)
    a->left_out++;
  else
    write_line(level, peer, what, detail);
  pthread_mutex_unlock(&state.lock);
}

void styxd_log_end(void) {
  pthread_mutex_lock(&state.lock);
  for (size_t i = 0; i < PEERS; i++)
    say_left_out(&state.peers[i]);
  pthread_mutex_unlock(&state.lock);
}

void styxd_log_message(void *arg, const char *peer, bool out, const styx_msg *msg) {
  char text[4096];
  (void)arg;
  styx_msg_print(text, sizeof text, msg, STYX_9P2000);
  fprintf(stderr, "%s %s %s\n", peer, out ? "->" : "<-", text);
}
