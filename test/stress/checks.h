/* stress/checks.h: the checks of a plain program, counted and printed as ./dev counts them. */
#ifndef STRESS_CHECKS_H
#define STRESS_CHECKS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int passed, failed;

static void check(bool ok, const char *what) {
  passed += ok;
  failed += !ok;
  printf("%s %s\n", ok ? "ok" : "not ok", what);
}

/* Without this nothing that follows would say anything. */
static void must(bool ok, const char *what) {
  if (ok)
    return;
  printf("not ok %s: cannot go on\n%d passed, %d failed\n", what, passed, failed + 1);
  exit(1);
}

#endif
