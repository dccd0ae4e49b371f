/* nav.c: questions to navigators, and their answers. */
#include "servers/kit.h"

#include <errno.h>
#include <string.h>

static styx_str put_str(char **at, styx_str s) {
  styx_str copy = {*at, s.len};
  if (s.len)
    memcpy(*at, s.s, s.len);
  *at += s.len;
  return copy;
}

styx_attr *sx_attr_copy(const styx_allocator *alloc, const styx_attr *attr, size_t *size) {
  *size = sizeof *attr + attr->name.len + attr->uid.len + attr->gid.len + attr->muid.len + attr->extension.len;
  styx_attr *copy = sx_alloc(alloc, *size);
  if (!copy)
    return NULL;
  char *at = (char *)(copy + 1);
  *copy = *attr;
  copy->name = put_str(&at, attr->name);
  copy->uid = put_str(&at, attr->uid);
  copy->gid = put_str(&at, attr->gid);
  copy->muid = put_str(&at, attr->muid);
  copy->extension = put_str(&at, attr->extension);
  return copy;
}

/* q may be gone, or be asked again, when done returns. */
static void answer(styx_nav *q, styx_err err, const styx_attr *attr) {
  const styx_allocator *given = q->allocator;
  styx_allocator alloc = given ? *given : (styx_allocator){0};
  void *held = q->sx_held;
  size_t size = q->sx_held_size;
  q->sx_held = NULL;
  q->done(q, err, attr);
  sx_free(&alloc, held, size);
}

void styx_nav_hold(styx_nav *q, const styx_attr *attr) {
  sx_free(q->allocator, q->sx_held, q->sx_held_size);
  q->sx_held = sx_attr_copy(q->allocator, attr, &q->sx_held_size);
}

void styx_nav_attr(styx_nav *q, const styx_attr *attr) {
  if (!attr)
    attr = q->sx_held;
  answer(q, attr ? STYX_OK : ENOMEM, attr);
}

void styx_nav_error(styx_nav *q, styx_err err) { answer(q, err ? err : EIO, NULL); }

bool styx_nav_entry(styx_nav *q, const styx_dirent *entry) { return q->entry && q->entry(q, entry); }

void styx_nav_end(styx_nav *q) { answer(q, STYX_OK, NULL); }

styx_req *styx_nav_req(const styx_nav *q) { return q->req; }

void styx_navigator_stat(const styx_navigator *nav, styx_nav *q, uint64_t path) { nav->ops->stat(nav->ctx, q, path); }

void styx_navigator_walk(const styx_navigator *nav, styx_nav *q, uint64_t path, styx_str name) {
  nav->ops->walk(nav->ctx, q, path, name);
}

void styx_navigator_readdir(const styx_navigator *nav, styx_nav *q, uint64_t path, uint64_t cookie, uint32_t count) {
  nav->ops->readdir(nav->ctx, q, path, cookie, count);
}
