/* lines.c: what the lines of a conversation say and expect. */
#include "talk/talk.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void talk_wrong(struct talk *t, const char *fmt, ...) {
  va_list args;
  if (t->wrong[0])
    return;
  va_start(args, fmt);
  vsnprintf(t->wrong, sizeof t->wrong, fmt, args);
  va_end(args);
}

/* ---- peers ---- */

struct peer *talk_peer(struct talk *t) {
  char why[256];
  if (!t->peers[t->current].peer) {
    t->peers[t->current].peer = peer_new(t->addr ? NULL : &t->export, t->addr, why);
    if (!t->peers[t->current].peer)
      talk_wrong(t, "%s", why);
  }
  return t->peers[t->current].peer;
}

void talk_pump(struct talk *t) {
  for (size_t i = 0; i < MAX_PEERS; i++)
    if (t->peers[i].peer)
      peer_pump(t->peers[i].peer, t->now, t->frozen);
}

/* ---- sending ---- */

static size_t raw_bytes(struct talk *t, const char *p, uint8_t *out, size_t cap) {
  size_t n = 0;
  while (*p && !t->wrong[0]) {
    unsigned v;
    if (isspace((unsigned char)*p)) {
      p++;
    } else if (*p == '\'') {
      size_t got = msgtext_string(&p, out + n, cap - n);
      if (got == SIZE_MAX)
        talk_wrong(t, "a bad string in raw bytes");
      else
        n += got;
    } else if (*p == '*' && n > 0) {
      char *end;
      unsigned long times = strtoul(p + 1, &end, 10);
      p = end;
      for (; times > 1 && n < cap; times--, n++)
        out[n] = out[n - 1];
    } else if (n < cap && isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]) && sscanf(p, "%2x", &v) == 1) {
      out[n++] = (uint8_t)v;
      p += 2;
    } else {
      talk_wrong(t, "raw bytes are pairs of hex digits, 'text' and *N, not: %.40s", p);
    }
  }
  return n;
}

static void add_message(struct talk *t, const char *text) {
  styx_msg msg;
  char why[256];
  if (!msgtext_build(&msg, text, &t->vars, t->room, why)) {
    talk_wrong(t, "%s", why);
    return;
  }
  ptrdiff_t n = styx_encode(t->batch + t->nbatch, MAX_BATCH - t->nbatch, &msg, STYX_9P2000);
  if (n < 0)
    talk_wrong(t, "cannot be encoded: %s", styx_err_text((styx_err)-n));
  else
    t->nbatch += (size_t)n;
}

static void send_batch(struct talk *t) {
  if (!talk_peer(t) || t->wrong[0])
    return;
  if (!peer_send(talk_peer(t), t->batch, t->nbatch))
    talk_wrong(t, "cannot send: %s", strerror(errno));
  t->nbatch = 0;
  talk_pump(t);
}

/* After '>': '+' queues for the next plain one, "raw" gives bytes. */
void talk_say(struct talk *t, const char *p) {
  bool more = *p == '+';
  p += more;
  if (strncmp(p, "raw", 3) == 0)
    t->nbatch += raw_bytes(t, p + 3, t->batch + t->nbatch, MAX_BATCH - t->nbatch);
  else
    add_message(t, p);
  if (!more)
    send_batch(t);
}

/* ---- expecting ---- */

static void describe(const uint8_t *bytes, size_t n, char *out, size_t cap) {
  styx_msg msg;
  ptrdiff_t used = styx_decode(&msg, bytes, n, 0, STYX_9P2000);
  if (used == (ptrdiff_t)n)
    styx_msg_print(out, cap, &msg, STYX_9P2000);
  else
    snprintf(out, cap, "%zu bytes that are no message (%s)", n, used < 0 ? styx_err_text((styx_err)-used) : "cut");
}

/* The next message, NULL and something wrong if there is none. */
static const uint8_t *next_message(struct talk *t, const char *expected, size_t *len) {
  const uint8_t *bytes = NULL;
  if (!talk_peer(t))
    return NULL;
  switch (peer_receive(talk_peer(t), &bytes, len)) {
  case PEER_MESSAGE:
    return bytes;
  case PEER_EOF:
    talk_wrong(t, "the connection has ended\n  expected: %.400s", expected);
    return NULL;
  case PEER_NOTHING:
    talk_wrong(t, "nothing came\n  expected: %.400s", expected);
    return NULL;
  }
  return NULL;
}

static bool looks_like(struct talk *t, const uint8_t *bytes, size_t len, const char *pattern, char *why) {
  styx_msg msg;
  ptrdiff_t used = styx_decode(&msg, bytes, len, 0, STYX_9P2000);
  if (used != (ptrdiff_t)len) {
    snprintf(why, 256, "it does not decode");
    return false;
  }
  return msgtext_match(&msg, pattern, &t->vars, t->room, why);
}

void talk_expect(struct talk *t, const char *pattern) {
  size_t len = 0;
  char why[256], got[512];
  const uint8_t *bytes = next_message(t, pattern, &len);
  if (!bytes || looks_like(t, bytes, len, pattern, why))
    return;
  describe(bytes, len, got, sizeof got);
  talk_wrong(t, "%s\n  expected: %.300s\n  got:      %s", why, pattern, got);
}

static void expect_eof(struct talk *t) {
  const uint8_t *bytes;
  size_t len;
  char got[512];
  if (!talk_peer(t))
    return;
  switch (peer_receive(talk_peer(t), &bytes, &len)) {
  case PEER_EOF:
    return;
  case PEER_NOTHING:
    talk_wrong(t, "the connection is still there");
    return;
  case PEER_MESSAGE:
    describe(bytes, len, got, sizeof got);
    talk_wrong(t, "expected the end of the connection\n  got:      %s", got);
  }
}

/* Every line of the group is what one of the next messages looks like. */
static void expect_group(struct talk *t) {
  bool met[MAX_GROUP] = {false};
  for (size_t i = 0; i < t->ngroup && !t->wrong[0]; i++) {
    size_t len = 0, k = 0;
    char why[256], got[512];
    const uint8_t *bytes = next_message(t, "one of a group", &len);
    if (!bytes)
      return;
    while (k < t->ngroup && (met[k] || !looks_like(t, bytes, len, t->group_lines[k], why)))
      k++;
    describe(bytes, len, got, sizeof got);
    if (k == t->ngroup)
      talk_wrong(t, "not one of the group: %s", got);
    else
      met[k] = true;
  }
}

void talk_end_group(struct talk *t) {
  expect_group(t);
  for (size_t i = 0; i < t->ngroup; i++)
    free(t->group_lines[i]);
  t->ngroup = 0;
  t->in_group = false;
}

void talk_hear(struct talk *t, const char *p) {
  while (isspace((unsigned char)*p))
    p++;
  if (strcmp(p, "eof") == 0)
    expect_eof(t);
  else if (strcmp(p, "{") == 0)
    t->in_group = true;
  else
    talk_expect(t, p);
}

void talk_line(struct talk *t, const char *line) {
  if (t->verbose)
    printf("%s:%u: %s\n", t->file, t->line, line);
  if (*line == 0 || *line == '#')
    return;
  if (t->in_group && strcmp(line, "}") == 0)
    talk_end_group(t);
  else if (t->in_group && t->ngroup == MAX_GROUP)
    talk_wrong(t, "the group is too long");
  else if (t->in_group)
    t->group_lines[t->ngroup++] = strdup(line + strspn(line, "< "));
  else if (*line == '>')
    talk_say(t, line + 1);
  else if (*line == '<')
    talk_hear(t, line + 1);
  else
    talk_command(t, line);
}
