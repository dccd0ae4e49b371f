/* transfer_test.c: whole files through a server that answers out of order, in short portions, or not any more. */
#include "peer.h"

enum { FILESIZE = 700000, MOST = 800000 };

/* A server with one file. It holds up to `hold` requests back, answers in an order of its own, and moves at most `most` bytes
 * with each. */
struct server {
  unsigned hold, most, seed;
  uint64_t fail_at; /* a request that reaches this offset is refused; 0: none */
  bool zero_writes;
  bool patient; /* answers nothing before it holds as many as it may */
  uint8_t file[MOST];
  uint64_t length, reach;
  unsigned deepest; /* requests held at once */
};

static unsigned roll(struct server *s, unsigned n) {
  s->seed = s->seed * 1103515245u + 12345u;
  return (s->seed >> 16) % n;
}

static void serve(struct peer *p, struct server *s, const styx_msg *m) {
  uint32_t n = m->count < s->most ? m->count : s->most;
  if (s->fail_at && m->offset + m->count > s->fail_at) {
    peer_error(p, m->tag, "No space left on device");
  } else if (m->type == STYX_Tread) {
    uint64_t left = m->offset < s->length ? s->length - m->offset : 0;
    n = n < left ? n : (uint32_t)left;
    peer_send(p, (styx_msg){.type = STYX_Rread, .tag = m->tag, .count = n, .data = s->file + (left ? m->offset : 0)});
  } else {
    n = s->zero_writes ? 0 : n;
    memcpy(s->file + m->offset, m->data, n);
    if (m->offset + n > s->length)
      s->length = m->offset + n;
    peer_send(p, (styx_msg){.type = STYX_Rwrite, .tag = m->tag, .count = n});
  }
}

/* Writes are answered at once, since their data is gone with the next message. */
static void serve_file(struct peer *p) {
  struct server *s = p->arg;
  styx_msg held[64], m;
  unsigned n = 0;
  while (peer_next(p, &m)) {
    if (m.type == STYX_Tflush) {
      for (unsigned i = 0; i < n; i++)
        if (held[i].tag == m.oldtag)
          held[i] = held[--n];
      peer_send(p, (styx_msg){.type = STYX_Rflush, .tag = m.tag});
      continue;
    }
    if (m.type == STYX_Twrite) {
      serve(p, s, &m);
      continue;
    }
    held[n++] = m;
    s->deepest = n > s->deepest ? n : s->deepest;
    s->patient &= n < s->hold;
    while (n > 0 && (n >= s->hold || (p->have == p->used && !s->patient))) {
      unsigned i = roll(s, n);
      serve(p, s, &held[i]);
      held[i] = held[--n];
    }
  }
}

static struct server *server(unsigned hold, unsigned most, uint64_t length) {
  struct server *s = calloc(1, sizeof *s);
  *s = (struct server){.hold = hold, .most = most, .seed = 11, .length = length};
  for (size_t i = 0; i < length; i++)
    s->file[i] = (uint8_t)(i * 131 + i / 251);
  return s;
}

struct pot {
  uint8_t data[MOST];
  size_t len, stop_at;
};

static styx_err fill(void *arg, const void *data, size_t len) {
  struct pot *pot = arg;
  if (pot->stop_at && pot->len + len > pot->stop_at)
    return ENOSPC;
  memcpy(pot->data + pot->len, data, len);
  pot->len += len;
  return STYX_OK;
}

static void get_all(unsigned hold, unsigned most, uint64_t length, styx_transfer how) {
  struct peer p;
  struct server *s = server(hold, most, length);
  struct pot *pot = calloc(1, sizeof *pot);
  uint64_t moved = 0;
  styx_client *c = peer_client(&p, serve_file, s);
  cr_assert_eq(styx_client_get(c, 1, &how, fill, pot, &moved), STYX_OK, "%s", styx_client_words());
  uint64_t want = length > how.offset ? length - how.offset : 0;
  cr_assert_eq(moved, want);
  cr_assert_eq(pot->len, want);
  cr_assert(memcmp(pot->data, s->file + (want ? how.offset : 0), want) == 0, "the bytes differ");
  peer_stop(&p, c);
  free(pot);
  free(s);
}

Test(transfer, a_file_is_read_whole_and_in_order) {
  static const uint64_t lengths[] = {0, 1, 4095, 4096, 65512, 65513, 200000, FILESIZE};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    uint64_t n = lengths[i];
    get_all(1, MOST, n, (styx_transfer){.length = n});
    get_all(4, MOST, n, (styx_transfer){.length = n});
    get_all(4, MOST, n, (styx_transfer){0});
    get_all(4, MOST, n, (styx_transfer){.length = n, .iounit = 8192, .window = 16});
    get_all(4, MOST, n, (styx_transfer){.length = n, .window = 1});
    get_all(1, MOST, n, (styx_transfer){.length = n, .offset = 5000});
  }
}

Test(transfer, short_reads_are_filled_up) {
  get_all(4, 1000, 200000, (styx_transfer){.length = 200000});
  get_all(4, 7777, FILESIZE, (styx_transfer){.length = FILESIZE, .iounit = 30000});
  get_all(1, 999, 50000, (styx_transfer){0});
}

Test(transfer, the_length_may_have_changed_meanwhile) {
  get_all(4, MOST, 200000, (styx_transfer){.length = 100});
  get_all(4, MOST, 200000, (styx_transfer){.length = FILESIZE});
  get_all(4, MOST, 0, (styx_transfer){.length = FILESIZE});
}

Test(transfer, several_reads_are_outstanding) {
  struct peer p;
  struct server *s = server(6, MOST, FILESIZE);
  struct pot *pot = calloc(1, sizeof *pot);
  styx_client *c = peer_client(&p, serve_file, s);
  styx_transfer how = {.length = FILESIZE, .iounit = 10000, .window = 6};
  s->patient = true;
  cr_assert_eq(styx_client_get(c, 1, &how, fill, pot, NULL), STYX_OK);
  cr_assert_eq(s->deepest, 6);
  peer_stop(&p, c);
  free(pot);
  free(s);
}

Test(transfer, a_sink_that_fails_ends_it_and_the_client_goes_on) {
  struct peer p;
  struct server *s = server(2, MOST, FILESIZE);
  struct pot *pot = calloc(1, sizeof *pot);
  uint64_t moved = 0;
  uint32_t got;
  uint8_t byte;
  styx_client *c = peer_client(&p, serve_file, s);
  styx_transfer how = {.length = FILESIZE, .iounit = 10000};
  pot->stop_at = 50000;
  cr_assert_eq(styx_client_get(c, 1, &how, fill, pot, &moved), ENOSPC);
  cr_assert_eq(moved, 50000);
  cr_assert_str_eq(styx_client_words(), "No space left on device");
  cr_assert_eq(styx_client_read(c, 1, 3, &byte, 1, &got), STYX_OK);
  cr_assert_eq(byte, s->file[3]);
  peer_stop(&p, c);
  free(pot);
  free(s);
}

Test(transfer, a_read_that_fails_ends_it) {
  struct peer p;
  struct server *s = server(3, MOST, FILESIZE);
  struct pot *pot = calloc(1, sizeof *pot);
  uint64_t moved = 0;
  styx_client *c = peer_client(&p, serve_file, s);
  styx_transfer how = {.length = FILESIZE, .iounit = 10000};
  s->fail_at = 100000;
  cr_assert_eq(styx_client_get(c, 1, &how, fill, pot, &moved), ENOSPC);
  cr_assert_eq(moved, 100000);
  peer_stop(&p, c);
  free(pot);
  free(s);
}

/* ---- writing ---- */

struct spring {
  const uint8_t *data;
  size_t len, at, step; /* step 0: as much as is asked for */
  size_t fail_at;
};

static styx_err flow(void *arg, void *buf, size_t cap, size_t *got) {
  struct spring *s = arg;
  size_t n = s->len - s->at;
  if (s->fail_at && s->at >= s->fail_at)
    return EIO;
  n = n < cap ? n : cap;
  if (s->step && n > s->step)
    n = s->step;
  memcpy(buf, s->data + s->at, n);
  s->at += n;
  *got = n;
  return STYX_OK;
}

static styx_err put(struct server *s, struct spring *spring, styx_transfer how, uint64_t *moved) {
  struct peer p;
  styx_client *c = peer_client(&p, serve_file, s);
  styx_err err = styx_client_put(c, 1, &how, flow, spring, moved);
  peer_stop(&p, c);
  return err;
}

static void put_all(unsigned most, size_t length, size_t step, styx_transfer how) {
  struct server *s = server(4, most, 0), *want = server(1, 1, FILESIZE);
  struct spring spring = {.data = want->file, .len = length, .step = step};
  uint64_t moved = 0;
  cr_assert_eq(put(s, &spring, how, &moved), STYX_OK, "%s", styx_client_words());
  cr_assert_eq(moved, length);
  cr_assert_eq(s->length, length ? how.offset + length : 0);
  cr_assert(memcmp(s->file + how.offset, want->file, length) == 0, "the bytes differ");
  free(s);
  free(want);
}

Test(transfer, a_file_is_written_whole) {
  static const size_t lengths[] = {0, 1, 4096, 65512, 65513, FILESIZE};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    put_all(MOST, lengths[i], 0, (styx_transfer){0});
    put_all(MOST, lengths[i], 0, (styx_transfer){.length = lengths[i]});
    put_all(MOST, lengths[i], 0, (styx_transfer){.length = 10, .window = 1});
    put_all(MOST, lengths[i], 3333, (styx_transfer){.iounit = 8192, .offset = 77});
  }
}

Test(transfer, short_writes_are_followed_by_the_rest) {
  put_all(1000, 200000, 0, (styx_transfer){0});
  put_all(7777, FILESIZE, 0, (styx_transfer){.iounit = 30000, .window = 3});
}

Test(transfer, a_server_that_writes_nothing_is_an_error) {
  struct server *s = server(1, MOST, 0);
  struct spring spring = {.data = s->file, .len = 1000};
  uint64_t moved = 9;
  s->zero_writes = true;
  cr_assert_eq(put(s, &spring, (styx_transfer){0}, &moved), EIO);
  cr_assert_eq(moved, 0);
  free(s);
}

Test(transfer, a_write_that_fails_ends_it) {
  struct server *s = server(1, MOST, 0);
  static uint8_t data[FILESIZE];
  struct spring spring = {.data = data, .len = FILESIZE};
  uint64_t moved = 0;
  s->fail_at = 100000;
  cr_assert_eq(put(s, &spring, (styx_transfer){.iounit = 10000}, &moved), ENOSPC);
  cr_assert_eq(moved, 100000);
  cr_assert_str_eq(styx_client_words(), "No space left on device");
  free(s);
}

Test(transfer, a_source_that_fails_ends_it) {
  struct server *s = server(1, MOST, 0);
  static uint8_t data[FILESIZE];
  struct spring spring = {.data = data, .len = FILESIZE, .fail_at = 100000};
  cr_assert_eq(put(s, &spring, (styx_transfer){.iounit = 10000}, NULL), EIO);
  cr_assert_leq(s->length, 100000);
  free(s);
}

static void go_away(struct peer *p) { peer_expect(p, STYX_Tread); }

Test(transfer, a_lost_connection_ends_it) {
  struct peer p;
  struct pot *pot = calloc(1, sizeof *pot);
  styx_client *c = peer_client(&p, go_away, NULL);
  styx_transfer how = {.length = FILESIZE, .iounit = 10000};
  cr_assert_eq(styx_client_get(c, 1, &how, fill, pot, NULL), STYX_EHANGUP);
  cr_assert_eq(pot->len, 0);
  peer_stop(&p, c);
  free(pot);
}
