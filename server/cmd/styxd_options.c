/* styxd_options.c: the command line. Each row of limits.def is a flag. */
#include "styxd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What getopt_long returns for the long options that have no letter. */
enum {
  MEM = 256,
  FILTER,
  AUTH,
  NO_AUTH,
  RUNAS,
  USER_MAP,
  READY_FD,
  LOG_LEVEL,
  TRACE,
  GRACE,
  INETD,
  READERS,
  NO_LENDING,
  SPARE,
  RUN_QUOTA,
  MAX_CONNECTIONS,
  LIMITS, /* and on, one for each row */
#define STYX_LIMIT(field, flag, default_, unit, help) LIMIT_##field,
#include <styx/limits.def>
#undef STYX_LIMIT
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, 'l'},
    {"export", required_argument, NULL, 'e'},
    {"mem", optional_argument, NULL, MEM},
    {"filter", required_argument, NULL, FILTER},
    {"auth", required_argument, NULL, AUTH},
    {"no-auth", no_argument, NULL, NO_AUTH},
    {"runas", required_argument, NULL, RUNAS},
    {"user-map", required_argument, NULL, USER_MAP},
    {"ready-fd", required_argument, NULL, READY_FD},
    {"log-level", required_argument, NULL, LOG_LEVEL},
    {"trace", optional_argument, NULL, TRACE},
    {"grace", required_argument, NULL, GRACE},
    {"inetd", no_argument, NULL, INETD},
    {"workers", required_argument, NULL, 'w'},
    {"nwthreads", required_argument, NULL, 'w'}, /* diod's word */
    {"readers", required_argument, NULL, READERS},
    {"no-lending", no_argument, NULL, NO_LENDING},
    {"spare", required_argument, NULL, SPARE},
    {"run-quota", required_argument, NULL, RUN_QUOTA},
    {"max-connections", required_argument, NULL, MAX_CONNECTIONS},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
#define STYX_LIMIT(field, flag, default_, unit, help) {flag, required_argument, NULL, LIMIT_##field},
#include <styx/limits.def>
#undef STYX_LIMIT
    {NULL, 0, NULL, 0},
};

struct limit {
  const char *flag, *unit, *help;
  size_t offset;
  uint64_t default_;
};

static const struct limit limits[] = {
#define STYX_LIMIT(field, flag, default_, unit, help) {flag, unit, help, offsetof(styx_limits, field), default_},
#include <styx/limits.def>
#undef STYX_LIMIT
};
enum { NLIMITS = sizeof limits / sizeof *limits };

/* What a limit may be where "at least 1" does not say it. In the unit of its flag, seconds for times. */
static const struct {
  const char *flag;
  uint64_t least, most;
} bounds[] = {
    {"msize", STYX_MINMSIZE, 16u << 20}, {"max-prelude", STYX_MINMSIZE, 16u << 20},
    {"max-requests", 1, 65535},          {"max-fids", 1, UINT32_MAX},
    {"max-name", 1, UINT16_MAX},         {"max-error", 1, UINT16_MAX},
    {"request-timeout", 0, INT64_MAX},   {"flush-bound", 0, INT64_MAX},
};

/* Numbers of the server, which are no limits of a connection. Two spares at least, since one is kept for what must run. */
static const struct count {
  int option;
  const char *flag;
  size_t offset;
  uint32_t least, most;
} counts[] = {
    {'w', "workers", offsetof(struct styxd_options, workers), 1, 4096},
    {READERS, "readers", offsetof(struct styxd_options, readers), 1, 256},
    {SPARE, "spare", offsetof(struct styxd_options, spare), 2, 65536},
    {RUN_QUOTA, "run-quota", offsetof(struct styxd_options, run_quota), 1, 65535},
    {MAX_CONNECTIONS, "max-connections", offsetof(struct styxd_options, max_connections), 1, 1000000},
};

/* The worker queue has room for the quota of every connection. */
enum { DEFAULT_RUN_QUOTA = 32, DEFAULT_CONNECTIONS = 4096, QUEUE_MOST = 1 << 26 };

void styxd_complain(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fputs("styxd: ", stderr);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
  va_end(args);
}

static bool wrong_value(const char *flag, const char *value, const char *wrong) {
  if (wrong)
    styxd_complain("--%s: \"%s\" %s", flag, value, wrong);
  return !wrong;
}

static bool check_bounds(const struct limit *limit, const char *text, uint64_t value) {
  uint64_t least = 1, most = INT64_MAX;
  for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
    if (strcmp(bounds[i].flag, limit->flag) == 0) {
      least = bounds[i].least;
      most = bounds[i].most;
    }
  if (value >= least && value <= most)
    return true;
  if (value < least)
    styxd_complain("--%s: %s is too small: at least %llu", limit->flag, text, (unsigned long long)least);
  else
    styxd_complain("--%s: %s is too large: at most %llu", limit->flag, text, (unsigned long long)most);
  return false;
}

static bool set_limit(struct styxd_options *o, const struct limit *limit, const char *text) {
  uint64_t value = 0;
  const char *wrong = strcmp(limit->unit, "ns") == 0      ? styxd_parse_seconds(text, &value)
                      : strcmp(limit->unit, "bytes") == 0 ? styxd_parse_size(text, &value)
                                                          : styxd_parse_count(text, &value);
  if (!wrong_value(limit->flag, text, wrong) || !check_bounds(limit, text, value))
    return false;
  memcpy((char *)&o->limits + limit->offset, &value, sizeof value);
  return true;
}

static bool add_listener(struct styxd_options *o, const char *text) {
  const char *why = "is no address";
  styx_addr *list = reallocarray(o->listen, o->nlisten + 1, sizeof *list);
  if (!list)
    return wrong_value("listen", text, "cannot be kept: out of memory");
  o->listen = list;
  if (!styx_addr_parse(&list[o->nlisten], text, &why)) {
    o->nlisten++;
    return true;
  }
  styxd_complain("--listen: \"%s\": %s; write tcp!HOST!PORT, HOST:PORT, [V6]:PORT, unix!PATH or /PATH", text, why);
  return false;
}

static bool same(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

static bool add_export(struct styxd_options *o, const char *flag, const char *text,
                       const char *(*parse)(const char *, struct styxd_export *)) {
  struct styxd_export *list = reallocarray(o->exports, o->nexports + 1, sizeof *list);
  if (!list)
    return wrong_value(flag, text, "cannot be kept: out of memory");
  o->exports = list;
  if (!wrong_value(flag, text, parse(text, &list[o->nexports])))
    return false;
  for (size_t i = 0; i < o->nexports; i++)
    if (same(list[i].name, list[o->nexports].name))
      return wrong_value(flag, text, "has the name of an export before it: give it another (NAME=DIR, --mem=NAME)");
    else if (!list[o->nexports].name && same(list[i].path, list[o->nexports].path))
      return wrong_value(flag, text, "is exported already: give it a name (NAME=DIR)");
  o->nexports++;
  return true;
}

static bool add_mem(struct styxd_options *o, const char *name) {
  return add_export(o, "mem", name ? name : "mem", styxd_parse_mem);
}

static bool add_filter(struct styxd_options *o, const char *text) {
  char why[STYX_FILTER_WHY];
  const char **list = reallocarray(o->filters, o->nfilters + 1, sizeof *list);
  if (!list)
    return wrong_value("filter", text, "cannot be kept: out of memory");
  o->filters = list;
  if (styx_filter_check(text, why, sizeof why)) {
    styxd_complain("--filter: \"%s\": %s", text, why);
    return false;
  }
  list[o->nfilters++] = text;
  return true;
}

static bool set_auth(struct styxd_options *o, const char *text) {
  static const char secret[] = "secret:";
  const size_t len = sizeof secret - 1;
  const bool is_secret = strncmp(text, secret, len) == 0 && text[len];
  o->secrets = is_secret ? text + len : NULL;
  o->auth = is_secret ? STYXD_AUTH_SECRET : strcmp(text, "peer") == 0 ? STYXD_AUTH_PEER : STYXD_AUTH_NONE;
  return wrong_value("auth", text,
                     o->auth != STYXD_AUTH_NONE || strcmp(text, "none") == 0 ? NULL
                                                                             : "is not none, peer or secret:FILE");
}

static bool set_level(struct styxd_options *o, const char *text) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  for (unsigned i = 0; i < 4; i++)
    if (strcmp(text, names[i]) == 0) {
      o->log_level = (styx_level)i;
      return true;
    }
  return wrong_value("log-level", text, "is not error, warn, info or debug");
}

static bool set_ready_fd(struct styxd_options *o, const char *text) {
  uint64_t fd = 0;
  if (!wrong_value("ready-fd", text, styxd_parse_count(text, &fd)))
    return false;
  if (fd < 3 || fd > INT32_MAX || fcntl((int)fd, F_GETFD) < 0)
    return wrong_value("ready-fd", text, "is not a descriptor that was handed over open, 3 or above");
  o->ready_fd = (int)fd;
  fcntl(o->ready_fd, F_SETFD, FD_CLOEXEC);
  return true;
}

static const struct count *count_of(int option) {
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
    if (counts[i].option == option)
      return &counts[i];
  return NULL;
}

static bool set_count(struct styxd_options *o, const struct count *count, const char *text) {
  uint64_t n = 0;
  if (!wrong_value(count->flag, text, styxd_parse_count(text, &n)))
    return false;
  if (n < count->least || n > count->most) {
    styxd_complain("--%s: %s is not between %u and %u", count->flag, text, count->least, count->most);
    return false;
  }
  *(uint32_t *)(void *)((char *)o + count->offset) = (uint32_t)n;
  return true;
}

static bool queue_fits(const struct styxd_options *o) {
  uint64_t quota = o->run_quota ? o->run_quota : DEFAULT_RUN_QUOTA;
  uint64_t connections = o->max_connections ? o->max_connections : DEFAULT_CONNECTIONS;
  if (quota * connections <= QUEUE_MOST)
    return true;
  styxd_complain("--max-connections %llu times --run-quota %llu is too much: at most %d",
                 (unsigned long long)connections, (unsigned long long)quota, QUEUE_MOST);
  return false;
}

static bool set_runas(struct styxd_options *o, const char *text) {
  o->runas = text;
  return wrong_value("runas", text, *text ? NULL : "is no user");
}

static bool set_user_map(struct styxd_options *o, const char *text) {
  o->user_map = text;
  return wrong_value("user-map", text, *text ? NULL : "names no file");
}

/* Another name would rather be a mistake, and would be overwritten. */
static bool set_trace(struct styxd_options *o, const char *text) {
  static const char suffix[] = ".pcapng";
  size_t len = text ? strlen(text) : 0, most = sizeof suffix - 1;
  if (!text)
    return o->trace = true;
  if (len < most || strcmp(text + len - most, suffix) != 0)
    return wrong_value("trace", text, "does not end in .pcapng: that is what the file will be");
  o->trace_file = text;
  return true;
}

/* --mem NAME means --mem=NAME: nothing else on the line stands without an option. */
static const char *optional_value(int argc, char **argv) {
  return optarg || optind == argc || *argv[optind] == '-' ? optarg : argv[optind++];
}

static bool option_unknown(int c, char **argv) {
  const char *word = argv[optind - 1];
  if (strncmp(word, "--", 2) != 0 && optopt > 0 && optopt < 256)
    styxd_complain(c == ':' ? "-%c needs a value" : "there is no option -%c; styxd --help lists all", optopt);
  else if (c == ':')
    styxd_complain("%s needs a value", word);
  else if (optopt)
    styxd_complain("%s takes no value", word);
  else
    styxd_complain("there is no option %s; styxd --help lists all", word);
  return false;
}

static bool take_option(struct styxd_options *o, int c, int argc, char **argv) {
  switch (c) {
  case 'l':
    return add_listener(o, optarg);
  case 'e':
    return add_export(o, "export", optarg, styxd_parse_export);
  case MEM:
    return add_mem(o, optional_value(argc, argv));
  case FILTER:
    return add_filter(o, optarg);
  case 'm':
    return set_limit(o, &limits[LIMIT_msize - LIMITS - 1], optarg);
  case AUTH:
    return set_auth(o, optarg);
  case NO_AUTH:
    return o->no_auth = true;
  case RUNAS:
    return set_runas(o, optarg);
  case USER_MAP:
    return set_user_map(o, optarg);
  case READY_FD:
    return set_ready_fd(o, optarg);
  case LOG_LEVEL:
    return set_level(o, optarg);
  case TRACE:
    return set_trace(o, optional_value(argc, argv));
  case GRACE:
    return wrong_value("grace", optarg, styxd_parse_seconds(optarg, &o->grace));
  case INETD:
    return o->inetd = true;
  case NO_LENDING:
    return o->no_lending = true;
  case 'h':
    return o->help = true;
  case 'V':
    return o->version = true;
  default:
    if (count_of(c))
      return set_count(o, count_of(c), optarg);
    return c > LIMITS && c <= LIMITS + NLIMITS ? set_limit(o, &limits[c - LIMITS - 1], optarg)
                                               : option_unknown(c, argv);
  }
}

bool styxd_options_parse(struct styxd_options *o, int argc, char **argv) {
  int c;
  *o = (struct styxd_options){
      .limits = styx_limits_default(), .grace = 5000000000u, .log_level = STYX_LOG_INFO, .ready_fd = -1};
  opterr = 0;
  while ((c = getopt_long(argc, argv, "+:l:e:m:w:hV", long_options, NULL)) != -1)
    if (!take_option(o, c, argc, argv))
      return false;
  if (optind < argc) {
    styxd_complain("\"%s\" belongs to no option; a directory is exported by -e %s", argv[optind], argv[optind]);
    return false;
  }
  return queue_fits(o) && (o->nexports > 0 || add_export(o, "mem", "mem", styxd_parse_mem));
}

static void print_limit(const struct limit *l) {
  char flag[64], value[32];
  unsigned long long n = l->default_;
  bool time = strcmp(l->unit, "ns") == 0, size = strcmp(l->unit, "bytes") == 0;
  snprintf(flag, sizeof flag, "--%s %s", l->flag, time ? "SECONDS" : size ? "SIZE" : "N");
  if (time)
    snprintf(value, sizeof value, "%llu", n / 1000000000);
  else if (size && n % (1u << 30) == 0)
    snprintf(value, sizeof value, "%lluG", n >> 30);
  else if (size && n % (1u << 20) == 0)
    snprintf(value, sizeof value, "%lluM", n >> 20);
  else if (size && n % (1u << 10) == 0)
    snprintf(value, sizeof value, "%lluK", n >> 10);
  else
    snprintf(value, sizeof value, "%llu", n);
  printf("  %-28s %s %s (%s)\n", flag, time ? "seconds" : l->unit, l->help, value);
}

void styxd_usage(void) {
  fputs("Usage: styxd [OPTION]...\n"
        "Serve directories, or files in memory, over 9P.\n"
        "\n"
        "  -l, --listen ADDR            tcp!HOST!PORT, HOST:PORT, [V6]:PORT, unix!PATH or /PATH; repeatable\n"
        "  -e, --export [NAME=]DIR[,ro][,special][,squash=root|all|none]\n"
        "                               export a directory; repeatable. An attach chooses by NAME, then by DIR;\n"
        "                               without either it gets the first\n"
        "      --mem [NAME[,size=SIZE][,files=N]]\n"
        "                               export files in memory (NAME \"mem\"); the default when nothing is exported\n"
        "      --filter NAME[:KEY=VALUE,...]\n"
        "                               put a filter in front of every export; repeatable, outermost first:\n"
        "                                 delay:[op=OP,path=PATH,how=park|block|hog,]ms=N|for=ever\n"
        "                                 error:[op=OP,path=PATH,rate=0..1,seed=N,]errno=NAME\n"
        "                                 log[:op=OP,path=PATH], readonly\n"
        "      --auth none              believe who clients say they are (the default)\n"
        "      --auth peer              only as the user who runs the client, on Unix sockets; root may be anybody\n"
        "      --auth secret:FILE       who knows the secret of the user, a line NAME:SECRET of FILE\n"
        "      --no-auth                let anybody who can reach a TCP address write\n"
        "      --runas USER             after a start by root, become USER (nobody)\n"
        "      --user-map FILE          who of the clients is which user of the host, which needs root\n"
        "      --ready-fd N             when serving, write a newline to descriptor N and close it\n"
        "      --log-level LEVEL        error, warn, info or debug (info)\n"
        "      --trace                  one line on stderr for each message\n"
        "      --trace=FILE.pcapng      every message to a file for Wireshark and tshark\n"
        "      --grace SECONDS          that SIGTERM gives to outstanding requests (5)\n"
        "      --inetd                  serve the connection on standard input, and end with it\n"
        "  -w, --workers N              threads that run requests (twice the processors, at least 4)\n"
        "      --readers N              threads that receive, each with one that sends (1)\n"
        "      --no-lending             each thread only does its own stage: slower, for comparison\n"
        "      --spare N                most threads for requests that block; 2 or more (64)\n"
        "      --run-quota N            requests of one connection that may stand in the workers' queue (32)\n"
        "      --max-connections N      at once (4096)\n"
        "      --help, --version\n"
        "\n"
        "Limits, of each connection (-m is --msize; sizes take K, M and G):\n",
        stdout);
  for (size_t i = 0; i < NLIMITS; i++)
    print_limit(&limits[i]);
}
