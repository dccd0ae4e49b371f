/* styx_connect.c: where the server is, and who we are there. */
#include "styx_cli.h"

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
  if (styx_client_attach(cli->c, user, cli->aname, &cli->root, NULL) == STYX_OK)
    return true;
  cli_fail(cli, NULL, "cannot attach as %s: %s", user, styx_client_words());
  return false;
}
