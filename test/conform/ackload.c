/* ackload.c: what a server has acknowledged it has done, also when it is told to end in the middle of the load.
 *
 *     ackload ADDRESS DIRECTORY PID
 *
 * Eight clients write one record after the other, each to a file of its own in the server's root, which is DIRECTORY. When
 * together they have 4,000 answers SIGTERM goes to PID; they go on until the server refuses or hangs up. Then every record
 * whose Rwrite has come must be in its file. */
#include <styx/client.h>
#include <styx/server.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 8, RECORD = 64, ENOUGH = 4000 };

static struct {
  styx_addr addr;
  const char *directory;
  pid_t server;
  _Atomic unsigned answers;
} job;

static void record(char out[RECORD], unsigned client, unsigned n) {
  memset(out, 'a' + (int)(n % 26), RECORD);
  snprintf(out, RECORD, "client %u record %u", client, n);
}

static styx_err dial(styx_client **out) {
  int fd;
  styx_err err = styx_dial(&job.addr, &fd);
  return err ? err : styx_client_new(out, fd, NULL);
}

static styx_err make_file(styx_client *c, const char *name, uint32_t *fid) {
  styx_opened opened;
  styx_err err = styx_client_attach(c, "load", "", fid, NULL);
  return err ? err : styx_client_create(c, *fid, name, 0666, STYX_OWRITE, &opened);
}

/* Returns how many were acknowledged. */
static unsigned write_on(styx_client *c, uint32_t fid, unsigned client) {
  char buf[RECORD];
  for (unsigned n = 0;; n++) {
    uint32_t done = 0;
    record(buf, client, n);
    if (styx_client_write(c, fid, (uint64_t)n * RECORD, buf, RECORD, &done) || done != RECORD)
      return n;
    if (atomic_fetch_add(&job.answers, 1) + 1 == ENOUGH)
      kill(job.server, SIGTERM);
  }
}

static bool all_there(const char *name, unsigned client, unsigned n) {
  char path[4096], want[RECORD], have[RECORD];
  snprintf(path, sizeof path, "%s/%s", job.directory, name);
  FILE *f = fopen(path, "r");
  bool ok = f != NULL;
  for (unsigned i = 0; ok && i < n; i++) {
    record(want, client, i);
    ok = fread(have, 1, RECORD, f) == RECORD && memcmp(want, have, RECORD) == 0;
    if (!ok)
      printf("ackload: %s: record %u of %u was acknowledged and is not there\n", name, i, n);
  }
  if (f)
    fclose(f);
  return ok;
}

static void *client_main(void *arg) {
  unsigned client = (unsigned)(uintptr_t)arg, n;
  char name[32];
  styx_client *c;
  uint32_t fid;
  snprintf(name, sizeof name, "load%u", client);
  if (dial(&c) || make_file(c, name, &fid)) {
    printf("ackload: %s: cannot begin: %s\n", name, styx_client_words());
    return NULL;
  }
  n = write_on(c, fid, client);
  styx_client_free(c);
  return all_there(name, client, n) ? &job : NULL;
}

int main(int argc, char **argv) {
  pthread_t threads[CLIENTS];
  bool ok = true;
  if (argc != 4 || styx_addr_parse(&job.addr, argv[1], NULL)) {
    fprintf(stderr, "usage: ackload ADDRESS DIRECTORY PID\n");
    return 2;
  }
  job.directory = argv[2];
  job.server = (pid_t)atol(argv[3]);
  for (unsigned i = 0; i < CLIENTS; i++)
    if (pthread_create(&threads[i], NULL, client_main, (void *)(uintptr_t)i))
      return 1;
  for (unsigned i = 0; i < CLIENTS; i++) {
    void *good;
    pthread_join(threads[i], &good);
    ok &= good != NULL;
  }
  printf("ackload: %u writes were acknowledged\n", atomic_load(&job.answers));
  return ok && atomic_load(&job.answers) >= ENOUGH ? 0 : 1;
}
