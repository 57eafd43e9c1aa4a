/* The real PostgreSQL, started when a test first needs it, on a socket of its own; and tests that
 * run on both targets. */
#ifndef LEAT_TEST_UNIT_PROJ_SERVER_H
#define LEAT_TEST_UNIT_PROJ_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "test.h"

/* A target with nothing in it. Skips the test if PostgreSQL is not installed. */
void server_schema(char *target, size_t size);
/* Ends every connection to it. */
void server_end_connections(void);
/* The same as another user, who may have one connection at most; and as many as that others have.
 */
void server_one_connection(char *target, size_t size);
size_t server_connections(void);

/* Whether the test that runs is the one on PostgreSQL. */
extern bool server_on_postgres;
/* How many seeds a test has: on PostgreSQL, where each step is a real one, one; in the gate a few.
 */
uint64_t server_seeds(uint64_t sqlite);

/* NAME on SQLite, and NAME_on_postgres: the same body. */
#define TEST_ON_BOTH(name)          \
    static void name##_body(void);  \
    TEST(name)                      \
    {                               \
        server_on_postgres = false; \
        name##_body();              \
    }                               \
    TEST(name##_on_postgres)        \
    {                               \
        server_on_postgres = true;  \
        name##_body();              \
        server_on_postgres = false; \
    }                               \
    static void name##_body(void)

#endif
