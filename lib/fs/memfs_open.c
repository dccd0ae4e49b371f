/* memfs_open.c: open, create, close, remove and forget of memfs. */
#include "fs/memfs_state.h"

#include "base/alloc.h"

#include <errno.h>

/* Takes the reference to user, whether or not it succeeds. */
static struct sx_memhandle *new_handle(const styx_allocator *alloc, struct sx_text *user, uint32_t flags) {
  struct sx_memhandle *handle = user ? sx_alloc(alloc, sizeof *handle) : NULL;
  if (!handle)
    sx_text_put(alloc, user);
  else
    *handle = (struct sx_memhandle){user, flags};
  return handle;
}

static void free_handle(const styx_allocator *alloc, struct sx_memhandle *handle) {
  if (handle)
    sx_text_put(alloc, handle->user);
  sx_free(alloc, handle, sizeof *handle);
}

/* ---- open ---- */

static styx_err open_node(struct styx_memfs *fs, struct sx_inode *node, styx_str user, uint32_t flags,
                          struct sx_memhandle **out) {
  struct sx_memhandle *handle = new_handle(&fs->space.alloc, sx_inode_user(&fs->space, node, user), flags);
  if (!handle)
    return ENOMEM;
  styx_err err = sx_inode_open(node, user, flags);
  if (err)
    free_handle(&fs->space.alloc, handle);
  else
    *out = handle;
  if (!err && node->openers == 1 && !sx_inode_linked(&fs->space, node))
    fs->files++; /* close counts it off */
  return err;
}

styx_answer sx_mem_open(styx_req *req, void *which, uint32_t flags) {
  struct styx_memfs *fs = styx_req_ctx(req);
  struct sx_inode *node = which;
  struct sx_memhandle *handle = NULL;
  if ((flags & STYX_O_TRUNC) && !styx_req_may_block(req) && sx_mem_is_large(node))
    return styx_reply_would_block(req);
  sx_space_lock(&fs->space);
  styx_err err = open_node(fs, node, styx_req_user(req), flags, &handle);
  bool truncate = !err && (flags & STYX_O_TRUNC) && !node->dir && !(node->mode & STYX_DMAPPEND);
  styx_qid qid = sx_inode_qid(node);
  sx_space_unlock(&fs->space);
  if (err)
    return styx_reply_error(req, err);
  if (truncate) {
    sx_mem_truncate(fs, sx_memfile_of(node), 0, handle->user);
    qid.vers = atomic_load_explicit(&node->vers, memory_order_relaxed);
  }
  return styx_reply_open(req, qid, handle);
}

/* ---- create ---- */

static styx_err may_create(struct sx_space *space, struct sx_inode *dir, styx_str user, styx_str name) {
  if (!dir->dir)
    return ENOTDIR;
  if (styx_str_is(name, ".") || styx_str_is(name, ".."))
    return STYX_EDOT;
  if (!sx_inode_may(dir, user, 2))
    return EACCES;
  if (!sx_inode_linked(space, dir))
    return ENOENT;
  return sx_dir_find(dir->dir, name) ? EEXIST : STYX_OK;
}

static struct sx_inode *new_file(struct styx_memfs *fs, struct sx_inode *dir, struct sx_text *user, styx_str name,
                                 uint32_t mode) {
  uint32_t known = STYX_DMDIR | STYX_DMAPPEND | STYX_DMEXCL | STYX_DMTMP | STYX_DMPERM;
  struct sx_inode *node = sx_inode_new(&fs->space, name, styx_create_mode(mode & known, dir->mode), user, dir->gid);
  if (node && !node->dir)
    sx_pages_init(&sx_memfile_of(node)->pages, &fs->space.alloc, fs->space.key[1], &fs->quota);
  return node;
}

/* One file that is created: what goes in, what comes out. */
struct making {
  struct sx_inode *dir;
  styx_str user, name;
  uint32_t flags, mode;
  struct sx_inode *node;
  struct sx_memhandle *handle;
};

static styx_err make(struct styx_memfs *fs, struct making *m) {
  const styx_allocator *alloc = &fs->space.alloc;
  styx_err err = may_create(&fs->space, m->dir, m->user, m->name);
  if (!err && fs->max_files && fs->files >= fs->max_files)
    err = ENOSPC;
  if (err)
    return err;
  sx_dir_tidy(m->dir->dir, SIZE_MAX);
  m->handle = new_handle(alloc, sx_inode_user(&fs->space, m->dir, m->user), m->flags);
  if (m->handle && sx_dir_reserve(m->dir->dir))
    m->node = new_file(fs, m->dir, m->handle->user, m->name, m->mode);
  if (!m->node) {
    free_handle(alloc, m->handle);
    return ENOMEM;
  }
  sx_inode_link(m->dir, m->node);
  m->node->refs++;
  m->node->openers = 1;
  fs->files++;
  sx_inode_modified(&fs->space, m->dir, m->handle->user);
  return STYX_OK;
}

styx_answer sx_mem_create(styx_req *req, void *which, styx_str name, uint32_t flags, uint32_t mode, uint32_t gid) {
  (void)gid; /* a number; here the group is the directory's */
  struct styx_memfs *fs = styx_req_ctx(req);
  struct making m = {.dir = which, .user = styx_req_user(req), .name = name, .flags = flags, .mode = mode};
  styx_qid qid = {0};
  bool may_block = styx_req_may_block(req);
  sx_space_lock(&fs->space);
  bool later = !may_block && m.dir->dir && sx_dir_moves(m.dir->dir, true) > SX_MEM_ENTRIES;
  styx_err err = later ? STYX_OK : make(fs, &m);
  if (m.node)
    qid = sx_inode_qid(m.node);
  sx_mem_unlock(fs, may_block);
  if (later)
    return styx_reply_would_block(req);
  return err ? styx_reply_error(req, err) : styx_reply_create(req, m.node, qid, m.handle);
}

/* ---- remove, close and forget ---- */

void sx_mem_unlink(struct styx_memfs *fs, struct sx_inode *node) {
  if (!node->openers)
    fs->files--;
  sx_inode_unlink(node, &fs->dead);
}

static styx_err remove_node(struct styx_memfs *fs, struct sx_inode *node, styx_str user) {
  styx_err err = sx_inode_may_remove(&fs->space, node, user);
  if (err)
    return err;
  struct sx_text *who = sx_inode_user(&fs->space, node, user);
  if (!who)
    return ENOMEM;
  sx_inode_modified(&fs->space, node->parent, who);
  sx_text_put(&fs->space.alloc, who);
  sx_mem_unlink(fs, node);
  return STYX_OK;
}

/* With the space's lock. */
static bool takes_long(struct sx_inode *node) {
  return sx_mem_is_large(node) || (node->parent && sx_dir_moves(node->parent->dir, false) > SX_MEM_ENTRIES);
}

styx_answer sx_mem_remove(styx_req *req, void *which) {
  struct styx_memfs *fs = styx_req_ctx(req);
  struct sx_inode *node = which;
  bool may_block = styx_req_may_block(req), last = false;
  sx_space_lock(&fs->space);
  bool later = !may_block && takes_long(node);
  styx_err err = later ? STYX_OK : remove_node(fs, node, styx_req_user(req));
  if (!later && !err) {
    last = !node->dir && node->refs == 1 && !node->openers; /* this fid's, which is going */
    sx_dir_tidy(node->parent->dir, may_block ? SIZE_MAX : SX_MEM_ENTRIES);
  }
  sx_mem_unlock(fs, may_block);
  if (later)
    return styx_reply_would_block(req);
  if (last)
    sx_mem_empty(sx_memfile_of(node)); /* here it may take its time, when the fid is forgotten it may not */
  return err ? styx_reply_error(req, err) : styx_reply_ok(req);
}

/* The right to remove was checked when it was opened. */
static styx_err remove_on_close(struct styx_memfs *fs, struct sx_inode *node, struct sx_text *user) {
  if (!sx_inode_linked(&fs->space, node))
    return STYX_OK;
  if (node->dir && node->dir->live)
    return ENOTEMPTY;
  sx_inode_modified(&fs->space, node->parent, user);
  sx_mem_unlink(fs, node);
  sx_dir_tidy(node->parent->dir, SX_MEM_ENTRIES);
  return STYX_OK;
}

styx_err sx_mem_close(void *ctx, void *which, void *opened) {
  struct styx_memfs *fs = ctx;
  struct sx_inode *node = which;
  struct sx_memhandle *handle = opened;
  styx_err err = STYX_OK;
  sx_space_lock(&fs->space);
  if (--node->openers == 0 && !sx_inode_linked(&fs->space, node))
    fs->files--;
  if (handle->flags & STYX_O_RCLOSE)
    err = remove_on_close(fs, node, handle->user);
  sx_mem_unlock(fs, false);
  free_handle(&fs->space.alloc, handle);
  return err;
}

void sx_mem_forget(void *ctx, void *node) {
  struct styx_memfs *fs = ctx;
  sx_space_lock(&fs->space);
  sx_inode_put(node, &fs->dead);
  sx_mem_unlock(fs, false);
}
