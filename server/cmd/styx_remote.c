/* styx_remote.c: steps on the server that several verbs take. */
#include "styx_cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool cli_walk(struct cli *cli, const char *path, uint32_t *fid, styx_qid *qid) {
  if (qid)
    *qid = (styx_qid){.type = STYX_QTDIR}; /* an empty path: the root */
  if (styx_client_walk(cli->c, cli->root, path, fid, qid) == STYX_OK)
    return true;
  cli_fail_remote(cli, path);
  return false;
}

bool cli_stat(struct cli *cli, const char *path, styx_stat *stat, void *room, size_t cap) {
  uint32_t fid;
  if (!cli_walk(cli, path, &fid, NULL))
    return false;
  styx_err err = styx_client_stat(cli->c, fid, stat, room, cap);
  if (err)
    cli_fail_remote(cli, path);
  (void)styx_client_clunk(cli->c, fid);
  return !err;
}

bool cli_list(struct cli *cli, const char *path, styx_list *out) {
  uint32_t fid;
  if (!cli_walk(cli, path, &fid, NULL))
    return false;
  styx_err err = styx_client_open(cli->c, fid, STYX_OREAD, NULL);
  if (!err)
    err = styx_client_list(cli->c, fid, out);
  if (err)
    cli_fail_remote(cli, path);
  (void)styx_client_clunk(cli->c, fid);
  return !err;
}

/* path opened with mode; no fid is left when that fails. */
static styx_err open_path(struct cli *cli, const char *path, uint8_t mode, uint32_t *fid, styx_opened *opened) {
  uint32_t f;
  styx_err err = styx_client_walk(cli->c, cli->root, path, &f, NULL);
  if (err)
    return err;
  err = styx_client_open(cli->c, f, mode, opened);
  if (err)
    (void)styx_client_clunk(cli->c, f);
  else
    *fid = f;
  return err;
}

static styx_err create_path(struct cli *cli, const char *path, uint32_t perm, uint8_t mode, uint32_t *fid,
                            styx_opened *opened) {
  uint32_t f;
  char *clean = cli_clean(path), *dir = cli_dir(clean);
  styx_err err = styx_client_walk(cli->c, cli->root, dir, &f, NULL);
  if (!err) {
    err = styx_client_create(cli->c, f, cli_base(clean), perm, mode, opened);
    if (!err)
      *fid = f;
    else
      (void)styx_client_clunk(cli->c, f);
  }
  free(dir);
  free(clean);
  return err;
}

/* Making comes first, since it is what copies mostly do; another client may make or remove the file meanwhile, so what the
 * first attempt says is told only if the second finds nothing. */
bool cli_open_or_create(struct cli *cli, const char *path, uint32_t perm, uint32_t *fid, styx_opened *opened,
                        bool *made) {
  char words[STYX_ERRMAX];
  bool m = create_path(cli, path, perm, STYX_OWRITE, fid, opened) == STYX_OK;
  if (made)
    *made = m;
  if (m)
    return true;
  snprintf(words, sizeof words, "%s", styx_client_words());
  styx_err err = open_path(cli, path, STYX_OWRITE | STYX_OTRUNC, fid, opened);
  if (!err)
    return true;
  if (err == ENOENT && !styx_client_why(cli->c))
    cli_fail(cli, path, "%s", words);
  else
    cli_fail_remote(cli, path);
  return false;
}

bool cli_mkdir(struct cli *cli, const char *path, uint32_t perm, bool *made) {
  uint32_t fid;
  char words[STYX_ERRMAX];
  styx_qid qid = {.type = STYX_QTDIR};
  *made = create_path(cli, path, perm | STYX_DMDIR, STYX_OREAD, &fid, NULL) == STYX_OK;
  if (!*made) {
    snprintf(words, sizeof words, "%s", styx_client_words());
    if (styx_client_walk(cli->c, cli->root, path, &fid, &qid) != STYX_OK || !(qid.type & STYX_QTDIR)) {
      cli_fail(cli, path, "%s", words);
      return false;
    }
  }
  (void)styx_client_clunk(cli->c, fid);
  return true;
}
