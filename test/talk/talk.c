/* talk: run conversations with a 9P server from text files.
 *
 *   talk [-v] [-a ADDRESS] FILE.st…
 *
 * Without -a each file gets a bare session of the library over a fresh memory filesystem; with it, the server at
 * ADDRESS, which has to let anybody create files in its root. The language is described in README.md beside this file;
 * messages are written as support/msgtext.h says. Exit status 0 when every file was right, else 1; 2 for a usage error. */
#include "talk/hold.h"
#include "talk/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a file that begins with "# tree" talks to. */
static styx_fs make_tree(struct talk *t) {
  styx_file *dir;
  t->tree = styx_tree_new("glenda", NULL);
  if (!t->tree || styx_tree_text(t->tree, styx_tree_root(t->tree), "hello", "hello, world\n", NULL) ||
      styx_tree_dir(t->tree, styx_tree_root(t->tree), "dir", 0555, &dir) ||
      styx_tree_text(t->tree, dir, "note", "a note\n", NULL))
    abort();
  return styx_tree_fs(t->tree);
}

static void begin_file(struct talk *t, bool tree) {
  styx_fs fs;
  if (t->addr)
    return;
  if (tree) {
    fs = make_tree(t);
  } else {
    t->memfs = styx_memfs_new(NULL);
    if (!t->memfs)
      abort();
    fs = styx_memfs_fs(t->memfs);
  }
  t->export = (styx_export){.name = "main", .fs = hold_fs(fs)};
}

/* Everybody hangs up; every session has to come to its end, with every node and handle given back. */
static void end_file(struct talk *t) {
  t->frozen = false;
  for (size_t i = 0; i < MAX_PEERS; i++)
    if (t->peers[i].peer)
      peer_hangup(t->peers[i].peer);
  talk_pump(t);
  while (!t->addr && hold_give_up())
    talk_pump(t);
  for (size_t i = 0; i < MAX_PEERS; i++) {
    struct peer *p = t->peers[i].peer;
    if (p && !peer_done(p))
      talk_wrong(t, "after the hangup the session does not come to its end");
    else if (p)
      peer_free(p);
  }
  if (!t->wrong[0] || !strstr(t->wrong, "does not come to its end")) {
    styx_memfs_free(t->memfs);
    styx_tree_free(t->tree);
  }
  for (size_t i = 0; i < t->ngroup; i++)
    free(t->group_lines[i]);
}

static void run_lines(struct talk *t, FILE *f) {
  static char line[MAX_LINE];
  while (!t->wrong[0] && fgets(line, sizeof line, f)) {
    t->line++;
    line[strcspn(line, "\n")] = 0;
    for (size_t n = strlen(line); n > 0 && line[n - 1] == ' ';)
      line[--n] = 0;
    talk_line(t, line + strspn(line, " "));
  }
  if (!t->wrong[0] && (t->in_group || t->nbatch))
    talk_wrong(t, "the file ends in the middle of a group or a batch");
}

enum verdict { RIGHT, WRONG, SKIPPED };

static enum verdict run_file(const char *file, const styx_addr *addr, bool verbose) {
  FILE *f = fopen(file, "r");
  char first[256] = "";
  if (!f) {
    printf("not ok %s: %s\n", file, strerror(errno));
    return WRONG;
  }
  if (!fgets(first, sizeof first, f))
    first[0] = 0;
  bool tree = strncmp(first, "# tree", 6) == 0;
  if (addr && (tree || strncmp(first, "# session-only", 14) == 0)) {
    printf("skipped %s: only for the bare session\n", file);
    fclose(f);
    return SKIPPED;
  }
  rewind(f);
  struct talk *t = calloc(1, sizeof *t);
  if (!t)
    abort();
  t->file = file;
  t->addr = addr;
  t->verbose = verbose;
  strcpy(t->peers[0].name, "main");
  begin_file(t, tree);
  run_lines(t, f);
  unsigned line = t->line;
  end_file(t);
  enum verdict verdict = t->wrong[0] ? WRONG : RIGHT;
  if (verdict == WRONG)
    printf("not ok %s:%u: %s\n", file, line, t->wrong);
  else
    printf("ok %s\n", file);
  fclose(f);
  free(t);
  return verdict;
}

static int usage(void) {
  fprintf(stderr, "usage: talk [-v] [-a ADDRESS] FILE.st...\n");
  return 2;
}

int main(int argc, char **argv) {
  styx_addr addr, *to = NULL;
  bool verbose = false;
  const char *why = NULL;
  unsigned count[3] = {0};
  for (int opt; (opt = getopt(argc, argv, "a:v")) != -1;) {
    if (opt == 'v')
      verbose = true;
    else if (opt != 'a')
      return usage();
    else if (styx_addr_parse(&addr, optarg, &why)) {
      fprintf(stderr, "talk: %s: %s\n", optarg, why);
      return 2;
    } else
      to = &addr;
  }
  if (optind == argc)
    return usage();
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = optind; i < argc; i++)
    count[run_file(argv[i], to, verbose)]++;
  printf("%u passed, %u failed, %u skipped\n", count[RIGHT], count[WRONG], count[SKIPPED]);
  return count[WRONG] > 0;
}
