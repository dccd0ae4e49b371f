/* intake_test.c: versions, tags, limits and bytes that no honest client sends (design.md 7, contract 1.6). */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void expect(struct script *p, const char *line) { cr_assert_str_eq(script_line(p), line); }

static void feed(struct script *p, const char *bytes, size_t len) {
  styx_session_feed(p->s, bytes, len, p->now);
  script_pump(p);
}

#define FEED(p, literal) feed(p, literal, sizeof(literal) - 1)

Test(version, a_dialect_we_lack_becomes_the_base_and_msize_the_smaller) {
  static const struct {
    const char *theirs, *ours;
  } cases[] = {{"9P2000", "9P2000"},   {"9P2000.u", "9P2000"}, {"9P2000.L", "9P2000"}, {"9P2001", "9P2000"},
               {"9P20000", "9P2000"},  {"9P9", "unknown"},     {"9P", "unknown"},      {"9P1999", "unknown"},
               {"9P2000x", "unknown"}, {"9Pabc", "unknown"},   {"", "unknown"},        {"8P2000", "unknown"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct script *p = script_bare();
    char line[100];
    script_t(p, t_version(1u << 30, cases[i].theirs));
    snprintf(line, sizeof line, "Rversion tag NOTAG msize 1048576 version '%s'", cases[i].ours);
    expect(p, line);
    script_free(p);
  }
}

Test(version, msize_under_256_is_not_understood) {
  struct script *p = script_bare();
  script_t(p, t_version(255, "9P2000"));
  expect(p, "Rversion tag NOTAG msize 255 version 'unknown'");
  script_t(p, t_attach(1, 0));
  expect(p, "Rerror tag 1 ename 'Tversion not seen'");
  cr_assert_eq(p->calls, 0, "nothing is executed");
  script_t(p, t_version(256, "9P2000"));
  expect(p, "Rversion tag NOTAG msize 256 version '9P2000'");
  script_free(p);
}

Test(version, a_second_one_may_raise_msize) {
  struct script *p = script_new();
  script_t(p, t_version(100000, "9P2000"));
  expect(p, "Rversion tag NOTAG msize 100000 version '9P2000'");
  script_free(p);
}

Test(auth, is_refused) {
  struct script *p = script_new();
  styx_msg m = {.type = STYX_Tauth, .tag = 1, .afid = 5, .uname = STYX_STR("glenda"), .aname = {"", 0}};
  script_t(p, m);
  expect(p, "Rerror tag 1 ename 'authentication not required'");
  m = t_attach(1, 6);
  m.afid = 5;
  script_t(p, m);
  expect(p, "Rerror tag 1 ename 'bad fid'");
  m.afid = 6; /* its own fid */
  script_t(p, m);
  expect(p, "Rerror tag 1 ename 'bad fid'");
  script_free(p);
}

Test(attach, aname_chooses_by_name_then_by_path) {
  struct script *p = script_new();
  styx_msg m = t_attach(1, 5);
  m.aname = styx_str_of("nowhere");
  script_t(p, m);
  expect(p, "Rerror tag 1 ename 'file does not exist'");
  p->export.path = "/srv/files";
  m.aname = styx_str_of("/srv/files");
  script_t(p, m);
  cr_assert_eq(strncmp(script_line(p), "Rattach", 7), 0);
  p->export.name = "files";
  m.fid = 6;
  m.aname = styx_str_of("files");
  script_t(p, m);
  cr_assert_eq(strncmp(script_line(p), "Rattach", 7), 0);
  script_free(p);
}

Test(tags, a_duplicate_is_refused_and_the_first_undisturbed) {
  struct script *p = script_new();
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  script_t(p, t_read(3, 1, 0, 5));
  script_t(p, t_fid(STYX_Tstat, 3, 1));
  expect(p, "Rerror tag 3 ename 'duplicate tag'");
  styx_reply_data(p->held[0], "x", 1);
  p->held[0] = NULL;
  script_pump(p);
  expect(p, "Rread tag 3 count 1 data 'x'");
  script_free(p);
}

Test(tags, notag_is_for_tversion) {
  struct script *p = script_new();
  script_t(p, t_fid(STYX_Tstat, STYX_NOTAG, 0));
  expect(p, "Rerror tag NOTAG ename 'bad tag'");
  script_free(p);
}

/* ---- bytes ---- */

Test(bytes, sizes_below_a_header_end_the_connection) {
  for (uint8_t size = 0; size < 7; size++) {
    struct script *p = script_new();
    char msg[7] = {(char)size, 0, 0, 0, 120, 1, 0};
    feed(p, msg, sizeof msg);
    cr_assert_str_eq(styx_session_ended(p->s), "invalid 9P message size");
    cr_assert_not(styx_session_wants_input(p->s));
    script_free(p);
  }
}

Test(bytes, a_huge_size_ends_the_connection_before_anything_is_kept) {
  struct script *p = script_new();
  long live = p->live;
  FEED(p, "\xff\xff\xff\xff");
  cr_assert_str_eq(styx_session_ended(p->s), "9P message longer than agreed");
  cr_assert_leq(p->live, live);
  script_free(p);
}

Test(bytes, before_version_a_message_may_be_8_kib) {
  struct script *p = script_bare();
  script_pump(p);
  FEED(p, "\x01\x20\x00\x00");
  cr_assert_not_null(styx_session_ended(p->s));
  script_free(p);
}

Test(bytes, a_count_past_the_end_ends_the_connection) {
  struct script *p = script_new();
  FEED(p, "\x17\0\0\0\x76\x03\0"
          "\0\0\0\0"
          "\0\0\0\0\0\0\0\0"
          "\xff\xff\xff\xff");
  cr_assert_str_eq(styx_session_ended(p->s), "9P message truncated");
  script_free(p);
}

Test(bytes, an_r_message_ends_the_connection) {
  struct script *p = script_new();
  FEED(p, "\x07\0\0\0\x79\x03\0");
  cr_assert_str_eq(styx_session_ended(p->s), "not a 9P T-message");
  script_free(p);
}

Test(bytes, unknown_types_and_leftovers_get_an_error_and_life_goes_on) {
  struct script *p = script_new();
  FEED(p, "\x07\0\0\0\xfa\x03\0");
  expect(p, "Rerror tag 3 ename 'unknown message'");
  FEED(p, "\x07\0\0\0\x6a\x03\0"); /* 106, which nobody may send */
  expect(p, "Rerror tag 3 ename 'unknown message'");
  FEED(p, "\x0c\0\0\0\x78\x03\0\0\0\0\0\0"); /* Tclunk and one byte */
  expect(p, "Rerror tag 3 ename 'bad 9P T-message format'");
  script_t(p, t_fid(STYX_Tstat, 3, 0));
  cr_assert_eq(strncmp(script_line(p), "Rstat", 5), 0);
  script_free(p);
}

Test(bytes, a_tflush_with_leftovers_is_still_answered_by_rflush) {
  struct script *p = script_new();
  FEED(p, "\x0a\0\0\0\x6c\x03\0\x01\0\0");
  expect(p, "Rflush tag 3");
  script_free(p);
}

Test(bytes, any_split_of_the_stream_is_the_same) {
  for (size_t cut = 1; cut < 46; cut++) {
    struct script *p = script_new();
    static const char two[] =
        "\x13\0\0\0\x6e\x03\0\0\0\0\0\x05\0\0\0\0\0\0\0" /* cut anywhere, a clone with two bytes too many */
        "\x11\0\0\0\x6e\x04\0\0\0\0\0\x06\0\0\0\0\0"
        "\x0b\0\0\0\x78\x05\0\x06\0\0\0";
    size_t len = sizeof two - 1, at = cut < len ? cut : len;
    feed(p, two, at);
    feed(p, two + at, len - at);
    expect(p, "Rerror tag 3 ename 'bad 9P T-message format'");
    expect(p, "Rwalk tag 4 nwqid 0");
    expect(p, "Rclunk tag 5");
    script_free(p);
  }
}

/* ---- limits ---- */

Test(limits, over_the_request_limit_only_what_makes_room_is_served) {
  struct script *p = script_bare();
  p->limits.requests = 3;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  for (uint16_t t = 10; t < 13; t++)
    script_t(p, t_read(t, 1, 0, 1));
  script_t(p, t_read(13, 1, 0, 1));
  expect(p, "Rerror tag 13 ename 'too many requests outstanding'");
  script_t(p, t_fid(STYX_Tclunk, 13, 0));
  expect(p, "Rclunk tag 13");
  script_t(p, t_flush(20, 10));
  styx_reply_interrupted(p->held[0]);
  p->held[0] = NULL;
  script_pump(p);
  expect(p, "Rflush tag 20");
  script_t(p, t_read(13, 1, 0, 1));
  expect(p, "");
  cr_assert_eq(p->nheld, 4);
  script_free(p);
}

Test(limits, over_the_byte_limit_writes_are_refused_and_reads_wait) {
  struct script *p = script_bare();
  p->limits.held = 12000;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_t(p, t_walk(1, 0, 1, "file"));
  script_t(p, t_open(1, 1, STYX_ORDWR));
  p->taken = p->nlines;
  p->hold = 1u << STYX_OP_read;
  script_t(p, t_read(10, 1, 0, 8000));
  script_t(p, t_read(11, 1, 0, 8000)); /* waits for bytes */
  script_t(p, t_read(12, 1, 0, 8000));
  cr_assert_eq(p->nheld, 1);
  char big[6000];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = 0;
  script_t(p, t_write(13, 1, 0, big));
  expect(p, "Rerror tag 13 ename 'too many requests outstanding'");
  script_t(p, t_flush(20, 11));
  expect(p, "Rflush tag 20");
  styx_reply_data(p->held[0], "y", 1);
  p->held[0] = NULL;
  script_pump(p);
  expect(p, "Rread tag 10 count 1 data 'y'");
  cr_assert_eq(p->nheld, 2, "the next one runs");
  script_free(p);
}

Test(limits, a_single_read_may_always_run) {
  struct script *p = script_bare();
  p->limits.held = 1;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  script_t(p, t_read(10, 1, 0, 8000));
  expect(p, "Rread tag 10 count 8 data 'contents'");
  script_free(p);
}

Test(limits, reads_wait_while_the_peer_takes_no_replies) {
  struct script *p = script_bare();
  p->limits.outbox = 20000;
  p->limits.held = 100000;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  static char page[8000];
  for (uint16_t t = 0; t < 500; t++)
    script_send(p, t_read(t, 1, 0, sizeof page));
  script_pump(p);
  size_t most = 0;
  int i = 0;
  do { /* answer what runs until nothing more does; only then does the peer take its replies */
    for (; i < p->nheld; i++) {
      styx_reply_data(p->held[i], page, sizeof page);
      p->held[i] = NULL;
      script_pump(p);
      styx_session_info info = styx_session_inspect(p->s);
      most = info.held_bytes + info.outbox_bytes > most ? info.held_bytes + info.outbox_bytes : most;
    }
    cr_assert_lt(most, 700000, "500 requests and what they may hold: %zu", most);
    styx_session_sent(p->s, styx_session_pending_bytes(p->s), 0);
    script_pump(p);
  } while (i < p->nheld);
  cr_assert_eq(p->nheld, 500);
  script_free(p);
}

Test(limits, too_many_fids_are_refused) {
  struct script *p = script_bare();
  p->limits.fids = 2;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_t(p, t_walk(1, 0, 1, NULL));
  p->taken = p->nlines;
  script_t(p, t_walk(1, 0, 2, NULL));
  expect(p, "Rerror tag 1 ename 'too many fids'");
  script_t(p, t_fid(STYX_Tclunk, 1, 1));
  script_t(p, t_walk(1, 0, 2, NULL));
  expect(p, "Rclunk tag 1");
  expect(p, "Rwalk tag 1 nwqid 0");
  script_free(p);
}

Test(limits, names_are_bounded) {
  struct script *p = script_bare();
  p->limits.name = 4;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  p->taken = p->nlines;
  script_t(p, t_walk(1, 0, 2, "fives"));
  expect(p, "Rerror tag 1 ename 'File name too long'");
  script_t(p, t_create(1, 0, "fives", 0644, STYX_OREAD));
  expect(p, "Rerror tag 1 ename 'File name too long'");
  script_free(p);
}

Test(limits, error_texts_are_cut_between_characters_for_old_clients) {
  struct script *p = script_bare();
  p->limits.ename = 127;
  script_t(p, t_version(8192, "9P2000"));
  script_t(p, t_attach(1, 0));
  script_open(p, 1, "file");
  p->hold = 1u << STYX_OP_read;
  static const size_t fits[] = {126, 127, 127, 126, 125};
  static const char *const last[] = {"", "x", "xy", "é", "€"};
  for (size_t i = 0; i < 5; i++) {
    p->taken = p->nlines;
    script_t(p, t_read(3, 1, 0, 5));
    styx_reply_error_text(p->held[i], EIO, "%0*d%s", i == 4 ? 125 : 126, 0, last[i]);
    p->held[i] = NULL;
    script_pump(p);
    const char *line = script_line(p);
    cr_assert_eq(strlen(line), strlen("Rerror tag 3 ename ''") + fits[i], "with '%s': %s", last[i], line);
  }
  cr_assert_eq(styx_session_inspect(p->s).hits.ename, 3);
  script_free(p);
}

Test(limits, a_full_outbox_pauses_reading_until_half_is_gone_then_goes_on) {
  struct script *p = script_bare();
  p->limits.outbox = 1000;
  script_t(p, t_version(256, "9P2000"));
  script_t(p, t_attach(1, 0));
  for (uint16_t t = 0; t < 400; t++)
    script_t(p, t_fid(STYX_Tstat, t, 0));
  cr_assert_not(styx_session_wants_input(p->s));
  size_t pending = styx_session_pending_bytes(p->s);
  cr_assert_leq(pending, 1000 + 256 + 100);
  int lines = p->nlines;
  styx_session_sent(p->s, pending, 0);
  script_pump(p);
  cr_assert_gt(p->nlines, lines, "what had come meanwhile is parsed");
  while (styx_session_pending_bytes(p->s)) {
    styx_session_sent(p->s, styx_session_pending_bytes(p->s), 0);
    script_pump(p);
  }
  cr_assert(styx_session_wants_input(p->s));
  cr_assert_eq(p->nlines, 402, "each of them has its reply");
  script_free(p);
}

Test(limits, a_peer_that_never_reads_is_dropped_after_its_time) {
  struct script *p = script_bare();
  p->limits.outbox = 100;
  p->now = 5;
  script_t(p, t_version(256, "9P2000"));
  script_t(p, t_attach(1, 0));
  for (uint16_t t = 0; t < 20; t++)
    script_t(p, t_fid(STYX_Tstat, t, 0));
  cr_assert_eq(styx_session_deadline(p->s), 5 + p->limits.stalled);
  styx_session_sent(p->s, 1, 1000); /* progress */
  styx_session_tick(p->s, 5 + p->limits.stalled);
  cr_assert_null(styx_session_ended(p->s));
  styx_session_tick(p->s, 1000 + p->limits.stalled);
  cr_assert_str_eq(styx_session_ended(p->s), "peer does not read its replies");
  script_free(p);
}

Test(limits, a_handshake_and_a_message_have_their_time) {
  struct script *p = script_bare();
  script_pump(p);
  cr_assert_eq(styx_session_deadline(p->s), p->limits.handshake);
  styx_session_tick(p->s, p->limits.handshake);
  cr_assert_str_eq(styx_session_ended(p->s), "no Tversion in time");
  script_free(p);
  p = script_new();
  cr_assert_eq(styx_session_deadline(p->s), UINT64_MAX);
  p->now = 7;
  FEED(p, "\x07\0\0");
  cr_assert_eq(styx_session_deadline(p->s), 7 + p->limits.partial);
  styx_session_tick(p->s, 7 + p->limits.partial);
  cr_assert_str_eq(styx_session_ended(p->s), "message incomplete for too long");
  script_free(p);
}
