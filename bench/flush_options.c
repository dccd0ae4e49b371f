/* flush_options.c: the command line of `styxbench flush`. */
#include "args.h"
#include "flush.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "Usage: styxbench flush [OPTION]... ADDR\n"
    "Load a 9P server with random requests and Tflushes, and check all that it does against flush(5).\n\n"
    "  -c, --conns N           connections (4)\n"
    "  -d, --depth N           requests in flight on each, Tflushes not counted (16)\n"
    "  -s, --secs S            with flushes; before that, S/4 without (4)\n"
    "  -n, --ops N             requests instead of time; before that, N/4 without flushes\n"
    "  -f, --flush RATIO       share of requests that are flushed, 0 to 1 (0.4)\n"
    "  -D, --dialect NAME      9P2000, 9P2000.u or 9P2000.L (9P2000)\n"
    "  -m, --msize BYTES       to ask for (64K; takes K and M)\n"
    "  -u, --uname NAME        the user to attach as ($USER)\n"
    "  -A, --aname NAME        the tree to attach to (the server's default)\n"
    "      --dir PATH          where to work (the root); what is made there is removed afterwards\n"
    "      --blocked PATH      a file whose open or read never returns: its Tflush must be answered\n"
    "      --churn N           a hangup or a Tversion for so many requests of a connection; 0: none (5000)\n"
    "      --patience S        how long anything may take (10)\n"
    "      --seed N            of what is chosen; the report names it\n"
    "      --max-violations N  end after so many; 0: never (1000)\n"
    "  -j, --json              one JSON object\n"
    "      --svg FILE          a chart of latencies and throughput\n"
    "  -h, --help\n\n"
    "Exits with 0: nothing found; 1: violations; 2: it could not run.\n";

static uint64_t seed_of(const char *text) {
  char *end;
  uint64_t n = strtoull(text, &end, 0);
  if (end == text || *end)
    bench_refuse("--seed", text, "it must be a whole number");
  return n;
}

enum { DIR = 256, BLOCKED, CHURN, PATIENCE, SEED, MOST, SVG };

static const struct option longs[] = {{"conns", required_argument, NULL, 'c'},
                                      {"depth", required_argument, NULL, 'd'},
                                      {"secs", required_argument, NULL, 's'},
                                      {"ops", required_argument, NULL, 'n'},
                                      {"flush", required_argument, NULL, 'f'},
                                      {"dialect", required_argument, NULL, 'D'},
                                      {"msize", required_argument, NULL, 'm'},
                                      {"uname", required_argument, NULL, 'u'},
                                      {"aname", required_argument, NULL, 'A'},
                                      {"dir", required_argument, NULL, DIR},
                                      {"blocked", required_argument, NULL, BLOCKED},
                                      {"churn", required_argument, NULL, CHURN},
                                      {"patience", required_argument, NULL, PATIENCE},
                                      {"seed", required_argument, NULL, SEED},
                                      {"max-violations", required_argument, NULL, MOST},
                                      {"json", no_argument, NULL, 'j'},
                                      {"svg", required_argument, NULL, SVG},
                                      {"help", no_argument, NULL, 'h'},
                                      {NULL, 0, NULL, 0}};

static void take_load(struct fl_options *o, int letter, const char *arg) {
  switch (letter) {
  case 'c':
    o->conns = bench_whole("--conns", arg, 1, 10000);
    break;
  case 'd':
    o->depth = bench_whole("--depth", arg, 1, 4096);
    break;
  case 's':
    o->secs = bench_number("--secs", arg, 0.1, 86400);
    break;
  case 'n':
    o->ops = bench_whole("--ops", arg, 1, 4e9);
    break;
  case 'f':
    o->ratio = bench_number("--flush", arg, 0, 1);
    break;
  case 'm':
    o->msize = bench_whole("--msize", arg, STYX_MINMSIZE, 1 << 24);
    break;
  case CHURN:
    o->churn = bench_whole("--churn", arg, 0, 1e9);
    break;
  case PATIENCE:
    o->patience = bench_number("--patience", arg, 0.05, 3600);
    break;
  default:
    o->most = bench_whole("--max-violations", arg, 0, 1e9);
  }
}

static void take(struct fl_options *o, int letter, const char *arg) {
  switch (letter) {
  case 'D':
    o->dialect = bench_dialect("--dialect", arg);
    break;
  case 'u':
    o->uname = arg;
    break;
  case 'A':
    o->aname = arg;
    break;
  case DIR:
    o->dir = arg;
    break;
  case BLOCKED:
    o->blocked = arg;
    break;
  case SEED:
    o->seed = seed_of(arg);
    break;
  case SVG:
    o->svg = arg;
    break;
  case 'j':
    o->json = o->quiet = true;
    break;
  case 'h':
    fputs(help, stdout);
    exit(0);
  case '?':
    fputs("styxbench: flush: --help lists the options\n", stderr);
    exit(2);
  default:
    take_load(o, letter, arg);
  }
}

static unsigned names_in(const char *path) {
  unsigned n = 0;
  while (path && *(path += strspn(path, "/"))) {
    n++;
    path += strcspn(path, "/");
  }
  return n;
}

static void settle(struct fl_options *o, int argc, char **argv) {
  const char *why;
  if (optind != argc - 1)
    bench_refuse("arguments", "", "give one address, tcp!HOST!PORT, HOST:PORT, unix!PATH or /PATH");
  o->addr_text = argv[optind];
  if (styx_addr_parse(&o->addr, o->addr_text, &why) != STYX_OK)
    bench_refuse("address", o->addr_text, why);
  if (strlen(o->uname) > 100 || strlen(o->aname) > 1000)
    bench_refuse("--uname, --aname", "", "one of them is too long");
  if (names_in(o->dir) + 2 > STYX_MAXWELEM || names_in(o->blocked) > STYX_MAXWELEM)
    bench_refuse("--dir, --blocked", "", "a path has too many names for one Twalk");
  if ((o->dir && strlen(o->dir) > 100) || (o->blocked && strlen(o->blocked) > 100))
    bench_refuse("--dir, --blocked", "", "a path is longer than 100 bytes");
}

void fl_options_parse(struct fl_options *o, int argc, char **argv) {
  bench_args_voice("styxbench: flush: ", " ", "");
  *o = (struct fl_options){.uname = bench_user(),
                           .aname = "",
                           .dir = "",
                           .conns = 4,
                           .depth = 16,
                           .secs = 4,
                           .ratio = 0.4,
                           .patience = 10,
                           .msize = 65536,
                           .churn = 5000,
                           .most = 1000};
  o->seed = (fl_clock() ^ (uint64_t)getpid() << 20) % 1000000000;
  int letter;
  while ((letter = getopt_long(argc, argv, "c:d:s:n:f:D:m:u:A:jh", longs, NULL)) != -1)
    take(o, letter, optarg);
  settle(o, argc, argv);
}
