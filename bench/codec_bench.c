/* codec_bench.c: how long the codec takes to encode and to decode one message of each kind, the median of several rounds,
 * as a table in Markdown. */
#include <styx/wire.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, MESSAGES = 50000, ROOM = 16384 };

static uint8_t payload[8192];
static uint8_t wire[ROOM];

static double now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static bool encode_all(const styx_msg *msg, size_t len) {
  for (int i = 0; i < MESSAGES; i++)
    if (styx_encode(wire, sizeof wire, msg, STYX_9P2000) != (ptrdiff_t)len)
      return false;
  return true;
}

static bool decode_all(const styx_msg *msg, size_t len) {
  styx_msg out;
  for (int i = 0; i < MESSAGES; i++)
    if (styx_decode(&out, wire, len, ROOM, STYX_9P2000) != (ptrdiff_t)len || out.tag != msg->tag)
      return false;
  return true;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* ns for one message; ends the program if the codec fails, for then there is nothing to measure. */
static double median(bool (*all)(const styx_msg *, size_t), const styx_msg *msg, size_t len) {
  double rounds[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    double start = now_ns();
    if (!all(msg, len)) {
      fprintf(stderr, "codec_bench: %s is not encoded and decoded alike\n", styx_msg_name(msg->type));
      exit(1);
    }
    rounds[i] = (now_ns() - start) / MESSAGES;
  }
  qsort(rounds, ROUNDS, sizeof *rounds, compare);
  return rounds[ROUNDS / 2];
}

static void fill_union(styx_msg *msg) {
  static const styx_str names[] = {STYX_STR("usr"), STYX_STR("include"), STYX_STR("styx")};
  if (msg->type == STYX_Twalk) {
    memcpy(msg->wname, names, sizeof names);
  } else if (msg->type == STYX_Rwalk) {
    for (unsigned i = 0; i < msg->nwqid; i++)
      msg->wqid[i] = msg->qid;
  } else if (msg->type == STYX_Rstat || msg->type == STYX_Twstat) {
    msg->stat = (styx_stat){.qid = msg->qid,
                            .mode = 0644,
                            .length = sizeof payload,
                            .name = STYX_STR("wire.h"),
                            .uid = STYX_STR("glenda"),
                            .gid = STYX_STR("sys"),
                            .muid = STYX_STR("glenda")};
  }
}

/* A message of the kind, with every field that any kind may have. */
static styx_msg sample(uint8_t type) {
  styx_msg msg = {.type = type,
                  .tag = 1,
                  .oldtag = 2,
                  .nwname = 3,
                  .nwqid = 3,
                  .msize = 65536,
                  .fid = 2,
                  .newfid = 3,
                  .afid = STYX_NOFID,
                  .perm = 0644,
                  .count = sizeof payload,
                  .offset = 4096,
                  .qid = {.vers = 7, .path = 1234},
                  .data = payload,
                  .version = STYX_STR(STYX_VERSION_9P2000),
                  .uname = STYX_STR("glenda"),
                  .aname = STYX_STR(""),
                  .name = STYX_STR("wire.h"),
                  .ename = STYX_STR("file does not exist")};
  fill_union(&msg);
  return msg;
}

int main(void) {
  static const uint8_t types[] = {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) number,
#include <styx/messages.def>
#undef STYX_MSG
  };
  puts("| message | bytes | encode, ns | decode, ns |\n|---|---:|---:|---:|");
  for (size_t i = 0; i < sizeof types; i++) {
    styx_msg msg = sample(types[i]);
    ptrdiff_t len = styx_encoded_size(&msg, STYX_9P2000);
    if (len < 0) /* not of this dialect */
      continue;
    double encode = median(encode_all, &msg, (size_t)len), decode = median(decode_all, &msg, (size_t)len);
    printf("| %s | %td | %.1f | %.1f |\n", styx_msg_name(msg.type), len, encode, decode);
  }
  return 0;
}
