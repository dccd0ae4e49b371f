/* args.c: see args.h. */
#include "args.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static struct { const char *begin, *open, *close; } voice;

void bench_args_voice(const char *begin, const char *open, const char *close) {
  voice.begin = begin;
  voice.open = open;
  voice.close = close;
}

void bench_refuse(const char *what, const char *given, const char *why) {
  fprintf(stderr, "%s%s%s%s%s: %s\n", voice.begin, what, *given ? voice.open : "", given, *given ? voice.close : "",
          why);
  exit(2);
}

double bench_number(const char *what, const char *text, double least, double most) {
  char *end, why[128];
  double n = strtod(text, &end);
  if (end != text && (toupper((unsigned char)*end) == 'K' || toupper((unsigned char)*end) == 'M'))
    n *= toupper((unsigned char)*end++) == 'K' ? 1024 : 1 << 20;
  if (end != text && *end == '\0' && isfinite(n) && n >= least && n <= most)
    return n;
  snprintf(why, sizeof why, "it must be a number from %g to %.0f", least, most);
  bench_refuse(what, text, why);
}

unsigned bench_whole(const char *what, const char *text, double least, double most) {
  double n = bench_number(what, text, least, most);
  if (n != floor(n))
    bench_refuse(what, text, "it must be a whole number");
  return (unsigned)n;
}

styx_dialect bench_dialect(const char *what, const char *text) {
  for (int d = STYX_9P2000; d <= STYX_9P2000_L; d++)
    if (strcasecmp(text, styx_dialect_version((styx_dialect)d)) == 0)
      return (styx_dialect)d;
  bench_refuse(what, text, "it must be 9P2000, 9P2000.u or 9P2000.L");
}

const char *bench_user(void) {
  const char *user = getenv("USER");
  return user && *user ? user : "none";
}
