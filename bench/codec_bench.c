/* codec_bench.c: how long the codec takes to encode and to decode one message, the median of several rounds. */
#include <styx/wire.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 15, MESSAGES = 200000, ROOM = 16384 };

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

int main(void) {
  const styx_msg messages[] = {
      {.type = STYX_Tread, .tag = 1, .fid = 2, .offset = 4096, .count = 8192},
      {.type = STYX_Rread, .tag = 1, .count = sizeof payload, .data = payload},
      {.type = STYX_Twalk,
       .tag = 1,
       .fid = 2,
       .newfid = 3,
       .nwname = 3,
       .wname = {STYX_STR("usr"), STYX_STR("include"), STYX_STR("styx")}},
      {.type = STYX_Rerror, .tag = 1, .ename = STYX_STR("file does not exist")},
  };
  printf("%-8s %7s %10s %10s\n", "message", "bytes", "encode ns", "decode ns");
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
    const styx_msg *msg = &messages[i];
    ptrdiff_t len = styx_encoded_size(msg, STYX_9P2000);
    double encode = median(encode_all, msg, (size_t)len), decode = median(decode_all, msg, (size_t)len);
    printf("%-8s %7td %10.1f %10.1f\n", styx_msg_name(msg->type), len, encode, decode);
  }
  return 0;
}
