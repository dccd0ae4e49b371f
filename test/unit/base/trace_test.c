/* trace_test.c: what styx/trace.h writes, walked by a reader of its own, which takes every field for itself. */
#include <criterion/criterion.h>

#include <styx/trace.h>

#include <stdlib.h>
#include <string.h>

enum { CAP = 4 << 20, MOST = 64 };

/* A packet of the file as the reader has found it. */
struct packet {
  uint64_t time;
  uint32_t from, to, seq, ack;
  uint16_t from_port, to_port;
  uint8_t flags;
  unsigned window_shift; /* of a SYN */
  const uint8_t *data;
  size_t len;
};

struct file {
  uint8_t *bytes;
  size_t len;
  long writes_left; /* then the sink fails; negative: never */
  struct packet packets[MOST];
  size_t npackets;
};

static struct file file;

static bool sink(void *arg, const void *bytes, size_t len) {
  struct file *f = arg;
  if (f->writes_left == 0)
    return false;
  f->writes_left -= f->writes_left > 0;
  cr_assert_leq(f->len + len, CAP);
  memcpy(f->bytes + f->len, bytes, len);
  f->len += len;
  return true;
}

static const styx_pcapng out_to = {sink, &file};

static void setup(void) {
  file = (struct file){.bytes = malloc(CAP), .writes_left = -1};
  cr_assert_not_null(file.bytes);
  cr_assert(styx_pcapng_header(&out_to));
}

static void teardown(void) { free(file.bytes); }

/* ---- the reader ---- */

static uint32_t le32(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static uint32_t be32(const uint8_t *p) {
  return p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}
static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[1] | p[0] << 8); }

/* Over bytes that hold their checksum the sum is all ones. */
static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t len) {
  for (size_t i = 0; i < len; i++) {
    sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    sum = (sum & 0xFFFF) + (sum >> 16);
  }
  return sum;
}

static void read_tcp(struct packet *k, const uint8_t *ip, size_t total) {
  const uint8_t *p = ip + 20;
  size_t len = total - 20, head = (size_t)(p[12] >> 4) * 4;
  cr_assert_geq(len, head);
  uint8_t pseudo[12] = {0};
  memcpy(pseudo, ip + 12, 8);
  pseudo[9] = 6;
  pseudo[10] = (uint8_t)(len >> 8);
  pseudo[11] = (uint8_t)len;
  cr_assert_eq(sum16(sum16(0, pseudo, 12), p, len), 0xFFFF, "the TCP checksum is wrong");
  k->from_port = be16(p);
  k->to_port = be16(p + 2);
  k->seq = be32(p + 4);
  k->ack = be32(p + 8);
  k->flags = p[13];
  cr_assert_eq(be16(p + 14), 0xFFFF);
  cr_assert_eq(be16(p + 18), 0, "nothing is urgent");
  cr_assert_eq(head, k->flags & 2 ? 28 : 20);
  if (head == 28) {
    cr_assert_eq(memcmp(p + 20, "\2\4\xff\xd7\1\3\3", 7), 0);
    k->window_shift = p[27];
  }
  k->data = p + head;
  k->len = len - head;
}

static void read_packet(struct packet *k, const uint8_t *p, size_t len) {
  size_t captured = le32(p + 12);
  const uint8_t *ip = p + 20;
  cr_assert_eq(le32(p), 0, "interface 0");
  k->time = (uint64_t)le32(p + 4) << 32 | le32(p + 8);
  cr_assert_eq(le32(p + 16), captured);
  cr_assert_eq(len, 20 + (captured + 3) / 4 * 4, "padded to four bytes, and no options");
  for (size_t i = captured; i < len - 20; i++)
    cr_assert_eq(ip[i], 0);
  cr_assert_eq(ip[0], 0x45);
  cr_assert_eq(be16(ip + 2), captured);
  cr_assert_eq(be16(ip + 6), 0x4000, "one piece, never to be cut");
  cr_assert_eq(ip[9], 6);
  cr_assert_eq(sum16(0, ip, 20), 0xFFFF, "the IP checksum is wrong");
  k->from = be32(ip + 12);
  k->to = be32(ip + 16);
  read_tcp(k, ip, captured);
}

static size_t read_head(const uint8_t *p) {
  static const uint8_t head[] = {
      0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A, 1,  0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, /* section */
      0xFF, 0xFF, 0xFF, 0xFF, 28, 0, 0, 0, 1,    0,    0,    0,    32, 0, 0, 0, 101,  0,    0,    0,    /* interface */
      0,    0,    0,    0,    9,  0, 1, 0, 9,    0,    0,    0,    0,  0, 0, 0, 32,   0,    0,    0};
  cr_assert_geq(file.len, sizeof head);
  cr_assert_arr_eq(p, head, sizeof head);
  return sizeof head;
}

static void read_file(void) {
  size_t at = read_head(file.bytes);
  file.npackets = 0;
  while (at < file.len) {
    const uint8_t *p = file.bytes + at;
    cr_assert_geq(file.len - at, 12);
    size_t len = le32(p + 4);
    cr_assert(len >= 12 && len % 4 == 0 && len <= file.len - at, "a block of %zu bytes", len);
    cr_assert_eq(le32(p + len - 4), len, "the length stands at both ends");
    cr_assert_eq(le32(p), 6);
    cr_assert_lt(file.npackets, MOST);
    read_packet(&file.packets[file.npackets++], p + 8, len - 12);
    at += len;
  }
  cr_assert_eq(at, file.len);
}

/* ---- shorthands ---- */

static void put(styx_pcapng_flow *flow, bool out, const char *bytes, size_t len) {
  styx_span span = {(void *)(uintptr_t)bytes, len};
  cr_assert(styx_pcapng_message(&out_to, flow, out, 7, &span, 1));
}

static void is(size_t i, bool out, uint8_t flags, uint32_t seq, uint32_t ack, size_t len) {
  const struct packet *k = &file.packets[i];
  cr_assert_lt(i, file.npackets);
  cr_assert_eq(out ? k->from_port : k->to_port, 564, "packet %zu goes the other way", i);
  cr_assert_eq(k->flags, flags, "packet %zu has flags %#x", i, k->flags);
  cr_assert_eq(k->seq, seq, "packet %zu has sequence number %u", i, k->seq);
  cr_assert_eq(k->ack, ack, "packet %zu acknowledges %u", i, k->ack);
  cr_assert_eq(k->len, len, "packet %zu has %zu bytes", i, k->len);
}

enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };

TestSuite(trace, .init = setup, .fini = teardown);

Test(trace, a_file_begins_with_its_section_and_an_interface_of_raw_ip_and_nanoseconds) {
  read_file();
  cr_assert_eq(file.npackets, 0);
}

Test(trace, a_connection_is_a_handshake_then_its_messages_then_an_end) {
  styx_pcapng_flow flow = {0};
  put(&flow, false, "hello", 5);
  put(&flow, true, "abc", 3);
  put(&flow, false, "x", 1);
  cr_assert(styx_pcapng_end(&out_to, &flow, 7));
  read_file();
  cr_assert_eq(file.npackets, 9);
  is(0, false, SYN, 0, 0, 0);
  is(1, true, SYN | ACK, 0, 1, 0);
  is(2, false, ACK, 1, 1, 0);
  is(3, false, PSH | ACK, 1, 1, 5);
  is(4, true, PSH | ACK, 1, 6, 3);
  is(5, false, PSH | ACK, 6, 4, 1);
  is(6, false, FIN | ACK, 7, 4, 0);
  is(7, true, FIN | ACK, 4, 8, 0);
  is(8, false, ACK, 8, 5, 0);
  cr_assert_arr_eq(file.packets[3].data, "hello", 5);
  cr_assert_arr_eq(file.packets[4].data, "abc", 3);
  cr_assert_eq(file.packets[0].window_shift, 14);
  cr_assert_eq(file.packets[1].window_shift, 14);
}

Test(trace, a_connection_that_has_said_nothing_leaves_nothing) {
  styx_pcapng_flow flow = {.number = 3};
  cr_assert(styx_pcapng_end(&out_to, &flow, 7));
  read_file();
  cr_assert_eq(file.npackets, 0);
}

Test(trace, the_time_is_kept_to_the_nanosecond) {
  styx_pcapng_flow flow = {0};
  styx_span span = {(char[]){"x"}, 1};
  cr_assert(styx_pcapng_message(&out_to, &flow, false, UINT64_C(0x1122334455667788), &span, 1));
  read_file();
  for (size_t i = 0; i < 4; i++)
    cr_assert_eq(file.packets[i].time, UINT64_C(0x1122334455667788));
}

Test(trace, a_message_in_odd_pieces_is_one_segment_with_a_right_checksum) {
  styx_pcapng_flow flow = {0};
  styx_span spans[] = {{(char[]){"abc"}, 3},   {NULL, 0},          {NULL, 0},
                       {(char[]){"defgh"}, 5}, {(char[]){"i"}, 1}, {NULL, 0}};
  cr_assert(styx_pcapng_message(&out_to, &flow, true, 7, spans, 6));
  read_file();
  is(3, true, PSH | ACK, 1, 1, 9);
  cr_assert_arr_eq(file.packets[3].data, "abcdefghi", 9);
}

Test(trace, every_length_is_padded_and_summed) {
  styx_pcapng_flow flow = {0};
  for (size_t len = 1; len < 40; len++)
    put(&flow, len % 2, "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0 and so on and so on and on",
        len);
  read_file();
  cr_assert_eq(file.npackets, 3 + 39);
}

Test(trace, a_message_that_fills_a_packet_is_not_cut) {
  enum { FULL = 65495 };
  styx_pcapng_flow flow = {0};
  char *bytes = calloc(1, FULL + 1);
  put(&flow, false, bytes, FULL);
  put(&flow, false, bytes, FULL + 1);
  free(bytes);
  read_file();
  cr_assert_eq(file.npackets, 6);
  is(3, false, PSH | ACK, 1, 1, FULL);
  is(4, false, ACK, 1 + FULL, 1, FULL);
  is(5, false, PSH | ACK, 1 + 2 * FULL, 1, 1);
}

Test(trace, a_message_of_a_mebibyte_in_two_pieces_is_cut_into_segments_that_follow_one_another) {
  enum { HEAD = 11, DATA = 1 << 20 };
  styx_pcapng_flow flow = {0};
  uint8_t *bytes = malloc(HEAD + DATA), *back = malloc(HEAD + DATA);
  size_t len = 0;
  for (uint32_t i = 0; i < HEAD + DATA; i++)
    bytes[i] = (uint8_t)(i * 2654435761u >> 24);
  styx_span spans[] = {{bytes, HEAD}, {bytes + HEAD, DATA}};
  cr_assert(styx_pcapng_message(&out_to, &flow, true, 7, spans, 2));
  put(&flow, false, "x", 1);
  read_file();
  cr_assert_eq(file.npackets, 3 + 17 + 1);
  for (size_t i = 3; i < 20; i++) {
    is(i, true, i < 19 ? ACK : ACK | PSH, 1 + (uint32_t)len, 1, file.packets[i].len);
    memcpy(back + len, file.packets[i].data, file.packets[i].len);
    len += file.packets[i].len;
  }
  cr_assert_eq(len, HEAD + DATA);
  cr_assert_eq(memcmp(back, bytes, len), 0);
  is(20, false, PSH | ACK, 1, 1 + HEAD + DATA, 1);
  free(bytes);
  free(back);
}

Test(trace, sequence_numbers_begin_again_after_four_gibibytes) {
  styx_pcapng_flow flow = {.begun = true, .next = {UINT32_MAX - 1, 5}};
  put(&flow, false, "abcd", 4);
  put(&flow, true, "e", 1);
  read_file();
  is(0, false, PSH | ACK, UINT32_MAX - 1, 5, 4);
  is(1, true, PSH | ACK, 5, 2, 1);
}

Test(trace, each_connection_is_a_client_of_its_own) {
  static const struct {
    uint64_t number;
    uint32_t host;
    uint16_t port;
  } rows[] = {{0, 0x7F000001, 49152},
              {1, 0x7F000001, 49153},
              {16383, 0x7F000001, 65535},
              {16384, 0x7F000002, 49152},
              {(UINT64_C(1) << 38) - 1 - 2 * 16384, 0x7FFFFFFE, 65535},
              {(UINT64_C(1) << 38) - 2 * 16384, 0x7F000001, 49152}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    styx_pcapng_flow flow = {.number = rows[i].number};
    put(&flow, true, "x", 1);
    read_file();
    const struct packet *k = &file.packets[file.npackets - 1];
    cr_assert_eq(k->from, 0x7F000001);
    cr_assert_eq(k->to, rows[i].host, "connection %zu is at %#x", i, k->to);
    cr_assert_eq(k->to_port, rows[i].port);
  }
}

Test(trace, what_the_sink_refuses_is_said_at_every_write) {
  enum { WRITES = 3 * 2 + 3 + 3 * 2 }; /* a packet is two, and its data another */
  for (long fails_at = 0; fails_at <= WRITES; fails_at++) {
    styx_pcapng_flow flow = {0};
    styx_span span = {(char[]){"x"}, 1};
    file.len = 0;
    file.writes_left = fails_at;
    bool ok = styx_pcapng_message(&out_to, &flow, false, 7, &span, 1);
    cr_assert_eq(ok, fails_at >= 9);
    if (ok)
      cr_assert_eq(styx_pcapng_end(&out_to, &flow, 7), fails_at == WRITES);
  }
  file.writes_left = 0;
  cr_assert_not(styx_pcapng_header(&out_to));
}
