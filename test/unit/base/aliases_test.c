/* aliases_test.c: what other servers say is understood, and Linux understands what we say. */
#include <styx/err.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

enum { LAST_ERRNO = 4095 };

static styx_err from(const char *text) { return styx_err_from_text(text, strlen(text)); }

struct words {
  const char *text;
  styx_err err;
};

static void understood(const struct words *words, size_t n) {
  for (size_t i = 0; i < n; i++)
    cr_assert_eq(from(words[i].text), words[i].err, "%s", words[i].text);
}

/* Every text of contract.md 1.13, and those of its 1.6, 1.7, 1.11 and 5.6 that are errors. */
Test(aliases, the_words_of_every_9p_server_are_understood) {
  static const struct words words[] = {
      /* styxservers: constants, then literals */
      {"fid already in use", STYX_EINUSE},
      {"bad fid", STYX_EBADFID},
      {"fid already opened", STYX_EOPEN},
      {"file does not exist", ENOENT},
      {"not a directory", ENOTDIR},
      {"permission denied", EACCES},
      {"bad argument", STYX_EBADARG},
      {"file already exists", EEXIST},
      {"open/create -- unknown mode", STYX_EMODE},
      {"read/write -- bad offset", STYX_EOFFSET},
      {"read/write -- count negative or exceeds msgsize", STYX_ECOUNT},
      {"read/write -- on non open fid", STYX_ENOTOPEN},
      {"read/write -- not open in suitable mode", STYX_EBADUSE},
      {"bad character in file name", STYX_ENAME},
      {". and .. are illegal names", STYX_EDOT},
      {"Tversion not seen", STYX_ENOVERSION},
      {"Styx reply didn't fit", STYX_ENOFIT},
      {"message size too small", STYX_EVERSION},
      {"authentication not required", STYX_ENOAUTH},
      {"can't find parent directory", STYX_ENOPARENT},
      /* styx.b, reading */
      {"invalid 9P message size", STYX_EFRAME},
      {"9P message longer than agreed", STYX_ETOOLONG},
      {"9P message truncated", STYX_ETRUNC},
      {"bad 9P T-message format", STYX_EBADT},
      {"bad 9P R-message format", STYX_EBADR},
      /* styxflush */
      {"duplicate tag", STYX_EDUPTAG},
      {"interrupted", EINTR},
      /* styxpersist, and what 5.6 has it say */
      {"unable to reopen file", STYX_EREOPEN},
      {"bad tag", STYX_EBADTAG},
      {"operation possibly not completed", STYX_EMAYBE},
      {"tag type mismatch", STYX_EBADR},
      {"auth fid discarded", STYX_EREOPEN},
      {"auth fid lost", STYX_EREOPEN},
      {"qid mismatch on reopen", STYX_EREOPEN},
      {"root attach failed", STYX_EREOPEN},
      {"hung up", STYX_EHANGUP},
      /* lib9p */
      {"bad offset", STYX_EOFFSET},
      {"9P protocol botch", EPROTO},
      {"create in non-directory", ENOTDIR},
      {"duplicate fid", STYX_EINUSE},
      {"is a directory", EISDIR},
      {"create prohibited", EACCES},
      {"remove prohibited", EACCES},
      {"stat prohibited", EACCES},
      {"write prohibited", EACCES},
      {"wstat prohibited", EACCES},
      {"file not found", ENOENT},
      {"unknown fid", STYX_EBADFID},
      {"bad directory in wstat", STYX_EBADSTAT},
      {"walk in non-directory", ENOTDIR},
      {"cannot clone open fid", STYX_EOPEN},
      {"unknown message", STYX_EUNKNOWN},
      {"ramfs: authentication not required", STYX_ENOAUTH},
      {"version: message size too small", STYX_EVERSION},
      {"not authenticated", STYX_EAUTH},
      {"not an auth fid", STYX_EAUTHFID},
      {"auth uname mismatch: glenda vs ken", STYX_EAUTH},
      {"auth aname mismatch: main vs other", STYX_EAUTH},
      {"phase error", ESTALE},
      /* 9pserve */
      {"invalid attach name", STYX_EANAME},
      {"authentication rejected", STYX_EREJECTED},
      {"unsupported file type", STYX_EFDTYPE},
      {"bad openfd mode", STYX_EFDMODE},
      /* the Go server */
      {"tag in use", STYX_EDUPTAG},
      {"no such fid", STYX_EBADFID},
      {"not supported", EOPNOTSUPP},
      {"No such file or directory", ENOENT},
      /* kernels */
      {"file is a directory", EISDIR},
      {"i/o on hungup channel", STYX_EHANGUP},
      {"mount rpc error", EIO},
  };
  understood(words, sizeof words / sizeof *words);
}

/* Every text that linux.md's list for 9p2000 names, wrong ones too: other servers send them. */
static const struct words linux_words[] = {
    {"No such file or directory", ENOENT},
    {"file not found", ENOENT},
    {"file does not exist", ENOENT},
    {"Permission denied", EACCES},
    {"permission denied", EACCES},
    {"File exists", EEXIST},
    {"file exists", EEXIST},
    {"file already exists", EEXIST},
    {"Not a directory", ENOTDIR},
    {"not a directory", ENOTDIR},
    {"Is a directory", EISDIR},
    {"Directory not empty", ENOTEMPTY},
    {"directory is not empty", ENOTEMPTY},
    {"Invalid argument", EINVAL},
    {"File name too long", ENAMETOOLONG},
    {"No space left on device", ENOSPC},
    {"file system is full", ENOSPC},
    {"Read-only file system", EROFS},
    {"Input/output error", EIO},
    {"i/o error", EIO},
    {"Operation not permitted", EPERM},
    {"not owner", EPERM},
    {"Invalid cross-device link", EXDEV},
    {"fid unknown or out of range", STYX_EBADFID},
    {"file in use", EBUSY},
    {"bad use of fid", STYX_EBADUSE},
};
enum { NLINUX = sizeof linux_words / sizeof *linux_words };

Test(aliases, the_words_of_the_linux_kernel_are_understood) {
  static const struct words wrong[] = {
      {"stat buffer too small", STYX_ESMALLBUF},
      {"directory not empty", ENOTEMPTY},
      {"Not a typewriter", ENOTTY},
      {"Stale file handle", ESTALE},
      {"authentication failed", STYX_EREJECTED},
      {"u9fs authnone: no authentication required", STYX_ENOAUTH},
  };
  understood(linux_words, NLINUX);
  understood(wrong, sizeof wrong / sizeof *wrong);
}

Test(aliases, the_usual_words_of_plan_9_and_unix_are_understood) {
  static const struct words words[] = {
      {"access permission denied", EACCES},
      {"exclusive lock", EBUSY},
      {"device or object already in use", EBUSY},
      {"file or directory already exists", EEXIST},
      {"Interrupted", EINTR},
      {"invalid argument", EINVAL},
      {"I/O error", EIO},
      {"cannot open directory for write", EISDIR},
      {"file name too long", ENAMETOOLONG},
      {"name too long", ENAMETOOLONG},
      {"no such file or directory", ENOENT},
      {"No such file", ENOENT},
      {"directory entry not found", ENOENT},
      {"no free memory", ENOMEM},
      {"out of memory", ENOMEM},
      {"file system full", ENOSPC},
      {"no space left on device", ENOSPC},
      {"not file owner", EPERM},
      {"operation not permitted", EPERM},
      {"write to hungup channel", EPIPE},
      {"file system is read only", EROFS},
      {"read only file system", EROFS},
      {"text file busy", ETXTBSY},
      {"Operation canceled", ECANCELED},
      {"connection refused", ECONNREFUSED},
      {"Resource deadlock would occur", EDEADLK},
      {"Inappropriate ioctl for device", ENOTTY},
      {"Cannot send after transport endpoint shutdown", ESHUTDOWN},
      {"connection timed out", ETIMEDOUT},
      {"fid in use", STYX_EINUSE},
      {"file already open for I/O", STYX_EOPEN},
      {"bad offset in directory read", STYX_EOFFSET},
      {"no authentication required", STYX_ENOAUTH},
      {"No message of desired type", ENOMSG},
      {"Address family not supported by protocol", EAFNOSUPPORT},
  };
  understood(words, sizeof words / sizeof *words);
}

/* linux.md: an unknown text becomes errno 526, so for an errno in its list we send one of its texts. */
Test(aliases, what_linux_must_recognise_is_sent_in_its_words) {
  for (size_t i = 0; i < NLINUX; i++) {
    styx_err err = linux_words[i].err;
    if (err > LAST_ERRNO || err == EBUSY) /* "file in use" is ETXTBSY there, which we do not mean by EBUSY */
      continue;
    size_t k = 0;
    while (k < NLINUX && strcmp(linux_words[k].text, styx_err_text(err)) != 0)
      k++;
    cr_assert(k < NLINUX, "%s", styx_err_text(err));
    cr_assert_eq(linux_words[k].err, err);
  }
}

Test(aliases, a_pattern_holds_at_one_end_only) {
  cr_assert_eq(from(": authentication not required"), STYX_ENOAUTH);
  cr_assert_eq(from("ramfs: authentication not required here"), STYX_EREMOTE_TEXT);
  cr_assert_eq(from("reauthentication not required"), STYX_EREMOTE_TEXT);
  cr_assert_eq(from("uthentication not required"), STYX_EREMOTE_TEXT);
  cr_assert_eq(from("auth uname mismatch: "), STYX_EAUTH);
  cr_assert_eq(from("auth uname mismatch:"), STYX_EREMOTE_TEXT);
  cr_assert_eq(from("no auth uname mismatch: a vs b"), STYX_EREMOTE_TEXT);
  cr_assert_eq(styx_err_from_text("ramfs: authentication not required", 33), STYX_EREMOTE_TEXT);
}
