/* styx_cp_file.c: one file from one place to another, on a worker's thread. */
#include "styx_cp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL (64u * 1024)

/* The end that is not the one the client transfers with: a descriptor, or a fid that is written as the data comes. */
struct end {
  struct copy *cp;
  int fd;
  uint32_t fid;
  uint64_t offset;
  bool failed; /* at this end; the other end's errors come from the transfer itself */
};

static styx_err write_all(int fd, const char *p, size_t len) {
  while (len > 0) {
    ssize_t n = write(fd, p, len);
    if (n < 0 && errno != EINTR)
      return errno;
    p += n > 0 ? n : 0;
    len -= n > 0 ? (size_t)n : 0;
  }
  return STYX_OK;
}

static styx_err to_fd(void *arg, const void *data, size_t len) {
  struct end *e = arg;
  styx_err err = write_all(e->fd, data, len);
  e->failed = err != STYX_OK;
  cli_progress_moved(len);
  return err;
}

static styx_err to_fid(void *arg, const void *data, size_t len) {
  struct end *e = arg;
  const char *p = data;
  while (len > 0) {
    uint32_t put = 0;
    styx_err err = styx_client_write(e->cp->cli->c, e->fid, e->offset, p, (uint32_t)len, &put);
    if (!err && put == 0)
      err = EIO;
    if (err) {
      e->failed = true;
      return err;
    }
    p += put;
    len -= put;
    e->offset += put;
    cli_progress_moved(put);
  }
  return STYX_OK;
}

static styx_err from_fd(void *arg, void *buf, size_t cap, size_t *got) {
  struct end *e = arg;
  size_t have = 0;
  while (have < cap) {
    ssize_t n = read(e->fd, (char *)buf + have, cap - have);
    if (n == 0)
      break;
    if (n < 0 && errno != EINTR) {
      e->failed = true;
      return errno;
    }
    have += n > 0 ? (size_t)n : 0;
  }
  cli_progress_moved(have);
  *got = have;
  return STYX_OK;
}

/* ---- from here ---- */

/* The last steps of a file that was written to the server; ok: until here. */
static bool close_remote(struct copy *cp, const struct job *job, uint32_t fid, bool ok) {
  if (ok && cp_fid_finish(cp, fid, job->perm, job->mtime) != STYX_OK) {
    cp_place_fail_remote(cp, &job->to);
    ok = false;
  }
  if (styx_client_clunk(cp->cli->c, fid) == STYX_OK)
    return ok;
  if (ok)
    cp_place_fail_remote(cp, &job->to);
  return false;
}

static bool upload(struct copy *cp, const struct job *job) {
  styx_opened opened;
  uint32_t fid;
  struct end e = {.cp = cp, .fd = open(job->from.path, O_RDONLY | O_CLOEXEC)};
  if (e.fd < 0) {
    cp_place_fail(cp, &job->from, "%s", strerror(errno));
    return false;
  }
  bool ok = cli_open_or_create(cp->cli, job->to.path, job->perm, &fid, &opened, NULL);
  if (ok) {
    styx_transfer how = {
        .length = job->length, .iounit = opened.iounit, .window = opened.qid.type == STYX_QTFILE ? 0 : 1};
    styx_err err = styx_client_put(cp->cli->c, fid, &how, from_fd, &e, NULL);
    if (err && e.failed)
      cp_place_fail(cp, &job->from, "%s; %s is incomplete", styx_err_text(err), job->to.path);
    else if (err)
      cp_place_fail_remote(cp, &job->to);
    ok = close_remote(cp, job, fid, !err);
  }
  close(e.fd);
  return ok;
}

/* ---- from the server ---- */

static bool open_source(struct copy *cp, const struct job *job, uint32_t *fid, styx_opened *opened) {
  if (styx_client_walk(cp->cli->c, cp->cli->root, job->from.path, fid, NULL) != STYX_OK) {
    cp_place_fail_remote(cp, &job->from);
    return false;
  }
  if (styx_client_open(cp->cli->c, *fid, STYX_OREAD, opened) == STYX_OK)
    return true;
  cp_place_fail_remote(cp, &job->from);
  (void)styx_client_clunk(cp->cli->c, *fid);
  return false;
}

static bool transfer(struct copy *cp, const struct job *job, styx_sink_fn *sink, struct end *e) {
  uint32_t fid;
  styx_opened opened;
  if (!open_source(cp, job, &fid, &opened))
    return false;
  styx_transfer how = {.length = job->length, .iounit = opened.iounit};
  styx_err err = styx_client_get(cp->cli->c, fid, &how, sink, e, NULL);
  if (err && e->failed)
    cp_place_fail(cp, &job->to, "%s; the copy is incomplete", styx_err_text(err));
  else if (err)
    cp_place_fail_remote(cp, &job->from);
  (void)styx_client_clunk(cp->cli->c, fid);
  return !err;
}

/* A small file in one round trip; false: the long way has to be gone. */
static bool fetch(struct copy *cp, const struct job *job, struct end *e) {
  if (!cp->ordered || job->length >= SMALL || job->length > styx_client_msize(cp->cli->c) - STYX_IOHDRSZ)
    return false;
  char *buf = cli_alloc(job->length + 1);
  bool ok = styx_client_fetch(cp->cli->c, cp->cli->root, job->from.path, buf, (uint32_t)job->length) == STYX_OK &&
            to_fd(e, buf, job->length) == STYX_OK;
  free(buf);
  return ok;
}

static bool download(struct copy *cp, const struct job *job) {
  struct end e = {.cp = cp};
  e.fd = open(job->to.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)job->perm);
  if (e.fd < 0) {
    cp_place_fail(cp, &job->to, "%s", strerror(errno));
    return false;
  }
  bool ok = fetch(cp, job, &e) || (!e.failed && transfer(cp, job, to_fd, &e));
  if (close(e.fd) != 0 && ok) {
    cp_place_fail(cp, &job->to, "%s", strerror(errno));
    ok = false;
  }
  if (ok)
    cp_place_finish(cp, &job->to, job->perm, job->mtime);
  return ok;
}

/* The same file by two names would be emptied before it is read. */
static bool is_same(struct copy *cp, const struct job *job) {
  uint32_t a, b;
  styx_qid p = {.path = 0}, q = {.path = 1};
  if (styx_client_walk(cp->cli->c, cp->cli->root, job->from.path, &a, &p) == STYX_OK)
    (void)styx_client_clunk(cp->cli->c, a);
  if (styx_client_walk(cp->cli->c, cp->cli->root, job->to.path, &b, &q) == STYX_OK)
    (void)styx_client_clunk(cp->cli->c, b);
  return p.path == q.path && p.type == q.type;
}

static bool across(struct copy *cp, const struct job *job) {
  struct end e = {.cp = cp};
  if (is_same(cp, job)) {
    cp_place_fail(cp, &job->from, "%s is the same file", job->to.path);
    return false;
  }
  if (!cli_open_or_create(cp->cli, job->to.path, job->perm, &e.fid, NULL, NULL))
    return false;
  return close_remote(cp, job, e.fid, transfer(cp, job, to_fid, &e));
}

void cp_file(struct copy *cp, const struct job *job) {
  bool ok = !job->from.remote ? upload(cp, job) : job->to.remote ? across(cp, job) : download(cp, job);
  if (ok)
    cli_progress_file();
}
