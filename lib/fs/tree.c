/* tree.c: synthetic files: a tree's life, and how a program builds it. What clients see of it is tree_ops.c. */
#include "fs/tree_state.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- its life ---- */

static bool fini_file(struct sx_space *space, struct sx_inode *node, size_t *most) {
  (void)space, (void)most;
  struct styx_file *file = sx_file_of(node);
  if (file->ops && file->ops->destroy)
    file->ops->destroy(file->aux);
  return true;
}

styx_tree *styx_tree_new(const char *user, const styx_allocator *allocator) {
  styx_tree *tree = sx_zalloc(allocator, sizeof *tree);
  if (!tree)
    return NULL;
  if (allocator)
    tree->alloc = *allocator;
  if (sx_space_init(&tree->space, allocator, sizeof(struct styx_file), fini_file, styx_str_of(user ? user : "none"),
                    0555)) {
    sx_free(allocator, tree, sizeof *tree);
    return NULL;
  }
  sx_table_init(&tree->paths, &tree->space.alloc, tree->space.key[0]);
  sx_dir_init(&tree->roots, &tree->space.alloc, tree->space.key);
  if (!sx_table_reserve(&tree->paths)) {
    styx_tree_free(tree);
    return NULL;
  }
  sx_table_put(&tree->paths, tree->space.root->path, tree->space.root);
  return tree;
}

void styx_tree_free(styx_tree *tree) {
  struct sx_entry *root;
  if (!tree)
    return;
  while ((root = sx_dir_last(&tree->roots)))
    (void)styx_tree_remove(tree, ((struct sx_root *)root)->file);
  sx_dir_fini(&tree->roots);
  sx_table_fini(&tree->paths);
  sx_space_fini(&tree->space);
  while (tree->kept) {
    struct sx_kept_ops *kept = tree->kept;
    tree->kept = kept->next;
    sx_free(&tree->alloc, kept, sizeof *kept);
  }
  styx_allocator alloc = tree->alloc;
  sx_free(&alloc, tree, sizeof *tree);
}

styx_fs styx_tree_fs(styx_tree *tree) { return (styx_fs){&sx_tree_ops, tree}; }

styx_file *styx_tree_root(styx_tree *tree) { return sx_file_of(tree->space.root); }

/* ---- what files do ---- */

/* A table from an older program is shorter. */
static styx_file_ops read_ops(const styx_file_ops *given) {
  styx_file_ops ops = {0};
  memcpy(&ops, given, given->size < sizeof ops ? given->size : sizeof ops);
  ops.size = sizeof ops;
  return ops;
}

const styx_file_ops *sx_tree_keep_ops(styx_tree *tree, const styx_file_ops *given) {
  styx_file_ops ops = read_ops(given);
  struct sx_kept_ops **at = &tree->kept, *kept;
  while ((kept = *at) && memcmp(&kept->ops, &ops, sizeof ops) != 0)
    at = &kept->next;
  if (kept) {
    *at = kept->next;
  } else if ((kept = sx_alloc(&tree->alloc, sizeof *kept))) {
    kept->ops = ops;
  } else {
    return NULL;
  }
  kept->next = tree->kept;
  tree->kept = kept;
  return &kept->ops;
}

/* ---- putting in ---- */

/* 0intro(5): no '/', and no control character, which are U+0000 to U+001F and U+0080 to U+009F. U+007F is one too. */
bool sx_tree_is_name(styx_str name) {
  const unsigned char *s = (const unsigned char *)name.s;
  for (size_t i = 0; i < name.len; i++) {
    bool latin = s[i] == 0xc2 && i + 1 < name.len && s[i + 1] < 0xa0;
    if (s[i] < 0x20 || s[i] == 0x7f || s[i] == '/' || latin)
      return false;
  }
  return name.len && !styx_str_is(name, ".") && !styx_str_is(name, "..");
}

styx_err sx_tree_may_put(const styx_tree *tree, const struct sx_inode *dir, styx_str name) {
  if (!dir->dir)
    return ENOTDIR;
  if (!sx_tree_is_name(name))
    return STYX_ENAME;
  if (!sx_inode_linked(&tree->space, dir))
    return ENOENT;
  return sx_dir_find(dir->dir, name) ? EEXIST : STYX_OK;
}

bool sx_tree_reserve(styx_tree *tree, struct sx_inode *dir) {
  return sx_table_reserve(&tree->paths) && (!dir || sx_dir_reserve(dir->dir));
}

void sx_tree_link(styx_tree *tree, struct sx_inode *dir, struct sx_inode *node) {
  while (sx_table_get(&tree->paths, node->path))
    node->path = ++tree->space.last_path; /* a file that the program has numbered has this one */
  sx_table_put(&tree->paths, node->path, node);
  if (dir)
    sx_inode_link(dir, node);
}

enum { OF_FILE = STYX_DMAPPEND | STYX_DMEXCL | STYX_DMTMP | STYX_DMPERM };
#define OF_DIR (STYX_DMDIR | STYX_DMEXCL | STYX_DMTMP | STYX_DMPERM)

/* With the lock: the node that def describes, beneath parent in rights. */
static struct sx_inode *new_node(styx_tree *tree, const struct sx_inode *parent, const styx_file_def *def,
                                 const char *name) {
  const styx_allocator *alloc = &tree->space.alloc;
  bool is_dir = (def->mode & STYX_DMDIR) != 0;
  struct sx_text *uid = def->uid ? sx_text_new(alloc, styx_str_of(def->uid)) : sx_text_get(parent->uid);
  struct sx_text *gid = def->gid ? sx_text_new(alloc, styx_str_of(def->gid)) : sx_text_get(parent->gid);
  const styx_file_ops *ops = def->ops ? sx_tree_keep_ops(tree, def->ops) : NULL;
  struct sx_inode *node = NULL;
  if (uid && gid && (ops || !def->ops))
    node = sx_inode_new(&tree->space, styx_str_of(name), def->mode & (is_dir ? OF_DIR : (uint32_t)OF_FILE), uid, gid);
  sx_text_put(alloc, uid);
  sx_text_put(alloc, gid);
  if (!node)
    return NULL;
  if (def->path)
    node->path = def->path;
  atomic_init(&node->length, is_dir ? 0 : def->length);
  sx_file_of(node)->ops = ops;
  sx_file_of(node)->aux = def->aux;
  return node;
}

static styx_err put_in_dir(styx_tree *tree, struct sx_inode *dir, const styx_file_def *def, struct sx_inode **out) {
  styx_err err = sx_tree_may_put(tree, dir, styx_str_of(def->name));
  if (err)
    return err;
  struct sx_inode *node = sx_tree_reserve(tree, dir) ? new_node(tree, dir, def, def->name) : NULL;
  if (!node)
    return ENOMEM;
  sx_tree_link(tree, dir, node);
  sx_inode_modified(&tree->space, dir, dir->uid);
  *out = node;
  return STYX_OK;
}

/* ---- roots ---- */

static bool add_root(styx_tree *tree, struct sx_inode *node, const char *aname) {
  const styx_allocator *alloc = &tree->alloc;
  struct sx_root *root =
      sx_tree_reserve(tree, NULL) && sx_dir_reserve(&tree->roots) ? sx_zalloc(alloc, sizeof *root) : NULL;
  if (root && !(root->entry.name = sx_text_new(alloc, styx_str_of(aname)))) {
    sx_free(alloc, root, sizeof *root);
    root = NULL;
  }
  if (!root)
    return false;
  root->file = sx_file_of(node);
  sx_dir_add(&tree->roots, &root->entry);
  sx_tree_link(tree, NULL, node);
  node->entry.seq = SX_TREE_ROOT;
  return true;
}

static styx_err put_root(styx_tree *tree, const styx_file_def *def, struct sx_inode **out, struct sx_inode **dead) {
  if (sx_dir_find(&tree->roots, styx_str_of(def->name)))
    return EEXIST;
  struct sx_inode *node = new_node(tree, tree->space.root, def, "/");
  if (!node)
    return ENOMEM;
  if (!add_root(tree, node, def->name)) {
    sx_file_of(node)->ops = NULL; /* aux is still the program's */
    sx_inode_put(node, dead);
    return ENOMEM;
  }
  *out = node;
  return STYX_OK;
}

static void swap(struct sx_text **a, struct sx_text **b) {
  struct sx_text *old = *a;
  *a = *b;
  *b = old;
}

/* The root that is there gets what a new one would have. */
static styx_err define_root(styx_tree *tree, const styx_file_def *def, struct sx_inode **out, struct sx_inode **dead) {
  struct sx_inode *root = tree->space.root;
  if (tree->defined)
    return EEXIST;
  struct sx_inode *node = sx_tree_reserve(tree, NULL) ? new_node(tree, root, def, "/") : NULL;
  if (!node)
    return ENOMEM;
  tree->defined = true;
  pthread_rwlock_wrlock(&root->io);
  root->mode = node->mode;
  swap(&root->uid, &node->uid);
  swap(&root->gid, &node->gid);
  pthread_rwlock_unlock(&root->io);
  if (def->path) {
    sx_table_del(&tree->paths, root->path);
    root->path = def->path;
    sx_table_put(&tree->paths, root->path, root);
  }
  sx_file_of(root)->ops = sx_file_of(node)->ops;
  sx_file_of(root)->aux = def->aux;
  sx_file_of(node)->ops = NULL;
  sx_inode_put(node, dead);
  *out = root;
  return STYX_OK;
}

/* ---- for the program ---- */

static styx_err put(styx_tree *tree, struct sx_inode *dir, const styx_file_def *def, struct sx_inode **out,
                    struct sx_inode **dead) {
  struct sx_inode *has_path = def->path ? sx_table_get(&tree->paths, def->path) : NULL;
  if (!dir && !(def->mode & STYX_DMDIR))
    return ENOTDIR;
  if (!dir && !*def->name)
    return has_path && has_path != tree->space.root ? EEXIST : define_root(tree, def, out, dead);
  if (has_path)
    return EEXIST;
  return dir ? put_in_dir(tree, dir, def, out) : put_root(tree, def, out, dead);
}

/* A definition from an older program is shorter. */
static styx_file_def read_def(const styx_file_def *given) {
  styx_file_def def = {0};
  memcpy(&def, given, given->size < sizeof def ? given->size : sizeof def);
  if (!def.name)
    def.name = "";
  return def;
}

styx_err styx_tree_create(styx_tree *tree, styx_file *dir, const styx_file_def *given, styx_file **out) {
  styx_file_def def = read_def(given);
  struct sx_inode *node = NULL, *dead = NULL;
  sx_space_lock(&tree->space);
  styx_err err = put(tree, dir ? &dir->node : NULL, &def, &node, &dead);
  /* Out before a client can walk to it. */
  if (!err && out)
    *out = sx_file_of(node);
  sx_space_unlock(&tree->space);
  sx_inode_free(&tree->space, &dead, SIZE_MAX);
  return err;
}

styx_err styx_tree_file(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode, const styx_file_ops *ops,
                        void *aux, styx_file **out) {
  styx_file_def def = {.size = sizeof def, .name = name, .mode = mode & OF_FILE, .ops = ops, .aux = aux};
  return styx_tree_create(tree, dir, &def, out);
}

styx_err styx_tree_dir(styx_tree *tree, styx_file *dir, const char *name, uint32_t mode, styx_file **out) {
  styx_file_def def = {.size = sizeof def, .name = name, .mode = (mode & STYX_DMPERM) | STYX_DMDIR};
  return styx_tree_create(tree, dir, &def, out);
}

/* ---- texts ---- */

struct text {
  styx_allocator alloc;
  size_t len;
  char s[];
};

static styx_answer read_text(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  (void)handle, (void)offset, (void)count;
  struct text *text = aux;
  return styx_reply_slice(req, text->s, text->len);
}

static void destroy_text(void *aux) {
  struct text *text = aux;
  styx_allocator alloc = text->alloc;
  sx_free(&alloc, text, sizeof *text + text->len);
}

static const styx_file_ops text_ops = {.size = sizeof text_ops, .read = read_text, .destroy = destroy_text};

styx_err styx_tree_text(styx_tree *tree, styx_file *dir, const char *name, const char *s, styx_file **out) {
  size_t len = strlen(s);
  struct text *text = sx_alloc(&tree->space.alloc, sizeof *text + len);
  if (!text)
    return ENOMEM;
  text->alloc = tree->space.alloc;
  text->len = len;
  memcpy(text->s, s, len);
  styx_file_def def = {.size = sizeof def, .name = name, .mode = 0444, .length = len, .ops = &text_ops, .aux = text};
  styx_err err = styx_tree_create(tree, dir, &def, out);
  if (err)
    destroy_text(text);
  return err;
}

void *styx_file_aux(const styx_file *file) {
  return file->ops && file->ops->destroy == destroy_text ? NULL : file->aux;
}
