/* styx_edit.c: create, mkdir, rm and mv. */
#include "styx_cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 1000 /* a server may show a tree without end */

static bool parse_mode(const char *text, uint32_t *out) {
  char *end;
  unsigned long n = strtoul(text, &end, 8);
  if (end == text || *end || *text == '-' || n > 0777)
    return false;
  *out = (uint32_t)n;
  return true;
}

struct making {
  uint32_t perm;
  bool parents;
};

/* The options of create and mkdir; -1: go on. */
static int making_options(struct cli *cli, int argc, char **argv, const char *opts, struct making *m) {
  int c;
  while ((c = getopt(argc, argv, opts)) != -1) {
    if (c == 'm' && !parse_mode(optarg, &m->perm))
      return cli_usage(cli, "-m %s: an octal number up to 777 is needed", optarg);
    if (c == '?')
      return cli_usage(cli, "bad option");
    m->parents |= c == 'p';
  }
  if (optind == argc)
    return cli_usage(cli, "a path is missing");
  return cli_connect(cli) ? -1 : CLI_FAILED;
}

static void create_one(struct cli *cli, const char *path, uint32_t perm) {
  uint32_t fid;
  char *clean = cli_clean(path), *dir = cli_dir(clean);
  if (*clean == '\0') {
    cli_fail(cli, path, "file already exists");
  } else if (styx_client_walk(cli->c, cli->root, dir, &fid, NULL) != STYX_OK) {
    cli_fail_remote(cli, path);
  } else {
    if (styx_client_create(cli->c, fid, cli_base(clean), perm, STYX_OREAD, NULL) != STYX_OK)
      cli_fail_remote(cli, path);
    (void)styx_client_clunk(cli->c, fid);
  }
  free(dir);
  free(clean);
}

int cli_create(struct cli *cli, int argc, char **argv) {
  struct making m = {.perm = cli_masked(0666)};
  int status = making_options(cli, argc, argv, "+m:", &m);
  for (int i = optind; status < 0 && i < argc; i++)
    create_one(cli, argv[i], m.perm);
  return status < 0 ? CLI_OK : status;
}

static void make_parents(struct cli *cli, const char *path, uint32_t perm) {
  bool made;
  char *clean = cli_clean(path);
  for (char *p = clean; *p;) {
    p += strcspn(p, "/");
    char kept = *p;
    *p = '\0';
    if (!cli_mkdir(cli, clean, kept ? perm | 0300 : perm, &made))
      break;
    *p = kept;
    p += kept == '/';
  }
  free(clean);
}

int cli_mkdir_verb(struct cli *cli, int argc, char **argv) {
  struct making m = {.perm = cli_masked(0777)};
  int status = making_options(cli, argc, argv, "+pm:", &m);
  for (int i = optind; status < 0 && i < argc; i++)
    if (m.parents)
      make_parents(cli, argv[i], m.perm);
    else
      create_one(cli, argv[i], m.perm | STYX_DMDIR);
  return status < 0 ? CLI_OK : status;
}

/* ---- rm ---- */

static void remove_tree(struct cli *cli, const char *path, unsigned depth);

static void remove_children(struct cli *cli, const char *path, unsigned depth) {
  styx_list list = {0};
  if (depth > DEEPEST) {
    cli_fail(cli, path, "more than %d directories deep", DEEPEST);
    return;
  }
  if (!cli_list(cli, path, &list))
    return;
  for (size_t i = 0; i < list.count && !styx_client_why(cli->c); i++) {
    const styx_stat *s = &list.stats[i];
    char *child = cli_join(path, s->name.s, s->name.len);
    if (!styx_name_is_safe(s->name))
      cli_fail(cli, child, "the server shows a name that cannot be");
    else
      remove_tree(cli, child, s->mode & STYX_DMDIR ? depth + 1 : 0);
    free(child);
  }
  styx_list_free(cli->c, &list);
}

/* depth 0: no directory, or not to be looked into. */
static void remove_tree(struct cli *cli, const char *path, unsigned depth) {
  uint32_t fid;
  if (depth > 0)
    remove_children(cli, path, depth);
  if (cli_walk(cli, path, &fid, NULL) && styx_client_remove(cli->c, fid) != STYX_OK)
    cli_fail_remote(cli, path);
}

static void remove_one(struct cli *cli, const char *path, bool recursive) {
  uint32_t fid;
  styx_qid qid;
  char *clean = cli_clean(path);
  if (*clean == '\0')
    cli_fail(cli, path, "the root cannot be removed");
  else if (!recursive)
    remove_tree(cli, clean, 0);
  else if (cli_walk(cli, clean, &fid, &qid)) {
    (void)styx_client_clunk(cli->c, fid);
    remove_tree(cli, clean, qid.type & STYX_QTDIR ? 1 : 0);
  }
  free(clean);
}

int cli_rm(struct cli *cli, int argc, char **argv) {
  bool recursive = false;
  int c;
  while ((c = getopt(argc, argv, "+r")) != -1) {
    if (c == '?')
      return cli_usage(cli, "bad option");
    recursive = true;
  }
  if (optind == argc)
    return cli_usage(cli, "a path is missing");
  if (!cli_connect(cli))
    return CLI_FAILED;
  for (int i = optind; i < argc; i++)
    remove_one(cli, argv[i], recursive);
  return CLI_OK;
}

/* ---- mv ---- */

static bool is_dir(struct cli *cli, const char *path) {
  uint32_t fid;
  styx_qid qid = {.type = STYX_QTDIR};
  if (styx_client_walk(cli->c, cli->root, path, &fid, &qid) != STYX_OK)
    return false;
  (void)styx_client_clunk(cli->c, fid);
  return qid.type & STYX_QTDIR;
}

static void rename_one(struct cli *cli, const char *old, const char *name) {
  uint32_t fid;
  styx_stat s = styx_stat_untouched();
  s.name = styx_str_of(name);
  if (!cli_walk(cli, old, &fid, NULL))
    return;
  if (styx_client_wstat(cli->c, fid, &s) != STYX_OK)
    cli_fail_remote(cli, old);
  (void)styx_client_clunk(cli->c, fid);
}

int cli_mv(struct cli *cli, int argc, char **argv) {
  if (getopt(argc, argv, "+") != -1)
    return cli_usage(cli, "bad option");
  if (argc - optind != 2)
    return cli_usage(cli, "an old and a new path are needed");
  if (!cli_connect(cli))
    return CLI_FAILED;
  char *old = cli_clean(argv[optind]), *new = cli_clean(argv[optind + 1]);
  char *olddir = cli_dir(old), *newdir = cli_dir(new);
  if (*old == '\0')
    cli_fail(cli, argv[optind], "the root cannot be renamed");
  else if (strcmp(olddir, newdir) != 0 || *new == '\0' || (strcmp(old, new) != 0 && is_dir(cli, new)))
    cli_fail(cli, argv[optind], "9P2000 renames only within one directory; copy it to %s and remove it",
             argv[optind + 1]);
  else
    rename_one(cli, old, cli_base(new));
  free(old), free(new), free(olddir), free(newdir);
  return CLI_OK;
}
