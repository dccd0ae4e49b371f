/* fifo_load.c: of the lines given to examples/fifo_service.c those are printed, once, that were not given up in time.
 *
 *     fifo_load [-s SEED] ADDRESS PIPE...
 *
 * Eight clients write lines, and give up about half of them at random. Whatever outcome a client hears must be what the pipes say. */
#include <styx/client.h>
#include <styx/server.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 8, LINES = 400, LINE = 16, ABREAST = 4 };

static styx_addr addr;
static uint64_t seed;
static bool acknowledged[CLIENTS * LINES];
static unsigned printed[CLIENTS * LINES], cancelled[CLIENTS];

static uint32_t roll(uint64_t *die, uint32_t sides) {
  *die = *die * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*die >> 33) % sides;
}

static void fail(const char *what, const char *why) {
  fprintf(stderr, "fifo_load: %s: %s\n", what, why);
  exit(1);
}

static void must(const char *what, styx_err err) {
  if (err)
    fail(what, styx_err_text(err));
}

/* Some lines at once, so that they wait for one another. */
static void write_some(styx_client *c, uint32_t fid, unsigned client, unsigned from, uint64_t *die) {
  styx_call calls[ABREAST];
  char lines[ABREAST][LINE + 1];
  memset(calls, 0, sizeof calls);
  for (unsigned i = 0; i < ABREAST; i++) {
    snprintf(lines[i], sizeof lines[i], "%015u\n", client * LINES + from + i);
    calls[i].t = (styx_msg){.type = STYX_Twrite, .fid = fid, .count = LINE, .data = (const void *)lines[i]};
    must("write", styx_call_submit(c, &calls[i]));
  }
  for (unsigned i = 0; i < ABREAST; i++)
    if (roll(die, 2)) {
      for (uint32_t n = roll(die, 20); n > 0; n--)
        sched_yield();
      must("flush", styx_call_cancel(&calls[i]));
    }
  for (unsigned i = 0; i < ABREAST; i++) {
    styx_err err = styx_call_wait(&calls[i]);
    if (err && err != ECANCELED)
      fail("write", calls[i].words);
    acknowledged[client * LINES + from + i] = !err;
    cancelled[client] += err == ECANCELED;
  }
}

static void *client_main(void *arg) {
  unsigned client = (unsigned)(uintptr_t)arg;
  uint64_t die = seed + client;
  styx_client *c;
  uint32_t root, fid;
  int fd;
  must("dial", styx_dial(&addr, &fd));
  must("version", styx_client_new(&c, fd, NULL));
  must("attach", styx_client_attach(c, "load", "", &root, NULL));
  must("walk", styx_client_walk(c, root, "print", &fid, NULL));
  must("open", styx_client_open(c, fid, STYX_OWRITE, NULL));
  for (unsigned from = 0; from < LINES; from += ABREAST)
    write_some(c, fid, client, from, &die);
  styx_client_free(c);
  return NULL;
}

/* False: there is nothing at the moment. */
static bool read_line(int fd) {
  char line[LINE + 1];
  ssize_t n = read(fd, line, LINE); /* each was written in one piece */
  if (n != LINE)
    return false;
  line[LINE] = 0;
  unsigned long number = strtoul(line, NULL, 10);
  if (line[LINE - 1] != '\n' || number >= CLIENTS * LINES)
    fail("a line that nobody has written", line);
  printed[number]++;
  return true;
}

int main(int argc, char **argv) {
  pthread_t threads[CLIENTS];
  int pipes[16], n = 0;
  unsigned wrong = 0, given_up = 0;
  seed = (uint64_t)time(NULL);
  for (int o; (o = getopt(argc, argv, "s:")) != -1;)
    if (o == 's')
      seed = strtoull(optarg, NULL, 0);
    else
      return 2;
  if (argc < optind + 2 || argc > optind + 17 || styx_addr_parse(&addr, argv[optind], NULL))
    fail("usage", "fifo_load [-s SEED] ADDRESS PIPE...");
  printf("fifo_load: -s %llu\n", (unsigned long long)seed);
  for (int i = optind + 1; i < argc; i++)
    if ((pipes[n++] = open(argv[i], O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0) /* its own writer, so it has no end */
      fail(argv[i], strerror(errno));
  for (unsigned i = 0; i < CLIENTS; i++)
    if (pthread_create(&threads[i], NULL, client_main, (void *)(uintptr_t)i))
      fail("threads", "cannot start one");
  for (unsigned i = 0; i < CLIENTS; i++) {
    while (pthread_tryjoin_np(threads[i], NULL))
      for (int p = 0; p < n; p++)
        (void)read_line(pipes[p]);
    given_up += cancelled[i];
  }
  for (int p = 0; p < n; p++)
    while (read_line(pipes[p]))
      continue;
  for (unsigned i = 0; i < CLIENTS * LINES; i++)
    if (printed[i] != acknowledged[i]) {
      printf("not ok: line %u was %s and printed %u times\n", i, acknowledged[i] ? "acknowledged" : "given up",
             printed[i]);
      wrong++;
    }
  printf("fifo_load: %d lines, %u given up, %u wrong\n", CLIENTS * LINES, given_up, wrong);
  return wrong || !given_up ? 1 : 0;
}
