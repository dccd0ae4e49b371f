/* make_pcap.c: messages written as hexadecimal digits on standard input, to a pcapng file on standard output.
 *
 *     make_pcap <LINES >FILE.pcapng
 *
 * A line is one message, size field and all: T (to the server) or R (from it), a blank, hexadecimal digits, two for each byte;
 * blanks may stand between bytes. Nothing is checked of a message but that it has a byte. A line with a single N begins the
 * next connection. Empty lines, and what follows a #, are ignored.
 *
 *     # Tversion msize 8192 "9P2000", and its answer
 *     T 13000000 64 ffff 00200000 0600 395032303030
 *     R 13000000 65 ffff 00200000 0600 395032303030
 *
 * Message number n, counted from 0, is n microseconds old, and connection number n has client port 49152 + n, so that the same
 * input makes the same file. Wrong input: what and where on standard error, status 1. */
#include <styx/trace.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long line_number;

static void die(const char *fmt, ...) STYX_PRINTF(1, 2);
static void die(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fprintf(stderr, "make_pcap: line %lu: ", line_number);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

static bool write_stdout(void *arg, const void *bytes, size_t len) {
  (void)arg;
  return fwrite(bytes, 1, len, stdout) == len;
}

static int value_of(char c) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *at = c ? strchr(digits, c) : NULL;
  return at ? (int)((at - digits) % 16) : -1;
}

/* In place: bytes are fewer than their digits. */
static size_t bytes_of(char *text) {
  size_t n = 0;
  for (const char *p = text; *p;) {
    if (*p == ' ' || *p == '\t') {
      p++;
      continue;
    }
    int high = value_of(p[0]), low = value_of(p[1]);
    if (high >= 0 && (!p[1] || p[1] == ' ' || p[1] == '\t'))
      die("'%c' is half a byte", *p);
    if (high < 0 || low < 0)
      die("'%c' is no hexadecimal digit", high < 0 ? p[0] : p[1]);
    text[n++] = (char)(high << 4 | low);
    p += 2;
  }
  return n;
}

static void trim(char *line) {
  line[strcspn(line, "#\r\n")] = 0;
  size_t len = strlen(line);
  while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
    line[--len] = 0;
}

static const styx_pcapng file = {.write = write_stdout};
static styx_pcapng_flow flow;
static uint64_t now; /* ns */

static bool end_connection(void) {
  bool ok = styx_pcapng_end(&file, &flow, now);
  flow.number++;
  return ok;
}

static bool message(char *line) {
  if ((line[0] != 'T' && line[0] != 'R') || (line[1] != ' ' && line[1] != '\t'))
    die("T or R, a blank and hexadecimal digits are needed, or N alone");
  styx_span span = {line + 2, bytes_of(line + 2)};
  if (span.len == 0)
    die("a message without bytes");
  bool ok = styx_pcapng_message(&file, &flow, line[0] == 'R', now, &span, 1);
  now += 1000;
  return ok;
}

int main(void) {
  char *line = NULL;
  size_t cap = 0;
  bool ok = styx_pcapng_header(&file);
  while (ok && getline(&line, &cap, stdin) >= 0) {
    line_number++;
    trim(line);
    if (strcmp(line, "N") == 0)
      ok = end_connection();
    else if (*line)
      ok = message(line);
  }
  if (ferror(stdin))
    die("cannot read: %s", strerror(errno));
  if (!ok || !end_connection() || fflush(stdout))
    die("cannot write: %s", strerror(errno));
  free(line);
  return 0;
}
