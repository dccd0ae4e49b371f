/* msgtext.h: messages as text, in the form that styx_msg_print gives them: for scripts of conversations.
 *
 *   Twalk tag 3 fid 1 newfid 2 nwname 2 'usr' 'lib'
 *
 * Name, tag, then every field in wire order. Numbers are decimal, 0x…, octal with a leading 0, NOTAG or NOFID, and sums
 * of those (1+2). Strings stand in single quotes with \xHH for any byte; 'x'*100 repeats. Qids are (path version letters).
 * A stat is stat (field value …). "..." skips fields up to the next one that is named: they are zero in a message that
 * is built, "don't touch" in its stat, and anything at all in a pattern. Also:
 *   $name     in a pattern, the first time: anything, kept; afterwards: what was kept
 *   !$name    in a pattern: anything but what was kept
 *   *         in a pattern: any value
 *   data entries 'a' 'b'   in a pattern: data is whole stat records with just these names, in any order
 *   data entries *         any whole stat records, one at least
 */
#ifndef SUPPORT_MSGTEXT_H
#define SUPPORT_MSGTEXT_H

#include <styx/wire.h>

enum { MSGTEXT_VARS = 32, MSGTEXT_NAME = 24, MSGTEXT_VALUE = 512, MSGTEXT_ROOM = 1 << 17 };

struct msgtext_vars {
  size_t n;
  struct {
    char name[MSGTEXT_NAME], value[MSGTEXT_VALUE];
  } var[MSGTEXT_VARS];
};

/* Build the message that text describes; its strings and data live in room (MSGTEXT_ROOM bytes). False: why (256 bytes)
 * says what is wrong with the text. */
bool msgtext_build(styx_msg *msg, const char *text, const struct msgtext_vars *vars, uint8_t *room, char *why);

/* Does msg look like the pattern? New variables are kept only if it does. False: why says where they differ. */
bool msgtext_match(const styx_msg *msg, const char *pattern, struct msgtext_vars *vars, uint8_t *room, char *why);

/* A quoted string at *text (advanced behind it) into out; the count, or SIZE_MAX. */
size_t msgtext_string(const char **text, uint8_t *out, size_t cap);

#endif
