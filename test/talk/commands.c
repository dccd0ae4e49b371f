/* commands.c: the lines of a conversation that are words. */
#include "talk/hold.h"
#include "talk/talk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static styx_session *session(struct talk *t) {
  styx_session *s = talk_peer(t) ? peer_session(talk_peer(t)) : NULL;
  if (!s)
    talk_wrong(t, "only a file that begins with '# session-only' may say this");
  return s;
}

static void exchange(struct talk *t, const char *request, const char *reply) {
  if (!t->wrong[0])
    talk_say(t, request);
  if (!t->wrong[0])
    talk_expect(t, reply);
}

static void exchange_f(struct talk *t, const char *reply, const char *fmt, ...) STYX_PRINTF(3, 4);
static void exchange_f(struct talk *t, const char *reply, const char *fmt, ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  exchange(t, text, reply);
}

/* begin FID [MSIZE]: version, attach, and FID at a new empty directory of its own. */
static void cmd_begin(struct talk *t, const char *arg) {
  static unsigned count;
  unsigned fid, msize = 8192;
  if (sscanf(arg, "%u %u", &fid, &msize) < 1) {
    talk_wrong(t, "begin FID [MSIZE]");
    return;
  }
  char dir[64];
  snprintf(dir, sizeof dir, "talk-%ld-%u", (long)getpid(), ++count);
  exchange_f(t, "Rversion tag NOTAG ...", "Tversion tag NOTAG msize %u version '9P2000'", msize);
  exchange_f(t, "Rattach tag 1 ...", "Tattach tag 1 fid %u afid NOFID uname 'talk' aname ''", fid);
  exchange_f(t, "Rwalk tag 1 nwqid 0", "Twalk tag 1 fid %u newfid 0x7ffffff0 nwname 0", fid);
  exchange_f(t, "Rcreate tag 1 ...", "Tcreate tag 1 fid 0x7ffffff0 name '%s' perm 020000000777 mode 0", dir);
  exchange(t, "Tclunk tag 1 fid 0x7ffffff0", "Rclunk tag 1");
  exchange_f(t, "Rwalk tag 1 nwqid 1 *", "Twalk tag 1 fid %u newfid %u nwname 1 '%s'", fid, fid, dir);
}

/* file FID 'name' 'contents': made in the directory FID, by way of fid 0x7ffffff0. */
static void cmd_file(struct talk *t, const char *arg) {
  static uint8_t name[256], data[8192];
  char *rest;
  unsigned long fid = strtoul(arg, &rest, 0);
  const char *p = rest;
  while (*p == ' ')
    p++;
  const char *name_text = p;
  if (msgtext_string(&p, name, sizeof name) == SIZE_MAX || *p != ' ') {
    talk_wrong(t, "file FID 'name' 'contents'");
    return;
  }
  int name_len = (int)(p - name_text);
  while (*p == ' ')
    p++;
  const char *text = p;
  size_t n = msgtext_string(&p, data, sizeof data);
  exchange_f(t, "Rwalk tag 1 nwqid 0", "Twalk tag 1 fid %lu newfid 0x7ffffff0 nwname 0", fid);
  exchange_f(t, "Rcreate tag 1 ...", "Tcreate tag 1 fid 0x7ffffff0 name %.*s perm 0666 mode 1", name_len, name_text);
  if (n && n != SIZE_MAX)
    exchange_f(t, "Rwrite tag 1 ...", "Twrite tag 1 fid 0x7ffffff0 offset 0 count %zu data %s", n, text);
  exchange(t, "Tclunk tag 1 fid 0x7ffffff0", "Rclunk tag 1");
}

/* quiet: nothing is on its way, not even now: the answer to a Tflush of nothing is the very next message. */
static void cmd_quiet(struct talk *t, const char *arg) {
  (void)arg;
  exchange(t, "Tflush tag 65000 oldtag 65001", "Rflush tag 65000");
}

static void cmd_as(struct talk *t, const char *arg) {
  for (size_t i = 0; i < MAX_PEERS; i++)
    if (!t->peers[i].name[0] || strcmp(t->peers[i].name, arg) == 0) {
      snprintf(t->peers[i].name, sizeof t->peers[i].name, "%s", arg);
      t->current = i;
      return;
    }
  talk_wrong(t, "too many connections");
}

static void cmd_close(struct talk *t, const char *arg) {
  (void)arg;
  if (talk_peer(t))
    peer_hangup(talk_peer(t));
  talk_pump(t);
}

static void cmd_freeze(struct talk *t, const char *arg) {
  (void)arg;
  t->frozen = session(t) != NULL;
}

static void cmd_thaw(struct talk *t, const char *arg) {
  (void)arg;
  t->frozen = false;
  talk_pump(t);
}

static void cmd_step(struct talk *t, const char *arg) {
  (void)arg;
  if (session(t) && !peer_step(talk_peer(t), t->now))
    talk_wrong(t, "there is no work to run");
}

static void cmd_hold(struct talk *t, const char *arg) {
  char label[24], op[24];
  if (!session(t))
    return;
  if (sscanf(arg, "%23s %23s", label, op) != 2 || hold_op(op) < 0)
    talk_wrong(t, "hold LABEL OPERATION");
  else if (!hold_next(label, hold_op(op)))
    talk_wrong(t, "the label %s is in use", label);
}

static void cmd_held(struct talk *t, const char *arg) {
  if (session(t) && !hold_has(arg))
    talk_wrong(t, "nothing is held as %s", arg);
}

static void cmd_unheld(struct talk *t, const char *arg) {
  if (session(t) && hold_has(arg))
    talk_wrong(t, "%s has started", arg);
}

static void cmd_cancelled(struct talk *t, const char *arg) {
  if (session(t) && !hold_cancelled(arg))
    talk_wrong(t, "%s is not held, or was not cancelled", arg);
}

static void cmd_uncancelled(struct talk *t, const char *arg) {
  if (session(t) && (!hold_has(arg) || hold_cancelled(arg)))
    talk_wrong(t, "%s is not held, or was cancelled", arg);
}

static void cmd_release(struct talk *t, const char *arg) {
  if (session(t) && !hold_release(arg))
    talk_wrong(t, "nothing is held as %s", arg);
  talk_pump(t);
}

/* answer LABEL data 'x' | error 'text' | interrupted */
static void cmd_answer(struct talk *t, const char *arg) {
  char label[24], how[24];
  int at = 0;
  if (!session(t))
    return;
  if (sscanf(arg, "%23s %23s %n", label, how, &at) < 2) {
    talk_wrong(t, "answer LABEL data 'x' | error 'text' | interrupted");
    return;
  }
  const char *p = arg + at;
  bool was = false;
  if (strcmp(how, "interrupted") == 0) {
    was = hold_answer_interrupted(label);
  } else {
    size_t n = msgtext_string(&p, t->room, sizeof t->room);
    if (n == SIZE_MAX)
      talk_wrong(t, "expected a 'string' at: %.40s", p);
    else if (strcmp(how, "data") == 0)
      was = hold_answer_data(label, t->room, n);
    else if (strcmp(how, "error") == 0)
      was = hold_answer_error(label, styx_err_from_text((const char *)t->room, n));
  }
  if (!was)
    talk_wrong(t, "nothing is held as %s, or no such answer", label);
  talk_pump(t);
}

/* tick SECONDS: the clock goes on. */
static void cmd_tick(struct talk *t, const char *arg) {
  t->now += strtoull(arg, NULL, 0) * 1000000000u;
  if (session(t))
    styx_session_tick(session(t), t->now);
  talk_pump(t);
}

static void cmd_ended(struct talk *t, const char *arg) {
  const char *why = session(t) ? styx_session_ended(session(t)) : "";
  size_t n = msgtext_string(&arg, t->room, sizeof t->room);
  if (!why || n == SIZE_MAX || strlen(why) != n || memcmp(why, t->room, n) != 0)
    talk_wrong(t, "the session has ended: %s", why ? why : "it has not");
}

static void check_number(struct talk *t, const char *what, uint64_t is, const char *arg) {
  uint64_t want = strtoull(arg, NULL, 0);
  if (is != want)
    talk_wrong(t, "%s: %llu, not %llu", what, (unsigned long long)is, (unsigned long long)want);
}

static void cmd_fids(struct talk *t, const char *arg) {
  if (session(t))
    check_number(t, "fids in use", styx_session_inspect(session(t)).fids, arg);
}

static void cmd_requests(struct talk *t, const char *arg) {
  if (session(t))
    check_number(t, "requests outstanding", styx_session_inspect(session(t)).requests, arg);
}

static void cmd_closes(struct talk *t, const char *arg) {
  if (session(t))
    check_number(t, "handles closed", hold_closes(), arg);
}

static const struct {
  const char *name;
  void (*run)(struct talk *t, const char *arg);
} commands[] = {
    {"begin", cmd_begin},     {"file", cmd_file},         {"quiet", cmd_quiet},
    {"as", cmd_as},           {"close", cmd_close},       {"freeze", cmd_freeze},
    {"thaw", cmd_thaw},       {"step", cmd_step},         {"hold", cmd_hold},
    {"held", cmd_held},       {"unheld", cmd_unheld},     {"cancelled", cmd_cancelled},
    {"release", cmd_release}, {"answer", cmd_answer},     {"uncancelled", cmd_uncancelled},
    {"tick", cmd_tick},       {"ended", cmd_ended},       {"fids", cmd_fids},
    {"closes", cmd_closes},   {"requests", cmd_requests},
};

void talk_command(struct talk *t, const char *line) {
  size_t n = strcspn(line, " ");
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strlen(commands[i].name) == n && memcmp(commands[i].name, line, n) == 0) {
      commands[i].run(t, line + n + strspn(line + n, " "));
      return;
    }
  talk_wrong(t, "no such command");
}
