/* err_test.c: every error has a number, a text and a way back. */
#include <styx/err.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
  styx_err err;
  int errno_;
  const char *text;
} rows[] = {
#define STYX_ERRNO(name, text) {name, name, text},
#define STYX_ERROR(name, code, errno_, text) {STYX_##name, errno_, text},
#include <styx/errors.def>
#undef STYX_ERRNO
#undef STYX_ERROR
};
enum { NROWS = sizeof rows / sizeof *rows };

enum { LAST_ERRNO = 4095 };

static styx_err from(const char *text) { return styx_err_from_text(text, strlen(text)); }
static styx_err wire(const char *text, uint32_t ecode) { return styx_err_from_wire(text, strlen(text), ecode); }

Test(err, every_row_has_its_text_and_its_errno) {
  for (size_t i = 0; i < NROWS; i++) {
    cr_assert_str_eq(styx_err_text(rows[i].err), rows[i].text);
    cr_assert_eq(styx_err_errno(rows[i].err), rows[i].errno_, "%s", rows[i].text);
    cr_assert(rows[i].errno_ > 0 && rows[i].errno_ <= LAST_ERRNO);
  }
}

Test(err, no_two_rows_share_a_number) {
  for (size_t i = 0; i < NROWS; i++)
    for (size_t k = 0; k < i; k++)
      cr_assert_neq(rows[i].err, rows[k].err, "%s and %s", rows[i].text, rows[k].text);
}

Test(err, every_text_reads_back_as_the_first_row_that_has_it) {
  for (size_t i = 0; i < NROWS; i++) {
    size_t first = 0;
    while (strcmp(rows[first].text, rows[i].text) != 0)
      first++;
    cr_assert_eq(from(rows[i].text), rows[first].err, "%s", rows[i].text);
  }
}

Test(err, texts_fit_what_clients_keep) {
  for (size_t i = 0; i < NROWS; i++)
    cr_assert(strlen(rows[i].text) > 0 && strlen(rows[i].text) < 128);
}

Test(err, every_errno_reads_back_from_its_text) {
  for (int e = 1; e <= LAST_ERRNO; e++)
    if (strcmp(styx_err_text(e), "unknown error") != 0)
      cr_assert_eq(from(styx_err_text(e)), e, "%s", styx_err_text(e));
}

Test(err, unknown_words_are_the_servers_own) {
  cr_assert_eq(from("the disk is on fire"), STYX_EREMOTE_TEXT);
  cr_assert_eq(from(""), STYX_EREMOTE_TEXT);
  cr_assert_eq(from("Success"), STYX_EREMOTE_TEXT);
  cr_assert_eq(styx_err_from_text("bad fid and more", 7), STYX_EBADFID);
  cr_assert_eq(styx_err_from_text("bad fid", 6), STYX_EREMOTE_TEXT);
  cr_assert_eq(styx_err_from_text("bad fid\0", 8), STYX_EREMOTE_TEXT);
}

Test(err, every_row_comes_back_from_its_text_and_number) {
  for (size_t i = 0; i < NROWS; i++)
    cr_assert_eq(wire(rows[i].text, (uint32_t)rows[i].errno_), from(rows[i].text), "%s", rows[i].text);
}

Test(err, a_known_text_says_more_than_a_number_that_agrees) {
  cr_assert_eq(wire("bad fid", EBADF), STYX_EBADFID);
  cr_assert_eq(wire("unknown fid", EBADF), STYX_EBADFID);
  cr_assert_eq(wire("authentication not required", EOPNOTSUPP), STYX_ENOAUTH);
  cr_assert_eq(wire("Address family not supported by protocol", EAFNOSUPPORT), EAFNOSUPPORT);
  cr_assert_eq(wire("error from the server", EIO), STYX_EREMOTE_TEXT);
}

Test(err, a_known_text_stands_for_a_number_that_nobody_knows) {
  static const uint32_t odd[] = {0,           41,        526,         LAST_ERRNO, LAST_ERRNO + 1,
                                 STYX_EINUSE, INT32_MAX, 0x80000000u, UINT32_MAX};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    cr_assert_eq(wire("file does not exist", odd[i]), ENOENT, "%u", odd[i]);
    cr_assert_eq(wire("bad fid", odd[i]), STYX_EBADFID, "%u", odd[i]);
  }
}

Test(err, a_number_that_contradicts_the_text_wins) {
  cr_assert_eq(wire("bad fid", ENOENT), ENOENT);
  cr_assert_eq(wire("file in use", ETXTBSY), ETXTBSY);
  cr_assert_eq(wire("file does not exist", EIO), EIO);
}

Test(err, a_number_beside_unknown_words_or_none_is_itself) {
  for (uint32_t e = 1; e <= LAST_ERRNO; e++) {
    cr_assert_eq(wire("the disk is on fire", e), (styx_err)e);
    cr_assert_eq(styx_err_from_wire(NULL, 0, e), (styx_err)e);
  }
}

Test(err, a_number_that_is_no_errno_is_never_success_nor_an_error_of_the_protocol) {
  static const uint32_t hostile[] = {0,         LAST_ERRNO + 1, STYX_EFRAME,           STYX_EBADFID, STYX_EREMOTE_TEXT,
                                     INT32_MAX, 0x80000000u,    (uint32_t)-STYX_EBADT, 0xfffffffeu,  UINT32_MAX};
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
    cr_assert_eq(wire("the disk is on fire", hostile[i]), STYX_EREMOTE_TEXT, "%u", hostile[i]);
    cr_assert_eq(styx_err_from_wire("", 0, hostile[i]), EIO, "%u", hostile[i]);
    cr_assert_eq(styx_err_from_wire(NULL, 0, hostile[i]), EIO, "%u", hostile[i]);
  }
}

Test(err, an_errno_without_a_row_is_itself_in_the_words_of_the_c_library) {
  cr_assert_eq(styx_err_errno(ENOPROTOOPT), ENOPROTOOPT);
  cr_assert_str_eq(styx_err_text(ENOPROTOOPT), "Protocol not available");
  for (int e = 1; e <= LAST_ERRNO; e++) {
    cr_assert_eq(styx_err_errno(e), e);
    cr_assert(styx_err_text(e)[0]);
  }
}

Test(err, success_and_nonsense_have_texts_too) {
  cr_assert_str_eq(styx_err_text(STYX_OK), "no error");
  cr_assert_str_eq(styx_err_text(4095), "unknown error");
  cr_assert_str_eq(styx_err_text(0x0fff + 0x1000), "unknown error");
  cr_assert_str_eq(styx_err_text(-1), "unknown error");
  cr_assert_eq(styx_err_errno(STYX_OK), 0);
  cr_assert_eq(styx_err_errno(-1), EIO);
  cr_assert_eq(styx_err_errno(0x7777), EIO);
}

Test(err, only_lost_framing_ends_a_connection) {
  for (styx_err err = 0; err < 0x2000; err++)
    cr_assert_eq(styx_err_is_framing(err),
                 err == STYX_EFRAME || err == STYX_ETOOLONG || err == STYX_ETRUNC || err == STYX_ENOTT, "%#x",
                 (unsigned)err);
}
