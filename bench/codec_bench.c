/* codec_bench.c: how long the codec takes to encode and to decode one message of each kind in each dialect. Data lies
 * where it belongs in the message, so it is not copied: what is measured is the header. */
#include <styx/wire.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, TIMES = 5000, DATA = 8192, MSIZE = DATA + STYX_IOHDRSZ, MAXROWS = 256 };

static const char *const dialects[] = {"9P2000", "9P2000.u", "9P2000.L"};

/* What is measured: one message in one dialect. */
struct row {
  styx_msg msg;
  styx_dialect dialect;
  size_t size;
  double encode[ROUNDS], decode[ROUNDS]; /* ns */
  uint8_t wire[MSIZE];
};
static struct row rows[MAXROWS];
static size_t nrows;

/* ---- samples ---- */

static void fill_union(styx_msg *msg) {
  static const styx_str names[] = {STYX_STR("usr"), STYX_STR("include"), STYX_STR("styx")};
  if (msg->type == STYX_Twalk)
    memcpy(msg->wname, names, sizeof names);
  if (msg->type == STYX_Rwalk)
    for (unsigned i = 0; i < msg->nwqid; i++)
      msg->wqid[i] = msg->qid;
  if (msg->type == STYX_Rstat || msg->type == STYX_Twstat)
    msg->stat = (styx_stat){.qid = msg->qid,
                            .mode = 0644,
                            .length = DATA,
                            .name = STYX_STR("wire.h"),
                            .uid = STYX_STR("glenda"),
                            .gid = STYX_STR("sys"),
                            .muid = STYX_STR("glenda")};
  if (msg->type == STYX_Tlock || msg->type == STYX_Tgetlock || msg->type == STYX_Rgetlock)
    msg->lock = (styx_lock){.length = DATA, .proc_id = 321, .client_id = STYX_STR("terminal")};
}

/* A message of the kind, with every field that any kind may have. */
static styx_msg sample(uint8_t type) {
  styx_msg msg = {.type = type,
                  .tag = 1,
                  .oldtag = 2,
                  .nwname = 3,
                  .nwqid = 3,
                  .msize = MSIZE,
                  .fid = 2,
                  .newfid = 3,
                  .afid = STYX_NOFID,
                  .perm = 0644,
                  .count = DATA,
                  .offset = 4096,
                  .qid = {.vers = 7, .path = 1234},
                  .version = STYX_STR(STYX_VERSION_9P2000),
                  .uname = STYX_STR("glenda"),
                  .aname = STYX_STR(""),
                  .name = STYX_STR("wire.h"),
                  .newname = STYX_STR("codec.h"),
                  .target = STYX_STR("../wire/codec.h"),
                  .ename = STYX_STR("file does not exist")};
  fill_union(&msg);
  return msg;
}

static void add_row(uint8_t type, styx_dialect dialect) {
  struct row *row = &rows[nrows++];
  row->msg = sample(type);
  row->dialect = dialect;
  ptrdiff_t size = styx_encoded_size(&row->msg, dialect);
  if (nrows == MAXROWS || size < 0 || size > MSIZE) {
    fprintf(stderr, "codec_bench: there is no room for %s of %s\n", styx_msg_name(type), dialects[dialect]);
    exit(1);
  }
  row->size = (size_t)size;
  if (row->size >= DATA)
    row->msg.data = row->wire + row->size - DATA;
}

/* Each message in each dialect that has it. */
static void add_rows(void) {
  static const uint8_t types[] = {
#define STYX_MSG(name, number, dialects, fields, fidrule, mustrun, reply) number,
#include <styx/messages.def>
#undef STYX_MSG
  };
  for (styx_dialect dialect = STYX_9P2000; dialect <= STYX_9P2000_L; dialect++)
    for (size_t i = 0; i < sizeof types; i++)
      if (styx_msg_exists(types[i], dialect))
        add_row(types[i], dialect);
}

/* ---- measuring ---- */

static double now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* If the codec fails there is nothing to measure. */
static void expect(const struct row *row, bool good) {
  if (good)
    return;
  fprintf(stderr, "codec_bench: %s of %s is not encoded and decoded alike\n", styx_msg_name(row->msg.type),
          dialects[row->dialect]);
  exit(1);
}

static void encode(struct row *row, int times) {
  for (int i = 0; i < times; i++)
    expect(row, styx_encode(row->wire, sizeof row->wire, &row->msg, row->dialect) == (ptrdiff_t)row->size);
}

static void decode(struct row *row, int times) {
  styx_msg out;
  for (int i = 0; i < times; i++)
    expect(row, styx_decode(&out, row->wire, row->size, MSIZE, row->dialect) == (ptrdiff_t)row->size && out.tag == 1);
}

static double time_of(void (*operation)(struct row *, int), struct row *row) {
  double start = now_ns();
  operation(row, TIMES);
  return (now_ns() - start) / TIMES;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void print_times(double *times) {
  qsort(times, ROUNDS, sizeof *times, compare);
  printf(" %.1f %.1f %.1f", times[ROUNDS / 2], times[ROUNDS / 4], times[ROUNDS - 1 - ROUNDS / 4]);
}

/* Every round goes through all rows, so that whatever else the machine does is spread over all of them. */
static void measure(void) {
  for (size_t round = 0; round < ROUNDS; round++)
    for (struct row *row = rows; row < rows + nrows; row++) {
      row->encode[round] = time_of(encode, row);
      row->decode[round] = time_of(decode, row);
    }
  puts("# dialect message bytes; ns to encode: median, quartiles; ns to decode: the same");
  for (struct row *row = rows; row < rows + nrows; row++) {
    printf("%s %s %zu", dialects[row->dialect], styx_msg_name(row->msg.type), row->size);
    print_times(row->encode);
    print_times(row->decode);
    puts("");
  }
}

/* For bench/instructions, which counts what each call executes. */
static void perform_once(void) {
  for (struct row *row = rows; row < rows + nrows; row++) {
    encode(row, 1);
    decode(row, 1);
    printf("%s %s\n", dialects[row->dialect], styx_msg_name(row->msg.type));
  }
}

int main(int argc, char **argv) {
  bool once = argc == 2 && strcmp(argv[1], "once") == 0;
  if (argc > 1 && !once) {
    fputs("usage: codec_bench [once]\nWith once: no times; each message is encoded and decoded once and named.\n",
          stderr);
    return 2;
  }
  add_rows();
  if (once)
    perform_once();
  else
    measure();
  return 0;
}
