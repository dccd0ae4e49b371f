/* fuzz_parse.c: printing and parsing undo each other.
 *
 * Input: a byte of flags, then text, or with the flag 4 a message. Flags: 3 the dialect, 8 as many bytes of room are
 * missing as the next byte says (text), or the size field is set right (message). */
#include <styx/wire.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { DIALECT = 3, MESSAGE = 4, OTHER = 8 };

struct parsed {
  styx_err err;
  styx_msg msg;
  char *text; /* copies of just the right size, so that a sanitizer sees the first byte too many */
  uint8_t *room;
};

static void check(bool holds) {
  if (!holds)
    abort();
}

static void *copy_of(const void *bytes, size_t size) {
  void *copy = malloc(size ? size : 1);
  check(copy);
  if (size)
    memcpy(copy, bytes, size);
  return copy;
}

static struct parsed parse(const char *text, size_t len, size_t cap, styx_dialect dialect) {
  struct parsed p = {.text = copy_of(text, len), .room = malloc(cap ? cap : 1)};
  const char *where = NULL;
  check(p.room);
  p.err = styx_msg_parse(&p.msg, p.text, len, dialect, p.room, cap, &where);
  check(p.err ? where >= p.text && where <= p.text + len : !where);
  check(!p.err || p.err == STYX_EBADARG || (p.err == STYX_ENOFIT && cap < len));
  return p;
}

static void release(struct parsed *p) {
  free(p->text);
  free(p->room);
}

static char *print(const styx_msg *msg, styx_dialect dialect) {
  size_t len = styx_msg_print_whole(NULL, 0, msg, dialect);
  char *line = malloc(len + 1);
  check(line);
  check(styx_msg_print_whole(line, len + 1, msg, dialect) == len && strlen(line) == len);
  return line;
}

/* The bytes of msg, NULL if there is no such message. */
static uint8_t *encode(const styx_msg *msg, styx_dialect dialect, size_t *size) {
  ptrdiff_t n = styx_encoded_size(msg, dialect);
  check(n > 0 || n == -STYX_ENOFIT);
  if (n < 0)
    return NULL;
  uint8_t *bytes = malloc((size_t)n);
  check(bytes);
  check(styx_encode(bytes, (size_t)n, msg, dialect) == n);
  *size = (size_t)n;
  return bytes;
}

static void check_same_bytes(const styx_msg *a, const styx_msg *b, styx_dialect dialect) {
  size_t na = 0, nb = 0;
  uint8_t *bytes_a = encode(a, dialect, &na), *bytes_b = encode(b, dialect, &nb);
  check(na == nb && !bytes_a == !bytes_b);
  check(na == 0 || memcmp(bytes_a, bytes_b, na) == 0);
  free(bytes_a);
  free(bytes_b);
}

/* What msg prints as parses to what prints and encodes the same. */
static void check_message(const styx_msg *msg, styx_dialect dialect) {
  char *line = print(msg, dialect);
  struct parsed p = parse(line, strlen(line), strlen(line), dialect);
  check(p.err == STYX_OK);
  char *again = print(&p.msg, dialect);
  check(strcmp(line, again) == 0);
  check_same_bytes(msg, &p.msg, dialect);
  free(again);
  release(&p);
  free(line);
}

static void check_text(const char *text, size_t len, size_t missing, styx_dialect dialect) {
  struct parsed p = parse(text, len, len > missing ? len - missing : 0, dialect);
  if (!p.err)
    check_message(&p.msg, dialect);
  release(&p);
}

static void check_bytes(const uint8_t *bytes, size_t size, bool fix_size, styx_dialect dialect) {
  uint8_t *copy = copy_of(bytes, size);
  for (size_t i = 0; fix_size && size >= STYX_HDRSZ && i < 4; i++)
    copy[i] = (uint8_t)(size >> 8 * i);
  styx_msg msg;
  if (styx_decode(&msg, copy, size, 0, dialect) > 0)
    check_message(&msg, dialect);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 2)
    return 0;
  uint8_t flags = bytes[0];
  styx_dialect dialect = flags & DIALECT;
  if (flags & MESSAGE)
    check_bytes(bytes + 1, size - 1, flags & OTHER, dialect);
  else if (flags & OTHER)
    check_text((const char *)bytes + 2, size - 2, bytes[1], dialect);
  else
    check_text((const char *)bytes + 1, size - 1, 0, dialect);
  return 0;
}
