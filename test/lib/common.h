/* What the tests of libleat share: counting, a client, events. */
#ifndef LEAT_TEST_LIB_COMMON_H
#define LEAT_TEST_LIB_COMMON_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leat.h"

/* ok or FAIL, with what there was instead. */
void show(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The count line; the exit status. */
int finish(void);

/* Ends the program if it cannot be opened. */
struct leat *client_open(const char *http, const char *kafka);
struct leat_new_event event_of(const char *id, const char *type, const char *data);
/* "ok FIRST-LAST", "same FIRST-LAST" or the code of the problem, as text that lives until the next
 * call. `ids`: "a b c"; each event's data is {"id":ID}. */
const char *append(struct leat *l, const char *stream, int64_t expected, const char *ids);

#endif
