/* styx_cp.c: the command line of `styx cp`. */
#include "styx_cp.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void interrupted(int sig) {
  static const char text[] = "\nstyx: cp: interrupted; the copy is incomplete\n";
  if (write(2, text, sizeof text - 1) < 0)
    _exit(CLI_FAILED);
  signal(sig, SIG_DFL);
  raise(sig);
}

/* What our parent ignores for us stays ignored. */
static void watch_for(int sig) {
  if (signal(sig, interrupted) == SIG_IGN)
    signal(sig, SIG_IGN);
}

static struct place parse_place(const char *text) {
  if (*text == ':')
    return cp_place(true, cli_clean(text + 1));
  if (strncmp(text, "9p:", 3) == 0)
    return cp_place(true, cli_clean(text + 3));
  return cp_place(false, cli_dup(text, strlen(text)));
}

static bool is_dir(struct copy *cp, const struct place *p) {
  struct stat st;
  styx_qid qid = {.type = STYX_QTDIR};
  uint32_t fid;
  if (!p->remote)
    return stat(p->path, &st) == 0 && S_ISDIR(st.st_mode);
  if (styx_client_walk(cp->cli->c, cp->cli->root, p->path, &fid, &qid) != STYX_OK)
    return false;
  (void)styx_client_clunk(cp->cli->c, fid);
  return qid.type & STYX_QTDIR;
}

static bool parse_workers(const char *text, unsigned *out) {
  char *end;
  unsigned long n = strtoul(text, &end, 10);
  if (end == text || *end || *text == '-' || n < 1 || n > CP_MAX_WORKERS)
    return false;
  *out = (unsigned)n;
  return true;
}

static int options(struct copy *cp, int argc, char **argv) {
  int c;
  while ((c = getopt(argc, argv, "+rRpqoj:")) != -1) {
    if (c == '?')
      return cli_usage(cp->cli, "bad option");
    if (c == 'j' && !parse_workers(optarg, &cp->workers))
      return cli_usage(cp->cli, "-j %s: a number from 1 to %d is needed", optarg, CP_MAX_WORKERS);
    cp->recursive |= c == 'r' || c == 'R';
    cp->times |= c == 'p';
    cp->quiet |= c == 'q';
    cp->ordered |= c == 'o';
  }
  return argc - optind < 2 ? cli_usage(cp->cli, "what to copy and where to are needed") : CLI_OK;
}

static int check_places(struct copy *cp, const struct place *places, int n) {
  for (int i = 0; i + 1 < n; i++)
    if (!places[i].remote && !places[n - 1].remote)
      return cli_usage(cp->cli,
                       "%s and %s are both files here: cp copies those, and a file of the server begins with a colon",
                       places[i].path, places[n - 1].path);
  return CLI_OK;
}

static void copy_all(struct copy *cp, const struct place *places, int n) {
  pthread_t threads[CP_MAX_WORKERS];
  const struct place *to = &places[n - 1];
  bool into = is_dir(cp, to);
  if (!into && n > 2) {
    cp_place_fail(cp, to, "is no directory, but there are several files to copy");
    return;
  }
  if (!cp_pool_start(cp, threads))
    return;
  if (!cp->quiet)
    cli_progress_start();
  for (int i = 0; i + 1 < n && !cp_lost(cp); i++)
    cp_source(cp, &places[i], to, into);
  cp_pool_finish(cp, threads);
  cp_finish_dirs(cp);
  cli_progress_stop();
}

int cli_cp(struct cli *cli, int argc, char **argv) {
  struct copy cp = {.cli = cli, .workers = 4};
  int status = options(&cp, argc, argv);
  if (status != CLI_OK)
    return status;
  int n = argc - optind;
  struct place *places = cli_alloc((size_t)n * sizeof *places);
  for (int i = 0; i < n; i++)
    places[i] = parse_place(argv[optind + i]);
  status = check_places(&cp, places, n);
  if (status == CLI_OK && cli_connect(cli)) {
    watch_for(SIGINT);
    watch_for(SIGTERM);
    copy_all(&cp, places, n);
  }
  for (int i = 0; i < n; i++)
    cp_place_free(&places[i]);
  free(places);
  return status;
}
