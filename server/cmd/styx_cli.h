/* styx_cli.h: what the files of styx, the command-line client, share. */
#ifndef STYX_CLI_H
#define STYX_CLI_H

#include <styx/client.h>

#include <stdatomic.h>
#include <stdio.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli {
  const char *verb;
  const char *addr, *aname, *user; /* NULL: the default */
  const char *secrets;             /* NULL: we do not say who we are; else the file with our secret */
  uint32_t msize;
  styx_client *c;
  uint32_t root;
  atomic_int status; /* CLI_FAILED once anything has failed */
};

/* ---- styx_say.c: any thread ---- */

/* "styx: VERB PATH: text" on stderr; the program will exit with 1. path may be NULL. Control characters are escaped. */
void cli_fail(struct cli *cli, const char *path, const char *fmt, ...) STYX_PRINTF(3, 4);
/* The same for the last call to the server that failed on this thread. When the connection is lost that is said, once. */
void cli_fail_remote(struct cli *cli, const char *path);
/* A wrong command line: say so, and how to be told more. CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) STYX_PRINTF(2, 3);
/* text with what would upset a terminal as \xHH, in a buffer of cap bytes. */
const char *cli_printable(char *buf, size_t cap, const char *text, size_t len);

/* ---- styx_connect.c ---- */

/* Who we are, when nobody says. */
const char *cli_default_user(void);
/* Dial, agree, attach; false when that fails, which has been said. */
bool cli_connect(struct cli *cli);

/* ---- styx_paths.c ---- */

/* Without empty elements, "." and, as far as possible, "..": "/" is "". The caller frees it. */
char *cli_clean(const char *path);
/* dir and name with a slash between, unless dir is empty. The caller frees it. */
char *cli_join(const char *dir, const char *name, size_t namelen);
/* The last element of a clean path, within it. */
const char *cli_base(const char *clean);
/* What is before it; the caller frees it. */
char *cli_dir(const char *clean);
/* perm without what the umask forbids: for new files whose mode nobody chose. Main thread. */
uint32_t cli_masked(uint32_t perm);
/* malloc or the end of the program. */
void *cli_alloc(size_t n);
char *cli_dup(const char *s, size_t len);

/* ---- remote steps that several verbs take; false: failed and said ---- */

bool cli_walk(struct cli *cli, const char *path, uint32_t *fid, styx_qid *qid);
/* Walk and stat, without a fid left. */
bool cli_stat(struct cli *cli, const char *path, styx_stat *stat, void *room, size_t cap);
bool cli_list(struct cli *cli, const char *path, styx_list *out);
/* The file for writing: truncated, or made with perm. made and qid tell which, unless NULL. */
bool cli_open_or_create(struct cli *cli, const char *path, uint32_t perm, uint32_t *fid, styx_opened *opened,
                        bool *made);
/* A directory, which may be there already: *made tells. */
bool cli_mkdir(struct cli *cli, const char *path, uint32_t perm, bool *made);

/* ---- verbs: argv[0] is the verb ---- */

int cli_ls(struct cli *cli, int argc, char **argv);
int cli_stat_verb(struct cli *cli, int argc, char **argv);
int cli_read(struct cli *cli, int argc, char **argv);
int cli_write(struct cli *cli, int argc, char **argv);
int cli_create(struct cli *cli, int argc, char **argv);
int cli_mkdir_verb(struct cli *cli, int argc, char **argv);
int cli_rm(struct cli *cli, int argc, char **argv);
int cli_mv(struct cli *cli, int argc, char **argv);
int cli_cp(struct cli *cli, int argc, char **argv);
int cli_conform(struct cli *cli, int argc, char **argv); /* connects by itself */

#endif
