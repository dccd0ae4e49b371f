/* handlers9.c: files in memory whose handlers take time: reads use CPU time, writes block. Served by the pipeline, or in place
 * by one thread and one loop, for the two to be compared. */
#include "args.h"

#include <embed_epoll.h>
#include <styx/memfs.h>
#include <styx/server.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
  styx_fs memory;
  uint64_t spin, block; /* ns */
  bool in_place, declared;
  unsigned workers;
} options;

static uint64_t cpu_time(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static styx_answer slow_read(styx_req *req, void *node, void *handle, uint64_t offset, uint32_t count) {
  uint64_t end = cpu_time() + options.spin;
  while (options.spin && cpu_time() < end)
    ;
  return options.memory.ops->read(req, node, handle, offset, count);
}

static styx_answer slow_write(styx_req *req, void *node, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  const struct timespec ts = {.tv_sec = (time_t)(options.block / 1000000000),
                              .tv_nsec = (long)(options.block % 1000000000)};
  if (options.block)
    nanosleep(&ts, NULL);
  return options.memory.ops->write(req, node, handle, offset, data, count);
}

/* Everything else is as in memory; what we have made slow is not promised to be quick. */
static styx_fs slow_fs(styx_fs_ops *ops) {
  *ops = *options.memory.ops;
  ops->name = "handlers9";
  ops->read = slow_read;
  ops->write = slow_write;
  ops->nowait &= ~((options.spin ? STYX_OP(read) : 0) | (options.block ? STYX_OP(write) : 0));
  ops->blocking |= options.declared ? STYX_OP(write) : 0;
  return (styx_fs){.ops = ops, .ctx = options.memory.ctx};
}

static int wrong(const char *what, styx_err err) {
  fprintf(stderr, "handlers9: %s: %s\n", what, styx_err_text(err));
  return 1;
}

static int serve(const char *address, const styx_addr *addr, styx_fs fs) {
  const styx_export export = {.fs = fs};
  const styx_server_config config = {
      .size = sizeof config, .exports = &export, .nexports = 1, .workers = options.workers};
  styx_server *server;
  sigset_t ends;
  int fd, signal;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  styx_err err = styx_announce(addr, &fd, NULL);
  if (err)
    return wrong(address, err);
  if ((err = styx_server_new(&server, &config)) || (err = styx_server_listen(server, fd)) ||
      (err = styx_server_start(server)))
    return wrong("cannot start", err);
  sigwait(&ends, &signal);
  err = styx_server_stop(server, 1000000000, NULL);
  if (err)
    return wrong("stopping", err);
  styx_server_free(server);
  if (addr->net == STYX_NET_UNIX)
    unlink(addr->path);
  return 0;
}

static const char usage[] = "Usage: handlers9 [OPTION]... ADDR\n"
                            "Serve files in memory whose handlers take time.\n\n"
                            "  -s, --spin US      CPU time of each read (0)\n"
                            "  -b, --block MS     for which each write blocks (0)\n"
                            "  -d, --declared     writes are declared blocking\n"
                            "  -i, --in-place     one thread runs everything\n"
                            "  -w, --workers N    threads that run requests (twice the processors, at least 4)\n"
                            "  -h, --help\n";

static const struct option longs[] = {{"spin", required_argument, NULL, 's'},
                                      {"block", required_argument, NULL, 'b'},
                                      {"declared", no_argument, NULL, 'd'},
                                      {"in-place", no_argument, NULL, 'i'},
                                      {"workers", required_argument, NULL, 'w'},
                                      {"help", no_argument, NULL, 'h'},
                                      {NULL, 0, NULL, 0}};

static void take(int letter) {
  if (letter == 's') {
    options.spin = (uint64_t)(bench_number("--spin", optarg, 0, 1e6) * 1e3);
  } else if (letter == 'b') {
    options.block = (uint64_t)(bench_number("--block", optarg, 0, 1e4) * 1e6);
  } else if (letter == 'd') {
    options.declared = true;
  } else if (letter == 'i') {
    options.in_place = true;
  } else if (letter == 'w') {
    options.workers = bench_whole("--workers", optarg, 1, 1024);
  } else {
    fputs(letter == 'h' ? usage : "handlers9: --help lists the options\n", letter == 'h' ? stdout : stderr);
    exit(letter == 'h' ? 0 : 2);
  }
}

int main(int argc, char **argv) {
  styx_addr addr;
  const char *why = NULL;
  bench_args_voice("handlers9: ", " '", "'");
  for (int letter; (letter = getopt_long(argc, argv, "s:b:diw:h", longs, NULL)) != -1;)
    take(letter);
  if (optind + 1 != argc)
    bench_refuse("one address", "", "it says where to listen; --help tells more");
  if (styx_addr_parse(&addr, argv[optind], &why))
    bench_refuse("address", argv[optind], why);
  styx_memfs *memfs = styx_memfs_new(NULL);
  if (!memfs)
    return wrong("cannot start", ENOMEM);
  options.memory = styx_memfs_fs(memfs);
  styx_fs_ops ops;
  styx_fs fs = slow_fs(&ops);
  int status = options.in_place ? embed_serve_fs(argv[optind], fs) : serve(argv[optind], &addr, fs);
  if (status == 0)
    styx_memfs_free(memfs);
  return status;
}
