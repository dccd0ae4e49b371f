/* hostfs_nowait_test.c: what the kernel has in memory is answered at once; what it would have to wait for, where it may; and a
 * read of a FIFO waits, until it is cancelled. */
#include "hostfs_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

TestSuite(hostfs_nowait, .init = hostfs_setup, .fini = hostfs_teardown, .timeout = 60);

static bool promises(void) { return styx_hostfs_fs(hostfs).ops->nowait != 0; }

/* Send t; how many of the operations that it takes were called where they may block. The reply is left to be taken. */
static int blocks(const styx_msg *t) {
  styx_session *s = p9_session(p);
  int n = 0;
  p9_submit(p, t);
  do
    for (styx_work *w; (w = styx_session_next(s));) {
      styx_work_info info = styx_work_about(w);
      n += info.may_block && info.op != STYX_OP_forget && info.op != STYX_OP_close;
      styx_work_run(w);
    }
  while (styx_session_retire(s, 0));
  p9_pump(p);
  return n;
}

static styx_msg taken(uint8_t type) {
  styx_msg r;
  cr_assert(p9_take(p, &r));
  cr_assert_eq(r.type, type, "%s", styx_err_text(p9_error(&r)));
  return r;
}

static styx_msg walk_to(const char *name) {
  styx_msg t = {.type = STYX_Twalk, .tag = 900, .fid = ROOT, .newfid = F, .nwname = 1};
  t.wname[0] = styx_str_of(name);
  return t;
}

Test(hostfs_nowait, what_is_in_memory_is_answered_at_once) {
  host_write("file", "contents");
  if (!promises()) {
    skip("the tests' directory is on a filesystem that may not be local");
    return;
  }
  styx_msg walk = walk_to("file"), stat = {.type = STYX_Tstat, .tag = 900, .fid = F};
  cr_assert_eq(blocks(&walk), 0);
  taken(STYX_Rwalk);
  cr_assert_eq(blocks(&stat), 1, "who owns it has to be looked up");
  taken(STYX_Rstat);
  cr_assert_eq(blocks(&stat), 0);
  taken(STYX_Rstat);
  ok(p9_open(p, F, STYX_OREAD));
  styx_msg read = {.type = STYX_Tread, .tag = 900, .fid = F, .count = 100};
  cr_assert_eq(blocks(&read), 0);
  cr_assert_eq(taken(STYX_Rread).count, 8);
  read.offset = 8;
  cr_assert_eq(blocks(&read), 0, "the end of the file");
  cr_assert_eq(taken(STYX_Rread).count, 0);
}

Test(hostfs_nowait, what_takes_more_than_a_look_is_done_where_it_may_block) {
  host_write("file", "contents");
  host_link("file", "link");
  if (!promises()) {
    skip("the tests' directory is on a filesystem that may not be local");
    return;
  }
  styx_msg link = walk_to("link"), missing = walk_to("none");
  cr_assert_eq(blocks(&link), 1);
  taken(STYX_Rwalk);
  ok(p9_clunk(p, F));
  cr_assert_eq(blocks(&missing), 1);
  cr_assert_eq(taken(STYX_Rerror).type, STYX_Rerror);
}

/* ---- FIFOs ---- */

static int fd_new(void *arg) {
  (void)arg;
  return eventfd(0, EFD_CLOEXEC);
}

static void fd_signal(void *arg, int fd) {
  (void)arg;
  cr_assert_eq(eventfd_write(fd, 1), 0);
}

static void fd_free(void *arg, int fd) {
  (void)arg;
  close(fd);
}

static styx_export export;

/* F open for reading on a FIFO, whose other end is the descriptor that is returned. */
static int fifo(void) {
  static const styx_hooks hooks = {.cancel_fd_new = fd_new, .cancel_fd_signal = fd_signal, .cancel_fd_free = fd_free};
  export = (styx_export){.fs = styx_hostfs_fs(hostfs)};
  styx_session_config config = {.size = sizeof config, .exports = &export, .nexports = 1, .hooks = &hooks};
  p9_free(p);
  p = p9_new_session(&config, 8192);
  ok(p9_attach(p, ROOT, "glenda", ""));
  cr_assert_eq(mkfifo(host("fifo"), 0666), 0);
  ok(p9_walk(p, ROOT, F, "fifo"));
  ok(p9_open(p, F, STYX_OREAD));
  int fd = open(host("fifo"), O_WRONLY | O_CLOEXEC);
  cr_assert_geq(fd, 0);
  return fd;
}

static void *run(void *work) {
  styx_work_run(work);
  return NULL;
}

/* Start a read on a thread of its own. */
static pthread_t read_on_a_thread(void) {
  pthread_t thread;
  p9_submit(p, &(styx_msg){.type = STYX_Tread, .tag = 900, .fid = F, .count = 100});
  styx_session *s = p9_session(p);
  styx_work *w = styx_session_next(s);
  if (!styx_work_about(w).may_block) { /* it would block, and says so */
    styx_work_run(w);
    cr_assert(styx_session_retire(s, 0));
    w = styx_session_next(s);
  }
  cr_assert_not_null(w);
  cr_assert(styx_work_about(w).may_block);
  cr_assert(styx_work_about(w).fs->ops->blocking & STYX_OP(read));
  cr_assert_eq(pthread_create(&thread, NULL, run, w), 0);
  return thread;
}

Test(hostfs_nowait, a_read_of_an_empty_fifo_waits_for_what_is_written) {
  int fd = fifo();
  pthread_t thread = read_on_a_thread();
  cr_assert_eq(write(fd, "text", 4), 4);
  pthread_join(thread, NULL);
  p9_pump(p);
  cr_assert_eq(taken(STYX_Rread).count, 4);
  close(fd);
}

Test(hostfs_nowait, a_read_of_a_fifo_ends_when_nobody_writes_any_more) {
  int fd = fifo();
  pthread_t thread = read_on_a_thread();
  close(fd);
  pthread_join(thread, NULL);
  p9_pump(p);
  cr_assert_eq(taken(STYX_Rread).count, 0);
}

Test(hostfs_nowait, a_read_of_an_empty_fifo_can_be_flushed) {
  int fd = fifo();
  pthread_t thread = read_on_a_thread();
  p9_submit(p, &(styx_msg){.type = STYX_Tflush, .tag = 901, .oldtag = 900});
  for (styx_work *w; (w = styx_session_next(p9_session(p)));)
    styx_work_run(w);
  pthread_join(thread, NULL);
  p9_pump(p);
  taken(STYX_Rflush);
  close(fd);
}
