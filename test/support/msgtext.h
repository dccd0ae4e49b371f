/* msgtext.h: messages as text, in the form that styx_msg_print gives them: for scripts of conversations.
 *
 *   Twalk tag 3 fid 1 newfid 2 nwname 2 'usr' 'lib'
 *
 * What styx_msg_parse reads, and besides:
 *   $name     what was kept under this name
 *   1+$name   a sum of numbers
 *   'x'*100   a string a hundred times
 * In patterns also:
 *   ...       any fields, up to the next one that is named or to the end
 *   *         any value
 *   $name     of which nothing is kept yet: any value, which is kept
 *   !$name    anything but what was kept
 *   data entries 'a' 'b'   whole stat records with just these names, in any order
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
