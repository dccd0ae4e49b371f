/* styx_say.c: messages, safe on whatever a server puts into its words and names. */
#include "styx_cli.h"
#include "styx_cp.h"

#include <stdarg.h>
#include <string.h>

const char *cli_printable(char *buf, size_t cap, const char *text, size_t len) {
  size_t at = 0;
  for (size_t i = 0; i < len && at + 5 < cap; i++) {
    unsigned char b = (unsigned char)text[i];
    bool c1 = b == 0xC2 && i + 1 < len && (unsigned char)text[i + 1] < 0xA0;
    if (b < 0x20 || b == 0x7F || c1)
      at += (size_t)snprintf(buf + at, cap - at, "\\x%02X", b);
    else
      buf[at++] = (char)b;
  }
  buf[at] = '\0';
  return buf;
}

static void say(struct cli *cli, const char *path, const char *text) {
  char p[1024], t[1024];
  cli_printable(t, sizeof t, text, strlen(text));
  cli_printable(p, sizeof p, path ? path : "", path ? strlen(path) : 0);
  cli_progress_hide();
  flockfile(stderr);
  fprintf(stderr, "styx: %s%s%s: %s\n", cli->verb, path ? " " : "", p, t);
  funlockfile(stderr);
  atomic_store(&cli->status, CLI_FAILED);
}

void cli_fail(struct cli *cli, const char *path, const char *fmt, ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  say(cli, path, text);
}

void cli_fail_remote(struct cli *cli, const char *path) {
  static atomic_bool said;
  const char *why = styx_client_why(cli->c);
  if (!why) {
    say(cli, path, styx_client_words());
  } else if (!atomic_exchange(&said, true)) {
    char text[256];
    snprintf(text, sizeof text, "connection lost: %s", why);
    say(cli, path, text);
  }
  atomic_store(&cli->status, CLI_FAILED);
}

int cli_usage(const struct cli *cli, const char *fmt, ...) {
  va_list ap;
  fprintf(stderr, "styx: %s%s", cli->verb ? cli->verb : "", cli->verb ? ": " : "");
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fprintf(stderr, "; styx --help tells how it is used\n");
  return CLI_USAGE;
}
