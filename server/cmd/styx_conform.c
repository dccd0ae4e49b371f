/* styx_conform.c: `styx conform`: is what answers at an address a 9P2000 server? The command line, and all checks in turn. */
#include "styx_conform.h"
#include "styx_cli.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct cf_group *const groups[] = {&cf_session, &cf_walk, &cf_open, &cf_io,    &cf_dirs,
                                                &cf_change,  &cf_perm, &cf_tags, &cf_flush, &cf_conns};
enum { NGROUPS = sizeof groups / sizeof *groups, LEAST_MSIZE = 512 };

struct options {
  struct cf_world world;
  struct cf_report report;
  const char *output;
  bool list;
  char **patterns;
  int npatterns;
};

static bool selected(const struct options *o, const char *name) {
  for (int i = 0; i < o->npatterns; i++)
    if (fnmatch(o->patterns[i], name, 0) == 0)
      return true;
  return o->npatterns == 0;
}

/* Every check that is selected, in order; how many. fn may be NULL. */
static size_t each(struct options *o, void (*fn)(struct options *, const struct cf_check *)) {
  size_t n = 0;
  for (size_t g = 0; g < NGROUPS; g++)
    for (size_t i = 0; i < groups[g]->n; i++)
      if (selected(o, groups[g]->checks[i].name)) {
        n++;
        if (fn)
          fn(o, &groups[g]->checks[i]);
      }
  return n;
}

static void list_one(struct options *o, const struct cf_check *c) {
  (void)o;
  printf("%-28s %s (%s)\n", c->name, c->text, c->source);
}

static void run_one(struct options *o, const struct cf_check *c) {
  struct cf_run run;
  cf_run(&run, &o->world, c);
  cf_report_one(&o->report, &run);
  cf_run_free(&run);
}

/* ---- the command line ---- */

static const char help[] = "usage: styx [-A ANAME] [-u USER] [-m MSIZE] conform [OPTION]... ADDR [CHECK]...\n"
                           "Check what a 9P2000 server answers against the manual. CHECKs are names, or patterns with "
                           "asterisks; default: all.\n"
                           "It works in a directory of its own, which it makes and removes. What a server does not let "
                           "it do is skipped, and said.\n\n"
                           "  -d, --dir PATH        where on the server to make it (its root)\n"
                           "  -A, --aname ANAME     which tree (the server's first)\n"
                           "  -u, --uname USER      who to be there ($USER)\n"
                           "  -o, --other USER      somebody else, to see what they may not (\"none\")\n"
                           "  -b, --blocked PATH    a file of which a read waits, to see it flushed\n"
                           "  -f, --file PATH       a file with contents, for servers on which none can be made\n"
                           "  -t, --timeout S       seconds to wait for each answer (5)\n"
                           "  -m, --msize BYTES     of the messages, but where sizes are checked (8192)\n"
                           "  -F, --format FORMAT   text, tap or junit (text)\n"
                           "  -O, --output FILE     write the report there\n"
                           "  -v, --verbose         tell of checks that pass too\n"
                           "  -l, --list            print the checks and their rules\n"
                           "  -h, --help\n\n"
                           "Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage, or no server.\n";

static bool number(const char *text, double least, double most, double *out) {
  char *end;
  *out = strtod(text, &end);
  return end != text && !*end && *out >= least && *out <= most;
}

static bool format(const char *text, enum cf_format *out) {
  static const char *const names[] = {"text", "tap", "junit"};
  for (int i = 0; i < 3; i++)
    if (strcmp(text, names[i]) == 0) {
      *out = (enum cf_format)i;
      return true;
    }
  return false;
}

/* -1: go on, else the exit status. */
static int option(struct cli *cli, struct options *o, int c) {
  double n = 0;
  switch (c) {
  case 'd':
    o->world.dir = optarg;
    return -1;
  case 'A':
    o->world.aname = optarg;
    return -1;
  case 'u':
    o->world.user = optarg;
    return -1;
  case 'o':
    o->world.other = optarg;
    return -1;
  case 'b':
    o->world.blocked = optarg;
    return -1;
  case 'f':
    o->world.file = optarg;
    return -1;
  case 't':
    if (!number(optarg, 0.01, 3600, &n))
      return cli_usage(cli, "--timeout %s: a number of seconds is needed", optarg);
    o->world.timeout_ms = (int)(n * 1000);
    return -1;
  case 'm':
    if (!number(optarg, LEAST_MSIZE, 1 << 24, &n))
      return cli_usage(cli, "--msize %s: a number of bytes from 512 to 16777216 is needed", optarg);
    o->world.msize = (uint32_t)n;
    return -1;
  case 'F':
    if (!format(optarg, &o->report.format))
      return cli_usage(cli, "--format %s: text, tap or junit is needed", optarg);
    return -1;
  case 'O':
    o->output = optarg;
    return -1;
  case 'v':
    o->report.verbose = true;
    return -1;
  case 'l':
    o->list = true;
    return -1;
  case 'h':
    return fputs(help, stdout), CLI_OK;
  default:
    return cli_usage(cli, "bad option");
  }
}

static int parse(struct cli *cli, struct options *o, int argc, char **argv) {
  static const struct option longs[] = {
      {"dir", required_argument, NULL, 'd'},     {"aname", required_argument, NULL, 'A'},
      {"uname", required_argument, NULL, 'u'},   {"other", required_argument, NULL, 'o'},
      {"blocked", required_argument, NULL, 'b'}, {"file", required_argument, NULL, 'f'},
      {"timeout", required_argument, NULL, 't'}, {"msize", required_argument, NULL, 'm'},
      {"format", required_argument, NULL, 'F'},  {"output", required_argument, NULL, 'O'},
      {"verbose", no_argument, NULL, 'v'},       {"list", no_argument, NULL, 'l'},
      {"help", no_argument, NULL, 'h'},          {0}};
  int c, status = -1;
  while (status < 0 && (c = getopt_long(argc, argv, "d:A:u:o:b:f:t:m:F:O:vlh", longs, NULL)) != -1)
    status = option(cli, o, c);
  o->patterns = argv + optind;
  o->npatterns = argc - optind;
  return status;
}

/* The first word is the address, unless styx was told it before the verb. */
static int address(struct cli *cli, struct options *o) {
  const char *text = cli->addr, *why = "";
  if (!text && o->npatterns) {
    text = *o->patterns++;
    o->npatterns--;
  }
  if (!text)
    return cli_usage(cli, "an address is missing");
  if (styx_addr_parse(&o->world.addr, text, &why) != STYX_OK)
    return cli_usage(cli, "%s: bad address: %s", text, why);
  return -1;
}

static void arrive(struct cf_run *r) { cf_walk_path(r, 0, 1, r->w->dir); }

/* False, and said: there is no server, it does not let us in, or has no such directory. What it does wrong is for the checks. */
static bool reach(struct options *o) {
  static const struct cf_check steps[] = {{.begin = CF_BARE}, {.begin = CF_ROOT}, {.begin = CF_ROOT, .fn = arrive}};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    struct cf_run run;
    char safe[CF_WHY];
    cf_run(&run, &o->world, &steps[i]);
    cf_run_free(&run);
    if (run.verdict == CF_PASS || (run.verdict == CF_FAIL && (i == 1 || (i == 2 && !*o->world.dir))))
      continue;
    fprintf(stderr, "styx: conform: %s: %s%s%s\n", o->report.where, i == 2 ? o->world.dir : "", i == 2 ? ": " : "",
            cli_printable(safe, sizeof safe, run.why, strlen(run.why)));
    return false;
  }
  return true;
}

static int run_all(struct options *o) {
  char where[512];
  styx_addr_print(where, sizeof where, &o->world.addr);
  o->report.where = where;
  if (!reach(o))
    return CLI_USAGE;
  cf_place_make(&o->world);
  o->report.planned = each(o, NULL);
  cf_report_begin(&o->report);
  (void)each(o, run_one);
  cf_place_remove(&o->world);
  cf_report_end(&o->report);
  return o->report.count[CF_FAIL] ? CLI_FAILED : CLI_OK;
}

static int to_file(struct cli *cli, struct options *o) {
  o->report.to = fopen(o->output, "w");
  if (!o->report.to) {
    fprintf(stderr, "styx: %s: %s: %s\n", cli->verb, o->output, strerror(errno));
    return CLI_USAGE;
  }
  int status = run_all(o);
  bool bad = ferror(o->report.to) != 0;
  if (fclose(o->report.to) == 0 && !bad)
    return status;
  fprintf(stderr, "styx: %s: %s: write error\n", cli->verb, o->output);
  return CLI_FAILED;
}

int cli_conform(struct cli *cli, int argc, char **argv) {
  struct options o = {.world = {.aname = cli->aname ? cli->aname : "",
                                .user = cli->user ? cli->user : cli_default_user(),
                                .other = "none",
                                .dir = "",
                                .msize = cli->msize ? cli->msize : 8192,
                                .timeout_ms = 5000},
                      .report = {.to = stdout}};
  signal(SIGPIPE, SIG_IGN);
  int status = parse(cli, &o, argc, argv);
  if (status >= 0)
    return status;
  if (o.world.msize < LEAST_MSIZE)
    return cli_usage(cli, "-m %u: at least %d bytes are needed", o.world.msize, LEAST_MSIZE);
  if (!o.list && (status = address(cli, &o)) >= 0)
    return status;
  if (each(&o, NULL) == 0)
    return cli_usage(cli, "%s: no check has such a name; --list has them", o.npatterns ? o.patterns[0] : "");
  if (o.list)
    return (void)each(&o, list_one), CLI_OK;
  return o.output ? to_file(cli, &o) : run_all(&o);
}
