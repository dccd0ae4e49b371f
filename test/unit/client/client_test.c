/* client_test.c: versions, walks, fids, directories, and a small file in one flight. */
#include "peer.h"

static void ok(struct peer *p, const styx_msg *t) {
  peer_send(p, (styx_msg){.type = (uint8_t)(t->type + 1), .tag = t->tag});
}

static void nothing(struct peer *p) { peer_end(p); }

/* ---- version ---- */

static void answer_version(struct peer *p) {
  styx_msg m = peer_expect(p, STYX_Tversion), *r = p->arg;
  PEER_CHECK(styx_str_is(m.version, "9P2000") && m.tag == STYX_NOTAG, "a strange Tversion");
  r->tag = m.tag;
  peer_send(p, *r);
  peer_end(p);
}

static styx_err meet(styx_msg reply, uint32_t msize, uint32_t *agreed) {
  struct peer p;
  styx_client *c = NULL;
  styx_client_options o = {.size = sizeof o, .msize = msize};
  peer_start(&p, answer_version, 0, &reply);
  styx_err err = styx_client_new(&c, p.client_fd, &o);
  if (err) {
    cr_assert_null(c);
    close(p.client_fd);
  } else {
    *agreed = styx_client_msize(c);
    styx_client_free(c);
  }
  peer_join(&p);
  return err;
}

static styx_msg rversion(uint32_t msize, const char *version) {
  return (styx_msg){.type = STYX_Rversion, .msize = msize, .version = styx_str_of(version)};
}

Test(client, the_smaller_message_size_is_agreed) {
  uint32_t agreed = 0;
  cr_assert_eq(meet(rversion(8192, "9P2000"), 65536, &agreed), STYX_OK);
  cr_assert_eq(agreed, 8192);
  cr_assert_eq(meet(rversion(256, "9P2000"), 256, &agreed), STYX_OK);
  cr_assert_eq(agreed, 256);
}

Test(client, what_is_no_agreement_is_refused) {
  uint32_t agreed;
  cr_assert_eq(meet(rversion(65537, "9P2000"), 65536, &agreed), STYX_EVERSION);
  cr_assert(strstr(styx_client_words(), "over ours"), "%s", styx_client_words());
  cr_assert_eq(meet(rversion(255, "9P2000"), 65536, &agreed), STYX_EVERSION);
  cr_assert(strstr(styx_client_words(), "under 256"), "%s", styx_client_words());
  cr_assert_eq(meet(rversion(8192, "unknown"), 65536, &agreed), STYX_EVERSION);
  cr_assert_eq(meet(rversion(8192, "9P2000.L"), 65536, &agreed), STYX_EVERSION);
  cr_assert_eq(meet((styx_msg){.type = STYX_Rclunk}, 65536, &agreed), STYX_EVERSION);
  cr_assert_eq(meet((styx_msg){.type = STYX_Rerror, .ename = STYX_STR("go away")}, 65536, &agreed), STYX_EREMOTE_TEXT);
  cr_assert_str_eq(styx_client_words(), "go away");
}

static void say_raw(struct peer *p) {
  peer_expect(p, STYX_Tversion);
  peer_raw(p, p->arg, strlen(p->arg));
  peer_end(p);
}

static void hang_up_at_once(struct peer *p) { peer_expect(p, STYX_Tversion); }

static styx_err refused(void (*script)(struct peer *), void *arg, uint32_t ms) {
  struct peer p;
  styx_client *c = NULL;
  styx_client_options o = {.size = sizeof o, .handshake_ms = ms};
  peer_start(&p, script, 0, arg);
  styx_err err = styx_client_new(&c, p.client_fd, &o);
  close(p.client_fd);
  peer_join(&p);
  return err;
}

static void wait_in_silence(struct peer *p) {
  peer_expect(p, STYX_Tversion);
  peer_end(p);
}

Test(client, what_does_not_speak_9p_is_refused) {
  static char http[] = "HTTP/1.1 400 Bad Request\r\n";
  cr_assert_eq(refused(say_raw, http, 0), STYX_EVERSION);
  cr_assert_eq(refused(hang_up_at_once, NULL, 0), STYX_EHANGUP);
}

Test(client, a_silent_server_is_not_waited_for_without_end) {
  cr_assert_eq(refused(wait_in_silence, NULL, 1), ETIMEDOUT);
}

Test(client, a_message_size_under_256_cannot_be_asked_for) {
  styx_client *c;
  styx_client_options o = {.size = sizeof o, .msize = 255};
  cr_assert_eq(styx_client_new(&c, 0, &o), STYX_EBADARG);
}

/* ---- attach and fids ---- */

static void attach_twice(struct peer *p) {
  styx_msg m = peer_expect(p, STYX_Tattach);
  uint32_t fid = m.fid;
  PEER_CHECK(m.afid == STYX_NOFID && styx_str_is(m.uname, "glenda") && styx_str_is(m.aname, "tree"), "attach");
  peer_error(p, m.tag, "permission denied");
  m = peer_expect(p, STYX_Tattach);
  PEER_CHECK(m.fid == fid, "the number of a refused fid is not used again");
  peer_send(p, (styx_msg){.type = STYX_Rattach, .tag = m.tag, .qid = {.type = STYX_QTDIR, .path = 9}});
  m = peer_expect(p, STYX_Tclunk);
  peer_error(p, m.tag, "some trouble");
  m = peer_expect(p, STYX_Tattach);
  PEER_CHECK(m.fid == fid && m.aname.len == 0, "the number of a clunked fid is not used again");
  ok(p, &m);
  peer_end(p);
}

Test(client, a_refused_and_a_clunked_fid_is_free_again) {
  struct peer p;
  styx_client *c = peer_client(&p, attach_twice, NULL);
  uint32_t fid = 77;
  styx_qid qid;
  cr_assert_eq(styx_client_attach(c, "glenda", "tree", &fid, &qid), EACCES);
  cr_assert_eq(fid, 77);
  cr_assert_eq(styx_client_attach(c, "glenda", "tree", &fid, &qid), STYX_OK);
  cr_assert_eq(qid.path, 9);
  cr_assert_eq(styx_client_clunk(c, fid), STYX_EREMOTE_TEXT);
  cr_assert_eq(styx_client_attach(c, "glenda", NULL, &fid, NULL), STYX_OK);
  peer_stop(&p, c);
}

Test(client, fid_numbers_are_distinct_until_given_back) {
  struct peer p;
  static bool seen[1000];
  styx_client *c = peer_client(&p, nothing, NULL);
  uint32_t fid, back[300];
  for (int i = 0; i < 300; i++) {
    cr_assert_eq(styx_client_fid(c, &back[i]), STYX_OK);
    cr_assert(back[i] < 1000 && !seen[back[i]]);
    seen[back[i]] = true;
  }
  for (int i = 0; i < 300; i++)
    styx_client_fid_put(c, back[i]);
  cr_assert_eq(styx_client_fid(c, &fid), STYX_OK);
  cr_assert(seen[fid]);
  peer_stop(&p, c);
}

/* ---- walk: the server walks as many elements as arg says, then fails ---- */

static void walk_some(struct peer *p) {
  unsigned left = *(unsigned *)p->arg, type = STYX_QTDIR;
  uint32_t newfid = STYX_NOFID;
  styx_msg m;
  if (left >= 1000) { /* what lies before the missing one is a plain file */
    left -= 1000;
    type = STYX_QTFILE;
  }
  while (peer_next(p, &m)) {
    if (m.type == STYX_Tclunk) {
      PEER_CHECK(m.fid == newfid, "fid %u", m.fid);
      newfid = STYX_NOFID;
      ok(p, &m);
      continue;
    }
    PEER_CHECK(m.type == STYX_Twalk, "%s", styx_msg_name(m.type));
    PEER_CHECK(newfid == STYX_NOFID ? m.fid == 100 : m.fid == newfid && m.newfid == newfid, "fid %u", m.fid);
    if (m.nwname > 0 && left == 0) {
      peer_error(p, m.tag, "file does not exist");
      continue;
    }
    styx_msg r = {.type = STYX_Rwalk, .tag = m.tag};
    for (; r.nwqid < m.nwname && left > 0; left--) {
      PEER_CHECK(m.wname[r.nwqid].s[0] == 'n', "element");
      r.wqid[r.nwqid++] = (styx_qid){.type = (uint8_t)type, .path = left};
    }
    if (r.nwqid == m.nwname)
      newfid = m.newfid;
    peer_send(p, r);
  }
  PEER_CHECK(newfid == STYX_NOFID, "a fid is left");
}

static styx_err walk(unsigned server_walks, unsigned elements, uint32_t msize, styx_qid *qid) {
  struct peer p;
  styx_client *c = NULL;
  char path[4096] = "";
  uint32_t fid = 5;
  for (unsigned i = 0; i < elements; i++)
    strcat(path, i % 3 == 0 ? "/n" : i % 3 == 1 ? "/./n" : "//name-that-is-a-little-longer/");
  peer_start(&p, walk_some, msize, &server_walks);
  cr_assert_eq(styx_client_new(&c, p.client_fd, NULL), STYX_OK);
  styx_err err = styx_client_walk(c, 100, path, &fid, qid);
  cr_assert(err ? fid == 5 : fid != 5);
  if (!err)
    cr_assert_eq(styx_client_clunk(c, fid), STYX_OK);
  peer_stop(&p, c);
  return err;
}

Test(client, a_walk_may_have_any_length) {
  styx_qid qid = {.path = 1234};
  cr_assert_eq(walk(0, 0, 65536, &qid), STYX_OK);
  cr_assert_eq(qid.path, 1234, "touched by a walk of nothing");
  for (unsigned n = 1; n <= 50; n++) {
    cr_assert_eq(walk(n, n, 65536, &qid), STYX_OK, "%u", n);
    cr_assert_eq(qid.path, 1);
    cr_assert_eq(walk(n, n, 256, &qid), STYX_OK, "%u in small messages", n);
  }
  cr_assert_eq(walk(1, 1, 65536, NULL), STYX_OK);
}

Test(client, a_walk_that_fails_anywhere_leaves_no_fid) {
  styx_qid qid;
  for (unsigned n = 1; n <= 50; n++)
    for (unsigned got = 0; got < n; got++)
      cr_assert_eq(walk(got, n, 65536, &qid), ENOENT, "%u of %u", got, n);
}

Test(client, a_file_in_the_middle_of_a_path_is_no_directory) {
  styx_qid qid;
  cr_assert_eq(walk(1000 + 3, 5, 65536, &qid), ENOTDIR);
  cr_assert_eq(walk(1000 + 20, 30, 65536, &qid), ENOTDIR);
}

/* ---- directories ---- */

enum { WHOLE, TORN, GARBAGE };

struct dir {
  unsigned count;
  int kind;
};

static void serve_dir(struct peer *p) {
  const struct dir *dir = p->arg;
  unsigned at = 0;
  uint64_t offset = 0;
  styx_msg m;
  static uint8_t buf[65536];
  while (peer_next(p, &m)) {
    PEER_CHECK(m.type == STYX_Tread && m.offset == offset, "offset %llu", (unsigned long long)m.offset);
    uint32_t n = 0;
    while (at < dir->count && n < 1000) {
      char name[32];
      snprintf(name, sizeof name, "entry-%u", at);
      styx_stat s = {.qid = {.path = at}, .length = at, .name = styx_str_of(name), .uid = STYX_STR("u")};
      n += (uint32_t)styx_stat_encode(buf + n, sizeof buf - n, &s, STYX_9P2000);
      at++;
    }
    if (n && dir->kind == TORN)
      n -= 3;
    if (n && dir->kind == GARBAGE)
      memset(buf, 0xff, n);
    offset += n;
    peer_send(p, (styx_msg){.type = STYX_Rread, .tag = m.tag, .count = n, .data = buf});
  }
}

Test(client, a_directory_is_listed_whole) {
  for (unsigned n = 0; n < 300; n += 37) {
    struct peer p;
    struct dir dir = {.count = n};
    styx_list list;
    styx_client *c = peer_client(&p, serve_dir, &dir);
    cr_assert_eq(styx_client_list(c, 1, &list), STYX_OK);
    cr_assert_eq(list.count, n);
    for (unsigned i = 0; i < n; i++) {
      char name[32];
      snprintf(name, sizeof name, "entry-%u", i);
      cr_assert(styx_str_is(list.stats[i].name, name));
      cr_assert_eq(list.stats[i].length, i);
    }
    styx_list_free(c, &list);
    styx_list_free(c, &list);
    peer_stop(&p, c);
  }
}

Test(client, a_bad_directory_entry_is_an_error) {
  for (int kind = TORN; kind <= GARBAGE; kind++) {
    struct peer p;
    struct dir dir = {.count = 10, .kind = kind};
    styx_list list = {.count = 99};
    styx_client *c = peer_client(&p, serve_dir, &dir);
    cr_assert_eq(styx_client_list(c, 1, &list), STYX_EBADSTAT);
    cr_assert_eq(list.count, 99);
    cr_assert_null(styx_client_why(c));
    peer_stop(&p, c);
  }
}

Test(client, names_that_no_file_here_can_have_are_known) {
  cr_assert(styx_name_is_safe(styx_str_of("a")));
  cr_assert(styx_name_is_safe(styx_str_of("...")));
  cr_assert(!styx_name_is_safe(styx_str_of("")));
  cr_assert(!styx_name_is_safe(styx_str_of(".")));
  cr_assert(!styx_name_is_safe(styx_str_of("..")));
  cr_assert(!styx_name_is_safe(styx_str_of("a/b")));
  cr_assert(!styx_name_is_safe((styx_str){"a\0b", 3}));
}

/* ---- stat ---- */

static void serve_stat(struct peer *p) {
  styx_msg m;
  while (peer_next(p, &m))
    peer_send(
        p,
        (styx_msg){.type = STYX_Rstat, .tag = m.tag, .stat = {.mode = 0644, .length = 7, .name = STYX_STR("a name")}});
}

Test(client, a_stat_record_larger_than_its_room_does_not_fit) {
  struct peer p;
  char room[49 + 6];
  styx_stat s;
  styx_client *c = peer_client(&p, serve_stat, NULL);
  cr_assert_eq(styx_client_stat(c, 1, &s, room, sizeof room - 1), STYX_ENOFIT);
  cr_assert_eq(styx_client_stat(c, 1, &s, room, sizeof room), STYX_OK);
  cr_assert(styx_str_is(s.name, "a name"));
  cr_assert_eq(s.length, 7);
  peer_stop(&p, c);
}

/* ---- one flight ---- */

struct small {
  uint32_t length; /* of the server's file */
  bool missing, locked;
};

/* All five requests come before the first answer is sent. */
static void serve_small(struct peer *p) {
  static const uint8_t data[100] = "some content";
  const struct small *file = p->arg;
  styx_msg m[5];
  static const uint8_t kinds[] = {STYX_Twalk, STYX_Topen, STYX_Tread, STYX_Tread, STYX_Tclunk};
  for (int i = 0; i < 5; i++)
    m[i] = peer_expect(p, kinds[i]);
  for (int i = 0; i < 5; i++)
    if (file->missing)
      peer_error(p, m[i].tag, i == 0 ? "file does not exist" : "bad fid");
    else if (file->locked && i > 0 && i < 4)
      peer_error(p, m[i].tag, i == 1 ? "permission denied" : "not open");
    else if (m[i].type == STYX_Tread) {
      uint64_t left = file->length > m[i].offset ? file->length - m[i].offset : 0;
      peer_send(p, (styx_msg){.type = STYX_Rread,
                              .tag = m[i].tag,
                              .count = m[i].count < left ? m[i].count : (uint32_t)left,
                              .data = data});
    } else
      peer_send(p, (styx_msg){.type = (uint8_t)(m[i].type + 1), .tag = m[i].tag, .nwqid = m[i].nwname});
  peer_end(p);
}

static styx_err fetch(struct small file, const char *words) {
  struct peer p;
  char buf[13] = "";
  styx_client *c = peer_client(&p, serve_small, &file);
  styx_err err = styx_client_fetch(c, 100, "a/b", buf, 12);
  cr_assert(err || memcmp(buf, "some content", 12) == 0);
  cr_assert(!words || strcmp(styx_client_words(), words) == 0, "%s", styx_client_words());
  peer_stop(&p, c);
  return err;
}

Test(client, a_small_file_takes_one_round_trip) { cr_assert_eq(fetch((struct small){.length = 12}, NULL), STYX_OK); }

Test(client, a_file_of_another_length_has_to_be_read_the_long_way) {
  cr_assert_eq(fetch((struct small){.length = 11}, NULL), STYX_ENOFIT);
  cr_assert_eq(fetch((struct small){.length = 13}, NULL), STYX_ENOFIT);
}

Test(client, the_first_error_of_a_flight_is_the_one_that_counts) {
  cr_assert_eq(fetch((struct small){.missing = true}, "file does not exist"), ENOENT);
  cr_assert_eq(fetch((struct small){.locked = true}, "permission denied"), EACCES);
}
