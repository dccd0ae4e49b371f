/* addr_test.c: every form of an address, every way to get one wrong, and the way back. */
#include <styx/server.h>

#include <criterion/criterion.h>
#include <string.h>

static styx_addr good(const char *text) {
  styx_addr a;
  const char *why = "";
  cr_assert_eq(styx_addr_parse(&a, text, &why), STYX_OK, "%s: %s", text, why);
  return a;
}

static void tcp(const char *text, const char *host, const char *port) {
  styx_addr a = good(text);
  cr_assert_eq(a.net, STYX_NET_TCP, "%s", text);
  cr_assert_str_eq(a.host, host, "%s", text);
  cr_assert_str_eq(a.port, port, "%s", text);
}

static void path(const char *text, const char *want) {
  styx_addr a = good(text);
  cr_assert_eq(a.net, STYX_NET_UNIX, "%s", text);
  cr_assert_str_eq(a.path, want, "%s", text);
}

static void bad(const char *text, const char *part) {
  styx_addr a, before;
  const char *why = NULL;
  memset(&a, 0x5a, sizeof a);
  before = a;
  cr_assert_eq(styx_addr_parse(&a, text, &why), STYX_EADDRESS, "%s", text);
  cr_assert_not_null(why);
  cr_assert(strstr(why, part), "%s: \"%s\" does not say \"%s\"", text, why, part);
  cr_assert(memcmp(&a, &before, sizeof a) == 0, "%s: the result was touched", text);
  cr_assert_eq(styx_addr_parse(&a, text, NULL), STYX_EADDRESS);
}

static void prints(const char *text, const char *want) {
  char buf[300];
  styx_addr a = good(text), b;
  size_t n = styx_addr_print(buf, sizeof buf, &a);
  cr_assert_str_eq(buf, want);
  cr_assert_eq(n, strlen(want));
  b = good(buf);
  cr_assert(memcmp(&a, &b, sizeof a) == 0, "%s does not come back", text);
}

Test(addr, plan_9_form_names_net_host_and_port) {
  tcp("tcp!example.org!5640", "example.org", "5640");
  tcp("tcp!127.0.0.1!9pfs", "127.0.0.1", "9pfs");
  tcp("tcp!::1!5640", "::1", "5640");
  tcp("tcp![fe80::1%eth0]!5640", "fe80::1%eth0", "5640");
}

Test(addr, a_star_is_every_interface) {
  tcp("tcp!*!5640", "", "5640");
  tcp("*:5640", "", "5640");
}

Test(addr, without_a_port_it_is_564) {
  tcp("tcp!example.org", "example.org", "564");
  tcp("example.org", "example.org", "564");
  tcp("[::1]", "::1", "564");
  tcp("tcp!*", "", "564");
}

Test(addr, colon_forms_name_host_and_port) {
  tcp("localhost:5640", "localhost", "5640");
  tcp("10.0.0.1:0", "10.0.0.1", "0");
  tcp("[::1]:65535", "::1", "65535");
}

Test(addr, unix_sockets_are_written_four_ways) {
  path("unix!/run/styxd", "/run/styxd");
  path("unix!name with ! and :", "name with ! and :");
  path("/run/styxd", "/run/styxd");
  path("./s", "./s");
  path("../s!1", "../s!1");
}

Test(addr, what_is_no_address_says_why) {
  bad("", "empty");
  bad("udp!host!1", "neither tcp nor unix");
  bad("!host!1", "neither tcp nor unix");
  bad("unix!", "missing");
  bad("tcp!!564", "host is missing");
  bad(":564", "host is missing");
  bad("[]:564", "host is missing");
  bad("tcp!host!", "port is empty");
  bad("host:", "port is empty");
  bad("host:65536", "over 65535");
  bad("host:99999999999999999999", "over 65535");
  bad("host:5 6", "neither a number");
  bad("tcp!host!1!2", "neither a number");
  bad("::1:564", "[address]:port");
  bad("[::1:564", "] after");
  bad("[::1]564", "only a colon");
  bad("ho st:1", "no host name");
  bad("ho\nst", "no host name");
}

Test(addr, what_is_too_long_is_refused) {
  char text[400];
  memset(text, 'a', sizeof text);
  text[0] = '/';
  text[108] = '\0';
  bad(text, "over 107");
  text[107] = '\0';
  path(text, text);
  memset(text, 'a', sizeof text);
  text[256] = '\0';
  bad(text, "host name is too long");
  memcpy(text, "host:", 5);
  text[5 + 32] = '\0';
  bad(text, "port is too long");
}

Test(addr, what_is_printed_parses_to_the_same) {
  prints("host:1", "tcp!host!1");
  prints("[::1]:5640", "tcp!::1!5640");
  prints("*:5640", "tcp!*!5640");
  prints("host", "tcp!host!564");
  prints("./s", "unix!./s");
  prints("unix!a!b", "unix!a!b");
}

Test(addr, printing_tells_the_length_it_needs) {
  char buf[8];
  styx_addr a = good("tcp!localhost!5640");
  cr_assert_eq(styx_addr_print(buf, sizeof buf, &a), strlen("tcp!localhost!5640"));
  cr_assert_str_eq(buf, "tcp!loc");
  cr_assert_eq(styx_addr_print(NULL, 0, &a), strlen("tcp!localhost!5640"));
}
