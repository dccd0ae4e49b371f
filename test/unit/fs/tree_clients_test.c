/* tree_clients_test.c: what clients create, remove and change, where the ops of a file allow it. */
#include "tree_fixture.h"

/* ---- a writable tree: files in memory, made by clients ---- */

static int destroyed, closed, asked;
static styx_err refuse, refuse_open;
static styx_err (*meanwhile)(styx_making *); /* what another thread does while the program is asked */
static uint32_t opened_with;
static uint64_t written_at;
static uint32_t set_valid;
static char last_name[32], last_user[32];

static const styx_file_ops file_ops, dir_ops;

static styx_err file_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  (void)user;
  opened_with = flags;
  *handle = aux;
  return refuse_open;
}

static styx_answer file_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  (void)handle, (void)offset, (void)count;
  return styx_reply_slice(req, aux, strlen(aux));
}

static styx_answer file_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  (void)handle, (void)aux, (void)data;
  written_at = offset;
  return styx_reply_count(req, count);
}

static styx_err file_close(void *aux, void *handle) {
  closed += handle == aux;
  return STYX_OK;
}

static void count_destroyed(void *aux) {
  (void)aux;
  destroyed++;
}

static styx_file *grows; /* a file is put in while the program is asked */

static styx_err may_remove(void *aux, styx_str user) {
  (void)aux, (void)user;
  asked++;
  if (grows)
    OK(styx_tree_text(tree, grows, "late", "x", NULL));
  return refuse;
}

static styx_err may_change(void *aux, styx_str user, const styx_setattr *set) {
  (void)aux, (void)user;
  asked++;
  set_valid = set->valid;
  return refuse;
}

static styx_err make(void *aux, styx_making *m) {
  (void)aux;
  asked++;
  snprintf(last_name, sizeof last_name, "%.*s", (int)m->name.len, m->name.s);
  snprintf(last_user, sizeof last_user, "%.*s", (int)m->user.len, m->user.s);
  if (refuse)
    return refuse;
  m->ops = m->mode & STYX_DMDIR ? &dir_ops : &file_ops;
  m->aux = (void *)(uintptr_t) "contents";
  return meanwhile ? meanwhile(m) : STYX_OK;
}

static const styx_file_ops file_ops = {.size = sizeof file_ops,
                                       .open = file_open,
                                       .read = file_read,
                                       .write = file_write,
                                       .close = file_close,
                                       .destroy = count_destroyed,
                                       .remove = may_remove,
                                       .wstat = may_change};
static const styx_file_ops dir_ops = {
    .size = sizeof dir_ops, .destroy = count_destroyed, .create = make, .remove = may_remove, .wstat = may_change};

static void open_up(void) {
  setup();
  destroyed = closed = asked = 0;
  refuse = refuse_open = STYX_OK;
  meanwhile = NULL;
  grows = NULL;
  styx_file_def def = {.size = sizeof def, .mode = STYX_DMDIR | 0775, .uid = "glenda", .gid = "staff", .ops = &dir_ops};
  OK(styx_tree_create(tree, NULL, &def, NULL));
}

TestSuite(tree_clients, .init = open_up, .fini = stop, .timeout = 60);

static styx_err create(struct p9 *p, uint32_t dir, uint32_t fid, const char *name, uint32_t perm, uint8_t mode) {
  OK(p9_walk(p, dir, fid, ""));
  return p9_create(p, fid, name, perm, mode);
}

static void made(const char *name, uint32_t perm) {
  OK(create(glenda, ROOT, F, name, perm, STYX_OREAD));
  OK(p9_clunk(glenda, F));
}

/* ---- create ---- */

Test(tree_clients, a_created_file_is_open_and_owned_by_who_made_it) {
  OK(create(glenda, ROOT, F, "f", 0666, STYX_ORDWR));
  cr_assert_str_eq(last_name, "f");
  cr_assert_str_eq(last_user, "glenda");
  char buf[32];
  uint32_t got = 0;
  OK(p9_read(glenda, F, 4, buf, sizeof buf, &got));
  cr_assert_eq(got, 4);
  styx_stat st = stat_of(glenda, F);
  cr_assert(styx_str_is(st.uid, "glenda") && styx_str_is(st.gid, "staff") && styx_str_is(st.name, "f"));
  cr_assert_eq(st.mode, 0664, "%o", (unsigned)st.mode); /* as the directory's mode leaves it */
  cr_assert_eq(opened_with, STYX_ORDWR);
  OK(p9_walk(bob, ROOT, F, "f"));
  cr_assert_eq(destroyed, 0);
}

Test(tree_clients, a_created_directory_can_be_created_in) {
  OK(create(glenda, ROOT, F, "d", STYX_DMDIR | 0777, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, G, "d"));
  OK(create(glenda, G, H, "f", 0666, STYX_OWRITE));
  OK(p9_walk(bob, ROOT, F, "d/f"));
}

Test(tree_clients, create_needs_write_permission_a_legal_name_and_a_free_one) {
  made("f", 0666);
  asked = 0;
  FAILS(create(bob, ROOT, F, "g", 0666, STYX_OREAD), EACCES);
  FAILS(create(glenda, ROOT, F, "f", 0666, STYX_OREAD), EEXIST);
  OK(p9_clunk(glenda, F));
  FAILS(create(glenda, ROOT, F, "a\nb", 0666, STYX_OREAD), STYX_ENAME);
  OK(p9_clunk(glenda, F));
  FAILS(create(glenda, ROOT, F, "..", 0666, STYX_OREAD), STYX_EDOT);
  OK(p9_clunk(glenda, F));
  OK(p9_walk(glenda, ROOT, F, "f"));
  FAILS(p9_create(glenda, F, "g", 0666, STYX_OREAD), ENOTDIR);
  cr_assert_eq(asked, 0, "the program is asked last");
}

Test(tree_clients, a_refused_create_leaves_the_fid_on_the_directory) {
  refuse = ENOSPC;
  FAILS(create(glenda, ROOT, F, "f", 0666, STYX_OREAD), ENOSPC);
  cr_assert_eq(destroyed, 0, "nothing was given to destroy");
  refuse = STYX_OK;
  refuse_open = EIO;
  FAILS(p9_create(glenda, F, "f", 0666, STYX_OREAD), EIO);
  cr_assert_eq(destroyed, 1);
  cr_assert_eq(closed, 0);
  refuse_open = STYX_OK;
  cr_assert_str_eq(names_in(glenda, F), "");
}

static styx_err other_is_quicker(styx_making *m) { return styx_tree_text(m->tree, m->dir, "f", "x", NULL); }
static styx_err directory_goes(styx_making *m) { return styx_tree_remove(m->tree, m->dir); }
static styx_err put_children(styx_making *m) {
  styx_file *sub = NULL;
  styx_err err = styx_tree_text(m->tree, m->file, "ctl", "x", NULL);
  if (!err)
    err = styx_tree_dir(m->tree, m->file, "sub", 0555, &sub);
  return err ? err : styx_tree_text(m->tree, sub, "data", "x", NULL);
}

Test(tree_clients, who_is_slower_to_create_hears_that_the_file_exists) {
  meanwhile = other_is_quicker;
  FAILS(create(glenda, ROOT, F, "f", 0666, STYX_OREAD), EEXIST);
  cr_assert_eq(closed, 1);
  cr_assert_eq(destroyed, 1);
}

Test(tree_clients, a_directory_removed_during_create_gets_no_file) {
  made("d", STYX_DMDIR | 0777);
  OK(p9_walk(glenda, ROOT, G, "d"));
  meanwhile = directory_goes;
  FAILS(create(glenda, G, H, "f", 0666, STYX_OREAD), ENOENT);
  cr_assert_eq(closed, 1);
  cr_assert_eq(destroyed, 1);
}

Test(tree_clients, a_new_directory_appears_with_all_that_the_program_puts_into_it) {
  meanwhile = put_children;
  OK(create(glenda, ROOT, F, "d", STYX_DMDIR | 0777, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, G, "d"));
  cr_assert_str_eq(names_in(glenda, G), "ctl sub");
  OK(p9_walk(bob, ROOT, G, "d/sub/../sub/data"));
  OK(p9_walk(bob, ROOT, H, "d/sub/../.."));
  cr_assert(styx_str_is(stat_of(bob, H).name, "/"));
}

static styx_err put_children_and_fail(styx_making *m) {
  styx_err err = put_children(m);
  return err ? err : EIO;
}

Test(tree_clients, a_new_directory_that_fails_takes_its_children_with_it) {
  size_t before = heap.live;
  meanwhile = put_children_and_fail;
  FAILS(create(glenda, ROOT, F, "d", STYX_DMDIR | 0777, STYX_OREAD), EIO);
  cr_assert_lt(heap.live, before + 256); /* a copy of the ops, a table */
  meanwhile = NULL;
  OK(p9_create(glenda, F, "d", STYX_DMDIR | 0777, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, G, "d"));
  cr_assert_str_eq(names_in(glenda, G), "");
}

/* ---- remove ---- */

Test(tree_clients, a_client_removes_what_the_program_lets_it) {
  made("f", 0666);
  OK(p9_walk(bob, ROOT, F, "f"));
  FAILS(p9_remove(bob, F), EACCES); /* no w in the parent */
  OK(p9_walk(glenda, ROOT, F, "f"));
  refuse = EBUSY;
  FAILS(p9_remove(glenda, F), EBUSY);
  refuse = STYX_OK;
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_remove(glenda, F));
  FAILS(p9_walk(glenda, ROOT, F, "f"), ENOENT);
  cr_assert_eq(destroyed, 1);
}

Test(tree_clients, only_an_empty_directory_is_removed_and_no_root) {
  made("d", STYX_DMDIR | 0777);
  OK(p9_walk(glenda, ROOT, G, "d"));
  OK(create(glenda, G, H, "f", 0666, STYX_OREAD));
  FAILS(p9_remove(glenda, G), ENOTEMPTY);
  OK(p9_remove(glenda, H));
  OK(p9_walk(glenda, ROOT, G, "d"));
  OK(p9_remove(glenda, G));
  OK(p9_walk(glenda, ROOT, G, ""));
  FAILS(p9_remove(glenda, G), EBUSY);
  cr_assert_eq(destroyed, 2);
}

Test(tree_clients, a_directory_that_fills_while_the_program_is_asked_stays) {
  made("d", STYX_DMDIR | 0777);
  OK(styx_tree_lookup(tree, root, "d", &grows));
  OK(p9_walk(glenda, ROOT, F, "d"));
  FAILS(p9_remove(glenda, F), ENOTEMPTY);
  OK(p9_walk(glenda, ROOT, F, "d/late"));
  styx_tree_put(tree, grows);
}

Test(tree_clients, fids_of_a_removed_file_read_and_write_on) {
  made("f", 0666);
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_walk(glenda, ROOT, G, "f"));
  OK(p9_walk(glenda, ROOT, H, "f"));
  OK(p9_open(glenda, F, STYX_ORDWR));
  OK(p9_remove(glenda, G));
  char buf[16];
  uint32_t got = 0;
  OK(p9_read(glenda, F, 0, buf, sizeof buf, &got));
  cr_assert_eq(got, 8);
  OK(p9_write(glenda, F, 0, "x", 1, &got));
  OK(p9_open(glenda, H, STYX_OREAD));
  OK(p9_clunk(glenda, F));
  cr_assert_eq(destroyed, 0);
  FAILS(p9_remove(glenda, H), ENOENT);
  cr_assert_eq(destroyed, 1);
}

Test(tree_clients, remove_on_close_removes_at_clunk_and_at_hangup) {
  made("f", 0666);
  made("g", 0666);
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_open(glenda, F, STYX_OREAD | STYX_ORCLOSE));
  OK(p9_walk(bob, ROOT, F, "f"));
  FAILS(p9_open(bob, F, STYX_OREAD | STYX_ORCLOSE), EACCES);
  OK(p9_clunk(bob, F));
  asked = 0;
  OK(p9_clunk(glenda, F));
  cr_assert_eq(asked, 0, "asked at open, not at close");
  FAILS(p9_walk(glenda, ROOT, F, "f"), ENOENT);
  OK(p9_walk(glenda, ROOT, F, "g"));
  OK(p9_open(glenda, F, STYX_OWRITE | STYX_ORCLOSE));
  OK(create(glenda, ROOT, G, "new", 0666, STYX_OWRITE | STYX_ORCLOSE));
  p9_free(glenda);
  glenda = NULL;
  cr_assert_eq(destroyed, 3);
  OK(p9_walk(bob, ROOT, F, ""));
  cr_assert_str_eq(names_in(bob, F), "");
}

Test(tree_clients, two_fids_that_remove_on_close_remove_once) {
  made("f", 0666);
  OK(p9_walk(glenda, ROOT, F, "f"));
  OK(p9_walk(glenda, ROOT, G, "f"));
  OK(p9_open(glenda, F, STYX_OREAD | STYX_ORCLOSE));
  OK(p9_open(glenda, G, STYX_OREAD | STYX_ORCLOSE));
  OK(p9_clunk(glenda, F));
  made("f", 0666); /* another of that name, which stays */
  OK(p9_clunk(glenda, G));
  cr_assert_eq(destroyed, 1);
  OK(p9_walk(glenda, ROOT, F, "f"));
}

Test(tree_clients, remove_on_close_is_refused_where_removal_is) {
  styx_file_ops keeps = file_ops;
  keeps.remove = NULL;
  OK(styx_tree_file(tree, root, "f", 0666, &keeps, (void *)(uintptr_t) "x", NULL));
  OK(p9_walk(glenda, ROOT, F, "f"));
  FAILS(p9_open(glenda, F, STYX_OREAD | STYX_ORCLOSE), EACCES);
}

/* ---- append-only and exclusive ---- */

Test(tree_clients, an_append_only_file_ignores_offsets_and_is_not_truncated) {
  styx_file *file = NULL;
  styx_file_def def = {.size = sizeof def,
                       .name = "log",
                       .mode = STYX_DMAPPEND | 0666,
                       .length = 100,
                       .ops = &file_ops,
                       .aux = (void *)(uintptr_t) "x"};
  OK(styx_tree_create(tree, root, &def, &file));
  OK(p9_walk(bob, ROOT, F, "log"));
  OK(p9_open(bob, F, STYX_OWRITE | STYX_OTRUNC));
  cr_assert_eq(opened_with, STYX_OWRITE);
  OK(p9_write(bob, F, 7, "x", 1, NULL));
  cr_assert_eq(written_at, 100);
  styx_tree_set_length(tree, file, 200);
  OK(p9_write(bob, F, 0, "x", 1, NULL));
  cr_assert_eq(written_at, 200);
}

Test(tree_clients, a_file_created_exclusive_has_one_opener_from_the_start) {
  OK(create(glenda, ROOT, F, "lock", STYX_DMEXCL | 0666, STYX_OREAD));
  OK(p9_walk(glenda, ROOT, G, "lock"));
  FAILS(p9_open(glenda, G, STYX_OREAD), STYX_EBUSYEXCL);
  OK(p9_clunk(glenda, F));
  OK(p9_open(glenda, G, STYX_OREAD));
}

/* ---- wstat ---- */

static styx_err wstat_name(struct p9 *p, uint32_t fid, const char *name) {
  styx_stat st = styx_stat_untouched();
  st.name = styx_str_of(name);
  return p9_wstat(p, fid, &st);
}

Test(tree_clients, a_twstat_changes_what_it_says_and_leaves_type_and_the_rest) {
  made("f", STYX_DMAPPEND | 0666);
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat before = stat_of(glenda, F);
  OK(wstat_name(glenda, F, "g"));
  cr_assert_eq(set_valid, STYX_SET_NAME);
  styx_stat after = stat_of(glenda, F);
  cr_assert(styx_str_is(after.name, "g"));
  cr_assert_eq(after.mode, before.mode);
  cr_assert_eq(after.qid.type, STYX_QTAPPEND);
  cr_assert_eq(after.qid.path, before.qid.path);
  cr_assert_eq(after.type, 0);
  styx_stat st = styx_stat_untouched();
  st.mode = 0600;
  st.mtime = 7;
  st.length = 33;
  OK(p9_wstat(glenda, F, &st));
  cr_assert_eq(set_valid, STYX_SET_MODE | STYX_SET_MTIME | STYX_SET_LENGTH);
  after = stat_of(glenda, F);
  cr_assert_eq(after.mode, 0600);
  cr_assert_eq(after.mtime, 7);
  cr_assert_eq(after.length, 33);
}

Test(tree_clients, a_twstat_keeps_the_rules_of_permission_before_anybody_is_asked) {
  made("f", 0644);
  made("g", 0644);
  asked = 0;
  OK(p9_walk(bob, ROOT, F, "f"));
  styx_stat st = styx_stat_untouched();
  FAILS(wstat_name(bob, F, "h"), EACCES);
  st.mode = 0666;
  FAILS(p9_wstat(bob, F, &st), EACCES);
  st = styx_stat_untouched();
  st.length = 0;
  FAILS(p9_wstat(bob, F, &st), EACCES);
  OK(p9_walk(glenda, ROOT, F, "f"));
  FAILS(wstat_name(glenda, F, "g"), EEXIST);
  FAILS(wstat_name(glenda, F, "a\x7f"), STYX_ENAME);
  st = styx_stat_untouched();
  st.uid = styx_str_of("bob");
  FAILS(p9_wstat(glenda, F, &st), EACCES);
  st = styx_stat_untouched();
  st.gid = styx_str_of("wheel");
  FAILS(p9_wstat(glenda, F, &st), EACCES);
  OK(p9_walk(glenda, ROOT, G, ""));
  FAILS(wstat_name(glenda, G, "x"), EBUSY);
  cr_assert_eq(asked, 0);
}

Test(tree_clients, a_twstat_whose_second_field_fails_changes_nothing) {
  made("f", 0644);
  OK(p9_walk(glenda, ROOT, F, "f"));
  styx_stat st = styx_stat_untouched(), before = stat_of(glenda, F);
  st.name = styx_str_of("g");
  st.gid = styx_str_of("wheel");
  st.mtime = 5;
  FAILS(p9_wstat(glenda, F, &st), EACCES);
  st.gid = styx_str_of("");
  refuse = EDQUOT;
  FAILS(p9_wstat(glenda, F, &st), EDQUOT);
  styx_stat after = stat_of(glenda, F);
  cr_assert(styx_str_is(after.name, "f"));
  cr_assert_eq(after.mtime, before.mtime);
}

Test(tree_clients, a_twstat_of_what_is_so_already_asks_nobody) {
  made("f", 0644);
  OK(p9_walk(glenda, ROOT, F, "f"));
  asked = 0;
  OK(wstat_name(glenda, F, "f"));
  styx_stat st = styx_stat_untouched();
  OK(p9_wstat(glenda, F, &st)); /* sync */
  cr_assert_eq(asked, 0);
}

/* ---- walking ---- */

Test(tree_clients, a_lookup_tells_missing_from_not_a_directory_from_forbidden) {
  made("f", 0644);
  styx_file *shut = NULL;
  OK(styx_tree_dir(tree, root, "shut", 0700, &shut));
  put_text(shut, "f");
  FAILS(p9_walk(glenda, ROOT, F, "none"), ENOENT);
  OK(p9_walk(glenda, ROOT, F, "f"));
  FAILS(p9_walk(glenda, F, G, "x"), ENOTDIR);
  OK(p9_walk(bob, ROOT, F, "shut"));
  FAILS(p9_walk(bob, F, G, "f"), EACCES);
}

/* ---- memory that fails ---- */

Test(tree_clients, create_remove_and_wstat_without_memory_change_nothing_and_leak_nothing) {
  size_t failed = 0;
  heap.fail_at = 0;
  for (bool reached = true; reached;) {
    static size_t at;
    destroyed = 0;
    heap.calls = 0;
    heap.fail_at = ++at;
    OK(p9_walk(glenda, ROOT, F, ""));
    styx_err err = p9_create(glenda, F, "f", 0666, STYX_OREAD | STYX_ORCLOSE);
    cr_assert(err == STYX_OK || err == ENOMEM);
    if (!err) {
      err = wstat_name(glenda, F, "g");
      cr_assert(err == STYX_OK || err == ENOMEM);
    }
    OK(p9_clunk(glenda, F));
    reached = heap.calls >= heap.fail_at;
    failed += reached;
    heap.fail_at = 0;
    OK(p9_walk(glenda, ROOT, G, ""));
    cr_assert_str_eq(names_in(glenda, G), "");
  }
  cr_assert_geq(failed, 4);
}
