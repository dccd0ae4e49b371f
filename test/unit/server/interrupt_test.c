/* interrupt_test.c: when a handler may be interrupted at all, and whose signal it is. test/stress/interrupt_stress.c does it. */
#include <styx/client.h>
#include <styx/server.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

/* The answer to attach says whether a pair began. */
static styx_answer begin_attach(styx_req *r) {
  bool begun = styx_interruptible_begin(r);
  errno = ENOTTY;
  styx_interruptible_end();
  cr_assert_eq(errno, ENOTTY, "the end of a pair keeps errno");
  styx_interruptible_end();
  return styx_reply_error(r, begun ? EDOM : ERANGE);
}

static const styx_fs_ops ops = {.size = sizeof ops, .name = "begin", .attach = begin_attach};
static const styx_export export = {.fs = {&ops, NULL}};

static styx_server_config config_with(int signal) {
  return (styx_server_config){
      .size = sizeof(styx_server_config), .exports = &export, .nexports = 1, .workers = 1, .interrupt_signal = signal};
}

static styx_server *server_with(int signal) {
  const styx_server_config config = config_with(signal);
  styx_server *server;
  cr_assert_eq(styx_server_new(&server, &config), STYX_OK);
  return server;
}

static styx_err attach_to(styx_server *server) {
  int fds[2];
  uint32_t fid;
  styx_client *client;
  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  cr_assert_eq(styx_server_adopt(server, fds[0], "test"), STYX_OK);
  cr_assert_eq(styx_client_new(&client, fds[1], NULL), STYX_OK);
  styx_err err = styx_client_attach(client, "tester", "", &fid, NULL);
  styx_client_free(client);
  return err;
}

static void (*handler_of(int signal))(int) {
  struct sigaction now;
  cr_assert_eq(sigaction(signal, NULL, &now), 0);
  return now.sa_handler;
}

static void of_the_program(int signal) { (void)signal; }

Test(interrupt, is_off_by_default) {
  styx_server *server = server_with(0);
  cr_assert_eq(styx_server_start(server), STYX_OK);
  cr_assert_eq(attach_to(server), ERANGE);
  cr_assert_eq(styx_server_stop(server, 0, NULL), STYX_OK);
  styx_server_free(server);
}

Test(interrupt, borrows_its_signal_while_the_server_runs) {
  styx_server *server = server_with(SIGUSR2);
  cr_assert_eq(handler_of(SIGUSR2), SIG_DFL);
  cr_assert_eq(styx_server_start(server), STYX_OK);
  cr_assert_neq(handler_of(SIGUSR2), SIG_DFL);
  cr_assert_eq(attach_to(server), EDOM);
  cr_assert_eq(styx_server_stop(server, 0, NULL), STYX_OK);
  cr_assert_eq(handler_of(SIGUSR2), SIG_DFL);
  styx_server_free(server);
}

Test(interrupt, takes_no_signal_that_the_program_handles_or_ignores) {
  void (*const theirs[])(int) = {of_the_program, SIG_IGN};
  for (size_t i = 0; i < 2; i++) {
    styx_server *server = server_with(SIGUSR2);
    signal(SIGUSR2, theirs[i]);
    cr_assert_eq(styx_server_start(server), EBUSY);
    cr_assert_eq(handler_of(SIGUSR2), theirs[i]);
    styx_server_free(server);
  }
}

Test(interrupt, two_servers_need_two_signals) {
  styx_server *one = server_with(SIGRTMIN), *two = server_with(SIGRTMIN), *three = server_with(SIGRTMAX);
  cr_assert_eq(styx_server_start(one), STYX_OK);
  cr_assert_eq(styx_server_start(two), EBUSY);
  cr_assert_eq(styx_server_start(three), STYX_OK);
  cr_assert_eq(styx_server_stop(three, 0, NULL), STYX_OK);
  cr_assert_eq(attach_to(one), EDOM);
  cr_assert_eq(styx_server_stop(one, 0, NULL), STYX_OK);
  cr_assert_eq(styx_server_start(two), STYX_OK, "the signal is free again");
  cr_assert_eq(styx_server_stop(two, 0, NULL), STYX_OK);
  styx_server_free(one);
  styx_server_free(two);
  styx_server_free(three);
}

Test(interrupt, refuses_signals_that_mean_something_else) {
  const int wrong[] = {-1, SIGKILL, SIGSEGV, SIGCHLD, SIGPIPE, SIGRTMIN - 1, SIGRTMAX + 1};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const styx_server_config config = config_with(wrong[i]);
    styx_server *server = NULL;
    cr_assert_eq(styx_server_new(&server, &config), STYX_EBADARG, "signal %d", wrong[i]);
    cr_assert_null(server);
  }
}
