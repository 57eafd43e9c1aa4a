/* Ctrl-C and SIGTERM as something to look at, so that a command ends in its own order. */
#ifndef LEAT_CLI_INTERRUPT_H
#define LEAT_CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on both signals wait to be seen; call it before anything starts threads. Returns a
 * descriptor, -1 if there is none (then the signals end the process as usual). */
int interrupt_open(void);
/* True once a signal came. Does not wait. */
bool interrupt_seen(int fd);
void interrupt_close(int fd);

#endif
