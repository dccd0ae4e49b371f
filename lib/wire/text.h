/* wire/text.h: what printing and parsing agree on, and the cursor that parsing moves along a line. */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include <styx/wire.h>

/* The letters of a qid's type, from the top bit: dir, append, exclusive, mount, auth, temporary, symlink, hard link. */
#define SX_QID_LETTERS "dalmAtLh"

/* The text not yet read, and the room for what its strings say. The first thing that is wrong is kept, with its place; after
 * it the text has come to its end, so that reading need look at err only once, when all is done. */
struct sx_text {
  const char *at, *end;
  uint8_t *room;
  size_t room_left;
  styx_err err;
  const char *wrong;
};

void sx_text_wrong(struct sx_text *t, styx_err err, const char *place);

/* Each of these passes over blanks first. */

bool sx_text_ended(struct sx_text *t);
/* The letters, digits, '_', '.' and '-' that come next; not taken. */
styx_str sx_text_peek(struct sx_text *t);
/* Take just this character, or this whole word, if it comes next. */
bool sx_text_char(struct sx_text *t, char c);
bool sx_text_word(struct sx_text *t, const char *word);
/* A number of at most max, which is 255 or more: decimal, 0x…, octal after a 0, NOTAG or NOFID. */
uint64_t sx_text_number(struct sx_text *t, uint64_t max);
/* What a string in quotes says, in room. */
styx_str sx_text_string(struct sx_text *t);

#endif
