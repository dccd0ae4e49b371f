/* hold.h: a filesystem around another, whose operations can be held back by name and answered when a script says so.
 * That is how conversations put requests into every state without a clock. One at a time; one thread. */
#ifndef TALK_HOLD_H
#define TALK_HOLD_H

#include <styx/fs.h>

/* The filesystem that hands everything on to inner, until hold_next is told otherwise. Forgets every earlier hold. */
styx_fs hold_fs(styx_fs inner);

/* The number of the operation with this name ("open"), or -1. */
int hold_op(const char *name);

/* The next operation op that starts is held, under label. False: no room, or the label is in use. */
bool hold_next(const char *label, int op);

bool hold_has(const char *label);       /* an operation is held under label now */
bool hold_cancelled(const char *label); /* and its cancel callback has run */

/* How a held operation goes on; false when there is none. The label is free again afterwards. */
bool hold_release(const char *label); /* the inner filesystem does it */
bool hold_answer_data(const char *label, const void *data, size_t len);
bool hold_answer_error(const char *label, styx_err err);
bool hold_answer_interrupted(const char *label);

/* Answer everything that is held, so that sessions can end; true if there was anything. */
bool hold_give_up(void);

/* How often close and forget were called, and how many handles and nodes are out. */
unsigned hold_closes(void), hold_forgets(void);

#endif
