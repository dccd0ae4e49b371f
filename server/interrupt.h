/* server/interrupt.h: what a thread of the server and the server itself do for styx_interruptible_begin (interrupt.c). */
#ifndef SERVER_INTERRUPT_H
#define SERVER_INTERRUPT_H

#include <styx/err.h>

/* A thread that runs handlers: before its first one, after its last one. signal 0: nothing is ever interrupted. */
void sx_interrupt_join(int signal);
void sx_interrupt_leave(void);

bool sx_interrupt_allowed(int signal);     /* 0, or one that a program may use as it likes */
styx_err sx_interrupt_install(int signal); /* EBUSY: the program handles or ignores it; 0: nothing to do */
void sx_interrupt_uninstall(int signal);   /* after a successful install */

#endif
