/* flush_svg.c: a chart: which share of replies and of Rflushes came within which time, and throughput. */
#include "flush.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 760, HEIGHT = 420, LEFT = 70, TOP = 50, PLOT_W = 640, PLOT_H = 270 };

struct curve {
  const char *name, *colour;
  const struct sx_hist *hist;
};

struct scale {
  double from, to; /* log10 of us */
};

/* Shares as nines: 0.9 is 1, 0.99 is 2; up to 4. */
static const double shares[] = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999};
static double y_of(double share) { return TOP + PLOT_H - PLOT_H * (-log10(1 - share)) / 4; }

static double log_us(uint64_t ns) { return log10(ns > 100 ? (double)ns / 1e3 : 0.1); }

static double x_of(const struct scale *s, double log) { return LEFT + PLOT_W * (log - s->from) / (s->to - s->from); }

static struct scale scale_of(const struct curve *curves, size_t n) {
  struct scale s = {.from = 9, .to = -9};
  for (size_t i = 0; i < n; i++) {
    if (!curves[i].hist->count)
      continue;
    double low = floor(log_us(sx_hist_quantile(curves[i].hist, 0))), high = ceil(log_us(curves[i].hist->max));
    s.from = low < s.from ? low : s.from;
    s.to = high > s.to ? high : s.to;
  }
  if (s.to <= s.from)
    s = (struct scale){.from = 0, .to = 1};
  return s;
}

static void axes(FILE *f, const struct scale *s) {
  static const double marks[] = {0, 0.5, 0.9, 0.99, 0.999, 0.9999};
  for (double at = s->from; at <= s->to + 0.001; at++) {
    fprintf(f, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' class='grid'/>", x_of(s, at), TOP, x_of(s, at), TOP + PLOT_H);
    fprintf(f, "<text x='%.1f' y='%d' text-anchor='middle'>%g us</text>\n", x_of(s, at), TOP + PLOT_H + 18,
            pow(10, at));
  }
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    fprintf(f, "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f' class='grid'/>", LEFT, y_of(marks[i]), LEFT + PLOT_W,
            y_of(marks[i]));
    fprintf(f, "<text x='%d' y='%.1f' text-anchor='end'>%g %%</text>\n", LEFT - 6, y_of(marks[i]) + 4, marks[i] * 100);
  }
}

static void draw(FILE *f, const struct curve *c, const struct scale *s, int row) {
  fprintf(f, "<polyline fill='none' stroke-width='2' stroke='%s' points='", c->colour);
  for (size_t i = 0; c->hist->count && i < sizeof shares / sizeof *shares; i++)
    fprintf(f, "%.1f,%.1f ", x_of(s, log_us(sx_hist_quantile(c->hist, shares[i]))), y_of(shares[i]));
  int y = TOP + PLOT_H + 42 + row * 18;
  fprintf(f, "'/>\n<line x1='%d' y1='%d' x2='%d' y2='%d' stroke-width='2' stroke='%s'/>", LEFT, y - 4, LEFT + 24, y - 4,
          c->colour);
  fprintf(f, "<text x='%d' y='%d'>%s: %llu, p50 %.1f us, p99 %.1f us</text>\n", LEFT + 32, y, c->name,
          (unsigned long long)c->hist->count, (double)sx_hist_quantile(c->hist, 0.5) / 1e3,
          (double)sx_hist_quantile(c->hist, 0.99) / 1e3);
}

static double per_second(double n, double secs) { return secs > 0 ? n / secs : 0; }

bool fl_svg(const struct fl_run *r, const char *path) {
  const struct fl_result *res = &r->result;
  const struct curve curves[] = {{"replies, without flushes", "#888888", &res->base},
                                 {"replies, with flushes", "#0060c0", &res->replies},
                                 {"Rflush", "#d04000", &res->rflush}};
  const size_t n = sizeof curves / sizeof *curves;
  struct scale s = scale_of(curves, n);
  FILE *f = fopen(path, "w");
  if (!f) {
    perror(path);
    return false;
  }
  fprintf(f,
          "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' font-size='12'>\n",
          WIDTH, HEIGHT);
  fputs("<style>.grid{stroke:#dddddd}</style><rect width='100%' height='100%' fill='white'/>\n", f);
  fprintf(f, "<text x='%d' y='20' font-size='14'>Within which time: %u × %u requests, flush ratio %g</text>\n", LEFT,
          r->o->conns, r->o->depth, r->o->ratio);
  fprintf(f, "<text x='%d' y='38'>requests a second: %.0f without flushes, %.0f with; violations: %llu</text>\n", LEFT,
          per_second((double)res->base.count, res->base_secs), per_second((double)res->requests, res->secs),
          (unsigned long long)res->violations);
  axes(f, &s);
  for (size_t i = 0; i < n; i++)
    draw(f, &curves[i], &s, (int)i);
  fputs("</svg>\n", f);
  bool good = !ferror(f);
  if (fclose(f) != 0 || !good) {
    perror(path);
    return false;
  }
  return true;
}
