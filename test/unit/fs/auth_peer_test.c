/* auth_peer_test.c: who may attach as whom, by the credentials of the peer. */
#include "support/scripted.h"

#include <criterion/criterion.h>
#include <pwd.h>
#include <string.h>

static bool lookup(void *arg, styx_str name, uint32_t *uid) {
  cr_assert_null(arg);
  static const struct {
    const char *name;
    uint32_t uid;
  } users[] = {{"glenda", 1000}, {"glenda2", 1000}, {"bob", 1001}, {"1001", 2000}, {"root", 0}};
  for (size_t i = 0; i < sizeof users / sizeof *users; i++)
    if (styx_str_is(name, users[i].name)) {
      *uid = users[i].uid;
      return true;
    }
  return false;
}

static bool lets_in(const styx_auth *auth, const styx_peer *peer, const char *uname) {
  struct script *p = script_bare();
  p->peer = peer;
  p->export.auth = *auth;
  script_t(p, t_version(8192, "9P2000"));
  styx_msg m = t_attach(1, 0);
  m.uname = styx_str_of(uname);
  script_t(p, m);
  p->taken = 1;
  const char *line = script_line(p);
  const bool in = strncmp(line, "Rattach tag 1", 13) == 0;
  if (!in)
    cr_assert_str_eq(line, "Rerror tag 1 ename 'authentication rejected'");
  script_free(p);
  return in;
}

Test(auth_peer, the_name_or_the_number_has_to_be_that_of_the_peer) {
  static const struct {
    uint32_t uid;
    const char *uname;
    bool in;
  } rows[] = {
      {1000, "glenda", true},  {1000, "glenda2", true},      {1000, "1000", true},
      {1000, "bob", false},    {1000, "root", false},        {1000, "", false},
      {1000, "0", false},      {1000, "01000", false},       {1000, "+1000", false},
      {1000, " 1000", false},  {1000, "1000 ", false},       {1000, "4294968296", false},
      {1000, "nobody", false}, {1001, "1001", false},        {2000, "1001", true},
      {2000, "2000", true},    {1001, "bob", true},          {4294967294u, "4294967294", true},
      {1000, "Glenda", false}, {1000, "99999999999", false},
  };
  const styx_peer_users users = {lookup, NULL};
  const styx_auth auth = styx_peer_auth(&users);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const styx_peer peer = {.uid = rows[i].uid, .gid = 0};
    cr_assert_eq(lets_in(&auth, &peer, rows[i].uname), rows[i].in, "%u as \"%s\"", rows[i].uid, rows[i].uname);
  }
}

Test(auth_peer, root_may_be_anybody) {
  const styx_peer_users users = {lookup, NULL};
  const styx_auth auth = styx_peer_auth(&users);
  const styx_peer root = {.uid = 0, .gid = 1000};
  cr_assert(lets_in(&auth, &root, "root"));
  cr_assert(lets_in(&auth, &root, "glenda"));
  cr_assert(lets_in(&auth, &root, "unheard-of"));
  cr_assert(lets_in(&auth, &root, ""));
}

Test(auth_peer, a_peer_that_is_not_known_is_refused) {
  const styx_peer_users users = {lookup, NULL};
  const styx_auth auth = styx_peer_auth(&users);
  cr_assert_not(lets_in(&auth, NULL, "glenda"));
  cr_assert_not(lets_in(&auth, NULL, "root"));
  cr_assert_not(lets_in(&auth, NULL, "0"));
}

Test(auth_peer, without_a_lookup_the_system_s_users_count) {
  const styx_auth auth = styx_peer_auth(NULL);
  const struct passwd *row;
  setpwent();
  while ((row = getpwent()) && row->pw_uid == 0)
    ;
  cr_assert(row, "this system has no user but root");
  const styx_peer peer = {.uid = row->pw_uid};
  cr_assert(lets_in(&auth, &peer, row->pw_name));
  cr_assert_not(lets_in(&auth, &peer, "root"));
  cr_assert_not(lets_in(&auth, &peer, "no-such-user"));
}

Test(auth_peer, there_is_no_conversation) {
  const styx_peer peer = {.uid = 0};
  struct script *p = script_bare();
  p->peer = &peer;
  p->export.auth = styx_peer_auth(NULL);
  script_t(p, t_version(8192, "9P2000"));
  styx_msg m = {.type = STYX_Tauth, .tag = 1, .afid = 5, .uname = STYX_STR("glenda"), .aname = {"", 0}};
  script_t(p, m);
  p->taken = 1;
  cr_assert_str_eq(script_line(p), "Rerror tag 1 ename 'authentication not required'");
  m = t_attach(2, 0);
  m.afid = 5;
  script_t(p, m);
  cr_assert_str_eq(script_line(p), "Rerror tag 2 ename 'bad fid'");
  script_free(p);
}
