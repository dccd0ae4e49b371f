/* tree_test.c: synthetic files, from the side of the program and from that of its clients. */
#include "support/pipe9.h"

#include <styx/tree.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ROOT = 0, F = 1, G = 2, H = 3 };

/* ---- a tree and a client ---- */

static styx_tree *tree;
static struct p9 *client;
static struct p9_heap heap;

#define FAILS(call, error)                                                                                             \
  do {                                                                                                                 \
    styx_err got_ = (call);                                                                                            \
    cr_assert_eq(got_, (error), "%s: %s", #call, styx_err_text(got_));                                                 \
  } while (0)
#define OK(call) FAILS(call, STYX_OK)

static void setup(void) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  tree = styx_tree_new("sys", &alloc);
  cr_assert_not_null(tree);
  client = p9_new_fs(styx_tree_fs(tree));
  OK(p9_attach(client, ROOT, "glenda", ""));
}

static void stop(void) {
  p9_free(client);
  styx_tree_free(tree);
  cr_assert_eq(heap.live, 0, "%zu bytes leaked", (size_t)heap.live);
}

TestSuite(tree, .init = setup, .fini = stop, .timeout = 60);

/* A file that remembers one text, and what was called. */
struct note {
  char text[64];
  size_t len;
  int opened, closed, destroyed;
  styx_err refuse;
  char user[16];
  uint32_t flags;
};

static styx_err note_open(void *aux, styx_str user, uint32_t flags, void **handle) {
  struct note *note = aux;
  if (note->refuse)
    return note->refuse;
  note->opened++;
  snprintf(note->user, sizeof note->user, "%.*s", (int)user.len, user.s);
  note->flags = flags;
  *handle = &note->opened;
  return STYX_OK;
}

static styx_answer note_read(styx_req *req, void *aux, void *handle, uint64_t offset, uint32_t count) {
  struct note *note = aux;
  (void)offset, (void)count;
  return handle == &note->opened ? styx_reply_slice(req, note->text, note->len) : styx_reply_error(req, EIO);
}

static styx_answer note_write(styx_req *req, void *aux, void *handle, uint64_t offset, const void *data,
                              uint32_t count) {
  struct note *note = aux;
  if (handle != &note->opened || offset + count > sizeof note->text)
    return styx_reply_error(req, EIO);
  memcpy(note->text + offset, data, count);
  note->len = offset + count;
  return styx_reply_count(req, count);
}

static styx_err note_close(void *aux, void *handle) {
  struct note *note = aux;
  note->closed++;
  return handle == &note->opened ? STYX_OK : EIO;
}

static void note_destroy(void *aux) { ((struct note *)aux)->destroyed++; }

static const styx_file_ops note_ops = {
    .size = sizeof note_ops,
    .open = note_open,
    .read = note_read,
    .write = note_write,
    .close = note_close,
    .destroy = note_destroy,
};

static styx_file *put_note(struct note *note, const char *name, uint32_t mode) {
  styx_file *file = NULL;
  OK(styx_tree_file(tree, styx_tree_root(tree), name, mode, &note_ops, note, &file));
  cr_assert_not_null(file);
  return file;
}

static void reads(uint32_t fid, uint64_t offset, const char *text) {
  char buf[4096];
  uint32_t got = 0;
  OK(p9_read(client, fid, offset, buf, sizeof buf, &got));
  cr_assert_eq(got, strlen(text), "%u bytes: %.*s", (unsigned)got, (int)got, buf);
  cr_assert_arr_eq(buf, text, got);
}

static styx_stat stat_of(uint32_t fid) {
  styx_stat st = {0};
  OK(p9_stat(client, fid, &st));
  return st;
}

/* ---- reading and writing ---- */

Test(tree, a_text_reads_from_any_offset_and_has_a_length) {
  OK(styx_tree_text(tree, styx_tree_root(tree), "motd", "hello\n", NULL));
  OK(p9_walk(client, ROOT, F, "motd"));
  styx_stat st = stat_of(F);
  cr_assert_eq(st.length, 6);
  cr_assert_eq(st.mode, 0444);
  cr_assert(styx_str_is(st.uid, "sys"));
  OK(p9_open(client, F, STYX_OREAD));
  reads(F, 0, "hello\n");
  reads(F, 4, "o\n");
  reads(F, 7, "");
}

Test(tree, a_file_is_what_its_callbacks_make_of_it) {
  static struct note note;
  put_note(&note, "note", 0666);
  OK(p9_walk(client, ROOT, F, "note"));
  OK(p9_open(client, F, STYX_ORDWR));
  cr_assert_str_eq(note.user, "glenda");
  cr_assert_eq(note.flags, STYX_ORDWR);
  OK(p9_write(client, F, 0, "abc", 3, NULL));
  reads(F, 1, "bc");
  cr_assert_eq(note.closed, 0);
  OK(p9_clunk(client, F));
  cr_assert_eq(note.opened, 1);
  cr_assert_eq(note.closed, 1);
  cr_assert_eq(note.destroyed, 0);
}

Test(tree, a_file_without_the_callback_is_not_opened_for_it) {
  static const styx_file_ops read_only = {.size = sizeof read_only, .read = note_read};
  static const styx_file_ops write_only = {.size = sizeof write_only, .write = note_write};
  static const styx_file_ops short_table = {
      .size = offsetof(styx_file_ops, write), .read = note_read, .write = note_write};
  const styx_file_ops *table[] = {&read_only, &write_only, &short_table, NULL};
  const char *name[] = {"r", "w", "s", "none"};
  const bool can[4][4] = {/* OREAD, OWRITE, ORDWR, OEXEC */
                          {true, false, false, true},
                          {false, true, false, false},
                          {true, false, false, true},
                          {false, false, false, false}};
  for (int i = 0; i < 4; i++) {
    OK(styx_tree_file(tree, styx_tree_root(tree), name[i], 0777, table[i], NULL, NULL));
    for (uint8_t mode = 0; mode < 4; mode++) {
      OK(p9_walk(client, ROOT, F, name[i]));
      FAILS(p9_open(client, F, mode), can[i][mode] ? STYX_OK : EACCES);
      OK(p9_clunk(client, F));
    }
  }
}

Test(tree, permission_bits_count) {
  static struct note note;
  put_note(&note, "note", 0640);
  styx_file *dir = NULL;
  OK(styx_tree_dir(tree, styx_tree_root(tree), "d", 0750, &dir));
  OK(styx_tree_text(tree, dir, "t", "x", NULL));
  OK(p9_walk(client, ROOT, F, "note"));
  FAILS(p9_open(client, F, STYX_OREAD), EACCES);
  FAILS(p9_walk(client, ROOT, G, "d/t"), ENOENT); /* as far as d */
  OK(p9_walk(client, ROOT, G, "d"));
  FAILS(p9_walk(client, G, H, "t"), EACCES);
  OK(p9_attach(client, H, "sys", ""));
  OK(p9_walk(client, H, H, "d/t"));
  OK(p9_open(client, H, STYX_OREAD));
  cr_assert_eq(note.opened, 0);
}

Test(tree, set_length_shows_and_is_a_new_version) {
  static struct note note;
  styx_file *file = put_note(&note, "note", 0666);
  OK(p9_walk(client, ROOT, F, "note"));
  uint32_t vers = stat_of(F).qid.vers;
  styx_tree_set_length(tree, file, 1ull << 33);
  styx_stat st = stat_of(F);
  cr_assert_eq(st.length, 1ull << 33);
  cr_assert_eq(st.qid.vers, vers + 1);
}

/* ---- exclusive use ---- */

Test(tree, an_exclusive_file_has_one_opener) {
  static struct note note;
  put_note(&note, "lock", STYX_DMEXCL | 0666);
  OK(p9_walk(client, ROOT, F, "lock"));
  OK(p9_walk(client, ROOT, G, "lock"));
  OK(p9_open(client, F, STYX_OREAD));
  FAILS(p9_open(client, G, STYX_OREAD), STYX_EBUSYEXCL);
  OK(p9_clunk(client, F));
  note.refuse = EIO;
  FAILS(p9_open(client, G, STYX_OREAD), EIO);
  note.refuse = STYX_OK;
  OK(p9_open(client, G, STYX_OREAD)); /* what was refused holds nothing */
  cr_assert_eq(note.opened, 2);
}

/* ---- what clients may not ---- */

Test(tree, clients_create_remove_and_change_nothing) {
  static struct note note;
  put_note(&note, "note", 0666);
  OK(p9_attach(client, H, "sys", ""));
  OK(p9_walk(client, H, F, ""));
  FAILS(p9_create(client, F, "x", 0666, STYX_OWRITE), EACCES);
  OK(p9_walk(client, H, G, "note"));
  styx_stat st = styx_stat_untouched();
  OK(p9_wstat(client, G, &st)); /* sync */
  st.mode = 0600;
  FAILS(p9_wstat(client, G, &st), EACCES);
  st = styx_stat_untouched();
  st.name = styx_str_of("other");
  FAILS(p9_wstat(client, G, &st), EACCES);
  FAILS(p9_open(client, G, STYX_OREAD | STYX_ORCLOSE), EACCES);
  FAILS(p9_remove(client, G), EACCES);
  FAILS(p9_clunk(client, G), STYX_EBADFID);
  OK(p9_walk(client, H, G, "note"));
}

Test(tree, emptying_is_granted_to_whoever_may_write) {
  static struct note note;
  put_note(&note, "open", 0666);
  put_note(&note, "shut", 0644);
  OK(styx_tree_text(tree, styx_tree_root(tree), "text", "x", NULL));
  styx_stat st = styx_stat_untouched();
  st.length = 0;
  st.mtime = 1;
  OK(p9_walk(client, ROOT, F, "open"));
  OK(p9_wstat(client, F, &st));
  OK(p9_walk(client, ROOT, G, "shut"));
  FAILS(p9_wstat(client, G, &st), EACCES);
  OK(p9_walk(client, ROOT, H, "text"));
  FAILS(p9_wstat(client, H, &st), EACCES);
  st.length = 1;
  FAILS(p9_wstat(client, F, &st), EACCES);
}

/* ---- building ---- */

Test(tree, what_cannot_be_put_is_refused) {
  styx_file *root = styx_tree_root(tree), *file = NULL, *untouched = root;
  OK(styx_tree_text(tree, root, "f", "x", &file));
  FAILS(styx_tree_text(tree, root, "f", "y", &untouched), EEXIST);
  FAILS(styx_tree_dir(tree, root, "f", 0555, &untouched), EEXIST);
  FAILS(styx_tree_dir(tree, file, "g", 0555, &untouched), ENOTDIR);
  const char *bad[] = {"", ".", "..", "a/b", "/"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    FAILS(styx_tree_dir(tree, root, bad[i], 0555, &untouched), STYX_ENAME);
  FAILS(styx_tree_remove(tree, root), EBUSY);
  cr_assert_eq(untouched, root);
}

Test(tree, directories_list_in_the_order_of_their_making) {
  styx_file *root = styx_tree_root(tree), *b = NULL;
  OK(styx_tree_dir(tree, root, "a", 0555, NULL));
  OK(styx_tree_text(tree, root, "b", "x", &b));
  OK(styx_tree_text(tree, root, "c", "x", NULL));
  OK(styx_tree_remove(tree, b));
  OK(styx_tree_text(tree, root, "b", "x", NULL));
  OK(p9_walk(client, ROOT, F, ""));
  OK(p9_open(client, F, STYX_OREAD));
  uint8_t buf[1024];
  uint32_t got = 0;
  OK(p9_read(client, F, 0, buf, sizeof buf, &got));
  size_t at = 0;
  const char *names[] = {"a", "c", "b"};
  for (int i = 0; i < 3; i++) {
    styx_stat st;
    ptrdiff_t n = styx_stat_decode(&st, buf + at, got - at, STYX_9P2000);
    cr_assert_gt(n, 0);
    cr_assert(styx_str_is(st.name, names[i]));
    at += (size_t)n;
  }
  cr_assert_eq(at, got);
}

/* ---- taking out ---- */

Test(tree, a_removed_file_works_on_until_it_is_clunked) {
  static struct note note;
  styx_file *file = put_note(&note, "note", 0666);
  OK(p9_walk(client, ROOT, F, "note"));
  OK(p9_open(client, F, STYX_ORDWR));
  OK(styx_tree_remove(tree, file));
  FAILS(p9_walk(client, ROOT, G, "note"), ENOENT);
  OK(p9_write(client, F, 0, "abc", 3, NULL));
  reads(F, 0, "abc");
  cr_assert(styx_str_is(stat_of(F).name, "note"));
  cr_assert_eq(note.destroyed, 0);
  OK(p9_clunk(client, F));
  cr_assert_eq(note.closed, 1);
  cr_assert_eq(note.destroyed, 1);
}

Test(tree, removing_a_directory_takes_out_all_below_it) {
  static struct note top, low;
  styx_file *dir = NULL, *sub = NULL;
  OK(styx_tree_dir(tree, styx_tree_root(tree), "d", 0555, &dir));
  OK(styx_tree_dir(tree, dir, "sub", 0555, &sub));
  OK(styx_tree_file(tree, dir, "top", 0666, &note_ops, &top, NULL));
  OK(styx_tree_file(tree, sub, "low", 0666, &note_ops, &low, NULL));
  OK(p9_walk(client, ROOT, F, "d/sub/low"));
  OK(styx_tree_remove(tree, dir));
  FAILS(p9_walk(client, ROOT, G, "d"), ENOENT);
  cr_assert_eq(top.destroyed, 1);
  cr_assert_eq(low.destroyed, 0);
  OK(p9_open(client, F, STYX_OREAD));
  OK(p9_clunk(client, F));
  cr_assert_eq(low.destroyed, 1);
  OK(p9_walk(client, ROOT, F, ""));
}

Test(tree, the_parents_of_a_removed_file_last_as_long_as_it) {
  styx_file *dir = NULL, *sub = NULL;
  OK(styx_tree_dir(tree, styx_tree_root(tree), "d", 0555, &dir));
  OK(styx_tree_dir(tree, dir, "sub", 0555, &sub));
  OK(p9_walk(client, ROOT, F, "d/sub"));
  OK(styx_tree_remove(tree, dir));
  OK(p9_walk(client, F, G, ".."));
  cr_assert(styx_str_is(stat_of(G).name, "d"));
  FAILS(p9_walk(client, G, H, "sub"), ENOENT);
  OK(p9_walk(client, F, H, "../.."));
  cr_assert(styx_str_is(stat_of(H).name, "/"));
}

Test(tree, freeing_the_tree_destroys_every_file_once) {
  static struct note a, b;
  put_note(&a, "a", 0666);
  styx_file *file = put_note(&b, "b", 0666);
  OK(styx_tree_remove(tree, file));
  cr_assert_eq(b.destroyed, 1);
  p9_free(client);
  client = NULL;
  styx_tree_free(tree);
  tree = NULL;
  cr_assert_eq(a.destroyed, 1);
  cr_assert_eq(b.destroyed, 1);
}

/* ---- memory that fails ---- */

Test(tree_memory, every_allocation_may_fail_without_a_trace) {
  styx_allocator alloc = p9_heap_allocator(&heap);
  size_t failed = 0;
  for (bool reached = true; reached;) {
    static struct note note;
    heap.fail_at++;
    heap.calls = 0;
    note.destroyed = 0;
    styx_tree *t = styx_tree_new(NULL, &alloc);
    styx_file *dir = NULL, *root = t ? styx_tree_root(t) : NULL;
    int tries = 0;
    while (t && !dir && tries++ < 2)
      (void)styx_tree_dir(t, root, "d", 0555, &dir);
    bool put = dir && !styx_tree_text(t, dir, "t", "text", NULL);
    put = dir && (put || !styx_tree_text(t, dir, "t", "text", NULL)); /* fails once, never twice */
    bool noted = put && !styx_tree_file(t, dir, "n", 0666, &note_ops, &note, NULL);
    cr_assert_eq(note.destroyed, 0, "aux is the program's until the file is there");
    cr_assert(!t || put, "allocation %zu", heap.fail_at);
    reached = heap.calls >= heap.fail_at;
    failed += reached;
    styx_tree_free(t);
    cr_assert_eq(note.destroyed, noted);
    cr_assert_eq(heap.live, 0, "allocation %zu: %zu bytes", heap.fail_at, (size_t)heap.live);
  }
  cr_assert_gt(failed, 10);
}
