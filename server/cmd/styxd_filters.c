/* styxd_filters.c: what --filter puts in front of every export. */
#include "styxd.h"

#include <stdio.h>
#include <stdlib.h>

static void log_operation(void *arg, const char *op, styx_str path, styx_str user) {
  char detail[1024]; /* longer than a line of the log shows */
  (void)arg;
  snprintf(detail, sizeof detail, "%s %.*s by %.*s", op, (int)path.len, path.s, (int)user.len, user.s);
  styxd_log(NULL, STYX_LOG_INFO, "", "operation", detail);
}

static bool put_in_front(const char *spec, styx_export *export, struct styxd_filters *all) {
  const styx_filter_config config = {.size = sizeof config, .log = log_operation};
  styx_err err = styx_filter_new(&all->list[all->n], spec, export->fs, &config);
  if (err) {
    styxd_complain("cannot make the filter %s: %s", spec, styx_err_text(err));
    return false;
  }
  export->fs = styx_filter_fs(all->list[all->n++]);
  return true;
}

bool styxd_filters_open(const struct styxd_options *o, styx_export *exports, struct styxd_filters *out) {
  *out = (struct styxd_filters){.list = calloc(o->nfilters * o->nexports + 1, sizeof *out->list)};
  bool ok = out->list != NULL;
  for (size_t e = 0; e < o->nexports; e++)
    for (size_t i = o->nfilters; ok && i-- > 0;) /* the first is outermost */
      ok = put_in_front(o->filters[i], &exports[e], out);
  if (!ok)
    styxd_filters_close(out);
  return ok;
}

void styxd_filters_close(struct styxd_filters *all) {
  while (all->n > 0)
    styx_filter_free(all->list[--all->n]);
  free(all->list);
  all->list = NULL;
}
