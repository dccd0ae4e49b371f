/* trace.c: messages as TCP segments in pcapng blocks. pcapng is little-endian here, IP and TCP are big-endian. */
#include <styx/trace.h>

#include <string.h>

enum {
  SECTION = 0x0A0D0D0A,
  INTERFACE = 1,
  PACKET = 6,
  MAGIC = 0x1A2B3C4D,
  RAW_IP = 101, /* LINKTYPE_RAW */
  TSRESOL = 9,  /* an option: the power of ten of a second, negated */

  BLOCK_HEAD = 28, /* of a packet block, up to the packet */
  IP_HEAD = 20,
  TCP_HEAD = 20,
  SYN_OPTIONS = 8,
  SEGMENT = 65535 - IP_HEAD - TCP_HEAD, /* bytes of data that one IP packet can carry */

  FIN = 1,
  SYN = 2,
  PSH = 8,
  ACK = 16,

  SERVER_PORT = 564,
  CLIENT_PORTS = 49152, /* the dynamic ones; and up */
  NPORTS = 16384,
  LOOPBACK = 127 << 24, /* and 24 bits, neither all zeros nor all ones */
  NHOSTS = (1 << 24) - 2,
};

/* A part of a message: where its bytes go on. */
struct cursor {
  const styx_span *span;
  size_t at;
};

struct segment {
  bool out;
  uint8_t flags;
  uint64_t time;
  struct cursor data;
  size_t len;
};

static uint8_t *le(uint8_t *p, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; i++, v >>= 8)
    *p++ = (uint8_t)v;
  return p;
}

static uint8_t *be(uint8_t *p, uint64_t v, int bytes) {
  while (bytes-- > 0)
    *p++ = (uint8_t)(v >> 8 * bytes);
  return p;
}

/* The next piece of what is left of it; not for nothing. */
static styx_span next_piece(struct cursor *c, size_t left) {
  while (c->at == c->span->len) {
    c->span++;
    c->at = 0;
  }
  size_t len = c->span->len - c->at;
  styx_span piece = {(uint8_t *)c->span->base + c->at, len < left ? len : left};
  c->at += piece.len;
  return piece;
}

/* ---- checksums (RFC 1071): the sum of big-endian 16-bit words, of which pieces may be odd ---- */

struct sum {
  uint64_t total;
  bool odd;
};

static void add(struct sum *s, const void *bytes, size_t len) {
  const uint8_t *p = bytes;
  size_t i = 0;
  if (s->odd && len) {
    s->total += p[i++];
    s->odd = false;
  }
  for (; i + 1 < len; i += 2)
    s->total += (uint64_t)(p[i] << 8 | p[i + 1]);
  if (i < len) {
    s->total += (uint64_t)p[i] << 8;
    s->odd = true;
  }
}

static uint16_t folded(const struct sum *s) {
  uint64_t total = s->total;
  while (total >> 16)
    total = (total & 0xFFFF) + (total >> 16);
  return (uint16_t)~total;
}

/* ---- headers ---- */

struct ends {
  uint32_t from, to;
  uint16_t from_port, to_port;
};

static struct ends ends_of(const styx_pcapng_flow *flow, bool out) {
  uint32_t client = LOOPBACK + 1 + (uint32_t)(flow->number / NPORTS % NHOSTS), server = LOOPBACK + 1;
  uint16_t port = (uint16_t)(CLIENT_PORTS + flow->number % NPORTS);
  return out ? (struct ends){server, client, SERVER_PORT, port} : (struct ends){client, server, port, SERVER_PORT};
}

static void ip_head(uint8_t *p, const struct ends *e, size_t len) {
  struct sum sum = {0};
  uint8_t *at = p;
  at = be(at, 0x4500, 2);
  at = be(at, len, 2);
  at = be(at, 0x00004000, 4); /* do not fragment: then a packet needs no number (RFC 6864) */
  at = be(at, 0x40060000, 4); /* time to live, TCP, room for the checksum */
  at = be(at, e->from, 4);
  be(at, e->to, 4);
  add(&sum, p, IP_HEAD);
  be(p + 10, folded(&sum), 2);
}

static void add_pseudo_head(struct sum *sum, const struct ends *e, size_t len) {
  uint8_t p[12];
  be(be(be(p, e->from, 4), e->to, 4), 6u << 16 | len, 4);
  add(sum, p, sizeof p);
}

static void tcp_head(uint8_t *p, const styx_pcapng_flow *flow, const struct segment *g, const struct ends *e,
                     size_t head) {
  struct sum sum = {0};
  struct cursor data = g->data;
  uint8_t *at = be(be(p, e->from_port, 2), e->to_port, 2);
  at = be(at, flow->next[g->out], 4);
  at = be(at, g->flags & ACK ? flow->next[!g->out] : 0, 4);
  at = be(at, head / 4 << 12 | g->flags, 2);
  at = be(at, 0xFFFF0000, 4); /* window, room for the checksum */
  at = be(at, 0, 2);
  if (g->flags & SYN) /* the largest segment; the window is to be read times 2^14: no limit that a message meets */
    be(be(at, 0x02040000 | SEGMENT, 4), 0x0103030E, 4);
  add_pseudo_head(&sum, e, head + g->len);
  add(&sum, p, head);
  for (size_t left = g->len; left > 0;) {
    styx_span piece = next_piece(&data, left);
    add(&sum, piece.base, piece.len);
    left -= piece.len;
  }
  be(p + 16, folded(&sum), 2);
}

/* ---- blocks ---- */

static bool write_data(const styx_pcapng *p, struct cursor data, size_t left) {
  while (left > 0) {
    styx_span piece = next_piece(&data, left);
    if (!p->write(p->arg, piece.base, piece.len))
      return false;
    left -= piece.len;
  }
  return true;
}

static bool write_segment(const styx_pcapng *p, styx_pcapng_flow *flow, const struct segment *g) {
  uint8_t head[BLOCK_HEAD + IP_HEAD + TCP_HEAD + SYN_OPTIONS], tail[3 + 4] = {0};
  size_t tcp = TCP_HEAD + (g->flags & SYN ? SYN_OPTIONS : 0), packet = IP_HEAD + tcp + g->len;
  size_t pad = -packet & 3, block = BLOCK_HEAD + packet + pad + 4;
  const struct ends e = ends_of(flow, g->out);
  uint8_t *at = le(le(head, PACKET, 4), block, 4);
  at = le(at, 0, 4);                             /* the interface */
  at = le(le(at, g->time >> 32, 4), g->time, 4); /* upper half first */
  at = le(le(at, packet, 4), packet, 4);         /* all of it is here */
  ip_head(at, &e, packet);
  tcp_head(at + IP_HEAD, flow, g, &e, tcp);
  le(tail + pad, block, 4);
  flow->next[g->out] += (uint32_t)g->len + (g->flags & (SYN | FIN) ? 1 : 0); /* they count as a byte */
  return p->write(p->arg, head, BLOCK_HEAD + IP_HEAD + tcp) && write_data(p, g->data, g->len) &&
         p->write(p->arg, tail, pad + 4);
}

/* A segment without data. */
static bool write_flags(const styx_pcapng *p, styx_pcapng_flow *flow, bool out, unsigned flags, uint64_t time) {
  return write_segment(p, flow, &(struct segment){.out = out, .flags = (uint8_t)flags, .time = time});
}

bool styx_pcapng_header(const styx_pcapng *p) {
  enum { HEADER = 28, DESCRIPTION = 32 };
  uint8_t bytes[HEADER + DESCRIPTION], *at = bytes;
  at = le(le(le(at, SECTION, 4), HEADER, 4), MAGIC, 4);
  at = le(le(at, 1, 2), 0, 2); /* version 1.0 */
  at = le(at, UINT64_MAX, 8);  /* how long the section will be is not known */
  at = le(at, HEADER, 4);
  at = le(le(at, INTERFACE, 4), DESCRIPTION, 4);
  at = le(le(at, RAW_IP, 4), 0, 4); /* and no limit on packets */
  at = le(le(at, TSRESOL, 2), 1, 2);
  at = le(at, 9, 4); /* one byte, padded */
  at = le(at, 0, 4); /* end of options */
  le(at, DESCRIPTION, 4);
  return p->write(p->arg, bytes, sizeof bytes);
}

bool styx_pcapng_message(const styx_pcapng *p, styx_pcapng_flow *flow, bool out, uint64_t time, const styx_span *spans,
                         size_t n) {
  struct segment g = {.out = out, .time = time, .data = {spans, 0}};
  size_t left = 0;
  for (size_t i = 0; i < n; i++)
    left += spans[i].len;
  if (!flow->begun) {
    flow->begun = true;
    if (!write_flags(p, flow, false, SYN, time) || !write_flags(p, flow, true, SYN | ACK, time) ||
        !write_flags(p, flow, false, ACK, time))
      return false;
  }
  while (left > 0) {
    g.len = left < SEGMENT ? left : SEGMENT;
    left -= g.len;
    g.flags = left ? ACK : ACK | PSH;
    if (!write_segment(p, flow, &g))
      return false;
    for (size_t over = g.len; over > 0;)
      over -= next_piece(&g.data, over).len;
  }
  return true;
}

bool styx_pcapng_end(const styx_pcapng *p, styx_pcapng_flow *flow, uint64_t time) {
  bool ok = !flow->begun || (write_flags(p, flow, false, FIN | ACK, time) &&
                             write_flags(p, flow, true, FIN | ACK, time) && write_flags(p, flow, false, ACK, time));
  *flow = (styx_pcapng_flow){.number = flow->number};
  return ok;
}
