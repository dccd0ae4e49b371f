/* checks_test.c: what the protocol says of a request before any filesystem sees it. */
#include "session/state.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(checks, every_mode_byte_is_one_of_the_sixteen_or_refused) {
  int good = 0;
  for (unsigned mode = 0; mode < 256; mode++) {
    bool legal = (mode & ~0x53u) == 0;
    cr_assert_eq(sx_check_open((uint8_t)mode, false), legal ? STYX_OK : STYX_EBADARG, "mode %#x", mode);
    good += sx_check_open((uint8_t)mode, false) == STYX_OK;
  }
  cr_assert_eq(good, 16);
}

Test(checks, directories_are_only_read) {
  for (unsigned mode = 0; mode < 256; mode++)
    cr_assert_eq(sx_check_open((uint8_t)mode, true) == STYX_OK, mode == STYX_OREAD, "mode %#x", mode);
  cr_assert_eq(sx_check_open(STYX_OWRITE, true), EISDIR);
}

static styx_err create(const char *name, uint32_t perm, uint8_t mode) {
  styx_msg m = {.type = STYX_Tcreate, .name = styx_str_of(name), .perm = perm, .mode = mode};
  return sx_check_create(&m, 8);
}

Test(checks, create_wants_a_plain_name_and_known_bits) {
  cr_assert_eq(create("file", 0644, STYX_OWRITE), STYX_OK);
  cr_assert_eq(create("", 0644, STYX_OWRITE), STYX_ENAME);
  cr_assert_eq(create("a/b", 0644, STYX_OWRITE), STYX_ENAME);
  cr_assert_eq(create(".", 0644, STYX_OWRITE), STYX_EDOT);
  cr_assert_eq(create("..", 0644, STYX_OWRITE), STYX_EDOT);
  cr_assert_eq(create("...", 0644, STYX_OWRITE), STYX_OK);
  cr_assert_eq(create("ninechars", 0644, STYX_OWRITE), ENAMETOOLONG);
  cr_assert_eq(create("dir", STYX_DMDIR | 0755, STYX_OREAD), STYX_OK);
  cr_assert_eq(create("dir", STYX_DMDIR | 0755, STYX_OWRITE), EISDIR);
  cr_assert_eq(create("f", STYX_DMAPPEND | STYX_DMEXCL | STYX_DMTMP | 0777, STYX_OREAD), STYX_OK);
  cr_assert_eq(create("f", STYX_DMAUTH | 0600, STYX_OREAD), STYX_EBADARG);
  cr_assert_eq(create("f", 04755, STYX_OREAD), STYX_EBADARG);
}

static styx_err io(uint8_t type, uint8_t mode, uint64_t offset, uint32_t count) {
  struct sx_binding b = {.b_open = true, .b_mode = mode};
  styx_msg m = {.type = type, .offset = offset, .count = count};
  return sx_check_io(&b, &m);
}

Test(checks, reads_and_writes_need_an_open_in_a_fitting_mode) {
  static const struct {
    uint8_t mode;
    bool reads, writes;
  } rows[] = {{STYX_OREAD, true, false},
              {STYX_OWRITE, false, true},
              {STYX_ORDWR, true, true},
              {STYX_OEXEC, true, false},
              {STYX_OWRITE | STYX_OTRUNC | STYX_ORCLOSE, false, true}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cr_assert_eq(io(STYX_Tread, rows[i].mode, 0, 1), rows[i].reads ? STYX_OK : STYX_EBADUSE);
    cr_assert_eq(io(STYX_Twrite, rows[i].mode, 0, 1), rows[i].writes ? STYX_OK : STYX_EBADUSE);
  }
  struct sx_binding closed = {.b_open = false};
  styx_msg m = {.type = STYX_Tread};
  cr_assert_eq(sx_check_io(&closed, &m), STYX_ENOTOPEN);
}

Test(checks, offsets_stay_below_two_to_the_63) {
  cr_assert_eq(io(STYX_Tread, STYX_OREAD, INT64_MAX - 5, 5), STYX_OK);
  cr_assert_eq(io(STYX_Tread, STYX_OREAD, INT64_MAX - 5, 6), STYX_EOFFSET);
  cr_assert_eq(io(STYX_Twrite, STYX_OWRITE, UINT64_MAX, 1), STYX_EOFFSET);
  cr_assert_eq(io(STYX_Twrite, STYX_OWRITE, (uint64_t)1 << 63, 0), STYX_EOFFSET);
}

static const styx_qid FILE_QID = {0, 7, 42}, DIR_QID = {STYX_QTDIR, 7, 42};

static styx_err wstat(const styx_stat *st, styx_qid qid, styx_setattr *out) { return sx_check_wstat(st, qid, 8, out); }

Test(checks, a_wstat_that_touches_nothing_sets_nothing) {
  styx_setattr set;
  styx_stat st = styx_stat_untouched();
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_OK);
  cr_assert_eq(set.valid, 0);
}

Test(checks, each_field_of_a_wstat_alone) {
  styx_setattr set;
  styx_stat st = styx_stat_untouched();
  st.mode = 0600;
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_OK);
  cr_assert_eq(set.valid, STYX_SET_MODE);
  st = styx_stat_untouched();
  st.mtime = 5;
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_OK);
  cr_assert_eq(set.valid, STYX_SET_MTIME);
  cr_assert_eq(set.mtime.sec, 5);
  st = styx_stat_untouched();
  st.length = 9;
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_OK);
  cr_assert_eq(set.valid, STYX_SET_LENGTH);
  cr_assert_eq(wstat(&st, DIR_QID, &set), EISDIR);
  st.length = 0;
  cr_assert_eq(wstat(&st, DIR_QID, &set), STYX_OK, "a directory's length is 0 already");
  cr_assert_eq(set.valid, 0);
  st.length = (uint64_t)1 << 63;
  cr_assert_eq(wstat(&st, FILE_QID, &set), EFBIG);
  st = styx_stat_untouched();
  st.gid = (styx_str)STYX_STR("sys");
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_OK);
  cr_assert_eq(set.valid, STYX_SET_GID);
  st = styx_stat_untouched();
  st.name = (styx_str)STYX_STR("new");
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_OK);
  cr_assert_eq(set.valid, STYX_SET_NAME);
  st.name = (styx_str)STYX_STR("a/b");
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_ENAME);
  st.name = (styx_str)STYX_STR("..");
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_EDOT);
}

Test(checks, what_nobody_may_change_is_refused_unless_it_stays_the_same) {
  styx_setattr set;
  styx_stat st = styx_stat_untouched();
  st.qid = FILE_QID;
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_OK);
  st.qid.path++;
  cr_assert_eq(wstat(&st, FILE_QID, &set), EPERM);
  st = styx_stat_untouched();
  st.qid.vers = 8;
  cr_assert_eq(wstat(&st, FILE_QID, &set), EPERM);
  st = styx_stat_untouched();
  st.mode = STYX_DMDIR | 0755;
  cr_assert_eq(wstat(&st, FILE_QID, &set), EPERM);
  cr_assert_eq(wstat(&st, DIR_QID, &set), STYX_OK);
  st.mode = 0755;
  cr_assert_eq(wstat(&st, DIR_QID, &set), EPERM);
  st = styx_stat_untouched();
  st.muid = (styx_str)STYX_STR("me"); /* Linux sends it with each rename */
  cr_assert_eq(wstat(&st, FILE_QID, &set), STYX_OK);
  cr_assert_eq(set.valid, 0);
  st = styx_stat_untouched();
  st.dev = 3;
  cr_assert_eq(wstat(&st, FILE_QID, &set), EPERM);
}
