/* styx_io.c: read and write. */
#include "styx_cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static styx_err to_stdout(void *arg, const void *data, size_t len) {
  bool *local = arg;
  const char *p = data;
  while (len > 0) {
    ssize_t n = write(1, p, len);
    if (n < 0 && errno != EINTR) {
      *local = true;
      return errno;
    }
    p += n > 0 ? n : 0;
    len -= n > 0 ? (size_t)n : 0;
  }
  return STYX_OK;
}

/* The length is only for reading ahead, so it may be unknown; a stream has none. */
static uint64_t length_of(struct cli *cli, uint32_t fid) {
  char room[8 * STYX_STATROOM];
  styx_stat s;
  return styx_client_stat(cli->c, fid, &s, room, sizeof room) == STYX_OK && !(s.mode & STYX_DMDIR) ? s.length : 0;
}

static void read_one(struct cli *cli, const char *path) {
  uint32_t fid;
  styx_opened opened;
  styx_qid qid;
  bool local = false;
  if (!cli_walk(cli, path, &fid, &qid))
    return;
  styx_err err = styx_client_open(cli->c, fid, STYX_OREAD, &opened);
  if (err) {
    cli_fail_remote(cli, path);
  } else if (opened.qid.type & STYX_QTDIR) {
    cli_fail(cli, path, "is a directory; ls lists it");
  } else {
    styx_transfer how = {.length = length_of(cli, fid), .iounit = opened.iounit};
    if ((err = styx_client_get(cli->c, fid, &how, to_stdout, &local, NULL)) != STYX_OK && local)
      cli_fail(cli, NULL, "standard output: %s", styx_err_text(err));
    else if (err)
      cli_fail_remote(cli, path);
  }
  (void)styx_client_clunk(cli->c, fid);
}

int cli_read(struct cli *cli, int argc, char **argv) {
  if (getopt(argc, argv, "+") != -1)
    return cli_usage(cli, "bad option");
  if (optind == argc)
    return cli_usage(cli, "a path is missing");
  if (!cli_connect(cli))
    return CLI_FAILED;
  for (int i = optind; i < argc; i++)
    read_one(cli, argv[i]);
  return CLI_OK;
}

/* ---- write ---- */

struct input {
  bool lines, local;
  char *line; /* what is left of a line that is longer than one write */
  size_t cap, at, len;
};

static styx_err next_line(struct input *in, void *buf, size_t cap, size_t *got) {
  if (in->at == in->len) {
    errno = 0;
    ssize_t n = getline(&in->line, &in->cap, stdin);
    if (n < 0 && ferror(stdin)) {
      in->local = true;
      return errno ? errno : EIO;
    }
    in->at = 0;
    in->len = n > 0 ? (size_t)n : 0;
  }
  *got = in->len - in->at < cap ? in->len - in->at : cap;
  if (*got)
    memcpy(buf, in->line + in->at, *got);
  in->at += *got;
  return STYX_OK;
}

/* What is there goes out at once: nobody who types wants to wait until a message is full. */
static styx_err from_stdin(void *arg, void *buf, size_t cap, size_t *got) {
  struct input *in = arg;
  if (in->lines)
    return next_line(in, buf, cap, got);
  for (;;) {
    ssize_t n = read(0, buf, cap);
    if (n >= 0) {
      *got = (size_t)n;
      return STYX_OK;
    }
    if (errno != EINTR) {
      in->local = true;
      return errno;
    }
  }
}

int cli_write(struct cli *cli, int argc, char **argv) {
  struct input in = {0};
  uint32_t fid;
  styx_opened opened;
  int c;
  while ((c = getopt(argc, argv, "+l")) != -1) {
    if (c == '?')
      return cli_usage(cli, "bad option");
    in.lines = true;
  }
  if (argc - optind != 1)
    return cli_usage(cli, "exactly one path is needed");
  const char *path = argv[optind];
  if (!cli_connect(cli) || !cli_open_or_create(cli, path, cli_masked(0666), &fid, &opened, NULL))
    return CLI_FAILED;
  /* One at a time: it may be a control file or a stream, where order is everything. */
  styx_transfer how = {.iounit = opened.iounit, .window = 1};
  styx_err err = styx_client_put(cli->c, fid, &how, from_stdin, &in, NULL);
  if (err && in.local)
    cli_fail(cli, NULL, "standard input: %s", styx_err_text(err));
  else if (err)
    cli_fail_remote(cli, path);
  if (styx_client_clunk(cli->c, fid) != STYX_OK && !err)
    cli_fail_remote(cli, path);
  free(in.line);
  return CLI_OK;
}
