/* styx_connect.c: where the server is, and who we are there. */
#include "styx_cli.h"

#include <styx/auth.h>
#include <styx/server.h>

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_socket(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Where styxd listens when it is not told where: its own rules, backwards. */
static const char *default_address(char *buf, size_t cap) {
  const char *given = getenv("STYX_ADDR"), *runtime = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
  if (given && *given)
    return given;
  snprintf(buf, cap, "%s/styxd", runtime && *runtime ? runtime : "/run");
  if ((runtime && *runtime) || geteuid() == 0)
    if (is_socket(buf))
      return buf;
  snprintf(buf, cap, "%s/styxd-%u/styxd", tmp && *tmp == '/' ? tmp : "/tmp", (unsigned)getuid());
  return is_socket(buf) ? buf : "tcp!127.0.0.1!5640";
}

const char *cli_default_user(void) {
  const char *user = getenv("USER");
  if (user && *user)
    return user;
  struct passwd *pw = getpwuid(geteuid());
  return pw ? pw->pw_name : "none";
}

static int dial(struct cli *cli) {
  char buf[512], printed[512];
  const char *text = cli->addr ? cli->addr : default_address(buf, sizeof buf), *why = "";
  styx_addr addr;
  int fd;
  if (styx_addr_parse(&addr, text, &why) != STYX_OK) {
    cli_fail(cli, text, "bad address: %s", why);
    return -1;
  }
  styx_addr_print(printed, sizeof printed, &addr);
  styx_err err = styx_dial(&addr, &fd);
  if (!err)
    return fd;
  if (cli->addr || getenv("STYX_ADDR"))
    cli_fail(cli, NULL, "cannot reach %s: %s", printed, styx_err_text(err));
  else
    cli_fail(cli, NULL, "cannot reach %s: %s; is styxd running? -a ADDR names another server", printed,
             styx_err_text(err));
  return -1;
}

/* The conversation before the attach; *afid stays for it. */
static bool show_secret(struct cli *cli, const char *user, const styx_secrets *secrets, uint32_t *afid) {
  size_t len;
  const void *secret = styx_secrets_find(secrets, styx_str_of(user), &len);
  if (!secret) {
    cli_fail(cli, NULL, "--auth: %s has no secret for %s; -u names another user", cli->secrets, user);
    return false;
  }
  styx_err err = styx_client_auth(cli->c, user, cli->aname, afid, NULL);
  if (err == STYX_ENOAUTH)
    cli_fail(cli, NULL, "the server asks for no secret, so it shows none: without --auth it would be believed");
  else if (err || (err = styx_client_secret(cli->c, *afid, user, cli->aname, secret, len)) != STYX_OK)
    cli_fail(cli, NULL, "cannot show that we are %s: %s", user, styx_client_words());
  return !err;
}

static bool authenticate(struct cli *cli, const char *user, uint32_t *afid) {
  char why[STYX_SECRETS_WHY];
  styx_secrets *secrets;
  if (styx_secrets_open(&secrets, cli->secrets, NULL, why, sizeof why)) {
    cli_fail(cli, NULL, "--auth: %s: %s", cli->secrets, why);
    return false;
  }
  bool shown = show_secret(cli, user, secrets, afid);
  styx_secrets_free(secrets);
  return shown;
}

bool cli_connect(struct cli *cli) {
  int fd = dial(cli);
  if (fd < 0)
    return false;
  styx_client_options o = {.size = sizeof o, .msize = cli->msize};
  if (styx_client_new(&cli->c, fd, &o) != STYX_OK) {
    cli_fail(cli, NULL, "%s", styx_client_words());
    close(fd);
    return false;
  }
  const char *user = cli->user ? cli->user : cli_default_user();
  uint32_t afid = STYX_NOFID;
  if (cli->secrets && !authenticate(cli, user, &afid))
    return false;
  if (styx_client_attach_auth(cli->c, afid, user, cli->aname, &cli->root, NULL) == STYX_OK) {
    if (afid != STYX_NOFID)
      (void)styx_client_clunk(cli->c, afid); /* what it was for is done */
    return true;
  }
  cli_fail(cli, NULL, "cannot attach as %s: %s", user, styx_client_words());
  return false;
}
