/* styx.c: a 9P file server's files from the command line. */
#include "styx_cli.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#ifndef STYX_VERSION
#define STYX_VERSION "0.1.0"
#endif

struct verb {
  const char *name;
  int (*run)(struct cli *, int, char **);
  const char *args, *help;
};

static const struct verb verbs[] = {
    {"ls", cli_ls, "[-ldn] [PATH...]", "list directories; -l long, -d themselves, -n in the server's order"},
    {"read", cli_read, "PATH...", "files to standard output"},
    {"write", cli_write, "[-l] PATH", "standard input to a file, made if missing; -l: each line is one write"},
    {"stat", cli_stat_verb, "PATH...", "everything the server says about files"},
    {"create", cli_create, "[-m MODE] PATH...", "make empty files that must not exist"},
    {"mkdir", cli_mkdir_verb, "[-p] [-m MODE] PATH...", "make directories; -p: parents too, existing ones are fine"},
    {"rm", cli_rm, "[-r] PATH...", "remove files and empty directories; -r: whole trees"},
    {"mv", cli_mv, "OLD NEW", "rename within one directory"},
    {"cp", cli_cp, "[-rpq] [-j N] [-o] FILE... FILE", "copy; a FILE of the server is written :PATH; see below"},
    {"conform", cli_conform, "[OPTION...] ADDR [CHECK...]",
     "check a server against the manual; conform --help tells more"},
};

static void help(void) {
  puts("usage: styx [-a ADDR] [-A ANAME] [-u USER] [-m MSIZE] [--auth secret:FILE] VERB ...\n"
       "\n"
       "  -a ADDR   the server: tcp!host!port, host:port, [v6]:port, unix!path, /path\n"
       "            (default: $STYX_ADDR, else where styxd listens by default)\n"
       "  -A ANAME  which of its trees (default: its first)\n"
       "  -u USER   who we are there (default: $USER)\n"
       "  -m MSIZE  the largest message, in bytes (default: 1048576)\n"
       "  --auth secret:FILE\n"
       "            show the server that we know USER's secret, and have it show the same; FILE has a line\n"
       "            NAME:SECRET for each user and is ours alone (mode 0600)\n"
       "  --help, --version\n"
       "\nverbs:");
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    printf("  %s %s\n        %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
  puts("\n"
       "cp: files of the server begin with a colon (or \"9p:\"), others are files here:\n"
       "      styx cp -r src :backup       styx cp :notes/today .      styx cp :a :b\n"
       "    -r copies directories, -p keeps times of change, -q shows no progress, -j N copies N files at once\n"
       "    (default 4), -o sends small files' requests together, for servers that keep their order (styxd does).\n"
       "Permission bits are kept. Exit status: 0 done, 1 something failed, 2 wrong usage.");
}

static const struct verb *find(const char *name) {
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    if (strcmp(verbs[i].name, name) == 0)
      return &verbs[i];
  return NULL;
}

static bool parse_msize(const char *text, uint32_t *out) {
  char *end;
  unsigned long n = strtoul(text, &end, 10);
  if (end == text || *end || *text == '-' || n < STYX_MINMSIZE || n > 1u << 30)
    return false;
  *out = (uint32_t)n;
  return true;
}

static bool parse_auth(const char *text, const char **secrets) {
  static const char secret[] = "secret:";
  const size_t len = sizeof secret - 1;
  *secrets = text + len;
  return strncmp(text, secret, len) == 0 && text[len];
}

/* Options before the verb. -1: go on, else the exit status. */
static int options(struct cli *cli, int argc, char **argv) {
  static const struct option longs[] = {{"help", no_argument, NULL, 'h'},       {"version", no_argument, NULL, 'V'},
                                        {"addr", required_argument, NULL, 'a'}, {"aname", required_argument, NULL, 'A'},
                                        {"user", required_argument, NULL, 'u'}, {"msize", required_argument, NULL, 'm'},
                                        {"auth", required_argument, NULL, 'S'}, {0}};
  int c;
  while ((c = getopt_long(argc, argv, "+a:A:u:m:h", longs, NULL)) != -1) {
    switch (c) {
    case 'a':
      cli->addr = optarg;
      break;
    case 'A':
      cli->aname = optarg;
      break;
    case 'u':
      cli->user = optarg;
      break;
    case 'm':
      if (!parse_msize(optarg, &cli->msize))
        return cli_usage(cli, "-m %s: a number of bytes from 256 to 1073741824 is needed", optarg);
      break;
    case 'S':
      if (!parse_auth(optarg, &cli->secrets))
        return cli_usage(cli, "--auth %s: secret:FILE is needed", optarg);
      break;
    case 'h':
      return help(), CLI_OK;
    case 'V':
      return puts("styx " STYX_VERSION), CLI_OK;
    default:
      return cli_usage(cli, "bad option");
    }
  }
  return -1;
}

int main(int argc, char **argv) {
  struct cli cli = {0};
  signal(SIGPIPE, SIG_DFL);
  int status = options(&cli, argc, argv);
  if (status >= 0)
    return status;
  if (optind == argc)
    return cli_usage(&cli, "a verb is missing");
  const struct verb *verb = find(argv[optind]);
  if (!verb)
    return cli_usage(&cli, "%s is no verb", argv[optind]);
  cli.verb = verb->name;
  argc -= optind;
  argv += optind;
  optind = 1;
  status = verb->run(&cli, argc, argv);
  styx_client_free(cli.c);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "styx: %s: standard output: write error\n", cli.verb);
    status = CLI_FAILED;
  }
  return status ? status : atomic_load(&cli.status);
}
