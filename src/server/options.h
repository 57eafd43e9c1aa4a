/* What `leat serve` was asked to do: file, environment and flags put together. */
#ifndef LEAT_SERVER_OPTIONS_H
#define LEAT_SERVER_OPTIONS_H

#include "config/config.h"
#include "env/env.h"

struct server_options {
    struct config config; /* broker scope; everything is in here */
    struct env_addr kafka, http;
    struct env_addr advertise; /* host empty: not set */
    bool help;
};

/*
 * Precedence: defaults < --config FILE (or LEAT_CONFIG) < LEAT_ environment < flags. Errors are for
 * the terminal: what was wrong, where, what to do. On an error the options are deinitialised.
 */
MUST_USE enum err server_options_load(struct env *env, int argc, char **argv,
                                      char *const *environ_block, struct server_options *out,
                                      struct ectx *ec);
void server_options_deinit(struct server_options *o);
extern const char server_usage[];

#endif
