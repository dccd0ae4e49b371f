/* styxbench_options.c: the command line, and the table of operations. */
#include "args.h"
#include "styxbench.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct bench_op ops[] = {
    {.name = "stat", .nsteps = 1, .steps = {STYX_Tstat}, .about = "Tstat of the file"},
    {.name = "read4k", .nsteps = 1, .steps = {STYX_Tread}, .amount = BENCH_4K, .opened = true, .about = "4,096 bytes"},
    {.name = "read-max",
     .nsteps = 1,
     .steps = {STYX_Tread},
     .amount = BENCH_MOST,
     .opened = true,
     .about = "as much as msize allows"},
    {.name = "write4k",
     .nsteps = 1,
     .steps = {STYX_Twrite},
     .amount = BENCH_4K,
     .opened = true,
     .writes = true,
     .about = "4,096 bytes"},
    {.name = "write-max",
     .nsteps = 1,
     .steps = {STYX_Twrite},
     .amount = BENCH_MOST,
     .opened = true,
     .writes = true,
     .about = "as much as msize allows"},
    {.name = "walk+clunk",
     .nsteps = 2,
     .steps = {STYX_Twalk, STYX_Tclunk},
     .own_fid = true,
     .about = "from the root to the file, each request after the reply to the one before"},
    {.name = "walk+open+read+clunk",
     .nsteps = 4,
     .steps = {STYX_Twalk, STYX_Topen, STYX_Tread, STYX_Tclunk},
     .amount = BENCH_4K,
     .own_fid = true,
     .about = "the same, reading 4,096 bytes"},
    {.name = "packet",
     .nsteps = 4,
     .steps = {STYX_Twalk, STYX_Topen, STYX_Tread, STYX_Tclunk},
     .at_once = true,
     .amount = BENCH_4K,
     .own_fid = true,
     .about = "the same four requests in one write, done when all are answered"},
    {.name = "mix",
     .nsteps = 4,
     .steps = {STYX_Tread, STYX_Tstat, STYX_Tread, STYX_Twrite},
     .in_turn = true,
     .amount = BENCH_4K,
     .opened = true,
     .writes = true,
     .about = "read4k, stat, read4k and write4k in turn"},
    {.name = "rare-write",
     .nsteps = 2,
     .steps = {STYX_Tread, STYX_Twrite},
     .in_turn = true,
     .rare = 200,
     .amount = BENCH_4K,
     .opened = true,
     .writes = true,
     .about = "read4k, but one in 200 is a write4k, whose latency is not counted"},
    {.name = "idle", .about = "connect, attach and be silent: memory for each connection, with --pid"},
};

unsigned bench_tags(const struct bench_op *op) { return op->at_once ? op->nsteps : 1; }
unsigned bench_requests(const struct bench_op *op) { return op->in_turn ? 1 : op->nsteps; }

static void usage(FILE *to) {
  fputs("Usage: styxbench -a ADDR [OPTION]... OPERATION...\n"
        "   or: styxbench flush [OPTION]... ADDR      (styxbench flush --help)\n"
        "Load a 9P server and say how fast it answers.\n\n"
        "  -a, --addr ADDR    tcp!HOST!PORT, HOST:PORT, [V6]:PORT, unix!PATH or /PATH\n"
        "  -A, --aname NAME   the tree to attach to (the server's default)\n"
        "  -u, --uname NAME   the user to attach as ($USER)\n"
        "  -D, --dialect NAME 9P2000, 9P2000.u or 9P2000.L (9P2000)\n"
        "  -m, --msize BYTES  to ask for (1M; takes K and M)\n"
        "      --file PATH    work on this file; write operations overwrite it. Without it, styxbench makes\n"
        "                     /styxbench and removes it afterwards\n"
        "  -c, --conns N      connections (1)\n"
        "  -d, --depth N      requests in flight on each (1)\n"
        "  -s, --secs S       to measure (2), after --warmup S (0.1)\n"
        "  -r, --rate N       open loop: begin N operations a second, over all connections, at even distances, and\n"
        "                     measure from the time when each was to begin; without it, closed loop: each slot\n"
        "                     begins the next operation when it has the answer to the last\n"
        "  -t, --threads N    generator threads (1)\n"
        "  -p, --pid PID      of the server: its CPU time and context switches for each request\n"
        "  -j, --json         one JSON object for each operation\n"
        "  -h, --help\n\nOperations:\n",
        to);
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    fprintf(to, "  %-21s %s\n", ops[i].name, ops[i].about);
}

static void add_op(struct bench_options *o, const char *name) {
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    if (strcmp(name, ops[i].name) == 0) {
      if (o->nops == sizeof o->ops / sizeof *o->ops)
        bench_refuse("operation", name, "that is one too many for one run");
      o->ops[o->nops++] = &ops[i];
      return;
    }
  }
  bench_refuse("operation", name, "there is none of that name; --help lists them");
}

static const struct option longs[] = {
    {"addr", required_argument, NULL, 'a'},  {"aname", required_argument, NULL, 'A'},
    {"uname", required_argument, NULL, 'u'}, {"dialect", required_argument, NULL, 'D'},
    {"msize", required_argument, NULL, 'm'}, {"file", required_argument, NULL, 'f'},
    {"conns", required_argument, NULL, 'c'}, {"depth", required_argument, NULL, 'd'},
    {"secs", required_argument, NULL, 's'},  {"warmup", required_argument, NULL, 'w'},
    {"rate", required_argument, NULL, 'r'},  {"threads", required_argument, NULL, 't'},
    {"pid", required_argument, NULL, 'p'},   {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};

static void take(struct bench_options *o, int letter, const char *arg) {
  switch (letter) {
  case 'a':
    o->addr_text = arg;
    break;
  case 'A':
    o->aname = arg;
    break;
  case 'u':
    o->uname = arg;
    break;
  case 'D':
    o->dialect = bench_dialect("--dialect", arg);
    break;
  case 'm':
    o->msize = bench_whole("--msize", arg, STYX_MINMSIZE, 1 << 30);
    break;
  case 'f':
    o->file = arg;
    break;
  case 'c':
    o->conns = bench_whole("--conns", arg, 1, 1000000);
    break;
  case 'd':
    o->depth = bench_whole("--depth", arg, 1, BENCH_MAX_DEPTH);
    break;
  case 's':
    o->secs = bench_number("--secs", arg, 0.01, 86400);
    break;
  case 'w':
    o->warmup = bench_number("--warmup", arg, 0, 3600);
    break;
  case 'r':
    o->rate = bench_number("--rate", arg, 0.01, 1e8);
    break;
  case 't':
    o->threads = bench_whole("--threads", arg, 1, BENCH_MAX_THREADS);
    break;
  case 'p':
    o->pid = (int)bench_whole("--pid", arg, 1, 1 << 22);
    break;
  case 'j':
    o->json = true;
    break;
  case 'h':
    usage(stdout);
    exit(0);
  default:
    fputs("styxbench: --help lists the options\n", stderr);
    exit(2);
  }
}

static void settle(struct bench_options *o) {
  const char *why;
  if (!o->addr_text)
    bench_refuse("no address", "", "-a ADDR says where the server is");
  if (styx_addr_parse(&o->addr, o->addr_text, &why) != STYX_OK)
    bench_refuse("address", o->addr_text, why);
  if (o->nops == 0)
    bench_refuse("no operation", "", "name at least one; --help lists them");
  if (!o->uname)
    o->uname = bench_user();
  if (o->threads > o->conns)
    bench_refuse("--threads", "", "there are more of them than connections");
  if (strlen(o->uname) > 128 || strlen(o->aname) > 128)
    bench_refuse("--uname, --aname", "", "one of them is longer than 128 bytes");
  struct bench_target target;
  if (o->file && (strlen(o->file) >= sizeof target.path || bench_setup_path(&target, o->file) > STYX_MAXWELEM))
    bench_refuse("--file", o->file, "the path is longer than 1,023 bytes, or has more than 16 names");
}

void bench_options_parse(struct bench_options *o, int argc, char **argv) {
  bench_args_voice("styxbench: ", " '", "'");
  *o = (struct bench_options){.aname = "",
                              .conns = 1,
                              .depth = 1,
                              .threads = 1,
                              .secs = 2,
                              .warmup = 0.1,
                              .msize = 1 << 20,
                              .dialect = STYX_9P2000};
  int letter;
  while ((letter = getopt_long(argc, argv, "a:A:u:D:m:c:d:s:r:t:p:jh", longs, NULL)) != -1)
    take(o, letter, optarg);
  for (int i = optind; i < argc; i++)
    add_op(o, argv[i]);
  settle(o);
}
