/* hello.c: a file server with one file. "hello 127.0.0.1:5640", then "styx -a 127.0.0.1:5640 read /hello". */
#include "embed_epoll.h"
#include <stdio.h>
#include <styx/tree.h>

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: hello ADDRESS\n");
    return 2;
  }
  styx_tree *tree = styx_tree_new(NULL, NULL);
  if (!tree) {
    fprintf(stderr, "hello: out of memory\n");
    return 1;
  }
  styx_file *file;
  styx_err err = styx_tree_text(tree, styx_tree_root(tree), "hello", "Hello, world!\n", &file);
  if (err) {
    fprintf(stderr, "hello: %s\n", styx_err_text(err));
    return 1;
  }
  int status = embed_serve_fs(argv[1], styx_tree_fs(tree));
  if (status == 0)
    styx_tree_free(tree);
  return status;
}
