/*
 * Libraries that are loaded when something first needs them, so that a program pays only for what
 * it uses and a machine without one is told which package to install. A table of pointers is filled
 * by the names of functions. It stands beside the worlds of env.h: what a library does with files
 * and sockets is outside of the simulation.
 */
#ifndef LEAT_ENV_LIBRARY_H
#define LEAT_ENV_LIBRARY_H

#include <stddef.h>

#include "core/compiler.h"
#include "core/err.h"

struct library_function {
    const char *name;
    size_t at; /* where its pointer stands in the table */
};
struct library {
    const char *file;  /* its soname */
    const char *needs; /* who needs it, as the subject of a sentence: "produce and consume need" */
    const char *package; /* Debian's */
    const char *version; /* the oldest that will do, for people: "SQLite 3.37" */
    const struct library_function *functions;
    size_t count;
};

/* A row of `functions`: the member of the table is called as the function is. */
#define LIBRARY_FUNCTION(table, name) \
    {                                 \
#name, offsetof(table, name)  \
    }

/*
 * Loads the library for the rest of the process (its threads may outlive its last object, so it is
 * never taken out again) and fills `table`. Errors: ERR_NOT_FOUND (no such library),
 * ERR_VERSION (a function is missing), each with the package as its hint. Blocks.
 */
MUST_USE enum err library_load(const struct library *l, void *table, struct ectx *ec);
/* ERR_VERSION: what was found lacks `what`, for example "version 3.37". For the caller's own looks.
 */
MUST_USE enum err library_lacks(const struct library *l, const char *what, struct ectx *ec);

#endif
