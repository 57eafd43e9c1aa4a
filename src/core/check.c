/* The end of a failed CHECK: say what and where on standard error, then stop with a core dump.
 * Nothing is cleaned up, on purpose: an invariant is broken, so no destructor can be trusted. */
#include "core/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *expr, const char *file, int line)
{
    /* One call, so that the line is not mixed with those of other threads. */
    fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expr);
    fflush(stderr);
    abort();
}
