/*
 * Assertions. They state invariants of our own code; bytes from a peer, a disk or a config file are
 * never asserted on (they return errors).
 *
 * CHECK(x)   always on; a failure prints the expression and place and aborts.
 * DCHECK(x)  only in debug, sanitizer and simulation builds (LEAT_DEBUG): too costly per record.
 */
#ifndef LEAT_CORE_CHECK_H
#define LEAT_CORE_CHECK_H

#include "core/compiler.h"

NORETURN void check_failed(const char *expr, const char *file, int line);

#define CHECK(x)                                  \
    do {                                          \
        if (UNLIKELY(!(x))) {                     \
            check_failed(#x, __FILE__, __LINE__); \
        }                                         \
    } while (0)

#ifdef LEAT_DEBUG
#define DCHECK(x) CHECK(x)
#else
#define DCHECK(x)            \
    do {                     \
        IGNORE((x) ? 0 : 1); \
    } while (0)
#endif

#endif
