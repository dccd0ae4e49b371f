/* check_test.c: styx_can_open, create, read, write and remove; styx_openok and styx_openmode. */
#include "kit_fixture.h"

/* ---- pure ---- */

Test(openmode, every_mode_is_its_access_or_minus_one_and_OEXEC_is_one) {
  for (int o = -3; o < 512; o++) {
    bool legal = o >= 0 && (o & ~(3 | 0x10 | 0x40)) == 0;
    cr_assert_eq(styx_openmode(o), legal ? o & 3 : -1, "%#x", (unsigned)o);
  }
  cr_assert_eq(styx_openmode(STYX_OEXEC), STYX_OEXEC);
  cr_assert_eq(styx_openmode(0x51), STYX_OWRITE);
}

/* For each access mode and OTRUNC, all permissions, for the owner, a member of the group, and anybody: the union of the classes. */
Test(openok, is_the_union_of_the_classes_for_every_permission_mode_and_user) {
  static const uint32_t needs[4] = {4, 2, 6, 1};
  const char *const users[3] = {"owner", "group", "else"};
  for (uint32_t perm = 0; perm < 512; perm++)
    for (uint8_t mode = 0; mode < 8; mode++)
      for (int u = 0; u < 3; u++) {
        uint8_t m = (uint8_t)((mode & 3) | (mode & 4 ? STYX_OTRUNC : 0));
        uint32_t want = needs[mode & 3] | (mode & 4 ? 2u : 0u);
        uint32_t granted = perm & 7;
        granted |= u == 1 ? perm >> 3 & 7 : u == 0 ? perm >> 6 & 7 : 0;
        bool ok = styx_openok(styx_str_of(users[u]), m, perm, (styx_str)STYX_STR("owner"), (styx_str)STYX_STR("group"));
        cr_assert_eq(ok, (want & ~granted) == 0, "%o %#x %s", (unsigned)perm, (unsigned)m, users[u]);
      }
  /* styxservers wants one class to have them all. */
  cr_assert(styx_openok((styx_str)STYX_STR("u"), STYX_ORDWR, 0402, (styx_str)STYX_STR("u"), (styx_str)STYX_STR("g")));
}

Test(openok, a_directory_is_never_truncated) {
  styx_str me = STYX_STR("u");
  cr_assert_not(styx_openok(me, STYX_OREAD | STYX_OTRUNC, STYX_DMDIR | 0777, me, me));
  cr_assert(styx_openok(me, STYX_OREAD, STYX_DMDIR | 0777, me, me));
}

/* ---- what a check says ---- */

/* Of the last check: the program answers nothing but this. Each is made twice. */
static styx_check seen[2];
static char seen_names[2][64];
static int checks;

static styx_answer keep(styx_req *req, const styx_check *c, void *arg);

static styx_answer check_again(styx_req *req, void *arg) {
  const styx_msg *t = styx_req_msg(req);
  return t->type == STYX_Topen     ? styx_can_open(req, keep, arg)
         : t->type == STYX_Tcreate ? styx_can_create(req, keep, arg)
                                   : styx_can_remove(req, keep, arg);
}

static styx_answer keep(styx_req *req, const styx_check *c, void *arg) {
  seen[checks % 2] = *c;
  snprintf(seen_names[checks % 2], sizeof *seen_names, "%.*s/%.*s/%.*s", (int)c->attr.name.len, c->attr.name.s,
           (int)c->attr.uid.len, c->attr.uid.s, (int)c->attr.gid.len, c->attr.gid.s);
  if (++checks % 2)
    return check_again(req, arg);
  cr_assert_eq(seen[0].err, seen[1].err);
  cr_assert_eq(seen[0].mode, seen[1].mode);
  cr_assert_eq(seen[0].fid, seen[1].fid);
  cr_assert_eq(seen[0].parent, seen[1].parent);
  cr_assert_str_eq(seen_names[0], seen_names[1]);
  return c->err ? styx_srv_error(req, c->err) : styx_srv_error(req, EXDEV); /* allowed, and not done */
}

#define ALLOWED "Invalid cross-device link"

static bool really; /* opens are done */

static styx_answer request(styx_req *req, const styx_msg *t) {
  const styx_fid *f = NULL, *again = NULL;
  if (!really && (t->type == STYX_Topen || t->type == STYX_Tcreate || t->type == STYX_Tremove))
    return check_again(req, NULL);
  if (t->type == STYX_Tread || t->type == STYX_Twrite) {
    styx_err err = t->type == STYX_Tread ? styx_can_read(req, &f) : styx_can_write(req, &f);
    cr_assert_eq(t->type == STYX_Tread ? styx_can_read(req, &again) : styx_can_write(req, &again), err);
    cr_assert_eq(f, again);
    cr_assert_eq(f == NULL, err != STYX_OK);
    return styx_srv_error(req, err ? err : EXDEV);
  }
  return styx_default(req);
}

static struct p9 *checked(void) {
  world_init();
  w.ops.request = request;
  return client();
}

static void open_for(struct p9 *p, uint32_t fid, uint8_t mode) {
  really = true;
  WORKS(p9_open(p, fid, mode));
  really = false;
}

static const struct file permissions[] = {{ROOT, ROOT, "/", STYX_DMDIR | 0777, "glenda", "sys"},
                                          {A, ROOT, "a", 0000, "glenda", "sys"}};

/* Every byte that a Topen may have, against the nine permission bits one by one, none and all. */
Test(can_open, every_mode_byte_against_the_permissions_one_by_one) {
  struct file files[2] = {permissions[0], permissions[1]};
  struct p9 *p = checked();
  w.files = files;
  w.nfiles = 2;
  WORKS(p9_walk(p, 0, 1, "a"));
  for (int bit = -1; bit <= 9; bit++) {
    uint32_t perm = bit < 0 ? 0 : bit == 9 ? 0777 : 1u << bit;
    files[1].mode = perm;
    for (unsigned mode = 0; mode < 256; mode++) {
      bool legal = !(mode & ~(3u | STYX_OTRUNC | STYX_ORCLOSE));
      uint32_t need = (mode & 3) == 0 ? 4 : (mode & 3) == 1 ? 2 : (mode & 3) == 2 ? 6 : 1;
      need |= mode & STYX_OTRUNC ? 2u : 0u;
      bool may = ((perm | perm >> 6) & need) == need; /* glenda is the owner, in no group */
      expect_error(p, t_open(1, (uint8_t)mode), !legal ? "bad argument" : may ? ALLOWED : "permission denied");
      if (legal && may)
        cr_assert_eq(seen[1].mode, mode & ~(unsigned)STYX_OTRUNC);
    }
  }
  world_end(p);
}

Test(can_open, checks_in_the_order_of_the_manual) {
  struct p9 *p = checked();
  expect_error(p, t_open(9, 0xff), "bad fid");
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_walk(p, 0, 2, "gone"));
  WORKS(p9_walk(p, 0, 3, "dir"));
  WORKS(p9_walk(p, 0, 4, "own"));
  WORKS(p9_walk(p, 0, 5, "a"));
  open_for(p, 1, STYX_OREAD);
  expect_error(p, t_open(1, 0xff), "fid already opened");
  expect_error(p, t_open(2, 0xff), "Input/output error");
  expect_error(p, t_open(3, 0xff), "bad argument");
  expect_error(p, t_open(3, STYX_OWRITE), "permission denied");
  expect_error(p, t_open(3, STYX_OREAD | STYX_ORCLOSE), "permission denied");
  expect_error(p, t_open(3, STYX_OREAD | STYX_OTRUNC), "permission denied");
  expect_error(p, t_open(4, STYX_OREAD), "permission denied");
  expect_error(p, t_open(5, STYX_OREAD), ALLOWED);
  cr_assert_eq(seen[1].attr.qid.path, A);
  cr_assert_str_eq(seen_names[1], "a/glenda/sys");
  cr_assert_eq(seen[1].fid->fid, 5);
  world_end(p);
}

Test(can_open, ORCLOSE_needs_w_in_the_directory_and_no_root) {
  struct p9 *p = checked();
  WORKS(p9_attach(p, 10, "bob", ""));
  WORKS(p9_walk(p, 10, 1, "own/x"));
  expect_error(p, t_open(1, STYX_OREAD | STYX_ORCLOSE), ALLOWED);
  cr_assert_eq(seen[1].mode, STYX_OREAD | STYX_ORCLOSE);
  cr_assert_str_eq(seen_names[1], "x/bob/bob", "the file's, although the directory was asked for later");
  WORKS(p9_walk(p, 10, 2, "a"));
  expect_error(p, t_open(2, STYX_OREAD | STYX_ORCLOSE), "permission denied");
  world_end(p);
}

Test(can_create, checks_in_the_order_of_the_manual) {
  struct p9 *p = checked();
  expect_error(p, t_create(9, "a", 0644, 0xff), "bad fid");
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_walk(p, 0, 2, "gone"));
  WORKS(p9_walk(p, 0, 3, "a"));
  WORKS(p9_walk(p, 0, 4, "own"));
  open_for(p, 1, STYX_OREAD);
  expect_error(p, t_create(1, "a", 0644, 0xff), "fid already opened");
  expect_error(p, t_create(2, "a", 0644, 0xff), "Input/output error");
  expect_error(p, t_create(3, "a", 0644, 0xff), "not a directory");
  expect_error(p, t_create(4, "a", 0644, 0xff), "permission denied");
  expect_error(p, t_create(0, "a", 0644, 0xff), "file already exists");
  expect_error(p, t_create(0, "new", 0644, 0xff), "bad argument");
  expect_error(p, t_create(0, "new", 0644 | STYX_DMAUTH, STYX_OREAD), "bad argument");
  expect_error(p, t_create(0, "new", STYX_DMDIR | 0755, STYX_OWRITE), "permission denied");
  expect_error(p, t_create(0, "new", 0000, STYX_ORDWR), ALLOWED);
  expect_error(p, t_create(0, "new", 0755, STYX_OEXEC), ALLOWED);
  world_end(p);
}

Test(can_create, illegal_names_never_reach_the_program) {
  struct p9 *p = checked();
  expect_error(p, t_create(0, ".", 0644, 0), ". and .. are illegal names");
  expect_error(p, t_create(0, "..", 0644, 0), ". and .. are illegal names");
  expect_error(p, t_create(0, "", 0644, 0), "bad character in file name");
  expect_error(p, t_create(0, "a/b", 0644, 0), "bad character in file name");
  cr_assert_eq(checks, 0);
  world_end(p);
}

Test(can_create, the_new_file_has_its_name_its_maker_and_the_group_of_the_directory) {
  struct p9 *p = checked();
  expect_error(p, t_create(0, "new", STYX_DMAPPEND | STYX_DMEXCL | 0666, STYX_OWRITE | STYX_ORCLOSE), ALLOWED);
  cr_assert_str_eq(seen_names[1], "new/glenda/sys");
  cr_assert_eq(seen[1].attr.qid.type, STYX_QTAPPEND | STYX_QTEXCL);
  cr_assert_eq(seen[1].mode, STYX_OWRITE | STYX_ORCLOSE);
  expect_error(p, t_create(0, "new", STYX_DMDIR | 0777, STYX_OREAD), ALLOWED);
  cr_assert_eq(seen[1].attr.qid.type, STYX_QTDIR);
  cr_assert_eq(seen[1].attr.mode, STYX_DMDIR | 0775u);
  world_end(p);
}

Test(can_create, the_formula_of_permissions_for_512_by_512) {
  for (uint32_t dir = 0; dir < 512; dir++)
    for (uint32_t perm = 0; perm < 512; perm++) {
      cr_assert_eq(styx_create_mode(perm, dir), perm & (~0666u | (dir & 0666u)));
      cr_assert_eq(styx_create_mode(STYX_DMDIR | perm, dir), STYX_DMDIR | (perm & (~0777u | (dir & 0777u))));
    }
  struct file files[] = {{ROOT, ROOT, "/", 0, "glenda", "sys"}};
  struct p9 *p = checked();
  w.files = files;
  w.nfiles = 1;
  for (uint32_t dir = 0200; dir < 0400; dir += 011)
    for (uint32_t perm = 0; perm < 512; perm += 7) {
      files[0].mode = STYX_DMDIR | dir;
      expect_error(p, t_create(0, "new", perm, STYX_OREAD), ALLOWED);
      cr_assert_eq(seen[1].attr.mode, styx_create_mode(perm, dir));
    }
  world_end(p);
}

Test(can_read, checks_in_the_order_of_the_manual) {
  struct p9 *p = checked();
  expect_error(p, t_io(STYX_Tread, 9, UINT64_MAX, UINT32_MAX), "bad fid");
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_walk(p, 0, 2, "a"));
  expect_error(p, t_io(STYX_Tread, 1, UINT64_MAX, UINT32_MAX), "read/write -- on non open fid");
  open_for(p, 1, STYX_OWRITE);
  open_for(p, 2, STYX_OREAD);
  expect_error(p, t_io(STYX_Tread, 1, UINT64_MAX, UINT32_MAX), "read/write -- not open in suitable mode");
  expect_error(p, t_io(STYX_Tread, 2, UINT64_MAX, UINT32_MAX), "read/write -- count negative or exceeds msgsize");
  expect_error(p, t_io(STYX_Tread, 2, 0, 8192 - 23), "read/write -- count negative or exceeds msgsize");
  expect_error(p, t_io(STYX_Tread, 2, 1ull << 63, 1), "read/write -- bad offset");
  expect_error(p, t_io(STYX_Tread, 2, INT64_MAX, 1), "read/write -- bad offset");
  expect_error(p, t_io(STYX_Tread, 2, INT64_MAX - 1, 1), ALLOWED);
  expect_error(p, t_io(STYX_Tread, 2, 1ull << 32, 8192 - 24), ALLOWED);
  WORKS(p9_walk(p, 0, 3, "run"));
  open_for(p, 3, STYX_OEXEC);
  expect_error(p, t_io(STYX_Tread, 3, 0, 1), ALLOWED);
  world_end(p);
}

Test(can_write, checks_in_the_order_of_the_manual) {
  struct p9 *p = checked();
  expect_error(p, t_io(STYX_Twrite, 9, UINT64_MAX, 0), "bad fid");
  WORKS(p9_walk(p, 0, 1, "a"));
  WORKS(p9_walk(p, 0, 2, "a"));
  WORKS(p9_walk(p, 0, 3, "dir"));
  expect_error(p, t_io(STYX_Twrite, 1, UINT64_MAX, 0), "read/write -- on non open fid");
  open_for(p, 1, STYX_OREAD);
  open_for(p, 2, STYX_ORDWR);
  open_for(p, 3, STYX_OREAD);
  expect_error(p, t_io(STYX_Twrite, 3, UINT64_MAX, 0), "permission denied");
  expect_error(p, t_io(STYX_Twrite, 1, UINT64_MAX, 0), "read/write -- not open in suitable mode");
  expect_error(p, t_io(STYX_Twrite, 2, UINT64_MAX, 0), "read/write -- bad offset");
  expect_error(p, t_io(STYX_Twrite, 2, 0, 0), ALLOWED);
  world_end(p);
}

Test(can_remove, checks_in_the_order_of_the_manual_and_names_the_directory) {
  struct p9 *p = checked();
  expect_error(p, t_fid(STYX_Tremove, 9), "bad fid");
  WORKS(p9_walk(p, 0, 1, ""));
  expect_error(p, t_fid(STYX_Tremove, 1), "permission denied");
  WORKS(p9_attach(p, 10, "bob", ""));
  WORKS(p9_walk(p, 10, 1, "a"));
  expect_error(p, t_fid(STYX_Tremove, 1), "permission denied");
  WORKS(p9_walk(p, 0, 1, "dir/deep"));
  expect_error(p, t_fid(STYX_Tremove, 1), ALLOWED);
  cr_assert_eq(seen[1].parent, DIR_);
  struct file files[] = {hierarchy[0], {A, 99, "a", 0666, "glenda", "sys"}};
  w.files = files;
  w.nfiles = 2;
  files[1].parent = ROOT;
  WORKS(p9_walk(p, 0, 1, "a"));
  files[1].parent = 99;
  expect_error(p, t_fid(STYX_Tremove, 1), "can't find parent directory");
  world_end(p);
}

Test(checks, change_nothing_so_that_a_fid_that_was_refused_is_as_before) {
  struct p9 *p = checked();
  WORKS(p9_walk(p, 0, 1, "dir"));
  expect_error(p, t_create(1, "new", 0644, STYX_OREAD), ALLOWED);
  WORKS(p9_walk(p, 1, 2, "deep"));
  expect_error(p, t_open(2, STYX_OREAD), ALLOWED);
  WORKS(p9_walk(p, 2, 3, ""));
  open_for(p, 2, STYX_OREAD);
  world_end(p);
}

Test(checks, give_the_same_when_the_navigator_answers_in_two_steps_or_later) {
  struct p9 *p = checked();
  styx_msg r, t = t_create(0, "new", 0666, STYX_OREAD);
  w.held = true;
  expect_error(p, t, ALLOWED);
  cr_assert_str_eq(seen_names[1], "new/glenda/sys");
  w.later = true;
  t.tag = 5;
  p9_submit(p, &t);
  for (int i = 0; i < 4; i++) {
    p9_pump(p);
    cr_assert_not(p9_take(p, &r));
    answer_one();
  }
  p9_pump(p);
  cr_assert(p9_take(p, &r));
  cr_assert(styx_str_is(r.ename, ALLOWED));
  cr_assert_str_eq(seen_names[1], "new/glenda/sys");
  w.later = false;
  world_end(p);
}
