/* styx_ls.c: ls and stat. */
#include "styx_cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct look {
  bool longs, self, unsorted, tty;
};

static void put_name(const struct look *look, const char *prefix, styx_str name) {
  char buf[2048];
  if (look->tty) {
    fputs(cli_printable(buf, sizeof buf, prefix, strlen(prefix)), stdout);
    fputs(cli_printable(buf, sizeof buf, name.s, name.len), stdout);
  } else {
    fputs(prefix, stdout);
    fwrite(name.s, 1, name.len, stdout);
  }
}

/* The first letter is the first of these that applies. */
static const char *mode_text(char *out, uint32_t mode) {
  static const char rwx[] = "rwxrwxrwx";
  static const struct {
    uint32_t bit;
    char letter;
  } kinds[] = {{STYX_DMDIR, 'd'}, {STYX_DMAUTH, 'A'}, {STYX_DMAPPEND, 'a'}, {STYX_DMEXCL, 'l'}, {STYX_DMTMP, 't'}};
  strcpy(out, "----------");
  for (size_t i = sizeof kinds / sizeof *kinds; i-- > 0;)
    if (mode & kinds[i].bit)
      out[0] = kinds[i].letter;
  for (int i = 0; i < 9; i++)
    if (mode & (0400u >> i))
      out[1 + i] = rwx[i];
  return out;
}

static void put_entry(const struct look *look, const char *prefix, const styx_stat *s, styx_str name) {
  char mode[12], when[32], uid[256], gid[256];
  if (look->longs) {
    time_t t = s->mtime;
    struct tm tm;
    localtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
    printf("%s %-8s %-8s %10llu %s ", mode_text(mode, s->mode), cli_printable(uid, sizeof uid, s->uid.s, s->uid.len),
           cli_printable(gid, sizeof gid, s->gid.s, s->gid.len), (unsigned long long)s->length, when);
  }
  put_name(look, prefix, name);
  putchar('\n');
}

static int by_name(const void *a, const void *b) {
  const styx_stat *x = a, *y = b;
  size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
  int d = memcmp(x->name.s, y->name.s, n);
  return d ? d : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static void list_dir(struct cli *cli, const struct look *look, const char *path, bool prefixed) {
  styx_list list = {0};
  if (!cli_list(cli, path, &list))
    return;
  char *prefix = prefixed ? cli_join(path, "", 0) : cli_dup("", 0);
  if (!look->unsorted && list.count)
    qsort(list.stats, list.count, sizeof *list.stats, by_name);
  for (size_t i = 0; i < list.count; i++)
    put_entry(look, prefix, &list.stats[i], list.stats[i].name);
  free(prefix);
  styx_list_free(cli->c, &list);
}

static void list_one(struct cli *cli, const struct look *look, const char *path, bool prefixed) {
  char room[8 * STYX_STATROOM];
  styx_stat stat;
  if (!cli_stat(cli, path, &stat, room, sizeof room))
    return;
  if ((stat.mode & STYX_DMDIR) && !look->self)
    list_dir(cli, look, path, prefixed);
  else
    put_entry(look, "", &stat, styx_str_of(path));
}

int cli_ls(struct cli *cli, int argc, char **argv) {
  struct look look = {.tty = isatty(1)};
  static char root[] = "/";
  int c;
  while ((c = getopt(argc, argv, "+ldn")) != -1) {
    look.longs |= c == 'l';
    look.self |= c == 'd';
    look.unsorted |= c == 'n';
    if (c == '?')
      return cli_usage(cli, "bad option");
  }
  if (!cli_connect(cli))
    return CLI_FAILED;
  if (optind == argc)
    list_one(cli, &look, root, false);
  for (int i = optind; i < argc; i++)
    list_one(cli, &look, argv[i], argc - optind > 1);
  return CLI_OK;
}

static void put_time(const char *label, uint32_t when) {
  char text[40];
  time_t t = when;
  struct tm tm;
  localtime_r(&t, &tm);
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &tm);
  printf("  %s  %s\n", label, text);
}

static void put_str(const char *label, styx_str s) {
  char buf[1024];
  printf("  %s  %s\n", label, cli_printable(buf, sizeof buf, s.s, s.len));
}

int cli_stat_verb(struct cli *cli, int argc, char **argv) {
  char room[8 * STYX_STATROOM], mode[12], qid[64];
  if (getopt(argc, argv, "+") != -1)
    return cli_usage(cli, "bad option");
  if (optind == argc)
    return cli_usage(cli, "a path is missing");
  if (!cli_connect(cli))
    return CLI_FAILED;
  for (int i = optind; i < argc; i++) {
    styx_stat s;
    if (!cli_stat(cli, argv[i], &s, room, sizeof room))
      continue;
    styx_qid_print(qid, sizeof qid, s.qid);
    printf("%s\n", argv[i]);
    put_str("name  ", s.name);
    printf("  mode    %s (%08x)\n  length  %llu\n  qid     %s\n", mode_text(mode, s.mode), s.mode,
           (unsigned long long)s.length, qid);
    put_str("uid   ", s.uid);
    put_str("gid   ", s.gid);
    put_str("muid  ", s.muid);
    put_time("atime ", s.atime);
    put_time("mtime ", s.mtime);
  }
  return CLI_OK;
}
